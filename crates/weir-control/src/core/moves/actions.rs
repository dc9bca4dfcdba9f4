//! Actions: taken up, changed, done, verified, declined, open again.
//!
//! A proposed action becomes one of the journal with its first change, under the number that it
//! was proposed with.

use super::{Case, LINE_MAX, Plan, Refusal, cut, line, name, reason};
use crate::handle::{ActionDetails, NewAction};
use crate::incident::entry::{ActionStatus, ActionText, IncidentId, Said};
use crate::incident::verify::{self, Verify};
use crate::incident::words::date;
use crate::incident::{Action, Incident, TRACKED_MAX};

type Entries = Vec<(IncidentId, Said)>;

pub(super) fn add(case: &Case<'_>, new: &NewAction) -> Result<Plan, Refusal> {
    let incident = case.incident;
    let id = incident.id;
    room(incident, 1)?;
    let says = line("what the action is", &new.says, LINE_MAX)?;
    if incident.actions().iter().any(|a| a.says == says) {
        return Err(format!("{id} has that action already: adopt or change it"));
    }
    let details = checked_details(incident, &new.details)?;
    let for_what = match new.for_what.trim() {
        "" => String::new(),
        text => name("what the action is for", text)?,
    };
    let action = ActionText {
        id: next_id(incident),
        says,
        for_what,
        kind: new.kind,
        owner: details.owner,
        due: details.due,
        priority: priority(&new.priority)?,
        tracker: details.tracker,
        verify: details.verify.unwrap_or_default(),
    };
    let answer = format!("{id}: action {} added", action.id);
    Ok(Plan::of(id, Said::ActionAdded { action }, answer))
}

pub(super) fn adopt(case: &Case<'_>, ids: &[String]) -> Result<Plan, Refusal> {
    let incident = case.incident;
    let id = incident.id;
    let mut chosen = Vec::new();
    if ids.is_empty() {
        chosen.extend(incident.actions().into_iter().filter(|a| !a.adopted));
        if chosen.is_empty() {
            return Err(format!("{id} has no proposed action that isn't adopted"));
        }
    }
    for wanted in ids {
        let action = find(incident, wanted)?;
        if action.adopted {
            return Err(format!("{} of {id} is adopted already", action.id));
        }
        if !chosen.iter().any(|known: &Action| known.id == action.id) {
            chosen.push(action);
        }
    }
    room(incident, chosen.len())?;
    let names: Vec<&str> = chosen.iter().map(|a| a.id.as_str()).collect();
    Ok(Plan {
        answer: format!("{id}: adopted {}", names.join(", ")),
        says: chosen.iter().map(|a| (id, added(a))).collect(),
    })
}

pub(super) fn change(
    case: &Case<'_>,
    action: &str,
    details: &ActionDetails,
    text: &str,
) -> Result<Plan, Refusal> {
    let incident = case.incident;
    let id = incident.id;
    let action = find(incident, action)?;
    if *details == ActionDetails::default() {
        return Err(format!(
            "nothing to change of {}: say owner, due, priority, tracker or verify",
            action.id
        ));
    }
    let details = checked_details(incident, details)?;
    let mut says = taken_up(incident, &action)?;
    says.push((
        id,
        Said::ActionChanged {
            id: action.id.clone(),
            owner: details.owner,
            due: details.due,
            priority: details.priority,
            tracker: details.tracker,
            verify: details.verify,
            status: None,
            says: cut(text),
        },
    ));
    Ok(Plan {
        says,
        answer: format!("{id}: {} changed", action.id),
    })
}

pub(super) fn done(case: &Case<'_>, action: &str, text: &str) -> Result<Plan, Refusal> {
    let action = find(case.incident, action)?;
    if action.status != ActionStatus::Open {
        return Err(stands(case, &action, "to do it again, reopen it"));
    }
    let mut answer = format!("{}: {} done", case.incident.id, action.id);
    match verify::parse(&action.verify) {
        Ok(Verify::Metric(query)) => answer.push_str(&format!("; Weir verifies it: {query}")),
        Ok(Verify::Drill { name, .. }) => answer.push_str(&format!(
            "; it needs a drill to be verified: {name}. Run it, then say `action verify`"
        )),
        Ok(Verify::Person(_)) | Err(_) => {
            answer.push_str("; who looks whether it holds says `action verify`");
        }
    }
    moved(case, &action, ActionStatus::Done, cut(text), answer)
}

pub(super) fn declined(case: &Case<'_>, action: &str, text: &str) -> Result<Plan, Refusal> {
    let action = find(case.incident, action)?;
    if action.status == ActionStatus::Wontdo {
        return Err(stands(case, &action, "its reason stands"));
    }
    if action.status == ActionStatus::Verified {
        return Err(stands(case, &action, "it can't be declined any more"));
    }
    let why = reason("declining an action", text)?;
    Ok(Plan {
        says: decline(case.incident, &action, &why)?,
        answer: format!("{}: {} declined", case.incident.id, action.id),
    })
}

/// The entries that decline an action.
pub(super) fn decline(incident: &Incident, action: &Action, why: &str) -> Result<Entries, Refusal> {
    let mut says = taken_up(incident, action)?;
    says.push((
        incident.id,
        status(action, ActionStatus::Wontdo, why.to_owned()),
    ));
    Ok(says)
}

pub(super) fn reopened(case: &Case<'_>, action: &str, text: &str) -> Result<Plan, Refusal> {
    let action = find(case.incident, action)?;
    if action.status == ActionStatus::Open {
        return Err(stands(case, &action, "there is nothing to reopen"));
    }
    let why = reason("reopening an action", text)?;
    let answer = format!("{}: {} open again", case.incident.id, action.id);
    moved(case, &action, ActionStatus::Open, why, answer)
}

pub(super) fn checked(
    case: &Case<'_>,
    action: &str,
    ok: bool,
    text: &str,
) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    let action = find(case.incident, action)?;
    if !matches!(action.status, ActionStatus::Done | ActionStatus::Verified) {
        return Err(stands(
            case,
            &action,
            "only what is done can be verified; say `done` first",
        ));
    }
    let seen = cut(text);
    if seen.is_empty() {
        return Err("a verification says what was seen".to_owned());
    }
    let mut says = vec![(
        id,
        Said::ActionVerified {
            id: action.id.clone(),
            ok,
            says: seen.clone(),
            evidence: vec![],
        },
    )];
    let answer = if ok {
        format!("{id}: {} verified", action.id)
    } else {
        says.push((id, status(&action, ActionStatus::Open, seen)));
        format!("{id}: {} did not hold and is open again", action.id)
    };
    Ok(Plan { says, answer })
}

fn moved(
    case: &Case<'_>,
    action: &Action,
    to: ActionStatus,
    words: String,
    answer: String,
) -> Result<Plan, Refusal> {
    let mut says = taken_up(case.incident, action)?;
    says.push((case.incident.id, status(action, to, words)));
    Ok(Plan { says, answer })
}

/// The entry that moves an action.
pub(super) fn status(action: &Action, to: ActionStatus, says: String) -> Said {
    Said::ActionChanged {
        id: action.id.clone(),
        owner: None,
        due: None,
        priority: None,
        tracker: None,
        verify: None,
        status: Some(to),
        says,
    }
}

fn stands(case: &Case<'_>, action: &Action, so: &str) -> Refusal {
    format!(
        "{} of {} is {}; {so}",
        action.id, case.incident.id, action.status
    )
}

fn taken_up(incident: &Incident, action: &Action) -> Result<Entries, Refusal> {
    if action.adopted {
        return Ok(Vec::new());
    }
    room(incident, 1)?;
    Ok(vec![(incident.id, added(action))])
}

fn added(action: &Action) -> Said {
    Said::ActionAdded {
        action: ActionText {
            id: action.id.clone(),
            says: action.says.clone(),
            for_what: action.for_what.clone(),
            kind: action.kind,
            owner: action.owner.clone(),
            due: action.due.clone(),
            priority: action.priority.clone(),
            tracker: action.tracker.clone(),
            verify: action.verify.clone(),
        },
    }
}

fn room(incident: &Incident, more: usize) -> Result<(), Refusal> {
    if incident.adopted.len() + more > TRACKED_MAX {
        return Err(format!(
            "{} would hold more than {TRACKED_MAX} actions; what a list that long holds, nobody does",
            incident.id
        ));
    }
    Ok(())
}

fn find(incident: &Incident, wanted: &str) -> Result<Action, Refusal> {
    let actions = incident.actions();
    let wanted = wanted.trim();
    let found = actions.iter().find(|a| {
        a.id.eq_ignore_ascii_case(wanted) || a.id.strip_prefix('A').is_some_and(|n| n == wanted)
    });
    found.cloned().ok_or_else(|| {
        let known: Vec<&str> = actions.iter().map(|a| a.id.as_str()).collect();
        format!(
            "{} has no action `{wanted}`; it has {}",
            incident.id,
            known.join(", ")
        )
    })
}

fn next_id(incident: &Incident) -> String {
    let last = incident
        .actions()
        .iter()
        .filter_map(|a| a.id.strip_prefix('A')?.parse::<u32>().ok())
        .max()
        .unwrap_or(0);
    format!("A{}", last.saturating_add(1))
}

fn priority(text: &str) -> Result<String, Refusal> {
    let text = text.trim().to_ascii_lowercase();
    if ["p1", "p2", "p3", "p4"].contains(&text.as_str()) {
        Ok(text)
    } else {
        Err(format!("`{text}` is no priority; known are p1, p2, p3, p4"))
    }
}

fn checked_details(incident: &Incident, details: &ActionDetails) -> Result<ActionDetails, Refusal> {
    let owner = details.owner.as_deref();
    let owner = owner.map(|owner| name("the owner", owner)).transpose()?;
    let due = details.due.as_deref();
    let due = due.map(|due| due_date(incident, due)).transpose()?;
    let wanted = details.priority.as_deref();
    let priority = wanted.map(priority).transpose()?;
    let tracker = details.tracker.as_deref();
    let tracker = tracker
        .map(|link| {
            let link = line("the tracker's link", link, LINE_MAX)?;
            match link.split_once("://") {
                Some(("http" | "https", rest)) if !rest.is_empty() => Ok(link),
                _ => Err(format!("`{link}` is no link; write https://…")),
            }
        })
        .transpose()?;
    let verify = details.verify.as_deref();
    let verify = verify
        .map(|text| {
            let text = line("the verification", text, LINE_MAX)?;
            verify::parse(&text).map_err(|fault| fault.to_string())?;
            Ok::<_, Refusal>(text)
        })
        .transpose()?;
    Ok(ActionDetails {
        owner,
        due,
        priority,
        tracker,
        verify,
    })
}

fn due_date(incident: &Incident, text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let day: jiff::civil::Date = text
        .parse()
        .map_err(|_| format!("`{text}` is no date; write 2026-12-01"))?;
    let due = day.strftime("%Y-%m-%d").to_string();
    let began = date(incident.clocks().impact_started_at);
    if due < began {
        return Err(format!(
            "due {due} lies before the incident, which began on {began}"
        ));
    }
    Ok(due)
}
