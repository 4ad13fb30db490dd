//! An aggregator of the lab two-box dies: its customers' routes go, and come back with it.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

use super::super::capture::{Capture, decode};
use super::super::customer;
use super::super::node::Node;
use super::super::report::Report;
use super::super::{Lab, until};
use super::{CUSTOMERS, NEAR, SECOND, route};

/// What the sessions without BFD wait, in seconds.
const HOLD: u64 = 9;

/// Within the hold time without BFD, at once with it; and all is well again when the aggregator is back.
pub(super) fn deaths(lab: &Lab, report: &mut Report) -> Result<()> {
    report.stage("an aggregator dies");
    let hold = Duration::from_secs(HOLD + 1);
    for loss in [Loss::Process, Loss::Cable] {
        let lost = [("red", SECOND)];
        falls(lab, report, ("agg2", loss), &lost, hold)?;
        let lost = [("red", NEAR), ("green", NEAR)];
        falls(lab, report, ("agg1", loss), &lost, Duration::from_secs(1))?;
    }
    for customer in &CUSTOMERS {
        customer.comes_up(lab, report);
    }
    customer::round_trips(lab, &CUSTOMERS, report);
    Ok(())
}

/// How an aggregator is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Its process, without a word.
    Process,
    /// Its cable towards the PE, which does not see that.
    Cable,
}

impl Loss {
    const fn name(self) -> &'static str {
        match self {
            Self::Process => "is killed",
            Self::Cable => "loses its cable",
        }
    }

    fn strike(self, node: &Node) -> Result<()> {
        match self {
            Self::Process => node.kill(),
            Self::Cable => node.outside("ip link set eth1 down").map(drop),
        }
    }

    fn mend(self, node: &Node) -> Result<()> {
        match self {
            Self::Process => node.start(),
            Self::Cable => node.outside("ip link set eth1 up").map(drop),
        }
    }
}

/// These routes go within `limit`, those of the other aggregator stay; then the aggregator comes back.
fn falls(
    lab: &Lab,
    report: &mut Report,
    (name, loss): (&str, Loss),
    lost: &[(&str, &str)],
    limit: Duration,
) -> Result<()> {
    let (node, far) = (lab.node(name)?, lab.node("far")?);
    let stays = if name == "agg1" { SECOND } else { NEAR };
    let all = |there: bool| {
        lost.iter().try_fold(true, |all, (vrf, of)| Ok(all && route(far, vrf, of)?.is_some() == there))
    };
    report.check(&format!("{name} {}: its routes go within {} s", loss.name(), limit.as_secs()), || {
        let core = Capture::start(lab.node("pe")?, "eth3", &lab.out, &format!("{name}-{loss:?}"))?;
        let before = SystemTime::now().duration_since(UNIX_EPOCH)?;
        loss.strike(node)?;
        until(2 * HOLD, || all(false))?;
        let took = last_withdrawal(&core.stop()?)?.saturating_sub(before);
        ensure!(took < limit, "after {:.2} s", took.as_secs_f32());
        ensure!(route(far, "red", stays)?.is_some(), "{stays} of the other aggregator went, too");
        Ok(format!("after {:.2} s", took.as_secs_f32()))
    });
    loss.mend(node)?;
    report.check(&format!("{name}: all is back"), || {
        let took = until(60, || all(true))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    });
    Ok(())
}

/// When the PE told its core the last time that a VPN route is gone, since the epoch: to ask a kernel takes longer.
fn last_withdrawal(core: &Path) -> Result<Duration> {
    // MP_UNREACH_NLRI, RFC 4760.
    let told = decode(core, &[], "bgp.update.path_attribute.type_code == 15", &["frame.time_epoch"])?;
    let last = told.last().and_then(|fields| fields.first()).context("nothing was withdrawn")?;
    Ok(Duration::from_secs_f64(last.parse()?))
}
