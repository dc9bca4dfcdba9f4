//! The flight recorder itself: what comes in, and what is forgotten.
//!
//! It answers nothing by itself; `query` does. Pure: time comes in with the samples.
//!
//! # Bounds
//! - Samples, statement rows, views: [`KEEP`]. Equal samples in a row share one allocation, so an idle pool
//!   costs a few hundred KiB. All pools together hold [`SAMPLES_MAX`] distinct samples; then whoever
//!   remembers longest forgets first.
//! - What is forgotten lives on as minutes, [`MINUTES_EACH`] a pool: an incident may last hours.
//! - Impact cells: [`KEEP_IMPACT`], an incident may last hours; see `impact` for their bound.
//! - Statement texts: [`TEXTS_MAX`]; later ones stay nameless. Rows: [`STATEMENT_ROWS_MAX`] a pool.
//! - Views hold [`BACKENDS_MAX`] backends in sum; then the oldest go.
//! - Lists of servers, one a second: [`KEEP`], and [`SERVER_ROWS_MAX`] rows in sum.
//! - Pools: [`POOLS_MAX`]; later ones are not recorded. Failures and losses: the last
//!   [`FAULTS_MAX`] a pool.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ClientId, ConnectFailure, Event, Fingerprint, Instant, Pin, PoolId, PoolKey, PoolSample,
    Sample, ServerId, ServerRow, StatementSample, WorkerSample,
};

use super::fold;
use super::impact::{IDS_MAX, ImpactLog};
use super::window::PoolWindow;
use crate::sense::view::{Limits, ServerView};

/// How long samples, statement rows and views are kept.
pub const KEEP: Duration = Duration::from_secs(15 * 60);
/// How long impact is kept.
pub const KEEP_IMPACT: Duration = Duration::from_secs(6 * 3600);
/// Distinct samples over all pools: some 80 MiB if every pool is busy.
pub const SAMPLES_MAX: usize = 65_536;
/// Minutes that outlive the samples, over all pools: some 40 MiB if every pool is busy.
pub const MINUTES_MAX: usize = 32_768;
/// Minutes of one pool: as long as [`KEEP_IMPACT`], if there are not too many pools.
pub const MINUTES_EACH: usize = 360;
const MINUTES_MIN: usize = 15;
/// Statement rows (one fingerprint in one second) a pool.
pub const STATEMENT_ROWS_MAX: usize = 65_536;
/// Statement texts.
pub const TEXTS_MAX: usize = 10_000;
/// Backends over all views.
pub const BACKENDS_MAX: usize = 100_000;
/// Pools recorded.
pub const POOLS_MAX: usize = 4_096;
/// Login failures and lost servers remembered a pool.
pub const FAULTS_MAX: usize = 4_096;
/// Rows over all lists of servers: some 12 MiB.
pub const SERVER_ROWS_MAX: usize = 50_000;
/// Views that failed cost next to nothing but must have a bound too.
const VIEWS_MAX: usize = 8_192;

/// A sample and the time it stands for.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) at: Instant,
    pub(super) interval: Duration,
    pub(super) sample: Arc<PoolSample>,
}

#[derive(Debug)]
pub(super) struct PoolTrack {
    pub(super) key: PoolKey,
    pub(super) samples: VecDeque<Held>,
    /// What samples added up to before they were forgotten, by minute; means are sums here.
    pub(super) minutes: VecDeque<PoolWindow>,
    minutes_max: usize,
    /// Allocations behind `samples`.
    distinct: usize,
    pub(super) statements: VecDeque<(Instant, StatementSample)>,
    pub(super) impact: ImpactLog,
    pub(super) login_failures: VecDeque<(Instant, ConnectFailure)>,
    pub(super) lost: VecDeque<(Instant, String)>,
    pub(super) pins: BTreeSet<(Pin, ClientId)>,
}

impl PoolTrack {
    fn new(key: PoolKey, objective: Duration) -> Self {
        Self {
            key,
            samples: VecDeque::new(),
            minutes: VecDeque::new(),
            minutes_max: MINUTES_MAX,
            distinct: 0,
            statements: VecDeque::new(),
            impact: ImpactLog::new(objective, IDS_MAX),
            login_failures: VecDeque::new(),
            lost: VecDeque::new(),
            pins: BTreeSet::new(),
        }
    }

    fn push(&mut self, at: Instant, interval: Duration, sample: &PoolSample) {
        let sample = match self.samples.back() {
            Some(last) if *last.sample == *sample => Arc::clone(&last.sample),
            _ => {
                self.distinct += 1;
                Arc::new(sample.clone())
            }
        };
        self.samples.push_back(Held {
            at,
            interval,
            sample,
        });
    }

    /// Forgets the oldest sample, keeping what it adds to its minute.
    fn pop(&mut self) {
        let Some(gone) = self.samples.pop_front() else {
            return;
        };
        let minute = fold::minute_of(gone.at);
        if self
            .minutes
            .back()
            .is_none_or(|last| fold::minute_of(last.to) != minute)
        {
            let pool = gone.sample.pool;
            let new = fold::empty(pool, Some(&self.key), gone.at, gone.at);
            self.minutes.push_back(new);
        }
        if let Some(last) = self.minutes.back_mut() {
            fold::add_sample(last, &gone);
        }
        while self.minutes.len() > self.minutes_max {
            self.minutes.pop_front();
        }
        if Arc::strong_count(&gone.sample) == 1 {
            self.distinct -= 1;
        }
    }

    fn forget_before(&mut self, limit: Instant) {
        while self.samples.front().is_some_and(|held| held.at < limit) {
            self.pop();
        }
        drop_before(&mut self.statements, limit, STATEMENT_ROWS_MAX);
        drop_before(&mut self.login_failures, limit, FAULTS_MAX);
        drop_before(&mut self.lost, limit, FAULTS_MAX);
    }
}

fn drop_before<T>(rows: &mut VecDeque<(Instant, T)>, limit: Instant, most: usize) {
    while rows.len() > most || rows.front().is_some_and(|(at, _)| *at < limit) {
        rows.pop_front();
    }
}

/// What was measured, kept long enough to be asked.
#[derive(Debug)]
pub struct Recorder {
    /// The latest instant that anything told of; stamps events, which carry no time themselves
    /// (so these are known to the length of a sample, 100 ms).
    now: Instant,
    objective: Duration,
    pub(super) pools: BTreeMap<PoolId, PoolTrack>,
    distinct: usize,
    pub(super) workers: VecDeque<(Instant, WorkerSample)>,
    pub(super) views: VecDeque<ServerView>,
    backends: usize,
    pub(super) limits: Option<(Instant, Limits)>,
    pub(super) texts: HashMap<Fingerprint, Arc<str>>,
    pub(super) servers: Vec<ServerRow>,
    /// The lists of the last minutes, for looking back.
    pub(super) past_servers: VecDeque<(Instant, Arc<[ServerRow]>)>,
    past_rows: usize,
    /// Backend PIDs of the pools' own servers.
    own: HashMap<ServerId, (PoolId, i32)>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// An empty one; every pool's wait objective is 10 ms until [`Recorder::set_objective`].
    pub fn new() -> Self {
        Self {
            now: Instant::ZERO,
            objective: Duration::from_millis(10),
            pools: BTreeMap::new(),
            distinct: 0,
            workers: VecDeque::new(),
            views: VecDeque::new(),
            backends: 0,
            limits: None,
            texts: HashMap::new(),
            servers: Vec::new(),
            past_servers: VecDeque::new(),
            past_rows: 0,
            own: HashMap::new(),
        }
    }

    /// The wait objective for which delayed transactions of `pool` are counted exactly. Call it
    /// when the pool opens; what was counted before keeps the objective it was counted with.
    /// Before the pool is known this does nothing but set the objective of pools yet to come if
    /// `pool` is `None`.
    pub fn set_objective(&mut self, pool: Option<PoolId>, wait: Duration) {
        match pool {
            None => self.objective = wait,
            Some(pool) => {
                if let Some(track) = self.pools.get_mut(&pool) {
                    track.impact.set_objective(wait);
                }
            }
        }
    }

    /// The latest instant that anything told of.
    pub fn now(&self) -> Instant {
        self.now
    }

    fn see(&mut self, at: Instant) {
        self.now = self.now.max(at);
    }

    fn track(&mut self, pool: PoolId, key: &PoolKey) -> Option<&mut PoolTrack> {
        if self.pools.len() >= POOLS_MAX && !self.pools.contains_key(&pool) {
            return None;
        }
        if !self.pools.contains_key(&pool) {
            let track = PoolTrack::new(key.clone(), self.objective);
            self.pools.insert(pool, track);
            let pools = self.pools.len();
            for track in self.pools.values_mut() {
                track.impact.share(pools);
                track.minutes_max = (MINUTES_MAX / pools).clamp(MINUTES_MIN, MINUTES_EACH);
            }
        }
        self.pools.get_mut(&pool)
    }

    /// Takes one sample of one worker.
    pub fn on_sample(&mut self, sample: &Sample) {
        self.see(sample.at);
        self.workers.push_back((sample.at, sample.worker));
        for pool in &sample.pools {
            let Some(track) = self.track(pool.pool, &pool.key) else {
                continue;
            };
            let before = track.distinct;
            track.push(sample.at, sample.interval, pool);
            let added = track.distinct - before;
            self.distinct += added;
        }
        for row in &sample.statements {
            if let Some(track) = self.pools.get_mut(&row.pool) {
                track.statements.push_back((sample.at, *row));
            }
        }
        self.forget();
    }

    fn forget(&mut self) {
        let limit = self.now.before(KEEP);
        let limit_impact = self.now.before(KEEP_IMPACT);
        drop_before(&mut self.workers, limit, SAMPLES_MAX);
        for track in self.pools.values_mut() {
            let before = track.distinct;
            track.forget_before(limit);
            self.distinct -= before - track.distinct;
            track.impact.forget_before(limit_impact);
        }
        while self.distinct > SAMPLES_MAX {
            let Some(track) = self.pools.values_mut().max_by_key(|t| t.distinct) else {
                break;
            };
            let before = track.distinct;
            track.pop();
            self.distinct -= before - track.distinct;
        }
        while let Some((at, rows)) = self.past_servers.front()
            && (*at < limit || self.past_rows > SERVER_ROWS_MAX)
        {
            self.past_rows -= rows.len();
            self.past_servers.pop_front();
        }
        while self.views.front().is_some_and(|v| v.at < limit)
            || self.backends > BACKENDS_MAX
            || self.views.len() > VIEWS_MAX
        {
            let Some(gone) = self.views.pop_front() else {
                break;
            };
            self.backends -= gone.backends.len();
        }
    }

    /// Takes one event. Those that say nothing about load (console, refused logins…) are left
    /// to others.
    pub fn on_event(&mut self, event: &Event) {
        match event {
            Event::Transaction(t) => {
                // Before the pool's first sample or PoolOpened nobody knows its name; a sample
                // comes within 100 ms, PoolOpened before any transaction, so nothing is lost.
                self.see(t.arrived.after(t.wait).after(t.hold.total()));
                if let Some(track) = self.pools.get_mut(&t.pool) {
                    track.impact.add(t);
                }
            }
            Event::StatementSeen(seen) => {
                if self.texts.len() < TEXTS_MAX {
                    self.texts
                        .entry(seen.fingerprint)
                        .or_insert_with(|| seen.text.as_str().into());
                }
            }
            Event::PoolOpened { pool, key, .. } => {
                self.track(*pool, key);
            }
            Event::Servers(rows) => self.on_servers(rows),
            Event::ServerReady {
                pool,
                server,
                backend_pid,
                ..
            } => {
                self.own.insert(*server, (*pool, *backend_pid));
            }
            Event::ServerLoginFailed { pool, failure } => {
                let now = self.now;
                if let Some(track) = self.pools.get_mut(pool) {
                    track.login_failures.push_back((now, failure.clone()));
                }
            }
            Event::ServerClosed {
                pool,
                server,
                reason,
                lost,
            } => {
                self.own.remove(server);
                let now = self.now;
                if let Some(track) = self.pools.get_mut(pool)
                    && *lost
                {
                    track.lost.push_back((now, reason.clone()));
                }
            }
            Event::Pinned {
                pool, client, pin, ..
            } => {
                if let Some(track) = self.pools.get_mut(pool) {
                    track.pins.insert((*pin, *client));
                }
            }
            Event::Unpinned { pool, client, pin } => {
                if let Some(track) = self.pools.get_mut(pool) {
                    track.pins.remove(&(*pin, *client));
                }
            }
            Event::ClientRefused { .. }
            | Event::Console { .. }
            | Event::Snapshot(_)
            | Event::OrderDone { .. }
            | Event::Fault { .. }
            | Event::Draining => {}
        }
    }

    /// The list of servers is the truth; what `ServerReady`, `Pinned` and their opposites told was
    /// only news in between, of which some may have been lost.
    fn on_servers(&mut self, rows: &[ServerRow]) {
        self.servers = rows.to_vec();
        self.past_rows += rows.len();
        self.past_servers.push_back((self.now, rows.into()));
        self.own = rows
            .iter()
            .filter(|row| row.backend_pid != 0)
            .map(|row| (row.server, (row.pool, row.backend_pid)))
            .collect();
        for track in self.pools.values_mut() {
            track.pins.clear();
        }
        for row in rows {
            let (Some(client), Some(track)) = (row.client, self.pools.get_mut(&row.pool)) else {
                continue;
            };
            track.pins.extend(row.pins.iter().map(|&pin| (pin, client)));
        }
    }

    /// Takes one look at PostgreSQL: marks the backends that are the pools' own servers (and the
    /// parallel workers that these lead), and counts them into the limits.
    pub fn on_view(&mut self, mut view: ServerView) {
        self.see(view.at);
        let own: HashSet<i32> = self.own.values().map(|&(_, pid)| pid).collect();
        for backend in &mut view.backends {
            backend.own = own.contains(&backend.pid)
                || backend.leader_pid.is_some_and(|pid| own.contains(&pid));
        }
        if let Some(limits) = &mut view.limits {
            // PostgreSQL knows Weir's watch connections by name; the pools' servers carry their
            // clients' application names, so only we can tell them.
            let pools = u32::try_from(own.len()).unwrap_or(u32::MAX);
            limits.own_backends = limits
                .own_backends
                .max(pools.saturating_add(1))
                .min(limits.client_backends.max(limits.own_backends));
            self.limits = Some((view.at, *limits));
        }
        self.backends += view.backends.len();
        self.views.push_back(view);
        self.forget();
    }
}
