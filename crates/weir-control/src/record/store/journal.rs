//! The journal's rows: adding one, reading them back judged, removing the oldest incidents, taking
//! in a journal from elsewhere.
//!
//! # What always holds
//! - An entry, its incident's head and the file's anchor change in one transaction, or not at all.
//! - An entry is added behind the last one of its incident, whatever its head says; where the head
//!   disagrees, a scar is written first, so that the damage stays known.
//! - An incident goes only with a mark that says which it was and how it ended.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::chain::{self, ChainFault, Checked, Damage, Hash, Head, RawRow, Record, follow, link};
use super::file::StoreFile;
use super::schema::{MARKS_MAX, int};
use super::witness::Seen;
use super::writer::Row;
use super::{Imported, Journal, JournalState, Step};
use crate::incident::entry::{Entry, IncidentId};

/// Why an entry wasn't added.
#[derive(Debug)]
pub(super) enum Refused {
    /// The number is taken by an entry that says something else.
    Taken,
    /// The one before it isn't there.
    Gap {
        /// The last that is.
        after: u32,
    },
    /// The file couldn't be written: full, busy, broken.
    Disk(String),
}

impl From<rusqlite::Error> for Refused {
    fn from(fault: rusqlite::Error) -> Self {
        Self::Disk(fault.to_string())
    }
}

/// Where the file-wide chain ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) file: [u8; 16],
    pub(super) n: u64,
    pub(super) chain: Hash,
    /// The last record's entry; (0, 0) for a mark.
    pub(super) incident: u64,
    pub(super) seq: u32,
    /// Records that were removed, and may be missing.
    pub(super) gone: u64,
}

/// The anchor as the file has it.
pub(super) fn anchor(db: &Connection) -> rusqlite::Result<Option<Anchor>> {
    db.prepare_cached("SELECT file, n, chain, incident, seq, gone FROM anchor WHERE one = 1")?
        .query_row([], |row| {
            Ok(Anchor {
                file: blob(row, 0)?.try_into().unwrap_or_default(),
                n: number(row, 1)?,
                chain: hash(row, 2)?.unwrap_or(Hash::START),
                incident: number(row, 3)?,
                seq: u32::try_from(number(row, 4)?).unwrap_or(0),
                gone: number(row, 5)?,
            })
        })
        .optional()
}

fn blob(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Vec<u8>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Blob(bytes) => bytes.to_vec(),
        _ => Vec::new(),
    })
}

pub(super) fn hash(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Option<Hash>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Blob(bytes) => Hash::of_bytes(bytes),
        _ => None,
    })
}

/// A damaged file can have anything in any column; what is no number counts as zero.
pub(super) fn number(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(match row.get_ref(at)? {
        ValueRef::Integer(n) => u64::try_from(n).unwrap_or(0),
        _ => 0,
    })
}

fn raw(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawRow> {
    let integer = |at: usize| -> rusqlite::Result<Option<i64>> {
        Ok(match row.get_ref(at)? {
            ValueRef::Integer(n) => Some(n),
            _ => None,
        })
    };
    Ok(RawRow {
        seq: integer(0)?.and_then(|n| u32::try_from(n).ok()),
        at_us: integer(1)?,
        json: match row.get_ref(2)? {
            ValueRef::Text(bytes) => std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|fault| fault.to_string()),
            other => Err(format!("{} instead of text", other.data_type())),
        },
        hash: hash(row, 3)?,
    })
}

/// The last entry that is there.
fn last_row(db: &Connection, incident: u64) -> rusqlite::Result<Option<Head>> {
    db.prepare_cached(
        "SELECT seq, hash FROM journal WHERE incident = ?1 ORDER BY seq DESC LIMIT 1",
    )?
    .query_row(params![int(incident)], |row| {
        Ok(Head {
            seq: u32::try_from(number(row, 0)?).unwrap_or(u32::MAX),
            hash: hash(row, 1)?.unwrap_or(Hash::START),
        })
    })
    .optional()
}

/// The number of the last entry that is there; zero for none.
pub(super) fn last_seq(db: &Connection, incident: u64) -> rusqlite::Result<u32> {
    Ok(last_row(db, incident)?.map_or(0, |last| last.seq))
}

pub(super) fn head(db: &Connection, incident: u64) -> rusqlite::Result<Option<Head>> {
    db.prepare_cached("SELECT seq, hash FROM heads WHERE incident = ?1")?
        .query_row(params![int(incident)], |row| {
            Ok(Head {
                seq: u32::try_from(number(row, 0)?).unwrap_or(u32::MAX),
                hash: hash(row, 1)?.unwrap_or(Hash::START),
            })
        })
        .optional()
}

/// The incidents of which anything is there, the newest first.
pub(super) fn newest(db: &Connection, most: u64) -> rusqlite::Result<Vec<u64>> {
    let mut found = BTreeSet::new();
    for sql in [
        "SELECT incident FROM heads ORDER BY incident DESC LIMIT ?1",
        "SELECT DISTINCT incident FROM journal ORDER BY incident DESC LIMIT ?1",
    ] {
        let mut statement = db.prepare_cached(sql)?;
        let mut rows = statement.query(params![int(most)])?;
        while let Some(row) = rows.next()? {
            found.insert(number(row, 0)?);
        }
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(found.into_iter().rev().take(most).collect())
}

/// Damage that was written down when writing went on behind it, by incident.
pub(super) fn scars(db: &Connection) -> rusqlite::Result<BTreeMap<u64, ChainFault>> {
    let mut scars = BTreeMap::new();
    let mut statement =
        db.prepare_cached("SELECT incident, seq, says, what FROM marks ORDER BY n")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let incident = number(row, 0)?;
        // What became of a removed one no longer matters.
        if row.get_ref(3)?.as_str().is_ok_and(|what| what != "S") {
            scars.remove(&incident);
            continue;
        }
        let seq = u32::try_from(number(row, 1)?).unwrap_or(1).max(1);
        let says: String = row.get(2).unwrap_or_default();
        let (expected, found) = says.split_once("; found ").unwrap_or((&says, "nothing"));
        scars.entry(incident).or_insert(ChainFault {
            incident: IncidentId(incident),
            seq,
            what: Damage::Earlier,
            expected: expected.to_owned(),
            found: found.to_owned(),
            trusted: seq - 1,
        });
    }
    Ok(scars)
}

/// Reads an incident and judges it.
pub(super) fn judge(
    db: &Connection,
    incident: u64,
    scar: Option<&ChainFault>,
    read: bool,
) -> Checked {
    let id = IncidentId(incident);
    let mut broken = None;
    let mut look = || -> rusqlite::Result<Checked> {
        let head = head(db, incident)?;
        let mut statement = db.prepare_cached(
            "SELECT seq, at_us, json, hash FROM journal WHERE incident = ?1 ORDER BY seq",
        )?;
        let rows = statement.query_map(params![int(incident)], raw)?;
        let rows = rows.map_while(|row| match row {
            Ok(row) => Some(row),
            Err(fault) => {
                broken = Some(fault.to_string());
                None
            }
        });
        Ok(chain::check(id, rows, head, read))
    };
    let looked = look();
    let mut checked = looked.unwrap_or_else(|fault| {
        broken = Some(fault.to_string());
        Checked::default()
    });
    if let Some(why) = broken {
        let seq = checked.last.map_or(0, |last| last.seq) + 1;
        checked
            .faults
            .retain(|fault| fault.what != Damage::Truncated);
        checked.faults.push(ChainFault {
            incident: id,
            seq,
            what: Damage::Unreadable,
            expected: "more of the file".to_owned(),
            found: why,
            trusted: checked.trusted,
        });
        checked.faults_total = checked.faults_total.max(1);
    }
    if let Some(scar) = scar {
        checked.trusted = checked.trusted.min(scar.trusted);
        let trusted = checked.trusted;
        checked.faults_total += 1;
        checked.faults.push(ChainFault {
            trusted,
            ..scar.clone()
        });
    }
    checked
}

impl From<&Checked> for JournalState {
    fn from(checked: &Checked) -> Self {
        Self {
            entries: checked.last.map_or(0, |last| last.seq),
            head: checked.last.map(|last| last.hash),
            fault: checked.faults.first().cloned(),
        }
    }
}

/// A transaction that adds records to the file-wide chain.
struct Adding<'a> {
    tx: Transaction<'a>,
    anchor: Anchor,
    step: &'a dyn Fn(Step),
}

impl<'a> Adding<'a> {
    fn begin(db: &'a Connection, step: &'a dyn Fn(Step)) -> rusqlite::Result<Self> {
        let tx = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
        step(Step::Begun);
        let anchor = anchor(&tx)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        Ok(Self { tx, anchor, step })
    }

    /// The file-wide chain's next record: its number and hash.
    fn next(&mut self, what: Record, incident: u64, seq: u32, hash: &Hash, says: &str) {
        self.anchor.n += 1;
        let n = self.anchor.n;
        self.anchor.chain = follow(&self.anchor.chain, n, what, incident, seq, hash, says);
        (self.anchor.incident, self.anchor.seq) = match what {
            Record::Entry => (incident, seq),
            Record::Removed | Record::Scar => (0, 0),
        };
    }

    fn mark(
        &mut self,
        what: Record,
        incident: u64,
        seq: u32,
        hash: &Hash,
        says: &str,
    ) -> rusqlite::Result<()> {
        self.next(what, incident, seq, hash, says);
        self.tx
            .prepare_cached("INSERT INTO marks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                int(self.anchor.n),
                self.anchor.chain.bytes(),
                what.letter(),
                int(incident),
                seq,
                hash.bytes(),
                says
            ])?;
        (self.step)(Step::Marked);
        Ok(())
    }

    /// Adds a row behind `prev`.
    fn entry(&mut self, row: &Row, prev: &Hash) -> rusqlite::Result<Head> {
        let hash = link(prev, row.incident, row.seq, row.at_us, &row.json);
        self.next(Record::Entry, row.incident, row.seq, &hash, "");
        self.tx
            .prepare_cached("INSERT INTO journal VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                int(row.incident),
                row.seq,
                row.at_us,
                row.json,
                hash.bytes(),
                int(self.anchor.n),
                self.anchor.chain.bytes()
            ])?;
        (self.step)(Step::Entered);
        Ok(Head { seq: row.seq, hash })
    }

    fn set_head(&self, incident: u64, head: Head) -> rusqlite::Result<()> {
        self.tx
            .prepare_cached(
                "INSERT INTO heads VALUES (?1, ?2, ?3)
                 ON CONFLICT (incident) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
            )?
            .execute(params![int(incident), head.seq, head.hash.bytes()])?;
        (self.step)(Step::Headed);
        Ok(())
    }

    /// Moves the anchor and makes all of it durable.
    fn commit(self) -> rusqlite::Result<Seen> {
        let a = self.anchor;
        self.tx
            .prepare_cached(
                "UPDATE anchor SET n = ?1, chain = ?2, incident = ?3, seq = ?4, gone = ?5",
            )?
            .execute(params![
                int(a.n),
                a.chain.bytes(),
                int(a.incident),
                a.seq,
                int(a.gone)
            ])?;
        (self.step)(Step::Anchored);
        self.tx.commit()?;
        (self.step)(Step::Committed);
        Ok(Seen {
            file: a.file,
            n: a.n,
            chain: a.chain,
            incident: a.incident,
            seq: a.seq,
        })
    }
}

impl StoreFile {
    /// One entry, in a transaction of its own. Adding the same entry twice is no fault. Gives the
    /// incident's head.
    pub(super) fn append(&mut self, row: &Row) -> Result<Head, Refused> {
        let step = self.at_step();
        let mut adding = Adding::begin(&self.db, &step)?;
        let last = last_row(&adding.tx, row.incident)?;
        let last_seq = last.map_or(0, |last| last.seq);
        if row.seq <= last_seq {
            let same = text(&adding.tx, row)?.is_some_and(|there| there == row.json);
            return match last {
                // Given twice, say after a reply that got lost: that is the same journal.
                Some(last) if same => Ok(last),
                _ => Err(Refused::Taken),
            };
        }
        if row.seq - last_seq > 1 {
            return Err(Refused::Gap { after: last_seq });
        }
        let head = head(&adding.tx, row.incident)?;
        if head != last {
            let says = scar_says(head, last);
            let hash = head.map_or(Hash::START, |head| head.hash);
            let at = last_seq.min(head.map_or(0, |head| head.seq)) + 1;
            adding.mark(Record::Scar, row.incident, at, &hash, &says)?;
        }
        let prev = last.map_or(Hash::START, |last| last.hash);
        let head = adding.entry(row, &prev)?;
        adding.set_head(row.incident, head)?;
        let seen = adding.commit()?;
        self.witness.note(&seen);
        step(Step::Witnessed);
        Ok(head)
    }

    /// Writes down damage that would otherwise be forgotten with the next entry.
    pub(super) fn scar(&mut self, incident: u64, seq: u32, says: &str) -> rusqlite::Result<()> {
        let step = self.at_step();
        let mut adding = Adding::begin(&self.db, &step)?;
        adding.mark(Record::Scar, incident, seq, &Hash::START, says)?;
        let seen = adding.commit()?;
        self.witness.note(&seen);
        Ok(())
    }

    /// Removes the oldest incidents beyond the bound, each in a transaction of its own and with a
    /// mark that says which it was.
    pub(super) fn remove_oldest(&mut self) -> rusqlite::Result<()> {
        let mut kept = newest(&self.db, self.incidents_max.saturating_add(REMOVED_AT_ONCE))?;
        let keep = usize::try_from(self.incidents_max).unwrap_or(usize::MAX);
        for incident in kept.drain(keep.min(kept.len())..).rev() {
            self.remove(incident)?;
        }
        Ok(())
    }

    fn remove(&mut self, incident: u64) -> rusqlite::Result<()> {
        let step = self.at_step();
        let mut adding = Adding::begin(&self.db, &step)?;
        let end = head(&adding.tx, incident)?.or(last_row(&adding.tx, incident)?);
        let (seq, hash) = end.map_or((0, Hash::START), |end| (end.seq, end.hash));
        adding.mark(Record::Removed, incident, seq, &hash, "")?;
        let rows = adding
            .tx
            .execute("DELETE FROM journal WHERE incident = ?1", [int(incident)])?;
        adding
            .tx
            .execute("DELETE FROM heads WHERE incident = ?1", [int(incident)])?;
        step(Step::Removed);
        let old_marks = adding.tx.execute(
            "DELETE FROM marks WHERE n <=
             (SELECT n FROM marks ORDER BY n DESC LIMIT 1 OFFSET ?1)",
            [int(MARKS_MAX)],
        )?;
        adding.anchor.gone += (rows + old_marks) as u64;
        let seen = adding.commit()?;
        self.witness.note(&seen);
        Ok(())
    }

    /// The entries of the newest incidents with how far they can be trusted.
    pub(super) fn load(&self, incidents: u64) -> (Vec<Entry>, BTreeMap<IncidentId, JournalState>) {
        let scars = scars(&self.db).unwrap_or_default();
        let mut ids = newest(&self.db, incidents).unwrap_or_default();
        ids.reverse();
        let (mut entries, mut states) = (Vec::new(), BTreeMap::new());
        for id in ids {
            let checked = judge(&self.db, id, scars.get(&id), true);
            states.insert(IncidentId(id), JournalState::from(&checked));
            entries.extend(checked.entries);
        }
        (entries, states)
    }

    /// The entries of one incident.
    pub(super) fn incident(&self, incident: IncidentId) -> Vec<Entry> {
        judge(&self.db, incident.0, None, true).entries
    }

    /// An incident's journal, to be taken elsewhere.
    pub(super) fn journal(&self, incident: IncidentId) -> Option<Journal> {
        journal(&self.db, incident)
    }

    /// The highest number that an incident ever had here.
    pub(super) fn last_number(&self) -> u64 {
        let newest = newest(&self.db, 1).unwrap_or_default();
        let removed = self
            .db
            .query_row("SELECT max(incident) FROM marks", [], |row| number(row, 0));
        newest
            .first()
            .copied()
            .unwrap_or(0)
            .max(removed.unwrap_or(0))
    }

    /// Takes in a journal that was checked, in one transaction. `fresh`: the number it gets if its
    /// own is taken.
    pub(super) fn import(
        &mut self,
        journal: &Journal,
        fresh: IncidentId,
    ) -> Result<Imported, Refused> {
        if let Some(there) = self.already(journal)? {
            return Ok(there);
        }
        let id = if self.is_free(journal)? {
            journal.id
        } else {
            IncidentId(fresh.0.max(self.last_number() + 1))
        };
        let rows = journal.rows_as(id).map_err(Refused::Disk)?;
        self.add_rows(id, &rows, 0)?;
        Ok(if id == journal.id {
            Imported::Kept(id)
        } else {
            Imported::Renumbered {
                from: journal.id,
                to: id,
            }
        })
    }

    /// Adds rows behind entry `after` of an incident, all or none.
    fn add_rows(&mut self, id: IncidentId, rows: &[Row], after: u32) -> Result<(), Refused> {
        let step = self.at_step();
        let mut adding = Adding::begin(&self.db, &step)?;
        let last = last_row(&adding.tx, id.0)?;
        if last.map_or(0, |last| last.seq) != after {
            return Err(Refused::Taken);
        }
        let mut head = last;
        for row in rows {
            let prev = head.map_or(Hash::START, |head| head.hash);
            head = Some(adding.entry(row, &prev)?);
        }
        if let Some(head) = head {
            adding.set_head(id.0, head)?;
        }
        let seen = adding.commit()?;
        self.witness.note(&seen);
        step(Step::Witnessed);
        Ok(())
    }

    /// Whether this journal, or its beginning, or more of it, is here already; under its own number
    /// or under one that an earlier import gave it. What is new of it is added.
    fn already(&mut self, journal: &Journal) -> Result<Option<Imported>, Refused> {
        let Some(first) = journal.rows.first() else {
            return Ok(None);
        };
        let mut candidates: Vec<u64> = self
            .db
            .prepare_cached(
                "SELECT heads.incident FROM heads CROSS JOIN journal
                 ON journal.incident = heads.incident AND journal.seq = 1
                 WHERE journal.at_us = ?1",
            )?
            .query_map(params![first.at_us], |row| number(row, 0))?
            .collect::<Result<_, _>>()?;
        candidates.sort_by_key(|id| (*id != journal.id.0, *id));
        for id in candidates.into_iter().map(IncidentId) {
            let Some(here) = self.journal(id) else {
                continue;
            };
            let Ok(rows) = journal.rows_as(id) else {
                continue;
            };
            let same = here.rows.iter().zip(&rows).all(|(a, b)| a.json == b.json);
            if !same || here.fault.is_some() {
                continue;
            }
            let known = here.rows.len();
            if rows.len() <= known {
                return Ok(Some(Imported::Already {
                    id,
                    more_here: known - rows.len(),
                }));
            }
            let after = u32::try_from(known).unwrap_or(u32::MAX);
            self.add_rows(id, &rows[known..], after)?;
            return Ok(Some(Imported::Continued {
                id,
                added: rows.len() - known,
            }));
        }
        Ok(None)
    }

    /// Whether the journal can keep its number: nobody has it, and nobody else ever had.
    fn is_free(&self, journal: &Journal) -> rusqlite::Result<bool> {
        let id = journal.id.0;
        if head(&self.db, id)?.is_some() || last_row(&self.db, id)?.is_some() {
            return Ok(false);
        }
        let removed: Option<Option<Hash>> = self
            .db
            .query_row(
                "SELECT hash FROM marks WHERE what = 'R' AND incident = ?1 ORDER BY n DESC LIMIT 1",
                params![int(id)],
                |row| hash(row, 0),
            )
            .optional()?;
        Ok(match removed {
            None => true,
            // Removed for want of room, and back again.
            Some(end) => end == journal.head(),
        })
    }
}

/// Incidents over the bound that are removed in one go; the rest goes with the next.
const REMOVED_AT_ONCE: u64 = 1_000;

/// An incident's journal as the file has it.
pub(super) fn journal(db: &Connection, incident: IncidentId) -> Option<Journal> {
    let scar = scars(db).ok()?.remove(&incident.0);
    let checked = judge(db, incident.0, scar.as_ref(), false);
    if checked.last.is_none() && checked.faults.is_empty() {
        return None;
    }
    let mut statement = db
        .prepare_cached(
            "SELECT seq, at_us, json, hash FROM journal WHERE incident = ?1 ORDER BY seq",
        )
        .ok()?;
    let rows = statement.query_map(params![int(incident.0)], raw).ok()?;
    let (mut kept, mut hashes) = (Vec::new(), Vec::new());
    // Of a damaged journal, what can be read.
    for row in rows.map_while(Result::ok) {
        if let (Some(seq), Some(at_us), Ok(json), Some(hash)) =
            (row.seq, row.at_us, row.json, row.hash)
        {
            kept.push(Row {
                incident: incident.0,
                seq,
                at_us,
                json,
            });
            hashes.push(hash);
        }
    }
    Some(Journal {
        id: incident,
        rows: kept,
        hashes,
        fault: checked.faults.first().cloned(),
    })
}

fn text(db: &Connection, row: &Row) -> rusqlite::Result<Option<String>> {
    let found = db
        .prepare_cached("SELECT json FROM journal WHERE incident = ?1 AND seq = ?2")?
        .query_row(params![int(row.incident), row.seq], |r| {
            Ok(match r.get_ref(0)? {
                ValueRef::Text(text) => std::str::from_utf8(text).ok().map(str::to_owned),
                _ => None,
            })
        })
        .optional()?;
    Ok(found.flatten())
}

fn scar_says(head: Option<Head>, last: Option<Head>) -> String {
    let says = |of: Option<Head>| match of {
        None => "none".to_owned(),
        Some(head) => format!(
            "{} entries, the last with hash {}",
            head.seq,
            head.hash.short()
        ),
    };
    format!("{}; found {}", says(head), says(last))
}
