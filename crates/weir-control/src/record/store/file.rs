//! The SQLite file: opening it whatever is wrong with it; decisions. The journal's rows
//! are in [`super::journal`].

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use weir_model::Wall;

use super::aside::{Saved, move_aside, salvage};
use super::journal::{Anchor, anchor, scars};
use super::schema::{self, int};
use super::witness::{Seen, Witness};
use super::{AtStep, DECISIONS_MAX, INCIDENTS_MAX, Step, StoreSettings, StoredDecision, verify};

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
    #[error("{path} can only be read")]
    ReadOnly { path: PathBuf },
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
    pub(super) witness: Witness,
    pub(super) incidents_max: u64,
    at_step: Option<AtStep>,
    /// Held as long as the file is: the kernel gives it back however this process ends.
    lock: Option<File>,
}

/// What opening found wrong with the file as a whole, beside what it says to the operator.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) says: Vec<String>,
    pub(super) faults: Vec<String>,
}

impl StoreFile {
    /// Opens or makes the file; one that is corrupt is moved aside and replaced.
    pub(super) fn open(
        path: &Path,
        settings: &StoreSettings,
        found: &mut Found,
    ) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let mut saved = None;
        let db = match connect(path, settings.bytes_max, found) {
            Ok(db) => db,
            Err(Fault::No(fault)) => return Err(fault),
            Err(Fault::Corrupt(reason)) => {
                let aside = move_aside(path).map_err(|source| OpenError::Stuck {
                    path: path.to_owned(),
                    reason: reason.clone(),
                    source,
                })?;
                let what = salvage(&aside);
                let db = connect(path, settings.bytes_max, found).map_err(|fault| match fault {
                    Fault::No(fault) => fault,
                    Fault::Corrupt(reason) => OpenError::Stuck {
                        path: path.to_owned(),
                        reason,
                        source: std::io::Error::other("its replacement is corrupt as well"),
                    },
                })?;
                saved = Some((what, reason, aside));
                db
            }
        };
        let (witness, mut seen) = Witness::open(&beside(path, ".head"));
        let mut file = Self {
            db,
            witness,
            incidents_max: settings.incidents_max,
            at_step: settings.at_step.clone(),
            lock: Some(lock),
        };
        if let Some((saved, reason, aside)) = saved {
            // It saw the file that lies aside now.
            seen = None;
            file.carry_over(saved, &reason, path, &aside, found);
        }
        if let Err(fault) = file.look_around(seen, found) {
            found
                .faults
                .push(format!("the file's anchor can't be read: {fault}"));
        }
        if let Err(fault) = file.prune() {
            found
                .says
                .push(format!("old rows couldn't be removed: {fault}"));
        }
        Ok(file)
    }

    /// The same tables in memory.
    pub(super) fn in_memory() -> Self {
        let db = Connection::open_in_memory()
            .and_then(|db| {
                db.pragma_update(None, "max_page_count", int(MEMORY_PAGES))?;
                schema::migrate(&db, 0, &mut Vec::new())?;
                Ok(db)
            })
            .expect("SQLite in memory needs nothing but memory");
        Self {
            db,
            witness: Witness::none(),
            incidents_max: INCIDENTS_MAX,
            at_step: None,
            lock: None,
        }
    }

    /// What to call at every step of a write; a test stops the process there.
    pub(super) fn at_step(&self) -> impl Fn(Step) + 'static {
        let at_step = self.at_step.clone();
        move |step| {
            if let Some(at) = &at_step {
                at.call(step);
            }
        }
    }

    fn carry_over(
        &mut self,
        saved: Saved,
        reason: &str,
        path: &Path,
        aside: &Path,
        found: &mut Found,
    ) {
        let mut carried = 0;
        for row in &saved.rows {
            carried += usize::from(self.append(row).is_ok());
        }
        found.says.push(format!(
            "{} is corrupt ({reason}); it was moved to {} and a new file begun, with {carried} \
             journal entries that could still be read",
            path.display(),
            aside.display(),
        ));
        for fault in saved.faults {
            found.says.push(fault.to_string());
            let says = format!("{}; found {}", fault.expected, fault.found);
            // What was lost stays known, also of an incident of which nothing is left.
            if let Err(fault) = self.scar(fault.incident.0, fault.trusted + 1, &says) {
                found.says.push(format!("that couldn't be noted: {fault}"));
            }
        }
    }

    /// Is this the file that was last written, whole?
    fn look_around(&mut self, seen: Option<Seen>, found: &mut Found) -> rusqlite::Result<()> {
        let Some(anchor) = anchor(&self.db)? else {
            found.faults.push(
                "the file's anchor is missing; it was made anew, and what was lost before can't be \
                 told"
                    .to_owned(),
            );
            self.db.execute(
                "INSERT INTO anchor SELECT 1, randomblob(16), max(n), zeroblob(32), 0, 0, 0 FROM
                 (SELECT coalesce(max(n), 0) AS n FROM journal
                  UNION ALL SELECT coalesce(max(n), 0) FROM marks)",
                [],
            )?;
            return self.scar(0, 0, "an anchor; found none");
        };
        match seen {
            Some(seen) if seen.file != anchor.file => found.says.push(format!(
                "this is another file than the one that was last written here, in which {} records \
                 were acknowledged, the last of them entry {} of INC-{}",
                seen.n, seen.seq, seen.incident
            )),
            Some(seen) if seen.n > anchor.n => self.lost(&anchor, &seen, found)?,
            _ => {}
        }
        found.faults.extend(verify::quick(&self.db)?);
        if let Some(scar) = scars(&self.db)?.get(&0) {
            found.faults.push(format!(
                "found damaged earlier: expected {}, found {}",
                scar.expected, scar.found
            ));
        }
        Ok(())
    }

    /// Entries that were acknowledged aren't there.
    fn lost(&mut self, anchor: &Anchor, seen: &Seen, found: &mut Found) -> rusqlite::Result<()> {
        let Seen {
            n, incident, seq, ..
        } = *seen;
        let records = n - anchor.n;
        found.says.push(format!(
            "the last {records} records of the journal are missing, though they were acknowledged; \
             the very last was entry {seq} of INC-{incident} (an older copy of the file was put in \
             its place, or its log was lost or damaged)"
        ));
        let last = super::journal::last_seq(&self.db, incident)?;
        let says = format!("entries up to {seq}; found entries up to {last}");
        self.scar(incident, last + 1, &says)?;
        if records > 1 {
            let says = format!("{n} records; found {}", anchor.n);
            self.scar(0, 0, &says)?;
        }
        Ok(())
    }

    fn prune(&mut self) -> rusqlite::Result<()> {
        self.remove_oldest()?;
        self.db.execute(
            "DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - ?1",
            params![int(DECISIONS_MAX)],
        )?;
        Ok(())
    }

    pub(super) fn put_decision(&mut self, d: &StoredDecision) -> rusqlite::Result<()> {
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

    /// Moves the log into the file, so that a copy of the one file is all.
    pub(super) fn close(self) {
        let _ = self.db.pragma_update(None, "wal_checkpoint", "TRUNCATE");
        drop(self.db);
        // Said aloud: a process that is being started at this very moment still has a copy of the
        // descriptor, and closing ours alone would leave the file locked until it runs.
        if let Some(lock) = self.lock {
            let _ = lock.unlock();
        }
    }
}

pub(super) fn value(json: &str) -> serde_json::Value {
    serde_json::from_str(json).unwrap_or(serde_json::Value::Null)
}

pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
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

/// Opens a file and brings it to the present schema, or says why it can't be used.
fn connect(path: &Path, bytes_max: u64, found: &mut Found) -> Result<Connection, Fault> {
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
    // SQLite opens what it may not write without a word.
    if db.is_readonly("main").map_err(told)? {
        return Err(Fault::No(OpenError::ReadOnly {
            path: path.to_owned(),
        }));
    }
    db.pragma_update(None, "journal_mode", "WAL")
        .map_err(told)?;
    db.pragma_update(None, "synchronous", "FULL")
        .map_err(told)?;
    let check: String = db
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(told)?;
    if check != "ok" {
        return Err(Fault::Corrupt(check));
    }
    let version = version(&db).map_err(told)?;
    let known = schema::KNOWN;
    match version {
        Version::Of(found) if found > known => {
            return Err(Fault::No(OpenError::Newer {
                path: path.to_owned(),
                found,
                known,
            }));
        }
        Version::Of(from) => schema::migrate(&db, from, &mut found.says).map_err(told)?,
        Version::Torn { header, table } => {
            return Err(Fault::Corrupt(format!(
                "its header says schema {header}, its table {table}"
            )));
        }
    }
    // Only now: a full file must still be brought up to date.
    db.pragma_update(None, "max_page_count", int(bytes_max.div_ceil(PAGE_BYTES)))
        .map_err(told)?;
    let altered = schema::altered(&db).map_err(told)?;
    if !altered.tables.is_empty() {
        let tables = altered.tables.join(", ");
        return Err(Fault::Corrupt(format!("its schema was altered: {tables}")));
    }
    for (name, sql) in altered.triggers {
        found.faults.push(format!(
            "the rule {name} was missing or altered; it was put back, and what was written without it \
             shows only in the entries themselves"
        ));
        let again = format!("DROP TRIGGER IF EXISTS {name}; {sql}");
        db.execute_batch(&again).map_err(told)?;
    }
    Ok(db)
}

/// What a file says of its schema.
pub(super) enum Version {
    Of(usize),
    /// It says two things.
    Torn {
        header: usize,
        table: usize,
    },
}

pub(super) fn version(db: &Connection) -> rusqlite::Result<Version> {
    let header: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let header = header as usize;
    let listed: bool = db.query_row(
        "SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'",
        [],
        |row| row.get(0),
    )?;
    if !listed {
        return Ok(Version::Of(header));
    }
    let table: Option<u32> = db
        .query_row("SELECT max(version) FROM schema_version", [], |row| {
            row.get(0)
        })
        .optional()?
        .flatten();
    let table = table.unwrap_or(0) as usize;
    Ok(if table == header {
        Version::Of(header)
    } else {
        Version::Torn { header, table }
    })
}
