//! What diagnosis looks at: measured windows before and during, and what follows from them.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_model::{
    ClientState, ClockMap, ConnectFailure, Fingerprint, Instant, Level, Pin, PoolId, PoolKey,
    PoolSample, ServerRow,
};

use crate::insight::say::{self, Span};
use crate::insight::{Attribution, Demand, FactorName, Rails, StatementChange, StatementChanges};
use crate::record::Recorder;
use crate::record::window::{BackendWindow, PoolWindow};
use crate::sense::view::{BlockRoot, Limits, ServerView, WaitingLock};

/// Diagnosis looks back so far at most: what it was a minute ago may be over.
const WINDOW: Duration = Duration::from_secs(20);
/// And at least so far, so that a rate exists.
const WINDOW_MIN: Duration = Duration::from_millis(500);
/// Trouble that lasts so long after the size changed isn't what the change was for.
const STILL_HURTS: Duration = Duration::from_secs(15);
/// So long a refused login speaks for those that weren't tried since.
const ANSWER_STANDS: Duration = Duration::from_secs(120);
/// A change of size has done what it does after this.
const SETTLES: Duration = Duration::from_secs(3);
/// How far before the onset a leak's climb is looked for.
const CLIMB: Duration = Duration::from_secs(60);
/// A server held longer than this by a client that asks nothing may never come back.
const STUCK: Duration = Duration::from_secs(10);

/// Failed server logins in the window, by what they mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Logins {
    /// 53300: no slot left.
    pub no_slot: u64,
    /// Refused by the kernel, no answer, or starting up: nobody there.
    pub down: u64,
    /// Class 28, 3D000: not with that name or password.
    pub unwelcome: u64,
    /// Anything else.
    pub other: u64,
    /// The last of each kind that decides: SQLSTATE and text.
    pub last: Option<(Instant, ConnectFailure)>,
    /// The first.
    pub first: Option<Instant>,
    /// Logins that succeeded.
    pub ok: u64,
}

impl Logins {
    fn read(failures: &[(Instant, ConnectFailure)], ok: u64) -> Self {
        let mut logins = Self {
            ok,
            first: failures.first().map(|f| f.0),
            last: failures.last().cloned(),
            ..Self::default()
        };
        for (_, failure) in failures {
            match failure {
                ConnectFailure::Refused { sqlstate, .. } if sqlstate == "53300" => {
                    logins.no_slot += 1;
                }
                ConnectFailure::Refused { sqlstate, .. }
                    if sqlstate.starts_with("28") || sqlstate == "3D000" =>
                {
                    logins.unwelcome += 1;
                }
                ConnectFailure::Tls(_) => logins.unwelcome += 1,
                failure if crate::detect::rules::means_down(failure) => logins.down += 1,
                _ => logins.other += 1,
            }
        }
        logins
    }

    /// All that failed.
    pub(crate) fn failed(&self) -> u64 {
        self.no_slot + self.down + self.unwelcome + self.other
    }
}

/// What looks at the server say of locks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Locks {
    /// Own backends that wait for a row, at most in one look.
    pub row_waiters: u32,
    /// Own backends that wait for a table, at most in one look.
    pub relation_waiters: u32,
    /// A lock that shuts everybody else out of a table and isn't granted yet.
    pub ddl: Option<WaitingLock>,
    /// When it was first seen waiting.
    pub ddl_since: Option<Instant>,
    /// The root that most waited behind.
    pub root: Option<BlockRoot>,
    /// A root that is idle in a transaction of two seconds or more.
    pub idle_root: Option<BlockRoot>,
    /// Which relation most waiters want, where it is known.
    pub relation: String,
    /// A statement that waits.
    pub waiting_query: String,
    /// Whose.
    pub waiting_pid: i32,
}

/// Modes that no reader can share. Only DDL, VACUUM FULL and LOCK ask for them.
fn shuts_out(lock: &WaitingLock) -> bool {
    lock.locktype == "relation" && matches!(&*lock.mode, "AccessExclusiveLock" | "ExclusiveLock")
}

/// A relation's name. Seen from another database it is a pair of numbers (`shop:16424`); then the
/// statement's text knows better.
pub(crate) fn named(relation: &str, text: &str) -> String {
    let unresolved = relation.is_empty() || relation.contains(':');
    match say::table_of(text).filter(|_| unresolved) {
        Some(name) => name,
        None => relation.to_owned(),
    }
}

impl Locks {
    /// The table that most wait for.
    pub(crate) fn table(&self, text: &str) -> String {
        named(&self.relation, text)
    }

    fn read<'a>(views: impl Iterator<Item = &'a ServerView>) -> Self {
        let mut locks = Self::default();
        let mut relations: BTreeMap<&str, u32> = BTreeMap::new();
        let mut idle_before: Option<i32> = None;
        for view in views.filter(|view| view.outcome.is_ok()) {
            let waiting = |events: &[&str]| {
                view.backends
                    .iter()
                    .filter(|b| b.own && b.wait_event_type == "Lock")
                    .filter(|b| events.contains(&&*b.wait_event))
                    .count() as u32
            };
            let row = waiting(&["transactionid", "tuple"]);
            let relation = waiting(&["relation"]);
            if row + relation >= locks.row_waiters + locks.relation_waiters {
                let waiter = view
                    .backends
                    .iter()
                    .find(|b| b.own && b.wait_event_type == "Lock");
                if let Some(waiter) = waiter {
                    locks.waiting_query.clone_from(&waiter.query);
                    locks.waiting_pid = waiter.pid;
                }
            }
            locks.row_waiters = locks.row_waiters.max(row);
            locks.relation_waiters = locks.relation_waiters.max(relation);
            for lock in &view.waiting_locks {
                if !lock.relation.is_empty() {
                    *relations.entry(&lock.relation).or_default() += 1;
                }
                // Others wait for the same table behind it; alone it harms nobody.
                let crowd = view
                    .waiting_locks
                    .iter()
                    .any(|o| o.pid != lock.pid && o.relation == lock.relation);
                if shuts_out(lock) && crowd && locks.ddl.is_none() {
                    locks.ddl = Some(lock.clone());
                    locks.ddl_since = Some(view.at);
                }
            }
            for root in &view.roots {
                let most = locks.root.as_ref().map_or(0, |r| r.victims);
                if root.victims >= most {
                    locks.root = Some(root.clone());
                }
                let old = root
                    .transaction_age
                    .is_some_and(|age| age >= Duration::from_secs(2));
                // A transaction that waited long for its row is old as well, and idle for a
                // blink between two statements; only one that *stays* idle holds others up.
                let stays = view
                    .backends
                    .iter()
                    .filter(|b| b.pid == root.pid)
                    .find_map(|b| b.state_age)
                    .map_or_else(
                        || idle_before == Some(root.pid),
                        |age| age >= Duration::from_secs(1),
                    );
                if root.state.starts_with("idle in transaction") && root.victims > 0 {
                    if old && stays {
                        locks.idle_root = Some(root.clone());
                    }
                    idle_before = Some(root.pid);
                }
            }
        }
        locks.relation = relations
            .into_iter()
            .max_by_key(|(_, n)| *n)
            .map(|(name, _)| name.to_owned())
            .unwrap_or_default();
        locks
    }
}

/// What diagnosis looks at.
#[derive(Clone, Debug)]
pub struct DiagnosisInput {
    pub(crate) pool: PoolId,
    pub(crate) key: PoolKey,
    pub(crate) level: Level,
    pub(crate) now: Instant,
    pub(crate) clock: ClockMap,
    pub(crate) rails: Rails,
    pub(crate) before: PoolWindow,
    pub(crate) during: PoolWindow,
    pub(crate) looks_before: BackendWindow,
    pub(crate) looks: BackendWindow,
    pub(crate) statements: StatementChanges,
    pub(crate) statements_measured: bool,
    pub(crate) attribution: Attribution,
    pub(crate) logins: Logins,
    pub(crate) lost: Vec<(Instant, String)>,
    pub(crate) locks: Locks,
    pub(crate) servers: Vec<ServerRow>,
    pub(crate) limits: Option<Limits>,
    pub(crate) by_application: Vec<(String, u32)>,
    pub(crate) pins: BTreeMap<Pin, u32>,
    pub(crate) last: Option<PoolSample>,
    /// Fewest held servers per ten seconds of the minute before.
    pub(crate) climb: Vec<u32>,
    /// When arrivals first were half again as many as usual.
    pub(crate) surge_since: Option<Instant>,
}

impl DiagnosisInput {
    /// Collects it from the recorder.
    ///
    /// The window begins at the onset and ends now, is at most 20 s long, and stops where the
    /// pool's size first changed or where the last client waited or failed: what a remedy did is
    /// not what caused the trouble.
    #[expect(clippy::too_many_arguments, reason = "each is another question")]
    pub fn gather(
        recorder: &Recorder,
        pool: PoolId,
        level: Level,
        baseline: Span,
        onset: Instant,
        now: Instant,
        clock: &ClockMap,
        rails: Rails,
    ) -> Self {
        let (from, to) = stretch(recorder, pool, level, onset, now);
        let before = recorder.window(pool, baseline.0, baseline.1);
        let during = recorder.window(pool, from, to);
        let looks_before = recorder.backends(baseline.0, baseline.1);
        // Looks come once a second: the one just before tells of the same trouble, if it did.
        let looks_from = from.before(Duration::from_millis(200));
        let looks = recorder.backends(looks_from, to);
        let servers: Vec<ServerRow> = recorder
            .servers()
            .iter()
            .filter(|row| row.pool == pool)
            .cloned()
            .collect();
        let statements_before = recorder.statements(pool, baseline.0, baseline.1);
        // A row covers the second before it: the first one after the onset may be half calm.
        let statements_now = recorder.statements(pool, from, to);
        let rows_at = rows_taken(recorder, pool, &servers, to);
        let mut statements =
            StatementChanges::between(&statements_before, &statements_now, &servers, pool, rows_at);
        for change in &mut statements.changes {
            if change.text.is_empty()
                && let Some(text) = recorder.text(change.fingerprint)
            {
                text.clone_into(&mut change.text);
            }
        }
        let attribution = Attribution::between(&before, &during, &looks_before, &looks);
        let failures = last_answers(recorder, pool, from.before(Duration::from_secs(5)), to);
        let usual = before.arrival_rate();
        Self {
            pool,
            key: during.key.clone(),
            level,
            now,
            clock: *clock,
            rails,
            statements_measured: !statements_before.is_empty() && !statements.changes.is_empty(),
            logins: Logins::read(&failures, during.server_logins),
            lost: recorder.servers_lost(pool, from.before(Duration::from_secs(5)), to),
            locks: Locks::read(recorder.views(looks_from, to)),
            limits: recorder.latest_limits().map(|(_, limits)| limits),
            by_application: recorder
                .views(now.before(Duration::from_secs(30)), now)
                .filter(|view| !view.backends_by_application.is_empty())
                .last()
                .map(|view| view.backends_by_application.clone())
                .unwrap_or_default(),
            pins: recorder.pins(pool),
            last: recorder.latest(pool).cloned(),
            // A leak that was seen early began long before the pool was dry: then the climb is
            // what leads up to now.
            climb: [onset, to]
                .into_iter()
                .map(|end| climb(recorder, pool, end))
                .find(|climb| crate::detect::rules::rises(climb))
                .unwrap_or_else(|| climb(recorder, pool, onset)),
            surge_since: (before.samples > 0)
                .then(|| surge_since(recorder, pool, usual, onset, to))
                .flatten(),
            before,
            during,
            looks_before,
            looks,
            statements,
            attribution,
            servers,
        }
    }

    /// The window, for evidence.
    pub(crate) fn span(&self) -> Span {
        (self.during.from, self.during.to)
    }

    /// Was there a baseline?
    pub(crate) fn has_baseline(&self) -> bool {
        self.before.samples > 0 && !self.attribution.baseline_thin
    }

    /// Arrivals now against usual.
    pub(crate) fn arrivals_ratio(&self) -> f64 {
        self.attribution.ratio(FactorName::Arrivals)
    }

    /// Hold time now against usual.
    pub(crate) fn hold_ratio(&self) -> f64 {
        let (now, before) = self.attribution.hold_s();
        if before > 0.0 { now / before } else { 1.0 }
    }

    /// Of the time that servers were held: idle in transaction.
    pub(crate) fn thinking_part(&self) -> f64 {
        part(
            self.during.held.thinking.as_secs_f64(),
            self.during.held.total().as_secs_f64(),
        )
    }

    /// Of own executing backends seen: waiting for `Lock:` one of `events`. `None`: nothing seen.
    pub(crate) fn lock_part(&self, events: &[&str]) -> Option<f64> {
        if self.looks.looks == 0 || self.looks.active_samples == 0 {
            return None;
        }
        let n: u32 = events
            .iter()
            .filter_map(|event| self.looks.by_wait_event.get(&format!("Lock:{event}")))
            .sum();
        Some(part(f64::from(n), f64::from(self.looks.active_samples)))
    }

    /// As above: rows.
    pub(crate) fn row_lock_part(&self) -> Option<f64> {
        self.lock_part(&["transactionid", "tuple"])
    }

    /// As above: tables.
    pub(crate) fn relation_lock_part(&self) -> Option<f64> {
        self.lock_part(&["relation"])
    }

    /// Any lock; zero if nothing was seen.
    pub(crate) fn any_lock_part(&self) -> f64 {
        part(
            f64::from(self.looks.by_wait_type.get("Lock").copied().unwrap_or(0)),
            f64::from(self.looks.active_samples),
        )
    }

    /// The statement with the largest excess, how many times longer than usual it takes, and the
    /// median of that over the others (one if there are none).
    pub(crate) fn standout(&self) -> Option<Standout<'_>> {
        if !self.statements_measured {
            return None;
        }
        let change = self
            .statements
            .changes
            .first()
            .filter(|c| c.excess_s > 0.0)?;
        let others = self
            .statements
            .median_ratio(Some(change.fingerprint))
            .unwrap_or(1.0);
        // A statement that didn't occur before has no ratio; what it takes compared with what
        // others take stands in for it.
        let ratio = change.ratio().unwrap_or_else(|| {
            let usual =
                self.before.held.executing.as_secs_f64() / (self.before.completions.max(1) as f64);
            change.mean_s / usual.max(50e-6)
        });
        Some(Standout {
            change,
            ratio,
            others,
            excess_part: part(
                self.statements.excess_s,
                self.during
                    .held
                    .executing
                    .as_secs_f64()
                    .max(self.statements.excess_s),
            ),
        })
    }

    /// What the load needs at this hold time.
    pub(crate) fn demand(&self) -> Demand {
        Demand::new(self.during.arrival_rate(), self.attribution.hold_s().0)
    }

    /// What the load would need at the usual hold time.
    pub(crate) fn demand_at_usual_hold(&self) -> Demand {
        Demand::new(self.during.arrival_rate(), self.attribution.hold_s().1)
    }

    /// Clients that wait now.
    pub(crate) fn waiting(&self) -> u32 {
        self.last
            .as_ref()
            .map_or(0, |s| s.clients.waiting)
            .max(self.during.waiting_max)
    }

    /// The size during the trouble.
    pub(crate) fn size(&self) -> u32 {
        (self.during.size.round() as u32).max(1)
    }

    /// Servers that are logged in, at the end.
    pub(crate) fn open(&self) -> u32 {
        self.last.as_ref().map_or(self.during.open_last, |s| {
            s.servers.open() - s.servers.login
        })
    }

    /// Servers held by clients that have asked nothing for long.
    pub(crate) fn stuck(&self) -> Vec<&ServerRow> {
        let usual = self.before.hold.quantile(0.99);
        let patience = STUCK.max(20 * usual);
        self.servers
            .iter()
            .filter(|row| {
                row.client.is_some()
                    && row.client_state != Some(ClientState::Active)
                    && row
                        .transaction_since
                        .or(row.client_since)
                        .is_some_and(|since| self.now.since(since) >= patience)
            })
            .collect()
    }

    /// The application that holds most servers among `rows`, with how many; empty names count
    /// as unnamed.
    pub(crate) fn application<'a>(
        rows: impl Iterator<Item = &'a ServerRow>,
    ) -> Option<(String, u32)> {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for row in rows.filter(|row| row.client.is_some()) {
            *counts.entry(&row.application).or_default() += 1;
        }
        counts.into_iter().max_by_key(|(_, n)| *n).map(|(name, n)| {
            let name = if name.is_empty() {
                "(no application_name)"
            } else {
                name
            };
            (name.to_owned(), n)
        })
    }

    /// As [`Self::application`] of `rows`; where none of them is there any more (they come once a
    /// second, and trouble moves on), of all the pool's servers, without a number.
    pub(crate) fn application_or_any(&self, rows: &[&ServerRow]) -> Option<(String, Option<u32>)> {
        Self::application(rows.iter().copied())
            .map(|(name, n)| (name, Some(n)))
            .or_else(|| Self::application(self.servers.iter()).map(|(name, _)| (name, None)))
    }

    /// A fingerprint's text.
    pub(crate) fn text(&self, fingerprint: Fingerprint) -> &str {
        self.statements
            .changes
            .iter()
            .find(|c| c.fingerprint == fingerprint)
            .map_or("", |c| &c.text)
    }
}

/// A statement that takes longer than it did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standout<'a> {
    pub change: &'a StatementChange,
    /// How many times its usual time it takes.
    pub ratio: f64,
    /// The same for the others, median.
    pub others: f64,
    /// Excess of all statements, of all execution time.
    pub excess_part: f64,
}

impl Standout<'_> {
    /// How much more it slowed than the others did: a processor that is short slows all alike.
    pub(crate) fn beyond_others(&self) -> f64 {
        self.ratio / self.others.max(0.1)
    }
}

fn part(of: f64, all: f64) -> f64 {
    if all > 0.0 {
        (of / all).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn stretch(recorder: &Recorder, pool: PoolId, level: Level, onset: Instant, now: Instant) -> Span {
    let begin = match level {
        // The climb of a leak is long, and what matters is its end.
        Level::Leak => now.before(WINDOW),
        _ => onset,
    };
    let (mut size, mut changed_first, mut changed_last) = (None, None, None);
    let (mut hurt_before, mut hurt) = (None, None);
    for (at, s) in recorder.samples(pool, begin, now) {
        if *size.get_or_insert(s.size) != s.size {
            size = Some(s.size);
            changed_first = changed_first.or(Some(at));
            changed_last = Some(at);
        }
        if s.clients.waiting > 0 || s.failures > 0 {
            hurt = Some(at);
            if changed_first.is_none() {
                hurt_before = Some(at);
            }
        }
    }
    // It hurts long after the last change: whatever the change did, this is something else.
    if let (Some(changed), Some(hurt)) = (changed_last, hurt)
        && hurt.since(changed) >= STILL_HURTS
    {
        return (changed.after(SETTLES).max(hurt.before(WINDOW)), hurt);
    }
    let mut to = changed_first.map_or(now, |at| at.before(Duration::from_millis(100)));
    if let Some(hurt) = hurt_before {
        to = to.min(hurt);
    }
    if to.since(begin) < WINDOW_MIN {
        to = begin.after(WINDOW_MIN).min(now);
    }
    (begin.max(to.before(WINDOW)), to)
}

/// Logins that failed in the stretch. Where none was even tried in it, the last answer that
/// PostgreSQL gave still stands: after a refusal Weir knocks less often.
fn last_answers(
    recorder: &Recorder,
    pool: PoolId,
    from: Instant,
    to: Instant,
) -> Vec<(Instant, ConnectFailure)> {
    let failures = recorder.login_failures(pool, from, to);
    if !failures.is_empty() {
        return failures;
    }
    let before = recorder.login_failures(pool, from.before(ANSWER_STANDS), from);
    match before.last() {
        Some(last) if recorder.window(pool, last.0, to).server_logins == 0 => vec![last.clone()],
        _ => failures,
    }
}

/// When the rows of servers were true: they come once a second and don't say.
///
/// If nothing has completed for longer than that, they still are. Otherwise the latest change
/// that any of them tells of is, in a pool where much happens, as good as the instant itself.
fn rows_taken(recorder: &Recorder, pool: PoolId, rows: &[ServerRow], to: Instant) -> Instant {
    let silent = recorder
        .window(pool, to.before(Duration::from_millis(1100)), to)
        .completions
        == 0;
    let latest = rows
        .iter()
        .flat_map(|row| [Some(row.since), row.client_since, row.transaction_since])
        .flatten()
        .max();
    match latest {
        Some(latest) if !silent => latest.min(to),
        _ => to,
    }
}

fn climb(recorder: &Recorder, pool: PoolId, end: Instant) -> Vec<u32> {
    let begin = end.before(CLIMB);
    let step = CLIMB / 6;
    (0..6)
        .filter_map(|i| {
            let from = begin.after(step * i);
            recorder
                .samples(pool, from, from.after(step))
                .map(|(_, s)| s.servers.active)
                .min()
        })
        .collect()
}

/// The first second, looking back from the onset, in which arrivals were half again as many.
fn surge_since(
    recorder: &Recorder,
    pool: PoolId,
    usual: f64,
    onset: Instant,
    to: Instant,
) -> Option<Instant> {
    let second = Duration::from_secs(1);
    let mut at = onset.before(Duration::from_secs(30));
    while at < to {
        let window = recorder.window(pool, at, at.after(second));
        if window.samples >= 8 && window.arrival_rate() > 1.5 * usual {
            return Some(at);
        }
        at = at.after(second);
    }
    None
}
