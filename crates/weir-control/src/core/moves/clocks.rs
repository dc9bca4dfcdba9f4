//! Setting a clock right, in an order that can have happened.

use weir_model::Wall;

use super::{Case, Plan, Refusal, past, reason};
use crate::incident::entry::{ClockName, Said};
use crate::incident::words::rfc3339;
use crate::incident::{Clocks, LIST_MAX, Status};

/// What can't come before what.
const ORDER: &[(ClockName, ClockName)] = &[
    (ClockName::ImpactStarted, ClockName::Detected),
    (ClockName::ImpactStarted, ClockName::CauseNamed),
    (ClockName::ImpactStarted, ClockName::Mitigated),
    (ClockName::ImpactStarted, ClockName::Resolved),
    (ClockName::Detected, ClockName::Acknowledged),
    (ClockName::Detected, ClockName::Resolved),
    (ClockName::Mitigated, ClockName::Resolved),
];

/// Whether `changed` stands where it can have happened.
pub(super) fn in_order(clocks: &Clocks, changed: ClockName, now: Wall) -> Result<(), Refusal> {
    let Some(at) = changed.of(clocks) else {
        return Ok(());
    };
    past(&format!("`{changed}`"), at, now)?;
    for (first, then) in ORDER {
        if *first != changed && *then != changed {
            continue;
        }
        if let (Some(a), Some(b)) = (first.of(clocks), then.of(clocks))
            && b < a
        {
            return Err(format!(
                "that can't be: `{then}` ({}) would come before `{first}` ({})",
                rfc3339(b),
                rfc3339(a)
            ));
        }
    }
    Ok(())
}

pub(super) fn correct(
    case: &Case<'_>,
    clock: ClockName,
    to: Option<Wall>,
    text: &str,
) -> Result<Plan, Refusal> {
    let incident = case.incident;
    let id = incident.id;
    let says = reason("a correction", text)?;
    let mut clocks = incident.clocks();
    let from = clock.of(&clocks);
    if from == to {
        return Err(match to {
            Some(at) => format!("`{clock}` of {id} shows {} already", rfc3339(at)),
            None => format!("`{clock}` of {id} is not set"),
        });
    }
    if incident.corrections.len() >= LIST_MAX {
        return Err(format!(
            "{id} holds {LIST_MAX} corrections; no more are taken"
        ));
    }
    match clock {
        ClockName::ImpactStarted | ClockName::Detected => {
            if to.is_none() {
                return Err(format!("`{clock}` always has a time; say which"));
            }
        }
        ClockName::CauseNamed => {}
        ClockName::Acknowledged => {
            if incident.status == Status::Open && from.is_none() {
                return Err(format!(
                    "nobody has acknowledged {id}; acknowledge it first, then set its clock right"
                ));
            }
        }
        ClockName::Mitigated => {
            if incident.status < Status::Mitigated {
                return Err(format!(
                    "{id} is {}; to say that its impact is gone, mitigate it (with the time, if it isn't now)",
                    incident.status
                ));
            }
            if to.is_none() && incident.status == Status::Mitigated {
                return Err(format!("{id} is mitigated; to take that back, reopen it"));
            }
        }
        ClockName::Resolved => {
            if incident.status < Status::Resolved {
                return Err(format!(
                    "{id} is {}; to say that it is over, resolve it (with the time, if it isn't now)",
                    incident.status
                ));
            }
            if to.is_none() {
                return Err(format!(
                    "{id} is {}; to take that back, reopen it",
                    incident.status
                ));
            }
        }
    }
    clock.set(&mut clocks, to);
    in_order(&clocks, clock, case.now)?;
    let shown = |at: Option<Wall>| at.map_or_else(|| "not set".to_owned(), rfc3339);
    Ok(Plan::of(
        id,
        Said::ClockCorrected {
            clock,
            from,
            to,
            says,
        },
        format!("{id}: `{clock}` {} → {}", shown(from), shown(to)),
    ))
}
