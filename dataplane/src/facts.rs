//! What a backend is, what it can do and what it lacks, for `show dataplane`.

/// Nothing here changes what is forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `user` or `linux`.
    pub backend: &'static str,
    pub features: Vec<Feature>,
    /// What was asked for and is done otherwise, in words: an offload that a network card refused.
    pub problems: Vec<String>,
    /// At its start it found what an earlier run left, and forwarded by it meanwhile.
    pub resumed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// For instance `MPLS`.
    pub name: String,
    /// What there is of it, or what to load or install where it is missing.
    pub state: String,
    pub found: bool,
}
