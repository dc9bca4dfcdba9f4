//! Has this happened before? Earlier incidents of the same cause and object are linked, with the
//! actions that are still open, and what was thought done there is open again.
//!
//! # What always holds
//! - Only incidents that are in memory are seen: the newest 500.
//! - Drills are related to drills alone.

use std::collections::BTreeMap;

use weir_model::{Cause, Instant};

use super::wishes::is_earlier;
use super::{Core, Output};
use crate::incident::Incident;
use crate::incident::entry::{ActionStatus, By, IncidentId, Kind, Said};
use crate::incident::words;

/// More earlier ones than this add nothing to the story.
const LINKED_MAX: usize = 5;
/// Objects of a cause that are the same thing wherever they are named.
const OBJECTS: [&str; 3] = ["fingerprint", "relation", "pin"];

/// An earlier incident, and what both have in common.
struct Earlier {
    id: IncidentId,
    says: String,
    open_actions: Vec<String>,
    done_actions: Vec<String>,
}

impl Core {
    /// Once the cause of an ongoing incident has stood long enough to be believed.
    pub(super) fn relate_if_due(
        &mut self,
        index: usize,
        settled: std::time::Duration,
        now: Instant,
        out: &mut Vec<Output>,
    ) {
        let live = &self.live[index];
        let Some(named) = live.diagnosed else { return };
        if named.cause == Cause::Unknown
            || live.related_for == Some(named.cause)
            || now.since(live.first_named) < settled
        {
            return;
        }
        let id = live.id;
        self.live[index].related_for = Some(named.cause);
        let Some(this) = self.incidents.get(&id) else {
            return;
        };
        let found = self.earlier(this, |earlier| same_cause(earlier, this));
        self.link(id, found, true, out);
    }

    /// For a declared incident, whose cause isn't known: what was wrong with the same thing before.
    /// Its actions stay as they are, for nobody knows whether the cause is the same.
    pub(super) fn relate_declared(&mut self, id: IncidentId, out: &mut Vec<Output>) {
        let Some(this) = self.incidents.get(&id) else {
            return;
        };
        let found = self.earlier(this, |earlier| {
            let service = this.service_given.is_some()
                && earlier.service_given.as_deref().map(str::to_lowercase)
                    == this.service_given.as_deref().map(str::to_lowercase);
            let pool = this.pools.iter().any(|key| earlier.pools.contains(key));
            (service || pool).then(|| {
                let cause = earlier.top_cause().map_or_else(
                    || "its cause is not known".to_owned(),
                    |cause| format!("its cause was: {}", words::phrase(cause.cause)),
                );
                format!(
                    "the same {}; {cause}",
                    if pool { "pool" } else { "service" }
                )
            })
        });
        self.link(id, found, false, out);
    }

    fn earlier(
        &self,
        this: &Incident,
        in_common: impl Fn(&Incident) -> Option<String>,
    ) -> Vec<Earlier> {
        self.incidents
            .values()
            .rev()
            .filter(|earlier| is_earlier(earlier, this) && !earlier.is_merged())
            .filter(|earlier| (earlier.kind == Kind::Drill) == (this.kind == Kind::Drill))
            .filter(|earlier| this.related.iter().all(|known| known.to != earlier.id))
            .filter(|earlier| this.merged_into != Some(earlier.id))
            .filter_map(|earlier| {
                let says = in_common(earlier)?;
                let open_actions = earlier
                    .actions()
                    .iter()
                    .filter(|action| action.status.is_open())
                    .map(|action| match &action.owner {
                        Some(owner) => format!("{}: {} ({owner})", action.id, action.says),
                        None => format!("{}: {} (nobody's)", action.id, action.says),
                    })
                    .collect();
                let done_actions = earlier
                    .adopted
                    .iter()
                    .filter(|action| {
                        matches!(action.status, ActionStatus::Done | ActionStatus::Verified)
                    })
                    .map(|action| action.id.clone())
                    .collect();
                Some(Earlier {
                    id: earlier.id,
                    says,
                    open_actions,
                    done_actions,
                })
            })
            .take(LINKED_MAX)
            .collect()
    }

    fn link(
        &mut self,
        id: IncidentId,
        found: Vec<Earlier>,
        same_cause: bool,
        out: &mut Vec<Output>,
    ) {
        let at = self.clock.wall(self.now);
        for earlier in found {
            if same_cause {
                for action in earlier.done_actions {
                    let reopened = Said::ActionChanged {
                        id: action,
                        owner: None,
                        due: None,
                        priority: None,
                        tracker: None,
                        verify: None,
                        status: Some(ActionStatus::Open),
                        says: format!("it happened again: {id}, {}", earlier.says),
                    };
                    self.append(earlier.id, at, By::Weir, reopened, out);
                }
            }
            let related = Said::Related {
                to: earlier.id,
                says: earlier.says,
                open_actions: earlier.open_actions,
            };
            self.append(id, at, By::Weir, related, out);
        }
    }
}

/// What two incidents have in common, if it is the cause and what it concerns.
fn same_cause(earlier: &Incident, this: &Incident) -> Option<String> {
    let (then, now) = (earlier.top_cause()?, this.top_cause()?);
    if then.cause != now.cause {
        return None;
    }
    let cause = words::phrase(now.cause);
    let object = |of: &BTreeMap<String, String>, key: &str| of.get(key).cloned();
    let shared = OBJECTS.iter().find_map(|key| {
        let value = object(&now.object, key)?;
        (object(&then.object, key)? == value).then(|| format!("{key} {value}"))
    });
    let pool = this.pools.iter().find(|key| earlier.pools.contains(key));
    let what = shared.or_else(|| pool.map(|key| format!("pool {key}")))?;
    Some(format!("the same cause ({cause}) and {what}"))
}
