//! Abbreviations are explained where they first stand. Only in Weir's own words: what people
//! wrote stays as they wrote it.

use super::doc::{Block, Inline, Line};

/// What a reader from another department may not know.
const KNOWN: [(&str, &str); 18] = [
    ("p50", "half of them no longer"),
    ("p90", "90 of 100 no longer"),
    ("p99", "99 of 100 no longer"),
    ("DDL", "data definition language: changes of the schema"),
    ("SLO", "service level objective"),
    ("SLA", "service level agreement"),
    ("PID", "process number"),
    ("PIDs", "process numbers"),
    ("DBA", "database administrator"),
    ("WAL", "write-ahead log"),
    ("OOM", "out of memory"),
    ("LRU", "least recently used"),
    ("SLRU", "simple least-recently-used cache"),
    ("XID", "transaction number"),
    ("TTD", "time to detect"),
    ("TTA", "time to acknowledge"),
    ("TTM", "time to mitigate"),
    ("TTR", "time to resolve"),
];

/// Writes each explanation after the first use.
pub(super) fn explain(blocks: &mut [Block]) {
    let mut open: Vec<(&str, &str)> = KNOWN.to_vec();
    for block in blocks {
        match block {
            Block::Heading(..) => {}
            Block::Para(line) => explain_line(line, &mut open),
            Block::List(items) => items.iter_mut().for_each(|l| explain_line(l, &mut open)),
            Block::Table(table) => {
                // A head has no room for explanations.
                for cell in table.rows.iter_mut().flatten() {
                    explain_line(cell, &mut open);
                }
            }
            Block::Figure { takeaway, .. } => explain_line(takeaway, &mut open),
            Block::Evidence { rows, .. } => {
                rows.iter_mut().for_each(|l| explain_line(l, &mut open));
            }
        }
    }
}

fn explain_line(line: &mut Line, open: &mut Vec<(&str, &str)>) {
    for inline in &mut line.0 {
        let (Inline::Text(text) | Inline::Strong(text) | Inline::Emphasis(text)) = inline else {
            continue;
        };
        open.retain(|(short, long)| match word_end(text, short) {
            Some(end) => {
                if !text[end..].trim_start().starts_with('(') {
                    text.insert_str(end, &format!(" ({long})"));
                }
                false
            }
            None => true,
        });
    }
}

/// Where `word` ends in `text`, standing alone.
fn word_end(text: &str, word: &str) -> Option<usize> {
    let part_of_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/');
    text.match_indices(word).find_map(|(start, _)| {
        let end = start + word.len();
        let before = text[..start].chars().next_back();
        let after = text[end..].chars().next();
        (!before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)).then_some(end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_use_is_explained_and_no_other() {
        let mut blocks = [
            Block::Para(Line::of("wait p99 3 s, wait_p99 and p99 again")),
            Block::Para(Line::new().told("the SLO").text(" SLO")),
        ];
        explain(&mut blocks);
        assert_eq!(
            blocks[0],
            Block::Para(Line::of(
                "wait p99 (99 of 100 no longer) 3 s, wait_p99 and p99 again"
            ))
        );
        let Block::Para(line) = &blocks[1] else {
            unreachable!()
        };
        assert_eq!(
            line.0,
            [
                Inline::Told("the SLO".into()),
                Inline::Text(" SLO (service level objective)".into())
            ]
        );
    }
}
