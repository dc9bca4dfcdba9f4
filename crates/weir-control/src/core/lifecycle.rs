//! An incident from its first level to its last word.

use std::sync::Arc;
use std::time::Duration;

use weir_model::{Cause, Evidence, Instant, Level, PoolId, Severity, Wall};

use super::live::{Live, Named};
use super::{Core, INCIDENTS_KEPT, Output};
use crate::detect::LevelChange;
use crate::diagnose::{self, DiagnosisInput};
use crate::handle::NotifyWhat;
use crate::incident::Incident;
use crate::incident::entry::{By, Entry, IncidentId, Said};
use crate::insight::Rails;

/// "Usual" is at most this long before the onset…
const BASELINE: Duration = Duration::from_secs(60);
/// … and ends this long before it, so that the climb isn't in it.
const BASELINE_GAP: Duration = Duration::from_secs(2);
/// A shorter baseline says nothing.
const BASELINE_LEAST: Duration = Duration::from_secs(3);
/// The objective must be met this long before an incident counts as mitigated.
const MITIGATED_AFTER: Duration = Duration::from_secs(5);
/// The objective is a share of waits, so it is judged over enough of them.
const JUDGED: Duration = Duration::from_secs(3);
/// "As usual" allows this much more of late waits than before the onset.
const AS_USUAL: f64 = 1.25;
/// How often numbers for the report are written while an incident goes on.
const MEASURE_EVERY: Duration = Duration::from_secs(10);
/// A new first cause must hold this many seconds, once the story has settled…
const CHANGE_OF_MIND: u32 = 3;
/// … and this many once a cause has stood for [`STANDS`]: a queue that drains after its cause was
/// lifted looks like a pool too small for its load, and so does the shadow of a short relapse.
const CHANGE_OF_MIND_LATE: u32 = 8;
/// A cause that is less sure than this doesn't take another's place.
const LEAST_TO_RENAME: f64 = 0.5;
/// See [`CHANGE_OF_MIND_LATE`].
const STANDS: Duration = Duration::from_secs(8);
/// Until this long after opening, diagnosis may change its mind at once: evidence still comes in.
const SETTLING: Duration = Duration::from_secs(5);

impl Core {
    /// A pool's level rose, or ended.
    pub(super) fn on_level(&mut self, change: &LevelChange, out: &mut Vec<Output>) {
        let at = self.clock.wall(change.at);
        let open = self.live.iter().position(|l| l.pool == Some(change.pool));
        match (change.to, open) {
            (Some(level), None) => self.open(level, change, out),
            (Some(level), Some(index)) => {
                let id = self.live[index].id;
                self.live[index].good_since = None;
                if self.live[index].mitigated.take().is_some() {
                    self.append(
                        id,
                        at,
                        By::Weir,
                        Said::Reopened {
                            says: change.says.clone(),
                        },
                        out,
                    );
                }
                let said = Said::LevelChanged {
                    level,
                    says: change.says.clone(),
                    evidence: change.evidence.clone(),
                };
                self.append(id, at, By::Weir, said, out);
                self.judge_severity(index, out);
                out.push(Output::Notify(id, NotifyWhat::Changed));
                self.name_cause(index, change.at, out);
            }
            // Whether it is over is for the objective to say, second by second.
            (None, _) => {}
        }
    }

    fn open(&mut self, level: Level, change: &LevelChange, out: &mut Vec<Output>) {
        let Some(pool) = self.pools.get(&change.pool) else {
            return;
        };
        let (key, born) = (pool.key.clone(), pool.born);
        let (ratio, wait) = (pool.settings.objective_ratio, pool.settings.objective_wait);
        if self.adopt(&key, change, out) {
            return;
        }
        let hurt = self
            .recorder
            .first_hurt(
                change.pool,
                change.onset.before(Duration::from_millis(100)),
                wait,
            )
            .map_or(change.onset, |at| at.min(change.at));
        let baseline = baseline_before(change.onset, born);
        let id = IncidentId(self.next_incident);
        self.next_incident += 1;
        let opened = Said::Opened {
            kind: self.settings.kind,
            pools: vec![key.clone()],
            level: Some(level),
            severity: first_severity(level),
            impact_started_at: self.clock.wall(hurt),
            detected_at: self.clock.wall(change.at),
            detected_by: "weir".to_owned(),
            objective: objective_text(ratio, wait),
            evidence: change.evidence.clone(),
            baseline: baseline
                .map(|(from, to)| Box::new(self.recorder.window(change.pool, from, to))),
            title: None,
            service: None,
        };
        let usual_late = baseline.map_or(0.0, |(from, to)| {
            let usual = self.recorder.window(change.pool, from, to).wait;
            usual.count_at_least(wait) as f64 / usual.count().max(1) as f64
        });
        let onset = hurt.min(change.onset);
        let charted_to = self.clock.wall(onset.before(Duration::from_secs(15)));
        self.live.push(Live {
            id,
            key,
            pool: Some(change.pool),
            onset,
            baseline,
            usual_late,
            diagnosed: None,
            contender: None,
            first_named: change.at,
            opened: change.at,
            measured_at: change.at,
            charted_to,
            good_since: None,
            mitigated: None,
            cut_in_transaction: 0,
        });
        self.append(id, self.clock.wall(change.at), By::Weir, opened, out);
        let index = self.live.len() - 1;
        self.name_cause(index, change.at, out);
        self.judge_severity(index, out);
        out.push(Output::Notify(id, NotifyWhat::Opened));
    }

    /// Once a second for every incident that isn't over.
    pub(super) fn follow_incidents(&mut self, out: &mut Vec<Output>) {
        let now = self.now;
        let mut over = Vec::new();
        for index in 0..self.live.len() {
            self.follow(index, now, out, &mut over);
        }
        self.live.retain(|live| !over.contains(&live.id));
    }

    fn follow(
        &mut self,
        index: usize,
        now: Instant,
        out: &mut Vec<Output>,
        over: &mut Vec<IncidentId>,
    ) {
        let Some(pool) = self.live[index].pool else {
            self.follow_silent(index, now, out, over);
            return;
        };
        let id = self.live[index].id;
        if self.live[index].mitigated.is_none() {
            self.name_cause(index, now, out);
            self.judge_severity(index, out);
        }
        if self.meets_objective(pool, self.live[index].usual_late, now) {
            self.live[index]
                .good_since
                .get_or_insert(now.before(Duration::from_secs(1)));
        } else {
            self.live[index].good_since = None;
        }
        let Some(good) = self.live[index].good_since else {
            self.measure_if_due(index, now, out);
            return;
        };
        if self.live[index].mitigated.is_none() && now.since(good) >= MITIGATED_AFTER {
            self.live[index].mitigated = Some(good);
            let (says, evidence) =
                self.objective_evidence(pool, self.live[index].usual_late, good, now);
            self.append(
                id,
                self.clock.wall(good),
                By::Weir,
                Said::Mitigated { says, evidence },
                out,
            );
            self.measure(index, now, out);
        }
        if now.since(good) >= self.settings.resolve_after.max(MITIGATED_AFTER) {
            let (says, evidence) =
                self.objective_evidence(pool, self.live[index].usual_late, good, now);
            self.measure(index, now, out);
            self.others(index, now, out);
            self.append(
                id,
                self.clock.wall(now),
                By::Weir,
                Said::Resolved { says, evidence },
                out,
            );
            out.push(Output::Notify(id, NotifyWhat::Resolved));
            over.push(id);
            return;
        }
        self.measure_if_due(index, now, out);
    }

    /// After a restart, with no traffic for the pool yet.
    fn follow_silent(
        &mut self,
        index: usize,
        now: Instant,
        out: &mut Vec<Output>,
        over: &mut Vec<IncidentId>,
    ) {
        let key = self.live[index].key.clone();
        if let Some(pool) = self
            .recorder
            .pools()
            .find(|(_, k)| **k == key)
            .map(|(id, _)| id)
        {
            self.live[index].pool = Some(pool);
            return;
        }
        if now.since(self.started) < self.settings.resolve_after {
            return;
        }
        let id = self.live[index].id;
        let says = format!(
            "Weir was restarted in the middle of it, and no client has asked for {key} in the {} s since; \
             nothing more was measured",
            self.settings.resolve_after.as_secs()
        );
        self.append(
            id,
            self.clock.wall(now),
            By::Weir,
            Said::Resolved {
                says,
                evidence: vec![],
            },
            out,
        );
        out.push(Output::Notify(id, NotifyWhat::Resolved));
        over.push(id);
    }

    /// Is the wait objective met over the last seconds, or as nearly as before the onset, with no
    /// standing queue and nothing odd?
    fn meets_objective(&self, pool: PoolId, usual_late: f64, now: Instant) -> bool {
        let Some(known) = self.pools.get(&pool) else {
            return true;
        };
        let objective = known.settings.objective_wait;
        let window = self.recorder.window(pool, now.before(JUDGED), now);
        let late = window.wait.count_at_least(objective) as f64;
        // A pool that missed its objective on every calm day can't be held to it now.
        let allowed = (1.0 - known.settings.objective_ratio).max(usual_late * AS_USUAL);
        let last_second = now.before(Duration::from_secs(1));
        let shortest = self
            .recorder
            .samples(pool, last_second, now)
            .map(|(_, sample)| sample.oldest_wait)
            .min();
        late <= window.wait.count() as f64 * allowed
            && shortest.is_none_or(|wait| wait <= objective)
            && window.failures == 0
            && window.abandoned == 0
            && !matches!(
                self.detector.level(pool),
                Some(Level::Down | Level::Stalled | Level::Leak)
            )
    }

    fn objective_evidence(
        &self,
        pool: PoolId,
        usual_late: f64,
        from: Instant,
        to: Instant,
    ) -> (String, Vec<Evidence>) {
        let window = self.recorder.window(pool, from, to);
        let (ratio, wait, key) = match self.pools.get(&pool) {
            Some(p) => (
                p.settings.objective_ratio,
                p.settings.objective_wait,
                p.key.to_string(),
            ),
            None => (0.99, Duration::from_millis(10), String::new()),
        };
        let met = window.wait.count() - window.wait.count_at_least(wait);
        let share = met as f64 / window.wait.count().max(1) as f64;
        let against = if share >= ratio {
            format!("objective {:.0} %", ratio * 100.0)
        } else {
            format!(
                "objective {:.0} %, which this pool missed before the onset too: {:.1} %",
                ratio * 100.0,
                (1.0 - usual_late) * 100.0
            )
        };
        let says = if window.wait.is_empty() {
            format!(
                "nobody has waited and nothing has failed for {} s",
                to.since(from).as_secs()
            )
        } else {
            format!(
                "{:.1} % of waits under {} over {} s ({against}), no transaction failed",
                share * 100.0,
                weir_model::HumanDuration(wait),
                to.since(from).as_secs(),
            )
        };
        let evidence = Evidence {
            says: format!("{met} of {} waits met the objective", window.wait.count()),
            metric: "weir_pool_waits_within_objective_ratio".to_owned(),
            value: share,
            baseline: Some(1.0 - usual_late),
            query: format!("GET /api/v1/samples?pool={key}"),
            from: self.clock.wall(from),
            to: self.clock.wall(to),
        };
        (says, vec![evidence])
    }

    /// Asks diagnosis, and writes down what is news.
    fn name_cause(&mut self, index: usize, now: Instant, out: &mut Vec<Output>) {
        let live = &self.live[index];
        let Some(pool) = live.pool else { return };
        let Some(level) = self.detector.level(pool) else {
            return;
        };
        if live.diagnosed.is_some() && !self.hurts_now(pool, level, now) {
            // The level lingers until it is sure to be over; what is measured meanwhile is calm.
            self.live[index].contender = None;
            return;
        }
        let rails = self
            .pools
            .get(&pool)
            .and_then(|p| p.rails)
            .unwrap_or_else(Rails::unknown);
        let input = DiagnosisInput::gather(
            &self.recorder,
            pool,
            level,
            // No baseline: an empty window, which diagnosis takes as "not measured".
            live.baseline.unwrap_or((Instant::ZERO, Instant::ZERO)),
            live.onset,
            now,
            &self.clock,
            rails,
        );
        let diagnosis = diagnose::diagnose(&input);
        let Some(top) = diagnosis.causes.first() else {
            return;
        };
        let (cause, confidence) = (top.cause, top.confidence);
        let settling = now.since(live.opened) < SETTLING;
        let live = &mut self.live[index];
        let write = match live.diagnosed {
            None => true,
            Some(named) if named.cause == cause => {
                live.contender = None;
                // The same name again is news when it is much surer, or has aged.
                (confidence - named.confidence).abs() > 0.1
                    || now.since(named.at) >= Duration::from_secs(15)
            }
            // Knowing less than before is no news.
            Some(named)
                if named.cause != Cause::Unknown
                    && (cause == Cause::Unknown || confidence < LEAST_TO_RENAME) =>
            {
                live.contender = None;
                false
            }
            Some(_) if settling => true,
            Some(_) => {
                let times = match live.contender {
                    Some((contender, times)) if contender == cause => times + 1,
                    _ => 1,
                };
                live.contender = Some((cause, times));
                times
                    >= if now.since(live.first_named) >= STANDS {
                        CHANGE_OF_MIND_LATE
                    } else {
                        CHANGE_OF_MIND
                    }
            }
        };
        if !write {
            return;
        }
        let renamed = live.diagnosed.is_none_or(|named| named.cause != cause);
        if renamed {
            live.first_named = now;
        }
        let renamed = renamed && live.diagnosed.is_some();
        live.diagnosed = Some(Named {
            cause,
            confidence,
            at: now,
        });
        live.contender = None;
        let id = live.id;
        let said = Said::Diagnosed {
            causes: diagnosis.causes,
            ruled_out: diagnosis.ruled_out,
            trigger_at: diagnosis
                .trigger
                .as_ref()
                .map(|(_, at)| self.clock.wall(*at)),
            trigger: diagnosis.trigger.map(|(says, _)| says),
        };
        self.append(id, self.clock.wall(now), By::Weir, said, out);
        if renamed {
            out.push(Output::Notify(id, NotifyWhat::Changed));
        }
    }

    /// Does anybody wait or fail in this very second?
    fn hurts_now(&self, pool: PoolId, level: Level, now: Instant) -> bool {
        let window = self
            .recorder
            .window(pool, now.before(Duration::from_secs(1)), now);
        window.waiting_max > 0
            || window.failures + window.abandoned + window.server_login_failures > 0
            || matches!(level, Level::Down | Level::Leak)
    }

    /// Severity by who is hurt: everything down, many, some, nobody yet.
    fn judge_severity(&mut self, index: usize, out: &mut Vec<Output>) {
        let live = &self.live[index];
        let Some(pool) = live.pool else { return };
        let Some(known) = self.pools.get(&pool) else {
            return;
        };
        let Some(incident) = self.incidents.get(&live.id) else {
            return;
        };
        let impact =
            self.recorder
                .impact(pool, live.onset, self.now, known.settings.objective_wait);
        let hurt = impact.delayed + impact.failed;
        let share = hurt as f64 / impact.transactions.max(1) as f64;
        let level = self.detector.level(pool);
        let (severity, says) = if matches!(level, Some(Level::Down)) {
            (
                Severity::Sev1,
                "PostgreSQL is not reachable: nobody is served".to_owned(),
            )
        } else if impact.failed > 0 || share > 0.25 {
            (
                Severity::Sev2,
                format!(
                    "{} of {} transactions delayed, {} failed",
                    impact.delayed, impact.transactions, impact.failed
                ),
            )
        } else {
            (
                Severity::Sev3,
                format!(
                    "{} of {} transactions delayed",
                    impact.delayed, impact.transactions
                ),
            )
        };
        // It only gets worse: how bad it was is judged by its worst moment.
        if severity < incident.severity {
            let id = live.id;
            self.append(
                id,
                self.clock.wall(self.now),
                By::Weir,
                Said::SeverityChanged { severity, says },
                out,
            );
        }
    }

    fn measure_if_due(&mut self, index: usize, now: Instant, out: &mut Vec<Output>) {
        if now.since(self.live[index].measured_at) >= MEASURE_EVERY {
            self.measure(index, now, out);
        }
    }

    /// Writes down the numbers that the report stands on.
    pub(super) fn measure(&mut self, index: usize, now: Instant, out: &mut Vec<Output>) {
        let live = &mut self.live[index];
        live.measured_at = now;
        let Some(pool) = live.pool else { return };
        let Some(known) = self.pools.get(&pool) else {
            return;
        };
        let (id, onset, mitigated) = (live.id, live.onset, live.mitigated);
        let end = mitigated.unwrap_or(now);
        let impact = self
            .recorder
            .impact(pool, onset, end, known.settings.objective_wait);
        let users_known_by = match impact.users {
            Some(_) => format!("query comment key {}", known.settings.user_tag_key),
            None => "not measured".to_owned(),
        };
        let said = Said::Measured {
            users_known_by,
            during: Box::new(self.recorder.window(pool, onset, end)),
            after: mitigated.map(|from| Box::new(self.recorder.window(pool, from, now))),
            cut_in_transaction: Some(live.cut_in_transaction),
            impact,
        };
        self.append(id, self.clock.wall(now), By::Weir, said, out);
        self.chart(index, now, out);
    }

    /// What kept working meanwhile.
    fn others(&mut self, index: usize, now: Instant, out: &mut Vec<Output>) {
        let (id, onset, mine) = (
            self.live[index].id,
            self.live[index].onset,
            self.live[index].pool,
        );
        let says: Vec<String> = self
            .pools
            .iter()
            .filter(|(pool, _)| Some(**pool) != mine)
            .map(|(pool, known)| {
                let impact = self
                    .recorder
                    .impact(*pool, onset, now, known.settings.objective_wait);
                format!(
                    "{}: {} delayed and {} failed of {} transactions",
                    known.key, impact.delayed, impact.failed, impact.transactions
                )
            })
            .take(20)
            .collect();
        if !says.is_empty() {
            self.append(
                id,
                self.clock.wall(now),
                By::Weir,
                Said::Others { says },
                out,
            );
        }
    }

    /// Appends to an incident's journal: the only way one ever changes.
    pub(super) fn append(
        &mut self,
        id: IncidentId,
        at: Wall,
        by: By,
        said: Said,
        out: &mut Vec<Output>,
    ) {
        let seq = self.incidents.get(&id).map_or(0, |i| i.seq) + 1;
        let entry = Entry {
            incident: id,
            seq,
            at,
            by,
            said,
        };
        match self.incidents.get_mut(&id) {
            Some(incident) => {
                if let Err(fault) = Arc::make_mut(incident).apply(&entry) {
                    tracing::error!(%fault, "An entry doesn't fit its journal; it was dropped.");
                    return;
                }
            }
            None => match Incident::replay(std::slice::from_ref(&entry)) {
                Ok(incident) => {
                    self.incidents.insert(id, Arc::new(incident));
                    self.forget_oldest();
                }
                Err(fault) => {
                    tracing::error!(%fault, "An incident couldn't be opened.");
                    return;
                }
            },
        }
        out.push(Output::Append(entry));
    }

    pub(super) fn forget_oldest(&mut self) {
        while self.incidents.len() > INCIDENTS_KEPT {
            let oldest = self
                .incidents
                .keys()
                .copied()
                .find(|id| !self.live.iter().any(|live| live.id == *id));
            match oldest {
                Some(id) => self.incidents.remove(&id),
                None => break,
            };
        }
    }
}

fn baseline_before(onset: Instant, born: Instant) -> Option<(Instant, Instant)> {
    let to = onset.before(BASELINE_GAP);
    // A pool's first second is its cold start.
    let from = onset
        .before(BASELINE)
        .max(born.after(Duration::from_secs(1)));
    (to.since(from) >= BASELINE_LEAST).then_some((from, to))
}

fn first_severity(level: Level) -> Severity {
    match level {
        Level::Down => Severity::Sev1,
        Level::Stalled => Severity::Sev2,
        Level::Exhausted | Level::Saturated | Level::Starved | Level::Degraded => Severity::Sev3,
        Level::Leak => Severity::Sev4,
    }
}

/// `99% of waits < 10ms`.
pub(super) fn objective_text(ratio: f64, wait: Duration) -> String {
    format!(
        "{}% of waits < {}",
        (ratio * 10_000.0).round() / 100.0,
        weir_model::HumanDuration(wait)
    )
}
