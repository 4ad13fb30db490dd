//! The two ends of an SA against published vectors, against each other, and against an attacker.

mod properties;
mod refusals;
mod vectors;

use core::ops::Range;

use base::{Family, PolicyId, Prefix, SaId, Spi, VrfId};
use ipsec::{Cipher, Direction, Encap, Integrity, Keys, Ports, Replay, Sa, Selector, Suite};

use crate::{HEADROOM, Inbound, Opened, Outbound, Refusal, TAILROOM};

/// Every suite that can be configured.
fn suites() -> Vec<Suite> {
    let ccm = [128, 192, 256].map(Cipher::AesCcm);
    let aeads = [128, 192, 256].map(Cipher::AesGcm).into_iter().chain(ccm).chain([Cipher::ChaCha20Poly1305]);
    let mut suites: Vec<Suite> = aeads.map(|cipher| Suite { cipher, integrity: Integrity::None }).collect();
    let ciphers = [128, 192, 256].map(Cipher::AesCbc).into_iter().chain([128, 192, 256].map(Cipher::AesCtr));
    for cipher in ciphers.chain([Cipher::Null, Cipher::Des, Cipher::TripleDes]) {
        for integrity in [
            Integrity::Md5,
            Integrity::Sha1,
            Integrity::Sha256,
            Integrity::Sha384,
            Integrity::Sha512,
            Integrity::AesXcbc,
            Integrity::AesCmac,
        ] {
            suites.push(Suite { cipher, integrity });
        }
    }
    suites
}

fn sa(suite: Suite, replay: Replay) -> Sa {
    let key = |length| (5..=u8::MAX).step_by(3).take(length).collect::<Vec<u8>>();
    Sa {
        id: SaId(1),
        direction: Direction::Out,
        policy: PolicyId(1),
        spi: Spi(0x0010_0203),
        front: VrfId(1),
        inside: VrfId(2),
        local: [192, 0, 2, 1].into(),
        remote: [192, 0, 2, 2].into(),
        encap: Encap::Esp,
        suite,
        mode: ipsec::Mode::Tunnel,
        keys: Keys {
            cipher: key(suite.cipher.key_len()).into(),
            integrity: key(suite.integrity.key_len()).into(),
        },
        replay,
        selector: anything(),
        kilobytes: None,
    }
}

fn anything() -> Selector {
    let any = Prefix::any(Family::V4);
    Selector { local: any, remote: any, protocol: None, local_ports: Ports::ANY, remote_ports: Ports::ANY }
}

/// A payload with exactly the room that sealing may ask for.
fn room(payload: &[u8]) -> (Vec<u8>, Range<usize>) {
    let room = [&[0xEE; HEADROOM], payload, &[0xEE; TAILROOM]].concat();
    (room, HEADROOM..HEADROOM + payload.len())
}

fn seal(outbound: &mut Outbound, payload: &[u8], next_header: u8) -> Result<Vec<u8>, Refusal> {
    let (mut room, at) = room(payload);
    let place = outbound.seal(&mut room, at, next_header)?;
    Ok(room[place].to_vec())
}

/// The payload and next header of a copy of `packet`.
fn open(inbound: &mut Inbound, packet: &[u8]) -> Result<(Vec<u8>, u8), Refusal> {
    let mut packet = packet.to_vec();
    let Opened { payload, next_header } = inbound.open(&mut packet)?;
    Ok((packet[payload].to_vec(), next_header))
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| u8::try_from(digit).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
