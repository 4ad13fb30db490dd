//! The bounded queue into the control thread. Under overload the newest IKE datagrams are dropped and
//! counted; everything else waits for room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

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

#[derive(Clone)]
pub(crate) struct Queue {
    sender: SyncSender<Arrival>,
    datagrams: Arc<AtomicUsize>,
}

pub(crate) struct Arrivals {
    receiver: Receiver<Arrival>,
    datagrams: Arc<AtomicUsize>,
}

pub(crate) enum Next {
    Arrived(Arrival),
    TimedOut,
    /// Nobody can send any more.
    Closed,
}

pub(crate) fn queue() -> (Queue, Arrivals) {
    let (sender, receiver) = sync_channel(LENGTH);
    let datagrams = Arc::new(AtomicUsize::new(0));
    (Queue { sender, datagrams: Arc::clone(&datagrams) }, Arrivals { receiver, datagrams })
}

impl Queue {
    /// Puts an IKE datagram in if there is room; `false`: it was dropped.
    pub(crate) fn offer(&self, datagram: ike::Datagram) -> bool {
        if self.datagrams.fetch_add(1, Ordering::Relaxed) < DATAGRAMS
            && self.sender.try_send(Arrival::Ike(datagram)).is_ok()
        {
            return true;
        }
        self.datagrams.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Puts `arrival` in, waiting for room without holding the runtime. Lost if the control thread is gone.
    pub(crate) async fn send(&self, arrival: Arrival) {
        let mut arrival = arrival;
        while let Err(TrySendError::Full(back)) = self.sender.try_send(arrival) {
            arrival = back;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// The same, for a thread that may block.
    pub(crate) fn send_blocking(&self, arrival: Arrival) {
        // The control thread is gone only at the end, when nobody wants the arrival.
        let _ = self.sender.send(arrival);
    }
}

impl Arrivals {
    pub(crate) fn next(&self, timeout: Duration) -> Next {
        match self.receiver.recv_timeout(timeout) {
            Ok(arrival) => {
                if matches!(arrival, Arrival::Ike(_)) {
                    self.datagrams.fetch_sub(1, Ordering::Relaxed);
                }
                Next::Arrived(arrival)
            }
            Err(RecvTimeoutError::Timeout) => Next::TimedOut,
            Err(RecvTimeoutError::Disconnected) => Next::Closed,
        }
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
