//! What the kernel tells: devices and things that change, SAs that end, packets that wait for one.

use std::io;
use std::net::IpAddr;

use base::SaId;
use dataplane::Event;
use ipsec::{Encap, Sa};

use super::Linux;
use crate::device::Device;
use crate::ground::{Kind, Link, OURS};
use crate::netlink::Heard;
use crate::notice::{self, Notice};
use crate::request::Protocol;
use crate::state::Loss;
use crate::thing::{Key, Name, Thing};
use crate::watch::{self, Change};
use crate::{connected, port, rule, sysctl, takeover};

/// The sender of what nobody asked for.
const KERNEL: u32 = 0;

impl Linux {
    /// Takes in what was told since; no more than is there now.
    pub(super) fn hear(&mut self) {
        let mut told = Vec::new();
        let own = self.client.get_mut().port(Protocol::Route);
        let heard = self.route.receive(|header, body| {
            if (header.port != own || is_of_device(header.kind)) && watch::may_concern_us(header.kind, body) {
                told.push((*header, body.to_vec()));
            }
        });
        self.note(heard);
        for (header, body) in told {
            if let Some(change) = watch::read(header.kind, &body, &self.ground) {
                self.changed(change, header.port == own);
            } else if header.port != KERNEL && header.port != own {
                self.mend(header.kind, &body);
            }
        }
        let lost = core::mem::take(&mut self.lost);
        self.state.devices_lost(&lost);
        let mut told = Vec::new();
        let own = self.client.get_mut().port(Protocol::Xfrm);
        let heard = self.xfrm.receive(|header, body| {
            if header.port != own {
                told.extend(notice::read(header.kind, body, &self.ground));
            }
        });
        self.note(heard);
        told.into_iter().for_each(|notice| self.noticed(notice));
    }

    /// A stranger took a route that the kernel had by itself for an address of ours.
    fn mend(&mut self, kind: u16, body: &[u8]) {
        let Some(route) = connected::taken(kind, body) else { return };
        let on = |device: &Name| {
            self.state.addresses(device).any(|(address, length)| route.is_of(address, length))
        };
        if self.ground.device(route.index).is_some_and(on) {
            let refused = self.client.get_mut().send(&[route.again()]).into_iter().find_map(Result::err);
            refused
                .into_iter()
                .for_each(|refused| tracing::warn!("a connected route cannot be mended: {refused}"));
        }
    }

    fn note(&mut self, heard: io::Result<Heard>) {
        match heard {
            Ok(Heard::All | Heard::Part) => {}
            Ok(Heard::Overrun) => self.unsure = true,
            Err(error) => tracing::error!("notifications of the kernel cannot be read: {error}"),
        }
    }

    fn changed(&mut self, change: Change, own: bool) {
        match change {
            Change::Link(name, link) => self.link_changed(&name, link),
            Change::Rules => {
                if !own && self.begun {
                    rule::mend(self.client.get_mut());
                }
            }
            Change::Thing(key, thing) => {
                if !own && self.is_of_interest(&key, thing.as_ref()) {
                    self.state.found(&key, thing.clone());
                }
                // Without a word the kernel takes the routes of a device that has no address left.
                if let (Key::Address(device, IpAddr::V4(_)), None) = (&key, &thing)
                    && !self.state.has_address(device)
                {
                    self.lost.entry(device.clone()).or_insert(Loss::Bare);
                }
            }
        }
    }

    /// Of others' addresses only those that we want, too.
    fn is_of_interest(&self, key: &Key, thing: Option<&Thing>) -> bool {
        match thing {
            Some(Thing::Address(on)) => on.ours || self.state.wanted(key).is_some(),
            Some(_) | None => true,
        }
    }

    fn link_changed(&mut self, name: &Name, link: Option<Link>) {
        let renamed =
            link.as_ref().and_then(|link| self.ground.device(link.index)).filter(|old| *old != name);
        if let Some(old) = renamed.cloned() {
            self.device_changed(&old, None, Loss::Renamed);
        }
        let gone = self.ground.links.get(name).map_or(Loss::Renamed, |old| Loss::Gone(old.index));
        self.device_changed(name, link, gone);
    }

    /// `gone`: what it is if the device of this name is there no more.
    fn device_changed(&mut self, name: &Name, link: Option<Link>, gone: Loss) {
        let old = self.ground.set_link(name, link.clone());
        let loss = match (&old, &link) {
            (Some(_), None) => Some(gone),
            (Some(old), Some(new)) if old.index != new.index => Some(gone),
            (Some(old), Some(new)) if old.enabled && !new.enabled => Some(Loss::Down),
            (Some(old), Some(new)) if old.master != new.master => Some(Loss::Down),
            (Some(_) | None, _) => None,
        };
        if let Some(loss) = loss {
            let worst = self.lost.entry(name.clone()).or_insert(loss);
            *worst = (*worst).max(loss);
        }
        if old != link {
            self.state.device_changed(name);
            self.follow(name, old.as_ref(), link.as_ref());
        }
        if let Some(Link { kind: Kind::Vrf(_), index, .. }) = &old
            && link.is_none_or(|link| link.index != *index)
        {
            self.orphaned(*index);
        }
    }

    /// XFRM interfaces are not told when the device that their outer packets are looked up by is gone.
    fn orphaned(&mut self, index: u32) {
        let on_it =
            |link: &&Link| matches!(link.kind, Kind::Xfrm { link: Some(under), .. } if under == index);
        for (name, link) in self.ground.links.iter().filter(|(_, link)| on_it(link)) {
            self.state.found(&Key::Device(name.clone()), Device::of_link(link, &self.ground));
        }
    }

    /// What hangs on a device that changed.
    fn follow(&mut self, name: &Name, old: Option<&Link>, new: Option<&Link>) {
        let is_ours = |link: &Link| link.alias.as_ref().is_some_and(|alias| alias.starts_with(OURS));
        if old.is_some_and(is_ours) || new.is_some_and(is_ours) {
            let device = new.and_then(|link| Device::of_link(link, &self.ground));
            self.state.found(&Key::Device(name.clone()), device);
        }
        let slave = Key::Port(name.clone());
        if self.state.wanted(&slave).is_some() {
            self.state.found(&slave, new.map(|link| port::of_link(link, &self.ground)));
        }
        let identity = |link: &Link| (link.index, link.master, link.alias.clone());
        if let Some(link) = new
            && old.map(identity) != Some(identity(link))
        {
            self.prepare(name, is_ours(link));
        }
        let running = |link: Option<&Link>| link.is_some_and(|link| link.running);
        if let Some(port) = self.ground.port_on(name)
            && running(old) != running(new)
        {
            self.events.push_back(Event::Link { port: port.id, up: running(new) });
        }
    }

    /// The settings of a device that is ours, or a port of ours where it should be.
    pub(super) fn prepare(&self, name: &Name, ours: bool) {
        let port = self.ground.port_on(name);
        let slave = Key::Port(name.clone());
        if ours || port.is_some() && self.state.held(&slave) == self.state.wanted(&slave) {
            sysctl::prepare(name, port.is_some_and(|port| port.mpls));
        }
    }

    fn noticed(&mut self, notice: Notice) {
        match notice {
            Notice::Acquire { if_id, device, ticket, flow } => {
                if let Some((policy, rule)) = self.tunnels.asked(if_id, device, ticket, &self.ground) {
                    self.events.push_back(Event::Acquire { policy, rule, flow });
                }
            }
            Notice::Expiring(key) => self.events.extend(self.translator.sa(&key).map(Event::Expiring)),
            Notice::Expired(key) => self.sa_gone(&key, Event::Expired),
            Notice::Moved { local, spi, port } => {
                let moved = |sa: &&Sa| matches!(sa.encap, Encap::Udp { remote, .. } if remote != port);
                let sa = self.translator.inbound(local, spi).filter(moved);
                self.events.extend(sa.map(|sa| Event::Moved(sa.id, port)));
            }
            Notice::Found(key, thing) => self.state.found(&key, Some(thing)),
            // Its peers still have it: they agree on another.
            Notice::Gone(key @ Key::Sa(..)) => self.sa_gone(&key, Event::Lost),
            Notice::Gone(key) => self.state.found(&key, None),
            Notice::Flushed => self.unsure = true,
        }
    }

    /// An SA that is gone never comes back: it would begin at its first sequence number again.
    pub(super) fn sa_gone(&mut self, key: &Key, told: fn(SaId) -> Event) {
        self.state.bury(key);
        self.orphans.gone(key, &mut self.state);
        self.events.extend(self.translator.sa(key).map(told));
    }

    /// Reads everything anew.
    pub(super) fn resync(&mut self) -> io::Result<()> {
        let links = takeover::links(self.client.get_mut())?;
        let gone: Vec<Name> =
            self.ground.links.keys().filter(|name| !links.contains_key(*name)).cloned().collect();
        gone.iter().for_each(|name| self.link_changed(name, None));
        links.into_iter().for_each(|(name, link)| self.link_changed(&name, Some(link)));
        // What they are slaves of may have come after them.
        for (name, link) in self.ground.links.clone() {
            self.follow(&name, Some(&link), Some(&link));
        }
        self.lost.clear();
        let mut found = takeover::things(self.client.get_mut(), &self.ground)?;
        found.retain(|key, thing| self.is_of_interest(key, Some(thing)));
        let dead: Vec<Key> = self.sas_missing(&found);
        dead.iter().for_each(|key| self.sa_gone(key, Event::Lost));
        let devices = self.state.holdings().filter(|(key, _)| matches!(key, Key::Device(_) | Key::Port(_)));
        let devices: Vec<(Key, Thing)> = devices.map(|(key, thing)| (key.clone(), thing.clone())).collect();
        found.extend(devices);
        self.state.resync(found);
        self.unsure = false;
        Ok(())
    }
}

/// What is followed also where we ourselves changed it: devices, which have numbers then, and addresses that go.
const fn is_of_device(kind: u16) -> bool {
    matches!(kind, 16 | 17 | 21)
}
