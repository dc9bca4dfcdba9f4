//! The five-part report: a pure function of an incident.
//!
//! One tree of blocks (`doc`) is written by five parts and rendered twice, as Markdown and as
//! HTML; charts are drawn by hand (`chart`, on `canvas`).
//!
//! # What always holds
//! - The five headings of CONTRACT.md stand there once, in order, whatever the journal holds.
//! - A number is measured, with its evidence in the list at the end, or the text says "not
//!   measured". What only people can know is an open question. Nothing is made up.
//! - Parts 1 to 4 say what was, not what should have been, and blame nobody.
//!
//! # What is deliberately absent
//! - Judgement over people, and the words of a review: those are questions.
//! - Reading Markdown. The linter (a later crate's business) reads; this only writes.

mod canvas;
mod cause;
mod chart;
mod doc;
mod evidence;
mod html;
mod markdown;
mod measures;
mod resolution;
mod summary;
mod timeline;

use weir_model::{Order, PoolKey, Wall};

use crate::incident::entry::{By, Kind};
use crate::incident::words::rfc3339;
use crate::incident::{Clocks, Incident, Row};
use crate::record::window::PoolWindow;
use doc::{Block, Cited, Document, Front, Line, Table};
use evidence::Book;

/// The report as Markdown with YAML front matter; its charts are files beside it ([`charts`]).
pub fn markdown(incident: &Incident) -> String {
    markdown::render(&document(incident))
}

/// The report as one HTML file, charts inline, nothing fetched, no script.
pub fn html(incident: &Incident) -> String {
    html::render(&document(incident))
}

/// The charts, as `(file name, SVG)`. None where the journal holds no series.
pub fn charts(incident: &Incident) -> Vec<(String, String)> {
    document(incident)
        .blocks
        .into_iter()
        .filter_map(|block| match block {
            Block::Figure { file, svg, .. } => Some((file.to_owned(), format!("{svg}\n"))),
            _ => None,
        })
        .collect()
}

fn document(incident: &Incident) -> Document {
    let mut draft = Draft {
        incident,
        clocks: incident.clocks(),
        book: Book::default(),
        blocks: vec![Block::Heading(1, incident.title())],
    };
    summary::write(&mut draft);
    timeline::write(&mut draft);
    cause::write(&mut draft);
    resolution::write(&mut draft);
    measures::write(&mut draft);
    Document {
        title: incident.title(),
        front: front(incident),
        blocks: draft.blocks,
    }
}

fn front(incident: &Incident) -> Vec<(&'static str, Front)> {
    let clocks = incident.clocks();
    let kind = match incident.kind {
        Kind::Real => "real",
        Kind::Drill => "drill",
        Kind::Declared => "declared",
    };
    vec![
        ("id", Front::Word(incident.id.to_string())),
        ("title", Front::Quoted(incident.title())),
        ("severity", Front::Word(incident.severity.to_string())),
        ("status", Front::Word(incident.status.to_string())),
        ("kind", Front::Word(kind.to_owned())),
        ("started", Front::Word(rfc3339(clocks.impact_started_at))),
        (
            "resolved",
            clocks
                .resolved_at
                .map_or(Front::Null, |at| Front::Word(rfc3339(at))),
        ),
        ("authors", Front::List(vec!["Weir (journal)".to_owned()])),
        ("reviewed_by", Front::Null),
    ]
}

/// A report under construction.
struct Draft<'a> {
    incident: &'a Incident,
    clocks: Clocks,
    book: Book,
    blocks: Vec<Block>,
}

impl Draft<'_> {
    fn heading(&mut self, text: &str) {
        self.blocks.push(Block::Heading(2, text.to_owned()));
    }

    fn para(&mut self, line: Line) {
        self.blocks.push(Block::Para(line));
    }

    fn list(&mut self, items: Vec<Line>) {
        if !items.is_empty() {
            self.blocks.push(Block::List(items));
        }
    }

    fn table(&mut self, caption: &str, head: &[&str], rows: Vec<Vec<Line>>) {
        self.blocks.push(Block::Table(Table {
            caption: caption.to_owned(),
            head: head.iter().map(|&h| h.to_owned()).collect(),
            rows,
        }));
    }

    /// Until when anything is known.
    fn end(&self) -> Wall {
        self.clocks.resolved_at.unwrap_or(self.incident.last_at)
    }

    fn pool(&self) -> Option<&PoolKey> {
        self.incident.pools.first()
    }

    fn samples_query(&self, from: Wall, to: Wall) -> String {
        let pool = self
            .pool()
            .map_or_else(String::new, |key| format!("pool={key}&"));
        format!(
            "GET /api/v1/samples?{pool}from={}&to={}",
            rfc3339(from),
            rfc3339(to)
        )
    }

    /// Counts of who was hurt.
    fn cite_impact(&mut self) -> Vec<Cited> {
        let to = self
            .incident
            .measured
            .as_ref()
            .map_or(self.end(), |m| m.at.max(self.clocks.impact_started_at));
        let query = format!("GET /api/v1/incidents/{} (impact)", self.incident.id);
        self.book.measured(
            "every transaction with its wait and outcome, counted when it ended",
            "weir_transactions_total",
            query,
            self.clocks.impact_started_at,
            to,
        )
    }

    /// Waits, servers in use and hold times from the onset on.
    fn cite_samples(&mut self) -> Vec<Cited> {
        let (from, to) = (self.clocks.impact_started_at, self.end());
        let query = self.samples_query(from, to);
        self.book.measured(
            "the pool in samples of 100 ms",
            "weir_pool_wait_seconds",
            query,
            from,
            to,
        )
    }

    /// The same before the onset.
    fn cite_baseline(&mut self) -> Vec<Cited> {
        let Some(baseline) = measured(self.incident.baseline.as_ref()) else {
            return Vec::new();
        };
        let onset = self.clocks.impact_started_at;
        // Windows carry process time; the journal ties it to civil time at the onset. After a
        // restart the two time lines have nothing to do with each other.
        let same_process = self
            .incident
            .measured
            .as_ref()
            .map(|m| m.during.from)
            .filter(|from| *from >= baseline.to && from.since(baseline.to).as_secs() < 600);
        let to = same_process.map_or(onset, |from| onset.before(from.since(baseline.to)));
        let from = to.before(baseline.length());
        let query = self.samples_query(from, to);
        self.book.measured(
            "the same pool before the onset",
            "weir_pool_wait_seconds",
            query,
            from,
            to,
        )
    }

    fn cite_decision(&mut self, decision: &str, at: Wall) -> Vec<Cited> {
        let query = match self.pool() {
            Some(key) => format!("GET /api/v1/decisions?pool={key}"),
            None => "GET /api/v1/decisions".to_owned(),
        };
        let end = self.end().max(at);
        self.book.measured(
            &format!("decision {decision} with its reason and its expected effect"),
            "weir_pool_size",
            query,
            at,
            end,
        )
    }

    /// What a row of the journal stands on: its own evidence, else the entry itself.
    fn cite_row(&mut self, row: &Row) -> Vec<Cited> {
        let cited = self.book.cite_all(&row.evidence);
        if cited.is_empty() && row.seq > 0 {
            vec![Cited::Journal(row.seq)]
        } else {
            cited
        }
    }
}

/// A window in which something was measured.
fn measured(window: Option<&PoolWindow>) -> Option<&PoolWindow> {
    window.filter(|w| w.samples > 0)
}

fn by_words(by: &By) -> &str {
    match by {
        By::Weir => "Weir",
        By::Person(name) | By::System(name) => name,
    }
}

/// An order as a person would type or say it.
pub(crate) fn order_words(order: &Order) -> String {
    match order {
        Order::Resize { size, .. } => format!("set the pool's size to {size}"),
        Order::Warm { servers, .. } => format!("keep at least {servers} servers open"),
        Order::Pause { .. } => "pause the pool".to_owned(),
        Order::Resume { .. } => "resume the pool".to_owned(),
        Order::CancelServer { server } => format!("cancel what server {server} executes"),
        Order::CloseClient { client, .. } => format!("close client {client}"),
        Order::CloseServer { server, now: true } => format!("close server {server} at once"),
        Order::CloseServer { server, now: false } => {
            format!("close server {server} when it is idle")
        }
        Order::Snapshot { .. } | Order::ConsoleReply { .. } => "nothing to undo".to_owned(),
        Order::Drain => "drain and exit".to_owned(),
    }
}
