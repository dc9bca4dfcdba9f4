//! Sizes: how many servers each pool should hold, and why.
//!
//! It answers, once a second and for every pool: grow, shrink, or keep, by what reason, to what
//! effect, and how to take it back.
//!
//! # What always holds
//! - A size chosen lies inside the pool's [`Rails`]: never into reserved, foreign or spare slots,
//!   never above the configured maximum, never below the minimum (unless the budget is smaller).
//! - At most a doubling up and 30 % down in a second; shrinking follows demand by at most 10 % in
//!   30 s, never below what was held at the 99th percentile of ten minutes.
//! - Where more servers don't help (locks, idle transactions, a leak, PostgreSQL gone), it keeps
//!   the size and says why.
//! - Every decision, also *keep*, carries its numbers; only a changed decision is told, a standing
//!   one again each ten seconds (each minute while nothing is odd).
//!
//! # What is deliberately absent
//! - The probe, the change detector and the vetoes of the full controller: PROBE and CHANGE take
//!   their place in [`search`], where slow start ends.
//! - Sending orders. A plan performs nothing.

mod bounds;
mod pool;
mod reason;
mod search;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_model::{Cause, Instant, Level, Order, PoolId, PoolKey};

use crate::insight::Rails;
use crate::record::Recorder;

/// What the regulator may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegulatorMode {
    /// Decide, tell, do nothing.
    Observe,
    /// Decide, and wait for somebody's approval.
    #[default]
    Recommend,
    /// Decide and order.
    Act,
}

impl RegulatorMode {
    /// The name that every surface uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Recommend => "recommend",
            Self::Act => "act",
        }
    }
}

impl fmt::Display for RegulatorMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RegulatorMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Observe, Self::Recommend, Self::Act]
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| {
                format!("`{text}` is no regulator mode; known are observe, recommend, act")
            })
    }
}

/// What may be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegulatorSettings {
    /// What it may do.
    pub mode: RegulatorMode,
    /// How long a dry pool waits for a cause before it is enlarged without one.
    pub patience: Duration,
}

impl RegulatorSettings {
    /// The defaults, in `mode`.
    pub fn new(mode: RegulatorMode) -> Self {
        Self {
            mode,
            patience: Duration::from_secs(3),
        }
    }
}

/// What is known of a pool beside the recorder.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolInput {
    /// Which.
    pub pool: PoolId,
    /// Its name.
    pub key: PoolKey,
    /// Its bounds, from [`Rails::of_all`].
    pub rails: Rails,
    /// The size it was born with: shrinking ends there, for it is the operator's own number.
    pub initial: u32,
    /// Its level.
    pub level: Option<Level>,
    /// The top-ranked cause of its incident.
    pub cause: Option<Cause>,
    /// The wait that most transactions should stay below.
    pub objective_wait: Duration,
}

/// What a plan is made from.
#[derive(Clone, Debug)]
pub struct RegulatorInput<'a> {
    /// What was measured.
    pub recorder: &'a Recorder,
    /// When.
    pub now: Instant,
    /// Every pool.
    pub pools: Vec<PoolInput>,
}

/// What to do with a pool's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeAction {
    /// More servers.
    Grow {
        /// The size meant.
        to: u32,
    },
    /// Fewer.
    Shrink {
        /// The size meant.
        to: u32,
    },
    /// As it is.
    Keep,
}

impl SizeAction {
    /// The size meant, where it changes.
    pub fn to(self) -> Option<u32> {
        match self {
            Self::Grow { to } | Self::Shrink { to } => Some(to),
            Self::Keep => None,
        }
    }
}

/// One decision, with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// From one, per process.
    pub number: u64,
    /// When.
    pub at: Instant,
    /// Which pool.
    pub pool: PoolId,
    /// Its name.
    pub key: PoolKey,
    /// What.
    pub action: SizeAction,
    /// The size before.
    pub from: u32,
    /// In which mode it was made.
    pub mode: RegulatorMode,
    /// Why, with numbers.
    pub because: String,
    /// What should come of it, to be compared with what comes.
    pub expected: String,
    /// What stops the size from being larger, if anything.
    pub why_not_more: Option<String>,
    /// What to order; for a recommendation, once somebody approves it.
    pub order: Option<Order>,
    /// What takes it back.
    pub undo: Option<Order>,
    /// True if `order` is to be sent now.
    pub acted: bool,
    /// Who approved it; empty for the regulator itself.
    pub approved_by: String,
}

impl Decision {
    /// `D-118`.
    pub fn id(&self) -> String {
        format!("D-{}", self.number)
    }

    /// `grow 10 → 18`, `recommend 10 → 18`, `keep 10`.
    pub fn says(&self) -> String {
        let from = self.from;
        match (self.action, self.acted, self.mode) {
            (SizeAction::Keep, _, _) => format!("keep {from}"),
            (SizeAction::Grow { to }, true, _) => format!("grow {from} → {to}"),
            (SizeAction::Shrink { to }, true, _) => format!("shrink {from} → {to}"),
            (SizeAction::Grow { to } | SizeAction::Shrink { to }, false, mode) => match mode {
                RegulatorMode::Observe => format!("would set {from} → {to}"),
                RegulatorMode::Recommend | RegulatorMode::Act => {
                    format!("recommend {from} → {to}")
                }
            },
        }
    }
}

/// What came of one look at all pools.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegulatorPlan {
    /// New and repeated decisions. The orders of those with `acted` are to be sent.
    pub decisions: Vec<Decision>,
}

/// Why a recommendation couldn't be approved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApproveError {
    /// No recommendation stands for that pool.
    #[error("nothing is recommended for this pool now")]
    NothingRecommended,
    /// The size has changed since.
    #[error("the pool has {now} servers by now; {recommended} were recommended when it had {then}")]
    Outdated {
        /// The size then.
        then: u32,
        /// The size meant.
        recommended: u32,
        /// The size now.
        now: u32,
    },
}

/// Decides sizes.
#[derive(Debug)]
pub struct Regulator {
    settings: RegulatorSettings,
    next: u64,
    pools: BTreeMap<PoolId, pool::PoolRegulator>,
    recommended: BTreeMap<PoolId, Decision>,
}

impl Regulator {
    /// A regulator that has decided nothing.
    pub fn new(settings: RegulatorSettings) -> Self {
        Self {
            settings,
            next: 1,
            pools: BTreeMap::new(),
            recommended: BTreeMap::new(),
        }
    }

    /// What it may do now.
    pub fn mode(&self) -> RegulatorMode {
        self.settings.mode
    }

    /// Lets it do more or less from now on. What was recommended stays open for approval, and in
    /// mode `act` is done with the next plan, if it still holds.
    pub fn set_mode(&mut self, mode: RegulatorMode) {
        self.settings.mode = mode;
        for pool in self.pools.values_mut() {
            pool.tell_again();
        }
    }

    /// The recommendation that stands for a pool.
    pub fn recommendation(&self, pool: PoolId) -> Option<&Decision> {
        self.recommended.get(&pool)
    }

    /// Numbers go on after those that the store knows.
    pub fn number_from(&mut self, next: u64) {
        self.next = self.next.max(next);
    }
}

impl Regulator {
    /// Looks at every pool. Call it once a second; send the orders of decisions with `acted`.
    pub fn plan(&mut self, input: &RegulatorInput<'_>) -> RegulatorPlan {
        let now = input.now;
        let mut plan = RegulatorPlan::default();
        // Pools of one server share its budget: what one takes in this very plan, another can't.
        let mut taken: u32 = 0;
        for known in &input.pools {
            let mut known = known.clone();
            known.rails.others = known.rails.others.saturating_add(taken);
            let state = self.pools.entry(known.pool).or_default();
            let Some(verdict) = state.decide(&known, input.recorder, now, &self.settings) else {
                continue;
            };
            if let SizeAction::Grow { to } = verdict.action {
                taken = taken.saturating_add(to.saturating_sub(verdict.from));
            }
            if verdict.action == SizeAction::Keep {
                self.recommended.remove(&known.pool);
            }
            let acts = pool::acts(self.settings.mode) && verdict.action != SizeAction::Keep;
            if !acts && !state.news(&verdict, known.level.is_some(), now) {
                continue;
            }
            let from = verdict.from;
            let resize = |size| Order::Resize {
                pool: known.pool,
                size,
            };
            let decision = Decision {
                number: self.next,
                at: now,
                pool: known.pool,
                key: known.key.clone(),
                action: verdict.action,
                from,
                mode: self.settings.mode,
                because: verdict.because,
                expected: verdict.expected,
                why_not_more: verdict.why_not_more,
                order: verdict.action.to().map(resize),
                undo: verdict.action.to().map(|_| resize(from)),
                acted: acts,
                approved_by: String::new(),
            };
            self.next += 1;
            if let Some(to) = decision.action.to() {
                if acts {
                    let x = throughput(input.recorder, known.pool, now);
                    state.ordered(from, to, x, now);
                    self.recommended.remove(&known.pool);
                } else if self.settings.mode == RegulatorMode::Recommend {
                    self.recommended.insert(known.pool, decision.clone());
                }
            }
            plan.decisions.push(decision);
        }
        plan
    }

    /// Somebody says yes to what is recommended for a pool: a decision of its own, to be sent.
    pub fn approve(
        &mut self,
        recorder: &Recorder,
        pool: PoolId,
        by: &str,
        now: Instant,
    ) -> Result<Decision, ApproveError> {
        let recommended = self
            .recommended
            .get(&pool)
            .ok_or(ApproveError::NothingRecommended)?;
        let to = recommended
            .action
            .to()
            .ok_or(ApproveError::NothingRecommended)?;
        let size = recorder.latest(pool).map_or(recommended.from, |s| s.size);
        if size != recommended.from {
            return Err(ApproveError::Outdated {
                then: recommended.from,
                recommended: to,
                now: size,
            });
        }
        let decision = Decision {
            number: self.next,
            at: now,
            acted: true,
            approved_by: by.to_owned(),
            ..recommended.clone()
        };
        self.next += 1;
        self.recommended.remove(&pool);
        let x = throughput(recorder, pool, now);
        if let Some(state) = self.pools.get_mut(&pool) {
            state.ordered(size, to, x, now);
        }
        Ok(decision)
    }
}

/// Completions per second lately, while somebody waited: what a step is measured against. Seconds
/// in which nobody did show what was asked, not what the servers can do.
fn throughput(recorder: &Recorder, pool: PoolId, now: Instant) -> f64 {
    let from = now.before(Duration::from_secs(2));
    let (mut completions, mut samples) = (0u32, 0u32);
    for (_, s) in recorder.samples(pool, from, now) {
        if s.clients.waiting > 0 {
            completions += s.completions;
            samples += 1;
        }
    }
    if samples == 0 {
        return recorder.window(pool, from, now).completion_rate();
    }
    f64::from(completions) / f64::from(samples) * 10.0
}

#[cfg(test)]
mod tests;
