//! Part 4: what ended it (mitigation), how recovery is known, what would keep it away (fix).

use weir_model::Wall;

use super::doc::Line;
use super::{Draft, by_words, measured, order_words};
use crate::incident::entry::Topic;
use crate::incident::words::{
    counted, duration, objective_words, offset, time_of_day, time_of_day_tenths, wait_p99,
};

pub(super) fn write(draft: &mut Draft<'_>) {
    draft.heading("4. Resolution and recovery");
    mitigation(draft);
    undo(draft);
    recovery(draft);
    fix(draft);
}

fn mitigation(draft: &mut Draft<'_>) {
    let onset = draft.clocks.impact_started_at;
    let told = draft.stated_para("Mitigation.", Topic::Mitigation);
    let observed = observed(draft);
    let mut items: Vec<(Wall, Line)> = Vec::new();
    for decision in draft.incident.decisions.iter().filter(|d| d.acted).take(12) {
        let cited = draft.cite_decision(&decision.decision, decision.at);
        items.push((
            decision.at,
            Line::of(format!(
                "{} ({}): {}, ",
                time_of_day_tenths(decision.at),
                offset(decision.at, onset),
                decision.decision
            ))
            .says_part(&decision.says)
            .text(", because ")
            .says_part(&decision.because)
            .text(". Expected, written beforehand: ")
            .says_part(&decision.expected)
            .text(".")
            .cite(&cited),
        ));
    }
    for row in draft.incident.actions_taken.iter().take(12) {
        let cited = draft.cite_row(row);
        items.push((
            row.at,
            Line::of(format!(
                "{} ({}): ",
                time_of_day_tenths(row.at),
                offset(row.at, onset)
            ))
            .told(&row.says)
            .text(", by ")
            .says(by_words(&row.by))
            .text(".")
            .cite(&cited),
        ));
    }
    items.sort_by_key(|(at, _)| *at);
    let items: Vec<Line> = items.into_iter().map(|(_, line)| line).collect();
    let label = if told {
        "What was done, from the journal."
    } else {
        "Mitigation."
    };
    let line = Line::new().strong(label).text(" ");
    if items.is_empty() && told {
        return;
    }
    if items.is_empty() {
        draft.para(match draft.clocks.mitigated_at {
            Some(_) => line.text(
                "The journal holds no action before recovery; what ended it is an open question.",
            ),
            None => line.text("None so far: the journal holds no action."),
        });
        let proposed: Vec<Line> = draft
            .incident
            .decisions
            .iter()
            .filter(|d| !d.acted && d.to_size.is_some())
            .take(3)
            .map(|d| {
                Line::of(format!("{} was proposed and not ordered: ", d.decision))
                    .says_part(&d.says)
                    .text(", because ")
                    .says_part(&d.because)
                    .text(".")
            })
            .collect();
        draft.list(proposed);
    } else {
        draft.para(if told {
            line
        } else {
            line.text("What was done:")
        });
        draft.list(items);
    }
    if let Some(observed) = observed {
        draft.para(observed);
    }
}

/// What came of it, from the window after recovery.
fn observed(draft: &mut Draft<'_>) -> Option<Line> {
    let after = measured(
        draft
            .incident
            .measured
            .as_ref()
            .and_then(|m| m.after.as_ref()),
    )?;
    let wait = wait_p99(after).map_or_else(
        || "no wait ended".to_owned(),
        |wait| format!("wait p99 {}", duration(wait)),
    );
    let text = format!(
        "Observed after it, over {}: {wait}, size {}, {}",
        duration(after.length()),
        after.size_last,
        match after.waiting_max {
            0 => "nobody waiting".to_owned(),
            n => format!(
                "at most {} waiting",
                counted(u64::from(n), "client", "clients")
            ),
        }
    );
    let cited = draft.cite_samples();
    Some(Line::of(text).cite(&cited).text("."))
}

fn undo(draft: &mut Draft<'_>) {
    let line = Line::new().strong("Undo.").text(" ");
    let resized = draft
        .incident
        .decisions
        .iter()
        .find(|d| d.acted && d.from_size.is_some() && d.to_size.is_some());
    if let Some(decision) = resized
        && let (Some(from), Some(to)) = (decision.from_size, decision.to_size)
    {
        draft.para(line.text(format!("Set the pool's size back from {to} to {from}.")));
        return;
    }
    let undo = draft
        .incident
        .top_cause()
        .and_then(|c| c.remedy.undo.as_ref());
    if !draft.was_seen() && undo.is_none() {
        return;
    }
    draft.para(match undo {
        Some(order) if !draft.incident.actions_taken.is_empty() => {
            line.text(format!("Of the remedy: {}.", order_words(order)))
        }
        _ => line.text("Weir gave no order that would need to be undone."),
    });
}

fn recovery(draft: &mut Draft<'_>) {
    let told = draft.stated_para("Recovery.", Topic::Recovery);
    let clocks = draft.clocks;
    if told && !draft.was_seen() {
        return;
    }
    let label = if told {
        "Recovery, from the journal."
    } else {
        "Recovery."
    };
    let mut line = Line::new().strong(label).text(" ");
    if draft.was_seen() {
        let threshold = objective_words(&draft.incident.objective);
        line = line
            .text("Metric: ")
            .code("weir_pool_wait_seconds")
            .text(format!(", threshold: {threshold}. "));
    } else if clocks.mitigated_at.is_none() && clocks.resolved_at.is_none() {
        draft.para(line.text("The journal holds no recovery; by which metric it is known, and how long it was watched, is an open question.",
            ));
        return;
    }
    line = match (clocks.mitigated_at, &draft.incident.mitigation) {
        (Some(at), Some(row)) => {
            let cited = draft.book.cite_all(&row.evidence);
            line.text(format!(
                "Met again from {} on ({}): ",
                time_of_day_tenths(at),
                offset(at, clocks.impact_started_at)
            ))
            .says_part(&row.says)
            .cite(&cited)
            .text(".")
        }
        (Some(at), None) => line.text(format!(
            "Mitigated at {} UTC ({}).",
            time_of_day(at),
            offset(at, clocks.impact_started_at)
        )),
        _ => line.text("The journal holds no time at which the impact was over."),
    };
    line = match (&draft.incident.resolution, clocks.mitigated_at) {
        (Some(row), Some(mitigated)) => {
            let cited = draft.cite_row(row);
            line.text(format!(
                " Watched for {} without relapse, then resolved: ",
                duration(row.at.since(mitigated))
            ))
            .says_part(&row.says)
            .cite(&cited)
            .text(".")
        }
        (Some(row), None) => {
            let cited = draft.cite_row(row);
            line.text(" Resolved by ")
                .says(by_words(&row.by))
                .text(": ")
                .says_part(&row.says)
                .cite(&cited)
                .text(".")
        }
        (None, mitigated) => match (clocks.resolved_at, mitigated) {
            (Some(at), Some(from)) => line.text(format!(
                " Resolved at {} UTC, {} after that.",
                time_of_day(at),
                duration(at.since(from))
            )),
            (Some(at), None) => line.text(format!(" Resolved at {} UTC.", time_of_day(at))),
            (None, Some(_)) => line.text(" It is being watched; not resolved yet."),
            (None, None) => line.text(" Not resolved yet."),
        },
    };
    if !draft.was_seen() {
        line = line.text(
            " By which metric and threshold, and how long it was watched, is an open question.",
        );
    }
    draft.para(line);
    if draft.incident.reopened > 0 {
        draft.para(Line::of(format!(
            "It came back {} within its watch window; the times above are those of the last recovery.",
            counted(u64::from(draft.incident.reopened), "time", "times")
        )));
    }
}

fn fix(draft: &mut Draft<'_>) {
    if draft.stated_para("Fix.", Topic::Fix) {
        return;
    }
    let line = Line::new().strong("Fix.").text(" ");
    draft.para(match draft.incident.top_cause() {
        Some(cause) if !cause.remedy.says.trim().is_empty() => line
            .text("Mitigation keeps the effect away, the fix removes the cause: A1 below. Diagnosis proposed: ")
            .says_part(&cause.remedy.says)
            .text("."),
        Some(_) => line.text("Mitigation keeps the effect away, the fix removes the cause: A1 below."),
        None if draft.stated(Topic::RootCause, 1).is_empty() => {
            line.text("None is known while the cause is not.")
        }
        None => line.text("What removes the cause for good stands in part 5."),
    });
}
