//! What people do with an incident from a terminal is done, refused with a reason, and there again
//! after Weir was killed.

use std::io::{Read as _, Write as _};
use std::process::{Output, Stdio};
use std::sync::Arc;

use serde_json::Value;

use crate::support::{Weir, pooled, said, weir_command};

/// Nothing listens there: these incidents need no PostgreSQL.
const NOWHERE: u16 = 1;

fn weir(dir: &Arc<tempfile::TempDir>) -> Weir {
    let config = pooled(NOWHERE, 2, "");
    Weir::start_in(Arc::clone(dir), &config, &["--api", "127.0.0.1:0"], &[])
}

fn done(weir: &Weir, args: &[&str]) -> String {
    let out = weir.cli(&[&["incident"], args].concat());
    assert!(out.status.success(), "{args:?}: {}", said(&out));
    said(&out)
}

fn refused(weir: &Weir, args: &[&str]) -> (Option<i32>, String) {
    let out: Output = weir.cli(&[&["incident"], args].concat());
    assert!(!out.status.success(), "{args:?}: {}", said(&out));
    (out.status.code(), said(&out))
}

fn shown(weir: &Weir, id: &str) -> Value {
    let out = weir.cli(&["incident", "show", id, "-o", "json"]);
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", said(&out)))
}

#[test]
fn an_incident_goes_from_declared_to_closed_at_a_terminal_and_survives_a_kill() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let first = weir(&dir);
    let declared = [
        "declare",
        "checkout",
        "fails",
        "--severity",
        "sev2",
        "--service",
        "shop",
        "--since",
        "10min-ago",
        "--by",
        "ann",
    ];
    assert!(done(&first, &declared).contains("INC-1 declared"));
    done(&first, &["declare", "cards are refused", "--by", "eve"]);
    let merged = done(&first, &["merge", "INC-2", "INC-1", "same", "--by", "ann"]);
    assert!(merged.contains("undo: unmerge INC-2"), "{merged}");
    done(&first, &["ack", "INC-2", "--by", "bob"]);
    done(&first, &["assign", "INC-1", "lead", "bob", "--by", "ann"]);
    let told = [
        "update",
        "INC-1",
        "rolling back",
        "--impact",
        "one card in three",
        "--next",
        "30min",
    ];
    assert!(done(&first, &told).contains("(in 30 min)"));
    drop(first); // killed

    let weir = weir(&dir);
    let again = shown(&weir, "INC-2");
    assert_eq!(
        again["id"], "INC-1",
        "the old number answers for the survivor"
    );
    assert_eq!(again["status"], "acknowledged");
    assert_eq!(again["acknowledged_by"], "bob");
    assert_eq!(again["roles"]["lead"]["who"], "bob");
    assert_eq!(again["updates"][0]["impact"], "one card in three");
    let listed = done(&weir, &["list"]);
    assert!(
        listed.contains("INC-1") && !listed.contains("INC-2"),
        "{listed}"
    );

    done(
        &weir,
        &["mitigate", "INC-1", "rolled back", "--at", "2min-ago"],
    );
    done(&weir, &["resolve", "INC-1", "--by", "bob"]);
    done(
        &weir,
        &[
            "correct",
            "INC-1",
            "impact_started",
            "11min-ago",
            "first refusal",
            "--by",
            "dee",
        ],
    );
    let action = [
        "action",
        "add",
        "INC-1",
        "Add the index",
        "--type",
        "prevent",
        "--owner",
        "db",
        "--due",
        "2099-01-01",
    ];
    done(&weir, &action);
    let (code, says) = refused(&weir, &["review", "INC-1", "--by", "bob"]);
    assert_eq!(code, Some(1));
    assert!(says.contains("bob was its lead"), "{says}");
    done(&weir, &["review", "INC-1", "read", "--by", "dee"]);
    let (_, says) = refused(&weir, &["close", "INC-1", "--by", "dee"]);
    assert!(says.contains("open actions: A1, A2, A3"), "{says}");
    done(
        &weir,
        &[
            "close",
            "INC-1",
            "the shop is replaced",
            "--wontdo",
            "--by",
            "dee",
        ],
    );
    let closed = shown(&weir, "INC-1");
    assert_eq!(closed["status"], "closed");
    assert_eq!(closed["clocks"]["corrected"][0], "impact_started_at");
    let actions = closed["actions"].as_array().unwrap();
    assert!(
        actions.iter().all(|a| a["status"] == "wontdo"),
        "{actions:?}"
    );
    let clocks = done(&weir, &["clocks"]);
    assert!(clocks.contains("TTM"), "{clocks}");
}

#[test]
fn what_is_wrong_on_the_command_line_is_told_with_what_is_right() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let weir = weir(&dir);
    done(&weir, &["declare", "checkout fails"]);
    for (args, code, wanted) in [
        (&["ack", "INC-11"][..], 1, "did you mean INC-1?"),
        (&["ack", "seven"], 2, "they look like INC-7"),
        (
            &["assign", "INC-1", "boss", "ann"],
            2,
            "known are lead, communications, scribe",
        ),
        (&["note", "INC-1", "x", "--at", "soon"], 2, "write 14:05"),
        (&["update", "INC-1", "x"], 2, "--next"),
        (
            &["close", "INC-1"],
            1,
            "now it can be acknowledged, mitigated or resolved",
        ),
        (&["action", "done", "INC-1", "A9"], 1, "it has A1, A2"),
    ] {
        let (got, says) = refused(&weir, args);
        assert_eq!(got, Some(code), "{args:?}: {says}");
        assert!(says.contains(wanted), "{args:?}: {says}");
    }
    assert_eq!(
        shown(&weir, "INC-1")["entries"],
        1,
        "and nothing was written down"
    );
}

/// `weir report new --incident`, spoken with.
struct Interviewed {
    child: std::process::Child,
    said: String,
}

impl Interviewed {
    fn begin(weir: &Weir, id: &str) -> Self {
        let api = format!("http://127.0.0.1:{}", weir.api);
        let child = weir_command()
            .args(["report", "new", "--incident", id, "--by", "ann", "--api"])
            .arg(&api)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            child,
            said: String::new(),
        }
    }

    /// The line that the prompt stands behind; `None`: nothing more is asked.
    fn question(&mut self) -> Option<String> {
        let mut block = Vec::new();
        let mut byte = [0];
        let out = self.child.stderr.as_mut().unwrap();
        while !block.ends_with(b"\n> ") {
            if out.read(&mut byte).unwrap() == 0 {
                self.said.push_str(&String::from_utf8_lossy(&block));
                return None;
            }
            block.push(byte[0]);
        }
        let block = String::from_utf8_lossy(&block).into_owned();
        self.said.push_str(&block);
        let asked = block.trim_end_matches("> ").trim_end();
        asked.lines().last().map(str::to_owned)
    }

    fn answer(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    fn end(mut self) -> String {
        assert!(self.child.wait().unwrap().success(), "{}", self.said);
        self.said
    }
}

#[test]
fn what_a_report_still_asks_is_asked_at_a_terminal_and_the_answers_are_in_the_journal() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let weir = weir(&dir);
    done(&weir, &["declare", "invoices print twice", "--by", "ann"]);
    let before = shown(&weir, "INC-1");
    let questions = before["questions"].as_array().unwrap().len();
    assert!(questions > 3, "{before:#}");

    // Every step of the interview is skipped but one; then the report's own questions come.
    let mut typed = Interviewed::begin(&weir, "INC-1");
    let mut own = 0;
    while let Some(asked) = typed.question() {
        let answer = match &*asked {
            asked if asked.starts_with("Why was this not seen coming") => {
                own += 1;
                "No test prints slower than the timeout; no other pool prints"
            }
            asked if asked.starts_with("Who has it?") => {
                own += 1;
                "The billing team, since 14:20"
            }
            _ => "skip",
        };
        typed.answer(answer);
    }
    let says = typed.end();
    assert_eq!(own, 2, "{says}");
    assert!(
        says.contains("2 answers written into the journal of INC-1"),
        "{says}"
    );
    let after = shown(&weir, "INC-1");
    let left = after["questions"].to_string();
    assert!(!left.contains("Who has it?"), "{left}");
    assert!(!left.contains("Why was this not seen coming"), "{left}");
    assert_eq!(
        after["questions"].as_array().unwrap().len(),
        questions - 2,
        "{after:#}"
    );
}
