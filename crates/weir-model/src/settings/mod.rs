//! Settings as meant: defaults filled in, bounds checked, units in the types. Only
//! `weir/src/config` knows how a file spells them.
//!
//! A name that PgBouncer has too means what it means there; where ours differs, PgBouncer's stands
//! in the comment. Zero is "no limit" or "never" unless said otherwise.

mod auth;
mod hba;
mod tls;
mod user;

pub use auth::{AuthMethod, AuthQuery};
pub use hba::{Hba, HbaFault, HbaRule, HbaTransport, IdentMaps, Peer};
pub use tls::{TlsMode, TlsSettings, TlsVersion};
pub use user::UserSettings;

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

/// Whether a server that idled for long is asked something before a client gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServerCheck {
    /// It isn't (PgBouncer: `server_check_query = ''`).
    Never,
    /// By a message of the protocol that does nothing (PgBouncer: `<empty>`).
    #[default]
    Empty,
    /// By this query.
    Query(Arc<str>),
}

/// Which of several hosts comes first (PgBouncer: `load_balance_hosts`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LoadBalance {
    /// Each new connection begins with the next one.
    #[default]
    RoundRobin,
    /// Each begins with the one that served last; the next only after a failure.
    Disable,
}

impl LoadBalance {
    /// As files and SHOW spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Disable => "disable",
        }
    }
}

impl FromStr for LoadBalance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "round-robin" => Ok(Self::RoundRobin),
            "disable" => Ok(Self::Disable),
            other => Err(format!(
                "`{other}` is no load_balance_hosts; known are round-robin, disable"
            )),
        }
    }
}

/// Where a PostgreSQL listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Host name, address, or directory of a Unix socket (begins with `/`).
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
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
    /// Further hosts of the same data, tried where an earlier one fails.
    pub further: Vec<Place>,
    /// Which of the hosts comes first.
    pub load_balance: LoadBalance,
    /// TLS towards it; not over a Unix socket.
    pub tls: Arc<TlsSettings>,
    /// Forces this user towards PostgreSQL; `None`: the client's own. Each user still has a pool of
    /// its own; [`PoolSettings::user`] puts all into one.
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
    /// Zero: after its first use.
    pub lifetime: Duration,
    /// An idle server connection above the demand floor is closed after this.
    pub idle_timeout: Duration,
    /// How many connections may be in login at once.
    pub dials_max: u32,
}

impl ServerSettings {
    fn leads_elsewhere(&self, other: &Self) -> bool {
        // What only says when and how often is no difference; whatever else may come is.
        let same_pace = Self {
            connect_timeout: other.connect_timeout,
            login_retry: other.login_retry,
            lifetime: other.lifetime,
            idle_timeout: other.idle_timeout,
            dials_max: other.dials_max,
            load_balance: other.load_balance,
            watch_user: other.watch_user.clone(),
            watch_password: other.watch_password.clone(),
            watch_database: other.watch_database.clone(),
            ..self.clone()
        };
        same_pace != *other
    }

    /// All its hosts, the first one first.
    pub fn places(&self) -> Vec<Place> {
        let first = Place {
            host: Arc::clone(&self.host),
            port: self.port,
        };
        std::iter::once(first)
            .chain(self.further.iter().cloned())
            .collect()
    }

    /// A server on `host:port` with every default.
    pub fn at(host: &str, port: u16) -> Self {
        Self {
            name: "main".into(),
            host: host.into(),
            port,
            further: Vec::new(),
            load_balance: LoadBalance::default(),
            tls: Arc::default(),
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
    /// Forced user: whoever comes, the pool logs in as this one, and all share one pool
    /// (PgBouncer: `user=` of a database).
    pub user: Option<Arc<str>>,
    /// Password of the forced user; `None`: the server's or the user list's.
    pub password: Option<Secret>,
    /// Pool mode.
    pub mode: PoolMode,
    /// Size.
    pub size: PoolSize,
    /// At least so many servers are kept open once somebody came (PgBouncer: `min_pool_size`).
    pub size_min: u32,
    /// So many beyond the size may be opened for those who wait long (`reserve_pool_size`).
    pub reserve_size: u32,
    /// Who has waited this long waits long (`reserve_pool_timeout`).
    pub reserve_timeout: Duration,
    /// Servers of all pools of the database together (`max_db_connections`).
    pub connections_max: u32,
    /// Clients of all pools of the database together (`max_db_client_connections`).
    pub clients_max: u32,
    /// Of idle servers the one unused for longest comes next, not the one used last
    /// (`server_round_robin`).
    pub round_robin: bool,
    /// What to do about state a client leaves behind (transaction mode).
    pub session_state: SessionState,
    /// A client that has waited this long gets 53300 and is told how many stood ahead of it.
    /// Zero: never.
    pub query_wait_timeout: Duration,
    /// Who has waited this long is told so by a NOTICE, once (`query_wait_notify`).
    pub query_wait_notify: Duration,
    /// While nothing can be opened because PostgreSQL is down, a client waits this long; `None`: as
    /// long as the server's `connect_timeout`. Zero: as long as ever.
    pub down_timeout: Option<Duration>,
    /// More waiters than this are refused at once. Zero: no bound but the number of clients.
    pub waiters_max: u32,
    /// The wait objective: this share of transactions…
    pub objective_ratio: f64,
    /// … waits less than this.
    pub objective_wait: Duration,
    /// A client idle inside a transaction longer than this is closed. Zero: never.
    pub idle_transaction_timeout: Duration,
    /// A client whose transaction is open longer than this is closed.
    pub transaction_timeout: Duration,
    /// A client whose query runs longer than this is closed, and so is its server.
    pub query_timeout: Duration,
    /// A client idle outside a transaction longer than this is closed.
    pub client_idle_timeout: Duration,
    /// A pool without clients and servers for this long is forgotten.
    pub pool_idle_timeout: Duration,
    /// Cleans a server of what its client left: in session mode, and elsewhere where something is
    /// known to be left. Empty: nothing does (PgBouncer: `server_reset_query`).
    pub reset_query: Arc<str>,
    /// After every transaction, in every mode (`server_reset_query_always`).
    pub reset_always: bool,
    /// A server that idled longer than this is checked before it is used. Zero: always.
    pub check_delay: Duration,
    /// How it is checked.
    pub check: ServerCheck,
    /// Run once on each new server (`connect_query`).
    pub connect_query: Option<Arc<str>>,
    /// Parameters of the startup packet towards PostgreSQL: `client_encoding`, `datestyle`,
    /// `timezone`, `application_name` of a database.
    pub startup: Vec<(Arc<str>, Arc<str>)>,
    /// Who looks up users that no list has; `None`: nobody.
    pub auth_query: Option<Arc<AuthQuery>>,
    /// Larger messages stream through and are not inspected.
    pub message_inspect_max: ByteSize,
    /// How many prepared statements a server keeps; least recently used go first.
    pub prepared_statements_max: u32,
    /// Whom a query is for: the key in its comment (sqlcommenter style) that names the user.
    pub user_tag_key: Arc<str>,
}

impl PoolSettings {
    /// Whether servers opened under these settings are of no use under `other`: they lead to
    /// another place, or as somebody else, or were begun differently.
    pub fn leads_elsewhere(&self, other: &Self) -> bool {
        self.server_database != other.server_database
            || self.user != other.user
            || self.password != other.password
            || self.startup != other.startup
            || self.connect_query != other.connect_query
            || self.server.leads_elsewhere(&other.server)
    }

    /// Any database on `server`, with every default.
    pub fn any(server: ServerSettings) -> Self {
        Self {
            database: "*".into(),
            server_database: None,
            server: Arc::new(server),
            user: None,
            password: None,
            mode: PoolMode::Transaction,
            size: PoolSize::Fixed(NonZeroU32::MIN.saturating_add(19)),
            size_min: 0,
            reserve_size: 0,
            reserve_timeout: Duration::from_secs(5),
            connections_max: 0,
            clients_max: 0,
            round_robin: false,
            session_state: SessionState::Follow,
            query_wait_timeout: Duration::from_secs(120),
            query_wait_notify: Duration::ZERO,
            down_timeout: None,
            waiters_max: 0,
            objective_ratio: 0.99,
            objective_wait: Duration::from_millis(10),
            idle_transaction_timeout: Duration::ZERO,
            transaction_timeout: Duration::ZERO,
            query_timeout: Duration::ZERO,
            client_idle_timeout: Duration::ZERO,
            pool_idle_timeout: Duration::ZERO,
            reset_query: "DISCARD ALL".into(),
            reset_always: false,
            check_delay: Duration::ZERO,
            check: ServerCheck::Never,
            connect_query: None,
            startup: Vec::new(),
            auth_query: None,
            message_inspect_max: ByteSize(64 * 1024),
            prepared_statements_max: 200,
            user_tag_key: "user_id".into(),
        }
    }
}

/// In whose words clients are told what went wrong in the pooler itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ErrorStyle {
    /// In PostgreSQL's where it would say the same, else in our own; with an SQLSTATE that fits.
    #[default]
    Weir,
    /// In PgBouncer's, with its one SQLSTATE, 08P01.
    PgBouncer,
}

/// What is logged of connections, in PgBouncer's words ([`crate::Event::Logged`]). All off by
/// default: the events cost a login something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// Logins (`log_connections`).
    pub connections: bool,
    /// Ends of connections, with reason and age (`log_disconnections`).
    pub disconnections: bool,
    /// Errors that clients are told (`log_pooler_errors`).
    pub pooler_errors: bool,
}

/// All that the data plane needs to know, at start and at each `RELOAD` or `SET`.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolerSettings {
    /// Pools by database; first match wins, `*` matches any. Values that a file gives for all are
    /// in each already; only those of a user are apart.
    pub pools: Vec<PoolSettings>,
    /// What is particular to users (PgBouncer: `[users]`).
    pub user_settings: BTreeMap<Arc<str>, UserSettings>,
    /// TLS towards clients.
    pub tls: Arc<TlsSettings>,
    /// How clients prove who they are.
    pub auth_method: AuthMethod,
    /// With [`AuthMethod::Hba`]: who comes from where.
    pub hba: Option<Arc<Hba>>,
    /// Which operating-system or certificate names may come as whom.
    pub ident: Option<Arc<IdentMaps>>,
    /// Users and their secrets: a plain password, `md5…`, or a SCRAM verifier
    /// (`SCRAM-SHA-256$…`). Empty together with `trust`: any user may come.
    pub users: BTreeMap<Arc<str>, Secret>,
    /// Iterations of verifiers made from plain passwords (PgBouncer: `scram_iterations`).
    pub scram_iterations: u32,
    /// Users that may use the admin console (databases `weir` and `pgbouncer`).
    pub admin_users: Vec<Arc<str>>,
    /// Users that may ask the console, and change nothing.
    pub stats_users: Vec<Arc<str>>,
    /// More clients than this are refused with 53300 (PgBouncer: `max_client_conn`).
    pub client_max: u32,
    /// Servers of one user, over all pools (`max_user_connections`).
    pub user_connections_max: u32,
    /// Clients of one user, over all databases (`max_user_client_connections`).
    pub user_clients_max: u32,
    /// Limit on a client's login.
    pub client_login_timeout: Duration,
    /// A cancel request that finds no way to its server in this time is dropped.
    pub cancel_wait_timeout: Duration,
    /// A database known only by `*` that nobody uses for this long is forgotten.
    pub autodb_idle_timeout: Duration,
    /// SUSPEND gives up after this and closes what is in the way.
    pub suspend_timeout: Duration,
    /// Close servers in use at once where they would have to go anyway (`server_fast_close`).
    pub server_fast_close: bool,
    /// Startup parameters that are taken and not acted upon (`ignore_startup_parameters`).
    pub ignore_startup_parameters: Vec<Arc<str>>,
    /// A startup parameter that neither is known nor ignored nor tracked is refused, as PgBouncer
    /// does; otherwise it is set on the server.
    pub startup_strict: bool,
    /// Parameters beside the usual ones that are followed from transaction to transaction
    /// (`track_extra_parameters`).
    pub track_extra_parameters: Vec<Arc<str>>,
    /// The client's host and port stand behind its `application_name`.
    pub application_name_add_host: bool,
    /// The simple query protocol is refused (`disable_pqexec`).
    pub disable_pqexec: bool,
    /// Longer messages are refused (`max_packet_size`).
    pub packet_max: u32,
    /// A NOTICE to everybody who logs in; empty: none (`login_notify_message`).
    pub login_notify_message: Arc<str>,
    /// Who looks up users for the console that no list has.
    pub console_auth_query: Option<Arc<AuthQuery>>,
    /// In whose words errors of our own are told.
    pub errors: ErrorStyle,
    /// What is logged of connections.
    pub log: LogSettings,
    /// At SIGTERM: how long open transactions may go on before they are cut.
    pub shutdown_timeout: Duration,
}

impl PoolerSettings {
    /// One pool template, trust, any user.
    pub fn trusting(pool: PoolSettings) -> Self {
        Self::of(vec![pool])
    }

    /// These pools, trust, any user, and every default.
    pub fn of(pools: Vec<PoolSettings>) -> Self {
        Self {
            pools,
            user_settings: BTreeMap::new(),
            tls: Arc::default(),
            auth_method: AuthMethod::Trust,
            hba: None,
            ident: None,
            users: BTreeMap::new(),
            scram_iterations: 4096,
            admin_users: Vec::new(),
            stats_users: Vec::new(),
            client_max: 10_000,
            user_connections_max: 0,
            user_clients_max: 0,
            client_login_timeout: Duration::from_secs(60),
            cancel_wait_timeout: Duration::from_secs(10),
            autodb_idle_timeout: Duration::from_secs(3600),
            suspend_timeout: Duration::from_secs(10),
            server_fast_close: false,
            ignore_startup_parameters: Vec::new(),
            startup_strict: false,
            track_extra_parameters: Vec::new(),
            application_name_add_host: false,
            disable_pqexec: false,
            packet_max: i32::MAX.unsigned_abs(),
            login_notify_message: "".into(),
            console_auth_query: None,
            errors: ErrorStyle::default(),
            log: LogSettings::default(),
            shutdown_timeout: Duration::from_secs(60),
        }
    }
}
