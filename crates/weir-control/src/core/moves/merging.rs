//! Two incidents that are one, and the way back.
//!
//! A duplicate keeps its journal, and Weir goes on measuring into it; lists, counts and escalation
//! see the survivor alone.

use super::{Case, Plan, Refusal, cut, reason};
use crate::incident::LIST_MAX;
use crate::incident::entry::{IncidentId, Said};

pub(super) fn merge(case: &Case<'_>, into: IncidentId, text: &str) -> Result<Plan, Refusal> {
    let duplicate = case.incident;
    let id = duplicate.id;
    let survivor = into.survivor(case.find);
    let Some(other) = (case.find)(survivor) else {
        return Err(format!("there is no incident {into} to merge {id} into"));
    };
    if survivor == id {
        return Err(if into == id {
            format!("{id} can't be merged into itself")
        } else {
            format!("{into} was merged into {id}: they are one already")
        });
    }
    if other.merged_from.len() >= LIST_MAX {
        return Err(format!(
            "{LIST_MAX} incidents were merged into {survivor}; no more are taken"
        ));
    }
    let says = cut(text);
    let mut answer = format!("{id} merged into {survivor}; undo: unmerge {id}");
    if other.measured.is_none() && duplicate.measured.is_some() {
        answer.push_str(&format!(
            ". The numbers stand in {id}: {survivor}'s report has none of its own; to merge the other way, \
             unmerge and merge {survivor} into {id}"
        ));
    }
    Ok(Plan {
        says: vec![
            (
                id,
                Said::MergedInto {
                    into: survivor,
                    says: says.clone(),
                },
            ),
            (survivor, Said::Merged { from: id, says }),
        ],
        answer,
    })
}

pub(super) fn unmerge(case: &Case<'_>, text: &str) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    let Some(into) = case.incident.merged_into else {
        let others: Vec<String> = case
            .incident
            .merged_from
            .iter()
            .map(ToString::to_string)
            .collect();
        return Err(if others.is_empty() {
            format!("{id} was merged into no other")
        } else {
            format!(
                "{id} was merged into no other; to part one from it, unmerge {}",
                others.join(" or ")
            )
        });
    };
    let says = reason("parting them", text)?;
    let mut plan = vec![(
        id,
        Said::Unmerged {
            with: into,
            says: says.clone(),
        },
    )];
    // The survivor may have left memory; its journal then keeps the older word.
    if (case.find)(into).is_some() {
        plan.push((into, Said::Unmerged { with: id, says }));
    }
    Ok(Plan {
        says: plan,
        answer: format!("{id} stands on its own again, apart from {into}"),
    })
}
