//! The things of the kernel that are ours: what each is known by, and what it is.

use core::cmp::Reverse;
use core::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use base::{Prefix, Spi};
use ipsec::Selector;

use crate::ground::Ground;
use crate::policy::Scope;
use crate::request::Request;
use crate::{address, device, label, mark, neighbour, policy, port, route, sa};

/// Marks routes, addresses and neighbours as ours: `ip … proto 111`.
pub(crate) const PROTOCOL: u8 = 111;

/// A device's name.
pub(crate) type Name = Arc<str>;

/// What the kernel knows a thing by. The order is that of dependency: what is named later may refer to
/// what is named earlier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// By table: what stands behind all its routes, or behind one into a tunnel. First of all, and last to go:
    /// nothing falls through to the main table, or to a shorter prefix.
    End(u32, Prefix),
    /// A VRF device, an XFRM interface or a VLAN that we made.
    Device(Name),
    /// Somebody's device that is a port of ours: whose slave it is.
    Port(Name),
    /// The filter that marks what passes a device with its front VRF.
    Mark(Name),
    Address(Name, IpAddr),
    Neighbour(Name, IpAddr),
    /// With its mark, which stands for the front VRF.
    Sa(IpAddr, Spi, u32),
    Policy(Scope, policy::Hook, Selector),
    Label(base::Label),
    /// By table; the longest prefix first, last to go: what a longer one protects never follows a shorter one.
    Route(u32, Reverse<u8>, Prefix),
}

impl Key {
    pub(crate) fn route(table: u32, prefix: Prefix) -> Self {
        Self::Route(table, Reverse(prefix.length()), prefix)
    }
}

/// No Debug: an SA holds keys.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    Device(device::Device),
    Port(port::Slave),
    Mark(mark::Mark),
    Address(address::OnDevice),
    Neighbour(neighbour::Mac),
    Sa(Box<sa::KernelSa>),
    Policy(policy::KernelPolicy),
    Label(label::Forward),
    End,
    Route(route::Way),
}

/// In an operator's words.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(name) => write!(f, "device {name}"),
            Self::Port(name) => write!(f, "VRF of the device {name}"),
            Self::Mark(name) => write!(f, "mark of the front VRF on the device {name}"),
            Self::Address(name, address) => write!(f, "address {address} on the device {name}"),
            Self::Neighbour(name, address) => write!(f, "neighbour {address} on the device {name}"),
            Self::Sa(destination, spi, mark) => {
                write!(f, "SA to {destination} with SPI {:#010x} and mark {mark:#x}", spi.0)
            }
            Self::Policy(scope, hook, selector) => write!(f, "{hook:?} policy {selector} of {scope}"),
            Self::Label(label) => write!(f, "label {label}"),
            Self::End(table, prefix) => write!(f, "end of {prefix} in table {table}"),
            Self::Route(table, _, prefix) => write!(f, "route {prefix} in table {table}"),
        }
    }
}

/// The device whose loss takes the thing with it.
pub(crate) fn device(key: &Key, thing: &Thing) -> Option<Name> {
    match (key, thing) {
        (Key::Device(name) | Key::Port(name) | Key::Mark(name), _) => Some(name.clone()),
        (Key::Address(name, _) | Key::Neighbour(name, _), _) => Some(name.clone()),
        (Key::Policy(Scope::Port(name), ..), _) => Some(name.clone()),
        (_, Thing::Label(forward)) => Some(forward.device.clone()),
        (_, Thing::Route(way)) => way.device().cloned(),
        _ => None,
    }
}

/// The devices that it names by number beside its own.
pub(crate) fn stands_on(thing: &Thing) -> impl Iterator<Item = Name> {
    let (master, link) = match thing {
        Thing::Device(device) => (device.master.clone(), device.link().cloned()),
        Thing::Port(slave) => (slave.0.clone(), None),
        Thing::Mark(_) | Thing::Address(_) | Thing::Neighbour(_) | Thing::Sa(_) => (None, None),
        Thing::Policy(_) | Thing::Label(_) | Thing::End | Thing::Route(_) => (None, None),
    };
    [master, link].into_iter().flatten()
}

impl Thing {
    /// An address that somebody else set stays his, also where we want it.
    pub(crate) fn is_whose(&mut self, held: &Self) {
        if let (Self::Address(on), Self::Address(held)) = (self, held) {
            on.ours = held.ours;
        }
    }
}

/// Whether packets get through by it: then it may take the place of what an earlier run left.
pub(crate) fn carries(thing: &Thing) -> bool {
    match thing {
        Thing::Policy(policy) => matches!(policy.verdict, policy::Verdict::Seal { .. }),
        Thing::Device(_) | Thing::Port(_) | Thing::Mark(_) | Thing::Address(_) | Thing::Neighbour(_) => true,
        Thing::Sa(_) | Thing::Label(_) | Thing::End | Thing::Route(_) => true,
    }
}

/// Why a thing cannot be asked for yet or at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unable {
    /// A device is missing or down; tried again when it changes.
    Wait(Name),
    /// The kernel has no way to do this.
    Never(String),
}

/// The requests that make the kernel hold `thing` under `key`; where it holds `held` there already, they change that.
pub(crate) fn set(
    key: &Key,
    thing: &Thing,
    held: Option<&Thing>,
    ground: &Ground,
) -> Result<Vec<Request>, Unable> {
    match (key, thing) {
        (Key::Device(name), Thing::Device(device)) => device::set(name, device, held, ground),
        (Key::Port(name), Thing::Port(slave)) => port::set(name, slave, ground),
        (Key::Mark(name), Thing::Mark(mark)) => mark::set(name, *mark, ground),
        (Key::Address(name, address), Thing::Address(on)) => address::set(name, *address, *on, held, ground),
        (Key::Neighbour(name, address), Thing::Neighbour(mac)) => {
            neighbour::set(name, *address, *mac, ground)
        }
        (Key::Sa(..), Thing::Sa(sa)) => sa::set(sa, held),
        (Key::Policy(scope, hook, selector), Thing::Policy(policy)) => {
            policy::set(scope, *hook, selector, policy, held, ground)
        }
        (Key::Label(label), Thing::Label(forward)) => label::set(*label, forward, held, ground),
        (Key::End(table, prefix), Thing::End) => route::set_end(*table, *prefix),
        (Key::Route(table, _, prefix), Thing::Route(way)) => route::set(*table, *prefix, way, ground),
        _ => Err(Unable::Never("a thing under another's key".to_owned())),
    }
}

/// The requests that take away what the kernel holds under `key`.
pub(crate) fn unset(key: &Key, held: &Thing, ground: &Ground) -> Result<Vec<Request>, Unable> {
    match (key, held) {
        (Key::Device(name), Thing::Device(_)) => device::unset(name, ground),
        (Key::Port(name), Thing::Port(_)) => port::unset(name, ground),
        (Key::Mark(name), Thing::Mark(mark)) => mark::unset(name, *mark, ground),
        (Key::Address(name, address), Thing::Address(on)) => address::unset(name, *address, *on, ground),
        (Key::Neighbour(name, address), Thing::Neighbour(_)) => neighbour::unset(name, *address, ground),
        (Key::Sa(destination, spi, mark), Thing::Sa(_)) => sa::unset(*destination, *spi, *mark),
        (Key::Policy(scope, hook, selector), Thing::Policy(policy)) => {
            policy::unset(scope, *hook, selector, policy, ground)
        }
        (Key::Label(label), Thing::Label(_)) => label::unset(*label),
        (Key::End(table, prefix), Thing::End) => route::unset_end(*table, *prefix),
        (Key::Route(table, _, prefix), Thing::Route(way)) => route::unset(*table, *prefix, way),
        _ => Err(Unable::Never("a thing under another's key".to_owned())),
    }
}
