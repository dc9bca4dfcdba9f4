//! SHOW STATS, STATS_TOTALS, STATS_AVERAGES and TOTALS.
//!
//! Totals are since the start of the process, averages of the last ten seconds. What Weir doesn't
//! count is NULL.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_control::handle::PoolView;
use weir_model::{Histogram, PoolRow, PoolTotals};
use weir_wire::backend::ColumnType::{Numeric, Text};

use super::View;
use super::table::{Column, Table, Value, some};

/// The counts in PgBouncer's order; `None`: not counted.
#[derive(Clone, Debug, Default)]
struct Counts {
    server_assignments: Option<u64>,
    transactions: Option<u64>,
    queries: Option<u64>,
    received: Option<u64>,
    sent: Option<u64>,
    transaction_us: Option<u64>,
    query_us: Option<u64>,
    wait_us: Option<u64>,
    client_parses: Option<u64>,
    server_parses: Option<u64>,
    binds: Option<u64>,
    client_logins: Option<u64>,
}

impl Counts {
    fn values(&self) -> [Option<u64>; 12] {
        [
            self.server_assignments,
            self.transactions,
            self.queries,
            self.received,
            self.sent,
            self.transaction_us,
            self.query_us,
            self.wait_us,
            self.client_parses,
            self.server_parses,
            self.binds,
            self.client_logins,
        ]
    }

    fn cells(&self) -> impl Iterator<Item = Value> {
        self.values().into_iter().map(|v| v.map(|v| v.to_string()))
    }
}

const NAMES: [&str; 12] = [
    "server_assignment_count",
    "xact_count",
    "query_count",
    "client_bytes",
    "server_bytes",
    "xact_time",
    "query_time",
    "wait_time",
    "ps_client_parse_count",
    "ps_server_parse_count",
    "ps_bind_count",
    "client_login_count",
];

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn total(pools: &[&PoolRow]) -> Counts {
    let sum = |of: fn(&PoolTotals) -> u64| Some(pools.iter().map(|pool| of(&pool.totals)).sum());
    Counts {
        server_assignments: sum(|t| t.assignments),
        transactions: sum(|t| t.transactions),
        queries: sum(|t| t.queries),
        received: sum(|t| t.bytes_in),
        sent: sum(|t| t.bytes_out),
        transaction_us: sum(|t| micros(t.held.total())),
        query_us: sum(|t| micros(t.held.executing)),
        wait_us: sum(|t| micros(t.wait)),
        client_logins: sum(|t| t.client_logins),
        ..Counts::default()
    }
}

fn average(pools: &[&PoolView]) -> Counts {
    let (mut hold, mut wait) = (Histogram::default(), Histogram::default());
    for pool in pools {
        hold.add(&pool.hold);
        wait.add(&pool.wait);
    }
    let per_s: f64 = pools.iter().map(|pool| pool.transactions_per_s).sum();
    Counts {
        transactions: Some(per_s.round().max(0.0) as u64),
        transaction_us: Some(micros(hold.mean())),
        wait_us: Some(micros(wait.mean())),
        ..Counts::default()
    }
}

/// The console's own: each command is a transaction and a query.
fn console(view: &View<'_>) -> Counts {
    Counts {
        server_assignments: Some(0),
        transactions: Some(view.commands),
        queries: Some(view.commands),
        ..Counts::default()
    }
}

/// Totals are of this very moment, averages as the control plane published them last.
fn by_database<'a>(view: &View<'a>) -> BTreeMap<&'a str, (Vec<&'a PoolRow>, Vec<&'a PoolView>)> {
    let mut databases: BTreeMap<&str, (Vec<&PoolRow>, Vec<&PoolView>)> = BTreeMap::new();
    for pool in &view.snapshot.pools {
        databases
            .entry(&pool.key.database)
            .or_default()
            .0
            .push(pool);
    }
    for pool in &view.published.pools {
        if let Some((_, averages)) = databases.get_mut(&*pool.key.database) {
            averages.push(pool);
        }
    }
    databases
}

fn rows(view: &View<'_>) -> Vec<(String, Counts, Counts)> {
    let mut rows: Vec<_> = by_database(view)
        .into_iter()
        .map(|(name, (now, then))| (name.to_owned(), total(&now), average(&then)))
        .collect();
    rows.push(("pgbouncer".to_owned(), console(view), Counts::default()));
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

fn columns(names: &[&'static str]) -> Vec<Column> {
    std::iter::once(("database", Text))
        .chain(names.iter().map(|name| (*name, Numeric)))
        .collect()
}

pub(super) fn stats(view: &View<'_>) -> Table {
    let mut table = Table::new(&columns(&[
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
    ]));
    for (name, total, average) in rows(view) {
        let row: Vec<Value> = std::iter::once(some(name))
            .chain(total.cells())
            .chain(average.cells())
            .collect();
        table.push(row);
    }
    table
}

pub(super) fn totals_by_database(view: &View<'_>) -> Table {
    let mut table = Table::new(&columns(&[
        "server_assignment_count",
        "xact_count",
        "query_count",
        "bytes_received",
        "bytes_sent",
        "xact_time",
        "query_time",
        "wait_time",
        "client_parse_count",
        "server_parse_count",
        "bind_count",
        "client_login_count",
    ]));
    for (name, total, _) in rows(view) {
        let row: Vec<Value> = std::iter::once(some(name)).chain(total.cells()).collect();
        table.push(row);
    }
    table
}

pub(super) fn averages_by_database(view: &View<'_>) -> Table {
    let mut table = Table::new(&columns(&[
        "server_assignment_count",
        "xact_count",
        "query_count",
        "bytes_received",
        "bytes_sent",
        "xact_time",
        "query_time",
        "wait_time",
        "avg_client_parse_count",
        "avg_server_parse_count",
        "avg_bind_count",
        "avg_client_login_count",
    ]));
    for (name, _, average) in rows(view) {
        let row: Vec<Value> = std::iter::once(some(name)).chain(average.cells()).collect();
        table.push(row);
    }
    table
}

pub(super) fn totals(view: &View<'_>) -> Table {
    let mut table = Table::new(&[("name", Text), ("value", Numeric)]);
    let add = |into: &mut [Option<u64>; 12], more: [Option<u64>; 12]| {
        for (sum, more) in into.iter_mut().zip(more) {
            *sum = match (*sum, more) {
                (Some(a), Some(b)) => Some(a + b),
                (a, b) => a.or(b),
            };
        }
    };
    let (mut all, mut mean) = ([None; 12], [None; 12]);
    for (_, total, average) in rows(view) {
        add(&mut all, total.values());
        add(&mut mean, average.values());
    }
    for (prefix, values) in [("total_", all), ("avg_", mean)] {
        for (name, value) in NAMES.iter().zip(values) {
            table.push([
                some(format_args!("{prefix}{name}")),
                value.map(|v| v.to_string()),
            ]);
        }
    }
    table
}
