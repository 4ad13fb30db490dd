//! The configuration language: IOS text to a typed `Config` and back, with every fault in its place.
//!
//! One command tree (`ios/commands`) drives parsing, abbreviation, `no` forms and printing: each row
//! holds a command's pattern, what it sets, what its `no` form undoes, and how it reads back.
#![forbid(unsafe_code)]

mod finding;
pub use finding::{Finding, Severity, report};

mod secrets;
pub use secrets::{MasterKey, Open, Seal, Unopened, Written, open_none, rewrite_keys};

mod check;
mod ios;

pub mod model;
pub use model::Config;

/// A configuration without errors, and what is doubtful about it.
pub struct Parsed {
    pub config: Config,
    /// Never of severity `Error`; in the order of the text.
    pub warnings: Vec<Finding>,
}

/// The text of a configuration file. The error says where it is none.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = good.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
        format!("line {line}, column {column}: this is not UTF-8 text")
    })
}

/// Reads a whole configuration. If anything in it is wrong, every finding comes back (errors and
/// warnings, in the order of the text) and no configuration does.
///
/// There is no master key: a key of type 6 is refused.
pub fn parse(text: &str) -> Result<Parsed, Vec<Finding>> {
    parse_with(text, &open_none)
}

/// As `parse`, with what opens keys of type 6, such as `MasterKey::open`.
pub fn parse_with(text: &str, open: Open<'_>) -> Result<Parsed, Vec<Finding>> {
    let (config, findings) = ios::parse(text, open);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(findings);
    }
    Ok(Parsed { config, warnings: findings })
}

/// The pattern of every command: keywords, `<NAME:kind>` for arguments, `[ … ]` optional, `{ … | … }` a choice.
pub fn commands() -> impl Iterator<Item = &'static str> {
    ios::patterns()
}

/// The configuration as text that `parse` reads back to the same `Config`. Secrets are in clear: this
/// is for saving, to a file that only its owner reads.
pub fn print(config: &Config) -> String {
    ios::print(config, &mut ios::Keys::Clear)
}

/// As `print`, with keys as type 6 where `password encryption aes` is on.
pub fn print_sealed(config: &Config, seal: Seal<'_>) -> String {
    if !config.password_encryption {
        return print(config);
    }
    ios::print(config, &mut ios::Keys::Sealed(seal))
}

/// As `print`, with `<hidden>` in the place of each secret: for eyes.
pub fn print_hidden(config: &Config) -> String {
    ios::print(config, &mut ios::Keys::Hidden)
}
