//! `weir check`: would this configuration work here? Asked of the machine and of PostgreSQL, before
//! a client has to find out.
//!
//! Each line says what was looked at, what was found, and where it is wrong, what to do. Nothing is
//! changed anywhere: the listen addresses are taken for an instant, and PostgreSQL is only read.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};
use weir_model::{PoolSettings, ServerSettings};

use crate::Failed;
use crate::cli::CheckArgs;
use crate::config::Config;

/// A server that takes longer than this to answer one question fails the line.
const PATIENCE: Duration = Duration::from_secs(5);

/// PostgreSQL that Weir is tested with.
const VERSIONS: std::ops::RangeInclusive<i32> = 13..=18;

/// Descriptors that Weir needs besides clients and servers: log, store, API, epoll, timers.
const OWN_FILES: u64 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Ok,
    /// It works, and not as well as it could.
    Warn,
    /// It doesn't.
    Fail,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What was looked at, and what was found.
#[derive(Clone, Debug)]
struct Line {
    /// Stands in docs/check.md.
    code: &'static str,
    /// `server main`, `listen 127.0.0.1:6432`.
    of: String,
    verdict: Verdict,
    says: String,
    /// What to do; empty where nothing is wrong.
    fix: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<4} {} {}: {}",
            self.verdict.name(),
            self.code,
            self.of,
            self.says
        )?;
        if !self.fix.is_empty() {
            write!(f, "\n     -> {}", self.fix)?;
        }
        Ok(())
    }
}

/// The lines of one check, in the order in which things would be needed.
#[derive(Debug, Default)]
struct Lines(Vec<Line>);

impl Lines {
    fn add(&mut self, code: &'static str, of: &str, verdict: Verdict, says: String, fix: &str) {
        self.0.push(Line {
            code,
            of: of.to_owned(),
            verdict,
            says,
            fix: fix.to_owned(),
        });
    }

    fn ok(&mut self, code: &'static str, of: &str, says: String) {
        self.add(code, of, Verdict::Ok, says, "");
    }

    fn worst(&self) -> Verdict {
        let verdicts = self.0.iter().map(|line| line.verdict);
        verdicts.max().unwrap_or(Verdict::Ok)
    }

    fn json(&self) -> Value {
        let lines: Vec<Value> = self
            .0
            .iter()
            .map(|line| {
                json!({
                    "code": line.code,
                    "of": line.of,
                    "verdict": line.verdict.name(),
                    "says": line.says,
                    "fix": line.fix,
                })
            })
            .collect();
        json!({ "schema": "weir.check/1", "verdict": self.worst().name(), "lines": lines })
    }
}

/// `weir check FILE`. Fails where a line does.
pub(crate) fn check(args: &CheckArgs) -> Result<(), Failed> {
    let config = crate::run::read_file(&args.file, &crate::clock::environment())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("couldn't start")?;
    let mut lines = Lines::default();
    lines.ok(
        "P001",
        &args.file.display().to_string(),
        format!(
            "read: {} pool section(s), {} server section(s)",
            config.pooler.pools.len(),
            config.servers.len()
        ),
    );
    open_files(&mut lines, &config);
    runtime.block_on(async {
        listen(&mut lines, &config).await;
        for server in &config.servers {
            check_server(&mut lines, &config, server).await;
        }
    });
    let text = match args.output.as_str() {
        "json" => format!("{:#}", lines.json()),
        _ => lines
            .0
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    };
    crate::say(&text);
    match lines.worst() {
        Verdict::Fail => {
            let failed = lines.0.iter().filter(|line| line.verdict == Verdict::Fail);
            Err(anyhow!("{} of {} checks failed", failed.count(), lines.0.len()).into())
        }
        Verdict::Ok | Verdict::Warn => Ok(()),
    }
}

/// Soft limit on open files, of `/proc/self/limits`.
fn files_allowed() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

fn open_files(lines: &mut Lines, config: &Config) {
    let Some(allowed) = files_allowed() else {
        return;
    };
    let servers: u64 = config
        .pooler
        .pools
        .iter()
        .map(|pool| u64::from(pool.size.max().unwrap_or(pool.size.initial())))
        .sum();
    let clients = u64::from(config.pooler.client_max);
    let wanted = clients + servers + OWN_FILES;
    let says = format!(
        "{allowed} allowed, {wanted} wanted ({clients} clients, {servers} servers, {OWN_FILES} of Weir's own)"
    );
    if allowed < wanted {
        lines.add(
            "P002",
            "open files",
            Verdict::Warn,
            says,
            &format!(
                "`ulimit -n {wanted}`, or LimitNOFILE={wanted} in the unit, or a lower client_max"
            ),
        );
    } else {
        lines.ok("P002", "open files", says);
    }
}

async fn listen(lines: &mut Lines, config: &Config) {
    for address in &config.listen {
        let of = format!("listen {address}");
        // A Unix socket's directory must be there and be ours to write.
        if address.starts_with('/') {
            let dir = address
                .rsplit_once(':')
                .map_or(address.as_str(), |(d, _)| d);
            match std::fs::metadata(dir) {
                Ok(found) if found.is_dir() => {
                    lines.ok("P003", &of, "the directory is there".into())
                }
                Ok(_) => lines.add(
                    "P003",
                    &of,
                    Verdict::Fail,
                    format!("{dir} is no directory"),
                    "name the directory, not the socket",
                ),
                Err(why) => lines.add(
                    "P003",
                    &of,
                    Verdict::Fail,
                    why.to_string(),
                    &format!("mkdir -p {dir}, owned by the user that runs Weir"),
                ),
            }
            continue;
        }
        let address = address.replace('*', "0.0.0.0");
        match TcpListener::bind(&*address).await {
            Ok(_) => lines.ok("P003", &of, "free".into()),
            Err(why) if why.kind() == std::io::ErrorKind::AddrInUse => lines.add(
                "P003",
                &of,
                Verdict::Warn,
                "taken: perhaps by the Weir or PgBouncer that runs already".into(),
                "stop that one first, or choose another port",
            ),
            Err(why) => lines.add(
                "P003",
                &of,
                Verdict::Fail,
                why.to_string(),
                "choose an address of this machine",
            ),
        }
    }
}

/// Name → address → answer → login → rights → arithmetic. Stops at the first that fails: what
/// follows would only fail for the same reason.
async fn check_server(lines: &mut Lines, config: &Config, server: &ServerSettings) {
    let of = format!("server {}", server.name);
    if !server.host.starts_with('/') {
        let Some(address) = resolve(lines, &of, server).await else {
            return;
        };
        if !reach(lines, &of, address).await {
            return;
        }
    }
    let Some(user) = server.watch_user.clone().or_else(|| server.user.clone()) else {
        lines.add(
            "P006",
            &of,
            Verdict::Warn,
            "no user to watch with: Weir sees its own side only, and names fewer causes".into(),
            "watch = { user = \"weir_monitor\" }, and in PostgreSQL: CREATE ROLE weir_monitor LOGIN; GRANT pg_monitor TO weir_monitor",
        );
        return;
    };
    let Some(client) = log_in(lines, &of, server, &user).await else {
        return;
    };
    let asked = timeout(PATIENCE, questions(lines, &of, config, server, &client)).await;
    let failed = match asked {
        Ok(Ok(())) => return,
        Ok(Err(fault)) => says(&fault),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    lines.add(
        "P009",
        &of,
        Verdict::Fail,
        format!("a question went wrong: {failed}"),
        "look into PostgreSQL's log at this second",
    );
}

async fn resolve(lines: &mut Lines, of: &str, server: &ServerSettings) -> Option<SocketAddr> {
    let name = &*server.host;
    let found = timeout(PATIENCE, lookup_host((name, server.port))).await;
    let (wrong, fix) = match found {
        Ok(Ok(addresses)) => {
            let all: Vec<SocketAddr> = addresses.collect();
            if let Some(first) = all.first() {
                if name.parse::<std::net::IpAddr>().is_err() {
                    let listed: Vec<String> = all.iter().map(|a| a.ip().to_string()).collect();
                    lines.ok("P004", of, format!("{name} is {}", listed.join(", ")));
                }
                return Some(*first);
            }
            ("has no address".to_owned(), "check the name's DNS record")
        }
        Ok(Err(why)) => (
            why.to_string(),
            "check the name, /etc/resolv.conf and the search domains",
        ),
        Err(_) => (
            format!("not resolved within {} s", PATIENCE.as_secs()),
            "the name server doesn't answer: check /etc/resolv.conf",
        ),
    };
    lines.add("P004", of, Verdict::Fail, format!("{name}: {wrong}"), fix);
    None
}

async fn reach(lines: &mut Lines, of: &str, address: SocketAddr) -> bool {
    let begun = tokio::time::Instant::now();
    let (wrong, fix) = match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => {
            let took = begun.elapsed();
            lines.ok(
                "P005",
                of,
                format!("{address} answers after {:.1} ms", took.as_secs_f64() * 1e3),
            );
            return true;
        }
        Ok(Err(why)) if why.kind() == std::io::ErrorKind::ConnectionRefused => (
            "refused: nothing listens there".to_owned(),
            "is PostgreSQL up, and does listen_addresses include this address? Is the port right?",
        ),
        Ok(Err(why)) => (why.to_string(), "check the route and the firewall"),
        Err(_) => (
            format!("no answer within {} s", PATIENCE.as_secs()),
            "packets are dropped on the way: check the firewall or security group",
        ),
    };
    lines.add(
        "P005",
        of,
        Verdict::Fail,
        format!("{address}: {wrong}"),
        fix,
    );
    false
}

async fn log_in(
    lines: &mut Lines,
    of: &str,
    server: &ServerSettings,
    user: &str,
) -> Option<Client> {
    let database = server.watch_database.as_deref().unwrap_or("postgres");
    let mut login = tokio_postgres::Config::new();
    login
        .host(&*server.host)
        .port(server.port)
        .user(user)
        .dbname(database)
        .application_name("weir:check")
        .connect_timeout(PATIENCE);
    let password = server.watch_password.as_ref().or(server.password.as_ref());
    if let Some(password) = password {
        login.password(&*password.0);
    }
    match timeout(PATIENCE, login.connect(NoTls)).await {
        Ok(Ok((client, connection))) => {
            tokio::spawn(connection);
            lines.ok("P006", of, format!("{user} may log in to {database}"));
            Some(client)
        }
        Ok(Err(fault)) => {
            let (wrong, fix) = refused(&fault, user);
            lines.add("P006", of, Verdict::Fail, wrong, &fix);
            None
        }
        Err(_) => {
            lines.add(
                "P006",
                of,
                Verdict::Fail,
                format!("{user}'s login got no answer within {} s", PATIENCE.as_secs()),
                "PostgreSQL accepts connections and doesn't serve them: is it starting up, or out of processes?",
            );
            None
        }
    }
}

/// What PostgreSQL's refusal means, and what to do about it.
fn refused(fault: &tokio_postgres::Error, user: &str) -> (String, String) {
    let fix = match fault.code().map(tokio_postgres::error::SqlState::code) {
        Some("28P01") => format!(
            "the password of {user} is wrong here, or not set: watch = {{ user, password }}"
        ),
        Some("28000") => {
            format!("pg_hba.conf has no line for {user} from this machine; or it wants TLS")
        }
        Some("3D000") => "create that database, or set watch = { database }".to_owned(),
        Some("53300") => {
            "max_connections is reached at this moment: see who holds them (pg_stat_activity)"
                .to_owned()
        }
        Some("57P03") => "PostgreSQL is starting up or recovering: try again".to_owned(),
        _ if password_missing(fault) => {
            format!("PostgreSQL asks {user} for a password and none is configured")
        }
        _ => "look into PostgreSQL's log at this second".to_owned(),
    };
    (says(fault), fix)
}

fn password_missing(fault: &tokio_postgres::Error) -> bool {
    says(fault).contains("password missing")
}

/// The error with its causes, in one line.
fn says(fault: &tokio_postgres::Error) -> String {
    use std::error::Error as _;

    let mut text = match fault.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()),
        None => fault.to_string(),
    };
    if fault.as_db_error().is_none() {
        let mut next = fault.source();
        while let Some(source) = next {
            text = format!("{text}: {source}");
            next = source.source();
        }
    }
    text
}

/// What is asked of a server that let us in.
async fn questions(
    lines: &mut Lines,
    of: &str,
    config: &Config,
    server: &ServerSettings,
    client: &Client,
) -> Result<(), tokio_postgres::Error> {
    version_and_rights(lines, of, client).await?;
    let pools: Vec<&PoolSettings> = config
        .pooler
        .pools
        .iter()
        .filter(|pool| pool.server.name == server.name)
        .collect();
    budget(lines, of, &pools, config.budgets.get(&server.name), client).await?;
    databases(lines, of, &pools, client).await
}

async fn version_and_rights(
    lines: &mut Lines,
    of: &str,
    client: &Client,
) -> Result<(), tokio_postgres::Error> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::int4 / 10000,
                    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')",
            &[],
        )
        .await?;
    let (name, major): (String, i32) = (row.try_get(0)?, row.try_get(1)?);
    if VERSIONS.contains(&major) {
        lines.ok("P007", of, format!("PostgreSQL {name}"));
    } else {
        lines.add(
            "P007",
            of,
            Verdict::Warn,
            format!(
                "PostgreSQL {name}: Weir is tested with {} to {}",
                VERSIONS.start(),
                VERSIONS.end()
            ),
            "watch the log: sensors that this version doesn't have are left out",
        );
    }
    if row.try_get(2)? {
        lines.ok(
            "P008",
            of,
            "the watch user sees everybody's activity".into(),
        );
    } else {
        lines.add(
            "P008",
            of,
            Verdict::Warn,
            "the watch user doesn't see what others do: blockers and outside consumers stay nameless".into(),
            "GRANT pg_monitor TO <watch user>",
        );
    }
    Ok(())
}

/// Do all pools together fit into what the server has for them?
async fn budget(
    lines: &mut Lines,
    of: &str,
    pools: &[&PoolSettings],
    cap: Option<&u32>,
    client: &Client,
) -> Result<(), tokio_postgres::Error> {
    let row = client
        .query_one(
            "SELECT current_setting('max_connections')::int8,
                    current_setting('superuser_reserved_connections')::int8
                      + coalesce(nullif(current_setting('reserved_connections', true), '')::int8, 0),
                    (SELECT count(*) FROM pg_stat_activity
                      WHERE datid IS NOT NULL AND application_name NOT LIKE 'weir:%' AND backend_type IS DISTINCT FROM 'autovacuum worker')",
            &[],
        )
        .await?;
    let (most, reserved, others): (i64, i64, i64) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (line, fix) = sum(most, reserved, others, pools, cap.copied());
    let verdict = if fix.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Fail
    };
    lines.add("P010", of, verdict, line, &fix);
    Ok(())
}

/// The arithmetic of `max_connections`, as a sentence; and what to do where it doesn't come out.
fn sum(
    most: i64,
    reserved: i64,
    others: i64,
    pools: &[&PoolSettings],
    cap: Option<u32>,
) -> (String, String) {
    let left = most - reserved - others - 1;
    let left = cap.map_or(left, |cap| left.min(i64::from(cap)));
    // What is sure to be asked for: a regulated pool gives way down to its minimum.
    let least: i64 = pools.iter().map(|p| i64::from(p.size.min())).sum();
    let open: usize = pools.iter().filter(|p| p.size.max().is_none()).count();
    let most_wanted: i64 = pools
        .iter()
        .filter_map(|p| p.size.max())
        .map(i64::from)
        .sum();
    let line = format!(
        "max_connections {most} - {reserved} reserved - {others} of others now - 1 to watch{} leaves {left}; the pools take {least} at least{}{}",
        cap.map(|cap| format!(", budget {cap}")).unwrap_or_default(),
        if most_wanted > 0 {
            format!(", {most_wanted} at most")
        } else {
            String::new()
        },
        if open > 0 {
            format!(" ({open} as many as there are)")
        } else {
            String::new()
        },
    );
    let fix = if least > left {
        format!(
            "the pools can't all have their minimum: lower size.min by {} in all, or raise max_connections",
            least - left
        )
    } else {
        String::new()
    };
    (line, fix)
}

/// Every database that a pool names is there.
async fn databases(
    lines: &mut Lines,
    of: &str,
    pools: &[&PoolSettings],
    client: &Client,
) -> Result<(), tokio_postgres::Error> {
    let wanted: BTreeSet<Arc<str>> = pools
        .iter()
        .filter(|pool| &*pool.database != "*")
        .map(|pool| {
            pool.server_database
                .clone()
                .unwrap_or_else(|| Arc::clone(&pool.database))
        })
        .collect();
    let rows = client
        .query(
            "SELECT datname::text FROM pg_database WHERE datallowconn",
            &[],
        )
        .await?;
    let there: BTreeSet<String> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?;
    for name in wanted {
        if there.contains(&*name) {
            lines.ok("P011", of, format!("database {name} is there"));
        } else {
            let known: Vec<&str> = there.iter().map(String::as_str).take(20).collect();
            lines.add(
                "P011",
                of,
                Verdict::Fail,
                format!("there is no database {name}"),
                &format!("there is {}; [pool.x] database = \"…\"", known.join(", ")),
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use weir_model::PoolSize;

    use super::*;

    fn pool(min: u32, max: Option<u32>) -> PoolSettings {
        let size = |n| NonZeroU32::new(n).unwrap();
        PoolSettings {
            size: PoolSize::Regulated {
                min: size(min),
                max: max.map(size),
                initial: size(min),
            },
            ..PoolSettings::any(ServerSettings::at("127.0.0.1", 5432))
        }
    }

    #[test]
    fn pools_whose_minima_fit_are_fine_whatever_their_maxima() {
        let (a, b) = (pool(10, Some(40)), pool(5, None));
        let (line, fix) = sum(100, 3, 20, &[&a, &b], None);
        assert_eq!(fix, "");
        assert_eq!(
            line,
            "max_connections 100 - 3 reserved - 20 of others now - 1 to watch leaves 76; the pools take 15 at least, 40 at most (1 as many as there are)"
        );
    }

    #[test]
    fn pools_whose_minima_do_not_fit_are_told_by_how_much() {
        let (a, b) = (pool(50, Some(60)), pool(40, None));
        let (_, fix) = sum(100, 3, 20, &[&a, &b], None);
        assert!(fix.contains("by 14 in all"), "{fix}");
    }

    #[test]
    fn a_budget_of_the_operator_binds_too() {
        let a = pool(30, Some(60));
        let (line, fix) = sum(100, 3, 0, &[&a], Some(20));
        assert!(line.contains("budget 20 leaves 20"), "{line}");
        assert!(fix.contains("by 10 in all"), "{fix}");
    }

    #[test]
    fn the_worst_line_is_the_verdict() {
        let mut lines = Lines::default();
        assert_eq!(lines.worst(), Verdict::Ok);
        lines.ok("P001", "a", "b".into());
        lines.add("P002", "a", Verdict::Warn, "b".into(), "c");
        assert_eq!(lines.worst(), Verdict::Warn);
        assert_eq!(lines.json()["lines"][1]["fix"], "c");
        assert_eq!(lines.0[1].to_string(), "warn P002 a: b\n     -> c");
    }
}
