//! Where frames come in and go out: one trait, and one file for each kind of port.

mod memory;
pub use memory::{Memory, pair};

mod offload;

mod packet;
pub use packet::Packet;

mod tap;
pub use tap::Tap;

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use dataplane::{Link, Port};

use crate::Batch;

/// The NIC of a port on this machine: a packet socket on a wire's device, a TUN device to the kernel, and for a VLAN a
/// TAP device, by which the kernel has its part of the VLAN as if that were a wire.
pub fn open(port: &Port) -> io::Result<Box<dyn Nic>> {
    match port.link {
        Link::Ethernet { .. } => {
            let own: Vec<IpAddr> = port.addresses.iter().map(|own| own.address).collect();
            Ok(Box::new(Packet::open(&port.device)?.without_ike(&own)?))
        }
        Link::Host => Ok(Box::new(Tap::open(&port.device)?)),
        Link::Vlan { mac, .. } => Ok(Box::new(Tap::wire(&port.device, mac)?)),
        Link::Tunnel(_) => Err(io::Error::other("a tunnel has no device")),
    }
}

/// What a NIC does, so that the graph need not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Frames carry an Ethernet header; without it they are bare IP packets.
    pub ethernet: bool,
}

/// One port's way to its link. Neither call blocks.
pub trait Nic: Send {
    /// Moves received frames into `batch` until it is full or nothing waits.
    /// Buffers come from [`Batch::buffer`]; those of frames that are not fit go to [`Batch::lose`].
    fn receive(&mut self, batch: &mut Batch);

    /// Sends every frame of `batch`, oldest first, and gives the buffers to [`Batch::recycle`].
    /// What the link does not take goes to [`Batch::lose`].
    fn send(&mut self, batch: &mut Batch);

    fn capabilities(&self) -> Capabilities;

    /// What becomes readable when frames wait; `None` for a NIC in memory.
    fn descriptor(&self) -> Option<BorrowedFd<'_>>;
}
