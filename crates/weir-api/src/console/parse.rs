//! What a console text asks for.

use weir_model::{DatabaseAct, Shutdown};

use super::REPEATED_MAX;

/// What SHOW can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Help,
    Version,
    Pools,
    PeerPools,
    Clients,
    Servers,
    Sockets,
    ActiveSockets,
    Databases,
    Users,
    Peers,
    Stats,
    StatsTotals,
    StatsAverages,
    Totals,
    Lists,
    State,
    Config,
    Mem,
    DnsHosts,
    DnsZones,
    Fds,
    Pins,
    Waits,
    Incidents,
    Decisions,
    Causes,
    /// A parameter that drivers ask for without need: its name and the value it is given.
    Parameter(&'static str, &'static str),
}

const SHOWS: [(&str, Show); 27] = [
    ("help", Show::Help),
    ("version", Show::Version),
    ("pools", Show::Pools),
    ("peer_pools", Show::PeerPools),
    ("clients", Show::Clients),
    ("servers", Show::Servers),
    ("sockets", Show::Sockets),
    ("active_sockets", Show::ActiveSockets),
    ("databases", Show::Databases),
    ("users", Show::Users),
    ("peers", Show::Peers),
    ("stats", Show::Stats),
    ("stats_totals", Show::StatsTotals),
    ("stats_averages", Show::StatsAverages),
    ("totals", Show::Totals),
    ("lists", Show::Lists),
    ("state", Show::State),
    ("config", Show::Config),
    ("mem", Show::Mem),
    ("dns_hosts", Show::DnsHosts),
    ("dns_zones", Show::DnsZones),
    ("fds", Show::Fds),
    ("pins", Show::Pins),
    ("waits", Show::Waits),
    ("incidents", Show::Incidents),
    ("decisions", Show::Decisions),
    ("causes", Show::Causes),
];

/// Parameters that some drivers set and read on every connection, whoever is at its other end.
const PARAMETERS: [(&str, &str); 6] = [
    ("client_encoding", "UTF-8"),
    ("default_transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
    ("datestyle", "ISO"),
    ("timezone", "GMT"),
    ("extra_float_digits", "1"),
];

/// Detail of SHOW HELP's notice.
pub(super) const HELP: &str = "\n\
    \tSHOW HELP|CONFIG|DATABASES|POOLS|CLIENTS|SERVERS|USERS|VERSION\n\
    \tSHOW PEERS|PEER_POOLS\n\
    \tSHOW FDS|SOCKETS|ACTIVE_SOCKETS|LISTS|MEM|STATE\n\
    \tSHOW DNS_HOSTS|DNS_ZONES\n\
    \tSHOW STATS|STATS_TOTALS|STATS_AVERAGES|TOTALS\n\
    \tSHOW INCIDENTS|CAUSES|DECISIONS|WAITS|PINS\n\
    \tSET key = arg\n\
    \tRELOAD\n\
    \tPAUSE [<db>]\n\
    \tRESUME [<db>]\n\
    \tDISABLE <db>\n\
    \tENABLE <db>\n\
    \tRECONNECT [<db>]\n\
    \tKILL [<db>]\n\
    \tKILL_CLIENT <client_id>\n\
    \tSUSPEND\n\
    \tSHUTDOWN\n\
    \tSHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS\n\
    \tWAIT_CLOSE [<db>]";

/// A text, understood or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Nothing but space and semicolons.
    Empty,
    Show(Show),
    /// SET of a key of the configuration.
    Set {
        key: String,
        value: String,
    },
    /// SET of one of [`PARAMETERS`]: taken and ignored.
    SetIgnored,
    Database(DatabaseAct, Option<String>),
    KillClient(String),
    Reload,
    Suspend,
    Shutdown(Shutdown),
    /// Not understood; why.
    Wrong(String),
}

impl Command {
    /// Names are read without regard to case; a database's name as it stands, or in double quotes.
    pub(super) fn read(sql: &str) -> Self {
        let words = match words(sql) {
            Ok(words) => words,
            Err(says) => return Self::Wrong(says),
        };
        let mut words = words.into_iter();
        let Some(verb) = words.next() else {
            return Self::Empty;
        };
        let lower = verb.to_ascii_lowercase();
        if lower == "set" {
            return Self::set(sql, words.collect());
        }
        let (argument, more) = (words.next(), words.next());
        if more.is_some() {
            return Self::wrong(sql);
        }
        let act = [
            DatabaseAct::Pause,
            DatabaseAct::Resume,
            DatabaseAct::Disable,
            DatabaseAct::Enable,
            DatabaseAct::Kill,
            DatabaseAct::Reconnect,
            DatabaseAct::WaitClose,
        ];
        if let Some(act) = act.into_iter().find(|act| act.name() == lower) {
            return match (act, argument) {
                (DatabaseAct::Disable | DatabaseAct::Enable, None) => {
                    Self::Wrong("a database is required".to_owned())
                }
                (act, argument) => Self::Database(act, argument),
            };
        }
        match (lower.as_str(), argument) {
            // PgBouncer takes SELECT for SHOW.
            ("show" | "select", None) => Self::Show(Show::Help),
            ("show" | "select", Some(what)) => Self::show(&what, sql),
            ("reload", None) => Self::Reload,
            ("suspend", None) => Self::Suspend,
            ("kill_client", client) => Self::KillClient(client.unwrap_or_default()),
            ("shutdown", None) => Self::Shutdown(Shutdown::Now),
            ("shutdown", Some(how)) => match how.to_ascii_lowercase().as_str() {
                "wait_for_servers" => Self::Shutdown(Shutdown::WaitForServers),
                "wait_for_clients" => Self::Shutdown(Shutdown::WaitForClients),
                _ => Self::wrong(sql),
            },
            _ => Self::wrong(sql),
        }
    }

    fn show(what: &str, sql: &str) -> Self {
        let lower = what.to_ascii_lowercase();
        if let Some((_, show)) = SHOWS.iter().find(|(name, _)| *name == lower) {
            return Self::Show(*show);
        }
        match PARAMETERS.iter().find(|(name, _)| *name == lower) {
            Some((name, value)) => Self::Show(Show::Parameter(name, value)),
            None => Self::wrong(sql),
        }
    }

    /// `SET key = value`, `SET key TO value`; the value bare or in either kind of quotes.
    fn set(sql: &str, words: Vec<String>) -> Self {
        let (key, value) = match <[String; 3]>::try_from(words) {
            Ok([key, sign, value]) if sign == "=" || sign.eq_ignore_ascii_case("to") => {
                (key, value)
            }
            Ok(_) | Err(_) => return Self::wrong(sql),
        };
        if PARAMETERS
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case(&key))
        {
            return Self::SetIgnored;
        }
        Self::Set { key, value }
    }

    fn wrong(sql: &str) -> Self {
        let mut text: String = sql.trim().chars().take(REPEATED_MAX).collect();
        if text.len() < sql.trim().len() {
            text.push('…');
        }
        Self::Wrong(format!("invalid command '{text}', use SHOW HELP;"))
    }
}

/// The first five words: no command has more than four, and a fifth is already too many. `=` is a
/// word by itself.
fn words(sql: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = sql.trim_matches(|c: char| c.is_whitespace() || c == ';' || c == '\0');
    while !rest.is_empty() && words.len() < 5 {
        let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'');
        if let Some(quote) = quote {
            let (word, behind) = unquoted(&rest[1..], quote)?;
            words.push(word);
            rest = behind.trim_start();
            continue;
        }
        if let Some(behind) = rest.strip_prefix('=') {
            words.push("=".to_owned());
            rest = behind.trim_start();
            continue;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || c == ';' || c == '=')
            .unwrap_or(rest.len());
        if end == 0 {
            return Err("the console takes one command at a time".to_owned());
        }
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

fn unquoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            word.push(c);
        } else if chars.peek().is_some_and(|(_, next)| *next == quote) {
            word.push(quote);
            chars.next();
        } else {
            return Ok((word, &text[at + 1..]));
        }
    }
    Err("a quote isn't closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_with_any_space() {
        for text in [
            "SHOW POOLS",
            "show pools;",
            " Show\n\tPools ; ",
            "SELECT pools",
        ] {
            assert_eq!(Command::read(text), Command::Show(Show::Pools), "{text}");
        }
        assert_eq!(Command::read(" ;; "), Command::Empty);
        assert_eq!(Command::read("SHOW"), Command::Show(Show::Help));
    }

    #[test]
    fn a_database_is_named_as_it_stands_or_in_quotes() {
        let named = |name: &str| Command::Database(DatabaseAct::Pause, Some(name.to_owned()));
        assert_eq!(
            Command::read("PAUSE"),
            Command::Database(DatabaseAct::Pause, None)
        );
        assert_eq!(Command::read("pause App;"), named("App"));
        assert_eq!(
            Command::read("pause \"my \"\"db\"\"\";"),
            named("my \"db\"")
        );
        assert!(matches!(Command::read("pause \"my"), Command::Wrong(_)));
        assert_eq!(
            Command::read("wait_close p"),
            Command::Database(DatabaseAct::WaitClose, Some("p".to_owned()))
        );
        assert_eq!(
            Command::read("DISABLE"),
            Command::Wrong("a database is required".to_owned())
        );
    }

    #[test]
    fn a_set_has_a_sign_and_a_value_bare_or_quoted() {
        let set = |value: &str| Command::Set {
            key: "auth_user".to_owned(),
            value: value.to_owned(),
        };
        for (text, value) in [
            ("set auth_user = 'a ''b'''", "a 'b'"),
            ("SET auth_user='x'", "x"),
            ("Set auth_user to x;", "x"),
            ("SET auth_user=\"x\"", "x"),
            ("SET auth_user=''", ""),
            ("SET auth_user=127.0.0.1,b", "127.0.0.1,b"),
        ] {
            assert_eq!(Command::read(text), set(value), "{text}");
        }
        assert_eq!(
            Command::read("SET extra_float_digits = 2"),
            Command::SetIgnored
        );
        for text in ["set", "set a", "set a b c", "set a = b c", "set a ="] {
            assert!(matches!(Command::read(text), Command::Wrong(_)), "{text}");
        }
    }

    #[test]
    fn there_are_three_ways_to_shut_down() {
        for (text, how) in [
            ("SHUTDOWN", Shutdown::Now),
            ("shutdown wait_for_servers", Shutdown::WaitForServers),
            ("shutdown WAIT_FOR_CLIENTS;", Shutdown::WaitForClients),
        ] {
            assert_eq!(Command::read(text), Command::Shutdown(how), "{text}");
        }
        assert!(matches!(Command::read("shutdown soon"), Command::Wrong(_)));
    }

    #[test]
    fn two_commands_at_once_and_nonsense_are_wrong() {
        for text in [
            "SHOW POOLS; PAUSE",
            "SHOW POOLS now please",
            "DROP TABLE users",
            "SHOW elephants",
            "pause a b",
            "\"",
            "reload now",
        ] {
            assert!(matches!(Command::read(text), Command::Wrong(_)), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_repeated_in_part() {
        let Command::Wrong(says) = Command::read(&"ä".repeat(100_000)) else {
            panic!("understood");
        };
        let long = says.chars().count();
        assert!(long < 300, "{long}");
    }
}
