//! What the caller said, as SIPp is to say it again: addresses, tags, branches, Call-ID, credentials and media ports are
//! SIPp's own, everything else is as recorded.

use super::sdp;
use super::template::Template;
use domain::address::Flow;
use domain::sip::wire::{Header, HeaderName, Message, NameAddr};
use std::collections::HashMap;
use std::net::SocketAddr;

/// What is known of the dialog so far.
#[derive(Debug)]
pub(super) struct Speaker {
    ours: Vec<String>,
    theirs: Vec<String>,
    /// Recorded branches in the order of their appearance: requests that share one share SIPp's.
    branches: HashMap<String, usize>,
}

/// How a request stands to what was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<'a> {
    /// It goes to the dialog's target, not to where its URI says.
    pub in_dialog: bool,
    /// It answers a challenge.
    pub proves: bool,
    /// It is what the caller asked first, without credentials: one number before, in a transaction of its own.
    pub is_first_try: bool,
    /// The variable that holds the RSeq of what it acknowledges.
    pub rseq: Option<&'a str>,
}

impl Speaker {
    /// A caller that was heard over this flow.
    pub fn new(flow: Flow) -> Self {
        Self { ours: spellings(flow.local), theirs: spellings(flow.remote), branches: HashMap::new() }
    }

    /// A request. An ACK or CANCEL of an INVITE is in that INVITE's transaction, by its branch.
    pub fn request(&mut self, message: &Message, place: Place<'_>) -> String {
        let mut text = Template::default();
        let method = message.method().map(|method| method.as_str()).unwrap_or_default();
        text.literal(method.as_bytes()).keyword(" ");
        match place.in_dialog {
            true => text.keyword("[next_url]"),
            false => self.addressed(&mut text, message.request_uri().unwrap_or_default()),
        };
        text.keyword(" SIP/2.0").end();
        self.via(&mut text, message, place.is_first_try);
        if place.proves {
            text.keyword("[authentication]").end();
        }
        for header in message.headers() {
            match header.name {
                HeaderName::From => self.with_tag(&mut text, header, "[pid]-[call_number]"),
                HeaderName::To => self.with_tag(&mut text, header, ""),
                HeaderName::CallId => text.keyword("Call-ID: [call_id]").end(),
                HeaderName::CSeq if place.is_first_try => text.keyword(&first_cseq(message, method)).end(),
                HeaderName::RAck => acknowledged(&mut text, header, place.rseq),
                _ => self.other(&mut text, header),
            }
        }
        self.body(text, message)
    }

    /// The ACK to the challenge that answered the first try.
    pub fn acknowledgement(&mut self, invite: &Message) -> String {
        let mut text = Template::default();
        text.keyword("ACK ");
        self.addressed(&mut text, invite.request_uri().unwrap_or_default()).keyword(" SIP/2.0").end();
        self.via(&mut text, invite, true);
        for header in invite.headers() {
            match header.name {
                HeaderName::From => self.with_tag(&mut text, header, "[pid]-[call_number]"),
                HeaderName::To => {
                    text.keyword("To: ");
                    self.addressed(&mut text, header.value).keyword("[peer_tag_param]").end();
                }
                HeaderName::CallId => text.keyword("Call-ID: [call_id]").end(),
                HeaderName::CSeq => text.keyword(&first_cseq(invite, "ACK")).end(),
                _ => {}
            }
        }
        text.keyword("Max-Forwards: 70\nContent-Length: 0\n\n");
        text.finish()
    }

    fn via(&mut self, text: &mut Template, message: &Message, is_first_try: bool) {
        let branch = message.top_via().ok().and_then(|via| via.branch().map(str::to_owned)).unwrap_or_default();
        let known = self.branches.len();
        let number = match is_first_try {
            true => "first".to_owned(),
            false => self.branches.entry(branch).or_insert(known).to_string(),
        };
        let branch = format!("branch=z9hG4bK-{number}-[pid]-[call_number]");
        text.keyword("Via: SIP/2.0/[transport] [local_ip]:[local_port];").keyword(&branch).end();
    }

    /// An answer to the request that SIPp has just received.
    pub fn response(&self, message: &Message) -> String {
        let mut text = Template::default();
        let line = message.bytes().split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        text.literal(line).end();
        text.keyword("[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n");
        for header in message.headers() {
            match header.name {
                HeaderName::From | HeaderName::To | HeaderName::CallId | HeaderName::CSeq => {}
                _ => self.other(&mut text, header),
            }
        }
        self.body(text, message)
    }

    fn other(&self, text: &mut Template, header: Header<'_>) {
        match header.name {
            // Of the way between, and of who proves himself.
            HeaderName::Via | HeaderName::Route | HeaderName::RecordRoute | HeaderName::ContentLength => {}
            HeaderName::Authorization | HeaderName::ProxyAuthorization => {}
            HeaderName::Contact => contact(text, header.value),
            _ => {
                text.literal(name_of(header).as_bytes()).keyword(": ");
                self.addressed(text, header.value).end();
            }
        }
    }

    /// From and To: the tag is SIPp's, or the peer's as SIPp heard it.
    fn with_tag(&self, text: &mut Template, header: Header<'_>, ours: &str) {
        let tag = NameAddr::parse(header.value).ok().and_then(|address| address.tag().map(str::to_owned));
        let (mut before, mut after) = (header.value, "");
        if let Some(tag) = &tag {
            // The last one: a name or a URI before it may look the same.
            let written = format!("tag={tag}");
            if let Some(at) = header.value.rfind(&written) {
                before = header.value[..at].trim_end().trim_end_matches(';');
                after = &header.value[at + written.len()..];
            }
        }
        text.literal(name_of(header).as_bytes()).keyword(": ");
        self.addressed(text, before);
        match (ours, &tag) {
            ("", None) => {}
            ("", Some(_)) => drop(text.keyword("[peer_tag_param]")),
            (ours, _) => drop(text.keyword(";tag=").keyword(ours)),
        }
        self.addressed(text, after).end();
    }

    /// Text in which the exchange's address and the caller's stand for those of the replay.
    fn addressed<'t>(&self, text: &'t mut Template, value: &str) -> &'t mut Template {
        let mut rest = value;
        while let Some((at, length, keyword)) = self.next_address(rest) {
            text.literal(&rest.as_bytes()[..at]).keyword(keyword);
            rest = &rest[at + length..];
        }
        text.literal(rest.as_bytes())
    }

    fn next_address(&self, text: &str) -> Option<(usize, usize, &'static str)> {
        let of = |spellings: &[String], keyword: &'static str| {
            let found = spellings.iter().filter_map(|spelling| Some((find(text, spelling)?, spelling.len(), keyword)));
            found.min_by_key(|(at, length, _)| (*at, usize::MAX - length))
        };
        let found = [of(&self.ours, "[remote_ip]:[remote_port]"), of(&self.theirs, "[local_ip]:[local_port]")];
        found.into_iter().flatten().min_by_key(|(at, length, _)| (*at, usize::MAX - length))
    }

    fn body(&self, mut text: Template, message: &Message) -> String {
        text.keyword("Content-Length: [len]\n\n");
        let body = message.body();
        match message.header(HeaderName::ContentType) {
            Some(kind) if kind.to_ascii_lowercase().starts_with("application/sdp") => sdp::write(&mut text, body),
            _ => text.body(body),
        }
        text.finish()
    }
}

/// CSeq of the first try.
fn first_cseq(message: &Message, method: &str) -> String {
    let number = message.cseq().map_or(0, |cseq| cseq.number.saturating_sub(1));
    format!("CSeq: {number} {method}")
}

/// How an address may be written: with its port, and without where that is the usual one.
fn spellings(address: SocketAddr) -> Vec<String> {
    let whole = address.to_string();
    let host = whole.rsplit_once(':').map(|(host, _)| host.to_owned());
    [whole].into_iter().chain(host.filter(|_| address.port() == 5060)).collect()
}

/// Where an address stands by itself: not as a part of a longer one.
fn find(text: &str, address: &str) -> Option<usize> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == ':';
    let mut from = 0;
    while let Some(at) = text[from..].find(address).map(|at| at + from) {
        let end = at + address.len();
        let before = text[..at].chars().next_back().is_some_and(|c| part(c) && c != ':');
        let after = text[end..].chars().next().is_some_and(part);
        if !before && !after {
            return Some(at);
        }
        from = end;
    }
    None
}

/// The usual spelling, or the caller's.
fn name_of<'a>(header: Header<'a>) -> &'a str {
    header.name.canonical().unwrap_or(header.raw_name)
}

/// Contact: SIPp is reached where it listens, by the user and parameters that the caller named.
fn contact(text: &mut Template, value: &str) {
    text.keyword("Contact: ");
    match NameAddr::parse(value).ok().filter(|address| address.uri.host().is_some()) {
        Some(address) => {
            let uri = address.uri.as_str();
            let before = if address.uri.user().is_some() { '@' } else { ':' };
            let user = uri.find(before).map_or(0, |at| at + 1);
            let params = uri[user..].find([';', '?']).map_or("", |at| &uri[user + at..]);
            text.keyword("<").literal(&uri.as_bytes()[..user]).keyword("[local_ip]:[local_port]");
            text.literal(params.as_bytes()).keyword(">").literal(address.params.as_str().as_bytes());
        }
        None => drop(text.literal(value.as_bytes())),
    }
    text.end();
}

/// RAck: the RSeq is what the exchange drew this time.
fn acknowledged(text: &mut Template, header: Header<'_>, rseq: Option<&str>) {
    let rest = header.value.split_once(' ').map_or("", |(_, rest)| rest);
    text.keyword("RAck: ");
    match rseq {
        Some(variable) => text.keyword(&format!("[${variable}] ")).literal(rest.as_bytes()).end(),
        None => text.literal(header.value.as_bytes()).end(),
    }
}
