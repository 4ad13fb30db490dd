//! A speaker of BGP (RFC 4271, RFC 4364) that says a million VPN routes as fast as they are taken, and hears nothing.

use std::io::{Read as _, Write as _, copy, sink};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

/// Each with a route distinguisher, a route target and a label of its own.
pub(crate) const VRFS: u16 = 1000;
/// Of each VRF.
pub(crate) const ROUTES: u16 = 1000;
pub(crate) const AS: u16 = 65000;

/// In one message: as many as its 4096 octets hold.
const IN_MESSAGE: u16 = 250;

const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const KEEPALIVE: u8 = 4;

/// `xtask bgp-feed RECEIVER OWN`, run inside a node: says when it begins and when the last octet is given to the kernel, in
/// microseconds since 1970, and keeps the session until it is killed.
pub(crate) fn run(words: &[&str]) -> Result<()> {
    let [receiver, own] = words else { anyhow::bail!("usage: bgp-feed RECEIVER OWN") };
    let own: Ipv4Addr = own.parse()?;
    let updates = updates(own);
    let mut session = establish(receiver, own)?;
    let mut heard = session.try_clone()?;
    let ear = thread::spawn(move || copy(&mut heard, &mut sink()));
    println!("begins {}", microseconds()?);
    session.write_all(&updates)?;
    println!("said {}", microseconds()?);
    let _ = ear.join();
    Ok(())
}

fn microseconds() -> Result<u128> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())
}

/// Neither side sends keepalives: our hold time is zero.
fn establish(receiver: &str, own: Ipv4Addr) -> Result<TcpStream> {
    let mut session = connect(receiver)?;
    session.write_all(&open(own))?;
    ensure!(kind_of_next(&mut session)? == OPEN, "no OPEN");
    session.write_all(&message(KEEPALIVE, &[]))?;
    ensure!(kind_of_next(&mut session)? == KEEPALIVE, "the OPEN is refused");
    Ok(session)
}

fn connect(receiver: &str) -> Result<TcpStream> {
    let start = Instant::now();
    loop {
        match TcpStream::connect((receiver, 179)) {
            Ok(session) => return Ok(session),
            Err(error) if start.elapsed() > Duration::from_secs(20) => {
                return Err(error).with_context(|| format!("{receiver} does not listen"));
            }
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn kind_of_next(session: &mut TcpStream) -> Result<u8> {
    let mut head = [0; 19];
    session.read_exact(&mut head)?;
    let length = u16::from_be_bytes([head[16], head[17]]);
    copy(&mut session.take(u64::from(length.saturating_sub(19))), &mut sink())?;
    Ok(head[18])
}

fn open(own: Ipv4Addr) -> Vec<u8> {
    let [high, low] = AS.to_be_bytes();
    // VPNv4, and AS numbers of four octets.
    let capabilities = [1, 4, 0, 1, 0, 128, 65, 4, 0, 0, high, low];
    let head = [&[4, high, low, 0, 0][..], &own.octets(), &[14, 2, 12]].concat();
    message(OPEN, &[&head[..], &capabilities].concat())
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = 19 + body.len() as u16;
    [&[0xFF; 16], &length.to_be_bytes()[..], &[kind], body].concat()
}

fn updates(own: Ipv4Addr) -> Vec<u8> {
    let starts = (0..ROUTES).step_by(usize::from(IN_MESSAGE));
    (1..=VRFS).flat_map(|vrf| starts.clone().flat_map(move |start| update(own, vrf, start))).collect()
}

fn update(own: Ipv4Addr, vrf: u16, start: u16) -> Vec<u8> {
    let mut reach = [&[0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0][..], &own.octets(), &[0]].concat();
    (start..start + IN_MESSAGE).for_each(|number| reach.extend(route(vrf, number)));
    let target = [&[0, 2][..], &AS.to_be_bytes(), &u32::from(vrf).to_be_bytes()].concat();
    let length = (reach.len() as u16).to_be_bytes();
    let attributes = [
        // ORIGIN, AS_PATH, LOCAL_PREF, EXTENDED_COMMUNITIES, MP_REACH_NLRI.
        &[0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100, 0xC0, 16, 8][..],
        &target,
        &[0x90, 14],
        &length,
        &reach,
    ]
    .concat();
    message(UPDATE, &[&[0, 0], &(attributes.len() as u16).to_be_bytes()[..], &attributes].concat())
}

/// Label, route distinguisher and a /24 of 10/8: the blocks of a VRF lie far apart, and elsewhere in each VRF.
fn route(vrf: u16, number: u16) -> [u8; 15] {
    let [_, a, b, c] = ((u32::from(vrf) + 15) << 4 | 1).to_be_bytes();
    let ([e, f], [g, h]) = (AS.to_be_bytes(), vrf.to_be_bytes());
    let (block, subnet) = (number / IN_MESSAGE, number % IN_MESSAGE);
    let block = (block * 64 + vrf % 64) as u8;
    [112, a, b, c, 0, 0, e, f, 0, 0, g, h, 10, block, subnet as u8]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_said_once_in_messages_of_lawful_length() {
        let updates = updates(Ipv4Addr::new(192, 0, 2, 2));
        let (mut rest, mut routes) = (&updates[..], BTreeSet::new());
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[16], rest[17]]));
            assert!(length <= 4096);
            let (one, others) = rest.split_at(length);
            routes.extend(one[length - 15 * usize::from(IN_MESSAGE)..].chunks(15));
            rest = others;
        }
        assert_eq!(routes.len(), usize::from(VRFS) * usize::from(ROUTES));
        assert_eq!(
            routes.iter().map(|route| &route[4..12]).collect::<BTreeSet<_>>().len(),
            usize::from(VRFS)
        );
    }
}
