//! The five-part report: a pure function of an incident.
//!
//! One tree of blocks (`doc`) is written by five parts, or by one of the short forms
//! (`executive`, `public`), and rendered as Markdown, HTML or Confluence's storage format; charts
//! are drawn by hand (`chart`, on `canvas`). Actions become GitHub issues ([`issues`]), and an
//! operator's own template gets the whole as data ([`context`], [`template`]).
//!
//! # What always holds
//! - The five headings of CONTRACT.md stand there once, in order, whatever the journal holds.
//! - A number is measured, with its evidence in the list at the end, or the text says "not
//!   measured". What only people can know is an open question. Nothing is made up.
//! - What people said says by whom; it replaces nothing that was measured, and is not reworded.
//! - Parts 1 to 4 say what was, not what should have been, and blame nobody.
//!
//! # What is deliberately absent
//! - Judgement over people, and the words of a review: those are questions.
//! - Reading Markdown. The linter (a later crate's business) reads; this only writes.

mod canvas;
mod cause;
mod chart;
mod confluence;
mod doc;
mod evidence;
mod executive;
mod github;
mod glossary;
mod html;
mod markdown;
mod measures;
mod plain;
mod public;
mod redact;
mod resolution;
mod summary;
pub mod template;
mod timeline;

use serde_json::{Value, json};
use weir_model::{Evidence, Order, PoolKey, Wall};

use crate::incident::entry::{By, Kind, Role, Topic};
use crate::incident::words::{date, rfc3339};
use crate::incident::{Action, Clocks, Incident, Row, Statement, Status};
use crate::record::window::PoolWindow;
use doc::{Block, Cited, Document, Front, Line, Table};
use evidence::Book;

pub use executive::WORDS_MAX as EXECUTIVE_WORDS_MAX;
pub use github::Issue;

/// For whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// The five parts, with everything.
    #[default]
    Full,
    /// One page for who decides.
    Executive,
    /// For anybody: without names, addresses and statements.
    Public,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 3] = [Form::Full, Form::Executive, Form::Public];

    /// The name that every surface uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Executive => "executive",
            Self::Public => "public",
        }
    }
}

impl std::str::FromStr for Form {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|form| form.name() == text)
            .ok_or_else(|| {
                format!("`{text}` is no form of a report; known are full, executive, public")
            })
    }
}

/// As what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With YAML front matter; the charts are files beside it ([`charts`]).
    Markdown,
    /// One file, charts inline, nothing fetched, no script.
    Html,
    /// Storage format: the body of a page.
    Confluence,
}

/// A report in a form and a format.
pub fn render(incident: &Incident, form: Form, format: Format) -> String {
    rendered(&document(incident, form), format)
}

fn rendered(document: &Document, format: Format) -> String {
    match format {
        Format::Markdown => markdown::render(document),
        Format::Html => html::render(document),
        Format::Confluence => confluence::render(document),
    }
}

/// The full report as Markdown.
pub fn markdown(incident: &Incident) -> String {
    render(incident, Form::Full, Format::Markdown)
}

/// The full report as HTML.
pub fn html(incident: &Incident) -> String {
    render(incident, Form::Full, Format::Html)
}

/// The actions that are still to be done, as GitHub issues. `link`: where the API is found.
pub fn issues(incident: &Incident, link: Option<&str>) -> Vec<Issue> {
    github::issues(incident, link)
}

/// The same for programs.
pub fn issues_json(incident: &Incident, link: Option<&str>) -> Value {
    let issues: Vec<Value> = issues(incident, link)
        .iter()
        .map(|issue| {
            json!({
                "file": issue.file,
                "title": issue.title,
                "labels": issue.labels,
                "body": issue.body,
                "text": issue.text(),
            })
        })
        .collect();
    json!({ "schema": "weir.issues/1", "incident": incident.id.to_string(), "issues": issues })
}

/// What an operator's own template sees: the incident as `weir.incident/1` (not in the public
/// form), and each part of the report rendered.
pub fn context(incident: &Incident, form: Form) -> Value {
    let document = document(incident, form);
    let mut markdown = serde_json::Map::new();
    let mut html = serde_json::Map::new();
    for (name, part) in parts(&document, form) {
        markdown.insert(name.to_owned(), markdown::body(part).into());
        html.insert(name.to_owned(), html::body(part).into());
    }
    let mut context = json!({
        "schema": "weir.report/1",
        "form": form.name(),
        "title": document.title,
        "front": document.front.iter().map(|(key, value)| ((*key).to_owned(), match value {
            Front::Word(text) | Front::Quoted(text) => json!(text),
            Front::List(texts) => json!(texts),
            Front::Null => Value::Null,
        })).collect::<serde_json::Map<_, _>>(),
        "markdown": markdown,
        "html": html,
    });
    if form == Form::Full {
        context["incident"] = crate::incident::json::document(incident);
    }
    context
}

/// The parts of a document under the names that templates use.
fn parts(document: &Document, form: Form) -> Vec<(&'static str, &[Block])> {
    const NAMES: [&str; 5] = ["summary", "timeline", "cause", "resolution", "measures"];
    let blocks = document.blocks.as_slice();
    let mut all = vec![("report", blocks)];
    if form == Form::Full {
        let heads: Vec<usize> = (0..blocks.len())
            .filter(|&i| matches!(blocks[i], Block::Heading(2, _)))
            .collect();
        for (index, name) in NAMES.into_iter().enumerate() {
            if let Some(&start) = heads.get(index) {
                let end = heads.get(index + 1).copied().unwrap_or(blocks.len());
                all.push((name, &blocks[start + 1..end]));
            }
        }
    }
    all
}

/// The charts, as `(file name, SVG)`. None where the journal holds no series.
pub fn charts(incident: &Incident) -> Vec<(String, String)> {
    full(incident)
        .blocks
        .into_iter()
        .filter_map(|block| match block {
            Block::Figure { file, svg, .. } => Some((file.to_owned(), format!("{svg}\n"))),
            _ => None,
        })
        .collect()
}

fn document(incident: &Incident, form: Form) -> Document {
    match form {
        Form::Full => full(incident),
        Form::Executive => executive::document(incident),
        Form::Public => public::document(incident),
    }
}

fn full(incident: &Incident) -> Document {
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
    let mut blocks = draft.blocks;
    glossary::explain(&mut blocks);
    Document {
        title: incident.title(),
        front: front(incident),
        blocks,
    }
}

fn front(incident: &Incident) -> Vec<(&'static str, Front)> {
    let clocks = incident.clocks();
    let kind = match incident.kind {
        Kind::Real => "real",
        Kind::Drill => "drill",
        Kind::Declared => "declared",
    };
    let reviewed = incident.review.as_ref();
    vec![
        ("id", Front::Word(incident.id.to_string())),
        ("title", Front::Quoted(incident.title())),
        ("severity", Front::Word(incident.severity.to_string())),
        ("status", Front::Word(status(incident).to_string())),
        ("kind", Front::Word(kind.to_owned())),
        ("date", Front::Word(date(clocks.impact_started_at))),
        ("started", Front::Word(rfc3339(clocks.impact_started_at))),
        (
            "resolved",
            clocks
                .resolved_at
                .map_or(Front::Null, |at| Front::Word(rfc3339(at))),
        ),
        ("authors", Front::List(authors(incident))),
        (
            "reviewed",
            reviewed.map_or(Front::Null, |row| Front::Word(date(row.at))),
        ),
        (
            "reviewed_by",
            reviewed.map_or(Front::Null, |row| {
                Front::Quoted(by_words(&row.by).to_owned())
            }),
        ),
    ]
}

/// Who wrote it: Weir, and everybody whose words stand in it.
fn authors(incident: &Incident) -> Vec<String> {
    const NAMED: usize = 8;
    let mut names = vec!["Weir (journal)".to_owned()];
    let scribes = incident
        .assignments
        .iter()
        .filter(|a| a.role == Role::Scribe)
        .map(|a| a.to.as_str());
    let speakers = incident.stated.iter().map(|s| by_words(&s.by));
    for name in scribes.chain(speakers) {
        if names.len() <= NAMED && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The actions that a report shows. Where people wrote their own for an incident that nothing
/// measured, Weir has nothing to propose beside them.
fn actions(incident: &Incident) -> Vec<Action> {
    let mut actions = incident.actions();
    let measured = incident.level.is_some() || incident.measured.is_some();
    if !measured && actions.iter().any(|a| a.adopted) {
        actions.retain(|a| a.adopted);
    }
    actions
}

/// How far it is, for a reader: an incident that nothing measured is over when its clocks say so.
fn status(incident: &Incident) -> Status {
    let clocks = incident.clocks();
    let told = match (
        clocks.resolved_at,
        clocks.mitigated_at,
        clocks.acknowledged_at,
    ) {
        _ if incident.level.is_some() => Status::Open,
        (Some(_), _, _) => Status::Resolved,
        (None, Some(_), _) => Status::Mitigated,
        (None, None, Some(_)) => Status::Acknowledged,
        (None, None, None) => Status::Open,
    };
    // A resolution that was corrected away ends nothing.
    let reached = match incident.status {
        Status::Resolved if clocks.resolved_at.is_none() => Status::Open,
        status => status,
    };
    reached.max(told)
}

/// The latest statement about the first of these topics that has one.
fn statement<'a>(incident: &'a Incident, topics: &[Topic]) -> Option<&'a Statement> {
    topics
        .iter()
        .find_map(|&topic| incident.stated_about(topic).last())
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

    /// What was stated about a topic: each with who says so, at most `most`.
    fn stated(&self, topic: Topic, most: usize) -> Vec<Line> {
        self.incident
            .stated_about(topic)
            .take(most)
            .map(stated_line)
            .collect()
    }

    /// The same as paragraphs under one label. False where nothing was stated.
    fn stated_para(&mut self, label: &str, topic: Topic) -> bool {
        let mut lines = self.stated(topic, STATED_MAX);
        let label = Line::new().strong(label);
        match lines.len() {
            0 => return false,
            1 => {
                let mut line = label.text(" ");
                line.0.append(&mut lines[0].0);
                self.para(line);
            }
            _ => {
                self.para(label);
                self.list(lines);
            }
        }
        true
    }

    /// Whether Weir saw anything of it itself. An incident that people declared, or that came out
    /// of a report, has no level and no numbers, and says so once instead of in every row.
    fn was_seen(&self) -> bool {
        let incident = self.incident;
        incident.level.is_some()
            || incident.measured.is_some()
            || incident.baseline.is_some()
            || !incident.points.is_empty()
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
        match self.baseline_evidence() {
            Some(evidence) => self.book.cite(&evidence),
            None => Vec::new(),
        }
    }

    /// When the usual was measured, in civil time.
    fn baseline_times(&self) -> Option<(Wall, Wall)> {
        let baseline = measured(self.incident.baseline.as_ref())?;
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
        Some((to.before(baseline.length()), to))
    }

    fn baseline_evidence(&self) -> Option<Evidence> {
        let (from, to) = self.baseline_times()?;
        Some(Evidence {
            says: "the same pool before the onset".to_owned(),
            metric: "weir_pool_wait_seconds".to_owned(),
            value: f64::NAN,
            baseline: None,
            query: self.samples_query(from, to),
            from,
            to,
        })
    }

    /// What isn't in the journal stands on the whole of it.
    fn cite_whole(&self) -> Vec<Cited> {
        vec![Cited::Whole(self.incident.seq)]
    }

    /// The row's own evidence, or the whole journal where it follows from several entries.
    fn cite_row_or_whole(&mut self, row: &Row) -> Vec<Cited> {
        let cited = self.cite_row(row);
        if cited.is_empty() {
            self.cite_whole()
        } else {
            cited
        }
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

/// So many statements of one topic are read; the rest stands in the JSON.
const STATED_MAX: usize = 20;

/// What somebody said, and who.
fn stated_line(stated: &Statement) -> Line {
    let mut line = Line::new().told(&stated.says).text(" (");
    if let Some(at) = stated.happened_at {
        line = line.text(format!(
            "at {} {} UTC; ",
            date(at),
            crate::incident::words::time_of_day(at)
        ));
    }
    line.text("stated by ")
        .says(by_words(&stated.by))
        .text(")")
        .cite(&[Cited::Journal(stated.seq)])
        .text(".")
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
        Order::Drain | Order::Shutdown { .. } => "drain and exit".to_owned(),
        Order::Configure { .. } => "run new settings".to_owned(),
        Order::Database { act, database, .. } => {
            let which = database.as_deref().unwrap_or("all databases");
            format!("{} {which}", act.name())
        }
        Order::KillClient { client } => format!("close client {client}"),
        Order::Suspend { .. } => "suspend".to_owned(),
    }
}
