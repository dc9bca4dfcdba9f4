//! What a wish for an incident comes to: the entries that grant it, or why it isn't granted.
//!
//! ```text
//! open ── acknowledge ─▶ acknowledged ── mitigate ─▶ mitigated ── resolve ─▶ resolved
//!   └────────── mitigate, resolve ──────────▲──────────▲          review │  ▲ reopen
//! open, acknowledged ◀── reopen ── mitigated, resolved, reviewed, closed ▼
//!                                              closed ◀── close ── reviewed
//! ```
//!
//! # What always holds
//! - [`plan`] changes nothing: it reads incidents and returns what to append, in order. A refusal
//!   appends nothing at all.
//! - A refusal says why, and what is possible now.
//! - A wish for a merged incident is a wish for its survivor.
//!
//! Start at [`plan`]; the table of moves is [`states::Move::from`].

mod actions;
mod clocks;
mod merging;
mod states;
mod telling;

pub(super) use states::related_levels;

use weir_model::Wall;

use crate::handle::{AskFault, Wish};
use crate::incident::Incident;
use crate::incident::entry::{IncidentId, Said};

/// Longer free texts are cut, with an ellipsis.
const TEXT_MAX: usize = 4_000;
/// Longer names, titles and links are refused: what is cut off there is missed.
const NAME_MAX: usize = 200;
/// Longer verifications and questions are refused.
const LINE_MAX: usize = 1_000;

/// Looks an incident up.
pub(super) type Find<'a> = &'a dyn Fn(IncidentId) -> Option<&'a Incident>;

/// What to append, and what to answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// In order; mostly of one incident.
    pub(super) says: Vec<(IncidentId, Said)>,
    /// One sentence for whoever wished.
    pub(super) answer: String,
}

impl Plan {
    fn of(id: IncidentId, said: Said, answer: impl Into<String>) -> Self {
        Self {
            says: vec![(id, said)],
            answer: answer.into(),
        }
    }
}

/// Why a wish isn't granted.
type Refusal = String;

/// What a wish is judged by.
#[derive(Clone, Copy)]
struct Case<'a> {
    incident: &'a Incident,
    by: &'a str,
    now: Wall,
    find: Find<'a>,
}

/// Grants a wish, or says why not.
///
/// # Errors
/// There is no such incident, or the wish makes no sense in its present state.
pub(super) fn plan<'a>(
    find: Find<'a>,
    id: IncidentId,
    by: &'a str,
    wish: &Wish,
    now: Wall,
) -> Result<Plan, AskFault> {
    let no_such = |id: IncidentId| AskFault::NoSuch {
        what: "incident",
        name: id.to_string(),
    };
    // To part what was merged is a wish for the duplicate itself.
    let meant = match wish {
        Wish::Unmerge { .. } => id,
        _ => id.survivor(find),
    };
    let incident = find(meant).ok_or_else(|| no_such(id))?;
    let case = Case {
        incident,
        by,
        now,
        find,
    };
    let mut plan = grant(&case, wish).map_err(AskFault::NotNow)?;
    if meant != id {
        plan.answer = format!("{id} was merged into {meant}: {}", plan.answer);
    }
    Ok(plan)
}

fn grant(case: &Case<'_>, wish: &Wish) -> Result<Plan, Refusal> {
    match wish {
        Wish::Acknowledge { text } => states::acknowledge(case, text),
        Wish::Note {
            text,
            happened_at,
            kind,
        } => telling::note(case, text, *happened_at, *kind),
        Wish::Mitigate { text, at } => states::mitigate(case, text, *at),
        Wish::Resolve { text, at } => states::resolve(case, text, *at),
        Wish::Review { text, anyway } => states::review(case, text, *anyway),
        Wish::Close { text, open_actions } => states::close(case, text, *open_actions),
        Wish::Reopen { text } => states::reopen(case, text),
        Wish::Assign { role, to, text } => telling::assign(case, *role, to, text),
        Wish::Merge { into, text } => merging::merge(case, *into, text),
        Wish::Unmerge { text } => merging::unmerge(case, text),
        Wish::Correct { clock, to, text } => clocks::correct(case, *clock, *to, text),
        Wish::Update {
            impact,
            doing,
            next_update_at,
        } => telling::update(case, impact.as_deref(), doing, *next_update_at),
        Wish::AddAction(new) => actions::add(case, new),
        Wish::AdoptActions { ids } => actions::adopt(case, ids),
        Wish::ChangeAction {
            action,
            details,
            text,
        } => actions::change(case, action, details, text),
        Wish::ActionDone { action, text } => actions::done(case, action, text),
        Wish::ActionDeclined { action, text } => actions::declined(case, action, text),
        Wish::ActionReopened { action, text } => actions::reopened(case, action, text),
        Wish::ActionChecked { action, ok, text } => actions::checked(case, action, *ok, text),
        Wish::State {
            topic,
            text,
            happened_at,
        } => telling::state(case, *topic, text, *happened_at),
        Wish::Answer { question, text } => telling::answer(case, question, text),
    }
}

/// Cuts a long text at a letter, with an ellipsis.
pub(super) fn cut(text: &str) -> String {
    let mut text = text.trim().to_owned();
    if text.len() > TEXT_MAX {
        let end = (0..=TEXT_MAX)
            .rev()
            .find(|&i| text.is_char_boundary(i))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A name or title: one line, not empty, not too long.
pub(super) fn name(what: &str, text: &str) -> Result<String, Refusal> {
    line(what, text, NAME_MAX)
}

fn line(what: &str, text: &str, most: usize) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        return Err(format!("{what} is missing"));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{what} must stand in one line"));
    }
    if text.len() > most {
        return Err(format!(
            "{what} has {} bytes; at most {most} are taken. Write the rest into a note",
            text.len()
        ));
    }
    Ok(text.to_owned())
}

/// A reason that must be given.
fn reason(why: &str, text: &str) -> Result<String, Refusal> {
    let text = cut(text);
    if text.is_empty() {
        return Err(format!("{why} needs a reason"));
    }
    Ok(text)
}

/// A time that a person states can't lie ahead.
fn past(what: &str, at: Wall, now: Wall) -> Result<(), Refusal> {
    use crate::incident::words::rfc3339;
    if at > now {
        return Err(format!(
            "{what} would be {}, which lies ahead: it is {} now",
            rfc3339(at),
            rfc3339(now)
        ));
    }
    Ok(())
}
