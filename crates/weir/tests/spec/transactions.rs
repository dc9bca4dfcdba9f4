//! Errors, notices, parameters and pipelines arrive as if there were no pooler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::{join_all, try_join_all};

use crate::support::{MODES, Raw, Weir, client, connect, one, pooled, postgres, told, try_one};

fn weir(mode: &str, size: u32) -> Weir {
    Weir::start(&pooled(
        postgres().port(),
        size,
        &format!("mode = \"{mode}\""),
    ))
}

#[tokio::test]
async fn an_error_inside_a_transaction_keeps_it_failed_until_rollback_on_the_same_server() {
    for mode in MODES {
        let weir = weir(mode, 2);
        let client = client(weir.port).await;
        client.batch_execute("begin").await.unwrap();
        let pid = one(&client, "select pg_backend_pid()").await;
        let fault = told(&try_one(&client, "select 1/0").await.unwrap_err());
        assert_eq!(fault, "22012 division by zero");
        let fault = told(&try_one(&client, "select 1").await.unwrap_err());
        assert!(fault.starts_with("25P02 "), "{fault}");
        // Extended protocol likewise.
        let fault = told(&client.query("select 1", &[]).await.unwrap_err());
        assert!(fault.starts_with("25P02 "), "{fault}");
        client.batch_execute("rollback").await.unwrap();
        client.batch_execute("begin; savepoint a").await.unwrap();
        assert!(try_one(&client, "select 1/0").await.is_err());
        client.batch_execute("rollback to a").await.unwrap();
        assert_eq!(one(&client, "select 5").await, "5");
        client.batch_execute("commit").await.unwrap();
        assert!(!pid.is_empty());
    }
}

#[test]
fn the_state_in_ready_for_query_is_the_transactions() {
    for mode in MODES {
        let weir = weir(mode, 1);
        let mut raw = Raw::login(weir.port);
        assert_eq!(raw.query("select 1").state, 'I');
        assert_eq!(raw.query("begin").state, 'T');
        assert_eq!(raw.query("selct").state, 'E');
        assert_eq!(raw.query("commit").tags, ["ROLLBACK"]);
        assert_eq!(raw.query("").state, 'I');
        let several = raw.query("select 1; select 2; insert into no_such values (1); select 3");
        assert_eq!(several.rows, ["1", "2"]);
        assert_eq!(several.faults[0].sqlstate, "42P01");
    }
}

#[test]
fn notices_reach_the_client_that_caused_them_in_order() {
    let weir = weir("transaction", 1);
    let mut raw = Raw::login(weir.port);
    let answer = raw.query(
        "do $$ begin for i in 1..3 loop raise notice 'step %', i; end loop; end $$; select 'after'",
    );
    assert_eq!(answer.notices, ["step 1", "step 2", "step 3"]);
    assert_eq!(answer.rows, ["after"]);
}

#[test]
fn parameters_are_told_at_login_and_when_they_change() {
    for mode in MODES {
        let weir = weir(mode, 2);
        let mut raw = Raw::login_with(
            weir.port,
            &[
                ("user", "postgres"),
                ("database", "postgres"),
                ("application_name", "spec"),
                ("DateStyle", "SQL, DMY"),
            ],
        )
        .unwrap();
        let direct = Raw::login(postgres().port());
        for (name, value) in &direct.parameters {
            let ours = raw.parameters.get(name);
            match name.as_str() {
                "application_name" => assert_eq!(ours.map(String::as_str), Some("spec")),
                "DateStyle" => assert_eq!(ours.map(String::as_str), Some("SQL, DMY"), "{mode}"),
                _ => assert_eq!(ours, Some(value), "{name}"),
            }
        }
        raw.one("set timezone to 'Asia/Tokyo'");
        assert_eq!(raw.parameters["TimeZone"], "Asia/Tokyo");
        assert_eq!(raw.one("show datestyle"), "SQL, DMY");
        raw.one("set client_encoding to latin1");
        assert_eq!(raw.parameters["client_encoding"], "LATIN1");
    }
}

#[tokio::test]
async fn pipelined_statements_answer_in_order_and_to_their_own_client() {
    for mode in MODES {
        let weir = weir(mode, 4);
        let clients = join_all((0..4).map(|_| client(weir.port))).await;
        let all = clients.iter().enumerate().map(|(who, client)| {
            try_join_all((0..200_i32).map(move |n| async move {
                let row = client
                    .query_one("select $1::int * 1000 + $2::int", &[&(who as i32), &n])
                    .await?;
                assert_eq!(row.get::<_, i32>(0), who as i32 * 1000 + n);
                Ok::<_, tokio_postgres::Error>(())
            }))
        });
        for done in join_all(all).await {
            done.unwrap_or_else(|fault| panic!("{mode}: {}", told(&fault)));
        }
    }
}

/// Parse, Bind, Execute of an unnamed statement; no Sync.
fn extended(sql: &str) -> Vec<u8> {
    use crate::support::wire::{cstr, message};
    let mut out = message(b'P', &[&[0][..], &cstr(sql), &[0, 0]].concat());
    out.extend(message(b'B', &[0, 0, 0, 0, 0, 0, 0, 0]));
    out.extend(message(b'E', &[0, 0, 0, 0, 0]));
    out
}

#[test]
fn a_batch_of_many_syncs_sent_at_once_gets_each_answer_in_its_place() {
    for mode in MODES {
        let weir = weir(mode, 2);
        let mut raw = Raw::login(weir.port);
        let mut batch = Vec::new();
        for n in 0..500 {
            batch.extend(extended(&if n % 10 == 7 {
                format!("select 1/0 -- {n}")
            } else {
                format!("select {n}")
            }));
            batch.extend(crate::support::wire::message(b'S', b""));
        }
        raw.send_raw(&batch);
        for n in 0..500 {
            let answer = raw.answer();
            if n % 10 == 7 {
                assert_eq!(answer.faults[0].sqlstate, "22012", "{mode} {n}");
            } else {
                assert_eq!(answer.rows, [n.to_string()], "{mode}");
            }
        }
        // After an error nothing up to the Sync is executed.
        let mut batch = extended("select 'before'");
        batch.extend(extended("select 1/0"));
        batch.extend(extended("select 'skipped'"));
        batch.extend(crate::support::wire::message(b'S', b""));
        batch.extend(crate::support::wire::message(b'Q', b"select 'next'\0"));
        raw.send_raw(&batch);
        let answer = raw.answer();
        assert_eq!(
            (answer.rows.len(), answer.faults.len()),
            (1, 1),
            "{answer:?}"
        );
        assert_eq!(raw.answer().rows, ["next"]);
    }
}

#[tokio::test]
async fn transactions_of_many_clients_on_few_servers_dont_mix() {
    let weir = weir("transaction", 3);
    let served = Arc::new(AtomicU32::new(0));
    let port = weir.port;
    let all = (0..12).map(|who| {
        let served = Arc::clone(&served);
        tokio::spawn(async move {
            let mut client = connect(port, "").await.unwrap();
            for round in 0..15 {
                let transaction = client.transaction().await.unwrap();
                let pid: i32 = transaction
                    .query_one("select pg_backend_pid()", &[])
                    .await
                    .unwrap()
                    .get(0);
                let mark = format!("{who}-{round}");
                transaction
                    .query_one("select set_config('spec.mark', $1, true)", &[&mark])
                    .await
                    .unwrap();
                let row = transaction
                    .query_one("select current_setting('spec.mark'), pg_backend_pid()", &[])
                    .await
                    .unwrap();
                assert_eq!(row.get::<_, String>(0), mark);
                assert_eq!(row.get::<_, i32>(1), pid);
                transaction.commit().await.unwrap();
                served.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for one in join_all(all).await {
        one.unwrap();
    }
    assert_eq!(served.load(Ordering::Relaxed), 180);
}
