//! The states of an incident, and who may move it.

use weir_model::{Level, Wall};

use super::{Case, Plan, Refusal, actions, clocks, cut, reason};
use crate::handle::OpenActions;
use crate::incident::Status;
use crate::incident::entry::{ClockName, IncidentId, Said};

/// A move from one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Acknowledge,
    Mitigate,
    Resolve,
    Review,
    Close,
    Reopen,
}

impl Move {
    const ALL: [Move; 6] = [
        Self::Acknowledge,
        Self::Mitigate,
        Self::Resolve,
        Self::Review,
        Self::Close,
        Self::Reopen,
    ];

    /// The states that it starts from. To acknowledge again is to take it over.
    fn from(self) -> &'static [Status] {
        use Status::{Acknowledged, Closed, Mitigated, Open, Resolved, Reviewed};
        match self {
            Self::Acknowledge => &[Open, Acknowledged, Mitigated],
            Self::Mitigate => &[Open, Acknowledged],
            Self::Resolve => &[Open, Acknowledged, Mitigated],
            Self::Review => &[Resolved],
            Self::Close => &[Reviewed],
            Self::Reopen => &[Mitigated, Resolved, Reviewed, Closed],
        }
    }

    /// The state that it ends in.
    fn to(self) -> Status {
        match self {
            Self::Acknowledge | Self::Reopen => Status::Acknowledged,
            Self::Mitigate => Status::Mitigated,
            Self::Resolve => Status::Resolved,
            Self::Review => Status::Reviewed,
            Self::Close => Status::Closed,
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledged",
            Self::Mitigate => "mitigated",
            Self::Resolve => "resolved",
            Self::Review => "reviewed",
            Self::Close => "closed",
            Self::Reopen => "reopened",
        }
    }
}

/// `Err`: why it can't be, and what can.
fn may(id: IncidentId, status: Status, wanted: Move) -> Result<(), Refusal> {
    if wanted.from().contains(&status) {
        return Ok(());
    }
    let possible: Vec<&str> = Move::ALL
        .into_iter()
        .filter(|m| m.from().contains(&status))
        .map(Move::done)
        .collect();
    let why = if wanted == Move::Reopen {
        format!("{id} is {status}: there is nothing to reopen")
    } else if status >= wanted.to() {
        format!("{id} is {status} already")
    } else {
        format!("{id} is {status}, so it can't be {} yet", wanted.done())
    };
    let or = match possible.as_slice() {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    };
    Err(format!("{why}; now it can be {or}"))
}

pub(super) fn acknowledge(case: &Case<'_>, text: &str) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    may(id, case.incident.status, Move::Acknowledge)?;
    Ok(Plan::of(
        id,
        Said::Acknowledged { says: cut(text) },
        format!("{id} acknowledged"),
    ))
}

pub(super) fn mitigate(case: &Case<'_>, text: &str, at: Option<Wall>) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    may(id, case.incident.status, Move::Mitigate)?;
    let said = Said::Mitigated {
        says: or(text, "declared mitigated"),
        evidence: vec![],
    };
    ended(case, said, ClockName::Mitigated, at)
}

pub(super) fn resolve(case: &Case<'_>, text: &str, at: Option<Wall>) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    may(id, case.incident.status, Move::Resolve)?;
    let said = Said::Resolved {
        says: or(text, "declared over"),
        evidence: vec![],
    };
    let mut plan = ended(case, said, ClockName::Resolved, at)?;
    // A duplicate that only people end has nobody else to end it.
    for duplicate in &case.incident.merged_from {
        if let Some(other) = (case.find)(*duplicate)
            && other.status.is_ongoing()
            && other.is_held()
        {
            let says = format!("over with {id}, into which it was merged");
            plan.says.push((
                *duplicate,
                Said::Resolved {
                    says,
                    evidence: vec![],
                },
            ));
        }
    }
    Ok(plan)
}

/// The impact ends now, or ended at a time that somebody states: then the clock is set, and by
/// whom stays visible.
fn ended(case: &Case<'_>, said: Said, clock: ClockName, at: Option<Wall>) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    let mut plan = Plan::of(id, said, format!("{id} {clock}"));
    let mut after = case.incident.clocks();
    clock.set(&mut after, Some(at.unwrap_or(case.now)));
    if let Some(at) = at {
        clocks::in_order(&after, clock, case.now)?;
        plan.says.push((
            id,
            Said::ClockCorrected {
                clock,
                from: Some(case.now),
                to: Some(at),
                says: format!("stated by {} with the move", case.by),
            },
        ));
    }
    Ok(plan)
}

pub(super) fn review(case: &Case<'_>, text: &str, anyway: bool) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    may(id, case.incident.status, Move::Review)?;
    let mut says = cut(text);
    if let Some(how) = case.incident.took_part(case.by) {
        if !anyway {
            return Err(format!(
                "{} {how}, and who took part sees what they saw before: ask a colleague who did not, or \
                 review anyway with a reason",
                case.by
            ));
        }
        let why = reason("a review by somebody who took part", text)?;
        says = format!("{why} (the reviewer {how})");
    }
    Ok(Plan::of(
        id,
        Said::Reviewed { says },
        format!("{id} reviewed by {}", case.by),
    ))
}

pub(super) fn close(
    case: &Case<'_>,
    text: &str,
    open_actions: OpenActions,
) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    may(id, case.incident.status, Move::Close)?;
    let open: Vec<_> = case
        .incident
        .actions()
        .into_iter()
        .filter(|action| action.status.is_open())
        .collect();
    let names: Vec<&str> = open.iter().map(|action| action.id.as_str()).collect();
    let mut says = cut(text);
    let mut plan = Vec::new();
    if !open.is_empty() {
        let names = names.join(", ");
        match open_actions {
            OpenActions::Refuse => {
                return Err(format!(
                    "{id} has open actions: {names}. Finish them, decline each with its reason, or close \
                     it with one reason that declines them all or leaves them open"
                ));
            }
            OpenActions::Decline => {
                let why = reason("declining the open actions", text)?;
                for action in &open {
                    plan.extend(actions::decline(case.incident, action, &why)?);
                }
                says = format!("{why} (declined: {names})");
            }
            OpenActions::Leave => {
                let why = reason("closing with open actions", text)?;
                says = format!("{why} (still open: {names})");
            }
        }
    }
    plan.push((id, Said::Closed { says }));
    Ok(Plan {
        says: plan,
        answer: format!("{id} closed"),
    })
}

pub(super) fn reopen(case: &Case<'_>, text: &str) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    may(id, case.incident.status, Move::Reopen)?;
    let says = reason("reopening", text)?;
    Ok(Plan::of(
        id,
        Said::Reopened { says },
        format!("{id} reopened"),
    ))
}

fn or(text: &str, otherwise: &str) -> String {
    let text = cut(text);
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

/// Whether a level that comes soon after another is the same story: a server that is gone is one
/// story, a pool that runs dry in whatever way another.
pub(in crate::core) fn related_levels(one: Option<Level>, other: Level) -> bool {
    one.is_some_and(|one| (one == Level::Down) == (other == Level::Down))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The diagram in `moves`, as the table has it.
    #[test]
    fn the_moves_are_those_of_the_diagram() {
        let mut lines = Vec::new();
        for status in [
            Status::Open,
            Status::Acknowledged,
            Status::Mitigated,
            Status::Resolved,
            Status::Reviewed,
            Status::Closed,
        ] {
            let moves: Vec<&str> = Move::ALL
                .into_iter()
                .filter(|m| may(IncidentId(1), status, *m).is_ok())
                .map(Move::done)
                .collect();
            lines.push(format!("{status}: {}", moves.join(" ")));
        }
        assert_eq!(
            lines,
            [
                "open: acknowledged mitigated resolved",
                "acknowledged: acknowledged mitigated resolved",
                "mitigated: acknowledged resolved reopened",
                "resolved: reviewed reopened",
                "reviewed: closed reopened",
                "closed: reopened",
            ]
        );
    }

    #[test]
    fn a_refused_move_says_why_and_what_is_possible() {
        let refused = |status, wanted| may(IncidentId(7), status, wanted).unwrap_err();
        assert_eq!(
            refused(Status::Resolved, Move::Resolve),
            "INC-7 is resolved already; now it can be reviewed or reopened"
        );
        assert_eq!(
            refused(Status::Resolved, Move::Close),
            "INC-7 is resolved, so it can't be closed yet; now it can be reviewed or reopened"
        );
        assert_eq!(
            refused(Status::Open, Move::Reopen),
            "INC-7 is open: there is nothing to reopen; now it can be acknowledged, mitigated or resolved"
        );
    }

    #[test]
    fn a_server_that_is_gone_is_another_story_than_a_pool_that_runs_dry() {
        assert!(related_levels(Some(Level::Exhausted), Level::Stalled));
        assert!(related_levels(Some(Level::Down), Level::Down));
        assert!(!related_levels(Some(Level::Down), Level::Exhausted));
        assert!(!related_levels(None, Level::Exhausted));
    }
}
