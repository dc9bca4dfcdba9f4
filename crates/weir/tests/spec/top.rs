//! `weir top` on a real terminal, in front of a real Weir.
//!
//! The terminal is util-linux's `script`, which every Linux has; what it shows is read with `vt100`.

#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{SOON, Weir, client, pooled, postgres, until, until_async, weir_command};

const LEAVES: &str = "\u{1b}[?1049l";
const ENTERS: &str = "\u{1b}[?1049h";

/// A terminal with `weir top` in it.
struct Tty {
    script: Child,
    keys: ChildStdin,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Every byte that came.
    raw: Arc<Mutex<Vec<u8>>>,
    dir: tempfile::TempDir,
    began: Instant,
}

impl Tty {
    fn open(url: &str, more: &str, (columns, rows): (u16, u16)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let weir = env!("CARGO_BIN_EXE_weir");
        let line = format!(
            "stty rows {rows} cols {columns}; echo $$ > {}/pid; exec {weir} top {url} --by ann {more}",
            dir.path().display()
        );
        let began = Instant::now();
        let mut script = Command::new("script")
            .args(["-q", "-e", "-c", &line, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("util-linux's script");
        let mut out = script.stdout.take().unwrap();
        let keys = script.stdin.take().unwrap();
        let some = |n| std::num::NonZero::new(n).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(some(rows), some(columns), 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let (seen, kept) = (Arc::clone(&screen), Arc::clone(&raw));
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(n @ 1..) = out.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..n]);
                seen.lock().unwrap().process(&buffer[..n]);
            }
        });
        Self {
            script,
            keys,
            screen,
            raw,
            dir,
            began,
        }
    }

    fn of(weir: &Weir) -> Self {
        Self::open(&format!("http://127.0.0.1:{}", weir.api), "", (120, 40))
    }

    fn shown(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    fn until_shows(&self, text: &str) {
        let begun = Instant::now();
        while !self.shown().contains(text) {
            assert!(
                begun.elapsed() < SOON,
                "the screen never showed `{text}`:\n{}",
                self.shown()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn type_in(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn count(&self, sequence: &str) -> usize {
        let raw = self.raw.lock().unwrap();
        raw.windows(sequence.len())
            .filter(|w| *w == sequence.as_bytes())
            .count()
    }

    fn pid(&self) -> u32 {
        let text = std::fs::read_to_string(self.dir.path().join("pid")).unwrap();
        text.trim().parse().unwrap()
    }

    fn ended(&mut self) -> Option<i32> {
        until("weir top ends", SOON, || self.script.try_wait().unwrap()).code()
    }

    /// The terminal is as it was: the other screen left, the cursor there.
    fn is_given_back(&self) {
        until("the terminal is given back", SOON, || {
            (self.count(LEAVES) == self.count(ENTERS)).then_some(())
        });
        assert!(!self.screen.lock().unwrap().screen().hide_cursor());
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// A Weir with one pool that is open.
async fn weir_with_a_pool() -> (Weir, tokio_postgres::Client) {
    let weir = Weir::watched(&pooled(postgres().port(), 2, ""));
    let client = client(weir.port).await;
    client.batch_execute("select 1").await.unwrap();
    until_async("the pool is told", SOON, async || {
        let pools = weir.get("/api/v1/pools").await;
        pools.to_string().contains("postgres").then_some(())
    })
    .await;
    (weir, client)
}

#[tokio::test]
async fn it_draws_within_a_tenth_of_a_second() {
    let (weir, _client) = weir_with_a_pool().await;
    // A machine that builds at the same time is no measure; the best of several tries is.
    let mut best = [Duration::MAX; 2];
    for _ in 0..8 {
        let mut tty = Tty::of(&weir);
        let shows = |text: &str| {
            tty.until_shows(text);
            tty.began.elapsed()
        };
        let times = [shows("weir top"), shows("postgres/postgres")];
        for (best, time) in best.iter_mut().zip(times) {
            *best = time.min(*best);
        }
        tty.type_in("q");
        assert_eq!(tty.ended(), Some(0));
    }
    println!(
        "first picture after {:?}, with pools after {:?}",
        best[0], best[1]
    );
    assert!(best[0] < Duration::from_millis(100), "{best:?}");
    assert!(best[1] < Duration::from_millis(300), "{best:?}");
}

// With threads: the crowd must go on while this waits for the screen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_sees_the_incident_acknowledges_it_and_closes_a_client() {
    let (weir, calm) = weir_with_a_pool().await;
    let mut tty = Tty::of(&weir);
    tty.until_shows("No incident is open.");
    // The detector takes no queue of the first three seconds for an incident.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(3_500) {
        calm.batch_execute("select pg_sleep(0.01)").await.unwrap();
    }
    let crowd: Vec<_> = (0..30)
        .map(|_| {
            let port = weir.port;
            tokio::spawn(async move {
                let client = client(port).await;
                while client.batch_execute("select pg_sleep(0.3)").await.is_ok() {}
            })
        })
        .collect();
    tty.until_shows("! INC-1");
    tty.until_shows("exhausted");

    tty.type_in("a");
    tty.until_shows("Acknowledge INC-1");
    tty.type_in("looking at it\r");
    until_async("INC-1 is acknowledged", SOON, async || {
        let incident = weir.get("/api/v1/incidents/INC-1").await;
        let by_ann = incident["timeline"].to_string().contains("looking at it");
        (incident["status"] != "open" && by_ann).then_some(())
    })
    .await;
    tty.until_shows("INC-1 sev");

    tty.type_in("6\r");
    tty.until_shows("Timeline (UTC)");
    tty.type_in("\u{1b}8");
    tty.until_shows("INC-1: ");
    tty.type_in("?");
    tty.until_shows("close its connection");
    tty.type_in("x");

    // Nobody of the crowd stops by itself.
    tty.type_in("3");
    tty.until_shows("of 31 clients");
    tty.type_in("/waiting\r");
    tty.until_shows("/waiting");
    tty.type_in("K");
    tty.until_shows("Undo: ");
    assert!(crowd.iter().all(|task| !task.is_finished()));
    tty.type_in("y");
    until_async("a client is closed", SOON, async || {
        let closed = crowd.iter().filter(|task| task.is_finished()).count();
        (closed == 1).then_some(())
    })
    .await;
    tty.until_shows("of 30 clients");
    tty.type_in("q");
    assert_eq!(tty.ended(), Some(0));
    tty.is_given_back();
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_signal_ends_it_and_the_terminal_is_as_it_was() {
    let (weir, _client) = weir_with_a_pool().await;
    for name in ["TERM", "INT", "HUP"] {
        let mut tty = Tty::of(&weir);
        tty.until_shows("postgres/postgres");
        assert!(tty.count(ENTERS) == 1 && tty.count(LEAVES) == 0);
        signal(name, tty.pid());
        assert_eq!(tty.ended(), Some(0), "SIG{name}");
        tty.is_given_back();
    }
}

#[tokio::test]
async fn ctrl_z_stops_it_and_it_comes_back() {
    let (weir, _client) = weir_with_a_pool().await;
    let mut tty = Tty::of(&weir);
    tty.until_shows("postgres/postgres");
    let state = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    };
    tty.type_in("\u{1a}");
    let pid = tty.pid();
    until("it is stopped", SOON, || (state(pid) == 'T').then_some(()));
    // `script` stops with it, as a shell's job would, and goes on with it.
    until("it goes on", SOON, || {
        signal("CONT", tty.script.id());
        signal("CONT", pid);
        (tty.count(ENTERS) == 2).then_some(())
    });
    assert_eq!(tty.count(LEAVES), 1);
    tty.type_in("6");
    tty.until_shows("No incident since this store was made.");
    tty.type_in("q");
    assert_eq!(tty.ended(), Some(0));
    tty.is_given_back();
}

#[tokio::test]
async fn it_says_how_old_its_picture_is_and_finds_the_weir_that_comes_back() {
    let (mut weir, held) = weir_with_a_pool().await;
    let mut tty = Tty::of(&weir);
    tty.until_shows("postgres/postgres");
    let api = weir.api;
    weir.signal("KILL");
    weir.ended();
    drop(held);
    tty.until_shows("STALE");
    tty.until_shows("next try in");
    tty.until_shows("Connection refused");
    tty.until_shows("postgres/postgres"); // what was known stays
    let config = pooled(postgres().port(), 2, "");
    let again = Weir::start_with(
        &config,
        &["--api", &format!("127.0.0.1:{api}"), "--store", "none"],
        &[],
    );
    assert_eq!(again.api, api);
    tty.until_shows("live");
    tty.type_in("8");
    tty.until_shows("answers again");
}

fn once(args: &[&str]) -> (Option<i32>, String, String) {
    let out = weir_command().arg("top").args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

#[tokio::test]
async fn without_a_terminal_it_says_so_and_prints_once_when_asked() {
    let (weir, _client) = weir_with_a_pool().await;
    let url = format!("127.0.0.1:{}", weir.api);
    let (code, out, err) = once(&[&url]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("--once"), "{err}");

    let (code, out, err) = once(&[&url, "--once"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("postgres/postgres"), "{out}");
    assert!(!out.contains('\u{1b}'), "{out}");

    let (code, out, err) = once(&[&url, "-o", "json"]);
    assert_eq!(code, Some(0), "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["schema"], "weir.top/1");
    assert_eq!(document["pools"][0]["user"], "postgres");
    for key in ["at", "status", "overview", "incidents", "decisions"] {
        assert!(document.get(key).is_some(), "{key}: {document}");
    }
}

#[test]
fn what_was_typed_wrong_is_named() {
    for (args, says) in [
        (&["ftp://x"][..], "`ftp` is no way"),
        (&["http://u:secret@x"], "--token-file"),
        (&["http://x/path"], "has a path"),
        (&["http://"], "is no address"),
        (&["--token-file", "/no/such", "127.0.0.1:1"], "/no/such"),
    ] {
        let (code, _, err) = once(args);
        assert_eq!(code, Some(2), "{err}");
        assert!(err.contains(says), "{err}");
        assert!(!err.contains("secret"), "{err}");
    }
    let (code, _, err) = once(&["127.0.0.1:1", "--once"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("no Weir at http://127.0.0.1:1"), "{err}");
}
