//! For tests: a pool that is simulated in steps of a millisecond, with the faults that tests need,
//! and a real [`Recorder`] that listens to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ClientCounts, ClientId, ClientState, ClockMap, ConnectFailure, Event, Fingerprint, Histogram,
    HoldTime, Instant, PoolId, PoolKey, PoolMode, PoolSample, Sample, ServerCounts, ServerId,
    ServerRow, ServerState, StatementSample, StatementSeen, Wall, WorkerSample,
};

use crate::record::Recorder;
use crate::sense::view::{Backend, BlockRoot, Limits, ServerView, WaitingLock, WatchFailure};

pub(crate) const POOL: PoolId = PoolId(0);

pub(crate) fn key() -> PoolKey {
    PoolKey::new("shop", "dashboard")
}

pub(crate) fn clock() -> ClockMap {
    ClockMap {
        instant: Instant::ZERO,
        wall: Wall::from_micros(1_790_000_000_000_000),
    }
}

const TEXTS: [&str; 3] = [
    "SELECT name, email FROM users WHERE id = $1",
    "UPDATE page_views SET views = views + 1 WHERE id = $1",
    "SELECT o.id, sum(i.price) FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.user_id = $1 GROUP BY o.id",
];

/// How things are. Change it to change them.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    /// Offered per second.
    pub arrivals: f64,
    /// Seconds of each statement's execution.
    pub exec: [f64; 3],
    /// Seconds idle in transaction, after the statements.
    pub think: f64,
    /// This statement never ends, and waits for that: `Lock`, `relation`.
    pub blocked: Option<(usize, &'static str, &'static str)>,
    /// This part of the executing backends waits for that.
    pub waits: Option<(usize, &'static str, &'static str)>,
    /// New servers are refused so.
    pub refuse: Option<ConnectFailure>,
    /// Every so many seconds a client never ends its transaction.
    pub leak_every_s: Option<f64>,
    /// Seconds to open a server.
    pub dial: f64,
    /// Who blocks.
    pub root: Option<BlockRoot>,
    /// How long it has been in its state, where that isn't the age of its transaction.
    pub root_idle_for: Option<Duration>,
    /// Locks not granted.
    pub waiting_locks: Vec<WaitingLock>,
    /// Client backends of others.
    pub foreign: u32,
}

impl Phase {
    /// 120 transactions a second that hold a server for 15 ms.
    pub(crate) fn calm() -> Self {
        Self {
            arrivals: 120.0,
            exec: [0.005, 0.005, 0.005],
            think: 0.000_5,
            blocked: None,
            waits: None,
            refuse: None,
            leak_every_s: None,
            dial: 0.01,
            root: None,
            root_idle_for: None,
            waiting_locks: Vec::new(),
            foreign: 5,
        }
    }
}

#[derive(Clone, Debug)]
struct Tx {
    client: u64,
    arrived: u64,
    started: u64,
    stage: usize,
    stage_since: u64,
    left_ms: f64,
    hold: HoldTime,
    forever: bool,
}

/// The simulated pool.
pub(crate) struct Sim {
    pub recorder: Recorder,
    pub phase: Phase,
    pub size: u32,
    pub watch: bool,
    /// Milliseconds since zero.
    pub ms: u64,
    dice: u64,
    next: u64,
    queue: VecDeque<(u64, u64)>,
    servers: Vec<(u64, Option<Tx>)>,
    dialing: Vec<u64>,
    retry_at: u64,
    leaked_at: u64,
    second: [StatementSample; 3],
    ticks: u64,
}

impl Sim {
    pub(crate) fn new(size: u32, seed: u64) -> Self {
        let mut recorder = Recorder::new();
        recorder.on_event(&Event::PoolOpened {
            pool: POOL,
            key: key(),
            mode: PoolMode::Transaction,
            size,
        });
        for (i, text) in TEXTS.iter().enumerate() {
            recorder.on_event(&Event::StatementSeen(StatementSeen {
                fingerprint: Fingerprint(i as u64 + 1),
                text: (*text).to_owned(),
            }));
        }
        Self {
            recorder,
            phase: Phase::calm(),
            size,
            watch: true,
            ms: 0,
            dice: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            next: 1,
            queue: VecDeque::new(),
            servers: Vec::new(),
            dialing: Vec::new(),
            retry_at: 0,
            leaked_at: 0,
            second: empty_second(),
            ticks: 0,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_millis(self.ms)
    }

    fn roll(&mut self) -> f64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Exponential with this mean.
    fn chance(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.roll()).ln()
    }

    /// PostgreSQL ends all servers.
    pub(crate) fn kill_servers(&mut self) -> u32 {
        let n = self.servers.len() as u32;
        for (id, _) in std::mem::take(&mut self.servers) {
            self.recorder.on_event(&Event::ServerClosed {
                pool: POOL,
                server: ServerId(id),
                reason: "57P02 terminating connection because of crash of another server process"
                    .to_owned(),
                lost: true,
                age: std::time::Duration::ZERO,
            });
        }
        n
    }

    /// `n` clients ask at once.
    pub(crate) fn burst(&mut self, n: u32) {
        for _ in 0..n {
            let client = self.next;
            self.next += 1;
            self.queue.push_back((self.ms, client));
        }
    }

    fn stage_ms(&mut self, stage: usize) -> f64 {
        let mean = match stage {
            0..3 => self.phase.exec[stage],
            _ => self.phase.think,
        };
        // Half fixed, half by chance: neither a metronome nor a lottery.
        (0.5 * mean + 0.5 * self.chance(mean)) * 1e3
    }

    /// The next 100 ms.
    pub(crate) fn step(&mut self) -> PoolSample {
        let mut s = PoolSample {
            pool: POOL,
            key: key(),
            size: self.size,
            clients: ClientCounts::default(),
            servers: ServerCounts::default(),
            oldest_wait: Duration::ZERO,
            arrivals: self.queue.iter().filter(|(at, _)| *at == self.ms).count() as u32,
            completions: 0,
            failures: 0,
            abandoned: 0,
            wait: Histogram::default(),
            hold: Histogram::default(),
            held: HoldTime::default(),
            oldest_transaction: Duration::ZERO,
            oldest_idle_in_transaction: Duration::ZERO,
            bytes_in: 0,
            bytes_out: 0,
            client_logins: 0,
            server_logins: 0,
            server_login_failures: 0,
            paused: false,
        };
        for _ in 0..100 {
            self.millisecond(&mut s);
        }
        let ms = |n: u64| Duration::from_millis(n);
        for (_, tx) in &self.servers {
            let Some(tx) = tx else {
                s.servers.idle += 1;
                continue;
            };
            s.servers.active += 1;
            s.oldest_transaction = s.oldest_transaction.max(ms(self.ms - tx.started));
            if tx.stage >= 3 {
                s.clients.idle_in_transaction += 1;
                let idle = ms(self.ms - tx.stage_since);
                s.oldest_idle_in_transaction = s.oldest_idle_in_transaction.max(idle);
            } else {
                s.clients.active += 1;
            }
        }
        s.servers.login = self.dialing.len() as u32;
        s.clients.waiting = self.queue.len() as u32;
        s.oldest_wait = self
            .queue
            .front()
            .map_or(Duration::ZERO, |(at, _)| ms(self.ms - at));

        self.ticks += 1;
        let statements = if self.ticks.is_multiple_of(10) {
            std::mem::replace(&mut self.second, empty_second()).to_vec()
        } else {
            Vec::new()
        };
        let second = !statements.is_empty();
        self.recorder.on_sample(&Sample {
            at: self.now(),
            interval: ms(100),
            worker: WorkerSample::default(),
            pools: vec![s.clone()],
            statements: statements.into_iter().filter(|s| s.calls > 0).collect(),
        });
        if second {
            let rows = self.rows();
            self.recorder.on_event(&Event::Servers(rows));
        }
        // Looks come between the seconds, as in life.
        if self.watch && self.ticks % 10 == 4 {
            let view = self.look();
            self.recorder.on_view(view);
        }
        s
    }

    fn millisecond(&mut self, s: &mut PoolSample) {
        self.ms += 1;
        let n = self.phase.arrivals / 1e3;
        let mut due = self.chance(1.0);
        while due < n {
            let client = self.next;
            self.next += 1;
            s.arrivals += 1;
            self.queue.push_back((self.ms, client));
            due += self.chance(1.0);
        }
        self.dial(s);
        for i in 0..self.servers.len() {
            self.serve(i, s);
        }
        for i in 0..self.servers.len() {
            if self.servers[i].1.is_none() {
                self.assign(i, s);
            }
        }
        // The pool shrank: idle servers go.
        while self.servers.len() > self.size as usize {
            let Some(i) = self.servers.iter().position(|(_, tx)| tx.is_none()) else {
                break;
            };
            self.servers.remove(i);
        }
    }

    fn dial(&mut self, s: &mut PoolSample) {
        let open = (self.servers.len() + self.dialing.len()) as u32;
        let wanted = self.queue.len() > self.dialing.len();
        if wanted && open < self.size && self.dialing.len() < 4 && self.ms >= self.retry_at {
            self.dialing.push(self.ms + (self.phase.dial * 1e3) as u64);
        }
        let ready = self.dialing.iter().filter(|at| **at <= self.ms).count();
        self.dialing.retain(|at| *at > self.ms);
        for _ in 0..ready {
            if let Some(failure) = self.phase.refuse.clone() {
                s.server_login_failures += 1;
                self.retry_at = self.ms + 1000;
                self.recorder.on_event(&Event::ServerLoginFailed {
                    pool: POOL,
                    failure,
                });
            } else {
                s.server_logins += 1;
                let id = self.next;
                self.next += 1;
                self.servers.push((id, None));
                self.recorder.on_event(&Event::ServerReady {
                    pool: POOL,
                    server: ServerId(id),
                    backend_pid: id as i32 + 1000,
                    took: Duration::from_millis(10),
                });
            }
        }
    }

    fn assign(&mut self, i: usize, s: &mut PoolSample) {
        let Some((arrived, client)) = self.queue.pop_front() else {
            return;
        };
        s.wait.record(Duration::from_millis(self.ms - arrived));
        let left_ms = self.stage_ms(0);
        let leak = self
            .phase
            .leak_every_s
            .is_some_and(|every| (self.ms - self.leaked_at) as f64 >= every * 1e3);
        if leak {
            self.leaked_at = self.ms;
        }
        self.servers[i].1 = Some(Tx {
            client,
            arrived,
            started: self.ms,
            stage: 0,
            stage_since: self.ms,
            left_ms,
            hold: HoldTime::default(),
            forever: leak,
        });
    }

    fn serve(&mut self, i: usize, s: &mut PoolSample) {
        let Some(mut tx) = self.servers[i].1.take() else {
            return;
        };
        let ms = Duration::from_millis(1);
        if tx.stage < 3 {
            tx.hold.executing += ms;
            s.held.executing += ms;
        } else {
            tx.hold.thinking += ms;
            s.held.thinking += ms;
        }
        let blocked = self
            .phase
            .blocked
            .is_some_and(|(stage, ..)| stage == tx.stage);
        if !blocked {
            tx.left_ms -= 1.0;
        }
        if tx.left_ms <= 0.0 && tx.stage < 3 {
            let took = Duration::from_millis(self.ms - tx.stage_since);
            let row = &mut self.second[tx.stage];
            row.calls += 1;
            row.executing += took;
            row.executing_max = row.executing_max.max(took);
            row.rows += 1;
            tx.stage += 1;
            tx.stage_since = self.ms;
            tx.left_ms += self.stage_ms(tx.stage);
        }
        if tx.left_ms <= 0.0 && tx.stage >= 3 && !tx.forever {
            s.completions += 1;
            s.hold.record(tx.hold.total());
            let _ = tx.arrived;
            return;
        }
        self.servers[i].1 = Some(tx);
    }

    fn rows(&self) -> Vec<ServerRow> {
        self.servers
            .iter()
            .map(|(id, tx)| ServerRow {
                server: ServerId(*id),
                pool: POOL,
                key: key(),
                state: if tx.is_some() {
                    ServerState::Active
                } else {
                    ServerState::Idle
                },
                since: Instant::from_millis(tx.as_ref().map_or(0, |tx| tx.started)),
                connected: Instant::ZERO,
                backend_pid: *id as i32 + 1000,
                client: tx.as_ref().map(|tx| ClientId(tx.client)),
                client_state: tx.as_ref().map(|tx| {
                    if tx.stage < 3 {
                        ClientState::Active
                    } else {
                        ClientState::IdleInTransaction
                    }
                }),
                client_since: tx.as_ref().map(|tx| Instant::from_millis(tx.stage_since)),
                client_addr: Arc::from("10.0.0.7:5555"),
                application: Arc::from("dashboard-web"),
                transaction_since: tx.as_ref().map(|tx| Instant::from_millis(tx.started)),
                fingerprint: Fingerprint(tx.as_ref().map_or(0, |tx| tx.stage.min(2) as u64 + 1)),
                pins: Vec::new(),
                host: "db".into(),
                port: 5432,
                close_needed: false,
                prepared_statements: 0,
                tls: "".into(),
            })
            .collect()
    }

    fn look(&self) -> ServerView {
        let down = matches!(&self.phase.refuse, Some(ConnectFailure::Io(_)));
        if down {
            let outcome = Err(WatchFailure::Unreachable("connection refused".to_owned()));
            return ServerView::empty("main", self.now(), outcome);
        }
        let mut view = ServerView::empty("main", self.now(), Ok(()));
        view.version = 150_018;
        view.sees_all = true;
        for (id, tx) in &self.servers {
            let Some(tx) = tx else { continue };
            let mut backend = Backend {
                pid: *id as i32 + 1000,
                backend_type: "client backend".to_owned(),
                application: "weir:demo:1".to_owned(),
                ..Backend::default()
            };
            if tx.stage < 3 {
                backend.state = "active".to_owned();
                backend.query = TEXTS[tx.stage].to_owned();
                for (stage, class, event) in self.phase.blocked.iter().chain(&self.phase.waits) {
                    if *stage == tx.stage {
                        backend.wait_event_type = (*class).to_owned();
                        backend.wait_event = (*event).to_owned();
                    }
                }
            } else {
                backend.state = "idle in transaction".to_owned();
                backend.wait_event_type = "Client".to_owned();
                backend.wait_event = "ClientRead".to_owned();
            }
            view.backends.push(backend);
        }
        if let Some(root) = &self.phase.root {
            view.backends.push(Backend {
                pid: root.pid,
                state: root.state.clone(),
                application: root.application.clone(),
                query: root.query.clone(),
                transaction_age: root.transaction_age,
                state_age: self.phase.root_idle_for.or(root.transaction_age),
                backend_type: "client backend".to_owned(),
                ..Backend::default()
            });
        }
        let open = self.servers.len() as u32;
        view.roots = self.phase.root.clone().into_iter().collect();
        view.waiting_locks = self.phase.waiting_locks.clone();
        view.limits = Some(Limits {
            max_connections: 100,
            reserved: 3,
            client_backends: open + 1 + self.phase.foreign,
            own_backends: open + 1,
            role_or_database_limit: None,
        });
        view.backends_by_application = vec![
            ("reporting-tool".to_owned(), self.phase.foreign),
            ("weir:demo:1".to_owned(), open),
        ];
        view
    }
}

fn empty_second() -> [StatementSample; 3] {
    [1, 2, 3].map(|f| StatementSample {
        pool: POOL,
        fingerprint: Fingerprint(f),
        calls: 0,
        errors: 0,
        executing: Duration::ZERO,
        executing_max: Duration::ZERO,
        rows: 0,
    })
}
