//! `weir.toml`, flags and environment → settings. The only place that knows the file's format.
//!
//! As written → as meant: a document is read whole, every fault is collected with its place, and
//! only a document without any becomes a [`Config`].

mod fault;
pub(crate) mod keeper;
pub(crate) mod origin;
mod paging;
mod reader;
mod table;
pub(crate) mod tls;
pub(crate) mod userlist;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use weir_api::deliveries::Target;
use weir_api::ingest::Ingest;
use weir_control::incident::entry::Kind;
use weir_control::notify::policy::Paging;
use weir_control::regulate::RegulatorMode;
use weir_model::{AuthMethod, PoolSettings, PoolSize, PoolerSettings, Secret, ServerSettings};

pub(crate) use fault::Faults;
use reader::{Reader, Section, kind};

/// What a pool with `size = "auto"` begins with, until the database has taught better.
/// A relapse this soon after the end is the same incident.
const WATCH_WINDOW: Duration = Duration::from_secs(15 * 60);
const SIZE_INITIAL: u32 = 8;

/// Everything `weir run` needs.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: Vec<String>,
    /// `None`: off.
    pub(crate) api: Option<String>,
    pub(crate) api_token: Option<String>,
    /// Reading over HTTP needs no token.
    pub(crate) api_read_open: bool,
    /// `None`: memory only.
    pub(crate) store: Option<PathBuf>,
    pub(crate) io: String,
    pub(crate) log_json: bool,
    pub(crate) external_url: Option<String>,
    pub(crate) pooler: PoolerSettings,
    pub(crate) servers: Vec<Arc<ServerSettings>>,
    /// Cap on connections per server section, where the operator set one.
    pub(crate) budgets: BTreeMap<Arc<str>, u32>,
    pub(crate) regulator: RegulatorMode,
    pub(crate) resolve_after: Duration,
    pub(crate) watch_window: Duration,
    pub(crate) incident_kind: Kind,
    pub(crate) cluster: String,
    pub(crate) instance: Option<String>,
    pub(crate) notify: Vec<Target>,
    pub(crate) paging: Paging,
    pub(crate) ingest: Ingest,
}

impl Config {
    /// A configuration without a file: one server, any database, trust.
    pub(crate) fn for_upstream(server: ServerSettings) -> Self {
        let mut pool = PoolSettings::any(server);
        pool.size = auto_size();
        let servers = vec![Arc::clone(&pool.server)];
        Self {
            listen: vec!["127.0.0.1:6432".to_owned()],
            api: Some("127.0.0.1:6433".to_owned()),
            api_token: None,
            api_read_open: false,
            store: Some("weir.db".into()),
            io: "auto".to_owned(),
            log_json: false,
            external_url: None,
            pooler: PoolerSettings::trusting(pool),
            servers,
            budgets: BTreeMap::new(),
            regulator: RegulatorMode::Recommend,
            resolve_after: Duration::from_secs(60),
            watch_window: WATCH_WINDOW,
            incident_kind: Kind::Real,
            cluster: "main".to_owned(),
            instance: None,
            notify: Vec::new(),
            paging: Paging::default(),
            ingest: Ingest::default(),
        }
    }
}

fn auto_size() -> PoolSize {
    PoolSize::Regulated {
        min: NonZeroU32::MIN.saturating_add(1),
        max: None,
        initial: NonZeroU32::MIN.saturating_add(SIZE_INITIAL - 1),
    }
}

/// Reads `text`, the content of `file`. `environment` holds the overrides and `env:` secrets.
///
/// # Errors
/// All faults of the file at once.
pub(crate) fn read(
    file: &Path,
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Config, Faults> {
    let name = file.display().to_string();
    let reader = Reader::new(environment);
    if looks_like_ini(text) {
        reader.fault(
            None,
            "this looks like a pgbouncer.ini (`[databases]`, `[pgbouncer]`), and this command takes \
             a weir.toml: `weir import FILE` writes one from it. `weir pgbouncer`, `weir run` and \
             `weir config check` take it as it is",
        );
        return Err(Faults::new(&name, text, reader.into_faults()));
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reader.fault(error.span(), error.message().to_owned());
    }
    let config = document_of(&reader, file, document.get_ref());
    let faults = reader.into_faults();
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        _ => Err(Faults::new(&name, text, faults)),
    }
}

/// The reference of all settings, as Markdown.
pub(crate) fn schema() -> String {
    let mut out = String::from(
        "| section | key | default | PgBouncer's name | what it does |\n|---|---|---|---|---|\n",
    );
    for s in table::SETTINGS {
        let section = if s.section.is_empty() {
            "(top)"
        } else {
            s.section
        };
        out.push_str(&format!(
            "| `{section}` | `{}` | {} | {} | {} |\n",
            s.name,
            if s.default.is_empty() {
                "–".to_owned()
            } else {
                format!("`{}`", s.default)
            },
            s.pgbouncer.map_or("–".to_owned(), |p| format!("`{p}`")),
            s.says
        ));
    }
    out
}

/// True if `text` is a `pgbouncer.ini` and no `weir.toml`.
pub(crate) fn looks_like_ini(text: &str) -> bool {
    text.lines()
        .any(|l| matches!(l.trim(), "[databases]" | "[pgbouncer]"))
}

fn sections<'t>(
    reader: &Reader<'_>,
    document: &'t DeTable<'t>,
    key: &str,
) -> Vec<(String, &'t DeTable<'t>)> {
    let Some(value) = document.get(key) else {
        return Vec::new();
    };
    let DeValue::Table(table) = value.get_ref() else {
        reader.fault(
            Some(value.span()),
            format!("`{key}` is a section with a name: write `[{key}.main]`"),
        );
        return Vec::new();
    };
    let mut found = Vec::new();
    for (name, value) in table {
        match value.get_ref() {
            DeValue::Table(table) => found.push((name.get_ref().to_string(), table)),
            other => reader.fault(
                Some(name.span()),
                format!(
                    "`[{key}]` holds named sections, not {}: write `[{key}.main]` and put `{}` there",
                    kind(other),
                    name.get_ref()
                ),
            ),
        }
    }
    found
}

fn single<'t>(
    reader: &Reader<'_>,
    document: &'t DeTable<'t>,
    key: &str,
) -> Option<&'t DeTable<'t>> {
    let value = document.get(key)?;
    match value.get_ref() {
        DeValue::Table(table) => Some(table),
        other => {
            reader.fault(
                Some(value.span()),
                format!("`[{key}]` is a section, not {}", kind(other)),
            );
            None
        }
    }
}

fn document_of<'t>(reader: &Reader<'_>, file: &Path, document: &'t DeTable<'t>) -> Option<Config> {
    let top = reader.section(
        "",
        "",
        Some(document),
        &[
            "auth",
            "tls",
            "server",
            "pool",
            "regulator",
            "incident",
            "alerts",
            "notify",
            "contact",
            "escalation",
            "maintenance",
        ],
    );
    let (tls, written) = tls::of_clients(reader, single(reader, document, "tls"), file);
    let tls = Arc::new(tls);
    let mut tls_written = vec![written];
    let mut servers = Vec::new();
    let mut budgets = BTreeMap::new();
    for (name, table) in sections(reader, document, "server") {
        let section = reader.section("server.*", &format!("server.{name}"), Some(table), &[]);
        let mut server = server_of(reader, &section, &name);
        if let Some((tls, written)) = tls::of_server(reader, &section, &name, file) {
            server.tls = Arc::new(tls);
            tls_written.push(written);
        }
        if let Some(cap) = budget_of(&section) {
            budgets.insert(Arc::clone(&server.name), cap);
        }
        servers.push(Arc::new(server));
    }
    if servers.is_empty() {
        servers.push(Arc::new(ServerSettings::at("127.0.0.1", 5432)));
    }
    let mut pools = Vec::new();
    for (name, table) in sections(reader, document, "pool") {
        let section = reader.section("pool.*", &format!("pool.{name}"), Some(table), &[]);
        if let Some(pool) = pool_of(reader, &section, &name, &servers) {
            pools.push(pool);
        }
    }
    // `*` matches any, so it must be asked last whatever the alphabet says.
    pools.sort_by_key(|p: &PoolSettings| &*p.database == "*");
    if pools.is_empty() {
        let mut any = PoolSettings::any((*servers[0]).clone());
        any.size = auto_size();
        pools.push(any);
    }

    let auth = reader.section("auth", "auth", single(reader, document, "auth"), &[]);
    let named: Option<AuthMethod> = auth.parsed("method");
    // A method that couldn't be read has its fault already.
    let method_known = named.is_some() || !auth.has("method");
    let auth_method = named.unwrap_or_default();
    let users = users_of(&auth, file);
    if users.as_ref().is_some_and(BTreeMap::is_empty)
        && auth_method != AuthMethod::Trust
        && !auth.has("users")
        && method_known
    {
        reader.fault(
            None,
            format!(
                "[auth] method is {} but there is no user list: add `users = \"userlist.txt\"` \
                 under [auth], or method = \"trust\"",
                auth_method.name()
            ),
        );
    }

    tls::look_at_files(&tls, auth_method, &pools, &tls_written);

    let regulator = reader.section(
        "regulator",
        "regulator",
        single(reader, document, "regulator"),
        &[],
    );
    let incident = reader.section(
        "incident",
        "incident",
        single(reader, document, "incident"),
        &[],
    );
    let alerts = reader.section("alerts", "alerts", single(reader, document, "alerts"), &[]);
    let (notify, paging) = paging::read(reader, document);
    let incident_kind = match incident.text("kind").as_deref() {
        None | Some("real") => Kind::Real,
        Some("drill") => Kind::Drill,
        Some(other) => {
            incident.fault_at(
                "kind",
                format!("`{other}` is no kind; known are real, drill"),
            );
            Kind::Real
        }
    };
    let log_json = match top.text("log_format").as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            top.fault_at(
                "log_format",
                format!("`{other}` is no log format; known are text, json"),
            );
            false
        }
    };
    let io = top.text("io").unwrap_or_else(|| "auto".to_owned());
    if !["auto", "uring", "epoll"].contains(&io.as_str()) {
        top.fault_at(
            "io",
            format!("`{io}` is no driver; known are auto, uring, epoll"),
        );
    }
    workers_of(&top);

    Some(Config {
        listen: top
            .list("listen")
            .unwrap_or_else(|| vec!["127.0.0.1:6432".to_owned()]),
        api: match top.text("api").as_deref() {
            None => Some("127.0.0.1:6433".to_owned()),
            Some("off") => None,
            Some(addr) => Some(addr.to_owned()),
        },
        api_token: top.secret("api_token"),
        api_read_open: match top.text("api_read").as_deref() {
            None | Some("token") => false,
            Some("open") => true,
            Some(other) => {
                top.fault_at(
                    "api_read",
                    format!("`{other}` is no choice; known are token, open"),
                );
                false
            }
        },
        store: match top.text("store").as_deref() {
            None => Some("weir.db".into()),
            Some("none") => None,
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                top.fault_at(
                    "store",
                    "a PostgreSQL store is not in this version; name a file",
                );
                None
            }
            Some(path) => Some(path.into()),
        },
        io,
        log_json,
        external_url: top.text("external_url"),
        pooler: PoolerSettings {
            tls,
            auth_method,
            users: users.unwrap_or_default(),
            admin_users: auth
                .list("admin_users")
                .unwrap_or_default()
                .iter()
                .map(|u| u.as_str().into())
                .collect(),
            client_max: top.number("client_max", 1, 1_000_000).unwrap_or(10_000),
            client_login_timeout: top
                .duration("client_login_timeout")
                .unwrap_or(Duration::from_secs(60)),
            shutdown_timeout: top
                .duration("shutdown_timeout")
                .unwrap_or(Duration::from_secs(60)),
            ..PoolerSettings::of(pools)
        },
        servers,
        budgets,
        regulator: regulator.parsed("mode").unwrap_or(RegulatorMode::Recommend),
        resolve_after: incident
            .duration("resolve_after")
            .unwrap_or(Duration::from_secs(60)),
        watch_window: incident.duration("watch_window").unwrap_or(WATCH_WINDOW),
        incident_kind,
        cluster: top.text("cluster").unwrap_or_else(|| "main".to_owned()),
        instance: top.text("instance"),
        notify,
        paging,
        ingest: ingest_of(&alerts),
    })
}

fn workers_of(top: &Section<'_, '_, '_>) {
    if !top.has("workers") || top.text_is("workers", "auto") {
        return;
    }
    if let Some(n) = top.number("workers", 1, 1024)
        && n > 1
    {
        top.fault_at(
            "workers",
            "this version runs one worker; write 1 or \"auto\"",
        );
    }
}

fn budget_of(section: &Section<'_, '_, '_>) -> Option<u32> {
    if !section.has("budget") || section.text_is("budget", "auto") {
        return None;
    }
    section.number("budget", 1, 100_000)
}

fn server_of(reader: &Reader<'_>, section: &Section<'_, '_, '_>, name: &str) -> ServerSettings {
    let hosts = section
        .list("hosts")
        .unwrap_or_else(|| vec!["127.0.0.1:5432".to_owned()]);
    if hosts.len() > 1 {
        section.fault_at(
            "hosts",
            "several hosts (failover) are not in this version; name one",
        );
    }
    if section.has("target") && !section.text_is("target", "any") {
        section.fault_at("target", "this version takes any server; write \"any\"");
    }
    let (host, port) = match hosts.first().map(|h| host_and_port(h)) {
        Some(Ok(found)) => found,
        Some(Err(says)) => {
            section.fault_at("hosts", says);
            ("127.0.0.1".to_owned(), 5432)
        }
        None => {
            section.fault_at("hosts", "`hosts` is empty: name one, like \"db1:5432\"");
            ("127.0.0.1".to_owned(), 5432)
        }
    };
    let mut server = ServerSettings::at(&host, port);
    server.name = name.into();
    server.user = section.text("user").map(Into::into);
    server.password = section.secret("password").map(|s| Secret(s.into()));
    if let Some(table) = section.table("watch") {
        let known = ["user", "password", "database"];
        let watch = reader.section(
            "watch",
            &format!("server.{name}.watch"),
            Some(table),
            &known,
        );
        server.watch_user = watch.text("user").map(Into::into);
        server.watch_password = watch.secret("password").map(|s| Secret(s.into()));
        server.watch_database = watch.text("database").map(Into::into);
    } else if section.has("watch") {
        section.fault_at(
            "watch",
            "`watch` takes a table: { user = \"weir_monitor\" }",
        );
    }
    if let Some(t) = section.duration("connect_timeout") {
        server.connect_timeout = t;
    }
    if let Some(t) = section.duration("login_retry") {
        server.login_retry = t;
    }
    if let Some(t) = section.duration("lifetime") {
        server.lifetime = t;
    }
    if let Some(t) = section.duration("idle_timeout") {
        server.idle_timeout = t;
    }
    if let Some(n) = section.number("dials_max", 1, 1000) {
        server.dials_max = n;
    }
    server
}

fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let bad = || {
        format!(
            "`{text}` is not host:port; write \"db1:5432\", \"[::1]:5432\" or \"/run/postgresql:5432\""
        )
    };
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Ok((host.to_owned(), port.parse().map_err(|_| bad())?))
        }
        Some(_) => Err(bad()),
        None if text.is_empty() => Err(bad()),
        None => Ok((text.to_owned(), 5432)),
    }
}

fn pool_of(
    reader: &Reader<'_>,
    section: &Section<'_, '_, '_>,
    name: &str,
    servers: &[Arc<ServerSettings>],
) -> Option<PoolSettings> {
    let server = match section.text("server") {
        None if servers.len() == 1 => Some(&servers[0]),
        None => {
            reader.fault(
                None,
                format!(
                    "[pool.{name}] must say which server: there are {}",
                    servers
                        .iter()
                        .map(|s| &*s.name)
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            );
            None
        }
        Some(wanted) => {
            let found = servers.iter().find(|s| *s.name == *wanted);
            if found.is_none() {
                let names: Vec<&str> = servers.iter().map(|s| &*s.name).collect();
                let hint = fault::nearest(&wanted, &names).map_or_else(
                    || format!("there is {}", names.join(", ")),
                    |m| format!("did you mean `{m}`?"),
                );
                section.fault_at("server", format!("there is no [server.{wanted}]; {hint}"));
            }
            found
        }
    }?;
    let mut pool = PoolSettings::any((**server).clone());
    pool.server = Arc::clone(server);
    pool.database = name.into();
    pool.server_database = match section.text("database") {
        Some(database) => Some(database.into()),
        None if name == "*" => None,
        None => Some(name.into()),
    };
    pool.size = size_of(reader, section, name);
    if let Some(mode) = section.parsed("mode") {
        pool.mode = mode;
    }
    if let Some(state) = section.parsed("session_state") {
        pool.session_state = state;
    }
    if let Some(text) = section.text("objective") {
        match objective_of(&text) {
            Some((ratio, wait)) => (pool.objective_ratio, pool.objective_wait) = (ratio, wait),
            None => section.fault_at("objective", "an objective reads \"99% of waits < 10ms\""),
        }
    }
    if let Some(t) = section.duration("query_wait_timeout") {
        pool.query_wait_timeout = t;
    }
    if let Some(n) = section.number("waiters_max", 0, 1_000_000) {
        pool.waiters_max = n;
    }
    if let Some(t) = section.duration("idle_transaction_timeout") {
        pool.idle_transaction_timeout = t;
    }
    if let Some(size) = section.size("message_inspect_max") {
        if (1024..=64 * 1024 * 1024).contains(&size.0) {
            pool.message_inspect_max = size;
        } else {
            section.fault_at("message_inspect_max", "from \"1KiB\" to \"64MiB\"");
        }
    }
    if let Some(n) = section.number("prepared_statements_max", 0, 100_000) {
        pool.prepared_statements_max = n;
    }
    if let Some(key) = section.text("user_tag_key") {
        pool.user_tag_key = key.into();
    }
    Some(pool)
}

/// `"99% of waits < 10ms"` → (0.99, 10 ms).
fn objective_of(text: &str) -> Option<(f64, Duration)> {
    let (percent, rest) = text.split_once('%')?;
    let ratio = percent.trim().parse::<f64>().ok()? / 100.0;
    let wait = rest
        .trim()
        .strip_prefix("of waits")?
        .trim()
        .strip_prefix('<')?;
    let wait: weir_model::HumanDuration = wait.parse().ok()?;
    ((0.5..1.0).contains(&ratio) && !wait.0.is_zero()).then_some((ratio, wait.0))
}

fn size_of(reader: &Reader<'_>, section: &Section<'_, '_, '_>, name: &str) -> PoolSize {
    const HIGHEST: u32 = 10_000;
    let nonzero = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    if !section.has("size") || section.text_is("size", "auto") {
        return auto_size();
    }
    let Some(table) = section.table("size") else {
        return match section.number("size", 1, HIGHEST) {
            Some(n) => PoolSize::Fixed(nonzero(n)),
            None => auto_size(),
        };
    };
    let size = reader.section(
        "size",
        &format!("pool.{name}.size"),
        Some(table),
        &["min", "max", "initial"],
    );
    let min = size.number("min", 1, HIGHEST).unwrap_or(2);
    let max = if size.text_is("max", "auto") {
        None
    } else {
        size.number("max", 1, HIGHEST)
    };
    if max.is_some_and(|max| max < min) {
        section.fault_at(
            "size",
            format!("min {min} is above max {}", max.unwrap_or_default()),
        );
    }
    let initial = size
        .number("initial", 1, HIGHEST)
        .unwrap_or_else(|| SIZE_INITIAL.clamp(min, max.unwrap_or(HIGHEST).max(min)));
    if initial < min || max.is_some_and(|max| initial > max) {
        section.fault_at(
            "size",
            format!("initial {initial} lies outside min and max"),
        );
    }
    PoolSize::Regulated {
        min: nonzero(min),
        max: max.map(nonzero),
        initial: nonzero(initial),
    }
}

fn users_of(auth: &Section<'_, '_, '_>, file: &Path) -> Option<BTreeMap<Arc<str>, Secret>> {
    let Some(path) = auth.text("users") else {
        return Some(BTreeMap::new());
    };
    // Beside the configuration, as everybody expects of a relative path in a file.
    let path = file.parent().unwrap_or(Path::new(".")).join(path);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(fault) => {
            auth.fault_at("users", format!("can't read `{}`: {fault}", path.display()));
            return None;
        }
    };
    match userlist::read(&text) {
        Ok(users) => Some(users),
        Err(faults) => {
            for (line, says) in faults {
                auth.fault_at("users", format!("{}:{line}: {says}", path.display()));
            }
            None
        }
    }
}

/// Which outside alerts are incidents by themselves.
fn ingest_of(section: &Section<'_, '_, '_>) -> Ingest {
    match section.list("declare") {
        None => Ingest::default(),
        Some(words) => Ingest {
            declare: words.iter().map(|word| word.to_lowercase()).collect(),
        },
    }
}

#[cfg(test)]
mod tests;
