//! Notification payload: RFC 2408 section 3.14, RFC 2407 section 4.6.3, RFC 3706.

use super::{Malformed, Reader, sa};

pub(crate) const NO_PROPOSAL_CHOSEN: u16 = 14;
pub(crate) const INVALID_ID_INFORMATION: u16 = 18;
pub(crate) const INVALID_CERTIFICATE: u16 = 20;
pub(crate) const AUTHENTICATION_FAILED: u16 = 24;
pub(crate) const RESPONDER_LIFETIME: u16 = 24576;
pub(crate) const INITIAL_CONTACT: u16 = 24578;
pub(crate) const R_U_THERE: u16 = 36136;
pub(crate) const R_U_THERE_ACK: u16 = 36137;

/// From here on a type is a status, below it an error.
const FIRST_STATUS: u16 = 16384;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notify {
    pub(crate) protocol: u8,
    pub(crate) spi: Vec<u8>,
    pub(crate) kind: u16,
    pub(crate) data: Vec<u8>,
}

impl Notify {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        // RFC 2408 lets a notify of phase 1 name DOI zero.
        if ![0, sa::DOI_IPSEC].contains(&reader.long()?) {
            return Err(Malformed("unknown-doi"));
        }
        let (protocol, spi_length, kind) = (reader.byte()?, reader.byte()?, reader.short()?);
        let spi = reader.take(usize::from(spi_length))?.to_vec();
        Ok(Self { protocol, spi, kind, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = sa::DOI_IPSEC.to_be_bytes().to_vec();
        body.extend_from_slice(&[self.protocol, u8::try_from(self.spi.len()).unwrap_or(u8::MAX)]);
        body.extend_from_slice(&self.kind.to_be_bytes());
        body.extend_from_slice(&self.spi);
        body.extend_from_slice(&self.data);
        body
    }

    pub(crate) const fn is_error(&self) -> bool {
        self.kind < FIRST_STATUS
    }
}

/// The type's name as the RFC writes it, in lower case.
pub(crate) const fn name(kind: u16) -> &'static str {
    match kind {
        1 => "invalid-payload-type",
        4 => "invalid-cookie",
        5 => "invalid-major-version",
        7 => "invalid-exchange-type",
        9 => "invalid-message-id",
        11 => "invalid-spi",
        NO_PROPOSAL_CHOSEN => "no-proposal-chosen",
        15 => "bad-proposal-syntax",
        16 => "payload-malformed",
        17 => "invalid-key-information",
        INVALID_ID_INFORMATION => "invalid-id-information",
        19 => "invalid-cert-encoding",
        INVALID_CERTIFICATE => "invalid-certificate",
        22 => "invalid-cert-authority",
        23 => "invalid-hash-information",
        AUTHENTICATION_FAILED => "authentication-failed",
        25 => "invalid-signature",
        RESPONDER_LIFETIME => "responder-lifetime",
        INITIAL_CONTACT => "initial-contact",
        R_U_THERE => "r-u-there",
        R_U_THERE_ACK => "r-u-there-ack",
        FIRST_STATUS.. => "unknown-status",
        _ => "unknown-error",
    }
}
