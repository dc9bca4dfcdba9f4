//! `weir incident verify`, `export` and `import` as a person types them.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use weir_control::incident::entry::{By, Entry, IncidentId, Kind, Said};
use weir_control::record::store::Store;
use weir_model::{Severity, Wall};

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn weir(dir: &Path, args: &[&str]) -> Ran {
    let done = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap();
    Ran {
        code: done.status.code().unwrap(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

fn incident(id: u64, title: &str) -> Vec<Entry> {
    let at = |seq: i64| Wall::from_micros(1_795_442_321_000_000 + id as i64 * 1_000_000_000 + seq);
    let opened = Said::Opened {
        kind: Kind::Declared,
        pools: vec![],
        level: None,
        severity: Severity::Sev3,
        impact_started_at: at(0),
        detected_at: at(1),
        detected_by: "person".to_owned(),
        objective: String::new(),
        evidence: vec![],
        baseline: None,
        title: Some(title.to_owned()),
        service: None,
    };
    let resolved = Said::Resolved {
        says: "the old version is back".to_owned(),
        evidence: vec![],
    };
    [opened, resolved]
        .into_iter()
        .zip(1..)
        .map(|(said, seq)| Entry {
            incident: IncidentId(id),
            seq,
            at: at(i64::from(seq)),
            by: By::Person("ann".to_owned()),
            said,
        })
        .collect()
}

/// Two incidents in `weir.db`.
fn two(dir: &Path) {
    let (store, _) = Store::open(&dir.join("weir.db"));
    for entry in incident(1, "checkout fails")
        .iter()
        .chain(&incident(2, "search is slow"))
    {
        store.append(entry).unwrap();
    }
    store.close();
}

fn edit(path: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes());
    let at = at.unwrap();
    bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn an_intact_file_is_called_intact_and_a_damaged_one_fails_with_the_place() {
    let dir = tempfile::tempdir().unwrap();
    two(dir.path());
    let ran = weir(dir.path(), &["incident", "verify"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(
        ran.out.ends_with("4 entries of 2 incidents: intact\n"),
        "{}",
        ran.out
    );

    edit(
        &dir.path().join("weir.db"),
        "search is slow",
        "search is fast",
    );
    let ran = weir(dir.path(), &["incident", "verify", "--store", "weir.db"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out
            .contains("INC-2: entry 1 was changed; expected hash "),
        "{}",
        ran.out
    );
    assert_eq!(
        ran.err,
        "weir: weir.db: 1 incidents damaged, 0 faults of the file\n"
    );
    assert_eq!(weir(dir.path(), &["incident", "verify", "INC-1"]).code, 0);
    let ran = weir(dir.path(), &["incident", "verify", "INC-2", "-o", "json"]);
    assert_eq!(ran.code, 1);
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["schema"], "weir.verdict/1");
    assert_eq!(told["intact"], false);
    assert_eq!(told["incidents"][0]["faults"][0]["damage"], "changed");
    assert_eq!(told["incidents"][0]["journal"]["trusted_to"], 0);

    let ran = weir(
        dir.path(),
        &["incident", "show", "INC-2", "--store", "weir.db"],
    );
    assert!(
        ran.out.contains("DAMAGED    INC-2: entry 1 was changed"),
        "{}",
        ran.out
    );
    let ran = weir(
        dir.path(),
        &["incident", "export", "INC-2", "--store", "weir.db"],
    );
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("`--trusted` exports"), "{}", ran.err);

    assert_eq!(weir(dir.path(), &["incident", "verify", "INC-9"]).code, 1);
    assert_eq!(weir(dir.path(), &["incident", "verify", "nine"]).code, 2);
    let ran = weir(dir.path(), &["incident", "verify", "--store", "none.db"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (1, "weir: there is no file none.db\n")
    );
    assert!(!dir.path().join("none.db").exists());
}

#[test]
fn an_exported_journal_imports_elsewhere_and_exports_the_same_bytes() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    two(here.path());
    let file = there.path().join("inc-2.jsonl");
    let out = file.to_str().unwrap();
    let ran = weir(
        here.path(),
        &[
            "incident", "export", "INC-2", "--store", "weir.db", "--out", out,
        ],
    );
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);

    let import = ["incident", "import", "inc-2.jsonl", "--store", "weir.db"];
    let ran = weir(there.path(), &import);
    assert_eq!((ran.code, ran.err.as_str()), (0, "imported as INC-2\n"));
    let ran = weir(
        there.path(),
        &["incident", "export", "2", "--store", "weir.db"],
    );
    assert_eq!(ran.out, std::fs::read_to_string(&file).unwrap());
    let ran = weir(there.path(), &import);
    assert_eq!(
        ran.err,
        "this is INC-2, and here already; nothing was changed\n"
    );
    assert_eq!(weir(there.path(), &["incident", "verify"]).code, 0);
    let shown = |dir: &Path| {
        weir(
            dir,
            &[
                "incident", "show", "INC-2", "--store", "weir.db", "-o", "json",
            ],
        )
        .out
    };
    assert_eq!(shown(there.path()), shown(here.path()));

    edit(&file, "search is slow", "search is fast");
    let ran = weir(there.path(), &import);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .starts_with("weir: inc-2.jsonl isn't taken in: line 2: entry 1 was changed"),
        "{}",
        ran.err
    );
}

#[test]
fn a_file_that_another_weir_has_open_can_be_verified_and_exported_but_not_imported_into() {
    let dir = tempfile::tempdir().unwrap();
    two(dir.path());
    let (store, _) = Store::open(&dir.path().join("weir.db"));
    store.append(&incident(3, "a third")[0]).unwrap();
    let ran = weir(dir.path(), &["incident", "verify"]);
    assert!(
        ran.out.ends_with("5 entries of 3 incidents: intact\n"),
        "{}",
        ran.out
    );
    let ran = weir(
        dir.path(),
        &["incident", "export", "3", "--store", "weir.db"],
    );
    assert_eq!(ran.code, 0);
    std::fs::write(dir.path().join("3.jsonl"), ran.out).unwrap();
    let ran = weir(
        dir.path(),
        &["incident", "import", "3.jsonl", "--store", "weir.db"],
    );
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("in use by another weir"), "{}", ran.err);
    // Nobody disturbed whom.
    store.append(&incident(3, "a third")[1]).unwrap();
    store.close();
    assert_eq!(weir(dir.path(), &["incident", "verify"]).code, 0);
}
