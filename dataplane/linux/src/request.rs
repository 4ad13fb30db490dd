//! One request to the kernel, not yet numbered.

use netlink_packet_core::NetlinkSerializable as _;
use netlink_packet_route::RouteNetlinkMessage;
use zeroize::Zeroizing;

use crate::xfrm::message;

/// The netlink families we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Route,
    Xfrm,
}

/// `NLM_F_*`, netlink(7); `REQUEST` and `ACK` are added by whoever sends.
pub(crate) const REPLACE: u16 = 0x100;
pub(crate) const EXCLUSIVE: u16 = 0x200;
pub(crate) const CREATE: u16 = 0x400;

/// No Debug: the body may hold keys, and is zeroed when dropped.
pub(crate) struct Request {
    pub(crate) protocol: Protocol,
    /// `RTM_*` or `XFRM_MSG_*`.
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    /// What follows the netlink header.
    pub(crate) body: Zeroizing<Vec<u8>>,
}

impl Request {
    /// Whether it asks for something to be gone.
    pub(crate) const fn takes_away(&self) -> bool {
        match self.protocol {
            // Each noun of rtnetlink has four numbers: new, delete, get, set.
            Protocol::Route => self.kind % 4 == 1,
            Protocol::Xfrm => matches!(self.kind, message::DEL_SA | message::DEL_POLICY),
        }
    }

    pub(crate) fn route(message: &RouteNetlinkMessage, flags: u16) -> Self {
        let mut body = Zeroizing::new(vec![0; message.buffer_len()]);
        message.serialize(&mut body);
        Self { protocol: Protocol::Route, kind: message.message_type(), flags, body }
    }
}
