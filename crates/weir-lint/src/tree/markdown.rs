//! Markdown into the neutral tree, with `pulldown-cmark` and its source offsets.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{Block, Collector, Form, Kind, Link, Row, Table, Text, Tree, front, html};

/// Reads a Markdown text.
pub(super) fn read(source: &str) -> Tree {
    let (front, body) = front::read(source);
    let mut reader = Reader {
        source,
        ..Reader::default()
    };
    reader.out.tree.front = front;
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_DEFINITION_LIST;
    for (event, range) in Parser::new_ext(&source[body..], options).into_offset_iter() {
        reader.event(event, range.start + body..range.end + body);
    }
    reader.flush(None);
    reader.out.tree
}

/// What is being read.
#[derive(Debug, Default)]
struct Reader<'a> {
    source: &'a str,
    out: Collector,
    text: Text,
    range: Range<usize>,
    /// Lists that are open: whether ordered.
    lists: Vec<bool>,
    /// The item whose words come next: its depth, and its tick.
    item: Option<(u8, bool, Option<bool>)>,
    quotes: usize,
    strong: Vec<usize>,
    links: Vec<(usize, String)>,
    code: bool,
    term: bool,
    table: Option<Table>,
    row: Row,
    in_html: Option<Range<usize>>,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::Text(words) => self.words(&words, range),
            Event::Code(words) => {
                let at = self.text.plain.len();
                // The range holds the backticks; the words stand in the middle of it.
                let ticks = (range.end - range.start).saturating_sub(words.len()) / 2;
                let from = range.start + ticks..range.start + ticks + words.len();
                self.text.push(&words, from);
                self.text.code.push(at..self.text.plain.len());
            }
            Event::SoftBreak | Event::HardBreak => {
                self.text.push("\n", range.start..range.start + 1)
            }
            Event::InlineHtml(tag) => self.inline_html(&tag, range),
            Event::Html(_) => {
                let whole = self.in_html.get_or_insert_with(|| range.clone());
                whole.end = range.end;
            }
            Event::TaskListMarker(done) => {
                if let Some(item) = &mut self.item {
                    item.2 = Some(done);
                }
            }
            Event::FootnoteReference(name) => {
                self.text.push(&format!("[^{name}]"), range);
            }
            Event::Rule | Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
    }

    fn words(&mut self, words: &str, range: Range<usize>) {
        if self.text.is_blank() && self.text.plain.is_empty() {
            self.range.start = self.range.start.min(range.start);
        }
        self.text.push(words, range);
    }

    fn inline_html(&mut self, tag: &str, range: Range<usize>) {
        if tag.starts_with("<!--") {
            self.out.tree.comments.push(range);
        } else if html::is_break(tag) {
            self.text.push("\n", range);
        } else if !html::is_known_tag(tag) {
            // `<name of the service>` is a placeholder that the author left, not markup.
            self.text.push(tag, range);
        }
    }

    fn start(&mut self, tag: Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Paragraph | Tag::Heading { .. } => {
                if self.item.is_none() || !self.text.is_blank() {
                    self.flush(None);
                }
                self.range = range;
            }
            Tag::BlockQuote(_) => {
                self.flush(None);
                self.quotes += 1;
            }
            Tag::CodeBlock(_) => {
                self.flush(None);
                self.code = true;
                self.range = range;
            }
            Tag::HtmlBlock => {
                self.flush(None);
                self.in_html = Some(range);
            }
            Tag::List(first) => {
                self.flush(None);
                self.lists.push(first.is_some());
            }
            Tag::Item => {
                self.flush(None);
                let depth = u8::try_from(self.lists.len()).unwrap_or(u8::MAX).max(1);
                self.item = Some((depth, self.lists.last().copied().unwrap_or(false), None));
                self.range = range;
            }
            Tag::Table(_) => {
                self.flush(None);
                self.table = Some(Table::default());
                self.range = range;
            }
            Tag::TableHead | Tag::TableRow => {
                self.row = Row {
                    cells: Vec::new(),
                    range,
                }
            }
            Tag::TableCell => self.text = Text::default(),
            Tag::Strong => self.strong.push(self.text.plain.len()),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links
                    .push((self.text.plain.len(), dest_url.into_string()));
            }
            Tag::DefinitionListTitle => {
                self.flush(None);
                self.term = true;
                self.range = range;
            }
            Tag::DefinitionListDefinition | Tag::FootnoteDefinition(_) => {
                self.flush(None);
                self.range = range;
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Heading(level) => {
                self.flush(Some(Kind::Head {
                    level: rank(level),
                    form: Form::Heading,
                }));
            }
            TagEnd::CodeBlock => {
                self.flush(Some(Kind::Code));
                self.code = false;
            }
            TagEnd::Paragraph | TagEnd::DefinitionListDefinition | TagEnd::FootnoteDefinition => {
                self.flush(None);
            }
            TagEnd::Item => {
                self.flush(None);
                self.item = None;
            }
            TagEnd::List(_) => {
                self.flush(None);
                self.lists.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.flush(None);
                self.quotes = self.quotes.saturating_sub(1);
            }
            TagEnd::HtmlBlock => self.html_block(),
            TagEnd::DefinitionListTitle => {
                self.flush(Some(Kind::Head {
                    level: 0,
                    form: Form::Label,
                }));
                self.term = false;
            }
            TagEnd::Strong => {
                if let Some(start) = self.strong.pop() {
                    self.text.strong.push(start..self.text.plain.len());
                }
            }
            TagEnd::Link | TagEnd::Image => {
                if let Some((start, to)) = self.links.pop() {
                    self.text.links.push(Link {
                        range: start..self.text.plain.len(),
                        to,
                    });
                }
            }
            TagEnd::TableCell => {
                let text = std::mem::take(&mut self.text);
                if self.out.cell() {
                    self.row.cells.push(text);
                }
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                let row = std::mem::take(&mut self.row);
                if let Some(table) = &mut self.table {
                    if tag == TagEnd::TableHead {
                        table.head = row;
                    } else {
                        table.rows.push(row);
                    }
                }
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    let mut block = Block::new(Kind::Table, Text::default(), range);
                    block.table = Some(table);
                    self.out.push(block, self.quotes > 0);
                }
            }
            _ => {}
        }
    }

    /// A block of raw HTML: its comments are kept, and what is written in tags is read.
    fn html_block(&mut self) {
        if let Some(range) = self.in_html.take() {
            html::read_into(self.source, range, self.quotes > 0, &mut self.out);
        }
    }

    /// Ends the block that was being read.
    fn flush(&mut self, kind: Option<Kind>) {
        let text = std::mem::take(&mut self.text);
        self.strong.clear();
        self.links.clear();
        if self.table.is_some() || text.is_blank() {
            return;
        }
        let kind = kind.unwrap_or(match self.item.take() {
            _ if self.code => Kind::Code,
            Some((depth, ordered, task)) => Kind::Item {
                depth,
                ordered,
                task,
            },
            None => Kind::Para,
        });
        let range = text.whole();
        let range = range
            .start
            .min(self.range.start.max(range.start.saturating_sub(12)))
            ..range.end;
        self.out
            .push(Block::new(kind, text, range), self.quotes > 0);
    }
}

fn rank(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 10,
        HeadingLevel::H2 => 20,
        HeadingLevel::H3 => 30,
        HeadingLevel::H4 => 40,
        HeadingLevel::H5 => 50,
        HeadingLevel::H6 => 60,
    }
}
