//! rtnetlink: what the kernel holds, as our own values, and the requests that change it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::{Family, Prefix};
use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use pe::HostPort;
use rtnetlink::{Error, Handle, IpVersion, LinkUnspec, RouteMessageBuilder};
use tokio::task::spawn_local;

use crate::host::{AddressOn, PROTOCOL, Route, Rule, Selector};

/// A device of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mtu: u32,
    /// Administratively up.
    pub(crate) enabled: bool,
    /// Up, with carrier.
    pub(crate) running: bool,
    /// `None`: not Ethernet.
    pub(crate) mac: Option<[u8; 6]>,
}

/// What the kernel knows of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) index: u32,
    pub(crate) address: IpAddr,
    /// `None`: it does not answer.
    pub(crate) mac: Option<[u8; 6]>,
}

/// An address, and whether it is ours to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) index: u32,
    pub(crate) address: IpAddr,
    pub(crate) length: u8,
    pub(crate) ours: bool,
}

/// Requests and dumps.
#[derive(Clone)]
pub(crate) struct Kernel(Handle);

type Result<T> = std::result::Result<T, String>;

impl Kernel {
    /// Needs a `LocalSet`.
    pub(crate) fn connect() -> io::Result<Self> {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        spawn_local(connection);
        Ok(Self(handle))
    }

    pub(crate) async fn links(&self) -> Result<Vec<Link>> {
        let links: Vec<_> = self.0.link().get().execute().try_collect().await.map_err(why)?;
        Ok(links.iter().filter_map(link).collect())
    }

    pub(crate) async fn neighbours(&self) -> Result<Vec<Known>> {
        let known: Vec<_> = self.0.neighbours().get().execute().try_collect().await.map_err(why)?;
        Ok(known.iter().filter_map(neighbour).collect())
    }

    /// Makes the kernel ask who has `address`, or confirm what it knows.
    pub(crate) async fn ask(&self, index: u32, address: IpAddr) -> Result<()> {
        let request = self.0.neighbours().add(index, address).replace();
        request.state(NeighbourState::None).flags(NeighbourFlags::Use).execute().await.map_err(why)
    }

    /// Up or down, and its MTU, where they differ.
    pub(crate) async fn prepare(&self, link: &Link, port: &HostPort) -> Result<()> {
        match adjusted(link, port) {
            Some(wanted) => self.0.link().change(wanted).execute().await.map_err(why),
            None => Ok(()),
        }
    }

    pub(crate) async fn addresses(&self) -> Result<Vec<Present>> {
        let present: Vec<_> = self.0.address().get().execute().try_collect().await.map_err(why)?;
        Ok(present.iter().filter_map(address).collect())
    }

    /// One that somebody else put there becomes ours: its connected route would be in the wrong table.
    pub(crate) async fn add_address(&self, index: u32, on: &AddressOn) -> Result<()> {
        let added = self.try_address(index, on).await;
        if !is(&added, EXISTS) {
            return added.map_err(why);
        }
        let ours = Present { index, address: on.address, length: on.length, ours: true };
        if self.addresses().await?.contains(&ours) {
            return Ok(());
        }
        self.remove_address(index, on).await?;
        self.try_address(index, on).await.map_err(why)
    }

    async fn try_address(&self, index: u32, on: &AddressOn) -> std::result::Result<(), Error> {
        let mut request = self.0.address().add(index, on.address, on.length);
        let message = request.message_mut();
        // The connected route goes to the table of the VRF, not where the kernel would put it; and an
        // address must be ready to bind to when IKE opens its sockets.
        message.header.flags |= AddressHeaderFlags::Nodad;
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Noprefixroute | AddressFlags::Nodad));
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
        request.execute().await
    }

    pub(crate) async fn remove_address(&self, index: u32, on: &AddressOn) -> Result<()> {
        removed(self.0.address().del(address_message(index, on)).execute().await)
    }

    /// Ours alone.
    pub(crate) async fn rules(&self) -> Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for version in [IpVersion::V4, IpVersion::V6] {
            let all: Vec<_> = self.0.rule().get(version).execute().try_collect().await.map_err(why)?;
            rules.extend(all.iter().filter_map(rule));
        }
        Ok(rules)
    }

    pub(crate) async fn add_rule(&self, rule: &Rule) -> Result<()> {
        let mut request = self.0.rule().add();
        *request.message_mut() = rule_message(rule);
        let added = request.execute().await;
        if is(&added, EXISTS) { Ok(()) } else { added.map_err(why) }
    }

    pub(crate) async fn remove_rule(&self, rule: &Rule) -> Result<()> {
        removed(self.0.rule().del(rule_message(rule)).execute().await)
    }

    /// Ours alone, by the names of devices.
    pub(crate) async fn routes<'a>(&self, name: impl Fn(u32) -> Option<&'a str>) -> Result<Vec<Route>> {
        let mut routes = Vec::new();
        let (four, six) = (RouteMessageBuilder::<Ipv4Addr>::new(), RouteMessageBuilder::<Ipv6Addr>::new());
        for any in [four.build(), six.build()] {
            let all: Vec<_> = self.0.route().get(any).execute().try_collect().await.map_err(why)?;
            routes.extend(all.iter().filter_map(|message| route(message, &name)));
        }
        Ok(routes)
    }

    pub(crate) async fn add_route(&self, route: &Route, index: u32) -> Result<()> {
        self.0.route().add(route_message(route, index)?).replace().execute().await.map_err(why)
    }

    pub(crate) async fn remove_route(&self, route: &Route, index: u32) -> Result<()> {
        removed(self.0.route().del(route_message(route, index)?).execute().await)
    }
}

/// `None`: the device is as the port wants it.
fn adjusted(link: &Link, port: &HostPort) -> Option<LinkMessage> {
    let (mtu, up) = (u32::from(port.mtu), !port.shutdown);
    if link.enabled == up && link.mtu == mtu {
        return None;
    }
    let wanted = LinkUnspec::new_with_index(link.index);
    let wanted = if up { wanted.up() } else { wanted.down() };
    Some(if link.mtu == mtu { wanted } else { wanted.mtu(mtu) }.build())
}

/// Never the Debug form: it prints whole messages.
fn why(error: Error) -> String {
    if let Error::NetlinkError(refusal) = error {
        return refusal.to_io().to_string();
    }
    "the netlink request failed".to_owned()
}

pub(crate) fn link(message: &LinkMessage) -> Option<Link> {
    let attributes = &message.attributes;
    let name = attributes
        .iter()
        .find_map(|it| if let LinkAttribute::IfName(name) = it { Some(name) } else { None })?;
    let mtu =
        attributes.iter().find_map(|it| if let LinkAttribute::Mtu(mtu) = it { Some(*mtu) } else { None });
    let mac =
        attributes.iter().find_map(|it| if let LinkAttribute::Address(mac) = it { Some(mac) } else { None });
    let ethernet = message.header.link_layer_type == LinkLayerType::Ether;
    let flags = message.header.flags;
    Some(Link {
        index: message.header.index,
        name: name.clone(),
        mtu: mtu.unwrap_or_default(),
        enabled: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::Up | LinkFlags::Running),
        mac: mac.filter(|_| ethernet).and_then(|mac| mac.as_slice().try_into().ok()),
    })
}

/// `None`: not the neighbour of an IP address, or of a multicast one, which is never asked for.
pub(crate) fn neighbour(message: &NeighbourMessage) -> Option<Known> {
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        if let NeighbourAttribute::Destination(NeighbourAddress::Inet(four)) = attribute {
            address = Some(IpAddr::from(*four));
        } else if let NeighbourAttribute::Destination(NeighbourAddress::Inet6(six)) = attribute {
            address = Some(IpAddr::from(*six));
        } else if let NeighbourAttribute::LinkLayerAddress(link) = attribute {
            mac = <[u8; 6]>::try_from(link.as_slice()).ok();
        }
    }
    let answers = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
    );
    let address = address.filter(|address: &IpAddr| !address.is_multicast());
    address.map(|address| Known { index: message.header.ifindex, address, mac: mac.filter(|_| answers) })
}

/// What has gone by itself, with its device or by another's hand, is not missed.
fn removed(done: std::result::Result<(), Error>) -> Result<()> {
    if GONE.into_iter().any(|number| is(&done, number)) { Ok(()) } else { done.map_err(why) }
}

fn is(done: &std::result::Result<(), Error>, number: i32) -> bool {
    let Err(Error::NetlinkError(refusal)) = done else { return false };
    refusal.to_io().raw_os_error() == Some(number)
}

/// EEXIST.
const EXISTS: i32 = 17;
/// ENOENT, ESRCH, ENODEV, EADDRNOTAVAIL.
const GONE: [i32; 4] = [2, 3, 19, 99];

fn address_message(index: u32, on: &AddressOn) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = address_family(Family::of(on.address));
    (message.header.index, message.header.prefix_len) = (index, on.length);
    message.attributes.push(AddressAttribute::Local(on.address));
    message
}

pub(crate) fn address(message: &AddressMessage) -> Option<Present> {
    let (mut local, mut any) = (None, None);
    for attribute in &message.attributes {
        if let AddressAttribute::Local(address) = attribute {
            local = Some(*address);
        } else if let AddressAttribute::Address(address) = attribute {
            any = Some(*address);
        }
    }
    let ours = message.attributes.contains(&AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
    let (index, length) = (message.header.index, message.header.prefix_len);
    local.or(any).map(|address| Present { index, address, length, ours })
}

const fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = address_family(rule.family);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        match &rule.selector {
            Selector::Iif(device) => RuleAttribute::Iifname(device.clone()),
            Selector::Oif(device) => RuleAttribute::Oifname(device.clone()),
            Selector::Mark(mark) => RuleAttribute::FwMark(*mark),
        },
        RuleAttribute::Priority(rule.priority),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)),
    ];
    message
}

/// `None`: not one of ours.
pub(crate) fn rule(message: &RuleMessage) -> Option<Rule> {
    let attributes = &message.attributes;
    if !attributes.contains(&RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL))) {
        return None;
    }
    let (mut selector, mut priority, mut table) = (None, None, None);
    for attribute in attributes {
        if let RuleAttribute::Iifname(device) = attribute {
            selector = Some(Selector::Iif(device.clone()));
        } else if let RuleAttribute::Oifname(device) = attribute {
            selector = Some(Selector::Oif(device.clone()));
        } else if let RuleAttribute::FwMark(mark) = attribute {
            selector = Some(Selector::Mark(*mark));
        } else if let RuleAttribute::Priority(number) = attribute {
            priority = Some(*number);
        } else if let RuleAttribute::Table(number) = attribute {
            table = Some(*number);
        }
    }
    let family = if message.header.family == AddressFamily::Inet { Family::V4 } else { Family::V6 };
    Some(Rule { family, priority: priority?, selector: selector?, table: table? })
}

fn route_message(route: &Route, index: u32) -> Result<RouteMessage> {
    let wrong = |_| format!("{}: gateway of another family", route.prefix);
    let mut builder = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(route.prefix.address(), route.prefix.length())
        .map_err(wrong)?
        .table_id(route.table)
        .protocol(RouteProtocol::Other(PROTOCOL))
        .output_interface(index)
        .priority(route.metric);
    if let Some(gateway) = route.gateway {
        // Whether it can be reached is for the configuration to say, not for another table.
        builder = builder.gateway(gateway).map_err(wrong)?.onlink();
    } else if route.prefix.family() == Family::V4 {
        builder = builder.scope(netlink_packet_route::route::RouteScope::Link);
    }
    Ok(builder.build())
}

/// `None`: not one of ours, or out of a device that has no name.
pub(crate) fn route<'a>(message: &RouteMessage, name: impl Fn(u32) -> Option<&'a str>) -> Option<Route> {
    if message.header.protocol != RouteProtocol::Other(PROTOCOL) {
        return None;
    }
    let family = if message.header.address_family == AddressFamily::Inet { Family::V4 } else { Family::V6 };
    let mut route = Route {
        table: u32::from(message.header.table),
        prefix: Prefix::any(family),
        device: String::new(),
        gateway: None,
        metric: 0,
    };
    for attribute in &message.attributes {
        if let RouteAttribute::Destination(to) = attribute {
            route.prefix = Prefix::new(ip(to)?, message.header.destination_prefix_length).ok()?;
        } else if let RouteAttribute::Gateway(gateway) = attribute {
            route.gateway = Some(ip(gateway)?);
        } else if let RouteAttribute::Oif(index) = attribute {
            name(*index)?.clone_into(&mut route.device);
        } else if let RouteAttribute::Priority(metric) = attribute {
            route.metric = *metric;
        } else if let RouteAttribute::Table(table) = attribute {
            route.table = *table;
        }
    }
    Some(route)
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(four) = address {
        return Some(IpAddr::from(*four));
    }
    if let RouteAddress::Inet6(six) = address { Some(IpAddr::from(*six)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::port;

    fn wan() -> Link {
        Link { index: 5, name: "wan".into(), mtu: 1500, enabled: true, running: true, mac: Some([2; 6]) }
    }

    #[test]
    fn a_device_is_raised_lowered_and_sized_as_its_port_is_written() {
        let port = |mtu, shutdown| HostPort { mtu, shutdown, ..port(7, "wan", 0, "192.0.2.1") };
        let change = |link: &Link, mtu, shutdown| {
            adjusted(link, &port(mtu, shutdown)).map(|wanted| {
                let mtu = wanted.attributes.iter().find_map(|it| {
                    let LinkAttribute::Mtu(mtu) = it else { return None };
                    Some(*mtu)
                });
                assert!(wanted.header.change_mask.contains(LinkFlags::Up));
                (wanted.header.flags.contains(LinkFlags::Up), mtu)
            })
        };
        assert_eq!(change(&wan(), 1500, false), None);
        assert_eq!(change(&wan(), 9000, false), Some((true, Some(9000))));
        assert_eq!(change(&wan(), 1500, true), Some((false, None)));
        let down = Link { enabled: false, ..wan() };
        assert_eq!(change(&down, 1500, true), None);
        assert_eq!(change(&down, 1500, false), Some((true, None)));
    }

    #[test]
    fn a_route_is_what_it_was_when_the_kernel_gives_it_back() {
        for (prefix, gateway) in [
            ("0.0.0.0/0", Some("192.0.2.1")),
            ("192.0.2.0/24", None),
            ("2001:db8::/64", None),
            ("::/0", Some("fe80::1")),
        ] {
            let sent = Route {
                table: 1002,
                prefix: prefix.parse().unwrap(),
                device: "wan".into(),
                gateway: gateway.map(|it| it.parse().unwrap()),
                metric: 20,
            };
            assert_eq!(
                route(&route_message(&sent, 5).unwrap(), |index| (index == 5).then_some("wan")),
                Some(sent)
            );
        }
    }

    #[test]
    fn a_rule_is_what_it_was_and_rules_of_others_are_not_ours() {
        for selector in [Selector::Iif("wan".into()), Selector::Oif("wan".into()), Selector::Mark(1_000_001)]
        {
            let sent = Rule { family: Family::V6, priority: 1000, selector, table: 1001 };
            let mut message = rule_message(&sent);
            assert_eq!(rule(&message), Some(sent));
            message.attributes.pop();
            assert_eq!(rule(&message), None);
        }
    }

    #[test]
    fn a_neighbour_that_does_not_answer_has_no_link_address() {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = 5;
        message.header.state = NeighbourState::Stale;
        message.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Inet([192, 0, 2, 1].into())),
            NeighbourAttribute::LinkLayerAddress(vec![2, 0, 0, 0, 0, 1]),
        ];
        assert_eq!(neighbour(&message).unwrap().mac, Some([2, 0, 0, 0, 0, 1]));
        message.header.state = NeighbourState::Failed;
        assert_eq!(neighbour(&message).unwrap().mac, None);
    }
}
