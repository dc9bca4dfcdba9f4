//! Who was called about an incident and what came of it: the part of the journal that the
//! escalation goes on from, also after a restart.
//!
//! # Bounds
//! [`TURNS_MAX`] turns; a policy's steps and rounds allow far fewer. [`ALERTS_MAX`] outside alerts.

use std::collections::BTreeMap;

use weir_model::{Severity, Wall};

use super::entry::{By, Entry, Said};

/// Turns beyond this are not kept: whoever wasn't reached by then won't be by one more.
pub const TURNS_MAX: usize = 10_000;
/// Outside alerts beyond this are rows of the timeline and no more.
pub const ALERTS_MAX: usize = 1_000;
/// How the journal says that a silence keeps an incident quiet.
pub const NOBODY: &str = "nobody is paged: ";

/// Something that matters to whom is called next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Another judgement of how bad.
    Severity(Severity),
    /// Somebody has it.
    Acknowledged {
        /// Who.
        by: String,
    },
    /// Nobody has it any more.
    AckExpired,
    /// A step called somebody.
    Called {
        /// Which, from one.
        step: u32,
        /// Whom.
        to: String,
        /// By which channel.
        channel: String,
    },
    /// A step called nobody, and won't unless it was put off.
    Passed {
        /// Which, from one.
        step: u32,
    },
    /// What came of a call.
    Answered {
        /// Which, from one.
        step: u32,
        /// By which channel.
        channel: String,
        /// The other side took it.
        ok: bool,
    },
    /// The objective is met again.
    Mitigated,
    /// It is over.
    Resolved,
    /// It came back.
    Reopened,
    /// The journal says that a silence keeps it quiet.
    Silenced {
        /// Its words.
        says: String,
    },
}

impl Turn {
    /// The turn that an entry is, if it is one.
    pub fn of(entry: &Entry) -> Option<Self> {
        Some(match &entry.said {
            Said::SeverityChanged { severity, .. } => Self::Severity(*severity),
            Said::Acknowledged { .. } => Self::Acknowledged { by: who(&entry.by) },
            Said::AckExpired { .. } => Self::AckExpired,
            // Written by a version that knew no steps.
            Said::Escalated { step: 0, .. } => return None,
            Said::Escalated { step, channel, .. } if channel.is_empty() => {
                Self::Passed { step: *step }
            }
            Said::Escalated {
                step, to, channel, ..
            } => Self::Called {
                step: *step,
                to: to.clone(),
                channel: channel.clone(),
            },
            Said::Notified {
                step: Some(step),
                channel,
                ok,
                ..
            } => Self::Answered {
                step: *step,
                channel: channel.clone(),
                ok: *ok,
            },
            Said::Mitigated { .. } => Self::Mitigated,
            Said::Resolved { .. } => Self::Resolved,
            Said::Reopened { .. } => Self::Reopened,
            Said::Note { says, .. } if entry.by == By::Weir => Self::Silenced {
                says: says.strip_prefix(NOBODY)?.to_owned(),
            },
            _ => return None,
        })
    }
}

/// The turns of an incident, and the outside alerts in its timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    severity: Severity,
    turns: Vec<(Wall, Turn)>,
    alerts: BTreeMap<String, bool>,
}

impl Called {
    /// Nobody yet, of an incident that opened this severe.
    pub(super) fn nobody(severity: Severity) -> Self {
        Self {
            severity,
            turns: Vec::new(),
            alerts: BTreeMap::new(),
        }
    }

    /// How bad it was at first sight.
    pub fn severity_at_first(&self) -> Severity {
        self.severity
    }

    /// Takes an entry of the journal.
    pub(super) fn apply(&mut self, entry: &Entry) {
        if let Some(turn) = Turn::of(entry)
            && self.turns.len() < TURNS_MAX
        {
            self.turns.push((entry.at, turn));
        }
        if let Said::Alert {
            fingerprint,
            status,
            ..
        } = &entry.said
            && !fingerprint.is_empty()
            && (self.alerts.len() < ALERTS_MAX || self.alerts.contains_key(fingerprint))
        {
            let firing = *status != Some(super::entry::AlertStatus::Resolved);
            self.alerts.insert(fingerprint.clone(), firing);
        }
    }

    /// In the order of the journal.
    pub fn turns(&self) -> &[(Wall, Turn)] {
        &self.turns
    }

    /// Outside alerts by fingerprint, and whether they still fire.
    pub fn alerts(&self) -> &BTreeMap<String, bool> {
        &self.alerts
    }
}

/// A name for sentences.
fn who(by: &By) -> String {
    match by {
        By::Weir => "Weir".to_owned(),
        By::Person(name) | By::System(name) => name.clone(),
    }
}
