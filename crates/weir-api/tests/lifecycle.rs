//! An incident's life over HTTP, against the control plane that runs in production.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use common::{get, post, settings};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, watch};
use weir_api::server::Api;
use weir_control::core::{Core, CoreSettings};
use weir_control::handle::{Asked, ControlHandle};
use weir_control::incident::entry::Kind;
use weir_control::regulate::RegulatorMode;
use weir_model::{
    ClockMap, Instant, PoolSettings, PoolerSettings, Sample, ServerSettings, Wall, WorkerSample,
};

/// A core that answers, a minute after it began.
fn router() -> Router {
    let pool = PoolSettings::any(ServerSettings::at("127.0.0.1", 5432));
    let settings_of_core = CoreSettings {
        clock: ClockMap {
            instant: Instant::ZERO,
            wall: Wall::from_micros(1_700_000_000_000_000),
        },
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
    let mut core = Core::new(settings_of_core, Instant::ZERO);
    let sample = Sample {
        at: Instant::from_millis(3_600_000),
        interval: Duration::from_millis(100),
        worker: WorkerSample::default(),
        pools: vec![],
        statements: vec![],
    };
    core.on_sample(&sample, &mut Vec::new());
    let (publish, published) = watch::channel(Arc::new(core.publish()));
    let (asks, mut queue) = mpsc::channel::<Asked>(256);
    tokio::spawn(async move {
        while let Some((ask, reply)) = queue.recv().await {
            let answer = core.ask(ask, &mut Vec::new());
            publish.send_replace(Arc::new(core.publish()));
            let _ = reply.send(answer);
        }
    });
    let handle = ControlHandle {
        published,
        asks,
        happenings: broadcast::Sender::new(16),
        notifications: broadcast::Sender::new(16),
    };
    Api::new(handle, &settings()).router()
}

/// The answer to a POST that must be granted.
async fn done(router: &Router, path: &str, body: Value) -> Value {
    let got = post(
        router,
        &format!("/api/v1/incidents{path}"),
        &body.to_string(),
    )
    .await;
    assert_eq!(got.status.as_u16(), 200, "{path}: {}", got.text);
    got.json()
}

/// The refusal's status and words.
async fn refused(router: &Router, path: &str, body: Value) -> (u16, String) {
    let got = post(
        router,
        &format!("/api/v1/incidents{path}"),
        &body.to_string(),
    )
    .await;
    let fault = got.json()["error"].clone();
    let says = format!(
        "{} | {}",
        fault["message"].as_str().unwrap(),
        fault["hint"].as_str().unwrap()
    );
    (got.status.as_u16(), says)
}

async fn document(router: &Router, id: &str) -> Value {
    get(router, &format!("/api/v1/incidents/{id}")).await.json()
}

fn declaration() -> Value {
    json!({
        "by": "ann", "title": "checkout fails", "service": "shop", "severity": "sev2",
        "impact_started_at": "2023-11-14T23:00:00Z", "text": "cards are refused",
    })
}

#[tokio::test]
async fn an_incident_is_declared_handled_and_closed_over_http() {
    let router = router();
    let declared = done(&router, "", declaration()).await;
    assert_eq!(declared["incident"], "INC-1");
    let says = done(
        &router,
        "/INC-1/assign",
        json!({"by": "ann", "role": "lead", "to": "bob"}),
    )
    .await;
    assert_eq!(says["says"], "INC-1: lead is bob");
    done(&router, "/INC-1/ack", json!({"by": "bob"})).await;
    done(
        &router,
        "/INC-1/notes",
        json!({"by": "bob", "text": "deploy 41", "kind": "marker", "happened_at": "2023-11-14T22:55:00Z"}),
    )
    .await;
    let update = done(
        &router,
        "/INC-1/update",
        json!({"by": "cy", "impact": "one card in three is refused", "doing": "rolling back", "next_update_in": "30min"}),
    )
    .await;
    assert!(
        update["says"]
            .as_str()
            .unwrap()
            .contains("Next update: 23:43:20 UTC (in 30 min)"),
        "{update}"
    );
    done(
        &router,
        "/INC-1/mitigate",
        json!({"by": "bob", "text": "rolled back", "at": "2023-11-14T23:10:00Z"}),
    )
    .await;
    done(&router, "/INC-1/resolve", json!({"by": "bob"})).await;
    done(
        &router,
        "/INC-1/correct",
        json!({"by": "cy", "clock": "impact_started_at", "to": "2023-11-14T22:58:00Z", "text": "first refusal in the log"}),
    )
    .await;
    done(
        &router,
        "/INC-1/statements",
        json!({"by": "bob", "topic": "root_cause", "text": "deploy 41 dropped the card index"}),
    )
    .await;
    done(
        &router,
        "/INC-1/answers",
        json!({"by": "bob", "question": 1, "text": "deploy 41"}),
    )
    .await;
    done(
        &router,
        "/INC-1/actions",
        json!({"by": "bob", "do": "add", "says": "Add the index", "type": "prevent", "owner": "db team",
               "due": "2030-01-01", "tracker": "https://tracker/1",
               "verify": "metric: pool app/web wait_s.p99 < 10ms for 5min"}),
    )
    .await;
    let d = document(&router, "INC-1").await;
    assert_eq!(d["status"], "resolved");
    assert_eq!(d["title"], "shop: checkout fails, 2023-11-14");
    assert_eq!(d["level"], Value::Null);
    assert_eq!(d["roles"]["lead"]["who"], "bob");
    assert_eq!(d["clocks"]["mitigate_s"], 720.0);
    assert_eq!(d["corrections"][1]["says"], "first refusal in the log");
    assert_eq!(d["markers"][0]["says"], "deploy 41");
    assert_eq!(d["timeline"][0]["kind"], "marker");
    assert_eq!(d["updates"][0]["impact"], "one card in three is refused");
    assert_eq!(d["stated"][0]["topic"], "root_cause");
    assert_eq!(d["answers"][0]["says"], "deploy 41");
    let action = d["actions"].as_array().unwrap().last().unwrap();
    assert_eq!(action["owner"], "db team");
    assert_eq!(action["verified_by"], "metric");
    assert_eq!(action["tracker"], "https://tracker/1");

    let (status, says) = refused(&router, "/INC-1/review", json!({"by": "bob"})).await;
    assert_eq!(status, 409);
    assert!(says.contains("bob was its lead"), "{says}");
    done(
        &router,
        "/INC-1/review",
        json!({"by": "dee", "text": "read"}),
    )
    .await;
    let (_, says) = refused(&router, "/INC-1/close", json!({"by": "dee"})).await;
    assert!(says.contains("open actions"), "{says}");
    done(
        &router,
        "/INC-1/close",
        json!({"by": "dee", "text": "followed in the tracker", "open_actions": "leave"}),
    )
    .await;
    assert_eq!(document(&router, "INC-1").await["status"], "closed");
    done(
        &router,
        "/INC-1/reopen",
        json!({"by": "ann", "text": "again"}),
    )
    .await;
    assert_eq!(document(&router, "INC-1").await["status"], "acknowledged");
}

#[tokio::test]
async fn a_merged_incident_answers_under_both_numbers_and_is_listed_once() {
    let router = router();
    for _ in 0..2 {
        done(&router, "", declaration()).await;
    }
    done(
        &router,
        "/INC-2/merge",
        json!({"by": "ann", "into": "INC-1", "text": "same"}),
    )
    .await;
    let listed = get(&router, "/api/v1/incidents").await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let got = get(&router, "/api/v1/incidents/INC-2").await;
    assert_eq!(got.json()["id"], "INC-1");
    assert_eq!(got.json()["merged_from"], json!(["INC-2"]));
    assert_eq!(got.headers["content-location"], "/api/v1/incidents/INC-1");
    let own = get(&router, "/api/v1/incidents/INC-2?own=true")
        .await
        .json();
    assert_eq!(
        (&own["id"], &own["merged_into"]),
        (&json!("INC-2"), &json!("INC-1"))
    );
    let report = get(&router, "/api/v1/incidents/INC-2/report").await;
    assert!(report.text.contains("id: INC-1"), "{}", report.text);
    let acked = done(&router, "/INC-2/ack", json!({"by": "bob"})).await;
    assert_eq!(acked["incident"], "INC-1");
    done(
        &router,
        "/INC-2/unmerge",
        json!({"by": "ann", "text": "no, two"}),
    )
    .await;
    assert_eq!(document(&router, "INC-2").await["id"], "INC-2");
}

#[tokio::test]
async fn what_is_wrong_in_a_body_is_named_with_what_is_known() {
    let router = router();
    done(&router, "", declaration()).await;
    for (path, body, wanted) in [
        ("", json!({"by": "ann", "title": "x"}), "severity"),
        (
            "",
            json!({"by": "ann", "title": "x", "severity": "bad"}),
            "known are sev1",
        ),
        (
            "",
            json!({"by": "ann", "title": "x", "severity": "sev1", "pool": "ap/web"}),
            "there is no pool `ap/web`",
        ),
        (
            "",
            json!({"by": "ann", "title": "x", "severity": "sev1", "detected_by": "weir"}),
            "person (the default) or alert",
        ),
        (
            "/INC-1/assign",
            json!({"by": "a", "role": "boss", "to": "b"}),
            "known are lead",
        ),
        (
            "/INC-1/correct",
            json!({"by": "a", "clock": "start", "to": null, "text": "x"}),
            "known are impact_started",
        ),
        (
            "/INC-1/notes",
            json!({"by": "a", "text": "x", "happened_at": "14:05"}),
            "`14:05` is no time",
        ),
        (
            "/INC-1/actions",
            json!({"by": "a", "do": "dance"}),
            "do: add",
        ),
        (
            "/INC-1/update",
            json!({"by": "a", "doing": "x", "next_update_in": "30"}),
            "needs a unit",
        ),
        ("/INC-1/ack", json!({"by": " "}), "`by` must name who asks"),
        (
            "/INC-1/actions",
            json!({"by": "a", "do": "change", "id": "A1", "verify": "metric: pool a/b"}),
            "word 3 (`the end`)",
        ),
    ] {
        let (status, says) = refused(&router, path, body).await;
        assert!((400..=409).contains(&status), "{says}");
        assert!(says.contains(wanted), "{path}: {says}");
    }
    let (status, says) = refused(&router, "/INC-11/ack", json!({"by": "a"})).await;
    assert_eq!(status, 404);
    assert!(says.contains("did you mean INC-1?"), "{says}");
    let before = document(&router, "INC-1").await["entries"].clone();
    assert_eq!(before, 2, "nothing of all this was written down");
}

#[tokio::test]
async fn clocks_come_as_distributions_and_a_late_update_is_seen() {
    let router = router();
    done(&router, "", declaration()).await;
    done(&router, "/INC-1/resolve", json!({"by": "ann"})).await;
    let clocks = get(&router, "/api/v1/incidents/clocks?since=90d")
        .await
        .json();
    assert_eq!(clocks["schema"], "weir.clocks/1");
    assert_eq!(clocks["all"]["incidents"], 1);
    let detect = &clocks["all"]["clocks"][0];
    assert_eq!(
        (&detect["clock"], &detect["short"], &detect["count"]),
        (&json!("detect"), &json!("TTD"), &json!(1))
    );
    assert_eq!(detect["median_s"], 800.0);
    assert_eq!(clocks["all"]["clocks"][1]["median_s"], Value::Null);
    assert_eq!(clocks["by_severity"]["sev2"]["incidents"], 1);
    let got = get(&router, "/api/v1/incidents/clocks?since=soon").await;
    assert_eq!(got.code(), "bad_time");
    let status = get(&router, "/api/v1/status").await.json();
    assert_eq!(status["update_overdue_s"], Value::Null);
    assert_eq!(status["updates_overdue"], json!([]));
}
