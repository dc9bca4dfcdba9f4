//! Settings as meant: defaults filled in, bounds checked, units in the types. Only
//! `weir/src/config` knows how a file spells them.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::units::ByteSize;

/// How long a client keeps its server. PgBouncer's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PoolMode {
    /// From login to disconnect.
    Session,
    /// For one transaction.
    #[default]
    Transaction,
    /// For one statement; transaction blocks are refused.
    Statement,
}

impl fmt::Display for PoolMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Statement => "statement",
        })
    }
}

impl FromStr for PoolMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "session" => Ok(Self::Session),
            "transaction" => Ok(Self::Transaction),
            "statement" => Ok(Self::Statement),
            other => Err(format!(
                "`{other}` is no pool mode; known are session, transaction, statement"
            )),
        }
    }
}

/// What happens in transaction mode to state that a client leaves on its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// `SET` is remembered for the client and replayed on its next server; what can't be
    /// followed (LISTEN, session advisory locks, temporary tables, WITH HOLD cursors) pins.
    #[default]
    Follow,
    /// Any session state pins the client to its server.
    Pin,
    /// Nothing is followed and nothing pins: PgBouncer's behaviour.
    Ignore,
}

impl FromStr for SessionState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "follow" => Ok(Self::Follow),
            "pin" => Ok(Self::Pin),
            "ignore" => Ok(Self::Ignore),
            other => Err(format!(
                "`{other}` is no session_state; known are follow, pin, ignore"
            )),
        }
    }
}

/// How many server connections a pool may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolSize {
    /// The regulator leaves this pool alone.
    Fixed(NonZeroU32),
    /// The regulator moves the size within these bounds, beginning at `initial`.
    Regulated {
        /// Never fewer.
        min: NonZeroU32,
        /// Never more; `None`: what the server's budget allows.
        max: Option<NonZeroU32>,
        /// Where it begins.
        initial: NonZeroU32,
    },
}

impl PoolSize {
    /// The size a pool is born with.
    pub fn initial(self) -> u32 {
        match self {
            Self::Fixed(n) => n.get(),
            Self::Regulated { initial, .. } => initial.get(),
        }
    }

    /// The smallest size the regulator may choose.
    pub fn min(self) -> u32 {
        match self {
            Self::Fixed(n) => n.get(),
            Self::Regulated { min, .. } => min.get(),
        }
    }

    /// The largest size the configuration allows; `None` where only the server's budget bounds it.
    pub fn max(self) -> Option<u32> {
        match self {
            Self::Fixed(n) => Some(n.get()),
            Self::Regulated { max, .. } => max.map(NonZeroU32::get),
        }
    }
}

/// A password or key. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Arc<str>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AuthMethod {
    /// Any user that is known (or any at all if the user list is empty) without a password.
    Trust,
    /// MD5 challenge. A SCRAM verifier in the user list answers with SCRAM instead, as in
    /// PgBouncer.
    Md5,
    /// SCRAM-SHA-256.
    #[default]
    ScramSha256,
}

impl FromStr for AuthMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "trust" => Ok(Self::Trust),
            "md5" => Ok(Self::Md5),
            "scram-sha-256" => Ok(Self::ScramSha256),
            other => Err(format!(
                "`{other}` is no auth method; known are trust, md5, scram-sha-256"
            )),
        }
    }
}

/// One PostgreSQL server: its connections are one budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Name of the section: `main`.
    pub name: Arc<str>,
    /// Host name, address, or directory of a Unix socket (begins with `/`).
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// Forces this user towards PostgreSQL; `None`: the client's own.
    pub user: Option<Arc<str>>,
    /// Password towards PostgreSQL; `None`: the user list's, or SCRAM pass-through keys.
    pub password: Option<Secret>,
    /// Whom Weir's sampling connection logs in as; `None`: `user`, else no server-side sampling.
    pub watch_user: Option<Arc<str>>,
    /// Password of `watch_user`.
    pub watch_password: Option<Secret>,
    /// Database that the sampling connection uses; `None`: `postgres`.
    pub watch_database: Option<Arc<str>>,
    /// Limit on connect and login.
    pub connect_timeout: Duration,
    /// Back-off after a failed login.
    pub login_retry: Duration,
    /// A server connection older than this is closed when next idle; jittered by up to 10 %.
    pub lifetime: Duration,
    /// An idle server connection above the demand floor is closed after this.
    pub idle_timeout: Duration,
    /// How many connections may be in login at once.
    pub dials_max: u32,
}

impl ServerSettings {
    /// A server on `host:port` with every default.
    pub fn at(host: &str, port: u16) -> Self {
        Self {
            name: "main".into(),
            host: host.into(),
            port,
            user: None,
            password: None,
            watch_user: None,
            watch_password: None,
            watch_database: None,
            connect_timeout: Duration::from_secs(15),
            login_retry: Duration::from_secs(1),
            lifetime: Duration::from_secs(3600),
            idle_timeout: Duration::from_secs(600),
            dials_max: 4,
        }
    }
}

/// One pool, or the template of all pools of a database (a pool is born when a user first asks).
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSettings {
    /// The database name clients ask for; `*` stands for any.
    pub database: Arc<str>,
    /// The name of the database on the server; `None`: as the client said.
    pub server_database: Option<Arc<str>>,
    /// Which server.
    pub server: Arc<ServerSettings>,
    /// Pool mode.
    pub mode: PoolMode,
    /// Size.
    pub size: PoolSize,
    /// What to do about state a client leaves behind (transaction mode).
    pub session_state: SessionState,
    /// A client that has waited this long gets 53300 and is told how many stood ahead of it.
    /// Zero: never.
    pub query_wait_timeout: Duration,
    /// More waiters than this are refused at once. Zero: no bound but the number of clients.
    pub waiters_max: u32,
    /// The wait objective: this share of transactions…
    pub objective_ratio: f64,
    /// … waits less than this.
    pub objective_wait: Duration,
    /// A client idle inside a transaction longer than this is closed. Zero: never.
    pub idle_transaction_timeout: Duration,
    /// Larger messages stream through and are not inspected.
    pub message_inspect_max: ByteSize,
    /// How many prepared statements a server keeps; least recently used go first.
    pub prepared_statements_max: u32,
    /// Whom a query is for: the key in its comment (sqlcommenter style) that names the user.
    pub user_tag_key: Arc<str>,
}

impl PoolSettings {
    /// Any database on `server`, with every default.
    pub fn any(server: ServerSettings) -> Self {
        Self {
            database: "*".into(),
            server_database: None,
            server: Arc::new(server),
            mode: PoolMode::Transaction,
            size: PoolSize::Fixed(NonZeroU32::MIN.saturating_add(19)),
            session_state: SessionState::Follow,
            query_wait_timeout: Duration::from_secs(120),
            waiters_max: 0,
            objective_ratio: 0.99,
            objective_wait: Duration::from_millis(10),
            idle_transaction_timeout: Duration::ZERO,
            message_inspect_max: ByteSize(64 * 1024),
            prepared_statements_max: 200,
            user_tag_key: "user_id".into(),
        }
    }
}

/// All that the data plane needs to know at start.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolerSettings {
    /// Pools by database; first match wins, `*` matches any.
    pub pools: Vec<PoolSettings>,
    /// How clients prove who they are.
    pub auth_method: AuthMethod,
    /// Users and their secrets: a plain password, `md5…`, or a SCRAM verifier
    /// (`SCRAM-SHA-256$…`). Empty together with `trust`: any user may come.
    pub users: BTreeMap<Arc<str>, Secret>,
    /// Users that may use the admin console (databases `weir` and `pgbouncer`).
    pub admin_users: Vec<Arc<str>>,
    /// More clients than this are refused with 53300.
    pub client_max: u32,
    /// Limit on a client's login.
    pub client_login_timeout: Duration,
    /// At SIGTERM: how long open transactions may go on before they are cut.
    pub shutdown_timeout: Duration,
}

impl PoolerSettings {
    /// One pool template, trust, any user.
    pub fn trusting(pool: PoolSettings) -> Self {
        Self {
            pools: vec![pool],
            auth_method: AuthMethod::Trust,
            users: BTreeMap::new(),
            admin_users: Vec::new(),
            client_max: 10_000,
            client_login_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(60),
        }
    }
}
