//! A file that is corrupt: moved aside, and what can still be proven of its journal carried over.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::FILE_MAX;
use super::chain::{ChainFault, Head, RawRow, check};
use super::file::beside;
use super::journal::{hash, number};
use super::writer::Row;
use crate::incident::entry::{Entry, IncidentId};

/// What could be read of a corrupt file's journal.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// Of each incident the entries up to the first that isn't proven, since an incident is what
    /// follows from all of them.
    pub(super) rows: Vec<Row>,
    /// What is missing of them, and of those of which nothing is left.
    pub(super) faults: Vec<ChainFault>,
}

pub(super) fn salvage(aside: &Path) -> Saved {
    let mut rows = BTreeMap::new();
    let mut heads = BTreeMap::new();
    // Whatever goes wrong in reading ends it; what was read before counts.
    if let Ok(copy) = padded_copy(aside)
        && let Ok(db) = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)
    {
        let _ = read_heads(&db, &mut heads);
        if read_rows(&db, "hash", &mut rows).is_err() && rows.is_empty() {
            let _ = read_rows(&db, "NULL", &mut rows);
        }
    }
    let padded = beside(aside, PADDED);
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(beside(&padded, suffix));
    }
    let mut saved = Saved::default();
    for incident in heads
        .keys()
        .chain(rows.keys())
        .copied()
        .collect::<std::collections::BTreeSet<_>>()
    {
        let found = rows.remove(&incident).unwrap_or_default();
        saved.take(incident, found, heads.get(&incident).copied());
    }
    saved
}

impl Saved {
    fn take(&mut self, incident: u64, found: Vec<RawRow>, head: Option<Head>) {
        // A file from before hashes has nothing to be proven by.
        let hashed = head.is_some() || found.iter().any(|row| row.hash.is_some());
        let whole = found
            .iter()
            .zip(1..)
            .take_while(|(row, seq)| {
                let entry = row
                    .json
                    .as_ref()
                    .ok()
                    .and_then(|json| serde_json::from_str(json).ok());
                row.at_us.is_some()
                    && entry.is_some_and(|e: Entry| e.seq == *seq && e.incident.0 == incident)
            })
            .count();
        let keep = if hashed {
            let checked = check(IncidentId(incident), found.clone(), head, false);
            self.faults.extend(checked.faults.into_iter().next());
            (checked.trusted as usize).min(whole)
        } else {
            whole
        };
        self.rows
            .extend(found.into_iter().take(keep).filter_map(|row| {
                Some(Row {
                    incident,
                    seq: row.seq?,
                    at_us: row.at_us?,
                    json: row.json.ok()?,
                })
            }));
    }
}

const PADDED: &str = ".padded";

/// A copy as long as its header says. SQLite reads nothing at all of a file that was cut off; with
/// zeros for what is missing it reads up to there.
fn padded_copy(aside: &Path) -> std::io::Result<PathBuf> {
    let copy = beside(aside, PADDED);
    std::fs::copy(aside, &copy)?;
    // What the log held is the journal's end.
    let _ = std::fs::copy(beside(aside, "-wal"), beside(&copy, "-wal"));
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

fn read_heads(db: &Connection, heads: &mut BTreeMap<u64, Head>) -> rusqlite::Result<()> {
    let mut statement = db.prepare("SELECT incident, seq, hash FROM heads")?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let seq = u32::try_from(number(row, 1)?).unwrap_or(0);
        if let Some(hash) = hash(row, 2)? {
            heads.insert(number(row, 0)?, Head { seq, hash });
        }
    }
    Ok(())
}

fn read_rows(
    db: &Connection,
    hash_column: &str,
    rows: &mut BTreeMap<u64, Vec<RawRow>>,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare(&format!(
        "SELECT incident, seq, at_us, json, {hash_column} FROM journal ORDER BY incident, seq"
    ))?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let raw = RawRow {
            seq: u32::try_from(number(row, 1)?).ok(),
            at_us: row.get(2).ok(),
            json: row
                .get(3)
                .map_err(|fault: rusqlite::Error| fault.to_string()),
            hash: hash(row, 4)?,
        };
        rows.entry(number(row, 0)?).or_default().push(raw);
    }
    Ok(())
}

/// Renames the file and its log to the first free `.corrupt-<n>`.
pub(super) fn move_aside(path: &Path) -> std::io::Result<PathBuf> {
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
