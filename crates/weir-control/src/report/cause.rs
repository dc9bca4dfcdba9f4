//! Part 3: trigger, cause, contributing factors, how it was identified, what it was not.

use weir_model::{Cause, Level};

use super::doc::{Cited, Line};
use super::{Draft, measured, timeline};
use crate::incident::entry::Topic;
use crate::incident::words::{self, count, counted, duration, per_second, seconds, share, trimmed};
use crate::incident::{Factor, FactorKind, RowKind};
use crate::record::window::PoolWindow;

pub(super) fn write(draft: &mut Draft<'_>) {
    draft.heading("3. Root cause");
    trigger(draft);
    cause(draft);
    if draft.was_seen() {
        littles_law(draft);
    }
    factors(draft);
    if draft.was_seen() {
        quantities(draft);
        timeline::hold_figure(draft);
    }
    identified(draft);
    ruled_out(draft);
    surprise(draft);
    related(draft);
}

fn trigger(draft: &mut Draft<'_>) {
    let told = draft.stated_para("Trigger.", Topic::Trigger);
    let onset = draft.clocks.impact_started_at;
    if let Some(trigger) = &draft.incident.trigger {
        let cited = [Cited::Journal(trigger.seq)];
        let label = if told {
            "Trigger, as Weir saw it."
        } else {
            "Trigger."
        };
        let line = Line::new()
            .strong(label)
            .text(" ")
            .says_sentence(&trigger.says)
            .cite(&cited);
        let line = match trigger.at {
            Some(at) => line.text(format!(
                " ({} UTC, {}).",
                words::time_of_day_tenths(at),
                words::beside_onset(at, onset)
            )),
            None => line.text(" (time not known)."),
        };
        draft.para(line);
    } else if !told {
        let line = Line::new().strong("Trigger.").text(" ");
        let marker = draft
            .incident
            .timeline()
            .into_iter()
            .rfind(|row| row.kind == RowKind::Marker && row.at <= onset);
        let line = match marker {
            // What came before is not yet what set it off.
            Some(row) => line
                .text("Not proven. The last change before the onset, ")
                .text(words::beside_onset(row.at, onset))
                .text(", was ")
                .told(&row.says)
                .cite(&[Cited::Journal(row.seq)])
                .text(". Whether it set this off is an open question."),
            None => line
                .text("Not seen by Weir: neither a step in the measured load nor an event in the journal. It is an open question.")
                .cite(&draft.cite_whole()),
        };
        draft.para(line);
    }
}

fn cause(draft: &mut Draft<'_>) {
    let told = draft.stated_para("Cause.", Topic::RootCause);
    let label = if told {
        "Cause, as Weir measured it."
    } else {
        "Cause."
    };
    let line = Line::new().strong(label).text(" ");
    let Some(top) = draft.incident.top_cause() else {
        let says = match draft.incident.causes.first() {
            Some(unknown) => line
                .text("Not known: nothing explains enough of it. ")
                .says_part(&unknown.says)
                .text("."),
            None if told => return,
            None => line.text("Not known: the journal holds no diagnosis. It is an open question."),
        };
        draft.para(says);
        return;
    };
    let cited = draft.book.cite_all(&top.evidence);
    let mut line = line
        .emphasis(capitalised(words::phrase(top.cause)))
        .text(" (")
        .code(top.cause.name())
        .text(format!(", {} sure", share(top.confidence)));
    if top.share.is_finite() && top.share > 0.0 {
        line = line.text(format!(
            ", explains {} of the change in load over capacity",
            share(top.share)
        ));
    }
    line = line
        .text("). ")
        .says_sentence(&top.says)
        .text(".")
        .cite(&cited);
    draft.para(line);
    let object: Vec<(String, String)> = top
        .object
        .iter()
        .take(8)
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if !object.is_empty() {
        let mut line = Line::of("It concerns ");
        for (index, (key, value)) in object.iter().enumerate() {
            if index > 0 {
                line = line.text(", ");
            }
            line = line.says(key).text(" ").code(value);
        }
        draft.para(line.text("."));
    }
}

/// Why nobody saw it coming: as people answer it, and what the journal shows of it.
fn surprise(draft: &mut Draft<'_>) {
    let told = draft.stated_para("Why it was a surprise.", Topic::WhySurprised);
    let incident = draft.incident;
    let mut line = Line::new().strong(if told {
        "What the journal shows of it."
    } else {
        "Why it was a surprise."
    });
    let mut shown = false;
    let mut cited = Vec::new();
    if let Some(usual) = measured(incident.baseline.as_ref())
        && usual.size > 0.0
    {
        cited.extend(draft.cite_baseline());
        line = line.text(format!(
            " Before the onset {} of {} server connections were in use, and at most {} waited.",
            trimmed(usual.active),
            trimmed(usual.size),
            counted(u64::from(usual.waiting_max), "client", "clients")
        ));
        shown = true;
    }
    let onset = draft.clocks.impact_started_at;
    let announced = incident
        .timeline()
        .iter()
        .any(|row| row.kind == RowKind::Marker && row.at <= onset);
    let warned = incident.alerts.iter().any(|alert| alert.at < onset);
    if draft.was_seen() && !announced && !warned {
        line = line.text(
            " Neither a marker of a change nor an alert stands in the journal before the onset.",
        );
        cited.extend(draft.cite_whole());
        shown = true;
    }
    line = line.cite(&cited);
    if !told {
        line = line.text(
            " Why nobody caught it sooner, in monitoring, tests or review, is an open question.",
        );
        shown = true;
    }
    if shown {
        draft.para(line);
    }
}

/// It happened before.
fn related(draft: &mut Draft<'_>) {
    let related = draft.incident.related.clone();
    if related.is_empty() {
        return;
    }
    draft.para(Line::new().strong("It happened before."));
    let items = related
        .iter()
        .take(20)
        .map(|r| {
            let line = Line::new()
                .strong(r.to.to_string())
                .text(": ")
                .says_part(&r.says);
            let line = if r.open_actions.is_empty() {
                line.text("; none of its actions was still open")
            } else {
                let mut line = line.text(format!(
                    "; still open of its actions: {} ",
                    counted(r.open_actions.len() as u64, "action,", "actions,")
                ));
                for (index, action) in r.open_actions.iter().take(10).enumerate() {
                    if index > 0 {
                        line = line.text("; ");
                    }
                    line = line.says_part(action);
                }
                line
            };
            line.cite(&[Cited::Journal(r.seq)]).text(".")
        })
        .collect();
    draft.list(items);
}

/// Demand against supply, with the numbers.
fn littles_law(draft: &mut Draft<'_>) {
    let Some(need) = draft.incident.need() else {
        let why = match (&draft.incident.measured, draft.incident.level) {
            (Some(m), _) if m.during.samples > 0 && m.during.completions == 0 => {
                "no transaction completed, so there is no time that one holds a connection"
            }
            (_, Some(Level::Down)) => "no server connection could be held",
            _ => "the window was not measured",
        };
        draft.para(Line::of(format!(
            "Connections needed = arrivals × time each transaction holds one (Little's law) can not be given: {why}."
        )));
        return;
    };
    let over = if need.while_waiting {
        format!("over the {} in which clients waited", seconds(need.seconds))
    } else {
        format!("over {}", seconds(need.seconds))
    };
    let cited = draft.cite_samples();
    let line = Line::of(format!(
        "Connections needed = arrivals × time each transaction holds one (Little's law) = {} × {} = ",
        per_second(need.arrivals_per_s),
        seconds(need.hold_s)
    ))
    .strong(trimmed(need.servers))
    .text(format!(", {over}; there were {} on average", trimmed(need.size)))
    .cite(&cited)
    .text(".");
    draft.para(line);
    let Some(usual) = measured(draft.incident.baseline.as_ref()).filter(|b| b.completions > 0)
    else {
        return;
    };
    let mut cited = draft.cite_baseline();
    cited.extend(draft.cite_samples());
    let (arrivals, hold) = (usual.arrival_rate(), usual.hold_s());
    let times = |now: f64, before: f64| {
        if before > 0.0 && (now / before).is_finite() {
            format!("{:.1} ×", now / before)
        } else {
            "an unknown multiple of".to_owned()
        }
    };
    let line = Line::of(format!(
        "Against the time before the onset, arrivals were {} ({} to {}) and the time held {} ({} to {})",
        times(need.arrivals_per_s, arrivals),
        per_second(arrivals),
        per_second(need.arrivals_per_s),
        times(need.hold_s, hold),
        seconds(hold),
        seconds(need.hold_s),
    ))
    .cite(&cited)
    .text(".");
    draft.para(line);
}

fn factors(draft: &mut Draft<'_>) {
    let factors = draft.incident.factors();
    let stated: Vec<Line> = draft
        .incident
        .stated_about(Topic::Factor)
        .filter(|stated| !factors.iter().any(|f| f.says.contains(&stated.says)))
        .take(super::STATED_MAX)
        .map(super::stated_line)
        .collect();
    let whole = draft.cite_whole();
    draft.para(match factors.len() + stated.len() {
        0 => Line::new()
            .strong("Contributing factors.")
            .text(" The journal shows none beside the cause; what else made it possible is an open question.")
            .cite(&whole),
        1 => Line::new()
            .strong("Contributing factors.")
            .text(" The journal shows one; whether there were more is an open question.")
            .cite(&whole),
        _ => Line::new().strong("Contributing factors."),
    });
    let mut items: Vec<Line> = factors
        .iter()
        .map(|factor| {
            let cited = cite_factor(draft, factor);
            Line::new()
                .strong(&factor.id)
                .text(": ")
                .says_part(&factor.says)
                .text(".")
                .cite(&cited)
        })
        .collect();
    for (index, mut line) in stated.into_iter().enumerate() {
        let mut numbered = Line::new()
            .strong(format!("F{}", factors.len() + index + 1))
            .text(": ");
        numbered.0.append(&mut line.0);
        items.push(numbered);
    }
    draft.list(items);
}

fn cite_factor(draft: &mut Draft<'_>, factor: &Factor) -> Vec<Cited> {
    match factor.kind {
        FactorKind::SecondCause(_) if factor.evidence.is_empty() => draft.cite_samples(),
        FactorKind::SecondCause(_) => draft.book.cite_all(&factor.evidence),
        FactorKind::NearLimit => draft.cite_baseline(),
        FactorKind::IdleHeld | FactorKind::GaveUp => draft.cite_samples(),
        FactorKind::NotAllowedToAct => {
            let first = draft
                .incident
                .decisions
                .iter()
                .find(|d| d.to_size.is_some());
            first.map_or_else(Vec::new, |d| draft.cite_decision(&d.decision, d.at))
        }
        FactorKind::MessageLost => draft
            .incident
            .deliveries
            .iter()
            .filter(|d| !d.ok)
            .take(3)
            .map(|d| Cited::Journal(d.seq))
            .collect(),
        FactorKind::CameBack => draft
            .incident
            .timeline()
            .iter()
            .filter(|row| row.kind == RowKind::CameBack)
            .take(3)
            .map(|row| Cited::Journal(row.seq))
            .collect(),
        FactorKind::NobodyAcknowledged => draft.cite_whole(),
    }
}

/// A row of the table below: what, and how to read it off a window.
type Quantity = (&'static str, fn(&PoolWindow) -> String);

const QUANTITIES: [Quantity; 11] = [
    ("size (at the end)", |w| w.size_last.to_string()),
    ("servers in use (mean)", |w| trimmed(w.active)),
    ("clients waiting (most)", |w| {
        count(u64::from(w.waiting_max))
    }),
    ("oldest wait", |w| duration(w.oldest_wait_max)),
    ("wait p99", |w| {
        words::wait_p99(w).map_or_else(|| "no wait ended".to_owned(), duration)
    }),
    ("offered transactions", |w| per_second(w.arrival_rate())),
    ("completed transactions", |w| {
        per_second(w.completion_rate())
    }),
    ("time a transaction holds a server", |w| {
        if w.completions == 0 {
            "none completed".to_owned()
        } else {
            seconds(w.hold_s())
        }
    }),
    ("… of which executing / thinking / network", held),
    ("failed by the path", |w| count(w.failures)),
    ("gave up or refused", |w| count(w.abandoned)),
];

fn held(w: &PoolWindow) -> String {
    let all = w.held.total().as_secs_f64();
    if all <= 0.0 {
        return "nothing was held".to_owned();
    }
    let of = |d: std::time::Duration| share(d.as_secs_f64() / all);
    format!(
        "{} / {} / {}",
        of(w.held.executing),
        of(w.held.thinking),
        of(w.held.network)
    )
}

/// The resource before, during and after.
fn quantities(draft: &mut Draft<'_>) {
    let incident = draft.incident;
    let before = measured(incident.baseline.as_ref());
    let during = measured(incident.measured.as_ref().map(|m| &m.during));
    let after = measured(incident.measured.as_ref().and_then(|m| m.after.as_ref()));
    if before.is_none() && during.is_none() && after.is_none() {
        draft.para(Line::of(
            "Pool size, use and waits before, during and after: not measured.",
        ));
        return;
    }
    let mut cited = draft.cite_baseline();
    cited.extend(draft.cite_samples());
    let cell = |window: Option<&PoolWindow>, f: fn(&PoolWindow) -> String| {
        Line::of(window.map_or_else(|| "not measured".to_owned(), f))
    };
    let rows = QUANTITIES
        .iter()
        .map(|&(name, f)| {
            vec![
                Line::of(name),
                cell(before, f),
                cell(during, f),
                cell(after, f),
            ]
        })
        .collect();
    draft.para(
        Line::of("The resource before, during and after")
            .cite(&cited)
            .text(":"),
    );
    draft.table(
        "The pool before, during and after the incident",
        &["quantity", "before", "during", "after"],
        rows,
    );
}

fn identified(draft: &mut Draft<'_>) {
    let told = draft.stated_para("How it was identified.", Topic::HowIdentified);
    let label = if told {
        "How Weir identified it."
    } else {
        "How it was identified."
    };
    let line = Line::new().strong(label).text(" ");
    let Some(top) = draft.incident.causes.first().cloned() else {
        if !told {
            let line = if draft.was_seen() {
                line.text("It was not: the journal holds no diagnosis.")
            } else {
                line.text("The journal does not say; it is an open question.")
            };
            let cited = draft.cite_whole();
            draft.para(line.cite(&cited));
        }
        return;
    };
    let line = match draft.clocks.cause_named_at {
        Some(at) => line.text(format!(
            "Weir compared the pool before and after the onset, {} after it. What speaks for it:",
            duration(at.since(draft.clocks.impact_started_at))
        )),
        None => line.text(
            "Weir compared the pool before and after the onset and named no cause. What it saw:",
        ),
    };
    if top.evidence.is_empty() {
        draft.para(line.text(" no single number was recorded with it."));
    } else {
        draft.para(line);
    }
    let items = top
        .evidence
        .iter()
        .take(12)
        .map(|e| {
            let cited = draft.book.cite(e);
            Line::new().says_part(&e.says).cite(&cited)
        })
        .collect();
    draft.list(items);
    let others: Vec<String> = draft
        .incident
        .causes
        .iter()
        .skip(1)
        .take(3)
        .filter(|c| c.cause != Cause::Unknown)
        .map(|c| format!("{} ({} sure)", words::phrase(c.cause), share(c.confidence)))
        .collect();
    if !others.is_empty() {
        draft.para(Line::of(format!(
            "Ranked behind it: {}.",
            others.join(", ")
        )));
    }
}

/// False leads: what people followed, with what it cost; what Weir tested, with the number that
/// spoke against it.
fn ruled_out(draft: &mut Draft<'_>) {
    let followed = draft.stated_para("What it was not.", Topic::FalseLead);
    let label = if followed {
        "What Weir ruled out."
    } else {
        "What it was not."
    };
    let line = Line::new().strong(label).text(" ");
    if draft.incident.ruled_out.is_empty() {
        if !followed {
            let cited = draft.cite_whole();
            draft.para(
                line.text("The journal holds nothing that was ruled out; whether anybody searched elsewhere first, and for how long, is an open question.")
                    .cite(&cited),
            );
        }
        return;
    }
    let when = draft.clocks.cause_named_at.map_or_else(
        || "while the cause was being looked for".to_owned(),
        |at| {
            format!(
                "{} after the onset",
                duration(at.since(draft.clocks.impact_started_at))
            )
        },
    );
    let spent = if followed {
        ""
    } else {
        "; the journal shows no time that a person spent on any of them"
    };
    draft.para(line.text(format!(
        "Diagnosis had tested and ruled out {} {when}{spent}:",
        counted(draft.incident.ruled_out.len() as u64, "suspect", "suspects")
    )));
    let rows = draft
        .incident
        .ruled_out
        .iter()
        .take(30)
        .map(|r| {
            let cited = draft.book.cite_all(&r.evidence);
            vec![
                Line::of(words::phrase(r.cause)),
                Line::of(words::why_plausible(r.cause)),
                Line::new().says_part(&r.says).cite(&cited),
            ]
        })
        .collect();
    draft.table(
        "What was suspected and what ruled it out",
        &["suspected", "why plausible", "what ruled it out"],
        rows,
    );
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
