//! The watch connection: one look at PostgreSQL a second, on a connection outside the pools.
//!
//! # What holds
//! - One look at a time. A look that takes longer than [`LOOK_MAX`] is told as [`WatchFailure::Late`] once a
//!   second and nothing is queued behind it; after [`LATE_MAX`] such seconds the connection is given up.
//! - A PostgreSQL that goes away is told at once, one that doesn't come back about every second.
//! - Nobody waits for whoever takes the views: where the channel is full, the view is dropped.
//! - Without `pg_monitor` it looks all the same, and says `sees_all = false`.
//!
//! # What is deliberately absent
//! - The civil clock and dice: time is passed in, and the jitter comes from the instance's name.
//! - TLS towards PostgreSQL, as yet.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::{Client, Config, Error, NoTls};
use weir_model::{Instant, PoolKey, ServerSettings};

use super::queries::Questions;
use super::view::{ServerView, WatchFailure};

/// From look to look.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A look that takes longer is late. Above the statement timeout, so that usually PostgreSQL ends it.
pub const LOOK_MAX: Duration = Duration::from_millis(900);
/// After so many late seconds in a row the connection is given up.
pub const LATE_MAX: u32 = 5;
/// Limits and counters are read every so many looks.
pub const LIMITS_EVERY: u64 = 10;
/// Views that wait to be taken.
pub const VIEWS_MAX: usize = 16;
/// Looks on demand come no closer than this.
const DEMAND_GAP: Duration = Duration::from_millis(200);
/// PostgreSQL refuses for a reason that only an operator can remove: don't fill its log.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);
/// What PostgreSQL keeps of a name.
const NAME_MAX: usize = 63;

/// Whom to watch and under which name.
#[derive(Clone, Debug)]
pub struct WatchSettings {
    /// The server, with `watch_user`, `watch_password`, `watch_database`.
    pub server: Arc<ServerSettings>,
    /// The fleet's name, for `application_name`.
    pub cluster: String,
    /// This instance's name in the fleet.
    pub instance: String,
}

/// What the rest of the control plane tells a watch.
#[derive(Clone, Debug, Default)]
pub struct WatchHandle {
    asked: Arc<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    limits: AtomicBool,
    demand: AtomicU32,
    pools: Mutex<Vec<PoolKey>>,
    wake: Notify,
}

impl WatchHandle {
    /// Look now, limits included: a pool wants more than it has.
    pub fn look_now(&self) {
        self.asked.limits.store(true, Ordering::Relaxed);
        self.asked.wake.notify_one();
    }

    /// How many servers this instance would like: advertised in `application_name`, for the fleet.
    pub fn demand(&self, servers: u32) {
        self.asked.demand.store(servers, Ordering::Relaxed);
    }

    /// Whose role and database limits and whose counters are read, by the *server's* names. Until it is
    /// told, that is the watch connection's own database.
    pub fn pools(&self, pools: Vec<PoolKey>) {
        *self
            .asked
            .pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = pools;
    }
}

/// Prepares a watch: a handle, the views as they come, and the future that does it (spawn it). The
/// future spawns nothing and ends when the receiver is dropped.
pub fn watch(
    settings: WatchSettings,
    clock: impl Fn() -> Instant + Send + Sync + 'static,
) -> (
    WatchHandle,
    mpsc::Receiver<ServerView>,
    impl Future<Output = ()> + Send + 'static,
) {
    let (views, receiver) = mpsc::channel(VIEWS_MAX);
    let handle = WatchHandle::default();
    let watcher = Watcher {
        settings,
        clock,
        asked: Arc::clone(&handle.asked),
        views: views.clone(),
    };
    let work = async move {
        tokio::select! {
            () = views.closed() => {}
            () = watcher.work() => {}
        }
    };
    (handle, receiver, work)
}

struct Watcher<C> {
    settings: WatchSettings,
    clock: C,
    asked: Arc<Asked>,
    views: mpsc::Sender<ServerView>,
}

impl<C: Fn() -> Instant + Send + Sync> Watcher<C> {
    async fn work(&self) {
        let Some(config) = self.config() else {
            self.tell((self.clock)(), WatchFailure::NotConfigured);
            // Nothing to do until the receiver goes.
            return std::future::pending().await;
        };
        for attempt in 0_u64.. {
            let failure = match self.connect(&config).await {
                Ok((client, connection)) => {
                    // The connection is driven here and not in a task of its own, so that nothing is
                    // left behind when this future is dropped.
                    tokio::select! {
                        ended = connection => match ended {
                            Ok(()) => WatchFailure::Unreachable("the connection was closed".to_owned()),
                            Err(fault) => failure_of(&fault),
                        },
                        failure = self.looks(&client) => failure,
                    }
                }
                Err(failure) => failure,
            };
            let pause = self.pause(&failure, attempt);
            self.tell((self.clock)(), failure);
            sleep(pause).await;
        }
    }

    fn config(&self) -> Option<Config> {
        let server = &self.settings.server;
        let (user, password) = match (&server.watch_user, &server.user) {
            (Some(user), _) => (user, &server.watch_password),
            (None, Some(user)) => (user, &server.password),
            (None, None) => return None,
        };
        let mut config = Config::new();
        config
            .host(&*server.host)
            .port(server.port)
            .user(&**user)
            .dbname(server.watch_database.as_deref().unwrap_or("postgres"))
            .application_name(self.name())
            .options(
                "-c statement_timeout=500ms -c lock_timeout=100ms -c default_transaction_read_only=on",
            )
            .connect_timeout(server.connect_timeout);
        if let Some(password) = password {
            config.password(&*password.0);
        }
        Some(config)
    }

    /// `weir:<cluster>:<instance>:d=<demand>`. What comes last must not be cut off.
    fn name(&self) -> String {
        let plain = |name: &str| -> String {
            let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            name.chars()
                .map(|c| if keep(c) { c } else { '_' })
                .take(20)
                .collect()
        };
        let demand = self.asked.demand.load(Ordering::Relaxed);
        let cluster = plain(&self.settings.cluster);
        let instance = plain(&self.settings.instance);
        let name = format!("weir:{cluster}:{instance}:d={demand}");
        debug_assert!(name.len() <= NAME_MAX);
        name
    }

    fn tell(&self, at: Instant, failure: WatchFailure) {
        self.send(ServerView::empty(
            &self.settings.server.name,
            at,
            Err(failure),
        ));
    }

    fn send(&self, view: ServerView) {
        // Full: whoever takes them is slow, and will learn more from the next than from a queue of old
        // ones. Closed: this future is about to be dropped.
        let _ = self.views.try_send(view);
    }

    /// At most a second where PostgreSQL may come back by itself, spread so that a fleet doesn't knock
    /// all at once.
    fn pause(&self, failure: &WatchFailure, attempt: u64) -> Duration {
        if let WatchFailure::Refused { sqlstate, .. } = failure
            && (sqlstate.starts_with("28") || sqlstate.starts_with("3D"))
        {
            return REFUSED_PAUSE;
        }
        let mut hasher = DefaultHasher::new();
        (&self.settings.instance, attempt).hash(&mut hasher);
        Duration::from_millis(500 + hasher.finish() % 400)
    }

    /// Connects, telling every second that there is no answer yet.
    async fn connect(
        &self,
        config: &Config,
    ) -> Result<
        (
            Client,
            tokio_postgres::Connection<tokio_postgres::Socket, tokio_postgres::tls::NoTlsStream>,
        ),
        WatchFailure,
    > {
        let mut connecting = pin!(config.connect(NoTls));
        let most = self.settings.server.connect_timeout.as_secs().max(1);
        for second in 1..=most {
            match timeout(LOOK_EVERY, &mut connecting).await {
                Ok(Ok(pair)) => return Ok(pair),
                Ok(Err(fault)) => return Err(failure_of(&fault)),
                Err(_) if second < most => {
                    self.tell((self.clock)(), no_answer(second));
                }
                Err(_) => {}
            }
        }
        Err(no_answer(most))
    }

    /// Looks until the connection is of no use any more; returns why.
    async fn looks(&self, client: &Client) -> WatchFailure {
        let questions = match timeout(
            self.settings.server.connect_timeout,
            Questions::prepare(client),
        )
        .await
        {
            Ok(Ok(questions)) => questions,
            Ok(Err(fault)) => return failure_of(&fault),
            Err(_) => return WatchFailure::Late,
        };
        let mut name = self.name();
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 0_u64.. {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.asked.wake.notified() => {}
            }
            let wanted = self.asked.limits.swap(false, Ordering::Relaxed);
            let slow_ones = wanted || number.is_multiple_of(LIMITS_EVERY);
            if let Some(failure) = self.one(client, &questions, &mut name, slow_ones).await {
                return failure;
            }
            if wanted {
                sleep(DEMAND_GAP).await;
            }
        }
        WatchFailure::Late
    }

    /// One look. `Some`: the connection is of no use any more.
    async fn one(
        &self,
        client: &Client,
        questions: &Questions,
        name: &mut String,
        slow_ones: bool,
    ) -> Option<WatchFailure> {
        let at = (self.clock)();
        let mut looking = pin!(self.look(client, questions, name, slow_ones, at));
        let mut late = 0;
        let looked = loop {
            match timeout(if late == 0 { LOOK_MAX } else { LOOK_EVERY }, &mut looking).await {
                Ok(looked) => break looked,
                Err(_) if late + 1 >= LATE_MAX => return Some(WatchFailure::Late),
                Err(_) => late += 1,
            }
            self.tell((self.clock)(), WatchFailure::Late);
        };
        match looked {
            // Out of date, and those told as late meanwhile came after it.
            Ok(_) if late > 0 => {}
            Ok(mut view) => {
                view.took = (self.clock)().since(at);
                self.send(view);
            }
            Err(fault) if fault.is_closed() => return Some(failure_of(&fault)),
            Err(fault) => {
                let failure = failure_of(&fault);
                // A server that shuts down says so and closes; wait for the next tick to be sure.
                self.tell((self.clock)(), failure);
            }
        }
        None
    }

    async fn look(
        &self,
        client: &Client,
        questions: &Questions,
        name: &mut String,
        slow_ones: bool,
        at: Instant,
    ) -> Result<ServerView, Error> {
        let wanted = self.name();
        if wanted != *name {
            // Only characters that `name` let through.
            client
                .batch_execute(&format!("SET application_name = '{wanted}'"))
                .await?;
            *name = wanted;
        }
        let mut view = ServerView::empty(&self.settings.server.name, at, Ok(()));
        view.version = questions.version;
        view.sees_all = questions.sees_all;
        view.postmaster_started = Some(questions.postmaster_started);
        view.backends = questions.backends(client).await?;
        // What follows is extra: a look that lacks it is better than none.
        if view.backends.iter().any(|b| b.wait_event_type == "Lock") {
            (view.roots, view.edges) = optional(questions.roots(client).await)?.unwrap_or_default();
            view.waiting_locks =
                optional(questions.waiting_locks(client).await)?.unwrap_or_default();
        }
        if slow_ones {
            let (users, databases) = self.names(questions);
            if let Some((limits, by_application)) =
                optional(questions.limits(client, &users, &databases).await)?
            {
                view.limits = Some(limits);
                view.backends_by_application = by_application;
            }
            view.counters = optional(questions.counters(client, &databases).await)?;
        }
        Ok(view)
    }

    fn names(&self, questions: &Questions) -> (Vec<String>, Vec<String>) {
        let pools = self
            .asked
            .pools
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if pools.is_empty() {
            return (Vec::new(), vec![questions.database.clone()]);
        }
        let distinct = |names: Vec<&str>| -> Vec<String> {
            let set: std::collections::BTreeSet<_> = names.into_iter().collect();
            set.into_iter().map(str::to_owned).collect()
        };
        (
            distinct(pools.iter().map(|pool| &*pool.user).collect()),
            distinct(pools.iter().map(|pool| &*pool.database).collect()),
        )
    }
}

/// PostgreSQL's own "no" to an extra question leaves it out; a lost connection doesn't.
fn optional<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(fault) if fault.as_db_error().is_some() => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn no_answer(seconds: u64) -> WatchFailure {
    WatchFailure::Unreachable(format!("no answer to a login for {seconds} s"))
}

fn failure_of(fault: &Error) -> WatchFailure {
    if let Some(said) = fault.as_db_error() {
        if said.code().code() == "57014" {
            return WatchFailure::Late;
        }
        return WatchFailure::Refused {
            sqlstate: said.code().code().to_owned(),
            message: said.message().to_owned(),
        };
    }
    let mut text = fault.to_string();
    let mut source = std::error::Error::source(fault);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    WatchFailure::Unreachable(text)
}
