//! What people read, as agreed: `UPDATE_GOLDEN=1 cargo test -p weir-control --test report_golden`
//! rewrites the files, and the diff is the review.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod report_support;

use std::fmt::Write as _;
use std::path::PathBuf;

use weir_control::incident::entry::Entry;
use weir_control::incident::{Incident, json};
use weir_control::notify::{Message, Speaker, What};
use weir_control::report::{Form, Format};
use weir_control::{notify, report};

struct Case {
    name: &'static str,
    incident: Incident,
}

fn cases() -> Vec<Case> {
    let journals: [(&str, Vec<Entry>); 6] = [
        ("pool_undersized", report_support::pool_undersized()),
        ("idle_in_transaction", report_support::idle_in_transaction()),
        ("server_down", report_support::server_down()),
        ("sparse", report_support::sparse()),
        ("declared", report_support::people::declared()),
        ("corrected", report_support::people::corrected()),
    ];
    journals
        .into_iter()
        .map(|(name, entries)| Case {
            name,
            incident: Incident::replay(&entries).unwrap(),
        })
        .collect()
}

impl Case {
    /// Compares, or rewrites; gives the name of a file that differs.
    fn compare(&self, file: &str, text: &str) -> Option<String> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(self.name)
            .join(file);
        // A test may ask the environment; the rule is for what people run.
        #[expect(
            clippy::disallowed_methods,
            reason = "rewriting is asked for by the person who runs the test"
        )]
        let rewrite = std::env::var("UPDATE_GOLDEN").is_ok();
        if rewrite {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            return None;
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        if golden == text {
            return None;
        }
        let line = golden
            .lines()
            .zip(text.lines())
            .position(|(a, b)| a != b)
            .unwrap_or_else(|| golden.lines().count().min(text.lines().count()));
        Some(format!(
            "{} differs in line {}:\n  golden: {}\n  now:    {}",
            path.display(),
            line + 1,
            golden.lines().nth(line).unwrap_or("(end)"),
            text.lines().nth(line).unwrap_or("(end)"),
        ))
    }
}

fn findings(incident: &Incident) -> String {
    let mut out = String::new();
    for cause in &incident.causes {
        let _ = writeln!(
            out,
            "{} {:.2} {:.2}  {}",
            cause.cause, cause.confidence, cause.share, cause.says
        );
        for e in &cause.evidence {
            let _ = writeln!(out, "    for      {}", e.says);
        }
    }
    for r in &incident.ruled_out {
        let _ = writeln!(out, "not {}  {}", r.cause, r.says);
    }
    let _ = writeln!(out, "page: {}", notify::page(incident));
    out
}

fn weir() -> Speaker {
    Speaker {
        external_url: "http://weir.example:6433/".to_owned(),
        cluster: "main".to_owned(),
        instance: "weir-1".to_owned(),
    }
}

fn message<'a>(incident: &'a Incident, what: What, speaker: &'a Speaker) -> Message<'a> {
    Message::new(what, incident, speaker)
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn reports_read_as_agreed() {
    let mut differing = Vec::new();
    for case in cases() {
        let incident = &case.incident;
        differing.extend(case.compare("report.md", &report::markdown(incident)));
        differing.extend(case.compare("report.html", &report::html(incident)));
        differing.extend(case.compare("incident.json", &pretty(&json::document(incident))));
        differing.extend(case.compare("findings.txt", &findings(incident)));
        differing.extend(case.compare(
            "alertmanager.json",
            &pretty(&notify::alertmanager::alert(&message(
                incident,
                What::Changed,
                &weir(),
            ))),
        ));
        for form in [Form::Executive, Form::Public] {
            let name = format!("{}.md", form.name());
            let text = report::render(incident, form, Format::Markdown);
            differing.extend(case.compare(&name, &text));
        }
        let confluence = report::render(incident, Form::Full, Format::Confluence);
        differing.extend(case.compare("report.xhtml", &confluence));
        let issues: Vec<String> = report::issues(incident, Some("http://weir.example:6433/"))
            .iter()
            .map(report::Issue::text)
            .collect();
        differing.extend(case.compare("issues.md", &issues.join("\n\n")));
        for (name, svg) in report::charts(incident) {
            differing.extend(case.compare(&name, &svg));
        }
    }
    assert!(
        differing.is_empty(),
        "{}\nUPDATE_GOLDEN=1 rewrites them",
        differing.join("\n")
    );
}

#[test]
fn a_journal_written_and_read_back_gives_the_same_report() {
    for entries in [
        report_support::pool_undersized(),
        report_support::idle_in_transaction(),
        report_support::server_down(),
    ] {
        let lines: Vec<String> = entries
            .iter()
            .map(|e| serde_json::to_string(e).unwrap())
            .collect();
        let read: Vec<Entry> = lines
            .iter()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        assert_eq!(
            report::html(&Incident::replay(&read).unwrap()),
            report::html(&Incident::replay(&entries).unwrap())
        );
    }
}

#[test]
fn statements_from_outside_stay_text_in_html() {
    let incident = Incident::replay(&report_support::idle_in_transaction()).unwrap();
    let html = report::html(&incident);
    assert!(!html.contains("<script"), "a statement became a script");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!html.contains("http-equiv=\"refresh\"") && !html.contains(" src="));
}

#[test]
fn a_gap_in_the_journal_is_named_and_changes_nothing() {
    let mut entries = report_support::pool_undersized();
    entries.remove(3);
    let fault = Incident::replay(&entries).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the journal of INC-7 goes from seq 3 to seq 5; 4 is missing"
    );

    let mut incident = Incident::replay(&entries[..3]).unwrap();
    let before = incident.clone();
    assert!(incident.apply(&entries[3]).is_err());
    assert_eq!(incident, before);
    let again = incident.apply(&entries[1]).unwrap_err().to_string();
    assert_eq!(
        again,
        "the journal of INC-7 has seq 2 after seq 3; entries must come in order, once"
    );
}

#[test]
fn an_entry_of_a_newer_weir_keeps_its_place_and_says_nothing() {
    let mut entries = report_support::sparse();
    let newer = r#"{"incident":1,"seq":2,"at":1795442322200000,"by":"weir","entry":"forecast","says":["x"],"n":{"a":1}}"#;
    entries.push(serde_json::from_str(newer).unwrap());
    let incident = Incident::replay(&entries).unwrap();
    assert_eq!((incident.seq, incident.entries_unknown), (2, 1));
}

#[test]
fn the_first_naming_of_the_final_cause_stops_the_clock() {
    let incident = Incident::replay(&report_support::pool_undersized()).unwrap();
    let clocks = json::document(&incident)["clocks"].clone();
    assert_eq!(clocks["detect_s"], 0.7);
    assert_eq!(clocks["name_cause_s"], 4.2);
    assert_eq!(clocks["acknowledge_s"], 12.4);
    assert_eq!(clocks["mitigate_s"], 24.0);
    assert_eq!(clocks["resolve_s"], 34.2);
    assert_eq!(clocks["impact_started_at"], "2026-11-23T13:58:41.200Z");
}

#[test]
fn the_alert_ends_with_the_labels_it_began_with() {
    let entries = report_support::pool_undersized();
    let first = Incident::replay(&entries[..1]).unwrap();
    let last = Incident::replay(&entries).unwrap();
    let (begin, end) = (
        notify::alertmanager::alert(&message(&first, What::Opened, &weir())),
        notify::alertmanager::alert(&message(&last, What::Resolved, &weir())),
    );
    assert_eq!(begin[0]["labels"], end[0]["labels"]);
    assert_eq!(begin[0].get("endsAt"), None);
    assert_eq!(end[0]["endsAt"], "2026-11-23T13:59:15.400Z");
    let event = notify::cloudevents::event(&message(&last, What::Resolved, &weir()));
    assert_eq!(event["type"], "dev.weir.incident.resolved.v1");
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["data"]["incident"]["schema"], "weir.incident/1");
}
