//! One or two statements take longer than they did.
//!
//! **Speaks for it**: execution time explains the rise, one or two statements have most of the
//! excess (κ ≥ 0.6), and they slowed down far more than the others.
//! **Neighbours**: locks (the time is spent waiting for them); a short processor (all statements
//! slow down alike); a surge.
//! **Ruled out by**: no statement slowed more than twice as much as the others, or the excess is
//! spent in locks.

use weir_model::{Cause, ClientState, Order};

use super::input::DiagnosisInput;
use super::odds::{Judged, Odds, advise, object};
use crate::insight::say;

/// Does the text write rows, or lock them?
pub(super) fn writes(text: &str) -> bool {
    let text = text.trim_start().to_ascii_lowercase();
    ["update", "delete", "insert", "merge"]
        .iter()
        .any(|verb| text.starts_with(verb))
        || text.contains("for update")
        || text.contains("for share")
        || text.contains("for no key update")
}

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let standout = f.standout();
    let executing = f.attribution.executing_rise();
    let locks = f.any_lock_part();
    let looked = f.looks.looks > 0 && f.looks.active_samples > 0;
    let share = match standout {
        Some(s) if s.excess_part >= 0.3 => {
            executing * f.statements.concentration_two * (1.0 - locks)
        }
        _ => 0.0,
    };
    let mut odds = Odds::prior(0.1).share(share);
    match standout {
        Some(s) => {
            let beyond = s.beyond_others();
            odds = odds
                .weigh(match beyond {
                    b if b >= 2.0 && s.ratio >= 2.0 => 3.0,
                    b if b >= 1.5 && s.ratio >= 1.5 => 0.5,
                    _ => -2.5,
                })
                .weigh(if f.statements.concentration_two >= 0.6 {
                    1.0
                } else {
                    -1.0
                })
                .weigh(if s.excess_part >= 0.3 { 1.0 } else { -2.0 });
        }
        None => odds = odds.weigh(-2.5),
    }
    let write_unseen = !looked && standout.is_some_and(|s| writes(&s.change.text));
    odds = odds
        .weigh_if(locks >= 0.3, -3.0)
        .weigh_if((0.1..0.3).contains(&locks), -1.0)
        // Without looks a write that waits for a row looks just like a slow one.
        .weigh_if(write_unseen, -1.0)
        .weigh_if(f.thinking_part() >= 0.5 && f.hold_ratio() > 1.5, -3.0)
        .weigh_if(f.logins.failed() > 0, -3.0);

    let (text, fingerprint) = match standout {
        Some(s) => (s.change.text.as_str(), s.change.fingerprint.to_string()),
        None => ("", String::new()),
    };
    let rows: Vec<_> = f
        .servers
        .iter()
        .filter(|row| {
            row.client_state == Some(ClientState::Active)
                && standout.is_some_and(|s| s.change.fingerprint == row.fingerprint)
        })
        .collect();
    let who = f.application_or_any(&rows);
    let oldest = rows.iter().min_by_key(|row| row.client_since);
    let (says, evidence) = match standout {
        Some(s) => {
            let against = match s.change.mean_before_s {
                Some(before) => format!(
                    "{} instead of {}",
                    say::seconds(s.change.mean_s),
                    say::seconds(before)
                ),
                None => format!(
                    "{}, and did not occur before",
                    say::seconds(s.change.mean_s)
                ),
            };
            let by = match &who {
                Some((name, Some(n))) => format!(" from application {name} ({n} at once)"),
                Some((name, None)) => format!(" from application {name}"),
                None => String::new(),
            };
            let says = format!(
                "Statement {}{by} in pool {} takes {against} ({:.1} times usual, the others {:.1} times): {} of the excess execution time; {} clients wait.",
                say::statement(text, 100),
                f.key,
                s.ratio,
                s.others,
                say::percent(f.statements.concentration),
                f.waiting(),
            );
            let mut evidence = vec![
                say::evidence(
                    &f.clock,
                    f.span(),
                    "weir_statement_seconds",
                    s.change.mean_s,
                    s.change.mean_before_s,
                    "SELECT calls, mean_exec_time FROM pg_stat_statements ORDER BY total_exec_time DESC",
                    format!(
                        "{} executions of {fingerprint}, {} each, {against}",
                        s.change.calls,
                        say::seconds(s.change.mean_s)
                    ),
                ),
                say::evidence(
                    &f.clock,
                    f.span(),
                    "weir_statement_excess_share",
                    f.statements.concentration,
                    None,
                    say::samples_query(&f.key),
                    format!(
                        "{} of the excess execution time ({}) is this statement's",
                        say::percent(f.statements.concentration),
                        say::seconds(f.statements.excess_s)
                    ),
                ),
            ];
            if let (rows, Some(before)) = s.change.rows {
                evidence.push(say::evidence(
                    &f.clock,
                    f.span(),
                    "weir_statement_rows",
                    rows,
                    Some(before),
                    say::samples_query(&f.key),
                    format!("rows per execution {rows:.1} against {before:.1}"),
                ));
            }
            (says, evidence)
        }
        None => (
            format!("No statement in pool {} takes longer than it did.", f.key),
            Vec::new(),
        ),
    };
    let number = |value: f64, baseline: Option<f64>, metric: &str, query: &str, says: &str| {
        say::evidence(&f.clock, f.span(), metric, value, baseline, query, says)
    };
    let against = if looked && locks >= 0.3 {
        let says = format!(
            "{} of {} looks at executing backends found them waiting for a lock, not at work",
            say::percent(locks),
            f.looks.active_samples
        );
        Some((
            says.clone(),
            number(
                locks,
                None,
                "pg_stat_activity.wait_event_type",
                "SELECT wait_event_type, count(*) FROM pg_stat_activity WHERE state = 'active' GROUP BY 1",
                &says,
            ),
        ))
    } else if !f.statements_measured {
        None
    } else {
        match standout {
            Some(s) if s.beyond_others() < 2.0 => {
                let says = format!(
                    "no statement stands out: the one with most excess, {}, takes {:.2} times usual and the others {:.2} times",
                    say::statement(text, 60),
                    s.ratio,
                    s.others
                );
                Some((
                    says.clone(),
                    number(
                        s.ratio,
                        Some(s.others),
                        "weir_statement_seconds",
                        "GET /metrics",
                        &says,
                    ),
                ))
            }
            Some(s) if s.excess_part < 0.3 => {
                let says = format!(
                    "statements took {} longer than usual in sum, {} of the execution time",
                    say::seconds(f.statements.excess_s),
                    say::percent(s.excess_part)
                );
                Some((
                    says.clone(),
                    number(
                        s.excess_part,
                        None,
                        "weir_statement_excess_share",
                        "GET /metrics",
                        &says,
                    ),
                ))
            }
            None => {
                let says = format!(
                    "none of {} statements takes longer than usual",
                    f.statements.changes.len()
                );
                Some((
                    says.clone(),
                    number(
                        0.0,
                        None,
                        "weir_statement_excess_share",
                        "GET /metrics",
                        &says,
                    ),
                ))
            }
            Some(_) if f.thinking_part() >= 0.5 => {
                let says = format!(
                    "servers were held executing for only {} of the time",
                    say::percent(1.0 - f.thinking_part())
                );
                Some((
                    says.clone(),
                    number(
                        1.0 - f.thinking_part(),
                        None,
                        "weir_pool_held_seconds",
                        &say::samples_query(&f.key),
                        &says,
                    ),
                ))
            }
            Some(_) => None,
        }
    };
    let mut remedy = advise(format!(
        "Look at the plan of {}: EXPLAIN it, check for a lost index, stale statistics (ANALYZE) or a new release; a larger pool would only run more of it at once.",
        say::statement(text, 60)
    ));
    if let Some(row) = oldest {
        // Cancelling a query costs its client an error: a person decides that.
        remedy.order = Some(Order::CancelServer { server: row.server });
    }
    let mut object = object([
        ("pool", f.key.to_string()),
        ("fingerprint", fingerprint),
        ("statement", text.to_owned()),
        ("application", who.map(|w| w.0).unwrap_or_default()),
    ]);
    if let Some(row) = oldest.filter(|row| row.backend_pid != 0) {
        object.insert("backend_pid".to_owned(), row.backend_pid.to_string());
    }
    Judged {
        cause: Cause::SlowQuery,
        odds,
        share,
        object,
        says,
        evidence,
        remedy,
        against,
        unmeasured: (!f.statements_measured)
            .then(|| "slow_query: no statement was measured both before and during".to_owned()),
    }
}
