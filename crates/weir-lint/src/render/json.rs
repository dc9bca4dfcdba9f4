//! `weir.lint/1`.

use serde_json::{Value, json as value};

use super::Linted;
use crate::finding::{Finding, Severity};
use crate::rules::Profile;

/// All findings of some files as one document.
pub fn json(files: &[Linted], profile: Profile) -> Value {
    let all: Vec<Value> = files.iter().map(file).collect();
    let total = |severity| {
        files
            .iter()
            .map(|f| f.outcome.count(severity))
            .sum::<usize>()
    };
    value!({
        "schema": "weir.lint/1",
        "profile": profile.name(),
        "files": all,
        "errors": total(Severity::Error),
        "warnings": total(Severity::Warning),
        "questions": total(Severity::Question),
    })
}

fn file(file: &Linted) -> Value {
    let outcome = &file.outcome;
    value!({
        "file": file.source.name,
        "errors": outcome.count(Severity::Error),
        "warnings": outcome.count(Severity::Warning),
        "questions": outcome.count(Severity::Question),
        "switched_off": outcome.silenced,
        "findings": outcome.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    value!({
        "rule": finding.rule,
        "severity": finding.severity.word(),
        "asserts": finding.asserts,
        "line": finding.place.line,
        "column": finding.place.column,
        "end_line": finding.end.line,
        "end_column": finding.end.column,
        "message": finding.message,
        "why": finding.why,
        "fix": finding.fix.as_ref().map(|fix| value!({
            "says": fix.says,
            "safe": fix.safe,
            "edit": fix.edit.as_ref().map(|edit| value!({
                "start_byte": edit.range.start,
                "end_byte": edit.range.end,
                "text": edit.text,
            })),
        })),
    })
}
