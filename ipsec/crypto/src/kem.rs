//! ML-KEM (FIPS 203) as a key exchange of IKE (RFC 9370, draft-ietf-ipsecme-ikev2-mlkem): the initiator
//! sends a public key, the responder a ciphertext.

use aws_lc_sys as sys;
use base::Secret;

use crate::dh::{BadPublic, Group};
use crate::drbg::Drbg;
use crate::evp::Key;

pub(crate) struct Kem(i32);

impl Kem {
    pub(crate) const fn of(group: Group) -> Option<Self> {
        match group {
            Group::MlKem768 => Some(Self(sys::NID_MLKEM768)),
            Group::MlKem1024 => Some(Self(sys::NID_MLKEM1024)),
            Group::Modp768
            | Group::Modp1024
            | Group::Modp1536
            | Group::Modp2048
            | Group::Modp3072
            | Group::Modp4096
            | Group::Modp6144
            | Group::Modp8192
            | Group::EcpP256
            | Group::EcpP384
            | Group::EcpP521
            | Group::Curve25519 => None,
        }
    }

    /// The decapsulation key and the encapsulation key.
    pub(crate) fn generate(&self, drbg: &mut Drbg) -> (Secret, Vec<u8>) {
        Key::kem_pair(self.0, &drbg.bytes()).expect("memory, and a seed of the right length")
    }

    /// A ciphertext, and the secret in it.
    pub(crate) fn encapsulate(&self, peer: &[u8], drbg: &mut Drbg) -> Result<(Vec<u8>, Secret), BadPublic> {
        Key::kem_encapsulate(self.0, peer, &drbg.bytes()).ok_or(BadPublic)
    }

    pub(crate) fn decapsulate(&self, private: &Secret, text: &[u8]) -> Result<Secret, BadPublic> {
        Key::kem_decapsulate(self.0, private, text).ok_or(BadPublic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prf::Hash;
    use crate::testing::Record;

    const PUBLISHED: &str = include_str!("../tests/vectors/ml-kem.txt");

    fn sha256(bytes: &[u8]) -> Vec<u8> {
        Hash::Sha256.digest(&[bytes])
    }

    #[test]
    fn ml_kem_agrees_with_the_vectors_of_acvp() {
        let mut operations = [0; 3];
        for record in Record::all(PUBLISHED) {
            let nid = match record.text("parameters") {
                "ML-KEM-768" => sys::NID_MLKEM768,
                "ML-KEM-1024" => sys::NID_MLKEM1024,
                other => panic!("{other}"),
            };
            match record.text("operation") {
                "generate" => {
                    let seed = [record.bytes("d"), record.bytes("z")].concat().try_into().unwrap();
                    let (private, public) = Key::kem_pair(nid, &seed).unwrap();
                    assert_eq!(sha256(&public), record.bytes("ek_sha256"));
                    assert_eq!(sha256(private.expose()), record.bytes("dk_sha256"));
                    operations[0] += 1;
                }
                "encapsulate" => {
                    let seed = record.bytes("m").try_into().unwrap();
                    let (text, shared) = Key::kem_encapsulate(nid, &record.bytes("ek"), &seed).unwrap();
                    assert_eq!(sha256(&text), record.bytes("c_sha256"));
                    assert_eq!(shared.expose(), record.bytes("k"));
                    operations[1] += 1;
                }
                "decapsulate" => {
                    let shared = Key::kem_decapsulate(nid, &record.bytes("dk").into(), &record.bytes("c"));
                    assert_eq!(shared.unwrap().expose(), record.bytes("k"), "{}", record.text("reason"));
                    operations[2] += 1;
                }
                other => panic!("{other}"),
            }
        }
        assert!(operations.into_iter().all(|count| count >= 6));
    }

    /// FIPS 203 sections 7.2 and 7.3: the checks of type, modulus and hash.
    #[test]
    fn what_is_no_key_or_ciphertext_is_refused() {
        for kem in [Group::MlKem768, Group::MlKem1024].map(|group| Kem::of(group).unwrap()) {
            let mut drbg = Drbg::new([1; 32]);
            let (private, public) = kem.generate(&mut drbg);
            let (text, _) = kem.encapsulate(&public, &mut drbg).unwrap();

            let mut beyond = public.clone();
            (beyond[0], beyond[1]) = (0xff, beyond[1] | 0x0f);
            for bad in [beyond, vec![], public[1..].to_vec(), [&public[..], &[0]].concat()] {
                assert!(kem.encapsulate(&bad, &mut drbg).err() == Some(BadPublic));
            }
            for bad in [vec![], text[1..].to_vec(), [&text[..], &[0]].concat()] {
                assert!(kem.decapsulate(&private, &bad).err() == Some(BadPublic));
            }
        }
    }
}
