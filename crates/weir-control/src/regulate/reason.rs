//! The sentences of a growing pool: what bounds it, and what should come of it.

use std::time::Duration;

use crate::insight::{Demand, Rails, say};

/// How far it may go, and by whose word.
pub(super) fn bound(rails: &Rails) -> String {
    match (rails.max(), rails.budget, rails.configured_max) {
        (Some(max), Some(budget), Some(configured)) if configured == max => {
            format!("up to {max} allowed by size.max ({})", budget.says())
        }
        (Some(max), Some(budget), _) => format!("up to {max} allowed: {}", budget.says()),
        (Some(max), None, _) => {
            format!("up to {max} allowed by size.max; PostgreSQL's own limits are not known")
        }
        (None, _, _) => {
            "PostgreSQL's limits are not known and the pool has no size.max: nothing but \
                         its demand bounds it"
                .to_owned()
        }
    }
}

/// What `to` servers instead of `size` should do for `waiting` clients.
pub(super) fn expected(
    demand: &Demand,
    size: u32,
    to: u32,
    waiting: u32,
    objective: Duration,
) -> String {
    let hold_s = demand.hold_s.max(1e-6);
    let served = f64::from(to) / hold_s;
    let spare = served - demand.arrivals;
    if spare <= 0.0 {
        return format!(
            "throughput up to {} from {}; not yet enough for {}",
            say::rate(served),
            say::rate(f64::from(size) / hold_s),
            say::rate(demand.arrivals)
        );
    }
    format!(
        "{} of {to} servers busy; the queue of {waiting} gone in about {}, then waits below {}",
        say::percent((demand.busy / f64::from(to)).min(1.0)),
        say::seconds(f64::from(waiting) / spare),
        say::duration(objective),
    )
}

/// Why more servers wouldn't help transactions that take longer.
pub(super) fn slowed(hold_s: f64, usual_s: f64) -> String {
    format!(
        "a transaction holds its server for {}, {:.1} times as long as usual ({}); more at once \
         would hardly be faster",
        say::seconds(hold_s),
        hold_s / usual_s,
        say::seconds(usual_s)
    )
}
