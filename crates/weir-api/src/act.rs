//! What may a person or a program ask for? Whatever changes something says by whom.

use std::fmt;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use weir_control::handle::{Answer, Ask, OperatorOrder, Published};
use weir_control::incident::entry::IncidentId;
use weir_control::regulate::RegulatorMode;
use weir_model::{ClientId, PoolKey, ServerId};

use crate::fault::ApiFault;
use crate::read;
use crate::server::Api;

/// Names of people are cut off nowhere and may not be longer.
const BY_MAX: usize = 200;
/// Longer texts belong into a document that the note links to.
const TEXT_MAX: usize = 16 * 1024;
/// A pool larger than this is a slip of the keyboard.
const SIZE_MAX: u32 = 10_000;

/// Reads a body, or says where it went wrong.
pub(crate) fn body<T: DeserializeOwned>(bytes: &Bytes, example: &str) -> Result<T, ApiFault> {
    serde_json::from_slice(bytes).map_err(|error| {
        // serde_json's own text ends in "at line … column …".
        ApiFault::bad(
            "bad_json",
            format!("couldn't read the body: {error}"),
            format!("for example {example}"),
        )
    })
}

pub(crate) fn checked_by(by: String) -> Result<String, ApiFault> {
    let by = by.trim().to_owned();
    if by.is_empty() || by.len() > BY_MAX || by.chars().any(char::is_control) {
        return Err(ApiFault::bad(
            "bad_by",
            format!("`by` must name who asks, in one line of at most {BY_MAX} bytes"),
            r#"for example {"by": "ann"}"#,
        ));
    }
    Ok(by)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Words {
    pub(crate) by: String,
    #[serde(default)]
    pub(crate) text: String,
}

const WORDS: &str = r#"{"by": "ann", "text": "looking at it"}"#;

pub(crate) fn words(bytes: &Bytes) -> Result<Words, ApiFault> {
    let Words { by, text } = body(bytes, WORDS)?;
    let text = checked_text(text)?;
    Ok(Words { by, text })
}

pub(crate) fn checked_text(text: String) -> Result<String, ApiFault> {
    if text.len() > TEXT_MAX {
        return Err(ApiFault::bad(
            "text_too_long",
            format!(
                "the text has {} bytes; at most {TEXT_MAX} are taken",
                text.len()
            ),
            "put it into a document and link to it",
        ));
    }
    Ok(text)
}

/// Asks, and tells what was done to which incident: the survivor, where one was merged.
pub(crate) async fn done(
    api: &Api,
    ask: Ask,
    incident: Option<IncidentId>,
) -> Result<Json<Value>, ApiFault> {
    match api.handle.ask(ask).await? {
        Answer::Done(says) => {
            let published = api.handle.now();
            let spoken_for = |id| published.incident(id).map_or(id, |incident| incident.id);
            Ok(Json(json!({
                "schema": "weir.done/1",
                "says": says,
                "incident": incident.map(|id| spoken_for(id).to_string()),
            })))
        }
        Answer::Declared(..)
        | Answer::Samples(_)
        | Answer::Snapshot(_)
        | Answer::Published(_)
        | Answer::Series(_)
        | Answer::Waits(_)
        | Answer::Statements(_)
        | Answer::Texts(_)
        | Answer::Reach(_)
        | Answer::Foreseen(_)
        | Answer::Document(_)
        | Answer::Journal(_)
        | Answer::Imported(_) => Err(read::wrong_answer()),
    }
}

/// How an order names a pool: `"app/dashboard"`, `{"database": …, "user": …}`, or the number that
/// a remedy's order carries.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum PoolName {
    Number(u32),
    Name(String),
    Key { database: String, user: String },
}

impl PoolName {
    fn find(&self, published: &Published) -> Result<PoolKey, ApiFault> {
        let found = match self {
            Self::Name(name) => return read::find_pool(published, name),
            Self::Number(number) => published.pools.iter().find(|pool| pool.id.0 == *number),
            Self::Key { database, user } => published
                .pools
                .iter()
                .find(|pool| *pool.key.database == **database && *pool.key.user == **user),
        };
        match found {
            Some(pool) => Ok(pool.key.clone()),
            None => Err(ApiFault::missing(
                "no_such_pool",
                format!("there is no pool {self}"),
                read::known_pools(published),
            )),
        }
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "number {number}"),
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Key { database, user } => write!(f, "`{database}/{user}`"),
        }
    }
}

fn mode<'de, D: Deserializer<'de>>(d: D) -> Result<RegulatorMode, D::Error> {
    let text = String::deserialize(d)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "`{text}` is no mode of the regulator; known are observe, recommend, act"
        ))
    })
}

#[derive(Debug, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case", deny_unknown_fields)]
enum Wish {
    Resize {
        by: String,
        pool: PoolName,
        size: u32,
    },
    Pause {
        by: String,
        database: Option<String>,
    },
    Resume {
        by: String,
        database: Option<String>,
    },
    Cancel {
        by: String,
        server: u64,
    },
    CloseClient {
        by: String,
        client: u64,
        #[serde(default)]
        reason: String,
    },
    Approve {
        by: String,
        pool: PoolName,
    },
    Regulator {
        by: String,
        #[serde(deserialize_with = "mode")]
        mode: RegulatorMode,
    },
}

const WISH: &str = r#"{"by": "ann", "order": "resize", "pool": "app/dashboard", "size": 18}; orders: resize {pool, size}, pause {database}, resume {database}, cancel {server}, close_client {client, reason}, approve {pool}, regulator {mode}"#;

fn meant(wish: Wish, published: &Published) -> Result<(String, OperatorOrder), ApiFault> {
    let (by, order) = match wish {
        Wish::Resize { by, pool, size } => {
            if size == 0 || size > SIZE_MAX {
                return Err(ApiFault::bad(
                    "bad_size",
                    format!("a pool can't have size {size}"),
                    format!("1 to {SIZE_MAX}; to stop a pool, send the order `pause`"),
                ));
            }
            let pool = pool.find(published)?;
            (by, OperatorOrder::Resize { pool, size })
        }
        Wish::Pause { by, database } => (by, OperatorOrder::Pause { database }),
        Wish::Resume { by, database } => (by, OperatorOrder::Resume { database }),
        Wish::Cancel { by, server } => {
            let server = ServerId(server);
            (by, OperatorOrder::Cancel { server })
        }
        Wish::CloseClient { by, client, reason } => {
            let client = ClientId(client);
            let reason = if reason.trim().is_empty() {
                format!("closed by {}", by.trim())
            } else {
                reason.chars().take(BY_MAX).collect()
            };
            (by, OperatorOrder::CloseClient { client, reason })
        }
        Wish::Approve { by, pool } => {
            let pool = pool.find(published)?;
            (by, OperatorOrder::Approve { pool })
        }
        Wish::Regulator { by, mode } => (by, OperatorOrder::Regulator { mode }),
    };
    Ok((checked_by(by)?, order))
}

/// Beside what is ordered.
#[derive(Debug, Default, Deserialize)]
struct How {
    #[serde(default)]
    dry_run: bool,
}

/// `POST /api/v1/orders`: does it, or with `dry_run` only says what it would do. Either way the
/// answer tells what comes of it and how to take it back.
pub(crate) async fn order(State(api): State<Api>, bytes: Bytes) -> Result<Json<Value>, ApiFault> {
    let mut sent: Value = body(&bytes, WISH)?;
    let how: How = {
        let dry_run = sent.as_object_mut().and_then(|sent| sent.remove("dry_run"));
        let how = json!({ "dry_run": dry_run.unwrap_or(Value::Bool(false)) });
        body(&Bytes::from(how.to_string()), r#"{"dry_run": true}"#)?
    };
    let wish: Wish = body(&Bytes::from(sent.to_string()), WISH)?;
    let (by, order) = meant(wish, &api.handle.now())?;
    let ask = Ask::Foresee {
        order: order.clone(),
    };
    let Answer::Foreseen(foreseen) = api.handle.ask(ask).await? else {
        return Err(read::wrong_answer());
    };
    let mut document = match how.dry_run {
        true => json!({
            "schema": "weir.done/1",
            "says": foreseen.says,
            "incident": null,
        }),
        false => done(&api, Ask::Order { by, order }, None).await?.0,
    };
    document["dry_run"] = json!(how.dry_run);
    document["expected"] = json!(foreseen.expected);
    document["undo"] = json!(foreseen.undo.as_ref().map(crate::json::order));
    document["undo_says"] = json!(foreseen.undo_says);
    Ok(Json(document))
}
