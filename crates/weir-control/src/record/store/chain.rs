//! The hash chain: what makes a changed, missing, inserted or moved entry show.
//!
//! Every entry carries `SHA-256(hash of the entry before ‖ incident ‖ seq ‖ at ‖ length ‖ json)`; the
//! first one follows 32 zero bytes. Numbers are big-endian: `incident` in 8 bytes, `seq` in 4, `at`
//! (microseconds) in 8, `length` of the JSON in 8. Beside the entries stands a *head* per incident:
//! how many there are and the last one's hash.
//!
//! # What always holds
//! - [`check`] is pure: rows and a head in, what is wrong out. It never stops at the first fault.
//! - One damaged entry is one fault: the next is judged by the hash that was stored, and by the one
//!   that should have been.
//!
//! # What is deliberately absent
//! - Protection against somebody who rewrites entries *and* every hash after them *and* the heads:
//!   that takes a key, or a witness elsewhere (docs/decisions/0051).

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};
use weir_model::Wall;

use crate::incident::entry::{Entry, IncidentId};

/// More faults than this of one incident are counted and not listed.
pub const FAULTS_MAX: usize = 20;

/// A SHA-256. `Display` writes all 64 digits; [`Hash::short`] twelve, for sentences.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What the first entry of an incident follows.
    pub const START: Hash = Hash([0; 32]);

    /// From 32 bytes.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// From 64 hexadecimal digits.
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Self(bytes))
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve digits: enough for a person to compare.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(12);
        text
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// The hash of an entry that follows `prev`.
pub fn link(prev: &Hash, incident: u64, seq: u32, at_us: i64, json: &str) -> Hash {
    let mut sha = Sha256::new();
    sha.update(prev.0);
    sha.update(incident.to_be_bytes());
    sha.update(seq.to_be_bytes());
    sha.update(at_us.to_be_bytes());
    sha.update((json.len() as u64).to_be_bytes());
    sha.update(json.as_bytes());
    Hash(sha.finalize().into())
}

/// What a record of the file-wide chain is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// An entry was written.
    Entry,
    /// An incident was removed, for there were too many.
    Removed,
    /// Damage was found, and writing went on behind it.
    Scar,
}

impl Record {
    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::Entry => "E",
            Self::Removed => "R",
            Self::Scar => "S",
        }
    }
}

/// The file-wide chain runs over everything that was written, in the order in which it was.
pub(super) fn follow(
    prev: &Hash,
    n: u64,
    what: Record,
    incident: u64,
    seq: u32,
    hash: &Hash,
    says: &str,
) -> Hash {
    let mut sha = Sha256::new();
    sha.update(prev.0);
    sha.update(n.to_be_bytes());
    sha.update(what.letter());
    sha.update(incident.to_be_bytes());
    sha.update(seq.to_be_bytes());
    sha.update(hash.0);
    sha.update(says);
    Hash(sha.finalize().into())
}

/// What happened to a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The entry says something else than what was written.
    Changed,
    /// The entry itself is proven by the one after it; only its own hash is damaged.
    HashChanged,
    /// What stands there was written as another entry.
    Reordered,
    /// It isn't there, though later ones are.
    Missing,
    /// The last ones aren't there.
    Truncated,
    /// It stands behind the end that the head knows of.
    Inserted,
    /// The entries hold together, but the head says something else.
    HeadMismatch,
    /// It can't be read at all.
    Unreadable,
    /// It was damaged when an earlier start wrote on behind the damage.
    Earlier,
}

impl Damage {
    /// Its name in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::HashChanged => "hash_changed",
            Self::Reordered => "reordered",
            Self::Missing => "missing",
            Self::Truncated => "truncated",
            Self::Inserted => "inserted",
            Self::HeadMismatch => "head_mismatch",
            Self::Unreadable => "unreadable",
            Self::Earlier => "earlier",
        }
    }
}

/// Something is wrong with an incident's journal: what, where, and what can still be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainFault {
    /// Which incident.
    pub incident: IncidentId,
    /// Which entry.
    pub seq: u32,
    /// What happened to it.
    pub what: Damage,
    /// What should stand there: a short hash, or words.
    pub expected: String,
    /// What stands there.
    pub found: String,
    /// Entries 1 to here are as they were written.
    pub trusted: u32,
}

impl fmt::Display for ChainFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            incident,
            seq,
            what,
            expected,
            found,
            trusted,
        } = self;
        match what {
            Damage::Changed => write!(f, "{incident}: entry {seq} was changed")?,
            Damage::HashChanged => write!(
                f,
                "{incident}: the hash of entry {seq} was changed (the entry itself is as written)"
            )?,
            Damage::Reordered => write!(f, "{incident}: another entry stands at {seq}")?,
            Damage::Missing => write!(f, "{incident}: entry {seq} is missing")?,
            Damage::Truncated => write!(f, "{incident}: the end is missing from entry {seq} on")?,
            Damage::Inserted => write!(f, "{incident}: entry {seq} was put in")?,
            Damage::HeadMismatch => {
                write!(f, "{incident}: its head doesn't fit its last entry, {seq}")?;
            }
            Damage::Unreadable => write!(f, "{incident}: entry {seq} can't be read")?,
            Damage::Earlier => {
                write!(f, "{incident}: found damaged earlier, at entry {seq}")?;
            }
        }
        write!(f, "; expected {expected}, found {found}; ")?;
        match trusted {
            0 => f.write_str("no entry of it is proven"),
            1 => f.write_str("entry 1 can be trusted"),
            n => write!(f, "entries 1 to {n} can be trusted"),
        }
    }
}

/// How many entries an incident has, and the last one's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the last entry.
    pub seq: u32,
    /// Its hash.
    pub hash: Hash,
}

/// A row as it stands in the file, damaged or not.
#[derive(Clone, Debug)]
pub(super) struct RawRow {
    /// `None`: it isn't a number that an entry can have.
    pub(super) seq: Option<u32>,
    pub(super) at_us: Option<i64>,
    /// Why not, in words.
    pub(super) json: Result<String, String>,
    pub(super) hash: Option<Hash>,
}

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Checked {
    /// What can be read, by number. Where an entry is missing or unreadable and others follow, an
    /// [`Said::Unknown`](crate::incident::entry::Said::Unknown) keeps its place.
    pub(super) entries: Vec<Entry>,
    /// At most [`FAULTS_MAX`], first one first.
    pub(super) faults: Vec<ChainFault>,
    /// All of them.
    pub(super) faults_total: usize,
    /// Entries 1 to here are as they were written.
    pub(super) trusted: u32,
    /// Number and hash of the last row.
    pub(super) last: Option<Head>,
}

/// Judges an incident's rows, in order of `seq`, against each other and against its head.
/// `read`: whether to keep the entries.
pub(super) fn check(
    incident: IncidentId,
    rows: impl IntoIterator<Item = RawRow>,
    head: Option<Head>,
    read: bool,
) -> Checked {
    let mut walk = Walk {
        incident,
        read,
        out: Checked::default(),
        next: 1,
        stored: Hash::START,
        computed: Hash::START,
        doubt: None,
        proven: true,
        displaced: false,
        carried: BTreeMap::new(),
        at: Wall::from_micros(0),
    };
    for row in rows {
        walk.row(row);
    }
    walk.end(head);
    walk.out
}

/// An entry whose hash didn't fit, until what follows tells what of it was changed.
struct Doubt {
    seq: u32,
    what: Damage,
    expected: String,
    found: String,
}

struct Walk {
    incident: IncidentId,
    read: bool,
    out: Checked,
    next: u32,
    /// The hash that the last row carries…
    stored: Hash,
    /// … and the one it should.
    computed: Hash,
    doubt: Option<Doubt>,
    /// Nothing was wrong so far.
    proven: bool,
    /// The row before stands at another entry's place.
    displaced: bool,
    /// Hashes of entries that stand at another's place, by the number they were written with.
    carried: BTreeMap<u32, Hash>,
    at: Wall,
}

impl Walk {
    fn fault(&mut self, seq: u32, what: Damage, expected: String, found: String) {
        self.proven = false;
        self.out.faults_total += 1;
        if self.out.faults.len() < FAULTS_MAX {
            self.out.faults.push(ChainFault {
                incident: self.incident,
                seq,
                what,
                expected,
                found,
                trusted: self.out.trusted,
            });
        }
    }

    /// The entry in doubt is settled: as it first seemed, or only its hash was damaged.
    fn settle(&mut self, only_its_hash: bool) {
        if let Some(doubt) = self.doubt.take() {
            let what = if only_its_hash {
                Damage::HashChanged
            } else {
                doubt.what
            };
            self.fault(doubt.seq, what, doubt.expected, doubt.found);
        }
    }

    fn row(&mut self, row: RawRow) {
        let Some(seq) = row.seq.filter(|seq| *seq >= self.next) else {
            self.settle(false);
            let found = match row.seq {
                Some(seq) => format!("number {seq}"),
                None => "no number".to_owned(),
            };
            self.fault(self.next, Damage::Inserted, "nothing".to_owned(), found);
            return;
        };
        if seq > self.next {
            self.settle(false);
            let found = format!("entry {seq}");
            let expected = match seq - self.next {
                1 => format!("entry {}", self.next),
                _ => format!("entries {} to {}", self.next, seq - 1),
            };
            self.fault(self.next, Damage::Missing, expected, found);
            // A number far beyond is a damaged number, not a long gap to be filled.
            if seq - self.next <= HOLE_MAX {
                for missing in self.next..seq {
                    self.hold_place(missing);
                }
            }
        }
        let after_hole = seq > self.next;
        self.next = seq.saturating_add(1);
        self.one(seq, row, after_hole);
    }

    fn one(&mut self, seq: u32, row: RawRow, after_hole: bool) {
        let stored = row.hash.unwrap_or(Hash::START);
        let json = match (row.json, row.at_us) {
            (Ok(json), Some(at_us)) => Ok((json, at_us)),
            (Err(why), _) => Err(why),
            (_, None) => Err("its time is not a number".to_owned()),
        };
        let (json, at_us) = match json {
            Ok(found) => found,
            Err(why) => {
                self.settle(false);
                self.fault(
                    seq,
                    Damage::Unreadable,
                    format!("the entry with hash {}", stored.short()),
                    why,
                );
                self.hold_place(seq);
                (self.stored, self.computed) = (stored, stored);
                self.out.last = Some(Head { seq, hash: stored });
                return;
            }
        };
        let entry = serde_json::from_str::<Entry>(&json);
        let of = |prev: &Hash| link(prev, self.incident.0, seq, at_us, &json);
        let (by_stored, by_computed) = (of(&self.stored), of(&self.computed));
        // What it followed: the row before; of a displaced one, what should stand there. Behind a
        // hole nobody knows.
        let followed = match (self.displaced, self.carried.get(&(seq - 1))) {
            (true, Some(hash)) => stored == of(hash),
            (true, None) => true,
            (false, _) => stored == by_stored || after_hole,
        };
        let fits = row.hash.is_some() && followed && entry.as_ref().is_ok_and(|e| e.seq == seq);
        self.displaced = false;
        let only_hash_before = self.doubt.is_some() && stored == by_computed;
        self.settle(only_hash_before);
        let computed = if only_hash_before {
            by_computed
        } else {
            by_stored
        };
        if !fits && !only_hash_before {
            let (what, expected, found) = match &entry {
                Ok(e) if e.seq != seq || e.incident != self.incident => {
                    self.displaced = true;
                    if e.incident == self.incident && self.carried.len() < FAULTS_MAX {
                        self.carried.insert(e.seq, stored);
                    }
                    (
                        Damage::Reordered,
                        format!("entry {seq} of {}", self.incident),
                        format!("entry {} of {}", e.seq, e.incident),
                    )
                }
                _ => (
                    Damage::Changed,
                    format!("hash {}", stored.short()),
                    format!("hash {}", computed.short()),
                ),
            };
            self.doubt = Some(Doubt {
                seq,
                what,
                expected,
                found,
            });
            self.proven = false;
        }
        let whole = match entry {
            Ok(entry) if entry.seq == seq && entry.incident == self.incident => {
                self.at = entry.at;
                if self.read {
                    self.out.entries.push(entry);
                }
                true
            }
            Ok(other) => {
                // A valid hash over another entry's words: it was never written by Weir so.
                if self.doubt.is_none() {
                    let found = format!("entry {} of {}", other.seq, other.incident);
                    let expected = format!("entry {seq} of {}", self.incident);
                    self.fault(seq, Damage::Reordered, expected, found);
                }
                false
            }
            Err(why) => {
                // A valid hash over what can't be read: it was written so.
                if self.doubt.is_none() {
                    let expected = "an entry".to_owned();
                    self.fault(seq, Damage::Unreadable, expected, why.to_string());
                }
                false
            }
        };
        if !whole {
            self.hold_place(seq);
        }
        if self.proven {
            self.out.trusted = seq;
        }
        (self.stored, self.computed) = (stored, computed);
        self.out.last = Some(Head { seq, hash: stored });
    }

    fn hold_place(&mut self, seq: u32) {
        if self.read {
            self.out.entries.push(Entry {
                incident: self.incident,
                seq,
                at: self.at,
                by: crate::incident::entry::By::Weir,
                said: crate::incident::entry::Said::Unknown,
            });
        }
    }

    fn end(&mut self, head: Option<Head>) {
        let last = self.next - 1;
        let Some(head) = head else {
            self.settle(false);
            if last > 0 {
                let found = "no head".to_owned();
                let expected = format!("a head at entry {last}");
                self.fault(last, Damage::HeadMismatch, expected, found);
            }
            return;
        };
        if head.seq > last {
            self.settle(false);
            let found = match last {
                0 => "none".to_owned(),
                n => format!("{n}"),
            };
            let expected = format!(
                "{} entries, the last with hash {}",
                head.seq,
                head.hash.short()
            );
            self.fault(self.next, Damage::Truncated, expected, found);
            return;
        }
        if head.seq < last {
            self.settle(false);
            let expected = format!("the end, at entry {}", head.seq);
            let found = format!("entries up to {last}");
            self.out.trusted = self.out.trusted.min(head.seq);
            self.fault(head.seq + 1, Damage::Inserted, expected, found);
            return;
        }
        let only_hash = self.doubt.is_some() && head.hash == self.computed;
        self.settle(only_hash);
        if !only_hash && head.hash != self.stored {
            let (expected, found) = (head.hash.short(), self.stored.short());
            self.fault(
                last,
                Damage::HeadMismatch,
                format!("hash {expected}"),
                format!("hash {found}"),
            );
        }
    }
}

/// A longer hole than this is a damaged number.
const HOLE_MAX: u32 = 10_000;
