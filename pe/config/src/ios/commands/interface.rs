//! `interface`: addresses, VRF, MTU, label switching and the crypto map that stands on it.

use ipsec::Offload;

use super::super::args::Args;
use super::super::scope::Level::{Global, Interface};
use super::super::scope::{Done, Fault, Place, Scope, View};
use super::ipsec::{df, df_printed, fragmentation, fragmentation_printed};
use super::{Command, bfd, flag, many, one, opt, tunnel};
use crate::model::{LdpTransport, VrfStyle, parent};

mod address;

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "interface <NAME:interface>",
            |s, a| {
                let name: String = a.get("NAME")?;
                refuse_virtual(&name)?;
                let (is_tunnel, is_loopback) = (is_numbered(&name, "Tunnel"), is_numbered(&name, "Loopback"));
                let interface = s.config.interfaces.entry(name).or_default();
                interface.loopback = is_loopback;
                if is_tunnel {
                    interface.tunnel.get_or_insert_default();
                }
                Ok(())
            },
            |s, a| {
                s.config.interfaces.remove(&a.get::<String>("NAME")?);
                Ok(())
            },
            |v| many(v.config.interfaces.keys().map(|name| Args::new().with("NAME", name))),
        )
        .opens(|_, a| Ok(Place::at(Interface, a.get::<String>("NAME")?))),
    ];
    commands.extend(device());
    commands.push(encapsulation());
    commands.extend(membership());
    commands.extend(address::commands());
    commands.extend(link());
    commands.extend(protection());
    commands.extend(packets());
    commands.extend(tunnel::commands());
    commands.extend(distribution());
    commands.push(detection());
    commands.extend(refused());
    commands
}

/// `Tunnel0`, `Loopback0`.
fn is_numbered(name: &str, kind: &str) -> bool {
    name.strip_prefix(kind).is_some_and(|number| number.parse::<u32>().is_ok())
}

fn refuse_virtual(name: &str) -> Done {
    const KINDS: [&str; 5] = ["Virtual-Template", "Dialer", "BVI", "Null", "Vlan"];
    match KINDS.into_iter().find(|kind| name.to_ascii_lowercase().starts_with(&kind.to_ascii_lowercase())) {
        Some(kind) => {
            let help = "an interface is a Linux device that carries packets; give a name of your own and `device DEV`";
            Err(Fault::new(format!("{kind} interfaces are not supported"), help).at("NAME"))
        }
        None => Ok(()),
    }
}

fn device() -> [Command; 2] {
    [
        Command::set(
            Interface,
            "description <TEXT:line>",
            |s, a| {
                s.interface().description = Some(a.get("TEXT")?);
                Ok(())
            },
            |s, _| {
                s.interface().description = None;
                Ok(())
            },
            |v| opt("TEXT", v.interface()?.description.as_ref()),
        ),
        Command::set(
            Interface,
            "device <DEV:word>",
            |s, a| {
                s.interface().device = Some(a.get("DEV")?);
                Ok(())
            },
            |s, _| {
                s.interface().device = None;
                Ok(())
            },
            |v| opt("DEV", v.interface()?.device.as_ref()),
        ),
    ]
}

fn encapsulation() -> Command {
    Command::set(
        Interface,
        "encapsulation dot1Q <N:1-4094>",
        |s, a| {
            if parent(&s.place.name).is_none() {
                let help = "write `interface NAME.N`, of an interface NAME, and the line under it";
                return Err(Fault::new("the interface is no sub-interface", help));
            }
            s.interface().vlan = Some(a.get("N")?);
            Ok(())
        },
        |s, _| {
            s.interface().vlan = None;
            Ok(())
        },
        |v| opt("N", v.interface()?.vlan),
    )
}

/// Both spellings work for either kind of VRF; each kind prints its own.
fn membership() -> [Command; 2] {
    [
        Command::set(Interface, "vrf forwarding <V:vrf>", join, leave, |v| member(v, true)),
        Command::set(Interface, "ip vrf forwarding <V:vrf>", join, leave, |v| member(v, false)),
    ]
}

fn member(v: View<'_>, definition: bool) -> Option<Vec<Args>> {
    let name = v.interface()?.vrf.as_ref()?;
    let style = v.config.vrfs.get(name).map(|vrf| vrf.style);
    opt("V", ((style == Some(VrfStyle::Definition)) == definition).then_some(name))
}

fn join(s: &mut Scope<'_>, a: &Args) -> Done {
    let vrf: String = a.get("V")?;
    if s.interface().vrf.as_ref() != Some(&vrf) {
        drop_addresses(s);
        s.interface().vrf = Some(vrf);
    }
    Ok(())
}

fn leave(s: &mut Scope<'_>, _: &Args) -> Done {
    if s.interface().vrf.take().is_some() {
        drop_addresses(s);
    }
    Ok(())
}

/// As IOS does when an interface changes its VRF.
fn drop_addresses(s: &mut Scope<'_>) {
    let gone = std::mem::take(&mut s.interface().addresses);
    if !gone.is_empty() {
        let list: Vec<_> = gone.iter().map(|a| format!("{}/{}", a.address, a.length)).collect();
        let message = format!("the interface changes its VRF and loses {}", list.join(", "));
        s.memory.warnings.push(Fault::new(message, "give the VRF first, then the addresses"));
    }
}

fn link() -> [Command; 5] {
    [
        Command::set(
            Interface,
            "mtu <N:68-65535>",
            |s, a| {
                s.interface().mtu = Some(a.get("N")?);
                Ok(())
            },
            |s, _| {
                s.interface().mtu = None;
                Ok(())
            },
            |v| opt("N", v.interface()?.mtu),
        ),
        Command::set(
            Interface,
            "ip mtu <N:68-65535>",
            |s, a| {
                s.interface().ip_mtu = Some(a.get("N")?);
                Ok(())
            },
            |s, _| {
                s.interface().ip_mtu = None;
                Ok(())
            },
            |v| opt("N", v.interface()?.ip_mtu),
        ),
        Command::set(
            Interface,
            "mpls ip",
            |s, _| mpls(s, true),
            |s, _| mpls(s, false),
            |v| flag(v.interface()?.mpls),
        ),
        Command::synonym(Interface, "tag-switching ip", |s, _| mpls(s, true), |s, _| mpls(s, false)),
        Command::set(
            Interface,
            "shutdown",
            |s, _| {
                s.interface().shutdown = true;
                Ok(())
            },
            |s, _| {
                s.interface().shutdown = false;
                Ok(())
            },
            |v| flag(v.interface()?.shutdown),
        ),
    ]
}

fn mpls(s: &mut Scope<'_>, on: bool) -> Done {
    s.interface().mpls = on;
    Ok(())
}

/// LDP is the label protocol of every interface with `mpls ip`: to say so of one is to speak of LDP.
fn distribution() -> [Command; 2] {
    [
        Command::synonym(
            Interface,
            "mpls label protocol ldp",
            |s, _| {
                s.config.ldp.protocol = true;
                Ok(())
            },
            |_, _| Ok(()),
        ),
        Command::set(
            Interface,
            "mpls ldp discovery transport-address {<A:ip> | interface}",
            |s, a| {
                s.interface().ldp_transport =
                    Some(a.opt("A").map_or(LdpTransport::Interface, LdpTransport::Address));
                Ok(())
            },
            |s, _| {
                s.interface().ldp_transport = None;
                Ok(())
            },
            |v| {
                one(v.interface()?.ldp_transport.map(|transport| match transport {
                    LdpTransport::Interface => Args::new().flag("interface"),
                    LdpTransport::Address(address) => Args::new().with("A", address),
                }))
            },
        ),
    ]
}

fn detection() -> Command {
    Command::set(
        Interface,
        "bfd interval <TX:50-9999> min_rx <RX:50-9999> multiplier <N:3-50>",
        |s, a| {
            s.interface().bfd = Some(bfd::timers(a)?);
            Ok(())
        },
        |s, _| {
            s.interface().bfd = None;
            Ok(())
        },
        |v| one(v.interface()?.bfd.map(bfd::timers_printed)),
    )
}

fn protection() -> [Command; 2] {
    [
        Command::set(
            Interface,
            "crypto map <MAP:map>",
            |s, a| {
                s.interface().crypto_map = Some(a.get("MAP")?);
                Ok(())
            },
            |s, _| {
                s.interface().crypto_map = None;
                Ok(())
            },
            |v| opt("MAP", v.interface()?.crypto_map.as_ref()),
        ),
        Command::set(
            Interface,
            "ipv6 crypto map <MAP:map>",
            |s, a| {
                s.interface().crypto_map_ipv6 = Some(a.get("MAP")?);
                Ok(())
            },
            |s, _| {
                s.interface().crypto_map_ipv6 = None;
                Ok(())
            },
            |v| opt("MAP", v.interface()?.crypto_map_ipv6.as_ref()),
        ),
    ]
}

fn packets() -> [Command; 3] {
    [
        Command::set(
            Interface,
            "crypto ipsec df-bit {clear | set | copy}",
            |s, a| {
                s.interface().df = Some(df(a));
                Ok(())
            },
            |s, _| {
                s.interface().df = None;
                Ok(())
            },
            |v| one(v.interface()?.df.map(df_printed)),
        ),
        Command::set(
            Interface,
            "crypto ipsec fragmentation {before-encryption | after-encryption}",
            |s, a| {
                s.interface().fragmentation = Some(fragmentation(a));
                Ok(())
            },
            |s, _| {
                s.interface().fragmentation = None;
                Ok(())
            },
            |v| one(v.interface()?.fragmentation.map(fragmentation_printed)),
        ),
        Command::set(
            Interface,
            "crypto ipsec offload {crypto | packet}",
            |s, a| {
                s.interface().offload = Some(if a.has("packet") { Offload::Packet } else { Offload::Crypto });
                Ok(())
            },
            |s, _| {
                s.interface().offload = None;
                Ok(())
            },
            |v| one(v.interface()?.offload.map(offload_printed)),
        ),
    ]
}

fn offload_printed(offload: Offload) -> Args {
    Args::new().flag(match offload {
        Offload::Crypto => "crypto",
        Offload::Packet => "packet",
    })
}

fn refused() -> Vec<Command> {
    const DEVICE: &str = "a property of the Linux device: set it there";
    [
        (
            "encapsulation dot1Q <N:1-4094> {native}",
            "untagged frames are the interface's own: put the addresses there",
        ),
        (
            "encapsulation dot1Q <N:1-4094> {second-dot1q} <REST:line>",
            "there is one tag: make the device in Linux and name it with `device`",
        ),
        (
            "encapsulation {isl | ppp | hdlc | frame-relay} [<REST:line>]",
            "Ethernet and 802.1Q are what there is",
        ),
        ("ip address {dhcp | negotiated} [<REST:line>]", "write the address and its mask"),
        ("ipv6 address <P:network6> {eui-64 | anycast}", "write the whole address"),
        ("ip unnumbered <REST:line>", "give the interface an address of its own"),
        ("ip access-group <REST:line>", "packet filters are not supported yet"),
        ("ip nat <REST:line>", "address translation is not supported"),
        ("ip verify <REST:line>", "reverse path checks are not supported: the dataplane keeps VRFs apart"),
        ("ip ospf <REST:line>", "of the routing protocols there is BGP: use `router bgp`, or `ip route`"),
        ("ip redirects", "ICMP redirects are never sent"),
        ("ip proxy-arp", "ARP is answered for the interface's own addresses only"),
        (
            "mpls label protocol {tdp | both}",
            "LDP is what there is: write `mpls label protocol ldp`, or leave the line out",
        ),
        ("mpls ldp igp sync [<REST:line>]", "there is no IGP here to be held back: leave the line out"),
        ("mpls mtu <REST:line>", "labels count in `mtu N`: leave the line out"),
        ("bfd echo", "the echo function is not supported: leave the line out"),
        ("bfd template <REST:line>", "of one hop, write `bfd interval N min_rx N multiplier N`"),
        ("service-policy <REST:line>", "quality of service is not supported"),
        ("standby <REST:line>", "HSRP is not supported"),
        ("channel-group <REST:line>", DEVICE),
        ("duplex <REST:line>", DEVICE),
        ("speed <REST:line>", DEVICE),
        ("mac-address <REST:line>", DEVICE),
        ("negotiation <REST:line>", DEVICE),
        ("keepalive [<REST:line>]", DEVICE),
        ("bandwidth <REST:line>", "nothing here makes use of it: leave the line out"),
    ]
    .into_iter()
    .map(|(pattern, instead)| Command::refuse(Interface, pattern, instead))
    .collect()
}
