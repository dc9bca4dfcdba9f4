//! A pool: the server connections of one (database, user), and the clients that wait for one.
//!
//! It answers one question, over and over: *who gets the next free server?*
//!
//! # What always holds
//! - Waiting clients are served in order of arrival, by direct hand-off: a server that comes free
//!   while somebody waits is never idle for a moment.
//! - Of idle servers the one used last is used next, so that those beyond the need grow old.
//! - `login + idle + active + tested <= size`, save after a shrink that found them busy.
//! - The number of servers in login towards one PostgreSQL is at most its `dials_max`; after a
//!   failure one attempt at a time, `login_retry` (jittered) apart.
//!
//! # What is deliberately absent
//! - How large a pool should be. `weir-control::regulate` decides, and sends an order.
//! - A queue bound by time only: `waiters_max` bounds it by number.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ClientId, ConnectFailure, Event, Instant, Outcome, PoolId, PoolKey, PoolMode, PoolSettings,
    PoolTotals, ServerId,
};

use crate::client::{Phase, Waiting};
use crate::effect::{Conn, Effect, Effects};
use crate::engine::Engine;
use crate::measure::{Link, Meter};
use crate::server::{Owed, State};
use crate::session_settings::Params;
use crate::timers::Timer;

/// How many idle servers are looked at for one that needs no replay.
const LOOK_AT: usize = 16;

/// Pools of one process. Only who logged in can make one, in a database that settings name.
const POOLS_MAX: usize = 10_000;

/// A PostgreSQL that pools share. One for each place that settings ever named.
pub(crate) struct Backend {
    host: Arc<str>,
    port: u16,
    /// Servers in login.
    pub(crate) in_login: u32,
    /// A pool wanted to dial and had to wait for a place.
    pub(crate) wanted: bool,
}

/// The server connections of one (database, user), and the clients that wait for one.
pub(crate) struct Pool {
    pub(crate) key: PoolKey,
    pub(crate) settings: Arc<PoolSettings>,
    pub(crate) backend: usize,
    pub(crate) size: u32,
    /// Keep at least so many open.
    pub(crate) warm: u32,
    /// Control lets nothing new begin.
    pub(crate) paused: bool,
    /// The console does (PAUSE, KILL), and closes what comes free.
    pub(crate) halted: bool,
    /// Nobody has used it for long; it lives again when somebody comes.
    pub(crate) asleep: bool,
    /// Since when it has neither clients nor servers.
    pub(crate) idle_since: Option<Instant>,
    /// Which of the server's places the next dial goes to.
    pub(crate) place: usize,
    /// Dials in a row that failed: at each place once, before it counts as down.
    pub(crate) places_failed: usize,
    /// Idle servers that are being checked.
    pub(crate) checking: u32,
    /// Logins that wait for a server to look their user up.
    pub(crate) lookups: VecDeque<ClientId>,
    /// Proof of the user that a lookup found, for logging in to PostgreSQL.
    pub(crate) found: Option<crate::directory::Entry>,
    /// All of them, in whatever state.
    pub(crate) servers: Vec<ServerId>,
    /// The one used last stands last.
    pub(crate) idle: Vec<ServerId>,
    pub(crate) in_login: u32,
    /// In order of arrival; entries whose ticket is stale are skipped.
    pub(crate) waiting: VecDeque<(ClientId, u64)>,
    pub(crate) waiters: u32,
    pub(crate) tickets: u64,
    /// Authenticated, and waiting for the first server's ParameterStatus values.
    pub(crate) welcoming: Vec<(ClientId, Instant)>,
    /// What servers report at login; `None` until the first was opened.
    pub(crate) welcome: Option<Arc<Params>>,
    /// Logged-in clients.
    pub(crate) clients: u32,
    /// No dial before this.
    pub(crate) retry_at: Instant,
    pub(crate) last_failure: Option<ConnectFailure>,
    /// Since when nothing is open because nothing can be opened.
    pub(crate) down_since: Option<Instant>,
    pub(crate) wait_timer: bool,
    /// When somebody will have waited long enough for the reserve is on the timers.
    pub(crate) reserve_timer: bool,
    pub(crate) meter: Meter,
    /// What was counted before `meter` was last emptied.
    pub(crate) totals: PoolTotals,
}

impl Pool {
    pub(crate) fn open(&self) -> u32 {
        self.servers.len() as u32
    }

    /// Nothing new begins.
    pub(crate) fn rests(&self) -> bool {
        self.paused || self.halted
    }

    /// Those who want a server are more than those that are to come.
    pub(crate) fn is_short(&self) -> bool {
        let welcome = u32::from(!self.welcoming.is_empty());
        let wanted = self.waiters.max(welcome) + self.lookups.len() as u32;
        wanted > self.in_login + self.checking + self.idle.len() as u32
    }

    /// Somebody may come, or came: worth keeping servers open for.
    fn is_lived_in(&self) -> bool {
        self.clients > 0 || !self.welcoming.is_empty() || self.settings.user.is_some()
    }

    /// The client that has waited longest; stale entries before it go.
    pub(crate) fn front(&mut self, engine_clients: &crate::engine::Clients) -> Option<ClientId> {
        while let Some(&(id, ticket)) = self.waiting.front() {
            let stands = engine_clients
                .get(&id)
                .and_then(|c| c.waiting)
                .is_some_and(|w| w.ticket == ticket);
            if stands {
                return Some(id);
            }
            self.waiting.pop_front();
        }
        None
    }

    /// Since when the one who has waited longest waits, in the queue or for its login.
    pub(crate) fn oldest_wait_since(&self, clients: &crate::engine::Clients) -> Option<Instant> {
        let queued = self.waiting.iter().find_map(|(id, ticket)| {
            let waiting = clients.get(id)?.waiting?;
            (waiting.ticket == *ticket).then_some(waiting.arrived)
        });
        let welcoming = self.welcoming.first().map(|(_, since)| *since);
        queued.into_iter().chain(welcoming).min()
    }

    /// Why the last attempt to open a server failed, as a sentence.
    pub(crate) fn failure_text(&self) -> String {
        let server = &self.settings.server;
        let place = if server.host.starts_with('/') {
            format!("{}/.s.PGSQL.{}", server.host, server.port)
        } else {
            format!("{}:{}", server.host, server.port)
        };
        match &self.last_failure {
            Some(ConnectFailure::Io(text)) => format!("{place}: {text}"),
            Some(ConnectFailure::Timeout) => {
                format!(
                    "{place}: no answer within {}",
                    seconds(server.connect_timeout)
                )
            }
            Some(ConnectFailure::Refused { sqlstate, message }) => {
                format!("{place}: {message} (SQLSTATE {sqlstate})")
            }
            Some(ConnectFailure::Tls(text)) => text.clone(),
            Some(ConnectFailure::Garbage(text)) => {
                format!("{place} does not speak PostgreSQL's protocol: {text}")
            }
            None => format!("{place}: still connecting"),
        }
    }
}

impl Pool {
    /// PostgreSQL said that it has no slot.
    pub(crate) fn is_refused_for_room(&self) -> bool {
        matches!(&self.last_failure,
            Some(ConnectFailure::Refused { sqlstate, .. }) if sqlstate == "53300")
    }

    /// Its clients wait, and PostgreSQL has no slot for another server.
    fn wants_room(&self) -> bool {
        (self.waiters > 0 || !self.welcoming.is_empty()) && self.is_refused_for_room()
    }

    /// Nothing is open, and the last attempt failed for another reason than a full PostgreSQL.
    pub(crate) fn is_down(&self) -> bool {
        self.down_since.is_some() && self.open() == self.in_login && !self.is_refused_for_room()
    }

    /// Whether one more client would get a server without waiting for another client.
    pub(crate) fn has_server_to_spare(&self) -> bool {
        let to_come = self.in_login + self.size.saturating_sub(self.open());
        !self.rests()
            && self.last_failure.is_none()
            && self.idle.len() as u32 + to_come > self.waiters
    }

    /// When one who came at `arrived` has waited long enough, as things stand. A restart of
    /// PostgreSQL is sat out for `connect_timeout`, counted from its beginning.
    pub(crate) fn wait_deadline(&self, arrived: Instant) -> Option<Instant> {
        let (wait, _) = self.patience();
        let patient = (!wait.is_zero()).then(|| arrived.after(wait));
        let down = self
            .down_since
            .filter(|_| self.is_down())
            .zip(self.patience_while_down())
            .map(|(since, patience)| arrived.max(since).after(patience));
        match (patient, down) {
            (Some(patient), Some(down)) => Some(patient.min(down)),
            (patient, down) => patient.or(down),
        }
    }
}

/// `120 s`, `0.5 s`.
pub(crate) fn seconds(d: Duration) -> String {
    let s = d.as_secs_f64();
    if s >= 10.0 || s.fract() == 0.0 {
        format!("{s:.0} s")
    } else {
        format!("{s:.1} s")
    }
}

/// What asking for a server came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Linked; go on.
    Linked,
    /// In the queue, or its server is being prepared. Its reading is paused.
    Waits,
    /// It was told no, and is gone.
    Refused,
}

impl Engine {
    /// Gives the client a server or a place in the queue.
    pub(crate) fn ask_server(&mut self, id: ClientId, now: Instant, fx: &mut Effects) -> Asked {
        let Some(pool_id) = self.clients.get(&id).and_then(|c| c.pool) else {
            self.fault("a client without a pool asked for a server", fx);
            self.drop_client(id, Outcome::Refused, now, fx);
            return Asked::Refused;
        };
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return Asked::Refused;
        };
        pool.meter.arrivals += 1;
        if self.shutdown == Some(weir_model::Shutdown::WaitForServers) {
            let says = "server shutting down";
            self.dismiss(id, "57P01", says, Outcome::Refused, now, fx);
            return Asked::Refused;
        }
        if pool.waiters == 0
            && !pool.rests()
            && self.suspended.is_none()
            && let Some(server) = self.pick_idle(pool_id, id, now)
        {
            return self.link(id, server, now, Duration::ZERO, now, fx);
        }
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return Asked::Refused;
        };
        let most = pool.settings.waiters_max;
        if most > 0 && pool.waiters >= most {
            let active = pool.open() - pool.idle.len() as u32 - pool.in_login;
            let says = format!(
                "waiters_max: {} is saturated: {active} of {} servers active, {} clients already wait",
                pool.key, pool.size, pool.waiters
            );
            pool.meter.abandoned += 1;
            pool.meter.failures += 1;
            pool.meter.wait.record(Duration::ZERO);
            self.report_unserved(id, pool_id, now, Duration::ZERO, Outcome::Refused, fx);
            self.dismiss(id, "53300", &says, Outcome::Refused, now, fx);
            return Asked::Refused;
        }
        pool.tickets += 1;
        let ticket = pool.tickets;
        let ahead = pool.waiters;
        pool.waiters += 1;
        // Those who left stand in the queue until it is walked; don't let them outnumber the rest.
        if pool.waiting.len() > 64 && pool.waiting.len() > 2 * pool.waiters as usize {
            let clients = &self.clients;
            pool.waiting.retain(|(id, ticket)| {
                clients
                    .get(id)
                    .and_then(|c| c.waiting)
                    .is_some_and(|w| w.ticket == *ticket)
            });
        }
        pool.waiting.push_back((id, ticket));
        if !pool.wait_timer
            && let Some(at) = pool.wait_deadline(now)
        {
            pool.wait_timer = true;
            self.timers.set(at, Timer::Wait(pool_id));
        }
        if let Some(client) = self.clients.get_mut(&id) {
            client.waiting = Some(Waiting {
                arrived: now,
                ahead,
                ticket,
                notified: false,
            });
            client.since = now;
            if !client.paused {
                client.paused = true;
                fx.list.push(Effect::PauseReading {
                    conn: Conn::Client(id),
                });
            }
        }
        self.check_idle(pool_id, now, fx);
        self.dial_more(pool_id, now, fx);
        Asked::Waits
    }

    /// An idle server that needs no check, preferably one that is already as this client needs it.
    fn pick_idle(&mut self, id: PoolId, client: ClientId, now: Instant) -> Option<ServerId> {
        let pool = self.pools.get_mut(id.0 as usize)?;
        // In order of last use, so the stale ones stand first.
        let stale = pool.stale(&self.servers, now);
        let fresh = pool.idle.get(stale..)?;
        let last = fresh.len().checked_sub(1)?;
        if pool.settings.round_robin {
            return Some(pool.idle.remove(stale));
        }
        let session = &self.clients.get(&client)?.session;
        let fits = |id: &ServerId| {
            self.servers
                .get(id)
                .is_some_and(|s| Arc::ptr_eq(&s.session, session) || s.session == *session)
        };
        let from = fresh.len().saturating_sub(LOOK_AT);
        let at = fresh[from..]
            .iter()
            .rposition(fits)
            .map_or(last, |at| from + at);
        Some(pool.idle.remove(stale + at))
    }

    /// Ties the two together. `server` is already out of the idle list.
    pub(crate) fn link(
        &mut self,
        id: ClientId,
        server_id: ServerId,
        arrived: Instant,
        wait: Duration,
        now: Instant,
        fx: &mut Effects,
    ) -> Asked {
        let (Some(client), Some(server)) =
            (self.clients.get_mut(&id), self.servers.get_mut(&server_id))
        else {
            self.fault("a link to somebody who is gone", fx);
            return Asked::Refused;
        };
        let mut link = Link::new(id, now);
        link.begin(arrived, wait, now);
        server.link = Some(Box::new(link));
        server.since = now;
        server.used = true;
        server.checked = false;
        client.server = Some(server_id);
        client.since = now;
        if let Some(pool) = self.pools.get_mut(server.pool.0 as usize) {
            pool.meter.assignments += 1;
            pool.meter.wait.record(wait);
        }
        if self.catch_up(id, server_id, fx) {
            return Asked::Waits;
        }
        let Some(server) = self.servers.get_mut(&server_id) else {
            return Asked::Refused;
        };
        server.state = State::Active;
        self.tell_params(id, server_id, fx);
        Asked::Linked
    }

    /// Makes the server's settings those of the client that is linked to it. True if it takes a
    /// replay, for which the client waits.
    pub(crate) fn catch_up(&mut self, id: ClientId, server_id: ServerId, fx: &mut Effects) -> bool {
        let (Some(client), Some(server)) =
            (self.clients.get_mut(&id), self.servers.get_mut(&server_id))
        else {
            return false;
        };
        if !Arc::ptr_eq(&server.session, &client.session) && server.session != client.session {
            let sql = server.session.replay(&client.session);
            server.state = State::Replay;
            // If it fails, the server is closed.
            server.session = Arc::clone(&client.session);
            server.own_error = None;
            // A simple query destroys the unnamed statement.
            server.unnamed_of = None;
            server.owed.push_back(Owed::OwnQuery);
            fx.send_with(Conn::Server(server_id), |out| {
                weir_wire::frontend::put_query(out, sql.as_bytes());
            });
            if !client.paused {
                client.paused = true;
                fx.list.push(Effect::PauseReading {
                    conn: Conn::Client(id),
                });
            }
            return true;
        }
        false
    }

    /// The client may speak to its server now.
    pub(crate) fn resume(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        if self
            .clients
            .get(&id)
            .is_some_and(|c| matches!(c.phase, Phase::Welcome) && c.server.is_some())
        {
            self.enter(id, now, fx);
        }
        if let Some(client) = self.clients.get_mut(&id)
            && client.paused
        {
            client.paused = false;
            fx.list.push(Effect::ResumeReading {
                conn: Conn::Client(id),
            });
        }
    }

    /// Hands idle servers to those who wait.
    pub(crate) fn serve(&mut self, pool_id: PoolId, now: Instant, fx: &mut Effects) {
        while let Some(pool) = self.pools.get_mut(pool_id.0 as usize) {
            if pool.rests() || pool.idle.is_empty() || self.suspended.is_some() {
                return;
            }
            if !pool.lookups.is_empty() {
                if !self.begin_lookup(pool_id, now, fx) {
                    return;
                }
                continue;
            }
            if pool.waiters == 0 {
                return;
            }
            let Some(id) = pool.front(&self.clients) else {
                self.fault("a queue that says it is longer than it is", fx);
                if let Some(pool) = self.pools.get_mut(pool_id.0 as usize) {
                    pool.waiters = 0;
                }
                return;
            };
            let Some(server) = self.pick_idle(pool_id, id, now) else {
                self.check_idle(pool_id, now, fx);
                return;
            };
            let Some(waited) = self.leave_queue(id) else {
                return;
            };
            let wait = now.since(waited.arrived);
            if self.link(id, server, waited.arrived, wait, now, fx) == Asked::Linked {
                self.resume(id, now, fx);
            }
        }
    }

    /// Takes the client out of the queue.
    pub(crate) fn leave_queue(&mut self, id: ClientId) -> Option<Waiting> {
        let client = self.clients.get_mut(&id)?;
        let waiting = client.waiting.take()?;
        let pool = self.pools.get_mut(client.pool?.0 as usize)?;
        pool.waiters = pool.waiters.saturating_sub(1);
        Some(waiting)
    }

    /// Opens servers where they are wanted and allowed.
    pub(crate) fn dial_more(&mut self, pool_id: PoolId, now: Instant, fx: &mut Effects) {
        let draining = self.draining.is_some();
        while let Some(pool) = self.pools.get_mut(pool_id.0 as usize) {
            let short = pool.is_short();
            let kept = if pool.is_lived_in() {
                pool.warm.max(pool.settings.size_min)
            } else {
                pool.warm
            };
            let cold = pool.open() < kept.min(pool.size);
            if draining || pool.halted || pool.paused && !cold || !(short || cold) {
                return;
            }
            // Where PostgreSQL is full, a server ahead of need would take the place that another
            // pool's clients wait for.
            if !short && self.is_kept_out(pool_id) {
                return; // The next sweep looks again.
            }
            let Some(pool) = self.pools.get(pool_id.0 as usize) else {
                return;
            };
            let from_reserve = pool.open() >= pool.size;
            if from_reserve && !self.may_use_reserve(pool_id, now) {
                return;
            }
            let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
                return;
            };
            if pool.last_failure.is_some() && pool.in_login > 0 {
                return; // One feeler at a time towards a server that just failed.
            }
            if now < pool.retry_at {
                return; // Timer::Retry is set for it.
            }
            let Some(backend) = self.backends.get_mut(pool.backend) else {
                return;
            };
            if backend.in_login >= pool.settings.server.dials_max.max(1) {
                backend.wanted = true;
                return;
            }
            if !self.claim_place(pool_id, short, now, fx) {
                return;
            }
            if from_reserve {
                self.say_reserve(pool_id, fx);
            }
            let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
                return;
            };
            if let Some(backend) = self.backends.get_mut(pool.backend) {
                backend.in_login += 1;
            }
            pool.in_login += 1;
            pool.idle_since = None;
            let id = ServerId(self.next_id);
            self.next_id += 1;
            pool.servers.push(id);
            let settings = Arc::clone(&pool.settings);
            let place = pool.next_place();
            fx.list.push(Effect::Dial {
                server: id,
                host: Arc::clone(&place.host),
                port: place.port,
            });
            self.timers.set(
                now.after(settings.server.connect_timeout),
                Timer::Connect(id),
            );
            self.new_server(id, pool_id, place, now);
        }
    }

    /// A place for a login came free: whoever wanted one may try, beginning after `pool`.
    pub(crate) fn login_over(&mut self, pool_id: PoolId, now: Instant, fx: &mut Effects) {
        let count = self.pools.len();
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        let backend = pool.backend;
        pool.in_login = pool.in_login.saturating_sub(1);
        let Some(place) = self.backends.get_mut(backend) else {
            return;
        };
        place.in_login = place.in_login.saturating_sub(1);
        if std::mem::take(&mut place.wanted) {
            // In turn rather than by name, or the first pool would starve the last.
            for step in 1..=count {
                let next = (pool_id.0 as usize + step) % count;
                if self.pools[next].backend == backend {
                    self.dial_more(PoolId(next as u32), now, fx);
                }
            }
        }
    }

    /// A login failed: back off, tell control, and tell those who can't be helped.
    pub(crate) fn login_failed(
        &mut self,
        pool_id: PoolId,
        failure: ConnectFailure,
        now: Instant,
        fx: &mut Effects,
    ) {
        let jitter = 0.75 + 0.5 * self.dice.unit();
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        pool.meter.server_login_failures += 1;
        // With several hosts, the next one may serve: it is tried at once.
        if pool.try_another_place() {
            fx.events.push(Event::ServerLoginFailed {
                pool: pool_id,
                failure,
            });
            return;
        }
        pool.retry_at = now.after(pool.settings.server.login_retry.mul_f64(jitter));
        pool.last_failure = Some(failure.clone());
        let at = pool.retry_at;
        self.timers.set(at, Timer::Retry(pool_id));
        fx.events.push(Event::ServerLoginFailed {
            pool: pool_id,
            failure: failure.clone(),
        });
        self.make_way(pool_id, now, fx);
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        // An error that trying again won't cure is passed on at once, unless other servers of the
        // pool serve. A full PostgreSQL or one that starts up is worth waiting for.
        let hopeless = match &failure {
            ConnectFailure::Refused { sqlstate, message } => {
                let may_pass = matches!(sqlstate.as_str(), "53300" | "57P03" | "57P01" | "57P02");
                (!may_pass).then_some((sqlstate.as_str(), message))
            }
            // Certificates don't mend themselves.
            ConnectFailure::Tls(says) => Some(("08006", says)),
            ConnectFailure::Io(_) | ConnectFailure::Timeout | ConnectFailure::Garbage(_) => None,
        };
        let nothing_open = pool.open() == pool.in_login;
        if let Some((sqlstate, message)) = hopeless {
            let mut told: Vec<ClientId> = pool.welcoming.drain(..).map(|(id, _)| id).collect();
            told.extend(pool.lookups.drain(..));
            if nothing_open {
                while let Some(id) = self.pools[pool_id.0 as usize].front(&self.clients) {
                    self.pools[pool_id.0 as usize].waiting.pop_front();
                    told.push(id);
                }
            }
            for id in told {
                self.dismiss_quoting(id, sqlstate, message, Outcome::NoServer, now, fx);
            }
            return;
        }
        if nothing_open && pool.down_since.is_none() {
            pool.down_since = Some(now);
            // Those who wait have less patience now than when they came.
            if let Some(id) = pool.front(&self.clients)
                && let Some(waiting) = self.clients.get(&id).and_then(|c| c.waiting)
                && let Some(at) = pool.wait_deadline(waiting.arrived)
            {
                pool.wait_timer = true;
                self.timers.set(at, Timer::Wait(pool_id));
            }
        }
    }

    /// Clients of another pool wait because the PostgreSQL of both is full.
    fn is_kept_out(&self, pool_id: PoolId) -> bool {
        let Some(pool) = self.pools.get(pool_id.0 as usize) else {
            return false;
        };
        let mut others = self.pools.iter().enumerate();
        others.any(|(at, other)| {
            at != pool_id.0 as usize && other.backend == pool.backend && other.wants_room()
        })
    }

    /// PostgreSQL is full, perhaps of our own: servers that idle in other pools, also those that are
    /// kept ahead of need, would keep this one's clients out until their `idle_timeout`. One goes
    /// for each refusal, of the pool that has most, the one unused for longest.
    fn make_way(&mut self, pool_id: PoolId, now: Instant, fx: &mut Effects) {
        let Some(pool) = self.pools.get(pool_id.0 as usize) else {
            return;
        };
        if !pool.wants_room() {
            return;
        }
        let backend = pool.backend;
        let unused = self
            .pools
            .iter()
            .enumerate()
            .filter(|(at, other)| {
                *at != pool_id.0 as usize && other.backend == backend && other.waiters == 0
            })
            .filter_map(|(at, other)| Some((other.idle.len(), at, *other.idle.first()?)))
            .max_by_key(|(idle, at, _)| (*idle, std::cmp::Reverse(*at)));
        if let Some((_, _, server)) = unused {
            self.close_server(server, "makes way: PostgreSQL is full", now, fx);
        }
    }

    /// `Timer::Wait`: who has waited too long is told so.
    pub(crate) fn wait_timer(&mut self, pool_id: PoolId, now: Instant, fx: &mut Effects) {
        loop {
            let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
                return;
            };
            pool.wait_timer = false;
            let Some(id) = pool.front(&self.clients) else {
                return;
            };
            let Some(waiting) = self.clients.get(&id).and_then(|c| c.waiting) else {
                return;
            };
            let Some(due) = pool.wait_deadline(waiting.arrived) else {
                return;
            };
            if due > now {
                pool.wait_timer = true;
                self.timers.set(due, Timer::Wait(pool_id));
                return;
            }
            self.wait_over(id, pool_id, waiting, now, fx);
        }
    }

    fn wait_over(
        &mut self,
        id: ClientId,
        pool_id: PoolId,
        waiting: Waiting,
        now: Instant,
        fx: &mut Effects,
    ) {
        let cap = self.binding_cap(pool_id);
        let pool = &self.pools[pool_id.0 as usize];
        let waited = seconds(now.since(waiting.arrived));
        let active = pool.open() - pool.idle.len() as u32 - pool.in_login;
        let full = pool.is_refused_for_room();
        let (patience, name) = pool.patience();
        let by_name = !patience.is_zero() && now.since(waiting.arrived) >= patience;
        let (sqlstate, says, outcome) = if pool.is_down() {
            let prefix = if by_name {
                format!("{name}: ")
            } else {
                String::new()
            };
            let says = format!(
                "{prefix}no server of {} could be opened in {waited}: {}",
                pool.key,
                pool.failure_text()
            );
            ("08006", says, Outcome::NoServer)
        } else if pool.rests() {
            let says = format!(
                "{name}: {} is paused by an operator; waited {waited}, {} clients ahead",
                pool.key, waiting.ahead
            );
            ("53300", says, Outcome::WaitTimeout)
        } else if full && pool.open() < pool.size {
            let says = format!(
                "{name}: no server of {} came free in {waited}: saturated, {active} of {} active, \
                 {} clients ahead; PostgreSQL has no slot for more ({})",
                pool.key,
                pool.size,
                waiting.ahead,
                pool.failure_text()
            );
            ("53300", says, Outcome::WaitTimeout)
        } else {
            let cap = match cap.filter(|_| pool.open() < pool.size) {
                Some(cap) => format!("; {cap}"),
                None => String::new(),
            };
            let says = format!(
                "{name}: no server of {} came free in {waited}: saturated, {active} of {} active, \
                 {} clients ahead{cap}",
                pool.key, pool.size, waiting.ahead
            );
            ("53300", says, Outcome::WaitTimeout)
        };
        self.dismiss(id, sqlstate, &says, outcome, now, fx);
    }

    /// The pool of this database and user, born now if it is new. `None`: no such database, or
    /// more pools than [`POOLS_MAX`].
    pub(crate) fn pool_for(
        &mut self,
        database: &str,
        user: &str,
        now: Instant,
        fx: &mut Effects,
    ) -> Option<PoolId> {
        let template = self.database_named(database)?.template;
        let forced = self.pool_settings[template].user.clone();
        self.pool_as(database, forced.as_deref().unwrap_or(user), now, fx)
    }

    /// Likewise, whatever user the database forces on clients.
    pub(crate) fn pool_as(
        &mut self,
        database: &str,
        user: &str,
        now: Instant,
        fx: &mut Effects,
    ) -> Option<PoolId> {
        let db = self.database_named(database)?;
        let (template, halted) = (db.template, db.halted);
        let key = PoolKey::new(database, user);
        if let Some(id) = self.pool_ids.get(&key) {
            let id = *id;
            if let Some(pool) = self.pools.get_mut(id.0 as usize) {
                pool.asleep = false;
                pool.idle_since = Some(now);
            }
            return Some(id);
        }
        if self.pools.len() >= POOLS_MAX {
            self.fault(format!("more than {POOLS_MAX} pools"), fx);
            return None;
        }
        let settings = self.settings_for(template, &key.user);
        let backend = self.backend_of(&settings.server);
        let id = PoolId(self.pools.len() as u32);
        let size = settings.size.initial();
        fx.events.push(Event::PoolOpened {
            pool: id,
            key: key.clone(),
            mode: settings.mode,
            size,
        });
        self.pool_ids.insert(key.clone(), id);
        self.pools.push(Pool {
            key,
            settings,
            backend,
            size,
            warm: 0,
            paused: self.paused_all,
            halted,
            asleep: false,
            idle_since: Some(now),
            place: 0,
            places_failed: 0,
            checking: 0,
            lookups: VecDeque::new(),
            found: None,
            servers: Vec::new(),
            idle: Vec::new(),
            in_login: 0,
            waiting: VecDeque::new(),
            waiters: 0,
            tickets: 0,
            welcoming: Vec::new(),
            welcome: None,
            clients: 0,
            retry_at: now,
            last_failure: None,
            down_since: None,
            wait_timer: false,
            reserve_timer: false,
            meter: Meter::default(),
            totals: PoolTotals::default(),
        });
        Some(id)
    }

    /// A database's settings as they are for this user.
    pub(crate) fn settings_for(&self, template: usize, user: &str) -> Arc<PoolSettings> {
        let settings = &self.pool_settings[template];
        let own = self.settings.user_settings.get(user);
        let other = settings
            .user
            .as_deref()
            .is_some_and(|forced| forced != user);
        if own.is_none() && !other {
            return Arc::clone(settings);
        }
        let mut settings = own.map_or_else(|| (**settings).clone(), |own| own.over(settings));
        if other {
            // The pool of an `auth_user`: it comes as itself.
            settings.user = None;
            settings.password = None;
        }
        Arc::new(settings)
    }

    /// The PostgreSQL that these settings lead to, by its first place.
    pub(crate) fn backend_of(&mut self, server: &weir_model::ServerSettings) -> usize {
        let at = self
            .backends
            .iter()
            .position(|b| b.host == server.host && b.port == server.port);
        at.unwrap_or_else(|| {
            self.backends.push(Backend {
                host: Arc::clone(&server.host),
                port: server.port,
                in_login: 0,
                wanted: false,
            });
            self.backends.len() - 1
        })
    }

    pub(crate) fn mode(&self, pool: PoolId) -> PoolMode {
        self.pools
            .get(pool.0 as usize)
            .map_or(PoolMode::Transaction, |p| p.settings.mode)
    }

    /// True while this client's login waits for a first server.
    pub(crate) fn is_welcoming(&self, id: ClientId) -> bool {
        self.clients
            .get(&id)
            .is_some_and(|c| matches!(c.phase, Phase::Welcome))
    }
}
