//! Cuts a query's text into tokens, as PostgreSQL's `scan.l` does, once and from the left.
//!
//! # What always holds
//! - Linear in the text's length whatever it holds, nothing allocated.
//! - A token that is never closed (string, comment) reaches to the end of the text.
//! - `standard_conforming_strings` is taken to be on, its default since PostgreSQL 9.1.
//! - Bytes above 127 are letters. Client encodings whose later bytes look like ASCII (SJIS, BIG5,
//!   GBK, …) are read as if they were ASCII there: no quote and no semicolon can come of it, but a
//!   backslash in an `E''` string can.

use super::tag;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or an identifier without quotes.
    Word,
    /// An identifier in double quotes, quotes included; also `U&"…"`.
    Quoted,
    /// A string of any kind, quotes included.
    String,
    /// A number.
    Number,
    /// `$1`.
    Param,
    /// Any other byte: punctuation and operators, one byte at a time.
    Punct(u8),
}

/// A token: `sql[start..end]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// White space or a comment stood before it.
    pub(super) spaced: bool,
}

/// The tokens of a text; comments are looked at for a tag and left out.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    sql: &'a [u8],
    at: usize,
    key: &'a [u8],
    /// The last value found for the key, still encoded.
    pub(super) tag: Option<&'a [u8]>,
}

const OTHER: u8 = 0;
const SPACE: u8 = 1;
const LETTER: u8 = 2; // begins a word; so does every byte above 127
const DIGIT: u8 = 3;
const DOLLAR: u8 = 4;

static CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [OTHER; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = match b as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => SPACE,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => LETTER,
            b'0'..=b'9' => DIGIT,
            b'$' => DOLLAR,
            _ => OTHER,
        };
        b += 1;
    }
    table
}

fn class(b: u8) -> u8 {
    CLASS[b as usize]
}

/// Whether a byte can stand inside a word.
fn in_word(b: u8) -> bool {
    class(b) >= LETTER
}

impl<'a> Lexer<'a> {
    /// An empty `key` looks for no tag.
    pub(super) fn new(sql: &'a [u8], key: &'a [u8]) -> Self {
        Self {
            sql,
            at: 0,
            key,
            tag: None,
        }
    }

    pub(super) fn text(&self, token: Token) -> &'a [u8] {
        &self.sql[token.start..token.end]
    }

    fn byte(&self, at: usize) -> u8 {
        self.sql.get(at).copied().unwrap_or(0)
    }

    /// The next token. Not an `Iterator`, so that `tag` stays readable between two calls.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Token> {
        let mut spaced = false;
        loop {
            let start = self.at;
            let b = *self.sql.get(start)?;
            let kind = match class(b) {
                SPACE => {
                    self.at += 1;
                    spaced = true;
                    continue;
                }
                LETTER => self.word(b),
                DIGIT => self.number(),
                DOLLAR => self.dollar(),
                _ => match b {
                    b'\'' => self.quoted_to(b'\'', start + 1, Kind::String),
                    b'"' => self.quoted_to(b'"', start + 1, Kind::Quoted),
                    b'-' if self.byte(start + 1) == b'-' => {
                        self.line_comment();
                        spaced = true;
                        continue;
                    }
                    b'/' if self.byte(start + 1) == b'*' => {
                        self.block_comment();
                        spaced = true;
                        continue;
                    }
                    b'.' if class(self.byte(start + 1)) == DIGIT => self.number(),
                    _ => {
                        self.at += 1;
                        Kind::Punct(b)
                    }
                },
            };
            return Some(Token {
                kind,
                start,
                end: self.at,
                spaced,
            });
        }
    }

    fn word(&mut self, first: u8) -> Kind {
        let start = self.at;
        let tail = &self.sql[start + 1..];
        let len = tail.iter().position(|b| !in_word(*b)).unwrap_or(tail.len());
        self.at = start + 1 + len;
        if len == 0 {
            match (first, self.byte(self.at)) {
                (b'e' | b'E', b'\'') => return self.escape_string(self.at + 1),
                (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', b'\'') => {
                    return self.quoted_to(b'\'', self.at + 1, Kind::String);
                }
                (b'u' | b'U', b'&') => match self.byte(self.at + 1) {
                    b'\'' => return self.quoted_to(b'\'', self.at + 2, Kind::String),
                    b'"' => return self.quoted_to(b'"', self.at + 2, Kind::Quoted),
                    _ => {}
                },
                _ => {}
            }
        }
        Kind::Word
    }

    fn number(&mut self) -> Kind {
        let mut at = self.at;
        while let Some(&b) = self.sql.get(at) {
            let exponent = matches!(b, b'e' | b'E')
                && matches!(self.byte(at + 1), b'+' | b'-')
                && class(self.byte(at + 2)) == DIGIT;
            if exponent {
                at += 2;
            } else if in_word(b) && b != b'$' || b == b'.' {
                at += 1;
            } else {
                break;
            }
        }
        self.at = at;
        Kind::Number
    }

    /// `$1`, `$tag$…$tag$`, or a dollar by itself.
    fn dollar(&mut self) -> Kind {
        let start = self.at;
        let next = self.byte(start + 1);
        if class(next) == DIGIT {
            let tail = &self.sql[start + 1..];
            let len = tail.iter().position(|b| class(*b) != DIGIT);
            self.at = start + 1 + len.unwrap_or(tail.len());
            return Kind::Param;
        }
        let tail = &self.sql[start + 1..];
        let end = tail
            .iter()
            .position(|b| !matches!(class(*b), LETTER | DIGIT))
            .filter(|end| tail[*end] == b'$');
        let Some(end) = end else {
            self.at = start + 1;
            return Kind::Punct(b'$');
        };
        let delimiter = &self.sql[start..start + end + 2];
        // The delimiter has no dollar inside, so a failed comparison need not be gone back over:
        // the search stays linear.
        let mut at = start + delimiter.len();
        while let Some(dollar) = find(b'$', &self.sql[at..]) {
            at += dollar;
            let body = &delimiter[1..];
            let same = body
                .iter()
                .zip(&self.sql[at + 1..])
                .take_while(|(a, b)| a == b)
                .count();
            if same == body.len() {
                self.at = at + delimiter.len();
                return Kind::String;
            }
            at += 1 + same;
        }
        self.at = self.sql.len();
        Kind::String
    }

    /// To the closing quote; a doubled one stands for itself.
    fn quoted_to(&mut self, quote: u8, from: usize, kind: Kind) -> Kind {
        let mut at = from;
        loop {
            let Some(end) = self.sql.get(at..).and_then(|tail| find(quote, tail)) else {
                self.at = self.sql.len();
                return kind;
            };
            at += end + 1;
            if self.byte(at) != quote {
                self.at = at;
                return kind;
            }
            at += 1;
        }
    }

    /// `E'…'`: a backslash quotes what follows it.
    fn escape_string(&mut self, from: usize) -> Kind {
        let mut at = from;
        while let Some(&b) = self.sql.get(at) {
            at += match b {
                b'\\' => 2,
                b'\'' if self.byte(at + 1) == b'\'' => 2,
                b'\'' => {
                    self.at = at + 1;
                    return Kind::String;
                }
                _ => 1,
            };
        }
        self.at = self.sql.len();
        Kind::String
    }

    fn line_comment(&mut self) {
        let tail = &self.sql[self.at..];
        self.at += tail
            .iter()
            .position(|b| matches!(b, b'\n' | b'\r'))
            .unwrap_or(tail.len());
    }

    fn block_comment(&mut self) {
        let start = self.at;
        let mut at = start + 2;
        let mut depth = 1u32;
        while let Some(&b) = self.sql.get(at) {
            match (b, self.byte(at + 1)) {
                (b'*', b'/') => {
                    at += 2;
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                }
                (b'/', b'*') => {
                    at += 2;
                    depth += 1;
                }
                _ => at += 1,
            }
        }
        self.at = at;
        if !self.key.is_empty()
            && let Some(value) = tag::find(&self.sql[start + 2..at], self.key)
        {
            self.tag = Some(value);
        }
    }
}

fn find(needle: u8, hay: &[u8]) -> Option<usize> {
    hay.iter().position(|b| *b == needle)
}
