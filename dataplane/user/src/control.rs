//! From ops to what a worker is told: the tables of the next batch, SAs ready for use, opened ports.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use base::{PortId, SaId};
use crossbeam_channel::Sender;
use dataplane::{Counters, Event, Key, Object, Op, Plan, Port, Rejected};
use ipsec::Sa;

use crate::Nic;
use crate::sas::Cipher;
use crate::tables::Tables;

/// Opens the NIC of a port when it is set: a packet socket, a TUN, or whatever a test wants.
pub type Opener = Box<dyn FnMut(&Port) -> io::Result<Box<dyn Nic>> + Send>;

/// What a worker does between two batches.
pub(crate) enum Command {
    Tables(Arc<Tables>),
    Sa(Box<Sa>, Cipher),
    UnsetSa(SaId),
    Open(PortId, Box<dyn Nic>),
    Close(PortId),
    /// Packets may wait for this station.
    Known(PortId, IpAddr),
    Counters(Sender<Counters>),
    /// What these SAs counted, told under the question's number.
    Read(u64, Vec<SaId>, Sender<Event>),
}

/// Knows what is in force; an op that changes nothing ends here.
pub(crate) struct Control {
    plan: Plan,
    tables: Tables,
    open: Opener,
}

impl Control {
    pub(crate) fn new(open: Opener) -> Self {
        Self { plan: Plan::default(), tables: Tables::default(), open }
    }

    /// The commands that bring `ops` into force, all at once; on an error those of the ops before it.
    pub(crate) fn apply(&mut self, ops: &[Op]) -> (Vec<Command>, Result<(), Rejected>) {
        let (mut commands, mut changes) = (Vec::new(), Vec::new());
        let mut verdict = Ok(());
        for (index, op) in ops.iter().enumerate() {
            match self.change(op, &mut commands) {
                Ok(true) => changes.push(op),
                Ok(false) => {}
                Err(reason) => {
                    verdict = Err(Rejected { index, reason });
                    break;
                }
            }
        }
        if !changes.is_empty() {
            self.tables.apply(changes.iter().copied());
            commands.push(Command::Tables(Arc::new(self.tables.clone())));
            commands.extend(changes.into_iter().filter_map(known));
        }
        (commands, verdict)
    }

    /// Whether `op` changes anything; what it asks of the worker beside new tables goes to `commands`.
    fn change(&mut self, op: &Op, commands: &mut Vec<Command>) -> Result<bool, String> {
        match op {
            Op::Set(object) if self.plan.get(&object.key()) == Some(object) => Ok(false),
            Op::Set(object) => {
                commands.extend(self.prepare(object)?);
                self.plan.set(object.clone());
                Ok(true)
            }
            Op::Unset(key) => {
                let was_set = self.plan.unset(*key).is_some();
                commands.extend(removal(*key).filter(|_| was_set));
                Ok(was_set)
            }
        }
    }

    fn prepare(&mut self, object: &Object) -> Result<Option<Command>, String> {
        match object {
            Object::Port(port) if self.is_open(port) => Ok(None),
            Object::Port(port) => match (self.open)(port) {
                Ok(nic) => Ok(Some(Command::Open(port.id, nic))),
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
    /// needs no other socket.
    fn is_open(&self, port: &Port) -> bool {
        let kind = |port: &Port| core::mem::discriminant(&port.link);
        matches!(self.plan.get(&Key::Port(port.id)), Some(Object::Port(old))
            if old.device == port.device && kind(old) == kind(port))
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
