//! One of the networks: a peer, a router that may do NAT, ourselves and a host behind us.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use api::{IpsecFlow, Response};

use super::gateway::Gateway;
use super::onramp;
use super::place::IPV4;
use super::scenario::{Cell, Network, Role};
use crate::lab::node::Node;
use crate::lab::{Lab, joined, ours, until};

/// How long a tunnel may take to come up, in seconds.
const PATIENCE: u64 = 15;

/// What came of pings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) sent: usize,
    pub(super) lost: usize,
}

/// Pings of one size at one pace.
#[derive(Clone, Copy)]
pub(super) struct Series {
    pub(super) count: u32,
    /// Bytes of payload.
    pub(super) size: u32,
    pub(super) milliseconds: u32,
}

pub(super) struct Lane<'a> {
    pub(super) gateway: Gateway<'a>,
    pub(super) pe: &'a Node,
    pub(super) net: &'a Node,
    far: &'a Node,
    out: PathBuf,
}

impl<'a> Lane<'a> {
    pub(super) fn of(lab: &'a Lab, network: Network) -> Result<Self> {
        let node = |what: &str| lab.node(&format!("{what}-{}", network.word));
        let lane = Self {
            gateway: Gateway::of(lab, network)?,
            pe: node("pe")?,
            net: node("net")?,
            far: node("far")?,
            out: lab.out.clone(),
        };
        lane.gateway.ready()?;
        Ok(lane)
    }

    /// Both sides get the cell's configuration.
    pub(super) fn configure(&self, cell: &Cell) -> Result<()> {
        let directory = self.directory(cell);
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        self.gateway.write(cell, &directory)?;
        let ours = onramp::configuration(cell)?;
        std::fs::write(directory.join("onramp.conf"), &ours)?;
        self.net.demand(&nat(cell))?;
        self.gateway.load(cell)?;
        self.reload(&ours)
    }

    /// Nothing of the cell is left on either side.
    pub(super) fn clear(&self, cell: &Cell) -> Result<()> {
        // What no configuration names any more is closed, and nothing opens it again.
        self.reload(&onramp::idle())?;
        self.gateway.clear(cell)
    }

    pub(super) fn reload(&self, text: &str) -> Result<()> {
        std::fs::write(self.out.join(format!("{}.conf", self.pe.name)), text)?;
        self.pe.demand("onramp reload").map(drop)
    }

    pub(super) fn directory(&self, cell: &Cell) -> PathBuf {
        self.out.join(cell.directory().trim_start_matches("/srv/"))
    }

    /// Opens the tunnel from the side that the cell names.
    pub(super) fn open(&self, cell: &Cell) -> Result<()> {
        (0..cell.children()).try_for_each(|number| self.open_child(cell, number))
    }

    fn open_child(&self, cell: &Cell, number: usize) -> Result<()> {
        match cell.role {
            Role::They => {
                let outcome = self.gateway.initiate(number)?;
                let last = outcome.text.lines().next_back().unwrap_or_default().to_owned();
                ensure!(outcome.success, "it does not come up: {last}");
                Ok(())
            }
            Role::We => {
                let answered = until(PATIENCE, || reaches(self.far, cell.place().near[number]));
                answered.map(drop).context("our traffic does not bring it up")
            }
        }
    }

    /// Whether what we send gets an answer.
    pub(super) fn reaches(&self, cell: &Cell) -> Result<bool> {
        match cell.role {
            Role::We => reaches(self.far, cell.place().near[0]),
            Role::They => reaches(self.gateway.node, &self.ping_of_peer(cell, 0)),
        }
    }

    /// Pings both ways at once; those of both counted together.
    pub(super) fn ping(&self, cell: &Cell, number: usize, series: Series) -> Result<Count> {
        let (near, far) = (self.ping_of_peer(cell, number), cell.place().near[number]);
        let (near, far) = thread::scope(|scope| {
            let near = scope.spawn(|| series.run(self.gateway.node, &near));
            let far = (!cell.scenario.transport).then(|| scope.spawn(|| series.run(self.far, far)));
            (joined(near), far.map(joined))
        });
        let (near, far) = (near?, far.transpose()?.unwrap_or_default());
        Ok(Count { sent: near.sent + far.sent, lost: near.lost + far.lost })
    }

    /// The peer's ping says from where: its kernel would take the outer address.
    fn ping_of_peer(&self, cell: &Cell, number: usize) -> String {
        let place = cell.place();
        if cell.scenario.transport {
            format!("-I {} {}", place.peer, place.pe)
        } else {
            format!("-I {} {}", place.near[number], place.far)
        }
    }

    /// The peer fetches what a host behind us sends: 300 kB.
    pub(super) fn fetch(&self, cell: &Cell) -> Result<()> {
        let place = cell.place();
        let (near, far) = if cell.scenario.ipv6 {
            (format!("[{}]", place.near[0]), format!("[{}]", place.far))
        } else {
            (place.near[0].to_owned(), place.far.to_owned())
        };
        let fetch = format!("socat -u TCP:{far}:7,connect-timeout=5,bind={near} STDOUT | wc -c");
        let bytes = self.gateway.node.demand(&fetch)?;
        ensure!(bytes == "300004", "TCP: {bytes} bytes");
        // What is repeated once the tunnel is gone would go in clear.
        let open = "ss -Htn exclude listening exclude time-wait sport = :7";
        let closed = until(10, || Ok(self.far.demand(open)?.is_empty()));
        closed.map(drop).context("the connection does not close")
    }

    /// Our flows with their SAs.
    pub(super) fn flows(&self) -> Result<Vec<IpsecFlow>> {
        let Response::IpsecSas(flows) = ours::ask(self.pe, "show crypto ipsec sa")? else {
            bail!("not a list of SAs")
        };
        Ok(flows.into_iter().filter(|flow| !flow.inbound.is_empty()).collect())
    }

    /// Packets that came with an SPI that we do not have, or not yet.
    pub(super) fn too_early(&self) -> Result<u64> {
        Ok(ours::drops(self.pe)?.get("no-sa").copied().unwrap_or(0))
    }

    /// Whether we have a session that is up.
    pub(super) fn is_up(&self) -> Result<bool> {
        let Response::Sessions(sessions) = ours::ask(self.pe, "show crypto session")? else {
            bail!("not a list of sessions")
        };
        Ok(sessions.iter().any(|session| session.status.starts_with("UP")))
    }

    /// Why it failed, as the operator reads it.
    pub(super) fn explanation(&self, cell: &Cell) -> Result<String> {
        self.pe.demand(&format!("onramp show crypto session {} explain", cell.remote()))
    }

    /// What helps to find out why a cell failed.
    pub(super) fn save(&self, cell: &Cell) {
        let directory = self.directory(cell);
        for (name, text) in [
            ("explain.txt", self.explanation(cell)),
            ("sessions.txt", self.pe.demand("onramp show crypto session detail")),
            ("drops.txt", self.pe.demand("onramp show drops")),
            ("onrampd.log", self.pe.log().map(tail)),
            ("peer.log", self.gateway.node.log().map(tail)),
            ("peer-state.txt", self.gateway.state()),
        ] {
            let text = text.unwrap_or_else(|error| format!("{error:#}\n"));
            let _ = std::fs::write(directory.join(name), text);
        }
    }

    /// MOBIKE: the peer has another address from now on, or its own again.
    pub(super) fn move_peer(&self, cell: &Cell, away: bool) -> Result<()> {
        let moved = cell.moved();
        let (from, to) = if away { (IPV4.peer, moved) } else { (moved, IPV4.peer) };
        self.gateway
            .node
            .demand(&format!(
                "sysctl -qw net.ipv4.conf.all.promote_secondaries=1 net.ipv4.conf.eth1.promote_secondaries=1; \
                 ip address add {to}/24 dev eth1; ip address del {from}/24 dev eth1; \
                 ip route replace default via {}",
                IPV4.router_by_peer
            ))
            .map(drop)
    }
}

/// Whether any ping of a second comes back: those that wait for a tunnel may be lost.
fn reaches(from: &Node, to: &str) -> Result<bool> {
    Ok(from.run(&format!("ping -q -n -c 1 -i 0.1 -w 1 {to}"))?.success)
}

impl Series {
    /// Until so many are answered, or it takes far too long: late answers are waited for, a gap between them is a loss.
    fn run(self, from: &Node, to: &str) -> Result<Count> {
        let (count, size, pace) = (self.count, self.size, f64::from(self.milliseconds) / 1000.0);
        let deadline = count * self.milliseconds / 800 + DEADLINE;
        let outcome =
            from.run(&format!("ping -n -c {count} -i {pace} -s {size} -w {deadline} -p aa {to}"))?;
        let text = &outcome.text;
        let sequence = |line: &str| line.split_once("icmp_seq=")?.1.split(' ').next()?.parse::<usize>().ok();
        let replies: BTreeSet<usize> =
            text.lines().filter(|line| line.contains("time=")).filter_map(sequence).collect();
        counted(&replies, count as usize).with_context(|| text.lines().last().unwrap_or_default().to_owned())
    }
}

/// How much longer than its pace asks for a series may take on a busy machine, in seconds, beside a quarter more: there
/// ping does not keep its pace.
const DEADLINE: u32 = 15;

/// ping goes on until it has its answers: those that miss before the last are lost, and those that miss in all.
fn counted(replies: &BTreeSet<usize>, count: usize) -> Option<Count> {
    let sent = (*replies.last()?).max(count);
    Some(Count { sent, lost: sent - replies.len() })
}

/// The end of a log that has grown long.
fn tail(log: String) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(400)..].join("\n")
}

/// The router hides one side behind its own address and other ports; what it knew of earlier cells it forgets.
fn nat(cell: &Cell) -> String {
    let masquerade = |network: &str, port: &str| {
        format!(
            "nft add table ip nat; nft 'add chain ip nat post {{ type nat hook postrouting priority srcnat; }}'; \
             nft add rule ip nat post ip saddr {network} oif {port} meta l4proto udp masquerade to :20000-60000; \
             conntrack -F 2>&1"
        )
    };
    let rules = match cell.nat() {
        None => "true".to_owned(),
        Some(Role::They) => masquerade("198.51.100.0/24", "eth1"),
        Some(Role::We) => masquerade("192.0.2.0/24", "eth2"),
    };
    format!("nft flush ruleset; {rules}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_and_an_early_end_are_losses() {
        assert_eq!(counted(&(1..=10).collect(), 10), Some(Count { sent: 10, lost: 0 }));
        assert_eq!(counted(&(1..=8).collect(), 10), Some(Count { sent: 10, lost: 2 }));
        assert_eq!(counted(&[1, 2, 4, 5].into(), 4), Some(Count { sent: 5, lost: 1 }));
        assert_eq!(counted(&BTreeSet::new(), 10), None);
    }
}
