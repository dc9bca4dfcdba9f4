//! The text of one report, and where in it a byte stands.

use std::ops::Range;

use serde::Serialize;

/// The largest report that is read. Beyond it a file is no report that a person wrote.
pub const SIZE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Why a file can't be read as a report.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Longer than [`SIZE_MAX_BYTES`].
    #[error("{name}: {size} bytes are too many for a report; at most {SIZE_MAX_BYTES} are read")]
    TooLarge {
        /// The file as the caller named it.
        name: String,
        /// Its size in bytes.
        size: usize,
    },
    /// Not text.
    #[error("{name}: not UTF-8 text (byte {at}); save the report as UTF-8")]
    NotText {
        /// The file as the caller named it.
        name: String,
        /// The first byte that is no text.
        at: usize,
    },
}

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// A report's text with an index of its lines.
#[derive(Clone, Debug)]
pub struct Source {
    /// What the caller calls it: a path, or `-`.
    pub name: String,
    /// The whole text.
    pub text: String,
    starts: Vec<usize>,
}

impl Source {
    /// Takes a text as it is; longer ones than [`SIZE_MAX_BYTES`] are refused.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Result<Self, ReadError> {
        let (name, text) = (name.into(), text.into());
        if text.len() > SIZE_MAX_BYTES {
            let size = text.len();
            return Err(ReadError::TooLarge { name, size });
        }
        let starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Ok(Self { name, text, starts })
    }

    /// The same from bytes, as a file has them.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Result<Self, ReadError> {
        let name = name.into();
        if bytes.len() > SIZE_MAX_BYTES {
            let size = bytes.len();
            return Err(ReadError::TooLarge { name, size });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Self::new(name, text),
            Err(fault) => Err(ReadError::NotText {
                name,
                at: fault.utf8_error().valid_up_to(),
            }),
        }
    }

    /// Where a byte stands. Beyond the end: the end.
    pub fn place(&self, at: usize) -> Place {
        let at = self.floor(at);
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts[line - 1];
        Place {
            line,
            column: self.text[start..at].chars().count() + 1,
        }
    }

    /// The text of a line (from 1) without its line end; empty where there is none.
    pub fn line(&self, line: usize) -> &str {
        let Some(start) = line.checked_sub(1).and_then(|i| self.starts.get(i)) else {
            return "";
        };
        let end = self
            .starts
            .get(line)
            .map_or(self.text.len(), |next| next - 1);
        self.text[*start..end.max(*start)].trim_end_matches('\r')
    }

    /// The byte where a line (from 1) begins.
    pub fn line_start(&self, line: usize) -> usize {
        line.checked_sub(1)
            .and_then(|i| self.starts.get(i).copied())
            .unwrap_or(self.text.len())
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.starts.len()
    }

    /// The text of a range, moved to character boundaries; never panics.
    pub fn slice(&self, range: Range<usize>) -> &str {
        let start = self.floor(range.start);
        let end = self.floor(range.end).max(start);
        &self.text[start..end]
    }

    fn floor(&self, at: usize) -> usize {
        floor_boundary(&self.text, at)
    }
}

/// The nearest character boundary at or before `at`.
pub(crate) fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_and_stays_inside_the_text() {
        let source = Source::new("x", "äb\nc→d\r\n").unwrap();
        assert_eq!(source.place(2), Place { line: 1, column: 2 });
        assert_eq!(source.place(4), Place { line: 2, column: 1 });
        assert_eq!(source.place(6), Place { line: 2, column: 2 });
        assert_eq!(source.place(999).line, 3);
        assert_eq!(source.line(2), "c→d");
        assert_eq!(source.line(0), "");
        assert_eq!(source.line(77), "");
    }

    #[test]
    fn what_is_no_text_is_refused_with_the_place() {
        let fault = Source::from_bytes("a.md", vec![b'x', 0xff]).unwrap_err();
        assert_eq!(
            fault,
            ReadError::NotText {
                name: "a.md".to_owned(),
                at: 1
            }
        );
        assert!(Source::new("b.md", "x".repeat(SIZE_MAX_BYTES + 1)).is_err());
    }
}
