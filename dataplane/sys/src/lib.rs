//! What the operating system does for a dataplane and the standard library does not offer: packet
//! sockets, TUN devices, poll and epoll, wake-ups, clocks, a counted heap, processor affinity, random bytes. Linux
//! only.
//!
//! The only crate besides `crypto` with `unsafe`. Every descriptor is owned, closed on exec, and never
//! blocks.
#![allow(unsafe_code)]

pub mod clock;
pub mod heap;
pub mod packet;
pub mod poll;

mod buffer;
pub use buffer::{dropped, receive_buffer};

mod cache;
pub use cache::prefetch;

mod device;
pub use device::index_of;

mod epoll;
pub use epoll::Epoll;

mod filter;
pub use filter::only_near;

mod option;
mod random;
pub use random::fill_random;

mod tcp;
pub use tcp::{only_from_within, sign};

mod thread;
pub use thread::pin_to_cpu;

mod tun;
pub use tun::Tun;

mod udp;
pub use udp::{exempt_from_ipsec, give_esp_to_kernel};

mod waker;
pub use waker::Waker;

use std::io;

/// The result of a system call that says -1 for "see errno".
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
