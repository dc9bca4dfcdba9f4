//! Off-switches in comments, each with its reason.
//!
//! `<!-- weir-lint: off IR15 -- stamps come from a paper log -->` switches a rule off for the file
//! (also written `off-file`); `<!-- weir-lint: ignore IR20 -- quotation -->` for its own line and the
//! next. Several rules are separated by commas or blanks. A switch without a reason works, and is
//! itself a warning: the reviewer of the report should see why.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::finding::{Finding, Fix, Severity};
use crate::rules;
use crate::source::Source;
use crate::tree::Tree;
use crate::words::pattern;

/// So many switches are read in one file.
pub const SWITCHES_MAX: usize = 500;

/// What is switched off.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    file: BTreeSet<String>,
    lines: Vec<(String, usize)>,
    /// What is wrong with the switches themselves.
    pub(crate) faults: Vec<Finding>,
}

impl Switches {
    /// Reads the comments of a report.
    pub(crate) fn read(source: &Source, tree: &Tree) -> Self {
        let mut out = Self::default();
        let switch = pattern!(r"<!--\s*weir-lint:\s*(off-file|off|ignore)\b([^>]*?)-->");
        let mut count = 0;
        for range in &tree.comments {
            let text = source.slice(range.clone());
            for found in switch.captures_iter(text) {
                count += 1;
                if count > SWITCHES_MAX {
                    return out;
                }
                let at = range.start + found.get(0).map_or(0, |m| m.start());
                let place = at..at + found[0].len();
                out.one(source, &found[1], &found[2], place);
            }
        }
        out
    }

    fn one(&mut self, source: &Source, verb: &str, rest: &str, range: Range<usize>) {
        let (ids, reason) = match rest.split_once(" -- ") {
            Some((ids, reason)) => (ids, reason.trim()),
            None => (rest, ""),
        };
        let line = source.place(range.end).line;
        for id in ids
            .split([',', ' '])
            .map(str::trim)
            .filter(|id| !id.is_empty() && *id != "--")
        {
            match rules::rule(id) {
                None => self.faults.push(fault(
                    source,
                    range.clone(),
                    "SW02",
                    format!("{}, so nothing is switched off", unknown(id)),
                )),
                Some(rule) if verb == "ignore" => self.lines.push((rule.id.to_owned(), line)),
                Some(rule) => drop(self.file.insert(rule.id.to_owned())),
            }
        }
        if reason.is_empty() {
            self.faults.push(fault(
                source,
                range,
                "SW01",
                "a rule is switched off without a reason".to_owned(),
            ));
        }
    }

    /// Whether a finding is switched off.
    pub(crate) fn silence(&self, finding: &Finding) -> bool {
        self.file.contains(finding.rule)
            || self.lines.iter().any(|(rule, line)| {
                rule == finding.rule
                    && (finding.place.line == *line || finding.place.line == line + 1)
            })
    }
}

fn fault(source: &Source, range: Range<usize>, rule: &'static str, message: String) -> Finding {
    Finding {
        rule,
        severity: Severity::Warning,
        place: source.place(range.start),
        end: source.place(range.end),
        range,
        message,
        why: "Whoever reviews the report should see why a rule doesn't hold for it.",
        fix: Some(Fix {
            says: "`<!-- weir-lint: off IR15 -- the stamps come from a paper log -->`".to_owned(),
            edit: None,
            safe: false,
        }),
        asserts: true,
    }
}

/// "no rule `IR99`", with the nearest one.
pub fn unknown(id: &str) -> String {
    let wanted = id.to_uppercase();
    let nearest = rules::RULES
        .iter()
        .min_by_key(|rule| distance(&wanted, rule.id))
        .filter(|rule| distance(&wanted, rule.id) <= 2);
    match nearest {
        Some(rule) => format!("no rule `{id}`; did you mean {}: {}?", rule.id, rule.name),
        None => format!("no rule `{id}`; there are IR01 to IR42"),
    }
}

/// How many letters differ (Levenshtein); ids are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(32).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(32).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}
