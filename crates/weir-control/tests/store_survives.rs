//! The store on bad days: killed, full, corrupt, taken.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail the test")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::Connection;
use weir_control::incident::entry::{By, Entry, IncidentId, Said};
use weir_control::record::store::{
    MINUTES_KEEP, Store, StoreError, StoreHealth, StoreSettings, StoredDecision, read_journal,
    verify,
};
use weir_model::{Evidence, Wall};

const CHILD: &str = "WEIR_TEST_STORE";

fn entry(incident: u64, seq: u32) -> Entry {
    Entry {
        incident: IncidentId(incident),
        seq,
        at: Wall::from_micros(i64::from(seq) * 1_000),
        by: By::Weir,
        said: Said::remark(format!("entry {seq} {}", "x".repeat(2_000))),
    }
}

/// Whether something comes true within ten seconds.
fn soon(mut true_now: impl FnMut() -> bool) -> bool {
    for _ in 0..200 {
        if true_now() {
            return true;
        }
        pause(50);
    }
    false
}

#[expect(clippy::disallowed_methods, reason = "waits for another thread")]
fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Fills a file with `n` entries and closes it.
fn filled(path: &Path, n: u32) {
    let (store, _) = Store::open(path);
    for seq in 1..=n {
        store.append(&entry(1, seq)).unwrap();
    }
    store.close();
}

/// Not a test: what the next test runs as a process of its own, to be killed.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let (store, _) = Store::open(Path::new(&path));
    for seq in 1.. {
        store.append(&entry(1, seq)).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nacknowledged {seq}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn every_acknowledged_entry_survives_kill_9_and_none_is_half_there() {
    for lives in [3, 57, 200] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.db");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "child_that_appends_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut acknowledged = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some(seq) = line.strip_prefix("acknowledged ") else {
                continue;
            };
            acknowledged = seq.parse().unwrap();
            if acknowledged == lives {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let (store, report) = Store::open(&path);
        assert_eq!(report.health, StoreHealth::Durable, "{:?}", report.says);
        assert!(report.says.is_empty(), "{:?}", report.says);
        // One more than acknowledged may have been written when the blow fell.
        let found = report.entries.len();
        assert!(acknowledged >= lives);
        assert!(
            (acknowledged..=acknowledged + 1).contains(&found),
            "{found} of {acknowledged}"
        );
        for (seq, found) in (1..).zip(&report.entries) {
            assert_eq!(*found, entry(1, seq));
        }
        // And the journal goes on where it stopped.
        let next = u32::try_from(found).unwrap() + 1;
        assert_eq!(store.append(&entry(1, next)), Ok(()));
    }
}

#[test]
fn an_entry_given_twice_is_one_and_a_number_taken_by_another_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&dir.path().join("weir.db"));
    assert_eq!(store.append(&entry(1, 1)), Ok(()));
    assert_eq!(store.append(&entry(1, 1)), Ok(()));
    let other = Entry {
        at: Wall::from_micros(77),
        ..entry(1, 1)
    };
    assert!(matches!(store.append(&other), Err(StoreError::NotKept(_))));
    assert_eq!(store.health(), StoreHealth::Durable);
    assert_eq!(store.load(), [entry(1, 1)]);
}

#[test]
fn garbage_is_moved_aside_and_work_goes_on_in_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    std::fs::write(&path, b"this was never a database".repeat(1_000)).unwrap();
    let (store, report) = Store::open(&path);
    assert_eq!(report.health, StoreHealth::Durable, "{:?}", report.says);
    assert!(
        report.says[0].contains("weir.db.corrupt-1"),
        "{:?}",
        report.says
    );
    assert!(dir.path().join("weir.db.corrupt-1").exists());
    assert_eq!(store.append(&entry(1, 1)), Ok(()));
    store.close();
    assert_eq!(Store::open(&path).1.entries, [entry(1, 1)]);
}

#[test]
fn a_truncated_file_is_moved_aside_and_what_can_be_read_is_carried_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    filled(&path, 300);
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 600_000, "the log went into the file at close");
    std::fs::write(&path, &bytes[..bytes.len() / 2 + 100]).unwrap();
    let report = Store::open(&path).1;
    assert_eq!(report.health, StoreHealth::Durable, "{:?}", report.says);
    assert!(report.says[0].contains("corrupt"), "{:?}", report.says);
    // From the first on without a gap: an incident is what follows from all of its entries.
    for (seq, found) in (1..).zip(&report.entries) {
        assert_eq!(*found, entry(1, seq));
    }
    assert!((1..300).contains(&report.entries.len()));
}

#[test]
fn a_damaged_page_in_the_middle_is_noticed_at_opening() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    filled(&path, 300);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 4096].fill(0xA5);
    std::fs::write(&path, bytes).unwrap();
    let report = Store::open(&path).1;
    assert!(
        report.says.iter().any(|s| s.contains("corrupt")),
        "{:?}",
        report.says
    );
}

#[test]
fn a_full_file_keeps_entries_in_memory_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open_with(
        &dir.path().join("weir.db"),
        &StoreSettings {
            bytes_max: 200_000,
            ..StoreSettings::default()
        },
    );
    let mut refused = 0;
    for seq in 1..=200 {
        match store.append(&entry(1, seq)) {
            Ok(()) => assert_eq!(refused, 0, "none may overtake those that wait"),
            Err(StoreError::InMemory(_)) => refused += 1,
            Err(fault) => panic!("{fault}"),
        }
    }
    assert!(refused > 100);
    let StoreHealth::Behind {
        waiting,
        lost,
        reason,
    } = store.health()
    else {
        panic!("{:?}", store.health());
    };
    assert_eq!((waiting, lost), (refused, 0));
    assert!(reason.contains("full"), "{reason}");
    assert_eq!(store.load().len(), 200, "what waits is read all the same");
    // What is on disk is whole.
    let on_disk = 200 - refused;
    let path = dir.path().join("weir.db");
    let verdict = verify(&path, None).unwrap();
    assert!(verdict.is_intact(), "{verdict:#?}");
    assert_eq!(verdict.entries, on_disk as u64);
    let journals = store.journals();
    assert_eq!(journals.incidents[&IncidentId(1)].entries as usize, on_disk);
    store.close();
    // With room again, it goes on where the disk stopped; a gap is refused.
    let (store, report) = Store::open(&path);
    assert_eq!(report.says, Vec::<String>::new());
    let next = on_disk as u32 + 1;
    let gap = store.append(&entry(1, next + 1));
    assert!(
        matches!(&gap, Err(StoreError::NotKept(why)) if why.contains("can't follow it")),
        "{gap:?}"
    );
    assert_eq!(store.append(&entry(1, next)), Ok(()));
    store.close();
    assert!(verify(&path, None).unwrap().is_intact());
}

#[test]
fn an_entry_that_could_not_be_read_back_is_refused() {
    let store = Store::in_memory();
    let not_a_number = Evidence {
        says: String::new(),
        metric: String::new(),
        value: f64::NAN,
        baseline: None,
        query: String::new(),
        from: Wall::from_micros(0),
        to: Wall::from_micros(0),
    };
    let entry = Entry {
        said: Said::Action {
            says: String::new(),
            evidence: vec![not_a_number],
        },
        ..entry(1, 1)
    };
    let refused = store.append(&entry);
    assert!(
        matches!(&refused, Err(StoreError::NotKept(why)) if why.contains("read back")),
        "{refused:?}"
    );
}

/// Needs to be root in a place that allows mounts: root may write where the mode says nobody may.
#[test]
fn a_disk_that_can_only_be_read_is_memory_only_and_can_still_be_verified() {
    let dir = tempfile::tempdir().unwrap();
    let mount = |args: &[&str]| {
        let done = Command::new(args[0])
            .args(&args[1..])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        done.is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=4m", "weir-test"]) {
        eprintln!("not run: no tmpfs can be mounted here");
        return;
    }
    let path = dir.path().join("weir.db");
    filled(&path, 30);
    let read_only = mount(&["mount", "-o", "remount,ro"]);
    let (store, report) = Store::open(&path);
    let kept = store.append(&entry(1, 31));
    let verdict = verify(&path, None);
    let journal = read_journal(&path, IncidentId(1));
    drop(store);
    let unmounted = mount(&["umount", "-l"]);
    assert!(read_only && unmounted);
    let StoreHealth::MemoryOnly { reason } = &report.health else {
        panic!("{:?}", report.health);
    };
    assert!(reason.contains("weir.db"), "{reason}");
    assert!(kept.is_err(), "{kept:?}");
    let verdict = verdict.unwrap();
    assert!(verdict.is_intact() && verdict.entries == 30, "{verdict:#?}");
    assert_eq!(journal.unwrap().len(), 30);
}

/// Needs to be root in a place that allows mounts; elsewhere the bound on the file stands in for it,
/// in the test above.
#[test]
fn a_disk_that_is_really_full_loses_nothing_once_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let mount = |args: &[&str]| {
        let done = Command::new(args[0])
            .args(&args[1..])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        done.is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=1m", "weir-test"]) {
        eprintln!("not run: no tmpfs can be mounted here");
        return;
    }
    let path = dir.path().join("weir.db");
    let (store, report) = Store::open(&path);
    assert_eq!(report.health, StoreHealth::Durable, "{:?}", report.says);
    let ballast = dir.path().join("ballast");
    std::fs::write(&ballast, vec![0; 400_000]).unwrap();
    let results: Vec<_> = (1..=300)
        .map(|seq| store.append(&entry(1, seq)).is_ok())
        .collect();
    let on_disk = results.iter().filter(|ok| **ok).count();
    let health = store.health();
    std::fs::remove_file(&ballast).unwrap();
    let seen = store.load().len();
    // 300 entries don't fit a MiB twice (file and log), so some go on waiting; but none is lost.
    let more = soon(|| match store.health() {
        StoreHealth::Behind { waiting, .. } => waiting < 300 - on_disk,
        _ => true,
    });
    store.close();
    let (_, after) = Store::open(&path);
    let unmounted = mount(&["umount", "-l"]);
    assert!((1..300).contains(&on_disk), "{on_disk}");
    assert!(results[..on_disk].iter().all(|ok| *ok), "in order");
    assert!(
        matches!(health, StoreHealth::Behind { lost: 0, .. }),
        "{health:?}"
    );
    assert_eq!(seen, 300);
    assert!(more);
    assert!(after.entries.len() > on_disk, "{:?}", after.says);
    for (seq, found) in (1..).zip(&after.entries) {
        assert_eq!(*found, entry(1, seq));
    }
    assert!(unmounted);
}

#[test]
fn what_waited_is_written_in_order_as_soon_as_the_disk_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let (store, _) = Store::open(&path);
    store.append(&entry(1, 1)).unwrap();
    let hog = Connection::open(&path).unwrap();
    hog.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for seq in 2..=4 {
        assert!(matches!(
            store.append(&entry(1, seq)),
            Err(StoreError::InMemory(_))
        ));
    }
    assert!(matches!(
        store.health(),
        StoreHealth::Behind { waiting: 3, .. }
    ));
    hog.execute_batch("ROLLBACK").unwrap();
    assert!(soon(|| store.health() == StoreHealth::Durable));
    let seqs: Vec<_> = store.load().iter().map(|e| e.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
}

#[test]
fn a_second_weir_on_the_same_file_is_told_who_has_it_and_runs_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let (first, _) = Store::open(&path);
    let (second, report) = Store::open(&path);
    let StoreHealth::MemoryOnly { reason } = &report.health else {
        panic!("{:?}", report.health);
    };
    let pid = std::process::id();
    assert!(
        reason.ends_with(&format!("is in use by another weir (process {pid})")),
        "{reason}"
    );
    assert!(matches!(
        second.append(&entry(1, 1)),
        Err(StoreError::InMemory(_))
    ));
    assert_eq!(second.load(), [entry(1, 1)]);
    assert_eq!(first.append(&entry(1, 1)), Ok(()));
}

#[test]
fn a_path_that_cannot_be_is_memory_only_with_the_reason() {
    let (store, report) = Store::open(Path::new("/nonexistent/dir/weir.db"));
    let StoreHealth::MemoryOnly { reason } = &report.health else {
        panic!("{:?}", report.health);
    };
    assert!(reason.contains("/nonexistent/dir/weir.db"), "{reason}");
    assert!(matches!(
        store.append(&entry(1, 1)),
        Err(StoreError::InMemory(_))
    ));
}

#[test]
fn a_file_of_a_newer_weir_is_left_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 99; CREATE TABLE later (x)")
        .unwrap();
    drop(db);
    let (_, report) = Store::open(&path);
    let StoreHealth::MemoryOnly { reason } = &report.health else {
        panic!("{:?}", report.health);
    };
    assert!(reason.contains("newer weir"), "{reason}");
    let tables: u32 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_master", [], |r| r.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn decisions_and_minutes_come_back_and_old_minutes_go() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&dir.path().join("weir.db"));
    for number in 1..=3 {
        store.decision(StoredDecision {
            number,
            at: Wall::from_micros(5),
            pool: "app/web".to_owned(),
            json: serde_json::json!({"to": number}),
        });
    }
    let last: Vec<_> = store.decisions(2).iter().map(|d| d.number).collect();
    assert_eq!(last, [3, 2]);
    let day = Duration::from_secs(86_400);
    let zero = Wall::from_micros(0);
    for days in [0, 1, 2, 8] {
        let mut rows = vec![("app/web".to_owned(), serde_json::json!({ "day": days }))];
        if days == 2 {
            rows.push(("app/other".to_owned(), serde_json::Value::Null));
        }
        store.put_minutes(zero.after(day * days), rows, MINUTES_KEEP);
    }
    let pool = Some("app/web".to_owned());
    let found = store.minutes(pool, zero, zero.after(day * 9), 10).await;
    let kept: Vec<_> = found
        .unwrap()
        .into_iter()
        .map(|(_, json)| json["day"].clone())
        .collect();
    assert_eq!(kept, [1, 2, 8]);
    let all = store.minutes(None, zero, zero.after(day * 9), 3).await;
    assert_eq!(all.unwrap().len(), 3, "the first three of four");
    assert_eq!(store.earliest_minute().await, Ok(Some(zero.after(day))));
}

#[test]
fn a_closed_store_refuses_and_does_not_hang() {
    let store = Store::in_memory();
    store.close();
    assert!(soon(|| matches!(
        store.append(&entry(1, 1)),
        Err(StoreError::NotKept(_))
    )));
    assert!(store.load().is_empty());
}

#[tokio::test]
async fn an_async_caller_waits_without_blocking_its_thread() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&dir.path().join("weir.db"));
    for seq in 1..=20 {
        assert_eq!(store.append_async(&entry(1, seq)).await, Ok(()));
    }
    assert_eq!(store.load().len(), 20);
}
