//! Session state in transaction mode: followed where it can be, pinned where it can't.
//!
//! A change counts once the server said that it happened, and only for good once its transaction
//! committed: `SET` inside a transaction that rolls back is undone for the client too.
//!
//! # What always holds
//! - Before a client's first byte reaches a server, that server's settings are the client's.
//! - A client that left something on a server which can't be carried along keeps that server, and
//!   the reason has a name ([`Pin`]).
//!
//! # What is deliberately absent
//! - Knowing what a function did. A function that calls `set_config` inside is beyond a pooler.
//! - Savepoints. A `SET` in a transaction that also rolls back to a savepoint pins, because which
//!   of its changes hold isn't known.

use std::sync::Arc;

use weir_model::{ClientId, Event, Fingerprint, Pin, PoolMode, ServerId, SessionState};
use weir_wire::backend;
use weir_wire::sql::{CursorTarget, DeallocateTarget, UnlistenTarget};

use crate::effect::{Conn, Effects};
use crate::engine::Engine;
use crate::session_settings::{Session, Value};
use crate::statement::Change;

/// Names kept per kind (channels, cursors, statements). Above it, only "all" lets go.
const NAMES_MAX: usize = 256;

/// Names that hold a pin: the pin ends with the last of them.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) channels: Vec<String>,
    pub(crate) cursors: Vec<String>,
    pub(crate) statements: Vec<String>,
}

fn add(names: &mut Vec<String>, name: &str) {
    if names.len() <= NAMES_MAX && !names.iter().any(|n| n == name) {
        names.push(name.to_owned());
    }
}

/// True if nothing is left.
fn remove(names: &mut Vec<String>, name: &str) -> bool {
    if names.len() <= NAMES_MAX {
        names.retain(|n| n != name);
    }
    names.is_empty()
}

impl Engine {
    /// The server said that the `Pending` at the front, or a part of it, happened.
    pub(crate) fn confirm(
        &mut self,
        server_id: ServerId,
        owed: u32,
        command: &[u8],
        fx: &mut Effects,
    ) {
        loop {
            let Some(server) = self.servers.get_mut(&server_id) else {
                return;
            };
            let Some(link) = &mut server.link else { return };
            let Some(pending) = link.pending.front_mut() else {
                return;
            };
            if pending.owed != owed {
                return;
            }
            let Some(change) = pending.changes.get(pending.done) else {
                return;
            };
            if !change.fits(command) {
                return;
            }
            let change = change.clone();
            pending.done += 1;
            // A statement that answers once may do several things that always fit
            // (`SELECT pg_advisory_lock(1), pg_advisory_lock(2)`); one that names its own tag
            // does exactly one.
            let again = change.fits(b"");
            self.apply(server_id, change, fx);
            if !again {
                return;
            }
        }
    }

    fn apply(&mut self, server_id: ServerId, change: Change, fx: &mut Effects) {
        let Some(server) = self.servers.get(&server_id) else {
            return;
        };
        let Some(id) = server.client() else { return };
        let Some(pool) = self.pools.get(server.pool.0 as usize) else {
            return;
        };
        let policy = pool.settings.session_state;
        // In session mode the server remembers by itself; only what RESET goes back to isn't known
        // to it.
        let keeps_server = pool.settings.mode == PoolMode::Session;
        let settings = matches!(
            change,
            Change::Set { .. }
                | Change::Reset(_)
                | Change::ResetAll
                | Change::DiscardAll
                | Change::RollbackTo
        );
        if policy == SessionState::Ignore || keeps_server && !settings {
            // Our own bookkeeping of names must not outlive what they name.
            if matches!(change, Change::DiscardAll)
                || matches!(change, Change::Deallocate(DeallocateTarget::All))
            {
                self.forget_prepared(id, server_id);
            }
            return;
        }
        match change {
            Change::Set { name, sql } => {
                if policy == SessionState::Pin && !keeps_server {
                    self.pin(id, server_id, Pin::SessionSetting, fx);
                    return;
                }
                self.change_session(id, server_id, fx, |server, client, _| {
                    let value = Value::Statement(sql);
                    server.set(Arc::clone(&name), value.clone());
                    client.set(name, value);
                });
            }
            Change::Reset(name) => {
                self.change_session(id, server_id, fx, |server, client, base| {
                    server.reset(&name);
                    match base.get(&name) {
                        Some(value) => client.set(name, value.clone()),
                        None => client.reset(&name),
                    }
                })
            }
            Change::ResetAll => self.change_session(id, server_id, fx, |server, client, base| {
                server.reset_all();
                let who: Vec<_> = ["session_authorization", "role"]
                    .into_iter()
                    .filter_map(|name| Some((name, client.get(name)?.clone())))
                    .collect();
                *client = base.clone();
                for (name, value) in who {
                    client.set(name.into(), value);
                }
            }),
            Change::DiscardAll => {
                self.change_session(id, server_id, fx, |server, client, base| {
                    *server = Session::default();
                    *client = base.clone();
                });
                self.forget_prepared(id, server_id);
                if let Some(client) = self.clients.get_mut(&id) {
                    client.advisory_locks = 0;
                    client.held = None;
                    for pin in client.pins.iter().collect::<Vec<_>>() {
                        if pin != Pin::Backend {
                            self.unpin(id, server_id, pin, fx);
                        }
                    }
                }
            }
            Change::DiscardTemp => self.unpin(id, server_id, Pin::TemporaryObject, fx),
            Change::RollbackTo => {
                if let Some(link) = self
                    .servers
                    .get_mut(&server_id)
                    .and_then(|s| s.link.as_mut())
                    && link.undo.is_some()
                {
                    link.uncertain = true;
                }
            }
            Change::Listen(channel) => {
                if let Some(client) = self.clients.get_mut(&id) {
                    add(&mut client.held().channels, &channel);
                }
                self.pin(id, server_id, Pin::Listen, fx);
            }
            Change::Unlisten(target) => {
                let over = self.clients.get_mut(&id).is_some_and(|c| match &target {
                    UnlistenTarget::All => {
                        c.held().channels.clear();
                        true
                    }
                    UnlistenTarget::Channel(name) => remove(&mut c.held().channels, name),
                });
                if over {
                    self.unpin(id, server_id, Pin::Listen, fx);
                }
            }
            Change::Prepare(name) => {
                if let Some(client) = self.clients.get_mut(&id) {
                    add(&mut client.held().statements, &name);
                }
                self.pin(id, server_id, Pin::SqlPrepare, fx);
            }
            Change::Deallocate(DeallocateTarget::All) => {
                self.forget_prepared(id, server_id);
                if let Some(client) = self.clients.get_mut(&id)
                    && let Some(held) = &mut client.held
                {
                    held.statements.clear();
                }
                self.unpin(id, server_id, Pin::SqlPrepare, fx);
            }
            Change::Deallocate(DeallocateTarget::Name(name)) => {
                let over = self
                    .clients
                    .get_mut(&id)
                    .is_some_and(|c| remove(&mut c.held().statements, &name));
                if over {
                    self.unpin(id, server_id, Pin::SqlPrepare, fx);
                }
            }
            Change::HoldCursor(name) => {
                if let Some(client) = self.clients.get_mut(&id) {
                    add(&mut client.held().cursors, &name);
                }
                self.pin(id, server_id, Pin::HoldCursor, fx);
            }
            Change::CloseCursor(target) => {
                let over = self.clients.get_mut(&id).is_some_and(|c| match &target {
                    CursorTarget::All => {
                        c.held().cursors.clear();
                        true
                    }
                    CursorTarget::Name(name) => remove(&mut c.held().cursors, name),
                });
                if over {
                    self.unpin(id, server_id, Pin::HoldCursor, fx);
                }
            }
            Change::AdvisoryLock => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.advisory_locks = client.advisory_locks.saturating_add(1);
                }
                self.pin(id, server_id, Pin::AdvisoryLock, fx);
            }
            Change::AdvisoryUnlock => {
                let over = self.clients.get_mut(&id).is_some_and(|c| {
                    c.advisory_locks = c.advisory_locks.saturating_sub(1);
                    c.advisory_locks == 0
                });
                if over {
                    self.unpin(id, server_id, Pin::AdvisoryLock, fx);
                }
            }
            Change::AdvisoryUnlockAll => {
                if let Some(client) = self.clients.get_mut(&id) {
                    client.advisory_locks = 0;
                }
                self.unpin(id, server_id, Pin::AdvisoryLock, fx);
            }
            Change::Pin(pin) => self.pin(id, server_id, pin, fx),
        }
    }

    fn change_session(
        &mut self,
        id: ClientId,
        server_id: ServerId,
        fx: &mut Effects,
        change: impl FnOnce(&mut Session, &mut Session, &Session),
    ) {
        let (Some(client), Some(server)) =
            (self.clients.get_mut(&id), self.servers.get_mut(&server_id))
        else {
            return;
        };
        let mut of_server = (*server.session).clone();
        let mut of_client = (*client.session).clone();
        change(&mut of_server, &mut of_client, &client.base);
        let bounded = of_client.is_within_bounds();
        if let Some(link) = &mut server.link
            && link.undo.is_none()
        {
            link.undo = Some((Arc::clone(&server.session), Arc::clone(&client.session)));
        }
        server.session = self.sessions.intern(of_server);
        client.session = self.sessions.intern(of_client);
        if !bounded {
            // More than is worth replaying: from now on the server remembers it.
            self.pin(id, server_id, Pin::SessionSetting, fx);
        }
    }

    /// DISCARD ALL, DEALLOCATE ALL: names are gone on the client's side and on the server's.
    fn forget_prepared(&mut self, id: ClientId, server_id: ServerId) {
        if let Some(client) = self.clients.get_mut(&id)
            && let Some(extended) = &mut client.extended
        {
            extended.forget_names();
        }
        if let Some(server) = self.servers.get_mut(&server_id) {
            server.prepared.clear();
            server.unnamed_of = None;
        }
    }

    pub(crate) fn pin(&mut self, id: ClientId, server_id: ServerId, pin: Pin, fx: &mut Effects) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if !client.pins.add(pin) {
            return;
        }
        let fingerprint = client.fingerprint;
        if let Some(server) = self.servers.get_mut(&server_id) {
            if let Some(link) = &mut server.link {
                link.pins_new.add(pin);
            }
            fx.events.push(Event::Pinned {
                pool: server.pool,
                client: id,
                pin,
                fingerprint,
            });
        }
    }

    fn unpin(&mut self, id: ClientId, server_id: ServerId, pin: Pin, fx: &mut Effects) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.pins.remove(pin)
            && let Some(server) = self.servers.get(&server_id)
        {
            fx.events.push(Event::Unpinned {
                pool: server.pool,
                client: id,
                pin,
            });
        }
    }

    /// COMMIT: what changed stays.
    pub(crate) fn keep_changes(&mut self, server_id: ServerId, fx: &mut Effects) {
        let Some(link) = self
            .servers
            .get_mut(&server_id)
            .and_then(|s| s.link.as_mut())
        else {
            return;
        };
        link.pins_new = crate::client::Pins::default();
        if link.undo.take().is_some() && std::mem::take(&mut link.uncertain) {
            let id = link.client;
            self.pin(id, server_id, Pin::SessionSetting, fx);
        }
    }

    /// ROLLBACK, or an implicit transaction that failed: what changed is as before.
    pub(crate) fn undo_changes(&mut self, server_id: ServerId, fx: &mut Effects) {
        let Some(server) = self.servers.get_mut(&server_id) else {
            return;
        };
        let Some(link) = &mut server.link else { return };
        let id = link.client;
        let pins = std::mem::take(&mut link.pins_new);
        link.uncertain = false;
        if let Some((of_server, of_client)) = link.undo.take() {
            server.session = of_server;
            if let Some(client) = self.clients.get_mut(&id) {
                client.session = of_client;
            }
        }
        for pin in pins.iter() {
            // Session advisory locks outlive a rollback; LOAD can't be undone.
            match pin {
                Pin::AdvisoryLock | Pin::Backend | Pin::SqlPrepare => {}
                Pin::Listen | Pin::TemporaryObject | Pin::HoldCursor | Pin::SessionSetting => {
                    self.unpin(id, server_id, pin, fx);
                }
            }
        }
    }

    /// Tells the client what its server reports differently from what it believes.
    pub(crate) fn tell_params(&mut self, id: ClientId, server_id: ServerId, fx: &mut Effects) {
        let (Some(client), Some(server)) =
            (self.clients.get_mut(&id), self.servers.get(&server_id))
        else {
            return;
        };
        if Arc::ptr_eq(&client.params, &server.params)
            || matches!(client.phase, crate::client::Phase::Welcome)
        {
            return;
        }
        for (name, value) in &server.params.entries {
            if client.params.get(name) != Some(value) {
                fx.send_with(Conn::Client(id), |out| {
                    backend::put_parameter_status(out, name, value);
                });
            }
        }
        client.params = Arc::clone(&server.params);
    }

    /// Where nothing else is followed, what the server reports of a few parameters is, as PgBouncer
    /// does: the client finds them so on its next server. A rollback is reported like any change.
    pub(crate) fn follow_report(
        &mut self,
        server_id: ServerId,
        id: ClientId,
        name: &[u8],
        value: &[u8],
    ) {
        let (Some(client), Some(server)) =
            (self.clients.get_mut(&id), self.servers.get_mut(&server_id))
        else {
            return;
        };
        let follows = self.pools.get(server.pool.0 as usize).is_some_and(|p| {
            p.settings.session_state == SessionState::Ignore && p.settings.mode != PoolMode::Session
        });
        let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value)) else {
            return;
        };
        let name = name.to_ascii_lowercase();
        let extra = &self.settings.track_extra_parameters;
        if !follows
            || !crate::login::FOLLOWED.contains(&name.as_str())
                && !extra.iter().any(|n| n.eq_ignore_ascii_case(&name))
        {
            return;
        }
        let name: Arc<str> = name.into();
        let value = Value::Text(value.into());
        for session in [&mut server.session, &mut client.session] {
            let mut changed = (**session).clone();
            changed.set(Arc::clone(&name), value.clone());
            *session = self.sessions.intern(changed);
        }
    }

    /// A fingerprint's text goes to control when it is first seen.
    pub(crate) fn see(&mut self, info: &crate::statement::Info, sql: &[u8], fx: &mut Effects) {
        let Fingerprint(hash) = info.fingerprint;
        if hash == 0 || self.seen.contains_key(&hash) {
            return;
        }
        if self.seen.len() >= crate::measure::SEEN_MAX {
            self.seen.clear();
        }
        self.seen.insert(hash, ());
        fx.events
            .push(Event::StatementSeen(weir_model::StatementSeen {
                fingerprint: info.fingerprint,
                text: weir_wire::sql::normalized(sql, 1024),
            }));
    }
}
