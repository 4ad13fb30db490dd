//! Chains that OpenSSL made, judged with lists and answers from a server on this machine.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::spawn;

use pki::{Certificate, Revocation, Trustpoint};

use super::*;

macro_rules! file {
    ($name:literal) => {
        include_bytes!(concat!("../../../../ipsec/pki/testdata/", $name))
    };
}

fn certificates(pem: &[u8]) -> Vec<Certificate> {
    Certificate::from_pem_bundle(pem).unwrap()
}

/// Under `sub`, which issued `pe1` and `gone`.
fn trustpoint(revocation: &[Revocation]) -> Trustpoint {
    Trustpoint {
        name: "ISP".to_owned(),
        vrf: None,
        anchors: certificates(file!("sub.pem")),
        credential: None,
        revocation: revocation.to_vec(),
        crl_url: None,
        ocsp_url: None,
    }
}

fn ask(validator: &Validator, trustpoint: &Trustpoint, pem: &[u8]) -> Result<(), &'static str> {
    let chain = certificates(pem).into_iter().map(|one| one.der).collect();
    let request = Request { chain, trustpoints: vec![Arc::new(trustpoint.clone())] };
    validator.validate(&request).map(drop).map_err(|refusal| refusal.what)
}

/// Answers every connection with `body`; how many there were.
fn server(body: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let asked = Arc::clone(&count);
    spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            asked.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").and_then(|()| stream.write_all(body));
        }
    });
    (address, count)
}

fn validator() -> Validator {
    Validator::new(|_| Vec::new())
}

#[test]
fn a_list_is_fetched_once_and_kept_until_it_is_cleared() {
    let (address, count) = server(file!("sub.crl"));
    let validator = validator();
    let mut trustpoint = trustpoint(&[Revocation::Crl]);
    trustpoint.crl_url = Some(format!("http://{address}/sub.crl"));
    assert_eq!(ask(&validator, &trustpoint, file!("pe1.pem")), Ok(()));
    assert_eq!(ask(&validator, &trustpoint, file!("gone.pem")), Err("certificate-revoked"));
    assert_eq!(count.load(Ordering::Relaxed), 1);
    let lists = validator.lists();
    assert_eq!((lists.len(), lists[0].issuer.as_str(), lists[0].revoked), (1, "cn=ISP Sub,o=ISP,c=DE", 1));
    assert_eq!(lists[0].source, format!("http://{address}/sub.crl"));
    assert_eq!(validator.clear(), 1);
    assert!(validator.lists().is_empty());
    assert_eq!(ask(&validator, &trustpoint, file!("pe1.pem")), Ok(()));
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[test]
fn a_list_may_be_a_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ipsec/pki/testdata/sub.crl");
    let mut trustpoint = trustpoint(&[Revocation::Crl]);
    trustpoint.crl_url = Some(format!("{FILE}{path}"));
    assert_eq!(ask(&validator(), &trustpoint, file!("gone.pem")), Err("certificate-revoked"));
    trustpoint.crl_url = Some(format!("{FILE}/nonexistent"));
    assert_eq!(ask(&validator(), &trustpoint, file!("gone.pem")), Err("crl-unavailable"));
}

#[test]
fn a_dead_server_is_asked_once_by_all_peers_and_the_next_method_decides() {
    let (address, count) = server(b"what?");
    let validator = validator();
    let mut trustpoint = trustpoint(&[Revocation::Crl]);
    trustpoint.crl_url = Some(format!("http://{address}/"));
    for _ in 0..3 {
        assert_eq!(ask(&validator, &trustpoint, file!("pe1.pem")), Err("crl-unavailable"));
    }
    assert_eq!(count.load(Ordering::Relaxed), 1);
    trustpoint.revocation.push(Revocation::None);
    assert_eq!(ask(&validator, &trustpoint, file!("pe1.pem")), Ok(()));
}

#[test]
fn an_answer_to_somebody_elses_question_is_refused() {
    let (address, _) = server(file!("pe1-sub.resp"));
    let mut trustpoint = trustpoint(&[Revocation::Ocsp]);
    trustpoint.ocsp_url = Some(format!("http://{address}/"));
    assert_eq!(
        ask(&validator(), &trustpoint, file!("pe1.pem")),
        Err("ocsp-unavailable"),
        "its nonce is another"
    );
}
