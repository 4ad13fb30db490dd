//! tshark opens the ESP of some cells with the keys that the peer logged: what is inside are the packets that were sent.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::gateway::Pair;
use super::lane::Lane;
use super::scenario::{Cell, Peer, Role};
use crate::lab::capture::decode;
use crate::lab::wire::last_dump;

/// One cell's pair of SAs with its keys as tshark's table takes them.
pub(super) struct Keys {
    pair: Pair,
    options: [String; 2],
}

/// Of these rows with strongSwan in user-mode Linux.
const ROWS: [&str; 4] =
    ["v1 main, pre-shared key", "v2, pre-shared key", "v2 ESP gcm128", "v2 ESP 3des-sha1"];

/// The cell's keys, while its tunnel is up.
pub(super) fn keys(lane: &Lane<'_>, cell: &Cell) -> Result<Option<Keys>> {
    if cell.peer != Peer::Kern || !ROWS.contains(&cell.scenario.name.as_str()) {
        return Ok(None);
    }
    let (log, pairs) = (lane.gateway.node.log()?, lane.gateway.pairs()?);
    let pair = *pairs.last().context("no SA")?;
    let (place, they_open) = (cell.place(), cell.role == Role::They);
    let ways = [
        ([place.peer, place.pe], pair.spi_out, if they_open { "initiator" } else { "responder" }),
        ([place.pe, place.peer], pair.spi_in, if they_open { "responder" } else { "initiator" }),
    ];
    let option = |([from, to], spi, side): ([&str; 2], u32, &str)| -> Result<String> {
        let key = |kind: &str| last_dump(&log, &format!("{kind} {side} key"));
        let encryption = key("encryption").context("strongSwan did not log its keys")?;
        let (cipher, integrity, authentication) = match cell.scenario.esp {
            "gcm128" => ("AES-GCM with 16 octet ICV [RFC4106]", "NULL", String::new()),
            "3des-sha1" => {
                ("TripleDES-CBC [RFC2451]", "HMAC-SHA-1-96 [RFC2404]", key("integrity").unwrap_or_default())
            }
            _ => ("AES-CBC [RFC3602]", "HMAC-SHA-256-128 [RFC4868]", key("integrity").unwrap_or_default()),
        };
        let authentication =
            if authentication.is_empty() { authentication } else { format!("0x{authentication}") };
        Ok(format!(
            r#"uat:esp_sa:"IPv4","{from}","{to}","{spi:#010x}","{cipher}","0x{encryption}","{integrity}","{authentication}""#
        ))
    };
    let [out, back] = ways.map(option);
    Ok(Some(Keys { pair, options: [out?, back?] }))
}

/// How many of the cell's pings are found in the ESP of a recording, each way.
pub(super) fn open(file: &Path, cell: &Cell, keys: &Keys) -> Result<String> {
    let options = [&keys.options[..], &["esp.enable_encryption_decode:TRUE".to_owned()]].concat();
    let mut found = [0, 0];
    for (way, spi) in [keys.pair.spi_out, keys.pair.spi_in].into_iter().enumerate() {
        let place = cell.place();
        let ends = if way == 0 { [place.near[0], place.far] } else { [place.far, place.near[0]] };
        for packet in decode(
            file,
            &options,
            &format!("esp.spi == {spi:#x} && icmp"),
            &["ip.src", "ip.dst", "data.data"],
        )? {
            let inside = packet[0].ends_with(ends[0]) && packet[1].ends_with(ends[1]);
            ensure!(inside, "inside: {packet:?}");
            // The ping that opened the tunnel carries another pattern.
            found[way] += u32::from(packet[2].ends_with("aaaaaaaa"));
        }
    }
    ensure!(found.iter().all(|count| *count >= 10), "{found:?} pings");
    Ok(format!("{} pings out, {} back", found[0], found[1]))
}
