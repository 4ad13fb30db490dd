//! Redirecting peers to another gateway: RFC 5685, in IKE_SA_INIT.

use super::wire::notify;
use super::wire::payload::Chain;
use crate::config::Config;
use crate::config::v2::Gateway;
use crate::wire::id::octets;

const IPV4: u8 = 1;
const IPV6: u8 = 2;
const FQDN: u8 = 3;

/// The data of REDIRECT, if this peer is to be served elsewhere and knows what that means.
pub(crate) fn instead(config: &Config, chain: &Chain<'_>, sessions: usize, nonce: &[u8]) -> Option<Vec<u8>> {
    let redirect = config.v2.redirect.as_ref()?;
    let is_full = redirect.above.is_none_or(|above| sessions >= above as usize);
    let knows = chain.notified(notify::REDIRECT_SUPPORTED) || chain.notified(notify::REDIRECTED_FROM);
    // Who was sent here by another gateway would be sent in circles.
    if !is_full || !knows || chain.notified(notify::REDIRECTED_FROM) {
        return None;
    }
    let (kind, name) = match &redirect.gateway {
        Gateway::Address(address) if address.is_ipv4() => (IPV4, octets(*address)),
        Gateway::Address(address) => (IPV6, octets(*address)),
        Gateway::Fqdn(name) => (FQDN, name.clone().into_bytes()),
    };
    let length = u8::try_from(name.len()).ok()?;
    Some([&[kind, length], name.as_slice(), nonce].concat())
}
