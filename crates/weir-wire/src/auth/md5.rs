//! The old md5 method: `md5(md5(password + user) + salt)`.

use md5::{Digest, Md5};

/// What a server stores: `md5` and the hash of password and user. Anyone who has it can log in, so
/// it is no better kept than the password.
pub fn secret(password: &[u8], user: &[u8]) -> String {
    format!("md5{}", hex(&[password, user]))
}

/// Whether a secret of a user list is meant as one: `md5` and 32 lower-case hexadecimal digits.
pub fn is_secret(secret: &str) -> bool {
    secret.strip_prefix("md5").is_some_and(|hash| {
        hash.len() == 32 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The answer to a salt, from a stored secret (`md5…`, see [`secret`]). Without its prefix, the
/// text is taken as the bare hash.
pub fn response(secret: &str, salt: [u8; 4]) -> String {
    let hash = secret.strip_prefix("md5").unwrap_or(secret);
    format!("md5{}", hex(&[hash.as_bytes(), &salt]))
}

/// Whether a client's answer fits a stored secret. Takes as long wherever they differ.
pub fn verify(secret: &str, salt: [u8; 4], answer: &[u8]) -> bool {
    let expected = response(secret, salt);
    let same_length = expected.len() == answer.len();
    let differing = expected
        .bytes()
        .zip(answer)
        .fold(0, |sum, (a, b)| sum | (a ^ b));
    same_length && std::hint::black_box(differing) == 0
}

fn hex(parts: &[&[u8]]) -> String {
    use std::fmt::Write as _;
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .fold(String::with_capacity(32), |mut text, byte| {
            let _ = write!(text, "{byte:02x}"); // a String takes everything
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_postgresqls() {
        let stored = secret(b"secret", b"ann");
        assert_eq!(stored, "md59d792a3a8853c2411afb9163d088c036");
        assert!(is_secret(&stored));
        assert_eq!(
            response(&stored, [1, 2, 3, 4]),
            "md59009ce60b9ca97f1e752376843d1309e"
        );
    }

    #[test]
    fn an_answer_fits_its_salt_only() {
        let stored = secret(b"secret", b"ann");
        let answer = response(&stored, [1, 2, 3, 4]);
        assert!(verify(&stored, [1, 2, 3, 4], answer.as_bytes()));
        assert!(!verify(&stored, [1, 2, 3, 5], answer.as_bytes()));
        assert!(!verify(&stored, [1, 2, 3, 4], b"md5"));
    }

    #[test]
    fn only_the_stored_form_is_recognised() {
        assert!(!is_secret("md5"));
        assert!(!is_secret("md5 is my password and it is 35 chr"));
        assert!(!is_secret("hunter2"));
    }
}
