//! What goes out to people and programs when an incident opens, changes or resolves. Builds
//! payloads; sending them is the business of `weir-api`.
//!
//! # What always holds
//! - The same incident gives the same labels from first to last: they are its identity, by which
//!   Alertmanager knows that the end belongs to the beginning. What changes (severity of the
//!   moment, waiting clients, cause) stands in annotations, except `severity`, which Alertmanager
//!   routes by; it is that of the level and not of the moment.
//! - The page is one line that carries pool, cause, evidence, remedy and undo.

use std::fmt::Write as _;

use serde_json::{Value, json};
use weir_model::{Level, Severity};

use crate::incident::words::{self, rfc3339};
use crate::incident::{Incident, Status, json as incident_json};
use crate::report::order_words;

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A new incident.
    Opened,
    /// Its level, cause, severity or size changed.
    Changed,
    /// It is over.
    Resolved,
}

impl What {
    /// The CloudEvents type.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Opened => "dev.weir.incident.opened.v1",
            Self::Changed => "dev.weir.incident.changed.v1",
            Self::Resolved => "dev.weir.incident.resolved.v1",
        }
    }
}

/// Alertmanager cuts at 1,024 runes for PagerDuty; what a phone shows is shorter still.
const PAGE_MAX: usize = 900;

/// One line for whoever is on call: pool, symptom, who is hurt, cause, evidence, remedy, undo.
pub fn page(incident: &Incident) -> String {
    let mut line = format!(
        "{} {} {}: {}",
        incident.id,
        incident.severity.name().to_uppercase(),
        incident.service(),
        incident.symptom()
    );
    if let Some(seen) = incident.opening.first() {
        let _ = write!(
            line,
            " ({})",
            sentence(words::without_pool(&seen.says, incident.pools.first()))
        );
    }
    if let Some(measured) = &incident.measured {
        match (measured.impact.users_affected, measured.impact.users) {
            (Some(hurt), Some(all)) if all > 0 => {
                let _ = write!(
                    line,
                    "; {} of {} users affected",
                    words::count(hurt),
                    words::count(all)
                );
            }
            _ if measured.impact.clients == 0 => {}
            _ => {
                let _ = write!(
                    line,
                    "; {} of {} clients affected",
                    words::count(measured.impact.clients_affected),
                    words::count(measured.impact.clients)
                );
            }
        }
    }
    match incident.top_cause() {
        Some(cause) => {
            let _ = write!(
                line,
                ". Cause: {}, {} sure: {}",
                words::phrase(cause.cause),
                words::share(cause.confidence),
                sentence(&cause.says)
            );
            if let Some(evidence) = cause.evidence.first() {
                let _ = write!(line, " [{}]", sentence(&evidence.says));
            }
            if !cause.remedy.says.trim().is_empty() {
                let _ = write!(line, ". Remedy: {}", sentence(&cause.remedy.says));
            }
            if let Some(undo) = &cause.remedy.undo
                && !cause.remedy.says.contains("undo")
            {
                let _ = write!(line, ". Undo: {}", order_words(undo));
            }
        }
        None => line.push_str(". Cause: not known yet"),
    }
    if let Some(done) = incident.decisions.iter().rev().find(|d| d.acted) {
        let _ = write!(
            line,
            ". Weir acted: {} ({})",
            sentence(&done.says),
            done.decision
        );
    }
    if !incident.status.is_ongoing() {
        let _ = write!(
            line,
            ". Resolved after {}",
            words::duration(incident.length())
        );
    }
    line.push('.');
    one_line(&line, PAGE_MAX)
}

/// The body of `POST /api/v2/alerts`. Sent again while it lasts, and for some minutes afterwards
/// with `endsAt`; without `endsAt` Alertmanager ends an alert by itself when nobody repeats it.
pub fn alertmanager(incident: &Incident, external_url: &str) -> Value {
    let clocks = incident.clocks();
    let base = external_url.trim_end_matches('/');
    let id = incident.id.to_string();
    let summary = format!(
        "{}: {}{}",
        incident.service(),
        incident.symptom(),
        incident
            .top_cause()
            .map_or_else(String::new, |c| format!(", {}", words::phrase(c.cause)))
    );
    let mut alert = json!({
        "labels": {
            // The first level names the alert: a level that rises later must not begin another.
            "alertname": incident.first_level().map_or("WeirIncident", alert_name),
            "severity": alert_severity(incident),
            "pool": incident.service(),
            "incident": id,
        },
        "annotations": {
            "summary": one_line(&summary, 200),
            "description": page(incident),
            "runbook_url": format!("{base}/api/v1/incidents/{id}/report?format=html"),
        },
        "startsAt": rfc3339(clocks.impact_started_at),
        "generatorURL": format!("{base}/api/v1/incidents/{id}"),
    });
    if incident.status >= Status::Resolved {
        alert["endsAt"] = json!(rfc3339(clocks.resolved_at.unwrap_or(incident.last_at)));
    }
    json!([alert])
}

/// A CloudEvents 1.0 document (structured mode, `application/cloudevents+json`). Its id is the
/// incident and the journal entry it speaks of, so a repeated delivery is known as such.
pub fn webhook(incident: &Incident, what: What) -> Value {
    let document = incident_json::document(incident);
    json!({
        "specversion": "1.0",
        "id": format!("{}-{}", incident.id, incident.seq),
        "source": format!("/weir/pools/{}", uri_path(&incident.service())),
        "type": what.event_type(),
        "subject": incident.id.to_string(),
        "time": rfc3339(incident.last_at),
        "datacontenttype": "application/json",
        "data": {
            "schema": "weir.notification/1",
            "says": page(incident),
            "incident": document,
        },
    })
}

/// `WeirPoolExhausted` and so on.
fn alert_name(level: Level) -> &'static str {
    match level {
        Level::Exhausted => "WeirPoolExhausted",
        Level::Saturated => "WeirPoolSaturated",
        Level::Starved => "WeirPoolStarved",
        Level::Stalled => "WeirPoolStalled",
        Level::Down => "WeirServerDown",
        Level::Degraded => "WeirStatementsSlow",
        Level::Leak => "WeirConnectionLeak",
    }
}

/// What Alertmanager's examples route by.
fn alert_severity(incident: &Incident) -> &'static str {
    match incident.first_level() {
        Some(
            Level::Exhausted | Level::Saturated | Level::Starved | Level::Stalled | Level::Down,
        ) => "critical",
        Some(Level::Degraded | Level::Leak) => "warning",
        None if incident.severity <= Severity::Sev2 => "critical",
        None => "warning",
    }
}

fn sentence(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

/// No line breaks, no control characters, not longer than `most` letters.
fn one_line(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == most {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

/// A name as part of a URI's path: CloudEvents wants `source` to be a URI reference.
fn uri_path(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
