//! The one thread that touches the file.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use rusqlite::ErrorCode;
use tokio::sync::oneshot;
use weir_model::Wall;

use super::file::StoreFile;
use super::{LOAD_MAX, StoreError, StoreHealth, StoredDecision, WAITING_MAX, set};
use crate::incident::entry::{Entry, IncidentId};

/// How often entries that wait are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// An entry as a row.
#[derive(Clone, Debug)]
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
    Decision(StoredDecision),
    Decisions(u32, SyncSender<Vec<StoredDecision>>),
    Minute {
        pool: String,
        minute: Wall,
        json: serde_json::Value,
    },
    Minutes {
        pool: String,
        from: Wall,
        to: Wall,
        reply: SyncSender<Vec<(Wall, serde_json::Value)>>,
    },
    Keep(String, serde_json::Value),
    Kept(SyncSender<std::collections::BTreeMap<String, serde_json::Value>>),
    Close(SyncSender<()>),
}

struct Writer<'a> {
    file: StoreFile,
    health: &'a Mutex<StoreHealth>,
    /// Without a file: why.
    memory_only: Option<String>,
    /// Entries that the disk had no room for, oldest first.
    waiting: VecDeque<Row>,
    lost: u64,
}

/// Works until the store is closed or its last handle is gone.
pub(super) fn run(file: StoreFile, queue: &Receiver<Job>, health: &Mutex<StoreHealth>) {
    let memory_only = match &*health
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
    {
        StoreHealth::MemoryOnly { reason } => Some(reason.clone()),
        StoreHealth::Durable | StoreHealth::Behind { .. } => None,
    };
    let mut writer = Writer {
        file,
        health,
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
                let mut entries = self.file.entries(LOAD_MAX, &mut Vec::new());
                entries.extend(self.unwritten(|_| true));
                entries.sort_by_key(|entry| (entry.incident, entry.seq));
                drop(reply.send(entries));
            }
            Job::Incident(incident, reply) => {
                let mut entries = self.file.incident(incident);
                entries.extend(self.unwritten(|row| row.incident == incident.0));
                drop(reply.send(entries));
            }
            Job::Decision(decision) => {
                if let Err(fault) = self.file.put_decision(&decision) {
                    tracing::debug!(%fault, "a decision was not stored");
                }
            }
            Job::Decisions(most, reply) => {
                drop(reply.send(self.file.decisions(most).unwrap_or_default()));
            }
            Job::Minute { pool, minute, json } => {
                if let Err(fault) = self.file.put_minute(&pool, minute, &json) {
                    tracing::debug!(%fault, "a minute was not stored");
                }
            }
            Job::Minutes {
                pool,
                from,
                to,
                reply,
            } => drop(reply.send(self.file.minutes(&pool, from, to).unwrap_or_default())),
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
            Err(Refused::Disk(reason)) => self.keep(row, reason),
        }
    }

    fn write(&self, row: &Row) -> Result<(), Refused> {
        let Err(fault) = self.file.insert(row) else {
            return Ok(());
        };
        if fault.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
            return Err(Refused::Disk(fault.to_string()));
        }
        // Given twice, say after a reply that got lost: that is the same journal.
        match self.file.text(row) {
            Some(there) if there == row.json => Ok(()),
            _ => Err(Refused::Taken),
        }
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
        while let Some(row) = self.waiting.front() {
            match self.write(row) {
                Ok(()) => {
                    self.waiting.pop_front();
                }
                Err(Refused::Taken) => {
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
        set(self.health, health);
    }
}

enum Refused {
    /// The number is taken by an entry that says something else.
    Taken,
    /// The file couldn't be written: full, busy, broken.
    Disk(String),
}
