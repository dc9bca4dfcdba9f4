//! `GET /api/v1/overview`: what one look at everything shows, and the same in short for events.
//!
//! # What always holds
//! - The hops' shares are of one whole: what transactions spent waiting for a server, and holding
//!   one. They add up to 1 wherever anything was measured.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use weir_control::core::was_open;
use weir_control::handle::{PoolView, Published, SPARK_STEP, Spark};
use weir_control::incident::Incident;
use weir_model::{ClientCounts, Histogram, HoldTime, ServerCounts};

use super::brief;
use super::past::{self, AtQuery};
use crate::fault::ApiFault;
use crate::json::{self, seconds};
use crate::read::{Asked, query};
use crate::server::Api;

/// Decisions shown.
const DECISIONS: usize = 5;
/// Incidents shown; more than a handful at once are one large one.
const INCIDENTS: usize = 50;

/// `GET /api/v1/overview`.
pub(crate) async fn overview(
    State(api): State<Api>,
    asked: Asked<AtQuery>,
) -> Result<Json<Value>, ApiFault> {
    let at = query(asked, "at")?.wall()?;
    let published = past::published(&api, at).await?;
    Ok(Json(document(&published)))
}

fn document(published: &Published) -> Value {
    let at = published.wall();
    let ongoing = |incident: &Incident| match published.as_of {
        None => incident.status.is_ongoing(),
        Some(_) => was_open(incident, at),
    };
    let mut pools: Vec<&PoolView> = published.pools.iter().collect();
    pools.sort_by_key(|pool| {
        (
            pool.level.is_none(),
            std::cmp::Reverse(pool.clients.waiting),
            &pool.key,
        )
    });
    let mut document = json!({
        "schema": "weir.overview/1",
        "at": json::time(at),
        "live": published.as_of.is_none(),
        "window_s": seconds(published.window),
        "resolution_s": seconds(published.resolution),
        "open_incidents": published.incidents.iter()
            .filter(|incident| ongoing(incident))
            .take(INCIDENTS)
            .map(|incident| json::incident_summary(incident))
            .collect::<Value>(),
        "decisions": published.decisions.iter()
            .take(DECISIONS)
            .map(|decision| json::decision(decision, &published.clock))
            .collect::<Value>(),
        "pools": pools.iter()
            .map(|pool| {
                let mut row = pool_brief(pool);
                row.insert("spark".to_owned(), spark(&pool.spark, published));
                Value::Object(row)
            })
            .collect::<Value>(),
    });
    if let Value::Object(document) = &mut document {
        document.extend(totals(published));
    }
    document
}

/// A pool in one row.
pub(crate) fn pool_brief(pool: &PoolView) -> Map<String, Value> {
    let row = json!({
        "database": &*pool.key.database,
        "user": &*pool.key.user,
        "size": pool.size,
        "size_min": pool.size_min,
        "size_max": json::size_max(pool),
        "level": pool.level,
        "paused": pool.paused,
        "incident": pool.incident.map(|id| id.to_string()),
        "waiting": pool.clients.waiting,
        "active": pool.servers.active,
        "oldest_wait_s": seconds(pool.oldest_wait),
        "transactions_per_s": json::rounded(pool.transactions_per_s),
        "wait_p99_s": seconds(pool.wait.quantile(0.99)),
    });
    match row {
        Value::Object(row) => row,
        _ => Map::new(),
    }
}

fn spark(spark: &Spark, published: &Published) -> Value {
    let steps = u32::try_from(spark.points.len()).unwrap_or(u32::MAX);
    let from = published.clock.wall(spark.to).before(SPARK_STEP * steps);
    let points = || spark.points.iter();
    json!({
        "from": json::time(from),
        "step_s": seconds(SPARK_STEP),
        "wait_p99_s": points().map(|p| p.map(|p| seconds(p.wait_p99))).collect::<Vec<_>>(),
        "waiting": points().map(|p| p.map(|p| p.waiting)).collect::<Vec<_>>(),
        "busy": points().map(|p| p.map(|p| json::rounded(p.busy))).collect::<Vec<_>>(),
    })
}

/// Sums over all pools.
#[derive(Debug, Default)]
struct Sums {
    arrivals: f64,
    transactions: f64,
    failures: f64,
    abandoned: f64,
    wait: Histogram,
    hold: Histogram,
    held: HoldTime,
    clients: ClientCounts,
    servers: ServerCounts,
}

impl Sums {
    fn of(published: &Published) -> Self {
        let mut sums = Self::default();
        for pool in &published.pools {
            sums.arrivals += pool.arrivals_per_s;
            sums.transactions += pool.transactions_per_s;
            sums.failures += pool.failures_per_s;
            sums.abandoned += pool.abandoned_per_s;
            sums.wait.add(&pool.wait);
            sums.hold.add(&pool.hold);
            sums.held.add(pool.held);
            sums.clients.active += pool.clients.active;
            sums.clients.waiting += pool.clients.waiting;
            sums.clients.idle += pool.clients.idle;
            sums.clients.idle_in_transaction += pool.clients.idle_in_transaction;
            sums.servers.active += pool.servers.active;
            sums.servers.idle += pool.servers.idle;
            sums.servers.login += pool.servers.login;
            sums.servers.tested += pool.servers.tested;
            sums.servers.used += pool.servers.used;
        }
        sums
    }
}

/// What both the overview and each event say of all pools together.
pub(crate) fn totals(published: &Published) -> Map<String, Value> {
    let sums = Sums::of(published);
    let path = path(&sums.wait, &sums.held, sums.hold.count());
    let says = says(published, &sums, &path);
    let totals = json!({
        "path": path.iter().map(Hop::document).collect::<Value>(),
        "arrivals_per_s": json::rounded(sums.arrivals),
        "transactions_per_s": json::rounded(sums.transactions),
        "failures_per_s": json::rounded(sums.failures),
        "abandoned_per_s": json::rounded(sums.abandoned),
        "wait_s": json::quantiles(&sums.wait),
        "hold_s": {
            "p50": seconds(sums.hold.quantile(0.5)),
            "p99": seconds(sums.hold.quantile(0.99)),
        },
        "clients": json::client_counts(&sums.clients),
        "servers": json::server_counts(&sums.servers),
        "says": says,
    });
    match totals {
        Value::Object(totals) => totals,
        _ => Map::new(),
    }
}

/// One hop of a transaction's way.
#[derive(Debug, PartialEq)]
struct Hop {
    name: &'static str,
    what: &'static str,
    share: f64,
    mean: Duration,
}

impl Hop {
    fn document(&self) -> Value {
        json!({
            "hop": self.name,
            "share": json::rounded(self.share),
            "mean_s": seconds(self.mean),
            "says": format!(
                "{}: {} of each transaction, {:.0} %",
                self.what,
                brief(self.mean),
                self.share * 100.0
            ),
        })
    }
}

/// Where the time of transactions went, in the order of their way.
fn path(wait: &Histogram, held: &HoldTime, ended: u64) -> Vec<Hop> {
    let whole = wait.sum() + held.total();
    let transactions = u32::try_from(ended.max(wait.count())).unwrap_or(u32::MAX);
    [
        (
            "client",
            "the client thinks while it holds a server",
            held.thinking,
        ),
        ("queue", "waiting for a server", wait.sum()),
        ("network", "on the network", held.network),
        ("server", "PostgreSQL executes", held.executing),
    ]
    .into_iter()
    .map(|(name, what, part)| Hop {
        name,
        what,
        share: match whole.is_zero() {
            true => 0.0,
            false => part.as_secs_f64() / whole.as_secs_f64(),
        },
        // Of transactions that still go on, time is known and their number isn't.
        mean: part / transactions.max(1),
    })
    .collect()
}

fn says(published: &Published, sums: &Sums, path: &[Hop]) -> String {
    let odd: Vec<&PoolView> = {
        let pools = published.pools.iter();
        pools.filter(|pool| pool.level.is_some()).collect()
    };
    let first = match (odd.first(), published.pools.len()) {
        (_, 0) => return "No pool is open; one opens with its first client.".to_owned(),
        (Some(worst), _) => {
            let level = worst.level.map_or("odd", |level| level.name());
            let more = match odd.len() {
                1 => String::new(),
                n => format!(" ({} more pools have a level)", n - 1),
            };
            format!(
                "{} is {level}: {} clients wait, the oldest for {}{more}.",
                worst.key,
                worst.clients.waiting,
                brief(worst.oldest_wait)
            )
        }
        (None, n) if sums.clients.waiting > 0 => format!(
            "{} clients wait for a server in {n} pools; none has an incident.",
            sums.clients.waiting
        ),
        (None, 1) => "Nobody waits for a server.".to_owned(),
        (None, n) => format!("Nobody waits for a server in any of {n} pools."),
    };
    let most = path.iter().max_by(|a, b| a.share.total_cmp(&b.share));
    match most.filter(|hop| hop.share > 0.0) {
        Some(hop) => format!(
            "{first} Most of a transaction's time: {} ({:.0} %).",
            hop.what,
            hop.share * 100.0
        ),
        None => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_the_path_add_up_to_one_and_queue_is_among_them() {
        let ms = Duration::from_millis;
        let mut wait = Histogram::default();
        (0..10).for_each(|_| wait.record(ms(30)));
        let held = HoldTime {
            executing: ms(500),
            thinking: ms(100),
            network: ms(100),
        };
        let path = path(&wait, &held, 10);
        let sum: f64 = path.iter().map(|hop| hop.share).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{path:?}");
        let names: Vec<_> = path.iter().map(|hop| (hop.name, hop.mean)).collect();
        assert_eq!(
            names,
            [
                ("client", ms(10)),
                ("queue", ms(30)),
                ("network", ms(10)),
                ("server", ms(50))
            ]
        );
        assert!((path[1].share - 0.3).abs() < 1e-9);
    }

    #[test]
    fn nothing_measured_divides_by_nothing() {
        let path = path(&Histogram::default(), &HoldTime::default(), 0);
        assert!(
            path.iter()
                .all(|hop| hop.share == 0.0 && hop.mean.is_zero())
        );
    }
}
