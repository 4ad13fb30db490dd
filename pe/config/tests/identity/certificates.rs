//! `crypto pki`, `crypto identity`.

use config::model::{CertificateMap, Crl, PeerIdentity, Trustpoint};
use pki::{Attribute, Criterion, Field, Revocation, Test};

use super::*;

pub(crate) fn part() -> impl Strategy<Value = Hidden<Config>> {
    (trustpoints(), maps(), identities()).prop_map(|(trustpoints, certificate_maps, identities)| {
        Hidden(Config { trustpoints, certificate_maps, identities, ..Config::default() })
    })
}

fn trustpoints() -> impl Strategy<Value = Vec<Trustpoint>> {
    let path = || "[a-z/.]{1,9}";
    let url = || "http://[a-z.]{1,9}(/[a-z]{0,3})?";
    let crl = prop_oneof![url().prop_map(Crl::Url), path().prop_map(Crl::File)];
    let methods = select(vec![
        vec![Revocation::Crl],
        vec![Revocation::None],
        vec![Revocation::Ocsp, Revocation::Crl, Revocation::None],
        vec![Revocation::Crl, Revocation::Ocsp],
    ]);
    let own = prop::option::of((path(), path()));
    let anchors = prop::collection::btree_set(path(), 0..3).prop_map(|set| set.into_iter().collect());
    let how = (methods, prop::option::of(crl), prop::option::of(url()));
    prop::collection::vec((text(), maybe(&VRFS), anchors, own, how), POINTS.len()).prop_map(|all| {
        let point = |(name, (description, vrf, ca_certificates, own, (revocation, crl, ocsp_url)))| {
            let (certificate, private_key) = Option::unzip(own);
            Trustpoint {
                name: str::to_owned(name),
                description,
                vrf,
                ca_certificates,
                certificate,
                private_key,
                revocation,
                crl,
                ocsp_url,
            }
        };
        POINTS.into_iter().zip(all).map(point).collect()
    })
}

fn criterion() -> impl Strategy<Value = Criterion> {
    let names = select(vec![
        Field::SubjectName,
        Field::IssuerName,
        Field::AltSubjectName,
        Field::UnstructuredSubjectName,
        Field::Name,
        Field::SerialNumber,
    ]);
    let test = select(vec![Test::Equal, Test::NotEqual, Test::Contains, Test::NotContains]);
    let text = (names, test, "[a-z]{1,3}( ?=  ?[a-zA-Z]{1,5})?").prop_map(|(field, test, value)| Criterion {
        field,
        test,
        value,
    });
    let dates = select(vec![Field::ValidStart, Field::ExpiresOn]);
    let test = select(vec![Test::Equal, Test::NotEqual, Test::Less, Test::GreaterOrEqual]);
    let date = select(vec!["20 11 2026 22:50:00", "nov 20 2026 22:50:00"]);
    let date = (dates, test, date).prop_map(|(field, test, value)| Criterion {
        field,
        test,
        value: value.to_owned(),
    });
    prop_oneof![text, date]
}

fn maps() -> impl Strategy<Value = BTreeMap<String, CertificateMap>> {
    let criteria = prop::collection::vec(criterion(), 0..4).prop_map(unique);
    let map = prop::collection::btree_map(1..=65535_u32, criteria, 1..3);
    prop::collection::vec(map, CERTIFICATE_MAPS.len()).prop_map(|all| {
        let map = |(name, sequences)| (str::to_owned(name), CertificateMap { sequences });
        CERTIFICATE_MAPS.into_iter().zip(all).map(map).collect()
    })
}

fn identities() -> impl Strategy<Value = BTreeMap<String, Vec<PeerIdentity>>> {
    let kind = select(vec!["cn", "o", "ou", "unstructuredname", "1.2.3"]).prop_map(str::to_owned);
    let value = "[!-~\u{e9}]{0,4}( [!-~]{1,3})?".prop_map(|text: String| text.trim().to_owned());
    let attribute = (kind, value).prop_map(|(kind, value)| Attribute { kind, value });
    let one = prop_oneof![
        prop::collection::vec(attribute, 1..4).prop_map(PeerIdentity::Dn),
        "[a-z]{1,9}".prop_map(PeerIdentity::Fqdn),
    ];
    let list = prop::collection::vec(one, 0..3).prop_map(unique);
    prop::collection::vec(list, IDENTITIES.len())
        .prop_map(|all| IDENTITIES.into_iter().map(str::to_owned).zip(all).collect())
}
