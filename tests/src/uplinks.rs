//! What the exchange does at trunks as it records it, for tests of everything that reads the log.

use crate::calls::{ACCOUNT, CARRIER_A};
use crate::stream::{EPOCH, Stream};
use domain::address::{Flow, Transport};
use domain::codec::Desk;
use domain::codec::uplink::encode;
use domain::ids::{AccountId, LegId, TrunkId, UplinkId};
use domain::log::EventLog;
use domain::session::event::{SipMessage, Wire};
use domain::time::WallTime;
use domain::uplink::{
    TrunkDown, TrunkUp, UplinkBegun, UplinkEndCause, UplinkEnded, UplinkEvent, UplinkLost, UplinkRefreshed,
    UplinkRefused, UplinkRegistered,
};
use std::time::Duration;

/// The history of one uplink in the making.
pub struct UplinkScript {
    /// The uplink.
    pub id: UplinkId,
    account: AccountId,
    trunk: TrunkId,
    now: i64,
    events: Vec<(i64, UplinkEvent)>,
    stream: Stream,
}

impl UplinkScript {
    /// Uplink `number`, at [`CARRIER_A`], from 2026-01-02T03:04:05Z on.
    pub fn new(number: u16) -> Self {
        let id = UplinkId::from_bits(0x7100_0000 + u128::from(number));
        let stream = Stream::new(UplinkEvent::CATEGORY, id.uuid(), 0x7100_0000 + u32::from(number));
        Self { id, account: ACCOUNT, trunk: CARRIER_A, now: EPOCH, events: Vec::new(), stream }
    }

    /// At another's trunk; to be said before anything happens.
    pub fn at(mut self, account: AccountId, trunk: TrunkId) -> Self {
        (self.account, self.trunk) = (account, trunk);
        self
    }

    /// What follows happens that many seconds later.
    pub fn after(mut self, seconds: i64) -> Self {
        self.now += seconds * 1_000_000;
        self
    }

    fn event(mut self, event: UplinkEvent) -> Self {
        self.events.push((self.now, event));
        self
    }

    fn later(&self, seconds: u64) -> WallTime {
        WallTime::from_micros(self.now) + Duration::from_secs(seconds)
    }

    fn wire(&self, status: Option<u16>) -> SipMessage {
        let (local, remote) = ("127.0.0.1:5060".parse().unwrap(), "127.0.0.1:5080".parse().unwrap());
        let start = status.map_or("REGISTER sip:carrier.example SIP/2.0".to_owned(), |s| format!("SIP/2.0 {s} X"));
        let wire =
            Wire { flow: Flow { transport: Transport::Udp, local, remote }, bytes: format!("{start}\r\n\r\n").into() };
        let leg = LegId::from_bits(0xc000_0000_0000_0000 | self.id.bits() as u64);
        SipMessage { leg, method: "REGISTER".into(), status, cseq: 1, wire: wire.into() }
    }

    /// The trunk's settings ask for it.
    pub fn begun(self, registers: bool) -> Self {
        let (account, trunk) = (self.account, self.trunk);
        self.event(UplinkEvent::UplinkBegun(UplinkBegun { account, trunk, registers }))
    }

    /// A REGISTER of ours, and what came to it.
    pub fn asked(self, status: u16) -> Self {
        let (sent, heard) = (self.wire(None), self.wire(Some(status)));
        self.event(UplinkEvent::UplinkSent(sent)).event(UplinkEvent::UplinkHeard(heard))
    }

    /// The registrar knows us, for an hour.
    pub fn registered(self, back: bool) -> Self {
        let registered = UplinkRegistered { expires: 3_600, until: self.later(3_600), back };
        self.event(UplinkEvent::UplinkRegistered(registered))
    }

    /// For another hour.
    pub fn refreshed(self) -> Self {
        let refreshed = UplinkRefreshed { expires: 3_600, until: self.later(3_600) };
        self.event(UplinkEvent::UplinkRefreshed(refreshed))
    }

    /// It says no, or nothing.
    pub fn refused(self, status: Option<u16>) -> Self {
        let reason = status.map_or("no answer".to_owned(), |status| status.to_string());
        let refused = UplinkRefused { status, reason: reason.into(), again: self.later(30) };
        self.event(UplinkEvent::UplinkRefused(refused))
    }

    /// It knows us no more.
    pub fn lost(self) -> Self {
        self.event(UplinkEvent::UplinkLost(UplinkLost { reason: "no answer".into() }))
    }

    /// Calls to the trunk have no chance.
    pub fn down(self) -> Self {
        let reason = "no answer, 3 in a row".into();
        let down = TrunkDown { reason, status: None, again: self.later(60) };
        self.event(UplinkEvent::TrunkDown(down))
    }

    /// They have one again.
    pub fn up(self) -> Self {
        self.event(UplinkEvent::TrunkUp(TrunkUp { answered: true }))
    }

    /// It is over, since settings changed.
    pub fn ended(self) -> Self {
        self.event(UplinkEvent::UplinkEnded(UplinkEnded { cause: UplinkEndCause::Changed, unregistered: true }))
    }

    /// Appends what was not appended yet, as one.
    pub fn record(mut self, log: &dyn EventLog) -> Self {
        let events = std::mem::take(&mut self.events);
        let over = events.iter().any(|(_, event)| matches!(event, UplinkEvent::UplinkEnded(_)));
        self.stream
            .append(log, &events, over, |event, id, key, secret| encode(&mut Desk::default(), event, id, key, secret));
        self
    }
}
