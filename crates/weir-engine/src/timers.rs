//! What is to happen at a later point. A heap with lazy deletion: who is woken checks whether it
//! still matters.
//!
//! Bounded by construction: one entry per dial, per back-off, per pool with waiters, and the
//! janitor's.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use weir_model::{Instant, PoolId, ServerId};

/// Whom to wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Once a second: ages, idle servers, the list of servers for control.
    Janitor,
    /// A dial or login has taken too long.
    Connect(ServerId),
    /// The oldest waiter of a pool may have waited too long.
    Wait(PoolId),
    /// A back-off is over.
    Retry(PoolId),
    /// The oldest waiter of a pool may have waited long enough for the reserve.
    Reserve(PoolId),
    /// SUSPEND has taken too long.
    Suspend,
    /// Draining has taken too long.
    Shutdown,
}

#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, timer: Timer) {
        self.heap.push(Reverse((at, timer)));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn due(&mut self, now: Instant) -> Option<Timer> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }
}
