//! Alertmanager: alerts pushed to `/api/v2/alerts`, silences to `/api/v2/silences`.

use serde_json::{Value, json};
use weir_model::{Level, Severity, Wall};

use super::{Message, What, one_line, page, summary};
use crate::incident::words::rfc3339;
use crate::incident::{Incident, Status};

/// The body of `POST /api/v2/alerts`. Sent again while it lasts, and for some minutes afterwards
/// with `endsAt`; without `endsAt` Alertmanager ends an alert by itself when nobody repeats it.
pub fn alert(message: &Message<'_>) -> Value {
    let incident = message.incident;
    let clocks = incident.clocks();
    let base = message.from.base();
    let id = incident.id.to_string();
    let mut alert = json!({
        "labels": {
            // The first level names the alert: a level that rises later must not begin another.
            "alertname": name(incident),
            "severity": severity(incident),
            "pool": incident.service(),
            "cluster": message.from.cluster,
            "incident": id,
        },
        "annotations": {
            "summary": one_line(&summary(message), 200),
            "description": page(incident),
            "runbook_url": format!("{base}/api/v1/incidents/{id}/report?format=html"),
        },
        "startsAt": rfc3339(clocks.impact_started_at),
        "generatorURL": format!("{base}/api/v1/incidents/{id}"),
    });
    if message.is_drill() {
        alert["labels"]["drill"] = json!("true");
    }
    if message.what == What::Test {
        alert["labels"]["alertname"] = json!("WeirTest");
    }
    if incident.status >= Status::Resolved || matches!(message.what, What::Resolved | What::Test) {
        alert["endsAt"] = json!(rfc3339(clocks.resolved_at.unwrap_or(incident.last_at)));
    }
    json!([alert])
}

/// The body of `POST /api/v2/silences`: whatever speaks of these pools keeps still until then.
/// Alertmanager answers `{"silenceID": "…"}`; `DELETE /api/v2/silence/{id}` ends it early.
pub fn silence(pools: &[String], from: Wall, until: Wall, by: &str, comment: &str) -> Value {
    let matcher = match pools {
        [one] => json!({ "name": "pool", "value": one, "isRegex": false, "isEqual": true }),
        several => json!({
            "name": "pool", "value": several.iter().map(|p| regex(p)).collect::<Vec<_>>().join("|"),
            "isRegex": true, "isEqual": true,
        }),
    };
    json!({
        "matchers": [matcher],
        "startsAt": rfc3339(from),
        "endsAt": rfc3339(until),
        "createdBy": by,
        "comment": comment,
    })
}

/// A pool's name, or a pattern with `*`, as Alertmanager's anchored RE2.
fn regex(pattern: &str) -> String {
    let mut out = String::new();
    for c in pattern.chars() {
        match c {
            '*' => out.push_str(".*"),
            c if c.is_alphanumeric() || matches!(c, '/' | '_' | '-') => out.push(c),
            c => {
                out.push('\\');
                out.push(c);
            }
        }
    }
    out
}

/// `WeirPoolExhausted` and so on.
fn name(incident: &Incident) -> &'static str {
    match incident.first_level() {
        Some(Level::Exhausted) => "WeirPoolExhausted",
        Some(Level::Saturated) => "WeirPoolSaturated",
        Some(Level::Starved) => "WeirPoolStarved",
        Some(Level::Stalled) => "WeirPoolStalled",
        Some(Level::Down) => "WeirServerDown",
        Some(Level::Degraded) => "WeirStatementsSlow",
        Some(Level::Leak) => "WeirConnectionLeak",
        None => "WeirIncident",
    }
}

/// What Alertmanager's examples route by. That of the first level and not of the moment: labels
/// are the alert's identity.
fn severity(incident: &Incident) -> &'static str {
    match incident.first_level() {
        Some(
            Level::Exhausted | Level::Saturated | Level::Starved | Level::Stalled | Level::Down,
        ) => "critical",
        None if incident.called.severity_at_first() <= Severity::Sev2 => "critical",
        None => "warning",
        Some(Level::Degraded | Level::Leak) => "warning",
    }
}
