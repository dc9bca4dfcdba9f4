//! What unit tests of several modules start from.

use std::time::Duration;

use weir_control::handle::{PoolView, Published, Status, Totals};
use weir_model::{
    ClientCounts, ClockMap, Histogram, HoldTime, Instant, PoolId, PoolKey, ServerCounts, Wall,
    WorkerSample,
};

/// A control plane that has seen nothing.
pub(crate) fn nothing_published() -> Published {
    Published {
        at: Instant::from_millis(90_000),
        clock: ClockMap {
            instant: Instant::ZERO,
            wall: Wall::from_micros(1_795_410_000_000_000),
        },
        as_of: None,
        window: Duration::from_secs(10),
        resolution: Duration::from_millis(100),
        status: Status {
            version: "0.1.0".to_owned(),
            uptime: Duration::from_secs(90),
            io: "epoll".to_owned(),
            workers: 1,
            regulator: "recommend".to_owned(),
            store: "ok".to_owned(),
            store_ok: true,
            watch: "ok".to_owned(),
            listen: Vec::new(),
            draining: false,
            data_plane_silent: false,
            server_version: 0,
        },
        worker: WorkerSample::default(),
        pools: Vec::new(),
        incidents: Vec::new(),
        merged: Vec::new(),
        decisions: Vec::new(),
        silences: Vec::new(),
        markers: Vec::new(),
        journals: Default::default(),
        sensors: Vec::new(),
        changes: Default::default(),
    }
}

/// A pool in which nothing happens.
pub(crate) fn pool(database: &str, user: &str) -> PoolView {
    PoolView {
        id: PoolId(1),
        key: PoolKey::new(database, user),
        mode: "transaction".to_owned(),
        size: 10,
        size_min: 2,
        size_max: 40,
        size_because: "as configured".to_owned(),
        clients: ClientCounts::default(),
        servers: ServerCounts::default(),
        oldest_wait: Duration::ZERO,
        wait: Histogram::default(),
        hold: Histogram::default(),
        held: HoldTime::default(),
        transactions_per_s: 0.0,
        arrivals_per_s: 0.0,
        failures_per_s: 0.0,
        abandoned_per_s: 0.0,
        why_not_more: String::new(),
        recommendation: None,
        spark: Default::default(),
        level: None,
        incident: None,
        pins: Default::default(),
        paused: false,
        objective: "99% of waits < 10ms".to_owned(),
        totals: Totals::default(),
    }
}
