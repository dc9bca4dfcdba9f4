//! `weir run`: pool, watch, regulate, report.

use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroU32;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use weir_api::deliveries::{self, Switchboard};
use weir_api::see::configuration::Configuration;
use weir_api::{ApiSettings, ServeFault, console};
use weir_control::core::{Core, CoreSettings};
use weir_control::handle::{Answer, Ask, ConsoleQuery, ControlHandle};
use weir_control::notify::Speaker;
use weir_control::plane;
use weir_control::record::store::{Store, StoreHealth};
use weir_control::sense::view::ServerView;
use weir_control::sense::watch as sense;
use weir_model::{ClockMap, Order, PoolKey, PoolSettings, PoolSize, Secret, ServerSettings, Wall};
use weir_proxy::{ListenAddr, OrderSender, Proxy, ProxySettings, Worker};

use crate::Failed;
use crate::cli::RunArgs;
use crate::config::{self, Config};
use crate::wiring::Wire;

/// After a panic the control plane rests this long before it is started again.
const CONTROL_REST: Duration = Duration::from_secs(1);

/// `weir config check FILE`.
pub(crate) fn check(file: &Path) -> Result<(), Failed> {
    let config = read_file(file, &crate::clock::environment())?;
    crate::say(&format!(
        "{}: ok: {} pool section(s), {} server section(s)",
        file.display(),
        config.pooler.pools.len(),
        config.servers.len()
    ));
    Ok(())
}

/// `weir run`.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failed> {
    let environment = crate::clock::environment();
    let config = configure(args, &environment)?;
    start_log(&config, &environment);
    let listen = config
        .listen
        .iter()
        .map(|text| listen_addr(text))
        .collect::<Result<Vec<_>, String>>()
        .map_err(Failed::Usage)?;
    let api = config.api.as_deref().map(api_addr).transpose()?;
    if let Some(addr) = api
        && !addr.ip().is_loopback()
        && config.api_token.is_none()
    {
        // Refused before anything begins: an API that silently isn't there is found at 3 a.m.
        return Err(Failed::Usage(format!(
            "weir: {}",
            ServeFault::NoToken(addr)
        )));
    }
    let board = switchboard(&config, api, &environment)?;

    let (clock_zero, wall_zero) = crate::clock::zero();
    let proxy = Proxy::start(ProxySettings {
        listen,
        pooler: config.pooler.clone(),
        seed: crate::clock::seed(),
        clock_zero,
        io: config.io.parse().map_err(Failed::Usage)?,
        workers: 1,
    })
    .map_err(|fault| Failed::Failed(anyhow!(fault)))?;
    let io = format!("{} ({})", proxy.driver.driver, proxy.driver.because);
    let local: Vec<String> = proxy.local.iter().map(ToString::to_string).collect();
    tracing::info!(listen = %local.join(", "), io, "Pooling.");

    let wire = Wire {
        samples: proxy.samples,
        events: proxy.events,
        orders: proxy.orders.clone(),
        clock: proxy.clock,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("weir-control")
        .enable_all()
        .build()
        .context("couldn't start the control plane's threads")?;
    let started = Started {
        config,
        wall_zero,
        io,
        local,
        api,
        board,
        shown: Arc::new(crate::shown::configuration(args, &environment)),
        environment,
    };
    let ended = runtime.block_on(control(started, wire, proxy.orders, proxy.worker));
    runtime.shutdown_timeout(Duration::from_secs(2));
    ended
}

/// What `control` is told by `run`.
struct Started {
    config: Config,
    wall_zero: Wall,
    io: String,
    local: Vec<String>,
    api: Option<SocketAddr>,
    board: Option<Arc<Switchboard>>,
    shown: Arc<Configuration>,
    environment: BTreeMap<String, String>,
}

async fn control(
    started: Started,
    mut wire: Wire,
    orders: OrderSender,
    worker: Worker,
) -> Result<(), Failed> {
    let Started {
        config,
        wall_zero,
        io,
        local,
        api,
        board,
        shown,
        environment,
    } = started;
    let (stop, stopped) = watch::channel(false);
    let drained = tokio::spawn(drain_on_signal(orders.clone()));
    let clock = ClockMap {
        instant: weir_model::Instant::ZERO,
        wall: wall_zero,
    };
    let settings = CoreSettings {
        clock,
        pooler: config.pooler.clone(),
        regulator: config.regulator,
        budgets: config.budgets.clone(),
        resolve_after: config.resolve_after,
        watch_window: config.watch_window,
        kind: config.incident_kind,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        io,
        listen: local,
    };
    let store = open_store(&config);
    let (watches, views) = watch_servers(&config, wire.clock);
    let mut core = Core::new(settings.clone(), wire.clock.now());
    let mut first = Vec::new();
    core.restore(store.load(), &mut first);
    core.restore_outside(&store.kept());
    let (mut ends, handle, consoles) = plane::channels(core.publish(), views);

    // The API's port before the first sample, so that a taken port is known at once. Pooling
    // goes on without it: the data plane is sacred, the rim isn't.
    if let Some(addr) = api {
        serve_api(
            addr,
            &config,
            board.clone(),
            shown,
            handle.clone(),
            stopped.clone(),
        )
        .await;
    }
    tokio::spawn(tell_watches(
        handle.clone(),
        config.pooler.pools.clone(),
        watches,
    ));
    tokio::spawn(answer_consoles(handle.clone(), consoles));
    deliver(board, handle.clone(), stopped.clone());

    let control = tokio::spawn(async move {
        let fault = environment
            .get("WEIR_FAULT_CONTROL_PANIC")
            .and_then(|s| s.parse::<u64>().ok());
        let mut fault = fault.map(Duration::from_secs);
        loop {
            let life = plane::run(
                &mut core,
                &mut wire,
                &mut ends,
                &store,
                std::mem::take(&mut first),
                stopped.clone(),
            );
            let life = with_fault(life, fault.take());
            if AssertUnwindSafe(life).catch_unwind().await.is_ok() {
                break;
            }
            // I2: the data plane doesn't notice. Begin anew from what the journal says.
            tracing::error!("The control plane panicked; pooling goes on. It is started again.");
            tokio::time::sleep(CONTROL_REST).await;
            core = Core::new(settings.clone(), wire.clock.now());
            core.restore(store.load(), &mut first);
            core.restore_outside(&store.kept());
        }
        store.close();
    });

    let ended = tokio::task::spawn_blocking(move || worker.join()).await;
    // Whoever listens hears the last of it, then everything ends.
    let _ = stop.send(true);
    let _ = tokio::time::timeout(Duration::from_secs(5), control).await;
    drained.abort();
    match ended {
        Ok(Ok(())) => {
            tracing::info!("Drained; good-bye.");
            Ok(())
        }
        Ok(Err(panicked)) => Err(Failed::Failed(anyhow!(panicked))),
        Err(fault) => Err(Failed::Failed(anyhow!(fault))),
    }
}

/// For the test that kills the control plane (`tests/spec`): panics inside it after a while.
async fn with_fault(life: impl Future<Output = ()>, after: Option<Duration>) {
    match after {
        None => life.await,
        Some(after) => {
            if tokio::time::timeout(after, life).await.is_err() {
                panic!("WEIR_FAULT_CONTROL_PANIC asked for this");
            }
        }
    }
}

/// SIGTERM or SIGINT: drain. A second one: stop at once.
async fn drain_on_signal(orders: OrderSender) {
    let (Ok(mut term), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::error!("Couldn't listen for signals; stop Weir with SIGKILL.");
        return;
    };
    let mut asked = 0;
    loop {
        tokio::select! {
            Some(()) = term.recv() => {}
            Some(()) = interrupt.recv() => {}
            else => return,
        }
        asked += 1;
        if asked == 1 {
            tracing::info!("Draining: open transactions may finish. Ask again to stop at once.");
            if orders.send(Order::Drain).is_err() {
                orders.stop();
            }
        } else {
            tracing::warn!("Stopping at once; open transactions are cut.");
            orders.stop();
        }
    }
}

fn open_store(config: &Config) -> Store {
    let Some(path) = &config.store else {
        return Store::in_memory();
    };
    let (store, report) = Store::open(path);
    for says in &report.says {
        tracing::warn!("Store: {says}.");
    }
    if let StoreHealth::MemoryOnly { reason } = &report.health {
        tracing::warn!(
            reason,
            "The store is not usable; incidents are kept in memory only. Pooling goes on."
        );
    }
    store
}

/// A watch for each server that has a watch user; all looks come out of one channel.
fn watch_servers(
    config: &Config,
    clock: weir_proxy::Clock,
) -> (
    Vec<(Arc<str>, sense::WatchHandle)>,
    mpsc::Receiver<ServerView>,
) {
    let (all, views) = mpsc::channel(64);
    let mut watches = Vec::new();
    for server in &config.servers {
        let mut server = (**server).clone();
        // Names of relations are told only to who is connected to their database.
        if server.watch_database.is_none() {
            server.watch_database = only_database(config, &server.name);
        }
        let name = Arc::clone(&server.name);
        let settings = sense::WatchSettings {
            server: Arc::new(server),
            cluster: config.cluster.clone(),
            instance: format!("{name}-{}", std::process::id()),
        };
        let (watch, mut looks, watching) = sense::watch(settings, move || clock.now());
        watches.push((name, watch));
        tokio::spawn(watching);
        let all = all.clone();
        tokio::spawn(async move {
            while let Some(view) = looks.recv().await {
                if all.send(view).await.is_err() {
                    return;
                }
            }
        });
    }
    (watches, views)
}

/// The database that all pools of a server use, if it is one and has a name.
fn only_database(config: &Config, server: &str) -> Option<Arc<str>> {
    let mut databases = config
        .pooler
        .pools
        .iter()
        .filter(|pool| &*pool.server.name == server)
        .map(|pool| pool.server_database.clone());
    let first = databases.next().flatten()?;
    databases
        .all(|other| other.as_ref() == Some(&first))
        .then_some(first)
}

/// Tells each watch which pools it watches for, what they would like to have, and to look at once
/// when one of them runs dry.
async fn tell_watches(
    mut handle: ControlHandle,
    settings: Vec<PoolSettings>,
    watches: Vec<(Arc<str>, sense::WatchHandle)>,
) {
    let of = |key: &PoolKey| {
        settings
            .iter()
            .find(|p| &*p.database == "*" || p.database == key.database)
    };
    let mut looked_for_dry = false;
    while handle.published.changed().await.is_ok() {
        let published = handle.published.borrow_and_update().clone();
        let mut dry = false;
        for (name, watch) in &watches {
            let mut keys = Vec::new();
            let mut demand = 0;
            for pool in &published.pools {
                let Some(set) = of(&pool.key).filter(|set| set.server.name == *name) else {
                    continue;
                };
                // As PostgreSQL knows them, for its limits are by its own names.
                keys.push(PoolKey {
                    database: set
                        .server_database
                        .clone()
                        .unwrap_or(pool.key.database.clone()),
                    user: set.server.user.clone().unwrap_or(pool.key.user.clone()),
                });
                demand += pool.servers.active + pool.clients.waiting;
                dry |= pool.clients.waiting > 0 && pool.servers.idle == 0;
            }
            watch.pools(keys);
            watch.demand(demand);
            if dry && !looked_for_dry {
                watch.look_now();
            }
        }
        looked_for_dry = dry;
    }
}

async fn serve_api(
    addr: SocketAddr,
    config: &Config,
    board: Option<Arc<Switchboard>>,
    shown: Arc<Configuration>,
    handle: ControlHandle,
    mut stopped: watch::Receiver<bool>,
) {
    let settings = ApiSettings {
        token: config.api_token.as_deref().map(|t| Secret(t.into())),
        read_open: config.api_read_open,
        configuration: shown,
        board,
        ingest: config.ingest.clone(),
        ..ApiSettings::on(addr)
    };
    match weir_api::server::bind(&settings).await {
        Ok(listener) => {
            let shown = listener.local_addr().unwrap_or(addr);
            tracing::info!(api = %format!("http://{shown}"), "Serving the API.");
            tokio::spawn(async move {
                let stop = async move {
                    let _ = stopped.wait_for(|stop| *stop).await;
                };
                weir_api::server::serve(listener, handle, &settings, stop).await;
            });
        }
        Err(fault) => {
            tracing::error!("No API: {:#}. Pooling goes on.", anyhow!(fault));
        }
    }
}

async fn answer_consoles(handle: ControlHandle, mut consoles: mpsc::Receiver<ConsoleQuery>) {
    while let Some(query) = consoles.recv().await {
        let handle = handle.clone();
        tokio::spawn(async move {
            let bytes = console::answer(&handle, &query.sql, &query.user).await;
            let reply = Ask::ConsoleReply {
                client: query.client,
                bytes,
            };
            if let Err(fault) = handle.ask(reply).await.map(|_: Answer| ()) {
                tracing::warn!(%fault, "A console query went unanswered.");
            }
        });
    }
}

/// Channels and escalation, made once: deliveries and the API share them.
fn switchboard(
    config: &Config,
    api: Option<SocketAddr>,
    environment: &BTreeMap<String, String>,
) -> Result<Option<Arc<Switchboard>>, Failed> {
    if config.notify.is_empty() {
        return Ok(None);
    }
    let external_url = config
        .external_url
        .clone()
        .or_else(|| api.map(|addr| format!("http://{addr}")))
        .unwrap_or_default();
    let speaker = Speaker {
        external_url,
        cluster: config.cluster.clone(),
        instance: config
            .instance
            .clone()
            .unwrap_or_else(|| host_name(environment)),
    };
    let (board, faults) = Switchboard::new(&config.notify, config.paging.clone(), speaker);
    if faults.is_empty() {
        return Ok(Some(Arc::new(board)));
    }
    let says: Vec<String> = faults
        .iter()
        .map(|fault| format!("weir: {fault}"))
        .collect();
    Err(Failed::Usage(says.join("\n")))
}

/// What this machine is called, as far as that can be known without asking anybody.
fn host_name(environment: &BTreeMap<String, String>) -> String {
    environment
        .get("HOSTNAME")
        .cloned()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "weir".to_owned())
}

fn deliver(
    board: Option<Arc<Switchboard>>,
    handle: ControlHandle,
    mut stopped: watch::Receiver<bool>,
) {
    let Some(board) = board else { return };
    let stop = async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    };
    tokio::spawn(deliveries::deliver(handle, board, stop));
}

fn configure(args: &RunArgs, environment: &BTreeMap<String, String>) -> Result<Config, Failed> {
    let usage = |says: &str| Failed::Usage(format!("weir run: {says}"));
    let mut config = match (&args.file, &args.upstream) {
        (Some(file), None) => read_file(file, environment)?,
        (None, Some(url)) => upstream(url).map_err(|says| usage(&says))?,
        (Some(_), Some(_)) => {
            return Err(usage(
                "give a FILE or --upstream, not both: the file says where PostgreSQL is",
            ));
        }
        (None, None) => {
            return Err(usage(
                "where is PostgreSQL? Give a FILE, or --upstream postgres://user:password@host:5432/database",
            ));
        }
    };
    if !args.listen.is_empty() {
        config.listen.clone_from(&args.listen);
    }
    match args.api.as_deref() {
        None => {}
        Some("off") => config.api = None,
        Some(addr) => config.api = Some(addr.to_owned()),
    }
    match args.store.as_deref() {
        None => {}
        Some("none") => config.store = None,
        Some(path) => config.store = Some(path.into()),
    }
    if let Some(text) = &args.pool_size
        && text != "auto"
    {
        let size: NonZeroU32 = text.parse().map_err(|_| {
            usage(&format!(
                "--pool-size takes a number above 0, or auto; not `{text}`"
            ))
        })?;
        for pool in &mut config.pooler.pools {
            pool.size = PoolSize::Fixed(size);
        }
    }
    if let Some(mode) = args.pool_mode {
        for pool in &mut config.pooler.pools {
            pool.mode = mode;
        }
    }
    if let Some(mode) = args.regulator {
        config.regulator = mode;
    }
    if let Some(io) = &args.io {
        config.io.clone_from(io);
    }
    if let Some(text) = args.workers.as_deref()
        && !["1", "auto"].contains(&text)
    {
        return Err(usage(&format!(
            "--workers {text}: this version runs one worker; give 1 or auto"
        )));
    }
    if let Some(format) = &args.log_format {
        config.log_json = format == "json";
    }
    Ok(config)
}

pub(crate) fn read_file(
    file: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Config, Failed> {
    let text = std::fs::read_to_string(file)
        .map_err(|fault| Failed::Usage(format!("weir: can't read {}: {fault}", file.display())))?;
    config::read(file, &text, environment).map_err(|faults| Failed::Usage(faults.to_string()))
}

/// `postgres://user:password@host:port/database` → a configuration of one server, any database.
pub(crate) fn upstream(url: &str) -> Result<Config, String> {
    let parsed: tokio_postgres::Config = url
        .parse()
        .map_err(|fault| format!("--upstream `{}`: {fault}", without_password(url)))?;
    let host = match parsed.get_hosts() {
        [] => "127.0.0.1".to_owned(),
        [tokio_postgres::config::Host::Tcp(host)] => host.clone(),
        [tokio_postgres::config::Host::Unix(path)] => path.display().to_string(),
        _ => return Err("--upstream names several hosts; this version takes one".to_owned()),
    };
    let mut server = ServerSettings::at(&host, parsed.get_ports().first().copied().unwrap_or(5432));
    server.watch_user = parsed.get_user().map(Into::into);
    server.watch_database = parsed.get_dbname().map(Into::into);
    if let Some(password) = parsed.get_password() {
        let password = Secret(String::from_utf8_lossy(password).into());
        // A password given here is for every client: without it each user would need its own.
        server.user = server.watch_user.clone();
        server.password = Some(password.clone());
        server.watch_password = Some(password);
    }
    Ok(Config::for_upstream(server))
}

fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 < at => {
            let user = url[scheme + 3..at].split(':').next().unwrap_or_default();
            format!("{}{user}:…{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}

/// `host:port`, or a directory (then with the port of PgBouncer and Weir, unless it ends in one).
fn listen_addr(text: &str) -> Result<ListenAddr, String> {
    let text = if text.starts_with('/') && !text.rsplit('/').next().is_some_and(|t| t.contains(':'))
    {
        format!("{text}:6432")
    } else {
        text.to_owned()
    };
    text.parse::<ListenAddr>()
        .map_err(|fault| fault.to_string())
}

fn api_addr(text: &str) -> Result<SocketAddr, Failed> {
    text.to_socket_addrs()
        .ok()
        .and_then(|mut addrs| addrs.next())
        .ok_or_else(|| {
            Failed::Usage(format!(
                "weir: api = \"{text}\" is not host:port; write \"127.0.0.1:6433\" or \"off\""
            ))
        })
}

fn start_log(config: &Config, environment: &BTreeMap<String, String>) {
    let filter = environment.get("WEIR_LOG").map_or("info", String::as_str);
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // Fails only where a log is set already, as in tests.
    let _ = if config.log_json {
        builder.json().try_init()
    } else {
        let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr())
            && !environment.contains_key("NO_COLOR");
        builder.with_ansi(ansi).try_init()
    };
}
