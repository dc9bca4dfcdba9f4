//! `weir report …` from the command line, as people and scripts run it. No PostgreSQL is needed.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn weir(dir: &Path, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that ends early doesn't read it all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const ANSWERS: &str = "\
Checkout: payments fail at the last step
sev2
2026-03-04 11:02:10
2026-03-04 11:02:10 UTC
10:00
12:47:30 UTC
35 % of users
702 of 2,006 users (35 %) saw an error, from the access log
The error rate rose from 0.1 % to 12 %, that is 310 of 2,590 requests
skip
No data was lost: failed requests had not begun
Sign-in and billing were not affected
For 105 minutes 702 of 2,006 users could not pay, because one job held all connections.
11:07:00 alert checkout_errors fires
11:09:20 on-call engineer acknowledges the page
11:20:00 escalated to the database team
11:31:40 cause identified: 20 of 20 connections held by one job (SHOW POOLS)
12:30:05 mitigated: job stopped, errors below 0.1 % (Grafana)
12:47:30 error rate below 0.1 % for 15 min, resolved (Grafana)
10:58:00 release 4.2 deployed (deploy log)

Release 4.2 was deployed at 10:58 UTC
connection pool exhaustion
The nightly job takes one connection a customer; since January there are 24 customers and 20 connections
Nothing compared the size of the pool with its need
The job runs at the peak

SHOW POOLS showed 141 waiting clients and 20 of 20 servers in use, all of one job
The cache was suspected for 22 min; its hit rate had stayed at 97 %

No alert stands on the pool, and the test has one customer
Stopped the job at 12:30; connections in use fell from 20 to 7
The job takes one connection for all customers (A1)
Error rate, threshold 0.1 %: 0.04 % of requests, watched for 15 min
Explore autoscaling
Limit the job to 4 connections
TBD
data platform team
2026-01-01
2026-03-18
prevent
drill: 30 customers, connections of the job <= 4
Alert when more than 85 % of the pool are in use for 5 min
platform team
2026-03-20
detect
drill: the alert fires within 6 min

The alert fired 5 min after the first error

22 min went into the cache (A2)

It was not the day of the monthly run

";

#[test]
fn a_report_is_written_question_by_question_and_bad_answers_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let done = weir(
        dir.path(),
        &["report", "new", "--by", "ann", "--out", "r.md"],
        ANSWERS,
    );
    let says = err(&done);
    assert!(done.status.success(), "{says}");
    for refused in [
        "no: the zone is missing",
        "no: the end lies before the start",
        "no: a percentage says of how many",
        "no: that is how it failed, not why",
        "no: \"explore\" has no end",
        "no: an action that nobody owns is not done",
        "no: that lies before the end of the incident",
    ] {
        assert!(says.contains(refused), "{refused}\n{says}");
    }
    let text = std::fs::read_to_string(dir.path().join("r.md")).unwrap();
    for part in [
        "# Checkout: payments fail at the last step, 2026-03-04",
        "**1 h 45 min**",
        "| 11:31:40.0 | +29 min 30 s | cause identified: 20 of 20 connections held by one job (SHOW POOLS) (**identified**) | ann |",
        "| A2 | Alert when more than 85 % of the pool are in use for 5 min | cause | detect | platform team | 2026-03-20 |",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // What it teaches is what the linter asks.
    let source = weir_lint::Source::new("r.md", text).unwrap();
    let found = weir_lint::lint(
        &source,
        &weir_lint::Options::profile(weir_lint::Profile::Google),
    );
    let errors: Vec<String> = found
        .findings
        .iter()
        .filter(|f| f.severity == weir_lint::Severity::Error)
        .map(|f| format!("{} {} {}", f.place.line, f.rule, f.message))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn a_draft_is_kept_and_taken_up_again_and_back_takes_an_answer_back() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["report", "new", "--by", "ann", "--out", "r.md"];
    let first = weir(
        dir.path(),
        &args,
        "?\nShop: orders fail at the last step\nsev1\nback\nsev3\nquit\n",
    );
    assert!(first.status.success());
    assert!(
        err(&first).contains("for example: Checkout"),
        "{}",
        err(&first)
    );
    assert!(
        err(&first).contains("kept in r.md.draft"),
        "{}",
        err(&first)
    );
    assert!(!dir.path().join("r.md").exists());
    let rest = format!("2026-03-04 11:02:10 UTC\n12:00 UTC\n{}", "\n".repeat(40));
    let second = weir(dir.path(), &args, &rest);
    assert!(second.status.success(), "{}", err(&second));
    let text = std::fs::read_to_string(dir.path().join("r.md")).unwrap();
    assert!(
        text.contains("# Shop: orders fail at the last step, 2026-03-04")
            && text.contains("severity: sev3"),
        "{text}"
    );
    assert!(!dir.path().join("r.md.draft").exists());
    let third = weir(dir.path(), &args, "");
    assert_eq!(
        third.status.code(),
        Some(2),
        "an old report is not written over"
    );
}

#[test]
fn a_foreign_report_is_imported_into_a_store_and_rendered_in_every_form() {
    let dir = tempfile::tempdir().unwrap();
    let report = include_str!("../../weir-control/tests/imports/sre-book.md");
    std::fs::write(dir.path().join("search.md"), report).unwrap();

    let dry = weir(
        dir.path(),
        &["report", "import", "search.md", "--dry-run"],
        "",
    );
    assert!(dry.status.success(), "{}", err(&dry));
    assert!(
        out(&dry).contains("resolved     2025-03-04 10:53:00 UTC"),
        "{}",
        out(&dry)
    );
    assert!(!dir.path().join("weir.db").exists());

    let done = weir(
        dir.path(),
        &["report", "import", "search.md", "--store", "weir.db"],
        "",
    );
    assert!(done.status.success(), "{}", err(&done));
    assert!(err(&done).contains("INC-1"), "{}", err(&done));

    for (format, begins) in [
        ("md", "---\nid: INC-1"),
        ("html", "<!doctype html>"),
        ("confluence", "<ac:structured-macro"),
        ("json", "{"),
    ] {
        let text = weir(
            dir.path(),
            &[
                "report", "render", "INC-1", "--store", "weir.db", "--format", format,
            ],
            "",
        );
        assert!(
            out(&text).starts_with(begins),
            "{format}: {}{}",
            out(&text),
            err(&text)
        );
    }
    for (form, part) in [
        ("executive", "queries time out"),
        ("public", "1,204 of 6,690 searches"),
    ] {
        let text = weir(
            dir.path(),
            &[
                "report", "render", "INC-1", "--store", "weir.db", "--form", form,
            ],
            "",
        );
        assert!(out(&text).contains(part), "{}", out(&text));
    }
    let wrong = weir(
        dir.path(),
        &[
            "report", "render", "INC-1", "--store", "weir.db", "--form", "public", "--format",
            "json",
        ],
        "",
    );
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        err(&wrong).contains("there is no public form of it"),
        "{}",
        err(&wrong)
    );

    let issues = weir(
        dir.path(),
        &[
            "report", "render", "INC-1", "--store", "weir.db", "--format", "github", "--out",
            "issues",
        ],
        "",
    );
    assert!(issues.status.success(), "{}", err(&issues));
    let issue = std::fs::read_to_string(dir.path().join("issues/INC-1-A1.md")).unwrap();
    assert!(
        issue.contains("### Done when") && issue.contains("labels: [\"incident\""),
        "{issue}"
    );

    std::fs::write(
        dir.path().join("mine.md"),
        "{{ incident.id }}: {{ incident.titel }}\n",
    )
    .unwrap();
    let wrong = weir(
        dir.path(),
        &[
            "report",
            "render",
            "INC-1",
            "--store",
            "weir.db",
            "--template",
            "mine.md",
        ],
        "",
    );
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        err(&wrong).contains("mine.md:1:23: `incident.titel` is not defined"),
        "{}",
        err(&wrong)
    );
}

#[test]
fn a_pdf_without_a_browser_says_what_helps() {
    let dir = tempfile::tempdir().unwrap();
    let report = include_str!("../../weir-control/tests/imports/sre-book.md");
    std::fs::write(dir.path().join("search.md"), report).unwrap();
    weir(
        dir.path(),
        &["report", "import", "search.md", "--store", "weir.db"],
        "",
    );
    let none = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args([
            "report", "render", "INC-1", "--store", "weir.db", "--format", "pdf", "--out", "r.pdf",
        ])
        .current_dir(dir.path())
        .env("PATH", dir.path())
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(1));
    assert!(
        err(&none).contains("--browser PATH, or take --format html"),
        "{}",
        err(&none)
    );
    // Where there is one, what it prints is a PDF.
    let printed = weir(
        dir.path(),
        &[
            "report", "render", "INC-1", "--store", "weir.db", "--format", "pdf", "--out", "r.pdf",
        ],
        "",
    );
    if printed.status.success() {
        assert!(
            std::fs::read(dir.path().join("r.pdf"))
                .unwrap()
                .starts_with(b"%PDF-")
        );
    } else {
        assert!(
            err(&printed).contains("a PDF needs a browser"),
            "{}",
            err(&printed)
        );
    }
}
