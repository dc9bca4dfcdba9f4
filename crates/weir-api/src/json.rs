//! How values become JSON: one place for the conventions of CONTRACT.md.

use std::time::Duration;

use serde_json::{Value, json};
use weir_control::handle::{PoolView, Published};
use weir_control::incident::Incident;
use weir_control::incident::entry::{By, Entry};
use weir_control::regulate::{Decision, SizeAction};
use weir_model::{ClockMap, Histogram, HoldTime, PoolSample, Wall};

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn time(at: Wall) -> String {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(at) => format!("{at:.3}"),
        // Beyond the year 9999 a clock lies anyway.
        Err(_) => "9999-12-31T23:59:59.999Z".to_owned(),
    }
}

/// Reads what [`time`] writes, and any other RFC 3339.
pub(crate) fn read_time(text: &str) -> Option<Wall> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Wall::from_micros(at.as_microsecond()))
}

pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn quantiles(of: &Histogram) -> Value {
    json!({
        "p50": seconds(of.quantile(0.5)),
        "p90": seconds(of.quantile(0.9)),
        "p99": seconds(of.quantile(0.99)),
        "max": seconds(of.quantile(1.0)),
    })
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() {
        0.0
    } else {
        part.as_secs_f64() / whole.as_secs_f64()
    }
}

fn hold(times: &Histogram, held: &HoldTime) -> Value {
    let whole = held.total();
    json!({
        "p50": seconds(times.quantile(0.5)),
        "p99": seconds(times.quantile(0.99)),
        "executing_share": share(held.executing, whole),
        "thinking_share": share(held.thinking, whole),
        "network_share": share(held.network, whole),
    })
}

/// One pool, as `GET /api/v1/pools` lists it.
pub(crate) fn pool(pool: &PoolView) -> Value {
    json!({
        "schema": "weir.pool/1",
        "database": &*pool.key.database,
        "user": &*pool.key.user,
        "mode": pool.mode,
        "size": pool.size,
        "size_min": pool.size_min,
        "size_max": pool.size_max,
        "size_because": pool.size_because,
        "clients": {
            "active": pool.clients.active,
            "waiting": pool.clients.waiting,
            "idle": pool.clients.idle,
            "idle_in_transaction": pool.clients.idle_in_transaction,
        },
        "servers": {
            "active": pool.servers.active,
            "idle": pool.servers.idle,
            "login": pool.servers.login,
            "tested": pool.servers.tested,
            "used": pool.servers.used,
        },
        "oldest_wait_s": seconds(pool.oldest_wait),
        "wait_s": quantiles(&pool.wait),
        "abandoned_total": pool.totals.abandoned,
        "hold_s": hold(&pool.hold, &pool.held),
        "transactions_per_s": pool.transactions_per_s,
        "level": pool.level,
        // Beyond the contract's list, which may grow.
        "arrivals_per_s": pool.arrivals_per_s,
        "transactions_total": pool.totals.completions,
        "failures_total": pool.totals.failures,
        "pinned": pool.pins.iter().map(|(pin, n)| (pin.name(), *n))
            .collect::<std::collections::BTreeMap<_, _>>(),
        "paused": pool.paused,
        "objective": pool.objective,
        "incident": pool.incident.map(|id| id.to_string()),
    })
}

/// All pools, as of `at`.
pub(crate) fn pools(published: &Published) -> Value {
    published.pools.iter().map(pool).collect()
}

/// `GET /api/v1/status`.
pub(crate) fn status(published: &Published) -> Value {
    let status = &published.status;
    json!({
        "schema": "weir.status/1",
        "at": time(published.clock.wall(published.at)),
        "version": status.version,
        "uptime_s": seconds(status.uptime),
        "io": status.io,
        "workers": status.workers,
        "regulator_mode": status.regulator,
        "open_incidents": published.incidents.iter()
            .filter(|incident| incident.status.is_ongoing())
            .map(|incident| incident.id.to_string())
            .collect::<Vec<_>>(),
        "store": status.store,
        "store_ok": status.store_ok,
        "journal": {
            "intact": published.journals.is_intact(),
            "says": published.journals.says(),
        },
        "watch": status.watch,
        "listen": status.listen,
        "draining": status.draining,
        "data_plane_silent": status.data_plane_silent,
        "server_version": status.server_version,
        "clients": published.worker.clients,
        "servers": published.worker.servers,
        "buffered_bytes": published.worker.buffered_bytes,
        "loop_lag_max_s": seconds(published.worker.loop_lag_max),
        "events_lost_total": published.worker.events_lost_total,
    })
}

/// One sample of the recorder.
pub(crate) fn sample(at: Wall, sample: &PoolSample) -> Value {
    json!({
        "at": time(at),
        "database": &*sample.key.database,
        "user": &*sample.key.user,
        "size": sample.size,
        "clients": {
            "active": sample.clients.active,
            "waiting": sample.clients.waiting,
            "idle": sample.clients.idle,
            "idle_in_transaction": sample.clients.idle_in_transaction,
        },
        "servers": {
            "active": sample.servers.active,
            "idle": sample.servers.idle,
            "login": sample.servers.login,
            "tested": sample.servers.tested,
            "used": sample.servers.used,
        },
        "oldest_wait_s": seconds(sample.oldest_wait),
        "arrivals": sample.arrivals,
        "completions": sample.completions,
        "failures": sample.failures,
        "abandoned": sample.abandoned,
        "wait_s": quantiles(&sample.wait),
        "hold_s": { "p50": seconds(sample.hold.quantile(0.5)), "p99": seconds(sample.hold.quantile(0.99)) },
        "executing_s": seconds(sample.held.executing),
        "thinking_s": seconds(sample.held.thinking),
        "network_s": seconds(sample.held.network),
    })
}

/// What a list or an event says of an incident: enough to decide whether to ask for the whole.
pub(crate) fn incident_summary(incident: &Incident) -> Value {
    let clocks = incident.clocks();
    json!({
        "id": incident.id.to_string(),
        "status": incident.status.name(),
        "severity": incident.severity,
        "level": incident.level,
        "title": incident.title(),
        "pools": incident.pools.iter()
            .map(|key| json!({ "database": &*key.database, "user": &*key.user }))
            .collect::<Value>(),
        "impact_started_at": time(clocks.impact_started_at),
        "detected_at": time(clocks.detected_at),
        "mitigated_at": clocks.mitigated_at.map(time),
        "resolved_at": clocks.resolved_at.map(time),
        "cause": incident.causes.first().map(|finding| finding.cause),
        "says": incident.causes.first().map(|finding| finding.says.as_str()),
    })
}

/// One decision of the regulator.
pub(crate) fn decision(decision: &Decision, clock: &ClockMap) -> Value {
    json!({
        "schema": "weir.decision/1",
        "id": decision.id(),
        "at": time(clock.wall(decision.at)),
        "database": &*decision.key.database,
        "user": &*decision.key.user,
        "says": decision.says(),
        "action": match decision.action {
            SizeAction::Grow { .. } => "grow",
            SizeAction::Shrink { .. } => "shrink",
            SizeAction::Keep => "keep",
        },
        "from": decision.from,
        "to": decision.action.to(),
        "mode": decision.mode,
        "because": decision.because,
        "expected": decision.expected,
        "why_not_more": decision.why_not_more,
        "order": decision.order,
        "undo": decision.undo,
        "acted": decision.acted,
        "approved_by": if decision.approved_by.is_empty() { None } else { Some(&decision.approved_by) },
    })
}

/// A line of an incident's journal, as an event tells it: what kind, by whom, its words. The
/// numbers it may carry stand in the incident's document.
pub(crate) fn entry(entry: &Entry) -> Value {
    let by = match &entry.by {
        By::Weir => "weir",
        By::Person(name) | By::System(name) => name,
    };
    let said = serde_json::to_value(&entry.said).unwrap_or_default();
    json!({
        "seq": entry.seq,
        "at": time(entry.at),
        "by": by,
        "kind": entry.said.name(),
        "says": said.get("says").filter(|says| says.is_string()),
    })
}
