//! Phase 1 proposals in the field's words.

use super::Theirs;
use crate::config::{Authentication, Encryption, Proposal};

impl std::fmt::Display for Theirs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.encryption {
            Ok(encryption) => write!(f, "{}", encryption_word(encryption))?,
            Err(number) => write!(f, "cipher {number}")?,
        }
        match self.hash {
            Ok(hash) => write!(f, "/{hash:?}")?,
            Err(number) => write!(f, "/hash {number}")?,
        }
        match self.authentication {
            Ok(authentication) => write!(f, "/{}", authentication_word(authentication))?,
            Err(number) => write!(f, "/{}", method_name(number))?,
        }
        write!(f, "/group {}", self.group.map_or_else(|number| number, |group| group.number().into()))
    }
}

/// A proposal of ours in the field's words.
pub(crate) fn words(ours: &Proposal) -> String {
    let Proposal { encryption, hash, authentication, group, .. } = ours;
    let (encryption, authentication) = (encryption_word(*encryption), authentication_word(*authentication));
    format!("{encryption}/{hash:?}/{authentication}/group {}", group.number())
}

fn encryption_word(encryption: Encryption) -> String {
    match encryption {
        Encryption::Des => "DES".to_owned(),
        Encryption::TripleDes => "3DES".to_owned(),
        Encryption::Aes(bits) => format!("AES-{bits}"),
    }
}

const fn authentication_word(authentication: Authentication) -> &'static str {
    match authentication {
        Authentication::PreShared => "pre-share",
        Authentication::RsaSignature => "rsa-sig",
        Authentication::RsaEncryption => "rsa-encr",
        Authentication::EcdsaSignature => "ecdsa-sig",
    }
}

/// A method that we do not do, by its name.
fn method_name(number: u64) -> String {
    match number {
        2 => "dss-sig".to_owned(),
        5 => "revised rsa-encr".to_owned(),
        64221..=64230 => "hybrid".to_owned(),
        65001..=65010 => "xauth".to_owned(),
        number => format!("authentication {number}"),
    }
}

/// Why an authentication method is none of ours.
pub(super) const fn no_longer(number: u64) -> Option<&'static str> {
    Some(match number {
        2 => "DSS signatures are not supported: no gateway uses them any more",
        5 => "RSA encryption is not supported: let the peer use RSA signatures",
        64221..=64230 => "hybrid authentication is not supported: let the peer use RSA signatures",
        65001..=65010 => "XAUTH is not supported: let the peer use plain pre-shared keys or RSA signatures",
        _ => return None,
    })
}

pub(super) const fn lacking(authentication: Authentication) -> &'static str {
    match authentication {
        Authentication::PreShared => "there is no pre-shared key for this peer",
        Authentication::RsaSignature => "no trustpoint has an RSA certificate of ours",
        Authentication::RsaEncryption => "RSA encryption is not supported",
        Authentication::EcdsaSignature => {
            "no trustpoint has an ECDSA certificate of ours that goes with this hash"
        }
    }
}
