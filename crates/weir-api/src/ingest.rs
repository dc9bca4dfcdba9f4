//! What other systems tell Weir: `POST /api/v1/alerts`, `POST /api/v1/markers`.
//!
//! Three shapes of body are told apart by their content: Alertmanager's webhook (version 4),
//! Grafana's (the same with a few keys of its own, or the legacy one of a single rule), and
//! PagerDuty's (version 3, one event). Keys that aren't known are tolerated: each of them grows.
//!
//! # How a sender understands the answer
//! 2xx: taken, also where everything in it was a repetition. 4xx: it can't be read, and sending it
//! again won't help; the answer names the field. 5xx: Weir can't write it down now; Alertmanager
//! and PagerDuty send it again.
//!
//! # Bounds
//! [`BODY_MAX`] bytes, [`ALERTS_MAX`] alerts; of a text what fits on a line of the timeline.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use weir_control::handle::{Answer, Ask};
use weir_control::incident::entry::IncidentId;
use weir_control::notify::outside::{FromOutside, Marker, OutsideAlert};
use weir_model::{Severity, Wall};

use crate::fault::ApiFault;
use crate::server::Api;
use crate::{act, json as documents, read};

/// A batch of a thousand alerts is a few hundred kilobytes.
pub(crate) const BODY_MAX: usize = 2 << 20;
/// Alerts of one body.
const ALERTS_MAX: usize = 2_000;
/// Letters of a name, a link, a fingerprint.
const NAME_MAX: usize = 300;
/// Letters of a sentence.
const SAYS_MAX: usize = 1_000;

/// Which alerts are incidents by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingest {
    /// Values of the label `severity`.
    pub declare: Vec<String>,
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            declare: vec!["critical".to_owned(), "page".to_owned()],
        }
    }
}

/// What a body says.
#[derive(Debug, PartialEq)]
enum Heard {
    Alerts {
        source: &'static str,
        alerts: Vec<OutsideAlert>,
        truncated: u64,
        /// Alerts that were Weir's own, come back.
        own: u64,
    },
    /// Somebody took one of Weir's own incidents in the other system.
    Acknowledged { id: IncidentId, by: String },
    /// Nothing that concerns Weir, and why.
    Nothing(&'static str),
}

const EXAMPLE: &str = "known are Alertmanager's webhook (version 4), Grafana's, and PagerDuty's (version 3); see docs/alerting.md";

fn wrong(field: &str, says: impl std::fmt::Display) -> ApiFault {
    ApiFault::bad("bad_alert", format!("`{field}` {says}"), EXAMPLE)
}

/// `POST /api/v1/alerts`.
pub(crate) async fn alerts(State(api): State<Api>, bytes: Bytes) -> Result<Json<Value>, ApiFault> {
    let body: Value = serde_json::from_slice(&bytes).map_err(|error| {
        ApiFault::bad(
            "bad_json",
            format!("couldn't read the body: {error}"),
            EXAMPLE,
        )
    })?;
    let now = api.now();
    match read_body(&body, &api.ingest, now)? {
        Heard::Nothing(says) => Ok(Json(json!({ "schema": "weir.done/1", "says": says }))),
        Heard::Acknowledged { id, by } => {
            let text = "acknowledged there".to_owned();
            act::done(&api, Ask::Acknowledge { id, by, text }, Some(id)).await
        }
        Heard::Alerts {
            source,
            alerts,
            truncated,
            own,
        } => {
            let wish = FromOutside::Alerts {
                source: source.to_owned(),
                alerts,
                truncated,
            };
            let mut document = match api.handle.ask(Ask::Outside(wish)).await? {
                Answer::Document(document) => document,
                Answer::Done(_) => json!({}),
                _ => return Err(read::wrong_answer()),
            };
            document["own"] = json!(own);
            Ok(Json(document))
        }
    }
}

fn read_body(body: &Value, ingest: &Ingest, now: Wall) -> Result<Heard, ApiFault> {
    let Value::Object(body) = body else {
        return Err(wrong("(the body)", "must be a JSON object"));
    };
    if body.contains_key("event") {
        return pagerduty(body, ingest, now);
    }
    if body.contains_key("alerts") {
        let grafana =
            body.contains_key("orgId") || body.get("version").and_then(Value::as_str) == Some("1");
        let source = if grafana { "grafana" } else { "alertmanager" };
        return batch(source, body, ingest, now);
    }
    if body.contains_key("ruleName") || body.contains_key("evalMatches") {
        return grafana_rule(body, ingest, now);
    }
    Err(wrong("alerts", "is missing, and so is PagerDuty's `event`"))
}

/// Alertmanager's version 4, and Grafana's alerting, which took it over.
fn batch(
    source: &'static str,
    body: &Map<String, Value>,
    ingest: &Ingest,
    now: Wall,
) -> Result<Heard, ApiFault> {
    let version = body.get("version").and_then(Value::as_str);
    if source == "alertmanager" && version.is_some_and(|version| version != "4") {
        return Err(wrong("version", "is none that is known here: 4 is"));
    }
    let Some(Value::Array(list)) = body.get("alerts") else {
        return Err(wrong("alerts", "must be an array"));
    };
    if list.len() > ALERTS_MAX {
        return Err(wrong(
            "alerts",
            format!("has {} items; at most {ALERTS_MAX} are taken", list.len()),
        ));
    }
    let group = body
        .get("groupKey")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let truncated = body
        .get("truncatedAlerts")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let (mut alerts, mut own) = (Vec::new(), 0);
    for (index, item) in list.iter().enumerate() {
        let Value::Object(item) = item else {
            return Err(wrong(&format!("alerts[{index}]"), "must be an object"));
        };
        let labels = texts(item, "labels", index)?;
        if labels.contains_key("incident")
            && label(&labels, &["alertname"]).is_some_and(|n| n.starts_with("Weir"))
        {
            own += 1;
            continue;
        }
        let alert = one(source, group, item, &labels, index, ingest, now)?;
        alerts.push(alert);
    }
    Ok(Heard::Alerts {
        source,
        alerts,
        truncated,
        own,
    })
}

fn one(
    source: &str,
    group: &str,
    item: &Map<String, Value>,
    labels: &Map<String, Value>,
    index: usize,
    ingest: &Ingest,
    now: Wall,
) -> Result<OutsideAlert, ApiFault> {
    let field = |name: &str| format!("alerts[{index}].{name}");
    let annotations = texts(item, "annotations", index)?;
    let firing = match item.get("status").and_then(Value::as_str) {
        Some("firing") => true,
        Some("resolved") => false,
        Some(other) => {
            let says = format!("is `{other}`; firing and resolved are known");
            return Err(wrong(&field("status"), says));
        }
        None => return Err(wrong(&field("status"), "is missing: firing or resolved")),
    };
    let time = |name: &str| match item.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match documents::read_time(text) {
            // Alertmanager's "not yet" is the year 1.
            Some(at) => Ok((at.as_micros() > 0).then_some(at)),
            None => Err(wrong(&field(name), format!("`{text}` is no RFC 3339 time"))),
        },
        Some(_) => Err(wrong(&field(name), "must be an RFC 3339 time in quotes")),
    };
    let name = label(labels, &["alertname"]).unwrap_or("an alert without a name");
    let says = label(&annotations, &["summary", "description", "message"]).unwrap_or(name);
    let fingerprint = match item.get("fingerprint").and_then(Value::as_str) {
        Some(fingerprint) if !fingerprint.is_empty() => fingerprint.to_owned(),
        // Labels are an alert's identity.
        _ => Value::Object(labels.clone()).to_string(),
    };
    let severity = label(labels, &["severity", "priority"]);
    Ok(OutsideAlert {
        fingerprint: short(&format!("{source}:{fingerprint}:{group}"), NAME_MAX),
        name: short(name, NAME_MAX),
        says: short(says, SAYS_MAX),
        firing,
        started_at: time("startsAt")?.unwrap_or(now),
        ended_at: time("endsAt")?.filter(|_| !firing),
        pools: pools(labels),
        service: label(labels, &["service", "job"]).map(|s| short(s, NAME_MAX)),
        declares: declares(severity, ingest),
        link: item
            .get("generatorURL")
            .and_then(Value::as_str)
            .filter(|url| url.starts_with("http") && url.len() <= NAME_MAX * 4)
            .map(str::to_owned),
    })
}

/// Grafana's legacy webhook: one rule.
fn grafana_rule(body: &Map<String, Value>, ingest: &Ingest, now: Wall) -> Result<Heard, ApiFault> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let firing = match text("state") {
        Some("alerting") => true,
        Some("ok") => false,
        Some("no_data" | "paused" | "pending") => {
            return Ok(Heard::Nothing("a rule without data is no alert"));
        }
        Some(other) => {
            return Err(wrong(
                "state",
                format!("is `{other}`; alerting and ok are known"),
            ));
        }
        None => return Err(wrong("state", "is missing: alerting or ok")),
    };
    let name = text("ruleName")
        .or(text("title"))
        .unwrap_or("a rule without a name");
    let tags = match body.get("tags") {
        Some(Value::Object(tags)) => tags.clone(),
        _ => Map::new(),
    };
    let rule = body
        .get("ruleId")
        .map_or_else(|| name.to_owned(), ToString::to_string);
    let alert = OutsideAlert {
        fingerprint: short(&format!("grafana:rule:{rule}"), NAME_MAX),
        name: short(name, NAME_MAX),
        says: short(text("message").unwrap_or(name), SAYS_MAX),
        firing,
        started_at: now,
        ended_at: (!firing).then_some(now),
        pools: pools(&tags),
        service: label(&tags, &["service", "job"]).map(|s| short(s, NAME_MAX)),
        declares: declares(label(&tags, &["severity"]), ingest),
        link: text("ruleUrl").map(str::to_owned),
    };
    Ok(Heard::Alerts {
        source: "grafana",
        alerts: vec![alert],
        truncated: 0,
        own: 0,
    })
}

/// PagerDuty's webhook, version 3.
fn pagerduty(body: &Map<String, Value>, ingest: &Ingest, now: Wall) -> Result<Heard, ApiFault> {
    let Some(Value::Object(event)) = body.get("event") else {
        return Err(wrong("event", "must be an object"));
    };
    let Some(kind) = event.get("event_type").and_then(Value::as_str) else {
        return Err(wrong(
            "event.event_type",
            "is missing: incident.triggered and so on",
        ));
    };
    let Some(what) = kind.strip_prefix("incident.") else {
        return Ok(Heard::Nothing("only incidents of PagerDuty are taken"));
    };
    let Some(Value::Object(data)) = event.get("data") else {
        return Err(wrong("event.data", "must be an object"));
    };
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let Some(id) = text("id") else {
        return Err(wrong("event.data.id", "is missing"));
    };
    let at = match event.get("occurred_at").and_then(Value::as_str) {
        None => now,
        Some(text) => match documents::read_time(text) {
            Some(at) => at,
            None => {
                let says = format!("`{text}` is no RFC 3339 time");
                return Err(wrong("event.occurred_at", says));
            }
        },
    };
    let agent = event
        .get("agent")
        .and_then(|agent| agent.get("summary")?.as_str());
    let agent = agent.unwrap_or("somebody");
    // One that Weir itself triggered comes back under its own key.
    let own = text("incident_key")
        .filter(|key| key.starts_with("weir/"))
        .and_then(|key| key.rsplit('/').next()?.parse::<IncidentId>().ok());
    if let Some(id) = own {
        return Ok(match what {
            "acknowledged" => Heard::Acknowledged {
                id,
                by: format!("{agent} (PagerDuty)"),
            },
            _ => Heard::Nothing("this is Weir's own incident, come back"),
        });
    }
    let firing = match what {
        "triggered" | "reopened" | "unacknowledged" => true,
        "resolved" => false,
        _ => return Ok(Heard::Nothing("this event changes nothing for Weir")),
    };
    let service = data
        .get("service")
        .and_then(|service| service.get("summary")?.as_str());
    let title = text("title").unwrap_or("a PagerDuty incident without a title");
    let priority = data
        .get("priority")
        .and_then(|p| p.get("summary")?.as_str());
    // High urgency is PagerDuty's word for "page".
    let severity = match text("urgency") {
        Some("high") => Some("page"),
        _ => priority,
    };
    let alert = OutsideAlert {
        fingerprint: short(&format!("pagerduty:{id}"), NAME_MAX),
        name: short(title, NAME_MAX),
        says: match service {
            Some(service) => short(
                &format!("{service}, {}", text("status").unwrap_or(what)),
                SAYS_MAX,
            ),
            None => short(text("status").unwrap_or(what), SAYS_MAX),
        },
        firing,
        started_at: text("created_at")
            .and_then(documents::read_time)
            .unwrap_or(at),
        ended_at: (!firing).then_some(at),
        pools: Vec::new(),
        service: service.map(|s| short(s, NAME_MAX)),
        declares: declares(severity, ingest),
        link: text("html_url").map(str::to_owned),
    };
    Ok(Heard::Alerts {
        source: "pagerduty",
        alerts: vec![alert],
        truncated: 0,
        own: 0,
    })
}

/// An object whose values are texts.
fn texts(
    item: &Map<String, Value>,
    name: &str,
    index: usize,
) -> Result<Map<String, Value>, ApiFault> {
    let field = format!("alerts[{index}].{name}");
    match item.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => match object.iter().find(|(_, v)| !v.is_string()) {
            None => Ok(object.clone()),
            Some((key, _)) => Err(wrong(&format!("{field}.{key}"), "must be a string")),
        },
        Some(_) => Err(wrong(&field, "must be an object of strings")),
    }
}

fn label<'a>(labels: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .find_map(|name| labels.get(*name)?.as_str())
        .filter(|value| !value.trim().is_empty())
}

/// The pool, or the database, that the labels name.
fn pools(labels: &Map<String, Value>) -> Vec<String> {
    if let Some(pool) = label(labels, &["pool"]) {
        return vec![short(pool, NAME_MAX)];
    }
    let database = label(labels, &["database", "datname", "dbname", "db"]);
    let user = label(labels, &["user", "usename"]);
    match (database, user) {
        (Some(database), Some(user)) => vec![short(&format!("{database}/{user}"), NAME_MAX)],
        (Some(database), None) => vec![short(database, NAME_MAX)],
        (None, _) => Vec::new(),
    }
}

/// How severe an incident it is by itself.
fn declares(severity: Option<&str>, ingest: &Ingest) -> Option<Severity> {
    let severity = severity?.to_lowercase();
    if !ingest.declare.contains(&severity) {
        return None;
    }
    Some(match severity.as_str() {
        "sev1" | "p1" | "disaster" | "emergency" => Severity::Sev1,
        "critical" | "page" | "sev2" | "p2" => Severity::Sev2,
        "sev4" | "p4" | "info" => Severity::Sev4,
        _ => Severity::Sev3,
    })
}

fn short(text: &str, most: usize) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(most)
        .collect()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkerBody {
    what: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    at: Option<String>,
    by: String,
    #[serde(default)]
    link: Option<String>,
}

const MARKER: &str = r#"{"what": "deploy checkout", "version": "1.42", "by": "ci"}"#;

/// `POST /api/v1/markers`.
pub(crate) async fn mark(State(api): State<Api>, bytes: Bytes) -> Result<Json<Value>, ApiFault> {
    let body: MarkerBody = act::body(&bytes, MARKER)?;
    let fault = |field: &str, says: &str| {
        ApiFault::bad(
            "bad_marker",
            format!("`{field}` {says}"),
            format!("for example {MARKER}"),
        )
    };
    if body.what.trim().is_empty() {
        return Err(fault("what", "must say what was changed"));
    }
    for (field, text) in [("what", &body.what), ("version", &body.version)] {
        if text.chars().count() > NAME_MAX || text.chars().any(char::is_control) {
            return Err(fault(field, "must be one line of at most 300 letters"));
        }
    }
    if let Some(link) = &body.link
        && (!link.starts_with("http")
            || link.len() > NAME_MAX * 4
            || link.contains(char::is_whitespace))
    {
        return Err(fault("link", "must be an http:// or https:// address"));
    }
    let at = match &body.at {
        None => api.now(),
        Some(text) => documents::read_time(text)
            .ok_or_else(|| fault("at", &format!("is no RFC 3339 time: {text}")))?,
    };
    let marker = Marker {
        what: body.what.trim().to_owned(),
        version: body.version.trim().to_owned(),
        at,
        by: act::checked_by(body.by)?,
        link: body.link,
    };
    act::done(&api, Ask::Outside(FromOutside::Mark(marker)), None).await
}

/// Keys of `GET /api/v1/markers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarkersQuery {
    limit: Option<usize>,
}

/// `GET /api/v1/markers`: newest first.
pub(crate) async fn markers(
    State(api): State<Api>,
    Query(query): Query<MarkersQuery>,
) -> Json<Value> {
    let published = api.handle.now();
    let markers: Vec<Value> = published
        .markers
        .iter()
        .rev()
        .take(query.limit.unwrap_or(100))
        .map(|marker| {
            json!({
                "what": marker.what,
                "version": marker.version,
                "at": documents::time(marker.at),
                "by": marker.by,
                "link": marker.link,
            })
        })
        .collect();
    Json(json!(markers))
}
