//! Real clients on a real PostgreSQL through the proxy.

#![allow(clippy::disallowed_methods, reason = "tests run in real time")]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::{Client, Postgres, Weir};
use weir_model::{Order, PoolMode, ServerSettings};

fn pgbench(args: &[&str]) {
    let pg = Postgres::shared();
    let weir = Weir::before(pg, 10);
    let out = pg.run("pgbench", weir.port, args);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let complained = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}\n{complained}");
    assert!(
        said.contains("number of failed transactions: 0"),
        "{said}\n{complained}"
    );
    assert!(!complained.contains("error"), "{complained}");
}

#[test]
fn psql_gets_its_rows() {
    let pg = Postgres::shared();
    let weir = Weir::before(pg, 2);
    assert_eq!(pg.psql(weir.port, "select 6 * 7"), "42");
    assert_eq!(
        pg.psql(weir.port, "select count(*) from generate_series(1, 5000)"),
        "5000"
    );
}

#[test]
fn pgbench_runs_in_simple_mode() {
    pgbench(&[
        "-n", "-S", "-M", "simple", "-c", "40", "-j", "2", "-t", "100",
    ]);
}

#[test]
fn pgbench_runs_in_extended_mode() {
    pgbench(&[
        "-n", "-S", "-M", "extended", "-c", "40", "-j", "2", "-t", "100",
    ]);
}

#[test]
fn pgbench_runs_in_prepared_mode() {
    pgbench(&[
        "-n", "-S", "-M", "prepared", "-c", "40", "-j", "2", "-t", "100",
    ]);
}

#[test]
fn pgbench_runs_with_a_connection_per_transaction() {
    pgbench(&["-n", "-S", "-C", "-c", "10", "-j", "2", "-t", "100"]);
}

#[test]
fn pgbench_writes_in_transactions() {
    pgbench(&["-n", "-N", "-c", "20", "-j", "2", "-t", "100"]);
}

#[test]
fn pgbench_runs_pipelined() {
    let script = tempfile::NamedTempFile::new().expect("a file");
    let text = "\\startpipeline\nbegin;\nselect 1;\nselect repeat('x', 3000);\ncommit;\nselect 2;\n\\endpipeline\n";
    std::fs::write(script.path(), text).expect("written");
    let script = script.path().to_str().expect("a path");
    pgbench(&[
        "-n", "-M", "extended", "-f", script, "-c", "20", "-j", "2", "-t", "100",
    ]);
    pgbench(&[
        "-n", "-M", "prepared", "-f", script, "-c", "20", "-j", "2", "-t", "100",
    ]);
}

#[test]
fn pgbench_runs_in_session_mode() {
    let pg = Postgres::shared();
    let weir = Weir::with(ServerSettings::at("127.0.0.1", pg.port), 10, |s| {
        s.pooler.pools[0].mode = PoolMode::Session;
    });
    let args = [
        "-n", "-S", "-M", "prepared", "-c", "10", "-j", "2", "-t", "100",
    ];
    let out = pg.run("pgbench", weir.port, &args);
    assert!(out.status.success(), "{out:?}");
}

#[test]
fn a_thousand_idle_clients_are_served_when_they_ask() {
    let pg = Postgres::shared();
    let weir = Weir::before(pg, 4);
    let mut clients: Vec<Client> = (0..1000).map(|_| weir.client()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        assert_eq!(
            client.query(&format!("select {i}")),
            Ok(vec![i.to_string()])
        );
    }
}

#[test]
fn ten_megabytes_of_copy_come_back_byte_for_byte() {
    let pg = Postgres::shared();
    let weir = Weir::before(pg, 2);
    pg.psql(
        weir.port,
        "drop table if exists copied; create table copied (n int, t text)",
    );
    let dir = tempfile::tempdir().expect("a directory");
    let (source, target) = (dir.path().join("in"), dir.path().join("out"));
    let line = "abcdefghij".repeat(100);
    let rows: String = (0..10_500).map(|i| format!("{i}\t{line}\n")).collect();
    assert!(rows.len() > 10_000_000);
    std::fs::write(&source, &rows).expect("written");
    pg.psql(
        weir.port,
        &format!("\\copy copied from '{}'", source.display()),
    );
    pg.psql(
        weir.port,
        &format!(
            "\\copy (select * from copied order by n) to '{}'",
            target.display()
        ),
    );
    assert!(
        rows.as_bytes() == std::fs::read(&target).expect("read"),
        "they differ"
    );
}

#[test]
fn it_listens_and_dials_on_unix_sockets_and_by_name() {
    let pg = Postgres::shared();
    let dir = tempfile::tempdir().expect("a directory");
    let upstream = ServerSettings::at(pg.dir.to_str().expect("a path"), pg.port);
    let listen = format!("{}:6432", dir.path().display());
    let weir = Weir::with(upstream, 2, |s| {
        s.listen.push(listen.parse().expect("an address"));
    });
    let socket = dir.path().join(".s.PGSQL.6432");
    let out = pg
        .command("psql", 6432)
        .env("PGHOST", dir.path())
        .args(["-XAtqc", "select 1"])
        .output()
        .expect("psql");
    assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), "1", "{out:?}");
    assert!(socket.exists());
    drop(weir);
    assert!(!socket.exists(), "the socket file is left behind");

    let weir = Weir::with(ServerSettings::at("localhost", pg.port), 2, |_| {});
    assert_eq!(weir.client().query("select 2"), Ok(vec!["2".to_owned()]));
}

#[test]
fn a_cancel_request_ends_the_query_of_the_client_that_asked() {
    let pg = Postgres::shared();
    let weir = Weir::before(pg, 2);
    let mut client = weir.client();
    client.ask("select pg_sleep(30)");
    std::thread::sleep(Duration::from_millis(300));
    let mut packet = vec![0, 0, 0, 16, 4, 210, 22, 46];
    packet.extend_from_slice(&client.key);
    let mut canceller = std::net::TcpStream::connect(("127.0.0.1", weir.port)).expect("connects");
    std::io::Write::write_all(&mut canceller, &packet).expect("sent");
    let fault = client.answer().expect_err("cancelled");
    assert!(fault.contains("57014"), "{fault}");
    assert_eq!(client.query("select 1"), Ok(vec!["1".to_owned()]));
}

#[test]
fn it_serves_on_when_nobody_takes_samples_and_events() {
    let pg = Postgres::shared();
    let mut weir = Weir::before(pg, 2);
    let handle = weir.handle.take().expect("a handle");
    let (orders, worker) = (handle.orders, handle.worker);
    drop((handle.samples, handle.events));
    let mut client = weir.client();
    for i in 0..500 {
        assert_eq!(
            client.query(&format!("select {i}")),
            Ok(vec![i.to_string()])
        );
    }
    orders.stop();
    worker.join().expect("no panic");
}

#[test]
fn draining_lets_an_open_transaction_finish_and_then_the_worker_ends() {
    let pg = Postgres::shared();
    let mut weir = Weir::before(pg, 2);
    let mut client = weir.client();
    client.query("begin").expect("begun");
    weir.handle().orders.send(Order::Drain).expect("sent");
    std::thread::sleep(Duration::from_millis(300));
    assert!(std::net::TcpStream::connect(("127.0.0.1", weir.port)).is_err());
    assert_eq!(client.query("select 1"), Ok(vec!["1".to_owned()]));
    client.query("commit").expect("committed");
    weir.handle.take().expect("a handle").join().expect("ended");
}

#[test]
fn samples_tell_what_the_loop_does() {
    let pg = Postgres::shared();
    let mut weir = Weir::before(pg, 2);
    let mut client = weir.client();
    client.query("select 1").expect("answered");
    std::thread::sleep(Duration::from_millis(450));
    let samples: Vec<_> = std::iter::from_fn(|| weir.handle().samples.pop().ok()).collect();
    assert!(
        (3..=6).contains(&samples.len()),
        "{} samples",
        samples.len()
    );
    let last = samples.last().expect("some");
    assert_eq!(last.worker.clients, 1);
    assert_eq!(last.worker.events_lost_total, 0);
    assert_eq!(last.worker.buffered_bytes, 0);
    let completed: u32 = samples
        .iter()
        .flat_map(|s| &s.pools)
        .map(|p| p.completions)
        .sum();
    assert_eq!(completed, 1);
}

#[test]
fn psql_interrupted_by_its_user_leaves_the_pool_intact() {
    let pg = Postgres::shared();
    let weir = Weir::before(pg, 1);
    let mut child = pg
        .command("psql", weir.port)
        .args(["-XAtqc", "select pg_sleep(30)"])
        .stderr(Stdio::null())
        .spawn()
        .expect("psql");
    std::thread::sleep(Duration::from_millis(500));
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(weir.client().query("select 1"), Ok(vec!["1".to_owned()]));
}

#[test]
fn in_session_mode_a_server_is_free_again_after_its_client_left() {
    let pg = Postgres::shared();
    let weir = Weir::with(ServerSettings::at("127.0.0.1", pg.port), 1, |s| {
        s.pooler.pools[0].mode = PoolMode::Session;
    });
    for round in 0..20 {
        let mut client = weir.client();
        client
            .stream
            .set_read_timeout(Some(Duration::from_secs(3)))
            .expect("a timeout");
        assert_eq!(
            client.query("select 1"),
            Ok(vec!["1".to_owned()]),
            "{round}"
        );
        if round % 2 == 0 {
            use std::io::Write;
            client.stream.write_all(b"X\0\0\0\x04").expect("sent");
        }
    }
}
