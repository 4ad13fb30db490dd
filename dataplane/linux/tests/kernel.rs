//! The Linux dataplane on a kernel: every test in a network namespace of its own, which goes with it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "kernel/bed.rs"]
mod bed;

use bed::{Box1, assert_same, ip, namespaced};
use dataplane::contract::{self, Subject as _};
use dataplane::{Dataplane as _, Event, Plan};

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn it_keeps_the_contract() {
    namespaced("it_keeps_the_contract", || contract::suite(&mut || Box::new(Box1::new())));
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn nothing_is_left_of_a_plan_that_went() {
    namespaced("nothing_is_left_of_a_plan_that_went", || {
        let mut one = Box1::new();
        let before = bed::state();
        let ops = Plan::default().toward(&contract::plan());
        one.linux.apply(&ops).unwrap();
        assert!(ip(&["-d", "link"]).contains("onramp"));
        let ops = contract::plan().toward(&Plan::default());
        one.linux.apply(&ops).unwrap();
        assert_same(&before, &bed::state(), "in the end");
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn a_restart_takes_everything_over_as_it_is() {
    namespaced("a_restart_takes_everything_over_as_it_is", || {
        let mut one = Box1::new();
        one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap();
        one.carry();
        let (before, links) = (bed::state(), ip(&["-o", "link"]));
        one.restart();
        assert_same(&before, &bed::state(), "only reading");
        let heard = bed::Monitor::start();
        one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap();
        assert_eq!(heard.lines(), Vec::<String>::new(), "nothing was sent");
        assert_same(&before, &bed::state(), "the same plan");
        assert_eq!(ip(&["-o", "link"]), links);
        one.carry();
        assert_eq!(one.linux.counters().sas[&contract::OUTBOUND].sequence, 2, "the SA went on");
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn what_a_stranger_takes_away_comes_back() {
    namespaced("what_a_stranger_takes_away_comes_back", || {
        let mut one = Box1::new();
        one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap();
        one.settle();
        let before = bed::state();
        for theft in [
            "-M route del 3001",
            "route del 10.1.0.0/16 vrf vrf1",
            "route del 10.2.0.0/16 vrf vrf1",
            "neigh del 192.168.0.2 dev port2",
            "addr del 192.168.0.1/24 dev port2",
            "route del 172.18.1.0/24 dev port1 vrf vrf10",
            "route del local 172.18.1.1 dev port1 table 1010",
            "link set port1 nomaster",
            "link set ipsec1 nomaster",
            "link set ipsec1 down",
            "link set vrf10 down",
            "link set vrf1 down",
            "link set port2.100 nomaster",
            "link set port2.100 down",
            "link del port2.100",
            "link del ipsec1",
            "link del vrf10",
            "link del vrf1",
            "rule del pref 1000",
            "-6 rule del pref 1000",
            "rule del pref 32765",
            "xfrm policy flush",
        ] {
            let arguments: Vec<&str> = theft.split(' ').collect();
            ip(&arguments);
            one.settle();
            assert_same(&before, &bed::state(), theft);
        }
        for theft in [
            "filter del dev port1 ingress",
            "filter del dev port1 ingress pref 111",
            "filter del dev port1 ingress pref 111 handle 1 matchall",
            "qdisc del dev ipsec1 clsact",
        ] {
            bed::tc(theft);
            one.settle();
            assert!(bed::tc("filter show dev port1 ingress").contains("skbedit"), "{theft}");
            assert!(bed::tc("filter show dev ipsec1 egress").contains("skbedit"), "{theft}");
        }
        one.carry();
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn what_a_stranger_renames_has_its_name_again() {
    namespaced("what_a_stranger_renames_has_its_name_again", || {
        let mut one = Box1::new();
        one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap();
        one.settle();
        let before = bed::state();
        let rename = |old, new| {
            ip(&["link", "set", old, "down"]);
            ip(&["link", "set", old, "name", new]);
        };
        for device in ["ipsec1", "vrf1", "vrf10", "port2.100"] {
            rename(device, "stolen");
            one.settle();
            assert_same(&before, &bed::state(), device);
        }
        // A port is not ours: its owner gives it its name again.
        for (old, new) in [("port1", "stolen"), ("stolen", "port1")] {
            rename(old, new);
            ip(&["link", "set", new, "up"]);
            one.settle();
        }
        assert_same(&before, &bed::state(), "port1");
        assert_eq!(one.linux.facts().problems, Vec::<String>::new());
        one.carry();
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn a_link_that_flaps_gets_everything_back() {
    namespaced("a_link_that_flaps_gets_everything_back", || {
        let mut one = Box1::new();
        one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap();
        one.settle();
        let before = bed::state();
        // A VLAN is as good as its wire.
        let both = |up| [contract::CORE, contract::VLAN].map(|port| Event::Link { port, up });
        ip(&["link", "set", "port2", "down"]);
        assert_eq!(one.settle(), both(false));
        assert_ne!(bed::state(), before);
        ip(&["link", "set", "port2", "up"]);
        assert_eq!(one.settle(), both(true));
        assert_same(&before, &bed::state(), "in the end");
        one.carry();
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn what_leaves_for_a_vlan_has_its_tag_and_a_stranger_s_vlan_stays_his() {
    namespaced("what_leaves_for_a_vlan_has_its_tag_and_a_stranger_s_vlan_stays_his", || {
        let mut one = Box1::new();
        one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap();
        one.settle();
        ip(&["neigh", "add", "10.7.0.2", "lladdr", "02:00:00:00:00:09", "dev", "port2.100"]);
        let frame = one.forwarded([10, 8, 0, 9]);
        assert_eq!(
            frame[..18],
            [&[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1][..], &[0x81, 0, 0, 100, 8, 0]].concat()
        );
        assert_eq!(frame[18 + 16..18 + 20], [10, 8, 0, 9]);
        one.linux.apply(&contract::plan().toward(&Plan::default())).unwrap();
        ip(&["link", "add", "link", "port2", "name", "port2.100", "type", "vlan", "id", "100"]);
        ip(&["link", "set", "port2.100", "up"]);
        one.settle();
        let refused = one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap_err();
        assert!(refused.iter().any(|no| no.reason.contains("port2.100 is there already")), "{refused:?}");
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn an_sa_that_a_stranger_takes_away_is_replaced() {
    namespaced("an_sa_that_a_stranger_takes_away_is_replaced", || {
        let mut one = Box1::new();
        one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap();
        one.settle();
        ip(&["xfrm", "state", "flush"]);
        let events = one.settle();
        assert!(events.contains(&Event::Lost(contract::OUTBOUND)), "{events:?}");
        assert!(!ip(&["xfrm", "state"]).contains("0x0c000001"), "its numbers would begin anew");
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn what_strangers_have_is_not_touched() {
    namespaced("what_strangers_have_is_not_touched", || {
        let mut one = Box1::new();
        for foreign in [
            "link add strange type vrf table 77",
            "link set strange up",
            "link add tunnel9 type xfrm dev lo if_id 9",
            "link set tunnel9 up",
            "route add 203.0.113.0/24 dev tunnel9 vrf strange",
            "route add 10.9.0.0/16 dev far2 metric 20",
            "-M route add 777 dev lo",
            "neigh add 192.0.2.9 lladdr 02:00:00:00:00:77 dev far2",
            "addr add 192.0.2.1/24 dev port2",
            "rule add pref 500 fwmark 7 lookup 77",
        ] {
            let arguments: Vec<&str> = foreign.split(' ').collect();
            ip(&arguments);
        }
        bed::foreign_sa();
        let before = bed::state();
        one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap();
        one.carry();
        one.linux.apply(&contract::plan().toward(&Plan::default())).unwrap();
        one.settle();
        assert_same(&before, &bed::state(), "in the end");
    });
}

#[test]
#[ignore = "needs a kernel with VRF, MPLS and ESP: ./x test runs it in user-mode Linux"]
fn a_former_run_s_tunnels_carry_until_they_are_replaced() {
    namespaced("a_former_run_s_tunnels_carry_until_they_are_replaced", || {
        let mut one = Box1::new();
        one.linux.apply(&Plan::default().toward(&contract::plan())).unwrap();
        let was = one.sealed();
        one.restart();
        // Without SAs, as a daemon starts.
        let bare: Plan = contract::plan().objects().filter_map(bed::without_sas).collect();
        one.linux.apply(&Plan::default().toward(&bare)).unwrap();
        let events = one.settle();
        assert!(events.iter().any(|event| matches!(event, Event::Acquire { .. })), "{events:?}");
        one.send();
        assert_eq!(one.sealed(), was + 1, "the former SA still seals");
        // IKE is done.
        let fresh: Plan = contract::plan().objects().map(bed::with_another_spi).collect();
        one.linux.apply(&bare.toward(&fresh)).unwrap();
        std::thread::sleep(std::time::Duration::from_secs(6));
        one.settle();
        assert!(!ip(&["xfrm", "state"]).contains("0x0c000001"));
        one.carry();
    });
}
