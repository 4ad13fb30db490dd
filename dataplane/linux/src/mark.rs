//! Marks what passes a device with its front VRF: tc matchall with skbedit, in a clsact qdisc.
//!
//! The kernel knows SAs by (destination, SPI, protocol, mark): the mark keeps front VRFs with the same
//! addresses apart.
#![allow(clippy::wildcard_enum_match_arm, reason = "the kernel has more attributes than anybody lists")]

use netlink_packet_core::{DefaultNla, Nla as _};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAction, TcActionAttribute, TcActionOption, TcAttribute, TcFilterMatchAllOption, TcHandle, TcMessage,
    TcOption,
};

use crate::ground::Ground;
use crate::request::{CREATE, Request};
use crate::thing::{Key, Name, Thing, Unable};
use crate::xfrm::{GUARDED, MARK_MASK};

/// The filter of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) value: u32,
    pub(crate) hook: Hook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// What arrives at a port.
    Ingress,
    /// What enters an XFRM interface.
    Egress,
}

/// A filter cannot be changed: whatever is in its place is taken away, and it is made anew.
pub(crate) fn set(name: &Name, mark: Mark, ground: &Ground) -> Result<Vec<Request>, Unable> {
    let index = ground.index(name).ok_or_else(|| Unable::Wait(name.clone()))?;
    let old = unset(name, mark, ground)?;
    let filter = RouteNetlinkMessage::NewTrafficFilter(filter(index, mark)?);
    Ok([qdisc(index)?].into_iter().chain(old).chain([Request::route(&filter, CREATE)]).collect())
}

/// The qdisc stays: others may have filters in it.
pub(crate) fn unset(name: &Name, mark: Mark, ground: &Ground) -> Result<Vec<Request>, Unable> {
    let Some(index) = ground.index(name) else { return Ok(Vec::new()) };
    let message = RouteNetlinkMessage::DelTrafficFilter(blank(index, mark.hook)?);
    Ok(vec![Request::route(&message, 0)])
}

/// The filters of a device at a hook.
pub(crate) fn question(index: u32, hook: Hook) -> Result<Request, Unable> {
    let mut message = TcMessage::default();
    message.header.index = signed(index)?;
    message.header.parent = hook.parent();
    Ok(Request::route(&RouteNetlinkMessage::GetTrafficFilter(message), 0))
}

/// Ours is known by its place: nobody else asks for this priority.
pub(crate) fn read(message: &TcMessage, ground: &Ground) -> Option<(Key, Thing)> {
    let (device, hook) = place(message, ground)?;
    let value = options(message).find_map(marked)?;
    (message.header.handle == HANDLE).then(|| (Key::Mark(device.clone()), Thing::Mark(Mark { value, hook })))
}

/// What went: one filter of a priority, or all of it, which has neither handle nor options.
pub(crate) fn read_gone(message: &TcMessage, ground: &Ground) -> Option<Key> {
    place(message, ground).map(|(device, _)| Key::Mark(device.clone()))
}

fn place<'g>(message: &TcMessage, ground: &'g Ground) -> Option<(&'g Name, Hook)> {
    let header = &message.header;
    let hook = match header.parent.minor {
        TcHandle::MIN_INGRESS => Hook::Ingress,
        TcHandle::MIN_EGRESS => Hook::Egress,
        _ => return None,
    };
    let device = ground.device(u32::try_from(header.index).ok()?)?;
    (header.info == INFO).then_some((device, hook))
}

/// The device whose qdisc for filters this message tells of.
pub(crate) fn is_of_qdisc(message: &TcMessage, ground: &Ground) -> Option<Key> {
    let device = ground.device(u32::try_from(message.header.index).ok()?)?;
    (message.header.parent == TcHandle::CLSACT).then(|| Key::Mark(device.clone()))
}

impl Hook {
    const fn parent(self) -> TcHandle {
        let minor = match self {
            Self::Ingress => TcHandle::MIN_INGRESS,
            Self::Egress => TcHandle::MIN_EGRESS,
        };
        TcHandle { major: 0xFFFF, minor }
    }
}

const HANDLE: TcHandle = TcHandle { major: 0, minor: 1 };
const PRIORITY: u32 = 111;
/// The priority, and every EtherType (`ETH_P_ALL`).
const INFO: u32 = PRIORITY << 16 | (3_u16.to_be() as u32);

const ACTIONS: u16 = 2;
const ACTION_OPTIONS: u16 = 2;
const PARAMETERS: u16 = 2;
const MARK: u16 = 5;
const MASK: u16 = 8;
/// `TC_ACT_UNSPEC`: the filters behind this one have their say.
const GO_ON: i32 = -1;

fn qdisc(index: u32) -> Result<Request, Unable> {
    let mut message = TcMessage::default();
    message.header.index = signed(index)?;
    message.header.handle = TcHandle { major: 0xFFFF, minor: 0 };
    message.header.parent = TcHandle::CLSACT;
    message.attributes.push(TcAttribute::Kind("clsact".to_owned()));
    Ok(Request::route(&RouteNetlinkMessage::NewQueueDiscipline(message), CREATE))
}

fn blank(index: u32, hook: Hook) -> Result<TcMessage, Unable> {
    let mut message = TcMessage::default();
    message.header.index = signed(index)?;
    message.header.parent = hook.parent();
    message.header.handle = HANDLE;
    message.header.info = INFO;
    message.attributes.push(TcAttribute::Kind("matchall".to_owned()));
    Ok(message)
}

fn filter(index: u32, mark: Mark) -> Result<TcMessage, Unable> {
    let mut parameters = [0; 20];
    if let Some(action) = parameters.get_mut(8..12) {
        action.copy_from_slice(&GO_ON.to_ne_bytes());
    }
    let options: Vec<u8> = [
        attribute(PARAMETERS, &parameters),
        attribute(MARK, &mark.value.to_ne_bytes()),
        attribute(MASK, &(MARK_MASK | GUARDED).to_ne_bytes()),
    ]
    .concat();
    let action = [attribute(1, b"skbedit\0"), attribute(ACTION_OPTIONS, &options)].concat();
    let actions = DefaultNla::new(ACTIONS, attribute(1, &action));
    let mut message = blank(index, mark.hook)?;
    message.attributes.push(TcAttribute::Options(vec![TcOption::Other(actions)]));
    Ok(message)
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The options of the first action of a filter.
fn options(message: &TcMessage) -> impl Iterator<Item = &TcActionOption> {
    let of_filter = message.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Options(options) => Some(options),
        _ => None,
    });
    let action = of_filter.into_iter().flatten().find_map(|option| match option {
        TcOption::MatchAll(TcFilterMatchAllOption::Action(actions)) => actions.first(),
        _ => None,
    });
    action.into_iter().flat_map(|action: &TcAction| &action.attributes).flat_map(
        |attribute| match attribute {
            TcActionAttribute::Options(options) => options.as_slice(),
            _ => &[],
        },
    )
}

/// The mark that an option of `skbedit` sets.
fn marked(option: &TcActionOption) -> Option<u32> {
    let TcActionOption::Other(nla) = option else { return None };
    let mut value = vec![0; nla.value_len()];
    nla.emit_value(&mut value);
    let mark = (nla.kind() == MARK).then(|| value.first_chunk().copied()).flatten();
    mark.map(u32::from_ne_bytes)
}

fn signed(index: u32) -> Result<i32, Unable> {
    i32::try_from(index).map_err(|_| Unable::Never(format!("the device number {index} is too large")))
}
