//! Certificate and certificate request payloads: RFC 2408 sections 3.9 and 3.10. Both begin with a byte
//! that says what follows.

use super::{Malformed, Reader};

/// X.509 certificate for signatures: of a request, the name of a CA follows, or nothing.
const X509_SIGNATURE: u8 = 4;

pub(crate) fn encode(data: &[u8]) -> Vec<u8> {
    [&[X509_SIGNATURE], data].concat()
}

/// `None`: an encoding that we do not read, such as PKCS #7 or a CRL.
pub(crate) fn decode(body: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut reader = Reader::new(body);
    Ok((reader.byte()? == X509_SIGNATURE).then(|| reader.rest()))
}
