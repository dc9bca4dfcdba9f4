//! Incidents from elsewhere: which number they may get, and taking them in.
//!
//! The store decides what becomes of a journal, for it knows every number that was ever used; the
//! core keeps numbers free for it while it does, since it hands out new ones itself.

use std::sync::Arc;

use super::Core;
use crate::handle::AskFault;
use crate::incident::Incident;
use crate::incident::entry::IncidentId;

/// Numbers that are kept free while a journal is taken in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reserved {
    /// The number for a journal whose own is taken.
    pub(crate) fresh: IncidentId,
    before: u64,
}

impl Core {
    /// New incidents get numbers above this one: the store knows of incidents that weren't loaded.
    pub fn skip_numbers_to(&mut self, last: u64) {
        self.next_incident = self.next_incident.max(last.saturating_add(1));
    }

    /// Keeps numbers free for a journal that calls itself `wanted`.
    ///
    /// # Errors
    /// That incident goes on here.
    pub(crate) fn reserve(&mut self, wanted: IncidentId) -> Result<Reserved, AskFault> {
        if self.live.iter().any(|live| live.id == wanted) {
            return Err(AskFault::NotNow(format!(
                "{wanted} is going on here, and is written to; import it when it is over"
            )));
        }
        let before = self.next_incident;
        self.skip_numbers_to(wanted.0);
        let fresh = IncidentId(self.next_incident);
        self.next_incident += 1;
        Ok(Reserved { fresh, before })
    }

    /// Gives back the numbers that weren't needed.
    pub(crate) fn release(&mut self, reserved: Reserved, used: Option<IncidentId>) {
        // Unless somebody else has got one meanwhile.
        if self.next_incident == reserved.fresh.0 + 1 {
            let used = used.map_or(0, |id| id.0.saturating_add(1));
            self.next_incident = reserved.before.max(used);
        }
    }

    /// Shows an incident that was taken in.
    pub(crate) fn take_in(&mut self, incident: Incident) {
        self.incidents.insert(incident.id, Arc::new(incident));
        self.forget_oldest();
    }
}
