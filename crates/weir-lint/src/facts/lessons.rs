//! What went well, what went wrong, where luck helped.

use super::doc::Doc;
use super::part::Part;
use super::{Facts, Said};
use crate::tree::{Kind, Text};
use crate::words::pattern;

/// A word that begins one of the three inside a paragraph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lesson {
    Well,
    Wrong,
    Lucky,
}

pub(super) fn read(doc: &Doc<'_>, facts: &mut Facts) {
    facts.went_well = list(doc, Part::WentWell);
    facts.went_wrong = list(doc, Part::WentWrong);
    facts.lucky = list(doc, Part::Lucky);
    for (i, block) in doc.blocks() {
        if block.is_head()
            || block.quoted
            || block.kind == Kind::Code
            || doc.about[i].is(Part::Actions) && block.table.is_some()
        {
            continue;
        }
        let lessons =
            doc.about[i].any(&[Part::Lessons, Part::WentWell, Part::WentWrong, Part::Lucky]);
        for text in block.texts() {
            run_in(doc, text, lessons, facts);
        }
    }
}

/// "Good: … Bad: … Lucky: …" in one paragraph, and sentences that say it in passing.
fn run_in(doc: &Doc<'_>, text: &Text, lessons: bool, facts: &mut Facts) {
    let label = pattern!(
        r"(?i)(?:^|[.!?;]\s+|\n\s*|—\s|–\s)\W{0,3}(what (?:went|worked) (?:really )?well|went well|what went right|good|well|what went (?:wrong|badly|poorly|less well)|went (?:wrong|badly|poorly)|bad|not (?:so )?well|poorly|wrong|what (?:didn['’]t|did not) (?:go|work)(?: so)? well|(?:where )?we (?:got|were) lucky|where we got lucky|got lucky|lucky|luck|luckily)\W{0,2}[:.]"
    );
    let found: Vec<(usize, usize, Lesson)> = label
        .captures_iter(&text.plain)
        .filter_map(|f| {
            let name = f.get(1)?;
            Some((name.start(), f.get(0)?.end(), kind(name.as_str())))
        })
        .collect();
    let several = found.iter().any(|(.., k)| *k != found[0].2);
    if lessons || several {
        for (n, (_, start, kind)) in found.iter().enumerate() {
            let end = found.get(n + 1).map_or(text.plain.len(), |next| next.0);
            let part = text.part(*start..end);
            if part.plain.chars().filter(|c| c.is_alphabetic()).count() > 2 {
                let said = Said::new(doc, &part.plain, part.whole());
                match kind {
                    Lesson::Well => &mut facts.went_well,
                    Lesson::Wrong => &mut facts.went_wrong,
                    Lesson::Lucky => &mut facts.lucky,
                }
                .push(said);
            }
        }
    }
    if lessons && found.is_empty() {
        // "It went well that the alert came first. It went badly that we spent 11 minutes on the proxy."
        let told = pattern!(
            r"(?i)\b(?:it |this |things )?went (?:really |very )?(well|less well|badly|wrong|poorly)\b(?: that|:|,)"
        );
        for one in told.captures_iter(&text.plain) {
            let (Some(whole), Some(how)) = (one.get(0), one.get(1)) else {
                continue;
            };
            let end = text.plain[whole.end()..]
                .find(". ")
                .map_or(text.plain.len(), |at| whole.end() + at);
            let said = Said::new(
                doc,
                &text.plain[whole.start()..end],
                text.source_range(whole.start()..end),
            );
            match kind(how.as_str()) {
                Lesson::Wrong => facts.went_wrong.push(said),
                Lesson::Well | Lesson::Lucky => facts.went_well.push(said),
            }
        }
    }
    if lessons
        && facts.lucky.is_empty()
        && let Some(lucky) =
            pattern!(r"(?i)\bluck(?:y|ily)?\b|\bfortunate(?:ly)?\b").find(&text.plain)
    {
        facts.lucky.push(Said::new(
            doc,
            &text.plain[lucky.start()..],
            text.source_range(lucky.range()),
        ));
    }
}

fn kind(label: &str) -> Lesson {
    let lower = label.to_lowercase();
    if lower.contains("luck") {
        Lesson::Lucky
    } else if lower.contains("n't")
        || lower.contains("n’t")
        || lower.contains("not")
        || lower.contains("less")
        || lower.contains("wrong")
        || lower.contains("bad")
        || lower.contains("poor")
    {
        Lesson::Wrong
    } else {
        Lesson::Well
    }
}

/// What stands under one of the three, without what says nothing.
fn list(doc: &Doc<'_>, part: Part) -> Vec<Said> {
    let mut out = Vec::new();
    for (i, block) in doc.about_any(&[Part::WentWell, Part::WentWrong, Part::Lucky]) {
        // Headings like "What went well and wrong" name several at once: their labels tell.
        if !doc.about[i].is(part) || block.quoted || block.kind == Kind::Code {
            continue;
        }
        for text in block.texts() {
            // What stands behind the next label inside the paragraph belongs to that one.
            let own = pattern!(r"(?i)[.!?;]\s+\W{0,3}(?:what went (?:wrong|badly|poorly|well)|went (?:wrong|badly|poorly|well)|bad|not (?:so )?well|what (?:didn['’]t|did not) (?:go|work)(?: so)? well|where we (?:got|were) lucky|lucky|luck)\W{0,2}:")
                .find(&text.plain)
                .map_or(text.plain.len(), |m| m.start() + 1);
            let text = text.part(0..own);
            let empty =
                pattern!(r"(?i)^\W*(?:none|nothing|n/?a|tbd|todo|-|no)?\W*$").is_match(&text.plain);
            if !empty && out.len() < 200 {
                out.push(Said::new(doc, &text.plain, text.whole()));
            }
        }
    }
    out
}
