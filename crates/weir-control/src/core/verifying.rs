//! Verifications that Weir runs itself: a done action whose `verify` is a metric query becomes
//! verified once the query has held as long as it says.
//!
//! # What always holds
//! - A query that has no numbers to look at doesn't hold: nothing measured is nothing verified.
//! - That it didn't hold is written down once for every time that the action is done; the query is
//!   asked on, and a later success counts.
//! - How long it has held is not in the journal: after a restart it is counted anew.

use std::time::Duration;

use weir_model::{Evidence, Instant, PoolId};

use super::{Core, Output};
use crate::incident::Action;
use crate::incident::entry::{ActionStatus, By, IncidentId, Said};
use crate::incident::verify::{self, Field, MetricQuery, Verify};

/// How often queries are asked, over the numbers of the time since.
const EVERY: Duration = Duration::from_secs(10);
/// Queries beyond this wait until others are through.
const ASKED_MAX: usize = 500;

/// A query that is being asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    began: Instant,
    holds_since: Option<Instant>,
    /// The value nearest to the limit, or beyond, since it holds.
    worst: f64,
    /// When it was asked last: what isn't asked any more is forgotten.
    asked: Instant,
}

impl Core {
    /// Asks every query that is due.
    pub(super) fn verify_actions(&mut self, out: &mut Vec<Output>) {
        let now = self.now;
        if now.since(self.verified_at) < EVERY {
            return;
        }
        self.verified_at = now;
        let due: Vec<(IncidentId, Action, MetricQuery)> = self
            .incidents
            .values()
            .filter(|incident| !incident.is_merged())
            .flat_map(|incident| incident.adopted.iter().map(|action| (incident.id, action)))
            .filter(|(_, action)| action.status == ActionStatus::Done)
            .filter_map(|(id, action)| match verify::parse(&action.verify) {
                Ok(Verify::Metric(query)) => Some((id, action.clone(), query)),
                Ok(Verify::Drill { .. } | Verify::Person(_)) | Err(_) => None,
            })
            .take(ASKED_MAX)
            .collect();
        for (id, action, query) in due {
            self.ask_query(id, &action, &query, out);
        }
        self.verifying.retain(|_, watched| watched.asked == now);
    }

    fn ask_query(
        &mut self,
        id: IncidentId,
        action: &Action,
        query: &MetricQuery,
        out: &mut Vec<Output>,
    ) {
        let now = self.now;
        let value = self.value(query);
        let holds = value.filter(|value| query.compare.holds(*value, query.limit));
        let watched = self
            .verifying
            .entry((id, action.id.clone()))
            .or_insert(Watched {
                began: now,
                holds_since: None,
                worst: 0.0,
                asked: now,
            });
        watched.asked = now;
        let Some(value) = holds else {
            watched.holds_since = None;
            let began = watched.began;
            // As long as it would have had to hold.
            if now.since(began) >= query.holds && !told_already(action) {
                self.did_not_hold(id, action, query, value, began, out);
            }
            return;
        };
        if watched.holds_since.is_none() {
            // The numbers that it was asked over count for it.
            watched.holds_since = Some(now.before(EVERY));
            watched.worst = value;
        }
        let nearer = (value - query.limit).abs() < (watched.worst - query.limit).abs();
        if nearer {
            watched.worst = value;
        }
        let (since, worst) = (watched.holds_since.unwrap_or(now), watched.worst);
        if now.since(since) < query.holds {
            return;
        }
        let says = format!(
            "{query}: held, nearest to the limit was {} {}",
            query.field.name(),
            shown(worst)
        );
        self.tell_verified(id, action, query, true, says, worst, (since, now), out);
        self.verifying.remove(&(id, action.id.clone()));
    }

    fn did_not_hold(
        &mut self,
        id: IncidentId,
        action: &Action,
        query: &MetricQuery,
        value: Option<f64>,
        began: Instant,
        out: &mut Vec<Output>,
    ) {
        let seen = match value {
            Some(value) => format!("it is {} now", shown(value)),
            None => "nothing is measured there".to_owned(),
        };
        let says = format!("{query}: does not hold, {seen}; it is asked on");
        let value = value.unwrap_or(f64::NAN);
        self.tell_verified(
            id,
            action,
            query,
            false,
            says,
            value,
            (began, self.now),
            out,
        );
    }

    #[expect(clippy::too_many_arguments, reason = "what one entry is made of")]
    fn tell_verified(
        &mut self,
        id: IncidentId,
        action: &Action,
        query: &MetricQuery,
        ok: bool,
        says: String,
        value: f64,
        (from, to): (Instant, Instant),
        out: &mut Vec<Output>,
    ) {
        let evidence = if value.is_finite() {
            vec![Evidence {
                says: says.clone(),
                metric: query.field.name().to_owned(),
                value,
                baseline: Some(query.limit),
                query: query.to_string(),
                from: self.clock.wall(from),
                to: self.clock.wall(to),
            }]
        } else {
            vec![]
        };
        let said = Said::ActionVerified {
            id: action.id.clone(),
            ok,
            says,
            evidence,
        };
        self.append(id, self.clock.wall(self.now), By::Weir, said, out);
    }

    /// The number that a query asks for, over the last seconds; `None`: not measured.
    fn value(&self, query: &MetricQuery) -> Option<f64> {
        let pool: PoolId = self
            .pools
            .iter()
            .find(|(_, pool)| pool.key == query.pool)
            .map(|(id, _)| *id)?;
        let window = self.recorder.window(pool, self.now.before(EVERY), self.now);
        if window.samples == 0 {
            return None;
        }
        let seconds = |of: &weir_model::Histogram, share| {
            (!of.is_empty()).then(|| of.quantile(share).as_secs_f64())
        };
        match query.field {
            Field::Wait(quantile) => seconds(&window.wait, quantile.share()),
            Field::Hold(quantile) => seconds(&window.hold, quantile.share()),
            Field::OldestWait => Some(window.oldest_wait_max.as_secs_f64()),
            Field::Transactions => Some(window.completion_rate()),
            Field::Arrivals => Some(window.arrival_rate()),
            Field::Waiting => Some(f64::from(window.waiting_max)),
            Field::InUse => (window.size > 0.0).then(|| window.active / window.size),
            Field::Thinking => {
                let whole = window.held.total().as_secs_f64();
                (whole > 0.0).then(|| window.held.thinking.as_secs_f64() / whole)
            }
            Field::Failures => Some(window.failures as f64),
            Field::Abandoned => Some(window.abandoned as f64),
            Field::Size => Some(f64::from(window.size_last)),
        }
    }
}

/// Whether the journal has it that this doing of the action didn't hold.
fn told_already(action: &Action) -> bool {
    action.checks.last().is_some_and(|check| {
        !check.ok && check.by == By::Weir && action.status_at.is_none_or(|at| check.at >= at)
    })
}

/// A number with as many digits as matter.
fn shown(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text.is_empty() {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}
