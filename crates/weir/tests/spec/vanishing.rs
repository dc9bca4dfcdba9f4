//! Clients that vanish or stop reading cost nobody else anything.

use std::time::{Duration, Instant};

use crate::support::{MODES, Raw, SOON, Weir, pooled, postgres, until};

#[test]
fn a_client_that_vanishes_mid_query_frees_its_server() {
    let pg = postgres();
    for mode in MODES {
        let weir = Weir::start(&pooled(pg.port(), 1, &format!("mode = \"{mode}\"")));
        let mut raw = Raw::login(weir.port);
        raw.ask(&format!("/* vanish {mode} */ select pg_sleep(60)"));
        let running = format!(
            "select count(*) from pg_stat_activity where query like '/* vanish {mode} %' and state = 'active'"
        );
        pg.until_says(&running, "1");
        drop(raw);
        // The only server is there again, and the statement doesn't run on for nobody.
        assert_eq!(Raw::login(weir.port).one("select 1"), "1");
        pg.until_says(&running, "0");
    }
}

#[test]
fn a_client_that_vanishes_in_a_transaction_leaves_no_lock_and_no_row() {
    let pg = postgres();
    for mode in MODES {
        let weir = Weir::start(&pooled(pg.port(), 1, &format!("mode = \"{mode}\"")));
        let table = format!("vanish_{mode}");
        pg.sql(&format!("drop table if exists {table}"));
        pg.sql(&format!("create table {table} (a int)"));
        let mut raw = Raw::login(weir.port);
        raw.query("begin");
        raw.query(&format!("insert into {table} values (1)"));
        raw.query(&format!("lock table {table} in access exclusive mode"));
        drop(raw);
        let mut next = Raw::login(weir.port);
        assert_eq!(next.one(&format!("select count(*) from {table}")), "0");
        assert_eq!(next.query("").state, 'I');
        pg.sql(&format!("drop table {table}"));
    }
}

#[test]
fn a_wave_of_vanishing_clients_leaks_no_server() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 3, ""));
    for round in 0..40 {
        let mut raw = Raw::login(weir.port);
        match round % 4 {
            0 => raw.ask("begin; select pg_sleep(30)"),
            1 => raw.ask("select repeat('x', 1000) from generate_series(1, 50000)"),
            2 => {
                raw.ask("copy (select repeat('x', 1000) from generate_series(1, 50000)) to stdout")
            }
            // A statement cut in the middle of its bytes.
            _ => raw.send_raw(b"Q\0\0\0\x40select"),
        }
    }
    let mut clients: Vec<Raw> = (0..3).map(|_| Raw::login(weir.port)).collect();
    for raw in &mut clients {
        assert!(raw.query("begin").faults.is_empty());
    }
    for raw in &mut clients {
        assert_eq!(raw.one("select 1"), "1");
    }
}

#[test]
fn a_client_that_stops_reading_costs_bounded_memory_and_no_one_elses_time() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 2, ""));
    let mut warm = Raw::login(weir.port);
    warm.one("select 1");
    let before = weir.resident();
    let mut slow = Raw::login(weir.port);
    slow.ask("select repeat('x', 1000) from generate_series(1, 200000)");
    // 200 MB are on their way; PostgreSQL stands because nobody takes them.
    pg.until_says(
        "select count(*) from pg_stat_activity where query like 'select repeat(''x'', 1000) from generate_series(1, 200000)%' and wait_event = 'ClientWrite'",
        "1",
    );
    let begun = Instant::now();
    for _ in 0..200 {
        assert_eq!(warm.one("select 1"), "1");
    }
    assert!(begun.elapsed() < SOON);
    if let (Some(before), Some(now)) = (before, weir.resident()) {
        let more = now.saturating_sub(before);
        assert!(more < 8 << 20, "{more} bytes more");
    }
    drop(slow);
    let mut other = Raw::login(weir.port);
    other.query("begin");
    assert_eq!(warm.one("select 1"), "1", "both servers are there");
}

#[test]
fn a_client_that_asks_without_reading_is_held_back() {
    let pg = postgres();
    let weir = Weir::start(&pooled(pg.port(), 2, ""));
    // What a first reply brings into memory isn't the greedy one's.
    let mut warm = Raw::login(weir.port);
    warm.query("select repeat('x', 100000)");
    let before = weir.resident();
    let mut greedy = Raw::login(weir.port);
    greedy
        .stream
        .set_write_timeout(Some(Duration::from_millis(700)))
        .unwrap();
    let asks = crate::support::wire::message(b'Q', b"select repeat('x', 100000)\0").repeat(1000);
    let begun = Instant::now();
    let mut written = 0;
    while std::io::Write::write_all(&mut greedy.stream, &asks).is_ok() {
        written += asks.len();
        assert!(
            begun.elapsed() < SOON,
            "it takes {written} bytes without an end"
        );
    }
    if let (Some(before), Some(now)) = (before, weir.resident()) {
        let more = now.saturating_sub(before);
        assert!(more < 8 << 20, "{more} bytes more");
    }
    assert_eq!(Raw::login(weir.port).one("select 1"), "1");
}

#[test]
fn a_client_idle_in_its_transaction_is_closed_where_the_operator_said_so() {
    let pg = postgres();
    let weir = Weir::start(&pooled(
        pg.port(),
        1,
        "idle_transaction_timeout = \"300ms\"",
    ));
    let mut sleepy = Raw::login(weir.port);
    sleepy.query("begin");
    let mut next = Raw::login(weir.port);
    assert_eq!(next.one("select 1"), "1");
    let fault = sleepy.try_answer().unwrap().faults.remove(0);
    assert_eq!(fault.sqlstate, "25P03", "{fault:?}");
}

#[test]
fn those_who_wait_too_long_are_told_how_things_stand() {
    let pg = postgres();
    let weir = Weir::start(&pooled(
        pg.port(),
        1,
        "query_wait_timeout = \"300ms\"\nwaiters_max = 1",
    ));
    let mut holder = Raw::login(weir.port);
    holder.query("begin");
    let (mut first, mut second) = (Raw::login(weir.port), Raw::login(weir.port));
    first.ask("select 1");
    let mut console =
        Raw::login_with(weir.port, &[("user", "postgres"), ("database", "weir")]).unwrap();
    until("one waits", SOON, || {
        // Samples reach the console ten times a second.
        console.query("SHOW CLIENTS");
        second.ask("select 2");
        Some(())
    });
    let refused = second.try_answer().unwrap().faults.remove(0);
    assert_eq!(refused.sqlstate, "53300");
    assert!(refused.message.contains("saturated"), "{refused:?}");
    let timed_out = first.try_answer().unwrap().faults.remove(0);
    assert_eq!(timed_out.sqlstate, "53300");
    for part in ["query_wait_timeout", "saturated", "1 of 1 active"] {
        assert!(timed_out.message.contains(part), "{timed_out:?}");
    }
    assert_eq!(holder.query("commit").state, 'I');
}
