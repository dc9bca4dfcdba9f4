//! A control plane filled by hand, and the ways to ask through it.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod receiver;

use std::collections::{BTreeMap, HashMap, VecDeque};
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
    Answer, Ask, AskFault, Change, ChangeKind, ControlHandle, Foreseen, OperatorOrder,
    PastDecision, PoolView, Published, Reach, Sensor, Spark, SparkPoint, StatementRow,
    StatementsLook, Status, Totals, WaitsLook, Wish,
};
use weir_control::incident::Incident;
use weir_control::incident::entry::{By, Entry, IncidentId, Kind, Said};
use weir_control::notify::outside::FromOutside;
use weir_control::record::stretch::Stretch;
use weir_control::record::window::StatementWindow;
use weir_control::regulate::{Decision, RegulatorMode, SizeAction};
use weir_control::sense::view::{Backend, BlockEdge, BlockRoot, ServerView, WaitingLock};
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
        failures_per_s: 1.5,
        abandoned_per_s: 1.0,
        why_not_more: "18 is recommended and waits for approval".to_owned(),
        recommendation: Some(Arc::new(decision())),
        spark: Arc::new(Spark {
            to: Instant::from_millis(90_000),
            points: VecDeque::from([
                None,
                Some(SparkPoint {
                    wait_p99: ms(3_000),
                    waiting: 41,
                    busy: 10.0,
                }),
            ]),
        }),
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
        as_of: None,
        window: Duration::from_secs(10),
        resolution: ms(100),
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
        sensors: vec![Sensor {
            server: "main".to_owned(),
            ok: true,
            says: "ok".to_owned(),
            looked_at: Some(Instant::from_millis(90_000)),
            took: Some(ms(4)),
            looks: 90,
            late: 2,
            failed: 0,
            sees_all: true,
        }],
        changes: Arc::new(VecDeque::from([Change {
            at: at(60_000),
            by: "ann".to_owned(),
            kind: ChangeKind::Regulator,
            says: "regulator: observe → recommend".to_owned(),
            undo: Some("order `regulator` with mode observe".to_owned()),
        }])),
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
        }],
    }
}

/// Backend 4711 of the snapshot waits for 900, whose text carries a literal; 901 waits for 4711.
pub(crate) fn waits_look() -> WaitsLook {
    let mut view = ServerView::empty("main", Instant::from_millis(90_000), Ok(()));
    let backend = |pid: i32, state: &str, query: &str| Backend {
        pid,
        database: "app".to_owned(),
        user: "dashboard".to_owned(),
        application: "psql".to_owned(),
        client_addr: "10.0.0.9".to_owned(),
        backend_type: "client backend".to_owned(),
        state: state.to_owned(),
        wait_event_type: "Lock".to_owned(),
        wait_event: "transactionid".to_owned(),
        transaction_age: Some(ms(12_000)),
        state_age: Some(ms(11_000)),
        query: query.to_owned(),
        ..Backend::default()
    };
    view.backends = vec![
        backend(900, "idle in transaction", "UPDATE t SET x = 'hunter2'"),
        backend(4711, "active", "UPDATE t SET x = 'hunter3'"),
        backend(901, "active", "ALTER TABLE t ADD y int"),
    ];
    view.edges = vec![
        BlockEdge {
            waiter: 4711,
            blocker: 900,
        },
        BlockEdge {
            waiter: 901,
            blocker: 4711,
        },
    ];
    view.roots = vec![BlockRoot {
        pid: 900,
        victims: 2,
        ..BlockRoot::default()
    }];
    view.waiting_locks = vec![WaitingLock {
        pid: 901,
        locktype: "relation".to_owned(),
        mode: "AccessExclusiveLock".to_owned(),
        relation: "t".to_owned(),
        query: String::new(),
    }];
    WaitsLook {
        views: vec![view],
        servers: Some(snapshot().servers),
        texts: HashMap::from([(Fingerprint(0xabc), "update t set x = ?".into())]),
    }
}

pub(crate) fn statements(from: Wall, to: Wall) -> StatementsLook {
    let window = |shape: u64, calls: u64, executing: u64| StatementWindow {
        fingerprint: Fingerprint(shape),
        text: "select ?".to_owned(),
        calls,
        errors: 0,
        executing: ms(executing),
        executing_max: ms(executing / 2),
        rows: calls,
    };
    StatementsLook {
        from,
        to,
        before: (from.before(to.since(from)), from),
        rows: vec![
            StatementRow {
                key: key(),
                now: window(0xa, 10, 1_000),
                before: None,
            },
            StatementRow {
                key: key(),
                now: window(0xb, 30, 3_000),
                before: Some(window(0xb, 30, 1_000)),
            },
        ],
    }
}

pub(crate) fn reach() -> Reach {
    Reach {
        minutes_from: Some(ZERO.before(Duration::from_secs(3_600))),
        minutes_to: Some(at(60_000)),
        samples_from: Some(ZERO),
        latest: at(90_250),
        decisions: vec![PastDecision {
            at: at(88_000),
            pool: "app/dashboard".to_owned(),
            says: "recommend 10 → 18".to_owned(),
            by: String::new(),
        }],
    }
}

fn foreseen(order: &OperatorOrder) -> Foreseen {
    let undo = match order {
        OperatorOrder::Resize { pool, .. } => Some(OperatorOrder::Resize {
            pool: pool.clone(),
            size: 10,
        }),
        _ => None,
    };
    Foreseen {
        says: "it would be done".to_owned(),
        expected: "something comes of it".to_owned(),
        undo_says: "order `resize` to 10".to_owned(),
        undo,
        pool: None,
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
        let first = published.clone();
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
                    Ask::At { at } if *at < ZERO => Err(AskFault::NotRecorded {
                        earliest: Some(ZERO),
                    }),
                    Ask::At { at } => {
                        let mut then = Published::clone(&first);
                        then.as_of = Some(*at);
                        Ok(Answer::Published(Arc::new(then)))
                    }
                    Ask::Series { from, step, .. } => {
                        let mut stretch = Stretch::new(&key(), from.after(*step), *step);
                        stretch.add(&pool_sample());
                        Ok(Answer::Series(vec![stretch]))
                    }
                    Ask::Waits { .. } => Ok(Answer::Waits(Box::new(waits_look()))),
                    Ask::Statements { from, to, .. } => {
                        Ok(Answer::Statements(Box::new(statements(*from, *to))))
                    }
                    Ask::Texts(of) => Ok(Answer::Texts(
                        of.iter()
                            .map(|shape| (*shape, "select * from orders where id = ?".into()))
                            .collect(),
                    )),
                    Ask::Reach { .. } => Ok(Answer::Reach(Box::new(reach()))),
                    Ask::Foresee { order } => Ok(Answer::Foreseen(Box::new(foreseen(order)))),
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
