//! One file a stage; `graph` leads from one to the next.

pub(crate) mod ecn;
pub(crate) mod esp_decap;
pub(crate) mod esp_encap;
pub(crate) mod ethernet_in;
pub(crate) mod ethernet_out;
pub(crate) mod fragment;
pub(crate) mod icmp;
pub(crate) mod ip_input;
pub(crate) mod ip_lookup;
pub(crate) mod local;
pub(crate) mod mpls_input;
pub(crate) mod mpls_push;
pub(crate) mod neighbour;
pub(crate) mod policy;
pub(crate) mod reassemble;
pub(crate) mod transport;
pub(crate) mod tunnel_decap;
pub(crate) mod tunnel_encap;
pub(crate) mod vlan;
