//! What the API told, as far as it is shown here.
//!
//! # What always holds
//! - Every field may be missing: an older or a newer Weir is shown as far as it goes.
//! - Every text has passed [`clean`]: what a client calls itself can't move the cursor.
//!
//! # What is deliberately absent
//! - What a number means. Sentences come from the API as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use weir_model::Wall;

/// Longer texts are cut: no screen shows more, and copies of a statement stay whole below it.
const TEXT_MAX: usize = 8 * 1024;

/// Reads a document. `Err`: why it isn't one of ours.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(clean(value)).map_err(|fault| fault.to_string())
}

/// Takes out null members (they mean the same as missing ones) and whatever a terminal would obey
/// rather than show: control characters, and marks that turn the direction of writing.
pub(crate) fn clean(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, clean(value)))
            .collect(),
        Value::Array(items) => items.into_iter().map(clean).collect(),
        Value::String(text) => Value::String(clean_text(&text)),
        other => other,
    }
}

/// The same for one text.
pub(crate) fn clean_text(text: &str) -> String {
    text.chars()
        .take(TEXT_MAX)
        .map(|c| match c {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

/// An instant of the API.
pub(crate) fn time(text: &str) -> Option<Wall> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Wall::from_micros(at.as_microsecond()))
}

/// How the API wants an instant.
pub(crate) fn written(at: Wall) -> String {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(at) => format!("{at:.3}"),
        Err(_) => String::new(),
    }
}

/// `12:03:04`.
pub(crate) fn clock(at: Wall) -> String {
    let text = written(at);
    text.get(11..19).unwrap_or("--:--:--").to_owned()
}

/// `GET /api/v1/status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) at: String,
    pub(crate) version: String,
    pub(crate) uptime_s: f64,
    pub(crate) io: String,
    pub(crate) workers: u32,
    pub(crate) regulator_mode: String,
    pub(crate) store: String,
    pub(crate) store_ok: Option<bool>,
    pub(crate) watch: String,
    pub(crate) draining: bool,
    pub(crate) data_plane_silent: bool,
    pub(crate) clients: u64,
    pub(crate) servers: u64,
    pub(crate) loop_lag_max_s: f64,
    pub(crate) buffered_bytes: u64,
    pub(crate) events_lost_total: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Clients {
    pub(crate) active: u32,
    pub(crate) waiting: u32,
    pub(crate) idle: u32,
    pub(crate) idle_in_transaction: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Servers {
    pub(crate) active: u32,
    pub(crate) idle: u32,
    pub(crate) login: u32,
    pub(crate) tested: u32,
    pub(crate) used: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Quantiles {
    pub(crate) p50: f32,
    pub(crate) p90: f32,
    pub(crate) p99: f32,
    pub(crate) max: f32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Hold {
    pub(crate) p50: f32,
    pub(crate) p99: f32,
    pub(crate) executing_share: f32,
    pub(crate) thinking_share: f32,
    pub(crate) network_share: f32,
}

/// What of a pool changes every second. Small, for ten minutes of all pools are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PoolNumbers {
    pub(crate) size: u32,
    pub(crate) size_min: u32,
    pub(crate) size_max: u32,
    pub(crate) clients: Clients,
    pub(crate) servers: Servers,
    pub(crate) oldest_wait_s: f32,
    pub(crate) wait_s: Quantiles,
    pub(crate) hold_s: Hold,
    pub(crate) transactions_per_s: f32,
    pub(crate) arrivals_per_s: f32,
    pub(crate) abandoned_total: u64,
    pub(crate) failures_total: u64,
    pub(crate) paused: bool,
}

/// What of a pool seldom changes; shared between moments as long as it doesn't.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PoolWords {
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) mode: String,
    pub(crate) size_because: String,
    pub(crate) objective: String,
    pub(crate) level: String,
    pub(crate) incident: String,
    pub(crate) why_not_more: String,
    pub(crate) pinned: BTreeMap<String, u64>,
    pub(crate) recommendation: Option<Recommendation>,
}

/// What waits for a person's yes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Recommendation {
    pub(crate) says: String,
    pub(crate) decision: String,
    pub(crate) expected: String,
    pub(crate) because: String,
}

/// A pool at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pool {
    pub(crate) words: Arc<PoolWords>,
    pub(crate) n: PoolNumbers,
}

impl Pool {
    /// `database/user`, as everywhere.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.words.database, self.words.user)
    }

    /// By what pools are sorted, and found again in another moment.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.words.database, &self.words.user)
    }
}

/// Reads `GET /api/v1/pools`, sorted by name. `Err`: it is no list, or a row isn't a pool.
pub(crate) fn pools(value: Value) -> Result<Vec<Pool>, String> {
    let Value::Array(rows) = value else {
        return Err("a list of pools was expected".to_owned());
    };
    let mut pools = rows
        .into_iter()
        .map(|row| {
            let row = clean(row);
            let fault = |fault: serde_json::Error| fault.to_string();
            Ok(Pool {
                n: PoolNumbers::deserialize(&row).map_err(fault)?,
                words: Arc::new(PoolWords::deserialize(&row).map_err(fault)?),
            })
        })
        .collect::<Result<Vec<Pool>, String>>()?;
    pools.sort_by(|a, b| a.key().cmp(&b.key()));
    Ok(pools)
}

/// `GET /api/v1/overview`: what the pools' rows don't say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Overview {
    pub(crate) window_s: f64,
    pub(crate) path: Vec<Hop>,
    pub(crate) says: String,
    pub(crate) failures_per_s: f64,
    pub(crate) abandoned_per_s: f64,
}

/// Where the time of a transaction went.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hop {
    pub(crate) hop: String,
    pub(crate) share: f64,
    pub(crate) mean_s: f64,
    pub(crate) says: String,
}

/// `GET /api/v1/clients`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClientList {
    pub(crate) at: String,
    pub(crate) total: u64,
    pub(crate) shown: u64,
    pub(crate) clients: Vec<Client>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Client {
    #[serde(rename = "client")]
    pub(crate) id: u64,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) application: String,
    pub(crate) host: String,
    pub(crate) state: String,
    pub(crate) state_s: f64,
    pub(crate) connected_at: String,
    pub(crate) server: Option<u64>,
    pub(crate) backend_pid: Option<i64>,
    pub(crate) statement: String,
    pub(crate) pins: Vec<String>,
    pub(crate) prepared_statements: u64,
}

/// `GET /api/v1/queries`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct QueryList {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) slot_seconds: f64,
    pub(crate) queries: Vec<Query>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Query {
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) fingerprint: String,
    pub(crate) text: String,
    pub(crate) share: f64,
    pub(crate) calls: u64,
    pub(crate) calls_per_s: f64,
    pub(crate) errors: u64,
    pub(crate) mean_s: f64,
    pub(crate) max_s: f64,
    pub(crate) rows: u64,
    pub(crate) baseline_mean_s: Option<f64>,
    pub(crate) change: Option<f64>,
    pub(crate) says: String,
}

/// An incident: the list's summary and the whole document have these in common.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Incident {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) kind: String,
    pub(crate) severity: String,
    pub(crate) level: String,
    pub(crate) title: String,
    pub(crate) pools: Vec<PoolName>,
    pub(crate) clocks: Clocks,
    pub(crate) impact: Impact,
    pub(crate) causes: Vec<Finding>,
    pub(crate) ruled_out: Vec<RuledOut>,
    pub(crate) timeline: Vec<Row>,
    pub(crate) questions: Vec<Value>,
}

impl Incident {
    /// Nobody may rest yet.
    pub(crate) fn is_ongoing(&self) -> bool {
        matches!(self.status.as_str(), "open" | "acknowledged" | "mitigated")
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PoolName {
    pub(crate) database: String,
    pub(crate) user: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Clocks {
    pub(crate) impact_started_at: String,
    pub(crate) detected_at: String,
    pub(crate) cause_named_at: String,
    pub(crate) acknowledged_at: String,
    pub(crate) mitigated_at: String,
    pub(crate) resolved_at: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Impact {
    pub(crate) transactions: u64,
    pub(crate) transactions_delayed: u64,
    pub(crate) transactions_failed: u64,
    pub(crate) clients: u64,
    pub(crate) clients_affected: u64,
    pub(crate) users: Option<u64>,
    pub(crate) users_affected: Option<u64>,
    pub(crate) wait_s_p99_before: Option<f64>,
    pub(crate) wait_s_p99_during: Option<f64>,
    pub(crate) objective: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Finding {
    pub(crate) cause: String,
    pub(crate) confidence: f64,
    pub(crate) share: f64,
    pub(crate) says: String,
    pub(crate) evidence: Vec<Said>,
    pub(crate) remedy: Said,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Said {
    pub(crate) says: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RuledOut {
    pub(crate) cause: String,
    pub(crate) says: String,
}

/// A line of a timeline.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Row {
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) by: String,
    pub(crate) says: String,
}

/// `GET /api/v1/decisions`, one row.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Decision {
    pub(crate) id: String,
    pub(crate) at: String,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) says: String,
    pub(crate) action: String,
    pub(crate) from: u32,
    pub(crate) to: Option<u32>,
    pub(crate) mode: String,
    pub(crate) because: String,
    pub(crate) expected: String,
    pub(crate) why_not_more: String,
    pub(crate) undo: Value,
    pub(crate) acted: bool,
    pub(crate) approved_by: String,
}

impl Decision {
    pub(crate) fn pool(&self) -> String {
        format!("{}/{}", self.database, self.user)
    }

    /// Recommended, and nobody has said yes.
    pub(crate) fn is_standing(&self) -> bool {
        !self.acted && self.mode == "recommend" && self.action != "keep"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_client_that_calls_itself_an_escape_sequence_moves_no_cursor() {
        let list: ClientList = read(json!({
            "clients": [{ "id": 1, "application": "\u{1b}[2Jgone\r\n\u{202e}txet" }]
        }))
        .unwrap();
        assert_eq!(list.clients[0].application, " [2Jgone  ?txet");
    }

    #[test]
    fn a_pool_of_an_older_weir_is_shown_as_far_as_it_goes() {
        let pools = pools(json!([
            { "database": "b", "user": "u", "level": null, "size": 4 },
            { "database": "a", "user": "u", "level": "exhausted", "unheard_of": [1] },
        ]))
        .unwrap();
        assert_eq!(pools[0].name(), "a/u");
        assert_eq!(pools[0].words.level, "exhausted");
        assert_eq!((pools[1].n.size, pools[1].words.level.as_str()), (4, ""));
    }

    #[test]
    fn what_is_no_list_of_pools_is_refused() {
        assert!(pools(json!({ "error": "x" })).is_err());
        assert!(pools(json!([{ "size": "many" }])).is_err());
    }

    #[test]
    fn an_instant_is_read_and_written_back() {
        let at = time("2026-11-23T14:05:00.250Z").unwrap();
        assert_eq!(written(at), "2026-11-23T14:05:00.250Z");
        assert_eq!(clock(at), "14:05:00");
        assert_eq!(time("yesterday"), None);
    }
}
