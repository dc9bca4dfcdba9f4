//! How well the rules agree with people who read the same reports and labelled them.
//!
//! A corpus is a directory of reports with a `labels.toml` that lists, for each report, the rules it
//! breaks; all others it keeps. For each rule: how often it fired rightly (precision) and how many of
//! the violations it found (recall). A linter that fires everywhere has full recall and little
//! precision, one that never fires the reverse: both are shown beside ours, so that a figure means
//! something.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::rules::{RULES, Rule};

/// The labels of a corpus.
#[derive(Default, Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// By file name.
    pub report: BTreeMap<String, Label>,
}

/// What a careful reviewer says of a report.
#[derive(Clone, Debug, Deserialize)]
pub struct Label {
    /// `five-part`, `sre-book`, `pagerduty`, `coe`, `free-form`.
    pub style: String,
    /// `good`, `mixed`, `bad`.
    pub quality: String,
    /// The rules it breaks.
    #[serde(default)]
    pub violates: Vec<String>,
}

/// Why labels can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// Not the form that is described above.
    #[error("labels.toml: {0}")]
    Form(#[from] toml::de::Error),
    /// A rule that doesn't exist.
    #[error("labels.toml: report {report}: {says}")]
    Rule {
        /// The file.
        report: String,
        /// What is wrong, with the nearest rule.
        says: String,
    },
}

/// Reads `labels.toml`.
pub fn labels(text: &str) -> Result<Labels, LabelError> {
    let labels: Labels = toml::from_str(text)?;
    for (report, label) in &labels.report {
        for id in &label.violates {
            if crate::rules::rule(id).is_none() {
                return Err(LabelError::Rule {
                    report: report.clone(),
                    says: crate::switches::unknown(id),
                });
            }
        }
    }
    Ok(labels)
}

/// Right and wrong of one rule, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Fired, and labelled as violated.
    pub true_positives: usize,
    /// Fired, but labelled as clean.
    pub false_positives: usize,
    /// Silent, but labelled as violated.
    pub false_negatives: usize,
    /// Silent, and labelled as clean.
    pub true_negatives: usize,
}

impl Tally {
    fn add(&mut self, fired: bool, violated: bool) {
        match (fired, violated) {
            (true, true) => self.true_positives += 1,
            (true, false) => self.false_positives += 1,
            (false, true) => self.false_negatives += 1,
            (false, false) => self.true_negatives += 1,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            true_positives: self.true_positives + other.true_positives,
            false_positives: self.false_positives + other.false_positives,
            false_negatives: self.false_negatives + other.false_negatives,
            true_negatives: self.true_negatives + other.true_negatives,
        }
    }

    /// Of what fired, how much rightly; absent where nothing fired.
    pub fn precision(&self) -> Option<f64> {
        ratio(
            self.true_positives,
            self.true_positives + self.false_positives,
        )
    }

    /// Of what is violated, how much was found; absent where nothing is.
    pub fn recall(&self) -> Option<f64> {
        ratio(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    /// The harmonic mean of both: 0 where either is.
    pub fn f1(&self) -> f64 {
        let both = 2 * self.true_positives + self.false_positives + self.false_negatives;
        ratio(2 * self.true_positives, both).unwrap_or(0.0)
    }

    /// The mean of the share of violated and of clean reports that were told right: 0.5 for a linter
    /// that always or never fires.
    pub fn balanced_accuracy(&self) -> f64 {
        let found = self.recall().unwrap_or(1.0);
        let spared = ratio(
            self.true_negatives,
            self.true_negatives + self.false_positives,
        )
        .unwrap_or(1.0);
        f64::midpoint(found, spared)
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The score of a corpus.
#[derive(Clone, Debug, Serialize)]
pub struct Score {
    /// How many reports were scored.
    pub reports: usize,
    /// For each rule.
    pub rules: BTreeMap<&'static str, Tally>,
    /// Rules that the text tells, together.
    pub machine: Tally,
    /// Rules that need telemetry or judgement, together.
    pub others: Tally,
    /// A linter that fires every machine-checkable rule on every report.
    pub always: Tally,
    /// One that never fires.
    pub never: Tally,
    /// Where it was wrong: file, rule, whether it fired.
    pub wrong: Vec<(String, &'static str, bool)>,
    /// Labelled files that were not given.
    pub missing: Vec<String>,
}

/// Compares what was found with the labels. `broken` holds, for each file name, the rules that the
/// linter says are broken.
pub fn score(labels: &Labels, broken: &BTreeMap<String, BTreeSet<&'static str>>) -> Score {
    let mut out = Score {
        reports: 0,
        rules: RULES
            .iter()
            .map(|rule| (rule.id, Tally::default()))
            .collect(),
        machine: Tally::default(),
        others: Tally::default(),
        always: Tally::default(),
        never: Tally::default(),
        wrong: Vec::new(),
        missing: Vec::new(),
    };
    for (report, label) in &labels.report {
        let Some(fired) = broken.get(report) else {
            out.missing.push(report.clone());
            continue;
        };
        out.reports += 1;
        for rule in RULES {
            let violated = label
                .violates
                .iter()
                .any(|id| id.eq_ignore_ascii_case(rule.id));
            let fires = fired.contains(rule.id);
            if let Some(tally) = out.rules.get_mut(rule.id) {
                tally.add(fires, violated);
            }
            if rule.checked.by_machine() {
                out.always.add(true, violated);
                out.never.add(false, violated);
            }
            if fires != violated {
                out.wrong.push((report.clone(), rule.id, fires));
            }
        }
    }
    for rule in RULES {
        let tally = out.rules[rule.id];
        if rule.checked.by_machine() {
            out.machine = out.machine.plus(tally);
        } else {
            out.others = out.others.plus(tally);
        }
    }
    out
}

/// As a table for people.
pub fn table(score: &Score) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{} reports", score.reports);
    let _ = writeln!(
        out,
        "rule  kind  violated clean   hits false missed  precision recall"
    );
    for rule in RULES {
        let _ = writeln!(out, "{}", line(rule, score.rules[rule.id]));
    }
    let all = |name: &str, tally: Tally| {
        format!(
            "{name:<34} precision {}  recall {}  F1 {:.3}  balanced accuracy {:.3}",
            shown(tally.precision()),
            shown(tally.recall()),
            tally.f1(),
            tally.balanced_accuracy()
        )
    };
    let _ = writeln!(
        out,
        "\n{}",
        all("machine-checkable rules (M)", score.machine)
    );
    let _ = writeln!(
        out,
        "{}",
        all("rules that need telemetry (W)", score.others)
    );
    let _ = writeln!(
        out,
        "{}",
        all("baseline: fires everywhere (M)", score.always)
    );
    let _ = writeln!(out, "{}", all("baseline: never fires (M)", score.never));
    for file in &score.missing {
        let _ = writeln!(out, "labelled, but not there: {file}");
    }
    if !score.wrong.is_empty() {
        let _ = writeln!(out, "\nwhere linter and reviewer disagree:");
        for (file, rule, fired) in &score.wrong {
            let _ = writeln!(
                out,
                "  {file}: {rule} {}",
                if *fired {
                    "fired, but is labelled clean"
                } else {
                    "was silent, but is labelled violated"
                }
            );
        }
    }
    out
}

fn line(rule: &Rule, tally: Tally) -> String {
    format!(
        "{}  {:<4}  {:>8} {:>5}  {:>5} {:>5} {:>6}  {:>9} {:>6}",
        rule.id,
        rule.checked.word(),
        tally.true_positives + tally.false_negatives,
        tally.true_negatives + tally.false_positives,
        tally.true_positives,
        tally.false_positives,
        tally.false_negatives,
        shown(tally.precision()),
        shown(tally.recall()),
    )
}

fn shown(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |r| format!("{r:.3}"))
}

/// As `weir.lint-score/1`.
pub fn json_of(score: &Score) -> Value {
    let tally = |t: &Tally| {
        json!({
            "true_positives": t.true_positives,
            "false_positives": t.false_positives,
            "false_negatives": t.false_negatives,
            "true_negatives": t.true_negatives,
            "precision": t.precision(),
            "recall": t.recall(),
            "f1": t.f1(),
            "balanced_accuracy": t.balanced_accuracy(),
        })
    };
    json!({
        "schema": "weir.lint-score/1",
        "reports": score.reports,
        "machine": tally(&score.machine),
        "telemetry": tally(&score.others),
        "fires_everywhere": tally(&score.always),
        "never_fires": tally(&score.never),
        "rules": score.rules.iter().map(|(id, t)| ((*id).to_owned(), tally(t))).collect::<serde_json::Map<String, Value>>(),
        "disagreements": score.wrong.iter().map(|(file, rule, fired)| json!({"file": file, "rule": rule, "fired": fired})).collect::<Vec<_>>(),
        "missing": score.missing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: &str = "[report.\"a.md\"]\nstyle = \"coe\"\nquality = \"bad\"\nviolates = [\"IR01\", \"IR37\"]\n[report.\"b.md\"]\nstyle = \"coe\"\nquality = \"good\"\n";

    #[test]
    fn right_and_wrong_are_counted_for_each_rule_and_beside_two_baselines() {
        let labels = labels(LABELS).unwrap();
        let broken = BTreeMap::from([
            ("a.md".to_owned(), BTreeSet::from(["IR01", "IR02"])),
            ("b.md".to_owned(), BTreeSet::new()),
        ]);
        let score = score(&labels, &broken);
        assert_eq!(score.reports, 2);
        assert_eq!(score.rules["IR01"].precision(), Some(1.0));
        assert_eq!(score.rules["IR02"].precision(), Some(0.0));
        assert_eq!(score.others.false_negatives, 1);
        assert_eq!(
            (score.machine.precision(), score.machine.recall()),
            (Some(0.5), Some(1.0))
        );
        assert!(score.always.precision().unwrap() < 0.02 && score.always.recall() == Some(1.0));
        assert_eq!(score.never.recall(), Some(0.0));
        assert!((score.always.balanced_accuracy() - 0.5).abs() < 1e-9);
        assert_eq!(score.wrong.len(), 2);
    }

    #[test]
    fn a_label_that_names_no_rule_is_refused() {
        let fault = labels(&LABELS.replace("IR37", "IR73")).unwrap_err();
        assert!(fault.to_string().contains("a.md"), "{fault}");
    }
}
