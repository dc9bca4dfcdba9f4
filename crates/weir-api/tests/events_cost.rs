//! What does the stream of events cost with 200 pools that all move, and one listener? The answer
//! must be a small part of a core, or looking at an incident makes it worse.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use common::{World, published};
use futures_util::StreamExt;
use tower::ServiceExt;
use weir_control::handle::{Happening, Published};
use weir_model::PoolKey;

const POOLS: u32 = 200;
/// Seconds of events; more than enough for a clock of 10 ms.
const SECONDS: u32 = 100;

/// Processor time of this process in seconds. Where the system doesn't tell, there is nothing to
/// measure.
fn cpu_s() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let rest = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

/// Second `n` of 200 pools with 5,000 clients, none of which is as it was.
fn second(n: u32) -> Arc<Published> {
    let mut published = published();
    let one = published.pools[0].clone();
    published.at = published.at.after(Duration::from_secs(n.into()));
    published.pools = (0..POOLS)
        .map(|m| {
            let mut pool = one.clone();
            pool.key = PoolKey::new("app", &format!("user{m:03}"));
            pool.clients.active = 20 + (n + m) % 5;
            pool.clients.waiting = (n * 7 + m) % 11;
            pool.transactions_per_s = f64::from((n * 31 + m) % 1_000);
            pool
        })
        .collect();
    Arc::new(published)
}

/// Part of a core that a listener to `path` costs, and bytes of an event.
async fn cost(path: &str) -> Option<(f64, usize)> {
    let world = World::new();
    let api = world.api();
    tokio::spawn(api.events().clone().follow(world.handle.clone()));
    while world.handle.happenings.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = api.router().oneshot(request).await.unwrap();
    let mut stream = response.into_body().into_data_stream();
    let seconds: Vec<Arc<Published>> = (0..SECONDS).map(second).collect();
    let begun = cpu_s()?;
    let mut bytes = 0;
    for second in seconds {
        let happening = Happening::Pools(second);
        world.handle.happenings.send(happening).unwrap();
        let chunk = tokio::time::timeout(Duration::from_secs(5), stream.next()).await;
        bytes += chunk.unwrap().unwrap().unwrap().len();
    }
    let spent = cpu_s()? - begun;
    Some((spent / f64::from(SECONDS), bytes / SECONDS as usize))
}

#[tokio::test]
async fn one_listener_to_200_busy_pools_costs_less_than_a_fiftieth_of_a_core() {
    // Without optimisation everything takes several times as long.
    let most = if cfg!(debug_assertions) { 0.2 } else { 0.02 };
    for path in [
        "/api/v1/events?pools=brief",
        "/api/v1/events?pools=none&pool=app/user007",
        "/api/v1/events",
    ] {
        let Some((part, bytes)) = cost(path).await else {
            return;
        };
        println!(
            "{path}: {:.2} % of a core, {bytes} bytes an event",
            part * 100.0
        );
        assert!(part < most, "{path} costs {:.1} % of a core", part * 100.0);
    }
}
