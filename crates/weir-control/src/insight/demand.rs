//! What a pool needs, by Little's law.

use super::say;

/// What a pool needs by Little's law: `C = ⌈λH + 2·√(λH)⌉ + 1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// Offered per second.
    pub arrivals: f64,
    /// Seconds of holding a server per transaction.
    pub hold_s: f64,
    /// `λH`.
    pub busy: f64,
    /// `C`.
    pub servers: u32,
}

impl Demand {
    /// From what was offered and held.
    pub fn new(arrivals: f64, hold_s: f64) -> Self {
        let busy = (arrivals * hold_s).max(0.0);
        // A pool that nobody could size is no reason for a number beyond all rails.
        let servers = (busy + 2.0 * busy.sqrt()).ceil().min(1e6) as u32 + 1;
        Self {
            arrivals,
            hold_s,
            busy,
            servers,
        }
    }

    /// The arithmetic, for a sentence.
    pub fn says(&self) -> String {
        format!(
            "{} × {} = {:.1} servers busy on average, {} with room for chance",
            say::rate(self.arrivals),
            say::seconds(self.hold_s),
            self.busy,
            self.servers
        )
    }
}
