//! Policies in the kernel: what leaves by an XFRM interface and how, and that what arrives there came through an SA of
//! its own (RFC 4301 sections 5.1 and 5.2).

use core::fmt;
use std::net::IpAddr;

use base::{Family, Prefix, Spi};
use ipsec::Selector;

use crate::ground::Ground;
use crate::request::{Protocol, Request};
use crate::sa::KernelSa;
use crate::spd::{Action, Line};
use crate::thing::{Key, Name, Thing, Unable};
use crate::xfrm::{
    Attributes, Body, ESP, POLICY_ID_LEN, POLICY_LEN, Reader, TUNNEL, Target, address, attribute, family,
    inbound_reqid, message, sides,
};

/// Where the kernel asks a policy: `XFRM_POLICY_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Hook {
    /// What arrived for this box.
    In,
    /// What arrived for others.
    Forward,
    Out,
}

/// Whose packets a policy is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scope {
    /// What passes the XFRM interface with this `if_id`.
    Tunnel(u32),
    /// What leaves its VRF by this port.
    Port(Name),
    /// What came in with this mark: by the ports with a crypto map of one VRF.
    Front(u32),
    /// What left by a port that is gone, by the number of its device: never wanted.
    Gone(u32),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tunnel(if_id) => write!(f, "if_id {if_id:#x}"),
            Self::Port(name) => write!(f, "the device {name}"),
            Self::Front(mark) => write!(f, "the mark {mark:#x}"),
            Self::Gone(index) => write!(f, "the device that had the number {index}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelPolicy {
    pub(crate) priority: u32,
    /// Stands for the front VRF; zero: not looked at.
    pub(crate) mark: u32,
    pub(crate) verdict: Verdict,
}

/// What the kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Seal with the SA of this name.
    Seal {
        local: IpAddr,
        remote: IpAddr,
        spi: Spi,
        reqid: u32,
    },
    /// Ask for an SA.
    Acquire {
        ticket: u32,
    },
    /// Some SA must have opened it.
    Opened,
    /// Some SA may have opened it.
    Either,
    /// As it is.
    Clear,
    Block,
}

impl KernelPolicy {
    /// A line of an SPD. `seal` is the SA that it seals with; without it nothing leaves.
    pub(crate) fn of(line: Line, mark: u32, seal: Option<&KernelSa>) -> Self {
        let verdict = match (line.action, seal) {
            (Action::Seal(_), Some(sa)) => {
                Verdict::Seal { local: sa.local, remote: sa.remote, spi: sa.spi, reqid: sa.reqid }
            }
            (Action::Acquire { ticket }, _) => Verdict::Acquire { ticket },
            (Action::Pass, _) => Verdict::Clear,
            (Action::Seal(_), None) | (Action::Block, _) => Verdict::Block,
        };
        Self { priority: line.priority, mark, verdict }
    }

    /// What the same line says of packets that arrive.
    pub(crate) fn mirror(line: Line, mark: u32) -> Option<Self> {
        let verdict = match line.action {
            Action::Seal(_) | Action::Acquire { .. } => Verdict::Opened,
            Action::Pass => Verdict::Either,
            // For packets whose ports cannot be seen: they are as good as any.
            Action::Block => return None,
        };
        Some(Self { priority: line.priority, mark, verdict })
    }
}

impl Scope {
    fn device(&self, ground: &Ground) -> Result<u32, Unable> {
        match self {
            Self::Port(name) => ground.index(name).ok_or_else(|| Unable::Wait(name.clone())),
            Self::Gone(index) => Ok(*index),
            Self::Tunnel(_) | Self::Front(_) => Ok(0),
        }
    }
}

/// What an XFRM interface needs before anything may arrive by it: the SAs' own selectors say what.
pub(crate) fn inbound(if_id: u32) -> impl Iterator<Item = (Key, Thing)> {
    let hooks = [Hook::In, Hook::Forward].into_iter();
    hooks.flat_map(move |hook| {
        Family::BOTH.map(|family| {
            let any = Prefix::any(family);
            let policy = KernelPolicy { priority: 0, mark: 0, verdict: Verdict::Opened };
            (Key::Policy(Scope::Tunnel(if_id), hook, Selector::between(any, any)), Thing::Policy(policy))
        })
    })
}

/// Makes the kernel hold `policy`; one of the same key goes at the same moment, or where it has another mark, behind it.
pub(crate) fn set(
    scope: &Scope,
    hook: Hook,
    selector: &Selector,
    policy: &KernelPolicy,
    held: Option<&Thing>,
    ground: &Ground,
) -> Result<Vec<Request>, Unable> {
    let mut body = Body::new();
    write_selector(&mut body, hook, selector, scope.device(ground)?);
    body.forever().zeros(32).u32(policy.priority).u32(0);
    body.u8(number(hook)).u8(u8::from(policy.verdict == Verdict::Block)).zeros(2 + 4);
    policy.write_template(&mut body, selector.family());
    write_place(&mut body, policy.mark, scope);
    let mut requests = vec![request(message::UPD_POLICY, body)];
    if let Some(Thing::Policy(old)) =
        held.filter(|held| matches!(held, Thing::Policy(old) if old.mark != policy.mark))
    {
        requests.extend(unset(scope, hook, selector, old, ground)?);
    }
    Ok(requests)
}

pub(crate) fn unset(
    scope: &Scope,
    hook: Hook,
    selector: &Selector,
    policy: &KernelPolicy,
    ground: &Ground,
) -> Result<Vec<Request>, Unable> {
    let mut body = Body::new();
    write_selector(&mut body, hook, selector, scope.device(ground)?);
    body.u32(0).u8(number(hook)).zeros(3);
    write_place(&mut body, policy.mark, scope);
    Ok(vec![request(message::DEL_POLICY, body)])
}

/// Has the kernel find policies for remote prefixes of a site's length by hash: it looks at every other policy there is
/// whenever one comes or goes.
pub(crate) fn thresholds() -> Request {
    let mut body = Body::new();
    body.u32(0);
    for (kind, remote) in [(attribute::IPV4_THRESHOLDS, 24), (attribute::IPV6_THRESHOLDS, 48)] {
        body.attribute(kind, |body| {
            body.u8(0).u8(remote);
        });
    }
    request(message::SET_SPD, body)
}

/// Asks for every policy.
pub(crate) fn dump() -> Request {
    request(message::GET_POLICY, Body::new())
}

/// A policy of ours, out of an answer or a notification that begins with `xfrm_userpolicy_info`.
pub(crate) fn read(body: &[u8], ground: &Ground) -> Option<(Key, Thing)> {
    let attributes = Reader::new(body.get(POLICY_LEN..)?).attributes();
    let mut rest = Reader::new(body);
    let target = rest.selector()?;
    rest.skip(64 + 32)?;
    let (priority, _, direction, action) = (rest.u32()?, rest.u32()?, rest.u8()?, rest.u8()?);
    let key = key(&attributes, &target, direction, ground)?;
    let mark = attributes.mark()?;
    let verdict = match action {
        0 => template(&attributes, direction, target.from_source.family())?,
        _ => Verdict::Block,
    };
    Some((key, Thing::Policy(KernelPolicy { priority, mark, verdict })))
}

/// The key of a policy of ours that somebody took away, out of `xfrm_userpolicy_id`.
pub(crate) fn read_gone(body: &[u8], ground: &Ground) -> Option<Key> {
    let attributes = Reader::new(body.get(POLICY_ID_LEN..)?).attributes();
    let mut whole = attributes.find(attribute::POLICY)?;
    let target = whole.selector()?;
    whole.skip(64 + 32 + 8)?;
    key(&attributes, &target, whole.u8()?, ground)
}

fn key(attributes: &Attributes<'_>, target: &Target, direction: u8, ground: &Ground) -> Option<Key> {
    let hook = [Hook::In, Hook::Forward, Hook::Out].into_iter().find(|hook| number(*hook) == direction)?;
    let selector = match hook {
        Hook::In | Hook::Forward => target.from_source.reversed(),
        Hook::Out => target.from_source,
    };
    let port = |index| ground.device(index).map_or(Scope::Gone(index), |name| Scope::Port(name.clone()));
    let scope = match (attributes.if_id(), hook) {
        (0, Hook::Out) => port(target.device),
        (0, Hook::In | Hook::Forward) => Scope::Front(attributes.mark()?),
        (if_id, _) => Scope::Tunnel(if_id),
    };
    target.is_ours.then_some(Key::Policy(scope, hook, selector))
}

impl KernelPolicy {
    /// `struct xfrm_user_tmpl`, unless it blocks.
    fn write_template(&self, body: &mut Body, inner: Family) {
        let any = |family| Prefix::any(family).address();
        let (local, remote, spi, reqid) = match self.verdict {
            Verdict::Seal { local, remote, spi, reqid } => (local, remote, spi.0, reqid),
            Verdict::Acquire { ticket } => (ASKING, any(Family::V4), 0, ticket),
            Verdict::Opened | Verdict::Either => (any(inner), any(inner), 0, inbound_reqid(inner)),
            Verdict::Block | Verdict::Clear => return,
        };
        body.attribute(attribute::TEMPLATE, |body| {
            body.address(remote).spi(spi).u8(ESP).zeros(3);
            body.family(Family::of(remote)).zeros(2).address(local).u32(reqid);
            body.u8(TUNNEL)
                .u8(0)
                .u8(u8::from(self.verdict == Verdict::Either))
                .zeros(1)
                .u32(u32::MAX)
                .u32(u32::MAX)
                .u32(u32::MAX);
        });
    }
}

/// Our outer address where there is no SA yet. The kernel would look a route to the peer up for it, and knows none: it
/// must not be zero.
const ASKING: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn template(attributes: &Attributes<'_>, direction: u8, inner: Family) -> Option<Verdict> {
    let Some(mut content) = attributes.find(attribute::TEMPLATE) else { return Some(Verdict::Clear) };
    let (remote, spi, protocol) = (content.address()?, Spi(content.spi()?), content.u8()?);
    content.skip(3)?;
    let outer = family(content.u16()?)?;
    content.skip(2)?;
    let (local, reqid, mode) = (content.address()?, content.u32()?, content.u8()?);
    content.skip(1)?;
    let is_optional = content.u8()? != 0;
    let (local, remote) = (address(local, outer), address(remote, outer));
    if protocol != ESP || mode != TUNNEL {
        return None;
    }
    let is_any = remote.is_unspecified() && spi.0 == 0;
    Some(match is_any {
        true if direction == number(Hook::Out) => Verdict::Acquire { ticket: reqid },
        true if reqid == inbound_reqid(inner) && is_optional => Verdict::Either,
        true if reqid == inbound_reqid(inner) => Verdict::Opened,
        true | false => Verdict::Seal { local, remote, spi, reqid },
    })
}

fn request(kind: u16, body: Body) -> Request {
    Request { protocol: Protocol::Xfrm, kind, flags: 0, body: body.finish() }
}

fn write_selector(body: &mut Body, hook: Hook, selector: &Selector, device: u32) {
    let (ours, theirs) = sides(selector);
    match hook {
        Hook::In | Hook::Forward => body.selector(theirs, ours, selector.protocol, device),
        Hook::Out => body.selector(ours, theirs, selector.protocol, device),
    };
}

/// What the kernel tells policies of equal selectors apart by, beside the selector.
fn write_place(body: &mut Body, mark: u32, scope: &Scope) {
    if let Scope::Tunnel(if_id) = scope {
        body.if_id(*if_id);
    }
    if mark != 0 {
        body.mark(mark);
    }
}

const fn number(hook: Hook) -> u8 {
    match hook {
        Hook::In => 0,
        Hook::Out => 1,
        Hook::Forward => 2,
    }
}

#[cfg(test)]
mod tests;
