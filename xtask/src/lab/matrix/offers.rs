//! What a peer cannot do, and why: so that no cell is left out in silence.

use super::algorithm::Suite;
use super::scenario::{Auth, By, Cell, Exchange, Fault, Peer, Phase, Proof, Role};

/// Why there is no such cell; `None`: there is.
pub(super) fn lacking(cell: &Cell) -> Option<&'static str> {
    lacking_path(cell).or_else(|| lacking_patience(cell)).or_else(|| lacking_role(cell)).or_else(
        || match cell.peer {
            Peer::Swan => lacking_in_process(cell),
            Peer::Kern => lacking_in_kernel(cell),
            Peer::Libre => lacking_in_libreswan(cell),
        },
    )
}

fn lacking_path(cell: &Cell) -> Option<&'static str> {
    let moves = cell.scenario.proof == Proof::Moves;
    if moves && cell.role == Role::We {
        return Some("whoever opened decides the path (RFC 4555): here we, and a PE stays where it is");
    }
    None
}

/// A lifetime takes its time: each row waits for it once, the three of them side by side.
fn lacking_patience(cell: &Cell) -> Option<&'static str> {
    let scenario = &cell.scenario;
    let waits = match (scenario.is_v1(), scenario.reauthentication) {
        (true, _) => Peer::Libre,
        (false, false) => Peer::Swan,
        (false, true) => Peer::Kern,
    };
    let is_other = (cell.peer, cell.role) != (waits, Role::They);
    let lives_out = scenario.proof == Proof::Rekey(Phase::One, By::Us);
    (lives_out && is_other).then_some("a lifetime is a minute or two: one cell of the row waits for it")
}

/// What has but one side to open it.
fn lacking_role(cell: &Cell) -> Option<&'static str> {
    let scenario = &cell.scenario;
    if cell.role == Role::They {
        return None;
    }
    if scenario.fault() == Some(Fault::Identity) && scenario.exchange == Exchange::Main {
        return Some("whom we open to by address we expect under that address");
    }
    if scenario.transport {
        return Some("nothing of the box itself is sent through a crypto map");
    }
    scenario.childless.then_some("we open for traffic, with a child")
}

fn lacking_in_process(cell: &Cell) -> Option<&'static str> {
    if cell.scenario.transport || cell.scenario.esn {
        return Some("strongSwan's ESP in a process has tunnel mode only, and no ESN");
    }
    None
}

fn lacking_in_kernel(cell: &Cell) -> Option<&'static str> {
    let of_ike = ["v1 phase 1 ", "v2 IKE SA "].iter().any(|prefix| cell.scenario.name.starts_with(prefix));
    of_ike.then_some("the same IKE as beside it: only the ESP is another")
}

fn lacking_in_libreswan(cell: &Cell) -> Option<&'static str> {
    let scenario = &cell.scenario;
    if scenario.is_v1() && matches!(scenario.proof, Proof::Rekey(_, By::Them)) {
        return Some("libreswan rekeys version 1 at the end of a lifetime only, never on command");
    }
    if scenario.proof == Proof::Moves && !scenario.nat {
        return Some("libreswan moves only a roaming client that leases its inner address");
    }
    if matches!(scenario.proof, Proof::Refused(Fault::Expired, _)) {
        return Some("libreswan does not load a certificate that has expired");
    }
    if scenario.auth == Auth::Ed25519 {
        return Some("libreswan 4.10 has no Ed25519");
    }
    if scenario.ike.starts_with("ccm") || scenario.ike.contains("cmac") {
        return Some("libreswan has CCM and CMAC for ESP only");
    }
    if scenario.childless {
        return Some("libreswan has no childless SAs");
    }
    let without = |text| Suite::read(text).is_ok_and(|suite| suite.libre_lacks());
    if without(scenario.ike) || without(scenario.esp) {
        return Some("not built into Debian's libreswan");
    }
    None
}
