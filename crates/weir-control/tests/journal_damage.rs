//! A journal that was damaged or edited: what happened is found and named, and nothing else is
//! called damaged.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod report_support;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use weir_control::incident::entry::{By, Entry, IncidentId, Said};
use weir_control::record::store::chain::Damage;
use weir_control::record::store::{
    LookError, Store, StoreHealth, StoreSettings, StoredDecision, Verdict, verify,
};
use weir_model::Wall;

fn entry(incident: u64, seq: u32) -> Entry {
    Entry {
        incident: IncidentId(incident),
        seq,
        at: Wall::from_micros(1_795_442_321_200_000 + i64::from(seq) * 1_000),
        by: By::Person("ann".to_owned()),
        said: Said::Action {
            says: format!("entry {seq} of {incident}"),
            evidence: vec![],
        },
    }
}

/// Incident, entry, kind, last trusted.
type Named = (u64, u32, Damage, u32);

struct Place {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

/// Three incidents, written in turn: 5, 4 and 5 entries.
fn three() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let (store, _) = Store::open(&path);
    for seq in 1..=5 {
        for incident in 1..=3 {
            if (incident, seq) != (2, 5) {
                store.append(&entry(incident, seq)).unwrap();
            }
        }
    }
    store.close();
    assert!(verify(&path, None).unwrap().is_intact());
    Place { _dir: dir, path }
}

impl Place {
    fn sql(&self, sql: &str) -> rusqlite::Result<()> {
        Connection::open(&self.path).unwrap().execute_batch(sql)
    }

    /// As somebody who knows that there are rules: drops them, edits, puts them back.
    fn edit(&self, sql: &str) {
        let db = Connection::open(&self.path).unwrap();
        let rules: Vec<(String, String)> = db
            .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(rules.len(), 10);
        for (name, _) in &rules {
            db.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
        }
        db.execute_batch(sql).unwrap();
        for (_, sql) in &rules {
            db.execute_batch(sql).unwrap();
        }
    }

    fn verdict(&self) -> Verdict {
        verify(&self.path, None).unwrap()
    }

    /// Incident, entry, kind, last trusted: of everything found; then the file's own faults.
    fn found(&self) -> (Vec<Named>, Vec<String>) {
        let verdict = self.verdict();
        let faults = verdict.incidents.iter().flat_map(|i| &i.faults);
        let faults = faults
            .map(|f| (f.incident.0, f.seq, f.what, f.trusted))
            .collect();
        (faults, verdict.faults)
    }
}

#[test]
fn an_edit_typed_into_sqlite_is_refused_with_the_reason() {
    let place = three();
    for (sql, reason) in [
        (
            "UPDATE journal SET json = '{}' WHERE incident = 2",
            "no entry changes",
        ),
        (
            "DELETE FROM journal WHERE incident = 2 AND seq = 3",
            "no entry goes without a mark",
        ),
        ("DELETE FROM journal", "no entry goes without a mark"),
        (
            "INSERT INTO journal VALUES (2, 9, 0, '{}', x'00', 0, x'00')",
            "goes to the end",
        ),
        (
            "INSERT OR REPLACE INTO journal VALUES (2, 3, 0, '{}', x'00', 0, x'00')",
            "goes to the end",
        ),
        ("DELETE FROM heads WHERE incident = 2", "a head stays"),
        (
            "UPDATE heads SET seq = 3 WHERE incident = 2",
            "a head follows",
        ),
        ("DELETE FROM anchor", "the anchor stays"),
        ("UPDATE anchor SET n = n - 1", "the anchor only goes on"),
        (
            "INSERT INTO marks VALUES (1, x'00', 'R', 2, 4, x'00', ''); DELETE FROM marks",
            "append-only",
        ),
    ] {
        let fault = place.sql(sql).unwrap_err().to_string();
        assert!(fault.contains(reason), "{sql}: {fault}");
    }
    place.edit("DELETE FROM marks");
    assert!(place.verdict().is_intact());
}

#[test]
fn each_kind_of_damage_is_named_with_incident_entry_and_what_can_be_trusted() {
    let other = serde_json::to_string(&entry(2, 3))
        .unwrap()
        .replace("of 2", "of 9");
    let cases: Vec<(String, Vec<Named>)> = vec![
        (
            format!("UPDATE journal SET json = '{other}' WHERE incident = 2 AND seq = 3"),
            vec![(2, 3, Damage::Changed, 2)],
        ),
        (
            "UPDATE journal SET at_us = at_us + 60000000 WHERE incident = 3 AND seq = 1".into(),
            vec![(3, 1, Damage::Changed, 0)],
        ),
        // The last one: its hash has only the head to be proven by.
        (
            "UPDATE journal SET json = replace(json, 'entry 4', 'entry 7') WHERE incident = 2 AND seq = 4".into(),
            vec![(2, 4, Damage::Changed, 3)],
        ),
        (
            "UPDATE journal SET hash = zeroblob(32) WHERE incident = 2 AND seq = 2".into(),
            vec![(2, 2, Damage::HashChanged, 1)],
        ),
        (
            "UPDATE journal SET hash = zeroblob(32) WHERE incident = 2 AND seq = 4".into(),
            vec![(2, 4, Damage::HashChanged, 3)],
        ),
        (
            "UPDATE journal SET json = 'not JSON' WHERE incident = 2 AND seq = 2".into(),
            vec![(2, 2, Damage::Changed, 1)],
        ),
        (
            "UPDATE journal SET json = CAST(x'7bff7d' AS TEXT) WHERE incident = 2 AND seq = 2".into(),
            vec![(2, 2, Damage::Unreadable, 1)],
        ),
        (
            "DELETE FROM journal WHERE incident = 1 AND seq = 3".into(),
            vec![(1, 3, Damage::Missing, 2)],
        ),
        (
            "DELETE FROM journal WHERE incident = 1 AND seq IN (1, 2)".into(),
            vec![(1, 1, Damage::Missing, 0)],
        ),
        (
            "DELETE FROM journal WHERE incident = 1 AND seq >= 4".into(),
            vec![(1, 4, Damage::Truncated, 3)],
        ),
        (
            "DELETE FROM journal WHERE incident = 2".into(),
            vec![(2, 1, Damage::Truncated, 0)],
        ),
        (
            "UPDATE journal SET seq = 99 WHERE incident = 1 AND seq = 2;
             UPDATE journal SET seq = 2 WHERE incident = 1 AND seq = 3;
             UPDATE journal SET seq = 3 WHERE incident = 1 AND seq = 99".into(),
            vec![(1, 2, Damage::Reordered, 1), (1, 3, Damage::Reordered, 1)],
        ),
        (
            "INSERT INTO journal SELECT 1, 6, at_us, json, hash, n, chain FROM journal
             WHERE incident = 1 AND seq = 5".into(),
            vec![(1, 6, Damage::Reordered, 5), (1, 6, Damage::Inserted, 5)],
        ),
        (
            "UPDATE heads SET hash = zeroblob(32) WHERE incident = 3".into(),
            vec![(3, 5, Damage::HeadMismatch, 5)],
        ),
        (
            "DELETE FROM heads WHERE incident = 3".into(),
            vec![(3, 5, Damage::HeadMismatch, 5)],
        ),
        (
            "UPDATE journal SET incident = 8 WHERE incident = 1 AND seq = 5".into(),
            vec![
                (1, 5, Damage::Truncated, 4),
                (8, 1, Damage::Missing, 0),
                (8, 5, Damage::Reordered, 0),
                (8, 5, Damage::HeadMismatch, 0),
            ],
        ),
    ];
    for (sql, expected) in cases {
        let place = three();
        place.edit(&sql);
        let (found, _) = place.found();
        assert_eq!(found, expected, "{sql}");

        // Opening finds the same, says so, and shows the incident all the same.
        let (store, report) = Store::open(&place.path);
        for (id, seq, what, trusted) in &expected {
            let Some(fault) = report.faults.get(&IncidentId(*id)) else {
                panic!("{sql}: INC-{id} isn't called damaged");
            };
            let first = expected.iter().find(|(of, ..)| of == id).unwrap();
            assert_eq!((fault.seq, fault.what), (first.1, first.2), "{sql}");
            assert!(fault.trusted >= *trusted, "{sql} {seq} {what:?}");
            assert!(
                report
                    .says
                    .iter()
                    .any(|says| says.starts_with(&format!("INC-{id}: "))),
                "{:?}",
                report.says
            );
        }
        assert!(!store.journals().is_intact());
        // The others are whole, and not called damaged.
        for id in [1, 2, 3] {
            if expected.iter().any(|(of, ..)| *of == id) {
                continue;
            }
            assert!(!report.faults.contains_key(&IncidentId(id)), "{sql}");
            let entries: Vec<Entry> = (1..=if id == 2 { 4 } else { 5 })
                .map(|seq| entry(id, seq))
                .collect();
            assert_eq!(store.incident(IncidentId(id)), entries, "{sql}");
        }
        // What replays is numbered without gaps, so that a damaged incident can still be looked at.
        for (index, entry) in (1..).zip(store.incident(IncidentId(1))) {
            assert_eq!(entry.seq, index, "{sql}");
        }
    }
}

#[test]
fn an_incident_that_vanished_with_its_head_is_missed() {
    let place = three();
    place.edit("DELETE FROM journal WHERE incident = 2; DELETE FROM heads WHERE incident = 2");
    let (found, of_file) = place.found();
    assert_eq!(found, []);
    assert!(
        of_file[0].contains("without any trace: INC-2"),
        "{of_file:?}"
    );
    assert!(
        of_file[1].contains("4 records are missing where 0 were removed"),
        "{of_file:?}"
    );
    let report = Store::open(&place.path).1;
    assert!(report.says[0].contains("INC-2"), "{:?}", report.says);
}

#[test]
fn a_cut_tail_whose_head_was_moved_back_is_missed() {
    let place = three();
    place.edit(
        "DELETE FROM journal WHERE incident = 3 AND seq = 5;
         UPDATE heads SET seq = 4, hash = (SELECT hash FROM journal WHERE incident = 3 AND seq = 4)
         WHERE incident = 3",
    );
    let (found, of_file) = place.found();
    assert_eq!(found, []);
    assert!(
        of_file[0].contains("expected entry 5 of INC-3"),
        "{of_file:?}"
    );
    assert!(!Store::open(&place.path).1.says.is_empty());
}

#[test]
fn the_order_between_incidents_is_proven_too() {
    let place = three();
    place.edit("UPDATE journal SET n = CASE n WHEN 4 THEN 5 ELSE 4 END WHERE n IN (4, 5)");
    let (found, of_file) = place.found();
    assert_eq!(found, []);
    assert!(
        of_file[0].starts_with("record 4 (entry 2 of INC-2) doesn't follow"),
        "{of_file:?}"
    );
}

#[test]
fn writing_on_behind_damage_does_not_make_it_forgotten() {
    let place = three();
    place.edit("DELETE FROM journal WHERE incident = 1 AND seq >= 4");
    let (store, report) = Store::open(&place.path);
    assert_eq!(report.faults[&IncidentId(1)].what, Damage::Truncated);
    // The incident goes on from what is there.
    assert_eq!(store.append(&entry(1, 4)), Ok(()));
    assert_eq!(store.append(&entry(1, 5)), Ok(()));
    assert_eq!(store.append(&entry(1, 6)), Ok(()));
    assert!(store.journals().incidents[&IncidentId(1)].fault.is_some());
    store.close();
    let (found, of_file) = place.found();
    assert_eq!(found, [(1, 4, Damage::Earlier, 3)]);
    assert!(!of_file.is_empty(), "two records are missing");
    let fault = &Store::open(&place.path).1.faults[&IncidentId(1)];
    assert!(
        fault.to_string().starts_with(
            "INC-1: found damaged earlier, at entry 4; expected 5 entries, the last with hash "
        ),
        "{fault}"
    );
    assert!(
        fault
            .to_string()
            .ends_with("; entries 1 to 3 can be trusted"),
        "{fault}"
    );
}

#[test]
fn a_rule_that_was_dropped_is_put_back_and_said() {
    let place = three();
    place.sql("DROP TRIGGER journal_never_changes").unwrap();
    assert!(place.verdict().faults[0].contains("journal_never_changes"));
    let (store, report) = Store::open(&place.path);
    assert_eq!(report.health, StoreHealth::Durable);
    assert!(
        report.says[0].contains("journal_never_changes"),
        "{:?}",
        report.says
    );
    store.close();
    assert!(place.verdict().is_intact());
    assert!(place.sql("UPDATE journal SET json = ''").is_err());
}

#[test]
fn the_oldest_incidents_go_with_a_mark_and_nobody_cries_wolf() {
    let place = three();
    let settings = StoreSettings {
        incidents_max: 2,
        ..StoreSettings::default()
    };
    let (store, report) = Store::open_with(&place.path, &settings);
    assert_eq!(report.says, Vec::<String>::new());
    assert_eq!(store.load().len(), 9);
    store.append(&entry(4, 1)).unwrap();
    store.close();
    let (store, report) = Store::open_with(&place.path, &settings);
    assert_eq!(report.says, Vec::<String>::new());
    assert_eq!(store.last_number(), 4);
    store.close();
    let verdict = place.verdict();
    assert!(verdict.is_intact(), "{verdict:#?}");
    assert_eq!((verdict.removed, verdict.entries), (2, 6));
    // A removed incident is no hole for another one to vanish through.
    place.edit("DELETE FROM journal WHERE incident = 3; DELETE FROM heads WHERE incident = 3");
    assert!(!place.verdict().is_intact());
}

#[test]
fn a_file_of_an_older_weir_gets_its_hashes_at_the_first_opening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, weir TEXT NOT NULL);
         CREATE TABLE journal (
             incident INTEGER NOT NULL, seq INTEGER NOT NULL, at_us INTEGER NOT NULL, json TEXT NOT NULL,
             PRIMARY KEY (incident, seq)) WITHOUT ROWID;
         CREATE TABLE decisions (
             number INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, pool TEXT NOT NULL, json TEXT NOT NULL);
         CREATE TABLE minutes (
             pool TEXT NOT NULL, minute_us INTEGER NOT NULL, json TEXT NOT NULL,
             PRIMARY KEY (pool, minute_us)) WITHOUT ROWID;
         CREATE INDEX minutes_by_time ON minutes (minute_us);
         INSERT INTO schema_version VALUES (1, '0.1.0');
         PRAGMA user_version = 1;",
    )
    .unwrap();
    let old: Vec<Entry> = (1..=40)
        .flat_map(|incident| (1..=30).map(move |seq| entry(incident, seq)))
        .collect();
    for e in &old {
        db.execute(
            "INSERT INTO journal VALUES (?1, ?2, ?3, ?4)",
            rusqlite::params![
                e.incident.0 as i64,
                e.seq,
                e.at.as_micros(),
                serde_json::to_string(e).unwrap()
            ],
        )
        .unwrap();
    }
    drop(db);
    assert!(matches!(verify(&path, None), Err(LookError::Older { .. })));
    let (store, report) = Store::open(&path);
    assert_eq!(report.health, StoreHealth::Durable);
    assert_eq!(report.entries, old);
    assert!(
        report.says[0].starts_with("1200 entries that an older weir wrote were hashed now"),
        "{:?}",
        report.says
    );
    store.append(&entry(40, 31)).unwrap();
    store.close();
    let verdict = verify(&path, None).unwrap();
    assert!(verdict.is_intact(), "{verdict:#?}");
    assert_eq!(Store::open(&path).1.says, Vec::<String>::new());
}

#[test]
fn an_older_copy_put_in_place_is_noticed_and_stays_noted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let backup = dir.path().join("backup.db");
    let write = |from: u32, to: u32| {
        let (store, report) = Store::open(&path);
        for seq in from..=to {
            store.append(&entry(1, seq)).unwrap();
        }
        store.close();
        report.says
    };
    write(1, 10);
    std::fs::copy(&path, &backup).unwrap();
    assert_eq!(write(11, 14), Vec::<String>::new());
    std::fs::copy(&backup, &path).unwrap();
    assert!(verify(&path, None).unwrap().faults[0].contains("the last 4 records are missing"));
    let says = write(11, 11);
    assert!(
        says[0].contains("the last 4 records of the journal are missing"),
        "{says:?}"
    );
    assert!(says[0].contains("entry 14 of INC-1"), "{says:?}");
    let verdict = verify(&path, None).unwrap();
    assert_eq!(verdict.incidents[0].faults[0].what, Damage::Earlier);
    assert_eq!(verdict.incidents[0].faults[0].trusted, 10);
}

/// The file, its log and its witness, as a blow leaves them.
fn cut_off(to: &Path) -> Vec<Entry> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let (store, _) = Store::open(&path);
    let mut written = Vec::new();
    for seq in 1..=4 {
        for incident in 1..=3 {
            store.append(&entry(incident, seq)).unwrap();
            written.push(entry(incident, seq));
        }
    }
    for suffix in ["", "-wal", ".head"] {
        let name = format!("weir.db{suffix}");
        std::fs::copy(dir.path().join(&name), to.join(&name)).unwrap();
    }
    store.close();
    written.sort_by_key(|entry| (entry.incident, entry.seq));
    written
}

#[test]
fn a_log_that_was_deleted_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let written = cut_off(dir.path());
    let report = Store::open(&path).1;
    assert_eq!((report.entries, report.says), (written, vec![]));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    cut_off(dir.path());
    std::fs::remove_file(dir.path().join("weir.db-wal")).unwrap();
    let report = Store::open(&path).1;
    // Everything was in the log, the file's identity too; so it is a new file.
    assert!(
        report.entries.is_empty() && !report.says.is_empty(),
        "{:?}",
        report.says
    );
}

/// How flips ended.
#[derive(Debug, Default)]
struct Counts {
    /// Named, with the incident that is damaged.
    named: u32,
    /// Named as a fault of the file: moved aside, unusable, or a rule, a mark, the anchor damaged.
    of_file: u32,
    /// Nothing of the journal depends on that byte.
    harmless: u32,
}

/// Opens a copy of a file with one byte flipped, and insists that no incident is silently another.
fn flip(from: &Path, file: &str, offset: usize, mask: u8, written: &[Entry], counts: &mut Counts) {
    let dir = tempfile::tempdir_in(memory()).unwrap();
    for name in std::fs::read_dir(from).unwrap() {
        let name = name.unwrap().file_name();
        std::fs::copy(from.join(&name), dir.path().join(&name)).unwrap();
    }
    let damaged = dir.path().join(file);
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[offset] ^= mask;
    std::fs::write(&damaged, bytes).unwrap();
    let path = dir.path().join("weir.db");
    let verdict = verify(&path, None);
    let (store, report) = Store::open(&path);
    let at = format!("byte {offset} of {file} ^ {mask:#04x}");
    if let StoreHealth::MemoryOnly { reason } = &report.health {
        // Not read at all, and said why; the file is as it was.
        assert!(!reason.is_empty() && report.entries.is_empty(), "{at}");
        counts.of_file += 1;
        return;
    }
    // What isn't called damaged is as it was written.
    let ids: std::collections::BTreeSet<IncidentId> =
        written.iter().map(|entry| entry.incident).collect();
    let of = |entries: &[Entry], id: IncidentId| -> Vec<Entry> {
        entries
            .iter()
            .filter(|e| e.incident == id)
            .cloned()
            .collect()
    };
    for id in &ids {
        let same = of(&report.entries, *id) == of(written, *id);
        // A file of which nothing could be read has lost everything, and says so.
        let said = report.faults.contains_key(id)
            || report.says.iter().any(|says| says.contains("is corrupt"))
            || report.says.iter().any(|says| says.contains("acknowledged"));
        assert!(
            same || said,
            "{at}: {id} is another, and nobody said so: {:?}",
            report.says
        );
        // Also after a file was moved aside, nothing but the beginning of what was written is left.
        if !same && !report.faults.contains_key(id) {
            assert!(
                of(written, *id).starts_with(&of(&report.entries, *id)),
                "{at}: {id}"
            );
        }
    }
    for entry in &report.entries {
        assert!(
            ids.contains(&entry.incident) || report.faults.contains_key(&entry.incident),
            "{at}: {} never was",
            entry.incident
        );
    }
    let before = verdict.as_ref().is_ok_and(Verdict::is_intact);
    if !report.faults.is_empty() {
        counts.named += 1;
    } else if !report.says.is_empty() || !before {
        counts.of_file += 1;
    } else {
        assert_eq!(report.entries, written, "{at}");
        counts.harmless += 1;
    }
    store.close();
}

fn memory() -> &'static Path {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        Path::new("/tmp")
    }
}

/// Three told stories and a decision, closed: what a real file holds.
fn told(dir: &Path) -> Vec<Entry> {
    let (store, _) = Store::open(&dir.join("weir.db"));
    let mut written: Vec<Entry> = [
        report_support::sparse(),
        report_support::pool_undersized(),
        report_support::idle_in_transaction(),
    ]
    .into_iter()
    .flatten()
    .collect();
    for entry in &written {
        store.append(entry).unwrap();
    }
    store.decision(StoredDecision {
        number: 1,
        at: Wall::from_micros(5),
        pool: "app/web".to_owned(),
        json: serde_json::json!({"to": 7}),
    });
    store.close();
    written.sort_by_key(|entry| (entry.incident, entry.seq));
    written
}

fn flip_file(stride: usize) {
    let dir = tempfile::tempdir().unwrap();
    let written = told(dir.path());
    let length = std::fs::metadata(dir.path().join("weir.db")).unwrap().len() as usize;
    let mut counts = Counts::default();
    let mut flips = 0;
    for offset in 0..length {
        // All of the file's header, all of each page's header, and every so many bytes of the rest.
        let in_header = offset < 100 || (offset % 4096 < 12 && offset % 3 == 0);
        if in_header || offset % stride == 0 {
            let mask = 1 << (offset % 8);
            flip(dir.path(), "weir.db", offset, mask, &written, &mut counts);
            flips += 1;
        }
    }
    eprintln!("{flips} flips in a file of {length} bytes: {counts:?}");
    assert!(counts.named > 0 && counts.of_file > 0 && counts.harmless > 0);
}

#[test]
fn a_flipped_byte_in_the_file_is_named_or_matters_to_nobody() {
    flip_file(211);
}

#[test]
#[ignore = "every byte: some twenty minutes"]
fn every_flipped_byte_in_the_file_is_named_or_matters_to_nobody() {
    flip_file(1);
}

#[test]
fn a_flipped_byte_in_the_log_is_named_or_matters_to_nobody() {
    let dir = tempfile::tempdir().unwrap();
    // The file's identity must be in the file itself for its witness to be believed.
    let first = dir.path().join("first");
    std::fs::create_dir(&first).unwrap();
    let path = first.join("weir.db");
    let (store, _) = Store::open(&path);
    store.append(&entry(1, 1)).unwrap();
    store.close();
    let (store, _) = Store::open(&path);
    let mut written = vec![entry(1, 1)];
    for next in [entry(1, 2), entry(2, 1), entry(2, 2), entry(1, 3)] {
        store.append(&next).unwrap();
        written.push(next);
    }
    let cut = dir.path().join("cut");
    std::fs::create_dir(&cut).unwrap();
    for suffix in ["", "-wal", ".head"] {
        let name = format!("weir.db{suffix}");
        std::fs::copy(first.join(&name), cut.join(&name)).unwrap();
    }
    store.close();
    written.sort_by_key(|entry| (entry.incident, entry.seq));
    let length = std::fs::metadata(cut.join("weir.db-wal")).unwrap().len() as usize;
    let mut counts = Counts::default();
    let mut flips = 0;
    for offset in (0..length).filter(|offset| *offset < 56 || offset % 191 == 0) {
        let mask = 1 << (offset % 8);
        flip(&cut, "weir.db-wal", offset, mask, &written, &mut counts);
        flips += 1;
    }
    eprintln!("{flips} flips in a log of {length} bytes: {counts:?}");
    assert!(counts.named > 0);
}
