//! A report becomes an incident, and the incident's own report says the same again.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod report_support;

use report_support::people;
use weir_control::incident::entry::{IncidentId, NoteKind, Said, Topic};
use weir_control::incident::import::{Import, ImportFault, import, preview};
use weir_control::incident::{Incident, export, import as importing};
use weir_control::report;
use weir_lint::{Doc, Facts, Source};

fn read(file: &str, text: &str) -> Result<Import, ImportFault> {
    let source = Source::new(file, text).unwrap();
    let doc = Doc::read(&source);
    let facts = Facts::of(&doc);
    import(&doc, &facts, file)
}

fn incident(import: &Import, file: &str) -> Incident {
    Incident::replay(&import.entries(IncidentId(9), file, report_support::at(0))).unwrap()
}

const FOUNDING: &str = include_str!("imports/founding.md");
const SRE_BOOK: &str = include_str!("imports/sre-book.md");
const FREE_FORM: &str = include_str!("imports/free-form.md");

fn lines(import: &Import) -> Vec<String> {
    let mut lines: Vec<String> = import
        .said
        .iter()
        .map(|said| serde_json::to_string(said).unwrap())
        .collect();
    lines.sort();
    lines
}

/// Rendered and read again, nothing is lost and nothing is added.
#[test]
fn the_report_of_an_imported_report_imports_to_the_same() {
    let rendered = |entries| report::markdown(&Incident::replay(entries).unwrap());
    let reports = [
        ("founding.md", FOUNDING.to_owned()),
        ("sre-book.md", SRE_BOOK.to_owned()),
        ("free-form.md", FREE_FORM.to_owned()),
        ("declared.md", rendered(&people::declared())),
        ("corrected.md", rendered(&people::corrected())),
        ("pool.md", rendered(&report_support::pool_undersized())),
        ("idle.md", rendered(&report_support::idle_in_transaction())),
        ("down.md", rendered(&report_support::server_down())),
    ];
    let mut differing = String::new();
    for (file, text) in reports {
        let first = read(file, &text).unwrap();
        let again = report::markdown(&incident(&first, file));
        let second = read(file, &again).unwrap();
        let (a, b) = (lines(&first), lines(&second));
        for gone in a.iter().filter(|line| !b.contains(line)) {
            differing.push_str(&format!("{file} - {gone}\n"));
        }
        for new in b.iter().filter(|line| !a.contains(line)) {
            differing.push_str(&format!("{file} + {new}\n"));
        }
    }
    assert!(differing.is_empty(), "{differing}");
}

#[test]
fn a_report_in_the_style_of_the_sre_book_becomes_clocks_rows_and_actions() {
    let read = read("sre-book.md", SRE_BOOK).unwrap();
    let incident = incident(&read, "sre-book.md");
    let document = weir_control::incident::json::document(&incident);
    let clocks = &document["clocks"];
    assert_eq!(clocks["impact_started_at"], "2025-03-04T10:01:00.000Z");
    assert_eq!(clocks["detected_at"], "2025-03-04T10:07:00.000Z");
    assert_eq!(clocks["acknowledged_at"], "2025-03-04T10:09:00.000Z");
    assert_eq!(clocks["cause_named_at"], "2025-03-04T10:31:00.000Z");
    assert_eq!(clocks["mitigated_at"], "2025-03-04T10:44:00.000Z");
    assert_eq!(clocks["resolved_at"], "2025-03-04T10:53:00.000Z");
    assert_eq!(document["status"], "resolved");
    assert_eq!(document["severity"], "sev2");
    let actions: Vec<_> = incident
        .actions()
        .into_iter()
        .filter(|a| a.adopted)
        .collect();
    assert_eq!(actions.len(), 2);
    assert_eq!(actions[0].owner.as_deref(), Some("search team"));
    assert_eq!(actions[0].due.as_deref(), Some("2025-03-18"));
    assert_eq!(actions[0].tracker.as_deref(), Some("SRCH-41"));
    assert_eq!(actions[1].kind.name(), "detect");
    let cause = incident.stated_about(Topic::RootCause).next().unwrap();
    assert!(
        cause.says.contains("2.1 s instead of 9 ms"),
        "{}",
        cause.says
    );
    assert!(
        incident
            .stated_about(Topic::Impact)
            .any(|s| s.says.contains("1,204 of 6,690"))
    );
}

#[test]
fn what_the_founding_report_leaves_out_is_asked_and_not_made_up() {
    let read = read("founding.md", FOUNDING).unwrap();
    let incident = incident(&read, "founding.md");
    let clocks = incident.clocks();
    // 14:00 to 17:30 in East Africa.
    assert_eq!(incident.length().as_secs(), 3 * 3600 + 30 * 60);
    assert_eq!(clocks.acknowledged_at, None);
    for question in [
        "Who took it, and when? The report has no row for it.",
        "Was any data lost, corrupted or exposed?",
        "Who owns A1, and by which date?",
    ] {
        assert!(
            read.questions.iter().any(|q| q == question),
            "{question}\n{:#?}",
            read.questions
        );
    }
    assert!(
        incident
            .actions()
            .iter()
            .filter(|a| a.adopted)
            .all(|a| a.owner.is_none())
    );
    let seen = preview(&read, &incident);
    for part in [
        "2023-05-10 11:00:00 UTC",
        "acknowledged not known",
        "? Who owns A1",
    ] {
        assert!(seen.contains(part), "{part}\n{seen}");
    }
}

#[test]
fn a_text_without_any_time_is_refused_with_what_helps() {
    let fault = read("notes.md", "# Things\n\nIt was bad.\n").unwrap_err();
    assert!(
        fault
            .to_string()
            .starts_with("notes.md: no time could be read"),
        "{fault}"
    );
    assert!(fault.to_string().contains("Start: 2026-11-23 13:58 UTC"));
}

#[test]
fn an_import_is_a_journal_like_any_other() {
    let read = read("free-form.md", FREE_FORM).unwrap();
    let entries = read.entries(IncidentId(9), "a/free-form.md", report_support::at(0));
    let journal = importing::journal(IncidentId(9), entries).unwrap();
    let (back, incident) = export::read(&export::write(&journal)).unwrap();
    assert_eq!(back, journal);
    assert_eq!(
        incident.title(),
        "Mail delivery: messages queued, 2024-11-30"
    );
    let done = incident
        .actions()
        .iter()
        .filter(|a| a.adopted && !a.status.is_open())
        .count();
    assert_eq!(done, 1);
    assert!(read.said.iter().any(|s| matches!(
        s,
        Said::Note {
            kind: Some(NoteKind::Ack),
            ..
        }
    )));
}
