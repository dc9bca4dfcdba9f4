//! The rules, each as a question to a short history of samples.
//!
//! | level | opens | closes |
//! |---|---|---|
//! | EXHAUSTED | every server that can be had is in use and the shortest wait of the interval exceeds `q0`, in 5 of the last 6 intervals | shortest wait below `q0` for 5 s |
//! | STALLED | someone waits and nothing completed for `max(1 s, 5 · p99 hold)` | 10 completions |
//! | DOWN | every new login is refused, times out or meets 57P03, and nothing completes | 3 logins |
//! | LEAK | the lower envelope of held servers climbs for 60 s while the oldest open transaction ages 1 s/s | the envelope falls |
//!
//! `q0 = max(5 ms, ½ · median hold)`, both from before the trouble: a hold time learnt during an
//! incident would call the incident usual.
//!
//! **"Every server that can be had is in use"** is `idle = 0` and logged-in servers = size; or,
//! where PostgreSQL refuses more, fewer than size with a login that failed in the last 3 s and
//! none that succeeded in the last 500 ms. Logins that are merely under way are a cold start, and
//! no alarm; nor is the queue that a pool's first three seconds have to work off.

use std::time::Duration;

use weir_model::{ConnectFailure, Level, PoolSample};

/// EXHAUSTED looks at this many intervals…
pub const INTERVALS: usize = 6;
/// …of which so many must be dry.
pub const DRY_OF_INTERVALS: usize = 5;
/// No queue shorter than this is a queue.
pub const SHORTEST_QUEUE: Duration = Duration::from_millis(5);
/// A dial that succeeded within this time means that servers can be had.
pub const DIAL_SUCCESS_WINDOW: Duration = Duration::from_millis(500);
/// A dial that failed within this time means that they can't, unless one succeeded.
pub const DIAL_FAILURE_WINDOW: Duration = Duration::from_secs(3);
/// Logins under way without an answer for so long are no cold start any more.
pub const DIAL_SILENCE: Duration = Duration::from_secs(5);
/// So long after its first server a pool works off what came before.
pub const COLD_START: Duration = Duration::from_secs(3);
/// Nothing completed for so long, beside refused logins: the server is gone, not restarting one
/// connection.
pub const DOWN_SILENCE: Duration = Duration::from_millis(500);
/// Length of a LEAK window and of its minima.
pub const LEAK_WINDOW_S: usize = 60;
/// Seconds of one minimum of held servers.
pub const LEAK_STEP_S: usize = 10;

/// Which level wins where two hold. An incident's level never falls below one that it had.
pub fn rank(level: Level) -> u8 {
    match level {
        Level::Leak => 1,
        Level::Degraded => 2,
        Level::Exhausted => 3,
        Level::Starved => 4,
        Level::Saturated => 5,
        Level::Stalled => 6,
        Level::Down => 7,
    }
}

/// The wait from which on a queue stands rather than passes.
pub fn q0(median_hold: Duration) -> Duration {
    SHORTEST_QUEUE.max(median_hold / 2)
}

/// The shortest that the oldest waiter's age was in the interval, as far as a sample tells.
///
/// The queue is served in order of arrival, so the age of its head falls to (about) the wait of
/// whoever was served. Somebody served after less than `q0` proves a moment with a short queue;
/// those who were refused or gave up early prove nothing and are left out.
pub fn shortest_wait_exceeds(sample: &PoolSample, q0: Duration) -> bool {
    if sample.clients.waiting == 0 || sample.oldest_wait <= q0 {
        return false;
    }
    let quick: u64 = sample
        .wait
        .buckets()
        .filter(|(edge, _)| *edge <= q0)
        .map(|(_, n)| n)
        .sum();
    quick <= u64::from(sample.abandoned) + u64::from(sample.failures)
}

/// True for a failed login that means "no server there", not "not for you" or "no slot left".
pub fn means_down(failure: &ConnectFailure) -> bool {
    match failure {
        ConnectFailure::Io(_) | ConnectFailure::Timeout => true,
        ConnectFailure::Refused { sqlstate, .. } => {
            sqlstate.starts_with("57P") || sqlstate.starts_with("08")
        }
        // Something answers there that isn't PostgreSQL: for clients that is as good as nothing.
        ConnectFailure::Garbage(_) => true,
        // It is there and speaks; who must act is whoever looks after certificates.
        ConnectFailure::Tls(_) => false,
    }
}

/// One-sided Mann–Kendall: true if `values` rise with p < 0.01 (normal approximation with ties
/// and continuity correction).
pub fn rises(values: &[u32]) -> bool {
    let n = values.len();
    if n < 6 {
        return false;
    }
    let mut s = 0i64;
    for i in 0..n {
        for j in i + 1..n {
            s += match values[j].cmp(&values[i]) {
                std::cmp::Ordering::Greater => 1,
                std::cmp::Ordering::Less => -1,
                std::cmp::Ordering::Equal => 0,
            };
        }
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let ties: f64 = sorted
        .chunk_by(|a, b| a == b)
        .map(|tie| tie.len() as f64)
        .map(|t| t * (t - 1.0) * (2.0 * t + 5.0))
        .sum();
    let n = n as f64;
    let variance = (n * (n - 1.0) * (2.0 * n + 5.0) - ties) / 18.0;
    // 2.326: the 99th percentile of the normal distribution.
    s > 0 && variance > 0.0 && (s as f64 - 1.0) / variance.sqrt() > 2.326
}
