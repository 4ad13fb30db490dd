//! The same packets through the userspace dataplane and through the kernel's, under the same generated configurations:
//! the same verdict, the same inner bytes, and the counter that means the same.
//!
//! `BACKENDS_SEED` repeats a run; `BACKENDS_SECONDS` goes on for so long, else a run is the same everywhere.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "it is all test code")]

mod boxes;
mod cases;
mod config;
mod dice;
mod differences;
mod verdict;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use dataplane::Plan;

use boxes::{Bench, Kernel, User};
use cases::Senders;
use config::Setup;
use dice::Dice;
use differences::{Seen, judge, reason};
use verdict::Opener;

const CONFIGURATIONS: u32 = 30;
/// Packets under each.
const PACKETS: usize = 150;

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn the_kernel_does_with_every_packet_what_the_userspace_dataplane_does() {
    let seed = of_environment("BACKENDS_SEED").unwrap_or(1);
    println!("BACKENDS_SEED={seed}");
    let (mut user, mut kernel) = (User::new(), Kernel::new());
    let end = of_environment("BACKENDS_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut in_force = Plan::default();
    let mut tally = BTreeMap::new();
    for round in 0.. {
        if end.map_or(round >= CONFIGURATIONS, |end| Instant::now() > end) {
            break;
        }
        let mut dice = Dice(seed.wrapping_mul(1_000_003).wrapping_add(u64::from(round)));
        let setup = Setup::new(&mut dice, round);
        let ops = in_force.toward(&setup.plan);
        user.configure(&ops);
        kernel.configure(&ops);
        let place = format!("seed {seed}, configuration {round}");
        compare(&mut user, &mut kernel, &setup, &mut dice, &place, &mut tally);
        in_force = setup.plan;
    }
    for bench in [&mut user as &mut dyn Bench, &mut kernel] {
        bench.configure(&in_force.toward(&Plan::default()));
        let left = bench.plane().counters();
        assert!(left.sas.is_empty() && left.ports.is_empty(), "{left:?}");
    }
    for (name, count) in &tally {
        println!("{count:6} {name}: {}", reason(name));
    }
    assert!(tally.get("packets").is_some_and(|packets| *packets > 0));
}

fn of_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn compare(
    user: &mut User,
    kernel: &mut Kernel,
    setup: &Setup,
    dice: &mut Dice,
    place: &str,
    tally: &mut BTreeMap<&'static str, u64>,
) {
    let mut senders = Senders::new(setup);
    let (mut ours, mut theirs) = (Opener::new(setup), Opener::new(setup));
    let (mut counted_here, mut counted_there) = (user.drops(), kernel.drops());
    for number in 0..PACKETS {
        let case = senders.case(dice, setup);
        let here = Seen::of(&user.carry(case.port, &case.packet, &mut counted_here), &mut ours);
        let there = Seen::of(&kernel.carry(case.port, &case.packet, &mut counted_there), &mut theirs);
        *tally.entry("packets").or_default() += 1;
        match judge(setup, &case, &here, &there) {
            Ok(names) => names.into_iter().for_each(|name| *tally.entry(name).or_default() += 1),
            Err(fault) => {
                panic!("{place}, packet {number}: {}\n{fault}\nuser:  {here:?}\nlinux: {there:?}", case.what)
            }
        }
    }
}
