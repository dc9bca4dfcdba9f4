//! Whatever the journal holds, the report is whole: it renders, its parts stand once and in order,
//! its ratios are ratios.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod report_support;

use proptest::prelude::*;
use report_support::any;
use weir_control::incident::entry::{By, Entry, IncidentId, Said};
use weir_control::incident::{Incident, json};
use weir_control::{notify, report};
use weir_model::{Cause, CauseFinding, Remedy};

const PARTS: [&str; 5] = [
    "## 1. Issue summary",
    "## 2. Timeline",
    "## 3. Root cause",
    "## 4. Resolution and recovery",
    "## 5. Corrective and preventative measures",
];

fn whole(incident: &Incident) {
    let markdown = report::markdown(incident);
    let headings: Vec<&str> = markdown.lines().filter(|l| l.starts_with("## ")).collect();
    assert_eq!(headings, PARTS);
    let html = report::html(incident);
    assert_eq!(html.matches("<h2 ").count(), 5);
    assert_eq!(html.matches("<h1>").count(), 1);
    assert!(!html.contains("<script"));
    assert!(!html.contains("NaN") && !markdown.contains("NaN"));
    for tag in ["svg", "table", "section", "figure", "details", "li", "code"] {
        let open =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(open, html.matches(&format!("</{tag}>")).count(), "<{tag}>");
    }
    for (_, svg) in report::charts(incident) {
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
    let document = json::document(incident);
    for cause in document["causes"].as_array().unwrap() {
        for key in ["share", "confidence"] {
            let ratio = cause[key].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&ratio), "{key} {ratio}");
        }
    }
    let actions = document["actions"].as_array().unwrap();
    assert!((1..=10).contains(&actions.len()));
    let of = |kind: &str| actions.iter().any(|a| a["type"] == kind);
    // Somebody may have written the same words down as another type.
    let adopted = incident.actions().iter().any(|action| action.adopted);
    assert!(adopted || of("prevent") && (of("detect") || of("mitigate")));
    assert!(document["questions"].is_array());
    assert!(!notify::page(incident).contains('\n'));
    every_message_fits(incident);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_prefix_of_any_journal_gives_a_whole_report(entries in any::journal(any::HOSTILE), cut in 1usize..15) {
        let cut = cut.min(entries.len());
        whole(&Incident::replay(&entries[..cut]).unwrap());
    }
}

#[test]
fn every_prefix_of_the_told_stories_gives_a_whole_report() {
    let stories = [
        report_support::pool_undersized(),
        report_support::idle_in_transaction(),
        report_support::server_down(),
        report_support::sparse(),
    ];
    for entries in stories {
        for cut in 1..=entries.len() {
            whole(&Incident::replay(&entries[..cut]).unwrap());
        }
    }
}

/// Words that parts 1 to 4 of a report don't use of their own (what people wrote is theirs), and
/// actions never begin with.
#[test]
fn the_words_blame_nobody_and_promise_something() {
    const HINDSIGHT: [&str; 8] = [
        "should have",
        "failed to",
        "if only",
        "obviously",
        "insufficient",
        "human error",
        "careless",
        "mistake",
    ];
    const VAGUE: [&str; 9] = [
        "explore",
        "investigate",
        "improve",
        "enhance",
        "ensure",
        "continuously",
        "regularly",
        "consider",
        "outage",
    ];
    for entries in [
        report_support::pool_undersized(),
        report_support::idle_in_transaction(),
        report_support::server_down(),
        report_support::sparse(),
    ] {
        let incident = Incident::replay(&entries).unwrap();
        let text = report::markdown(&incident).to_lowercase();
        let (first, last) = text.split_once("## 5. corrective").unwrap();
        for word in HINDSIGHT {
            assert!(!first.contains(word), "{word}");
        }
        for word in VAGUE {
            assert!(!last.contains(word) || word == "outage", "{word}");
        }
        assert!(!text.contains("outage"));
    }
    for &cause in Cause::ALL {
        let mut entries = report_support::sparse();
        entries.push(Entry {
            incident: IncidentId(1),
            seq: 2,
            at: report_support::at(900),
            by: By::Weir,
            said: Said::Diagnosed {
                causes: vec![CauseFinding {
                    cause,
                    confidence: 0.9,
                    share: 0.8,
                    object: Default::default(),
                    says: "x".to_owned(),
                    evidence: vec![],
                    remedy: Remedy {
                        says: String::new(),
                        order: None,
                        undo: None,
                        safe_to_automate: false,
                    },
                }],
                ruled_out: vec![],
                trigger: None,
                trigger_at: None,
            },
        });
        let incident = Incident::replay(&entries).unwrap();
        whole(&incident);
        for action in incident.actions() {
            let says = action.says.to_lowercase();
            assert!(!VAGUE.iter().any(|w| says.contains(w)), "{says}");
            assert!(!action.verify.is_empty());
        }
    }
}

/// Whatever a journal says, each channel's limits hold.
fn every_message_fits(incident: &Incident) {
    use notify::{Message, Speaker, What};
    let speaker = Speaker {
        external_url: "http://weir.example".to_owned(),
        cluster: "main".to_owned(),
        instance: "weir-1".to_owned(),
    };
    let runes = |value: &serde_json::Value| value.as_str().unwrap_or_default().chars().count();
    for what in [
        What::Opened,
        What::Changed,
        What::Called,
        What::Acknowledged,
        What::Resolved,
    ] {
        let mut message = Message::new(what, incident, &speaker);
        message.to = Some("oncall");
        message.step = Some(3);
        message.by = Some("ann");
        let _ = notify::alertmanager::alert(&message);
        let _ = notify::cloudevents::event(&message);
        let _ = notify::otlp::export(&message);
        let _ = (
            notify::grafana::annotation(&message, None, None),
            notify::grafana::patch(&message),
        );
        let event = notify::pagerduty::event(&message, "R0");
        assert!(event.to_string().len() <= notify::pagerduty::EVENT_MAX);
        assert!(runes(&event["dedup_key"]) <= notify::pagerduty::DEDUP_MAX);
        assert!(
            event["dedup_key"]
                .as_str()
                .unwrap()
                .ends_with(&incident.id.to_string())
        );
        assert!(runes(&event["payload"]["summary"]) <= notify::pagerduty::SUMMARY_MAX);
        let slack = notify::slack::message(&message);
        assert!(runes(&slack["text"]) > 0);
        for block in slack["blocks"].as_array().unwrap() {
            let most = match block["type"].as_str() {
                Some("header") => notify::slack::HEADER_MAX,
                _ => notify::slack::SECTION_MAX,
            };
            assert!(runes(&block["text"]["text"]) <= most);
            let fields = block["fields"].as_array().cloned().unwrap_or_default();
            assert!(fields.len() <= notify::slack::FIELDS_MAX);
            assert!(
                fields
                    .iter()
                    .all(|f| runes(&f["text"]) <= notify::slack::FIELD_MAX)
            );
        }
        let (_, alert) = notify::opsgenie::request(&message, Some("db"));
        assert!(runes(&alert["message"]) <= notify::opsgenie::MESSAGE_MAX);
        let letter = notify::email::Letter {
            from: "weir@example.org",
            to: &["a@example.org".to_owned()],
        };
        let mail = notify::email::letter(&message, letter, incident.last_at);
        assert!(mail.is_ascii() && mail.split("\r\n").all(|line| line.len() <= 998));
        assert_eq!(mail.matches("\r\nSubject: ").count(), 1);
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']));
    }
}
