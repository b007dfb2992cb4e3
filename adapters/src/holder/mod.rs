//! Sockets outlive the process that works with them: its parent holds a copy of each and hands them to the next one. What
//! comes meanwhile waits in the kernel, and nobody is told that the port is closed.
//!
//! The two talk by a pair of Unix sockets (`SOCK_SEQPACKET`), the worker's end being its standard input. A message is a
//! letter and a name, with sockets beside it (`SCM_RIGHTS`).
//!
//! Where a service manager has a store for descriptors, that holds them too ([`ServiceManager`]): for the parent, or for a
//! process that has none.

mod parent;
mod service_manager;
mod wire;

pub use parent::{Shelf, lend_and_collect};
pub use service_manager::ServiceManager;
pub use wire::pair;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use wire::Told;

/// Set for a process whose standard input is the way to a parent that holds its sockets.
pub const HELD_BY_PARENT: &str = "SOCKETS_HELD_BY_PARENT";

/// Sockets by name.
pub type Sockets = HashMap<String, Vec<OwnedFd>>;

/// Who holds a process's sockets.
#[derive(Debug)]
enum By {
    /// Its parent: the way to it.
    Parent(OwnedFd),
    /// The service manager, where there is one.
    Manager(ServiceManager),
}

/// The worker's side.
#[derive(Debug)]
pub struct Holder {
    by: By,
    held: Mutex<Sockets>,
}

impl Default for Holder {
    /// Nobody holds anything.
    fn default() -> Self {
        Self { by: By::Manager(ServiceManager::default()), held: Mutex::default() }
    }
}

impl Holder {
    /// The parent, and all that it holds; where there is none, the service manager.
    ///
    /// # Errors
    /// The way to the parent is broken.
    pub fn from_environment() -> io::Result<Self> {
        if std::env::var_os(HELD_BY_PARENT).is_none() {
            let (manager, held) = ServiceManager::from_environment();
            return Ok(Self { by: By::Manager(manager), held: Mutex::new(held) });
        }
        let parent = io::stdin().as_fd().try_clone_to_owned()?;
        let mut held = HashMap::new();
        loop {
            match wire::receive(parent.as_fd())? {
                Some(Told::Socket(name, sockets)) => drop(held.insert(name, sockets)),
                Some(Told::Done) => break,
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(Self { by: By::Parent(parent), held: Mutex::new(held) })
    }

    /// The sockets of this name that the process before had, once.
    pub fn take(&self, name: &str) -> Option<Vec<OwnedFd>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Sockets of this name are to outlive this process, at most [`wire::MOST`]. One that cannot be held is bound anew after
    /// a death.
    pub fn keep(&self, name: &str, sockets: &[BorrowedFd<'_>]) {
        match &self.by {
            By::Parent(parent) => {
                if let Err(error) = wire::send(parent.as_fd(), Some(name), sockets) {
                    tracing::warn!(%error, name, "a socket would not outlive this process");
                }
            }
            By::Manager(manager) => manager.keep(name, sockets),
        }
    }

    /// This process serves: should it end, another is to begin.
    pub fn serves(&self) {
        match &self.by {
            By::Parent(parent) => {
                if let Err(error) = wire::send(parent.as_fd(), None, &[]) {
                    tracing::warn!(%error, "the parent does not hear us");
                }
            }
            By::Manager(manager) => manager.serves(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A worker of a parent with this shelf, and whether it has said that it serves once it is gone.
    fn worker(shelf: &Arc<Mutex<Shelf>>, work: impl FnOnce(&Holder)) -> bool {
        let (ours, theirs) = pair().unwrap();
        let (serves, shelf) = (Arc::new(AtomicBool::new(false)), Arc::clone(shelf));
        let told = Arc::clone(&serves);
        let parent = std::thread::spawn(move || lend_and_collect(&ours, &shelf, &told).unwrap());
        let mut held = HashMap::new();
        while let Some(Told::Socket(name, sockets)) = wire::receive(theirs.as_fd()).unwrap() {
            held.insert(name, sockets);
        }
        work(&Holder { by: By::Parent(theirs), held: Mutex::new(held) });
        parent.join().unwrap();
        serves.load(Ordering::Relaxed)
    }

    #[test]
    fn a_worker_that_ends_before_it_reads_anything_is_no_fault_of_the_way_to_it() {
        let (ours, theirs) = pair().unwrap();
        let (shelf, serves) = (Mutex::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let parent = scope.spawn(|| lend_and_collect(&ours, &shelf, &serves));
            // Until something is there that it will not have read.
            let mut ready = [nix::poll::PollFd::new(theirs.as_fd(), nix::poll::PollFlags::POLLIN)];
            nix::poll::poll(&mut ready, nix::poll::PollTimeout::NONE).unwrap();
            drop(theirs);
            parent.join().unwrap().unwrap();
        });
        assert!(!serves.load(Ordering::Relaxed));
    }

    #[test]
    fn what_arrives_between_two_workers_is_there_for_the_second() {
        let shelf = Arc::default();
        let mut address = None;
        let served = worker(&shelf, |holder| {
            assert!(holder.take("udp").is_none());
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            address = Some(socket.local_addr().unwrap());
            holder.keep("udp", &[socket.as_fd()]);
            holder.serves();
        });
        assert!(served);
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"INVITE", address.unwrap()).unwrap();
        let served = worker(&shelf, |holder| {
            let socket = UdpSocket::from(holder.take("udp").unwrap().remove(0));
            let mut buffer = [0; 16];
            assert_eq!(socket.recv_from(&mut buffer).unwrap().0, 6);
            assert!(holder.take("udp").is_none(), "it is handed out once");
        });
        assert!(!served);
    }

    #[test]
    fn without_a_parent_nothing_is_held() {
        let holder = Holder::default();
        holder.keep("udp", &[UdpSocket::bind("127.0.0.1:0").unwrap().as_fd()]);
        holder.serves();
        assert!(holder.take("udp").is_none());
    }
}
