//! The HTTP server: HTTP/1.1 with all its limits and deadlines. Who opens connections and says nothing holds file
//! descriptors that phones and calls need, so everything here ends by itself.

mod places;

use adapters::sip_socket::tcp::tune;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use places::Place;
pub use places::{Full, Places};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Within this time a request's head is whole; a connection on which none comes is closed.
pub const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a head, and of what is read ahead.
const MOST_HEAD: usize = 16 << 10;
/// A peer that acknowledges nothing for this long is gone, also one that reads nothing.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// Without file descriptors nothing is accepted for so long, which is also said no more often.
const BREATHE: Duration = Duration::from_secs(1);
/// That somebody is refused is said no more often.
const SILENCE: Duration = Duration::from_secs(60);

/// Serves until `stopped`, and then until what was asked is answered; dropped, it ends at once. Streams of events end with
/// `stopped`: their readers go on elsewhere.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    places: Arc<Places>,
    head: Duration,
    stopped: impl Future<Output = ()> + Send,
) {
    let (stop, stopping) = watch::channel(false);
    let mut stopped = pin!(stopped);
    let mut connections = JoinSet::new();
    let mut silent_until = Instant::now();
    loop {
        let accepted = tokio::select! {
            () = &mut stopped => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match places.take(peer.ip()) {
                Ok(place) => {
                    connections.spawn(converse(stream, router.clone(), head, stopping.clone(), place));
                }
                Err(full) => refuse(full, peer.ip(), &mut silent_until),
            },
            // The peer was gone before we came to it.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(%error, "an HTTP connection cannot be accepted: check the limit on file descriptors");
                tokio::select! {
                    () = &mut stopped => break,
                    () = sleep(BREATHE) => {}
                }
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    while connections.join_next().await.is_some() {}
}

fn refuse(full: Full, peer: IpAddr, silent_until: &mut Instant) {
    let now = Instant::now();
    if *silent_until <= now {
        *silent_until = now + SILENCE;
        tracing::warn!(%peer, why = %full, "an HTTP connection was closed at once; more of them are only counted");
    }
}

/// One connection from its first request to its last answer. What ends it otherwise is its peer's affair.
async fn converse(
    stream: TcpStream,
    router: Router,
    head: Duration,
    mut stopping: watch::Receiver<bool>,
    _place: Place,
) {
    if tune(&stream, UNACKNOWLEDGED).is_err() {
        return;
    }
    let streams = Arc::new(AtomicBool::new(false));
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request| {
        let (answer, streams) = (router.call(request), Arc::clone(&streams));
        async move {
            let answer = answer.await;
            streams.store(answer.as_ref().is_ok_and(has_no_end), Relaxed);
            answer
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(MOST_HEAD);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    if streams.load(Relaxed) {
        return;
    }
    connection.as_mut().graceful_shutdown();
    // See above.
    let _ = connection.await;
}

fn has_no_end(answer: &Response) -> bool {
    answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}
