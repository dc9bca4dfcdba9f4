//! The control plane as one function of its inputs: samples, events, looks and questions in;
//! orders, journal entries and messages out.
//!
//! # What always holds
//! - An incident is what its journal says: the core changes one only by appending an [`Entry`],
//!   and hands the same entry out to be stored.
//! - Every decision of the regulator, also to keep a size, is published with its reason.
//! - Order of work on a sample: record, detect, then once a second diagnose, regulate, measure.
//!
//! # What is deliberately absent
//! - I/O and clocks: [`crate::plane`] reads rings and time, sends orders, writes the store. The
//!   simulator drives this very type.
//!
//! Start at [`Core::on_sample`].

mod asks;
mod chart;
mod foresee;
mod import;
mod lifecycle;
mod live;
mod look;
mod moves;
mod outside;
mod publish;
mod recurrence;
mod restore;
mod sensors;
mod sizing;
mod verifying;
mod wishes;

pub(crate) use import::Reserved;
pub use look::was_open;
pub(crate) use look::{enough, from_minutes};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ClockMap, Event, Instant, Order, Outcome, PoolId, PoolKey, PoolSettings, PoolerSettings,
    Sample, Wall, WorkerSample,
};

use crate::detect::{DetectContext, Detector, DetectorSettings};
use crate::handle::{Change, NotifyWhat, Sensor, Spark, Totals};
use crate::incident::Incident;
use crate::incident::entry::{Entry, IncidentId, Kind};
use crate::insight::Rails;
use crate::record::Recorder;
use crate::record::stretch::Stretch;
use crate::regulate::{Decision, Regulator, RegulatorMode, RegulatorSettings};
use crate::sense::view::{ServerView, WatchFailure};
use live::Live;

/// Decisions kept for `/api/v1/decisions`.
const DECISIONS_KEPT: usize = 500;
/// Incidents kept in memory; older ones are in the store.
const INCIDENTS_KEPT: usize = 500;

/// What the core needs to know at start.
#[derive(Clone, Debug)]
pub struct CoreSettings {
    /// Ties instants to civil time.
    pub clock: ClockMap,
    /// The pools' settings, as the data plane has them.
    pub pooler: PoolerSettings,
    /// What the regulator may do at first.
    pub regulator: RegulatorMode,
    /// A cap on all connections of a server that the operator set, by server section.
    pub budgets: BTreeMap<Arc<str>, u32>,
    /// How long the objective must be met before an incident is resolved.
    pub resolve_after: Duration,
    /// What comes back this soon after it was resolved re-opens the old incident; zero: never.
    pub watch_window: Duration,
    /// What incidents of this instance are: real, or a drill.
    pub kind: Kind,
    /// Weir's version.
    pub version: String,
    /// `epoll`, and why.
    pub io: String,
    /// Where clients connect.
    pub listen: Vec<String>,
}

/// What should be done because of an input.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives for one turn; a box for each would cost more than the copy"
)]
pub enum Output {
    /// Send this to the data plane.
    Order(Order),
    /// Write this down, durably.
    Append(Entry),
    /// Tell people and systems outside.
    Notify(IncidentId, NotifyWhat),
    /// The regulator decided; store and stream it.
    Decided(Arc<Decision>),
    /// Store the minute that begins here, of every pool that did something.
    Minutes(Wall, Vec<Stretch>),
    /// Keep this under this name, in place of what was there.
    Keep(&'static str, serde_json::Value),
}

/// What is known of a pool beside the recorder.
#[derive(Debug)]
struct Pool {
    key: PoolKey,
    settings: PoolSettings,
    mode: String,
    born: Instant,
    totals: Totals,
    because: String,
    /// What the last decision said keeps it from being larger.
    why_not_more: Option<String>,
    spark: Arc<Spark>,
    rails: Option<Rails>,
}

/// The control plane without its I/O.
#[derive(Debug)]
pub struct Core {
    settings: CoreSettings,
    clock: ClockMap,
    started: Instant,
    now: Instant,
    second_at: Instant,
    recorder: Recorder,
    detector: Detector,
    regulator: Regulator,
    pools: BTreeMap<PoolId, Pool>,
    worker: WorkerSample,
    live: Vec<Live>,
    incidents: BTreeMap<IncidentId, Arc<Incident>>,
    next_incident: u64,
    verifying: BTreeMap<(IncidentId, String), verifying::Watched>,
    verified_at: Instant,
    decisions: VecDeque<Arc<Decision>>,
    watch: Option<Result<(), WatchFailure>>,
    server_version: u32,
    store_health: (String, bool),
    draining: bool,
    outside: outside::Outside,
    sensors: BTreeMap<String, Sensor>,
    changes: Arc<VecDeque<Change>>,
    /// Begin of the minute that is stored next.
    minute: Option<Wall>,
    sparked_at: Instant,
}

impl Core {
    /// A core that has seen nothing.
    pub fn new(settings: CoreSettings, now: Instant) -> Self {
        let clock = settings.clock;
        let mut recorder = Recorder::new();
        if let Some(pool) = settings.pooler.pools.first() {
            recorder.set_objective(None, pool.objective_wait);
        }
        let regulator = Regulator::new(RegulatorSettings::new(settings.regulator));
        Self {
            clock,
            started: now,
            now,
            second_at: now,
            recorder,
            detector: Detector::new(DetectorSettings::new(clock)),
            regulator,
            pools: BTreeMap::new(),
            worker: WorkerSample::default(),
            live: Vec::new(),
            incidents: BTreeMap::new(),
            next_incident: 1,
            verifying: BTreeMap::new(),
            verified_at: now,
            decisions: VecDeque::new(),
            watch: None,
            server_version: 0,
            store_health: ("ok".to_owned(), true),
            draining: false,
            outside: outside::Outside::default(),
            sensors: BTreeMap::new(),
            changes: Arc::default(),
            minute: None,
            sparked_at: now,
            settings,
        }
    }

    /// Ties instants to civil time.
    pub fn clock(&self) -> ClockMap {
        self.clock
    }

    /// What was recorded.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// An incident as it is now.
    pub fn incident(&self, id: IncidentId) -> Option<&Arc<Incident>> {
        self.incidents.get(&id)
    }

    /// All incidents in memory, oldest first.
    pub fn incidents(&self) -> impl Iterator<Item = &Arc<Incident>> {
        self.incidents.values()
    }

    /// The store tells how it does.
    pub fn on_store_health(&mut self, says: String, ok: bool) {
        self.store_health = (says, ok);
    }

    /// Takes what the data plane measured in one interval.
    pub fn on_sample(&mut self, sample: &Sample, out: &mut Vec<Output>) {
        self.now = self.now.max(sample.at);
        self.worker = sample.worker;
        for pool in &sample.pools {
            self.know(pool.pool, &pool.key, "", sample.at);
        }
        self.recorder.on_sample(sample);
        for pool in &sample.pools {
            if let Some(known) = self.pools.get_mut(&pool.pool) {
                publish::add(&mut known.totals, pool);
            }
            let ctx = DetectContext::gather(&self.recorder, pool.pool, sample.at);
            if let Some(change) = self.detector.on(pool, sample.at, &ctx) {
                self.on_level(&change, out);
            }
        }
        if self.now.since(self.second_at) >= Duration::from_secs(1) {
            self.second_at = self.now;
            self.second(out);
        }
    }

    /// Takes an event of the data plane.
    pub fn on_event(&mut self, event: &Event, out: &mut Vec<Output>) {
        match event {
            Event::PoolOpened {
                pool, key, mode, ..
            } => {
                self.know(*pool, key, &mode.to_string(), self.now);
            }
            Event::Fault { says } => {
                tracing::error!(says, "Weir broke a promise; that connection was closed.");
            }
            Event::OrderDone {
                order,
                result: Err(refused),
            } => {
                tracing::warn!(?order, %refused, "An order was not carried out.");
            }
            Event::OrderDone {
                order,
                result: Ok(()),
            } => self.on_order_done(order, out),
            Event::Draining => self.draining = true,
            Event::Transaction(t) if t.outcome == Outcome::ServerLost => {
                if let Some(live) = self.live.iter_mut().find(|live| live.pool == Some(t.pool)) {
                    live.cut_in_transaction += 1;
                }
            }
            Event::ServerLoginFailed { .. }
            | Event::Transaction(_)
            | Event::StatementSeen(_)
            | Event::Servers(_)
            | Event::ServerReady { .. }
            | Event::ServerClosed { .. }
            | Event::Pinned { .. }
            | Event::Unpinned { .. }
            | Event::ClientRefused { .. }
            | Event::Console { .. }
            | Event::Snapshot(_) => {}
        }
        self.recorder.on_event(event);
    }

    /// Takes a look at the server.
    pub fn on_view(&mut self, view: ServerView) {
        self.watch = Some(view.outcome.clone());
        self.sense(&view);
        if view.version > 0 {
            self.server_version = view.version;
        }
        self.recorder.on_view(view);
    }

    fn know(&mut self, id: PoolId, key: &PoolKey, mode: &str, now: Instant) {
        if self.pools.contains_key(&id) {
            return;
        }
        let settings = self
            .settings
            .pooler
            .pools
            .iter()
            .find(|p| &*p.database == "*" || p.database == key.database)
            .or(self.settings.pooler.pools.first())
            .cloned();
        let Some(settings) = settings else { return };
        let mode = if mode.is_empty() {
            settings.mode.to_string()
        } else {
            mode.to_owned()
        };
        self.pools.insert(
            id,
            Pool {
                key: key.clone(),
                mode,
                born: now,
                totals: Totals::default(),
                because: "as configured".to_owned(),
                why_not_more: None,
                spark: Arc::default(),
                rails: None,
                settings: settings.clone(),
            },
        );
        self.recorder
            .set_objective(Some(id), settings.objective_wait);
    }

    /// Once a second: why, what to do, how it goes.
    fn second(&mut self, out: &mut Vec<Output>) {
        self.regulate(out);
        self.follow_incidents(out);
        self.verify_actions(out);
        self.spark();
        self.store_minute(out);
    }
}
