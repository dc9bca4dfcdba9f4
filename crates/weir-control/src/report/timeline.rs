//! Part 2: what happened, when, by whom, with what evidence.

use std::time::Duration;

use super::Draft;
use super::by_words;
use super::chart;
use super::doc::{Block, Line, Table};
use crate::incident::entry::ChartPoint;
use crate::incident::words::{
    count, date, duration, offset, seconds, time_of_day, time_of_day_tenths, trimmed,
};
use crate::incident::{Row, RowKind, merge};

/// More rows than this are not read; those that stop a clock always stay.
const ROWS_SHOWN: usize = 60;
/// Rows of a chart's data table.
const DATA_ROWS: usize = 40;

pub(super) fn write(draft: &mut Draft<'_>) {
    draft.heading("2. Timeline");
    let rows = draft.incident.timeline();
    let mut left_out = u64::from(draft.incident.rows_dropped);
    let mut untagged = 0;
    let onset = draft.clocks.impact_started_at;
    let mut day = date(onset);
    let mut shown: Vec<&Row> = Vec::new();
    let mut cells = Vec::new();
    for row in &rows {
        if row.kind.tag().is_none() {
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
        let mut what = Line::new().says_part(&row.says);
        if let Some(tag) = row.kind.tag() {
            if !row.says.trim().is_empty() {
                what = what.text(" ");
            }
            what = what.text("(").strong(tag).text(")");
        }
        let cited = match row.kind {
            RowKind::Impact => draft.cite_samples(),
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
        &["time", "+onset", "what", "by", "evidence"],
        cells,
    );
    if left_out > 0 {
        draft.para(Line::of(format!(
            "{} more rows stand in the incident's JSON.",
            count(left_out)
        )));
    }
    for line in gaps(&shown, draft.incident.length()) {
        draft.para(line);
    }
    figure(draft);
}

/// Where the journal is silent for long, the report says so instead of leaving it to be noticed.
fn gaps(rows: &[&Row], length: Duration) -> Vec<Line> {
    let long = Duration::from_secs(60).max(length.mul_f64(0.15));
    rows.windows(2)
        .filter(|pair| pair[0].kind != RowKind::Trigger)
        // Between recovery and resolution the silence is the watch window.
        .filter(|pair| pair[1].kind != RowKind::Resolved)
        .filter(|pair| pair[1].at.since(pair[0].at) > long)
        .take(3)
        .map(|pair| {
            Line::of(format!(
                "Between {} and {} ({}) the journal holds nothing: what was done meanwhile is a question to those who were there.",
                time_of_day(pair[0].at),
                time_of_day(pair[1].at),
                duration(pair[1].at.since(pair[0].at)),
            ))
        })
        .collect()
}

fn figure(draft: &mut Draft<'_>) {
    let Some(points) = chart::drawn(draft.incident) else {
        draft.para(Line::of(
            "No chart: the journal holds no series of samples.",
        ));
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
