//! What strongSwan says of its tunnels.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::node::Node;

/// One pair of SAs as strongSwan lists it. SPIs and counters from its side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    /// Later ones are greater.
    pub(crate) number: u64,
    pub(crate) spi_in: u32,
    pub(crate) spi_out: u32,
    pub(crate) encryption: String,
    pub(crate) integrity: String,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) packets_in: u64,
    pub(crate) packets_out: u64,
    /// In UDP port 4500.
    pub(crate) udp: bool,
}

/// `swanctl --list-sas`: the children that are installed, oldest first.
pub(crate) fn children(node: &Node) -> Result<Vec<Child>> {
    let mut found = Vec::new();
    for tree in events(node)? {
        collect(&tree, &mut found)?;
    }
    found.sort_by_key(|child: &Child| child.number);
    Ok(found)
}

/// What names the newest IKE SA: both sides' cookies.
pub(crate) fn cookies(node: &Node) -> Result<String> {
    let mut newest = (0, String::new());
    for tree in events(node)? {
        let Tree::Section(connections) = tree else { continue };
        for connection in
            connections.values().filter(|one| value(one, "state").is_ok_and(|state| state == "ESTABLISHED"))
        {
            let number: u32 = value(connection, "uniqueid")?.parse()?;
            let cookies =
                [value(connection, "initiator-spi")?, value(connection, "responder-spi")?].join(" ");
            newest = newest.max((number, cookies));
        }
    }
    Ok(newest.1)
}

fn events(node: &Node) -> Result<Vec<Tree>> {
    let text = node.demand("swanctl --list-sas --raw")?;
    text.lines().filter_map(|line| line.strip_prefix("list-sa event")).map(parse).collect()
}

/// A message of strongSwan's control interface as `--raw` prints it: sections and values by name.
#[derive(Debug, PartialEq, Eq)]
enum Tree {
    Value(String),
    Section(BTreeMap<String, Self>),
}

fn collect(tree: &Tree, found: &mut Vec<Child>) -> Result<()> {
    let Tree::Section(entries) = tree else { return Ok(()) };
    if entries.contains_key("spi-in") && value(tree, "state")? == "INSTALLED" {
        found.push(child(tree)?);
    }
    entries.values().try_for_each(|entry| collect(entry, found))
}

fn child(tree: &Tree) -> Result<Child> {
    let number = |name| value(tree, name).and_then(|text| Ok(text.parse::<u64>()?));
    let spi = |name| value(tree, name).and_then(|text| Ok(u32::from_str_radix(text, 16)?));
    let keysize = value(tree, "encr-keysize").map(|bits| format!("-{bits}")).unwrap_or_default();
    Ok(Child {
        number: number("uniqueid")?,
        spi_in: spi("spi-in")?,
        spi_out: spi("spi-out")?,
        encryption: value(tree, "encr-alg")?.to_owned() + &keysize,
        integrity: value(tree, "integ-alg").unwrap_or_default().to_owned(),
        bytes_in: number("bytes-in")?,
        bytes_out: number("bytes-out")?,
        packets_in: number("packets-in")?,
        packets_out: number("packets-out")?,
        udp: value(tree, "encap").is_ok_and(|encap| encap == "yes"),
    })
}

fn value<'a>(tree: &'a Tree, name: &str) -> Result<&'a str> {
    match tree {
        Tree::Section(entries) => match entries.get(name) {
            Some(Tree::Value(text)) => Ok(text),
            Some(Tree::Section(_)) | None => bail!("strongSwan does not say {name}"),
        },
        Tree::Value(_) => bail!("not a section"),
    }
}

fn parse(text: &str) -> Result<Tree> {
    let mut words = split(text).into_iter();
    match words.next().as_deref() {
        Some("{") => section(&mut words),
        other => bail!("expected a section, got {other:?}"),
    }
}

/// Braces and brackets are words of their own; `name=value` is one word.
fn split(text: &str) -> Vec<String> {
    let spaced = ["{", "}", "[", "]"]
        .iter()
        .fold(text.to_owned(), |text, mark| text.replace(mark, &format!(" {mark} ")));
    spaced.split_whitespace().map(str::to_owned).collect()
}

fn section(words: &mut impl Iterator<Item = String>) -> Result<Tree> {
    let mut entries = BTreeMap::new();
    let mut name = String::new();
    loop {
        let word = words.next().context("strongSwan's list breaks off")?;
        match word.as_str() {
            "}" | "]" => return Ok(Tree::Section(entries)),
            "{" | "[" => {
                entries.insert(name.trim_end_matches('=').to_owned(), section(words)?);
            }
            _ => match word.split_once('=').filter(|(_, value)| !value.is_empty()) {
                Some((name, value)) => drop(entries.insert(name.to_owned(), Tree::Value(value.to_owned()))),
                None => name = word,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_strongswan_is_read() {
        let tree = parse(
            " {pe {uniqueid=1 version=1 state=ESTABLISHED local-id=10.1.1.1 nat-any=yes encr-alg=AES_CBC \
             initiator-spi=879f06389c1d9845 tasks-active=[QUICK_MODE] rekey-time=12942 child-sas {site-1 {name=site \
             uniqueid=1 state=INSTALLED encap=yes spi-in=c0ffee01 spi-out=0000000a encr-alg=AES_CBC encr-keysize=128 \
             integ-alg=HMAC_SHA1_96 bytes-in=0 packets-in=0 bytes-out=2184 packets-out=26 use-out=1 \
             local-ts=[10.2.0.0/16] remote-ts=[10.1.0.0/16]}}}}",
        );
        let mut found = Vec::new();
        collect(&tree.unwrap(), &mut found).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].spi_in, found[0].spi_out, found[0].udp), (0xc0ff_ee01, 10, true));
        assert_eq!(found[0].encryption, "AES_CBC-128");
    }
}
