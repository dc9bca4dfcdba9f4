//! What stands in each document that can be fetched.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use weir_control::handle::{Answer, Ask, Published};
use weir_control::incident::entry::IncidentId;
use weir_control::incident::{Incident, Status, clocks};
use weir_control::report::{self, Form};
use weir_model::{HumanDuration, PoolKey, Wall};

use crate::dist;
use crate::events::Wanted;
use crate::fault::ApiFault;
use crate::journal::document;
use crate::metrics::{self, Format};
use crate::process::Process;
use crate::see::blackbox::spans;
use crate::see::past::{self, AtQuery};
use crate::server::Api;
use crate::{json, page};

/// How many entries a list holds if nobody asks for fewer.
const LIST_MAX: usize = 500;
/// Samples without `from`: this far back.
const SAMPLES_BACK: Duration = Duration::from_secs(60);
/// Clocks without `since`: this far back.
const CLOCKS_BACK: Duration = Duration::from_secs(90 * 86_400);
/// Finer steps than the data plane's there are none.
const SAMPLED: Duration = Duration::from_millis(100);
/// Coarser steps than this make no sense in fifteen minutes of memory.
const STEP_MAX_S: f64 = 3600.0;

/// Headers of a document that may carry its own style and nothing else.
const REPORT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

pub(crate) type Asked<T> = Result<Query<T>, QueryRejection>;

pub(crate) fn query<T>(asked: Asked<T>, keys: &str) -> Result<T, ApiFault> {
    match asked {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => Err(ApiFault::bad(
            "bad_query",
            rejection.body_text(),
            format!("keys of this address: {keys}"),
        )),
    }
}

/// `GET /livez`: the process answers.
pub(crate) async fn livez() -> Json<Value> {
    Json(json!({ "schema": "weir.health/1", "ok": true, "reasons": [] }))
}

/// `GET /readyz`: clients may be sent here. A PostgreSQL that is down doesn't count: sending
/// clients elsewhere would not bring it back.
pub(crate) async fn readyz(State(api): State<Api>) -> Response {
    let published = api.handle.now();
    let mut reasons = Vec::new();
    if published.status.draining {
        reasons.push("draining: no new clients");
    }
    if published.status.data_plane_silent {
        reasons.push("the data plane has been silent for over two seconds");
    }
    let status = if reasons.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "schema": "weir.health/1",
        "ok": reasons.is_empty(),
        "reasons": reasons,
        "store": published.status.store,
        "watch": published.status.watch,
    });
    (status, Json(body)).into_response()
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok());
    let format = Format::accepted(accept);
    let text = metrics::text(&api.handle.now(), Process::read().as_ref(), format);
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

/// `GET /api/v1/status`.
pub(crate) async fn status(State(api): State<Api>) -> Json<Value> {
    let most = api.listeners_max;
    let now = most - api.listeners.available_permits().min(most);
    let own = Process::read();
    Json(json::status(
        &api.handle.now(),
        own.as_ref(),
        (now, most),
        api.events.kept(),
    ))
}

/// `GET /api/v1/pools`.
pub(crate) async fn pools(
    State(api): State<Api>,
    asked: Asked<AtQuery>,
) -> Result<Json<Value>, ApiFault> {
    let at = query(asked, "at")?.wall()?;
    Ok(Json(json::pools(&*past::published(&api, at).await?)))
}

/// Finds a pool by `database/user`, by the database alone where it has one pool, or by number.
pub(crate) fn find_pool(published: &Published, name: &str) -> Result<PoolKey, ApiFault> {
    let exact = published
        .pools
        .iter()
        .find(|pool| pool.key.to_string() == name);
    let of_database = || {
        let mut of = published
            .pools
            .iter()
            .filter(|pool| &*pool.key.database == name);
        let first = of.next()?;
        of.next().is_none().then_some(first)
    };
    match exact.or_else(of_database) {
        Some(pool) => Ok(pool.key.clone()),
        None => Err(ApiFault::missing(
            "no_such_pool",
            format!("there is no pool `{name}`"),
            known_pools(published),
        )),
    }
}

pub(crate) fn known_pools(published: &Published) -> String {
    const NAMED: usize = 20;
    let mut names: Vec<String> = published
        .pools
        .iter()
        .take(NAMED)
        .map(|pool| pool.key.to_string())
        .collect();
    if published.pools.len() > NAMED {
        names.push(format!("and {} more", published.pools.len() - NAMED));
    }
    if names.is_empty() {
        "no pool is open yet; one opens with its first client".to_owned()
    } else {
        format!("pools: {}", names.join(", "))
    }
}

/// Keys of `GET /api/v1/samples`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SamplesQuery {
    from: Option<String>,
    to: Option<String>,
    pool: Option<String>,
    step: Option<f64>,
    sum: Option<bool>,
}

/// A time that may be left out.
pub(crate) fn moment(name: &str, text: Option<&str>) -> Result<Option<Wall>, ApiFault> {
    let Some(text) = text else { return Ok(None) };
    match json::read_time(text) {
        Some(at) => Ok(Some(at)),
        None => Err(ApiFault::bad(
            "bad_time",
            format!("`{name}={text}` is no time"),
            "write RFC 3339 in UTC: 2026-11-23T14:05:00Z",
        )),
    }
}

/// A time, or this one.
pub(crate) fn instant(name: &str, text: Option<&str>, or: Wall) -> Result<Wall, ApiFault> {
    Ok(moment(name, text)?.unwrap_or(or))
}

/// Refuses a stretch that ends before it begins.
pub(crate) fn in_order(from: Wall, to: Wall) -> Result<(), ApiFault> {
    match from > to {
        false => Ok(()),
        true => Err(ApiFault::bad(
            "bad_time",
            "`from` lies behind `to`",
            "exchange them",
        )),
    }
}

/// `GET /api/v1/samples`: the recorder's series. With `step` (seconds), the last sample of each
/// step and pool; with `sum` as well, everything of each step. Steps of a second and more reach
/// beyond memory, into the stored minutes, and are sums then.
pub(crate) async fn samples(
    State(api): State<Api>,
    asked: Asked<SamplesQuery>,
) -> Result<Json<Value>, ApiFault> {
    let asked = query(asked, "from, to, pool, step, sum")?;
    let published = api.handle.now();
    let now = published.clock.wall(published.at);
    let to = instant("to", asked.to.as_deref(), now)?;
    let from = instant("from", asked.from.as_deref(), to.before(SAMPLES_BACK))?;
    in_order(from, to)?;
    let step = match asked.step {
        None => Duration::ZERO,
        Some(step) if step > 0.0 && step <= STEP_MAX_S => Duration::from_secs_f64(step),
        Some(step) => {
            return Err(ApiFault::bad(
                "bad_step",
                format!("`step={step}` is no step"),
                "write seconds, above 0 and up to 3600",
            ));
        }
    };
    let pool = match asked.pool.as_deref() {
        Some(name) => Some(find_pool(&published, name)?),
        None => None,
    };
    let Answer::Reach(reach) = api.handle.ask(Ask::Reach { decisions: false }).await? else {
        return Err(wrong_answer());
    };
    let spans = spans(&reach);
    let before_memory = reach.samples_from.is_none_or(|held| from < held);
    if asked.sum.unwrap_or(false) || (before_memory && asked.step.is_some_and(|s| s >= 1.0)) {
        let step = step.max(SAMPLED);
        let ask = Ask::Series {
            pool,
            from,
            to,
            step,
        };
        let Answer::Series(series) = api.handle.ask(ask).await? else {
            return Err(wrong_answer());
        };
        return Ok(Json(json!({
            "schema": "weir.samples/1",
            "from": json::time(from),
            "to": json::time(to),
            "step_s": json::seconds(step),
            "complete": true,
            "spans": spans,
            "samples": series.iter().map(json::stretch).collect::<Value>(),
        })));
    }
    let ask = Ask::Samples { pool, from, to };
    let Answer::Samples(samples) = api.handle.ask(ask).await? else {
        return Err(wrong_answer());
    };
    // The recorder answers at most 10,000; who gets that many should ask for less time at once.
    let complete = samples.len() < 10_000;
    let listed: Vec<Value> = thinned(&samples, step)
        .into_iter()
        .map(|(at, sample)| json::sample(*at, sample))
        .collect();
    Ok(Json(json!({
        "schema": "weir.samples/1",
        "from": json::time(from),
        "to": json::time(to),
        "step_s": json::seconds(step),
        "complete": complete,
        "spans": spans,
        "samples": listed,
    })))
}

fn thinned(
    samples: &[(Wall, weir_model::PoolSample)],
    step: Duration,
) -> Vec<&(Wall, weir_model::PoolSample)> {
    let step_us = i64::try_from(step.as_micros()).unwrap_or(i64::MAX);
    if step_us == 0 {
        return samples.iter().collect();
    }
    let slot = |at: Wall| at.as_micros().div_euclid(step_us);
    let mut last = std::collections::BTreeMap::new();
    for sample in samples {
        last.insert((slot(sample.0), sample.1.pool), sample);
    }
    last.into_values().collect()
}

pub(crate) fn wrong_answer() -> ApiFault {
    ApiFault::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "wrong_answer",
        "the control plane answered another question",
        "this is a fault of Weir; please report it with the log",
    )
}

/// Keys of the lists.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionsQuery {
    pool: Option<String>,
    limit: Option<usize>,
}

/// `GET /api/v1/decisions`: newest first.
pub(crate) async fn decisions(
    State(api): State<Api>,
    asked: Asked<DecisionsQuery>,
) -> Result<Json<Value>, ApiFault> {
    let asked = query(asked, "pool, limit")?;
    let published = api.handle.now();
    let pool = match asked.pool.as_deref() {
        Some(name) => Some(find_pool(&published, name)?),
        None => None,
    };
    let listed = published
        .decisions
        .iter()
        .filter(|decision| pool.as_ref().is_none_or(|key| decision.key == *key))
        .take(asked.limit.unwrap_or(LIST_MAX))
        .map(|decision| json::decision(decision, &published.clock))
        .collect();
    Ok(Json(listed))
}

/// Makes a large document on a thread of its own.
pub(crate) async fn aside(
    api: &Api,
    kind: &'static str,
    make: impl FnOnce() -> String + Send + 'static,
) -> Result<Response, ApiFault> {
    let place = api.heavy.clone().acquire_owned().await;
    let made = tokio::task::spawn_blocking(move || {
        let text = make();
        drop(place);
        text
    });
    match made.await {
        Ok(text) => Ok(([(header::CONTENT_TYPE, kind)], text).into_response()),
        Err(_) => Err(ApiFault::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "not_made",
            "the document couldn't be made",
            "this is a fault of Weir; please report it with the log",
        )),
    }
}

const JSON: &str = "application/json";

/// Keys of `GET /api/v1/incidents`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentsQuery {
    status: Option<String>,
    limit: Option<usize>,
}

/// All of them, in the order of the lifecycle.
const STATUSES: [Status; 6] = [
    Status::Open,
    Status::Acknowledged,
    Status::Mitigated,
    Status::Resolved,
    Status::Reviewed,
    Status::Closed,
];

fn statuses(text: &str) -> Result<Vec<Status>, ApiFault> {
    text.split(',')
        .map(|name| {
            STATUSES
                .into_iter()
                .find(|status| status.name() == name.trim())
                .ok_or_else(|| {
                    ApiFault::bad(
                        "bad_status",
                        format!("`{name}` is no status of an incident"),
                        format!("known are {}", STATUSES.map(Status::name).join(", ")),
                    )
                })
        })
        .collect()
}

/// `GET /api/v1/incidents`: newest first.
pub(crate) async fn incidents(
    State(api): State<Api>,
    asked: Asked<IncidentsQuery>,
) -> Result<Response, ApiFault> {
    let asked = query(asked, "status, limit")?;
    let wanted = asked.status.as_deref().map(statuses).transpose()?;
    let published = api.handle.now();
    let listed: Vec<Arc<Incident>> = published
        .incidents
        .iter()
        .filter(|incident| wanted.as_ref().is_none_or(|w| w.contains(&incident.status)))
        .take(asked.limit.unwrap_or(LIST_MAX))
        .cloned()
        .collect();
    aside(&api, JSON, move || {
        let documents: Value = listed
            .iter()
            .map(|incident| document(incident, &published.journals))
            .collect();
        documents.to_string()
    })
    .await
}

/// The incident that a path names, or the one that speaks for it.
pub(crate) fn find_incident(published: &Published, text: &str) -> Result<Arc<Incident>, ApiFault> {
    let own = find_own(published, text)?;
    // One that was merged into an incident that has left memory speaks for itself.
    Ok(published.incident(own.id).cloned().unwrap_or(own))
}

/// The very incident that a path names, merged or not.
pub(crate) fn find_own(published: &Published, text: &str) -> Result<Arc<Incident>, ApiFault> {
    let id: IncidentId = text.parse().map_err(|says: String| {
        ApiFault::missing("no_such_incident", says, "GET /api/v1/incidents lists them")
    })?;
    published.own(id).cloned().ok_or_else(|| {
        let all = published.incidents.iter().chain(&published.merged);
        let near = id.nearest(all.map(|incident| incident.id));
        let hint = match near {
            Some(near) => format!("did you mean {near}? "),
            None => String::new(),
        };
        ApiFault::missing(
            "no_such_incident",
            format!("there is no incident {id}"),
            format!("{hint}GET /api/v1/incidents lists them; the newest 500 are kept at hand"),
        )
    })
}

/// Keys of `GET /api/v1/incidents/{id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentQuery {
    own: Option<bool>,
}

/// Keys of `GET /api/v1/incidents/clocks`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClocksQuery {
    since: Option<String>,
    drills: Option<bool>,
}

/// `GET /api/v1/incidents/clocks`: how long things took, as distributions.
pub(crate) async fn clocks(
    State(api): State<Api>,
    asked: Asked<ClocksQuery>,
) -> Result<Json<Value>, ApiFault> {
    let asked = query(asked, "since, drills")?;
    let published = api.handle.now();
    let now = published.clock.wall(published.at);
    let since = match asked.since.as_deref() {
        None => now.before(CLOCKS_BACK),
        Some(text) => match text.parse::<HumanDuration>() {
            Ok(back) => now.before(back.0),
            Err(_) => json::read_time(text).ok_or_else(|| {
                ApiFault::bad(
                    "bad_time",
                    format!("`since={text}` is no time and no duration"),
                    "write 90d, or RFC 3339 in UTC: 2026-11-23T14:05:00Z",
                )
            })?,
        },
    };
    let drills = asked.drills.unwrap_or(false);
    let all: Vec<&Incident> = published
        .incidents
        .iter()
        .chain(&published.merged)
        .map(|incident| &**incident)
        .collect();
    let found = clocks::over(&all, since, drills);
    Ok(Json(clocks::document(&found, since, drills)))
}

/// An answer for a merged incident says whose it is.
fn spoken_for(mut response: Response, asked: &str, incident: &Incident) -> Response {
    let is_other = asked
        .parse::<IncidentId>()
        .is_ok_and(|id| id != incident.id);
    if is_other && let Ok(place) = format!("/api/v1/incidents/{}", incident.id).parse() {
        response
            .headers_mut()
            .insert(header::CONTENT_LOCATION, place);
    }
    response
}

/// `GET /api/v1/incidents/{id}`.
pub(crate) async fn incident(
    State(api): State<Api>,
    Path(id): Path<String>,
    asked: Asked<IncidentQuery>,
) -> Result<Response, ApiFault> {
    let own = query(asked, "own")?.own.unwrap_or(false);
    let published = api.handle.now();
    let incident = if own {
        find_own(&published, &id)?
    } else {
        find_incident(&published, &id)?
    };
    let shown = Arc::clone(&incident);
    let response = aside(&api, JSON, move || {
        document(&shown, &published.journals).to_string()
    })
    .await?;
    Ok(spoken_for(response, &id, &incident))
}

/// Keys of `GET /api/v1/incidents/{id}/report`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportQuery {
    format: Option<String>,
    form: Option<String>,
}

/// `GET /api/v1/incidents/{id}/report`.
pub(crate) async fn report(
    State(api): State<Api>,
    Path(id): Path<String>,
    asked: Asked<ReportQuery>,
) -> Result<Response, ApiFault> {
    let asked = query(asked, "format, form")?;
    let published = api.handle.now();
    let incident = find_incident(&published, &id)?;
    let form: Form = match asked.form.as_deref() {
        None => Form::Full,
        Some(name) => name
            .parse()
            .map_err(|says: String| ApiFault::bad("bad_form", says, "full is the default"))?,
    };
    let format = asked.format.as_deref().unwrap_or("md");
    if form != Form::Full && matches!(format, "json" | "github") {
        return Err(ApiFault::bad(
            "bad_form",
            format!(
                "`{format}` has the whole incident in it; there is no {} form of it",
                form.name()
            ),
            "take md, html, confluence or context for that form",
        ));
    }
    let (kind, make): (_, fn(&Incident, Form) -> String) = match format {
        "md" | "markdown" => ("text/markdown; charset=utf-8", |incident, form| {
            report::render(incident, form, report::Format::Markdown)
        }),
        "html" => ("text/html; charset=utf-8", |incident, form| {
            report::render(incident, form, report::Format::Html)
        }),
        // The body of a page; the browser shows it as text, for it is made to be pasted.
        "confluence" => ("text/plain; charset=utf-8", |incident, form| {
            report::render(incident, form, report::Format::Confluence)
        }),
        "github" => (JSON, |incident, _| {
            report::issues_json(incident, None).to_string()
        }),
        "context" => (JSON, |incident, form| {
            report::context(incident, form).to_string()
        }),
        "json" => {
            return aside(&api, JSON, move || {
                document(&incident, &published.journals).to_string()
            })
            .await;
        }
        other => {
            return Err(ApiFault::bad(
                "bad_format",
                format!("`{other}` is no format of a report"),
                "known are md, html, json, confluence, github, context",
            ));
        }
    };
    let shown = Arc::clone(&incident);
    let mut response = aside(&api, kind, move || make(&shown, form)).await?;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        axum::http::HeaderValue::from_static(REPORT_POLICY),
    );
    Ok(spoken_for(response, &id, &incident))
}

/// `GET /api/v1/incidents/{id}/charts/{name}`: a chart that the Markdown report refers to.
pub(crate) async fn chart(
    State(api): State<Api>,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, ApiFault> {
    let incident = find_incident(&api.handle.now(), &id)?;
    let charts = report::charts(&incident);
    let known: Vec<&str> = charts.iter().map(|(name, _)| name.as_str()).collect();
    let Some((_, svg)) = charts.iter().find(|(known, _)| *known == name) else {
        let hint = match known.is_empty() {
            true => "nothing was measured that could be drawn".to_owned(),
            false => format!("there is {}", known.join(", ")),
        };
        let name: String = name.chars().take(60).collect();
        return Err(ApiFault::missing(
            "no_such_chart",
            format!("{id} has no chart {name}"),
            hint,
        ));
    };
    let svg = svg.clone();
    let mut response = aside(&api, "image/svg+xml", move || svg).await?;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        axum::http::HeaderValue::from_static(REPORT_POLICY),
    );
    Ok(response)
}

/// Keys of `GET /api/v1/events`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    pools: Option<String>,
    pool: Option<String>,
}

/// `GET /api/v1/events`.
pub(crate) async fn events(
    State(api): State<Api>,
    asked: Asked<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiFault> {
    let asked = query(asked, "pools, pool")?;
    let pool = match asked.pool.as_deref() {
        // One that isn't open yet is heard of once it is, if its whole name is given.
        Some(name) if name.contains('/') => Some(name.to_owned()),
        Some(name) => Some(find_pool(&api.handle.now(), name)?.to_string()),
        None => None,
    };
    let wanted = Wanted::read(asked.pools.as_deref(), pool)?;
    let Ok(permit) = api.listeners.clone().try_acquire_owned() else {
        return Err(ApiFault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_listeners",
            "all places for listeners are taken",
            "close a tab or a `weir top`, or poll GET /api/v1/pools",
        ));
    };
    let last_id = headers.get("last-event-id").map(|id| {
        // What isn't text is no id of ours either.
        id.to_str().unwrap_or_default()
    });
    Ok(api.events.listen(last_id, wanted, permit).into_response())
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        Bytes::from_static(include_bytes!("openapi.json")),
    )
        .into_response()
}

/// `GET /`: the dashboard, or the page without scripts where it wasn't built.
pub(crate) async fn index(State(api): State<Api>, headers: HeaderMap) -> Response {
    if let Some(dashboard) = dist::answer("/", &headers) {
        return dashboard;
    }
    let html = page::index(&api.handle.now());
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

/// `GET /style.css`.
pub(crate) async fn style() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("style.css"),
    )
        .into_response()
}
