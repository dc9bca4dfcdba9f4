//! How many servers a pool may have at all: the server's own limits, less what is others'.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_model::{Instant, PoolId, PoolSize};

use crate::record::Recorder;
use crate::sense::view::Limits;

/// How long other people's connections are looked back upon.
const FOREIGN_WINDOW: Duration = Duration::from_secs(15 * 60);

/// What all pools of this Weir together may open on one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// The limits it comes from.
    pub limits: Limits,
    /// Most client backends of others in 15 minutes (p99 of the looks).
    pub foreign: u32,
    /// Kept free for what nobody foresaw: two, or 3 % of `max_connections`.
    pub spare: u32,
    /// A cap that the operator set for this server.
    pub cap: Option<u32>,
    /// `max_connections − reserved − foreign − spare`, at most the role's or database's limit
    /// and the operator's cap.
    pub total: u32,
}

impl Budget {
    /// From one look's limits, and what others had in each look of the last 15 minutes.
    pub fn new(limits: Limits, foreign_seen: &[u32], cap: Option<u32>) -> Self {
        let mut seen = foreign_seen.to_vec();
        seen.push(limits.client_backends.saturating_sub(limits.own_backends));
        seen.sort_unstable();
        let rank = (seen.len() * 99).div_ceil(100).max(1) - 1;
        let foreign = seen[rank.min(seen.len() - 1)];
        let spare = (limits.max_connections * 3).div_ceil(100).max(2);
        let total = limits
            .max_connections
            .saturating_sub(limits.reserved)
            .saturating_sub(foreign)
            .saturating_sub(spare)
            .min(limits.role_or_database_limit.unwrap_or(u32::MAX))
            .min(cap.unwrap_or(u32::MAX));
        Self {
            limits,
            foreign,
            spare,
            cap,
            total,
        }
    }

    /// From what the recorder holds; `None` if no look ever brought limits.
    pub fn of(recorder: &Recorder, now: Instant, cap: Option<u32>) -> Option<Self> {
        let (_, latest) = recorder.latest_limits()?;
        let seen: Vec<u32> = recorder
            .views(now.before(FOREIGN_WINDOW), now)
            .filter_map(|view| view.limits)
            .map(|l| l.client_backends.saturating_sub(l.own_backends))
            .collect();
        Some(Self::new(latest, &seen, cap))
    }

    /// The arithmetic, for a sentence.
    pub fn says(&self) -> String {
        let l = &self.limits;
        let limit = if self.cap == Some(self.total) {
            format!(", cut to the operator's budget of {}", self.total)
        } else if l.role_or_database_limit == Some(self.total) {
            format!(", cut to the role's or database's limit of {}", self.total)
        } else {
            String::new()
        };
        format!(
            "budget {} = max_connections {} − {} reserved − {} of others − {} spare{limit}",
            self.total, l.max_connections, l.reserved, self.foreign, self.spare
        )
    }
}

/// How long after its last transaction a pool still claims its whole size.
const IDLE_POOL: Duration = Duration::from_secs(10 * 60);

/// The bounds within which one pool's size may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rails {
    /// Never fewer.
    pub min: u32,
    /// What the configuration allows; `None`: no bound of its own.
    pub configured_max: Option<u32>,
    /// The server's budget; `None`: limits not known.
    pub budget: Option<Budget>,
    /// What the other pools of this Weir already claim of the budget.
    pub others: u32,
    /// True for a pool with a fixed size: nobody but a person moves it.
    pub fixed: bool,
}

impl Rails {
    /// The rails of a pool set up as `size`, with `others` claimed by other pools.
    pub fn new(size: PoolSize, budget: Option<Budget>, others: u32) -> Self {
        Self {
            min: size.min(),
            configured_max: match size {
                PoolSize::Fixed(_) => None,
                PoolSize::Regulated { .. } => size.max(),
            },
            budget,
            others,
            fixed: matches!(size, PoolSize::Fixed(_)),
        }
    }

    /// The rails of all pools of one server, `cap` being the operator's budget for it.
    ///
    /// Each pool in use claims its whole size, since it may open that many at any moment; one
    /// that nobody has used for ten minutes claims what it has open.
    pub fn of_all(
        recorder: &Recorder,
        now: Instant,
        pools: &[(PoolId, PoolSize)],
        cap: Option<u32>,
    ) -> BTreeMap<PoolId, Rails> {
        let budget = Budget::of(recorder, now, cap);
        let claims: BTreeMap<PoolId, u32> = pools
            .iter()
            .map(|(pool, _)| {
                let claim = recorder.latest(*pool).map_or(0, |latest| {
                    let used = recorder
                        .samples(*pool, now.before(IDLE_POOL), now)
                        .any(|(_, s)| s.arrivals > 0);
                    if used {
                        latest.size
                    } else {
                        latest.servers.open()
                    }
                });
                (*pool, claim)
            })
            .collect();
        let all: u32 = claims.values().sum();
        pools
            .iter()
            .map(|(pool, size)| {
                let own = claims.get(pool).copied().unwrap_or(0);
                (*pool, Rails::new(*size, budget, all.saturating_sub(own)))
            })
            .collect()
    }

    /// Rails of a pool about which nothing is known: at least one server, no upper bound.
    pub fn unknown() -> Self {
        Self {
            min: 1,
            configured_max: None,
            budget: None,
            others: 0,
            fixed: false,
        }
    }

    /// The largest size within them; `None` where nothing bounds it that Weir knows of.
    pub fn max(&self) -> Option<u32> {
        // One of the budget is the watch connection's.
        let room = self
            .budget
            .map(|b| b.total.saturating_sub(self.others).saturating_sub(1));
        match (room, self.configured_max) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// `wanted` within the rails. The budget wins over the minimum: a slot that isn't there
    /// can't be promised.
    pub fn clip(&self, wanted: u32) -> u32 {
        let up = wanted.max(self.min);
        self.max().map_or(up, |max| up.min(max.max(1)))
    }

    /// Which rail would stop a pool from having more than `size`, for a sentence.
    pub fn why_not_more(&self, size: u32) -> Option<String> {
        let max = self.max()?;
        if size < max {
            return None;
        }
        match (&self.budget, self.configured_max) {
            (Some(budget), configured) if configured.is_none_or(|c| c > max) => {
                let others = match self.others {
                    0 => String::new(),
                    n => format!(", of which other pools claim {n}"),
                };
                Some(format!(
                    "{}{others}, less 1 for the watch connection",
                    budget.says()
                ))
            }
            (_, Some(configured)) => Some(format!("size.max of the pool is {configured}")),
            _ => None,
        }
    }
}
