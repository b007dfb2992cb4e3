//! Offer and answer within one dialog, as its messages tell them (RFC 3264, RFC 3262 §5, RFC 3311).

use bytes::Bytes;
use domain::sdp;
use domain::session::event::Way;
use domain::sip::wire::{HeaderName, Message};
use domain::time::WallTime;

/// What is agreed with a peer, and what is on its way.
#[derive(Debug, Clone, Default)]
pub(super) struct Agreement {
    /// The peer's SDP in force.
    pub peer: Option<Bytes>,
    /// What the exchange told it, in force.
    pub ours: Option<Bytes>,
    /// An offer that has no answer yet.
    pub offer: Option<Offer>,
    /// The last INVITE came or went without SDP, and what its answer offers is not answered.
    late: bool,
}

/// An offer on its way.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    /// Which way it went.
    pub by: Way,
    /// What is offered.
    pub sdp: Bytes,
    /// When it was made.
    pub since: WallTime,
    /// CSeq number of its request, or of the request whose response holds it.
    cseq: u32,
}

impl Agreement {
    /// What another session had agreed with the peer.
    pub fn carried(peer: Option<Bytes>, ours: Option<Bytes>) -> Self {
        Self { peer, ours, offer: None, late: false }
    }

    /// The next message of the dialog.
    pub fn take(&mut self, way: Way, at: WallTime, message: &Message) {
        let Ok(cseq) = message.cseq() else { return };
        let said = sdp_of(message);
        match (message.status(), cseq.method) {
            (None, "INVITE") => {
                self.late = said.is_none();
                self.offered(way, at, cseq.number, said);
            }
            (None, "UPDATE") => self.offered(way, at, cseq.number, said),
            (None, "PRACK") if !self.awaits(way) => self.offered(way, at, cseq.number, said),
            (None, "PRACK" | "ACK") => self.answered(said),
            (Some(100..=199), "INVITE") if self.awaits(way) => self.answered_early(said),
            (Some(101..=299), "INVITE") if self.late => self.offered(way, at, cseq.number, said),
            (Some(200..=299), "INVITE" | "UPDATE" | "PRACK") if self.awaits(way) => {
                self.answered(said);
                // What was said early counts where the 2xx says nothing.
                self.offer = None;
            }
            (Some(300..=699), _) if self.offer.as_ref().is_some_and(|offer| offer.cseq == cseq.number) => {
                self.offer = None;
            }
            (_, _) => {}
        }
    }

    /// Whether a message that goes this way may hold an answer.
    fn awaits(&self, way: Way) -> bool {
        self.offer.as_ref().is_some_and(|offer| offer.by != way)
    }

    fn offered(&mut self, by: Way, since: WallTime, cseq: u32, said: Option<Bytes>) {
        if let Some(sdp) = said {
            self.offer = Some(Offer { by, sdp, since, cseq });
        }
    }

    /// A provisional answer: media may flow by it, and the 2xx may say it again.
    fn answered_early(&mut self, said: Option<Bytes>) {
        if let (Some(offer), Some(answer)) = (&self.offer, said) {
            (self.peer, self.ours) = match offer.by {
                Way::Received => (Some(offer.sdp.clone()), Some(answer)),
                Way::Sent => (Some(answer), Some(offer.sdp.clone())),
            };
        }
    }

    fn answered(&mut self, said: Option<Bytes>) {
        if said.is_some() {
            self.answered_early(said);
            (self.offer, self.late) = (None, false);
        }
    }
}

fn sdp_of(message: &Message) -> Option<Bytes> {
    let body = message.body_bytes();
    let range = sdp::find(message.header(HeaderName::ContentType)?, &body)?;
    Some(body.slice(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str =
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    const ANSWER: &str =
        "v=0\r\no=- 2 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";

    fn message(start: &str, cseq: &str, body: &str) -> Message {
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let length = body.len();
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\n\
             CSeq: {cseq}\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        );
        Message::scan(Bytes::from(text)).unwrap()
    }

    /// Each message: which way, start line, CSeq, body.
    fn after(messages: &[(Way, &str, &str, &str)]) -> Agreement {
        let mut agreement = Agreement::default();
        for (way, start, cseq, body) in messages {
            agreement.take(*way, WallTime::from_micros(1), &message(start, cseq, body));
        }
        agreement
    }

    fn in_force(agreement: &Agreement) -> [Option<&[u8]>; 2] {
        [agreement.peer.as_deref(), agreement.ours.as_deref()]
    }

    const INVITE: &str = "INVITE sip:b@x SIP/2.0";

    #[test]
    fn an_offer_waits_for_its_answer_and_both_are_in_force_then() {
        let asked = (Way::Received, INVITE, "1 INVITE", OFFER);
        let waiting = after(&[asked, (Way::Sent, "SIP/2.0 180 Ringing", "1 INVITE", "")]);
        assert_eq!(in_force(&waiting), [None; 2]);
        assert_eq!(waiting.offer.map(|offer| offer.by), Some(Way::Received));
        let agreed = after(&[asked, (Way::Sent, "SIP/2.0 200 OK", "1 INVITE", ANSWER)]);
        assert_eq!(in_force(&agreed), [Some(OFFER.as_bytes()), Some(ANSWER.as_bytes())]);
        assert!(agreed.offer.is_none());
    }

    #[test]
    fn an_early_answer_is_in_force_and_stands_where_the_2xx_says_nothing() {
        let early =
            [(Way::Sent, INVITE, "1 INVITE", OFFER), (Way::Received, "SIP/2.0 183 Progress", "1 INVITE", ANSWER)];
        let before = after(&early);
        assert_eq!(in_force(&before), [Some(ANSWER.as_bytes()), Some(OFFER.as_bytes())]);
        assert!(before.offer.is_some());
        let answered = after(&[early[0], early[1], (Way::Received, "SIP/2.0 200 OK", "1 INVITE", "")]);
        assert_eq!(in_force(&answered), in_force(&before));
        assert!(answered.offer.is_none());
    }

    #[test]
    fn a_late_offer_is_in_the_2xx_and_its_answer_in_the_ack() {
        let asked = [(Way::Received, INVITE, "1 INVITE", ""), (Way::Sent, "SIP/2.0 200 OK", "1 INVITE", OFFER)];
        assert_eq!(after(&asked).offer.map(|offer| offer.by), Some(Way::Sent));
        let agreed = after(&[asked[0], asked[1], (Way::Received, "ACK sip:x SIP/2.0", "1 ACK", ANSWER)]);
        assert_eq!(in_force(&agreed), [Some(ANSWER.as_bytes()), Some(OFFER.as_bytes())]);
        let again = after(&[asked[0], asked[1], (Way::Received, "ACK sip:x SIP/2.0", "1 ACK", ANSWER), asked[1]]);
        assert!(again.offer.is_none(), "a repeated 200 offers nothing");
    }

    #[test]
    fn a_refused_offer_leaves_what_was_agreed() {
        let first = [(Way::Received, INVITE, "1 INVITE", OFFER), (Way::Sent, "SIP/2.0 200 OK", "1 INVITE", ANSWER)];
        let change = (Way::Received, INVITE, "2 INVITE", ANSWER);
        let refused = after(&[first[0], first[1], change, (Way::Sent, "SIP/2.0 488 No", "2 INVITE", "")]);
        assert_eq!(in_force(&refused), [Some(OFFER.as_bytes()), Some(ANSWER.as_bytes())]);
        assert!(refused.offer.is_none());
        let other = after(&[first[0], first[1], change, (Way::Sent, "SIP/2.0 405 No", "3 INFO", "")]);
        assert!(other.offer.is_some(), "the refusal of another request is none of it");
    }
}
