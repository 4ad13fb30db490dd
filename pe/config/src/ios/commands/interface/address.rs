//! `ip address`, `ipv6 address`.

use std::net::{IpAddr, Ipv4Addr};

use super::super::super::value::{Mask, Network6};
use super::super::insert;
use super::{Args, Command, Done, Fault, Interface, Scope, many};
use crate::model::InterfaceAddress;

pub(super) fn commands() -> [Command; 2] {
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
                insert(&mut s.interface().addresses, new);
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
