//! `/metrics` keeps its names, ends as it must, and every one of them moves.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::collections::BTreeMap;

use common::{World, get, published, send};
use weir_model::{Level, Pin};

/// Sample name with labels → value.
fn values(text: &str) -> BTreeMap<String, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

async fn scraped(published: weir_control::handle::Published) -> String {
    let world = World::of(published);
    get(&world.router(), "/metrics").await.text
}

#[tokio::test]
async fn it_is_openmetrics() {
    let world = World::new();
    let router = world.router();
    let got = get(&router, "/metrics").await;
    assert_eq!(
        got.headers["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(got.text.ends_with("\n# EOF\n"));
    assert_eq!(got.text.matches("# EOF").count(), 1);
    // Every sample belongs to the family opened last before it, and each is opened once.
    let mut family = (String::new(), String::new());
    let mut seen = std::collections::BTreeSet::new();
    for line in got.text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(seen.insert(name.to_owned()), "{name} is opened twice");
            family = (name.to_owned(), kind.to_owned());
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').unwrap();
            assert!(name.ends_with(&format!("_{unit}")), "{line}");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let suffix = name
                .strip_prefix(family.0.as_str())
                .unwrap_or_else(|| panic!("{line}"));
            let may: &[&str] = match family.1.as_str() {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_count", "_sum"],
                "info" => &["_info"],
                _ => &[""],
            };
            assert!(may.contains(&suffix), "{line} in a {}", family.1);
        }
    }
}

#[tokio::test]
async fn an_old_scraper_gets_the_format_that_it_knows() {
    let world = World::new();
    let request = axum::http::Request::get("/metrics")
        .header("accept", "text/plain;version=0.0.4")
        .body(axum::body::Body::empty())
        .unwrap();
    let got = send(&world.router(), request).await;
    assert!(
        got.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    assert!(!got.text.contains("# EOF") && !got.text.contains("stateset"));
    assert!(got.text.contains("# TYPE weir_transactions_total counter"));
}

#[tokio::test]
async fn the_names_of_the_contract_are_there_with_their_numbers() {
    let values = values(&scraped(published()).await);
    let pool = "pool=\"app/dashboard\"";
    for (name, value) in [
        (format!("weir_pool_size{{{pool}}}"), 10.0),
        (
            format!("weir_client_connections{{{pool},state=\"waiting\"}}"),
            41.0,
        ),
        (
            format!("weir_client_connections{{{pool},state=\"idle_in_tx\"}}"),
            1.0,
        ),
        (
            format!("weir_server_connections{{{pool},state=\"active\"}}"),
            10.0,
        ),
        (format!("weir_pool_oldest_wait_seconds{{{pool}}}"), 2.5),
        (format!("weir_pool_timeouts_total{{{pool}}}"), 11.0),
        (format!("weir_transactions_total{{{pool}}}"), 4_000.0),
        (format!("weir_pool_pinned{{{pool},pin=\"listen\"}}"), 2.0),
        (
            format!("weir_pool_pinned{{{pool},pin=\"advisory_lock\"}}"),
            0.0,
        ),
        (
            "weir_incident_active{class=\"pool_undersized\"}".to_owned(),
            1.0,
        ),
        ("weir_incident_active{class=\"slow_query\"}".to_owned(), 0.0),
        (format!("weir_pool_wait_seconds_count{{{pool}}}"), 5.0),
        (
            format!("weir_pool_wait_seconds_bucket{{{pool},le=\"+Inf\"}}"),
            5.0,
        ),
        (
            format!("weir_pool_wait_seconds_bucket{{{pool},le=\"0.002048\"}}"),
            3.0,
        ),
        (format!("weir_pool_wait_seconds_sum{{{pool}}}"), 3.022),
        (
            format!("weir_pool_level{{{pool},weir_pool_level=\"exhausted\"}}"),
            1.0,
        ),
    ] {
        assert_eq!(values.get(&name), Some(&value), "{name}");
    }
    assert!(values["process_resident_memory_bytes"] > 1e6);
    assert!(values["process_open_fds"] >= 3.0);
    assert!(values["process_start_time_seconds"] > 1e9);
}

#[tokio::test]
async fn buckets_only_ever_rise() {
    let text = scraped(published()).await;
    let mut last = 0.0;
    for line in text
        .lines()
        .filter(|l| l.starts_with("weir_pool_wait_seconds_bucket"))
    {
        let value: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
        assert!(value >= last, "{line}");
        last = value;
    }
}

#[tokio::test]
async fn every_metric_of_a_pool_moves() {
    let before = values(&scraped(published()).await);
    let mut later = published();
    later.status.uptime *= 2;
    later.status.store_ok = false;
    later.status.data_plane_silent = true;
    later.worker.buffered_bytes += 7;
    later.worker.events_lost_total += 7;
    later.worker.loop_lag_max *= 2;
    later.worker.loop_lag_max += common::ms(3);
    later.incidents.clear();
    let pool = &mut later.pools[0];
    pool.size += 1;
    pool.size_min += 1;
    pool.size_max += 1;
    pool.paused = true;
    pool.oldest_wait *= 2;
    pool.level = Some(Level::Down);
    for n in [
        &mut pool.clients.active,
        &mut pool.clients.waiting,
        &mut pool.clients.idle,
        &mut pool.clients.idle_in_transaction,
        &mut pool.servers.active,
        &mut pool.servers.idle,
        &mut pool.servers.login,
        &mut pool.servers.tested,
        &mut pool.servers.used,
    ] {
        *n += 1;
    }
    for pin in [
        Pin::Listen,
        Pin::AdvisoryLock,
        Pin::TemporaryObject,
        Pin::HoldCursor,
        Pin::SqlPrepare,
        Pin::SessionSetting,
        Pin::Backend,
    ] {
        *pool.pins.entry(pin).or_default() += 1;
    }
    let totals = &mut pool.totals;
    for n in [
        &mut totals.arrivals,
        &mut totals.completions,
        &mut totals.failures,
        &mut totals.abandoned,
        &mut totals.bytes_in,
        &mut totals.bytes_out,
        &mut totals.client_logins,
        &mut totals.server_logins,
        &mut totals.server_login_failures,
    ] {
        *n += 1;
    }
    totals.held.executing *= 2;
    totals.held.thinking *= 2;
    totals.held.network *= 2;
    totals.wait.record(common::ms(0));
    totals.wait.record(common::ms(1));
    totals.hold.record(common::ms(0));
    totals.hold.record(common::ms(1));
    let after = values(&scraped(later).await);
    // Other levels and classes stay at zero; the rest is the process' own.
    let still: Vec<&String> = before
        .iter()
        .filter(|(name, value)| after.get(*name) == Some(value))
        .map(|(name, _)| name)
        .filter(|name| {
            !name.starts_with("process_") && *name != "weir_build_info{version=\"0.1.0\"}"
        })
        .filter(|name| !name.starts_with("weir_pool_level") && !name.starts_with("weir_incident"))
        .collect();
    assert!(still.is_empty(), "{still:#?}");
    assert_eq!(
        after["weir_incident_active{class=\"pool_undersized\"}"],
        0.0
    );
}

#[tokio::test]
async fn a_name_can_not_break_out_of_its_label() {
    let mut published = published();
    published.pools[0].key = weir_model::PoolKey::new("a\"b\\c\nd", "u");
    let text = scraped(published).await;
    assert!(text.contains(r#"weir_pool_size{pool="a\"b\\c\nd/u"} 10"#));
}
