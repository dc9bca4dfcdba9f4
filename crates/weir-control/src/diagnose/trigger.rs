//! What set it off, where it was seen: an instant and a sentence. The cause says what holds the
//! pool down; the trigger says what happened then.

use weir_model::{Cause, Instant};

use super::input::{DiagnosisInput, named};
use crate::detect::failure_says;
use crate::insight::say;

pub(super) fn of(f: &DiagnosisInput, cause: Cause) -> Option<(String, Instant)> {
    match cause {
        Cause::TrafficSurge | Cause::PoolUndersized => {
            let at = f.surge_since?;
            let arrivals = f.during.arrival_rate();
            let usual = f.before.arrival_rate();
            // One busy second by chance is no trigger where the rest is as usual.
            if arrivals < 1.3 * usual {
                return None;
            }
            Some((
                format!(
                    "arrivals rose above 1.5 times usual, to {} from {}",
                    say::rate(arrivals),
                    say::rate(usual)
                ),
                at,
            ))
        }
        Cause::DdlLockQueue => {
            let ddl = f.locks.ddl.as_ref()?;
            Some((
                format!(
                    "backend {} asked for {} on {}: {}",
                    ddl.pid,
                    ddl.mode,
                    named(&ddl.relation, &ddl.query),
                    say::statement(&ddl.query, 80)
                ),
                f.locks.ddl_since?,
            ))
        }
        Cause::ServerDown => {
            let lost = f
                .lost
                .first()
                .map(|(at, reason)| (format!("open servers were lost: {reason}"), *at));
            lost.or_else(|| {
                let (_, failure) = f.logins.last.as_ref()?;
                Some((
                    format!("the first new connection failed: {}", failure_says(failure)),
                    f.logins.first?,
                ))
            })
        }
        Cause::MaxConnections => Some((
            "PostgreSQL refused the first connection with 53300".to_owned(),
            f.logins.first?,
        )),
        // What made a statement slow or a client idle happened where Weir doesn't see it.
        _ => None,
    }
}
