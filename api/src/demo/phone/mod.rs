//! A telephone for the demo and for tests: calls and answers over SIP on UDP, speaks and listens over RTP.
//!
//! It is built on `rsip` and shares no code with the exchange, so that the exchange is never its own judge.

pub mod call;
mod dialog;
mod endpoint;
pub mod media;
mod message;
mod phone_call;
mod registration;
mod rtp;
mod sdp;
mod transaction;

#[cfg(test)]
mod tests;

use crate::demo::audio::voice::Voice;
use call::{Ending, Phase, Status};
use dialog::Dialog;
use endpoint::{Command, Endpoint, Ring};
use media::Media;
pub use phone_call::PhoneCall;
pub use registration::Account;
pub use sdp::Direction;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};
pub use transaction::T1;

/// Longest wait for anything that the other end has to do.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest SIP datagram read.
const LARGEST: usize = 65_535;

/// What went wrong with a phone or one of its calls.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// No port could be had.
    #[error("the {phone} phone cannot open a UDP port on {ip}: {source}; close programs that hold many sockets")]
    Socket {
        /// Whose.
        phone: String,
        /// Where.
        ip: IpAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// What was dialled is no SIP URI.
    #[error("{uri:?} cannot be dialled: {source}; write sip:USER@HOST:PORT")]
    Uri {
        /// What was dialled.
        uri: String,
        /// What `rsip` says about it.
        source: rsip::Error,
    },
    /// Something did not happen in time.
    #[error("the {phone} phone waited {} s for {awaited}; its call is {phase:?}; the exchange's log and timeline tell why", PATIENCE.as_secs())]
    TimedOut {
        /// Whose.
        phone: String,
        /// For what.
        awaited: &'static str,
        /// How far the call was.
        phase: Phase,
    },
    /// The call ended instead.
    #[error("the {phone} phone waited for {awaited}, but the call ended: {ending:?}")]
    Ended {
        /// Whose.
        phone: String,
        /// For what.
        awaited: &'static str,
        /// How.
        ending: Ending,
    },
    /// A re-INVITE or REFER was refused; the call goes on as before.
    #[error("the other end refused {what} with status {status}")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The status.
        status: u16,
    },
    /// The registrar said no, or nothing (408).
    #[error("the {phone} phone cannot register: status {status}")]
    NotRegistered {
        /// Whose.
        phone: String,
        /// The status.
        status: u16,
    },
    /// The phone's task is gone.
    #[error("the {0} phone has been switched off")]
    Off(String),
}

/// What a phone is like.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its user name in URIs, also used in messages to people.
    pub name: String,
    /// Address it listens on; ports are chosen by the system.
    pub ip: IpAddr,
    /// How it sounds.
    pub voice: Voice,
    /// Base of all SIP times.
    pub t1: T1,
}

/// A telephone. Dropping it switches it off; calls that go on are not ended first.
#[derive(Debug)]
pub struct Phone {
    settings: Settings,
    address: SocketAddr,
    commands: mpsc::Sender<Command>,
    rings: mpsc::Receiver<Ring>,
    task: JoinHandle<()>,
}

impl Phone {
    /// Switches a phone on, on a free port.
    pub async fn switch_on(settings: Settings) -> Result<Self, PhoneError> {
        let refused = |source| socket_error(&settings, source);
        let socket = UdpSocket::bind((settings.ip, 0)).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        let (commands, orders) = mpsc::channel(16);
        let (ringing, rings) = mpsc::channel(8);
        let endpoint = Endpoint::new(address, settings.t1, ringing);
        let task = tokio::spawn(run(socket, endpoint, orders));
        Ok(Self { settings, address, commands, rings, task })
    }

    /// Where it receives SIP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Calls `uri`; the INVITE goes to `first_hop`. Returns before anyone answers.
    pub async fn call(&self, uri: &str, first_hop: SocketAddr) -> Result<PhoneCall, PhoneError> {
        let target = rsip::Uri::try_from(uri).map_err(|source| PhoneError::Uri { uri: uri.to_owned(), source })?;
        let other = message::user(&target);
        let dialog = Dialog::outgoing(self.address, &self.settings.name, target, first_hop);
        let (status, watched) = watch::channel(Status::new(Phase::Calling));
        let call = self.call_with(dialog.call_id.clone(), other, watched).await?;
        let audio = call.audio();
        call.command(Command::Place { dialog: Box::new(dialog), status, audio }).await?;
        Ok(call)
    }

    /// Registers, so that callers of the account's user reach this phone. Waits until the registrar has said yes.
    pub async fn register(&self, account: Account, registrar: SocketAddr) -> Result<(), PhoneError> {
        let (outcome, mut watched) = watch::channel(None);
        let off = || PhoneError::Off(self.settings.name.clone());
        self.commands.send(Command::Register { account, registrar, outcome }).await.map_err(|_| off())?;
        let status = match timeout(PATIENCE, watched.wait_for(Option::is_some)).await {
            Ok(Ok(status)) => status.unwrap_or_default(),
            Ok(Err(_)) => return Err(off()),
            Err(_) => 408,
        };
        match status {
            200..300 => Ok(()),
            status => Err(PhoneError::NotRegistered { phone: self.settings.name.clone(), status }),
        }
    }

    /// Waits for a caller. The phone rings until [`PhoneCall::answer`] or [`PhoneCall::hang_up`].
    pub async fn next_call(&mut self) -> Result<PhoneCall, PhoneError> {
        let Some(Ring { call_id, caller, called, status }) = self.rings.recv().await else {
            return Err(PhoneError::Off(self.settings.name.clone()));
        };
        tracing::debug!(phone = self.settings.name, caller, called, "a phone rings");
        self.call_with(call_id, caller, status).await
    }

    async fn call_with(
        &self,
        call_id: String,
        other: String,
        status: watch::Receiver<Status>,
    ) -> Result<PhoneCall, PhoneError> {
        let media = Media::open(self.settings.ip, self.settings.voice.clone()).await;
        let media = media.map_err(|source| socket_error(&self.settings, source))?;
        let (phone, commands) = (self.settings.name.clone(), self.commands.clone());
        Ok(PhoneCall { phone, call_id, other, status, media, commands })
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn socket_error(settings: &Settings, source: std::io::Error) -> PhoneError {
    PhoneError::Socket { phone: settings.name.clone(), ip: settings.ip, source }
}

/// The phone's task: socket, clock and owner around the endpoint.
async fn run(socket: UdpSocket, mut endpoint: Endpoint, mut orders: mpsc::Receiver<Command>) {
    let mut datagram = vec![0; LARGEST];
    loop {
        for datagram in endpoint.take_outbox() {
            if let Err(error) = socket.send_to(&datagram.bytes, datagram.to).await {
                tracing::debug!(%error, to = %datagram.to, "a phone could not send; it will repeat");
            }
        }
        let wake_at = endpoint.wake_at();
        let alarm = async {
            match wake_at {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = socket.recv_from(&mut datagram) => match received {
                Ok((length, source)) => endpoint.receive(Instant::now(), &datagram[..length], source),
                Err(error) => tracing::debug!(%error, "a phone could not receive"),
            },
            order = orders.recv() => match order {
                Some(order) => endpoint.obey(Instant::now(), order),
                None => return,
            },
            () = alarm => endpoint.wake(Instant::now()),
        }
    }
}
