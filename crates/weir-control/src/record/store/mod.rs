//! What must outlive the process: the incidents' journal, decisions, minutes. One SQLite file, one
//! writer thread.
//!
//! # What holds
//! - An entry whose `append` returned `Ok` is on disk and survives `kill -9` and power loss: one
//!   transaction an entry, `synchronous = FULL`.
//! - Entries reach the file in the order in which they were given, also when the disk was full in between.
//! - Nothing here stops pooling. A file that is corrupt is moved aside (what can still be read of its
//!   journal is carried over); one that can't be used at all makes the store memory-only; a
//!   disk that is full lets entries wait in memory. [`StoreHealth`] says which.
//!
//! # Bounds
//! [`QUEUE_MAX`] jobs, [`WAITING_MAX`] entries that wait for the disk, [`FILE_MAX`] bytes of file (then as if
//! the disk were full), minutes [`MINUTES_KEEP`], the newest [`INCIDENTS_MAX`] incidents and
//! [`DECISIONS_MAX`] decisions; opening loads the newest [`LOAD_MAX`] incidents.
//!
//! # What is deliberately absent
//! - Metrics at full resolution: those live in the recorder's memory.
//! - Meaning. An entry is a row of JSON here; `incident` knows what it says.

mod file;
mod kept;
mod writer;

use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use weir_model::Wall;

use crate::incident::entry::{Entry, IncidentId};
use file::StoreFile;
use writer::{Job, Reply, Row};

/// Jobs that wait for the writer thread; then entries are refused and minutes dropped.
pub const QUEUE_MAX: usize = 1024;
/// Entries that wait in memory for a disk that is full; then entries are refused.
pub const WAITING_MAX: usize = 10_000;
/// Size of the file in bytes.
pub const FILE_MAX: u64 = 1 << 30;
/// How long minutes are kept.
pub const MINUTES_KEEP: Duration = Duration::from_secs(7 * 86_400);
/// Incidents kept.
pub const INCIDENTS_MAX: u64 = 10_000;
/// Incidents loaded at start.
pub const LOAD_MAX: u64 = 200;
/// Decisions kept.
pub const DECISIONS_MAX: u64 = 100_000;

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreHealth {
    /// Everything is on disk.
    Durable,
    /// The file can't be used at all: nothing survives this process.
    MemoryOnly {
        /// Why, for the operator.
        reason: String,
    },
    /// The last write failed; entries wait in memory and are tried again every second.
    Behind {
        /// Why.
        reason: String,
        /// Entries in memory only.
        waiting: usize,
        /// Entries given up because too many waited.
        lost: u64,
    },
}

/// Why an entry isn't on disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is in memory; tried again where there is a file.
    #[error("kept in memory only: {0}")]
    InMemory(String),
    /// It is nowhere: too many wait already, its number is taken, or the writer is gone.
    #[error("not kept: {0}")]
    NotKept(String),
}

/// What opening found.
#[derive(Clone, Debug)]
pub struct StoreReport {
    /// How the store is.
    pub health: StoreHealth,
    /// The entries of the newest [`LOAD_MAX`] incidents, by incident and number.
    pub entries: Vec<Entry>,
    /// What an operator should be told: a corrupt file moved aside, rows that couldn't be read.
    pub says: Vec<String>,
}

/// A decision of the regulator, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredDecision {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: Wall,
    /// `database/user`.
    pub pool: String,
    /// The decision.
    pub json: serde_json::Value,
}

/// The store's handle; cheap to clone. When the last one goes, the writer finishes its queue and ends.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: SyncSender<Job>,
    health: Arc<Mutex<StoreHealth>>,
}

impl Store {
    /// Opens or makes the file. Never fails: what is wrong stands in the report.
    pub fn open(path: &Path) -> (Store, StoreReport) {
        Self::open_bounded(path, FILE_MAX)
    }

    /// Like [`Store::open`] with another bound than [`FILE_MAX`] on the file's bytes.
    pub fn open_bounded(path: &Path, bytes_max: u64) -> (Store, StoreReport) {
        let mut says = Vec::new();
        let (file, health) = match StoreFile::open(path, bytes_max, &mut says) {
            Ok(file) => (file, StoreHealth::Durable),
            Err(fault) => {
                let reason = fault.to_string();
                says.push(format!(
                    "{reason}; incidents are kept in memory only and end with this process"
                ));
                (StoreFile::in_memory(), StoreHealth::MemoryOnly { reason })
            }
        };
        let entries = file.entries(LOAD_MAX, &mut says);
        let store = Self::start(file, health.clone());
        let report = StoreReport {
            health,
            entries,
            says,
        };
        (store, report)
    }

    /// A store without a file.
    pub fn in_memory() -> Store {
        let reason = "no store is configured".to_owned();
        Self::start(StoreFile::in_memory(), StoreHealth::MemoryOnly { reason })
    }

    fn start(file: StoreFile, health: StoreHealth) -> Store {
        let health = Arc::new(Mutex::new(health));
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        let shared = Arc::clone(&health);
        let spawned = std::thread::Builder::new()
            .name("weir-store".to_owned())
            .spawn(move || writer::run(file, &queue, &shared));
        if let Err(fault) = spawned {
            // The queue's other end is gone with the closure; every append will say so.
            let reason = format!("couldn't start the store's thread: {fault}");
            set(&health, StoreHealth::MemoryOnly { reason });
        }
        Store { jobs, health }
    }

    fn send(&self, job: Job) -> Result<(), StoreError> {
        self.jobs.try_send(job).map_err(|fault| {
            StoreError::NotKept(match fault {
                TrySendError::Full(_) => format!("{QUEUE_MAX} writes wait for the disk"),
                TrySendError::Disconnected(_) => "the store is closed".to_owned(),
            })
        })
    }

    fn ask<T>(&self, job: impl FnOnce(SyncSender<T>) -> Job) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        self.send(job(reply)).ok()?;
        answer.recv().ok()
    }

    /// Writes an entry and returns once it is on disk. Blocks for as long as the disk takes; async
    /// callers take [`Store::append_async`].
    pub fn append(&self, entry: &Entry) -> Result<(), StoreError> {
        let row = Row::of(entry)?;
        self.ask(|reply| Job::Append(row, Reply::Blocking(reply)))
            .unwrap_or_else(|| Err(gone()))
    }

    /// Like [`Store::append`], without blocking the caller's thread.
    pub async fn append_async(&self, entry: &Entry) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Append(Row::of(entry)?, Reply::Async(reply)))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// The entries of the newest [`LOAD_MAX`] incidents, also those in memory only.
    pub fn load(&self) -> Vec<Entry> {
        self.ask(Job::Load).unwrap_or_default()
    }

    /// All entries of one incident, however old.
    pub fn incident(&self, incident: IncidentId) -> Vec<Entry> {
        self.ask(|reply| Job::Incident(incident, reply))
            .unwrap_or_default()
    }

    /// Stores a decision without waiting for the disk; dropped where the queue is full or the
    /// disk is.
    pub fn decision(&self, decision: StoredDecision) {
        if self.send(Job::Decision(decision)).is_err() {
            tracing::debug!("a decision was not stored: the store's queue is full");
        }
    }

    /// The last `most` decisions, newest first.
    pub fn decisions(&self, most: u32) -> Vec<StoredDecision> {
        self.ask(|reply| Job::Decisions(most, reply))
            .unwrap_or_default()
    }

    /// Stores one minute of a pool, without waiting for the disk; dropped where the queue is full or
    /// the disk is.
    pub fn minute(&self, pool: &str, minute: Wall, json: serde_json::Value) {
        let pool = pool.to_owned();
        if self.send(Job::Minute { pool, minute, json }).is_err() {
            tracing::debug!("a minute was not stored: the store's queue is full");
        }
    }

    /// Minutes of a pool in `[from, to)`, ascending.
    pub fn minutes(&self, pool: &str, from: Wall, to: Wall) -> Vec<(Wall, serde_json::Value)> {
        let pool = pool.to_owned();
        self.ask(|reply| Job::Minutes {
            pool,
            from,
            to,
            reply,
        })
        .unwrap_or_default()
    }

    /// How it is now.
    pub fn health(&self) -> StoreHealth {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes what waits and closes the file. Later appends are refused.
    pub fn close(&self) {
        self.ask(Job::Close);
    }
}

fn gone() -> StoreError {
    StoreError::NotKept("the store is closed".to_owned())
}

fn set(health: &Mutex<StoreHealth>, to: StoreHealth) {
    *health.lock().unwrap_or_else(PoisonError::into_inner) = to;
}
