//! Weir's reports keep the law that Weir's linter enforces.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod report_support;

use std::fmt::Write as _;

use report_support::people;
use weir_control::incident::Incident;
use weir_control::report;
use weir_lint::{Options, Profile, Severity, Source};

/// What the strict profile says, without open questions. An owner or a date that nobody has given
/// is one: the report marks it as such in its place and asks for it in the list of open questions.
fn findings(name: &str, text: &str) -> Vec<(Severity, String)> {
    let source = Source::new(name, text).unwrap();
    let asked = text.contains("Who owns ") && text.contains("| open question |");
    weir_lint::lint(&source, &Options::profile(Profile::Strict))
        .findings
        .into_iter()
        .filter(|f| f.severity != Severity::Question)
        .filter(|f| !(asked && matches!(f.rule, "IR32" | "IR33")))
        .map(|f| {
            let line = text.lines().nth(f.place.line - 1).unwrap_or_default();
            let line: String = line.chars().take(160).collect();
            let says = format!(
                "{name}:{} {} {}\n      {line}",
                f.place.line, f.rule, f.message
            );
            (f.severity, says)
        })
        .collect()
}

#[test]
fn a_report_of_what_is_over_gives_the_strict_profile_nothing_to_say_but_questions() {
    let mut all = String::new();
    for (name, entries) in [
        ("pool_undersized", report_support::pool_undersized()),
        ("idle_in_transaction", report_support::idle_in_transaction()),
        ("declared", people::declared()),
        ("corrected", people::corrected()),
    ] {
        let incident = Incident::replay(&entries).unwrap();
        for (severity, says) in findings(name, &report::markdown(&incident)) {
            let _ = writeln!(all, "{severity:?} {says}");
        }
    }
    assert!(all.is_empty(), "{all}");
}

#[test]
fn at_no_moment_of_any_story_is_there_an_error() {
    let mut all = String::new();
    for (name, entries) in [
        ("pool_undersized", report_support::pool_undersized()),
        ("idle_in_transaction", report_support::idle_in_transaction()),
        ("server_down", report_support::server_down()),
        ("sparse", report_support::sparse()),
        ("declared", people::declared()),
        ("corrected", people::corrected()),
    ] {
        for cut in 1..=entries.len() {
            let incident = Incident::replay(&entries[..cut]).unwrap();
            for (severity, says) in findings(name, &report::markdown(&incident)) {
                if severity == Severity::Error {
                    let _ = writeln!(all, "after {cut} entries: {says}");
                }
            }
        }
    }
    assert!(all.is_empty(), "{all}");
}
