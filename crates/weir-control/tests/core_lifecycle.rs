//! An incident from the first sample to the last word, through the very type that runs in
//! production, with made-up samples and made-up time.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use weir_control::core::{Core, CoreSettings, Output};
use weir_control::handle::{Ask, AskFault, OperatorOrder};
use weir_control::incident::entry::{Entry, IncidentId, Kind};
use weir_control::incident::{Incident, Status};
use weir_control::regulate::RegulatorMode;
use weir_model::{
    ClientCounts, ClockMap, Histogram, HoldTime, Instant, Order, PoolId, PoolKey, PoolSample,
    PoolSettings, PoolSize, PoolerSettings, Sample, ServerCounts, ServerSettings, Wall,
    WorkerSample,
};

struct Life {
    core: Core,
    now: Instant,
    size: u32,
    entries: Vec<Entry>,
    /// Every so many-th wait is 20 ms, twice the objective, also on a calm day.
    late_every: Option<u32>,
}

fn settings() -> CoreSettings {
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
        kind: Kind::Real,
        version: "test".to_owned(),
        io: "test".to_owned(),
        listen: vec![],
    }
}

impl Life {
    fn new() -> Self {
        let core = Core::new(settings(), Instant::ZERO);
        Self {
            core,
            now: Instant::ZERO,
            size: 10,
            entries: vec![],
            late_every: None,
        }
    }

    /// `seconds` of a pool whose clients need `need` servers; what exceeds the size waits.
    fn lives(&mut self, seconds: u32, need: u32) {
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

    fn perform(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Order(Order::Resize { size, .. }) => self.size = size,
                Output::Append(entry) => self.entries.push(entry),
                Output::Order(_) | Output::Notify(..) | Output::Decided(_) | Output::Keep(..) => {}
            }
        }
    }

    fn asks(&mut self, ask: Ask) -> Result<(), AskFault> {
        let mut out = Vec::new();
        let answer = self.core.ask(ask, &mut out).map(|_| ());
        self.perform(out);
        answer
    }

    fn status(&self) -> Vec<Status> {
        self.core.incidents().map(|i| i.status).collect()
    }
}

fn ann() -> String {
    "ann".to_owned()
}

#[test]
fn a_pool_that_runs_dry_is_an_incident_until_the_objective_is_met_again() {
    let mut life = Life::new();
    life.lives(30, 6);
    assert!(life.status().is_empty(), "calm");

    life.lives(3, 16);
    assert_eq!(life.status(), [Status::Open]);
    let incident = life.core.incidents().next().unwrap();
    let clocks = incident.clocks();
    let detect = clocks.detected_at.since(clocks.impact_started_at);
    assert!(
        detect <= Duration::from_millis(1500),
        "detected after {detect:?}"
    );
    let cause = incident.top_cause().map(|c| c.cause.name());
    assert!(
        matches!(cause, Some("pool_undersized" | "traffic_surge")),
        "{cause:?}"
    );

    life.asks(Ask::Acknowledge {
        id: IncidentId(1),
        by: ann(),
        text: "looking".to_owned(),
    })
    .unwrap();
    assert_eq!(life.status(), [Status::Acknowledged]);
    assert_eq!(life.size, 10, "recommending isn't acting");

    let act = OperatorOrder::Regulator {
        mode: RegulatorMode::Act,
    };
    life.asks(Ask::Order {
        by: ann(),
        order: act,
    })
    .unwrap();
    life.lives(10, 16);
    assert!(
        (16..=40).contains(&life.size),
        "grown to {} inside the rails",
        life.size
    );
    life.lives(15, 16);
    assert_eq!(life.status(), [Status::Resolved]);
}

#[test]
fn the_journal_alone_tells_the_same_incident() {
    let mut life = Life::new();
    life.lives(20, 6);
    life.lives(5, 16);
    let told = Incident::replay(&life.entries).unwrap();
    assert_eq!(told, **life.core.incidents().next().unwrap());
}

#[test]
fn an_incident_survives_a_restart_and_goes_on() {
    let mut life = Life::new();
    life.lives(20, 6);
    life.lives(5, 16);
    let written = life.entries.clone();

    let mut after = Life::new();
    let mut out = Vec::new();
    after.core.restore(written, &mut out);
    after.perform(out);
    assert_eq!(after.status(), [Status::Open]);
    after.lives(5, 16);
    assert_eq!(
        after.status().len(),
        1,
        "the same incident, not a second one"
    );
    after.size = 30;
    after.lives(30, 16);
    assert_eq!(after.status(), [Status::Resolved]);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let mut life = Life::new();
    let note = Ask::Note {
        id: IncidentId(7),
        by: ann(),
        text: "x".to_owned(),
    };
    assert_eq!(
        life.asks(note).unwrap_err().to_string(),
        "there is no incident INC-7"
    );
    life.lives(20, 6);
    life.lives(3, 16);
    let resolve = Ask::Resolve {
        id: IncidentId(1),
        by: ann(),
        text: String::new(),
    };
    life.asks(resolve.clone()).unwrap();
    assert_eq!(
        life.asks(resolve).unwrap_err().to_string(),
        "INC-1 is resolved already"
    );
}

#[test]
fn a_pool_that_missed_its_objective_on_calm_days_is_not_held_to_it_afterwards() {
    let mut life = Life::new();
    life.late_every = Some(20);
    life.lives(30, 6);
    assert!(
        life.status().is_empty(),
        "one late wait in twenty is no queue"
    );
    life.lives(5, 16);
    assert_eq!(life.status(), [Status::Open]);
    life.size = 20;
    life.lives(20, 16);
    assert_eq!(life.status(), [Status::Resolved]);
    let incident = life.core.incidents().next().unwrap();
    let says = &incident.resolution.as_ref().unwrap().says;
    assert!(says.contains("missed before the onset too"), "{says}");
}
