//! `show crypto session PEER explain`: what is configured for a peer, and the story of each session and
//! each attempt that is still known.

use std::net::IpAddr;

use api::{Explanation, Known, Outcome, Response, Session, Story, StoryStep};
use base::{Instant, VrfId};
use ike::config::Version;
use ike::record::{self, Record};

use super::{session, vrf_name, vrf_of};
use crate::Pe;
use crate::notice::blame_text;
use crate::wiring::config_to_ike;
use crate::wiring::config_to_ipsec::Placed;

/// Without a front VRF: the peer of that address in each of them.
pub(super) fn explanation(
    pe: &Pe,
    now: Instant,
    remote: IpAddr,
    front: Option<String>,
) -> Result<Explanation, Response> {
    let front = front.map(|name| vrf_of(pe, Some(&name))).transpose()?;
    let fronts = pe.tables.vrfs.iter().copied().filter(|vrf| front.is_none_or(|front| front == *vrf));
    let records = fronts.flat_map(|front| pe.ike.explain(front, remote));
    let mut stories: Vec<Story> = records.map(|record| story(pe, now, record)).collect();
    stories.sort_by_key(|story| std::cmp::Reverse(story.began));
    Ok(Explanation { remote, known: known(pe, now, remote, front), stories })
}

fn known(pe: &Pe, now: Instant, remote: IpAddr, front: Option<VrfId>) -> Vec<Known> {
    let mut known = Vec::new();
    for (placed, sessions) in session::places(pe, now) {
        let session = sessions.into_iter().find(|session| session.peer == remote);
        let names_it = placed.addresses().any(|address| address == remote);
        if front.is_none_or(|front| front == placed.front) && (names_it || session.is_some()) {
            known.push(place(pe, &placed, session));
        }
    }
    known
}

fn place(pe: &Pe, placed: &Placed<'_>, session: Option<Session>) -> Known {
    let name = &placed.name;
    let dynamic = name.dynamic.map(|number| format!(" dynamic {number}")).unwrap_or_default();
    Known {
        place: if placed.is_tunnel {
            format!("interface {}", name.interface)
        } else {
            format!("crypto map {} {}{dynamic} on {}", name.map, name.sequence, name.interface)
        },
        version: number(placed.version()),
        front: vrf_name(pe, placed.front),
        inside: vrf_name(pe, placed.inside),
        profile: placed.profile_name().map(str::to_owned),
        status: session.map_or_else(|| "DOWN".to_owned(), |session| session.status),
        missing: config_to_ike::missing(&pe.config, placed).map(str::to_owned),
    }
}

fn story(pe: &Pe, now: Instant, record: Record) -> Story {
    let step = |(at, fact): &(Instant, record::Fact)| StoryStep {
        after: u64::try_from(at.since(record.began).as_millis()).unwrap_or(u64::MAX),
        text: fact.to_string(),
    };
    Story {
        version: number(record.version),
        connection: record.session.map(|session| session.0),
        front: vrf_name(pe, record.front),
        local: record.local,
        initiator: record.initiator,
        began: now.since(record.began).as_secs(),
        steps: record.facts.iter().map(step).collect(),
        outcome: outcome(record.outcome),
    }
}

fn outcome(outcome: record::Outcome) -> Outcome {
    match outcome {
        record::Outcome::Negotiating => Outcome::Negotiating,
        record::Outcome::Up => Outcome::Up,
        record::Outcome::Down(why) => Outcome::Down { why: why.to_owned() },
        record::Outcome::Failed { blame, what, detail } => {
            Outcome::Failed { blame: blame_text(blame).to_owned(), what: what.to_owned(), detail }
        }
    }
}

pub(super) const fn number(version: Version) -> u8 {
    match version {
        Version::V1 => 1,
        Version::V2 => 2,
    }
}
