//! The one place of this crate that reads a clock or waits for one. The laboratory is at the rim
//! (I5 is about the planes): it makes real load in real time.

use std::time::Duration;

/// A point on tokio's clock.
pub(crate) type Moment = tokio::time::Instant;

/// Now.
pub(crate) fn now() -> Moment {
    Moment::now()
}

/// Civil time, for the names of output folders and the clocks of the outcome.
#[expect(
    clippy::disallowed_methods,
    reason = "the demo is a main of its own; its reports carry civil time"
)]
pub(crate) fn civil() -> jiff::Timestamp {
    jiff::Timestamp::try_from(std::time::SystemTime::now()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// Blocks the thread. Only for waiting on child processes where no runtime can be assumed (also
/// in `Drop`).
#[expect(
    clippy::disallowed_methods,
    reason = "waits for a child process in blocking code"
)]
pub(crate) fn nap(length: Duration) {
    std::thread::sleep(length);
}
