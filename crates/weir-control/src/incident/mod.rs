//! Incidents: an append-only journal, and what follows from it.
//!
//! [`Incident::replay`] is the whole story: a pure fold. [`json::document`] is the same for
//! programs, `crate::report` for people.

pub mod called;
pub mod entry;
mod factors;
pub mod json;
mod measures;
mod parts;
mod state;
mod timeline;
pub(crate) mod words;

pub use factors::{Factor, FactorKind};
pub use measures::{ACTIONS_MAX, Action, ActionType};
pub use parts::{Clocks, Decided, Delivery, Measured, ReplayFault, Row, RowKind, Status, Trigger};
pub use state::{DECISIONS_MAX, Incident, POINTS_MAX, ROWS_MAX};
pub use timeline::Need;

pub(crate) use state::merge;
