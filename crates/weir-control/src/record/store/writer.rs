//! The one thread that touches the file.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use weir_model::Wall;

use super::chain::{Hash, Head, link};
use super::file::StoreFile;
use super::journal::Refused;
use super::{
    Imported, Journal, JournalState, Journals, LOAD_MAX, STATES_MAX, StoreError, StoreHealth,
    StoredDecision, WAITING_MAX,
};
use crate::incident::entry::{Entry, IncidentId};

/// How often entries that wait are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the store's handles see of the writer.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) health: Mutex<StoreHealth>,
    pub(super) journals: Mutex<Arc<Journals>>,
}

impl Shared {
    pub(super) fn set_health(&self, to: StoreHealth) {
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn change_journals(&self, change: impl FnOnce(&mut Journals)) {
        let mut journals = self.journals.lock().unwrap_or_else(PoisonError::into_inner);
        // Copied only while somebody reads the last one.
        change(Arc::make_mut(&mut journals));
    }
}

/// An entry as a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) incident: u64,
    pub(super) seq: u32,
    pub(super) at_us: i64,
    pub(super) json: String,
}

impl Row {
    pub(super) fn of(entry: &Entry) -> Result<Self, StoreError> {
        let json = serde_json::to_string(entry).map_err(|fault| {
            StoreError::NotKept(format!("it can't be written as JSON: {fault}"))
        })?;
        // JSON has no infinity and no NaN: what can't be read back must not be called kept.
        if let Err(fault) = serde_json::from_str::<Entry>(&json) {
            let why = format!("it couldn't be read back from JSON: {fault}");
            return Err(StoreError::NotKept(why));
        }
        Ok(Self {
            incident: entry.incident.0,
            seq: entry.seq,
            at_us: entry.at.as_micros(),
            json,
        })
    }
}

/// Where the answer goes.
pub(super) enum Reply {
    Blocking(SyncSender<Result<(), StoreError>>),
    Async(oneshot::Sender<Result<(), StoreError>>),
}

impl Reply {
    /// Who asked may have gone meanwhile; the entry is stored all the same.
    fn send(self, result: Result<(), StoreError>) {
        match self {
            Self::Blocking(to) => drop(to.send(result)),
            Self::Async(to) => drop(to.send(result)),
        }
    }
}

pub(super) enum Job {
    Append(Row, Reply),
    Load(SyncSender<Vec<Entry>>),
    Incident(IncidentId, SyncSender<Vec<Entry>>),
    Journal(IncidentId, oneshot::Sender<Option<Journal>>),
    Import(
        Box<Journal>,
        IncidentId,
        oneshot::Sender<Result<Imported, StoreError>>,
    ),
    LastNumber(SyncSender<u64>),
    Decision(StoredDecision),
    Decisions(u32, SyncSender<Vec<StoredDecision>>),
    PutMinutes {
        minute: Wall,
        rows: Vec<(String, serde_json::Value)>,
        keep: Duration,
    },
    Minutes {
        pool: Option<String>,
        from: Wall,
        to: Wall,
        most: u32,
        reply: oneshot::Sender<Vec<(Wall, serde_json::Value)>>,
    },
    EarliestMinute(oneshot::Sender<Option<Wall>>),
    Keep(String, serde_json::Value),
    Kept(SyncSender<std::collections::BTreeMap<String, serde_json::Value>>),
    Close(SyncSender<()>),
}

struct Writer<'a> {
    file: StoreFile,
    shared: &'a Shared,
    /// Without a file: why.
    memory_only: Option<String>,
    /// Entries that the disk had no room for, oldest first.
    waiting: VecDeque<Row>,
    lost: u64,
}

/// Works until the store is closed or its last handle is gone.
pub(super) fn run(file: StoreFile, queue: &Receiver<Job>, shared: &Shared) {
    let memory_only = match &*shared.health.lock().unwrap_or_else(PoisonError::into_inner) {
        StoreHealth::MemoryOnly { reason } => Some(reason.clone()),
        StoreHealth::Durable | StoreHealth::Behind { .. } => None,
    };
    let mut writer = Writer {
        file,
        shared,
        memory_only,
        waiting: VecDeque::new(),
        lost: 0,
    };
    let mut closed = None;
    loop {
        let job = if writer.waiting.is_empty() {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            queue.recv_timeout(RETRY)
        };
        match job {
            Ok(Job::Close(reply)) => {
                closed = Some(reply);
                break;
            }
            Ok(job) => writer.work(job),
            Err(RecvTimeoutError::Timeout) => drop(writer.retry()),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let _ = writer.retry();
    writer.file.close();
    if let Some(reply) = closed {
        let _ = reply.send(());
    }
}

impl Writer<'_> {
    fn work(&mut self, job: Job) {
        match job {
            Job::Append(row, reply) => {
                let result = self.append(row);
                reply.send(result);
            }
            Job::Load(reply) => {
                let mut entries = self.file.load(LOAD_MAX).0;
                entries.extend(self.unwritten(|_| true));
                entries.sort_by_key(|entry| (entry.incident, entry.seq));
                drop(reply.send(entries));
            }
            Job::Incident(incident, reply) => {
                let mut entries = self.file.incident(incident);
                entries.extend(self.unwritten(|row| row.incident == incident.0));
                drop(reply.send(entries));
            }
            Job::Journal(incident, reply) => drop(reply.send(self.journal(incident))),
            Job::Import(journal, fresh, reply) => {
                drop(reply.send(self.import(&journal, fresh)));
            }
            Job::LastNumber(reply) => drop(reply.send(self.file.last_number())),
            Job::Decision(decision) => {
                if let Err(fault) = self.file.put_decision(&decision) {
                    tracing::debug!(%fault, "a decision was not stored");
                }
            }
            Job::Decisions(most, reply) => {
                drop(reply.send(self.file.decisions(most).unwrap_or_default()));
            }
            Job::PutMinutes { minute, rows, keep } => {
                if let Err(fault) = self.file.put_minutes(minute, &rows, keep) {
                    tracing::debug!(%fault, "a minute was not stored");
                }
            }
            Job::Minutes {
                pool,
                from,
                to,
                most,
                reply,
            } => {
                let found = self.file.minutes(pool.as_deref(), from, to, most);
                drop(reply.send(found.unwrap_or_default()));
            }
            Job::EarliestMinute(reply) => {
                let _ = reply.send(self.file.earliest_minute().unwrap_or_default());
            }
            Job::Keep(key, json) => {
                if let Err(fault) = self.file.keep(&key, &json) {
                    tracing::warn!(%fault, key, "What should be kept is in memory only.");
                }
            }
            Job::Kept(reply) => drop(reply.send(self.file.kept().unwrap_or_default())),
            // The loop above takes it; another can only follow a first.
            Job::Close(reply) => {
                let _ = reply.send(());
            }
        }
    }

    fn unwritten(&self, which: impl Fn(&Row) -> bool) -> Vec<Entry> {
        self.waiting
            .iter()
            .filter(|row| which(row))
            .filter_map(|row| serde_json::from_str(&row.json).ok())
            .collect()
    }

    /// The file's rows and, chained behind them, those that wait.
    fn journal(&self, incident: IncidentId) -> Option<Journal> {
        let waiting: Vec<&Row> = self
            .waiting
            .iter()
            .filter(|row| row.incident == incident.0)
            .collect();
        let mut journal = match self.file.journal(incident) {
            Some(journal) => journal,
            None if waiting.is_empty() => return None,
            None => Journal::new(incident, Vec::new()),
        };
        for row in waiting {
            let prev = journal.head().unwrap_or(Hash::START);
            let hash = link(&prev, row.incident, row.seq, row.at_us, &row.json);
            journal.rows.push(row.clone());
            journal.hashes.push(hash);
        }
        Some(journal)
    }

    fn import(&mut self, journal: &Journal, fresh: IncidentId) -> Result<Imported, StoreError> {
        if let Some(reason) = self.retry() {
            return Err(StoreError::NotKept(format!(
                "entries wait for the disk already: {reason}"
            )));
        }
        match self.file.import(journal, fresh) {
            Ok(imported) => {
                let id = imported.id();
                if let Some(now) = self.file.journal(id) {
                    let state = JournalState {
                        entries: u32::try_from(now.len()).unwrap_or(u32::MAX),
                        head: now.head(),
                        fault: now.fault,
                    };
                    self.know(id, |_| state);
                }
                Ok(imported)
            }
            Err(refused) => Err(StoreError::NotKept(match refused {
                Refused::Disk(reason) => reason,
                Refused::Taken | Refused::Gap { .. } => {
                    "the incident was written to in the same moment; try again".to_owned()
                }
            })),
        }
    }

    fn know(&self, id: IncidentId, state: impl FnOnce(Option<JournalState>) -> JournalState) {
        self.shared.change_journals(|journals| {
            let before = journals.incidents.remove(&id);
            journals.incidents.insert(id, state(before));
            if journals.incidents.len() > STATES_MAX {
                journals.incidents.pop_first();
            }
        });
    }

    fn append(&mut self, row: Row) -> Result<(), StoreError> {
        // Behind those that wait already: a journal with a hole in the middle is worth less than
        // one that ends early.
        if let Some(reason) = self.retry() {
            return self.keep(row, reason);
        }
        match self.write(&row) {
            Ok(()) => match &self.memory_only {
                None => Ok(()),
                Some(reason) => Err(StoreError::InMemory(reason.clone())),
            },
            Err(Refused::Taken) => Err(StoreError::NotKept(format!(
                "{} has an entry {} already, and it says something else",
                IncidentId(row.incident),
                row.seq
            ))),
            Err(Refused::Gap { after }) => Err(StoreError::NotKept(format!(
                "the journal of {} ends at entry {after}; entry {} can't follow it",
                IncidentId(row.incident),
                row.seq
            ))),
            Err(Refused::Disk(reason)) => self.keep(row, reason),
        }
    }

    fn write(&mut self, row: &Row) -> Result<(), Refused> {
        let Head { seq, hash } = self.file.append(row)?;
        self.know(IncidentId(row.incident), |before| JournalState {
            entries: seq,
            head: Some(hash),
            fault: before.and_then(|state| state.fault),
        });
        Ok(())
    }

    fn keep(&mut self, row: Row, reason: String) -> Result<(), StoreError> {
        let refused = self.waiting.len() >= WAITING_MAX;
        if refused {
            self.lost += 1;
        } else {
            self.waiting.push_back(row);
        }
        self.tell(&reason);
        if refused {
            Err(StoreError::NotKept(reason))
        } else {
            Err(StoreError::InMemory(reason))
        }
    }

    /// Writes what waits, in order, until the disk refuses again; then says why.
    fn retry(&mut self) -> Option<String> {
        let before = self.waiting.len();
        while let Some(row) = self.waiting.front().cloned() {
            match self.write(&row) {
                Ok(()) => {
                    self.waiting.pop_front();
                }
                Err(Refused::Taken | Refused::Gap { .. }) => {
                    self.waiting.pop_front();
                    self.lost += 1;
                }
                Err(Refused::Disk(reason)) => {
                    self.tell(&reason);
                    return Some(reason);
                }
            }
        }
        if before > 0 {
            self.tell("");
        }
        None
    }

    fn tell(&self, reason: &str) {
        let health = if self.waiting.is_empty() {
            match &self.memory_only {
                None => StoreHealth::Durable,
                Some(reason) => StoreHealth::MemoryOnly {
                    reason: reason.clone(),
                },
            }
        } else {
            StoreHealth::Behind {
                reason: reason.to_owned(),
                waiting: self.waiting.len(),
                lost: self.lost,
            }
        };
        self.shared.set_health(health);
    }
}
