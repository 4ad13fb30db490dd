//! The bare ciphers that are linked in, so that a benchmark can say what they alone cost.

use crate::aead::Gcm;
use crate::cbc::{self, Block, Encryptor};
use crate::mac::{self, Mac};
use crate::prf::Hash;

/// One provider of one suite.
pub struct Raw {
    /// As `ring` or `aws-lc + RustCrypto`.
    pub provider: String,
    seal: Box<Seal>,
}

type Seal = dyn Fn(&mut [u8]);

impl Raw {
    /// Encrypts and authenticates `bytes`, without headers, padding or counters. What it leaves
    /// there serves nobody: the nonce never changes.
    pub fn seal(&self, bytes: &mut [u8]) {
        (self.seal)(bytes);
    }
}

/// Every provider of AES-128-GCM. The last 16 of the sealed bytes become the tag.
pub fn aes128_gcm() -> Vec<Raw> {
    [Gcm::new(&KEY), Gcm::by_aws_lc(&KEY)].into_iter().flatten().map(gcm).collect()
}

/// Every provider of AES-128-CBC with HMAC-SHA1. Whole blocks, at most, are encrypted.
pub fn aes128_cbc_sha1() -> Vec<Raw> {
    Encryptor::new(Block::Aes128, &KEY).into_iter().map(cbc_sha1).collect()
}

fn gcm(key: Gcm) -> Raw {
    let provider = key.provider().to_owned();
    // Too few bytes to seal cost nothing; the benchmark would show it.
    let seal = move |bytes: &mut [u8]| key.seal([0; 12], &[0; 8], bytes).unwrap_or_default();
    Raw { provider, seal: Box::new(seal) }
}

fn cbc_sha1(key: Encryptor) -> Raw {
    let mac = Mac::new(Hash::Sha1, &KEY);
    let seal = move |bytes: &mut [u8]| {
        let whole = bytes.len() - bytes.len() % 16;
        if let Some(blocks) = bytes.get_mut(..whole) {
            key.encrypt(&[0; 16], blocks).unwrap_or_default();
        }
        let mut tag = [0; 12];
        mac.tag(bytes, &[], &mut tag);
        core::hint::black_box(tag);
    };
    Raw { provider: format!("{} + {}", cbc::PROVIDER, mac::PROVIDER), seal: Box::new(seal) }
}

const KEY: [u8; 16] = [0x2b; 16];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_of_a_suite_does_the_same_work() {
        for suite in [aes128_gcm(), aes128_cbc_sha1()] {
            let sealed = suite.iter().map(|raw| {
                let mut bytes = vec![7; 1400];
                raw.seal(&mut bytes);
                bytes
            });
            let sealed: Vec<_> = sealed.collect();
            assert!(sealed.iter().all(|bytes| *bytes == sealed[0] && bytes[..16] != [7; 16]));
        }
    }
}
