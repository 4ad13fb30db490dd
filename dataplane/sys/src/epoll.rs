//! Waiting until some of many descriptors are readable: epoll(7). What a wait costs does not grow with their number.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Descriptors under numbers of the caller's choice. Shared by reference: one thread may wait while others add and remove.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// Told by one wait at most.
const BATCH: usize = 32;

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = crate::check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the call succeeded: the descriptor is open, and nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// From now on waits tell of `number` as long as `fd` is readable, until it is removed.
    pub fn add(&self, fd: impl AsFd, number: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, number)
    }

    /// To be called before `fd` is closed: a copy of it in another process would be told of on and on.
    pub fn remove(&self, fd: impl AsFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0)
    }

    /// Waits until something is readable or `timeout` passed, rounded up to milliseconds; the numbers of what is. A signal
    /// ends the wait early, with none.
    pub fn wait(&self, timeout: Duration) -> io::Result<impl Iterator<Item = u64> + use<>> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; BATCH];
        let millis = crate::poll::millis(Some(timeout));
        let (fd, pointer) = (self.0.as_raw_fd(), events.as_mut_ptr());
        // SAFETY: pointer and count are of one live array.
        let result = crate::check(unsafe { libc::epoll_wait(fd, pointer, BATCH as libc::c_int, millis) });
        let count = match result {
            Ok(count) => usize::try_from(count).unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        Ok(events.into_iter().take(count).map(|event| event.u64))
    }

    fn control(&self, operation: libc::c_int, fd: impl AsFd, number: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number };
        let (fd, pointer) = (fd.as_fd().as_raw_fd(), &raw mut event);
        // SAFETY: the pointer is of one live event, which is only read.
        crate::check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, pointer) }).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Waker;

    #[test]
    fn what_is_readable_is_told_until_it_is_read_or_removed() {
        let (epoll, one, other) = (Epoll::new().unwrap(), Waker::new().unwrap(), Waker::new().unwrap());
        epoll.add(&one, 1).unwrap();
        epoll.add(&other, u64::MAX).unwrap();
        let told = || epoll.wait(Duration::ZERO).unwrap().collect::<Vec<_>>();
        assert!(told().is_empty());
        other.wake();
        assert_eq!((told(), told()), (vec![u64::MAX], vec![u64::MAX]));
        one.wake();
        other.drain();
        assert_eq!(told(), [1]);
        epoll.remove(&one).unwrap();
        assert!(told().is_empty());
    }

    #[test]
    fn a_wait_ends_when_another_thread_wakes_it() {
        let (epoll, waker) = (Epoll::new().unwrap(), Waker::new().unwrap());
        epoll.add(&waker, 7).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| waker.wake());
            assert_eq!(epoll.wait(Duration::from_secs(60)).unwrap().collect::<Vec<_>>(), [7]);
        });
    }
}
