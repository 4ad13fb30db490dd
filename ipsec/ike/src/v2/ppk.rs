//! Post-quantum pre-shared keys: RFC 8784. Whoever breaks the key exchange still lacks the key.

use super::keyring;
use super::sa_init;
use super::session::Session;
use super::wire::notify::Notify;
use crate::Path;
use crate::config::v2::Ppk;
use crate::index::Index;

/// PPK_ID_FIXED.
const FIXED: u8 = 2;

/// Ours for the peer that we open to.
pub(crate) fn for_initiator<'a>(index: &'a Index, session: &Session) -> Option<&'a Ppk> {
    let profile = session.profile(index.config())?;
    keyring::peer_at(index, profile, &session.path)?.ppk.as_ref()
}

/// Whether any peer that may come this way has one.
pub(crate) fn is_known(index: &Index, path: &Path) -> bool {
    sa_init::profiles(index.config(), path).any(|profile| index.rings().have_ppk(profile))
}

/// The data of PPK_IDENTITY.
pub(crate) fn identity(ppk: &Ppk) -> Vec<u8> {
    [&[FIXED], ppk.id.as_slice()].concat()
}

/// Whether PPK_IDENTITY names this one.
pub(crate) fn is_named(ppk: &Ppk, said: &Notify) -> bool {
    said.data.split_first().is_some_and(|(kind, id)| *kind == FIXED && id == ppk.id)
}
