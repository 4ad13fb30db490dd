//! PEM files of certificates and lists (RFC 7468).

use crate::Malformed;

/// The contents of all blocks with one of these labels, in order. At least one, and none of them broken.
pub(crate) fn blocks(text: &[u8], labels: &[&str]) -> Result<Vec<Vec<u8>>, Malformed> {
    let what = "a PEM file that we can use";
    let wanted = |label: &str| labels.contains(&label);
    let whole: Vec<Vec<u8>> = crypto::pem::blocks(text)
        .iter()
        .filter(|block| wanted(block.label))
        .map(|block| block.der.expose().to_vec())
        .collect();
    let begun = String::from_utf8_lossy(text)
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----").map(wanted))
        .filter(|wanted| *wanted)
        .count();
    if begun == 0 {
        return Err(Malformed::new(what, format!("there is no {} in it", labels.join(" or "))));
    }
    if whole.len() < begun {
        return Err(Malformed::new(what, "a block of it is cut off, or not base64"));
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(body: &str) -> String {
        format!(
            "text before\r\n-----BEGIN CERTIFICATE-----\r\n{body}\r\n-----END CERTIFICATE-----\r\ntext after\n"
        )
    }

    #[test]
    fn every_block_is_read_whatever_stands_around_it() {
        assert_eq!(blocks(block("Zm9v\r\nYmE=").as_bytes(), &["CERTIFICATE"]).unwrap(), [b"fooba"]);
        let two = format!("{}{}", block("AA=="), block("AQI="));
        assert_eq!(blocks(two.as_bytes(), &["CERTIFICATE"]).unwrap(), [vec![0], vec![1, 2]]);
    }

    #[test]
    fn blocks_of_other_kinds_are_passed_over() {
        let key = "-----BEGIN PRIVATE KEY-----\n????\n-----END PRIVATE KEY-----\n";
        let both = format!("{key}{}", block("AA=="));
        assert_eq!(blocks(both.as_bytes(), &["CERTIFICATE"]).unwrap(), [[0]]);
        assert!(blocks(key.as_bytes(), &["CERTIFICATE"]).is_err());
    }

    #[test]
    fn a_broken_block_among_good_ones_is_refused_not_left_out() {
        assert!(blocks(b"", &["CERTIFICATE"]).is_err());
        let broken = format!("{}{}", block("AA=="), block("Zm9*"));
        assert!(blocks(broken.as_bytes(), &["CERTIFICATE"]).is_err());
        let cut = format!("{}-----BEGIN CERTIFICATE-----\nAA==\n", block("AA=="));
        assert!(blocks(cut.as_bytes(), &["CERTIFICATE"]).is_err());
    }
}
