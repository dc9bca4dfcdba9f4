//! What the linter says: findings with a place, a reason and a way out.

use std::ops::Range;

use serde::Serialize;

use crate::source::Place;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Fails the run.
    Error,
    /// Should be mended; fails nothing.
    Warning,
    /// For a person to answer; fails nothing.
    Question,
}

impl Severity {
    /// In lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Question => "question",
        }
    }
}

/// A replacement in the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// What is replaced, in bytes; empty where something is put in.
    pub range: Range<usize>,
    /// What stands there afterwards.
    pub text: String,
}

/// How to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// In words, with the computed value where there is one.
    pub says: String,
    /// The same as a replacement, where it can be given.
    pub edit: Option<Edit>,
    /// `--fix` may apply it: it changes how a fact is written, never which fact is claimed.
    pub safe: bool,
}

/// One thing that a report lacks or does wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `IR05`; `SW01` and `SW02` for the off-switches themselves.
    pub rule: &'static str,
    /// How grave.
    pub severity: Severity,
    /// Where it begins.
    #[serde(flatten)]
    pub place: Place,
    /// Where it ends.
    #[serde(skip)]
    pub end: Place,
    /// The same in bytes.
    #[serde(skip)]
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// Why it matters, with the source.
    pub why: &'static str,
    /// How to mend it.
    pub fix: Option<Fix>,
    /// It says that the rule is broken; a mere open question doesn't.
    pub asserts: bool,
}
