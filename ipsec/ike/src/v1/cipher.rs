//! The keys of a phase 1 SA and the CBC chains they run: RFC 2409 section 5 and appendix B.

use base::Secret;
use crypto::cbc::{self, Block};
use crypto::prf::Hash;

use crate::config::{Encryption, Proposal};
use crate::error::Refusal;
use crate::notice::Blame;
use crate::wire::header::Cookie;

pub(crate) struct Keys {
    pub(crate) hash: Hash,
    pub(crate) skeyid: Secret,
    /// SKEYID_d, SKEYID_a.
    derive: Secret,
    authenticate: Secret,
    block: Block,
    encrypt: Secret,
}

impl Keys {
    pub(crate) fn derive(
        proposal: &Proposal,
        skeyid: Secret,
        shared: &Secret,
        cookies: (Cookie, Cookie),
    ) -> Self {
        let hash = proposal.hash;
        let step = |before: &[u8], number: u8| {
            hash.hmac(skeyid.expose(), &[before, shared.expose(), &cookies.0, &cookies.1, &[number]])
        };
        let derive = step(&[], 0);
        let authenticate = step(derive.expose(), 1);
        let encrypt = step(authenticate.expose(), 2);
        let (block, key_length) = block(proposal.encryption);
        let encrypt = stretch(hash, encrypt, key_length);
        Self { hash, skeyid, derive, authenticate, block, encrypt }
    }

    /// A hash over an exchange that this SA protects.
    pub(crate) fn authenticate(&self, parts: &[&[u8]]) -> Secret {
        self.hash.hmac(self.authenticate.expose(), parts)
    }

    /// Keying material for one direction of a child: RFC 2409 section 5.5. `seed` is g(qm)^xy if there
    /// is one, protocol, SPI and both nonces.
    pub(crate) fn keymat(&self, seed: &[&[u8]], length: usize) -> Secret {
        let mut material = Vec::with_capacity(length + self.hash.len());
        let mut block = self.hash.hmac(self.derive.expose(), seed);
        material.extend_from_slice(block.expose());
        while material.len() < length {
            let parts: Vec<&[u8]> = core::iter::once(block.expose()).chain(seed.iter().copied()).collect();
            block = self.hash.hmac(self.derive.expose(), &parts);
            material.extend_from_slice(block.expose());
        }
        material.truncate(length);
        Secret::from(material)
    }

    /// The IV of message 5.
    pub(crate) fn main_iv(&self, public_i: &[u8], public_r: &[u8]) -> Vec<u8> {
        self.cut(self.hash.digest(&[public_i, public_r]))
    }

    /// The IV of the first message of an exchange after main mode; `last` is the last block of message 6.
    pub(crate) fn exchange_iv(&self, last: &[u8], message_id: u32) -> Vec<u8> {
        self.cut(self.hash.digest(&[last, &message_id.to_be_bytes()]))
    }

    /// The ciphertext of `clear` and the IV of the exchange's next message.
    pub(crate) fn seal(&self, iv: &[u8], clear: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let mut data = clear.to_vec();
        data.resize(data.len().next_multiple_of(self.block_len()), 0);
        cbc::encrypt(self.block, self.encrypt.expose(), iv, &mut data)
            .map_err(|_| Refusal::because(Blame::Local, "cipher-failed", "cannot encrypt".into()))?;
        let next = self.last_block(&data);
        Ok((data, next))
    }

    /// The clear bytes with their padding, and the IV of the exchange's next message.
    pub(crate) fn open(&self, iv: &[u8], sealed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        if sealed.is_empty() || !sealed.len().is_multiple_of(self.block_len()) {
            return Err(Refusal::ignored("bad-ciphertext-length"));
        }
        let next = self.last_block(sealed);
        let mut data = sealed.to_vec();
        cbc::decrypt(self.block, self.encrypt.expose(), iv, &mut data)
            .map_err(|_| Refusal::ignored("undecryptable"))?;
        Ok((data, next))
    }

    const fn block_len(&self) -> usize {
        match self.block {
            Block::Des | Block::TripleDes => 8,
            Block::Aes128 | Block::Aes192 | Block::Aes256 => 16,
        }
    }

    fn last_block(&self, data: &[u8]) -> Vec<u8> {
        data.get(data.len().saturating_sub(self.block_len())..).unwrap_or_default().to_vec()
    }

    fn cut(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.truncate(self.block_len());
        bytes
    }
}

/// The cipher and its key length in bytes.
const fn block(encryption: Encryption) -> (Block, usize) {
    match encryption {
        Encryption::Des => (Block::Des, 8),
        Encryption::TripleDes => (Block::TripleDes, 24),
        Encryption::Aes(256) => (Block::Aes256, 32),
        Encryption::Aes(192) => (Block::Aes192, 24),
        Encryption::Aes(_) => (Block::Aes128, 16),
    }
}

/// Appendix B: a PRF output too short for the key feeds a chain of its own.
fn stretch(hash: Hash, material: Secret, length: usize) -> Secret {
    if material.len() >= length {
        return Secret::from(material.expose().get(..length).unwrap_or_default());
    }
    let mut block = hash.hmac(material.expose(), &[&[0]]);
    let mut key = block.expose().to_vec();
    while key.len() < length {
        block = hash.hmac(material.expose(), &[block.expose()]);
        key.extend_from_slice(block.expose());
    }
    key.truncate(length);
    Secret::from(key)
}

#[cfg(test)]
mod tests;
