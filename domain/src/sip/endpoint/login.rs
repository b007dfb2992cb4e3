//! Digest as the side that is asked (RFC 3261 §22): a request of ours that got a 401 or 407 goes again with credentials,
//! as the same request with the next CSeq number and a branch of its own. What was asked once within a dialog is answered
//! beforehand from then on, each time with the next count of its nonce (RFC 7616 §3.4.5).

use super::large::detour;
use super::message::{RequestParts, request_target, sent_by, write_via};
use super::{BuildError, ClientKey, Endpoint, Fact, SessionHeaders};
use crate::address::Flow;
use crate::ids::LegId;
use crate::ports::Mint;
use crate::sip::dialog::{Cancelling, Dialog, DialogState, Sent};
use crate::sip::digest::{self, Asker, Challenge, GaveUp, Session};
use crate::sip::timer::{LegTimer, Timer, TransactionId};
use crate::sip::wire::{HeaderName, Message, Method, Writer};
use crate::time::Moment;
use bytes::Bytes;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// How often one request goes again with credentials. More than one realm may ask, and a password may be tried twice.
const MOST_PROOFS: u8 = 2;

/// The most realms of one dialog that are told apart; a further one is refused.
const MAX_REALMS: usize = 4;

/// A user name and password of ours at a peer, and what is known of the realms that asked for them.
#[derive(Clone)]
pub struct Login {
    known: Arc<Known>,
    realms: Vec<Realm>,
    /// What our last INVITE carried.
    invite: Vec<Credentials>,
}

struct Known {
    username: Box<str>,
    password: Zeroizing<String>,
}

#[derive(Clone)]
struct Realm {
    asker: Asker,
    name: String,
    session: Session,
}

pub(super) type Credentials = (HeaderName, String);

/// What credentials stand in.
const PROVEN: [HeaderName; 2] = [HeaderName::Authorization, HeaderName::ProxyAuthorization];

/// What became of a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The method of our request.
    pub method: Box<str>,
    /// 401 or 407.
    pub status: u16,
    /// The peer says that only the nonce was too old.
    pub stale: bool,
    /// Why the request does not go again; nothing where it does.
    pub gave_up: Option<GaveUp>,
}

/// A request that goes again.
pub(super) struct Again {
    key: ClientKey,
    method: Method,
    cseq: u32,
    sent: Sent,
    proofs: u8,
    fork: bool,
    outside: bool,
    refresh: bool,
    asked_by: Option<TransactionId>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("realms", &self.realms.len()).finish_non_exhaustive()
    }
}

impl Login {
    /// A user name and password that nobody has asked for yet.
    pub fn new(username: &str, password: &str) -> Self {
        let known = Known { username: username.into(), password: Zeroizing::new(password.to_owned()) };
        Self { known: Arc::new(known), realms: Vec::new(), invite: Vec::new() }
    }

    /// One that stands for what is no longer known: what was answered with it then is told alike, and it answers nothing
    /// from [`Endpoint::is_set_as_now`] on.
    pub fn forgotten() -> Self {
        Self::new("", "")
    }

    fn is_forgotten(&self) -> bool {
        self.known.username.is_empty()
    }

    /// What the ACK to a 2xx carries: the credentials of its INVITE.
    pub(super) fn of_invite(&self) -> SessionHeaders {
        headers_of(&self.invite)
    }

    /// A new request begins: credentials for every realm that has asked before.
    fn begin(&mut self, mint: &mut dyn Mint, method: &str, uri: &str) -> Vec<Credentials> {
        let known = Arc::clone(&self.known);
        let begin = |realm: &mut Realm| realm.session.begin(&known.login(), method, uri, mint.bits());
        self.realms.iter_mut().filter_map(begin).collect()
    }

    /// The request at hand was refused with these challenges. Each realm among them is answered, and those that had their
    /// answer already have it again (RFC 3261 §22.3).
    fn challenged(
        &mut self,
        mint: &mut dyn Mint,
        challenges: &[Challenge],
        method: &str,
        uri: &str,
    ) -> Result<Vec<Credentials>, GaveUp> {
        for challenge in challenges {
            if self.realms.len() < MAX_REALMS && !self.realms.iter().any(|realm| realm.asks(challenge)) {
                let (asker, name) = (challenge.asker, challenge.realm.clone());
                self.realms.push(Realm { asker, name, session: Session::default() });
            }
        }
        let known = Arc::clone(&self.known);
        let (mut credentials, mut answered) = (Vec::new(), false);
        for realm in &mut self.realms {
            let own: Vec<Challenge> = challenges.iter().filter(|challenge| realm.asks(challenge)).cloned().collect();
            let login = known.login();
            if own.is_empty() {
                credentials.extend(realm.session.again(&login, method, uri, mint.bits()));
                continue;
            }
            match realm.session.challenged(&own, &login, method, uri, mint.bits()) {
                Ok(answer) => {
                    credentials.push(answer);
                    answered = true;
                }
                // Another realm of the same response may be one that we can answer.
                Err(GaveUp::NothingKnown) => {}
                Err(gave_up @ (GaveUp::Refused | GaveUp::TooOften)) => return Err(gave_up),
            }
        }
        if answered { Ok(credentials) } else { Err(GaveUp::NothingKnown) }
    }
}

impl Known {
    fn login(&self) -> digest::Login<'_> {
        digest::Login { username: &self.username, secret: digest::Secret::Password(&self.password) }
    }
}

impl Realm {
    fn asks(&self, challenge: &Challenge) -> bool {
        self.asker == challenge.asker && self.name == challenge.realm
    }
}

impl Endpoint {
    /// From here on this answers where the peer of a leg asks who we are.
    pub fn give_login(&mut self, leg: LegId, login: Login) {
        if let Some(dialog) = self.dialogs.get_mut(&leg) {
            dialog.login = Some(Box::new(login));
        }
    }

    /// Logins that are no longer known answer nothing.
    pub(super) fn drop_forgotten_logins(&mut self) {
        for (_, dialog) in self.dialogs.iter_mut() {
            if dialog.login.as_ref().is_some_and(|login| login.is_forgotten()) {
                dialog.login = None;
            }
        }
    }

    /// The headers of a request, with credentials where its peer has asked for some before.
    pub(super) fn with_credentials<'a>(
        &mut self,
        mint: &mut dyn Mint,
        leg: LegId,
        parts: &RequestParts<'a>,
    ) -> Cow<'a, SessionHeaders> {
        let Some(dialog) = self.dialogs.get(&leg).filter(|dialog| dialog.login.is_some()) else {
            return Cow::Borrowed(parts.headers);
        };
        let uri = request_target(dialog).0.to_owned();
        self.proven(mint, leg, parts, &uri)
    }

    /// As [`Endpoint::with_credentials`], for a request that goes to another fork than the dialog's.
    pub(super) fn with_credentials_to<'a>(
        &mut self,
        mint: &mut dyn Mint,
        leg: LegId,
        fork: &Dialog,
        parts: &RequestParts<'a>,
    ) -> Cow<'a, SessionHeaders> {
        self.proven(mint, leg, parts, request_target(fork).0)
    }

    fn proven<'a>(
        &mut self,
        mint: &mut dyn Mint,
        leg: LegId,
        parts: &RequestParts<'a>,
        uri: &str,
    ) -> Cow<'a, SessionHeaders> {
        let Some(login) = self.login_of(leg) else { return Cow::Borrowed(parts.headers) };
        let credentials = login.begin(mint, parts.method.as_str(), uri);
        let mut headers = parts.headers.clone();
        headers.0.extend(headers_of(&credentials).0);
        if parts.method == Method::Invite {
            login.invite = credentials;
        }
        Cow::Owned(headers)
    }

    fn login_of(&mut self, leg: LegId) -> Option<&mut Login> {
        self.dialogs.get_mut(&leg)?.login.as_deref_mut()
    }

    /// What is sent in place of a request that was refused with 401 or 407; nothing where the refusal stands. The leg's
    /// session hears either way, where there is something to answer with.
    pub(super) fn answer_challenge(
        &mut self,
        mint: &mut dyn Mint,
        id: TransactionId,
        response: &Message,
    ) -> Option<Again> {
        let status = response.status().filter(|status| matches!(status, 401 | 407))?;
        let client = self.clients.get(&id).filter(|client| !client.key.cancel)?;
        let (leg, method, proofs) = (client.key.leg, client.method.clone(), client.proofs);
        let request = Message::scan(client.last.bytes.clone()).ok()?;
        let uri = request.request_uri()?.to_owned();
        if method == Method::Invite && !self.is_wanted(leg) {
            return None;
        }
        let challenges = Challenge::all_of(response);
        let stale = !challenges.is_empty() && challenges.iter().all(|challenge| challenge.stale);
        let login = self.login_of(leg)?;
        let answer = match proofs < MOST_PROOFS + u8::from(stale) {
            true => login.challenged(mint, &challenges, method.as_str(), &uri),
            false => Err(GaveUp::TooOften),
        };
        if method == Method::Invite {
            login.invite = answer.clone().unwrap_or_default();
        }
        let gave_up = answer.as_ref().err().copied();
        self.learned(leg, Fact::Challenged(Proof { method: method.as_str().into(), status, stale, gave_up }));
        let again = self.prepare(mint, id, &request, (&PROVEN, &answer.ok()?))?;
        Some(Again { proofs: proofs + 1, ..again })
    }

    /// Credentials for a request that goes again for another reason than a challenge.
    pub(super) fn credentials_again(&mut self, mint: &mut dyn Mint, leg: LegId, request: &Message) -> Vec<Credentials> {
        let (Some(login), Some(method)) = (self.login_of(leg), request.method()) else { return Vec::new() };
        let credentials = login.begin(mint, method.as_str(), request.request_uri().unwrap_or_default());
        if *method == Method::Invite {
            login.invite.clone_from(&credentials);
        }
        credentials
    }

    /// Whether an INVITE that was challenged is still to be answered: nobody cancelled it, and its dialog goes on.
    pub(super) fn is_wanted(&self, leg: LegId) -> bool {
        self.dialogs.get(&leg).is_some_and(|dialog| {
            let cancelling = dialog.outgoing.as_ref().map(|invite| invite.cancelling);
            dialog.state != DialogState::Over && cancelling == Some(Cancelling::No)
        })
    }

    /// A request as it was, as a new one, with these headers in place of those of these names.
    pub(super) fn prepare(
        &mut self,
        mint: &mut dyn Mint,
        id: TransactionId,
        request: &Message,
        change: (&[HeaderName], &[Credentials]),
    ) -> Option<Again> {
        let leg = self.clients.get(&id)?.key.leg;
        let (branch, cseq) = self.next_numbers(leg)?;
        let client = self.clients.get(&id)?;
        let written = self.write_again(leg, request, client.last.flow, (branch, cseq), change);
        match written {
            Ok((flow, bytes)) => Some(Again {
                key: ClientKey { leg, branch, cancel: false },
                method: client.method.clone(),
                cseq,
                sent: Sent { event: mint.event_id(), flow, bytes },
                proofs: client.proofs,
                fork: client.fork,
                outside: client.outside,
                refresh: client.refresh,
                asked_by: client.asked_by,
            }),
            Err(why) => {
                self.outputs.push_back(super::Output::Unbuildable { leg, why });
                None
            }
        }
    }

    /// Branch and CSeq number of a leg's next request.
    fn next_numbers(&mut self, leg: LegId) -> Option<(u32, u32)> {
        let dialog = self.dialogs.get_mut(&leg)?;
        dialog.local_cseq += 1;
        Some((dialog.next_branch(), dialog.local_cseq))
    }

    /// The same request by the same path, unless the credentials made it too long for that.
    fn write_again(
        &self,
        leg: LegId,
        request: &Message,
        path: Flow,
        numbers: (u32, u32),
        change: (&[HeaderName], &[Credentials]),
    ) -> Result<(Flow, Bytes), BuildError> {
        let bytes = again(leg, request, path, numbers, change)?;
        let by_tcp = self.dialogs.get(&leg).and_then(|dialog| dialog.large_by_tcp);
        let invite = request.method() == Some(&Method::Invite);
        match detour(path, by_tcp, bytes.len()).filter(|_| invite) {
            None => Ok((path, bytes)),
            Some(path) => Ok((path, again(leg, request, path, numbers, change)?)),
        }
    }

    /// Sends a request again; what was sent before is over, but for repeats of its refusal.
    pub(super) fn ask_again(&mut self, now: Moment, id: TransactionId, again: Again) {
        let Again { key, method, cseq, sent, proofs, fork, outside, refresh, asked_by } = again;
        if let Some(old) = self.clients.get_mut(&id) {
            old.superseded = true;
        }
        let invite = method == Method::Invite;
        let request = Message::scan(sent.bytes.clone()).ok().filter(|_| invite);
        let transaction = self.open_client(now, key, method, cseq, sent);
        if let Some(client) = self.clients.get_mut(&transaction) {
            (client.proofs, client.fork, client.asked_by) = (proofs, fork, asked_by);
            (client.outside, client.refresh) = (outside, refresh);
        }
        let Some(request) = request else { return };
        self.heard.remove(&key.leg);
        // Nothing was said to this one yet: B bounds it.
        self.timers.stop(Timer::Leg(key.leg, LegTimer::ChangePending));
        let Some(dialog) = self.dialogs.get_mut(&key.leg) else { return };
        dialog.invite_cseq = cseq;
        if let Some(outgoing) = &mut dialog.outgoing {
            outgoing.transaction = transaction;
        }
        if dialog.state == DialogState::Early && dialog.remote_tag.is_some() {
            dialog.begin_anew(&request);
        }
    }
}

/// A request as it was, with another branch and CSeq number, and these headers in place of those of these names.
fn again(
    leg: LegId,
    request: &Message,
    path: Flow,
    (branch, cseq): (u32, u32),
    (replaced, headers): (&[HeaderName], &[Credentials]),
) -> Result<Bytes, BuildError> {
    let (Some(method), Some(uri)) = (request.method(), request.request_uri()) else {
        return Err(BuildError::Unanswerable);
    };
    let mut writer = Writer::request(method, uri);
    write_via(&mut writer, &sent_by(path), leg, branch);
    let body = request.body_bytes();
    for header in request.headers() {
        match header.name {
            HeaderName::Via | HeaderName::ContentLength => {}
            name if replaced.contains(&name) => {}
            HeaderName::ContentType if !body.is_empty() => {}
            HeaderName::CSeq => {
                writer.header_fmt(HeaderName::CSeq, format_args!("{cseq} {}", method.as_str()));
                for (name, value) in headers {
                    writer.header(*name, value);
                }
            }
            _ => {
                writer.header_raw(header.raw_name, header.value);
            }
        }
    }
    Ok(match request.header(HeaderName::ContentType).filter(|_| !body.is_empty()) {
        Some(content_type) => writer.body(content_type, &body)?,
        None => writer.finish()?,
    })
}

fn headers_of(credentials: &[Credentials]) -> SessionHeaders {
    let header = |(name, value): &Credentials| Some((name.canonical()?.into(), value.as_str().into()));
    SessionHeaders(credentials.iter().filter_map(header).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Transport;

    const INVITE: &str = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n\
        Route: <sip:r;lr>\r\nMax-Forwards: 69\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\n\
        CSeq: 7 INVITE\r\nProxy-Authorization: Digest old\r\nSubject: s\r\nContent-Type: application/sdp\r\n\
        Content-Length: 3\r\n\r\nv=0";

    fn flow() -> Flow {
        let [local, remote] = ["192.0.2.1:5060", "198.51.100.7:5060"].map(|address| address.parse().unwrap());
        Flow { transport: Transport::Udp, local, remote }
    }

    #[test]
    fn a_request_goes_again_as_it_was_but_for_branch_number_and_credentials() {
        let request = Message::scan(Bytes::from(INVITE)).unwrap();
        let credentials = [(HeaderName::Authorization, "Digest new".to_owned())];
        let leg = LegId::from_bits(5);
        let bytes = again(leg, &request, flow(), (2, 8), (&PROVEN, &credentials)).unwrap();
        let expected = INVITE
            .replace("z9hG4bK1", &format!("z9hG4bK{leg}-2"))
            .replace("CSeq: 7 INVITE\r\n", "CSeq: 8 INVITE\r\nAuthorization: Digest new\r\n")
            .replace("Proxy-Authorization: Digest old\r\n", "");
        assert_eq!(String::from_utf8(bytes.to_vec()).unwrap(), expected);
    }

    #[test]
    fn what_is_known_is_not_shown() {
        let shown = format!("{:?}", Login::new("acme", "battery staple"));
        assert!(!shown.contains("acme") && !shown.contains("staple"), "{shown}");
    }
}
