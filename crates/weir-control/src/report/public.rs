//! The public form: what may be told to anybody. Numbers, times and causes come from what was
//! measured, in words of our own; text of people passes through [`super::redact`].

use super::doc::{Block, Document, Front, Line, Table};
use super::redact::{LEFT_OUT, Redactor};
use super::{plain, statement};
use crate::incident::Incident;
use crate::incident::entry::{ActionType, Topic};
use crate::incident::json::data_lost;
use crate::incident::words::{
    count, counted, date, duration, offset, percent, rfc3339, time_of_day,
};

pub(super) fn document(incident: &Incident) -> Document {
    let redactor = Redactor::of(incident);
    let clocks = incident.clocks();
    let title = title(incident, &redactor);
    let mut blocks = vec![
        Block::Heading(1, title.clone()),
        Block::Heading(2, "What happened".to_owned()),
        Block::Para(happened(incident, &redactor)),
        Block::Table(numbers(incident, &redactor)),
        Block::Heading(2, "When".to_owned()),
        Block::Table(times(incident)),
        Block::Heading(2, "Why".to_owned()),
    ];
    blocks.extend(why(incident, &redactor).into_iter().map(Block::Para));
    blocks.push(Block::Heading(2, "What we do about it".to_owned()));
    blocks.extend(doing(incident, &redactor).into_iter().map(Block::Para));
    blocks.push(Block::Para(
        Line::new()
            .strong("Left out of this version")
            .text(format!(
                ": names of hosts, database users, databases, applications, systems and people; addresses; texts of \
                 queries, their literals and fingerprints; process numbers of the database; the evidence and the \
                 open questions. {LEFT_OUT} stands where such a name stood. Read it before you publish it: a name that \
                 is an ordinary word can't be told from one."
            )),
    ));
    let front = vec![
        ("id", Front::Word(incident.id.to_string())),
        ("title", Front::Quoted(title.clone())),
        ("severity", Front::Word(incident.severity.to_string())),
        ("status", Front::Word(super::status(incident).to_string())),
        ("started", Front::Word(rfc3339(clocks.impact_started_at))),
        (
            "resolved",
            clocks
                .resolved_at
                .map_or(Front::Null, |at| Front::Word(rfc3339(at))),
        ),
        ("form", Front::Word("public".to_owned())),
    ];
    Document {
        title,
        front,
        blocks,
    }
}

fn title(incident: &Incident, redactor: &Redactor) -> String {
    let day = date(incident.clocks().impact_started_at);
    let given = incident
        .title_given
        .as_deref()
        .map(|given| redactor.clean(given))
        .filter(|given| !given.is_empty() && !given.contains(LEFT_OUT));
    let mut what = given.unwrap_or_else(|| plain::symptom(incident.level).to_owned());
    if let Some(first) = what.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    if what.contains(&day) {
        what
    } else {
        format!("{what}, {day}")
    }
}

/// What was stated about a topic, as far as it may be shown.
fn told(incident: &Incident, redactor: &Redactor, topics: &[Topic]) -> Option<String> {
    let stated = statement(incident, topics)?;
    let clean = redactor.clean(&stated.says);
    (!clean.is_empty()).then_some(clean)
}

fn happened(incident: &Incident, redactor: &Redactor) -> Line {
    let clocks = incident.clocks();
    let start = clocks.impact_started_at;
    let when = format!(
        "On {} from {} UTC{}",
        date(start),
        time_of_day(start),
        match clocks.resolved_at {
            Some(_) => format!(", for {}", duration(incident.length())),
            None => ", and still going on".to_owned(),
        }
    );
    match told(incident, redactor, &[Topic::Summary, Topic::Impact]) {
        Some(says) => Line::of(format!("{when}. ")).told(&says).text("."),
        None => Line::of(format!("{when}. {}.", plain::happened(incident.level))),
    }
}

fn numbers(incident: &Incident, redactor: &Redactor) -> Table {
    let mut rows: Vec<Vec<Line>> = Vec::new();
    let mut row = |name: &str, value: Line| rows.push(vec![Line::of(name), value]);
    if let Some(measured) = &incident.measured {
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
                    "{} of {} ({})",
                    count(impact.delayed),
                    count(impact.transactions),
                    percent(impact.delayed, impact.transactions)
                )),
            );
            row(
                "Requests failed",
                Line::of(format!(
                    "{} ({})",
                    count(impact.failed),
                    percent(impact.failed, impact.transactions)
                )),
            );
        }
    } else if let Some(says) = told(incident, redactor, &[Topic::Impact]) {
        row("Who was affected", Line::new().told(&says));
    }
    match told(incident, redactor, &[Topic::DataLost]) {
        Some(says) => row("Data lost", Line::new().told(&says)),
        None => row("Data lost", Line::of(data_lost(incident))),
    }
    match told(incident, redactor, &[Topic::StillWorked]) {
        Some(says) => row("What kept working", Line::new().told(&says)),
        None if !incident.others.is_empty() => row(
            "What kept working",
            Line::of(counted(
                incident.others.len() as u64,
                "other service on the same database",
                "other services on the same database",
            )),
        ),
        None => {}
    }
    Table {
        caption: "The incident in numbers".to_owned(),
        head: vec![String::new(), String::new()],
        rows,
    }
}

fn times(incident: &Incident) -> Table {
    let clocks = incident.clocks();
    let onset = clocks.impact_started_at;
    let all = [
        (Some(onset), "the first requests were delayed or failed"),
        (Some(clocks.detected_at), "noticed"),
        (clocks.acknowledged_at, "somebody took it"),
        (clocks.cause_named_at, "cause known"),
        (clocks.mitigated_at, "impact over"),
        (clocks.resolved_at, "watched, and declared over"),
    ];
    let mut known: Vec<(weir_model::Wall, &str)> = all
        .into_iter()
        .filter_map(|(at, what)| Some((at?, what)))
        .collect();
    known.extend(
        incident
            .updates
            .iter()
            .take(20)
            .map(|update| (update.at, "status update sent")),
    );
    known.sort_by_key(|(at, _)| *at);
    Table {
        caption: "What happened when, in UTC".to_owned(),
        head: ["time (UTC)", "after the start", "what"]
            .map(str::to_owned)
            .to_vec(),
        rows: known
            .into_iter()
            .map(|(at, what)| {
                vec![
                    Line::of(format!("{} {}", date(at), time_of_day(at))),
                    Line::of(offset(at, onset)),
                    Line::of(what),
                ]
            })
            .collect(),
    }
}

fn why(incident: &Incident, redactor: &Redactor) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(says) = told(incident, redactor, &[Topic::Trigger]) {
        lines.push(
            Line::new()
                .strong("What set it off.")
                .text(" ")
                .told(&says)
                .text("."),
        );
    }
    let cause = Line::new().strong("Cause.").text(" ");
    lines.push(match told(incident, redactor, &[Topic::RootCause]) {
        Some(says) => cause.told(&says).text("."),
        None => match incident.top_cause() {
            Some(top) => cause.text(format!("{}.", plain::why(top.cause))),
            None => cause.text("Not known yet."),
        },
    });
    lines
}

fn doing(incident: &Incident, redactor: &Redactor) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(says) = told(incident, redactor, &[Topic::Mitigation, Topic::Fix]) {
        lines.push(
            Line::new()
                .strong("What ended it.")
                .text(" ")
                .told(&says)
                .text("."),
        );
    } else if incident
        .decisions
        .iter()
        .any(|d| d.acted && d.to_size.is_some())
    {
        lines.push(
            Line::new()
                .strong("What ended it.")
                .text(" The number of connections to the database was adapted to the traffic."),
        );
    }
    let actions = super::actions(incident);
    let of = |kind: ActionType| actions.iter().filter(|a| a.kind == kind).count();
    let done = actions.iter().filter(|a| !a.status.is_open()).count();
    let parts: Vec<String> = [
        (ActionType::Prevent, "to keep it from happening again"),
        (ActionType::Detect, "to notice it sooner"),
        (ActionType::Mitigate, "to make it hurt less"),
        (ActionType::Process, "to be better prepared"),
    ]
    .into_iter()
    .filter(|(kind, _)| of(*kind) > 0)
    .map(|(kind, what)| format!("{} {what}", of(kind)))
    .collect();
    lines.push(Line::new().strong("Measures.").text(format!(
        " {}: {}. Done or declined: {done}.",
        counted(actions.len() as u64, "measure", "measures"),
        parts.join(", ")
    )));
    lines
}
