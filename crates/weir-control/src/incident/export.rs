//! An incident's journal as a document: what is taken from one Weir to another, or kept in an archive.
//!
//! JSON lines. The first says what it is; each following line is an entry, exactly as it was written,
//! with its hash:
//!
//! ```text
//! {"schema":"weir.journal/1","id":"INC-7","entries":2,"head":"9f86d0…"}
//! {"hash":"2c26b4…","entry":{"incident":7,"seq":1,…}}
//! {"hash":"9f86d0…","entry":{"incident":7,"seq":2,…}}
//! ```
//!
//! # What always holds
//! - [`read`] takes what [`write()`] wrote, and nothing that differs from it by a byte of an entry: the
//!   hashes are computed anew ([`crate::record::store::chain`]) and every difference is named with
//!   its line.
//! - What was read replays: a document that no incident follows from is refused.
//!
//! # Bounds
//! [`ENTRIES_MAX`] entries, [`BYTES_MAX`] bytes.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::entry::{Entry, IncidentId};
use super::{Incident, ReplayFault};
use crate::record::store::chain::{Hash, link};
use crate::record::store::{Journal, JournalState, NUMBER_MAX};

/// The schema that the first line names.
pub const SCHEMA: &str = "weir.journal/1";
/// Entries in a document.
pub const ENTRIES_MAX: usize = 100_000;
/// Bytes of a document.
pub const BYTES_MAX: usize = 64 << 20;

/// Why a document isn't taken.
#[derive(Debug, thiserror::Error)]
pub enum ReadFault {
    /// Longer than anything Weir writes.
    #[error("the document has {0} bytes; at most {BYTES_MAX} are read")]
    TooLong(usize),
    /// Nothing to read.
    #[error("the document is empty; its first line should begin with {{\"schema\":\"{SCHEMA}\"")]
    Empty,
    /// The first line isn't a header.
    #[error(
        "line 1: no header of a journal ({why}); expected {{\"schema\":\"{SCHEMA}\",\"id\":…,\"entries\":…,\"head\":…}}"
    )]
    Header {
        /// What is wrong.
        why: String,
    },
    /// A line isn't an entry with its hash.
    #[error("line {line}: not an entry with its hash: {why}")]
    Line {
        /// Which.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// An entry out of its place.
    #[error("line {line}: expected entry {expected} of {id}, found entry {found} of {found_id}")]
    Place {
        /// Which.
        line: usize,
        /// The number that should stand there.
        expected: u32,
        /// Whose journal it is.
        id: IncidentId,
        /// The number that does.
        found: u32,
        /// Whose entry it is.
        found_id: IncidentId,
    },
    /// An entry that was changed, or its hash was.
    #[error("line {line}: entry {seq} was changed: its hash says {stored}, its words give {computed}; {}", trusted(*seq))]
    Changed {
        /// Which.
        line: usize,
        /// Which entry.
        seq: u32,
        /// The hash in the document.
        stored: String,
        /// The hash that follows.
        computed: String,
    },
    /// Lines are missing or too many.
    #[error("line 1: the header tells of {expected} entries, the document has {found}")]
    Count {
        /// As the header says.
        expected: usize,
        /// As counted.
        found: usize,
    },
    /// The header's hash isn't the last entry's.
    #[error("line 1: the header's head is {expected}, the last entry's hash {found}")]
    Head {
        /// As the header says.
        expected: String,
        /// As it follows.
        found: String,
    },
    /// No incident follows from it.
    #[error("the entries are as they were written, but no incident follows from them")]
    Replay(#[from] ReplayFault),
}

fn trusted(seq: u32) -> String {
    match seq {
        0 | 1 => "nothing of the document is proven".to_owned(),
        2 => "entry 1 can be trusted".to_owned(),
        n => format!("entries 1 to {} can be trusted", n - 1),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    schema: String,
    id: String,
    entries: usize,
    head: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    hash: String,
    #[serde(borrow)]
    entry: &'a RawValue,
}

/// The document of a journal.
pub fn write(journal: &Journal) -> String {
    let head = journal.head().unwrap_or(Hash::START);
    let mut out = format!(
        "{{\"schema\":\"{SCHEMA}\",\"id\":\"{}\",\"entries\":{},\"head\":\"{head}\"}}\n",
        journal.id,
        journal.len(),
    );
    for (hash, entry) in journal.lines() {
        out.push_str(&format!("{{\"hash\":\"{hash}\",\"entry\":{entry}}}\n"));
    }
    out
}

/// Reads a document, proves it, and says what incident follows from it.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(text: &str) -> Result<(Journal, Incident), ReadFault> {
    if text.len() > BYTES_MAX {
        return Err(ReadFault::TooLong(text.len()));
    }
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty());
    let (_, first) = lines.next().ok_or(ReadFault::Empty)?;
    let (header, id) = header(first)?;
    let mut entries: Vec<(Entry, String)> = Vec::new();
    let mut prev = Hash::START;
    for (line, text) in lines {
        if entries.len() == ENTRIES_MAX {
            return Err(ReadFault::Line {
                line,
                why: format!("more than {ENTRIES_MAX} entries"),
            });
        }
        let bad = |why: serde_json::Error| ReadFault::Line {
            line,
            why: why.to_string(),
        };
        let read: Line<'_> = serde_json::from_str(text).map_err(bad)?;
        let json = read.entry.get();
        let entry: Entry = serde_json::from_str(json).map_err(bad)?;
        let expected = u32::try_from(entries.len() + 1).unwrap_or(u32::MAX);
        if entry.seq != expected || entry.incident != id {
            return Err(ReadFault::Place {
                line,
                expected,
                id,
                found: entry.seq,
                found_id: entry.incident,
            });
        }
        let computed = link(&prev, id.0, entry.seq, entry.at.as_micros(), json);
        if Hash::read(&read.hash) != Some(computed) {
            return Err(ReadFault::Changed {
                line,
                seq: entry.seq,
                stored: read.hash.chars().take(12).collect(),
                computed: computed.short(),
            });
        }
        prev = computed;
        entries.push((entry, json.to_owned()));
    }
    if entries.len() != header.entries {
        return Err(ReadFault::Count {
            expected: header.entries,
            found: entries.len(),
        });
    }
    if Hash::read(&header.head) != Some(prev) {
        return Err(ReadFault::Head {
            expected: header.head.chars().take(12).collect(),
            found: prev.short(),
        });
    }
    let journal = Journal::new(id, entries);
    let incident = replay(&journal)?;
    Ok((journal, incident))
}

/// What follows from a journal.
///
/// # Errors
/// Nothing does.
pub fn replay(journal: &Journal) -> Result<Incident, ReplayFault> {
    let entries: Vec<Entry> = journal
        .lines()
        .filter_map(|(_, json)| serde_json::from_str(json).ok())
        .collect();
    Incident::replay(&entries)
}

fn header(line: &str) -> Result<(Header, IncidentId), ReadFault> {
    let bad = |why: String| ReadFault::Header { why };
    let header: Header = serde_json::from_str(line).map_err(|why| bad(why.to_string()))?;
    if header.schema != SCHEMA {
        return Err(bad(format!("its schema is `{}`", header.schema)));
    }
    let id: IncidentId = header.id.parse().map_err(bad)?;
    if id.0 == 0 || id.0 > NUMBER_MAX {
        return Err(bad(format!("{id} is no number of an incident")));
    }
    Ok((header, id))
}

/// How a journal is, as an incident's document tells it.
pub fn state(state: &JournalState) -> Value {
    json!({
        "entries": state.entries,
        "head": state.head.map(|head| head.to_string()),
        "intact": state.fault.is_none(),
        "says": state.fault.as_ref().map(ToString::to_string),
        "damage": state.fault.as_ref().map(|fault| fault.what.name()),
        "damaged_at": state.fault.as_ref().map(|fault| fault.seq),
        "trusted_to": state.fault.as_ref().map_or(state.entries, |fault| fault.trusted),
    })
}

/// A journal from entries that were never stored; `None` if they can't be written as JSON.
pub fn of_entries(entries: &[Entry]) -> Option<Journal> {
    let id = entries.first()?.incident;
    let texts: Option<Vec<(Entry, String)>> = entries
        .iter()
        .map(|entry| Some((entry.clone(), serde_json::to_string(entry).ok()?)))
        .collect();
    Some(Journal::new(id, texts?))
}
