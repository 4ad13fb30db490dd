//! Any frames, label stacks and tunnelled packets into the packet graph: no panic, and what comes from one
//! VRF leaves in no other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tests::packet::Mark;
use tests::setup::{
    CORE, FRONTS, INSIDES, TUNNELS, attachment, customer_of, front_vrf, host, inside_vrf, label_in, vrfs, wan,
};
use tests::world::World;

fuzz_target!(|data: &[u8]| {
    let mut data = data.to_vec();
    Mark::erase(&mut data);
    let (mut world, mut rest) = (World::new(), &data[..]);
    // Each packet: how it comes, from where, its length, its bytes.
    while let Some(([way, place, high, low], behind)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
        let (bytes, behind) = behind.split_at(length);
        step(&mut world, *way, usize::from(*place), bytes);
        rest = behind;
    }
});

fn step(world: &mut World, way: u8, place: usize, bytes: &[u8]) {
    match way % 8 {
        0 => world.inject(port(place), bytes),
        1 => world.send_mpls(bytes),
        2 => {
            let index = place % INSIDES;
            let packet = marked(world, inside_vrf(customer_of(world.setup.attached[index])), bytes);
            world.send_ip(attachment(index), &packet);
        }
        3 => {
            let index = place % FRONTS;
            let packet = marked(world, front_vrf(world.setup.wan_front[index]), bytes);
            world.send_ip(wan(index), &packet);
        }
        4 | 5 => {
            let (index, tunnel) = (place % FRONTS, place / FRONTS % TUNNELS);
            let packet = marked(world, inside_vrf(world.setup.customer_at(index, tunnel)), bytes);
            world.send_sealed(index, tunnel, &packet);
        }
        6 => {
            let index = place % (FRONTS * TUNNELS);
            let packet = marked(world, inside_vrf(world.setup.labels[index]), bytes);
            world.send_labelled(label_in(index), 64, &packet);
        }
        _ => change(world, place),
    }
}

fn port(place: usize) -> base::PortId {
    let ports =
        (0..FRONTS).map(wan).chain((0..INSIDES).map(attachment)).chain(vrfs().map(host)).chain([CORE]);
    let ports: Vec<_> = ports.collect();
    ports[place % ports.len()]
}

fn change(world: &mut World, place: usize) {
    world.configure(|setup| match place % 6 {
        0 => setup.wan_front.reverse(),
        1 => setup.attached.swap(place / 6 % INSIDES, 0),
        2 => setup.labels.swap(place / 6 % (FRONTS * TUNNELS), 0),
        3 => setup.generation[place / 6 % (FRONTS * TUNNELS)] += 1,
        4 => setup.narrow ^= true,
        _ => setup.pipe ^= true,
    });
}

/// The packet with its owner's mark over its last bytes, if it is long enough to spare them.
fn marked(world: &mut World, owner: base::VrfId, bytes: &[u8]) -> Vec<u8> {
    let mut packet = bytes.to_vec();
    if let Some(room) = packet.get_mut(40..).and_then(|payload| payload.last_chunk_mut::<8>()) {
        let mark: Mark = world.mark(owner);
        *room = mark.bytes();
    }
    packet
}
