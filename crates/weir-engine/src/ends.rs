//! How connections end, and what their ends mean for the one at the other side.
//!
//! # What always holds
//! - The next client never gets the leftovers of one that vanished: a server that was asked
//!   something or is inside a transaction is cancelled and closed, one with session state is
//!   reset before it is used again.
//! - A client whose server was lost is told so, unless half a message stands on its wire already.

use std::sync::Arc;
use std::time::Duration;

use weir_model::{ClientId, Event, Instant, Outcome, PoolId, PoolMode, ServerId, Transaction};
use weir_wire::backend::{self, Complaint};
use weir_wire::{TxStatus, frontend, startup};

use crate::client::Phase;
use crate::effect::{Conn, Effect, Effects};
use crate::engine::Engine;
use crate::measure::Clock;
use crate::server::{Owed, State};
use crate::session_settings::Session;

impl Engine {
    /// Appends an error for a client.
    pub(crate) fn send_error(
        id: ClientId,
        severity: &str,
        sqlstate: &str,
        message: &str,
        fx: &mut Effects,
    ) {
        fx.send_with(Conn::Client(id), |out| {
            backend::put_error(
                out,
                &Complaint {
                    severity,
                    sqlstate,
                    message,
                    detail: None,
                    hint: None,
                },
            );
        });
    }

    /// Tells a client why, and closes it.
    pub(crate) fn dismiss(
        &mut self,
        id: ClientId,
        sqlstate: &str,
        message: &str,
        outcome: Outcome,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let mid_message = client
            .server
            .and_then(|s| self.servers.get(&s))
            .is_some_and(|s| s.stream > 0 && !s.stream_drops);
        if client.is_logging_in() {
            fx.events.push(Event::ClientRefused {
                addr: Arc::clone(&client.addr),
                sqlstate: sqlstate.to_owned(),
                message: message.to_owned(),
            });
        }
        if !mid_message {
            Self::send_error(id, "FATAL", sqlstate, message, fx);
        }
        self.close(Conn::Client(id), fx);
        self.drop_client(id, outcome, now, fx);
    }

    /// The client's socket is gone.
    pub(crate) fn client_gone(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        let waiting = self.clients.get(&id).is_some_and(|c| c.waiting.is_some());
        let outcome = if waiting {
            Outcome::GaveUp
        } else {
            Outcome::ClientLost
        };
        self.drop_client(id, outcome, now, fx);
    }

    /// Takes a client out of every table. Its socket is closed already, or about to be.
    pub(crate) fn drop_client(
        &mut self,
        id: ClientId,
        outcome: Outcome,
        now: Instant,
        fx: &mut Effects,
    ) {
        let waited = self.leave_queue(id);
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        self.cancel_keys.remove(&client.key);
        self.logging_in.remove(&id);
        if let Some(pool_id) = client.pool {
            if let Some(pool) = self.pools.get_mut(pool_id.0 as usize) {
                match client.phase {
                    Phase::Ready => pool.clients = pool.clients.saturating_sub(1),
                    Phase::Welcome => pool.welcoming.retain(|(c, _)| *c != id),
                    Phase::Startup | Phase::Auth(_) | Phase::Console(_) => {}
                }
                if let Some(waiting) = waited {
                    let wait = now.since(waiting.arrived);
                    pool.meter.wait.record(wait);
                    match outcome {
                        Outcome::GaveUp | Outcome::WaitTimeout | Outcome::Refused => {
                            pool.meter.abandoned += 1;
                        }
                        Outcome::NoServer
                        | Outcome::ServerLost
                        | Outcome::ClientLost
                        | Outcome::Completed { .. } => {}
                    }
                    if outcome.is_failure() && outcome != Outcome::GaveUp {
                        pool.meter.failures += 1;
                    }
                    self.report_unserved(id, pool_id, waiting.arrived, wait, outcome, fx);
                }
            }
            if let Some(server) = client.server {
                self.forsake(server, client.stream, client.pins.any(), outcome, now, fx);
            }
        }
        self.maybe_exit(fx);
    }

    /// A transaction that never got a server.
    pub(crate) fn report_unserved(
        &mut self,
        client: ClientId,
        pool: PoolId,
        arrived: Instant,
        wait: Duration,
        outcome: Outcome,
        fx: &mut Effects,
    ) {
        fx.events.push(Event::Transaction(Transaction {
            pool,
            client,
            arrived,
            wait,
            hold: weir_model::HoldTime::default(),
            statements: 0,
            fingerprint: self
                .clients
                .get(&client)
                .map(|c| c.fingerprint)
                .unwrap_or_default(),
            user: weir_model::UserTag::NONE,
            outcome,
        }));
    }

    /// The client of this server is gone: what becomes of the server?
    fn forsake(
        &mut self,
        id: ServerId,
        half_sent: usize,
        pinned: bool,
        outcome: Outcome,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        if server.state == State::Replay {
            // Only our own query runs; once it is answered the server is as good as any.
            server.link = None;
            server.state = State::Reset;
            return;
        }
        let quiet = server.is_quiet() && half_sent == 0;
        let open = !quiet || server.link.as_ref().is_some_and(|l| l.undo.is_some());
        if open {
            self.end_transaction(id, outcome, now, fx);
            let Some(server) = self.servers.get_mut(&id) else {
                return;
            };
            server.link = None;
            if !server.owed.is_empty() && !server.cancel_key.is_empty() {
                self.send_cancel(id, None, fx);
            }
            self.close(Conn::Server(id), fx);
            self.remove_server(
                id,
                "client disconnect while query in progress",
                false,
                now,
                fx,
            );
            return;
        }
        let pool = server.pool;
        self.abandon_empty(id, now);
        let session_mode = self.mode(pool) == PoolMode::Session;
        self.unlink(id, session_mode || pinned, now, fx);
    }

    /// A link that was made and never used (the client left between hand-off and its first byte)
    /// is no transaction; one that was is complete here.
    fn abandon_empty(&mut self, id: ServerId, now: Instant) {
        if let Some(server) = self.servers.get_mut(&id)
            && let Some(link) = &mut server.link
            && let Some(pool) = self.pools.get_mut(server.pool.0 as usize)
        {
            link.turn(Clock::Thinking, now, &mut pool.meter);
            link.tx = None;
        }
    }

    /// CancelRequest to PostgreSQL for what this server does.
    pub(crate) fn send_cancel(
        &mut self,
        id: ServerId,
        asked_by: Option<ClientId>,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        let Some(pool) = self.pools.get(server.pool.0 as usize) else {
            return;
        };
        let mut bytes = Vec::new();
        startup::put_cancel_request(&mut bytes, server.backend_pid, &server.cancel_key);
        fx.list.push(Effect::Cancel {
            host: Arc::clone(&pool.settings.server.host),
            port: pool.settings.server.port,
            bytes,
            tls: self.cancel_tls(id),
            asked_by,
        });
    }

    /// Books the end of a link's transaction and tells control.
    pub(crate) fn end_transaction(
        &mut self,
        id: ServerId,
        outcome: Outcome,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let Some(pool) = self.pools.get_mut(server.pool.0 as usize) else {
            return;
        };
        let Some(link) = &mut server.link else {
            return;
        };
        link.turn(Clock::Thinking, now, &mut pool.meter);
        let Some(tx) = link.tx.take() else {
            return;
        };
        let outcome = match outcome {
            Outcome::Completed { .. } => {
                pool.meter.completions += 1;
                pool.meter.hold.record(now.since(tx.began));
                Outcome::Completed {
                    sql_error: tx.sql_error,
                }
            }
            other => {
                pool.meter.failures += 1;
                other
            }
        };
        fx.events.push(Event::Transaction(tx.event(
            server.pool,
            link.client,
            outcome,
        )));
    }

    /// Parts a quiet server from its client and gives it back, cleaned first if `dirty`.
    pub(crate) fn unlink(&mut self, id: ServerId, dirty: bool, now: Instant, fx: &mut Effects) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        if let Some(link) = server.link.take()
            && let Some(client) = self.clients.get_mut(&link.client)
        {
            client.server = None;
            client.since = now;
            if let Some(extended) = &mut client.extended {
                extended.end_transaction();
            }
        }
        if dirty {
            server.state = State::Reset;
            server.since = now;
            server.prepared.clear();
            server.unnamed_of = None;
            server.session = self.sessions.intern(Session::default());
            server.own_error = None;
            server.owed.push_back(Owed::OwnQuery);
            fx.send_with(Conn::Server(id), |out| {
                frontend::put_query(out, b"DISCARD ALL")
            });
            return;
        }
        self.give_back(id, now, fx);
    }

    /// A quiet server without a client: idle, or closed if it is too old or one too many.
    pub(crate) fn give_back(&mut self, id: ServerId, now: Instant, fx: &mut Effects) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let pool_id = server.pool;
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        let reason = if let Some(reason) = server.close_when_idle {
            Some(reason)
        } else if now >= server.expires {
            Some("server_lifetime")
        } else if pool.servers.len() as u32 > pool.size {
            Some("pool resized")
        } else if self.draining.is_some() {
            Some("pooler is shutting down")
        } else {
            None
        };
        if let Some(reason) = reason {
            self.close_server(id, reason, now, fx);
            return;
        }
        server.state = State::Idle;
        server.since = now;
        pool.idle.push(id);
        self.serve(pool_id, now, fx);
    }

    /// Closes a server that has no client.
    pub(crate) fn close_server(
        &mut self,
        id: ServerId,
        reason: &str,
        now: Instant,
        fx: &mut Effects,
    ) {
        fx.send_with(Conn::Server(id), frontend::put_terminate);
        self.close(Conn::Server(id), fx);
        self.remove_server(id, reason, false, now, fx);
    }

    /// The server's socket is gone.
    fn server_gone_reason(&self, id: ServerId) -> Option<String> {
        let server = self.servers.get(&id)?;
        Some(match &server.fatal {
            Some((sqlstate, message)) => format!("{sqlstate}: {message}"),
            None => "server conn crashed?".to_owned(),
        })
    }

    pub(crate) fn server_gone(&mut self, id: ServerId, now: Instant, fx: &mut Effects) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        if server.state == State::Login {
            self.server_login_gone(id, now, fx);
            return;
        }
        let reason = self.server_gone_reason(id).unwrap_or_default();
        self.lose_server(id, &reason, true, now, fx);
    }

    /// What came from a server can't be; nobody may be given any more of it.
    pub(crate) fn server_fault(
        &mut self,
        id: ServerId,
        says: &str,
        now: Instant,
        fx: &mut Effects,
    ) {
        self.close(Conn::Server(id), fx);
        self.lose_server(id, says, true, now, fx);
    }

    /// A server ends with whatever its client had on it.
    pub(crate) fn lose_server(
        &mut self,
        id: ServerId,
        reason: &str,
        lost: bool,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        let client = server.client();
        let told = server.fatal_told;
        let mid_message = server.stream > 0 && !server.stream_drops;
        let quiet = server.is_quiet();
        if client.is_some() {
            let outcome = if quiet {
                Outcome::Completed { sql_error: false }
            } else {
                Outcome::ServerLost
            };
            self.end_transaction(id, outcome, now, fx);
        }
        if let Some(server) = self.servers.get_mut(&id) {
            server.link = None;
        }
        self.remove_server(id, reason, lost, now, fx);
        let Some(client) = client else {
            return;
        };
        if let Some(client) = self.clients.get_mut(&client) {
            client.server = None;
        }
        // PostgreSQL's own words went to the client already, if it had any.
        if !told && !mid_message {
            let says = format!("server closed the connection unexpectedly: {reason}");
            Self::send_error(client, "FATAL", "08006", &says, fx);
        }
        self.close(Conn::Client(client), fx);
        self.drop_client(client, Outcome::ServerLost, now, fx);
    }

    /// Takes a server out of every table and replaces it where it is missed.
    pub(crate) fn remove_server(
        &mut self,
        id: ServerId,
        reason: &str,
        lost: bool,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.remove(&id) else {
            return;
        };
        let pool_id = server.pool;
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        pool.servers.retain(|s| *s != id);
        pool.idle.retain(|s| *s != id);
        if server.state == State::Login {
            self.login_over(pool_id, now, fx);
        } else {
            fx.events.push(Event::ServerClosed {
                pool: pool_id,
                server: id,
                reason: reason.to_owned(),
                lost,
                age: now.since(server.connected),
            });
        }
        self.dial_more(pool_id, now, fx);
    }

    /// A client broke the protocol.
    pub(crate) fn client_fault(
        &mut self,
        id: ClientId,
        says: &str,
        now: Instant,
        fx: &mut Effects,
    ) {
        self.dismiss(id, "08P01", says, Outcome::ClientLost, now, fx);
    }

    /// What the kernel doesn't take is time of the network's, not of PostgreSQL's.
    pub(crate) fn client_stalled(&mut self, id: ClientId, stalled: bool, now: Instant) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.stalled = stalled;
        if let Some(server) = client.server.and_then(|s| self.servers.get_mut(&s))
            && let Some(pool) = self.pools.get_mut(server.pool.0 as usize)
        {
            let busy = !server.owed.is_empty();
            if let Some(link) = &mut server.link {
                let clock = match (stalled, busy) {
                    (true, _) => Clock::Network,
                    (false, true) => Clock::Executing,
                    (false, false) => Clock::Thinking,
                };
                link.turn(clock, now, &mut pool.meter);
            }
        }
    }

    /// True if a server may change hands now.
    pub(crate) fn is_releasable(&self, id: ServerId) -> bool {
        self.servers
            .get(&id)
            .is_some_and(|s| s.is_quiet() && s.tx == TxStatus::Idle)
    }
}
