//! What worker and parent say to each other.

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The most sockets of one name.
pub const MOST: usize = 2;

const SOCKET: u8 = b's';
const DONE: u8 = b'd';

/// The longest name, bytes.
const LONGEST: usize = 200;

/// A message.
pub(super) enum Told {
    /// Sockets of a name.
    Socket(String, Vec<OwnedFd>),
    /// From the parent: that is all. From the worker: it serves.
    Done,
}

/// Two ends: the parent's, which is closed in every child, and the one for the child's standard input.
///
/// # Errors
/// The system refuses.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Says a name with its sockets, or that it is done.
pub(super) fn send(to: BorrowedFd<'_>, name: Option<&str>, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut text = vec![if name.is_some() { SOCKET } else { DONE }];
    text.extend_from_slice(name.unwrap_or_default().as_bytes());
    if text.len() > LONGEST || sockets.len() > MOST {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    rustix::io::retry_on_intr(|| sendmsg(to, &[IoSlice::new(&text)], &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// The next message; `None` when the other end is gone.
pub(super) fn receive(from: BorrowedFd<'_>) -> io::Result<Option<Told>> {
    let mut text = [0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut into = [IoSliceMut::new(&mut text)];
    let received = rustix::io::retry_on_intr(|| recvmsg(from, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC))?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            sockets.extend(rights);
        }
    }
    match text.get(..received.bytes).and_then(<[u8]>::split_first) {
        None => Ok(None),
        Some((&SOCKET, name)) => {
            let name = std::str::from_utf8(name).map_err(|_| io::ErrorKind::InvalidData)?;
            Ok(Some(Told::Socket(name.to_owned(), sockets)))
        }
        Some((&DONE, _)) => Ok(Some(Told::Done)),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}
