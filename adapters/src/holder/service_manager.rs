//! The descriptor store of a service manager (systemd: `sd_notify(3)`, `sd_listen_fds(3)`, `FileDescriptorStoreMax=`). It holds a
//! copy of each socket as the parent does, and outlives that too.
//!
//! What it holds is there again, by name, for the next process of the service. A name of ours may hold several sockets and may
//! have colons, which the manager's may not: [`stored`] and [`named`] go between the two.

use super::Sockets;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Names of what a new process of a service is given, as the manager knows them.
const NAMES: &str = "LISTEN_FDNAMES";
/// Where the manager listens.
const NOTIFY: &str = "NOTIFY_SOCKET";
/// A socket is not given up because an error is pending at it: a peer's closed port makes one at any UDP socket.
const KEPT_IN_ERROR: NotifyState<'static> = NotifyState::Custom("FDPOLL=0");

/// The manager of this service, where there is one.
#[derive(Debug, Default)]
pub struct ServiceManager {
    listens: bool,
}

impl ServiceManager {
    /// The manager that started this process, and the sockets that it held for it.
    pub fn from_environment() -> (Self, Sockets) {
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut given = ListenFd::from_env();
        let mut held = BTreeMap::new();
        for (index, name) in names.split(':').take(given.len()).enumerate() {
            if let (Some(name), Some(socket)) = (named(name), socket(&mut given, index)) {
                held.insert(name, socket);
            }
        }
        (Self { listens: std::env::var_os(NOTIFY).is_some() }, together(held))
    }

    /// Holds sockets by this name, in place of those that it held by it.
    pub fn keep(&self, name: &str, sockets: &[BorrowedFd<'_>]) {
        if !self.listens {
            return;
        }
        for (index, socket) in sockets.iter().enumerate() {
            let stored = stored(name, index);
            let forget = sd_notify::notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(&stored)]);
            let keep = [NotifyState::FdStore, NotifyState::FdName(&stored), KEPT_IN_ERROR];
            if let Err(error) = forget.and_then(|()| sd_notify::notify_with_fds(&keep, &[*socket])) {
                tracing::warn!(%error, name, "the service manager does not hold a socket");
            }
        }
    }

    /// The service serves.
    pub fn serves(&self) {
        if self.listens
            && let Err(error) = sd_notify::notify(&[NotifyState::Ready])
        {
            tracing::warn!(%error, "the service manager does not hear that the exchange serves");
        }
    }
}

/// What was given at this place, where it is a socket of a kind that we have.
fn socket(given: &mut ListenFd, index: usize) -> Option<OwnedFd> {
    let ours: io::Result<Option<OwnedFd>> = given
        .take_udp_socket(index)
        .map(|socket| socket.map(OwnedFd::from))
        .or_else(|_| given.take_tcp_listener(index).map(|socket| socket.map(OwnedFd::from)));
    ours.ok().flatten()
}

/// The name by which the manager holds the socket at this place among those of a name.
fn stored(name: &str, index: usize) -> String {
    format!("{}#{index}", name.replace(':', ";"))
}

/// The name, and the place among its sockets, of what the manager holds by this name.
fn named(stored: &str) -> Option<(String, usize)> {
    let (name, index) = stored.rsplit_once('#')?;
    Some((name.replace(';', ":"), index.parse().ok()?))
}

/// Sockets of one name, in their order.
fn together(held: BTreeMap<(String, usize), OwnedFd>) -> Sockets {
    let mut sockets = Sockets::new();
    for ((name, _), socket) in held {
        sockets.entry(name).or_default().push(socket);
    }
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_name_reads_back_from_the_one_that_the_manager_takes() {
        let name = "sip 0 Udp [::1]:5060";
        let stored = stored(name, 1);
        assert_eq!(stored, "sip 0 Udp [;;1];5060#1");
        assert_eq!(named(&stored), Some((name.to_owned(), 1)));
        for not_ours in ["", "stored", "connection", "http#", "http#x"] {
            assert_eq!(named(not_ours), None, "{not_ours}");
        }
    }

    #[test]
    fn sockets_of_one_name_come_back_in_their_order() {
        let bound = || UdpSocket::bind("127.0.0.1:0").unwrap();
        let (rtp, rtcp) = (bound(), bound());
        let ports = [&rtp, &rtcp].map(|socket| socket.local_addr().unwrap().port());
        let held = [(("rtp 10000".to_owned(), 1), rtcp.into()), (("rtp 10000".to_owned(), 0), rtp.into())];
        let sockets = together(BTreeMap::from(held)).remove("rtp 10000").unwrap();
        let again: Vec<u16> =
            sockets.into_iter().map(|socket| UdpSocket::from(socket).local_addr().unwrap().port()).collect();
        assert_eq!(again, ports);
    }
}
