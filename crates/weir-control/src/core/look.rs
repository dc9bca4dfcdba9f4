//! Looking back and looking closely: what the black box and the pages about waits and statements ask.
//!
//! # What always holds
//! - A look changes nothing.
//! - A past instant is answered from what was measured then; what isn't known of it any more is
//!   absent, not guessed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{Fingerprint, Instant, Level, PoolId, PoolKey, ServerRow, Wall};

use super::publish::{SAMPLED, SHOWN};
use super::{Core, sensors};
use crate::handle::{
    AskFault, PoolView, Published, Reach, Spark, StatementRow, StatementsLook, Totals, WaitsLook,
};
use crate::incident::Incident;
use crate::incident::entry::IncidentId;
use crate::record::stretch::Stretch;

/// Points of one answer.
pub(crate) const SERIES_MAX: usize = 20_000;
/// Texts of one answer: as many as rows of clients can be asked for.
const TEXTS_MAX: usize = 5_000;
/// With more pools than this a past instant has no lines beside their names: each is made of all
/// samples of five minutes, and somebody may be scrubbing.
const SPARKS_PAST: usize = 50;
/// Clocks of browsers run ahead of ours a little.
const AHEAD: Duration = Duration::from_secs(5);

impl Core {
    /// Everything as it was at `at`, if memory reaches that far; otherwise without pools, for
    /// [`from_minutes`] to fill in.
    ///
    /// # Errors
    /// It lies ahead.
    pub(crate) fn publish_at(&self, at: Wall) -> Result<(Published, bool), AskFault> {
        let now = self.clock.wall(self.now);
        if at > now.after(AHEAD) {
            return Err(AskFault::NotNow("that lies ahead".to_owned()));
        }
        let at = at.min(now);
        let instant = self.clock.instant(at);
        let held = self.recorder.earliest().is_some_and(|e| e <= instant);
        let incidents: Vec<Arc<Incident>> = self
            .of_their_own(false)
            .into_iter()
            .filter(|incident| incident.clocks().detected_at <= at)
            .collect();
        let decisions = self.decisions.iter().rev();
        let mut past = Published {
            at: self.now,
            clock: self.clock,
            as_of: Some(at),
            window: SHOWN,
            resolution: SAMPLED,
            status: self.status(),
            worker: self.worker,
            pools: Vec::new(),
            incidents,
            merged: Vec::new(),
            decisions: decisions
                .filter(|decision| self.clock.wall(decision.at) <= at)
                .cloned()
                .collect(),
            silences: Vec::new(),
            markers: self.outside.markers.iter().cloned().collect(),
            journals: Default::default(),
            sensors: Vec::new(),
            changes: Arc::clone(&self.changes),
        };
        if held {
            let pools = self.pools.keys();
            past.pools = pools
                .filter_map(|id| self.pool_at(*id, instant, &past))
                .collect();
            past.pools.sort_by(|a, b| a.key.cmp(&b.key));
        }
        Ok((past, held))
    }

    fn pool_at(&self, id: PoolId, at: Instant, past: &Published) -> Option<PoolView> {
        let pool = self.pools.get(&id)?;
        let sample = self.recorder.sample_at(id, at)?;
        let window = self.recorder.window(id, at.before(SHOWN), at);
        let mut view = self.view_of(id, pool, sample, window);
        if self.pools.len() <= SPARKS_PAST {
            view.spark = Arc::new(sensors::spark_at(&self.recorder, id, at));
        }
        colour(&mut view, past);
        for row in self.recorder.servers_at(at).into_iter().flatten() {
            for pin in row.pins.iter().filter(|_| row.pool == id) {
                *view.pins.entry(*pin).or_default() += 1;
            }
        }
        Some(view)
    }

    /// Pools in steps; of what is older than memory, nothing.
    ///
    /// # Errors
    /// Too many points.
    pub(crate) fn series(
        &self,
        pool: Option<&PoolKey>,
        from: Wall,
        to: Wall,
        step: Duration,
    ) -> Result<Vec<Stretch>, AskFault> {
        let (first, last) = (self.clock.instant(from), self.clock.instant(to));
        let mut series = Vec::new();
        for (id, known) in &self.pools {
            if pool.is_some_and(|wanted| *wanted != known.key) {
                continue;
            }
            series.extend(
                self.recorder
                    .series(*id, first, last, step.max(SAMPLED), &self.clock),
            );
            enough(series.len())?;
        }
        series.sort_by_key(|stretch| stretch.at);
        Ok(series)
    }

    /// Who waits for whom, now or then.
    ///
    /// # Errors
    /// Memory doesn't reach that far.
    pub(crate) fn waits(&self, at: Option<Wall>) -> Result<WaitsLook, AskFault> {
        let instant = at.map_or(self.now, |at| self.clock.instant(at).min(self.now));
        if self.recorder.earliest().is_none_or(|e| e > instant) && at.is_some() {
            return Err(AskFault::NotRecorded {
                earliest: self.recorder.earliest().map(|e| self.clock.wall(e)),
            });
        }
        let servers: Option<Vec<ServerRow>> = match at {
            None => Some(self.recorder.servers().to_vec()),
            Some(_) => self.recorder.servers_at(instant).map(<[_]>::to_vec),
        };
        let shapes = servers.iter().flatten().map(|row| row.fingerprint);
        Ok(WaitsLook {
            texts: self.texts(shapes),
            views: self
                .recorder
                .views_at(instant)
                .into_iter()
                .cloned()
                .collect(),
            servers,
        })
    }

    /// Texts of statements.
    pub(crate) fn texts(
        &self,
        of: impl IntoIterator<Item = Fingerprint>,
    ) -> HashMap<Fingerprint, Arc<str>> {
        let mut texts = HashMap::new();
        for fingerprint in of {
            if let Some(text) = self.recorder.text_shared(fingerprint)
                && texts.len() < TEXTS_MAX
            {
                texts.insert(fingerprint, text);
            }
        }
        texts
    }

    /// Statements between two instants, and in the same length before.
    ///
    /// # Errors
    /// Memory doesn't reach that far.
    pub(crate) fn statements(
        &self,
        pool: Option<&PoolKey>,
        from: Wall,
        to: Wall,
    ) -> Result<StatementsLook, AskFault> {
        let earliest = self.recorder.earliest().map(|e| self.clock.wall(e));
        // The first sample stands for the time before its end.
        let begin = earliest.map(|e| e.before(SAMPLED));
        let to = to.min(self.clock.wall(self.now));
        if begin.is_none_or(|begin| to < begin) {
            return Err(AskFault::NotRecorded { earliest });
        }
        let from = from.max(begin.unwrap_or(from)).min(to);
        let before = (from.before(to.since(from)), from);
        let instant = |at: Wall| self.clock.instant(at);
        let mut rows = Vec::new();
        for (id, known) in &self.pools {
            if pool.is_some_and(|wanted| *wanted != known.key) {
                continue;
            }
            let earlier = self
                .recorder
                .statements(*id, instant(before.0), instant(before.1));
            let mut earlier: HashMap<Fingerprint, _> = earlier
                .into_iter()
                .map(|window| (window.fingerprint, window))
                .collect();
            for now in self.recorder.statements(*id, instant(from), instant(to)) {
                rows.push(StatementRow {
                    key: known.key.clone(),
                    before: earlier.remove(&now.fingerprint),
                    now,
                });
            }
        }
        Ok(StatementsLook {
            from,
            to,
            before,
            rows,
        })
    }

    /// How far back memory reaches; the store's part is the plane's.
    pub(crate) fn reach(&self) -> Reach {
        Reach {
            minutes_from: None,
            minutes_to: self.minute,
            samples_from: self
                .recorder
                .earliest()
                .map(|at| self.clock.wall(at).before(SAMPLED)),
            latest: self.clock.wall(self.now),
            decisions: Vec::new(),
        }
    }
}

/// Refuses an answer that is too long.
pub(crate) fn enough(points: usize) -> Result<(), AskFault> {
    if points <= SERIES_MAX {
        return Ok(());
    }
    Err(AskFault::TooMuch(format!(
        "that is more than {SERIES_MAX} points: take a larger `step`, one `pool`, or less time"
    )))
}

/// What incidents and decisions tell of a pool as it was.
fn colour(view: &mut PoolView, past: &Published) {
    let at = past.wall();
    let of_pool =
        |incident: &&Arc<Incident>| incident.pools.contains(&view.key) && was_open(incident, at);
    let open: Option<(IncidentId, Option<Level>)> = past
        .incidents
        .iter()
        .find(of_pool)
        .map(|incident| (incident.id, incident.level));
    if let Some((id, level)) = open {
        view.incident = Some(id);
        view.level = level;
    }
    let last = past.decisions.iter().find(|d| d.key == view.key);
    view.size_because = match last {
        Some(decision) => format!("{}: {}", decision.says(), decision.because),
        None => "not known any more".to_owned(),
    };
    if let Some(says) = last.and_then(|decision| decision.why_not_more.clone()) {
        view.why_not_more = says;
    }
}

/// Whether an incident was going on at a past instant.
pub fn was_open(incident: &Incident, at: Wall) -> bool {
    let clocks = incident.clocks();
    clocks.detected_at <= at && clocks.resolved_at.is_none_or(|end| end > at)
}

/// Fills in the pools of a past instant from the minutes that hold it.
pub(crate) fn from_minutes(past: &mut Published, minutes: Vec<Stretch>) {
    past.window = Duration::from_secs(60);
    past.resolution = Duration::from_secs(60);
    for minute in minutes {
        let seconds = minute.length.as_secs_f64().max(0.1);
        let mut view = PoolView {
            // Ids don't outlive the process.
            id: PoolId(u32::MAX),
            key: minute.key,
            mode: minute.mode,
            size: minute.size,
            size_min: 0,
            size_max: u32::MAX,
            size_because: String::new(),
            clients: minute.clients,
            servers: minute.servers,
            oldest_wait: minute.oldest_wait,
            transactions_per_s: minute.completions as f64 / seconds,
            arrivals_per_s: minute.arrivals as f64 / seconds,
            failures_per_s: minute.failures as f64 / seconds,
            abandoned_per_s: minute.abandoned as f64 / seconds,
            wait: minute.wait,
            hold: minute.hold,
            held: minute.held,
            why_not_more: String::new(),
            recommendation: None,
            spark: Arc::new(Spark::default()),
            level: None,
            incident: None,
            pins: Default::default(),
            paused: minute.paused,
            objective: String::new(),
            totals: Totals::default(),
        };
        colour(&mut view, past);
        past.pools.push(view);
    }
    past.pools.sort_by(|a, b| a.key.cmp(&b.key));
}
