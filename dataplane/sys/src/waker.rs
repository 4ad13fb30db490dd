//! Waking a thread that waits in [`poll`](crate::poll): an eventfd.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// Readable from [`wake`](Self::wake) until [`drain`](Self::drain). Shared by reference or `Arc`.
#[derive(Debug)]
pub struct Waker(File);

impl Waker {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = crate::check(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
        // SAFETY: the call succeeded: the descriptor is open, and nobody else owns it.
        Ok(Self(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Makes it readable, from any thread, never blocking.
    pub fn wake(&self) {
        // The counter can only be full when it is readable already.
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    /// Takes all wake-ups so far; `false` if there were none. Drain first, then look for the work.
    pub fn drain(&self) -> bool {
        (&self.0).read(&mut [0; 8]).is_ok()
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_wakes_are_drained_at_once() {
        let waker = Waker::new().unwrap();
        assert!(!waker.drain());
        waker.wake();
        waker.wake();
        assert!(waker.drain());
        assert!(!waker.drain());
    }
}
