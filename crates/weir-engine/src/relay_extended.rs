//! The extended protocol from client to server: names are ours on the server's side, and a server
//! learns a statement when it first needs it.
//!
//! # What always holds
//! - Whatever is put in before a client's message is noted in `owed`, and its reply swallowed.
//! - A statement's bytes go from where they lie; only the head with the name is written anew.
//!
//! # What is deliberately absent
//! - Guessing. A name that the client never gave passes as it is, and PostgreSQL says what it
//!   thinks of it.

use std::ops::Range;
use std::sync::Arc;

use weir_model::{ClientId, ErrorStyle, Instant, Outcome, Pin, PoolId, PoolMode, ServerId};
use weir_wire::frame::{HEADER_LEN, Header};
use weir_wire::frontend::{self, TargetKind, tag};
use weir_wire::sql::DeallocateTarget;
use weir_wire::{TxStatus, backend};

use crate::effect::{Conn, Effects};
use crate::engine::Engine;
use crate::pool::Pool;
use crate::prepared::{NAMES_MAX, Statement};
use crate::relay_client::{PARSE_MAX, Step};
use crate::server::{Owed, Server};
use crate::statement::{self, Change, Info};

impl Engine {
    /// A named Parse of a text that a server accepted under this client's very settings is
    /// answered at once. It saves a server for the time of a question whose answer is known; and a
    /// program that prepares for many clients in one thread (`pgbench -M prepared`) would
    /// otherwise wait for a server that its own other clients hold.
    pub(crate) fn parse_without_server(
        &mut self,
        id: ClientId,
        body: &[u8],
        fx: &mut Effects,
    ) -> bool {
        let Ok(parse) = frontend::parse_parse(body) else {
            return false;
        };
        let Some(client) = self.clients.get_mut(&id) else {
            return false;
        };
        let Some(pool_id) = client.pool else {
            return false;
        };
        if parse.name.is_empty() || !follows(&self.pools, pool_id) {
            return false;
        }
        if self.settings.errors == ErrorStyle::PgBouncer
            && client
                .extended
                .as_ref()
                .is_some_and(|e| e.named.contains_key(parse.name))
        {
            return false; // It is refused where every other Parse is read.
        }
        let after_name = &body[parse.name.len() + 1..];
        let meaning = self.sessions.meaning(&client.session);
        let Some(statement) = self.catalog.known_good(pool_id, &meaning, after_name) else {
            return false;
        };
        let extended = client.extended();
        if extended.named.len() >= NAMES_MAX {
            return false;
        }
        extended.named.insert(parse.name.into(), statement);
        fx.send_with(Conn::Client(id), backend::put_parse_complete);
        true
    }

    #[expect(clippy::too_many_arguments, reason = "the message and where it lies")]
    pub(crate) fn client_parse(
        &mut self,
        id: ClientId,
        server_id: ServerId,
        header: Header,
        bytes: &[u8],
        at: usize,
        now: Instant,
        fx: &mut Effects,
    ) -> Step {
        let there = &bytes[at..];
        let total = header.total();
        let complete = there.len() >= total;
        let Some(pool_id) = self.servers.get(&server_id).map(|s| s.pool) else {
            return Step::Stop;
        };
        let Some(pool) = self.pools.get(pool_id.0 as usize) else {
            return Step::Stop;
        };
        let inspect_max = pool.settings.message_inspect_max.0 as usize;
        let follows = follows(&self.pools, pool_id);
        if !complete {
            let head = match frontend::peek_parse(&there[HEADER_LEN..]) {
                Ok(Some(head)) => head,
                Ok(None) => return Step::More,
                Err(error) => {
                    self.client_fault(id, &error.to_string(), now, fx);
                    return Step::Stop;
                }
            };
            let named = !head.name.is_empty();
            if total <= inspect_max || named && follows && total <= PARSE_MAX {
                return Step::More;
            }
            if named && follows {
                let says = format!(
                    "a named statement of {total} bytes; Weir takes up to {PARSE_MAX} (use the unnamed one)"
                );
                self.client_fault(id, &says, now, fx);
                return Step::Stop;
            }
            // Too long to look at: it passes, and can't be prepared again elsewhere.
            if named && let Some(client) = self.clients.get_mut(&id) {
                client.extended().passed.remove(head.name);
            } else if let Some(client) = self.clients.get_mut(&id) {
                let extended = client.extended();
                extended.unnamed.clear();
                extended.unnamed_info = Info::default();
                extended.unnamed_turn = extended.unnamed_turn.wrapping_add(1);
                let turn = extended.unnamed_turn;
                if let Some(server) = self.servers.get_mut(&server_id) {
                    server.unnamed_of = Some((id, turn));
                }
            }
            self.owe(
                id,
                server_id,
                Owed::Parse { statement: None },
                None,
                now,
                fx,
            );
            return self.pass(id, Some(server_id), header, there.len(), at, fx);
        }
        let body = &there[HEADER_LEN..total];
        let parse = match frontend::parse_parse(body) {
            Ok(parse) => parse,
            Err(error) => {
                self.client_fault(id, &error.to_string(), now, fx);
                return Step::Stop;
            }
        };
        let after_name = parse.name.len() + 1;
        let user_key = std::sync::Arc::clone(&pool.settings.user_tag_key);
        if parse.name.is_empty() || !follows {
            let info = if parse.sql.len() <= inspect_max {
                let info = statement::read(parse.sql, &user_key);
                self.see(&info, parse.sql, fx);
                info
            } else {
                Info::default()
            };
            if !parse.name.is_empty() {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.extended().pass(parse.name, info);
                }
            } else if let Some(client) = self.clients.get_mut(&id) {
                let extended = client.extended();
                extended.unnamed.clear();
                if total <= inspect_max {
                    extended.unnamed.extend_from_slice(&body[after_name..]);
                }
                extended.unnamed_info = info;
                extended.unnamed_turn = extended.unnamed_turn.wrapping_add(1);
                let turn = extended.unnamed_turn;
                if let Some(server) = self.servers.get_mut(&server_id) {
                    server.unnamed_of = Some((id, turn));
                }
            }
            self.owe(
                id,
                server_id,
                Owed::Parse { statement: None },
                None,
                now,
                fx,
            );
            return self.pass(id, Some(server_id), header, there.len(), at, fx);
        }
        let Some(client) = self.clients.get_mut(&id) else {
            return Step::Stop;
        };
        if client.extended().named.len() >= NAMES_MAX {
            let says = format!("a client may hold {NAMES_MAX} named statements; close some");
            self.dismiss(id, "53400", &says, Outcome::ClientLost, now, fx);
            return Step::Stop;
        }
        if self.settings.errors == ErrorStyle::PgBouncer
            && client.extended().named.contains_key(parse.name)
        {
            let name = String::from_utf8_lossy(parse.name);
            let says = format!("prepared statement '{name}' was already prepared");
            self.dismiss(id, "42P05", &says, Outcome::ClientLost, now, fx);
            return Step::Stop;
        }
        let types_at = parse.sql.len() + 1;
        let meaning = self.sessions.meaning(&client.session);
        let body_after = &body[after_name..];
        let statement = self
            .catalog
            .statement(pool_id, &meaning, body_after, types_at, || {
                statement::read(parse.sql, &user_key)
            });
        self.see(&statement.info, parse.sql, fx);
        let has = self
            .servers
            .get_mut(&server_id)
            .is_some_and(|s| touch(s, statement.id));
        if has {
            self.rename(id, server_id, parse.name, Some(statement));
            self.owe(id, server_id, Owed::FakeParse, None, now, fx);
            self.settle_fakes(server_id, fx);
            return Step::Took(total);
        }
        self.make_room(id, server_id, now, fx);
        let owed = Owed::Parse {
            statement: Some(statement.id),
        };
        self.rename(id, server_id, parse.name, Some(Arc::clone(&statement)));
        self.owe(id, server_id, owed, None, now, fx);
        if let Some(server) = self.servers.get_mut(&server_id) {
            note_prepared(server, statement.id);
        }
        // A new head with our name; the text goes from where it lies.
        fx.send_with(Conn::Server(server_id), |out| {
            let name = statement.name();
            let len = total - 1 - parse.name.len() + name.len();
            out.push(tag::PARSE);
            out.extend_from_slice(&(len as u32).to_be_bytes());
            out.extend_from_slice(&name);
            out.push(0);
        });
        fx.forward(
            Conn::Server(server_id),
            at + HEADER_LEN + after_name..at + total,
        );
        Step::Took(total)
    }

    #[expect(clippy::too_many_arguments, reason = "the message and where it lies")]
    pub(crate) fn client_bind(
        &mut self,
        id: ClientId,
        server_id: ServerId,
        header: Header,
        bytes: &[u8],
        at: usize,
        now: Instant,
        fx: &mut Effects,
    ) -> Step {
        let there = &bytes[at..];
        let total = header.total();
        let there_of_it = &there[HEADER_LEN..there.len().min(total)];
        let head = match frontend::peek_bind(there_of_it) {
            Ok(Some(head)) => head,
            Ok(None) if there.len() < total => return Step::More,
            Ok(None) => {
                self.client_fault(id, "Bind message ends before its names do", now, fx);
                return Step::Stop;
            }
            Err(error) => {
                self.client_fault(id, &error.to_string(), now, fx);
                return Step::Stop;
            }
        };
        let Some(client) = self.clients.get_mut(&id) else {
            return Step::Stop;
        };
        if head.statement.is_empty() {
            let info = client.extended().unnamed_info.clone();
            client.extended().bind(head.portal, info);
            self.bring_unnamed(id, server_id, now, fx);
            self.owe(id, server_id, Owed::Bind { statement: None }, None, now, fx);
            return self.pass(id, Some(server_id), header, there.len(), at, fx);
        }
        let Some(statement) = client.extended().named.get(head.statement).cloned() else {
            // Passed as it is, or made with SQL PREPARE, or PostgreSQL will say that there is none.
            let extended = client.extended();
            let info = extended.passed.get(head.statement).cloned();
            if info.is_none() && self.refuses_unknown(server_id) {
                self.unknown_statement(id, now, fx);
                return Step::Stop;
            }
            let Some(client) = self.clients.get_mut(&id) else {
                return Step::Stop;
            };
            let extended = client.extended();
            extended.bind(head.portal, info.unwrap_or_default());
            self.owe(id, server_id, Owed::Bind { statement: None }, None, now, fx);
            return self.pass(id, Some(server_id), header, there.len(), at, fx);
        };
        client.extended().bind(head.portal, statement.info.clone());
        self.bring(id, server_id, &statement, now, fx);
        let owed = Owed::Bind {
            statement: Some(statement.id),
        };
        self.owe(id, server_id, owed, None, now, fx);
        let rest_at = HEADER_LEN + head.rest_at;
        fx.send_with(Conn::Server(server_id), |out| {
            frontend::put_bind_head(out, head.portal, &statement.name(), total - rest_at);
        });
        let end = there.len().min(total);
        fx.forward(Conn::Server(server_id), at + rest_at..at + end);
        self.pass_rest(id, total - end, false);
        Step::Took(end)
    }

    /// Describe or Close, complete.
    #[expect(clippy::too_many_arguments, reason = "the message and where it lies")]
    pub(crate) fn client_target(
        &mut self,
        id: ClientId,
        server_id: ServerId,
        header: Header,
        target: frontend::Target<'_>,
        at: usize,
        now: Instant,
        fx: &mut Effects,
    ) {
        let describe = header.tag == tag::DESCRIBE;
        let whole: Range<usize> = at..at + header.total();
        let owed = if describe {
            Owed::Describe { statement: None }
        } else {
            Owed::Close
        };
        let named = match target.kind {
            TargetKind::Statement if !target.name.is_empty() => self
                .clients
                .get_mut(&id)
                .and_then(|c| c.extended.as_mut())
                .and_then(|e| {
                    if !describe {
                        e.passed.remove(target.name);
                    }
                    e.named.get(target.name).cloned()
                }),
            TargetKind::Statement | TargetKind::Portal => None,
        };
        match named {
            Some(statement) if describe => {
                self.bring(id, server_id, &statement, now, fx);
                let owed = Owed::Describe {
                    statement: Some(statement.id),
                };
                self.owe(id, server_id, owed, None, now, fx);
                fx.send_with(Conn::Server(server_id), |out| {
                    frontend::put_describe(out, TargetKind::Statement, &statement.name());
                });
            }
            Some(_) => {
                // The server keeps it: others may have the same.
                self.rename(id, server_id, target.name, None);
                self.owe(id, server_id, Owed::FakeClose, None, now, fx);
                self.settle_fakes(server_id, fx);
            }
            None => {
                let unknown = target.kind == TargetKind::Statement
                    && !target.name.is_empty()
                    && self
                        .clients
                        .get(&id)
                        .and_then(|c| c.extended.as_ref())
                        .is_none_or(|e| !e.passed.contains_key(target.name));
                if unknown && describe && self.refuses_unknown(server_id) {
                    self.unknown_statement(id, now, fx);
                    return;
                }
                if target.kind == TargetKind::Statement && target.name.is_empty() {
                    if describe {
                        self.bring_unnamed(id, server_id, now, fx);
                    } else if let Some(client) = self.clients.get_mut(&id) {
                        client.extended().unnamed.clear();
                    }
                }
                self.owe(id, server_id, owed, None, now, fx);
                fx.forward(Conn::Server(server_id), whole);
            }
        }
    }

    /// SQL's `DEALLOCATE name` of a statement that was prepared by protocol, as libpq before 17
    /// makes drivers do it: what to say to the server instead, which knows it by our name or not
    /// at all.
    pub(crate) fn deallocates(
        &mut self,
        id: ClientId,
        server_id: ServerId,
        info: &Info,
        sql: &[u8],
    ) -> Option<String> {
        let [Change::Deallocate(DeallocateTarget::Name(name))] = info.changes.as_deref()? else {
            return None;
        };
        let (client, server) = (
            self.clients.get_mut(&id)?,
            self.servers.get_mut(&server_id)?,
        );
        if !follows(&self.pools, server.pool)
            || server.tx == TxStatus::Failed
            || weir_wire::sql::classify(sql).len() != 1
        {
            return None;
        }
        let pinned = client.pins.has(Pin::SqlPrepare);
        let named = &mut client.extended.as_mut()?.named;
        let statement = named.get(name.as_bytes())?.id;
        if server.prepared.remove(&statement).is_some() {
            named.remove(name.as_bytes());
            return Some(format!("DEALLOCATE weir_{statement}"));
        }
        if pinned {
            // It has statements there that we couldn't bring back.
            return None;
        }
        named.remove(name.as_bytes());
        server.prepared.clear();
        Some("DEALLOCATE ALL".to_owned())
    }

    /// PgBouncer takes the names of statements for its own: one that it doesn't know ends the
    /// connection. We leave that to PostgreSQL, unless we are to be PgBouncer.
    fn refuses_unknown(&self, server_id: ServerId) -> bool {
        self.settings.errors == ErrorStyle::PgBouncer
            && self
                .servers
                .get(&server_id)
                .is_some_and(|s| follows(&self.pools, s.pool))
    }

    fn unknown_statement(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        let says = "prepared statement did not exist";
        self.dismiss(id, "26000", says, Outcome::ClientLost, now, fx);
    }

    /// The message whose reply is owed next changes what a name of the client's stands for.
    fn rename(
        &mut self,
        id: ClientId,
        server_id: ServerId,
        name: &[u8],
        now: Option<Arc<Statement>>,
    ) {
        if let (Some(client), Some(server)) =
            (self.clients.get_mut(&id), self.servers.get(&server_id))
        {
            client.extended().rename(server.owed_next(), name, now);
        }
    }

    /// Sees to it that the server has this statement.
    fn bring(
        &mut self,
        id: ClientId,
        server_id: ServerId,
        statement: &Statement,
        now: Instant,
        fx: &mut Effects,
    ) {
        if self
            .servers
            .get_mut(&server_id)
            .is_none_or(|s| touch(s, statement.id))
        {
            return;
        }
        self.make_room(id, server_id, now, fx);
        let owed = Owed::OwnParse {
            statement: Some(statement.id),
        };
        self.owe(id, server_id, owed, None, now, fx);
        if let Some(server) = self.servers.get_mut(&server_id) {
            note_prepared(server, statement.id);
        }
        fx.send_with(Conn::Server(server_id), |out| {
            frontend::put_parse(out, &statement.name(), statement.sql(), statement.types());
        });
    }

    /// Sees to it that the server's unnamed statement is this client's last one.
    fn bring_unnamed(&mut self, id: ClientId, server_id: ServerId, now: Instant, fx: &mut Effects) {
        let (Some(client), Some(server)) =
            (self.clients.get(&id), self.servers.get_mut(&server_id))
        else {
            return;
        };
        let Some(extended) = &client.extended else {
            return;
        };
        if mode(&self.pools, server.pool) == PoolMode::Session {
            return; // What it has it has; what failed there is gone.
        }
        let mine = Some((id, extended.unnamed_turn));
        if server.unnamed_of == mine || extended.unnamed.is_empty() {
            return;
        }
        server.unnamed_of = mine;
        let body = &extended.unnamed;
        fx.send_with(Conn::Server(server_id), |out| {
            out.push(tag::PARSE);
            out.extend_from_slice(&(body.len() as u32 + 5).to_be_bytes());
            out.push(0);
            out.extend_from_slice(body);
        });
        self.owe(
            id,
            server_id,
            Owed::OwnParse { statement: None },
            None,
            now,
            fx,
        );
    }

    /// Closes the statement unused for longest if the server has as many as it may.
    fn make_room(&mut self, id: ClientId, server_id: ServerId, now: Instant, fx: &mut Effects) {
        let Some(server) = self.servers.get_mut(&server_id) else {
            return;
        };
        let most = self
            .pools
            .get(server.pool.0 as usize)
            .map_or(usize::MAX, |p| p.settings.prepared_statements_max as usize)
            .max(1);
        let mut closed = 0;
        while server.prepared.len() >= most {
            let Some(oldest) = server
                .prepared
                .iter()
                .min_by_key(|(id, turn)| (**turn, **id))
                .map(|(id, _)| *id)
            else {
                break;
            };
            server.prepared.remove(&oldest);
            closed += 1;
            fx.send_with(Conn::Server(server_id), |out| {
                let name = format!("weir_{oldest}");
                frontend::put_close(out, TargetKind::Statement, name.as_bytes());
            });
        }
        for _ in 0..closed {
            self.owe(id, server_id, Owed::OwnClose, None, now, fx);
        }
    }
}

fn mode(pools: &[Pool], id: PoolId) -> PoolMode {
    pools
        .get(id.0 as usize)
        .map_or(PoolMode::Transaction, |p| p.settings.mode)
}

/// Whether named statements get our names. In session mode the server is the client's alone, so
/// they pass as they are.
fn follows(pools: &[Pool], id: PoolId) -> bool {
    mode(pools, id) != PoolMode::Session
        && pools
            .get(id.0 as usize)
            .is_some_and(|p| p.settings.prepared_statements_max > 0)
}

/// True if the server has the statement; it is now the one used last.
fn touch(server: &mut Server, statement: u32) -> bool {
    server.prepared_turn += 1;
    match server.prepared.get_mut(&statement) {
        Some(turn) => {
            *turn = server.prepared_turn;
            true
        }
        None => false,
    }
}

fn note_prepared(server: &mut Server, statement: u32) {
    server.prepared_turn += 1;
    server.prepared.insert(statement, server.prepared_turn);
}
