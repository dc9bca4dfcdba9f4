//! How values become JSON: one place for the conventions of CONTRACT.md.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use weir_control::handle::{OperatorOrder, PoolView, Published, Sensor};
use weir_control::incident::Incident;
use weir_control::incident::entry::{By, Entry};
use weir_control::record::stretch::Stretch;
use weir_control::regulate::{Decision, SizeAction};
use weir_model::{ClientCounts, ClockMap, Histogram, HoldTime, PoolSample, ServerCounts, Wall};

use crate::process::Process;
use crate::see::configuration::started;

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

pub(crate) fn quantiles(of: &Histogram) -> Value {
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

/// A ratio or a rate with what a person can tell apart; a message of 200 pools is full of them.
pub(crate) fn rounded(x: f64) -> f64 {
    match x.abs() {
        // Shares and seconds.
        small if small < 1.0 => (x * 1e6).round() / 1e6,
        _ => (x * 1e3).round() / 1e3,
    }
}

/// The largest size; null where no bound is known.
pub(crate) fn size_max(pool: &PoolView) -> Option<u32> {
    (pool.size_max != u32::MAX).then_some(pool.size_max)
}

pub(crate) fn client_counts(clients: &ClientCounts) -> Value {
    json!({
        "active": clients.active,
        "waiting": clients.waiting,
        "idle": clients.idle,
        "idle_in_transaction": clients.idle_in_transaction,
    })
}

pub(crate) fn server_counts(servers: &ServerCounts) -> Value {
    json!({
        "active": servers.active,
        "idle": servers.idle,
        "login": servers.login,
        "tested": servers.tested,
        "used": servers.used,
    })
}

/// An order as `POST /api/v1/orders` takes it, but for `by`.
pub(crate) fn order(order: &OperatorOrder) -> Value {
    match order {
        OperatorOrder::Resize { pool, size } => {
            json!({ "order": "resize", "pool": pool.to_string(), "size": size })
        }
        OperatorOrder::Pause { database } => json!({ "order": "pause", "database": database }),
        OperatorOrder::Resume { database } => json!({ "order": "resume", "database": database }),
        OperatorOrder::Cancel { server } => json!({ "order": "cancel", "server": server.0 }),
        OperatorOrder::CloseClient { client, reason } => {
            json!({ "order": "close_client", "client": client.0, "reason": reason })
        }
        OperatorOrder::Approve { pool } => {
            json!({ "order": "approve", "pool": pool.to_string() })
        }
        OperatorOrder::Regulator { mode } => json!({ "order": "regulator", "mode": mode }),
    }
}

fn recommendation(decision: &Decision) -> Value {
    let pool = decision.key.clone();
    let undo = OperatorOrder::Resize {
        pool: pool.clone(),
        size: decision.from,
    };
    json!({
        "says": decision.says(),
        "decision": decision.id(),
        "order": order(&OperatorOrder::Approve { pool }),
        "undo": order(&undo),
        "expected": decision.expected,
        "because": decision.because,
    })
}

/// One pool, as `GET /api/v1/pools` lists it.
pub(crate) fn pool(pool: &PoolView, published: &Published) -> Value {
    let pins: BTreeMap<_, _> = pool.pins.iter().map(|(pin, n)| (pin.name(), *n)).collect();
    // What was counted since the start isn't known of a past instant.
    let total = |count: u64| published.as_of.is_none().then_some(count);
    json!({
        "schema": "weir.pool/1",
        "database": &*pool.key.database,
        "user": &*pool.key.user,
        "mode": pool.mode,
        "size": pool.size,
        "size_min": pool.size_min,
        "size_max": size_max(pool),
        "size_because": pool.size_because,
        "clients": client_counts(&pool.clients),
        "servers": server_counts(&pool.servers),
        "oldest_wait_s": seconds(pool.oldest_wait),
        "wait_s": quantiles(&pool.wait),
        "abandoned_total": total(pool.totals.abandoned),
        "hold_s": hold(&pool.hold, &pool.held),
        "transactions_per_s": pool.transactions_per_s,
        "level": pool.level,
        // Beyond the contract's list, which may grow.
        "at": time(published.wall()),
        "resolution_s": seconds(published.resolution),
        "arrivals_per_s": pool.arrivals_per_s,
        "failures_per_s": pool.failures_per_s,
        "abandoned_per_s": pool.abandoned_per_s,
        "transactions_total": total(pool.totals.completions),
        "failures_total": total(pool.totals.failures),
        "pinned": pins,
        "pins": pins,
        "paused": pool.paused,
        "objective": pool.objective,
        "incident": pool.incident.map(|id| id.to_string()),
        "why_not_more": (!pool.why_not_more.is_empty()).then_some(&pool.why_not_more),
        "recommendation": pool.recommendation.as_deref().map(recommendation),
    })
}

/// All pools, as of `at`.
pub(crate) fn pools(published: &Published) -> Value {
    let pools = published.pools.iter();
    pools.map(|one| pool(one, published)).collect()
}

fn sensor(sensor: &Sensor, published: &Published) -> Value {
    json!({
        "server": sensor.server,
        "ok": sensor.ok,
        "says": sensor.says,
        "looked_at": sensor.looked_at.map(|at| time(published.clock.wall(at))),
        "age_s": sensor.looked_at.map(|at| seconds(published.at.since(at))),
        "took_s": sensor.took.map(seconds),
        "looks_total": sensor.looks,
        "late_total": sensor.late,
        "failed_total": sensor.failed,
        "sees_all": sensor.sees_all,
    })
}

fn process(process: &Process) -> Value {
    json!({
        "cpu_s": process.cpu_s,
        "resident_bytes": process.resident_bytes as u64,
        "virtual_bytes": process.virtual_bytes as u64,
        "open_fds": process.open_fds as u64,
        "max_fds": process.max_fds as u64,
    })
}

/// `GET /api/v1/status`.
pub(crate) fn status(
    published: &Published,
    own: Option<&Process>,
    listeners: (usize, usize),
    events_kept: usize,
) -> Value {
    let status = &published.status;
    let now = published.clock.wall(published.at);
    let overdue: Vec<Value> = published
        .incidents
        .iter()
        .filter_map(|incident| {
            let by = incident.update_overdue(now)?;
            Some(json!({
                "id": incident.id.to_string(),
                "next_update_at": incident.next_update_at().map(time),
                "update_overdue_s": seconds(by),
            }))
        })
        .collect();
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
        "updates_overdue": overdue,
        "update_overdue_s": overdue.iter().filter_map(|o| o["update_overdue_s"].as_f64()).reduce(f64::max),
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
        "started_at": time(started(published)),
        "sensors": published.sensors.iter().map(|one| sensor(one, published)).collect::<Value>(),
        "listeners": { "now": listeners.0, "max": listeners.1 },
        "events_kept": events_kept,
        "process": own.map(process),
    })
}

/// One sample of the recorder.
pub(crate) fn sample(at: Wall, sample: &PoolSample) -> Value {
    json!({
        "at": time(at),
        "database": &*sample.key.database,
        "user": &*sample.key.user,
        "size": sample.size,
        "interval_s": 0.1,
        "clients": client_counts(&sample.clients),
        "servers": server_counts(&sample.servers),
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

/// A pool over a stretch, in the shape of a sample.
pub(crate) fn stretch(stretch: &Stretch) -> Value {
    json!({
        "at": time(stretch.at),
        "interval_s": seconds(stretch.length),
        "database": &*stretch.key.database,
        "user": &*stretch.key.user,
        "size": stretch.size,
        "clients": client_counts(&stretch.clients),
        "servers": server_counts(&stretch.servers),
        "oldest_wait_s": seconds(stretch.oldest_wait),
        "arrivals": stretch.arrivals,
        "completions": stretch.completions,
        "failures": stretch.failures,
        "abandoned": stretch.abandoned,
        "wait_s": quantiles(&stretch.wait),
        "hold_s": {
            "p50": seconds(stretch.hold.quantile(0.5)),
            "p99": seconds(stretch.hold.quantile(0.99)),
        },
        "executing_s": seconds(stretch.held.executing),
        "thinking_s": seconds(stretch.held.thinking),
        "network_s": seconds(stretch.held.network),
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
        "merged_into": incident.merged_into.map(|id| id.to_string()),
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
