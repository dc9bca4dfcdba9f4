//! The control plane with made-up samples and made-up time, as tests drive it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses its part, and may fail loudly"
)]

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use weir_control::core::{Core, CoreSettings, Output};
use weir_control::handle::{Answer, Ask, AskFault, NotifyWhat, Wish};
use weir_control::incident::entry::{Entry, IncidentId, Kind};
use weir_control::incident::{Incident, Status};
use weir_control::record::stretch::Stretch;
use weir_control::regulate::RegulatorMode;
use weir_model::{
    ClientCounts, ClockMap, Histogram, HoldTime, Instant, Order, PoolId, PoolKey, PoolSample,
    PoolSettings, PoolSize, PoolerSettings, Sample, ServerCounts, ServerSettings, Wall,
    WorkerSample,
};

pub(crate) struct Life {
    pub(crate) core: Core,
    pub(crate) now: Instant,
    pub(crate) size: u32,
    pub(crate) entries: Vec<Entry>,
    /// Every so many-th wait is 20 ms, twice the objective, also on a calm day.
    pub(crate) late_every: Option<u32>,
    /// What people outside were told.
    pub(crate) notified: Vec<(IncidentId, NotifyWhat)>,
    pub(crate) minutes: Vec<(Wall, Vec<Stretch>)>,
}

pub(crate) fn settings() -> CoreSettings {
    let mut pool = PoolSettings::any(ServerSettings::at("127.0.0.1", 5432));
    let n = |n: u32| NonZeroU32::new(n).expect("above zero");
    pool.size = PoolSize::Regulated {
        min: n(10),
        max: Some(n(40)),
        initial: n(10),
    };
    CoreSettings {
        clock: ClockMap {
            instant: Instant::ZERO,
            wall: Wall::from_micros(1_700_000_000_000_000),
        },
        pooler: PoolerSettings::trusting(pool),
        regulator: RegulatorMode::Recommend,
        budgets: BTreeMap::new(),
        resolve_after: Duration::from_secs(10),
        watch_window: Duration::from_secs(15 * 60),
        kind: Kind::Real,
        version: "test".to_owned(),
        io: "test".to_owned(),
        listen: vec![],
    }
}

impl Life {
    pub(crate) fn new() -> Self {
        let core = Core::new(settings(), Instant::ZERO);
        Self {
            core,
            now: Instant::ZERO,
            size: 10,
            entries: vec![],
            late_every: None,
            notified: vec![],
            minutes: vec![],
        }
    }

    /// `seconds` of a pool whose clients need `need` servers; what exceeds the size waits.
    pub(crate) fn lives(&mut self, seconds: u32, need: u32) {
        for _ in 0..seconds * 10 {
            self.now = self.now.after(Duration::from_millis(100));
            let waiting = need.saturating_sub(self.size);
            let active = need.min(self.size);
            let wait = if waiting > 0 {
                Duration::from_millis(400)
            } else {
                Duration::ZERO
            };
            let mut waits = Histogram::default();
            let mut hold = Histogram::default();
            // 20 ms a transaction: five a server and interval.
            let done = active * 5;
            for nth in 0..done {
                let late = self.late_every.is_some_and(|every| nth % every == 0);
                waits.record(if late {
                    wait.max(Duration::from_millis(20))
                } else {
                    wait
                });
                hold.record(Duration::from_millis(20));
            }
            let executing = Duration::from_millis(100) * active;
            let pool = PoolSample {
                pool: PoolId(0),
                key: PoolKey::new("app", "web"),
                size: self.size,
                clients: ClientCounts {
                    active,
                    waiting,
                    idle: 5,
                    idle_in_transaction: 0,
                },
                servers: ServerCounts {
                    active,
                    idle: self.size - active,
                    ..Default::default()
                },
                oldest_wait: wait,
                arrivals: need * 5,
                completions: done,
                failures: 0,
                abandoned: 0,
                wait: waits,
                hold,
                held: HoldTime {
                    executing,
                    ..Default::default()
                },
                oldest_transaction: Duration::from_millis(20),
                oldest_idle_in_transaction: Duration::ZERO,
                bytes_in: 0,
                bytes_out: 0,
                client_logins: 0,
                server_logins: 0,
                server_login_failures: 0,
                paused: false,
            };
            let sample = Sample {
                at: self.now,
                interval: Duration::from_millis(100),
                worker: WorkerSample::default(),
                pools: vec![pool],
                statements: vec![],
            };
            let mut out = Vec::new();
            self.core.on_sample(&sample, &mut out);
            self.perform(out);
        }
    }

    pub(crate) fn perform(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Order(Order::Resize { size, .. }) => self.size = size,
                Output::Append(entry) => self.entries.push(entry),
                Output::Notify(id, what) => self.notified.push((id, what)),
                Output::Minutes(minute, rows) => self.minutes.push((minute, rows)),
                Output::Order(_) | Output::Decided(_) | Output::Keep(..) => {}
            }
        }
    }

    pub(crate) fn asks(&mut self, ask: Ask) -> Result<(), AskFault> {
        let mut out = Vec::new();
        let answer = self.core.ask(ask, &mut out).map(|_| ());
        self.perform(out);
        answer
    }

    /// The answer's words, or the refusal's.
    pub(crate) fn wishes(&mut self, id: u64, by: &str, wish: Wish) -> Result<String, String> {
        self.says(Ask::Wish {
            id: IncidentId(id),
            by: by.to_owned(),
            wish: Box::new(wish),
        })
    }

    pub(crate) fn says(&mut self, ask: Ask) -> Result<String, String> {
        let mut out = Vec::new();
        let answer = self.core.ask(ask, &mut out);
        if answer.is_err() {
            assert!(out.is_empty(), "a refusal does nothing: {out:?}");
        }
        self.perform(out);
        match answer {
            Ok(Answer::Done(says) | Answer::Declared(_, says)) => Ok(says),
            Ok(other) => panic!("{other:?}"),
            Err(fault) => Err(fault.to_string()),
        }
    }

    pub(crate) fn incident(&self, id: u64) -> &Incident {
        self.core.incident(IncidentId(id)).unwrap()
    }

    pub(crate) fn wall(&self) -> Wall {
        self.core.clock().wall(self.now)
    }

    /// The same journal in a new process.
    pub(crate) fn restarts(&mut self) {
        let mut core = Core::new(settings(), self.now);
        let mut out = Vec::new();
        core.restore(self.entries.clone(), &mut out);
        self.core = core;
        self.perform(out);
    }

    pub(crate) fn status(&self) -> Vec<Status> {
        self.core.incidents().map(|i| i.status).collect()
    }
}

pub(crate) fn ann() -> String {
    "ann".to_owned()
}
