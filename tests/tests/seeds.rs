//! Writes the seeds of the fuzz targets whose inputs are messages and packets of our own making:
//! `cargo test -p tests --test seeds -- --ignored`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "it is all test code")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use ike::config::Version;
use tests::internets::Internets;
use tests::packet::{Mark, Shape, halves, labelled, marked};
use tests::setup::{ATTACHED, BOX, FAR, NEAR, PEERS, PUBLIC, TRANSIT_IN, label_in};

fn write(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

/// A chunk as the targets read it: what it is, its length, its bytes.
fn chunk(head: &[u8], bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [head, &length, bytes].concat()
}

#[test]
#[ignore = "it writes files"]
fn every_message_of_a_negotiation_is_a_seed_of_ike_message() {
    for (role, way) in [(0, "responder"), (2, "initiator")] {
        let mut world = Internets::new(false);
        if role == 0 {
            world.peer_opens(0)
        } else {
            world.box_opens(0)
        }
        world.deliver_all(0);
        let messages = world.captured;
        for (at, (_, message)) in messages.iter().enumerate() {
            let genuine = u8::try_from(at).unwrap();
            let seed = [&[role, genuine][..], &chunk(&[0], message), &chunk(&[3], message)].concat();
            write("ike_message", &format!("{way}-{at}"), &seed);
        }
    }
}

#[test]
#[ignore = "it writes files"]
fn payloads_of_a_negotiation_are_seeds_of_ike_v2_payloads_and_ike_v2_sealed() {
    let mut world = Internets::of(Version::V2, false);
    world.peer_opens(0);
    world.deliver_all(0);
    for (at, (_, message)) in world.captured.iter().enumerate() {
        let (next, body) = (message[16], &message[28..]);
        write("ike_v2_payloads", &format!("opening-{at}"), &[&[next], body].concat());
        let which = u8::try_from(at).unwrap();
        write("ike_v2_sealed", &format!("opening-{at}"), &[&[which, 0, which, 9], body].concat());
    }
    // TSi, D, N(REKEY_SA), AUTH with a signature scheme, CERTREQ.
    let one = |kind: u8, body: &[u8]| {
        let length = u8::try_from(body.len() + 4).unwrap();
        [&[kind, 0, 0, 0, length], body].concat()
    };
    let selectors = b"\x01\0\0\0\x07\x11\0\x10\0\x35\0\x35\x0a\x01\0\0\x0a\x01\xff\xff";
    let rekey = b"\x03\x04\x40\x09\0\0\x10\x01";
    let proof = b"\x0e\0\0\0\x07\x30\x05\x06\x03\x2b\x65\x70signature";
    let request = [&[4][..], &[7; 20]].concat();
    let seeds: [(&str, u8, &[u8]); 5] = [
        ("selectors", 44, selectors),
        ("delete", 42, b"\x03\x04\0\x01\0\0\x10\x01"),
        ("rekey", 41, rekey),
        ("proof", 39, proof),
        ("request", 38, &request),
    ];
    for (name, kind, body) in seeds {
        write("ike_v2_payloads", name, &one(kind, body));
    }
}

#[test]
#[ignore = "it writes files"]
fn courses_of_events_are_seeds_of_ike_sequence() {
    for (name, version) in [("v1", 0), ("v2", 1)] {
        let open = [version, 8, 0, 2, 0, 12, 0, 2, 0, 13, 0, 2, 0];
        let cross = [version, 8, 0, 2, 0, 12, 0, 13, 0, 0, 0, 0, 0, 4, 0, 5, 77, 2, 0, 15, 100, 2, 0];
        let lossy =
            [version, 7, 0, 0, 0, 3, 0, 15, 100, 0, 0, 14, 9, 15, 100, 2, 0, 11, 0, 6, 1, 10, 0, 2, 0];
        for (kind, events) in [("open", &open[..]), ("cross", &cross), ("lossy", &lossy)] {
            write("ike_sequence", &format!("{name}-{kind}"), events);
        }
    }
}

#[test]
#[ignore = "it writes files"]
fn a_packet_of_each_kind_is_a_seed_of_graph_frame() {
    let shapes = [
        ("plain", Shape::PLAIN),
        ("ping", Shape { ping: true, ..Shape::PLAIN }),
        ("last-hop", Shape { ttl: 1, ..Shape::PLAIN }),
        ("big", Shape { big: true, df: true, ..Shape::PLAIN }),
    ];
    for (name, shape) in shapes {
        let packet = |src: Ipv4Addr, dst: Ipv4Addr| marked(Mark(0), src, dst, shape);
        let attached = chunk(&[2, 1], &packet(ATTACHED, NEAR[0]));
        let clear = chunk(&[3, 0], &packet(NEAR[0], FAR));
        let sealed = chunk(&[4, 1], &packet(NEAR[0], FAR));
        let to_the_box = chunk(&[5, 2], &packet(NEAR[0], BOX));
        let from_core = chunk(&[6, 3], &packet(FAR, NEAR[0]));
        let changed = chunk(&[7, 0], &[]);
        let seed = [attached, clear, sealed, to_the_box, changed, from_core].concat();
        write("graph_frame", name, &seed);
    }
    let plain = marked(Mark(0), FAR, NEAR[0], Shape::PLAIN);
    let stack = |label| chunk(&[1, 0], &labelled(label, 64, &plain));
    let transit = base::Label::new(TRANSIT_IN).unwrap();
    write("graph_frame", "labels", &[stack(label_in(1)), stack(transit), stack(base::Label::FIRST)].concat());
    let whole = marked(Mark(0), PEERS[0], PUBLIC, Shape { big: true, ..Shape::PLAIN });
    let pieces = halves(&whole).map(|half| chunk(&[3, 0], &half));
    write("graph_frame", "fragments", &pieces.concat());
}

#[test]
#[ignore = "it writes files"]
fn what_openssl_made_is_a_seed_of_pki_objects() {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ipsec/pki/testdata");
    for entry in fs::read_dir(made).unwrap() {
        let (path, bytes) = entry.map(|entry| (entry.path(), fs::read(entry.path()).unwrap())).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("pem") => {
                let der = crypto::pem::blocks(&bytes).remove(0).der;
                write("pki_objects", &name, &[&[0], der.expose()].concat());
                write("pki_objects", &format!("{name}-pem"), &[&[3], bytes.as_slice()].concat());
            }
            Some("crl") => {
                write("pki_objects", "list-pem", &[&[1], bytes.as_slice()].concat());
                let der = crypto::pem::blocks(&bytes).remove(0).der;
                write("pki_objects", "list", &[&[1], der.expose()].concat());
                write("pki_objects", "chain-list", &[&[5, 0], der.expose()].concat());
            }
            Some("resp") => {
                write("pki_objects", &name, &[&[2], bytes.as_slice()].concat());
                write("pki_objects", &format!("chain-{name}"), &[&[5, 0], bytes.as_slice()].concat());
            }
            Some(_) | None => {}
        }
    }
    write("pki_objects", "name", b"\x04cn=pe1,o=\"A, B\",ou=C\\, D");
}
