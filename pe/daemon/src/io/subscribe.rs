//! Notifications of rtnetlink, as they come.

use std::io;

use futures_util::StreamExt as _;
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use tokio::sync::mpsc;
use tokio::task::spawn_local;

/// Devices, neighbours, and what of ours others may take away.
pub(super) const DEVICES: [MulticastGroup; 6] = [
    MulticastGroup::Link,
    MulticastGroup::Neigh,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Rule,
];
/// Where the kernel forwards they are many, and the dataplane's.
pub(super) const ROUTES: [MulticastGroup; 2] = [MulticastGroup::Ipv4Route, MulticastGroup::Ipv6Route];

/// `None`: some were lost.
pub(super) type Change = Option<RouteNetlinkMessage>;

/// Needs a `LocalSet`.
pub(super) fn subscribe(groups: &[MulticastGroup]) -> io::Result<mpsc::UnboundedReceiver<Change>> {
    let (connection, handle, mut messages) = rtnetlink::new_multicast_connection(groups)?;
    let (sender, changes) = mpsc::unbounded_channel();
    spawn_local(connection);
    spawn_local(async move {
        // The connection ends when its last handle goes.
        let _handle = handle;
        while let Some((message, _)) = messages.next().await {
            let message: NetlinkMessage<RouteNetlinkMessage> = message;
            let lost = matches!(message.payload, NetlinkPayload::Overrun(_));
            let change =
                if let NetlinkPayload::InnerMessage(change) = message.payload { Some(change) } else { None };
            if (lost || change.is_some()) && sender.send(change).is_err() {
                return;
            }
        }
    });
    Ok(changes)
}
