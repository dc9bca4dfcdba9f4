//! The flight recorder: what was measured, kept long enough to be asked.
//!
//! [`Recorder`] holds the last quarter of an hour in memory; [`store`] holds on disk what must outlive
//! the process. Losing the store never stops anything.

mod fold;
pub mod impact;
mod query;
pub mod recorder;
pub mod store;
pub mod stretch;
#[cfg(test)]
mod tests;
pub mod window;

pub use recorder::Recorder;
