//! More transactions came than usual.
//!
//! **Speaks for it**: arrivals explain half of the rise or more, and statements take what they
//! always took.
//! **Neighbours**: an undersized pool (arrivals as usual); a retry storm (the same work again,
//! after errors); a slow statement in a closed loop, where arrivals fall.
//! **Ruled out by**: the ratio of arrivals. Waiting clients of a closed loop ask less often, so
//! the ratio is a lower bound.

use weir_model::{Cause, Level, Order};

use super::input::DiagnosisInput;
use super::odds::{Judged, Odds, advise, object, ramp};
use crate::insight::{FactorName, say};

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let arrivals = f.attribution.factor(FactorName::Arrivals);
    let ratio = if f.has_baseline() {
        f.arrivals_ratio()
    } else {
        1.0
    };
    let slowed = f.statements.median_ratio(None);
    let stands_out = f
        .standout()
        .is_some_and(|s| s.beyond_others() >= 3.0 && s.excess_part >= 0.3);
    let odds = Odds::prior(0.12)
        .share(arrivals.rise)
        .weigh(ramp(ratio, (1.1, -3.0), (1.7, 3.0)))
        .weigh_if(slowed.is_some_and(|s| s < 1.5), 0.5)
        .weigh_if(f.any_lock_part() >= 0.3, -2.0)
        .weigh_if(f.thinking_part() >= 0.5 && f.hold_ratio() > 1.5, -2.0)
        .weigh_if(stands_out, -1.5)
        .weigh_if(f.logins.failed() > 0, -3.0)
        .weigh(match f.level {
            Level::Down | Level::Leak => -3.0,
            Level::Stalled => -2.0,
            Level::Exhausted | Level::Saturated | Level::Starved | Level::Degraded => 0.0,
        });
    let demand = f.demand();
    let size = f.size();
    let wanted = f.rails.clip(demand.servers.max(size + 1));
    let who = DiagnosisInput::application(f.servers.iter());
    let by = match &who {
        Some((name, n)) => format!(
            ", most from application {name} ({n} of {} servers)",
            f.servers.len()
        ),
        None => String::new(),
    };
    let says = format!(
        "{:.1} times as many transactions as usual come to pool {} ({} against {}{by}); they need {} servers, there are {size}, and {} clients wait.",
        ratio,
        f.key,
        say::rate(arrivals.value),
        say::rate(arrivals.baseline),
        demand.servers,
        f.waiting(),
    );
    let query = say::samples_query(&f.key);
    let number = say::evidence(
        &f.clock,
        f.span(),
        "weir_pool_arrivals_per_second",
        arrivals.value,
        f.has_baseline().then_some(arrivals.baseline),
        query.clone(),
        format!(
            "arrivals {} against {}: {ratio:.2} times usual, {} of the rise in load (± {})",
            say::rate(arrivals.value),
            say::rate(arrivals.baseline),
            say::percent(arrivals.rise),
            say::percent(f.attribution.standard_error)
        ),
    );
    let mut evidence = vec![number.clone()];
    if let Some(slowed) = slowed {
        evidence.push(say::evidence(
            &f.clock,
            f.span(),
            "weir_statement_seconds",
            slowed,
            Some(1.0),
            "GET /metrics",
            format!("statements take {slowed:.2} times what they did (median)"),
        ));
    }
    let against = (f.has_baseline() && ratio < 1.3).then(|| {
        (
            format!(
                "arrivals are {ratio:.2} times usual ({} against {})",
                say::rate(arrivals.value),
                say::rate(arrivals.baseline)
            ),
            number,
        )
    });
    let mut object = object([("pool", f.key.to_string())]);
    if let Some((name, _)) = who {
        object.insert("application".to_owned(), name);
    }
    let mut remedy = advise(format!(
        "Enlarge {} from {size} to {wanted} servers, and find out what brought the traffic; undo: back to {size}.",
        f.key
    ));
    if wanted > size {
        remedy.order = Some(Order::Resize {
            pool: f.pool,
            size: wanted,
        });
        remedy.undo = Some(Order::Resize { pool: f.pool, size });
        remedy.safe_to_automate = !f.rails.fixed && f.rails.budget.is_some();
    } else {
        let bound = f.rails.why_not_more(size).unwrap_or_default();
        remedy.says = format!(
            "{} can't be enlarged: {bound}. Limit what comes in, or raise that bound.",
            f.key
        );
    }
    Judged {
        cause: Cause::TrafficSurge,
        odds,
        share: arrivals.rise,
        object,
        says,
        evidence,
        remedy,
        against,
        unmeasured: (!f.has_baseline())
            .then(|| "traffic_surge: no baseline to compare arrivals with".to_owned()),
    }
}
