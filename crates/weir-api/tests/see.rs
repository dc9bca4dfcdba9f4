//! What the dashboard is told: documents with the shape that openapi.json says, and what they say.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use common::{World, get, post, published};
use serde_json::Value;
use weir_api::see::configuration::{Configuration, Origin, SettingRow};
use weir_api::server::Api;
use weir_control::handle::{Ask, OperatorOrder};
use weir_model::Instant;

/// Every key that a schema demands is there, none that it doesn't know, and types agree.
fn holds(document: &Value, schema: &Value, all: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return holds(document, &all["components"]["schemas"][name], all, at);
    }
    if let Some(any) = schema["oneOf"].as_array() {
        let fits = |schema: &Value| {
            let null = schema["type"] == "null";
            null == document.is_null()
        };
        let schema = any.iter().find(|schema| fits(schema)).expect(at);
        if !document.is_null() {
            holds(document, schema, all, at);
        }
        return;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    let kind = match document {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = kinds.contains(&kind) || (kind == "integer" && kinds.contains(&"number"));
    assert!(fits, "{at} is {kind}, not one of {kinds:?}: {document}");
    if let Some(known) = schema["enum"].as_array() {
        assert!(known.contains(document), "{at}: {document}");
    }
    if let Some(expected) = schema.get("const") {
        assert_eq!(document, expected, "{at}");
    }
    if let (Some(properties), Some(object)) =
        (schema["properties"].as_object(), document.as_object())
    {
        for (key, value) in object {
            let of = properties
                .get(key)
                .unwrap_or_else(|| panic!("{at}.{key} isn't in openapi.json"));
            holds(value, of, all, &format!("{at}.{key}"));
        }
        for key in schema["required"].as_array().into_iter().flatten() {
            assert!(
                object.contains_key(key.as_str().unwrap()),
                "{at} lacks {key}"
            );
        }
    }
    if let Some(items) = document.as_array() {
        for (index, item) in items.iter().enumerate() {
            holds(item, &schema["items"], all, &format!("{at}[{index}]"));
        }
    }
}

async fn world_with_settings() -> (World, axum::Router) {
    let world = World::new();
    let mut settings = common::settings();
    settings.configuration = Arc::new(Configuration {
        file: Some("weir.toml".to_owned()),
        settings: vec![
            SettingRow {
                section: "regulator".to_owned(),
                name: "mode".to_owned(),
                value: Some("\"observe\"".to_owned()),
                default: Some("\"recommend\"".to_owned()),
                origin: Origin::File,
                place: Some("weir.toml:14".to_owned()),
                ..SettingRow::default()
            },
            SettingRow {
                name: "api_token".to_owned(),
                value: Some("\"s3cret\"".to_owned()),
                secret: true,
                ..SettingRow::default()
            },
        ],
    });
    let router = Api::new(world.handle.clone(), &settings).router();
    (world, router)
}

#[tokio::test]
async fn every_document_has_the_shape_that_openapi_says() {
    let (_world, router) = world_with_settings().await;
    let all = get(&router, "/openapi.json").await.json();
    for path in [
        "/api/v1/overview",
        "/api/v1/overview?at=2026-11-23T05:01:00Z",
        "/api/v1/pools",
        "/api/v1/pools?at=2026-11-23T05:01:00Z",
        "/api/v1/status",
        "/api/v1/samples",
        "/api/v1/samples?step=10&sum=true",
        "/api/v1/decisions",
        "/api/v1/clients",
        "/api/v1/servers",
        "/api/v1/waits",
        "/api/v1/waits?at=2026-11-23T05:01:00Z",
        "/api/v1/queries",
        "/api/v1/configuration",
        "/api/v1/blackbox/range",
        "/api/v1/session",
    ] {
        let got = get(&router, path).await;
        assert_eq!(got.status, StatusCode::OK, "{path}: {}", got.text);
        let plain = path.split('?').next().unwrap();
        let schema = &all["paths"][plain]["get"]["responses"]["200"]["content"]["application/json"]
            ["schema"];
        assert!(schema.is_object(), "{path}");
        holds(&got.json(), schema, &all, path);
    }
}

#[tokio::test]
async fn the_overview_says_where_the_time_goes_and_what_is_odd_first() {
    let world = World::new();
    let overview = get(&world.router(), "/api/v1/overview").await.json();
    let says = overview["says"].as_str().unwrap();
    assert!(
        says.starts_with("app/dashboard is exhausted: 41 clients wait, the oldest for 2.5 s."),
        "{says}"
    );
    let shares: f64 = overview["path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hop| hop["share"].as_f64().unwrap())
        .sum();
    assert!((shares - 1.0).abs() < 1e-3, "{shares}");
    assert_eq!(overview["open_incidents"].as_array().unwrap().len(), 1);
    let spark = &overview["pools"][0]["spark"];
    assert_eq!(spark["waiting"], serde_json::json!([null, 41]));
    assert_eq!(spark["from"], "2026-11-23T05:01:20.000Z");
}

#[tokio::test]
async fn a_past_instant_has_no_counts_since_start_and_before_all_records_is_a_404() {
    let world = World::new();
    let router = world.router();
    let then = get(&router, "/api/v1/pools?at=2026-11-23T05:01:00Z").await;
    let pool = &then.json()[0];
    assert!(pool["abandoned_total"].is_null());
    assert_eq!(pool["at"], "2026-11-23T05:01:00.000Z");
    let before = get(&router, "/api/v1/overview?at=2020-01-01T00:00:00Z").await;
    assert_eq!(
        (before.status, before.code().as_str()),
        (StatusCode::NOT_FOUND, "not_recorded")
    );
    assert!(
        before.text.contains("2026-11-23T05:00:00"),
        "{}",
        before.text
    );
    let nonsense = get(&router, "/api/v1/overview?at=yesterday").await;
    assert_eq!(nonsense.code(), "bad_time");
}

#[tokio::test]
async fn many_tabs_cost_the_data_plane_one_snapshot_in_half_a_second() {
    let world = World::new();
    let router = world.router();
    let asked = || {
        let asked = world.asked();
        asked.iter().filter(|a| matches!(a, Ask::Snapshot)).count()
    };
    for _ in 0..5 {
        get(&router, "/api/v1/clients").await;
        get(&router, "/api/v1/servers").await;
        get(&router, "/api/v1/waits").await;
    }
    assert_eq!(asked(), 1);
    let mut later = published();
    later.at = later.at.after(Duration::from_millis(500));
    world.publish.send_replace(Arc::new(later));
    get(&router, "/api/v1/clients").await;
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn clients_are_filtered_searched_sorted_and_counted() {
    let world = World::new();
    let router = world.router();
    let ids = |document: &Value| -> Vec<u64> {
        let rows = document["clients"].as_array().unwrap().iter();
        rows.map(|row| row["client"].as_u64().unwrap()).collect()
    };
    let all = get(&router, "/api/v1/clients?sort=-client").await.json();
    assert_eq!(ids(&all), [2, 1]);
    let row = &all["clients"][1];
    assert_eq!(row["backend_pid"], 4711);
    assert_eq!(row["host"], "127.0.0.1");
    assert_eq!(row["statement"], "select * from orders where id = ?");
    assert_eq!(row["state_s"], 2.5);
    let waiting = get(&router, "/api/v1/clients?state=waiting,idle").await;
    assert_eq!(ids(&waiting.json()), [2]);
    let found = get(&router, "/api/v1/clients?search=ORDERS&limit=1").await;
    assert_eq!(
        (&found.json()["total"], &found.json()["shown"]),
        (&2.into(), &1.into())
    );
    let none = get(&router, "/api/v1/clients?search=nobody").await;
    assert_eq!(none.json()["total"], 0);
    let by_pid = get(&router, "/api/v1/servers?search=4711").await;
    assert_eq!(by_pid.json()["servers"][0]["client"], 1);
    for (wrong, code) in [
        ("clients?state=asleep", "bad_state"),
        ("clients?sort=age", "bad_sort"),
        ("servers?limit=5001", "bad_limit"),
        ("servers?pool=nope", "no_such_pool"),
        ("clients?colour=red", "bad_query"),
    ] {
        let got = get(&router, &format!("/api/v1/{wrong}")).await;
        assert_eq!(got.code(), code, "{wrong}");
    }
}

#[tokio::test]
async fn the_tree_of_waits_goes_from_the_root_to_the_client_without_a_literal() {
    let world = World::new();
    let got = get(&world.router(), "/api/v1/waits").await;
    assert!(!got.text.contains("hunter"), "{}", got.text);
    let waits = got.json();
    let root = &waits["roots"][0];
    assert_eq!(
        (&root["backend_pid"], &root["victims"]),
        (&900.into(), &2.into())
    );
    assert_eq!(root["statement"], "update t set x = ?");
    let own = &root["blocks"][0];
    assert_eq!(
        (&own["backend_pid"], &own["own"]),
        (&4711.into(), &true.into())
    );
    assert_eq!((&own["client"], &own["server"]), (&1.into(), &5.into()));
    assert_eq!(own["application"], "dash \"board\"");
    let ddl = &own["blocks"][0];
    assert_eq!(ddl["lock"]["mode"], "AccessExclusiveLock");
    let queue = &waits["pools"][0];
    assert_eq!(queue["holders"][0]["blocked_by"], serde_json::json!([900]));
    assert_eq!(queue["waiters"][0]["client"], 2);
    assert_eq!(
        waits["says"],
        "2 backends wait behind backend 900 (idle in transaction, its transaction 12.0 s old). 41 \
         clients wait for a server of app/dashboard, the oldest for 2.5 s."
    );
}

#[tokio::test]
async fn queries_are_shares_of_slot_seconds_against_the_stretch_before() {
    let world = World::new();
    let router = world.router();
    let queries = get(&router, "/api/v1/queries").await.json();
    assert_eq!(queries["slot_seconds"], 4.0);
    let first = &queries["queries"][0];
    assert_eq!(
        (&first["share"], &first["change"]),
        (&0.75.into(), &3.0.into())
    );
    assert_eq!(
        first["says"],
        "takes 3.0 times as long as in the stretch before"
    );
    let new = &queries["queries"][1];
    assert!(new["change"].is_null() && new["baseline_mean_s"].is_null());
    let by_change = get(&router, "/api/v1/queries?sort=change&limit=1")
        .await
        .json();
    assert_eq!(by_change["queries"][0]["fingerprint"], new["fingerprint"]);
    assert_eq!(by_change["total"], 2);
    let Ask::Statements { from, to, .. } = world.asked()[0].clone() else {
        panic!("{:?}", world.asked());
    };
    assert_eq!(to.since(from), Duration::from_secs(300));
}

#[tokio::test]
async fn a_mode_that_was_ordered_is_said_to_be_and_no_secret_is_shown() {
    let (_world, router) = world_with_settings().await;
    let got = get(&router, "/api/v1/configuration").await;
    assert!(!got.text.contains("s3cret"), "{}", got.text);
    let configuration = got.json();
    let mode = &configuration["settings"][0];
    assert_eq!(
        (&mode["origin"], &mode["place"]),
        (&"order".into(), &"ann".into())
    );
    assert_eq!(mode["value"], "\"recommend\"");
    assert_eq!(mode["changed_at"], "2026-11-23T05:01:00.000Z");
    assert_eq!(configuration["settings"][1]["value"], "(set)");
    assert_eq!(configuration["changes"][0]["by"], "ann");
}

#[tokio::test]
async fn the_black_box_tells_its_reach_and_marks_what_happened() {
    let world = World::new();
    let range = get(&world.router(), "/api/v1/blackbox/range").await.json();
    assert_eq!(range["earliest"], "2026-11-23T04:00:00.000Z");
    let resolutions: Vec<_> = range["spans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|span| span["resolution_s"].as_f64().unwrap())
        .collect();
    assert_eq!(resolutions, [60.0, 0.1]);
    let kinds: Vec<&str> = range["markers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|marker| marker["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["configuration", "incident", "incident", "decision"]);
}

#[tokio::test]
async fn a_dry_run_says_what_would_come_of_an_order_and_does_nothing() {
    let world = World::new();
    let router = world.router();
    let order = r#"{"by":"ann","order":"resize","pool":"app/dashboard","size":18,"dry_run":true}"#;
    let said = post(&router, "/api/v1/orders", order).await.json();
    assert_eq!(
        (&said["dry_run"], &said["says"]),
        (&true.into(), &"it would be done".into())
    );
    let undo = serde_json::json!({"order": "resize", "pool": "app/dashboard", "size": 10});
    assert_eq!(said["undo"], undo);
    assert!(
        world
            .asked()
            .iter()
            .all(|ask| matches!(ask, Ask::Foresee { .. }))
    );
    let done = post(&router, "/api/v1/orders", &order.replace("true", "false")).await;
    let done = done.json();
    assert_eq!(
        (&done["dry_run"], &done["says"]),
        (&false.into(), &"it is done".into())
    );
    assert_eq!(done["undo"], undo);
    assert!(matches!(
        world.asked().last(),
        Some(Ask::Order {
            order: OperatorOrder::Resize { size: 18, .. },
            ..
        })
    ));
    let odd = order.replace("true", "\"perhaps\"");
    assert_eq!(
        post(&router, "/api/v1/orders", &odd).await.code(),
        "bad_json"
    );
}

#[tokio::test]
async fn a_browser_signs_in_with_the_token_and_acts_with_its_cookie() {
    let world = World::new();
    let mut settings = common::settings();
    settings.token = Some(weir_model::Secret("s3cret".into()));
    let router = Api::new(world.handle.clone(), &settings).router();
    let shown = get(&router, "/api/v1/session").await.json();
    assert_eq!(
        (&shown["can_read"], &shown["can_act"]),
        (&false.into(), &false.into())
    );
    assert_eq!(get(&router, "/api/v1/pools").await.code(), "unauthorized");
    let wrong = post(&router, "/api/v1/session", r#"{"token":"guess"}"#).await;
    assert_eq!(wrong.code(), "unauthorized");
    let right = post(&router, "/api/v1/session", r#"{"token":"s3cret"}"#).await;
    assert_eq!(right.status, StatusCode::OK, "{}", right.text);
    assert_eq!(right.json()["can_act"], true);
    let set = right.headers["set-cookie"].to_str().unwrap();
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Strict"),
        "{set}"
    );
    assert!(!set.contains("s3cret"), "{set}");
    let cookie = set.split(';').next().unwrap().to_owned();
    let with = |method: &str, path: &str| {
        axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("cookie", &cookie)
            .header("content-type", "application/json")
            .body(axum::body::Body::empty())
            .unwrap()
    };
    let pools = common::send(&router, with("GET", "/api/v1/pools")).await;
    assert_eq!(pools.status, StatusCode::OK);
    let ended = common::send(&router, with("DELETE", "/api/v1/session")).await;
    assert_eq!(ended.json()["signed_in"], false);
    let pools = common::send(&router, with("GET", "/api/v1/pools")).await;
    assert_eq!(pools.code(), "unauthorized");

    for _ in 0..9 {
        post(&router, "/api/v1/session", r#"{"token":"guess"}"#).await;
    }
    let locked = post(&router, "/api/v1/session", r#"{"token":"s3cret"}"#).await;
    assert_eq!(
        locked.status,
        StatusCode::TOO_MANY_REQUESTS,
        "{}",
        locked.text
    );
    assert!(locked.headers.contains_key("retry-after"));
    let mut later = published();
    later.at = Instant::from_millis(90_250 + 60_000);
    world.publish.send_replace(Arc::new(later));
    let right = post(&router, "/api/v1/session", r#"{"token":"s3cret"}"#).await;
    assert_eq!(right.status, StatusCode::OK);
}
