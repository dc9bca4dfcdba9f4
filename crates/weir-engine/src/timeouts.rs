//! Whose time is over: queries, transactions, pauses inside and outside of them, pools and
//! databases that nobody uses. Looked at three times a second, as in PgBouncer.
//!
//! # What always holds
//! - Who is cut off is told by what limit, and so is its server's end in the log.
//! - A limit of zero is no limit.

use std::time::Duration;

use weir_model::{ClientId, Event, Instant, Loudness, Outcome, PoolId};

use crate::client::Phase;
use crate::effect::{Conn, Effects};
use crate::engine::Engine;
use crate::login::put_notice;
use crate::pool::Pool;
use crate::server::State;

/// Sweeps between two lists of servers for control.
const LISTED_EVERY: u32 = 3;

/// A limit that is over: its SQLSTATE and its name.
type Over = (&'static str, &'static str);

fn passed(since: Instant, limit: Duration, now: Instant) -> bool {
    !limit.is_zero() && now.since(since) >= limit
}

impl Pool {
    /// How long a client may wait for a server, and which setting says so. Zero: for ever.
    pub(crate) fn patience(&self) -> (Duration, &'static str) {
        let (wait, query) = (
            self.settings.query_wait_timeout,
            self.settings.query_timeout,
        );
        if !query.is_zero() && (wait.is_zero() || query < wait) {
            (query, "query_timeout")
        } else {
            (wait, "query_wait_timeout")
        }
    }

    /// How long it may wait while nothing can be opened. `None`: as long as ever.
    pub(crate) fn patience_while_down(&self) -> Option<Duration> {
        let limit = self
            .settings
            .down_timeout
            .unwrap_or(self.settings.server.connect_timeout);
        (!limit.is_zero()).then_some(limit)
    }
}

impl Engine {
    /// Three times a second: who is too old, too idle, too long at the door.
    pub(crate) fn sweep(&mut self, now: Instant, fx: &mut Effects) {
        self.sweep_logins(now, fx);
        if self.any_idle_limit {
            self.sweep_idle_clients(now, fx);
        }
        self.wake_kept_pools(now, fx);
        for at in 0..self.pools.len() as u32 {
            let id = PoolId(at);
            if self.pools[at as usize].asleep {
                continue;
            }
            self.expire_welcomes(id, now, fx);
            self.notify_waiters(id, now, fx);
            self.sweep_idle(id, now, fx);
            self.sweep_busy(id, now, fx);
            self.dial_more(id, now, fx);
            self.sweep_pool(id, now, fx);
        }
        self.sweep_databases(now, fx);
        self.answer_orders(fx);
        self.maybe_exit(fx);
        self.sweeps = self.sweeps.wrapping_add(1);
        if self.sweeps.is_multiple_of(LISTED_EVERY) {
            let rows = self.server_rows();
            fx.events.push(Event::Servers(rows));
        }
    }

    fn sweep_logins(&mut self, now: Instant, fx: &mut Effects) {
        let limit = self.settings.client_login_timeout;
        let late: Vec<ClientId> = self
            .logging_in
            .iter()
            .take_while(|(_, since)| passed(**since, limit, now))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            if !self.is_welcoming(id) {
                let says = "client_login_timeout: login took too long";
                self.dismiss(id, "08P01", says, Outcome::Refused, now, fx);
            }
        }
    }

    fn sweep_idle_clients(&mut self, now: Instant, fx: &mut Effects) {
        let mut late: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, c)| matches!(c.phase, Phase::Ready) && c.waiting.is_none())
            .filter(|(_, c)| {
                c.server
                    .and_then(|s| self.servers.get(&s))
                    .and_then(|s| s.link.as_ref())
                    .is_none_or(|l| l.tx.is_none())
            })
            .filter(|(_, c)| {
                c.pool
                    .and_then(|p| self.pools.get(p.0 as usize))
                    .is_some_and(|p| passed(c.since, p.settings.client_idle_timeout, now))
            })
            .map(|(id, _)| *id)
            .collect();
        late.sort_unstable();
        for id in late {
            let says = "client_idle_timeout";
            self.dismiss(id, "57P05", says, Outcome::ClientLost, now, fx);
        }
    }

    /// Databases with a forced user keep `min_pool_size` servers also before anybody came.
    fn wake_kept_pools(&mut self, now: Instant, fx: &mut Effects) {
        for at in 0..self.pool_settings.len() {
            let settings = &self.pool_settings[at];
            if settings.size_min == 0 || &*settings.database == "*" {
                continue;
            }
            if let Some(user) = settings.user.clone() {
                let database = settings.database.clone();
                self.pool_for(&database, &user, now, fx);
            }
        }
    }

    /// Tells those who have waited long that they do.
    fn notify_waiters(&mut self, id: PoolId, now: Instant, fx: &mut Effects) {
        let Some(pool) = self.pools.get(id.0 as usize) else {
            return;
        };
        let after = pool.settings.query_wait_notify;
        if after.is_zero() || pool.waiters == 0 {
            return;
        }
        for (client, ticket) in &pool.waiting {
            let Some(waiting) = self
                .clients
                .get_mut(client)
                .and_then(|c| c.waiting.as_mut())
                .filter(|w| w.ticket == *ticket)
            else {
                continue;
            };
            if now.since(waiting.arrived) < after {
                break; // Whoever stands behind came later.
            }
            if !std::mem::replace(&mut waiting.notified, true) {
                fx.send_with(Conn::Client(*client), |out| {
                    put_notice(
                        out,
                        "No server connection available in postgres backend, client being queued",
                    );
                });
            }
        }
    }

    fn sweep_idle(&mut self, pool_id: PoolId, now: Instant, fx: &mut Effects) {
        let Some(pool) = self.pools.get(pool_id.0 as usize) else {
            return;
        };
        let idle_timeout = pool.settings.server.idle_timeout;
        let keep = pool.warm.max(pool.settings.size_min) as usize;
        let unused = pool.settings.server.lifetime.is_zero();
        let mut open = pool.servers.len();
        let mut old: Vec<_> = Vec::new();
        for id in &pool.idle {
            let Some(server) = self.servers.get(id) else {
                continue;
            };
            let reason = if let Some(reason) = server.close_when_idle {
                reason
            } else if now >= server.expires && (server.used || !unused) {
                "server_lifetime"
            } else if passed(server.since, idle_timeout, now) && open > keep {
                "server_idle_timeout"
            } else if pool.halted {
                "pause mode"
            } else {
                continue;
            };
            old.push((*id, reason));
            open -= 1;
        }
        for (id, reason) in old {
            self.close_server(id, reason, now, fx);
        }
    }

    /// Queries and transactions.
    fn sweep_busy(&mut self, pool_id: PoolId, now: Instant, fx: &mut Effects) {
        let Some(pool) = self.pools.get(pool_id.0 as usize) else {
            return;
        };
        let settings = &pool.settings;
        if settings.idle_transaction_timeout.is_zero()
            && settings.transaction_timeout.is_zero()
            && settings.query_timeout.is_zero()
        {
            return;
        }
        let late: Vec<(ClientId, Over)> = pool
            .servers
            .iter()
            .filter_map(|id| self.servers.get(id))
            .filter(|s| s.state == State::Active)
            .filter_map(|s| {
                let link = s.link.as_ref()?;
                let tx = link.tx.as_ref()?;
                let asked = !s.owed.is_empty();
                // Not the clock's begin: every sample turns the clock.
                let idle_since = self
                    .clients
                    .get(&link.client)
                    .map_or(now, |c| c.since)
                    .max(link.statement_since);
                // Data of a COPY comes from the client: the time it takes is the client's.
                if asked && !s.copy_in && passed(link.asked_at, settings.query_timeout, now) {
                    Some((link.client, ("57014", "query timeout")))
                } else if !asked && passed(idle_since, settings.idle_transaction_timeout, now) {
                    Some((link.client, ("25P03", "idle transaction timeout")))
                } else if passed(tx.began, settings.transaction_timeout, now) {
                    Some((link.client, ("25P04", "transaction timeout")))
                } else {
                    None
                }
            })
            .collect();
        for (id, (sqlstate, says)) in late {
            // What its server's end is told to be.
            if let Some(server) = self
                .clients
                .get(&id)
                .and_then(|c| c.server)
                .and_then(|s| self.servers.get_mut(&s))
            {
                server.close_when_idle = Some(says);
            }
            self.dismiss(id, sqlstate, says, Outcome::ClientLost, now, fx);
        }
    }

    /// Those whose welcome doesn't come: their pool's first server can't be opened.
    fn expire_welcomes(&mut self, pool_id: PoolId, now: Instant, fx: &mut Effects) {
        let nothing_failed = self
            .pools
            .get(pool_id.0 as usize)
            .is_some_and(|p| p.last_failure.is_none() && !p.welcoming.is_empty());
        let cap = nothing_failed.then(|| self.binding_cap(pool_id)).flatten();
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        let (wait, name) = pool.patience();
        let rests = pool.rests();
        let full = pool.is_refused_for_room() || cap.is_some() || rests;
        let down = pool.patience_while_down();
        let (patience, name) = match down {
            Some(down) if wait.is_zero() || (!full && down < wait) => (down, ""),
            Some(_) | None => (wait, name),
        };
        let mut late = Vec::new();
        pool.welcoming.retain(|(id, since)| {
            let keep = !passed(*since, patience, now);
            if !keep {
                late.push(*id);
            }
            keep
        });
        if late.is_empty() {
            return;
        }
        let pool = &self.pools[pool_id.0 as usize];
        let waited = crate::pool::seconds(patience);
        let mut says = match cap {
            _ if rests => format!("{} is paused by an operator; waited {waited}", pool.key),
            Some(cap) => format!(
                "no server of {} came free in {waited}: saturated, {cap}",
                pool.key
            ),
            None => format!(
                "no server of {} could be opened in {waited}: {}",
                pool.key,
                pool.failure_text()
            ),
        };
        if !name.is_empty() {
            says = format!("{name}: {says}");
        }
        let sqlstate = if full { "53300" } else { "08006" };
        for id in late {
            self.dismiss(id, sqlstate, &says, Outcome::NoServer, now, fx);
        }
    }

    /// A pool that nobody has used for long goes to sleep.
    fn sweep_pool(&mut self, id: PoolId, now: Instant, fx: &mut Effects) {
        let Some(pool) = self.pools.get_mut(id.0 as usize) else {
            return;
        };
        let unused = pool.clients == 0
            && pool.welcoming.is_empty()
            && pool.lookups.is_empty()
            && pool.servers.is_empty();
        let limit = pool.settings.pool_idle_timeout;
        if unused
            && pool
                .idle_since
                .is_some_and(|since| passed(since, limit, now))
        {
            pool.asleep = true;
            let says = format!(
                "cleaning up idle pool: db={} user={}",
                pool.key.database, pool.key.user
            );
            self.log_pooler(Loudness::Log, says, fx);
        }
    }

    /// Databases that only `*` knows are forgotten once nobody has come for long.
    fn sweep_databases(&mut self, now: Instant, fx: &mut Effects) {
        let limit = self.settings.autodb_idle_timeout;
        let mut forgotten = Vec::new();
        for (name, db) in &mut self.databases {
            if !db.auto || db.halted || db.clients > 0 || db.servers > 0 {
                continue;
            }
            let since = *db.idle_since.get_or_insert(now);
            if passed(since, limit, now) {
                forgotten.push(name.clone());
            }
        }
        for name in forgotten {
            self.databases.remove(&name);
            for pool in &mut self.pools {
                if pool.key.database == name {
                    pool.asleep = true;
                }
            }
            let says = format!(
                "dropping database '{name}' as it does not exist anymore or inactive auto-database"
            );
            self.log_pooler(Loudness::Warning, says, fx);
        }
    }
}
