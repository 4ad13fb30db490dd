//! Network devices by name.

use std::ffi::CString;
use std::io;

/// The kernel's number of the device called `name` in this network namespace.
pub fn index_of(name: &str) -> io::Result<u32> {
    let name = CString::new(name).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: `name` is a NUL-terminated string that outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_has_a_number_and_nonsense_has_none() {
        assert!(index_of("lo").unwrap() > 0);
        assert!(index_of("no-such-device").is_err());
        assert!(index_of("a\0b").is_err());
    }
}
