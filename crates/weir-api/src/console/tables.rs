//! What stands in each table of SHOW.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use weir_control::handle::{PoolView, Published};
use weir_model::{ClientState, ClockMap, Instant, Pin, PoolKey, ServerState, Snapshot};

use super::table::{Rows, Table, some};
use crate::json;

type Answer = Box<dyn Rows>;

/// How PgBouncer writes a time.
fn civil(clock: &ClockMap, at: Instant) -> String {
    match jiff::Timestamp::from_microsecond(clock.wall(at).as_micros()) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => String::new(),
    }
}

fn micros(duration: Duration) -> Option<String> {
    some(duration.as_micros())
}

fn names(key: Option<&PoolKey>) -> [Option<String>; 2] {
    [
        key.map(|k| k.user.to_string()),
        key.map(|k| k.database.to_string()),
    ]
}

/// `127.0.0.1:51234` or `[::1]:51234` as address and port; `unix` has port 0.
fn addr_and_port(addr: &str) -> [Option<String>; 2] {
    match addr.parse::<std::net::SocketAddr>() {
        Ok(addr) => [some(addr.ip()), some(addr.port())],
        Err(_) => [some(addr), some(0)],
    }
}

fn pin_names(pins: &[Pin]) -> String {
    let names: Vec<&str> = pins.iter().map(|pin| pin.name()).collect();
    names.join(",")
}

pub(super) fn version(published: &Published) -> Answer {
    let mut table = Table::new(["version"]);
    table.push([some(format_args!("Weir {}", published.status.version))]);
    Box::new(table)
}

pub(super) fn pools(published: &Published) -> Answer {
    let mut table = Table::new([
        "database",
        "user",
        "cl_active",
        "cl_waiting",
        "cl_active_cancel_req",
        "cl_waiting_cancel_req",
        "sv_active",
        "sv_active_cancel",
        "sv_being_canceled",
        "sv_idle",
        "sv_used",
        "sv_tested",
        "sv_login",
        "maxwait",
        "maxwait_us",
        "pool_mode",
        "load_balance_hosts",
    ]);
    for pool in &published.pools {
        let clients = &pool.clients;
        let servers = &pool.servers;
        table.push([
            some(&pool.key.database),
            some(&pool.key.user),
            // PgBouncer counts whoever is logged in and doesn't wait.
            some(clients.active + clients.idle + clients.idle_in_transaction),
            some(clients.waiting),
            some(0),
            some(0),
            some(servers.active),
            some(0),
            some(0),
            some(servers.idle),
            some(servers.used),
            some(servers.tested),
            some(servers.login),
            some(pool.oldest_wait.as_secs()),
            some(pool.oldest_wait.subsec_micros()),
            some(&pool.mode),
            None,
        ]);
    }
    Box::new(table)
}

const CONNECTION: [&str; 21] = [
    "type",
    "user",
    "database",
    "replication",
    "state",
    "addr",
    "port",
    "local_addr",
    "local_port",
    "connect_time",
    "request_time",
    "wait",
    "wait_us",
    "close_needed",
    "ptr",
    "link",
    "remote_pid",
    "tls",
    "application_name",
    "prepared_statements",
    "id",
];

pub(super) fn clients(published: &Published, snapshot: &Snapshot) -> Answer {
    let mut table = Table::new(CONNECTION);
    let backend_pids: BTreeMap<_, _> = snapshot
        .servers
        .iter()
        .map(|server| (server.server, server.backend_pid))
        .collect();
    for client in &snapshot.clients {
        let waited = match client.state {
            ClientState::Waiting => published.at.since(client.since),
            ClientState::Login
            | ClientState::Idle
            | ClientState::Active
            | ClientState::IdleInTransaction => Duration::ZERO,
        };
        let state = match client.state {
            ClientState::Login => "login",
            ClientState::Idle => "idle",
            ClientState::Waiting => "waiting",
            // PgBouncer's word for whoever is linked, and scripts count by it.
            ClientState::Active | ClientState::IdleInTransaction => "active",
        };
        let [user, database] = names(client.key.as_ref());
        let [addr, port] = addr_and_port(&client.addr);
        let pid = client
            .server
            .and_then(|server| backend_pids.get(&server).copied());
        table.push([
            some("C"),
            user,
            database,
            some("none"),
            some(state),
            addr,
            port,
            None,
            None,
            some(civil(&published.clock, client.connected)),
            some(civil(&published.clock, client.since)),
            some(waited.as_secs()),
            some(waited.subsec_micros()),
            some(0),
            some(client.client),
            client.server.map(|server| server.to_string()),
            some(pid.unwrap_or(0)),
            some(&client.tls),
            some(&client.application),
            some(client.prepared_statements),
            some(client.client.0),
        ]);
    }
    Box::new(table)
}

pub(super) fn servers(published: &Published, snapshot: &Snapshot) -> Answer {
    let mut table = Table::new(CONNECTION);
    for server in &snapshot.servers {
        let state = match server.state {
            ServerState::Login => "login",
            ServerState::Idle => "idle",
            ServerState::Active => "active",
            ServerState::Used => "used",
            ServerState::Tested => "tested",
        };
        let [user, database] = names(Some(&server.key));
        table.push([
            some("S"),
            user,
            database,
            some("none"),
            some(state),
            None,
            None,
            None,
            None,
            some(civil(&published.clock, server.connected)),
            some(civil(&published.clock, server.since)),
            some(0),
            some(0),
            some(0),
            some(server.server),
            server.client.map(|client| client.to_string()),
            some(server.backend_pid),
            some(&server.tls),
            some(&server.application),
            None,
            some(server.server.0),
        ]);
    }
    Box::new(table)
}

pub(super) fn pins(published: &Published, snapshot: &Snapshot) -> Answer {
    let mut table = Table::new([
        "database",
        "user",
        "client",
        "addr",
        "application_name",
        "pins",
        "state",
        "state_s",
        "server",
        "remote_pid",
        "fingerprint",
    ]);
    let backend_pids: BTreeMap<_, _> = snapshot
        .servers
        .iter()
        .map(|server| (server.server, server.backend_pid))
        .collect();
    for client in snapshot.clients.iter().filter(|c| !c.pins.is_empty()) {
        let [user, database] = names(client.key.as_ref());
        let state = match client.state {
            ClientState::Login => "login",
            ClientState::Idle => "idle",
            ClientState::Waiting => "waiting",
            ClientState::Active => "active",
            ClientState::IdleInTransaction => "idle_in_transaction",
        };
        let in_state = published.at.since(client.since);
        table.push([
            database,
            user,
            some(client.client),
            some(&client.addr),
            some(&client.application),
            some(pin_names(&client.pins)),
            some(state),
            some(format_args!("{:.3}", in_state.as_secs_f64())),
            client.server.map(|server| server.to_string()),
            client
                .server
                .and_then(|server| backend_pids.get(&server))
                .map(|pid| pid.to_string()),
            some(client.fingerprint),
        ]);
    }
    Box::new(table)
}

fn by_database(published: &Published) -> BTreeMap<&str, Vec<&PoolView>> {
    let mut databases: BTreeMap<&str, Vec<&PoolView>> = BTreeMap::new();
    for pool in &published.pools {
        databases.entry(&pool.key.database).or_default().push(pool);
    }
    databases
}

fn clients_of(pool: &PoolView) -> u32 {
    let clients = &pool.clients;
    clients.active + clients.waiting + clients.idle + clients.idle_in_transaction
}

pub(super) fn databases(published: &Published) -> Answer {
    let mut table = Table::new([
        "name",
        "host",
        "port",
        "database",
        "force_user",
        "pool_size",
        "min_pool_size",
        "reserve_pool_size",
        "server_lifetime",
        "pool_mode",
        "load_balance_hosts",
        "max_connections",
        "current_connections",
        "max_client_connections",
        "current_client_connections",
        "paused",
        "disabled",
    ]);
    for (name, pools) in by_database(published) {
        let size = pools.iter().map(|pool| pool.size).max().unwrap_or(0);
        let size_min = pools.iter().map(|pool| pool.size_min).min().unwrap_or(0);
        let open: u32 = pools.iter().map(|pool| pool.servers.open()).sum();
        let clients: u32 = pools.iter().map(|pool| clients_of(pool)).sum();
        let paused = pools.iter().all(|pool| pool.paused);
        table.push([
            some(name),
            None,
            None,
            some(name),
            None,
            some(size),
            some(size_min),
            some(0),
            None,
            pools.first().map(|pool| pool.mode.clone()),
            None,
            some(0),
            some(open),
            some(0),
            some(clients),
            some(u8::from(paused)),
            some(0),
        ]);
    }
    Box::new(table)
}

pub(super) fn stats(published: &Published) -> Answer {
    let mut table = Table::new([
        "database",
        "total_server_assignment_count",
        "total_xact_count",
        "total_query_count",
        "total_received",
        "total_sent",
        "total_xact_time",
        "total_query_time",
        "total_wait_time",
        "total_client_parse_count",
        "total_server_parse_count",
        "total_bind_count",
        "total_client_login_count",
        "avg_server_assignment_count",
        "avg_xact_count",
        "avg_query_count",
        "avg_recv",
        "avg_sent",
        "avg_xact_time",
        "avg_query_time",
        "avg_wait_time",
        "avg_client_parse_count",
        "avg_server_parse_count",
        "avg_bind_count",
        "avg_client_login_count",
    ]);
    for (name, pools) in by_database(published) {
        let sum = |of: fn(&PoolView) -> u64| some(pools.iter().map(|pool| of(pool)).sum::<u64>());
        let time = |of: fn(&PoolView) -> Duration| {
            micros(pools.iter().map(|pool| of(pool)).sum::<Duration>())
        };
        let mut hold = weir_model::Histogram::default();
        let mut wait = weir_model::Histogram::default();
        for pool in &pools {
            hold.add(&pool.hold);
            wait.add(&pool.wait);
        }
        let per_s: f64 = pools.iter().map(|pool| pool.transactions_per_s).sum();
        table.push([
            some(name),
            None,
            sum(|pool| pool.totals.completions),
            None,
            sum(|pool| pool.totals.bytes_in),
            sum(|pool| pool.totals.bytes_out),
            time(|pool| pool.totals.held.total()),
            time(|pool| pool.totals.held.executing),
            time(|pool| pool.totals.wait.sum()),
            None,
            None,
            None,
            sum(|pool| pool.totals.client_logins),
            None,
            some(per_s.round()),
            None,
            None,
            None,
            micros(hold.mean()),
            None,
            micros(wait.mean()),
            None,
            None,
            None,
            None,
        ]);
    }
    Box::new(table)
}

pub(super) fn lists(published: &Published) -> Answer {
    let pools = &published.pools;
    let users: BTreeSet<&str> = pools.iter().map(|pool| &*pool.key.user).collect();
    let free: u32 = pools.iter().map(|pool| pool.servers.idle).sum();
    let open: u32 = pools.iter().map(|pool| pool.servers.open()).sum();
    let logged_in: u32 = pools.iter().map(clients_of).sum();
    let login = published.worker.clients.saturating_sub(logged_in);
    let mut table = Table::new(["list", "items"]);
    for (list, items) in [
        ("databases", by_database(published).len()),
        ("users", users.len()),
        ("peers", 0),
        ("pools", pools.len()),
        ("peer_pools", 0),
        ("free_clients", 0),
        ("used_clients", logged_in as usize),
        ("login_clients", login as usize),
        ("free_servers", free as usize),
        ("used_servers", (open - free) as usize),
        ("dns_names", 0),
        ("dns_zones", 0),
        ("dns_queries", 0),
        ("dns_pending", 0),
    ] {
        table.push([some(list), some(items)]);
    }
    Box::new(table)
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

pub(super) fn state(published: &Published) -> Answer {
    let status = &published.status;
    let paused = !published.pools.is_empty() && published.pools.iter().all(|pool| pool.paused);
    let mut table = Table::new(["key", "value"]);
    for (key, value) in [
        ("active", yes(!paused && !status.draining)),
        ("paused", yes(paused)),
        ("suspended", "no"),
        ("draining", yes(status.draining)),
        ("regulator", status.regulator.as_str()),
        ("store", status.store.as_str()),
        ("watch", status.watch.as_str()),
    ] {
        table.push([some(key), some(value)]);
    }
    Box::new(table)
}

pub(super) fn config(published: &Published) -> Answer {
    let status = &published.status;
    let mut table = Table::new(["key", "value", "default", "changeable"]);
    for (key, value, changeable) in [
        ("listen", status.listen.join(","), false),
        ("io", status.io.clone(), false),
        ("workers", status.workers.to_string(), false),
        ("regulator.mode", status.regulator.clone(), true),
    ] {
        table.push([some(key), some(value), None, some(yes(changeable))]);
    }
    Box::new(table)
}

pub(super) fn incidents(published: &Published) -> Answer {
    let mut table = Table::new([
        "id",
        "status",
        "severity",
        "level",
        "title",
        "cause",
        "confidence",
        "detected_at",
        "resolved_at",
    ]);
    for incident in &published.incidents {
        let clocks = incident.clocks();
        let top = incident.causes.first();
        table.push([
            some(incident.id),
            some(incident.status),
            some(incident.severity),
            incident.level.map(|level| level.to_string()),
            some(incident.title()),
            top.map(|finding| finding.cause.to_string()),
            top.map(|finding| format!("{:.2}", finding.confidence)),
            some(json::time(clocks.detected_at)),
            clocks.resolved_at.map(json::time),
        ]);
    }
    Box::new(table)
}

pub(super) fn decisions(published: &Published) -> Answer {
    let mut table = Table::new([
        "id", "at", "database", "user", "decision", "because", "expected", "mode", "acted",
    ]);
    for decision in &published.decisions {
        table.push([
            some(decision.id()),
            some(json::time(published.clock.wall(decision.at))),
            some(&decision.key.database),
            some(&decision.key.user),
            some(decision.says()),
            some(&decision.because),
            some(&decision.expected),
            some(decision.mode),
            some(yes(decision.acted)),
        ]);
    }
    Box::new(table)
}

pub(super) fn causes(published: &Published) -> Answer {
    let mut table = Table::new([
        "incident",
        "rank",
        "cause",
        "verdict",
        "confidence",
        "share",
        "says",
        "remedy",
    ]);
    let ongoing = published.incidents.iter().filter(|i| i.status.is_ongoing());
    for incident in ongoing {
        for (rank, finding) in incident.causes.iter().enumerate() {
            table.push([
                some(incident.id),
                some(rank + 1),
                some(finding.cause),
                some("found"),
                some(format_args!("{:.2}", finding.confidence)),
                some(format_args!("{:.2}", finding.share)),
                some(&finding.says),
                some(&finding.remedy.says),
            ]);
        }
        for ruled_out in &incident.ruled_out {
            table.push([
                some(incident.id),
                None,
                some(ruled_out.cause),
                some("ruled out"),
                None,
                None,
                some(&ruled_out.says),
                None,
            ]);
        }
    }
    Box::new(table)
}
