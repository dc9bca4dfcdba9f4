//! Exact attribution: which factor of the load rose, in shares that add up.
//!
//! A pool of `N` servers, offered `λ` transactions a second that hold a server for `H` seconds
//! each, is loaded `ρ = λH/N`; above one the queue grows. What changed between a baseline and a
//! window is therefore exactly `ln ρ/ρ₀ = ln λ/λ₀ + ln H/H₀ − ln N/N₀`, and `H` itself is a sum
//! of what Weir and the looks at the server measured. Nothing is fitted and nothing is left over.
//!
//! - [`attribution`]: the law and its split.
//! - [`statements`]: which statements take longer than they did, and how concentrated that is.
//! - [`budget`]: how many servers a pool may have at all.
//! - [`demand`]: how many it needs.
//! - [`say`]: numbers as people read them, and evidence with its window.
//!
//! # What is deliberately absent
//! - Causes. A share says *what* rose, never *why*: that is `diagnose`.

pub mod attribution;
pub mod budget;
pub mod demand;
pub mod say;
#[cfg(test)]
pub(crate) mod scenario;
pub mod statements;

pub use attribution::{Attribution, Factor, FactorName};
pub use budget::{Budget, Rails};
pub use demand::Demand;
pub use statements::{StatementChange, StatementChanges};

#[cfg(test)]
mod tests;
