//! An incident as `weir.incident/1`, the shape that CONTRACT.md promises to programs.
//!
//! # What always holds
//! - Every key of the contract is there; what isn't known is `null`, never a made-up number.
//! - Times are RFC 3339 in UTC with milliseconds; keys that end in `_s` are seconds, counted from
//!   the start of the impact; ratios lie in 0..=1.

mod people;

use serde_json::{Value, json};
use weir_model::{CauseFinding, Evidence, RuledOut, Wall};

use super::entry::{By, ClockName, Kind};
use super::parts::Row;
use super::state::Incident;
use super::words::{rfc3339, sane_ratio};

/// The document.
pub fn document(incident: &Incident) -> Value {
    let clocks = incident.clocks();
    let since = |at: Option<Wall>| at.map(|at| seconds(at.since(clocks.impact_started_at)));
    let corrected: Vec<String> = ClockName::ALL
        .iter()
        .filter(|clock| incident.correction(**clock).is_some())
        .map(|clock| format!("{clock}_at"))
        .collect();
    let mut document = json!({
        "schema": "weir.incident/1",
        "id": incident.id.to_string(),
        "status": incident.status.name(),
        "kind": kind(incident.kind),
        "severity": incident.severity.name(),
        "title": incident.title(),
        "level": incident.level.map(weir_model::Level::name),
        "pools": incident.pools.iter().map(|key| json!({
            "database": &*key.database,
            "user": &*key.user,
        })).collect::<Vec<_>>(),
        "clocks": {
            "impact_started_at": rfc3339(clocks.impact_started_at),
            "detected_at": rfc3339(clocks.detected_at),
            "cause_named_at": clocks.cause_named_at.map(rfc3339),
            "acknowledged_at": clocks.acknowledged_at.map(rfc3339),
            "mitigated_at": clocks.mitigated_at.map(rfc3339),
            "resolved_at": clocks.resolved_at.map(rfc3339),
            "detect_s": since(Some(clocks.detected_at)),
            "name_cause_s": since(clocks.cause_named_at),
            "acknowledge_s": since(clocks.acknowledged_at),
            "mitigate_s": since(clocks.mitigated_at),
            "resolve_s": since(clocks.resolved_at),
            "corrected": corrected,
        },
        "detected_by": incident.detected_by,
        "impact": impact(incident),
        "causes": incident.causes.iter().map(cause).collect::<Vec<_>>(),
        "ruled_out": incident.ruled_out.iter().map(ruled_out).collect::<Vec<_>>(),
        "trigger": incident.trigger.as_ref().map(|trigger| json!({
            "says": trigger.says,
            "at": trigger.at.map(rfc3339),
        })),
        "timeline": incident.timeline().iter().map(row).collect::<Vec<_>>(),
        "decisions": incident.decisions.iter().map(|d| json!({
            "decision": d.decision,
            "at": rfc3339(d.at),
            "says": d.says,
            "because": d.because,
            "expected": d.expected,
            "acted": d.acted,
            "size_from": d.from_size,
            "size_to": d.to_size,
        })).collect::<Vec<_>>(),
        "factors": incident.factors().iter().map(|f| json!({
            "id": f.id,
            "says": f.says,
            "evidence": f.evidence.iter().map(evidence).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "actions": incident.actions().iter().map(people::action).collect::<Vec<_>>(),
        "questions": incident.questions(),
        "deliveries": incident.deliveries.iter().map(|d| json!({
            "at": rfc3339(d.at),
            "channel": d.channel,
            "ok": d.ok,
            "says": d.says,
        })).collect::<Vec<_>>(),
        "others": incident.others,
        "reopened": incident.reopened,
        "entries": incident.seq,
        "entries_unknown": incident.entries_unknown,
        "rows_dropped": incident.rows_dropped,
    });
    people::add(&mut document, incident);
    document
}

fn impact(incident: &Incident) -> Value {
    let Some(measured) = &incident.measured else {
        return json!({
            "transactions": null, "transactions_delayed": null, "transactions_failed": null,
            "clients": null, "clients_affected": null,
            "users": null, "users_affected": null, "users_affected_ratio": null,
            "users_known_by": "not measured",
            "wait_s_p99_before": p99(incident.baseline.as_ref()),
            "wait_s_p99_during": null, "wait_s_p99_after": null,
            "objective": incident.objective,
            "data_lost": data_lost(incident),
            "events_lost": null,
        });
    };
    let counts = &measured.impact;
    let ratio = match (counts.users_affected, counts.users) {
        (Some(part), Some(whole)) if whole > 0 => Some(sane_ratio(part as f64 / whole as f64)),
        _ => None,
    };
    json!({
        "transactions": counts.transactions,
        "transactions_delayed": counts.delayed,
        "transactions_failed": counts.failed,
        "clients": counts.clients,
        "clients_affected": counts.clients_affected,
        "users": counts.users,
        "users_affected": counts.users_affected,
        "users_affected_ratio": ratio,
        "users_known_by": if counts.users.is_some() {
            measured.users_known_by.as_str()
        } else {
            "not measured"
        },
        "wait_s_p99_before": p99(incident.baseline.as_ref()),
        "wait_s_p99_during": p99(Some(&measured.during)),
        "wait_s_p99_after": p99(measured.after.as_ref()),
        "objective": incident.objective,
        "data_lost": data_lost(incident),
        "events_lost": counts.events_lost,
    })
}

fn p99(window: Option<&crate::record::window::PoolWindow>) -> Option<f64> {
    window
        .and_then(super::words::wait_p99)
        .map(|wait| wait.as_secs_f64())
}

/// What can truly be said of lost data, from which kinds of failure there were.
pub(crate) fn data_lost(incident: &Incident) -> String {
    use super::words::counted;

    let Some(measured) = &incident.measured else {
        return "not measured: the journal holds no count of failures".to_owned();
    };
    let failed = measured.impact.failed;
    if measured.impact.transactions == 0 && failed == 0 {
        return "not measured: no transaction was recorded in this time".to_owned();
    }
    let incomplete = if measured.impact.events_lost > 0 {
        "; the counts are lower bounds, since some events did not reach the recorder"
    } else {
        ""
    };
    match measured.cut_in_transaction {
        _ if failed == 0 => format!("none: no transaction failed{incomplete}"),
        Some(0) => format!(
            "none: {} failed, and none of them had begun{incomplete}",
            counted(failed, "transaction", "transactions"),
        ),
        Some(cut) => format!(
            "ambiguous for {} that lost their server connection in the middle: those had either \
             committed or not, and nobody told the client. The other {} had not begun{incomplete}",
            counted(cut, "transaction", "transactions"),
            counted(failed.saturating_sub(cut), "failed one", "failed ones"),
        ),
        // Without the split: those who only queued are known from the pool's own counters.
        None if measured.during.failures == 0 => format!(
            "none: {} gave up or were refused in the queue, so they had not begun{incomplete}",
            counted(failed, "transaction", "transactions"),
        ),
        None => format!(
            "ambiguous: {} failed, and the journal does not tell those that had not begun from \
             those cut in the middle, which had either committed or not{incomplete}",
            counted(failed, "transaction", "transactions"),
        ),
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Real => "real",
        Kind::Drill => "drill",
        Kind::Declared => "declared",
    }
}

fn cause(finding: &CauseFinding) -> Value {
    json!({
        "cause": finding.cause.name(),
        "confidence": sane_ratio(finding.confidence),
        "share": sane_ratio(finding.share),
        "object": finding.object,
        "says": finding.says,
        "evidence": finding.evidence.iter().map(evidence).collect::<Vec<_>>(),
        "remedy": {
            "says": finding.remedy.says,
            "order": finding.remedy.order,
            "undo": finding.remedy.undo,
            "safe_to_automate": finding.remedy.safe_to_automate,
        },
    })
}

fn ruled_out(ruled_out: &RuledOut) -> Value {
    json!({
        "cause": ruled_out.cause.name(),
        "says": ruled_out.says,
        "evidence": ruled_out.evidence.iter().map(evidence).collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    let (by, who) = match &row.by {
        By::Weir => ("weir", None),
        By::Person(name) => ("person", Some(name)),
        By::System(name) => ("system", Some(name)),
    };
    let mut value = json!({
        "at": rfc3339(row.at),
        "kind": row.kind.name(),
        "by": by,
        "says": row.says,
        "evidence": row.evidence.iter().map(evidence).collect::<Vec<_>>(),
    });
    if let Some(who) = who {
        value["who"] = json!(who);
    }
    if let Some(tag) = row.kind.tag() {
        value["tag"] = json!(tag);
    }
    value
}

fn evidence(e: &Evidence) -> Value {
    json!({
        "says": e.says,
        "metric": e.metric,
        // serde_json has no spelling for what isn't a number; null is the honest one.
        "value": e.value,
        "baseline": e.baseline,
        "query": e.query,
        "from": rfc3339(e.from),
        "to": rfc3339(e.to),
    })
}

fn seconds(d: std::time::Duration) -> f64 {
    // The journal's clock has microseconds; JSON gets no more digits than that.
    (d.as_secs_f64() * 1e6).round() / 1e6
}
