//! `GET /api/v1/configuration`: which values are in force, and where did each come from?
//!
//! # What always holds
//! - A secret is never a [`SettingRow::value`]: whoever makes the rows writes [`SET`] for it.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use weir_control::handle::{Change, ChangeKind, Published};
use weir_model::{Instant, Wall};

use crate::json;
use crate::server::Api;

/// What stands for a secret that is set.
pub const SET: &str = "(set)";
/// Changes shown.
const CHANGES: usize = 200;

/// Where a value came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    #[default]
    Default,
    /// The configuration file.
    File,
    /// An environment variable.
    Environment,
    /// The command line.
    Flag,
}

impl Origin {
    /// The name that every surface uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Environment => "environment",
            Self::Flag => "flag",
        }
    }
}

/// One setting as it is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingRow {
    /// `pool.app`; empty for the top.
    pub section: String,
    /// Key.
    pub name: String,
    /// As one would write it; `None`: not set.
    pub value: Option<String>,
    /// `None`: none.
    pub default: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// `weir.toml:14`, `WEIR__POOL__APP__SIZE`, `--pool-size`.
    pub place: Option<String>,
    /// It is a secret.
    pub secret: bool,
    /// PgBouncer's name for the same.
    pub pgbouncer: Option<String>,
    /// What it does.
    pub says: String,
}

/// What was configured at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The file, where there is one.
    pub file: Option<String>,
    /// Every setting, in the order of the table.
    pub settings: Vec<SettingRow>,
}

/// `GET /api/v1/configuration`.
pub(crate) async fn configuration(State(api): State<Api>) -> Json<Value> {
    Json(document(&api.configuration, &api.handle.now()))
}

fn document(configuration: &Configuration, published: &Published) -> Value {
    let changes = changes(published);
    let settings: Vec<Value> = configuration
        .settings
        .iter()
        .map(|row| setting(row, published))
        .collect();
    json!({
        "schema": "weir.configuration/1",
        "at": json::time(published.wall()),
        "started_at": json::time(started(published)),
        "file": configuration.file,
        "settings": settings,
        "changes": changes,
    })
}

/// When this process began.
pub(crate) fn started(published: &Published) -> Wall {
    published
        .clock
        .wall(published.at)
        .before(published.status.uptime)
        .max(published.clock.wall(Instant::ZERO))
}

/// The regulator's mode is the one setting that an order changes; sizes are pools' own.
fn setting(row: &SettingRow, published: &Published) -> Value {
    let ordered: Option<&Change> = match (&*row.section, &*row.name) {
        ("regulator", "mode") => published
            .changes
            .iter()
            .rev()
            .find(|change| change.kind == ChangeKind::Regulator),
        _ => None,
    };
    let (value, origin, place) = match ordered {
        None => (row.value.clone(), row.origin.name(), row.place.clone()),
        Some(change) => (
            Some(format!("\"{}\"", published.status.regulator)),
            "order",
            Some(change.by.clone()),
        ),
    };
    // The last guard: rows come from elsewhere.
    let value = match (row.secret, value) {
        (true, Some(_)) => Some(SET.to_owned()),
        (_, value) => value,
    };
    json!({
        "section": row.section,
        "name": row.name,
        "value": value,
        "default": row.default,
        "origin": origin,
        "place": place,
        "secret": row.secret,
        "pgbouncer": row.pgbouncer,
        "says": row.says,
        "changed_at": ordered.map(|change| json::time(change.at)),
    })
}

/// Orders, modes and markers, newest first.
fn changes(published: &Published) -> Vec<Value> {
    let orders = published.changes.iter().map(|change| {
        let document = json!({
            "at": json::time(change.at),
            "by": change.by,
            "kind": change.kind.name(),
            "says": change.says,
            "undo": change.undo,
        });
        (change.at, document)
    });
    let markers = published.markers.iter().map(|marker| {
        let document = json!({
            "at": json::time(marker.at),
            "by": marker.by,
            "kind": "marker",
            "says": marker.says(),
            "undo": null,
        });
        (marker.at, document)
    });
    let mut all: Vec<(Wall, Value)> = orders.chain(markers).collect();
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    all.truncate(CHANGES);
    all.into_iter().map(|(_, document)| document).collect()
}
