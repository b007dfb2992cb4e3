//! What the 200 to a REGISTER holds: every binding there is now, not only those that were asked about.

use super::{Binding, Contacts, RegisterRequest, Registration, Supported, Terms, public_gruu};
use crate::address::Transport;
use crate::sip::endpoint::SessionHeaders;
use crate::time::WallTime;

/// How often devices are to keep their flows alive at least, in seconds. Many NATs forget a flow by UDP after half a
/// minute (RFC 5626 §4.4.1).
pub const fn flow_timer(transport: Transport) -> u32 {
    match transport {
        Transport::Udp => 25,
        Transport::Tcp => 120,
    }
}

/// Headers of a 200 (RFC 3261 §10.3 step 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// One Contact each, in the order in which they were added.
    pub contacts: Vec<String>,
    /// The Path as it came (RFC 3327 §5.3).
    pub path: Vec<Box<str>>,
    /// Extensions of ours that the device named.
    pub supported: Vec<&'static str>,
    /// Whether its flow is kept (RFC 5626 §6).
    pub outbound: bool,
    /// How often its flow is to be kept alive at least, in seconds (RFC 5626 §5.4); none where a proxy is between, which
    /// keeps the flow in our place.
    pub flow_timer: Option<u32>,
    /// Now, as a Date.
    pub date: String,
}

impl Registration {
    /// What the 200 holds, after the events of [`Registration::register`] were applied.
    pub fn answer(&self, request: &RegisterRequest, terms: &Terms<'_>, now: WallTime) -> Answer {
        let Supported { path, outbound, gruu, gin } = request.supported;
        let named = [("path", path), ("outbound", outbound), ("gruu", gruu), ("gin", gin)];
        let kept = match &request.contacts {
            Contacts::Fetch | Contacts::All => false,
            Contacts::Some(contacts) => {
                contacts.iter().any(|contact| contact.instance.is_some() && contact.reg_id.is_some())
            }
        };
        let outbound = kept && outbound && request.keeps_flows;
        Answer {
            contacts: self.bindings(now).map(|binding| contact(binding, request, terms, now)).collect(),
            path: request.path.clone(),
            supported: named.into_iter().filter(|(_, named)| *named).map(|(tag, _)| tag).collect(),
            outbound,
            flow_timer: Some(flow_timer(request.flow.transport)).filter(|_| outbound && request.path.is_empty()),
            date: date(now),
        }
    }
}

/// A binding as the client sent it, with what remains of it.
fn contact(binding: &Binding, request: &RegisterRequest, terms: &Terms<'_>, now: WallTime) -> String {
    // A binding without an end is told as long as any may be: RFC 3261 has no word for ever.
    let longest = u64::from(terms.settings.max_expires);
    let remains = binding.until.map_or(longest, |until| until.since(now).as_secs().max(1));
    let mut text = format!("<{}>", binding.device.contact);
    if let Some(q) = binding.q {
        text.push_str(&format!(";q={q}"));
    }
    text.push_str(&format!(";expires={remains}"));
    if let Some(instance) = &binding.device.instance {
        text.push_str(&format!(";+sip.instance=\"<{instance}>\""));
        if let Some(reg_id) = binding.reg_id {
            text.push_str(&format!(";reg-id={reg_id}"));
        }
        if request.supported.gruu {
            text.push_str(&format!(";pub-gruu=\"{}\"", public_gruu(terms.aor, instance)));
        }
    }
    text.push_str(&binding.device.params);
    text
}

/// RFC 3261 §20.17: RFC 1123's form, in GMT.
fn date(now: WallTime) -> String {
    let time = chrono::DateTime::from_timestamp_micros(now.micros()).unwrap_or_default();
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

impl Answer {
    /// Its headers, by their names.
    pub fn headers(&self) -> SessionHeaders {
        let mut headers = Vec::new();
        let mut add = |name: &str, value: &str| headers.push((name.into(), value.into()));
        self.contacts.iter().for_each(|contact| add("Contact", contact));
        self.path.iter().for_each(|element| add("Path", element));
        if !self.supported.is_empty() {
            add("Supported", &self.supported.join(", "));
        }
        if self.outbound {
            add("Require", "outbound");
        }
        if let Some(seconds) = self.flow_timer {
            add("Flow-Timer", &seconds.to_string());
        }
        add("Date", &self.date);
        SessionHeaders(headers)
    }
}
