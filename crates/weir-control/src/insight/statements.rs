//! Which statements take longer than they did: `X_f = calls · (S_f − S_f0)`, and how much of it
//! is one statement's.
//!
//! Statements that are still executing count as well, with the age they have: a statement that
//! takes a minute would otherwise stay unseen for that minute.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use weir_model::{ClientState, Fingerprint, Instant, PoolId, ServerRow};

use crate::record::window::StatementWindow;

/// One statement, now against before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatementChange {
    /// Which.
    pub fingerprint: Fingerprint,
    /// Its text without literals; empty if unknown.
    pub text: String,
    /// Executions in the window, those still under way included.
    pub calls: u64,
    /// Of these, still under way.
    pub open: u64,
    /// Seconds per execution now.
    pub mean_s: f64,
    /// Seconds per execution before; `None`: it didn't occur.
    pub mean_before_s: Option<f64>,
    /// Executions before.
    pub calls_before: u64,
    /// Rows per execution: now, before.
    pub rows: (f64, Option<f64>),
    /// Seconds of server time in the window beyond what these calls used to take. For a
    /// statement that didn't occur before: all it took.
    pub excess_s: f64,
}

impl StatementChange {
    /// How many times longer than before; `None` for a new statement.
    pub fn ratio(&self) -> Option<f64> {
        self.mean_before_s
            .map(|before| self.mean_s / before.max(50e-6))
    }
}

/// All statements of a pool, now against before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StatementChanges {
    /// Largest excess first.
    pub changes: Vec<StatementChange>,
    /// `ΣX_f⁺`, in server-seconds.
    pub excess_s: f64,
    /// `κ = max X_f / ΣX_f⁺`, 0..=1: how much of the excess is one statement's.
    pub concentration: f64,
    /// As `κ`, of the two largest together.
    pub concentration_two: f64,
}

impl StatementChanges {
    /// Compares two stretches; `open` are the servers' rows of the last second, as they were at
    /// `at`. A later instant would count statements as still under way that have long ended.
    pub fn between(
        before: &[StatementWindow],
        now: &[StatementWindow],
        open: &[ServerRow],
        pool: PoolId,
        at: Instant,
    ) -> Self {
        let before: BTreeMap<Fingerprint, &StatementWindow> =
            before.iter().map(|s| (s.fingerprint, s)).collect();
        let mut sums: BTreeMap<Fingerprint, (String, u64, u64, Duration, u64)> = now
            .iter()
            .map(|s| {
                let sum = (s.text.clone(), s.calls, 0, s.executing, s.rows);
                (s.fingerprint, sum)
            })
            .collect();
        let executing = open.iter().filter(|row| {
            row.pool == pool
                && row.client_state == Some(ClientState::Active)
                && row.fingerprint != Fingerprint::NONE
        });
        for row in executing {
            let Some(since) = row.client_since else {
                continue;
            };
            let usual = before.get(&row.fingerprint).map_or(0.0, |s| s.mean_s());
            let age = at.since(since);
            // A statement that is merely under way is no news; one that outlived its usual time is.
            if age.as_secs_f64() > (2.0 * usual).max(0.1) {
                let sum = sums.entry(row.fingerprint).or_default();
                sum.1 += 1;
                sum.2 += 1;
                sum.3 += age;
            }
        }
        let mut changes: Vec<StatementChange> = sums
            .into_iter()
            .filter(|(_, sum)| sum.1 > 0)
            .map(|(fingerprint, (text, calls, open, executing, rows))| {
                let old = before.get(&fingerprint).filter(|s| s.calls > 0);
                let mean_s = executing.as_secs_f64() / calls as f64;
                let mean_before_s = old.map(|s| s.mean_s());
                let text = match old {
                    Some(old) if text.is_empty() => old.text.clone(),
                    _ => text,
                };
                StatementChange {
                    fingerprint,
                    text,
                    calls,
                    open,
                    mean_s,
                    mean_before_s,
                    calls_before: old.map_or(0, |s| s.calls),
                    rows: (
                        rows as f64 / (calls - open).max(1) as f64,
                        old.map(|s| s.rows as f64 / s.calls as f64),
                    ),
                    excess_s: calls as f64 * (mean_s - mean_before_s.unwrap_or(0.0)),
                }
            })
            .collect();
        changes.sort_by(|a, b| b.excess_s.total_cmp(&a.excess_s));
        let excess_s: f64 = changes.iter().map(|c| c.excess_s.max(0.0)).sum();
        let part = |n: usize| {
            if excess_s > 0.0 {
                changes
                    .iter()
                    .take(n)
                    .map(|c| c.excess_s.max(0.0))
                    .sum::<f64>()
                    / excess_s
            } else {
                0.0
            }
        };
        Self {
            concentration: part(1),
            concentration_two: part(2),
            excess_s,
            changes,
        }
    }

    /// Median of `S_f/S_f0` over statements other than `except` with enough calls to be sure;
    /// `None` if there is no such statement.
    pub fn median_ratio(&self, except: Option<Fingerprint>) -> Option<f64> {
        let mut ratios: Vec<f64> = self
            .changes
            .iter()
            .filter(|c| Some(c.fingerprint) != except && c.calls >= 5 && c.calls_before >= 5)
            .filter_map(StatementChange::ratio)
            .collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ratios.len() / 2).copied()
    }
}
