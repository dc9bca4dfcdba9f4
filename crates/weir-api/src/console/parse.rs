//! What a console text asks for.

use super::REPEATED_MAX;

/// What SHOW can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Help,
    Version,
    Pools,
    Clients,
    Servers,
    Databases,
    Stats,
    Lists,
    State,
    Config,
    Pins,
    Incidents,
    Decisions,
    Causes,
}

const SHOWS: [(&str, Show); 14] = [
    ("help", Show::Help),
    ("version", Show::Version),
    ("pools", Show::Pools),
    ("clients", Show::Clients),
    ("servers", Show::Servers),
    ("databases", Show::Databases),
    ("stats", Show::Stats),
    ("lists", Show::Lists),
    ("state", Show::State),
    ("config", Show::Config),
    ("pins", Show::Pins),
    ("incidents", Show::Incidents),
    ("decisions", Show::Decisions),
    ("causes", Show::Causes),
];

/// PgBouncer's, that Weir doesn't show yet.
const SHOWS_LATER: [&str; 12] = [
    "sockets",
    "active_sockets",
    "peer_pools",
    "peers",
    "users",
    "stats_totals",
    "stats_averages",
    "totals",
    "mem",
    "dns_hosts",
    "dns_zones",
    "fds",
];

/// PgBouncer's, that Weir doesn't carry out yet.
const COMMANDS_LATER: [&str; 10] = [
    "disable",
    "enable",
    "reconnect",
    "kill",
    "kill_client",
    "suspend",
    "shutdown",
    "reload",
    "wait_close",
    "set",
];

/// Answer of SHOW HELP.
pub(super) const HELP: &str = "\n\
    \tSHOW HELP|VERSION|POOLS|CLIENTS|SERVERS|DATABASES\n\
    \tSHOW STATS|LISTS|STATE|CONFIG\n\
    \tSHOW PINS|INCIDENTS|DECISIONS|CAUSES\n\
    \tPAUSE [<db>]\n\
    \tRESUME [<db>]";

/// A text, understood or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Nothing but space and semicolons.
    Empty,
    Show(Show),
    Pause(Option<String>),
    Resume(Option<String>),
    /// Known by this name, not built.
    NotYet(String),
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
        let (argument, more) = (words.next(), words.next());
        let lower = verb.to_ascii_lowercase();
        match (lower.as_str(), argument) {
            (name, _) if COMMANDS_LATER.contains(&name) => Self::NotYet(name.to_uppercase()),
            (_, _) if more.is_some() => Self::wrong(sql),
            // PgBouncer takes SELECT for SHOW.
            ("show" | "select", None) => Self::Show(Show::Help),
            ("show" | "select", Some(what)) => Self::show(&what, sql),
            ("pause", database) => Self::Pause(database),
            ("resume", database) => Self::Resume(database),
            _ => Self::wrong(sql),
        }
    }

    fn show(what: &str, sql: &str) -> Self {
        let lower = what.to_ascii_lowercase();
        if let Some((_, show)) = SHOWS.iter().find(|(name, _)| *name == lower) {
            return Self::Show(*show);
        }
        if SHOWS_LATER.contains(&lower.as_str()) {
            return Self::NotYet(format!("SHOW {}", lower.to_uppercase()));
        }
        Self::wrong(sql)
    }

    fn wrong(sql: &str) -> Self {
        let mut text: String = sql.trim().chars().take(REPEATED_MAX).collect();
        if text.len() < sql.trim().len() {
            text.push('…');
        }
        Self::Wrong(format!("`{text}` is no command of the console"))
    }
}

/// The first four words: no command has more than two, and a third is already too many.
fn words(sql: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = sql.trim_matches(|c: char| c.is_whitespace() || c == ';' || c == '\0');
    while !rest.is_empty() && words.len() < 4 {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (word, behind) = unquoted(quoted)?;
            words.push(word);
            rest = behind.trim_start();
            continue;
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || c == ';')
            .unwrap_or(rest.len());
        if end == 0 {
            return Err("the console takes one command at a time".to_owned());
        }
        words.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Ok(words)
}

fn unquoted(text: &str) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (c, chars.peek()) {
            ('"', Some((_, '"'))) => {
                word.push('"');
                chars.next();
            }
            ('"', _) => return Ok((word, &text[at + 1..])),
            (c, _) => word.push(c),
        }
    }
    Err("a double quote isn't closed".to_owned())
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
        let named = |name: &str| Command::Pause(Some(name.to_owned()));
        assert_eq!(Command::read("PAUSE"), Command::Pause(None));
        assert_eq!(Command::read("pause App;"), named("App"));
        assert_eq!(
            Command::read("pause \"my \"\"db\"\"\";"),
            named("my \"db\"")
        );
        assert!(matches!(Command::read("pause \"my"), Command::Wrong(_)));
    }

    #[test]
    fn what_is_known_but_not_built_is_said_so_by_name() {
        assert_eq!(Command::read("reload"), Command::NotYet("RELOAD".into()));
        assert_eq!(
            Command::read("set pool_mode = 'session'"),
            Command::NotYet("SET".into())
        );
        assert_eq!(
            Command::read("SHOW mem"),
            Command::NotYet("SHOW MEM".into())
        );
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
        ] {
            assert!(matches!(Command::read(text), Command::Wrong(_)), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_repeated_in_part() {
        let Command::Wrong(says) = Command::read(&"ä".repeat(100_000)) else {
            panic!("understood");
        };
        assert!(says.len() < 300, "{}", says.len());
    }
}
