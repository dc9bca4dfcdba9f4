//! One look at the server. Plain values: a recording or a simulator can make them up.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_model::{Instant, Wall};

/// A process of PostgreSQL that isn't simply idle (`pg_stat_activity`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    /// Backend PID.
    pub pid: i32,
    /// Leader of a parallel query, where this is a worker.
    pub leader_pid: Option<i32>,
    /// Database.
    pub database: String,
    /// Role.
    pub user: String,
    /// `application_name`.
    pub application: String,
    /// Address of PostgreSQL's client (for Weir's own connections: Weir).
    pub client_addr: String,
    /// `client backend`, `autovacuum worker`…
    pub backend_type: String,
    /// `active`, `idle in transaction`…; empty for background processes.
    pub state: String,
    /// `Lock`, `LWLock`, `IO`, `Client`…; empty: on the processor.
    pub wait_event_type: String,
    /// `transactionid`, `relation`, `DataFileRead`…
    pub wait_event: String,
    /// Age of its transaction.
    pub transaction_age: Option<Duration>,
    /// Age of its statement.
    pub query_age: Option<Duration>,
    /// How long it has been in its state.
    pub state_age: Option<Duration>,
    /// The statement, cut at 200 characters.
    pub query: String,
    /// True if the connection is one of this Weir's pools.
    pub own: bool,
}

/// A backend that nobody blocks and that blocks others, directly or through a chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BlockRoot {
    /// Its PID; zero stands for a prepared transaction.
    pub pid: i32,
    /// Its state.
    pub state: String,
    /// What it waits for itself, if anything.
    pub wait_event: String,
    /// Its `application_name`.
    pub application: String,
    /// Age of its transaction.
    pub transaction_age: Option<Duration>,
    /// How many wait behind it.
    pub victims: u32,
    /// Its last statement, cut at 200 characters.
    pub query: String,
}

/// One process waits for another (`pg_blocking_pids`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEdge {
    /// Who waits.
    pub waiter: i32,
    /// For whom; zero stands for a prepared transaction.
    pub blocker: i32,
}

/// Edges read in one look: a crowd before one row has few, one that queues for a strong lock has
/// the square of its number.
pub const EDGES_MAX: usize = 2_000;

/// A lock that was asked for and not granted (`pg_locks`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WaitingLock {
    /// Who waits.
    pub pid: i32,
    /// `relation`, `transactionid`, `tuple`…
    pub locktype: String,
    /// `AccessExclusiveLock`…
    pub mode: String,
    /// The relation's name, where there is one.
    pub relation: String,
    /// The waiting statement, cut at 200 characters.
    pub query: String,
}

/// How many connections the server can bear, and who has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// `max_connections`.
    pub max_connections: u32,
    /// `superuser_reserved_connections` + `reserved_connections` (16 and later).
    pub reserved: u32,
    /// Client backends of everybody.
    pub client_backends: u32,
    /// Of these, this Weir's own (pools and watch).
    pub own_backends: u32,
    /// The smallest of the limits of roles and databases that the pools use; `None`: unlimited.
    pub role_or_database_limit: Option<u32>,
}

/// Counters of the pooled databases (`pg_stat_database`, sums; ever rising).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseCounters {
    /// Transactions committed.
    pub commits: i64,
    /// Transactions rolled back.
    pub rollbacks: i64,
    /// Deadlocks.
    pub deadlocks: i64,
    /// Blocks read from outside shared buffers.
    pub blocks_read: i64,
    /// Blocks found in shared buffers.
    pub blocks_hit: i64,
    /// Bytes spilled to temporary files.
    pub temp_bytes: i64,
    /// Rows read by sequential scans, over all user tables.
    pub seq_tup_read: i64,
}

/// Why the watch connection couldn't look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WatchFailure {
    /// No watch user configured; nothing is sampled.
    NotConfigured,
    /// PostgreSQL can't be reached: the error's text.
    Unreachable(String),
    /// PostgreSQL refused: SQLSTATE and message.
    Refused {
        /// Five characters.
        sqlstate: String,
        /// Text.
        message: String,
    },
    /// The look didn't come back in time; this tick was skipped.
    Late,
}

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerView {
    /// When the look began.
    pub at: Instant,
    /// How long it took.
    pub took: Duration,
    /// Which server section.
    pub server: String,
    /// Ok, or why the rest is empty.
    pub outcome: Result<(), WatchFailure>,
    /// `server_version_num`, zero if unknown.
    pub version: u32,
    /// True if the watch role may see everybody's activity (`pg_monitor`).
    pub sees_all: bool,
    /// Backends that aren't simply idle.
    pub backends: Vec<Backend>,
    /// Who blocks whom, roots only, most victims first. Asked only while somebody waits for a lock.
    pub roots: Vec<BlockRoot>,
    /// Who waits for whom, at most [`EDGES_MAX`]. Asked only while somebody waits for a lock.
    #[serde(default)]
    pub edges: Vec<BlockEdge>,
    /// Locks not granted. Asked only while somebody waits for a lock.
    pub waiting_locks: Vec<WaitingLock>,
    /// Every tenth look, and whenever a pool wants more than it has.
    pub limits: Option<Limits>,
    /// Who holds the client backends, by application, most first (at most 20). With `limits`.
    pub backends_by_application: Vec<(String, u32)>,
    /// Every tenth look.
    pub counters: Option<DatabaseCounters>,
    /// When the postmaster started.
    pub postmaster_started: Option<Wall>,
}

impl ServerView {
    /// An empty look at `server`.
    pub fn empty(server: &str, at: Instant, outcome: Result<(), WatchFailure>) -> Self {
        Self {
            at,
            took: Duration::ZERO,
            server: server.to_owned(),
            outcome,
            version: 0,
            sees_all: false,
            backends: Vec::new(),
            roots: Vec::new(),
            edges: Vec::new(),
            waiting_locks: Vec::new(),
            limits: None,
            backends_by_application: Vec::new(),
            counters: None,
            postmaster_started: None,
        }
    }
}
