//! PostgreSQL has no slot left.
//!
//! **Speaks for it**: new server connections are refused with 53300 and the pool has fewer than it
//! may have.
//! **Neighbours**: the pool's own size (no 53300), a wrong password (class 28), a server that
//! isn't there (refused, 57P03).
//! **Ruled out by**: how many logins were refused with 53300.

use weir_model::{Cause, ConnectFailure, Level};

use super::input::DiagnosisInput;
use super::odds::{Judged, Odds, advise, object};
use crate::insight::{FactorName, say};

pub(super) fn judge(f: &DiagnosisInput) -> Judged {
    let refused = f.logins.no_slot;
    let size = f.size();
    let open = f.open();
    // Of the window, not of now: the last look may be after the slots came free.
    let had = f.during.active + f.during.idle;
    let missing = (1.0 - had / f64::from(size)).max(0.0);
    let share = if refused > 0 {
        missing.max(f.attribution.factor(FactorName::Servers).rise)
    } else {
        0.0
    };
    let odds = Odds::prior(0.05)
        .share(share)
        .weigh(if refused > 0 { 3.0 } else { -3.0 })
        .weigh_if(refused > 0 && (open < size || missing > 0.1), 3.0)
        .weigh_if(refused > 0 && f.logins.ok > refused, -2.0)
        .weigh_if(f.logins.down > refused, -3.0)
        .weigh_if(f.level == Level::Down, -2.0);

    let others = f
        .by_application
        .iter()
        .take(3)
        .map(|(name, n)| {
            let name = if name.is_empty() {
                "(no application_name)"
            } else {
                name
            };
            format!("{name} {n}")
        })
        .collect::<Vec<_>>()
        .join(", ");
    let holders = if others.is_empty() {
        String::new()
    } else {
        format!("; most are held by {others}")
    };
    let limits = match f.limits {
        Some(l) => format!(
            " ({} client backends of max_connections {} less {} reserved, {} of them Weir's{holders})",
            l.client_backends, l.max_connections, l.reserved, l.own_backends
        ),
        None => String::new(),
    };
    let message = match &f.logins.last {
        Some((_, ConnectFailure::Refused { sqlstate, message })) if sqlstate == "53300" => {
            format!(": {message}")
        }
        _ => String::new(),
    };
    let says = format!(
        "PostgreSQL refuses new connections with 53300{message}{limits}; pool {} has {open} of {size} servers and {} clients wait.",
        f.key,
        f.waiting(),
    );
    let number = say::evidence(
        &f.clock,
        f.span(),
        "weir_pool_server_login_failures_total{sqlstate=\"53300\"}",
        refused as f64,
        Some(0.0),
        "SELECT application_name, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1 ORDER BY 2 DESC",
        format!(
            "{refused} server logins refused with 53300, {} succeeded",
            f.logins.ok
        ),
    );
    let mut evidence = vec![number.clone()];
    if let Some(l) = f.limits {
        evidence.push(say::evidence(
            &f.clock,
            f.span(),
            "pg_stat_activity.client_backends",
            f64::from(l.client_backends),
            Some(f64::from(l.max_connections.saturating_sub(l.reserved))),
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'",
            format!(
                "{} client backends, {} slots for them",
                l.client_backends,
                l.max_connections.saturating_sub(l.reserved)
            ),
        ));
    }
    let against = (refused == 0).then(|| {
        let room = match f.limits {
            Some(l) => format!(
                "; {} client backends of {} possible",
                l.client_backends,
                l.max_connections.saturating_sub(l.reserved)
            ),
            None => String::new(),
        };
        (
            format!(
                "no server login was refused with 53300 ({} failed, {} succeeded){room}",
                f.logins.failed(),
                f.logins.ok
            ),
            number,
        )
    });
    let mut object = object([("pool", f.key.to_string())]);
    let mut remedy = advise(
        "Free slots: close connections of whoever holds most and doesn't need them, or lead them through the pool; raising max_connections needs a restart.",
    );
    if let Some((name, n)) = f
        .by_application
        .iter()
        .find(|(name, _)| !name.starts_with("weir"))
    {
        object.insert("application".to_owned(), name.clone());
        remedy.says = format!(
            "Close connections of application {name} ({n} of them): `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{}';`, or lead it through the pool; raising max_connections needs a restart.",
            name.replace('\'', "''")
        );
    }
    Judged {
        cause: Cause::MaxConnections,
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
