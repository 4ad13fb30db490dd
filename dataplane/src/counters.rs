//! What a backend counts, read all at once.

use std::collections::BTreeMap;

use base::{Label, PortId, SaId};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub sas: BTreeMap<SaId, SaCounters>,
    pub ports: BTreeMap<PortId, PortCounters>,
    /// Packets that arrived with each of our labels.
    pub labels: BTreeMap<Label, LabelCounters>,
    /// Every reason a packet can die of, in a fixed order, also those never met.
    pub drops: Vec<DropCount>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaCounters {
    pub packets: u64,
    /// Bytes of inner packets.
    pub bytes: u64,
    /// Packets refused: authentication, replay, selector.
    pub errors: u64,
    /// The highest sequence number sent or accepted.
    pub sequence: u64,
    /// Microseconds since the dataplane started at the last packet; zero if none passed.
    pub last_used: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    pub packets_in: u64,
    pub bytes_in: u64,
    pub packets_out: u64,
    pub bytes_out: u64,
    pub drops_out: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LabelCounters {
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropCount {
    /// As shown by `show drops`, for instance `no-sa`.
    pub name: &'static str,
    /// One sentence: what it means and what to look at.
    pub meaning: &'static str,
    pub packets: u64,
}
