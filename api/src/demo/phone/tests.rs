//! Two phones call each other over loopback; where a peer has to misbehave, a bare socket plays it.

use super::call::Audio;
use super::media::{Segment, Speech};
use super::*;
use crate::demo::audio::correlation::best_match;
use std::net::Ipv4Addr;
use tokio::time::timeout;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn settings(name: &str, voice: Voice) -> Settings {
    Settings { name: name.to_owned(), ip: LOOPBACK, voice, t1: T1::default() }
}

async fn phone(name: &str, voice: Voice) -> Phone {
    Phone::switch_on(settings(name, voice)).await.unwrap()
}

async fn two_phones() -> (Phone, Phone) {
    (phone("alice", Voice::of_carrier()).await, phone("bob", Voice::of_pbx()).await)
}

async fn ringing(alice: &Phone, bob: &mut Phone) -> (PhoneCall, PhoneCall) {
    let uri = format!("sip:+14155550123@{}", bob.address());
    let outgoing = alice.call(&uri, bob.address()).await.unwrap();
    let incoming = timeout(PATIENCE, bob.next_call()).await.unwrap().unwrap();
    outgoing.ringing().await.unwrap();
    (outgoing, incoming)
}

async fn talking(alice: &Phone, bob: &mut Phone) -> (PhoneCall, PhoneCall) {
    let (outgoing, incoming) = ringing(alice, bob).await;
    incoming.answer().await.unwrap();
    outgoing.talking().await.unwrap();
    (outgoing, incoming)
}

/// Waits until `call` has heard `packets` more.
async fn hear(call: &PhoneCall, packets: u64) {
    let enough = call.media().counters().heard + packets;
    let heard = call.media().until(|counters| counters.heard >= enough);
    assert!(timeout(PATIENCE, heard).await.unwrap(), "the audio ended");
}

/// Waits until `call`'s audio clock has made `frames` more steps of 20 ms.
async fn pass(call: &PhoneCall, frames: u64) {
    let enough = call.media().counters().frames + frames;
    timeout(PATIENCE, call.media().until(|counters| counters.frames >= enough)).await.unwrap();
}

fn likeness(heard: &Segment, said: &Segment) -> f64 {
    let found = best_match(&heard.heard, &said.said);
    assert!(found.compared * 10 >= heard.heard.len() * 8, "only {} samples were compared", found.compared);
    found.coefficient
}

/// Each heard what the other said since the last look.
fn heard_each_other(one: &PhoneCall, other: &PhoneCall) {
    let (one, other) = (one.media().take_segment(), other.media().take_segment());
    assert!(likeness(&one, &other) > 0.99 && likeness(&other, &one) > 0.99);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_call_carries_both_voices() {
    let (alice, mut bob) = two_phones().await;
    let (outgoing, incoming) = talking(&alice, &mut bob).await;
    assert_eq!((incoming.other(), outgoing.other()), ("alice", "+14155550123"));
    tokio::join!(hear(&outgoing, 50), hear(&incoming, 50));
    let (at_alice, at_bob) = (outgoing.media().take_segment(), incoming.media().take_segment());
    assert!(likeness(&at_alice, &at_bob) > 0.99 && likeness(&at_bob, &at_alice) > 0.99);
    assert!(best_match(&at_bob.heard, &at_bob.said).coefficient < 0.3, "an echo");
    assert_eq!(outgoing.hang_up().await.unwrap(), Ending::WeHungUp);
    assert_eq!(incoming.over().await.unwrap(), Ending::TheyHungUp);
}

#[tokio::test]
async fn the_callee_can_hang_up_too() {
    let (alice, mut bob) = two_phones().await;
    let (outgoing, incoming) = talking(&alice, &mut bob).await;
    assert_eq!(incoming.hang_up().await.unwrap(), Ending::WeHungUp);
    assert_eq!(outgoing.over().await.unwrap(), Ending::TheyHungUp);
    let silent = outgoing.media().counters().sent;
    pass(&outgoing, 5).await;
    assert!(outgoing.media().counters().sent <= silent + 1, "speaks after the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_hears_nothing_the_held_one_hears_music_and_resume_brings_both_back() {
    let (alice, mut bob) = two_phones().await;
    let (outgoing, incoming) = talking(&alice, &mut bob).await;
    tokio::join!(hear(&outgoing, 10), hear(&incoming, 10));
    for (holder, held) in [(&outgoing, &incoming), (&incoming, &outgoing)] {
        holder.hold().await.unwrap();
        assert_eq!(held.status().direction, Direction::RecvOnly);
        // What was on its way when the hold was agreed.
        pass(holder, 5).await;
        let _ = (holder.media().take_segment(), held.media().take_segment());
        hear(held, 40).await;
        let (at_holder, at_held) = (holder.media().take_segment(), held.media().take_segment());
        assert_eq!((at_holder.packets_heard, at_held.packets_sent), (0, 0));
        assert!(likeness(&at_held, &at_holder) > 0.99, "the held one hears something else than the music");
        holder.resume().await.unwrap();
        tokio::join!(hear(holder, 5), hear(held, 5));
        let _ = (holder.media().take_segment(), held.media().take_segment());
        tokio::join!(hear(holder, 50), hear(held, 50));
        heard_each_other(holder, held);
    }
    outgoing.hang_up().await.unwrap();
}

#[tokio::test]
async fn both_on_hold_is_inactive() {
    let (alice, mut bob) = two_phones().await;
    let (outgoing, incoming) = talking(&alice, &mut bob).await;
    outgoing.hold().await.unwrap();
    incoming.hold().await.unwrap();
    assert_eq!([outgoing.status().direction, incoming.status().direction], [Direction::Inactive; 2]);
    outgoing.resume().await.unwrap();
    assert_eq!(outgoing.status().direction, Direction::RecvOnly);
}

#[tokio::test]
async fn a_caller_who_gives_up_cancels() {
    let (alice, mut bob) = two_phones().await;
    let (outgoing, incoming) = ringing(&alice, &mut bob).await;
    assert_eq!(outgoing.hang_up().await.unwrap(), Ending::Cancelled);
    assert_eq!(incoming.over().await.unwrap(), Ending::Cancelled);
    // Answering what has been cancelled must not revive it.
    assert!(matches!(incoming.answer().await, Err(PhoneError::Ended { ending: Ending::Cancelled, .. })));
}

#[tokio::test]
async fn a_callee_can_decline() {
    let (alice, mut bob) = two_phones().await;
    let (outgoing, incoming) = ringing(&alice, &mut bob).await;
    assert_eq!(incoming.hang_up().await.unwrap(), Ending::Refused(603));
    assert_eq!(outgoing.over().await.unwrap(), Ending::Refused(603));
}

/// A peer that does only what a test tells it.
struct Bare(UdpSocket);

impl Bare {
    async fn new() -> Self {
        Self(UdpSocket::bind((LOOPBACK, 0)).await.unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    async fn receive(&self) -> String {
        let mut datagram = vec![0; LARGEST];
        let length = timeout(PATIENCE, self.0.recv(&mut datagram)).await.unwrap().unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    /// The next message that begins with `start`; others are skipped.
    async fn receive_one(&self, start: &str) -> String {
        loop {
            let message = self.receive().await;
            if message.starts_with(start) {
                return message;
            }
        }
    }

    async fn send(&self, to: &Phone, message: &str) {
        self.0.send_to(message.as_bytes(), to.address()).await.unwrap();
    }

    async fn respond(&self, to: &Phone, request: &str, status: &str, sdp: &str) {
        let kept = ["Via:", "From:", "Call-ID:", "CSeq:", "To:"];
        let mut response = format!("SIP/2.0 {status}\r\n");
        for line in request.lines().filter(|line| kept.iter().any(|name| line.starts_with(name))) {
            let tag = if line.starts_with("To:") && !line.contains("tag=") { ";tag=bare" } else { "" };
            response += &format!("{line}{tag}\r\n");
        }
        response += &format!("Contact: <sip:{}>\r\nContent-Length: {}\r\n\r\n{sdp}", self.address(), sdp.len());
        self.send(to, &response).await;
    }

    fn request(&self, method: &str, number: u32, extra: &str, body: &str) -> String {
        let address = self.address();
        format!(
            "{method} sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{method}{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:bare@{address}>;tag=bare\r\nTo: <sip:bob@127.0.0.1>{extra}\r\nCall-ID: bare-call\r\n\
             CSeq: {number} {method}\r\nContact: <sip:bare@{address}>\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

async fn hasty(name: &str) -> Phone {
    let t1 = T1(Duration::from_millis(10));
    Phone::switch_on(Settings { t1, ..settings(name, Voice::of_pbx()) }).await.unwrap()
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    message.lines().find(|line| line.starts_with(name)).unwrap_or_default()
}

#[tokio::test]
async fn an_unanswered_invite_is_repeated_byte_for_byte_until_patience_ends() {
    let (alice, peer) = (hasty("alice").await, Bare::new().await);
    let call = alice.call("sip:x@127.0.0.1", peer.address()).await.unwrap();
    let first = peer.receive().await;
    assert!(first.starts_with("INVITE sip:x@127.0.0.1 SIP/2.0\r\n"));
    assert_eq!((peer.receive().await, peer.receive().await), (first.clone(), first));
    assert_eq!(call.over().await.unwrap(), Ending::Silence);
}

#[tokio::test]
async fn a_lost_ack_is_sent_again_for_a_repeated_200_and_for_a_repeated_refusal() {
    for (status, sdp) in [("200 OK", SDP), ("486 Busy Here", "")] {
        let (alice, peer) = (hasty("alice").await, Bare::new().await);
        let _call = alice.call("sip:x@127.0.0.1", peer.address()).await.unwrap();
        let invite = peer.receive_one("INVITE").await;
        peer.respond(&alice, &invite, status, sdp).await;
        let ack = peer.receive_one("ACK").await;
        assert_eq!(header(&ack, "CSeq"), "CSeq: 1 ACK");
        assert_eq!(header(&ack, "Via") == header(&invite, "Via"), sdp.is_empty(), "{ack}");
        assert!(header(&ack, "To").ends_with(";tag=bare"));
        peer.respond(&alice, &invite, status, sdp).await;
        assert_eq!(peer.receive_one("ACK").await, ack);
    }
}

#[tokio::test]
async fn cancel_waits_for_a_provisional_and_a_200_that_crosses_it_is_ended_with_bye() {
    let (alice, peer) = (hasty("alice").await, Bare::new().await);
    let call = alice.call("sip:x@127.0.0.1", peer.address()).await.unwrap();
    let invite = peer.receive_one("INVITE").await;
    let hang_up = async { call.hang_up().await.unwrap() };
    let far_end = async {
        // The phone's wish to cancel is certain to be there once it has repeated the INVITE again.
        peer.receive_one("INVITE").await;
        peer.respond(&alice, &invite, "180 Ringing", "").await;
        let cancel = peer.receive_one("CANCEL").await;
        assert_eq!(header(&cancel, "Via"), header(&invite, "Via"));
        assert_eq!((header(&cancel, "CSeq"), header(&cancel, "To")), ("CSeq: 1 CANCEL", header(&invite, "To")));
        peer.respond(&alice, &invite, "200 OK", SDP).await;
        peer.receive_one("ACK").await;
        let bye = peer.receive_one("BYE").await;
        peer.respond(&alice, &bye, "200 OK", "").await;
    };
    let (ending, ()) = tokio::join!(hang_up, far_end);
    assert_eq!(ending, Ending::WeHungUp);
}

#[tokio::test]
async fn a_200_without_ack_is_repeated_and_then_ended_with_bye() {
    let (mut bob, peer) = (hasty("bob").await, Bare::new().await);
    peer.send(&bob, &peer.request("INVITE", 1, "", SDP)).await;
    let call = timeout(PATIENCE, bob.next_call()).await.unwrap().unwrap();
    let answer = async { call.answer().await.unwrap_err() };
    let far_end = async {
        assert!(peer.receive().await.starts_with("SIP/2.0 100 Trying"));
        assert!(peer.receive().await.starts_with("SIP/2.0 180 Ringing"));
        let ok = peer.receive_one("SIP/2.0 200").await;
        assert_eq!(peer.receive().await, ok);
        peer.receive_one("BYE").await;
    };
    let (error, ()) = tokio::join!(answer, far_end);
    assert!(matches!(error, PhoneError::Ended { ending: Ending::Silence, .. }), "{error}");
}

#[tokio::test]
async fn an_invite_without_offer_gets_one_in_the_200_and_the_ack_answers_it() {
    let (mut bob, peer) = (hasty("bob").await, Bare::new().await);
    peer.send(&bob, &peer.request("INVITE", 1, "", "")).await;
    let call = timeout(PATIENCE, bob.next_call()).await.unwrap().unwrap();
    let far_end = async {
        let ok = peer.receive_one("SIP/2.0 200").await;
        assert!(ok.contains("m=audio ") && ok.contains("a=sendrecv"));
        let tag = header(&ok, "To").split_once(">").unwrap().1;
        peer.send(&bob, &peer.request("ACK", 1, tag, SDP)).await;
    };
    let (answered, ()) = tokio::join!(call.answer(), far_end);
    answered.unwrap();
    assert_eq!(call.status().direction, Direction::SendRecv);
    let spoke = call.media().until(|counters| counters.sent > 0);
    assert!(timeout(PATIENCE, spoke).await.unwrap());
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_response_again() {
    let (mut bob, peer) = (phone("bob", Voice::of_pbx()).await, Bare::new().await);
    for _ in 0..2 {
        peer.send(&bob, &peer.request("INVITE", 1, "", SDP)).await;
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(peer.receive().await);
    }
    assert!(seen[0].starts_with("SIP/2.0 100") && seen[1].starts_with("SIP/2.0 180"));
    assert_eq!(seen[1], seen[2]);
    timeout(PATIENCE, bob.next_call()).await.unwrap().unwrap();
    assert!(bob.rings.try_recv().is_err(), "a repeat rang as a second call");
}

#[tokio::test]
async fn what_belongs_to_no_call_is_answered_as_the_rfc_says() {
    let (bob, peer) = (phone("bob", Voice::of_pbx()).await, Bare::new().await);
    let cases = [
        ("OPTIONS", "", "200"),
        ("BYE", ";tag=unknown", "481"),
        ("INVITE", ";tag=unknown", "481"),
        ("CANCEL", "", "481"),
        ("SUBSCRIBE", "", "405"),
        ("INVITE", "\r\nRequire: 100rel", "420"),
    ];
    for (number, (method, extra, status)) in cases.into_iter().enumerate() {
        peer.send(&bob, &peer.request(method, number as u32 + 1, extra, "")).await;
        let response = peer.receive().await;
        assert!(response.starts_with(&format!("SIP/2.0 {status} ")), "{method}{extra} got {response}");
        assert!(header(&response, "Via").contains(&format!(";rport={};received=127.0.0.1", peer.address().port())));
    }
}

#[tokio::test]
async fn a_re_invite_that_crosses_ours_gets_491_and_a_refused_hold_changes_nothing() {
    let (mut bob, peer) = (phone("bob", Voice::of_pbx()).await, Bare::new().await);
    peer.send(&bob, &peer.request("INVITE", 1, "", SDP)).await;
    let call = timeout(PATIENCE, bob.next_call()).await.unwrap().unwrap();
    let far_end = async {
        let ok = peer.receive_one("SIP/2.0 200").await;
        let tag = header(&ok, "To").split_once(">").unwrap().1.to_owned();
        peer.send(&bob, &peer.request("ACK", 1, &tag, "")).await;
        tag
    };
    let (answered, tag) = tokio::join!(call.answer(), far_end);
    answered.unwrap();
    let far_end = async {
        let hold = peer.receive_one("INVITE").await;
        assert!(hold.contains("a=sendonly"));
        peer.send(&bob, &peer.request("INVITE", 2, &tag, SDP)).await;
        peer.receive_one("SIP/2.0 491").await;
        peer.respond(&bob, &hold, "488 Not Acceptable Here", "").await;
        peer.receive_one("ACK").await;
    };
    let (held, ()) = tokio::join!(call.hold(), far_end);
    assert!(matches!(held, Err(PhoneError::Refused { status: 488, .. })));
    assert_eq!((call.status().phase, call.status().direction), (Phase::Talking, Direction::SendRecv));
}

#[tokio::test]
async fn noise_is_dropped_and_the_phone_still_rings() {
    let (mut bob, peer) = (phone("bob", Voice::of_pbx()).await, Bare::new().await);
    for noise in ["", "\r\n\r\n", "INVITE", "INVITE sip:x SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "\u{0}\u{1}"] {
        peer.send(&bob, noise).await;
    }
    peer.send(&bob, &peer.request("INVITE", 1, "", SDP)).await;
    timeout(PATIENCE, bob.next_call()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_phone_that_is_called_too_often_at_once_is_busy() {
    let (bob, peer) = (phone("bob", Voice::of_pbx()).await, Bare::new().await);
    for number in 0..9 {
        let invite = peer.request("INVITE", 1, "", SDP).replace("bare-call", &format!("call-{number}"));
        peer.send(&bob, &invite).await;
    }
    let busy = peer.receive_one("SIP/2.0 486").await;
    assert_eq!(header(&busy, "Call-ID"), "Call-ID: call-8");
}

#[test]
fn only_the_own_voice_counts_as_speech_of_a_call_that_is_not_on_hold() {
    let (route, routed) = watch::channel(media::Route { remote: None, speech: Speech::Silence });
    let rtp = SocketAddr::from((LOOPBACK, 4000));
    let dialog = Dialog::outgoing(rtp, "x", rsip::Uri::try_from("sip:y@127.0.0.1").unwrap(), rtp);
    let (status, _watched) = watch::channel(Status::new(Phase::Calling));
    let call = call::Call::place(Instant::now(), dialog, status, Audio { rtp, route }, T1::default());
    assert_eq!((routed.borrow().speech, call.outbox.len()), (Speech::Silence, 1));
}

fn reception() -> Account {
    let domain = rsip::Uri::try_from("sip:desks.example").unwrap();
    Account { domain, user: "reception".to_owned(), password: "s3cret".to_owned() }
}

/// Answers a REGISTER with a 401 of these challenges.
async fn challenge(peer: &Bare, phone: &Phone, register: &str, challenges: &[&str]) {
    let headers = challenges.iter().map(|challenge| format!("\r\nWWW-Authenticate: Digest {challenge}"));
    peer.respond(phone, register, &format!("401 Unauthorized{}", headers.collect::<String>()), "").await;
}

#[tokio::test]
async fn a_challenged_phone_proves_itself_by_the_first_algorithm_that_it_knows() {
    use rsip::prelude::{ToTypedHeader, UntypedHeader};
    let (desk, registrar) = (hasty("desk").await, Bare::new().await);
    let answer = async {
        let first = registrar.receive_one("REGISTER sip:desks.example SIP/2.0").await;
        assert!(!first.contains("Authorization"));
        assert_eq!(header(&first, "To"), "To: <sip:reception@desks.example>");
        let challenges = [
            r#"realm="desks.example", nonce="n1", algorithm=SHA-512-256, qop="auth""#,
            r#"realm="desks.example", nonce="n1", algorithm=SHA-256, qop="auth", opaque="o""#,
            r#"realm="desks.example", nonce="n1", algorithm=MD5, qop="auth""#,
        ];
        challenge(&registrar, &desk, &first, &challenges).await;
        let second = loop {
            let register = registrar.receive_one("REGISTER").await;
            if register.contains("CSeq: 2 REGISTER") {
                break register;
            }
        };
        assert_eq!(header(&second, "Call-ID"), header(&first, "Call-ID"));
        let value = header(&second, "Authorization").split_once(": ").unwrap().1;
        assert!(value.contains(r#"opaque="o""#) && value.contains("nc=00000001"), "{value}");
        let proof = rsip::headers::Authorization::new(value.replace("SHA-256", "SHA256")).typed().unwrap();
        assert_eq!(proof.algorithm, Some(rsip::headers::auth::Algorithm::Sha256));
        let judge = rsip::services::DigestGenerator::from(&proof, "s3cret", &rsip::Method::Register);
        assert!(judge.verify(&proof.response), "{value}");
        registrar.respond(&desk, &second, "200 OK", "").await;
    };
    let (registered, ()) = tokio::join!(desk.register(reception(), registrar.address()), answer);
    registered.unwrap();
}

#[tokio::test]
async fn a_phone_that_is_challenged_twice_or_never_answered_is_not_registered() {
    let (desk, registrar) = (hasty("desk").await, Bare::new().await);
    let refuse = async {
        for number in ["CSeq: 1 ", "CSeq: 2 "] {
            let register = loop {
                let register = registrar.receive_one("REGISTER").await;
                if register.contains(number) {
                    break register;
                }
            };
            challenge(&registrar, &desk, &register, &[r#"realm="desks.example", nonce="n", qop="auth""#]).await;
        }
    };
    let (refused, ()) = tokio::join!(desk.register(reception(), registrar.address()), refuse);
    assert!(matches!(refused, Err(PhoneError::NotRegistered { status: 401, .. })), "{refused:?}");
    let silent = desk.register(reception(), registrar.address()).await;
    assert!(matches!(silent, Err(PhoneError::NotRegistered { status: 408, .. })), "{silent:?}");
}

#[tokio::test]
async fn news_of_a_transfer_counts_also_after_the_call() {
    for (fragment, succeeds) in [("SIP/2.0 200 OK", true), ("SIP/2.0 486 Busy Here", false)] {
        let (mut bob, peer) = (hasty("bob").await, Bare::new().await);
        peer.send(&bob, &peer.request("INVITE", 1, "", SDP)).await;
        let call = bob.next_call().await.unwrap();
        let tell = async {
            let answer = peer.receive_one("SIP/2.0 200").await;
            let tag = header(&answer, "To").split_once(";tag=").unwrap().1;
            let to = format!(";tag={tag}");
            peer.send(&bob, &peer.request("ACK", 1, &to, "")).await;
            let refer = peer.receive_one("REFER").await;
            assert_eq!(header(&refer, "Refer-To"), "Refer-To: <sip:carol@desks.example>");
            peer.respond(&bob, &refer, "202 Accepted", "").await;
            peer.send(&bob, &peer.request("NOTIFY", 2, &to, "SIP/2.0 100 Trying")).await;
            peer.send(&bob, &peer.request("BYE", 3, &to, "")).await;
            peer.send(&bob, &peer.request("NOTIFY", 4, &to, fragment)).await;
        };
        let ask = async {
            call.answer().await.unwrap();
            call.transfer("sip:carol@desks.example").await
        };
        let ((), transferred) = tokio::join!(tell, ask);
        assert_eq!(transferred.is_ok(), succeeds, "{transferred:?}");
        assert_eq!(call.over().await.unwrap(), Ending::TheyHungUp);
    }
}
