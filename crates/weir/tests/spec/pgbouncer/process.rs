//! Command line, exit codes, pid file, signals.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use super::{Bouncer, order, show};
use crate::support::{SOON, one, try_one, until, until_async};

fn called_pgbouncer(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg0("/usr/sbin/pgbouncer")
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn a_link_named_pgbouncer_has_pgbouncers_options_and_exit_codes() {
    let version = called_pgbouncer(&["-V"]);
    assert_eq!(version.status.code(), Some(0));
    let text = String::from_utf8(version.stdout).unwrap();
    assert!(text.starts_with("PgBouncer 1."), "{text}");
    let help = called_pgbouncer(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8(help.stdout).unwrap().contains("--reboot"));
    for args in [&["--nonsense"][..], &[], &["/nowhere/at.all"]] {
        let wrong = called_pgbouncer(args);
        assert_eq!(wrong.status.code(), Some(1), "{args:?}");
        assert!(!wrong.stderr.is_empty(), "{args:?}");
    }
}

#[tokio::test]
async fn show_version_is_what_the_command_line_says() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "");
    let said = called_pgbouncer(&["--version"]).stdout;
    let said = String::from_utf8(said).unwrap();
    let shown = one(&bouncer.admin().await, "SHOW VERSION").await;
    assert_eq!(said.lines().next(), Some(&*shown));
}

#[tokio::test]
async fn the_pid_file_holds_the_pid_and_goes_with_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b.pid");
    let main = format!("pidfile = {}", path.display());
    let mut bouncer = Bouncer::start("p0 = PG dbname=postgres", &main);
    let pid = std::fs::read_to_string(&path).unwrap();
    assert_eq!(pid.trim(), bouncer.child.id().to_string());
    let second = bouncer.command(&[]).status().unwrap();
    assert_eq!(
        second.code(),
        Some(1),
        "the file belongs to a living process"
    );
    bouncer.signal("QUIT");
    assert_eq!(bouncer.ended().code(), Some(0));
    assert!(!path.exists());
    assert!(bouncer.log().contains("got SIGQUIT, fast exit"));
}

#[tokio::test]
async fn sigterm_waits_for_clients_and_a_second_one_does_not() {
    let mut bouncer = Bouncer::start("p0 = PG dbname=postgres", "pool_mode = transaction");
    let client = bouncer.client("p0", "postgres").await;
    one(&client, "select 1").await;
    bouncer.signal("TERM");
    bouncer.until_logs("got SIGTERM, shutting down, waiting for all clients disconnect");
    assert_eq!(
        one(&client, "select 2").await,
        "2",
        "who is there is served on"
    );
    drop(client);
    // Asynchronously: the client's end is told by a task of this very thread.
    let status = until_async("it ends", SOON, async || bouncer.child.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(0), "{}", bouncer.log());

    let mut bouncer = Bouncer::start("p0 = PG dbname=postgres", "");
    let client = bouncer.client("p0", "postgres").await;
    one(&client, "select 1").await;
    bouncer.signal("TERM");
    bouncer.until_logs("got SIGTERM, shutting down");
    bouncer.signal("USR2");
    bouncer.until_logs("got SIGUSR2 while shutting down, ignoring");
    bouncer.signal("TERM");
    assert_eq!(bouncer.ended().code(), Some(0));
    assert!(
        bouncer
            .log()
            .contains("got SIGTERM while shutting down, fast exit")
    );
}

#[tokio::test]
async fn sigint_waits_for_servers() {
    let mut bouncer = Bouncer::start("p0 = PG dbname=postgres", "pool_mode = transaction");
    let client = bouncer.client("p0", "postgres").await;
    order(&client, "begin").await;
    bouncer.signal("INT");
    bouncer.until_logs("got SIGINT, shutting down, waiting for all servers");
    assert_eq!(one(&client, "select 2").await, "2");
    order(&client, "commit").await;
    assert_eq!(bouncer.ended().code(), Some(0), "{}", bouncer.log());
}

#[tokio::test]
async fn sigusr1_pauses_and_sigusr2_resumes() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "pool_mode = transaction");
    let client = bouncer.client("p0", "postgres").await;
    one(&client, "select 1").await;
    bouncer.signal("USR1");
    bouncer.until_logs("got SIGUSR1, pausing all activity");
    let admin = bouncer.admin().await;
    let state = show(&admin, "SHOW STATE").await;
    assert_eq!(super::cell(&state, ("key", "paused"), "value"), "yes");
    let waits = tokio::spawn(async move { try_one(&client, "select 7").await });
    until("it waits", SOON, || (!waits.is_finished()).then_some(()));
    bouncer.signal("USR2");
    bouncer.until_logs("got SIGUSR2, continuing from PAUSE");
    assert_eq!(waits.await.unwrap().unwrap(), "7");
    bouncer.signal("USR2");
    bouncer.until_logs("got SIGUSR2, but not paused/suspended");
}

#[tokio::test]
async fn sighup_reads_the_file_again_and_opens_the_log_anew() {
    let bouncer = Bouncer::start("p0 = PG dbname=postgres", "max_client_conn = 10");
    let log = bouncer.dir.path().join("test.log");
    std::fs::rename(&log, bouncer.dir.path().join("test.log.1")).unwrap();
    bouncer.write("p0 = PG dbname=postgres", "max_client_conn = 11");
    bouncer.signal("HUP");
    until("the log is there again", SOON, || {
        log.exists().then_some(())
    });
    let admin = bouncer.admin().await;
    until("the value is there", SOON, || Some(()));
    let config = show(&admin, "SHOW CONFIG").await;
    let value = super::cell(&config, ("key", "max_client_conn"), "value");
    assert_eq!(value, "11");
}
