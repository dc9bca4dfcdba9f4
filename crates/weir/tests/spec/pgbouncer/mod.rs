//! `weir pgbouncer` behaves as PgBouncer does: command line, file, console, signals, log.
//!
//! What is asserted is what a script, an exporter or a driver sees; docs/pgbouncer.md tells what
//! differs.

mod console;
mod file;
mod limits;
mod process;
mod timeouts;

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::{SOON, connect, postgres, until};

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A running `weir pgbouncer`. It is killed when this is dropped.
struct Bouncer {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Bouncer {
    /// `databases`: lines of `[databases]`, where `PG` stands for host and port; `main`: lines of
    /// `[pgbouncer]`, over: trust, statement statistics off, `postgres` may use the console.
    fn start(databases: &str, main: &str) -> Self {
        Self::start_with(databases, main, &[])
    }

    fn start_with(databases: &str, main: &str, args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut bouncer = Self {
            child: Command::new("true").spawn().unwrap(),
            port,
            dir,
        };
        bouncer.write(databases, main);
        bouncer.child = bouncer.command(args).spawn().unwrap();
        until("weir pgbouncer is up", SOON, || {
            assert_eq!(
                bouncer.child.try_wait().unwrap(),
                None,
                "it ended: {}",
                bouncer.log()
            );
            bouncer.log().contains("process up:").then_some(())
        });
        bouncer
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("test.ini")
    }

    fn write(&self, databases: &str, main: &str) {
        let pg = format!("host=127.0.0.1 port={}", postgres().port());
        let text = format!(
            "[databases]\n{}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir = {}\nlogfile = {}\nauth_type = trust\nadmin_users = postgres\n\
             auth_file = {}\n{main}\n",
            databases.replace("PG", &pg),
            self.port,
            self.dir.path().display(),
            self.dir.path().join("test.log").display(),
            self.dir.path().join("users.txt").display(),
        );
        std::fs::write(self.file(), text).unwrap();
        let users = "\"postgres\" \"\"\n\"ann\" \"\"\n\"bob\" \"\"\n\"reader\" \"\"\n";
        std::fs::write(self.dir.path().join("users.txt"), users).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command
            .args(["pgbouncer", "--quiet"])
            .args(args)
            .arg(self.file())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("test.log")).unwrap_or_default()
    }

    fn until_logs(&self, text: &str) {
        let mut seen = String::new();
        until(&format!("the log has `{text}`"), SOON, || {
            seen = self.log();
            seen.contains(text).then_some(())
        });
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        until("weir pgbouncer ends", SOON, || {
            self.child.try_wait().unwrap()
        })
    }

    async fn client(&self, database: &str, user: &str) -> Client {
        let who = format!("dbname={database} user={user}");
        connect(self.port, &who)
            .await
            .unwrap_or_else(|fault| panic!("{database}/{user}: {fault:?}\n{}", self.log()))
    }

    async fn admin(&self) -> Client {
        self.client("pgbouncer", "postgres").await
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log\n{}---", self.log());
        }
    }
}

/// A command of the console, which must be carried out.
async fn order(admin: &Client, sql: &str) {
    if let Err(fault) = admin.simple_query(sql).await {
        panic!("{sql}: {}", crate::support::told(&fault));
    }
}

/// The rows of a SHOW, each as (column, value).
async fn show(admin: &Client, sql: &str) -> Vec<Vec<(String, String)>> {
    let messages = admin.simple_query(sql).await.unwrap();
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            let names = row.columns().iter().map(|c| c.name().to_owned());
            let values = (0..row.len()).map(|at| row.get(at).unwrap_or("(null)").to_owned());
            rows.push(names.zip(values).collect());
        }
    }
    rows
}

/// The value of `column` in the row whose `key` is `is`.
fn cell(rows: &[Vec<(String, String)>], (key, is): (&str, &str), column: &str) -> String {
    let value = |row: &[(String, String)], name: &str| {
        row.iter().find(|(c, _)| c == name).map(|(_, v)| v.clone())
    };
    rows.iter()
        .find(|row| value(row, key).as_deref() == Some(is))
        .and_then(|row| value(row, column))
        .unwrap_or_else(|| panic!("no {column} where {key} = {is} in {rows:?}"))
}

/// SQLSTATE and text of a login that must be refused.
async fn refused_login(bouncer: &Bouncer, database: &str, user: &str) -> String {
    let who = format!("dbname={database} user={user}");
    match connect(bouncer.port, &who).await {
        Ok(_) => panic!("{database}/{user} got in"),
        Err(fault) => crate::support::told(&fault),
    }
}
