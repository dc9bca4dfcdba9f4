//! How the rim (`weir-api`, the console) sees the control plane: what it published last, questions
//! it answers, and a stream of what happens.
//!
//! Reading never disturbs the plane: [`Published`] is a value that is replaced as a whole.

mod look;
mod wishes;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use weir_model::{
    ClientCounts, ClientId, ClockMap, Fingerprint, Histogram, Instant, Level, Pin, PoolId, PoolKey,
    PoolSample, ServerCounts, ServerId, Snapshot, Wall, WorkerSample,
};

use crate::incident::Incident;
use crate::incident::entry::{Entry, IncidentId};
use crate::incident::words::rfc3339;
use crate::notify::outside::{FromOutside, Marker};
use crate::notify::silence::Silence;
use crate::record::store::{Imported, Journal, Journals};
use crate::record::stretch::Stretch;
use crate::regulate::{Decision, RegulatorMode};

pub use look::{
    Change, ChangeKind, Foreseen, PastDecision, Reach, SPARK_POINTS, SPARK_STEP, Sensor, Spark,
    SparkPoint, StatementRow, StatementsLook, WaitsLook,
};
pub use wishes::{ActionDetails, Declaration, DetectedBy, NewAction, OpenActions, Wish};

/// What Weir says of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Of the binary.
    pub version: String,
    /// Since start.
    pub uptime: Duration,
    /// `epoll` or `uring`, and why.
    pub io: String,
    /// Worker threads.
    pub workers: u32,
    /// What the regulator may do.
    pub regulator: String,
    /// How the store does: `ok`, or what is wrong.
    pub store: String,
    /// True if the store holds what it should.
    pub store_ok: bool,
    /// How the watch connection does.
    pub watch: String,
    /// Address clients connect to, as configured.
    pub listen: Vec<String>,
    /// True while the data plane drains.
    pub draining: bool,
    /// True once the data plane has been silent for over two seconds.
    pub data_plane_silent: bool,
    /// PostgreSQL's `server_version_num`, zero if not known yet.
    pub server_version: u32,
}

/// Counts of a pool since start: what counters and histograms of `/metrics` show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Offered.
    pub arrivals: u64,
    /// Completed.
    pub completions: u64,
    /// Failed by the path.
    pub failures: u64,
    /// Gave up, timed out or refused.
    pub abandoned: u64,
    /// Every wait that ended, whichever way.
    pub wait: Histogram,
    /// Every hold.
    pub hold: Histogram,
    /// Server-seconds executing, thinking, network.
    pub held: weir_model::HoldTime,
    /// Bytes from clients and servers.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
    /// Client logins.
    pub client_logins: u64,
    /// Server logins.
    pub server_logins: u64,
    /// Failed server logins.
    pub server_login_failures: u64,
}

/// A pool, as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolView {
    /// Its id.
    pub id: PoolId,
    /// Its name.
    pub key: PoolKey,
    /// `session`, `transaction`, `statement`.
    pub mode: String,
    /// Size now.
    pub size: u32,
    /// Smallest the regulator may choose.
    pub size_min: u32,
    /// Largest it may choose now: configuration and budget.
    pub size_max: u32,
    /// Why this size.
    pub size_because: String,
    /// Clients by state.
    pub clients: ClientCounts,
    /// Servers by state.
    pub servers: ServerCounts,
    /// Age of the oldest waiter.
    pub oldest_wait: Duration,
    /// Waits of the last ten seconds.
    pub wait: Histogram,
    /// Hold times of the last ten seconds.
    pub hold: Histogram,
    /// Split of the hold time of the last ten seconds.
    pub held: weir_model::HoldTime,
    /// Completed per second, over the last ten seconds.
    pub transactions_per_s: f64,
    /// Offered per second, over the last ten seconds.
    pub arrivals_per_s: f64,
    /// Failed by the path per second, over the last ten seconds.
    pub failures_per_s: f64,
    /// Waiters who gave up or were refused per second, over the last ten seconds.
    pub abandoned_per_s: f64,
    /// What keeps it from being larger; empty: not known of a past instant.
    pub why_not_more: String,
    /// What stands and may be approved.
    pub recommendation: Option<Arc<Decision>>,
    /// Its last five minutes.
    pub spark: Arc<Spark>,
    /// What is odd about it.
    pub level: Option<Level>,
    /// The open incident that it belongs to.
    pub incident: Option<IncidentId>,
    /// Clients that keep a server, by why.
    pub pins: BTreeMap<Pin, u32>,
    /// Paused by an operator.
    pub paused: bool,
    /// The wait objective: "99% of waits < 10ms".
    pub objective: String,
    /// Since start.
    pub totals: Totals,
}

/// Everything the rim may show, as of one instant.
#[derive(Clone, Debug)]
pub struct Published {
    /// When.
    pub at: Instant,
    /// For turning instants into civil time.
    pub clock: ClockMap,
    /// A past instant that was asked for; `None`: now. Counts since start are unknown then.
    pub as_of: Option<Wall>,
    /// Over which stretch rates and quantiles are.
    pub window: Duration,
    /// From measurement to measurement: 100 ms, or a minute.
    pub resolution: Duration,
    /// Weir itself.
    pub status: Status,
    /// The worker's last sample.
    pub worker: WorkerSample,
    /// Pools, by name.
    pub pools: Vec<PoolView>,
    /// Incidents, newest first, at most 500; without those that were merged into another.
    pub incidents: Vec<Arc<Incident>>,
    /// Those that were, newest first: [`Published::incident`] answers for them.
    pub merged: Vec<Arc<Incident>>,
    /// Decisions, newest first, at most 500.
    pub decisions: Vec<Arc<Decision>>,
    /// Silences that hold or will; those of the file aren't among them.
    pub silences: Vec<Silence>,
    /// What was changed on purpose, oldest first.
    pub markers: Vec<Marker>,
    /// How the journals are, and which are damaged.
    pub journals: Arc<Journals>,
    /// How the looks at PostgreSQL go, by server.
    pub sensors: Vec<Sensor>,
    /// What people changed since the start, oldest first, at most [`CHANGES_MAX`].
    pub changes: Arc<VecDeque<Change>>,
}

/// Changes kept.
pub const CHANGES_MAX: usize = 200;

impl Published {
    /// Civil time of what it shows.
    pub fn wall(&self) -> Wall {
        self.as_of.unwrap_or_else(|| self.clock.wall(self.at))
    }

    /// The incident with this number, or the one that it was merged into.
    pub fn incident(&self, id: IncidentId) -> Option<&Arc<Incident>> {
        let id = id.survivor(|id| self.own(id).map(|incident| &**incident));
        self.own(id)
    }

    /// The incident with this very number, merged or not.
    pub fn own(&self, id: IncidentId) -> Option<&Arc<Incident>> {
        let mut all = self.incidents.iter().chain(&self.merged);
        all.find(|incident| incident.id == id)
    }
}

/// What an operator may order. Pools go by name: ids don't outlive the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperatorOrder {
    /// Set a pool's size, whatever the regulator thinks (it goes on from there).
    Resize {
        /// Which pool.
        pool: PoolKey,
        /// The size.
        size: u32,
    },
    /// Pause a database's pools, or all.
    Pause {
        /// Database; `None`: all.
        database: Option<String>,
    },
    /// Undo `Pause`.
    Resume {
        /// Database; `None`: all.
        database: Option<String>,
    },
    /// Cancel what a server executes.
    Cancel {
        /// Which server.
        server: ServerId,
    },
    /// Close a client.
    CloseClient {
        /// Which client.
        client: ClientId,
        /// What it is told.
        reason: String,
    },
    /// Carry out the regulator's standing recommendation for a pool.
    Approve {
        /// Which pool.
        pool: PoolKey,
    },
    /// Change what the regulator may do.
    Regulator {
        /// The mode from now on.
        mode: RegulatorMode,
    },
}

/// A question or a wish to the plane.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Somebody has it.
    Acknowledge {
        /// Which incident.
        id: IncidentId,
        /// Who.
        by: String,
        /// Words, may be empty.
        text: String,
    },
    /// Write something down.
    Note {
        /// Which incident.
        id: IncidentId,
        /// Who.
        by: String,
        /// Words.
        text: String,
    },
    /// Declare it over.
    Resolve {
        /// Which incident.
        id: IncidentId,
        /// Who.
        by: String,
        /// Words, may be empty.
        text: String,
    },
    /// Declare an incident.
    Declare(Box<Declaration>),
    /// Move an incident, or write into its journal.
    Wish {
        /// Which incident; one that was merged stands for its survivor.
        id: IncidentId,
        /// Who.
        by: String,
        /// What.
        wish: Box<Wish>,
    },
    /// An operator's order.
    Order {
        /// Who.
        by: String,
        /// What.
        order: OperatorOrder,
    },
    /// Something from outside: an alert, a marker, a silence, the fate of a message.
    Outside(FromOutside),
    /// The recorder's samples.
    Samples {
        /// Of this pool; `None`: all.
        pool: Option<PoolKey>,
        /// From.
        from: Wall,
        /// To.
        to: Wall,
    },
    /// An incident's journal, with its hashes.
    Journal {
        /// Which incident.
        id: IncidentId,
    },
    /// Take in a journal that was proven by [`crate::incident::export::read`].
    Import {
        /// Who.
        by: String,
        /// What.
        journal: Box<Journal>,
    },
    /// All clients and servers of the data plane.
    Snapshot,
    /// Everything as it was.
    At {
        /// When.
        at: Wall,
    },
    /// Pools over time, in steps on multiples of `step`; older than memory, of stored minutes.
    Series {
        /// Of this pool; `None`: all.
        pool: Option<PoolKey>,
        /// From.
        from: Wall,
        /// To.
        to: Wall,
        /// At least 100 ms.
        step: Duration,
    },
    /// Who waits for whom.
    Waits {
        /// When; `None`: now.
        at: Option<Wall>,
    },
    /// Statements, and the same in the stretch before.
    Statements {
        /// Of this pool; `None`: all.
        pool: Option<PoolKey>,
        /// From.
        from: Wall,
        /// To.
        to: Wall,
    },
    /// Texts of statements, as far as they are known.
    Texts(Vec<Fingerprint>),
    /// How far back looks reach.
    Reach {
        /// Also what the regulator did there, which the store must read.
        decisions: bool,
    },
    /// What an order would do, without doing it.
    Foresee {
        /// Which.
        order: OperatorOrder,
    },
    /// The answer to a console client: complete backend messages.
    ConsoleReply {
        /// Who asked.
        client: ClientId,
        /// Ready to send.
        bytes: Vec<u8>,
    },
}

/// The answer to an [`Ask`].
#[derive(Clone, Debug)]
pub enum Answer {
    /// It was done and written down. What happened, in one sentence.
    Done(String),
    /// To `Declare`: the new incident, and one sentence.
    Declared(IncidentId, String),
    /// To `Samples`: at most 10,000, oldest first.
    Samples(Vec<(Wall, PoolSample)>),
    /// To `Snapshot`.
    Snapshot(Arc<Snapshot>),
    /// To `At`.
    Published(Arc<Published>),
    /// To `Series`: oldest first.
    Series(Vec<Stretch>),
    /// To `Waits`.
    Waits(Box<WaitsLook>),
    /// To `Statements`.
    Statements(Box<StatementsLook>),
    /// To `Texts`.
    Texts(HashMap<Fingerprint, Arc<str>>),
    /// To `Reach`.
    Reach(Box<Reach>),
    /// To `Foresee`.
    Foreseen(Box<Foreseen>),
    /// It was done, and there is more to say than a sentence.
    Document(serde_json::Value),
    /// To `Journal`.
    Journal(Box<Journal>),
    /// To `Import`.
    Imported(Imported),
}

/// Why an [`Ask`] got no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskFault {
    /// No such incident, pool, server, client.
    #[error("there is no {what} {name}")]
    NoSuch {
        /// "incident", "pool"…
        what: &'static str,
        /// As asked.
        name: String,
    },
    /// It makes no sense now: already resolved, nothing to approve…
    #[error("{0}")]
    NotNow(String),
    /// The journal couldn't take it; nothing was changed.
    #[error("couldn't write it down: {0}")]
    NotStored(String),
    /// Nothing is known of that time.
    #[error("nothing was recorded then{}", since(.earliest))]
    NotRecorded {
        /// From when on something is; `None`: nothing at all.
        earliest: Option<Wall>,
    },
    /// The answer would be too long.
    #[error("{0}")]
    TooMuch(String),
    /// The control plane is gone or too busy.
    #[error("the control plane doesn't answer")]
    Gone,
}

fn since(earliest: &Option<Wall>) -> String {
    match earliest {
        Some(earliest) => format!("; records begin at {}", rfc3339(*earliest)),
        None => String::new(),
    }
}

/// Something happened: what `/api/v1/events` streams.
#[derive(Clone, Debug)]
pub enum Happening {
    /// Once a second.
    Pools(Arc<Published>),
    /// The regulator decided.
    Decision(Arc<Decision>),
    /// An incident's journal grew.
    Incident {
        /// The incident as it is now.
        incident: Arc<Incident>,
        /// What was added.
        entry: Arc<Entry>,
    },
}

/// Why a message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyWhat {
    /// It opened.
    Opened,
    /// Level, severity or top cause changed.
    Changed,
    /// It is over.
    Resolved,
}

/// Something that people or systems outside should hear.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Why.
    pub what: NotifyWhat,
    /// The incident as it is now.
    pub incident: Arc<Incident>,
}

/// A question with the place its answer goes to.
pub type Asked = (Ask, oneshot::Sender<Result<Answer, AskFault>>);

/// A query on the admin console, to be answered with [`Ask::ConsoleReply`].
#[derive(Clone, Debug)]
pub struct ConsoleQuery {
    /// Who asks.
    pub client: ClientId,
    /// Its user.
    pub user: Arc<str>,
    /// The text of a simple query.
    pub sql: String,
}

/// The rim's end of the control plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ControlHandle {
    /// What was published last.
    pub published: watch::Receiver<Arc<Published>>,
    /// Bounded at 256: a full queue answers [`AskFault::Gone`].
    pub asks: mpsc::Sender<Asked>,
    /// Bounded at 4,096: a slow listener misses the oldest and is told how many.
    pub happenings: broadcast::Sender<Happening>,
    /// Bounded at 1,024.
    pub notifications: broadcast::Sender<Notification>,
}

impl ControlHandle {
    /// What was published last.
    pub fn now(&self) -> Arc<Published> {
        self.published.borrow().clone()
    }

    /// Asks, and waits at most five seconds.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, AskFault> {
        let (reply, answer) = oneshot::channel();
        self.asks
            .try_send((ask, reply))
            .map_err(|_| AskFault::Gone)?;
        match tokio::time::timeout(Duration::from_secs(5), answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(AskFault::Gone),
        }
    }
}
