//! A statement's shape: its tokens with literals as `?`, lists of them as one.
//!
//! | in the text | in the shape |
//! |---|---|
//! | string, number, bit string, `$1`; NULL, TRUE, FALSE where a value is due | `?` |
//! | the sign of a number where a value is due | left out |
//! | `IN (1, 2, 3)`, `ARRAY[1, 2]` | `IN (?)`, `ARRAY[?]`: the first item stands for all |
//! | `VALUES (1, 2), (3, 4)` | `VALUES (?, ?)`: the first row stands for all |
//! | words | lower case; `"quoted"` ones as they are |
//! | comments, white space, semicolons at the end | left out |

use super::lexer::{Kind, Lexer, Token};

/// Where a shape goes: into a hash, or into a text that people read.
pub(super) trait Sink {
    /// A word, to be folded to lower case.
    fn word(&mut self, text: &[u8], spaced: bool);
    /// A quoted identifier.
    fn quoted(&mut self, text: &[u8], spaced: bool);
    /// A literal.
    fn literal(&mut self, spaced: bool);
    /// Punctuation.
    fn punct(&mut self, byte: u8, spaced: bool);
    /// Whether more would be lost anyway.
    fn full(&self) -> bool {
        false
    }
}

/// A list of which only the first item is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Off,
    /// `IN` or `ARRAY` was read; the bracket has to come next.
    Announced,
    /// Inside the bracket; what comes says whether this is a list of values.
    First {
        depth: u32,
    },
    /// In the first item.
    Kept {
        depth: u32,
    },
    /// In a later one.
    Dropped {
        depth: u32,
    },
}

/// Rows of VALUES, of which only the first is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    Off,
    /// `VALUES` was read.
    Announced {
        depth: u32,
    },
    /// In the first row.
    Kept {
        depth: u32,
    },
    /// Between two rows.
    Between {
        depth: u32,
        comma: bool,
    },
    /// In a later row.
    Dropped {
        depth: u32,
    },
}

/// Feeds a shape's tokens to a sink and remembers what only a streaming reader must.
pub(super) struct Shaper<S> {
    pub(super) sink: S,
    depth: u32,
    list: List,
    rows: Rows,
    /// A semicolon that counts only when something follows it.
    semicolon: bool,
    /// A sign that counts only when no number follows it.
    sign: Option<(u8, bool)>,
    /// Whether a value could begin here, so that a sign is no operator and NULL no part of IS NULL:
    /// the last token was punctuation other than a closing bracket, or one of a few keywords.
    value_next: bool,
}

impl<S: Sink> Shaper<S> {
    pub(super) fn new(sink: S) -> Self {
        Self {
            sink,
            depth: 0,
            list: List::Off,
            rows: Rows::Off,
            semicolon: false,
            sign: None,
            value_next: true,
        }
    }

    /// The text is over: a sign that waited for its number was none.
    pub(super) fn finish(mut self) -> S {
        self.flush_sign();
        self.sink
    }

    /// Takes the next token; `text` is its bytes.
    #[inline]
    pub(super) fn take(&mut self, token: Token, text: &[u8]) {
        match token.kind {
            Kind::Word => {
                let constant = self.value_next && is_constant(text);
                if constant {
                    self.literal(token.spaced, false);
                } else {
                    self.word(text, token.spaced);
                }
            }
            Kind::Number => self.literal(token.spaced, true),
            Kind::String | Kind::Param => self.literal(token.spaced, false),
            Kind::Quoted => {
                self.before_plain();
                if self.keeps() {
                    self.sink.quoted(text, token.spaced);
                }
                self.value_next = false;
            }
            Kind::Punct(byte) => self.punct(byte, token.spaced),
        }
    }

    fn word(&mut self, text: &[u8], spaced: bool) {
        self.before_plain();
        if self.keeps() {
            self.sink.word(text, spaced);
        }
        self.value_next = expects_value(text);
        match text.len() {
            2 if self.list == List::Off && text.eq_ignore_ascii_case(b"in") => {
                self.list = List::Announced;
            }
            5 if self.list == List::Off && text.eq_ignore_ascii_case(b"array") => {
                self.list = List::Announced;
            }
            6 if self.rows == Rows::Off && text.eq_ignore_ascii_case(b"values") => {
                self.rows = Rows::Announced { depth: self.depth };
            }
            _ => {}
        }
    }

    /// What a token other than punctuation and literals means for what is pending.
    fn before_plain(&mut self) {
        self.flush();
        if matches!(self.list, List::Announced | List::First { .. }) {
            self.list = List::Off;
        }
        self.end_rows();
    }

    /// A token that is no bracket and no comma ends the rows, if none is open.
    fn end_rows(&mut self) {
        match self.rows {
            Rows::Between { comma, .. } => {
                self.rows = Rows::Off;
                if comma {
                    self.sink.punct(b',', false);
                }
            }
            Rows::Announced { .. } => self.rows = Rows::Off,
            Rows::Off | Rows::Kept { .. } | Rows::Dropped { .. } => {}
        }
    }

    fn literal(&mut self, spaced: bool, number: bool) {
        let mut spaced = spaced;
        if number && let Some((_, before)) = self.sign.take() {
            spaced = before;
        }
        self.flush();
        match self.list {
            List::Announced => self.list = List::Off,
            List::First { depth } => self.list = List::Kept { depth },
            List::Off | List::Kept { .. } | List::Dropped { .. } => {}
        }
        self.end_rows();
        if self.keeps() {
            self.sink.literal(spaced);
        }
        self.value_next = false;
    }

    fn punct(&mut self, byte: u8, spaced: bool) {
        match byte {
            b'+' | b'-' if self.value_next => {
                self.flush();
                self.sign = Some((byte, spaced));
                return;
            }
            b';' => {
                self.flush_sign();
                self.semicolon = true;
                self.value_next = true;
                // Whatever was open ends with its statement.
                self.depth = 0;
                self.list = List::Off;
                self.rows = Rows::Off;
                return;
            }
            b'(' | b'[' => self.open(byte, spaced),
            b')' | b']' => self.close(byte, spaced),
            b',' => self.comma(spaced),
            _ => {
                self.flush();
                if matches!(self.list, List::Announced | List::First { .. }) {
                    self.list = List::Off;
                }
                self.end_rows();
                if self.keeps() {
                    self.sink.punct(byte, spaced);
                }
            }
        }
        self.value_next = !matches!(byte, b')' | b']' | b'.');
    }

    fn open(&mut self, byte: u8, spaced: bool) {
        self.flush();
        match self.rows {
            Rows::Announced { depth } => self.rows = Rows::Kept { depth },
            Rows::Between { depth, comma: true } => self.rows = Rows::Dropped { depth },
            Rows::Between { comma: false, .. } => self.end_rows(),
            Rows::Off | Rows::Kept { .. } | Rows::Dropped { .. } => {}
        }
        match self.list {
            List::Announced => {
                self.list = List::First {
                    depth: self.depth.saturating_add(1),
                };
            }
            List::First { depth } => self.list = List::Kept { depth },
            List::Off | List::Kept { .. } | List::Dropped { .. } => {}
        }
        if self.keeps() {
            self.sink.punct(byte, spaced);
        }
        self.depth = self.depth.saturating_add(1);
    }

    fn close(&mut self, byte: u8, spaced: bool) {
        self.flush();
        self.depth = self.depth.saturating_sub(1);
        match self.list {
            List::First { depth } | List::Kept { depth } | List::Dropped { depth }
                if self.depth < depth =>
            {
                self.list = List::Off;
            }
            List::Announced => self.list = List::Off,
            List::Off | List::First { .. } | List::Kept { .. } | List::Dropped { .. } => {}
        }
        // The bracket that ends a kept row is kept, that of a dropped one dropped.
        let keeps = self.keeps();
        match self.rows {
            Rows::Kept { depth } | Rows::Dropped { depth } if self.depth <= depth => {
                self.rows = Rows::Between {
                    depth,
                    comma: false,
                };
            }
            Rows::Between { .. } | Rows::Announced { .. } => self.end_rows(),
            Rows::Off | Rows::Kept { .. } | Rows::Dropped { .. } => {}
        }
        if keeps {
            self.sink.punct(byte, spaced);
        }
    }

    fn comma(&mut self, spaced: bool) {
        self.flush();
        match self.list {
            List::Kept { depth } if self.depth == depth => self.list = List::Dropped { depth },
            List::Announced | List::First { .. } => self.list = List::Off,
            List::Off | List::Kept { .. } | List::Dropped { .. } => {}
        }
        match self.rows {
            Rows::Between {
                depth,
                comma: false,
            } if self.depth == depth => {
                self.rows = Rows::Between { depth, comma: true };
                return;
            }
            Rows::Between { .. } | Rows::Announced { .. } => self.end_rows(),
            Rows::Off | Rows::Kept { .. } | Rows::Dropped { .. } => {}
        }
        if self.keeps() {
            self.sink.punct(b',', spaced);
        }
    }

    /// Whether the current token belongs to the shape.
    fn keeps(&self) -> bool {
        !matches!(self.rows, Rows::Dropped { .. }) && !matches!(self.list, List::Dropped { .. })
    }

    /// Writes what was waiting to see what follows.
    #[inline]
    fn flush(&mut self) {
        if self.semicolon {
            self.semicolon = false;
            self.sink.punct(b';', false);
        }
        self.flush_sign();
    }

    #[inline]
    fn flush_sign(&mut self) {
        if let Some((byte, spaced)) = self.sign.take() {
            if matches!(self.list, List::Announced) {
                self.list = List::Off;
            }
            self.end_rows();
            if self.keeps() {
                self.sink.punct(byte, spaced);
            }
        }
    }
}

/// The keywords that most often stand before a number with a sign, or NULL.
fn expects_value(word: &[u8]) -> bool {
    let words: &[&[u8]] = match word.len() {
        2 => &[b"or"],
        3 => &[b"and"],
        4 => &[b"then", b"else", b"when"],
        5 => &[b"limit", b"where"],
        6 => &[b"select", b"offset"],
        7 => &[b"between"],
        _ => return false,
    };
    words.iter().any(|w| word.eq_ignore_ascii_case(w))
}

fn is_constant(word: &[u8]) -> bool {
    match word.len() {
        4 => word.eq_ignore_ascii_case(b"null") || word.eq_ignore_ascii_case(b"true"),
        5 => word.eq_ignore_ascii_case(b"false"),
        _ => false,
    }
}

/// A 64-bit hash that takes eight bytes a step. Ours, because it must never change between
/// versions: fingerprints are stored. It resists accidents, not attackers, who can only spoil
/// statistics about their own queries.
#[derive(Clone, Copy)]
pub(super) struct Hash(u64);

const K: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hash {
    pub(super) fn new() -> Self {
        Self(0x5765_6972_2d73_716c)
    }

    #[inline]
    fn mix(&mut self, value: u64) {
        let h = (self.0 ^ value).wrapping_mul(K);
        self.0 = h ^ (h >> 32);
    }

    #[inline]
    pub(super) fn bytes(&mut self, kind: u8, bytes: &[u8], fold: impl Fn(u64) -> u64) {
        let (eights, rest) = bytes.as_chunks::<8>();
        for eight in eights {
            self.mix(fold(u64::from_le_bytes(*eight)));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        // At most seven bytes are left, so the eighth tells kind and length apart.
        self.mix(fold(u64::from_le_bytes(last)) ^ (u64::from(kind) | rest.len() as u64) << 56);
    }

    /// Never zero.
    pub(super) fn finish(mut self) -> u64 {
        self.mix(self.0.rotate_left(29));
        self.mix(self.0.rotate_left(29));
        self.0.max(1)
    }
}

/// Lower case for the ASCII letters among eight bytes.
#[inline]
pub(super) fn fold(x: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let seven = x & (0x7f * ONES);
    let above_z = seven + (0x7f - b'Z' as u64) * ONES;
    let from_a = seven + (0x80 - b'A' as u64) * ONES;
    let upper = !x & (0x80 * ONES) & (from_a ^ above_z);
    x | (upper >> 2)
}

const WORD: u8 = 0x10;
const QUOTED: u8 = 0x20;
const PUNCT: u64 = 0x4000;
const LITERAL: u64 = 0x8000;

impl Sink for Hash {
    #[inline]
    fn word(&mut self, text: &[u8], _: bool) {
        self.bytes(WORD, text, fold);
    }

    fn quoted(&mut self, text: &[u8], _: bool) {
        self.bytes(QUOTED, text, |x| x);
    }

    #[inline]
    fn literal(&mut self, _: bool) {
        self.mix(LITERAL);
    }

    #[inline]
    fn punct(&mut self, byte: u8, _: bool) {
        self.mix(PUNCT | u64::from(byte));
    }
}

/// A shape as people read it, up to a length.
pub(super) struct Text {
    text: Vec<u8>,
    max: usize,
}

impl Text {
    pub(super) fn new(max: usize) -> Self {
        Self {
            text: Vec::with_capacity(max.min(256)),
            max,
        }
    }

    fn push(&mut self, text: impl IntoIterator<Item = u8>, spaced: bool) {
        if spaced && !self.text.is_empty() {
            self.text.push(b' ');
        }
        let room = self.max.saturating_add(1).saturating_sub(self.text.len());
        self.text.extend(text.into_iter().take(room));
    }

    /// The text; where it was cut, an ellipsis says so.
    pub(super) fn finish(mut self) -> String {
        let cut = self.text.len() > self.max;
        self.text.truncate(self.max);
        let mut text = String::from_utf8_lossy(&self.text).into_owned();
        if cut {
            while text.ends_with('\u{fffd}') {
                text.pop();
            }
            text.push('…');
        }
        text
    }
}

impl Sink for Text {
    fn word(&mut self, text: &[u8], spaced: bool) {
        self.push(text.iter().map(u8::to_ascii_lowercase), spaced);
    }

    fn quoted(&mut self, text: &[u8], spaced: bool) {
        self.push(text.iter().copied(), spaced);
    }

    fn literal(&mut self, spaced: bool) {
        self.push([b'?'], spaced);
    }

    fn punct(&mut self, byte: u8, spaced: bool) {
        self.push([byte], spaced);
    }

    fn full(&self) -> bool {
        self.text.len() > self.max
    }
}

/// Runs a whole text through a sink.
pub(super) fn shape<S: Sink>(sql: &[u8], sink: S) -> S {
    let mut lexer = Lexer::new(sql, b"");
    let mut shaper = Shaper::new(sink);
    while let Some(token) = lexer.next() {
        shaper.take(token, lexer.text(token));
        if shaper.sink.full() {
            break;
        }
    }
    shaper.finish()
}
