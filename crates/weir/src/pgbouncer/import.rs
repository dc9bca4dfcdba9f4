//! `weir import pgbouncer.ini`: what becomes of each line, and the `weir.toml` that says the same.
//!
//! Both are pure functions of the lines. The verdicts go to standard error, the file to standard
//! output, so that `weir import x.ini > weir.toml` shows one and keeps the other.

use std::fmt::Write as _;
use std::path::Path;

use weir_model::{PoolMode, PoolSettings, PoolSize};

use super::ini::{self, Line, Says};
use super::keeper::{IniKeeper, read_file};
use super::keys::{self, Fate};
use super::meaning::{Beside, Meaning};
use super::written::Written;
use crate::Failed;

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// It means the same in `weir.toml`; where it stands there.
    Kept(String),
    /// It holds while Weir reads this file; `weir.toml` has no key for it.
    OnlyHere,
    /// It is obeyed, but differs.
    Differs(String),
    /// It has no equal.
    NoEqual(String),
}

impl Verdict {
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Kept(place) => ("kept", format!("as {place}")),
            Self::OnlyHere => (
                "kept",
                "while Weir runs this file; weir.toml has no key for it yet".to_owned(),
            ),
            Self::Differs(why) => ("changed", why.clone()),
            Self::NoEqual(why) => ("no equal", why.clone()),
        }
    }
}

/// `weir import FILE`.
pub(crate) fn import(file: &Path, out: Option<&Path>) -> Result<(), Failed> {
    let name = file.display().to_string();
    let says = |faults: Vec<ini::Fault>| {
        let says: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failed::Usage(says.join("\n"))
    };
    let lines = ini::read(&name, &read_file).map_err(says)?;
    let written = Written::read(&lines).map_err(says)?;
    let (beside, faults) = Beside::read(&written, &read_file);
    eprint!("{}", verdicts(&lines));
    for fault in faults {
        eprintln!("{fault}");
    }
    let meaning = Meaning::of(&written, &beside);
    let toml = toml(&name, &written, &meaning);
    match out {
        None => crate::say(&toml),
        Some(path) => std::fs::write(path, toml).map_err(|fault| {
            Failed::Failed(anyhow::anyhow!(
                "couldn't write {}: {fault}",
                path.display()
            ))
        })?,
    }
    Ok(())
}

/// What is said in the log when the file is first run: what it asks for in vain.
pub(super) fn at_start(keeper: &IniKeeper) -> Vec<String> {
    keeper.written_keys().filter_map(in_vain).collect()
}

/// Why a key that somebody wrote, with a value other than its default, does nothing.
fn in_vain((name, value): (&'static str, String)) -> Option<String> {
    let key = keys::find(name)?;
    match key.fate {
        Fate::Nothing(why) if key.default.map(|d| key.shown(d)) != Some(key.shown(&value)) => {
            Some(format!("{name} = {value} has no effect: {why}"))
        }
        Fate::Nothing(_) | Fate::Kept(_) | Fate::Differs(_) => None,
    }
}

fn verdict(section: &str, key: &str, value: &str) -> Verdict {
    match section {
        "pgbouncer" => match keys::find(key).map(|k| k.fate) {
            Some(Fate::Kept("")) => Verdict::OnlyHere,
            Some(Fate::Kept(place)) => Verdict::Kept(place.to_owned()),
            Some(Fate::Differs(why)) => Verdict::Differs(why.to_owned()),
            Some(Fate::Nothing(why)) => Verdict::NoEqual(why.to_owned()),
            None => Verdict::NoEqual("an unknown key".to_owned()),
        },
        "databases" => {
            let only_here = [
                "connect_query",
                "auth_user",
                "auth_query",
                "auth_dbname",
                "client_encoding",
                "datestyle",
                "timezone",
                "application_name",
                "max_db_connections",
                "max_db_client_connections",
                "reserve_pool",
            ];
            let found: Vec<&str> = only_here
                .into_iter()
                .filter(|key| value.contains(&format!("{key}=")))
                .collect();
            if found.is_empty() {
                Verdict::Kept(format!("[pool.{key}] and its [server.…]"))
            } else {
                Verdict::Differs(format!(
                    "as [pool.{key}], but for {}, which hold only while Weir runs this file",
                    found.join(", ")
                ))
            }
        }
        "users" => Verdict::OnlyHere,
        "peers" => Verdict::NoEqual("peers aren't in this version".to_owned()),
        _ => Verdict::NoEqual("an unknown section".to_owned()),
    }
}

/// A value as it may be repeated: without a password.
fn discreet(value: &str) -> String {
    match super::connstr::pairs(value) {
        Some(pairs) if pairs.iter().any(|(key, _)| key == "password") => pairs
            .iter()
            .map(|(key, value)| match key.as_str() {
                "password" => "password=…".to_owned(),
                key => format!("{key}={value}"),
            })
            .collect::<Vec<_>>()
            .join(" "),
        Some(_) => value.to_owned(),
        // Not a connection string: it may still hold the word.
        None if value.contains("password") => "…".to_owned(),
        None => value.to_owned(),
    }
}

/// The verdicts, a line each.
fn verdicts(lines: &[Line]) -> String {
    let mut out = String::new();
    let mut section = "";
    let mut counts = [0_usize; 3];
    for line in lines {
        let (key, value) = match &line.says {
            Says::Section(name) => {
                section = name;
                continue;
            }
            Says::Pair { key, value } => (key, value),
        };
        let (word, why) = verdict(section, key, value).words();
        counts[match word {
            "kept" => 0,
            "changed" => 1,
            _ => 2,
        }] += 1;
        let _ = writeln!(
            out,
            "{}: {key} = {}\n    {word}: {why}",
            line.place,
            discreet(value)
        );
    }
    let _ = writeln!(
        out,
        "{} kept, {} changed, {} without an equal",
        counts[0], counts[1], counts[2]
    );
    out
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn bare_or_quoted(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn duration(time: std::time::Duration) -> String {
    if time.subsec_millis() == 0 {
        quoted(&format!("{}s", time.as_secs()))
    } else {
        quoted(&format!("{}ms", time.as_millis()))
    }
}

/// The `weir.toml` that means the same, as far as it has keys.
fn toml(file: &str, written: &Written, meaning: &Meaning) -> String {
    let mut out = format!("# Made from {file} by `weir import`.\n\n");
    let pooler = &meaning.pooler;
    let listen: Vec<String> = meaning.outside.listen.iter().map(|l| quoted(l)).collect();
    let _ = writeln!(out, "listen = [{}]", listen.join(", "));
    let _ = writeln!(out, "client_max = {}", pooler.client_max.max(1));
    let _ = writeln!(
        out,
        "client_login_timeout = {}",
        duration(pooler.client_login_timeout)
    );
    let _ = writeln!(
        out,
        "\n[auth]\nmethod = {}",
        quoted(pooler.auth_method.name())
    );
    if let Some(users) = written.text("auth_file") {
        let _ = writeln!(out, "users = {}", quoted(users));
    }
    if !pooler.admin_users.is_empty() {
        let admins: Vec<String> = pooler.admin_users.iter().map(|u| quoted(u)).collect();
        let _ = writeln!(out, "admin_users = [{}]", admins.join(", "));
    }
    let mut servers: Vec<(String, &PoolSettings)> = Vec::new();
    for pool in &pooler.pools {
        let name = server_name(pool, &mut servers);
        let _ = write_pool(&mut out, pool, &name);
    }
    let _ = writeln!(
        out,
        "\n[regulator]\nmode = \"observe\" # recommend and act say more, and do more"
    );
    out
}

/// The server section for a pool; written down where it is new.
fn server_name<'a>(
    pool: &'a PoolSettings,
    servers: &mut Vec<(String, &'a PoolSettings)>,
) -> String {
    let same = |other: &&PoolSettings| {
        other.server == pool.server && other.user == pool.user && other.password == pool.password
    };
    if let Some((name, _)) = servers.iter().find(|(_, other)| same(&other)) {
        return name.clone();
    }
    let name = match servers.len() {
        0 => "main".to_owned(),
        n => format!("server{}", n + 1),
    };
    servers.push((name.clone(), pool));
    name
}

fn write_pool(out: &mut String, pool: &PoolSettings, server: &str) -> std::fmt::Result {
    let settings = &pool.server;
    let header = format!("[server.{}]", bare_or_quoted(server));
    if !out.contains(&header) {
        let hosts: Vec<String> = settings
            .places()
            .iter()
            .map(|place| quoted(&format!("{}:{}", place.host, place.port)))
            .collect();
        writeln!(out, "\n{header}\nhosts = [{}]", hosts.join(", "))?;
        if let Some(user) = &pool.user {
            writeln!(out, "user = {}", quoted(user))?;
        }
        if pool.password.is_some() {
            let variable = server.to_ascii_uppercase();
            writeln!(
                out,
                "password = \"env:WEIR_{variable}_PASSWORD\" # secrets aren't copied"
            )?;
        }
        writeln!(
            out,
            "connect_timeout = {}",
            duration(settings.connect_timeout)
        )?;
        writeln!(out, "login_retry = {}", duration(settings.login_retry))?;
        writeln!(out, "lifetime = {}", duration(settings.lifetime))?;
        writeln!(out, "idle_timeout = {}", duration(settings.idle_timeout))?;
    }
    writeln!(out, "\n[pool.{}]", bare_or_quoted(&pool.database))?;
    writeln!(out, "server = {}", quoted(server))?;
    if let Some(database) = &pool.server_database {
        writeln!(out, "database = {}", quoted(database))?;
    }
    writeln!(out, "mode = \"{}\"", pool.mode)?;
    match pool.size {
        PoolSize::Fixed(size) => writeln!(out, "size = {size}")?,
        PoolSize::Regulated { min, initial, .. } => {
            writeln!(out, "size = {{ min = {min}, initial = {initial} }}")?;
        }
    }
    if pool.mode != PoolMode::Session {
        writeln!(
            out,
            "session_state = \"follow\" # \"ignore\" is PgBouncer's way"
        )?;
    }
    writeln!(
        out,
        "query_wait_timeout = {}",
        duration(pool.query_wait_timeout)
    )?;
    writeln!(
        out,
        "idle_transaction_timeout = {}",
        duration(pool.idle_transaction_timeout)
    )?;
    writeln!(
        out,
        "prepared_statements_max = {}",
        pool.prepared_statements_max
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "[databases]\napp = host=db1 port=5432 user=u password=hidden\n\
                        rep = host=db1 connect_query='set x=1'\n\
                        [pgbouncer]\npool_mode = transaction\nlisten_addr = *\nauth_file = u.txt\n\
                        admin_users = ann, bob\ntcp_keepalive = 1\nserver_tls_ciphers = default\n\
                        dns_max_ttl = 3\n[users]\nann = pool_size=3\n";

    fn lines() -> Vec<Line> {
        ini::read("a.ini", &|_| Ok(FILE.to_owned())).unwrap()
    }

    #[test]
    fn each_line_has_a_verdict_and_no_secret_is_repeated() {
        let text = verdicts(&lines());
        assert!(!text.contains("hidden"), "{text}");
        for part in [
            "a.ini:2: app = host=db1 port=5432 user=u password=…\n    kept: as [pool.app]",
            "a.ini:3: rep = host=db1 connect_query='set x=1'\n    changed: as [pool.rep], but for connect_query",
            "a.ini:5: pool_mode = transaction\n    kept: as pool.*.mode",
            "a.ini:9: tcp_keepalive = 1\n    no equal: Weir sets its sockets itself",
            "a.ini:13: ann = pool_size=3\n    kept: while Weir runs this file",
        ] {
            assert!(text.contains(part), "{part}\n---\n{text}");
        }
        assert!(
            text.ends_with("6 kept, 2 changed, 2 without an equal\n"),
            "{text}"
        );
    }

    #[test]
    fn the_toml_that_comes_out_is_one_that_weir_reads() {
        let written = Written::read(&lines()).unwrap();
        let meaning = Meaning::of(&written, &Beside::default());
        let text = toml("a.ini", &written, &meaning);
        assert!(!text.contains("hidden"), "{text}");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("u.txt"), "\"ann\" \"x\"\n").unwrap();
        let file = dir.path().join("weir.toml");
        let environment = [("WEIR_MAIN_PASSWORD".to_owned(), "p".to_owned())]
            .into_iter()
            .collect();
        let config = crate::config::read(&file, &text, &environment);
        let config = config.unwrap_or_else(|faults| panic!("{faults}\n---\n{text}"));
        let pools: Vec<&str> = config.pooler.pools.iter().map(|p| &*p.database).collect();
        assert_eq!(pools, ["app", "rep"]);
        assert_eq!(config.pooler.pools[0].server.user.as_deref(), Some("u"));
        assert_eq!(config.pooler.admin_users.len(), 2);
    }

    #[test]
    fn what_was_written_in_vain_is_told_at_the_start_and_defaults_are_not() {
        let written = |name, value: &str| in_vain((name, value.to_owned()));
        assert_eq!(written("tcp_keepalive", "1"), None);
        assert!(
            written("dns_max_ttl", "3")
                .unwrap()
                .starts_with("dns_max_ttl = 3 has no effect")
        );
        assert_eq!(written("pool_mode", "session"), None);
    }
}
