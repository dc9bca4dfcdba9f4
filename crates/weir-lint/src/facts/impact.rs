//! Who was hurt, and how much.

use std::ops::Range;

use serde::Serialize;

use super::part::Part;
use super::{Doc, Facts, Said};
use crate::tree::{Kind, Text};
use crate::words::number::{self, Fraction};
use crate::words::{duration, pattern};

/// A share of people or requests.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Affected {
    /// Percent as written.
    pub percent: Option<f64>,
    /// Of whom or of what: `users`, `requests`; empty where the report doesn't say.
    pub noun: String,
    /// How many.
    pub part: Option<f64>,
    /// Of how many.
    pub whole: Option<f64>,
    /// Stands in the summary or the impact rather than elsewhere.
    pub in_summary: bool,
    /// Says which moment or subset it speaks of (peak, mean, of mobile users).
    pub qualified: bool,
    /// Written as "35 % of users", outside of the timeline: comparable with another such figure.
    #[serde(skip)]
    pub direct: bool,
    /// From 1.
    pub line: usize,
    /// In the source.
    #[serde(skip)]
    pub range: Range<usize>,
    /// The sentence or cell that it stands in.
    #[serde(skip)]
    pub sentence: String,
}

/// A quantity of impact, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantityKind {
    /// Users, customers, accounts, sessions.
    People,
    /// Requests, transactions, orders, jobs, messages.
    Work,
    /// A latency or a wait.
    Latency,
    /// An error rate.
    Errors,
    /// SLO or error budget.
    Budget,
    /// Support tickets, calls.
    Tickets,
    /// Money.
    Money,
    /// Rows, bytes, records.
    Data,
}

/// A quantity of impact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quantity {
    /// Of what kind.
    pub kind: QuantityKind,
    /// The number as written.
    pub says: String,
    /// How many, where it is a count.
    pub value: Option<f64>,
    /// From 1.
    pub line: usize,
}

/// People.
pub(crate) fn people() -> &'static regex::Regex {
    pattern!(
        r"^(?:users?|customers?|accounts?|sessions?|tenants?|visitors?|merchants?|people|patients?|students?|shoppers?|members?|subscribers?|clients?|viewers?|players?|organi[sz]ations?|sellers?|drivers?|riders?|readers?|teams?|shops?|stores?|households?|companies|employees|workspaces?|devices?)$"
    )
}

/// Requests and their kin.
pub(crate) fn work() -> &'static regex::Regex {
    pattern!(
        r"^(?:requests?|transactions?|orders?|jobs?|messages?|queries|calls?|checkouts?|payments?|logins?|sign-?ins?|sign-?ups?|uploads?|downloads?|searches|events?|emails?|e-mails|mails?|deliveries|notifications?|writes?|reads?|builds?|deploys?|deployments?|page-?views?|pages?|bookings?|connections?|attempts?|webhooks?|reports?|exports?|imports?|invoices?|lookups?|streams?|tasks?|operations?|statements?|responses?|shipments?|reservations?|authori[sz]ations?|parcels?|labels?|quotes?|tickets?-sold|carts?)$"
    )
}

/// A percentage of something that isn't people or requests hurt.
fn other_measure(sentence: &str, at: &Range<usize>) -> bool {
    let start = crate::source::floor_boundary(sentence, at.start.saturating_sub(40));
    let end = crate::source::floor_boundary(sentence, at.end + 44);
    let near = sentence[start..end].to_lowercase();
    pattern!(r"\b(?:slo|budget|availability|uptime|cpu|memory|disk|utili[sz]ation|capacity|confidence|sure|threshold|heap|headroom|quota|cache|hit rate|hit ratio|rollout|canary|of its size|in use|full|used|busy|traffic|load|arrivals|throughput|faster|slower|more|higher|lower|month|quarter|year|target|objective|sla|of (?:the )?(?:connections|servers|nodes|pods|replicas|disk|time|hold|cores|samples))\b").is_match(&near)
        && noun_after(sentence, at.end).is_none()
}

pub(super) fn read(doc: &Doc<'_>, facts: &mut Facts) {
    let early = [Part::Summary, Part::Impact];
    let later = [
        Part::Timeline,
        Part::Cause,
        Part::Actions,
        Part::Resolution,
        Part::Lessons,
    ];
    let first_later = doc.about.iter().position(|about| about.any(&later));
    for (i, block) in doc.blocks() {
        if block.quoted
            || block.kind == Kind::Code
            || doc.about[i].any(&[Part::Actions, Part::Glossary])
        {
            continue;
        }
        // Without headings of its own, what stands before the first of the later parts is the summary.
        let opening = doc.about[i].is_empty()
            && first_later.is_none_or(|l| i < l)
            && doc.title != Some(i)
            && !block.is_head();
        let in_summary = doc.about[i].any(&early) || doc.title == Some(i) || opening;
        // In a table the row is the sentence: its first cell names the thing, the second counts it.
        if let Some(table) = &block.table {
            for row in std::iter::once(&table.head).chain(&table.rows) {
                let whole: String = row
                    .cells
                    .iter()
                    .map(|c| c.plain.trim())
                    .collect::<Vec<_>>()
                    .join(" | ");
                for cell in &row.cells {
                    shares(
                        doc,
                        cell,
                        &whole,
                        (in_summary, doc.about[i].is(Part::Timeline)),
                        facts,
                    );
                }
                if in_summary || doc.about[i].is_empty() {
                    quantities(doc, &whole, row.range.start, facts);
                }
            }
        } else {
            shares(
                doc,
                &block.text,
                "",
                (in_summary, doc.about[i].is(Part::Timeline)),
                facts,
            );
            if in_summary {
                quantities(doc, &block.text.plain, block.range.start, facts);
            }
        }
    }
    facts.quantities.sort_by_key(|a| (a.line, a.kind));
    data_statements(doc, facts);
}

fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    for cut in pattern!(r"[.!?;]\s+|\n| \| ").find_iter(text) {
        out.push(start..cut.start());
        start = cut.end();
    }
    out.push(start..text.len());
    out
}

fn shares(
    doc: &Doc<'_>,
    text: &Text,
    row: &str,
    (in_summary, in_timeline): (bool, bool),
    facts: &mut Facts,
) {
    for range in sentences(&text.plain) {
        if facts.affected.len() > 2_000 {
            return;
        }
        let sentence = &text.plain[range.clone()];
        let whole = if row.is_empty() { sentence } else { row };
        let fractions = number::fractions(sentence);
        let percents = number::percents(sentence);
        // A row of a table is named by its first cell.
        let noun = if row.is_empty() {
            noun_of(sentence)
        } else {
            noun_of(whole)
        }
        .unwrap_or_default();
        for percent in &percents {
            if other_measure(sentence, &percent.range)
                || text.is_quoted(range.start + percent.range.start)
            {
                continue;
            }
            let near = nearest(&fractions, &percent.range);
            // "35 % of 11,770 sessions" names the whole and so the part.
            let of = pattern!(
                r"^\W{0,3}(?:of|from) (?:the |all |our |about |~|some )*(\d[\d,.]*(?:k\b)?)"
            )
            .captures(&sentence[percent.range.end..]);
            let whole_count = of.and_then(|f| number::parse(f[1].trim_end_matches(['.', ','])));
            let after = noun_after(sentence, percent.range.end);
            let direct = after.is_some() && !in_timeline;
            let own = after.unwrap_or_else(|| noun.clone());
            if own.is_empty() {
                continue;
            }
            facts.affected.push(Affected {
                percent: Some(percent.value),
                noun: own,
                part: near.map(|f| f.part),
                whole: near.map(|f| f.whole).or(whole_count),
                in_summary,
                direct,
                qualified: is_qualified(whole, sentence, &percent.range),
                line: doc
                    .source
                    .place(text.source(range.start + percent.range.start))
                    .line,
                range: text.source_range(
                    range.start + percent.range.start..range.start + percent.range.end,
                ),
                sentence: whole.to_owned(),
            });
        }
    }
}

/// A moment or a subset: another figure elsewhere is no contradiction.
fn is_qualified(whole: &str, sentence: &str, at: &Range<usize>) -> bool {
    let before =
        &sentence[crate::source::floor_boundary(sentence, at.start.saturating_sub(24))..at.start];
    let after = &sentence[at.end..crate::source::floor_boundary(sentence, at.end + 24)];
    pattern!(r"(?i)\b(?:from|to|by|under|below|over|above|until|another|further|remaining|other|up to|than|within)\W*$").is_match(before)
        || pattern!(r"^\W*(?:→|->|to \d|then|at (?:the )?(?:peak|worst)|(?i:before|after|during|later|more|fewer|higher|lower))").is_match(after)
        || pattern!(r"(?i)\b(?:peak|mean|average|worst|mobile|region|europe|shard|cluster|cpu|retr\w*|slower|per (?:second|minute|hour)|before|error rate|waited|of them|of those)\b").is_match(sentence)
        || pattern!(r"(?i)\b(?:peak|mean|worst)\b").is_match(whole) && whole.len() < 200
}

fn nearest<'a>(fractions: &'a [Fraction], at: &Range<usize>) -> Option<&'a Fraction> {
    fractions.iter().min_by_key(|f| {
        if f.range.end <= at.start {
            at.start - f.range.end
        } else {
            f.range.start.saturating_sub(at.end)
        }
    })
}

/// The first noun of people or work in a sentence.
fn noun_of(sentence: &str) -> Option<String> {
    pattern!(r"[A-Za-z][A-Za-z-]*")
        .find_iter(sentence)
        .map(|m| m.as_str().to_lowercase())
        .find(|word| people().is_match(word) || work().is_match(word))
}

fn noun_after(sentence: &str, at: usize) -> Option<String> {
    let rest = &sentence[at..];
    let rest = &rest[..rest.find([',', ';', '(', '.']).unwrap_or(rest.len())];
    let words: Vec<String> = pattern!(r"[A-Za-z][A-Za-z-]*")
        .find_iter(rest)
        .take(6)
        .map(|m| m.as_str().to_lowercase())
        .collect();
    if let Some(known) = words
        .iter()
        .find(|w| people().is_match(w) || work().is_match(w))
    {
        return Some(known.clone());
    }
    // "30 % of learners could not …": whoever it is, something was done to them.
    let hurt = pattern!(
        r"(?i)^\W*of (?:all |our |the |active )*([a-z]+s)(?: \w+ \w+)? (?:could|were|was|saw|got|had|have|did|failed|lost|received|experienced|who|in|waited|missed|met)\b"
    );
    hurt.captures(rest).map(|f| f[1].to_lowercase()).filter(|w| !pattern!(r"^(?:errors|connections|servers|nodes|pods|replicas|cores|slots|threads|samples|waits|times|minutes|hours|seconds|days|months|years|tests|alerts|machines|hosts|hits|disks|workers|processors|partitions|shards|keys|blocks)$").is_match(w))
}

fn quantities(doc: &Doc<'_>, words: &str, at: usize, facts: &mut Facts) {
    if facts.quantities.len() > 2_000 {
        return;
    }
    let line = doc.source.place(at).line;
    let mut add = |kind: QuantityKind, says: &str, value: Option<f64>| {
        facts.quantities.push(Quantity {
            kind,
            says: says.trim().to_owned(),
            value,
            line,
        });
    };
    for count in number::counts(words, people()) {
        add(
            QuantityKind::People,
            &words[count.range.clone()],
            Some(count.value),
        );
    }
    for count in number::counts(words, work()) {
        add(
            QuantityKind::Work,
            &words[count.range.clone()],
            Some(count.value),
        );
    }
    let lower = words.to_lowercase();
    for percent in number::percents(words) {
        let start = crate::source::floor_boundary(words, percent.range.start.saturating_sub(60));
        let end = crate::source::floor_boundary(words, percent.range.end + 60);
        let near = words[start..end].to_lowercase();
        if pattern!(r"\b(?:budget|slo)\b").is_match(&near) {
            add(
                QuantityKind::Budget,
                &words[percent.range.clone()],
                Some(percent.value),
            );
        } else if pattern!(
            r"\berror(?:s| rate)?\b|\bfail\w*|\b5xx\b|\b50\d\b|\brejected\b|\btimed? ?out"
        )
        .is_match(&near)
            && !pattern!(r"\b(?:users|customers)\b").is_match(&near)
        {
            add(
                QuantityKind::Errors,
                &words[percent.range.clone()],
                Some(percent.value),
            );
        } else if let Some(noun) = noun_of(&near) {
            let kind = if people().is_match(&noun) {
                QuantityKind::People
            } else {
                QuantityKind::Work
            };
            add(kind, &words[percent.range.clone()], Some(percent.value));
        }
    }
    for fraction in number::fractions(words) {
        if let Some(noun) = noun_of(&lower) {
            let kind = if people().is_match(&noun) {
                QuantityKind::People
            } else {
                QuantityKind::Work
            };
            add(kind, &words[fraction.range.clone()], Some(fraction.part));
        }
    }
    if pattern!(r"\b(?:latency|p50|p90|p95|p99|response times?|wait(?:s|ed|ing)?|load(?:ing)? times?|slow|median|percentile|delay(?:s|ed)?|took|lag|page loads?|seconds)\b").is_match(&lower) {
        if let Some(span) = duration::spans(words).into_iter().find(|s| s.length.as_secs() < 900) {
            add(QuantityKind::Latency, &words[span.range.clone()], Some(span.length.as_secs_f64()));
        }
        if pattern!(r"(?i)\b(?:lag|delay\w*|late|behind|stale)\b").is_match(words)
            && let Some(span) = duration::spans(words).into_iter().find(|s| s.length.as_secs() >= 900) {
                add(QuantityKind::Latency, &words[span.range.clone()], Some(span.length.as_secs_f64()));
            }
    }
    if let Some(found) = pattern!(r"(?i)\d[\d,]*\s+(?:[a-z-]+\s){0,2}(?:tickets?|complaints?|support (?:calls?|contacts?|requests?|cases?))\b|\btickets?\b[^|.]{0,12}\d+").find(words) {
        add(QuantityKind::Tickets, found.as_str(), None);
    }
    if let Some(found) = pattern!(r"(?:[$€£]|USD|EUR|GBP|KES|CHF)\s?\d[\d,.]*|\b\d[\d,.]*\s?(?:USD|EUR|GBP|KES|CHF|dollars|euros|pounds)\b").find(words) {
        add(QuantityKind::Money, found.as_str(), None);
    }
    if let Some(found) = pattern!(r"(?i)\b\d[\d,.]*\s?(?:(?:[a-z-]+\s){0,2}(?:rows?|records?|files?|objects?|documents?|entries|images|photos|backups)|(?:KB|MB|GB|TB|KiB|MiB|GiB|TiB)\b)").find(words) {
        add(QuantityKind::Data, found.as_str(), None);
    }
    if pattern!(r"\b(?:slo|error budget)\b").is_match(&lower)
        && lower.chars().any(|c| c.is_ascii_digit())
        && number::percents(words).is_empty()
    {
        add(QuantityKind::Budget, "SLO", None);
    }
}

fn data_statements(doc: &Doc<'_>, facts: &mut Facts) {
    let lost = pattern!(
        r"(?i)\bdata[- ]?(?:loss|lost|integrity|corruption|leak\w*|exposure|breach)\b|\b(?:no|any|some|all|zero|customer|user|personal|committed|stored|patient|payment|order) data\b[^.|]{0,60}\b(?:lost|corrupt\w*|leak\w*|expos\w*|damag\w*|affected|safe|intact|missing|compromis\w*|delet\w*|at risk|disclosed|touched|altered)|\b(?:nothing|none|no (?:\w+ ){1,4}?(?:\w+)|no \w+)\b[^.|]{0,30}\b(?:(?:was|were|is|are|been|has been|have been|got) (?:ever )?(?:lost|corrupt\w*|leaked|duplicated|exposed|damaged|dropped|overwritten)|lost\b|went missing)|\b(?:lost|corrupt\w*|leak(?:ed)?|duplicat\w*|overwrit\w*|delet(?:ed|ion of)|missing)\b[^.|]{0,40}\b(?:rows?|records?|data|orders?|messages?|events?|files?|writes?|transactions?|payments?|emails?|entries|uploads?|objects?|comments?|edits?|invoices?|images?|photos?)\b|\b(?:rows?|records?|orders?|messages?|events?|files?|writes?|payments?|entries|edits?|comments?|uploads?|objects?|jobs?|backups?|transactions?)\b[^.|]{0,40}\b(?:(?:was|were|are|been|is) (?:permanently )?(?:lost|corrupt\w*|leaked|duplicated|missing|overwritten|truncated|deleted)|lost\b|had been lost)|\bwithout (?:data )?loss\b|\bdata (?:was |were |is |are )?(?:not |never )?(?:lost|corrupted|leaked|safe|intact)\b|\b(?:writes|orders|messages|events|requests) (?:were )?(?:rejected|queued|retried|buffered|replayed)[^.|]{0,20}\b(?:not|none|nothing|and|,)[^.|]{0,10}\b(?:dropped|lost)"
    );
    let worked = pattern!(
        r"(?i)\b(?:kept|keeps|continued|carried on|stayed|remained|went on)\b[^.|]{0,40}\b(?:work\w*|available|serv\w*|up|healthy|unaffected|operational|normal\w*|respons\w*|process\w*|function\w*|fine|online|reachable|taking|accept\w*|run\w*|open|correct|deliver\w*|as usual)|\b(?:not|un|never)[- ]?(?:affected|impacted|touched|involved)\b|\bstill (?:work\w*|available|serv\w*|reachable|up|ran|run|went|could|accept\w*)|\b(?:unaffected|unimpacted|untouched)\b|\bno (?:impact|effect) (?:on|to)\b|\bcontinued\b|\bwhat (?:kept|still|continued)|\b(?:worked|ran|behaved|served|was|were) (?:as usual|normally|normal|throughout|fine)\b|\bremained\b|\bdid not (?:affect|touch|impact)\b|\b(?:other|all other) (?:services?|regions?|pools?|endpoints?|features?|products?|pages?)\b[^.|]{0,40}\b(?:healthy|normal|fine|worked|ok)"
    );
    for (i, block) in doc.blocks() {
        if block.quoted || doc.about[i].any(&[Part::Actions]) || block.kind == Kind::Code {
            continue;
        }
        for text in row_texts(block) {
            if facts.data_lost.is_none()
                && let Some(found) = lost.find(&text.0)
            {
                facts.data_lost = Some(Said::new(
                    doc,
                    sentence_at(&text.0, found.start()),
                    text.1.clone(),
                ));
            }
            if facts.still_worked.is_none()
                && !doc.about[i].is(Part::WentWrong)
                && let Some(found) = worked.find(&text.0)
            {
                facts.still_worked = Some(Said::new(
                    doc,
                    sentence_at(&text.0, found.start()),
                    text.1.clone(),
                ));
            }
        }
    }
}

/// The texts of a block; of a table its rows.
fn row_texts(block: &crate::tree::Block) -> Vec<(String, Range<usize>)> {
    match &block.table {
        Some(table) => std::iter::once(&table.head)
            .chain(&table.rows)
            .map(|row| {
                (
                    row.cells
                        .iter()
                        .map(|c| c.trimmed())
                        .collect::<Vec<_>>()
                        .join(" "),
                    row.range.clone(),
                )
            })
            .collect(),
        None => vec![(block.text.plain.clone(), block.range.clone())],
    }
}

fn sentence_at(text: &str, at: usize) -> &str {
    sentences(text)
        .into_iter()
        .find(|range| range.contains(&at))
        .map_or(text, |range| text[range].trim())
}
