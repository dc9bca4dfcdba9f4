//! A user that no list has is looked up in PostgreSQL (`auth_query`), by a server of a pool like
//! any other.
//!
//! # What always holds
//! - The question is asked in a clean session: what a client has set there (a `search_path` with
//!   tables of its own) has no say in who may come in.
//! - The name is a parameter of the query, never a part of its text.
//! - A login waits for its lookup no longer than `client_login_timeout`.
//!
//! # What is deliberately absent
//! - A cache. A password that was changed counts from the next login on, as in PgBouncer.

use std::sync::Arc;

use weir_model::{AuthQuery, ClientId, ErrorStyle, Instant, Outcome, PoolId, ServerId};
use weir_wire::frontend;

use crate::client::Phase;
use crate::directory::Entry;
use crate::effect::{Conn, Effect, Effects};
use crate::engine::Engine;
use crate::login::{Asking, is_console};
use crate::server::{Owed, State};
use crate::session_settings::Session;

/// A lookup under way, on its server.
pub(crate) struct Lookup {
    pub(crate) client: ClientId,
    /// Secret of the user that was found; `None` inside: NULL.
    found: Option<Option<String>>,
    /// The answer can't be what was asked for.
    fault: Option<String>,
}

impl Engine {
    /// Begins to look this client's user up.
    pub(crate) fn look_up(
        &mut self,
        id: ClientId,
        database: Arc<str>,
        base: Session,
        query: Arc<AuthQuery>,
        now: Instant,
        fx: &mut Effects,
    ) {
        let asked = query
            .database
            .clone()
            .unwrap_or_else(|| Arc::clone(&database));
        if is_console(&asked) {
            let says = format!("cannot use the reserved \"{asked}\" database as an auth_dbname");
            self.config_error(id, &says, now, fx);
            return;
        }
        match self.database_named(&asked) {
            None => {
                let says = format!("authentication database \"{asked}\" is not configured.");
                self.config_error(id, &says, now, fx);
                return;
            }
            Some(db) if db.disabled => {
                let says = format!("authentication database \"{asked}\" is disabled");
                self.dismiss(id, "57P03", &says, Outcome::Refused, now, fx);
                return;
            }
            Some(_) => {}
        }
        let Some(pool_id) = self.pool_as(&asked, &query.user, now, fx) else {
            let says = "no pool can be made for auth_query any more";
            self.config_error(id, says, now, fx);
            return;
        };
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.phase = Phase::Lookup(Box::new(Asking {
            database,
            base,
            query,
            pool: pool_id,
        }));
        if !client.paused {
            client.paused = true;
            fx.list.push(Effect::PauseReading {
                conn: Conn::Client(id),
            });
        }
        if let Some(pool) = self.pools.get_mut(pool_id.0 as usize) {
            pool.lookups.push_back(id);
        }
        self.serve(pool_id, now, fx);
        self.check_idle(pool_id, now, fx);
        self.dial_more(pool_id, now, fx);
    }

    /// Gives the first lookup that waits an idle server. False if there is none.
    pub(crate) fn begin_lookup(&mut self, pool_id: PoolId, now: Instant, fx: &mut Effects) -> bool {
        let Some(server_id) = self.take_idle(pool_id, now) else {
            self.check_idle(pool_id, now, fx);
            return false;
        };
        let client_id = self
            .pools
            .get_mut(pool_id.0 as usize)
            .and_then(|p| p.lookups.pop_front());
        let asking = client_id.and_then(|id| match &self.clients.get(&id)?.phase {
            Phase::Lookup(asking) => Some((
                id,
                Arc::clone(&asking.query.sql),
                Arc::clone(&self.clients.get(&id)?.user),
            )),
            _ => None,
        });
        let (Some((client, sql, user)), Some(server)) = (asking, self.servers.get_mut(&server_id))
        else {
            self.give_back(server_id, now, fx);
            return true;
        };
        let clean = self.sessions.intern(Session::default());
        let replay = server.session.replay(&clean);
        server.session = clean;
        server.state = State::Lookup;
        server.since = now;
        server.used = true;
        server.unnamed_of = None;
        server.own_error = None;
        server.lookup = Some(Box::new(Lookup {
            client,
            found: None,
            fault: None,
        }));
        if !replay.is_empty() {
            server.owed.push_back(Owed::OwnQuery);
        }
        server.owed.push_back(Owed::OwnQuery);
        fx.send_with(Conn::Server(server_id), |out| {
            if !replay.is_empty() {
                frontend::put_query(out, replay.as_bytes());
            }
            frontend::put_parse(out, b"", sql.as_bytes(), &[0, 0]);
            // No formats, one parameter, no formats of results: all is text.
            let mut rest = vec![0, 0, 0, 1];
            rest.extend_from_slice(&(user.len() as u32).to_be_bytes());
            rest.extend_from_slice(user.as_bytes());
            rest.extend_from_slice(&[0, 0]);
            frontend::put_bind(out, b"", b"", &rest);
            frontend::put_execute(out, b"", 0);
            frontend::put_sync(out);
        });
        true
    }

    /// A row of the answer. `body: None`: longer than any secret is.
    pub(crate) fn lookup_row(&mut self, id: ServerId, body: Option<&[u8]>) {
        let Some(lookup) = self.servers.get_mut(&id).and_then(|s| s.lookup.as_mut()) else {
            return;
        };
        match body.and_then(read_row) {
            Some(Ok(secret)) => lookup.found = Some(secret),
            Some(Err(columns)) => {
                lookup.fault = Some(format!("expected 2 columns from auth_query, not {columns}"));
            }
            None => lookup.fault = Some("auth_query answered a row that can't be read".to_owned()),
        }
    }

    /// The answer is complete.
    pub(crate) fn lookup_over(
        &mut self,
        id: ServerId,
        error: Option<(String, String)>,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(lookup) = self.servers.get_mut(&id).and_then(|s| s.lookup.take()) else {
            self.give_back(id, now, fx);
            return;
        };
        self.tell_found(*lookup, error, now, fx);
        self.give_back(id, now, fx);
    }

    fn tell_found(
        &mut self,
        lookup: Lookup,
        error: Option<(String, String)>,
        now: Instant,
        fx: &mut Effects,
    ) {
        let id = lookup.client;
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if !matches!(client.phase, Phase::Lookup(_)) {
            return;
        }
        let Phase::Lookup(asking) = std::mem::replace(&mut client.phase, Phase::Startup) else {
            return;
        };
        if let Some((sqlstate, message)) = error {
            let says = format!("error response from auth_query: {message} (SQLSTATE {sqlstate})");
            self.config_error(id, &says, now, fx);
            return;
        }
        if let Some(says) = lookup.fault {
            self.config_error(id, &says, now, fx);
            return;
        }
        let found = match lookup.found {
            None => None,
            Some(None) => Some(Entry::Closed),
            Some(Some(secret)) => match Entry::read(&secret) {
                Ok(entry) => Some(entry),
                Err(error) => {
                    let says = format!("auth_query answered a secret that can't be used: {error}");
                    self.config_error(id, &says, now, fx);
                    return;
                }
            },
        };
        if found.is_none() && self.settings.errors == ErrorStyle::PgBouncer {
            self.dismiss(id, "28P01", "no such user", Outcome::Refused, now, fx);
            return;
        }
        self.prove(id, asking.database, asking.base, found, now, fx);
        if self
            .clients
            .get(&id)
            .is_some_and(|c| matches!(c.phase, Phase::Auth(_)))
        {
            self.resume(id, now, fx);
        }
    }

    /// A client leaves while its lookup is due: nobody waits for the answer any more.
    pub(crate) fn drop_lookup(&mut self, id: ClientId) {
        if let Some(Phase::Lookup(asking)) = self.clients.get(&id).map(|c| &c.phase)
            && let Some(pool) = self.pools.get_mut(asking.pool.0 as usize)
        {
            pool.lookups.retain(|c| *c != id);
        }
    }

    /// Its server was lost: the next one will do.
    pub(crate) fn lookup_broken(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        let _ = (now, fx);
        if let Some(client) = self.clients.get(&id)
            && let Phase::Lookup(asking) = &client.phase
            && let Some(pool) = self.pools.get_mut(asking.pool.0 as usize)
        {
            pool.lookups.push_front(id);
        }
    }
}

/// Columns name and secret of a DataRow: the secret, or how many columns there are instead.
fn read_row(body: &[u8]) -> Option<Result<Option<String>, u16>> {
    let (columns, mut rest) = body.split_first_chunk::<2>()?;
    let columns = u16::from_be_bytes(*columns);
    if columns != 2 {
        return Some(Err(columns));
    }
    let mut secret = None;
    for _ in 0..columns {
        let (len, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        let len = i32::from_be_bytes(*len);
        secret = match usize::try_from(len) {
            Err(_) => None,
            Ok(len) => {
                let (value, after) = rest.split_at_checked(len)?;
                rest = after;
                Some(String::from_utf8_lossy(value).into_owned())
            }
        };
    }
    Some(Ok(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[Option<&str>]) -> Vec<u8> {
        let mut out = Vec::new();
        weir_wire::backend::put_data_row(&mut out, values);
        out.split_off(5)
    }

    #[test]
    fn a_row_of_two_columns_is_a_name_and_a_secret() {
        let read = |values: &[Option<&str>]| read_row(&row(values));
        assert_eq!(
            read(&[Some("ann"), Some("md5…")]),
            Some(Ok(Some("md5…".to_owned())))
        );
        assert_eq!(read(&[Some("ann"), None]), Some(Ok(None)));
        assert_eq!(read(&[Some("ann")]), Some(Err(1)));
        assert_eq!(read_row(&[0, 2, 0, 0, 0, 9, b'x']), None);
        assert_eq!(read_row(&[]), None);
    }
}
