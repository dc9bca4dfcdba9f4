//! The vocabulary of incidents: levels, causes, evidence. One spelling everywhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::order::Order;
use crate::time::Wall;

/// A name that isn't in the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no {what}; known are {known}")]
pub struct UnknownName {
    /// As written.
    pub name: String,
    /// "cause", "level"…
    pub what: &'static str,
    /// The list.
    pub known: String,
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every one, in the order of declaration.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The name that every surface uses.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|v| v.name() == text).ok_or_else(|| UnknownName {
                    name: text.to_owned(),
                    what: $what,
                    known: Self::ALL.iter().map(|v| v.name()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

vocabulary! {
    /// What is odd about a pool, from its exact state.
    Level, "level", {
        /// Clients wait, no server is free, and it isn't a burst.
        Exhausted = "exhausted",
        /// Exhausted, and more servers wouldn't help.
        Saturated = "saturated",
        /// Exhausted at the cap that the budget sets.
        Starved = "starved",
        /// Clients wait and nothing completes.
        Stalled = "stalled",
        /// PostgreSQL can't be reached.
        Down = "down",
        /// Statements are slower than they used to be.
        Degraded = "degraded",
        /// Held servers climb and don't come back.
        Leak = "leak",
    }
}

vocabulary! {
    /// Why. SIZING_AND_DIAGNOSIS tells what discriminates them; `weir-control/src/diagnose` has a
    /// file for each that is diagnosed.
    Cause, "cause", {
        /// The pool is smaller than the load needs; the database has room.
        PoolUndersized = "pool_undersized",
        /// More transactions came than usual.
        TrafficSurge = "traffic_surge",
        /// One or two statements take longer than they did.
        SlowQuery = "slow_query",
        /// A statement's plan changed.
        PlanRegression = "plan_regression",
        /// A statement would need an index.
        MissingIndex = "missing_index",
        /// Transactions wait for rows that others hold.
        RowLockContention = "row_lock_contention",
        /// A waiting DDL statement blocks everybody behind it.
        DdlLockQueue = "ddl_lock_queue",
        /// Clients hold transactions open and ask nothing.
        IdleInTransaction = "idle_in_transaction",
        /// Servers are taken and never given back.
        ConnectionLeak = "connection_leak",
        /// Clients repeat what failed.
        RetryStorm = "retry_storm",
        /// Clients reconnect all at once.
        ConnectStorm = "connect_storm",
        /// PostgreSQL has no slot left.
        MaxConnections = "max_connections",
        /// PostgreSQL isn't there.
        ServerDown = "server_down",
        /// The primary changed.
        Failover = "failover",
        /// The network between is slow or lossy.
        Network = "network",
        /// Disks are at their limit.
        IoSaturation = "io_saturation",
        /// Processors are at their limit.
        CpuSaturation = "cpu_saturation",
        /// PostgreSQL's internal locks are at their limit.
        LwlockContention = "lwlock_contention",
        /// Sorts and hashes spill to disk.
        TempSpill = "temp_spill",
        /// Tables have more dead rows than live ones.
        Bloat = "bloat",
        /// Commits wait for a standby.
        SyncReplication = "sync_replication",
        /// Somebody beside Weir uses the server up.
        OutsideConsumer = "outside_consumer",
        /// Long and short work share a pool.
        WorkloadMixing = "workload_mixing",
        /// Session state keeps clients on their servers.
        PinnedSessions = "pinned_sessions",
        /// Clients don't take their replies.
        SlowClient = "slow_client",
        /// Weir itself is at its limit.
        PoolerLimit = "pooler_limit",
        /// Nothing explains enough of it.
        Unknown = "unknown",
    }
}

vocabulary! {
    /// How bad.
    Severity, "severity", {
        /// Everything is down.
        Sev1 = "sev1",
        /// Many users are hurt.
        Sev2 = "sev2",
        /// Some users are hurt.
        Sev3 = "sev3",
        /// Nobody is hurt yet.
        Sev4 = "sev4",
    }
}

/// A number that a sentence stands on: what was measured, how to measure it again, over which
/// window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The sentence.
    pub says: String,
    /// The metric's name: `weir_pool_oldest_wait_seconds`, `pg_stat_activity.wait_event`.
    pub metric: String,
    /// Its value in the window, in the metric's base unit.
    pub value: f64,
    /// Its value before, where there is one.
    pub baseline: Option<f64>,
    /// How to ask again: an API path, a SHOW command, or SQL.
    pub query: String,
    /// Begin of the window.
    pub from: Wall,
    /// End of the window.
    pub to: Wall,
}

/// What to do about a cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// One sentence, imperative.
    pub says: String,
    /// What Weir would do itself.
    pub order: Option<Order>,
    /// What undoes it.
    pub undo: Option<Order>,
    /// True if the regulator may do it without asking, in mode `act`.
    pub safe_to_automate: bool,
}

/// A cause with what speaks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseFinding {
    /// Which.
    pub cause: Cause,
    /// 0..=1.
    pub confidence: f64,
    /// Share of the change in load that it explains, 0..=1.
    pub share: f64,
    /// What it is about: pool, fingerprint, application, relation, backend PID.
    pub object: std::collections::BTreeMap<String, String>,
    /// One sentence that a person can act on.
    pub says: String,
    /// What speaks for it.
    pub evidence: Vec<Evidence>,
    /// What to do.
    pub remedy: Remedy,
}

/// A cause that it was not, with the number that says so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuledOut {
    /// Which.
    pub cause: Cause,
    /// One sentence with the number.
    pub says: String,
    /// What speaks against it.
    pub evidence: Vec<Evidence>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_a_wrong_one_lists_the_right_ones() {
        for &cause in Cause::ALL {
            assert_eq!(cause.name().parse::<Cause>(), Ok(cause));
            assert_eq!(
                serde_json::to_string(&cause).unwrap(),
                format!("\"{}\"", cause.name())
            );
        }
        let fault = "exausted".parse::<Level>().unwrap_err().to_string();
        assert!(
            fault.starts_with("`exausted` is no level; known are exhausted, "),
            "{fault}"
        );
    }
}
