//! What the console does to databases and to the pooler as a whole: PAUSE, RESUME, DISABLE,
//! ENABLE, KILL, RECONNECT, WAIT_CLOSE, SUSPEND, and the three ways to shut down.
//!
//! # What always holds
//! - An order that takes time is answered when it is done, not when it is begun.
//! - Nothing is cut off that the order doesn't say: PAUSE and RECONNECT wait for transactions.

use std::sync::Arc;

use weir_model::{
    ClientId, DatabaseAct, Event, Instant, Loudness, Order, OrderRefused, Outcome, PoolId,
    ServerId, Shutdown,
};

use crate::client::Phase;
use crate::effect::{Conn, Effect, Effects};
use crate::engine::Engine;
use crate::server::State;
use crate::timers::Timer;

/// Orders that wait for their end. Each holds a console client, so this is never reached.
const UNANSWERED_MAX: usize = 1_000;

/// What an order came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acted {
    Done,
    /// It is answered later.
    Begun,
}

impl Engine {
    /// Carries out what the console asks of a database.
    pub(crate) fn act(
        &mut self,
        act: DatabaseAct,
        database: Option<&Arc<str>>,
        now: Instant,
        fx: &mut Effects,
    ) -> Result<Acted, OrderRefused> {
        if act == DatabaseAct::Resume && self.shutdown.is_some() {
            return Err(OrderRefused::NotNow("pooler is shutting down".to_owned()));
        }
        let names: Vec<Arc<str>> = match database {
            Some(name) => {
                if self.database_named(name).is_none() {
                    return Err(OrderRefused::NoSuchDatabase(name.to_string()));
                }
                vec![Arc::clone(name)]
            }
            None => {
                self.act_on_all(act, now, fx)?;
                self.databases.keys().cloned().collect()
            }
        };
        for name in &names {
            let Some(db) = self.databases.get_mut(name) else {
                continue;
            };
            match act {
                DatabaseAct::Pause | DatabaseAct::Kill => db.halted = true,
                DatabaseAct::Resume => db.halted = false,
                DatabaseAct::Disable => db.disabled = true,
                DatabaseAct::Enable => db.disabled = false,
                DatabaseAct::Reconnect | DatabaseAct::WaitClose => {}
            }
            for id in self.pools_of(name) {
                self.act_on_pool(act, id, now, fx);
            }
        }
        let waits = matches!(act, DatabaseAct::Pause | DatabaseAct::WaitClose);
        if waits && !self.is_over(act, database) {
            if self.unanswered.len() >= UNANSWERED_MAX {
                return Err(OrderRefused::NotNow("too many orders wait".to_owned()));
            }
            return Ok(Acted::Begun);
        }
        Ok(Acted::Done)
    }

    fn act_on_all(
        &mut self,
        act: DatabaseAct,
        now: Instant,
        fx: &mut Effects,
    ) -> Result<(), OrderRefused> {
        match act {
            DatabaseAct::Pause if self.halted_all => {
                Err(OrderRefused::NotNow("already suspended/paused".to_owned()))
            }
            DatabaseAct::Pause | DatabaseAct::Kill => {
                self.halted_all = true;
                Ok(())
            }
            DatabaseAct::Resume => {
                let suspended = self.suspended.is_some();
                if !self.halted_all && !suspended {
                    return Err(OrderRefused::NotNow(
                        "pooler is not paused/suspended".to_owned(),
                    ));
                }
                self.halted_all = false;
                self.end_suspend(now, fx);
                Ok(())
            }
            DatabaseAct::Disable
            | DatabaseAct::Enable
            | DatabaseAct::Reconnect
            | DatabaseAct::WaitClose => Ok(()),
        }
    }

    pub(crate) fn pools_of(&self, database: &str) -> Vec<PoolId> {
        (0..self.pools.len() as u32)
            .map(PoolId)
            .filter(|id| &*self.pools[id.0 as usize].key.database == database)
            .collect()
    }

    fn act_on_pool(&mut self, act: DatabaseAct, id: PoolId, now: Instant, fx: &mut Effects) {
        match act {
            DatabaseAct::Pause => {
                self.pools[id.0 as usize].halted = true;
                for server in self.pools[id.0 as usize].idle.clone() {
                    self.close_server(server, "pause mode", now, fx);
                }
            }
            DatabaseAct::Resume => {
                self.pools[id.0 as usize].halted = false;
                self.serve(id, now, fx);
                self.dial_more(id, now, fx);
            }
            DatabaseAct::Kill => {
                self.pools[id.0 as usize].halted = true;
                self.kill_pool(id, "database removed", now, fx);
            }
            DatabaseAct::Reconnect => self.outdate(id, now, fx),
            DatabaseAct::Disable | DatabaseAct::Enable | DatabaseAct::WaitClose => {}
        }
    }

    /// Closes all clients and servers of a pool.
    pub(crate) fn kill_pool(&mut self, id: PoolId, why: &str, now: Instant, fx: &mut Effects) {
        let mut clients: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, c)| match &c.phase {
                Phase::Lookup(asking) => asking.pool == id,
                _ => c.pool == Some(id),
            })
            .map(|(id, _)| *id)
            .collect();
        clients.sort_unstable();
        for client in clients {
            self.dismiss(client, "57P01", why, Outcome::Refused, now, fx);
        }
        for server in self.pools[id.0 as usize].servers.clone() {
            if self.servers.contains_key(&server) {
                self.close_server(server, why, now, fx);
            }
        }
    }

    /// The servers of a pool lead where they shouldn't any more: each goes when it is free.
    pub(crate) fn outdate(&mut self, id: PoolId, now: Instant, fx: &mut Effects) {
        let fast = self.settings.server_fast_close;
        for server_id in self.pools[id.0 as usize].servers.clone() {
            let Some(server) = self.servers.get_mut(&server_id) else {
                continue;
            };
            server.close_when_idle = Some("obsolete connection");
            if server.state == State::Idle {
                self.close_server(server_id, CHANGED, now, fx);
            } else if fast && server.state == State::Active && server.is_quiet() {
                self.close(Conn::Server(server_id), fx);
                self.lose_server(server_id, CHANGED, false, now, fx);
            }
        }
    }

    /// Whether what was begun is over.
    fn is_over(&self, act: DatabaseAct, database: Option<&Arc<str>>) -> bool {
        let concerns = |id: PoolId| {
            self.pools
                .get(id.0 as usize)
                .is_some_and(|p| database.is_none_or(|name| p.key.database == *name))
        };
        self.servers
            .values()
            .filter(|s| concerns(s.pool))
            .all(|s| match act {
                DatabaseAct::Pause => matches!(s.state, State::Login),
                DatabaseAct::WaitClose => s.close_when_idle.is_none(),
                DatabaseAct::Resume
                | DatabaseAct::Disable
                | DatabaseAct::Enable
                | DatabaseAct::Kill
                | DatabaseAct::Reconnect => true,
            })
    }

    /// Answers orders whose end has come.
    pub(crate) fn answer_orders(&mut self, fx: &mut Effects) {
        let waiting = std::mem::take(&mut self.unanswered);
        for order in waiting {
            let over = match &order {
                Order::Database { act, database, .. } => self.is_over(*act, database.as_ref()),
                Order::Suspend { .. } => self.is_at_rest(),
                _ => true,
            };
            if over {
                fx.events.push(Event::OrderDone {
                    order: Box::new(order),
                    result: Ok(()),
                });
            } else {
                self.unanswered.push(order);
            }
        }
    }

    /// SUSPEND: nobody is listened to; what was asked is still answered.
    pub(crate) fn suspend(
        &mut self,
        now: Instant,
        fx: &mut Effects,
    ) -> Result<Acted, OrderRefused> {
        if self.suspended.is_some() || self.halted_all {
            return Err(OrderRefused::NotNow("already suspended/paused".to_owned()));
        }
        let mut quiet: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, c)| matches!(c.phase, Phase::Ready) && !c.paused)
            .map(|(id, _)| *id)
            .collect();
        quiet.sort_unstable();
        for id in &quiet {
            if let Some(client) = self.clients.get_mut(id) {
                client.paused = true;
            }
            fx.list.push(Effect::PauseReading {
                conn: Conn::Client(*id),
            });
        }
        self.suspended = Some(quiet);
        let limit = self.settings.suspend_timeout;
        if !limit.is_zero() {
            self.timers.set(now.after(limit), Timer::Suspend);
        }
        Ok(if self.is_at_rest() {
            Acted::Done
        } else {
            Acted::Begun
        })
    }

    /// No server owes anything.
    fn is_at_rest(&self) -> bool {
        self.servers.values().all(|s| s.owed.is_empty())
    }

    /// `Timer::Suspend`: whoever still waits for an answer is in the way.
    pub(crate) fn suspend_late(&mut self, now: Instant, fx: &mut Effects) {
        if self.suspended.is_none() || self.is_at_rest() {
            return;
        }
        let mut busy: Vec<ServerId> = self
            .servers
            .iter()
            .filter(|(_, s)| !s.owed.is_empty())
            .map(|(id, _)| *id)
            .collect();
        busy.sort_unstable();
        for id in busy {
            self.close(Conn::Server(id), fx);
            self.lose_server(id, "suspend_timeout", false, now, fx);
        }
        self.answer_orders(fx);
    }

    fn end_suspend(&mut self, now: Instant, fx: &mut Effects) {
        let Some(quiet) = self.suspended.take() else {
            return;
        };
        for id in quiet {
            if self.clients.get(&id).is_some_and(|c| c.waiting.is_none()) {
                self.resume(id, now, fx);
            }
        }
        for at in 0..self.pools.len() as u32 {
            self.serve(PoolId(at), now, fx);
            self.dial_more(PoolId(at), now, fx);
        }
    }

    /// SHUTDOWN, in one of its three forms. A harder one may follow a softer one.
    pub(crate) fn shut_down(
        &mut self,
        how: Shutdown,
        now: Instant,
        fx: &mut Effects,
    ) -> Result<Acted, OrderRefused> {
        let first = self.shutdown.is_none();
        self.shutdown = Some(how);
        if first {
            fx.events.push(Event::Draining);
        }
        match how {
            Shutdown::Now => {
                self.draining.get_or_insert(now);
                self.cut_short(now, fx);
            }
            Shutdown::WaitForServers => {
                let mut waiting: Vec<ClientId> = self
                    .clients
                    .iter()
                    .filter(|(_, c)| {
                        c.waiting.is_some() || matches!(c.phase, Phase::Welcome | Phase::Lookup(_))
                    })
                    .map(|(id, _)| *id)
                    .collect();
                waiting.sort_unstable();
                for id in waiting {
                    let says = "server shutting down";
                    self.dismiss(id, "57P01", says, Outcome::Refused, now, fx);
                }
            }
            Shutdown::WaitForClients => {}
        }
        self.maybe_exit(fx);
        Ok(Acted::Done)
    }

    /// Whether what a shutdown waits for has come.
    pub(crate) fn may_exit(&self) -> bool {
        let in_use = |s: &crate::server::Server| match s.state {
            State::Active | State::Replay | State::Lookup => true,
            State::Login | State::Idle | State::Reset | State::Check => false,
        };
        match self.shutdown {
            None => self.draining.is_some() && self.clients.is_empty(),
            Some(Shutdown::Now) => true,
            Some(Shutdown::WaitForServers) => !self.servers.values().any(|s| in_use(s)),
            Some(Shutdown::WaitForClients) => self
                .clients
                .values()
                .all(|c| matches!(c.phase, Phase::Console(_) | Phase::Startup)),
        }
    }

    /// Says so in the log, in PgBouncer's words.
    pub(crate) fn log_exit(&self, fx: &mut Effects) {
        let says = match self.shutdown {
            Some(Shutdown::WaitForServers) => "server connections dropped, exiting",
            Some(Shutdown::WaitForClients) => "client connections dropped, exiting",
            Some(Shutdown::Now) | None => return,
        };
        self.log_pooler(Loudness::Log, says, fx);
    }
}

/// What is said of servers that new settings or RECONNECT made obsolete.
pub(crate) const CHANGED: &str = "database configuration changed";
