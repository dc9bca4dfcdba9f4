//! The neutral tree: what stands in a report, whatever it is written in.
//!
//! A flat list of blocks in the order of the text. Nesting is told by levels and depths, because
//! reports are flat in practice and every question is asked of "the blocks of a part".
//!
//! # What always holds
//! - Blocks stand in the order of the source, and each text knows where its bytes came from.
//! - Any text is read: what is malformed becomes a paragraph.
//! - [`BLOCKS_MAX`] and [`CELLS_MAX`] bound what is kept; what lies beyond is not looked at.

mod front;
mod html;
mod markdown;
mod shape;
mod text;

use std::ops::Range;

pub use text::{Link, Text};

use crate::source::Source;

/// So many blocks are kept.
pub const BLOCKS_MAX: usize = 50_000;
/// So many cells of tables are kept, over the whole file.
pub const CELLS_MAX: usize = 100_000;

/// How a heading is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A real heading.
    Heading,
    /// A paragraph that is bold from end to end.
    Bold,
    /// A bare line that names a part: `Root cause:`.
    Bare,
    /// A run-in label: `**Impact:** …`, `Impact: …`, or the term of a definition list.
    Label,
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Begins a section.
    Head {
        /// The deeper, the larger: 10 to 60 for real headings, between them for the others.
        level: u8,
        /// How it is written.
        form: Form,
    },
    /// Running text.
    Para,
    /// An item of a list.
    Item {
        /// 1 for the outermost list.
        depth: u8,
        /// `1.` rather than `-`.
        ordered: bool,
        /// `[ ]` or `[x]`.
        task: Option<bool>,
    },
    /// A table.
    Table,
    /// Code, or another thing whose words are not the author's.
    Code,
}

/// A row of a table.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// From left to right.
    pub cells: Vec<Text>,
    /// In the source.
    pub range: Range<usize>,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its first row; the cells may be empty.
    pub head: Row,
    /// The others.
    pub rows: Vec<Row>,
}

/// One thing that stands in the report.
#[derive(Clone, Debug)]
pub struct Block {
    /// What it is.
    pub kind: Kind,
    /// Its words (empty for a table).
    pub text: Text,
    /// In the source.
    pub range: Range<usize>,
    /// Inside a block quotation.
    pub quoted: bool,
    /// The table, where it is one.
    pub table: Option<Table>,
    /// The depth of the list item that it was, or was a part of; 0 outside of lists.
    pub item_depth: u8,
}

impl Block {
    fn new(kind: Kind, text: Text, range: Range<usize>) -> Self {
        let item_depth = match kind {
            Kind::Item { depth, .. } => depth,
            _ => 0,
        };
        Self {
            kind,
            text,
            range,
            quoted: false,
            table: None,
            item_depth,
        }
    }

    /// Whether it begins a section.
    pub fn is_head(&self) -> bool {
        matches!(self.kind, Kind::Head { .. })
    }

    /// Its texts: one, or the cells of the table.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        let cells = self.table.iter().flat_map(|table| {
            table
                .head
                .cells
                .iter()
                .chain(table.rows.iter().flat_map(|row| row.cells.iter()))
        });
        std::iter::once(&self.text)
            .filter(|text| !text.is_blank())
            .chain(cells)
    }
}

/// A key and a value of the front matter.
#[derive(Clone, Debug)]
pub struct FrontField {
    /// As written.
    pub key: String,
    /// As written, without the quotes; lists are joined with `, `.
    pub value: Text,
    /// The line in the source.
    pub range: Range<usize>,
}

/// A report as it was read, not yet understood.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// What stands in it.
    pub blocks: Vec<Block>,
    /// Front matter.
    pub front: Vec<FrontField>,
    /// `<title>` of an HTML page.
    pub page_title: Option<Text>,
    /// Comments with their place: off-switches stand in them.
    pub comments: Vec<Range<usize>>,
    /// Told by content.
    pub is_html: bool,
    /// There was more than [`BLOCKS_MAX`] or [`CELLS_MAX`] allow.
    pub cut: bool,
}

/// Reads a report.
pub fn read(source: &Source) -> Tree {
    let mut tree = if html::looks_like_html(&source.text) {
        html::read(&source.text)
    } else {
        markdown::read(&source.text)
    };
    shape::shape(&mut tree);
    tree
}

/// Collects blocks up to the bounds.
#[derive(Debug, Default)]
struct Collector {
    tree: Tree,
    cells: usize,
}

impl Collector {
    fn push(&mut self, mut block: Block, quoted: bool) {
        if self.tree.blocks.len() >= BLOCKS_MAX {
            self.tree.cut = true;
            return;
        }
        block.quoted = quoted;
        block.text.settle();
        if let Some(table) = &mut block.table {
            for cell in table
                .head
                .cells
                .iter_mut()
                .chain(table.rows.iter_mut().flat_map(|row| row.cells.iter_mut()))
            {
                cell.settle();
            }
        }
        if block.table.is_some() || !block.text.is_blank() {
            self.tree.blocks.push(block);
        }
    }

    /// Whether one more cell may be kept.
    fn cell(&mut self) -> bool {
        self.cells += 1;
        self.tree.cut |= self.cells > CELLS_MAX;
        self.cells <= CELLS_MAX
    }
}
