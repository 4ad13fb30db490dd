//! Where two domains meet: one file per meeting, and no other place knows two at once.

pub(crate) mod bgp_to_host;
pub(crate) mod bgp_to_vrf;
pub(crate) mod config_to_bfd;
pub(crate) mod config_to_bgp;
pub(crate) mod config_to_ike;
pub(crate) mod config_to_ipsec;
pub(crate) mod config_to_ldp;
pub(crate) mod config_to_mpls;
pub(crate) mod config_to_names;
pub(crate) mod config_to_vrf;
pub(crate) mod dataplane_to_ike;
pub(crate) mod ike_to_ipsec;
pub(crate) mod ike_to_notice;
pub(crate) mod ipsec_to_vrf;
pub(crate) mod labels;
pub(crate) mod ldp_to_mpls;
pub(crate) mod link_to_all;
pub(crate) mod vrf_to_bgp;
pub(crate) mod vrf_to_host;
pub(crate) mod vrf_to_ldp;
