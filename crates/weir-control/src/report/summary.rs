//! Part 1: what a reader who reads nothing else must know.

use weir_model::Level;

use super::Draft;
use super::doc::Line;
use crate::incident::Incident;
use crate::incident::entry::{Kind, Role, Topic};
use crate::incident::json::data_lost;
use crate::incident::words::{
    self, count, counted, date, duration, objective_limit, objective_words, percent, time_of_day,
    time_of_day_tenths,
};

pub(super) fn write(draft: &mut Draft<'_>) {
    draft.heading("1. Issue summary");
    if draft.incident.kind == Kind::Drill {
        draft.para(
            Line::new()
                .strong("This was a drill")
                .text(": the fault was caused on purpose."),
        );
    }
    if super::status(draft.incident).is_ongoing() {
        draft.para(
            Line::new()
                .strong(format!(
                    "Draft: the incident is {}",
                    super::status(draft.incident)
                ))
                .text(format!(
                    ". Times and counts go as far as {} {} UTC.",
                    date(draft.incident.last_at),
                    time_of_day(draft.incident.last_at)
                )),
        );
    }
    if let Some(into) = draft.incident.merged_into {
        draft.para(
            Line::new()
                .strong(format!("A duplicate of {into}"))
                .text(": the story goes on in the report of that incident."),
        );
    }
    let mut rows = vec![
        named("Start → end", start_and_end(draft)),
        named("Duration", length(draft)),
        named("Detected by", detected_by(draft)),
    ];
    let impacts = draft.stated(Topic::Impact, 8);
    let seen = draft.was_seen();
    if seen {
        rows.push(named("Users affected", users(draft)));
        rows.push(named("Client connections affected", clients(draft)));
        rows.push(named("Transactions", transactions(draft)));
        rows.push(named(
            "Wait for a server connection, p99 (99 of 100 waited no longer)",
            waits(draft),
        ));
        rows.push(named("Objective", objective(draft)));
    } else if impacts.is_empty() {
        rows.push(named(
            "Impact",
            Line::of("open question: nothing was measured, and nobody has stated it yet"),
        ));
    }
    for (index, impact) in impacts.into_iter().enumerate() {
        let name = if index == 0 {
            "Impact"
        } else {
            "Impact, further"
        };
        rows.push(named(name, impact));
    }
    let stated = draft.stated(Topic::DataLost, 4);
    if draft.was_seen() || stated.is_empty() {
        rows.push(named("Data lost", lost(draft)));
    }
    rows.extend(stated.into_iter().map(|line| {
        named(
            if seen {
                "Data lost, stated"
            } else {
                "Data lost"
            },
            line,
        )
    }));
    let stated = draft.stated(Topic::StillWorked, 4);
    if draft.was_seen() || stated.is_empty() {
        rows.push(named("What kept working", kept_working(draft)));
    }
    rows.extend(stated.into_iter().map(|line| {
        let name = if seen {
            "What kept working, stated"
        } else {
            "What kept working"
        };
        named(name, line)
    }));
    if let Some(line) = roles(draft) {
        rows.push(named("Who did what", line));
    }
    if let Some(line) = first_update(draft) {
        rows.push(named("First status update", line));
    }
    draft.table("The incident in numbers", &["", ""], rows);
    let summaries = draft.stated(Topic::Summary, 2);
    let told = !summaries.is_empty();
    for line in summaries {
        draft.para(line);
    }
    if draft.was_seen() {
        let line = story(draft);
        draft.para(line);
    } else if !told {
        let line = short_story(draft);
        draft.para(line);
    }
}

/// Who was first: an alert, a person, or Weir.
fn detected_by(draft: &mut Draft<'_>) -> Line {
    let clocks = draft.clocks;
    let after = duration(clocks.detected_at.since(clocks.impact_started_at));
    let incident = draft.incident;
    match incident.detected_by.as_str() {
        "weir" => {
            let cited = draft.book.cite_all(&incident.opening);
            let line = Line::of(format!(
                "Weir, {after} after the onset, before any person or outside alert in the journal"
            ));
            if cited.is_empty() {
                line.cite(&[super::doc::Cited::Journal(1)])
            } else {
                line.cite(&cited)
            }
        }
        "alert" => Line::of(format!("an outside alert, {after} after the onset"))
            .cite(&[super::doc::Cited::Journal(1)]),
        "person" => Line::of(format!("a person, {after} after the onset"))
            .cite(&[super::doc::Cited::Journal(1)]),
        other => Line::new()
            .says(other)
            .text(format!(", {after} after the onset"))
            .cite(&[super::doc::Cited::Journal(1)]),
    }
}

/// The latest holder of each role.
fn roles(draft: &Draft<'_>) -> Option<Line> {
    let mut line = Line::new();
    for (role, name) in [
        (Role::Lead, "incident lead"),
        (Role::Communications, "communications"),
        (Role::Scribe, "scribe"),
    ] {
        let Some(held) = draft
            .incident
            .assignments
            .iter()
            .rev()
            .find(|a| a.role == role)
        else {
            continue;
        };
        if !line.0.is_empty() {
            line = line.text("; ");
        }
        line = line
            .text(format!("{name}: "))
            .told(&held.to)
            .cite(&[super::doc::Cited::Journal(held.seq)]);
    }
    (!line.0.is_empty()).then_some(line)
}

fn first_update(draft: &Draft<'_>) -> Option<Line> {
    let first = draft.incident.updates.first()?;
    Some(
        Line::of(format!(
            "{} UTC, {}; {} in all",
            time_of_day(first.at),
            words::beside_onset(first.at, draft.clocks.impact_started_at),
            counted(draft.incident.updates.len() as u64, "update", "updates")
        ))
        .cite(&[super::doc::Cited::Journal(first.seq)]),
    )
}

/// What can be said of an incident that nobody has told yet.
fn short_story(draft: &Draft<'_>) -> Line {
    let clocks = draft.clocks;
    let mut line = Line::of(format!(
        "Declared for {} UTC",
        time_of_day(clocks.impact_started_at)
    ));
    line = match clocks.resolved_at {
        Some(_) => line.text(format!(
            ", over after {}",
            duration(draft.incident.length())
        )),
        None => line.text(", not over yet"),
    };
    line.text(
        ". Weir measured nothing of it; the story is an open question to those who were there.",
    )
}

fn named(name: &str, value: Line) -> Vec<Line> {
    vec![Line::of(name), value]
}

fn start_and_end(draft: &Draft<'_>) -> Line {
    let start = draft.clocks.impact_started_at;
    let end = match draft.clocks.resolved_at {
        None => {
            let now = draft.incident.last_at;
            let day = if date(now) == date(start) {
                String::new()
            } else {
                format!("{} ", date(now))
            };
            return Line::new()
                .text(format!("{} ", date(start)))
                .strong(format!(
                    "{} → {day}{} UTC",
                    time_of_day_tenths(start),
                    time_of_day_tenths(now)
                ))
                .text(", and not resolved by then");
        }
        Some(end) if date(end) == date(start) => time_of_day_tenths(end),
        Some(end) => format!("{} {}", date(end), time_of_day_tenths(end)),
    };
    Line::new()
        .text(format!("{} ", date(start)))
        .strong(format!("{} → {end} UTC", time_of_day_tenths(start)))
}

fn length(draft: &Draft<'_>) -> Line {
    let line = Line::new().strong(duration(draft.incident.length()));
    let from = if draft.was_seen() {
        "first transaction delayed or failed"
    } else {
        "start of the impact"
    };
    match draft.clocks.resolved_at {
        Some(_) => line.text(format!(" ({from}, until the incident was resolved)")),
        None => line.text(format!(" so far (from the {from})")),
    }
}

fn users(draft: &mut Draft<'_>) -> Line {
    let Some(measured) = &draft.incident.measured else {
        return Line::of("not measured");
    };
    match (measured.impact.users_affected, measured.impact.users) {
        (Some(hurt), Some(all)) if all > 0 => {
            let known_by = measured.users_known_by.clone();
            let cited = draft.cite_impact();
            Line::new()
                .strong(format!("{} of {}", count(hurt), count(all)))
                .text(" who had a transaction in that time (")
                .strong(percent(hurt, all))
                .text("), counted by ")
                .says_part(&known_by)
                .cite(&cited)
        }
        _ => Line::of("not measured: no query carried a user id"),
    }
}

fn clients(draft: &mut Draft<'_>) -> Line {
    let Some(measured) = &draft.incident.measured else {
        return Line::of("not measured");
    };
    let (hurt, all) = (measured.impact.clients_affected, measured.impact.clients);
    if all == 0 {
        return Line::of("not measured: no transaction was recorded with its client");
    }
    let cited = draft.cite_impact();
    Line::of(format!(
        "{} of {} ({})",
        count(hurt),
        count(all),
        percent(hurt, all)
    ))
    .cite(&cited)
}

fn transactions(draft: &mut Draft<'_>) -> Line {
    let Some(measured) = &draft.incident.measured else {
        return Line::of("not measured");
    };
    let impact = &measured.impact;
    if impact.transactions == 0 {
        return Line::of("not measured: no transaction was recorded in this time");
    }
    let limit = objective_limit(&draft.incident.objective)
        .unwrap_or_else(|| "the objective allows".to_owned());
    let mut line = Line::of(format!(
        "{} of {} waited longer than {limit} ({}); {} failed ({})",
        count(impact.delayed),
        count(impact.transactions),
        percent(impact.delayed, impact.transactions),
        count(impact.failed),
        percent(impact.failed, impact.transactions),
    ));
    if impact.events_lost > 0 {
        line = line.text(format!(
            ". Lower bounds: {} did not reach the recorder",
            counted(impact.events_lost, "event", "events")
        ));
    }
    let cited = draft.cite_impact();
    line.cite(&cited)
}

fn waits(draft: &mut Draft<'_>) -> Line {
    let p99 = |window: Option<&crate::record::window::PoolWindow>| {
        window.and_then(words::wait_p99).map(duration)
    };
    let numbers = draft.incident.measured.as_ref();
    let before = p99(draft.incident.baseline.as_ref());
    let during = p99(numbers.map(|m| &m.during));
    let after = p99(numbers.and_then(|m| m.after.as_ref()));
    if before.is_none() && during.is_none() && after.is_none() {
        return Line::of("not measured");
    }
    let or = |value: Option<String>, what: &str| {
        value.map_or_else(|| format!("not measured {what}"), |v| format!("{v} {what}"))
    };
    let mut cited = draft.cite_baseline();
    cited.extend(draft.cite_samples());
    let mut parts = vec![or(before, "before"), or(during, "during")];
    if let Some(after) = after {
        parts.push(format!("{after} after"));
    }
    Line::of(parts.join(" → ")).cite(&cited)
}

fn objective(draft: &mut Draft<'_>) -> Line {
    let words = objective_words(&draft.incident.objective);
    let Some(measured) = &draft.incident.measured else {
        return Line::of(format!("{words}; not measured"));
    };
    let impact = &measured.impact;
    let missed = (impact.delayed + impact.failed).min(impact.transactions);
    let met = impact.transactions - missed;
    if impact.transactions == 0 {
        return Line::of(format!(
            "{words}; not measured, no transaction was recorded in this time"
        ));
    }
    let cited = draft.cite_impact();
    Line::of(format!(
        "{words}; in this time at least {} of {} met it ({})",
        count(met),
        count(impact.transactions),
        percent(met, impact.transactions)
    ))
    .cite(&cited)
}

fn lost(draft: &mut Draft<'_>) -> Line {
    let says = data_lost(draft.incident);
    let line = Line::new().says(&says);
    if draft.incident.measured.is_some() {
        let cited = draft.cite_impact();
        line.cite(&cited)
    } else {
        line
    }
}

fn kept_working(draft: &mut Draft<'_>) -> Line {
    let others = &draft.incident.others;
    if others.is_empty() {
        return Line::of(
            "not measured: no other pool had traffic in this time, or none was recorded",
        );
    }
    let mut line = Line::new();
    for (index, says) in others.iter().take(5).enumerate() {
        if index > 0 {
            line = line.text("; ");
        }
        line = line.says_part(says);
    }
    if others.len() > 5 {
        line = line.text(format!("; and {} more pools", others.len() - 5));
    }
    let cited = draft.cite_impact();
    line.cite(&cited)
}

/// At most 120 words, readable alone.
fn story(draft: &mut Draft<'_>) -> Line {
    let incident = draft.incident;
    let clocks = draft.clocks;
    let mut line = Line::new().text(format!("At {} UTC ", time_of_day(clocks.impact_started_at)));
    line = pools(line, incident);
    line = line.text(match incident.level {
        Some(Level::Exhausted | Level::Saturated | Level::Starved) => {
            " had every server connection in use, and requests queued for one."
        }
        Some(Level::Stalled) => " stopped completing transactions while clients waited.",
        Some(Level::Down) => " could not reach PostgreSQL, and requests waited or failed.",
        Some(Level::Degraded) => " answered slower than usual.",
        Some(Level::Leak) => " gave out server connections that did not come back.",
        None => " had an incident that was declared, not measured.",
    });
    match (incident.top_cause(), clocks.cause_named_at) {
        (Some(cause), named) => {
            let after = named.map_or_else(String::new, |at| {
                format!(
                    " {} after the onset",
                    duration(at.since(clocks.impact_started_at))
                )
            });
            line = line
                .text(format!(" Weir named the cause{after}: "))
                .strong(words::phrase(cause.cause))
                .text(". ")
                .says_sentence(&clipped(&cause.says, 55))
                .text(".");
        }
        (None, _) => {
            line = line.text(" The cause is not known; it is the first of the open questions.")
        }
    }
    line = match (clocks.mitigated_at, clocks.resolved_at) {
        _ if incident.objective.trim().is_empty() => line,
        (Some(at), _) => line.text(format!(
            " Waits met the objective again after {}.",
            duration(at.since(clocks.impact_started_at))
        )),
        (None, Some(_)) => line.text(" When waits met the objective again was not recorded."),
        (None, None) => line.text(" Waits do not meet the objective yet."),
    };
    line
}

fn pools(line: Line, incident: &Incident) -> Line {
    match incident.pools.as_slice() {
        [] => line.text("a pool that the journal does not name"),
        [one] => line.text("the pool ").code(one.to_string()),
        [one, rest @ ..] => line.text("the pool ").code(one.to_string()).text(format!(
            " (and {})",
            counted(rest.len() as u64, "other pool", "other pools")
        )),
    }
}

/// The first `words` words.
fn clipped(text: &str, words: usize) -> String {
    let mut all = text.split_whitespace();
    let mut out: Vec<&str> = all.by_ref().take(words).collect();
    if all.next().is_some() {
        out.push("…");
    }
    out.join(" ")
}
