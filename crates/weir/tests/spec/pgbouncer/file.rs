//! The file, SET and RELOAD.

use std::process::Command;

use super::{Bouncer, cell, order, show};
use crate::support::{one, told, try_one};

#[tokio::test]
async fn a_setting_holds_at_once_and_a_reload_takes_the_file_again() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "query_timeout = 20");
    let admin = bouncer.admin().await;
    let value = async |key: &str| {
        let config = show(&admin, "SHOW CONFIG").await;
        cell(&config, ("key", key), "value")
    };
    assert_eq!(value("query_timeout").await, "20");
    order(&admin, "SET query_timeout = '1.5'").await;
    assert_eq!(value("query_timeout").await, "1.5");
    // Only a restart changes this; it is taken and nothing happens.
    order(&admin, "SET listen_port = 1").await;
    assert_eq!(value("listen_port").await, bouncer.port.to_string());
    let config = show(&admin, "SHOW CONFIG").await;
    assert_eq!(cell(&config, ("key", "listen_port"), "changeable"), "no");
    order(&admin, "RELOAD").await;
    assert_eq!(value("query_timeout").await, "20");
    let fault = try_one(&admin, "SET nosuch = 1").await.unwrap_err();
    assert!(told(&fault).contains("SET failed"), "{}", told(&fault));
}

#[tokio::test]
async fn a_broken_file_is_refused_whole_and_the_old_one_holds() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "");
    let admin = bouncer.admin().await;
    bouncer.write(
        "p0 = PG dbname=postgres\np1 = PG dbname=postgres",
        "server_lifetime = soon\nnosuch = 1",
    );
    let fault = try_one(&admin, "RELOAD").await.unwrap_err();
    assert_eq!(
        told(&fault),
        "F0000 RELOAD failed, see logs for additional details"
    );
    bouncer.until_logs("unknown parameter: pgbouncer/nosuch");
    bouncer.until_logs("invalid value \"soon\" for parameter server_lifetime");
    let refused = super::refused_login(&bouncer, "p1", "ann").await;
    assert!(refused.contains("no such database"), "{refused}");
    one(&bouncer.client("p0", "ann").await, "select 1").await;
}

#[tokio::test]
async fn a_database_that_is_new_in_the_file_is_there_after_the_reload() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "");
    let admin = bouncer.admin().await;
    let old = bouncer.client("p0", "ann").await;
    bouncer.write("p1 = PG dbname=postgres", "");
    order(&admin, "RELOAD").await;
    one(&bouncer.client("p1", "ann").await, "select 1").await;
    assert!(try_one(&old, "select 1").await.is_err(), "p0 is gone");
    let refused = super::refused_login(&bouncer, "p0", "ann").await;
    assert!(refused.contains("no such database"), "{refused}");
}

#[tokio::test]
async fn weir_run_tells_an_ini_from_a_toml() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "");
    let out = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["config", "check"])
        .arg(bouncer.file())
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("1 database(s)"), "{text}");
}

#[test]
fn import_says_what_becomes_of_each_line_and_gives_a_weir_toml() {
    let dir = tempfile::tempdir().unwrap();
    let ini = dir.path().join("pgbouncer.ini");
    std::fs::write(
        &ini,
        "[databases]\napp = host=db1 dbname=live password=hidden user=u\n\
         [pgbouncer]\npool_mode = transaction\nauth_type = trust\ndns_max_ttl = 3\nlisten_addr = 127.0.0.1\n",
    )
    .unwrap();
    let weir = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_weir"))
            .args(args)
            .arg(&ini)
            .output()
            .unwrap()
    };
    let out = weir(&["import"]);
    assert!(out.status.success());
    let (toml, says) = (
        String::from_utf8(out.stdout).unwrap(),
        String::from_utf8(out.stderr).unwrap(),
    );
    assert!(!toml.contains("hidden") && !says.contains("hidden"));
    assert!(says.contains("dns_max_ttl = 3\n    no equal:"), "{says}");
    let file = dir.path().join("weir.toml");
    std::fs::write(&file, toml).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["config", "check"])
        .arg(&file)
        .env("WEIR_MAIN_PASSWORD", "x")
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}
