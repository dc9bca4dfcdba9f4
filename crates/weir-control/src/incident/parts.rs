//! What an incident is made of: its status, clocks, rows, decisions, deliveries, numbers.

use weir_model::{Evidence, Wall};

use super::entry::{By, IncidentId};
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
            Self::Finding
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
