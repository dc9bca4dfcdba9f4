//! One rule explained, and the table of all of them for the reference page.

use std::fmt::Write as _;

use crate::rules::{self, Profile, RULES, Rule};
use crate::switches;

/// A rule with its reason, a bad and a good example, and how to switch it off. The fault names the
/// nearest rule.
pub fn explain(id: &str) -> Result<String, String> {
    rules::rule(id)
        .map(one)
        .ok_or_else(|| switches::unknown(id))
}

/// Every rule explained.
pub fn explain_all() -> String {
    RULES.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn one(rule: &Rule) -> String {
    let profiles: Vec<&str> = Profile::ALL
        .iter()
        .filter(|p| rule.in_profile(**p))
        .map(|p| p.name())
        .collect();
    let checked = match rule.checked {
        rules::Checked::Text => "the text alone",
        rules::Checked::TextOrTelemetry => "the text; better with Weir's telemetry",
        rules::Checked::TextOrJudgement => "the text; a person has the last word",
        rules::Checked::Telemetry => "the text as far as it goes; fully only with Weir's telemetry",
    };
    format!(
        "{id}: {name}\n\n  severity   {severity}\n  profiles   {profiles}\n  checked    from {checked}\n\n  why        {why}\n\n  bad        {bad}\n  good       {good}\n\n  switch off in a report: <!-- weir-lint: off {id} -- <reason> -->\n             for one line: <!-- weir-lint: ignore {id} -- <reason> -->\n",
        id = rule.id,
        name = rule.name,
        severity = rule.severity.word(),
        profiles = profiles.join(", "),
        why = rule.why,
        bad = rule.bad,
        good = rule.good,
    )
}

/// The rules as a Markdown table, for the reference page.
pub fn table() -> String {
    let mut out = String::from(
        "| rule | asks whether | severity | profiles | checked from | why |\n|---|---|---|---|---|---|\n",
    );
    for rule in RULES {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            rule.id,
            rule.name,
            rule.severity.word(),
            if rule.basic { "all" } else { "google, strict" },
            rule.checked.word(),
            rule.why.replace('|', "\\|"),
        );
    }
    out
}
