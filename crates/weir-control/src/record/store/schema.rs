//! The tables, how they came to be, and the rules that SQLite itself keeps.
//!
//! The triggers make an `UPDATE` or `DELETE` typed into `sqlite3 weir.db` an error that says why.
//! Whoever drops them first can still write; then [`altered`] notices the triggers and
//! [`super::chain`] the entries.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::chain::{Hash, Record, follow, link};

/// One step of the schema's history.
enum Change {
    Sql(&'static str),
    /// Runs its own statements; what it says goes to the operator.
    Work(fn(&Connection) -> rusqlite::Result<Option<String>>),
}

/// Each brings the schema one version up; never edit one that was released.
const MIGRATIONS: &[&[Change]] = &[
    &[Change::Sql(
        "
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
",
    )],
    &[
        Change::Sql(
            "
    ALTER TABLE journal ADD COLUMN hash BLOB;
    ALTER TABLE journal ADD COLUMN n INTEGER;
    ALTER TABLE journal ADD COLUMN chain BLOB;
    CREATE TABLE heads (incident INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL);
    CREATE TABLE marks (
        n INTEGER PRIMARY KEY, chain BLOB NOT NULL, what TEXT NOT NULL, incident INTEGER NOT NULL,
        seq INTEGER NOT NULL, hash BLOB NOT NULL, says TEXT NOT NULL);
    CREATE TABLE anchor (
        one INTEGER PRIMARY KEY CHECK (one = 1), file BLOB NOT NULL, n INTEGER NOT NULL,
        chain BLOB NOT NULL, incident INTEGER NOT NULL, seq INTEGER NOT NULL, gone INTEGER NOT NULL);
",
        ),
        Change::Work(hash_old_entries),
        Change::Sql(
            "
    CREATE TRIGGER journal_adds_at_the_end BEFORE INSERT ON journal
        WHEN NEW.seq IS NOT 1 + coalesce((SELECT max(seq) FROM journal WHERE incident = NEW.incident), 0)
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only: an entry goes to the end of its incident'); END;
    CREATE TRIGGER journal_never_changes BEFORE UPDATE ON journal
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only: no entry changes'); END;
    CREATE TRIGGER journal_keeps BEFORE DELETE ON journal
        WHEN (SELECT what || incident FROM marks ORDER BY n DESC LIMIT 1) IS NOT 'R' || OLD.incident
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only: no entry goes without a mark'); END;
    CREATE TRIGGER heads_follow BEFORE UPDATE ON heads
        WHEN NEW.incident IS NOT OLD.incident
          OR NEW.seq IS NOT (SELECT max(seq) FROM journal WHERE incident = NEW.incident)
        BEGIN SELECT RAISE(ABORT, 'a head follows the last entry of its incident'); END;
    CREATE TRIGGER heads_keep BEFORE DELETE ON heads
        WHEN EXISTS (SELECT 1 FROM journal WHERE incident = OLD.incident)
        BEGIN SELECT RAISE(ABORT, 'a head stays as long as its incident'); END;
    CREATE TRIGGER marks_add_at_the_end BEFORE INSERT ON marks
        WHEN NEW.n <= (SELECT max(n) FROM marks)
        BEGIN SELECT RAISE(ABORT, 'marks are append-only'); END;
    CREATE TRIGGER marks_never_change BEFORE UPDATE ON marks
        BEGIN SELECT RAISE(ABORT, 'marks are append-only'); END;
    CREATE TRIGGER marks_keep BEFORE DELETE ON marks WHEN (SELECT count(*) FROM marks) <= 10000
        BEGIN SELECT RAISE(ABORT, 'marks are append-only'); END;
    CREATE TRIGGER anchor_goes_on BEFORE UPDATE ON anchor
        WHEN NEW.n < OLD.n OR NEW.file IS NOT OLD.file
        BEGIN SELECT RAISE(ABORT, 'the anchor only goes on'); END;
    CREATE TRIGGER anchor_stays BEFORE DELETE ON anchor
        BEGIN SELECT RAISE(ABORT, 'the anchor stays'); END;
",
        ),
    ],
];

/// The version that this Weir writes.
pub(super) const KNOWN: usize = MIGRATIONS.len();

/// Marks kept; a trigger above has the same number.
pub(super) const MARKS_MAX: u64 = 10_000;

/// Old rows that are hashed at a time.
const BATCH: u32 = 500;

/// Brings the schema up from version `found`.
pub(super) fn migrate(
    db: &Connection,
    found: usize,
    says: &mut Vec<String>,
) -> rusqlite::Result<()> {
    for (number, changes) in (1_u32..).zip(MIGRATIONS).skip(found) {
        let transaction = db.unchecked_transaction()?;
        for change in *changes {
            match change {
                Change::Sql(sql) => transaction.execute_batch(sql)?,
                Change::Work(work) => says.extend(work(&transaction)?),
            }
        }
        transaction.execute(
            "INSERT INTO schema_version VALUES (?1, ?2)",
            params![number, env!("CARGO_PKG_VERSION")],
        )?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Entries of a Weir that didn't hash yet get their hashes, and the file its anchor.
fn hash_old_entries(db: &Connection) -> rusqlite::Result<Option<String>> {
    let (mut incident, mut seq) = (i64::MIN, i64::MIN);
    let (mut prev, mut chain, mut n) = (Hash::START, Hash::START, 0_u64);
    let mut last = (0_i64, 0_i64);
    loop {
        let rows: Vec<(i64, i64, i64, String)> = db
            .prepare_cached(
                "SELECT incident, seq, at_us, json FROM journal WHERE (incident, seq) > (?1, ?2)
                 ORDER BY incident, seq LIMIT ?3",
            )?
            .query_map(params![incident, seq, BATCH], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?
            .collect::<Result<_, _>>()?;
        if rows.is_empty() {
            break;
        }
        for (of, number, at_us, json) in rows {
            if of != incident {
                prev = Hash::START;
            }
            (incident, seq) = (of, number);
            n += 1;
            let (id, at) = (of.unsigned_abs(), u32::try_from(number).unwrap_or(u32::MAX));
            prev = link(&prev, id, at, at_us, &json);
            chain = follow(&chain, n, Record::Entry, id, at, &prev, "");
            last = (of, number);
            db.prepare_cached(
                "UPDATE journal SET hash = ?3, n = ?4, chain = ?5 WHERE incident = ?1 AND seq = ?2",
            )?
            .execute(params![of, number, prev.bytes(), int(n), chain.bytes()])?;
            db.prepare_cached(
                "INSERT INTO heads VALUES (?1, ?2, ?3)
                 ON CONFLICT (incident) DO UPDATE SET seq = excluded.seq, hash = excluded.hash",
            )?
            .execute(params![of, number, prev.bytes()])?;
        }
    }
    db.execute(
        "INSERT INTO anchor VALUES (1, randomblob(16), ?1, ?2, ?3, ?4, 0)",
        params![int(n), chain.bytes(), last.0, last.1],
    )?;
    Ok((n > 0).then(|| {
        format!(
            "{n} entries that an older weir wrote were hashed now; whether they were changed before \
             can't be told"
        )
    }))
}

/// SQLite's integers are signed; Weir's numbers never come near the difference.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// How a file's schema differs from the one that this Weir makes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Altered {
    /// Tables and indexes that are missing or different: nothing can be relied upon.
    pub(super) tables: Vec<String>,
    /// Triggers, with what they should say.
    pub(super) triggers: BTreeMap<String, String>,
}

/// Compares a file's schema with a fresh one. What somebody added (a view, an index) is theirs.
pub(super) fn altered(db: &Connection) -> rusqlite::Result<Altered> {
    let fresh = Connection::open_in_memory()?;
    migrate(&fresh, 0, &mut Vec::new())?;
    let (should, is) = (objects(&fresh)?, objects(db)?);
    let mut altered = Altered::default();
    for ((kind, name), sql) in should {
        if is.get(&(kind.clone(), name.clone())) == Some(&sql) {
            continue;
        }
        match kind.as_str() {
            "trigger" => {
                altered.triggers.insert(name, sql);
            }
            _ => altered.tables.push(format!("{kind} {name}")),
        }
    }
    Ok(altered)
}

type Objects = BTreeMap<(String, String), String>;

fn objects(db: &Connection) -> rusqlite::Result<Objects> {
    db.prepare("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")?
        .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?
        .collect()
}
