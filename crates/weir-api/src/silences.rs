//! Who is called, who isn't, and does a channel work? Silences, an incident's escalation, tests of
//! channels.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_control::handle::{Answer, Ask};
use weir_control::incident::Incident;
use weir_control::incident::called::Turn;
use weir_control::incident::entry::Kind;
use weir_control::notify::escalate::{Next, State as Escalation};
use weir_control::notify::outside::FromOutside;
use weir_control::notify::policy::Matcher;
use weir_control::notify::silence::Silence;
use weir_model::{HumanDuration, Severity, Wall};

use crate::fault::ApiFault;
use crate::server::Api;
use crate::{act, json as documents, read};

/// Letters of a reason.
const WHY_MAX: usize = 1_000;
/// Patterns of one silence.
const PATTERNS_MAX: usize = 50;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SilenceBody {
    by: String,
    #[serde(default, alias = "text")]
    why: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    until: Option<String>,
    /// `2h`, instead of `until`.
    #[serde(default, rename = "for")]
    lasts: Option<String>,
    #[serde(default, rename = "match")]
    meant: MatchBody,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MatchBody {
    severity: Vec<String>,
    pool: Vec<String>,
    kind: Vec<String>,
}

const SILENCE: &str = r#"{"by": "ann", "why": "upgrade of app", "for": "2h", "match": {"pool": ["app/*"], "severity": ["sev3"]}}"#;

fn wrong(field: &str, says: impl std::fmt::Display) -> ApiFault {
    ApiFault::bad(
        "bad_silence",
        format!("`{field}` {says}"),
        format!("for example {SILENCE}"),
    )
}

fn matcher(body: MatchBody) -> Result<Matcher, ApiFault> {
    let severity = body
        .severity
        .iter()
        .map(|text| {
            text.parse::<Severity>()
                .map_err(|fault| wrong("match.severity", fault))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let kind = body
        .kind
        .iter()
        .map(|text| {
            serde_json::from_value::<Kind>(json!(text)).map_err(|_| {
                wrong(
                    "match.kind",
                    format!("`{text}` is no kind; known are real, drill, declared"),
                )
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if body.pool.len() > PATTERNS_MAX {
        return Err(wrong(
            "match.pool",
            format!("has more than {PATTERNS_MAX} patterns"),
        ));
    }
    if let Some(bad) = body
        .pool
        .iter()
        .find(|p| p.trim().is_empty() || p.len() > 200)
    {
        return Err(wrong("match.pool", format!("`{bad}` names no pool")));
    }
    Ok(Matcher {
        severity,
        pool: body.pool,
        kind,
    })
}

/// `POST /api/v1/silences`.
pub(crate) async fn begin(State(api): State<Api>, bytes: Bytes) -> Result<Json<Value>, ApiFault> {
    let body: SilenceBody = act::body(&bytes, SILENCE)?;
    let time = |field: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => documents::read_time(text)
            .map(Some)
            .ok_or_else(|| wrong(field, format!("is no RFC 3339 time: {text}"))),
    };
    let from = time("from", &body.from)?;
    let until = match (time("until", &body.until)?, &body.lasts) {
        (Some(until), None) => until,
        (None, Some(text)) => {
            let lasts: HumanDuration = text.parse().map_err(|fault| wrong("for", fault))?;
            from.unwrap_or(api.now()).after(lasts.0)
        }
        (Some(_), Some(_)) => return Err(wrong("until", "and `for` say the same; give one")),
        (None, None) => return Err(wrong("until", "or `for` must say when it ends")),
    };
    let why = body.why.trim().to_owned();
    if why.is_empty() || why.chars().count() > WHY_MAX {
        return Err(wrong(
            "why",
            "must say why: whoever looks for the page that never came reads it",
        ));
    }
    let wish = FromOutside::Silence {
        meant: matcher(body.meant)?,
        from,
        until,
        by: act::checked_by(body.by)?,
        why,
    };
    match api.handle.ask(Ask::Outside(wish)).await? {
        Answer::Document(document) => match serde_json::from_value::<Silence>(document) {
            Ok(silence) => Ok(Json(document_of(&silence, api.now()))),
            Err(_) => Err(read::wrong_answer()),
        },
        Answer::Done(says) => Ok(Json(json!({ "schema": "weir.done/1", "says": says }))),
        _ => Err(read::wrong_answer()),
    }
}

/// `GET /api/v1/silences`: what holds and what will, the file's windows first.
pub(crate) async fn list(State(api): State<Api>) -> Json<Value> {
    let now = api.now();
    let published = api.handle.now();
    let windows = api
        .board
        .as_ref()
        .map_or(&[][..], |board| &board.paging.maintenance);
    let all: Vec<Value> = windows
        .iter()
        .chain(&published.silences)
        .filter(|silence| silence.until > now)
        .map(|silence| document_of(silence, now))
        .collect();
    Json(json!(all))
}

fn document_of(silence: &Silence, now: Wall) -> Value {
    json!({
        "schema": "weir.silence/1",
        "id": silence.id,
        "active": silence.holds(now),
        "maintenance": silence.id.starts_with('M'),
        "match": silence.meant,
        "from": documents::time(silence.from),
        "until": documents::time(silence.until),
        "by": silence.by,
        "why": silence.why,
    })
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ByQuery {
    by: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ByBody {
    by: String,
}

/// `DELETE /api/v1/silences/{id}`: who says so stands in the body or in `?by=`.
pub(crate) async fn end(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<ByQuery>,
    bytes: Bytes,
) -> Result<Json<Value>, ApiFault> {
    let by = match query.by {
        Some(by) if bytes.is_empty() => by,
        _ => act::body::<ByBody>(&bytes, r#"{"by": "ann"}"#)?.by,
    };
    let by = act::checked_by(by)?;
    if id.starts_with('M') {
        return Err(ApiFault::bad(
            "from_the_file",
            format!("{id} stands in the configuration file"),
            "take it out of [[maintenance]] there",
        ));
    }
    act::done(&api, Ask::Outside(FromOutside::EndSilence { id, by }), None).await
}

/// `GET /api/v1/incidents/{id}/escalation`: who was called, who has it, whom comes next and when.
pub(crate) async fn escalation(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiFault> {
    let published = api.handle.now();
    let incident = read::find_incident(&published, &id)?;
    let now = api.now();
    let calls = calls_of(&incident);
    let mut document = json!({
        "schema": "weir.escalation/1",
        "incident": incident.id.to_string(),
        "policy": null,
        "acknowledged": null,
        "calls": calls,
        "next": null,
        "says": "this Weir has no channels: add [[notify]] and [[escalation]]",
    });
    let Some(board) = &api.board else {
        return Ok(Json(document));
    };
    let state = Escalation::of(&incident, &board.paging);
    if let Some(policy) = board.paging.policy_for(&incident, incident.severity) {
        document["policy"] = json!(board.paging.policies[policy].name);
    }
    if let Some((at, by)) = state.acknowledged() {
        document["acknowledged"] = json!({ "by": by, "at": documents::time(at) });
    }
    match state.next(
        &incident,
        &board.paging,
        &published.silences,
        &board.wants(),
        now,
    ) {
        Next::Do(_) => {
            document["says"] = json!("something is being done about it now");
        }
        Next::Wait {
            until,
            says,
            upcoming,
        } => {
            document["says"] = json!(says);
            document["next"] = match upcoming {
                Some(next) => json!({
                    "step": next.step, "to": next.to, "at": documents::time(next.at),
                    "in_s": documents::seconds(next.at.since(now)),
                }),
                None => Value::Null,
            };
            document["looks_again_at"] = json!(until.map(documents::time));
        }
    }
    Ok(Json(document))
}

fn calls_of(incident: &Incident) -> Vec<Value> {
    let mut calls: Vec<Value> = Vec::new();
    for (at, turn) in incident.called.turns() {
        match turn {
            Turn::Called { step, to, channel } => calls.push(json!({
                "step": step, "to": to, "channel": channel, "at": documents::time(*at),
                "taken": null, "answered_at": null,
            })),
            Turn::Passed { step } => calls.push(json!({
                "step": step, "to": null, "channel": null, "at": documents::time(*at),
                "taken": null, "answered_at": null,
            })),
            Turn::Answered { step, channel, ok } => {
                let call = calls
                    .iter_mut()
                    .rev()
                    .find(|call| call["step"] == *step && call["channel"] == **channel);
                if let Some(call) = call {
                    call["taken"] = json!(ok);
                    call["answered_at"] = json!(documents::time(*at));
                }
            }
            Turn::Severity(_)
            | Turn::Acknowledged { .. }
            | Turn::AckExpired
            | Turn::Mitigated
            | Turn::Resolved
            | Turn::Reopened
            | Turn::Silenced { .. } => {}
        }
    }
    calls
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TestBody {
    channel: String,
    by: String,
}

/// `POST /api/v1/notify/test`: sends a test message and says what the other side answered.
pub(crate) async fn test(State(api): State<Api>, bytes: Bytes) -> Result<Json<Value>, ApiFault> {
    let TestBody { channel, by } = act::body(&bytes, r#"{"channel": "pagerduty", "by": "ann"}"#)?;
    let by = act::checked_by(by)?;
    let known: Vec<String> = api
        .board
        .iter()
        .flat_map(|board| board.wants())
        .map(|wants| wants.channel)
        .collect();
    let tested = async { api.board.as_ref()?.test(&channel, api.now()).await };
    // Below the limit on all answers.
    let tested = tokio::time::timeout(Duration::from_secs(18), tested).await;
    let (ok, says) = match tested {
        Ok(Some(Ok(says))) => (true, says),
        Ok(Some(Err(says))) => (false, says),
        Err(_) => (false, "no answer within 18 s".to_owned()),
        Ok(None) => {
            let hint = match known.is_empty() {
                true => "no [[notify]] is configured".to_owned(),
                false => format!("there are {}", known.join(", ")),
            };
            let says = format!("there is no channel `{channel}`");
            return Err(ApiFault::missing("no_such_channel", says, hint));
        }
    };
    tracing::info!(%channel, by, ok, says, "A channel was tested.");
    Ok(Json(json!({
        "schema": "weir.channel_test/1", "channel": channel, "ok": ok, "says": says,
    })))
}
