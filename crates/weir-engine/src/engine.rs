//! The engine's face: every way in, each handed on to the file that answers it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ClientId, ConnectFailure, Event, Instant, Order, Peer, PoolId, PoolKey, PoolSettings,
    PoolerSettings, Sample, ServerId, Shutdown, Snapshot,
};
use weir_wire::auth::scram::{Keys, VerifierError};

use crate::client::{Client, Phase};
use crate::databases::{Databases, Users};
use crate::directory::Directory;
use crate::effect::{Conn, Effect, Effects};
use crate::ids::{Dice, IdMap};
use crate::measure::Statements;
use crate::pool::{Backend, Pool};
use crate::prepared::Catalog;
use crate::server::{Server, State};
use crate::session_settings::{Interner, Params, Session};
use crate::timers::{Timer, Timers};

/// Why settings can't be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsFault {
    /// A secret in the user list looks like a SCRAM verifier but isn't one.
    #[error("the secret of user \"{user}\" can't be used")]
    Verifier {
        /// Whose.
        user: Arc<str>,
        /// What is wrong with it.
        source: VerifierError,
    },
}

pub(crate) type Clients = IdMap<ClientId, Box<Client>>;
pub(crate) type Servers = IdMap<ServerId, Box<Server>>;

/// How often ages are looked at and servers reported.
const JANITOR: Duration = Duration::from_millis(333);

/// One worker's pooler.
pub struct Engine {
    pub(crate) settings: PoolerSettings,
    /// The same templates as in `settings`, shareable.
    pub(crate) pool_settings: Vec<Arc<PoolSettings>>,
    pub(crate) backends: Vec<Backend>,
    pub(crate) directory: Directory,
    pub(crate) clients: Clients,
    pub(crate) servers: Servers,
    pub(crate) pools: Vec<Pool>,
    pub(crate) pool_ids: HashMap<PoolKey, PoolId>,
    pub(crate) databases: Databases,
    pub(crate) users: Users,
    /// Some pool waits for a place under a cap.
    pub(crate) any_short: bool,
    /// Some setting limits how long clients may idle.
    pub(crate) any_idle_limit: bool,
    /// Who is at the other end of those who log in, where the driver told.
    pub(crate) peers: BTreeMap<ClientId, Peer>,
    /// Orders that are answered once they are done.
    pub(crate) unanswered: Vec<Order>,
    /// SUSPEND is in force; these are not listened to because of it.
    pub(crate) suspended: Option<Vec<ClientId>>,
    /// PAUSE or KILL of all databases.
    pub(crate) halted_all: bool,
    /// How the pooler ends, once somebody said that it should.
    pub(crate) shutdown: Option<Shutdown>,
    pub(crate) sweeps: u32,
    /// By the PID and the secret that the client was given.
    pub(crate) cancel_keys: IdMap<(i32, i32), ClientId>,
    /// Since when each client that isn't logged in is here. Ordered: the oldest first.
    pub(crate) logging_in: BTreeMap<ClientId, Instant>,
    /// The empty name, shared.
    pub(crate) nobody: Arc<str>,
    pub(crate) catalog: Catalog,
    pub(crate) sessions: Interner<Session>,
    pub(crate) params: Interner<Params>,
    /// Keys that logged in to a server, by user and the server's salt and count: deriving them
    /// takes a millisecond, in which nobody would be served.
    pub(crate) derived: HashMap<(Arc<str>, Box<[u8]>), Keys>,
    pub(crate) statements: Statements,
    pub(crate) seen: IdMap<u64, ()>,
    pub(crate) timers: Timers,
    pub(crate) dice: Dice,
    /// The next connection's number, of either kind.
    pub(crate) next_id: u64,
    pub(crate) paused_all: bool,
    /// Since when the worker drains.
    pub(crate) draining: Option<Instant>,
    pub(crate) exited: bool,
    pub(crate) sampled_at: Instant,
    pub(crate) samples: u32,
}

impl Engine {
    /// A pooler that runs `settings`. Verifiers are computed here, once: with SCRAM and plain
    /// passwords that takes about a millisecond a user.
    pub fn new(settings: PoolerSettings, seed: u64, now: Instant) -> Result<Self, SettingsFault> {
        let mut dice = Dice::new(seed);
        let directory = Directory::new(&settings, &mut dice)?;
        let pool_settings: Vec<_> = settings.pools.iter().cloned().map(Arc::new).collect();
        let mut timers = Timers::default();
        timers.set(now.after(JANITOR), Timer::Janitor);
        let mut engine = Self {
            settings,
            pool_settings,
            backends: Vec::new(),
            directory,
            clients: Clients::default(),
            servers: Servers::default(),
            pools: Vec::new(),
            pool_ids: HashMap::new(),
            databases: Databases::new(),
            users: Users::new(),
            any_short: false,
            any_idle_limit: false,
            peers: BTreeMap::new(),
            unanswered: Vec::new(),
            suspended: None,
            halted_all: false,
            shutdown: None,
            sweeps: 0,
            cancel_keys: IdMap::default(),
            logging_in: BTreeMap::new(),
            nobody: "".into(),
            catalog: Catalog::new(),
            sessions: Interner::new(),
            params: Interner::new(),
            derived: HashMap::new(),
            statements: Statements::default(),
            seen: IdMap::default(),
            timers,
            dice,
            next_id: 1,
            paused_all: false,
            draining: None,
            exited: false,
            sampled_at: now,
            samples: 0,
        };
        engine.note_limits();
        Ok(engine)
    }

    /// A client's socket was accepted. `addr` as SHOW CLIENTS shows it. The id is good even if the
    /// client is refused at once: the effects say so.
    pub fn accepted(&mut self, addr: Arc<str>, now: Instant, fx: &mut Effects) -> ClientId {
        self.accept(addr, now, fx)
    }

    /// Who is at the other end of a client that was just accepted. Without it, all that is known is
    /// what its address says.
    pub fn peer(&mut self, client: ClientId, peer: Peer) {
        if self.logging_in.contains_key(&client) {
            self.peers.insert(client, peer);
        }
    }

    /// Where a server that is being dialed is called from: `127.0.0.1:51234`. For the log.
    pub fn dialed_from(&mut self, server: ServerId, local: &str, fx: &mut Effects) {
        if self.settings.log.connections
            && let Some(pool) = self.servers.get(&server).map(|s| s.pool)
        {
            let says = format!("new connection to server (from {local})");
            self.log_server(server, pool, weir_model::Loudness::Log, says, fx);
        }
    }

    /// Bytes came. Returns how many were consumed; the rest is presented again, with more.
    pub fn received(&mut self, from: Conn, bytes: &[u8], now: Instant, fx: &mut Effects) -> usize {
        match from {
            Conn::Client(id) => {
                let Some(client) = self.clients.get(&id) else {
                    return bytes.len();
                };
                match client.phase {
                    Phase::Startup | Phase::Auth(_) => self.login_bytes(id, bytes, now, fx),
                    Phase::Lookup(_) | Phase::Welcome => 0,
                    Phase::Ready => self.client_bytes(id, bytes, now, fx),
                    Phase::Console(_) => self.console_bytes(id, bytes, now, fx),
                }
            }
            Conn::Server(id) => {
                let Some(server) = self.servers.get(&id) else {
                    return bytes.len();
                };
                match server.state {
                    State::Login => self.server_login_bytes(id, bytes, now, fx),
                    State::Idle
                    | State::Active
                    | State::Replay
                    | State::Reset
                    | State::Check
                    | State::Lookup => self.server_bytes(id, bytes, now, fx),
                }
            }
        }
    }

    /// The peer is gone: end of stream, reset, or a write failed.
    pub fn closed(&mut self, conn: Conn, now: Instant, fx: &mut Effects) {
        match conn {
            Conn::Client(id) => self.client_gone(id, now, fx),
            Conn::Server(id) => self.server_gone(id, now, fx),
        }
    }

    /// What became of a [`Effect::Dial`].
    pub fn dialed(
        &mut self,
        server: ServerId,
        result: Result<(), ConnectFailure>,
        now: Instant,
        fx: &mut Effects,
    ) {
        match result {
            Ok(()) => self.server_connected(server, fx),
            Err(failure) => self.server_login_failed(server, failure, false, now, fx),
        }
    }

    /// The kernel doesn't take what is queued for `conn` (true), or took all of it again.
    pub fn stalled(&mut self, conn: Conn, stalled: bool, now: Instant, fx: &mut Effects) {
        let _ = fx;
        if let Conn::Client(id) = conn {
            self.client_stalled(id, stalled, now);
        }
    }

    /// Control asks for something.
    pub fn order(&mut self, order: Order, now: Instant, fx: &mut Effects) {
        self.carry_out(order, now, fx);
    }

    /// Does what is due. Call when [`Engine::next_timer`] has passed.
    pub fn tick(&mut self, now: Instant, fx: &mut Effects) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Janitor => {
                    self.timers.set(now.after(JANITOR), Timer::Janitor);
                    self.sweep(now, fx);
                }
                Timer::Connect(id) => {
                    if self
                        .servers
                        .get(&id)
                        .is_some_and(|s| s.state == State::Login)
                    {
                        self.server_login_failed(id, ConnectFailure::Timeout, true, now, fx);
                    } else {
                        self.check_late(id, now, fx);
                    }
                }
                Timer::Wait(pool) => self.wait_timer(pool, now, fx),
                Timer::Retry(pool) => self.dial_more(pool, now, fx),
                Timer::Reserve(id) => {
                    if let Some(pool) = self.pools.get_mut(id.0 as usize) {
                        pool.reserve_timer = false;
                    }
                    self.dial_more(id, now, fx);
                }
                Timer::Suspend => self.suspend_late(now, fx),
                Timer::Shutdown => self.cut_short(now, fx),
            }
        }
    }

    /// When `tick` has something to do.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Everything measured since the last call.
    pub fn sample(&mut self, now: Instant) -> Sample {
        self.take_sample(now)
    }

    /// Everyone who is here; waits as of the last sample.
    pub fn snapshot(&self, request: u64) -> Snapshot {
        self.rows(request, self.sampled_at)
    }

    /// A promise of our own was broken. Said, not hidden; what it concerned is closed by the
    /// caller.
    pub(crate) fn fault(&mut self, says: impl Into<String>, fx: &mut Effects) {
        fx.events.push(Event::Fault { says: says.into() });
    }

    pub(crate) fn close(&mut self, conn: Conn, fx: &mut Effects) {
        fx.list.push(Effect::Close { conn });
    }
}
