//! The dataplane that is the Linux kernel: VRF devices, XFRM interfaces, kernel ESP and Linux MPLS, by netlink.
//!
//! Objects become [things](thing::Thing) of the kernel. What the kernel holds is kept beside what it
//! should hold; the difference is sent, whether it comes from an op, from a start or from a stranger.
#![forbid(unsafe_code)]

mod address;
mod connected;
mod counters;
mod device;
mod features;
mod ground;
mod label;
mod mark;
mod mtu;
mod neighbour;
mod netlink;
mod notice;
mod numbers;
mod offload;
mod orphans;
mod policy;
mod port;
mod request;
mod route;
mod rule;
mod sa;
mod spd;
mod state;
mod sysctl;
mod takeover;
mod tally;
mod thing;
mod translate;
mod tunnels;
mod unknown;
mod watch;
mod xfrm;

mod linux;
pub use linux::Linux;
