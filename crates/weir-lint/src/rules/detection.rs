//! IR18, IR19 and IR26: how it was noticed, where people looked in vain, why it was a surprise.

use super::{Cx, Hit};
use crate::facts::part::Part;
use crate::facts::{ActionType, DetectedBy, Tag};
use crate::finding::Severity;
use crate::words::pattern;

/// An action that makes it seen sooner, with a signal that can be measured.
pub(super) fn detect_action(cx: &Cx<'_>) -> bool {
    cx.facts.actions.iter().any(|action| {
        let words = format!("{} {}", action.says, action.words).to_lowercase();
        let watches = action.kind == Some(ActionType::Detect)
            || pattern!(r"\balert\w*|\bmonitor\w*|\bpage[sd]?\b|\balarm\w*|\bprobe\w*|\bdetect\w*|\bwatch\w*|\bsynthetic|\bcheck\b|\bnotif\w*|\bburn[- ]rate|\bdashboard|\bcanary").is_match(&words);
        let work = &action.words;
        let signal = has_signal(work) || has_signal(&action.says) || action.verify.as_deref().is_some_and(has_signal);
        watches && signal
    })
}

/// A threshold, a metric by name, or a condition.
fn has_signal(text: &str) -> bool {
    // A due date has digits too.
    let text = pattern!(r"\d{4}-\d{2}-\d{2}|\b(?:P|A|Q|F|AI-?)\d\b|\b[A-Z]{2,}-\d+\b|\b20\d\d\b")
        .replace_all(text, " ")
        .to_lowercase();
    pattern!(r"(?:<|>|≤|≥|above|below|over|under|exceed\w*|more than|less than|at least|within|longer than|older than|drops?|beyond|reach\w*|for)\s?(?:the )?(?:\w+ )?\d|\d\s?(?:%|ms\b|s\b|min\b|minutes?|seconds?|h\b|percent|/s)|\bp9\d\b|\b[a-z]+_[a-z_]+\b|\bwhen(?:ever)?\b[^.]{4,}|\bon (?:any|every|the first)\b|\bif (?:the |any |a |no )?\w+|\bbefore (?:the|any|a)\b|\b(?:first|one|two|three|five|ten) ").is_match(&text)
}

pub(super) fn how_detected(cx: &Cx<'_>) -> Vec<Hit> {
    let detected = cx.facts.row(Tag::Detected);
    let place = detected.map(|row| row.range.clone()).unwrap_or_else(|| {
        cx.doc
            .place_of(&[Part::Detection, Part::Timeline, Part::Summary])
    });
    let mut out = Vec::new();
    match cx.facts.detected_by {
        None => out.push(
            Hit::new(place, "the report doesn't say how it was detected")
                .fix("name the alert with its threshold, or say that customers or an engineer were first"),
        ),
        Some(by @ (DetectedBy::Customer | DetectedBy::Engineer)) if !detect_action(cx) => {
            let who = if by == DetectedBy::Customer { "customers" } else { "a person" };
            let alert = cx.facts.rows.iter().find(|r| r.at > detected.and_then(|d| d.at) && pattern!(r"(?i)\balert|\bpage|\bmonitor|\balarm").is_match(&r.line_text));
            let ahead = match (detected.and_then(|d| d.at), alert.and_then(|a| a.at)) {
                (Some(first), Some(then)) => {
                    let lead = crate::words::duration::say(then.duration_since(first).unsigned_abs());
                    format!("{who} were {lead} ahead of the monitoring")
                }
                _ => format!("{who} noticed it before any alert"),
            };
            out.push(
                Hit::new(place, format!("{ahead}, and no action adds an alert with a signal and a threshold"))
                    .fix("add a detect action: alert when <metric> exceeds <threshold> for <minutes>"),
            );
            if let Some(alert) = alert {
                let named = pattern!(r"`|\b[a-z]+_[a-z_]+\b|[A-Z][a-z]+[A-Z]|\d\s?%|>|above|p9\d|threshold|burn").is_match(&alert.line_text);
                if !named {
                    out.push(
                        Hit::new(alert.range.clone(), "which alert, on which signal and threshold, and why not sooner?")
                            .fix("name the alert and its rule; say why it came after the users"),
                    );
                }
            }
        }
        _ => {}
    }
    out
}

pub(super) fn false_leads(cx: &Cx<'_>) -> Vec<Hit> {
    let leads = &cx.facts.false_leads;
    if leads.is_empty() {
        return vec![Hit::ask(
            cx.doc.place_of(&[Part::Timeline, Part::Cause]),
            "was anything suspected in vain, and what ruled it out?",
        )];
    }
    // One place that names the hypothesis and what killed it is enough for the leads around it.
    let hypothesis = pattern!(
        r"(?i)\b(?:suspect\w*|assum\w*|thought|believ\w*|blam\w*|hypothes[ei]s|theory|attribut\w*|ruled out|red herring|misled|misleading|wrong(?:ly)?|focus(?:ed|sed) on)\b\W+(?:\w+\W+){0,6}?(?:the |a |an |that |it was |by |was |as |:)?\s?[`\w-]{3,}"
    );
    let killed = pattern!(
        r"(?i)\bruled out\b|\bbut\b[^.]{0,120}\b(?:show\w*|normal|unchanged|same|flat|idle|only \d|no (?:anomal|error|lock|change)|stayed|within)|\b(?:because|since|as)\b [^.]{8,}|\bnormal\b|\bunchanged\b|\bflat\b|\bidle\b|\bno (?:anomal\w*|errors?|locks?|change|difference|effect|improvement|correlation)\b|\bdid not (?:help|change|match|explain)|\bshow(?:ed|s|n)? (?:that|no|nothing|only|\d)|\bdisprov\w*|\bexonerat\w*|\bwithin \d|\bstayed (?:at|below|under|flat|within)|\bno significant\b|\bhealthy\b|\bwere clean\b|\bwas clean\b|\bstill \d|\bhad not changed|\bexcluded\b|\bdismissed\b|\bdropped (?:when|after|once)|\bput aside\b|\bcleared of\b|\bno significant\b|\d"
    );
    let vague = pattern!(
        r"(?i)\bsomething is wrong\b|\bwrong (?:thing|way)\b|\bmisleading (?:assumption|lead|path|information|data)\b|\bwrong (?:assumption|lead|path|track|direction)\b|\bfalse (?:lead|assumption|trail)\b|\bred herring\b|\bassumption\b"
    );
    let part = leads.iter().any(|lead| {
        cx.doc.tree.blocks.iter().enumerate().any(|(i, b)| {
            b.range.start <= lead.range.start
                && lead.range.start <= b.range.end
                && cx.doc.about[i].is(Part::FalseLeads)
        })
    });
    let mut out = Vec::new();
    for lead in leads {
        let says = &lead.says;
        let names = hypothesis.is_match(says) && !(vague.is_match(says) && unnamed(says));
        if names && killed.is_match(&clockless(says)) {
            continue;
        }
        // What ruled it out may stand in the next sentence or row.
        let around = neighbourhood(cx, &lead.range);
        let names = names || hypothesis.is_match(&around) && !unnamed(says);
        if names && killed.is_match(&clockless(&around)) {
            continue;
        }
        if part && says.contains(" | ") {
            continue;
        }
        let what = if names {
            "nothing says what ruled it out"
        } else {
            "the wrong lead isn't named"
        };
        out.push(
            Hit::new(lead.range.clone(), format!("a wrong lead, but {what}"))
                .severity(Severity::Warning)
                .fix("name the hypothesis, why it was plausible, the number that killed it, and the minutes spent"),
        );
    }
    // Where most leads are told well, the odd one is a matter of taste.
    if out.len() * 2 <= leads.len()
        && !leads
            .iter()
            .any(|l| vague.is_match(&l.says) && unnamed(&l.says))
    {
        out.clear();
    }
    out
}

/// Times of day are digits, but rule nothing out.
fn clockless(text: &str) -> String {
    pattern!(r"\d{1,2}:\d{2}(?::\d{2})?|\d{4}-\d{2}-\d{2}")
        .replace_all(text, " ")
        .into_owned()
}

/// "Misleading assumption led to …": which one isn't said.
fn unnamed(says: &str) -> bool {
    pattern!(r"(?i)\b(?:misleading|wrong|false|incorrect|initial) (?:assumption|lead|path|track|trail|direction|information|metric|way|thing|signal|graph|place|idea|turn)s?\b")
        .find(says)
        .is_some_and(|found| {
            let rest = &says[found.end()..];
            pattern!(r"(?i)^[^.]{0,40}\b(?:wrong thing|something|for a while|completely wrong)\b").is_match(rest)
                || !pattern!(r"^\s*(?:that|:|\(|—|–|-|,? (?:namely|was that)|of an?\b|about)").is_match(rest)
        })
}

fn neighbourhood(cx: &Cx<'_>, range: &std::ops::Range<usize>) -> String {
    let blocks = &cx.doc.tree.blocks;
    let Some(i) = blocks.iter().position(|b| {
        b.range.start <= range.start && range.start <= b.range.end.max(b.range.start)
    }) else {
        return String::new();
    };
    let mut out = String::new();
    for block in &blocks[i..blocks.len().min(i + 1)] {
        if block.table.is_some() {
            // Only the row itself and the next.
            let rows = block
                .table
                .iter()
                .flat_map(|t| &t.rows)
                .filter(|r| r.range.end >= range.start)
                .take(1);
            for row in rows {
                for cell in &row.cells {
                    out.push_str(&cell.plain);
                    out.push(' ');
                }
            }
        } else {
            out.push_str(&block.text.plain);
            out.push(' ');
        }
    }
    out
}

pub(super) fn surprise(cx: &Cx<'_>) -> Vec<Hit> {
    let all = cx.doc.words_about(&[
        Part::Cause,
        Part::Trigger,
        Part::Factors,
        Part::Detection,
        Part::Lessons,
        Part::WentWrong,
        Part::Background,
    ]) + &untold(cx);
    // A heading or a label that asks it.
    let asked = cx.doc.sections.iter().any(|section| {
        let title = &cx.doc.tree.blocks[section.head].text.plain;
        pattern!(r"(?i)\bwhy\b.*\b(?:surpris\w*|caught|catch|see|saw|seen|notic\w*|sooner|earlier|unnoticed|alert\w*|tests?|monitor\w*|safeguards?)\b").is_match(title)
            && section.body.clone().any(|i| cx.doc.tree.blocks.get(i).is_some_and(|b| b.text.plain.split_whitespace().count() >= 6))
    });
    let answered = pattern!(
        r"(?i)\bwhy (?:were we|was (?:it|this) (?:not|a surprise)|it was not|nobody|no one|no alert|monitoring|tests?|review|did (?:no|nobody|monitoring|we not)|wasn't|not sooner|didn't|we did not)\b|\bsurprised?\b|(?:\b(?:not|never|nobody|no one|nothing|none)|n['’]t)\b[^.\n|]{0,50}\b(?:caught|catch|notic\w*|seen|saw|see (?:it|that|this)|detected|warned|alerted|compar\w*|watch\w*|looks? at|rehears\w*|exercised|load[- ]tested|tested)\b|\b(?:monitoring|alerts?|tests?|review|staging|canary|load tests?|rehearsals?|drills?|dry[- ]run|health check|dashboards?|probe|gauge|inventory|ci|nightly check|report)\b[^.\n|]{0,110}(?:\b(?:not|never|only|too|missed|blind|ignor\w*|averag\w*|silenced|excluded|hides?|hid|masked|without|on two|nearly empty|always|same as|one)\b|n['’]t\b|\bno \w+)|\bno (?:alert|test|check|probe|monitor\w*|limit alarm)\b[^.\n|]{0,40}\b(?:look|watch|read|compare|cover|resolve|exist|do|on|for)|\bblind (?:spot|to)\b|\bthreshold (?:was|is|stood|had been)\b[^.\n|]{0,40}\b(?:too|at|set|above|below)\b|\bunnoticed\b|\bslipped (?:through|past)\b|\bmasked\b"
    );
    if asked || answered.is_match(&all) {
        return Vec::new();
    }
    // A report that asks it of its own review is honest about it.
    let open = cx.doc.blocks().find(|(_, block)| {
        !block.quoted
            && pattern!(r"(?i)^\W*why\b[^?\n]{0,80}\b(?:seen|surpris\w*|caught|notic\w*|sooner|earlier)\b[^?\n]*\?\s*$").is_match(&block.text.plain)
    });
    if let Some((_, block)) = open.filter(|(i, _)| !cx.doc.tree.blocks[*i].is_head()) {
        return vec![Hit::ask(
            block.range.clone(),
            "the review still has to answer why this was a surprise",
        )];
    }
    let place = super::cause::cause_place(cx);
    let hit = Hit::new(
        place,
        "why was this a surprise: why did monitoring, tests and review not catch it sooner?",
    )
    .fix("add a paragraph that answers it; it usually points at an action");
    vec![hit.severity(if cx.strict() {
        Severity::Warning
    } else {
        Severity::Question
    })]
}

/// Words that stand in no part at all.
fn untold(cx: &Cx<'_>) -> String {
    cx.doc
        .blocks()
        .filter(|(i, b)| cx.doc.about[*i].is_empty() && !b.quoted && b.table.is_none())
        .map(|(_, b)| b.text.plain.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}
