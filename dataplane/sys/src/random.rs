//! Random bytes from the kernel, for seeding the engines.

use std::io;

/// Fills `bytes` from the kernel's generator; waits, at early boot only, until it is seeded.
pub fn fill_random(bytes: &mut [u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        // SAFETY: the pointer and the length are of one live, writable slice.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match usize::try_from(got) {
            Ok(got) => rest = rest.get_mut(got..).unwrap_or_default(),
            Err(_) => interrupted_or(io::Error::last_os_error())?,
        }
    }
    Ok(())
}

fn interrupted_or(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ_and_fill_every_byte() {
        let (mut a, mut b) = ([0u8; 512], [0u8; 512]);
        fill_random(&mut a).unwrap();
        fill_random(&mut b).unwrap();
        assert_ne!(a, b);
        assert!(a.chunks(64).all(|chunk| chunk != [0; 64]));
    }
}
