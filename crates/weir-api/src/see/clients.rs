//! `GET /api/v1/clients`, `GET /api/v1/servers`: who is connected, on both sides.
//!
//! # What always holds
//! - Many listeners cost the data plane one snapshot in [`FRESH`]: it is kept and shared.
//! - No literal is shown: texts are the shapes of statements.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use weir_control::handle::{Answer, Ask, Published};
use weir_model::{
    ClientRow, ClientState, Fingerprint, Instant, PoolKey, ServerRow, ServerState, Snapshot,
};

use super::{age, host, known, limit, sort};
use crate::fault::ApiFault;
use crate::json;
use crate::read::{self, Asked, query};
use crate::server::Api;

/// A snapshot serves for so long.
const FRESH: Duration = Duration::from_millis(500);

/// The data plane's last snapshot, shared by all who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshots {
    last: Arc<Mutex<Option<(Instant, Arc<Snapshot>)>>>,
}

impl Snapshots {
    /// One that isn't older than [`FRESH`]. Those who ask at once wait for the same.
    pub(crate) async fn get(&self, api: &Api) -> Result<Arc<Snapshot>, ApiFault> {
        let mut last = self.last.lock().await;
        let now = api.handle.now().at;
        if let Some((at, snapshot)) = &*last
            && now.since(*at) < FRESH
        {
            return Ok(Arc::clone(snapshot));
        }
        let Answer::Snapshot(snapshot) = api.handle.ask(Ask::Snapshot).await? else {
            return Err(read::wrong_answer());
        };
        *last = Some((now, Arc::clone(&snapshot)));
        Ok(snapshot)
    }
}

/// Texts of statements by fingerprint.
pub(crate) type Texts = HashMap<Fingerprint, Arc<str>>;

async fn texts(api: &Api, of: impl Iterator<Item = Fingerprint>) -> Result<Texts, ApiFault> {
    let of: BTreeSet<Fingerprint> = of.filter(|f| *f != Fingerprint::NONE).collect();
    if of.is_empty() {
        return Ok(Texts::new());
    }
    match api.handle.ask(Ask::Texts(of.into_iter().collect())).await? {
        Answer::Texts(texts) => Ok(texts),
        _ => Err(read::wrong_answer()),
    }
}

/// Keys of both lists.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    pool: Option<String>,
    state: Option<String>,
    application: Option<String>,
    search: Option<String>,
    sort: Option<String>,
    limit: Option<usize>,
}

const KEYS: &str = "pool, state, application, search, sort, limit";

/// What both lists are narrowed by.
struct Filter<S> {
    pool: Option<PoolKey>,
    states: Option<Vec<S>>,
    application: Option<String>,
    search: Option<String>,
}

impl<S: Copy + PartialEq> Filter<S> {
    fn read(
        asked: &ListQuery,
        published: &Published,
        states: &[(&'static str, S)],
    ) -> Result<Self, ApiFault> {
        let state = |name: &str| {
            let found = states.iter().find(|(known, _)| *known == name.trim());
            found.map(|(_, state)| *state).ok_or_else(|| {
                let known: Vec<&str> = states.iter().map(|(name, _)| *name).collect();
                ApiFault::bad(
                    "bad_state",
                    format!("`{name}` is no state"),
                    format!("known are {}", known.join(", ")),
                )
            })
        };
        let pool = asked.pool.as_deref();
        Ok(Self {
            pool: pool
                .map(|name| read::find_pool(published, name))
                .transpose()?,
            states: match asked.state.as_deref() {
                None | Some("") => None,
                Some(names) => Some(names.split(',').map(state).collect::<Result<_, _>>()?),
            },
            application: asked.application.clone(),
            search: asked
                .search
                .as_ref()
                .map(|text| text.trim().to_lowercase())
                .filter(|text| !text.is_empty()),
        })
    }

    fn takes(
        &self,
        key: Option<&PoolKey>,
        state: S,
        application: &str,
        searched: impl Fn() -> String,
    ) -> bool {
        self.pool.as_ref().is_none_or(|pool| key == Some(pool))
            && self.states.as_ref().is_none_or(|s| s.contains(&state))
            && self.application.as_deref().is_none_or(|a| a == application)
            && self
                .search
                .as_ref()
                .is_none_or(|text| searched().to_lowercase().contains(text))
    }
}

const CLIENT_STATES: [(&str, ClientState); 5] = [
    ("login", ClientState::Login),
    ("idle", ClientState::Idle),
    ("waiting", ClientState::Waiting),
    ("active", ClientState::Active),
    ("idle_in_transaction", ClientState::IdleInTransaction),
];

const SERVER_STATES: [(&str, ServerState); 5] = [
    ("login", ServerState::Login),
    ("idle", ServerState::Idle),
    ("active", ServerState::Active),
    ("used", ServerState::Used),
    ("tested", ServerState::Tested),
];

/// `GET /api/v1/clients`.
pub(crate) async fn clients(
    State(api): State<Api>,
    asked: Asked<ListQuery>,
) -> Result<Json<Value>, ApiFault> {
    let asked = query(asked, KEYS)?;
    let most = limit(asked.limit)?;
    let known = [
        "state_s",
        "connected",
        "pool",
        "application",
        "host",
        "client",
    ];
    let (key, turned) = sort(asked.sort.as_deref(), &known)?;
    let published = api.handle.now();
    let filter = Filter::read(&asked, &published, &CLIENT_STATES)?;
    let snapshot = api.snapshots.get(&api).await?;
    let shapes = snapshot.clients.iter().map(|row| row.fingerprint);
    let all_texts = match filter.search {
        // What is searched must be known of all, what is shown only of those shown.
        Some(_) => texts(&api, shapes).await?,
        None => Texts::new(),
    };
    let mut rows: Vec<&ClientRow> = snapshot
        .clients
        .iter()
        .filter(|row| {
            filter.takes(row.key.as_ref(), row.state, &row.application, || {
                let key = row.key.as_ref().map(ToString::to_string);
                let text = all_texts.get(&row.fingerprint).map_or("", |text| &**text);
                let key = key.unwrap_or_default();
                format!("{} {} {key} {text}", row.application, row.addr)
            })
        })
        .collect();
    let total = rows.len();
    rows.sort_by(|a, b| match key {
        "connected" => a.connected.cmp(&b.connected),
        "pool" => a.key.cmp(&b.key),
        "application" => a.application.cmp(&b.application),
        "host" => host(&a.addr).cmp(host(&b.addr)),
        "client" => a.client.cmp(&b.client),
        _ => a.since.cmp(&b.since),
    });
    if turned {
        rows.reverse();
    }
    rows.truncate(most);
    let texts = match filter.search {
        Some(_) => all_texts,
        None => texts(&api, rows.iter().map(|row| row.fingerprint)).await?,
    };
    let pids = backend_pids(&snapshot);
    let listed: Vec<Value> = rows
        .iter()
        .map(|row| client(row, &published, &pids, &texts))
        .collect();
    Ok(Json(json!({
        "schema": "weir.clients/1",
        "at": json::time(published.wall()),
        "total": total,
        "shown": listed.len(),
        "clients": listed,
    })))
}

/// Backend PIDs by server.
pub(crate) fn backend_pids(snapshot: &Snapshot) -> HashMap<u64, i32> {
    let servers = snapshot.servers.iter();
    servers
        .filter(|row| row.backend_pid != 0)
        .map(|row| (row.server.0, row.backend_pid))
        .collect()
}

/// One client.
pub(crate) fn client(
    row: &ClientRow,
    published: &Published,
    pids: &HashMap<u64, i32>,
    texts: &Texts,
) -> Value {
    let at = |instant| json::time(published.clock.wall(instant));
    json!({
        "client": row.client.0,
        "database": row.key.as_ref().map(|key| &*key.database),
        "user": row.key.as_ref().map(|key| &*key.user),
        "state": row.state,
        "since": at(row.since),
        "state_s": age(published, row.since),
        "connected_at": at(row.connected),
        "host": host(&row.addr),
        "addr": &*row.addr,
        "application": &*row.application,
        "server": row.server.map(|server| server.0),
        "backend_pid": row.server.and_then(|server| pids.get(&server.0)),
        "fingerprint": shape(row.fingerprint),
        "statement": texts.get(&row.fingerprint).map(|text| &**text),
        "pins": row.pins.iter().map(|pin| pin.name()).collect::<Vec<_>>(),
        "prepared_statements": row.prepared_statements,
    })
}

/// A fingerprint as it is written; nothing where there was no statement.
pub(crate) fn shape(fingerprint: Fingerprint) -> Option<String> {
    (fingerprint != Fingerprint::NONE).then(|| fingerprint.to_string())
}

/// `GET /api/v1/servers`.
pub(crate) async fn servers(
    State(api): State<Api>,
    asked: Asked<ListQuery>,
) -> Result<Json<Value>, ApiFault> {
    let asked = query(asked, KEYS)?;
    let most = limit(asked.limit)?;
    let known = [
        "state_s",
        "transaction_s",
        "connected",
        "pool",
        "application",
        "server",
    ];
    let (key, turned) = sort(asked.sort.as_deref(), &known)?;
    let published = api.handle.now();
    let filter = Filter::read(&asked, &published, &SERVER_STATES)?;
    let snapshot = api.snapshots.get(&api).await?;
    let texts = texts(&api, snapshot.servers.iter().map(|row| row.fingerprint)).await?;
    let mut rows: Vec<&ServerRow> = snapshot
        .servers
        .iter()
        .filter(|row| {
            filter.takes(Some(&row.key), row.state, &row.application, || {
                let text = texts.get(&row.fingerprint).map_or("", |text| &**text);
                format!(
                    "{} {} {} {} {text}",
                    row.application, row.client_addr, row.key, row.backend_pid
                )
            })
        })
        .collect();
    let total = rows.len();
    // No transaction is younger than any.
    let begun = |row: &ServerRow| row.transaction_since.map_or(u64::MAX, Instant::as_nanos);
    rows.sort_by(|a, b| match key {
        "transaction_s" => begun(a).cmp(&begun(b)),
        "connected" => a.connected.cmp(&b.connected),
        "pool" => a.key.cmp(&b.key),
        "application" => a.application.cmp(&b.application),
        "server" => a.server.cmp(&b.server),
        _ => a.since.cmp(&b.since),
    });
    if turned {
        rows.reverse();
    }
    rows.truncate(most);
    let listed: Vec<Value> = rows
        .iter()
        .map(|row| server(row, &published, &texts))
        .collect();
    Ok(Json(json!({
        "schema": "weir.servers/1",
        "at": json::time(published.wall()),
        "total": total,
        "shown": listed.len(),
        "servers": listed,
    })))
}

fn server(row: &ServerRow, published: &Published, texts: &Texts) -> Value {
    let at = |instant| json::time(published.clock.wall(instant));
    let linked = row.client.is_some();
    json!({
        "server": row.server.0,
        "database": &*row.key.database,
        "user": &*row.key.user,
        "state": row.state,
        "since": at(row.since),
        "state_s": age(published, row.since),
        "connected_at": at(row.connected),
        "backend_pid": (row.backend_pid != 0).then_some(row.backend_pid),
        "client": row.client.map(|client| client.0),
        "client_state": row.client_state,
        "client_state_s": row.client_since.map(|since| age(published, since)),
        "host": linked.then(|| host(&row.client_addr)),
        "application": known(&row.application),
        "transaction_s": row.transaction_since.map(|since| age(published, since)),
        "fingerprint": shape(row.fingerprint),
        "statement": texts.get(&row.fingerprint).map(|text| &**text),
        "pins": row.pins.iter().map(|pin| pin.name()).collect::<Vec<_>>(),
    })
}
