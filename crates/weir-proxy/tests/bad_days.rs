//! Peers that misbehave, and what must hold nevertheless.

#![allow(clippy::disallowed_methods, reason = "tests run in real time")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{Client, Postgres, Weir};
use weir_model::ServerSettings;
use weir_proxy::{IoChoice, Proxy, ProxySettings, StartError};

fn one(weir: &Weir) -> Result<Vec<String>, String> {
    weir.client().query("select 1")
}

#[test]
fn a_client_that_reads_slowly_costs_bounded_memory_and_keeps_nobody_waiting() {
    let pg = Postgres::shared();
    let mut weir = Weir::before(pg, 2);
    let mut slow = weir.client();
    slow.ask("select repeat('x', 1000) from generate_series(1, 100000)");
    let mut buffered_max = 0;
    // While nothing is read, others are served.
    let until = Instant::now() + Duration::from_millis(700);
    while Instant::now() < until {
        assert_eq!(one(&weir), Ok(vec!["1".to_owned()]));
    }
    let (mut total, mut buffer) = (0_u64, vec![0; 1 << 20]);
    let mut tail = [0_u8; 6];
    loop {
        let n = slow.stream.read(&mut buffer).expect("the reply goes on");
        assert!(n > 0, "closed after {total} bytes");
        total += n as u64;
        if n >= 6 {
            tail.copy_from_slice(&buffer[n - 6..n]);
        }
        while let Ok(sample) = weir.handle().samples.pop() {
            buffered_max = buffered_max.max(sample.worker.buffered_bytes);
        }
        if tail == [b'Z', 0, 0, 0, 5, b'I'] && total > 101_000_000 {
            break;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    // Each row: tag, length, column count, column length, value.
    let rows = 100_000 * (1 + 4 + 2 + 4 + 1000);
    assert!((rows..rows + 100).contains(&total), "{total}");
    assert!(buffered_max > 0, "it was never made to wait");
    assert!(buffered_max < 1 << 20, "{buffered_max} bytes buffered");
}

#[test]
fn a_client_that_asks_without_reading_is_not_read_from_any_more() {
    let pg = Postgres::shared();
    let mut weir = Weir::before(pg, 2);
    let mut greedy = weir.client();
    greedy
        .stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .expect("a timeout");
    let mut query = vec![b'Q', 0, 0, 0, 0];
    query.extend_from_slice(b"select repeat('x', 100000)\0");
    let length = u32::try_from(query.len() - 1).expect("short");
    query[1..5].copy_from_slice(&length.to_be_bytes());
    let many = query.repeat(1000);
    // The buffers of both sockets, and of the kernel between, hold about ten megabytes.
    let mut taken = 0;
    while let Ok(n) = greedy.stream.write(&many) {
        taken += n;
        assert!(taken < 64 << 20, "it took {taken} bytes of queries");
    }
    assert_eq!(one(&weir), Ok(vec!["1".to_owned()]));
    let mut buffered_max = 0;
    while let Ok(sample) = weir.handle().samples.pop() {
        buffered_max = buffered_max.max(sample.worker.buffered_bytes);
    }
    assert!(buffered_max < 2 << 20, "{buffered_max} bytes buffered");
}

#[test]
fn a_client_that_vanishes_mid_query_leaves_the_pool_intact() {
    let pg = Postgres::shared();
    let weir = Weir::before(pg, 1);
    for _ in 0..3 {
        let mut client = weir.client();
        client.ask("select pg_sleep(20)");
        std::thread::sleep(Duration::from_millis(100));
        drop(client);
        let began = Instant::now();
        assert_eq!(one(&weir), Ok(vec!["1".to_owned()]));
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    // In the middle of a large reply too.
    let mut client = weir.client();
    client.ask("select repeat('x', 1000) from generate_series(1, 50000)");
    std::thread::sleep(Duration::from_millis(100));
    drop(client);
    assert_eq!(one(&weir), Ok(vec!["1".to_owned()]));
}

#[test]
fn a_waiting_client_that_vanishes_leaves_the_queue() {
    let pg = Postgres::shared();
    let mut weir = Weir::before(pg, 1);
    let mut holder = weir.client();
    holder.query("begin").expect("begun");
    let mut waiter = weir.client();
    waiter.ask("select 1");
    std::thread::sleep(Duration::from_millis(250));
    drop(waiter);
    std::thread::sleep(Duration::from_millis(250));
    let mut last = None;
    while let Ok(sample) = weir.handle().samples.pop() {
        last = Some(sample);
    }
    let last = last.expect("samples");
    assert_eq!(last.pools[0].clients.waiting, 0, "{last:?}");
    holder.query("commit").expect("committed");
}

#[test]
fn a_port_that_is_taken_is_an_error_that_says_how_to_find_the_holder() {
    let pg = Postgres::shared();
    let weir = Weir::before(pg, 1);
    let fault = Proxy::start(ProxySettings {
        listen: vec![
            format!("127.0.0.1:{}", weir.port)
                .parse()
                .expect("an address"),
        ],
        pooler: weir_model::PoolerSettings::trusting(weir_model::PoolSettings::any(
            ServerSettings::at("127.0.0.1", pg.port),
        )),
        seed: 1,
        clock_zero: Instant::now(),
        io: IoChoice::Uring,
        workers: 1,
    })
    .expect_err("taken");
    assert!(matches!(fault, StartError::Bind { .. }));
    let said = fault.to_string();
    assert!(
        said.starts_with(&format!("couldn't listen on 127.0.0.1:{}: ", weir.port)),
        "{said}"
    );
    assert!(said.contains("ss -ltnp"), "{said}");
}

#[test]
fn a_server_restarted_mid_transaction_costs_that_transaction_only() {
    let pg = Postgres::start();
    let weir = Weir::before(&pg, 2);
    let mut client = weir.client();
    client.query("begin").expect("begun");
    client.query("select 1").expect("answered");
    pg.restart();
    let fault = client
        .query("select 2")
        .expect_err("the transaction is lost");
    assert!(!fault.is_empty());
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        let answer = Client::try_login(weir.port).and_then(|mut c| c.query("select 1"));
        if answer == Ok(vec!["1".to_owned()]) {
            break;
        }
        assert!(Instant::now() < until, "still not served: {answer:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn garbage_on_the_port_harms_nobody() {
    let pg = Postgres::shared();
    let weir = Weir::before(pg, 2);
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut dice = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for round in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", weir.port)).expect("connects");
        let length = usize::try_from(dice() % 2000).expect("short");
        let mut bytes: Vec<u8> = (0..length).map(|_| dice() as u8).collect();
        match round % 4 {
            // A startup packet of impossible length, one that never ends, and plain noise.
            0 => bytes
                .splice(0..0, [0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0])
                .for_each(drop),
            1 => bytes
                .splice(0..0, [0, 0, 0x27, 0x0f, 0, 3, 0, 0])
                .for_each(drop),
            2 => bytes
                .splice(0..0, [0, 0, 0, 8, 4, 210, 22, 47])
                .for_each(drop),
            _ => {}
        }
        let _ = stream.write_all(&bytes);
    }
    // After a good login likewise.
    for _ in 0..100 {
        let mut client = weir.client();
        let bytes: Vec<u8> = (0..dice() % 500).map(|_| dice() as u8).collect();
        let _ = client.stream.write_all(&bytes);
    }
    assert_eq!(one(&weir), Ok(vec!["1".to_owned()]));
}

#[test]
fn a_server_that_is_not_there_is_an_error_and_not_a_hang() {
    let pg = Postgres::shared();
    let nobody = ServerSettings::at("127.0.0.1", common::free_port());
    let weir = Weir::with(nobody, 2, |s| {
        s.pooler.pools[0].query_wait_timeout = Duration::from_secs(2);
    });
    let began = Instant::now();
    let out = pg.run("psql", weir.port, &["-XAtqc", "select 1"]);
    assert!(!out.status.success());
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert!(!out.stderr.is_empty());
}
