//! Whether a certificate proves what a peer says of itself in its ID payload (RFC 4945 section 3).

use super::Certificate;
use crate::{AltName, Dn, Refusal};

impl Certificate {
    /// Whether the CA vouches that its holder is `claim`. A directory name is the subject or an alternative
    /// name. An address, host name or email address is an alternative name; a certificate without any
    /// alternative name of that kind also proves the subject's `unstructuredname`, `unstructuredaddress` or `e`, as IOS
    /// writes them, and one without any at all its `cn` as a host name.
    pub fn proves(&self, claim: &AltName) -> Result<(), Refusal> {
        let says_nothing = *claim == AltName::Directory(Dn::default());
        if !says_nothing
            && (self.alt_names.iter().any(|name| same(name, claim)) || self.subject_proves(claim))
        {
            return Ok(());
        }
        Err(Refusal::new(
            "identity-not-in-certificate",
            format!(
                "the peer says it is {claim}, but its certificate is of {}: make the peer send its distinguished name, \
                 or issue a certificate with this alternative name",
                self.names_text()
            ),
        ))
    }

    fn subject_proves(&self, claim: &AltName) -> bool {
        let lacks = |kind: fn(&AltName) -> bool| !self.alt_names.iter().any(kind);
        let says =
            |kind: &str, text: &str| self.subject.values(kind).any(|value| value.eq_ignore_ascii_case(text));
        match claim {
            AltName::Directory(name) => *name == self.subject,
            AltName::Address(address) => {
                lacks(|name| matches!(name, AltName::Address(_)))
                    && says("unstructuredaddress", &address.to_string())
            }
            AltName::Dns(host) => {
                lacks(|name| matches!(name, AltName::Dns(_))) && says("unstructuredname", host)
                    || self.alt_names.is_empty() && says("cn", host)
            }
            AltName::Email(address) => lacks(|name| matches!(name, AltName::Email(_))) && says("e", address),
        }
    }

    fn names_text(&self) -> String {
        let names = self.alt_names.iter().map(ToString::to_string);
        std::iter::once(self.subject.to_string()).chain(names).collect::<Vec<_>>().join(", ")
    }
}

/// Host names and email addresses without regard to case: operators write both, and CAs too.
fn same(name: &AltName, claim: &AltName) -> bool {
    match (name, claim) {
        (AltName::Dns(ours), AltName::Dns(theirs)) | (AltName::Email(ours), AltName::Email(theirs)) => {
            ours.eq_ignore_ascii_case(theirs)
        }
        _ => name == claim,
    }
}
