//! Servers are taken and never given back.
//!
//! **Speaks for it**: the fewest held servers climb step by step for a minute and never fall, and
//! half of the pool is held by clients that asked nothing for ten seconds and more (or pinned).
//! **Neighbours**: idle_in_transaction (it begins at once, and transactions do end); a surge (held
//! servers climb, but transactions end).
//! **Ruled out by**: how many servers are held that long.

use weir_model::{Cause, Level, Order};

use super::input::DiagnosisInput;
use super::odds::{Judged, Odds, advise, object};
use crate::detect::rules;
use crate::insight::say;

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let stuck = f.stuck();
    let size = f.size();
    let share = (stuck.len() as f64 / f64::from(size)).min(1.0);
    let climbs = rules::rises(&f.climb);
    let odds = Odds::prior(0.05)
        .share(share)
        .weigh(if climbs { 3.0 } else { -1.5 })
        .weigh(match share {
            s if s >= 0.5 => 3.0,
            s if s > 0.2 => 0.0,
            _ => -3.0,
        })
        .weigh_if(f.level == Level::Leak, 3.0)
        .weigh_if(f.logins.failed() > 0, -2.0);

    let who = DiagnosisInput::application(stuck.iter().copied());
    let age = |row: &weir_model::ServerRow| {
        row.transaction_since
            .or(row.client_since)
            .map_or(0.0, |since| f.now.since(since).as_secs_f64())
    };
    let oldest = stuck
        .iter()
        .max_by(|a, b| age(a).total_cmp(&age(b)))
        .copied();
    let statement = oldest.map_or("", |row| f.text(row.fingerprint));
    let by = match &who {
        Some((name, n)) => format!(", {n} by application {name}"),
        None => String::new(),
    };
    let pins = if f.pins.is_empty() {
        String::new()
    } else {
        let names: Vec<String> = f.pins.iter().map(|(pin, n)| format!("{n} {pin}")).collect();
        format!("; pinned by {}", names.join(", "))
    };
    let (low, high) = (
        f.climb.first().copied().unwrap_or(0),
        f.climb.last().copied().unwrap_or(0),
    );
    let last = if statement.is_empty() {
        String::new()
    } else {
        format!(", last statement {}", say::statement(statement, 80))
    };
    let says = format!(
        "{} of pool {}'s {size} servers are held and not given back{by}, the oldest for {}{last}{pins}; the fewest in use rose from {low} to {high} in the minute before; {} clients wait.",
        stuck.len(),
        f.key,
        say::seconds(oldest.map_or(0.0, age)),
        f.waiting(),
    );
    let number = say::evidence(
        &f.clock,
        f.span(),
        "weir_pool_servers_held_over_10s",
        stuck.len() as f64,
        None,
        "SHOW SERVERS",
        format!(
            "{} of {size} servers held for 10 s or longer by clients that ask nothing",
            stuck.len()
        ),
    );
    let evidence = vec![
        number,
        say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_servers{state=\"active\"}",
            f64::from(high),
            Some(f64::from(low)),
            say::samples_query(&f.key),
            format!(
                "fewest servers in use per 10 s of the minute before: {:?}",
                f.climb
            ),
        ),
        say::evidence(
            &f.clock,
            f.span(),
            "weir_pool_oldest_transaction_seconds",
            f.during.transaction_age_max.as_secs_f64(),
            f.has_baseline()
                .then_some(f.before.transaction_age_max.as_secs_f64()),
            say::samples_query(&f.key),
            format!(
                "oldest open transaction {}",
                say::duration(f.during.transaction_age_max)
            ),
        ),
    ];
    // Rows of servers come once a second; without any nobody knows who holds what.
    let against = (!f.servers.is_empty() || f.open() == 0).then(|| {
        let says = format!(
            "{} of {size} servers are held for 10 s or longer by clients that ask nothing; the oldest open transaction is {} old",
            stuck.len(),
            say::duration(f.during.transaction_age_max)
        );
        let mut number = evidence[0].clone();
        number.says.clone_from(&says);
        (says, number)
    });
    let against = against.filter(|_| share < 0.5 || !climbs);
    let mut object = object([
        ("pool", f.key.to_string()),
        ("application", who.map(|w| w.0).unwrap_or_default()),
        ("statement", statement.to_owned()),
    ]);
    let mut remedy = advise(
        "Find the code path that takes a connection and doesn't give it back (an early return, an exception between BEGIN and COMMIT), and restart that application; idle_transaction_timeout is the net.",
    );
    if let Some(row) = oldest {
        if row.backend_pid != 0 {
            object.insert("backend_pid".to_owned(), row.backend_pid.to_string());
        }
        object.insert("client_addr".to_owned(), row.client_addr.to_string());
        if let Some(client) = row.client {
            remedy.order = Some(Order::CloseClient {
                client,
                reason: "held a server for long without asking anything".to_owned(),
            });
        }
    }
    Judged {
        cause: Cause::ConnectionLeak,
        odds,
        share,
        object,
        says,
        evidence,
        remedy,
        against,
        unmeasured: (f.servers.is_empty() && f.open() > 0)
            .then(|| "connection_leak: no list of servers and their clients yet".to_owned()),
    }
}
