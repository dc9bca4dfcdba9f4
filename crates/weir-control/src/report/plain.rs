//! Levels and causes in words for readers who don't run databases: the executive and the public
//! form use these and nothing of the trade's vocabulary.

use weir_model::{Cause, Level};

/// What users saw, as a sentence without its full stop.
pub(super) fn happened(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Exhausted | Level::Saturated | Level::Starved) => {
            "Requests waited, because every connection to the database was in use"
        }
        Some(Level::Stalled) => "Requests stood still, because the database completed none of them",
        Some(Level::Down) => "Requests waited or failed, because the database could not be reached",
        Some(Level::Degraded) => "Requests were answered slower than usual",
        Some(Level::Leak) => "Connections to the database were taken and not given back",
        None => "An incident was declared",
    }
}

/// A title for a reader outside, without the date.
pub(super) fn symptom(level: Option<Level>) -> &'static str {
    match level {
        Some(Level::Exhausted | Level::Saturated | Level::Starved) => "slow and failing requests",
        Some(Level::Stalled) => "requests standing still",
        Some(Level::Down) => "database unreachable",
        Some(Level::Degraded | Level::Leak) => "slow requests",
        None => "incident",
    }
}

/// Why, as a sentence without its full stop.
pub(super) fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::PoolUndersized => {
            "The number of connections kept open to the database was too small for the traffic"
        }
        Cause::TrafficSurge => "More requests arrived than the system was set up to take at once",
        Cause::SlowQuery => "One request to the database took much longer than usual",
        Cause::PlanRegression => "The database began to answer one request in a slower way",
        Cause::MissingIndex => {
            "The database had to search more data than necessary for one request"
        }
        Cause::RowLockContention => "Requests waited for each other to change the same data",
        Cause::DdlLockQueue => {
            "A change to the database's structure held up the requests behind it"
        }
        Cause::IdleInTransaction => {
            "An application kept its connections to the database busy without using them"
        }
        Cause::ConnectionLeak => "An application did not give its database connections back",
        Cause::RetryStorm => "Failed requests were repeated faster than they could be served",
        Cause::ConnectStorm => "Very many programs connected at the same moment",
        Cause::MaxConnections => "The database had no free connection left",
        Cause::ServerDown => "The database was not running",
        Cause::Failover => "The database moved to another machine",
        Cause::Network => "The network between the application and the database was impaired",
        Cause::IoSaturation => "The database's disks were at their limit",
        Cause::CpuSaturation => "The database's processors were at their limit",
        Cause::LwlockContention => "The database was at an internal limit",
        Cause::TempSpill => "Some requests needed more working memory than the database gives them",
        Cause::Bloat => "Old data slowed the database down",
        Cause::SyncReplication => "The database waited for its standby copy",
        Cause::OutsideConsumer => "Another program used the database up",
        Cause::WorkloadMixing => "Long-running work held up short requests",
        Cause::PinnedSessions => "Settings of some programs kept connections from being shared",
        Cause::SlowClient => "An application took its answers too slowly",
        Cause::PoolerLimit => "The connection pooler itself was at its limit",
        Cause::Unknown => "The cause is not known yet",
    }
}

/// A severity for people who don't know the scale.
pub(super) fn severity(severity: weir_model::Severity) -> &'static str {
    match severity {
        weir_model::Severity::Sev1 => "severity 1 of 4, the highest",
        weir_model::Severity::Sev2 => "severity 2 of 4",
        weir_model::Severity::Sev3 => "severity 3 of 4",
        weir_model::Severity::Sev4 => "severity 4 of 4, the lowest",
    }
}
