//! `show crypto isakmp sa | profile | key | policy`.

use std::fmt::Write as _;
use std::net::IpAddr;

use api::{IsakmpKey, IsakmpPeer, IsakmpPolicy, IsakmpProfile, IsakmpSa};

use super::{clock, name, none_or};

pub(super) fn sas(sas: &[IsakmpSa]) -> String {
    let mut text = String::from(
        "IPv4 Crypto ISAKMP SA\n\
         f_vrf/i_vrf          dst             src             state          conn-id slot status\n",
    );
    for sa in sas.iter().filter(|sa| sa.remote.is_ipv4()) {
        let (dst, src) = ends(sa);
        let vrfs = format!("{}/{}", name(sa.front.as_ref()), name(sa.inside.as_ref()));
        let (dst, src) = (dst.to_string(), src.to_string());
        let (state, connection) = (&sa.state, sa.connection);
        let _ = writeln!(text, "{vrfs:<20} {dst:<15} {src:<15} {state:<14} {connection:>7}    0 ACTIVE");
    }
    text.push_str("\nIPv6 Crypto ISAKMP SA\n");
    for sa in sas.iter().filter(|sa| sa.remote.is_ipv6()) {
        let (dst, src) = ends(sa);
        let _ = write!(
            text,
            "\n f_vrf/i_vrf: {}/{}\n dst: {dst}\n src: {src}\n state: {:<14} conn-id: {:>7} slot: 0 status: ACTIVE\n",
            name(sa.front.as_ref()),
            name(sa.inside.as_ref()),
            sa.state,
            sa.connection,
        );
    }
    text
}

pub(super) fn sas_detail(sas: &[IsakmpSa]) -> String {
    let mut text = String::from(
        "Codes: N - NAT-traversal, psk - Preshared key, rsig - RSA signature, esig - ECDSA signature\n\n\
         C-id  Local                 Remote                I-VRF            Encr    Hash   Auth DH Lifetime Cap.\n",
    );
    for sa in sas {
        let line = format!(
            "{:<5} {:<21} {:<21} {:<16} {:<7} {:<6} {:<4} {:<2} {:<8} {}",
            sa.connection,
            format!("{}/{}", sa.local, sa.local_port),
            format!("{}/{}", sa.remote, sa.remote_port),
            name(sa.inside.as_ref()),
            sa.encryption.as_deref().unwrap_or("-"),
            sa.hash.as_deref().unwrap_or("-"),
            sa.authentication.as_deref().map_or("-", method),
            sa.group.map_or_else(|| "-".to_owned(), |group| group.to_string()),
            sa.lifetime_left.map_or_else(|| "-".to_owned(), clock),
            if sa.nat { "N" } else { "" },
        );
        let _ = writeln!(text, "{}", line.trim_end());
        let role = if sa.initiator { "initiator" } else { "responder" };
        let _ =
            writeln!(text, "      State: {}  Role: {role}  F-VRF: {}", sa.state, none_or(sa.front.as_ref()));
        let (profile, identity) = (none_or(sa.profile.as_ref()), none_or(sa.identity.as_ref()));
        let _ = writeln!(text, "      Profile: {profile}  Phase1_id: {identity}");
        let _ = writeln!(text, "      Cookies: {} {}", sa.cookies.0, sa.cookies.1);
    }
    text
}

/// The method as IOS shortens it in a column.
fn method(authentication: &str) -> &str {
    match authentication {
        "pre-share" => "psk",
        "rsa-sig" => "rsig",
        "ecdsa-sig" => "esig",
        "rsa-encr" => "renc",
        other => other,
    }
}

/// Destination and source as the first message had them.
fn ends(sa: &IsakmpSa) -> (IpAddr, IpAddr) {
    if sa.initiator { (sa.remote, sa.local) } else { (sa.local, sa.remote) }
}

pub(super) fn profiles(profiles: &[IsakmpProfile]) -> String {
    profiles.iter().map(profile).collect()
}

fn profile(profile: &IsakmpProfile) -> String {
    let mut text = format!("ISAKMP PROFILE {}\n", profile.name);
    if let Some(vrf) = &profile.vrf {
        let _ = writeln!(text, "   vrf: {vrf}");
    }
    text.push_str("   Identities matched are:\n");
    for identity in &profile.identities {
        let _ = writeln!(text, "    {identity}");
    }
    text.push_str("   Certificate maps matched are:\n");
    for map in &profile.certificate_maps {
        let _ = writeln!(text, "    {map}");
    }
    if let Some(identity) = &profile.self_identity {
        let _ = writeln!(text, "   self-identity: {identity}");
    }
    let _ = writeln!(text, "   keyring(s): {}", list(&profile.keyrings));
    let trustpoints =
        if profile.trustpoints.is_empty() { "<all>".to_owned() } else { profile.trustpoints.join(" ") };
    let _ = writeln!(text, "   trustpoint(s): {trustpoints}");
    if profile.aggressive {
        text.push_str("   initiates aggressive mode\n");
    }
    for binding in &profile.bindings {
        let _ = writeln!(text, "   Interface binding: {binding}");
    }
    text
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "<none>".to_owned() } else { names.join(" ") }
}

pub(super) fn keys(keys: &[IsakmpKey]) -> String {
    let mut text = String::from(
        "Keyring              VRF              Hostname/Address                 Preshared Key\n\n",
    );
    for key in keys {
        let (ring, vrf) = (&key.keyring, name(key.vrf.as_ref()));
        let _ = writeln!(text, "{ring:<20} {vrf:<16} {:<32} <hidden>", key.peer);
    }
    text
}

pub(super) fn peers(peers: &[IsakmpPeer]) -> String {
    peers.iter().map(peer).collect()
}

fn peer(peer: &IsakmpPeer) -> String {
    let vrf = peer.vrf.as_ref().map(|vrf| format!(" vrf {vrf}")).unwrap_or_default();
    let identity = none_or(peer.identity.as_ref());
    let password = if peer.password { "<hidden>" } else { "(none)" };
    format!(
        "Peer: {}{vrf}\n Aggressive mode: client-endpoint {identity}, password {password}\n",
        peer.address
    )
}

pub(super) fn policies(policies: &[IsakmpPolicy]) -> String {
    let text = String::from("Global IKE policy\n");
    policies.iter().fold(text, |text, policy| text + &self::policy(policy))
}

fn policy(policy: &IsakmpPolicy) -> String {
    let heading = if policy.default {
        "Default protection suite".to_owned()
    } else {
        format!("Protection suite of priority {}", policy.priority)
    };
    let mut text = format!(
        "{heading}\n        \
         encryption algorithm:   {}\n        \
         hash algorithm:         {}\n        \
         authentication method:  {}\n        \
         Diffie-Hellman group:   #{} ({} bit)\n        \
         lifetime:               {} seconds, no volume limit\n",
        encryption(&policy.encryption),
        hash(&policy.hash),
        authentication(&policy.authentication),
        policy.group,
        policy.group_bits,
        policy.lifetime,
    );
    if let Some(reason) = &policy.left_out {
        let _ = writeln!(text, "        not offered:            {reason}");
    }
    text
}

fn encryption(word: &str) -> String {
    match (word, word.strip_prefix("aes ")) {
        ("des", _) => "DES - Data Encryption Standard (56 bit keys).".to_owned(),
        ("3des", _) => "Three key triple DES".to_owned(),
        (_, Some(bits)) => format!("AES - Advanced Encryption Standard ({bits} bit keys)."),
        (other, None) => other.to_owned(),
    }
}

fn hash(word: &str) -> &str {
    match word {
        "md5" => "Message Digest 5",
        "sha" => "Secure Hash Standard",
        "sha256" => "Secure Hash Standard 2 (256 bit)",
        "sha384" => "Secure Hash Standard 2 (384 bit)",
        "sha512" => "Secure Hash Standard 2 (512 bit)",
        other => other,
    }
}

fn authentication(word: &str) -> &str {
    match word {
        "pre-share" => "Pre-Shared Key",
        "rsa-sig" => "Rivest-Shamir-Adleman Signature",
        "ecdsa-sig" => "Elliptic Curve Digital Signature",
        "rsa-encr" => "Rivest-Shamir-Adleman Encryption",
        other => other,
    }
}
