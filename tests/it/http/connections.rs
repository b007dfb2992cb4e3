//! Connections of the HTTP server: who says nothing is closed, and nobody takes them all.

use super::World;
use crate::views::PATIENCE;
use api::server::{HEAD, Places, serve};
use axum::Router;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// So soon a head has to be whole where a test waits for the end of it.
const SOON: Duration = Duration::from_millis(50);

struct Server {
    address: SocketAddr,
    places: Arc<Places>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(router: Router, most: usize, head: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let places = Arc::new(Places::new(most, 1));
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async move { stopped.await.unwrap_or_default() };
        let task = tokio::spawn(serve(listener, router, places.clone(), head, until));
        Self { address, places, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything until the server closes; a reset is an end, too.
async fn until_closed(mut stream: TcpStream) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4_096]);
    let read = async {
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
    };
    timeout(PATIENCE, read).await.expect("the server closes");
    text
}

#[tokio::test]
async fn half_a_head_a_silent_connection_and_an_idle_one_are_closed() {
    let server = Server::start(World::new().await.router, 10, SOON).await;
    for said in ["", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let mut stream = server.connect().await;
        stream.write_all(said.as_bytes()).await.unwrap();
        assert_eq!(until_closed(stream).await, "", "{said:?}");
    }
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(until_closed(idle).await.starts_with("HTTP/1.1 200 "), "it is answered before");
    assert_eq!(server.places.figures(), (0, 0), "and every place is free again");
}

#[tokio::test]
async fn a_head_without_end_is_refused_before_it_fills_memory() {
    let server = Server::start(World::new().await.router, 10, HEAD).await;
    let mut stream = server.connect().await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-long: {}", "a".repeat(40_000));
    // It may be refused while it is still being sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = until_closed(stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn beyond_the_last_place_a_connection_is_closed_and_one_that_ends_makes_room() {
    let server = Server::start(World::new().await.router, 1, HEAD).await;
    let ask = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut first = server.connect().await;
    // Answered once, so it has its place.
    first.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert_ne!(timeout(PATIENCE, first.read(&mut [0; 64])).await.unwrap().unwrap(), 0);
    assert_eq!(until_closed(server.connect().await).await, "");
    assert_eq!(server.places.figures(), (1, 1));
    drop(first);
    let served = async {
        loop {
            let mut next = server.connect().await;
            if next.write_all(ask).await.is_ok() && until_closed(next).await.starts_with("HTTP/1.1 200 ") {
                return;
            }
        }
    };
    timeout(PATIENCE, served).await.expect("the place becomes free");
}

#[tokio::test]
async fn a_stream_of_events_does_not_keep_the_server_from_ending() {
    let world = World::whole().await;
    let server = Server::start(world.router.clone(), 10, HEAD).await;
    let mut reader = server.connect().await;
    let ask = "GET /v1/events HTTP/1.1\r\nhost: x\r\naccept: text/event-stream";
    let ask = format!("{ask}\r\nauthorization: {}\r\n\r\n", world.root.basic());
    reader.write_all(ask.as_bytes()).await.unwrap();
    assert_ne!(timeout(PATIENCE, reader.read(&mut [0; 64])).await.unwrap().unwrap(), 0);
    server.stop.send(()).unwrap();
    timeout(PATIENCE, server.task).await.expect("the server ends").unwrap();
    until_closed(reader).await;
}
