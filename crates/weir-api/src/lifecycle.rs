//! What may people do with an incident? Each path takes one wish; `weir-control` says whether it is
//! granted.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::{MethodRouter, post};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::str::FromStr;
use std::time::Duration;

use weir_control::handle::{
    ActionDetails, Answer, Ask, Declaration, DetectedBy, NewAction, OpenActions, Wish,
};
use weir_control::incident::entry::{ActionType, ClockName, IncidentId, NoteKind, Role, Topic};
use weir_model::{HumanDuration, Level, Severity, Wall};

use crate::act::{self, Words, body, checked_by, checked_text};
use crate::fault::ApiFault;
use crate::read;
use crate::server::Api;

/// Reads a body into who wishes what. `now` is for times that are given as "in 30min".
type ReadWish = fn(&Bytes, Wall) -> Result<(String, Wish), ApiFault>;

/// `POST /api/v1/incidents/{id}/…`: one wish.
pub(crate) fn wishes(read: ReadWish) -> MethodRouter<Api> {
    post(
        move |State(api): State<Api>, Path(id): Path<String>, bytes: Bytes| async move {
            let published = api.handle.now();
            // The very one that is meant: what was merged is still spoken of by its own number.
            let id: IncidentId = read::find_own(&published, &id)?.id;
            let (by, wish) = read(&bytes, published.clock.wall(published.at))?;
            let wish = Box::new(wish);
            let by = checked_by(by)?;
            act::done(&api, Ask::Wish { id, by, wish }, Some(id)).await
        },
    )
}

/// A value that is written as a name, with the known ones in the error.
fn named<'de, D, T>(d: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let text = String::deserialize(d)?;
    text.parse().map_err(serde::de::Error::custom)
}

fn maybe_named<'de, D, T>(d: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: std::fmt::Display,
{
    let text = Option::<String>::deserialize(d)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}

fn maybe_time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Wall>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    text.map(|text| {
        crate::json::read_time(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "`{text}` is no time; write RFC 3339 in UTC: 2026-11-23T14:05:00Z"
            ))
        })
    })
    .transpose()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    by: String,
    title: String,
    service: Option<String>,
    #[serde(deserialize_with = "named")]
    severity: Severity,
    #[serde(default, deserialize_with = "maybe_time")]
    impact_started_at: Option<Wall>,
    #[serde(default, deserialize_with = "maybe_time")]
    detected_at: Option<Wall>,
    #[serde(default, deserialize_with = "maybe_named")]
    level: Option<Level>,
    pool: Option<String>,
    detected_by: Option<String>,
    #[serde(default)]
    text: String,
}

const DECLARED: &str = r#"{"by": "ann", "title": "checkout fails", "service": "shop", "severity": "sev2", "impact_started_at": "2026-11-23T14:05:00Z", "pool": "app/web"}; title and severity are needed"#;

/// `POST /api/v1/incidents`.
pub(crate) async fn declare(State(api): State<Api>, bytes: Bytes) -> Result<Json<Value>, ApiFault> {
    let asked: Declared = body(&bytes, DECLARED)?;
    let pool = match asked.pool.as_deref() {
        Some(name) => Some(read::find_pool(&api.handle.now(), name)?),
        None => None,
    };
    let detected_by = match asked.detected_by.as_deref() {
        None | Some("person") => DetectedBy::Person,
        Some("alert") => DetectedBy::Alert,
        Some(other) => {
            return Err(ApiFault::bad(
                "bad_detected_by",
                format!("`{other}` detects no incidents that are declared"),
                "person (the default) or alert; what Weir detects it opens itself",
            ));
        }
    };
    let wanted = Declaration {
        by: checked_by(asked.by)?,
        title: asked.title,
        service: asked.service,
        severity: asked.severity,
        impact_started_at: asked.impact_started_at,
        detected_at: asked.detected_at,
        level: asked.level,
        pool,
        detected_by,
        text: checked_text(asked.text)?,
    };
    match api.handle.ask(Ask::Declare(Box::new(wanted))).await? {
        Answer::Declared(id, says) => Ok(Json(json!({
            "schema": "weir.done/1",
            "says": says,
            "incident": id.to_string(),
        }))),
        _ => Err(read::wrong_answer()),
    }
}

pub(crate) fn acknowledge(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let Words { by, text } = act::words(bytes)?;
    Ok((by, Wish::Acknowledge { text }))
}

pub(crate) fn reopen(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let Words { by, text } = act::words(bytes)?;
    Ok((by, Wish::Reopen { text }))
}

pub(crate) fn unmerge(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let Words { by, text } = act::words(bytes)?;
    Ok((by, Wish::Unmerge { text }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    by: String,
    #[serde(default)]
    text: String,
    #[serde(default, deserialize_with = "maybe_time")]
    happened_at: Option<Wall>,
    #[serde(default, deserialize_with = "maybe_named")]
    kind: Option<NoteKind>,
}

pub(crate) fn note(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    const EXAMPLE: &str = r#"{"by": "ann", "text": "deploy 41", "happened_at": "2026-11-23T14:05:00Z", "kind": "marker"}; text is needed"#;
    let asked: Note = body(bytes, EXAMPLE)?;
    let by = checked_by(asked.by)?;
    if asked.text.trim().is_empty() {
        return Err(ApiFault::bad(
            "no_text",
            "a note needs its `text`",
            format!("for example {EXAMPLE}"),
        ));
    }
    let wish = Wish::Note {
        text: checked_text(asked.text)?,
        happened_at: asked.happened_at,
        kind: asked.kind,
    };
    Ok((by, wish))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ended {
    by: String,
    #[serde(default)]
    text: String,
    #[serde(default, deserialize_with = "maybe_time")]
    at: Option<Wall>,
}

const ENDED: &str =
    r#"{"by": "ann", "text": "rolled back", "at": "2026-11-23T14:05:00Z"}; without `at`: now"#;

pub(crate) fn mitigate(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let Ended { by, text, at } = body(bytes, ENDED)?;
    let text = checked_text(text)?;
    Ok((by, Wish::Mitigate { text, at }))
}

pub(crate) fn resolve(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let Ended { by, text, at } = body(bytes, ENDED)?;
    let text = checked_text(text)?;
    Ok((by, Wish::Resolve { text, at }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Review {
    by: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    anyway: bool,
}

pub(crate) fn review(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let asked: Review = body(bytes, r#"{"by": "cy", "text": "read it", "anyway": false}"#)?;
    let wish = Wish::Review {
        text: checked_text(asked.text)?,
        anyway: asked.anyway,
    };
    Ok((asked.by, wish))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhatOfOpen {
    #[default]
    Refuse,
    Decline,
    Leave,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Close {
    by: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    open_actions: WhatOfOpen,
}

pub(crate) fn close(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let asked: Close = body(
        bytes,
        r#"{"by": "cy", "text": "the reason", "open_actions": "decline"}; open_actions: refuse (the default), decline, leave"#,
    )?;
    let wish = Wish::Close {
        text: checked_text(asked.text)?,
        open_actions: match asked.open_actions {
            WhatOfOpen::Refuse => OpenActions::Refuse,
            WhatOfOpen::Decline => OpenActions::Decline,
            WhatOfOpen::Leave => OpenActions::Leave,
        },
    };
    Ok((asked.by, wish))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Assign {
    by: String,
    #[serde(deserialize_with = "named")]
    role: Role,
    to: String,
    #[serde(default)]
    text: String,
}

pub(crate) fn assign(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let asked: Assign = body(
        bytes,
        r#"{"by": "ann", "role": "lead", "to": "bob"}; roles: lead, communications, scribe"#,
    )?;
    let wish = Wish::Assign {
        role: asked.role,
        to: asked.to,
        text: checked_text(asked.text)?,
    };
    Ok((asked.by, wish))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    by: String,
    #[serde(deserialize_with = "named")]
    into: IncidentId,
    #[serde(default)]
    text: String,
}

pub(crate) fn merge(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let asked: Merge = body(
        bytes,
        r#"{"by": "ann", "into": "INC-3", "text": "the same outage"}"#,
    )?;
    let wish = Wish::Merge {
        into: asked.into,
        text: checked_text(asked.text)?,
    };
    Ok((asked.by, wish))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Correct {
    by: String,
    #[serde(deserialize_with = "clock")]
    clock: ClockName,
    #[serde(default, deserialize_with = "maybe_time")]
    to: Option<Wall>,
    #[serde(default)]
    text: String,
}

/// `mitigated`, or as the document has it: `mitigated_at`.
fn clock<'de, D: Deserializer<'de>>(d: D) -> Result<ClockName, D::Error> {
    let text = String::deserialize(d)?;
    let name = text.strip_suffix("_at").unwrap_or(&text);
    name.parse().map_err(serde::de::Error::custom)
}

pub(crate) fn correct(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let asked: Correct = body(
        bytes,
        r#"{"by": "cy", "clock": "impact_started", "to": "2026-11-23T14:05:00Z", "text": "first error in the log"}; clocks: impact_started, detected, cause_named, acknowledged, mitigated, resolved"#,
    )?;
    let wish = Wish::Correct {
        clock: asked.clock,
        to: asked.to,
        text: checked_text(asked.text)?,
    };
    Ok((asked.by, wish))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    by: String,
    impact: Option<String>,
    doing: String,
    #[serde(default, deserialize_with = "maybe_time")]
    next_update_at: Option<Wall>,
    #[serde(default, deserialize_with = "maybe_named")]
    next_update_in: Option<HumanDuration>,
}

pub(crate) fn update(bytes: &Bytes, now: Wall) -> Result<(String, Wish), ApiFault> {
    const EXAMPLE: &str = r#"{"by": "ann", "doing": "rolling back deploy 41", "next_update_in": "30min"}; impact: from the measured numbers, if left out"#;
    let asked: Update = body(bytes, EXAMPLE)?;
    let next_update_at = match (asked.next_update_at, asked.next_update_in) {
        (Some(_), Some(_)) => {
            return Err(ApiFault::bad(
                "two_times",
                "`next_update_at` and `next_update_in` say the same thing",
                "send one of them",
            ));
        }
        (at, None) => at,
        // More than a year is a slip of the keyboard.
        (None, Some(HumanDuration(by))) => {
            Some(now.after(by.min(Duration::from_secs(366 * 86_400))))
        }
    };
    let wish = Wish::Update {
        impact: asked.impact.map(checked_text).transpose()?,
        doing: checked_text(asked.doing)?,
        next_update_at,
    };
    Ok((asked.by, wish))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    by: String,
    #[serde(deserialize_with = "named")]
    topic: Topic,
    text: String,
    #[serde(default, deserialize_with = "maybe_time")]
    happened_at: Option<Wall>,
}

pub(crate) fn state(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let asked: Statement = body(
        bytes,
        r#"{"by": "ann", "topic": "root_cause", "text": "deploy 41 doubled the queries"}"#,
    )?;
    let wish = Wish::State {
        topic: asked.topic,
        text: checked_text(asked.text)?,
        happened_at: asked.happened_at,
    };
    Ok((asked.by, wish))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenAnswer {
    by: String,
    question: Value,
    text: String,
}

pub(crate) fn answer(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    let asked: GivenAnswer = body(
        bytes,
        r#"{"by": "ann", "question": 2, "text": "nobody watched the queue"}; question: its number in `questions`, from 1, or its words"#,
    )?;
    let wish = Wish::Answer {
        question: match asked.question {
            Value::String(words) => words,
            other => other.to_string(),
        },
        text: checked_text(asked.text)?,
    };
    Ok((asked.by, wish))
}

#[derive(Debug, Default, Deserialize)]
struct Details {
    owner: Option<String>,
    due: Option<String>,
    priority: Option<String>,
    tracker: Option<String>,
    verify: Option<String>,
}

impl From<Details> for ActionDetails {
    fn from(details: Details) -> Self {
        Self {
            owner: details.owner,
            due: details.due,
            priority: details.priority,
            tracker: details.tracker,
            verify: details.verify,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum ActionWish {
    Add {
        by: String,
        says: String,
        #[serde(rename = "type", deserialize_with = "named")]
        kind: ActionType,
        #[serde(default, rename = "for")]
        for_what: String,
        #[serde(flatten)]
        details: Details,
    },
    Adopt {
        by: String,
        #[serde(default)]
        ids: Vec<String>,
    },
    Change {
        by: String,
        id: String,
        #[serde(default)]
        text: String,
        #[serde(flatten)]
        details: Details,
    },
    Done {
        by: String,
        id: String,
        #[serde(default)]
        text: String,
    },
    Decline {
        by: String,
        id: String,
        #[serde(default)]
        text: String,
    },
    Reopen {
        by: String,
        id: String,
        #[serde(default)]
        text: String,
    },
    Verify {
        by: String,
        id: String,
        ok: bool,
        #[serde(default)]
        text: String,
    },
}

const ACTION: &str = r#"{"by": "ann", "do": "add", "says": "Set the pool to 20", "type": "prevent", "owner": "platform", "due": "2026-12-01", "priority": "p1", "verify": "metric: pool app/web wait_s.p99 < 0.01 for 5min"}; do: add {says, type, for, owner, due, priority, tracker, verify}, adopt {ids}, change {id, owner, due, priority, tracker, verify}, done {id}, decline {id, text}, reopen {id, text}, verify {id, ok, text}"#;

pub(crate) fn action(bytes: &Bytes, _: Wall) -> Result<(String, Wish), ApiFault> {
    Ok(match body::<ActionWish>(bytes, ACTION)? {
        ActionWish::Add {
            by,
            says,
            kind,
            for_what,
            details,
        } => {
            let priority = details.priority.clone().unwrap_or_else(|| "p2".to_owned());
            let new = NewAction {
                says,
                kind,
                for_what,
                priority,
                details: ActionDetails {
                    priority: None,
                    ..details.into()
                },
            };
            (by, Wish::AddAction(new))
        }
        ActionWish::Adopt { by, ids } => (by, Wish::AdoptActions { ids }),
        ActionWish::Change {
            by,
            id,
            text,
            details,
        } => {
            let text = checked_text(text)?;
            let details = details.into();
            let wish = Wish::ChangeAction {
                action: id,
                details,
                text,
            };
            (by, wish)
        }
        ActionWish::Done { by, id, text } => {
            let text = checked_text(text)?;
            (by, Wish::ActionDone { action: id, text })
        }
        ActionWish::Decline { by, id, text } => {
            let text = checked_text(text)?;
            (by, Wish::ActionDeclined { action: id, text })
        }
        ActionWish::Reopen { by, id, text } => {
            let text = checked_text(text)?;
            (by, Wish::ActionReopened { action: id, text })
        }
        ActionWish::Verify { by, id, ok, text } => {
            let text = checked_text(text)?;
            let wish = Wish::ActionChecked {
                action: id,
                ok,
                text,
            };
            (by, wish)
        }
    })
}
