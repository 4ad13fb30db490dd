//! IKE SAs without a child, opened by us (RFC 6023).

use base::Secret;

use super::pair::{A, B, Pair, Setup, path};
use crate::config::v2::{Authentication, Profile, Remote};
use crate::reach::Target;
use crate::{Command, Config};

/// Two engines that know each other's key, and nothing is left of the IKE SA from before they did; `welcome`: whether B takes an IKE SA without a child.
fn strangers(welcome: bool) -> Pair {
    let mut pair = Pair::childless(&Setup::default());
    for who in [A, B] {
        let old = pair.sides[who].ike.core.config.clone();
        let mut new = Config::clone(&old);
        new.entries[0].profile = Some("site".into());
        new.v2.profiles = vec![profile(welcome)];
        pair.command(who, Command::Configure(new.into()));
    }
    pair.settle();
    assert_eq!((pair.sessions(A), pair.sessions(B)), (0, 0));
    pair
}

fn profile(childless: bool) -> Profile {
    let key = || Authentication::PreShared(Some(Secret::from(&b"secret"[..])));
    Profile {
        name: "site".into(),
        front: crate::config::v2::Front::Any,
        local: Vec::new(),
        remote: vec![Remote::Any],
        certificate_maps: Vec::new(),
        inside: Some(base::VrfId(1)),
        identity: None,
        local_authentication: key(),
        remote_authentication: vec![key()],
        keyring: None,
        sign: Vec::new(),
        verify: Vec::new(),
        lifetime: std::time::Duration::from_secs(86_400),
        reauthentication: false,
        dpd: None,
        nat_keepalive: None,
        force_initial_contact: false,
        mobike: false,
        childless,
    }
}

/// A opens with nothing to be negotiated.
fn open(pair: &mut Pair) {
    let ike = &mut pair.sides[A].ike;
    ike.core.now = pair.now;
    let entry = ike.core.config.entries[0].clone();
    let target = Target { entry: &entry, path: path(A), host: None, replaces: None };
    assert!(ike.open_to(target, None).is_ok());
    pair.command(A, Command::Load(0));
    pair.settle();
}

#[test]
fn without_a_child_it_comes_up_and_the_first_child_comes_by_itself() {
    let mut pair = strangers(true);
    open(&mut pair);
    assert_eq!((pair.children(A), pair.children(B)), (0, 0));
    let (a, b) = (pair.session(A), pair.session(B));
    assert_eq!((pair.sessions(A), pair.sessions(B)), (1, 1));
    pair.acquire(A, 0);
    assert!(pair.peek(A).starts_with("CREATE? SA"), "{}", pair.peek(A));
    pair.settle();
    pair.agree();
    assert_eq!((pair.session(A), pair.session(B)), (a, b), "in the same IKE SA");
}

#[test]
fn a_peer_that_takes_none_without_a_child_is_not_asked() {
    let mut pair = strangers(false);
    open(&mut pair);
    assert_eq!((pair.sessions(A), pair.sessions(B)), (0, 1), "B waits in vain");
    let records = pair.sides[A].ike.explain(path(A).front, path(A).remote.ip());
    let outcome = format!("{:?}", records.last().unwrap().outcome);
    assert!(outcome.contains("childless-not-supported"), "{outcome}");
}
