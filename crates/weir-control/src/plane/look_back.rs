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
pub(super) async fn reach(store: Store, mut memory: Reach, decisions: bool, reply: Reply) {
    let answer = async {
        memory.minutes_from = store.earliest_minute().await.map_err(not_now)?;
        if memory.minutes_from.is_none() {
            memory.minutes_to = None;
        }
        if !decisions {
            return Ok(Answer::Reach(Box::new(memory)));
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

    fn stored(minute: Wall, arrivals: u64) -> (String, Value) {
        let key = PoolKey::new("app", "web");
        let mut stretch = Stretch::new(&key, minute.after(MINUTE), MINUTE);
        stretch.arrivals = arrivals;
        stretch.clients.waiting = 41;
        (key.to_string(), stretch.to_json())
    }

    fn memory() -> Reach {
        Reach {
            minutes_from: None,
            minutes_to: None,
            samples_from: Some(Wall::from_micros(3_600_000_000)),
            latest: Wall::from_micros(7_200_000_000),
            decisions: Vec::new(),
        }
    }

    /// A store with the minutes 10, 11 and 13 of a day.
    fn store() -> Store {
        let store = Store::in_memory();
        for n in [10, 11, 13] {
            let minute = Wall::from_micros(n * 60_000_000);
            let keep = crate::record::store::MINUTES_KEEP;
            store.put_minutes(minute, vec![stored(minute, n.unsigned_abs())], keep);
        }
        store
    }

    async fn asked(seconds: i64) -> Result<Answer, AskFault> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let core = crate::core::Core::new(settings(), weir_model::Instant::from_millis(7_200_000));
        let wall = Wall::from_micros(seconds * 1_000_000);
        let (past, held) = core.publish_at(wall).unwrap();
        assert!(!held, "memory is empty");
        at(store(), past, memory(), reply).await;
        answer.await.unwrap()
    }

    fn settings() -> crate::core::CoreSettings {
        let server = weir_model::ServerSettings::at("127.0.0.1", 5432);
        crate::core::CoreSettings {
            clock: weir_model::ClockMap {
                instant: weir_model::Instant::ZERO,
                wall: Wall::from_micros(0),
            },
            pooler: weir_model::PoolerSettings::trusting(weir_model::PoolSettings::any(server)),
            regulator: crate::regulate::RegulatorMode::Observe,
            budgets: Default::default(),
            resolve_after: MINUTE,
            watch_window: MINUTE,
            kind: crate::incident::entry::Kind::Real,
            version: String::new(),
            io: String::new(),
            listen: Vec::new(),
        }
    }

    #[tokio::test]
    async fn an_instant_beyond_memory_is_the_minute_that_holds_it() {
        let Ok(Answer::Published(past)) = asked(11 * 60 + 30).await else {
            panic!("minute 11 is stored");
        };
        assert_eq!(past.resolution, MINUTE);
        let pool = &past.pools[0];
        assert_eq!(pool.clients.waiting, 41);
        assert!((pool.arrivals_per_s - 11.0 / 60.0).abs() < 1e-9);

        // Nobody was there in minute 12, and that is known.
        let Ok(Answer::Published(past)) = asked(12 * 60 + 30).await else {
            panic!("it lies inside what is stored");
        };
        assert!(past.pools.is_empty());

        let before = asked(60).await.unwrap_err();
        assert_eq!(
            before,
            AskFault::NotRecorded {
                earliest: Some(Wall::from_micros(600_000_000))
            }
        );
        assert!(before.to_string().contains("1970-01-01T00:10"), "{before}");
    }

    #[tokio::test]
    async fn a_series_begins_with_stored_minutes_and_the_reach_says_from_when() {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let wanted = Wanted {
            pool: None,
            from: Wall::from_micros(0),
            to: Wall::from_micros(3_600_000_000),
            step: Duration::from_secs(1),
        };
        let recent = vec![Stretch::new(
            &PoolKey::new("app", "web"),
            Wall::from_micros(3_601_000_000),
            Duration::from_secs(1),
        )];
        series(store(), wanted, recent, reply).await;
        let Ok(Answer::Series(all)) = answer.await.unwrap() else {
            panic!("a series was asked for");
        };
        let arrivals: Vec<u64> = all.iter().map(|stretch| stretch.arrivals).collect();
        assert_eq!(arrivals, [10, 11, 13, 0]);

        let (reply, answer) = tokio::sync::oneshot::channel();
        reach(store(), memory(), true, reply).await;
        let Ok(Answer::Reach(reach)) = answer.await.unwrap() else {
            panic!("the reach was asked for");
        };
        assert_eq!(reach.minutes_from, Some(Wall::from_micros(600_000_000)));
    }
}
