//! What a peer can be told to do, and what it says of itself, whichever program it is.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::scenario::{Cell, Network, Peer, Phase};
use super::{libreswan, strongswan};
use crate::lab::node::{Node, Outcome};
use crate::lab::{Lab, swan, until};

/// One peer at work.
pub(super) struct Gateway<'a> {
    pub(super) peer: Peer,
    pub(super) node: &'a Node,
}

/// A pair of SAs as the peer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) spi_in: u32,
    pub(super) spi_out: u32,
    /// In and out, where the peer counts them.
    pub(super) packets: Option<[u64; 2]>,
    /// In UDP port 4500, where the peer says so.
    pub(super) udp: Option<bool>,
}

impl<'a> Gateway<'a> {
    pub(super) fn of(lab: &'a Lab, network: Network) -> Result<Self> {
        Ok(Self { peer: network.peer, node: lab.node(network.word)? })
    }

    /// Writes the cell's configuration where the node reads it.
    pub(super) fn write(&self, cell: &Cell, directory: &Path) -> Result<()> {
        match self.peer {
            Peer::Swan | Peer::Kern => {
                std::fs::write(directory.join("swanctl.conf"), strongswan::configuration(cell)?)?;
                // swanctl looks for keys beside its file.
                for folder in ["private", "x509ca"] {
                    symlink(format!("/srv/pki/swanctl/{folder}"), directory.join(folder))?;
                }
            }
            Peer::Libre => {
                std::fs::write(directory.join("ipsec.conf"), libreswan::configuration(cell)?)?;
                std::fs::write(directory.join("ipsec.secrets"), libreswan::secrets(cell))?;
            }
        }
        Ok(())
    }

    /// Puts it in force.
    pub(super) fn load(&self, cell: &Cell) -> Result<()> {
        let place = cell.directory();
        match self.peer {
            Peer::Swan | Peer::Kern => {
                let loaded =
                    self.node.demand(&format!("swanctl --load-all --clear --file {place}/swanctl.conf"))?;
                ensure!(loaded.contains("successfully loaded 1 connections"), "{loaded}");
                Ok(())
            }
            Peer::Libre => {
                let add: String = (0..cell.children())
                    .map(|number| {
                        let name = strongswan::name(number);
                        format!("sh /mnt/ipsec.sh addconn --config {place}/ipsec.conf --ctlsocket /run/pluto/pluto.ctl {name} && ")
                    })
                    .collect();
                self.node
                    .demand(&format!(
                        "cat {place}/ipsec.secrets >/run/etc/ipsec.secrets; {add}{WHACK} --rereadsecrets"
                    ))
                    .map(drop)
            }
        }
    }

    /// Opens the tunnel, or tries to.
    pub(super) fn initiate(&self, number: usize) -> Result<Outcome> {
        let name = strongswan::name(number);
        self.node.run(&match self.peer {
            Peer::Swan | Peer::Kern => format!("swanctl --initiate --child {name} --timeout 12"),
            Peer::Libre => format!("timeout 12 {WHACK} --name {name} --initiate"),
        })
    }

    /// Ends all that it has, and forgets the configuration.
    pub(super) fn clear(&self, cell: &Cell) -> Result<()> {
        match self.peer {
            Peer::Swan | Peer::Kern => {
                self.node.run("swanctl --terminate --ike pe --force --timeout 1")?;
            }
            Peer::Libre => {
                let names = (0..cell.children()).map(strongswan::name);
                let delete: String = names.map(|name| format!("{WHACK} --name {name} --delete; ")).collect();
                self.node.run(&delete)?;
            }
        }
        Ok(())
    }

    pub(super) fn rekey(&self, phase: Phase) -> Result<()> {
        let command = match (self.peer, phase) {
            (Peer::Libre, Phase::One) => format!("{WHACK} --name site --rekey-ike"),
            (Peer::Libre, Phase::Two) => format!("{WHACK} --name site --rekey-ipsec"),
            (Peer::Swan | Peer::Kern, Phase::One) => "swanctl --rekey --ike pe".to_owned(),
            (Peer::Swan | Peer::Kern, Phase::Two) => "swanctl --rekey --child site".to_owned(),
        };
        self.node.demand(&command).map(drop)
    }

    /// The pairs of SAs that are in use, newest last.
    pub(super) fn pairs(&self) -> Result<Vec<Pair>> {
        match self.peer {
            Peer::Swan | Peer::Kern => Ok(swan::children(self.node)?.iter().map(from_swan).collect()),
            Peer::Libre => from_pluto(&self.node.demand(&format!("{WHACK} --status"))?),
        }
    }

    /// What names the IKE SA that is in use.
    pub(super) fn cookies(&self) -> Result<String> {
        match self.peer {
            Peer::Swan | Peer::Kern => swan::cookies(self.node),
            Peer::Libre => Ok(newest_ike(&self.node.demand(&format!("{WHACK} --status"))?)),
        }
    }

    /// All that it says of itself.
    pub(super) fn state(&self) -> Result<String> {
        self.node.demand(&match self.peer {
            Peer::Swan | Peer::Kern => {
                "swanctl --list-conns; swanctl --list-sas; ip -s xfrm state 2>&1".to_owned()
            }
            Peer::Libre => format!("{WHACK} --status; ip -s xfrm state; ip xfrm policy"),
        })
    }

    /// Kills the daemon as a power cut would; the kernel's SAs go too.
    pub(super) fn crash(&self) -> Result<()> {
        self.node.kill()?;
        self.node
            .demand("ip xfrm state flush 2>/dev/null; ip xfrm policy flush 2>/dev/null; rm -f /run/charon.* /run/pluto/*")
            .map(drop)
    }

    pub(super) fn revive(&self) -> Result<()> {
        self.node.start()?;
        self.ready()
    }

    /// Waits until it takes orders.
    pub(super) fn ready(&self) -> Result<()> {
        let question = match self.peer {
            Peer::Swan | Peer::Kern => "swanctl --version >/dev/null && swanctl --stats",
            Peer::Libre => "sh /mnt/ipsec.sh whack --ctlsocket /run/pluto/pluto.ctl --listen",
        };
        let waited = until(20, || Ok(self.node.run(question)?.success));
        if waited.is_err() {
            bail!("{} does not start: {}", self.node.name, self.node.log()?);
        }
        Ok(())
    }
}

const WHACK: &str = "sh /mnt/ipsec.sh whack --ctlsocket /run/pluto/pluto.ctl";

fn from_swan(child: &swan::Child) -> Pair {
    Pair {
        spi_in: child.spi_in,
        spi_out: child.spi_out,
        packets: Some([child.packets_in, child.packets_out]),
        udp: Some(child.udp),
    }
}

/// Lines of `whack --status` such as `#2: "site" esp.1f@192.0.2.1 esp.2e@198.51.100.2 … Traffic: …`: outbound first.
fn from_pluto(text: &str) -> Result<Vec<Pair>> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.contains("Traffic:")) {
        let esp = |word: &'_ str| word.strip_prefix("esp").map(|rest| rest[1..].to_owned());
        let mut spis = line.split(' ').filter_map(esp).map(|word| {
            let digits = word.split('@').next().unwrap_or_default();
            u32::from_str_radix(digits, 16)
        });
        let number: u64 = line
            .split_once('#')
            .and_then(|(_, rest)| rest.split(':').next()?.parse().ok())
            .context("a state without number")?;
        let (spi_out, spi_in) = spis.next().zip(spis.next()).context("a state without SPIs")?;
        found.push((number, Pair { spi_in: spi_in?, spi_out: spi_out?, packets: None, udp: None }));
    }
    found.sort_by_key(|(number, _)| *number);
    Ok(found.into_iter().map(|(_, pair)| pair).collect())
}

/// The number of the newest IKE SA in the same list: `#4: "site":500 STATE_MAIN_I4 (IKE SA established); …`.
fn newest_ike(text: &str) -> String {
    let established = text.lines().filter(|line| line.contains("IKE SA") && line.contains("established"));
    let numbers =
        established.filter_map(|line| line.split_once('#')?.1.split(':').next()?.parse::<u64>().ok());
    numbers.max().map_or_else(String::new, |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_of_pluto_are_read() {
        let text = "000 #3: \"site\" esp.c0ffee01@192.0.2.1 esp.a@198.51.100.2 tun.0@192.0.2.1 Traffic: ESPin=0B\n\
                    000 #1: \"site\":500 STATE_V2_ESTABLISHED_IKE_SA (established IKE SA)\n";
        let pairs = from_pluto(text).unwrap();
        assert_eq!((pairs[0].spi_out, pairs[0].spi_in), (0xc0ff_ee01, 10));
    }
}
