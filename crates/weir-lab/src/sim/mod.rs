//! The simulator: one life of engine and control under faults drawn from a seed. We own the
//! clock, the network and the dice.
//!
//! [`run`] lives one life; [`oracles`] names the promises that it is judged by. The engine and the
//! control plane are the very types that run in production; PostgreSQL, the clients and the
//! network are simulated at the level of the protocol.
//!
//! # What always holds
//! - Same seed, same commit, same run: [`Outcome::trace`] is a hash of every call of the engine
//!   and every effect of it.
//! - What a client should have been answered is known from a session of its own ([`pg`]), so that
//!   a wrong, lost or foreign reply shows at its first byte.
//!
//! # What is deliberately absent
//! - Threads, real time, I/O.
//! - The driver of sockets in `weir-proxy`: [`driver`] does what it does.
//! - TLS, SCRAM towards clients (spec tests on a real PostgreSQL have them).

mod client;
mod control;
mod driver;
mod net;
mod oracles;
mod pg;
mod pg_words;
mod plan;
mod roll;
mod script;
mod server;
mod trace;
mod trouble;
mod world;

use weir_model::Cause;

pub use oracles::{Broken, Violation};
pub use plan::{Fault, Plan, Planned};

use trace::Trace;
use world::World;

/// What became of a life in which every promise was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// A hash of all that happened.
    pub trace: u64,
    /// Exchanges that clients saw the end of.
    pub served: u64,
    /// Connections that Weir ended with an error.
    pub refused: u64,
    /// Transactions that the engine reported.
    pub transactions: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Incidents: when each was opened, and its top cause now.
    pub incidents: Vec<Option<Cause>>,
}

/// One life. Same seed, plan and commit: same outcome.
pub fn run(seed: u64, plan: &Plan) -> Result<Outcome, Violation> {
    live(seed, plan, false).0
}

/// The same, with a line for all that happened.
pub fn run_traced(seed: u64, plan: &Plan) -> (Result<Outcome, Violation>, Vec<String>) {
    live(seed, plan, true)
}

fn live(seed: u64, plan: &Plan, readable: bool) -> (Result<Outcome, Violation>, Vec<String>) {
    let violated = |broken: Broken, at| Violation {
        oracle: broken.oracle,
        says: broken.says,
        at,
        seed,
    };
    let mut world = match World::new(seed, plan.clone(), Trace::new(readable)) {
        Ok(world) => world,
        Err(broken) => return (Err(violated(broken, std::time::Duration::ZERO)), Vec::new()),
    };
    let lived = world.live();
    let at = world.now.since(weir_model::Instant::ZERO);
    let lines = world.trace.lines.take().unwrap_or_default();
    let outcome = Outcome {
        trace: world.trace.hash(),
        served: world.clients.iter().map(|c| c.served).sum(),
        refused: world.clients.iter().map(|c| c.refused).sum(),
        transactions: world.judge.transactions,
        failed: world.judge.failed,
        incidents: world
            .core
            .incidents()
            .map(|i| i.top_cause().map(|c| c.cause))
            .collect(),
    };
    (
        lived
            .map(|()| outcome)
            .map_err(|broken| violated(broken, at)),
        lines,
    )
}
