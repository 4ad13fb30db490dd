//! A link without a wire: two NICs in memory, for tests and benchmarks.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Capabilities, Nic};
use crate::{Batch, Frame};

/// Frames under way in one direction.
type Queue = Arc<Mutex<VecDeque<Frame>>>;

/// One end of a link in memory.
pub struct Memory {
    incoming: Queue,
    outgoing: Queue,
    depth: usize,
    capabilities: Capabilities,
}

/// Both ends of a link on which at most `depth` frames are under way each way; later ones are lost.
/// `ethernet`: whether frames have Ethernet headers. Where one batch serves both ends, frames go in
/// circles and nothing is allocated.
pub fn pair(ethernet: bool, depth: usize) -> (Memory, Memory) {
    let (one, other) = (Queue::default(), Queue::default());
    let end = |incoming: &Queue, outgoing: &Queue| Memory {
        incoming: Arc::clone(incoming),
        outgoing: Arc::clone(outgoing),
        depth,
        capabilities: Capabilities { ethernet },
    };
    (end(&one, &other), end(&other, &one))
}

impl Nic for Memory {
    /// A frame that lies where a NIC would write it comes as it is; another is copied there.
    fn receive(&mut self, batch: &mut Batch) {
        let mut incoming = lock(&self.incoming);
        while !batch.is_full() {
            let Some(sent) = incoming.pop_front() else { return };
            if sent.is_as_received() {
                batch.push(sent);
                continue;
            }
            let mut frame = batch.buffer();
            if sent.len() <= frame.blank().len() {
                frame.fill(sent.bytes());
                batch.push(frame);
            } else {
                batch.lose(frame);
            }
            batch.recycle(sent);
        }
    }

    fn send(&mut self, batch: &mut Batch) {
        let mut outgoing = lock(&self.outgoing);
        while let Some(frame) = batch.pop() {
            if outgoing.len() < self.depth {
                outgoing.push_back(frame);
            } else {
                batch.lose(frame);
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A queue is whole between any two calls, even if the other end's thread died.
fn lock(queue: &Queue) -> MutexGuard<'_, VecDeque<Frame>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HEADROOM;

    #[test]
    fn frames_arrive_in_order_at_the_other_end_with_full_headroom() {
        let (mut a, mut b) = pair(true, 2);
        let mut batch = Batch::default();
        for byte in 1..=3u8 {
            let mut frame = Frame::of(&[byte; 60]);
            assert!(frame.prepend(&[9; 14]));
            batch.push(frame);
        }
        a.send(&mut batch);
        assert_eq!((batch.take_lost(), batch.take_lost()), (1, 0));
        a.receive(&mut batch);
        assert!(batch.is_empty());
        b.receive(&mut batch);
        assert_eq!(batch.len(), 2, "the third did not fit the link");
        for byte in 1..=2u8 {
            let mut frame = batch.pop().unwrap();
            assert_eq!((frame.len(), frame.bytes()[0], frame.bytes()[14]), (74, 9, byte));
            assert_eq!(frame.room().1.start, HEADROOM);
        }
    }

    #[test]
    fn a_full_batch_leaves_the_rest_on_the_link() {
        let (mut a, mut b) = pair(false, 10);
        let mut batch = Batch::default();
        (0..5u8).for_each(|byte| batch.push(Frame::of(&[byte])));
        a.send(&mut batch);
        let mut small = Batch::new(3);
        b.receive(&mut small);
        assert_eq!(small.len(), 3);
        while small.pop().is_some() {}
        b.receive(&mut small);
        assert_eq!(small.pop().unwrap().bytes(), [3]);
    }
}
