//! Named prepared statements work in transaction mode, whichever server a client gets.

use crate::support::wire::{cstr, message};
use crate::support::{MODES, Raw, Weir, client, one, pooled, postgres, told, try_one};

/// Makes every other server of the pool busy in turn, so that the client meets several.
async fn pids_met(
    port: u16,
    client: &tokio_postgres::Client,
    statement: &tokio_postgres::Statement,
) -> Vec<i32> {
    let other = crate::support::client(port).await;
    let mut pids = Vec::new();
    for _ in 0..4 {
        let row = client.query_one(statement, &[&20_i32]).await.unwrap();
        assert_eq!(row.get::<_, i32>(1), 22);
        pids.push(row.get::<_, i32>(0));
        // The server that was just used is taken by somebody else now.
        other.batch_execute("begin").await.unwrap();
        let row = client.query_one(statement, &[&20_i32]).await.unwrap();
        pids.push(row.get(0));
        other.batch_execute("commit").await.unwrap();
    }
    pids.sort_unstable();
    pids.dedup();
    pids
}

#[tokio::test]
async fn a_statement_prepared_once_runs_on_every_server() {
    let weir = Weir::start(&pooled(postgres().port(), 3, ""));
    let client = client(weir.port).await;
    let statement = client
        .prepare("select pg_backend_pid(), $1::int + 2")
        .await
        .unwrap();
    let met = pids_met(weir.port, &client, &statement).await;
    assert!(met.len() > 1, "only one server was met: {met:?}");
}

#[tokio::test]
async fn two_clients_use_one_name_for_different_statements() {
    let weir = Weir::start(&pooled(postgres().port(), 1, ""));
    let mut clients: Vec<Raw> = (0..3).map(|_| Raw::login(weir.port)).collect();
    for (n, raw) in clients.iter_mut().enumerate() {
        let sql = format!("select 'of {n}'");
        raw.send(b'P', &[cstr("s1"), cstr(&sql), vec![0, 0]].concat());
        raw.send(b'S', b"");
        assert!(raw.answer().faults.is_empty());
    }
    for _ in 0..3 {
        for (n, raw) in clients.iter_mut().enumerate() {
            raw.send(b'B', &[cstr(""), cstr("s1"), vec![0; 6]].concat());
            raw.send(b'E', &[0; 5]);
            raw.send(b'S', b"");
            assert_eq!(raw.answer().rows, [format!("of {n}")]);
        }
    }
    // A name is free again after Close.
    let raw = &mut clients[0];
    raw.send(b'C', &[vec![b'S'], cstr("s1")].concat());
    raw.send(
        b'P',
        &[cstr("s1"), cstr("select 'new'"), vec![0, 0]].concat(),
    );
    raw.send(b'B', &[cstr(""), cstr("s1"), vec![0; 6]].concat());
    raw.send(b'E', &[0; 5]);
    raw.send(b'S', b"");
    assert_eq!(raw.answer().rows, ["new"]);
}

#[tokio::test]
async fn deallocate_all_and_discard_all_forget_and_the_names_are_free() {
    for mode in MODES {
        let weir = Weir::start(&pooled(postgres().port(), 2, &format!("mode = \"{mode}\"")));
        for forget in ["DEALLOCATE ALL", "DISCARD ALL"] {
            let mut raw = Raw::login(weir.port);
            let parse = |raw: &mut Raw, sql: &str| {
                raw.send(b'P', &[cstr("s1"), cstr(sql), vec![0, 0]].concat());
                raw.send(b'S', b"");
                raw.answer().faults
            };
            let run = |raw: &mut Raw| {
                raw.send(b'B', &[cstr(""), cstr("s1"), vec![0; 6]].concat());
                raw.send(b'E', &[0; 5]);
                raw.send(b'S', b"");
                raw.answer()
            };
            assert_eq!(parse(&mut raw, "select 'one'"), []);
            assert_eq!(run(&mut raw).rows, ["one"]);
            assert!(raw.query(forget).faults.is_empty());
            let fault = run(&mut raw).faults.remove(0);
            assert_eq!(fault.sqlstate, "26000", "{mode} {forget}: {fault:?}");
            assert_eq!(parse(&mut raw, "select 'two'"), []);
            assert_eq!(run(&mut raw).rows, ["two"], "{mode} {forget}");
        }
    }
}

/// What libpq before 17 makes psycopg and Rails send when their caches are full.
#[test]
fn deallocate_by_name_forgets_what_was_prepared_by_protocol_on_whichever_server() {
    for mode in MODES {
        let weir = Weir::start(&pooled(postgres().port(), 3, &format!("mode = \"{mode}\"")));
        let mut raw = Raw::login(weir.port);
        let mut other = Raw::login(weir.port);
        for held in [false, true] {
            let prepared = [cstr("s1"), cstr("select 'mine'"), vec![0, 0]].concat();
            raw.send(b'P', &prepared);
            raw.send(b'S', b"");
            assert!(raw.answer().faults.is_empty());
            if held {
                // The server that has it is somebody else's now.
                other.query("begin");
            }
            let answer = raw.query("DEALLOCATE s1");
            assert!(answer.faults.is_empty(), "{mode}: {:?}", answer.faults);
            raw.send(b'B', &[cstr(""), cstr("s1"), vec![0; 6]].concat());
            raw.send(b'S', b"");
            assert_eq!(raw.answer().faults[0].sqlstate, "26000", "{mode}");
            let again = raw.query("DEALLOCATE s1").faults;
            assert_eq!(again[0].sqlstate, "26000", "{mode}");
        }
    }
}

#[tokio::test]
async fn sql_prepare_pins_until_it_is_deallocated() {
    let weir = Weir::start(&pooled(postgres().port(), 2, ""));
    let client = client(weir.port).await;
    client
        .batch_execute("PREPARE p AS select pg_backend_pid()")
        .await
        .unwrap();
    let other = crate::support::client(weir.port).await;
    other.batch_execute("begin; select 1").await.unwrap();
    let pid = one(&client, "EXECUTE p").await;
    assert_eq!(one(&client, "EXECUTE p").await, pid);
    client.batch_execute("DEALLOCATE p").await.unwrap();
    let fault = try_one(&client, "EXECUTE p").await.unwrap_err();
    assert!(told(&fault).starts_with("26000 "), "{}", told(&fault));
}

#[test]
#[ignore = "Weir lets a named Parse replace the statement of that name; PostgreSQL says 42P05"]
fn a_name_cannot_be_taken_twice() {
    let weir = Weir::start(&pooled(postgres().port(), 1, ""));
    let mut raw = Raw::login(weir.port);
    for expected in [&[][..], &["42P05"]] {
        raw.send(b'P', &[cstr("s1"), cstr("select 1"), vec![0, 0]].concat());
        raw.send(b'S', b"");
        let faults = raw.answer().faults;
        let states: Vec<&str> = faults.iter().map(|f| &*f.sqlstate).collect();
        assert_eq!(states, expected);
    }
}

#[test]
fn a_statement_that_was_refused_stays_unknown() {
    let weir = Weir::start(&pooled(postgres().port(), 2, ""));
    let mut raw = Raw::login(weir.port);
    raw.send(b'P', &[cstr("s1"), cstr("selct 1"), vec![0, 0]].concat());
    raw.send(b'S', b"");
    assert_eq!(raw.answer().faults[0].sqlstate, "42601");
    raw.send(b'B', &[cstr(""), cstr("s1"), vec![0; 6]].concat());
    raw.send(b'S', b"");
    assert_eq!(raw.answer().faults[0].sqlstate, "26000");
}

#[test]
fn a_refused_statement_leaves_its_name_free_and_describe_tells_parameters() {
    let weir = Weir::start(&pooled(postgres().port(), 2, ""));
    let mut raw = Raw::login(weir.port);
    raw.send(b'P', &[cstr("s1"), cstr("selct 1"), vec![0, 0]].concat());
    raw.send(b'S', b"");
    assert_eq!(raw.answer().faults[0].sqlstate, "42601");
    raw.send(
        b'P',
        &[cstr("s1"), cstr("select 'right'"), vec![0, 0]].concat(),
    );
    raw.send(b'B', &[cstr(""), cstr("s1"), vec![0; 6]].concat());
    raw.send(b'E', &[0; 5]);
    raw.send(b'S', b"");
    assert_eq!(raw.answer().rows, ["right"]);
    // Describe answers with the statement's parameters.
    raw.send(
        b'P',
        &[cstr("s2"), cstr("select $1::int"), vec![0, 0]].concat(),
    );
    raw.send(b'D', &[vec![b'S'], cstr("s2")].concat());
    raw.send_raw(&message(b'S', b""));
    assert!(raw.answer().faults.is_empty());
}

#[tokio::test]
async fn a_changed_table_makes_the_same_error_as_without_a_pooler_and_heals() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 2, ""));
    let client = client(weir.port).await;
    client
        .batch_execute(
            "drop table if exists shape; create table shape (a int); insert into shape values (1)",
        )
        .await
        .unwrap();
    let statement = client.prepare("select * from shape").await.unwrap();
    assert_eq!(client.query(&statement, &[]).await.unwrap().len(), 1);
    pg.sql("alter table shape add column b int");
    let fault = told(&client.query(&statement, &[]).await.unwrap_err());
    assert!(
        fault.contains("cached plan must not change result type"),
        "{fault}"
    );
    let again = client.prepare("select * from shape").await.unwrap();
    assert_eq!(again.columns().len(), 2);
    assert_eq!(client.query(&again, &[]).await.unwrap().len(), 1);
    client.batch_execute("drop table shape").await.unwrap();
}
