//! The lab linux-sync: whatever strangers, links, crashes and restarts do to the kernel's state, the PE has it right again
//! soon, nothing of others' is touched, and nothing leaves in clear.

mod beside;
mod quiet;

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::node::{Node, quote};
use super::report::Report;
use super::traffic::{self, Pings};
use super::{Lab, joined, until};

/// The far site of each VPN.
const FAR: &str = "10.1.3.4";

/// Behind a crypto map, behind a tunnel interface, and by a plain port: only the last must never lose a packet.
const HOSTS: [&str; 3] = ["host-red", "host-green", PLAIN];
const PLAIN: &str = "host-blue";

/// Milliseconds until the kernel's state must be right again.
const SOON: u64 = 1000;

/// An SA takes an exchange with the peer, which may miss a message: IKE sends it again after a second.
const EXCHANGE: (&str, u64) = ("an SA goes", SOON + 1000);

/// Seconds until a tunnel must carry again after a start.
const RESTART: u64 = 10;

/// What strangers do, and how. The variables are those of `mended.sh`.
const STRANGERS: [(&str, &str); 16] = [
    ("a labelled route goes", "ip route delete 10.1.0.0/16 vrf red"),
    ("a route into the tunnel goes", "ip route delete 10.2.0.0/16 vrf red"),
    ("a connected route goes", "ip route delete 10.2.0.0/16 vrf blue"),
    ("a label's route goes", "ip -f mpls route delete 101"),
    ("the inside VRF's device goes", "ip link delete red"),
    ("the front VRF's device goes", "ip link delete front"),
    ("the XFRM interface goes", "ip link delete $tunnel"),
    ("the tunnel interface goes", "ip link delete Tunnel0"),
    ("the XFRM interface is released", "ip link set $tunnel nomaster"),
    ("a port is released", "ip link set eth3 nomaster"),
    ("a policy goes", "ip xfrm policy delete $policy"),
    (EXCHANGE.0, "ip xfrm state delete $sa"),
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
    let cables = quiet::watch(lab)?;
    report.stage("all ways up");
    if !all_reach(lab, 30, report) {
        bail!("there is nothing to disturb");
    }
    beside::run(lab, pe, report)?;
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
    quiet::judge(cables, report);
    Ok(())
}

/// Without `--keep-forwarding`, then with it.
fn ends(lab: &Lab, pe: &Node, report: &mut Report) -> Result<()> {
    cleared(lab, pe, report);
    pe.demand("echo --keep-forwarding --log trace >/run/words")?;
    report.check("it starts with --keep-forwarding", || {
        pe.start()?;
        let talk = "onramp debug crypto isakmp && onramp debug crypto ipsec";
        until(RESTART, || Ok(pe.run(talk)?.success)).map(|_| String::new())
    });
    all_reach(lab, RESTART, report);
    report.check("no key stands in the log, though it says all it can", || quiet::silent(pe));
    restarted(lab, "it ends with --keep-forwarding and starts", report, || pe.stop());
    Ok(())
}

/// The state is right again soon after the event, and traffic flows.
fn mended(lab: &Lab, pe: &Node, (what, command): (&str, &str), report: &mut Report) {
    let mut took = None;
    let limit = if what == EXCHANGE.0 { EXCHANGE.1 } else { SOON };
    report.check(&format!("{what}: right again within {limit} ms"), || {
        let said = pe.demand(&format!("sh /mnt/mended.sh {}", quote(command)))?;
        let last = said.lines().next_back().unwrap_or_default();
        let time: u64 = last.parse().with_context(|| said.clone())?;
        took = Some(time);
        ensure!(time <= limit, "after {time} ms");
        Ok(format!("after {time} ms"))
    });
    if let Some(took) = took {
        report.row("Mended", &[what.to_owned(), format!("{took} ms")]);
    }
    all_reach(lab, 2, report);
}

fn all_reach(lab: &Lab, seconds: u64, report: &mut Report) -> bool {
    let reach = |host| {
        let took = until(seconds, || traffic::reaches(lab.node(host)?, FAR))?;
        Ok(format!("after {:.1} s", took.as_secs_f32()))
    };
    let passed = HOSTS.map(|host| report.check(&format!("{host} reaches its far site"), || reach(host)));
    passed == [true; 3]
}

/// The daemon goes and comes under traffic: the plain port loses nothing, the tunnels are back soon.
fn restarted(lab: &Lab, what: &str, report: &mut Report, end: impl FnOnce() -> Result<()> + Send) {
    let count = 50 * (RESTART as u32 + 2);
    let outcome: Result<Vec<Pings>> = thread::scope(|scope| {
        let series = |host| scope.spawn(move || traffic::ping(lab.node(host)?, FAR, count, 0xaa));
        let all = HOSTS.map(series);
        let happened = again(lab, end);
        let pings: Result<Vec<Pings>> = all.into_iter().map(joined).collect();
        happened.and(pings)
    });
    for (host, pings) in HOSTS.iter().zip(outcome.iter().flatten()) {
        let lost = format!("{} of {} pings lost", pings.sent - pings.received, pings.sent);
        report.row("Mended", &[format!("{what}: {host}"), lost]);
    }
    report.check(&format!("{what}: {PLAIN} loses no packet"), || {
        let plain = outcome?[2];
        ensure!(plain.received == plain.sent, "{} of {} came back", plain.received, plain.sent);
        Ok(format!("{} pings", plain.sent))
    });
    all_reach(lab, 2, report);
}

/// A second without a daemon, then it starts.
fn again(lab: &Lab, end: impl FnOnce() -> Result<()>) -> Result<()> {
    let pause = || thread::sleep(Duration::from_secs(1));
    pause();
    end()?;
    pause();
    lab.node("pe1")?.start()
}

/// An end without `--keep-forwarding`: nothing passes any more, neither sealed nor in clear. Routes into tunnels stay, and
/// end there in policies that block.
fn cleared(lab: &Lab, pe: &Node, report: &mut Report) {
    report.check("it ends: its SAs, labels and plain routes are gone, nothing passes", || {
        pe.stop()?;
        for host in HOSTS {
            ensure!(!traffic::reaches(lab.node(host)?, FAR)?, "{host} reaches its far site");
        }
        let left = pe.demand(
            "{ ip xfrm state show | grep ^src | grep -v 192.0.2; ip -f mpls route show | grep -v ^777; \
             for vrf in red blue green; do ip route show vrf $vrf proto 111; done; } | \
             grep -Ev '^(unreachable|blackhole)| dev (ipsec|Tunnel)'; true",
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
