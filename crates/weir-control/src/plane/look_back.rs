//! Looks beyond memory: stored minutes, beside the plane, so that a disk that hangs doesn't stop
//! detection.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use weir_model::{PoolKey, Wall};

use super::Reply;
use crate::core::{enough, from_minutes};
use crate::handle::{Answer, AskFault, PastDecision, Published, Reach};
use crate::record::store::{Store, StoreError};
use crate::record::stretch::Stretch;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// Rows read of one minute: as many as pools are recorded.
const POOLS_MAX: u32 = 4_096;
/// Minutes read for one series.
const ROWS_MAX: u32 = 100_000;
/// Decisions among the markers.
const DECISIONS_MAX: u32 = 1_000;

/// What of a series lies before memory.
pub(super) struct Wanted {
    pub(super) pool: Option<PoolKey>,
    pub(super) from: Wall,
    pub(super) to: Wall,
    pub(super) step: Duration,
}

fn read(rows: Vec<(Wall, Value)>) -> Vec<Stretch> {
    let stretch = |(minute, json): (Wall, Value)| Stretch::from_json(minute.after(MINUTE), json);
    rows.into_iter().filter_map(stretch).collect()
}

fn not_now(fault: StoreError) -> AskFault {
    AskFault::NotNow(fault.to_string())
}

/// Everything as it was in a minute that memory doesn't hold any more.
pub(super) async fn at(store: Store, mut past: Published, memory: Reach, reply: Reply) {
    let answer = async {
        let at = past.wall();
        let found = store
            .minutes(None, at.before(MINUTE), at, POOLS_MAX)
            .await
            .map_err(not_now)?;
        // Half-open windows of a minute hold the begin of exactly one.
        let minutes = read(found);
        if minutes.is_empty() {
            let stored = store.earliest_minute().await.map_err(not_now)?;
            let inside = stored.is_some_and(|first| first <= at);
            // A minute in which nobody was there isn't stored; that is an answer as well.
            if !inside {
                return Err(AskFault::NotRecorded {
                    earliest: stored.or(memory.samples_from),
                });
            }
        }
        from_minutes(&mut past, minutes);
        Ok(Answer::Published(Arc::new(past)))
    };
    let _ = reply.send(answer.await);
}

/// Puts stored minutes before what memory holds.
pub(super) async fn series(store: Store, wanted: Wanted, recent: Vec<Stretch>, reply: Reply) {
    let answer = async {
        let Wanted {
            pool,
            from,
            to,
            step,
        } = wanted;
        if from >= to {
            return Ok(Answer::Series(recent));
        }
        let pool = pool.map(|key| key.to_string());
        let found = store
            .minutes(pool, from, to, ROWS_MAX)
            .await
            .map_err(not_now)?;
        if found.len() >= usize::try_from(ROWS_MAX).unwrap_or(usize::MAX) {
            enough(usize::MAX)?;
        }
        let mut series = coarser(read(found), step);
        enough(series.len() + recent.len())?;
        series.extend(recent);
        Ok(Answer::Series(series))
    };
    let _ = reply.send(answer.await);
}

/// Minutes joined to steps; steps below a minute can't be had.
fn coarser(minutes: Vec<Stretch>, step: Duration) -> Vec<Stretch> {
    if step <= MINUTE {
        return minutes;
    }
    let step_us = i64::try_from(step.as_micros()).unwrap_or(i64::MAX);
    let mut steps = std::collections::BTreeMap::new();
    for minute in minutes {
        let slot = (minute.at.as_micros() - 1).div_euclid(step_us) + 1;
        let end = Wall::from_micros(slot.saturating_mul(step_us));
        steps
            .entry((end, minute.key.clone()))
            .or_insert_with(|| Stretch::new(&minute.key, end, step))
            .join(&minute);
    }
    steps.into_values().collect()
}

/// How far back memory and store reach, and what the regulator did there.
pub(super) async fn reach(store: Store, mut memory: Reach, reply: Reply) {
    let answer = async {
        memory.minutes_from = store.earliest_minute().await.map_err(not_now)?;
        if memory.minutes_from.is_none() {
            memory.minutes_to = None;
        }
        let read = tokio::task::spawn_blocking(move || store.decisions(DECISIONS_MAX)).await;
        let mut decisions: Vec<PastDecision> = read
            .unwrap_or_default()
            .into_iter()
            .filter_map(|stored| {
                let decision: crate::regulate::Decision =
                    serde_json::from_value(stored.json).ok()?;
                decision.action.to()?;
                Some(PastDecision {
                    at: stored.at,
                    pool: stored.pool,
                    says: decision.says(),
                    by: decision.approved_by,
                })
            })
            .collect();
        decisions.reverse();
        memory.decisions = decisions;
        Ok(Answer::Reach(Box::new(memory)))
    };
    let _ = reply.send(answer.await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_join_to_the_step_that_they_end_in_by_pool() {
        let minute = |n: i64, user: &str| {
            let at = Wall::from_micros(n * 60_000_000);
            let mut stretch = Stretch::new(&PoolKey::new("app", user), at, MINUTE);
            stretch.arrivals = 1;
            stretch
        };
        let all = vec![
            minute(1, "a"),
            minute(5, "a"),
            minute(5, "b"),
            minute(6, "a"),
        ];
        assert_eq!(coarser(all.clone(), Duration::from_secs(1)).len(), 4);
        let steps = coarser(all, MINUTE * 5);
        let told: Vec<_> = steps
            .iter()
            .map(|s| (s.at.as_micros() / 60_000_000, &*s.key.user, s.arrivals))
            .collect();
        assert_eq!(told, [(5, "a", 2), (5, "b", 1), (10, "a", 1)]);
    }
}
