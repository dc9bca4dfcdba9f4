//! Who wrote it, what it is about, and when the incident began and ended.

use std::ops::Range;

use jiff::civil::Date;

use super::doc::{Field, key};
use super::part::Part;
use super::{Clock, Doc, Facts, Said, Tag};
use crate::tree::Text;
use crate::words::clock::{self, Stamp};
use crate::words::zone::Zone;
use crate::words::{duration, pattern};

const SEVERITY: &[&str] = &[
    "severity",
    "sev",
    "incident severity",
    "severity level",
    "priority",
    "incident priority",
    "incident level",
    "level",
    "classification",
    "impact level",
    "incident class",
    "class",
    "sev level",
    "criticality",
    "severity priority",
    "rating",
];
const STATUS: &[&str] = &[
    "status",
    "state",
    "report status",
    "postmortem status",
    "post mortem status",
    "incident status",
    "document status",
    "review status",
    "status of report",
    "status of this report",
    "status of the report",
    "status of this document",
    "current status",
    "stage",
];
const AUTHORS: &[&str] = &[
    "author",
    "authors",
    "author s",
    "written by",
    "prepared by",
    "owner",
    "owners",
    "owner s",
    "report owner",
    "postmortem owner",
    "post mortem owner",
    "incident owner",
    "document owner",
    "drafted by",
    "compiled by",
    "report author",
    "report authors",
    "report by",
    "authored by",
    "editor",
    "review owner",
    "owner of review process",
    "owner of this report",
    "reported by",
    "writer",
    "report written by",
    "owning team",
    "coe owner",
    "by",
    "submitted by",
    "contributors",
    "authors and contributors",
    "author and owner",
    "recorded by",
    "who wrote this",
];
const REVIEWERS: &[&str] = &[
    "reviewer",
    "reviewers",
    "reviewed by",
    "reviewed",
    "approved by",
    "approver",
    "review by",
    "reviewer s",
];
const IDS: &[&str] = &[
    "id",
    "incident id",
    "incident",
    "incident number",
    "ticket",
    "incident ticket",
    "reference",
    "ref",
    "number",
    "tracking",
    "report id",
    "coe id",
    "incident ref",
    "case",
];
const SERVICES: &[&str] = &[
    "service",
    "services",
    "affected service",
    "affected services",
    "component",
    "system",
    "affected system",
    "systems",
    "services affected",
    "product",
];
const PUBLISHED: &[&str] = &[
    "published",
    "date published",
    "publication date",
    "published on",
    "report date",
    "date of report",
    "report published",
    "report published on",
    "reviewed on",
    "review date",
    "date reviewed",
    "written",
    "written on",
    "reviewed",
    "review",
    "postmortem published",
    "closed on",
    "review held",
    "review meeting",
];

pub(super) fn read(doc: &Doc<'_>, facts: &mut Facts) {
    title(doc, facts);
    let said = |field: &Field| Said::new(doc, &field.value.plain, field.range.clone());
    let early = |field: &&Field| {
        !field
            .parts
            .any(&[Part::Actions, Part::Timeline, Part::Cause, Part::Lessons])
    };
    let find = |keys: &[&str]| {
        keys.iter().find_map(|key| {
            doc.fields
                .iter()
                .filter(early)
                .find(|f| f.key == *key && stated(&f.value.plain))
        })
    };
    facts.id = find(IDS)
        .map(|f| f.value.trimmed().to_owned())
        .filter(|id| id.len() < 40)
        .or_else(|| {
            pattern!(r"\b(?:INC|IR|PM|COE|SEV|OPS|IM|INCIDENT|RCA|POSTMORTEM)-\d[\d-]*")
                .find(&doc.all_words())
                .map(|m| m.as_str().to_owned())
        });
    let like = |pattern: &regex::Regex| {
        doc.fields.iter().filter(early).find(|f| {
            pattern.is_match(&f.key) && stated(&f.value.plain) && f.value.plain.len() < 80
        })
    };
    facts.severity = find(SEVERITY)
        .or_else(|| like(pattern!(r"^(?:severity|priority|sev)\b.{0,24}$")))
        .map(said)
        .or_else(|| loose_severity(doc));
    facts.status = find(STATUS)
        .or_else(|| like(pattern!(r"^(?:status|state) of\b.{0,24}$")))
        .map(said)
        .or_else(|| loose_status(doc));
    facts.authors = find(AUTHORS)
        .map(|f| names(&f.value.plain))
        .unwrap_or_else(|| loose_authors(doc));
    facts.reviewed_by = REVIEWERS
        .iter()
        .find_map(|key| {
            doc.fields.iter().find(|f| {
                f.key == *key
                    && stated(&f.value.plain)
                    && f.value.plain.chars().any(char::is_alphabetic)
            })
        })
        .map(|f| names(&f.value.plain))
        .unwrap_or_default();
    let header = header(doc);
    if facts.reviewed_by.is_empty()
        && let Some(found) = pattern!(r"(?i)\b(?:reviewed|approved) by ((?-i:[A-Z]|the |a )[^.\n|,]{1,60}?)(?: on \d| on [A-Z]|[.,\n|]|$)").captures(&header) {
            facts.reviewed_by = names(&found[1]);
        }
    facts.published = PUBLISHED
        .iter()
        .flat_map(|key| doc.fields.iter().filter(move |f| f.key == *key))
        .find_map(|f| {
            clock::stamps(&f.value.plain)
                .into_iter()
                .find_map(|s| s.day?.date(doc.day.map(Date::year)))
        });
    if facts.published.is_none() {
        let said = pattern!(r"(?i)\b(?:published|reviewed|written|report date)\b[^.\n|]{0,60}")
            .find(&header);
        facts.published = said.and_then(|m| {
            clock::stamps(m.as_str())
                .into_iter()
                .find_map(|s| s.day?.date(doc.day.map(Date::year)))
        });
    }
    if let Some(service) = find(SERVICES) {
        facts.service = Some(service.value.trimmed().to_owned()).filter(|s| s.len() < 120);
    }
}

/// Something that answers, not "TBD" and the like.
fn stated(value: &str) -> bool {
    let value = value.trim();
    !value.is_empty() && !super::actions::none_like(value)
        || value.eq_ignore_ascii_case("open")
        || value.eq_ignore_ascii_case("pending")
}

fn title(doc: &Doc<'_>, facts: &mut Facts) {
    let front = doc
        .tree
        .front
        .iter()
        .find(|f| key(&f.key) == "title" && !f.value.is_blank())
        .map(|f| f.value.trimmed().to_owned());
    let heading = doc
        .title
        .and_then(|i| doc.tree.blocks.get(i))
        .map(|block| block.text.trimmed().to_owned());
    facts.title = heading
        .or(front)
        .or_else(|| doc.tree.page_title.as_ref().map(|t| t.trimmed().to_owned()))
        .filter(|t| !t.is_empty());
    let Some(title) = &facts.title else { return };
    let bare = pattern!(r"(?i)^\W*(?:incident (?:report|postmortem|review)|post[- ]?mortem|correction of errors?|coe|rca|incident|(?:inc|coe|pm|ir)-\d[\d-]*)\s*(?:\([^)]*\))?\s*[:—–-]\s*").replace(title, "");
    let bare = bare.split(" (").next().unwrap_or_default();
    let split = bare
        .split_once(": ")
        .or_else(|| bare.split_once(" — "))
        .or_else(|| bare.split_once(" – "));
    if let Some((service, symptom)) = split {
        facts.service = Some(service.trim().to_owned());
        let day = clock::stamps(symptom).into_iter().find(|s| s.day.is_some());
        let end = day.map_or(symptom.len(), |s| s.range.start);
        let symptom = symptom[..end]
            .trim()
            .trim_end_matches([',', '(', ' ', '-', '–', '—']);
        facts.symptom = Some(symptom.trim_end_matches(" on").to_owned()).filter(|s| !s.is_empty());
    }
}

/// What stands before the first of the five parts: the header.
fn header(doc: &Doc<'_>) -> String {
    let mut out = String::new();
    for (i, block) in doc.blocks().take(60) {
        let later = [
            Part::Timeline,
            Part::Cause,
            Part::Actions,
            Part::Resolution,
            Part::Lessons,
            Part::Detection,
        ];
        if doc.about[i].any(&later) {
            break;
        }
        for text in block.texts() {
            out.push_str(&text.plain);
            out.push('\n');
        }
    }
    out
}

fn loose(doc: &Doc<'_>, found: Option<regex::Match<'_>>) -> Option<Said> {
    let found = found?;
    let at = doc.source.text.find(found.as_str()).unwrap_or(0);
    Some(Said::new(
        doc,
        found.as_str(),
        at..at + found.as_str().len(),
    ))
}

fn loose_severity(doc: &Doc<'_>) -> Option<Said> {
    let header = header(doc);
    loose(doc, pattern!(r"(?i)\bsev(?:erity)?[- ]?[0-5]\b|\b(?-i:P)[0-5]\b|\b(?:critical|major|minor|high|medium|low)[- ](?:severity|priority)\b|\bseverity (?:was |is )?(?:critical|major|minor|high|medium|low)\b").find(&header))
}

fn loose_status(doc: &Doc<'_>) -> Option<Said> {
    let header = header(doc);
    loose(doc, pattern!(r"(?i)\bstatus\W{1,4}(?:draft|in review|reviewed|final|closed|complete|completed|resolved|published|approved)\b|\((?:draft|final|in review|reviewed|closed)\)|\b(?:final|draft|reviewed) (?:version|report|draft)\b|\bthis (?:report|postmortem|review|document) is (?:a |in )?(?:draft|final|review|reviewed|closed|complete)|^\W*(?:draft|final|reviewed|closed)\W*$").find(&header))
}

fn loose_authors(doc: &Doc<'_>) -> Vec<String> {
    let header = header(doc);
    let found = pattern!(r"(?im)\b(?:written|prepared|authored|compiled|drafted|owned|posted)(?: up)? by\W+([^.\n|]{2,80})|^\W*by\s+((?-i:[A-Z])[^.\n|]{2,60})|\bthe ([\w -]{2,30}) (?:team )?wrote this\b")
        .captures(&header);
    found
        .and_then(|f| f.get(1).or(f.get(2)).or(f.get(3)))
        .map(|m| names(m.as_str()))
        .unwrap_or_default()
}

fn names(value: &str) -> Vec<String> {
    pattern!(r",|;| and | & |\n")
        .split(value)
        .map(|name| {
            name.trim()
                .trim_matches(['"', '\'', '[', ']', '*', '_', '.'])
                .trim()
                .to_owned()
        })
        .filter(|name| !name.is_empty() && !super::actions::none_like(name))
        .take(50)
        .collect()
}

const STARTS: &[&str] = &[
    "started",
    "start",
    "start time",
    "started at",
    "incident start",
    "incident started",
    "impact start",
    "impact started",
    "impact began",
    "began",
    "begin",
    "beginning",
    "from",
    "start of impact",
    "start of incident",
    "onset",
    "impact start time",
    "incident start time",
    "time of start",
    "start utc",
    "start time utc",
    "incident began",
    "start of the incident",
    "start date",
    "impact onset",
    "first impact",
    "outage start",
    "start of outage",
];
const ENDS: &[&str] = &[
    "ended",
    "end",
    "end time",
    "ended at",
    "incident end",
    "incident ended",
    "impact end",
    "impact ended",
    "resolved",
    "resolved at",
    "resolution time",
    "to",
    "end of impact",
    "end of incident",
    "finished",
    "restored",
    "recovered",
    "impact end time",
    "incident end time",
    "end utc",
    "end time utc",
    "end of the incident",
    "end date",
    "service restored",
    "incident resolved",
    "time resolved",
    "time of resolution",
    "recovered at",
    "outage end",
    "end of outage",
    "over",
];
const BOTH: &[&str] = &[
    "start end",
    "duration",
    "incident duration",
    "time",
    "times",
    "when",
    "window",
    "incident window",
    "impact window",
    "time window",
    "date",
    "date and time",
    "dates",
    "time range",
    "period",
    "incident period",
    "date time",
    "incident time",
    "impact duration",
    "impact period",
    "start and end",
    "incident date",
    "date of incident",
    "start → end",
    "from to",
    "interval",
    "when it happened",
    "incident window utc",
    "duration of impact",
    "outage window",
];

/// The header's clocks; where the header has none, those of the summary, then of the timeline.
pub(super) fn clocks(doc: &Doc<'_>, facts: &mut Facts) {
    let mut started = by_field(doc, STARTS, 0);
    let mut ended = by_field(doc, ENDS, 0);
    if started.is_none() || ended.is_none() {
        for key in BOTH {
            for field in doc
                .fields
                .iter()
                .filter(|f| f.key == *key && !f.parts.any(&[Part::Actions, Part::Timeline]))
            {
                let clocks: Vec<Stamp> = clock::stamps(&field.value.plain)
                    .into_iter()
                    .filter(|s| s.time.is_some())
                    .collect();
                if clocks.len() >= 2 {
                    started = started.or_else(|| Some(clock_of(doc, &field.value, &clocks[0])));
                    ended = ended.or_else(|| Some(clock_of(doc, &field.value, &clocks[1])));
                } else if let ([only], true) = (clocks.as_slice(), started.is_none()) {
                    started = Some(clock_of(doc, &field.value, only));
                    // "14:00 UTC for 3 h 30 min": the end follows.
                }
            }
        }
    }
    if (started.is_none() || ended.is_none())
        && let Some((from, to)) = prose(doc)
    {
        started = started.or(Some(from));
        ended = ended.or(to);
    }
    let row = |tag: Tag| {
        facts
            .rows
            .iter()
            .find(|row| row.tags.contains(&tag) && row.stamp.is_some())
    };
    let first = row(Tag::Impact)
        .or_else(|| row(Tag::Detected))
        .or_else(|| facts.rows.iter().find(|r| r.stamp.is_some()));
    if started.is_none() {
        started = first.map(row_clock);
    }
    if ended.is_none() {
        ended = facts
            .rows
            .iter()
            .rev()
            .find(|row| row.tags.contains(&Tag::Resolved) && row.stamp.is_some())
            .or_else(|| {
                facts
                    .rows
                    .iter()
                    .rev()
                    .find(|row| row.tags.contains(&Tag::Mitigated) && row.stamp.is_some())
            })
            .map(row_clock);
    }
    // An end without a date, earlier in the day than the start, is on the next day.
    if let (Some(from), Some(to)) = (&started, &mut ended)
        && let (Some(a), Some(b)) = (from.at, to.at)
    {
        let same_day_only = b < a && a.duration_since(b) < jiff::SignedDuration::from_hours(24);
        let undated = !clock::stamps(doc.source.slice(to.range.clone()))
            .iter()
            .any(|s| s.day.is_some());
        if same_day_only && undated {
            to.at = b.checked_add(jiff::SignedDuration::from_hours(24)).ok();
        }
    }
    let at = |keys: &[&str]| by_field(doc, keys, 0).and_then(|clock| clock.at);
    facts.clocks.detected = at(&[
        "detected",
        "detected at",
        "time detected",
        "detection time",
        "detection",
        "incident detected",
    ]);
    facts.clocks.acked = at(&["acknowledged", "acknowledged at", "acked"]);
    facts.clocks.identified = at(&[
        "identified",
        "cause identified",
        "identified at",
        "root cause identified",
    ]);
    facts.clocks.mitigated = at(&["mitigated", "mitigated at", "time mitigated"]);
    facts.clocks.started = started;
    facts.clocks.ended = ended;
}

fn row_clock(row: &super::Row) -> Clock {
    let named = row
        .stamp
        .as_ref()
        .and_then(|s| s.zone.as_ref())
        .filter(|z| !z.is_explicit())
        .map(Zone::name);
    Clock {
        at: row.at,
        has_date: row.has_date,
        has_zone: row.has_zone,
        named_zone: named,
        ambiguous: row
            .stamp
            .as_ref()
            .is_some_and(|s| s.day.is_some_and(|d| d.ambiguous)),
        line: row.line,
        range: row.stamp_range.clone(),
    }
}

fn by_field(doc: &Doc<'_>, keys: &[&str], nth: usize) -> Option<Clock> {
    for key in keys {
        for field in doc.fields.iter().filter(|f| {
            f.key == *key
                && !f
                    .parts
                    .any(&[Part::Actions, Part::Timeline, Part::Evidence])
        }) {
            let stamps: Vec<Stamp> = clock::stamps(&field.value.plain)
                .into_iter()
                .filter(|s| s.time.is_some())
                .collect();
            // A sentence about the end is no clock of it.
            if field.value.plain.len() > 120 {
                continue;
            }
            if let Some(stamp) = stamps.get(nth) {
                return Some(clock_of(doc, &field.value, stamp));
            }
        }
    }
    None
}

fn clock_of(doc: &Doc<'_>, text: &Text, stamp: &Stamp) -> Clock {
    let declared = doc.zone.as_ref().map(|z| &z.0);
    let converted = converted(text, stamp);
    let zone = stamp.zone.as_ref();
    Clock {
        at: converted.or_else(|| stamp.at(doc.day, declared)),
        has_date: stamp.day.is_some_and(|d| d.year.is_some()) || doc.day.is_some(),
        has_zone: zone.is_some() || declared.is_some(),
        named_zone: zone
            .filter(|z| !z.is_explicit() && converted.is_none())
            .map(Zone::name),
        ambiguous: stamp.day.is_some_and(|d| d.ambiguous),
        line: doc.source.place(text.source(stamp.range.start)).line,
        range: text.source_range(stamp.range.clone()),
    }
}

/// "14:00 EAT (11:00 UTC)": the conversion stands beside it.
fn converted(text: &Text, stamp: &Stamp) -> Option<jiff::Timestamp> {
    if stamp.zone.as_ref().is_none_or(Zone::is_explicit) {
        return None;
    }
    let next = clock::stamps(&text.plain)
        .into_iter()
        .find(|s| s.range.start >= stamp.range.end)?;
    let close = next.range.start - stamp.range.end <= 6 && next.zone == Some(Zone::Utc);
    let bridge = text
        .plain
        .get(stamp.range.end..next.range.start)
        .unwrap_or_default();
    (close && bridge.contains(['(', '/', '='])).then(|| {
        let day = stamp.day.or(next.day)?;
        Stamp {
            day: Some(day),
            ..next
        }
        .at(None, None)
    })?
}

/// "from 14:00 to 17:30 UTC on 10 May 2023", "between 13:58 and 15:02 UTC", "at 14:02 … until 15:10".
fn prose(doc: &Doc<'_>) -> Option<(Clock, Option<Clock>)> {
    let parts = [Part::Summary, Part::Impact];
    let early = doc.blocks().filter(|(i, b)| {
        !b.quoted
            && (doc.about[*i].any(&parts) || doc.about[*i].is_empty())
            && doc.title != Some(*i)
    });
    for (_, block) in early {
        for text in block.texts() {
            let clocks: Vec<Stamp> = clock::stamps(&text.plain)
                .into_iter()
                .filter(|s| s.time.is_some())
                .collect();
            for pair in clocks.windows(2) {
                let between = text
                    .plain
                    .get(pair[0].range.end..pair[1].range.start)
                    .unwrap_or_default();
                let ranged = pattern!(r"(?i)^[\s*_,(]*(?:–|—|-|→|to|until|till|and|through)\b?[\s*_]*(?:about )?$").is_match(between)
                    || between.len() < 160 && pattern!(r"(?i)\b(?:until|till|ended at|restored (?:at|by)|recovered (?:at|by)|resolved (?:at|by)|over (?:at|by)|back (?:to normal )?(?:at|by))\b[^.]{0,24}$").is_match(between);
                if ranged {
                    return Some((
                        clock_of(doc, text, &pair[0]),
                        Some(clock_of(doc, text, &pair[1])),
                    ));
                }
            }
        }
    }
    None
}

/// What is stated as the length of the whole incident.
pub(super) fn durations(doc: &Doc<'_>, facts: &mut Facts) {
    let keys = [
        "duration",
        "incident duration",
        "total duration",
        "length",
        "impact duration",
        "outage duration",
        "total time",
        "downtime",
        "duration of impact",
        "lasted",
        "time to resolve",
        "ttr",
        "time to restore",
        "total downtime",
        "total impact duration",
        "duration total",
        "total outage time",
        "elapsed",
        "duration of incident",
        "duration of the incident",
        "how long",
    ];
    let mut out: Vec<(duration::Span, Said)> = Vec::new();
    for field in &doc.fields {
        let timed = keys.contains(&field.key.as_str())
            || BOTH.contains(&field.key.as_str()) && !field.parts.is(Part::Actions);
        if !timed
            || field
                .parts
                .any(&[Part::Actions, Part::Evidence, Part::Timeline])
            || field.value.plain.len() > 300
        {
            continue;
        }
        if let Some(span) = duration::spans(&field.value.plain).into_iter().next() {
            let range = field.value.source_range(span.range.clone());
            out.push((span, Said::new(doc, &field.value.plain, range)));
        }
    }
    let parts = [
        Part::Summary,
        Part::Impact,
        Part::Metadata,
        Part::Resolution,
        Part::Recovery,
    ];
    for (i, block) in doc.blocks() {
        if block.quoted || !(doc.about[i].any(&parts) || doc.about[i].is_empty()) {
            continue;
        }
        for text in block.texts() {
            for span in duration::spans(&text.plain) {
                if whole_incident(&text.plain, &span.range) {
                    let range = text.source_range(span.range.clone());
                    out.push((span, Said::new(doc, &text.plain, range)));
                }
            }
        }
    }
    // A look back repeats it, in words that leave no doubt.
    for (_, block) in doc.about_any(&[
        Part::Lessons,
        Part::WentWell,
        Part::WentWrong,
        Part::Lucky,
        Part::Cause,
    ]) {
        if block.quoted || out.is_empty() {
            continue;
        }
        for text in block.texts() {
            for span in duration::spans(&text.plain) {
                let end = crate::source::floor_boundary(&text.plain, span.range.end + 24);
                let whole = pattern!(r"(?i)^\s*(?:in total|in all|altogether)\b").is_match(&text.plain[span.range.end..end])
                    || pattern!(r"(?i)\b(?:incident|outage|degradation|disruption|whole thing) (?:had )?lasted (?:for )?(?:about |nearly |almost )?$").is_match(&text.plain[..span.range.start]);
                if whole {
                    let range = text.source_range(span.range.clone());
                    out.push((span, Said::new(doc, &text.plain, range)));
                }
            }
        }
    }
    // Any length in the summary that equals end less start is the duration, whatever its words.
    if let Some(computed) = facts.computed_duration() {
        for (i, block) in doc.blocks() {
            if block.quoted || !(doc.about[i].any(&parts) || doc.about[i].is_empty()) {
                continue;
            }
            for text in block.texts() {
                for span in duration::spans(&text.plain) {
                    let range = text.source_range(span.range.clone());
                    let known = out.iter().any(|(_, said)| said.range == range);
                    if span.length.as_secs() >= 30 && span.agrees_with(computed) && !known {
                        out.push((span, Said::new(doc, &text.plain, range)));
                    }
                }
            }
        }
        // The one that is right speaks for the report; where none is, the first.
        out.sort_by_key(|(span, _)| !span.agrees_with(computed));
    }
    out.retain(|(span, _)| span.length.as_millis() > 0);
    facts.duration = out.first().map(|(span, _)| span.clone());
    facts.durations = out;
}

/// "lasted 3 h", "for about two hours", "a 45-minute outage", "3 h 30 min in total".
fn whole_incident(text: &str, range: &Range<usize>) -> bool {
    let start = crate::source::floor_boundary(text, range.start.saturating_sub(48));
    let before = &text[start..range.start];
    let end = crate::source::floor_boundary(text, range.end + 40);
    let after = &text[range.end..end];
    pattern!(r"(?i)\b(?:lasted|lasting|duration(?: of| was|:)?|total of|in total|took)(?: for)?(?: about| approximately| roughly| around| nearly| almost| just over| just under| some| a total of|\s|~|≈|\*)*$").is_match(before)
        && !pattern!(r"(?i)\b(?:it|which|who|that|acknowledg\w*|query|queries|restart|build|deploy|rollback|each|page|loading) took[^.]{0,20}$").is_match(before)
        || pattern!(r"(?i)^[\s-]*(?:long )?(?:total )?(?:incident|outage|degradation|disruption|downtime|interruption|event|window|period of (?:degrad|disrupt|impact|elevat)|of (?:degraded|disruption|downtime|impact|elevated|outage))").is_match(after)
        || pattern!(r"(?i)^\s*(?:in total|in all|altogether|end to end|from (?:start|onset|first) to)").is_match(after)
        || pattern!(r"(?i)\bfor(?: about| approximately| roughly| around| nearly| almost| just over| just under| some|\s|~|≈|\*)*$").is_match(before)
            && pattern!(r"(?i)\b(?:users?|customers?|requests?|service|dashboard|checkout|pages?|api|was|were|unavailable|failed|slow|degraded|could not)\b[^.;]{0,90}\bfor(?: about| approximately| roughly| around| nearly| almost| just over| just under| some|\s|~|≈|\*)*$").is_match(before_sentence(text, range.start))
            && !pattern!(r"(?i)\b(?:watched|held|stable|stayed|monitored|wait\w*|asks?|below|under|without|quiet|each|every|timeout|at least|up to|alert|observed|ran|steady)\b[^.;]{0,60}\bfor[^.;]{0,20}$").is_match(before_sentence(text, range.start))
}

fn before_sentence(text: &str, at: usize) -> &str {
    let start = crate::source::floor_boundary(text, at.saturating_sub(160));
    let window = &text[start..at];
    window.rsplit(". ").next().unwrap_or(window)
}
