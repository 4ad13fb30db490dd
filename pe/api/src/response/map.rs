//! Facts of crypto maps, dynamic maps and identities as they are configured.

use serde::{Deserialize, Serialize};

/// One entry of a crypto map or of a dynamic map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapEntry {
    pub map: String,
    pub sequence: u32,
    /// It is an entry of a dynamic map itself.
    pub template: bool,
    /// The dynamic map that stands here; then nothing else is said.
    pub dynamic: Option<String>,
    pub description: Option<String>,
    /// In order; the first is preferred if `prefers_first`.
    pub peers: Vec<String>,
    pub prefers_first: bool,
    /// 1 or 2.
    pub version: u8,
    pub profile: Option<String>,
    pub identity: Option<String>,
    pub access_list: Option<String>,
    /// The list's lines.
    pub lines: Vec<String>,
    pub transform_sets: Vec<TransformSet>,
    pub kilobytes: Option<u32>,
    pub seconds: u64,
    pub pfs: Option<u16>,
    pub idle: Option<u64>,
    pub replay_window: u16,
    pub esn: bool,
    /// Where the map stands.
    pub interfaces: Vec<String>,
    /// What it needs before it can protect anything.
    pub missing: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformSet {
    pub name: String,
    pub transforms: String,
    pub transport: bool,
}

/// `crypto identity`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub name: String,
    /// As written: `dn …` and `fqdn …`.
    pub lines: Vec<String>,
}
