//! The pool is smaller than its load needs; PostgreSQL has room.
//!
//! **Speaks for it**: all servers in use, hold time as usual, arrivals as usual or grown slowly,
//! no waits in PostgreSQL, budget left.
//! **Neighbours**: a surge (arrivals jump by more than 1.3 times), the cap (size = budget), and
//! everything that lengthens hold time, which a larger pool only hides.
//! **Ruled out by**: what arrives now would fit at the usual hold time.

use weir_model::{Cause, Level, Order};

use super::input::DiagnosisInput;
use super::odds::{Judged, Odds, advise, object, ramp};
use crate::insight::{FactorName, say};

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let arrivals = f.attribution.factor(FactorName::Arrivals);
    let ratio = f.arrivals_ratio();
    let hold = f.hold_ratio();
    let risen: f64 = f.attribution.factors.iter().map(|x| x.delta.max(0.0)).sum();
    let share = if risen < 0.1 {
        // Nothing rose, and yet it is dry: it was at its edge before.
        1.0
    } else {
        arrivals.rise * ramp(ratio, (1.2, 1.0), (1.6, 0.6))
    };
    let room = f.rails.max().map(|max| max.saturating_sub(f.size()));
    let stands_out = f
        .standout()
        .is_some_and(|s| s.beyond_others() >= 2.0 && s.excess_part >= 0.3);
    let odds = Odds::prior(0.15)
        .share(share)
        .weigh(if hold <= 2.0 {
            ramp(hold, (1.2, 1.5), (2.0, 0.0))
        } else {
            ramp(hold, (2.0, 0.0), (4.0, -2.5))
        })
        .weigh(ramp(ratio, (1.2, 1.5), (1.6, -0.5)))
        // Hold time rose, and more than arrivals did: whatever did that comes first.
        .weigh_if(hold > 1.4 && arrivals.rise < 0.4, -2.0)
        .weigh_if(room.is_some_and(|room| room > 0), 0.5)
        .weigh_if(room == Some(0), -2.0)
        .weigh_if(f.any_lock_part() >= 0.3, -3.0)
        .weigh_if(f.thinking_part() >= 0.5 && hold > 1.5, -3.0)
        .weigh_if(stands_out, -2.0)
        .weigh_if(f.logins.failed() > 0, -3.0)
        .weigh(match f.level {
            Level::Down | Level::Leak => -3.0,
            Level::Stalled => -1.5,
            Level::Exhausted | Level::Saturated | Level::Starved | Level::Degraded => 0.5,
        });

    let demand = f.demand();
    let size = f.size();
    let wanted = f.rails.clip(demand.servers.max(size + 1));
    let room_says = match room {
        Some(room) => format!("; room for {room} more"),
        None => String::new(),
    };
    let says = format!(
        "Pool {} has {size} servers and its load needs {} ({}); {} clients wait{room_says}.",
        f.key,
        demand.servers,
        demand.says(),
        f.waiting(),
    );
    let query = say::samples_query(&f.key);
    let evidence = vec![
        say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_servers{state=\"active\"}",
            f.during.active,
            f.has_baseline().then_some(f.before.active),
            query.clone(),
            format!(
                "{:.1} of {size} servers in use on average, {:.1} free",
                f.during.active, f.during.idle
            ),
        ),
        say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_hold_seconds",
            f.attribution.hold_s().0,
            f.has_baseline().then_some(f.attribution.hold_s().1),
            query.clone(),
            format!(
                "a transaction holds its server for {} ({hold:.2} times usual)",
                say::seconds(f.attribution.hold_s().0)
            ),
        ),
        say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_oldest_wait_seconds",
            f.during.oldest_wait_max.as_secs_f64(),
            f.has_baseline()
                .then_some(f.before.oldest_wait_max.as_secs_f64()),
            query.clone(),
            format!(
                "{} clients waited at most, the oldest for {}",
                f.during.waiting_max,
                say::duration(f.during.oldest_wait_max)
            ),
        ),
    ];
    let against = against(f, ratio).map(|(busy, says)| {
        let number = say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_demand_servers",
            busy,
            Some(f64::from(size)),
            query,
            says.clone(),
        );
        (says, number)
    });
    let mut remedy = advise(format!(
        "Enlarge {} from {size} to {wanted} servers; undo: back to {size}.",
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
            "{} can't be enlarged: {bound}. Raise that bound, or shorten the transactions.",
            f.key
        );
    }
    Judged {
        cause: Cause::PoolUndersized,
        odds,
        share,
        object: object([("pool", f.key.to_string())]),
        says,
        evidence,
        remedy,
        against,
        unmeasured: (!f.has_baseline())
            .then(|| "pool_undersized: no baseline to compare hold time with".to_owned()),
    }
}

/// The number that speaks against it: what is asked would fit, were it not for something else.
fn against(f: &DiagnosisInput, ratio: f64) -> Option<(f64, String)> {
    if !f.has_baseline() {
        return None;
    }
    let size = f.size();
    let fits = |busy: f64| busy < f64::from(size) * 0.9;
    let usual_hold = f.demand_at_usual_hold();
    if fits(usual_hold.busy) {
        let says = format!(
            "at the usual hold time the load would need {:.1} of the {size} servers ({} × {})",
            usual_hold.busy,
            say::rate(usual_hold.arrivals),
            say::seconds(usual_hold.hold_s)
        );
        return Some((usual_hold.busy, says));
    }
    let usual = f.attribution.load_baseline * f.attribution.factor(FactorName::Servers).baseline;
    (ratio >= 1.3 && fits(usual)).then(|| {
        let says = format!(
            "at the usual arrivals the load needs {usual:.1} of the {size} servers; {ratio:.1} times as many came"
        );
        (usual, says)
    })
}
