//! `weir report lint`, `explain` and `score`, as scripts meet them: output, exit codes, fixes.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const BAD: &str =
    "# Postmortem\n\nDuration: Start: May 10, 2023, 14:00 UTC | End: May 10, 2023, 17:30 UTC\n";

fn weir(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["report"])
        .args(args)
        .env("NO_COLOR", "1")
        .output()
        .expect("as the test set it up")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("as the test set it up")
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("as the test set it up")
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("as the test set it up");
    path.display().to_string()
}

#[test]
fn an_error_fails_the_run_and_names_file_line_and_column() {
    let dir = tempfile::tempdir().expect("as the test set it up");
    let path = file(dir.path(), "a.md", BAD);
    let output = weir(&["lint", &path]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = out(&output);
    assert!(
        text.contains("error[IR01]") && text.contains(&format!("{path}:1:3")),
        "{text}"
    );
    assert!(text.contains("3 h 30 min"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour into a pipe");
}

#[test]
fn json_and_sarif_come_on_standard_output_for_all_files_of_a_directory() {
    let dir = tempfile::tempdir().expect("as the test set it up");
    file(dir.path(), "a.md", BAD);
    file(dir.path(), "b.html", "<html><h1>Report</h1></html>");
    file(dir.path(), "c.txt", "not a report");
    let root = dir.path().display().to_string();
    let json: serde_json::Value =
        serde_json::from_str(&out(&weir(&["lint", "--format", "json", &root])))
            .expect("as the test set it up");
    assert_eq!(json["schema"], "weir.lint/1");
    assert_eq!(
        json["files"]
            .as_array()
            .expect("as the test set it up")
            .len(),
        2
    );
    assert!(json["errors"].as_u64().expect("as the test set it up") > 0);
    let sarif: serde_json::Value =
        serde_json::from_str(&out(&weir(&["lint", "--format", "sarif", &root])))
            .expect("as the test set it up");
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(
        sarif["runs"]
            .as_array()
            .expect("as the test set it up")
            .len(),
        1
    );
}

#[test]
fn wrong_usage_and_unreadable_files_are_told_apart_from_bad_reports() {
    let dir = tempfile::tempdir().expect("as the test set it up");
    let path = file(dir.path(), "a.md", BAD);
    let gone = dir.path().join("gone.md").display().to_string();
    let output = weir(&["lint", &path, &gone]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("gone.md"), "{}", said(&output));
    let output = weir(&["lint", "--off", "IR1", &path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("did you mean"), "{}", said(&output));
    assert_eq!(
        weir(&["lint", "--profile", "harsh", &path]).status.code(),
        Some(2)
    );
    assert_eq!(weir(&["lint", "--fix", "-"]).status.code(), Some(2));
    std::fs::write(&path, [0xff, 0xfe]).expect("as the test set it up");
    assert_eq!(weir(&["lint", &path]).status.code(), Some(2));
}

#[test]
fn a_fix_writes_the_file_once() {
    let dir = tempfile::tempdir().expect("as the test set it up");
    let path = file(dir.path(), "a.md", BAD);
    weir(&["lint", "--fix", &path]);
    let once = std::fs::read_to_string(&path).expect("as the test set it up");
    assert!(once.contains("3 h 30 min"), "{once}");
    weir(&["lint", "--fix", &path]);
    assert_eq!(
        std::fs::read_to_string(&path).expect("as the test set it up"),
        once
    );
    assert_eq!(
        std::fs::read_dir(dir.path())
            .expect("as the test set it up")
            .count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn standard_input_is_linted_too() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["report", "lint", "-", "--off", "IR01"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("as the test set it up");
    child
        .stdin
        .take()
        .expect("as the test set it up")
        .write_all(BAD.as_bytes())
        .expect("as the test set it up");
    let output = child.wait_with_output().expect("as the test set it up");
    assert_eq!(output.status.code(), Some(1));
    assert!(!out(&output).contains("IR01") && out(&output).contains("-:"));
}

#[test]
fn a_rule_explains_itself_and_a_corpus_is_scored() {
    let text = out(&weir(&["explain", "ir22"]));
    assert!(
        text.starts_with("IR22") && text.contains("bad") && text.contains("good"),
        "{text}"
    );
    assert_eq!(weir(&["explain", "IR99"]).status.code(), Some(2));
    assert_eq!(
        out(&weir(&["explain", "--all"]))
            .matches("switch off in a report")
            .count(),
        42
    );
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../weir-lint/corpus/dev");
    let output = weir(&["score", corpus, "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let json: serde_json::Value =
        serde_json::from_str(&out(&output)).expect("as the test set it up");
    assert_eq!(json["schema"], "weir.lint-score/1");
    assert!(
        json["machine"]["precision"]
            .as_f64()
            .expect("as the test set it up")
            > json["fires_everywhere"]["precision"]
                .as_f64()
                .expect("as the test set it up")
    );
    assert_eq!(weir(&["score", "/nowhere"]).status.code(), Some(2));
}
