//! FRR on the PE itself: it sees our VRFs and routes as those of any kernel, and its own route in one of them carries.

use anyhow::{Context as _, Result, bail, ensure};
use api::Response;
use serde_json::Value;

use super::super::node::Node;
use super::super::report::Report;
use super::super::{Lab, ours, traffic, until};
use super::PLAIN;

/// Only FRR's own route leads there.
const ALONE: &str = "10.77.0.1";

pub(super) fn run(lab: &Lab, pe: &Node, report: &mut Report) -> Result<()> {
    report.stage("what the kernel can do, and FRR beside us");
    report.check("show dataplane: nothing is missing, done otherwise or refused", || facts(pe));
    pe.demand("sh /srv/start.sh zebra staticd")?;
    report.check("FRR sees the labelled route of a VRF", || seen(pe, "10.1.0.0/16", "\"labels\":[201]"));
    report.check("FRR sees the route into a crypto map's tunnel", || {
        seen(pe, "10.2.0.0/16", "\"interfaceName\":\"ipsec1\"")
    });
    report.check("a route of FRR's in one of our VRFs carries", || {
        let line = |no| format!("vtysh -c 'configure terminal' -c 'vrf blue' -c '{no}ip route {ALONE}/32 172.17.1.2 nexthop-vrf default label 202'");
        ensure!(!traffic::reaches(lab.node(PLAIN)?, ALONE)?, "{ALONE} is reached without it");
        pe.demand(&line(""))?;
        let took = until(5, || traffic::reaches(lab.node(PLAIN)?, ALONE));
        pe.demand(&line("no "))?;
        until(5, || Ok(!pe.demand("ip route show vrf blue")?.contains(ALONE)))?;
        Ok(format!("after {:.1} s", took?.as_secs_f32()))
    });
    Ok(())
}

/// Everything was found, and all that is wanted is in force.
fn facts(pe: &Node) -> Result<String> {
    let Response::Dataplane(facts) = ours::ask(pe, "show dataplane")? else {
        bail!("not the dataplane's facts")
    };
    ensure!(facts.backend == "linux", "it is {}", facts.backend);
    let missing: Vec<&str> =
        facts.features.iter().filter(|one| !one.found).map(|one| one.name.as_str()).collect();
    ensure!(missing.is_empty(), "missing: {}", missing.join(", "));
    let open = [facts.problems, facts.refused].concat();
    ensure!(open.is_empty(), "{}", open.join("; "));
    Ok(format!("{} features", facts.features.len()))
}

fn seen(pe: &Node, prefix: &str, what: &str) -> Result<String> {
    let ask = format!("vtysh -c 'show ip route vrf red {prefix} json' 2>/dev/null");
    let said = || -> Result<Value> { serde_json::from_str(&pe.demand(&ask)?).context("not JSON") };
    until(5, || Ok(said()?.to_string().contains(what))).with_context(|| format!("{:?}", said()))?;
    Ok(String::new())
}
