//! Should this channel be told of this incident at all, and again?
//!
//! Channels that reach people are told when it opens, when its level or severity *rises*, once
//! when a cause is named that wasn't known before, when somebody has it and when it is over: a
//! message for every change of mind would teach them to look away. Channels that reach programs
//! hear of every change.

use weir_model::{Level, Severity};

use super::What;
use super::policy::Paging;
use crate::incident::Incident;
use crate::incident::entry::Kind;

/// What is special about a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// It rings somebody's telephone, or fills somebody's screen.
    pub reaches_people: bool,
    /// It only keeps a record; a silence is nothing to it.
    pub records: bool,
    /// It takes an update of what it was told without ringing again.
    pub updates_quietly: bool,
}

/// What a channel wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Its name.
    pub channel: String,
    /// What is special about it.
    pub manner: Manner,
    /// Only of these severities; empty: of all.
    pub only: Vec<Severity>,
    /// Told of every incident, or only when a step of the escalation calls through it?
    pub announce: bool,
    /// Also of drills?
    pub drills: bool,
}

impl Wants {
    /// True if it may hear of an incident this severe.
    pub fn severity(&self, severity: Severity) -> bool {
        self.only.is_empty() || self.only.contains(&severity)
    }

    /// True if it should be told without being called.
    pub fn unasked(&self, incident: &Incident) -> bool {
        self.announce
            && self.severity(incident.severity)
            && (incident.kind != Kind::Drill || self.drills)
    }
}

/// Whether a channel is told of everything, where the file doesn't say: unless the escalation
/// names it.
pub fn announces(paging: &Paging, channel: &str) -> bool {
    !paging.names_channel(channel)
}

/// What a channel was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    severity: Severity,
    level: Option<Level>,
    cause_known: bool,
}

impl Told {
    /// It was told of the incident as it is now.
    pub fn of(incident: &Incident) -> Self {
        Self {
            severity: incident.severity,
            level: incident.level,
            cause_known: incident.top_cause().is_some(),
        }
    }

    /// Is the incident as it is now worth another word to people?
    pub fn is_news(self, incident: &Incident) -> bool {
        let risen = incident.severity < self.severity
            || rank(incident.level) > rank(self.level)
            || (incident.top_cause().is_some() && !self.cause_known);
        risen && super::goes_on(incident)
    }
}

/// Is this change worth a message on a channel of this manner?
pub fn worth_telling(manner: Manner, told: Told, incident: &Incident, what: What) -> bool {
    match what {
        What::Changed => !manner.reaches_people || manner.updates_quietly || told.is_news(incident),
        What::Opened | What::Called | What::Acknowledged | What::Resolved | What::Test => true,
    }
}

/// Which of two levels is the worse.
fn rank(level: Option<Level>) -> u8 {
    match level {
        None => 0,
        Some(Level::Degraded) => 1,
        Some(Level::Leak) => 2,
        Some(Level::Exhausted) => 3,
        Some(Level::Starved) => 4,
        Some(Level::Saturated) => 5,
        Some(Level::Stalled) => 6,
        Some(Level::Down) => 7,
    }
}
