//! Samples and rows: the engine's state as control sees it.

use std::sync::Arc;
use std::time::Duration;

use weir_model::{
    ClientCounts, ClientRow, ClientState, DatabaseRow, Instant, PoolId, PoolRow, PoolSample,
    Sample, ServerCounts, ServerRow, Snapshot, UserRow, WorkerSample,
};

use crate::engine::Engine;
use crate::server::State;
use crate::tls;

/// Statements are in every tenth sample only.
const STATEMENTS_EVERY: u32 = 10;

impl Engine {
    pub(crate) fn take_sample(&mut self, now: Instant) -> Sample {
        let interval = now.since(self.sampled_at);
        self.sampled_at = now;
        self.samples = self.samples.wrapping_add(1);
        let pools = (0..self.pools.len())
            .map(|at| self.sample_pool(PoolId(at as u32), now))
            .collect();
        let statements = if self.samples.is_multiple_of(STATEMENTS_EVERY) {
            self.statements.take()
        } else {
            Vec::new()
        };
        Sample {
            at: now,
            interval,
            worker: WorkerSample {
                clients: self.clients.len() as u32,
                servers: self.servers.len() as u32,
                loop_lag_max: Duration::ZERO,
                buffered_bytes: 0,
                events_lost_total: 0,
            },
            pools,
            statements,
        }
    }

    fn sample_pool(&mut self, id: PoolId, now: Instant) -> PoolSample {
        let at = id.0 as usize;
        let mut servers = ServerCounts::default();
        let mut clients = ClientCounts::default();
        let mut oldest_transaction = Duration::ZERO;
        let mut oldest_idle = Duration::ZERO;
        let ids = self.pools[at].servers.clone();
        for server_id in ids {
            let Some(server) = self.servers.get_mut(&server_id) else {
                continue;
            };
            // Time of open transactions is booked up to this very instant.
            if let Some(link) = &mut server.link {
                let clock = link.clock;
                link.turn(clock, now, &mut self.pools[at].meter);
                if let Some(tx) = &link.tx {
                    oldest_transaction = oldest_transaction.max(now.since(tx.began));
                }
            }
            let Some(server) = self.servers.get(&server_id) else {
                continue;
            };
            match server.state {
                State::Login => servers.login += 1,
                State::Idle => servers.idle += 1,
                State::Active | State::Lookup => servers.active += 1,
                State::Replay | State::Reset | State::Check => servers.tested += 1,
            }
            let Some(client) = server.client().and_then(|c| self.clients.get(&c)) else {
                continue;
            };
            match self.client_state(client) {
                (ClientState::Active, _) => clients.active += 1,
                (ClientState::IdleInTransaction, since) => {
                    clients.idle_in_transaction += 1;
                    oldest_idle = oldest_idle.max(now.since(since));
                }
                (ClientState::Idle | ClientState::Login | ClientState::Waiting, _) => {
                    if client.pins.any() && server.state == State::Active {
                        servers.pinned += 1;
                    }
                }
            }
        }
        let front = self.pools[at].front(&self.clients);
        let oldest_wait = front
            .and_then(|c| self.clients.get(&c))
            .and_then(|c| c.waiting)
            .map(|w| now.since(w.arrived))
            .unwrap_or_default();
        let pool = &mut self.pools[at];
        // Those whose login waits for a first server wait too: a cold start against a dead
        // database must not look healthy.
        let welcoming = pool.welcoming.len() as u32;
        let oldest_wait = pool
            .welcoming
            .first()
            .map_or(oldest_wait, |(_, since)| oldest_wait.max(now.since(*since)));
        clients.waiting = pool.waiters + welcoming;
        clients.idle = pool
            .clients
            .saturating_sub(clients.active + clients.idle_in_transaction + pool.waiters);
        let meter = std::mem::take(&mut pool.meter);
        pool.totals = meter.added_to(pool.totals);
        PoolSample {
            pool: id,
            key: pool.key.clone(),
            size: pool.size,
            clients,
            servers,
            oldest_wait,
            arrivals: meter.arrivals,
            completions: meter.completions,
            failures: meter.failures,
            abandoned: meter.abandoned,
            wait: meter.wait,
            hold: meter.hold,
            held: meter.held,
            oldest_transaction,
            oldest_idle_in_transaction: oldest_idle,
            bytes_in: meter.bytes_in,
            bytes_out: meter.bytes_out,
            client_logins: meter.client_logins,
            server_logins: meter.server_logins,
            server_login_failures: meter.server_login_failures,
            paused: pool.paused,
        }
    }

    pub(crate) fn rows(&self, request: u64, now: Instant) -> Snapshot {
        let mut ids: Vec<_> = self.clients.keys().copied().collect();
        ids.sort_unstable();
        let clients = ids
            .into_iter()
            .filter_map(|id| {
                let client = self.clients.get(&id)?;
                let (state, since) = self.client_state(client);
                Some(ClientRow {
                    client: id,
                    pool: client.pool,
                    key: client
                        .pool
                        .and_then(|p| self.pools.get(p.0 as usize))
                        .map(|p| p.key.clone()),
                    state,
                    since,
                    connected: client.connected,
                    addr: Arc::clone(&client.addr),
                    application: Arc::clone(&client.application),
                    server: client.server,
                    fingerprint: client.fingerprint,
                    pins: client.pins.iter().collect(),
                    prepared_statements: client
                        .extended
                        .as_ref()
                        .map_or(0, |e| e.named.len() as u32),
                    tls: tls::info(client.tls.as_ref(), &self.nobody),
                    user: Arc::clone(&client.user),
                    database: client
                        .pool
                        .and_then(|p| self.pools.get(p.0 as usize))
                        .map_or_else(|| Arc::clone(&self.nobody), |p| Arc::clone(&p.key.database)),
                })
            })
            .collect();
        Snapshot {
            request,
            clients,
            servers: self.server_rows(),
            pools: self.pool_rows(now),
            databases: self
                .databases
                .iter()
                .map(|(name, database)| DatabaseRow {
                    name: Arc::clone(name),
                    auto: database.auto,
                    paused: database.halted,
                    disabled: database.disabled,
                    servers: database.servers,
                    clients: database.clients,
                })
                .collect(),
            users: self
                .users
                .iter()
                .map(|(name, user)| UserRow {
                    name: Arc::clone(name),
                    servers: user.servers,
                    clients: user.clients,
                })
                .collect(),
            paused: self.halted_all,
            suspended: self.suspended.is_some(),
        }
    }

    /// Pools that are in use, or were of late.
    fn pool_rows(&self, now: Instant) -> Vec<PoolRow> {
        let mut rows = Vec::with_capacity(self.pools.len());
        for (at, pool) in self.pools.iter().enumerate() {
            if pool.asleep {
                continue;
            }
            let mut servers = ServerCounts::default();
            let mut clients = ClientCounts::default();
            let mut cancels = 0;
            for server in pool.servers.iter().filter_map(|id| self.servers.get(id)) {
                match server.state.name() {
                    weir_model::ServerState::Login => servers.login += 1,
                    weir_model::ServerState::Idle => servers.idle += 1,
                    weir_model::ServerState::Active => servers.active += 1,
                    weir_model::ServerState::Tested => servers.tested += 1,
                    weir_model::ServerState::Used => servers.used += 1,
                }
                let Some(client) = server.client().and_then(|id| self.clients.get(&id)) else {
                    continue;
                };
                cancels += u32::from(client.cancelled.is_underway());
                match self.client_state(client).0 {
                    ClientState::Active => clients.active += 1,
                    ClientState::IdleInTransaction => clients.idle_in_transaction += 1,
                    ClientState::Idle | ClientState::Login | ClientState::Waiting => {}
                }
            }
            clients.waiting = pool.waiters + pool.welcoming.len() as u32;
            let busy = clients.active + clients.idle_in_transaction + pool.waiters;
            clients.idle = pool.clients.saturating_sub(busy);
            let waiting = pool
                .oldest_wait_since(&self.clients)
                .map_or(Duration::ZERO, |since| now.since(since));
            rows.push(PoolRow {
                pool: PoolId(at as u32),
                key: pool.key.clone(),
                mode: pool.settings.mode,
                size: pool.size,
                clients,
                servers,
                oldest_wait: waiting,
                cancels,
                totals: pool.meter.added_to(pool.totals),
                paused: pool.paused || pool.halted,
            });
        }
        rows
    }

    pub(crate) fn server_rows(&self) -> Vec<ServerRow> {
        let mut rows = Vec::with_capacity(self.servers.len());
        for (at, pool) in self.pools.iter().enumerate() {
            for id in &pool.servers {
                let Some(server) = self.servers.get(id) else {
                    continue;
                };
                let link = server.link.as_ref();
                let client = server.client().and_then(|c| self.clients.get(&c));
                let state = client.map(|c| self.client_state(c));
                rows.push(ServerRow {
                    server: *id,
                    pool: PoolId(at as u32),
                    key: pool.key.clone(),
                    state: server.state.name(),
                    since: server.since,
                    connected: server.connected,
                    backend_pid: server.backend_pid,
                    client: server.client(),
                    client_state: state.map(|(s, _)| s),
                    client_since: state.map(|(_, since)| since),
                    client_addr: server
                        .client()
                        .map_or_else(|| Arc::clone(&self.nobody), |c| self.addr_of(c)),
                    application: client
                        .map_or_else(|| Arc::clone(&self.nobody), |c| Arc::clone(&c.application)),
                    transaction_since: link.and_then(|l| l.tx.as_ref()).map(|tx| tx.began),
                    fingerprint: client.map(|c| c.fingerprint).unwrap_or_default(),
                    pins: client.map(|c| c.pins.iter().collect()).unwrap_or_default(),
                    host: Arc::clone(&pool.settings.server.host),
                    port: pool.settings.server.port,
                    close_needed: server.close_when_idle.is_some(),
                    prepared_statements: server.prepared.len() as u32,
                    tls: tls::info(server.tls.as_ref(), &self.nobody),
                });
            }
        }
        rows
    }
}
