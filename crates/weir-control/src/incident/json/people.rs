//! What people wrote, as JSON: roles, updates, corrections, merges, actions, statements.

use serde_json::{Value, json};
use weir_model::Wall;

use super::evidence;
use crate::incident::entry::{By, Kind, Role};
use crate::incident::words::rfc3339;
use crate::incident::{Action, Incident, Row, verify};

/// The keys that are people's, added to an incident's document.
pub(super) fn add(document: &mut Value, incident: &Incident) {
    let at = |at: Option<Wall>| at.map(rfc3339);
    let roles: serde_json::Map<String, Value> = Role::ALL
        .iter()
        .map(|role| {
            let held = incident.role(*role).map(|assignment| {
                json!({
                    "who": assignment.to,
                    "since": rfc3339(assignment.at),
                    "assigned_by": who(&assignment.by),
                })
            });
            (role.name().to_owned(), held.unwrap_or(Value::Null))
        })
        .collect();
    let more = json!({
        "service": incident.service(),
        "declared_by": (incident.kind == Kind::Declared).then(|| who(&incident.opened_by)),
        "acknowledged_by": incident.acknowledged_by.as_ref().map(who),
        "roles": roles,
        "updates": incident.updates.iter().map(|update| json!({
            "at": rfc3339(update.at),
            "who": who(&update.by),
            "impact": update.impact,
            "doing": update.doing,
            "next_update_at": at(update.next_update_at),
            "says": update.says,
        })).collect::<Vec<_>>(),
        "next_update_at": at(incident.next_update_at()),
        "corrections": incident.corrections.iter().map(|correction| json!({
            "at": rfc3339(correction.at),
            "who": who(&correction.by),
            "clock": correction.clock.name(),
            "from": at(correction.from),
            "to": at(correction.to),
            "says": correction.says,
        })).collect::<Vec<_>>(),
        "merged_into": incident.merged_into.map(|id| id.to_string()),
        "merged_from": incident.merged_from.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "related": incident.related.iter().map(|related| json!({
            "id": related.to.to_string(),
            "says": related.says,
            "open_actions": related.open_actions,
        })).collect::<Vec<_>>(),
        "stated": incident.stated.iter().map(|stated| json!({
            "at": rfc3339(stated.at),
            "who": who(&stated.by),
            "topic": stated.topic.name(),
            "says": stated.says,
            "happened_at": at(stated.happened_at),
        })).collect::<Vec<_>>(),
        "answers": incident.answers.iter().map(|answer| json!({
            "at": rfc3339(answer.at),
            "who": who(&answer.by),
            "question": answer.question,
            "says": answer.says,
        })).collect::<Vec<_>>(),
        "markers": incident.markers.iter().map(word).collect::<Vec<_>>(),
        "alerts": incident.alerts.iter().map(|alert| json!({
            "at": rfc3339(alert.at),
            "who": who(&alert.by),
            "source": alert.source,
            "fingerprint": alert.fingerprint,
            "status": alert.status.map(|status| status.name()),
            "link": alert.link,
            "says": alert.says,
        })).collect::<Vec<_>>(),
        "escalations": incident.escalations.iter().map(|escalation| json!({
            "at": rfc3339(escalation.at),
            "step": escalation.step,
            "to": escalation.to,
            "channel": escalation.channel,
            "says": escalation.says,
        })).collect::<Vec<_>>(),
        "reviewed": incident.review.as_ref().map(word),
        "closed": incident.closing.as_ref().map(word),
    });
    if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
        document.extend(more);
    }
}

/// One action: proposed, or as it stands in the journal.
pub(super) fn action(action: &Action) -> Value {
    json!({
        "id": action.id,
        "says": action.says,
        "for": action.for_what,
        "type": action.kind.name(),
        "owner": action.owner,
        "due": action.due,
        "priority": action.priority,
        "verify": action.verify,
        "verified_by": verify::parse(&action.verify).ok().map(|verify| verify.name()),
        "tracker": action.tracker,
        "status": action.status.name(),
        "status_at": action.status_at.map(rfc3339),
        "status_says": action.status_says,
        "adopted": action.adopted,
        "checks": action.checks.iter().map(|check| json!({
            "at": rfc3339(check.at),
            "who": who(&check.by),
            "ok": check.ok,
            "says": check.says,
            "evidence": check.evidence.iter().map(evidence).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn word(row: &Row) -> Value {
    json!({ "at": rfc3339(row.at), "who": who(&row.by), "says": row.says })
}

/// A name: a person's, a system's, or `weir`.
fn who(by: &By) -> &str {
    match by {
        By::Weir => "weir",
        By::Person(name) | By::System(name) => name,
    }
}
