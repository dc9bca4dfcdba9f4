//! A control plane filled by hand, and the ways to ask through it.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod receiver;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::{broadcast, mpsc, watch};
use tower::ServiceExt;
use weir_api::ApiSettings;
use weir_api::server::Api;
use weir_control::handle::{
    Answer, Ask, AskFault, ControlHandle, PoolView, Published, Status, Totals, Wish,
};
use weir_control::incident::Incident;
use weir_control::incident::entry::{By, Entry, IncidentId, Kind, Said};
use weir_control::notify::outside::FromOutside;
use weir_control::regulate::{Decision, RegulatorMode, SizeAction};
use weir_model::{
    Cause, CauseFinding, ClientCounts, ClientId, ClientRow, ClientState, ClockMap, Evidence,
    Fingerprint, Histogram, HoldTime, Instant, Level, Pin, PoolId, PoolKey, PoolSample, Remedy,
    RuledOut, ServerCounts, ServerId, ServerRow, ServerState, Severity, Snapshot, Wall,
    WorkerSample,
};

/// 2026-11-23T05:00:00Z: the process' zero.
pub(crate) const ZERO: Wall = Wall::from_micros(1_795_410_000_000_000);
pub(crate) const NOW: Instant = Instant::from_millis(90_250);

pub(crate) fn clock() -> ClockMap {
    ClockMap {
        instant: Instant::ZERO,
        wall: ZERO,
    }
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn waits(of_ms: &[u64]) -> Histogram {
    let mut histogram = Histogram::default();
    for n in of_ms {
        histogram.record(ms(*n));
    }
    histogram
}

pub(crate) fn key() -> PoolKey {
    PoolKey::new("app", "dashboard")
}

pub(crate) fn pool() -> PoolView {
    PoolView {
        id: PoolId(3),
        key: key(),
        mode: "transaction".to_owned(),
        size: 10,
        size_min: 2,
        size_max: 40,
        size_because: "D-7: keep 10; <needs> an approval".to_owned(),
        clients: ClientCounts {
            active: 9,
            waiting: 41,
            idle: 100,
            idle_in_transaction: 1,
        },
        servers: ServerCounts {
            active: 10,
            ..ServerCounts::default()
        },
        oldest_wait: ms(2_500),
        wait: waits(&[1, 1, 1, 3_000]),
        hold: waits(&[20, 20, 30]),
        held: HoldTime {
            executing: ms(60),
            thinking: ms(30),
            network: ms(10),
        },
        transactions_per_s: 412.5,
        arrivals_per_s: 500.0,
        level: Some(Level::Exhausted),
        incident: Some(IncidentId(7)),
        pins: BTreeMap::from([(Pin::Listen, 2)]),
        paused: false,
        objective: "99% of waits < 10ms".to_owned(),
        totals: Totals {
            arrivals: 5_000,
            completions: 4_000,
            failures: 12,
            abandoned: 11,
            wait: waits(&[0, 1, 1, 20, 3_000]),
            hold: waits(&[20, 20, 30]),
            held: HoldTime {
                executing: ms(60),
                thinking: ms(30),
                network: ms(10),
            },
            bytes_in: 1_000,
            bytes_out: 2_000,
            client_logins: 200,
            server_logins: 10,
            server_login_failures: 1,
        },
    }
}

fn evidence() -> Evidence {
    Evidence {
        says: "41 clients wait while 10 of 10 servers are active".to_owned(),
        metric: "weir_client_connections".to_owned(),
        value: 41.0,
        baseline: Some(0.0),
        query: "GET /api/v1/pools".to_owned(),
        from: at(80_000),
        to: at(90_000),
    }
}

/// Civil time of so many milliseconds after the process' zero.
pub(crate) fn at(millis: u64) -> Wall {
    clock().wall(Instant::from_millis(millis))
}

pub(crate) fn opened(id: u64) -> Entry {
    Entry {
        incident: IncidentId(id),
        seq: 1,
        at: at(85_700),
        by: By::Weir,
        said: Said::Opened {
            kind: Kind::Real,
            pools: vec![key()],
            level: Some(Level::Exhausted),
            severity: Severity::Sev2,
            impact_started_at: at(85_000),
            detected_at: at(85_700),
            detected_by: "weir".to_owned(),
            objective: "99% of waits < 10ms".to_owned(),
            evidence: vec![evidence()],
            baseline: None,
            title: None,
            service: None,
        },
    }
}

/// An incident that nobody has done anything about.
pub(crate) fn fresh_incident(id: u64) -> Incident {
    Incident::replay(&[opened(id)]).unwrap()
}

pub(crate) fn said(id: u64, seq: u32, by: By, said: Said) -> Entry {
    Entry {
        incident: IncidentId(id),
        seq,
        at: at(86_000 + u64::from(seq) * 100),
        by,
        said,
    }
}

pub(crate) fn diagnosed(id: u64, seq: u32) -> Entry {
    said(
        id,
        seq,
        By::Weir,
        Said::Diagnosed {
            causes: vec![CauseFinding {
                cause: Cause::PoolUndersized,
                confidence: 0.93,
                share: 0.78,
                object: BTreeMap::from([("pool".to_owned(), "app/dashboard".to_owned())]),
                says: "10 servers can't carry 500 <transactions> per second".to_owned(),
                evidence: vec![evidence()],
                remedy: Remedy {
                    says: "enlarge the pool to 18".to_owned(),
                    order: None,
                    undo: None,
                    safe_to_automate: true,
                },
            }],
            ruled_out: vec![RuledOut {
                cause: Cause::SlowQuery,
                says: "no statement became slower".to_owned(),
                evidence: Vec::new(),
            }],
            trigger: None,
            trigger_at: None,
        },
    )
}

pub(crate) fn open_incident(id: u64) -> Incident {
    Incident::replay(&[opened(id), diagnosed(id, 2)]).unwrap()
}

pub(crate) fn resolved_incident(id: u64) -> Incident {
    let entries = [
        opened(id),
        diagnosed(id, 2),
        said(
            id,
            3,
            By::Weir,
            Said::Resolved {
                says: "the objective has been met for 30 s".to_owned(),
                evidence: Vec::new(),
            },
        ),
    ];
    Incident::replay(&entries).unwrap()
}

pub(crate) fn decision() -> Decision {
    Decision {
        number: 118,
        at: Instant::from_millis(88_000),
        pool: PoolId(3),
        key: key(),
        action: SizeAction::Grow { to: 18 },
        from: 10,
        mode: RegulatorMode::Recommend,
        because: "41 clients wait".to_owned(),
        expected: "wait p99 below 10 ms".to_owned(),
        why_not_more: None,
        order: None,
        undo: None,
        acted: false,
        approved_by: String::new(),
    }
}

pub(crate) fn published() -> Published {
    Published {
        at: NOW,
        clock: clock(),
        status: Status {
            version: "0.1.0".to_owned(),
            uptime: ms(90_250),
            io: "epoll (asked for)".to_owned(),
            workers: 1,
            regulator: "recommend".to_owned(),
            store: "ok".to_owned(),
            store_ok: true,
            watch: "ok".to_owned(),
            listen: vec!["127.0.0.1:6432".to_owned()],
            draining: false,
            data_plane_silent: false,
            server_version: 150_018,
        },
        worker: WorkerSample {
            clients: 152,
            servers: 10,
            ..WorkerSample::default()
        },
        pools: vec![pool()],
        incidents: vec![Arc::new(open_incident(7)), Arc::new(resolved_incident(6))],
        merged: vec![],
        decisions: vec![Arc::new(decision())],
        silences: Vec::new(),
        markers: Vec::new(),
        journals: Default::default(),
    }
}

pub(crate) fn pool_sample() -> PoolSample {
    PoolSample {
        pool: PoolId(3),
        key: key(),
        size: 10,
        clients: ClientCounts::default(),
        servers: ServerCounts::default(),
        oldest_wait: ms(100),
        arrivals: 50,
        completions: 40,
        failures: 0,
        abandoned: 0,
        wait: waits(&[1]),
        hold: waits(&[20]),
        held: HoldTime::default(),
        oldest_transaction: Duration::ZERO,
        oldest_idle_in_transaction: Duration::ZERO,
        bytes_in: 1,
        bytes_out: 1,
        client_logins: 0,
        server_logins: 0,
        server_login_failures: 0,
        paused: false,
    }
}

pub(crate) fn snapshot() -> Snapshot {
    let client = |id: u64, state, server: Option<u64>, pins: Vec<Pin>| ClientRow {
        client: ClientId(id),
        pool: Some(PoolId(3)),
        key: Some(key()),
        state,
        since: Instant::from_millis(87_750),
        connected: Instant::from_millis(1_000),
        addr: "127.0.0.1:51234".into(),
        application: "dash \"board\"".into(),
        server: server.map(ServerId),
        fingerprint: Fingerprint(0xabc),
        pins,
        prepared_statements: 2,
        tls: "".into(),
        user: "dashboard".into(),
        database: "app".into(),
    };
    Snapshot {
        request: 1,
        clients: vec![
            client(1, ClientState::Active, Some(5), vec![Pin::Listen]),
            client(2, ClientState::Waiting, None, Vec::new()),
        ],
        servers: vec![ServerRow {
            server: ServerId(5),
            pool: PoolId(3),
            key: key(),
            state: ServerState::Active,
            since: Instant::from_millis(87_750),
            connected: Instant::from_millis(2_000),
            backend_pid: 4711,
            client: Some(ClientId(1)),
            client_state: Some(ClientState::Active),
            client_since: None,
            client_addr: "127.0.0.1:51234".into(),
            application: "dash \"board\"".into(),
            transaction_since: None,
            fingerprint: Fingerprint(0xabc),
            pins: vec![Pin::Listen],
            host: "127.0.0.1".into(),
            port: 5432,
            close_needed: false,
            prepared_statements: 0,
            tls: "".into(),
        }],
        ..Snapshot::default()
    }
}

/// A control plane that answers from what was put in, and remembers what it was asked.
pub(crate) struct World {
    pub(crate) handle: ControlHandle,
    pub(crate) publish: watch::Sender<Arc<Published>>,
    pub(crate) asked: Arc<Mutex<Vec<Ask>>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of(published())
    }

    pub(crate) fn of(published: Published) -> Self {
        let (publish, receiver) = watch::channel(Arc::new(published));
        let (asks, mut queue) = mpsc::channel::<weir_control::handle::Asked>(256);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        tokio::spawn(async move {
            while let Some((ask, reply)) = queue.recv().await {
                let answer = match &ask {
                    Ask::Samples { from, .. } => Ok(Answer::Samples(
                        (0..20)
                            .map(|n| (from.after(ms(n * 100)), pool_sample()))
                            .collect(),
                    )),
                    Ask::Snapshot => Ok(Answer::Snapshot(Arc::new(snapshot()))),
                    Ask::Outside(FromOutside::Alerts { source, .. }) => Ok(Answer::Document(
                        serde_json::json!({ "schema": "weir.alerts_taken/1", "source": source }),
                    )),
                    Ask::Wish { id, wish, .. }
                        if id.0 == 6 && matches!(**wish, Wish::Resolve { .. }) =>
                    {
                        Err(AskFault::NotNow("INC-6 is already resolved".to_owned()))
                    }
                    Ask::Declare(_) => {
                        Ok(Answer::Declared(IncidentId(8), "INC-8 declared".to_owned()))
                    }
                    _ => Ok(Answer::Done("it is done".to_owned())),
                };
                seen.lock().unwrap().push(ask);
                let _ = reply.send(answer);
            }
        });
        let handle = ControlHandle {
            published: receiver,
            asks,
            happenings: broadcast::Sender::new(4_096),
            notifications: broadcast::Sender::new(1_024),
        };
        Self {
            handle,
            publish,
            asked,
        }
    }

    pub(crate) fn asked(&self) -> Vec<Ask> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn api(&self) -> Api {
        Api::new(self.handle.clone(), &settings())
    }

    pub(crate) fn router(&self) -> Router {
        self.api().router()
    }
}

pub(crate) fn settings() -> ApiSettings {
    ApiSettings::on("127.0.0.1:0".parse().unwrap())
}

pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn code(&self) -> String {
        let fault = &self.json()["error"];
        for key in ["code", "message", "hint"] {
            assert!(fault[key].is_string(), "{key} in {}", self.text);
        }
        fault["code"].as_str().unwrap().to_owned()
    }
}

pub(crate) async fn send(router: &Router, request: Request<Body>) -> Got {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Got {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

pub(crate) async fn get(router: &Router, path: &str) -> Got {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

pub(crate) async fn post(router: &Router, path: &str, body: &str) -> Got {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    send(router, request).await
}

pub(crate) async fn delete(router: &Router, path: &str, body: &str) -> Got {
    let request = Request::delete(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    send(router, request).await
}
