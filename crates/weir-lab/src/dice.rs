//! Dice with a seed: the same seed gives the same arrivals and the same users, on any platform
//! and for ever, which no general library promises.

/// SplitMix64 (Steele, Lea, Flood 2014): passes BigCrush, eight lines, one word of state.
#[derive(Clone, Debug)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// Dice for one purpose. `purpose` keeps two users of one seed apart.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut dice = Self {
            state: seed ^ purpose.wrapping_mul(0xA076_1D64_78BD_642F),
        };
        dice.next();
        dice
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In 0..1, never 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// In `0..n`; zero if `n` is.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// The seconds to the next arrival of a Poisson process of `rate` per second.
    pub(crate) fn gap_s(&mut self, rate: f64) -> f64 {
        -(1.0 - self.unit()).ln() / rate
    }
}

/// Who comes how often: the k-th most active of `n` users with weight 1/k^s (Zipf).
#[derive(Clone, Debug)]
pub(crate) struct Zipf {
    /// Cumulative shares, ascending to 1.
    cumulative: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(n: usize, s: f64) -> Self {
        let mut total = 0.0;
        let mut cumulative: Vec<f64> = (1..=n)
            .map(|k| {
                total += (k as f64).powf(-s);
                total
            })
            .collect();
        for share in &mut cumulative {
            *share /= total;
        }
        Self { cumulative }
    }

    /// A rank from 1.
    pub(crate) fn draw(&self, dice: &mut Dice) -> usize {
        let u = dice.unit();
        self.cumulative
            .partition_point(|&share| share <= u)
            .min(self.cumulative.len().saturating_sub(1))
            + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_another_does_not() {
        let throw = |seed, purpose| {
            let mut dice = Dice::new(seed, purpose);
            (0..5).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(throw(7, 1), throw(7, 1));
        assert_ne!(throw(7, 1), throw(8, 1));
        assert_ne!(throw(7, 1), throw(7, 2));
    }

    #[test]
    fn gaps_of_a_poisson_process_have_mean_and_spread_one_over_rate() {
        let mut dice = Dice::new(1, 1);
        let gaps: Vec<f64> = (0..100_000).map(|_| dice.gap_s(120.0)).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean * 120.0 - 1.0).abs() < 0.02, "{mean}");
        assert!((variance.sqrt() * 120.0 - 1.0).abs() < 0.02, "{variance}");
        assert!(gaps.iter().all(|g| g.is_finite() && *g >= 0.0));
    }

    #[test]
    fn the_most_active_user_comes_in_proportion_to_its_weight() {
        let zipf = Zipf::new(2000, 0.7);
        let mut dice = Dice::new(3, 1);
        let mut counts = vec![0u32; 2001];
        for _ in 0..100_000 {
            counts[zipf.draw(&mut dice)] += 1;
        }
        assert_eq!(counts[0], 0);
        let ratio = f64::from(counts[1]) / f64::from(counts[16]);
        // 16^0.7 = 6.96
        assert!((5.0..9.5).contains(&ratio), "{ratio}");
        assert!(counts[1900..].iter().sum::<u32>() > 0);
    }
}
