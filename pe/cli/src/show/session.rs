//! `show crypto session [detail]`.

use std::fmt::Write as _;

use api::{IpsecFlow, IpsecSa, IsakmpSa, Proxy, Session};

use super::{clock, network, none_or, uptime};

pub(super) fn sessions(sessions: &[Session], detail: bool) -> String {
    let mut text = String::from("Crypto session current status\n");
    for session in sessions {
        text.push_str(&self::session(session, detail));
    }
    text
}

fn session(session: &Session, detail: bool) -> String {
    let mut text = format!("\nInterface: {}\n", session.interface);
    if detail && let Some(profile) = &session.profile {
        let _ = writeln!(text, "Profile: {profile}");
    }
    if detail && session.uptime > 0 {
        let _ = writeln!(text, "Uptime: {}", uptime(session.uptime));
    }
    let _ = writeln!(text, "Session status: {}", session.status);
    let (peer, port) = (session.peer, session.peer_port);
    if detail {
        let (front, inside) = (none_or(session.front.as_ref()), none_or(session.inside.as_ref()));
        let _ = writeln!(text, "Peer: {peer} port {port} fvrf: {front} ivrf: {inside}");
        let _ = writeln!(text, "      Desc: {}", none_or(session.description.as_ref()));
        let _ = writeln!(text, "      Phase1_id: {}", none_or(session.identity.as_ref()));
    } else {
        let _ = writeln!(text, "Peer: {peer}/{port}");
    }
    session.isakmp.iter().for_each(|sa| ike(&mut text, sa, detail));
    session.flows.iter().for_each(|one| flow(&mut text, one, detail));
    text
}

fn ike(text: &mut String, sa: &IsakmpSa, detail: bool) {
    let state = if sa.established { "Active" } else { "Inactive" };
    let (local, remote) = (sa.local, sa.remote);
    let _ = writeln!(
        text,
        "  IKEv{} SA: local {local}/{} remote {remote}/{} {state}",
        sa.version, sa.local_port, sa.remote_port
    );
    if detail {
        let capabilities = if sa.nat { "N" } else { "(none)" };
        let lifetime = sa.lifetime_left.map_or_else(|| "(none)".to_owned(), clock);
        let connection = sa.connection;
        let _ =
            writeln!(text, "          Capabilities:{capabilities} connid:{connection} lifetime:{lifetime}");
    }
}

fn flow(text: &mut String, flow: &IpsecFlow, detail: bool) {
    let (local, remote) = (side(&flow.local), side(&flow.remote));
    let _ = writeln!(text, "  IPSEC FLOW: permit {} {local} {remote}", protocol(flow.local.protocol));
    let active = flow.inbound.len() + flow.outbound.len();
    let _ = writeln!(text, "        Active SAs: {active}, origin: crypto map");
    if detail {
        let (back, back_life) = (flow.decaps, life(&flow.inbound));
        let (out, out_life) = (flow.encaps, life(&flow.outbound));
        let _ = writeln!(
            text,
            "        Inbound:  #pkts dec'ed {back} drop {} life (KB/Sec) {back_life}",
            flow.recv_errors
        );
        let _ = writeln!(
            text,
            "        Outbound: #pkts enc'ed {out} drop {} life (KB/Sec) {out_life}",
            flow.send_errors
        );
    }
}

fn life(sas: &[IpsecSa]) -> String {
    sas.first().map_or_else(
        || "0/0".to_owned(),
        |sa| {
            format!(
                "{}/{}",
                sa.kilobytes_left.map_or_else(|| "-".to_owned(), |left| left.to_string()),
                sa.seconds_left
            )
        },
    )
}

fn protocol(number: u8) -> String {
    match number {
        0 => "ip".to_owned(),
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        47 => "gre".to_owned(),
        other => other.to_string(),
    }
}

fn side(proxy: &Proxy) -> String {
    let host = match proxy.mask {
        std::net::IpAddr::V4(mask) => u32::from(mask) == u32::MAX,
        std::net::IpAddr::V6(mask) => u128::from(mask) == u128::MAX,
    };
    let address = if host { format!("host {}", proxy.address) } else { network(proxy.address, proxy.mask) };
    if proxy.port == 0 { address } else { format!("{address} port {}", proxy.port) }
}
