//! The admin console: tables, orders, refusals, who may.

use super::{Bouncer, cell, order, refused_login, show};
use crate::support::{SOON, connect, one, program, said, told, try_one, until_async};

#[tokio::test]
async fn every_table_of_pgbouncer_is_there_and_no_secret_in_it() {
    let bouncer = Bouncer::start(
        "p0 = PG dbname=postgres user=postgres password=hidden_secret",
        "auth_query = select 'hidden_secret'",
    );
    one(&bouncer.client("p0", "ann").await, "select 1").await;
    let admin = bouncer.admin().await;
    for table in [
        "clients",
        "config",
        "databases",
        "help",
        "lists",
        "peers",
        "peer_pools",
        "pools",
        "servers",
        "sockets",
        "active_sockets",
        "state",
        "stats",
        "stats_totals",
        "stats_averages",
        "users",
        "totals",
        "mem",
        "dns_hosts",
        "dns_zones",
        "incidents",
        "causes",
        "decisions",
        "waits",
        "pins",
    ] {
        let rows = show(&admin, &format!("SHOW {table}")).await;
        if table != "config" {
            assert!(!format!("{rows:?}").contains("hidden_secret"), "{table}");
        }
    }
    let fds = try_one(&admin, "SHOW FDS").await.unwrap_err();
    assert!(told(&fds).starts_with("0A000"), "{}", told(&fds));
}

#[tokio::test]
async fn clients_and_servers_are_counted_at_once() {
    let bouncer = Bouncer::start(
        "p0 = PG dbname=postgres pool_size=3",
        "pool_mode = transaction",
    );
    let admin = bouncer.admin().await;
    let client = bouncer.client("p0", "ann").await;
    order(&client, "begin").await;
    let pools = show(&admin, "SHOW POOLS").await;
    assert_eq!(cell(&pools, ("database", "p0"), "cl_active"), "1");
    assert_eq!(cell(&pools, ("database", "p0"), "sv_active"), "1");
    let databases = show(&admin, "SHOW DATABASES").await;
    assert_eq!(cell(&databases, ("name", "p0"), "pool_size"), "3");
    assert_eq!(cell(&databases, ("name", "p0"), "current_connections"), "1");
    assert_eq!(
        cell(&databases, ("name", "p0"), "current_client_connections"),
        "1"
    );
    let users = show(&admin, "SHOW USERS").await;
    assert_eq!(cell(&users, ("name", "ann"), "current_connections"), "1");
    order(&client, "select 1; select 2").await;
    order(&client, "commit").await;
    let stats = show(&admin, "SHOW STATS").await;
    assert_eq!(cell(&stats, ("database", "p0"), "total_xact_count"), "1");
    assert_eq!(
        cell(&stats, ("database", "p0"), "total_client_login_count"),
        "1"
    );
}

#[tokio::test]
async fn the_owner_needs_no_password_on_the_unix_socket_and_a_reader_changes_nothing() {
    let bouncer = Bouncer::start(
        "p0 = PG dbname=postgres",
        "stats_users = reader\nadmin_users =",
    );
    if let Some(mut psql) = program("psql", bouncer.port) {
        psql.env("PGHOST", bouncer.dir.path())
            .env("PGUSER", "pgbouncer")
            .env("PGDATABASE", "pgbouncer");
        let out = psql.args(["-Atc", "SHOW VERSION"]).output().unwrap();
        assert!(said(&out).starts_with("PgBouncer"), "{}", said(&out));
    }
    let reader = bouncer.client("pgbouncer", "reader").await;
    one(&reader, "SHOW VERSION").await;
    let fault = try_one(&reader, "PAUSE").await.unwrap_err();
    assert_eq!(told(&fault), "08P01 admin access needed");
    let refused = refused_login(&bouncer, "pgbouncer", "ann").await;
    assert!(refused.contains("not allowed"), "{refused}");
}

#[tokio::test]
async fn a_database_is_paused_disabled_and_killed_by_name() {
    let bouncer = Bouncer::start(
        "p0 = PG dbname=postgres\np1 = PG dbname=postgres",
        "pool_mode = transaction",
    );
    let admin = bouncer.admin().await;
    let client = bouncer.client("p0", "ann").await;
    one(&client, "select 1").await;

    order(&admin, "DISABLE p0").await;
    let refused = refused_login(&bouncer, "p0", "ann").await;
    assert!(refused.contains("database \"p0\" is disabled"), "{refused}");
    assert_eq!(one(&client, "select 2").await, "2", "who is there stays");
    order(&admin, "ENABLE p0").await;

    order(&admin, "PAUSE p0").await;
    let waits = tokio::spawn(async move { try_one(&client, "select 3").await.map(|_| client) });
    until_async("it waits", SOON, async || {
        let clients = show(&admin, "SHOW CLIENTS").await;
        (cell(&clients, ("database", "p0"), "state") == "waiting").then_some(())
    })
    .await;
    let other = bouncer.client("p1", "ann").await;
    assert_eq!(one(&other, "select 4").await, "4", "p1 isn't paused");
    order(&admin, "RESUME p0").await;
    let client = waits.await.unwrap().unwrap();

    order(&admin, "KILL p0").await;
    assert!(try_one(&client, "select 5").await.is_err());
    let clients = show(&admin, "SHOW CLIENTS").await;
    assert_eq!(clients.len(), 2, "the console's own, and p1's: {clients:?}");
    let fault = try_one(&admin, "KILL nosuch").await.unwrap_err();
    assert_eq!(told(&fault), "08P01 no such database: nosuch");
}

#[tokio::test]
async fn kill_client_takes_the_number_of_show_clients() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "");
    let admin = bouncer.admin().await;
    let client = bouncer.client("p0", "ann").await;
    one(&client, "select 1").await;
    let clients = show(&admin, "SHOW CLIENTS").await;
    let id = cell(&clients, ("database", "p0"), "id");
    order(&admin, &format!("KILL_CLIENT {id}")).await;
    assert!(try_one(&client, "select 1").await.is_err());
    let fault = try_one(&admin, &format!("KILL_CLIENT {id}"))
        .await
        .unwrap_err();
    assert_eq!(told(&fault), "08P01 client not found");
}

#[tokio::test]
async fn reconnect_replaces_servers_and_wait_close_waits_for_it() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "pool_mode = transaction");
    let admin = bouncer.admin().await;
    let client = bouncer.client("p0", "ann").await;
    let before = one(&client, "select pg_backend_pid()").await;
    order(&admin, "RECONNECT p0").await;
    order(&admin, "WAIT_CLOSE p0").await;
    let after = one(&client, "select pg_backend_pid()").await;
    assert_ne!(before, after);
}

#[tokio::test]
async fn shutdown_ends_the_process_and_the_console_with_it() {
    let mut bouncer = Bouncer::start("p0 = PG dbname=postgres", "");
    let admin = bouncer.admin().await;
    let _ = admin.simple_query("SHUTDOWN").await;
    assert_eq!(bouncer.ended().code(), Some(0));
    assert!(connect(bouncer.port, "").await.is_err());
}
