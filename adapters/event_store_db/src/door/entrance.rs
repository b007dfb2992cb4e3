//! What a call has to pass before anything of its body is read: the password, whether anything may be written here, and
//! how large its messages may be.

use super::Shared;
use super::status::Refusal;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response, Uri};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

/// The most bytes of a message that appends nothing: names, positions and filters.
pub const SMALL: usize = 64 << 10;
/// The most bytes of a message that strangers may send: they have nothing to say.
pub const SMALLEST: usize = 1 << 10;
/// How long a wrong password waits for its answer.
const SLOW_REFUSAL: Duration = Duration::from_millis(300);
/// How long a call of one message may take to its answer's beginning. Who sends that message byte by byte has no longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who may call a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody: clients ask before they have anything to prove themselves with.
    Anybody,
    /// Who knows the password, where there is one.
    Known,
}

/// A service behind the entrance.
#[derive(Clone)]
pub struct Entrance<S> {
    shared: Arc<Shared>,
    who: Who,
    small: S,
    /// The same service, which takes the messages of appends.
    large: Option<S>,
}

impl<S> Entrance<S> {
    /// A service of small messages.
    pub const fn of_small(shared: Arc<Shared>, who: Who, small: S) -> Self {
        Self { shared, who, small, large: None }
    }

    /// A service that appends as well.
    pub const fn of_appends(shared: Arc<Shared>, small: S, large: S) -> Self {
        Self { shared, who: Who::Known, small, large: Some(large) }
    }

    fn knows(&self, request: &Request<Body>) -> bool {
        match (self.who, &self.shared.credentials) {
            (Who::Anybody, _) | (Who::Known, None) => true,
            (Who::Known, Some(credentials)) => credentials.are_in(request.headers()),
        }
    }
}

/// What a call does, by its method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Brings events, in as many messages as it likes.
    Append,
    /// Writes with one small message.
    Delete,
    /// Reads, with one small message.
    Read,
}

impl Does {
    fn of(uri: &Uri) -> Self {
        match uri.path().rsplit('/').next().unwrap_or_default() {
            "Append" | "BatchAppend" => Self::Append,
            "Delete" | "Tombstone" => Self::Delete,
            _ => Self::Read,
        }
    }
}

/// How the caller reached us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The host, without brackets.
    pub host: String,
    /// The port, where it was said.
    pub port: Option<u16>,
}

impl Reached {
    /// The call's authority, where it is one that others could use.
    fn by(uri: &Uri) -> Option<Self> {
        let authority = uri.authority()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let nowhere = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified());
        let sane = !host.is_empty() && !nowhere && authority.port_u16() != Some(0);
        sane.then(|| Self { host: host.to_owned(), port: authority.port_u16() })
    }
}

impl<S> Service<Request<Body>> for Entrance<S>
where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future = BoxFuture<Response<Body>, Infallible>,
        >,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.small.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let does = Does::of(request.uri());
        if !self.knows(&request) {
            // What it brought goes before it waits.
            drop(request);
            return Box::pin(async {
                tokio::time::sleep(SLOW_REFUSAL).await;
                Ok(Status::unauthenticated("Not Authenticated: the door asks for its user and password").into_http())
            });
        }
        if !self.shared.writable && does != Does::Read {
            let refused = Refusal::Denied("this door is read-only").status("").into_http();
            return Box::pin(std::future::ready(Ok(refused)));
        }
        if let Some(reached) = Reached::by(request.uri()) {
            request.extensions_mut().insert(reached);
        }
        match (does, &mut self.large) {
            (Does::Append, Some(large)) => large.call(request),
            (Does::Append, None) | (Does::Delete | Does::Read, _) => {
                let answer = self.small.call(request);
                Box::pin(async move {
                    let late = |_| Ok(Status::deadline_exceeded("the call took too long").into_http());
                    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(late)
                })
            }
        }
    }
}

impl<S: NamedService> NamedService for Entrance<S> {
    const NAME: &'static str = S::NAME;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(uri: &str) -> Option<(String, Option<u16>)> {
        Reached::by(&uri.parse().unwrap()).map(|reached| (reached.host, reached.port))
    }

    #[test]
    fn only_an_authority_that_others_can_use_is_repeated() {
        let path = "/event_store.client.gossip.Gossip/Read";
        assert_eq!(reached(&format!("http://log.example:2114{path}")), Some(("log.example".into(), Some(2114))));
        assert_eq!(reached(&format!("https://log.example{path}")), Some(("log.example".into(), None)));
        assert_eq!(reached(&format!("http://[2001:db8::1]:2113{path}")), Some(("2001:db8::1".into(), Some(2113))));
        for nowhere in [path.into(), format!("http://0.0.0.0:2113{path}"), format!("http://[::]:2113{path}")] {
            assert_eq!(reached(&nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn what_a_call_does_stands_in_its_path() {
        let does = |method: &str| Does::of(&format!("/event_store.client.streams.Streams/{method}").parse().unwrap());
        assert_eq!(["Append", "BatchAppend"].map(does), [Does::Append; 2]);
        assert_eq!(["Delete", "Tombstone"].map(does), [Does::Delete; 2]);
        assert_eq!(["Read", "List", ""].map(does), [Does::Read; 3]);
    }
}
