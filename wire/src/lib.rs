//! Checked views over packet bytes: Ethernet, IPv4, IPv6, UDP, TCP, ICMP, MPLS, GRE, ESP. No allocation.
//!
//! Every parser is total: any bytes give a view or a [`Malformed`], never a panic. A view borrows the
//! bytes and reads fields where they lie; an `…Mut` view writes them, keeping checksums right.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod checksum;
pub mod esp;
pub mod ethernet;
pub mod gre;
pub mod icmp;
pub mod ip;
pub mod ipv4;
pub mod ipv6;
pub mod mpls;
pub mod tcp;
pub mod udp;

mod malformed;
pub use malformed::Malformed;
