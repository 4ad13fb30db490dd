//! ike-scan against us: every way in which it asks gets the answer that the standards and the field give.

use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};

use super::lane::Lane;
use super::{onramp, place};
use crate::lab::report::Report;

/// A way to ask, and what the answer must hold; no words: there must be no answer.
struct Probe {
    name: &'static str,
    options: &'static str,
    answer: &'static [&'static str],
}

/// Runs every probe from the router, which is a configured peer here.
pub(super) fn run(lane: &Lane<'_>, report: &Mutex<&mut Report>) -> Result<()> {
    lane.reload(&(onramp::idle_but_for(MAP) + CONFIGURATION))?;
    for probe in &PROBES {
        let outcome = answered(lane, probe);
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        report.check(&format!("ike-scan: {}", probe.name), || outcome);
    }
    let unharmed = lane.pe.run("onramp show vrf")?.success;
    report.lock().unwrap_or_else(PoisonError::into_inner).check("ike-scan: the daemon lives on", || {
        ensure!(unharmed, "it does not answer");
        Ok(String::new())
    });
    lane.reload(&onramp::idle())
}

fn answered(lane: &Lane<'_>, probe: &Probe) -> Result<String> {
    let outcome = lane.net.run(&format!(
        "ike-scan --nodns --retry=2 --timeout=400 --interval=0 {} {}",
        probe.options,
        place::IPV4.pe
    ))?;
    let line = outcome.text.lines().find(|line| line.starts_with(place::IPV4.pe)).unwrap_or_default();
    if probe.answer.is_empty() {
        ensure!(line.is_empty(), "it is answered: {line}");
        return Ok("no answer".to_owned());
    }
    ensure!(!line.is_empty(), "no answer: {}", outcome.text);
    for word in probe.answer {
        ensure!(line.contains(word), "the answer lacks {word}: {line}");
    }
    let answers = outcome.text.lines().filter(|line| line.starts_with(place::IPV4.pe)).count();
    ensure!(answers == 1, "{answers} answers");
    Ok(probe.answer.join(", "))
}

const MAP: &str = " crypto map sites\n";

const CONFIGURATION: &str = "\
crypto keyring ring
 pre-shared-key address 192.0.2.254 key scanned
 pre-shared-key hostname site.example key scanned
crypto isakmp policy 10
 encryption aes 256
 hash sha256
 authentication pre-share
 group 14
crypto isakmp profile site
 vrf red
 keyring ring
 match identity host site.example
crypto ikev2 proposal one
 encryption aes-cbc-256
 integrity sha1
 group 2
crypto ikev2 policy one
 proposal one
crypto ikev2 keyring ring
 peer site
  address 192.0.2.254 255.255.255.255
  pre-shared-key scanned
crypto ikev2 profile site
 match identity remote fqdn site.example
 authentication local pre-share
 authentication remote pre-share
 keyring local ring
 ivrf red
crypto ipsec transform-set set esp-aes esp-sha-hmac
crypto map sites 10 ipsec-isakmp
 set peer 192.0.2.254
 set transform-set set
 set isakmp-profile site
 match address sites
crypto map sites 20 ipsec-isakmp
 set peer 192.0.2.254
 set transform-set set
 set ikev2-profile site
 match address more
ip access-list extended sites
 permit ip 10.1.0.0 0.0.0.255 10.2.0.0 0.0.0.255
ip access-list extended more
 permit ip 10.1.0.0 0.0.0.255 10.2.1.0 0.0.0.255
";

const OURS: &str = "--trans='(1=7,14=256,2=4,3=1,4=14)'";
const HANDSHAKE: &[&str] =
    &["Main Mode Handshake returned", "Enc=AES KeyLength=256 Hash=SHA2-256", "Auth=PSK", "Group=14"];

const PROBES: [Probe; 16] = [
    Probe { name: "main mode, our policy", options: OURS, answer: HANDSHAKE },
    Probe {
        name: "main mode, our policy among others",
        options: "--trans='(1=5,2=2,3=1,4=2)' --trans='(1=7,14=256,2=4,3=1,4=14)' --trans='(1=1,2=1,3=1,4=1)'",
        answer: HANDSHAKE,
    },
    Probe {
        name: "main mode, its own proposals",
        options: "",
        answer: &["Notify message 14 (NO-PROPOSAL-CHOSEN)"],
    },
    Probe {
        name: "main mode, RSA signatures",
        options: "--trans='(1=7,14=256,2=4,3=3,4=14)'",
        answer: &["Notify message 14 (NO-PROPOSAL-CHOSEN)"],
    },
    Probe {
        name: "main mode, NAT traversal's vendor identifiers get ours",
        options: "--trans='(1=7,14=256,2=4,3=1,4=14)' --vendor=4a131c81070358455c5728f20e95452f \
                  --vendor=90cb80913ebb696e086381b5ec427b1f",
        answer: &["Main Mode Handshake returned", "VID=4a131c81070358455c5728f20e95452f"],
    },
    Probe {
        name: "main mode, dead-peer detection's vendor identifier gets ours",
        options: "--trans='(1=7,14=256,2=4,3=1,4=14)' --vendor=afcad71368a1f1c96b8696fc77570100",
        answer: &["Main Mode Handshake returned", "VID=afcad71368a1f1c96b8696fc77570100"],
    },
    Probe {
        name: "main mode, fifty transforms",
        options: "$(for i in $(seq 49); do echo \"--trans=(1=5,2=2,3=1,4=$i)\"; done) --trans='(1=7,14=256,2=4,3=1,4=14)'",
        answer: HANDSHAKE,
    },
    Probe {
        name: "main mode from another port",
        options: "--sport=0 --trans='(1=7,14=256,2=4,3=1,4=14)'",
        answer: HANDSHAKE,
    },
    Probe {
        name: "main mode on port 4500 with the non-ESP marker",
        options: "--nat-t --trans='(1=7,14=256,2=4,3=1,4=14)'",
        answer: HANDSHAKE,
    },
    Probe {
        name: "aggressive mode with an identity that we know",
        options: "--aggressive --id=site.example --idtype=2 --dhgroup=14 --trans='(1=7,14=256,2=4,3=1,4=14)'",
        answer: &["Aggressive Mode Handshake returned", "KeyExchange(256 bytes)", "Hash(32 bytes)"],
    },
    Probe {
        name: "aggressive mode, no proposal fits",
        options: "--aggressive --id=site.example --idtype=2",
        answer: &["Notify message 14 (NO-PROPOSAL-CHOSEN)"],
    },
    Probe {
        name: "IKEv2, our proposal among its own",
        options: "--ikev2 --dhgroup=2",
        answer: &["IKEv2 SA_INIT Handshake returned"],
    },
    Probe {
        name: "IKEv2, a key of another group",
        options: "--ikev2 --dhgroup=5",
        answer: &["Notify message 17"],
    },
    Probe {
        name: "a header that promises more bytes than there are",
        options: "--headerlen=+40",
        answer: &[],
    },
    Probe { name: "an exchange that there is not", options: "--exchange=200", answer: &[] },
    Probe { name: "over TCP", options: "--tcp --tcptimeout=1", answer: &[] },
];
