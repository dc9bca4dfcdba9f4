//! The clock that the worker reads, and that others in the process must read likewise.

use std::time::Instant as StdInstant;

use weir_model::Instant;

/// Time since a zero that the process chose once, so that all of its parts share a time line.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    zero: StdInstant,
}

impl Clock {
    /// A time line that begins at `zero`.
    pub fn since(zero: StdInstant) -> Self {
        Self { zero }
    }

    /// Seconds since 1970, for certificates that run out.
    #[expect(
        clippy::disallowed_methods,
        reason = "asked at start and at a reload, by whoever loads files"
    )]
    pub fn unix_seconds() -> i64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| {
                i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
            })
    }

    /// Now, on this time line.
    #[expect(
        clippy::disallowed_methods,
        reason = "the worker's loop is where time enters; everything below it is given `now`"
    )]
    pub fn now(&self) -> Instant {
        let nanos = StdInstant::now()
            .saturating_duration_since(self.zero)
            .as_nanos();
        Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}
