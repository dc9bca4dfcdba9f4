//! Part 2: what happened, when, by whom, with what evidence.

use std::time::Duration;

use weir_model::Wall;

use super::Draft;
use super::by_words;
use super::chart;
use super::doc::{Block, Cited, Line, Table};
use crate::incident::entry::{By, ChartPoint, Topic};
use crate::incident::words::{
    count, date, duration, offset, seconds, time_of_day, time_of_day_tenths, trimmed,
};
use crate::incident::{Incident, Row, RowKind, merge};

/// More rows than this are not read; those that stop a clock always stay.
const ROWS_SHOWN: usize = 60;
/// Rows of a chart's data table.
const DATA_ROWS: usize = 40;

pub(super) fn write(draft: &mut Draft<'_>) {
    draft.heading("2. Timeline");
    let mut rows = draft.incident.timeline();
    if !draft.was_seen() {
        told_openings(&mut rows);
    }
    rows.retain(|row| !is_bookkeeping(draft.incident, row));
    rows.extend(lead_up(draft));
    rows.extend(missing(draft));
    rows.sort_by_key(|row| row.at);
    // The day of the incident, which stands in title and summary; a row from before it names its own.
    let first_day = draft.clocks.impact_started_at;
    draft.para(Line::of(format!(
        "All times are UTC, on {} until a row names another day.",
        date(first_day)
    )));
    let mut left_out = u64::from(draft.incident.rows_dropped);
    let mut untagged = 0;
    let onset = draft.clocks.impact_started_at;
    let mut day = date(first_day);
    let mut shown: Vec<&Row> = Vec::new();
    let mut cells = Vec::new();
    for row in &rows {
        // What part 4 tells as done has its row here, however many rows there are.
        let deed = row.kind == RowKind::Action || row.kind == RowKind::Decision;
        if row.kind.tag().is_none() && !(deed && untagged < 2 * ROWS_SHOWN) {
            untagged += 1;
            if untagged > ROWS_SHOWN {
                left_out += 1;
                continue;
            }
        }
        let mut time = time_of_day_tenths(row.at);
        if date(row.at) != day {
            day = date(row.at);
            time = format!("{day} {time}");
        }
        // A row that a person wrote, or that came out of another report, keeps its words.
        let mut what = match row.by {
            By::Weir => Line::new().says_part(&row.says),
            By::Person(_) | By::System(_) => Line::new().told(&row.says),
        };
        if let Some(tag) = row.kind.tag() {
            if row.says.trim().is_empty() {
                what = what.text("by ").says(by_words(&row.by));
            }
            what = what.text(" (").strong(tag).text(")");
        }
        let cited = match row.kind {
            RowKind::Impact if draft.was_seen() => draft.cite_samples(),
            _ if row.seq == 0 => draft.cite_row_or_whole(row),
            RowKind::Decision => match row.says.split_once(':') {
                Some((decision, _)) => draft.cite_decision(decision, row.at),
                None => draft.cite_row(row),
            },
            _ => draft.cite_row(row),
        };
        cells.push(vec![
            Line::of(time),
            Line::of(offset(row.at, onset)),
            what,
            Line::new().says(by_words(&row.by)),
            Line::new().cite(&cited),
        ]);
        shown.push(row);
    }
    draft.table(
        "Every row in UTC, with its distance from the onset",
        &["time (UTC)", "+onset", "what", "by", "evidence"],
        cells,
    );
    if left_out > 0 {
        draft.para(Line::of(format!(
            "{} more rows stand in the incident's JSON.",
            count(left_out)
        )));
    }
    let watched = draft.clocks.mitigated_at.zip(draft.clocks.resolved_at);
    let seen = draft.was_seen();
    for line in gaps(&shown, draft.incident.length(), watched, seen) {
        draft.para(line);
    }
    corrected(draft);
    draft.stated_para("Right team engaged.", Topic::RightTeam);
    figure(draft);
}

/// What was written down about the report itself, and stands elsewhere in it: actions in part 5,
/// corrections below the table.
fn is_bookkeeping(incident: &Incident, row: &Row) -> bool {
    let of_action = || {
        incident.actions().iter().any(|action| {
            action.adopted
                && row
                    .says
                    .strip_prefix("action ")
                    .and_then(|rest| rest.strip_prefix(action.id.as_str()))
                    .is_some_and(|rest| rest.starts_with([':', ' ']))
        })
    };
    // An earlier incident is no event of this one; part 3 tells of it.
    let of_earlier = || incident.related.iter().any(|r| r.seq == row.seq);
    match row.kind {
        RowKind::Correction => true,
        RowKind::Note => of_action(),
        RowKind::Finding => of_earlier(),
        _ => false,
    }
}

/// An incident that nothing measured opens with two rows that only carry its clocks. Where somebody
/// told what happened at that time, the telling carries the clock.
fn told_openings(rows: &mut Vec<Row>) {
    for kind in [RowKind::Impact, RowKind::Detected] {
        let Some(opening) = rows.iter().position(|r| r.seq == 1 && r.kind == kind) else {
            continue;
        };
        let at = rows[opening].at;
        let told = rows
            .iter()
            .position(|r| r.seq > 1 && r.at == at && r.kind == RowKind::Note);
        if let Some(told) = told {
            rows[told].kind = kind;
            rows.remove(opening);
        }
    }
}

/// A row from before the onset, where the usual was measured: the reader sees that something
/// changed, and against what.
fn lead_up(draft: &mut Draft<'_>) -> Option<Row> {
    let (from, to) = draft.baseline_times()?;
    let usual = draft.incident.baseline.as_ref()?;
    if from >= draft.clocks.impact_started_at {
        return None;
    }
    Some(Row {
        seq: 1,
        at: from,
        kind: RowKind::Note,
        by: By::Weir,
        says: format!(
            "the usual, for {}: {} of {} server connections in use, {} transactions offered",
            duration(to.since(from)),
            trimmed(usual.active),
            trimmed(usual.size),
            crate::incident::words::per_second(usual.arrival_rate())
        ),
        evidence: draft.baseline_evidence().into_iter().collect(),
    })
}

/// Clocks that nothing stopped have a row too, at the end of what is known: that nobody took it is
/// as much a part of the story as that somebody did.
fn missing(draft: &Draft<'_>) -> Option<Row> {
    let clocks = draft.clocks;
    let over = clocks.resolved_at.is_some();
    let mut says = Vec::new();
    if clocks.acknowledged_at.is_none() {
        says.push("not acknowledged by anybody");
    }
    if clocks.cause_named_at.is_none() {
        says.push("cause not identified");
    }
    if clocks.mitigated_at.is_none() {
        says.push(if over {
            "when it was mitigated is not recorded"
        } else {
            "not mitigated"
        });
    }
    if !over {
        says.push("not resolved");
    }
    if draft.incident.updates.is_empty() {
        says.push("no public update sent");
    }
    (!says.is_empty()).then(|| Row {
        seq: 0,
        at: draft.end(),
        kind: RowKind::Finding,
        by: By::Weir,
        says: format!("until here: {}", says.join("; ")),
        evidence: Vec::new(),
    })
}

/// Clocks that were set right: what they showed, who changed them, when and why.
fn corrected(draft: &mut Draft<'_>) {
    let corrections = draft.incident.corrections.clone();
    if corrections.is_empty() {
        return;
    }
    let stamp = |at: Option<Wall>| {
        at.map_or_else(
            || "no time".to_owned(),
            |at| format!("{} {}", date(at), time_of_day(at)),
        )
    };
    for c in corrections.iter().take(30) {
        let line = Line::new()
            .strong(format!("Corrected: {}", c.clock.name().replace('_', " ")))
            .text(format!(
                ", {}, corrected from {} by ",
                stamp(c.to),
                stamp(c.from)
            ))
            .says(by_words(&c.by))
            .text(format!(" on {} {} UTC: ", date(c.at), time_of_day(c.at)))
            .told(if c.says.trim().is_empty() {
                "no reason given"
            } else {
                &c.says
            })
            .cite(&[Cited::Journal(c.seq)])
            .text(".");
        draft.para(line);
    }
}

/// Where the journal is silent for long, the report says so instead of leaving it to be noticed.
fn gaps(rows: &[&Row], length: Duration, watched: Option<(Wall, Wall)>, seen: bool) -> Vec<Line> {
    let long = Duration::from_secs(60).max(length.mul_f64(0.15));
    rows.windows(2)
        .filter(|pair| !matches!(pair[0].kind, RowKind::Trigger | RowKind::Marker))
        .filter(|pair| pair[1].at.since(pair[0].at) > long)
        // Before the impact and after the end, silence is nothing to explain.
        .filter(|pair| rows.iter().any(|r| r.kind == RowKind::Impact && r.at <= pair[0].at))
        .filter(|pair| watched.is_none_or(|(_, resolved)| pair[1].at <= resolved))
        .take(8)
        .map(|pair| {
            let (from, to) = (pair[0].at, pair[1].at);
            let between = format!(
                "Between {} and {} ({})",
                time_of_day(from),
                time_of_day(to),
                duration(to.since(from)),
            );
            // Between recovery and resolution the silence is the watch window.
            if watched.is_some_and(|(mitigated, resolved)| from >= mitigated && to <= resolved) {
                return Line::of(if seen {
                    format!("{between} it was watched, and did not come back.")
                } else {
                    format!("{between} the impact was over and the incident not yet declared over; part 4 says what was watched.")
                });
            }
            Line::of(format!(
                "{between} the journal holds nothing: what was done meanwhile is an open question to those who were there."
            ))
        })
        .collect()
}

fn figure(draft: &mut Draft<'_>) {
    let Some(points) = chart::drawn(draft.incident) else {
        if draft.was_seen() {
            draft.para(Line::of(
                "No chart: the journal holds no series of samples.",
            ));
        }
        return;
    };
    let cited = draft.cite_samples();
    let svg = chart::wait(draft.incident, &points);
    draft.blocks.push(Block::Figure {
        file: "wait.svg",
        svg,
        alt: "Size, servers in use, waiting clients and oldest wait over time, with the clocks"
            .to_owned(),
        takeaway: Line::of(chart::wait_summary(&points)).cite(&cited),
        data: Table {
            caption: "Size, use, queue and wait over time".to_owned(),
            head: [
                "time (UTC)",
                "size",
                "in use",
                "waiting",
                "oldest wait",
                "wait p99",
                "offered",
                "completed",
                "failed",
            ]
            .map(str::to_owned)
            .to_vec(),
            rows: few(&points)
                .iter()
                .map(|p| {
                    vec![
                        Line::of(time_of_day(p.at)),
                        Line::of(p.size.to_string()),
                        Line::of(p.active.to_string()),
                        Line::of(p.waiting.to_string()),
                        Line::of(seconds(p.oldest_wait_s)),
                        Line::of(seconds(p.wait_p99_s)),
                        Line::of(count(u64::from(p.arrivals))),
                        Line::of(count(u64::from(p.completions))),
                        Line::of(count(u64::from(p.failures))),
                    ]
                })
                .collect(),
        },
    });
}

/// The chart's points, few enough for a table, by their worst.
fn few(points: &[ChartPoint]) -> Vec<ChartPoint> {
    let step = points.len().div_ceil(DATA_ROWS).max(1);
    points.chunks(step).map(merge).collect()
}

/// The second chart, which part 3 shows.
pub(super) fn hold_figure(draft: &mut Draft<'_>) {
    let Some(points) = chart::drawn(draft.incident) else {
        return;
    };
    if points
        .iter()
        .all(|p| p.executing_s + p.thinking_s + p.network_s <= 0.0)
    {
        return;
    }
    let cited = draft.cite_samples();
    let rows = few(&points);
    let held = chart::held(&rows);
    draft.blocks.push(Block::Figure {
        file: "hold.svg",
        svg: chart::hold(draft.incident, &points),
        alt: "Server connections held, split into executing, thinking and network".to_owned(),
        takeaway: Line::of(chart::hold_summary(&points)).cite(&cited),
        data: Table {
            caption: "Server connections held, mean of each interval".to_owned(),
            head: ["time (UTC)", "executing", "thinking", "network", "size"]
                .map(str::to_owned)
                .to_vec(),
            rows: rows
                .iter()
                .zip(held)
                .map(|(p, (executing, thinking, network))| {
                    vec![
                        Line::of(time_of_day(p.at)),
                        Line::of(trimmed(executing)),
                        Line::of(trimmed(thinking)),
                        Line::of(trimmed(network)),
                        Line::of(p.size.to_string()),
                    ]
                })
                .collect(),
        },
    });
}
