//! What the media threads report.

use crate::codec::personal::Personal;
use crate::media::MediaReport;
use crate::session::event::{MediaFellSilent, MediaHeard, MediaLatched, SessionEvent};
use crate::session::order::Context;
use crate::session::state::Session;

impl Session {
    /// See the module.
    pub fn on_media(&mut self, context: &mut Context<'_>, report: &MediaReport) {
        match report {
            MediaReport::Latched { path, leg, source } => {
                let source = Personal::Known(*source);
                let latched = MediaLatched { leg: *leg, stream: path.stream, source };
                self.record(context, SessionEvent::MediaLatched(latched));
            }
            MediaReport::Silent { path, leg, lasted, rtcp_alive } => {
                let lasted_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
                let silent = MediaFellSilent { leg: *leg, stream: path.stream, lasted_ms, rtcp_alive: *rtcp_alive };
                self.record(context, SessionEvent::MediaFellSilent(silent));
            }
            MediaReport::Heard { path, leg } => {
                let heard = MediaHeard { leg: *leg, stream: path.stream };
                self.record(context, SessionEvent::MediaHeard(heard));
            }
            MediaReport::Closed { path, sides } => {
                if let Some(open) = self.paths.get_mut(usize::from(path.stream)) {
                    *open = None;
                }
                self.measures.push((path.stream, *sides));
                self.end_if_all_gone(context);
            }
        }
    }
}
