//! The parent's side.

use super::wire::{Told, receive, send};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Sockets by name.
#[derive(Debug, Default)]
pub struct Shelf(HashMap<String, Vec<OwnedFd>>);

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
    let held = || shelf.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, sockets) in &held().0 {
        let sockets: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
        send(worker.as_fd(), Some(name), &sockets)?;
    }
    send(worker.as_fd(), None, &[])?;
    while let Some(told) = receive(worker.as_fd())? {
        match told {
            Told::Socket(name, sockets) => drop(held().0.insert(name, sockets)),
            Told::Done => serves.store(true, Ordering::Release),
        }
    }
    Ok(())
}
