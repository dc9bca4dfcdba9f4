//! A server that idled for long is asked whether it is still there before a client gets it
//! (`server_check_delay`, `server_check_query`).
//!
//! # What always holds
//! - Whoever waits meanwhile keeps its place; if the server is gone, the client never hears of it.
//! - A check takes no longer than a connect may.

use weir_model::{Instant, PoolId, ServerCheck, ServerId};

use crate::effect::Effects;
use crate::engine::{Engine, Servers};
use crate::pool::Pool;
use crate::server::State;
use crate::timers::Timer;

impl Pool {
    /// How many of the idle servers, from the one unused for longest on, need a check.
    pub(crate) fn stale(&self, servers: &Servers, now: Instant) -> usize {
        if self.settings.check == ServerCheck::Never {
            return 0;
        }
        let delay = self.settings.check_delay;
        self.idle
            .iter()
            .take_while(|id| {
                servers
                    .get(id)
                    .is_some_and(|s| !s.checked && now.since(s.since) >= delay)
            })
            .count()
    }
}

impl Engine {
    /// Takes the idle server used last that needs no check.
    pub(crate) fn take_idle(&mut self, id: PoolId, now: Instant) -> Option<ServerId> {
        let pool = self.pools.get_mut(id.0 as usize)?;
        if pool.stale(&self.servers, now) == pool.idle.len() {
            return None;
        }
        pool.idle.pop()
    }

    /// Checks as many stale servers as are waited for.
    pub(crate) fn check_idle(&mut self, id: PoolId, now: Instant, fx: &mut Effects) {
        while let Some(pool) = self.pools.get_mut(id.0 as usize) {
            let wanted = pool.waiters + pool.lookups.len() as u32;
            let stale = pool.stale(&self.servers, now);
            if pool.rests() || stale == 0 || stale < pool.idle.len() || pool.checking >= wanted {
                return;
            }
            let at = if pool.settings.round_robin {
                0
            } else {
                stale - 1
            };
            let server = pool.idle.remove(at);
            pool.checking += 1;
            let sql = match &pool.settings.check {
                ServerCheck::Query(sql) => sql.clone(),
                ServerCheck::Empty | ServerCheck::Never => self.nobody.clone(),
            };
            let until = now.after(pool.settings.server.connect_timeout);
            self.timers.set(until, Timer::Connect(server));
            if let Some(server) = self.servers.get_mut(&server) {
                server.unnamed_of = None;
            }
            self.own_query(server, State::Check, &sql, now, fx);
        }
    }

    /// The check's answer came.
    pub(crate) fn check_over(
        &mut self,
        id: ServerId,
        error: Option<(String, String)>,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        if let Some((sqlstate, message)) = error {
            let reason = format!("server check failed: {sqlstate}: {message}");
            self.close_server(id, &reason, now, fx);
            return;
        }
        server.state = State::Idle;
        let pool_id = server.pool;
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        pool.checking = pool.checking.saturating_sub(1);
        // Only for whoever gets it now: later it will be stale again.
        server.checked = pool.waiters > 0 || !pool.lookups.is_empty();
        self.give_back(id, now, fx);
    }

    /// No answer came.
    pub(crate) fn check_late(&mut self, id: ServerId, now: Instant, fx: &mut Effects) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        let allowed = self
            .pools
            .get(server.pool.0 as usize)
            .map(|p| p.settings.server.connect_timeout);
        if server.state == State::Check && allowed.is_some_and(|a| now.since(server.since) >= a) {
            self.close_server(id, "server check timeout", now, fx);
        }
    }
}
