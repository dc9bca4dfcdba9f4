//! IR07 to IR09, IR11 and IR29: who was hurt, how much, and whether the figures agree.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cx, Hit};
use crate::facts::part::Part;
use crate::tree::Kind;
use crate::words::{duration, number, pattern};

pub(super) fn percent_of_what(cx: &Cx<'_>) -> Vec<Hit> {
    let mut out = Vec::new();
    for share in &cx.facts.affected {
        let Some(percent) = share.percent else {
            continue;
        };
        let (Some(_), true) = (Some(percent), share.in_summary) else {
            continue;
        };
        if percent <= 0.0 || percent >= 100.0 && share.whole.is_none() && everybody(&share.sentence)
        {
            continue;
        }
        // A title is too short for numerator and denominator; the summary has them.
        if cx.title().contains(&share.range.start) {
            continue;
        }
        let numbered = share.whole.is_some() || counted(&share.sentence);
        // The same share is given with its numbers elsewhere.
        let elsewhere = cx.facts.affected.iter().any(|o| {
            o.percent.is_some_and(|p| (p - percent).abs() < 0.6)
                && (o.whole.is_some() || counted(&o.sentence))
        });
        if numbered || elsewhere {
            continue;
        }
        out.push(
            Hit::new(
                share.range.clone(),
                format!(
                    "{} % of {}: of how many, and counted how?",
                    trimmed(percent),
                    share.noun
                ),
            )
            .fix(format!(
                "{} % (<n> of <all>) of {}, peak or mean, source: <query or graph>",
                trimmed(percent),
                share.noun
            )),
        );
    }
    out
}

fn everybody(sentence: &str) -> bool {
    pattern!(r"(?i)\b(?:all|every|100)\b").is_match(sentence)
}

/// A count of people or work beside the percentage.
fn counted(sentence: &str) -> bool {
    !number::fractions(sentence).is_empty()
        || number::counts(sentence, crate::facts::impact::people())
            .iter()
            .any(|c| c.value >= 10.0)
        || number::counts(sentence, crate::facts::impact::work())
            .iter()
            .any(|c| c.value >= 10.0)
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

pub(super) fn two_quantities(cx: &Cx<'_>) -> Vec<Hit> {
    let measures = measures(cx);
    if measures.len() >= 2 {
        return Vec::new();
    }
    let place = cx.doc.place_of(&[Part::Impact, Part::Summary]);
    let place = cx
        .facts
        .affected
        .first()
        .filter(|a| a.in_summary)
        .map_or(place, |a| a.range.clone());
    let message = if measures.is_empty() {
        "the impact has no number"
    } else {
        "the impact has one number"
    };
    vec![Hit::new(place, message).fix("add another: failed requests, latency before and during, error budget spent, tickets, money")]
}

/// The different things that the impact counts, each by its noun. The length of the incident, clocks,
/// dates and ids are no quantities of impact.
fn measures(cx: &Cx<'_>) -> BTreeSet<String> {
    let doc = cx.doc;
    let early = [Part::Summary, Part::Impact];
    let later = [
        Part::Timeline,
        Part::Cause,
        Part::Actions,
        Part::Resolution,
        Part::Lessons,
    ];
    let first_later = doc.about.iter().position(|about| about.any(&later));
    let mut out = BTreeSet::new();
    let has_impact = doc.sections_of(Part::Impact).next().is_some();
    for (i, block) in doc.blocks() {
        let opening =
            doc.about[i].is_empty() && first_later.is_none_or(|l| i < l) && doc.title != Some(i);
        if block.quoted
            || block.is_head()
            || block.kind == Kind::Code
            || !(doc.about[i].any(&early) || opening)
        {
            continue;
        }
        let rows: Vec<String> = match &block.table {
            Some(table) => std::iter::once(&table.head)
                .chain(&table.rows)
                .map(|row| {
                    row.cells
                        .iter()
                        .map(|c| c.trimmed())
                        .collect::<Vec<_>>()
                        .join(": ")
                })
                .collect(),
            None => pattern!(r"[.;]\s+|\n")
                .split(&block.text.plain)
                .map(str::to_owned)
                .collect(),
        };
        // Beside a part about the impact, the summary's other numbers tell the mechanism.
        let aside = has_impact && !doc.about[i].is(Part::Impact);
        for row in rows {
            if !aside || told_of_people(&row) {
                measures_of(cx, &row, &mut out);
            }
        }
    }
    out
}

/// A sentence about those who were hurt, or about what they saw.
fn told_of_people(sentence: &str) -> bool {
    let named = pattern!(r"[A-Za-z][A-Za-z-]*")
        .find_iter(sentence)
        .map(|m| m.as_str().to_lowercase())
        .any(|w| {
            crate::facts::impact::people().is_match(&w) || crate::facts::impact::work().is_match(&w)
        });
    named && hurt(sentence)
}

fn measures_of(cx: &Cx<'_>, row: &str, out: &mut BTreeSet<String>) {
    let header = pattern!(r"(?i)^\W*(?:start\w*|end\w*|duration|date|incident|id|severity|status|authors?|owner|length|began|published|reviewed\w*|priority|resolved|detected|started|time)\b[^:]{0,24}:").is_match(row);
    if header {
        return;
    }
    let mut bare = row.to_owned();
    for stamp in crate::words::clock::stamps(row).into_iter().rev() {
        bare.replace_range(stamp.range.clone(), &" ".repeat(stamp.range.len()));
    }
    // The length of the whole is no quantity; another length is a latency, a lag or a wait.
    for span in duration::spans(&bare.clone()).into_iter().rev() {
        let of_incident = cx
            .facts
            .durations
            .iter()
            .any(|(d, _)| d.agrees_with(span.length) || span.agrees_with(d.length))
            || cx
                .facts
                .computed_duration()
                .is_some_and(|d| span.agrees_with(d));
        let written = bare[span.range.clone()].starts_with(|c: char| c.is_ascii_digit());
        let before = &bare[crate::source::floor_boundary(&bare, span.range.start.saturating_sub(40))
            ..span.range.start];
        let lasted = pattern!(r"(?i)\b(?:for|lasted|went on for|took|after|duration|within|until|in)\W*(?:about |around )?$").is_match(before);
        // A long one is a lag or a delay only where it says so.
        let lag = span.length.as_secs() < 600 || pattern!(r"(?i)\b(?:late|lag\w*|delay\w*|behind|stale\w*|old|wait\w*|queue\w*|before|after|worst|median|latency|longest)\b").is_match(&bare);
        if !of_incident && written && !lasted && lag && span.length.as_secs() < 36 * 3600 {
            out.insert("a length of time".to_owned());
        }
        bare.replace_range(span.range.clone(), &" ".repeat(span.range.len()));
    }
    let bare = pattern!(r"\b[A-Z]{2,}-?\d+\b|\[[A-Z]?\d+\]|\bp\d\d+\b|\bv?\d+\.\d+\.\d+\b|\b(?:HTTP|status|code|errors?|answered) [45]\d\d\b|\b20\d\d(?:\.\d+)?\b|\b[A-Z]\d\b").replace_all(&bare, " ").into_owned();
    let fractions = number::fractions(&bare);
    let mut covered: Vec<std::ops::Range<usize>> = Vec::new();
    for fraction in &fractions {
        out.insert(noun_after(&bare, fraction.range.end));
        covered.push(fraction.range.clone());
    }
    for percent in number::percents(&bare) {
        // "(32.1 %)" behind a fraction is the same quantity once more.
        let same = fractions.iter().any(|f| {
            percent.range.start >= f.range.start && percent.range.start < f.range.end + 60
        });
        covered.push(percent.range.clone());
        if !same {
            out.insert(noun_after(&bare, percent.range.end));
        }
    }
    for found in pattern!(r"\d{1,3}(?:[,\u{a0} ]\d{3})+|\d+(?:\.\d+)?").find_iter(&bare) {
        let inside = covered
            .iter()
            .any(|r| r.start < found.end() && found.start() < r.end);
        let part_of_word = crate::words::before(&bare, found.start())
            .is_some_and(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '.' | '#'));
        if !inside && !part_of_word {
            out.insert(noun_after(&bare, found.end()));
        }
    }
}

/// The noun that a number counts: the next word that isn't a filler.
fn noun_after(text: &str, at: usize) -> String {
    let rest = text.get(at..).unwrap_or_default();
    pattern!(r"[A-Za-z][A-Za-z-]+")
        .find_iter(rest)
        .map(|m| m.as_str().to_lowercase())
        .find(|w| {
            !matches!(
                w.as_str(),
                "of" | "the"
                    | "our"
                    | "all"
                    | "in"
                    | "were"
                    | "was"
                    | "million"
                    | "thousand"
                    | "active"
                    | "about"
                    | "with"
            )
        })
        .map_or_else(
            || "a number".to_owned(),
            |w| w.trim_end_matches('s').to_owned(),
        )
}

pub(super) fn data_and_rest(cx: &Cx<'_>) -> Vec<Hit> {
    let place = cx.doc.place_of(&[Part::Impact, Part::Summary]);
    let place = cx
        .doc
        .field(&["impact", "customer impact"])
        .map_or(place, |f| f.range.clone());
    let data = cx.facts.data_lost.is_none();
    let rest = cx.facts.still_worked.is_none();
    let (message, fix) = match (data, rest) {
        (true, true) => (
            "the report doesn't say whether data was lost, nor what still worked",
            "for example: `No data lost: failed requests had not begun a transaction. Sign-in and billing were not affected.`",
        ),
        (true, false) => (
            "the report doesn't say whether data was lost or corrupted",
            "for example: `No data lost: failed requests had not begun a transaction.`",
        ),
        (false, true) if cx.strict() => (
            "the report doesn't say what still worked",
            "for example: `Sign-in and billing were not affected.`",
        ),
        _ => return Vec::new(),
    };
    vec![Hit::new(place, message).fix(fix)]
}

pub(super) fn same_everywhere(cx: &Cx<'_>) -> Vec<Hit> {
    let mut out = Vec::new();
    arithmetic(cx, &mut out);
    shares(cx, &mut out);
    durations(cx, &mut out);
    resizes(cx, &mut out);
    counts(cx, &mut out);
    fractions(cx, &mut out);
    starts(cx, &mut out);
    ranges(cx, &mut out);
    out
}

/// "702 of 2,006 (30 %)" doesn't add up.
fn arithmetic(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    for (_, block) in cx
        .doc
        .blocks()
        .filter(|(_, b)| b.kind != Kind::Code && !b.quoted)
    {
        for text in block.texts() {
            for fraction in number::fractions(&text.plain) {
                // Somebody else's sum.
                if text.is_quoted(fraction.range.start) {
                    continue;
                }
                let end = crate::source::floor_boundary(&text.plain, fraction.range.end + 48);
                let after = &text.plain[fraction.range.end..end];
                // Only a percentage that stands right behind, in parentheses, is this fraction's.
                let Some(found) =
                    pattern!(r"^(?:\s[\p{L}-]+){0,8}\s?\(\**(\d{1,3}(?:\.\d+)?)\s?%\**\)")
                        .captures(after)
                else {
                    continue;
                };
                let Ok(stated) = found[1].parse::<f64>() else {
                    continue;
                };
                let real = 100.0 * fraction.part / fraction.whole;
                let tolerance = if found[1].contains('.') { 0.3 } else { 1.0 };
                if (stated - real).abs() > tolerance {
                    let at = fraction.range.start..fraction.range.end;
                    out.push(
                        Hit::new(
                            text.source_range(at),
                            format!(
                                "{} is {:.1} %, not {} %",
                                &text.plain[fraction.range.clone()],
                                real,
                                &found[1]
                            ),
                        )
                        .fix(format!("write {real:.1} %, or correct the counts")),
                    );
                }
            }
        }
    }
}

/// "35 % of users" in the summary, "30 % of users" in the conclusion.
fn shares(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let singular = |noun: &str| noun.trim_end_matches('s').to_owned();
    let mut first: BTreeMap<String, (f64, usize)> = BTreeMap::new();
    let plain: Vec<_> = cx
        .facts
        .affected
        .iter()
        .filter(|a| a.direct && !a.qualified && hurt(&a.sentence))
        .collect();
    for share in plain {
        let Some(percent) = share.percent else {
            continue;
        };
        let entry = first
            .entry(singular(&share.noun))
            .or_insert((percent, share.line));
        if (entry.0 - percent).abs() > 0.6 && entry.1 != share.line {
            out.push(
                Hit::new(
                    share.range.clone(),
                    format!(
                        "{} % of {} here, {} % in line {}",
                        trimmed(percent),
                        share.noun,
                        trimmed(entry.0),
                        entry.1
                    ),
                )
                .fix("give one figure, or say what differs (peak and mean, which users)"),
            );
        }
    }
}

fn hurt(sentence: &str) -> bool {
    pattern!(r"(?i)\b(?:affected|impact\w*|fail\w*|error\w*|saw|slow|unable|could not|experienc\w*|lost|hit|received|degraded|unavailable|timed? ?out)\b").is_match(sentence)
}

fn durations(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let all = &cx.facts.durations;
    let Some((first, said)) = all.first() else {
        return;
    };
    // What a length counts is said right beside it.
    let near = |said: &crate::facts::Said| {
        cx.doc
            .source
            .slice(said.range.start.saturating_sub(48)..said.range.end + 40)
    };
    for (other, place) in &all[1..] {
        let qualified = pattern!(
            r"(?i)\b(?:support|business|working|excluding|wall|of which|partial\w*|fully|complete|peak|worst|hard|degraded|detect\w*|mitigat\w*|identif\w*|acknowledg\w*|until|region|until)\b"
        );
        // Two roundings of the same end less start may lie further from each other than from it.
        let both_true = cx
            .facts
            .computed_duration()
            .is_some_and(|real| first.agrees_with(real) && other.agrees_with(real));
        if both_true
            || first.agrees_with(other.length)
            || other.agrees_with(first.length)
            || qualified.is_match(near(place))
            || qualified.is_match(near(said))
        {
            continue;
        }
        out.push(
            Hit::new(
                place.range.clone(),
                format!(
                    "the duration is {} here and {} in line {}",
                    duration::say(other.length),
                    duration::say(first.length),
                    said.line
                ),
            )
            .fix("give one figure, or say what each of them counts"),
        );
    }
}

/// "from 20 to 40" and "from 20 to 34" for the same thing.
fn resizes(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let change = pattern!(
        r"(?i)\b((?:connection )?pool(?: size)?|max_connections|replicas?|timeout|memory limit|heap|workers?|threads?)\b[^.|\n]{0,40}?\bfrom (\d[\d,]*) (?:connections )?to (\d[\d,]*)\b"
    );
    let mut first: BTreeMap<String, (String, String, usize)> = BTreeMap::new();
    for (i, block) in cx.doc.blocks() {
        if block.kind == Kind::Code || block.quoted || cx.doc.about[i].any(&[Part::Actions]) {
            continue;
        }
        for text in block.texts() {
            for found in change.captures_iter(&text.plain) {
                let noun = found[1]
                    .to_lowercase()
                    .replace("connection ", "")
                    .replace(" size", "");
                let (from, to) = (found[2].to_owned(), found[3].to_owned());
                let at = text.source_range(found.get(0).map_or(0..0, |m| m.range()));
                let line = cx.doc.source.place(at.start).line;
                let entry = first
                    .entry(noun.clone())
                    .or_insert((from.clone(), to.clone(), line));
                // 20 to 40 and then 40 to 60 is a second step, not a contradiction.
                let step = entry.1 == from || entry.0 == to;
                if (entry.0.clone(), entry.1.clone()) != (from.clone(), to.clone())
                    && !step
                    && entry.0 == from
                {
                    out.push(
                        Hit::new(
                            at,
                            format!(
                                "{noun} from {from} to {to} here, from {} to {} in line {}",
                                entry.0, entry.1, entry.2
                            ),
                        )
                        .fix("give the figure that the configuration's history shows"),
                    );
                }
            }
        }
    }
}

/// "1,240 customers could not start a run" and "1,420 customers could not start a run"; "84,000
/// messages were late" and "48,000 late messages".
fn counts(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let nouns = r"users?|customers?|requests?|orders?|transactions?|payments?|merchants?|tenants?|tickets?|checkouts?|messages?|sessions?|accounts?|jobs?|patients?|bookings?|passengers?|shoppers?|learners?|readers?|deliveries|uploads?|invoices?|quotes?|queries|readings|runs|emails?|mails?|calls?|visitors?|households?|parcels?|shops?|stores?|bills?";
    let state = r"late|lost|failed|failing|affected|rejected|refused|delayed|duplicated|dropped|missing|wrong|stale|blocked|impacted|slow|double|duplicate";
    let after = regex::Regex::new(&format!(
        r"(?i)(?:^|[\s(*])(\d{{1,3}}(?:,\d{{3}})+|\d{{2,}})(?: (?:of|out of) [\d,]+)?\s+(?:\w+\s){{0,2}}?({nouns})(?:\s\([^)]*\))?\s+(?:(?:were|was|are|had|have|been|got) )*({state}|could not \w+|did not \w+)\b"
    ));
    let before = regex::Regex::new(&format!(
        r"(?i)(?:^|[\s(*])(\d{{1,3}}(?:,\d{{3}})+|\d{{2,}})\s+({state})\s+({nouns})\b"
    ));
    let (Ok(after), Ok(before)) = (after, before) else {
        return;
    };
    let mut first: BTreeMap<String, (f64, usize, String)> = BTreeMap::new();
    for (i, block) in cx.doc.blocks() {
        if block.kind == Kind::Code
            || block.quoted
            || cx.doc.about[i].any(&[Part::Actions, Part::Timeline, Part::Evidence])
        {
            continue;
        }
        for text in block.texts() {
            let told = after
                .captures_iter(&text.plain)
                .map(|f| (f.get(1), f[2].to_lowercase(), f[3].to_lowercase(), f.get(0)))
                .chain(
                    before
                        .captures_iter(&text.plain)
                        .map(|f| (f.get(1), f[3].to_lowercase(), f[2].to_lowercase(), f.get(0))),
                );
            for (number, noun, verb, whole) in told {
                let (Some(number), Some(whole)) = (number, whole) else {
                    continue;
                };
                let Some(value) = number::parse(number.as_str()) else {
                    continue;
                };
                let verb = if verb == "impacted" {
                    "affected".to_owned()
                } else {
                    verb
                };
                let key = format!("{} {verb}", noun.trim_end_matches('s'));
                let at = text.source_range(number.start()..whole.end());
                let line = cx.doc.source.place(at.start).line;
                let near = &text.plain[crate::source::floor_boundary(
                    &text.plain,
                    whole.start().saturating_sub(24),
                )..whole.end()];
                let qualified = pattern!(r"(?i)\b(?:of which|of them|further|another|more|remaining|other|first|later|then|per|each|fewer|usual|second|minute)\b").is_match(near);
                if qualified {
                    continue;
                }
                let entry = first
                    .entry(key)
                    .or_insert((value, line, number.as_str().to_owned()));
                if (entry.0 - value).abs() > 0.5 && entry.1 != line {
                    out.push(
                        Hit::new(
                            at,
                            format!(
                                "{} {noun} {verb} here, {} in line {}",
                                number.as_str(),
                                entry.2,
                                entry.1
                            ),
                        )
                        .fix("give one figure, or say what differs"),
                    );
                }
            }
        }
    }
}

/// "8,440 of 31,200 students got an error" and "8,940 of 31,200 students got an error".
fn fractions(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let mut first: BTreeMap<(u64, String), (f64, usize)> = BTreeMap::new();
    for (i, block) in cx.doc.blocks() {
        if block.kind == Kind::Code
            || block.quoted
            || cx.doc.about[i].any(&[Part::Actions, Part::Timeline, Part::Evidence])
        {
            continue;
        }
        for text in block.texts() {
            for fraction in number::fractions(&text.plain) {
                let end = crate::source::floor_boundary(&text.plain, fraction.range.end + 70);
                let after = text.plain[fraction.range.end..end].to_lowercase();
                let words: Vec<&str> = pattern!(r"[a-z]{3,}")
                    .find_iter(&after)
                    .map(|m| m.as_str())
                    .collect();
                let noun = words.first().copied().unwrap_or_default();
                // What was done to them: the same verb on both sides, or the two are different things.
                let verb = words.iter().find(|w| {
                    pattern!(r"^(?:error|fail|affect|lost|late|reject|refus|delay|slow|wait|block)")
                        .is_match(w)
                });
                let (true, Some(verb)) = (
                    crate::facts::impact::people().is_match(noun) && fraction.whole >= 100.0,
                    verb,
                ) else {
                    continue;
                };
                let key = (
                    fraction.whole as u64,
                    format!("{noun} {}", verb.chars().take(4).collect::<String>()),
                );
                let at = text.source_range(fraction.range.clone());
                let line = cx.doc.source.place(at.start).line;
                let entry = first.entry(key).or_insert((fraction.part, line));
                if (entry.0 - fraction.part).abs() > 0.5 && entry.1 != line {
                    out.push(
                        Hit::new(
                            at,
                            format!(
                                "{} here, {} of the same in line {}",
                                &text.plain[fraction.range.clone()],
                                entry.0,
                                entry.1
                            ),
                        )
                        .fix("give one figure, or say what differs"),
                    );
                }
            }
        }
    }
}

/// The header's start against the first sentence that says when it began.
fn starts(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    use crate::words::clock;
    let clocks = [
        (&cx.facts.clocks.started, "start"),
        (&cx.facts.clocks.ended, "end"),
    ];
    let zone = cx.doc.zone.as_ref().map(|z| &z.0);
    for (i, block) in cx.doc.blocks() {
        if block.is_head()
            || block.quoted
            || !cx.doc.about[i].any(&[
                Part::Summary,
                Part::Impact,
                Part::Cause,
                Part::Resolution,
                Part::Recovery,
            ])
        {
            continue;
        }
        for text in block.texts() {
            for (clock, name) in clocks {
                let Some(at) = clock.as_ref().and_then(|c| c.at) else {
                    continue;
                };
                let said = if name == "start" {
                    pattern!(
                        r"(?i)\b(?:incident|outage|impact|degradation|disruption) (?:began|started|start|begins) (?:on [^.|]{0,20}? )?at (?:\*\*)?\d"
                    )
                } else {
                    pattern!(
                        r"(?i)\b(?:incident|outage|impact|degradation|disruption) (?:was |had )?(?:ended|over|resolved|fully resolved) (?:on [^.|]{0,20}? )?(?:at|by) (?:\*\*)?\d"
                    )
                };
                let Some(found) = said.find(&text.plain) else {
                    continue;
                };
                let Some(stamp) = clock::stamps(&text.plain)
                    .into_iter()
                    .find(|s| s.time.is_some() && s.range.end >= found.end())
                else {
                    continue;
                };
                let Some(own) = stamp.at(cx.doc.day, zone.or(Some(&crate::words::zone::Zone::Utc)))
                else {
                    continue;
                };
                let apart = own.duration_since(at).as_secs().abs();
                if apart > 90 && apart < 80_000 {
                    out.push(
                        Hit::new(
                            text.source_range(stamp.range.clone()),
                            format!(
                                "the {name} is {} here and {} in the header",
                                own.strftime("%H:%M UTC"),
                                at.strftime("%H:%M UTC")
                            ),
                        )
                        .fix("give one time"),
                    );
                }
            }
        }
    }
}

/// "from 14:00 to 17:15" here, "from 14:00 to 20:00" there, both of the whole.
fn ranges(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    use crate::words::clock;
    let mut first: Option<(jiff::civil::Time, jiff::civil::Time, usize)> = None;
    for (i, block) in cx.doc.blocks() {
        if block.is_head()
            || block.quoted
            || block.table.is_some()
            || cx.doc.about[i].any(&[Part::Actions])
            || clock::leading_stamp(&block.text.plain).is_some()
        {
            continue;
        }
        let text = &block.text;
        let said = pattern!(
            r"(?i)\b(?:incident|outage|impact|degradation|disruption|whole thing|it|all of this|everything|problem)\b[^.|\n]{0,40}?\b(?:lasted|went on|ran|was|persisted|took place|continued)\b[^.|\n]{0,30}?\bfrom "
        );
        for found in said.find_iter(&text.plain) {
            let stamps: Vec<_> = clock::stamps(&text.plain)
                .into_iter()
                .filter(|s| s.range.start >= found.end().saturating_sub(1))
                .take(2)
                .collect();
            let [a, b] = stamps.as_slice() else { continue };
            let (Some(from), Some(to)) = (a.time, b.time) else {
                continue;
            };
            let at = text.source_range(a.range.start..b.range.end);
            let line = cx.doc.source.place(at.start).line;
            match first {
                None => first = Some((from, to, line)),
                Some((f, t, l)) if (f == from) != (t == to) => out.push(
                    Hit::new(
                        at,
                        format!(
                            "from {} to {} here, from {} to {} in line {l}",
                            from.strftime("%H:%M"),
                            to.strftime("%H:%M"),
                            f.strftime("%H:%M"),
                            t.strftime("%H:%M")
                        ),
                    )
                    .fix("give one start and one end"),
                ),
                Some(_) => {}
            }
        }
    }
}

pub(super) fn outage_word(cx: &Cx<'_>) -> Vec<Hit> {
    let shares: Vec<f64> = cx
        .facts
        .affected
        .iter()
        .filter(|a| {
            a.in_summary && (crate::facts::impact::people().is_match(&a.noun) || hurt(&a.sentence))
        })
        .filter_map(|a| a.percent.or_else(|| Some(100.0 * a.part? / a.whole?)))
        .collect();
    let Some(most) = shares.iter().copied().reduce(f64::max) else {
        return Vec::new();
    };
    if most >= 95.0 {
        return Vec::new();
    }
    let mut out = Vec::new();
    let word = pattern!(
        r"(?i)\b(?:total |complete |full |major |site-?wide )?outage\b|\b(?:was|were|went|is|completely|fully) (?:completely |totally |entirely )?down\b(?: for)?"
    );
    for (i, block) in cx.doc.blocks() {
        let here = cx.doc.title == Some(i)
            || cx.doc.about[i].any(&[Part::Summary, Part::Impact, Part::Cause, Part::Resolution])
            || cx.doc.about[i].is_empty();
        if !here || block.quoted || block.kind == Kind::Code {
            continue;
        }
        for text in block.texts() {
            if let Some(found) = word.find(&text.plain) {
                let after = &text.plain
                    [found.end()..crate::source::floor_boundary(&text.plain, found.end() + 24)];
                let before = &text.plain[crate::source::floor_boundary(
                    &text.plain,
                    found.start().saturating_sub(24),
                )..found.start()];
                let other = pattern!(r"(?i)^\s*(?:review|report|to\b|from\b|bridge|channel|page|window|by\b|process|number|id\b)").is_match(after)
                    || pattern!(r"(?i)\b(?:partial|no|not an?|provider'?s?|earlier|previous|past|another|upstream|vendor|partly|scaled|slow\w*|wound|shut|came|brought)\W+$").is_match(before)
                    || pattern!(r"(?i)\b(?:provider|vendor|supplier|carrier|upstream|third party|cloud|isp)\b[^.]{0,40}\b(?:had|suffered|reported|declared|was|went)\b[^.]{0,12}$").is_match(&text.plain[crate::source::floor_boundary(&text.plain, found.start().saturating_sub(72))..found.start()]);
                if !text.is_quoted(found.start()) && !other {
                    out.push(
                        Hit::new(
                            text.source_range(found.range()),
                            format!(
                                "\"{}\", while at most {} % were affected",
                                found.as_str(),
                                trimmed(most)
                            ),
                        )
                        .fix("call it a degradation or a partial disruption"),
                    );
                }
            }
        }
    }
    out
}
