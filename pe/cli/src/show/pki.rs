//! `show crypto pki trustpoints | certificates | crls`, as IOS lays them out (CMAP-04).

use std::fmt::Write as _;

use api::{Certificate, Crl, Trustpoint};

use super::none_or;

pub(super) fn trustpoints(trustpoints: &[Trustpoint]) -> String {
    trustpoints.iter().map(trustpoint).collect()
}

fn trustpoint(of: &Trustpoint) -> String {
    let mut text = format!("Trustpoint {}:\n", of.name);
    if let Some(vrf) = &of.vrf {
        let _ = writeln!(text, "    VRF: {vrf}");
    }
    for authority in &of.authorities {
        let _ = writeln!(text, "    CA: {authority}");
    }
    match &of.own {
        Some((subject, key)) => {
            let _ = writeln!(text, "    Our certificate: {subject}\n    Our key: {key}");
        }
        None => text.push_str("    Our certificate: (none), it verifies peers only\n"),
    }
    let _ = writeln!(text, "    Revocation check: {}", of.revocation.join(" "));
    if let Some(url) = &of.crl_url {
        let _ = writeln!(text, "    CRL: {url}");
    }
    if let Some(url) = &of.ocsp_url {
        let _ = writeln!(text, "    OCSP: {url}");
    }
    text.push('\n');
    text
}

/// `now` in seconds since 1970.
pub(super) fn certificates(certificates: &[Certificate], now: u64) -> String {
    certificates.iter().map(|of| certificate(of, now)).collect()
}

fn certificate(of: &Certificate, now: u64) -> String {
    let mut text = String::from(if of.ca { "CA Certificate\n" } else { "Certificate\n" });
    let status = match (now < of.not_before, now > of.not_after) {
        (true, _) => "Not yet valid",
        (_, true) => "Expired",
        (false, false) => "Available",
    };
    let _ = writeln!(text, "  Status: {status}\n  Certificate Serial Number (hex): {}", of.serial);
    let _ = writeln!(text, "  Certificate Usage: {}", if of.ca { "Signature" } else { "General Purpose" });
    for (what, lines) in [("Issuer", &of.issuer), ("Subject", &of.subject)] {
        let _ = writeln!(text, "  {what}:");
        for line in lines {
            let _ = writeln!(text, "    {line}");
        }
    }
    for name in &of.names {
        let _ = writeln!(text, "  Alternative name: {name}");
    }
    for url in &of.crl_urls {
        let _ = writeln!(text, "  CRL Distribution Point: {url}");
    }
    let _ = writeln!(text, "  Validity Date:\n    start date: {}", date(of.not_before));
    let _ = writeln!(text, "    end   date: {}", date(of.not_after));
    let _ = writeln!(text, "  Associated Trustpoints: {}\n", of.trustpoints.join(" "));
    text
}

pub(super) fn crls(crls: &[Crl]) -> String {
    if crls.is_empty() {
        return "No CRL is at hand\n".to_owned();
    }
    crls.iter().map(crl).collect()
}

fn crl(of: &Crl) -> String {
    let next = of.next_update.map(date);
    format!(
        "CRL Issuer Name:\n    {}\n    LastUpdate: {}\n    NextUpdate: {}\n    Retrieved from: {}\n    \
         Revoked certificates: {}\n\n",
        of.issuer,
        date(of.this_update),
        none_or(next.as_ref()),
        of.source,
        of.revoked,
    )
}

/// `12:34:56 UTC Nov 20 2026`.
fn date(seconds: u64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let month = usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or_default();
    format!("{:02}:{:02}:{:02} UTC {month} {day} {year}", time / 3600, time / 60 % 60, time % 60)
}

/// Year, month and day of a day since 1970, by the proleptic Gregorian calendar: eras of 400 years that
/// begin in March.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates_also_around_leap_days() {
        assert_eq!(date(0), "00:00:00 UTC Jan 1 1970");
        assert_eq!(date(951_827_696), "12:34:56 UTC Feb 29 2000");
        assert_eq!(date(951_868_800), "00:00:00 UTC Mar 1 2000");
        assert_eq!(date(4_107_542_400), "00:00:00 UTC Mar 1 2100");
    }
}
