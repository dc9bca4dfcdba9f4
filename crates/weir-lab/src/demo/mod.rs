//! The founding incident, replayed with real parts in about a minute.
//!
//! A private PostgreSQL with a small shop in it; the `weir` binary in front; a *user dashboard*
//! web service; and users who come when they come. Three acts: calm, peak hours, and what Weir
//! makes of it. [`run`] plays it, for the founding cause or for one of its cousins; [`calm`] plays
//! the opposite, a quiet day on which nothing may be reported.
//!
//! # What is real and what stands for something else
//! Everything is real but one thing: the shop is small and lies in memory, so each query of a page
//! sleeps a few milliseconds in the server (`pg_sleep`), standing for the disk that a real shop
//! would wait for. Without it a page would hold its server connection for half a millisecond, and
//! no machine that runs the users too could exhaust a pool of ten.
//!
//! # What always holds
//! - It listens and connects on the loopback only, writes into its output folder and a temporary
//!   folder only, stops by itself, and leaves no process behind.
//! - The same seed draws the same arrivals and the same users.
//! - Whatever ends it (also Ctrl-C), what there is of the report is written.
//!
//! Start at [`story`].

mod act;
mod calm;
mod dashboard;
mod ending;
mod fault;
mod shop;
mod stage;
mod story;
mod users;
mod view;
mod weir;

pub use calm::{CalmOptions, CalmOutcome, calm};
pub use ending::{Clocks, DemoOutcome, clocks_table};
pub use story::run;

use std::path::PathBuf;

use weir_model::Cause;

use crate::pg::PgError;

/// What to replay, and with what.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// [`Cause::PoolUndersized`] and [`Cause::TrafficSurge`] are the founding incident; the others
    /// are in [`CAUSES`].
    pub cause: Cause,
    /// About how long it may take; `None`: as long as the story needs (about 70 s).
    pub seconds: Option<u64>,
    /// Where the report goes; `None`: `./weir-demo-<time>`.
    pub out: Option<PathBuf>,
    /// Where PostgreSQL's programs are; `None`: looked for.
    pub pg_bin: Option<PathBuf>,
    /// The `weir` binary. It is started as `weir run FILE`.
    pub weir_exe: PathBuf,
    /// Draws arrivals and users.
    pub seed: u64,
    /// In the founding incident, wait for a person who approves the recommendation instead of letting
    /// the regulator act.
    pub approve: bool,
    /// Once the report is written, stay up for so many seconds; `None`: end.
    pub linger: Option<u64>,
    /// Port of Weir's API and dashboard on 127.0.0.1; `None`: any free one.
    pub api: Option<u16>,
    /// One line a second instead of a live view; also where standard error is no terminal.
    pub plain: bool,
}

impl DemoOptions {
    /// The founding incident with the given `weir`.
    pub fn with_weir(weir_exe: PathBuf) -> Self {
        Self {
            cause: Cause::PoolUndersized,
            seconds: None,
            out: None,
            pg_bin: None,
            weir_exe,
            seed: 1,
            approve: false,
            linger: None,
            api: None,
            plain: false,
        }
    }
}

/// The causes that can be replayed.
pub const CAUSES: &[Cause] = &[
    Cause::PoolUndersized,
    Cause::TrafficSurge,
    Cause::IdleInTransaction,
    Cause::SlowQuery,
    Cause::RowLockContention,
    Cause::DdlLockQueue,
    Cause::MaxConnections,
    Cause::ServerDown,
];

/// Why the stage couldn't be set. What goes wrong in the play itself is in the outcome.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Not one of [`CAUSES`].
    #[error("`{cause}` can't be replayed; the demo knows {known}")]
    NoSuchReplay {
        /// As asked for.
        cause: Cause,
        /// The list.
        known: String,
    },
    /// PostgreSQL.
    #[error("no PostgreSQL for the demo")]
    Postgres(#[from] PgError),
    /// The shop couldn't be loaded, or a fault couldn't be injected.
    #[error("the shop's database refused: {doing}")]
    Sql {
        /// What was tried.
        doing: &'static str,
        /// Why.
        #[source]
        source: tokio_postgres::Error,
    },
    /// Files, ports, processes.
    #[error("{doing}")]
    Io {
        /// What was tried, on what.
        doing: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Weir didn't come up.
    #[error("`weir run` didn't become ready within {waited_s} s; its log ends with: {log}")]
    WeirNotReady {
        /// How long we waited.
        waited_s: u64,
        /// The end of its log.
        log: String,
    },
    /// Weir's HTTP API.
    #[error("Weir's API didn't answer {path}")]
    Api {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

impl DemoError {
    fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
