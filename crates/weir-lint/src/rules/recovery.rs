//! IR27, IR30 and IR31: what ended it, how that is known, and what was learnt.

use super::{Cx, Hit};
use crate::facts::part::Part;
use crate::facts::Tag;
use crate::words::{duration, pattern};

/// Deeds with the words that tell them; the same deed may be told by any of them.
fn deeds() -> Vec<(&'static str, &'static regex::Regex)> {
    vec![
        ("rolled back", pattern!(r"(?i)\broll(?:ed|ing|s)?[ -]?back\b|\brevert\w*|\bprevious (?:version|release|build)\b|\bback to (?:version|release|v?\d)|\bundid\b")),
        ("restarted", pattern!(r"(?i)\brestart\w*|\breboot\w*|\bbounced\b|\brecycled\b")),
        ("increased the size", pattern!(r"(?i)\b(?:increas|rais|enlarg|resiz|bump|expand|grow|grew|doubl|extend)\w*\b|\bset\b[^.]{0,40}\bto \d|\d+\s?(?:→|->)\s?\d|\bscal(?:ed|ing) (?:up|out)\b|\badded\b[^.]{0,30}\b(?:capacity|nodes?|replicas?|disk|space|memory|workers?)\b")),
        ("failed over", pattern!(r"(?i)\bfail(?:ed|ing|s)?[ -]?over\b|\bpromot\w*|\bswitch\w*\b[^.]{0,40}\b(?:standby|replica|region|primary|provider)")),
        ("added an index", pattern!(r"(?i)\b(?:added|created|built|creat\w*|add\w*|rebuil\w*)\b[^.]{0,40}\bindex|\bCREATE INDEX\b|\bindex (?:was )?(?:added|created|built)|\breindex\w*")),
        ("purged", pattern!(r"(?i)\bpurg\w*|\bflush\w*|\bclear(?:ed|ing)\b[^.]{0,30}\b(?:cache|queue|disk|logs?)|\bdrain(?:ed|ing)\b|\binvalidat\w*")),
        ("disabled", pattern!(r"(?i)\bdisabl\w*|\bturn(?:ed|ing) (?:it |the \w+ )?off\b|\bswitch(?:ed|ing) (?:it |the \w+ )?off\b|\bflag\b[^.]{0,30}\boff\b|\bpaus(?:ed|ing)\b|\bstopp?(?:ed|ing)\b|\bsuspend\w*")),
        ("optimised", pattern!(r"(?i)\boptimi[sz](?:ed|ing)\b|\btun(?:ed|ing)\b|\brewr(?:ote|itten)\b")),
        ("terminated", pattern!(r"(?i)\bkill(?:ed|ing)\b|\bterminat(?:ed|ing)\b|\bcancel(?:l?ed|l?ing)\b|\bpg_terminate_backend|\bpg_cancel_backend|\bended the (?:session|transaction)|\bevict\w*")),
        ("patched", pattern!(r"(?i)\bpatch(?:ed|ing)\b|\bhot-?fix\w*|\b(?:fix|corrected (?:version|build|release|config\w*)|fixed (?:version|build|release|config\w*))\b[^.]{0,30}\b(?:deploy\w*|releas\w*|shipped|roll\w*|applied|live)|\b(?:deployed|released|shipped|rolled out|applied|pushed)\b[^.]{0,40}\b(?:fix|patch|correct\w*|change)\b")),
        ("restored from a backup", pattern!(r"(?i)\brestor(?:ed|ing|e)\b[^.]{0,40}\b(?:backup|snapshot|dump|archive|point in time)|\breplay(?:ed|ing)\b")),
        ("limited the rate", pattern!(r"(?i)\brate[- ]?limit\w*|\bthrottl\w*|\bshed\w*\b[^.]{0,20}\b(?:load|traffic)|\bload shed\w*|\bblock(?:ed|ing)\b")),
        ("renewed", pattern!(r"(?i)\brenew\w*|\breissu\w*|\brotat(?:ed|ing)\b|\bnew certificate\b")),
        ("vacuumed", pattern!(r"(?i)\bvacuum\w*|\banaly[sz]ed? the table|\bANALYZE\b")),
        ("rerouted", pattern!(r"(?i)\breroute\w*|\bredirect\w*|\bmov(?:ed|ing) (?:the )?traffic|\bshift(?:ed|ing) (?:the )?traffic|\btraffic (?:was )?(?:moved|shifted)")),
    ]
}

pub(super) fn deeds_have_rows(cx: &Cx<'_>) -> Vec<Hit> {
    if cx.facts.rows.is_empty() {
        return Vec::new();
    }
    let rows: String = cx.facts.rows.iter().map(|r| r.line_text.as_str()).collect::<Vec<_>>().join("\n");
    let mut out = Vec::new();
    let deeds = deeds();
    for (i, block) in cx.doc.about_any(&[Part::Resolution, Part::Recovery, Part::Response]) {
        // A part that is timeline and response at once holds its own rows.
        if block.quoted || block.table.is_some() || cx.doc.about[i].is(Part::Timeline) || block.kind == crate::tree::Kind::Code {
            continue;
        }
        for (name, words) in &deeds {
            if words.is_match(&rows) {
                continue;
            }
            for found in words.find_iter(&block.text.plain) {
                let (before, after) = around(&block.text.plain, found.range());
                // Not done, or not yet, or the mechanism at work, or given with its own time.
                let other = pattern!(r"(?i)\b(?:not|n't|without|instead of|rather than|will|would|to be|could|can|must|should|plan\w*|later|next|permanent|undo|if|before|until|no need to|considered|decided against|never|which|that had|had been|may|might|fix\.?\W+|error rate|latency|load|rate|time|traffic|memory|wait|usage|response|metric:?|undo\W+)\W+(?:\w+\W+){0,3}$").is_match(&before)
                    || pattern!(r"(?i)^[^.]{0,30}\b(?:follows|is action|see A\d|\(A\d|as A\d|is planned|below|next (?:day|week)|A\d\b)").is_match(&after)
                    || pattern!(r"\d{1,2}:\d{2}").is_match(sentence(&block.text.plain, found.start()));
                if other || block.text.is_quoted(found.start()) {
                    continue;
                }
                out.push(
                    Hit::new(block.text.source_range(found.range()), format!("\"{}\" is told here, but no row of the timeline has it", found.as_str().split_whitespace().collect::<Vec<_>>().join(" ")))
                        .fix(format!("add the row: when was it {name}, by whom, and what changed?").replace("when was it increased the size", "when was it increased, from what to what").replace("was it added an index", "was the index added").replace("was it limited the rate", "was the rate limited")),
                );
                break;
            }
        }
    }
    out
}

fn around(text: &str, range: std::ops::Range<usize>) -> (String, String) {
    let start = crate::source::floor_boundary(text, range.start.saturating_sub(48));
    let end = crate::source::floor_boundary(text, range.end + 48);
    let before = text[start..range.start].rsplit(['.', ';', '\n']).next().unwrap_or_default().to_owned();
    (before, text[range.end..end].to_owned())
}

fn sentence(text: &str, at: usize) -> &str {
    let start = text[..at].rfind(". ").map_or(0, |i| i + 2);
    let end = text[at..].find(". ").map_or(text.len(), |i| at + i);
    &text[start..end]
}

pub(super) fn recovery_measured(cx: &Cx<'_>) -> Vec<Hit> {
    let doc = cx.doc;
    let parts = [Part::Resolution, Part::Recovery, Part::Response];
    let resolved_rows: String = cx.facts.rows.iter().filter(|r| r.tags.iter().any(|t| matches!(t, Tag::Resolved | Tag::Mitigated))).map(|r| r.line_text.as_str()).collect::<Vec<_>>().join("\n");
    let words = doc.words_about(&parts) + "\n" + &resolved_rows + "\n" + &summary_recovery(cx);
    if words.trim().is_empty() {
        return Vec::new();
    }
    let (mut observed, mut watched, mut threshold) = (false, false, false);
    for sentence in pattern!(r"[.;]\s|\n| \| ").split(&words) {
        let bare = value_words(sentence);
        let value = figure_words(&bare);
        let compared = pattern!(r"(?i)\b(?:below|under|above|over|fewer than|at least|at most|threshold|baseline|objective|target|less than|within|usual|normal|down to|back (?:to|at|under)|fell|returned to|returned|stays?|stayed|stood|reached|zero|gone|empty|success\w*|again|observed|share|rate)\b|<|≤|>|≥|→|%").is_match(sentence);
        let changed = pattern!(r"(?i)\b(?:pool|size|limit|memory|timeout|replicas?|threads?|workers?|connections?)\b[^.]{0,40}\bfrom \d").is_match(sentence);
        observed |= value && compared && !(changed && !sentence.contains('%'));
        threshold |= value && pattern!(r"(?i)\b(?:below|under|above|fewer than|more than|at least|at most|threshold|baseline|objective|target|less than|within|usual|criterion)\b|<|≤|>|≥").is_match(sentence);
        watched |= duration::spans(sentence).iter().any(|s| s.length.as_secs() >= 10)
            && pattern!(r"(?i)\b(?:watch\w*|held|holding|stable|stayed|stays|monitored|quiet|relapse|recurrence|steady|remained|kept|below|under|within|above|normal|observed|flat|zero|same|no|for|still|after)\b").is_match(sentence);
    }
    if observed && (watched || threshold) {
        return Vec::new();
    }
    let row = cx.facts.rows.iter().rfind(|r| r.tags.contains(&Tag::Resolved));
    let message = match (observed, watched) {
        (false, _) => "recovery names no metric and value: restored, as seen on what?",
        (true, _) => "recovery names a value, but neither a threshold nor how long it held",
    };
    let fix = "for example: `error rate below 0.1 % from 17:12 UTC, watched for 60 min without relapse`";
    let mut out = Vec::new();
    let vague = pattern!(r"(?i)\b(?:back to normal|fully restored|better experience|restored|recovered|returned to normal|gradual(?:ly)? improve\w*|improved|normal again|stabili[sz]ed|resolved)\b");
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
    pattern!(r"\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?|\d{4}-\d{2}-\d{2}|\b[A-Z]+-?\d+\b|\[[A-Z]?\d+\]|\bp9\d+\b|\bp50\b|\b5xx\b|\b50\d\b|\bv?\d+\.\d+\.\d+\b").replace_all(sentence, " ").into_owned()
}

fn figure_words(text: &str) -> bool {
    pattern!(r"\d|\b(?:zero|none|no (?:errors?|failures?|failed|timeouts?))\b").is_match(text)
}

/// Sentences of the summary about the end.
fn summary_recovery(cx: &Cx<'_>) -> String {
    let words = cx.doc.words_about(&[Part::Summary, Part::Impact]);
    pattern!(r"[.\n]\s")
        .split(&words)
        .filter(|s| pattern!(r"(?i)\b(?:recover\w*|restored|back (?:to|under|below)|returned|resolved|again)\b").is_match(s))
        .collect::<Vec<_>>()
        .join("\n")
}

pub(super) fn three_lists(cx: &Cx<'_>) -> Vec<Hit> {
    let facts = cx.facts;
    let lists = [("went well", !facts.went_well.is_empty()), ("went wrong", !facts.went_wrong.is_empty()), ("got lucky", !facts.lucky.is_empty())];
    let missing: Vec<&str> = lists.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect();
    let wanted = if cx.strict() { 1 } else { 2 };
    if missing.len() < wanted {
        return Vec::new();
    }
    let place = last_words(cx);
    vec![Hit::new(place, format!("nothing on what {}", missing.join(", nor on where we ").replace("where we went", "what went").replace("what got lucky", "where we got lucky")))
        .fix("add three short lists: **Went well**, **Went wrong**, **Where we got lucky**")]
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
        .filter(|b| pattern!(r"(?i)\b(?:conclusion|to sum up|summary|highlight\w*|overall)\b").is_match(&b.text.plain))
        .map_or_else(|| cx.doc.place_of(&[Part::Actions]), |b| b.range.clone())
}
