//! The rules IR01 to IR42. Each is declared once, in [`RULES`]; `explain`, the SARIF metadata, the
//! reference page and the score read the same table.
//!
//! A rule is a pure function from a report that was understood to the places where it is broken.
//! False positives are worse than misses: where the text may mean well, a rule is silent.

mod actions;
mod cause;
mod clocks;
mod detection;
mod domain;
mod impact;
mod language;
mod parts;
mod recovery;
mod table;
mod timeline;
mod title;

use std::ops::Range;

use serde::Serialize;

use crate::facts::{Doc, Facts};
use crate::finding::{Edit, Finding, Fix, Severity};
pub use table::RULES;

/// At most so many findings of one rule are given for a file; the rest says the same again.
pub const FINDINGS_PER_RULE_MAX: usize = 8;

/// Which rules are asked, and how strictly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Whether the parts are there: IR01 to IR05, IR32, IR33, IR38.
    Basic,
    /// Whether a reader can find and trust what a good report says. The default.
    #[default]
    Google,
    /// The form that Weir's own reports have, with everything that is wanted.
    Strict,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Basic, Self::Google, Self::Strict];

    /// As typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Google => "google",
            Self::Strict => "strict",
        }
    }
}

impl std::str::FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|p| p.name() == name)
            .ok_or_else(|| format!("no profile `{name}`; there are basic, google and strict"))
    }
}

/// What a rule can be checked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Checked {
    /// From the text alone.
    #[serde(rename = "M")]
    Text,
    /// From the text; better with Weir's telemetry.
    #[serde(rename = "M/W")]
    TextOrTelemetry,
    /// From the text; a person has the last word.
    #[serde(rename = "M/J")]
    TextOrJudgement,
    /// Fully only with Weir's telemetry.
    #[serde(rename = "W")]
    Telemetry,
}

impl Checked {
    /// As REPORT_RULES has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "M",
            Self::TextOrTelemetry => "M/W",
            Self::TextOrJudgement => "M/J",
            Self::Telemetry => "W",
        }
    }

    /// Whether the text tells.
    pub fn by_machine(self) -> bool {
        self != Self::Telemetry
    }
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// `IR05`.
    pub id: &'static str,
    /// A few words: what is asked.
    pub name: &'static str,
    /// What it is checked from.
    pub checked: Checked,
    /// How grave a violation is.
    pub severity: Severity,
    /// Asked in the profile `basic` too.
    pub basic: bool,
    /// Why it matters, with the source.
    pub why: &'static str,
    /// A report that breaks it.
    pub bad: &'static str,
    /// The same, mended.
    pub good: &'static str,
    /// Finds the places.
    pub(crate) check: fn(&Cx<'_>) -> Vec<Hit>,
}

impl Rule {
    /// Whether a profile asks it.
    pub fn in_profile(&self, profile: Profile) -> bool {
        profile != Profile::Basic || self.basic
    }
}

/// A rule by its id, in any case.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES
        .iter()
        .find(|rule| rule.id.eq_ignore_ascii_case(id.trim()))
}

/// What rules look at.
pub(crate) struct Cx<'a> {
    pub(crate) doc: &'a Doc<'a>,
    pub(crate) facts: &'a Facts,
    pub(crate) profile: Profile,
}

impl Cx<'_> {
    pub(crate) fn strict(&self) -> bool {
        self.profile == Profile::Strict
    }

    /// Where the title stands.
    pub(crate) fn title(&self) -> Range<usize> {
        self.doc.title_range()
    }
}

/// A place where a rule is broken, or asks.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    range: Range<usize>,
    message: String,
    fix: Option<Fix>,
    severity: Option<Severity>,
    asserts: bool,
}

impl Hit {
    /// The rule is broken here.
    pub(crate) fn new(range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            range,
            message: message.into(),
            fix: None,
            severity: None,
            asserts: true,
        }
    }

    /// A question to a person: the rule may be kept.
    pub(crate) fn ask(range: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Some(Severity::Question),
            asserts: false,
            ..Self::new(range, message)
        }
    }

    /// What to do about it, in words.
    pub(crate) fn fix(mut self, says: impl Into<String>) -> Self {
        self.fix = Some(Fix {
            says: says.into(),
            edit: None,
            safe: false,
        });
        self
    }

    /// What to do about it, as a replacement.
    pub(crate) fn edit(
        mut self,
        says: impl Into<String>,
        range: Range<usize>,
        text: impl Into<String>,
        safe: bool,
    ) -> Self {
        self.fix = Some(Fix {
            says: says.into(),
            edit: Some(Edit {
                range,
                text: text.into(),
            }),
            safe,
        });
        self
    }

    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }
}

/// Asks every rule of a profile.
pub(crate) fn run(doc: &Doc<'_>, facts: &Facts, profile: Profile) -> Vec<Finding> {
    let cx = Cx {
        doc,
        facts,
        profile,
    };
    let mut out = Vec::new();
    for rule in RULES.iter().filter(|rule| rule.in_profile(profile)) {
        let mut hits = (rule.check)(&cx);
        hits.sort_by_key(|hit| (hit.range.start, hit.range.end));
        let source = doc.source;
        let mut last = None;
        let mut given = 0;
        for hit in hits {
            let place = source.place(hit.range.start);
            // Twice the same on one line says it once.
            if last.as_ref() == Some(&(place.line, hit.message.clone()))
                || given >= FINDINGS_PER_RULE_MAX
            {
                continue;
            }
            last = Some((place.line, hit.message.clone()));
            given += 1;
            out.push(Finding {
                rule: rule.id,
                severity: hit.severity.unwrap_or(rule.severity),
                place,
                end: source.place(hit.range.end.max(hit.range.start)),
                range: hit.range,
                message: hit.message,
                why: rule.why,
                fix: hit.fix,
                asserts: hit.asserts,
            });
        }
    }
    out.sort_by(|a, b| (a.place, a.rule).cmp(&(b.place, b.rule)));
    out
}
