//! A `pgbouncer.ini` as meant: what the data plane is to run.
//!
//! [`Meaning::of`] is a pure function of what is written and of the files it names, which whoever
//! calls has read.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    AuthMethod, AuthQuery, ErrorStyle, Hba, IdentMaps, LoadBalance, LogSettings, Place, PoolMode,
    PoolSettings, PoolSize, PoolerSettings, Secret, ServerCheck, ServerSettings, TlsSettings,
    TlsVersion, UserSettings,
};

use super::keys;
use super::written::{Pairs, Written};
use crate::config::userlist;

/// PgBouncer's port, where none is written.
const PORT: u16 = 5432;
/// A pool has room for at least one server.
const ONE: NonZeroU32 = NonZeroU32::MIN;

/// What the files say that the main one names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    pub(crate) users: userlist::Users,
    pub(crate) hba: Option<Arc<Hba>>,
    pub(crate) ident: Option<Arc<IdentMaps>>,
}

impl Beside {
    /// Reads `auth_file`, `auth_hba_file` and `auth_ident_file`, as far as they matter. What can't be
    /// read is told and left out: as in PgBouncer it doesn't keep the rest from being served.
    pub(crate) fn read(
        written: &Written,
        read_file: super::ini::ReadFile<'_>,
    ) -> (Self, Vec<String>) {
        let mut beside = Self::default();
        let mut faults = Vec::new();
        if let Some(file) = written.text("auth_file") {
            match read_file(file) {
                Ok(text) => {
                    let (users, wrong) = userlist::read_what_can_be(&text);
                    beside.users = users;
                    for (line, says) in wrong {
                        faults.push(format!("broken auth file: {file}:{line}: {says}"));
                    }
                }
                Err(why) => faults.push(format!("could not open auth_file {file}: {why}")),
            }
        }
        if written
            .value("auth_type")
            .is_some_and(|word| word.eq_ignore_ascii_case("hba"))
        {
            if let Some(file) = written.text("auth_ident_file") {
                match read_file(file) {
                    Ok(text) => {
                        let (maps, wrong) = IdentMaps::parse(&text);
                        beside.ident = Some(Arc::new(maps));
                        faults.extend(wrong.iter().map(|fault| format!("{file}: {fault}")));
                    }
                    Err(why) => {
                        faults.push(format!("could not open ident config file {file}: {why}"))
                    }
                }
            }
            match written
                .text("auth_hba_file")
                .map(|file| (file, read_file(file)))
            {
                Some((file, Ok(text))) => {
                    let (hba, wrong) = Hba::parse(&text, |name| read_file(name));
                    beside.hba = Some(Arc::new(hba));
                    faults.extend(wrong.iter().map(|fault| format!("{file}: {fault}")));
                }
                Some((file, Err(why))) => {
                    faults.push(format!("could not open hba config file {file}: {why}"));
                }
                None => faults.push("auth_type is hba, but there is no auth_hba_file".to_owned()),
            }
        }
        (beside, faults)
    }
}

/// What the process needs beside the data plane's settings. All but `verbose`, `logfile` and the
/// statistics count at start only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outside {
    /// `host:port`, and directories with a port.
    pub(crate) listen: Vec<String>,
    pub(crate) port: u16,
    pub(crate) socket_mode: u32,
    pub(crate) socket_group: Option<String>,
    pub(crate) logfile: Option<PathBuf>,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) user: Option<String>,
    pub(crate) verbose: u8,
    pub(crate) log_stats: bool,
    pub(crate) stats_period: Duration,
    pub(crate) mode: PoolMode,
}

/// All of it.
#[derive(Clone, Debug)]
pub(crate) struct Meaning {
    pub(crate) pooler: PoolerSettings,
    pub(crate) outside: Outside,
}

impl Meaning {
    /// What `written` means. Each of its values can be read: [`Written`] saw to that.
    pub(crate) fn of(written: &Written, beside: &Beside) -> Self {
        let reader = Reader { written };
        Self {
            pooler: reader.pooler(beside),
            outside: reader.outside(),
        }
    }
}

struct Reader<'a> {
    written: &'a Written,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.written.text(key)
    }

    fn number(&self, key: &str) -> i64 {
        self.written.value(key).and_then(keys::number).unwrap_or(0)
    }

    fn count(&self, key: &str) -> u32 {
        let n = self.number(key).max(0);
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    fn is(&self, key: &str) -> bool {
        self.number(key) != 0
    }

    fn seconds(&self, key: &str) -> Duration {
        let text = self.written.value(key).unwrap_or("0");
        keys::seconds(text).unwrap_or_default()
    }

    fn list(&self, key: &str) -> Vec<Arc<str>> {
        self.text(key)
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .map(Into::into)
            .collect()
    }

    fn mode(&self) -> PoolMode {
        mode_of(self.written.value("pool_mode")).unwrap_or(PoolMode::Session)
    }

    fn auth_method(&self) -> AuthMethod {
        match self.written.value("auth_type").unwrap_or_default() {
            // Nobody is let in by a method that isn't there. `weir import` says so too.
            "ldap" | "pam" => AuthMethod::Reject,
            word => word
                .to_ascii_lowercase()
                .parse()
                .unwrap_or(AuthMethod::Reject),
        }
    }

    /// TLS towards `client`s or `server`s.
    fn tls(&self, side: &str) -> TlsSettings {
        let text = |key: &str| self.text(&format!("{side}_{key}"));
        let mode = self.written.value(&format!("{side}_tls_sslmode"));
        let mode = mode.and_then(|word| word.to_ascii_lowercase().parse().ok());
        let (version_min, version_max) = tls_versions(text("tls_protocols").unwrap_or("secure"));
        TlsSettings {
            ca: text("tls_ca_file").map(PathBuf::from),
            cert: text("tls_cert_file").map(PathBuf::from),
            key: text("tls_key_file").map(PathBuf::from),
            version_min,
            version_max,
            ciphers: text("tls_ciphers").unwrap_or_default().to_owned(),
            ciphers_13: text("tls13_ciphers").unwrap_or_default().to_owned(),
            ..TlsSettings::of(mode.unwrap_or_default())
        }
    }

    fn outside(&self) -> Outside {
        let port = u16::try_from(self.number("listen_port")).unwrap_or(6432);
        let mut listen: Vec<String> = Vec::new();
        for addr in self.list("listen_addr") {
            match &*addr {
                "*" => listen.extend([format!("0.0.0.0:{port}"), format!("[::]:{port}")]),
                addr if addr.contains(':') => listen.push(format!("[{addr}]:{port}")),
                addr => listen.push(format!("{addr}:{port}")),
            }
        }
        if let Some(dir) = self.text("unix_socket_dir") {
            // As PostgreSQL's clients look for it: a directory is told from a host by its slash.
            let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.into());
            listen.push(format!("{}:{port}", dir.display()));
        }
        Outside {
            listen,
            port,
            socket_mode: self.count("unix_socket_mode"),
            socket_group: self.text("unix_socket_group").map(str::to_owned),
            logfile: self.text("logfile").map(PathBuf::from),
            pidfile: self.text("pidfile").map(PathBuf::from),
            user: self.text("user").map(str::to_owned),
            verbose: u8::try_from(self.number("verbose").clamp(0, 3)).unwrap_or(0),
            log_stats: self.is("log_stats"),
            stats_period: Duration::from_secs(u64::from(self.count("stats_period").max(1))),
            mode: self.mode(),
        }
    }

    fn pooler(&self, beside: &Beside) -> PoolerSettings {
        let mut pools: Vec<PoolSettings> = self
            .written
            .databases
            .iter()
            .map(|(name, pairs)| self.database(name, pairs))
            .collect();
        if let Some(pairs) = &self.written.any_database {
            pools.push(self.database("*", pairs));
        }
        let mut settings = PoolerSettings::of(pools);
        settings.user_settings = self
            .written
            .users
            .iter()
            .map(|(name, pairs)| (name.as_str().into(), user(pairs)))
            .collect();
        settings.tls = Arc::new(self.tls("client"));
        settings.auth_method = self.auth_method();
        settings.hba = beside.hba.clone();
        settings.ident = beside.ident.clone();
        settings.users = beside.users.clone();
        settings.scram_iterations = self.count("scram_iterations").max(1);
        settings.admin_users = self.list("admin_users");
        settings.stats_users = self.list("stats_users");
        settings.client_max = self.count("max_client_conn");
        settings.user_connections_max = self.count("max_user_connections");
        settings.user_clients_max = self.count("max_user_client_connections");
        settings.client_login_timeout = self.seconds("client_login_timeout");
        settings.cancel_wait_timeout = self.seconds("cancel_wait_timeout");
        settings.autodb_idle_timeout = self.seconds("autodb_idle_timeout");
        settings.suspend_timeout = self.seconds("suspend_timeout");
        settings.server_fast_close = self.is("server_fast_close");
        settings.ignore_startup_parameters = self.list("ignore_startup_parameters");
        settings.startup_strict = true;
        settings.track_extra_parameters = self.list("track_extra_parameters");
        settings.application_name_add_host = self.is("application_name_add_host");
        settings.disable_pqexec = self.is("disable_pqexec");
        settings.packet_max = self.count("max_packet_size");
        settings.login_notify_message = self.text("login_notify_message").unwrap_or("").into();
        settings.console_clients_max = self.count("max_db_client_connections");
        settings.console_auth_query = self.auth_query(&Pairs::default());
        settings.errors = ErrorStyle::PgBouncer;
        settings.log = LogSettings {
            connections: self.is("log_connections"),
            disconnections: self.is("log_disconnections"),
            pooler_errors: self.is("log_pooler_errors"),
        };
        settings
    }

    fn database(&self, name: &str, pairs: &Pairs) -> PoolSettings {
        let server = self.server(pairs);
        let mut pool = PoolSettings::any(server);
        pool.database = name.into();
        pool.server_database = match (pairs.get("dbname"), name) {
            (Some(dbname), _) => Some(dbname.into()),
            (None, "*") => None,
            (None, name) => Some(name.into()),
        };
        pool.user = pairs.get("user").map(Into::into);
        // A password without a user is nobody's.
        pool.password = pool
            .user
            .as_ref()
            .and_then(|_| pairs.get("password"))
            .map(|text| Secret(text.into()));
        pool.mode = mode_of(pairs.get("pool_mode")).unwrap_or_else(|| self.mode());
        let size = pairs
            .count("pool_size")
            .unwrap_or_else(|| self.count("default_pool_size"));
        pool.size = PoolSize::Fixed(NonZeroU32::new(size).unwrap_or(ONE));
        let or = |key: &str, all: &str| pairs.count(key).unwrap_or_else(|| self.count(all));
        pool.size_min = or("min_pool_size", "min_pool_size");
        pool.reserve_size = or("reserve_pool_size", "reserve_pool_size");
        pool.reserve_timeout = self.seconds("reserve_pool_timeout");
        pool.connections_max = or("max_db_connections", "max_db_connections");
        pool.clients_max = or("max_db_client_connections", "max_db_client_connections");
        pool.round_robin = self.is("server_round_robin");
        pool.query_wait_timeout = match pairs.get("query_wait_timeout") {
            Some(text) => whole_seconds(text),
            None => self.seconds("query_wait_timeout"),
        };
        // Who waits for a database that is down waits as long as for one that is busy.
        pool.down_timeout = Some(Duration::ZERO);
        pool.query_wait_notify = self.seconds("query_wait_notify");
        pool.idle_transaction_timeout = self.seconds("idle_transaction_timeout");
        pool.transaction_timeout = self.seconds("transaction_timeout");
        pool.query_timeout = self.seconds("query_timeout");
        pool.client_idle_timeout = self.seconds("client_idle_timeout");
        pool.pool_idle_timeout = self.seconds("pool_idle_timeout");
        pool.reset_query = self.text("server_reset_query").unwrap_or("").into();
        pool.reset_always = self.is("server_reset_query_always");
        pool.check_delay = self.seconds("server_check_delay");
        pool.check = match self.text("server_check_query") {
            None => ServerCheck::Never,
            Some("<empty>") => ServerCheck::Empty,
            Some(sql) => ServerCheck::Query(sql.into()),
        };
        pool.connect_query = pairs.get("connect_query").map(Into::into);
        pool.startup = [
            "client_encoding",
            "datestyle",
            "timezone",
            "application_name",
        ]
        .iter()
        .filter_map(|key| Some(((*key).into(), pairs.get(key)?.into())))
        .collect();
        pool.auth_query = self.auth_query(pairs);
        pool.prepared_statements_max = self.count("max_prepared_statements");
        pool
    }

    fn server(&self, pairs: &Pairs) -> ServerSettings {
        let port = pairs
            .count("port")
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(PORT);
        let socket = self.text("unix_socket_dir").unwrap_or("/tmp").to_owned();
        let mut hosts = pairs.get("host").map_or_else(
            || vec![socket],
            |hosts| hosts.split(',').map(|h| h.trim().to_owned()).collect(),
        );
        let first = hosts.remove(0);
        let mut server = ServerSettings::at(&first, port);
        // Databases on one machine share its connections: one name, one budget.
        server.name = format!("{first}:{port}").into();
        server.further = hosts
            .into_iter()
            .map(|host| Place {
                host: host.into(),
                port,
            })
            .collect();
        server.load_balance = match pairs.get("load_balance_hosts") {
            Some(word) if word.eq_ignore_ascii_case("disable") => LoadBalance::Disable,
            _ => LoadBalance::RoundRobin,
        };
        server.tls = Arc::new(self.tls("server"));
        server.connect_timeout = self.seconds("server_connect_timeout");
        server.login_retry = self.seconds("server_login_retry");
        // PgBouncer takes zero for "as for all" in a database's line.
        server.lifetime = match pairs.get("server_lifetime").map(whole_seconds) {
            Some(own) if !own.is_zero() => own,
            _ => self.seconds("server_lifetime"),
        };
        server.idle_timeout = self.seconds("server_idle_timeout");
        server
    }

    fn auth_query(&self, pairs: &Pairs) -> Option<Arc<AuthQuery>> {
        let user = pairs.get("auth_user").or_else(|| self.text("auth_user"))?;
        let sql = pairs
            .get("auth_query")
            .or_else(|| self.text("auth_query"))
            .unwrap_or(AuthQuery::DEFAULT_SQL);
        let database = pairs
            .get("auth_dbname")
            .or_else(|| self.text("auth_dbname"));
        Some(Arc::new(AuthQuery {
            user: user.into(),
            sql: sql.into(),
            database: database.map(Into::into),
        }))
    }
}

fn mode_of(text: Option<&str>) -> Option<PoolMode> {
    text?.to_ascii_lowercase().parse().ok()
}

/// Connection strings have whole seconds, read as far as they go.
fn whole_seconds(text: &str) -> Duration {
    Duration::from_secs(keys::atoi(text).max(0).unsigned_abs())
}

fn user(pairs: &Pairs) -> UserSettings {
    // Zero is "none of its own" for times, as in PgBouncer.
    let time = |key: &str| {
        let time = whole_seconds(pairs.get(key)?);
        (!time.is_zero()).then_some(time)
    };
    UserSettings {
        mode: mode_of(pairs.get("pool_mode")),
        size: pairs.count("pool_size").and_then(NonZeroU32::new),
        reserve_size: pairs.count("reserve_pool_size"),
        connections_max: pairs.count("max_user_connections"),
        clients_max: pairs.count("max_user_client_connections"),
        query_timeout: time("query_timeout"),
        query_wait_timeout: time("query_wait_timeout"),
        idle_transaction_timeout: time("idle_transaction_timeout"),
        transaction_timeout: time("transaction_timeout"),
        client_idle_timeout: time("client_idle_timeout"),
    }
}

/// How many descriptors this may need at most, as PgBouncer reckons it.
pub(crate) fn descriptors(pooler: &PoolerSettings) -> u64 {
    let users = pooler.users.len() as u64;
    let servers: u64 = pooler
        .pools
        .iter()
        .map(|pool| {
            let size = u64::from(pool.size.initial());
            if pool.user.is_some() {
                size
            } else {
                size * users
            }
        })
        .sum();
    u64::from(pooler.client_max) + 10 + servers
}

/// Servers by name, each once.
pub(crate) fn servers(pooler: &PoolerSettings) -> Vec<Arc<ServerSettings>> {
    let mut servers: BTreeMap<Arc<str>, Arc<ServerSettings>> = BTreeMap::new();
    for pool in &pooler.pools {
        let name = Arc::clone(&pool.server.name);
        servers
            .entry(name)
            .or_insert_with(|| Arc::clone(&pool.server));
    }
    servers.into_values().collect()
}

/// The oldest and the newest of a list of versions; words like `secure` and `legacy` mean all that
/// there are here, which is 1.2 and 1.3.
fn tls_versions(words: &str) -> (TlsVersion, TlsVersion) {
    let named = |version: TlsVersion| {
        words
            .split([',', ':', ' '])
            .any(|word| word.parse() == Ok(version))
    };
    match (named(TlsVersion::V12), named(TlsVersion::V13)) {
        (true, false) => (TlsVersion::V12, TlsVersion::V12),
        (false, true) => (TlsVersion::V13, TlsVersion::V13),
        (true, true) | (false, false) => (TlsVersion::V12, TlsVersion::V13),
    }
}

#[cfg(test)]
mod tests {
    use weir_model::TlsMode;

    use super::super::ini;
    use super::*;

    fn meant(text: &str) -> Meaning {
        let lines = ini::read("a.ini", &|_| Ok(text.to_owned())).unwrap();
        let written = Written::read(&lines).unwrap();
        Meaning::of(&written, &Beside::default())
    }

    #[test]
    fn a_database_takes_what_it_says_and_the_rest_as_for_all() {
        let meant = meant(
            "[databases]\na = host=h1,h2 port=7 dbname=b user=u password=p pool_size=3 \
             reserve_pool=2 server_lifetime=9 pool_mode=transaction auth_user=q timezone=UTC\n\
             b =\n* = host=x password=p server_lifetime=0\n\
             [pgbouncer]\ndefault_pool_size=5\nserver_lifetime=120\nmax_db_connections=6\n\
             server_check_query=\nlisten_addr=*,::1\nunix_socket_dir=\n",
        );
        let [a, b, any] = &meant.pooler.pools[..] else {
            panic!("{}", meant.pooler.pools.len());
        };
        assert_eq!((&*a.server.host, a.server.port), ("h1", 7));
        assert_eq!(&*a.server.further[0].host, "h2");
        assert_eq!(a.server_database.as_deref(), Some("b"));
        assert_eq!(a.user.as_deref(), Some("u"));
        assert_eq!((a.size.initial(), a.reserve_size), (3, 2));
        assert_eq!(a.server.lifetime, Duration::from_secs(9));
        assert_eq!(a.mode, PoolMode::Transaction);
        assert_eq!(&*a.auth_query.as_ref().unwrap().user, "q");
        assert_eq!((&*a.startup[0].0, &*a.startup[0].1), ("timezone", "UTC"));
        assert_eq!(b.mode, PoolMode::Session);
        assert_eq!(b.size.initial(), 5);
        assert_eq!(b.connections_max, 6);
        assert_eq!(b.server_database.as_deref(), Some("b"));
        assert_eq!(b.check, ServerCheck::Never);
        assert_eq!(&*any.database, "*");
        assert_eq!(any.server_database, None);
        assert_eq!(any.password, None, "a password without a user is nobody's");
        assert_eq!(any.server.lifetime, Duration::from_secs(120));
        assert_eq!(
            meant.outside.listen,
            ["0.0.0.0:6432", "[::]:6432", "[::1]:6432"]
        );
    }

    #[test]
    fn tls_is_read_for_both_sides() {
        let meant = meant(
            "[databases]\na = host=h\n[pgbouncer]\nclient_tls_sslmode = require\n\
             client_tls_cert_file = c.pem\nclient_tls_key_file = c.key\n\
             client_tls_protocols = tlsv1.3\nserver_tls_ca_file = ca.pem\n",
        );
        let clients = &meant.pooler.tls;
        assert_eq!(clients.mode, TlsMode::Require);
        assert_eq!(clients.cert, Some(PathBuf::from("c.pem")));
        assert_eq!(clients.version_min, TlsVersion::V13);
        let server = &meant.pooler.pools[0].server.tls;
        assert_eq!(server.mode, TlsMode::Prefer, "PgBouncer's default");
        assert_eq!(server.ca, Some(PathBuf::from("ca.pem")));
        assert_eq!(tls_versions("tlsv1.2"), (TlsVersion::V12, TlsVersion::V12));
        assert_eq!(tls_versions("legacy"), tls_versions("secure"));
    }

    #[test]
    fn users_have_limits_of_their_own() {
        let meant =
            meant("[pgbouncer]\n[users]\nu = pool_size=1 query_timeout=0 max_user_connections=0");
        let user = &meant.pooler.user_settings["u"];
        assert_eq!(user.size.unwrap().get(), 1);
        assert_eq!(user.query_timeout, None);
        assert_eq!(user.connections_max, Some(0));
    }

    #[test]
    fn an_authentication_that_is_not_there_lets_nobody_in() {
        let meant = meant("[pgbouncer]\nauth_type = pam\n");
        assert_eq!(meant.pooler.auth_method, AuthMethod::Reject);
    }
}
