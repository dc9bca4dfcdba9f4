//! Samples → the points that a report draws: one a second.

use std::time::Duration;

use weir_model::{Histogram, Instant, PoolSample, Wall};

use super::{Core, Output};
use crate::incident::entry::{By, ChartPoint, Said};

/// At most this many points in one journal entry.
const POINTS_PER_ENTRY: usize = 120;

impl Core {
    /// Writes down the chart points since the last time.
    pub(super) fn chart(&mut self, index: usize, now: Instant, out: &mut Vec<Output>) {
        let live = &self.live[index];
        let Some(pool) = live.pool else { return };
        let from = self.clock.instant(live.charted_to);
        let mut points = Vec::new();
        let mut end = from.after(Duration::from_secs(1));
        while end <= now && points.len() < POINTS_PER_ENTRY {
            let begin = end.before(Duration::from_secs(1));
            let samples = self
                .recorder
                .samples(pool, begin, end)
                .map(|(_, sample)| sample);
            if let Some(point) = point(self.clock.wall(end), samples) {
                points.push(point);
            }
            end = end.after(Duration::from_secs(1));
        }
        let id = live.id;
        self.live[index].charted_to = self.clock.wall(end.before(Duration::from_secs(1)));
        if !points.is_empty() {
            self.append(
                id,
                self.clock.wall(now),
                By::Weir,
                Said::Series { points },
                out,
            );
        }
    }
}

fn point<'s>(at: Wall, samples: impl Iterator<Item = &'s PoolSample>) -> Option<ChartPoint> {
    let mut point = ChartPoint {
        at,
        ..ChartPoint::default()
    };
    let mut wait = Histogram::default();
    let mut any = false;
    for sample in samples {
        any = true;
        point.size = sample.size;
        point.active = point.active.max(sample.servers.active);
        point.waiting = point.waiting.max(sample.clients.waiting);
        point.oldest_wait_s = point.oldest_wait_s.max(sample.oldest_wait.as_secs_f64());
        point.arrivals = point.arrivals.saturating_add(sample.arrivals);
        point.completions = point.completions.saturating_add(sample.completions);
        point.failures = point
            .failures
            .saturating_add(sample.failures.saturating_add(sample.abandoned));
        point.executing_s += sample.held.executing.as_secs_f64();
        point.thinking_s += sample.held.thinking.as_secs_f64();
        point.network_s += sample.held.network.as_secs_f64();
        wait.add(&sample.wait);
    }
    point.wait_p99_s = wait.quantile(0.99).as_secs_f64();
    any.then_some(point)
}
