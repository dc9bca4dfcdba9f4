//! What the data plane measures, ten times a second.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;
use crate::id::{Fingerprint, PoolId, PoolKey};
use crate::time::Instant;

/// Where the time of holding a server went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldTime {
    /// A statement was with PostgreSQL: from its bytes leaving Weir to its ReadyForQuery.
    pub executing: Duration,
    /// Inside a transaction with nothing asked: PostgreSQL waited for the client.
    pub thinking: Duration,
    /// The reply was there but the client didn't take it.
    pub network: Duration,
}

impl HoldTime {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.executing + self.thinking + self.network
    }

    /// Adds another.
    pub fn add(&mut self, other: HoldTime) {
        self.executing += other.executing;
        self.thinking += other.thinking;
        self.network += other.network;
    }
}

/// Clients of a pool by state, at the instant of the sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCounts {
    /// Linked to a server that executes for them.
    pub active: u32,
    /// Asked for a server and have none.
    pub waiting: u32,
    /// Logged in, outside a transaction.
    pub idle: u32,
    /// Linked to a server, inside a transaction, with nothing asked.
    pub idle_in_transaction: u32,
}

/// Servers of a pool by state, at the instant of the sample. Each is in exactly one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCounts {
    /// Linked to a client.
    pub active: u32,
    /// Free.
    pub idle: u32,
    /// Connecting or logging in.
    pub login: u32,
    /// Running a reset, check or replay of settings before they are free again.
    pub tested: u32,
    /// Idle, but due for a check before the next use.
    pub used: u32,
    /// Of `active`: held by a pin, not by a transaction.
    pub pinned: u32,
}

impl ServerCounts {
    /// All of them.
    pub fn open(&self) -> u32 {
        self.active + self.idle + self.login + self.tested + self.used
    }
}

/// One pool over one sampling interval (100 ms): counts are of the interval, states of its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolSample {
    /// Which pool.
    pub pool: PoolId,
    /// Its name.
    pub key: PoolKey,
    /// The size it is allowed now.
    pub size: u32,
    /// Clients by state.
    pub clients: ClientCounts,
    /// Servers by state.
    pub servers: ServerCounts,
    /// Age of the oldest waiter; zero if none waits.
    pub oldest_wait: Duration,
    /// Transactions offered: a client asked for a server, whether or not it got one.
    pub arrivals: u32,
    /// Transactions that ended with their server given back.
    pub completions: u32,
    /// Transactions that ended in an error of Weir's or by loss of the connection.
    pub failures: u32,
    /// Waiters that gave up, timed out or were refused.
    pub abandoned: u32,
    /// Waits that ended in this interval, whichever way: those who got a server and those who
    /// gave up.
    pub wait: Histogram,
    /// Hold times of the transactions that completed.
    pub hold: Histogram,
    /// The split of hold time spent *in this interval*, also by transactions still open.
    pub held: HoldTime,
    /// Age of the oldest open transaction; zero if none.
    pub oldest_transaction: Duration,
    /// Longest that a client of this pool has now been idle inside a transaction.
    pub oldest_idle_in_transaction: Duration,
    /// Bytes from clients and from servers.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Logins of clients completed.
    pub client_logins: u32,
    /// Server connections opened successfully.
    pub server_logins: u32,
    /// Attempts to open a server connection that failed.
    pub server_login_failures: u32,
    /// True while an operator has paused the pool.
    pub paused: bool,
}

/// One fingerprint over one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementSample {
    /// Which pool.
    pub pool: PoolId,
    /// Which statement.
    pub fingerprint: Fingerprint,
    /// Executions that ended.
    pub calls: u32,
    /// Of these, with an error.
    pub errors: u32,
    /// Sum of the time from send to reply.
    pub executing: Duration,
    /// The longest of them.
    pub executing_max: Duration,
    /// Rows returned or changed, by command tag.
    pub rows: u64,
}

/// The worker itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerSample {
    /// Clients connected, in whatever state.
    pub clients: u32,
    /// Servers open over all pools.
    pub servers: u32,
    /// Longest turn of the event loop in the interval: what anybody could have been delayed by
    /// Weir itself.
    pub loop_lag_max: Duration,
    /// Bytes held in buffers now.
    pub buffered_bytes: u64,
    /// Events that didn't fit into the ring since start; a report says so when it isn't zero.
    pub events_lost_total: u64,
}

/// All that one worker measured in one interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// End of the interval.
    pub at: Instant,
    /// Its length: 100 ms, more if the worker was late.
    pub interval: Duration,
    /// The worker.
    pub worker: WorkerSample,
    /// Every pool that exists.
    pub pools: Vec<PoolSample>,
    /// Statements, in every tenth sample only.
    pub statements: Vec<StatementSample>,
}
