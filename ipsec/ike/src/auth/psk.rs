//! Pre-shared keys: RFC 2409 section 5.4.

use base::Secret;
use crypto::prf::Hash;

use crate::wire::header::Cookie;

/// SKEYID. Whoever derives it knew the key.
pub(crate) fn skeyid(hash: Hash, key: &Secret, nonce_i: &[u8], nonce_r: &[u8]) -> Secret {
    hash.hmac(key.expose(), &[nonce_i, nonce_r])
}

/// One side's view of the exchange that it proves to have taken part in.
pub(crate) struct Claim<'a> {
    pub(crate) own_public: &'a [u8],
    pub(crate) peer_public: &'a [u8],
    pub(crate) own_cookie: Cookie,
    pub(crate) peer_cookie: Cookie,
    /// Body of the initiator's SA payload.
    pub(crate) sa_i: &'a [u8],
    /// Body of the claimant's ID payload.
    pub(crate) id: &'a [u8],
}

/// HASH_I or HASH_R.
pub(crate) fn proof(hash: Hash, skeyid: &Secret, claim: &Claim<'_>) -> Secret {
    let parts: [&[u8]; 6] =
        [claim.own_public, claim.peer_public, &claim.own_cookie, &claim.peer_cookie, claim.sa_i, claim.id];
    hash.hmac(skeyid.expose(), &parts)
}
