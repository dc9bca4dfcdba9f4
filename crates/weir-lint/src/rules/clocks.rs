//! IR04 to IR06: when it began and ended, and how long that was.

use std::time::Duration;

use super::{Cx, Hit};
use crate::facts::part::Part;
use crate::facts::{Clock, Tag};
use crate::words::duration;
use crate::words::pattern;
use crate::words::zone::{self, Zone};

pub(super) fn start_and_end(cx: &Cx<'_>) -> Vec<Hit> {
    let clocks = &cx.facts.clocks;
    let mut out = Vec::new();
    let place = cx.doc.place_of(&[Part::Summary, Part::Impact]);
    for (name, clock) in [("start", &clocks.started), ("end", &clocks.ended)] {
        match clock {
            // What is still going on has no end yet, and says so.
            None if name == "end" && ongoing(cx) => {}
            None => out.push(
                Hit::new(
                    place.clone(),
                    format!("the {name} of the impact can't be found"),
                )
                .fix(format!(
                    "state it with date, time and zone: `{}: 2026-01-31 14:00 UTC`",
                    if name == "start" { "Start" } else { "End" }
                )),
            ),
            Some(clock) => one(cx, name, clock, &mut out),
        }
    }
    // Both lack the same: said once.
    if let [a, b] = out.as_slice()
        && a.message.replace("start", "end") == b.message
        && a.fix == b.fix
    {
        out.pop();
    }
    out
}

/// The report says that it isn't over.
fn ongoing(cx: &Cx<'_>) -> bool {
    open_by_status(cx) || pattern!(r"(?i)\bnot (?:yet )?(?:resolved|over|recovered)(?: yet)?\b|\bstill (?:ongoing|open|going on)\b|\bongoing\b").is_match(&cx.doc.words_about(&[Part::Summary, Part::Impact]))
}

/// Its status says so.
fn open_by_status(cx: &Cx<'_>) -> bool {
    cx.facts.status.as_ref().is_some_and(|s| pattern!(r"(?i)^\W*(?:open|acknowledged|ongoing|investigating|identified|monitoring|mitigated|active)\b").is_match(&s.says))
}

fn one(cx: &Cx<'_>, name: &str, clock: &Clock, out: &mut Vec<Hit>) {
    let written = cx.doc.source.slice(clock.range.clone()).to_owned();
    if !clock.has_date {
        out.push(
            Hit::new(
                clock.range.clone(),
                format!("the {name} \"{written}\" has no date"),
            )
            .fix("write the date beside the time"),
        );
    } else if !clock.has_zone {
        out.push(
            Hit::new(
                clock.range.clone(),
                format!(
                    "the {name} \"{written}\" has no time zone, and none is stated for the report"
                ),
            )
            .fix("write UTC times, or say once: `All times are UTC.`"),
        );
    } else if let Some(zone) = &clock.named_zone {
        // "EDT, UTC-04:00" said once for all times explains the name.
        let declared = cx.doc.zone.as_ref().is_some_and(|(declared, _)| {
            let offset = |z: &Zone| z.offset_at(jiff::civil::date(2024, 1, 15).at(12, 0, 0, 0));
            declared.name() == *zone
                || declared.is_explicit()
                    && zone::parse(zone).is_some_and(|own| offset(&own) == offset(declared))
        });
        // The conversion stands behind it already.
        let end = clock.range.end;
        let behind = cx.doc.source.slice(end..end + 64);
        let converted = pattern!(r"^[^\n(]{0,4}\([^)\n]{0,24}\b(?:UTC|GMT)\b").is_match(behind)
            // "from 10:42 to 11:03 JST (01:42 to 02:03 UTC)" converts both.
            || pattern!(r"^(?:\s(?:to|until|till)\s|\s?[–—-]\s?)\d{1,2}:\d{2}[^\n(]{0,12}\([^)\n]{0,24}\b(?:UTC|GMT)\b")
                .is_match(behind);
        if declared || converted {
            return;
        }
        let hit = Hit::new(
            clock.range.clone(),
            format!(
                "the {name} \"{written}\" is in {zone}: readers elsewhere must look up what that is"
            ),
        );
        out.push(match clock.at {
            Some(at) => {
                let utc = at.strftime("%Y-%m-%d %H:%M UTC").to_string();
                hit.edit(
                    format!("write `{written} ({utc})`"),
                    clock.range.end..clock.range.end,
                    format!(" ({utc})"),
                    true,
                )
            }
            None => hit.fix("write the same in UTC"),
        });
    } else if clock.ambiguous && cx.strict() {
        out.push(
            Hit::new(
                clock.range.clone(),
                format!("\"{written}\" reads as two dates"),
            )
            .fix("write 2026-01-31"),
        );
    }
}

pub(super) fn duration_stated(cx: &Cx<'_>) -> Vec<Hit> {
    let facts = cx.facts;
    let place = || {
        let keys = [
            "duration",
            "incident duration",
            "total duration",
            "start end",
        ];
        cx.doc
            .field(&keys)
            .map(|f| f.range.clone())
            .or_else(|| facts.clocks.ended.as_ref().map(|c| c.range.clone()))
            .unwrap_or_else(|| cx.doc.place_of(&[Part::Summary, Part::Impact]))
    };
    let computed = facts.computed_duration();
    if facts.durations.is_empty() {
        let field = cx
            .doc
            .field(&["duration", "incident duration", "total duration"]);
        // Nothing has gone by yet: that is a duration too.
        if field.is_some_and(|f| {
            pattern!(r"^\W*0 ?(?:s|sec|seconds|min|minutes)\b").is_match(f.value.trimmed())
        }) {
            return Vec::new();
        }
        let mut hit = Hit::new(
            place(),
            if field.is_some() {
                "the duration field states no duration: readers must subtract"
            } else {
                "the duration is not stated"
            },
        );
        hit = match (computed, field) {
            (Some(length), Some(field)) if cx.doc.source.slice(field.value.whole()) == field.value.trimmed() => {
                let at = field.value.whole().start;
                let says = duration::say(length);
                hit.edit(format!("end less start is {says}: write `{says} (…)`"), at..at, format!("{says} · "), true)
            }
            (Some(length), _) => hit.fix(format!("end less start is {}: write `Duration: {}`", duration::say(length), duration::say(length))),
            (None, _) => hit.fix("write `Duration: <hours and minutes>`, and the start and the end that it is computed from"),
        };
        return vec![hit];
    }
    let spans: Vec<Duration> = [computed].into_iter().flatten().chain(rows(cx)).collect();
    if spans.is_empty() {
        return Vec::new();
    }
    if let Some(computed) = computed {
        let agrees = facts
            .durations
            .iter()
            .any(|(span, _)| span.agrees_with(computed));
        if !agrees {
            let (span, said) = &facts.durations[0];
            let stated = duration::say(span.length);
            let hit = Hit::new(
                said.range.clone(),
                format!(
                    "the duration is stated as {stated}, but from start to end it is {}",
                    duration::say(computed)
                ),
            );
            return vec![hit.fix(format!(
                "write {}, or correct the start or the end",
                duration::say(computed)
            ))];
        }
    }
    // What came back after a row of its end goes on beyond that row.
    if open_by_status(cx) {
        return Vec::new();
    }
    // What the rows say must be possible too: some onset row and some end row that far apart.
    let rows = rows(cx);
    if !rows.is_empty() {
        let agrees = facts
            .durations
            .iter()
            .any(|(span, _)| rows.iter().any(|row| near(span.length, *row)));
        if !agrees {
            let (span, said) = &facts.durations[0];
            let longest = rows.iter().max().copied().unwrap_or_default();
            return vec![
                Hit::new(
                    said.range.clone(),
                    format!("the duration is stated as {}, but the timeline's first impact and its end lie {} apart", duration::say(span.length), duration::say(longest)),
                )
                .fix("let header and timeline give the same start and end"),
            ];
        }
    }
    Vec::new()
}

fn near(a: Duration, b: Duration) -> bool {
    let (a, b) = (a.as_secs_f64(), b.as_secs_f64());
    (a - b).abs() <= (0.05 * b).max(120.0_f64.min(0.2 * b.max(5.0)))
}

/// The lengths that the timeline allows: from a row of onset to a row of its end.
fn rows(cx: &Cx<'_>) -> Vec<Duration> {
    let rows = &cx.facts.rows;
    let firsts: Vec<_> = rows
        .iter()
        .filter(|r| {
            r.tags
                .iter()
                .any(|t| matches!(t, Tag::Impact | Tag::Detected | Tag::Trigger))
        })
        .filter_map(|r| r.at)
        .take(6)
        .collect();
    let lasts: Vec<_> = rows
        .iter()
        .filter(|r| {
            r.tags
                .iter()
                .any(|t| matches!(t, Tag::Resolved | Tag::Mitigated))
        })
        .filter_map(|r| r.at)
        .collect();
    let tagged = rows.iter().any(|r| r.tags.contains(&Tag::Impact))
        && rows.iter().any(|r| r.tags.contains(&Tag::Resolved));
    if !tagged {
        return Vec::new();
    }
    firsts
        .iter()
        .flat_map(|a| {
            lasts
                .iter()
                .filter_map(|b| Duration::try_from(b.duration_since(*a)).ok())
        })
        .filter(|d| !d.is_zero())
        .take(500)
        .collect()
}

pub(super) fn excluded_time(cx: &Cx<'_>) -> Vec<Hit> {
    let all = pattern!(r"\d{4}-\d{2}-\d{2}")
        .replace_all(&cx.doc.all_words(), " ")
        .into_owned();
    if cx.facts.computed_duration().is_none() && ongoing(cx) {
        return Vec::new();
    }
    // The rule itself: hours of the day, days of the week, or what is left out.
    let declared = pattern!(r"(?i)\b(?:support|business|working|office|staffed|opening|service|trading) (?:hours?|time)\b[^|\n]{0,80}\d{1,2}(?::\d{2})?\s?(?:am|pm)?\s?(?:–|-|to|until|and)\s?\d{1,2}|\d{1,2}(?::\d{2})?\s?(?:–|-|to)\s?\d{1,2}(?::\d{2})?[^.|\n]{0,40}\b(?:support|business|working|office|staffed|opening) hours?|\b(?:excludes?|excluding|not count(?:ed|ing)|do(?:es)? not count|counts? only|counted only)\b[^.|\n]{0,40}\b(?:night|weekend|holiday|hour|between|from)").is_match(&all);
    if declared {
        return Vec::new();
    }
    let wall = cx.facts.computed_duration();
    let early = [Part::Summary, Part::Impact, Part::Metadata, Part::Timeline];
    for (i, block) in cx.doc.blocks() {
        if block.quoted || !(cx.doc.about[i].any(&early) || cx.doc.about[i].is_empty()) {
            continue;
        }
        for text in block.texts() {
            if let Some((span, range)) = counted_hours(&text.plain, wall) {
                return vec![exclusion(text.source_range(range), &span, wall)];
            }
        }
    }
    for front in &cx.doc.tree.front {
        if let Some((span, range)) = counted_hours(&front.value.plain, wall) {
            return vec![exclusion(front.value.source_range(range), &span, wall)];
        }
    }
    Vec::new()
}

/// A length that is said to count only the hours of work.
fn counted_hours(
    text: &str,
    wall: Option<Duration>,
) -> Option<(duration::Span, std::ops::Range<usize>)> {
    let hours = pattern!(
        r"(?i)\b(?:support|business|working|office|staffed|opening|service|trading) (?:hours?|time)\b|\bworking day\b"
    );
    for span in duration::spans(text) {
        let whole = wall.is_some_and(|wall| span.length.as_secs_f64() >= 0.9 * wall.as_secs_f64());
        let start = crate::source::floor_boundary(text, span.range.start.saturating_sub(40));
        let end = crate::source::floor_boundary(text, span.range.end + 44);
        let near = &text[start..end];
        if !whole
            && span.length.as_secs() >= 60
            && hours.is_match(near)
            && !pattern!(r"(?i)\b(?:within|sla|responds? in|answer)\b").is_match(near)
        {
            let range = span.range.clone();
            return Some((span, range));
        }
    }
    None
}

fn exclusion(range: std::ops::Range<usize>, span: &duration::Span, wall: Option<Duration>) -> Hit {
    let stated = duration::say(span.length);
    let message = match wall {
        Some(wall) => format!(
            "{stated} of {} by the clock: some hours are left out, but not which",
            duration::say(wall)
        ),
        None => format!("{stated} leaves some hours out, but not which"),
    };
    Hit::new(range, message)
        .fix("say the rule, for example: support hours 10:00 to 17:00 UTC, Monday to Friday")
}
