//! A small histogram of durations with fixed memory, made to be subtracted.
//!
//! Four buckets per power of two, from 1 µs to about 17 minutes: the error of a quantile is below
//! 19 %, recording is a shift and an add, and the difference of two snapshots is exact. That last
//! property is why it is ours: samples cross the planes as plain values ten times a second, and
//! the control plane asks for "the waits between these two instants".

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many buckets a [`Histogram`] has.
pub const BUCKETS: usize = 124;

/// Counts of durations by bucket, with the exact sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    counts: Vec<u32>,
    sum_us: u64,
}

fn bucket_of(us: u64) -> usize {
    if us < 4 {
        return us as usize;
    }
    let power = 63 - us.leading_zeros() as usize;
    let quarter = ((us >> (power - 2)) & 3) as usize;
    ((power - 1) * 4 + quarter).min(BUCKETS - 1)
}

/// The smallest duration of bucket `index`, in microseconds.
fn floor_us(index: usize) -> u64 {
    if index < 4 {
        return index as u64;
    }
    let power = index / 4 + 1;
    let quarter = (index % 4) as u64;
    (4 + quarter) << (power - 2)
}

impl Histogram {
    /// Counts one duration. The first record allocates; the rest don't.
    pub fn record(&mut self, value: Duration) {
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        let us = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        let slot = &mut self.counts[bucket_of(us)];
        *slot = slot.saturating_add(1);
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|&n| u64::from(n)).sum()
    }

    /// Sum of all durations counted.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// True if nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|&n| n == 0)
    }

    /// Mean, or zero if empty.
    pub fn mean(&self) -> Duration {
        match self.count() {
            0 => Duration::ZERO,
            n => Duration::from_micros(self.sum_us / n),
        }
    }

    /// The upper edge of the bucket that holds quantile `q` (0..=1); zero if empty. An upper edge,
    /// so that a promise "p99 < x" is never flattered.
    pub fn quantile(&self, q: f64) -> Duration {
        let total = self.count();
        if total == 0 {
            return Duration::ZERO;
        }
        let rank = ((q.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, &n) in self.counts.iter().enumerate() {
            seen += u64::from(n);
            if seen >= rank {
                return Duration::from_micros(floor_us(index + 1));
            }
        }
        Duration::from_micros(floor_us(BUCKETS))
    }

    /// How many durations lie in buckets that begin at or above `limit`.
    pub fn count_at_least(&self, limit: Duration) -> u64 {
        let us = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let first = (0..BUCKETS).find(|&i| floor_us(i) >= us).unwrap_or(BUCKETS);
        self.counts.iter().skip(first).map(|&n| u64::from(n)).sum()
    }

    /// Adds another histogram to this one.
    pub fn add(&mut self, other: &Histogram) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            self.counts = vec![0; BUCKETS];
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// Takes what was counted and leaves this one empty, keeping nothing allocated.
    pub fn take(&mut self) -> Histogram {
        std::mem::take(self)
    }

    /// `(upper edge, count)` of each bucket that holds something, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, n)| **n > 0)
            .map(|(i, n)| (Duration::from_micros(floor_us(i + 1)), u64::from(*n)))
    }

    /// Buckets that aren't empty, by index: what [`Histogram::from_counts`] takes.
    pub fn counts(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        let counts = self.counts.iter().copied().enumerate();
        counts.filter(|(_, n)| *n > 0)
    }

    /// From buckets by index and the exact sum. Buckets beyond the last count as the last.
    pub fn from_counts(counts: impl IntoIterator<Item = (usize, u32)>, sum: Duration) -> Self {
        let mut histogram = Self {
            counts: Vec::new(),
            sum_us: u64::try_from(sum.as_micros()).unwrap_or(u64::MAX),
        };
        for (index, n) in counts {
            if histogram.counts.is_empty() {
                histogram.counts = vec![0; BUCKETS];
            }
            let slot = &mut histogram.counts[index.min(BUCKETS - 1)];
            *slot = slot.saturating_add(n);
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_inside_its_bucket() {
        for us in (0..10_000).chain([65_535, 1 << 20, (1 << 29) + 7]) {
            let index = bucket_of(us);
            assert!(
                floor_us(index) <= us && us < floor_us(index + 1),
                "{us} in {index}"
            );
        }
    }

    #[test]
    fn a_quantile_is_never_below_the_truth_and_at_most_a_quarter_above() {
        let mut h = Histogram::default();
        for us in 1..=1000u64 {
            h.record(Duration::from_micros(us));
        }
        let p99 = h.quantile(0.99).as_micros();
        assert!((990..=1240).contains(&p99), "{p99}");
        assert_eq!(h.count(), 1000);
        assert_eq!(h.sum(), Duration::from_micros(500_500));
    }

    #[test]
    fn an_absurd_duration_lands_in_the_last_bucket() {
        let mut h = Histogram::default();
        h.record(Duration::MAX);
        assert_eq!(h.count(), 1);
        assert!(h.quantile(1.0) > Duration::from_secs(600));
    }

    #[test]
    fn counting_from_a_limit() {
        let mut h = Histogram::default();
        for ms in [1, 5, 20, 40] {
            h.record(Duration::from_millis(ms));
        }
        assert_eq!(h.count_at_least(Duration::from_millis(10)), 2);
    }
}
