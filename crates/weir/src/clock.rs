//! Where the process reads the world: time, dice, environment. Once, at start.

#![expect(
    clippy::disallowed_methods,
    reason = "main is where the outside world enters; everything else is given values"
)]

use std::collections::BTreeMap;
use std::time::{Instant as StdInstant, SystemTime, UNIX_EPOCH};

use weir_model::Wall;

/// The zero of the process's time line, and civil time at that point.
pub(crate) fn zero() -> (StdInstant, Wall) {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let micros = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
    (StdInstant::now(), Wall::from_micros(micros))
}

/// A seed that differs between starts: the low bits of the clock and the process id, stirred.
pub(crate) fn seed() -> u64 {
    let (_, wall) = zero();
    let mut x = wall.as_micros().unsigned_abs() ^ (u64::from(std::process::id()) << 32);
    // splitmix64's finaliser.
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The environment, for overrides and secrets.
pub(crate) fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
        .collect()
}

/// Civil time now, for the lines of a log.
pub(crate) fn wall() -> Wall {
    zero().1
}
