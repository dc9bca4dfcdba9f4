//! What was told in the last ten minutes, one moment a second.
//!
//! # What always holds
//! - Moments stand in the order of Weir's own clock, at most one a second: a faster rate replaces
//!   the moment of the same second.
//! - At most [`SPAN`] of time and [`ROWS_MAX`] pools' rows in all are kept (600 s of 200 pools, about
//!   20 MB): with more pools, fewer minutes. The oldest go first.
//! - A moment that somebody looks at is theirs: it stays whole when it leaves this list.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use weir_model::Wall;

use super::told::Pool;

/// How far back one can look.
pub(crate) const SPAN: Duration = Duration::from_secs(600);
/// Rows of pools that are kept in all.
pub(crate) const ROWS_MAX: usize = 600 * 200;

/// All pools, as they were at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Moment {
    pub(crate) at: Wall,
    /// Sorted by name.
    pub(crate) pools: Vec<Pool>,
    /// False where it comes from the recorder's samples, which hold no rates.
    pub(crate) has_rates: bool,
}

impl Moment {
    pub(crate) fn pool(&self, key: (&str, &str)) -> Option<&Pool> {
        let found = self.pools.binary_search_by(|pool| pool.key().cmp(&key));
        self.pools.get(found.ok()?)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    moments: VecDeque<Arc<Moment>>,
    rows: usize,
}

fn second(at: Wall) -> i64 {
    at.as_micros().div_euclid(1_000_000)
}

impl History {
    /// Takes the newest moment.
    pub(crate) fn push(&mut self, mut moment: Moment) -> Arc<Moment> {
        if let Some(last) = self.moments.back() {
            for pool in &mut moment.pools {
                let before = last.pool((&pool.words.database, &pool.words.user));
                if let Some(before) = before.filter(|before| before.words == pool.words) {
                    pool.words = Arc::clone(&before.words);
                }
            }
        }
        // A clock that was set back, or another Weir behind the same address: what follows would
        // not be in order.
        while let Some(last) = self.moments.back() {
            if second(last.at) < second(moment.at) {
                break;
            }
            self.rows -= last.pools.len();
            self.moments.pop_back();
        }
        let moment = Arc::new(moment);
        self.rows += moment.pools.len();
        self.moments.push_back(Arc::clone(&moment));
        self.forget();
        moment
    }

    /// Takes what was before everything that is known, oldest first.
    pub(crate) fn prepend(&mut self, earlier: Vec<Moment>) {
        for moment in earlier.into_iter().rev() {
            let oldest = self.moments.front();
            if oldest.is_some_and(|oldest| second(moment.at) >= second(oldest.at)) {
                continue;
            }
            self.rows += moment.pools.len();
            self.moments.push_front(Arc::new(moment));
        }
        self.forget();
    }

    fn forget(&mut self) {
        let Some(newest) = self.moments.back().map(|moment| moment.at) else {
            return;
        };
        let from = newest.before(SPAN);
        while self.moments.len() > 1
            && let Some(oldest) = self.moments.front()
            && (oldest.at < from || self.rows > ROWS_MAX)
        {
            self.rows -= oldest.pools.len();
            self.moments.pop_front();
        }
    }

    pub(crate) fn newest(&self) -> Option<&Arc<Moment>> {
        self.moments.back()
    }

    pub(crate) fn oldest(&self) -> Option<&Arc<Moment>> {
        self.moments.front()
    }

    /// The last moment at or before `at`, else the oldest.
    pub(crate) fn at(&self, at: Wall) -> Option<&Arc<Moment>> {
        let after = self.moments.partition_point(|moment| moment.at <= at);
        self.moments.get(after.saturating_sub(1))
    }

    /// So many moments further on (or back, below zero); stops at both ends.
    pub(crate) fn step(&self, from: Wall, by: i64) -> Option<&Arc<Moment>> {
        let after = self.moments.partition_point(|moment| moment.at <= from);
        let here = i64::try_from(after).ok()?.saturating_sub(1);
        let last = i64::try_from(self.moments.len()).ok()? - 1;
        let wanted = here.saturating_add(by).clamp(0, last.max(0));
        self.moments.get(usize::try_from(wanted).ok()?)
    }

    /// The `count` seconds that end at `until`, oldest first, each with what `of` makes of its
    /// moment; `None` where nothing was told.
    pub(crate) fn series(
        &self,
        until: Wall,
        count: usize,
        of: impl Fn(&Moment) -> Option<f32>,
    ) -> Vec<Option<f32>> {
        let mut series = vec![None; count];
        let end = second(until);
        for moment in self.moments.iter().rev() {
            let back = end - second(moment.at);
            if back < 0 {
                continue;
            }
            let Some(index) = usize::try_from(back)
                .ok()
                .and_then(|b| (count).checked_sub(b + 1))
            else {
                break;
            };
            series[index] = of(moment);
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use super::super::told::{PoolNumbers, PoolWords};
    use super::*;

    fn moment(second: i64, pools: usize) -> Moment {
        Moment {
            at: Wall::from_micros(second * 1_000_000),
            pools: (0..pools)
                .map(|n| Pool {
                    words: Arc::new(PoolWords {
                        database: format!("db{n:04}"),
                        user: "u".to_owned(),
                        ..PoolWords::default()
                    }),
                    n: PoolNumbers {
                        size: u32::try_from(second).unwrap_or(0),
                        ..PoolNumbers::default()
                    },
                })
                .collect(),
            has_rates: true,
        }
    }

    fn span(history: &History) -> (i64, i64) {
        let of = |moment: Option<&Arc<Moment>>| second(moment.unwrap().at);
        (of(history.oldest()), of(history.newest()))
    }

    #[test]
    fn ten_minutes_are_kept_and_no_more() {
        let mut history = History::default();
        for second in 0..2_000 {
            history.push(moment(second, 1));
        }
        assert_eq!(span(&history), (1_399, 1_999));
    }

    #[test]
    fn two_hundred_pools_fill_the_ten_minutes_and_more_pools_shorten_them() {
        let mut history = History::default();
        for second in 0..700 {
            history.push(moment(second, 200));
        }
        assert_eq!(span(&history), (100, 699));
        for second in 700..1_000 {
            history.push(moment(second, 400));
        }
        assert_eq!(span(&history), (700, 999));
        assert_eq!(history.rows, ROWS_MAX);
    }

    #[test]
    fn ten_minutes_of_two_hundred_pools_take_no_more_than_is_said() {
        assert!(size_of::<Pool>() * ROWS_MAX < 20 << 20);
    }

    #[test]
    fn words_that_did_not_change_are_kept_once() {
        let mut history = History::default();
        let first = history.push(moment(1, 2));
        let second = history.push(moment(2, 2));
        assert!(Arc::ptr_eq(&first.pools[1].words, &second.pools[1].words));
    }

    #[test]
    fn a_faster_rate_replaces_the_moment_of_the_same_second() {
        let mut history = History::default();
        let mut early = moment(5, 1);
        early.at = Wall::from_micros(5_100_000);
        history.push(moment(4, 1));
        history.push(early);
        let mut late = moment(5, 1);
        late.at = Wall::from_micros(5_900_000);
        history.push(late);
        assert_eq!(history.moments.len(), 2);
        assert_eq!(history.newest().unwrap().at.as_micros(), 5_900_000);
    }

    #[test]
    fn what_the_recorder_knows_goes_before_and_replaces_nothing() {
        let mut history = History::default();
        history.push(moment(50, 1));
        history.push(moment(51, 1));
        let earlier = (40..=50).map(|second| Moment {
            has_rates: false,
            ..moment(second, 1)
        });
        history.prepend(earlier.collect());
        assert_eq!(span(&history), (40, 51));
        assert!(history.at(Wall::from_micros(50_000_000)).unwrap().has_rates);
    }

    #[test]
    fn one_steps_by_moments_and_stops_at_the_ends() {
        let mut history = History::default();
        for second in [10, 11, 15] {
            history.push(moment(second, 1));
        }
        let at = |s: i64| Wall::from_micros(s * 1_000_000);
        let step = |from, by| second(history.step(at(from), by).unwrap().at);
        assert_eq!(step(15, -1), 11);
        assert_eq!(step(15, -9), 10);
        assert_eq!(step(11, 1), 15);
        assert_eq!(step(15, 9), 15);
    }

    #[test]
    fn a_series_has_a_hole_where_nothing_was_told() {
        let mut history = History::default();
        for second in [10, 11, 13] {
            history.push(moment(second, 1));
        }
        let series = history.series(Wall::from_micros(13_000_000), 5, |moment| {
            Some(moment.pools[0].n.size as f32)
        });
        assert_eq!(series, [None, Some(10.0), Some(11.0), None, Some(13.0)]);
    }
}
