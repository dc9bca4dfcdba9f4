//! A report as a tree of blocks, before it is Markdown or HTML. Whatever text comes from outside
//! (statements, names, notes) is a leaf here, so that each renderer escapes it once, its own way.

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Inline {
    /// Plain.
    Text(String),
    /// Plain too, in the words of a person or of another report.
    Told(String),
    /// Important.
    Strong(String),
    /// Set apart.
    Emphasis(String),
    /// As a machine writes it.
    Code(String),
    /// Numbers of evidence.
    Cite(Vec<Cited>),
}

/// What a sentence stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cited {
    /// A row of the evidence list: `E3`.
    Evidence(usize),
    /// An entry of the journal: `J5`.
    Journal(u32),
    /// All of its entries: what it doesn't hold stands on all that it does hold.
    Whole(u32),
}

impl std::fmt::Display for Cited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Evidence(n) => write!(f, "E{n}"),
            Self::Journal(n) => write!(f, "J{n}"),
            Self::Whole(1) => f.write_str("J1"),
            Self::Whole(n) => write!(f, "J1 to J{n}"),
        }
    }
}

/// A line of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line(pub(super) Vec<Inline>);

/// The longest that a text from outside may be in a report; the rest is in the JSON.
const TEXT_MAX: usize = 600;
/// The same for what a person wrote for the report.
const TOLD_MAX: usize = 6_000;

/// What can be printed: no control characters, no marks that turn the direction of text (a
/// statement could otherwise make a line read as another), one blank for each break.
pub(super) fn printable(text: &str) -> String {
    printable_to(text, TEXT_MAX)
}

fn printable_to(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    let mut blank = true;
    for c in text.chars().take(most) {
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        if c.is_whitespace() {
            // Inside a number (`5\u{202f}%`) a no-break space stays what it is.
            if !blank {
                out.push(' ');
            }
            blank = true;
        } else if c.is_control() || hidden {
            out.push('\u{fffd}');
            blank = false;
        } else {
            out.push(c);
            blank = false;
        }
    }
    if text.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}

/// Text of our own around text from outside: as it is, except that it can't leave its line.
fn on_one_line(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                ' '
            } else {
                c
            }
        })
        .collect()
}

impl Line {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A line of one plain text.
    pub(super) fn of(text: impl AsRef<str>) -> Self {
        Self::new().text(text)
    }

    pub(super) fn text(mut self, text: impl AsRef<str>) -> Self {
        let text = on_one_line(text.as_ref());
        if !text.is_empty() {
            self.0.push(Inline::Text(text));
        }
        self
    }

    pub(super) fn strong(mut self, text: impl AsRef<str>) -> Self {
        self.0.push(Inline::Strong(on_one_line(text.as_ref())));
        self
    }

    pub(super) fn emphasis(mut self, text: impl AsRef<str>) -> Self {
        self.0.push(Inline::Emphasis(on_one_line(text.as_ref())));
        self
    }

    pub(super) fn code(mut self, text: impl AsRef<str>) -> Self {
        self.0.push(Inline::Code(text.as_ref().to_owned()));
        self
    }

    /// A sentence of the journal, in which `backticks` mark what a machine writes.
    pub(super) fn says(self, text: &str) -> Self {
        self.with_code(&printable(text), Inline::Text)
    }

    /// The same in the words of a person, without the full stop.
    pub(super) fn told(self, text: &str) -> Self {
        let text = printable_to(text.trim().trim_end_matches('.'), TOLD_MAX);
        self.with_code(&text, Inline::Told)
    }

    fn with_code(mut self, text: &str, plain: fn(String) -> Inline) -> Self {
        let mut rest = text;
        while let Some(open) = rest.find('`') {
            let Some(len) = rest[open + 1..].find('`') else {
                break;
            };
            if len == 0 {
                break;
            }
            if open > 0 {
                self.0.push(plain(rest[..open].to_owned()));
            }
            self.0
                .push(Inline::Code(rest[open + 1..open + 1 + len].to_owned()));
            rest = &rest[open + len + 2..];
        }
        if !rest.is_empty() {
            self.0.push(plain(rest.to_owned()));
        }
        self
    }

    /// The same as a sentence of its own: with a capital, unless it begins with a name that is
    /// spelt otherwise, and without its full stop.
    pub(super) fn says_sentence(self, text: &str) -> Self {
        let text = text.trim();
        let first = text.split(' ').next().unwrap_or_default();
        let is_word = first.chars().all(|c| c.is_ascii_lowercase());
        match text.chars().next() {
            Some(c) if is_word => {
                let capital = c.to_ascii_uppercase();
                self.says_part(&format!("{capital}{}", &text[1..]))
            }
            _ => self.says_part(text),
        }
    }

    /// The same without its full stop, for the middle of a sentence.
    pub(super) fn says_part(self, text: &str) -> Self {
        self.says(text.trim().trim_end_matches('.'))
    }

    pub(super) fn cite(mut self, cited: &[Cited]) -> Self {
        if cited.is_empty() {
            return self;
        }
        let mut cited = cited.to_vec();
        cited.sort_unstable();
        cited.dedup();
        self.0.push(Inline::Cite(cited));
        self
    }
}

/// A table. Rows have as many cells as the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// What it holds, for those who don't see it.
    pub(super) caption: String,
    /// Column heads; all empty: a table of names and values.
    pub(super) head: Vec<String>,
    /// Rows; the first cell names the row.
    pub(super) rows: Vec<Vec<Line>>,
}

/// A piece of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// A heading; 1 is the title.
    Heading(u8, String),
    /// A paragraph.
    Para(Line),
    /// A list.
    List(Vec<Line>),
    /// A table.
    Table(Table),
    /// A chart with its take-away and its data.
    Figure {
        /// File name beside the Markdown.
        file: &'static str,
        /// The picture.
        svg: String,
        /// What it shows, in words.
        alt: String,
        /// What to see in it.
        takeaway: Line,
        /// The numbers.
        data: Table,
    },
    /// The evidence list, folded away.
    Evidence {
        /// `E1` and so on, each with its line.
        rows: Vec<Line>,
        /// How to read it.
        note: Line,
    },
}

/// A value of the front matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// A bare word, number or time of our own making.
    Word(String),
    /// Text that may hold anything.
    Quoted(String),
    /// Several texts.
    List(Vec<String>),
    /// Not known.
    Null,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Its title.
    pub(super) title: String,
    /// Front matter, in order.
    pub(super) front: Vec<(&'static str, Front)>,
    /// Body, beginning with the title's heading.
    pub(super) blocks: Vec<Block>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_in_a_sentence_mark_code_and_a_lone_one_stays() {
        let line = Line::new().says("pool `app/web` waits ` here");
        assert_eq!(
            line.0,
            vec![
                Inline::Text("pool ".into()),
                Inline::Code("app/web".into()),
                Inline::Text(" waits ` here".into()),
            ]
        );
    }

    #[test]
    fn what_would_turn_or_hide_text_becomes_visible() {
        assert_eq!(
            printable("a\u{202e}b\u{0}c\r\n\n d"),
            "a\u{fffd}b\u{fffd}c d"
        );
        assert!(printable(&"x".repeat(5_000)).chars().count() <= TEXT_MAX + 1);
    }
}
