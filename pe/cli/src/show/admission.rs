//! `show crypto call admission statistics` and `show crypto ikev2 stats`.

use std::fmt::Write as _;

use api::Admission;

const RULE: &str = "---------------------------------------------------------------------";

/// In IOS's layout (CAC-05).
pub(super) fn calls(of: &Admission) -> String {
    format!("{RULE}\n               Crypto Call Admission Control Statistics\n{RULE}\n{}", table(of, "IKE"))
}

/// The requests are those of both versions: admission does not tell them apart.
pub(super) fn second(of: &Admission) -> String {
    let challenged = of.cookies_right + of.cookies_wrong + of.cookies_missing;
    format!(
        "{RULE}\n                   Crypto IKEv2 SA Statistics\n{RULE}\n{}\
         Incoming IKEv2 Cookie Challenged Requests: {challenged}\n    \
         accepted: {} rejected: {} rejected no cookie: {}\n",
        table(of, "IKEv2"),
        of.cookies_right,
        of.cookies_wrong,
        of.cookies_missing
    )
}

fn table(of: &Admission, what: &str) -> String {
    let rejected = of.incoming_rejected + of.outgoing_rejected;
    let rows = [
        [
            ("System Resource Limit:".to_owned(), u64::from(of.load_limit)),
            (format!("Max {what} SAs:"), of.most.into()),
            ("Max in nego:".to_owned(), of.most_negotiating.into()),
        ],
        [
            (format!("Total {what} SA Count:"), of.active + of.negotiating),
            ("active:".to_owned(), of.active),
            ("negotiating:".to_owned(), of.negotiating),
        ],
        [
            ("Incoming IKE Requests:".to_owned(), of.incoming_accepted + of.incoming_rejected),
            ("accepted:".to_owned(), of.incoming_accepted),
            ("rejected:".to_owned(), of.incoming_rejected),
        ],
        [
            ("Outgoing IKE Requests:".to_owned(), of.outgoing_accepted + of.outgoing_rejected),
            ("accepted:".to_owned(), of.outgoing_accepted),
            ("rejected:".to_owned(), of.outgoing_rejected),
        ],
        [
            ("Rejected IKE Requests:".to_owned(), rejected),
            ("rsrc low:".to_owned(), of.rejected_for_load),
            ("SA limit:".to_owned(), of.rejected_for_limit),
        ],
    ];
    let mut text = String::new();
    for [(total, all), (left, one), (right, other)] in rows {
        let _ = writeln!(text, "{total:<25} {all:>6} {left:<14} {one:>6} {right:<12} {other:>6}");
    }
    text
}
