//! kill -9 at every point of every write: no accepted entry is lost, none is half there, the chain
//! holds, order is kept.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use weir_control::incident::entry::{By, Entry, IncidentId, Said};
use weir_control::incident::export;
use weir_control::record::store::{
    AtStep, Store, StoreHealth, StoreSettings, StoredDecision, verify,
};
use weir_model::Wall;

const PATH: &str = "WEIR_TEST_KILL_STORE";
const STOP_AT: &str = "WEIR_TEST_KILL_STEP";

fn entry(incident: u64, seq: u32) -> Entry {
    Entry {
        incident: IncidentId(incident),
        seq,
        at: Wall::from_micros(i64::from(seq) * 1_000 + incident as i64),
        by: By::Weir,
        said: Said::Action {
            says: format!("entry {seq} of {incident} {}", "x".repeat(700)),
            evidence: vec![],
        },
    }
}

/// What the child writes, in this order, after opening has removed the two oldest of five incidents.
fn written() -> Vec<Entry> {
    [
        (4, 3),
        (6, 1),
        (6, 2),
        (5, 3),
        (6, 3),
        (7, 1),
        (7, 2),
        (4, 4),
    ]
    .map(|(incident, seq)| entry(incident, seq))
    .to_vec()
}

fn settings(at_step: Option<AtStep>) -> StoreSettings {
    StoreSettings {
        incidents_max: 3,
        at_step,
        ..StoreSettings::default()
    }
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{what}").unwrap();
    out.flush().unwrap();
}

fn spawn(test: &str, path: &Path, stop_at: Option<u32>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        // A child that ends by itself says why beside its file.
        .stderr(File::create(path.with_extension("stderr")).unwrap());
    if let Some(step) = stop_at {
        command.env(STOP_AT, step.to_string());
    }
    command.spawn().unwrap()
}

/// Not a test: stops at the step it is told to, and waits there to be killed.
#[test]
fn child_that_stops_at_a_step() {
    let (Some(path), Some(stop_at)) = (std::env::var_os(PATH), std::env::var_os(STOP_AT)) else {
        return;
    };
    let stop_at: u32 = stop_at.to_str().unwrap().parse().unwrap();
    let steps = AtomicU32::new(0);
    let at_step = AtStep::new(move |step| {
        if steps.fetch_add(1, Ordering::SeqCst) + 1 == stop_at {
            say(&format!("stopped at {step:?}"));
            loop {
                std::thread::park();
            }
        }
    });
    let (store, report) = Store::open_with(Path::new(&path), &settings(Some(at_step)));
    assert_eq!(report.health, StoreHealth::Durable);
    say("opened");
    for (index, entry) in written().iter().enumerate() {
        store.append(entry).unwrap();
        say(&format!("acknowledged {index}"));
        store.decision(StoredDecision {
            number: index as u64,
            at: Wall::from_micros(0),
            pool: "a/b".to_owned(),
            json: serde_json::Value::Null,
        });
    }
    let brought: Vec<Entry> = (1..=4).map(|seq| entry(9, seq)).collect();
    store
        .import_now(export::of_entries(&brought).unwrap())
        .unwrap();
    say("imported");
    say("done");
    store.close();
}

/// Five incidents of two entries each, closed.
fn five(path: &Path) {
    let (store, _) = Store::open(path);
    for incident in 1..=5 {
        for seq in 1..=2 {
            store.append(&entry(incident, seq)).unwrap();
        }
    }
    store.close();
}

fn by_incident(entries: &[Entry]) -> BTreeMap<u64, Vec<Entry>> {
    let mut found: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        found
            .entry(entry.incident.0)
            .or_default()
            .push(entry.clone());
    }
    found
}

#[test]
fn kill_9_at_every_step_of_every_write_loses_nothing_and_leaves_no_half() {
    let mut kills: BTreeMap<String, u32> = BTreeMap::new();
    for step in 1.. {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weir.db");
        five(&path);
        let mut child = spawn("child_that_stops_at_a_step", &path, Some(step));
        let (mut acknowledged, mut opened, mut imported, mut done) = (0, false, false, false);
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some(index) = line.strip_prefix("acknowledged ") {
                acknowledged = index.parse::<usize>().unwrap() + 1;
            }
            opened |= line == "opened";
            imported |= line == "imported";
            done |= line == "done";
            if let Some(at) = line.strip_prefix("stopped at ") {
                *kills.entry(at.to_owned()).or_default() += 1;
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        if done {
            break;
        }

        // Nothing is wrong, and looking at it changes nothing.
        let verdict = verify(&path, None).unwrap();
        assert!(verdict.is_intact(), "step {step}: {verdict:#?}");
        let (store, report) = Store::open(&path);
        assert_eq!(report.says, Vec::<String>::new(), "step {step}");
        let found = by_incident(&report.entries);

        // The oldest went whole, one after the other, or not at all.
        let oldest = *found.keys().next().unwrap();
        assert!((1..=3).contains(&oldest), "step {step}");
        assert!(!opened || oldest == 3, "step {step}");
        assert!(oldest == 3 || acknowledged == 0, "step {step}");

        // What was acknowledged is there, at most one more, in order, and whole.
        let brought = found.get(&9).map_or(0, Vec::len);
        assert!(
            brought == 0 || brought == 4,
            "step {step}: {brought} of 4 imported"
        );
        assert!(!imported || brought == 4, "step {step}");
        let mut prefixes = (acknowledged..=acknowledged + 1).map(|n| {
            let mut expected: Vec<Entry> = (oldest..=5)
                .flat_map(|incident| (1..=2).map(move |seq| entry(incident, seq)))
                .collect();
            expected.extend(written().into_iter().take(n));
            expected.extend((1..=brought as u32).map(|seq| entry(9, seq)));
            by_incident(&expected)
        });
        assert!(
            prefixes.any(|expected| expected == found),
            "step {step}: {acknowledged} acknowledged"
        );

        // And it goes on.
        let last = found[&5].last().unwrap().seq;
        assert_eq!(store.append(&entry(5, last + 1)), Ok(()), "step {step}");
        store.close();
        assert!(verify(&path, None).unwrap().is_intact(), "step {step}");
    }
    let total: u32 = kills.values().sum();
    eprintln!("killed at {total} points: {kills:?}");
    for step in [
        "Begun",
        "Marked",
        "Entered",
        "Headed",
        "Removed",
        "Anchored",
        "Committed",
        "Witnessed",
    ] {
        assert!(kills[step] > 0, "{step} was never reached");
    }
    assert!(total > 60, "{total}");
}

/// Not a test: appends to three incidents in turn, from where the file stands.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    if std::env::var_os(STOP_AT).is_some() {
        return;
    }
    let (store, report) = Store::open(Path::new(&path));
    assert_eq!(report.says, Vec::<String>::new());
    let mut next = [1_u32; 3];
    for entry in report.entries {
        next[entry.incident.0 as usize - 1] = entry.seq + 1;
    }
    for turn in 0.. {
        let of = turn % 3;
        store.append(&entry(of as u64 + 1, next[of])).unwrap();
        say(&format!("acknowledged {} {}", of + 1, next[of]));
        next[of] += 1;
    }
}

#[test]
fn kill_9_at_any_time_leaves_what_was_acknowledged_and_an_intact_chain() {
    const LIVES: u32 = 40;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let mut acknowledged = [0_u32; 3];
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    for life in 0..LIVES {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let mut child = spawn("child_that_appends_until_it_is_killed", &path, None);
        let out = child.stdout.take().unwrap();
        let (first, begun) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut seen = [0_u32; 3];
            for line in BufReader::new(out).lines() {
                let line = line.unwrap();
                let Some(rest) = line.strip_prefix("acknowledged ") else {
                    continue;
                };
                let (of, seq) = rest.split_once(' ').unwrap();
                seen[of.parse::<usize>().unwrap() - 1] = seq.parse().unwrap();
                let _ = first.send(());
            }
            seen
        });
        if let Err(why) = begun.recv_timeout(Duration::from_secs(20)) {
            let says = std::fs::read_to_string(path.with_extension("stderr"));
            panic!("life {life}: nothing was acknowledged ({why}): {says:?}");
        }
        pause(Duration::from_micros(dice % 30_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let seen = reader.join().unwrap();
        for (all, now) in acknowledged.iter_mut().zip(seen) {
            *all = (*all).max(now);
        }
        let verdict = verify(&path, None).unwrap();
        assert!(verdict.is_intact(), "life {life}: {verdict:#?}");
        let (store, report) = Store::open(&path);
        assert_eq!(report.says, Vec::<String>::new(), "life {life}");
        let found = by_incident(&report.entries);
        let mut beyond = 0;
        for (index, acknowledged) in acknowledged.iter_mut().enumerate() {
            let id = index as u64 + 1;
            let entries = found.get(&id).map_or(&[][..], Vec::as_slice);
            let there = entries.len() as u32;
            assert!(there >= *acknowledged, "life {life}: INC-{id} lost entries");
            beyond += there - *acknowledged;
            for (seq, found) in (1..).zip(entries) {
                assert_eq!(*found, entry(id, seq), "life {life}");
            }
            *acknowledged = there;
        }
        assert!(beyond <= 1, "life {life}: {beyond} were never acknowledged");
        store.close();
    }
    eprintln!(
        "{LIVES} lives, {} entries",
        acknowledged.iter().sum::<u32>()
    );
}

#[expect(clippy::disallowed_methods, reason = "a blow at a random time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
