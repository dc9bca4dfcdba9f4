//! Any text is read to its end: no panic, places inside the file, fixes that can be applied.

use proptest::prelude::*;
use weir_lint::{Options, Profile, Source, fix, lint, render};

/// Pieces that reports are made of, in an order that no report has.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("# "),
        Just("## Timeline\n"),
        Just("## Root cause: "),
        Just("**Impact:** "),
        Just("| a | b |\n|---|---|\n"),
        Just("| 14:00 UTC | x |\n"),
        Just("- 23:59 EAT: alert fired\n"),
        Just("- 00:01 "),
        Just("14:00 "),
        Just("35 % of users "),
        Just("702 of 2,006 "),
        Just("3h30m"),
        Just("½"),
        Just("“quoted"),
        Just("”"),
        Just("\n"),
        Just("\n\n"),
        Just("> "),
        Just("```\n"),
        Just("<table><tr><td>"),
        Just("</td>"),
        Just("<!-- weir-lint: off IR01 -->"),
        Just("<!--"),
        Just("---\n"),
        Just("title: x\n"),
        Just("é€😀"),
        Just("Duration: "),
        Just("Start: 2023-05-10 14:00 EAT\n"),
        Just("End: 05/10/2023 2 pm America/New_York\n"),
        Just("Owner: TBD "),
        Just("- [ ] Explore "),
        Just(", due 2020-01-01)"),
        Just("@sam forgot "),
        Just("should have "),
        Just("&nbsp;"),
        Just("|"),
        Just("T+15 min "),
        Just("## Resolution\nThe pool was increased"),
        Just("## Actions\n"),
        Just("99999999999999999999 h "),
        Just("2023-13-45T99:99"),
        Just("\u{feff}"),
        Just("\r\n"),
        Just(":"),
        Just("**"),
    ];
    prop::collection::vec(
        prop_oneof![4 => piece.prop_map(str::to_owned), 1 => ".{0,12}"],
        0..60,
    )
    .prop_map(|v| v.concat())
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let source = Source::new("x.md", text).expect("small enough");
    for profile in Profile::ALL {
        let options = Options::profile(profile);
        let outcome = lint(&source, &options);
        for finding in &outcome.findings {
            prop_assert!(finding.place.line >= 1 && finding.place.line <= source.lines());
            prop_assert!(
                finding.range.start <= finding.range.end && finding.range.end <= text.len()
            );
            prop_assert!(!finding.message.is_empty() && !finding.why.is_empty());
        }
        let fixed = fix::apply(&source, &outcome.findings);
        prop_assert!(fixed.applied > 0 || fixed.text == text);
        let linted = [render::Linted {
            source: source.clone(),
            outcome,
        }];
        render::text(&linted, render::Colour::On);
        render::sarif(&linted, "0");
        render::json(&linted, profile);
    }
    let all = weir_lint::fixed(&source, &Options::default());
    let again = Source::new("x.md", all.text.clone()).expect("small enough");
    prop_assert_eq!(weir_lint::fixed(&again, &Options::default()).text, all.text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_read_to_its_end(text in ".{0,400}") {
        check(&text)?;
    }

    #[test]
    fn reports_in_pieces_are_read_to_their_end(text in pieces()) {
        check(&text)?;
    }

    #[test]
    fn pages_in_pieces_are_read_to_their_end(text in pieces()) {
        check(&format!("<html>{text}"))?;
    }
}

#[test]
fn a_large_file_is_read_in_a_moment() {
    let row = "- 14:00 UTC: 35 % of users saw errors for 3 h 30 min, the pool was increased from 20 to 34\n";
    let text = format!("# x\n\n## Timeline\n\n{}", row.repeat(3_000));
    check(&text).expect("small enough");
}
