//! What does an X.509 certificate say of itself? Only what a pooler needs: the hash that binds a
//! channel to it, whom it is for, until when it is good.
//!
//! # What always holds
//! - Nothing here decides whether a certificate is believed: `rustls` does. What is read of one
//!   that was believed may be used; of another it is good for messages only.
//! - No function panics, whatever bytes it gets; what can't be read is `None`.
//!
//! # What is deliberately absent
//! - Writing, and extensions other than the names.

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;

/// One element of DER: its tag, what is in it, all of it, and what follows.
struct Element<'a> {
    tag: u8,
    body: &'a [u8],
    rest: &'a [u8],
}

fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, after) = bytes.split_first()?;
    let (&first, after) = after.split_first()?;
    let (len, after) = if first < 0x80 {
        (usize::from(first), after)
    } else {
        // Certificates are shorter than 16 MiB.
        let count = usize::from(first & 0x7f);
        if !(1..=3).contains(&count) || after.len() < count {
            return None;
        }
        let (digits, after) = after.split_at(count);
        let len = digits.iter().fold(0, |n, d| n << 8 | usize::from(*d));
        (len, after)
    };
    if after.len() < len {
        return None;
    }
    let (body, rest) = after.split_at(len);
    Some(Element { tag, body, rest })
}

fn expect(bytes: &[u8], tag: u8) -> Option<Element<'_>> {
    element(bytes).filter(|e| e.tag == tag)
}

/// A certificate's parts.
struct Parts<'a> {
    issuer: &'a [u8],
    validity: &'a [u8],
    subject: &'a [u8],
    key: &'a [u8],
    /// Behind the public key: unique identifiers and extensions.
    further: &'a [u8],
    signature_algorithm: &'a [u8],
}

fn parts(der: &[u8]) -> Option<Parts<'_>> {
    let whole = expect(der, SEQUENCE)?;
    let signed = expect(whole.body, SEQUENCE)?;
    let signature_algorithm = expect(signed.rest, SEQUENCE)?.body;
    let mut rest = signed.body;
    if let Some(version) = expect(rest, 0xa0) {
        rest = version.rest;
    }
    let serial = element(rest)?;
    let algorithm = expect(serial.rest, SEQUENCE)?;
    let issuer = expect(algorithm.rest, SEQUENCE)?;
    let validity = expect(issuer.rest, SEQUENCE)?;
    let subject = expect(validity.rest, SEQUENCE)?;
    let key = expect(subject.rest, SEQUENCE)?;
    Some(Parts {
        issuer: issuer.body,
        validity: validity.body,
        subject: subject.body,
        key: key.body,
        further: key.rest,
        signature_algorithm,
    })
}

/// The hash of a certificate that binds a TLS channel to it (RFC 5929, `tls-server-end-point`):
/// with the hash function of its signature, SHA-256 in place of MD5 and SHA-1. `None` where the
/// signature has none (Ed25519), as in PostgreSQL.
pub fn end_point(der: &[u8]) -> Option<Vec<u8>> {
    let algorithm = parts(der)?.signature_algorithm;
    let name = expect(algorithm, OID)?;
    let hash = match name.body {
        // sha…WithRSAEncryption, 1.2.840.113549.1.1.n.
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, n] => match n {
            4 | 5 | 11 => Hash::Sha256,
            12 => Hash::Sha384,
            13 => Hash::Sha512,
            14 => Hash::Sha224,
            10 => of_pss(name.rest)?,
            _ => return None,
        },
        // ecdsa-with-SHA1, 1.2.840.10045.4.1.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1] => Hash::Sha256,
        // ecdsa-with-SHA…, 1.2.840.10045.4.3.n.
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, n] => match n {
            1 => Hash::Sha224,
            2 => Hash::Sha256,
            3 => Hash::Sha384,
            4 => Hash::Sha512,
            _ => return None,
        },
        _ => return None,
    };
    Some(match hash {
        Hash::Sha224 => Sha224::digest(der).to_vec(),
        Hash::Sha256 => Sha256::digest(der).to_vec(),
        Hash::Sha384 => Sha384::digest(der).to_vec(),
        Hash::Sha512 => Sha512::digest(der).to_vec(),
    })
}

#[derive(Clone, Copy)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// RSASSA-PSS names its hash in the parameters: `[0] hashAlgorithm`, SHA-1 where it is missing.
fn of_pss(parameters: &[u8]) -> Option<Hash> {
    let parameters = expect(parameters, SEQUENCE)?;
    let Some(tagged) = expect(parameters.body, 0xa0) else {
        return Some(Hash::Sha256);
    };
    let algorithm = expect(tagged.body, SEQUENCE)?;
    // 2.16.840.1.101.3.4.2.n
    match expect(algorithm.body, OID)?.body {
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, n] => match n {
            1 => Some(Hash::Sha256),
            2 => Some(Hash::Sha384),
            3 => Some(Hash::Sha512),
            4 => Some(Hash::Sha224),
            _ => None,
        },
        _ => Some(Hash::Sha256),
    }
}

/// The common name of the certificate's subject; the last one where there are several, as OpenSSL
/// shows it. `None` also where it holds a zero byte, with which somebody wants to be taken for
/// somebody else.
pub fn common_name(der: &[u8]) -> Option<String> {
    let mut found = None;
    for (name, value) in attributes(parts(der)?.subject) {
        if name == [0x55, 4, 3] {
            found = Some(value);
        }
    }
    found.filter(|name| !name.contains('\0'))
}

/// The subject for people, in RFC 2253's order: `CN=ann,O=Example`.
pub fn subject(der: &[u8]) -> Option<String> {
    Some(named(parts(der)?.subject))
}

/// Who signed it, for people.
pub fn issuer(der: &[u8]) -> Option<String> {
    Some(named(parts(der)?.issuer))
}

fn named(name: &[u8]) -> String {
    let shown: Vec<String> = attributes(name)
        .rev()
        .map(|(name, value)| {
            let key = match name {
                [0x55, 4, 3] => "CN",
                [0x55, 4, 6] => "C",
                [0x55, 4, 7] => "L",
                [0x55, 4, 8] => "ST",
                [0x55, 4, 10] => "O",
                [0x55, 4, 11] => "OU",
                _ => "?",
            };
            let value: String = value
                .chars()
                .filter(|c| !c.is_control())
                .flat_map(|c| {
                    let escaped = matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
                    escaped.then_some('\\').into_iter().chain([c])
                })
                .collect();
            format!("{key}={value}")
        })
        .collect();
    shown.join(",")
}

/// The attributes of a name: type and value.
fn attributes(mut name: &[u8]) -> std::vec::IntoIter<(&[u8], String)> {
    let mut found = Vec::new();
    while let Some(set) = expect(name, SET) {
        name = set.rest;
        let mut inside = set.body;
        while let Some(pair) = expect(inside, SEQUENCE) {
            inside = pair.rest;
            if let Some(kind) = expect(pair.body, OID)
                && let Some(value) = element(kind.rest)
            {
                found.push((kind.body, string(&value)));
            }
        }
    }
    found.into_iter()
}

fn string(value: &Element<'_>) -> String {
    match value.tag {
        // BMPString: two bytes a character.
        0x1e => {
            let units = value.body.chunks_exact(2);
            let units: Vec<u16> = units.map(|c| u16::from_be_bytes([c[0], c[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(value.body).into_owned(),
    }
}

/// Whether it names hosts in the extension meant for that (subjectAltName). Where it does, its
/// common name says nothing about hosts.
pub fn has_alternative_names(der: &[u8]) -> bool {
    let Some(parts) = parts(der) else {
        return false;
    };
    let mut rest = parts.further;
    while let Some(part) = element(rest) {
        rest = part.rest;
        let Some(list) = (part.tag == 0xa3)
            .then(|| expect(part.body, SEQUENCE))
            .flatten()
        else {
            continue;
        };
        let mut extensions = list.body;
        while let Some(extension) = expect(extensions, SEQUENCE) {
            extensions = extension.rest;
            if expect(extension.body, OID).is_some_and(|oid| oid.body == [0x55, 0x1d, 17]) {
                return true;
            }
        }
    }
    false
}

/// The public key: its algorithm (the inside of an AlgorithmIdentifier) and its bits.
pub fn public_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let algorithm = expect(parts(der)?.key, SEQUENCE)?;
    let bits = expect(algorithm.rest, 0x03)?;
    // The first byte counts the bits of the last one that aren't used: keys are whole bytes.
    let key = bits.body.strip_prefix(&[0])?;
    Some((algorithm.body, key))
}

/// From when until when it is good, in seconds since 1970.
pub fn validity(der: &[u8]) -> Option<(i64, i64)> {
    let first = element(parts(der)?.validity)?;
    let last = element(first.rest)?;
    Some((time(&first)?, time(&last)?))
}

/// UTCTime `YYMMDDhhmmssZ` or GeneralizedTime `YYYYMMDDhhmmssZ`.
fn time(at: &Element<'_>) -> Option<i64> {
    let digits = at.body.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |part: &[u8]| part.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0'));
    let (year, rest) = match (at.tag, digits.len()) {
        (0x17, 12) => {
            let year = number(&digits[..2]);
            // RFC 5280: 50 to 99 are of the last century.
            (year + if year < 50 { 2000 } else { 1900 }, &digits[2..])
        }
        (0x18, 14) => (number(&digits[..4]), &digits[4..]),
        _ => return None,
    };
    let at = |i: usize| number(&rest[2 * i..2 * i + 2]);
    let (month, day) = (at(0), at(1));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days(year, month, day) * 86_400 + at(2) * 3_600 + at(3) * 60 + at(4))
}

/// Days since 1970 of a date in the Gregorian calendar. Years begin in March, so that the day
/// that comes and goes is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 2, 29), 11_016);
        assert_eq!(days(2026, 11, 25), 20_782);
        let utc = [b"\x17\x0d".as_slice(), b"491231235959Z"].concat();
        let general = [b"\x18\x0f".as_slice(), b"20491231235959Z"].concat();
        let at = |der: &[u8]| time(&element(der).unwrap());
        assert_eq!(at(&utc), at(&general));
        assert!(at(&utc).is_some());
        assert_eq!(at(b"\x17\x03abZ"), None);
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x82",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x05\x30",
        ] {
            assert_eq!(end_point(bytes), None);
            assert_eq!(common_name(bytes), None);
            assert_eq!(validity(bytes), None);
            assert!(!has_alternative_names(bytes));
        }
    }
}
