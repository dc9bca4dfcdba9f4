//! Opsgenie's alert API, as Jira Service Management serves it: `POST {base}/v2/alerts`.
//!
//! The answer is 202 with a `requestId`: taken, not done. What came of it stands at
//! `{base}/v2/alerts/requests/{requestId}`.

use serde_json::{Map, Value, json};
use weir_model::Severity;

use super::{Message, What, facts, page, pagerduty, runes, summary};

/// Where JSM serves it. Opsgenie's own `https://api.opsgenie.com` has the same shape.
pub const BASE: &str = "https://api.atlassian.com/jsm/ops/integration";
/// Runes of `message`.
pub const MESSAGE_MAX: usize = 130;
/// Characters of `description`.
const DESCRIPTION_MAX: usize = 15_000;
/// Characters of `entity`.
const ENTITY_MAX: usize = 512;

/// Path behind the base URL, and body.
pub fn request(message: &Message<'_>, team: Option<&str>) -> (String, Value) {
    let alias = alias(message);
    match message.what {
        What::Acknowledged => (
            act(&alias, "acknowledge"),
            noted(message, message.by.unwrap_or("somebody")),
        ),
        What::Resolved => (act(&alias, "close"), noted(message, "Weir")),
        What::Opened | What::Changed | What::Called | What::Test => {
            ("/v2/alerts".to_owned(), alert(message, &alias, team))
        }
    }
}

/// The request that ends a test's alert at once.
pub fn test_over(message: &Message<'_>) -> (String, Value) {
    (act(&alias(message), "close"), noted(message, "Weir"))
}

fn alert(message: &Message<'_>, alias: &str, team: Option<&str>) -> Value {
    let incident = message.incident;
    let mut details = Map::new();
    for (name, value) in facts(incident) {
        details.insert(name.to_lowercase().replace(' ', "_"), json!(value));
    }
    details.insert("incident".to_owned(), json!(message.link()));
    let mut alert = json!({
        "message": runes(&summary(message), MESSAGE_MAX),
        "alias": alias,
        "description": runes(&page(incident), DESCRIPTION_MAX),
        "tags": ["weir", incident.severity.name(), incident.id.to_string()],
        "details": details,
        "entity": runes(&incident.service(), ENTITY_MAX),
        "source": message.from.instance,
        "priority": priority(incident.severity),
    });
    if let Some(team) = team {
        alert["responders"] = json!([{ "type": "team", "name": team }]);
    }
    alert
}

fn noted(message: &Message<'_>, by: &str) -> Value {
    json!({ "user": by, "source": message.from.instance, "note": runes(&summary(message), 1_000) })
}

/// The same key as PagerDuty's, for the same reason.
fn alias(message: &Message<'_>) -> String {
    pagerduty::dedup_key(message)
}

fn act(alias: &str, verb: &str) -> String {
    let alias = super::uri_path(alias).replace('/', "%2F");
    format!("/v2/alerts/{alias}/{verb}?identifierType=alias")
}

fn priority(severity: Severity) -> &'static str {
    match severity {
        Severity::Sev1 => "P1",
        Severity::Sev2 => "P2",
        Severity::Sev3 => "P3",
        Severity::Sev4 => "P4",
    }
}
