//! An event of every type, with every optional field there and absent, and every word that an event may hold.

use domain::address::{EdgeRole, Flow, Transport};
use domain::codec::personal::Personal;
use domain::ids::{AccountId, CredentialId, DomainId, EventId, LegId, NumberId, SessionId, TransferId, TrunkId};
use domain::media::{MediaSource, PortPair, SideStatistics};
use domain::session::event::{
    Carried, ConnectionLost, EndCause, LegAlerted, LegAnswered, LegChallenged, LegConfirmed, LegGivenAway, LegInvited,
    LegMeasure, LegRefused, LegRegained, LegReleased, LegReplaced, LegReturned, LegTaken, LegsBridged, MediaFellSilent,
    MediaHeard, MediaLatched, MediaMeasured, MediaReserved, ModeEntered, OfferAccepted, OfferChange, OfferMade,
    OfferRefused, Parties, PassedOver, RefusalCause, ReleaseCause, ReplacementAsked, ReplacementRefused, RouteChosen,
    RouteRefused, SessionEnded, SessionEvent, SessionOffered, SessionReferred, SessionTimerSet, SipMessage,
    SipMessageRepeated, Target, TransferAsked, TransferCompleted, TransferFailed, TransferLinked, TransferRefused, Way,
    Wire,
};
use domain::session::mode::Mode;
use domain::sip::session_timer::{RefreshedBy, Terms};
use domain::time::WallTime;
use domain::transfer::{Frozen, TransferBegun, TransferEnded, TransferEvent};

const CALLER: LegId = LegId::from_bits(0xca11);
const CALLEE: LegId = LegId::from_bits(0xca11ee);
const SESSION: SessionId = SessionId::from_bits(0x5e55);
const TRANSFER: TransferId = TransferId::from_bits(0x7f);
const TRUNK: TrunkId = TrunkId::from_bits(0x7);

/// Every sample, in the order of types.
pub(super) fn samples() -> Vec<SessionEvent> {
    [messages(), offers(), referrals(), routes(), legs(), media(), changes(), transfers(), ends()].concat()
}

/// Every sample of what joins two sessions.
pub(super) fn joining() -> Vec<TransferEvent> {
    let begun = TransferBegun {
        account: AccountId::from_bits(0xacc),
        taking: SESSION,
        asking: CALLER,
        remaining: CALLEE,
        giving: SessionId::from_bits(0x6e55),
        replaced: LegId::from_bits(0xa5),
        moved: LegId::from_bits(0xb6),
    };
    let ended = |completed, status| TransferEvent::TransferEnded(TransferEnded::told(completed, status));
    let lost = TransferEnded { frozen: Some(Frozen::WithLeg), ..TransferEnded::told(false, 500) };
    vec![TransferEvent::TransferBegun(begun), ended(true, 200), ended(false, 480), TransferEvent::TransferEnded(lost)]
}

fn message(status: Option<u16>, local: &str, remote: &str, bytes: &'static [u8]) -> SipMessage {
    let flow = Flow { transport: Transport::Udp, local: local.parse().unwrap(), remote: remote.parse().unwrap() };
    let wire = Personal::Known(Wire { flow, bytes: bytes.into() });
    SipMessage { leg: CALLER, method: "INVITE".into(), status, cseq: 1, wire }
}

fn messages() -> Vec<SessionEvent> {
    let invite = message(None, "192.0.2.1:5060", "198.51.100.1:5062", b"INVITE sip:b@192.0.2.1 SIP/2.0\r\n\r\n");
    let ringing = message(Some(180), "[2001:db8::1]:5060", "[2001:db8::2]:5060", b"SIP/2.0 180 Ringing\r\n\r\n\xff");
    let repeated = |way| SipMessageRepeated { leg: CALLER, way, of: EventId::minted(1, 1, 0, 7), times: 3 };
    vec![
        SessionEvent::SipMessageReceived(invite.clone()),
        SessionEvent::SipMessageReceived(ringing.clone()),
        SessionEvent::SipMessageCommitted(invite),
        SessionEvent::SipMessageCommitted(ringing),
        SessionEvent::SipMessageRepeated(repeated(Way::Received)),
        SessionEvent::SipMessageRepeated(repeated(Way::Sent)),
    ]
}

fn offers() -> Vec<SessionEvent> {
    let parties = Parties { caller: "+14155550100".into(), called: "+15550001111".into(), call_id: "1@a".into() };
    let offered = SessionOffered {
        leg: CALLER,
        account: AccountId::from_bits(0xacc),
        edge: EdgeRole::Carrier,
        trunk: Some(TRUNK),
        user: None,
        domain: None,
        media_source: MediaSource::Sdp,
        late_offer: false,
        max_forwards: 70,
        parties: parties.into(),
    };
    let late = SessionOffered {
        edge: EdgeRole::Public,
        media_source: MediaSource::Latch,
        late_offer: true,
        ..offered.clone()
    };
    let (user, domain) = (Some(CredentialId::from_bits(0xc)), Some(DomainId::from_bits(0xd)));
    let of_user = SessionOffered { trunk: None, user, domain, ..offered.clone() };
    [offered, late, of_user].map(SessionEvent::SessionOffered).to_vec()
}

fn referrals() -> Vec<SessionEvent> {
    let parties = Parties { caller: "alice".into(), called: "+15550001111".into(), call_id: "1@a".into() };
    let of_trunk = SessionReferred {
        leg: CALLER,
        account: AccountId::from_bits(0xacc),
        edge: EdgeRole::Public,
        trunk: Some(TRUNK),
        user: None,
        domain: None,
        notified: true,
        max_forwards: 70,
        parties: parties.into(),
    };
    let (user, domain) = (Some(CredentialId::from_bits(0xc)), Some(DomainId::from_bits(0xd)));
    let of_user = SessionReferred { trunk: None, user, domain, notified: false, ..of_trunk.clone() };
    [of_trunk, of_user].map(SessionEvent::SessionReferred).to_vec()
}

fn target(trunk: Option<TrunkId>, media_source: MediaSource) -> Target {
    Target {
        uri: "sip:reception@203.0.113.1:5060".into(),
        to: "sip:reception@203.0.113.1".into(),
        local: "192.0.2.1:5060".parse().unwrap(),
        destination: "203.0.113.1:5060".parse().unwrap(),
        transport: Transport::Udp,
        large_by_tcp: None,
        group: 0,
        spare: false,
        routes: vec![],
        binding: None,
        trunk,
        media_source,
        ring_timeout: 20,
    }
}

fn routes() -> Vec<SessionEvent> {
    let chosen = RouteChosen {
        rule: "number".into(),
        rule_version: 4,
        number: Some(NumberId::from_bits(0x4711)),
        reason: "the number has a target of its own".into(),
        asked_by: None,
        passed_over: vec![PassedOver { trunk: TRUNK, reason: "it is where the call came from".into() }],
        targets: vec![target(None, MediaSource::Sdp), target(Some(TRUNK), MediaSource::Latch)].into(),
    };
    let bare = RouteChosen { number: None, passed_over: Vec::new(), targets: Vec::new().into(), ..chosen.clone() };
    let transfer = RouteChosen { asked_by: Some(CALLEE), ..bare.clone() };
    let refused = RouteRefused {
        status: 404,
        rule: "unknown".into(),
        reason: "nobody has this number".into(),
        retry_after: None,
    };
    let chosen = [chosen, bare, transfer].map(SessionEvent::RouteChosen);
    chosen.into_iter().chain([SessionEvent::RouteRefused(refused)]).collect()
}

fn legs() -> Vec<SessionEvent> {
    let invited = |target, trunk| SessionEvent::LegInvited(LegInvited { leg: CALLEE, target, trunk });
    let alerted = |status, early_media| SessionEvent::LegAlerted(LegAlerted { leg: CALLEE, status, early_media });
    let challenged = |status, stale, gave_up| {
        SessionEvent::LegChallenged(LegChallenged { leg: CALLEE, method: "INVITE".into(), status, stale, gave_up })
    };
    let refused = |status, cause| SessionEvent::LegRefused(LegRefused { leg: CALLEE, status, cause });
    vec![
        invited(0, None),
        invited(1, Some(TRUNK)),
        alerted(180, false),
        alerted(183, true),
        challenged(407, false, None),
        challenged(401, true, Some("the peer refused the credentials".into())),
        SessionEvent::LegAnswered(LegAnswered { leg: CALLEE }),
        SessionEvent::LegConfirmed(LegConfirmed { leg: CALLER }),
        refused(486, RefusalCause::Response),
        refused(408, RefusalCause::TimedOut),
        refused(408, RefusalCause::NoAnswer),
        refused(487, RefusalCause::Cancelled),
        refused(503, RefusalCause::NoPorts),
        refused(480, RefusalCause::AtLimit),
        refused(488, RefusalCause::BadSdp),
        refused(481, RefusalCause::Unacknowledged),
        SessionEvent::LegsBridged(LegsBridged { caller: CALLER, callee: CALLEE }),
        SessionEvent::ModeEntered(ModeEntered { mode: Mode::Trunking, cause: "answer".into(), by: CALLEE }),
    ]
}

fn media() -> Vec<SessionEvent> {
    let reserved = |address: &str, ports| {
        let address = address.parse().unwrap();
        SessionEvent::MediaReserved(MediaReserved { leg: CALLEE, address, first: 0, ports })
    };
    let silent = |rtcp_alive| {
        SessionEvent::MediaFellSilent(MediaFellSilent { leg: CALLEE, stream: 0, lasted_ms: 5_000, rtcp_alive })
    };
    let statistics = SideStatistics {
        packets: 500,
        bytes: 86_000,
        lost: 3,
        dropped: 1,
        rtcp_packets: 4,
        jitter_us: 250,
        reported_loss_permille: 2,
        mos_centi: 436,
    };
    let sides = [CALLER, CALLEE].map(|leg| LegMeasure { leg, statistics });
    let latched = |source: &str| {
        let source = source.parse::<std::net::SocketAddr>().unwrap();
        SessionEvent::MediaLatched(MediaLatched { leg: CALLEE, stream: 0, source: source.into() })
    };
    vec![
        reserved("192.0.2.9", vec![PortPair::at(20_000), None]),
        reserved("2001:db8::9", vec![PortPair::at(20_002)]),
        latched("203.0.113.7:9000"),
        latched("[2001:db8::7]:9000"),
        silent(true),
        silent(false),
        SessionEvent::MediaHeard(MediaHeard { leg: CALLEE, stream: 1 }),
        SessionEvent::MediaMeasured(MediaMeasured { stream: 0, sides }),
    ]
}

fn changes() -> Vec<SessionEvent> {
    let changes = [OfferChange::Hold, OfferChange::Resume, OfferChange::Refresh, OfferChange::Media, OfferChange::Late];
    let made = changes.map(|change| SessionEvent::OfferMade(OfferMade { leg: CALLER, change }));
    let ends = [
        SessionEvent::OfferAccepted(OfferAccepted { leg: CALLER }),
        SessionEvent::OfferRefused(OfferRefused { leg: CALLER, status: 491 }),
    ];
    let timers =
        [RefreshedBy::Peer, RefreshedBy::Exchange, RefreshedBy::ExchangeAlone].map(Some).into_iter().chain([None]);
    let timers = timers.map(|by| {
        let timer = by.map(|by| Terms { interval: 1_800, by });
        SessionEvent::SessionTimerSet(SessionTimerSet { leg: CALLER, timer })
    });
    let flow = Flow {
        transport: Transport::Tcp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "198.51.100.2:40000".parse().unwrap(),
    };
    let lost = |with_us_after| SessionEvent::ConnectionLost(ConnectionLost { with_us_after, flow: flow.into() });
    let since = Some(WallTime::from_micros(1_800_000_000_000_000));
    made.into_iter().chain(ends).chain(timers).chain([None, since].map(lost)).collect()
}

fn transfers() -> Vec<SessionEvent> {
    let asked = |notified| {
        let target = Personal::Known("sip:+15550003333@exchange.example".to_owned());
        SessionEvent::TransferAsked(TransferAsked { leg: CALLER, notified, target })
    };
    let (status, reason) = (403, "no transfers are allowed to who asks".into());
    let parties = Parties { caller: "+15550001111".into(), called: "+15550002222".into(), call_id: "c1@host".into() };
    let replacement = ReplacementAsked {
        leg: CALLER,
        replaces: CALLEE,
        edge: EdgeRole::Public,
        trunk: Some(TRUNK),
        user: None,
        domain: None,
        media_source: MediaSource::Sdp,
        late_offer: false,
        parties: Personal::Known(parties),
    };
    let (user, domain) = (Some(CredentialId::from_bits(0xc)), Some(DomainId::from_bits(0xd)));
    let of_user = ReplacementAsked { trunk: None, user, domain, late_offer: true, ..replacement.clone() };
    let carried = Carried {
        agreed: "v=0\r\n".into(),
        told: "v=0\r\ns=-\r\n".into(),
        to: "sip:+15550003333@carrier.example".into(),
        dialled: "+15550003333".into(),
    };
    let taken = LegTaken {
        leg: CALLEE,
        from: SESSION,
        transfer: TRANSFER,
        trunk: Some(TRUNK),
        domain: None,
        device: false,
        media_source: MediaSource::Latch,
        version: 1,
        carried: Personal::Known(carried),
    };
    let failed = TransferFailed { leg: CALLER, status: 486, reason: "no target answered".into() };
    vec![
        asked(true),
        asked(false),
        SessionEvent::TransferRefused(TransferRefused { leg: CALLER, status, reason }),
        SessionEvent::ReplacementAsked(replacement),
        SessionEvent::ReplacementAsked(of_user),
        SessionEvent::ReplacementRefused(ReplacementRefused {
            leg: CALLER,
            status: 486,
            reason: "it is answered".into(),
        }),
        SessionEvent::TransferLinked(TransferLinked { leg: CALLER, transfer: TRANSFER, with: SESSION }),
        SessionEvent::LegGivenAway(LegGivenAway { leg: CALLEE, to: SESSION, transfer: TRANSFER }),
        SessionEvent::LegTaken(taken.clone()),
        SessionEvent::LegTaken(LegTaken { trunk: None, domain, device: true, ..taken }),
        SessionEvent::LegReturned(LegReturned { leg: CALLEE, to: SESSION }),
        SessionEvent::LegRegained(LegRegained { leg: CALLEE, from: SESSION, version: 2 }),
        SessionEvent::LegReplaced(LegReplaced { leg: CALLER, by: CALLEE }),
        SessionEvent::TransferCompleted(TransferCompleted { leg: CALLER }),
        SessionEvent::TransferFailed(failed),
    ]
}

fn ends() -> Vec<SessionEvent> {
    let causes = [
        ReleaseCause::Bye,
        ReleaseCause::Cancel,
        ReleaseCause::Refused,
        ReleaseCause::OtherLeg,
        ReleaseCause::AckMissing,
        ReleaseCause::DialogGone,
        ReleaseCause::Unusable,
        ReleaseCause::Expired,
        ReleaseCause::Transferred,
        ReleaseCause::Moved,
        ReleaseCause::Replaced,
        ReleaseCause::Operator,
    ];
    let released = causes.map(|cause| SessionEvent::LegReleased(LegReleased { leg: CALLER, cause }));
    let ended = |(cause, status, by)| SessionEvent::SessionEnded(SessionEnded { cause, status, by });
    let ends = [
        (EndCause::Completed, Some(200), Some(CALLER)),
        (EndCause::Cancelled, Some(487), Some(CALLER)),
        (EndCause::Busy, Some(486), None),
        (EndCause::NoAnswer, Some(480), None),
        (EndCause::Failed, Some(404), None),
        (EndCause::Transferred, Some(200), Some(CALLER)),
        (EndCause::Lost, None, None),
    ];
    released.into_iter().chain(ends.map(ended)).collect()
}
