//! A pool over a stretch of time, by civil time: what a chart's point is made of, and what is kept
//! of each minute when the samples are gone.
//!
//! # What always holds
//! - Counts are sums over the stretch; states are as of its end, but for `waiting` and `oldest_wait`,
//!   which are the most that was seen: a pile-up between two points must not be missed.
//!
//! # What is deliberately absent
//! - Instants of the process: a stretch outlives it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_model::{ClientCounts, Histogram, HoldTime, PoolKey, PoolSample, ServerCounts, Wall};

/// One pool, `length` long, ending at `at`.
#[derive(Clone, Debug, PartialEq)]
pub struct Stretch {
    /// Its end.
    pub at: Wall,
    /// How long it is; what was measured of it may be less.
    pub length: Duration,
    /// Which pool.
    pub key: PoolKey,
    /// `transaction`…; empty where nobody said.
    pub mode: String,
    /// Size at the end.
    pub size: u32,
    /// Clients at the end; `waiting`: the most.
    pub clients: ClientCounts,
    /// Servers at the end.
    pub servers: ServerCounts,
    /// Paused at the end.
    pub paused: bool,
    /// The oldest wait seen.
    pub oldest_wait: Duration,
    /// Offered.
    pub arrivals: u64,
    /// Completed.
    pub completions: u64,
    /// Failed by the path.
    pub failures: u64,
    /// Gave up or were refused.
    pub abandoned: u64,
    /// Waits that ended.
    pub wait: Histogram,
    /// Hold times.
    pub hold: Histogram,
    /// Server-seconds.
    pub held: HoldTime,
}

impl Stretch {
    /// Nothing yet.
    pub fn new(key: &PoolKey, at: Wall, length: Duration) -> Self {
        Self {
            at,
            length,
            key: key.clone(),
            mode: String::new(),
            size: 0,
            clients: ClientCounts::default(),
            servers: ServerCounts::default(),
            paused: false,
            oldest_wait: Duration::ZERO,
            arrivals: 0,
            completions: 0,
            failures: 0,
            abandoned: 0,
            wait: Histogram::default(),
            hold: Histogram::default(),
            held: HoldTime::default(),
        }
    }

    /// Adds a later sample.
    pub fn add(&mut self, sample: &PoolSample) {
        let waiting = self.clients.waiting.max(sample.clients.waiting);
        self.clients = sample.clients;
        self.clients.waiting = waiting;
        self.size = sample.size;
        self.servers = sample.servers;
        self.paused = sample.paused;
        self.oldest_wait = self.oldest_wait.max(sample.oldest_wait);
        self.arrivals += u64::from(sample.arrivals);
        self.completions += u64::from(sample.completions);
        self.failures += u64::from(sample.failures);
        self.abandoned += u64::from(sample.abandoned);
        self.wait.add(&sample.wait);
        self.hold.add(&sample.hold);
        self.held.add(sample.held);
    }

    /// Adds a later stretch of the same pool; its end is the end.
    pub fn join(&mut self, later: &Stretch) {
        let waiting = self.clients.waiting.max(later.clients.waiting);
        self.clients = later.clients;
        self.clients.waiting = waiting;
        self.mode.clone_from(&later.mode);
        self.size = later.size;
        self.servers = later.servers;
        self.paused = later.paused;
        self.oldest_wait = self.oldest_wait.max(later.oldest_wait);
        self.arrivals += later.arrivals;
        self.completions += later.completions;
        self.failures += later.failures;
        self.abandoned += later.abandoned;
        self.wait.add(&later.wait);
        self.hold.add(&later.hold);
        self.held.add(later.held);
    }

    /// True where nobody came, waits or is connected: such a minute isn't worth a row.
    pub fn is_idle(&self) -> bool {
        self.arrivals == 0
            && self.failures == 0
            && self.abandoned == 0
            && self.servers.open() == 0
            && self.clients == ClientCounts::default()
    }

    /// As the store keeps it.
    pub fn to_json(&self) -> Value {
        let kept = Kept {
            database: self.key.database.to_string(),
            user: self.key.user.to_string(),
            length_ms: u64::try_from(self.length.as_millis()).unwrap_or(u64::MAX),
            mode: self.mode.clone(),
            size: self.size,
            clients: self.clients,
            servers: self.servers,
            paused: self.paused,
            oldest_wait: self.oldest_wait,
            counts: [
                self.arrivals,
                self.completions,
                self.failures,
                self.abandoned,
            ],
            wait: Sparse::of(&self.wait),
            hold: Sparse::of(&self.hold),
            held: self.held,
        };
        serde_json::to_value(kept).unwrap_or_default()
    }

    /// Reads what [`Stretch::to_json`] wrote; `None`: it is something else.
    pub fn from_json(at: Wall, json: Value) -> Option<Self> {
        let kept: Kept = serde_json::from_value(json).ok()?;
        let [arrivals, completions, failures, abandoned] = kept.counts;
        Some(Self {
            at,
            length: Duration::from_millis(kept.length_ms),
            key: PoolKey::new(&kept.database, &kept.user),
            mode: kept.mode,
            size: kept.size,
            clients: kept.clients,
            servers: kept.servers,
            paused: kept.paused,
            oldest_wait: kept.oldest_wait,
            arrivals,
            completions,
            failures,
            abandoned,
            wait: kept.wait.histogram(),
            hold: kept.hold.histogram(),
            held: kept.held,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Kept {
    database: String,
    user: String,
    length_ms: u64,
    #[serde(default)]
    mode: String,
    size: u32,
    clients: ClientCounts,
    servers: ServerCounts,
    #[serde(default)]
    paused: bool,
    oldest_wait: Duration,
    counts: [u64; 4],
    wait: Sparse,
    hold: Sparse,
    held: HoldTime,
}

/// A histogram without its empty buckets: a week of minutes is kept.
#[derive(Serialize, Deserialize)]
struct Sparse {
    sum_us: u64,
    buckets: Vec<(usize, u32)>,
}

impl Sparse {
    fn of(histogram: &Histogram) -> Self {
        Self {
            sum_us: u64::try_from(histogram.sum().as_micros()).unwrap_or(u64::MAX),
            buckets: histogram.counts().collect(),
        }
    }

    fn histogram(&self) -> Histogram {
        Histogram::from_counts(
            self.buckets.iter().copied(),
            Duration::from_micros(self.sum_us),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_read_back_as_it_was_written_and_nonsense_is_not() {
        let at = Wall::from_micros(1_795_410_060_000_000);
        let mut stretch = Stretch::new(
            &PoolKey::new("app", "dash/board"),
            at,
            Duration::from_secs(60),
        );
        stretch.mode = "transaction".to_owned();
        stretch.arrivals = 7;
        stretch.clients.waiting = 3;
        stretch.oldest_wait = Duration::from_millis(1_500);
        stretch.wait.record(Duration::from_millis(20));
        stretch.wait.record(Duration::from_micros(3));
        assert_eq!(
            Stretch::from_json(at, stretch.to_json()),
            Some(stretch.clone())
        );
        assert_eq!(
            Stretch::from_json(at, serde_json::json!({ "day": 3 })),
            None
        );
        let mut twice = stretch.clone();
        twice.clients.waiting = 1;
        stretch.join(&twice);
        assert_eq!((stretch.arrivals, stretch.clients.waiting), (14, 3));
        assert_eq!(stretch.wait.count(), 4);
    }
}
