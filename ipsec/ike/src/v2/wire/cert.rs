//! Certificate and certificate request payloads: RFC 7296 sections 3.6 and 3.7.

use crate::wire::{Malformed, Reader};

/// A DER certificate (CERT), SHA-1 hashes of public keys of CAs (CERTREQ).
pub(crate) const X509_SIGNATURE: u8 = 4;

/// Bytes of one CA in a request.
pub(crate) const AUTHORITY: usize = 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) encoding: u8,
    pub(crate) data: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) encoding: u8,
    /// Any of these; empty: any at all.
    pub(crate) authorities: Vec<[u8; AUTHORITY]>,
}

impl Certificate {
    pub(crate) const fn x509(der: Vec<u8>) -> Self {
        Self { encoding: X509_SIGNATURE, data: der }
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let encoding = reader.byte()?;
        if reader.is_empty() {
            return Err(Malformed("empty-certificate"));
        }
        Ok(Self { encoding, data: reader.rest().to_vec() })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [&[self.encoding], self.data.as_slice()].concat()
    }
}

impl Request {
    pub(crate) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let encoding = reader.byte()?;
        let (authorities, rest) = reader.rest().as_chunks();
        if encoding == X509_SIGNATURE && !rest.is_empty() {
            return Err(Malformed("bad-certificate-request-length"));
        }
        Ok(Self { encoding, authorities: authorities.to_vec() })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = vec![self.encoding];
        body.extend(self.authorities.iter().flatten());
        body
    }
}
