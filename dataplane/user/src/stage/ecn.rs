//! Congestion that an outer header met is told by the inner one (RFC 6040).

use wire::ip;

use crate::{Drop, Frame};

const NOT_ECT: u8 = 0;
const ECT_1: u8 = 1;
const ECT_0: u8 = 2;
const CE: u8 = 3;

/// Carries the mark of the outer header with this TOS or traffic class over to the packet.
pub(super) fn carry(frame: &mut Frame, outer: u8) -> Result<(), Drop> {
    let tos = ip::Packet::new_checked(frame.bytes()).map_err(|_| Drop::InnerMalformed)?.tos;
    let ecn = congestion(tos & 3, outer & 3).ok_or(Drop::CongestionLost)?;
    if ecn != tos & 3 {
        ip::set_tos(frame.bytes_mut(), tos & !3 | ecn).map_err(|_| Drop::InnerMalformed)?;
    }
    Ok(())
}

/// RFC 6040 figure 4: the inner ECN field after decapsulation; `None`: drop.
const fn congestion(inner: u8, outer: u8) -> Option<u8> {
    match (inner, outer) {
        (NOT_ECT, CE) => None,
        (NOT_ECT, _) => Some(NOT_ECT),
        (ECT_0 | ECT_1, CE) => Some(CE),
        (ECT_0, ECT_1) => Some(ECT_1),
        (inner, _) => Some(inner),
    }
}
