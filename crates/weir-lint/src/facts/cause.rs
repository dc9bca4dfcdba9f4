//! Why it happened: trigger, cause, factors, how it was found, what it was not, what was done.

use weir_model::Cause;

use super::doc::Doc;
use super::part::Part;
use super::{DetectedBy, Facts, Said, Tag};
use crate::tree::{Block, Kind};
use crate::words::pattern;

pub(super) fn read(doc: &Doc<'_>, facts: &mut Facts) {
    facts.trigger = passage(doc, &[Part::Trigger]).or_else(|| loose_trigger(doc));
    facts.cause = passage(doc, &[Part::Cause]);
    facts.cause_name = facts
        .cause
        .as_ref()
        .and_then(|cause| cause_name(&cause.says))
        .or_else(|| {
            doc.field(&["cause", "root cause", "cause class"])
                .and_then(|f| cause_name(&f.value.plain))
        });
    facts.factors = factors(doc);
    facts.false_leads = false_leads(doc);
    facts.resolution = passage(doc, &[Part::Resolution, Part::Response]);
    facts.recovery = passage(doc, &[Part::Recovery]);
    facts.identified_how = identified(doc);
    facts.detected_by = detected_by(doc, facts);
}

fn usable(block: &Block) -> bool {
    !block.is_head() && !block.quoted && block.kind != Kind::Code && block.table.is_none()
}

/// What stands under a part, as one passage.
fn passage(doc: &Doc<'_>, parts: &[Part]) -> Option<Said> {
    let blocks: Vec<&Block> = doc
        .about_any(parts)
        .map(|(_, b)| b)
        .filter(|b| usable(b))
        .take(40)
        .collect();
    let first = blocks.first()?;
    let says = blocks
        .iter()
        .map(|b| b.text.trimmed())
        .collect::<Vec<_>>()
        .join(" ");
    let end = blocks.last()?.range.end;
    Some(Said::new(
        doc,
        &says,
        first.range.start..end.max(first.range.start),
    ))
}

/// "triggered by …", "when X was deployed at …", a row marked as the trigger.
fn loose_trigger(doc: &Doc<'_>) -> Option<Said> {
    let said = pattern!(
        r"(?i)\btrigger(?:ed|s|ing)?\b|\bset (?:it|this|the incident|everything) off\b|\bset off by\b|\b(?:began|started|happened|appeared|broke) (?:right |immediately |shortly |soon |\d+ (?:min|minutes|s|seconds) )?(?:after|when|with|once|as soon as)\b[^.]{0,80}\b(?:deploy\w*|release\w*|roll\w*|upgrade\w*|migrat\w*|config\w*|flag|change|merge\w*|campaign|mail\w*|job|batch|import|backfill|expir\w*|failover|restart\w*|maintenance|cron)|\bthe change that (?:started|began)|\bwhen\b[^.]{0,60}\b(?:was|were) (?:deployed|released|rolled out|enabled|merged|switched|started|launched|sent|applied|pushed)\b|\b(?:deploy\w*|release|rollout|migration|change|upgrade|campaign|job|import|backfill)\b[^.]{0,60}\b(?:started|caused|led to|brought|introduced|doubled|raised|pushed) "
    );
    let parts = [
        Part::Summary,
        Part::Cause,
        Part::Factors,
        Part::Timeline,
        Part::Background,
    ];
    for (i, block) in doc.blocks() {
        if block.quoted || block.kind == Kind::Code {
            continue;
        }
        let in_part = doc.about[i].any(&parts) || doc.about[i].is_empty();
        if !in_part {
            continue;
        }
        for text in block.texts() {
            if let Some(found) = said.find(&text.plain) {
                // "alert triggered" is a detection.
                let alarm = pattern!(r"(?i)\b(?:alert\w*|alarm\w*|page\w*|monitor\w*|pagerduty)\b[^.]{0,16}trigger|trigger\w* (?:an? |the )?(?:alert|page|alarm)").is_match(&text.plain[crate::source::floor_boundary(&text.plain, found.start().saturating_sub(24))..crate::source::floor_boundary(&text.plain, found.end() + 20)]);
                if !alarm {
                    return Some(Said::new(
                        doc,
                        &text.plain,
                        text.source_range(found.range()),
                    ));
                }
            }
        }
    }
    None
}

/// Contributing factors: items under their heading, `F1:` marks, or what "contributed".
/// Where the parts of an enumeration in one sentence are: by semicolons, or by "and that".
fn pieces(text: &str) -> Vec<std::ops::Range<usize>> {
    let cuts = pattern!(
        r"(?i);\s*(?:and\s+)?|,?\s+and\s+(?:that|because|the fact)\s+|,\s+and\s+(?:the|a|an|no|too|our|we)\s"
    );
    let mut out = Vec::new();
    let mut start = 0;
    for (end, next) in cuts
        .find_iter(text)
        .map(|m| (m.start(), m.end()))
        .chain([(text.len(), text.len())])
    {
        if text[start..end].split_whitespace().count() > 3 {
            out.push(start..end);
        }
        start = next;
    }
    out
}

fn factors(doc: &Doc<'_>) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    let items = |out: &mut Vec<Said>| {
        for (i, block) in doc.about_any(&[Part::Factors]) {
            let only = !doc.about[i].is(Part::Cause) || matches!(block.kind, Kind::Item { .. });
            if usable(block) && only && matches!(block.kind, Kind::Item { depth: 1, .. }) {
                out.push(Said::new(doc, &block.text.plain, block.text.whole()));
            }
            if let Some(table) = &block.table {
                for row in &table.rows {
                    let says = row
                        .cells
                        .iter()
                        .map(|c| c.trimmed())
                        .collect::<Vec<_>>()
                        .join(" ");
                    out.push(Said::new(doc, &says, row.range.clone()));
                }
            }
        }
    };
    items(&mut out);
    if out.is_empty() {
        for (_, block) in doc.about_any(&[Part::Factors, Part::Cause]) {
            if !usable(block) {
                continue;
            }
            let marks: Vec<_> = pattern!(r"\b(?:F|CF)\d{1,2}\b\W{0,4}[:.–—-]|\((?:(?:F|CF)?\d{1,2}|i{1,3}|iv|v|[a-d])\)|(?i)\b(?:firstly|secondly|thirdly|first|second|third),").find_iter(&block.text.plain).collect();
            if marks.len() >= 2 {
                for (n, mark) in marks.iter().enumerate() {
                    let end = marks
                        .get(n + 1)
                        .map_or(block.text.plain.len(), |m| m.start());
                    let says = &block.text.plain[mark.start()..end];
                    out.push(Said::new(
                        doc,
                        says,
                        block.text.source_range(mark.start()..end),
                    ));
                }
            }
        }
    }
    if out.is_empty() {
        for (_, block) in doc.about_any(&[Part::Factors]) {
            if usable(block) {
                let text = &block.text.plain;
                let mut start = 0;
                for sentence in text.split_inclusive(". ") {
                    if sentence.split_whitespace().count() > 3 {
                        out.push(Said::new(
                            doc,
                            sentence,
                            block.text.source_range(start..start + sentence.len()),
                        ));
                    }
                    start += sentence.len();
                }
            }
        }
    }
    if out.len() < 2 {
        // "Two things helped it along. One: … Two: …"
        let counted = pattern!(
            r"(?i)\b(?:two|three|four|several|both|further|other|\d) (?:more |other |further |contributing |additional )*(?:things|factors|causes|reasons|conditions|facts|circumstances|weaknesses|gaps)\b[^.:;]*[.:;]|\btwo things contributed\b"
        );
        for (_, block) in doc.about_any(&[Part::Factors, Part::Cause, Part::Trigger]) {
            let Some(found) = counted.find(&block.text.plain).filter(|_| usable(block)) else {
                continue;
            };
            let rest = &block.text.plain[found.end()..];
            let cuts = pattern!(r"[.;]\s*|, and (?:the|a|an|no|too|that)\s");
            let mut start = 0;
            for end in cuts
                .find_iter(rest)
                .map(|m| m.end())
                .chain([rest.len()])
                .take(8)
            {
                let sentence = &rest[start..end];
                if sentence.split_whitespace().count() > 3 {
                    let range = found.end() + start..found.end() + end;
                    out.push(Said::new(doc, sentence, block.text.source_range(range)));
                }
                start = end;
            }
        }
    }
    if out.len() < 2 {
        // "Contributing factors: the list had not been cleaned; and the mail went out all at once."
        let label = pattern!(
            r"(?i)\bcontribut(?:ing|ory)(?: (?:factors?|causes?|conditions?))?(?: were| are|:)\s*(?:that )?"
        );
        for (_, block) in doc.about_any(&[Part::Factors, Part::Cause, Part::Trigger]) {
            let text = &block.text.plain;
            let Some(found) = label.find(text).filter(|_| usable(block)) else {
                continue;
            };
            let end = text[found.end()..]
                .find(". ")
                .map_or(text.len(), |at| found.end() + at);
            let said: Vec<_> = pieces(&text[found.end()..end])
                .into_iter()
                .map(|piece| found.end() + piece.start..found.end() + piece.end)
                .collect();
            if said.len() >= 2 {
                out.clear();
                out.extend(
                    said.into_iter()
                        .map(|r| Said::new(doc, &text[r.clone()], block.text.source_range(r))),
                );
            }
        }
    }
    if out.is_empty() {
        let contributed = pattern!(
            r"(?i)\b(?:contribut\w+|made (?:it|this|things|matters) (?:worse|possible|longer)|compounded|aggravated|exacerbated|amplified|also (?:meant|allowed|hid|let)|allowed (?:it|this|the)|a second (?:factor|cause|reason)|in addition|on top of (?:that|this)|nothing (?:compared|checked|stopped|limited|warned)|no (?:alert|limit|check|test|guard|timeout|review)\b)"
        );
        for (_, block) in doc.about_any(&[Part::Cause, Part::Trigger]) {
            if !usable(block) {
                continue;
            }
            for found in contributed.find_iter(&block.text.plain) {
                out.push(Said::new(
                    doc,
                    &block.text.plain,
                    block.text.source_range(found.range()),
                ));
            }
            // The whys of a chain: each step is a factor.
            if matches!(block.kind, Kind::Item { .. })
                && pattern!(r"(?i)\bwhy\b").is_match(&block.text.plain)
            {
                out.push(Said::new(doc, &block.text.plain, block.text.whole()));
            }
        }
        for (_, section) in doc.sections_of(Part::Cause) {
            let whys = doc
                .sections
                .iter()
                .filter(|s| {
                    s.parent
                        .is_some_and(|p| std::ptr::eq(&doc.sections[p], section))
                })
                .filter(|s| {
                    pattern!(r"(?i)^\W*(?:\d\W+)?why\b")
                        .is_match(&doc.tree.blocks[s.head].text.plain)
                });
            for why in whys {
                let block = &doc.tree.blocks[why.head];
                out.push(Said::new(doc, &block.text.plain, block.text.whole()));
            }
        }
    }
    out.truncate(100);
    out
}

/// Where a wrong lead is spoken of.
pub(crate) fn lead_words() -> &'static regex::Regex {
    pattern!(
        r"(?i)\bmisleading\b|\bmisled\b|\bwrong (?:way|thing|place)\b|\bwrong(?:ly)? (?:assum\w*|suspect\w*|lead|track|hypothes\w*|theory|turn|direction|diagnos\w*)|\b(?:false|wrong) (?:lead|trail|start)|\bred herring|\b(?:initially|first|at first|originally|early) (?:we |the team |engineers |responders )?(?:suspect\w*|assum\w*|thought|believ\w*|blam\w*|attribut\w*)|\bsuspect(?:ed|s|ing)?\b|\bruled out\b|\bdead end\b|\bassumption\b|\binitial (?:hypothesis|theory|suspicion|assumption|diagnosis)|\b(?:initial )?investigation focus(?:ed|sed) on\b|\bhypothes[ei]s\b|\bexonerat\w*|\bturned out (?:not|to be (?:un|wrong))"
    )
}

fn false_leads(doc: &Doc<'_>) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for (i, block) in doc.blocks() {
        if block.quoted || block.kind == Kind::Code || out.len() > 200 {
            continue;
        }
        if doc.about[i].is(Part::FalseLeads) && !block.is_head() {
            if let Some(table) = &block.table {
                for row in &table.rows {
                    let says = row
                        .cells
                        .iter()
                        .map(|c| c.trimmed())
                        .collect::<Vec<_>>()
                        .join(" | ");
                    out.push(Said::new(doc, &says, row.range.clone()));
                }
            } else {
                out.push(Said::new(doc, &block.text.plain, block.text.whole()));
            }
            continue;
        }
        if doc.about[i].any(&[Part::Actions, Part::Lessons, Part::WentWell]) || block.is_head() {
            continue;
        }
        for text in block.texts() {
            if let Some(found) = lead_words().find(&text.plain) {
                out.push(Said::new(
                    doc,
                    &text.plain,
                    text.source_range(found.range()),
                ));
            }
        }
    }
    out
}

/// How the cause was found: a passage that says so.
fn identified(doc: &Doc<'_>) -> Option<Said> {
    let how = pattern!(
        r"(?i)\bhow (?:it was|we|the cause was) (?:identified|found)|\b(?:identified|found|confirmed|shown|seen|established|traced|proved|proven|visible|measured)\b[^.]{0,40}\b(?:by|from|in|with|through|using|via|on)\b|\b(?:shows?|showed|reveal\w*|confirms?|confirmed)\b[^.]{0,60}\b(?:that|\d)"
    );
    for (i, block) in doc.blocks() {
        if !usable(block)
            || !doc.about[i].any(&[Part::Cause, Part::Factors, Part::FalseLeads, Part::Timeline])
        {
            continue;
        }
        if let Some(found) = how.find(&block.text.plain) {
            return Some(Said::new(
                doc,
                &block.text.plain,
                block.text.source_range(found.range()),
            ));
        }
    }
    None
}

/// Words for who found it.
pub(crate) fn finder(text: &str) -> Option<DetectedBy> {
    // "No alert looks at connections" found nothing.
    let lower = text.to_lowercase();
    let lower = pattern!(r"\bno (?:alert|alarm|monitor\w*|probe|page)s?\b[^.|]*")
        .replace_all(&lower, " ")
        .into_owned();
    let customer = pattern!(
        r"\bcomplain\w*|\bhotline\b|\bhelp ?desk\b|\bphone calls?\b|\b(?:shoppers?|riders?|passengers?|patients?|recipients?|drivers?|sellers?|learners?|teachers?|people|desks?|clinics?|hospitals?|viewers?|players?|guests?|residents?|citizens?|employees|staff|reception\w*|buyers?|travell?ers?|visitors?|analysts?|households?|vendors?) (?:\w+ ){0,3}?(?:call|calls|called|report\w*|phone[sd]?|tell|tells|told|wrote|writes?|ask|asks|asked|notic\w*)\b|\b(?:users?|customers?|clients?|merchants?|tenants?|support|partners?|agents?|tickets?|shops?|stores?|complaints?|patients?|members?|readers?|subscribers?|students?|callers?|helpdesk|service desk|twitter|social media)\b[^.|]{0,60}\b(?:report\w*|complain\w*|call\w*|open\w*|raised|wrote|writes|told|ticket\w*|contact\w*|notic\w*|flagg\w*|first|before|asked|posted)|\b(?:reported|raised|noticed|flagged|found|detected|discovered|told) (?:to us )?(?:by|from) (?:an? |the |our |several |two |three |many |some )?(?:\w+ )?(?:users?|customers?|clients?|merchants?|support|partners?|tenants?|shops?)|\b(?:user|customer|support) (?:reports?|complaints?|tickets?)\b|\bfirst (?:support )?ticket"
    );
    let alert = pattern!(
        r"\balert\w*|\balarm\w*|\bpager\w*|\bpaged\b|\bpage (?:fired|sent|went|for)|\bmonitor(?:ing|s)?\b|\bprobe\w*|\bsynthetic|\bhealth ?check\w*|\bprometheus|\bburn[- ]rate|\bwatchdog|\bcanary (?:check|failed)|\bdetector|\bexhausted: \d|\bsamples running|\bweir\b"
    );
    let engineer = pattern!(
        r"\b(?:engineers?|on-?call|developers?|dba|operator|colleague|team|sre|staff|employee|analyst)\b[^.|]{0,60}\b(?:notic\w*|saw|sees|spotted|found|observed|discover\w*|looking)|\b(?:noticed|spotted|found|seen|detected|discovered) by (?:an? |the )?(?:\w+ ){0,2}(?:engineer|developer|on-?call|colleague|dba|analyst|team)"
    );
    let at = |p: &regex::Regex| p.find(&lower).map(|m| m.start());
    let found = [
        (at(customer), DetectedBy::Customer),
        (at(alert), DetectedBy::Alert),
        (at(engineer), DetectedBy::Engineer),
    ];
    found
        .into_iter()
        .filter_map(|(at, by)| at.map(|at| (at, by)))
        .min_by_key(|(at, _)| *at)
        .map(|(_, by)| by)
}

fn detected_by(doc: &Doc<'_>, facts: &Facts) -> Option<DetectedBy> {
    if let Some(field) = doc.field(&[
        "detected by",
        "detection",
        "how detected",
        "detection method",
        "reported by",
        "how it was detected",
        "detection source",
        "discovered by",
    ]) && let Some(by) = finder(&field.value.plain)
    {
        return Some(by);
    }
    // The earliest row that somebody or something noticed it by.
    for row in facts
        .rows
        .iter()
        .filter(|row| row.tags.contains(&Tag::Detected))
    {
        if let Some(by) = finder(&row.line_text) {
            return Some(by);
        }
    }
    let words = doc.words_about(&[Part::Detection]);
    finder(&words).or_else(|| {
        let all = doc.words_about(&[Part::Summary, Part::Impact, Part::Timeline, Part::Response]);
        pattern!(r"(?i)[^.\n]*\b(?:detect|notic|alert|report|page)\w*[^.\n]*")
            .find_iter(&all)
            .find_map(|m| finder(m.as_str()))
    })
}

/// The name of Weir's vocabulary that a passage says, or that its words leave no doubt about.
fn cause_name(text: &str) -> Option<Cause> {
    let lower = text.to_lowercase();
    if let Some(name) = pattern!(r"\b[a-z]+(?:_[a-z]+)+\b")
        .find_iter(&lower)
        .find_map(|m| m.as_str().parse::<Cause>().ok())
    {
        return Some(name);
    }
    let table: &[(Cause, &regex::Regex)] = &[
        (
            Cause::ConnectionLeak,
            pattern!(
                r"connection leak|leak(?:ed|ing|s)? (?:\w+ ){0,2}connections|never (?:returned|closed|given back)"
            ),
        ),
        (
            Cause::IdleInTransaction,
            pattern!(r"idle[- ]in[- ]transaction|inside (?:an |the )?open transactions?"),
        ),
        (
            Cause::MaxConnections,
            pattern!(r"max_connections|too many (?:clients|connections)|connection limit"),
        ),
        (
            Cause::RetryStorm,
            pattern!(r"retry storm|retries (?:amplified|multiplied)"),
        ),
        (
            Cause::ConnectStorm,
            pattern!(r"(?:re)?connect(?:ion)? storm"),
        ),
        (
            Cause::MissingIndex,
            pattern!(
                r"missing index|without (?:an |a fitting )?index|full table scan|sequential scan"
            ),
        ),
        (
            Cause::RowLockContention,
            pattern!(r"lock contention|row locks?"),
        ),
        (
            Cause::Failover,
            pattern!(r"\bfailover\b|primary (?:changed|was lost)"),
        ),
        (
            Cause::PlanRegression,
            pattern!(r"plan (?:change|flip|regression)|query plan changed"),
        ),
        (
            Cause::PoolUndersized,
            pattern!(
                r"pool (?:was |is )?(?:too small|undersized)|pool size (?:was )?(?:too small|insufficient)"
            ),
        ),
    ];
    table
        .iter()
        .find(|(_, p)| p.is_match(&lower))
        .map(|(cause, _)| *cause)
}
