//! From client to server: each message is read where it lies, noted as a reply owed, and sent on.
//!
//! # What always holds
//! - A message that asks for a server waits until the client is linked; its bytes stay where they
//!   are (the socket is the buffer).
//! - Every message that will be answered is noted in [`Server::owed`] before its bytes leave.
//! - Nothing of ours goes between the parts of a client's message.
//! - Messages above `message_inspect_max` stream; a named Parse is gathered up to
//!   [`PARSE_MAX`], because its name must be known before its text is.

use weir_model::{ClientId, Instant, Outcome, ServerId};
use weir_wire::frame::{FrameError, HEADER_LEN, Header, MESSAGE_MAX, parse_header};
use weir_wire::frontend::{self, tag};
use weir_wire::{TxStatus, backend};

use crate::client::Cancelled;
use crate::effect::{Conn, Effects};
use crate::engine::Engine;
use crate::measure::{Clock, Pending};
use crate::pool::Asked;
use crate::server::Owed;
use crate::statement::{self, Info};

/// A named Parse is held until it is complete, up to this.
pub(crate) const PARSE_MAX: usize = 16 * 1024 * 1024;

/// Replies that a client may have coming. PostgreSQL itself stops reading when its socket fills;
/// above this we close, since every one takes memory of ours.
const OWED_MAX: usize = 1_000_000;

/// Messages without content are short: PostgreSQL takes up to 10,000 bytes of these
/// (`PQ_SMALL_MESSAGE_LIMIT`), and one that says more has lost its place in the stream.
fn limit_of(message: u8, packet_max: u32) -> u32 {
    match message {
        tag::SYNC | tag::FLUSH | tag::TERMINATE | tag::COPY_DONE => 10_000,
        _ => packet_max,
    }
}

/// What became of the message at the front.
pub(crate) enum Step {
    /// These bytes are dealt with; the rest of the message, if any, streams.
    Took(usize),
    /// Not enough of it is there.
    More,
    /// The client is gone, or its bytes must wait.
    Stop,
}

impl Engine {
    /// Bytes of a client that has logged in.
    pub(crate) fn client_bytes(
        &mut self,
        id: ClientId,
        bytes: &[u8],
        now: Instant,
        fx: &mut Effects,
    ) -> usize {
        let mut at = 0;
        let packet_max = self.settings.packet_max.min(MESSAGE_MAX);
        while at < bytes.len() {
            let Some(client) = self.clients.get_mut(&id) else {
                return bytes.len();
            };
            if client.paused || client.waiting.is_some() {
                break;
            }
            if client.stream > 0 {
                let n = client.stream.min(bytes.len() - at);
                client.stream -= n;
                if !client.stream_drops
                    && let Some(server) = client.server
                {
                    fx.forward(Conn::Server(server), at..at + n);
                }
                at += n;
                if client.stream == 0
                    && let Some(server) = client.server
                    && self.is_releasable(server)
                {
                    // It was quiet already, and waited for the end of this message only.
                    self.let_go(server, id, now, fx);
                }
                continue;
            }
            let header = match parse_header(&bytes[at..], MESSAGE_MAX) {
                Ok(Some(header)) if header.len > limit_of(header.tag, packet_max) => {
                    let error = FrameError::TooLong {
                        tag: header.tag,
                        len: header.len,
                        limit: limit_of(header.tag, packet_max),
                    };
                    self.client_fault(id, &error.to_string(), now, fx);
                    return bytes.len();
                }
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(error) => {
                    self.client_fault(id, &error.to_string(), now, fx);
                    return bytes.len();
                }
            };
            match self.client_message(id, header, bytes, at, now, fx) {
                Step::Took(n) => at += n,
                Step::More => break,
                Step::Stop => {
                    if !self.clients.contains_key(&id) {
                        return bytes.len();
                    }
                    break;
                }
            }
        }
        if at > 0
            && let Some(pool) = self.clients.get(&id).and_then(|c| c.pool)
            && let Some(pool) = self.pools.get_mut(pool.0 as usize)
        {
            pool.meter.bytes_in += at as u64;
        }
        at
    }

    fn client_message(
        &mut self,
        id: ClientId,
        header: Header,
        bytes: &[u8],
        at: usize,
        now: Instant,
        fx: &mut Effects,
    ) -> Step {
        let there = &bytes[at..];
        let total = header.total();
        let complete = there.len() >= total;
        if header.tag == tag::TERMINATE {
            self.client_leaves(id, now, fx);
            return Step::Stop;
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return Step::Stop;
        };
        if client.cancelled != Cancelled::No && client.server.is_none() {
            let due = client.cancelled == Cancelled::Due;
            let ready = matches!(header.tag, tag::QUERY | tag::FUNCTION_CALL | tag::SYNC);
            client.cancelled = if ready {
                Cancelled::No
            } else {
                Cancelled::UntilSync
            };
            if due {
                let says = "canceling statement due to user request";
                Self::send_error(id, "ERROR", "57014", says, fx);
            }
            if ready {
                fx.send_with(Conn::Client(id), |out| {
                    backend::put_ready_for_query(out, TxStatus::Idle);
                });
            }
            return self.pass(id, None, header, there.len(), at, fx);
        }
        if header.tag == tag::QUERY && self.settings.disable_pqexec {
            let says = "PQexec disallowed";
            self.dismiss(id, "0A000", says, Outcome::Refused, now, fx);
            return Step::Stop;
        }
        if header.tag == tag::PARSE
            && complete
            && client.server.is_none()
            && self.parse_without_server(id, &there[HEADER_LEN..total], fx)
        {
            return Step::Took(total);
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return Step::Stop;
        };
        let server_id = match client.server {
            Some(server) => server,
            None => match header.tag {
                // Nothing was asked of a server, so nothing has to be.
                tag::SYNC => {
                    fx.send_with(Conn::Client(id), |out| {
                        backend::put_ready_for_query(out, TxStatus::Idle);
                    });
                    return self.pass(id, None, header, there.len(), at, fx);
                }
                // What is left of a COPY that the server has already given up.
                tag::FLUSH | tag::COPY_DATA | tag::COPY_DONE | tag::COPY_FAIL => {
                    return self.pass(id, None, header, there.len(), at, fx);
                }
                tag::QUERY
                | tag::PARSE
                | tag::BIND
                | tag::DESCRIBE
                | tag::EXECUTE
                | tag::CLOSE
                | tag::FUNCTION_CALL => match self.ask_server(id, now, fx) {
                    Asked::Linked => match self.clients.get(&id).and_then(|c| c.server) {
                        Some(server) => server,
                        None => return Step::Stop,
                    },
                    Asked::Waits | Asked::Refused => return Step::Stop,
                },
                other => {
                    self.client_fault(
                        id,
                        &format!("invalid frontend message type {other}"),
                        now,
                        fx,
                    );
                    return Step::Stop;
                }
            },
        };
        let Some(server) = self.servers.get_mut(&server_id) else {
            self.fault("a client is linked to a server that is gone", fx);
            if let Some(client) = self.clients.get_mut(&id) {
                client.server = None;
            }
            self.dismiss(
                id,
                "08006",
                "the server is gone",
                Outcome::ServerLost,
                now,
                fx,
            );
            return Step::Stop;
        };
        if server.owed.len() >= OWED_MAX {
            self.client_fault(id, "too many pipelined messages", now, fx);
            return Step::Stop;
        }
        if server.skipping && header.tag != tag::SYNC {
            // PostgreSQL reads and ignores all until Sync.
            return self.pass(id, Some(server_id), header, there.len(), at, fx);
        }
        if server.copy_in
            && matches!(
                header.tag,
                tag::QUERY
                    | tag::PARSE
                    | tag::BIND
                    | tag::DESCRIBE
                    | tag::EXECUTE
                    | tag::CLOSE
                    | tag::FUNCTION_CALL
            )
        {
            // PostgreSQL would end the COPY with an error, eat this message, and answer the ones
            // behind it; no driver does that, and which replies would be owed is a guess.
            let says = format!(
                "unexpected message type 0x{:02X} during COPY from stdin",
                header.tag
            );
            self.client_fault(id, &says, now, fx);
            return Step::Stop;
        }
        let whole = || &there[HEADER_LEN..total];
        match header.tag {
            tag::QUERY => {
                let pool = server.pool.0 as usize;
                let Some(pool) = self.pools.get(pool) else {
                    return Step::Stop;
                };
                let mut deallocates = None;
                let info = if total as u64 > pool.settings.message_inspect_max.0 {
                    Info::default()
                } else if !complete {
                    return Step::More;
                } else {
                    match frontend::query(whole()) {
                        Ok(sql) => {
                            let info = statement::read(sql, &pool.settings.user_tag_key);
                            self.see(&info, sql, fx);
                            deallocates = self.deallocates(id, server_id, &info, sql);
                            info
                        }
                        Err(error) => {
                            self.client_fault(id, &error.to_string(), now, fx);
                            return Step::Stop;
                        }
                    }
                };
                if let Some(extended) = self.clients.get_mut(&id).and_then(|c| c.extended.as_mut())
                {
                    // A simple query destroys the unnamed statement.
                    extended.unnamed.clear();
                }
                let owed = Owed::Query {
                    fingerprint: info.fingerprint,
                    done: 0,
                };
                let noted = Some(&info).filter(|_| deallocates.is_none());
                self.owe(id, server_id, owed, noted, now, fx);
                if let Some(server) = self.servers.get_mut(&server_id) {
                    server.unnamed_of = None;
                    server.unsynced = false;
                }
                if let Some(sql) = deallocates {
                    fx.send_with(Conn::Server(server_id), |out| {
                        frontend::put_query(out, sql.as_bytes());
                    });
                    return Step::Took(total);
                }
                self.pass(id, Some(server_id), header, there.len(), at, fx)
            }
            tag::FUNCTION_CALL => {
                self.owe(id, server_id, Owed::FunctionCall, None, now, fx);
                self.pass(id, Some(server_id), header, there.len(), at, fx)
            }
            tag::SYNC => {
                if server.copy_in {
                    // "Flush and Sync ignored during COPY" (PostgreSQL, copyfromparse.c).
                    return self.pass(id, Some(server_id), header, there.len(), at, fx);
                }
                server.skipping = false;
                server.unsynced = false;
                self.owe(id, server_id, Owed::Sync, None, now, fx);
                self.pass(id, Some(server_id), header, there.len(), at, fx)
            }
            tag::FLUSH | tag::COPY_DATA => {
                self.pass(id, Some(server_id), header, there.len(), at, fx)
            }
            tag::COPY_DONE | tag::COPY_FAIL => {
                server.copy_in = false;
                if !server.owed.is_empty() {
                    server.owed.push_back(Owed::CopyEnd);
                }
                self.pass(id, Some(server_id), header, there.len(), at, fx)
            }
            tag::EXECUTE => {
                if !complete && total as u64 <= HEADER_LEN as u64 + frontend::NAME_MAX as u64 + 8 {
                    return Step::More;
                }
                let info = if complete {
                    match frontend::execute(whole()) {
                        Ok(execute) => self
                            .clients
                            .get(&id)
                            .and_then(|c| c.extended.as_ref())
                            .map(|e| e.portal(execute.portal))
                            .unwrap_or_default(),
                        Err(error) => {
                            self.client_fault(id, &error.to_string(), now, fx);
                            return Step::Stop;
                        }
                    }
                } else {
                    self.client_fault(id, "Execute message is too long", now, fx);
                    return Step::Stop;
                };
                let owed = Owed::Execute {
                    fingerprint: info.fingerprint,
                };
                self.owe(id, server_id, owed, Some(&info), now, fx);
                self.pass(id, Some(server_id), header, there.len(), at, fx)
            }
            tag::PARSE => self.client_parse(id, server_id, header, bytes, at, now, fx),
            tag::BIND => self.client_bind(id, server_id, header, bytes, at, now, fx),
            tag::DESCRIBE | tag::CLOSE => {
                if !complete {
                    if total > HEADER_LEN + frontend::NAME_MAX + 2 {
                        self.client_fault(id, "a name longer than Weir keeps", now, fx);
                        return Step::Stop;
                    }
                    return Step::More;
                }
                match frontend::target("Describe or Close", whole()) {
                    Ok(target) => {
                        self.client_target(id, server_id, header, target, at, now, fx);
                        if self.clients.contains_key(&id) {
                            Step::Took(total)
                        } else {
                            Step::Stop
                        }
                    }
                    Err(error) => {
                        self.client_fault(id, &error.to_string(), now, fx);
                        Step::Stop
                    }
                }
            }
            other => {
                self.client_fault(
                    id,
                    &format!("invalid frontend message type {other}"),
                    now,
                    fx,
                );
                Step::Stop
            }
        }
    }

    /// Sends the message on as it is (`to: None`: nowhere), what is there of it.
    pub(crate) fn pass(
        &mut self,
        id: ClientId,
        to: Option<ServerId>,
        header: Header,
        there: usize,
        at: usize,
        fx: &mut Effects,
    ) -> Step {
        let n = header.total().min(there);
        if let Some(server) = to {
            fx.forward(Conn::Server(server), at..at + n);
        }
        self.pass_rest(id, header.total() - n, to.is_none());
        Step::Took(n)
    }

    /// The rest of the message comes later and passes uninspected.
    pub(crate) fn pass_rest(&mut self, id: ClientId, rest: usize, drops: bool) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.stream = rest;
            client.stream_drops = drops;
        }
    }

    /// Notes a reply that the server will owe, and starts its clock.
    pub(crate) fn owe(
        &mut self,
        id: ClientId,
        server_id: ServerId,
        owed: Owed,
        info: Option<&Info>,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get_mut(&server_id) else {
            return;
        };
        let idle = server.owed.is_empty();
        let number = server.owed_next();
        server.owed.push_back(owed);
        match owed {
            Owed::Parse { .. }
            | Owed::OwnParse { .. }
            | Owed::Bind { .. }
            | Owed::Describe { .. }
            | Owed::Execute { .. }
            | Owed::Close
            | Owed::OwnClose => server.unsynced = true,
            Owed::Query { .. }
            | Owed::FunctionCall
            | Owed::Sync
            | Owed::FakeParse
            | Owed::FakeClose
            | Owed::CopyEnd
            | Owed::OwnQuery => {}
        }
        let Some(pool) = self.pools.get_mut(server.pool.0 as usize) else {
            return;
        };
        if let Some(link) = &mut server.link {
            link.asked_at = now;
            if link.tx.is_none() {
                // Session mode, or pinned: the server is there already, so nobody waits.
                pool.meter.arrivals += 1;
                pool.meter.wait.record(std::time::Duration::ZERO);
                link.begin(now, std::time::Duration::ZERO, now);
            }
            if idle {
                link.statement_since = now;
                let stalled = self.clients.get(&id).is_some_and(|c| c.stalled);
                let clock = if stalled {
                    Clock::Network
                } else {
                    Clock::Executing
                };
                link.turn(clock, now, &mut pool.meter);
            }
            if let Some(info) = info {
                if let Some(tx) = &mut link.tx
                    && info.user != weir_model::UserTag::NONE
                {
                    tx.user = info.user;
                }
                if let Some(changes) = &info.changes {
                    link.pending.push_back(Pending {
                        owed: number,
                        changes: std::sync::Arc::clone(changes),
                        done: 0,
                    });
                }
                if let Some(client) = self.clients.get_mut(&id) {
                    client.fingerprint = info.fingerprint;
                }
            }
        }
        let _ = fx;
    }
}
