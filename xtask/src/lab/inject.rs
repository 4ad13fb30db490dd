//! Puts packets on a wire that no honest peer would send.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context as _, Result};
use socket2::{Domain, Protocol, Socket, Type};

use super::node::{Node, quote};

/// `xtask inject`, run inside a node: sends each line of standard input, an IPv4 packet in hexadecimal, to its own
/// destination. The kernel mends total length and header checksum.
pub(crate) fn run() -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
    for line in text.lines() {
        let packet = bytes(line).context("not hexadecimal")?;
        let destination = packet.get(16..20).context("not an IPv4 packet")?;
        let address = Ipv4Addr::new(destination[0], destination[1], destination[2], destination[3]);
        raw.send_to(&packet, &SocketAddrV4::new(address, 0).into())?;
    }
    Ok(())
}

/// Has `node` send these packets.
pub(crate) fn inject(node: &Node, packets: &[Vec<u8>]) -> Result<()> {
    let program = std::env::current_exe()?;
    let lines = packets.iter().map(|packet| hexadecimal(packet) + "\n").collect::<String>();
    node.feed(&format!("{} inject", quote(&program.to_string_lossy())), lines.as_bytes()).map(drop)
}

/// Two digits a byte.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `hexadecimal` wrote.
pub(crate) fn bytes(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    pairs.map(|pair| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_back() {
        assert_eq!(bytes(&hexadecimal(&[0, 0xab, 7])), Some(vec![0, 0xab, 7]));
        assert_eq!(bytes("abc"), None);
    }
}
