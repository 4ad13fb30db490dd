//! `clear crypto sa | session | isakmp`: which sessions or children an operator means.

use std::net::IpAddr;

use api::{ClearSa, Ikev2Filter, Response, SaFilter};
use base::{Instant, VrfId};
use ike::config::Version;
use ike::{ChildId, Command, SessionId, SessionState, Target};

use super::{failed, ipsec, vrf_of};
use crate::Pe;

/// Says how many things went.
pub(super) fn clear(pe: &mut Pe, now: Instant, what: ClearSa) -> Result<Response, Response> {
    if what == ClearSa::Counters {
        pe.cleared = pe.counters.sas.clone();
        pe.past.clear();
        return Ok(Response::Done { count: pe.cleared.len() });
    }
    if what == ClearSa::CallAdmission {
        pe.ike.clear_admission();
        return Ok(Response::Done { count: 1 });
    }
    let (targets, count) = targets(pe, now, &what)?;
    targets.into_iter().for_each(|target| pe.command(now, Command::Clear(target)));
    Ok(Response::Done { count })
}

type Targets = (Vec<Target>, usize);

fn targets(pe: &Pe, now: Instant, what: &ClearSa) -> Result<Targets, Response> {
    match what {
        ClearSa::Sa(filter) => children(pe, filter),
        ClearSa::Spi { address, spi } => Ok(spi_holders(pe, *address, *spi)),
        ClearSa::Session { remote: None, front: None } => Ok((vec![Target::All], pe.ike.sessions(now).len())),
        ClearSa::Session { remote, front } => {
            let front = vrf_of(pe, front.as_deref())?;
            Ok(sessions_with(pe, now, front, *remote))
        }
        ClearSa::Isakmp { connection: None } => {
            Ok(listed(pe.ike.sessions(now).iter().map(|session| session.id)))
        }
        ClearSa::Isakmp { connection: Some(id) } => connection(pe, now, *id),
        ClearSa::Ikev2(filter) => second(pe, now, filter),
        ClearSa::Counters | ClearSa::CallAdmission | ClearSa::Crls => Ok((Vec::new(), 0)),
    }
}

fn children(pe: &Pe, filter: &SaFilter) -> Result<Targets, Response> {
    ipsec::check(pe, filter)?;
    let pairs = || pe.tunnels.pairs();
    Ok(match filter {
        SaFilter::All => (vec![Target::Children], pairs().count()),
        SaFilter::Inside(vrf) => {
            let inside = vrf_of(pe, Some(vrf))?;
            (vec![Target::Inside(inside)], pairs().filter(|pair| pair.inbound.inside == inside).count())
        }
        SaFilter::Peer { front, address } => {
            let front = vrf_of(pe, front.as_deref())?;
            let concerned =
                pairs().filter(|pair| pair.inbound.front == front && ipsec::is_peer(pair, *address));
            (vec![Target::PeerChildren { front, remote: *address }], concerned.count())
        }
        SaFilter::Interface(_) | SaFilter::Map(_) => {
            let policies = pe.tables.policies.values();
            let ids: Vec<_> = policies
                .filter(|policy| ipsec::entry_matches(&pe.ids, policy, filter))
                .map(|policy| policy.id)
                .collect();
            let count = pairs().filter(|pair| ids.contains(&pair.policy)).count();
            (ids.into_iter().map(Target::Policy).collect(), count)
        }
    })
}

/// `address` is where the SA's packets go to: ours inbound, the peer's outbound.
fn spi_holders(pe: &Pe, address: IpAddr, spi: u32) -> Targets {
    let holds = |sa: &::ipsec::Sa, end: IpAddr| sa.spi.0 == spi && end == address;
    let pairs = pe.tunnels.pairs().filter(|pair| {
        holds(&pair.inbound, pair.inbound.local) || holds(&pair.outbound, pair.outbound.remote)
    });
    let ids: Vec<ChildId> = pairs.filter_map(|pair| pe.tunnels.child_of(pair.inbound.id)).collect();
    let count = ids.len();
    (ids.into_iter().map(Target::Child).collect(), count)
}

fn sessions_with(pe: &Pe, now: Instant, front: VrfId, remote: Option<IpAddr>) -> Targets {
    let sessions = pe.ike.sessions(now);
    let wanted = sessions.iter().filter(|session| {
        session.path.front == front && remote.is_none_or(|remote| session.path.remote.ip() == remote)
    });
    match remote {
        Some(remote) => (vec![Target::Peer { front, remote }], wanted.count()),
        None => listed(wanted.map(|session| session.id)),
    }
}

fn second(pe: &Pe, now: Instant, filter: &Ikev2Filter) -> Result<Targets, Response> {
    let front = match filter {
        Ikev2Filter::Front(name) => Some(vrf_of(pe, Some(name))?),
        Ikev2Filter::All | Ikev2Filter::Local(_) | Ikev2Filter::Remote(_) | Ikev2Filter::Id(_) => None,
    };
    let wanted = |session: &SessionState| match filter {
        Ikev2Filter::All => true,
        Ikev2Filter::Local(address) => session.path.local.ip() == *address,
        Ikev2Filter::Remote(address) => session.path.remote.ip() == *address,
        Ikev2Filter::Front(_) => front == Some(session.path.front),
        Ikev2Filter::Id(id) => session.id.0 == *id,
    };
    let sessions = pe.ike.sessions(now);
    let sessions = sessions.iter().filter(|session| session.version == Version::V2 && wanted(session));
    Ok(listed(sessions.map(|session| session.id)))
}

fn connection(pe: &Pe, now: Instant, id: u32) -> Result<Targets, Response> {
    let known = pe.ike.sessions(now).iter().any(|session| session.id.0 == id);
    if known {
        Ok((vec![Target::Session(SessionId(id))], 1))
    } else {
        Err(failed(format!("no ISAKMP SA {id}"), Some("`show crypto isakmp sa` lists them")))
    }
}

fn listed(sessions: impl Iterator<Item = SessionId>) -> Targets {
    let targets: Vec<_> = sessions.map(Target::Session).collect();
    let count = targets.len();
    (targets, count)
}
