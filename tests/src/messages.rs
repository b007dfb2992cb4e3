//! MESSAGEs outside calls as the exchange records them, for tests of everything that reads the log.

use crate::calls::{ACCOUNT, CARRIER_A, NUMBER, PBX};
use crate::stream::{EPOCH, Stream};
use domain::address::{EdgeRole, Flow, Transport};
use domain::codec::Desk;
use domain::codec::pager::encode;
use domain::ids::{AccountId, LegId, MessageId};
use domain::log::EventLog;
use domain::media::MediaSource;
use domain::pager::{MessageEnded, MessageOffered, PagerEvent};
use domain::session::event::{Parties, RouteChosen, RouteRefused, SipMessage, Target, Wire};

/// The history of one MESSAGE in the making.
pub struct MessageScript {
    /// The MESSAGE.
    pub id: MessageId,
    account: AccountId,
    sender: String,
    recipient: String,
    number: u16,
    now: i64,
    events: Vec<(i64, PagerEvent)>,
    stream: Stream,
    count: usize,
}

impl MessageScript {
    /// MESSAGE `number`, begun that many seconds after 2026-01-02T03:04:05Z. Those with the same number are the same.
    pub fn new(number: u16) -> Self {
        let id = MessageId::from_bits(0x5300_0000 + u128::from(number));
        Self {
            id,
            account: ACCOUNT,
            sender: "+49301".to_owned(),
            recipient: "+15550100".to_owned(),
            number,
            now: EPOCH + i64::from(number) * 1_000_000,
            events: Vec::new(),
            stream: Stream::new(PagerEvent::CATEGORY, id.uuid(), 0x5300_0000 + u32::from(number)),
            count: 0,
        }
    }

    /// Another account's; to be said before anything happens.
    pub fn of(mut self, account: AccountId) -> Self {
        self.account = account;
        self
    }

    /// Between these; to be said before anything happens.
    pub fn between(mut self, sender: &str, recipient: &str) -> Self {
        (self.sender, self.recipient) = (sender.to_owned(), recipient.to_owned());
        self
    }

    /// What follows happens that many microseconds later.
    pub fn after(mut self, micros: i64) -> Self {
        self.now += micros;
        self
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The sender's leg is 0, those of targets count from 1.
    fn leg(&self, n: u8) -> LegId {
        LegId::from_bits(0xb000_0000_0000_0000 | u64::from(self.number) << 8 | u64::from(n))
    }

    fn event(mut self, event: PagerEvent) -> Self {
        self.events.push((self.now, event));
        self.count += 1;
        self
    }

    fn wire(&self, n: u8, status: Option<u16>) -> SipMessage {
        let remote = ["127.0.0.1:5070", "127.0.0.1:5080", "127.0.0.1:5090"][usize::from(n).min(2)];
        let (local, remote) = ("127.0.0.1:5060".parse().unwrap(), remote.parse().unwrap());
        let flow = Flow { transport: Transport::Udp, local, remote };
        let uri = format!("sip:{}@{remote}", self.recipient);
        let (start, body) = match status {
            None => (format!("MESSAGE {uri} SIP/2.0"), "Hello"),
            Some(200) => ("SIP/2.0 200 OK".to_owned(), ""),
            Some(status) => (format!("SIP/2.0 {status} Whatever"), ""),
        };
        let call_id = format!("Call-ID: m{}-{n}@pbx.example", self.number);
        let bytes = format!("{start}\r\n{call_id}\r\nCSeq: 1 MESSAGE\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let wire = Wire { flow, bytes: bytes.into() };
        SipMessage { leg: self.leg(n), method: "MESSAGE".into(), status, cseq: 1, wire: wire.into() }
    }

    fn offered(self) -> Self {
        let parties = Parties {
            caller: self.sender.clone(),
            called: self.recipient.clone(),
            call_id: format!("m{}-0@pbx.example", self.number),
        };
        let offered = MessageOffered {
            leg: self.leg(0),
            account: self.account,
            edge: EdgeRole::Public,
            trunk: Some(PBX),
            user: None,
            domain: None,
            parties: parties.into(),
        };
        let heard = self.wire(0, None);
        self.event(PagerEvent::MessageHeard(heard)).event(PagerEvent::MessageOffered(offered))
    }

    /// Offered, and sent to the first of two targets.
    pub fn sent(self) -> Self {
        let target = |port: u16, trunk, group| Target {
            spare: false,
            uri: format!("sip:{}@127.0.0.1:{port}", self.recipient),
            to: format!("sip:{}@127.0.0.1:{port}", self.recipient),
            local: "127.0.0.1:5060".parse().unwrap(),
            destination: format!("127.0.0.1:{port}").parse().unwrap(),
            transport: Transport::Udp,
            large_by_tcp: None,
            group,
            routes: vec![],
            binding: None,
            trunk,
            media_source: MediaSource::Sdp,
            ring_timeout: 30,
        };
        let chosen = RouteChosen {
            rule: "number".into(),
            rule_version: 1,
            number: Some(NUMBER),
            reason: "the called number is one of the account's".into(),
            asked_by: None,
            passed_over: vec![],
            targets: vec![target(5080, Some(CARRIER_A), 0), target(5090, None, 1)].into(),
        };
        self.offered().event(PagerEvent::MessageRouted(chosen)).sent_to(1)
    }

    /// It leaves for a target, from 1.
    pub fn sent_to(self, n: u8) -> Self {
        let message = self.wire(n, None);
        self.event(PagerEvent::MessageSent(message))
    }

    /// A target, from 1, says this.
    pub fn heard(self, n: u8, status: u16) -> Self {
        let message = self.wire(n, Some(status));
        self.event(PagerEvent::MessageHeard(message))
    }

    /// The sender is told this, of the target that took it, from 0.
    pub fn ended(self, status: u16, target: Option<u8>) -> Self {
        let answer = self.wire(0, Some(status));
        let ended = MessageEnded { status, target };
        self.event(PagerEvent::MessageEnded(ended)).event(PagerEvent::MessageSent(answer))
    }

    /// Offered, sent, and taken by the second target, after the first failed.
    pub fn accepted(self) -> Self {
        self.sent().after(30_000).heard(1, 503).sent_to(2).after(20_000).heard(2, 200).ended(200, Some(1))
    }

    /// No way leads to whom it is for.
    pub fn unroutable(self) -> Self {
        let (rule, reason) = ("no-such-number".into(), "no rule serves it".into());
        let refused = RouteRefused { status: 404, rule, reason, retry_after: None };
        self.offered().event(PagerEvent::MessageUnroutable(refused)).ended(404, None)
    }

    /// Appends what was not appended yet, as one.
    pub fn record(mut self, log: &dyn EventLog) -> Self {
        let events = std::mem::take(&mut self.events);
        let over = events.iter().any(|(_, event)| matches!(event, PagerEvent::MessageEnded(_)));
        self.stream
            .append(log, &events, over, |event, id, key, secret| encode(&mut Desk::default(), event, id, key, secret));
        self
    }
}
