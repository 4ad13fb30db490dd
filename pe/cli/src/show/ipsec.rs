//! `show crypto ipsec sa`, with IOS's whole list of fields.

use std::fmt::Write as _;

use api::{IpsecFlow, IpsecSa, Proxy};

use super::{name, network, none_or};

pub(super) fn flows(flows: &[IpsecFlow], detail: bool) -> String {
    let mut text = String::new();
    let mut above: Option<&IpsecFlow> = None;
    for flow in flows {
        if above.is_none_or(|above| above.interface != flow.interface) {
            let _ = writeln!(text, "\ninterface: {}", flow.interface);
        }
        let same = |above: &IpsecFlow| (&above.interface, &above.map) == (&flow.interface, &flow.map);
        if !above.is_some_and(same) {
            let _ = writeln!(text, "    Crypto map tag: {}, local addr {}", flow.map, flow.local_address);
        }
        text.push_str(&self::flow(flow, detail));
        above = Some(flow);
    }
    text
}

fn flow(flow: &IpsecFlow, detail: bool) -> String {
    let mut text = format!("\n   protected vrf: {}\n", name(flow.inside.as_ref()));
    let _ = writeln!(text, "   local  ident (addr/mask/prot/port): ({})", ident(&flow.local));
    let _ = writeln!(text, "   remote ident (addr/mask/prot/port): ({})", ident(&flow.remote));
    let _ = writeln!(text, "   current_peer {} port {}", flow.peer, flow.peer_port);
    if detail {
        let _ = writeln!(text, "     fvrf: {}, map entry: {}", none_or(flow.front.as_ref()), flow.sequence);
    }
    text.push_str("     PERMIT, flags={origin_is_acl,}\n");
    counters(&mut text, flow, detail);
    let _ = writeln!(
        text,
        "\n     local crypto endpt.: {}, remote crypto endpt.: {}\n     path mtu {}, media mtu {}\n     \
         current outbound spi: 0x{:X}",
        flow.local_address,
        flow.peer,
        flow.path_mtu,
        flow.path_mtu,
        flow.outbound.first().map_or(0, |sa| sa.spi),
    );
    for (direction, sas) in [("inbound", &flow.inbound), ("outbound", &flow.outbound)] {
        let _ = writeln!(text, "\n     {direction} esp sas:");
        sas.iter().for_each(|one| text.push_str(&sa(one, &flow.map, detail)));
        let _ = write!(text, "\n     {direction} ah sas:\n\n     {direction} pcp sas:\n");
    }
    text
}

fn ident(proxy: &Proxy) -> String {
    format!("{}/{}/{}", network(proxy.address, proxy.mask), proxy.protocol, proxy.port)
}

/// Nothing is ever compressed; IOS prints the lines all the same, and scripts expect them.
fn counters(text: &mut String, flow: &IpsecFlow, detail: bool) {
    let (out, back) = (flow.encaps, flow.decaps);
    let _ = writeln!(text, "    #pkts encaps: {out}, #pkts encrypt: {out}, #pkts digest: {out}");
    let _ = writeln!(text, "    #pkts decaps: {back}, #pkts decrypt: {back}, #pkts verify: {back}");
    if detail {
        let _ =
            writeln!(text, "    #bytes encaps: {}, #bytes decaps: {}", flow.encaps_bytes, flow.decaps_bytes);
    }
    text.push_str(
        "    #pkts compressed: 0, #pkts decompressed: 0\n    \
         #pkts not compressed: 0, #pkts compr. failed: 0\n    \
         #pkts not decompressed: 0, #pkts decompress failed: 0\n",
    );
    let _ = writeln!(text, "    #send errors {}, #recv errors {}", flow.send_errors, flow.recv_errors);
}

fn sa(sa: &IpsecSa, map: &str, detail: bool) -> String {
    let connection = sa.connection;
    let kilobytes = sa.kilobytes_left.map_or_else(|| "-".to_owned(), |left| left.to_string());
    let mut text = format!(
        "      spi: 0x{:X}({})\n        transform: {} ,\n        in use settings ={{{}, }}\n        \
         slot: 0, conn id: {connection}, flow_id: {connection}, crypto map: {map}\n        \
         crypto engine type: Software\n        \
         sa timing: remaining key lifetime (k/sec): ({kilobytes}/{})\n        \
         IV size: {} bytes\n        replay detection support: {}\n",
        sa.spi,
        sa.spi,
        sa.transform,
        sa.mode,
        sa.seconds_left,
        sa.iv,
        if sa.replay_window > 0 { "Y" } else { "N" },
    );
    if detail {
        let esn = if sa.esn { "Y" } else { "N" };
        let _ =
            writeln!(text, "        replay window: {}, extended sequence number: {esn}", sa.replay_window);
        let _ =
            writeln!(text, "        packets: {}, bytes: {}, sequence: {}", sa.packets, sa.bytes, sa.sequence);
    }
    text
}
