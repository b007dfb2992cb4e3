//! A subscription whose next page may be waited for with a time-out and loses nothing by it.

use domain::log::{Follow, Followed, PortFuture, ReadError};

type Step = (Box<dyn Follow>, Result<Followed, ReadError>);

pub(crate) struct Pages {
    next: PortFuture<'static, Step>,
}

impl Pages {
    pub(crate) fn of(follow: Box<dyn Follow>) -> Self {
        Self { next: step(follow) }
    }

    /// The next page. Dropping this future keeps the wait that is under way.
    pub(crate) async fn next(&mut self) -> Result<Followed, ReadError> {
        let (follow, page) = (&mut self.next).await;
        self.next = step(follow);
        page
    }
}

fn step(mut follow: Box<dyn Follow>) -> PortFuture<'static, Step> {
    Box::pin(async move {
        let page = follow.next().await;
        (follow, page)
    })
}
