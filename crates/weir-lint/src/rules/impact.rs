//! IR07 to IR09, IR11 and IR29: who was hurt, how much, and whether the figures agree.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cx, Hit};
use crate::facts::part::Part;
use crate::tree::Kind;
use crate::words::{duration, number, pattern};

pub(super) fn percent_of_what(cx: &Cx<'_>) -> Vec<Hit> {
    let mut out = Vec::new();
    for share in &cx.facts.affected {
        let Some(percent) = share.percent else { continue };
        let (Some(_), true) = (Some(percent), share.in_summary) else { continue };
        if percent <= 0.0 || percent >= 100.0 && share.whole.is_none() && everybody(&share.sentence) {
            continue;
        }
        let numbered = share.whole.is_some() || counted(&share.sentence);
        // The same share is given with its numbers elsewhere.
        let elsewhere = cx.facts.affected.iter().any(|o| {
            o.percent.is_some_and(|p| (p - percent).abs() < 0.6) && (o.whole.is_some() || counted(&o.sentence))
        });
        if numbered || elsewhere {
            continue;
        }
        out.push(
            Hit::new(share.range.clone(), format!("{} % of {}: of how many, and counted how?", trimmed(percent), share.noun))
                .fix(format!("{} % (<n> of <all>) of {}, peak or mean, source: <query or graph>", trimmed(percent), share.noun)),
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
        || number::counts(sentence, crate::facts::impact::people()).iter().any(|c| c.value >= 10.0)
        || number::counts(sentence, crate::facts::impact::work()).iter().any(|c| c.value >= 10.0)
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

pub(super) fn two_quantities(cx: &Cx<'_>) -> Vec<Hit> {
    let kinds: BTreeSet<_> = cx.facts.quantities.iter().map(|q| q.kind).collect();
    if kinds.len() >= 2 {
        return Vec::new();
    }
    // Two counts of different things are two quantities, also of one kind.
    let counted: BTreeSet<String> = cx
        .facts
        .quantities
        .iter()
        .filter_map(|q| q.says.split_whitespace().last().map(|w| w.trim_end_matches('s').to_lowercase()))
        .filter(|w| w.chars().all(char::is_alphabetic) && w.len() > 2)
        .collect();
    if counted.len() >= 2 {
        return Vec::new();
    }
    let place = cx.doc.place_of(&[Part::Impact, Part::Summary]);
    let place = cx.facts.affected.first().filter(|a| a.in_summary).map_or(place, |a| a.range.clone());
    let message = if kinds.is_empty() { "the impact has no number" } else { "the impact has one number" };
    vec![Hit::new(place, message).fix("add another: failed requests, latency before and during, error budget spent, tickets, money")]
}

pub(super) fn data_and_rest(cx: &Cx<'_>) -> Vec<Hit> {
    let place = cx.doc.place_of(&[Part::Impact, Part::Summary]);
    let place = cx.doc.field(&["impact", "customer impact"]).map_or(place, |f| f.range.clone());
    let data = cx.facts.data_lost.is_none();
    let rest = cx.facts.still_worked.is_none();
    let (message, fix) = match (data, rest) {
        (true, true) => ("the report doesn't say whether data was lost, nor what still worked", "for example: `No data lost: failed requests had not begun a transaction. Sign-in and billing were not affected.`"),
        (true, false) => ("the report doesn't say whether data was lost or corrupted", "for example: `No data lost: failed requests had not begun a transaction.`"),
        (false, true) if cx.strict() => ("the report doesn't say what still worked", "for example: `Sign-in and billing were not affected.`"),
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
    starts(cx, &mut out);
    out
}

/// "702 of 2,006 (30 %)" doesn't add up.
fn arithmetic(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    for (_, block) in cx.doc.blocks().filter(|(_, b)| b.kind != Kind::Code && !b.quoted) {
        for text in block.texts() {
            for fraction in number::fractions(&text.plain) {
                let end = crate::source::floor_boundary(&text.plain, fraction.range.end + 48);
                let after = &text.plain[fraction.range.end..end];
                // Only a percentage that stands right behind, in parentheses, is this fraction's.
                let Some(found) = pattern!(r"^(?:\s[\p{L}-]+){0,3}\s?\(\**(\d{1,3}(?:\.\d+)?)\s?%\**\)").captures(after) else { continue };
                let Ok(stated) = found[1].parse::<f64>() else { continue };
                let real = 100.0 * fraction.part / fraction.whole;
                let tolerance = if found[1].contains('.') { 0.3 } else { 1.0 };
                if (stated - real).abs() > tolerance {
                    let at = fraction.range.start..fraction.range.end;
                    out.push(
                        Hit::new(text.source_range(at), format!("{} is {:.1} %, not {} %", &text.plain[fraction.range.clone()], real, &found[1]))
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
    let plain: Vec<_> = cx.facts.affected.iter().filter(|a| !a.qualified && hurt(&a.sentence)).collect();
    for share in plain {
        let Some(percent) = share.percent else { continue };
        let entry = first.entry(singular(&share.noun)).or_insert((percent, share.line));
        if (entry.0 - percent).abs() > 0.6 && entry.1 != share.line {
            out.push(
                Hit::new(share.range.clone(), format!("{} % of {} here, {} % in line {}", trimmed(percent), share.noun, trimmed(entry.0), entry.1))
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
    let Some((first, said)) = all.first() else { return };
    for (other, place) in &all[1..] {
        let qualified = pattern!(r"(?i)\b(?:support|business|working|excluding|wall|of which|partial\w*|full|complete|total|peak|worst|hard|first|second|degraded|detect\w*|mitigat\w*|identif\w*|acknowledg\w*|until|region|until)\b");
        if first.agrees_with(other.length) || other.agrees_with(first.length) || qualified.is_match(&place.says) || qualified.is_match(&said.says) {
            continue;
        }
        out.push(
            Hit::new(place.range.clone(), format!("the duration is {} here and {} in line {}", duration::say(other.length), duration::say(first.length), said.line))
                .fix("give one figure, or say what each of them counts"),
        );
    }
}

/// "from 20 to 40" and "from 20 to 34" for the same thing.
fn resizes(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let change = pattern!(r"(?i)\b((?:connection )?pool(?: size)?|max_connections|replicas?|timeout|memory limit|heap|workers?|threads?)\b[^.|\n]{0,40}?\bfrom (\d[\d,]*) (?:connections )?to (\d[\d,]*)\b");
    let mut first: BTreeMap<String, (String, String, usize)> = BTreeMap::new();
    for (i, block) in cx.doc.blocks() {
        if block.kind == Kind::Code || block.quoted || cx.doc.about[i].any(&[Part::Actions]) {
            continue;
        }
        for text in block.texts() {
            for found in change.captures_iter(&text.plain) {
                let noun = found[1].to_lowercase().replace("connection ", "").replace(" size", "");
                let (from, to) = (found[2].to_owned(), found[3].to_owned());
                let at = text.source_range(found.get(0).map_or(0..0, |m| m.range()));
                let line = cx.doc.source.place(at.start).line;
                let entry = first.entry(noun.clone()).or_insert((from.clone(), to.clone(), line));
                // 20 to 40 and then 40 to 60 is a second step, not a contradiction.
                let step = entry.1 == from || entry.0 == to;
                if (entry.0.clone(), entry.1.clone()) != (from.clone(), to.clone()) && !step && entry.0 == from {
                    out.push(
                        Hit::new(at, format!("{noun} from {from} to {to} here, from {} to {} in line {}", entry.0, entry.1, entry.2))
                            .fix("give the figure that the configuration's history shows"),
                    );
                }
            }
        }
    }
}

/// "702 users affected" and "640 users were affected".
fn counts(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let told = pattern!(r"(?i)(?:^|[\s(*])(\d{1,3}(?:,\d{3})+|\d{2,})\s+(?:\w+\s){0,2}?(users?|customers?|requests?|orders?|transactions?|payments?|merchants?|tenants?|tickets?|checkouts?|messages?|sessions?|accounts?|jobs?|patients?|bookings?)\s+(?:were |was |had |have been |had been )?(affected|failed|lost|impacted|rejected|delayed|duplicated|opened|dropped)\b");
    let mut first: BTreeMap<String, (f64, usize)> = BTreeMap::new();
    for (i, block) in cx.doc.blocks() {
        if block.kind == Kind::Code || block.quoted || cx.doc.about[i].any(&[Part::Actions, Part::Timeline]) {
            continue;
        }
        for text in block.texts() {
            for found in told.captures_iter(&text.plain) {
                let Some(value) = number::parse(&found[1]) else { continue };
                let verb = if &found[3] == "impacted" { "affected" } else { &found[3] };
                let key = format!("{} {verb}", found[2].trim_end_matches('s').to_lowercase());
                let at = text.source_range(found.get(1).map_or(0, |m| m.start())..found.get(0).map_or(0, |m| m.end()));
                let line = cx.doc.source.place(at.start).line;
                let entry = first.entry(key).or_insert((value, line));
                let qualified = pattern!(r"(?i)\b(?:of which|further|another|more|remaining|other|first|later|then|per|each)\b").is_match(&text.plain);
                if (entry.0 - value).abs() > 0.5 && entry.1 != line && !qualified {
                    out.push(
                        Hit::new(at, format!("{} {} {} here, {} in line {}", &found[1], &found[2], &found[3], entry.0, entry.1))
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
    let clocks = [(&cx.facts.clocks.started, "start"), (&cx.facts.clocks.ended, "end")];
    let zone = cx.doc.zone.as_ref().map(|z| &z.0);
    for (i, block) in cx.doc.blocks() {
        if block.is_head() || block.quoted || !cx.doc.about[i].any(&[Part::Summary, Part::Impact, Part::Cause, Part::Resolution, Part::Recovery]) {
            continue;
        }
        for text in block.texts() {
            for (clock, name) in clocks {
                let Some(at) = clock.as_ref().and_then(|c| c.at) else { continue };
                let said = if name == "start" {
                    pattern!(r"(?i)\b(?:incident|outage|impact|degradation|disruption) (?:began|started|start|begins) (?:on [^.|]{0,20}? )?at (?:\*\*)?\d")
                } else {
                    pattern!(r"(?i)\b(?:incident|outage|impact|degradation|disruption) (?:was |had )?(?:ended|over|resolved|fully resolved) (?:on [^.|]{0,20}? )?(?:at|by) (?:\*\*)?\d")
                };
                let Some(found) = said.find(&text.plain) else { continue };
                let Some(stamp) = clock::stamps(&text.plain).into_iter().find(|s| s.time.is_some() && s.range.end >= found.end()) else { continue };
                let Some(own) = stamp.at(cx.doc.day, zone.or(Some(&crate::words::zone::Zone::Utc))) else { continue };
                let apart = own.duration_since(at).as_secs().abs();
                if apart > 90 && apart < 80_000 {
                    out.push(
                        Hit::new(text.source_range(stamp.range.clone()), format!("the {name} is {} here and {} in the header", own.strftime("%H:%M UTC"), at.strftime("%H:%M UTC")))
                            .fix("give one time"),
                    );
                }
            }
        }
    }
}

pub(super) fn outage_word(cx: &Cx<'_>) -> Vec<Hit> {
    let shares: Vec<f64> = cx
        .facts
        .affected
        .iter()
        .filter(|a| a.in_summary && hurt(&a.sentence))
        .filter_map(|a| a.percent.or_else(|| Some(100.0 * a.part? / a.whole?)))
        .collect();
    let Some(most) = shares.iter().copied().reduce(f64::max) else { return Vec::new() };
    if most >= 95.0 {
        return Vec::new();
    }
    let mut out = Vec::new();
    let word = pattern!(r"(?i)\b(?:total |complete |full |major |site-?wide )?outage\b|\b(?:was|were|went|is|completely|fully) (?:completely |totally |entirely )?down\b(?: for)?");
    for (i, block) in cx.doc.blocks() {
        let here = cx.doc.title == Some(i) || cx.doc.about[i].any(&[Part::Summary, Part::Impact, Part::Cause, Part::Resolution]) || cx.doc.about[i].is_empty();
        if !here || block.quoted || block.kind == Kind::Code {
            continue;
        }
        for text in block.texts() {
            if let Some(found) = word.find(&text.plain) {
                let after = &text.plain[found.end()..crate::source::floor_boundary(&text.plain, found.end() + 24)];
                let before = &text.plain[crate::source::floor_boundary(&text.plain, found.start().saturating_sub(24))..found.start()];
                let other = pattern!(r"(?i)^\s*(?:review|report|to\b|from\b|bridge|channel|page|window|by\b|process|number|id\b)").is_match(after)
                    || pattern!(r"(?i)\b(?:partial|no|not an?|provider'?s?|earlier|previous|past|another|upstream|vendor|partly|scaled|slow\w*|wound|shut|came|brought)\W+$").is_match(before);
                if !text.is_quoted(found.start()) && !other {
                    out.push(
                        Hit::new(text.source_range(found.range()), format!("\"{}\", while at most {} % were affected", found.as_str(), trimmed(most)))
                            .fix("call it a degradation or a partial disruption"),
                    );
                }
            }
        }
    }
    out
}
