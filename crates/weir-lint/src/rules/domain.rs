//! IR37, IR39 and IR40: remedies that contradict the cause, late reviews, and repeats.

use jiff::civil::{Date, Weekday};

use super::{Cx, Hit};
use crate::facts::part::Part;
use crate::words::{number, pattern};

pub(super) fn contradictions(cx: &Cx<'_>) -> Vec<Hit> {
    let cause = cx
        .doc
        .words_about(&[Part::Cause, Part::Factors, Part::Trigger, Part::Summary])
        .to_lowercase()
        + &cx.facts.title.clone().unwrap_or_default().to_lowercase()
        + &cx
            .doc
            .sections_of(Part::Cause)
            .map(|(_, s)| cx.doc.tree.blocks[s.head].text.plain.to_lowercase())
            .collect::<Vec<_>>()
            .join(" ");
    let exhausted = pattern!(r"\b(?:connection|pool)s?\b[^.\n]{0,60}\b(?:exhaust\w*|ran out|run out|all in use|limit|full|saturat\w*|insufficient|too small)|\bexhaust\w*\b[^.\n]{0,40}\b(?:connections?|pool)\b|\btoo many (?:clients|connections)\b|\bmax_connections\b").is_match(&cause);
    let mut out = Vec::new();
    for action in &cx.facts.actions {
        let says = action.says.to_lowercase();
        let scales = pattern!(r"\bmore (?:\w+ )?(?:pods|replicas|instances|servers|nodes)\b|\bauto-?scal\w*|\bscal\w*\b[^.]{0,40}\b(?:frontend|backend|app\w*|web|pods?|replicas?|instances?|servers?|workers?)\b|\b(?:more|add\w*|double|increase)\b[^.]{0,30}\b(?:app\w*|web|frontend|backend|api|portal|more)\b[^.]{0,20}\b(?:pods?|replicas?|instances?|servers?|workers?)\b").is_match(&says);
        let capped = pattern!(r"\bso that (?:all|the sum)\b|\bcap\b|\bcapp\w*|\bmax_connections\b|\bbudget\b|\bper[- ]pod\b|\blimit\w*|\bheadroom\b|\bpooler\b|\bwithin\b").is_match(&(says.clone() + &action.words.to_lowercase()));
        let connections = pattern!(r"\bconnections?\b|\bpool\b").is_match(&says);
        if (exhausted || connections) && scales && !capped {
            out.push(
                Hit::new(action.range.clone(), "more application instances open more connections: this makes exhaustion of connections worse")
                    .fix("cap the connections of all instances together below max_connections first, or put a pooler before the database"),
            );
        }
        bigger_pool(
            cx,
            &action.says,
            action.range.clone(),
            &format!("{cause}\n{says}"),
            &mut out,
        );
    }
    for (_, block) in cx.doc.about_any(&[Part::Resolution]) {
        if !block.quoted && block.table.is_none() {
            let own = format!("{cause}\n{}", block.text.plain.to_lowercase());
            bigger_pool(cx, &block.text.plain, block.range.clone(), &own, &mut out);
        }
    }
    multiplication(cx, &mut out);
    out
}

/// A bigger pool against a leak, locks, a slow query, or a database that was itself the limit.
fn bigger_pool(
    _cx: &Cx<'_>,
    says: &str,
    range: std::ops::Range<usize>,
    cause: &str,
    out: &mut Vec<Hit>,
) {
    let lower = says.to_lowercase();
    let grown = pattern!(r"\b(?:increas|rais|enlarg|doubl|bump|grow|expand)\w*\b[^.;]{0,40}\bpool\b|\bbigger pool\b|\blarger pool\b|\bpool(?: size)?\b[^.;]{0,30}\b(?:increas|rais|enlarg|doubl|bump)\w*").is_match(&lower);
    let temporary = pattern!(r"\b(?:not|rather than|instead of|no)\b[^.;]{0,40}\bpool\b|\btemporar\w*|\bstopgap\b|\bbought time\b|\buntil\b|\bdid not help\b|\breverted\b").is_match(&lower);
    if !grown || temporary {
        return;
    }
    let leak = pattern!(r"\bleak\w*|\bnever (?:returned|closed|released|given back)\b|\bnot (?:returned|released|closed)\b").is_match(cause) && !pattern!(r"\b(?:no|not a|ruled out)\b[^.\n]{0,20}\bleak").is_match(cause);
    let locks = pattern!(r"\block(?:s|ed)? (?:contention|queue|pile|wait)|\block(?:s|ing)?\b[^.\n]{0,30}\b(?:held|waiting|blocked)|\bdeadlock|\bblocked by\b|\baccess exclusive\b").is_match(cause) && !pattern!(r"\b(?:no|not|ruled out)\b[^.\n]{0,20}\blocks?\b").is_match(cause);
    let slow = pattern!(r"\bslow (?:query|queries|statement)|\bmissing index\b|\bsequential scan|\bfull table scan|\bplan (?:flip|change|regression)").is_match(cause) && !pattern!(r"\b(?:no|not|ruled out)\b[^.\n]{0,20}\bslow quer").is_match(cause);
    let bound = pattern!(r"\bcpu\b[^.\n]{0,30}\b(?:100 ?%|9\d ?%|saturat\w*|bound|pegged)|\bwaiting (?:on|for) (?:the )?cpu\b|\bcpu (?:stood|was|is) at its limit|\bdatabase (?:was |itself )?(?:cpu|io|disk)[- ]bound|\bmax_connections\b[^.\n]{0,30}\b(?:reached|hit|limit|exceeded)").is_match(cause);
    let what = match (leak, locks, slow, bound) {
        (true, ..) => "a leak fills any pool: a bigger one only takes longer",
        (_, true, ..) => {
            "sessions that wait for a lock wait in a bigger pool too, and more of them"
        }
        (_, _, true, _) => {
            "a slow query holds more connections of a bigger pool, and the database gets slower"
        }
        (.., true) => "the database was the bottleneck: more connections slow it further",
        _ => return,
    };
    out.push(
        Hit::new(range, what).fix("remove the cause; size the pool by what the database can bear"),
    );
}

/// Pods times pool against max_connections, by the report's own numbers.
fn multiplication(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    for (i, block) in cx.doc.blocks() {
        if block.quoted || !cx.doc.about[i].any(&[Part::Actions, Part::Resolution]) {
            continue;
        }
        for text in block.texts() {
            let Some(found) = pattern!(r"(?i)\b(\d[\d,]*) (?:app(?:lication)? )?(?:pods?|instances?|replicas?|workers?|servers?)\b[^.;\n]{0,30}?(?:×|\bx\b|\btimes\b|\bwith\b|\bpools? of\b|\*)\s?(?:a pool of |pools? of )?(\d[\d,]*)").captures(&text.plain) else { continue };
            let (Some(a), Some(b)) = (number::parse(&found[1]), number::parse(&found[2])) else {
                continue;
            };
            let all = cx.doc.all_words();
            let Some(limit) = pattern!(r"(?i)\bmax_connections`?\b[^\d\n]{0,20}(\d[\d,]*)")
                .captures(&all)
                .and_then(|f| number::parse(&f[1]))
            else {
                continue;
            };
            if a * b > limit {
                let at = found.get(0).map_or(0..0, |m| m.range());
                out.push(
                    Hit::new(
                        text.source_range(at),
                        format!(
                            "{} × {} = {} connections, but max_connections is {limit}",
                            &found[1],
                            &found[2],
                            a * b
                        ),
                    )
                    .fix(
                        "let all pools together stay below max_connections less the reserved ones",
                    ),
                );
            }
        }
    }
}

fn business_days(from: Date, to: Date) -> i32 {
    let (mut day, mut n) = (from, 0);
    while day < to && n < 400 {
        let Ok(next) = day.tomorrow() else { break };
        day = next;
        n += i32::from(!matches!(
            day.weekday(),
            Weekday::Saturday | Weekday::Sunday
        ));
    }
    n
}

pub(super) fn reviewed_in_time(cx: &Cx<'_>) -> Vec<Hit> {
    let facts = cx.facts;
    let mut out = Vec::new();
    let keys = [
        "reviewed by",
        "reviewer",
        "reviewers",
        "reviewed",
        "approved by",
        "published",
        "report date",
        "date published",
        "review date",
    ];
    let place = || {
        cx.doc
            .field(&keys)
            .map_or_else(|| cx.title(), |f| f.range.clone())
    };
    let end = facts
        .clocks
        .ended
        .as_ref()
        .and_then(|c| c.at)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date())
        .or(facts.day);
    if let (Some(end), Some(published)) = (end, facts.published) {
        let sev1 = facts.severity.as_ref().is_some_and(|s| {
            pattern!(r"(?i)\bsev-?\s?1\b|\bp1\b|\bcritical\b|\bsev-?0\b").is_match(&s.says)
        });
        let days = business_days(end, published);
        let limit = if sev1 { 3 } else { 5 };
        // A date on the report itself is one of publishing; SEV1's three days are those of its review.
        let limit = if sev1 && facts.reviewed_by.is_empty() && !cx.strict() && days <= 5 {
            5
        } else {
            limit
        };
        if days > limit {
            out.push(
                Hit::new(
                    place(),
                    format!(
                        "published {days} business days after the end; {limit} are usual{}",
                        if sev1 { " for a SEV1" } else { "" }
                    ),
                )
                .fix("say what delayed it; publish a draft sooner next time"),
            );
        }
    }
    let same = |a: &str, b: &str| {
        let key = |s: &str| {
            s.split('(')
                .next()
                .unwrap_or(s)
                .trim()
                .trim_start_matches("the ")
                .to_lowercase()
        };
        !key(a).is_empty() && key(a) == key(b) && !key(a).contains("team")
    };
    if let Some(both) = facts
        .reviewed_by
        .iter()
        .find(|r| facts.authors.iter().any(|a| same(a, r)))
    {
        out.push(
            Hit::new(place(), format!("{both} wrote the report and reviewed it"))
                .fix("let somebody review it who neither wrote it nor responded"),
        );
    }
    if let Some(responder) = facts.reviewed_by.iter().find(|r| responded(cx, r)) {
        out.push(
            Hit::new(
                place(),
                format!("{responder} responded to the incident and reviewed the report"),
            )
            .fix("let somebody review it who did not respond"),
        );
    }
    if cx.strict() && out.is_empty() && facts.reviewed_by.is_empty() {
        out.push(Hit::ask(
            place(),
            "who reviews this report, without having written it or responded?",
        ));
    }
    out
}

/// Whether a reviewer's name or role stands among the responders.
fn responded(cx: &Cx<'_>, reviewer: &str) -> bool {
    if pattern!(r"(?i)\bnot (?:a responder|involved|on[- ]call)|\bwho (?:was|did|had) not\b|\bneither\b|\bno part\b|\bnot part\b|\bdid not respond\b|\boutside\b").is_match(reviewer) {
        return false;
    }
    let name = reviewer
        .split('(')
        .next()
        .unwrap_or(reviewer)
        .trim()
        .to_lowercase();
    let listed = cx.doc.field(&[
        "responders",
        "responder",
        "incident commander",
        "on call",
        "oncall",
        "incident lead",
        "commander",
        "ic",
        "responding engineer",
    ]);
    let among = listed.is_some_and(|f| {
        !name.is_empty() && name.len() > 3 && f.value.plain.to_lowercase().contains(&name)
    });
    among
        || pattern!(r"(?i)\b(?:responder|on-?call|incident (?:commander|lead))\b")
            .is_match(reviewer)
}

pub(super) fn recurrence(cx: &Cx<'_>) -> Vec<Hit> {
    let said = pattern!(
        r"(?i)\b(?:second|third|fourth|fifth) (?:time|incident|occurrence|outage) (?:this|in|of|within|since|with|that)\b|\bthe (?:second|third|fourth) such\b|\bfor the (?:second|third|fourth) time\b|\b(?:similar|same|identical|comparable|earlier|previous|prior) (?:\w+ ){0,2}?(?:incidents?|outages?|failures?|degradations?|problems?) (?:happened|occurred|was seen|were seen|in|on|last|before|earlier|had|has|was|were)\b|\b(?:happened|occurred|seen) (?:like this |this way )?(?:once |twice |already )?before\b|\brecurr(?:ence|ed|ing|ent)\b|\brepeat(?:ed)? (?:of|incident|occurrence)\b|\bas (?:it did )?in (?:INC|IR|PM)-?\d+|\bagain\b[^.\n]{0,40}\b(?:this (?:year|month|week|quarter)|after (?:the|last))\b|\bonce again\b|\blast (?:month|week|quarter|year)'s (?:incident|outage)\b|\b(?:same|this|similar)\b[^.\n]{0,30}\bhappened (?:to us )?before\b|\bnot the first time\b|\byet again\b|\bhas happened\b"
    );
    for (i, block) in cx.doc.blocks() {
        if block.quoted
            || block.kind == crate::tree::Kind::Code
            || cx.doc.about[i].any(&[Part::Actions])
        {
            continue;
        }
        for text in block.texts() {
            let Some(found) = said.find(&text.plain) else {
                continue;
            };
            let before = &text.plain[crate::source::floor_boundary(
                &text.plain,
                found.start().saturating_sub(40),
            )..found.start()];
            // "without recurrence", "to prevent a recurrence", "no similar incident".
            if text.is_quoted(found.start()) || pattern!(r"(?i)\b(?:no|not|never|without|prevent\w*|avoid\w*|against|if|should|any|risk of|stop|for|nothing|watch\w*|whether)\b[^.]{0,24}$").is_match(before) {
                continue;
            }
            let near = neighbours(cx, i);
            let referenced = pattern!(r"\b[A-Z]{2,}[-#]?\d[\d-]*\b|#\d+").is_match(&near)
                || !text.links.is_empty()
                || pattern!(r"\d{4}-\d{2}-\d{2}").is_match(&near)
                    && pattern!(r"(?i)\bactions?\b").is_match(&near);
            if referenced {
                if cx.strict()
                    && !pattern!(r"(?i)\bactions?\b|\bA\d\b|\bstill open\b|\bdone\b")
                        .is_match(&near)
                {
                    return vec![
                        Hit::new(
                            text.source_range(found.range()),
                            "an earlier incident is named, but not what came of its actions",
                        )
                        .fix("list its actions and which are still open"),
                    ];
                }
                return Vec::new();
            }
            return vec![
                Hit::new(
                    text.source_range(found.range()),
                    format!(
                        "\"{}\" speaks of an earlier incident, but doesn't say which",
                        found.as_str()
                    ),
                )
                .fix("link the earlier report, and say which of its actions are still open"),
            ];
        }
    }
    Vec::new()
}

/// A block and the next: where the reference may stand.
fn neighbours(cx: &Cx<'_>, i: usize) -> String {
    cx.doc.tree.blocks[i.saturating_sub(1)..cx.doc.tree.blocks.len().min(i + 3)]
        .iter()
        .flat_map(|b| b.texts().map(|t| t.plain.clone()).collect::<Vec<_>>())
        .collect::<Vec<_>>()
        .join("\n")
}
