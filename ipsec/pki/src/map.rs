//! Certificate maps: tests of the fields of a certificate (CMAP-01, REV-8).

use std::time::Duration;

use crate::name::fold;
use crate::{AltName, Attribute, Certificate, Dn, Malformed};

/// One line of a certificate map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Criterion {
    pub field: Field,
    pub test: Test,
    /// Compared without regard to case.
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    SubjectName,
    IssuerName,
    AltSubjectName,
    UnstructuredSubjectName,
    SerialNumber,
    /// Any of its names: subject, alternative or issuer.
    Name,
    ValidStart,
    ExpiresOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    Equal,
    NotEqual,
    Contains,
    NotContains,
    Less,
    GreaterOrEqual,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

impl Criterion {
    /// Refuses a test that the field does not have, and a date that is none.
    pub fn new(field: Field, test: Test, value: &str) -> Result<Self, Malformed> {
        let dated = matches!(field, Field::ValidStart | Field::ExpiresOn);
        let fits = match test {
            Test::Equal | Test::NotEqual => true,
            Test::Contains | Test::NotContains => !dated,
            Test::Less | Test::GreaterOrEqual => dated,
        };
        if !fits {
            let tests = if dated { "eq, ne, lt and ge" } else { "eq, ne, co and nc" };
            return Err(Malformed::new("a test of this field", format!("it takes {tests}")));
        }
        if dated && date(value).is_none() {
            let form = "write \"20 11 2026 22:50:00\" or \"nov 20 2026 22:50:00\", in UTC";
            return Err(Malformed::new("a date", form));
        }
        Ok(Self { field, test, value: value.to_owned() })
    }

    /// Whether `certificate` passes. A value with `type=value` in it is compared attribute by attribute, so that
    /// no text inside another attribute can pass for it.
    pub fn holds(&self, certificate: &Certificate) -> bool {
        match self.field {
            Field::ValidStart => self.compares(certificate.not_before),
            Field::ExpiresOn => self.compares(certificate.not_after),
            Field::SerialNumber => {
                self.text_holds(std::iter::once(serial(&certificate.serial_text())), serial)
            }
            Field::SubjectName => self.names_hold([&certificate.subject], &[]),
            Field::IssuerName => self.names_hold([&certificate.issuer], &[]),
            Field::AltSubjectName => self.names_hold([], &certificate.alt_names),
            Field::Name => {
                self.names_hold([&certificate.subject, &certificate.issuer], &certificate.alt_names)
            }
            Field::UnstructuredSubjectName => {
                self.text_holds(certificate.subject.values("unstructuredname").map(fold), fold)
            }
        }
    }

    fn compares(&self, moment: u64) -> bool {
        let Some(value) = date(&self.value) else { return false };
        match self.test {
            Test::Equal => moment == value,
            Test::NotEqual => moment != value,
            Test::Less => moment < value,
            Test::GreaterOrEqual => moment >= value,
            Test::Contains | Test::NotContains => false,
        }
    }

    fn text_holds(&self, mut texts: impl Iterator<Item = String>, form: fn(&str) -> String) -> bool {
        let value = form(&self.value);
        self.verdict(|whole| texts.any(|text| if whole { text == value } else { text.contains(&value) }))
    }

    fn names_hold<const N: usize>(&self, names: [&Dn; N], alternative: &[AltName]) -> bool {
        let wanted = Attribute::parse_list(&self.value).ok();
        let value = fold(&self.value);
        let directory = |name: &Dn, whole: bool| match &wanted {
            Some(wanted) => attributes_fit(name, wanted, whole),
            None => name.attributes.iter().any(|one| !whole && fold(&one.value).contains(&value)),
        };
        self.verdict(|whole| {
            names.iter().any(|name| directory(name, whole))
                || alternative.iter().any(|name| match name {
                    AltName::Directory(name) => directory(name, whole),
                    AltName::Address(_) | AltName::Dns(_) | AltName::Email(_) => {
                        let text = fold(&name.to_string());
                        if whole { text == value } else { text.contains(&value) }
                    }
                })
        })
    }

    /// `found` looks for the whole value, or else for a part; no certificate passes a test the field does not have.
    fn verdict(&self, found: impl FnOnce(bool) -> bool) -> bool {
        match self.test {
            Test::Equal => found(true),
            Test::NotEqual => !found(true),
            Test::Contains => found(false),
            Test::NotContains => !found(false),
            Test::Less | Test::GreaterOrEqual => false,
        }
    }
}

/// `whole`: the name has these attributes and no other, in any order. Else each is there, the last of them
/// perhaps as the beginning of a longer value, as in a text of which it were a part.
fn attributes_fit(name: &Dn, wanted: &[Attribute], whole: bool) -> bool {
    let Some((last, others)) = wanted.split_last() else { return false };
    if whole {
        return name.attributes.len() == wanted.len() && name.has_all(wanted);
    }
    let begins = |one: &Attribute| one.kind == last.kind && fold(&one.value).starts_with(&fold(&last.value));
    name.has_all(others) && name.attributes.iter().any(begins)
}

/// Hexadecimal digits alone.
fn serial(text: &str) -> String {
    let text = text.to_lowercase();
    let digits = text.strip_prefix("0x").unwrap_or(&text);
    digits.chars().filter(char::is_ascii_hexdigit).collect::<String>().trim_start_matches('0').to_owned()
}

/// `dd mm yyyy hh:mm:ss` or `mmm dd yyyy hh:mm:ss`, in UTC; seconds since 1970.
fn date(text: &str) -> Option<u64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [first, second, year, clock] = words.as_slice() else { return None };
    let named = MONTHS.iter().position(|month| first.to_lowercase().starts_with(month));
    let (day, month) = match named {
        Some(place) => (second.parse().ok()?, u8::try_from(place + 1).ok()?),
        None => (first.parse().ok()?, second.parse().ok()?),
    };
    let clock: Vec<u8> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hour, minute, second] = clock.as_slice() else { return None };
    let date = der::DateTime::new(year.parse().ok()?, month, day, *hour, *minute, *second).ok()?;
    Some(Duration::as_secs(&date.unix_duration()))
}

#[cfg(test)]
mod tests;
