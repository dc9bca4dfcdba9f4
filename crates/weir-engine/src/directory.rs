//! Who may come in, and by which proof: the user list as the engine uses it.
//!
//! # What always holds
//! - Verifiers are made from plain passwords once each, when they are first asked for: a
//!   millisecond in which nobody is served, so never for all users at once.
//! - A change of the list leaves alone what is known of users whose secret stayed the same.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use weir_model::PoolerSettings;
use weir_wire::auth::md5;
use weir_wire::auth::scram::{Keys, Verifier, VerifierError};

use crate::engine::SettingsFault;
use crate::ids::Dice;

/// What is known of a user.
#[derive(Clone)]
pub(crate) enum Entry {
    Plain {
        password: Arc<str>,
        /// Made when first asked for.
        verifier: Option<Verifier>,
    },
    Md5(Arc<str>),
    Scram(Verifier),
    /// Known, and nothing proves it: its password is NULL, or empty.
    Closed,
}

impl Entry {
    /// Of a secret as user lists and `pg_authid` have it.
    pub(crate) fn read(secret: &str) -> Result<Self, VerifierError> {
        Ok(if Verifier::is_verifier(secret) {
            Self::Scram(Verifier::from_str(secret)?)
        } else if md5::is_secret(secret) {
            Self::Md5(secret.into())
        } else if secret.is_empty() {
            Self::Closed
        } else {
            Self::Plain {
                password: secret.into(),
                verifier: None,
            }
        })
    }

    /// The plain password, where that is what is known.
    pub(crate) fn password(&self) -> Option<&Arc<str>> {
        match self {
            Self::Plain { password, .. } => Some(password),
            Self::Md5(_) | Self::Scram(_) | Self::Closed => None,
        }
    }

    /// What answers an md5 challenge for this user.
    pub(crate) fn md5_secret(&self, user: &str) -> Option<String> {
        match self {
            Self::Plain { password, .. } => Some(md5::secret(password.as_bytes(), user.as_bytes())),
            Self::Md5(secret) => Some(secret.to_string()),
            Self::Scram(_) | Self::Closed => None,
        }
    }

    /// What a SCRAM exchange is checked against.
    pub(crate) fn verifier(&mut self, salt: &[u8; 16], iterations: u32) -> Option<Verifier> {
        match self {
            Self::Scram(verifier) => Some(verifier.clone()),
            Self::Plain { password, verifier } => Some(
                verifier
                    .get_or_insert_with(|| {
                        Verifier::from_password(password.as_bytes(), salt, iterations)
                    })
                    .clone(),
            ),
            Self::Md5(_) | Self::Closed => None,
        }
    }

    /// Whether this password, as it is, is the user's.
    pub(crate) fn is_password(&self, user: &str, said: &[u8]) -> bool {
        match self {
            Self::Plain { password, .. } => same(password.as_bytes(), said),
            Self::Md5(secret) => same(
                secret.as_bytes(),
                md5::secret(said, user.as_bytes()).as_bytes(),
            ),
            Self::Scram(verifier) => {
                let keys = Keys::derive(said, &verifier.salt, verifier.iterations);
                same(&keys.stored_key(), &verifier.stored_key)
            }
            Self::Closed => false,
        }
    }
}

/// Equality that takes as long wherever the first difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}

/// Who may come in, and by which proof.
pub(crate) struct Directory {
    entries: HashMap<Arc<str>, Entry>,
    /// Keys that logins of clients left behind, for servers that hold the same verifier.
    pub(crate) keys: HashMap<Arc<str>, Keys>,
    /// One salt for all verifiers made here: they never leave the process, and the salt's work (to
    /// make tables useless) is done by its being new at each start.
    salt: [u8; 16],
    iterations: u32,
    /// For the salts of users that don't exist.
    decoy: [u8; 16],
}

impl Directory {
    pub(crate) fn new(settings: &PoolerSettings, dice: &mut Dice) -> Result<Self, SettingsFault> {
        let mut directory = Self {
            entries: HashMap::new(),
            keys: HashMap::new(),
            salt: dice.bytes(),
            iterations: settings.scram_iterations,
            decoy: dice.bytes(),
        };
        directory.renew(settings)?;
        Ok(directory)
    }

    /// Takes the list of these settings; nothing changes if it can't be used.
    pub(crate) fn renew(&mut self, settings: &PoolerSettings) -> Result<(), SettingsFault> {
        let mut entries = HashMap::with_capacity(settings.users.len());
        let same_count = self.iterations == settings.scram_iterations;
        for (user, secret) in &settings.users {
            let known = self
                .entries
                .get(user)
                .filter(|e| same_count && e.password().is_some_and(|p| **p == *secret.0));
            let entry = match known {
                Some(entry) => entry.clone(),
                None => Entry::read(&secret.0).map_err(|source| SettingsFault::Verifier {
                    user: Arc::clone(user),
                    source,
                })?,
            };
            entries.insert(Arc::clone(user), entry);
        }
        self.entries = entries;
        self.iterations = settings.scram_iterations;
        Ok(())
    }

    /// No list: with `trust`, anybody may come.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, user: &str) -> Option<&Entry> {
        self.entries.get(user)
    }

    /// What this user's SCRAM exchange is checked against.
    pub(crate) fn verifier(&mut self, user: &str) -> Option<Verifier> {
        let (salt, iterations) = (self.salt, self.iterations);
        self.entries.get_mut(user)?.verifier(&salt, iterations)
    }

    /// Likewise of one that no list has.
    pub(crate) fn verifier_of(&self, entry: &mut Entry) -> Option<Verifier> {
        entry.verifier(&self.salt, self.iterations)
    }

    /// For a user that doesn't exist: the exchange runs to its end and fails there.
    pub(crate) fn decoy(&self, user: &str) -> Verifier {
        Verifier::decoy(&self.decoy_salt(user))
    }

    /// Likewise with md5.
    pub(crate) fn decoy_md5(&self, user: &str) -> String {
        md5::secret(&self.decoy, user.as_bytes())
    }

    fn decoy_salt(&self, user: &str) -> [u8; 16] {
        let text = md5::secret(&self.decoy, user.as_bytes());
        let mut salt = [0; 16];
        for (byte, pair) in salt.iter_mut().zip(text.as_bytes()[3..].chunks(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
        }
        salt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_as_it_is_fits_whatever_the_list_holds() {
        let scram = Verifier::from_password(b"foo", b"saltsaltsaltsalt", 1000);
        for entry in [
            Entry::read("foo").unwrap(),
            Entry::read(&md5::secret(b"foo", b"ann")).unwrap(),
            Entry::Scram(scram),
        ] {
            assert!(entry.is_password("ann", b"foo"));
            assert!(!entry.is_password("ann", b"bar"));
            assert!(!entry.is_password("ann", b""));
        }
        assert!(!Entry::read("").unwrap().is_password("ann", b""));
    }
}
