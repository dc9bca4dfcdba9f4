//! PagerDuty Events v2: `POST {base}/v2/enqueue`.
//!
//! The incident's `dedup_key` ties trigger, acknowledge and resolve together; a second trigger of
//! the same key updates the alert and rings nobody again.

use serde_json::{Value, json};
use weir_model::Severity;

use super::{Message, What, facts, one_line, page, runes, summary};
use crate::incident::Incident;
use crate::incident::words::rfc3339;

/// An event above this is refused with 400.
pub const EVENT_MAX: usize = 512_000;
/// Runes of `payload.summary`.
pub const SUMMARY_MAX: usize = 1_024;
/// Characters of `dedup_key`.
pub const DEDUP_MAX: usize = 255;

/// One event. `routing_key` is the integration's secret, so the result must not be logged.
pub fn event(message: &Message<'_>, routing_key: &str) -> Value {
    let incident = message.incident;
    let dedup_key = dedup_key(message);
    let action = match message.what {
        What::Opened | What::Changed | What::Called | What::Test => "trigger",
        What::Acknowledged => "acknowledge",
        What::Resolved => "resolve",
    };
    if action != "trigger" {
        return json!({
            "routing_key": routing_key, "event_action": action, "dedup_key": dedup_key,
        });
    }
    let link = message.link();
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key,
        "client": "Weir",
        "client_url": link,
        "payload": {
            "summary": runes(&summary(message), SUMMARY_MAX),
            "source": message.from.instance,
            "severity": severity(incident.severity),
            "timestamp": rfc3339(incident.clocks().impact_started_at),
            "component": incident.service(),
            "group": message.from.cluster,
            "class": class(incident),
            "custom_details": details(message),
        },
        "links": [
            { "href": link, "text": "timeline" },
            { "href": message.report_link(), "text": "report" },
        ],
    });
    if event.to_string().len() > EVENT_MAX {
        event["payload"]["custom_details"] = json!({ "says": one_line(&page(incident), 900) });
    }
    event
}

/// The event that ends a test's alert at once.
pub fn test_over(message: &Message<'_>, routing_key: &str) -> Value {
    json!({
        "routing_key": routing_key, "event_action": "resolve", "dedup_key": dedup_key(message),
    })
}

/// `weir/main/app-dashboard/INC-12`: the same from first to last, at most [`DEDUP_MAX`] characters.
pub fn dedup_key(message: &Message<'_>) -> String {
    let id = message.incident.id.to_string();
    let service = message.incident.pools.first().map_or_else(
        || message.incident.service(),
        |key| format!("{}-{}", key.database, key.user),
    );
    let head = format!(
        "weir/{}/{}",
        message.from.cluster,
        service.replace('/', "-")
    );
    // The id stands last and is never cut: without it two incidents would be one.
    let room = DEDUP_MAX - id.len() - 1;
    format!("{}/{id}", head.chars().take(room).collect::<String>())
}

fn class(incident: &Incident) -> String {
    incident.top_cause().map_or_else(
        || incident.symptom().to_owned(),
        |finding| finding.cause.to_string(),
    )
}

fn details(message: &Message<'_>) -> Value {
    let mut details = serde_json::Map::new();
    details.insert("says".to_owned(), json!(page(message.incident)));
    for (name, value) in facts(message.incident) {
        details.insert(name.to_lowercase().replace(' ', "_"), json!(value));
    }
    if let Some(to) = message.to {
        details.insert("called".to_owned(), json!(to));
    }
    if let Some(step) = message.step {
        details.insert("step".to_owned(), json!(step));
    }
    Value::Object(details)
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Sev1 => "critical",
        Severity::Sev2 => "error",
        Severity::Sev3 => "warning",
        Severity::Sev4 => "info",
    }
}
