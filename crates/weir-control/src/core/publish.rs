//! What the rim may see.

use std::time::Duration;

use weir_model::PoolSample;

use super::{Core, lifecycle::objective_text};
use crate::handle::{PoolView, Published, Status, Totals};
use crate::insight::Rails;
use crate::sense::view::WatchFailure;

/// Over which stretch rates and quantiles are shown.
const SHOWN: Duration = Duration::from_secs(10);

impl Core {
    /// Everything the rim may show, as of the last input.
    pub fn publish(&self) -> Published {
        let mut pools: Vec<PoolView> = self
            .pools
            .keys()
            .filter_map(|id| self.pool_view(*id))
            .collect();
        pools.sort_by(|a, b| a.key.cmp(&b.key));
        Published {
            at: self.now,
            clock: self.clock,
            status: self.status(),
            worker: self.worker,
            pools,
            incidents: self.incidents.values().rev().cloned().collect(),
            decisions: self.decisions.iter().rev().cloned().collect(),
            // The plane knows the store.
            journals: Default::default(),
        }
    }

    fn status(&self) -> Status {
        Status {
            version: self.settings.version.clone(),
            uptime: self.now.since(self.started),
            io: self.settings.io.clone(),
            workers: 1,
            regulator: self.regulator.mode().to_string(),
            store: self.store_health.0.clone(),
            store_ok: self.store_health.1,
            watch: match &self.watch {
                None => "not looked yet".to_owned(),
                Some(Ok(())) => "ok".to_owned(),
                Some(Err(WatchFailure::NotConfigured)) => {
                    "no watch user configured: causes inside PostgreSQL can't be told apart"
                        .to_owned()
                }
                Some(Err(WatchFailure::Unreachable(why))) => format!("unreachable: {why}"),
                Some(Err(WatchFailure::Refused { sqlstate, message })) => {
                    format!("refused: {sqlstate} {message}")
                }
                Some(Err(WatchFailure::Late)) => {
                    "late: the last look didn't come back in time".to_owned()
                }
            },
            listen: self.settings.listen.clone(),
            draining: self.draining,
            data_plane_silent: false,
            server_version: self.server_version,
        }
    }

    fn pool_view(&self, id: weir_model::PoolId) -> Option<PoolView> {
        let pool = self.pools.get(&id)?;
        let latest = self.recorder.latest(id)?;
        let window = self.recorder.window(id, self.now.before(SHOWN), self.now);
        let rails = pool
            .rails
            .unwrap_or_else(|| Rails::new(pool.settings.size, None, 0));
        Some(PoolView {
            id,
            key: pool.key.clone(),
            mode: pool.mode.clone(),
            size: latest.size,
            size_min: rails.min,
            size_max: if rails.fixed {
                latest.size
            } else {
                rails.max().unwrap_or(u32::MAX)
            },
            size_because: pool.because.clone(),
            clients: latest.clients,
            servers: latest.servers,
            oldest_wait: latest.oldest_wait,
            transactions_per_s: window.completion_rate(),
            arrivals_per_s: window.arrival_rate(),
            held: window.held,
            wait: window.wait,
            hold: window.hold,
            level: self.detector.level(id),
            incident: self.live.iter().find(|l| l.pool == Some(id)).map(|l| l.id),
            pins: self.recorder.pins(id),
            paused: latest.paused,
            objective: objective_text(pool.settings.objective_ratio, pool.settings.objective_wait),
            totals: pool.totals.clone(),
        })
    }
}

/// Adds one sample to the counts since start.
pub(super) fn add(totals: &mut Totals, sample: &PoolSample) {
    totals.arrivals += u64::from(sample.arrivals);
    totals.completions += u64::from(sample.completions);
    totals.failures += u64::from(sample.failures);
    totals.abandoned += u64::from(sample.abandoned);
    totals.wait.add(&sample.wait);
    totals.hold.add(&sample.hold);
    totals.held.add(sample.held);
    totals.bytes_in += sample.bytes_in;
    totals.bytes_out += sample.bytes_out;
    totals.client_logins += u64::from(sample.client_logins);
    totals.server_logins += u64::from(sample.server_logins);
    totals.server_login_failures += u64::from(sample.server_login_failures);
}
