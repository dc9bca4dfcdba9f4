//! Is the journal what was written? On demand, the whole file or one incident; and the little that
//! can be asked at every start.
//!
//! # What always holds
//! - Verifying changes nothing: no lock, no migration, no checkpoint. A Weir may run on the file.
//! - What it reads is one moment's state.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params};

use super::chain::{ChainFault, FAULTS_MAX, Hash, Record, follow};
use super::file::{Version, beside, version};
use super::journal::{anchor, hash, journal, judge, newest, number, scars};
use super::schema::{self, int};
use super::witness::Witness;
use super::{Journal, JournalState};
use crate::incident::entry::IncidentId;

/// What a program that holds the file may make us wait.
const BUSY: Duration = Duration::from_secs(5);

/// Why a file couldn't be verified or read at all.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// No such file.
    #[error("there is no file {0}")]
    Missing(PathBuf),
    /// A schema that has no hashes yet.
    #[error(
        "{path} is of an older weir, whose entries have no hashes; `weir run` adds them when it opens it"
    )]
    Older {
        /// Which.
        path: PathBuf,
    },
    /// A schema that this Weir doesn't know.
    #[error("{path} was written by a newer weir (schema {found}, known up to {known})")]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The last one known.
        known: usize,
    },
    /// SQLite can't make sense of it.
    #[error("can't read {path}: {why}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// No such incident.
    #[error("{path} has no {id}")]
    NoSuch {
        /// Which file.
        path: PathBuf,
        /// Which incident.
        id: IncidentId,
    },
}

/// One incident, judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Which.
    pub id: IncidentId,
    /// How many entries, the last one's hash, the first fault.
    pub state: JournalState,
    /// Everything that is wrong with it, at most [`FAULTS_MAX`].
    pub faults: Vec<ChainFault>,
    /// All of them.
    pub faults_total: usize,
}

/// What verifying found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Oldest first.
    pub incidents: Vec<Judged>,
    /// Entries read.
    pub entries: u64,
    /// Incidents that were removed for want of room, by the file's own marks.
    pub removed: u64,
    /// What is wrong with the file as a whole.
    pub faults: Vec<String>,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn is_intact(&self) -> bool {
        self.faults.is_empty() && self.incidents.iter().all(|i| i.faults.is_empty())
    }
}

/// Verifies a file, or one incident of it.
///
/// # Errors
/// The file can't be read at all; what is wrong inside stands in the [`Verdict`].
pub fn verify(path: &Path, only: Option<IncidentId>) -> Result<Verdict, LookError> {
    let unreadable = |why: rusqlite::Error| LookError::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let db = look(path)?;
    let mut verdict = Verdict::default();
    if let Some(seen) = Witness::look(&beside(path, ".head"))
        && let Ok(Some(anchor)) = anchor(&db)
        && seen.file == anchor.file
        && seen.n > anchor.n
    {
        verdict.faults.push(format!(
            "the last {} records are missing, though they were acknowledged; the very last was entry {} \
             of INC-{}",
            seen.n - anchor.n,
            seen.seq,
            seen.incident
        ));
    }
    let check: rusqlite::Result<String> =
        db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
    match check {
        Ok(check) if check == "ok" => {}
        Ok(check) => verdict.faults.push(format!("SQLite: {check}")),
        Err(fault) => verdict.faults.push(format!("SQLite: {fault}")),
    }
    match schema::altered(&db) {
        Ok(altered) => {
            for table in altered.tables {
                verdict
                    .faults
                    .push(format!("{table} is missing or altered"));
            }
            for name in altered.triggers.into_keys() {
                verdict
                    .faults
                    .push(format!("the rule {name} is missing or altered"));
            }
        }
        Err(fault) => verdict.faults.push(format!("its schema: {fault}")),
    }
    let scars = scars(&db).unwrap_or_default();
    let ids = match only {
        Some(id) => vec![id.0],
        None => {
            let mut ids = newest(&db, u64::MAX).map_err(unreadable)?;
            // Of these nothing is left but the note that they were damaged.
            ids.extend(scars.keys().filter(|id| **id > 0));
            ids.sort_unstable();
            ids.dedup();
            ids
        }
    };
    for id in ids {
        let checked = judge(&db, id, scars.get(&id), false);
        let state = JournalState::from(&checked);
        if state.entries == 0 && checked.faults.is_empty() {
            return Err(LookError::NoSuch {
                path: path.to_owned(),
                id: IncidentId(id),
            });
        }
        verdict.entries += u64::from(state.entries);
        verdict.incidents.push(Judged {
            id: IncidentId(id),
            state,
            faults: checked.faults,
            faults_total: checked.faults_total,
        });
    }
    match quick(&db) {
        Ok(faults) => verdict.faults.extend(faults),
        Err(fault) => verdict.faults.push(format!("its anchor: {fault}")),
    }
    if only.is_none() {
        match walk(&db, &mut verdict.removed) {
            Ok(faults) => verdict.faults.extend(faults),
            Err(fault) => verdict.faults.push(format!("its records: {fault}")),
        }
    }
    if let Some(scar) = scars.get(&0) {
        verdict.faults.push(format!(
            "found damaged earlier: expected {}, found {}",
            scar.expected, scar.found
        ));
    }
    Ok(verdict)
}

/// An incident's journal out of a file that may be in use.
///
/// # Errors
/// The file can't be read, or has no such incident.
pub fn read_journal(path: &Path, id: IncidentId) -> Result<Journal, LookError> {
    let db = look(path)?;
    journal(&db, id).ok_or(LookError::NoSuch {
        path: path.to_owned(),
        id,
    })
}

/// Opens a file to look at: nothing of it will change, and what is read is of one moment.
fn look(path: &Path) -> Result<Connection, LookError> {
    if !path.exists() {
        return Err(LookError::Missing(path.to_owned()));
    }
    let unreadable = |why: rusqlite::Error| LookError::Unreadable {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let open = |flags| -> rusqlite::Result<(Connection, Version)> {
        let db = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        db.busy_timeout(BUSY)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        db.pragma_update(None, "query_only", true)?;
        // Never committed: one moment's state for everything that follows.
        db.execute_batch("BEGIN")?;
        let version = version(&db)?;
        Ok((db, version))
    };
    // A log that was left behind can only be read with write access to the files beside it.
    let (db, version) = open(OpenFlags::SQLITE_OPEN_READ_WRITE)
        .or_else(|_| open(OpenFlags::SQLITE_OPEN_READ_ONLY))
        .map_err(unreadable)?;
    let known = schema::KNOWN;
    match version {
        Version::Of(found) if found > known => Err(LookError::Newer {
            path: path.to_owned(),
            found,
            known,
        }),
        Version::Of(found) if found < known => Err(LookError::Older {
            path: path.to_owned(),
        }),
        Version::Of(_) => Ok(db),
        Version::Torn { header, table } => Err(LookError::Unreadable {
            path: path.to_owned(),
            why: format!("its header says schema {header}, its table {table}"),
        }),
    }
}

/// What can be asked of the file as a whole without reading all of it: does the last record stand
/// where the anchor says, and is the number of records what was written?
pub(super) fn quick(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut faults = Vec::new();
    let Some(anchor) = anchor(db)? else {
        return Ok(vec!["the file's anchor is missing".to_owned()]);
    };
    let (sql, a, b) = match anchor.incident {
        0 => (
            "SELECT n, chain FROM marks WHERE n = ?1 OR n = ?2",
            int(anchor.n),
            -1,
        ),
        incident => (
            "SELECT n, chain FROM journal WHERE incident = ?1 AND seq = ?2",
            int(incident),
            i64::from(anchor.seq),
        ),
    };
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![a, b])?;
    let last = match rows.next()? {
        Some(row) => Some((number(row, 0)?, hash(row, 1)?)),
        None => None,
    };
    if anchor.n > 0 && last != Some((anchor.n, Some(anchor.chain))) {
        let what = match anchor.incident {
            0 => "a mark".to_owned(),
            incident => format!("entry {} of INC-{incident}", anchor.seq),
        };
        let found = match last {
            None => "nothing there".to_owned(),
            Some((n, chain)) => format!(
                "record {n} with {}",
                chain.map_or("no hash".to_owned(), |c| c.short())
            ),
        };
        faults.push(format!(
            "the anchor doesn't fit the last record: expected {what} as record {} with {}, found {found}",
            anchor.n,
            anchor.chain.short()
        ));
    }
    let there: u64 = db.query_row(
        "SELECT (SELECT coalesce(sum(seq), 0) FROM heads) + (SELECT count(*) FROM marks)",
        [],
        |row| number(row, 0),
    )?;
    let expected = anchor.n.saturating_sub(anchor.gone);
    if there != expected {
        faults.push(format!(
            "the heads and marks tell of {there} records, the anchor of {expected}{}",
            nowhere(db)?
        ));
    }
    Ok(faults)
}

/// Numbers of incidents that neither stand in the file nor were removed by Weir.
fn nowhere(db: &Connection) -> rusqlite::Result<String> {
    let numbers: Vec<u64> = db
        .prepare("SELECT incident FROM heads UNION SELECT incident FROM marks ORDER BY 1")?
        .query_map([], |row| number(row, 0))?
        .collect::<Result<_, _>>()?;
    let mut missing = Vec::new();
    let mut next = 1;
    for number in numbers {
        if number.saturating_sub(next) < 1_000 {
            missing.extend((next..number).map(|n| format!("INC-{n}")));
        }
        next = number + 1;
    }
    let more = missing.len().saturating_sub(FAULTS_MAX);
    missing.truncate(FAULTS_MAX);
    Ok(match (missing.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!("; without any trace: {}", missing.join(", ")),
        (false, more) => format!(
            "; without any trace: {} and {more} more",
            missing.join(", ")
        ),
    })
}

/// The file-wide chain from its first record to the anchor.
fn walk(db: &Connection, removed: &mut u64) -> rusqlite::Result<Vec<String>> {
    let mut faults = Vec::new();
    let mut holes = Vec::new();
    let (mut missing, mut last) = (0_u64, (0_u64, Hash::START, "the beginning".to_owned()));
    // SQLite sorts these outside of memory where they are many.
    let mut statement = db.prepare(
        "SELECT n, 'E', incident, seq, hash, chain, '' FROM journal
         UNION ALL SELECT n, what, incident, seq, hash, chain, says FROM marks ORDER BY 1",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let n = number(row, 0)?;
        let (incident, seq) = (number(row, 2)?, u32::try_from(number(row, 3)?).unwrap_or(0));
        let letter = text(row, 1)?;
        let what = match letter.as_str() {
            "R" => Record::Removed,
            "S" => Record::Scar,
            _ => Record::Entry,
        };
        if what == Record::Removed {
            *removed += 1;
        }
        let name = match what {
            Record::Entry => format!("entry {seq} of INC-{incident}"),
            Record::Removed => format!("the mark that INC-{incident} was removed"),
            Record::Scar => format!("the mark of damage to INC-{incident}"),
        };
        let hash_there = hash(row, 4)?.unwrap_or(Hash::START);
        let chain = hash(row, 5)?.unwrap_or(Hash::START);
        let says = text(row, 6)?;
        let (last_n, last_chain, last_name) = &last;
        if n <= *last_n {
            faults.push(format!(
                "record {n} stands there twice: {last_name}, and {name}"
            ));
        } else if n - last_n == 1 {
            let should = follow(last_chain, n, what, incident, seq, &hash_there, &says);
            if chain != should {
                faults.push(format!(
                    "record {n} ({name}) doesn't follow {last_name}: expected {}, found {}",
                    should.short(),
                    chain.short()
                ));
            }
        } else {
            missing += n - last_n - 1;
            holes.push(format!("{} between {last_name} and {name}", n - last_n - 1));
        }
        last = (n, chain, name);
        if faults.len() >= FAULTS_MAX {
            faults.push("and more".to_owned());
            break;
        }
    }
    let Some(anchor) = anchor(db)? else {
        return Ok(faults);
    };
    if last.0 < anchor.n {
        let n = anchor.n - last.0;
        missing += n;
        holes.push(format!("{n} after {}", last.2));
    }
    if missing != anchor.gone && faults.len() < FAULTS_MAX {
        holes.truncate(FAULTS_MAX);
        faults.push(format!(
            "{missing} records are missing where {} were removed by Weir: {}",
            anchor.gone,
            if holes.is_empty() {
                "none".to_owned()
            } else {
                holes.join(", ")
            }
        ));
    }
    Ok(faults)
}

fn text(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(at)? {
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    })
}
