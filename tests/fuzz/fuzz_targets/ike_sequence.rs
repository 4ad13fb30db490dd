//! Any course of events for an IKE engine of either version: openings, rekeys, restarts, and a wire that loses,
//! repeats, changes and invents messages. Nothing reaches into another front VRF, and in the end everybody is
//! served.
#![no_main]

use core::time::Duration;

use ike::config::Version;
use libfuzzer_sys::fuzz_target;
use tests::internets::{FRONTS, Internets};

/// More would only be slower.
const MOST_EVENTS: usize = 200;

/// Bytes of cookies at the head of a message.
const COOKIES: usize = 16;

fuzz_target!(|data: &[u8]| {
    let Some((kind, events)) = data.split_first() else { return };
    let version = if kind & 1 == 1 { Version::V2 } else { Version::V1 };
    let mut world = Internets::of(version, kind & 2 == 2);
    let (events, _) = events.as_chunks::<2>();
    for [event, value] in events.iter().take(MOST_EVENTS) {
        happen(&mut world, *event, *value);
    }
    world.everyone_is_served();
});

fn happen(world: &mut Internets, event: u8, value: u8) {
    let front = usize::from(event >> 4) % FRONTS;
    match event & 15 {
        0 | 1 => world.deliver(front),
        2 => world.deliver_all(front),
        3 => world.lose(front),
        4 => world.repeat(front),
        5 => world.corrupt(front, usize::from(value) * 5),
        6 => world.inject(usize::from(value)),
        7 => world.box_opens(front),
        8 => world.peer_opens(front),
        9 => world.peer_restarts(front),
        10 => world.unknown_spi(front),
        11 => world.clear(front),
        12 => world.rekey(front),
        13 => world.peer_rekeys(front),
        14 => invent(world, front, value),
        _ => world.wait(Duration::from_millis(u64::from(value) * 40)),
    }
}

/// A header with cookies that fit, and nonsense behind it.
fn invent(world: &mut Internets, front: usize, value: u8) {
    let cookies = world.cookies().unwrap_or([value; COOKIES]);
    let exchange = [2, 4, 5, 32, 34, 35, 36, 37][usize::from(value) & 7];
    let version = if value & 8 == 8 { 0x20 } else { 0x10 };
    let tail = [46, version, exchange, value >> 3, 0, 0, 0, value >> 6, 0, 0, 0, 60, 0, 0, 0, 32];
    world.arrive(front, [&cookies[..], &tail, &[value; 28]].concat());
}
