//! Finite-field Diffie-Hellman over the safe primes of RFC 2409 and RFC 3526, generator 2.

use core::ptr::{self, NonNull};

use aws_lc_sys as sys;
use base::Secret;

use crate::dh::{BadPublic, Group};
use crate::drbg::Drbg;

/// A private exponent, drawn from `drbg`: at least twice the group's strength (NIST SP 800-56A
/// appendix D), as these primes are safe ones.
pub(crate) fn private(group: Group, drbg: &mut Drbg) -> Secret {
    let length = match group.bits() {
        ..=3072 => 32,
        3073..=6144 => 48,
        _ => 64,
    };
    let mut exponent = vec![0; length];
    drbg.fill(&mut exponent);
    Secret::from(exponent)
}

/// 2^private mod p, as long as p.
pub(crate) fn public(group: Group, private: &Secret) -> Vec<u8> {
    power(&[2], private.expose(), &prime(group)).expose().to_vec()
}

/// peer^private mod p, as long as p. The peer's value must lie between 1 and p-1, both excluded:
/// only then is it of large order.
pub(crate) fn agree(group: Group, private: &Secret, peer: &[u8]) -> Result<Secret, BadPublic> {
    let prime = prime(group);
    let (Some((last, above)), Some((&odd, prime_above))) = (peer.split_last(), prime.split_last()) else {
        return Err(BadPublic);
    };
    let more_than_one = above.iter().any(|&byte| byte != 0) || *last > 1;
    // p is odd, so p-1 differs from it in the last byte only; of equal lengths, the first byte that
    // differs decides.
    let less_than_minus_one = (above, *last) < (prime_above, odd - 1);
    if peer.len() != prime.len() || !more_than_one || !less_than_minus_one {
        return Err(BadPublic);
    }
    Ok(power(peer, private.expose(), &prime))
}

fn prime(group: Group) -> Vec<u8> {
    let known: Option<unsafe extern "C" fn(*mut sys::BIGNUM) -> *mut sys::BIGNUM> = match group {
        Group::Modp1536 => Some(sys::BN_get_rfc3526_prime_1536),
        Group::Modp2048 => Some(sys::BN_get_rfc3526_prime_2048),
        Group::Modp3072 => Some(sys::BN_get_rfc3526_prime_3072),
        Group::Modp4096 => Some(sys::BN_get_rfc3526_prime_4096),
        Group::Modp6144 => Some(sys::BN_get_rfc3526_prime_6144),
        Group::Modp8192 => Some(sys::BN_get_rfc3526_prime_8192),
        Group::Modp768
        | Group::Modp1024
        | Group::EcpP256
        | Group::EcpP384
        | Group::EcpP521
        | Group::Curve25519
        | Group::MlKem768
        | Group::MlKem1024 => None,
    };
    match known {
        // SAFETY: given null, the function makes a new number, which is ours.
        Some(make) => Number::own(unsafe { make(ptr::null_mut()) }).bytes(usize::from(group.bits()) / 8),
        None if group == Group::Modp768 => words(&MODP_768),
        None => words(&MODP_1024),
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// base^exponent mod modulus, as long as the modulus; its time depends on the lengths alone.
/// `base` must be less than `modulus`, which must be odd.
fn power(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Secret {
    let (result, context) = (Number::zero(), Context::new());
    let numbers = [base, exponent, modulus].map(Number::from_bytes);
    let [base, exponent, odd] = &numbers;
    // SAFETY: all pointers are live and distinct; null asks for a Montgomery context made on the way.
    let done = unsafe {
        let (base, exponent, odd) = (base.0.as_ptr(), exponent.0.as_ptr(), odd.0.as_ptr());
        sys::BN_mod_exp_mont_consttime(
            result.0.as_ptr(),
            base,
            exponent,
            odd,
            context.0.as_ptr(),
            ptr::null(),
        )
    };
    assert_eq!(done, 1, "memory, an odd modulus and a reduced base");
    Secret::from(result.bytes(modulus.len()))
}

/// A number of aws-lc, wiped when dropped.
struct Number(NonNull<sys::BIGNUM>);

impl Number {
    /// `number` must be ours to free. As any allocation in Rust, a failed one ends the program.
    fn own(number: *mut sys::BIGNUM) -> Self {
        Self(NonNull::new(number).expect("memory for a number"))
    }

    fn zero() -> Self {
        // SAFETY: no precondition.
        Self::own(unsafe { sys::BN_new() })
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        // SAFETY: the pointer and the length are one slice's; given null, it makes a new number.
        Self::own(unsafe { sys::BN_bin2bn(bytes.as_ptr(), bytes.len(), ptr::null_mut()) })
    }

    /// Big-endian, padded to `length`, which must hold the number.
    fn bytes(&self, length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        // SAFETY: `out` has `length` bytes, and the number is live.
        let done = unsafe { sys::BN_bn2bin_padded(out.as_mut_ptr(), length, self.0.as_ptr()) };
        assert_eq!(done, 1, "a number of at most {length} bytes");
        out
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // SAFETY: we own the number, and nothing uses it any more.
        unsafe { sys::BN_clear_free(self.0.as_ptr()) }
    }
}

/// Scratch space of aws-lc.
struct Context(NonNull<sys::BN_CTX>);

impl Context {
    fn new() -> Self {
        // SAFETY: no precondition.
        Self(NonNull::new(unsafe { sys::BN_CTX_new() }).expect("memory for a number context"))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: we own the context, and nothing uses it any more.
        unsafe { sys::BN_CTX_free(self.0.as_ptr()) }
    }
}

/// RFC 2409 section 6.1.
const MODP_768: [u32; 24] = [
    0xFFFFFFFF, 0xFFFFFFFF, 0xC90FDAA2, 0x2168C234, 0xC4C6628B, 0x80DC1CD1, 0x29024E08, 0x8A67CC74,
    0x020BBEA6, 0x3B139B22, 0x514A0879, 0x8E3404DD, 0xEF9519B3, 0xCD3A431B, 0x302B0A6D, 0xF25F1437,
    0x4FE1356D, 0x6D51C245, 0xE485B576, 0x625E7EC6, 0xF44C42E9, 0xA63A3620, 0xFFFFFFFF, 0xFFFFFFFF,
];

/// RFC 2409 section 6.2.
const MODP_1024: [u32; 32] = [
    0xFFFFFFFF, 0xFFFFFFFF, 0xC90FDAA2, 0x2168C234, 0xC4C6628B, 0x80DC1CD1, 0x29024E08, 0x8A67CC74,
    0x020BBEA6, 0x3B139B22, 0x514A0879, 0x8E3404DD, 0xEF9519B3, 0xCD3A431B, 0x302B0A6D, 0xF25F1437,
    0x4FE1356D, 0x6D51C245, 0xE485B576, 0x625E7EC6, 0xF44C42E9, 0xA637ED6B, 0x0BFF5CB6, 0xF406B7ED,
    0xEE386BFB, 0x5A899FA5, 0xAE9F2411, 0x7C4B1FE6, 0x49286651, 0xECE65381, 0xFFFFFFFF, 0xFFFFFFFF,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Record;

    const GROUPS: [Group; 8] = [
        Group::Modp768,
        Group::Modp1024,
        Group::Modp1536,
        Group::Modp2048,
        Group::Modp3072,
        Group::Modp4096,
        Group::Modp6144,
        Group::Modp8192,
    ];

    const PUBLISHED: &str = include_str!("../tests/vectors/modp.txt");

    #[test]
    fn every_prime_is_that_of_its_rfc_and_both_sides_get_what_other_arithmetic_gets() {
        let records = Record::all(PUBLISHED);
        assert_eq!(records.len(), GROUPS.len());
        for (record, group) in records.iter().zip(GROUPS) {
            assert_eq!(record.text("bits"), group.bits().to_string());
            assert_eq!(prime(group), record.bytes("prime"), "{group:?}");
            let private = Secret::from(record.bytes("private"));
            assert_eq!(public(group, &private), record.bytes("public"), "{group:?}");
            let shared = agree(group, &private, &record.bytes("peer")).unwrap();
            assert_eq!(shared.expose(), record.bytes("shared"), "{group:?}");
        }
    }

    #[test]
    fn the_constants_of_ours_are_safe_primes() {
        for group in [Group::Modp768, Group::Modp1024] {
            let mut half = prime(group);
            for value in [half.clone(), {
                shift_right(&mut half);
                half
            }] {
                let (number, context) = (Number::from_bytes(&value), Context::new());
                // SAFETY: both pointers are live; null asks for no callback.
                let prime = unsafe {
                    sys::BN_is_prime_ex(number.0.as_ptr(), 20, context.0.as_ptr(), ptr::null_mut())
                };
                assert_eq!(prime, 1, "{group:?}");
            }
        }
    }

    fn shift_right(bytes: &mut [u8]) {
        let mut carry = 0;
        for byte in bytes {
            (*byte, carry) = (*byte >> 1 | carry << 7, *byte & 1);
        }
    }

    #[test]
    fn a_public_value_of_small_order_or_beyond_the_prime_or_of_another_length_is_refused() {
        for group in GROUPS {
            let prime = prime(group);
            let private = private(group, &mut Drbg::new([7; 32]));
            let near = |distance: u8| {
                let mut value = prime.clone();
                *value.last_mut().unwrap() -= distance;
                value
            };
            let small = |value: u8| {
                let mut bytes = vec![0; prime.len()];
                *bytes.last_mut().unwrap() = value;
                bytes
            };
            let long = [&[0][..], &small(2)].concat();
            let bad = [vec![], small(0), small(1), near(1), near(0), vec![0xff; prime.len()], long, vec![2]];
            for peer in bad {
                assert!(agree(group, &private, &peer) == Err(BadPublic), "{group:?} {peer:02x?}");
            }
            for peer in [small(2), near(2)] {
                assert!(agree(group, &private, &peer).is_ok(), "{group:?}");
            }
        }
    }
}
