//! Certificates as they are made, and as nobody makes them.

use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, KeyPair, SignatureAlgorithm};
use sha2::{Digest, Sha256, Sha384};
use weir_wire::certificate;

fn made(
    algorithm: &'static SignatureAlgorithm,
    hosts: &[&str],
    tweak: impl FnOnce(&mut CertificateParams),
) -> Vec<u8> {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let hosts: Vec<String> = hosts.iter().map(|h| (*h).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Weir, Inc.");
    params.distinguished_name.push(DnType::CommonName, "ann");
    tweak(&mut params);
    params.self_signed(&key).unwrap().der().to_vec()
}

fn ecdsa() -> Vec<u8> {
    made(&rcgen::PKCS_ECDSA_P256_SHA256, &["db.example"], |_| {})
}

#[test]
fn the_hash_is_that_of_the_signature() {
    let der = ecdsa();
    assert_eq!(
        certificate::end_point(&der),
        Some(Sha256::digest(&der).to_vec())
    );
    let der = made(&rcgen::PKCS_ECDSA_P384_SHA384, &[], |_| {});
    assert_eq!(
        certificate::end_point(&der),
        Some(Sha384::digest(&der).to_vec())
    );
    let der = made(&rcgen::PKCS_ED25519, &[], |_| {});
    assert_eq!(certificate::end_point(&der), None);
}

#[test]
fn names_are_read_and_shown() {
    let der = ecdsa();
    assert_eq!(certificate::common_name(&der).as_deref(), Some("ann"));
    let subject = certificate::subject(&der).unwrap();
    assert_eq!(subject, "CN=ann,O=Weir\\, Inc.");
    assert_eq!(certificate::issuer(&der), Some(subject));
    assert!(certificate::has_alternative_names(&der));
    let der = made(&rcgen::PKCS_ECDSA_P256_SHA256, &[], |_| {});
    assert!(!certificate::has_alternative_names(&der));
}

#[test]
fn a_name_with_a_zero_byte_is_nobodys() {
    let der = made(&rcgen::PKCS_ECDSA_P256_SHA256, &[], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "ann\0.evil");
    });
    assert_eq!(certificate::common_name(&der), None);
}

#[test]
fn dates_are_seconds_since_1970() {
    let der = made(&rcgen::PKCS_ECDSA_P256_SHA256, &[], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 2, 29);
        params.not_after = rcgen::date_time_ymd(2077, 1, 1);
    });
    assert_eq!(
        certificate::validity(&der),
        Some((1_582_934_400, 3_376_684_800))
    );
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
    }

    #[test]
    fn nor_does_a_certificate_that_was_tampered_with(at in 0usize..600, to in any::<u8>()) {
        let mut der = ecdsa();
        let at = at % der.len();
        der[at] = to;
        read(&der);
        read(&der[..at]);
    }
}

fn read(bytes: &[u8]) {
    let _ = certificate::end_point(bytes);
    let _ = certificate::common_name(bytes);
    let _ = certificate::subject(bytes);
    let _ = certificate::issuer(bytes);
    let _ = certificate::has_alternative_names(bytes);
    let _ = certificate::public_key(bytes);
    let _ = certificate::validity(bytes);
}
