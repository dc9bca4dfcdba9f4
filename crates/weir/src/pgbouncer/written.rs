//! A whole `pgbouncer.ini` as written: values by key, databases, users, peers; every fault of it.
//!
//! Lines are taken in order and later ones win; each `[pgbouncer]` header begins again from the
//! defaults, as in PgBouncer. What is written is kept as text; [`super::meaning`] says what it
//! comes to.

use std::collections::BTreeMap;

use super::connstr;
use super::ini::{Fault, Line, Place, Says};
use super::keys::{self, KEYS, Key};

/// Databases with these names are the console's.
pub(crate) const RESERVED: &str = "pgbouncer";

/// The keys of a database's connection string.
const DATABASE_KEYS: &[&str] = &[
    "dbname",
    "host",
    "port",
    "user",
    "password",
    "auth_user",
    "auth_dbname",
    "auth_query",
    "client_encoding",
    "datestyle",
    "timezone",
    "application_name",
    "pool_size",
    "min_pool_size",
    "reserve_pool",
    "reserve_pool_size",
    "max_db_connections",
    "max_db_client_connections",
    "server_lifetime",
    "query_wait_timeout",
    "load_balance_hosts",
    "pool_mode",
    "connect_query",
];

const USER_KEYS: &[&str] = &[
    "pool_mode",
    "pool_size",
    "reserve_pool_size",
    "max_user_connections",
    "max_user_client_connections",
    "idle_transaction_timeout",
    "transaction_timeout",
    "query_timeout",
    "query_wait_timeout",
    "client_idle_timeout",
];

const PEER_KEYS: &[&str] = &["host", "port", "pool_size"];

/// One line of `[databases]`, `[users]` or `[peers]`: its pairs, later ones over earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs(BTreeMap<&'static str, String>);

impl Pairs {
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// As C's `atoi` reads it; `None` where it isn't written or negative, which PgBouncer takes
    /// for "as for all".
    pub(crate) fn count(&self, key: &str) -> Option<u32> {
        let n = keys::atoi(self.get(key)?);
        u32::try_from(n).ok()
    }

    fn read(
        text: &str,
        known: &[&'static str],
        what: &str,
        place: &Place,
        faults: &mut Vec<Fault>,
    ) -> Option<Self> {
        let noun = if what == "user" {
            "user settings"
        } else {
            "connection string"
        };
        let Some(pairs) = connstr::pairs(text) else {
            faults.push(Fault::at(place, format!("syntax error in {noun}")));
            return None;
        };
        let mut read = Self::default();
        let before = faults.len();
        for (key, value) in pairs {
            let Some(name) = known.iter().find(|k| **k == key) else {
                let says = match what {
                    "user" => format!("unrecognized user parameter: {key}"),
                    _ => format!("unrecognized connection parameter: {key}"),
                };
                faults.push(Fault::at(place, says));
                continue;
            };
            let wrong = match *name {
                "port" if keys::atoi(&value) == 0 => Some("invalid port"),
                "pool_mode" if !is_word(&value, keys::POOL_MODES) => Some("invalid pool mode"),
                "load_balance_hosts" if !is_word(&value, keys::LOAD_BALANCE) => {
                    Some("invalid load_balance_hosts")
                }
                _ => None,
            };
            if let Some(wrong) = wrong {
                faults.push(Fault::at(place, format!("{wrong}: {value}")));
            }
            let name = if *name == "reserve_pool" {
                "reserve_pool_size"
            } else {
                name
            };
            read.0.insert(name, value);
        }
        (faults.len() == before).then_some(read)
    }
}

fn is_word(value: &str, words: &[&str]) -> bool {
    words.iter().any(|w| w.eq_ignore_ascii_case(value))
}

/// A file as written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    values: BTreeMap<&'static str, String>,
    /// Without `*`.
    pub(crate) databases: BTreeMap<String, Pairs>,
    /// `*`: for databases that have no line.
    pub(crate) any_database: Option<Pairs>,
    pub(crate) users: BTreeMap<String, Pairs>,
    pub(crate) peers: BTreeMap<u16, Pairs>,
}

impl Written {
    /// What stands for `key`, else its default.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        match self.values.get(key) {
            Some(value) => Some(value),
            None => keys::find(key).and_then(|k| k.default),
        }
    }

    /// The same, where it is text that isn't empty.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.value(key).filter(|v| !v.is_empty())
    }

    /// Puts a value, as SET does.
    ///
    /// # Errors
    /// What PgBouncer would log.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), Vec<String>> {
        let Some(found) = keys::find(key) else {
            return Err(vec![format!("unknown parameter: pgbouncer/{key}")]);
        };
        if found.name == "conffile" {
            return Ok(());
        }
        match taken(found, value) {
            Ok(()) => {
                self.values.insert(found.name, value.to_owned());
                Ok(())
            }
            Err(says) => Err(vec![says]),
        }
    }

    /// What is written, without what holds by default.
    pub(crate) fn keys(&self) -> Vec<(&'static str, String)> {
        self.values
            .iter()
            .map(|(key, value)| (*key, value.clone()))
            .collect()
    }

    /// SHOW CONFIG tells which file it is.
    pub(crate) fn set_file(&mut self, file: &str) {
        self.values.insert("conffile", file.to_owned());
    }

    /// Takes over what only a restart may change.
    pub(crate) fn keep_fixed(&mut self, running: &Written) {
        for key in KEYS.iter().filter(|k| k.restart) {
            match running.values.get(key.name) {
                Some(value) => self.values.insert(key.name, value.clone()),
                None => self.values.remove(key.name),
            };
        }
    }

    /// Reads the lines of a file.
    ///
    /// # Errors
    /// All that is wrong with them.
    pub(crate) fn read(lines: &[Line]) -> Result<Self, Vec<Fault>> {
        let mut written = Self::default();
        let mut faults = Vec::new();
        let mut section = None;
        let mut has_main = false;
        for line in lines {
            match &line.says {
                Says::Section(name) => {
                    section = Some(name.as_str());
                    match name.as_str() {
                        "pgbouncer" => {
                            has_main = true;
                            written.values.clear();
                        }
                        "databases" | "users" | "peers" => {}
                        other => {
                            faults.push(Fault::at(&line.place, format!("unknown section: {other}")))
                        }
                    }
                }
                Says::Pair { key, value } => {
                    written.pair(section, key, value, &line.place, &mut faults);
                }
            }
        }
        if !has_main {
            faults.push(Fault {
                place: None,
                says: "main section missing from config file: write [pgbouncer]".to_owned(),
            });
        }
        if faults.is_empty() {
            Ok(written)
        } else {
            Err(faults)
        }
    }

    fn pair(
        &mut self,
        section: Option<&str>,
        key: &str,
        value: &str,
        place: &Place,
        faults: &mut Vec<Fault>,
    ) {
        match section {
            None => faults.push(Fault::at(place, format!("value without section: {key}"))),
            Some("pgbouncer") => match keys::find(key) {
                None => faults.push(Fault::at(
                    place,
                    format!("unknown parameter: pgbouncer/{key}"),
                )),
                Some(found) => match taken(found, value) {
                    Ok(()) => {
                        self.values.insert(found.name, value.to_owned());
                    }
                    Err(says) => faults.push(Fault::at(place, says)),
                },
            },
            Some("databases") => {
                if key.eq_ignore_ascii_case(RESERVED) || key == "weir" {
                    let says = format!("database name \"{key}\" is reserved");
                    faults.push(Fault::at(place, says));
                    return;
                }
                let Some(pairs) = Pairs::read(value, DATABASE_KEYS, "database", place, faults)
                else {
                    return;
                };
                if pairs.get("auth_dbname") == Some(RESERVED) {
                    let says = "cannot use the reserved \"pgbouncer\" database as an auth_dbname";
                    faults.push(Fault::at(place, says));
                } else if key == "*" {
                    self.any_database = Some(pairs);
                } else {
                    self.databases.insert(key.to_owned(), pairs);
                }
            }
            Some("users") => {
                if let Some(pairs) = Pairs::read(value, USER_KEYS, "user", place, faults) {
                    self.users.insert(key.to_owned(), pairs);
                }
            }
            Some("peers") => {
                let id: u16 = key.parse().unwrap_or(0);
                if id == 0 {
                    let says = "ids of peers must be a number larger than 0 and at most 65535";
                    faults.push(Fault::at(place, says));
                } else if let Some(pairs) = Pairs::read(value, PEER_KEYS, "peer", place, faults) {
                    if pairs.get("host").is_none() {
                        let says = format!("host was not provided for peer {id}");
                        faults.push(Fault::at(place, says));
                    }
                    self.peers.insert(id, pairs);
                }
            }
            // Said once, at the header.
            Some(_) => {}
        }
    }
}

/// Whether a key takes a value; else what to say.
fn taken(key: &Key, value: &str) -> Result<(), String> {
    if key.takes(value) {
        return Ok(());
    }
    if key.name == "auth_dbname" {
        return Err("cannot use the reserved \"pgbouncer\" database as an auth_dbname".to_owned());
    }
    Err(format!(
        "invalid value \"{value}\" for parameter {} in configuration: it takes {}",
        key.name,
        key.remedy()
    ))
}

#[cfg(test)]
mod tests {
    use super::super::ini;
    use super::*;

    fn read(text: &str) -> Result<Written, Vec<String>> {
        let lines = ini::read("a.ini", &|_| Ok(text.to_owned())).unwrap();
        Written::read(&lines).map_err(|f| f.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn later_lines_win_and_each_main_section_begins_from_the_defaults() {
        let written = read(
            "[pgbouncer]\nmax_client_conn = 7\npool_mode = session\npool_mode = Statement\n\
             [databases]\na = host=x\na = host=y pool_size=3\n[users]\nu = pool_size=1\nv =\n",
        )
        .unwrap();
        assert_eq!(written.value("pool_mode"), Some("Statement"));
        assert_eq!(written.value("max_client_conn"), Some("7"));
        assert_eq!(written.databases["a"].get("host"), Some("y"));
        assert_eq!(written.users["u"].count("pool_size"), Some(1));
        assert_eq!(written.users["v"].count("pool_size"), None);
        let again = read("[pgbouncer]\nmax_client_conn = 7\n[pgbouncer]\npool_mode=session");
        assert_eq!(again.unwrap().value("max_client_conn"), Some("100"));
    }

    #[test]
    fn every_fault_of_a_file_is_told_with_its_line_and_in_words_that_are_known() {
        let faults = read(
            "x = 1\n[pgbouncer]\nfoo = 1\nserver_lifetime = soon\nauth_dbname = pgbouncer\n\
             [databases]\nPgBouncer = host=x\nb = port=x\nc = hst=x\nd = host='x\n\
             [users]\nu = pool_mode=none\n[peers]\n0 = host=x\n1 = port=1\n[other]\n",
        )
        .unwrap_err();
        assert_eq!(
            faults,
            [
                "value without section: x (a.ini:1)",
                "unknown parameter: pgbouncer/foo (a.ini:3)",
                "invalid value \"soon\" for parameter server_lifetime in configuration: it takes \
                 seconds, like 5 or 0.5 (a.ini:4)",
                "cannot use the reserved \"pgbouncer\" database as an auth_dbname (a.ini:5)",
                "database name \"PgBouncer\" is reserved (a.ini:7)",
                "invalid port: x (a.ini:8)",
                "unrecognized connection parameter: hst (a.ini:9)",
                "syntax error in connection string (a.ini:10)",
                "invalid pool mode: none (a.ini:12)",
                "ids of peers must be a number larger than 0 and at most 65535 (a.ini:14)",
                "host was not provided for peer 1 (a.ini:15)",
                "unknown section: other (a.ini:16)",
            ]
        );
        assert_eq!(
            read("[databases]\n").unwrap_err(),
            ["main section missing from config file: write [pgbouncer]"]
        );
    }

    #[test]
    fn what_only_a_restart_changes_stays_at_a_reload() {
        let running = read("[pgbouncer]\nlisten_port = 1\nmax_client_conn = 1").unwrap();
        let mut next = read("[pgbouncer]\nlisten_port = 2\nmax_client_conn = 2").unwrap();
        next.keep_fixed(&running);
        assert_eq!(next.value("listen_port"), Some("1"));
        assert_eq!(next.value("max_client_conn"), Some("2"));
    }

    #[test]
    fn a_set_takes_what_a_line_takes() {
        let mut written = Written::default();
        assert!(written.set("max_client_conn", "5").is_ok());
        assert_eq!(written.value("max_client_conn"), Some("5"));
        assert_eq!(
            written.set("max_client_con", "5").unwrap_err(),
            ["unknown parameter: pgbouncer/max_client_con"]
        );
        assert!(written.set("query_timeout", "long").is_err());
    }
}
