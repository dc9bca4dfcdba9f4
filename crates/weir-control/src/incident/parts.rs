//! What an incident is made of: its status, clocks, rows, decisions, deliveries, numbers.

use weir_model::{Evidence, Wall};

use super::entry::{ActionStatus, ActionType, AlertStatus, By, ClockName, IncidentId, Role, Topic};
use crate::record::window::{ImpactWindow, PoolWindow};

/// How far an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nobody has it yet.
    Open,
    /// Somebody has it.
    Acknowledged,
    /// The objective is met again; watched until it stays so.
    Mitigated,
    /// Over.
    Resolved,
    /// A second pair of eyes went over the report.
    Reviewed,
    /// Its actions are done or declined.
    Closed,
}

impl Status {
    /// The name that every surface uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Mitigated => "mitigated",
            Self::Resolved => "resolved",
            Self::Reviewed => "reviewed",
            Self::Closed => "closed",
        }
    }

    /// True until it is resolved.
    pub fn is_ongoing(self) -> bool {
        self < Self::Resolved
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a journal couldn't be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayFault {
    /// No entries at all.
    #[error("the journal is empty; an incident begins with an `opened` entry, seq 1")]
    Empty,
    /// The first entry is something else.
    #[error("the journal of {incident} begins with `{entry}`; it must begin with `opened`, seq 1")]
    NotOpened {
        /// Which.
        incident: IncidentId,
        /// What it begins with.
        entry: &'static str,
    },
    /// A second `opened`.
    #[error("the journal of {incident} opens a second time at seq {seq}")]
    OpenedTwice {
        /// Which.
        incident: IncidentId,
        /// Where.
        seq: u32,
    },
    /// A number is missing, repeated or out of order.
    #[error("the journal of {incident} goes from seq {after} to seq {found}; {} is missing", after + 1)]
    Gap {
        /// Which.
        incident: IncidentId,
        /// The last good one.
        after: u32,
        /// What came.
        found: u32,
    },
    /// A number came again, or too late.
    #[error(
        "the journal of {incident} has seq {found} after seq {after}; entries must come in order, once"
    )]
    OutOfOrder {
        /// Which.
        incident: IncidentId,
        /// The last good one.
        after: u32,
        /// What came.
        found: u32,
    },
    /// An entry of another incident.
    #[error("an entry of {found} (seq {seq}) stands in the journal of {incident}")]
    WrongIncident {
        /// Whose journal it is.
        incident: IncidentId,
        /// Whose entry came.
        found: IncidentId,
        /// Where.
        seq: u32,
    },
}

/// When things happened. All but the first two may never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// First transaction delayed or failed beyond the objective.
    pub impact_started_at: Wall,
    /// The detector was sure.
    pub detected_at: Wall,
    /// First diagnosis whose top cause is the final one; `None` while it is `unknown`.
    pub cause_named_at: Option<Wall>,
    /// Somebody took it.
    pub acknowledged_at: Option<Wall>,
    /// The objective was met again.
    pub mitigated_at: Option<Wall>,
    /// Over.
    pub resolved_at: Option<Wall>,
}

/// What set it off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// The entry that says so.
    pub seq: u32,
    /// One sentence.
    pub says: String,
    /// When, if known.
    pub at: Option<Wall>,
}

/// A decision of the regulator.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// When.
    pub at: Wall,
    /// `D-118`.
    pub decision: String,
    /// "grow 10 → 18".
    pub says: String,
    /// Why, with numbers.
    pub because: String,
    /// What should come of it.
    pub expected: String,
    /// True if an order was given.
    pub acted: bool,
    /// Size before.
    pub from_size: Option<u32>,
    /// Size meant.
    pub to_size: Option<u32>,
}

/// A message that went out, or didn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The entry that says so.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// "alertmanager", "webhook".
    pub channel: String,
    /// Accepted.
    pub ok: bool,
    /// "202 accepted", or the error.
    pub says: String,
    /// Which step of the escalation sent it.
    pub step: Option<u32>,
    /// To whom, where that was written down.
    pub to: Option<String>,
}

/// The next one was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// The entry that says so.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// To whom.
    pub to: String,
    /// Which step, from one; zero where it wasn't written down.
    pub step: u32,
    /// By which channel.
    pub channel: String,
    /// Why.
    pub says: String,
}

/// Somebody got a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The entry that says so.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// Who gave it.
    pub by: By,
    /// Which.
    pub role: Role,
    /// Who has it.
    pub to: String,
}

/// What stakeholders were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The entry that says so.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// Who told them.
    pub by: By,
    /// Who is hurt, and how.
    pub impact: String,
    /// What is being done.
    pub doing: String,
    /// When they hear more.
    pub next_update_at: Option<Wall>,
    /// The whole text.
    pub says: String,
}

/// A clock that was set anew by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    /// The entry that says so.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// Who.
    pub by: By,
    /// Which clock.
    pub clock: ClockName,
    /// What it showed.
    pub from: Option<Wall>,
    /// What it shows.
    pub to: Option<Wall>,
    /// Why.
    pub says: String,
}

/// An earlier incident of the same cause and object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelatedTo {
    /// The entry that says so.
    pub seq: u32,
    /// When that was seen.
    pub at: Wall,
    /// Which.
    pub to: IncidentId,
    /// What they have in common.
    pub says: String,
    /// Its actions that were still open then.
    pub open_actions: Vec<String>,
}

/// An alert of another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideAlert {
    /// The entry that says so.
    pub seq: u32,
    /// When it came in.
    pub at: Wall,
    /// Who brought it.
    pub by: By,
    /// Its summary.
    pub says: String,
    /// Which system.
    pub source: String,
    /// What makes two alerts the same one.
    pub fingerprint: String,
    /// Whether it goes on.
    pub status: Option<AlertStatus>,
    /// Where to look.
    pub link: Option<String>,
}

/// What a person states for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The entry that says so.
    pub seq: u32,
    /// When it was written down.
    pub at: Wall,
    /// Who says it.
    pub by: By,
    /// What it is about.
    pub topic: Topic,
    /// What.
    pub says: String,
    /// When that was, where it has a time.
    pub happened_at: Option<Wall>,
}

/// The answer to an open question of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenAnswer {
    /// The entry that says so.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// Who answered.
    pub by: By,
    /// The question, word by word.
    pub question: String,
    /// The answer.
    pub says: String,
}

/// Once that an action's verification was run.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The entry that says so.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// Who looked.
    pub by: By,
    /// It held.
    pub ok: bool,
    /// What was seen.
    pub says: String,
    /// With what.
    pub evidence: Vec<Evidence>,
}

/// A measure: proposed from cause and factors, or standing in the journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// `A1`.
    pub id: String,
    /// Imperative, bounded.
    pub says: String,
    /// "cause", "F1, F2".
    pub for_what: String,
    /// What for.
    pub kind: ActionType,
    /// `p1` to `p4`.
    pub priority: String,
    /// A query or drill that Weir can run.
    pub verify: String,
    /// A person or a team.
    pub owner: Option<String>,
    /// `2026-12-01`.
    pub due: Option<String>,
    /// A link.
    pub tracker: Option<String>,
    /// How far it is.
    pub status: ActionStatus,
    /// True once it stands in the journal; before, it is a proposal and may change.
    pub adopted: bool,
    /// When its status changed last; `None` while it is as it was added.
    pub status_at: Option<Wall>,
    /// Why it is declined, done or open again: the words of the last change of status.
    pub status_says: String,
    /// When its verification was run, oldest first, at most [`super::CHECKS_MAX`]: the latest.
    pub checks: Vec<Check>,
}

/// The last numbers of impact.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// When they were written down.
    pub at: Wall,
    /// Who was hurt.
    pub impact: ImpactWindow,
    /// The pool meanwhile.
    pub during: PoolWindow,
    /// The pool since recovery.
    pub after: Option<PoolWindow>,
    /// "query comment key user_id", "not measured".
    pub users_known_by: String,
    /// Failed in the middle of a transaction, where counted.
    pub cut_in_transaction: Option<u64>,
}

/// What a timeline row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// What set it off.
    Trigger,
    /// Users begin to be hurt.
    Impact,
    /// It came back within its watch window.
    CameBack,
    /// The detector was sure.
    Detected,
    /// Diagnosis, level or severity.
    Finding,
    /// The cause that stayed.
    Identified,
    /// The regulator decided.
    Decision,
    /// Something was done.
    Action,
    /// Somebody wrote something down.
    Note,
    /// Somebody took it.
    Ack,
    /// The next one was called.
    Escalated,
    /// A message went out, or an outside alert came in.
    Alert,
    /// The objective was met again.
    Mitigated,
    /// Over.
    Resolved,
    /// It was not that.
    RuledOut,
    /// Stakeholders were told.
    Update,
    /// A deploy, a change of configuration.
    Marker,
    /// Somebody got a role.
    Assigned,
    /// A clock was set anew.
    Correction,
    /// A second pair of eyes went over the report.
    Reviewed,
    /// Its actions are done or declined.
    Closed,
}

impl RowKind {
    /// CONTRACT.md's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Impact | Self::CameBack => "impact",
            Self::Detected => "detected",
            Self::Trigger | Self::Finding | Self::Identified | Self::RuledOut => "finding",
            Self::Decision => "decision",
            Self::Action => "action",
            Self::Note => "note",
            Self::Ack => "ack",
            Self::Escalated => "escalated",
            Self::Alert => "alert",
            Self::Mitigated => "mitigated",
            Self::Resolved => "resolved",
            Self::Update => "update",
            Self::Marker => "marker",
            Self::Assigned => "assigned",
            Self::Correction => "correction",
            Self::Reviewed => "reviewed",
            Self::Closed => "closed",
        }
    }

    /// The clock that stops here, for the reader's eye.
    pub fn tag(self) -> Option<&'static str> {
        match self {
            Self::Trigger => Some("trigger"),
            Self::Impact => Some("impact starts"),
            Self::CameBack => Some("impact again"),
            Self::Detected => Some("detected"),
            Self::Identified => Some("identified"),
            Self::Ack => Some("acknowledged"),
            Self::Escalated => Some("escalated"),
            Self::Mitigated => Some("mitigated"),
            Self::Resolved => Some("resolved"),
            Self::Update => Some("update"),
            Self::Marker => Some("marker"),
            Self::Reviewed => Some("reviewed"),
            Self::Closed => Some("closed"),
            Self::Assigned
            | Self::Correction
            | Self::Finding
            | Self::RuledOut
            | Self::Decision
            | Self::Action
            | Self::Note
            | Self::Alert => None,
        }
    }
}

/// One row of the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The journal entry it stands on; zero where it follows from several.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// What it is.
    pub kind: RowKind,
    /// By whom.
    pub by: By,
    /// What.
    pub says: String,
    /// With what.
    pub evidence: Vec<Evidence>,
}
