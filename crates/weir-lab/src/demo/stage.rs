//! The stage: everything that runs during a replay, set up in order and torn down in reverse.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio_postgres::Client;

use super::dashboard::Dashboard;
use super::users::Users;
use super::weir::{Weir, WeirSetup};
use super::{DemoError, shop};
use crate::pg::{PgOptions, PrivatePostgres, connect};

/// How the stage shall be.
pub(crate) struct StageSetup<'a> {
    pub(crate) pg_bin: Option<PathBuf>,
    pub(crate) weir_exe: &'a Path,
    pub(crate) seed: u64,
    /// Arrivals per second at the beginning.
    pub(crate) rate: f64,
    pub(crate) max_connections: u32,
    pub(crate) server_lifetime: Option<&'a str>,
    /// Each page also counts itself on a row that it shares with others.
    pub(crate) counts_views: bool,
    /// Port of Weir's API; `None`: any free one.
    pub(crate) api: Option<u16>,
    /// Rows of `order_items`.
    pub(crate) items: u32,
}

/// Fields are dropped in the order in which they stand: users go first, PostgreSQL last.
pub(crate) struct Stage {
    pub(crate) users: Users,
    pub(crate) dashboard: Dashboard,
    pub(crate) weir: Weir,
    pub(crate) postgres: Postgres,
    _dir: TempDir,
}

/// The server, for whom several tasks may ask and which is slow to stop.
#[derive(Clone)]
pub(crate) struct Postgres {
    server: Arc<Mutex<PrivatePostgres>>,
    pub(crate) port: u16,
    pub(crate) version: String,
}

impl Postgres {
    /// Past Weir: the way of those who cause trouble, and of the stage hands.
    pub(crate) async fn connect(&self, user: &str, application: &str) -> Result<Client, DemoError> {
        self.session(user, shop::DATABASE, application).await
    }

    async fn session(
        &self,
        user: &str,
        database: &str,
        application: &str,
    ) -> Result<Client, DemoError> {
        connect(self.port, user, database, application)
            .await
            .map_err(|source| DemoError::Sql {
                doing: "opening a session",
                source,
            })
    }

    /// Does something slow with the server where it doesn't hold up the users.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut PrivatePostgres) -> T + Send + 'static,
    ) -> Option<T> {
        let server = Arc::clone(&self.server);
        tokio::task::spawn_blocking(move || {
            act(&mut server.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await
        .ok()
    }
}

impl Stage {
    /// Sets everything up. Takes a few seconds, most of it for loading the shop.
    pub(crate) async fn set(setup: StageSetup<'_>) -> Result<Self, DemoError> {
        let dir = tempfile::Builder::new()
            .prefix("weir-demo-")
            .tempdir()
            .map_err(DemoError::io("couldn't create a temporary folder"))?;
        let options = PgOptions {
            pg_bin: setup.pg_bin.clone(),
            max_connections: setup.max_connections,
            settings: [
                // One query one process, so that "two cores" means the same for every plan.
                ("max_parallel_workers_per_gather", "0"),
                ("jit", "off"),
                ("log_min_messages", "warning"),
                // Drowns the log in the replay of server_down otherwise.
                ("log_min_error_statement", "panic"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
            scram_users: Vec::new(),
        };
        let server = tokio::task::spawn_blocking(move || PrivatePostgres::start(&options))
            .await
            .map_err(|_| {
                DemoError::io("the starting thread panicked")(std::io::Error::other("panic"))
            })??;
        let postgres = Postgres {
            port: server.port(),
            version: server.version().to_owned(),
            server: Arc::new(Mutex::new(server)),
        };
        let admin = postgres
            .session("postgres", "postgres", "weir-demo")
            .await?;
        shop::load(&admin, setup.items, || {
            postgres.connect("postgres", "weir-demo")
        })
        .await?;
        drop(admin);
        let weir = Weir::start(WeirSetup {
            exe: setup.weir_exe,
            dir: dir.path(),
            postgres_port: postgres.port,
            server_lifetime: setup.server_lifetime,
            api: setup.api,
        })
        .await?;
        let dashboard = Dashboard::start(weir.port, setup.counts_views).await?;
        let users = Users::start(dashboard.addr, setup.seed, setup.rate);
        Ok(Self {
            users,
            dashboard,
            weir,
            postgres,
            _dir: dir,
        })
    }
}
