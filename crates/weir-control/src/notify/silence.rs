//! Who wanted which incidents to page nobody, and until when?
//!
//! A silence ends by itself. A silenced incident is recorded like any other; its journal says that
//! nobody was paged, and why.

use serde::{Deserialize, Serialize};
use weir_model::Wall;

use super::policy::Matcher;
use crate::incident::Incident;
use crate::incident::words::rfc3339;

/// Silences that may stand at once; further ones are refused.
pub const SILENCES_MAX: usize = 200;

/// A silence that somebody asked for, or a maintenance window of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// `S-3`; windows of the file are `M-1` and on.
    pub id: String,
    /// For which incidents.
    pub meant: Matcher,
    /// From when.
    pub from: Wall,
    /// Until when.
    pub until: Wall,
    /// Who wanted it.
    pub by: String,
    /// Why.
    pub why: String,
}

impl Silence {
    /// True if it holds at this time.
    pub fn holds(&self, at: Wall) -> bool {
        self.from <= at && at < self.until
    }

    /// True if it keeps this incident quiet now.
    pub fn quiets(&self, incident: &Incident, at: Wall) -> bool {
        self.holds(at) && self.meant.covers(incident)
    }

    /// In words: `silence S-3 by ann until … (database upgrade)`.
    pub fn says(&self) -> String {
        let what = match self.id.starts_with('M') {
            true => "maintenance",
            false => "silence",
        };
        let until = rfc3339(self.until);
        format!(
            "{what} {} by {} until {until}: {}",
            self.id, self.by, self.why
        )
    }
}

/// The silence that keeps this incident quiet now; of several the one that lasts longest.
pub fn quieting<'a>(
    silences: impl IntoIterator<Item = &'a Silence>,
    incident: &Incident,
    at: Wall,
) -> Option<&'a Silence> {
    silences
        .into_iter()
        .filter(|silence| silence.quiets(incident, at))
        .max_by_key(|silence| silence.until)
}
