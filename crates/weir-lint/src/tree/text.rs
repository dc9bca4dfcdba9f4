//! Words without their markup, that remember where they came from.

use std::ops::Range;

use crate::source::floor_boundary;

/// A link or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Of the words that are the link.
    pub range: Range<usize>,
    /// Where it leads.
    pub to: String,
}

/// So many bytes of `plain` from `at` on came from `from` on in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    at: usize,
    from: usize,
    /// Bytes in the source; equal to those in `plain` where the text stands as it is.
    from_len: usize,
    len: usize,
}

/// Plain words with a map back to the source. Lines stay lines (`\n`).
#[derive(Clone, Debug, Default)]
pub struct Text {
    /// The words.
    pub plain: String,
    pieces: Vec<Piece>,
    /// Ranges of `plain` that are bold.
    pub strong: Vec<Range<usize>>,
    /// Ranges of `plain` that are code.
    pub code: Vec<Range<usize>>,
    /// Ranges of `plain` that are somebody else's words: code and quotations.
    pub quoted: Vec<Range<usize>>,
    /// Links and images.
    pub links: Vec<Link>,
}

impl Text {
    /// Adds words that came from a range of the source.
    pub(crate) fn push(&mut self, words: &str, from: Range<usize>) {
        if words.is_empty() {
            return;
        }
        self.pieces.push(Piece {
            at: self.plain.len(),
            from: from.start,
            from_len: from.end.saturating_sub(from.start),
            len: words.len(),
        });
        self.plain.push_str(words);
    }

    /// Nothing to read.
    pub fn is_blank(&self) -> bool {
        self.plain.trim().is_empty()
    }

    /// The words without blanks at the ends.
    pub fn trimmed(&self) -> &str {
        self.plain.trim()
    }

    /// Where a byte of `plain` came from.
    pub fn source(&self, at: usize) -> usize {
        let i = self.pieces.partition_point(|piece| piece.at <= at);
        let Some(piece) = i.checked_sub(1).and_then(|i| self.pieces.get(i)) else {
            return self.pieces.first().map_or(0, |piece| piece.from);
        };
        let into = at - piece.at;
        if piece.len == piece.from_len {
            piece.from + into.min(piece.len)
        } else if into >= piece.len {
            piece.from + piece.from_len
        } else {
            piece.from
        }
    }

    /// Where a range of `plain` came from.
    pub fn source_range(&self, range: Range<usize>) -> Range<usize> {
        let start = self.source(range.start);
        if range.end <= range.start {
            return start..start;
        }
        // The end belongs to the piece of the last byte: the next piece may lie far away.
        let last = range.end - 1;
        let i = self.pieces.partition_point(|piece| piece.at <= last);
        let end = match i.checked_sub(1).and_then(|i| self.pieces.get(i)) {
            Some(piece) if piece.len == piece.from_len => piece.from + (range.end - piece.at),
            Some(piece) => piece.from + piece.from_len,
            None => start,
        };
        start..end.max(start)
    }

    /// Where all of it came from.
    pub fn whole(&self) -> Range<usize> {
        let lead = self.plain.len() - self.plain.trim_start().len();
        self.source_range(lead..self.plain.trim_end().len())
    }

    /// Whether a byte of `plain` is somebody else's word.
    pub fn is_quoted(&self, at: usize) -> bool {
        self.quoted.iter().any(|range| range.contains(&at))
    }

    /// Whether all of it is bold.
    pub fn is_bold(&self) -> bool {
        let text = self.plain.trim().trim_end_matches([':', '.']);
        let lead = self.plain.len() - self.plain.trim_start().len();
        !text.is_empty()
            && self
                .strong
                .iter()
                .any(|s| s.start <= lead && s.end >= lead + text.len())
    }

    /// A part of it, with its own map.
    pub fn part(&self, range: Range<usize>) -> Text {
        let start = floor_boundary(&self.plain, range.start);
        let end = floor_boundary(&self.plain, range.end).max(start);
        let lead = self.plain[start..end].len() - self.plain[start..end].trim_start().len();
        let (start, end) = (
            start + lead,
            start + lead.max(self.plain[start..end].trim_end().len()),
        );
        let mut out = Text {
            plain: self.plain[start..end].to_owned(),
            ..Text::default()
        };
        for piece in &self.pieces {
            let (a, b) = (piece.at.max(start), (piece.at + piece.len).min(end));
            if a >= b {
                continue;
            }
            let same = piece.len == piece.from_len;
            out.pieces.push(Piece {
                at: a - start,
                from: if same {
                    piece.from + (a - piece.at)
                } else {
                    piece.from
                },
                from_len: if same { b - a } else { piece.from_len },
                len: b - a,
            });
        }
        let cut = |ranges: &[Range<usize>]| -> Vec<Range<usize>> {
            ranges
                .iter()
                .map(|r| r.start.max(start)..r.end.min(end))
                .filter(|r| r.start < r.end)
                .map(|r| r.start - start..r.end - start)
                .collect()
        };
        out.strong = cut(&self.strong);
        out.code = cut(&self.code);
        out.quoted = cut(&self.quoted);
        out.links = self
            .links
            .iter()
            .filter(|l| l.range.start >= start && l.range.start < end.max(start + 1))
            .map(|l| Link {
                range: l.range.start - start..l.range.end.min(end).saturating_sub(start),
                to: l.to.clone(),
            })
            .collect();
        out
    }

    /// Its lines, each with its own map.
    pub fn lines(&self) -> Vec<Text> {
        let mut out = Vec::new();
        let mut start = 0;
        for line in self.plain.split_inclusive('\n') {
            out.push(self.part(start..start + line.len()));
            start += line.len();
        }
        out.retain(|line| !line.is_blank());
        out
    }

    /// Line breaks that remain are the author's editor's: blanks.
    pub(crate) fn unbreak(&mut self) {
        if self.plain.contains('\n') {
            self.plain = self.plain.replace('\n', " ");
        }
    }

    /// Finds what is quoted. Called once, when the text is whole.
    pub(crate) fn settle(&mut self) {
        self.quoted = self.code.clone();
        self.quoted.extend(quotations(&self.plain));
        self.quoted.sort_by_key(|range| range.start);
    }
}

/// `"…"`, `“…”`, `„…“`, `«…»` within one line and of more than one word: a single word in quotation
/// marks is a name or irony, not somebody's words.
fn quotations(plain: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut open: Option<(usize, char)> = None;
    for (at, c) in plain.char_indices() {
        match (c, open) {
            ('\n', _) => open = None,
            ('"', None) => open = Some((at, '"')),
            ('“', None) => open = Some((at, '”')),
            ('„', None) => open = Some((at, '“')),
            ('«', None) => open = Some((at, '»')),
            (c, Some((start, close))) if c == close => {
                out.push(start..at + c.len_utf8());
                open = None;
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_still_knows_where_its_bytes_came_from() {
        let mut text = Text::default();
        text.push("one ", 10..14);
        text.push("&", 20..25);
        text.push(" two\nthree", 30..40);
        text.settle();
        assert_eq!(text.source(0), 10);
        assert_eq!(text.source_range(4..5), 20..25);
        let lines = text.lines();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1].plain, "three");
        assert_eq!(lines[1].whole(), 35..40);
    }

    #[test]
    fn a_quotation_ends_with_its_line() {
        let mut text = Text::default();
        text.push("he said \"should have\" and \"open\nnot", 0..35);
        text.settle();
        assert!(text.is_quoted(10));
        assert!(!text.is_quoted(28));
    }
}
