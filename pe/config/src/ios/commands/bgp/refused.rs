//! Lines of BGP that IOS knows: what is so anyway, and what is not, with what to write instead.

use super::neighbor::who;
use super::{Bgp, BgpUnicast, BgpVpn, BgpVrf, Command, Level};

/// Of a level that has neighbours' lines of one family; the general ones are those of `router bgp` and of VRFs.
pub(super) fn commands(level: Level) -> Vec<Command> {
    let mut rows = everywhere();
    if level == BgpVpn {
        rows.extend(OF_VPN);
    } else {
        rows.extend(OF_UNICAST);
    }
    if level == BgpVrf {
        rows.extend(OF_VRF);
    }
    if level != Bgp {
        rows.extend(INSIDE);
    }
    if matches!(level, Bgp | BgpVrf) {
        rows.extend(OF_SESSIONS);
    }
    let mut commands: Vec<_> =
        rows.into_iter().map(|(pattern, instead)| Command::refuse(level, pattern, instead)).collect();
    commands.extend(ALWAYS.map(|pattern| Command::always(level, pattern)));
    if matches!(level, Bgp | BgpVrf) {
        commands.push(Command::always(level, who!("transport path-mtu-discovery")));
    }
    if level == BgpVpn {
        commands
            .extend([who!("next-hop-self"), who!("next-hop-unchanged")].map(|it| Command::always(level, it)));
    }
    commands
}

type Row = (&'static str, &'static str);

const ALWAYS: [&str; 6] = [
    "bgp bestpath compare-routerid",
    "bgp client-to-client reflection",
    "bgp deterministic-med",
    "bgp enforce-first-as",
    "bgp nexthop trigger enable",
    "bgp transport path-mtu-discovery",
];

fn everywhere() -> Vec<Row> {
    const NOTHING: &str = "nothing here works like that: leave the line out";
    const NEXT_HOPS: &str = "next hops are followed at once: leave the line out";
    vec![
        ("bgp nexthop trigger delay <REST:line>", NEXT_HOPS),
        ("bgp nexthop route-map <REST:line>", NEXT_HOPS),
        (
            "bgp {advertise-best-external | aggregate-timer | consistency-checker | dmzlink-bw | inject-map | maxas-limit | mpls-local-label | recursion | refresh | rr-group | scan-time | slow-peer | soft-reconfig-backup | sourced-paths | suppress-inactive | update-delay | upgrade-cli} [<REST:line>]",
            NOTHING,
        ),
        (
            "default-information originate [<REST:line>]",
            "write `network 0.0.0.0`, or `neighbor A default-originate`",
        ),
        ("default-metric <REST:line>", "write `metric N` behind `redistribute`"),
        ("table-map <REST:line>", "write a route map of the neighbour, or an `import map`"),
        (
            who!("advertise {additional-paths | best-external | diverse-path} [<REST:line>]"),
            "the best path is sent",
        ),
        (
            who!("as-override {split-horizon}"),
            "write `neighbor A soo SITE`: routes do not return to their site",
        ),
        (
            who!("remove-private-as [all] {replace-as}"),
            "private ASes are taken out, and nothing put in their place",
        ),
        (
            who!(
                "{accept-route-legacy-rt | allow-policy | dmzlink-bw | inter-as-hybrid | internal-vpn-client | slow-peer} [<REST:line>]"
            ),
            NOTHING,
        ),
    ]
}

const OF_VPN: [Row; 2] = [
    (
        who!("next-hop-self {all}"),
        "VPN routes of others keep their next hop, for it is what knows their label",
    ),
    (who!("default-originate"), "write it under `address-family ipv4 vrf V`"),
];

const OF_VRF: [Row; 2] = [
    ("import {path | paths} <REST:line>", "the best path of each prefix is imported: leave the line out"),
    (who!("send-label"), "labels are spoken in the global table: customers' sessions are plain"),
];

const OF_UNICAST: [Row; 4] = [
    ("network <P:ipv4> [mask <M:mask>] {backdoor}", "write `distance bgp`, or a weight"),
    ("distance <N:1-255> <REST:line>", "write `distance bgp EXTERNAL INTERNAL LOCAL`"),
    (who!("next-hop-unchanged [<REST:line>]"), "write a route map with `set ip next-hop`"),
    (who!("send-label {explicit-null}"), "networks of the box itself have implicit null: leave the word out"),
];

/// Under `router bgp` they have rows of their own.
const INSIDE: [Row; 2] = [
    (
        "bgp {additional-paths | bestpath | dampening} [<REST:line>]",
        "see what `router bgp` says of it: leave the line out",
    ),
    ("timers bgp <REST:line>", "it holds in every address family: write it under `router bgp`"),
];

const LEAST: &str = "a hold time of 3 seconds and more is taken: leave the third number out";
const BOTH: &str = "either side connects, unless `transport connection-mode passive` is written";

const OF_SESSIONS: [Row; 9] = [
    (who!("timers <K:0-65535> <H:0-65535> <MIN:0-65535>"), LEAST),
    (who!("transport connection-mode active"), BOTH),
    (who!("transport multi-session"), "one session speaks all address families"),
    (
        who!("fall-over bfd {multi-hop | single-hop | strict-mode}"),
        "its route says how far the neighbour is: leave the word out",
    ),
    (who!("fall-over route-map <REST:line>"), "write `neighbor A fall-over bfd`"),
    (
        who!("local-as <AS:asn> no-prepend replace-as {dual-as}"),
        "the neighbour knows one AS: leave the word out",
    ),
    (who!("graceful-restart [<REST:line>]"), "`bgp graceful-restart` is for all neighbours"),
    (who!("log-neighbor-changes"), "`bgp log-neighbor-changes` is for all neighbours"),
    (
        who!("{cluster-id | dont-capability-negotiate | path-attribute | translate-update} [<REST:line>]"),
        "sessions are what capabilities make of them: leave the line out",
    ),
];

/// At `router bgp`.
pub(super) fn third_timer() -> Command {
    Command::refuse(Bgp, "timers bgp <K:0-65535> <H:0-65535> <MIN:0-65535>", LEAST)
}

/// Where neighbours' lines are of one family.
pub(super) const LEVELS: [Level; 4] = [Bgp, BgpUnicast, BgpVpn, BgpVrf];
