//! A follower that tells something else than what the log has: for sabotage.

use domain::erasure::{ErasureEvent, SubjectErased, Targets};
use domain::log::{Follow, Followed, PortFuture, ReadError, Recorded};
use std::sync::Arc;

/// What becomes of every event of a type.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lie {
    /// Followers never hear of it.
    Misses(&'static str),
    /// They hear of it twice.
    Doubles(&'static str),
    /// They hear of erasures, and not of what.
    ErasesNothing,
}

/// See the module.
pub(super) struct Unfaithful {
    pub(super) follow: Box<dyn Follow>,
    pub(super) lie: Lie,
}

impl Lie {
    fn told(self, event: Recorded) -> Vec<Recorded> {
        match self {
            Self::Misses(kind) if &*event.kind == kind => vec![Recorded { kind: Arc::from("Overlooked"), ..event }],
            Self::Doubles(kind) if &*event.kind == kind => vec![event.clone(), event],
            Self::ErasesNothing if &*event.kind == "SubjectErased" => vec![of_nothing(event)],
            Self::Misses(_) | Self::Doubles(_) | Self::ErasesNothing => vec![event],
        }
    }
}

fn of_nothing(event: Recorded) -> Recorded {
    let Ok(ErasureEvent::SubjectErased(erased)) = ErasureEvent::decode(&event) else { return event };
    let data = ErasureEvent::SubjectErased(SubjectErased { targets: Targets::default(), ..erased }).encode().data;
    Recorded { data, ..event }
}

impl Follow for Unfaithful {
    fn next(&mut self) -> PortFuture<'_, Result<Followed, ReadError>> {
        Box::pin(async move {
            Ok(match self.follow.next().await? {
                Followed::Events(events) => {
                    Followed::Events(events.into_iter().flat_map(|event| self.lie.told(event)).collect())
                }
                other => other,
            })
        })
    }
}
