//! Identities. A new type each, so that a late reply can't be taken for a new connection's.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// One client connection, from accept to close. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u64);

/// One server connection, from connect to close. Never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerId(pub u64);

/// A pool of this process; dense, from zero, in order of first use. Lasts as long as the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolId(pub u32);

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C-{}", self.0)
    }
}

impl fmt::Display for ServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-{}", self.0)
    }
}

/// What a pool is for: the database a client asked for and the user it logged in as. Prints as
/// `app/dashboard`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PoolKey {
    /// The database name that clients ask for.
    pub database: Arc<str>,
    /// The user they log in as.
    pub user: Arc<str>,
}

impl PoolKey {
    /// A key of these two names.
    pub fn new(database: &str, user: &str) -> Self {
        Self {
            database: database.into(),
            user: user.into(),
        }
    }
}

impl fmt::Display for PoolKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.database, self.user)
    }
}

/// A statement's shape: a hash of its text without literals and comments. Zero means "not known"
/// (nothing was sent yet, or the text was too long to inspect). Prints as 16 hexadecimal digits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// No statement seen.
    pub const NONE: Fingerprint = Fingerprint(0);
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Who a transaction was for: a hash of the value of the configured query-comment key (usually
/// `user_id`). Only equality is ever needed, to count distinct users, so the value itself is not
/// kept. Zero means that the query carried none.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UserTag(pub u64);

impl UserTag {
    /// The query carried no tag.
    pub const NONE: UserTag = UserTag(0);
}
