//! What the command line and programs may ask of the box, and what it answers. Responses are facts;
//! wording belongs to the renderer.
#![forbid(unsafe_code)]

mod request;
pub use request::{
    BgpFamily, BgpNeighbors, BgpScope, BgpTables, BgpWhat, ClearBgp, ClearSa, DebugTopic, Hidden,
    Ikev2Filter, Request, SaFilter, Trace,
};

mod response;
pub use response::*;
