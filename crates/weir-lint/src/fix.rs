//! Applies the fixes that are safe.
//!
//! # What always holds
//! - A fix that is applied was marked safe; no two overlap.
//! - Applied twice, nothing changes the second time: what a safe fix mends is no longer found.

use crate::finding::Finding;
use crate::source::Source;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The text with the fixes in it.
    pub text: String,
    /// How many were applied.
    pub applied: usize,
}

/// Applies the safe fixes of some findings, from the front; one that would overlap an earlier one is
/// left for the next run.
pub fn apply(source: &Source, findings: &[Finding]) -> Fixed {
    let mut edits: Vec<_> = findings
        .iter()
        .filter_map(|finding| finding.fix.as_ref())
        .filter(|fix| fix.safe)
        .filter_map(|fix| fix.edit.as_ref())
        .collect();
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    edits.dedup();
    let mut text = String::with_capacity(source.text.len() + 64);
    let (mut at, mut applied) = (0, 0);
    for edit in edits {
        let sound = edit.range.start >= at
            && edit.range.end <= source.text.len()
            && source.text.is_char_boundary(edit.range.start)
            && source.text.is_char_boundary(edit.range.end);
        // Two insertions at one place would be one text where two were meant.
        if !sound || applied > 0 && edit.range.start == at && edit.range.is_empty() {
            continue;
        }
        text.push_str(&source.text[at..edit.range.start]);
        text.push_str(&edit.text);
        at = edit.range.end;
        applied += 1;
    }
    text.push_str(&source.text[at..]);
    Fixed { text, applied }
}
