//! Every setting, declared once. The reference page, `weir config schema` and the check for
//! unknown keys read this table.

/// One setting of `weir.toml`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Section: empty for the top, `pool.*` for any pool.
    pub(crate) section: &'static str,
    /// Key.
    pub(crate) name: &'static str,
    /// PgBouncer's name for the same, where it has one.
    pub(crate) pgbouncer: Option<&'static str>,
    /// As one would write it; empty: none.
    pub(crate) default: &'static str,
    /// What it does.
    pub(crate) says: &'static str,
}

const fn s(
    section: &'static str,
    name: &'static str,
    pgbouncer: Option<&'static str>,
    default: &'static str,
    says: &'static str,
) -> Setting {
    Setting {
        section,
        name,
        pgbouncer,
        default,
        says,
    }
}

/// The table. All settings apply at start.
pub(crate) const SETTINGS: &[Setting] = &[
    s(
        "",
        "listen",
        Some("listen_addr"),
        "[\"127.0.0.1:6432\"]",
        "Where clients connect: `host:port`, or a directory for a Unix socket.",
    ),
    s(
        "",
        "api",
        None,
        "\"127.0.0.1:6433\"",
        "Where HTTP is served: API, metrics, reports. \"off\": nowhere.",
    ),
    s(
        "",
        "api_token",
        None,
        "",
        "Bearer token of the API; needed where it is bound to another than a loopback address. `api_token_file` or \"env:NAME\" keep it out of the file.",
    ),
    s(
        "",
        "store",
        None,
        "\"weir.db\"",
        "SQLite file for incidents and history. \"none\": memory only.",
    ),
    s(
        "",
        "io",
        None,
        "\"auto\"",
        "auto, uring, epoll. This version has epoll.",
    ),
    s(
        "",
        "workers",
        None,
        "1",
        "Data-plane threads. This version runs one.",
    ),
    s("", "log_format", None, "\"text\"", "text or json."),
    s(
        "",
        "external_url",
        None,
        "",
        "How people reach the API from outside; goes into alerts.",
    ),
    s(
        "",
        "client_max",
        Some("max_client_conn"),
        "10000",
        "More clients than this are refused with 53300.",
    ),
    s(
        "",
        "client_login_timeout",
        Some("client_login_timeout"),
        "\"60s\"",
        "Limit on a client's login.",
    ),
    s(
        "",
        "shutdown_timeout",
        None,
        "\"60s\"",
        "At SIGTERM: how long open transactions may go on.",
    ),
    s(
        "auth",
        "method",
        Some("auth_type"),
        "\"scram-sha-256\"",
        "trust, md5, scram-sha-256.",
    ),
    s(
        "auth",
        "users",
        Some("auth_file"),
        "",
        "Path of the user list, in PgBouncer's format.",
    ),
    s(
        "auth",
        "admin_users",
        Some("admin_users"),
        "[]",
        "Who may use the console (databases `weir` and `pgbouncer`).",
    ),
    s(
        "server.*",
        "hosts",
        Some("host"),
        "[\"127.0.0.1:5432\"]",
        "`host:port`, or a socket directory with its port: `/run/postgresql:5432`. This version uses one.",
    ),
    s(
        "server.*",
        "user",
        Some("user"),
        "",
        "Log in to PostgreSQL as this user, whoever the client is.",
    ),
    s(
        "server.*",
        "password",
        Some("password"),
        "",
        "Its password. `password_file` or \"env:NAME\" keep it out of the file.",
    ),
    s(
        "server.*",
        "watch",
        None,
        "",
        "`{ user, password, database }` of the sampling connection; the role should be in pg_monitor.",
    ),
    s(
        "server.*",
        "connect_timeout",
        Some("server_connect_timeout"),
        "\"15s\"",
        "Limit on connect and login.",
    ),
    s(
        "server.*",
        "login_retry",
        Some("server_login_retry"),
        "\"1s\"",
        "Back-off after a failed login.",
    ),
    s(
        "server.*",
        "lifetime",
        Some("server_lifetime"),
        "\"1h\"",
        "Age at which a server connection is replaced.",
    ),
    s(
        "server.*",
        "idle_timeout",
        Some("server_idle_timeout"),
        "\"10min\"",
        "Unused server connections are closed after this.",
    ),
    s(
        "server.*",
        "dials_max",
        None,
        "4",
        "How many connections may be in login at once.",
    ),
    s(
        "server.*",
        "target",
        None,
        "\"any\"",
        "Which kind of server is wanted. This version takes any.",
    ),
    s(
        "server.*",
        "budget",
        None,
        "\"auto\"",
        "How many connections Weir may take in all. \"auto\": max_connections less reserved, less everyone else.",
    ),
    s(
        "pool.*",
        "server",
        None,
        "the only one",
        "Which [server.*] section.",
    ),
    s(
        "pool.*",
        "database",
        Some("dbname"),
        "the section's name",
        "Name of the database on the server.",
    ),
    s(
        "pool.*",
        "mode",
        Some("pool_mode"),
        "\"transaction\"",
        "session, transaction, statement.",
    ),
    s(
        "pool.*",
        "size",
        Some("pool_size"),
        "\"auto\"",
        "A number, \"auto\", or `{ min, max, initial }`.",
    ),
    s(
        "pool.*",
        "objective",
        None,
        "\"99% of waits < 10ms\"",
        "What users were promised about waiting.",
    ),
    s(
        "pool.*",
        "query_wait_timeout",
        Some("query_wait_timeout"),
        "\"120s\"",
        "How long a client waits for a server before Weir answers 53300. \"0s\": for ever.",
    ),
    s(
        "pool.*",
        "waiters_max",
        None,
        "0",
        "More waiting clients than this are refused at once. 0: no bound but client_max.",
    ),
    s(
        "pool.*",
        "session_state",
        None,
        "\"follow\"",
        "follow, pin, ignore: what happens to SET and its kin in transaction mode.",
    ),
    s(
        "pool.*",
        "idle_transaction_timeout",
        Some("idle_transaction_timeout"),
        "\"0s\"",
        "A client idle in a transaction longer than this is closed. \"0s\": never.",
    ),
    s(
        "pool.*",
        "message_inspect_max",
        None,
        "\"64KiB\"",
        "Larger messages stream through and are not inspected.",
    ),
    s(
        "pool.*",
        "prepared_statements_max",
        Some("max_prepared_statements"),
        "200",
        "Prepared statements kept per server connection.",
    ),
    s(
        "pool.*",
        "user_tag_key",
        None,
        "\"user_id\"",
        "Key in a query's comment that says for whom it is.",
    ),
    s(
        "regulator",
        "mode",
        None,
        "\"recommend\"",
        "observe, recommend, act.",
    ),
    s(
        "incident",
        "resolve_after",
        None,
        "\"60s\"",
        "How long the objective must be met before an incident is resolved.",
    ),
    s(
        "incident",
        "watch_window",
        None,
        "\"15min\"",
        "What comes back this soon after it was resolved re-opens the old incident; 0s: never.",
    ),
    s(
        "incident",
        "kind",
        None,
        "\"real\"",
        "real, or drill: what incidents of this instance are called.",
    ),
    s("notify", "kind", None, "", "alertmanager or webhook."),
    s(
        "notify",
        "url",
        None,
        "",
        "Where to post. http:// only, in this version.",
    ),
];

/// Keys that later versions will know: refused with a word of their own, not as misspelt.
pub(crate) const NOT_YET: &[(&str, &str, &str)] = &[
    (
        "",
        "escalation",
        "escalation steps are not in this version; [[notify]] is",
    ),
    (
        "server.*",
        "tls",
        "TLS towards PostgreSQL is not in this version; put Weir beside the server, or a tunnel between",
    ),
    (
        "pool.*",
        "class",
        "priority classes are not in this version",
    ),
    ("", "tls", "TLS towards clients is not in this version"),
];

/// The keys of a section.
pub(crate) fn keys(section: &str) -> Vec<&'static str> {
    SETTINGS
        .iter()
        .filter(|s| s.section == section)
        .map(|s| s.name)
        .collect()
}
