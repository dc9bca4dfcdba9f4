//! What does an append cost? `cargo test -p weir-control --test append_cost -- --ignored --nocapture`

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use weir_control::incident::entry::{By, Entry, IncidentId, Said};
use weir_control::record::store::Store;
use weir_model::Wall;

const APPENDS: u32 = 2_000;

fn entry(seq: u32) -> Entry {
    Entry {
        incident: IncidentId(1),
        seq,
        at: Wall::from_micros(i64::from(seq) * 1_000),
        by: By::Weir,
        said: Said::Action {
            says: format!(
                "pool `app/dashboard` resized {seq} times {}",
                "x".repeat(300)
            ),
            evidence: vec![],
        },
    }
}

/// Not a test of right or wrong: a number for whoever changes the store. `/dev/shm` shows the work,
/// a disk shows the waiting.
#[test]
#[ignore = "a measurement"]
fn microseconds_per_append() {
    for place in ["/dev/shm", "/var/tmp"] {
        if !Path::new(place).is_dir() {
            println!("{place}: not here");
            continue;
        }
        let mut rounds: Vec<u128> = (0..5).map(|_| round(Path::new(place))).collect();
        rounds.sort_unstable();
        println!(
            "{place}: {} µs an append (median of 5 rounds of {APPENDS}; {} to {})",
            rounds[2], rounds[0], rounds[4]
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn round(place: &Path) -> u128 {
    let dir = tempfile::tempdir_in(place).unwrap();
    let (store, _) = Store::open(&dir.path().join("weir.db"));
    let started = std::time::Instant::now();
    for seq in 1..=APPENDS {
        store.append(&entry(seq)).unwrap();
    }
    let took = started.elapsed().as_micros() / u128::from(APPENDS);
    store.close();
    took
}
