//! What the control plane keeps of itself and of pools once a second or less: how the looks at
//! PostgreSQL go, the lines beside pools' names, minutes for the store.

use std::sync::Arc;
use std::time::Duration;

use weir_model::{Instant, PoolId, Wall};

use super::{Core, Output, publish};
use crate::handle::{CHANGES_MAX, Change, SPARK_POINTS, SPARK_STEP, Sensor, Spark, SparkPoint};
use crate::record::Recorder;
use crate::sense::view::{ServerView, WatchFailure};

/// Servers whose looks are counted: as many as a configuration may name.
const SENSORS_MAX: usize = 1_000;
const MINUTE: Duration = Duration::from_secs(60);
const MINUTE_US: i64 = 60_000_000;

impl Core {
    /// Counts a look.
    pub(super) fn sense(&mut self, view: &ServerView) {
        if self.sensors.len() >= SENSORS_MAX && !self.sensors.contains_key(&view.server) {
            return;
        }
        let sensor = self
            .sensors
            .entry(view.server.clone())
            .or_insert_with(|| Sensor {
                server: view.server.clone(),
                ok: false,
                says: String::new(),
                looked_at: None,
                took: None,
                looks: 0,
                late: 0,
                failed: 0,
                sees_all: false,
            });
        sensor.ok = view.outcome.is_ok();
        sensor.says = publish::looked(&view.outcome);
        sensor.looks += 1;
        match &view.outcome {
            Ok(()) => {
                sensor.looked_at = Some(view.at);
                sensor.took = Some(view.took);
                sensor.sees_all = view.sees_all;
                if !view.sees_all {
                    sensor.says =
                        "ok, but only its own sessions are seen: grant pg_monitor to the \
                                   watch role"
                            .to_owned();
                }
            }
            Err(WatchFailure::Late) => sensor.late += 1,
            Err(
                WatchFailure::NotConfigured
                | WatchFailure::Unreachable(_)
                | WatchFailure::Refused { .. },
            ) => sensor.failed += 1,
        }
    }

    /// Adds a point to each pool's line when its time has come.
    pub(super) fn spark(&mut self) {
        if self.now.since(self.sparked_at) < SPARK_STEP {
            return;
        }
        let from = self.sparked_at;
        self.sparked_at = self.now;
        for (id, pool) in &mut self.pools {
            let point = spark_point(&self.recorder, *id, from, self.now);
            Arc::make_mut(&mut pool.spark).push(self.now, point);
        }
    }

    /// Hands out the minute that is over. One in which Weir slept or started is shorter.
    pub(super) fn store_minute(&mut self, out: &mut Vec<Output>) {
        let now = self.clock.wall(self.now).as_micros();
        let begins = Wall::from_micros(now.div_euclid(MINUTE_US) * MINUTE_US);
        let minute = *self.minute.get_or_insert(begins);
        if begins <= minute {
            return;
        }
        self.minute = Some(begins);
        let (from, to) = (minute, minute.after(MINUTE));
        let (first, last) = (self.clock.instant(from), self.clock.instant(to));
        let mut rows = Vec::new();
        for (id, pool) in &self.pools {
            let stretch = self.recorder.stretch(*id, first, last, &self.clock);
            if let Some(mut stretch) = stretch.filter(|stretch| !stretch.is_idle()) {
                stretch.at = to;
                stretch.length = MINUTE;
                stretch.mode.clone_from(&pool.mode);
                rows.push(stretch);
            }
        }
        if !rows.is_empty() {
            out.push(Output::Minutes(minute, rows));
        }
    }

    /// Remembers what somebody changed.
    pub(super) fn changed(&mut self, change: Change) {
        let changes = Arc::make_mut(&mut self.changes);
        changes.push_back(change);
        while changes.len() > CHANGES_MAX {
            changes.pop_front();
        }
    }
}

fn spark_point(
    recorder: &Recorder,
    pool: PoolId,
    from: Instant,
    to: Instant,
) -> Option<SparkPoint> {
    let window = recorder.window(pool, from, to);
    (window.samples > 0).then(|| SparkPoint {
        wait_p99: window.wait.quantile(0.99),
        waiting: window.waiting_max,
        busy: window.active,
    })
}

/// The line that ended at a past instant.
pub(super) fn spark_at(recorder: &Recorder, pool: PoolId, at: Instant) -> Spark {
    let mut spark = Spark::default();
    let points = u32::try_from(SPARK_POINTS).unwrap_or(u32::MAX);
    for n in (0..points).rev() {
        let to = at.before(SPARK_STEP * n);
        let point = spark_point(recorder, pool, to.before(SPARK_STEP), to);
        // Before the pool began there is nothing to draw.
        if point.is_some() || !spark.points.is_empty() {
            spark.push(to, point);
        }
    }
    spark
}
