//! Followers. Who is behind has a subscription of its own; who has caught up reads what all of them share, so that an event
//! comes from the store once, however many follow.

use super::Shared;
use super::live;
use super::recent::Page;
use super::subscription::Subscription;
use domain::log::{Filter, Follow, Followed, PortFuture, Position, ReadError};
use std::sync::Arc;
use tokio::sync::watch;

/// One reader.
pub struct Follower {
    shared: Arc<Shared>,
    filter: Filter,
    /// Everything up to here was seen, and told.
    seen: Position,
    way: Way,
}

/// From where it reads.
enum Way {
    /// The store; whether it has caught up there.
    Store(Subscription, bool),
    /// What the followers share; it tells when there is more.
    Recent(watch::Receiver<Position>),
}

impl Follower {
    pub fn new(shared: Arc<Shared>, after: Position, filter: Filter) -> Self {
        let way = from_store(&shared, after, &filter);
        Self { shared, filter, seen: after, way }
    }

    async fn advance(&mut self) -> Result<Followed, ReadError> {
        loop {
            let followed = match &mut self.way {
                Way::Store(subscription, caught_up) => {
                    let followed = subscription.next().await?;
                    *caught_up |= matches!(followed, Followed::CaughtUp(_));
                    Some(followed)
                }
                Way::Recent(more) => {
                    // Marked before it is looked: what comes meanwhile wakes.
                    more.mark_unchanged();
                    let page = self.shared.recent.page(self.seen, &self.filter);
                    let followed = page.map(|page| told(page, self.seen));
                    match followed {
                        None => self.way = from_store(&self.shared, self.seen, &self.filter),
                        Some(None) => {
                            let closed = |_| ReadError::Unavailable("it was closed".into());
                            more.changed().await.map_err(closed)?;
                        }
                        Some(Some(_)) => {}
                    }
                    followed.flatten()
                }
            };
            if let Some(followed) = followed {
                self.told(&followed);
                self.join();
                return Ok(followed);
            }
        }
    }

    /// Goes on with what is shared, where that goes as far back. The live list is not among it.
    fn join(&mut self) {
        let Way::Store(_, true) = self.way else { return };
        let shares = !self.filter.categories.iter().any(|category| category == live::CATEGORY);
        if shares && let Some(more) = self.shared.recent.join(&self.shared.connection, self.seen) {
            self.way = Way::Recent(more);
        }
    }

    fn told(&mut self, followed: &Followed) {
        match followed {
            Followed::Events(events) => {
                if let Some(last) = events.last() {
                    self.seen = last.position;
                    self.shared.saw(last.position);
                }
            }
            Followed::Checkpoint(position) | Followed::CaughtUp(position) => self.seen = self.seen.max(*position),
        }
    }
}

impl Follow for Follower {
    fn next(&mut self) -> PortFuture<'_, Result<Followed, ReadError>> {
        Box::pin(self.advance())
    }
}

fn from_store(shared: &Shared, after: Position, filter: &Filter) -> Way {
    Way::Store(Subscription::new(Arc::clone(&shared.connection), after, filter.clone()), false)
}

/// What is to be told of a page; `None` where it holds nothing new.
fn told(page: Page, seen: Position) -> Option<Followed> {
    match page {
        Page { events, .. } if !events.is_empty() => Some(Followed::Events(events)),
        Page { seen: further, .. } if further > seen => Some(Followed::Checkpoint(further)),
        Page { .. } => None,
    }
}
