//! The `weir` binary as a child process, and its HTTP API as anybody else would use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{DemoError, shop};
use crate::clock::now;
use crate::pg::{RunAs, Supervised};

/// How long Weir watches that it stays good before it resolves. A minute in life.
pub(crate) const WATCH_S: u32 = 12;
const READY_LIMIT: Duration = Duration::from_secs(20);

/// A running Weir. Dropping it stops it.
pub(crate) struct Weir {
    process: Supervised,
    log: PathBuf,
    /// Where the dashboard finds its database.
    pub(crate) port: u16,
    /// Its HTTP side.
    pub(crate) api: Api,
}

/// How Weir is set up for a replay.
pub(crate) struct WeirSetup<'a> {
    pub(crate) exe: &'a Path,
    /// A folder of ours: configuration, store and log go there.
    pub(crate) dir: &'a Path,
    pub(crate) postgres_port: u16,
    /// A server connection is closed and opened anew after this long, if given.
    pub(crate) server_lifetime: Option<&'a str>,
    /// Port of the API; `None`: any free one.
    pub(crate) api: Option<u16>,
}

impl Weir {
    /// Writes `weir.toml`, starts `weir run weir.toml` and waits until it is ready.
    pub(crate) async fn start(setup: WeirSetup<'_>) -> Result<Self, DemoError> {
        let ports = crate::pg::free_port()
            .and_then(|a| Ok((a, setup.api.map_or_else(crate::pg::free_port, Ok)?)));
        let (port, api_port) = ports.map_err(DemoError::io("couldn't find a free port"))?;
        let config = setup.dir.join("weir.toml");
        let log = setup.dir.join("weir.log");
        fs::write(&config, toml(&setup, port, api_port)).map_err(DemoError::io(format!(
            "couldn't write {}",
            config.display()
        )))?;
        let mut process = Supervised::start(
            setup.exe,
            &["run".to_owned(), config.to_string_lossy().into_owned()],
            &log,
            "TERM",
            Some(setup.dir),
            &RunAs::ourselves(),
        )
        .map_err(DemoError::io(format!(
            "couldn't start {}",
            setup.exe.display()
        )))?;
        let api = Api::at(api_port);
        let begun = now();
        while !api.is_ready().await {
            if process.has_ended() || begun.elapsed() > READY_LIMIT {
                return Err(DemoError::WeirNotReady {
                    waited_s: begun.elapsed().as_secs(),
                    log: last_lines(&log, 8),
                });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Self {
            process,
            log,
            port,
            api,
        })
    }

    /// True if it ended by itself, which it never should.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Its log file.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Asks it to drain and waits a little.
    pub(crate) fn stop(&mut self) {
        self.process.signal("TERM");
        self.process.wait(Duration::from_secs(5));
    }
}

fn toml(setup: &WeirSetup<'_>, port: u16, api_port: u16) -> String {
    let lifetime = setup
        .server_lifetime
        .map(|l| format!("lifetime = \"{l}\"\n"))
        .unwrap_or_default();
    format!(
        r#"# Written by `weir demo`.
listen = ["127.0.0.1:{port}"]
api = "127.0.0.1:{api_port}"
store = "{store}"

[auth]
method = "trust"

[server.main]
hosts = ["127.0.0.1:{pg}"]
watch = {{ user = "{monitor}" }}
{lifetime}
[pool.{database}]
server = "main"
database = "{database}"
mode = "transaction"
size = {{ min = 10, max = 40, initial = 10 }}
objective = "99% of waits < 10ms"

[regulator]
mode = "recommend"

[incident]
# A replay is watched for shorter than life: a minute is usual.
resolve_after = "{WATCH_S}s"
"#,
        store = setup.dir.join("weir.db").display(),
        pg = setup.postgres_port,
        monitor = shop::MONITOR,
        database = shop::DATABASE,
    )
}

pub(crate) fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n    ")
}

/// Weir's HTTP API, as far as the demo needs it.
#[derive(Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
}

/// The dashboard's pool, as `/api/v1/pools` shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PoolView {
    pub(crate) size: u64,
    pub(crate) active: u64,
    pub(crate) open: u64,
    pub(crate) waiting: u64,
    pub(crate) idle_in_transaction: u64,
    pub(crate) oldest_wait_s: f64,
}

/// The incident, as `/api/v1/incidents/{id}` shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct IncidentView {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) level: String,
    /// Ranked: name, confidence, sentence.
    pub(crate) causes: Vec<(String, f64, String)>,
    /// Ruled out: name, sentence.
    pub(crate) ruled_out: Vec<(String, String)>,
    pub(crate) raw: Value,
}

impl IncidentView {
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.status.as_str(), "resolved" | "reviewed" | "closed")
    }

    pub(crate) fn top_cause(&self) -> Option<&str> {
        self.causes.first().map(|c| c.0.as_str())
    }

    /// A number under `clocks`: `detect_s`, `name_cause_s`…
    pub(crate) fn clock(&self, key: &str) -> Option<f64> {
        self.raw.get("clocks")?.get(key)?.as_f64()
    }

    /// A number under `impact`.
    pub(crate) fn impact(&self, key: &str) -> Option<f64> {
        self.raw.get("impact")?.get(key)?.as_f64()
    }
}

impl Api {
    fn at(port: u16) -> Self {
        Self {
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(5))
                .no_proxy()
                .build()
                .unwrap_or_default(),
            base: format!("http://127.0.0.1:{port}"),
        }
    }

    /// Where a person would look.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    async fn is_ready(&self) -> bool {
        let asked = self.http.get(format!("{}/readyz", self.base)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    pub(crate) async fn text(&self, path: &str) -> Result<String, DemoError> {
        let trouble = |source| DemoError::Api {
            path: path.to_owned(),
            source,
        };
        self.http
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(trouble)?
            .text()
            .await
            .map_err(trouble)
    }

    async fn json(&self, path: &str) -> Result<Value, DemoError> {
        let text = self.text(path).await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The dashboard's pool; `None` before its first client.
    pub(crate) async fn pool(&self) -> Result<Option<PoolView>, DemoError> {
        let pools = self.json("/api/v1/pools").await?;
        Ok(rows(&pools, "pools")
            .iter()
            .find(|pool| pool["database"] == shop::DATABASE && pool["user"] == shop::USER)
            .map(read_pool))
    }

    /// All incidents, the newest first.
    pub(crate) async fn incidents(&self) -> Result<Vec<String>, DemoError> {
        let list = self.json("/api/v1/incidents").await?;
        let mut ids: Vec<String> = rows(&list, "incidents")
            .iter()
            .filter_map(|row| row["id"].as_str().map(str::to_owned))
            .collect();
        let number = |id: &String| -> u64 { id.trim_start_matches("INC-").parse().unwrap_or(0) };
        ids.sort_by_key(|id| std::cmp::Reverse(number(id)));
        Ok(ids)
    }

    pub(crate) async fn incident(&self, id: &str) -> Result<IncidentView, DemoError> {
        let raw = self.json(&format!("/api/v1/incidents/{id}")).await?;
        Ok(read_incident(raw))
    }

    /// An operator's order: from now on the regulator may act.
    pub(crate) async fn let_regulator_act(&self) -> Result<(), DemoError> {
        let path = "/api/v1/orders";
        self.http
            .post(format!("{}{path}", self.base))
            .json(&json!({"order": "regulator", "mode": "act", "by": "demo"}))
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map(|_| ())
            .map_err(|source| DemoError::Api {
                path: path.to_owned(),
                source,
            })
    }
}

/// The rows of a list, which stands alone or under its noun.
fn rows<'a>(value: &'a Value, noun: &str) -> &'a [Value] {
    value
        .as_array()
        .or_else(|| value.get(noun).and_then(Value::as_array))
        .map_or(&[], Vec::as_slice)
}

fn read_pool(pool: &Value) -> PoolView {
    let count = |of: &str, state: &str| pool[of][state].as_u64().unwrap_or(0);
    PoolView {
        size: pool["size"].as_u64().unwrap_or(0),
        active: count("servers", "active"),
        open: ["active", "idle", "login", "tested", "used"]
            .iter()
            .map(|state| count("servers", state))
            .sum(),
        waiting: count("clients", "waiting"),
        idle_in_transaction: count("clients", "idle_in_transaction"),
        oldest_wait_s: pool["oldest_wait_s"].as_f64().unwrap_or(0.0),
    }
}

fn read_incident(raw: Value) -> IncidentView {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let list = |key: &str| rows(&raw[key], key).to_vec();
    IncidentView {
        id: text(&raw["id"]),
        status: text(&raw["status"]),
        level: text(&raw["level"]),
        causes: list("causes")
            .iter()
            .map(|c| {
                (
                    text(&c["cause"]),
                    c["confidence"].as_f64().unwrap_or(0.0),
                    text(&c["says"]),
                )
            })
            .collect(),
        ruled_out: list("ruled_out")
            .iter()
            .map(|r| (text(&r["cause"]), text(&r["says"])))
            .collect(),
        raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_is_read_as_the_contract_writes_it() {
        let incident = read_incident(json!({
            "schema": "weir.incident/1", "id": "INC-7", "status": "resolved", "level": "exhausted",
            "clocks": {"detect_s": 0.7, "acknowledge_s": null},
            "causes": [{"cause": "pool_undersized", "confidence": 0.93, "says": "too small"}],
            "ruled_out": [{"cause": "slow_query", "says": "within 4 %", "evidence": []}],
        }));
        assert!(incident.is_over());
        assert_eq!(incident.top_cause(), Some("pool_undersized"));
        assert_eq!(incident.clock("detect_s"), Some(0.7));
        assert_eq!(incident.clock("acknowledge_s"), None);
        assert_eq!(incident.ruled_out.len(), 1);
    }

    #[test]
    fn a_pool_is_found_in_a_bare_list_and_in_a_document() {
        let pool = json!({"database": "shop", "user": "dashboard", "size": 10, "oldest_wait_s": 0.5,
            "clients": {"waiting": 3}, "servers": {"active": 9, "idle": 1}});
        for document in [
            json!([pool]),
            json!({"schema": "weir.pools/1", "pools": [pool]}),
        ] {
            let view = read_pool(&rows(&document, "pools")[0]);
            assert_eq!(
                (view.size, view.active, view.open, view.waiting),
                (10, 9, 10, 3)
            );
        }
    }

    #[test]
    fn nonsense_from_the_api_reads_as_nothing() {
        assert!(rows(&Value::Null, "pools").is_empty());
        assert_eq!(read_incident(Value::Null), IncidentView::default());
    }
}
