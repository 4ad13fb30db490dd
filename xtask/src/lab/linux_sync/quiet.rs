//! What must not be told: no customer's packet leaves without ESP or label whatever happened, and no key stands in the log.

use anyhow::{Context as _, Result, ensure};

use super::super::Lab;
use super::super::capture::{Capture, decode};
use super::super::node::Node;
use super::super::report::Report;

/// The cables of the PE, what of a customer would be in clear there, and what shows that there was traffic.
const CABLES: [(&str, &str, &str); 3] = [
    ("cpe", "ip.src == 10.1.0.0/16", "esp && ip.src == 172.18.1.1"),
    ("tig", "ip.src == 10.1.0.0/16", "esp && ip.src == 172.18.2.1"),
    ("far", "ip.src == 10.2.0.0/15 && !mpls", "mpls && ip.src == 10.2.0.0/15"),
];

/// Records everything that the PE sends towards gateways and core.
pub(super) fn watch(lab: &Lab) -> Result<Vec<Capture<'_>>> {
    let start = |(node, _, _)| Capture::start(lab.node(node)?, "eth1", &lab.out, "everything");
    CABLES.into_iter().map(start).collect()
}

pub(super) fn judge(cables: Vec<Capture<'_>>, report: &mut Report) {
    for ((node, clear, closed), capture) in CABLES.into_iter().zip(cables) {
        report.check(&format!("towards {node} nothing left in clear, whatever happened"), || {
            let file = capture.stop()?;
            let bare = decode(&file, &[], clear, &["frame.number", "ip.src", "ip.dst"])?;
            ensure!(bare.is_empty(), "{} packets in clear, such as {:?}", bare.len(), bare[0]);
            let good = decode(&file, &[], closed, &["frame.number"])?.len();
            ensure!(good > 0, "only {good} packets that are not");
            Ok(format!("{good} packets"))
        });
    }
}

/// The log, which is to say everything, shows no key.
pub(super) fn silent(pe: &Node) -> Result<String> {
    let log = pe.log()?;
    ensure!(["TRACE", "DEBUG"].iter().all(|level| log.contains(level)), "the log does not say everything");
    let keys = keys(pe)?;
    ensure!(!keys.iter().any(|key| shows(&log, key)), "a key stands in it");
    Ok(format!("{} keys, {} lines", keys.len(), log.lines().count()))
}

/// The keys of the kernel's SAs that are ours, and the one of the configuration that is no common word.
fn keys(pe: &Node) -> Result<Vec<Vec<u8>>> {
    let states = pe.demand("ip xfrm state show")?;
    let words = states.split_whitespace().filter_map(|word| word.strip_prefix("0x"));
    let long = words.filter(|word| word.len() >= 32 && *word != FOREIGN);
    let mut keys: Vec<Vec<u8>> = long.map(bytes).collect::<Result<_>>()?;
    ensure!(keys.len() >= 4, "only {} keys in the kernel", keys.len());
    keys.push(b"the-key-of-green".to_vec());
    Ok(keys)
}

/// Of the stranger's SA.
const FOREIGN: &str = "000102030405060708090a0b0c0d0e0f10111213";

fn bytes(word: &str) -> Result<Vec<u8>> {
    let pair = |at| u8::from_str_radix(word.get(at..at + 2).unwrap_or_default(), 16).context("not a key");
    (0..word.len()).step_by(2).map(pair).collect()
}

/// In hexadecimal, as numbers in a list, or as text: its first eight bytes would be enough.
fn shows(log: &str, key: &[u8]) -> bool {
    let start = key.get(..8).unwrap_or(key);
    let listed = |form: fn(&u8) -> String, between| start.iter().map(form).collect::<Vec<_>>().join(between);
    let forms = [
        listed(|byte| format!("{byte:02x}"), ""),
        listed(|byte| format!("{byte:02x}"), " "),
        listed(u8::to_string, ", "),
        String::from_utf8_lossy(start).into_owned(),
    ];
    forms.iter().any(|form| log.contains(form.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_form() {
        let key = bytes("0c51ee2ffb8ae744f24a8a5c").unwrap();
        for log in ["key=0c51ee2ffb8ae744f24a", "[12, 81, 238, 47, 251, 138, 231, 68, 242]"] {
            assert!(shows(log, &key), "{log}");
        }
        assert!(shows("the-key-of-green", b"the-key-of-green"));
        assert!(!shows("0c51ee2ffb8ae7", &key));
    }
}
