//! SARIF 2.1.0: one run for all files, with the rules' metadata and the fixes that are replacements.

use serde_json::{Value, json as value};

use super::Linted;
use crate::finding::{Finding, Severity};
use crate::rules::{RULES, Rule};
use crate::source::Source;

/// All findings of some files as one SARIF log.
pub fn sarif(files: &[Linted], version: &str) -> Value {
    let results: Vec<Value> = files
        .iter()
        .flat_map(|file| {
            file.outcome
                .findings
                .iter()
                .map(|finding| result(&file.source, finding))
        })
        .collect();
    let artifacts: Vec<Value> = files
        .iter()
        .map(|file| value!({ "location": { "uri": uri(&file.source.name) } }))
        .collect();
    value!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "weir report lint",
                "semanticVersion": version,
                "rules": RULES.iter().map(rule).chain(SWITCH_RULES.iter().map(|(id, says)| value!({
                    "id": id,
                    "shortDescription": { "text": says },
                    "defaultConfiguration": { "level": "warning" },
                }))).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "artifacts": artifacts,
            "results": results,
        }],
    })
}

/// Faults of the off-switches.
const SWITCH_RULES: [(&str, &str); 2] = [
    ("SW01", "a rule is switched off without a reason"),
    ("SW02", "an unknown rule is switched off"),
];

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Question => "note",
    }
}

fn rule(rule: &Rule) -> Value {
    value!({
        "id": rule.id,
        "name": rule.name.split_whitespace().map(capital).collect::<String>().replace([',', '\''], ""),
        "shortDescription": { "text": rule.name },
        "fullDescription": { "text": rule.why },
        "help": { "text": format!("Bad: {}\nGood: {}", rule.bad, rule.good) },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "checked": rule.checked.word(), "basic": rule.basic },
    })
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| {
        c.to_uppercase().collect::<String>() + chars.as_str()
    })
}

fn index(id: &str) -> Option<usize> {
    RULES
        .iter()
        .map(|rule| rule.id)
        .chain(SWITCH_RULES.iter().map(|(id, _)| *id))
        .position(|known| known == id)
}

fn result(source: &Source, finding: &Finding) -> Value {
    let mut out = value!({
        "ruleId": finding.rule,
        "ruleIndex": index(finding.rule),
        "level": level(finding.severity),
        "message": { "text": match &finding.fix {
            Some(fix) => format!("{}. Fix: {}", finding.message, fix.says),
            None => finding.message.clone(),
        }},
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&source.name) },
            "region": region(source, &finding.range),
        }}],
        "properties": { "asserts": finding.asserts },
    });
    if let Some((fix, edit)) = finding
        .fix
        .as_ref()
        .and_then(|fix| fix.edit.as_ref().map(|edit| (fix, edit)))
    {
        out["fixes"] = value!([{
            "description": { "text": fix.says },
            "artifactChanges": [{
                "artifactLocation": { "uri": uri(&source.name) },
                "replacements": [{
                    "deletedRegion": region(source, &edit.range),
                    "insertedContent": { "text": edit.text },
                }],
            }],
        }]);
    }
    out
}

fn region(source: &Source, range: &std::ops::Range<usize>) -> Value {
    let (start, end) = (
        source.place(range.start),
        source.place(range.end.max(range.start)),
    );
    value!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A path as a relative URI: what isn't allowed in one is escaped.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.replace('\\', "/").bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
