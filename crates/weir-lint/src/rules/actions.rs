//! IR28, IR32 to IR36 and IR38: whether what will be done can be done, by whom, by when, and known to
//! be done.

use super::{Cx, Hit};
use crate::facts::part::Part;
use crate::facts::{Action, ActionType, Tag};
use crate::words::{duration, pattern};

fn short(action: &Action) -> String {
    let words: Vec<&str> = action.says.split_whitespace().take(8).collect();
    let text = words.join(" ");
    if action.says.split_whitespace().count() > 8 {
        format!("{text} …")
    } else {
        text
    }
}

/// The same for several actions: one finding for each, or one for all where all lack it.
fn each(cx: &Cx<'_>, lacking: &[&Action], what: &str, fix: &str) -> Vec<Hit> {
    let all = cx.facts.actions.len();
    if lacking.len() > 2 && lacking.len() == all {
        return vec![
            Hit::new(
                lacking[0].range.clone(),
                format!("0 of {all} actions have {what}"),
            )
            .fix(fix),
        ];
    }
    lacking
        .iter()
        .map(|a| {
            Hit::new(
                a.range.clone(),
                format!("\"{}\" has no {what}", short(a))
                    .replace("no an ", "no ")
                    .replace("no a ", "no "),
            )
            .fix(fix)
        })
        .collect()
}

/// A report that is not reviewed yet may leave owner and date to its review, where it says so: "open
/// question" is honest, "TBD" is a blank. A later report may do so only where it asks "Who owns …?".
fn asked(cx: &Cx<'_>, action: &Action) -> bool {
    let settled = cx.facts.status.as_ref().is_some_and(|s| {
        pattern!(r"(?i)\b(?:reviewed|closed|final|complete\w*|published|approved)\b")
            .is_match(&s.says)
    });
    let listed = || pattern!(r"(?i)\bwho owns\b[^?\n]*\?").is_match(&cx.doc.all_words());
    pattern!(r"(?i)\bopen question\b").is_match(&action.words) && (!settled || listed())
}

fn of_actions(n: usize) -> String {
    if n == 1 {
        "this action".to_owned()
    } else {
        format!("these {n} actions")
    }
}

pub(super) fn owners(cx: &Cx<'_>) -> Vec<Hit> {
    let (open, lacking): (Vec<&Action>, Vec<&Action>) = cx
        .facts
        .actions
        .iter()
        .filter(|a| a.owner.is_none())
        .partition(|a| asked(cx, a));
    let mut out = each(cx, &lacking, "an owner", "`owner: <person, team or role>`");
    out.extend(open.first().map(|a| {
        Hit::ask(
            a.range.clone(),
            format!("who owns {}?", of_actions(open.len())),
        )
    }));
    out
}

pub(super) fn due_dates(cx: &Cx<'_>) -> Vec<Hit> {
    let end = cx
        .facts
        .clocks
        .ended
        .as_ref()
        .and_then(|c| c.at)
        .map(|at| at.to_zoned(jiff::tz::TimeZone::UTC).date())
        .or(cx.facts.day);
    // "done with date", and forms of a date that are none we can compute with ("end of Q3 2026").
    let dated = |a: &Action| {
        a.due.is_some() || a.due_says.as_deref().is_some_and(|says| pattern!(r"(?i)\bq[1-4]\b|\bweek\b|\bsprint\b|\bend of\b|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*\b|\d{1,2}[-/.]\d{1,2}|\bwithin \d|\bin \d").is_match(says))
    };
    let (open, lacking): (Vec<&Action>, Vec<&Action>) = cx
        .facts
        .actions
        .iter()
        .filter(|a| !(dated(a) || a.done && has_date(a)))
        .partition(|a| asked(cx, a));
    let mut out: Vec<Hit> = open
        .first()
        .map(|a| {
            Hit::ask(
                a.range.clone(),
                format!(
                    "by when {} done?",
                    if open.len() == 1 {
                        "is this action".to_owned()
                    } else {
                        format!("are {} actions", open.len())
                    }
                ),
            )
        })
        .into_iter()
        .collect();
    out.extend(each(
        cx,
        &lacking,
        "a due date",
        "`due: <date after the end of the incident>`",
    ));
    if let Some(end) = end {
        for action in &cx.facts.actions {
            if let Some(due) = action.due.filter(|due| *due < end && !action.done) {
                out.push(
                    Hit::new(
                        action.range.clone(),
                        format!("due {due} lies before the end of the incident ({end})"),
                    )
                    .fix("correct the date, or mark the action as done"),
                );
            }
        }
    }
    if cx.strict() {
        let missing: Vec<&Action> = cx
            .facts
            .actions
            .iter()
            .filter(|a| a.priority.is_none())
            .collect();
        out.extend(
            each(cx, &missing, "a priority", "`priority: p1`")
                .into_iter()
                .map(|h| h.severity(crate::finding::Severity::Warning)),
        );
    }
    out
}

fn has_date(action: &Action) -> bool {
    crate::words::clock::stamps(&action.words)
        .iter()
        .any(|s| s.day.is_some())
}

/// The main verb, behind a title ("Enhance monitoring: implement …") and marks.
fn work(action: &Action) -> String {
    let bare = pattern!(r"^[\W\d]*(?:\[[ xX]?\]\s*)?(?:\**\(?(?:A|AI|F|R)-?\d+\)?\**[.:)]?\s*)?(?:\[[^\]]*\]\s*|\((?:prevent|detect|mitigate|process|P\d)[^)]*\)\s*|\**(?:prevent|detect|mitigate|process)\w*\**\s?[:—–-]\s*|\**P\d\**\s?[:—–-]\s*)*").replace(&action.says, "").into_owned();
    bare.trim().to_owned()
}

const VAGUE: &str = r"explor\w*|investigat\w*|improv\w*|enhanc\w*|ensur\w*|consider\w*|look(?:ing)? (?:into|at)|think(?:ing)? about|review(?:ing)?|evaluat\w*|assess\w*|continu\w*|regular(?:ly)?|be (?:more )?\w+|stay\w*|try|work on|strengthen\w*|optimi[sz]\w*|discuss\w*|research\w*|study|strive|aim|encourage|promote|foster|increase awareness|raise awareness|revisit|examine|analy[sz]e|monitor(?: \w+)? (?:more )?(?:closely|carefully|continuously|proactively)|proactively|keep (?:an eye|monitoring)|make sure|better|more|conduct regular|periodic\w*|develop a (?:better|more)|follow best practices|understand|determine|identify|clarify|implement (?:advanced|better|improved|robust|proper|comprehensive)|permanently adjust|conduct (?:training|sessions|a review)|streamline|harden";

pub(super) fn bounded(cx: &Cx<'_>) -> Vec<Hit> {
    static LEADS: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
        regex::Regex::new(&format!(r"(?i)^(?:we (?:will|should|plan to|need to|are going to|must) |to |the \w+ team (?:will|to) |will |please )?(?:{VAGUE})\b")).expect("a fixed pattern")
    });
    let mut out = Vec::new();
    for action in &cx.facts.actions {
        let says = work(action);
        // A title before a colon names it; the verb stands behind.
        let titled = pattern!(r"^(?:\*\*)?([A-Z][\w/&’'-]*(?: [\w/&’'()-]+){0,6}):(?:\*\*)?\s+")
            .captures(&says);
        let (title, body) = match &titled {
            Some(found) => (found[1].to_owned(), says[found[0].len()..].to_owned()),
            None => (String::new(), says.clone()),
        };
        let vague_body = LEADS.is_match(&body);
        let vague_title = !title.is_empty() && LEADS.is_match(&title);
        if !(vague_body || vague_title && !concrete(&body)) || measurable(action) {
            continue;
        }
        let word = LEADS
            .find(if vague_body { &body } else { &title })
            .map(|m| m.as_str().trim().to_lowercase())
            .unwrap_or_default();
        out.push(
            Hit::new(action.range.clone(), format!("\"{word}\" has no end: when is \"{}\" done?", short(action)))
                .fix("begin with what will exist afterwards: \"Add <thing> so that <metric> stays below <threshold>\""),
        );
    }
    out
}

/// A body that says what will exist: a verb of making and a thing with a number or a name.
fn concrete(body: &str) -> bool {
    pattern!(r"(?i)^(?:add|set|cap|create|write|replace|move|remove|alert|page|run|make|build|ship|enable|limit|raise|lower|introduce|deploy|split|require|automate|upgrade|fix|migrate|reject|fail|send|put|give|delete|log|record|expose|publish|rotate|renew|pin|reduce|increase|resize|schedule|store|use|change|extend|turn|switch|configure|drop|merge|stop|start|measure|bound)\b").is_match(body)
}

/// A state that can be checked: a threshold, a test with a criterion, a named artefact.
fn measurable(action: &Action) -> bool {
    if action
        .verify
        .as_deref()
        .is_some_and(|v| v.split_whitespace().count() >= 2)
    {
        return true;
    }
    let text = stripped(action);
    pattern!(r"(?i)(?:<|>|≤|≥|\bbelow|\babove|\bunder|\bover|\bat least|\bat most|\bwithin|\bto|\bexceed\w*|\bfrom|\bevery|\bper|\bup to|\bmore than|\bless than|\blonger than|\bat)\s(?:\w+ )?\d|\d\s?(?:%|x\b|×|ms\b|s\b|min\b|minutes?|seconds?|hours?|connections?|/s|rps|qps|gb\b|mb\b)|\bso that [^.]{0,80}(?:\d|\bbelow\b|\babove\b|\bunder\b|\bnever\b|\bno )|\bdone when\b|\bpass(?:es)? (?:when|if)\b|\bfails? (?:the build|when|if)\b|\bverif\w* (?:by|with|:)|\buntil\b[^.]{0,40}\b(?:pass|below|under|\d)").is_match(&text)
}

/// The words of the action without its dates, ids and priorities.
fn stripped(action: &Action) -> String {
    let words = if action.words.contains(&action.says) {
        action.words.clone()
    } else {
        format!("{} {}", action.says, action.words)
    };
    pattern!(r"(?i)\d{4}-\d{2}-\d{2}|\b\d{1,2}(?:st|nd|rd|th)? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*(?:,? \d{4})?|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d{1,2}(?:,? \d{4})?|\d{1,2}/\d{1,2}/\d{2,4}|\b(?:P|Q|A|F|AI-?|SEV-?)\d\b|\b[A-Z]{2,}-\d+\b|\b20\d\d\b|^\W*\d+[.)]").replace_all(&words, " ").into_owned()
}

pub(super) fn not_only_people(cx: &Cx<'_>) -> Vec<Hit> {
    let people = pattern!(
        r"(?i)\btrain(?:ing|ings|ed)?\b|\bbe (?:more )?careful\b|\bmore care(?:ful)?\b|\bremind\w*\b|\bpay (?:more )?attention\b|\bawareness\b|\bdouble[- ]check\b|\bbe (?:more )?vigilant\b|\bvigilan\w+\b|\beducat\w*\b|\bworkshops?\b|\bcoach\w*\b|\btell (?:the|all|every)\b|\b(?:only|solely) (?:[A-Z]\w+|one person|the lead|senior \w+) (?:may|will|can)\b|\btake (?:more )?care\b|\bretrain\w*\b|\bbe mindful\b|\bspeak (?:to|with) the (?:engineer|developer|operator)\b|\bemphasi[sz]e\b|\bstress the importance\b|\breview more carefully\b"
    );
    let system = pattern!(
        r"(?i)\b(?:alert\w*|automat\w*|check(?:s|ed)? in|block\w*|reject\w*|require\w* (?:a|two|an)|gate|guard|limit\w*|script|pipeline|tool|drill\w*|exercise|game ?day|rehears\w*|pass criterion|runbook|dashboard|refus\w*|lint\w*|ci\b|wheel of misfortune|simulat\w*)\b"
    );
    let mut out = Vec::new();
    for action in &cx.facts.actions {
        let says = format!(
            "{} {}",
            action.says,
            action.verify.clone().unwrap_or_default()
        );
        if people.is_match(&action.says)
            && !(system.is_match(&says)
                && (measurable(action)
                    || !pattern!(r"(?i)\btrain|\bremind|\bcareful").is_match(&action.says)))
            && !pattern!(r"(?i)\btraining (?:data|set|job|run|pipeline|environment|cluster)\b")
                .is_match(&action.says)
        {
            out.push(
                Hit::new(action.range.clone(), format!("\"{}\" mends people, not the system", short(action)))
                    .fix("say which check, limit, default or alert makes the right thing easy; a drill with a pass criterion is fine"),
            );
        }
    }
    out
}

/// Words that carry meaning, shortened so that "alerts" and "alerting" are one.
fn stems(text: &str) -> std::collections::BTreeSet<String> {
    const STOP: &[&str] = &[
        "that", "this", "with", "from", "were", "have", "been", "which", "when", "what", "they",
        "their", "there", "than", "then", "into", "only", "after", "before", "because", "until",
        "would", "could", "should", "about", "every", "over", "under", "more", "most", "some",
        "such", "where", "while", "also", "each", "other", "went", "wrong", "took", "time",
        "times", "minutes", "hours", "team", "teams", "incident", "first", "nobody", "nothing",
        "during", "still", "same", "does", "just", "long", "made", "make", "will", "page", "pages",
        "three", "four", "five", "days", "week", "weeks", "month", "months", "year", "being",
        "without", "between",
    ];
    pattern!(r"[A-Za-z_]{4,}")
        .find_iter(text)
        .map(|m| m.as_str().to_lowercase())
        .filter(|w| !STOP.contains(&w.as_str()))
        .map(|w| w.chars().take(4).collect())
        .collect()
}

pub(super) fn mapped(cx: &Cx<'_>) -> Vec<Hit> {
    let facts = cx.facts;
    let mut out = Vec::new();
    if facts.actions.is_empty() {
        return out;
    }
    let action_words: String = facts
        .actions
        .iter()
        .map(|a| {
            format!(
                "{} {} {}\n",
                a.says,
                a.words,
                a.addresses.clone().unwrap_or_default()
            )
        })
        .collect();
    let after = cx.doc.words_about(&[Part::Actions])
        + &cx.doc.words_about(&[
            Part::Lessons,
            Part::WentWrong,
            Part::Questions,
            Part::Factors,
        ]);
    let wont = pattern!(
        r"(?i)\bwo(?:n['’]t| not) (?:do|fix|change)\b|\bwill not (?:do|be (?:done|changed|fixed)|change)\b|\bno action\b|\baccepted (?:risk|as)\b|\bdecided not to\b|\bwe accept\b"
    );
    // Ids first: "F2" must be named by an action, or by "won't do because".
    let ids: Vec<(String, &crate::facts::Said)> = facts
        .factors
        .iter()
        .chain(&facts.went_wrong)
        .filter_map(|said| {
            pattern!(r"^\W*((?:F|CF|W|P)\d{1,2})\b")
                .captures(&said.says)
                .map(|f| (f[1].to_owned(), said))
        })
        .collect();
    if !ids.is_empty() {
        let mut seen = std::collections::BTreeSet::new();
        for (id, said) in ids {
            if !seen.insert(id.clone()) {
                continue;
            }
            let mark = regex::Regex::new(&format!(r"\b{id}\b")).ok();
            let word = |text: &str| mark.as_ref().is_some_and(|m| m.is_match(text));
            // "(A3)" behind it points the other way round; "won't do" may stand in a line of its own.
            let points =
                pattern!(r"\bA(?:I-?)?\d+\b").is_match(&said.says) || wont.is_match(&said.says);
            let refused = after.lines().any(|l| {
                word(l) && (wont.is_match(l) || pattern!(r"\bA(?:I-?)?\d+\b").is_match(l))
            });
            if !word(&action_words) && !points && !refused {
                out.push(
                    Hit::new(
                        said.range.clone(),
                        format!("{id} has no action, and no reason why not"),
                    )
                    .fix(format!(
                        "add an action for {id}, or say: won't do, because …"
                    )),
                );
            }
        }
    } else if cx.strict() || !facts.factors.is_empty() || !facts.went_wrong.is_empty() {
        let known = stems(&action_words);
        let mut orphans = Vec::new();
        for said in facts.factors.iter().chain(&facts.went_wrong) {
            let own = stems(&said.says);
            let points = pattern!(r"\bA(?:I-?)?\d+\b|\b[A-Z]{2,}-\d+\b").is_match(&said.says)
                || wont.is_match(&said.says);
            if own.len() >= 3 && own.is_disjoint(&known) && !points {
                orphans.push(said);
            }
        }
        for said in orphans {
            out.push(
                Hit::new(
                    said.range.clone(),
                    "no action answers this, and nothing says why not",
                )
                .fix("add an action for it, or say: won't do, because …"),
            );
        }
    }
    escalation(cx, &action_words, &mut out);
    delays(cx, &action_words, &mut out);
    unfounded(cx, &mut out);
    out
}

/// A long way to the right team, and no action that shortens it.
fn escalation(cx: &Cx<'_>, action_words: &str, out: &mut Vec<Hit>) {
    let facts = cx.facts;
    let started = facts
        .clocks
        .started
        .as_ref()
        .and_then(|c| c.at)
        .or(facts.clocks.detected);
    let row = facts.row(Tag::Escalated);
    let (Some(start), Some(row)) = (started, row) else {
        return;
    };
    let (Some(at), Some(whole)) = (row.at, facts.computed_duration()) else {
        return;
    };
    let took = at.duration_since(start);
    let late = took.as_secs() >= 1800 && took.as_secs_f64() >= 0.25 * whole.as_secs_f64();
    // Training is no answer; a route, a page or a runbook is.
    let answered = pattern!(r"(?i)\bescalat\w*\b[^.\n]{0,60}\b(?:after|within|polic\w*|step|rule|path|automat\w*|timer|route|min)|\brout(?:e|es|ing)\b|\bpag(?:e|es|ing)\b|\brunbook\b|\bpolic(?:y|ies)\b|\bon-?call\b|\bsecond channel\b|\bownership\b|\bdecision tree\b|\bname[sd]? (?:the )?(?:pool|cause|owner|team)|\bescalation (?:path|policy|step|timer|rule)|\bescalate\b|\bpager\b|\bpaged\b").is_match(action_words);
    if late && !answered {
        let minutes = took.as_secs() / 60;
        out.push(
            Hit::new(row.range.clone(), format!("{minutes} minutes until the right team was engaged ({}), and no action shortens that", duration::say(took.unsigned_abs())))
                .fix("add an action: page the owners of the resource by the signal itself, or escalate after a fixed time"),
        );
    }
}

/// Time that was lost to a thing that no action speaks of: an old phone list, a missing key.
fn delays(cx: &Cx<'_>, action_words: &str, out: &mut Vec<Hit>) {
    let lost = pattern!(
        r"(?i)\b(?:lost|nobody could|no one could|could not (?:find|reach)|before (?:any(?:one|body)|somebody|someone)|until (?:somebody|someone|the right)|out of date|was not in the|find out who|who was on duty|phoned around|went by until|reached? (?:the )?(?:right|wrong)|waited? for (?:a|the|an) (?:password|key|approval|permission|access|person|owner|answer))\b"
    );
    let known = stems(action_words);
    for (i, block) in cx.doc.blocks() {
        if block.quoted
            || block.is_head()
            || cx.doc.about[i].any(&[Part::Impact])
            || cx.doc.about[i].is(Part::Actions) && !matches!(block.kind, crate::tree::Kind::Para)
        {
            continue;
        }
        for text in block.texts() {
            for sentence in text.plain.split_inclusive(['.', ';']) {
                let long = duration::spans(sentence)
                    .into_iter()
                    .find(|s| s.length.as_secs() >= 20 * 60);
                let (Some(long), true) = (long, lost.is_match(sentence)) else {
                    continue;
                };
                let own = stems(&pattern!(r"(?i)\b(?:because|since|until|nobody|somebody|someone|anyone|could|minutes?|hours?)\b").replace_all(sentence, " "));
                let pointed =
                    pattern!(r"(?i)\bactions? \d|\bA\d\b|see (?:action|below)").is_match(sentence);
                if own.len() >= 2 && own.is_disjoint(&known) && !pointed {
                    let at = text.plain.find(sentence).unwrap_or(0);
                    out.push(
                        Hit::new(
                            text.source_range(at..at + sentence.trim_end().len()),
                            format!(
                                "{} were lost to this, and no action speaks of it",
                                duration::say(long.length)
                            ),
                        )
                        .fix("add an action for it, or say: won't do, because …"),
                    );
                }
            }
        }
    }
}

/// An action against a cause that nothing in the report shows (slow queries, where none was seen).
fn unfounded(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let causes = cx
        .doc
        .words_about(&[
            Part::Cause,
            Part::Timeline,
            Part::Factors,
            Part::Trigger,
            Part::Resolution,
            Part::FalseLeads,
            Part::WentWrong,
            Part::Summary,
        ])
        .to_lowercase();
    for action in &cx.facts.actions {
        let queries = pattern!(r"(?i)\b(?:query (?:execution )?plans?|slow quer(?:y|ies)|query optimi[sz]ation|optimi[sz]e (?:\w+ )?quer(?:y|ies))\b").is_match(&action.says);
        if queries
            && !pattern!(r"\bquer(?:y|ies)\b|\bindex\b|\bstatements?\b|\bplans?\b")
                .is_match(&causes)
            && !causes.trim().is_empty()
        {
            out.push(
                Hit::new(
                    action.range.clone(),
                    "this answers slow queries, which nothing in the report shows",
                )
                .fix("tie it to a factor by its id, or drop it"),
            );
        }
    }
}

pub(super) fn types_and_ends(cx: &Cx<'_>) -> Vec<Hit> {
    let actions = &cx.facts.actions;
    if actions.is_empty() {
        return Vec::new();
    }
    let mut out = Vec::new();
    let ends = actions.iter().any(measurable) || actions.iter().any(|a| pattern!(r"(?i)^\W*(?:add (?:an? )?)?(?:alert|page|notify|fail|refuse|reject|stop)\b[^.]{0,80}\b(?:when|if|before|after|for|reach\w*|more than|above|below|that)\b").is_match(&a.says));
    if !ends {
        let all = actions.len();
        let place = &actions[0];
        out.push(
            Hit::new(place.range.clone(), format!("0 of {all} actions have an end that can be measured"))
                .fix("give each a `verify`: a query or a drill with its threshold, for example `pool wait p99 below 100 ms at twice the load`"),
        );
        for action in actions
            .iter()
            .filter(|a| a.line != place.line)
            .filter(|a| {
                pattern!(r"(?i)\b(?:monitor\w*|alert\w*|load test\w*|test\w*)\b").is_match(&a.says)
            })
            .take(4)
        {
            out.push(
                Hit::new(
                    action.range.clone(),
                    "which signal or load, which threshold, which pass criterion?",
                )
                .fix("name them"),
            );
        }
    }
    // All of one kind, where the kinds are stated.
    let kinds: Vec<ActionType> = actions.iter().filter_map(|a| a.kind).collect();
    if actions.len() >= 2 && kinds.len() == actions.len() && kinds.iter().all(|k| *k == kinds[0]) {
        let name = match kinds[0] {
            ActionType::Prevent => "prevent",
            ActionType::Detect => "detect",
            ActionType::Mitigate => "mitigate",
            ActionType::Process => "process",
        };
        out.push(
            Hit::new(
                actions[0].range.clone(),
                format!("all {} actions are of the kind {name}", actions.len()),
            )
            .fix("ask too: how would we see it sooner, and how would it hurt less?"),
        );
    } else if cx.strict() {
        if kinds.len() < actions.len() {
            out.push(
                Hit::new(
                    actions[0].range.clone(),
                    format!(
                        "{} of {} actions state no type",
                        actions.len() - kinds.len(),
                        actions.len()
                    ),
                )
                .fix("`type: prevent | detect | mitigate | process`"),
            );
        } else if !(kinds.contains(&ActionType::Prevent)
            && kinds
                .iter()
                .any(|k| matches!(k, ActionType::Detect | ActionType::Mitigate)))
        {
            out.push(
                Hit::new(
                    actions[0].range.clone(),
                    "no action prevents, or none detects or mitigates",
                )
                .fix("have at least one of each"),
            );
        }
    } else if actions.len() >= 2 {
        // Unlabelled, but all say the same kind of thing: only prevention, by its verbs.
        let by_words = |a: &Action| a.kind.or_else(|| guessed(a));
        let all: Vec<Option<ActionType>> = actions.iter().map(by_words).collect();
        if all.iter().all(|k| *k == Some(ActionType::Process)) {
            out.push(
                Hit::new(
                    actions[0].range.clone(),
                    "all actions change how people work; none changes the system",
                )
                .fix("add one that prevents, and one that detects or mitigates"),
            );
        }
    }
    out
}

fn guessed(action: &Action) -> Option<ActionType> {
    let says = action.says.to_lowercase();
    if pattern!(r"\balert|\bmonitor|\bdetect|\bprobe|\bpage\b|\bdashboard").is_match(&says) {
        Some(ActionType::Detect)
    } else if pattern!(r"\btrain|\bdocument|\brunbook|\bmeeting|\bprocess\b|\bremind|\bcommunicat|\breview\b|\bpolicy|\bchecklist").is_match(&says) {
        Some(ActionType::Process)
    } else {
        None
    }
}

pub(super) fn how_many(cx: &Cx<'_>) -> Vec<Hit> {
    let n = cx.facts.actions.len();
    match n {
        0 => vec![
            Hit::new(
                cx.doc.place_of(&[Part::Actions]),
                "the report has no action",
            )
            .fix("add at least one, with owner and due date; or say why nothing will be done"),
        ],
        1..=10 => Vec::new(),
        _ => vec![
            Hit::new(
                cx.doc.place_of(&[Part::Actions]),
                format!("{n} actions are too many to be done"),
            )
            .fix("keep the ten that matter most, and move the rest to the backlog"),
        ],
    }
}
