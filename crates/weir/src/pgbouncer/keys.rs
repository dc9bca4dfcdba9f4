//! The keys of `[pgbouncer]`, declared once: SHOW CONFIG, SET, RELOAD, `weir import` and the check
//! of a file read this table. Names, defaults and order are those of PgBouncer 1.25.

use std::time::Duration;

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A whole number, as C reads it: `0777` and `0x1ff` are octal and hexadecimal.
    Number,
    /// Seconds, with a fraction if need be.
    Seconds,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A database's name, but not the console's.
    AuthDb,
}

/// What becomes of it in Weir.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Means the same. The key of `weir.toml` for it; empty: none, only this file has it.
    Kept(&'static str),
    /// Is obeyed, but not to the letter; how it differs.
    Differs(&'static str),
    /// Has no meaning here; why.
    Nothing(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// `None`: unset, which SHOW CONFIG shows as NULL.
    pub(crate) default: Option<&'static str>,
    pub(crate) kind: Kind,
    /// RELOAD and SET don't change it.
    pub(crate) restart: bool,
    pub(crate) fate: Fate,
}

pub(crate) const POOL_MODES: &[&str] = &["session", "transaction", "statement"];
pub(crate) const LOAD_BALANCE: &[&str] = &["disable", "round-robin"];
pub(crate) const AUTH_TYPES: &[&str] = &[
    "any",
    "trust",
    "plain",
    "md5",
    "cert",
    "hba",
    "pam",
    "ldap",
    "scram-sha-256",
];
const SSL_MODES: &[&str] = &[
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

const AUTH_QUERY: &str = "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE \
                          rolpassword END FROM pg_authid WHERE rolname=$1 AND rolcanlogin";

const KERNEL: Fate = Fate::Nothing(
    "Weir sets its sockets itself: no delay, keepalive after 60 s and every 15 s, accept when the \
     client has spoken",
);
const BUFFERS: Fate = Fate::Nothing("buffers grow and shrink with what is in them");
const DNS: Fate = Fate::Nothing("names are looked up when a server is dialled, by the system");
const SYSLOG: Fate = Fate::Nothing(
    "Weir writes to `logfile` and standard error; let the journal take it from there",
);
const KEPT: Fate = Fate::Kept("");

const fn key(name: &'static str, default: &'static str, kind: Kind, fate: Fate) -> Key {
    Key {
        name,
        default: Some(default),
        kind,
        restart: false,
        fate,
    }
}

/// A key that only a restart changes.
const fn fixed(name: &'static str, default: &'static str, kind: Kind, fate: Fate) -> Key {
    Key {
        restart: true,
        ..key(name, default, kind, fate)
    }
}

/// A key that is unset unless it is written.
const fn unset(name: &'static str, kind: Kind, fate: Fate) -> Key {
    Key {
        default: None,
        ..key(name, "", kind, fate)
    }
}

use Fate::{Differs, Kept, Nothing};
use Kind::{AuthDb, Number, Seconds, Text, Word};

/// The table, in the order of SHOW CONFIG.
pub(crate) const KEYS: &[Key] = &[
    key("admin_users", "", Text, Kept("auth.admin_users")),
    key("application_name_add_host", "0", Number, KEPT),
    unset("auth_dbname", AuthDb, KEPT),
    unset("auth_file", Text, Kept("auth.users")),
    key("auth_hba_file", "", Text, KEPT),
    unset("auth_ident_file", Text, KEPT),
    key(
        "auth_ldap_options",
        "",
        Text,
        Nothing("this version doesn't ask LDAP"),
    ),
    key("auth_query", AUTH_QUERY, Text, KEPT),
    key("auth_type", "md5", Word(AUTH_TYPES), Kept("auth.method")),
    unset("auth_user", Text, KEPT),
    key("autodb_idle_timeout", "3600", Seconds, KEPT),
    key("cancel_wait_timeout", "10", Seconds, KEPT),
    key("client_idle_timeout", "0", Seconds, KEPT),
    key(
        "client_login_timeout",
        "60",
        Seconds,
        Kept("client_login_timeout"),
    ),
    key("client_tls13_ciphers", "", Text, KEPT),
    key("client_tls_ca_file", "", Text, KEPT),
    key("client_tls_cert_file", "", Text, KEPT),
    key(
        "client_tls_ciphers",
        "default",
        Text,
        Differs("only the cipher suites that rustls has, all of them strong"),
    ),
    key(
        "client_tls_dheparams",
        "auto",
        Text,
        Nothing("rustls has no finite-field Diffie-Hellman"),
    ),
    key(
        "client_tls_ecdhcurve",
        "auto",
        Text,
        Nothing("rustls chooses among X25519, P-256 and P-384"),
    ),
    key("client_tls_key_file", "", Text, KEPT),
    key("client_tls_protocols", "secure", Text, KEPT),
    key("client_tls_sslmode", "disable", Word(SSL_MODES), KEPT),
    unset("conffile", Text, KEPT),
    key("default_pool_size", "20", Number, Kept("pool.*.size")),
    fixed("disable_pqexec", "0", Number, KEPT),
    key("dns_max_ttl", "15", Seconds, DNS),
    key("dns_nxdomain_ttl", "15", Seconds, DNS),
    key("dns_zone_check_period", "0", Seconds, DNS),
    key(
        "idle_transaction_timeout",
        "0",
        Seconds,
        Kept("pool.*.idle_transaction_timeout"),
    ),
    key("ignore_startup_parameters", "", Text, KEPT),
    fixed(
        "job_name",
        "pgbouncer",
        Text,
        Nothing("only syslog used it"),
    ),
    fixed("listen_addr", "", Text, Kept("listen")),
    fixed("listen_backlog", "128", Number, KERNEL),
    fixed("listen_port", "6432", Number, Kept("listen")),
    key("log_connections", "1", Number, KEPT),
    key("log_disconnections", "1", Number, KEPT),
    key("log_pooler_errors", "1", Number, KEPT),
    key("log_stats", "1", Number, KEPT),
    key("logfile", "", Text, KEPT),
    key("login_notify_message", "", Text, KEPT),
    key("max_client_conn", "100", Number, Kept("client_max")),
    key("max_db_client_connections", "0", Number, KEPT),
    key("max_db_connections", "0", Number, KEPT),
    key("max_packet_size", "2147483647", Number, KEPT),
    key(
        "max_prepared_statements",
        "200",
        Number,
        Kept("pool.*.prepared_statements_max"),
    ),
    key("max_user_client_connections", "0", Number, KEPT),
    key("max_user_connections", "0", Number, KEPT),
    key("min_pool_size", "0", Number, Kept("pool.*.size.min")),
    key(
        "peer_id",
        "0",
        Number,
        Nothing("peers aren't in this version"),
    ),
    fixed("pidfile", "", Text, KEPT),
    fixed("pkt_buf", "4096", Number, BUFFERS),
    key("pool_idle_timeout", "0", Seconds, KEPT),
    key(
        "pool_mode",
        "session",
        Word(POOL_MODES),
        Kept("pool.*.mode"),
    ),
    key("query_timeout", "0", Seconds, KEPT),
    key("query_wait_notify", "5", Seconds, KEPT),
    key(
        "query_wait_timeout",
        "120",
        Seconds,
        Kept("pool.*.query_wait_timeout"),
    ),
    key("reserve_pool_size", "0", Number, KEPT),
    key("reserve_pool_timeout", "5", Seconds, KEPT),
    fixed("resolv_conf", "", Text, DNS),
    key("sbuf_loopcnt", "5", Number, BUFFERS),
    key("scram_iterations", "4096", Number, KEPT),
    key("server_check_delay", "30", Seconds, KEPT),
    key("server_check_query", "<empty>", Text, KEPT),
    key(
        "server_connect_timeout",
        "15",
        Seconds,
        Kept("server.*.connect_timeout"),
    ),
    key("server_fast_close", "0", Number, KEPT),
    key(
        "server_idle_timeout",
        "600",
        Seconds,
        Kept("server.*.idle_timeout"),
    ),
    key(
        "server_lifetime",
        "3600",
        Seconds,
        Kept("server.*.lifetime"),
    ),
    key(
        "server_login_retry",
        "15",
        Seconds,
        Kept("server.*.login_retry"),
    ),
    key("server_reset_query", "DISCARD ALL", Text, KEPT),
    key("server_reset_query_always", "0", Number, KEPT),
    key("server_round_robin", "0", Number, KEPT),
    key("server_tls13_ciphers", "", Text, KEPT),
    key("server_tls_ca_file", "", Text, KEPT),
    key("server_tls_cert_file", "", Text, KEPT),
    key(
        "server_tls_ciphers",
        "default",
        Text,
        Differs("only the cipher suites that rustls has, all of them strong"),
    ),
    key("server_tls_key_file", "", Text, KEPT),
    key("server_tls_protocols", "secure", Text, KEPT),
    key("server_tls_sslmode", "prefer", Word(SSL_MODES), KEPT),
    fixed(
        "so_reuseport",
        "0",
        Number,
        Nothing("one process takes what several took"),
    ),
    key("stats_period", "60", Number, KEPT),
    key("stats_users", "", Text, KEPT),
    key(
        "suspend_timeout",
        "10",
        Seconds,
        Nothing("SUSPEND is carried out at once: nothing is handed over"),
    ),
    key("syslog", "0", Number, SYSLOG),
    key("syslog_facility", "daemon", Text, SYSLOG),
    key("syslog_ident", "pgbouncer", Text, SYSLOG),
    key("tcp_defer_accept", "1", Number, KERNEL),
    key("tcp_keepalive", "1", Number, KERNEL),
    key("tcp_keepcnt", "0", Number, KERNEL),
    key("tcp_keepidle", "0", Number, KERNEL),
    key("tcp_keepintvl", "0", Number, KERNEL),
    key("tcp_socket_buffer", "0", Number, KERNEL),
    key("tcp_user_timeout", "0", Number, KERNEL),
    fixed(
        "track_extra_parameters",
        "IntervalStyle",
        Text,
        Differs("every parameter that PostgreSQL reports is tracked, these among them"),
    ),
    key("transaction_timeout", "0", Seconds, KEPT),
    fixed("unix_socket_dir", "/tmp", Text, Kept("listen")),
    fixed("unix_socket_group", "", Text, KEPT),
    fixed("unix_socket_mode", "0777", Number, KEPT),
    Key {
        restart: true,
        ..unset("user", Text, KEPT)
    },
    unset("verbose", Number, KEPT),
];

/// The key with this name. Letter case counts, as in PgBouncer.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    // `service_name` is Windows' alias.
    let name = if name == "service_name" {
        "job_name"
    } else {
        name
    };
    KEYS.iter().find(|key| key.name == name)
}

impl Key {
    /// True if `value` may stand for this key.
    pub(crate) fn takes(&self, value: &str) -> bool {
        match self.kind {
            Kind::Text => true,
            Kind::Number => number(value).is_some(),
            Kind::Seconds => seconds(value).is_some(),
            Kind::Word(words) => words.iter().any(|w| w.eq_ignore_ascii_case(value)),
            Kind::AuthDb => value != "pgbouncer",
        }
    }

    /// What may stand there, for whoever wrote something else.
    pub(crate) fn remedy(&self) -> String {
        match self.kind {
            Kind::Text => "any text".to_owned(),
            Kind::Number => "a whole number".to_owned(),
            Kind::Seconds => "seconds, like 5 or 0.5".to_owned(),
            Kind::Word(words) => format!("one of {}", words.join(", ")),
            Kind::AuthDb => "a database of [databases]".to_owned(),
        }
    }

    /// `value` as SHOW CONFIG shows it.
    pub(crate) fn shown(&self, value: &str) -> String {
        match self.kind {
            Kind::Number => match number(value) {
                Some(n) if self.name == "unix_socket_mode" => format!("{n:#05o}").replace('o', ""),
                Some(n) => n.to_string(),
                None => value.to_owned(),
            },
            Kind::Seconds => seconds(value).map_or_else(
                || value.to_owned(),
                |d| format!("{}", d.as_micros() as f64 / 1e6),
            ),
            Kind::Word(words) => words
                .iter()
                .find(|w| w.eq_ignore_ascii_case(value))
                .map_or_else(|| value.to_owned(), |w| (*w).to_owned()),
            Kind::Text | Kind::AuthDb => value.to_owned(),
        }
    }
}

/// A whole number as C's `strtol` with base 0 reads it, from end to end.
pub(crate) fn number(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16).ok()?
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()?
    } else if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().ok()?
    } else {
        return None;
    };
    Some(if negative { -value } else { value })
}

/// Seconds with a fraction; never below zero, and at most a hundred years.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    let value: f64 = text.parse().ok()?;
    if !(0.0..=3.2e9).contains(&value) {
        return None;
    }
    Some(Duration::from_micros((value * 1e6).round() as u64))
}

/// A whole number as C's `atoi` reads it: as far as it goes, else zero. That is how connection
/// strings are read, and a drop-in may not refuse what was accepted.
pub(crate) fn atoi(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    digits[..end].parse::<i64>().map_or(0, |n| sign * n)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_show_config_and_its_defaults_are_taken() {
        for pair in KEYS.windows(2) {
            assert!(pair[0].name < pair[1].name, "{}", pair[1].name);
        }
        for key in KEYS {
            if let Some(default) = key.default {
                assert!(key.takes(default), "{}", key.name);
            }
        }
        // PgBouncer's list of keys that need a restart.
        assert_eq!(KEYS.iter().filter(|k| k.restart).count(), 14);
    }

    #[test]
    fn numbers_and_seconds_are_read_as_c_reads_them() {
        assert_eq!(number("0777"), Some(0o777));
        assert_eq!(number("0x10"), Some(16));
        assert_eq!(number("-1"), Some(-1));
        for text in ["", "1 ", "5s", "0x", "09", "ten"] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(seconds("0.5"), Some(Duration::from_millis(500)));
        for text in ["-1", "5s", "", "nan", "inf"] {
            assert_eq!(seconds(text), None, "{text}");
        }
        assert_eq!(atoi(" 12abc"), 12);
        assert_eq!(atoi("x"), 0);
    }

    #[test]
    fn values_are_shown_as_pgbouncer_shows_them() {
        let shown = |name: &str, value: &str| find(name).unwrap().shown(value);
        assert_eq!(shown("query_timeout", "20"), "20");
        assert_eq!(shown("query_timeout", "0.50"), "0.5");
        assert_eq!(shown("unix_socket_mode", "0777"), "0777");
        assert_eq!(shown("pool_mode", "SESSION"), "session");
        assert_eq!(shown("max_client_conn", "010"), "8");
    }
}
