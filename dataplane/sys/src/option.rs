//! Sets a socket option from bytes.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use crate::check;

pub(crate) fn set(
    socket: impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: &[u8],
) -> io::Result<()> {
    let socket = socket.as_fd();
    let length = libc::socklen_t::try_from(value.len()).unwrap_or_default();
    // SAFETY: the option is read from `value`, of the length given, which outlives the call.
    let result =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, value.as_ptr().cast(), length) };
    check(result).map(drop)
}
