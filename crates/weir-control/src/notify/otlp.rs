//! OTLP/HTTP events: `POST /v1/logs`, JSON. An event is a log record with a top-level `eventName`;
//! what it says stands in attributes and not in the body. 64-bit integers are strings.

use serde_json::{Value, json};
use weir_model::Severity;

use super::{Message, What, facts, page};

/// One export request with one record. `now_us`: when it was made.
pub fn export(message: &Message<'_>) -> Value {
    let incident = message.incident;
    let nanos = |at: weir_model::Wall| format!("{}000", at.as_micros());
    let at = match message.what {
        What::Opened => incident.clocks().impact_started_at,
        What::Changed | What::Called | What::Acknowledged | What::Resolved | What::Test => {
            incident.last_at
        }
    };
    let mut attributes = vec![
        text("weir.incident.id", &incident.id.to_string()),
        text("weir.incident.status", incident.status.name()),
        text("weir.incident.severity", incident.severity.name()),
        text("weir.incident.kind", super::kind_name(incident)),
        text("weir.incident.service", &incident.service()),
        text("weir.incident.symptom", incident.symptom()),
        text("weir.incident.says", &page(incident)),
        text("weir.incident.url", &message.link()),
        number("weir.incident.seq", u64::from(incident.seq)),
    ];
    if let Some(cause) = incident.top_cause() {
        attributes.push(text("weir.incident.cause", &cause.cause.to_string()));
        attributes.push(json!({
            "key": "weir.incident.cause.confidence", "value": { "doubleValue": cause.confidence },
        }));
    }
    if let Some(measured) = &incident.measured {
        let impact = &measured.impact;
        attributes.push(number("weir.impact.transactions", impact.transactions));
        attributes.push(number("weir.impact.transactions_delayed", impact.delayed));
        attributes.push(number("weir.impact.transactions_failed", impact.failed));
    }
    if let Some(to) = message.to {
        attributes.push(text("weir.escalation.to", to));
    }
    if let Some(step) = message.step {
        attributes.push(number("weir.escalation.step", u64::from(step)));
    }
    if let Some(by) = message.by {
        attributes.push(text("weir.acknowledged.by", by));
    }
    let waiting = facts(incident)
        .into_iter()
        .find(|(name, _)| name == "Waiting");
    if let Some((_, waiting)) = waiting {
        attributes.push(text("weir.incident.waiting", &waiting));
    }
    let (number, name) = severity(message);
    json!({
        "resourceLogs": [{
            "resource": { "attributes": [
                text("service.name", "weir"),
                text("service.namespace", &message.from.cluster),
                text("service.instance.id", &message.from.instance),
            ]},
            "scopeLogs": [{
                "scope": { "name": "weir.incident" },
                "logRecords": [{
                    "timeUnixNano": nanos(at),
                    "observedTimeUnixNano": nanos(incident.last_at),
                    "severityNumber": number,
                    "severityText": name,
                    "eventName": event_name(message.what),
                    "attributes": attributes,
                }],
            }],
        }],
    })
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn event_name(what: What) -> &'static str {
    match what {
        What::Opened => "weir.incident.opened",
        What::Changed => "weir.incident.changed",
        What::Called => "weir.incident.escalated",
        What::Acknowledged => "weir.incident.acknowledged",
        What::Resolved => "weir.incident.resolved",
        What::Test => "weir.test",
    }
}

/// Number and name of the log data model.
fn severity(message: &Message<'_>) -> (u8, &'static str) {
    match (message.what, message.incident.severity) {
        (What::Resolved | What::Acknowledged | What::Test, _) => (9, "INFO"),
        (_, Severity::Sev1) => (21, "FATAL"),
        (_, Severity::Sev2) => (17, "ERROR"),
        (_, Severity::Sev3) => (13, "WARN"),
        (_, Severity::Sev4) => (9, "INFO"),
    }
}
