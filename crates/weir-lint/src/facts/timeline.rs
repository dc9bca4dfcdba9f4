//! The rows of a timeline, from tables, lists, paragraphs and headings.

use std::ops::Range;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::part::Part;
use super::{Doc, Facts};
use crate::tree::{Block, Kind, Text};
use crate::words::clock::{self, Stamp};
use crate::words::pattern;
use crate::words::zone::{self, Zone};

/// So many rows are kept.
pub const ROWS_MAX: usize = 5_000;

/// What a row marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// What set it off.
    Trigger,
    /// Impact begins.
    Impact,
    /// Somebody or something noticed.
    Detected,
    /// Somebody took it.
    Acked,
    /// Another team was brought in.
    Escalated,
    /// The cause was found.
    Identified,
    /// The remedy was applied.
    Mitigated,
    /// It was over.
    Resolved,
    /// Users or the company were told.
    Update,
}

impl Tag {
    /// In a message.
    pub fn word(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Impact => "impact start",
            Self::Detected => "detected",
            Self::Acked => "acknowledged",
            Self::Escalated => "escalated",
            Self::Identified => "cause identified",
            Self::Mitigated => "mitigated",
            Self::Resolved => "resolved",
            Self::Update => "public update",
        }
    }
}

/// One row of the timeline.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The point in time; absent where the row has no clock, or date or zone can't be told.
    pub at: Option<Timestamp>,
    /// What happened.
    pub says: String,
    /// The most telling of `tags`.
    pub tag: Option<Tag>,
    /// All that it marks.
    pub tags: Vec<Tag>,
    /// Links and marks that lead to evidence.
    pub evidence: Vec<String>,
    /// From 1.
    pub line: usize,
    /// The clock as written.
    #[serde(skip)]
    pub stamp: Option<Stamp>,
    /// Where the clock stands in the source.
    #[serde(skip)]
    pub stamp_range: Range<usize>,
    /// Where the row stands in the source.
    #[serde(skip)]
    pub range: Range<usize>,
    /// The date is known from the row, a heading above it, or the report.
    #[serde(skip)]
    pub has_date: bool,
    /// The row itself, or a heading right above it, carries the date.
    #[serde(skip)]
    pub own_date: bool,
    /// A zone is known.
    #[serde(skip)]
    pub has_zone: bool,
    /// For order and distance only: the clock, read as UTC on some day where zone or day is unknown.
    #[serde(skip)]
    pub order: Option<Timestamp>,
    /// A table with a column for evidence.
    #[serde(skip)]
    pub line_text: String,
}

/// What a row is made from.
struct Raw<'a> {
    stamp: Option<Stamp>,
    offset: Option<SignedDuration>,
    stamp_range: Range<usize>,
    says: Text,
    more: Vec<&'a Text>,
    range: Range<usize>,
    day: Option<Date>,
    zone: Option<Zone>,
    /// What stands in a column for sources.
    source: Option<String>,
    /// A paragraph of several sentences, or a sentence of one.
    told: bool,
}

/// Reads the rows, in the order of the text.
pub(super) fn rows(doc: &Doc<'_>) -> Vec<Row> {
    let mut raws = collect(doc, |i| doc.about[i].is(Part::Timeline));
    if raws.iter().filter(|raw| raw.stamp.is_some()).count() < 2 {
        // No heading names it: any run of stamped blocks outside of actions is one.
        let other = collect(doc, |i| {
            !doc.about[i].any(&[Part::Actions, Part::Lessons, Part::Evidence, Part::Glossary])
        });
        let stamped: Vec<Raw<'_>> = other
            .into_iter()
            .filter(|raw| raw.stamp.is_some())
            .collect();
        if stamped.len() >= 3 {
            raws = stamped;
        }
    }
    // Told in paragraphs: then each sentence with a clock is a row, not each paragraph.
    let paragraphs = raws.iter().filter(|raw| raw.stamp.is_some()).count();
    if raws.iter().all(|raw| raw.told) || paragraphs < 2 {
        let told = prose_rows(doc);
        if told.len() >= 3 && told.len() > paragraphs {
            raws = told;
        }
    }
    finish(doc, raws)
}

/// A timeline that is told in paragraphs: each sentence with a clock is a row.
fn prose_rows<'a>(doc: &'a Doc<'_>) -> Vec<Raw<'a>> {
    let mut out = Vec::new();
    for (_, block) in doc.about_any(&[Part::Timeline]) {
        if !matches!(block.kind, Kind::Para | Kind::Item { .. }) || block.quoted {
            continue;
        }
        let text = &block.text;
        let mut start = 0;
        let cuts: Vec<usize> = pattern!(r"[.;]\s+")
            .find_iter(&text.plain)
            .map(|m| m.end())
            .chain([text.plain.len()])
            .collect();
        for end in cuts {
            let sentence = text.part(start..end);
            start = end;
            let stamp = clock::stamps(&sentence.plain)
                .into_iter()
                .find(|s| s.time.is_some());
            if let (Some(stamp), true) = (stamp, out.len() < ROWS_MAX) {
                out.push(Raw {
                    stamp_range: sentence.source_range(stamp.range.clone()),
                    stamp: Some(stamp),
                    offset: None,
                    range: sentence.whole(),
                    says: sentence,
                    more: Vec::new(),
                    day: None,
                    zone: None,
                    source: None,
                    told: false,
                });
            } else if let Some(last) = out.last_mut() {
                let last: &mut Raw<'_> = last;
                // The source often stands in the sentence after.
                last.says.push(" ", 0..0);
                let words = sentence.plain.clone();
                last.says.push(&words, sentence.whole());
            }
        }
    }
    out
}

fn collect<'a>(doc: &'a Doc<'_>, wanted: impl Fn(usize) -> bool) -> Vec<Raw<'a>> {
    let mut out: Vec<Raw<'a>> = Vec::new();
    let mut day: Option<Date> = None;
    let mut last_item: Option<u8> = None;
    for (i, block) in doc.blocks() {
        if !wanted(i) || block.quoted || block.kind == Kind::Code || doc.title == Some(i) {
            last_item = None;
            continue;
        }
        if out.len() >= ROWS_MAX {
            break;
        }
        if let Some(table) = &block.table {
            table_rows(table, day, &mut out);
            last_item = None;
            continue;
        }
        let text = &block.text;
        let leading = clock::leading_stamp(&text.plain);
        match block.kind {
            Kind::Head { .. } => {
                last_item = None;
                if let Some(stamp) = leading {
                    out.push(raw(text, stamp, day, block));
                    last_item = Some(0);
                } else if doc.about[i].is(Part::Timeline) || leading.is_none() {
                    day = heading_day(text, doc).or(day);
                }
            }
            Kind::Item { depth, .. } => match leading {
                Some(stamp) => {
                    out.push(raw(text, stamp, day, block));
                    last_item = Some(depth);
                }
                None if offset_stamp(&text.plain).is_some() => {
                    if let Some((offset, at)) = offset_stamp(&text.plain) {
                        out.push(Raw {
                            stamp: None,
                            offset: Some(offset),
                            stamp_range: text.source_range(at.clone()),
                            says: text.part(at.end..text.plain.len()),
                            more: Vec::new(),
                            range: block.range.clone(),
                            day,
                            zone: None,
                            source: None,
                            told: false,
                        });
                        last_item = Some(depth);
                    }
                }
                None if last_item.is_some_and(|outer| depth > outer) => {
                    if let Some(row) = out.last_mut() {
                        row.more.push(text);
                    }
                }
                None => {
                    if let Some(only) = date_alone(text, doc) {
                        day = Some(only);
                        last_item = None;
                    } else if doc.about[i].is(Part::Timeline) {
                        out.push(Raw {
                            stamp: None,
                            offset: None,
                            stamp_range: text.whole().start..text.whole().start,
                            says: text.clone(),
                            more: Vec::new(),
                            range: block.range.clone(),
                            day,
                            zone: None,
                            source: None,
                            told: false,
                        });
                        last_item = Some(depth);
                    }
                }
            },
            Kind::Para => {
                if let Some(stamp) = leading {
                    out.push(raw(text, stamp, day, block));
                    last_item = None;
                } else if let Some(only) = date_alone(text, doc) {
                    day = Some(only);
                } else if (last_item == Some(0) || block.item_depth > 0)
                    && let Some(row) = out.last_mut()
                {
                    row.more.push(text);
                }
            }
            Kind::Table | Kind::Code => {}
        }
    }
    out
}

fn raw<'a>(text: &Text, stamp: Stamp, day: Option<Date>, block: &'a Block) -> Raw<'a> {
    let mut says = text.part(stamp.range.end..text.plain.len());
    let lead = says.plain.len()
        - says
            .plain
            .trim_start_matches(|c: char| {
                c.is_whitespace()
                    || matches!(c, ':' | '-' | '–' | '—' | ')' | ']' | '*' | '|' | '.' | ',')
            })
            .len();
    says = says.part(lead..says.plain.len());
    Raw {
        stamp_range: text.source_range(stamp.range.clone()),
        stamp: Some(stamp),
        offset: None,
        says,
        more: Vec::new(),
        range: block.range.start..block.text.whole().end,
        day,
        zone: None,
        source: None,
        told: matches!(block.kind, Kind::Para) && text.plain.len() > 160,
    }
}

/// The date in a heading: "Wednesday, 10 May 2023", "Timeline (10 May 2023, UTC)".
fn heading_day(text: &Text, doc: &Doc<'_>) -> Option<Date> {
    clock::stamps(&text.plain)
        .into_iter()
        .find_map(|stamp| stamp.day?.date(doc.day.map(Date::year)))
}

/// A line that is a date and little else.
fn date_alone(text: &Text, doc: &Doc<'_>) -> Option<Date> {
    let stamps = clock::stamps(&text.plain);
    let [only] = stamps.as_slice() else {
        return None;
    };
    (only.time.is_none() && text.trimmed().len() < only.range.len() + 24)
        .then(|| only.day?.date(doc.day.map(Date::year)))?
}

/// `T+15 min`, `+0:15`, `T-5`: an offset from the onset.
fn offset_stamp(text: &str) -> Option<(SignedDuration, Range<usize>)> {
    let found = pattern!(r"^[\s*\[(]*(?:T\s?)?([+−-])\s?(?:(\d{1,3}):(\d{2})(?::(\d{2}))?|(\d{1,4})\s?(h|min|m|s)\b(?:\s?(\d{1,2})\s?(?:min|m)\b)?)|^[\s*\[(]*T\s?([+−-])\s?(\d{1,4})\b")
        .captures(text)?;
    let n = |i: usize| found.get(i).and_then(|m| m.as_str().parse::<i64>().ok());
    let seconds = if let Some(minutes) = n(9) {
        minutes * 60
    } else if let Some(hours) = n(2) {
        hours * 3600 + n(3).unwrap_or(0) * 60 + n(4).unwrap_or(0)
    } else {
        let unit = match found.get(6).map_or("", |m| m.as_str()) {
            "h" => 3600,
            "s" => 1,
            _ => 60,
        };
        n(5)? * unit + n(7).unwrap_or(0) * 60
    };
    let sign = found.get(1).or(found.get(8)).map_or("+", |m| m.as_str());
    let whole = found.get(0)?;
    let length = SignedDuration::from_secs(if sign == "+" { seconds } else { -seconds });
    Some((length, whole.range()))
}

/// The column of the times, and the columns' own date and zone.
fn table_rows<'a>(table: &'a crate::tree::Table, day: Option<Date>, out: &mut Vec<Raw<'a>>) {
    let columns = table.head.cells.len();
    let stamped = |column: usize| {
        table
            .rows
            .iter()
            .filter(|row| {
                row.cells
                    .get(column)
                    .is_some_and(|cell| has_clock(&cell.plain))
            })
            .count()
    };
    let Some(column) = (0..columns.min(4)).max_by_key(|c| (stamped(*c), std::cmp::Reverse(*c)))
    else {
        return;
    };
    let offsets = table
        .rows
        .iter()
        .filter(|row| {
            row.cells
                .first()
                .is_some_and(|c| offset_stamp(&c.plain).is_some())
        })
        .count();
    if stamped(column) * 2 < table.rows.len().max(1) && offsets * 2 < table.rows.len().max(1) {
        return;
    }
    // A table of numbers beside a chart is no timeline.
    let told = table
        .rows
        .iter()
        .filter(|row| {
            row.cells.iter().enumerate().any(|(c, cell)| {
                c != column && pattern!(r"[A-Za-z]{2,}").find_iter(&cell.plain).count() >= 2
            })
        })
        .count();
    if told * 2 < table.rows.len() {
        return;
    }
    let zone = table
        .head
        .cells
        .get(column)
        .and_then(|cell| zone::declared(&cell.plain).map(|z| z.0));
    // A column of sources, by its name; or the last of three without names, where it is short.
    let named = (0..columns).find(|c| {
        pattern!(r"(?i)\b(?:evidence|sources?|see|links?|where|references?|refs?|data|proof|log|graph|seen in|from)\b").is_match(&table.head.cells[*c].plain)
    });
    let unnamed = table.head.cells.iter().all(Text::is_blank) && columns >= 3;
    let sources = named
        .filter(|c| *c != column)
        .or(unnamed.then_some(columns - 1));
    for row in &table.rows {
        if out.len() >= ROWS_MAX {
            return;
        }
        let Some(cell) = row.cells.get(column) else {
            continue;
        };
        let mut stamp = clock::stamps(&cell.plain)
            .into_iter()
            .find(|s| s.time.is_some());
        let offset = if stamp.is_none() {
            offset_stamp(&cell.plain).map(|o| o.0)
        } else {
            None
        };
        // The date may stand in a column of its own.
        let beside = (0..column).find_map(|c| {
            clock::stamps(&row.cells.get(c)?.plain)
                .into_iter()
                .find_map(|s| s.day)
        });
        if let (Some(stamp), Some(day)) = (&mut stamp, beside) {
            stamp.day.get_or_insert(day);
        }
        // What happened: the cell under a head that says so, else the longest of the other cells.
        let named = table
            .head
            .cells
            .iter()
            .position(|head| {
                pattern!(r"(?i)^\s*(?:what(?: happened)?|events?|description)\s*$")
                    .is_match(&head.plain)
            })
            .filter(|c| *c != column)
            .and_then(|c| row.cells.get(c))
            .filter(|cell| !cell.is_blank());
        let longest = || {
            row.cells
                .iter()
                .enumerate()
                .filter(|(c, _)| *c != column)
                .max_by_key(|(_, cell)| cell.plain.len())
        };
        let says = named
            .or_else(|| longest().map(|(_, cell)| cell))
            .cloned()
            .unwrap_or_default();
        let more = row
            .cells
            .iter()
            .enumerate()
            .filter(|(c, _)| *c != column)
            .map(|(_, cell)| cell)
            .collect();
        let stamp_range = cell.whole();
        if stamp.is_none() && offset.is_none() && says.is_blank() {
            continue;
        }
        let source = sources
            .and_then(|c| row.cells.get(c))
            .map(|cell| cell.trimmed().to_owned())
            .filter(|cell| !super::actions::none_like(cell));
        out.push(Raw {
            stamp,
            offset,
            stamp_range,
            says,
            more,
            range: row.range.clone(),
            day,
            zone: zone.clone(),
            source,
            told: false,
        });
    }
}

fn has_clock(cell: &str) -> bool {
    cell.len() < 80 && clock::stamps(cell).iter().any(|s| s.time.is_some())
}

fn finish(doc: &Doc<'_>, raws: Vec<Raw<'_>>) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::with_capacity(raws.len());
    let mut day = doc.day;
    let mut last_time = None;
    let onset = doc
        .field(&[
            "started",
            "start",
            "start time",
            "impact start",
            "incident start",
            "start end",
        ])
        .and_then(|field| {
            clock::stamps(&field.value.plain)
                .into_iter()
                .find(|s| s.time.is_some())
        })
        .and_then(|stamp| {
            stamp.at(
                doc.day,
                doc.zone.as_ref().map(|z| &z.0).or(Some(&Zone::Utc)),
            )
        });
    let lent = common_zone(&raws);
    let header = header_zone(doc);
    let some_day = Date::constant(2000, 1, 3);
    let mut other_day = doc.day.unwrap_or(some_day);
    let mut heading = None;
    for raw in raws {
        if raw.day.is_some() && raw.day != heading {
            heading = raw.day;
            day = raw.day;
            last_time = None;
        }
        let zone = raw
            .zone
            .as_ref()
            .or(doc.zone.as_ref().map(|z| &z.0))
            .or(lent.as_ref())
            .or(header.as_ref());
        let own_day = raw.stamp.as_ref().and_then(|s| s.day);
        if let Some(own) = own_day.and_then(|own| own.date(day.or(doc.day).map(Date::year))) {
            day = Some(own);
            last_time = None;
        }
        let time = raw.stamp.as_ref().and_then(|s| s.time);
        // 23:50, then 00:10: the next day, although the row doesn't say so.
        if let (Some(last), Some(now)) = (last_time, time) {
            let midnight = crossed_midnight(last, now);
            if midnight {
                day = day.and_then(|d: Date| d.tomorrow().ok());
                other_day = other_day.tomorrow().unwrap_or(other_day);
            }
        }
        let mut at = raw.stamp.as_ref().and_then(|stamp| {
            let bare = Stamp {
                day: None,
                ..stamp.clone()
            };
            bare.at(day, zone)
        });
        if let (Some(offset), Some(onset)) = (raw.offset, onset) {
            at = onset.checked_add(offset).ok();
        }
        let order = at.or_else(|| {
            let bare = Stamp {
                day: None,
                ..raw.stamp.clone()?
            };
            bare.at(Some(day.unwrap_or(other_day)), zone.or(Some(&Zone::Utc)))
        });
        if time.is_some() {
            last_time = time;
        }
        let mut words = raw.says.plain.clone();
        for more in &raw.more {
            if more.plain != raw.says.plain {
                words.push_str(" | ");
                words.push_str(&more.plain);
            }
        }
        let says = raw
            .says
            .plain
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let tags = tags(&words);
        out.push(Row {
            at,
            order,
            tag: main_tag(&tags),
            tags,
            evidence: evidence(&raw, &words),
            line: doc
                .source
                .place(
                    raw.range
                        .start
                        .max(raw.stamp_range.start.min(raw.says.whole().start)),
                )
                .line,
            has_date: day.is_some() || raw.offset.is_some(),
            own_date: own_day.is_some() || raw.day.is_some() || raw.offset.is_some(),
            has_zone: zone.is_some()
                || raw.stamp.as_ref().is_some_and(|s| s.zone.is_some())
                || raw.offset.is_some(),
            stamp_range: raw.stamp_range,
            stamp: raw.stamp,
            range: raw.range,
            says,
            line_text: words,
        });
    }
    untangle(&mut out);
    out
}

/// More than half a day backwards is the next day; less is a slip.
pub(crate) fn crossed_midnight(last: jiff::civil::Time, now: jiff::civil::Time) -> bool {
    let minutes = |t: jiff::civil::Time| i32::from(t.hour()) * 60 + i32::from(t.minute());
    minutes(last) - minutes(now) > 12 * 60
}

/// The zone that rows name, where those that name one agree: "14:00 UTC" on the first row only.
fn common_zone(raws: &[Raw<'_>]) -> Option<Zone> {
    let mut zones = raws
        .iter()
        .filter_map(|raw| raw.stamp.as_ref()?.zone.clone());
    let first = zones.next()?;
    zones.all(|zone| zone == first).then_some(first)
}

/// The zone of the header's start, where the rows name none.
fn header_zone(doc: &Doc<'_>) -> Option<Zone> {
    let early = |i: usize| {
        doc.about[i].any(&[Part::Summary, Part::Impact, Part::Metadata]) || doc.about[i].is_empty()
    };
    let front = doc.tree.front.iter().map(|f| &f.value);
    let blocks = doc
        .blocks()
        .filter(|(i, _)| early(*i))
        .flat_map(|(_, b)| b.texts());
    front
        .chain(blocks)
        .take(400)
        .flat_map(|text| clock::stamps(&text.plain))
        .find_map(|stamp| stamp.zone)
}

/// Marks that only make sense in order: what is done before impact is no mitigation.
fn untangle(rows: &mut [Row]) {
    let first_impact = rows
        .iter()
        .position(|row| row.tags.contains(&Tag::Impact) || row.tags.contains(&Tag::Detected));
    for (i, row) in rows.iter_mut().enumerate() {
        let explicit =
            pattern!(r"(?i)\(\**(?:mitigated|resolved)\b|\bmitigated\b").is_match(&row.line_text);
        if first_impact.is_some_and(|first| i < first) && !explicit {
            row.tags.retain(|tag| {
                !matches!(
                    tag,
                    Tag::Mitigated | Tag::Resolved | Tag::Acked | Tag::Identified
                )
            });
            if row.tags.is_empty() {
                row.tags.push(Tag::Trigger);
            }
        }
        row.tag = main_tag(&row.tags);
    }
}

fn main_tag(tags: &[Tag]) -> Option<Tag> {
    [
        Tag::Resolved,
        Tag::Mitigated,
        Tag::Identified,
        Tag::Detected,
        Tag::Acked,
        Tag::Escalated,
        Tag::Impact,
        Tag::Trigger,
        Tag::Update,
    ]
    .into_iter()
    .find(|tag| tags.contains(tag))
}

/// What a row marks, by its words.
pub(crate) fn tags(words: &str) -> Vec<Tag> {
    let text = words.to_lowercase().replace('’', "'");
    let table: [(Tag, &regex::Regex); 9] = [
        (
            Tag::Trigger,
            pattern!(
                r"\btrigger\b(?:ed by)?|\bdeploy(?:ed|s|ment|ing)?\b|\broll(?:ed|s|ing)?[ -]?out\b|\brelease[ds]?\b|\bmerged\b|\bpushed\b|\bmigration\b.*\b(?:start|began|begin|run)|config(?:uration)? change|\benabled\b|\bcron\b|\bcampaign\b|\bbatch\b.*\b(?:start|began|begin)|\bmaintenance\b.*\b(?:start|began|begin)|\bjob (?:start|began|begin)|\bcertificate expire[ds]\b|\bexpire[ds]\b|\bfailover (?:start|began)|\bupgrade[ds]?\b|\bnewsletter\b|\bmail(?:ing)? (?:sent|to)\b"
            ),
        ),
        (
            Tag::Impact,
            pattern!(
                r"impact (?:start|begin|began|onset)|\bonset\b|start of (?:the )?impact|(?:customer|user)[ -](?:facing )?impact|\bfirst\b[^|.]{0,40}\b(?:fail|error|slow|delay|time[ds]? ?out|timeout|5\d\d|reject|drop|bad|stale|wrong|duplicate|missing|affected)|\b(?:errors?|error rate|failures?|failure rate|latency|p9\d|p50|response times?|timeouts?|5xx|50\d|queue(?: depth| length)?|lag|backlog|wait(?:s| time)?|requests?|queries|users?|customers?|checkouts?|payments?|logins?|orders?|jobs?|pages?|uploads?|messages?|connections?|writes?|reads?|deliver(?:y|ies)|searches|consumers?|sessions?|traffic|success rate|throughput)\b[^|.]{0,60}?\b(?:began|begin|begins|start|starts|started|rose|rises|rise|rising|climb\w*|jump\w*|spik\w*|exceed\w*|cross\w*|reach\w*|pass(?:es|ed)|increas\w*|grow\w*|grew|fall\w*|fell|drop\w*|fail\w*|time out|timing out|timed out|go(?:es)? from|went from|doubl\w*|see|saw|seeing|queue|queued|hit|hits)\b|(?:begin|began|begins|start|started|starts) (?:to )?(?:fail|failing|time|timing|reject|error|return|serv|slow|drop|queue|see|refus)|\b(?:outage|degradation|disruption|incident) (?:begin|begins|began|start|starts|started)|\bpool\b[^|.]{0,40}\b(?:exhaust\w*|full|reach\w*|hits?|saturat\w*|at (?:its )?(?:limit|max\w*)|in use)|\bunavailable\b|\bgoes down\b|\bwent down\b|\bis down\b|\bcrash(?:ed|es)?\b|\bruns? out of\b|\bran out of\b|\bdisk (?:full|fills|filled)"
            ),
        ),
        (
            Tag::Detected,
            pattern!(
                r"\bdetect(?:ed|s|ion)?\b|\balert(?:s|ed|ing)?\b|\balarm(?:s|ed)?\b|\bpage(?:s|d)?\b[^|.]{0,30}\b(?:fire[ds]?|sent|goes|went|on-?call|for|to|out)\b|\bpaged\b|\bpager\b|pagerduty|opsgenie|\b(?:monitor(?:ing)?|probe|synthetic(?: check)?|health ?check|check)\b[^|.]{0,40}\b(?:fire[ds]?|fail\w*|trip\w*|report\w*|flag\w*|red)\b|\b(?:user|customer|client|merchant|tenant|support|partner|agent)s?\b[^|.]{0,40}\b(?:report\w*|complain\w*|ticket\w*|call\w*|open\w*|flag\w*|writes?|wrote)\b|\breport(?:s|ed)? (?:by|from|of)\b|\bcomplain\w*|\bcall(?:s|ed)? (?:us|support|in)\b|\btells? us\b|\btold (?:us|by)\b|\b(?:shops?|desks?|stores?|riders?|passengers?|patients?|people|recipients?|drivers?|sellers?|teachers?|learners?|students?|readers?|staff|reception\w*|tenants?|members?)\b[^|.]{0,24}\b(?:calls?|called|complain\w*|phone[sd]?|report\w*|tells?|told|write|wrote|ask|asked)\b|\b(?:first|support) (?:customer )?(?:tickets?|complaints?|reports?)\b|\bnotic(?:e|es|ed)\b|\bspotted\b|\bfired\b|\bburn[- ]rate\b"
            ),
        ),
        (
            Tag::Acked,
            pattern!(
                r"\backnowledg\w*\b|\back(?:ed|'d|s)?\b|\b(?:on-?call|responders?|engineers?|sre|dba|team|operator|commander|lead|primary|secondary)\b[^|.]{0,50}?\b(?:join\w*|engag\w*|respond(?:s|ed|ing)\b|pick(?:s|ed) up|picks|takes?|took|online|assigned|logs? (?:in|on)|logged (?:in|on)|opens? (?:the )?(?:dashboard|incident|laptop|bridge)|opened|(?:start|begin|began|beg[iu]n)\w* (?:to )?(?:investigat|look|triag|work|debug|check|the investigation)|is looking|looks (?:at|into)|investigat(?:es|ing)\b|on the call|answers?|answered|declare[sd]?|arriv\w*|steps in|confirms? (?:the )?(?:page|alert|impact))|\b(?:page|alert) (?:was )?(?:answered|accepted|taken|picked up)|\bincident (?:is |was )?(?:declared|opened|channel)|\bdeclared (?:an? |the )?(?:incident|sev|p[0-4])|\b(?:war ?room|bridge|incident call|incident channel) (?:is )?(?:open\w*|start\w*|set up|created)|\bpick(?:s|ed) up (?:the )?(?:page|alert|ticket|call)\b|\btook (?:the )?(?:page|incident|command|ownership)|\btakes (?:the )?(?:page|incident|command|ownership)|\bassigned to\b|\bjoin(?:ed|s) (?:the )?(?:call|bridge|incident|channel|war)|\bresponse (?:begins|began|starts|started)|\blooking\b|\bengaged\b|\binvestigation (?:begins|began|starts|started)"
            ),
        ),
        (
            Tag::Escalated,
            pattern!(
                r"\bescalat\w*\b|\bpage[ds]? (?:the )?(?:dba|database|network|storage|platform|second|backend|infra\w*|data)\b|\b(?:called|brought|pulled|brings?|pulls?|calls?) in\b|\bsecond(?:ary)? (?:on-?call|responder)|\bengag\w* (?:the )?(?:dba|database|network|storage|platform|vendor|provider|cloud)|\b(?:database|network|platform|storage|dba|vendor)[^|.]{0,20}\b(?:team )?(?:engaged|joined|joins|paged)"
            ),
        ),
        (
            Tag::Identified,
            pattern!(
                r"\bidentif(?:y|ies|ied|ication)\b|\b(?:root )?cause\b(?:[^|.]{0,30}\b(?:found|confirm\w*|is|was|named|known|clear|establish\w*|located|determined|understood))|\bcause: |\btrace[ds]?\b[^|.]{0,40}\b(?:to|back)\b|\bpinpoint\w*|\b(?:found|finds|discover(?:ed|s)|realis(?:ed|es)|realiz(?:ed|es)|determin(?:ed|es)|establish(?:ed|es)|conclud(?:ed|es)|reveal(?:ed|s))\b (?:that |the |a |an |all |\d|it |to be |`?pg_|`?show|no (?:free|idle))|\b(?:shows|showed|confirm(?:ed|s)|saw|sees) (?:that |\d|all )|\bfound to be\b|\b(?:lock|leak|slot|queue|index|query|transaction|process|job|change|release|cause|reason|culprit|record|entry|setting|bug|session)\b[^|.]{0,30}\bfound\b|\bseen to (?:begin|start)|\bisolat(?:ed|es) to\b|\bnarrow\w* (?:it |the \w+ )?(?:down )?to\b|\bcorrelat\w*|\bdiagnos(?:ed|is|es)\b|\blinked to\b|\bpoints? (?:to|at)\b|\bculprit\b|\bbisect\w*|\bhypothesis confirmed"
            ),
        ),
        (
            Tag::Mitigated,
            pattern!(
                r"\bmitigat\w*\b|\broll(?:ed|s|ing)?[ -]?back\b|\brollback\b|\brevert(?:ed|s|ing)?\b|\brestart(?:ed|s|ing)?\b|\breboot\w*|\bfail(?:ed|s|ing)?[ -]?over\b|\bfailover\b|\bscal(?:ed|es|ing) (?:up|out|down|to|the|from)?|\bincreas(?:ed|es|ing)\b|\brais(?:ed|es|ing)\b|\benlarg\w*|\bresiz\w*|\bbump(?:ed|s)\b|\bgrow \d|\bdisabl(?:ed|es|ing)\b|\bkill(?:ed|s|ing)?\b|\bterminat(?:ed|es|ing)\b|\bthrottl\w*|\brate[- ]limit\w*|\bdrain(?:ed|s|ing)?\b|\bswitch(?:ed|es|ing)?\b|\bfix (?:is |was |has been )?(?:deployed|applied|live|shipped|released|rolled|merged|in place)|\b(?:deployed|applied|shipped|released|pushed|rolled out|deploys|applies|ships)\b[^|.]{0,30}\b(?:fix|patch|hotfix|change|workaround|limit|config\w*|index)\b|\bhotfix\w*|\bpatch(?:ed|es)\b|\bworkaround\b|\badd(?:ed|s)\b[^|.]{0,30}\b(?:index|capacity|node|replica|disk|space|memory|limit)|\b(?:flag|feature)\b[^|.]{0,30}\b(?:off|disabled)\b|\bturn(?:ed|s) off\b|\bpurg(?:ed|es)\b|\bclear(?:ed|s)\b|\bfree[ds]\b|\bredirect\w*|\breroute[ds]?|\bblock(?:ed|s) (?:the )?(?:traffic|client|ip|requests?|job)|\bcancel(?:l?ed|s)\b|\bremov(?:ed|es)\b|\bunblock\w*|\breset\b|\brenew(?:ed|s)\b|\brotat(?:ed|es)\b|\bpromot(?:ed|es)\b|\bstop(?:ped|s)\b[^|.]{0,30}\b(?:job|batch|import|consumer|worker|backfill|export|process|service|traffic|migration)|\bpaus(?:ed|es)\b|\breplac(?:ed|es)\b|\bset(?:s)? (?:the )?[\w`_-]+ (?:back )?to\b|\bextend(?:ed|s)\b|\bexpand(?:ed|s)\b|\bdelet(?:ed|es)\b|\btruncat\w*|\bvacuum\w*|\bprovision\w*|\bapproved\b|\blowered\b|\breduced\b|\bshed\w*\b|\bdropped the\b|\bsuspend(?:ed|s)\b|\bhalt(?:ed|s)\b|\bshut (?:down|off)\b|\bunplug\w*|\bisolat(?:ed|es) (?:the|it)\b|\bcordon\w*|\bevict(?:ed|s)\b|\bdetach\w*|\bput back\b|\btaken (?:out|off|offline)\b|\btake[ns]? out\b|\breinstat\w*|\breconnect\w*|\bre-?enabl\w*|\bcopied back\b|\bdowngrad\w*|\bfenced?\b|\bquarantin\w*|\bbypass(?:ed|es)\b|\bpinned\b|\bcapped\b|\breissu\w*|\breinstall\w*|\binstalled\b|\brebalanc\w*|\bunlock(?:ed|s)\b|\breleased the (?:lock|slot)|\bended the\b|\bsession ended\b|\bswapp(?:ed|s)\b|\brecreat\w*|\brebuilt\b|\breindex\w*|\bserved from\b|\btemporar(?:y|ily)\b|\bemergency\b"
            ),
        ),
        (
            Tag::Resolved,
            pattern!(
                r"\bresolv(?:ed|es|ing)\b|\bincident (?:is |was )?(?:closed|over|ended|ends)|\b(?:fully )?restored\b|\brecover(?:ed|s|y)\b|\bback (?:to|at|under|below|in|within|up)\b|\ball[- ]clear\b|\breturn(?:ed|s)? to (?:normal|baseline|its|their|usual|pre|below|under|\d)|\bnormal(?:is|iz)(?:ed|es)\b|\bclosed\b|\bstable\b|\bdeclared over\b|\bend of (?:the )?impact\b|\bimpact (?:ends|ended|over)\b|\bbaseline\b|\bobjective met\b|\bmonitoring (?:period|window) (?:over|ends|ended)|\b(?:is|was|were|are) normal\b|\bhealthy (?:again|for)\b|\bno (?:further |more )?(?:errors|failures)\b|\bcall(?:ed|s)? it over\b|\b(?:it is|it's|is|all) over\b|\bstayed (?:there|below|under|at|flat)\b|\bheld for \d|\bstill (?:below|under|at|within)\b|\bstable for\b|\bclos(?:es|ing) the (?:incident|call|bridge)|\bstood down\b|\bstands? down\b|\bend of incident\b|\bincident (?:is )?(?:closed|resolved)"
            ),
        ),
        (
            Tag::Update,
            pattern!(
                r"status[- ]?page|\bposted\b|\bpublic (?:update|notice|statement)|\bnotified (?:customers|users|merchants)|\bcustomers? (?:were )?(?:notified|informed|told)|\bannounce\w*|\bstakeholders?\b|\bbanner\b|\bcommunicat\w*"
            ),
        ),
    ];
    // "alerts for increased response times" is what was seen, not what was done.
    let deeds = pattern!(
        r"\b(?:increas(?:ed|ing)|rais(?:ed|ing)|elevated)\s+(?:\w+ ){0,2}?(?:response|errors?|latenc\w*|load|traffic|waits?|times?|rates?|demand|timeouts?|alerts?|cpu|usage|volume)\b"
    )
    .replace_all(&text, " ");
    let mut out: Vec<Tag> = table
        .iter()
        .filter(|(tag, p)| {
            p.is_match(if *tag == Tag::Mitigated {
                &deeds
            } else {
                &text
            })
        })
        .map(|(t, _)| *t)
        .collect();
    let denied = pattern!(
        r"\b(?:no|not|nothing|without|never|un)\b[^|.]{0,24}\b(?:identif|cause|found|anomal)|\bunidentified\b|\bsuspect(?:ed|s)\b|\bruled out\b"
    );
    if denied.is_match(&text) && !pattern!(r"\(\W*identified").is_match(&text) {
        out.retain(|tag| *tag != Tag::Identified);
    }
    // "(trigger)" says it all: a job that starts is no impact yet.
    if pattern!(r"\(\W*trigger\W*\)|^\W*trigger\W").is_match(&text) {
        out.retain(|tag| *tag == Tag::Trigger);
    }
    if pattern!(r"\bnot (?:yet )?(?:resolved|recovered|mitigated)\b|\bdid not (?:help|resolve)|\bno (?:effect|change|improvement)\b").is_match(&text) {
        out.retain(|tag| !matches!(tag, Tag::Resolved | Tag::Mitigated));
    }
    out
}

/// What leads from a row to evidence.
fn evidence(raw: &Raw<'_>, words: &str) -> Vec<String> {
    let mut out: Vec<String> = raw.source.iter().cloned().collect();
    // "(deploy log 55810)", "(capture 9)": a few words in parentheses at the end are its source,
    // unless they only say what the row marks.
    for text in std::iter::once(&raw.says).chain(raw.more.iter().copied()) {
        if let Some(found) = pattern!(r"\(([^()]{3,48})\)\W*$").captures(text.plain.trim_end()) {
            let inner = &found[1];
            let mark = pattern!(r"(?i)^(?:trigger|impact\b.*|detect\w*|ack\w*|identif\w*|mitigat\w*|resolv\w*|escalat\w*|onset|start\w*|end\w*|all|approx\w*|about|update|utc|local.*|[+−-]?\d+\s?(?:min|h|s|minutes|hours)?|\d+ min\w*|.*\bteam)$").is_match(inner);
            if !mark && inner.split_whitespace().count() <= 6 {
                out.push(inner.to_owned());
            }
        }
    }
    let texts = std::iter::once(&raw.says).chain(raw.more.iter().copied());
    for text in texts {
        out.extend(text.links.iter().map(|l| l.to.clone()));
        for code in &text.code {
            // A query or a command that can be asked again; a name in code is none.
            let code = text.plain.get(code.clone()).unwrap_or_default();
            if pattern!(
                r"(?i)^(?:select|show|explain|get |kubectl|curl|grep|promql|sum\(|rate\(|histogram)"
            )
            .is_match(code)
            {
                out.push(code.to_owned());
            }
        }
    }
    let marks = pattern!(
        r"\[(?:E|J|G|L|Q|S|D|R)?\d{1,3}\]|\[[a-z]\]|\[\^[\w-]+\]|\bhttps?://\S+|\b[A-Z][A-Z0-9]{1,9}-\d{1,7}\b|(?i)\((?:[^()]{0,60}\b)?(?:grafana|graph|dashboard|datadog|kibana|log(?:s|file)?|access log|prometheus|metrics?|slack|chat|channel|pagerduty|opsgenie|alertmanager|cloudwatch|splunk|query|trace|sentry|ticket|newrelic|honeycomb|loki|audit|console|pg_stat\w*|show pools|panel|deploy log|pipeline|status ?page|commit|screenshot|journal|paper log|pager|record(?:er|ing)?|histogram|statistics|slow log|recorder|ci)\b[^()]{0,60}\)|(?i)\b(?:per|from|source:|evidence:|see|according to|shown (?:in|on|by)) (?:the )?(?:[\w-]+ )?(?:access log|logs?|grafana|graph|dashboard|metrics?|query|slack|chat|trace|ticket|panel|pg_stat\w*|pagerduty|audit log|deploy log)\b"
    );
    out.extend(
        marks
            .find_iter(words)
            .take(20)
            .map(|m| m.as_str().to_owned()),
    );
    out.dedup();
    out
}

/// Clocks that only the rows give: taken over where the header has none.
pub(super) fn onset_rows(_doc: &Doc<'_>, facts: &mut Facts) {
    let first = |tag: Tag| {
        facts
            .rows
            .iter()
            .find(|row| row.tags.contains(&tag))
            .and_then(|row| row.at)
    };
    let detected = first(Tag::Detected);
    let acked = first(Tag::Acked);
    let escalated = first(Tag::Escalated);
    let identified = first(Tag::Identified);
    let mitigated = first(Tag::Mitigated);
    let resolved = facts
        .rows
        .iter()
        .rev()
        .find(|row| row.tags.contains(&Tag::Resolved))
        .and_then(|row| row.at);
    let clocks = &mut facts.clocks;
    clocks.detected = clocks.detected.or(detected);
    clocks.acked = clocks.acked.or(acked);
    clocks.escalated = clocks.escalated.or(escalated);
    clocks.identified = clocks.identified.or(identified);
    clocks.mitigated = clocks.mitigated.or(mitigated);
    clocks.resolved = clocks.resolved.or(resolved);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_tagged_by_their_words() {
        let cases = [
            ("first request times out (impact starts)", Tag::Impact),
            (
                "error rate on /checkout rises from 0.1 % to 12 %",
                Tag::Impact,
            ),
            (
                "Engineers received monitoring alerts for increased response times",
                Tag::Detected,
            ),
            ("page acknowledged by the on-call engineer", Tag::Acked),
            (
                "The on-call engineer joined the incident channel",
                Tag::Acked,
            ),
            ("Incident escalated to the Database Team", Tag::Escalated),
            ("Cause found: the new index was missing", Tag::Identified),
            ("Rolled back release 4.2", Tag::Mitigated),
            (
                "Error rate back to baseline for 30 min, incident closed",
                Tag::Resolved,
            ),
        ];
        for (words, tag) in cases {
            assert!(tags(words).contains(&tag), "{words}: {:?}", tags(words));
        }
        assert!(!tags("no significant anomalies were found").contains(&Tag::Identified));
        assert!(
            !tags("Initial investigation focused on frontend components").contains(&Tag::Acked)
        );
    }

    #[test]
    fn an_offset_from_the_onset_is_a_clock_too() {
        assert_eq!(
            offset_stamp("T+15 min: x").unwrap().0,
            SignedDuration::from_mins(15)
        );
        assert_eq!(
            offset_stamp("**T-0:05** x").unwrap().0,
            SignedDuration::from_mins(-5)
        );
        assert_eq!(
            offset_stamp("T+90").unwrap().0,
            SignedDuration::from_mins(90)
        );
        assert!(offset_stamp("- 5 apples").is_none());
    }
}
