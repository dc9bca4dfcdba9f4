//! The SQLite file: opening it whatever is wrong with it, its schema, its rows.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use weir_model::Wall;

use super::writer::Row;
use super::{DECISIONS_MAX, FILE_MAX, INCIDENTS_MAX, MINUTES_KEEP, StoredDecision};
use crate::incident::entry::{Entry, IncidentId};

/// Each brings the schema one version up; never edit one that was released.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE schema_version (version INTEGER PRIMARY KEY, weir TEXT NOT NULL);
    CREATE TABLE journal (
        incident INTEGER NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, json TEXT NOT NULL,
        PRIMARY KEY (incident, seq)) WITHOUT ROWID;
    CREATE TABLE decisions (
        number INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, pool TEXT NOT NULL, json TEXT NOT NULL);
    CREATE TABLE minutes (
        pool TEXT NOT NULL, minute_us INTEGER NOT NULL, json TEXT NOT NULL,
        PRIMARY KEY (pool, minute_us)) WITHOUT ROWID;
    CREATE INDEX minutes_by_time ON minutes (minute_us);
"];

/// How long a write waits for a program that holds the file (`sqlite3 weir.db`).
const BUSY: Duration = Duration::from_millis(500);
const PAGE_BYTES: u64 = 4096;
/// A file in memory must end somewhere, too.
const MEMORY_PAGES: u64 = (256 << 20) / PAGE_BYTES;

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("couldn't open the lock file {path}: {source}")]
    Lock {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} is in use by another weir{holder}")]
    InUse { path: PathBuf, holder: String },
    #[error("{path} is locked by another program")]
    Busy { path: PathBuf },
    #[error(
        "{path} was written by a newer weir (schema {found}, known up to {known}); it is left untouched"
    )]
    Newer {
        path: PathBuf,
        found: usize,
        known: usize,
    },
    #[error("{path} is corrupt ({reason}) and couldn't be moved aside: {source}")]
    Stuck {
        path: PathBuf,
        reason: String,
        source: std::io::Error,
    },
    #[error("couldn't open {path}: {source}")]
    Sqlite {
        path: PathBuf,
        source: rusqlite::Error,
    },
}

/// What a first attempt at opening can say besides "no".
enum Fault {
    Corrupt(String),
    No(OpenError),
}

/// An open file, or its stand-in in memory.
pub(super) struct StoreFile {
    pub(super) db: Connection,
    /// Held as long as the file is: the kernel gives it back however this process ends.
    _lock: Option<File>,
}

impl StoreFile {
    /// Opens or makes the file; one that is corrupt is moved aside and replaced.
    pub(super) fn open(
        path: &Path,
        bytes_max: u64,
        says: &mut Vec<String>,
    ) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let db = match connect(path, bytes_max) {
            Ok(db) => db,
            Err(Fault::No(fault)) => return Err(fault),
            Err(Fault::Corrupt(reason)) => {
                let aside = move_aside(path).map_err(|source| OpenError::Stuck {
                    path: path.to_owned(),
                    reason: reason.clone(),
                    source,
                })?;
                let saved = salvage(&aside);
                let db = connect(path, bytes_max).map_err(|fault| match fault {
                    Fault::No(fault) => fault,
                    Fault::Corrupt(reason) => OpenError::Stuck {
                        path: path.to_owned(),
                        reason,
                        source: std::io::Error::other("its replacement is corrupt as well"),
                    },
                })?;
                let carried = saved.iter().filter(|row| insert(&db, row).is_ok()).count();
                says.push(format!(
                    "{} is corrupt ({reason}); it was moved to {} and a new file begun, with {carried} \
                     journal entries that could still be read",
                    path.display(),
                    aside.display(),
                ));
                db
            }
        };
        let file = Self {
            db,
            _lock: Some(lock),
        };
        if let Err(fault) = file.prune() {
            says.push(format!("old rows couldn't be removed: {fault}"));
        }
        Ok(file)
    }

    /// The same tables in memory.
    pub(super) fn in_memory() -> Self {
        let db = Connection::open_in_memory()
            .and_then(|db| {
                db.pragma_update(None, "max_page_count", int(MEMORY_PAGES))?;
                migrate(&db, 0)?;
                Ok(db)
            })
            .expect("SQLite in memory needs nothing but memory");
        Self { db, _lock: None }
    }

    fn prune(&self) -> rusqlite::Result<()> {
        self.db.execute(
            "DELETE FROM journal WHERE incident <= (SELECT max(incident) FROM journal) - ?1",
            params![int(INCIDENTS_MAX)],
        )?;
        self.db.execute(
            "DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - ?1",
            params![int(DECISIONS_MAX)],
        )?;
        Ok(())
    }

    /// One entry, in a transaction of its own. Writing the same entry twice is no fault.
    pub(super) fn insert(&self, row: &Row) -> rusqlite::Result<()> {
        insert(&self.db, row)
    }

    /// The text of an entry, to tell a repetition from a contradiction.
    pub(super) fn text(&self, row: &Row) -> Option<String> {
        self.db
            .query_row(
                "SELECT json FROM journal WHERE incident = ?1 AND seq = ?2",
                params![int(row.incident), row.seq],
                |r| r.get(0),
            )
            .optional()
            .ok()
            .flatten()
    }

    /// The entries of the newest `incidents` incidents; rows that can't be read are left out and
    /// named in `says`.
    pub(super) fn entries(&self, incidents: u64, says: &mut Vec<String>) -> Vec<Entry> {
        self.read(
            "SELECT incident, seq, json FROM journal WHERE incident IN
             (SELECT DISTINCT incident FROM journal ORDER BY incident DESC LIMIT ?1)
             ORDER BY incident, seq",
            incidents,
            says,
        )
    }

    /// The entries of one incident.
    pub(super) fn incident(&self, incident: IncidentId) -> Vec<Entry> {
        let mut says = Vec::new();
        self.read(
            "SELECT incident, seq, json FROM journal WHERE incident = ?1 ORDER BY seq",
            incident.0,
            &mut says,
        )
    }

    fn read(&self, sql: &str, parameter: u64, says: &mut Vec<String>) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut each = || -> rusqlite::Result<()> {
            let mut statement = self.db.prepare_cached(sql)?;
            let mut rows = statement.query(params![int(parameter)])?;
            while let Some(row) = rows.next()? {
                let (incident, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
                let json: String = row.get(2)?;
                match serde_json::from_str(&json) {
                    Ok(entry) => entries.push(entry),
                    Err(fault) => says.push(format!(
                        "entry {seq} of INC-{incident} can't be read and is left out: {fault}"
                    )),
                }
            }
            Ok(())
        };
        if let Err(fault) = each() {
            says.push(format!("the journal can't be read to its end: {fault}"));
        }
        entries
    }

    pub(super) fn put_decision(&self, d: &StoredDecision) -> rusqlite::Result<()> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO decisions VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                int(d.number),
                d.at.as_micros(),
                d.pool,
                d.json.to_string()
            ])?;
        if d.number.is_multiple_of(1_000) {
            self.prune()?;
        }
        Ok(())
    }

    pub(super) fn decisions(&self, most: u32) -> rusqlite::Result<Vec<StoredDecision>> {
        self.db
            .prepare_cached(
                "SELECT number, at_us, pool, json FROM decisions ORDER BY number DESC LIMIT ?1",
            )?
            .query_map(params![most], |row| {
                Ok(StoredDecision {
                    number: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                    at: Wall::from_micros(row.get(1)?),
                    pool: row.get(2)?,
                    json: value(&row.get::<_, String>(3)?),
                })
            })?
            .collect()
    }

    pub(super) fn put_minute(
        &self,
        pool: &str,
        minute: Wall,
        json: &serde_json::Value,
    ) -> rusqlite::Result<()> {
        self.db
            .prepare_cached("INSERT OR REPLACE INTO minutes VALUES (?1, ?2, ?3)")?
            .execute(params![pool, minute.as_micros(), json.to_string()])?;
        self.db
            .prepare_cached("DELETE FROM minutes WHERE minute_us < ?1")?
            .execute(params![minute.before(MINUTES_KEEP).as_micros()])?;
        Ok(())
    }

    pub(super) fn minutes(
        &self,
        pool: &str,
        from: Wall,
        to: Wall,
    ) -> rusqlite::Result<Vec<(Wall, serde_json::Value)>> {
        self.db
            .prepare_cached(
                "SELECT minute_us, json FROM minutes
                 WHERE pool = ?1 AND minute_us >= ?2 AND minute_us < ?3 ORDER BY minute_us",
            )?
            .query_map(params![pool, from.as_micros(), to.as_micros()], |row| {
                Ok((
                    Wall::from_micros(row.get(0)?),
                    value(&row.get::<_, String>(1)?),
                ))
            })?
            .collect()
    }

    /// Moves the log into the file, so that a copy of the one file is all.
    pub(super) fn close(self) {
        let _ = self.db.pragma_update(None, "wal_checkpoint", "TRUNCATE");
    }
}

/// SQLite's integers are signed; Weir's numbers never come near the difference.
fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn value(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap_or(serde_json::Value::Null)
}

fn insert(db: &Connection, row: &Row) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![int(row.incident), row.seq, row.at_us, row.json])
        .map(|_| ())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// SQLite's own locks let two writers take turns; two Weirs in one journal would take each
/// other's incident numbers.
fn lock(path: &Path) -> Result<File, OpenError> {
    let at = beside(path, ".lock");
    let fault = |source| OpenError::Lock {
        path: at.clone(),
        source,
    };
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&at)
        .map_err(fault)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = (&file).take(32).read_to_string(&mut pid);
            let holder = match pid.trim() {
                "" => String::new(),
                pid => format!(" (process {pid})"),
            };
            return Err(OpenError::InUse {
                path: path.to_owned(),
                holder,
            });
        }
        Err(TryLockError::Error(source)) => return Err(fault(source)),
    }
    // Only for the message above: a full disk must not keep us from opening.
    let _ = file.set_len(0);
    let _ = write!(file, "{}", std::process::id());
    Ok(file)
}

fn is_corrupt(fault: &rusqlite::Error) -> bool {
    matches!(
        fault.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn connect(path: &Path, bytes_max: u64) -> Result<Connection, Fault> {
    let told = |source: rusqlite::Error| {
        if is_corrupt(&source) {
            return Fault::Corrupt(source.to_string());
        }
        let path = path.to_owned();
        Fault::No(match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Busy { path },
            _ => OpenError::Sqlite { path, source },
        })
    };
    // No URI flag: a path is a path, whatever it begins with.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(told)?;
    db.busy_timeout(BUSY).map_err(told)?;
    db.pragma_update(None, "journal_mode", "WAL")
        .map_err(told)?;
    db.pragma_update(None, "synchronous", "FULL")
        .map_err(told)?;
    db.pragma_update(None, "max_page_count", int(bytes_max.div_ceil(PAGE_BYTES)))
        .map_err(told)?;
    let check: String = db
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(told)?;
    if check != "ok" {
        return Err(Fault::Corrupt(check));
    }
    let found: u32 = db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(told)?;
    let found = found as usize;
    if found > MIGRATIONS.len() {
        return Err(Fault::No(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: MIGRATIONS.len(),
        }));
    }
    migrate(&db, found).map_err(told)?;
    Ok(db)
}

fn migrate(db: &Connection, found: usize) -> rusqlite::Result<()> {
    for (number, sql) in (1_u32..).zip(MIGRATIONS).skip(found) {
        let change = db.unchecked_transaction()?;
        change.execute_batch(sql)?;
        change.execute(
            "INSERT INTO schema_version VALUES (?1, ?2)",
            params![number, env!("CARGO_PKG_VERSION")],
        )?;
        change.pragma_update(None, "user_version", number)?;
        change.commit()?;
    }
    Ok(())
}

/// What can still be read of a corrupt file's journal: of each incident the entries up to the
/// first gap, since an incident is what follows from all of them.
fn salvage(aside: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    // Whatever goes wrong in reading ends it; what was read before counts.
    let _ = padded_copy(aside).map(|copy| read_rows(&copy, &mut rows));
    let _ = std::fs::remove_file(beside(aside, PADDED));
    let mut next: BTreeMap<u64, u32> = BTreeMap::new();
    rows.retain(|row| {
        let expected = next.entry(row.incident).or_insert(1);
        let fits = row.seq == *expected;
        *expected += u32::from(fits);
        fits
    });
    rows
}

const PADDED: &str = ".padded";

/// A copy as long as its header says. SQLite reads nothing at all of a file that was cut off; with
/// zeros for what is missing it reads up to there.
fn padded_copy(aside: &Path) -> std::io::Result<PathBuf> {
    let copy = beside(aside, PADDED);
    std::fs::copy(aside, &copy)?;
    let file = File::options().read(true).write(true).open(&copy)?;
    let mut header = [0; 32];
    (&file).read_exact(&mut header)?;
    let page = u64::from(u16::from_be_bytes([header[16], header[17]]));
    let pages = u32::from_be_bytes([header[28], header[29], header[30], header[31]]);
    // A header can lie; ours never needs more than this.
    let length = (page * u64::from(pages)).min(FILE_MAX);
    if length > file.metadata()?.len() {
        file.set_len(length)?;
    }
    Ok(copy)
}

fn read_rows(path: &Path, rows: &mut Vec<Row>) -> rusqlite::Result<()> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut statement = db.prepare("SELECT json FROM journal ORDER BY incident, seq")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        if let Ok(json) = row.get::<_, String>(0)
            && let Ok(entry) = serde_json::from_str::<Entry>(&json)
            && let Ok(row) = Row::of(&entry)
        {
            rows.push(row);
        }
    }
    Ok(())
}

/// Renames the file and its log to the first free `.corrupt-<n>`.
fn move_aside(path: &Path) -> std::io::Result<PathBuf> {
    let aside = (1..1_000)
        .map(|n| beside(path, &format!(".corrupt-{n}")))
        .find(|aside| !aside.exists())
        .ok_or_else(|| std::io::Error::other("a thousand corrupt files lie there already"))?;
    std::fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        match std::fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(fault),
            _ => {}
        }
    }
    Ok(aside)
}
