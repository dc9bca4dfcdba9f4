//! What the data plane reports besides samples. Goes through a bounded ring; what doesn't fit is
//! counted in [`crate::WorkerSample::events_lost_total`] and never waited for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, Fingerprint, PoolId, PoolKey, ServerId, UserTag};
use crate::order::{Order, OrderRefused};
use crate::sample::HoldTime;
use crate::settings::PoolMode;
use crate::time::Instant;

/// How a transaction ended, as far as its client is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The server was given back in order. `sql_error`: at least one statement was answered
    /// with an ERROR by PostgreSQL (which is an answer, not a failure of the pool).
    Completed {
        /// At least one statement failed.
        sql_error: bool,
    },
    /// The client waited `query_wait_timeout` and got 53300.
    WaitTimeout,
    /// The client left while it waited.
    GaveUp,
    /// Refused at once: too many waiters, paused, or shutting down.
    Refused,
    /// No server could be opened for it.
    NoServer,
    /// The server connection was lost in the middle.
    ServerLost,
    /// The client vanished in the middle.
    ClientLost,
}

impl Outcome {
    /// True where the user got an error or nothing, because of the path to the database.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Completed { .. } | Self::ClientLost => false,
            Self::WaitTimeout
            | Self::GaveUp
            | Self::Refused
            | Self::NoServer
            | Self::ServerLost => true,
        }
    }
}

/// One transaction, at its end, whichever way it ended. In session mode likewise per transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Which pool.
    pub pool: PoolId,
    /// Whose.
    pub client: ClientId,
    /// When it asked for a server.
    pub arrived: Instant,
    /// How long it stood in the queue; zero if a server was free.
    pub wait: Duration,
    /// Where the time of holding the server went.
    pub hold: HoldTime,
    /// Statements executed.
    pub statements: u32,
    /// The statement that executed longest.
    pub fingerprint: Fingerprint,
    /// For whom, as said in a query comment.
    pub user: UserTag,
    /// How it ended.
    pub outcome: Outcome,
}

/// Why a client keeps its server beyond its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pin {
    /// It executed LISTEN.
    Listen,
    /// It holds a session-level advisory lock.
    AdvisoryLock,
    /// It made a temporary object.
    TemporaryObject,
    /// It declared a cursor WITH HOLD.
    HoldCursor,
    /// It used SQL-level PREPARE.
    SqlPrepare,
    /// It executed a SET that can't be followed, or `session_state = pin`.
    SessionSetting,
    /// It executed LOAD, or something else that changes the backend for good.
    Backend,
}

impl Pin {
    /// The name that SHOW, metrics and diagnosis use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::AdvisoryLock => "advisory_lock",
            Self::TemporaryObject => "temporary_object",
            Self::HoldCursor => "hold_cursor",
            Self::SqlPrepare => "sql_prepare",
            Self::SessionSetting => "session_setting",
            Self::Backend => "backend",
        }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a server connection couldn't be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectFailure {
    /// The kernel said no: refused, unreachable, no such socket. With its text.
    Io(String),
    /// Nothing came within `connect_timeout`.
    Timeout,
    /// PostgreSQL answered with an error: 53300, 57P03, 28P01, 3D000…
    Refused {
        /// Five characters.
        sqlstate: String,
        /// PostgreSQL's own text.
        message: String,
    },
    /// What came isn't the protocol.
    Garbage(String),
    /// There is a server, but no TLS with it as the settings want it: a certificate that isn't
    /// believed, no version or cipher in common, or TLS refused. With which and why.
    Tls(String),
}

/// A fingerprint's text, sent once per worker when it is first seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementSeen {
    /// Its hash.
    pub fingerprint: Fingerprint,
    /// The text without literals and comments, cut at 1 KiB.
    pub text: String,
}

/// A client's state, PgBouncer's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// Not yet authenticated.
    Login,
    /// Outside a transaction, without a server.
    Idle,
    /// In the queue.
    Waiting,
    /// Linked, a statement executes.
    Active,
    /// Linked, inside a transaction, nothing asked.
    IdleInTransaction,
}

/// A server's state, PgBouncer's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// Connecting or logging in.
    Login,
    /// Free.
    Idle,
    /// Linked to a client.
    Active,
    /// Due for a check.
    Used,
    /// Runs a reset, check or replay.
    Tested,
}

/// Who a line of the log is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// A client.
    Client(ClientId),
    /// A server.
    Server(ServerId),
    /// The pooler itself.
    Pooler,
}

/// How loud a line of the log is: PgBouncer's four levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loudness {
    /// With `verbose` only.
    Debug,
    /// In the ordinary course of things.
    Log,
    /// Something is odd.
    Warning,
    /// Somebody was told no.
    Error,
}

/// A line for the log, in PgBouncer's words. Made only where [`crate::LogSettings`] asks for it or
/// where it is rare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Whom it is about.
    pub by: Speaker,
    /// How loud it is.
    pub loudness: Loudness,
    /// The database that the client asked for, or the pool's; empty before that is known.
    pub database: Arc<str>,
    /// The user that it logs in as.
    pub user: Arc<str>,
    /// Host and port of the client, or of PostgreSQL.
    pub addr: Arc<str>,
    /// What is said: `closing because: query timeout (age=3s)`.
    pub text: String,
}

/// A row of SHOW DATABASES, what settings don't tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseRow {
    /// The name that clients ask for.
    pub name: Arc<str>,
    /// Known only by `*`.
    pub auto: bool,
    /// PAUSE.
    pub paused: bool,
    /// DISABLE.
    pub disabled: bool,
    /// Servers of all its pools.
    pub servers: u32,
    /// Clients of all its pools.
    pub clients: u32,
}

/// A row of SHOW USERS, what settings don't tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRow {
    /// Its name.
    pub name: Arc<str>,
    /// Servers that log in as this user.
    pub servers: u32,
    /// Clients that came as this user.
    pub clients: u32,
}

/// What a pool counted since it was born.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolTotals {
    /// A client got a server.
    pub assignments: u64,
    /// Transactions that ended with their server given back.
    pub transactions: u64,
    /// Statements of those.
    pub queries: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes from servers.
    pub bytes_out: u64,
    /// Time that servers were held in transactions, by what for.
    pub held: HoldTime,
    /// Time that clients waited.
    pub wait: Duration,
    /// Clients that logged in.
    pub client_logins: u64,
}

/// A row of SHOW POOLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRow {
    /// Which.
    pub pool: PoolId,
    /// Its name.
    pub key: PoolKey,
    /// Its mode.
    #[serde(with = "pool_mode")]
    pub mode: PoolMode,
    /// Its size.
    pub size: u32,
    /// Clients by state.
    pub clients: crate::sample::ClientCounts,
    /// Servers by state.
    pub servers: crate::sample::ServerCounts,
    /// Age of the oldest waiter.
    pub oldest_wait: Duration,
    /// Clients whose query is being cancelled.
    pub cancels: u32,
    /// Counts since it was born.
    pub totals: PoolTotals,
    /// Paused.
    pub paused: bool,
}

/// A row of SHOW CLIENTS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRow {
    /// Which.
    pub client: ClientId,
    /// Its pool; `None` before login is over.
    pub pool: Option<PoolId>,
    /// Its pool's name.
    pub key: Option<PoolKey>,
    /// State.
    pub state: ClientState,
    /// Since when it is in that state.
    pub since: Instant,
    /// When it connected.
    pub connected: Instant,
    /// `127.0.0.1:51234`, or `unix`.
    pub addr: Arc<str>,
    /// As the client said in `application_name`.
    pub application: Arc<str>,
    /// The linked server.
    pub server: Option<ServerId>,
    /// The last statement it sent.
    pub fingerprint: Fingerprint,
    /// Why it keeps its server.
    pub pins: Vec<Pin>,
    /// Named prepared statements it holds.
    pub prepared_statements: u32,
    /// `TLSv1.3/TLS_AES_256_GCM_SHA384`; empty: none.
    pub tls: Arc<str>,
    /// The user it came as.
    pub user: Arc<str>,
    /// The database it asked for.
    pub database: Arc<str>,
}

/// A row of SHOW SERVERS, joined with the linked client: how a backend PID that blocks others
/// gets an application and a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRow {
    /// Which.
    pub server: ServerId,
    /// Its pool.
    pub pool: PoolId,
    /// Its pool's name.
    pub key: PoolKey,
    /// State.
    pub state: ServerState,
    /// Since when it is in that state.
    pub since: Instant,
    /// When it connected.
    pub connected: Instant,
    /// PostgreSQL's backend PID; zero before login is over.
    pub backend_pid: i32,
    /// The linked client.
    pub client: Option<ClientId>,
    /// The client's state.
    pub client_state: Option<ClientState>,
    /// Since when the client is in that state.
    pub client_since: Option<Instant>,
    /// The client's address.
    pub client_addr: Arc<str>,
    /// The client's application_name.
    pub application: Arc<str>,
    /// When the open transaction got this server.
    pub transaction_since: Option<Instant>,
    /// The last statement sent.
    pub fingerprint: Fingerprint,
    /// Why the client keeps it.
    pub pins: Vec<Pin>,
    /// Where it is connected to.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// It is closed at its next release.
    pub close_needed: bool,
    /// Prepared statements it has.
    pub prepared_statements: u32,
    /// `TLSv1.3/TLS_AES_256_GCM_SHA384`; empty: none.
    pub tls: Arc<str>,
}

/// Everything a worker holds, on request (SHOW CLIENTS, SHOW SERVERS).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The number given in [`Order::Snapshot`].
    pub request: u64,
    /// All clients.
    pub clients: Vec<ClientRow>,
    /// All servers.
    pub servers: Vec<ServerRow>,
    /// All pools.
    pub pools: Vec<PoolRow>,
    /// All databases.
    pub databases: Vec<DatabaseRow>,
    /// All users that have or had a connection.
    pub users: Vec<UserRow>,
    /// Every database is paused, and new ones would be.
    pub paused: bool,
    /// SUSPEND is in force.
    pub suspended: bool,
}

/// What the data plane reports besides samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// A transaction ended.
    Transaction(Transaction),
    /// A fingerprint was seen for the first time.
    StatementSeen(StatementSeen),
    /// A pool came to life.
    PoolOpened {
        /// Its id from now on.
        pool: PoolId,
        /// Its name.
        key: PoolKey,
        /// Its mode.
        #[serde(with = "pool_mode")]
        mode: PoolMode,
        /// The size it begins with.
        size: u32,
    },
    /// Once a second: all servers with their clients.
    Servers(Vec<ServerRow>),
    /// A server connection is ready for use.
    ServerReady {
        /// Which pool.
        pool: PoolId,
        /// Which server.
        server: ServerId,
        /// PostgreSQL's backend PID.
        backend_pid: i32,
        /// From dial to ready.
        took: Duration,
    },
    /// A server connection couldn't be opened.
    ServerLoginFailed {
        /// Which pool.
        pool: PoolId,
        /// Why.
        failure: ConnectFailure,
    },
    /// A server connection ended, expectedly or not.
    ServerClosed {
        /// Which pool.
        pool: PoolId,
        /// Which server.
        server: ServerId,
        /// `server_lifetime`, `server conn crashed?`, 57P01…, as logged.
        reason: String,
        /// True if PostgreSQL or the network ended it.
        lost: bool,
        /// How old it was.
        age: Duration,
    },
    /// A line for the log.
    Logged(Logged),
    /// New settings are in force.
    Configured {
        /// The number given in [`Order::Configure`].
        request: u64,
        /// What changed, a sentence each; or why nothing did.
        result: Result<Vec<String>, OrderRefused>,
    },
    /// A client keeps its server from now on.
    Pinned {
        /// Which pool.
        pool: PoolId,
        /// Which client.
        client: ClientId,
        /// Why.
        pin: Pin,
        /// The statement that did it.
        fingerprint: Fingerprint,
    },
    /// A client let go.
    Unpinned {
        /// Which pool.
        pool: PoolId,
        /// Which client.
        client: ClientId,
        /// What it no longer does.
        pin: Pin,
    },
    /// A client's login was refused: wrong password, unknown database, malformed packet.
    ClientRefused {
        /// Its address.
        addr: Arc<str>,
        /// Five characters.
        sqlstate: String,
        /// What it was told.
        message: String,
    },
    /// An admin console query; the answer goes back as [`Order::ConsoleReply`].
    Console {
        /// Who asks.
        client: ClientId,
        /// Its user.
        user: Arc<str>,
        /// What it asks: the text of a simple query.
        sql: String,
    },
    /// Everything, as asked for with [`Order::Snapshot`].
    Snapshot(Box<Snapshot>),
    /// An order was carried out, or not.
    OrderDone {
        /// The order.
        order: Box<Order>,
        /// `Err`: why not.
        result: Result<(), OrderRefused>,
    },
    /// Weir itself broke a promise; that connection was closed and the rest goes on.
    Fault {
        /// What was found.
        says: String,
    },
    /// The worker is draining and will exit.
    Draining,
}

mod pool_mode {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::settings::PoolMode;

    pub(super) fn serialize<S: Serializer>(mode: &PoolMode, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(mode)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<PoolMode, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}
