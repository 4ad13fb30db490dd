//! The rows of the matrix.

use super::scenario::{Auth, By, Exchange, Fault, Peer, Phase, Proof, Role, Scenario};
use Exchange::{Aggressive, Main, V2};

/// All of them, in the order of the closing table.
pub(super) fn scenarios() -> Vec<Scenario> {
    let groups = [
        establishment(),
        paths(),
        isakmp_algorithms(),
        ikev2_algorithms(),
        esp_algorithms(),
        lifetimes(),
        extensions(),
        refusals(),
    ];
    groups.into_iter().flatten().collect()
}

fn establishment() -> Vec<Scenario> {
    vec![
        row("v1 main, pre-shared key", Main, Auth::Psk).quick(&[
            (Peer::Swan, Role::They),
            (Peer::Kern, Role::We),
            (Peer::Libre, Role::They),
        ]),
        row("v1 main, RSA signatures", Main, Auth::Rsa).quick(&[(Peer::Swan, Role::They)]),
        row("v1 aggressive, pre-shared key", Aggressive, Auth::Psk).quick(&[(Peer::Swan, Role::They)]),
        row("v1 aggressive, RSA signatures", Aggressive, Auth::Rsa),
        row("v2, pre-shared key", V2, Auth::Psk).quick(&[
            (Peer::Swan, Role::They),
            (Peer::Kern, Role::We),
            (Peer::Libre, Role::They),
        ]),
        row("v2, RSA signatures", V2, Auth::Rsa).quick(&[(Peer::Kern, Role::They)]),
        row("v2, RSA-PSS", V2, Auth::RsaPss),
        row("v2, ECDSA P-256", V2, Auth::Ecdsa256).quick(&[(Peer::Kern, Role::We)]),
        row("v2, ECDSA P-384", V2, Auth::Ecdsa384),
        row("v2, Ed25519", V2, Auth::Ed25519),
    ]
}

fn paths() -> Vec<Scenario> {
    vec![
        row("v1 main, NAT before the opener", Main, Auth::Psk).nat(),
        row("v1 aggressive, NAT before the opener", Aggressive, Auth::Psk).nat(),
        row("v2, NAT before the opener", V2, Auth::Psk).nat().quick(&[(Peer::Libre, Role::They)]),
        row("v1 main, IPv6", Main, Auth::Psk).ipv6(),
        row("v2, IPv6", V2, Auth::Psk).ipv6().quick(&[(Peer::Kern, Role::They)]),
        row("v2, IPv6, RSA signatures", V2, Auth::Rsa).ipv6(),
    ]
}

fn isakmp_algorithms() -> Vec<Scenario> {
    const SUITES: [&str; 14] = [
        "aes128-sha1-2",
        "aes192-sha1-5",
        "aes256-sha384-15",
        "aes256-sha512-16",
        "3des-sha1-2",
        "3des-md5-5",
        "des-md5-1",
        "des-sha1-1",
        "aes128-sha256-17",
        "aes128-sha256-18",
        "aes128-sha256-19",
        "aes256-sha384-20",
        "aes256-sha512-21",
        "aes128-md5-14",
    ];
    let scenario = |suite| row(format!("v1 phase 1 {suite}"), Main, Auth::Psk).suites(suite, "aes128-sha1");
    SUITES.map(scenario).into()
}

fn ikev2_algorithms() -> Vec<Scenario> {
    const SUITES: [&str; 19] = [
        "aes128-sha1-2",
        "aes192-sha256-14",
        "aes256-sha384-20",
        "aes256-sha512-21",
        "gcm128-sha256-31",
        "gcm192-sha384-20",
        "gcm256-sha512-31",
        "ccm128-sha256-19",
        "ccm256-sha256-14",
        "ctr128-sha256-14",
        "chacha-sha256-31",
        "3des-sha1-5",
        "des-md5-1",
        "aes128-xcbc-14",
        "aes128-cmac-14",
        "aes256-sha256-15",
        "aes256-sha256-16",
        "aes256-sha256-17",
        "aes256-sha256-18",
    ];
    let scenario = |suite| row(format!("v2 IKE SA {suite}"), V2, Auth::Psk).suites(suite, "aes128-sha256");
    SUITES.map(scenario).into()
}

fn esp_algorithms() -> Vec<Scenario> {
    const V1: [&str; 9] = [
        "aes128-sha1",
        "aes192-sha1",
        "aes256-sha256",
        "aes256-sha512",
        "3des-sha1",
        "3des-md5",
        "des-md5",
        "null-sha1",
        "gcm256",
    ];
    const V2S: [&str; 13] = [
        "gcm128",
        "gcm192",
        "gcm256",
        "ccm128",
        "ccm256",
        "ctr128-sha256",
        "ctr256-sha1",
        "chacha",
        "aes256-sha384",
        "3des-sha1",
        "null-sha256",
        "aes128-xcbc",
        "aes128-cmac",
    ];
    let v1 = |suite| row(format!("v1 ESP {suite}"), Main, Auth::Psk).suites("aes128-sha1-14", suite);
    let v2 = |suite| row(format!("v2 ESP {suite}"), V2, Auth::Psk).suites("aes256-sha256-19", suite);
    V1.map(v1).into_iter().chain(V2S.map(v2)).collect()
}

fn lifetimes() -> Vec<Scenario> {
    let rekey = |phase, by| Proof::Rekey(phase, by);
    vec![
        row("v1, PFS", Main, Auth::Psk).pfs("14"),
        row("v2, PFS after a rekey", V2, Auth::Psk).pfs("19").proof(rekey(Phase::Two, By::Them)),
        row("v1, we rekey phase 1", Main, Auth::Psk).proof(rekey(Phase::One, By::Us)),
        row("v2, we rekey the IKE SA", V2, Auth::Psk).proof(rekey(Phase::One, By::Us)),
        row("v2, we reauthenticate", V2, Auth::Psk).reauthentication().proof(rekey(Phase::One, By::Us)),
        row("v1, they rekey phase 1", Main, Auth::Psk).proof(rekey(Phase::One, By::Them)),
        row("v1, they rekey phase 2", Main, Auth::Psk).proof(rekey(Phase::Two, By::Them)),
        row("v1, we rekey phase 2", Main, Auth::Psk).proof(rekey(Phase::Two, By::Us)),
        row("v2, they rekey the IKE SA", V2, Auth::Psk)
            .proof(rekey(Phase::One, By::Them))
            .quick(&[(Peer::Swan, Role::We)]),
        row("v2, they rekey the child", V2, Auth::Psk)
            .proof(rekey(Phase::Two, By::Them))
            .quick(&[(Peer::Kern, Role::They)]),
        row("v2, we rekey the child", V2, Auth::Psk).proof(rekey(Phase::Two, By::Us)),
        row("v1, the peer dies", Main, Auth::Psk).proof(Proof::Death(By::Them)),
        row("v1, we die", Main, Auth::Psk).proof(Proof::Death(By::Us)),
        row("v2, the peer dies", V2, Auth::Psk).proof(Proof::Death(By::Them)),
        row("v2, we die", V2, Auth::Psk).proof(Proof::Death(By::Us)),
    ]
}

fn extensions() -> Vec<Scenario> {
    vec![
        row("v1, fragments with a chain of certificates", Main, Auth::RsaChain).proof(Proof::Fragments),
        row("v2, fragments with a chain of certificates", V2, Auth::RsaChain).proof(Proof::Fragments),
        row("v2, MOBIKE", V2, Auth::Psk).proof(Proof::Moves),
        row("v2, MOBIKE through NAT", V2, Auth::Psk).nat().proof(Proof::Moves),
        row("v2, PPK", V2, Auth::Psk).ppk(),
        row("v2, childless", V2, Auth::Psk).childless(),
        row("v1, three children", Main, Auth::Psk).proof(Proof::Children(3)),
        row("v2, three children", V2, Auth::Psk).proof(Proof::Children(3)),
        row("v1, transport mode", Main, Auth::Psk).transport(),
        row("v2, transport mode", V2, Auth::Psk).transport(),
        row("v2, ESN", V2, Auth::Psk).suites("gcm128-sha256-31", "gcm128").esn(),
        row("v2, ESN, separate integrity", V2, Auth::Psk).suites("aes128-sha256-14", "aes128-sha256").esn(),
    ]
}

fn refusals() -> Vec<Scenario> {
    use Fault::{
        EspAlgorithms, Expired, Identity, IkeAlgorithms, Key, RevokedByCrl, RevokedByOcsp, Selectors,
        UnknownCa,
    };
    let refused =
        |name, exchange, auth, fault, words| row(name, exchange, auth).proof(Proof::Refused(fault, words));
    vec![
        refused("v1, wrong key", Main, Auth::Psk, Key, ["pre-shared-key-mismatch", "sent main mode 5 again"]),
        refused(
            "v1 aggressive, wrong key",
            Aggressive,
            Auth::Psk,
            Key,
            ["sent aggressive mode 2 again", "pre-shared-key-mismatch"],
        ),
        refused("v2, wrong key", V2, Auth::Psk, Key, ["pre-shared-key-mismatch", "authentication-failed"])
            .quick(&[(Peer::Swan, Role::They)]),
        refused("v1, wrong identity", Main, Auth::Psk, Identity, ["no-profile-matches"; 2]),
        refused(
            "v2, wrong identity",
            V2,
            Auth::Psk,
            Identity,
            ["no-profile-matches", "identity-not-matched"],
        ),
        refused("v1, no phase 1 proposal", Main, Auth::Psk, IkeAlgorithms, ["no-proposal-chosen"; 2]),
        refused("v2, no IKE proposal", V2, Auth::Psk, IkeAlgorithms, ["no-proposal-chosen"; 2]),
        refused("v1, no phase 2 proposal", Main, Auth::Psk, EspAlgorithms, ["no-proposal-chosen"; 2]),
        refused(
            "v2, no child proposal",
            V2,
            Auth::Psk,
            EspAlgorithms,
            ["theirs AES-CBC-192, ours AES-CBC-128", "refuses the child: NO_PROPOSAL_CHOSEN"],
        ),
        refused(
            "v1, other selectors",
            Main,
            Auth::Psk,
            Selectors,
            ["proxy-identities-not-admitted", "invalid-id-information"],
        ),
        refused(
            "v2, other selectors",
            V2,
            Auth::Psk,
            Selectors,
            ["no access list of the peer's", "refuses the child: TS_UNACCEPTABLE"],
        ),
        refused("v2, certificate on the CRL", V2, Auth::Rsa, RevokedByCrl, ["certificate-revoked"; 2])
            .quick(&[(Peer::Swan, Role::They)]),
        refused("v2, OCSP says revoked", V2, Auth::Rsa, RevokedByOcsp, ["certificate-revoked"; 2]),
        refused("v1, certificate on the CRL", Main, Auth::Rsa, RevokedByCrl, ["certificate-revoked"; 2]),
        refused("v2, expired certificate", V2, Auth::Rsa, Expired, ["certificate-expired"; 2]),
        refused("v2, certificate of an unknown CA", V2, Auth::Rsa, UnknownCa, ["unknown-ca"; 2]),
    ]
}

fn row(name: impl Into<String>, exchange: Exchange, auth: Auth) -> Scenario {
    Scenario::new(name, exchange, auth)
}
