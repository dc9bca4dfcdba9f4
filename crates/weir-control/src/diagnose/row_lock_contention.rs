//! Transactions wait for rows that others hold.
//!
//! **Speaks for it**: executing backends wait in `Lock:transactionid` and `Lock:tuple`; whoever
//! blocks them is at work itself and changes often.
//! **Neighbours**: DDL (`Lock:relation`); a transaction left idle that holds the row (the root
//! is idle: idle_in_transaction); a slow write (no lock waits).
//! **Ruled out by**: the share of looks that found a backend waiting for a row.

use weir_model::Cause;

use super::input::DiagnosisInput;
use super::odds::{Judged, Odds, advise, object};
use super::slow_query::writes;
use crate::insight::say;

const QUERY: &str = "SELECT pid, pg_blocking_pids(pid), wait_event, query FROM pg_stat_activity WHERE wait_event_type = 'Lock'";

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let row = f.row_lock_part();
    let relation = f.relation_lock_part().unwrap_or(0.0);
    let executing = f.attribution.executing_rise();
    let idle_root = f.locks.idle_root.is_some();
    let share = executing * row.unwrap_or(0.0);
    let mut odds = Odds::prior(0.1).share(share);
    odds = match row {
        Some(r) => odds.weigh(match r {
            r if r >= 0.3 => 3.0,
            r if r >= 0.1 => 1.0,
            r if r >= 0.05 => -1.0,
            _ => -3.0,
        }),
        // Nobody looked: a write that stands out is all there is to go by.
        None => odds.weigh(match f.standout() {
            Some(s) if writes(&s.change.text) && s.beyond_others() >= 3.0 => 2.5,
            _ => -1.0,
        }),
    };
    odds = odds
        .weigh_if(
            row.is_some_and(|r| r >= 0.3) && f.locks.row_waiters * 2 >= f.size(),
            1.0,
        )
        .weigh_if(idle_root, -3.0)
        .weigh_if(relation > row.unwrap_or(0.0), -2.0)
        .weigh_if(f.logins.failed() > 0, -2.0);

    let root = f.locks.root.as_ref();
    // Weir's own text has no literals; PostgreSQL's has what the user typed.
    let own = f
        .servers
        .iter()
        .find(|row| row.backend_pid == f.locks.waiting_pid);
    let waiting_text = match own.map_or("", |row| f.text(row.fingerprint)) {
        "" => f.locks.waiting_query.as_str(),
        text if same_statement(text, &f.locks.waiting_query) => text,
        _ => f.locks.waiting_query.as_str(),
    };
    let table = f.locks.table(waiting_text);
    let on = if table.is_empty() {
        String::new()
    } else {
        format!(" on table {table}")
    };
    let behind = match root {
        Some(r) => {
            let who = if r.application.is_empty() {
                String::new()
            } else {
                format!(" ({})", r.application)
            };
            format!(
                " behind backend {}{who}, which runs {} in a transaction {} old",
                r.pid,
                say::statement(&r.query, 80),
                r.transaction_age
                    .map_or_else(|| "of unknown age".to_owned(), say::duration),
            )
        }
        None => String::new(),
    };
    let part = row.unwrap_or(0.0);
    let says = if row.is_some() {
        format!(
            "{} of pool {}'s {} servers wait for row locks{on}{behind}; {} clients wait for a server. More servers would wait for the same rows.",
            f.locks.row_waiters,
            f.key,
            f.size(),
            f.waiting()
        )
    } else {
        format!(
            "Writes in pool {} take far longer than usual and nobody can look at PostgreSQL's locks; row locks are the likeliest reason. {} clients wait for a server.",
            f.key,
            f.waiting()
        )
    };
    let number = say::evidence(
        &f.clock,
        f.span(),
        "pg_stat_activity.wait_event",
        part,
        (f.looks_before.active_samples > 0).then(|| {
            let n: u32 = ["Lock:transactionid", "Lock:tuple"]
                .iter()
                .filter_map(|e| f.looks_before.by_wait_event.get(*e))
                .sum();
            f64::from(n) / f64::from(f.looks_before.active_samples)
        }),
        QUERY,
        format!(
            "{} of {} executing backends seen in {} looks waited for a row lock",
            say::percent(part),
            f.looks.active_samples,
            f.looks.looks
        ),
    );
    let mut evidence = vec![number.clone()];
    if let Some(r) = root {
        evidence.push(say::evidence(
            &f.clock,
            f.span(),
            "pg_blocking_pids.victims",
            f64::from(r.victims),
            None,
            QUERY,
            format!(
                "{} backends waited behind backend {} ({}, {})",
                r.victims, r.pid, r.application, r.state
            ),
        ));
    }
    let against = (row.is_some() && part < 0.3).then(|| {
        (
            format!(
                "{} of {} executing backends seen waited for a row lock",
                say::percent(part),
                f.looks.active_samples
            ),
            number,
        )
    });
    let mut object = object([
        ("pool", f.key.to_string()),
        ("relation", table),
        ("statement", say::one_line(waiting_text)),
    ]);
    let mut remedy = advise(
        "Make the transactions that hold these rows shorter: touch the hot row last, commit at once, take rows in one order, or use SKIP LOCKED. A smaller pool helps, a larger one hurts.",
    );
    if let Some(r) = root.filter(|r| r.pid != 0) {
        object.insert("backend_pid".to_owned(), r.pid.to_string());
        object.insert("application".to_owned(), r.application.clone());
        remedy.says = format!(
            "Stop or shorten what backend {} ({}) does: `SELECT pg_cancel_backend({});` ends its statement. Then make it hold the rows for less time: smaller batches, hot rows last, one order of rows, SKIP LOCKED.",
            r.pid, r.application, r.pid
        );
    }
    Judged {
        cause: Cause::RowLockContention,
        odds,
        share,
        object,
        says,
        evidence,
        remedy,
        against,
        unmeasured: row
            .is_none()
            .then(|| "row_lock_contention: no look at PostgreSQL's backends".to_owned()),
    }
}

/// The row may be a second older than the look: is it the same statement, by its first words?
fn same_statement(text: &str, query: &str) -> bool {
    let head = |text: &str| {
        let line = say::one_line(text).to_ascii_lowercase();
        line.split(' ')
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    head(text) == head(query)
}
