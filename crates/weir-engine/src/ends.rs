//! How connections end, and what their ends mean for the one at the other side.
//!
//! # What always holds
//! - The next client never gets the leftovers of one that vanished: a server that was asked
//!   something or is inside a transaction is cancelled and closed, one with session state is
//!   reset before it is used again.
//! - A client whose server was lost is told so, unless half a message stands on its wire already.

use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ClientId, ErrorStyle, Event, Instant, Outcome, PoolId, PoolMode, ServerId, Transaction,
};
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

    /// Tells a client why, and closes it. The words are ours.
    pub(crate) fn dismiss(
        &mut self,
        id: ClientId,
        sqlstate: &str,
        message: &str,
        outcome: Outcome,
        now: Instant,
        fx: &mut Effects,
    ) {
        let sqlstate = match self.settings.errors {
            ErrorStyle::Weir => sqlstate,
            ErrorStyle::PgBouncer => "08P01",
        };
        self.dismiss_quoting(id, sqlstate, message, outcome, now, fx);
    }

    /// Tells a client why, and closes it. The words are PostgreSQL's.
    pub(crate) fn dismiss_quoting(
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
        self.log_client_end(id, message, now, fx);
        self.close(Conn::Client(id), fx);
        self.drop_client(id, outcome, now, fx);
    }

    /// It said goodbye.
    pub(crate) fn client_leaves(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        self.log_client_end(id, "client close request", now, fx);
        self.close(Conn::Client(id), fx);
        self.drop_client(id, Outcome::ClientLost, now, fx);
    }

    /// The client's socket is gone.
    pub(crate) fn client_gone(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        self.log_client_end(id, "client unexpected eof", now, fx);
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
        self.drop_lookup(id);
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        self.cancel_keys.remove(&client.key);
        self.logging_in.remove(&id);
        self.peers.remove(&id);
        if let Some(pool_id) = client.pool {
            if let Some(pool) = self.pools.get(pool_id.0 as usize) {
                let database = Arc::clone(&pool.key.database);
                self.uncount_client(&database, &client.user);
            }
            if let Some(pool) = self.pools.get_mut(pool_id.0 as usize) {
                match client.phase {
                    Phase::Ready => pool.clients = pool.clients.saturating_sub(1),
                    Phase::Welcome => pool.welcoming.retain(|(c, _)| *c != id),
                    Phase::Startup | Phase::Auth(_) | Phase::Lookup(_) | Phase::Console(_) => {}
                }
                if pool.clients == 0 && pool.welcoming.is_empty() {
                    pool.idle_since = Some(now);
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
            // Who cut the client off has said why.
            let why = self
                .servers
                .get(&id)
                .and_then(|s| s.close_when_idle)
                .unwrap_or("client disconnect while query in progress");
            self.close(Conn::Server(id), fx);
            self.remove_server(id, why, false, now, fx);
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
        let mut bytes = Vec::new();
        startup::put_cancel_request(&mut bytes, server.backend_pid, &server.cancel_key);
        fx.list.push(Effect::Cancel {
            host: Arc::clone(&server.place.host),
            port: server.place.port,
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
                pool.meter.queries += tx.statements;
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
        let Some(pool) = self.pools.get(server.pool.0 as usize) else {
            return;
        };
        if (dirty || pool.settings.reset_always) && !pool.settings.reset_query.is_empty() {
            let sql = Arc::clone(&pool.settings.reset_query);
            let does = weir_wire::sql::classify(sql.as_bytes());
            if does.contains(&weir_wire::sql::Statement::DiscardAll) {
                server.prepared.clear();
                server.session = self.sessions.intern(Session::default());
            } else if does.contains(&weir_wire::sql::Statement::ResetAll) {
                let mut session = (*server.session).clone();
                session.reset_all();
                server.session = self.sessions.intern(session);
            }
            server.unnamed_of = None;
            self.own_query(id, State::Reset, &sql, now, fx);
            return;
        }
        self.give_back(id, now, fx);
    }

    /// Asks something of our own; the answer is swallowed, and [`Engine::own_query_over`] goes on.
    pub(crate) fn own_query(
        &mut self,
        id: ServerId,
        state: State,
        sql: &str,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        server.state = state;
        server.since = now;
        server.own_error = None;
        server.owed.push_back(Owed::OwnQuery);
        fx.send_with(Conn::Server(id), |out| {
            frontend::put_query(out, sql.as_bytes())
        });
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
        let never_used = pool.settings.server.lifetime.is_zero() && !server.used;
        let reason = if let Some(reason) = server.close_when_idle {
            Some(reason)
        } else if now >= server.expires && !never_used {
            Some("server_lifetime")
        } else if pool.halted {
            Some("pause mode")
        } else if pool.servers.len() as u32 > pool.most() {
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
        if self.owes_its_place(pool_id, now) {
            self.close_server(id, "evicted", now, fx);
            return;
        }
        let (Some(server), Some(pool)) = (
            self.servers.get_mut(&id),
            self.pools.get_mut(pool_id.0 as usize),
        ) else {
            return;
        };
        server.state = State::Idle;
        server.since = now;
        pool.idle.push(id);
        self.serve(pool_id, now, fx);
        if self.any_short {
            self.place_freed(pool_id, now, fx);
        }
        if !self.unanswered.is_empty() {
            self.answer_orders(fx);
        }
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
        self.log_client_end(client, reason, now, fx);
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
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        let pool_id = server.pool;
        let logged_in = server.state != State::Login;
        self.take_out(id, reason, lost, now, fx);
        if !logged_in {
            self.login_over(pool_id, now, fx);
        }
        self.place_freed(pool_id, now, fx);
        self.dial_more(pool_id, now, fx);
        if !self.unanswered.is_empty() {
            self.answer_orders(fx);
        }
    }

    /// Takes a server out of every table.
    pub(crate) fn take_out(
        &mut self,
        id: ServerId,
        reason: &str,
        lost: bool,
        now: Instant,
        fx: &mut Effects,
    ) {
        self.log_server_end(id, reason, now, fx);
        let Some(mut server) = self.servers.remove(&id) else {
            return;
        };
        let pool_id = server.pool;
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        pool.servers.retain(|s| *s != id);
        pool.idle.retain(|s| *s != id);
        if server.state == State::Check {
            pool.checking = pool.checking.saturating_sub(1);
        }
        if pool.servers.is_empty() {
            pool.idle_since = Some(now);
        }
        self.give_up_place(pool_id);
        if let Some(lookup) = server.lookup.take() {
            self.lookup_broken(lookup.client, now, fx);
        }
        if server.state != State::Login {
            fx.events.push(Event::ServerClosed {
                pool: pool_id,
                server: id,
                reason: reason.to_owned(),
                lost,
                age: now.since(server.connected),
            });
        }
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
