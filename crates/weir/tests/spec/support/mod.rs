//! A PostgreSQL for all, a Weir for each, and clients of both.

mod postgres;
mod weir;
pub(crate) mod wire;

use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

pub(crate) use postgres::{Pg, postgres, program, said};
pub(crate) use weir::{MODES, Weir, pooled, weir_command};
pub(crate) use wire::Raw;

/// How long something that should happen soon may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// Polls until `probe` gives something. `what` is what was waited for in vain.
pub(crate) fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The same, for what can only be asked asynchronously.
pub(crate) async fn until_async<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A tokio-postgres client of `port`, as `postgres`.
pub(crate) async fn client(port: u16) -> Client {
    connect(port, "").await.expect("a login")
}

/// Likewise, with further settings (`user=… password=… options=…`); later ones win.
pub(crate) async fn connect(port: u16, more: &str) -> Result<Client, tokio_postgres::Error> {
    let mut config = format!("host=127.0.0.1 port={port} connect_timeout=20 {more}");
    for (key, default) in [("user=", "postgres"), ("dbname=", "postgres")] {
        if !more.contains(key) {
            config.push_str(&format!(" {key}{default}"));
        }
    }
    let (client, connection) = tokio_postgres::connect(&config, NoTls).await?;
    tokio::spawn(async move {
        // Its end is told to whoever uses the client.
        let _ = connection.await;
    });
    Ok(client)
}

/// First column of the first row of a simple query.
pub(crate) async fn one(client: &Client, sql: &str) -> String {
    try_one(client, sql)
        .await
        .unwrap_or_else(|fault| panic!("{sql}: {}", told(&fault)))
}

/// The same, where it may fail.
pub(crate) async fn try_one(client: &Client, sql: &str) -> Result<String, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    Ok(messages
        .iter()
        .find_map(|m| match m {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("(null)").to_owned()),
            _ => None,
        })
        .unwrap_or_default())
}

/// SQLSTATE and text, as the server (or Weir) sent them.
pub(crate) fn told(fault: &tokio_postgres::Error) -> String {
    match fault.as_db_error() {
        Some(db) => format!("{} {}", db.code().code(), db.message()),
        None => format!("{fault:?}"),
    }
}
