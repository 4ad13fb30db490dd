//! Notification: status codes, and what of a message was wrong, RFC 5036 sections 3.5.1 and 3.9.

use core::fmt;

use super::label::Element;
use super::tlv;

/// A status code and whether it ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: u32,
    pub(crate) fatal: bool,
}

/// The E bit of a status code, and its value.
const FATAL: u32 = 0x8000_0000;
const CODE: u32 = 0x3FFF_FFFF;

macro_rules! statuses {
    ($($name:ident $code:literal $fatal:literal $text:literal),* ; $($only_heard:literal $heard:literal),* $(,)?) => {
        impl Status {
            $(pub(crate) const $name: Self = Self { code: $code, fatal: $fatal };)*
        }

        impl fmt::Display for Status {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.code {
                    $($code => f.write_str($text),)*
                    $($only_heard => f.write_str($heard),)*
                    code => write!(f, "status 0x{code:08X}"),
                }
            }
        }
    };
}

// What we say, then what only others say.
statuses! {
    BAD_IDENTIFIER 0x01 true "Bad LDP Identifier",
    BAD_VERSION 0x02 true "Bad Protocol Version",
    BAD_PDU_LENGTH 0x03 true "Bad PDU Length",
    UNKNOWN_MESSAGE 0x04 false "Unknown Message Type",
    BAD_MESSAGE_LENGTH 0x05 true "Bad Message Length",
    UNKNOWN_TLV 0x06 false "Unknown TLV",
    BAD_TLV_LENGTH 0x07 true "Bad TLV Length",
    MALFORMED_TLV 0x08 true "Malformed TLV Value",
    HOLD_TIMER 0x09 true "Hold Timer Expired",
    SHUTDOWN 0x0A true "Shutdown",
    UNKNOWN_FEC 0x0C false "Unknown FEC",
    NO_ROUTE 0x0D false "No Route",
    NO_LABEL 0x0E false "No Label Resources",
    NO_HELLO 0x10 true "Session Rejected/No Hello",
    KEEPALIVE_TIMER 0x14 true "KeepAlive Timer Expired",
    ABORTED 0x15 false "Label Request Aborted",
    MISSING 0x16 false "Missing Message Parameters",
    UNSUPPORTED_FAMILY 0x17 false "Unsupported Address Family",
    BAD_KEEPALIVE 0x18 true "Session Rejected/Bad KeepAlive Time",
    END_OF_LIB 0x2F false "End-of-LIB",
    TRANSPORT_MISMATCH 0x32 true "Transport Connection Mismatch",
    DUAL_STACK_NONCOMPLIANCE 0x33 true "Dual-Stack Noncompliance";
    0x00 "Success",
    0x0B "Loop Detected",
    0x0F "Label Resources Available",
    0x11 "Session Rejected/Parameters Advertisement Mode",
    0x12 "Session Rejected/Parameters Max PDU Length",
    0x13 "Session Rejected/Parameters Label Range",
    0x19 "Internal Error",
    0x2E "Unsupported Capability",
}

/// Why a message or a PDU is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) Status);

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self(status)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) status: Status,
    /// Id and type of the message that it is about; zeros: of none.
    pub(crate) about: (u32, u16),
    /// What End-of-LIB ends, RFC 5919 section 2.
    pub(crate) fecs: Vec<Element>,
}

impl Notification {
    pub(crate) fn of(status: Status, about: (u32, u16)) -> Self {
        Self { status, about, fecs: Vec::new() }
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Fault> {
        let (mut status, mut fecs) = (None, Vec::new());
        tlv::each(body, |kind, value| {
            match kind {
                tlv::STATUS => status = Some(tlv::exactly::<10>(value)?),
                tlv::FEC => fecs = Element::decode_all(value)?,
                tlv::EXTENDED_STATUS | tlv::RETURNED_PDU | tlv::RETURNED_MESSAGE => {}
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let [a, b, c, d, i0, i1, i2, i3, t0, t1] = status.ok_or(Status::MISSING)?;
        let code = u32::from_be_bytes([a, b, c, d]);
        let status = Status { code: code & CODE, fatal: code & FATAL != 0 };
        Ok(Self { status, about: (u32::from_be_bytes([i0, i1, i2, i3]), u16::from_be_bytes([t0, t1])), fecs })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let code = self.status.code | if self.status.fatal { FATAL } else { 0 };
        let status = [&code.to_be_bytes()[..], &self.about.0.to_be_bytes(), &self.about.1.to_be_bytes()];
        tlv::put(out, tlv::STATUS, &status.concat());
        if !self.fecs.is_empty() {
            Element::put_all(&self.fecs, out);
        }
    }
}
