//! What must outlive the process: the incidents' journal, decisions, minutes. One SQLite file, one
//! writer thread.
//!
//! # What holds
//! - An entry whose `append` returned `Ok` is on disk and survives `kill -9` and power loss: one
//!   transaction an entry, `synchronous = FULL`.
//! - Entries reach the file in the order in which they were given, also when the disk was full in between;
//!   one whose predecessor isn't there is refused: a journal with a hole can't be replayed.
//! - Entries are chained by hashes ([`chain`]): what was changed, removed, moved or put in is named,
//!   at opening for the incidents that are loaded, and by [`verify()`] for all. The triggers of the schema
//!   refuse quiet edits.
//! - Nothing here stops pooling. A file that is corrupt is moved aside (what can still be read of its
//!   journal is carried over); one that can't be used at all makes the store memory-only; a
//!   disk that is full lets entries wait in memory. [`StoreHealth`] says which.
//!
//! # Bounds
//! [`QUEUE_MAX`] jobs, [`WAITING_MAX`] entries that wait for the disk, [`FILE_MAX`] bytes of file (then as if
//! the disk were full), minutes [`MINUTES_KEEP`] and
//! [`MINUTES_ROWS_MAX`], the newest [`INCIDENTS_MAX`] incidents and
//! [`DECISIONS_MAX`] decisions; opening loads the newest [`LOAD_MAX`] incidents.
//!
//! # What is deliberately absent
//! - Metrics at full resolution: those live in the recorder's memory.
//! - Meaning. An entry is a row of JSON here; `incident` knows what it says.
//! - A signature. Whoever can rewrite the whole file can make it look whole (docs/decisions/0051).

mod aside;
pub mod chain;
mod file;
mod journal;
mod kept;
mod minutes;
mod schema;
mod verify;
mod witness;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use weir_model::Wall;

use crate::incident::entry::{Entry, IncidentId};
use chain::{ChainFault, Hash};
use file::{Found, StoreFile};
use writer::{Job, Reply, Row, Shared};

pub use minutes::minutes_kept;
pub use verify::{Judged, LookError, Verdict, read_journal, verify};

/// Jobs that wait for the writer thread; then entries are refused and minutes dropped.
pub const QUEUE_MAX: usize = 1024;
/// Entries that wait in memory for a disk that is full; then entries are refused.
pub const WAITING_MAX: usize = 10_000;
/// Size of the file in bytes.
pub const FILE_MAX: u64 = 1 << 30;
/// How long minutes are kept.
pub const MINUTES_KEEP: Duration = Duration::from_secs(7 * 86_400);
/// Minutes kept over all pools.
pub const MINUTES_ROWS_MAX: u32 = 400_000;
/// Incidents kept.
pub const INCIDENTS_MAX: u64 = 10_000;
/// Incidents loaded at start.
pub const LOAD_MAX: u64 = 200;
/// Decisions kept.
pub const DECISIONS_MAX: u64 = 100_000;

/// Incidents of which [`Journals`] tells; the oldest are left out beyond it.
pub const STATES_MAX: usize = 1_000;
/// The highest number that an incident may bring along; a higher one gets a new number.
pub const NUMBER_MAX: u64 = 999_999_999;

/// A point inside a write. Tests stop the process at each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The transaction has begun; nothing is written.
    Begun,
    /// A mark was written: damage that was found, or an incident that goes.
    Marked,
    /// An entry was inserted.
    Entered,
    /// The incident's head was moved.
    Headed,
    /// An incident's rows were removed.
    Removed,
    /// The file's anchor was moved; nothing is committed.
    Anchored,
    /// It is on disk.
    Committed,
    /// The witness beside the file knows; nobody was answered.
    Witnessed,
}

/// What to call at every [`Step`].
#[derive(Clone)]
pub struct AtStep(Arc<dyn Fn(Step) + Send + Sync>);

impl AtStep {
    /// Calls `f` at every step, on the store's thread.
    pub fn new(f: impl Fn(Step) + Send + Sync + 'static) -> Self {
        Self(Arc::new(f))
    }

    fn call(&self, step: Step) {
        (self.0)(step);
    }
}

impl fmt::Debug for AtStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtStep")
    }
}

/// Bounds of a store's file.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Bytes; beyond them it is as if the disk were full.
    pub bytes_max: u64,
    /// Incidents kept; the oldest go first.
    pub incidents_max: u64,
    /// For tests.
    pub at_step: Option<AtStep>,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            bytes_max: FILE_MAX,
            incidents_max: INCIDENTS_MAX,
            at_step: None,
        }
    }
}

/// How an incident's journal is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalState {
    /// Number of the last entry.
    pub entries: u32,
    /// Its hash.
    pub head: Option<Hash>,
    /// The first thing that is wrong with it.
    pub fault: Option<ChainFault>,
}

/// How the journals are: of the incidents that were loaded or written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journals {
    /// By incident; at most [`STATES_MAX`], the newest.
    pub incidents: BTreeMap<IncidentId, JournalState>,
    /// What is wrong with the file as a whole.
    pub faults: Vec<String>,
}

impl Journals {
    /// Nothing is known to be wrong.
    pub fn is_intact(&self) -> bool {
        self.faults.is_empty() && self.incidents.values().all(|state| state.fault.is_none())
    }

    /// Everything that is known to be wrong, one sentence each.
    pub fn says(&self) -> Vec<String> {
        let incidents = self.incidents.values();
        let of_incidents = incidents.filter_map(|state| Some(state.fault.as_ref()?.to_string()));
        self.faults.iter().cloned().chain(of_incidents).collect()
    }
}

/// An incident's journal on its way from one store to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Journal {
    /// Which.
    pub id: IncidentId,
    rows: Vec<Row>,
    hashes: Vec<Hash>,
    /// What is wrong with it.
    pub fault: Option<ChainFault>,
}

impl Journal {
    /// From entries as text, in order. The hashes are computed.
    pub(crate) fn new(id: IncidentId, entries: Vec<(Entry, String)>) -> Self {
        let (mut rows, mut hashes) = (Vec::new(), Vec::new());
        let mut prev = Hash::START;
        for (entry, json) in entries {
            let row = Row {
                incident: id.0,
                seq: entry.seq,
                at_us: entry.at.as_micros(),
                json,
            };
            prev = chain::link(&prev, id.0, row.seq, row.at_us, &row.json);
            rows.push(row);
            hashes.push(prev);
        }
        Self {
            id,
            rows,
            hashes,
            fault: None,
        }
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// It has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The last entry's hash.
    pub fn head(&self) -> Option<Hash> {
        self.hashes.last().copied()
    }

    /// Each entry's hash and text.
    pub fn lines(&self) -> impl Iterator<Item = (&Hash, &str)> {
        self.hashes
            .iter()
            .zip(self.rows.iter().map(|row| row.json.as_str()))
    }

    /// Of a damaged one, the entries that are proven.
    pub fn trusted(mut self) -> Self {
        if let Some(fault) = self.fault.take() {
            let keep = usize::try_from(fault.trusted).unwrap_or(usize::MAX);
            self.rows.truncate(keep);
            self.hashes.truncate(keep);
        }
        self
    }

    /// The rows under another number. The text is kept but for it: a kind of entry that this Weir
    /// doesn't know must come through whole.
    fn rows_as(&self, id: IncidentId) -> Result<Vec<Row>, String> {
        let old = format!("{{\"incident\":{},", self.id.0);
        let with = |row: &Row| {
            let rest = row
                .json
                .strip_prefix(&old)
                .ok_or_else(|| format!("entry {} doesn't begin with its incident", row.seq))?;
            Ok(Row {
                incident: id.0,
                json: format!("{{\"incident\":{},{rest}", id.0),
                ..row.clone()
            })
        };
        if id == self.id {
            return Ok(self.rows.clone());
        }
        self.rows.iter().map(with).collect()
    }
}

/// What became of a journal that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It has the number it had.
    Kept(IncidentId),
    /// Its number was taken.
    Renumbered {
        /// What it was.
        from: IncidentId,
        /// What it is now.
        to: IncidentId,
    },
    /// It is here already; nothing was changed.
    Already {
        /// Under this number.
        id: IncidentId,
        /// Entries that this one has beyond it.
        more_here: usize,
    },
    /// Its beginning was here; the rest was added.
    Continued {
        /// Under this number.
        id: IncidentId,
        /// So many entries.
        added: usize,
    },
}

impl Imported {
    /// Where it is now.
    pub fn id(&self) -> IncidentId {
        match self {
            Self::Kept(id) | Self::Already { id, .. } | Self::Continued { id, .. } => *id,
            Self::Renumbered { to, .. } => *to,
        }
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(id) => write!(f, "imported as {id}"),
            Self::Renumbered { from, to } => write!(
                f,
                "imported as {to}: {from} is another incident here, so it got a new number"
            ),
            Self::Already { id, more_here: 0 } => {
                write!(f, "this is {id}, and here already; nothing was changed")
            }
            Self::Already { id, more_here } => write!(
                f,
                "this is the beginning of {id}, which has {more_here} more entries here; nothing was \
                 changed"
            ),
            Self::Continued { id, added } => write!(
                f,
                "its beginning was here already as {id}; {added} entries were added"
            ),
        }
    }
}

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
    /// What an operator should be told: a corrupt file moved aside, damage of any kind.
    pub says: Vec<String>,
    /// Which of the loaded incidents are damaged, and how.
    pub faults: BTreeMap<IncidentId, ChainFault>,
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
    shared: Arc<Shared>,
}

impl Store {
    /// Opens or makes the file. Never fails: what is wrong stands in the report.
    pub fn open(path: &Path) -> (Store, StoreReport) {
        Self::open_with(path, &StoreSettings::default())
    }

    /// Like [`Store::open`] with other bounds.
    pub fn open_with(path: &Path, settings: &StoreSettings) -> (Store, StoreReport) {
        let mut found = Found::default();
        let (file, health) = match StoreFile::open(path, settings, &mut found) {
            Ok(file) => (file, StoreHealth::Durable),
            Err(fault) => {
                let reason = fault.to_string();
                found.says.push(format!(
                    "{reason}; incidents are kept in memory only and end with this process"
                ));
                (StoreFile::in_memory(), StoreHealth::MemoryOnly { reason })
            }
        };
        let (entries, incidents) = file.load(LOAD_MAX);
        let faults: BTreeMap<IncidentId, ChainFault> = incidents
            .iter()
            .filter_map(|(id, state)| Some((*id, state.fault.clone()?)))
            .collect();
        let Found {
            mut says,
            faults: of_file,
        } = found;
        says.extend(of_file.iter().cloned());
        says.extend(faults.values().map(ToString::to_string));
        let journals = Journals {
            incidents,
            faults: of_file,
        };
        let report = StoreReport {
            health: health.clone(),
            entries,
            says,
            faults,
        };
        (Self::start(file, health, journals), report)
    }

    /// A store without a file.
    pub fn in_memory() -> Store {
        let reason = "no store is configured".to_owned();
        let health = StoreHealth::MemoryOnly { reason };
        Self::start(StoreFile::in_memory(), health, Journals::default())
    }

    fn start(file: StoreFile, health: StoreHealth, journals: Journals) -> Store {
        let shared = Arc::new(Shared {
            health: Mutex::new(health),
            journals: Mutex::new(Arc::new(journals)),
        });
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        let theirs = Arc::clone(&shared);
        let spawned = std::thread::Builder::new()
            .name("weir-store".to_owned())
            .spawn(move || writer::run(file, &queue, &theirs));
        if let Err(fault) = spawned {
            // The queue's other end is gone with the closure; every append will say so.
            let reason = format!("couldn't start the store's thread: {fault}");
            shared.set_health(StoreHealth::MemoryOnly { reason });
        }
        Store { jobs, shared }
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

    /// An incident's journal with its hashes, also of what waits for the disk.
    ///
    /// # Errors
    /// The store is closed or too busy.
    pub async fn journal(&self, incident: IncidentId) -> Result<Option<Journal>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Journal(incident, reply))?;
        answer.await.map_err(|_| gone())
    }

    /// Takes in a journal, whole or not at all. It keeps its number where that is free; otherwise it
    /// gets `fresh`, or a higher one.
    ///
    /// # Errors
    /// Nothing was changed.
    pub async fn import(
        &self,
        journal: Journal,
        fresh: IncidentId,
    ) -> Result<Imported, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Import(Box::new(journal), fresh, reply))?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Like [`Store::import`] for a caller without a runtime; blocks.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn import_now(&self, journal: Journal) -> Result<Imported, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Import(Box::new(journal), IncidentId(0), reply))?;
        answer.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }

    /// The highest number that an incident ever had here; zero for none.
    pub fn last_number(&self) -> u64 {
        self.ask(Job::LastNumber).unwrap_or(0)
    }

    /// How the journals are. Cheap: the same value until something is written.
    pub fn journals(&self) -> Arc<Journals> {
        let journals = self.shared.journals.lock();
        Arc::clone(&journals.unwrap_or_else(PoisonError::into_inner))
    }

    /// How it is now.
    pub fn health(&self) -> StoreHealth {
        let health = self.shared.health.lock();
        health.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes what waits and closes the file. Later appends are refused.
    pub fn close(&self) {
        self.ask(Job::Close);
    }
}

fn gone() -> StoreError {
    StoreError::NotKept("the store is closed".to_owned())
}
