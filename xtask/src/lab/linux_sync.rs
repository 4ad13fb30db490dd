//! The lab linux-sync: whatever strangers, links, crashes and restarts do to the kernel's state, the PE has it right again
//! soon, and nothing of others' is touched.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::node::{Node, quote};
use super::report::Report;
use super::traffic::{self, Pings};
use super::{Lab, joined, until};

/// The far site of either VPN.
const FAR: &str = "10.1.3.4";

/// In the tunnel, and by a plain port: only the latter must never lose a packet.
const TUNNEL: &str = "host-red";
const PLAIN: &str = "host-blue";

/// Milliseconds until the kernel's state must be right again.
const SOON: u64 = 1000;

/// Seconds until a tunnel must carry again after a start.
const RESTART: u64 = 10;

/// What strangers do, and how. The variables are those of `mended.sh`.
const STRANGERS: [(&str, &str); 15] = [
    ("a labelled route goes", "ip route delete 10.1.0.0/16 vrf red"),
    ("a route into the tunnel goes", "ip route delete 10.2.0.0/16 vrf red"),
    ("a connected route goes", "ip route delete 10.2.0.0/16 vrf blue"),
    ("a label's route goes", "ip -f mpls route delete 101"),
    ("the inside VRF's device goes", "ip link delete red"),
    ("the front VRF's device goes", "ip link delete front"),
    ("the XFRM interface goes", "ip link delete $tunnel"),
    ("the XFRM interface is released", "ip link set $tunnel nomaster"),
    ("a port is released", "ip link set eth3 nomaster"),
    ("a policy goes", "ip xfrm policy delete $policy"),
    ("an SA goes", "ip xfrm state delete $sa"),
    ("the core's address goes", "ip address delete 172.17.1.1/16 dev eth1"),
    ("the tunnel's address goes", "ip address delete 172.18.1.1/24 dev eth2"),
    ("the port's filter goes", "tc filter delete dev eth2 ingress"),
    ("the rule for VRFs goes", "ip rule delete pref 1000"),
];

/// What happens to links.
const LINKS: [(&str, &str); 3] = [
    ("the core flaps", "ip link set eth1 down; sleep 0.5; ip link set eth1 up"),
    ("the tunnel's port flaps", "ip link set eth2 down; sleep 0.5; ip link set eth2 up"),
    (
        "a port is renamed and renamed back",
        "ip link set eth3 down; ip link set eth3 name other; ip link set other up; sleep 1; \
         ip link set other down; ip link set other name eth3; ip link set eth3 up",
    ),
];

/// More news than the daemon's sockets hold, and among it losses of its own.
const OVERRUN: [(&str, &str); 1] = [(
    "20,000 routes come and go while it sleeps",
    "kill -STOP $(cat /run/cmd.pid)
    seq 20000 | awk '{ print \"route add 100.64.\" int($1/256) \".\" $1%256 \" dev foreign table 4243\" }' | ip -batch -
    ip route flush table 4243
    ip route delete 10.1.0.0/16 vrf red; ip -f mpls route delete 101; ip link set eth3 nomaster
    kill -CONT $(cat /run/cmd.pid)",
)];

/// `filter`: only what its name holds.
pub(crate) fn run(lab: &Lab, filter: &str, report: &mut Report) -> Result<()> {
    let pe = lab.node("pe1")?;
    report.stage("both ways up");
    if !both_reach(lab, 30, report) {
        bail!("there is nothing to disturb");
    }
    report.row("Mended", &["what happened", "right again after"].map(str::to_owned));
    report.stage("strangers take away, links go and come, more news than sockets hold");
    let events = STRANGERS.iter().chain(&LINKS).chain(&OVERRUN);
    events.filter(|(what, _)| what.contains(filter)).for_each(|event| mended(lab, pe, *event, report));
    report.stage("ends and starts");
    if "it is killed".contains(filter) {
        restarted(lab, "it is killed and starts", report, || pe.kill());
    }
    if "it ends".contains(filter) {
        ends(lab, pe, report)?;
    }
    untouched(pe, report);
    Ok(())
}

/// Without `--keep-forwarding`, then with it.
fn ends(lab: &Lab, pe: &Node, report: &mut Report) -> Result<()> {
    cleared(lab, pe, report);
    pe.demand("echo --keep-forwarding >/run/words")?;
    report.check("it starts with --keep-forwarding", || pe.start().map(|()| String::new()));
    both_reach(lab, RESTART, report);
    restarted(lab, "it ends with --keep-forwarding and starts", report, || ended(pe));
    Ok(())
}

/// The state is right again soon after the event, and traffic flows.
fn mended(lab: &Lab, pe: &Node, (what, command): (&str, &str), report: &mut Report) {
    let mut took = None;
    report.check(&format!("{what}: right again within {SOON} ms"), || {
        let said = pe.demand(&format!("sh /mnt/mended.sh {}", quote(command)))?;
        let last = said.lines().next_back().unwrap_or_default();
        let time: u64 = last.parse().with_context(|| said.clone())?;
        took = Some(time);
        ensure!(time <= SOON, "after {time} ms");
        Ok(format!("after {time} ms"))
    });
    if let Some(took) = took {
        report.row("Mended", &[what.to_owned(), format!("{took} ms")]);
    }
    both_reach(lab, 2, report);
}

fn both_reach(lab: &Lab, seconds: u64, report: &mut Report) -> bool {
    let reach = |host| {
        let took = until(seconds, || traffic::reaches(lab.node(host)?, FAR))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    };
    let passed =
        [TUNNEL, PLAIN].map(|host| report.check(&format!("{host} reaches its far site"), || reach(host)));
    passed == [true, true]
}

/// The daemon goes and comes under traffic: the plain port loses nothing, the tunnel is back soon.
fn restarted(lab: &Lab, what: &str, report: &mut Report, end: impl FnOnce() -> Result<()> + Send) {
    let count = 50 * (RESTART as u32 + 2);
    let series = |host: &'static str| move || traffic::ping(lab.node(host)?, FAR, count, 0xaa);
    let outcome: Result<[Pings; 2]> = thread::scope(|scope| {
        let plain = scope.spawn(series(PLAIN));
        let tunnel = scope.spawn(series(TUNNEL));
        let happened = again(lab, end);
        let pings = [joined(plain)?, joined(tunnel)?];
        happened.map(|()| pings)
    });
    let tunnel = outcome.as_ref().ok().map(|pings| pings[1]);
    report.check(&format!("{what}: {PLAIN} loses no packet"), || {
        let plain = outcome?[0];
        ensure!(plain.received == plain.sent, "{} of {} came back", plain.received, plain.sent);
        Ok(format!("{} pings", plain.sent))
    });
    if let Some(tunnel) = tunnel {
        let lost = tunnel.sent - tunnel.received;
        report
            .row("Mended", &[format!("{what}: the tunnel"), format!("{lost} of {} pings lost", tunnel.sent)]);
    }
    both_reach(lab, 2, report);
}

/// A second without a daemon, then it starts.
fn again(lab: &Lab, end: impl FnOnce() -> Result<()>) -> Result<()> {
    let pause = || thread::sleep(Duration::from_secs(1));
    pause();
    end()?;
    pause();
    lab.node("pe1")?.start()
}

/// SIGTERM, and the daemon has gone.
fn ended(pe: &Node) -> Result<()> {
    let end = "kill $(cat /run/cmd.pid); while kill -0 $(cat /run/cmd.pid) 2>/dev/null; do sleep 0.02; done";
    pe.demand(end).map(drop)
}

/// An end without `--keep-forwarding`: nothing passes any more, neither sealed nor in clear. Routes into tunnels stay, and
/// end there in policies that block.
fn cleared(lab: &Lab, pe: &Node, report: &mut Report) {
    report.check("it ends: its SAs, labels and plain routes are gone, nothing passes", || {
        ended(pe)?;
        for host in [TUNNEL, PLAIN] {
            ensure!(!traffic::reaches(lab.node(host)?, FAR)?, "{host} reaches its far site");
        }
        let left = pe.demand(
            "{ ip xfrm state show | grep ^src | grep -v 192.0.2; ip -f mpls route show | grep -v ^777; \
             ip route show vrf red proto 111; ip route show vrf blue proto 111; } | grep -Ev '^(unreachable|blackhole)| dev ipsec'; true",
        )?;
        ensure!(left.trim().is_empty(), "left: {left}");
        Ok(String::new())
    });
    untouched(pe, report);
}

/// What others planted before the first start is all there.
fn untouched(pe: &Node, report: &mut Report) {
    report.check("nothing of others' was touched", || {
        let count = pe.demand("grep -c . /run/foreign")?;
        let lost = pe.demand("sh /mnt/state.sh | comm -23 /run/foreign -")?;
        ensure!(lost.trim().is_empty(), "missing or changed: {lost}");
        Ok(format!("{} objects", count.trim()))
    });
}
