//! Post-quantum pre-shared keys: RFC 8784. Whoever breaks the key exchange still lacks the key.

use super::profile;
use super::sa_init;
use super::session::Session;
use super::wire::notify::Notify;
use crate::Path;
use crate::config::Config;
use crate::config::v2::Ppk;

/// PPK_ID_FIXED.
const FIXED: u8 = 2;

/// Ours for the peer that we open to.
pub(crate) fn for_initiator<'a>(config: &'a Config, session: &Session) -> Option<&'a Ppk> {
    let profile = session.profile(config)?;
    profile::peer_of_address(config, profile, session.path.remote.ip())?.ppk.as_ref()
}

/// Whether any peer that may come this way has one.
pub(crate) fn is_known(config: &Config, path: &Path) -> bool {
    let mut rings = sa_init::profiles(config, path).filter_map(|profile| profile::keyring(config, profile));
    rings.any(|ring| ring.peers.iter().any(|peer| peer.ppk.is_some()))
}

/// The data of PPK_IDENTITY.
pub(crate) fn identity(ppk: &Ppk) -> Vec<u8> {
    [&[FIXED], ppk.id.as_slice()].concat()
}

/// Whether PPK_IDENTITY names this one.
pub(crate) fn is_named(ppk: &Ppk, said: &Notify) -> bool {
    said.data.split_first().is_some_and(|(kind, id)| *kind == FIXED && id == ppk.id)
}
