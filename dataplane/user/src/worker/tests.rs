//! Which NICs a round asks for packets.

use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::Batch;
use crate::nic::Capabilities;

/// Each octet on its wire is a frame.
struct Probe {
    wire: UnixStream,
    has_descriptor: bool,
    asked: Arc<AtomicUsize>,
}

impl Nic for Probe {
    fn receive(&mut self, batch: &mut Batch) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut octet = [0];
        while !batch.is_full() && matches!(self.wire.read(&mut octet), Ok(1)) {
            batch.push(Frame::of(&[0; 60]));
        }
    }

    fn send(&mut self, batch: &mut Batch) {
        while let Some(frame) = batch.pop() {
            batch.recycle(frame);
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ethernet: true }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.has_descriptor.then(|| self.wire.as_fd())
    }
}

struct Bed {
    worker: Worker,
    /// The far ends, by port.
    wires: Vec<UnixStream>,
    asked: Vec<Arc<AtomicUsize>>,
}

impl Bed {
    fn new(has_descriptor: &[bool]) -> Self {
        let (events, _) = crossbeam_channel::bounded(1);
        let worker = Worker::new(events, Some(Epoll::new().unwrap()));
        let mut bed = Self { worker, wires: Vec::new(), asked: Vec::new() };
        for (port, has_descriptor) in (0..).map(PortId).zip(has_descriptor.iter().copied()) {
            let (wire, far) = UnixStream::pair().unwrap();
            wire.set_nonblocking(true).unwrap();
            let asked = Arc::new(AtomicUsize::new(0));
            let nic = Probe { wire, has_descriptor, asked: Arc::clone(&asked) };
            bed.worker.obey(Command::Open(port, Some(Box::new(nic))));
            bed.wires.push(far);
            bed.asked.push(asked);
        }
        bed
    }

    /// So many frames wait at a port.
    fn put(&mut self, port: usize, count: usize) {
        self.wires[port].write_all(&vec![0; count]).unwrap();
    }

    /// How many packets came in.
    fn round(&mut self) -> usize {
        self.worker.run(Instant::START)
    }

    fn asked(&self) -> Vec<usize> {
        self.asked.iter().map(|asked| asked.load(Ordering::Relaxed)).collect()
    }
}

#[test]
fn a_nic_where_nothing_waits_is_left_alone_but_for_one_round_in_sixteen() {
    let mut bed = Bed::new(&[true; 3]);
    bed.round();
    assert_eq!(bed.asked(), [1, 1, 1], "nobody knows of a new one");
    for _ in 0..15 {
        bed.round();
    }
    assert_eq!(bed.asked(), [1, 1, 1]);
    bed.round();
    assert_eq!(bed.asked(), [2, 2, 2]);
    bed.put(1, 1);
    assert_eq!(bed.worker.wait().unwrap(), [0; 0]);
    assert!(bed.worker.is_ready());
    assert_eq!((bed.round(), bed.asked()), (1, vec![2, 3, 2]));
    assert_eq!((bed.round(), bed.asked()), (0, vec![2, 4, 2]), "more might have waited");
    assert!(!bed.worker.is_ready());
    assert_eq!((bed.round(), bed.asked()), (0, vec![2, 4, 2]));
}

#[test]
fn a_nic_that_always_has_packets_starves_no_other() {
    let mut bed = Bed::new(&[true; 2]);
    bed.put(0, Batch::LIMIT);
    assert_eq!((bed.round(), bed.asked()), (Batch::LIMIT, vec![1, 1]));
    bed.put(1, 1);
    // Under load nobody sleeps, so nobody is told.
    let rounds = (0..16).map(|_| {
        bed.put(0, Batch::LIMIT);
        bed.round()
    });
    let rounds: Vec<_> = rounds.collect();
    assert_eq!(bed.asked(), [17, 2]);
    assert_eq!((rounds[14], rounds[15]), (Batch::LIMIT, Batch::LIMIT + 1));
}

#[test]
fn a_nic_without_a_descriptor_is_asked_in_every_round() {
    let mut bed = Bed::new(&[true, false]);
    for _ in 0..5 {
        bed.round();
    }
    assert_eq!(bed.asked(), [1, 5]);
    bed.put(1, 3);
    assert_eq!(bed.round(), 3);
}

#[test]
fn more_nics_than_one_wait_tells_of_are_all_heard() {
    let mut bed = Bed::new(&[true; 100]);
    bed.round();
    for port in 0..100 {
        bed.put(port, 1);
    }
    let mut packets = 0;
    for _ in 0..8 {
        bed.worker.wait().unwrap();
        packets += bed.round();
    }
    assert_eq!(packets, 100);
}

#[test]
fn a_nic_that_was_closed_is_heard_no_more() {
    let mut bed = Bed::new(&[true; 2]);
    bed.round();
    bed.put(0, 1);
    bed.worker.obey(Command::Close(PortId(0)));
    assert_eq!(bed.worker.wait().unwrap(), [0; 0]);
    assert!(!bed.worker.is_ready());
    assert_eq!((bed.round(), bed.asked()), (0, vec![1, 1]));
}
