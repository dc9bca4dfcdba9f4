//! What PostgreSQL says of itself, once a second, on a connection of Weir's own.

mod queries;
pub mod view;
pub mod watch;

pub use watch::{WatchHandle, WatchSettings, watch};
