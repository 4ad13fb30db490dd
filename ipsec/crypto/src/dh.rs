//! Key exchange methods (RFC 2409, 3526, 5903, 8031, 9370), as jobs that a worker can run.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use base::Secret;

use crate::drbg::Drbg;
use crate::kem::Kem;
use crate::modp;

/// By the number IANA gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// 1
    Modp768,
    /// 2
    Modp1024,
    /// 5
    Modp1536,
    /// 14
    Modp2048,
    /// 15
    Modp3072,
    /// 16
    Modp4096,
    /// 17
    Modp6144,
    /// 18
    Modp8192,
    /// 19
    EcpP256,
    /// 20
    EcpP384,
    /// 21
    EcpP521,
    /// 31
    Curve25519,
    /// 36
    MlKem768,
    /// 37
    MlKem1024,
}

/// What to compute. With a KEM the three stand for encapsulation, key generation and decapsulation: the
/// responder's public value is the ciphertext. No Debug: it holds private keys.
pub enum Job {
    /// A key pair, then the shared secret with the peer, whose public value is known already.
    /// `seed` makes the private value; it must never be used twice.
    Agree { group: Group, seed: [u8; 32], peer: Vec<u8> },
    /// A key pair alone; the initiator has no peer value yet.
    Generate { group: Group, seed: [u8; 32] },
    /// The shared secret from our private value and the peer's public one.
    Finish { group: Group, private: Secret, peer: Vec<u8> },
}

/// Public values and shared secrets are of the group's length, EC points without the 0x04 (RFC 5903
/// section 7).
pub enum Outcome {
    Agreed { public: Vec<u8>, shared: Secret },
    Generated { private: Secret, public: Vec<u8> },
    Finished { shared: Secret },
}

/// The peer's public value is of the wrong length, out of range, of small order, or not on the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPublic;

impl Job {
    /// Computes; milliseconds of work, and a pure function of the job.
    pub fn run(self) -> Result<Outcome, BadPublic> {
        match self {
            Self::Agree { group, seed, peer } => {
                agree(group, seed, &peer).map(|(public, shared)| Outcome::Agreed { public, shared })
            }
            Self::Generate { group, seed } => {
                let (private, public) = generate(group, seed);
                Ok(Outcome::Generated { private, public })
            }
            Self::Finish { group, private, peer } => {
                finish(group, &private, &peer).map(|shared| Outcome::Finished { shared })
            }
        }
    }
}

impl Group {
    pub const fn number(self) -> u16 {
        match self {
            Self::Modp768 => 1,
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Modp4096 => 16,
            Self::Modp6144 => 17,
            Self::Modp8192 => 18,
            Self::EcpP256 => 19,
            Self::EcpP384 => 20,
            Self::EcpP521 => 21,
            Self::Curve25519 => 31,
            Self::MlKem768 => 36,
            Self::MlKem1024 => 37,
        }
    }

    pub const fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Modp768,
            2 => Self::Modp1024,
            5 => Self::Modp1536,
            14 => Self::Modp2048,
            15 => Self::Modp3072,
            16 => Self::Modp4096,
            17 => Self::Modp6144,
            18 => Self::Modp8192,
            19 => Self::EcpP256,
            20 => Self::EcpP384,
            21 => Self::EcpP521,
            31 => Self::Curve25519,
            36 => Self::MlKem768,
            37 => Self::MlKem1024,
            _ => return None,
        })
    }

    /// Whether it is a KEM, whose two sides send values of different lengths.
    pub const fn is_kem(self) -> bool {
        matches!(self, Self::MlKem768 | Self::MlKem1024)
    }

    /// As most implementations write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modp768 => "modp768",
            Self::Modp1024 => "modp1024",
            Self::Modp1536 => "modp1536",
            Self::Modp2048 => "modp2048",
            Self::Modp3072 => "modp3072",
            Self::Modp4096 => "modp4096",
            Self::Modp6144 => "modp6144",
            Self::Modp8192 => "modp8192",
            Self::EcpP256 => "ecp256",
            Self::EcpP384 => "ecp384",
            Self::EcpP521 => "ecp521",
            Self::Curve25519 => "curve25519",
            Self::MlKem768 => "ml-kem-768",
            Self::MlKem1024 => "ml-kem-1024",
        }
    }

    /// Bits of the modulus or the curve; of a KEM its parameter set.
    pub const fn bits(self) -> u16 {
        match self {
            Self::Modp768 => 768,
            Self::Modp1024 => 1024,
            Self::Modp1536 => 1536,
            Self::Modp2048 => 2048,
            Self::Modp3072 => 3072,
            Self::Modp4096 => 4096,
            Self::Modp6144 => 6144,
            Self::Modp8192 => 8192,
            Self::EcpP256 => 256,
            Self::EcpP384 => 384,
            Self::EcpP521 => 521,
            Self::Curve25519 => 255,
            Self::MlKem768 => 768,
            Self::MlKem1024 => 1024,
        }
    }
}

fn generate(group: Group, seed: [u8; 32]) -> (Secret, Vec<u8>) {
    let mut drbg = Drbg::new(seed);
    match Method::of(group) {
        Method::Kem(kem) => kem.generate(&mut drbg),
        Method::Curve(curve) => curve.generate(&mut drbg),
        Method::Modp => {
            let private = modp::private(group, &mut drbg);
            let public = modp::public(group, &private);
            (private, public)
        }
    }
}

fn finish(group: Group, private: &Secret, peer: &[u8]) -> Result<Secret, BadPublic> {
    match Method::of(group) {
        Method::Kem(kem) => kem.decapsulate(private, peer),
        Method::Curve(curve) => curve.agree(private, peer),
        Method::Modp => modp::agree(group, private, peer),
    }
}

fn agree(group: Group, seed: [u8; 32], peer: &[u8]) -> Result<(Vec<u8>, Secret), BadPublic> {
    if let Method::Kem(kem) = Method::of(group) {
        return kem.encapsulate(peer, &mut Drbg::new(seed));
    }
    let (private, public) = generate(group, seed);
    Ok((public, finish(group, &private, peer)?))
}

enum Method {
    Modp,
    Curve(Curve),
    Kem(Kem),
}

impl Method {
    fn of(group: Group) -> Self {
        if let Some(kem) = Kem::of(group) {
            return Self::Kem(kem);
        }
        Curve::of(group).map_or(Self::Modp, Self::Curve)
    }
}

/// A curve of RFC 5903, where public values are X and Y and the shared secret is X alone (sections 7
/// and 9), or Curve25519, where all are one coordinate (RFC 8031).
struct Curve {
    algorithm: &'static agreement::Algorithm,
    /// Of a private value.
    bits: usize,
    /// What aws-lc writes before a public value, and IKE does not.
    before: &'static [u8],
}

impl Curve {
    fn of(group: Group) -> Option<Self> {
        let (algorithm, bits, before): (_, _, &[u8]) = match group {
            Group::EcpP256 => (&agreement::ECDH_P256, 256, &UNCOMPRESSED),
            Group::EcpP384 => (&agreement::ECDH_P384, 384, &UNCOMPRESSED),
            Group::EcpP521 => (&agreement::ECDH_P521, 521, &UNCOMPRESSED),
            Group::Curve25519 => (&agreement::X25519, 256, &[]),
            Group::Modp768
            | Group::Modp1024
            | Group::Modp1536
            | Group::Modp2048
            | Group::Modp3072
            | Group::Modp4096
            | Group::Modp6144
            | Group::Modp8192
            | Group::MlKem768
            | Group::MlKem1024 => return None,
        };
        Some(Self { algorithm, bits, before })
    }

    /// Bytes of a coordinate, and of a private value.
    const fn len(&self) -> usize {
        self.bits.div_ceil(8)
    }

    const fn public_len(&self) -> usize {
        if self.before.is_empty() { self.len() } else { 2 * self.len() }
    }

    /// Draws until the private value lies below the curve's order, so that every one is as likely.
    fn generate(&self, drbg: &mut Drbg) -> (Secret, Vec<u8>) {
        let mut scalar = vec![0; self.len()];
        loop {
            drbg.fill(&mut scalar);
            scalar[0] &= 0xff >> (self.len() * 8 - self.bits);
            if let Some(public) = self.public(&scalar) {
                return (Secret::from(scalar), public);
            }
        }
    }

    fn public(&self, scalar: &[u8]) -> Option<Vec<u8>> {
        let private = PrivateKey::from_private_key(self.algorithm, scalar).ok()?;
        let public = private.compute_public_key().ok()?;
        public.as_ref().strip_prefix(self.before).map(<[u8]>::to_vec)
    }

    fn agree(&self, private: &Secret, peer: &[u8]) -> Result<Secret, BadPublic> {
        if peer.len() != self.public_len() {
            return Err(BadPublic);
        }
        let private =
            PrivateKey::from_private_key(self.algorithm, private.expose()).map_err(|_| BadPublic)?;
        let point = UnparsedPublicKey::new(self.algorithm, [self.before, peer].concat());
        agreement::agree(&private, point, BadPublic, |shared| Ok(Secret::from(shared)))
    }
}

/// What SEC 1 writes before X and Y, and RFC 5903 does not.
const UNCOMPRESSED: [u8; 1] = [4];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::hex;

    const GROUPS: [Group; 14] = [
        Group::Modp768,
        Group::Modp1024,
        Group::Modp1536,
        Group::Modp2048,
        Group::Modp3072,
        Group::Modp4096,
        Group::Modp6144,
        Group::Modp8192,
        Group::EcpP256,
        Group::EcpP384,
        Group::EcpP521,
        Group::Curve25519,
        Group::MlKem768,
        Group::MlKem1024,
    ];

    fn generated(group: Group, seed: u8) -> (Secret, Vec<u8>) {
        match (Job::Generate { group, seed: [seed; 32] }).run() {
            Ok(Outcome::Generated { private, public }) => (private, public),
            _ => panic!("{group:?} did not generate"),
        }
    }

    fn finished(group: Group, private: Secret, peer: Vec<u8>) -> Result<Secret, BadPublic> {
        match (Job::Finish { group, private, peer }).run()? {
            Outcome::Finished { shared } => Ok(shared),
            Outcome::Agreed { .. } | Outcome::Generated { .. } => panic!("{group:?} did not finish"),
        }
    }

    /// Bytes of the initiator's public value, of the responder's, and of the shared secret.
    const fn lengths(group: Group) -> (usize, usize, usize) {
        match group {
            Group::EcpP256 => (64, 64, 32),
            Group::EcpP384 => (96, 96, 48),
            Group::EcpP521 => (132, 132, 66),
            Group::Curve25519 => (32, 32, 32),
            Group::MlKem768 => (1184, 1088, 32),
            Group::MlKem1024 => (1568, 1568, 32),
            Group::Modp768
            | Group::Modp1024
            | Group::Modp1536
            | Group::Modp2048
            | Group::Modp3072
            | Group::Modp4096
            | Group::Modp6144
            | Group::Modp8192 => {
                let length = group.bits() as usize / 8;
                (length, length, length)
            }
        }
    }

    #[test]
    fn both_sides_of_every_group_agree_and_lengths_are_the_groups() {
        for group in GROUPS {
            let (private, public) = generated(group, 1);
            let Ok(Outcome::Agreed { public: peer, shared }) =
                (Job::Agree { group, seed: [2; 32], peer: public.clone() }).run()
            else {
                panic!("{group:?} did not agree")
            };
            assert_eq!((public.len(), peer.len(), shared.len()), lengths(group), "{group:?}");
            assert!(finished(group, private, peer) == Ok(shared), "{group:?}");
        }
    }

    #[test]
    fn a_seed_decides_the_key_pair() {
        for group in [Group::Modp1024, Group::EcpP521, Group::Curve25519, Group::MlKem768] {
            assert_eq!(generated(group, 3).1, generated(group, 3).1);
            assert_ne!(generated(group, 3).1, generated(group, 4).1);
        }
    }

    #[test]
    fn numbers_name_groups_both_ways() {
        for group in GROUPS {
            assert_eq!(Group::from_number(group.number()), Some(group));
        }
        assert!([0, 3, 22, 32, 35].into_iter().all(|number| Group::from_number(number).is_none()));
    }

    #[test]
    fn a_point_off_the_curve_or_of_another_length_is_refused() {
        for group in [Group::EcpP256, Group::EcpP384, Group::EcpP521] {
            let (private, public) = generated(group, 5);
            let mut off = public.clone();
            *off.last_mut().unwrap() ^= 1;
            let short = public[1..].to_vec();
            for bad in [off, short, vec![], vec![0; public.len()], [&[4], &public[..]].concat()] {
                assert!(finished(group, private.clone(), bad) == Err(BadPublic), "{group:?}");
            }
        }
    }

    /// RFC 5903 sections 8.1 to 8.3.
    #[test]
    fn curves_agree_with_rfc_5903() {
        for (group, ours, public, peer, shared) in RFC_5903 {
            let curve = Curve::of(group).unwrap();
            assert_eq!(curve.public(&hex(ours)).unwrap(), hex(public), "{group:?}");
            let agreed = finished(group, Secret::from(hex(ours)), hex(peer));
            assert!(agreed == Ok(Secret::from(hex(shared))), "{group:?}");
        }
    }

    /// RFC 7748 section 6.1, from both sides.
    #[test]
    fn curve25519_agrees_with_rfc_7748() {
        let ours = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
        let public = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
        let theirs = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
        let peer = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
        let shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
        let curve = Curve::of(Group::Curve25519).unwrap();
        for (private, public, peer) in [(ours, public, peer), (theirs, peer, public)] {
            assert_eq!(curve.public(&hex(private)).unwrap(), hex(public));
            let agreed = finished(Group::Curve25519, hex(private).into(), hex(peer));
            assert!(agreed == Ok(hex(shared).into()));
        }
    }

    /// RFC 8031 section 2.3, RFC 7748 section 6.1: a secret of zeros means a point of small order.
    #[test]
    fn a_point_of_small_order_on_curve25519_is_refused() {
        let private = generated(Group::Curve25519, 6).0;
        let small = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800";
        let one = [&[1][..], &[0; 31]].concat();
        for bad in [vec![0; 32], one, hex(small), vec![9; 31], vec![9; 33], vec![]] {
            assert!(finished(Group::Curve25519, private.clone(), bad) == Err(BadPublic));
        }
    }

    const RFC_5903: [(Group, &str, &str, &str, &str); 3] = [
        (
            Group::EcpP256,
            "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
            "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180
             5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
            "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63
             56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
            "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE",
        ),
        (
            Group::EcpP384,
            "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
            "667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA
             9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
            "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571
             DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
            "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746",
        ),
        (
            Group::EcpP521,
            "0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A095AA85A30FE1C2952C6771D937BA9777
             F5957B2639BAB072462F68C27A57382D4A52",
            "0015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBEE1E3BF42E00B8E380AEAE57C2D107564
             941885942AF5A7F4601723C4195D176CED3E
             017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C739D7CB4A10AD8A788015AC405D7799DC75E7B7D5B6C
             F2261A6A7F1507438BF01BEB6CA3926F9582",
            "00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A219B97C356436ADC6E95BB0352F6BE64A6
             C2912D4EF2D0433CED2B6171640012D9460F
             015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87220B6536C5C408A1D2AEBB8E86D678AE
             49CB57091F4732296579AB44FCD17F0FC56A",
            "01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04D1427E73CA4BAA240A34786859810C06
             B3C715A3A8CC3151F2BEE417996D19F3DDEA",
        ),
    ];
}
