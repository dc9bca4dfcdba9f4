//! Session state in transaction mode: followed where it can be, pinned by name where it can't.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::{
    MODES, Raw, SOON, Weir, client, connect, one, pooled, postgres, told, try_one, until_async,
};

fn weir(size: u32, pool: &str) -> Weir {
    Weir::start(&pooled(postgres().port(), size, pool))
}

/// Holds a server of the pool in a transaction, so that others meet another one.
async fn hold(port: u16) -> (Client, String) {
    let holder = client(port).await;
    holder.batch_execute("begin").await.unwrap();
    let pid = one(&holder, "select pg_backend_pid()").await;
    (holder, pid)
}

/// The backend that `client` meets now, which must not be `not`.
async fn another_server(client: &Client, not: &str) {
    let pid = one(client, "select pg_backend_pid()").await;
    assert_ne!(pid, not, "the client should have met another server");
}

/// The pins that the console shows, by name.
async fn pins(port: u16) -> Vec<String> {
    let console = connect(port, "dbname=weir").await.unwrap();
    let rows = console.simple_query("SHOW PINS").await.unwrap();
    rows.iter()
        .filter_map(|m| match m {
            SimpleQueryMessage::Row(row) => row.get("pins").map(str::to_owned),
            _ => None,
        })
        .collect()
}

async fn until_pins(port: u16, expected: &[&str]) {
    until_async(&format!("SHOW PINS says {expected:?}"), SOON, async || {
        (pins(port).await == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_set_is_followed_to_the_next_server_and_nobody_else_sees_it() {
    let weir = weir(2, "");
    let (client, other) = (client(weir.port).await, client(weir.port).await);
    client.batch_execute("set work_mem = '7MB'").await.unwrap();
    client
        .batch_execute("set search_path to pg_catalog, public")
        .await
        .unwrap();
    let first = one(&client, "select pg_backend_pid()").await;
    // Whoever comes first gets the server that is warm.
    let (holder, held) = hold(weir.port).await;
    assert_eq!(
        first, held,
        "the holder should have taken the client's server"
    );
    another_server(&client, &held).await;
    assert_eq!(one(&client, "show work_mem").await, "7MB");
    assert_eq!(one(&client, "show search_path").await, "pg_catalog, public");
    assert_eq!(one(&other, "show work_mem").await, "4MB");
    assert_eq!(one(&holder, "show work_mem").await, "4MB");
    client.batch_execute("reset work_mem").await.unwrap();
    holder.batch_execute("commit").await.unwrap();
    for _ in 0..3 {
        assert_eq!(one(&client, "show work_mem").await, "4MB");
        assert_eq!(one(&client, "show search_path").await, "pg_catalog, public");
    }
    client.batch_execute("reset all").await.unwrap();
    assert_eq!(one(&client, "show search_path").await, "\"$user\", public");
    assert_eq!(pins(weir.port).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_set_in_a_transaction_lives_and_dies_with_it() {
    let weir = weir(2, "");
    let client = client(weir.port).await;
    client
        .batch_execute("begin; set work_mem = '9MB'; rollback")
        .await
        .unwrap();
    assert_eq!(one(&client, "show work_mem").await, "4MB");
    for sql in ["begin", "set work_mem = '9MB'", "rollback"] {
        client.batch_execute(sql).await.unwrap();
    }
    let (holder, held) = hold(weir.port).await;
    another_server(&client, &held).await;
    assert_eq!(one(&client, "show work_mem").await, "4MB");
    holder.batch_execute("commit").await.unwrap();
    for sql in [
        "begin",
        "set work_mem = '11MB'",
        "set local statement_timeout = '5s'",
        "commit",
    ] {
        client.batch_execute(sql).await.unwrap();
    }
    let (_holder, held) = hold(weir.port).await;
    another_server(&client, &held).await;
    assert_eq!(one(&client, "show work_mem").await, "11MB");
    assert_eq!(one(&client, "show statement_timeout").await, "0");
    // An error in the transaction undoes it too.
    for sql in ["begin", "set work_mem = '13MB'"] {
        client.batch_execute(sql).await.unwrap();
    }
    assert!(try_one(&client, "select 1/0").await.is_err());
    client.batch_execute("commit").await.unwrap();
    assert_eq!(one(&client, "show work_mem").await, "11MB");
}

#[tokio::test]
async fn startup_options_and_role_hold_on_every_server() {
    for mode in MODES {
        let weir = weir(2, &format!("mode = \"{mode}\""));
        let client = connect(
            weir.port,
            "application_name=spec options='-c statement_timeout=4321 -c geqo=off'",
        )
        .await
        .unwrap_or_else(|fault| panic!("{}", told(&fault)));
        client.batch_execute("set role ann").await.unwrap();
        for round in 0..2 {
            assert_eq!(one(&client, "show statement_timeout").await, "4321ms");
            assert_eq!(one(&client, "show geqo").await, "off");
            assert_eq!(one(&client, "show application_name").await, "spec");
            assert_eq!(one(&client, "select current_user").await, "ann");
            if mode == "transaction" && round == 0 {
                let (_holder, held) = hold(weir.port).await;
                another_server(&client, &held).await;
                assert_eq!(one(&client, "show statement_timeout").await, "4321ms");
                assert_eq!(one(&client, "select current_user").await, "ann");
            }
        }
        client.batch_execute("reset role").await.unwrap();
        // RESET goes back to what the client came with.
        client
            .batch_execute("set statement_timeout = 1234; reset statement_timeout")
            .await
            .unwrap();
        assert_eq!(one(&client, "show statement_timeout").await, "4321ms");
        assert_eq!(one(&client, "select current_user").await, "postgres");
    }
}

#[tokio::test]
async fn a_listener_is_pinned_by_name_and_hears_what_is_notified() {
    for mode in MODES {
        let weir = weir(3, &format!("mode = \"{mode}\""));
        let channel = format!("news_{mode}");
        let mut listener = Raw::login(weir.port);
        listener.one(&format!("listen {channel}"));
        if mode == "transaction" {
            until_pins(weir.port, &["listen"]).await;
        }
        let speaker = client(weir.port).await;
        speaker
            .batch_execute(&format!("notify {channel}, 'hello'"))
            .await
            .unwrap();
        // It arrives without being asked for.
        let (tag, body) = listener.message().unwrap();
        assert_eq!(tag, b'A');
        let said = String::from_utf8_lossy(&body[4..]).into_owned();
        assert_eq!(said, format!("{channel}\0hello\0"));
        listener.one("unlisten *");
        if mode == "transaction" {
            until_pins(weir.port, &[]).await;
        }
    }
}

#[tokio::test]
async fn what_cannot_be_followed_pins_by_name_until_it_is_let_go() {
    let cases = [
        (
            "select pg_advisory_lock(4711)",
            "advisory_lock",
            "select pg_advisory_unlock(4711)",
        ),
        (
            "create temp table mine (a int)",
            "temporary_object",
            "discard temp",
        ),
        (
            "declare c cursor with hold for select generate_series(1, 5)",
            "hold_cursor",
            "close c",
        ),
        ("prepare p as select 1", "sql_prepare", "deallocate p"),
    ];
    for (takes, name, lets_go) in cases {
        let weir = weir(2, "");
        let client = client(weir.port).await;
        client.batch_execute(takes).await.unwrap();
        until_pins(weir.port, &[name]).await;
        let pid = one(&client, "select pg_backend_pid()").await;
        // Others come and go; the pinned one keeps its server, and they can't get it.
        let mut met = BTreeSet::new();
        for _ in 0..3 {
            let (holder, held) = hold(weir.port).await;
            met.insert(held);
            assert_eq!(one(&client, "select pg_backend_pid()").await, pid, "{name}");
            holder.batch_execute("commit").await.unwrap();
        }
        assert!(
            !met.contains(&pid),
            "{name}: somebody else got a pinned server"
        );
        client.batch_execute(lets_go).await.unwrap();
        until_pins(weir.port, &[]).await;
        // And the server is everybody's again.
        let (_one, a) = hold(weir.port).await;
        let (_two, b) = hold(weir.port).await;
        assert!(a == pid || b == pid, "{name}: its server didn't come back");
    }
}

#[tokio::test]
async fn a_pinned_client_that_leaves_leaves_nothing_behind() {
    let pg = postgres();
    let weir = weir(1, "");
    for sql in [
        "create temp table left_behind (a int)",
        "select pg_advisory_lock(815)",
        "listen left_behind",
        "set work_mem = '19MB'",
    ] {
        let leaves = client(weir.port).await;
        leaves.batch_execute(sql).await.unwrap();
        drop(leaves);
        let next = client(weir.port).await;
        assert_eq!(one(&next, "show work_mem").await, "4MB");
        assert_eq!(
            one(&next, "select count(*) from pg_listening_channels()").await,
            "0"
        );
        let fault = try_one(&next, "select * from left_behind").await;
        assert!(told(&fault.unwrap_err()).starts_with("42P01"));
    }
    pg.until_says(
        "select count(*) from pg_locks where locktype = 'advisory' and objid = 815",
        "0",
    );
}

#[tokio::test]
async fn session_state_ignore_follows_nothing_and_pin_pins_on_a_set() {
    let ignoring = weir(1, "session_state = \"ignore\"");
    let (a, b) = (client(ignoring.port).await, client(ignoring.port).await);
    a.batch_execute("set work_mem = '17MB'").await.unwrap();
    assert_eq!(one(&b, "show work_mem").await, "17MB", "as PgBouncer does");
    a.batch_execute("create temp table t (a int)")
        .await
        .unwrap();
    assert_eq!(one(&b, "select 1").await, "1", "nobody is pinned");

    let pinning = weir(2, "session_state = \"pin\"");
    let a = client(pinning.port).await;
    a.batch_execute("set work_mem = '17MB'").await.unwrap();
    until_pins(pinning.port, &["session_setting"]).await;
    let pid = one(&a, "select pg_backend_pid()").await;
    let (_holder, held) = hold(pinning.port).await;
    assert_ne!(held, pid);
    assert_eq!(one(&a, "show work_mem").await, "17MB");
}

#[tokio::test]
async fn a_value_that_the_next_server_refuses_is_told_and_not_swallowed() {
    let pg = postgres();
    let weir = weir(2, "");
    pg.sql("drop role if exists shortlived");
    pg.sql("create role shortlived");
    let client = client(weir.port).await;
    client.batch_execute("set role shortlived").await.unwrap();
    assert_eq!(one(&client, "select current_user").await, "shortlived");
    pg.sql("drop role shortlived");
    let (holder, _held) = hold(weir.port).await;
    let answer = tokio::time::timeout(SOON, try_one(&client, "select current_user")).await;
    match answer.expect("an answer, not silence") {
        Ok(user) => panic!("served as {user}, though it asked for another role"),
        Err(fault) => assert!(told(&fault).contains("shortlived"), "{}", told(&fault)),
    }
    drop(holder);
    // Others are unharmed.
    let other = connect(weir.port, "").await.unwrap();
    let served = tokio::time::timeout(Duration::from_secs(5), one(&other, "select 1")).await;
    assert_eq!(served.unwrap(), "1");
}
