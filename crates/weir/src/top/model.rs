//! What `weir top` knows and shows: a value. [`Model::on`] takes what happened and says what should
//! be done; `draw` makes a picture of it. Neither reads a clock, a socket or a terminal.
//!
//! # Bounds
//! History as in [`super::history`]; [`LOG_MAX`] lines of the log; [`DECISIONS_MAX`] decisions; of
//! each other document the last one told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ratatui::crossterm::event::KeyEvent;
use serde_json::Value;
use weir_model::{Instant, Wall};

use super::grid::Sort;
use super::history::{History, Moment};
use super::skin::{Skin, Tone};
use super::told::{ClientList, Decision, Incident, Overview, Pool, QueryList, Status};
use super::waits::Waits;

/// Lines that the log keeps.
pub(crate) const LOG_MAX: usize = 1_000;
/// Decisions that are kept.
pub(crate) const DECISIONS_MAX: usize = 500;
/// How often one may ask; the middle is the default.
pub(crate) const RATES: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum View {
    #[default]
    Overview,
    Pools,
    Clients,
    Queries,
    Waits,
    Incidents,
    Decisions,
    Log,
}

impl View {
    pub(crate) const ALL: [View; 8] = [
        View::Overview,
        View::Pools,
        View::Clients,
        View::Queries,
        View::Waits,
        View::Incidents,
        View::Decisions,
        View::Log,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            View::Overview => "Overview",
            View::Pools => "Pools",
            View::Clients => "Clients",
            View::Queries => "Queries",
            View::Waits => "Waits",
            View::Incidents => "Incidents",
            View::Decisions => "Decisions",
            View::Log => "Log",
        }
    }
}

/// A thing that was looked into. The texts are ids of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Pool {
        database: String,
        user: String,
    },
    Client(u64),
    Query(String),
    Wait(String),
    Incident(String),
    Decision(String),
    /// A line of the log, by its number.
    Line(u64),
}

/// What is asked of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Doc {
    Pools,
    Status,
    Overview,
    Clients,
    Queries,
    Waits,
    Incidents,
    Incident,
    Decisions,
    Samples,
}

/// Why an answer isn't one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nobody answered.
    Unreachable(String),
    /// Somebody did, and said no.
    Refused {
        status: u16,
        code: String,
        says: String,
    },
    /// Somebody did, in another language.
    Strange(String),
}

impl Fault {
    pub(crate) fn says(&self) -> String {
        match self {
            Fault::Unreachable(says) => says.clone(),
            Fault::Refused { status: 401, .. } => {
                "the API wants another token: --token-file FILE, or WEIR_API_TOKEN".to_owned()
            }
            Fault::Refused { says, .. } => says.clone(),
            Fault::Strange(says) => format!("that is no answer of a Weir: {says}"),
        }
    }
}

/// What came in.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Resize(u16, u16),
    /// Time passed.
    Tick,
    News(News),
    /// The process was stopped and goes on.
    Woken,
    /// The process is asked to stop for a while.
    Suspend,
    /// The process is asked to end.
    Stop,
}

#[derive(Clone, Debug)]
pub(crate) enum News {
    Answer {
        doc: Doc,
        /// What was asked for, as it was asked.
        path: String,
        result: Result<Value, Fault>,
    },
    /// What came of an order.
    Done {
        what: String,
        result: Result<Value, Fault>,
    },
    /// What an order would do: the API's words for what is being confirmed.
    Foretold {
        number: u64,
        result: Result<Value, Fault>,
    },
    StreamOpen,
    StreamEnded(String),
    Event {
        name: String,
        id: String,
        data: Value,
    },
}

/// What should be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Ask {
        doc: Doc,
        path: String,
    },
    /// An order. `what` is said with its outcome.
    Tell {
        what: String,
        path: String,
        body: Value,
    },
    /// What would this order do?
    Foretell {
        number: u64,
        path: String,
        body: Value,
    },
    Listen {
        last_id: Option<String>,
    },
    /// Into the terminal's clipboard.
    Copy(String),
    Suspend,
    Quit,
}

/// The way to the API.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    pub(crate) up: bool,
    /// When it answered last.
    pub(crate) heard: Option<Instant>,
    /// Failures in a row.
    pub(crate) failures: u32,
    pub(crate) retry_at: Instant,
    pub(crate) says: String,
}

/// The stream of events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) open: bool,
    pub(crate) asked: bool,
    pub(crate) last_id: Option<String>,
    pub(crate) failures: u32,
    pub(crate) retry_at: Instant,
}

/// When a document was asked for, and what came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slot {
    pub(crate) asked_at: Option<Instant>,
    pub(crate) in_flight: bool,
    /// What the kept document answers.
    pub(crate) path: String,
    /// Why there is none, or none newer.
    pub(crate) fault: Option<Fault>,
    pub(crate) told_at: Option<Instant>,
}

/// Which moment is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) enum Look {
    #[default]
    Live,
    /// Kept whole, also when it leaves the history.
    At(Arc<Moment>),
}

/// What keys mean now.
#[derive(Clone, Debug, Default)]
pub(crate) enum Mode {
    #[default]
    Normal,
    /// A filter is typed; Esc brings back the old one.
    Filter {
        old: String,
    },
    Prompt(Prompt),
    Confirm(Confirm),
    Help,
}

/// Words that are asked of the person.
#[derive(Clone, Debug)]
pub(crate) struct Prompt {
    pub(crate) title: String,
    pub(crate) by: String,
    pub(crate) text: String,
    /// The text is typed, rather than the name.
    pub(crate) at_text: bool,
    pub(crate) path: String,
}

/// An order that waits for a yes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Confirm {
    pub(crate) number: u64,
    pub(crate) what: String,
    /// What it will do.
    pub(crate) says: Vec<String>,
    pub(crate) undo: String,
    pub(crate) path: String,
    pub(crate) body: Value,
}

#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) number: u64,
    pub(crate) at: Wall,
    pub(crate) kind: String,
    pub(crate) by: String,
    pub(crate) says: String,
    pub(crate) tone: Tone,
}

/// How one table is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks {
    pub(crate) chosen: Option<String>,
    pub(crate) sort: Sort,
    pub(crate) filter: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    // What was given at the start.
    pub(crate) url: String,
    /// Who acts: goes into every order.
    pub(crate) by: String,
    pub(crate) skin: Skin,
    /// Our civil time at [`Instant::ZERO`]; used only until Weir has told its own.
    pub(crate) started: Wall,

    // What was told.
    pub(crate) history: History,
    pub(crate) status: Option<Status>,
    pub(crate) overview: Option<Overview>,
    pub(crate) clients: Option<ClientList>,
    pub(crate) queries: Option<QueryList>,
    pub(crate) waits: Option<Waits>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) incident: Option<Incident>,
    /// Newest first.
    pub(crate) decisions: VecDeque<Decision>,
    /// Newest last.
    pub(crate) log: VecDeque<LogLine>,
    pub(crate) lines: u64,
    pub(crate) slots: BTreeMap<Doc, Slot>,
    pub(crate) link: Link,
    pub(crate) stream: Stream,
    /// How far back the recorder has been asked, and how often.
    pub(crate) backfill: Option<(Wall, u32)>,

    // How it is looked at.
    pub(crate) now: Instant,
    pub(crate) size: (u16, u16),
    pub(crate) view: View,
    pub(crate) looks: BTreeMap<View, Looks>,
    pub(crate) pages: Vec<Page>,
    pub(crate) scroll: usize,
    pub(crate) look: Look,
    pub(crate) mode: Mode,
    /// Index into [`RATES`].
    pub(crate) rate: usize,
    /// Said in the last line, until then.
    pub(crate) notice: Option<(String, Tone, Instant)>,
    pub(crate) orders: u64,
    /// Orders whose outcome isn't known yet.
    pub(crate) pending: u32,
}

impl Model {
    pub(crate) fn new(
        url: String,
        by: String,
        skin: Skin,
        started: Wall,
        size: (u16, u16),
    ) -> Self {
        Self {
            started,
            url,
            by,
            skin,
            size,
            history: History::default(),
            status: None,
            overview: None,
            clients: None,
            queries: None,
            waits: None,
            incidents: Vec::new(),
            incident: None,
            decisions: VecDeque::new(),
            log: VecDeque::new(),
            lines: 0,
            slots: BTreeMap::new(),
            link: Link::default(),
            stream: Stream::default(),
            backfill: None,
            now: Instant::ZERO,
            view: View::Overview,
            looks: BTreeMap::new(),
            pages: Vec::new(),
            scroll: 0,
            look: Look::Live,
            mode: Mode::Normal,
            rate: 2,
            notice: None,
            orders: 0,
            pending: 0,
        }
    }

    /// What happened, and when; what should be done about it.
    pub(crate) fn on(&mut self, input: Input, now: Instant) -> Vec<Command> {
        self.now = now;
        if self
            .notice
            .as_ref()
            .is_some_and(|(_, _, until)| *until <= now)
        {
            self.notice = None;
        }
        let mut commands = match input {
            Input::Key(key) => self.on_key(key),
            Input::Resize(width, height) => {
                self.size = (width, height);
                Vec::new()
            }
            Input::Tick | Input::Woken => Vec::new(),
            Input::News(news) => {
                self.on_news(news);
                Vec::new()
            }
            Input::Suspend => vec![Command::Suspend],
            Input::Stop => vec![Command::Quit],
        };
        let orders = commands
            .iter()
            .filter(|c| matches!(c, Command::Tell { .. }));
        self.pending += u32::try_from(orders.count()).unwrap_or(0);
        commands.extend(self.due());
        commands
    }

    pub(crate) fn every(&self) -> Duration {
        RATES[self.rate.min(RATES.len() - 1)]
    }

    /// The moment that is shown.
    pub(crate) fn moment(&self) -> Option<&Arc<Moment>> {
        match &self.look {
            Look::Live => self.history.newest(),
            Look::At(moment) => Some(moment),
        }
    }

    /// Where one looks, if not at now.
    pub(crate) fn past(&self) -> Option<Wall> {
        match &self.look {
            Look::Live => None,
            Look::At(moment) => Some(moment.at),
        }
    }

    pub(crate) fn pools(&self) -> &[Pool] {
        self.moment().map_or(&[], |moment| &moment.pools)
    }

    pub(crate) fn looks(&self) -> Looks {
        self.looks
            .get(&self.view)
            .cloned()
            .unwrap_or_else(|| Looks {
                sort: super::draw::first_sort(self.view),
                ..Looks::default()
            })
    }

    pub(crate) fn looks_mut(&mut self) -> &mut Looks {
        let first = super::draw::first_sort(self.view);
        self.looks.entry(self.view).or_insert_with(|| Looks {
            sort: first,
            ..Looks::default()
        })
    }

    pub(crate) fn page(&self) -> Option<&Page> {
        self.pages.last()
    }

    pub(crate) fn say(&mut self, says: impl Into<String>, tone: Tone) {
        let until = self.now.after(Duration::from_secs(8));
        self.notice = Some((says.into(), tone, until));
    }

    /// Civil time, as Weir told it last.
    pub(crate) fn wall(&self) -> Wall {
        let newest = self.history.newest().map_or(Wall::default(), |m| m.at);
        match self.link.heard {
            Some(heard) => newest.after(self.now.since(heard)),
            None => newest,
        }
    }

    pub(crate) fn note(&mut self, at: Wall, kind: &str, by: &str, says: String, tone: Tone) {
        self.lines += 1;
        self.log.push_back(LogLine {
            number: self.lines,
            at,
            kind: kind.to_owned(),
            by: by.to_owned(),
            says,
            tone,
        });
        if self.log.len() > LOG_MAX {
            self.log.pop_front();
        }
    }

    /// Open, acknowledged or mitigated, the newest first as the API lists them.
    pub(crate) fn ongoing(&self) -> impl Iterator<Item = &Incident> {
        self.incidents
            .iter()
            .filter(|incident| incident.is_ongoing())
    }
}
