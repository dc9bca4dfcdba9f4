//! After a restart: what the journal says is what happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use weir_model::PoolKey;

use super::live::Live;
use super::{Core, Output};
use crate::detect::LevelChange;
use crate::incident::Incident;
use crate::incident::entry::{By, Entry, IncidentId, Said};

impl Core {
    /// Takes back the journal, before the first sample. Incidents that weren't over go on.
    pub fn restore(&mut self, entries: Vec<Entry>, out: &mut Vec<Output>) {
        let mut journals: BTreeMap<IncidentId, Vec<Entry>> = BTreeMap::new();
        for entry in entries {
            journals.entry(entry.incident).or_default().push(entry);
        }
        for (id, mut journal) in journals {
            self.next_incident = self.next_incident.max(id.0 + 1);
            journal.sort_by_key(|entry| entry.seq);
            match Incident::replay(&journal) {
                Ok(incident) => {
                    if incident.status.is_ongoing() {
                        self.go_on(&incident);
                    }
                    self.incidents.insert(id, Arc::new(incident));
                }
                Err(fault) => {
                    tracing::error!(%id, %fault, "A journal can't be replayed; it is left alone.")
                }
            }
        }
        let ids: Vec<IncidentId> = self.live.iter().map(|live| live.id).collect();
        for id in ids {
            let says =
                "Weir was restarted while this was going on; what happened between its last \
                        entry and now was not measured"
                    .to_owned();
            self.append(
                id,
                self.clock.wall(self.now),
                By::Weir,
                Said::remark(says),
                out,
            );
        }
    }

    fn go_on(&mut self, incident: &Incident) {
        let Some(key) = incident.pools.first().cloned() else {
            return;
        };
        let onset = self.clock.instant(incident.clocks().impact_started_at);
        self.live.push(Live {
            id: incident.id,
            key,
            pool: None,
            onset,
            // The samples it stood on are gone with the process.
            baseline: None,
            usual_late: 0.0,
            diagnosed: None,
            contender: None,
            first_named: self.now,
            opened: self.now,
            measured_at: self.now,
            charted_to: self.clock.wall(self.now),
            good_since: None,
            mitigated: None,
            cut_in_transaction: 0,
        });
    }

    /// If an incident of this pool was going on when Weir was restarted, the new level is that
    /// incident's. True if so.
    pub(super) fn adopt(
        &mut self,
        key: &PoolKey,
        change: &LevelChange,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(live) = self
            .live
            .iter_mut()
            .find(|live| live.pool.is_none() && live.key == *key)
        else {
            return false;
        };
        live.pool = Some(change.pool);
        live.good_since = None;
        live.measured_at = change.at.before(Duration::from_secs(1));
        let id = live.id;
        if let Some(level) = change.to {
            let said = Said::LevelChanged {
                level,
                says: format!("seen again after the restart: {}", change.says),
                evidence: change.evidence.clone(),
            };
            self.append(id, self.clock.wall(change.at), By::Weir, said, out);
        }
        true
    }
}
