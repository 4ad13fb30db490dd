//! The kernel's language for SAs and policies: `linux/xfrm.h`, written and read byte by byte, because what is in it may
//! be keys. Structures are those of a 64-bit kernel, in the byte order of the machine.

mod read;
mod write;

use base::Family;

pub(crate) use read::{Attributes, Reader, Target, address, family};
pub(crate) use write::{Body, sides};

/// `XFRM_MSG_*`.
pub(crate) mod message {
    pub(crate) const NEW_SA: u16 = 0x10;
    pub(crate) const DEL_SA: u16 = 0x11;
    pub(crate) const GET_SA: u16 = 0x12;
    pub(crate) const NEW_POLICY: u16 = 0x13;
    pub(crate) const DEL_POLICY: u16 = 0x14;
    pub(crate) const GET_POLICY: u16 = 0x15;
    pub(crate) const ACQUIRE: u16 = 0x17;
    pub(crate) const EXPIRE: u16 = 0x18;
    pub(crate) const UPD_POLICY: u16 = 0x19;
    pub(crate) const UPD_SA: u16 = 0x1A;
    pub(crate) const FLUSH_SA: u16 = 0x1C;
    pub(crate) const FLUSH_POLICY: u16 = 0x1D;
    pub(crate) const SET_SPD: u16 = 0x24;
    pub(crate) const MAPPING: u16 = 0x26;
}

/// `XFRMNLGRP_*`: what a listening socket subscribes to.
pub(crate) const GROUPS: [u32; 5] = [1, 2, 3, 4, 8];

/// `XFRMA_*`.
pub(crate) mod attribute {
    pub(crate) const CIPHER: u16 = 2;
    /// Of `SET_SPD`.
    pub(crate) const IPV4_THRESHOLDS: u16 = 3;
    pub(crate) const IPV6_THRESHOLDS: u16 = 4;
    pub(crate) const ENCAP: u16 = 4;
    pub(crate) const TEMPLATE: u16 = 5;
    pub(crate) const SA: u16 = 6;
    pub(crate) const POLICY: u16 = 7;
    pub(crate) const AEAD: u16 = 18;
    pub(crate) const INTEGRITY: u16 = 20;
    pub(crate) const MARK: u16 = 21;
    pub(crate) const REPLAY: u16 = 23;
    pub(crate) const OFFLOAD: u16 = 28;
    pub(crate) const IF_ID: u16 = 31;
    pub(crate) const MAPPING_THRESHOLD: u16 = 32;
    pub(crate) const DIRECTION: u16 = 33;
}

/// In the selectors of everything of ours, where the kernel does not look: `sel.user`.
const OWNER: u32 = crate::thing::PROTOCOL as u32;

/// The `if_id`s that we give to XFRM interfaces begin with this.
pub(crate) const FIRST_IF_ID: u32 = 0x4F00_0000;
pub(crate) const LAST_IF_ID: u32 = 0x4FFF_FFFF;

/// The `reqid` of inbound SAs, for inner packets of one family: the kernel opens whatever is in a packet, and compares an
/// address of one family with a prefix of the other as if they were of one. Outbound ones have the number of the SA.
pub(crate) const fn inbound_reqid(family: Family) -> u32 {
    match family {
        Family::V4 => FIRST_INBOUND | 4,
        Family::V6 => FIRST_INBOUND | 6,
    }
}

/// Below it are the numbers of SAs, from twice it on tickets.
pub(crate) const FIRST_INBOUND: u32 = 0x2000_0000;

/// Whether what has this `if_id` is ours.
pub(crate) const fn is_ours(if_id: u32) -> bool {
    FIRST_IF_ID <= if_id && if_id <= LAST_IF_ID
}

/// The part of the packet mark that stands for the front VRF.
pub(crate) const MARK_MASK: u32 = 0x7FFF_0000;
/// Beside it: it came in by a port with a crypto map.
pub(crate) const GUARDED: u32 = 0x8000_0000;

pub(crate) const ESP: u8 = 50;
pub(crate) const TUNNEL: u8 = 1;
pub(crate) const TRANSPORT: u8 = 0;
/// A limit that is never reached: `XFRM_INF`.
pub(crate) const NEVER: u64 = u64::MAX;
/// As long as an algorithm's name may be, with its closing zero.
pub(crate) const NAME_LEN: usize = 64;

/// Lengths of structures.
pub(crate) const SA_LEN: usize = 224;
pub(crate) const SA_ID_LEN: usize = 24;
pub(crate) const POLICY_LEN: usize = 168;
pub(crate) const POLICY_ID_LEN: usize = 64;

#[cfg(test)]
pub(crate) mod tests;
