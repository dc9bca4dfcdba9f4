//! What PgBouncer doesn't have: pins, waits, incidents, causes, decisions.

use std::collections::BTreeMap;

use weir_model::{ClientState, Pin};
use weir_wire::backend::ColumnType::{Int4, Int8, Numeric, Text};

use super::View;
use super::sockets::pointer;
use super::table::{Table, some};
use crate::json;

fn pin_names(pins: &[Pin]) -> String {
    let names: Vec<&str> = pins.iter().map(|pin| pin.name()).collect();
    names.join(",")
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

pub(super) fn pins(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("database", Text),
        ("user", Text),
        ("client", Text),
        ("addr", Text),
        ("application_name", Text),
        ("pins", Text),
        ("state", Text),
        ("state_s", Numeric),
        ("server", Text),
        ("remote_pid", Int4),
        ("fingerprint", Text),
    ]);
    let backend_pids: BTreeMap<_, _> = view
        .snapshot
        .servers
        .iter()
        .map(|server| (server.server, server.backend_pid))
        .collect();
    for client in view.snapshot.clients.iter().filter(|c| !c.pins.is_empty()) {
        let state = match client.state {
            ClientState::Login => "login",
            ClientState::Idle => "idle",
            ClientState::Waiting => "waiting",
            ClientState::Active => "active",
            ClientState::IdleInTransaction => "idle_in_transaction",
        };
        let in_state = view.published.at.since(client.since);
        table.push([
            some(&client.database),
            some(&client.user),
            some(pointer(client.client.0)),
            some(&client.addr),
            some(&client.application),
            some(pin_names(&client.pins)),
            some(state),
            some(format_args!("{:.3}", in_state.as_secs_f64())),
            client.server.map(|server| pointer(server.0)),
            client
                .server
                .and_then(|server| backend_pids.get(&server))
                .map(|pid| pid.to_string()),
            some(client.fingerprint),
        ]);
    }
    table
}

/// Who waits for a server, the longest first, and how many stand ahead in the same pool.
pub(super) fn waits(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("database", Text),
        ("user", Text),
        ("client", Text),
        ("addr", Text),
        ("application_name", Text),
        ("wait_s", Numeric),
        ("ahead", Int8),
        ("fingerprint", Text),
    ]);
    let mut waiting: Vec<_> = view
        .snapshot
        .clients
        .iter()
        .filter(|client| client.state == ClientState::Waiting)
        .collect();
    waiting.sort_by_key(|client| (client.since, client.client));
    let mut ahead: BTreeMap<_, u64> = BTreeMap::new();
    for client in waiting {
        let before = ahead.entry(client.pool).or_default();
        table.push([
            some(&client.database),
            some(&client.user),
            some(pointer(client.client.0)),
            some(&client.addr),
            some(&client.application),
            some(format_args!(
                "{:.3}",
                view.published.at.since(client.since).as_secs_f64()
            )),
            some(*before),
            some(client.fingerprint),
        ]);
        *before += 1;
    }
    table
}

pub(super) fn incidents(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("id", Text),
        ("status", Text),
        ("severity", Text),
        ("level", Text),
        ("title", Text),
        ("cause", Text),
        ("confidence", Numeric),
        ("detected_at", Text),
        ("resolved_at", Text),
    ]);
    for incident in &view.published.incidents {
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
    table
}

pub(super) fn decisions(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("id", Text),
        ("at", Text),
        ("database", Text),
        ("user", Text),
        ("decision", Text),
        ("because", Text),
        ("expected", Text),
        ("mode", Text),
        ("acted", Text),
    ]);
    for decision in &view.published.decisions {
        table.push([
            some(decision.id()),
            some(json::time(view.published.clock.wall(decision.at))),
            some(&decision.key.database),
            some(&decision.key.user),
            some(decision.says()),
            some(&decision.because),
            some(&decision.expected),
            some(decision.mode),
            some(yes(decision.acted)),
        ]);
    }
    table
}

pub(super) fn causes(view: &View<'_>) -> Table {
    let mut table = Table::new(&[
        ("incident", Text),
        ("rank", Int8),
        ("cause", Text),
        ("verdict", Text),
        ("confidence", Numeric),
        ("share", Numeric),
        ("says", Text),
        ("remedy", Text),
    ]);
    let ongoing = view
        .published
        .incidents
        .iter()
        .filter(|i| i.status.is_ongoing());
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
    table
}
