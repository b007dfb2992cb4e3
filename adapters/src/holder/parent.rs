//! The parent's side.

use super::wire::{Told, receive, send};
use super::{ServiceManager, Sockets};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the parent holds, and who holds it for the next parent.
#[derive(Debug, Default)]
pub struct Shelf {
    held: Sockets,
    manager: ServiceManager,
}

impl Shelf {
    /// With what the service manager held.
    pub fn from_environment() -> Self {
        let (manager, held) = ServiceManager::from_environment();
        Self { held, manager }
    }

    fn put(&mut self, name: String, sockets: Vec<OwnedFd>) {
        self.manager.keep(&name, &borrowed(&sockets));
        self.held.insert(name, sockets);
    }
}

fn borrowed(sockets: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    sockets.iter().map(AsFd::as_fd).collect()
}

/// Hands a new worker all that is held, and then keeps what it brings until it is gone. `serves` becomes true when it
/// serves.
///
/// # Errors
/// The way to the worker is broken. What is held is held on.
pub fn lend_and_collect(worker: &OwnedFd, shelf: &Mutex<Shelf>, serves: &AtomicBool) -> io::Result<()> {
    match talk(worker, shelf, serves) {
        // It has ended before it read what was lent to it, and has said why.
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => Ok(()),
        ended => ended,
    }
}

fn talk(worker: &OwnedFd, shelf: &Mutex<Shelf>, serves: &AtomicBool) -> io::Result<()> {
    let shelf = || shelf.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, sockets) in &shelf().held {
        send(worker.as_fd(), Some(name), &borrowed(sockets))?;
    }
    send(worker.as_fd(), None, &[])?;
    while let Some(told) = receive(worker.as_fd())? {
        match told {
            Told::Socket(name, sockets) => shelf().put(name, sockets),
            Told::Done => {
                serves.store(true, Ordering::Release);
                shelf().manager.serves();
            }
        }
    }
    Ok(())
}
