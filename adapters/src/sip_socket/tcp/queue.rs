//! What waits to be written to a connection.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    waiting: VecDeque<Bytes>,
    length: usize,
}

impl SendQueue {
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        self.waiting.push_back(bytes);
    }

    /// Bytes that wait.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Writes what the connection takes. `Ok` with bytes still waiting means that it takes no more now.
    pub(super) fn flush(&mut self, to: &mut impl Write) -> io::Result<()> {
        while let Some(front) = self.waiting.front_mut() {
            if front.is_empty() {
                self.waiting.pop_front();
                continue;
            }
            match to.write(front) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    front.advance(written);
                    self.length -= written;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then no more.
    struct Narrow(Vec<u8>, usize);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.1).min(3);
            if taken == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.1 -= taken;
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_written_in_parts_arrives_whole_and_in_order() {
        let (mut queue, mut peer) = (SendQueue::default(), Narrow(Vec::new(), 0));
        for text in ["INVITE", "", "BYE"] {
            queue.push(Bytes::from(text));
        }
        for room in [0, 4, 1, 9] {
            peer.1 = room;
            queue.flush(&mut peer).unwrap();
            assert_eq!(queue.length(), 9 - peer.0.len());
        }
        assert_eq!((peer.0.as_slice(), queue.is_empty()), (&b"INVITEBYE"[..], true));
    }
}
