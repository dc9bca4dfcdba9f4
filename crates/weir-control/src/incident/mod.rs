//! Incidents: an append-only journal, and what follows from it.
//!
//! [`Incident::replay`] is the whole story: a pure fold. [`json::document`] is the same for
//! programs, `crate::report` for people.

pub mod called;
pub mod clocks;
pub mod entry;
pub mod export;
mod factors;
pub mod import;
pub mod json;
mod measures;
mod nouns;
mod parts;
mod people;
mod state;
mod timeline;
mod update;
pub mod verify;
pub(crate) mod words;

pub use factors::{Factor, FactorKind};
pub use measures::ACTIONS_MAX;
pub use nouns::{ActionStatus, ActionType};
pub use parts::{
    Action, Assignment, Check, Clocks, Correction, Decided, Delivery, Escalation, GivenAnswer,
    Measured, OutsideAlert, RelatedTo, ReplayFault, Row, RowKind, Statement, Status, Trigger,
    Update,
};
pub use state::{CHECKS_MAX, DECISIONS_MAX, Incident, LIST_MAX, POINTS_MAX, ROWS_MAX, TRACKED_MAX};
pub use timeline::Need;

pub(crate) use state::merge;
