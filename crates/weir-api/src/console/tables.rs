//! SHOW POOLS, DATABASES, USERS and the smaller tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_model::{ClientState, DatabaseRow, PoolMode, PoolSettings};
use weir_wire::backend::ColumnType::{Int4, Int8, Text};

use super::View;
use super::table::{Table, some};

/// The console's database, as PgBouncer names it.
const CONSOLE: &str = "pgbouncer";

pub(super) fn version(view: &View<'_>) -> Table {
    let mut table = Table::new(&[("version", Text)]);
    table.push([some(&view.kept.version)]);
    table
}

pub(super) fn parameter(name: &'static str, value: &str) -> Table {
    let mut table = Table::new(&[(name, Text)]);
    table.push([some(value)]);
    table
}

/// Several hosts stand in turn, and the mode of turning matters; one host has none.
fn load_balance(settings: Option<&PoolSettings>) -> Option<String> {
    let server = &settings?.server;
    (!server.further.is_empty()).then(|| server.load_balance.name().to_owned())
}

pub(super) fn pools(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("database", Text),
        ("user", Text),
        ("cl_active", Int4),
        ("cl_waiting", Int4),
        ("cl_active_cancel_req", Int4),
        ("cl_waiting_cancel_req", Int4),
        ("sv_active", Int4),
        ("sv_active_cancel", Int4),
        ("sv_being_canceled", Int4),
        ("sv_idle", Int4),
        ("sv_used", Int4),
        ("sv_tested", Int4),
        ("sv_login", Int4),
        ("maxwait", Int4),
        ("maxwait_us", Int4),
        ("pool_mode", Text),
        ("load_balance_hosts", Text),
    ]);
    let mut rows: Vec<_> = view.snapshot.pools.iter().collect();
    rows.sort_by(|a, b| (&a.key.database, &a.key.user).cmp(&(&b.key.database, &b.key.user)));
    for pool in rows {
        let (clients, servers) = (&pool.clients, &pool.servers);
        table.push([
            some(&pool.key.database),
            some(&pool.key.user),
            // PgBouncer counts whoever is logged in and doesn't wait.
            some(clients.active + clients.idle + clients.idle_in_transaction),
            some(clients.waiting),
            some(pool.cancels),
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
            some(pool.mode),
            load_balance(settings_of(view, &pool.key.database)),
        ]);
    }
    let consoles = console_clients(view);
    if consoles > 0 {
        let mut row = vec![some(CONSOLE), some(CONSOLE), some(consoles)];
        row.extend((0..12).map(|_| some(0)));
        row.extend([some(PoolMode::Statement), None]);
        table.push(row);
    }
    table
}

fn console_clients(view: &View<'_>) -> usize {
    view.snapshot
        .clients
        .iter()
        .filter(|c| c.pool.is_none() && c.state != ClientState::Login)
        .count()
}

pub(super) fn peer_pools(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("peer_id", Int4),
        ("cl_active_cancel_req", Int4),
        ("cl_waiting_cancel_req", Int4),
        ("sv_active_cancel", Int4),
        ("sv_login", Int4),
    ]);
    for peer in &view.kept.peers {
        table.push([some(peer.id), some(0), some(0), some(0), some(0)]);
    }
    table
}

pub(super) fn peers(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("peer_id", Int4),
        ("host", Text),
        ("port", Int4),
        ("pool_size", Int4),
    ]);
    for peer in &view.kept.peers {
        table.push([
            some(peer.id),
            some(&peer.host),
            some(peer.port),
            some(peer.pool_size),
        ]);
    }
    table
}

fn settings_of<'a>(view: &View<'a>, database: &str) -> Option<&'a PoolSettings> {
    let pools = &view.kept.settings.pools;
    let exact = pools.iter().find(|pool| *pool.database == *database);
    exact.or_else(|| pools.iter().find(|pool| &*pool.database == "*"))
}

pub(super) fn databases(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("name", Text),
        ("host", Text),
        ("port", Int4),
        ("database", Text),
        ("force_user", Text),
        ("pool_size", Int4),
        ("min_pool_size", Int4),
        ("reserve_pool_size", Int4),
        ("server_lifetime", Text),
        ("pool_mode", Text),
        ("load_balance_hosts", Text),
        ("max_connections", Int4),
        ("current_connections", Int4),
        ("max_client_connections", Int4),
        ("current_client_connections", Int4),
        ("paused", Int4),
        ("disabled", Int4),
    ]);
    let rows: BTreeMap<&str, &DatabaseRow> = view
        .snapshot
        .databases
        .iter()
        .map(|row| (&*row.name, row))
        .collect();
    let mut names: BTreeSet<&str> = rows.keys().copied().collect();
    let written = view.kept.settings.pools.iter();
    names.extend(written.map(|p| &*p.database).filter(|name| *name != "*"));
    names.insert(CONSOLE);
    for name in names {
        if name == CONSOLE {
            table.push([
                some(CONSOLE),
                None,
                some(view.kept.port),
                some(CONSOLE),
                some(CONSOLE),
                some(2),
                some(0),
                some(0),
                some(0),
                some(PoolMode::Statement),
                None,
                some(0),
                some(0),
                some(0),
                some(console_clients(view)),
                some(0),
                some(0),
            ]);
            continue;
        }
        let Some(settings) = settings_of(view, name) else {
            continue;
        };
        let server = &settings.server;
        let hosts: Vec<String> = server
            .places()
            .into_iter()
            .map(|place| place.host.to_string())
            .collect();
        let row = rows.get(name);
        let is = |of: fn(&DatabaseRow) -> bool| some(u8::from(row.is_some_and(|row| of(row))));
        table.push([
            some(name),
            some(hosts.join(",")),
            some(server.port),
            some(settings.server_database.as_deref().unwrap_or(name)),
            settings.user.as_ref().map(Arc::to_string),
            some(settings.size.initial()),
            some(settings.size_min),
            some(settings.reserve_size),
            some(server.lifetime.as_secs()),
            (view.kept.mode_default != Some(settings.mode)).then(|| settings.mode.to_string()),
            load_balance(Some(settings)),
            some(settings.connections_max),
            some(row.map_or(0, |row| row.servers)),
            some(settings.clients_max),
            some(row.map_or(0, |row| row.clients)),
            is(|row| row.paused),
            is(|row| row.disabled),
        ]);
    }
    table
}

pub(super) fn users(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("name", Text),
        ("pool_size", Text),
        ("reserve_pool_size", Text),
        ("pool_mode", Text),
        ("max_user_connections", Int4),
        ("current_connections", Int4),
        ("max_user_client_connections", Int4),
        ("current_client_connections", Int4),
    ]);
    let settings = &view.kept.settings;
    let rows: BTreeMap<&str, _> = view
        .snapshot
        .users
        .iter()
        .map(|row| (&*row.name, row))
        .collect();
    let mut names: BTreeSet<&str> = rows.keys().copied().collect();
    names.extend(settings.users.keys().map(|name| &**name));
    names.extend(settings.user_settings.keys().map(|name| &**name));
    for name in names {
        let own = settings.user_settings.get(name);
        let row = rows.get(name);
        // Text of nine places: so PgBouncer writes it.
        let padded = |n: Option<u32>| some(n.map(|n| format!("{n:>9}")).unwrap_or_default());
        table.push([
            some(name),
            padded(own.and_then(|o| o.size).map(std::num::NonZeroU32::get)),
            padded(own.and_then(|o| o.reserve_size)),
            own.and_then(|o| o.mode).map(|mode| mode.to_string()),
            some(
                own.and_then(|o| o.connections_max)
                    .unwrap_or(settings.user_connections_max),
            ),
            some(row.map_or(0, |row| row.servers)),
            some(
                own.and_then(|o| o.clients_max)
                    .unwrap_or(settings.user_clients_max),
            ),
            some(row.map_or(0, |row| row.clients)),
        ]);
    }
    table
}

pub(super) fn lists(view: &View<'_>) -> Table {
    let snapshot = view.snapshot;
    let login = |state| state == ClientState::Login;
    let logins = snapshot.clients.iter().filter(|c| login(c.state)).count();
    let mut table = Table::new(&[("list", Text), ("items", Int4)]);
    for (list, items) in [
        ("databases", databases(view).len()),
        ("users", users(view).len()),
        ("peers", view.kept.peers.len()),
        ("pools", pools(view).len()),
        ("peer_pools", view.kept.peers.len()),
        // Nothing is kept in store: what is free is given back.
        ("free_clients", 0),
        ("used_clients", snapshot.clients.len() - logins),
        ("login_clients", logins),
        ("free_servers", 0),
        ("used_servers", snapshot.servers.len()),
        ("dns_names", 0),
        ("dns_zones", 0),
        ("dns_queries", 0),
        ("dns_pending", 0),
    ] {
        table.push([some(list), some(items)]);
    }
    table
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

pub(super) fn state(view: &View<'_>) -> Table {
    let status = &view.published.status;
    let (paused, suspended) = (view.snapshot.paused, view.snapshot.suspended);
    let mut table = Table::new(&[("key", Text), ("value", Text)]);
    for (key, value) in [
        ("active", yes(!paused && !suspended)),
        ("paused", yes(paused && !suspended)),
        ("suspended", yes(suspended)),
        ("draining", yes(status.draining)),
        ("regulator", status.regulator.as_str()),
        ("store", status.store.as_str()),
        ("watch", status.watch.as_str()),
    ] {
        table.push([some(key), some(value)]);
    }
    table
}

pub(super) fn config(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("key", Text),
        ("value", Text),
        ("default", Text),
        ("changeable", Text),
    ]);
    for row in &view.kept.config {
        table.push([
            some(&row.key),
            row.value.clone(),
            row.default.clone(),
            some(yes(row.changeable)),
        ]);
    }
    table
}

/// PgBouncer shows its caches of objects; Weir has none, and shows what it holds.
pub(super) fn mem(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("name", Text),
        ("size", Int4),
        ("used", Int4),
        ("free", Int4),
        ("memtotal", Int8),
    ]);
    let snapshot = view.snapshot;
    for (name, used) in [
        ("client_cache", snapshot.clients.len()),
        ("server_cache", snapshot.servers.len()),
        ("pool_cache", snapshot.pools.len()),
        ("user_cache", snapshot.users.len()),
        ("db_cache", snapshot.databases.len()),
    ] {
        table.push([some(name), None, some(used), some(0), None]);
    }
    let buffered = view.published.worker.buffered_bytes;
    table.push([some("iobuf_cache"), some(1), None, some(0), some(buffered)]);
    table
}

/// Names are looked up when a server is dialled, by the system; nothing is kept.
pub(super) fn dns_hosts() -> Table {
    Table::new(&[("hostname", Text), ("ttl", Int8), ("addrs", Text)])
}

pub(super) fn dns_zones() -> Table {
    Table::new(&[("zonename", Text), ("serial", Int8), ("count", Int4)])
}
