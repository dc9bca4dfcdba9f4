//! IR27, IR30 and IR31: what ended it, how that is known, and what was learnt.

use super::{Cx, Hit};
use crate::facts::Tag;
use crate::facts::part::Part;
use crate::words::{duration, pattern};

/// Verbs of intervention, as stems, with others that tell the same deed.
const DEEDS: &[(&str, &str)] = &[
    ("roll", r"roll\w*|revert\w*|put back|back to|previous"),
    ("revert", r"revert\w*|roll\w*|back"),
    ("restart", r"restart\w*|reboot\w*|started again"),
    ("reboot", r"restart\w*|reboot\w*"),
    (
        "increas",
        r"increas\w*|rais\w*|enlarg\w*|resiz\w*|bigger|larger|grow\w*|grew|more|→|->|from \d+ to \d+|bump\w*|doubl\w*|expand\w*|set to|up to",
    ),
    (
        "rais",
        r"increas\w*|rais\w*|enlarg\w*|resiz\w*|bigger|larger|grow\w*|more|→|->|from \d+ to \d+|bump\w*|doubl\w*|set to",
    ),
    (
        "enlarg",
        r"increas\w*|rais\w*|enlarg\w*|resiz\w*|bigger|larger|grow\w*|more|→|->",
    ),
    ("optimi", r"optimi\w*|tun(?:ed|ing)|reuse"),
    (
        "fail",
        r"fail(?:ed)?[ -]?over|failover|promot\w*|takeover|took over",
    ),
    ("promot", r"promot\w*|fail(?:ed)?[ -]?over|took over"),
    (
        "purg",
        r"purg\w*|flush\w*|clear\w*|empt\w*|drop\w*|drain\w*",
    ),
    ("flush", r"purg\w*|flush\w*|clear\w*|empt\w*"),
    ("empti", r"empt\w*|purg\w*|flush\w*|clear\w*"),
    (
        "disabl",
        r"disabl\w*|turned off|switched off|off\b|paus\w*|stopp\w*",
    ),
    (
        "turn",
        r"turn\w*|switch\w*|\bset\b|disabl\w*|enabl\w*|\boff\b|\bon\b",
    ),
    (
        "switch",
        r"switch\w*|turn\w*|\bset\b|disabl\w*|enabl\w*|mov\w*",
    ),
    ("kill", r"kill\w*|terminat\w*|cancel\w*|ended|stopp\w*"),
    ("terminat", r"kill\w*|terminat\w*|cancel\w*|ended|stopp\w*"),
    ("cancel", r"kill\w*|terminat\w*|cancel\w*|ended|stopp\w*"),
    ("remov", r"remov\w*|delet\w*|dropp\w*|taken out"),
    ("delet", r"remov\w*|delet\w*|dropp\w*|purg\w*"),
    ("replac", r"replac\w*|swap\w*|new"),
    ("rebuil", r"rebuil\w*|re-?creat\w*|re-?index\w*"),
    ("mov", r"mov\w*|shift\w*|switch\w*|rerout\w*|redirect\w*"),
    ("cut", r"\bcut\b|reduc\w*|lower\w*|short\w*|limit\w*"),
    ("reduc", r"reduc\w*|lower\w*|\bcut\b|limit\w*"),
    ("lower", r"reduc\w*|lower\w*|\bcut\b|limit\w*"),
    ("patch", r"patch\w*|fix\w*|hotfix\w*|deploy\w*|release\w*"),
    ("throttl", r"throttl\w*|limit\w*|shed\w*"),
    ("add", r"add\w*|creat\w*|built|more|install\w*"),
    ("scal", r"scal\w*|add\w*|more"),
    ("creat", r"creat\w*|add\w*|built"),
    ("restor", r"restor\w*|replay\w*|recover\w*|back"),
    (
        "stop",
        r"stopp\w*|paus\w*|disabl\w*|ended|kill\w*|turned off",
    ),
    ("vacuum", r"vacuum\w*"),
    ("renew", r"renew\w*|new|issu\w*|install\w*"),
    ("rotat", r"rotat\w*|new"),
    ("doubl", r"doubl\w*|increas\w*|rais\w*|more|from \d+ to \d+"),
    (
        "made",
        r"increas\w*|rais\w*|enlarg\w*|bigger|larger|made|more|from \d+ to \d+",
    ),
];

pub(super) fn deeds_have_rows(cx: &Cx<'_>) -> Vec<Hit> {
    if cx.facts.rows.is_empty() {
        return Vec::new();
    }
    let rows: Vec<String> = cx
        .facts
        .rows
        .iter()
        .map(|r| r.says.to_lowercase())
        .collect();
    let verbs = r"rolled|reverted|restarted|rebooted|increased|raised|enlarged|optimi[sz]ed|promoted|purged|flushed|emptied|disabled|turned (?:off|on)|switched (?:off|on)|killed|terminated|cancell?ed|removed|deleted|replaced|rebuilt|moved|cut|reduced|lowered|patched|throttled|added|scaled|created|restored|stopped|vacuumed|renewed|rotated|doubled|made (?:larger|bigger)";
    let (Ok(passive), Ok(active)) = (
        // "The index was rebuilt", "index was rebuilt and the old machines were replaced".
        regex::Regex::new(&format!(
            r"(?i)((?:[\w`'’-]+ ){{1,5}}?)(?:was|were) (?:then |also |temporarily |quickly |both )?({verbs})\b"
        )),
        // "The database team increased the pool and optimized the connection reuse process".
        regex::Regex::new(&format!(
            r"(?i)\b(?:we|team|engineers?|on-?call|i|and|then|also|operators?|they) (?:then |also |temporarily )?({verbs}) ((?:[\w`'’-]+ ?){{1,7}})"
        )),
    ) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (i, block) in cx
        .doc
        .about_any(&[Part::Resolution, Part::Recovery, Part::Response])
    {
        if block.quoted
            || block.table.is_some()
            || cx.doc.about[i].is(Part::Timeline)
            || block.kind == crate::tree::Kind::Code
        {
            continue;
        }
        let text = &block.text;
        let mut told = Vec::new();
        for (pattern, verb, object, before) in [(&passive, 2, 1, true), (&active, 1, 2, false)] {
            let mut at = 0;
            // From verb to verb: the object of one may hold the next ("increased … and optimized …").
            while let Some(found) = pattern.captures_at(&text.plain, at) {
                let Some(word) = found.get(verb) else { break };
                told.push((found.get(verb), found[object].to_owned(), before));
                at = word.end();
            }
        }
        for (verb, object, before) in told {
            let Some(verb) = verb else { continue };
            // A clause with its own clock is a row of its own.
            if text.is_quoted(verb.start())
                || undone(&text.plain, verb.range())
                || pattern!(r"\d{1,2}:\d{2}").is_match(clause(&text.plain, verb.start()))
            {
                continue;
            }
            if !has_row(
                &rows,
                &verb.as_str().to_lowercase(),
                &object.to_lowercase(),
                before,
            ) {
                let words = verb
                    .as_str()
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" ");
                out.push(
                    Hit::new(
                        text.source_range(verb.range()),
                        format!(
                            "\"{words}\" ({}) is told here, but no row of the timeline has it",
                            object.trim()
                        ),
                    )
                    .fix("add the row: when, by whom, and what changed after it?"),
                );
            }
        }
    }
    out
}

/// Whether a row has the deed: its head noun, or its verb (or one that tells the same) with a word of
/// its object.
fn has_row(rows: &[String], verb: &str, object: &str, before: bool) -> bool {
    let stop = pattern!(
        r"^(?:the|a|an|its|our|their|all|both|each|of|and|then|it|they|this|that|these|which|old|new|former|whole|more|was|were|to|from|in|on|at|by|two|three|one|once|again|out|up|down|off|back)$"
    );
    let cut = pattern!(r"\b(?:of|from|to|in|on|at|by|for|with|so|until|while|because|after|before|until|this|which|that|and)\b").find(object).filter(|_| !before).map_or(object.len(), |m| m.start());
    let nouns: Vec<&str> = pattern!(r"[a-z_`][\w`-]*")
        .find_iter(&object[..cut.max(usize::from(cut == 0))])
        .map(|m| m.as_str())
        .filter(|w| !stop.is_match(w))
        .collect();
    let stem = |w: &str| w.trim_matches('`').chars().take(5).collect::<String>();
    let has = |row: &String, noun: &str| row.contains(&stem(noun));
    let same = DEEDS
        .iter()
        .find(|(name, _)| verb.starts_with(name))
        .and_then(|(_, words)| regex::Regex::new(&format!(r"(?:^|\W)(?:{words})")).ok());
    let Some(head) = nouns.last() else {
        // "It was restarted": any row with the verb.
        return same.is_none_or(|same| rows.iter().any(|row| same.is_match(row)));
    };
    rows.iter().any(|row| {
        let verb_there = same.as_ref().is_some_and(|same| same.is_match(row));
        has(row, head)
            && head.len() > 3
            && !matches!(
                *head,
                "size" | "limit" | "process" | "system" | "service" | "servers" | "server"
            )
            || verb_there && nouns.iter().any(|n| has(row, n))
    })
}

/// Not done, not yet, or only thought of.
fn undone(text: &str, range: std::ops::Range<usize>) -> bool {
    let (before, after) = around(text, range);
    pattern!(r"(?i)\b(?:not|never|without|instead of|rather than|will|would|to be|could|can|must|should|plan\w*|if|before|until|considered|had been|may|might|as|when|once|since|after|because|had)\W+(?:[\w`'’-]+\W+){0,5}$").is_match(&before)
        || pattern!(r"(?i)^[^.]{0,30}\b(?:follows|is action|see A\d|\(A\d|as A\d|is planned|next (?:day|week)|A\d\b)").is_match(&after)
}

fn around(text: &str, range: std::ops::Range<usize>) -> (String, String) {
    let start = crate::source::floor_boundary(text, range.start.saturating_sub(48));
    let end = crate::source::floor_boundary(text, range.end + 48);
    let before = text[start..range.start]
        .rsplit(['.', ';', '\n'])
        .next()
        .unwrap_or_default()
        .to_owned();
    (before, text[range.end..end].to_owned())
}

fn clause(text: &str, at: usize) -> &str {
    let cut = pattern!(r"[.;,]\s|\sand (?:the|then|an?|its|our)\s");
    let start = cut.find_iter(&text[..at]).last().map_or(0, |m| m.end());
    let end = cut.find(&text[at..]).map_or(text.len(), |m| at + m.start());
    &text[start..end]
}

pub(super) fn recovery_measured(cx: &Cx<'_>) -> Vec<Hit> {
    let doc = cx.doc;
    let parts = [Part::Resolution, Part::Recovery, Part::Response];
    let resolved_rows: String = cx
        .facts
        .rows
        .iter()
        .filter(|r| {
            r.tags
                .iter()
                .any(|t| matches!(t, Tag::Resolved | Tag::Mitigated))
        })
        .map(|r| r.line_text.as_str())
        .collect::<Vec<_>>()
        .join("\n");
    let words = doc.words_about(&parts) + "\n" + &resolved_rows + "\n" + &summary_recovery(cx);
    if words.trim().is_empty() {
        return Vec::new();
    }
    let (mut observed, mut watched, mut threshold) = (false, false, false);
    for sentence in pattern!(r"[.;]\s|\n| \| ").split(&words) {
        let bare = value_words(sentence);
        let value = figure_words(&bare);
        let compared = pattern!(r"(?i)\b(?:below|under|above|over|fewer than|at least|at most|threshold|baseline|objective|target|less than|within|usual|normal|down to|back (?:to|at|under)|fell|returned to|returned|stays?|stayed|stood|reached|zero|gone|empty|success\w*|again|observed|share|rate)\b|<|≤|>|≥|→|%").is_match(sentence);
        // "23 minutes without a failed save", "0 differences in 31 minutes", "none since 21:15".
        let clean = pattern!(r"(?i)\b\d+ ?(?:min\w*|hours?|h) without\b|\b(?:0|no|none|zero)\b[^.|\n]{0,50}\b(?:in|for|over|since|during) (?:the last )?\d").is_match(sentence);
        if clean {
            (observed, watched) = (true, true);
        }
        let changed = pattern!(r"(?i)\b(?:pool|size|limit|memory|timeout|replicas?|threads?|workers?|connections?)\b[^.]{0,40}\bfrom \d").is_match(sentence);
        observed |= value && compared && (!changed || sentence.contains('%'));
        threshold |= value && pattern!(r"(?i)\b(?:below|under|above|fewer than|more than|at least|at most|threshold|baseline|objective|target|less than|within|usual|criterion)\b|<|≤|>|≥").is_match(sentence);
        watched |= duration::spans(sentence).iter().any(|s| s.length.as_secs() >= 10)
            && pattern!(r"(?i)\b(?:watch\w*|held|holding|stable|stayed|stays|monitored|quiet|relapse|recurrence|steady|remained|kept|below|under|within|above|normal|observed|flat|zero|same|no|for|still|after)\b").is_match(sentence);
    }
    if observed && (watched || threshold) {
        return Vec::new();
    }
    let row = cx
        .facts
        .rows
        .iter()
        .rfind(|r| r.tags.contains(&Tag::Resolved));
    let message = match (observed, watched) {
        (false, _) => "recovery names no metric and value: restored, as seen on what?",
        (true, _) => "recovery names a value, but neither a threshold nor how long it held",
    };
    let fix =
        "for example: `error rate below 0.1 % from 17:12 UTC, watched for 60 min without relapse`";
    let mut out = Vec::new();
    let vague = pattern!(
        r"(?i)\b(?:back to normal|fully restored|better experience|restored|recovered|returned to normal|gradual(?:ly)? improve\w*|improved|normal again|stabili[sz]ed|resolved)\b"
    );
    for (i, block) in doc.about_any(&parts) {
        if block.quoted || doc.about[i].is(Part::Timeline) || !out.is_empty() {
            continue;
        }
        if let Some(found) = vague.find(&block.text.plain) {
            out.push(Hit::new(block.text.source_range(found.range()), message).fix(fix));
        }
    }
    if let Some(row) = row {
        out.push(Hit::new(row.range.clone(), message).fix(fix));
    }
    if out.is_empty() {
        out.push(Hit::new(doc.place_of(&parts), message).fix(fix));
    }
    out
}

/// The sentence without what is no value: clocks, dates, ids, sizes of what was changed.
fn value_words(sentence: &str) -> String {
    pattern!(r"\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?|\d{4}-\d{2}-\d{2}|\b[A-Z]+-?\d+\b|\[[A-Z]?\d+\]|\bp9\d+\b|\bp50\b|\b5xx\b|\bHTTP [45]\d\d\b|\bv?\d+\.\d+\.\d+\b").replace_all(sentence, " ").into_owned()
}

fn figure_words(text: &str) -> bool {
    pattern!(r"\d|\b(?:zero|none|no (?:errors?|failures?|failed|timeouts?))\b").is_match(text)
}

/// Sentences of the summary about the end.
fn summary_recovery(cx: &Cx<'_>) -> String {
    let words = cx.doc.words_about(&[Part::Summary, Part::Impact]);
    pattern!(r"[.\n]\s")
        .split(&words)
        .filter(|s| {
            pattern!(
                r"(?i)\b(?:recover\w*|restored|back (?:to|under|below)|returned|resolved|again)\b"
            )
            .is_match(s)
        })
        .collect::<Vec<_>>()
        .join("\n")
}

pub(super) fn three_lists(cx: &Cx<'_>) -> Vec<Hit> {
    let facts = cx.facts;
    let lists = [
        ("went well", !facts.went_well.is_empty()),
        ("went wrong", !facts.went_wrong.is_empty()),
        ("got lucky", !facts.lucky.is_empty()),
    ];
    let missing: Vec<&str> = lists
        .iter()
        .filter(|(_, there)| !there)
        .map(|(name, _)| *name)
        .collect();
    let wanted = if cx.strict() { 1 } else { 2 };
    if missing.len() < wanted {
        return Vec::new();
    }
    let place = last_words(cx);
    vec![
        Hit::new(
            place,
            format!(
                "nothing on what {}",
                missing
                    .join(", nor on where we ")
                    .replace("where we went", "what went")
                    .replace("what got lucky", "where we got lucky")
            ),
        )
        .fix("add three short lists: **Went well**, **Went wrong**, **Where we got lucky**"),
    ]
}

/// The lessons' heading; else the last passage, which usually sums up instead.
fn last_words(cx: &Cx<'_>) -> std::ops::Range<usize> {
    let lessons = [Part::Lessons, Part::WentWell, Part::WentWrong, Part::Lucky];
    if cx.doc.sections.iter().any(|s| s.parts.any(&lessons)) {
        return cx.doc.place_of(&lessons);
    }
    cx.doc
        .tree
        .blocks
        .iter()
        .rev()
        .find(|b| matches!(b.kind, crate::tree::Kind::Para))
        .filter(|b| {
            pattern!(r"(?i)\b(?:conclusion|to sum up|summary|highlight\w*|overall)\b")
                .is_match(&b.text.plain)
        })
        .map_or_else(|| cx.doc.place_of(&[Part::Actions]), |b| b.range.clone())
}
