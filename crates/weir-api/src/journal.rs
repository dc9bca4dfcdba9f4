//! An incident's journal as a document, out and in; and how a journal is told where its incident is.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use weir_control::handle::{Answer, Ask};
use weir_control::incident::entry::IncidentId;
use weir_control::incident::{Incident, export as journal_document, json as incident_json};
use weir_control::record::store::Journals;

use crate::fault::ApiFault;
use crate::read::{aside, wrong_answer};
use crate::server::Api;
use crate::{act, read};

/// A journal of a long incident has a megabyte or two; larger ones go in with `--store`.
pub(crate) const BODY_MAX: usize = 16 << 20;

const EXAMPLE: &str = r#"{"by": "ann", "journal": "{\"schema\":\"weir.journal/1\",…}\n…"}"#;

/// The incident's document, with how its journal is.
pub(crate) fn document(incident: &Incident, journals: &Journals) -> Value {
    let mut document = incident_json::document(incident);
    document["journal"] = match journals.incidents.get(&incident.id) {
        Some(state) => journal_document::state(state),
        // Not written yet, or older than what is kept at hand.
        None => Value::Null,
    };
    document
}

/// Keys of `GET /api/v1/incidents/{id}/journal`.
#[derive(Debug, Deserialize)]
pub(crate) struct ExportQuery {
    #[serde(default)]
    trusted: bool,
}

/// `GET /api/v1/incidents/{id}/journal`. Any incident of the store, also one that isn't at hand.
pub(crate) async fn export(
    State(api): State<Api>,
    Path(id): Path<String>,
    asked: Result<Query<ExportQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiFault> {
    let id: IncidentId = id.parse().map_err(|says: String| {
        ApiFault::missing("no_such_incident", says, "GET /api/v1/incidents lists them")
    })?;
    let Query(asked) = asked.map_err(|rejection| {
        let hint = "keys of this address: trusted";
        ApiFault::bad("bad_query", rejection.body_text(), hint)
    })?;
    let Answer::Journal(journal) = api.handle.ask(Ask::Journal { id }).await? else {
        return Err(wrong_answer());
    };
    let journal = match &journal.fault {
        Some(fault) if !asked.trusted => {
            return Err(ApiFault::new(
                StatusCode::CONFLICT,
                "journal_damaged",
                fault.to_string(),
                "?trusted=true exports the entries that are proven",
            ));
        }
        _ => journal.trusted(),
    };
    aside(&api, "application/jsonl", move || {
        journal_document::write(&journal)
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Brought {
    by: String,
    journal: String,
}

/// `POST /api/v1/incidents/import`.
pub(crate) async fn import(State(api): State<Api>, bytes: Bytes) -> Result<Json<Value>, ApiFault> {
    let Brought { by, journal } = act::body(&bytes, EXAMPLE)?;
    let by = act::checked_by(by)?;
    let place = api.heavy.clone().acquire_owned().await;
    let proven = tokio::task::spawn_blocking(move || {
        let proven = journal_document::read(&journal);
        drop(place);
        proven
    });
    let (journal, _) = proven
        .await
        .map_err(|_| read::wrong_answer())?
        .map_err(|fault| {
            ApiFault::bad(
                "bad_journal",
                told(&fault),
                "nothing was taken in; export it again from where it came",
            )
        })?;
    let ask = Ask::Import {
        by,
        journal: Box::new(journal),
    };
    let Answer::Imported(imported) = api.handle.ask(ask).await? else {
        return Err(wrong_answer());
    };
    Ok(Json(json!({
        "schema": "weir.done/1",
        "says": imported.to_string(),
        "incident": imported.id().to_string(),
    })))
}

/// An error with its causes, in one sentence.
fn told(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
