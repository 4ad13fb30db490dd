//! What reaches the hosts: their own customer's packets, and never one of another customer, though all have the same
//! addresses.

use anyhow::{Result, ensure};

use super::Lab;
use super::capture::{Capture, decode};
use super::customer::Customer;
use super::report::Report;
use super::wire::marked;

/// A recording before a host.
pub(crate) struct Watch<'a> {
    owner: &'a Customer,
    host: &'a str,
    capture: Capture<'a>,
}

/// Starts to record before every host of every customer.
pub(crate) fn watch<'a>(lab: &'a Lab, customers: &'a [Customer]) -> Result<Vec<Watch<'a>>> {
    let hosts = customers.iter().flat_map(|owner| [(owner, owner.near), (owner, owner.far)]);
    let start = |(owner, host)| {
        let capture = Capture::start(lab.node(host)?, "eth1", &lab.out, "traffic")?;
        Ok(Watch { owner, host, capture })
    };
    hosts.map(start).collect()
}

/// Ends the recordings and counts whose packets they hold.
pub(crate) fn judge(watches: Vec<Watch<'_>>, customers: &[Customer], report: &mut Report) {
    report.row("Isolation", &["host", "own packets", "others' packets"].map(str::to_owned));
    for watch in watches {
        let (host, mut counts) = (watch.host, None);
        report.check(&format!("{}: {host} sees its own customer's packets only", watch.owner.name), || {
            let (own, strange) = count(watch, customers)?;
            counts = Some([host.to_owned(), own.to_string(), strange.to_string()]);
            ensure!(strange == 0, "{strange} packets of others");
            ensure!(own >= 100, "{own} packets of its own");
            Ok(format!("{own}, and none of others"))
        });
        if let Some(counts) = counts {
            report.row("Isolation", &counts);
        }
    }
}

fn count(watch: Watch<'_>, customers: &[Customer]) -> Result<(usize, usize)> {
    let owner = watch.owner.name;
    let packets = decode(&watch.capture.stop()?, &[], "ip", &["data.data", "tcp.payload"])?;
    let of = |customer: &Customer| {
        packets.iter().filter(|packet| marked(&packet[0], &packet[1], customer)).count()
    };
    let (own, others): (Vec<_>, Vec<_>) = customers.iter().partition(|customer| customer.name == owner);
    Ok((own.into_iter().map(of).sum(), others.into_iter().map(of).sum()))
}
