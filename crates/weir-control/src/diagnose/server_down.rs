//! PostgreSQL isn't there.
//!
//! **Speaks for it**: new connections are refused by the kernel, time out or meet 57P03; servers
//! were lost; nothing completes.
//! **Neighbours**: no slot left (53300), a wrong password (class 28): both are answers. One dead
//! connection: others still complete.
//! **Ruled out by**: transactions that completed, or a look that came back.

use weir_model::{Cause, Level};

use super::input::DiagnosisInput;
use super::odds::{Judged, Odds, advise, object};
use crate::detect::failure_says;
use crate::insight::say;

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let down = f.logins.down;
    let is_down = f.level == Level::Down;
    let share = if is_down && (down > 0 || !f.lost.is_empty()) {
        1.0
    } else {
        0.0
    };
    let odds = Odds::prior(0.05)
        .share(share)
        .weigh(match (down, f.logins.ok) {
            (0, _) if is_down => 0.0,
            (0, _) => -3.0,
            (_, 0) => 3.0,
            (_, _) if is_down => 1.0,
            _ => -1.0,
        })
        .weigh(if is_down { 3.0 } else { -1.0 })
        .weigh_if(!f.lost.is_empty(), 1.0)
        .weigh_if(f.logins.no_slot > down, -3.0)
        .weigh_if(f.logins.unwelcome > down, -3.0);

    let last = f
        .logins
        .last
        .as_ref()
        .map(|(_, failure)| failure_says(failure))
        .unwrap_or_else(|| "no answer".to_owned());
    let lost = match f.lost.first() {
        Some((_, reason)) => format!("{} servers were lost ({reason}); ", f.lost.len()),
        None => String::new(),
    };
    let says = format!(
        "PostgreSQL behind pool {} can't be reached: {lost}{down} new connections failed, the last with {last}; {} clients wait and {} transactions failed.",
        f.key,
        f.waiting(),
        f.during.failures + f.during.abandoned,
    );
    let query = "SHOW SERVERS";
    let mut evidence = vec![say::evidence(
        &f.clock,
        f.span(),
        "weir_pool_server_login_failures_total",
        down as f64,
        Some(0.0),
        query,
        format!(
            "{down} server logins failed without PostgreSQL's answer, {} succeeded; the last: {last}",
            f.logins.ok
        ),
    )];
    if let Some((_, reason)) = f.lost.first() {
        evidence.push(say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_servers_lost_total",
            f.lost.len() as f64,
            Some(0.0),
            query,
            format!(
                "{} open servers were lost, the first with {reason}",
                f.lost.len()
            ),
        ));
    }
    let number = say::evidence(
        &f.clock,
        f.span(),
        "weir_pool_completions_total",
        f.during.completions as f64,
        None,
        say::samples_query(&f.key),
        format!(
            "{} transactions completed in the window",
            f.during.completions
        ),
    );
    let against = if is_down && down > 0 {
        None
    } else if f.during.completions > 0 {
        Some((
            format!(
                "PostgreSQL answers: {} transactions completed meanwhile, {down} server logins failed without an answer",
                f.during.completions
            ),
            number,
        ))
    } else if f.looks.looks > 0 {
        Some((
            format!(
                "PostgreSQL answers: {} looks at it succeeded, {} failed",
                f.looks.looks, f.looks.looks_failed
            ),
            say::evidence(
                &f.clock,
                f.span(),
                "weir_watch_looks_total",
                f64::from(f.looks.looks),
                None,
                "SELECT 1",
                format!("{} looks at PostgreSQL succeeded", f.looks.looks),
            ),
        ))
    } else {
        None
    };
    Judged {
        cause: Cause::ServerDown,
        odds,
        share,
        object: object([("pool", f.key.to_string())]),
        says,
        evidence,
        remedy: advise(
            "See whether PostgreSQL runs and what its log says last; start it, or point the pool at the standby that was promoted. Weir reconnects by itself as soon as it answers.",
        ),
        unmeasured: (against.is_none() && !is_down)
            .then(|| "server_down: nothing completed and nobody looked".to_owned()),
        against,
    }
}
