//! Findings as `rustc` shows them: message, place, the line with a mark under it, the way out.

use std::fmt::Write as _;

use super::Linted;
use crate::finding::{Finding, Severity};

/// Whether escape sequences for colour are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    Off,
    /// ANSI colours.
    On,
}

/// The widest piece of a line that is shown.
const SHOWN_MAX: usize = 110;

/// All findings of some files, with a line of counts for each.
pub fn text(files: &[Linted], colour: Colour) -> String {
    let mut out = String::new();
    for file in files {
        for finding in &file.outcome.findings {
            one(&mut out, file, finding, colour);
        }
        summary(&mut out, file, colour);
    }
    out
}

fn paint(colour: Colour, code: &str, words: &str) -> String {
    match colour {
        Colour::Off => words.to_owned(),
        Colour::On => format!("\u{1b}[{code}m{words}\u{1b}[0m"),
    }
}

fn code(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "1;31",
        Severity::Warning => "1;33",
        Severity::Question => "1;36",
    }
}

fn one(out: &mut String, file: &Linted, finding: &Finding, colour: Colour) {
    let place = finding.place;
    let head = format!("{}[{}]", finding.severity.word(), finding.rule);
    let _ = writeln!(
        out,
        "{}: {}",
        paint(colour, code(finding.severity), &head),
        paint(colour, "1", &clean(&finding.message))
    );
    let number = place.line.to_string();
    let pad = " ".repeat(number.len());
    let bar = paint(colour, "1;34", "|");
    let _ = writeln!(
        out,
        "{pad}{} {}:{}:{}",
        paint(colour, "1;34", "-->"),
        file.source.name,
        place.line,
        place.column
    );
    let (shown, mark) = excerpt(file, finding);
    if !shown.trim().is_empty() {
        let _ = writeln!(out, "{pad} {bar}");
        let _ = writeln!(out, "{} {bar} {shown}", paint(colour, "1;34", &number));
        let _ = writeln!(
            out,
            "{pad} {bar} {}",
            paint(colour, code(finding.severity), &mark)
        );
    }
    if let Some(fix) = &finding.fix {
        let safe = if fix.safe { " (--fix does it)" } else { "" };
        let _ = writeln!(out, "{pad} = fix: {}{safe}", clean(&fix.says));
    }
    let _ = writeln!(out, "{pad} = why: {}\n", finding.why);
}

/// Control characters of a report must not reach the terminal.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The line, cut to what fits, and the mark under it.
fn excerpt(file: &Linted, finding: &Finding) -> (String, String) {
    let line: Vec<char> = clean(file.source.line(finding.place.line))
        .chars()
        .collect();
    let start = (finding.place.column - 1).min(line.len());
    let end = if finding.end.line == finding.place.line {
        (finding.end.column - 1).clamp(start, line.len())
    } else {
        line.len()
    };
    // A finding far to the right: cut what stands before it.
    let from = if start > SHOWN_MAX * 2 / 3 {
        start - SHOWN_MAX / 3
    } else {
        0
    };
    let to = line.len().min(from + SHOWN_MAX);
    let mut shown: String = line[from.min(to)..to].iter().collect();
    let mut lead = start - from.min(start);
    if from > 0 {
        shown = format!("…{shown}");
        lead += 1;
    }
    if to < line.len() {
        shown.push('…');
    }
    let width = end.min(to).saturating_sub(start).max(1);
    (shown, format!("{}{}", " ".repeat(lead), "^".repeat(width)))
}

fn summary(out: &mut String, file: &Linted, colour: Colour) {
    let outcome = &file.outcome;
    let counted = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let (errors, warnings, questions) = (
        outcome.count(Severity::Error),
        outcome.count(Severity::Warning),
        outcome.count(Severity::Question),
    );
    let verdict = if errors == 0 && warnings == 0 {
        paint(colour, "1;32", "clean")
    } else {
        String::new()
    };
    let mut line = format!(
        "{}: {}, {}, {}",
        file.source.name,
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(questions, "question")
    );
    if outcome.silenced > 0 {
        let _ = write!(line, ", {} switched off", outcome.silenced);
    }
    if !verdict.is_empty() {
        let _ = write!(line, " ({verdict})");
    }
    let _ = writeln!(out, "{line}");
}
