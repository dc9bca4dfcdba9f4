//! Start and stop of the data plane.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use mio::{Poll, Waker};
use rtrb::Consumer;
use weir_engine::{Engine, SettingsFault};
use weir_model::{Event, Sample};

use crate::channel::{EventTap, OrderSender, Orders, Reporter};
use crate::clock::Clock;
use crate::listen;
use crate::settings::{ListenAddr, ProxySettings};
use crate::sys::{self, DriverChoice};
use crate::tls::{TlsContexts, TlsFault};

/// Why a proxy didn't start. Nothing runs then and nothing is bound.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address couldn't be listened on.
    #[error("couldn't listen on {addr}: {hint}")]
    Bind {
        /// Which.
        addr: ListenAddr,
        /// Who may hold it, or what to look at.
        hint: String,
        /// The kernel's word.
        source: io::Error,
    },
    /// No address was given.
    #[error("no address to listen on; give at least one, for example 127.0.0.1:6432")]
    NoAddress,
    /// The settings make no sense to the engine.
    #[error("the settings can't be used")]
    Settings(#[source] SettingsFault),
    /// Certificates or keys can't be used: everything that is wrong with them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Tls(Vec<TlsFault>),
    /// The kernel refused something else that a worker needs.
    #[error("couldn't set up the worker: {what}")]
    Setup {
        /// What was tried.
        what: &'static str,
        /// The kernel's word.
        source: io::Error,
    },
}

/// The worker's thread panicked: a fault of Weir's own. Its connections are gone.
#[derive(Debug, thiserror::Error)]
#[error("the worker panicked: {says}")]
pub struct WorkerPanicked {
    /// What it said.
    pub says: String,
}

/// The data plane. [`Proxy::start`] is all it has.
#[derive(Debug)]
pub struct Proxy;

/// A running data plane. The fields may be moved apart; dropping any of them disturbs nobody.
#[derive(Debug)]
pub struct ProxyHandle {
    /// Ten a second.
    pub samples: Consumer<Sample>,
    /// What happened.
    pub events: Consumer<Event>,
    /// What should happen. Clones freely.
    pub orders: OrderSender,
    /// The time line of samples and events.
    pub clock: Clock,
    /// Where clients connect to, with the ports that the kernel chose.
    pub local: Vec<ListenAddr>,
    /// Which of the kernel's interfaces is in use, and why.
    pub driver: DriverChoice,
    /// Why there is one worker although more were asked for; `None` if one was.
    pub workers_because: Option<&'static str>,
    /// What an operator should know although it works: certificates that run out, keys that
    /// others can read.
    pub warnings: Vec<String>,
    /// Ends when the worker does.
    pub worker: Worker,
}

/// The worker's thread.
#[derive(Debug)]
pub struct Worker {
    thread: JoinHandle<()>,
}

impl Worker {
    /// Waits until the worker has exited, after `Order::Drain` or [`OrderSender::stop`].
    pub fn join(self) -> Result<(), WorkerPanicked> {
        self.thread.join().map_err(|cause| WorkerPanicked {
            says: cause
                .downcast_ref::<&str>()
                .map(|s| (*s).to_owned())
                .or_else(|| cause.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "nothing".to_owned()),
        })
    }

    /// True once the worker has exited.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

impl ProxyHandle {
    /// Waits until the worker has exited, after `Order::Drain` or [`ProxyHandle::stop`].
    pub fn join(self) -> Result<(), WorkerPanicked> {
        self.worker.join()
    }

    /// The worker exits at once: open transactions are cut, queued bytes are lost.
    pub fn stop(&self) {
        self.orders.stop();
    }
}

impl Proxy {
    /// Binds (here, in the caller), spawns the worker, and returns while it serves.
    pub fn start(settings: ProxySettings) -> Result<ProxyHandle, StartError> {
        Self::start_with(settings, None)
    }

    /// The same with a tap on the events.
    pub fn start_with(
        settings: ProxySettings,
        tap: Option<EventTap>,
    ) -> Result<ProxyHandle, StartError> {
        let setup = |what| move |source| StartError::Setup { what, source };
        if settings.listen.is_empty() {
            return Err(StartError::NoAddress);
        }
        let clock = Clock::since(settings.clock_zero);
        let cancel_wait_timeout = settings.pooler.cancel_wait_timeout;
        let names_peers = sys::peers::names_peers(&settings.pooler);
        let tls =
            TlsContexts::load(&settings.pooler, Clock::unix_seconds()).map_err(StartError::Tls)?;
        let warnings = tls.warnings.clone();
        let engine = Engine::new(settings.pooler, settings.seed, clock.now())
            .map_err(StartError::Settings)?;
        let listeners = listen::bind_all(&settings.listen)?;
        let local = listeners.iter().map(listen::Listener::local).collect();
        let driver = sys::choose(settings.io);

        let poll = Poll::new().map_err(setup("create an epoll instance"))?;
        let waker = Waker::new(poll.registry(), sys::worker::WAKE)
            .map(Arc::new)
            .map_err(setup("create a waker"))?;
        let (reporter, samples, events) = Reporter::rings(tap);
        let (sender, orders) = Orders::channel(Arc::clone(&waker));
        let worker = sys::worker::Worker::new(sys::worker::Parts {
            poll,
            waker,
            listeners,
            engine,
            clock,
            reporter,
            orders,
            tls: Arc::new(tls),
            ring: driver.driver == sys::Driver::Uring,
            cancel_wait_timeout,
            names_peers,
        })
        .map_err(setup("watch the listening sockets"))?;
        let thread = std::thread::Builder::new()
            .name("weir-worker-0".to_owned())
            .spawn(move || worker.run())
            .map_err(setup("start the worker's thread"))?;
        Ok(ProxyHandle {
            samples,
            events,
            orders: sender,
            clock,
            local,
            driver,
            workers_because: (settings.workers > 1).then_some(
                "this version of Weir runs one worker; the rest of the setting is ignored",
            ),
            warnings,
            worker: Worker { thread },
        })
    }
}
