//! Waiting until one of several descriptors is readable: poll(2).

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// One descriptor to wait for, and whether it was ready when the wait ended.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Watched<'fd> {
    raw: libc::pollfd,
    fd: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> Watched<'fd> {
    pub fn readable(fd: BorrowedFd<'fd>) -> Self {
        let raw = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        Self { raw, fd: PhantomData }
    }

    /// Whether reading would tell something: data, the end, or an error.
    pub const fn is_ready(&self) -> bool {
        self.raw.revents != 0
    }
}

/// Waits until one of `watched` is ready or `timeout` passed (`None`: for ever); says how many are. A
/// signal ends the wait early, with none ready. Timeouts are rounded up to milliseconds.
pub fn wait(watched: &mut [Watched<'_>], timeout: Option<Duration>) -> io::Result<usize> {
    let count = libc::nfds_t::try_from(watched.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `Watched` has the layout of a pollfd (repr(transparent), the marker has no size), and
    // pointer and count are of one live slice.
    let result = unsafe { libc::poll(watched.as_mut_ptr().cast(), count, millis(timeout)) };
    match crate::check(result) {
        Ok(ready) => Ok(usize::try_from(ready).unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            watched.iter_mut().for_each(|one| one.raw.revents = 0);
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn millis(timeout: Option<Duration>) -> libc::c_int {
    timeout.map_or(-1, |timeout| {
        libc::c_int::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Waker;
    use std::os::fd::AsFd;

    #[test]
    fn only_the_woken_descriptor_is_ready() {
        let (a, b) = (Waker::new().unwrap(), Waker::new().unwrap());
        let mut watched = [Watched::readable(a.as_fd()), Watched::readable(b.as_fd())];
        assert_eq!(wait(&mut watched, Some(Duration::ZERO)).unwrap(), 0);
        b.wake();
        assert_eq!(wait(&mut watched, None).unwrap(), 1);
        assert_eq!(watched.map(|one| one.is_ready()), [false, true]);
    }

    #[test]
    fn a_timeout_never_ends_early() {
        assert_eq!(millis(Some(Duration::from_micros(1))), 1);
        assert_eq!(millis(Some(Duration::MAX)), libc::c_int::MAX);
        let start = crate::clock::monotonic_nanos();
        wait(&mut [], Some(Duration::from_millis(3))).unwrap();
        assert!(crate::clock::monotonic_nanos() - start >= 3_000_000);
    }
}
