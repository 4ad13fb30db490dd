//! Vendor ID payloads: RFC 2408 section 3.16. Some change what we do, others name the peer's software.

use super::payload::{self, Chain};

/// RFC 3947.
pub(crate) const NAT_T: [u8; 16] = *b"\x4a\x13\x1c\x81\x07\x03\x58\x45\x5c\x57\x28\xf2\x0e\x95\x45\x2f";

/// draft-ietf-ipsec-nat-t-ike-03.
pub(crate) const NAT_T_DRAFT_3: [u8; 16] =
    *b"\x7d\x94\x19\xa6\x53\x10\xca\x6f\x2c\x17\x9d\x92\x15\x52\x9d\x56";

/// draft-ietf-ipsec-nat-t-ike-02, as its authors meant it and as most implementations hashed it.
pub(crate) const NAT_T_DRAFT_2: [[u8; 16]; 2] = [
    *b"\xcd\x60\x46\x43\x35\xdf\x21\xf8\x7c\xfd\xb2\xfc\x68\xb6\xa4\x48",
    *b"\x90\xcb\x80\x91\x3e\xbb\x69\x6e\x08\x63\x81\xb5\xec\x42\x7b\x1f",
];

/// RFC 3706; two version bytes follow.
const DPD: [u8; 14] = *b"\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57";

/// MD5 of `FRAGMENTATION`; four bytes that say for which exchanges may follow.
const FRAGMENTATION: [u8; 16] = *b"\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3";

/// The beginnings of what others call themselves.
const NAMES: [(&[u8], &str); 9] = [
    (b"\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc\x01\x00", "Cisco Unity"),
    (b"\x09\x00\x26\x89\xdf\xd6\xb7\x12", "XAUTH"),
    (b"\x88\x2f\xe5\x6d\x6f\xd2\x0d\xbc\x22\x51\x61\x3b\x2e\xbe\x5b\xeb", "strongSwan"),
    (b"\x40\x48\xb7\xd5\x6e\xbc\xe8\x85\x25\xe7\xde\x7f\x00\xd6\xc2\xd3", "IKE fragmentation"),
    (b"\x1e\x2b\x51\x69\x05\x99\x1c\x7d\x7c\x96\xfc\xbf\xb5\x87\xe4\x61", "Windows"),
    (b"\x1f\x07\xf7\x0e\xaa\x65\x14\xd3\xb0\xfa\x96\x54\x2a\x50", "Cisco VPN 3000"),
    (b"\xf4\xed\x19\xe0\xc1\x14\xeb\x51\x6f\xaa\xac\x0e\xe3\x7d\xaf\x28", "Check Point"),
    (b"\x4f\x45", "Openswan or libreswan"),
    (b"Onramp", "Onramp"),
];

/// What a peer announced that changes what we send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) dpd: bool,
    pub(crate) fragmentation: bool,
}

/// Ours: who we are, dead-peer detection, and fragmentation if it is on.
pub(crate) fn ours(fragmentation: bool) -> impl Iterator<Item = Vec<u8>> {
    let fragments = fragmentation.then(|| [FRAGMENTATION.as_slice(), &[0xC0, 0, 0, 0]].concat());
    [b"Onramp".to_vec(), [DPD.as_slice(), &[1, 0]].concat()].into_iter().chain(fragments)
}

impl Announced {
    pub(crate) fn of(chain: &Chain<'_>) -> Self {
        let has = |start: &[u8]| chain.all(payload::VENDOR).any(|vendor| vendor.starts_with(start));
        Self { dpd: has(&DPD), fragmentation: has(&FRAGMENTATION) }
    }

    /// A peer may announce things in several messages.
    pub(crate) const fn and(self, more: Self) -> Self {
        Self { dpd: self.dpd || more.dpd, fragmentation: self.fragmentation || more.fragmentation }
    }
}

/// What a vendor ID is known as.
pub(crate) fn name(vendor: &[u8]) -> Option<&'static str> {
    NAMES.iter().find(|(start, _)| vendor.starts_with(start)).map(|(_, name)| *name)
}
