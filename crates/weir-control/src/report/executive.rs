//! The executive form: one page, at most [`WORDS_MAX`] words, for a reader who decides and doesn't
//! debug. What happened, whom it hurt, why, what ended it, what comes next, what is asked of them.
//!
//! Text of people is cut to its share of the words; the full form has all of it.

use super::doc::{Block, Document, Line, Table};
use super::{front, plain, statement};
use crate::incident::entry::Topic;
use crate::incident::json::data_lost;
use crate::incident::words::{count, counted, date, duration, percent, time_of_day};
use crate::incident::{Action, Incident};

/// More than this is no page that somebody reads between two meetings.
pub const WORDS_MAX: usize = 200;

pub(super) fn document(incident: &Incident) -> Document {
    let title = clipped(&incident.title(), 14);
    let mut blocks = vec![
        Block::Heading(1, title.clone()),
        Block::Para(state(incident)),
        Block::Para(labelled("What happened.", happened(incident))),
        Block::Table(numbers(incident)),
        Block::Para(labelled("Why.", why(incident))),
        Block::Para(labelled("What ended it.", ended(incident))),
    ];
    let actions = super::actions(incident);
    let open: Vec<&Action> = actions.iter().filter(|a| a.status.is_open()).collect();
    let done = actions.len() - open.len();
    let unowned = open.iter().filter(|a| a.owner.is_none()).count();
    blocks.push(Block::Para(Line::new().strong("What comes next.").text(
        format!(
            " {} of {} done.",
            done,
            counted(actions.len() as u64, "measure", "measures")
        ),
    )));
    blocks.push(Block::List(open.iter().take(2).map(|a| next(a)).collect()));
    if unowned > 0 {
        blocks.push(Block::Para(Line::new().strong("Asked of you.").text(
            format!(
                " An owner and a date for {}.",
                counted(unowned as u64, "measure", "measures")
            ),
        )));
    }
    Document {
        title,
        front: front(incident),
        blocks,
    }
}

fn labelled(label: &str, says: Line) -> Line {
    let mut line = Line::new().strong(label).text(" ");
    line.0.extend(says.0);
    line
}

/// `Resolved, severity 2 of 4. 2026-11-23 13:58:41 to 13:59:15 UTC, 34.2 s.`
fn state(incident: &Incident) -> Line {
    let clocks = incident.clocks();
    let start = clocks.impact_started_at;
    let mut status = super::status(incident).name().to_owned();
    if let Some(first) = status.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    let when = match clocks.resolved_at {
        Some(end) if date(end) == date(start) => format!(
            "{} {} to {} UTC, {}",
            date(start),
            time_of_day(start),
            time_of_day(end),
            duration(incident.length())
        ),
        Some(end) => format!(
            "{} {} to {} {} UTC, {}",
            date(start),
            time_of_day(start),
            date(end),
            time_of_day(end),
            duration(incident.length())
        ),
        None => format!(
            "since {} {} UTC, {} so far",
            date(start),
            time_of_day(start),
            duration(incident.length())
        ),
    };
    Line::new()
        .strong(format!("{status}, {}", plain::severity(incident.severity)))
        .text(format!(". {when}."))
}

fn happened(incident: &Incident) -> Line {
    match statement(incident, &[Topic::Summary, Topic::Impact]) {
        Some(stated) => Line::new().told(&clipped(&stated.says, 36)).text("."),
        None => Line::of(format!("{}.", plain::happened(incident.level))),
    }
}

fn numbers(incident: &Incident) -> Table {
    let mut rows: Vec<Vec<Line>> = Vec::new();
    let mut row = |name: &str, value: Line| rows.push(vec![Line::of(name), value]);
    match &incident.measured {
        Some(measured) => {
            let impact = &measured.impact;
            if let (Some(hurt), Some(all)) = (impact.users_affected, impact.users) {
                row(
                    "Users affected",
                    Line::of(format!(
                        "{} of {} ({})",
                        count(hurt),
                        count(all),
                        percent(hurt, all)
                    )),
                );
            }
            if impact.transactions > 0 {
                row(
                    "Requests delayed",
                    Line::of(format!(
                        "{} of {}",
                        count(impact.delayed),
                        count(impact.transactions)
                    )),
                );
                row("Requests failed", Line::of(count(impact.failed)));
            }
        }
        None => {
            if statement(incident, &[Topic::Summary]).is_some()
                && let Some(impact) = statement(incident, &[Topic::Impact])
            {
                row(
                    "Who was affected",
                    Line::new().told(&clipped(&impact.says, 14)),
                );
            }
        }
    }
    match statement(incident, &[Topic::DataLost]) {
        Some(stated) => row("Data lost", Line::new().told(&clipped(&stated.says, 8))),
        None => {
            let says = data_lost(incident);
            let short = says.split([':', ';']).next().unwrap_or_default();
            row("Data lost", Line::of(clipped(short, 8)));
        }
    }
    let clocks = incident.clocks();
    let since = |at: weir_model::Wall| Line::of(duration(at.since(clocks.impact_started_at)));
    row("Noticed after", since(clocks.detected_at));
    row(
        "Cause known after",
        clocks.cause_named_at.map_or(Line::of("not known"), since),
    );
    row(
        "Impact over after",
        clocks.mitigated_at.map_or(Line::of("not recorded"), since),
    );
    Table {
        caption: "The numbers that matter".to_owned(),
        head: vec![String::new(), String::new()],
        rows,
    }
}

fn why(incident: &Incident) -> Line {
    if let Some(stated) = statement(incident, &[Topic::RootCause]) {
        return Line::new().told(&clipped(&stated.says, 28)).text(".");
    }
    match incident.top_cause() {
        Some(top) => Line::of(format!("{}.", plain::why(top.cause))),
        None => Line::of("Not known yet."),
    }
}

fn ended(incident: &Incident) -> Line {
    if let Some(stated) = statement(incident, &[Topic::Mitigation, Topic::Fix]) {
        return Line::new().told(&clipped(&stated.says, 24)).text(".");
    }
    let resized = incident
        .decisions
        .iter()
        .rev()
        .find(|d| d.acted && d.from_size.is_some() && d.to_size.is_some());
    if let Some(decision) = resized
        && let (Some(from), Some(to)) = (decision.from_size, decision.to_size)
    {
        let verb = if to < from { "lowered" } else { "raised" };
        return Line::of(format!(
            "Weir {verb} the number of database connections from {from} to {to}."
        ));
    }
    match incident.actions_taken.last() {
        Some(row) => Line::new().says_sentence(&clipped(&row.says, 20)).text("."),
        None if super::status(incident).is_ongoing() => Line::of("It goes on."),
        None => Line::of("Not recorded; a question for the review."),
    }
}

fn next(action: &Action) -> Line {
    let owner = action.owner.as_deref().map_or_else(
        || "owner: open question".to_owned(),
        |owner| clipped(owner, 4),
    );
    let due = action
        .due
        .as_deref()
        .map_or_else(String::new, |due| format!(", due {}", clipped(due, 2)));
    Line::new()
        .says_part(&clipped(&words_only(&action.says), 11))
        .text(format!(" ({owner}{due})"))
}

/// Without the marks of code: an executive reads over them.
fn words_only(text: &str) -> String {
    text.replace('`', "")
}

/// The first `words` words, and an ellipsis where there were more. A word is no longer than a word.
pub(super) fn clipped(text: &str, words: usize) -> String {
    let mut all = text.split_whitespace();
    let out: Vec<String> = all
        .by_ref()
        .take(words)
        .map(|word| word.chars().take(40).collect())
        .collect();
    let mut out = out.join(" ");
    if all.next().is_some() {
        out.truncate(out.trim_end_matches([',', ';', ':', '.']).len());
        out.push('…');
    }
    out
}
