//! What a server stores instead of a password, and the two keys that stand for one.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// The two keys derived from a password, a salt and a count. Who has them can log in to any server
/// whose verifier was made with the same salt and count, and can check that server's proof; the
/// password can't be got back from them.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// Proves the client.
    pub client_key: [u8; 32],
    /// Proves the server.
    pub server_key: [u8; 32],
}

impl Keys {
    /// Derives the keys: PBKDF2 over the prepared password. The expensive step: 0.1 µs a round
    /// and more.
    pub fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let mut salted = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(&prepare(password), salt, iterations, &mut salted);
        Self {
            client_key: hmac(&salted, &[b"Client Key"]),
            server_key: hmac(&salted, &[b"Server Key"]),
        }
    }

    /// What a verifier stores of the client's key.
    pub fn stored_key(&self) -> [u8; 32] {
        sha256(&self.client_key)
    }
}

// Keys open doors; they don't belong in logs.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// A line of `pg_authid.rolpassword` or of a user list:
/// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Rounds of PBKDF2.
    pub iterations: u32,
    /// The salt, decoded.
    pub salt: Vec<u8>,
    /// Hash of the client's key.
    pub stored_key: [u8; 32],
    /// The server's key.
    pub server_key: [u8; 32],
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// Why a text is not a verifier. Says nothing of the text itself: it is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SCRAM verifier: {what}")]
pub struct VerifierError {
    what: &'static str,
}

impl Verifier {
    /// Whether a secret of a user list is meant as one.
    pub fn is_verifier(secret: &str) -> bool {
        secret.starts_with("SCRAM-SHA-256$")
    }

    /// Makes one from a plain password, for clients whose password is listed in plain text.
    pub fn from_password(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let keys = Keys::derive(password, salt, iterations);
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: keys.stored_key(),
            server_key: keys.server_key,
        }
    }

    /// A verifier that no password fits, for users that don't exist: the exchange runs to its end
    /// and fails there, so that who probes can't tell a missing user from a wrong password. The
    /// salt must be the same each time for the same user: hash the name with a secret of the
    /// process.
    pub fn decoy(salt: &[u8]) -> Self {
        Self {
            iterations: super::ITERATIONS_DEFAULT,
            salt: salt.to_vec(),
            stored_key: [0; 32],
            server_key: [0; 32],
        }
    }
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, VerifierError> {
        let err = |what| VerifierError { what };
        let rest = text
            .strip_prefix("SCRAM-SHA-256$")
            .ok_or(err("it doesn't begin with SCRAM-SHA-256$"))?;
        let (head, keys) = rest.split_once('$').ok_or(err("the keys are missing"))?;
        let (iterations, salt) = head.split_once(':').ok_or(err("the salt is missing"))?;
        let (stored, server) = keys.split_once(':').ok_or(err("ServerKey is missing"))?;
        let iterations = iterations
            .parse()
            .ok()
            .filter(|n| *n > 0)
            .ok_or(err("the iteration count is not a positive number"))?;
        let salt = STANDARD
            .decode(salt)
            .map_err(|_| err("the salt is not base64"))?;
        let key = |text: &str| STANDARD.decode(text).ok()?.try_into().ok();
        Ok(Self {
            iterations,
            salt,
            stored_key: key(stored).ok_or(err("StoredKey is not 32 bytes of base64"))?,
            server_key: key(server).ok_or(err("ServerKey is not 32 bytes of base64"))?,
        })
    }
}

/// As PostgreSQL stores it.
impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(self.stored_key),
            STANDARD.encode(self.server_key)
        )
    }
}

/// SASLprep; where it forbids the text, or the text is not UTF-8, the bytes as they are. So does
/// PostgreSQL (`pg_saslprep`), or such users could not log in.
fn prepare(password: &[u8]) -> Vec<u8> {
    std::str::from_utf8(password)
        .ok()
        .and_then(|text| stringprep::saslprep(text).ok())
        .map_or_else(|| password.to_vec(), |text| text.as_bytes().to_vec())
}

pub(super) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(super) fn xor(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

/// Equality that takes as long wherever the difference is.
pub(super) fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let differing = a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(differing) == 0
}
