//! `interface`: addresses, VRF, MTU, label switching and the crypto map that stands on it.

use std::net::{IpAddr, Ipv4Addr};

use ipsec::Offload;

use super::super::args::Args;
use super::super::scope::Level::{Global, Interface};
use super::super::scope::{Done, Fault, Place, Scope, View};
use super::super::value::{Mask, Network6};
use super::ipsec::{df, df_printed, fragmentation, fragmentation_printed};
use super::{Command, flag, many, one, opt, tunnel};
use crate::model::{InterfaceAddress, VrfStyle};

pub(super) fn commands() -> Vec<Command> {
    let mut commands = vec![
        Command::set(
            Global,
            "interface <NAME:interface>",
            |s, a| {
                let name: String = a.get("NAME")?;
                refuse_virtual(&name)?;
                let is_tunnel = is_tunnel(&name);
                let interface = s.config.interfaces.entry(name).or_default();
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
    commands.extend(membership());
    commands.extend(addresses());
    commands.extend(link());
    commands.extend(protection());
    commands.extend(packets());
    commands.extend(tunnel::commands());
    commands.extend(refused());
    commands
}

/// `Tunnel` and a number.
fn is_tunnel(name: &str) -> bool {
    name.strip_prefix("Tunnel").is_some_and(|number| number.parse::<u32>().is_ok())
}

fn refuse_virtual(name: &str) -> Done {
    const KINDS: [&str; 6] = ["Loopback", "Virtual-Template", "Dialer", "BVI", "Null", "Vlan"];
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

fn addresses() -> [Command; 2] {
    [
        Command::set(Interface, "ip address <A:ipv4> <M:mask> [secondary]", add4, remove4, |v| {
            let mine = v.interface()?.addresses.iter().filter(|a| a.address.is_ipv4());
            many(mine.map(|a| {
                let args = Args::new().with("A", a.address).with("M", Mask(a.length));
                args.flag_if(a.secondary, "secondary")
            }))
        }),
        Command::set(
            Interface,
            "ipv6 address <P:network6>",
            |s, a| {
                let Network6(address, length) = a.get("P")?;
                let new = InterfaceAddress { address: IpAddr::V6(address), length, secondary: false };
                check_host(new.address, "P")?;
                super::insert(&mut s.interface().addresses, new);
                Ok(())
            },
            |s, a| {
                let one: Option<Network6> = a.opt("P");
                let goes = |known: &InterfaceAddress| {
                    one.as_ref().is_none_or(|Network6(address, _)| known.address == IpAddr::V6(*address))
                };
                s.interface().addresses.retain(|known| known.address.is_ipv4() || !goes(known));
                Ok(())
            },
            |v| {
                let mine = v.interface()?.addresses.iter().filter(|a| a.address.is_ipv6());
                many(mine.map(|a| Args::new().with("P", format!("{}/{}", a.address, a.length))))
            },
        ),
    ]
}

/// The primary address stands first, then the secondary ones, then IPv6.
fn add4(s: &mut Scope<'_>, a: &Args) -> Done {
    let Mask(length) = a.get("M")?;
    let address = IpAddr::V4(a.get::<Ipv4Addr>("A")?);
    let new = InterfaceAddress { address, length, secondary: a.has("secondary") };
    check_host(address, "A")?;
    check_not_the_network(new)?;
    let addresses = &mut s.interface().addresses;
    addresses.retain(|known| {
        known.address != address && (new.secondary || known.secondary || known.address.is_ipv6())
    });
    let ipv4 = addresses.iter().filter(|known| known.address.is_ipv4()).count();
    addresses.insert(if new.secondary { ipv4 } else { 0 }, new);
    Ok(())
}

/// `no ip address` alone removes them all.
fn remove4(s: &mut Scope<'_>, a: &Args) -> Done {
    let one: Option<Ipv4Addr> = a.opt("A");
    let goes = |known: &InterfaceAddress| one.is_none_or(|one| known.address == IpAddr::V4(one));
    s.interface().addresses.retain(|known| known.address.is_ipv6() || !goes(known));
    Ok(())
}

fn check_host(address: IpAddr, argument: &'static str) -> Done {
    if address.is_multicast() || address.is_unspecified() || address.is_loopback() {
        return Err(
            Fault::new("not the address of a host", "an interface needs a unicast address").at(argument)
        );
    }
    Ok(())
}

/// On a link of more than two hosts the first address is the network and the last everybody.
fn check_not_the_network(of: InterfaceAddress) -> Done {
    let IpAddr::V4(address) = of.address else { return Ok(()) };
    let hosts = u32::MAX.checked_shr(of.length.into()).unwrap_or(0);
    let number = u32::from(address) & hosts;
    if hosts > 1 && (number == 0 || number == hosts) {
        let help = "it is the network's own address, or its broadcast address";
        return Err(Fault::new("not the address of a host", help).at("A"));
    }
    Ok(())
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
            "encapsulation <REST:line>",
            "802.1Q is not supported yet: make the VLAN device in Linux and name it with `device`",
        ),
        ("ip address {dhcp | negotiated} [<REST:line>]", "write the address and its mask"),
        ("ipv6 address <P:network6> {eui-64 | anycast}", "write the whole address"),
        ("ip unnumbered <REST:line>", "give the interface an address of its own"),
        ("ip access-group <REST:line>", "packet filters are not supported yet"),
        ("ip nat <REST:line>", "address translation is not supported"),
        ("ip verify <REST:line>", "reverse path checks are not supported: the dataplane keeps VRFs apart"),
        ("ip ospf <REST:line>", "routing protocols are not supported yet: use `ip route`"),
        ("ip redirects", "ICMP redirects are never sent"),
        ("ip proxy-arp", "ARP is answered for the interface's own addresses only"),
        (
            "mpls label protocol <REST:line>",
            "label distribution is not supported yet: use `mpls static binding`",
        ),
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
