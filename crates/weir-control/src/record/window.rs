//! What the recorder answers when asked for a stretch of time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_model::{Fingerprint, Histogram, HoldTime, Instant, PoolId, PoolKey, PoolSample};

/// One pool between two instants: counts are sums, states are means over the samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolWindow {
    /// Which pool.
    pub pool: PoolId,
    /// Its name.
    pub key: PoolKey,
    /// Begin.
    pub from: Instant,
    /// End.
    pub to: Instant,
    /// How many 100 ms samples it is made of; zero: nothing was measured.
    pub samples: u32,
    /// Size, mean.
    pub size: f64,
    /// Size at the end.
    pub size_last: u32,
    /// Linked servers, mean.
    pub active: f64,
    /// Free servers, mean.
    pub idle: f64,
    /// Servers in login, mean.
    pub login: f64,
    /// Pinned servers, mean.
    pub pinned: f64,
    /// Open servers at the end.
    pub open_last: u32,
    /// Waiting clients, mean.
    pub waiting: f64,
    /// Waiting clients, most.
    pub waiting_max: u32,
    /// Clients idle in transaction, mean.
    pub idle_in_transaction: f64,
    /// Longest that any client was idle inside a transaction.
    pub idle_in_transaction_max: Duration,
    /// Oldest open transaction seen.
    pub transaction_age_max: Duration,
    /// Oldest wait seen.
    pub oldest_wait_max: Duration,
    /// Transactions offered.
    pub arrivals: u64,
    /// Transactions completed.
    pub completions: u64,
    /// Transactions failed by the path.
    pub failures: u64,
    /// Waiters who gave up or were refused.
    pub abandoned: u64,
    /// Waits that ended.
    pub wait: Histogram,
    /// Hold times of completed transactions.
    pub hold: Histogram,
    /// Time for which servers were held, split; also by transactions still open.
    pub held: HoldTime,
    /// Client logins.
    pub client_logins: u64,
    /// Server logins.
    pub server_logins: u64,
    /// Server logins that failed.
    pub server_login_failures: u64,
}

impl PoolWindow {
    /// Its length.
    pub fn length(&self) -> Duration {
        self.to.since(self.from)
    }

    /// Offered transactions per second.
    pub fn arrival_rate(&self) -> f64 {
        rate(self.arrivals, self.length())
    }

    /// Completed transactions per second.
    pub fn completion_rate(&self) -> f64 {
        rate(self.completions, self.length())
    }

    /// Seconds that a transaction holds its server. By Little's law over what was held, not the
    /// mean of what completed: a transaction that never ends holds all the same.
    pub fn hold_s(&self) -> f64 {
        let per = self.completions.max(1) as f64;
        self.held.total().as_secs_f64() / per
    }
}

fn rate(count: u64, length: Duration) -> f64 {
    let s = length.as_secs_f64();
    if s > 0.0 { count as f64 / s } else { 0.0 }
}

/// One statement between two instants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatementWindow {
    /// Which.
    pub fingerprint: Fingerprint,
    /// Its text without literals; empty if unknown.
    pub text: String,
    /// Executions that ended.
    pub calls: u64,
    /// Of these, failed.
    pub errors: u64,
    /// Sum of execution times.
    pub executing: Duration,
    /// Longest.
    pub executing_max: Duration,
    /// Rows.
    pub rows: u64,
}

impl StatementWindow {
    /// Mean execution time in seconds.
    pub fn mean_s(&self) -> f64 {
        self.executing.as_secs_f64() / self.calls.max(1) as f64
    }
}

/// Where Weir's own backends were, over the looks between two instants. Shares of "active"
/// backend-samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BackendWindow {
    /// Looks that succeeded.
    pub looks: u32,
    /// Looks that failed.
    pub looks_failed: u32,
    /// Own backends seen executing (samples).
    pub active_samples: u32,
    /// Of these, by wait event type; on-CPU stands under "CPU".
    pub by_wait_type: BTreeMap<String, u32>,
    /// Of these, by `type:event`.
    pub by_wait_event: BTreeMap<String, u32>,
    /// Own backends seen idle in transaction (samples).
    pub idle_in_transaction_samples: u32,
    /// Foreign backends seen executing (samples).
    pub foreign_active_samples: u32,
}

/// Who was hurt between two instants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ImpactWindow {
    /// Transactions that ended.
    pub transactions: u64,
    /// Of these, waited longer than the objective.
    pub delayed: u64,
    /// Of these, failed by the path.
    pub failed: u64,
    /// Distinct clients that had a transaction.
    pub clients: u64,
    /// Of these, with one delayed or failed.
    pub clients_affected: u64,
    /// Distinct users, by the tag in query comments; `None` if no query carried a tag.
    pub users: Option<u64>,
    /// Of these, with a transaction delayed or failed.
    pub users_affected: Option<u64>,
    /// Events that didn't reach the recorder; above zero the counts are lower bounds.
    pub events_lost: u64,
}

/// The series that a chart needs: one point per sample.
pub type PoolSeries = Vec<PoolSample>;
