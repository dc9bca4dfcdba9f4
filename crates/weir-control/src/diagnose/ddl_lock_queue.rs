//! A waiting DDL statement blocks everybody behind it.
//!
//! **Speaks for it**: backends wait in `Lock:relation`, and one of those who wait asks for a lock
//! that shuts everybody out; it stands behind a long reader, and everybody else behind it.
//! **Neighbours**: row locks (`transactionid`, `tuple`).
//! **Ruled out by**: the share of looks that found a backend waiting for a table.
//! **Remedy**: cancel the DDL, not the reader: the reader has done its work, the DDL none.

use weir_model::{Cause, Order};

use super::input::{DiagnosisInput, named};
use super::odds::{Judged, Odds, advise, object};
use crate::insight::say;

const QUERY: &str = "SELECT l.pid, l.mode, l.relation::regclass, a.query FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted";

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let part = f.relation_lock_part();
    let relation = part.unwrap_or(0.0);
    let ddl = f.locks.ddl.as_ref();
    let share = f.attribution.executing_rise() * relation;
    let mut odds = Odds::prior(0.08).share(share);
    odds = match part {
        Some(r) => odds
            .weigh(match r {
                r if r >= 0.3 => 3.0,
                r if r >= 0.1 => 1.0,
                _ => -3.0,
            })
            .weigh(if ddl.is_some() { 3.0 } else { -1.5 }),
        None => odds.weigh(-1.0),
    };
    odds = odds
        .weigh_if(f.row_lock_part().unwrap_or(0.0) > relation, -3.0)
        .weigh_if(f.logins.failed() > 0, -2.0);

    let table = match ddl {
        Some(d) => named(&d.relation, &d.query),
        None => f.locks.table(&f.locks.waiting_query),
    };
    let root = f.locks.root.as_ref();
    let says = match (ddl, root) {
        (Some(d), Some(r)) => format!(
            "Backend {} waits to run {} and shuts everybody out of table {}; it stands behind backend {} ({}, {}, transaction {} old: {}). {} of pool {}'s servers and {} clients wait.",
            d.pid,
            say::statement(&d.query, 80),
            table,
            r.pid,
            r.application,
            r.state,
            r.transaction_age
                .map_or_else(|| "of unknown age".to_owned(), say::duration),
            say::statement(&r.query, 60),
            f.locks.relation_waiters,
            f.key,
            f.waiting(),
        ),
        (Some(d), None) => format!(
            "Backend {} waits to run {} and shuts everybody out of table {}; {} of pool {}'s servers and {} clients wait.",
            d.pid,
            say::statement(&d.query, 80),
            table,
            f.locks.relation_waiters,
            f.key,
            f.waiting(),
        ),
        (None, Some(r)) => format!(
            "{} of pool {}'s servers wait for table {table}, locked by backend {} ({}, {}: {}); {} clients wait.",
            f.locks.relation_waiters,
            f.key,
            r.pid,
            r.application,
            r.state,
            say::statement(&r.query, 80),
            f.waiting(),
        ),
        (None, None) => format!(
            "{} of pool {}'s servers wait for a table lock; {} clients wait.",
            f.locks.relation_waiters,
            f.key,
            f.waiting()
        ),
    };
    let number = say::evidence(
        &f.clock,
        f.span(),
        "pg_stat_activity.wait_event",
        relation,
        None,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'relation'",
        format!(
            "{} of {} executing backends seen in {} looks waited for a table lock",
            say::percent(relation),
            f.looks.active_samples,
            f.looks.looks
        ),
    );
    let mut evidence = vec![number.clone()];
    if let Some(d) = ddl {
        evidence.push(say::evidence(
            &f.clock,
            f.span(),
            "pg_locks.granted",
            f64::from(d.pid),
            None,
            QUERY,
            format!("backend {} waits for {} on {table}", d.pid, d.mode),
        ));
    }
    let against = (part.is_some() && relation < 0.3).then(|| {
        (
            format!(
                "{} of {} executing backends seen waited for a table lock",
                say::percent(relation),
                f.looks.active_samples
            ),
            number,
        )
    });
    let mut object = object([("pool", f.key.to_string()), ("relation", table)]);
    let mut remedy = advise(
        "Cancel the waiting DDL, not the reader it waits for; run it again with SET lock_timeout = '2s' and retries.",
    );
    if let Some(d) = ddl {
        object.insert("backend_pid".to_owned(), d.pid.to_string());
        object.insert("statement".to_owned(), say::one_line(&d.query));
        remedy.says = format!(
            "Cancel the DDL, not the reader: `SELECT pg_cancel_backend({});`. Run it again with SET lock_timeout = '2s' and retries.",
            d.pid
        );
        // Weir can cancel what runs on its own servers; the rest is for a person with psql.
        if let Some(row) = f.servers.iter().find(|row| row.backend_pid == d.pid) {
            object.insert("application".to_owned(), row.application.to_string());
            remedy.order = Some(Order::CancelServer { server: row.server });
        }
    }
    if let Some(r) = root {
        object.insert("root_pid".to_owned(), r.pid.to_string());
        object.insert("root_application".to_owned(), r.application.clone());
    }
    Judged {
        cause: Cause::DdlLockQueue,
        odds,
        share,
        object,
        says,
        evidence,
        remedy,
        against,
        unmeasured: part
            .is_none()
            .then(|| "ddl_lock_queue: no look at PostgreSQL's locks".to_owned()),
    }
}
