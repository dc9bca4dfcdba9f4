//! HTML into the neutral tree: a small tolerant tokenizer.
//!
//! A report's HTML is headings, paragraphs, lists and tables; whatever else stands there (styles,
//! scripts, drawings, navigation) says nothing about the incident. So tags are read by name,
//! unknown ones are passed over, and nothing needs to be closed. A tree builder as browsers have it
//! would repair markup that no rule looks at.

use std::ops::Range;

use super::{Block, Collector, Form, Kind, Link, Row, Table, Text, Tree};

const KNOWN: &[&str] = &[
    "a",
    "abbr",
    "article",
    "aside",
    "b",
    "blockquote",
    "body",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "img",
    "input",
    "ins",
    "kbd",
    "li",
    "link",
    "main",
    "mark",
    "meta",
    "nav",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "script",
    "section",
    "small",
    "span",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
];

/// Elements whose words are not the report's.
const SKIPPED: &[&str] = &["script", "style", "svg", "nav", "template", "noscript"];

/// Told by content: a document type, or a page's outermost tags, before any other words.
pub(super) fn looks_like_html(text: &str) -> bool {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while rest.starts_with("<!--") {
        let Some(end) = rest.find("-->") else {
            return false;
        };
        rest = rest[end + 3..].trim_start();
    }
    let head: String = rest
        .chars()
        .take(15)
        .collect::<String>()
        .to_ascii_lowercase();
    [
        "<!doctype html",
        "<html",
        "<head",
        "<body",
        "<article",
        "<h1",
        "<main",
        "<?xml",
    ]
    .iter()
    .any(|tag| head.starts_with(tag))
}

/// Whether a tag is markup that we know rather than a placeholder in angle brackets.
pub(super) fn is_known_tag(tag: &str) -> bool {
    let name: String = tag
        .trim_start_matches(['<', '/'])
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    // `<insert the name>` is parsed as a tag with attributes; real attributes have a `=`.
    KNOWN.contains(&name.as_str())
        && (!tag.contains(' ') || tag.contains('=') || tag.ends_with("/>"))
}

/// `<br>`.
pub(super) fn is_break(tag: &str) -> bool {
    let tag = tag.to_ascii_lowercase();
    tag.starts_with("<br") && !tag[3..].starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Reads a page.
pub(super) fn read(source: &str) -> Tree {
    let mut out = Collector::default();
    read_into(source, 0..source.len(), false, &mut out);
    out.tree.is_html = true;
    out.tree
}

/// Reads a range of the source that is HTML.
pub(super) fn read_into(source: &str, range: Range<usize>, quoted: bool, out: &mut Collector) {
    let mut reader = Reader {
        source,
        out,
        text: Text::default(),
        start: range.start,
        context: Context::Para,
        lists: Vec::new(),
        quotes: usize::from(quoted),
        strong: None,
        code: None,
        pre: false,
        link: None,
        table: None,
    };
    let mut at = range.start;
    while at < range.end {
        at = reader.step(at, range.end);
    }
    reader.flush();
    reader.end_table(range.end);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Context {
    Para,
    Head(u8),
    Item,
    Term,
    Title,
}

struct Reader<'a, 'o> {
    source: &'a str,
    out: &'o mut Collector,
    text: Text,
    start: usize,
    context: Context,
    /// Whether ordered.
    lists: Vec<bool>,
    quotes: usize,
    strong: Option<usize>,
    code: Option<usize>,
    pre: bool,
    link: Option<(usize, String)>,
    table: Option<(Table, usize)>,
}

impl Reader<'_, '_> {
    /// Reads one tag, comment, entity or run of words; answers where the next begins.
    fn step(&mut self, at: usize, end: usize) -> usize {
        let rest = &self.source[at..end];
        if let Some(comment) = rest.strip_prefix("<!--") {
            let stop = comment.find("-->").map_or(end, |i| at + 4 + i + 3);
            self.out.tree.comments.push(at..stop);
            return stop;
        }
        if rest.starts_with('<')
            && rest[1..]
                .starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'))
        {
            let stop = tag_end(rest).map_or(end, |i| at + i);
            return self.tag(&self.source[at..stop], at, stop, end);
        }
        if rest.starts_with('&')
            && let Some((c, len)) = entity(rest)
        {
            self.words(&c, at..at + len);
            return at + len;
        }
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let stop = rest[first..]
            .find(['<', '&'])
            .map_or(end, |i| at + first + i);
        self.run(at, stop);
        stop
    }

    /// A run of words: blanks are pressed together outside of `<pre>`.
    fn run(&mut self, at: usize, stop: usize) {
        let run = &self.source[at..stop];
        if self.pre {
            self.words(run, at..stop);
            return;
        }
        let mut offset = 0;
        for word in run.split_inclusive(char::is_whitespace) {
            let bare = word.trim_end();
            if !bare.is_empty() {
                self.words(bare, at + offset..at + offset + bare.len());
            }
            if bare.len() < word.len() && !self.text.plain.ends_with([' ', '\n']) {
                let from = at + offset + bare.len();
                self.words(" ", from..from + 1);
            }
            offset += word.len();
        }
    }

    fn words(&mut self, words: &str, range: Range<usize>) {
        if self.text.plain.is_empty() {
            if words.trim().is_empty() {
                return;
            }
            self.start = range.start;
        }
        self.text.push(words, range);
    }

    fn tag(&mut self, tag: &str, at: usize, stop: usize, end: usize) -> usize {
        let closing = tag.starts_with("</");
        let name: String = tag
            .trim_start_matches(['<', '/'])
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        if SKIPPED.contains(&name.as_str()) {
            if closing || tag.ends_with("/>") {
                return stop;
            }
            let close = format!("</{name}");
            return find_ignoring_case(&self.source[stop..end], &close).map_or(end, |i| stop + i);
        }
        match name.as_str() {
            "br" => self.words("\n", at..stop),
            "b" | "strong" => {
                if closing {
                    if let Some(start) = self.strong.take() {
                        self.text.strong.push(start..self.text.plain.len());
                    }
                } else {
                    self.strong = Some(self.text.plain.len());
                }
            }
            "code" | "kbd" | "samp" | "tt" => {
                if closing {
                    if let Some(start) = self.code.take() {
                        self.text.code.push(start..self.text.plain.len());
                    }
                } else {
                    self.code = Some(self.text.plain.len());
                }
            }
            "a" => {
                if closing {
                    self.end_link();
                } else {
                    self.link = attribute(tag, "href").map(|to| (self.text.plain.len(), to));
                }
            }
            "img" => {
                let at_plain = self.text.plain.len();
                if let Some(to) = attribute(tag, "src") {
                    self.text.links.push(Link {
                        range: at_plain..at_plain,
                        to,
                    });
                }
            }
            _ if !KNOWN.contains(&name.as_str()) => {
                // A placeholder in angle brackets, or an element that means nothing to us.
                if !closing && tag.contains(' ') && !tag.contains('=') && !tag.starts_with("<!") {
                    self.words(tag, at..stop);
                }
            }
            "span" | "em" | "i" | "u" | "s" | "small" | "sub" | "sup" | "mark" | "abbr"
            | "time" | "font" | "del" | "ins" | "dfn" | "cite" | "q" | "var" | "input" => {}
            _ => self.block_tag(&name, closing, at, stop),
        }
        stop
    }

    fn block_tag(&mut self, name: &str, closing: bool, at: usize, stop: usize) {
        match name {
            "td" | "th" if self.table.is_some() => {
                if closing {
                    self.end_cell();
                } else {
                    self.text = Text::default();
                }
                return;
            }
            "tr" if self.table.is_some() => {
                if !closing && let Some((table, _)) = &mut self.table {
                    table.rows.push(Row {
                        cells: Vec::new(),
                        range: at..stop,
                    });
                }
                return;
            }
            "table" => {
                if closing {
                    self.end_table(stop);
                } else {
                    self.flush();
                    self.table.get_or_insert_with(|| (Table::default(), at));
                }
                return;
            }
            _ if self.table.is_some() => {
                if !self.text.plain.is_empty() && !self.text.plain.ends_with('\n') {
                    self.words("\n", at..stop);
                }
                return;
            }
            _ => {}
        }
        self.flush();
        self.context = match (name, closing) {
            ("h1", false) => Context::Head(10),
            ("h2", false) => Context::Head(20),
            ("h3", false) => Context::Head(30),
            ("h4", false) => Context::Head(40),
            ("h5", false) => Context::Head(50),
            ("h6", false) => Context::Head(60),
            ("li", false) => Context::Item,
            ("dt", false) => Context::Term,
            ("title", false) => Context::Title,
            ("p" | "div", false) if self.context == Context::Item => Context::Item,
            _ => Context::Para,
        };
        match (name, closing) {
            ("ul" | "ol", false) => self.lists.push(name == "ol"),
            ("ul" | "ol", true) => drop(self.lists.pop()),
            ("blockquote", false) => self.quotes += 1,
            ("blockquote", true) => self.quotes = self.quotes.saturating_sub(1),
            ("pre", _) => self.pre = !closing,
            _ => {}
        }
    }

    fn end_link(&mut self) {
        if let Some((start, to)) = self.link.take() {
            self.text.links.push(Link {
                range: start..self.text.plain.len(),
                to,
            });
        }
    }

    fn end_cell(&mut self) {
        let text = self.take_text();
        if self.out.cell()
            && let Some((table, _)) = &mut self.table
            && let Some(row) = table.rows.last_mut()
        {
            row.range.end = row.range.end.max(text.whole().end);
            row.cells.push(text);
        }
    }

    fn end_table(&mut self, stop: usize) {
        let Some((mut table, start)) = self.table.take() else {
            return;
        };
        self.take_text();
        if table.rows.is_empty() {
            return;
        }
        table.head = table.rows.remove(0);
        let mut block = Block::new(Kind::Table, Text::default(), start..stop);
        block.table = Some(table);
        self.out.push(block, self.quotes > 0);
    }

    fn take_text(&mut self) -> Text {
        self.strong = None;
        self.code = None;
        self.link = None;
        std::mem::take(&mut self.text)
    }

    fn flush(&mut self) {
        if self.table.is_some() {
            return;
        }
        if let Some(start) = self.strong.take() {
            self.text.strong.push(start..self.text.plain.len());
        }
        let text = self.take_text();
        if text.is_blank() {
            return;
        }
        let range = self.start..text.whole().end;
        let kind = match self.context {
            _ if self.pre => Kind::Code,
            Context::Title => {
                self.out.tree.page_title.get_or_insert(text);
                return;
            }
            Context::Head(level) => Kind::Head {
                level,
                form: Form::Heading,
            },
            Context::Term => Kind::Head {
                level: 0,
                form: Form::Label,
            },
            Context::Item => Kind::Item {
                depth: u8::try_from(self.lists.len()).unwrap_or(u8::MAX).max(1),
                ordered: self.lists.last().copied().unwrap_or(false),
                task: None,
            },
            Context::Para => Kind::Para,
        };
        self.context = Context::Para;
        self.out
            .push(Block::new(kind, text, range), self.quotes > 0);
    }
}

/// The byte after a tag that begins at 0; quotation marks may hold a `>`.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (i, c) in text.char_indices() {
        match (c, quote) {
            ('"' | '\'', None) if text[..i].ends_with('=') => quote = Some(c),
            (c, Some(q)) if c == q => quote = None,
            ('>', None) => return Some(i + 1),
            _ => {}
        }
    }
    // A quotation mark that never closes: the first `>` it is.
    text.find('>').map(|i| i + 1)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = find_ignoring_case(tag, &format!("{name}="))? + name.len() + 1;
    let rest = &tag[at..];
    let (rest, close) = match rest.chars().next()? {
        q @ ('"' | '\'') => (&rest[1..], q),
        _ => (rest, ' '),
    };
    let end = rest.find([close, '>']).unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

fn find_ignoring_case(text: &str, what: &str) -> Option<usize> {
    let (text, what) = (text.as_bytes(), what.as_bytes());
    text.windows(what.len())
        .position(|w| w.eq_ignore_ascii_case(what))
}

/// The character of an entity at the start, and its length in the source.
fn entity(text: &str) -> Option<(String, usize)> {
    let end = text.bytes().take(12).position(|b| b == b';')?;
    let name = &text[1..end];
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "minus" => '−',
        "hellip" => '…',
        "rarr" => '→',
        "times" => '×',
        "middot" => '·',
        "ldquo" => '“',
        "rdquo" => '”',
        "lsquo" => '‘',
        "rsquo" => '’',
        "le" => '≤',
        "ge" => '≥',
        _ => {
            let code = name.strip_prefix('#')?;
            let code = match code.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => code.parse().ok()?,
            };
            char::from_u32(code)?
        }
    };
    Some((c.to_string(), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_headings_items_and_tables() {
        let page = "<!doctype html><html><head><title>T &amp; U</title><style>p{}</style></head><body>\
            <h1>A <b>b</b></h1><p>one\n two<br>three</p><ul><li><p>x</p><ul><li>y</li></ul></li></ul>\
            <table><tr><th>k<th>v</tr><tr><td>1</td><td><a href=\"u\">2</a></td></tr></table>\
            <dl><dt>Impact</dt><dd>none</dd></dl><!-- c --></body></html>";
        let tree = read(page);
        assert_eq!(tree.page_title.unwrap().plain, "T & U");
        let kinds: Vec<_> = tree
            .blocks
            .iter()
            .map(|b| format!("{:?} {}", b.kind, b.text.plain.trim()))
            .collect();
        assert_eq!(kinds[0], "Head { level: 10, form: Heading } A b");
        assert_eq!(kinds[1], "Para one two\nthree");
        assert!(kinds[2].starts_with("Item { depth: 1"), "{}", kinds[2]);
        assert!(kinds[3].starts_with("Item { depth: 2"), "{}", kinds[3]);
        let table = tree.blocks[4].table.as_ref().unwrap();
        assert_eq!(table.rows[0].cells[1].links[0].to, "u");
        assert!(kinds[5].contains("Label") && kinds[6].contains("none"));
        assert_eq!(tree.comments.len(), 1);
    }

    #[test]
    fn broken_markup_is_read_to_its_end() {
        for page in [
            "<html><p",
            "<html><a href=\"x>y",
            "<html>&#xffffffff;&bogus",
            "<html><table><td>x",
            "<html><!--",
        ] {
            read(page);
        }
    }
}
