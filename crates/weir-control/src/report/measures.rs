//! Part 5: actions, what went well and wrong, luck, open questions, and the evidence.

use super::Draft;
use super::doc::{Block, Line};
use crate::incident::entry::Kind;
use crate::incident::words::{self, count, counted, duration, percent, seconds};

pub(super) fn write(draft: &mut Draft<'_>) {
    draft.heading("5. Corrective and preventative measures");
    actions(draft);
    draft.para(Line::new().strong("Went well."));
    let well = went_well(draft);
    draft.list(or_nothing(well));
    draft.para(Line::new().strong("Went wrong."));
    let wrong = went_wrong(draft);
    draft.list(or_nothing(wrong));
    draft.para(Line::new().strong("Where we were lucky."));
    let lucky = lucky(draft);
    draft.list(or_question(lucky));
    draft.para(
        Line::new()
            .strong("Open questions")
            .text(" for the review:"),
    );
    let questions = draft
        .incident
        .questions()
        .iter()
        .map(|q| Line::new().says(q))
        .collect();
    draft.list(questions);
    evidence(draft);
}

fn actions(draft: &mut Draft<'_>) {
    draft.para(Line::of(
        "Proposed by Weir from the cause and the factors; owners and dates are for people to set.",
    ));
    let rows = draft
        .incident
        .actions()
        .iter()
        .map(|a| {
            vec![
                Line::of(&a.id),
                Line::new().says_part(&a.says),
                Line::of(&a.for_what),
                Line::of(a.kind.name()),
                Line::of("open question"),
                Line::of("open question"),
                Line::of(&a.priority),
                Line::new().says_part(&a.verify),
            ]
        })
        .collect();
    draft.table(
        "Actions with type, owner, due date and how each is verified",
        &[
            "id", "action", "for", "type", "owner", "due", "priority", "verify",
        ],
        rows,
    );
}

fn went_well(draft: &mut Draft<'_>) -> Vec<Line> {
    let incident = draft.incident;
    let clocks = draft.clocks;
    let onset = clocks.impact_started_at;
    let mut items = Vec::new();
    if incident.detected_by == "weir" {
        let after = clocks.detected_at.since(onset).as_secs_f64();
        items.push(Line::of(format!(
            "Weir saw it {} after the first transaction delayed or failed, without a report from anybody.",
            seconds(after)
        )));
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
                    "For {} users had to wait: {} of {} transactions were delayed ({}) and {} failed (A1).",
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
        let actions: Vec<String> = incident
            .actions()
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
    if incident.top_cause().is_none() {
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

fn or_nothing(items: Vec<Line>) -> Vec<Line> {
    if items.is_empty() {
        vec![Line::of(
            "Nothing that the journal shows; a question for the review.",
        )]
    } else {
        items
    }
}

fn or_question(items: Vec<Line>) -> Vec<Line> {
    if items.is_empty() {
        vec![Line::of(
            "Nothing in the journal points at luck; a question for the review.",
        )]
    } else {
        items
    }
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
