//! `ln ρ/ρ₀`, split without a residue by log-mean (LMDI) weights.
//!
//! # What always holds
//! - The factors' `delta`s add up to `ln ρ/ρ₀`; their `share`s to one, wherever the load moved.
//! - `rise` is the share among what *rose*; it lies in 0..=1 and is what a cause may claim.
//!
//! # What it can't see
//! - A closed loop that waits offers less: clients in the queue don't ask again. `λ` is counted
//!   as offered, so retries are in it, but a user who waits for a page instead of asking for the
//!   next one is not. The share of `λ` is then a lower bound.
//! - A transaction that began before the window and ends in it brings only the time it held a
//!   server inside the window.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_model::Instant;

use crate::record::window::{BackendWindow, PoolWindow};

/// What a share is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorName {
    /// `λ`: transactions offered.
    Arrivals,
    /// Executing, where it isn't known on what.
    Executing,
    /// Executing on a processor.
    Processor,
    /// Executing, waiting for disks.
    Disk,
    /// Executing, waiting for a lock.
    Lock,
    /// Executing, waiting for an internal lock.
    InternalLock,
    /// Executing, waiting for anything else: other processes, a standby, the client, a timer.
    OtherWait,
    /// Inside a transaction with nothing asked.
    Thinking,
    /// The reply was there, the client didn't take it.
    Network,
    /// `N`: fewer servers to be had.
    Servers,
}

impl FactorName {
    /// As a sentence names it.
    pub fn says(self) -> &'static str {
        match self {
            Self::Arrivals => "arrivals",
            Self::Executing => "execution time",
            Self::Processor => "execution on the processor",
            Self::Disk => "waits for disks",
            Self::Lock => "waits for locks",
            Self::InternalLock => "waits for internal locks",
            Self::OtherWait => "other waits while executing",
            Self::Thinking => "time idle in transaction",
            Self::Network => "time for the network",
            Self::Servers => "fewer servers",
        }
    }

    /// True for the parts of execution time.
    pub fn executes(self) -> bool {
        match self {
            Self::Executing
            | Self::Processor
            | Self::Disk
            | Self::Lock
            | Self::InternalLock
            | Self::OtherWait => true,
            Self::Arrivals | Self::Thinking | Self::Network | Self::Servers => false,
        }
    }
}

/// One factor of the load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// Which.
    pub name: FactorName,
    /// Now: per second, seconds per transaction, or servers.
    pub value: f64,
    /// Before.
    pub baseline: f64,
    /// Its part of `ln ρ/ρ₀`; below zero where it relieved the pool.
    pub delta: f64,
    /// `delta / ln ρ/ρ₀`. All of them add up to one; each may be below zero or above one.
    pub share: f64,
    /// Its part of what rose: `delta⁺ / Σ delta⁺`, 0..=1.
    pub rise: f64,
}

/// Where the change in load between two windows comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// What was usual: begin and end.
    pub baseline: (Instant, Instant),
    /// What is compared with it.
    pub window: (Instant, Instant),
    /// `ρ` in the window.
    pub load: f64,
    /// `ρ` before.
    pub load_baseline: f64,
    /// `ln ρ/ρ₀`.
    pub ln_rise: f64,
    /// All factors, largest `delta` first.
    pub factors: Vec<Factor>,
    /// Observations that the split of `H` stands on.
    pub observations: u64,
    /// Standard error of the largest share among what rose: `sqrt(p(1−p)/n)`.
    pub standard_error: f64,
    /// True if the baseline holds too little (fewer than ten completed transactions) to be
    /// called usual.
    pub baseline_thin: bool,
}

impl Attribution {
    /// Compares `now` with `before`. The looks at the server split execution time further, where
    /// both stretches have some.
    pub fn between(
        before: &PoolWindow,
        now: &PoolWindow,
        looks_before: &BackendWindow,
        looks_now: &BackendWindow,
    ) -> Self {
        let baseline_thin = before.completions < 10;
        let arrivals = arrival_rate(now);
        let servers = supply(now);
        // Nothing measured before: nothing is known to have changed.
        let (arrivals0, servers0) = if before.samples == 0 {
            (arrivals, now.size.max(0.5))
        } else {
            (arrival_rate(before), supply(before))
        };

        let parts_now = hold_parts(now, looks_now);
        // Without a baseline nothing is known to have changed: the hold time then counts as usual.
        let parts_before = if before.completions == 0 {
            parts_now.clone()
        } else {
            hold_parts(before, looks_before)
        };
        let split = split_hold(parts_before, parts_now);

        let mut factors = vec![Factor {
            name: FactorName::Arrivals,
            value: arrivals,
            baseline: arrivals0,
            delta: (arrivals / arrivals0).ln(),
            share: 0.0,
            rise: 0.0,
        }];
        factors.extend(split.factors);
        factors.push(Factor {
            name: FactorName::Servers,
            value: servers,
            baseline: servers0,
            delta: -(servers / servers0).ln(),
            share: 0.0,
            rise: 0.0,
        });

        let ln_rise: f64 = factors.iter().map(|f| f.delta).sum();
        let risen: f64 = factors.iter().map(|f| f.delta.max(0.0)).sum();
        for factor in &mut factors {
            // A load that didn't move has no shares; zero rather than a number made of noise.
            if ln_rise.abs() > 1e-9 {
                factor.share = factor.delta / ln_rise;
            }
            if risen > 1e-9 {
                factor.rise = factor.delta.max(0.0) / risen;
            }
        }
        factors.sort_by(|a, b| b.delta.total_cmp(&a.delta));

        let observations = if split.by_looks {
            u64::from(looks_now.active_samples.min(looks_before.active_samples))
        } else {
            now.completions.max(u64::from(now.samples))
        };
        let p = factors.first().map_or(0.0, |f| f.rise);
        let standard_error = (p * (1.0 - p) / observations.max(1) as f64).sqrt();

        Self {
            baseline: (before.from, before.to),
            window: (now.from, now.to),
            load: arrivals * split.hold / servers,
            load_baseline: arrivals0 * split.hold_before / servers0,
            ln_rise,
            factors,
            observations,
            standard_error,
            baseline_thin,
        }
    }

    /// One factor; all zero if it isn't part of the split.
    pub fn factor(&self, name: FactorName) -> Factor {
        self.factors
            .iter()
            .copied()
            .find(|f| f.name == name)
            .unwrap_or(Factor {
                name,
                value: 0.0,
                baseline: 0.0,
                delta: 0.0,
                share: 0.0,
                rise: 0.0,
            })
    }

    /// `rise` of everything that is execution, whatever it waited for.
    pub fn executing_rise(&self) -> f64 {
        self.factors
            .iter()
            .filter(|f| f.name.executes())
            .map(|f| f.rise)
            .sum()
    }

    /// `value / baseline` of a factor; one if it isn't part of the split.
    pub fn ratio(&self, name: FactorName) -> f64 {
        let factor = self.factor(name);
        if factor.baseline > 0.0 {
            factor.value / factor.baseline
        } else {
            1.0
        }
    }

    /// Seconds that a transaction holds a server: now, before.
    pub fn hold_s(&self) -> (f64, f64) {
        self.factors
            .iter()
            .filter(|f| !matches!(f.name, FactorName::Arrivals | FactorName::Servers))
            .fold((0.0, 0.0), |(now, before), f| {
                (now + f.value, before + f.baseline)
            })
    }
}

/// Offered per second. A window without any counts as one arrival, so that a logarithm exists.
fn arrival_rate(window: &PoolWindow) -> f64 {
    let length = window
        .length()
        .max(Duration::from_millis(100))
        .as_secs_f64();
    window.arrivals.max(1) as f64 / length
}

/// Servers to be had: the size, or what could be opened of it where PostgreSQL refused more. At
/// least half a server, so that a logarithm exists.
fn supply(window: &PoolWindow) -> f64 {
    let had = window.active + window.idle;
    let servers = if window.server_login_failures > 0 && window.server_logins == 0 {
        had.min(window.size)
    } else {
        window.size
    };
    servers.max(0.5)
}

struct Split {
    factors: Vec<Factor>,
    hold: f64,
    hold_before: f64,
    by_looks: bool,
}

#[derive(Clone)]
struct HoldParts {
    executing: f64,
    thinking: f64,
    network: f64,
    /// Shares of `executing`; `None` without looks at the server.
    waits: Option<[(FactorName, f64); 5]>,
}

fn hold_parts(window: &PoolWindow, looks: &BackendWindow) -> HoldParts {
    let per = window.completions.max(1) as f64;
    HoldParts {
        executing: window.held.executing.as_secs_f64() / per,
        thinking: window.held.thinking.as_secs_f64() / per,
        network: window.held.network.as_secs_f64() / per,
        waits: (looks.active_samples > 0).then(|| {
            let share = |wanted: &[&str]| {
                let n: u32 = wanted
                    .iter()
                    .filter_map(|kind| looks.by_wait_type.get(*kind))
                    .sum();
                f64::from(n) / f64::from(looks.active_samples)
            };
            let processor = share(&["CPU"]);
            let disk = share(&["IO"]);
            let lock = share(&["Lock"]);
            let internal = share(&["LWLock", "BufferPin"]);
            [
                (FactorName::Processor, processor),
                (FactorName::Disk, disk),
                (FactorName::Lock, lock),
                (FactorName::InternalLock, internal),
                (
                    FactorName::OtherWait,
                    (1.0 - processor - disk - lock - internal).max(0.0),
                ),
            ]
        }),
    }
}

fn split_hold(before: HoldParts, now: HoldParts) -> Split {
    let mut parts: Vec<(FactorName, f64, f64)> = vec![
        (FactorName::Thinking, now.thinking, before.thinking),
        (FactorName::Network, now.network, before.network),
    ];
    let by_looks = match (now.waits, before.waits) {
        (Some(waits), Some(waits0)) => {
            for ((name, share), (_, share0)) in waits.into_iter().zip(waits0) {
                parts.push((name, now.executing * share, before.executing * share0));
            }
            true
        }
        _ => {
            parts.push((FactorName::Executing, now.executing, before.executing));
            false
        }
    };
    // Zeros have no logarithm. What stands in for them is a millionth of the hold time, so small
    // that it moves no share anybody reads.
    let floor = |total: f64| (total * 1e-6).max(1e-9);
    let total: f64 = parts.iter().map(|p| p.1).sum();
    let total0: f64 = parts.iter().map(|p| p.2).sum();
    for part in &mut parts {
        part.1 = part.1.max(floor(total));
        part.2 = part.2.max(floor(total0));
    }
    let hold: f64 = parts.iter().map(|p| p.1).sum();
    let hold_before: f64 = parts.iter().map(|p| p.2).sum();
    let weight = log_mean(hold, hold_before);
    let factors = parts
        .into_iter()
        .map(|(name, value, baseline)| Factor {
            name,
            value,
            baseline,
            delta: log_mean(value, baseline) / weight * (value / baseline).ln(),
            share: 0.0,
            rise: 0.0,
        })
        .collect();
    Split {
        factors,
        hold,
        hold_before,
        by_looks,
    }
}

/// The log-mean `(a − b) / ln(a/b)`, and `a` where both are the same.
fn log_mean(a: f64, b: f64) -> f64 {
    let ln = (a / b).ln();
    if ln.abs() < 1e-9 { a } else { (a - b) / ln }
}
