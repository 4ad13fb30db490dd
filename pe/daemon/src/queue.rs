//! The bounded queue into the control thread: what finds it full waits for room. IKE's datagrams do not go this way.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sys::Waker;
use tokio::sync::oneshot;

/// Everything that can happen to the control thread from outside the dataplane and IKE's sockets.
pub(crate) enum Arrival {
    /// Devices and neighbours, as the kernel reports them.
    Kernel(pe::Input),
    Answer(ike::AskId, Box<ike::Answer>),
    Request(api::Request, oneshot::Sender<api::Response>),
    /// SIGHUP.
    Reload,
    /// End; with a reason if something failed.
    Stop(Option<String>),
}

const LENGTH: usize = 2048;

pub(crate) struct Queue(Arc<Shared>);

pub(crate) struct Arrivals(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Ends the control thread's wait.
    waker: Arc<Waker>,
    taken: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arrival>,
    /// Who can send.
    senders: usize,
    /// The control thread is to be woken for the next arrival.
    idle: bool,
    /// The control thread is gone.
    closed: bool,
}

pub(crate) enum Next {
    Arrived(Arrival),
    Nothing,
    /// Nobody can send any more.
    Closed,
}

/// Whoever takes from it is woken by `waker`.
pub(crate) fn queue(waker: Arc<Waker>) -> (Queue, Arrivals) {
    let state = Mutex::new(State { senders: 1, ..State::default() });
    let shared = Arc::new(Shared { state, waker, taken: Condvar::new() });
    (Queue(Arc::clone(&shared)), Arrivals(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lost if the control thread is gone.
    fn put(&self, mut state: MutexGuard<'_, State>, arrival: Arrival) {
        if state.closed {
            return;
        }
        state.waiting.push_back(arrival);
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.waker.wake();
        }
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.waiting.len() >= LENGTH && !self.closed
    }
}

impl Queue {
    /// Puts `arrival` in, waiting for room without holding the runtime.
    pub(crate) async fn send(&self, arrival: Arrival) {
        while self.0.lock().is_full() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.0.put(self.0.lock(), arrival);
    }

    /// The same, for a thread that may block.
    pub(crate) fn send_blocking(&self, arrival: Arrival) {
        let state = self.0.taken.wait_while(self.0.lock(), |state| state.is_full());
        self.0.put(state.unwrap_or_else(PoisonError::into_inner), arrival);
    }
}

impl Clone for Queue {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.0.lock().senders -= 1;
        self.0.waker.wake();
    }
}

impl Arrivals {
    /// Whether nothing has arrived; then the next arrival wakes.
    pub(crate) fn rest(&self) -> bool {
        let mut state = self.0.lock();
        state.idle = state.waiting.is_empty() && state.senders > 0;
        state.idle
    }

    /// Never waits.
    pub(crate) fn next(&self) -> Next {
        let mut state = self.0.lock();
        state.idle = false;
        let Some(arrival) = state.waiting.pop_front() else {
            return if state.senders == 0 { Next::Closed } else { Next::Nothing };
        };
        if state.waiting.len() + 1 == LENGTH {
            self.0.taken.notify_all();
        }
        Next::Arrived(arrival)
    }
}

impl Drop for Arrivals {
    /// What waits for room waits in vain.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        state.waiting.clear();
        drop(state);
        self.0.taken.notify_all();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::fd::AsFd as _;
    use std::thread;

    use sys::poll::{Watched, wait};

    use super::*;

    pub(crate) fn queue() -> (Queue, Arrivals) {
        super::queue(Arc::new(Waker::new().unwrap()))
    }

    impl Arrivals {
        /// Waits as the control thread does; `None` when nobody can send any more.
        pub(crate) fn wait(&self) -> Option<Arrival> {
            loop {
                if self.rest() {
                    let patience = Some(Duration::from_secs(60));
                    assert_eq!(wait(&mut [Watched::readable(self.0.waker.as_fd())], patience).unwrap(), 1);
                    self.0.waker.drain();
                }
                match self.next() {
                    Next::Arrived(arrival) => return Some(arrival),
                    Next::Nothing => {}
                    Next::Closed => return None,
                }
            }
        }
    }

    fn answer(number: usize) -> Arrival {
        Arrival::Answer(ike::AskId(number as u64), Box::new(ike::Answer::Spi(None)))
    }

    #[test]
    fn who_finds_the_queue_full_waits_and_nothing_is_lost_or_overtaken() {
        let (queue, arrivals) = queue();
        let sender = thread::spawn(move || (0..LENGTH * 3).for_each(|n| queue.send_blocking(answer(n))));
        for number in 0..LENGTH * 3 {
            let Some(Arrival::Answer(id, _)) = arrivals.wait() else { panic!("lost {number}") };
            assert_eq!(id.0, number as u64);
        }
        sender.join().unwrap();
        assert!(arrivals.wait().is_none(), "the last sender is gone");
    }

    #[test]
    fn an_arrival_wakes_who_rests_and_nobody_else() {
        let (queue, arrivals) = queue();
        queue.send_blocking(answer(0));
        assert!(!arrivals.0.waker.drain() && !arrivals.rest());
        assert!(matches!(arrivals.next(), Next::Arrived(_)) && arrivals.rest());
        queue.send_blocking(answer(1));
        queue.send_blocking(answer(2));
        assert!(arrivals.0.waker.drain());
        assert!((0..2).all(|_| matches!(arrivals.next(), Next::Arrived(_))));
        assert!(matches!(arrivals.next(), Next::Nothing));
    }
}
