//! What a tunnel costs the responder: processor time of engine and mathematics, and memory, beside what its
//! public-key operations alone cost in the same run.
//!
//! `--json FILE` writes the table as an array of objects as well; `--full` opens 10,000 tunnels of the kinds with large
//! moduli too, which takes minutes of the initiator; `--only WORD`: kinds whose name holds it.

mod bed;
mod scene;

use std::sync::Arc;

use bed::Cost;
use crypto::dh::{self, Group};
use crypto::job::{Job, Outcome};
use crypto::prf::Hash;
use crypto::sign::{PrivateKey, Scheme};
use scene::{KINDS, Kind};
use sys::clock::thread_nanos;

#[global_allocator]
static HEAP: sys::heap::Counting = sys::heap::Counting;

/// Bytes that the engine is to hold for a tunnel at most.
const AIM: i64 = 4096;

/// Openings from random sources.
const FLOOD: u32 = 50_000;

struct Row {
    kind: Kind,
    tunnels: u32,
    cost: Cost,
    /// Nanoseconds of the public-key operations alone.
    raw: u64,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let after = |word: &str| words.iter().position(|one| one == word).and_then(|at| words.get(at + 1));
    let full = words.iter().any(|word| word == "--full");
    let mut rows = Vec::new();
    println!(
        "{:<24} {:>7} {:>10} {:>10} {:>10} {:>10} {:>6} {:>9} {:>8} {:>6}",
        "kind", "tunnels", "engine us", "jobs us", "CPU us", "raw us", "aim us", "tunnels/s", "bytes", "aim"
    );
    for kind in KINDS.into_iter().filter(|kind| after("--only").is_none_or(|word| kind.name().contains(word)))
    {
        let raw = raw(kind);
        for tunnels in [1000, 10_000] {
            if tunnels == 1000 || full || kind.group() == Group::Curve25519 {
                let row = Row { kind, tunnels, cost: median(kind, tunnels), raw };
                println!("{}", row.line());
                rows.push(row);
            }
        }
    }
    for kind in [Kind::V2X25519, Kind::V1Modp2048] {
        let (nanos, bytes) = bed::flood(kind, FLOOD);
        println!(
            "{FLOOD} forged openings of {}: {:.1} us each, {} kB in all",
            kind.name(),
            nanos as f64 / 1000.0,
            bytes / 1024
        );
    }
    if let Some(file) = after("--json") {
        let objects: Vec<String> = rows.iter().map(Row::json).collect();
        let text = format!("[\n{}\n]\n", objects.join(",\n"));
        std::fs::write(file, text).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

/// Of several runs; a large one is its own median.
fn median(kind: Kind, tunnels: u32) -> Cost {
    let rounds = if tunnels > 1000 || kind.group() == Group::Modp2048 { 1 } else { 5 };
    let mut costs: Vec<Cost> = (0..rounds).map(|_| bed::run(kind, tunnels)).collect();
    costs.sort_by_key(|cost| cost.engine + cost.jobs);
    costs[costs.len() / 2]
}

impl Row {
    fn line(&self) -> String {
        let us = |nanos: u64| nanos as f64 / 1000.0;
        let Cost { engine, jobs, memory } = self.cost;
        let (whole, aim) = (us(engine + jobs), self.kind.aim() * 1000.0);
        format!(
            "{:<24} {:>7} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {:>6} {:>9.0} {memory:>8} {AIM:>6}",
            self.kind.name(),
            self.tunnels,
            us(engine),
            us(jobs),
            whole,
            us(self.raw),
            aim,
            1_000_000.0 / whole,
        )
    }

    fn json(&self) -> String {
        let Cost { engine, jobs, memory } = self.cost;
        format!(
            "  {{\"kind\": \"{}\", \"tunnels\": {}, \"engine_ns\": {engine}, \"jobs_ns\": {jobs}, \"raw_ns\": {}, \
             \"aim_ns\": {}, \"bytes\": {memory}}}",
            self.kind.name(),
            self.tunnels,
            self.raw,
            self.kind.aim() * 1_000_000.0,
        )
    }
}

/// Nanoseconds of what a responder has to compute for one tunnel.
fn raw(kind: Kind) -> u64 {
    let exchange = agreement(kind.group());
    exchange
        + match kind {
            Kind::V2X25519 | Kind::V2Modp2048 | Kind::V1Modp2048 => 0,
            Kind::V2MlKem768 => agreement(Group::MlKem768),
            Kind::V2Ecdsa => signatures(),
        }
}

const REPEATS: u64 = 51;

/// The median.
fn timed(mut work: impl FnMut()) -> u64 {
    let mut times: Vec<u64> = (0..REPEATS)
        .map(|_| {
            let began = thread_nanos();
            work();
            thread_nanos() - began
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// A key pair and the shared secret; of a KEM encapsulation.
fn agreement(group: Group) -> u64 {
    let Ok(dh::Outcome::Generated { public, .. }) = (dh::Job::Generate { group, seed: [1; 32] }).run() else {
        panic!("every group makes keys")
    };
    timed(|| drop(dh::Job::Agree { group, seed: [2; 32], peer: public.clone() }.run()))
}

/// The peer's signature, its certificate's, and our own.
fn signatures() -> u64 {
    let (key, scheme): (Arc<PrivateKey>, _) = (scene::key(), Scheme::Ecdsa(Hash::Sha256));
    let message = vec![7; 600];
    let sign = || Job::Sign { key: key.clone(), scheme, message: message.clone() }.run();
    let Ok(Outcome::Signed(signature)) = sign() else { panic!("the key signs") };
    let public = key.public();
    let verify = || {
        let (message, signature) = (message.clone(), signature.clone());
        Job::Verify { key: public.clone(), scheme, message, signature }.run()
    };
    timed(|| drop(sign())) + 2 * timed(|| drop(verify()))
}
