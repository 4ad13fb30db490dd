//! Trustpoints from files, and every way in which that goes wrong.

use std::fs::{Permissions, create_dir_all, remove_dir_all, set_permissions, write};
use std::path::PathBuf;

use super::*;

/// Of `KEY`, made by OpenSSL for a hundred years.
const OWN: &[u8] = include_bytes!("../../../testdata/ed25519.pem");
/// Ed25519; the second is another one.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";
const OTHER_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIAkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ\n-----END PRIVATE KEY-----\n";

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("onrampd-{name}-{}", std::process::id()));
        create_dir_all(&path).unwrap();
        Self(path)
    }

    fn put(&self, name: &str, text: &[u8], mode: u32) {
        write(self.0.join(name), text).unwrap();
        set_permissions(self.0.join(name), Permissions::from_mode(mode)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = remove_dir_all(&self.0);
    }
}

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../ipsec/pki/testdata/", $name))
    };
}

fn written() -> Written {
    Written { ca_certificates: vec!["ca.pem".to_owned()], ..Written::new("ISP".to_owned()) }
}

fn with_key() -> Written {
    Written { certificate: Some("own.pem".to_owned()), private_key: Some("own.key".to_owned()), ..written() }
}

fn fault(folder: &Folder, written: Written) -> String {
    load(&[written], &folder.0).err().unwrap().join("\n")
}

fn good(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.put("ca.pem", &[file!("root.pem").as_slice(), file!("sub.pem")].concat(), 0o644);
    folder.put("own.pem", file!("pe1.pem"), 0o644);
    folder.put("own.key", KEY.as_bytes(), 0o600);
    folder
}

#[test]
fn files_beside_the_configuration_become_a_trustpoint() {
    let folder = good("load");
    folder.put("own.pem", OWN, 0o644);
    let mut written = with_key();
    written.crl = Some(Crl::File("list.crl".to_owned()));
    let loaded = load(&[written], &folder.0).ok().unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let point = &loaded.trustpoints["ISP"];
    assert_eq!((point.anchors.len(), point.revocation.as_slice()), (2, Written::REVOCATION.as_slice()));
    assert_eq!(point.crl_url, Some(format!("file:{}", folder.0.join("list.crl").display())));
    let own = point.credential.as_ref().unwrap();
    assert_eq!(own.chain[0].public_key().as_ref(), Some(own.key.public()));
}

#[test]
fn a_fault_names_the_trustpoint_the_line_and_the_file() {
    let folder = good("fault");
    assert!(fault(&folder, with_key()).contains("own.key is not the key of the certificate of"));
    let missing = Written { ca_certificates: vec!["none.pem".to_owned()], ..written() };
    let told = fault(&folder, missing);
    assert!(told.starts_with("trustpoint ISP: ca-certificate file none.pem: No such file"), "{told}");
    let no_ca = Written { ca_certificates: vec!["own.key".to_owned()], ..written() };
    assert!(fault(&folder, no_ca).contains("no CERTIFICATE"));
    folder.put("own.key", b"nothing", 0o600);
    assert!(fault(&folder, with_key()).contains("no private key"));
    folder.put(
        "own.key",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        0o600,
    );
    assert!(fault(&folder, with_key()).contains("decrypt it with openssl pkey"));
    assert!(fault(&folder, Written { private_key: None, ..with_key() }).contains("write private-key file"));
    assert!(fault(&folder, Written { certificate: None, ..with_key() }).contains("write certificate file"));
    folder.put("ca.pem", &vec![b'x'; LARGEST + 1], 0o644);
    assert!(fault(&folder, written()).contains("larger than"));
}

#[test]
fn a_key_that_everyone_may_read_is_refused_and_one_for_the_group_is_told() {
    let folder = good("mode");
    folder.put("own.pem", OWN, 0o644);
    folder.put("own.key", KEY.as_bytes(), 0o604);
    assert!(fault(&folder, with_key()).contains("own.key: everyone on this machine may read"));
    folder.put("own.key", KEY.as_bytes(), 0o640);
    let loaded = load(&[with_key()], &folder.0).ok().unwrap();
    assert!(loaded.warnings[0].contains("its group may read"), "{:?}", loaded.warnings);
    folder.put("own.key", OTHER_KEY.as_bytes(), 0o600);
    assert!(fault(&folder, with_key()).contains("is not the key of"));
}

#[test]
fn what_works_but_is_doubtful_is_told() {
    let folder = good("doubt");
    let none = load(&[Written::new("void".to_owned())], &folder.0).ok().unwrap();
    assert_eq!(
        none.warnings,
        ["trustpoint void: no peer can be verified under it: write ca-certificate file"]
    );
    folder.put("ca.pem", file!("pe1.pem"), 0o644);
    let pinned = load(&[written()], &folder.0).ok().unwrap();
    assert!(pinned.warnings[0].contains("is no CA: only itself is trusted"), "{:?}", pinned.warnings);
    folder.put("ca.pem", file!("rsa1024.pem"), 0o644);
    let weak = load(&[written()], &folder.0).ok().unwrap();
    assert!(weak.warnings[0].contains("cn=weak,o=ISP,c=DE has only 1024 bits"), "{:?}", weak.warnings);
}
