//! The bounded queue into the control thread. Under overload the newest IKE datagrams are dropped and
//! counted; everything else waits for room.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// Everything that can happen to the control thread from outside the dataplane.
pub(crate) enum Arrival {
    Ike(ike::Datagram),
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
/// Fewer than the queue holds, so that a flood of IKE leaves room for the operator and the kernel.
const DATAGRAMS: usize = 1024;

pub(crate) struct Queue(Arc<Shared>);

pub(crate) struct Arrivals(Arc<Shared>);

/// Channels spin and yield before they wait: that costs the control thread more than a datagram does.
struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
    taken: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arrival>,
    /// How many of them are IKE datagrams.
    datagrams: usize,
    /// Who can send.
    senders: usize,
    /// The control thread waits for something to arrive.
    idle: bool,
    /// The control thread is gone.
    closed: bool,
}

pub(crate) enum Next {
    Arrived(Arrival),
    TimedOut,
    /// Nobody can send any more.
    Closed,
}

pub(crate) fn queue() -> (Queue, Arrivals) {
    let state = Mutex::new(State { senders: 1, ..State::default() });
    let shared = Arc::new(Shared { state, arrived: Condvar::new(), taken: Condvar::new() });
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
        state.datagrams += usize::from(matches!(arrival, Arrival::Ike(_)));
        state.waiting.push_back(arrival);
        if std::mem::take(&mut state.idle) {
            drop(state);
            self.arrived.notify_one();
        }
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.waiting.len() >= LENGTH && !self.closed
    }
}

impl Queue {
    /// Puts an IKE datagram in if there is room; `false`: it was dropped.
    pub(crate) fn offer(&self, datagram: ike::Datagram) -> bool {
        let state = self.0.lock();
        let has_room = state.datagrams < DATAGRAMS && !state.is_full();
        if has_room {
            self.0.put(state, Arrival::Ike(datagram));
        }
        has_room
    }

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
        self.0.arrived.notify_one();
    }
}

impl Arrivals {
    pub(crate) fn next(&self, timeout: Duration) -> Next {
        let due = Instant::now() + timeout;
        let mut state = self.0.lock();
        loop {
            if let Some(arrival) = state.waiting.pop_front() {
                state.datagrams -= usize::from(matches!(arrival, Arrival::Ike(_)));
                if state.waiting.len() + 1 == LENGTH {
                    self.0.taken.notify_all();
                }
                return Next::Arrived(arrival);
            }
            let left = due.saturating_duration_since(Instant::now());
            match (state.senders, left) {
                (0, _) => return Next::Closed,
                (_, Duration::ZERO) => return Next::TimedOut,
                _ => {}
            }
            state.idle = true;
            state = self.0.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.idle = false;
        }
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
mod tests {
    use super::*;

    fn datagram(number: usize) -> ike::Datagram {
        let path = ike::Path {
            front: base::VrfId::GLOBAL,
            local: "192.0.2.1:500".parse().unwrap(),
            remote: "192.0.2.2:500".parse().unwrap(),
            marker: false,
        };
        ike::Datagram { path, bytes: number.to_be_bytes().to_vec() }
    }

    #[test]
    fn a_flood_drops_the_newest_datagrams_and_leaves_room_for_the_operator() {
        let (queue, arrivals) = queue();
        let kept = (0..DATAGRAMS * 3).filter(|number| queue.offer(datagram(*number))).count();
        assert_eq!(kept, DATAGRAMS);
        queue.send_blocking(Arrival::Reload);
        for number in 0..DATAGRAMS {
            let Next::Arrived(Arrival::Ike(first)) = arrivals.next(Duration::ZERO) else {
                panic!("lost {number}")
            };
            assert_eq!(first.bytes, number.to_be_bytes());
        }
        assert!(matches!(arrivals.next(Duration::ZERO), Next::Arrived(Arrival::Reload)));
        assert!(queue.offer(datagram(0)), "room again once they are taken");
    }
}
