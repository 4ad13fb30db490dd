//! Any datagrams to an IKE engine in the middle of a negotiation, with cookies that fit or not: refused
//! by name, and nothing changes in another front VRF.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tests::internets::{FRONTS, Internets};

/// Bytes of cookies at the head of a message.
const COOKIES: usize = 16;

fuzz_target!(|data: &[u8]| {
    let Some(([role, genuine], mut rest)) = data.split_first_chunk::<2>() else { return };
    let mut world = Internets::new(role & 1 == 1);
    if role & 2 == 0 {
        world.peer_opens(0)
    } else {
        world.box_opens(0)
    }
    (0..genuine % 10).for_each(|_| world.deliver(0));
    // Each datagram: where it comes from and whether its cookies shall fit, its length, its bytes.
    while let Some(([flags, high, low], behind)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
        let (bytes, behind) = behind.split_at(length);
        let mut bytes = bytes.to_vec();
        if flags & 2 == 2
            && let (Some(room), Some(cookies)) = (bytes.get_mut(..COOKIES), world.cookies())
        {
            room.copy_from_slice(&cookies);
        }
        world.arrive(usize::from(*flags) % FRONTS, bytes);
        rest = behind;
    }
    world.wait(core::time::Duration::from_secs(3));
});
