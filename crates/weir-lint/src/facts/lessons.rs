//! What went well, what went wrong, where luck helped.

use super::doc::Doc;
use super::part::Part;
use super::{Facts, Said};
use crate::tree::Kind;
use crate::words::pattern;

pub(super) fn read(doc: &Doc<'_>, facts: &mut Facts) {
    facts.went_well = list(doc, Part::WentWell);
    facts.went_wrong = list(doc, Part::WentWrong);
    facts.lucky = list(doc, Part::Lucky);
    // In running text under "Lessons": a sentence that begins with the words.
    for (i, block) in doc.blocks() {
        if block.is_head() || block.quoted || !doc.about[i].any(&[Part::Lessons]) {
            continue;
        }
        for text in block.texts() {
            let said = || Said::new(doc, &text.plain, text.whole());
            if facts.lucky.is_empty() && pattern!(r"(?i)\bluck(?:y|ily)?\b|\bfortunate(?:ly)?\b").is_match(&text.plain) {
                facts.lucky.push(said());
            }
            if facts.went_well.is_empty() && pattern!(r"(?i)\b(?:went|worked) well\b|^\W*(?:good|well|positive)\W*:").is_match(&text.plain) {
                facts.went_well.push(said());
            }
            if facts.went_wrong.is_empty() && pattern!(r"(?i)\bwent (?:wrong|poorly|badly)\b|\bdid not (?:go|work) well\b|^\W*(?:bad|wrong|poorly|negative)\W*:").is_match(&text.plain) {
                facts.went_wrong.push(said());
            }
        }
    }
}

/// What stands under one of the three, without what says nothing.
fn list(doc: &Doc<'_>, part: Part) -> Vec<Said> {
    let mut out = Vec::new();
    for (i, block) in doc.about_any(&[Part::WentWell, Part::WentWrong, Part::Lucky]) {
        // Headings like "What went well and wrong" name several at once.
        if !doc.about[i].is(part) || block.quoted || block.kind == Kind::Code {
            continue;
        }
        for text in block.texts() {
            let empty = pattern!(r"(?i)^\W*(?:none|nothing|n/?a|tbd|todo|-|no)?\W*$").is_match(&text.plain);
            if !empty && out.len() < 200 {
                out.push(Said::new(doc, &text.plain, text.whole()));
            }
        }
    }
    out
}
