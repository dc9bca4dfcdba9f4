//! SHOW CLIENTS, SERVERS, SOCKETS and ACTIVE_SOCKETS.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_model::{ClientId, ClientRow, ClientState, ClockMap, Instant, ServerRow, ServerState};
use weir_wire::backend::ColumnType::{Int4, Int8, Text};

use super::View;
use super::table::{Column, Table, Value, some};

const CONNECTION: [Column; 21] = [
    ("type", Text),
    ("user", Text),
    ("database", Text),
    ("replication", Text),
    ("state", Text),
    ("addr", Text),
    ("port", Int4),
    ("local_addr", Text),
    ("local_port", Int4),
    ("connect_time", Text),
    ("request_time", Text),
    ("wait", Int4),
    ("wait_us", Int4),
    ("close_needed", Int4),
    ("ptr", Text),
    ("link", Text),
    ("remote_pid", Int4),
    ("tls", Text),
    ("application_name", Text),
    ("prepared_statements", Int4),
    ("id", Int8),
];

/// What SHOW SOCKETS has beyond SHOW CLIENTS: places in PgBouncer's buffers. Weir has no such
/// buffers, so there is nothing in them.
const BUFFERS: [Column; 7] = [
    ("recv_pos", Int4),
    ("pkt_pos", Int4),
    ("pkt_remain", Int4),
    ("send_pos", Int4),
    ("send_remain", Int4),
    ("pkt_avail", Int4),
    ("send_avail", Int4),
];

/// How PgBouncer writes a time.
fn civil(clock: &ClockMap, at: Instant) -> String {
    match jiff::Timestamp::from_microsecond(clock.wall(at).as_micros()) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => String::new(),
    }
}

/// A connection's name, as in the log: `C-0x1f`, `S-0x20` without the letter. PgBouncer shows an
/// address of its memory there; this is the number in `id`.
pub(super) fn pointer(id: u64) -> String {
    format!("{id:#x}")
}

/// `127.0.0.1:51234` or `[::1]:51234` as address and port; a Unix socket has port 0.
fn addr_and_port(addr: &str) -> [Value; 2] {
    match addr.parse::<std::net::SocketAddr>() {
        Ok(addr) => [some(addr.ip()), some(addr.port())],
        Err(_) => [some(addr), some(0)],
    }
}

/// A console client has no pool: its database is the console's.
fn database_of(client: &ClientRow) -> String {
    match (&client.key, client.state) {
        (Some(key), _) => key.database.to_string(),
        (None, ClientState::Login) if client.database.is_empty() => "(nodb)".to_owned(),
        (None, _) if client.database.is_empty() => "pgbouncer".to_owned(),
        (None, _) => client.database.to_string(),
    }
}

fn or<'a>(text: &'a str, instead: &'a str) -> &'a str {
    if text.is_empty() { instead } else { text }
}

fn client(view: &View<'_>, row: &ClientRow, pids: &BTreeMap<ClientId, i32>) -> Vec<Value> {
    let waited = match row.state {
        ClientState::Waiting => view.published.at.since(row.since),
        ClientState::Login
        | ClientState::Idle
        | ClientState::Active
        | ClientState::IdleInTransaction => Duration::ZERO,
    };
    let state = match row.state {
        ClientState::Login => "login",
        ClientState::Idle => "idle",
        ClientState::Waiting => "waiting",
        // PgBouncer's word for whoever is linked, and scripts count by it.
        ClientState::Active | ClientState::IdleInTransaction => "active",
    };
    let [addr, port] = addr_and_port(&row.addr);
    vec![
        some("C"),
        some(or(&row.user, "(nouser)")),
        some(database_of(row)),
        some("none"),
        some(state),
        addr,
        port,
        None,
        None,
        some(civil(&view.published.clock, row.connected)),
        some(civil(&view.published.clock, row.since)),
        some(waited.as_secs()),
        some(waited.subsec_micros()),
        some(0),
        some(pointer(row.client.0)),
        some(row.server.map(|s| pointer(s.0)).unwrap_or_default()),
        some(pids.get(&row.client).copied().unwrap_or(0)),
        some(&row.tls),
        some(&row.application),
        some(row.prepared_statements),
        some(row.client.0),
    ]
}

fn server(view: &View<'_>, row: &ServerRow) -> Vec<Value> {
    let state = match row.state {
        ServerState::Login => "new",
        ServerState::Idle => "idle",
        ServerState::Active => "active",
        ServerState::Used => "used",
        ServerState::Tested => "tested",
    };
    let waited = match row.state {
        ServerState::Active => view.published.at.since(row.since),
        ServerState::Login | ServerState::Idle | ServerState::Used | ServerState::Tested => {
            Duration::ZERO
        }
    };
    vec![
        some("S"),
        some(&row.key.user),
        some(&row.key.database),
        some("none"),
        some(state),
        some(&row.host),
        some(row.port),
        None,
        None,
        some(civil(&view.published.clock, row.connected)),
        some(civil(&view.published.clock, row.since)),
        some(waited.as_secs()),
        some(waited.subsec_micros()),
        some(u8::from(row.close_needed)),
        some(pointer(row.server.0)),
        some(row.client.map(|c| pointer(c.0)).unwrap_or_default()),
        some(row.backend_pid),
        some(&row.tls),
        some(&row.application),
        some(row.prepared_statements),
        some(row.server.0),
    ]
}

fn pids(view: &View<'_>) -> BTreeMap<ClientId, i32> {
    view.snapshot
        .servers
        .iter()
        .filter_map(|server| Some((server.client?, server.backend_pid)))
        .collect()
}

pub(super) fn clients(view: &View<'_>) -> Table {
    let mut table = Table::new(&CONNECTION);
    let pids = pids(view);
    for row in &view.snapshot.clients {
        table.push(client(view, row, &pids));
    }
    table
}

pub(super) fn servers(view: &View<'_>) -> Table {
    let mut table = Table::new(&CONNECTION);
    for row in &view.snapshot.servers {
        table.push(server(view, row));
    }
    table
}

/// Both; `active`: only those that are at work.
pub(super) fn sockets(view: &View<'_>, active: bool) -> Table {
    let columns: Vec<Column> = CONNECTION.iter().chain(&BUFFERS).copied().collect();
    let mut table = Table::new(&columns);
    let pids = pids(view);
    let wide = |mut row: Vec<Value>| {
        row.extend(BUFFERS.map(|_| some(0)));
        row
    };
    for row in &view.snapshot.clients {
        let works = matches!(
            row.state,
            ClientState::Active | ClientState::IdleInTransaction | ClientState::Waiting
        );
        if works || !active {
            table.push(wide(client(view, row, &pids)));
        }
    }
    for row in &view.snapshot.servers {
        if row.state == ServerState::Active || !active {
            table.push(wide(server(view, row)));
        }
    }
    table
}
