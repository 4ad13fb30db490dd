//! A deterministic random bit generator: HMAC_DRBG with SHA-256, NIST SP 800-90A section 10.1.2.

use base::Secret;

use crate::prf::Hash;

/// Everything random that an engine needs, from one seed. The same seed gives the same bytes.
pub struct Drbg {
    key: Secret,
    value: Secret,
}

impl Drbg {
    /// `seed` carries all the entropy; no two generators may share one.
    pub fn new(seed: [u8; 32]) -> Self {
        Self::instantiate(&seed)
    }

    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(Hash::Sha256.len()) {
            self.value = self.mac(&[]);
            chunk.copy_from_slice(&self.value.expose()[..chunk.len()]);
        }
        self.update(&[]);
    }

    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.bytes())
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    fn instantiate(seed: &[u8]) -> Self {
        let mut drbg = Self { key: Secret::from(vec![0; 32]), value: Secret::from(vec![1; 32]) };
        drbg.update(seed);
        drbg
    }

    fn update(&mut self, data: &[u8]) {
        self.key = self.mac(&[&[0], data]);
        self.value = self.mac(&[]);
        if !data.is_empty() {
            self.key = self.mac(&[&[1], data]);
            self.value = self.mac(&[]);
        }
    }

    fn mac(&self, more: &[&[u8]]) -> Secret {
        Hash::Sha256.hmac(self.key.expose(), &[&[self.value.expose()], more].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    /// NIST CAVS, HMAC_DRBG SHA-256 without reseed, count 0: the second 1024 bits.
    #[test]
    fn the_output_is_the_published_one() {
        let mut drbg = Drbg::instantiate(&hex(
            "ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488 659ba96c601dc69fc902940805ec0ca8",
        ));
        drbg.bytes::<128>();
        let expected = "e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89
                        d54fbb978a15b5c443c9ec21036d2460b6f73ebad0dc2aba6e624abf07745bc1
                        07694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668
                        961df86803482cb37ed6d5c0bb8d50cf1f50d476aa0458bdaba806f48be9dcb8";
        assert_eq!(drbg.bytes::<128>().to_vec(), hex(expected));
    }

    #[test]
    fn a_seed_decides_every_byte_and_bytes_do_not_repeat() {
        let (mut one, mut same, mut other) = (Drbg::new([1; 32]), Drbg::new([1; 32]), Drbg::new([2; 32]));
        let first = one.bytes::<32>();
        assert_eq!(first, same.bytes());
        assert_ne!(first, other.bytes());
        assert_ne!(first, one.bytes());
        same.fill(&mut [0; 32]);
        assert_eq!(one.u32(), same.u32());
    }
}
