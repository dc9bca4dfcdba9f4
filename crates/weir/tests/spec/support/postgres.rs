//! The PostgreSQL that all tests share. It stops when the test process ends, however it ends.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use weir_lab::pg::{PgOptions, PrivatePostgres};

use super::{SOON, until};

/// A private PostgreSQL, asked without an async runtime.
pub(crate) struct Pg(pub(crate) PrivatePostgres);

/// The shared one: 300 slots, pgbench's tables, a second database, users for each way to log in.
///
/// Users on the server side: `postgres`, `ann`, `bob` (trusted), `scram_user`, `md5_user` (must
/// prove themselves, password `secret`), `free_scram` (trusted, has a SCRAM verifier).
pub(crate) fn postgres() -> &'static Pg {
    static SHARED: OnceLock<Pg> = OnceLock::new();
    SHARED.get_or_init(|| {
        let pg = Pg::start(PgOptions {
            max_connections: 300,
            scram_users: vec!["scram_user".to_owned()],
            ..PgOptions::for_tests()
        });
        let hba = pg.0.socket_dir().join("data/pg_hba.conf");
        let rules = std::fs::read_to_string(&hba).unwrap();
        std::fs::write(&hba, format!("host all md5_user 127.0.0.1/32 md5\n{rules}")).unwrap();
        let sql = "SELECT pg_reload_conf(); CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN;
             SET password_encryption='scram-sha-256';
             CREATE ROLE scram_user LOGIN PASSWORD 'secret';
             CREATE ROLE free_scram LOGIN PASSWORD 'secret';
             SET password_encryption='md5';
             CREATE ROLE md5_user LOGIN PASSWORD 'secret';
             RESET password_encryption;
             GRANT ALL ON SCHEMA public TO PUBLIC;";
        // One session, for SET holds no longer.
        pg.sql(sql);
        if let Some(mut bench) = program("pgbench", pg.0.port()) {
            let out = bench.args(["-i", "-q", "-s", "2"]).output().unwrap();
            assert!(out.status.success(), "{out:?}");
        }
        pg
    })
}

impl Pg {
    /// One of a test's own.
    pub(crate) fn start(options: PgOptions) -> Self {
        Self(PrivatePostgres::start(&options).expect("a private PostgreSQL"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port()
    }

    /// Runs SQL directly, as superuser; the rows as text.
    pub(crate) fn sql(&self, sql: &str) -> String {
        // A thread of its own: whoever asks may be inside a runtime already.
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .unwrap()
                        .block_on(self.0.sql("postgres", sql))
                        .unwrap_or_else(|fault| panic!("{sql}: {fault:?}"))
                })
                .join()
                .unwrap()
        })
    }

    /// Waits until `sql` answers `expected`.
    pub(crate) fn until_says(&self, sql: &str, expected: &str) {
        let mut last = String::new();
        until(&format!("{sql} says {expected}"), SOON, || {
            last = self.sql(sql);
            (last == expected).then_some(())
        });
    }
}

/// One of PostgreSQL's programs as a client of `port`. `None`, with a printed reason, where this
/// installation has none.
pub(crate) fn program(name: &str, port: u16) -> Option<Command> {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    let bin = BIN.get_or_init(|| {
        weir_lab::pg::find(None, std::env::var_os("PATH").as_deref())
            .map(|found| found.bin)
            .unwrap_or_default()
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(bin.clone())
        .chain(std::env::split_paths(&path))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    let Some(found) = found else {
        eprintln!("skipped: no {name} here");
        return None;
    };
    let mut command = Command::new(found);
    command
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", "postgres")
        .env("PGDATABASE", "postgres")
        .env("PGCONNECT_TIMEOUT", "20")
        .env("PGSSLMODE", "disable");
    Some(command)
}

/// What a program wrote, both ways.
pub(crate) fn said(out: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    )
}
