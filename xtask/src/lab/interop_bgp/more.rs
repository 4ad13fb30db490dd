//! Two paths of one prefix with IPv6 next hops, and labels for the way itself.

use std::path::Path;

use anyhow::{Context as _, ensure};

use super::super::report::Report;
use super::super::{Lab, frr, gobgp, until};
use super::bytes::{reach, said};
use super::speakers::{CARRIED, FRR, GOBGP, Labelled, OWN, paths, stack};

/// Of BIRD's session over IPv6 alone: with either label and next hop.
const TWICE: [Labelled; 2] = [("10.46.0.0/24", 4008), ("10.46.0.0/24", 4009)];
const NEXT_HOPS: [&str; 2] = ["2001:db8:4::3", "2001:db8:4::5"];

/// Us, and BIRD, on that session.
const SESSION: [&str; 2] = ["2001:db8:4::1", "2001:db8:4::2"];

/// RFC 7911, RFC 8950.
pub(super) fn two_paths(lab: &Lab, report: &mut Report) {
    report.check("BIRD: both paths of a VPNv4 prefix, each with an IPv6 next hop", || {
        until(30, || Ok(paths(lab, "65000:4", TWICE[0].0)?.len() == 2))?;
        let mut paths = paths(lab, "65000:4", TWICE[0].0)?;
        paths.sort_by_key(|path| path.label);
        for ((path, (_, label)), next_hop) in paths.iter().zip(TWICE).zip(NEXT_HOPS) {
            ensure!(path.label == Some(label) && path.next_hop.to_string() == next_hop, "{path:?}");
        }
        let numbers = [paths[0].path_id, paths[1].path_id];
        ensure!(numbers[0] != numbers[1], "both have the number {}", numbers[0]);
        ensure!(paths.iter().filter(|path| path.best.is_some()).count() == 1, "not one best path");
        Ok(format!("numbers {numbers:?}"))
    });
    report.check("one of them is in VRF red", || {
        let used = stack(lab, TWICE[0].0)?;
        let used = used.with_context(|| format!("{} is not", TWICE[0].0))?;
        ensure!(TWICE.iter().any(|(_, label)| used == [*label]), "labels {used:?}");
        Ok(format!("with label {}", used[0]))
    });
    report.check("BIRD: has our VPNv4 route with an IPv6 next hop", || {
        let bird = lab.node("bird")?;
        let ours = || bird.demand("birdc -s /run/bird.ctl show route all table vpn4six");
        until(20, || Ok(ours()?.contains(&format!("BGP.next_hop: {}", SESSION[0]))))
            .with_context(|| ours().unwrap_or_default())?;
        Ok(String::new())
    });
}

/// The number of the path before each route of BIRD's; the long next hop before ours.
pub(super) fn two_paths_on_the_wire(lab: &Lab, file: &Path, report: &mut Report) {
    report.check("bird: its paths have numbers on the wire, our VPNv4 route an IPv6 next hop", || {
        let [ours, theirs] = SESSION;
        let from_bird = said(file, &format!("ipv6.src == {theirs} && tcp.port == 179"))?;
        let mut numbers = Vec::new();
        for (prefix, label) in TWICE {
            // Without what stands before the route itself.
            let whole = reach(prefix, label, 4, theirs)?;
            let route = &whole[whole.len() - 2 * (1 + 3 + 8 + 3)..];
            let at = from_bird.find(route).with_context(|| format!("nowhere {route}"))?;
            let number = from_bird.get(at.saturating_sub(8)..at).unwrap_or_default();
            numbers.push(u32::from_str_radix(number, 16)?);
        }
        let mut shown: Vec<_> = paths(lab, "65000:4", TWICE[0].0)?.iter().map(|path| path.path_id).collect();
        shown.sort_unstable();
        numbers.sort_unstable();
        ensure!(numbers == shown, "numbers {numbers:?}, we show {shown:?}");
        let routes = gobgp::routes(lab.node(GOBGP.node)?, "vpnv4")?;
        let own = routes.get(&format!("65000:1:{}", OWN[0])).context("GoBGP has not ours")?;
        let from_us = said(file, &format!("ipv6.src == {ours} && ipv6.dst == {theirs} && tcp.port == 179"))?;
        ensure!(from_us.contains(&reach(OWN[0], own.label, 1, ours)?), "ours is not there");
        Ok(format!("numbers {numbers:?}"))
    });
}

/// RFC 8277: FRR says the way to a loopback behind it, and we that to ours.
pub(super) fn labelled_unicast(lab: &Lab, report: &mut Report) {
    report.check("FRR: its label for the far loopback carries a VPN route", || {
        let label = || {
            let ledger = lab.node(FRR.node)?.demand("vtysh -c 'show bgp labelpool ledger'")?;
            let mut lines = ledger.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
            let found = lines.find(|words| words.first() == Some(&"10.255.0.6/32"));
            found.and_then(|words| words.get(1)?.parse::<u32>().ok()).context("FRR has no label")
        };
        let took = until(40, || {
            let expected = label().ok().map(|label| vec![label, CARRIED.1]);
            Ok(expected.is_some() && stack(lab, CARRIED.0)? == expected)
        });
        let took =
            took.with_context(|| format!("labels {:?}, FRR's is {:?}", stack(lab, CARRIED.0), label()))?;
        Ok(format!(
            "labels {:?} after {:.1} s",
            stack(lab, CARRIED.0)?.unwrap_or_default(),
            took.as_secs_f32()
        ))
    });
    report.check("the router behind FRR has the way to our loopback", || {
        let far = lab.node("far")?;
        let took = until(20, || {
            let shown = frr::show(far, "bgp ipv4 labeled-unicast")?;
            Ok(shown["routes"]["10.255.0.1/32"][0]["valid"] == true)
        })?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
}
