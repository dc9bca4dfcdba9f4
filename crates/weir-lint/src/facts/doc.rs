//! A report with its sections, its fields, and what it says about all its times.

use std::ops::Range;

use jiff::civil::Date;

use super::part::{Part, Parts, classify};
use crate::source::Source;
use crate::tree::{self, Block, Form, Kind, Text, Tree};
use crate::words::zone::{self, Zone};
use crate::words::{clock, pattern};

/// Parts that are mostly lists: their label speaks for the list under it.
const LISTS: &[Part] = &[
    Part::Factors,
    Part::Actions,
    Part::Lessons,
    Part::WentWell,
    Part::WentWrong,
    Part::Lucky,
    Part::Timeline,
    Part::FalseLeads,
    Part::Evidence,
    Part::Questions,
    Part::Impact,
];

/// So many fields are kept.
const FIELDS_MAX: usize = 2_000;

/// A heading and what stands under it.
#[derive(Clone, Debug)]
pub struct Section {
    /// What it is about; empty where its heading doesn't tell.
    pub parts: Parts,
    /// The deeper, the larger.
    pub level: u8,
    /// How the heading is written.
    pub form: Form,
    /// The heading's block.
    pub head: usize,
    /// The blocks under it, those of its subsections too.
    pub body: Range<usize>,
    /// The section it stands in.
    pub parent: Option<usize>,
}

/// A key and its value, wherever they stand.
#[derive(Clone, Debug)]
pub struct Field {
    /// In lower case, without marks.
    pub key: String,
    /// The value.
    pub value: Text,
    /// Of both, in the source.
    pub range: Range<usize>,
    /// The parts of the report that it stands in.
    pub parts: Parts,
}

/// A report, read and divided.
#[derive(Debug)]
pub struct Doc<'s> {
    /// The text.
    pub source: &'s Source,
    /// What stands in it.
    pub tree: Tree,
    /// In the order of the text.
    pub sections: Vec<Section>,
    /// The innermost section of each block.
    pub inner: Vec<Option<usize>>,
    /// What each block is about: the parts of the innermost section that names any.
    pub about: Vec<Parts>,
    /// Keys with values: front matter, two-column tables, `Label: value`.
    pub fields: Vec<Field>,
    /// The block of the title.
    pub title: Option<usize>,
    /// The zone that is said to hold for all times, and where that is said.
    pub zone: Option<(Zone, Range<usize>)>,
    /// The day that clocks without a date belong to.
    pub day: Option<Date>,
}

impl<'s> Doc<'s> {
    /// Reads and divides a report.
    pub fn read(source: &'s Source) -> Self {
        let tree = tree::read(source);
        let mut doc = Self {
            source,
            sections: Vec::new(),
            inner: vec![None; tree.blocks.len()],
            about: vec![Parts::default(); tree.blocks.len()],
            fields: Vec::new(),
            title: None,
            zone: None,
            day: None,
            tree,
        };
        doc.divide();
        doc.collect_fields();
        doc.zone = doc.declared_zone();
        doc.day = doc.first_day();
        doc
    }

    /// The blocks with their numbers.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, &Block)> {
        self.tree.blocks.iter().enumerate()
    }

    /// The blocks that are about any of some parts, headings left out.
    pub fn about_any<'a>(&'a self, parts: &'a [Part]) -> impl Iterator<Item = (usize, &'a Block)> {
        self.blocks()
            .filter(|(i, block)| !block.is_head() && self.about[*i].any(parts))
    }

    /// The words about any of some parts: one line a block or cell, quoted blocks and code left out.
    pub fn words_about(&self, parts: &[Part]) -> String {
        let mut out = String::new();
        for (_, block) in self.about_any(parts) {
            if block.quoted || block.kind == Kind::Code {
                continue;
            }
            push_words(&mut out, block);
        }
        out
    }

    /// All words but code: headings, paragraphs, items, cells.
    pub fn all_words(&self) -> String {
        let mut out = String::new();
        for (_, block) in self.blocks().filter(|(_, b)| b.kind != Kind::Code) {
            push_words(&mut out, block);
        }
        out
    }

    /// Sections that name a part.
    pub fn sections_of(&self, part: Part) -> impl Iterator<Item = (usize, &Section)> {
        self.sections
            .iter()
            .enumerate()
            .filter(move |(_, section)| section.parts.is(part))
    }

    /// Where the first section of any of some parts has its heading; else where the title stands.
    pub fn place_of(&self, parts: &[Part]) -> Range<usize> {
        self.sections
            .iter()
            .find(|section| section.parts.any(parts))
            .map_or_else(|| self.title_range(), |section| self.head_range(section))
    }

    /// The words of a section's heading in the source.
    pub fn head_range(&self, section: &Section) -> Range<usize> {
        self.tree
            .blocks
            .get(section.head)
            .map_or(0..0, |block| block.text.whole())
    }

    /// The title's words, or the first thing that stands in the file.
    pub fn title_range(&self) -> Range<usize> {
        self.title
            .and_then(|i| self.tree.blocks.get(i))
            .or(self.tree.blocks.first())
            .map_or(0..0, |block| block.text.whole())
    }

    /// The first field with one of some keys.
    pub fn field(&self, keys: &[&str]) -> Option<&Field> {
        keys.iter().find_map(|key| {
            self.fields
                .iter()
                .find(|f| f.key == *key && !f.value.is_blank())
        })
    }

    /// Whether any section is inside of another one with a real heading that names `part`.
    pub fn is_inside(&self, section: &Section, part: Part) -> Option<usize> {
        let mut parent = section.parent;
        while let Some(i) = parent {
            let outer = self.sections.get(i)?;
            if outer.parts.is(part) {
                return Some(i);
            }
            parent = outer.parent;
        }
        None
    }

    fn divide(&mut self) {
        let heads = |level: u8| move |(_, b): &(usize, &Block)| matches!(b.kind, Kind::Head { level: l, form: Form::Heading } if l == level);
        let title = self.blocks().find(heads(10)).map(|(i, _)| i);
        // Where each part is a first-level heading, the first of them may be a part too.
        let tops = self.blocks().filter(heads(10)).count();
        let lone = |text: &str| text.split_whitespace().count() <= 3 && !classify(text).is_empty();
        self.title = title.filter(|i| tops < 3 || !lone(&self.tree.blocks[*i].text.plain));
        let mut open: Vec<usize> = Vec::new();
        for i in 0..self.tree.blocks.len() {
            let block = &self.tree.blocks[i];
            // A label in a list ends with its item.
            while let Some(last) = open.last() {
                let depth = self.tree.blocks[self.sections[*last].head].item_depth;
                let item = matches!(block.kind, Kind::Item { depth: d, .. } if d <= depth)
                    || block.is_head() && block.item_depth > 0 && block.item_depth <= depth;
                if depth == 0 || !(item || block.item_depth == 0) {
                    break;
                }
                self.sections[*last].body.end = i;
                open.pop();
            }
            // A label with its answer behind it speaks for that answer, not for what follows: unless it
            // announces a list, or labels are all the structure there is.
            while let Some(last) = open.last() {
                let section = &self.sections[*last];
                let answered =
                    section.form == Form::Label && section.head + 2 == i && !block.is_head();
                let listed = section.parts.any(LISTS)
                    && matches!(block.kind, Kind::Item { .. } | Kind::Table)
                    || self.tree.blocks[i - 1].text.plain.trim_end().ends_with(':');
                let alone = section
                    .parent
                    .is_none_or(|p| self.sections[p].parts.is_empty());
                if !answered
                    || listed
                    || alone
                    || block.item_depth > 0 && self.tree.blocks[section.head].item_depth > 0
                {
                    break;
                }
                self.sections[*last].body.end = i;
                open.pop();
            }
            let block = &self.tree.blocks[i];
            if let Kind::Head { level, form } = block.kind {
                while open
                    .last()
                    .is_some_and(|last| self.sections[*last].level >= level)
                {
                    if let Some(last) = open.pop() {
                        self.sections[last].body.end = i;
                    }
                }
                let parts = if self.title == Some(i) {
                    Parts::default()
                } else {
                    classify(&block.text.plain)
                };
                let parent = open.last().copied();
                // A stamped heading is a row of its timeline, whatever its words name.
                let row = parent.is_some_and(|p| self.sections[p].parts.is(Part::Timeline))
                    && clock::leading_stamp(&block.text.plain).is_some();
                open.push(self.sections.len());
                self.sections.push(Section {
                    parts: if row { Parts::default() } else { parts },
                    level,
                    form,
                    head: i,
                    body: i + 1..self.tree.blocks.len(),
                    parent,
                });
            }
            self.inner[i] = open.last().copied();
            self.about[i] = open
                .iter()
                .rev()
                .map(|s| self.sections[*s].parts)
                .find(|parts| !parts.is_empty())
                .unwrap_or_default();
        }
    }

    fn collect_fields(&mut self) {
        let mut fields = Vec::new();
        for front in &self.tree.front {
            fields.push(Field {
                key: key(&front.key),
                value: front.value.clone(),
                range: front.range.clone(),
                parts: Parts::default().with(Part::Metadata),
            });
        }
        for (i, block) in self.tree.blocks.iter().enumerate() {
            let parts = self.about[i];
            if fields.len() >= FIELDS_MAX || block.quoted {
                break;
            }
            match block.kind {
                Kind::Code => {}
                Kind::Table => table_fields(block, parts, &mut fields),
                Kind::Head { form, .. } => {
                    if self.title == Some(i) {
                        continue;
                    }
                    if form == Form::Heading && block.text.plain.contains(": ") {
                        line_fields(&block.text, parts, &mut fields);
                    }
                    let next = self
                        .tree
                        .blocks
                        .get(i + 1)
                        .filter(|b| matches!(b.kind, Kind::Para | Kind::Item { .. }));
                    let title = key(&block.text.plain);
                    if let (Some(next), true) = (next, title.split(' ').count() <= 5) {
                        fields.push(Field {
                            key: title,
                            value: next.text.clone(),
                            range: block.range.start..next.range.end,
                            parts,
                        });
                    }
                }
                Kind::Para | Kind::Item { .. } => {
                    // What a row of a timeline says is no field of the report.
                    if clock::leading_stamp(&block.text.plain).is_none() {
                        for line in block.text.lines() {
                            line_fields(&line, parts, &mut fields);
                        }
                    }
                }
            }
        }
        self.fields = fields;
    }

    fn declared_zone(&self) -> Option<(Zone, Range<usize>)> {
        for field in &self.fields {
            if matches!(
                field.key.as_str(),
                "timezone" | "time zone" | "tz" | "times" | "all times"
            ) && let Some((zone, range)) = zone::leading(&field.value.plain)
            {
                return Some((zone, field.value.source_range(range)));
            }
        }
        let mut table: Option<(Zone, Range<usize>)> = None;
        for (i, block) in self.blocks() {
            if block.kind == Kind::Code {
                continue;
            }
            if let Some(grid) = &block.table
                && table.is_none()
                && self.about[i].any(&[Part::Timeline, Part::Summary, Part::Metadata])
            {
                table = grid.head.cells.iter().find_map(|cell| {
                    zone::declared(&cell.plain)
                        .map(|(zone, range)| (zone, cell.source_range(range)))
                });
            }
            if let Some((zone, range)) = zone::declared(&block.text.plain) {
                return Some((zone, block.text.source_range(range)));
            }
        }
        table
    }

    /// The day of the incident: in a field of the start, in the title, in the front matter, in the
    /// summary, in the heading of the timeline; else the first that stands anywhere.
    fn first_day(&self) -> Option<Date> {
        let of = |text: &str| {
            clock::stamps(text)
                .into_iter()
                .find_map(|stamp| stamp.day.and_then(|day| day.date(None)))
        };
        let keys = [
            "started",
            "start",
            "start time",
            "incident start",
            "started at",
            "impact start",
            "began",
            "date of incident",
            "incident date",
            "start end",
            "date",
            "when",
            "incident time",
            "date and time",
            "duration",
            "dates",
        ];
        keys.iter()
            .flat_map(|key| self.fields.iter().filter(move |f| f.key == *key))
            .find_map(|field| of(&field.value.plain))
            .or_else(|| self.title.and_then(|i| of(&self.tree.blocks[i].text.plain)))
            .or_else(|| {
                let early = [Part::Summary, Part::Impact, Part::Timeline, Part::Metadata];
                self.blocks()
                    .filter(|(i, _)| self.about[*i].any(&early))
                    .flat_map(|(_, block)| block.texts())
                    .find_map(|text| of(&text.plain))
            })
            .or_else(|| {
                self.blocks()
                    .filter(|(i, _)| !self.about[*i].any(&[Part::Actions, Part::Lessons]))
                    .flat_map(|(_, block)| block.texts())
                    .find_map(|text| of(&text.plain))
            })
    }
}

fn push_words(out: &mut String, block: &Block) {
    if let Some(table) = &block.table {
        for row in std::iter::once(&table.head).chain(&table.rows) {
            for cell in &row.cells {
                out.push_str(cell.plain.trim());
                out.push_str(" | ");
            }
            out.push('\n');
        }
    } else {
        out.push_str(&block.text.plain);
        out.push('\n');
    }
}

/// A key without its marks, in lower case.
pub(crate) fn key(text: &str) -> String {
    let lower = text
        .trim()
        .to_lowercase()
        .replace(['_', '→', '/', '-', '(', ')'], " ")
        .replace('’', "'");
    lower
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '%'))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn table_fields(block: &Block, parts: Parts, fields: &mut Vec<Field>) {
    let Some(table) = &block.table else { return };
    if parts.any(&[Part::Actions, Part::Timeline]) {
        return;
    }
    let columns = table.head.cells.len();
    let mut add = |name: &Text, value: &Text| {
        let name_key = key(&name.plain);
        if !name_key.is_empty() && name_key.split(' ').count() <= 9 && fields.len() < FIELDS_MAX {
            fields.push(Field {
                key: name_key,
                value: value.clone(),
                range: name.whole().start..value.whole().end,
                parts,
            });
        }
    };
    if columns == 2 {
        for row in std::iter::once(&table.head).chain(&table.rows) {
            if let [name, value] = row.cells.as_slice() {
                add(name, value);
            }
        }
    } else if columns > 2 && table.rows.len() == 1 {
        for (name, value) in table.head.cells.iter().zip(&table.rows[0].cells) {
            add(name, value);
        }
    }
}

/// `Key: value`, also several on a line: `Key: value | Other: value`.
fn line_fields(line: &Text, parts: Parts, fields: &mut Vec<Field>) {
    let separators = pattern!(r"\s(?:\||·|•|;|—|–)\s");
    let mut at = 0;
    let mut cuts: Vec<Range<usize>> = Vec::new();
    for cut in separators.find_iter(&line.plain) {
        if pattern!(r"^[\s*]*\p{L}[\w /'’→-]{1,40}\s?:").is_match(&line.plain[cut.end()..]) {
            cuts.push(at..cut.start());
            at = cut.end();
        }
    }
    cuts.push(at..line.plain.len());
    for cut in cuts {
        chunk_fields(&line.part(cut), parts, 0, fields);
    }
}

fn chunk_fields(chunk: &Text, parts: Parts, depth: u8, fields: &mut Vec<Field>) {
    let Some(found) = pattern!(r"^[\s*_-]*([\p{L}][\p{L}\d_ /'’→()&%-]{0,48}?)[\s*_]*:[\s*_]+")
        .captures(&chunk.plain)
    else {
        return;
    };
    let (Some(whole), Some(name)) = (found.get(0), found.get(1)) else {
        return;
    };
    if name.as_str().split_whitespace().count() > 6 || fields.len() >= FIELDS_MAX {
        return;
    }
    let value = chunk.part(whole.end()..chunk.plain.len());
    if value.is_blank() {
        return;
    }
    fields.push(Field {
        key: key(name.as_str()),
        value: value.clone(),
        range: chunk.whole(),
        parts,
    });
    if depth < 2 {
        chunk_fields(&value, parts, depth + 1, fields);
    }
}
