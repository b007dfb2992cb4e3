//! Connections: how many there are, how they begin, and how they are cut.

use super::{DoorError, Identity};
use futures_util::{Stream, stream};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After an accept that failed (no descriptors left) nothing is accepted for this long.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// The protocol within TLS.
const HTTP_2: &[u8] = b"h2";

/// What makes TLS of connections.
///
/// # Errors
/// The certificate or key cannot be used.
pub fn tls(identity: &Identity) -> Result<TlsAcceptor, DoorError> {
    crate::choose_crypto();
    let wrong = |error: &dyn std::fmt::Display| DoorError::Identity(error.to_string());
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&identity.certificate)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|error| wrong(&error))?;
    let builder = rustls::ServerConfig::builder().with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).map_err(|error| wrong(&error))?;
    config.alpn_protocols.push(HTTP_2.to_vec());
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Connections as they come, until the door closes. Beyond the limit they wait to be accepted.
pub fn connections(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    most: usize,
    mut closing: watch::Receiver<bool>,
) -> impl Stream<Item = io::Result<Connection>> {
    let room = Arc::new(Semaphore::new(most));
    let (ready, accepted) = mpsc::channel(1);
    let cut = closing.clone();
    tokio::spawn(async move {
        let accept = async {
            while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
                match listener.accept().await {
                    Ok((socket, _)) => {
                        drop(tokio::spawn(begin(socket, tls.clone(), permit, cut.clone(), ready.clone())))
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the log's door cannot accept a connection");
                        tokio::time::sleep(AFTER_FAILURE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accept => {}
            _ = closing.wait_for(|cut| *cut) => {}
        }
    });
    stream::unfold(accepted, |mut accepted| async move {
        let connection = accepted.recv().await?;
        Some((Ok(connection), accepted))
    })
}

async fn begin(
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    permit: OwnedSemaphorePermit,
    mut cut: watch::Receiver<bool>,
    ready: mpsc::Sender<Connection>,
) {
    // Without it answers wait for the other end's acknowledgements.
    let _ = socket.set_nodelay(true);
    let socket = match tls {
        None => Socket::Plain(socket),
        Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(socket)).await {
            Ok(Ok(socket)) => Socket::Tls(Box::new(socket)),
            Ok(Err(_)) | Err(_) => return,
        },
    };
    let cut = Box::pin(async move {
        // A door that is dropped is closed.
        let _ = cut.wait_for(|cut| *cut).await;
    });
    // Nobody serves any more.
    let _ = ready.send(Connection { socket, cut, _permit: permit }).await;
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection, which ends with the door.
pub struct Connection {
    socket: Socket,
    cut: Pin<Box<dyn Future<Output = ()> + Send>>,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Socket::Tls(socket) => Pin::new(socket).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Socket::Tls(socket) => Pin::new(socket).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_flush(context),
            Socket::Tls(socket) => Pin::new(socket).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Socket::Tls(socket) => Pin::new(socket).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Plain(socket) => Pin::new(socket).poll_write_vectored(context, slices),
            Socket::Tls(socket) => Pin::new(socket).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(socket) => socket.is_write_vectored(),
            Socket::Tls(socket) => socket.is_write_vectored(),
        }
    }
}
