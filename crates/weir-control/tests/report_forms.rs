//! The short forms keep their promises: the executive one is short, the public one tells no names;
//! every format of every form is well-formed, whatever the journal holds.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod report_support;

use report_support::people;
use weir_control::incident::Incident;
use weir_control::report::{self, Form, Format};

fn stories() -> Vec<Incident> {
    [
        report_support::pool_undersized(),
        report_support::idle_in_transaction(),
        report_support::server_down(),
        report_support::sparse(),
        people::declared(),
        people::corrected(),
        people::secretive(),
    ]
    .into_iter()
    .flat_map(|entries| {
        (1..=entries.len())
            .map(|cut| Incident::replay(&entries[..cut]).unwrap())
            .collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn the_public_form_tells_no_name_address_or_statement() {
    let entries = people::secretive();
    let whole = report::markdown(&Incident::replay(&entries).unwrap());
    for secret in people::SECRETS {
        assert!(whole.contains(secret), "the story must hold {secret}");
    }
    for cut in 1..=entries.len() {
        let incident = Incident::replay(&entries[..cut]).unwrap();
        let mut texts: Vec<String> = [Format::Markdown, Format::Html, Format::Confluence]
            .map(|format| report::render(&incident, Form::Public, format))
            .into();
        texts.push(report::context(&incident, Form::Public).to_string());
        for text in &texts {
            for secret in people::SECRETS {
                assert!(!text.contains(secret), "{secret} leaked:\n{text}");
            }
        }
    }
    let incident = Incident::replay(&entries).unwrap();
    let public = report::render(&incident, Form::Public, Format::Markdown);
    assert!(
        public.contains("For 41 s users waited, because"),
        "{public}"
    );
    assert!(public.contains("Left out of this version"));
}

#[test]
fn the_executive_form_is_a_page_of_two_hundred_words_without_the_trades_words() {
    for incident in stories() {
        let text = report::render(&incident, Form::Executive, Format::Markdown);
        let body = text.splitn(3, "---\n").nth(2).unwrap();
        let words = body
            .split_whitespace()
            .filter(|word| word.chars().any(char::is_alphanumeric))
            .count();
        assert!(
            words <= report::EXECUTIVE_WORDS_MAX,
            "{words} words:\n{body}"
        );
        for word in ["p99", "SQLSTATE", "fingerprint", "Little's law", "[E", "[J"] {
            assert!(!body.contains(word), "{word}");
        }
        let html = report::render(&incident, Form::Executive, Format::Html);
        assert!(html.contains("<h1>") && !html.contains("<script"));
    }
}

#[test]
fn confluence_gets_well_formed_xhtml() {
    for incident in stories() {
        for form in Form::ALL {
            let text = report::render(&incident, form, Format::Confluence);
            let page = format!("<page xmlns:ac=\"urn:ac\" xmlns:ri=\"urn:ri\">{text}</page>");
            let read =
                roxmltree::Document::parse(&page).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
            for node in read.descendants().filter(roxmltree::Node::is_element) {
                let name = node.tag_name().name();
                const KNOWN: [&str; 19] = [
                    "page",
                    "structured-macro",
                    "parameter",
                    "rich-text-body",
                    "image",
                    "attachment",
                    "p",
                    "h2",
                    "strong",
                    "em",
                    "code",
                    "ul",
                    "li",
                    "table",
                    "tbody",
                    "tr",
                    "th",
                    "td",
                    "h3",
                ];
                assert!(KNOWN.contains(&name), "<{name}>");
            }
            assert!(!text.contains('{'), "a brace begins a macro");
        }
    }
}

#[test]
fn an_issue_stands_on_its_own_and_pings_nobody() {
    let incident = Incident::replay(&people::declared()).unwrap();
    let issues = report::issues(&incident, Some("http://weir.example:6433/"));
    // A2 is done.
    assert_eq!(issues.len(), 1);
    let issue = &issues[0];
    assert_eq!(issue.file, "INC-41-A1.md");
    assert_eq!(issue.labels, ["incident", "prevent", "p1", "sev2"]);
    for part in [
        "billing team",
        "2026-12-04",
        "### Done when",
        "doubles in the print log = 0",
        "(http://weir.example:6433/api/v1/incidents/INC-41/report?format=html)",
    ] {
        assert!(issue.body.contains(part), "{part}\n{}", issue.body);
    }
    for incident in stories() {
        let document = report::issues_json(&incident, None);
        for issue in document["issues"].as_array().unwrap() {
            let text = issue["text"].as_str().unwrap();
            assert!(!text.contains("@c") && issue["title"].as_str().unwrap().len() < 900);
            assert!(!issue["title"].as_str().unwrap().contains('\n'));
        }
    }
}

#[test]
fn a_template_sees_the_incident_and_its_parts() {
    let incident = Incident::replay(&people::corrected()).unwrap();
    let context = report::context(&incident, Form::Full);
    let text = report::template::render(
        "mine.md",
        "# {{ title }}\n{% for a in incident.actions %}- {{ a.id }} {{ a.owner or 'nobody yet' }}\n{% endfor %}{{ markdown.cause }}",
        &context,
    )
    .unwrap();
    assert!(
        text.contains("- A1 platform team\n- A2 nobody yet"),
        "{text}"
    );
    assert!(text.contains("**Trigger.**"));
    for name in [
        "report",
        "summary",
        "timeline",
        "cause",
        "resolution",
        "measures",
    ] {
        let file = format!("{{{{ html.{name} }}}}");
        let html = report::template::render("mine.html", &file, &context).unwrap();
        assert!(html.contains('<') && !html.contains("&lt;p&gt;"), "{name}");
    }
}

#[test]
fn what_people_said_says_by_whom_and_a_corrected_clock_says_what_it_showed() {
    let incident = Incident::replay(&people::declared()).unwrap();
    let text = report::markdown(&incident);
    assert_eq!(
        text.matches("(stated by ann)").count(),
        incident.stated.len()
    );
    assert!(text.contains("| A1 | Send the order number as idempotency key with every print | cause, F1 | prevent | billing team | 2026-12-04 |"));
    assert!(
        !text.contains("not measured") && !text.contains("weir_pool_wait_seconds"),
        "{text}"
    );

    let text = report::markdown(&Incident::replay(&people::corrected()).unwrap());
    assert!(
        text.contains(
            "**Corrected: acknowledged**, 2026-11-23 13:58:50, corrected from 2026-11-23 13:58:53 by ann on"
        ),
        "{text}"
    );
    for part in [
        "INC-8 merged into this one",
        "**INC-3**",
        "A2: alert at 85 % of the size",
        "verification held on 2026-11-23 15:07:41 UTC",
    ] {
        assert!(text.contains(part), "{part}");
    }
}
