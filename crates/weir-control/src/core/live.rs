//! An incident that isn't over, with what its journal doesn't need to know.

use weir_model::{Cause, Instant, PoolId, PoolKey, Wall};

use crate::incident::entry::IncidentId;

/// An ongoing incident.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) id: IncidentId,
    pub(super) key: PoolKey,
    /// `None` after a restart, until the pool comes to life again.
    pub(super) pool: Option<PoolId>,
    pub(super) onset: Instant,
    /// What "usual" was; frozen, so that it can't learn the incident.
    pub(super) baseline: Option<(Instant, Instant)>,
    /// Share of waits above the objective before the onset.
    pub(super) usual_late: f64,
    pub(super) diagnosed: Option<Named>,
    /// A cause that would take the first place, and how often in a row.
    pub(super) contender: Option<(Cause, u32)>,
    /// Since when `diagnosed` names the cause it names.
    pub(super) first_named: Instant,
    pub(super) opened: Instant,
    pub(super) measured_at: Instant,
    /// End of the last second that is in the charts.
    pub(super) charted_to: Wall,
    /// Since when the objective has been met without a break.
    pub(super) good_since: Option<Instant>,
    pub(super) mitigated: Option<Instant>,
    /// Server connections that were lost in the middle of a transaction.
    pub(super) cut_in_transaction: u64,
    /// The cause for which earlier incidents were looked up.
    pub(super) related_for: Option<Cause>,
}

impl Live {
    /// An incident that is followed from now on, with nothing known of its pool yet.
    pub(super) fn new(
        id: IncidentId,
        key: PoolKey,
        onset: Instant,
        now: Instant,
        charted_to: Wall,
    ) -> Self {
        Self {
            id,
            key,
            pool: None,
            onset,
            baseline: None,
            usual_late: 0.0,
            diagnosed: None,
            contender: None,
            first_named: now,
            opened: now,
            measured_at: now,
            charted_to,
            good_since: None,
            mitigated: None,
            cut_in_transaction: 0,
            related_for: None,
        }
    }
}

/// The diagnosis that is in the journal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) cause: Cause,
    pub(super) confidence: f64,
    pub(super) at: Instant,
}
