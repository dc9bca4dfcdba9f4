//! Whether an answer will do: at once, before the next question.
//!
//! What an answer is by itself (a time, a date, a type) is checked here; what a report needs is
//! asked of the linter, over the report as it stands with the answer in it.

use weir_lint::{Options, Profile, Severity, Source};

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Objection {
    /// It may not stay so, unless the person insists.
    pub(crate) grave: bool,
    /// What, and what to do.
    pub(crate) says: String,
}

/// Judges the report as it stands.
pub(crate) trait Judge {
    /// What `rule` objects to.
    fn judge(&self, report: &str, rule: &str) -> Vec<Objection>;
}

/// The linter, strictly.
pub(crate) struct Linter;

impl Judge for Linter {
    fn judge(&self, report: &str, rule: &str) -> Vec<Objection> {
        let Ok(source) = Source::new("draft", report) else {
            return Vec::new();
        };
        weir_lint::lint(&source, &Options::profile(Profile::Strict))
            .findings
            .into_iter()
            .filter(|finding| finding.rule == rule && finding.severity != Severity::Question)
            .map(|finding| Objection {
                grave: finding.severity == Severity::Error,
                says: match finding.fix {
                    Some(fix) => format!("{} ({}): {}", finding.message, finding.rule, fix.says),
                    None => format!("{} ({})", finding.message, finding.rule),
                },
            })
            .take(3)
            .collect()
    }
}

/// The verb that promises nothing.
const VAGUE: [&str; 12] = [
    "explore",
    "investigate",
    "improve",
    "enhance",
    "ensure",
    "consider",
    "review",
    "continuously",
    "regularly",
    "look",
    "think",
    "monitor",
];

/// An action begins with a verb that can be done.
pub(crate) fn action(says: &str) -> Option<Objection> {
    let first = says.split_whitespace().next()?.to_lowercase();
    VAGUE.contains(&first.as_str()).then(|| Objection {
        grave: true,
        says: format!(
            "\"{first}\" has no end (IR34): which deed is done when it is done? \"Limit the job to 4 connections\""
        ),
    })
}

/// A cause that is only how it failed.
pub(crate) fn cause(says: &str) -> Option<Objection> {
    let lower = says.to_lowercase();
    let words = lower.split_whitespace().count();
    const BARE: [&str; 9] = [
        "exhaust",
        "overload",
        "out of memory",
        "a bug",
        "high load",
        "network issue",
        "outage",
        "timeout",
        "human error",
    ];
    (words <= 8 && !lower.contains("because") && BARE.iter().any(|bare| lower.contains(bare))).then(|| Objection {
        grave: true,
        says: "that is how it failed, not why (IR22): why was demand larger than supply, or why did the defect exist?"
            .to_owned(),
    })
}

/// A share needs its numbers.
pub(crate) fn share(says: &str) -> Option<Objection> {
    let percent = says.contains('%') || says.to_lowercase().contains("percent");
    let numbers = says
        .split(|c: char| !(c.is_ascii_digit() || c == ','))
        .filter(|n| n.chars().any(|c| c.is_ascii_digit()))
        .count();
    let of = says.contains(" of ") || says.contains('/');
    (percent && !(of && numbers >= 3)).then(|| Objection {
        grave: true,
        says: "a percentage says of how many (IR07): write \"702 of 2,006 users (35 %)\""
            .to_owned(),
    })
}
