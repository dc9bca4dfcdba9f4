//! The journal's entries. An incident is what follows from them and nothing else.

use serde::{Deserialize, Serialize};
use weir_model::{CauseFinding, Evidence, Level, PoolKey, RuledOut, Severity, Wall};

pub use super::nouns::{
    ActionStatus, ActionText, ActionType, AlertStatus, ClockName, NoteKind, Role, Topic,
};
use crate::record::window::{ImpactWindow, PoolWindow};

/// An incident's number; prints as `INC-7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl std::fmt::Display for IncidentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "INC-{}", self.0)
    }
}

impl std::str::FromStr for IncidentId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text
            .strip_prefix("INC-")
            .or_else(|| text.strip_prefix("inc-"))
            .unwrap_or(text);
        digits
            .parse()
            .map(IncidentId)
            .map_err(|_| format!("`{text}` is no incident id; they look like INC-7"))
    }
}

/// Who did or said something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Weir itself.
    Weir,
    /// A person, by name.
    Person(String),
    /// Another system, by name.
    System(String),
}

/// How an incident came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It happened.
    Real,
    /// Caused on purpose.
    Drill,
    /// Declared by a person.
    Declared,
}

/// One point of the charts that a report draws: one second of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChartPoint {
    /// End of the second.
    pub at: Wall,
    /// Size allowed.
    pub size: u32,
    /// Linked servers (most in the second).
    pub active: u32,
    /// Waiting clients (most in the second).
    pub waiting: u32,
    /// Oldest wait in seconds (most in the second).
    pub oldest_wait_s: f64,
    /// Wait p99 in seconds of the waits that ended in the second.
    pub wait_p99_s: f64,
    /// Offered transactions.
    pub arrivals: u32,
    /// Completed transactions.
    pub completions: u32,
    /// Failed or abandoned transactions.
    pub failures: u32,
    /// Server-seconds held executing.
    pub executing_s: f64,
    /// Server-seconds held thinking.
    pub thinking_s: f64,
    /// Server-seconds held for the network.
    pub network_s: f64,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Said {
    /// The first entry.
    Opened {
        /// How it came about.
        kind: Kind,
        /// Which pools; none where nobody named one.
        #[serde(default)]
        pools: Vec<PoolKey>,
        /// What is odd; `None` where no detector said so: a declared or imported incident.
        #[serde(default)]
        level: Option<Level>,
        /// How bad at first sight.
        severity: Severity,
        /// First transaction that was delayed or failed beyond the objective.
        impact_started_at: Wall,
        /// When the detector was sure.
        detected_at: Wall,
        /// `weir`, `alert`, `person`.
        detected_by: String,
        /// "99% of waits < 10ms".
        objective: String,
        /// The rule that fired, with its numbers.
        evidence: Vec<Evidence>,
        /// Ten seconds or more before the onset: what "usual" was.
        baseline: Option<Box<PoolWindow>>,
        /// What a person, a report or an alert calls it.
        #[serde(default)]
        title: Option<String>,
        /// Which service, where that is more than the pools' names.
        #[serde(default)]
        service: Option<String>,
    },
    /// Another level, higher or lower.
    LevelChanged {
        /// The new one.
        level: Level,
        /// Why.
        says: String,
        /// With what.
        evidence: Vec<Evidence>,
    },
    /// Another judgement of how bad.
    SeverityChanged {
        /// The new one.
        severity: Severity,
        /// Why.
        says: String,
    },
    /// Diagnosis spoke. The latest counts; the first that named the final top cause sets
    /// `cause_named_at`.
    Diagnosed {
        /// Ranked, best first.
        causes: Vec<CauseFinding>,
        /// What it is not.
        ruled_out: Vec<RuledOut>,
        /// What set it off, if seen.
        trigger: Option<String>,
        /// When the trigger was.
        trigger_at: Option<Wall>,
    },
    /// The regulator decided something for a pool of this incident (also: to recommend).
    Decided {
        /// The decision's number: `D-118`.
        decision: String,
        /// "grow 10 → 18" or "recommend 10 → 18".
        says: String,
        /// Why, with numbers.
        because: String,
        /// What should come of it.
        expected: String,
        /// True if an order was given.
        acted: bool,
        /// The pool's size before and after, where it changes.
        from_size: Option<u32>,
        /// The size meant.
        to_size: Option<u32>,
    },
    /// Something was done: an order carried out, a fault lifted by a person.
    Action {
        /// What.
        says: String,
        /// With what.
        evidence: Vec<Evidence>,
    },
    /// A person (or a system) wrote something down.
    Note {
        /// What.
        says: String,
        /// When it happened, where that isn't when it was written down.
        #[serde(default)]
        happened_at: Option<Wall>,
        /// What it tells of; `None`: a remark.
        #[serde(default)]
        kind: Option<NoteKind>,
    },
    /// Somebody has it.
    Acknowledged {
        /// Words, may be empty.
        says: String,
    },
    /// A page or message went out, or didn't.
    Notified {
        /// "alertmanager", "webhook".
        channel: String,
        /// Accepted by the other side.
        ok: bool,
        /// "202 accepted", or the error.
        says: String,
        /// Which step of the escalation sent it; `None`: sent to everybody.
        #[serde(default)]
        step: Option<u32>,
        /// To whom, where the channel alone doesn't say.
        #[serde(default)]
        to: Option<String>,
    },
    /// The wait objective is met again (first of the seconds that led to resolution).
    Mitigated {
        /// How it is known.
        says: String,
        /// With what.
        evidence: Vec<Evidence>,
    },
    /// Over.
    Resolved {
        /// How it is known, or a person's words.
        says: String,
        /// With what.
        evidence: Vec<Evidence>,
    },
    /// It came back within the watch window.
    Reopened {
        /// Why.
        says: String,
    },
    /// Numbers for the report, written at mitigation, at resolution and every ten seconds
    /// meanwhile: the last one counts.
    Measured {
        /// Who was hurt since onset.
        impact: ImpactWindow,
        /// The pool during the incident.
        during: Box<PoolWindow>,
        /// The pool since recovery, where there is one.
        after: Option<Box<PoolWindow>>,
        /// "query comment key user_id", "not measured".
        users_known_by: String,
        /// Of the failed ones, cut in the middle ([`weir_model::Outcome::ServerLost`]): nobody
        /// knows whether they committed. `None`: not counted, and the report says so.
        #[serde(default)]
        cut_in_transaction: Option<u64>,
    },
    /// Points for the charts, in order; each entry continues the last.
    Series {
        /// One a second, from before the onset until after recovery.
        points: Vec<ChartPoint>,
    },
    /// Other pools in the same time: what kept working.
    Others {
        /// One sentence each: "billing/web: 0 of 12,480 delayed".
        says: Vec<String>,
    },
    /// An alert of another system, taken into this incident's timeline.
    Alert {
        /// Its summary.
        says: String,
        /// Which system: "alertmanager".
        #[serde(default)]
        source: String,
        /// What makes two alerts the same one.
        #[serde(default)]
        fingerprint: String,
        /// Whether it goes on; `None`: not said.
        #[serde(default)]
        status: Option<AlertStatus>,
        /// Where to look.
        #[serde(default)]
        link: Option<String>,
    },
    /// Nobody acknowledged in time; the next step was called.
    Escalated {
        /// To whom.
        to: String,
        /// Why now.
        says: String,
        /// Which step, from one; zero where it wasn't written down.
        #[serde(default)]
        step: u32,
        /// By which channel.
        #[serde(default)]
        channel: String,
    },
    /// Whoever had acknowledged it was not heard of again; it counts as nobody's.
    AckExpired {
        /// Who, and since when.
        says: String,
    },
    /// Somebody who was not on call went over the report.
    Reviewed {
        /// Words.
        says: String,
    },
    /// Its actions are done, verified or declined.
    Closed {
        /// Words.
        says: String,
    },
    /// Somebody got a role; the latest one holds it.
    Assigned {
        /// Which.
        role: Role,
        /// Who.
        to: String,
        /// Words, may be empty.
        says: String,
    },
    /// Stakeholders were told.
    StatusUpdate {
        /// Who is hurt, and how.
        impact: String,
        /// What is being done.
        doing: String,
        /// When they hear more; `None`: this was the last.
        next_update_at: Option<Wall>,
        /// The whole text, as it went out.
        says: String,
    },
    /// A clock stood wrong. Who and when are the entry's.
    ClockCorrected {
        /// Which.
        clock: ClockName,
        /// What it showed.
        from: Option<Wall>,
        /// What it shows from now on; `None`: it never happened.
        to: Option<Wall>,
        /// Why.
        says: String,
    },
    /// In the journal of a duplicate: the story goes on elsewhere.
    MergedInto {
        /// Where.
        into: IncidentId,
        /// Why.
        says: String,
    },
    /// In the journal of the survivor: it speaks for that one too.
    Merged {
        /// For which.
        from: IncidentId,
        /// Why.
        says: String,
    },
    /// In both journals: they were two after all.
    Unmerged {
        /// The other one.
        with: IncidentId,
        /// Why.
        says: String,
    },
    /// An earlier incident of the same cause and object.
    Related {
        /// Which.
        to: IncidentId,
        /// What they have in common.
        says: String,
        /// Its actions that are still open: "A2: …".
        open_actions: Vec<String>,
    },
    /// An action stands from now on: a proposed one was adopted, or somebody wrote one.
    ActionAdded {
        /// Which.
        action: ActionText,
    },
    /// An action changed; what is `None` stays as it was.
    ActionChanged {
        /// Which: `A7`.
        id: String,
        /// A person or a team.
        #[serde(default)]
        owner: Option<String>,
        /// `2026-12-01`.
        #[serde(default)]
        due: Option<String>,
        /// `p1` to `p4`.
        #[serde(default)]
        priority: Option<String>,
        /// A link.
        #[serde(default)]
        tracker: Option<String>,
        /// A metric query or a drill.
        #[serde(default)]
        verify: Option<String>,
        /// How far it is.
        #[serde(default)]
        status: Option<ActionStatus>,
        /// Why, may be empty.
        says: String,
    },
    /// The verification of an action was run.
    ActionVerified {
        /// Which: `A7`.
        id: String,
        /// It held: the action is verified. Otherwise its status stays as it was.
        ok: bool,
        /// What was seen.
        says: String,
        /// With what.
        #[serde(default)]
        evidence: Vec<Evidence>,
    },
    /// A person states something for the report.
    Stated {
        /// What it is about.
        topic: Topic,
        /// What.
        says: String,
        /// When that was, where it has a time.
        #[serde(default)]
        happened_at: Option<Wall>,
    },
    /// A person answered an open question of the report.
    Answered {
        /// The question, word by word.
        question: String,
        /// The answer.
        says: String,
    },
    /// A kind of entry that this version doesn't know: a newer Weir wrote it. It keeps its place
    /// in the count and says nothing.
    #[serde(other)]
    Unknown,
}

impl Said {
    /// A remark, of now.
    pub fn remark(says: impl Into<String>) -> Self {
        Self::Note {
            says: says.into(),
            happened_at: None,
            kind: None,
        }
    }

    /// The name under which the journal stores it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::LevelChanged { .. } => "level_changed",
            Self::SeverityChanged { .. } => "severity_changed",
            Self::Diagnosed { .. } => "diagnosed",
            Self::Decided { .. } => "decided",
            Self::Action { .. } => "action",
            Self::Note { .. } => "note",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Notified { .. } => "notified",
            Self::Mitigated { .. } => "mitigated",
            Self::Resolved { .. } => "resolved",
            Self::Reopened { .. } => "reopened",
            Self::Measured { .. } => "measured",
            Self::Series { .. } => "series",
            Self::Others { .. } => "others",
            Self::Alert { .. } => "alert",
            Self::Escalated { .. } => "escalated",
            Self::AckExpired { .. } => "ack_expired",
            Self::Reviewed { .. } => "reviewed",
            Self::Closed { .. } => "closed",
            Self::Assigned { .. } => "assigned",
            Self::StatusUpdate { .. } => "status_update",
            Self::ClockCorrected { .. } => "clock_corrected",
            Self::MergedInto { .. } => "merged_into",
            Self::Merged { .. } => "merged",
            Self::Unmerged { .. } => "unmerged",
            Self::Related { .. } => "related",
            Self::ActionAdded { .. } => "action_added",
            Self::ActionChanged { .. } => "action_changed",
            Self::ActionVerified { .. } => "action_verified",
            Self::Stated { .. } => "stated",
            Self::Answered { .. } => "answered",
            Self::Unknown => "unknown",
        }
    }
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which incident.
    pub incident: IncidentId,
    /// From one, without gaps, per incident.
    pub seq: u32,
    /// When it was written down.
    pub at: Wall,
    /// By whom.
    pub by: By,
    /// What.
    #[serde(flatten)]
    pub said: Said,
}
