//! Certificates as proof of an identity (RFC 4945 section 3): what a peer calls itself must stand in its
//! certificate.

use pki::{AltName, Certificate};

use crate::error::Refusal;
use crate::notice::Blame;
use crate::wire::id::Name;

/// Whether the CA vouches for the name. A key ID stands in no certificate: who matches it is for the
/// profile to say.
pub(crate) fn proves(certificate: &Certificate, name: &Name) -> Result<(), Refusal> {
    let claim = match name {
        Name::KeyId(_) => return Ok(()),
        Name::Dn(dn) => AltName::Directory(dn.clone()),
        Name::Address(address) => AltName::Address(*address),
        Name::Fqdn(host) => AltName::Dns(host.clone()),
        Name::UserFqdn(user) => AltName::Email(user.clone()),
        Name::Subnet(_) | Name::Range(..) | Name::Other(..) => {
            let detail = format!("the peer calls itself {name}, which no certificate can hold");
            return Err(Refusal::because(Blame::PeerMisbehaved, "identity-not-in-certificate", detail));
        }
    };
    let proved = certificate.proves(&claim);
    proved.map_err(|refused| Refusal::because(Blame::PeerMisbehaved, refused.what, refused.detail))
}
