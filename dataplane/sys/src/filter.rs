//! Programs that decide in the kernel what a socket hears: classic BPF, bpf(4).

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use base::Family;

/// One instruction; where to go from it if its test holds, and if not; its operand.
pub(crate) type Step = (u16, To, To, u32);

#[derive(Clone, Copy)]
pub(crate) enum To {
    Next,
    Over(u8),
    /// The frame is heard.
    Pass,
    /// It is left to the kernel, or to nobody.
    Leave,
}

use To::{Leave, Next, Over, Pass};

pub(crate) const LOAD_32: u16 = 0x20;
pub(crate) const LOAD_16: u16 = 0x28;
pub(crate) const LOAD_8: u16 = 0x30;
pub(crate) const LOAD_LENGTH: u16 = 0x80;
pub(crate) const LOAD_16_INDEXED: u16 = 0x48;
pub(crate) const INDEX_BY_HEADER: u16 = 0xB1;
pub(crate) const IF_EQUAL: u16 = 0x15;
pub(crate) const IF_AT_LEAST: u16 = 0x35;
pub(crate) const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// From now on the socket hears only of what these steps pass.
pub(crate) fn attach(socket: impl AsFd, steps: &[Step]) -> io::Result<()> {
    let mut program = assemble(steps);
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    let (pointer, size) = ((&raw const program).cast(), size_of_val(&program) as libc::socklen_t);
    let (fd, option) = (socket.as_fd().as_raw_fd(), libc::SO_ATTACH_FILTER);
    // SAFETY: pointer and size are of one live program, which names as many live instructions as it says.
    crate::check(unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, pointer, size) }).map(drop)
}

/// The two verdicts come last.
fn assemble(steps: &[Step]) -> Vec<libc::sock_filter> {
    let jump = |at: usize, to: To| match to {
        Next => 0,
        Over(steps) => usize::from(steps),
        Pass => steps.len() - at - 1,
        Leave => steps.len() - at,
    };
    let instruction = |(at, (code, yes, no, k)): (usize, &Step)| {
        let [jt, jf] = [*yes, *no].map(|to| u8::try_from(jump(at, to)).unwrap_or(u8::MAX));
        libc::sock_filter { code: *code, jt, jf, k: *k }
    };
    let verdicts = [u32::MAX, 0].map(|k| libc::sock_filter { code: RETURN, jt: 0, jf: 0, k });
    steps.iter().enumerate().map(instruction).chain(verdicts).collect()
}

/// A UDP socket hears only what no router has passed on: TTL or hop limit 255 (RFC 5881 section 5).
pub fn only_near(socket: impl AsFd, family: Family) -> io::Result<()> {
    /// From here on operands count from the network header, `SKF_NET_OFF`.
    const NETWORK: u32 = 0xfff0_0000;
    let hops = match family {
        Family::V4 => 8,
        Family::V6 => 7,
    };
    attach(socket, &[(LOAD_8, Next, Next, NETWORK + hops), (IF_EQUAL, Pass, Leave, 255)])
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_comes_from_far_away_is_not_heard() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        only_near(&socket, Family::V4).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        let there = socket.local_addr().unwrap();
        for (ttl, byte) in [(254, 1), (255, 2)] {
            sender.set_ttl(ttl).unwrap();
            sender.send_to(&[byte], there).unwrap();
        }
        let mut buffer = [0; 4];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 1);
        assert_eq!(buffer[0], 2);
    }
}
