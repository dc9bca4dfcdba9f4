//! The dice of a life.

use std::time::Duration;

use crate::dice::Dice;

/// Dice with the throws that a simulation wants.
#[derive(Clone, Debug)]
pub(crate) struct Roll(Dice);

impl Roll {
    /// Dice for one purpose of one seed.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Self(Dice::new(seed, purpose))
    }

    /// In `0..n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0.below(n)
    }

    /// In `from..=to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.0.below((to - from + 1) as usize) as u64
    }

    /// True with this probability.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.0.unit() < p
    }

    /// Exponential with this mean, at most ten times it.
    pub(crate) fn around(&mut self, mean: Duration) -> Duration {
        if mean.is_zero() {
            return mean;
        }
        mean.mul_f64(self.0.gap_s(1.0).min(10.0))
    }
}
