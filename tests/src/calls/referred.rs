//! A call that a REFER outside any dialog asks for.

use super::script::CallScript;
use super::sip::Body;
use super::{CARRIER_A, NUMBER, PBX};
use domain::address::{EdgeRole, Transport};
use domain::ids::{LegId, TrunkId};
use domain::media::MediaSource;
use domain::session::event::*;
use domain::session::mode::Mode;

/// A PBX asks, and is rung first (0.5 s), then a carrier takes the call (2 s), and the PBX hangs up.
pub fn referred(number: u16) -> CallScript {
    let script = CallScript::new(number);
    let [by, own, target] = [0, 1, 2].map(|n| script.callee_leg(n));
    let asked = SessionReferred {
        leg: by,
        account: script.account,
        edge: EdgeRole::Public,
        trunk: Some(PBX),
        user: None,
        domain: None,
        notified: true,
        max_forwards: 70,
        parties: Parties {
            caller: script.caller.clone(),
            called: script.called.clone(),
            call_id: format!("{number}-0@pbx.example"),
        }
        .into(),
    };
    script
        .got(0, "REFER", None, 1, Body::Empty)
        .event(SessionEvent::SessionReferred(asked))
        .event(SessionEvent::RouteChosen(route("inside", None, PBX)))
        .sent(0, "REFER", 202, 1, Body::Empty)
        .sent(0, "NOTIFY", None, 1, Body::Empty)
        .event(invited(own, PBX))
        .sent(1, "INVITE", None, 1, Body::Empty)
        .after(500_000)
        .got(1, "INVITE", 200, 1, Body::Sdp("sendrecv", 40_000))
        .event(SessionEvent::LegAnswered(LegAnswered { leg: own }))
        .sent(1, "ACK", None, 1, Body::Sdp("inactive", 30_004))
        .event(SessionEvent::LegConfirmed(LegConfirmed { leg: own }))
        .event(SessionEvent::RouteChosen(route("carrier-by-prefix", Some(by), CARRIER_A)))
        .event(invited(target, CARRIER_A))
        .sent(2, "INVITE", None, 1, Body::Sdp("sendrecv", 30_008))
        .after(2_000_000)
        .got(2, "INVITE", 200, 1, Body::Sdp("sendrecv", 41_000))
        .event(SessionEvent::LegAnswered(LegAnswered { leg: target }))
        .sent(2, "ACK", None, 1, Body::Empty)
        .event(SessionEvent::LegConfirmed(LegConfirmed { leg: target }))
        .sent(1, "INVITE", None, 2, Body::Sdp("sendrecv", 30_004))
        .after(20_000)
        .got(1, "INVITE", 200, 2, Body::Sdp("sendrecv", 40_000))
        .sent(1, "ACK", None, 2, Body::Empty)
        .event(SessionEvent::LegsBridged(LegsBridged { caller: own, callee: target }))
        .event(SessionEvent::ModeEntered(ModeEntered { mode: Mode::Trunking, cause: "refer".into(), by: target }))
        .event(SessionEvent::TransferCompleted(TransferCompleted { leg: by }))
        .sent(0, "NOTIFY", None, 2, Body::Empty)
        .after(7_000_000)
        .got(1, "BYE", None, 1, Body::Empty)
        .event(SessionEvent::LegReleased(LegReleased { leg: own, cause: ReleaseCause::Bye }))
        .event(SessionEvent::LegReleased(LegReleased { leg: target, cause: ReleaseCause::OtherLeg }))
        .sent(2, "BYE", None, 2, Body::Empty)
        .event(SessionEvent::SessionEnded(SessionEnded {
            cause: EndCause::Completed,
            status: Some(200),
            by: Some(own),
        }))
}

fn route(rule: &str, asked_by: Option<LegId>, trunk: TrunkId) -> RouteChosen {
    let target = Target {
        spare: false,
        uri: "sip:+15550100@127.0.0.1:5080".into(),
        to: "sip:+15550100@127.0.0.1".into(),
        local: "127.0.0.1:5060".parse().unwrap(),
        destination: "127.0.0.1:5080".parse().unwrap(),
        transport: Transport::Udp,
        large_by_tcp: None,
        group: 0,
        routes: vec![],
        binding: None,
        trunk: Some(trunk),
        media_source: MediaSource::Sdp,
        ring_timeout: 30,
    };
    RouteChosen {
        rule: rule.into(),
        rule_version: 1,
        number: asked_by.map(|_| NUMBER),
        reason: "it is made up".into(),
        asked_by,
        passed_over: vec![],
        targets: vec![target].into(),
    }
}

fn invited(leg: LegId, trunk: TrunkId) -> SessionEvent {
    SessionEvent::LegInvited(LegInvited { leg, target: 0, trunk: Some(trunk) })
}
