//! The search for a size while the pool binds: slow start, judged by what it did to throughput.
//!
//! `e = Δln x / Δln N`: by how much throughput rose for how much more servers. From 0.35 on the
//! next step is worth it; below, the size settles between the last two. PROBE and CHANGE of the
//! full controller begin where [`Search::Settled`] stands now.

use std::time::Duration;

use weir_model::Instant;

/// Below this elasticity slow start ends.
pub(super) const ELASTICITY_MIN: f64 = 0.35;
/// Half a second to open servers, one to be measured: a shorter count is mostly noise.
const MEASURE_MIN: Duration = Duration::from_millis(1500);
/// So long a step is given to open its servers and be measured, at most.
const MEASURE_MAX: Duration = Duration::from_secs(5);
/// So long a settled size is left alone.
pub(super) const SETTLED_FOR: Duration = Duration::from_secs(30);

/// A step that was taken and is being measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    pub at: Instant,
    pub from: u32,
    pub to: u32,
    /// Completions per second before it.
    pub throughput: f64,
}

/// Where the search is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Search {
    /// Nothing was tried since the pool last had enough.
    #[default]
    Resting,
    /// A step was taken; its effect isn't known yet, or was good.
    SlowStart(Step),
    /// More servers brought little.
    Settled { at: Instant, elasticity: f64 },
}

/// What a step brought.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Brought {
    /// Not known yet.
    Measuring,
    /// This elasticity.
    Elasticity(f64),
}

impl Step {
    /// Judges the step. `opened`: when the servers were there; `completions` since then.
    pub(super) fn brought(
        &self,
        now: Instant,
        servers_open: bool,
        completions: u64,
        throughput: f64,
    ) -> Brought {
        let age = now.since(self.at);
        // The .NET error gate: with fewer completions the count's own noise exceeds 15 %.
        let enough = (6.7 * f64::from(self.to.saturating_sub(1))).max(100.0);
        let ready = servers_open && age >= MEASURE_MIN && completions as f64 >= enough;
        if !ready && age < MEASURE_MAX {
            return Brought::Measuring;
        }
        let servers = (f64::from(self.to) / f64::from(self.from.max(1))).ln();
        if servers.abs() < 1e-9 || self.throughput <= 0.0 || throughput <= 0.0 {
            return Brought::Elasticity(0.0);
        }
        Brought::Elasticity((throughput / self.throughput).ln() / servers)
    }

    /// Where to settle after a step that brought `elasticity`.
    pub(super) fn settle(&self, elasticity: f64) -> u32 {
        if elasticity <= 0.0 {
            self.from
        } else {
            (f64::from(self.from) * f64::from(self.to)).sqrt().round() as u32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Step = Step {
        at: Instant::ZERO,
        from: 10,
        to: 20,
        throughput: 100.0,
    };

    #[test]
    fn a_step_is_not_judged_before_enough_has_completed() {
        let early = Instant::from_millis(1000);
        assert_eq!(STEP.brought(early, true, 500, 190.0), Brought::Measuring);
        let second = Instant::from_millis(2000);
        assert_eq!(STEP.brought(second, true, 99, 190.0), Brought::Measuring);
        assert_eq!(STEP.brought(second, false, 500, 190.0), Brought::Measuring);
        let Brought::Elasticity(e) = STEP.brought(second, true, 190, 190.0) else {
            panic!("should be judged");
        };
        assert!((e - 0.926).abs() < 0.01, "{e}");
    }

    #[test]
    fn what_brought_nothing_goes_back_and_what_brought_little_settles_between() {
        assert_eq!(STEP.settle(-0.1), 10);
        assert_eq!(STEP.settle(0.2), 14);
    }
}
