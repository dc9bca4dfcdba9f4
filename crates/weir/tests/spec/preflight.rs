//! `weir check`: what would not work is told before a client finds out, each line with a remedy. And
//! what a package installs beside the binary.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::{postgres, weir_command};

/// Checks `config`: exit code and document.
fn checked(config: &str) -> (Option<i32>, Value) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("weir.toml");
    std::fs::write(&file, config).unwrap();
    let out = weir_command()
        .args(["check", "-o", "json"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    let says = String::from_utf8_lossy(&out.stderr);
    let document = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{says}"));
    (out.status.code(), document)
}

fn config(port: u16, server: &str, pool: &str) -> String {
    format!(
        "listen = [\"127.0.0.1:0\"]\n[auth]\nmethod = \"trust\"\n[server.main]\nhosts = [\"127.0.0.1:{port}\"]\n{server}\n[pool.app]\nserver = \"main\"\n{pool}\n"
    )
}

fn line<'a>(document: &'a Value, code: &str) -> &'a Value {
    let lines = document["lines"].as_array().unwrap();
    let found = lines.iter().find(|line| line["code"] == code);
    found.unwrap_or_else(|| panic!("no line {code} in {document:#}"))
}

#[test]
fn a_configuration_that_works_has_no_failed_line() {
    let (code, document) = checked(&config(
        postgres().port(),
        "watch = { user = \"postgres\" }",
        "database = \"postgres\"\nsize = 3",
    ));
    assert_eq!(code, Some(0), "{document:#}");
    assert_eq!(document["schema"], "weir.check/1");
    for code in ["P001", "P003", "P005", "P006", "P008", "P010", "P011"] {
        assert_eq!(line(&document, code)["verdict"], "ok", "{document:#}");
    }
    let sum = line(&document, "P010")["says"].as_str().unwrap();
    assert!(sum.contains("the pools take 3 at least"), "{sum}");
}

#[test]
fn a_port_where_nobody_listens_is_refused_with_a_remedy() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (code, document) = checked(&config(port, "watch = { user = \"postgres\" }", ""));
    assert_eq!(code, Some(1), "{document:#}");
    let line = line(&document, "P005");
    assert_eq!(line["verdict"], "fail");
    assert!(line["fix"].as_str().unwrap().contains("listen_addresses"));
}

#[test]
fn a_name_that_is_none_is_told_as_such() {
    let config = config(5432, "watch = { user = \"postgres\" }", "")
        .replace("127.0.0.1:5432", "no-such-host.invalid:5432");
    let (code, document) = checked(&config);
    assert_eq!(code, Some(1), "{document:#}");
    assert_eq!(line(&document, "P004")["verdict"], "fail", "{document:#}");
}

#[test]
fn an_unknown_user_database_and_too_many_servers_are_told() {
    let port = postgres().port();
    let (code, document) = checked(&config(port, "watch = { user = \"nobody_known\" }", ""));
    assert_eq!(code, Some(1), "{document:#}");
    assert_eq!(line(&document, "P006")["verdict"], "fail", "{document:#}");

    let watched = "watch = { user = \"postgres\" }";
    let (code, document) = checked(&config(
        port,
        watched,
        "database = \"no_such_db\"\nsize = 900",
    ));
    assert_eq!(code, Some(1), "{document:#}");
    assert_eq!(line(&document, "P011")["verdict"], "fail", "{document:#}");
    let budget = line(&document, "P010");
    assert_eq!(budget["verdict"], "fail", "{document:#}");
    assert!(budget["fix"].as_str().unwrap().contains("size.min"));
}

#[test]
fn without_somebody_to_watch_with_it_warns_and_passes() {
    let (code, document) = checked(&config(postgres().port(), "", "size = 3"));
    assert_eq!(code, Some(0), "{document:#}");
    assert_eq!(line(&document, "P006")["verdict"], "warn", "{document:#}");
    assert_eq!(document["verdict"], "warn");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let out = weir_command()
            .args(["completions", shell])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && text.contains("incident"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    let out = weir_command().arg("man").arg(dir.path()).output().unwrap();
    assert!(out.status.success());
    for page in ["weir.1", "weir-run.1", "weir-check.1", "weir-incident.1"] {
        let text = std::fs::read_to_string(dir.path().join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
}
