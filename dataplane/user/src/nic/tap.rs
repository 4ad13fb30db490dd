//! The kernel of this box as a port: the TUN device of a VRF, which carries bare IP packets, or the TAP device of a VLAN,
//! which carries Ethernet frames.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use sys::Tun;

use super::{Capabilities, Nic};
use crate::Batch;

/// What the kernel routes to the device is received; what is sent, the kernel gets as if it had arrived
/// there. The device must be up before anything is sent, or it is lost.
pub struct Tap {
    device: Tun,
    ethernet: bool,
}

impl Tap {
    /// Makes the device; see [`Tun::open`].
    pub fn open(name: &str) -> io::Result<Self> {
        Ok(Self { device: Tun::open(name)?, ethernet: false })
    }

    /// Makes a device of Ethernet frames with this link address; see [`Tun::wire`].
    pub fn wire(name: &str, mac: [u8; 6]) -> io::Result<Self> {
        Ok(Self { device: Tun::wire(name, mac)?, ethernet: true })
    }
}

impl Nic for Tap {
    fn receive(&mut self, batch: &mut Batch) {
        while !batch.is_full() {
            let mut frame = batch.buffer();
            match self.device.receive(frame.blank()) {
                Ok(length) => {
                    frame.received(length);
                    batch.push(frame);
                }
                Err(_) => {
                    batch.recycle(frame);
                    return;
                }
            }
        }
    }

    fn send(&mut self, batch: &mut Batch) {
        while let Some(frame) = batch.pop() {
            // Refused: the device is down, or the kernel finds the packet malformed.
            match self.device.send(frame.bytes()) {
                Ok(()) => batch.recycle(frame),
                Err(_) => batch.lose(frame),
            }
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { ethernet: self.ethernet }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.device.as_fd())
    }
}
