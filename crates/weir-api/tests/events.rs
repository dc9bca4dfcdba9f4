//! A listener that comes back misses nothing that is kept, and is told of what isn't.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use common::{World, published, said};
use futures_util::StreamExt;
use tower::ServiceExt;
use weir_api::ApiSettings;
use weir_api::server::Api;
use weir_control::handle::Happening;
use weir_control::incident::entry::{By, Said};

struct Listener {
    stream: BodyDataStream,
    text: String,
}

#[derive(Debug)]
struct Told {
    event: String,
    id: String,
    data: serde_json::Value,
}

impl Listener {
    async fn open(router: &Router, last_id: Option<&str>) -> Self {
        let mut request = Request::get("/api/v1/events");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = router
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            stream: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    async fn next(&mut self) -> Told {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name));
                    line.unwrap_or_default().trim().to_owned()
                };
                let told = Told {
                    event: field("event:"),
                    id: field("id:"),
                    data: serde_json::from_str(&field("data:")).unwrap_or_default(),
                };
                self.text = rest.to_owned();
                if told.event.is_empty() {
                    continue; // a heartbeat
                }
                return told;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(5), self.stream.next());
            let chunk = chunk.await.expect("no event within 5 s").unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

struct Stage {
    world: World,
    api: Api,
    router: Router,
}

async fn stage() -> Stage {
    let world = World::new();
    let api = world.api();
    tokio::spawn(api.events().clone().follow(world.handle.clone()));
    while world.handle.happenings.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    let router = api.router();
    Stage { world, api, router }
}

impl Stage {
    fn tick(&self) {
        let published = Arc::new(published());
        self.world
            .handle
            .happenings
            .send(Happening::Pools(published))
            .unwrap();
    }

    /// Waits until the log has taken everything.
    async fn settled(&self) {
        while !self.world.handle.happenings.is_empty() {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        let _ = &self.api;
    }
}

#[tokio::test]
async fn a_listener_hears_samples_decisions_and_incidents_with_ids() {
    let stage = stage().await;
    let mut listener = Listener::open(&stage.router, None).await;
    stage.tick();
    let happenings = &stage.world.handle.happenings;
    happenings
        .send(Happening::Decision(Arc::new(common::decision())))
        .unwrap();
    let entry = said(7, 3, By::Person("ann".to_owned()), Said::remark("hm"));
    happenings
        .send(Happening::Incident {
            incident: Arc::new(common::open_incident(7)),
            entry: Arc::new(entry),
        })
        .unwrap();
    let told = listener.next().await;
    assert_eq!(told.event, "sample");
    assert_eq!(told.data["schema"], "weir.sample/1");
    assert_eq!(told.data["pools"][0]["clients"]["waiting"], 41);
    let told = listener.next().await;
    assert_eq!(
        (told.event.as_str(), &told.data["id"]),
        ("decision", &"D-118".into())
    );
    let told = listener.next().await;
    assert_eq!(told.event, "incident");
    assert_eq!(told.data["incident"]["id"], "INC-7");
    let entry = serde_json::json!({
        "seq": 3, "at": "2026-11-23T05:01:26.300Z", "by": "ann", "kind": "note", "says": "hm",
    });
    assert_eq!(told.data["entry"], entry);
    assert!(told.id.ends_with("-3"), "{}", told.id);
}

#[tokio::test]
async fn who_comes_back_with_the_last_id_goes_on_behind_it() {
    let stage = stage().await;
    let mut listener = Listener::open(&stage.router, None).await;
    stage.tick();
    stage.tick();
    listener.next().await;
    let last = listener.next().await.id;
    drop(listener);
    for _ in 0..3 {
        stage.tick();
    }
    let mut listener = Listener::open(&stage.router, Some(&last)).await;
    for number in 3..=5 {
        let told = listener.next().await;
        assert_eq!(told.event, "sample");
        assert!(told.id.ends_with(&format!("-{number}")), "{}", told.id);
    }
}

#[tokio::test]
async fn who_was_away_too_long_is_told_how_much_was_skipped() {
    let stage = stage().await;
    let mut listener = Listener::open(&stage.router, None).await;
    stage.tick();
    let first = listener.next().await.id;
    drop(listener);
    for _ in 0..15 {
        for _ in 0..100 {
            stage.tick();
        }
        stage.settled().await;
    }
    let mut listener = Listener::open(&stage.router, Some(&first)).await;
    let told = listener.next().await;
    assert_eq!(
        (told.event.as_str(), &told.data["count"]),
        ("skipped", &500.into())
    );
    // The id of `skipped` counts as seen: who breaks off here isn't told a second time.
    assert!(told.id.ends_with("-501"), "{}", told.id);
    let told = listener.next().await;
    assert!(
        told.event == "sample" && told.id.ends_with("-502"),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_id_of_another_process_gets_all_that_is_kept_and_is_told_so() {
    let stage = stage().await;
    stage.tick();
    stage.settled().await;
    for foreign in ["123abc-7", "nonsense", ""] {
        let mut listener = Listener::open(&stage.router, Some(foreign)).await;
        assert_eq!(listener.next().await.event, "skipped");
        assert_eq!(listener.next().await.event, "sample");
    }
}

#[tokio::test]
async fn listeners_beyond_the_bound_are_refused_until_one_leaves() {
    let world = World::new();
    let settings = ApiSettings {
        listeners_max: 2,
        ..common::settings()
    };
    let router = Api::new(world.handle.clone(), &settings).router();
    let first = Listener::open(&router, None).await;
    let _second = Listener::open(&router, None).await;
    let got = common::get(&router, "/api/v1/events").await;
    assert_eq!(
        (got.status.as_u16(), got.code().as_str()),
        (503, "too_many_listeners")
    );
    drop(first);
    let _third = Listener::open(&router, None).await;
}
