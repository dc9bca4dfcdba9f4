//! Lines for the log, in PgBouncer's words: who came, who went, why, and how old it was.
//!
//! Made only where the settings ask for them, or where they are rare; made here, so that the same
//! words are said everywhere.

use std::sync::Arc;

use weir_model::{ClientId, Event, Instant, Logged, Loudness, PoolId, ServerId, Speaker};

use crate::effect::Effects;
use crate::engine::Engine;

impl Engine {
    /// A line about a client.
    pub(crate) fn log_client(
        &self,
        id: ClientId,
        loudness: Loudness,
        text: impl Into<String>,
        fx: &mut Effects,
    ) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let database = match &client.phase {
            crate::client::Phase::Auth(auth) => Arc::clone(&auth.database),
            crate::client::Phase::Console(_) => "pgbouncer".into(),
            _ => client
                .pool
                .and_then(|p| self.pools.get(p.0 as usize))
                .map_or_else(|| Arc::clone(&self.nobody), |p| Arc::clone(&p.key.database)),
        };
        fx.events.push(Event::Logged(Logged {
            by: Speaker::Client(id),
            loudness,
            database,
            user: Arc::clone(&client.user),
            addr: Arc::clone(&client.addr),
            text: text.into(),
        }));
    }

    /// A line about a server of this pool.
    pub(crate) fn log_server(
        &self,
        id: ServerId,
        pool: PoolId,
        loudness: Loudness,
        text: impl Into<String>,
        fx: &mut Effects,
    ) {
        let Some(pool) = self.pools.get(pool.0 as usize) else {
            return;
        };
        let addr = match self.servers.get(&id) {
            Some(server) => shown(&server.place.host, server.place.port),
            None => shown(&pool.settings.server.host, pool.settings.server.port),
        };
        fx.events.push(Event::Logged(Logged {
            by: Speaker::Server(id),
            loudness,
            database: Arc::clone(&pool.key.database),
            user: Arc::clone(&pool.key.user),
            addr,
            text: text.into(),
        }));
    }

    /// A line about nobody in particular.
    pub(crate) fn log_pooler(&self, loudness: Loudness, text: impl Into<String>, fx: &mut Effects) {
        fx.events.push(Event::Logged(Logged {
            by: Speaker::Pooler,
            loudness,
            database: Arc::clone(&self.nobody),
            user: Arc::clone(&self.nobody),
            addr: Arc::clone(&self.nobody),
            text: text.into(),
        }));
    }

    /// A client is about to be closed.
    pub(crate) fn log_client_end(&self, id: ClientId, why: &str, now: Instant, fx: &mut Effects) {
        if !self.settings.log.disconnections {
            return;
        }
        if let Some(client) = self.clients.get(&id) {
            let age = now.since(client.connected).as_secs();
            let text = format!("closing because: {why} (age={age}s)");
            self.log_client(id, Loudness::Log, text, fx);
        }
    }

    /// A server is about to be closed.
    pub(crate) fn log_server_end(&self, id: ServerId, why: &str, now: Instant, fx: &mut Effects) {
        if !self.settings.log.disconnections {
            return;
        }
        if let Some(server) = self.servers.get(&id) {
            let age = now.since(server.connected).as_secs();
            let text = format!("closing because: {why} (age={age}s)");
            self.log_server(id, server.pool, Loudness::Log, text, fx);
        }
    }
}

/// `127.0.0.1:5432`, `[::1]:5432`, `unix:5432`.
fn shown(host: &str, port: u16) -> Arc<str> {
    if host.starts_with('/') {
        format!("unix:{port}").into()
    } else if host.contains(':') {
        format!("[{host}]:{port}").into()
    } else {
        format!("{host}:{port}").into()
    }
}
