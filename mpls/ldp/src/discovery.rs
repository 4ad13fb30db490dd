//! Hellos: who is there, on a link or further away, and where its sessions end, RFC 5036 section 2.4, RFC 7552
//! sections 5 and 6.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use base::{Family, Instant, PortId};

use crate::engine::{Ldp, Timer};
use crate::wire::hello::{FOREVER, Hello};
use crate::wire::message::{Envelope, Message};
use crate::wire::pdu::{DEFAULT_LENGTH, Outbox, Pdu};
use crate::{Config, LdpId, Output};

/// Who may be heard on one port, and who from afar without being asked for: a flood of hellos stops here.
const MOST_ON_A_PORT: usize = 256;
const MOST_NEIGHBOURS: usize = 4096;

/// No hellos follow each other faster, whatever is asked for.
const FASTEST: Duration = Duration::from_millis(100);

const ALL_ROUTERS: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(224, 0, 0, 2)), IpAddr::V6(Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 2))];

/// Where hellos of a neighbour come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    Link(PortId, IpAddr),
    Targeted(IpAddr),
}

/// A neighbour that is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Adjacency {
    pub(crate) peer: LdpId,
    pub(crate) transport: IpAddr,
    /// What was agreed on; `None`: for ever.
    pub(crate) hold: Option<Duration>,
    pub(crate) expires: Option<Instant>,
    /// The transport it prefers, from a dual-stack neighbour.
    pub(crate) preference: Option<Family>,
    pub(crate) gtsm: bool,
}

/// Why a hello is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unheard {
    Malformed,
    /// `mpls ip` is missing, or the port is down.
    Port,
    /// Sent to all routers as a targeted hello, or to us as a link hello.
    Kind,
    /// Of our own router id.
    Own,
    /// Of a label space other than the platform's.
    LabelSpace,
    /// A link hello over IPv6 must come from a link-local address, RFC 7552 section 5.1.
    NotLinkLocal,
    /// A session cannot end at such an address, RFC 7552 section 6.1.
    Transport,
    /// Targeted, from a neighbour that was not asked for.
    Unwanted,
    TooMany,
}

impl Source {
    pub(crate) fn family(self) -> Family {
        match self {
            Self::Link(_, address) | Self::Targeted(address) => Family::of(address),
        }
    }
}

impl Ldp {
    /// A hello came in.
    pub(crate) fn hear(&mut self, port: Option<PortId>, source: IpAddr, multicast: bool, bytes: &[u8]) {
        if let Err(why) = self.take_hello(port, source, multicast, bytes) {
            *self.unheard.entry(why).or_default() += 1;
        }
    }

    fn take_hello(
        &mut self,
        port: Option<PortId>,
        address: IpAddr,
        multicast: bool,
        bytes: &[u8],
    ) -> Result<(), Unheard> {
        let (peer, hello) = decode(bytes).ok_or(Unheard::Malformed)?;
        if hello.targeted == multicast {
            return Err(Unheard::Kind);
        }
        let source = match port {
            _ if !multicast => Source::Targeted(address),
            Some(port) => Source::Link(port, address),
            None => return Err(Unheard::Port),
        };
        self.admit(source, peer, &hello)?;
        let transport = hello.transport(Family::of(address)).unwrap_or(address);
        if !ends_sessions(transport) {
            return Err(Unheard::Transport);
        }
        let adjacency = self.adjacency(source, peer, &hello, transport);
        self.adjoin(source, adjacency);
        Ok(())
    }

    /// Whether we want to hear a neighbour there.
    fn admit(&self, source: Source, peer: LdpId, hello: &Hello) -> Result<(), Unheard> {
        let config = self.config.as_ref().ok_or(Unheard::Port)?;
        if peer.space != 0 || peer.router.is_unspecified() {
            return Err(Unheard::LabelSpace);
        }
        if peer.router == config.router_id {
            return Err(Unheard::Own);
        }
        match source {
            Source::Link(port, address) if !self.speaks_on(port, Family::of(address)) => Err(Unheard::Port),
            Source::Link(_, IpAddr::V6(address)) if !address.is_unicast_link_local() => {
                Err(Unheard::NotLinkLocal)
            }
            Source::Targeted(address) if !config.wants(address, hello.request) => Err(Unheard::Unwanted),
            Source::Link(..) | Source::Targeted(_) if self.adjacencies.contains_key(&source) => Ok(()),
            Source::Link(port, _) if self.on_port(port).count() >= MOST_ON_A_PORT => Err(Unheard::TooMany),
            Source::Targeted(address)
                if self.adjacencies.len() >= MOST_NEIGHBOURS && !config.targeted.contains(&address) =>
            {
                Err(Unheard::TooMany)
            }
            Source::Link(..) | Source::Targeted(_) => Ok(()),
        }
    }

    fn on_port(&self, port: PortId) -> impl Iterator<Item = &Adjacency> {
        let ends = [PortId(port.0), PortId(port.0.saturating_add(1))];
        let [low, high] = ends.map(|port| Source::Link(port, IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        self.adjacencies.range(low..high).map(|(_, adjacency)| adjacency)
    }

    fn adjacency(&self, source: Source, peer: LdpId, hello: &Hello, transport: IpAddr) -> Adjacency {
        let ours = self.config.as_ref().map(|config| timers(config, source).hold);
        let ours = ours.filter(|hold| hold.as_secs() < u64::from(FOREVER));
        let hold = [ours, hello.hold()].into_iter().flatten().min();
        Adjacency {
            peer,
            transport,
            hold,
            expires: hold.map(|hold| self.now + hold),
            preference: hello.preference,
            gtsm: hello.gtsm,
        }
    }

    fn adjoin(&mut self, source: Source, adjacency: Adjacency) {
        let peer = adjacency.peer;
        if self.adjacencies.get(&source).is_some_and(|known| known.peer != peer) {
            self.part(source, "router id changed");
        }
        self.agenda.set(Timer::Adjacency(source), adjacency.expires);
        let told = |adjacency: &Adjacency| (adjacency.transport, adjacency.preference, adjacency.gtsm);
        let now = told(&adjacency);
        let before = self.adjacencies.insert(source, adjacency);
        if before.as_ref().map(told) == Some(now) {
            return;
        }
        self.peers.entry(peer).or_default().adjacencies.insert(source);
        self.relisten = true;
        if before.is_none() {
            // The neighbour shall not have to wait for us, nor its connection arrive before our hello.
            self.greet(source);
            self.link_local_owner_changed(source);
        }
        self.reconsider(peer);
    }

    /// A neighbour is heard no more.
    pub(crate) fn part(&mut self, source: Source, why: &str) {
        let Some(adjacency) = self.adjacencies.remove(&source) else { return };
        self.agenda.set(Timer::Adjacency(source), None);
        self.link_local_owner_changed(source);
        if let Some(peer) = self.peers.get_mut(&adjacency.peer) {
            peer.adjacencies.remove(&source);
        }
        self.relisten = true;
        if let Source::Targeted(address) = source {
            self.schedule_targeted(address);
        }
        self.parted(adjacency.peer, why);
    }

    fn link_local_owner_changed(&mut self, source: Source) {
        if let Source::Link(_, address) = source {
            self.owner_changed(address);
        }
    }

    /// Says hello where `source` is, now and from now on.
    fn greet(&mut self, source: Source) {
        match source {
            Source::Link(port, _) => self.greet_port(port, source.family()),
            Source::Targeted(address) => self.greet_targeted(address),
        }
    }

    /// A hello to all routers of a port, if we speak there; the next one follows.
    pub(crate) fn greet_port(&mut self, port: PortId, family: Family) {
        let speaks = self.speaks_on(port, family);
        let Some(config) = self.config.clone().filter(|_| speaks) else {
            return self.agenda.set(Timer::Hello(port, family), None);
        };
        let any = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let source = Source::Link(port, any);
        let bytes = self.hello(&config, source);
        let to = ALL_ROUTERS.into_iter().find(|address| Family::of(*address) == family);
        self.out.extend(to.map(|to| Output::Hello { port: Some(port), to, bytes }));
        self.agenda
            .set(Timer::Hello(port, family), Some(self.now + self.pace(source, config.hello.interval)));
    }

    /// A hello to one address, if we want to.
    pub(crate) fn greet_targeted(&mut self, address: IpAddr) {
        let source = Source::Targeted(address);
        let wanted = |config: &Config| {
            let asked = config.targeted.contains(&address) || self.adjacencies.contains_key(&source);
            asked && config.transport_of(source).is_some()
        };
        let Some(config) = self.config.clone().filter(|config| wanted(config)) else {
            return self.agenda.set(Timer::Targeted(address), None);
        };
        let bytes = self.hello(&config, source);
        self.out.push_back(Output::Hello { port: None, to: address, bytes });
        self.agenda.set(
            Timer::Targeted(address),
            Some(self.now + self.pace(source, config.targeted_hello.interval)),
        );
    }

    /// How long until the next hello: as configured, or three times in the shortest hold time of who listens.
    fn pace(&self, source: Source, interval: Duration) -> Duration {
        let shortest = match source {
            Source::Link(port, _) => self.on_port(port).filter_map(|adjacency| adjacency.hold).min(),
            Source::Targeted(_) => self.adjacencies.get(&source).and_then(|adjacency| adjacency.hold),
        };
        shortest.map_or(interval, |hold| interval.min(hold / 3)).max(FASTEST)
    }

    fn schedule_targeted(&mut self, address: IpAddr) {
        let wanted = self.config.as_ref().is_some_and(|config| config.targeted.contains(&address));
        if !wanted {
            self.agenda.set(Timer::Targeted(address), None);
        }
    }

    fn hello(&self, config: &Config, source: Source) -> Vec<u8> {
        let targeted = matches!(source, Source::Targeted(_));
        let hold = timers(config, source).hold.as_secs();
        let transport = config.transport_of(source);
        let hello = Hello {
            hold: u16::try_from(hold).unwrap_or(FOREVER),
            targeted,
            request: matches!(source, Source::Targeted(address) if config.targeted.contains(&address)),
            // RFC 6720 section 2.1: on links alone.
            gtsm: config.gtsm() && !targeted,
            ipv4: transport.and_then(|address| match address {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            }),
            ipv6: transport.and_then(|address| match address {
                IpAddr::V4(_) => None,
                IpAddr::V6(address) => Some(address),
            }),
            sequence: Some(self.sequence),
            preference: config.preference(),
        };
        let mut outbox = Outbox::new(config.id());
        Message::Hello(hello).encode(|| self.sequence).iter().for_each(|message| outbox.push(message));
        outbox.take()
    }

    /// Whether sessions with a peer are held to our links by GTSM: both of us said so there (RFC 6720 section 2); over
    /// IPv6 nobody need say it (RFC 7552 section 9). Whom we greet from afar may be further away at times.
    pub(crate) fn is_near(&self, id: LdpId) -> bool {
        let (Some(config), Some(peer)) = (&self.config, self.peers.get(&id)) else { return false };
        let far = |source: &Source| matches!(source, Source::Targeted(at) if config.targeted.contains(at));
        let mut links = peer.adjacencies.iter().filter_map(|source| match source {
            Source::Link(..) => self.adjacencies.get(source),
            Source::Targeted(_) => None,
        });
        let said = links.any(|link| link.gtsm || link.transport.is_ipv6());
        config.gtsm() && said && !peer.adjacencies.iter().any(far)
    }

    /// Whether hellos of a family leave and are heard on a port.
    pub(crate) fn speaks_on(&self, port: PortId, family: Family) -> bool {
        let Some(config) = self.config.as_ref().filter(|config| config.ports.contains_key(&port)) else {
            return false;
        };
        let of_family = |address: &IpAddr| Family::of(*address) == family;
        let here = self.interfaces.get(&port).is_some_and(|up| up.addresses.iter().any(of_family));
        here && config.family_transport(family).is_some()
    }
}

impl Config {
    /// Where sessions with a neighbour that is heard there end on our side.
    pub(crate) fn transport_of(&self, source: Source) -> Option<IpAddr> {
        let family = source.family();
        let own = match source {
            Source::Link(port, _) => self.ports.get(&port).and_then(|port| port.transport),
            Source::Targeted(_) => None,
        };
        own.filter(|address| Family::of(*address) == family).or_else(|| self.family_transport(family))
    }

    /// What we announce explicit null for comes labelled, our neighbours' own segments too: they lose a hop where the label
    /// is taken off.
    pub(crate) const fn gtsm(&self) -> bool {
        self.ttl_security && !self.explicit_null
    }

    /// Whether targeted hellos of a neighbour are heard; `requests`: it asks for ours.
    fn wants(&self, address: IpAddr, requests: bool) -> bool {
        self.targeted.contains(&address) || (self.accept_targeted && requests)
    }

    pub(crate) fn family_transport(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.transport.ipv4.map(IpAddr::V4),
            Family::V6 => self.transport.ipv6.map(IpAddr::V6),
        }
    }

    /// What a dual-stack speaker prefers; `None`: we are none.
    pub(crate) fn preference(&self) -> Option<Family> {
        let both = self.transport.ipv4.is_some() && self.transport.ipv6.is_some();
        both.then_some(if self.transport.prefer_ipv4 { Family::V4 } else { Family::V6 })
    }

    pub(crate) fn id(&self) -> LdpId {
        LdpId { router: self.router_id, space: 0 }
    }
}

fn timers(config: &Config, source: Source) -> crate::config::Hello {
    match source {
        Source::Link(..) => config.hello,
        Source::Targeted(_) => config.targeted_hello,
    }
}

/// The sender and the hello of a datagram.
fn decode(bytes: &[u8]) -> Option<(LdpId, Hello)> {
    let (pdu, _) = Pdu::take(bytes, DEFAULT_LENGTH).ok()??;
    let (envelope, _) = Envelope::take(pdu.messages).ok()?;
    match envelope.open().ok()? {
        Message::Hello(hello) => Some((pdu.sender, hello)),
        Message::Notification(_)
        | Message::Initialization(_)
        | Message::KeepAlive
        | Message::Capability(_)
        | Message::Address(_)
        | Message::AddressWithdraw(_)
        | Message::Mapping(_)
        | Message::Request(_)
        | Message::Withdraw(_)
        | Message::Release(_)
        | Message::Abort(_)
        | Message::Strange => None,
    }
}

fn ends_sessions(address: IpAddr) -> bool {
    let linked = matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    !(linked || address.is_unspecified() || address.is_multicast() || address.is_loopback())
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::Port => "on a port without mpls ip or without an address of the family",
            Self::Kind => "a targeted hello to all routers, or a link hello to one",
            Self::Own => "our own router id",
            Self::LabelSpace => "not of a platform-wide label space",
            Self::NotLinkLocal => "an IPv6 link hello that is not from a link-local address",
            Self::Transport => "a transport address that no session can end at",
            Self::Unwanted => "targeted, but not asked for",
            Self::TooMany => "too many neighbours",
        })
    }
}
