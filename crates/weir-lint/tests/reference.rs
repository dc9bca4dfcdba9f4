//! The rules as they are declared, shown and documented.

use weir_lint::{Options, Profile, RULES, Severity, Source, lint, render};

#[test]
fn the_reference_page_holds_the_rules_as_declared() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/report-linter.md");
    let page = std::fs::read_to_string(path).expect("as the fixture has it");
    let (head, rest) = page
        .split_once("rewrites the table -->\n")
        .expect("as the fixture has it");
    let (_, tail) = rest
        .split_once("<!-- end of rules -->")
        .expect("as the fixture has it");
    let now = format!(
        "{head}rewrites the table -->\n{}<!-- end of rules -->{tail}",
        render::table()
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &now).expect("as the fixture has it");
        return;
    }
    assert!(
        page == now,
        "docs/report-linter.md is behind the rules; UPDATE_GOLDEN=1 cargo test -p weir-lint rewrites it"
    );
}

#[test]
fn there_are_forty_two_rules_in_order_and_each_explains_itself() {
    assert_eq!(RULES.len(), 42);
    for (n, rule) in RULES.iter().enumerate() {
        assert_eq!(rule.id, format!("IR{:02}", n + 1));
        let says = render::explain(rule.id).expect("as the fixture has it");
        for part in [rule.name, rule.why, rule.bad, rule.good, "weir-lint: off"] {
            assert!(says.contains(part), "{}: {part}", rule.id);
        }
    }
    assert!(
        render::explain("IR43")
            .unwrap_err()
            .contains("did you mean")
    );
    let judged: Vec<_> = RULES
        .iter()
        .filter(|r| r.severity == Severity::Question)
        .map(|r| r.id)
        .collect();
    assert_eq!(
        judged,
        ["IR19", "IR26"],
        "what needs judgement is asked, never an error"
    );
}

#[test]
fn sarif_has_what_code_scanning_reads() {
    let source = Source::new(
        "a report.md",
        "# Report\n\nStart: 2023-05-10 14:00 EAT\n\nEnd: 2023-05-10 17:30 EAT\n",
    )
    .expect("as the fixture has it");
    let outcome = lint(&source, &Options::profile(Profile::Google));
    let log = render::sarif(&[render::Linted { source, outcome }], "0.1.0");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"]
        .as_array()
        .expect("as the fixture has it");
    assert_eq!(rules.len(), 44);
    let results = run["results"].as_array().expect("as the fixture has it");
    assert!(!results.is_empty());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("as the fixture has it"))
            .expect("as the fixture has it");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(
            ["error", "warning", "note"]
                .contains(&result["level"].as_str().expect("as the fixture has it"))
        );
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20report.md");
        assert!(
            place["region"]["startLine"]
                .as_u64()
                .expect("as the fixture has it")
                >= 1
        );
    }
    let fixed = results
        .iter()
        .find(|r| r["ruleId"] == "IR04")
        .expect("as the fixture has it");
    let change = &fixed["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(change["insertedContent"]["text"], " (2023-05-10 11:00 UTC)");
}

#[test]
fn a_local_time_is_mended_with_its_utc() {
    let text = "# Orders: slow checkout\n\nStart: 2023-05-10 14:00 EAT\n\nEnd: 2023-05-10 17:30 EAT\n\nDuration: 3 h 30 min\n";
    let source = Source::new("x.md", text).expect("as the fixture has it");
    let fixed = weir_lint::fixed(&source, &Options::default());
    assert!(
        fixed
            .text
            .contains("Start: 2023-05-10 14:00 EAT (2023-05-10 11:00 UTC)"),
        "{}",
        fixed.text
    );
    let again = Source::new("x.md", fixed.text).expect("as the fixture has it");
    assert!(
        lint(&again, &Options::default())
            .findings
            .iter()
            .all(|f| f.rule != "IR04")
    );
}
