//! The report that the project started from, told of another service in other words: the same
//! structure, the same offsets, the same faults. Its findings are pinned line by line.

use std::collections::BTreeMap;

use weir_lint::{Options, Profile, Severity, Source, facts, lint};

const TEXT: &str = include_str!("fixtures/booking-degradation.md");

fn source() -> Source {
    Source::new("booking-degradation.md", TEXT).expect("as the fixture has it")
}

/// Rules by line, as `6: IR05`.
fn by_line() -> BTreeMap<usize, Vec<&'static str>> {
    let mut out: BTreeMap<usize, Vec<&'static str>> = BTreeMap::new();
    for finding in lint(&source(), &Options::default()).findings {
        let rules = out.entry(finding.place.line).or_default();
        if !rules.contains(&finding.rule) {
            rules.push(finding.rule);
        }
    }
    out
}

#[test]
fn the_findings_of_the_founding_report_stand_at_their_lines() {
    let found = by_line();
    let wanted: &[(usize, &[&str])] = &[
        (1, &["IR01", "IR02"]),
        (2, &["IR03"]),
        (6, &["IR05"]),
        (7, &["IR07", "IR08", "IR09"]),
        (9, &["IR22"]),
        (11, &["IR03"]),
        (13, &["IR15", "IR16", "IR17", "IR18"]),
        (14, &["IR13", "IR18"]),
        (16, &["IR19", "IR42"]),
        (17, &["IR35"]),
        (18, &["IR24", "IR25"]),
        (19, &["IR14", "IR25"]),
        (20, &["IR31"]),
        (21, &["IR03"]),
        (23, &["IR22", "IR23", "IR24"]),
        (25, &["IR30", "IR31"]),
        (29, &["IR32", "IR33", "IR34", "IR36"]),
        (30, &["IR34"]),
        (31, &["IR34", "IR36"]),
        (32, &["IR34", "IR35"]),
        (33, &["IR34", "IR36"]),
        (34, &["IR28", "IR34"]),
        (36, &["IR27"]),
    ];
    let mut missing = Vec::new();
    for (line, rules) in wanted {
        for rule in *rules {
            if !found.get(line).is_some_and(|there| there.contains(rule)) {
                missing.push(format!("{line}: {rule}"));
            }
        }
    }
    assert!(missing.is_empty(), "missing {missing:?}\nfound {found:#?}");
    // "Why was this a surprise" may stand at any line about cause or detection.
    assert!(found.values().flatten().any(|rule| *rule == "IR26"));
}

#[test]
fn the_text_output_is_as_agreed() {
    let outcome = lint(&source(), &Options::default());
    let text = weir_lint::render::text(
        &[weir_lint::render::Linted {
            source: source(),
            outcome,
        }],
        weir_lint::render::Colour::Off,
    );
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/booking-degradation.txt"
    );
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).expect("as the fixture has it");
    }
    let agreed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        text == agreed,
        "the output changed; UPDATE_GOLDEN=1 rewrites it, the diff is the review:\n{text}"
    );
}

#[test]
fn it_fails_a_build_and_offers_the_computed_values() {
    let outcome = lint(&source(), &Options::default());
    assert!(outcome.count(Severity::Error) > 0);
    let all: String = outcome
        .findings
        .iter()
        .map(|f| {
            format!(
                "{} {}\n",
                f.message,
                f.fix.as_ref().map_or("", |fix| fix.says.as_str())
            )
        })
        .collect();
    for value in [
        "3 h 30 min",
        "45 min between 11:15 and 12:00",
        "105 minutes until the right team",
        "15 min ahead",
        "8 of 8 times",
        "0 of 8 rows",
        "0 of 6 actions",
    ] {
        assert!(all.contains(value), "{value} is not in\n{all}");
    }
}

#[test]
fn what_the_report_says_is_understood() {
    let facts = facts(&source());
    let clocks = &facts.clocks;
    let at = |clock: &Option<weir_lint::facts::Clock>| {
        clock
            .as_ref()
            .expect("as the fixture has it")
            .at
            .expect("as the fixture has it")
            .to_string()
    };
    assert_eq!(at(&clocks.started), "2026-03-04T09:00:00Z");
    assert_eq!(at(&clocks.ended), "2026-03-04T12:30:00Z");
    assert_eq!(
        clocks.escalated.expect("as the fixture has it").to_string(),
        "2026-03-04T10:45:00Z"
    );
    assert_eq!(
        clocks
            .identified
            .expect("as the fixture has it")
            .to_string(),
        "2026-03-04T11:15:00Z"
    );
    assert_eq!(
        facts
            .computed_duration()
            .expect("as the fixture has it")
            .as_secs(),
        12_600
    );
    assert_eq!(facts.rows.len(), 8);
    assert_eq!(facts.actions.len(), 6);
    assert!(
        facts
            .actions
            .iter()
            .all(|a| a.owner.is_none() && a.due.is_none())
    );
    assert_eq!(facts.affected[0].percent, Some(28.0));
    assert_eq!(
        facts.detected_by,
        Some(weir_lint::facts::DetectedBy::Customer)
    );
}

#[test]
fn safe_fixes_are_applied_once_and_stay() {
    let options = Options::default();
    let fixed = weir_lint::fixed(&source(), &options);
    assert!(fixed.applied >= 1);
    assert!(fixed.text.contains("3 h 30 min"), "{}", fixed.text);
    let again = Source::new("x.md", fixed.text.clone()).expect("as the fixture has it");
    assert_eq!(
        weir_lint::fixed(&again, &options).text,
        fixed.text,
        "a second run changes nothing"
    );
    assert!(
        lint(&again, &options)
            .findings
            .iter()
            .all(|f| f.rule != "IR05")
    );
}

#[test]
fn a_profile_asks_what_it_says() {
    let of = |profile| lint(&source(), &Options::profile(profile));
    let basic = of(Profile::Basic);
    assert!(basic.findings.iter().all(|f| {
        [
            "IR01", "IR02", "IR03", "IR04", "IR05", "IR32", "IR33", "IR38",
        ]
        .contains(&f.rule)
    }));
    assert!(of(Profile::Strict).findings.len() > of(Profile::Google).findings.len());
}

#[test]
fn a_switch_needs_a_reason_and_silences_its_rule() {
    let with = |switch: &str| {
        let text = format!("{switch}\n{TEXT}");
        lint(
            &Source::new("x.md", text).expect("as the fixture has it"),
            &Options::default(),
        )
    };
    let off = with("<!-- weir-lint: off IR15 -- stamps come from a paper log -->");
    assert!(
        off.findings
            .iter()
            .all(|f| f.rule != "IR15" && f.rule != "SW01")
    );
    assert_eq!(off.silenced, 1);
    let bare = with("<!-- weir-lint: off IR15 -->");
    assert!(
        bare.findings.iter().any(|f| f.rule == "SW01")
            && bare.findings.iter().all(|f| f.rule != "IR15")
    );
    let typo = with("<!-- weir-lint: off IR151 -- x -->");
    assert!(
        typo.findings
            .iter()
            .any(|f| f.rule == "SW02" && f.message.contains("IR15")),
        "{typo:?}"
    );
    let line = TEXT.replacen(
        "10:00 UTC:",
        "<!-- weir-lint: ignore IR42 -- a quotation -->\n10:00 UTC:",
        1,
    );
    let outcome = lint(
        &Source::new("x.md", line).expect("as the fixture has it"),
        &Options::default(),
    );
    assert!(outcome.findings.iter().all(|f| f.rule != "IR42"));
    let mut options = Options::default();
    options
        .switch_off("IR15,ir16")
        .expect("as the fixture has it");
    assert!(
        lint(&source(), &options)
            .findings
            .iter()
            .all(|f| f.rule != "IR15" && f.rule != "IR16")
    );
    assert!(options.switch_off("IR99").unwrap_err().contains("IR99"));
}
