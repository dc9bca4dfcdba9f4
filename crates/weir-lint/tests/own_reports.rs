//! The reports that Weir itself generates: read like anybody's, and without an error in the strictest
//! profile; what is open in them is asked, not blamed.

use std::path::Path;

use weir_lint::{Options, Profile, Severity, Source, facts, lint};

fn goldens() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weir-control/tests/golden");
    let mut out = Vec::new();
    for entry in std::fs::read_dir(dir).expect("the goldens") {
        let dir = entry.expect("an entry").path();
        for name in ["report.md", "report.html"] {
            if let Ok(text) = std::fs::read_to_string(dir.join(name)) {
                out.push((
                    format!("{}/{name}", dir.file_name().unwrap_or_default().display()),
                    text,
                ));
            }
        }
    }
    out
}

#[test]
fn they_have_no_error_in_the_strictest_profile() {
    let all = goldens();
    assert!(all.len() >= 8, "{}", all.len());
    let mut faults = Vec::new();
    for (name, text) in all {
        let source = Source::new(name.clone(), text).expect("small enough");
        for finding in lint(&source, &Options::profile(Profile::Strict)).findings {
            if finding.severity == Severity::Error {
                faults.push(format!(
                    "{name}:{}: {} {}",
                    finding.place.line, finding.rule, finding.message
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn markdown_and_html_of_one_report_say_the_same() {
    let dir =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../weir-control/tests/golden/pool_undersized");
    let of = |name: &str| {
        let text = std::fs::read_to_string(dir.join(name)).expect("the golden");
        facts(&Source::new(name, text).expect("small enough"))
    };
    let (md, html) = (of("report.md"), of("report.html"));
    assert_eq!(md.rows.len(), 16);
    assert_eq!(md.actions.len(), 5);
    assert_eq!(md.cause_name, Some(weir_model::Cause::PoolUndersized));
    for facts in [&md, &html] {
        let started = facts
            .clocks
            .started
            .as_ref()
            .and_then(|c| c.at)
            .expect("a start");
        assert_eq!(started.to_string(), "2026-11-23T13:58:41.2Z");
    }
    assert_eq!(md.actions.len(), html.actions.len());
    assert_eq!(
        md.rows.iter().map(|r| r.at).collect::<Vec<_>>(),
        html.rows.iter().map(|r| r.at).collect::<Vec<_>>()
    );
}
