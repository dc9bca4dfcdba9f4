//! What the rim may see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_model::{PoolId, PoolSample};

use super::{Core, Pool, lifecycle::objective_text};
use crate::handle::{PoolView, Published, Status, Totals};
use crate::incident::Incident;
use crate::insight::Rails;
use crate::record::window::PoolWindow;
use crate::regulate::Decision;
use crate::sense::view::WatchFailure;

/// Over which stretch rates and quantiles are shown.
pub(super) const SHOWN: Duration = Duration::from_secs(10);
/// From sample to sample of the data plane.
pub(super) const SAMPLED: Duration = Duration::from_millis(100);

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
            as_of: None,
            window: SHOWN,
            resolution: SAMPLED,
            status: self.status(),
            worker: self.worker,
            pools,
            incidents: self.of_their_own(false),
            merged: self.of_their_own(true),
            decisions: self.decisions.iter().rev().cloned().collect(),
            silences: self.outside.silences.clone(),
            markers: self.outside.markers.iter().cloned().collect(),
            // The plane knows the store.
            journals: Default::default(),
            sensors: self.sensors.values().cloned().collect(),
            changes: Arc::clone(&self.changes),
        }
    }

    /// Incidents that were merged into another, or those that were not; newest first.
    pub(super) fn of_their_own(&self, merged: bool) -> Vec<Arc<Incident>> {
        self.incidents
            .values()
            .rev()
            .filter(|incident| incident.is_merged() == merged)
            .cloned()
            .collect()
    }

    pub(super) fn status(&self) -> Status {
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
                Some(outcome) => looked(outcome),
            },
            listen: self.settings.listen.clone(),
            draining: self.draining,
            data_plane_silent: false,
            server_version: self.server_version,
        }
    }

    fn pool_view(&self, id: PoolId) -> Option<PoolView> {
        let pool = self.pools.get(&id)?;
        let latest = self.recorder.latest(id)?;
        let rails = pool
            .rails
            .unwrap_or_else(|| Rails::new(pool.settings.size, None, 0));
        let window = self.recorder.window(id, self.now.before(SHOWN), self.now);
        let mut view = self.view_of(id, pool, latest, window);
        let recommendation = self.regulator.recommendation(id);
        view.why_not_more = why_not_more(pool, &rails, latest.size, recommendation);
        view.recommendation = recommendation.cloned().map(Arc::new);
        view.spark = Arc::clone(&pool.spark);
        view.size_min = rails.min;
        view.size_max = if rails.fixed {
            latest.size
        } else {
            rails.max().unwrap_or(u32::MAX)
        };
        view.size_because.clone_from(&pool.because);
        view.level = self.detector.level(id);
        view.incident = self.live.iter().find(|l| l.pool == Some(id)).map(|l| l.id);
        view.pins = self.recorder.pins(id);
        view.totals = pool.totals.clone();
        Some(view)
    }

    /// What a sample and a window tell of a pool; the rest is as if nothing more were known.
    pub(super) fn view_of(
        &self,
        id: PoolId,
        pool: &Pool,
        sample: &PoolSample,
        window: PoolWindow,
    ) -> PoolView {
        let seconds = window.length().as_secs_f64();
        let per_s = |count: u64| match seconds > 0.0 {
            true => count as f64 / seconds,
            false => 0.0,
        };
        PoolView {
            id,
            key: pool.key.clone(),
            mode: pool.mode.clone(),
            size: sample.size,
            size_min: pool.settings.size.min(),
            size_max: pool.settings.size.max().unwrap_or(u32::MAX),
            size_because: String::new(),
            clients: sample.clients,
            servers: sample.servers,
            oldest_wait: sample.oldest_wait,
            transactions_per_s: window.completion_rate(),
            arrivals_per_s: window.arrival_rate(),
            failures_per_s: per_s(window.failures),
            abandoned_per_s: per_s(window.abandoned),
            held: window.held,
            wait: window.wait,
            hold: window.hold,
            why_not_more: String::new(),
            recommendation: None,
            spark: Arc::default(),
            level: None,
            incident: None,
            pins: BTreeMap::new(),
            paused: sample.paused,
            objective: objective_text(pool.settings.objective_ratio, pool.settings.objective_wait),
            totals: Totals::default(),
        }
    }
}

/// What keeps a pool from being larger, for people: its own configuration, a rail, what the
/// regulator found, or nothing but that nobody needs more.
fn why_not_more(pool: &Pool, rails: &Rails, size: u32, recommended: Option<&Decision>) -> String {
    if rails.fixed {
        return format!(
            "its size is fixed at {size} by the configuration; the order `resize` or `size = \"auto\"` \
             would change that"
        );
    }
    if let Some(rail) = rails.why_not_more(size) {
        return rail;
    }
    if let Some(to) = recommended.and_then(|decision| decision.action.to())
        && to > size
    {
        return format!("{to} is recommended and waits for approval");
    }
    match (&pool.why_not_more, rails.max()) {
        (Some(says), _) => says.clone(),
        (None, Some(max)) => format!("nobody needs more than {size}; up to {max} may be had"),
        (None, None) => {
            format!("nobody needs more than {size}; how many PostgreSQL can bear is not known")
        }
    }
}

/// How a look went, for people.
pub(super) fn looked(outcome: &Result<(), WatchFailure>) -> String {
    match outcome {
        Ok(()) => "ok".to_owned(),
        Err(WatchFailure::NotConfigured) => {
            "no watch user configured: causes inside PostgreSQL can't be told apart".to_owned()
        }
        Err(WatchFailure::Unreachable(why)) => format!("unreachable: {why}"),
        Err(WatchFailure::Refused { sqlstate, message }) => {
            format!("refused: {sqlstate} {message}")
        }
        Err(WatchFailure::Late) => "late: the last look didn't come back in time".to_owned(),
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
