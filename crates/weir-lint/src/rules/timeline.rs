//! IR12 to IR17: the rows of the timeline.

use std::ops::Range;

use super::{Cx, Hit};
use crate::facts::part::Part;
use crate::facts::{Row, Tag};
use crate::words::{duration, pattern};

fn place(cx: &Cx<'_>) -> Range<usize> {
    cx.doc.place_of(&[Part::Timeline])
}

pub(super) fn rows_in_order(cx: &Cx<'_>) -> Vec<Hit> {
    let rows = &cx.facts.rows;
    let mut out = Vec::new();
    for row in rows
        .iter()
        .filter(|row| row.stamp.is_none() && row.at.is_none())
    {
        // A paragraph of introduction is no row; an item or a table's row is.
        if row.says.ends_with(':') || row.says.split_whitespace().count() < 3 {
            continue;
        }
        out.push(
            Hit::new(row.range.clone(), "this row of the timeline has no time")
                .fix("begin it with its UTC time"),
        );
    }
    let stamped: Vec<&Row> = rows.iter().filter(|row| row.stamp.is_some()).collect();
    if let Some(first) = stamped.first() {
        if !first.has_date {
            out.push(
                Hit::new(
                    first.stamp_range.clone(),
                    "the rows have no date, and neither has the report",
                )
                .fix("write the date once above the rows: `Timeline, 2026-01-31 (UTC)`"),
            );
        } else if cx.strict()
            && !stamped.iter().any(|row| row.own_date)
            && cx.facts.clocks.started.as_ref().is_none_or(|c| !c.has_date)
        {
            out.push(
                Hit::new(first.stamp_range.clone(), "the rows have no date")
                    .fix("write the date on the first row"),
            );
        }
    }
    for pair in stamped.windows(2) {
        let (before, now) = (pair[0], pair[1]);
        if let (Some(a), Some(b)) = (before.order, now.order) {
            let apart = b.duration_since(a);
            if apart.is_negative() {
                let years = apart.as_secs().abs() > 300 * 86_400;
                let message = if years {
                    format!(
                        "this row lies {} before the one above: is the year right?",
                        duration_words(apart)
                    )
                } else {
                    format!(
                        "this row is earlier than the one above it, by {}",
                        duration_words(apart)
                    )
                };
                out.push(
                    Hit::new(now.stamp_range.clone(), message)
                        .fix("put the rows in the order of time, or correct the stamp"),
                );
            } else if apart.as_secs() > 300 * 86_400 {
                out.push(
                    Hit::new(
                        now.stamp_range.clone(),
                        format!(
                            "this row lies {} after the one above: is the year right?",
                            duration_words(apart)
                        ),
                    )
                    .fix("correct the year"),
                );
            } else if crossed(before, now) && !now.own_date {
                out.push(
                    Hit::new(
                        now.stamp_range.clone(),
                        "the rows cross midnight here, and this one carries no date",
                    )
                    .fix(format!("write the date: {}", b.strftime("%Y-%m-%d %H:%M"))),
                );
            }
        } else if let (Some(a), Some(b)) = (time(before), time(now))
            && b < a
            && !now.own_date
        {
            out.push(
                Hit::new(
                    now.stamp_range.clone(),
                    "this row is earlier than the one above it, and carries no date",
                )
                .fix("put the rows in the order of time, or write the date"),
            );
        }
    }
    order_of_tags(cx, &mut out);
    out
}

fn time(row: &Row) -> Option<jiff::civil::Time> {
    row.stamp.as_ref()?.time
}

fn crossed(before: &Row, now: &Row) -> bool {
    match (time(before), time(now)) {
        (Some(a), Some(b)) => b < a && now.stamp.as_ref().is_some_and(|s| s.day.is_none()),
        _ => false,
    }
}

fn duration_words(apart: jiff::SignedDuration) -> String {
    duration::say(apart.unsigned_abs())
}

/// The header's clocks in an impossible order.
fn order_of_tags(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let clocks = &cx.facts.clocks;
    if let (Some(start), Some(end)) = (&clocks.started, &clocks.ended)
        && let (Some(a), Some(b)) = (start.at, end.at)
        && b < a
    {
        out.push(
            Hit::new(
                end.range.clone(),
                format!(
                    "the end lies {} before the start",
                    duration_words(b.duration_since(a))
                ),
            )
            .fix("correct the date or the zone of one of them"),
        );
    }
}

pub(super) fn wanted_rows(cx: &Cx<'_>) -> Vec<Hit> {
    let rows = &cx.facts.rows;
    if rows.is_empty() {
        return Vec::new();
    }
    let mut wanted = vec![
        Tag::Impact,
        Tag::Detected,
        Tag::Acked,
        Tag::Identified,
        Tag::Mitigated,
        Tag::Resolved,
    ];
    if cx.strict() {
        wanted.insert(0, Tag::Trigger);
        wanted.push(Tag::Update);
    }
    let missing: Vec<Tag> = wanted
        .into_iter()
        .filter(|tag| !rows.iter().any(|row| row.tags.contains(tag)))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let words = missing
        .iter()
        .map(|t| t.word())
        .collect::<Vec<_>>()
        .join(", ");
    let hit = |range: Range<usize>| {
        Hit::new(range, format!("the timeline has no row for: {words}"))
            .fix("add the rows, each with its time and how it is known; where something didn't happen, say so")
    };
    // At the row after which the first of them belongs.
    let after = match missing[0] {
        Tag::Acked | Tag::Escalated => rows.iter().rev().find(|r| r.tags.contains(&Tag::Detected)),
        Tag::Identified => rows.iter().find(|r| r.tags.contains(&Tag::Escalated)),
        Tag::Mitigated | Tag::Resolved | Tag::Update => rows.last(),
        _ => None,
    };
    vec![hit(
        after.map_or_else(|| place(cx), |row| row.stamp_range.clone())
    )]
}

/// Where the impact began and ended, as rows.
fn span(rows: &[Row]) -> (usize, usize) {
    let first = rows
        .iter()
        .position(|r| r.tags.contains(&Tag::Impact))
        .or_else(|| rows.iter().position(|r| r.tags.contains(&Tag::Detected)))
        .unwrap_or(0);
    let last = rows
        .iter()
        .position(|r| r.tags.contains(&Tag::Resolved) && r.order > rows[first].order)
        .unwrap_or(rows.len().saturating_sub(1));
    let last = rows
        .iter()
        .rposition(|r| r.tags.contains(&Tag::Resolved))
        .filter(|l| *l >= last)
        .map_or(last, |_| last);
    (first, last)
}

pub(super) fn gaps(cx: &Cx<'_>) -> Vec<Hit> {
    let rows: Vec<Row> = cx
        .facts
        .rows
        .iter()
        .filter(|r| r.order.is_some())
        .cloned()
        .collect();
    if rows.len() < 2 {
        return Vec::new();
    }
    let (first, last) = span(&rows);
    let length = cx
        .facts
        .computed_duration()
        .or_else(|| {
            std::time::Duration::try_from(rows[last].order?.duration_since(rows[first].order?)).ok()
        })
        .unwrap_or_default();
    let limit = (length.as_secs_f64() * 0.15).max(1800.0);
    let explained = cx.doc.words_about(&[
        Part::Timeline,
        Part::Response,
        Part::Resolution,
        Part::Recovery,
        Part::Detection,
        Part::Cause,
        Part::Factors,
        Part::FalseLeads,
        Part::WentWrong,
        Part::Lessons,
        Part::Summary,
    ]);
    let mut out = Vec::new();
    for n in first..last.min(rows.len() - 1) {
        let (a, b) = (&rows[n], &rows[n + 1]);
        let (Some(from), Some(to)) = (a.order, b.order) else {
            continue;
        };
        let gap = to.duration_since(from);
        if gap.as_secs_f64() <= limit {
            continue;
        }
        if busy(&a.line_text) || waited(&b.line_text) || named(&explained, a, b, gap) {
            continue;
        }
        // After the remedy: the watch window explains itself.
        if a.tags.iter().any(|t| matches!(t, Tag::Resolved)) {
            continue;
        }
        let words = duration::say(gap.unsigned_abs());
        out.push(
            Hit::new(
                b.stamp_range.clone(),
                format!(
                    "{words} between {} and {} without a word on what was done",
                    clock(a),
                    clock(b)
                ),
            )
            .fix(format!(
                "say what happened from {} to {}, and what would have cut it in half",
                clock(a),
                clock(b)
            )),
        );
    }
    out
}

fn clock(row: &Row) -> String {
    row.stamp
        .as_ref()
        .and_then(|s| s.time)
        .map_or_else(String::new, |t| t.strftime("%H:%M").to_string())
}

/// A row that says what goes on after it.
fn busy(words: &str) -> bool {
    pattern!(r"(?i)\b(?:until \d|expected to take|will take|for the next|over the next|while|waiting|waits|await\w*|meanwhile|begins? (?:to )?(?:re|restor|replay|copy|rebuild|drain|vacuum|backfill)\w*|restor(?:e|ing) (?:started|begins|began|running)|draining|rebuilding|replaying|copying|catching up|in progress|monitoring (?:begins|started)|watch(?:ed|ing)? (?:for|until)|searched?|no progress|nobody|unanswered|not acknowledged)\b").is_match(words)
}

/// A row that says what came before it.
fn waited(words: &str) -> bool {
    pattern!(r"(?i)\b(?:after (?:\d+|an?|half|two|three|several|waiting|the|trying|reading|checking|searching|review|approval)|took (?:\d+|an?|about|nearly|over|until)|because|delay(?:ed)? (?:by|because)|having|waited|since \d|for (?:\d+|the last|an? )\s?(?:min|h|hour|s)|once|completes?|completed|finishe[ds]|caught up|no (?:change|progress) since|nobody worked|no night|overnight|until (?:then|now)|in between|meanwhile)\b").is_match(words)
}

/// The interval is spoken of elsewhere: by its times, or by its length.
fn named(words: &str, a: &Row, b: &Row, gap: jiff::SignedDuration) -> bool {
    let (Some(from), Some(to)) = (time(a), time(b)) else {
        return false;
    };
    let same = |x: jiff::civil::Time, y: jiff::civil::Time| {
        x.hour() == y.hour() && x.minute() == y.minute()
    };
    let length = gap.unsigned_abs();
    words.lines().any(|line| {
        pattern!(r"[.;] ").split(line).any(|sentence| {
            let times: Vec<_> = crate::words::clock::stamps(sentence).into_iter().filter_map(|s| s.time).collect();
            if times.iter().any(|t| same(*t, from)) && times.iter().any(|t| same(*t, to)) {
                return true;
            }
            // "the 45 minutes to the right team": the length, with a word of reason beside it.
            let reason = pattern!(r"(?i)\b(?:because|since|while|waiting|waited|spent|went into|between|were needed|was needed|searching|due to|as the|before|took|lost|gap|delay|cost)\b").is_match(sentence);
            reason && duration::spans(sentence).iter().any(|s| (s.length.as_secs_f64() - length.as_secs_f64()).abs() < 61.0)
        })
    })
}

pub(super) fn quarter_hours(cx: &Cx<'_>) -> Vec<Hit> {
    let times: Vec<_> = cx
        .facts
        .rows
        .iter()
        .filter_map(|row| row.stamp.as_ref())
        .filter_map(|s| Some((s.time?, s.has_seconds)))
        .collect();
    let round = |(time, seconds): &(jiff::civil::Time, bool)| {
        time.minute() % 15 == 0 && (!seconds || time.second() == 0)
    };
    if times.len() < 5 || !times.iter().all(round) {
        return Vec::new();
    }
    let n = times.len();
    let at = cx
        .facts
        .rows
        .iter()
        .find(|r| r.stamp.is_some())
        .map_or_else(|| place(cx), |r| r.stamp_range.clone());
    vec![
        Hit::new(
            at,
            format!(
                "{n} of {n} times lie on a quarter of an hour: were they put together from memory?"
            ),
        )
        .fix("take the times from logs, alerts, chat and deploy records"),
    ]
}

pub(super) fn evidence(cx: &Cx<'_>) -> Vec<Hit> {
    let rows: Vec<&Row> = cx
        .facts
        .rows
        .iter()
        .filter(|r| r.stamp.is_some() || r.at.is_some())
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let n = rows.len();
    let with = rows.iter().filter(|r| !r.evidence.is_empty()).count();
    // A note on the whole: "All rows from the incident channel's export".
    let words = cx.doc.words_about(&[Part::Timeline]);
    let whole = pattern!(r"(?i)\b(?:all |the )?(?:times?|rows?|stamps?|timeline|entries|events)\b[^.|\n]{0,60}\b(?:from|taken from|per|out of|reconstructed from|source[sd]?|exported|according to|come from|copied from)\b[^.|\n]{0,80}\b(?:logs?|metrics?|chat|slack|channel|alert\w*|grafana|dashboards?|audit|pager\w*|record\w*|journal|traces?|history|export)\b|(?i)\bsources?: ").is_match(&words);
    let mut out = Vec::new();
    if with == 0 && !whole {
        let at = rows[0].stamp_range.clone();
        let at = if at.is_empty() { place(cx) } else { at };
        out.push(
            Hit::new(
                at,
                format!("0 of {n} rows lead to evidence: no link, graph, log, query or ticket"),
            )
            .fix("give each row its source: a graph, a log line, a query, a message"),
        );
    } else if !whole && with < n && cx.strict() {
        let first = rows
            .iter()
            .find(|r| r.evidence.is_empty())
            .map_or_else(|| place(cx), |r| r.range.clone());
        out.push(
            Hit::new(
                first,
                format!("{} of {n} rows lead to no evidence", n - with),
            )
            .fix("give each row its source"),
        );
    }
    if cx.strict() {
        let impact = rows.iter().position(|r| r.tags.contains(&Tag::Impact));
        let lead = rows.iter().position(|r| r.tags.contains(&Tag::Trigger));
        if impact == Some(0) && lead.is_none_or(|l| l > 0) {
            out.push(
                Hit::new(
                    rows[0].range.clone(),
                    "the timeline begins with the impact: what came before it?",
                )
                .fix("begin with the trigger, or with the last change before the onset"),
            );
        }
    }
    out
}

/// Somebody or something notices: a complaint, a call, an alert.
fn noticed(words: &str) -> bool {
    // "ticket REL-88" names where something is written down, also a release.
    let words = pattern!(r"(?i)\bticket\s+#?(?:[a-z]+-)?\d+").replace_all(words, " ");
    pattern!(r"(?i)\b(?:calls?|called|phones?|phoned|tells?|told|complain\w*|report(?:s|ed|ing)?|writes?|wrote|asks?|asked|notic\w*|tickets?|flagged|(?:first )?detected|discovered|alert\w*|alarm\w*|paged|page fired|page (?:sent|went))\b").is_match(&words)
}

pub(super) fn measured_onset(cx: &Cx<'_>) -> Vec<Hit> {
    let rows = &cx.facts.rows;
    // The first row that isn't only the trigger.
    let onset = rows.iter().position(|r| {
        r.tags
            .iter()
            .any(|t| !matches!(t, Tag::Trigger | Tag::Update))
            || noticed(&r.line_text) && !pattern!(r"(?i)\btrigger\b").is_match(&r.line_text)
    });
    let Some(first) = onset.map(|n| &rows[n]) else {
        return Vec::new();
    };
    let lower = first.line_text.to_lowercase();
    if !noticed(&lower) {
        return Vec::new();
    }
    // A row that is measured and a complaint at once is measured.
    let measured_row = pattern!(r"\bfirst (?:failed|failing|slow|delayed|bad|error|5\d\d|time[d-]?[ -]?out|rejected)|\bonset\b|\bimpact starts?\b|\b(?:trouble|impact|it all) (?:starts|begins) here\b|\bcount the impact from\b|\bfirst [\w ]{2,30} (?:over|above|longer than|beyond) \d|\bmeasured\b|\brises? from\b|\brose from\b|\bfrom \d[\d.,]*\s?(?:%|ms|s|/s)? to \d").is_match(&lower);
    // A measured onset anywhere: "the access log shows the first failed request at 13:58:41".
    let all = cx.doc.all_words();
    let anywhere = pattern!(r"(?i)\bfirst (?:failed|failing|failure|slow|delayed|bad|error\w*|5\d\d|time[d-]?[ -]?out|timeout|rejected|affected|lost|duplicate\w*|wrong|stale|missing|late)\b[^.|\n]{0,100}\d{1,2}:\d{2}|\d{1,2}:\d{2}[^.|\n]{0,80}\bfirst (?:failed|failing|failure|slow|delayed|bad|error\w*|5\d\d|time[d-]?[ -]?out|timeout|rejected|affected|lost|duplicate\w*|wrong|stale|missing|late)\b|\b(?:onset|impact start(?:ed|s)?|start of (?:the )?impact|impact began|began|started|starts|begins)\b[^.|\n]{0,80}\b(?:measured|according to|per the|in the (?:\w+ )?(?:log|metrics|graph)|from the (?:\w+ )?(?:logs?|metrics|graph)|by the (?:\w+ )?(?:log|metrics|table|graph))\b|\b(?:metrics?|graphs?|logs?|dashboards?|data|histograms?)\b[^.|\n]{0,60}\b(?:shows?|place|put|give)\b[^.|\n]{0,60}\b(?:onset|start|began|beginning|rise|first|since|from)\b[^.|\n]{0,40}\d{1,2}:\d{2}|\bmeasured onset\b").is_match(&all);
    let start = cx.facts.clocks.started.as_ref().and_then(|c| c.at);
    let earlier = match (start, first.at) {
        (Some(start), Some(row)) => {
            start < row
                && cx
                    .facts
                    .clocks
                    .started
                    .as_ref()
                    .is_some_and(|c| c.line != first.line)
        }
        _ => false,
    };
    if measured_row || anywhere || earlier {
        return Vec::new();
    }
    vec![
        Hit::new(first.range.clone(), "the impact starts when it was noticed: the onset isn't measured, so the time to detect reads as 0")
            .fix("find the first breach in metrics or logs: the earliest failed or slow request before this row"),
    ]
}
