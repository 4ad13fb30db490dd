//! The same name stands for the same device, table and number, also after a restart.

use super::*;

fn link(index: u32, kind: Kind, alias: Option<&str>) -> Link {
    let alias = alias.map(Name::from);
    Link { index, master: None, enabled: true, running: true, mtu: 1500, alias, kind }
}

fn vrf(id: u32, name: &str) -> Vrf {
    Vrf { id: VrfId(id), name: Some(name.to_owned()), ttl: TtlModel::Uniform }
}

fn wish(policy: u32, name: &str) -> Wish<'_> {
    let carrier = Carrier::Interface(PolicyId(policy));
    Wish { carrier, name: Some(name), front: VrfId(1), inside: VrfId(2), mtu: 1400 }
}

fn name(text: &str) -> Name {
    Name::from(text)
}

#[test]
fn a_vrf_gets_a_table_of_its_own_and_keeps_it() {
    let mut ground = Ground::default();
    ground.set_link(&name("foreign"), Some(link(5, Kind::Vrf(1001), None)));
    ground.place_vrf(&vrf(1, "red")).unwrap();
    ground.place_vrf(&vrf(2, "blue")).unwrap();
    let (red, blue) = (ground.vrfs[&VrfId(1)].clone(), ground.vrfs[&VrfId(2)].clone());
    assert!(red.table != 1001 && red.table != blue.table && red.mark != blue.mark, "{red:?} {blue:?}");
    ground.place_vrf(&vrf(1, "red")).unwrap();
    assert_eq!(ground.vrfs[&VrfId(1)], red);
}

#[test]
fn a_restart_with_other_numbers_finds_the_same_table_and_mark() {
    let mut before = Ground::default();
    before.place_vrf(&vrf(7, "red")).unwrap();
    let red = before.vrfs[&VrfId(7)].clone();
    let mut after = Ground::default();
    after.set_link(&name("red"), Some(link(9, Kind::Vrf(red.table), red.alias.as_deref())));
    after.place_vrf(&vrf(3, "red")).unwrap();
    assert_eq!(after.vrfs[&VrfId(3)], red);
}

#[test]
fn somebody_s_vrf_device_is_used_and_is_not_ours() {
    let mut ground = Ground::default();
    ground.set_link(&name("red"), Some(link(9, Kind::Vrf(42), None)));
    ground.place_vrf(&vrf(3, "red")).unwrap();
    let red = &ground.vrfs[&VrfId(3)];
    assert_eq!((red.table, &red.alias), (42, &None));
}

#[test]
fn somebody_s_device_that_is_no_vrf_is_left_alone() {
    let mut ground = Ground::default();
    ground.set_link(&name("red"), Some(link(9, Kind::Other, None)));
    assert!(ground.place_vrf(&vrf(3, "red")).unwrap_err().contains("red"));
}

#[test]
fn a_name_that_no_device_can_have_becomes_a_number() {
    let mut ground = Ground::default();
    ground.place_vrf(&vrf(3, "a-name-of-sixteen")).unwrap();
    assert_eq!(ground.vrfs[&VrfId(3)].device.as_deref(), Some("vrf3"));
}

#[test]
fn a_tunnel_interface_is_known_again_by_its_alias() {
    let mut ground = Ground::default();
    let alias = "onramp: Tunnel0";
    ground.set_link(
        &name("Tunnel0"),
        Some(link(9, Kind::Xfrm { if_id: 0x4F00_0007, link: None }, Some(alias))),
    );
    let tunnel = ground.place_tunnel(&wish(1, "Tunnel0")).clone();
    assert_eq!((&*tunnel.device, tunnel.if_id), ("Tunnel0", 0x4F00_0007));
    let other = ground.place_tunnel(&wish(2, "Tunnel1")).clone();
    assert_eq!((&*other.device, other.if_id), ("Tunnel1", 0x4F00_0008), "beyond every number that was seen");
}

#[test]
fn a_name_that_is_taken_or_too_long_becomes_a_number() {
    let mut ground = Ground::default();
    ground.set_link(&name("Tunnel0"), Some(link(9, Kind::Other, None)));
    assert_eq!(&*ground.place_tunnel(&wish(1, "Tunnel0")).device, "ipsec1");
    assert_eq!(&*ground.place_tunnel(&wish(2, "Virtual-Access12345")).device, "ipsec2");
}

#[test]
fn a_carrier_that_went_gives_its_number_back_only_to_itself() {
    let mut ground = Ground::default();
    let first = ground.place_tunnel(&wish(1, "Tunnel0")).clone();
    assert_eq!(ground.carrier(first.if_id), Some(&Carrier::Interface(PolicyId(1))));
    ground.remove_tunnel(Carrier::Interface(PolicyId(1)));
    assert_eq!(ground.carrier(first.if_id), None);
    assert_ne!(ground.place_tunnel(&wish(2, "Tunnel9")).if_id, first.if_id);
}

#[test]
fn a_device_that_is_renamed_is_found_by_its_new_name() {
    let mut ground = Ground::default();
    ground.set_link(&name("eth0"), Some(link(9, Kind::Other, None)));
    ground.set_link(&name("eth0"), None);
    ground.set_link(&name("lan"), Some(link(9, Kind::Other, None)));
    assert_eq!(
        (ground.device(9), ground.index("lan"), ground.index("eth0")),
        (Some(&name("lan")), Some(9), None)
    );
}
