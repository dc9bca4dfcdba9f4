//! A journal over HTTP, through the plane and a store: out, in, recognised, renumbered, refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use common::{Got, diagnosed, get, opened, post, said, settings};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use weir_api::server::Api;
use weir_control::core::{Core, CoreSettings};
use weir_control::incident::entry::{By, Entry, IncidentId, Kind, Said};
use weir_control::plane::{self, DataPlane};
use weir_control::record::store::Store;
use weir_control::regulate::RegulatorMode;
use weir_model::{
    Event, Instant, Order, OrderRefused, PoolSettings, PoolerSettings, Sample, ServerSettings,
};

/// A data plane on a quiet day.
#[derive(Default)]
struct Quiet {
    asked: AtomicU64,
}

impl DataPlane for Quiet {
    fn next_sample(&mut self) -> Option<Sample> {
        None
    }
    fn next_event(&mut self) -> Option<Event> {
        None
    }
    fn order(&mut self, _: Order) -> Result<(), OrderRefused> {
        Ok(())
    }
    fn now(&self) -> Instant {
        // A turn of the plane each time it looks.
        Instant::from_millis(90_000 + 20 * self.asked.fetch_add(1, Ordering::Relaxed))
    }
}

fn resolved(id: u64) -> Vec<Entry> {
    let over = Said::Resolved {
        says: "over".to_owned(),
        evidence: vec![],
    };
    vec![opened(id), diagnosed(id, 2), said(id, 3, By::Weir, over)]
}

/// A running control plane on a file.
struct Weir {
    router: Router,
    store: Store,
    _stop: watch::Sender<bool>,
}

fn weir(path: &Path) -> Weir {
    let pool = PoolSettings::any(ServerSettings::at("127.0.0.1", 5432));
    let core_settings = CoreSettings {
        clock: common::clock(),
        pooler: PoolerSettings::trusting(pool),
        regulator: RegulatorMode::Observe,
        budgets: BTreeMap::new(),
        resolve_after: Duration::from_secs(10),
        watch_window: Duration::from_secs(900),
        kind: Kind::Real,
        version: "test".to_owned(),
        io: "test".to_owned(),
        listen: vec![],
    };
    let (store, _) = Store::open(path);
    let mut core = Core::new(core_settings, Instant::from_millis(89_000));
    let mut first = Vec::new();
    core.restore(store.load(), &mut first);
    let (_, views) = mpsc::channel(1);
    let (mut ends, handle) = plane::channels(core.publish(), views);
    let (stop, stopped) = watch::channel(false);
    let theirs = store.clone();
    tokio::spawn(async move {
        plane::run(
            &mut core,
            &mut Quiet::default(),
            &mut ends,
            &theirs,
            first,
            stopped,
        )
        .await;
    });
    let router = Api::new(handle, &settings()).router();
    Weir {
        router,
        store,
        _stop: stop,
    }
}

async fn bring(weir: &Weir, journal: &str) -> Got {
    let body = json!({ "by": "ann", "journal": journal }).to_string();
    post(&weir.router, "/api/v1/incidents/import", &body).await
}

async fn journal_of(weir: &Weir, id: &str) -> String {
    let got = get(&weir.router, &format!("/api/v1/incidents/{id}/journal")).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    assert_eq!(got.headers["content-type"], "application/jsonl");
    got.text
}

#[tokio::test]
async fn a_journal_goes_out_and_in_and_is_shown_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old.db"), dir.path().join("new.db"));
    let (store, _) = Store::open(&old);
    for entry in resolved(7) {
        store.append(&entry).unwrap();
    }
    store.close();
    drop(store);
    let here = weir(&old);
    let document = journal_of(&here, "INC-7").await;
    let shown = get(&here.router, "/api/v1/incidents/INC-7").await.json();

    let there = weir(&new);
    let got = bring(&there, &document).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    assert_eq!(got.json()["says"], "imported as INC-7");
    assert_eq!(got.json()["incident"], "INC-7");
    assert_eq!(journal_of(&there, "INC-7").await, document);
    let mut brought = get(&there.router, "/api/v1/incidents/INC-7").await.json();
    let state = brought["journal"].clone();
    assert_eq!(state["entries"], 3);
    assert_eq!(state["intact"], true);
    assert!(document.starts_with(&format!(
        "{{\"schema\":\"weir.journal/1\",\"id\":\"INC-7\",\"entries\":3,\"head\":{}}}\n",
        state["head"]
    )));
    brought["journal"] = shown["journal"].clone();
    assert_eq!(brought, shown);

    // Again: nothing changes, and it says so.
    let got = bring(&there, &document).await.json();
    assert_eq!(
        got["says"],
        "this is INC-7, and here already; nothing was changed"
    );
    assert_eq!(there.store.load().len(), 3);

    // New incidents go on above it; what else is called INC-7 gets a new number.
    let mut other = resolved(7);
    other[0].at = common::at(1);
    let other = weir_control::incident::export::of_entries(&other).unwrap();
    let other = weir_control::incident::export::write(&other);
    let got = bring(&there, &other).await.json();
    assert_eq!(got["incident"], "INC-8", "{got}");
    assert!(
        got["says"]
            .as_str()
            .unwrap()
            .contains("INC-7 is another incident here")
    );
    let note = json!({ "by": "ann", "text": "compare with INC-7" }).to_string();
    let noted = post(&there.router, "/api/v1/incidents/INC-8/notes", &note).await;
    assert_eq!(noted.status, StatusCode::OK, "{}", noted.text);
    assert_eq!(there.store.incident(IncidentId(8)).len(), 4);
}

#[tokio::test]
async fn a_changed_journal_is_refused_with_its_line_and_one_that_goes_on_here_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let (store, _) = Store::open(&path);
    for entry in [opened(7), diagnosed(7, 2)] {
        store.append(&entry).unwrap();
    }
    store.close();
    drop(store);
    let weir = weir(&path);
    let document = weir_control::incident::export::of_entries(&resolved(7)).unwrap();
    let document = weir_control::incident::export::write(&document);

    let got = bring(&weir, &document.replace("over", "under")).await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
    assert_eq!(got.code(), "bad_journal");
    assert!(
        got.text.contains("line 4: entry 3 was changed"),
        "{}",
        got.text
    );

    let got = bring(&weir, &document).await;
    assert_eq!(got.status, StatusCode::CONFLICT, "{}", got.text);
    assert!(got.text.contains("INC-7 is going on here"), "{}", got.text);

    let got = get(&weir.router, "/api/v1/incidents/INC-70/journal").await;
    assert_eq!(got.code(), "no_such_incident");
    let got = post(&weir.router, "/api/v1/incidents/import", r#"{"by": ""}"#).await;
    assert_eq!(got.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_damaged_journal_is_shown_as_damaged_wherever_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.db");
    let (store, _) = Store::open(&path);
    for entry in resolved(7) {
        store.append(&entry).unwrap();
    }
    store.close();
    drop(store);
    // One letter of a word on the disk.
    let mut bytes = std::fs::read(&path).unwrap();
    let word = b"became slower";
    let at = bytes.windows(word.len()).position(|w| w == word).unwrap();
    bytes[at + word.len() - 1] = b'd';
    std::fs::write(&path, bytes).unwrap();

    let weir = weir(&path);
    // Published with the plane's first turn.
    let mut status = serde_json::Value::Null;
    for _ in 0..200 {
        status = get(&weir.router, "/api/v1/status").await.json();
        if status["journal"]["intact"] == false {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let says = status["journal"]["says"][0].as_str().unwrap();
    assert!(
        says.starts_with("INC-7: entry 2 was changed; expected hash "),
        "{says}"
    );
    assert!(says.ends_with("entry 1 can be trusted"), "{says}");
    let shown = get(&weir.router, "/api/v1/incidents/INC-7").await.json();
    assert_eq!(shown["journal"]["intact"], false);
    assert_eq!(shown["journal"]["damage"], "changed");
    assert_eq!(shown["journal"]["damaged_at"], 2);
    assert_eq!(shown["journal"]["trusted_to"], 1);

    let got = get(&weir.router, "/api/v1/incidents/INC-7/journal").await;
    assert_eq!(got.status, StatusCode::CONFLICT);
    assert_eq!(got.code(), "journal_damaged");
    let got = get(&weir.router, "/api/v1/incidents/INC-7/journal?trusted=true").await;
    assert_eq!(got.text.lines().count(), 2, "{}", got.text);
    assert!(weir_control::incident::export::read(&got.text).is_ok());
}
