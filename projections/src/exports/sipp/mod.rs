//! A scenario for SIPp that plays the caller's side of a session again: what it sent, with SIPp's own addresses, tags,
//! Call-ID, branches, credentials and media ports; what it was sent, in order; and the time that it took between.

mod plan;
mod said;
mod sdp;
mod template;

use super::Pages;
use crate::timelines::{MOST_EVENTS, TimelineError};
use domain::address::Transport;
use domain::ids::{LegId, SessionId};
use domain::log::EventLog;
use domain::ports::Keyring;
use domain::session::event::{SessionEvent, SipMessage, Way};
use domain::sip::wire::{HeaderName, Message};
use domain::time::WallTime;
use plan::{Heard, Step};
use std::fmt::Write;

/// Why a session cannot be played again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoScenario {
    /// No INVITE of a caller's began it.
    #[error("no caller's INVITE began this session: only the caller's side of a call can be played again")]
    NoCaller,
    /// Messages are gone.
    #[error("messages of this session were erased: what the caller sent is not known any more")]
    Erased,
    /// More than a scenario should have.
    #[error("the session has more than {MOST_EVENTS} events: a scenario would be too long")]
    TooLong,
    /// SIPp cannot send it.
    #[error("the caller sent a message with a zero byte, which no scenario can hold")]
    Binary,
}

/// The scenario, in XML, of what has happened so far.
pub async fn scenario(
    log: &dyn EventLog,
    keyring: &dyn Keyring,
    session: SessionId,
) -> Result<Result<String, NoScenario>, TimelineError> {
    let mut pages = Pages::of(session, MOST_EVENTS as u64 + 1);
    let (mut caller, mut said, mut events) = (None, Vec::new(), 0);
    while let Some(page) = pages.next(log, keyring).await? {
        events += page.len();
        for (recorded, event) in page {
            match event {
                SessionEvent::SessionOffered(offered) => caller = caller.or(Some(offered.leg)),
                SessionEvent::SipMessageReceived(message) => said.push((recorded.at, Way::Received, message)),
                SessionEvent::SipMessageCommitted(message) => said.push((recorded.at, Way::Sent, message)),
                _ => {}
            }
        }
    }
    let Some(caller) = caller else { return Ok(Err(NoScenario::NoCaller)) };
    if events > MOST_EVENTS {
        return Ok(Err(NoScenario::TooLong));
    }
    Ok(heard(&said, caller).map(|heard| write(session, &heard)))
}

/// The messages of the caller's leg.
fn heard(said: &[(WallTime, Way, SipMessage)], caller: LegId) -> Result<Vec<Heard>, NoScenario> {
    let of_caller = said.iter().filter(|(_, _, message)| message.leg == caller);
    of_caller
        .map(|(at, way, message)| {
            let wire = message.wire.known().ok_or(NoScenario::Erased)?;
            if *way == Way::Received && wire.bytes.contains(&0) {
                return Err(NoScenario::Binary);
            }
            // What is in the log was scanned when it came.
            let message = Message::scan(wire.bytes.clone()).map_err(|_| NoScenario::Erased)?;
            Ok(Heard { at: *at, way: *way, flow: wire.flow, message })
        })
        .collect()
}

fn write(session: SessionId, heard: &[Heard]) -> String {
    let steps = plan::steps(heard);
    let tcp = heard.first().is_some_and(|first| first.flow.transport == Transport::Tcp);
    let by = if tcp { " -t t1" } else { "" };
    let who = heard.first().map(credentials).unwrap_or_default();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<!DOCTYPE scenario SYSTEM \"sipp.dtd\">\n\
         <!-- The caller's side of session {session}. To play it again:\n     \
         sipp EXCHANGE:PORT -sf THIS_FILE -m 1 -i ADDRESS -p PORT{by}{who} -->\n\
         <scenario name=\"{session}\">\n"
    );
    for step in &steps {
        // Writing to a String cannot fail.
        let _ = match step {
            Step::Pause(millis) => writeln!(xml, "<pause milliseconds=\"{millis}\"/>"),
            Step::Send { text, repeats, .. } => {
                let repeats = if *repeats && !tcp { " retrans=\"500\"" } else { "" };
                writeln!(xml, "<send{repeats}><![CDATA[\n\n{text}]]></send>")
            }
            Step::Expect(expected) => writeln!(xml, "{}", expected.xml()),
        };
    }
    xml.push_str("</scenario>\n");
    xml
}

/// How SIPp is told to prove who it is, where the caller had to. The URI that it proves it for goes into a comment: only one that
/// cannot end it.
fn credentials(first: &Heard) -> String {
    let asked =
        [HeaderName::Authorization, HeaderName::ProxyAuthorization].into_iter().any(|name| first.message.has(name));
    if !asked {
        return String::new();
    }
    let uri = first.message.request_uri().unwrap_or_default();
    let uri = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.:+_".contains(c);
    let uri = if uri.chars().all(plain) { uri } else { "URI" };
    format!(" -au USER -ap PASSWORD -auth_uri {uri}")
}
