//! A Weir in trouble, as the API would tell it: the scene of the tests and the golden pictures.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};
use weir_model::{Instant, Wall};

use super::model::{Command, Doc, Fault, Input, Model, News};
use super::skin::Skin;

/// 2026-11-23T05:00:00Z.
pub(crate) const ZERO: Wall = Wall::from_micros(1_795_410_000_000_000);

pub(crate) const COLOUR: Skin = Skin {
    colour: true,
    unicode: true,
};
pub(crate) const MONO: Skin = Skin {
    colour: false,
    unicode: true,
};
pub(crate) const ASCII: Skin = Skin {
    colour: false,
    unicode: false,
};

/// A model, and all that it has wanted to be done.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) model: Model,
    pub(crate) now: Instant,
    pub(crate) wanted: Vec<Command>,
}

impl Scene {
    pub(crate) fn new(skin: Skin, size: (u16, u16)) -> Self {
        let url = "http://127.0.0.1:6433".to_owned();
        Self {
            model: Model::new(url, "ann".to_owned(), skin, ZERO, size),
            now: Instant::ZERO,
            wanted: Vec::new(),
        }
    }

    /// Two minutes of a day that goes wrong in its second half, all documents told.
    pub(crate) fn in_trouble(skin: Skin, size: (u16, u16)) -> Self {
        static ONCE: std::sync::OnceLock<Scene> = std::sync::OnceLock::new();
        let lived = ONCE.get_or_init(|| {
            let mut scene = Self::new(skin, size);
            for second in 0..120 {
                scene.second(second);
            }
            scene
        });
        let mut scene = lived.clone();
        scene.model.skin = skin;
        scene.model.size = size;
        scene
    }

    /// Goes on to this second and answers whatever is asked.
    pub(crate) fn second(&mut self, second: u64) {
        self.now = Instant::from_millis(second * 1_000);
        self.on(Input::Tick);
        self.answer_all();
    }

    /// Answers until nothing is asked any more.
    pub(crate) fn answer_all(&mut self) {
        let second = self.now.as_nanos() / 1_000_000_000;
        for _ in 0..50 {
            let asked: Vec<(Doc, String)> = self
                .wanted
                .iter()
                .filter_map(|command| match command {
                    Command::Ask { doc, path } => Some((*doc, path.clone())),
                    _ => None,
                })
                .collect();
            self.wanted
                .retain(|command| !matches!(command, Command::Ask { .. }));
            if asked.is_empty() {
                return;
            }
            for (doc, path) in asked {
                let result = answer(doc, &path, second);
                self.on(Input::News(News::Answer { doc, path, result }));
            }
        }
        panic!("it never stops asking");
    }

    pub(crate) fn on(&mut self, input: Input) {
        let wanted = self.model.on(input, self.now);
        self.wanted.extend(wanted);
    }

    pub(crate) fn later(&mut self, millis: u64) -> &mut Self {
        self.now = self.now.after(std::time::Duration::from_millis(millis));
        self.on(Input::Tick);
        self
    }

    pub(crate) fn key(&mut self, code: KeyCode) -> &mut Self {
        self.on(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        self
    }

    /// Keys as typed.
    pub(crate) fn types(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.key(KeyCode::Char(c));
        }
        self
    }

    /// What was wanted since the last time, without questions.
    pub(crate) fn took(&mut self) -> Vec<Command> {
        let wanted = std::mem::take(&mut self.wanted);
        let is_question = |command: &Command| matches!(command, Command::Ask { .. });
        wanted
            .into_iter()
            .filter(|command| !is_question(command))
            .collect()
    }

    /// What the last line says, at length.
    pub(crate) fn notice(&self) -> &str {
        self.model.notice.as_ref().map_or("", |(says, _, _)| says)
    }
}

pub(crate) fn at(second: u64) -> String {
    super::told::written(ZERO.after(std::time::Duration::from_secs(second)))
}

/// The onset: the pool of the dashboard runs dry.
pub(crate) const ONSET: u64 = 60;

pub(crate) fn answer(doc: Doc, path: &str, now: u64) -> Result<Value, Fault> {
    // What is asked of the past is answered of the past.
    let asked = path
        .split_once("?at=")
        .and_then(|(_, at)| super::told::time(at));
    let second = asked.map_or(now, |at| at.since(ZERO).as_secs());
    Ok(match doc {
        Doc::Pools => pools(second),
        Doc::Status => status(second),
        Doc::Overview => overview(second),
        Doc::Clients => clients(second),
        Doc::Queries => queries(second),
        Doc::Waits => waits(second),
        Doc::Incidents if second < ONSET + 1 => json!([]),
        Doc::Incidents => json!([incident(second)]),
        Doc::Incident if path.ends_with("INC-7") => incident(second),
        Doc::Incident => {
            return Err(Fault::Refused {
                status: 404,
                code: "no_such_incident".to_owned(),
                says: "there is no such incident".to_owned(),
            });
        }
        Doc::Decisions => decisions(second),
        Doc::Samples => json!({ "schema": "weir.samples/1", "samples": [] }),
    })
}

fn status(second: u64) -> Value {
    json!({
        "schema": "weir.status/1", "at": at(second), "version": "0.1.0",
        "uptime_s": 3_720 + second, "io": "uring (probed)", "workers": 1, "regulator_mode": "recommend",
        "store": "ok", "store_ok": true, "watch": "ok", "draining": false, "data_plane_silent": false,
        "clients": 152, "servers": 23, "loop_lag_max_s": 0.0004,
    })
}

/// How deep in trouble, 0 to 1.
fn depth(second: u64) -> f64 {
    (second.saturating_sub(ONSET) as f64 / 20.0).min(1.0)
}

pub(crate) fn pools(second: u64) -> Value {
    let d = depth(second);
    let whole = |n: f64| n.round() as u64;
    let waiting = whole(41.0 * d);
    let wave = (second as f64 / 7.0).sin() * 0.5 + 0.5;
    json!([
        {
            "schema": "weir.pool/1", "at": at(second), "database": "app", "user": "dashboard",
            "mode": "transaction", "size": 10, "size_min": 2, "size_max": 40,
            "size_because": "D-118: 10 servers carry 412 tx/s; 18 would carry what arrives",
            "why_not_more": "the regulator only recommends: approve D-118 to let it grow to 18",
            "clients": { "active": 10, "waiting": waiting, "idle": 100, "idle_in_transaction": 1 },
            "servers": { "active": if d > 0.0 { 10 } else { whole(6.0 + 3.0 * wave) }, "idle": if d > 0.0 { 0 } else { 2 }, "login": 0, "tested": 0, "used": 0 },
            "oldest_wait_s": 2.5 * d, "wait_s": { "p50": 1.1 * d, "p90": 2.1 * d, "p99": 0.002 + 2.9 * d, "max": 0.004 + 3.1 * d },
            "hold_s": { "p50": 0.021, "p99": 0.034, "executing_share": 0.62, "thinking_share": 0.31, "network_share": 0.07 },
            "transactions_per_s": 412.5, "arrivals_per_s": 380.0 + 120.0 * d,
            "abandoned_total": whole(11.0 * d), "failures_total": 12,
            "level": if d > 0.0 { json!("exhausted") } else { Value::Null },
            "incident": if d > 0.0 { json!("INC-7") } else { Value::Null },
            "paused": false, "objective": "99% of waits < 10ms", "pinned": { "listen": 2 }, "pins": { "listen": 2 },
            "recommendation": if d > 0.0 { recommendation() } else { Value::Null },
        },
        {
            "schema": "weir.pool/1", "at": at(second), "database": "app", "user": "worker",
            "mode": "transaction", "size": 8, "size_min": 2, "size_max": null,
            "size_because": "D-101: keep 8; the objective is met",
            "clients": { "active": 3, "waiting": 0, "idle": 21, "idle_in_transaction": 0 },
            "servers": { "active": 3, "idle": 5, "login": 0, "tested": 0, "used": 0 },
            "oldest_wait_s": 0.0, "wait_s": { "p50": 0.0, "p90": 0.0001, "p99": 0.0008, "max": 0.001 },
            "hold_s": { "p50": 0.4, "p99": 1.2, "executing_share": 0.9, "thinking_share": 0.08, "network_share": 0.02 },
            "transactions_per_s": 7.25, "arrivals_per_s": 7.25, "abandoned_total": 0, "failures_total": 0,
            "level": null, "incident": null, "paused": false, "objective": "99% of waits < 10ms", "pinned": {}, "pins": {},
        },
        {
            "schema": "weir.pool/1", "at": at(second), "database": "reports", "user": "größe_日本",
            "mode": "session", "size": 5, "size_min": 5, "size_max": 5,
            "size_because": "fixed by weir.toml",
            "clients": { "active": 1, "waiting": 0, "idle": 4, "idle_in_transaction": 3 },
            "servers": { "active": 4, "idle": 1, "login": 0, "tested": 0, "used": 0 },
            "oldest_wait_s": 0.0, "wait_s": { "p50": 0.0, "p90": 0.0, "p99": 0.0, "max": 0.0 },
            "hold_s": { "p50": 31.0, "p99": 260.0, "executing_share": 0.1, "thinking_share": 0.9, "network_share": 0.0 },
            "transactions_per_s": 0.2, "arrivals_per_s": 0.2, "abandoned_total": 0, "failures_total": 0,
            "level": "leak", "incident": null, "paused": true, "objective": "", "pinned": {}, "pins": {},
        },
    ])
}

fn recommendation() -> Value {
    json!({
        "says": "grow from 10 to 18", "decision": "D-118",
        "order": { "order": "approve", "pool": "app/dashboard" },
        "undo": { "order": "resize", "pool": "app/dashboard", "size": 10 },
        "expected": "wait p99 below 10 ms", "because": "41 clients wait and the database has room",
    })
}

fn overview(second: u64) -> Value {
    let d = depth(second);
    let queue = 0.78 * d;
    let rest = 1.0 - queue;
    json!({
        "schema": "weir.overview/1", "at": at(second), "live": true, "window_s": 10.0,
        "path": [
            { "hop": "client", "share": 0.31 * rest, "mean_s": 0.0068, "says": "" },
            { "hop": "queue", "share": queue, "mean_s": 1.1 * d, "says": "" },
            { "hop": "network", "share": 0.07 * rest, "mean_s": 0.0015, "says": "" },
            { "hop": "server", "share": 0.62 * rest, "mean_s": 0.0137, "says": "" },
        ],
        "failures_per_s": 0.0, "abandoned_per_s": 1.5 * d,
        "says": if d > 0.0 { "78 % of a transaction's time is spent waiting for a server of app/dashboard." }
                else { "Transactions spend their time in PostgreSQL." },
    })
}

fn clients(second: u64) -> Value {
    let mut rows = vec![
        json!({
            "client": 17, "database": "app", "user": "dashboard", "state": "active", "since": at(second), "state_s": 0.012,
            "connected_at": at(3), "host": "10.0.0.7", "addr": "10.0.0.7:51234", "application": "dash",
            "server": 5, "backend_pid": 4711, "fingerprint": "00000000000000ab",
            "statement": "select * from orders where customer = $1 order by placed desc limit $2", "pins": ["listen"], "prepared_statements": 2,
        }),
        json!({
            "client": 19, "database": "reports", "user": "größe_日本", "state": "idle_in_transaction", "since": at(1), "state_s": 260.0,
            "connected_at": at(1), "host": "unix", "addr": "unix", "application": "psql \u{1b}[31mred",
            "server": 9, "backend_pid": 4712, "fingerprint": null, "statement": "update accounts set balance = balance - $1 where id = $2",
            "pins": [], "prepared_statements": 0,
        }),
    ];
    for n in 0..40_u64 {
        rows.push(json!({
            "client": 100 + n, "database": "app", "user": "dashboard", "state": "waiting", "since": at(second),
            "state_s": 2.5 - n as f64 * 0.06, "connected_at": at(4), "host": format!("10.0.0.{}", 7 + n % 3), "addr": "",
            "application": "dash", "server": null, "backend_pid": null, "fingerprint": "00000000000000ab",
            "statement": "select * from orders where customer = $1 order by placed desc limit $2", "pins": [], "prepared_statements": 1,
        }));
    }
    json!({ "schema": "weir.clients/1", "at": at(second), "total": 152, "shown": rows.len(), "clients": rows })
}

fn queries(second: u64) -> Value {
    json!({
        "schema": "weir.queries/1", "from": at(second.saturating_sub(60)), "to": at(second), "slot_seconds": 412.0,
        "total": 3, "shown": 3, "queries": [
            { "database": "app", "user": "dashboard", "fingerprint": "00000000000000ab",
              "text": "select * from orders where customer = $1 order by placed desc limit $2",
              "share": 0.81, "executing_s": 333.0, "calls": 24_000, "calls_per_s": 400.0, "errors": 12, "mean_s": 0.0139, "max_s": 0.09,
              "rows": 240_000, "baseline_calls": 23_000, "baseline_mean_s": 0.0138, "change": 1.0,
              "says": "As long as before." },
            { "database": "app", "user": "worker", "fingerprint": "00000000000000cd",
              "text": "update jobs set state = $1 where id = $2", "share": 0.14, "executing_s": 58.0, "calls": 435, "calls_per_s": 7.25,
              "errors": 0, "mean_s": 0.133, "max_s": 1.1, "rows": 435, "baseline_calls": 430, "baseline_mean_s": 0.05, "change": 2.7,
              "says": "2.7 times as long as in the stretch before." },
            { "database": "reports", "user": "größe_日本", "fingerprint": "00000000000000ef", "text": null, "share": 0.05,
              "executing_s": 21.0, "calls": 1, "calls_per_s": 0.02, "errors": 0, "mean_s": 21.0, "max_s": 21.0, "rows": 9,
              "baseline_calls": 0, "baseline_mean_s": null, "change": null, "says": "Did not run before." },
        ],
    })
}

fn waits(second: u64) -> Value {
    let blocked = |pid: u64, client: u64, blocks: Value| {
        json!({
            "backend_pid": pid, "own": true, "database": "app", "user": "dashboard", "application": "dash", "host": "10.0.0.7",
            "state": "active", "state_s": 4.2, "transaction_s": 4.3, "wait_event": "Lock:transactionid",
            "lock": { "type": "transactionid", "mode": "ShareLock", "relation": null },
            "statement": "update accounts set balance = balance + $1 where id = $2", "server": 5, "client": client,
            "client_state": "active", "victims": 1, "repeated": false, "blocks": blocks,
        })
    };
    json!({
        "schema": "weir.waits/1", "at": at(second), "live": true, "looked_at": at(second), "complete": true,
        "roots": [{
            "backend_pid": 4712, "own": true, "database": "reports", "user": "größe_日本", "application": "psql", "host": "unix",
            "state": "idle in transaction", "state_s": 260.0, "transaction_s": 261.0, "wait_event": "Client:ClientRead", "lock": null,
            "statement": "update accounts set balance = balance - $1 where id = $2", "server": 9, "client": 19,
            "client_state": "idle_in_transaction", "victims": 3, "repeated": false,
            "blocks": [blocked(4720, 31, json!([blocked(4721, 32, json!([]))])), blocked(4722, 33, json!([]))],
        }],
        "pools": [{
            "database": "app", "user": "dashboard", "size": 10, "waiting": 41, "oldest_wait_s": 2.5, "holders_total": 10,
            "holders": [
                { "server": 5, "backend_pid": 4711, "client": 17, "client_state": "active", "application": "dash", "host": "10.0.0.7",
                  "held_s": 4.1, "transaction_s": 4.1, "statement": "select * from orders where customer = $1 order by placed desc limit $2", "pins": [], "blocked_by": [] },
                { "server": 6, "backend_pid": 4720, "client": 31, "client_state": "active", "application": "dash", "host": "10.0.0.7",
                  "held_s": 4.3, "transaction_s": 4.3, "statement": "update accounts set balance = balance + $1 where id = $2", "pins": [], "blocked_by": [4712] },
            ],
            "waiters": [
                { "client": 100, "database": "app", "user": "dashboard", "state": "waiting", "state_s": 2.5, "host": "10.0.0.7",
                  "application": "dash", "server": null, "backend_pid": null, "statement": null, "pins": [] },
            ],
        }],
        "says": "Backend 4712 blocks 3 others; 41 clients wait for app/dashboard.",
    })
}

pub(crate) fn incident(second: u64) -> Value {
    json!({
        "schema": "weir.incident/1", "id": "INC-7", "status": "open", "kind": "real", "severity": "sev2",
        "title": "app/dashboard: pool exhausted, 2026-11-23", "level": "exhausted",
        "pools": [{ "database": "app", "user": "dashboard" }],
        "clocks": {
            "impact_started_at": at(ONSET), "detected_at": at(ONSET + 1), "cause_named_at": at(ONSET + 4),
            "acknowledged_at": null, "mitigated_at": null, "resolved_at": null,
        },
        "impact": {
            "transactions": 41_210, "transactions_delayed": 9_120, "transactions_failed": 310, "clients": 400, "clients_affected": 141,
            "users": 2_000, "users_affected": 702, "wait_s_p99_before": 0.0004, "wait_s_p99_during": 3.1, "objective": "99% of waits < 10ms",
        },
        "causes": [{
            "cause": "pool_undersized", "confidence": 0.93, "share": 0.78,
            "says": "10 servers can't carry 500 transactions per second",
            "evidence": [{ "says": "41 clients wait while 10 of 10 servers are active" }],
            "remedy": { "says": "enlarge the pool to 18" },
        }],
        "ruled_out": [{ "cause": "slow_query", "says": "no statement became slower: at most x1.0" }],
        "timeline": [
            { "at": at(ONSET), "kind": "impact", "by": "weir", "says": "clients begin to wait" },
            { "at": at(ONSET + 1), "kind": "detected", "by": "weir", "says": "app/dashboard is exhausted" },
            { "at": at(ONSET + 4), "kind": "finding", "by": "weir", "says": "the pool is too small for what arrives" },
        ],
        "questions": ["Why was the peak not expected?"],
        "at": at(second),
    })
}

pub(crate) fn decisions(second: u64) -> Value {
    let mut rows = vec![json!({
        "schema": "weir.decision/1", "id": "D-101", "at": at(20), "database": "app", "user": "worker",
        "says": "keep 8: the objective is met", "action": "keep", "from": 8, "to": 8, "mode": "recommend", "because": "nothing waits",
        "expected": "", "why_not_more": null, "order": null, "undo": null, "acted": false, "approved_by": null,
    })];
    if second >= ONSET + 5 {
        rows.insert(0, json!({
            "schema": "weir.decision/1", "id": "D-118", "at": at(ONSET + 5), "database": "app", "user": "dashboard",
            "says": "grow from 10 to 18: 41 clients wait and the database has room", "action": "grow", "from": 10, "to": 18,
            "mode": "recommend", "because": "41 clients wait and the database has room", "expected": "wait p99 below 10 ms",
            "why_not_more": "18 is what arrives needs; the rail is 40", "order": {}, "undo": { "resize": 10 }, "acted": false, "approved_by": null,
        }));
    }
    Value::Array(rows)
}
