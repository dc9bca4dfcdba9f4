//! Beyond a pool's size: the reserve, for those who have waited long; and at which of several
//! hosts a dial is tried.
//!
//! # What always holds
//! - The reserve is used by `reserve_size` servers at most, and only while somebody has waited
//!   `reserve_timeout`.
//! - A host that doesn't answer is passed over; only when every host has failed in a row does the
//!   pool count as down and back off.

use std::sync::Arc;

use weir_model::{Instant, LoadBalance, Loudness, Place, PoolId};

use crate::effect::Effects;
use crate::engine::Engine;
use crate::pool::Pool;
use crate::timers::Timer;

impl Pool {
    /// Where the next dial goes.
    pub(crate) fn next_place(&mut self) -> Place {
        let server = &self.settings.server;
        let count = 1 + server.further.len();
        let at = self.place % count;
        if server.load_balance == LoadBalance::RoundRobin {
            self.place = (at + 1) % count;
        }
        match at.checked_sub(1).and_then(|at| server.further.get(at)) {
            Some(place) => place.clone(),
            None => Place {
                host: Arc::clone(&server.host),
                port: server.port,
            },
        }
    }

    /// A dial failed. True if there is another place to try at once.
    pub(crate) fn try_another_place(&mut self) -> bool {
        let server = &self.settings.server;
        let count = 1 + server.further.len();
        self.places_failed += 1;
        if server.load_balance == LoadBalance::Disable {
            self.place = (self.place + 1) % count;
        }
        if self.places_failed < count {
            return true;
        }
        self.places_failed = 0;
        false
    }

    /// The most servers it may have, the reserve included.
    pub(crate) fn most(&self) -> u32 {
        self.size.saturating_add(self.settings.reserve_size)
    }
}

impl Engine {
    /// Whether a server beyond the size may be opened now. If only later, a timer is set.
    pub(crate) fn may_use_reserve(&mut self, id: PoolId, now: Instant) -> bool {
        let Some(pool) = self.pools.get_mut(id.0 as usize) else {
            return false;
        };
        let after = pool.settings.reserve_timeout;
        if pool.settings.reserve_size == 0 || after.is_zero() || pool.open() >= pool.most() {
            return false;
        }
        let Some(arrived) = pool
            .front(&self.clients)
            .and_then(|c| self.clients.get(&c))
            .and_then(|c| c.waiting)
            .map(|w| w.arrived)
        else {
            return false;
        };
        let due = arrived.after(after);
        if due <= now {
            return true;
        }
        if !pool.reserve_timer {
            pool.reserve_timer = true;
            self.timers.set(due, Timer::Reserve(id));
        }
        false
    }

    /// Tells the log for whom the reserve is used.
    pub(crate) fn say_reserve(&mut self, id: PoolId, fx: &mut Effects) {
        let front = self
            .pools
            .get_mut(id.0 as usize)
            .and_then(|p| p.front(&self.clients));
        if let Some(client) = front {
            let says = "taking connection from reserve_pool";
            self.log_client(client, Loudness::Warning, says, fx);
        }
    }
}
