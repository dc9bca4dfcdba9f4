//! Gives the tree its shape: bold paragraphs, bare lines and run-in labels become headings, and
//! paragraphs of one thing per line become one block per line.
//!
//! Only what *names a part of a report* is promoted; `Note:` stays a paragraph.

use std::sync::LazyLock;

use regex::Regex;

use super::{Block, Form, Kind, Text, Tree};
use crate::facts::part::{Part, Parts, classify};
use crate::words::clock;

/// What may follow under the heading of the actions.
const AFTER_ACTIONS: &[Part] = &[
    Part::Lessons,
    Part::WentWell,
    Part::WentWrong,
    Part::Lucky,
    Part::Questions,
    Part::Evidence,
    Part::Glossary,
];

/// Depth of a bold or bare pseudo-heading below the heading it stands under.
const PSEUDO: u8 = 5;
/// Depth of a run-in label below the heading it stands under.
const LABEL: u8 = 8;

pub(super) fn shape(tree: &mut Tree) {
    let blocks = std::mem::take(&mut tree.blocks);
    let mut out = Vec::with_capacity(blocks.len());
    let mut heading = Parts::default();
    for block in blocks {
        if let Kind::Head {
            form: Form::Heading,
            ..
        } = block.kind
        {
            heading = classify(&block.text.plain);
        }
        match block.kind {
            Kind::Para if !block.quoted => split_lines(block, heading, &mut out),
            Kind::Item { .. } if !block.quoted => label(block, heading, &mut out),
            _ => out.push(block),
        }
    }
    levels(&mut out);
    for block in &mut out {
        if block.kind != Kind::Code {
            block.text.unbreak();
            for cell in block
                .table
                .iter_mut()
                .flat_map(|t| std::iter::once(&mut t.head).chain(&mut t.rows))
                .flat_map(|r| &mut r.cells)
            {
                cell.unbreak();
            }
        }
    }
    tree.blocks = out;
}

/// Marks of items that Markdown doesn't know.
const BOXES: [char; 6] = ['☐', '☑', '□', '✓', '✔', '•'];

/// Whether a line begins something of its own: a stamp, a bold label, or `Label: value`.
fn begins(line: &Text) -> bool {
    if clock::leading_stamp(&line.plain).is_some() {
        return true;
    }
    if line.strong.first().is_some_and(|s| s.start == 0) {
        return true;
    }
    static LABELLED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^(?:[A-Z][\w/&’'()-]*)(?: [\w/&’'()-]+){0,5}:(?:\s|$)")
            .expect("a fixed pattern")
    });
    LABELLED.is_match(&line.plain) || line.plain.starts_with(BOXES)
}

/// A paragraph in which lines begin things becomes one block per thing.
fn split_lines(block: Block, heading: Parts, out: &mut Vec<Block>) {
    let lines = block.text.lines();
    if lines.len() < 2 || !lines.iter().skip(1).any(begins) {
        label(block, heading, out);
        return;
    }
    let mut start = 0;
    let mut pieces: Vec<Text> = Vec::new();
    let mut at = 0;
    for line in block.text.plain.split_inclusive('\n') {
        let text = block.text.part(at..at + line.len());
        if at > start && begins(&text) {
            pieces.push(block.text.part(start..at));
            start = at;
        }
        at += line.len();
    }
    pieces.push(block.text.part(start..at));
    for text in pieces.into_iter().filter(|t| !t.is_blank()) {
        let range = text.whole();
        let kind = match text.plain.chars().next() {
            Some(mark) if BOXES.contains(&mark) => {
                let task = Some(mark == '☑').filter(|_| mark != '•');
                Kind::Item {
                    depth: 1,
                    ordered: false,
                    task,
                }
            }
            _ => Kind::Para,
        };
        label(Block::new(kind, text, range), heading, out);
    }
}

/// Takes a label that names a part off the front of a block.
fn label(block: Block, heading: Parts, out: &mut Vec<Block>) {
    let item = matches!(block.kind, Kind::Item { .. });
    let found = leading_label(&block.text, item).filter(|(title, ..)| {
        // Among actions "Incident response training: …" is one of them, not the part about the response.
        let named = classify(&title.plain);
        !heading.is(Part::Actions)
            || named.any(AFTER_ACTIONS)
            || title.is_bold() && named.is(Part::Actions)
    });
    if let Some((title, end, form)) = found {
        let rest = block.text.part(end..block.text.plain.len());
        let range = block.range.start..title.whole().end;
        let mut head = Block::new(Kind::Head { level: 0, form }, title, range);
        head.item_depth = block.item_depth;
        out.push(head);
        if !rest.is_blank() {
            let range = rest.whole();
            let mut body = Block::new(Kind::Para, rest, range);
            body.item_depth = block.item_depth;
            out.push(body);
        }
        return;
    }
    out.push(block);
}

/// A label at the start: its words, where the rest begins, and how it is written.
fn leading_label(text: &Text, item: bool) -> Option<(Text, usize, Form)> {
    let plain = &text.plain;
    let lead = plain.len() - plain.trim_start().len();
    if let Some(strong) = text.strong.iter().find(|s| s.start <= lead && s.end > lead) {
        let title = text.part(strong.clone());
        let words = title.plain.trim_end_matches([':', '.', ' ']);
        let rest = plain[strong.end..].trim_start();
        let alone = rest.trim_start_matches([':', '.', ' ']).is_empty();
        let marked = title.plain.ends_with([':', '.', '?']) || rest.starts_with([':', '—', '–']);
        if words.split_whitespace().count() <= 8 {
            if alone
                && !item
                && (names_a_part(words) || plain.trim().len() < 60 && !plain.contains(':'))
            {
                return Some((title, plain.len(), Form::Bold));
            }
            if (marked || alone) && names_a_part(words) {
                let skip = rest.len() - rest.trim_start_matches([':', '—', '–', ' ', '\n']).len();
                return Some((title, plain.len() - rest.len() + skip, Form::Label));
            }
        }
        return None;
    }
    let first = plain.lines().next().unwrap_or_default();
    let one_line = plain.trim().lines().count() == 1;
    let bare = first.trim().trim_end_matches(':');
    let shouted = one_line
        && bare.len() > 5
        && bare.chars().any(char::is_alphabetic)
        && bare.chars().all(|c| !c.is_lowercase());
    if !item
        && bare.split_whitespace().count() <= 6
        && names_a_part(bare)
        && (first.trim().ends_with(':') || shouted || (one_line && exact(bare)))
    {
        return Some((text.part(0..first.len()), first.len(), Form::Bare));
    }
    let colon = first.find(": ")?;
    let words = &first[..colon];
    (words.split_whitespace().count() <= 5
        && !words.contains(['(', '.', ','])
        && words.trim_start().starts_with(|c: char| c.is_uppercase())
        && names_a_part(words)
        && clock::leading_stamp(words).is_none())
    .then(|| (text.part(0..colon + 1), colon + 2, Form::Label))
}

fn names_a_part(words: &str) -> bool {
    let parts = classify(words);
    // "Detected: 14:02" and "Resolved: …" are clocks of the header, not parts.
    !parts.is_empty() && !parts.is(Part::Metadata) && !is_field(words)
}

/// Short keys of a header that hold one value.
fn is_field(words: &str) -> bool {
    let words = words.trim().trim_end_matches([':', '.']).to_lowercase();
    matches!(
        words.as_str(),
        "detected"
            | "detected at"
            | "detected by"
            | "resolved"
            | "mitigated"
            | "recovered"
            | "start"
            | "end"
            | "duration"
            | "status"
            | "owner"
            | "action"
            | "detection time"
            | "trigger time"
            | "acknowledged"
            | "responders"
            | "response time"
            | "resolution time"
            | "time to recovery"
    )
}

/// A line without a colon is a heading only where its words are a part's name and nothing else.
fn exact(words: &str) -> bool {
    let words = words.to_lowercase();
    matches!(
        words.as_str(),
        "summary"
            | "timeline"
            | "root cause"
            | "root cause analysis"
            | "resolution"
            | "action items"
            | "impact"
            | "lessons learned"
            | "resolution and recovery"
            | "issue summary"
            | "what went well"
            | "what went wrong"
            | "where we got lucky"
            | "what went poorly"
            | "corrective and preventative measures"
            | "executive summary"
            | "contributing factors"
    )
}

/// Gives pseudo-headings their depth: below the heading they stand under, unless they begin one of
/// the five parts anew.
fn levels(blocks: &mut [Block]) {
    let (mut level, mut parts) = (10_u8, Parts::default());
    let mut pseudo = (0_u8, Parts::default());
    for block in blocks {
        let Kind::Head { level: own, form } = &mut block.kind else {
            continue;
        };
        let named = classify(&block.text.plain);
        match form {
            Form::Heading => {
                (level, parts) = (*own, named);
                pseudo = (0, Parts::default());
            }
            Form::Bold | Form::Bare => {
                let fresh = level > 10 && named.starts_another_than(parts) && !parts.is_empty();
                *own = if fresh { level } else { level + PSEUDO };
                if fresh {
                    parts = named;
                }
                pseudo = (*own, named);
            }
            Form::Label => {
                *own = if pseudo.0 > 0 && !named.starts_another_than(pseudo.1) {
                    pseudo.0 + (LABEL - PSEUDO)
                } else {
                    level + LABEL
                };
            }
        }
    }
}
