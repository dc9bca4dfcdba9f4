//! COPY both ways: every byte arrives, and a broken COPY leaves the session usable.

use bytes::Bytes;
use futures_util::{SinkExt as _, TryStreamExt as _};

use crate::support::{MODES, Raw, Weir, client, one, pooled, postgres, told};

#[tokio::test]
async fn ten_megabytes_go_in_and_come_out_byte_for_byte() {
    let pg = postgres();
    for mode in MODES {
        let weir = Weir::start(&pooled(pg.port(), 2, &format!("mode = \"{mode}\"")));
        let client = client(weir.port).await;
        let table = format!("copied_{mode}");
        client
            .batch_execute(&format!(
                "drop table if exists {table}; create table {table} (n int, t text)"
            ))
            .await
            .unwrap();
        let mut sent = String::with_capacity(11 << 20);
        let mut n = 0_u32;
        while sent.len() < 10 << 20 {
            n += 1;
            sent.push_str(&format!(
                "{n}\t{}\n",
                "xyzzy ä € ".repeat((n % 97) as usize)
            ));
        }
        let sink = client.copy_in(&format!("copy {table} from stdin")).await;
        let sink = sink.unwrap();
        tokio::pin!(sink);
        // Pieces that cut rows anywhere.
        for piece in sent.as_bytes().chunks(77_777) {
            sink.send(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        assert_eq!(sink.finish().await.unwrap(), u64::from(n));
        let stream = client
            .copy_out(&format!(
                "copy (select * from {table} order by n) to stdout"
            ))
            .await
            .unwrap();
        let back: Vec<Bytes> = stream.try_collect().await.unwrap();
        let back: Vec<u8> = back.concat();
        assert!(
            back == sent.as_bytes(),
            "{} of {} bytes",
            back.len(),
            sent.len()
        );
        client
            .batch_execute(&format!("drop table {table}"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_error_inside_a_copy_is_told_once_and_the_session_goes_on() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 1, ""));
    let client = client(weir.port).await;
    client
        .batch_execute("drop table if exists copy_bad; create table copy_bad (n int)")
        .await
        .unwrap();
    let sink = client.copy_in("copy copy_bad from stdin").await.unwrap();
    tokio::pin!(sink);
    sink.send(Bytes::from_static(b"1\n2\nthree\n"))
        .await
        .unwrap();
    // More follows what is wrong already, as from any client that hasn't read yet.
    for _ in 0..50 {
        if sink.send(Bytes::from(vec![b'\n'; 20_000])).await.is_err() {
            break;
        }
    }
    let fault = told(&sink.finish().await.unwrap_err());
    assert!(
        fault.starts_with("22P02 invalid input syntax for type integer"),
        "{fault}"
    );
    assert_eq!(one(&client, "select count(*) from copy_bad").await, "0");
    client.batch_execute("drop table copy_bad").await.unwrap();
}

#[tokio::test]
async fn a_copy_that_its_client_gives_up_is_rolled_back() {
    let pg = postgres();
    for mode in MODES {
        let weir = Weir::start(&pooled(pg.port(), 1, &format!("mode = \"{mode}\"")));
        let mut raw = Raw::login(weir.port);
        let table = format!("copy_fail_{mode}");
        raw.query(&format!(
            "drop table if exists {table}; create table {table} (n int)"
        ));
        raw.ask(&format!("copy {table} from stdin"));
        while raw.message().unwrap().0 != b'G' {}
        raw.send(b'd', b"1\n");
        raw.send(b'f', b"changed my mind\0");
        let answer = raw.answer();
        assert_eq!(answer.faults[0].sqlstate, "57014");
        assert!(answer.faults[0].message.contains("changed my mind"));
        assert_eq!(raw.one(&format!("select count(*) from {table}")), "0");
        raw.query(&format!("drop table {table}"));
    }
}

#[tokio::test]
async fn a_client_that_vanishes_inside_a_copy_leaves_no_row_and_no_dirty_server() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 1, ""));
    let mut raw = Raw::login(weir.port);
    raw.query("drop table if exists copy_gone; create table copy_gone (n int)");
    raw.ask("copy copy_gone from stdin");
    while raw.message().unwrap().0 != b'G' {}
    raw.send(b'd', b"1\n2\n");
    drop(raw);
    let mut next = Raw::login(weir.port);
    assert_eq!(next.one("select count(*) from copy_gone"), "0");
    next.query("drop table copy_gone");
}
