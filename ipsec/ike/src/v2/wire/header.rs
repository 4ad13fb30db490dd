//! What version 2 puts into the header's fields: RFC 7296 section 3.1.

pub(crate) use crate::wire::header::{Cookie, Header, LENGTH};

pub(crate) const VERSION_2: u8 = 0x20;

/// Sent by the original initiator of the IKE SA.
pub(crate) const FLAG_INITIATOR: u8 = 0x08;
pub(crate) const FLAG_RESPONSE: u8 = 0x20;

/// Exchange types, RFC 7296 section 3.1, RFC 9242, RFC 9370.
pub(crate) mod exchange {
    pub(crate) const SA_INIT: u8 = 34;
    pub(crate) const AUTH: u8 = 35;
    pub(crate) const CREATE_CHILD_SA: u8 = 36;
    pub(crate) const INFORMATIONAL: u8 = 37;
    pub(crate) const INTERMEDIATE: u8 = 43;
    pub(crate) const FOLLOWUP_KE: u8 = 44;
}

impl Header {
    /// A message of the IKE SA with these SPIs; `next` is set by whoever fills it.
    pub(crate) const fn v2(spis: (Cookie, Cookie), exchange: u8, flags: u8, message_id: u32) -> Self {
        let (initiator, responder) = spis;
        Self { initiator, responder, next: 0, version: VERSION_2, exchange, flags, message_id }
    }

    pub(crate) const fn is_response(&self) -> bool {
        self.flags & FLAG_RESPONSE != 0
    }

    /// The sender is the original initiator of the IKE SA.
    pub(crate) const fn is_of_initiator(&self) -> bool {
        self.flags & FLAG_INITIATOR != 0
    }
}

/// The message by its name in the RFC.
pub(crate) const fn name(exchange: u8, response: bool) -> &'static str {
    match (exchange, response) {
        (exchange::SA_INIT, false) => "IKE_SA_INIT request",
        (exchange::SA_INIT, true) => "IKE_SA_INIT response",
        (exchange::AUTH, false) => "IKE_AUTH request",
        (exchange::AUTH, true) => "IKE_AUTH response",
        (exchange::CREATE_CHILD_SA, false) => "CREATE_CHILD_SA request",
        (exchange::CREATE_CHILD_SA, true) => "CREATE_CHILD_SA response",
        (exchange::INFORMATIONAL, false) => "INFORMATIONAL request",
        (exchange::INFORMATIONAL, true) => "INFORMATIONAL response",
        (exchange::INTERMEDIATE, false) => "IKE_INTERMEDIATE request",
        (exchange::INTERMEDIATE, true) => "IKE_INTERMEDIATE response",
        (exchange::FOLLOWUP_KE, false) => "IKE_FOLLOWUP_KE request",
        (exchange::FOLLOWUP_KE, true) => "IKE_FOLLOWUP_KE response",
        (_, false) => "request of an unknown exchange",
        (_, true) => "response of an unknown exchange",
    }
}
