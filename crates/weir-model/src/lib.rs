//! The nouns that both planes speak.
//!
//! The data plane (`weir-engine`, `weir-proxy`) sends [`Sample`]s and [`Event`]s up; the control
//! plane (`weir-control`) sends [`Order`]s down. Neither imports the other: whatever crosses is a
//! plain value of this crate, so a recording can stand in for either side.
//!
//! # What is deliberately absent
//! - I/O, clocks, randomness. [`Instant`] is a number that somebody else read.
//! - Policy. Why a pool should grow is the business of `weir-control::regulate`.

#![forbid(unsafe_code)]

mod cause;
mod event;
mod histogram;
mod id;
mod order;
mod sample;
mod settings;
mod time;
mod units;

pub use cause::{Cause, CauseFinding, Evidence, Level, Remedy, RuledOut, Severity, UnknownName};
pub use event::{
    ClientRow, ClientState, ConnectFailure, DatabaseRow, Event, Logged, Loudness, Outcome, Pin,
    PoolRow, PoolTotals, ServerRow, ServerState, Snapshot, Speaker, StatementSeen, Transaction,
    UserRow,
};
pub use histogram::{BUCKETS, Histogram};
pub use id::{ClientId, Fingerprint, PoolId, PoolKey, ServerId, UserTag};
pub use order::{DatabaseAct, NewSettings, Order, OrderRefused, Shutdown};
pub use sample::{
    ClientCounts, HoldTime, PoolSample, Sample, ServerCounts, StatementSample, WorkerSample,
};
pub use settings::{
    AuthMethod, AuthQuery, ErrorStyle, Hba, HbaFault, HbaRule, HbaTransport, IdentMaps,
    LoadBalance, LogSettings, Peer, Place, PoolMode, PoolSettings, PoolSize, PoolerSettings,
    Secret, ServerCheck, ServerSettings, SessionState, TlsMode, TlsSettings, TlsVersion,
    UserSettings,
};
pub use time::{ClockMap, Instant, Wall};
pub use units::{ByteSize, HumanDuration, UnitError};
