//! Contributing factors: what made it possible or worse, as far as the journal shows it. Never the
//! cause itself, never a guess.

use weir_model::{Cause, Evidence};

use super::state::Incident;
use super::words::{self, count, duration, offset, share, trimmed};

/// How full a pool may be on average before the onset, until that itself counts as a factor.
const NEAR_LIMIT: f64 = 0.7;

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorKind {
    /// The pool was nearly full before anything happened.
    NearLimit,
    /// A second cause explains part of it.
    SecondCause(Cause),
    /// Weir knew what to do and gave no order for a while.
    NotAllowedToAct,
    /// Nobody was seen to take it.
    NobodyAcknowledged,
    /// A message was refused.
    MessageLost,
    /// A client held a server while it asked nothing.
    IdleHeld,
    /// Waiters who gave up: their work was asked for and thrown away.
    GaveUp,
    /// It came back.
    CameBack,
}

/// One factor.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// `F1`.
    pub id: String,
    /// Which.
    pub kind: FactorKind,
    /// One sentence.
    pub says: String,
    /// With what.
    pub evidence: Vec<Evidence>,
}

pub(super) fn factors(incident: &Incident) -> Vec<Factor> {
    let mut found: Vec<(FactorKind, String, Vec<Evidence>)> = Vec::new();
    let clocks = incident.clocks();
    let top = incident.top_cause().map(|c| c.cause);

    for second in incident.causes.iter().skip(1).take(2) {
        if second.cause != Cause::Unknown && second.share.is_finite() && second.share >= 0.05 {
            // Shares of causes that overlap (a surge, and a pool too small for it) don't add up.
            let adds_up = incident.causes[0].share + second.share <= 1.005;
            let weight = if adds_up {
                format!("explains {} of the rise in load", share(second.share))
            } else {
                format!(
                    "is a part of the same rise ({} sure)",
                    share(second.confidence)
                )
            };
            found.push((
                FactorKind::SecondCause(second.cause),
                format!(
                    "a second cause, {}, {weight}: {}",
                    words::phrase(second.cause),
                    second.says
                ),
                second.evidence.clone(),
            ));
        }
    }
    if let Some(usual) = &incident.baseline
        && usual.samples > 0
        && usual.size >= 1.0
        // With no server to be had, a fuller or emptier pool made no difference.
        && !matches!(top, Some(Cause::ServerDown | Cause::Failover))
        && usual.active / usual.size >= NEAR_LIMIT
    {
        found.push((
            FactorKind::NearLimit,
            format!(
                "before the onset {} of {} server connections were in use on average ({})",
                trimmed(usual.active),
                trimmed(usual.size),
                share(usual.active / usual.size)
            ),
            Vec::new(),
        ));
    }
    if let Some(measured) = &incident.measured {
        let during = &measured.during;
        let idle = during.idle_in_transaction_max.as_secs_f64();
        if idle >= 1.0 && top != Some(Cause::IdleInTransaction) {
            found.push((
                FactorKind::IdleHeld,
                format!(
                    "a client was idle inside an open transaction for {} and kept its server \
                     connection meanwhile",
                    words::seconds(idle)
                ),
                Vec::new(),
            ));
        } else if idle >= 1.0 {
            found.push((
                FactorKind::IdleHeld,
                format!(
                    "nothing ended an idle transaction: the longest stood open for {}",
                    words::seconds(idle)
                ),
                Vec::new(),
            ));
        }
        if during.abandoned > 0 {
            found.push((
                FactorKind::GaveUp,
                format!(
                    "{} gave up or were refused in the queue (at most {} stood in it at once)",
                    words::counted(during.abandoned, "transaction", "transactions"),
                    count(u64::from(during.waiting_max))
                ),
                Vec::new(),
            ));
        }
    }
    if let Some(named) = clocks.cause_named_at {
        let first_order = incident
            .decisions
            .iter()
            .find(|d| d.acted && d.to_size.is_some());
        let proposed = incident
            .decisions
            .iter()
            .find(|d| !d.acted && d.to_size.is_some());
        if let Some(proposed) = proposed {
            let until = first_order.map(|order| order.at);
            if until.is_none_or(|at| at > proposed.at) {
                let end = match until {
                    Some(at) => format!(
                        "an order was given {} after that",
                        duration(at.since(proposed.at))
                    ),
                    None => "no order of Weir's followed".to_owned(),
                };
                found.push((
                    FactorKind::NotAllowedToAct,
                    format!(
                        "the regulator's first proposal ({}: {}) stood at {}; {end}",
                        proposed.decision,
                        proposed.says,
                        offset(proposed.at, clocks.impact_started_at)
                    ),
                    Vec::new(),
                ));
            }
        } else if let Some(order) = first_order
            && order.at.since(named).as_secs_f64() >= 5.0
        {
            found.push((
                FactorKind::NotAllowedToAct,
                format!(
                    "the first order ({}: {}) came {} after the cause was named",
                    order.decision,
                    order.says,
                    duration(order.at.since(named))
                ),
                Vec::new(),
            ));
        }
    }
    let lost = incident.deliveries.iter().filter(|d| !d.ok).count();
    if lost > 0 {
        found.push((
            FactorKind::MessageLost,
            format!(
                "{} of {} messages about it were not accepted",
                lost,
                incident.deliveries.len()
            ),
            Vec::new(),
        ));
    }
    if incident.reopened > 0 {
        found.push((
            FactorKind::CameBack,
            format!(
                "it came back {} within its watch window",
                words::counted(u64::from(incident.reopened), "time", "times")
            ),
            Vec::new(),
        ));
    }
    if clocks.acknowledged_at.is_none() && incident.length().as_secs() >= 60 {
        found.push((
            FactorKind::NobodyAcknowledged,
            format!(
                "the journal holds no acknowledgement in {}",
                duration(incident.length())
            ),
            Vec::new(),
        ));
    }
    found
        .into_iter()
        .take(6)
        .enumerate()
        .map(|(i, (kind, says, evidence))| Factor {
            id: format!("F{}", i + 1),
            kind,
            says,
            evidence,
        })
        .collect()
}
