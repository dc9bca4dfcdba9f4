//! PostgreSQL's bad days: not there, gone in the middle, full, or not PostgreSQL at all.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Instant;

use weir_lab::pg::PgOptions;

use crate::support::{MODES, Pg, Raw, SOON, Weir, pooled, until};

const WHO: [(&str, &str); 2] = [("user", "postgres"), ("database", "postgres")];

fn server(config: String, more: &str) -> String {
    config.replace("[pool.", &format!("{more}\n[pool."))
}

fn small(max_connections: u32) -> Pg {
    Pg::start(PgOptions {
        max_connections,
        ..PgOptions::for_tests()
    })
}

#[test]
fn weir_starts_without_postgresql_tells_so_and_works_when_it_comes() {
    let mut pg = small(20);
    pg.0.stop();
    let weir = Weir::start(&server(
        pooled(pg.port(), 2, "query_wait_timeout = \"20s\""),
        "connect_timeout = \"1s\"\nlogin_retry = \"200ms\"",
    ));
    let begun = Instant::now();
    let fault = Raw::login_with(weir.port, &WHO).err().unwrap();
    assert!(begun.elapsed() < SOON);
    assert_eq!((&*fault.severity, &*fault.sqlstate), ("FATAL", "08006"));
    let place = format!("127.0.0.1:{}", pg.port());
    assert!(fault.message.contains(&place), "{fault:?}");
    assert!(
        fault.message.to_lowercase().contains("refused"),
        "{fault:?}"
    );
    assert!(
        !fault.message.contains("saturated"),
        "down isn't saturated: {fault:?}"
    );
    pg.0.start_again().unwrap();
    let mut raw = until("it works again", SOON, || {
        Raw::login_with(weir.port, &WHO).ok()
    });
    assert_eq!(raw.one("select 1"), "1");
}

#[test]
fn a_restart_in_mid_transaction_is_told_and_everybody_is_served_afterwards() {
    for mode in MODES {
        let mut pg = small(20);
        let weir = Weir::start(&server(
            pooled(pg.port(), 3, &format!("mode = \"{mode}\"")),
            "login_retry = \"200ms\"",
        ));
        let mut caught = Raw::login(weir.port);
        caught.query("begin");
        caught.one("select 1");
        let mut idle = Raw::login(weir.port);
        idle.one("select 1");
        pg.0.restart().unwrap();
        // It is told, at the latest when it asks: not served outside of its transaction.
        let _ = caught.stream.write_all(b"Q\0\0\0\x0dselect 2\0");
        if let Ok(answer) = caught.try_answer() {
            assert!(answer.rows.is_empty(), "{answer:?}");
            let fault = &answer.faults[0];
            assert!(
                ["57P01", "08006"].contains(&&*fault.sqlstate),
                "{mode}: {fault:?}"
            );
        }
        if mode == "transaction" {
            // Who was idle doesn't notice.
            assert_eq!(idle.one("select 3"), "3");
        }
        let mut next = until("new clients are served", SOON, || {
            Raw::login_with(weir.port, &WHO).ok()
        });
        assert_eq!(next.one("select 4"), "4");
    }
}

#[test]
fn a_backend_killed_with_sigkill_takes_only_its_statement() {
    let pg = small(20);
    let weir = Weir::start(&server(pooled(pg.port(), 3, ""), "login_retry = \"200ms\""));
    let mut caught = Raw::login(weir.port);
    let pid = caught.one("select pg_backend_pid()");
    caught.query("begin");
    caught.ask("select pg_sleep(60)");
    until("it runs", SOON, || {
        (pg.sql("select count(*) from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'") == "1")
            .then_some(())
    });
    let pid_now = pg.sql("select pid from pg_stat_activity where query = 'select pg_sleep(60)'");
    let _ = pid;
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid_now])
        .status()
        .unwrap();
    assert!(killed.success());
    let answer = caught.try_answer().unwrap();
    assert!(answer.rows.is_empty());
    let fault = &answer.faults[0];
    assert!(
        ["08006", "57P02", "57P01"].contains(&&*fault.sqlstate),
        "{fault:?}"
    );
    // PostgreSQL restarts all its backends; then everybody is served.
    let mut next = until("served again", SOON, || {
        let mut raw = Raw::login_with(weir.port, &WHO).ok()?;
        raw.ask("select 5");
        (raw.try_answer().ok()?.rows == ["5"]).then_some(raw)
    });
    assert_eq!(next.one("select 6"), "6");
}

#[test]
fn a_terminated_backend_is_told_with_postgresqls_own_words() {
    let pg = small(20);
    let weir = Weir::start(&pooled(pg.port(), 2, ""));
    let mut caught = Raw::login(weir.port);
    caught.query("begin");
    let pid = caught.one("select pg_backend_pid()");
    pg.sql(&format!("select pg_terminate_backend({pid})"));
    let _ = caught.stream.write_all(b"Q\0\0\0\x0dselect 2\0");
    let answer = caught.try_answer().unwrap();
    assert_eq!(answer.faults[0].sqlstate, "57P01", "{answer:?}");
    // An idle server that was ended is replaced before anybody meets it.
    let mut raw = Raw::login(weir.port);
    let pid = raw.one("select pg_backend_pid()");
    pg.sql(&format!("select pg_terminate_backend({pid})"));
    pg.until_says(
        &format!("select count(*) from pg_stat_activity where pid = {pid}"),
        "0",
    );
    assert_eq!(raw.one("select 3"), "3");
}

#[test]
fn with_max_connections_reached_clients_share_what_there_is() {
    // 8 slots, 3 of them reserved for superusers, 2 taken by others.
    let pg = small(8);
    pg.sql("create role app login");
    let others: Vec<Raw> = (0..3)
        .map(|_| Raw::login_with(pg.port(), &[("user", "app"), ("database", "postgres")]).unwrap())
        .collect();
    let weir = Weir::start(&server(
        pooled(pg.port(), 6, "query_wait_timeout = \"10s\""),
        "login_retry = \"200ms\"",
    ));
    let who = [("user", "app"), ("database", "postgres")];
    std::thread::scope(|scope| {
        for n in 0..6 {
            let port = weir.port;
            scope.spawn(move || {
                let mut raw = Raw::login_with(port, &who).unwrap();
                for _ in 0..5 {
                    assert_eq!(
                        raw.one(&format!("select {n} from pg_sleep(0.02)")),
                        n.to_string()
                    );
                }
            });
        }
    });
    // With none to be had it says whose limit it is.
    drop(weir);
    // The kernel may close a killed process's sockets a little later.
    pg.until_says(
        "select count(*) from pg_stat_activity where usename = 'app'",
        "3",
    );
    let mut hogs = Vec::new();
    until("all slots are taken", SOON, || {
        match Raw::login_with(pg.port(), &who) {
            Ok(raw) => {
                hogs.push(raw);
                None
            }
            Err(fault) => (fault.sqlstate == "53300").then_some(()),
        }
    });
    let weir = Weir::start(&server(
        pooled(pg.port(), 6, "query_wait_timeout = \"700ms\""),
        "login_retry = \"200ms\"",
    ));
    let fault = Raw::login_with(weir.port, &who).err().unwrap();
    assert_eq!(fault.sqlstate, "53300", "{fault:?}");
    assert!(
        fault
            .message
            .contains("remaining connection slots are reserved"),
        "{fault:?}"
    );
    drop((hogs, others));
    let mut raw = until("a slot is free", SOON, || {
        Raw::login_with(weir.port, &who).ok()
    });
    assert_eq!(raw.one("select 1"), "1");
}

#[test]
fn what_answers_garbage_is_no_postgresql_and_weir_says_so() {
    for garbage in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        &[0xff; 64],
        b"R\0\0\0\0",
        b"",
    ] {
        let fake = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = fake.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in fake.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.read(&mut [0; 512]);
                let _ = stream.write_all(garbage);
            }
        });
        let weir = Weir::start(&server(
            pooled(port, 2, "query_wait_timeout = \"2s\""),
            "connect_timeout = \"700ms\"\nlogin_retry = \"100ms\"",
        ));
        let fault = Raw::login_with(weir.port, &WHO).err().unwrap();
        assert_eq!(fault.sqlstate, "08006", "{garbage:?}: {fault:?}");
        assert!(
            fault.message.contains(&format!("127.0.0.1:{port}")),
            "{fault:?}"
        );
    }
}
