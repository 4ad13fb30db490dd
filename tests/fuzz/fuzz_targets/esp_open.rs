//! Any bytes as an ESP packet, for every suite: refused by name, and the window does not move, for a
//! genuine packet still opens afterwards.
#![no_main]

use base::{PolicyId, Prefix, SaId, Secret, Spi, VrfId};
use ipsec::{Cipher, Direction, Encap, Integrity, Keys, Replay, Sa, Selector, Suite};
use libfuzzer_sys::fuzz_target;

const SUITES: [Suite; 9] = [
    Suite { cipher: Cipher::AesGcm(128), integrity: Integrity::None },
    Suite { cipher: Cipher::AesGcm(256), integrity: Integrity::None },
    Suite { cipher: Cipher::AesCbc(128), integrity: Integrity::Sha1 },
    Suite { cipher: Cipher::AesCbc(256), integrity: Integrity::Sha256 },
    Suite { cipher: Cipher::TripleDes, integrity: Integrity::Md5 },
    Suite { cipher: Cipher::Null, integrity: Integrity::Sha512 },
    Suite { cipher: Cipher::AesCtr(192), integrity: Integrity::AesXcbc },
    Suite { cipher: Cipher::AesCcm(128), integrity: Integrity::None },
    Suite { cipher: Cipher::ChaCha20Poly1305, integrity: Integrity::None },
];

fn sa(suite: Suite, direction: Direction, esn: bool) -> Sa {
    let any = Prefix::any(base::Family::V4);
    Sa {
        id: SaId(1),
        direction,
        policy: PolicyId(1),
        spi: Spi(0x1234_5678),
        front: VrfId::GLOBAL,
        inside: VrfId(1),
        local: [192, 0, 2, 1].into(),
        remote: [192, 0, 2, 2].into(),
        encap: Encap::Esp,
        suite,
        mode: ipsec::Mode::Tunnel,
        keys: Keys {
            cipher: Secret::from((1..).take(suite.cipher.key_len()).collect::<Vec<u8>>()),
            integrity: Secret::from((7..).take(suite.integrity.key_len()).collect::<Vec<u8>>()),
        },
        replay: Replay { window: 64, esn },
        selector: Selector::between(any, any),
        kilobytes: None,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, packet)) = data.split_first() else { return };
    let suite = SUITES[usize::from(choice >> 1) % SUITES.len()];
    let esn = choice & 1 == 1;
    let mut inbound = esp::Inbound::new(&sa(suite, Direction::In, esn)).expect("key lengths fit");
    let mut outbound = esp::Outbound::new(&sa(suite, Direction::Out, esn)).expect("key lengths fit");

    let mut junk = packet.to_vec();
    assert!(inbound.open(&mut junk).is_err(), "junk was authentic");

    let inner = [0x45; 40];
    let mut room = vec![0; esp::HEADROOM + inner.len() + esp::TAILROOM];
    room[esp::HEADROOM..esp::HEADROOM + inner.len()].copy_from_slice(&inner);
    let sealed =
        outbound.seal(&mut room, esp::HEADROOM..esp::HEADROOM + inner.len(), 4).expect("room enough");
    let opened = inbound.open(&mut room[sealed.clone()]).expect("junk moved the window");
    assert_eq!(room[sealed][opened.payload], inner);
});
