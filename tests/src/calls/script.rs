//! What happens in a call, step by step.

use super::recorder::event_id;
use super::sip::{Body, message};
use super::{ACCOUNT, CARRIER_A, CARRIER_B, NUMBER, PBX};
use domain::address::{EdgeRole, Flow, Transport};
use domain::ids::{AccountId, EventId, LegId, SessionId};
use domain::media::{MediaSource, PortPair, SideStatistics};
use domain::session::event::*;
use domain::session::mode::Mode;
use domain::time::WallTime;

/// 2026-01-02T03:04:05Z.
const EPOCH: i64 = 1_767_323_045_000_000;

/// One event of a script.
#[derive(Debug, Clone)]
pub struct Step {
    /// When.
    pub at: WallTime,
    /// What.
    pub event: SessionEvent,
    call: u16,
    index: u64,
}

impl Step {
    pub(super) fn id(&self, _session: SessionId) -> EventId {
        event_id(self.call, self.index)
    }
}

/// A call's history in the making.
#[derive(Debug, Clone)]
pub struct CallScript {
    /// The session.
    pub session: SessionId,
    /// Whose.
    pub account: AccountId,
    /// The caller's text.
    pub caller: String,
    /// The called party's text.
    pub called: String,
    number: u16,
    now: i64,
    turn: usize,
    steps: Vec<(usize, Step)>,
}

impl CallScript {
    /// Call `number`, begun that many seconds after 2026-01-02T03:04:05Z. Calls with the same number are the same.
    pub fn new(number: u16) -> Self {
        Self {
            session: SessionId::from_bits(0x7000_0000 + u128::from(number)),
            account: ACCOUNT,
            caller: "+49301".to_owned(),
            called: "+15550100".to_owned(),
            number,
            now: EPOCH + i64::from(number) * 1_000_000,
            turn: 0,
            steps: Vec::new(),
        }
    }

    /// Another account's call; to be said before anything happens.
    pub fn of(mut self, account: AccountId) -> Self {
        self.account = account;
        self
    }

    /// Begun at that many microseconds after 2026-01-02T03:04:05Z instead; to be said before anything happens.
    pub fn beginning(mut self, micros: i64) -> Self {
        self.now = EPOCH + micros;
        self
    }

    /// With another id; to be said before anything happens.
    pub fn known_as(mut self, session: SessionId) -> Self {
        self.session = session;
        self
    }

    /// A call between these; to be said before anything happens.
    pub fn between(mut self, caller: &str, called: &str) -> Self {
        caller.clone_into(&mut self.caller);
        called.clone_into(&mut self.called);
        self
    }

    /// Offered, routed, rings 1.46 s, talks 10 s, the caller hangs up.
    pub fn completed(self) -> Self {
        self.ringing_out().answered(1).hung_up(1)
    }

    /// The same with a hold and a resume by the caller, and a silence meanwhile.
    pub fn completed_with_a_hold(self) -> Self {
        let script = self.ringing_out().answered(1).held(1, "sendonly", OfferChange::Hold, 2);
        let leg = script.callee_leg(1);
        script
            .after(4_000_000)
            .event(SessionEvent::MediaFellSilent(MediaFellSilent {
                leg,
                stream: 0,
                lasted_ms: 4_000,
                rtcp_alive: true,
            }))
            .held(1, "sendrecv", OfferChange::Resume, 3)
            .event(SessionEvent::MediaHeard(MediaHeard { leg, stream: 0 }))
            .hung_up(1)
    }

    /// The caller's leg.
    pub fn caller_leg(&self) -> LegId {
        self.callee_leg(0)
    }

    /// The leg toward target `n`, from 1.
    pub fn callee_leg(&self, n: u8) -> LegId {
        LegId::from_bits(0xa000_0000_0000_0000 | u64::from(self.number) << 8 | u64::from(n))
    }

    /// The next turn happens that many microseconds later.
    pub fn after(mut self, micros: i64) -> Self {
        self.now += micros;
        self.turn += 1;
        self
    }

    /// Adds an event to the turn.
    pub fn event(mut self, event: SessionEvent) -> Self {
        let index = self.steps.len() as u64;
        let step = Step { at: WallTime::from_micros(self.now), event, call: self.number, index };
        self.steps.push((self.turn, step));
        self
    }

    /// Only the first `n` events.
    pub fn cut(mut self, n: usize) -> Self {
        self.steps.truncate(n);
        self
    }

    /// How many events it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    pub(super) fn ends(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step.event, SessionEvent::SessionEnded(_)))
    }

    pub(super) fn turns(&self) -> Vec<Vec<Step>> {
        self.steps.chunk_by(|a, b| a.0 == b.0).map(|turn| turn.iter().map(|(_, step)| step.clone()).collect()).collect()
    }

    fn wire(&self, leg: u8, method: &str, status: Option<u16>, cseq: u32, body: Body) -> SipMessage {
        let remote = ["127.0.0.1:5070", "127.0.0.1:5080", "127.0.0.1:5090"][usize::from(leg).min(2)];
        let flow = Flow {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            remote: remote.parse().unwrap(),
        };
        let who = format!("{}-{leg}", self.number);
        let uri = format!("sip:{}@{remote}", self.called);
        SipMessage {
            leg: self.callee_leg(leg),
            method: method.into(),
            status,
            cseq,
            wire: Wire { flow, bytes: message(method, status, cseq, &who, &uri, body) }.into(),
        }
    }

    pub(super) fn got(self, leg: u8, method: &str, status: impl Into<Option<u16>>, cseq: u32, body: Body) -> Self {
        let message = self.wire(leg, method, status.into(), cseq, body);
        self.event(SessionEvent::SipMessageReceived(message))
    }

    pub(super) fn sent(self, leg: u8, method: &str, status: impl Into<Option<u16>>, cseq: u32, body: Body) -> Self {
        let message = self.wire(leg, method, status.into(), cseq, body);
        self.event(SessionEvent::SipMessageCommitted(message))
    }

    fn offered(self) -> Self {
        let offered = SessionOffered {
            leg: self.caller_leg(),
            account: self.account,
            edge: EdgeRole::Public,
            trunk: Some(PBX),
            user: None,
            domain: None,
            media_source: MediaSource::Sdp,
            late_offer: false,
            max_forwards: 70,
            parties: Parties {
                caller: self.caller.clone(),
                called: self.called.clone(),
                call_id: format!("{}-0@pbx.example", self.number),
            }
            .into(),
        };
        self.got(0, "INVITE", None, 1, Body::Sdp("sendrecv", 40_000)).event(SessionEvent::SessionOffered(offered))
    }

    fn routed(self) -> Self {
        let target = |port: u16, trunk| Target {
            spare: false,
            uri: format!("sip:{}@127.0.0.1:{port}", self.called),
            to: format!("sip:{}@127.0.0.1:{port}", self.called),
            local: "127.0.0.1:5060".parse().unwrap(),
            destination: format!("127.0.0.1:{port}").parse().unwrap(),
            transport: Transport::Udp,
            large_by_tcp: None,
            group: 0,
            routes: vec![],
            binding: None,
            trunk: Some(trunk),
            media_source: MediaSource::Sdp,
            ring_timeout: 30,
        };
        let chosen = RouteChosen {
            rule: "carrier-by-prefix".into(),
            rule_version: 1,
            number: Some(NUMBER),
            reason: "prefix 1555 is served by two carriers, by priority".into(),
            asked_by: None,
            passed_over: vec![PassedOver { trunk: PBX, reason: "it is where the call came from".into() }],
            targets: vec![target(5080, CARRIER_A), target(5090, CARRIER_B)].into(),
        };
        self.event(SessionEvent::RouteChosen(chosen))
    }

    fn invited(self, n: u8, trunk: domain::ids::TrunkId) -> Self {
        let leg = self.callee_leg(n);
        let reserved = MediaReserved {
            leg,
            address: "127.0.0.1".parse().unwrap(),
            first: 0,
            ports: vec![PortPair::at(30_000 + u16::from(n) * 4)],
        };
        self.event(SessionEvent::LegInvited(LegInvited { leg, target: n - 1, trunk: Some(trunk) }))
            .event(SessionEvent::MediaReserved(reserved))
            .sent(n, "INVITE", None, 1, Body::Sdp("sendrecv", 30_000 + u16::from(n) * 4))
    }

    fn answered(self, n: u8) -> Self {
        let (caller, callee) = (self.caller_leg(), self.callee_leg(n));
        let by = callee;
        let mode = ModeEntered { mode: Mode::Trunking, cause: "answer".into(), by };
        self.after(40_000)
            .got(n, "INVITE", 180, 1, Body::Empty)
            .event(SessionEvent::LegAlerted(LegAlerted { leg: callee, status: 180, early_media: false }))
            .sent(0, "INVITE", 180, 1, Body::Empty)
            .after(1_460_000)
            .got(n, "INVITE", 200, 1, Body::Sdp("sendrecv", 41_000))
            .event(SessionEvent::LegAnswered(LegAnswered { leg: callee }))
            .event(SessionEvent::LegsBridged(LegsBridged { caller, callee }))
            .event(SessionEvent::ModeEntered(mode))
            .sent(n, "ACK", None, 1, Body::Empty)
            .sent(0, "INVITE", 200, 1, Body::Sdp("sendrecv", 30_000))
            .after(9_000)
            .got(0, "ACK", None, 1, Body::Empty)
            .event(SessionEvent::LegConfirmed(LegConfirmed { leg: caller }))
    }

    fn hung_up(self, n: u8) -> Self {
        let (caller, callee) = (self.caller_leg(), self.callee_leg(n));
        let measure = |leg, packets| LegMeasure {
            leg,
            statistics: SideStatistics { packets, bytes: packets * 172, mos_centi: 436, ..SideStatistics::default() },
        };
        let ended = SessionEnded { cause: EndCause::Completed, status: Some(200), by: Some(caller) };
        self.after(10_000_000)
            .got(0, "BYE", None, 2, Body::Empty)
            .event(SessionEvent::LegReleased(LegReleased { leg: caller, cause: ReleaseCause::Bye }))
            .sent(0, "BYE", 200, 2, Body::Empty)
            .sent(n, "BYE", None, 2, Body::Empty)
            .after(3_000)
            .got(n, "BYE", 200, 2, Body::Empty)
            .event(SessionEvent::LegReleased(LegReleased { leg: callee, cause: ReleaseCause::OtherLeg }))
            .event(SessionEvent::MediaMeasured(MediaMeasured {
                stream: 0,
                sides: [measure(caller, 499), measure(callee, 500)],
            }))
            .event(SessionEvent::SessionEnded(ended))
    }

    fn held(self, n: u8, direction: &'static str, change: OfferChange, cseq: u32) -> Self {
        let answer = if direction == "sendonly" { "recvonly" } else { "sendrecv" };
        let leg = self.caller_leg();
        self.after(2_000_000)
            .got(0, "INVITE", None, cseq, Body::Sdp(direction, 40_000))
            .event(SessionEvent::OfferMade(OfferMade { leg, change }))
            .sent(0, "INVITE", 100, cseq, Body::Empty)
            .sent(n, "INVITE", None, cseq, Body::Sdp(direction, 30_004))
            .after(15_000)
            .got(n, "INVITE", 200, cseq, Body::Sdp(answer, 41_000))
            .event(SessionEvent::OfferAccepted(OfferAccepted { leg }))
            .sent(n, "ACK", None, cseq, Body::Empty)
            .sent(0, "INVITE", 200, cseq, Body::Sdp(answer, 30_000))
            .after(8_000)
            .got(0, "ACK", None, cseq, Body::Empty)
    }

    fn ringing_out(self) -> Self {
        self.offered().sent(0, "INVITE", 100, 1, Body::Empty).routed().invited(1, CARRIER_A)
    }
}

/// A call as [`CallScript::completed`] makes it.
pub fn basic(number: u16) -> CallScript {
    CallScript::new(number).completed()
}

/// The first carrier answers 503 after a retransmitted INVITE, the second takes the call.
pub fn failover(number: u16) -> CallScript {
    let script = CallScript::new(number).ringing_out();
    let invite = event_id(number, script.len() as u64 - 1);
    let leg = script.callee_leg(1);
    let repeated = SipMessageRepeated { leg, way: Way::Sent, of: invite, times: 2 };
    let refused = LegRefused { leg, status: 503, cause: RefusalCause::Response };
    script
        .after(1_500_000)
        .event(SessionEvent::SipMessageRepeated(repeated))
        .got(1, "INVITE", 503, 1, Body::Empty)
        .sent(1, "ACK", None, 1, Body::Empty)
        .event(SessionEvent::LegRefused(refused))
        .invited(2, CARRIER_B)
        .answered(2)
        .hung_up(2)
}

/// As [`basic`], with a hold and a resume by the caller and a silence meanwhile.
pub fn hold(number: u16) -> CallScript {
    CallScript::new(number).completed_with_a_hold()
}

/// No way leads to the called number.
pub fn refused(number: u16) -> CallScript {
    let script = CallScript::new(number).offered();
    let leg = script.caller_leg();
    let refusal = RouteRefused {
        status: 404,
        rule: "no-such-number".into(),
        reason: "no rule serves it".into(),
        retry_after: None,
    };
    script
        .event(SessionEvent::RouteRefused(refusal))
        .sent(0, "INVITE", 404, 1, Body::Empty)
        .event(SessionEvent::LegReleased(LegReleased { leg, cause: ReleaseCause::Refused }))
        .after(5_000)
        .got(0, "ACK", None, 1, Body::Empty)
        .event(SessionEvent::SessionEnded(SessionEnded { cause: EndCause::Failed, status: Some(404), by: None }))
}
