//! Notify payload: RFC 7296 section 3.10, with the types of its extensions that we speak or name.

use super::sa;
use crate::wire::{Malformed, Reader};

/// From here on a type is a status, below it an error.
const FIRST_STATUS: u16 = 16384;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notify {
    /// Zero where `spi` is empty.
    pub(crate) protocol: u8,
    pub(crate) spi: Vec<u8>,
    pub(crate) kind: u16,
    pub(crate) data: Vec<u8>,
}

impl Notify {
    /// About the IKE SA that it travels on.
    pub(crate) const fn new(kind: u16, data: Vec<u8>) -> Self {
        Self { protocol: sa::PROTOCOL_NONE, spi: Vec::new(), kind, data }
    }

    /// About a child: REKEY_SA, CHILD_SA_NOT_FOUND.
    pub(crate) fn of_child(kind: u16, spi: u32) -> Self {
        Self { protocol: sa::PROTOCOL_ESP, spi: spi.to_be_bytes().to_vec(), kind, data: Vec::new() }
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (protocol, spi_length, kind) = (reader.byte()?, reader.byte()?, reader.short()?);
        let spi = reader.take(usize::from(spi_length))?.to_vec();
        Ok(Self { protocol, spi, kind, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = vec![self.protocol, u8::try_from(self.spi.len()).unwrap_or(u8::MAX)];
        body.extend_from_slice(&self.kind.to_be_bytes());
        body.extend_from_slice(&self.spi);
        body.extend_from_slice(&self.data);
        body
    }

    pub(crate) const fn is_error(&self) -> bool {
        self.kind < FIRST_STATUS
    }

    pub(crate) fn esp_spi(&self) -> Option<u32> {
        <[u8; 4]>::try_from(self.spi.as_slice()).ok().map(u32::from_be_bytes)
    }
}

macro_rules! kinds {
    (spoken { $($name:ident = $number:literal,)* } known { $($other:ident = $value:literal,)* }) => {
        $(pub(crate) const $name: u16 = $number;)*

        /// The type's name as its RFC writes it.
        pub(crate) const fn name(kind: u16) -> &'static str {
            match kind {
                $($number => stringify!($name),)*
                $($value => stringify!($other),)*
                0..FIRST_STATUS => "an unknown error",
                FIRST_STATUS.. => "an unknown status",
            }
        }
    };
}

kinds! {
    spoken {
        UNSUPPORTED_CRITICAL_PAYLOAD = 1,
        INVALID_MAJOR_VERSION = 5,
        INVALID_SYNTAX = 7,
        NO_PROPOSAL_CHOSEN = 14,
        INVALID_KE_PAYLOAD = 17,
        AUTHENTICATION_FAILED = 24,
        SINGLE_PAIR_REQUIRED = 34,
        NO_ADDITIONAL_SAS = 35,
        INTERNAL_ADDRESS_FAILURE = 36,
        FAILED_CP_REQUIRED = 37,
        TS_UNACCEPTABLE = 38,
        UNEXPECTED_NAT_DETECTED = 41,
        TEMPORARY_FAILURE = 43,
        CHILD_SA_NOT_FOUND = 44,
        STATE_NOT_FOUND = 47,
        INITIAL_CONTACT = 16384,
        SET_WINDOW_SIZE = 16385,
        ADDITIONAL_TS_POSSIBLE = 16386,
        NAT_DETECTION_SOURCE_IP = 16388,
        NAT_DETECTION_DESTINATION_IP = 16389,
        COOKIE = 16390,
        USE_TRANSPORT_MODE = 16391,
        REKEY_SA = 16393,
        MOBIKE_SUPPORTED = 16396,
        UPDATE_SA_ADDRESSES = 16400,
        COOKIE2 = 16401,
        NO_NATS_ALLOWED = 16402,
        REDIRECT_SUPPORTED = 16406,
        REDIRECT = 16407,
        REDIRECTED_FROM = 16408,
        CHILDLESS_IKEV2_SUPPORTED = 16418,
        IKEV2_FRAGMENTATION_SUPPORTED = 16430,
        SIGNATURE_HASH_ALGORITHMS = 16431,
        USE_PPK = 16435,
        PPK_IDENTITY = 16436,
        NO_PPK_AUTH = 16437,
        INTERMEDIATE_EXCHANGE_SUPPORTED = 16438,
        ADDITIONAL_KEY_EXCHANGE = 16441,
    }
    known {
        INVALID_IKE_SPI = 4,
        INVALID_MESSAGE_ID = 9,
        INVALID_SPI = 11,
        INVALID_SELECTORS = 39,
        UNACCEPTABLE_ADDRESSES = 40,
        IPCOMP_SUPPORTED = 16387,
        HTTP_CERT_LOOKUP_SUPPORTED = 16392,
        ESP_TFC_PADDING_NOT_SUPPORTED = 16394,
        NON_FIRST_FRAGMENTS_ALSO = 16395,
        ADDITIONAL_IP4_ADDRESS = 16397,
        ADDITIONAL_IP6_ADDRESS = 16398,
        NO_ADDITIONAL_ADDRESSES = 16399,
        AUTH_LIFETIME = 16403,
        MULTIPLE_AUTH_SUPPORTED = 16404,
        TICKET_REQUEST = 16411,
        EAP_ONLY_AUTHENTICATION = 16417,
        QUICK_CRASH_DETECTION = 16419,
        CLONE_IKE_SA_SUPPORTED = 16432,
    }
}
