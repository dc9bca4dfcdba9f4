//! What people wish for an incident. Whether a wish is granted is decided in `core::moves`.

use weir_model::{Level, PoolKey, Severity, Wall};

use crate::incident::entry::{ActionType, ClockName, IncidentId, NoteKind, Role, Topic};

/// An incident that somebody declares: no detector saw it, or not yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration {
    /// Who.
    pub by: String,
    /// What is wrong, in a few words.
    pub title: String,
    /// Which service, where that is more than a pool's name.
    pub service: Option<String>,
    /// How bad.
    pub severity: Severity,
    /// Since when; `None`: now.
    pub impact_started_at: Option<Wall>,
    /// When it was noticed; `None`: now.
    pub detected_at: Option<Wall>,
    /// What is odd, if that is known.
    pub level: Option<Level>,
    /// Which pool, if one is concerned: its numbers are taken from then on.
    pub pool: Option<PoolKey>,
    /// Who noticed.
    pub detected_by: DetectedBy,
    /// More words, may be empty: the first note.
    pub text: String,
}

/// Who noticed a declared incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetectedBy {
    /// Somebody.
    Person,
    /// Another system's alert.
    Alert,
}

impl DetectedBy {
    /// The name that every surface uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Alert => "alert",
        }
    }
}

/// What should come of actions that are still open when an incident is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenActions {
    /// Then it isn't closed.
    Refuse,
    /// They are declined, with the reason that closes the incident.
    Decline,
    /// They stay open; the reason says why it is closed all the same.
    Leave,
}

/// A new action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAction {
    /// Imperative, bounded.
    pub says: String,
    /// What for.
    pub kind: ActionType,
    /// "cause", "F1".
    pub for_what: String,
    /// `p1` to `p4`.
    pub priority: String,
    /// The rest.
    pub details: ActionDetails,
}

/// What can be set of an action; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActionDetails {
    /// A person or a team.
    pub owner: Option<String>,
    /// `2026-12-01`.
    pub due: Option<String>,
    /// `p1` to `p4`.
    pub priority: Option<String>,
    /// A link.
    pub tracker: Option<String>,
    /// A metric query or a drill.
    pub verify: Option<String>,
}

/// What should become of an incident.
#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    /// Somebody has it.
    Acknowledge {
        /// Words, may be empty.
        text: String,
    },
    /// Write something down.
    Note {
        /// Words.
        text: String,
        /// When it happened, where that isn't now.
        happened_at: Option<Wall>,
        /// What it tells of.
        kind: Option<NoteKind>,
    },
    /// The impact is gone.
    Mitigate {
        /// Words, may be empty.
        text: String,
        /// Since when, where that isn't now.
        at: Option<Wall>,
    },
    /// It is over.
    Resolve {
        /// Words, may be empty.
        text: String,
        /// Since when, where that isn't now.
        at: Option<Wall>,
    },
    /// The report was gone over.
    Review {
        /// Words; the reason where `anyway`.
        text: String,
        /// Also by somebody who took part.
        anyway: bool,
    },
    /// Nothing is left to do.
    Close {
        /// Words; the reason where actions are still open.
        text: String,
        /// What becomes of those.
        open_actions: OpenActions,
    },
    /// It wasn't over, or there is more to do.
    Reopen {
        /// Why.
        text: String,
    },
    /// Give somebody a role.
    Assign {
        /// Which.
        role: Role,
        /// Who.
        to: String,
        /// Words, may be empty.
        text: String,
    },
    /// It is the same as another one, which speaks for both from now on.
    Merge {
        /// The other one.
        into: IncidentId,
        /// Why.
        text: String,
    },
    /// They were two after all.
    Unmerge {
        /// Why.
        text: String,
    },
    /// Set a clock right.
    Correct {
        /// Which.
        clock: ClockName,
        /// What it should show; `None`: it never happened.
        to: Option<Wall>,
        /// Why.
        text: String,
    },
    /// Tell stakeholders.
    Update {
        /// Who is hurt; `None`: from the numbers of the journal.
        impact: Option<String>,
        /// What is being done.
        doing: String,
        /// When they hear more; `None`: this is the last.
        next_update_at: Option<Wall>,
    },
    /// Write an action down.
    AddAction(NewAction),
    /// Take up proposed actions.
    AdoptActions {
        /// Which; none: all.
        ids: Vec<String>,
    },
    /// Change an action; a proposed one is adopted by it.
    ChangeAction {
        /// Which.
        action: String,
        /// What.
        details: ActionDetails,
        /// Why, may be empty.
        text: String,
    },
    /// An action is done.
    ActionDone {
        /// Which.
        action: String,
        /// Words, may be empty.
        text: String,
    },
    /// An action is declined.
    ActionDeclined {
        /// Which.
        action: String,
        /// Why.
        text: String,
    },
    /// An action is to do again.
    ActionReopened {
        /// Which.
        action: String,
        /// Why.
        text: String,
    },
    /// Somebody looked whether an action does what it is for.
    ActionChecked {
        /// Which.
        action: String,
        /// It does.
        ok: bool,
        /// What was seen.
        text: String,
    },
    /// State something for the report.
    State {
        /// What about.
        topic: Topic,
        /// What.
        text: String,
        /// When that was, where it has a time.
        happened_at: Option<Wall>,
    },
    /// Answer an open question of the report.
    Answer {
        /// The question, word by word, or its number in the list: "2".
        question: String,
        /// The answer.
        text: String,
    },
}
