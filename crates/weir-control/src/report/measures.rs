//! Part 5: actions, what went well and wrong, luck, open questions, and the evidence.

use super::doc::{Block, Cited, Line};
use super::{Draft, by_words};
use crate::incident::Action;
use crate::incident::entry::{Kind, Topic};
use crate::incident::words::{self, count, counted, duration, percent, seconds};

/// More actions than this nobody does; the rest stands in the JSON.
const ACTIONS_SHOWN: usize = 10;
/// Stands where only a person can say.
const OPEN: &str = "open question";

pub(super) fn write(draft: &mut Draft<'_>) {
    draft.heading("5. Corrective and preventative measures");
    actions(draft);
    draft.para(Line::new().strong("Went well."));
    let well = went_well(draft);
    draft.list(with_stated(
        draft,
        Topic::WentWell,
        well,
        "Open question: what went well? The journal shows nothing.",
    ));
    draft.para(Line::new().strong("Went wrong."));
    let wrong = went_wrong(draft);
    draft.list(with_stated(
        draft,
        Topic::WentWrong,
        wrong,
        "Open question: what went wrong? The journal shows nothing.",
    ));
    draft.para(Line::new().strong("Where we were lucky."));
    let lucky = lucky(draft);
    draft.list(with_stated(
        draft,
        Topic::Lucky,
        lucky,
        "Open question: where was there luck? Nothing in the journal points at it.",
    ));
    answered(draft);
    draft.para(Line::new().strong("Open questions for the review."));
    let questions: Vec<Line> = draft
        .incident
        .questions()
        .iter()
        .map(|q| Line::new().says(q))
        .collect();
    draft.list(if questions.is_empty() {
        vec![Line::of("None: people have answered all of them.")]
    } else {
        questions
    });
    evidence(draft);
}

/// What was measured first, then what people say; where there is neither, the question.
fn with_stated(
    draft: &Draft<'_>,
    topic: Topic,
    mut measured: Vec<Line>,
    question: &str,
) -> Vec<Line> {
    measured.extend(draft.stated(topic, super::STATED_MAX));
    if measured.is_empty() {
        measured.push(Line::of(question));
    }
    measured
}

fn actions(draft: &mut Draft<'_>) {
    let actions = super::actions(draft.incident);
    let adopted = actions.iter().filter(|a| a.adopted).count();
    draft.para(Line::of(if adopted == actions.len() {
        "As people took them up.".to_owned()
    } else if adopted == 0 {
        "Proposed by Weir from the cause and the factors; owners and dates are questions to people."
            .to_owned()
    } else {
        format!(
            "{} of {} stand in the journal as people took them up; the others are proposed by Weir from the cause and the factors.",
            adopted,
            actions.len()
        )
    }));
    let rows = actions
        .iter()
        .take(ACTIONS_SHOWN)
        .map(|a| {
            vec![
                Line::new().says(&a.id),
                says(a.adopted, &a.says),
                if a.for_what.trim().is_empty() {
                    Line::of(OPEN)
                } else {
                    Line::new().says(&a.for_what)
                },
                Line::of(a.kind.name()),
                or_open(a.owner.as_deref()),
                or_open(a.due.as_deref()),
                Line::new().says(&a.priority),
                or_open(a.tracker.as_deref()),
                if a.verify.trim().is_empty() {
                    Line::of(OPEN)
                } else {
                    says(a.adopted, &a.verify)
                },
                status(draft, a),
            ]
        })
        .collect();
    draft.table(
        "Actions with type, owner, due date and how each is verified",
        &[
            "id", "action", "for", "type", "owner", "due", "priority", "tracker", "verify",
            "status",
        ],
        rows,
    );
    if actions.len() > ACTIONS_SHOWN {
        draft.para(Line::of(format!(
            "{} more stand in the incident's JSON: more than ten are rarely done.",
            actions.len() - ACTIONS_SHOWN
        )));
    }
}

/// Weir's own words, or a person's.
fn says(told: bool, text: &str) -> Line {
    if told {
        Line::new().told(text)
    } else {
        Line::new().says_part(text)
    }
}

fn or_open(value: Option<&str>) -> Line {
    match value.map(str::trim).filter(|v| !v.is_empty()) {
        Some(value) => Line::new().told(value),
        None => Line::of(OPEN),
    }
}

/// How far it is; and what its verification saw when it was run last.
fn status(draft: &mut Draft<'_>, action: &Action) -> Line {
    let mut line = Line::of(action.status.name());
    if let Some(at) = action.status_at {
        line = line.text(format!(" since {}", words::date(at)));
    }
    let check = action.checks.last();
    if !action.status_says.trim().is_empty() && check.is_none_or(|c| c.says != action.status_says) {
        line = line.text(": ").told(&action.status_says);
    }
    let Some(check) = check else {
        return line;
    };
    let mut cited = draft.book.cite_all(&check.evidence);
    if cited.is_empty() {
        cited.push(Cited::Journal(check.seq));
    }
    line.text(format!(
        "; verification {} on {} {} UTC: ",
        if check.ok { "held" } else { "did not hold" },
        words::date(check.at),
        words::time_of_day(check.at)
    ))
    .says_part(&check.says)
    .cite(&cited)
}

fn answered(draft: &mut Draft<'_>) {
    let answers = draft.incident.answers.clone();
    if answers.is_empty() {
        return;
    }
    draft.para(Line::new().strong("Answered questions."));
    let items = answers
        .iter()
        .take(super::STATED_MAX)
        .map(|a| {
            Line::new()
                .emphasis(super::doc::printable(&a.question))
                .text(" ")
                .told(&a.says)
                .text(" (answered by ")
                .says(by_words(&a.by))
                .text(")")
                .cite(&[Cited::Journal(a.seq)])
                .text(".")
        })
        .collect();
    draft.list(items);
}

fn went_well(draft: &mut Draft<'_>) -> Vec<Line> {
    let incident = draft.incident;
    let clocks = draft.clocks;
    let onset = clocks.impact_started_at;
    let mut items = Vec::new();
    if incident.detected_by == "weir" {
        let after = clocks.detected_at.since(onset).as_secs_f64();
        let cited = draft.book.cite_all(&incident.opening);
        items.push(
            Line::of(format!(
                "Weir saw it {} after the first transaction delayed or failed, before any person did.",
                seconds(after)
            ))
            .cite(&cited),
        );
    }
    if let (Some(at), Some(cause)) = (clocks.cause_named_at, incident.top_cause()) {
        let mut text = format!(
            "The cause ({}) was named {} after the onset",
            words::phrase(cause.cause),
            duration(at.since(onset))
        );
        if !incident.ruled_out.is_empty() {
            text.push_str(&format!(
                ", and {} ruled out with numbers, so that nobody needs to search there",
                counted(
                    incident.ruled_out.len() as u64,
                    "other suspect was",
                    "other suspects were"
                )
            ));
        }
        items.push(Line::of(text + "."));
    }
    if let (Some(order), Some(mitigated)) = (
        incident
            .decisions
            .iter()
            .find(|d| d.acted && d.to_size.is_some()),
        clocks.mitigated_at,
    ) && mitigated >= order.at
    {
        let cited = draft.cite_decision(&order.decision, order.at);
        items.push(
            Line::of(format!(
                "Waits met the objective {} after the first order ({}).",
                duration(mitigated.since(order.at)),
                order.says
            ))
            .cite(&cited),
        );
    }
    let accepted = incident.deliveries.iter().filter(|d| d.ok).count();
    if let Some(first) = incident.deliveries.iter().find(|d| d.ok) {
        items.push(Line::of(format!(
            "Messages about it that were accepted: {} of {}, the first {} after the onset.",
            accepted,
            incident.deliveries.len(),
            duration(first.at.since(onset))
        )));
    }
    if !incident.others.is_empty() {
        items.push(Line::of("Other pools kept working (see part 1)."));
    }
    items
}

fn went_wrong(draft: &mut Draft<'_>) -> Vec<Line> {
    let incident = draft.incident;
    let clocks = draft.clocks;
    let mut items = Vec::new();
    if let Some(measured) = &incident.measured {
        let impact = measured.impact.clone();
        if impact.delayed + impact.failed > 0 {
            let until = clocks.mitigated_at.unwrap_or(incident.last_at);
            let cited = draft.cite_impact();
            items.push(
                Line::of(format!(
                    "For {} requests had to wait: {} of {} transactions were delayed ({}) and {} failed (A1).",
                    duration(until.since(clocks.impact_started_at)),
                    count(impact.delayed),
                    count(impact.transactions),
                    percent(impact.delayed, impact.transactions),
                    count(impact.failed),
                ))
                .cite(&cited),
            );
        }
    }
    for factor in incident.factors() {
        let actions: Vec<String> = super::actions(incident)
            .iter()
            .filter(|a| a.for_what.split(", ").any(|f| f == factor.id))
            .map(|a| a.id.clone())
            .collect();
        let answer = if actions.is_empty() {
            "no action proposed: a question for the review".to_owned()
        } else {
            actions.join(", ")
        };
        items.push(
            Line::of(format!("{}: ", factor.id))
                .says_part(&factor.says)
                .text(format!(" ({answer}).")),
        );
    }
    if incident.top_cause().is_none() && draft.was_seen() {
        items.push(Line::of("Diagnosis named no cause (A1)."));
    }
    items
}

fn lucky(draft: &mut Draft<'_>) -> Vec<Line> {
    let incident = draft.incident;
    let mut items = Vec::new();
    if let Some(measured) = &incident.measured {
        let impact = &measured.impact;
        if impact.transactions > 0 && impact.failed == 0 && impact.delayed > 0 {
            let cited = draft.cite_impact();
            items.push(
                Line::of("Nothing failed: every delayed transaction was served in the end.")
                    .cite(&cited),
            );
        }
    }
    if draft.clocks.acknowledged_at.is_none()
        && draft.clocks.resolved_at.is_some()
        && incident.kind == Kind::Real
    {
        items.push(Line::of(
            "It ended although the journal holds no person who took it.",
        ));
    }
    if let (Some(size), Some(after)) = (incident.size_at_onset(), incident.size_after())
        && after > size
    {
        items.push(Line::of(format!(
            "The server had room: the pool could go from {size} to {after} connections."
        )));
    }
    items
}

fn evidence(draft: &mut Draft<'_>) {
    let id = draft.incident.id;
    let mut note = Line::of(format!(
        "Each number with its metric, the query that asks for it again, and its window. J and a number: that entry of the journal of {id}, "
    ))
    .code(format!("weir incident show {id}"))
    .text(".");
    if draft.book.is_empty() {
        note = note.text(" No number was measured for this incident.");
    }
    if draft.book.left_out() > 0 {
        note = note.text(format!(
            " {} more stand in the incident's JSON.",
            draft.book.left_out()
        ));
    }
    if draft.incident.entries_unknown > 0 {
        note = note.text(format!(
            " {} of the journal were written by another version of Weir and say nothing here.",
            counted(
                u64::from(draft.incident.entries_unknown),
                "entry",
                "entries"
            )
        ));
    }
    let rows = draft.book.lines();
    draft.blocks.push(Block::Evidence { rows, note });
}
