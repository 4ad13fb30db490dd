//! Asymmetric keys as aws-lc holds them: owned, freed, and used only through calls that are checked.

use core::ptr::{self, NonNull};

use aws_lc_sys as sys;
use base::Secret;

use crate::prf::Hash;

/// A key, private or public.
pub(crate) struct Key(NonNull<sys::EVP_PKEY>);

// SAFETY: aws-lc counts references atomically, and locks what signing changes within a key.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

/// How a signature is made, once key and scheme are known to fit.
#[derive(Clone, Copy)]
pub(crate) enum Method {
    /// PKCS #1 type 1 padding around the message itself.
    Raw,
    Pkcs1(Hash),
    /// MGF1 and salt of the same hash.
    Pss(Hash),
    Ecdsa(Hash),
    Pure,
}

impl Key {
    /// PKCS #8, PKCS #1 or SEC 1; nothing may follow.
    pub(crate) fn private(der: &[u8]) -> Option<Self> {
        Self::parse(der, sys::d2i_AutoPrivateKey)
    }

    /// A SubjectPublicKeyInfo; nothing may follow.
    pub(crate) fn public(spki: &[u8]) -> Option<Self> {
        Self::parse(spki, sys::d2i_PUBKEY)
    }

    fn parse(der: &[u8], parse: Parse) -> Option<Self> {
        let (mut at, length) = (der.as_ptr(), der.len().try_into().ok()?);
        // SAFETY: `at` is valid for `length` bytes; given null, a new key is made, which is ours.
        let key = unsafe { parse(ptr::null_mut(), &raw mut at, length) };
        clear_errors();
        let key = Self(NonNull::new(key)?);
        (at == der.as_ptr_range().end).then_some(key)
    }

    pub(crate) fn id(&self) -> i32 {
        // SAFETY: the key is live.
        unsafe { sys::EVP_PKEY_id(self.0.as_ptr()) }
    }

    /// Bits of an RSA key's modulus.
    pub(crate) fn bits(&self) -> u16 {
        // SAFETY: the key is live.
        let bits = unsafe { sys::EVP_PKEY_bits(self.0.as_ptr()) };
        bits.try_into().unwrap_or(u16::MAX)
    }

    /// The curve of an EC key.
    pub(crate) fn curve(&self) -> Option<i32> {
        // SAFETY: the key is live; what it gives belongs to it, and is null for keys that are not EC.
        let key = NonNull::new(unsafe { sys::EVP_PKEY_get0_EC_KEY(self.0.as_ptr()) })?;
        // SAFETY: as above.
        let group = unsafe { sys::EC_KEY_get0_group(key.as_ptr()) };
        // SAFETY: a parsed EC key has a group.
        (!group.is_null()).then(|| unsafe { sys::EC_GROUP_get_curve_name(group) })
    }

    /// The public half as a SubjectPublicKeyInfo.
    pub(crate) fn spki(&self) -> Option<Vec<u8>> {
        // SAFETY: the key is live; null asks for the length alone.
        let length = unsafe { sys::i2d_PUBKEY(self.0.as_ptr(), ptr::null_mut()) };
        let mut out = vec![0; usize::try_from(length).ok()?];
        let mut at = out.as_mut_ptr();
        // SAFETY: `at` is valid for the length just asked for.
        let written = unsafe { sys::i2d_PUBKEY(self.0.as_ptr(), &raw mut at) };
        (length > 0 && written == length).then_some(out)
    }

    /// `None` if this key cannot sign so, as when it is too short for the hash.
    pub(crate) fn sign(&self, method: Method, message: &[u8]) -> Option<Vec<u8>> {
        let signature = match method {
            Method::Raw => self.sign_raw(message),
            Method::Pkcs1(_) | Method::Pss(_) | Method::Ecdsa(_) | Method::Pure => {
                self.sign_message(method, message)
            }
        };
        clear_errors();
        signature
    }

    pub(crate) fn verify(&self, method: Method, message: &[u8], signature: &[u8]) -> bool {
        let good = match method {
            Method::Raw => self.verify_raw(message, signature),
            Method::Pkcs1(_) | Method::Pss(_) | Method::Ecdsa(_) | Method::Pure => {
                self.verify_message(method, message, signature)
            }
        };
        clear_errors();
        good == Some(())
    }

    fn sign_raw(&self, message: &[u8]) -> Option<Vec<u8>> {
        let context = Context::of(self)?;
        let (mut out, mut length) = self.room();
        // SAFETY: the context is live and its key an RSA key, whose default is this padding; `out` has
        // `length` bytes.
        unsafe {
            done(sys::EVP_PKEY_sign_init(context.0.as_ptr()))?;
            let (to, from) = (out.as_mut_ptr(), message.as_ptr());
            done(sys::EVP_PKEY_sign(context.0.as_ptr(), to, &raw mut length, from, message.len()))?;
        }
        out.truncate(length);
        Some(out)
    }

    fn verify_raw(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let context = Context::of(self)?;
        let (at, length) = (signature.as_ptr(), signature.len());
        // SAFETY: as for signing; pointers and lengths are of one slice each.
        unsafe {
            done(sys::EVP_PKEY_verify_init(context.0.as_ptr()))?;
            done(sys::EVP_PKEY_verify(context.0.as_ptr(), at, length, message.as_ptr(), message.len()))
        }
    }

    fn sign_message(&self, method: Method, message: &[u8]) -> Option<Vec<u8>> {
        let digest = Digest::new();
        let (mut out, mut length) = self.room();
        let mut context = ptr::null_mut();
        // SAFETY: everything is live, `context` belongs to `digest`, and `out` has `length` bytes.
        unsafe {
            let (to, key) = (digest.0.as_ptr(), self.0.as_ptr());
            done(sys::EVP_DigestSignInit(to, &raw mut context, method.hash(), ptr::null_mut(), key))?;
            method.pad(context, sys::RSA_PSS_SALTLEN_DIGEST)?;
            let (from, size) = (message.as_ptr(), message.len());
            done(sys::EVP_DigestSign(to, out.as_mut_ptr(), &raw mut length, from, size))?;
        }
        out.truncate(length);
        Some(out)
    }

    fn verify_message(&self, method: Method, message: &[u8], signature: &[u8]) -> Option<()> {
        let digest = Digest::new();
        let mut context = ptr::null_mut();
        // SAFETY: everything is live, and `context` belongs to `digest`.
        unsafe {
            let (to, key) = (digest.0.as_ptr(), self.0.as_ptr());
            done(sys::EVP_DigestVerifyInit(to, &raw mut context, method.hash(), ptr::null_mut(), key))?;
            method.pad(context, sys::RSA_PSS_SALTLEN_AUTO)?;
            let (at, length) = (signature.as_ptr(), signature.len());
            done(sys::EVP_DigestVerify(to, at, length, message.as_ptr(), message.len()))
        }
    }

    /// Room for the longest signature of this key.
    fn room(&self) -> (Vec<u8>, usize) {
        // SAFETY: the key is live.
        let length = unsafe { sys::EVP_PKEY_size(self.0.as_ptr()) }.try_into().unwrap_or(0);
        (vec![0; length], length)
    }
}

/// The keys of a KEM: `nid` says which.
impl Key {
    /// A key pair, private and public half, from 64 random bytes: d and z of FIPS 203.
    pub(crate) fn kem_pair(nid: i32, seed: &[u8; 64]) -> Option<(Secret, Vec<u8>)> {
        let context = Context::kem()?;
        let (mut key, mut length) = (ptr::null_mut(), seed.len());
        // SAFETY: the context is live; given null, a new key is made, which is ours.
        unsafe {
            let context = context.0.as_ptr();
            done(sys::EVP_PKEY_CTX_kem_set_params(context, nid))?;
            done(sys::EVP_PKEY_keygen_init(context))?;
            let seed = seed.as_ptr();
            done(sys::EVP_PKEY_keygen_deterministic(context, &raw mut key, seed, &raw mut length))?;
        }
        let key = Self(NonNull::new(key)?);
        let private = key.raw(sys::EVP_PKEY_get_raw_private_key)?;
        Some((Secret::from(private), key.raw(sys::EVP_PKEY_get_raw_public_key)?))
    }

    /// A ciphertext and the secret in it, from 32 random bytes. `None` if `public` is no public key.
    pub(crate) fn kem_encapsulate(nid: i32, public: &[u8], seed: &[u8; 32]) -> Option<(Vec<u8>, Secret)> {
        // SAFETY: pointer and length are of one slice; the key is ours.
        let key = unsafe { sys::EVP_PKEY_kem_new_raw_public_key(nid, public.as_ptr(), public.len()) };
        clear_errors();
        let context = Context::of(&Self(NonNull::new(key)?))?;
        let (mut text, mut text_len) = ([0; KEM_LONGEST], KEM_LONGEST);
        let (mut secret, mut secret_len) = (vec![0; 32], 32);
        let mut seed_len = seed.len();
        // SAFETY: the context is live and holds its key; each pointer is valid for the length beside it.
        let encapsulated = unsafe {
            sys::EVP_PKEY_encapsulate_deterministic(
                context.0.as_ptr(),
                text.as_mut_ptr(),
                &raw mut text_len,
                secret.as_mut_ptr(),
                &raw mut secret_len,
                seed.as_ptr(),
                &raw mut seed_len,
            )
        };
        clear_errors();
        done(encapsulated)?;
        secret.truncate(secret_len);
        Some((text.get(..text_len)?.to_vec(), Secret::from(secret)))
    }

    /// The secret in a ciphertext. One of the right length always has a secret, if not the peer's.
    pub(crate) fn kem_decapsulate(nid: i32, private: &Secret, text: &[u8]) -> Option<Secret> {
        let bytes = private.expose();
        // SAFETY: pointer and length are of one slice; the key is ours.
        let key = unsafe { sys::EVP_PKEY_kem_new_raw_secret_key(nid, bytes.as_ptr(), bytes.len()) };
        clear_errors();
        let context = Context::of(&Self(NonNull::new(key)?))?;
        let (mut secret, mut length) = (vec![0; 32], 32);
        let (to, from) = (secret.as_mut_ptr(), text.as_ptr());
        // SAFETY: as for encapsulation.
        let opened =
            unsafe { sys::EVP_PKEY_decapsulate(context.0.as_ptr(), to, &raw mut length, from, text.len()) };
        clear_errors();
        let secret = Secret::from(secret);
        (opened == 1 && length == secret.len()).then_some(secret)
    }

    fn raw(&self, read: ReadRaw) -> Option<Vec<u8>> {
        let mut length = 0;
        // SAFETY: the key is live; null asks for the length alone.
        done(unsafe { read(self.0.as_ptr(), ptr::null_mut(), &raw mut length) })?;
        let mut out = vec![0; length];
        // SAFETY: `out` has `length` bytes.
        done(unsafe { read(self.0.as_ptr(), out.as_mut_ptr(), &raw mut length) })?;
        (length == out.len()).then_some(out)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: we own this reference, and nothing uses it any more.
        unsafe { sys::EVP_PKEY_free(self.0.as_ptr()) }
    }
}

impl Method {
    fn hash(self) -> *const sys::EVP_MD {
        match self {
            Self::Pkcs1(hash) | Self::Pss(hash) | Self::Ecdsa(hash) => digest(hash),
            Self::Raw | Self::Pure => ptr::null(),
        }
    }

    /// # Safety
    /// `context` must be a live context, of an RSA key if this is PSS.
    unsafe fn pad(self, context: *mut sys::EVP_PKEY_CTX, salt: i32) -> Option<()> {
        match self {
            Self::Pss(_) => {
                // SAFETY: as the caller promises.
                done(unsafe { sys::EVP_PKEY_CTX_set_rsa_padding(context, sys::RSA_PKCS1_PSS_PADDING) })?;
                // SAFETY: as the caller promises.
                done(unsafe { sys::EVP_PKEY_CTX_set_rsa_pss_saltlen(context, salt) })
            }
            Self::Raw | Self::Pkcs1(_) | Self::Ecdsa(_) | Self::Pure => Some(()),
        }
    }
}

fn digest(hash: Hash) -> *const sys::EVP_MD {
    let name = match hash {
        Hash::Md5 => sys::EVP_md5,
        Hash::Sha1 => sys::EVP_sha1,
        Hash::Sha256 => sys::EVP_sha256,
        Hash::Sha384 => sys::EVP_sha384,
        Hash::Sha512 => sys::EVP_sha512,
    };
    // SAFETY: no precondition; what it gives lives for ever.
    unsafe { name() }
}

/// A computation with one key, or one that makes a key.
struct Context(NonNull<sys::EVP_PKEY_CTX>);

impl Context {
    fn of(key: &Key) -> Option<Self> {
        // SAFETY: the key is live, and the context takes a reference of its own.
        NonNull::new(unsafe { sys::EVP_PKEY_CTX_new(key.0.as_ptr(), ptr::null_mut()) }).map(Self)
    }

    fn kem() -> Option<Self> {
        // SAFETY: no precondition.
        NonNull::new(unsafe { sys::EVP_PKEY_CTX_new_id(sys::EVP_PKEY_KEM, ptr::null_mut()) }).map(Self)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: we own the context, and nothing uses it any more.
        unsafe { sys::EVP_PKEY_CTX_free(self.0.as_ptr()) }
    }
}

/// A hash on its way into a signature.
struct Digest(NonNull<sys::EVP_MD_CTX>);

impl Digest {
    fn new() -> Self {
        // SAFETY: no precondition. As any allocation in Rust, a failed one ends the program.
        Self(NonNull::new(unsafe { sys::EVP_MD_CTX_new() }).expect("memory for a hash"))
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        // SAFETY: we own the context, and nothing uses it any more.
        unsafe { sys::EVP_MD_CTX_free(self.0.as_ptr()) }
    }
}

fn done(result: i32) -> Option<()> {
    (result == 1).then_some(())
}

/// aws-lc queues what went wrong for the thread; we never read it.
fn clear_errors() {
    // SAFETY: no precondition.
    unsafe { sys::ERR_clear_error() }
}

/// Bytes of the longest ciphertext, ML-KEM-1024's.
const KEM_LONGEST: usize = 1568;

type Parse = unsafe extern "C" fn(*mut *mut sys::EVP_PKEY, *mut *const u8, i64) -> *mut sys::EVP_PKEY;
type ReadRaw = unsafe extern "C" fn(*const sys::EVP_PKEY, *mut u8, *mut usize) -> i32;
