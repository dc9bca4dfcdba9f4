//! What comes in from outside: other systems' alerts, deploy markers, silences; and what the rim
//! reports of what went out.

use serde::{Deserialize, Serialize};
use weir_model::{Severity, Wall};

use super::policy::Matcher;
use crate::incident::entry::IncidentId;

/// Markers kept for incidents that open later.
pub const MARKERS_MAX: usize = 500;
/// A marker this long before the onset belongs to the incident.
pub const MARKER_BEFORE: std::time::Duration = std::time::Duration::from_secs(30 * 60);

/// Something that was changed on purpose: a deploy, a migration, a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// What: `deploy checkout`.
    pub what: String,
    /// Which version, may be empty.
    #[serde(default)]
    pub version: String,
    /// When.
    pub at: Wall,
    /// Who or what did it.
    pub by: String,
    /// Where to read more.
    #[serde(default)]
    pub link: Option<String>,
}

impl Marker {
    /// One line for a timeline.
    pub fn says(&self) -> String {
        let mut says = self.what.clone();
        if !self.version.is_empty() {
            says.push_str(&format!(" {}", self.version));
        }
        if let Some(link) = &self.link {
            says.push_str(&format!(" ({link})"));
        }
        says
    }
}

/// An alert of another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideAlert {
    /// Tells it from every other: group key and fingerprint.
    pub fingerprint: String,
    /// Its name.
    pub name: String,
    /// One sentence.
    pub says: String,
    /// It goes on, or it has ended.
    pub firing: bool,
    /// Since when.
    pub started_at: Wall,
    /// Until when, if it has ended.
    pub ended_at: Option<Wall>,
    /// The pools or databases that it names: `app/dashboard`, `app`.
    pub pools: Vec<String>,
    /// Which service it speaks of.
    pub service: Option<String>,
    /// How severe an incident it is, should it be one by itself; `None`: it is none.
    pub declares: Option<Severity>,
    /// Where to look.
    pub link: Option<String>,
}

/// What the rim asks for, or reports.
#[derive(Clone, Debug, PartialEq)]
pub enum FromOutside {
    /// A message went out, or didn't.
    Notified {
        /// About which incident.
        id: IncidentId,
        /// Through which channel.
        channel: String,
        /// The other side took it.
        ok: bool,
        /// Answer or error.
        says: String,
        /// Which step of the escalation sent it.
        step: Option<u32>,
        /// To whom.
        to: Option<String>,
    },
    /// A step called somebody; without a channel: it called nobody.
    Escalated {
        /// About which incident.
        id: IncidentId,
        /// Which step, from one.
        step: u32,
        /// Whom.
        to: String,
        /// By which channel.
        channel: String,
        /// Why now, or why not.
        says: String,
    },
    /// Nobody has it any more.
    AckExpired {
        /// Which incident.
        id: IncidentId,
        /// Why.
        says: String,
    },
    /// A silence keeps an incident quiet.
    Quiet {
        /// Which incident.
        id: IncidentId,
        /// The silence's words.
        says: String,
    },
    /// Page nobody of these until then.
    Silence {
        /// Of which incidents.
        meant: Matcher,
        /// From when; `None`: from now.
        from: Option<Wall>,
        /// Until when.
        until: Wall,
        /// Who wants it.
        by: String,
        /// Why.
        why: String,
    },
    /// Page again.
    EndSilence {
        /// `S-3`.
        id: String,
        /// Who says so.
        by: String,
    },
    /// Something was changed.
    Mark(Marker),
    /// Other systems' alerts, in one go.
    Alerts {
        /// Which system: `alertmanager`, `grafana`, `pagerduty`.
        source: String,
        /// The alerts.
        alerts: Vec<OutsideAlert>,
        /// How many the sender left out.
        truncated: u64,
    },
}
