//! Any journal renders to a report that the strict profile has no error against, of those that a
//! program can tell by itself (kinds M, M/W and M/J of the rules).
//!
//! What machines said is arbitrary, and so are numbers, times and orders. What people typed comes
//! from a vocabulary of sentences that break no rule: where a person writes "TODO", or blames
//! somebody, the finding is right. For their hostile texts less is asked, and asked further below.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod report_support;

use proptest::prelude::*;
use report_support::any::{self, Field, Texts};
use weir_control::incident::Incident;
use weir_control::incident::entry::Topic;
use weir_control::report;
use weir_lint::tree::{Form, Kind};
use weir_lint::{Options, Outcome, Profile, Severity, Source};

/// What a machine may say: its own sentences, anything that can be printed, and what would mean
/// something if it weren't text.
fn machine() -> BoxedStrategy<String> {
    prop_oneof![
        3 => proptest::sample::select(vec![
            "20 of 20 server connections in use, 141 waiting",
            "statement `SELECT * FROM orders WHERE id = $1` ran 4.2 s",
            "grow 10 → 18",
            "need 26 = 1,140/s × 22.8 ms",
            "202 accepted",
            "connect to 10.0.0.7:5432: Connection refused (os error 111)",
            "app/dashboard: 12 of 40 clients wait",
            "HighErrorRate of checkout",
        ]).prop_map(str::to_owned),
        1 => any::hostile(),
        1 => "[a-z]{1,8}",
    ]
    .boxed()
}

fn said(sentences: &[&'static str]) -> BoxedStrategy<String> {
    proptest::sample::select(sentences.to_vec())
        .prop_map(str::to_owned)
        .boxed()
}

/// People who keep the rules.
fn kept(field: Field) -> BoxedStrategy<String> {
    match field {
        Field::Machine => machine(),
        // Whatever figures others have: they are quoted.
        Field::Outside => prop_oneof![
            said(&[
                "checkout fails for 7 % of users (threshold 1 %)",
                "702 of 2,006 users (30 %) see errors; 14,000 transactions failed",
            ]),
            machine()
        ]
        .boxed(),
        Field::Name => said(&["ann", "bob", "Dee Fox", "database team", "on-call", "Weir"]),
        Field::Title => said(&[
            "invoices printed twice",
            "payments fail at the last step",
            "dashboards load slowly",
        ]),
        Field::Service => said(&["Billing", "Checkout", "app/dashboard"]),
        Field::Remark => said(&[
            "",
            "release 4.2 of the invoice printer",
            "restarted the batch job with two workers",
            "the phone's log shows the call accepted at that time",
            "the queue is empty (Grafana, panel 12)",
        ]),
        Field::Stated(topic) => stated(topic),
        Field::Deed => said(&[
            "Send the order number as idempotency key with every print",
            "Alert when invoices exceed orders by more than 5 in 10 min",
            "Limit the job to 4 connections",
        ]),
        Field::For => said(&["", "cause", "F1", "F1, F2", "trigger"]),
        Field::Verify => said(&[
            "",
            "drill: 30 customers, connections of the job <= 4",
            "metric: pool app/web waiting <= 0 for 10m",
        ]),
        Field::Due => said(&["9998-12-04", "9999-01-31"]),
        Field::Priority => said(&["p1", "p2", "p3", "p4"]),
        Field::Link => said(&["https://tracker.example/BIL-310"]),
        Field::ActionId => (0u32..12).prop_map(|n| format!("A{n}")).boxed(),
    }
}

fn stated(topic: Topic) -> BoxedStrategy<String> {
    match topic {
        Topic::Summary => said(&[
            "Billing printed invoices twice, because a retry after a timeout was taken for a new invoice",
        ]),
        Topic::Impact => said(&[
            "Customers got the same invoice twice, counted in the print log",
            "Orders could be placed and not paid",
        ]),
        Topic::DataLost => said(&["No data was lost: every double has its original in the ledger"]),
        Topic::StillWorked => said(&["Payments and the customer portal were not affected"]),
        Topic::Trigger => said(&["Release 4.2 lowered the timeout of the printer"]),
        Topic::RootCause => said(&[
            "A retry carried no idempotency key, so that the printer could not tell it from a new invoice",
        ]),
        Topic::Factor => said(&[
            "The test printer answers at once, so that no test ever retried",
            "Nothing counted invoices against orders",
        ]),
        Topic::HowIdentified => {
            said(&["A query on the print log showed every double with the same order"])
        }
        Topic::FalseLead => said(&[
            "The spooler was suspected for 22 min, because it had been restarted at night; its queue had never held more than 3 jobs",
        ]),
        Topic::WhySurprised => said(&["No test prints slower than the timeout"]),
        Topic::Mitigation => said(&["Retries were switched off (CHG-17)"]),
        Topic::Fix => said(&["Each invoice carries its order number as idempotency key (A1)"]),
        Topic::Recovery => said(&["Doubles in the print log, threshold 0; watched for 30 min"]),
        Topic::WentWell => said(&["Support passed the first call on within 4 min"]),
        Topic::WentWrong => said(&["The spooler was searched for 22 min (A2)"]),
        Topic::Lucky => said(&["The monthly run was two days away"]),
        Topic::RightTeam => said(&["billing team, 26 min after the start"]),
    }
}

/// People who write what they like.
fn wild(_: Field) -> BoxedStrategy<String> {
    prop_oneof![
        2 => any::hostile(),
        8 => proptest::sample::select(vec![
            "# Postmortem",
            "\n\n## 3. Root cause\n\n### Timeline\n",
            "Root Cause and Resolution:",
            "Setext\n======\nheading\n-------",
            "| a | b |\n|---|---|\n| 1 | 2 |",
            "a | b \\| c \\\\| d",
            "<h2>2. Timeline</h2><table><tr><td>14:00</td></tr></table>",
            "</section></main></body></html>",
            "<!-- weir-lint off IR01 --> <details><summary>",
            "---\ntitle: other\n---",
            "```\n## 4. Resolution and recovery\n```",
            "TODO: TBD, FIXME, lorem ipsum, {{owner}}, <insert here>, N/A",
            "🔥🔥 it was bob's fault! human error, total outage 😱",
            "[x]: javascript:alert(1) ![](x) [a](b)",
            "> quoted\n> more",
            "1. one\n2) two\n- three\n+ four\n* five",
            "    indented code\n\tand a tab",
            "25:61 UTC, 2026-13-45, 99999999999999999999 %, -0 of 0 users, ½ h",
            "\r\n\r## 5. Corrective and preventative measures\u{2028}\u{85}## x",
        ]).prop_map(str::to_owned),
        1 => Just("## 2. Timeline | <b>é🔥 ".repeat(10_000 / 24 + 1)),
        1 => Just("x".repeat(10_000)),
        1 => Just("[".repeat(10_000)),
    ]
    .boxed()
}

fn linted(name: &str, text: &str) -> Outcome {
    let source = Source::new(name, text).unwrap();
    weir_lint::lint(&source, &Options::profile(Profile::Strict))
}

/// The row says of itself that owner or date is an open question: the linter takes that for one
/// until the incident is reviewed or closed.
fn is_asked(text: &str, line: usize) -> bool {
    text.lines()
        .nth(line - 1)
        .is_some_and(|line| line.contains("open question"))
}

/// The errors, each with its line.
fn errors(name: &str, text: &str) -> String {
    linted(name, text)
        .findings
        .into_iter()
        .filter(|f| f.severity == Severity::Error)
        .filter(|f| {
            weir_lint::rules::rule(f.rule).is_some_and(|rule| rule.checked.word().contains('M'))
        })
        .filter(|f| !(matches!(f.rule, "IR32" | "IR33") && is_asked(text, f.place.line)))
        .map(|f| {
            let line = text.lines().nth(f.place.line - 1).unwrap_or_default();
            let line: String = line.chars().take(300).collect();
            format!(
                "{name}:{} {} {}\n      {line}\n",
                f.place.line, f.rule, f.message
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_journal_renders_to_a_report_that_lints_without_an_error(
        entries in any::journal(Texts { make: kept, impossible: false }),
        cut in 1usize..16,
    ) {
        let incident = Incident::replay(&entries[..cut.min(entries.len())]).unwrap();
        let found = errors("report.md", &report::markdown(&incident));
        prop_assert!(found.is_empty(), "{}", found);
        let found = errors("report.html", &report::html(&incident));
        prop_assert!(found.is_empty(), "{}", found);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_people_write_the_five_parts_stand_once_and_in_order(entries in any::journal(Texts { make: wild, impossible: true })) {
        let incident = Incident::replay(&entries).unwrap();
        let markdown = report::markdown(&incident);
        let headings: Vec<&str> = markdown.lines().filter(|l| l.starts_with("## ")).collect();
        prop_assert_eq!(&headings, &PARTS);
        prop_assert_eq!(parts_read("report.md", &markdown), PARTS);
        prop_assert_eq!(parts_read("report.html", &report::html(&incident)), PARTS);
        linted("report.md", &markdown);
        linted("report.html", &report::html(&incident));
    }
}

const PARTS: [&str; 5] = [
    "## 1. Issue summary",
    "## 2. Timeline",
    "## 3. Root cause",
    "## 4. Resolution and recovery",
    "## 5. Corrective and preventative measures",
];

/// The headings of the second level as a reader of the format sees them.
fn parts_read(name: &str, text: &str) -> Vec<String> {
    let source = Source::new(name, text).unwrap();
    weir_lint::tree::read(&source)
        .blocks
        .iter()
        .filter(|block| {
            matches!(
                block.kind,
                Kind::Head {
                    level: 20,
                    form: Form::Heading
                }
            )
        })
        .map(|block| format!("## {}", block.text.trimmed()))
        .collect()
}
