//! Adding up samples: into a window that somebody asks for, and into the minutes that outlive the samples.
//!
//! While a window is being added up, its means are sums; [`sums_to_means`] ends that.

use std::time::Duration;

use weir_model::{Histogram, HoldTime, Instant, PoolId, PoolKey};

use super::recorder::Held;
use super::window::PoolWindow;

const MINUTE_NANOS: u64 = 60_000_000_000;

/// A window of nothing.
pub(super) fn empty(pool: PoolId, key: Option<&PoolKey>, from: Instant, to: Instant) -> PoolWindow {
    PoolWindow {
        pool,
        key: key.cloned().unwrap_or_else(|| PoolKey::new("", "")),
        from,
        to,
        samples: 0,
        size: 0.0,
        size_last: 0,
        active: 0.0,
        idle: 0.0,
        login: 0.0,
        pinned: 0.0,
        open_last: 0,
        waiting: 0.0,
        waiting_max: 0,
        idle_in_transaction: 0.0,
        idle_in_transaction_max: Duration::ZERO,
        transaction_age_max: Duration::ZERO,
        oldest_wait_max: Duration::ZERO,
        arrivals: 0,
        completions: 0,
        failures: 0,
        abandoned: 0,
        wait: Histogram::default(),
        hold: Histogram::default(),
        held: HoldTime::default(),
        client_logins: 0,
        server_logins: 0,
        server_login_failures: 0,
    }
}

/// The minute that a sample belongs to, by its end; one that ends on the minute belongs to the last.
pub(super) fn minute_of(at: Instant) -> u64 {
    at.as_nanos().saturating_sub(1) / MINUTE_NANOS
}

/// Adds a sample; samples come in order of time.
pub(super) fn add_sample(w: &mut PoolWindow, held: &Held) {
    let s = &*held.sample;
    if w.samples == 0 {
        w.from = held.at.before(held.interval);
    }
    w.to = held.at;
    w.samples += 1;
    w.size += f64::from(s.size);
    w.size_last = s.size;
    w.active += f64::from(s.servers.active);
    w.idle += f64::from(s.servers.idle);
    w.login += f64::from(s.servers.login);
    w.pinned += f64::from(s.servers.pinned);
    w.open_last = s.servers.open();
    w.waiting += f64::from(s.clients.waiting);
    w.waiting_max = w.waiting_max.max(s.clients.waiting);
    w.idle_in_transaction += f64::from(s.clients.idle_in_transaction);
    w.idle_in_transaction_max = w.idle_in_transaction_max.max(s.oldest_idle_in_transaction);
    w.transaction_age_max = w.transaction_age_max.max(s.oldest_transaction);
    w.oldest_wait_max = w.oldest_wait_max.max(s.oldest_wait);
    w.arrivals += u64::from(s.arrivals);
    w.completions += u64::from(s.completions);
    w.failures += u64::from(s.failures);
    w.abandoned += u64::from(s.abandoned);
    w.wait.add(&s.wait);
    w.hold.add(&s.hold);
    w.held.add(s.held);
    w.client_logins += u64::from(s.client_logins);
    w.server_logins += u64::from(s.server_logins);
    w.server_login_failures += u64::from(s.server_login_failures);
}

/// Adds a later window whose means are still sums.
pub(super) fn add_sums(w: &mut PoolWindow, later: &PoolWindow) {
    if w.samples == 0 {
        w.from = later.from;
    }
    w.to = later.to;
    w.samples += later.samples;
    w.size += later.size;
    w.size_last = later.size_last;
    w.active += later.active;
    w.idle += later.idle;
    w.login += later.login;
    w.pinned += later.pinned;
    w.open_last = later.open_last;
    w.waiting += later.waiting;
    w.waiting_max = w.waiting_max.max(later.waiting_max);
    w.idle_in_transaction += later.idle_in_transaction;
    w.idle_in_transaction_max = w.idle_in_transaction_max.max(later.idle_in_transaction_max);
    w.transaction_age_max = w.transaction_age_max.max(later.transaction_age_max);
    w.oldest_wait_max = w.oldest_wait_max.max(later.oldest_wait_max);
    w.arrivals += later.arrivals;
    w.completions += later.completions;
    w.failures += later.failures;
    w.abandoned += later.abandoned;
    w.wait.add(&later.wait);
    w.hold.add(&later.hold);
    w.held.add(later.held);
    w.client_logins += later.client_logins;
    w.server_logins += later.server_logins;
    w.server_login_failures += later.server_login_failures;
}

/// The last step.
pub(super) fn sums_to_means(w: &mut PoolWindow) {
    if w.samples == 0 {
        return;
    }
    let n = f64::from(w.samples);
    for mean in [
        &mut w.size,
        &mut w.active,
        &mut w.idle,
        &mut w.login,
        &mut w.pinned,
        &mut w.waiting,
        &mut w.idle_in_transaction,
    ] {
        *mean /= n;
    }
}
