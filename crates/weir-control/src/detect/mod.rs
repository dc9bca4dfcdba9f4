//! Levels: what is odd about a pool, from its exact state.
//!
//! **Opens** by [`rules`], each with its numbers: EXHAUSTED, STALLED, DOWN, LEAK. **Closes** when
//! the rule that opened it says so *and* nobody has waited or failed for five seconds. Within an
//! incident the level only rises; within 30 s of closing, the same level again is told with
//! [`LevelChange::again`], so that nobody is paged twice for one cause.
//!
//! It learns nothing from load: a busy pool whose queue drains is a busy pool. A burst leaves
//! moments without a queue, a standing queue leaves none; so the *shortest* wait decides, never
//! a percentile or the longest.
//!
//! It blames nobody. Why a pool is dry is the work of `diagnose`.
//!
//! # What is deliberately absent
//! - SATURATED, STARVED, DEGRADED: they need the regulator's probes and a learnt baseline. Their
//!   place is in [`rules::rank`] and beside the other rules.
//! - An operator's pause. A paused pool is as somebody wants it to be.

mod pool;
pub mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_model::{ClockMap, ConnectFailure, Evidence, Instant, Level, PoolId, PoolSample};

use crate::record::Recorder;
use pool::PoolDetector;

pub(crate) use pool::failure_says;

/// What may be set.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectorSettings {
    /// Ties instants to civil time, for evidence.
    pub clock: ClockMap,
    /// The same level within this time of its end is not news.
    pub cooldown: Duration,
    /// So long must nobody wait or fail before a level ends.
    pub quiet: Duration,
}

impl DetectorSettings {
    /// The rules as they stand in the brief.
    pub fn new(clock: ClockMap) -> Self {
        Self {
            clock,
            cooldown: Duration::from_secs(30),
            quiet: Duration::from_secs(5),
        }
    }
}

/// What a level also depends on, besides samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DetectContext {
    /// Server logins of the pool that failed in the last [`DetectContext::WINDOW`].
    pub login_failures: Vec<(Instant, ConnectFailure)>,
    /// Servers of the pool that PostgreSQL or the network ended in that time.
    pub servers_lost: Vec<(Instant, String)>,
}

impl DetectContext {
    /// How far back failures matter for a level.
    pub const WINDOW: Duration = Duration::from_secs(5);

    /// From what the recorder holds.
    pub fn gather(recorder: &Recorder, pool: PoolId, now: Instant) -> Self {
        let from = now.before(Self::WINDOW);
        Self {
            login_failures: recorder.login_failures(pool, from, now),
            servers_lost: recorder.servers_lost(pool, from, now),
        }
    }
}

/// A pool's level rose, or ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelChange {
    /// Which pool.
    pub pool: PoolId,
    /// The level until now.
    pub from: Option<Level>,
    /// The level from now on; `None`: over.
    pub to: Option<Level>,
    /// When the rule was sure.
    pub at: Instant,
    /// When the queue (or the loss, or the climb) began; for an end, the first quiet instant.
    pub onset: Instant,
    /// The rule that fired, with its numbers.
    pub says: String,
    /// The numbers.
    pub evidence: Vec<Evidence>,
    /// The level ended less than the cool-down ago: the same story goes on, page nobody.
    pub again: bool,
}

/// The state machines of all pools.
#[derive(Debug)]
pub struct Detector {
    settings: DetectorSettings,
    pools: BTreeMap<PoolId, PoolDetector>,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(settings: DetectorSettings) -> Self {
        Self {
            settings,
            pools: BTreeMap::new(),
        }
    }

    /// Takes the next sample of a pool, 100 ms after the last. `now` is the end of its interval.
    pub fn on(
        &mut self,
        pool: &PoolSample,
        now: Instant,
        ctx: &DetectContext,
    ) -> Option<LevelChange> {
        self.pools
            .entry(pool.pool)
            .or_default()
            .on(pool, now, ctx, &self.settings)
    }

    /// A pool's level.
    pub fn level(&self, pool: PoolId) -> Option<Level> {
        self.pools.get(&pool).and_then(PoolDetector::level)
    }

    /// When the present level's trouble began.
    pub fn onset(&self, pool: PoolId) -> Option<Instant> {
        self.pools.get(&pool).and_then(PoolDetector::onset)
    }
}

#[cfg(test)]
mod tests;
