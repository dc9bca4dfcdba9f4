//! `GET /api/v1/blackbox/range`: how far back can one look, how finely, and what happened there?

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use weir_control::handle::{Answer, Ask, Published, Reach};
use weir_model::Wall;

use crate::fault::ApiFault;
use crate::json;
use crate::read;
use crate::server::Api;

/// Markers shown: the newest.
const MARKERS: usize = 2_000;

/// `GET /api/v1/blackbox/range`.
pub(crate) async fn range(State(api): State<Api>) -> Result<Json<Value>, ApiFault> {
    let Answer::Reach(reach) = api.handle.ask(Ask::Reach { decisions: true }).await? else {
        return Err(read::wrong_answer());
    };
    Ok(Json(document(&reach, &api.handle.now())))
}

/// How finely which stretch was measured, oldest first.
pub(crate) fn spans(reach: &Reach) -> Vec<Value> {
    let span = |from: Wall, to: Wall, resolution: f64| {
        json!({
            "from": json::time(from),
            "to": json::time(to),
            "resolution_s": resolution,
        })
    };
    let mut spans = Vec::new();
    if let (Some(from), Some(to)) = (reach.minutes_from, reach.minutes_to)
        && from < to
    {
        spans.push(span(from, to, 60.0));
    }
    if let Some(from) = reach.samples_from {
        spans.push(span(from, reach.latest, 0.1));
    }
    spans
}

fn document(reach: &Reach, published: &Published) -> Value {
    let earliest = match (reach.minutes_from, reach.samples_from) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    json!({
        "schema": "weir.blackbox_range/1",
        "earliest": earliest.map(json::time),
        "latest": json::time(reach.latest),
        "spans": spans(reach),
        "markers": markers(reach, published, earliest),
    })
}

struct Marker<'a> {
    at: Wall,
    to: Option<Wall>,
    kind: &'static str,
    says: String,
    by: &'a str,
    incident: Option<String>,
    pool: Option<String>,
    link: Option<&'a str>,
}

fn markers(reach: &Reach, published: &Published, earliest: Option<Wall>) -> Vec<Value> {
    let mut markers = Vec::new();
    for incident in &published.incidents {
        let clocks = incident.clocks();
        markers.push(Marker {
            at: clocks.impact_started_at,
            to: clocks.resolved_at,
            kind: "incident",
            says: incident.title(),
            by: &incident.detected_by,
            incident: Some(incident.id.to_string()),
            pool: incident.pools.first().map(ToString::to_string),
            link: None,
        });
    }
    for decision in &reach.decisions {
        markers.push(Marker {
            at: decision.at,
            to: None,
            kind: "decision",
            says: format!("{}: {}", decision.pool, decision.says),
            by: match &*decision.by {
                "" => "weir",
                by => by,
            },
            incident: None,
            pool: Some(decision.pool.clone()),
            link: None,
        });
    }
    for change in published.changes.iter() {
        markers.push(Marker {
            at: change.at,
            to: None,
            kind: "configuration",
            says: change.says.clone(),
            by: &change.by,
            incident: None,
            pool: None,
            link: None,
        });
    }
    for marker in &published.markers {
        markers.push(Marker {
            at: marker.at,
            to: None,
            kind: "deploy",
            says: marker.says(),
            by: &marker.by,
            incident: None,
            pool: None,
            link: marker.link.as_deref(),
        });
    }
    // What ended before anything was recorded has no place on the slider.
    markers.retain(|marker| {
        let end = marker.to.unwrap_or(marker.at);
        earliest.is_some_and(|earliest| end >= earliest)
            || marker.to.is_none() && marker.kind == "incident"
    });
    markers.sort_by_key(|marker| marker.at);
    let first = markers.len().saturating_sub(MARKERS);
    markers
        .drain(first..)
        .map(|marker| {
            json!({
                "at": json::time(marker.at),
                "to": marker.to.map(json::time),
                "kind": marker.kind,
                "says": marker.says,
                "by": super::known(marker.by),
                "incident": marker.incident,
                "pool": marker.pool,
                "link": marker.link,
            })
        })
        .collect()
}
