//! The HTTP server in its place: its socket, its figures, its end.

use super::error::StartError;
use crate::config::Config;
use crate::metrics::{Exposition, Kind, Metrics};
use crate::server::{self, HEAD, Places};
use adapters::descriptors;
use adapters::holder::Holder;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The server that runs.
pub(super) struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Server {
    /// Whoever is not answered in time is not answered.
    pub async fn stop(mut self, patience: Duration) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        if timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

pub(super) async fn serve(
    config: &Config,
    router: axum::Router,
    holder: &Holder,
    metrics: &Metrics,
) -> Result<Server, StartError> {
    let address = config.http.listen;
    let refused = |source| StartError::Http { address, source };
    let name = format!("http {address}");
    let listener = match holder.take(&name).and_then(|mut sockets| sockets.pop()) {
        Some(socket) => TcpListener::from_std(socket.into()),
        None => TcpListener::bind(address).await,
    };
    let listener = listener.map_err(refused)?;
    holder.keep(&name, &[listener.as_fd()]);
    let address = listener.local_addr().map_err(refused)?;
    let places = Arc::new(config.http.places(descriptors::raise()));
    register(metrics, Arc::clone(&places));
    let (stop, stopped) = oneshot::channel::<()>();
    let until = async move {
        // Dropped is stopped, too.
        let _ = stopped.await;
    };
    let task = tokio::spawn(server::serve(listener, router, places, HEAD, until));
    Ok(Server { address, task, stop })
}

fn register(metrics: &Metrics, places: Arc<Places>) {
    metrics.register(move |to: &mut Exposition| {
        let (taken, refused) = places.figures();
        to.single(Kind::Gauge, "strowger_http_connections", "HTTP connections now.", taken as f64);
        let help = "HTTP connections beyond a limit, closed at once.";
        to.single(Kind::Counter, "strowger_http_connections_refused_total", help, refused as f64);
    });
}
