//! Time as a value that somebody passed in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on this process's time line, in nanoseconds since the process's own zero.
///
/// Ours rather than `std`'s, because a simulation must be able to make one up and a recording
/// must be able to store one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Instant {
    nanos: u64,
}

impl Instant {
    /// The process's zero.
    pub const ZERO: Instant = Instant { nanos: 0 };

    /// The point `nanos` nanoseconds after zero.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self { nanos }
    }

    /// The point `millis` milliseconds after zero.
    pub const fn from_millis(millis: u64) -> Self {
        Self {
            nanos: millis * 1_000_000,
        }
    }

    /// Nanoseconds since zero.
    pub const fn as_nanos(self) -> u64 {
        self.nanos
    }

    /// Zero if `earlier` is later: samples from two cores may cross by a few nanoseconds, and an
    /// age below zero would read as a very long wait.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }

    /// `self + by`, stopping at the end of time instead of overflowing.
    pub fn after(self, by: Duration) -> Instant {
        Instant {
            nanos: self
                .nanos
                .saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    /// `self - by`, stopping at zero.
    pub fn before(self, by: Duration) -> Instant {
        Instant {
            nanos: self
                .nanos
                .saturating_sub(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)),
        }
    }
}

/// A point in civil time: microseconds since 1970-01-01T00:00:00Z. What journals and reports hold.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Wall(i64);

impl Wall {
    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Zero if `earlier` is later.
    pub fn since(self, earlier: Wall) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `self + by`.
    pub fn after(self, by: Duration) -> Wall {
        Wall(
            self.0
                .saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// `self - by`.
    pub fn before(self, by: Duration) -> Wall {
        Wall(
            self.0
                .saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)),
        )
    }
}

/// Ties the process's time line to civil time. Read once at start, by `main`: a civil clock that
/// is stepped afterwards must not tear an incident's durations apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockMap {
    /// A point on the process's time line…
    pub instant: Instant,
    /// …and the civil time at that very point.
    pub wall: Wall,
}

impl ClockMap {
    /// Civil time of `at`.
    pub fn wall(&self, at: Instant) -> Wall {
        if at >= self.instant {
            self.wall.after(at.since(self.instant))
        } else {
            self.wall.before(self.instant.since(at))
        }
    }

    /// The process time of `wall`; zero for what lies before the process began.
    pub fn instant(&self, wall: Wall) -> Instant {
        if wall >= self.wall {
            self.instant.after(wall.since(self.wall))
        } else {
            self.instant.before(self.wall.since(wall))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_never_below_zero() {
        let early = Instant::from_millis(5);
        let late = Instant::from_millis(9);
        assert_eq!(late.since(early), Duration::from_millis(4));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn the_clock_map_goes_both_ways() {
        let map = ClockMap {
            instant: Instant::from_millis(10),
            wall: Wall::from_micros(1_000_000),
        };
        let at = Instant::from_millis(25);
        assert_eq!(map.wall(at), Wall::from_micros(1_015_000));
        assert_eq!(map.instant(map.wall(at)), at);
        assert_eq!(map.wall(Instant::ZERO), Wall::from_micros(990_000));
    }
}
