//! What the recorder can be asked. A window takes the samples that end after `from` and not after
//! `to`, so that windows side by side share nothing and miss nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ClockMap, ConnectFailure, Fingerprint, Instant, Pin, PoolId, PoolKey, PoolSample, ServerRow,
    Wall, WorkerSample,
};

use super::fold;
use super::recorder::{Held, PoolTrack, Recorder};
use super::stretch::Stretch;
use super::window::{BackendWindow, ImpactWindow, PoolWindow, StatementWindow};
use crate::sense::view::{Limits, ServerView};

/// A state is taken for that of an instant if it was seen this long before.
const AT_MOST: Duration = Duration::from_secs(2);
/// PostgreSQL is looked at once a second, and a look may be late.
const LOOKED_WITHIN: Duration = Duration::from_secs(5);

/// The rows of an ascending queue that lie in `(from, to]`.
fn between<T>(
    rows: &VecDeque<T>,
    at: impl Fn(&T) -> Instant,
    from: Instant,
    to: Instant,
) -> impl Iterator<Item = &T> {
    let begin = rows.partition_point(|row| at(row) <= from);
    let end = rows.partition_point(|row| at(row) <= to).max(begin);
    rows.range(begin..end)
}

impl PoolTrack {
    fn held(&self, from: Instant, to: Instant) -> impl Iterator<Item = &Held> {
        between(&self.samples, |held| held.at, from, to)
    }
}

impl Recorder {
    /// Every pool that was ever seen.
    pub fn pools(&self) -> impl Iterator<Item = (PoolId, &PoolKey)> {
        self.pools.iter().map(|(&pool, track)| (pool, &track.key))
    }

    /// The last sample of `pool`.
    pub fn latest(&self, pool: PoolId) -> Option<&PoolSample> {
        Some(&self.pools.get(&pool)?.samples.back()?.sample)
    }

    /// Samples of `pool` with their end, ascending.
    pub fn samples(
        &self,
        pool: PoolId,
        from: Instant,
        to: Instant,
    ) -> impl Iterator<Item = (Instant, &PoolSample)> {
        self.pools
            .get(&pool)
            .into_iter()
            .flat_map(move |track| track.held(from, to))
            .map(|held| (held.at, &*held.sample))
    }

    /// End of the oldest sample that is held; `None`: none is.
    pub fn earliest(&self) -> Option<Instant> {
        let oldest = |track: &PoolTrack| track.samples.front().map(|held| held.at);
        self.pools.values().filter_map(oldest).min()
    }

    /// The last sample of `pool` that ended by `at` and not long before.
    pub fn sample_at(&self, pool: PoolId, at: Instant) -> Option<&PoolSample> {
        let track = self.pools.get(&pool)?;
        let held = track.held(at.before(AT_MOST), at).last()?;
        Some(&held.sample)
    }

    /// All servers with their clients, as they were at `at`; `None`: not known any more.
    pub fn servers_at(&self, at: Instant) -> Option<&[ServerRow]> {
        let from = at.before(AT_MOST);
        let (_, rows) = between(&self.past_servers, |row| row.0, from, at).last()?;
        Some(rows)
    }

    /// The last look at each server that succeeded by `at` and not long before.
    pub fn views_at(&self, at: Instant) -> Vec<&ServerView> {
        let mut last: BTreeMap<&str, &ServerView> = BTreeMap::new();
        for view in self.views(at.before(LOOKED_WITHIN), at) {
            if view.outcome.is_ok() {
                last.insert(&view.server, view);
            }
        }
        last.into_values().collect()
    }

    /// One pool from `from` to `to`, by civil time; `None`: nothing was measured.
    pub fn stretch(
        &self,
        pool: PoolId,
        from: Instant,
        to: Instant,
        clock: &ClockMap,
    ) -> Option<Stretch> {
        let track = self.pools.get(&pool)?;
        let mut samples = track.held(from, to).peekable();
        samples.peek()?;
        let mut stretch = Stretch::new(&track.key, clock.wall(to), to.since(from));
        samples.for_each(|held| stretch.add(&held.sample));
        Some(stretch)
    }

    /// One pool in steps that lie on multiples of `step` in civil time, oldest first; a step in
    /// which nothing was measured is left out.
    pub fn series(
        &self,
        pool: PoolId,
        from: Instant,
        to: Instant,
        step: Duration,
        clock: &ClockMap,
    ) -> Vec<Stretch> {
        let Some(track) = self.pools.get(&pool) else {
            return Vec::new();
        };
        let step_us = i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1);
        let mut series: Vec<Stretch> = Vec::new();
        for held in track.held(from, to) {
            // A sample that ends on the step belongs to what it ends.
            let slot = (clock.wall(held.at).as_micros() - 1).div_euclid(step_us) + 1;
            let end = Wall::from_micros(slot.saturating_mul(step_us));
            if series.last().is_none_or(|last| last.at != end) {
                series.push(Stretch::new(&track.key, end, step));
            }
            if let Some(last) = series.last_mut() {
                last.add(&held.sample);
            }
        }
        series
    }

    /// Samples of the workers themselves.
    pub fn worker_samples(
        &self,
        from: Instant,
        to: Instant,
    ) -> impl Iterator<Item = (Instant, &WorkerSample)> {
        between(&self.workers, |row| row.0, from, to).map(|(at, sample)| (*at, sample))
    }

    /// One pool between two instants. The window's `from` and `to` are drawn in to what was
    /// measured, so that a rate isn't diluted by time before the pool or the recording began; nothing
    /// measured leaves them as asked. A hole in the middle (samples lost on the way) stays in
    /// the length.
    ///
    /// What is older than [`super::recorder::KEEP`] is there to the minute: a window takes the
    /// minutes that end inside it.
    pub fn window(&self, pool: PoolId, from: Instant, to: Instant) -> PoolWindow {
        let track = self.pools.get(&pool);
        let mut w = fold::empty(pool, track.map(|t| &t.key), from, to);
        let Some(track) = track else { return w };
        for minute in between(&track.minutes, |row| row.to, from, to) {
            fold::add_sums(&mut w, minute);
        }
        for held in track.held(from, to) {
            fold::add_sample(&mut w, held);
        }
        w.from = w.from.max(from);
        fold::sums_to_means(&mut w);
        w
    }

    /// Statements of `pool` between two instants, most executing time first. Rows come once a
    /// second, so a window shorter than that may hold none.
    pub fn statements(&self, pool: PoolId, from: Instant, to: Instant) -> Vec<StatementWindow> {
        let Some(track) = self.pools.get(&pool) else {
            return Vec::new();
        };
        let mut sums: HashMap<Fingerprint, StatementWindow> = HashMap::new();
        for (_, row) in between(&track.statements, |row| row.0, from, to) {
            let sum = sums
                .entry(row.fingerprint)
                .or_insert_with(|| StatementWindow {
                    fingerprint: row.fingerprint,
                    text: self.text(row.fingerprint).unwrap_or_default().to_owned(),
                    calls: 0,
                    errors: 0,
                    executing: Duration::ZERO,
                    executing_max: Duration::ZERO,
                    rows: 0,
                });
            sum.calls += u64::from(row.calls);
            sum.errors += u64::from(row.errors);
            sum.executing += row.executing;
            sum.executing_max = sum.executing_max.max(row.executing_max);
            sum.rows += row.rows;
        }
        let mut all: Vec<_> = sums.into_values().collect();
        // The fingerprint breaks ties: the same recording gives the same report.
        all.sort_by_key(|s| (std::cmp::Reverse(s.executing), s.fingerprint));
        all
    }

    /// Where backends were, over the looks between two instants.
    pub fn backends(&self, from: Instant, to: Instant) -> BackendWindow {
        let mut w = BackendWindow::default();
        for view in self.views(from, to) {
            if view.outcome.is_err() {
                w.looks_failed += 1;
                continue;
            }
            w.looks += 1;
            for backend in &view.backends {
                match (backend.own, backend.state.as_str()) {
                    (true, "active") => {
                        w.active_samples += 1;
                        let (class, event) = if backend.wait_event_type.is_empty() {
                            ("CPU", "CPU".to_owned())
                        } else {
                            let class = backend.wait_event_type.as_str();
                            (class, format!("{class}:{}", backend.wait_event))
                        };
                        *w.by_wait_type.entry(class.to_owned()).or_default() += 1;
                        *w.by_wait_event.entry(event).or_default() += 1;
                    }
                    (true, state) if state.starts_with("idle in transaction") => {
                        w.idle_in_transaction_samples += 1;
                    }
                    (false, "active")
                        if backend.backend_type == "client backend"
                            && !backend.application.starts_with("weir:") =>
                    {
                        w.foreign_active_samples += 1;
                    }
                    _ => {}
                }
            }
        }
        w
    }

    /// Looks at PostgreSQL, also those that failed.
    pub fn views(&self, from: Instant, to: Instant) -> impl Iterator<Item = &ServerView> {
        between(&self.views, |view| view.at, from, to)
    }

    /// The last look that succeeded.
    pub fn latest_view(&self) -> Option<&ServerView> {
        self.views.iter().rev().find(|view| view.outcome.is_ok())
    }

    /// The last look, however it went.
    pub fn latest_look(&self) -> Option<&ServerView> {
        self.views.back()
    }

    /// The last limits that were read, and when.
    pub fn latest_limits(&self) -> Option<(Instant, Limits)> {
        self.limits
    }

    /// All servers with their clients, as of the last second.
    pub fn servers(&self) -> &[ServerRow] {
        &self.servers
    }

    /// Who was hurt between two instants: transactions that *arrived* there and have ended since.
    pub fn impact(
        &self,
        pool: PoolId,
        from: Instant,
        to: Instant,
        objective_wait: Duration,
    ) -> ImpactWindow {
        let Some(track) = self.pools.get(&pool) else {
            return ImpactWindow::default();
        };
        let mut w = track.impact.window(from, to, objective_wait);
        let mut totals = self
            .worker_samples(from, to)
            .map(|(_, worker)| worker.events_lost_total);
        if let Some(first) = totals.next() {
            w.events_lost += totals.max().unwrap_or(first).saturating_sub(first);
        }
        w
    }

    /// Arrival of the first transaction from `from` on that was delayed beyond the objective or
    /// failed. A client that still waits counts as soon as it has waited too long.
    pub fn first_hurt(
        &self,
        pool: PoolId,
        from: Instant,
        objective_wait: Duration,
    ) -> Option<Instant> {
        let track = self.pools.get(&pool)?;
        let ended = track.impact.first_hurt(from, objective_wait);
        let end = Instant::from_nanos(u64::MAX);
        let waiting = track
            .held(from, end)
            .filter(|held| held.sample.oldest_wait > objective_wait)
            .map(|held| held.at.before(held.sample.oldest_wait))
            .find(|&arrived| arrived >= from);
        match (ended, waiting) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// A fingerprint's text, if it was sent.
    pub fn text(&self, fingerprint: Fingerprint) -> Option<&str> {
        self.texts.get(&fingerprint).map(|text| &**text)
    }

    /// The same, to be kept.
    pub fn text_shared(&self, fingerprint: Fingerprint) -> Option<Arc<str>> {
        self.texts.get(&fingerprint).cloned()
    }

    /// Server connections that couldn't be opened. Known to the length of a sample.
    pub fn login_failures(
        &self,
        pool: PoolId,
        from: Instant,
        to: Instant,
    ) -> Vec<(Instant, ConnectFailure)> {
        self.pools.get(&pool).map_or_else(Vec::new, |track| {
            between(&track.login_failures, |row| row.0, from, to)
                .cloned()
                .collect()
        })
    }

    /// Server connections that PostgreSQL or the network ended, and how. Known to the length of a sample.
    pub fn servers_lost(&self, pool: PoolId, from: Instant, to: Instant) -> Vec<(Instant, String)> {
        self.pools.get(&pool).map_or_else(Vec::new, |track| {
            between(&track.lost, |row| row.0, from, to)
                .cloned()
                .collect()
        })
    }

    /// How many clients are pinned, by what pins them.
    pub fn pins(&self, pool: PoolId) -> BTreeMap<Pin, u32> {
        let mut counts = BTreeMap::new();
        for (pin, _) in self.pools.get(&pool).iter().flat_map(|t| &t.pins) {
            *counts.entry(*pin).or_default() += 1;
        }
        counts
    }
}
