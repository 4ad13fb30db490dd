//! From ops to what a worker is told: the tables of the next batch, SAs ready for use, opened ports.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use base::{PortId, SaId};
use crossbeam_channel::Sender;
use dataplane::{Counters, Event, Key, Link, Object, Op, Port, Rejected};
use ipsec::Sa;

use crate::Nic;
use crate::sas::Cipher;
use crate::tables::Tables;

/// Opens the NIC of a port when it is set: a packet socket, a TUN, or whatever a test wants. Of a VLAN it is the way
/// to the kernel; its wire is its parent's. A tunnel has none.
pub type Opener = Box<dyn FnMut(&Port) -> io::Result<Box<dyn Nic>> + Send>;

/// What a worker does between two batches.
pub(crate) enum Command {
    Tables(Arc<Tables>),
    Sa(Box<Sa>, Cipher),
    UnsetSa(SaId),
    /// With its NIC, if it has one of its own.
    Open(PortId, Option<Box<dyn Nic>>),
    Close(PortId),
    /// Packets may wait for this station.
    Known(PortId, IpAddr),
    Counters(Sender<Counters>),
    /// What these SAs counted, told under the question's number.
    Read(u64, Vec<SaId>, Sender<Event>),
}

impl Command {
    /// Whether a sleeping worker is woken for it. Not for what only packets need: they wake it themselves, and it obeys
    /// before it looks at them.
    pub(crate) const fn wakes(&self) -> bool {
        match self {
            Self::Tables(_) | Self::Sa(..) | Self::UnsetSa(_) => false,
            Self::Open(..) | Self::Close(_) | Self::Known(..) | Self::Counters(_) | Self::Read(..) => true,
        }
    }
}

/// Holds the tables in force; the SAs are the worker's.
pub(crate) struct Control {
    tables: Tables,
    open: Opener,
}

impl Control {
    pub(crate) fn new(open: Opener) -> Self {
        Self { tables: Tables::default(), open }
    }

    /// The commands that bring `ops` into force, all at once, but for those that are refused.
    pub(crate) fn apply(&mut self, ops: &[Op]) -> (Vec<Command>, Result<(), Vec<Rejected>>) {
        let (mut commands, mut after, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (index, op) in ops.iter().enumerate() {
            match self.change(op, &mut commands) {
                Ok(()) => after.extend(known(op)),
                Err(reason) => refused.push(Rejected { index, reason }),
            }
        }
        commands.push(Command::Tables(Arc::new(self.tables.clone())));
        commands.append(&mut after);
        (commands, if refused.is_empty() { Ok(()) } else { Err(refused) })
    }

    /// What `op` asks of the worker beside new tables goes to `commands`.
    fn change(&mut self, op: &Op, commands: &mut Vec<Command>) -> Result<(), String> {
        commands.extend(match op {
            Op::Set(object) => self.prepare(object)?,
            Op::Unset(key) => removal(*key),
        });
        self.tables.apply(op);
        Ok(())
    }

    fn prepare(&mut self, object: &Object) -> Result<Option<Command>, String> {
        match object {
            Object::Port(port) if self.is_open(port) => Ok(None),
            Object::Port(port) if matches!(port.link, Link::Tunnel(_)) => {
                Ok(Some(Command::Open(port.id, None)))
            }
            Object::Port(port) => match (self.open)(port) {
                Ok(nic) => Ok(Some(Command::Open(port.id, Some(nic)))),
                Err(error) => Err(format!("port {} on device {}: {error}", port.name, port.device)),
            },
            Object::Sa(sa) => match Cipher::of(sa) {
                Ok(cipher) => Ok(Some(Command::Sa(Box::new(sa.clone()), cipher))),
                Err(error) => Err(format!("SA {} ({}): {error}", sa.id.0, sa.suite)),
            },
            Object::Vrf(_) | Object::Neighbour(_) | Object::Policy(_) => Ok(None),
            Object::Label { .. } | Object::Route(_) => Ok(None),
        }
    }

    /// Whether the NIC that is open for the port serves it on. Its MTU is the device's, so another MTU
    /// needs no other socket; but the one on a wire knows the port's addresses, and a VLAN's device its link address.
    fn is_open(&self, port: &Port) -> bool {
        let Some(old) = self.tables.port(port.id).filter(|old| old.device == port.device) else {
            return false;
        };
        match (old.link, port.link) {
            (Link::Ethernet { .. }, Link::Ethernet { .. }) => old.addresses == port.addresses,
            (Link::Vlan { mac: old, .. }, Link::Vlan { mac: new, .. }) => old == new,
            (old, new) => core::mem::discriminant(&old) == core::mem::discriminant(&new),
        }
    }
}

const fn removal(key: Key) -> Option<Command> {
    match key {
        Key::Sa(id) => Some(Command::UnsetSa(id)),
        Key::Port(id) => Some(Command::Close(id)),
        Key::Vrf(_) | Key::Neighbour(..) | Key::Policy(_) | Key::Label(_) | Key::Route(..) => None,
    }
}

fn known(op: &Op) -> Option<Command> {
    match op {
        Op::Set(Object::Neighbour(neighbour)) => Some(Command::Known(neighbour.port, neighbour.address)),
        Op::Set(_) | Op::Unset(_) => None,
    }
}
