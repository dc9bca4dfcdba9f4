//! The promises, by name, and how a life is judged by them.
//!
//! | oracle | promise |
//! |---|---|
//! | `no_crosstalk` | a reply reaches only the client that asked |
//! | `no_lost_reply` | every reply comes, in order, or a FATAL and the end of the connection |
//! | `state_follows` | what a client SET is what its later transactions see |
//! | `bounds` | no pool has more servers than its size, no server two clients, no worker too many clients |
//! | `fair_wait` | who came first is served first |
//! | `settles` | once faults stop, everyone is served |
//! | `bounded_memory` | what Weir holds for a connection has a bound |
//! | `explains` | the cause that was injected is named; a quiet life has no incident |
//! | `keeps_the_protocol` | Weir says nothing to PostgreSQL that it can't read |

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use weir_model::{ClientId, Event, Instant, Outcome, PoolId, PoolMode, Snapshot};

use super::plan::Plan;

/// More than this is never queued for one connection: the high-water mark, what one read may add,
/// and what the engine may add of its own.
const QUEUE_MAX: usize = 256 * 1024 + 64 * 1024 + 16 * 1024;

/// More than this is never retained: an inspected message, and one read.
const RETAINED_MAX: usize = 192 * 1024;

/// A broken promise, before it has a time and a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which promise.
    pub oracle: &'static str,
    /// What was seen.
    pub says: String,
}

impl Broken {
    pub(crate) fn new(oracle: &'static str, says: impl Into<String>) -> Self {
        Self {
            oracle,
            says: says.into(),
        }
    }
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{oracle} at {at:?}: {says}; replay with WEIR_SEED={seed}")]
pub struct Violation {
    /// Which promise.
    pub oracle: &'static str,
    /// What was seen.
    pub says: String,
    /// When, since the begin of the life.
    pub at: Duration,
    /// In which life.
    pub seed: u64,
}

/// A wait as it was reported.
#[derive(Clone, Copy, Debug)]
struct Waited {
    arrived: Instant,
    ended: Instant,
    served: bool,
}

/// What is remembered to judge by.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    /// Sizes as last ordered, and how many servers there may still be above them.
    allowed: BTreeMap<PoolId, u32>,
    waits: BTreeMap<PoolId, Vec<Waited>>,
    pub(crate) transactions: u64,
    pub(crate) failed: u64,
}

impl Judge {
    /// `bounds` at this instant.
    pub(crate) fn check_bounds(
        &mut self,
        snapshot: &Snapshot,
        sizes: &BTreeMap<PoolId, u32>,
        plan: &Plan,
    ) -> Result<(), Broken> {
        let bounds = |says: String| Err(Broken::new("bounds", says));
        let mut open: BTreeMap<PoolId, u32> = BTreeMap::new();
        let mut linked: BTreeSet<ClientId> = BTreeSet::new();
        let mut holder = BTreeMap::new();
        for row in &snapshot.servers {
            *open.entry(row.pool).or_default() += 1;
            if let Some(client) = row.client {
                if !linked.insert(client) {
                    return bounds(format!("{client} has two servers"));
                }
                holder.insert(client, row.server);
            }
        }
        for row in &snapshot.clients {
            if row.server != holder.get(&row.client).copied() {
                return bounds(format!(
                    "{} believes it has {:?}, and servers say {:?}",
                    row.client,
                    row.server,
                    holder.get(&row.client)
                ));
            }
        }
        for (pool, count) in open {
            let size = sizes.get(&pool).copied().unwrap_or(u32::MAX);
            let size = size.saturating_add(plan.settings.pools[0].reserve_size);
            let allowed = self.allowed.entry(pool).or_insert(size);
            // After a shrink those in use finish: the number may only fall towards the size.
            *allowed = size.max((*allowed).min(count));
            if count > *allowed {
                return bounds(format!(
                    "pool {pool:?} has {count} servers; its size is {size}"
                ));
            }
        }
        for db in &snapshot.databases {
            let most = plan.settings.pools[0].connections_max;
            let open = snapshot
                .servers
                .iter()
                .filter(|s| s.key.database == db.name);
            if most > 0 && db.servers > most || open.count() != db.servers as usize {
                return bounds(format!("{db:?}; at most {most}"));
            }
        }
        for user in &snapshot.users {
            let most = plan.settings.user_connections_max;
            if most > 0 && user.servers > most {
                return bounds(format!("{user:?}; at most {most}"));
            }
        }
        let live = snapshot.clients.len();
        if live > plan.settings.client_max as usize + 64 {
            return bounds(format!("{live} clients"));
        }
        Ok(())
    }

    /// A pool's size is about to change: as many as are there now may stay for a while.
    pub(crate) fn resized(&mut self, pool: PoolId, had: u32) {
        let allowed = self.allowed.entry(pool).or_insert(had);
        *allowed = (*allowed).max(had);
    }

    /// `bounded_memory` of one connection.
    pub(crate) fn check_memory(retained: usize, queued: usize, who: &str) -> Result<(), Broken> {
        if retained > RETAINED_MAX {
            let says = format!("{retained} bytes are retained of {who}");
            return Err(Broken::new("bounded_memory", says));
        }
        if queued > QUEUE_MAX {
            let says = format!("{queued} bytes are queued for {who}");
            return Err(Broken::new("bounded_memory", says));
        }
        Ok(())
    }

    /// Takes what the engine reports.
    pub(crate) fn event(&mut self, event: &Event, garbage: bool) -> Result<(), Broken> {
        match event {
            Event::Transaction(t) => {
                self.transactions += 1;
                if t.outcome.is_failure() {
                    self.failed += 1;
                }
                if !t.wait.is_zero() {
                    let served = match t.outcome {
                        Outcome::Completed { .. } | Outcome::ServerLost | Outcome::ClientLost => {
                            true
                        }
                        Outcome::WaitTimeout
                        | Outcome::GaveUp
                        | Outcome::Refused
                        | Outcome::NoServer => false,
                    };
                    self.waits.entry(t.pool).or_default().push(Waited {
                        arrived: t.arrived,
                        ended: t.arrived.after(t.wait),
                        served,
                    });
                }
                Ok(())
            }
            Event::Fault { says } if !garbage => {
                let says = format!("Weir found a fault of its own: {says}");
                Err(Broken::new("keeps_the_protocol", says))
            }
            _ => Ok(()),
        }
    }

    /// `fair_wait` over the whole life.
    pub(crate) fn check_fairness(&mut self, mode: PoolMode) -> Result<(), Broken> {
        if mode == PoolMode::Session {
            // One wait a session: what is reported later repeats it.
            return Ok(());
        }
        for (pool, waits) in &mut self.waits {
            waits.sort_by_key(|w| w.arrived);
            let mut latest = Instant::ZERO;
            let mut of = Instant::ZERO;
            for (at, wait) in waits.iter().enumerate() {
                let ties = at > 0 && waits[at - 1].arrived == wait.arrived;
                if wait.served && !ties && wait.ended < latest {
                    let says = format!(
                        "in {pool:?} who came at {:?} was served at {:?}, while one who came at {:?} waited until {:?}",
                        since(wait.arrived),
                        since(wait.ended),
                        since(of),
                        since(latest)
                    );
                    return Err(Broken::new("fair_wait", says));
                }
                if wait.ended > latest {
                    latest = wait.ended;
                    of = wait.arrived;
                }
            }
        }
        Ok(())
    }

    /// Weir's last words to a client must have a reason in this life.
    pub(crate) fn check_words(
        sqlstate: &str,
        message: &str,
        waited: Duration,
        plan: &Plan,
        who: &str,
    ) -> Result<(), Broken> {
        let pool = &plan.settings.pools[0];
        let sizes = pool
            .size
            .max()
            .unwrap_or(u32::MAX)
            .saturating_mul(plan.pools);
        let tight = sizes >= plan.max_connections;
        let troubled = !plan.is_quiet() || tight;
        let fine = match sqlstate {
            "53300" if message.starts_with("query_wait_timeout") => {
                waited >= pool.query_wait_timeout || troubled
            }
            "53300" if message.starts_with("waiters_max") => pool.waiters_max > 0,
            "53300" => troubled || plan.settings.client_max < plan.clients * 3,
            "25P03" => !pool.idle_transaction_timeout.is_zero(),
            "08006" | "57P01" | "57P02" | "57P03" => troubled,
            _ => false,
        };
        if fine {
            return Ok(());
        }
        let says = format!(
            "{who} got FATAL {sqlstate}: {message}; nothing in this life explains it (it had waited {waited:?})"
        );
        Err(Broken::new("no_lost_reply", says))
    }
}

fn since(at: Instant) -> Duration {
    at.since(Instant::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waited(judge: &mut Judge, arrived: u64, ended: u64, served: bool) {
        judge.waits.entry(PoolId(0)).or_default().push(Waited {
            arrived: Instant::from_millis(arrived),
            ended: Instant::from_millis(ended),
            served,
        });
    }

    #[test]
    fn overtaking_in_the_queue_is_seen() {
        let mut judge = Judge::default();
        waited(&mut judge, 1, 10, true);
        waited(&mut judge, 2, 11, true);
        assert_eq!(judge.check_fairness(PoolMode::Transaction), Ok(()));
        waited(&mut judge, 3, 9, true);
        let broken = judge.check_fairness(PoolMode::Transaction).unwrap_err();
        assert_eq!(broken.oracle, "fair_wait");
    }

    #[test]
    fn who_gives_up_early_has_overtaken_nobody() {
        let mut judge = Judge::default();
        waited(&mut judge, 1, 10, true);
        waited(&mut judge, 2, 5, false);
        assert_eq!(judge.check_fairness(PoolMode::Transaction), Ok(()));
    }

    #[test]
    fn a_pool_may_be_above_its_size_after_a_shrink_and_must_not_grow_again() {
        let plan = Plan::drill(1, None);
        let mut judge = Judge::default();
        let rows = |n: u64| {
            let mut snapshot = Snapshot::default();
            for server in 0..n {
                snapshot.servers.push(weir_model::ServerRow {
                    server: weir_model::ServerId(server),
                    pool: PoolId(0),
                    key: weir_model::PoolKey::new("a", "b"),
                    state: weir_model::ServerState::Idle,
                    since: Instant::ZERO,
                    connected: Instant::ZERO,
                    backend_pid: 1,
                    client: None,
                    client_state: None,
                    client_since: None,
                    client_addr: "".into(),
                    application: "".into(),
                    transaction_since: None,
                    fingerprint: weir_model::Fingerprint::NONE,
                    pins: Vec::new(),
                    host: "".into(),
                    port: 0,
                    close_needed: false,
                    prepared_statements: 0,
                    tls: "".into(),
                });
            }
            snapshot
        };
        let five = BTreeMap::from([(PoolId(0), 5)]);
        let two = BTreeMap::from([(PoolId(0), 2)]);
        assert_eq!(judge.check_bounds(&rows(5), &five, &plan), Ok(()));
        judge.resized(PoolId(0), 5);
        assert_eq!(judge.check_bounds(&rows(4), &two, &plan), Ok(()));
        assert_eq!(judge.check_bounds(&rows(3), &two, &plan), Ok(()));
        assert!(judge.check_bounds(&rows(4), &two, &plan).is_err());
    }
}
