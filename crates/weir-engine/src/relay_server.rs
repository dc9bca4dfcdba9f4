//! From server to client: each reply is matched with what was asked, and sent on.
//!
//! # What always holds
//! - A reply goes to the client linked to the server, and only while a reply is owed. What nobody
//!   is owed closes the connection: a guess could hand one client another's rows.
//! - The server changes hands only at a ReadyForQuery that says *idle*, with no reply owed.
//! - Replies to what we asked ourselves (`Own…`) are swallowed; what we answer ourselves
//!   (`Fake…`) is put in at its turn.
//! - Row data is not looked at; a message need not be complete to be sent on.

use weir_model::{Event, Instant, Outcome, PoolMode, ServerId};
use weir_wire::TxStatus;
use weir_wire::backend::{self, tag};
use weir_wire::frame::{HEADER_LEN, Header, MESSAGE_MAX, parse_header};

use crate::effect::{Conn, Effects};
use crate::engine::Engine;
use crate::measure::Clock;
use crate::server::{Owed, Server, State};

/// Messages that are read are not longer than this; what claims to be streams unread.
const READ_MAX: usize = 64 * 1024;

/// What is done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Forward,
    Swallow,
}

impl Engine {
    /// Bytes of a server that has logged in.
    pub(crate) fn server_bytes(
        &mut self,
        id: ServerId,
        bytes: &[u8],
        now: Instant,
        fx: &mut Effects,
    ) -> usize {
        let mut at = 0;
        let mut sent = 0u64;
        let Some(pool_id) = self.servers.get(&id).map(|s| s.pool) else {
            return bytes.len();
        };
        while at < bytes.len() {
            let Some(server) = self.servers.get_mut(&id) else {
                at = bytes.len();
                break;
            };
            if server.stream > 0 {
                let n = server.stream.min(bytes.len() - at);
                server.stream -= n;
                if !server.stream_drops
                    && let Some(client) = server.client()
                {
                    fx.forward(Conn::Client(client), at..at + n);
                    sent += n as u64;
                }
                at += n;
                continue;
            }
            let header = match parse_header(&bytes[at..], MESSAGE_MAX) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(error) => {
                    self.server_fault(id, &error.to_string(), now, fx);
                    return bytes.len();
                }
            };
            let there = &bytes[at..];
            let total = header.total();
            // The common case, without a look at anything else: a row for a client.
            if header.tag == tag::DATA_ROW
                && let Some(Owed::Query { .. } | Owed::Execute { .. }) = server.owed.front()
                && let Some(client) = server.client()
            {
                let n = total.min(there.len());
                fx.forward(Conn::Client(client), at..at + n);
                server.stream = total - n;
                server.stream_drops = false;
                sent += n as u64;
                at += n;
                continue;
            }
            let n = total.min(there.len());
            if n < total && total <= READ_MAX {
                break;
            }
            let body = &there[HEADER_LEN.min(n)..n];
            // Where the message must go before what we have to say about it is said.
            let client = server.client();
            let before = fx.list.len();
            match self.server_message(id, header, body, n == total, at..at + n, now, fx) {
                Ok(fate) => {
                    if fate == Fate::Forward && client.is_some() && fx.list.len() >= before {
                        sent += n as u64;
                    }
                    if n < total
                        && let Some(server) = self.servers.get_mut(&id)
                    {
                        server.stream = total - n;
                        server.stream_drops = fate == Fate::Swallow;
                    }
                    at += n;
                }
                Err(says) => {
                    fx.events.push(Event::Fault {
                        says: format!("{id}: {says}"),
                    });
                    self.server_fault(id, &says, now, fx);
                    return bytes.len();
                }
            }
        }
        if sent > 0
            && let Some(pool) = self.pools.get_mut(pool_id.0 as usize)
        {
            pool.meter.bytes_out += sent;
        }
        at
    }

    /// One message. `range` is where it lies, as much of it as is there. Forwards it itself, so
    /// that what follows from it comes after it.
    #[expect(clippy::too_many_arguments, reason = "the message and where it lies")]
    fn server_message(
        &mut self,
        id: ServerId,
        header: Header,
        body: &[u8],
        complete: bool,
        range: std::ops::Range<usize>,
        now: Instant,
        fx: &mut Effects,
    ) -> Result<Fate, String> {
        let Some(server) = self.servers.get_mut(&id) else {
            return Ok(Fate::Swallow);
        };
        let client = server.client();
        let head = server.owed.front().copied();
        let own = matches!(head, Some(Owed::OwnQuery));
        let unexpected = |what: &str| {
            Err(format!(
                "unexpected message from server: '{}' while {what}",
                (header.tag as char).escape_default()
            ))
        };
        let forward = |fx: &mut Effects| {
            if let Some(client) = client {
                fx.forward(Conn::Client(client), range.clone());
            }
            Ok(Fate::Forward)
        };
        match header.tag {
            tag::READY_FOR_QUERY => {
                let status = backend::ready_for_query(body).map_err(|e| e.to_string())?;
                match head {
                    Some(owed) if owed.ends_ready() => {}
                    Some(_) => return unexpected("other replies were due"),
                    None => return unexpected("nothing was asked"),
                }
                self.ready(id, status, client, range, now, fx);
                Ok(Fate::Swallow)
            }
            tag::PARAMETER_STATUS => {
                let status = backend::parameter_status(body).map_err(|e| e.to_string())?;
                let mut params = (*server.params).clone();
                params.set(status.name, status.value);
                let params = self.params.intern(params);
                server.params = std::sync::Arc::clone(&params);
                match client {
                    Some(client) if !own => {
                        self.follow_report(id, client, status.name, status.value);
                        if let Some(client) = self.clients.get_mut(&client) {
                            client.params = params;
                        }
                        forward(fx)
                    }
                    Some(_) | None => Ok(Fate::Swallow),
                }
            }
            tag::NOTIFICATION_RESPONSE
                if !own
                    && let Some(id) = client
                    && let Some((pid, rest)) = body.split_at_checked(4)
                    && *pid == server.backend_pid.to_be_bytes()
                    && let Some(client) = self.clients.get(&id) =>
            {
                // From itself: it listens, so nobody else has spoken there. It knows itself by
                // the PID that it was given. Others' are as they are; whose they were isn't known.
                let pid = client.key.0;
                fx.send_with(Conn::Client(id), |out| {
                    out.push(tag::NOTIFICATION_RESPONSE);
                    out.extend_from_slice(&(header.len).to_be_bytes());
                    out.extend_from_slice(&pid.to_be_bytes());
                    out.extend_from_slice(rest);
                });
                Ok(Fate::Swallow)
            }
            tag::NOTICE_RESPONSE | tag::NOTIFICATION_RESPONSE => {
                if own || client.is_none() {
                    Ok(Fate::Swallow)
                } else {
                    forward(fx)
                }
            }
            tag::ERROR_RESPONSE => {
                Ok(self.server_error(id, body, complete, client, range, now, fx))
            }
            tag::DATA_ROW if own && server.state == State::Lookup => {
                self.lookup_row(id, complete.then_some(body));
                Ok(Fate::Swallow)
            }
            _ if own => Ok(Fate::Swallow),
            _ if client.is_none() => unexpected("it was idle"),
            tag::COMMAND_COMPLETE | tag::EMPTY_QUERY_RESPONSE | tag::PORTAL_SUSPENDED => {
                let number = server.owed_first;
                let (Some(Owed::Query { fingerprint, .. }) | Some(Owed::Execute { fingerprint })) =
                    head
                else {
                    return unexpected("no statement ran");
                };
                server.copy_in = false;
                let is_query = matches!(head, Some(Owed::Query { .. }));
                if let Some(Owed::Query { done, .. }) = server.owed.front_mut() {
                    *done = done.saturating_add(1);
                }
                let command = if header.tag == tag::COMMAND_COMPLETE {
                    backend::command_complete(body).map_err(|e| e.to_string())?
                } else {
                    b""
                };
                let rows = backend::rows_of(command).unwrap_or(0);
                if let Some(link) = &mut server.link {
                    link.statement(
                        server.pool,
                        fingerprint,
                        rows,
                        false,
                        now,
                        &mut self.statements,
                    );
                    if !link.pending.is_empty() {
                        self.confirm(id, number, command, fx);
                    }
                }
                if is_ddl(command) {
                    self.schema_changed(id);
                }
                match command {
                    b"COMMIT" | b"PREPARE TRANSACTION" => self.keep_changes(id, fx),
                    b"ROLLBACK" => self.rolled_back(id, fx),
                    _ => {}
                }
                let fate = forward(fx);
                if !is_query {
                    self.answered(id, fx);
                }
                fate
            }
            tag::PARSE_COMPLETE => match head {
                Some(Owed::Parse { statement }) => {
                    if let Some(statement) = statement {
                        self.catalog.proved(statement);
                    }
                    let fate = forward(fx);
                    self.answered(id, fx);
                    fate
                }
                Some(Owed::OwnParse { statement }) => {
                    if let Some(statement) = statement {
                        self.catalog.proved(statement);
                    }
                    self.answered(id, fx);
                    Ok(Fate::Swallow)
                }
                _ => unexpected("no Parse was due"),
            },
            tag::CLOSE_COMPLETE => match head {
                Some(Owed::Close) => {
                    let fate = forward(fx);
                    self.answered(id, fx);
                    fate
                }
                Some(Owed::OwnClose) => {
                    self.answered(id, fx);
                    Ok(Fate::Swallow)
                }
                _ => unexpected("no Close was due"),
            },
            tag::BIND_COMPLETE => {
                if !matches!(head, Some(Owed::Bind { .. })) {
                    return unexpected("no Bind was due");
                }
                let fate = forward(fx);
                self.answered(id, fx);
                fate
            }
            tag::NO_DATA | tag::ROW_DESCRIPTION => match head {
                Some(Owed::Describe { .. }) => {
                    let fate = forward(fx);
                    self.answered(id, fx);
                    fate
                }
                Some(Owed::Query { .. } | Owed::Execute { .. }) => forward(fx),
                _ => unexpected("no Describe was due"),
            },
            tag::PARAMETER_DESCRIPTION => match head {
                Some(Owed::Describe { .. }) => forward(fx),
                _ => unexpected("no Describe was due"),
            },
            tag::COPY_IN_RESPONSE | tag::COPY_BOTH_RESPONSE => match head {
                Some(Owed::Query { .. } | Owed::Execute { .. }) => {
                    note_copy_in(server);
                    forward(fx)
                }
                _ => unexpected("no statement ran"),
            },
            tag::DATA_ROW | tag::COPY_OUT_RESPONSE | tag::COPY_DATA | tag::COPY_DONE => {
                match head {
                    Some(Owed::Query { .. } | Owed::Execute { .. }) => forward(fx),
                    _ => unexpected("no statement ran"),
                }
            }
            tag::FUNCTION_CALL_RESPONSE => match head {
                Some(Owed::FunctionCall) => forward(fx),
                _ => unexpected("no function was called"),
            },
            _ => unexpected("no such message exists"),
        }
    }

    /// Texts may mean something else now for this transaction, and for all once it is over.
    fn schema_changed(&mut self, id: ServerId) {
        self.catalog.renew();
        if let Some(server) = self.servers.get_mut(&id)
            && let Some(link) = &mut server.link
        {
            link.ddl = true;
        }
    }

    /// The reply at the front is complete; what of ours comes next is said.
    fn answered(&mut self, id: ServerId, fx: &mut Effects) {
        if let Some(server) = self.servers.get_mut(&id) {
            server.pop_owed();
            let number = server.owed_first;
            if let Some(link) = &mut server.link {
                drop_pending(link, number);
            }
        }
        self.settle_fakes(id, fx);
    }

    /// Says what we answer ourselves, as far as it is due.
    pub(crate) fn settle_fakes(&mut self, id: ServerId, fx: &mut Effects) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let Some(client) = server.client() else {
            return;
        };
        loop {
            match server.owed.front() {
                Some(Owed::FakeParse) => {
                    fx.send_with(Conn::Client(client), backend::put_parse_complete);
                }
                Some(Owed::FakeClose) => {
                    fx.send_with(Conn::Client(client), backend::put_close_complete);
                }
                Some(Owed::CopyEnd) => {}
                _ => break,
            }
            server.pop_owed();
        }
        let number = server.owed_first;
        if let Some(extended) = self
            .clients
            .get_mut(&client)
            .and_then(|c| c.extended.as_mut())
        {
            extended.settle_names(number);
        }
    }

    /// ErrorResponse.
    #[expect(clippy::too_many_arguments, reason = "the message and where it lies")]
    fn server_error(
        &mut self,
        id: ServerId,
        body: &[u8],
        complete: bool,
        client: Option<weir_model::ClientId>,
        range: std::ops::Range<usize>,
        now: Instant,
        fx: &mut Effects,
    ) -> Fate {
        let fate = if client.is_some() {
            Fate::Forward
        } else {
            Fate::Swallow
        };
        let Some(server) = self.servers.get_mut(&id) else {
            return fate;
        };
        let fields = if complete {
            backend::error_fields(body).ok()
        } else {
            None
        };
        let said = fields.map(|f| {
            (
                String::from_utf8_lossy(f.sqlstate).into_owned(),
                String::from_utf8_lossy(f.message).into_owned(),
            )
        });
        if fields.is_some_and(|f| f.is_fatal()) {
            server.fatal = said.clone();
            server.fatal_told = client.is_some() && server.owed.front() != Some(&Owed::OwnQuery);
        }
        server.copy_in = false;
        if said.as_ref().is_some_and(|(sqlstate, message)| {
            sqlstate == "0A000" && message.contains("cached plan must not change result type")
        }) {
            // A table changed. Whoever prepares the same text anew gets a statement anew, as on a
            // connection of its own.
            self.catalog.renew();
        }
        if let Some(
            Owed::Bind {
                statement: Some(statement),
            }
            | Owed::Describe {
                statement: Some(statement),
            },
        ) = server.owed.front()
            && said
                .as_ref()
                .is_some_and(|(sqlstate, _)| sqlstate == "26000")
        {
            // Gone behind our back, a function's DEALLOCATE for one. It is brought again.
            server.prepared.remove(statement);
        }
        let Some(head) = server.owed.front().copied() else {
            // Unasked: PostgreSQL says goodbye. Its own words are the best there are.
            if let Some(client) = client {
                fx.forward(Conn::Client(client), range);
            } else if let Some((sqlstate, message)) = &server.fatal {
                // Its end follows; nobody may be linked to it in between.
                let reason = format!("{sqlstate}: {message}");
                self.close(Conn::Server(id), fx);
                self.lose_server(id, &reason, true, now, fx);
            }
            return fate;
        };
        if head == Owed::OwnQuery {
            server.own_error = said;
            return Fate::Swallow;
        }
        if let Some(link) = &mut server.link {
            link.error = true;
            if let Some(tx) = &mut link.tx {
                tx.sql_error = true;
            }
            if let Owed::Query { fingerprint, .. } | Owed::Execute { fingerprint } = head {
                let statements = &mut self.statements;
                link.statement(server.pool, fingerprint, 0, true, now, statements);
            }
        }
        if let Some(client) = client {
            fx.forward(Conn::Client(client), range);
        }
        if head.ends_ready() {
            return fate; // ReadyForQuery follows.
        }
        // PostgreSQL skips to the next Sync, and so do the replies it owes.
        let failed = server.client();
        while let Some(next) = server.owed.front().copied() {
            match next {
                Owed::Sync => break,
                Owed::Parse {
                    statement: Some(statement),
                }
                | Owed::OwnParse {
                    statement: Some(statement),
                } => {
                    server.prepared.remove(&statement);
                }
                Owed::Parse { statement: None } | Owed::OwnParse { statement: None } => {
                    server.unnamed_of = None;
                }
                Owed::Query { .. }
                | Owed::FunctionCall
                | Owed::Bind { .. }
                | Owed::Describe { .. }
                | Owed::Execute { .. }
                | Owed::Close
                | Owed::OwnClose
                | Owed::FakeParse
                | Owed::FakeClose
                | Owed::CopyEnd
                | Owed::OwnQuery => {}
            }
            server.pop_owed();
        }
        server.skipping = server.owed.is_empty();
        let number = server.owed_first;
        if let Some(link) = &mut server.link {
            drop_pending(link, number);
        }
        if let Some(extended) = failed
            .and_then(|c| self.clients.get_mut(&c))
            .and_then(|c| c.extended.as_mut())
        {
            extended.undo_names(number);
        }
        fate
    }

    /// The tag ROLLBACK: of the whole transaction, unless a change said that it is to a savepoint.
    fn rolled_back(&mut self, id: ServerId, fx: &mut Effects) {
        let to_savepoint = self
            .servers
            .get(&id)
            .and_then(|s| s.link.as_ref())
            .is_some_and(|l| l.uncertain);
        if !to_savepoint {
            self.undo_changes(id, fx);
        }
    }

    /// ReadyForQuery that was due.
    fn ready(
        &mut self,
        id: ServerId,
        status: TxStatus,
        client: Option<weir_model::ClientId>,
        range: std::ops::Range<usize>,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let was = server.pop_owed();
        server.tx = status;
        server.skipping = false;
        server.copy_in = false;
        if was == Some(Owed::OwnQuery) {
            self.own_query_over(id, now, fx);
            return;
        }
        let Some(client) = client else {
            return;
        };
        fx.forward(Conn::Client(client), range);
        let number = server.owed_first;
        let pool_id = server.pool;
        let mut failed = false;
        let mut changed = false;
        if let Some(link) = &mut server.link {
            drop_pending(link, number);
            if status == TxStatus::Idle && std::mem::take(&mut link.ddl) {
                self.catalog.renew();
            }
            failed = std::mem::take(&mut link.error);
            changed = link.undo.is_some() || link.pins_new.any();
            if matches!(was, Some(Owed::Query { done: 0, .. })) && !failed {
                // A query that answered nothing (only comments count as one that did).
                link.statement_since = now;
            }
        }
        if changed && status == TxStatus::Idle {
            // Nobody said COMMIT or ROLLBACK: the transaction was an implicit one.
            if failed {
                self.undo_changes(id, fx);
            } else {
                self.keep_changes(id, fx);
            }
        }
        self.settle_fakes(id, fx);
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        if !server.owed.is_empty() {
            return;
        }
        let mode = self.mode(pool_id);
        if status != TxStatus::Idle && mode == PoolMode::Statement {
            let says = "transaction blocks not allowed in statement pooling mode";
            self.dismiss(client, "25001", says, Outcome::ClientLost, now, fx);
            return;
        }
        if !self.is_releasable(id) {
            if let Some(server) = self.servers.get_mut(&id)
                && let Some(link) = &mut server.link
                && let Some(pool) = self.pools.get_mut(pool_id.0 as usize)
            {
                let stalled = self.clients.get(&client).is_some_and(|c| c.stalled);
                let clock = if stalled {
                    Clock::Network
                } else {
                    Clock::Thinking
                };
                link.turn(clock, now, &mut pool.meter);
            }
            if let Some(client) = self.clients.get_mut(&client) {
                client.since = now;
            }
            return;
        }
        if self.clients.get(&client).is_some_and(|c| c.is_half_sent()) {
            // Data of a COPY that PostgreSQL has already given up: it still waits for the rest of
            // the message, and would take the next client's words for it.
            return;
        }
        self.let_go(id, client, now, fx);
    }

    /// The server is quiet, and so is what its client sends: the transaction is over.
    pub(crate) fn let_go(
        &mut self,
        id: ServerId,
        client: weir_model::ClientId,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(pool_id) = self.servers.get(&id).map(|s| s.pool) else {
            return;
        };
        self.end_transaction(id, Outcome::Completed { sql_error: false }, now, fx);
        if self.draining.is_some() {
            let says = "Weir is shutting down";
            self.dismiss(client, "57P01", says, Outcome::ClientLost, now, fx);
            return;
        }
        let pinned = self.clients.get(&client).is_some_and(|c| c.pins.any());
        if pinned || self.mode(pool_id) == PoolMode::Session {
            if let Some(client) = self.clients.get_mut(&client) {
                client.since = now;
            }
            // RESET went back to the server's own defaults; the client's are what it logged in
            // with.
            self.catch_up(client, id, fx);
            return;
        }
        self.unlink(id, false, now, fx);
    }

    /// A reset or a replay of ours ended.
    fn own_query_over(&mut self, id: ServerId, now: Instant, fx: &mut Effects) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        if server.state == State::Lookup && !server.owed.is_empty() {
            return; // Only its session was cleaned.
        }
        let error = server.own_error.take();
        match server.state {
            State::Check => self.check_over(id, error, now, fx),
            State::Lookup => self.lookup_over(id, error, now, fx),
            State::Reset => match error {
                None if server.tx == TxStatus::Idle => self.give_back(id, now, fx),
                None => self.close_server(id, "reset query left a transaction open", now, fx),
                Some((sqlstate, message)) => {
                    let reason = format!("reset query failed: {sqlstate}: {message}");
                    self.close_server(id, &reason, now, fx);
                }
            },
            State::Replay => {
                let Some(client_id) = server.client() else {
                    self.close_server(id, "replay without a client", now, fx);
                    return;
                };
                if let Some((sqlstate, message)) = error {
                    // PostgreSQL's own words: usually a setting of the startup packet that it
                    // doesn't know.
                    server.link = None;
                    if let Some(client) = self.clients.get_mut(&client_id) {
                        client.server = None;
                    }
                    self.dismiss_quoting(client_id, &sqlstate, &message, Outcome::Refused, now, fx);
                    self.close_server(id, "replay of settings failed", now, fx);
                    return;
                }
                server.state = State::Active;
                self.tell_params(client_id, id, fx);
                self.resume(client_id, now, fx);
            }
            State::Login | State::Idle | State::Active => {
                self.fault("a query of ours ended that nobody began", fx);
                self.server_fault(id, "unexpected end of a reset", now, fx);
            }
        }
    }
}

/// CopyInResponse: the server reads COPY data now, and ignores the Syncs that were sent behind
/// the Execute (libpq always sends one). Those after the client's own end of COPY count.
fn note_copy_in(server: &mut Server) {
    let mut ended = false;
    if matches!(server.owed.front(), Some(Owed::Execute { .. })) {
        for owed in server.owed.iter_mut().skip(1) {
            match owed {
                // Replaced rather than removed, so that the numbers of the rest stay.
                Owed::Sync => *owed = Owed::CopyEnd,
                Owed::CopyEnd => {
                    ended = true;
                    break;
                }
                _ => break,
            }
        }
        server.unsynced = !server.owed.iter().any(|owed| *owed == Owed::Sync);
    } else {
        ended = server.owed.contains(&Owed::CopyEnd);
    }
    server.copy_in = !ended;
}

/// Whether a command tag is that of a change of tables or types.
fn is_ddl(command: &[u8]) -> bool {
    [&b"ALTER "[..], b"DROP ", b"CREATE "]
        .iter()
        .any(|verb| command.starts_with(verb))
}

/// Changes whose reply is past didn't happen.
fn drop_pending(link: &mut crate::measure::Link, first: u32) {
    while let Some(pending) = link.pending.front() {
        // Numbers wrap; what lies less than half the circle ahead is still to come.
        let ahead = pending.owed.wrapping_sub(first);
        if ahead < u32::MAX / 2 {
            return;
        }
        link.pending.pop_front();
    }
}
