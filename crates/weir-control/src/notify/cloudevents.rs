//! CloudEvents 1.0, structured mode (`application/cloudevents+json`), for a webhook of anybody's.

use serde_json::{Value, json};

use super::{Message, What, page, uri_path};
use crate::incident::json as incident_json;
use crate::incident::words::rfc3339;

/// One event. Its id is the incident, the journal entry it speaks of, and the step that sent it, so
/// that a repeated delivery is known as such.
pub fn event(message: &Message<'_>) -> Value {
    let incident = message.incident;
    let step = message
        .step
        .map_or(String::new(), |step| format!("-s{step}"));
    let says = match message.what {
        What::Test => super::TEST_SAYS.to_owned(),
        _ => page(incident),
    };
    json!({
        "specversion": "1.0",
        "id": format!("{}-{}{step}", incident.id, incident.seq),
        "source": format!("/weir/pools/{}", uri_path(&incident.service())),
        "type": kind(message.what),
        "subject": incident.id.to_string(),
        "time": rfc3339(incident.last_at),
        "datacontenttype": "application/json",
        "data": {
            "schema": "weir.notification/1",
            "says": says,
            "called": message.to,
            "step": message.step,
            "by": message.by,
            "incident": incident_json::document(incident),
        },
    })
}

/// The CloudEvents type.
fn kind(what: What) -> &'static str {
    match what {
        What::Opened => "dev.weir.incident.opened.v1",
        What::Changed => "dev.weir.incident.changed.v1",
        What::Called => "dev.weir.incident.escalated.v1",
        What::Acknowledged => "dev.weir.incident.acknowledged.v1",
        What::Resolved => "dev.weir.incident.resolved.v1",
        What::Test => "dev.weir.test.v1",
    }
}
