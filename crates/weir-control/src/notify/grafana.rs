//! Grafana annotations: `POST /api/annotations` opens a region on dashboards, `PATCH
//! /api/annotations/{id}` closes it.
//!
//! Times are milliseconds since the epoch. Grafana 13 deprecates `/api`; its successor is still
//! alpha, so the legacy path stays the default.

use serde_json::{Value, json};
use weir_model::Wall;

use super::{Message, What, summary};

/// The body of `POST /api/annotations`. Without a dashboard it shows on all of them.
pub fn annotation(message: &Message<'_>, dashboard: Option<&str>, panel: Option<u32>) -> Value {
    let incident = message.incident;
    let mut annotation = json!({
        "time": millis(incident.clocks().impact_started_at),
        "tags": tags(message),
        "text": text(message),
    });
    if let Some(end) = end(message) {
        annotation["timeEnd"] = json!(end);
    }
    if let Some(dashboard) = dashboard {
        annotation["dashboardUID"] = json!(dashboard);
        if let Some(panel) = panel {
            annotation["panelId"] = json!(panel);
        }
    }
    annotation
}

/// The body of `PATCH /api/annotations/{id}`: new words, and the end where there is one.
pub fn patch(message: &Message<'_>) -> Value {
    let mut patch = json!({ "text": text(message), "tags": tags(message) });
    if let Some(end) = end(message) {
        patch["timeEnd"] = json!(end);
    }
    patch
}

/// Finds the annotation again after a restart.
pub fn lookup(message: &Message<'_>) -> String {
    let id = message.incident.id;
    let cluster = super::uri_path(&message.from.cluster);
    format!("/api/annotations?type=annotation&limit=1&tags=weir&tags=cluster:{cluster}&tags={id}")
}

fn tags(message: &Message<'_>) -> Vec<String> {
    let incident = message.incident;
    let mut tags = vec![
        "incident".to_owned(),
        "weir".to_owned(),
        format!("cluster:{}", message.from.cluster),
        incident.id.to_string(),
        incident.severity.name().to_owned(),
    ];
    if let Some(cause) = incident.top_cause() {
        tags.push(cause.cause.to_string());
    }
    if message.is_drill() {
        tags.push("drill".to_owned());
    }
    tags
}

fn text(message: &Message<'_>) -> String {
    summary(message)
}

fn end(message: &Message<'_>) -> Option<i64> {
    match message.what {
        What::Resolved => {
            let incident = message.incident;
            Some(millis(
                incident.clocks().resolved_at.unwrap_or(incident.last_at),
            ))
        }
        // A test shows as a point.
        What::Test => Some(millis(message.incident.last_at)),
        What::Opened | What::Changed | What::Called | What::Acknowledged => None,
    }
}

fn millis(at: Wall) -> i64 {
    at.as_micros().div_euclid(1_000)
}
