//! Clients hold transactions open and ask nothing.
//!
//! **Speaks for it**: servers are held thinking rather than executing, by far more than usual; or
//! the root of a lock queue is idle in its transaction.
//! **Neighbours**: a leak (held servers climb one by one over a minute and never come back); row
//! locks (the root is at work); a slow network (many short gaps).
//! **Ruled out by**: the share of held time spent idle in transaction.

use weir_model::{Cause, ClientState, Order};

use super::input::DiagnosisInput;
use super::odds::{Judged, Odds, advise, object};
use crate::detect::rules;
use crate::insight::{FactorName, say};

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let part = f.thinking_part();
    let thinking = f.attribution.factor(FactorName::Thinking);
    let grown = if thinking.baseline > 0.0 {
        thinking.value / thinking.baseline
    } else {
        1.0
    };
    let idle_root = f.locks.idle_root.as_ref();
    let by_lock = if idle_root.is_some() {
        f.attribution.executing_rise() * f.any_lock_part()
    } else {
        0.0
    };
    let share = (thinking.rise + by_lock).min(1.0);
    let leaks = rules::rises(&f.climb) && f.stuck().len() * 2 >= f.size() as usize;
    let odds = Odds::prior(0.1)
        .share(share)
        .weigh(match part {
            p if p >= 0.5 && grown >= 1.5 => 3.0,
            p if p >= 0.3 && grown >= 1.5 => 1.5,
            p if p < 0.1 && idle_root.is_none() => -3.0,
            _ => 0.0,
        })
        .weigh_if(
            f.during.idle_in_transaction * 3.0 >= f64::from(f.size()),
            1.0,
        )
        .weigh_if(idle_root.is_some() && f.locks.ddl.is_none(), 3.0)
        .weigh_if(leaks, -2.5)
        .weigh_if(f.logins.failed() > 0, -2.0);

    let idle: Vec<_> = f
        .servers
        .iter()
        .filter(|row| row.client_state == Some(ClientState::IdleInTransaction))
        .collect();
    let who = f.application_or_any(&idle);
    let oldest = idle.iter().min_by_key(|row| row.client_since).copied();
    let statement = oldest.map_or("", |row| f.text(row.fingerprint));
    let says = match (idle_root, part >= 0.3) {
        (Some(r), false) => format!(
            "Backend {} ({}) sits idle in a transaction {} old and holds locks that {} others wait for (last statement {}); {} clients wait for a server of pool {}.",
            r.pid,
            r.application,
            r.transaction_age
                .map_or_else(|| "of unknown age".to_owned(), say::duration),
            r.victims,
            say::statement(&r.query, 80),
            f.waiting(),
            f.key,
        ),
        _ => {
            let by = match &who {
                Some((name, Some(n))) => format!(" by application {name} ({n} now, "),
                Some((name, None)) => format!(" by application {name} ("),
                None => " (".to_owned(),
            };
            let last = if statement.is_empty() {
                String::new()
            } else {
                format!(", after {}", say::statement(statement, 80))
            };
            format!(
                "Servers of pool {} are held idle in transaction for {} of the time{by}longest {}){last}; usual is {} per transaction, now {}; {} clients wait.",
                f.key,
                say::percent(part),
                say::duration(f.during.idle_in_transaction_max),
                say::seconds(thinking.baseline),
                say::seconds(thinking.value),
                f.waiting(),
            )
        }
    };
    let before_part = {
        let all = f.before.held.total().as_secs_f64();
        if all > 0.0 {
            f.before.held.thinking.as_secs_f64() / all
        } else {
            0.0
        }
    };
    let number = say::evidence(
        &f.clock,
        f.span(),
        "weir_pool_held_seconds{as=\"thinking\"}",
        part,
        f.has_baseline().then_some(before_part),
        say::samples_query(&f.key),
        format!(
            "of the time that servers were held, {} was idle in transaction",
            say::percent(part)
        ),
    );
    let mut evidence = vec![
        number.clone(),
        say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_clients{state=\"idle_in_transaction\"}",
            f.during.idle_in_transaction,
            f.has_baseline().then_some(f.before.idle_in_transaction),
            say::samples_query(&f.key),
            format!(
                "{:.1} of {} servers held by clients idle in transaction on average",
                f.during.idle_in_transaction,
                f.size()
            ),
        ),
    ];
    if let Some(r) = idle_root {
        evidence.push(say::evidence(
            &f.clock,
            f.span(),
            "pg_blocking_pids.victims",
            f64::from(r.victims),
            None,
            "SELECT pid, state, xact_start, query FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' ORDER BY xact_start",
            format!("{} backends waited behind backend {}, idle in transaction", r.victims, r.pid),
        ));
    }
    let against = (part < 0.3 && idle_root.is_none() && f.during.samples > 0).then(|| {
        (
            format!(
                "servers were held idle in transaction for {} of the time, longest {}",
                say::percent(part),
                say::duration(f.during.idle_in_transaction_max)
            ),
            number,
        )
    });
    let mut object = object([
        ("pool", f.key.to_string()),
        ("application", who.map(|w| w.0).unwrap_or_default()),
        ("statement", statement.to_owned()),
    ]);
    let mut remedy = advise(
        "Let the application commit before it waits for anything else (another service, a user, a queue); set idle_in_transaction_session_timeout as a net.",
    );
    if let Some(row) = oldest {
        if row.backend_pid != 0 {
            object.insert("backend_pid".to_owned(), row.backend_pid.to_string());
        }
        object.insert("client_addr".to_owned(), row.client_addr.to_string());
        if let Some(client) = row.client {
            // It rolls the transaction back, and there is no undo for that: a person decides.
            remedy.order = Some(Order::CloseClient {
                client,
                reason: "idle in transaction while others wait".to_owned(),
            });
        }
    }
    if let Some(r) = idle_root {
        object.insert("backend_pid".to_owned(), r.pid.to_string());
        object.insert("application".to_owned(), r.application.clone());
        remedy.says = format!(
            "End the idle transaction: `SELECT pg_terminate_backend({});` rolls it back. Then let the application commit before it waits for anything else.",
            r.pid
        );
        remedy.order = f
            .servers
            .iter()
            .find(|row| row.backend_pid == r.pid)
            .and_then(|row| row.client)
            .map(|client| Order::CloseClient {
                client,
                reason: "idle in transaction while others wait for its locks".to_owned(),
            });
    }
    Judged {
        cause: Cause::IdleInTransaction,
        odds,
        share,
        object,
        says,
        evidence,
        remedy,
        against,
        unmeasured: None,
    }
}
