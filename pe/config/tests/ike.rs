//! IKE in full: every line of both versions, of certificates and of keys of type 6.

use base::Secret;
use config::{Config, Finding, MasterKey, Severity, Written};
use config::{parse, parse_with, print, print_hidden, print_sealed, report, rewrite_keys};
use ike::config::v2::Remote;

const EXAMPLE: &str = include_str!("examples/ike.conf");

fn good(text: &str) -> Config {
    let parsed = parse(text).unwrap_or_else(|findings| panic!("{}", report("test", text, &findings)));
    let printed = print(&parsed.config);
    let again =
        parse(&printed).unwrap_or_else(|findings| panic!("{}", report("printed", &printed, &findings)));
    assert!(again.config == parsed.config, "{printed}");
    parsed.config
}

/// The only error, as the words underlined, the message and the hint.
fn fault(text: &str) -> (String, String, String) {
    let findings = parse(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
    let errors: Vec<Finding> =
        findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert_eq!(errors.len(), 1, "{}", report("test", text, &errors));
    (text[errors[0].span.clone()].to_owned(), errors[0].message.clone(), errors[0].help.clone())
}

#[test]
fn the_example_says_every_line_and_reads_back_the_same() {
    let config = good(EXAMPLE);
    assert_eq!(print(&good(&print(&config))), print(&config));
    let warnings = parse(EXAMPLE).map(|parsed| parsed.warnings).unwrap_or_default();
    assert!(warnings.is_empty(), "{}", report("ike.conf", EXAMPLE, &warnings));
}

#[test]
fn abbreviations_and_no_forms_work_in_every_new_mode() {
    let long = "crypto ikev2 profile P\n match identity remote any\n authentication local pre-share key k\n \
                authentication remote pre-share key k\n no mobike\n dpd 30 5 periodic\n";
    let short =
        "cry ikev2 prof P\n mat id rem any\n auth loc pre k k\n auth rem pre k k\n no mob\n dpd 30 5 per\n";
    assert!(good(long) == good(short));
    let undone = "crypto ikev2 profile P\n no match identity remote any\n no authentication local\n \
                  no authentication remote\n mobike\n no dpd\n";
    assert!(good(&format!("{long}{undone}")) == good("crypto ikev2 profile P\n"));
    let peer = "crypto isakmp peer address 10.0.0.1\n set aggressive-mode password k\n";
    let same = "crypto isakmp peer ip-address 10.0.0.1\n set aggr pass k\n";
    assert!(good(peer) == good(same));
    assert!(good(&format!("{peer}no crypto isakmp peer address 10.0.0.1\n")) == Config::default());
    let point = "crypto ca trustpoint T\n ca-certificate file a\n ca-certificate file b\n";
    assert_eq!(good(&format!("{point} no ca-certificate file a\n")).trustpoints[0].ca_certificates, ["b"]);
    assert!(good(&format!("{point}no crypto pki trustpoint T\n")) == Config::default());
    let names = "ip host a.example 10.0.0.1 10.0.0.2\nip name-server 10.0.0.53\n";
    assert!(
        good(&format!("{names}no ip host a.example\nno ip name-server 10.0.0.53\n")) == Config::default()
    );
    assert!(
        good("ikev2\n".replace("ikev2", "no crypto isakmp").as_str()).isakmp
            == good("no crypto isakmp enable\n").isakmp
    );
}

/// Everything the example says can be unsaid, line by line, and what is left reads back.
#[test]
fn every_line_of_the_example_has_a_no_form() {
    let lines: Vec<&str> = EXAMPLE.lines().filter(|line| !line.starts_with('!') && *line != "end").collect();
    for (i, line) in lines.iter().enumerate() {
        if line.contains("crypto isakmp invalid-spi-recovery") {
            continue;
        }
        let rest = match line.trim().strip_prefix("no ") {
            Some(rest) => rest.to_owned(),
            None => format!("no {}", line.trim()),
        };
        let text = [&lines[..=i], &[rest.as_str()], &lines[i + 1..]].concat().join("\n");
        match parse(&text) {
            Ok(parsed) => {
                assert!(parse(&print(&parsed.config)).is_ok_and(|it| it.config == parsed.config), "{rest}")
            }
            // Something else may miss what is gone; the line itself is understood.
            Err(findings) => {
                let mut errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
                let start = text.find(&format!("\n{rest}\n")).unwrap();
                let place = start..=start + rest.len();
                let own = errors.find(|finding| place.contains(&finding.span.start));
                assert!(own.is_none(), "{}", report("t", &text, &findings));
            }
        }
    }
}

#[test]
fn the_default_proposal_and_policy_are_strong_and_can_be_changed_or_switched_off() {
    let default = good("").ikev2;
    let proposals: Vec<_> = default.proposals().collect();
    assert_eq!(proposals.len(), 1);
    assert!(proposals[0].groups.iter().all(|group| group.number() >= 14), "{:?}", proposals[0]);
    assert_eq!(default.policies().count(), 1);
    let off = good("no crypto ikev2 proposal default\n").ikev2;
    assert_eq!((off.proposals().count(), off.policies().count()), (0, 0));
    assert_eq!(good("no crypto ikev2 policy default\n").ikev2.policies().count(), 0);
    assert!(good("no crypto ikev2 policy default\ncrypto ikev2 policy default\n") == Config::default());
    assert!(fault("crypto ikev2 policy default\n match fvrf any\n").2.contains("`crypto ikev2 policy NAME`"));
    let changed = good("crypto ikev2 proposal default\n group 21\n").ikev2;
    let changed: Vec<_> = changed.proposals().collect();
    assert_eq!(changed[0].groups.iter().map(|group| group.number()).collect::<Vec<_>>(), [21]);
    assert_eq!(changed[0].encryption, proposals[0].encryption);
}

#[test]
fn what_a_proposal_does_not_say_is_the_defaults() {
    let of = |text: &str| good(&format!("crypto ikev2 proposal P\n{text}")).ikev2.proposals().next().unwrap();
    let default = good("").ikev2.proposals().next().unwrap();
    let aead = of(" encryption aes-gcm-256\n");
    assert_eq!((&aead.prf, &aead.groups), (&default.prf, &default.groups));
    assert!(
        of(" encryption aes-cbc-128\n integrity sha384\n").prf.is_empty(),
        "the PRF is that of the integrity's hash"
    );
}

#[test]
fn an_address_of_zeros_without_a_mask_is_every_address() {
    let config = good(
        "crypto isakmp key k address 0.0.0.0\ncrypto isakmp key k address 0.0.0.0 255.255.255.255\n\
         crypto ikev2 profile P\n match identity remote address 0.0.0.0\n",
    );
    assert_eq!(config.keys.iter().map(|key| key.peer.length()).collect::<Vec<_>>(), [0, 32]);
    assert!(matches!(config.ikev2.profiles[0].remote[0], Remote::Address(prefix) if prefix.length() == 0));
}

#[test]
fn weak_algorithms_of_version_two_are_named_with_their_line() {
    let text = "crypto ikev2 policy Q\n proposal P\ncrypto ikev2 proposal P\n encryption des aes-gcm-256 3des\n \
                integrity md5 sha256\n prf md5\n group 2 19 5\n";
    let warnings = parse(text).unwrap_or_else(|f| panic!("{}", report("t", text, &f))).warnings;
    let shown: Vec<_> = warnings.iter().map(|it| (&text[it.span.clone()], it.message.as_str())).collect();
    assert_eq!(
        shown,
        [
            ("encryption des aes-gcm-256 3des", "DES, 3DES are weak"),
            ("integrity md5 sha256", "MD5 is weak"),
            ("prf md5", "MD5 is weak"),
            ("group 2 19 5", "Diffie-Hellman group 2, Diffie-Hellman group 5 are weak"),
        ]
    );
}

#[test]
fn a_tunnel_of_version_one_needs_a_policy_as_well() {
    let text = |profile: &str| {
        format!(
            "crypto isakmp profile P\n match identity address 198.51.100.2 255.255.255.255\n\
             crypto ikev2 profile Q\n match identity remote any\n\
             crypto ipsec transform-set T esp-gcm\ncrypto ipsec profile I\n set transform-set T\n{profile}\
             interface Tunnel0\n tunnel source 192.0.2.1\n tunnel destination 198.51.100.2\n\
             tunnel mode ipsec ipv4\n tunnel protection ipsec profile I\n"
        )
    };
    let warned = |profile: &str| {
        let text = text(profile);
        let warnings = parse(&text).unwrap_or_else(|f| panic!("{}", report("t", &text, &f))).warnings;
        let warning = warnings.iter().find(|it| it.message.starts_with("no ISAKMP policy can be used"));
        warning.map(|it| text[it.span.clone()].to_owned())
    };
    let line = "tunnel protection ipsec profile I".to_owned();
    assert_eq!(warned(" set isakmp-profile P\n"), Some(line.clone()));
    assert_eq!(warned(""), Some(line));
    assert_eq!(warned(" set ikev2-profile Q\n"), None);
}

#[test]
fn every_new_name_must_exist_and_is_underlined() {
    let text = "\
crypto dynamic-map D 10
 set transform-set T1
 set ikev2-profile P1
 set identity I1
crypto map M local-address IF1
crypto map M 10 ipsec-isakmp dynamic D1
crypto isakmp profile Q
 ca trust-point T2
 match certificate C1
 local-address 10.0.0.1 V1
crypto keyring R
 local-address IF2
crypto isakmp peer address 10.0.0.1 vrf V2
crypto ikev2 policy P
 match fvrf V3
 proposal X1
crypto ikev2 profile P
 match fvrf any
 ivrf V4
 keyring local K1
 match certificate C2
 pki trustpoint T3 sign
ip name-server vrf V5 10.0.0.1
ip host vrf V6 a 10.0.0.1
crypto pki trustpoint T
 vrf V7
";
    let findings = parse(text).err().unwrap();
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let names: Vec<_> = errors.map(|finding| &text[finding.span.clone()]).collect();
    let all = [
        "T1", "P1", "I1", "IF1", "D1", "T2", "C1", "V1", "IF2", "V2", "V3", "X1", "V4", "K1", "C2", "T3",
        "V5", "V6", "V7",
    ];
    assert_eq!(names, all);
}

#[test]
fn contradictions_are_refused_in_their_place() {
    let sets =
        "crypto ipsec transform-set T esp-gcm\ncrypto ipsec transform-set U esp-gcm\n mode transport\n";
    let profiles = "crypto isakmp profile P\n match identity group g\ncrypto ikev2 profile Q\n";
    let entry = |lines: &str| fault(&format!("{sets}{profiles}crypto map M 1 ipsec-isakmp\n{lines}"));
    assert_eq!(entry(" set isakmp-profile P\n set ikev2-profile Q\n").0, "set ikev2-profile Q");
    assert_eq!(entry(" set pfs group31\n").0, "set pfs group31");
    assert_eq!(entry(" set transform-set T U\n").0, "set transform-set T U");
    let point = |lines: &str| fault(&format!("crypto pki trustpoint T\n{lines}")).0;
    assert_eq!(point(" certificate file a\n"), "certificate file a");
    assert_eq!(point(" private-key file a\n"), "private-key file a");
    assert_eq!(
        fault("crypto ikev2 proposal P\n additional-ke 2 ml-kem-768\n").0,
        "additional-ke 2 ml-kem-768"
    );
    let dn = "crypto ikev2 profile P\n identity local dn\n authentication local pre-share key k\n";
    assert_eq!(fault(dn).0, "identity local dn");
    let map = "crypto map M 1 ipsec-isakmp\n set peer 10.0.0.1\ncrypto map M 1 ipsec-isakmp dynamic D\ncrypto dynamic-map D 1\n";
    assert!(fault(map).1.contains("something of its own"));
    let back = "crypto dynamic-map D 1\ncrypto map M 1 ipsec-isakmp dynamic D\ncrypto map M 1 ipsec-isakmp\n";
    assert!(fault(back).1.contains("stands for a dynamic map"));
    let criterion = "crypto pki certificate map M 1\n valid-start co 2026\n";
    assert!(fault(criterion).2.contains("lt, ge"), "{:?}", fault(criterion));
    assert!(fault("crypto identity I\n dn sites\n").2.contains("dn ou=sites"));
    assert!(fault("crypto ikev2 keyring K\n peer p\n  pre-shared-key local\n").1.contains("incomplete"));
}

#[test]
fn an_entry_whose_profile_is_of_another_front_vrf_or_has_no_key_is_pointed_out() {
    let text = |profile: &str, peer: &str| {
        format!(
            "ip vrf red\ncrypto ikev2 keyring K\n peer p\n  address 10.0.0.0 255.255.255.0\n  pre-shared-key k\n\
             crypto ikev2 profile Q\n match identity remote any\n authentication local pre-share\n\
             authentication remote pre-share\n keyring local K\n{profile}\
             crypto ipsec transform-set T esp-gcm\ncrypto map M 10 ipsec-isakmp\n set peer {peer}\n\
             set transform-set T\n set ikev2-profile Q\n match address 101\n\
             access-list 101 permit ip any any\ninterface eth0\n ip vrf forwarding red\n\
             ip address 10.0.0.254 255.255.255.0\n crypto map M\n"
        )
    };
    let shown = |text: &str| {
        let warnings = parse(text).unwrap_or_else(|f| panic!("{}", report("t", text, &f))).warnings;
        warnings.iter().map(|it| text[it.span.clone()].trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&text(" match fvrf red\n", "10.0.0.1")), Vec::<String>::new());
    assert_eq!(shown(&text(" match fvrf any\n", "10.0.0.1")), Vec::<String>::new());
    assert_eq!(shown(&text("", "10.0.0.1")), ["set ikev2-profile Q"]);
    assert_eq!(shown(&text(" match fvrf red\n", "10.0.1.1")), ["set peer 10.0.1.1"]);
}

#[test]
fn what_is_incomplete_is_accepted_with_a_doubt() {
    for (text, doubt) in [
        (
            "crypto ikev2 profile P\n",
            "it needs `match identity remote`, `authentication local`, `authentication remote`",
        ),
        ("crypto ikev2 policy P\n", "it needs `proposal`"),
        ("crypto ikev2 keyring K\n peer p\n  pre-shared-key k\n", "the peer is nobody"),
        ("crypto ikev2 keyring K\n peer p\n  address 10.0.0.1\n", "the peer has no key"),
        ("crypto ikev2 proposal P\n", "no policy names the proposal"),
        ("crypto pki certificate map M 10\n", "every certificate passes"),
        ("crypto identity I\n", "it describes nobody"),
        (
            "crypto pki certificate map M 10\n name co a\ncrypto isakmp profile P\n match certificate M\n\
             crypto isakmp profile Q\n match certificate M\n",
            "profile P has the same certificate map",
        ),
        ("crypto pki trustpoint T\n", "verifies no peer"),
        ("crypto dynamic-map D 1\n", "`set transform-set`"),
        ("crypto ipsec profile P\n", "`set transform-set`"),
        ("crypto isakmp peer address 10.0.0.1\n set aggressive-mode password k\n", "the peer is incomplete"),
        (
            "crypto isakmp policy 1\n encr aes\n group 14\n authentication ecdsa-sig\n",
            "ecdsa-sig needs a certificate",
        ),
    ] {
        let warnings = parse(text).unwrap_or_else(|f| panic!("{}", report("t", text, &f))).warnings;
        assert!(warnings.iter().any(|it| it.message.contains(doubt)), "{}", report("t", text, &warnings));
    }
}

fn master(text: &str) -> MasterKey {
    MasterKey::new(Secret::from(text.as_bytes()))
}

/// Seals with a nonce of its own for each key.
fn sealer(master: &MasterKey) -> impl FnMut(&Secret) -> String {
    let mut nonce = 0;
    move |key| {
        nonce += 1;
        master.seal(key, [7; 16], [nonce; 12])
    }
}

#[test]
fn a_key_of_type_6_may_stand_wherever_a_key_does() {
    let config = good(EXAMPLE);
    let master = master("a master key");
    let printed = print_sealed(&config, &mut sealer(&master));
    let clear: Vec<_> = EXAMPLE.split_whitespace().filter(|word| word.ends_with("-secret")).collect();
    assert_eq!(clear.len(), 17);
    for key in clear {
        assert!(!printed.contains(key), "{key}");
    }
    assert_eq!(printed.matches(" 6 onramp1.").count(), 17, "{printed}");
    let open = |string: &str| master.open(string);
    let again = parse_with(&printed, &open).unwrap_or_else(|f| panic!("{}", report("sealed", &printed, &f)));
    assert!(again.config == config);
    assert!(!print_hidden(&config).contains("-secret"));
}

#[test]
fn without_the_switch_keys_are_printed_in_clear() {
    let config = good("crypto isakmp key secret address 10.0.0.1\n");
    assert_eq!(print_sealed(&config, &mut |_| panic!("sealed")), print(&config));
}

#[test]
fn a_key_of_type_6_that_cannot_be_opened_is_refused_with_advice() {
    let text = |key: &str| format!("crypto keyring K\n pre-shared-key address 10.0.0.1 key 6 {key}\n");
    let ours = master("one").seal(&Secret::from(&b"key"[..]), [1; 16], [2; 12]);
    let damaged = ours.replacen('A', "B", 1);
    assert_ne!(ours, damaged);
    let other = master("other");
    let none = |key: &str| fault(&text(key));
    let with = |key: &str| {
        let text = text(key);
        let findings = parse_with(&text, &|string| other.open(string)).err().unwrap();
        assert_eq!(&text[findings[0].span.clone()], key);
        assert!(!report("t", &text, &findings).contains(key));
        (String::new(), findings[0].message.clone(), findings[0].help.clone())
    };
    for (found, message, help) in [
        (none(&ours), "there is no master key", "onramp key config-key password-encryption"),
        (none("FgeTBXhQVb"), "none of ours", "in clear once"),
        (none(&damaged), "damaged", "copy it again"),
        (with(&ours), "another master key", "set that master key"),
        (with("FgeTBXhQVb"), "none of ours", "in clear once"),
    ] {
        assert!(found.1.contains(message) && found.2.contains(help), "{found:?}");
    }
}

#[test]
fn keys_are_rewritten_in_place_and_nothing_else_is() {
    let text = "! note\ncrypto isakmp key 0 abc address 10.0.0.1   no-xauth\nnot a command key xyz\n\
                crypto ikev2 keyring R\n peer p\n  pre-shared-key  local abc\n  pre-shared-key remote 6 cba\n";
    let rewritten = rewrite_keys(text, &mut |written| match written {
        Written::Clear(key) => Some(format!("<{key}>")),
        Written::Sealed(_) => None,
    });
    assert_eq!(
        rewritten,
        "! note\ncrypto isakmp key 6 <abc> address 10.0.0.1   no-xauth\nnot a command key xyz\n\
         crypto ikev2 keyring R\n peer p\n  pre-shared-key  local 6 <abc>\n  pre-shared-key remote 6 cba\n"
    );
    let again = rewrite_keys(&rewritten, &mut |written| match written {
        Written::Clear(_) => None,
        Written::Sealed(string) => Some(format!("{string}!")),
    });
    assert!(again.contains("local 6 <abc>!") && again.contains("remote 6 cba!"), "{again}");
}

#[test]
fn the_master_key_and_foreign_switches_never_stand_in_a_file() {
    let (_, message, help) = fault("key config-key password-encryption s3cret\n");
    assert!(message.contains("key config-key") && help.contains("onramp key config-key"));
    assert!(!message.contains("s3cret"));
}
