//! IR22 to IR25: whether the cause is one.

use super::{Cx, Hit};
use crate::facts::Tag;
use crate::facts::part::Part;
use crate::tree::{Form, Kind};
use crate::words::{duration, number, pattern};

/// What happened to the system, which is not why.
fn mechanism() -> &'static regex::Regex {
    pattern!(
        r"(?i)\b(?:(?:connection )?pool(?: \w+)? exhaust\w*|exhaust\w*|overload\w*|out of memory|oom\b|memory (?:leak|pressure|exhaustion)|high (?:load|cpu|memory|traffic)|(?:a |software )?bug\b|network (?:issue|problem|glitch|error)s?|timeouts?|crash\w*|deadlock\w*|insufficient\b|not sufficient|too small|inadequate\w*|increased (?:number|demand|load|traffic)|peak (?:hours|traffic|load|demand)|resource (?:contention|exhaustion|shortage)|misconfigur\w*|disk (?:full|space)|hardware (?:failure|fault)|capacity|server (?:error|failure|issue)s?|database (?:issue|problem|failure|error)s?|degraded performance|latency|heavy load|spike)\b"
    )
}

/// The words of the cause and of what set it off.
fn cause_words(cx: &Cx<'_>) -> String {
    cx.doc
        .words_about(&[Part::Cause, Part::Trigger, Part::Factors])
}

/// A number that says something: not a clock, a date, an id.
fn figures(words: &str) -> usize {
    let bare = pattern!(r"\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?|\d{4}-\d{2}-\d{2}|\b[A-Z]+-?\d+\b|\[[A-Z]?\d+\]|^\s*\d+[.)]|\b20\d\d\b").replace_all(words, " ");
    pattern!(r"\d[\d.,]*").find_iter(&bare).count()
}

/// A change, a choice or an omission that came before: a release, a setting, a campaign, a limit
/// that was set once.
fn change(words: &str) -> bool {
    pattern!(r"(?i)\b(?:deploy\w*|(?:the|this|that|a|new|of|in) releases?|released|release \d|roll(?:ed)?[ -]?out|merged?|migration|upgraded?|configuration (?:change|file|release)|config (?:change|release|file)|commit \w+|feature flag|campaign (?:start|went|sent|brought|mail|began|launch)\w*|(?:mail|marketing|ad|advertising) campaign|newsletter|mail to|batch size|backfill|cron|import(?:ed)?|expir\w*|certificate|hard-?coded|(?:was|were|is|are|had been|been) (?:\w+ )?(?:set|chosen|written|added|removed|changed|introduced|replaced|moved|renamed|switched|reduced|enabled|left out|renewed|built|sized|copied|applied|given|locked|started|closed|deleted)|since (?:january|february|march|april|may|june|july|august|september|october|november|december|the (?:move|last|upgrade|release|migration)|20\d\d|version)|never (?:closed|returned|released|freed|drops?|asked|cleaned|removed)|no longer|locks? (?:each|every|a|the)|leak(?:ed|s|ing)?|retr(?:y|ies)|without (?:a |an |any )?(?:limit|timeout|jitter|index|pause|bound)|no (?:limit|timeout|jitter|index|bound|upper)|default (?:of|is|was|applied)|turned off|needs an? exclusive)\b").is_match(words)
}

pub(super) fn not_a_mechanism(cx: &Cx<'_>) -> Vec<Hit> {
    let words = cause_words(cx);
    let mut out = Vec::new();
    let inline = cx.doc.sections_of(Part::Cause).find(|(_, s)| {
        s.form == Form::Heading && cx.doc.tree.blocks[s.head].text.plain.contains(": ")
    });
    if words.trim().is_empty() && inline.is_none() {
        return out;
    }
    let prose: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let because = pattern!(r"(?i)\b(?:because|since|due to the fact|as a result of (?:a|the) (?:change|deploy|release)|after (?:the|a|an|we)|introduced|so that|which meant|meant that|therefore|every time|whenever)\b").is_match(&prose);
    // Lengths of time tell how long it took, not why it came to it.
    let count = figures(
        &pattern!(r"(?i)\d[\d.,]*\s?(?:h|hours?|min|minutes?|days?)\b").replace_all(&prose, " "),
    );
    let changed = change(&strip_symptoms(&prose));
    let backed = count >= 2 && (changed || because || compares(&prose))
        || changed && (count >= 1 || because || prose.split_whitespace().count() >= 30);
    if backed {
        return out;
    }
    let short = prose.split_whitespace().count() < 12;
    if !mechanism().is_match(&prose) && inline.is_none() && !short {
        return out;
    }
    let said = mechanism().find(&prose).map_or_else(
        || prose.chars().take(60).collect(),
        |m| m.as_str().to_lowercase(),
    );
    let fix = "say why on this day: did supply shrink, did demand rise, or was each piece of work slower, and by how much?";
    if let Some((_, section)) = inline {
        out.push(
            Hit::new(
                cx.doc.head_range(section),
                format!(
                    "\"{}\" is how it failed, not why",
                    cx.doc.tree.blocks[section.head]
                        .text
                        .plain
                        .split(": ")
                        .nth(1)
                        .unwrap_or(&said)
                ),
            )
            .fix(fix),
        );
    }
    // The passage that asserts it.
    let passage = cx.doc.blocks().find(|(i, b)| {
        !b.is_head()
            && !b.quoted
            && cx.doc.about[*i].any(&[Part::Cause])
            && b.texts().any(|t| mechanism().is_match(&t.plain) || short)
    });
    if let Some((_, block)) = passage {
        out.push(
            Hit::new(
                block.range.clone(),
                format!("\"{said}\" is how it failed; nothing says why it came to that"),
            )
            .fix(fix),
        );
    }
    out
}

/// Need against supply: "need 26, there were 20", "from 600/s to 1,140/s".
fn compares(prose: &str) -> bool {
    pattern!(r"(?i)\b(?:need\w*|where|against|instead of|than|usual\w*|before|from \d[^.]{0,30} to \d|of only|but|while)\b|×|→").is_match(prose)
}

/// "Database connection pool" and "query" in the description of what users saw are no change.
fn strip_symptoms(prose: &str) -> String {
    pattern!(r"(?i)\b(?:connection reuse|to handle the|users? experienced[^.]*|as a result[^.]*|to resolve[^.]*)").replace_all(prose, " ").into_owned()
}

pub(super) fn told_apart(cx: &Cx<'_>) -> Vec<Hit> {
    let facts = cx.facts;
    if !cx
        .doc
        .sections
        .iter()
        .any(|s| s.parts.any(&[Part::Cause, Part::Trigger, Part::Factors]))
    {
        return Vec::new();
    }
    let place = cause_place(cx);
    let row = facts.rows.iter().any(|r| {
        r.tags.contains(&Tag::Trigger) && pattern!(r"(?i)\btrigger\b").is_match(&r.line_text)
    });
    let trigger = facts.trigger.is_some() || row;
    let all = cause_words(cx);
    let alone = pattern!(r"(?i)\b(?:only|single|one|no other|no further|sole)\b[^.\n]{0,40}\b(?:factor|cause|reason)\b|\bshows? one;|\bno (?:further |other )?contributing\b").is_match(&all);
    let factors = facts.factors.len() >= 2 || alone;
    let message = match (trigger, factors) {
        (false, false) => {
            "neither a trigger nor contributing factors: why this day, and what else made it possible?"
        }
        (false, true) => "no trigger: why this day and not another?",
        (true, false) => {
            "fewer than two contributing factors, and no word on why there is only one"
        }
        (true, true) => return Vec::new(),
    };
    vec![Hit::new(place, message).fix("label them: **Trigger.** what set it off; **Cause.** why it could; **Contributing factors.** F1, F2 …")]
}

/// The first passage about the cause, else its heading.
pub(super) fn cause_place(cx: &Cx<'_>) -> std::ops::Range<usize> {
    cx.doc
        .blocks()
        .find(|(i, b)| !b.is_head() && !b.quoted && cx.doc.about[*i].is(Part::Cause))
        .map_or_else(|| cx.doc.place_of(&[Part::Cause]), |(_, b)| b.range.clone())
}

pub(super) fn backed(cx: &Cx<'_>) -> Vec<Hit> {
    let doc = cx.doc;
    let parts = [
        Part::Cause,
        Part::Trigger,
        Part::Factors,
        Part::FalseLeads,
        Part::Detection,
        Part::Response,
        Part::Timeline,
        Part::Evidence,
    ];
    if !doc.sections.iter().any(|s| s.parts.any(&[Part::Cause])) {
        return Vec::new();
    }
    let mut proof = false;
    for (i, block) in doc.blocks().filter(|(i, _)| doc.about[*i].any(&parts)) {
        let cause =
            doc.about[i].any(&[Part::Cause, Part::Trigger, Part::Factors, Part::FalseLeads]);
        if block.kind == Kind::Code {
            proof |= cause;
            continue;
        }
        for text in block.texts() {
            let identifies = cause || pattern!(r"(?i)\b(?:cause|identif\w*|found|show\w*|confirm\w*|trace\w*|diagnos\w*|pinpoint\w*|reveal\w*)\b").is_match(&text.plain);
            if !identifies {
                continue;
            }
            let linked = !text.links.is_empty();
            let mark = pattern!(r"\[[A-Z]\d+\]|\[\d+\]|\[\^").is_match(&text.plain);
            let query = text.code.iter().any(|c| pattern!(r"(?i)\b(?:select|show|explain|pg_stat|grep|kubectl|log|metric|_total|_seconds|rate\()").is_match(text.plain.get(c.clone()).unwrap_or_default()))
                || pattern!(r"(?i)\bpg_(?:stat|locks)\w*|\bSHOW (?:POOLS|CLIENTS|SERVERS|STATS)\b|\b(?:heap|thread|core) dump|\bflame ?graph|\bEXPLAIN\b|\bslow (?:query )?log\b|\bstack trace\b|\bprofil(?:e|er|ing)\b").is_match(&text.plain);
            let measured = !number::fractions(&text.plain).is_empty()
                || !number::percents(&text.plain).is_empty()
                || duration::spans(&text.plain).iter().any(|s| s.length.as_secs() < 600 && text.plain[s.range.clone()].starts_with(|c: char| c.is_ascii_digit()))
                || pattern!(r"(?i)\b\d[\d,.]*\s?(?:/s|per second|per minute|rps|qps|tps|connections?|requests?|clients?|sessions?|servers?|rows?|[kmgt]i?b\b|threads?|locks?|queries|transactions?|messages?|workers?|users?|pods?|replicas?|entries|retries|times\b|jobs?|files?|inodes|records?|events?|nodes?|buckets?|partitions?|keys?|calls?)").is_match(&text.plain);
            // A count in the analysis that is no clock, date or id: "holds 12,600 quotes".
            let counted = cause
                && {
                    let bare = bare_of_stamps(&text.plain);
                    pattern!(r"\d{1,3}(?:,\d{3})+|\b\d{3,}\b|\b\d+\.\d+\b").is_match(&bare)
                    || pattern!(r"(?i)\b(?:log|graph|dashboard|trace|dump|metric|query|table|capture|profile)s?\b").is_match(&bare) && pattern!(r"\b\d+\b").is_match(&bare)
                };
            proof |= linked || mark || query || measured || counted;
        }
    }
    if proof {
        return Vec::new();
    }
    let row = cx.facts.row(Tag::Identified);
    let place = row.map_or_else(|| cause_place(cx), |r| r.range.clone());
    let mut out = vec![
        Hit::new(
            place,
            "the cause is asserted: no number, query, graph or log shows how it was identified",
        )
        .fix("give what showed it: the query and its result, the graph, the log line"),
    ];
    if row.is_some() && doc.sections.iter().any(|s| s.parts.is(Part::Cause)) {
        let range = cause_place(cx);
        let range = last_cause_passage(cx).unwrap_or(range);
        out.push(
            Hit::new(range, "nothing here backs the cause with a measurement")
                .fix("give what showed it: the query and its result, the graph, the log line"),
        );
    }
    out
}

/// Without clocks, dates and ids.
fn bare_of_stamps(text: &str) -> String {
    let mut bare = text.to_owned();
    for stamp in crate::words::clock::stamps(text).into_iter().rev() {
        bare.replace_range(stamp.range.clone(), &" ".repeat(stamp.range.len()));
    }
    pattern!(r"\b[A-Z]{2,}-?\d+\b|\b20\d\d\b")
        .replace_all(&bare, " ")
        .into_owned()
}

fn last_cause_passage(cx: &Cx<'_>) -> Option<std::ops::Range<usize>> {
    cx.doc
        .blocks()
        .find(|(i, b)| {
            !b.is_head()
                && !b.quoted
                && cx.doc.about[*i].is(Part::Cause)
                && mechanism().is_match(&b.text.plain)
        })
        .map(|(_, b)| b.range.clone())
}

/// A thing that has a size, beside a word that says it ran short or was changed.
pub(super) fn sized_resource(cx: &Cx<'_>) -> Vec<Hit> {
    let doc = cx.doc;
    let resource = pattern!(
        r"(?i)\b(?:(?:connection |thread |worker )?pools?(?: size)?|connections?|max_connections|memory|heap|disk(?: space)?|cpus?|threads?|workers?|replicas?|queues?|file descriptors?|inodes?|shards?|quota|bandwidth|storage|volume|partitions?|capacity|tablespace|buffers?)\b"
    );
    let short = pattern!(
        r"(?i)\b(?:exhaust\w*|full|ran out|run out|out of|saturat\w*|insufficient|too small|undersized|limit\w*|in use|maxed|at (?:its|the) (?:limit|max\w*|ceiling)|filled|fills|starv\w*|shortage|increas\w*|rais\w*|enlarg\w*|resiz\w*|scal(?:e|ed|ing)|doubled|bump\w*|expand\w*|extend\w*|grew|grow\w*|inadequate|overflow\w*|backlog|depth)\b"
    );
    let mut concerns = None;
    let (mut sizes, mut before_and_after) = (false, false);
    let mut changed: Option<(std::ops::Range<usize>, bool)> = None;
    let parts = [
        Part::Summary,
        Part::Impact,
        Part::Timeline,
        Part::Cause,
        Part::Trigger,
        Part::Factors,
        Part::Resolution,
        Part::Recovery,
        Part::Response,
        Part::Detection,
        Part::FalseLeads,
        Part::Evidence,
    ];
    for (i, block) in doc.blocks() {
        if block.quoted || !(doc.about[i].any(&parts) || doc.title == Some(i)) {
            continue;
        }
        let central = doc.about[i].any(&[
            Part::Cause,
            Part::Resolution,
            Part::Recovery,
            Part::Summary,
            Part::Timeline,
        ]) || doc.title == Some(i);
        for text in block.texts() {
            let words = &text.plain;
            for sentence in words.split_inclusive(['.', '\n', ';']) {
                if !resource.is_match(sentence) {
                    continue;
                }
                let bare = pattern!(r"\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?|\d{4}-\d{2}-\d{2}|\b[A-Z]+-?\d+\b|\[[A-Z]?\d+\]").replace_all(sentence, " ");
                let n = pattern!(r"\b\d[\d,.]*\b").find_iter(&bare).count();
                sizes |= n >= 2
                    || n == 1
                        && pattern!(r"(?i)\b\d[\d,]* (?:of|out of|/)|\d\s?%|→|\bof \d")
                            .is_match(&bare);
                let whole = pattern!(r"(?i)\b\d[\d,.]*\s?(?:[kmgt]i?b )?(?:of|out of|→|->) \d|\bfrom \d[\d,.]*\s?\w* to \d|\d[\d,.]*\s?(?:\w+ )?(?:used )?before\b").is_match(&bare);
                before_and_after |= whole;
                if short.is_match(sentence)
                    && central
                    && concerns.is_none()
                    && near(sentence, resource, short)
                {
                    concerns = Some(text.whole());
                }
            }
            let grown = pattern!(
                r"(?i)\b(?:increas\w*|rais\w*|enlarg\w*|resiz\w*|bump\w*|doubled|expand\w*|adjust\w*) (?:the |its |our |database |connection |max\w* |maximum |\w+'?s )*(?:connection )?(?:pool(?: size)?|max_connections|memory(?: limit)?|heap|disk|replicas?|workers?|threads?|consumers?)\b|\b(?:pools?(?: size)?|limit|memory|heap|disk|replicas?|workers?|threads?|consumers|volume|capacity|servers) (?:was |were |is |are |had been |has been )(?:\w+ly )?(?:increased|raised|enlarged|resized|doubled|expanded|made (?:larger|bigger))\b|\b(?:gets?|got|given|gave|had) (?:\w+ )?(?:more memory|a larger heap|more (?:disk|capacity|threads|workers|connections)|bigger)\b|\bmore memory\b|\bpool gets bigger\b|\bdisk (?:was )?made bigger\b|\blarger heap\b|\bmore (?:pods|replicas|instances|nodes|workers|consumers|threads|connections) (?:were|was) (?:added|started)\b"
            );
            if doc.about[i].any(&[
                Part::Timeline,
                Part::Resolution,
                Part::Recovery,
                Part::Response,
                Part::Summary,
                Part::Cause,
            ]) && let Some(found) = grown.find(words)
            {
                let rest =
                    &words[found.end()..crate::source::floor_boundary(words, found.end() + 60)];
                let both = pattern!(r"(?i)\bfrom [^.]{0,20}\d[^.]{0,24}\bto [^.]{0,12}\d|\d[\d,]*\s?(?:[A-Za-z]+\s)?(?:→|->)\s?\d").is_match(rest) || pattern!(r"(?i)\d[\d,]*\s?(?:→|->)\s?\d").is_match(words);
                match &mut changed {
                    Some((_, ok)) => *ok |= both,
                    None => changed = Some((text.source_range(found.range()), both)),
                }
            }
        }
        if let Some(table) = &block.table {
            // A table of the resource before, during and after.
            let head = table
                .head
                .cells
                .iter()
                .map(|c| c.plain.to_lowercase())
                .collect::<Vec<_>>()
                .join(" ");
            before_and_after |= head.contains("before");
            sizes |= head.contains("before")
                && table
                    .rows
                    .iter()
                    .any(|r| r.cells.iter().any(|c| resource.is_match(&c.plain)));
            for row in &table.rows {
                let line = row
                    .cells
                    .iter()
                    .map(|c| c.plain.as_str())
                    .collect::<Vec<_>>()
                    .join(" ");
                sizes |= resource.is_match(&line) && pattern!(r"(?i)\b\d[\d,]* (?:of|out of|/) \d|\d[\d,]*\s?(?:→|->)\s?\d|\bfrom \d[\d,]* to \d").is_match(&line);
            }
        }
    }
    let fix = "give its size and its use before, during and after: `pool 20 → 34, in use 20 of 20, 141 waiting`";
    match (&concerns, &changed) {
        (_, Some((range, false))) if !(sizes && before_and_after) => {
            let mut out = vec![
                Hit::new(
                    range.clone(),
                    "the size was changed, but not from what to what",
                )
                .fix(fix),
            ];
            if let Some(row) = cx
                .facts
                .row(Tag::Identified)
                .filter(|r| resource.is_match(&r.line_text))
            {
                out.push(
                    Hit::new(
                        row.range.clone(),
                        "the resource that ran short is not quantified",
                    )
                    .fix(fix),
                );
            }
            out
        }
        (Some(range), _) if !sizes => vec![
            Hit::new(
                range.clone(),
                "the resource that ran short is not quantified: how large, how much of it in use?",
            )
            .fix(fix),
        ],
        _ => Vec::new(),
    }
}

/// Both words close together: "the pool was exhausted", not a pool here and a limit there.
fn near(sentence: &str, a: &regex::Regex, b: &regex::Regex) -> bool {
    a.find_iter(sentence).any(|x| {
        b.find_iter(sentence).any(|y| {
            let gap = if x.end() <= y.start() {
                y.start() - x.end()
            } else {
                x.start().saturating_sub(y.end())
            };
            gap <= 24
        })
    })
}
