//! What comes and goes: tunnels, LDP, BGP, the reflector and our PE itself.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use api::Response;

use super::super::capture::decode;
use super::super::customer::{FAR, NEAR};
use super::super::report::Report;
use super::super::{Lab, gobgp, ours, swan, traffic, until};
use super::{Announced, CUSTOMERS, PE1, PE1_SIX, RED, record, waited};

/// The near sites, as the reflector names them.
const REDS: &str = "65000:101:10.2.0.0/16";
const BLUES: &str = "65000:102:10.2.0.0/16";

/// A tunnel that goes takes its routes along everywhere, and one that comes brings them back. `families`: as `ip` wants them
/// said.
pub(super) fn withdrawal(lab: &Lab, families: &[&str], report: &mut Report) {
    report.stage("a tunnel goes and comes back");
    let everywhere = |there| is_everywhere(lab, families, there);
    report.check("red: its routes are gone everywhere within a second of its tunnel", || {
        lab.node(RED.gateway)?.demand("swanctl --terminate --ike pe --timeout 5")?;
        let took = within_a_second(|| everywhere(false))?;
        ensure!(!is_reflected(lab)?, "the reflector has it still");
        ensure!(gobgp::routes(lab.node("rr")?, "vpnv4")?.contains_key(BLUES), "blue's went, too");
        Ok(took)
    });
    report.check("red: the far PE answers for it no more", || {
        ensure!(!traffic::reaches(lab.node(RED.far)?, NEAR)?, "a ping came back");
        Ok(String::new())
    });
    report.check("red: they are at the far PE within a second of the tunnel", || {
        let initiate = |child| format!("swanctl --initiate --child {child} --timeout 10");
        lab.node(RED.gateway)?.demand(&[initiate("site6"), initiate("site")].join(" && "))?;
        let took = within_a_second(|| everywhere(true))?;
        ensure!(is_reflected(lab)?, "the reflector has it not");
        Ok(took)
    });
    RED.comes_up(lab, report);
}

fn within_a_second(question: impl FnMut() -> Result<bool>) -> Result<String> {
    let took = until(10, question)?;
    ensure!(took < Duration::from_secs(1), "after {:.2} s", took.as_secs_f32());
    Ok(format!("after {:.2} s", took.as_secs_f32()))
}

/// Whether red's near site is in the far PE's kernel, where it comes to and goes from last; or, if not `there`, is not.
fn is_everywhere(lab: &Lab, families: &[&str], there: bool) -> Result<bool> {
    let shown: Vec<String> = families.iter().map(|family| format!("ip {family}route show vrf red")).collect();
    let routes = lab.node("pe2")?.demand(&shown.join("; "))?;
    let prefixes = ["10.2.0.0/16", "fd02::/64"];
    Ok(prefixes.iter().take(families.len()).all(|prefix| routes.contains(prefix) == there))
}

fn is_reflected(lab: &Lab) -> Result<bool> {
    Ok(gobgp::routes(lab.node("rr")?, "vpnv4")?.contains_key(REDS))
}

/// Without LDP no label leads to the far PE: its routes go, and nothing leaves unlabelled. Without BGP there are none.
pub(super) fn losses(lab: &Lab, report: &mut Report) -> Result<()> {
    report.stage("sessions go and come back");
    let capture = record(lab, "p", "eth1", "ldp")?;
    report.check("P's LDP dies: our PE has no way to the far site; it returns, so does the way", || {
        let p = lab.node("p")?;
        p.demand("pkill -9 ldpd")?;
        let gone = until(30, || Ok(!has_far(lab)?))?;
        ensure!(!traffic::reaches(lab.node(RED.near)?, FAR)?, "a ping came back");
        p.demand("/usr/lib/frr/ldpd -A 127.0.0.1 -f /dev/null -d && vtysh -f /mnt/frr.conf")?;
        let back = until(60, || has_far(lab))?;
        until(30, || traffic::reaches(lab.node(RED.near)?, FAR))?;
        Ok(format!("gone after {:.1} s, back after {:.1} s", gone.as_secs_f32(), back.as_secs_f32()))
    });
    let file = capture.stop()?;
    report.check("every segment of LDP with P is signed (RFC 2385)", || {
        let count = |signed: &str| {
            let filter = format!("tcp.port == 646 && tcp.len > 0 && {signed}tcp.options.md5.digest");
            Ok::<_, anyhow::Error>(decode(&file, &[], &filter, &["frame.number"])?.len())
        };
        let (signed, bare) = (count("")?, count("!")?);
        ensure!(signed > 0 && bare == 0, "{signed} are, {bare} are not");
        Ok(format!("{signed} segments"))
    });
    report.check("`clear bgp` on our PE: every route is there again", || {
        lab.node("pe1")?.demand("onramp clear bgp '*'")?;
        let rr = lab.node("rr")?;
        until(15, || Ok(!gobgp::is_up(rr, PE1)?))?;
        let back =
            until(60, || Ok(gobgp::is_up(rr, PE1)? && gobgp::is_up(rr, PE1_SIX)? && is_reflected(lab)?))?;
        until(30, || has_far(lab))?;
        Ok(format!("after {:.1} s", back.as_secs_f32()))
    });
    for customer in &CUSTOMERS {
        customer.comes_up(lab, report);
    }
    Ok(())
}

/// Whether red uses the far site's route, with two labels.
fn has_far(lab: &Lab) -> Result<bool> {
    let Response::Routes(tables) = ours::ask(lab.node("pe1")?, "show ip route vrf red")? else {
        anyhow::bail!("not a table")
    };
    let mut routes = tables.iter().flat_map(|table| &table.routes);
    Ok(routes.any(|route| route.prefix == "10.1.0.0/16" && route.code == "B" && route.labels.len() == 2))
}

/// It has so many routes in all.
pub(super) fn reflector_restarts(lab: &Lab, routes: usize, report: &mut Report) {
    report.stage("restarts");
    report.check("the reflector restarts: every route is there again", || {
        let rr = lab.node("rr")?;
        rr.kill()?;
        rr.start()?;
        let all =
            || Ok::<_, anyhow::Error>(gobgp::routes(rr, "vpnv4")?.len() + gobgp::routes(rr, "vpnv6")?.len());
        let took = until(60, || Ok(all().is_ok_and(|count| count >= routes)))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
    for customer in &CUSTOMERS {
        customer.comes_up(lab, report);
    }
}

pub(super) fn restarts(lab: &Lab, announced: &[Announced], report: &mut Report) {
    report.check("our PE restarts: the same label for the same VRF", || {
        let pe1 = lab.node("pe1")?;
        pe1.kill()?;
        pe1.start()?;
        all_return(lab)?;
        same_labels(lab, announced)
    });
}

/// The kernel forwards on, and FRR goes on announcing what the kernel has.
pub(super) fn crashes(lab: &Lab, announced: &[Announced], report: &mut Report) {
    report.check("our daemon crashes: all flows on, nothing is withdrawn", || {
        lab.node("pe1")?.kill()?;
        for customer in &CUSTOMERS {
            traffic::ping_all(lab.node(customer.near)?, FAR, 50, customer.mark)?;
        }
        same_labels(lab, announced)
    });
    report.check("it starts again: the same labels, and all flows", || {
        lab.node("pe1")?.start()?;
        all_return(lab)?;
        same_labels(lab, announced)
    });
}

fn all_return(lab: &Lab) -> Result<()> {
    for customer in &CUSTOMERS {
        until(60, || Ok(!swan::children(lab.node(customer.gateway)?)?.is_empty()))?;
        until(60, || traffic::reaches(lab.node(customer.near)?, FAR)).with_context(|| customer.name)?;
    }
    Ok(())
}

fn same_labels(lab: &Lab, announced: &[Announced]) -> Result<String> {
    for (name, route) in [REDS, BLUES].iter().zip(announced) {
        let now = waited(lab.node("rr")?, "vpnv4", name)?;
        ensure!(now.label == route.near.label, "{name}: {} instead of {}", now.label, route.near.label);
    }
    Ok(String::new())
}
