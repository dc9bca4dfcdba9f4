//! A start that can't be: the reason, at once, in the operator's terms. And what is no reason not
//! to start.

use std::net::TcpListener;
use std::process::Command;

use crate::support::{Raw, SOON, Weir, pooled, postgres, until_async, weir_command};

/// Runs `weir` with `args`, which must end by itself: exit code and what it wrote to stderr.
fn ends(args: &[&str]) -> (Option<i32>, String) {
    let out = weir_command().args(args).output().unwrap();
    (
        out.status.code(),
        String::from_utf8_lossy(&out.stderr).into_owned(),
    )
}

#[test]
fn a_taken_listen_port_is_named_and_ends_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let (code, says) = ends(&[
        "run",
        "--upstream",
        "postgres://postgres@127.0.0.1:1/postgres",
        "--listen",
        &addr,
        "--api",
        "off",
        "--store",
        "none",
    ]);
    assert_eq!(code, Some(1), "{says}");
    assert!(says.contains(&addr), "{says}");
    assert!(
        says.contains("in use") || says.contains("listens there"),
        "{says}"
    );
}

#[test]
fn a_taken_api_port_is_told_and_pooling_goes_on() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let weir = Weir::start_with(
        &pooled(postgres().port(), 2, ""),
        &["--api", &addr, "--store", "none"],
        &[],
    );
    weir.until_logs("Pooling goes on");
    assert!(weir.log().contains(&addr), "{}", weir.log());
    assert_eq!(Raw::login(weir.port).one("select 1"), "1");
}

#[test]
fn an_unreadable_configuration_is_named() {
    let (code, says) = ends(&["run", "/no/such/weir.toml"]);
    assert_eq!(code, Some(2), "{says}");
    assert!(says.contains("/no/such/weir.toml"), "{says}");
    assert!(says.contains("No such file"), "{says}");
    let dir = tempfile::tempdir().unwrap();
    let (code, says) = ends(&["run", &dir.path().to_string_lossy()]);
    assert_eq!(code, Some(2), "{says}");
    let binary = dir.path().join("weir.toml");
    std::fs::write(&binary, [0xff, 0xfe, 0x00, 0x80]).unwrap();
    let (code, says) = ends(&["run", &binary.to_string_lossy()]);
    assert_eq!(code, Some(2), "{says}");
}

#[test]
fn all_faults_of_a_configuration_are_told_at_once_with_line_column_and_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("weir.toml");
    std::fs::write(
        &file,
        "listne = [\"127.0.0.1:0\"]\n[auth]\nmethod = \"trsut\"\n[pool.app]\nquery_wait_timeout = 5\nmode = \"transactoin\"\n",
    )
    .unwrap();
    for command in [&["run"][..], &["config", "check"]] {
        let mut args = command.to_vec();
        let path = file.to_string_lossy().into_owned();
        args.push(&path);
        let (code, says) = ends(&args);
        assert_eq!(code, Some(2), "{says}");
        for part in [
            "weir.toml:1:1",
            "did you mean `listen`?",
            "weir.toml:3:10",
            "known are trust, any, plain, md5, scram-sha-256",
            "weir.toml:5:22",
            "a duration needs a unit",
            "weir.toml:6:8",
            "known are session, transaction, statement",
        ] {
            assert!(says.contains(part), "lacks {part}: {says}");
        }
        assert!(!says.contains("panicked"), "{says}");
    }
}

#[test]
fn a_nonsensical_command_line_is_wrong_usage_and_never_shows_a_password() {
    for (args, part) in [
        (&["run"][..], "--upstream"),
        (&["run", "--upstream", "nonsense"], "--upstream"),
        (&["run", "--upstream", "http://db:80/x"], "--upstream"),
        (
            &["run", "--upstream", "postgres://u:hunter2@db:port/x"],
            "--upstream",
        ),
        (
            &["run", "--upstream", "postgres://u:hunter2@h1,h2/x"],
            "several hosts",
        ),
        (
            &["run", "--upstream", "postgres://h/x", "--pool-size", "0"],
            "--pool-size",
        ),
        (
            &["run", "--upstream", "postgres://h/x", "--pool-size", "many"],
            "--pool-size",
        ),
        (
            &["run", "--upstream", "postgres://h/x", "--listen", "here"],
            "here",
        ),
        (
            &["run", "--upstream", "postgres://h/x", "--api", "there"],
            "there",
        ),
        (
            &["run", "a.toml", "--upstream", "postgres://h/x"],
            "not both",
        ),
        (&["rnu"], "rnu"),
        (&["run", "--pool-mode", "sesion"], "session"),
    ] {
        let (code, says) = ends(args);
        assert_eq!(code, Some(2), "{args:?}: {says}");
        assert!(says.contains(part), "{args:?}: {says}");
        assert!(!says.contains("hunter2"), "{args:?}: {says}");
    }
}

#[tokio::test]
async fn a_corrupt_store_is_moved_aside_and_said_and_pooling_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("weir.db"),
        b"this is no database ".repeat(500),
    )
    .unwrap();
    let config = pooled(postgres().port(), 2, "");
    let weir = Weir::start_in(dir.into(), &config, &["--api", "127.0.0.1:0"], &[]);
    assert_eq!(Raw::login(weir.port).one("select 1"), "1");
    weir.until_logs("Store:");
    let kept: Vec<String> = std::fs::read_dir(weir.dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert!(
        kept.iter()
            .any(|f| f.starts_with("weir.db.") && f.contains("corrupt")),
        "{kept:?}\n{}",
        weir.log()
    );
    let status = weir.get("/api/v1/status").await;
    assert_eq!(status["store_ok"], true, "{status}");
}

#[tokio::test]
async fn a_store_in_a_folder_that_isnt_there_is_said_and_pooling_goes_on() {
    let weir = Weir::start_with(
        &pooled(postgres().port(), 2, ""),
        &["--api", "127.0.0.1:0", "--store", "/no/such/folder/weir.db"],
        &[],
    );
    assert_eq!(Raw::login(weir.port).one("select 1"), "1");
    weir.until_logs("memory only");
    assert!(weir.log().contains("/no/such/folder"), "{}", weir.log());
    until_async("status says so too", SOON, async || {
        let status = weir.get("/api/v1/status").await;
        let says = status["store"].to_string();
        (status["store_ok"] == false && says.contains("memory")).then_some(())
    })
    .await;
}

/// A file system of a few pages, unmounted when dropped. `None` where we may not mount.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "weir-spec"])
            .arg(dir.path())
            .output();
        if !mounted.is_ok_and(|out| out.status.success()) {
            eprintln!("skipped: a tiny disk needs the right to mount");
            return None;
        }
        Some(Self(dir))
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_said_pooling_goes_on_and_nothing_is_lost_once_there_is_room() {
    let Some(disk) = TinyDisk::mount("2m") else {
        return;
    };
    let filler = disk.0.path().join("filler");
    let store = disk.0.path().join("weir.db").to_string_lossy().into_owned();
    let mut weir = Weir::start_with(
        &pooled(postgres().port(), 1, ""),
        &["--api", "127.0.0.1:0", "--store", &store],
        &[],
    );
    // Now nothing more fits.
    let _ = std::fs::write(&filler, vec![0; 4 << 20]);
    let port = weir.port;
    let crowd: Vec<_> = (0..15)
        .map(|_| tokio::spawn(async move { crowd_member(port).await }))
        .collect();
    until_async("status says that the disk is full", SOON, async || {
        let status = weir.get("/api/v1/status").await;
        status["store"].to_string().contains("full").then_some(())
    })
    .await;
    let incidents = weir.get("/api/v1/incidents").await;
    assert!(incidents.to_string().contains("INC-1"), "{incidents}");
    std::fs::remove_file(&filler).unwrap();
    until_async("the store has caught up", SOON, async || {
        let status = weir.get("/api/v1/status").await;
        (status["store_ok"] == true).then_some(())
    })
    .await;
    for member in crowd {
        member.abort();
    }
    weir.signal("KILL");
    weir.ended();
    let out = weir_command()
        .args(["incident", "show", "INC-1", "-o", "json", "--store", &store])
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

async fn crowd_member(port: u16) {
    let client = crate::support::client(port).await;
    loop {
        let _ = client.batch_execute("select pg_sleep(0.2)").await;
    }
}
