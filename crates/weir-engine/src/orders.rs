//! What control asks for, and what is done once a second.

use std::sync::Arc;

use weir_model::{ClientId, Event, Instant, Order, OrderRefused, Outcome, PoolId, ServerId};

use crate::acts::Acted;
use crate::client::Phase;
use crate::effect::{Effect, Effects};
use crate::engine::Engine;
use crate::server::State;
use crate::timers::Timer;

impl Engine {
    pub(crate) fn carry_out(&mut self, order: Order, now: Instant, fx: &mut Effects) {
        let result = match &order {
            Order::Resize { pool, size } => self.resize(*pool, *size, now, fx),
            Order::Warm { pool, servers } => match self.pools.get_mut(pool.0 as usize) {
                Some(p) => {
                    p.warm = *servers;
                    self.dial_more(*pool, now, fx);
                    Ok(())
                }
                None => Err(OrderRefused::Gone(format!("pool {}", pool.0))),
            },
            Order::Pause { pool } => self.pause(*pool, true, now, fx),
            Order::Resume { pool } => self.pause(*pool, false, now, fx),
            Order::CancelServer { server } => match self.servers.get(server) {
                Some(s) if s.state == State::Active && !s.owed.is_empty() => {
                    self.cancel_server(*server, None, fx);
                    Ok(())
                }
                Some(_) => Err(OrderRefused::NotNow(format!("{server} executes nothing"))),
                None => Err(OrderRefused::Gone(server.to_string())),
            },
            Order::CloseClient { client, reason } => {
                if self.clients.contains_key(client) {
                    self.dismiss(*client, "57P01", reason, Outcome::ClientLost, now, fx);
                    Ok(())
                } else {
                    Err(OrderRefused::Gone(client.to_string()))
                }
            }
            Order::CloseServer {
                server,
                now: at_once,
            } => self.order_close_server(*server, *at_once, now, fx),
            Order::Snapshot { request } => {
                let snapshot = self.rows(*request, now);
                fx.events.push(Event::Snapshot(Box::new(snapshot)));
                return;
            }
            Order::ConsoleReply { client, bytes } => {
                self.console_reply(*client, bytes, now, fx);
                return;
            }
            Order::Drain => {
                self.drain(now, fx);
                Ok(())
            }
            Order::Configure { request, settings } => {
                self.configure(*request, settings, now, fx);
                return;
            }
            Order::KillClient { client } => {
                if self.clients.contains_key(client) {
                    let says = "admin forced disconnect";
                    self.dismiss(*client, "57P01", says, Outcome::ClientLost, now, fx);
                    Ok(())
                } else {
                    Err(OrderRefused::NotNow("client not found".to_owned()))
                }
            }
            Order::Database { .. } | Order::Suspend { .. } | Order::Shutdown { .. } => {
                let acted = match &order {
                    Order::Database { act, database, .. } => {
                        self.act(*act, database.as_ref(), now, fx)
                    }
                    Order::Shutdown { how } => self.shut_down(*how, now, fx),
                    _ => self.suspend(now, fx),
                };
                match acted {
                    Ok(Acted::Begun) => {
                        self.unanswered.push(order);
                        return;
                    }
                    Ok(Acted::Done) => Ok(()),
                    Err(refused) => Err(refused),
                }
            }
        };
        fx.events.push(Event::OrderDone {
            order: Box::new(order),
            result,
        });
    }

    pub(crate) fn resize(
        &mut self,
        pool_id: PoolId,
        size: u32,
        now: Instant,
        fx: &mut Effects,
    ) -> Result<(), OrderRefused> {
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return Err(OrderRefused::Gone(format!("pool {}", pool_id.0)));
        };
        if size == 0 {
            return Err(OrderRefused::NotNow(
                "a pool of size 0 would never serve; pause it instead".to_owned(),
            ));
        }
        pool.size = size;
        // The one unused for longest stands first.
        while let Some(pool) = self.pools.get(pool_id.0 as usize) {
            if pool.open() <= pool.most() {
                break;
            }
            let Some(id) = pool.idle.first().copied() else {
                break;
            };
            self.close_server(id, "pool resized", now, fx);
        }
        self.dial_more(pool_id, now, fx);
        Ok(())
    }

    fn pause(
        &mut self,
        pool: Option<PoolId>,
        paused: bool,
        now: Instant,
        fx: &mut Effects,
    ) -> Result<(), OrderRefused> {
        let ids: Vec<PoolId> = match pool {
            Some(id) if (id.0 as usize) < self.pools.len() => vec![id],
            Some(id) => return Err(OrderRefused::Gone(format!("pool {}", id.0))),
            None => {
                self.paused_all = paused;
                (0..self.pools.len() as u32).map(PoolId).collect()
            }
        };
        for id in ids {
            if let Some(pool) = self.pools.get_mut(id.0 as usize) {
                pool.paused = paused;
            }
            if !paused {
                self.serve(id, now, fx);
                self.dial_more(id, now, fx);
            }
        }
        Ok(())
    }

    fn order_close_server(
        &mut self,
        id: ServerId,
        at_once: bool,
        now: Instant,
        fx: &mut Effects,
    ) -> Result<(), OrderRefused> {
        let Some(server) = self.servers.get_mut(&id) else {
            return Err(OrderRefused::Gone(id.to_string()));
        };
        match server.state {
            State::Login => Err(OrderRefused::NotNow(format!("{id} is logging in"))),
            State::Idle => {
                self.close_server(id, "closed by order", now, fx);
                Ok(())
            }
            State::Active | State::Replay | State::Reset | State::Check | State::Lookup
                if at_once =>
            {
                self.close(crate::effect::Conn::Server(id), fx);
                self.lose_server(id, "closed by order", false, now, fx);
                Ok(())
            }
            State::Active | State::Replay | State::Reset | State::Check | State::Lookup => {
                server.close_when_idle = Some("closed by order");
                Ok(())
            }
        }
    }

    /// Clients that hold nothing go now, the others when they hold nothing any more.
    fn drain(&mut self, now: Instant, fx: &mut Effects) {
        if self.draining.is_some() {
            return;
        }
        self.draining = Some(now);
        fx.events.push(Event::Draining);
        self.timers
            .set(now.after(self.settings.shutdown_timeout), Timer::Shutdown);
        let mut leave: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, client)| match client.server {
                Some(server) => self.servers.get(&server).is_none_or(|s| {
                    // A hand-off that the client hasn't used yet is still its transaction.
                    s.state == State::Active
                        && s.is_quiet()
                        && client.stream == 0
                        && s.link.as_ref().is_none_or(|l| l.tx.is_none())
                }),
                None => true,
            })
            .map(|(id, _)| *id)
            .collect();
        leave.sort_unstable();
        for id in leave {
            self.shut(id, now, fx);
        }
        let idle: Vec<ServerId> = self
            .pools
            .iter()
            .flat_map(|p| p.idle.iter().copied())
            .collect();
        for id in idle {
            self.close_server(id, "pooler is shutting down", now, fx);
        }
        self.maybe_exit(fx);
    }

    fn shut(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        let says = "Weir is shutting down";
        self.dismiss(id, "57P01", says, Outcome::Refused, now, fx);
    }

    /// `Timer::Shutdown`: draining has taken too long.
    pub(crate) fn cut_short(&mut self, now: Instant, fx: &mut Effects) {
        if self.draining.is_none() {
            return;
        }
        let mut all: Vec<ClientId> = self.clients.keys().copied().collect();
        all.sort_unstable();
        for id in all {
            self.shut(id, now, fx);
        }
        let mut servers: Vec<ServerId> = self.servers.keys().copied().collect();
        servers.sort_unstable();
        for id in servers {
            self.close_server(id, "pooler is shutting down", now, fx);
        }
        self.maybe_exit(fx);
    }

    /// Draining is over when nobody is left to serve.
    pub(crate) fn maybe_exit(&mut self, fx: &mut Effects) {
        if !self.exited && self.may_exit() {
            self.exited = true;
            self.log_exit(fx);
            // Console clients may be left.
            let mut clients: Vec<ClientId> = self.clients.keys().copied().collect();
            clients.sort_unstable();
            for id in clients {
                self.close(crate::effect::Conn::Client(id), fx);
            }
            let mut servers: Vec<ServerId> = self.servers.keys().copied().collect();
            servers.sort_unstable();
            for id in servers {
                fx.send_with(
                    crate::effect::Conn::Server(id),
                    weir_wire::frontend::put_terminate,
                );
                self.close(crate::effect::Conn::Server(id), fx);
            }
            self.servers.clear();
            for pool in &mut self.pools {
                pool.servers.clear();
                pool.idle.clear();
                pool.in_login = 0;
            }
            fx.list.push(Effect::Exit);
        }
    }

    /// The state of a client, in PgBouncer's words.
    pub(crate) fn client_state(
        &self,
        client: &crate::client::Client,
    ) -> (weir_model::ClientState, Instant) {
        use weir_model::ClientState;
        if client.is_logging_in() {
            return (ClientState::Login, client.since);
        }
        if matches!(client.phase, Phase::Console(_)) {
            return (ClientState::Idle, client.since);
        }
        if let Some(waiting) = client.waiting {
            return (ClientState::Waiting, waiting.arrived);
        }
        let Some(server) = client.server.and_then(|s| self.servers.get(&s)) else {
            return (ClientState::Idle, client.since);
        };
        let Some(link) = &server.link else {
            return (ClientState::Idle, client.since);
        };
        if link.tx.is_none() {
            (ClientState::Idle, client.since)
        } else if !server.owed.is_empty() || server.state != State::Active {
            (ClientState::Active, link.statement_since)
        } else if server.tx == weir_wire::TxStatus::Idle && !server.unsynced {
            // Handed off; its question is on the way from its socket.
            (ClientState::Active, link.since)
        } else {
            (
                ClientState::IdleInTransaction,
                client.since.max(link.statement_since),
            )
        }
    }

    pub(crate) fn addr_of(&self, id: ClientId) -> Arc<str> {
        self.clients
            .get(&id)
            .map_or_else(|| Arc::clone(&self.nobody), |c| Arc::clone(&c.addr))
    }
}
