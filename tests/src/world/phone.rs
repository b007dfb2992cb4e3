//! A phone, carrier or PBX that says exactly what a scenario tells it to. Its messages are written by hand, so that the
//! exchange's writer is not its own judge.

use super::{EXCHANGE, World, summary};
use bytes::Bytes;
use domain::address::Transport;
use domain::sip::digest::{Challenge, Login, Secret, answer};
use domain::sip::wire::{HeaderName, Message};
use std::net::SocketAddr;

/// A plain audio offer or answer of a phone.
pub fn sdp(address: SocketAddr, port: u16, direction: &str) -> String {
    let ip = address.ip();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=phone 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    )
}

/// The header line that answers a challenge.
fn credentials(challenge: &Message, (username, password): (&str, &str), method: &str, uri: &str) -> String {
    let login = Login { username, secret: Secret::Password(password) };
    let (name, value) = answer(&Challenge::of(challenge), &login, method, uri, 7, 1).unwrap();
    format!("{}: {value}\r\n", name.canonical().unwrap())
}

/// See the module. One call at a time.
pub struct Phone {
    /// Its address.
    pub address: SocketAddr,
    /// Which listener of the exchange it talks to.
    pub exchange: SocketAddr,
    /// Tells calls from one address apart.
    line: u16,
    /// By which transport.
    transport: Transport,
    /// The connection that it opened, by the port at its end.
    pub connection: Option<SocketAddr>,
    call_id: String,
    tag: String,
    cseq: u32,
    /// CSeq of the last INVITE: its ACK's.
    invited: u32,
    /// Branch of the last INVITE: that of its CANCEL and of the ACK to its refusal.
    invite_branch: u32,
    branch: u32,
    /// From and To of requests in the dialog, once known.
    local: String,
    remote: String,
    target: String,
    /// The last INVITE sent, as text.
    pub invite: String,
    /// RTP port.
    pub port: u16,
    /// Pretend to be behind NAT: the Contact names an address nobody reaches.
    pub contact: String,
    /// Header lines that every INVITE and every response of this phone carries.
    pub extra: String,
    /// Request URI and To of the last INVITE: its CANCEL and the ACK to its refusal repeat them.
    asked: (String, String),
}

impl Phone {
    /// A phone that has not called yet.
    pub fn new(address: SocketAddr) -> Self {
        Self::on_line(address, address.port())
    }

    /// One of several phones at an address: the line makes its Call-ID, tag and branches its own.
    pub fn on_line(address: SocketAddr, line: u16) -> Self {
        Self {
            line,
            address,
            exchange: EXCHANGE.parse().unwrap(),
            transport: Transport::Udp,
            connection: None,
            call_id: String::new(),
            tag: format!("t{line}"),
            cseq: 0,
            invited: 0,
            invite_branch: 0,
            branch: 0,
            local: String::new(),
            remote: String::new(),
            target: String::new(),
            invite: String::new(),
            port: 4000,
            contact: format!("<sip:phone@{address}>"),
            extra: String::new(),
            asked: Default::default(),
        }
    }

    /// It speaks TCP from now on: by a connection from this port, or, without one, by those that are opened to it.
    pub fn connect(&mut self, world: &mut World, port: Option<u16>) {
        self.transport = Transport::Tcp;
        self.connection = port.map(|port| SocketAddr::new(self.address.ip(), port));
        self.contact = format!("<sip:phone@{};transport=tcp>", self.address);
        world.speak_tcp(self.from(), true);
        world.alias(self.from(), self.address);
    }

    /// Its call is over: the next INVITE that it hears is another one's.
    pub fn forget_call(&mut self) {
        self.call_id = String::new();
    }

    /// Its connection ends; from here on it is reached where it listens.
    pub fn disconnect(&mut self, world: &mut World) {
        let from = self.from();
        self.connect(world, None);
        world.disconnect(self.exchange, from);
    }

    /// The Call-ID of its call; empty before there is one.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Where its messages come from.
    pub fn from(&self) -> SocketAddr {
        self.connection.unwrap_or(self.address)
    }

    /// Its SDP.
    pub fn sdp(&self, direction: &str) -> String {
        sdp(self.address, self.port, direction)
    }

    /// Calls a number, with its SDP or without.
    pub fn call(&mut self, world: &mut World, number: &str, body: Option<&str>) {
        self.call_with(world, number, body, "Max-Forwards: 70\r\n");
    }

    /// Calls with other headers than usual.
    pub fn call_with(&mut self, world: &mut World, number: &str, body: Option<&str>, headers: &str) {
        self.call_id = format!("call-{}@{}", self.line, self.address.ip());
        self.local = format!("\"Alice\" <sip:+14155550100@{}>;tag={}", self.address, self.tag);
        self.remote = format!("<sip:{number}@{}>", self.exchange);
        self.target = format!("sip:{number}@{}", self.exchange);
        self.send_invite(world, body, headers);
    }

    /// Calls a Contact that the exchange registered, for a number.
    pub fn call_contact(&mut self, world: &mut World, contact: &str, number: &str, body: Option<&str>) {
        self.call_id = format!("call-{}@{}", self.line, self.address.ip());
        self.local = format!("<sip:+14155550100@{}>;tag={}", self.address, self.tag);
        (self.remote, self.target) = (format!("<sip:{number}@carrier.example>"), contact.to_owned());
        self.send_invite(world, body, "Max-Forwards: 70\r\n");
    }

    /// Calls a URI as a user of a domain, `user@domain`.
    pub fn call_as(&mut self, world: &mut World, user: &str, uri: &str, body: Option<&str>) {
        self.call_id = format!("call-{}@{}", self.line, self.address.ip());
        self.local = format!("<sip:{user}>;tag={}", self.tag);
        (self.remote, self.target) = (format!("<{uri}>"), uri.to_owned());
        self.send_invite(world, body, "Max-Forwards: 70\r\n");
    }

    /// Acknowledges a 407 and sends the INVITE again with what it asks for.
    pub fn prove(&mut self, world: &mut World, challenge: &Message, login: (&str, &str), body: Option<&str>) {
        self.ack_refusal(world, challenge);
        let credentials = credentials(challenge, login, "INVITE", &self.asked.0);
        self.send_invite(world, body, &format!("Max-Forwards: 70\r\n{credentials}"));
    }

    /// Registers as a user of a domain; `params` follow its contact.
    #[track_caller]
    pub fn register(&mut self, world: &mut World, (user, domain): (&str, &str), password: &str, params: &str) {
        self.call_id = format!("register-{}@{}", self.line, self.address.ip());
        let contact = format!("Max-Forwards: 70\r\nContact: {}{params}\r\n", self.contact);
        let send = |phone: &mut Self, world: &mut World, headers: &str| {
            phone.local = format!("<sip:{user}@{domain}>;tag={}", phone.tag);
            (phone.remote, phone.target) = (format!("<sip:{user}@{domain}>"), format!("sip:{domain}"));
            phone.cseq += 1;
            phone.branch += 1;
            let text = phone.request("REGISTER", phone.cseq, phone.branch, headers, None);
            world.send_to(phone.exchange, phone.from(), Bytes::from(text));
        };
        send(self, world, &contact);
        let challenge = self.expect(world, "401");
        let credentials = credentials(&challenge, (user, password), "REGISTER", &format!("sip:{domain}"));
        send(self, world, &format!("{contact}{credentials}"));
        self.expect(world, "200");
        self.call_id.clear();
    }

    /// Says something to a URI outside any call, as a user of a domain: `user@domain`.
    pub fn text(&mut self, world: &mut World, user: &str, uri: &str, (headers, text): (&str, &str)) {
        self.call_id = format!("text-{}@{}", self.line, self.address.ip());
        self.local = format!("<sip:{user}>;tag={}", self.tag);
        (self.remote, self.target) = (format!("<{uri}>"), uri.to_owned());
        self.say_with(world, "MESSAGE", &format!("Content-Type: text/plain\r\n{headers}"), text);
    }

    /// Says it again with what a 407 asks for.
    pub fn text_proven(&mut self, world: &mut World, challenge: &Message, login: (&str, &str), text: &str) -> Bytes {
        let credentials = credentials(challenge, login, "MESSAGE", &self.target);
        self.say_with(world, "MESSAGE", &format!("Content-Type: text/plain\r\n{credentials}"), text)
    }

    /// Asks outside any call that it be connected elsewhere, as a user of a domain or a number: `user@domain`.
    pub fn refer(&mut self, world: &mut World, user: &str, uri: &str, headers: &str) {
        self.call_id = format!("refer-{}@{}", self.line, self.address.ip());
        self.local = format!("<sip:{user}>;tag={}", self.tag);
        (self.remote, self.target) = (format!("<{uri}>"), uri.to_owned());
        self.say_with(world, "REFER", &format!("{headers}Contact: {}\r\n", self.contact), "");
    }

    /// Asks again with what a 407 asks for.
    pub fn refer_proven(&mut self, world: &mut World, challenge: &Message, login: (&str, &str), headers: &str) {
        let credentials = credentials(challenge, login, "REFER", &self.target);
        self.say_with(world, "REFER", &format!("{headers}{credentials}Contact: {}\r\n", self.contact), "");
    }

    /// Knows the tag that the exchange will give before any response says it.
    pub fn learn_tag(&mut self, tag: &str) {
        self.remote = format!("{};tag={tag}", self.remote);
    }

    /// Another phone of the line speaks from here on: its tag is another.
    pub fn retag(&mut self, tag: &str) {
        self.local = self.local.replace(&format!(";tag={}", self.tag), &format!(";tag={tag}"));
        self.tag = tag.to_owned();
    }

    /// Its dialog as the exchange names it: the value of a Replaces (RFC 3891 §6.1).
    pub fn named(&self) -> String {
        let tag = |address: &str| address.rsplit_once(";tag=").map_or("none", |(_, tag)| tag).to_owned();
        format!("{};to-tag={};from-tag={}", self.call_id, tag(&self.remote), tag(&self.local))
    }

    /// INVITE within the dialog.
    pub fn reinvite(&mut self, world: &mut World, body: Option<&str>) {
        self.send_invite(world, body, "Max-Forwards: 70\r\n");
    }

    fn send_invite(&mut self, world: &mut World, body: Option<&str>, headers: &str) {
        self.cseq += 1;
        self.invited = self.cseq;
        self.branch += 1;
        self.invite_branch = self.branch;
        let headers = format!("{headers}Contact: {}\r\n{}", self.contact, self.extra);
        self.asked = (self.target.clone(), self.remote.clone());
        self.invite = self.request("INVITE", self.cseq, self.branch, &headers, body);
        world.send_to(self.exchange, self.from(), Bytes::from(self.invite.clone()));
    }

    /// The last INVITE once more.
    pub fn repeat_invite(&self, world: &mut World) {
        world.send_to(self.exchange, self.from(), Bytes::from(self.invite.clone()));
    }

    /// CANCEL of the last INVITE.
    pub fn cancel(&self, world: &mut World) {
        let text =
            self.request_to(&self.asked, "CANCEL", self.invited, self.invite_branch, "Max-Forwards: 70\r\n", None);
        world.send_to(self.exchange, self.from(), Bytes::from(text));
    }

    /// ACK of a 2xx.
    pub fn ack(&mut self, world: &mut World, body: Option<&str>) {
        self.branch += 1;
        let text = self.request("ACK", self.invited, self.branch, "Max-Forwards: 70\r\n", body);
        world.send_to(self.exchange, self.from(), Bytes::from(text));
    }

    /// ACK of a refusal: same branch as the INVITE.
    pub fn ack_refusal(&self, world: &mut World, response: &Message) {
        let to = response.header(HeaderName::To).unwrap().to_owned();
        let asked = (self.asked.0.clone(), to);
        let text = self.request_to(&asked, "ACK", self.invited, self.invite_branch, "Max-Forwards: 70\r\n", None);
        world.send_to(self.exchange, self.from(), Bytes::from(text));
    }

    /// Any other request in the dialog.
    pub fn say(&mut self, world: &mut World, method: &str) -> Bytes {
        self.cseq += 1;
        self.branch += 1;
        let text = Bytes::from(self.request(method, self.cseq, self.branch, "Max-Forwards: 70\r\n", None));
        world.send_to(self.exchange, self.from(), text.clone());
        text
    }

    /// PRACK of a reliable provisional response.
    pub fn prack(&mut self, world: &mut World, response: &Message, body: Option<&str>) {
        let rack =
            format!("{} {}", response.header(HeaderName::RSeq).unwrap(), response.header(HeaderName::CSeq).unwrap());
        self.say_with(world, "PRACK", &format!("RAck: {rack}\r\n"), body.unwrap_or_default());
    }

    /// Any other request in the dialog, with further header lines and a body.
    pub fn say_with(&mut self, world: &mut World, method: &str, headers: &str, body: &str) -> Bytes {
        self.cseq += 1;
        self.branch += 1;
        let headers = format!("Max-Forwards: 70\r\n{headers}");
        let text = Bytes::from(self.request(method, self.cseq, self.branch, &headers, Some(body)));
        world.send_to(self.exchange, self.from(), text.clone());
        text
    }

    /// A request outside any dialog.
    pub fn ask(&mut self, world: &mut World, method: &str, to: &str, headers: &str) {
        self.call_id = format!("ask-{}@{}", self.address.port(), self.address.ip());
        self.local = format!("<sip:asker@{}>;tag={}", self.address, self.tag);
        (self.remote, self.target) = (to.to_owned(), format!("sip:{}", self.exchange));
        self.cseq += 1;
        self.branch += 1;
        let text = self.request(method, self.cseq, self.branch, &format!("Max-Forwards: 70\r\n{headers}"), None);
        world.send_to(self.exchange, self.from(), Bytes::from(text));
    }

    fn request(&self, method: &str, cseq: u32, branch: u32, headers: &str, body: Option<&str>) -> String {
        self.request_to(&(self.target.clone(), self.remote.clone()), method, cseq, branch, headers, body)
    }

    fn request_to(
        &self,
        (target, remote): &(String, String),
        method: &str,
        cseq: u32,
        branch: u32,
        headers: &str,
        body: Option<&str>,
    ) -> String {
        let body = body.unwrap_or_default();
        let typed = body.is_empty() || headers.contains("Content-Type");
        let content = if typed { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{transport} {address};branch=z9hG4bK-{port}-{branch};rport\r\n\
             From: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{headers}{content}\
             Content-Length: {length}\r\n\r\n{body}",
            transport = self.transport.via_name(),
            address = self.address,
            port = self.line,
            local = self.local,
            call_id = self.call_id,
            length = body.len(),
        )
    }

    /// The next message, which must be this method or status.
    #[track_caller]
    pub fn expect(&mut self, world: &mut World, what: &str) -> Message {
        let Some(bytes) = world.next_for(self.from()) else {
            panic!("{} expects {what}, nothing came\n{}", self.address, world.ladder)
        };
        let message = Message::scan(bytes.clone()).unwrap();
        let said = summary(&bytes);
        assert!(said.starts_with(what), "{} expects {what}, got {said}\n{}", self.address, world.ladder);
        self.hear(&message);
        message
    }

    /// Nothing came.
    #[track_caller]
    pub fn expect_silence(&self, world: &mut World) {
        if let Some(bytes) = world.next_for(self.from()) {
            panic!("{} expects nothing, got {}\n{}", self.address, summary(&bytes), world.ladder);
        }
    }

    /// Throws away what came.
    pub fn ignore_all(&self, world: &mut World) {
        while world.next_for(self.from()).is_some() {}
    }

    /// Takes in what a message says about the dialog.
    pub fn hear(&mut self, message: &Message) {
        let contact = message.contacts().next().and_then(Result::ok).map(|contact| contact.uri.as_str().to_owned());
        match message.status() {
            Some(status) if (101..300).contains(&status) => {
                self.remote = message.header(HeaderName::To).unwrap().to_owned();
                self.target = contact.unwrap_or_else(|| self.target.clone());
            }
            Some(_) => {}
            None if self.call_id.is_empty() => {
                self.call_id = message.call_id().unwrap().to_owned();
                self.remote = message.header(HeaderName::From).unwrap().to_owned();
                self.local = format!("{};tag={}", message.header(HeaderName::To).unwrap(), self.tag);
                self.target = contact.unwrap_or_default();
            }
            None => {}
        }
    }

    /// Responds to a request.
    pub fn respond(&self, world: &mut World, request: &Message, status: u16, body: Option<&str>) {
        self.respond_tagged(world, request, status, body, &self.tag);
    }

    /// Responds provisionally and reliably, by this RSeq.
    pub fn respond_reliably(
        &mut self,
        world: &mut World,
        request: &Message,
        status: u16,
        body: Option<&str>,
        rseq: u32,
    ) {
        let extra = format!("{}Require: 100rel\r\nRSeq: {rseq}\r\n", self.extra);
        let extra = std::mem::replace(&mut self.extra, extra);
        self.respond(world, request, status, body);
        self.extra = extra;
    }

    /// Responds with this header line beside its own.
    pub fn respond_saying(&mut self, world: &mut World, request: &Message, status: u16, line: &str) {
        let extra = format!("{}{line}\r\n", self.extra);
        let extra = std::mem::replace(&mut self.extra, extra);
        self.respond(world, request, status, None);
        self.extra = extra;
    }

    /// Responds as another fork would.
    pub fn respond_tagged(&self, world: &mut World, request: &Message, status: u16, body: Option<&str>, tag: &str) {
        let text = self.response(request, status, body, tag);
        world.send_to(self.exchange, self.from(), text);
    }

    fn response(&self, request: &Message, status: u16, body: Option<&str>, tag: &str) -> Bytes {
        let body = body.unwrap_or_default();
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let header = |name| request.header(name).unwrap();
        let to = header(HeaderName::To);
        let to = if status > 100 && !to.contains(";tag=") { format!("{to};tag={tag}") } else { to.to_owned() };
        Bytes::from(format!(
            "SIP/2.0 {status} Said\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: {}\r\n{}{content}Content-Length: {}\r\n\r\n{body}",
            header(HeaderName::Via),
            header(HeaderName::From),
            header(HeaderName::CallId),
            header(HeaderName::CSeq),
            self.contact,
            self.extra,
            body.len(),
        ))
    }
}
