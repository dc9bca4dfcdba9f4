//! The user dashboard: an ordinary small web service with a database behind a pooler.
//!
//! A page is one transaction of three queries. The service holds a bounded number of client
//! connections to the pooler, opened when first needed and kept. A page waits up to
//! [`CLIENT_WAIT`] for one of them if all are taken, then fails, as with the pool time-out that
//! web frameworks have: without it every page would be served when its user has just left, and
//! an overload would outlive its cause. A page that isn't done in [`PAGE_LIMIT`] is given up: its
//! connection is closed, as most drivers do, for nobody knows what would still come over it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_postgres::{Client, NoTls};

use super::{DemoError, shop};

/// How long a page may take.
pub(crate) const PAGE_LIMIT: Duration = Duration::from_secs(5);
/// Client connections of the service: enough that a queue stands in the pooler too, where it is
/// measured.
const CLIENTS_MAX: usize = 150;
/// How long a page waits for one of them.
const CLIENT_WAIT: Duration = Duration::from_secs(2);
/// How long the recommendation service takes. It would need no transaction.
const RECOMMENDATION: Duration = Duration::from_millis(120);

/// A client connection that closes at once when dropped.
struct Session {
    client: Client,
    connection: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Why a page failed.
#[derive(Debug)]
enum PageFault {
    Busy,
    TooLate,
    Database,
}

struct App {
    /// Where the database seems to be: Weir's port.
    database_port: u16,
    idle: Mutex<Vec<Session>>,
    slots: Semaphore,
    /// The release under trial asks the recommendation service inside its transaction.
    recommends_inside: AtomicBool,
    /// The replay of row locks: each page counts itself on a shared row.
    counts_views: bool,
}

/// The running service.
pub(crate) struct Dashboard {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    app: Arc<App>,
    server: AbortHandle,
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.server.abort();
        self.app.idle().clear();
    }
}

impl Dashboard {
    /// Starts it on a free port of the loopback.
    pub(crate) async fn start(database_port: u16, counts_views: bool) -> Result<Self, DemoError> {
        let app = Arc::new(App {
            database_port,
            idle: Mutex::new(Vec::new()),
            slots: Semaphore::new(CLIENTS_MAX),
            recommends_inside: AtomicBool::new(false),
            counts_views,
        });
        let router = Router::new()
            .route("/dashboard/{user}", get(page))
            .with_state(Arc::clone(&app));
        let trouble = || DemoError::io("couldn't listen on 127.0.0.1 for the dashboard");
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(trouble())?;
        let addr = listener.local_addr().map_err(trouble())?;
        let server = tokio::spawn(async move {
            // Only ends by being aborted; axum retries failed accepts itself.
            let _ = axum::serve(listener, router).await;
        })
        .abort_handle();
        Ok(Self { addr, app, server })
    }

    /// Rolls the release out that asks the recommendation service inside its transaction, or back.
    pub(crate) fn release(&self, recommends_inside: bool) {
        self.app
            .recommends_inside
            .store(recommends_inside, Ordering::Relaxed);
    }

    /// Closes all connections that are idle now, as a deploy does. They come back as needed.
    /// Returns how many it closed.
    pub(crate) fn reconnect(&self) -> usize {
        std::mem::take(&mut *self.app.idle()).len()
    }

    /// Opens `count` connections at once and keeps them.
    pub(crate) async fn connect_wave(&self, count: usize) {
        let mut wave = tokio::task::JoinSet::new();
        for _ in 0..count.min(CLIENTS_MAX) {
            let app = Arc::clone(&self.app);
            wave.spawn(async move {
                if let Ok(session) = app.connect().await {
                    app.keep(session);
                }
            });
        }
        wave.join_all().await;
    }
}

impl App {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        // A panic elsewhere can't leave a Vec half pushed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, session: Session) {
        let mut idle = self.idle();
        if idle.len() < CLIENTS_MAX {
            idle.push(session);
        }
    }

    async fn connect(&self) -> Result<Session, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.database_port)
            .user(shop::USER)
            .dbname(shop::DATABASE)
            .application_name("user-dashboard");
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        })
        .abort_handle();
        Ok(Session { client, connection })
    }

    async fn page(&self, user: usize) -> Result<usize, PageFault> {
        let _slot = tokio::time::timeout(CLIENT_WAIT, self.slots.acquire())
            .await
            .map_err(|_| PageFault::Busy)?;
        let kept = loop {
            let next = self.idle().pop();
            match next {
                Some(session) if session.client.is_closed() => {}
                other => break other,
            }
        };
        let session = match kept {
            Some(session) => session,
            None => self.connect().await.map_err(|_| PageFault::Database)?,
        };
        // If this is dropped half-way (the page took too long), so is the session, and closed.
        let rows = self
            .transaction(&session.client, user)
            .await
            .map_err(|_| PageFault::Database)?;
        self.keep(session);
        Ok(rows)
    }

    async fn transaction(
        &self,
        client: &Client,
        user: usize,
    ) -> Result<usize, tokio_postgres::Error> {
        client.batch_execute("BEGIN").await?;
        // Unnamed statements: texts that carry a user id would fill every statement cache.
        let mut rows = client.query_typed(&shop::profile(user), &[]).await?.len();
        if self.recommends_inside.load(Ordering::Relaxed) {
            tokio::time::sleep(RECOMMENDATION).await;
        }
        rows += client
            .query_typed(&shop::latest_orders(user), &[])
            .await?
            .len();
        rows += client
            .query_typed(&shop::recommended(user), &[])
            .await?
            .len();
        if self.counts_views {
            client.query_typed(&shop::count_view(user), &[]).await?;
        }
        client.batch_execute("COMMIT").await?;
        Ok(rows)
    }
}

async fn page(State(app): State<Arc<App>>, Path(user): Path<usize>) -> (StatusCode, String) {
    let answer = match tokio::time::timeout(PAGE_LIMIT, app.page(user)).await {
        Ok(answer) => answer,
        Err(_) => Err(PageFault::TooLate),
    };
    match answer {
        Ok(rows) => (StatusCode::OK, format!("user {user}: {rows} rows\n")),
        Err(PageFault::Busy) => (StatusCode::SERVICE_UNAVAILABLE, "busy\n".to_owned()),
        Err(PageFault::TooLate) => (StatusCode::GATEWAY_TIMEOUT, "too late\n".to_owned()),
        Err(PageFault::Database) => (StatusCode::BAD_GATEWAY, "no database\n".to_owned()),
    }
}
