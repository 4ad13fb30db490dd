//! The AES block cipher and its counter mode (RFC 3686), in place, by aws-lc.

use aws_lc_sys as sys;
use zeroize::Zeroize;

use crate::BadLength;

/// A key ready to encrypt blocks; its state is inline and wiped on drop.
pub(crate) struct Aes(sys::AES_KEY);

impl Aes {
    /// Errs if `key` is not 16, 24 or 32 bytes.
    pub(crate) fn new(key: &[u8]) -> Result<Self, BadLength> {
        let bits = match key.len() {
            16 => 128,
            24 => 192,
            32 => 256,
            _ => return Err(BadLength),
        };
        let mut schedule = sys::AES_KEY { rd_key: [0; 60], rounds: 0 };
        // SAFETY: `key` has `bits` bits, and `schedule` is valid for writing.
        match unsafe { sys::AES_set_encrypt_key(key.as_ptr(), bits, &raw mut schedule) } {
            0 => Ok(Self(schedule)),
            _ => Err(BadLength),
        }
    }

    pub(crate) fn encrypt(&self, block: &mut [u8; 16]) {
        let bytes = block.as_mut_ptr();
        // SAFETY: input and output are the same block, which is allowed, and the key is set.
        unsafe { sys::AES_encrypt(bytes.cast_const(), bytes, &raw const self.0) };
    }

    /// The encryption of zeros and a byte: subkeys are made so.
    pub(crate) fn encrypted(&self, mut block: [u8; 16]) -> [u8; 16] {
        self.encrypt(&mut block);
        block
    }

    /// Adds to `data` the key stream that begins with the encryption of `counter`.
    pub(crate) fn ctr(&self, mut counter: [u8; 16], data: &mut [u8]) {
        let (mut stream, mut used) = ([0; 16], 0);
        let (bytes, length) = (data.as_mut_ptr(), data.len());
        // SAFETY: `bytes` is valid for `length` bytes, input and output may be the same, and `counter`
        // and `stream` are blocks.
        unsafe {
            sys::AES_ctr128_encrypt(
                bytes.cast_const(),
                bytes,
                length,
                &raw const self.0,
                counter.as_mut_ptr(),
                stream.as_mut_ptr(),
                &raw mut used,
            );
        }
        stream.zeroize();
    }

    /// CBC-MAC: absorbs `data` into `state`, the last block filled up with zeros.
    pub(crate) fn absorb(&self, state: &mut [u8; 16], data: &[u8]) {
        for chunk in data.chunks(16) {
            state.iter_mut().zip(chunk).for_each(|(byte, more)| *byte ^= more);
            self.encrypt(state);
        }
    }
}

impl Drop for Aes {
    fn drop(&mut self) {
        self.0.rd_key.zeroize();
    }
}
