//! Findings for people and for programs.

mod explain;
mod json;
mod sarif;
mod text;

pub use explain::{explain, explain_all, table};
pub use json::json;
pub use sarif::sarif;
pub use text::{Colour, text};

use crate::{Outcome, Source};

/// One file with what was found in it.
#[derive(Debug)]
pub struct Linted {
    /// The text.
    pub source: Source,
    /// What was found.
    pub outcome: Outcome,
}
