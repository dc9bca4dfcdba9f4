//! What is said of an incident without moving it: notes, roles, updates, statements, answers.

use weir_model::Wall;

use super::{Case, LINE_MAX, Plan, Refusal, clocks, cut, line, name, past};
use crate::incident::entry::{NoteKind, Role, Said, Topic};
use crate::incident::words::rfc3339;
use crate::incident::{LIST_MAX, ROWS_MAX, Status};

pub(super) fn note(
    case: &Case<'_>,
    text: &str,
    happened_at: Option<Wall>,
    kind: Option<NoteKind>,
) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    if text.trim().is_empty() {
        return Err("a note needs words".to_owned());
    }
    if case.incident.rows_kept() >= ROWS_MAX {
        return Err(format!(
            "the timeline of {id} is full ({ROWS_MAX} rows); state it for the report instead"
        ));
    }
    if let Some(at) = happened_at {
        past("that", at, case.now)?;
    }
    let mut after = case.incident.clocks();
    if let Some(clock) = kind.and_then(NoteKind::clock)
        && clock.of(&after).is_none()
    {
        // Its time will count as that clock's.
        clock.set(&mut after, Some(happened_at.unwrap_or(case.now)));
        clocks::in_order(&after, clock, case.now)?;
    }
    Ok(Plan::of(
        id,
        Said::Note {
            says: cut(text),
            happened_at,
            kind,
        },
        format!("noted in {id}"),
    ))
}

pub(super) fn assign(case: &Case<'_>, role: Role, to: &str, text: &str) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    if case.incident.status == Status::Closed {
        return Err(format!(
            "{id} is closed: there is nothing to assign; reopen it first"
        ));
    }
    let to = name("who gets the role", to)?;
    if let Some(now) = case.incident.role(role)
        && now.to == to
    {
        return Err(format!("{to} is {role} of {id} already"));
    }
    if case.incident.assignments.len() >= LIST_MAX {
        return Err(format!(
            "{id} holds {LIST_MAX} assignments; no more are taken"
        ));
    }
    let answer = match case.incident.role(role) {
        Some(before) => format!("{id}: {role} is {to} now, after {}", before.to),
        None => format!("{id}: {role} is {to}"),
    };
    Ok(Plan::of(
        id,
        Said::Assigned {
            role,
            to,
            says: cut(text),
        },
        answer,
    ))
}

pub(super) fn update(
    case: &Case<'_>,
    impact: Option<&str>,
    doing: &str,
    next_update_at: Option<Wall>,
) -> Result<Plan, Refusal> {
    let incident = case.incident;
    let id = incident.id;
    if incident.status == Status::Closed {
        return Err(format!(
            "{id} is closed: there is nothing to tell; reopen it first"
        ));
    }
    if incident.updates.len() >= LIST_MAX {
        return Err(format!("{id} holds {LIST_MAX} updates; no more are taken"));
    }
    let doing = cut(doing);
    if doing.is_empty() {
        return Err("an update says what is being done".to_owned());
    }
    let impact = match impact.map(cut).filter(|impact| !impact.is_empty()) {
        Some(impact) => impact,
        None => incident.impact_words().ok_or_else(|| {
            format!("nothing was measured for {id}: say yourself who is hurt, and how (`impact`)")
        })?,
    };
    if let Some(next) = next_update_at {
        if next <= case.now {
            return Err(format!(
                "the next update would be at {}, but it is {} now",
                rfc3339(next),
                rfc3339(case.now)
            ));
        }
    } else if incident.status.is_ongoing() {
        return Err(format!(
            "{id} is {}: whoever reads this waits for more, so say when the next update comes",
            incident.status
        ));
    }
    let says = incident.update_text(&impact, &doing, next_update_at, case.now);
    Ok(Plan::of(
        id,
        Said::StatusUpdate {
            impact,
            doing,
            next_update_at,
            says: says.clone(),
        },
        says,
    ))
}

pub(super) fn state(
    case: &Case<'_>,
    topic: Topic,
    text: &str,
    happened_at: Option<Wall>,
) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    if text.trim().is_empty() {
        return Err("a statement needs words".to_owned());
    }
    if case.incident.stated.len() >= LIST_MAX {
        return Err(format!(
            "{id} holds {LIST_MAX} statements; no more are taken"
        ));
    }
    if let Some(at) = happened_at {
        past("that", at, case.now)?;
    }
    Ok(Plan::of(
        id,
        Said::Stated {
            topic,
            says: cut(text),
            happened_at,
        },
        format!("stated in {id}: {topic}"),
    ))
}

pub(super) fn answer(case: &Case<'_>, question: &str, text: &str) -> Result<Plan, Refusal> {
    let id = case.incident.id;
    let open = case.incident.questions();
    let asked = question.trim();
    // An answer given before may be given anew.
    let again = case.incident.answers.iter().any(|a| a.question == asked);
    let question = match asked.parse::<usize>() {
        Ok(number) => open.get(number.wrapping_sub(1)).cloned().ok_or_else(|| {
            format!(
                "{id} has no question {number}; it has {} open ones, numbered from 1",
                open.len()
            )
        })?,
        Err(_) if again || open.iter().any(|q| q == asked) => asked.to_owned(),
        Err(_) => {
            return Err(format!(
                "{id} doesn't ask that; it has {} open questions: name one by its number, or word by word",
                open.len()
            ));
        }
    };
    let question = line("the question", &question, LINE_MAX)?;
    if text.trim().is_empty() {
        return Err("an answer needs words".to_owned());
    }
    if case.incident.answers.len() >= LIST_MAX {
        return Err(format!("{id} holds {LIST_MAX} answers; no more are taken"));
    }
    Ok(Plan::of(
        id,
        Said::Answered {
            question,
            says: cut(text),
        },
        format!("answered in {id}"),
    ))
}
