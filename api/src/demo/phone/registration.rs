//! A phone registers with a domain (RFC 3261 §10.2) and proves by digest who it is (§22.2, RFC 7616). No socket and no clock.

use super::message::{self, Incoming};
use super::transaction::{Client, Datagram, Due, Repeat, T1};
use rsip::headers::auth::{Algorithm, AuthQop, Qop};
use rsip::headers::typed::WwwAuthenticate;
use rsip::services::DigestGenerator;
use rsip::{Header, Method, Uri};
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::watch;

/// How long a registration is asked for, in seconds. The demo is over long before.
const EXPIRES: u32 = 600;

/// Whom a phone registers as.
#[derive(Clone)]
pub struct Account {
    /// The URI of the domain, e.g. `sip:demo.example`.
    pub domain: Uri,
    /// The user's name there.
    pub user: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.user, self.domain)
    }
}

/// One registration on its way: a REGISTER, and the same again with credentials where it is challenged.
#[derive(Debug)]
pub struct Registration {
    /// What leaves at once.
    pub outbox: Vec<Datagram>,
    account: Account,
    local: SocketAddr,
    registrar: SocketAddr,
    t1: T1,
    call_id: String,
    tag: String,
    sequence: u32,
    client: Option<Client>,
    /// The status that ended it.
    outcome: watch::Sender<Option<u16>>,
}

impl Registration {
    /// The first REGISTER leaves at once.
    pub fn begin(
        now: Instant,
        (local, registrar): (SocketAddr, SocketAddr),
        account: Account,
        outcome: watch::Sender<Option<u16>>,
        t1: T1,
    ) -> Self {
        let (call_id, tag) = (message::token(), message::token());
        let (outbox, sequence, client) = (Vec::new(), 0, None);
        let mut begun = Self { outbox, account, local, registrar, t1, call_id, tag, sequence, client, outcome };
        begun.send(now, None);
        begun
    }

    /// Its Call-ID.
    pub fn id(&self) -> &str {
        &self.call_id
    }

    fn send(&mut self, now: Instant, authorization: Option<String>) {
        self.sequence += 1;
        let (branch, method) = (message::branch(), Method::Register);
        let mut request = message::request(method, self.account.domain.clone(), self.local, &branch);
        let host = &self.account.domain.host_with_port;
        let us = format!("<sip:{}@{host}>", self.account.user);
        request.headers.push(Header::From(format!("{us};tag={}", self.tag).into()));
        request.headers.push(Header::To(us.into()));
        request.headers.push(Header::CallId(self.call_id.as_str().into()));
        request.headers.push(Header::CSeq(format!("{} {method}", self.sequence).into()));
        request.headers.push(Header::Expires(EXPIRES.to_string().into()));
        if let Some(authorization) = authorization {
            request.headers.push(Header::Authorization(authorization.into()));
        }
        message::finish(&mut request.headers, &mut request.body, None);
        let datagram = Datagram { to: self.registrar, bytes: request.to_string().into_bytes() };
        self.outbox.push(datagram.clone());
        let (key, repeat) = (message::Key { branch, method }, Some(Repeat::of_others(now, self.t1)));
        self.client = Some(Client { key, sequence: self.sequence, request, datagram, repeat });
    }

    /// A response with this registration's Call-ID.
    pub fn receive(&mut self, now: Instant, status: u16, response: &Incoming) {
        if status < 200 || self.client.as_ref().is_none_or(|client| client.key != response.key) {
            return;
        }
        self.client = None;
        let is_first = self.sequence == 1;
        // The first that we can answer: they stand in the registrar's order of preference (RFC 8760 §2.4).
        let challenge = response.challenges().into_iter().find(is_answerable).filter(|_| status == 401 && is_first);
        match challenge {
            Some(challenge) => {
                let authorization = self.prove(&challenge);
                self.send(now, Some(authorization));
            }
            None => {
                self.outcome.send_replace(Some(status));
            }
        }
    }

    fn prove(&self, challenge: &WwwAuthenticate) -> String {
        let Account { domain: uri, user, password } = &self.account;
        let WwwAuthenticate { realm, nonce, .. } = challenge;
        let algorithm = challenge.algorithm.unwrap_or(Algorithm::Md5);
        let name = if algorithm == Algorithm::Sha256 { "SHA-256" } else { "MD5" };
        let qop = challenge.qop.as_ref().map(|_| AuthQop::Auth { cnonce: message::token(), nc: 1 });
        let (username, method) = (user.as_str(), &Method::Register);
        let response = DigestGenerator { username, password, nonce, uri, realm, method, qop: qop.as_ref(), algorithm };
        let mut value = format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{}\", \
             algorithm={name}",
            response.compute()
        );
        if let Some(AuthQop::Auth { cnonce, nc }) = &qop {
            value += &format!(", qop=auth, cnonce=\"{cnonce}\", nc={nc:08x}");
        }
        if let Some(opaque) = &challenge.opaque {
            value += &format!(", opaque=\"{opaque}\"");
        }
        value
    }

    /// When [`Registration::wake`] has something to do.
    pub fn wake_at(&self) -> Option<Instant> {
        Some(self.client.as_ref()?.repeat.as_ref()?.wake_at())
    }

    /// Repeats what is due, and gives up on what has been repeated long enough.
    pub fn wake(&mut self, now: Instant) {
        let Some(client) = &mut self.client else { return };
        match client.repeat.as_mut().map(|repeat| repeat.due(now)) {
            Some(Due::Again) => self.outbox.push(client.datagram.clone()),
            Some(Due::GiveUp) => {
                self.client = None;
                self.outcome.send_replace(Some(408));
            }
            Some(Due::Nothing) | None => {}
        }
    }
}

fn is_answerable(challenge: &WwwAuthenticate) -> bool {
    let algorithm = matches!(challenge.algorithm, None | Some(Algorithm::Md5 | Algorithm::Sha256));
    algorithm && matches!(challenge.qop, None | Some(Qop::Auth))
}
