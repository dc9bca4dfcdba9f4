//! Causes: why. Each in a file of its own.
//!
//! [`diagnose`] is a pure function of [`DiagnosisInput`]: log-odds per cause from the share of
//! the rise in load that it would explain ([`crate::insight`]) and from discriminators, each
//! clipped so that no single number decides; then a softmax with `unknown` at zero.
//!
//! # What always holds
//! - `causes` is never empty: where nothing explains enough, it is `unknown`.
//! - A cause is ruled out only by a number that was measured. What couldn't be measured is said
//!   in [`Diagnosis::not_measured`] and rules out nothing.
//! - Confidences of all causes together, ruled-out ones included, are at most one.
//!
//! Call it each second while the pool's level is open.
//!
//! # What is deliberately absent
//! - Fitted weights. They are set by hand from the brief's table of discriminators until the
//!   drills have been scored; the temperature above one says how far to trust them.
//! - Interventions: a probe that caps a statement and watches is the full controller's work.

mod connection_leak;
mod ddl_lock_queue;
mod idle_in_transaction;
mod input;
mod max_connections;
mod odds;
mod pool_undersized;
mod row_lock_contention;
mod server_down;
mod slow_query;
mod traffic_surge;
mod trigger;
mod unknown;

use serde::{Deserialize, Serialize};
use weir_model::{CauseFinding, Instant, RuledOut};

use crate::insight::Attribution;
pub use input::DiagnosisInput;
use odds::{Judged, TEMPERATURE};

/// Causes less likely than this are ruled out, where a number says so.
const LISTED: f64 = 0.1;

/// What diagnosis says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Ranked, best first; at least one.
    pub causes: Vec<CauseFinding>,
    /// What it is not, each with its number.
    pub ruled_out: Vec<RuledOut>,
    /// One sentence each: what could not be measured and therefore not be ruled out.
    pub not_measured: Vec<String>,
    /// What set it off, if it was seen.
    pub trigger: Option<(String, Instant)>,
    /// The shares that it stands on.
    pub attribution: Attribution,
}

/// Ranks the causes.
pub fn diagnose(input: &DiagnosisInput) -> Diagnosis {
    let judged = [
        pool_undersized::judge(input),
        traffic_surge::judge(input),
        slow_query::judge(input),
        row_lock_contention::judge(input),
        ddl_lock_queue::judge(input),
        idle_in_transaction::judge(input),
        connection_leak::judge(input),
        max_connections::judge(input),
        server_down::judge(input),
        unknown::judge(input),
    ];
    let weight = |j: &Judged| (j.odds.value() / TEMPERATURE).exp();
    let all: f64 = judged.iter().map(weight).sum();
    let mut ranked: Vec<(f64, Judged)> =
        judged.into_iter().map(|j| (weight(&j) / all, j)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));

    let mut diagnosis = Diagnosis {
        causes: Vec::new(),
        ruled_out: Vec::new(),
        not_measured: Vec::new(),
        trigger: ranked
            .first()
            .and_then(|(_, top)| trigger::of(input, top.cause)),
        attribution: input.attribution.clone(),
    };
    for (confidence, judged) in ranked {
        if diagnosis.causes.is_empty() || confidence >= LISTED {
            diagnosis.causes.push(judged.finding(confidence));
        } else {
            diagnosis.not_measured.extend(judged.unmeasured.clone());
            diagnosis.ruled_out.extend(judged.ruled_out());
        }
    }
    diagnosis
}

#[cfg(test)]
mod tests;
