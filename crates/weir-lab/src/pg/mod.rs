//! A PostgreSQL of one's own: found, started privately, and gone with its owner.
//!
//! [`find`] looks for programs; [`PrivatePostgres::start`] makes a data directory, starts the
//! server on a free port of the loopback and stops it again.
//!
//! # What always holds
//! - The server never outlives the process that started it, however that process ends: a small
//!   shell stands between and stops it when its pipe closes ([`Supervised`]).
//! - As root, everything runs as `postgres` or `nobody`: PostgreSQL refuses to run as root.
//! - Nothing outside the private directory is written.

mod find;
mod server;
mod supervise;

pub use find::{Installation, find};
pub use server::{PgOptions, PrivatePostgres};
pub(crate) use server::{connect, free_port};
pub use supervise::{RunAs, Supervised};

use std::path::PathBuf;

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PgError {
    /// Nowhere.
    #[error(
        "no PostgreSQL found (looked at {looked}); install one, pass --pg-bin DIR, or run scripts/fetch-postgres.sh"
    )]
    NotFound {
        /// The places, in order.
        looked: String,
    },
    /// `--pg-bin` names a folder that isn't one of PostgreSQL's.
    #[error("{dir}: no `postgres` and `initdb` there")]
    NotABinDir {
        /// As given.
        dir: PathBuf,
    },
    /// A program couldn't be run.
    #[error("couldn't run {program}")]
    Run {
        /// Which.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A program ran and failed.
    #[error("{program} failed: {says}")]
    Failed {
        /// Which.
        program: PathBuf,
        /// The end of what it wrote.
        says: String,
    },
    /// Files.
    #[error("{doing} {path}")]
    Files {
        /// "couldn't create", "couldn't write".
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// We are root and there is neither `postgres` nor `nobody`.
    #[error("running as root, and /etc/passwd has neither `postgres` nor `nobody` to run it as")]
    NoUser,
    /// It didn't come up.
    #[error("PostgreSQL didn't start within {waited_s} s; its log ends with: {log}")]
    NotReady {
        /// How long we waited.
        waited_s: u64,
        /// The end of its log.
        log: String,
    },
    /// It isn't running, or refused us.
    #[error("couldn't ask the private PostgreSQL")]
    Sql(#[from] tokio_postgres::Error),
}
