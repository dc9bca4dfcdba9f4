//! IR03 and IR10: the five parts, and a summary that can be read alone.

use super::{Cx, Hit};
use crate::facts::part::{FIVE, Part};
use crate::tree::{Form, Kind};
use crate::words::pattern;

/// The five, as people call them.
const NAMES: [&str; 5] = [
    "issue summary",
    "timeline",
    "root cause",
    "resolution and recovery",
    "actions",
];

pub(super) fn five_parts(cx: &Cx<'_>) -> Vec<Hit> {
    let doc = cx.doc;
    let mut out = Vec::new();
    for (n, group) in FIVE.iter().enumerate() {
        let wanted: &[Part] = match n {
            4 => &[Part::Actions],
            _ => group,
        };
        let named = doc.sections.iter().any(|s| s.parts.any(wanted));
        // A summary may also be the paragraph right under the title, or a header of fields.
        let stands = named
            || n == 0 && opening_paragraph(cx)
            || n == 1 && cx.facts.rows.len() >= 3
            || n == 4 && !cx.facts.actions.is_empty();
        if !stands {
            out.push(
                Hit::new(
                    cx.title(),
                    format!("the part \"{}\" can't be found", NAMES[n]),
                )
                .fix(format!(
                    "add a heading: `## {}. {}`",
                    n + 1,
                    capital(NAMES[n])
                )),
            );
        }
    }
    twice(cx, &mut out);
    nested(cx, &mut out);
    bare(cx, &mut out);
    leftovers(cx, &mut out);
    empty(cx, &mut out);
    colons(cx, &mut out);
    if cx.strict() {
        order(cx, &mut out);
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| {
        c.to_uppercase().collect::<String>() + chars.as_str()
    })
}

/// Prose right under the title, before any heading.
fn opening_paragraph(cx: &Cx<'_>) -> bool {
    let doc = cx.doc;
    doc.blocks().any(|(i, b)| {
        b.kind == Kind::Para
            && !b.quoted
            && doc.about[i].is_empty()
            && doc.inner[i].is_none_or(|s| doc.title == Some(doc.sections[s].head))
            && b.text.plain.split_whitespace().count() >= 15
            && !meta_prose().is_match(&b.text.plain)
    })
}

/// The same part under two headings.
fn twice(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let doc = cx.doc;
    let strongly = |text: &str| -> Option<&'static str> {
        let lower = text.to_lowercase();
        if pattern!(r"\broot[- ]?cause").is_match(&lower) {
            Some("root cause")
        } else if pattern!(r"\btime-?line\b").is_match(&lower) {
            Some("timeline")
        } else if pattern!(r"\b(?:issue|incident|executive) summary\b|^\W*(?:\d\W+)?summary\W*$")
            .is_match(&lower)
        {
            Some("summary")
        } else if pattern!(r"\baction items?\b|\bcorrective\b|\bfollow-?up actions?\b")
            .is_match(&lower)
        {
            Some("actions")
        } else if pattern!(r"^\W*(?:\d\W+)?resolution(?: and recovery)?\W*$").is_match(&lower) {
            Some("resolution")
        } else {
            None
        }
    };
    let mut seen: Vec<(&'static str, usize)> = Vec::new();
    for (n, section) in doc.sections.iter().enumerate() {
        if doc.title == Some(section.head) || section.form == Form::Label {
            continue;
        }
        let Some(name) = strongly(&doc.tree.blocks[section.head].text.plain) else {
            continue;
        };
        let first = seen.iter().find(|(other, m)| {
            let outer = &doc.sections[*m];
            // A subsection repeats its part's name and is a piece of it.
            *other == name && !outer.body.contains(&section.head)
        });
        if let Some((_, m)) = first {
            let line = doc
                .source
                .place(doc.head_range(&doc.sections[*m]).start)
                .line;
            out.push(
                Hit::new(
                    doc.head_range(section),
                    format!("the part \"{name}\" stands twice: first in line {line}"),
                )
                .fix("keep one heading for each part and move the text together"),
            );
        }
        seen.push((name, n));
    }
}

/// A timeline under the root cause.
fn nested(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let doc = cx.doc;
    for (_, section) in doc
        .sections_of(Part::Timeline)
        .filter(|(_, s)| s.form != Form::Label)
    {
        let Some(outer) = doc.is_inside(section, Part::Cause) else {
            continue;
        };
        let outer = &doc.sections[outer];
        if outer.parts.is(Part::Timeline) || outer.form == Form::Label {
            continue;
        }
        out.push(
            Hit::new(
                doc.head_range(section),
                "the timeline is nested under the root cause: what happened comes before why",
            )
            .fix("move it to a heading of its own: `## 2. Timeline`"),
        );
    }
}

/// A part that is announced by a bare line in a report that else has headings.
fn bare(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let doc = cx.doc;
    let real = doc
        .sections
        .iter()
        .filter(|s| s.form == Form::Heading && doc.title != Some(s.head))
        .count();
    if real < 2 {
        return;
    }
    for section in doc.sections.iter().filter(|s| s.form == Form::Bare) {
        let missing = FIVE.iter().any(|group| {
            section.parts.any(group)
                && !doc
                    .sections
                    .iter()
                    .any(|s| s.form != Form::Bare && s.parts.any(group))
        });
        let merged = FIVE.iter().filter(|group| section.parts.any(group)).count() > 1;
        let outside = section
            .parent
            .is_none_or(|p| !doc.sections[p].parts.any(&[Part::Actions, Part::Lessons]) || missing);
        if (missing || merged) && outside {
            let range = doc.head_range(section);
            let words = doc.tree.blocks[section.head]
                .text
                .trimmed()
                .trim_end_matches(':')
                .to_owned();
            out.push(
                Hit::new(
                    range,
                    format!("\"{words}\" begins a part, but is a line of text and no heading"),
                )
                .fix(format!(
                    "make it a heading: `## {words}`{}",
                    if merged {
                        ", and give each part its own"
                    } else {
                        ""
                    }
                )),
            );
        }
    }
}

fn meta_prose() -> &'static regex::Regex {
    pattern!(
        r"(?i)\blearning how to write\b|\b(?:this|the) (?:report|postmortem|document|template) (?:is made up of|follows the (?:guidelines|template|format)|consists of (?:five|\d))|\blet'?s (?:now )?(?:review|go through|look at) each\b|\b(?:delete|remove|replace) this (?:line|text|section|paragraph|block|before)|\bthis template\b|\b(?:fill|write) in (?:this|the|here|below)\b|\bdescribe (?:here|the (?:incident|impact|root cause|problem) (?:here|in))|\bone or two sentences (?:describing|on)\b|\binstructions (?:for|to) (?:the )?author|\byour (?:text|answer|summary) here\b|\b(?:add|insert|put) (?:your|the) \w+ here\b|\bwe (?:will|shall) (?:now )?(?:describe|review) each of|\bguidelines used (?:closely )?by\b|\bexample text\b|\bguidance: "
    )
}

/// What a template or an unfinished draft leaves behind.
fn leftovers(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let doc = cx.doc;
    let marks = pattern!(
        r"(?i)\b(?-i:TODO|TBD|FIXME|XXX|TBC)\b|\blorem ipsum\b|\[\s?(?:insert|your|fill|describe|placeholder|add|enter|name of|todo|tbd|date|time|link|summary|service|team)\b[^\]\n]{0,80}\]|<\s?(?:insert|your|fill|describe|placeholder|enter|name|service|date|add|link|team|todo|tbd|title)\b[^>\n]{0,80}>|\{\{[^}\n]{0,80}\}\}|\?\?+ ?%? of \?\?|_{5,}"
    );
    for (i, block) in doc.blocks() {
        if block.quoted || block.kind == Kind::Code {
            continue;
        }
        let later = doc.about[i].any(&[Part::Actions]);
        for text in block.texts() {
            if let Some(found) = meta_prose()
                .find(&text.plain)
                .filter(|f| !later && !text.is_quoted(f.start()))
            {
                out.push(
                    Hit::new(
                        text.source_range(found.range()),
                        format!(
                            "\"{}\" speaks about how to write a report: text of a template",
                            found.as_str()
                        ),
                    )
                    .fix("delete it; the report speaks of the incident alone"),
                );
            }
            for found in marks.find_iter(&text.plain) {
                let word = found.as_str();
                // A ticket's own link text and an action's open owner are asked elsewhere (IR32, IR33).
                let linked = text.links.iter().any(|l| l.range.contains(&found.start()));
                if text.is_quoted(found.start()) || later || linked {
                    continue;
                }
                // "owner: TBD" in the header is what IR02 asks.
                out.push(
                    Hit::new(
                        text.source_range(found.range()),
                        format!("\"{word}\" was left open"),
                    )
                    .fix("fill it in, or say that it is not known and who finds out"),
                );
            }
        }
    }
    for front in &doc.tree.front {
        if let Some(found) = marks.find(&front.value.plain) {
            out.push(
                Hit::new(
                    front.value.source_range(found.range()),
                    format!("\"{}\" was left open", found.as_str()),
                )
                .fix("fill it in"),
            );
        }
    }
}

/// A heading of one of the five with nothing under it.
fn empty(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let doc = cx.doc;
    for section in doc.sections.iter().filter(|s| s.form == Form::Heading) {
        let wanted = FIVE.iter().any(|group| section.parts.any(group));
        let filled = section.body.clone().any(|i| {
            doc.tree.blocks.get(i).is_some_and(|b| {
                !matches!(
                    b.kind,
                    Kind::Head {
                        level: 0..=60,
                        form: Form::Heading
                    }
                )
            })
        });
        // "Root cause: pool exhausted" says it in the heading.
        let inline = doc.tree.blocks[section.head].text.plain.contains(": ");
        if wanted && !filled && !inline {
            let name = doc.tree.blocks[section.head].text.trimmed().to_owned();
            out.push(
                Hit::new(
                    doc.head_range(section),
                    format!("nothing stands under \"{name}\""),
                )
                .fix("write the part, or take the heading away"),
            );
        }
    }
}

/// `## Summary:`: a heading needs no colon. Asked in strict only, but mended by `--fix`.
fn colons(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let doc = cx.doc;
    if !cx.strict() {
        return;
    }
    for section in doc.sections.iter().filter(|s| s.form == Form::Heading) {
        let text = &doc.tree.blocks[section.head].text;
        let words = text.plain.trim_end();
        if !words.ends_with(':') || doc.tree.is_html {
            continue;
        }
        let range = text.source_range(words.len() - 1..words.len());
        if doc.source.slice(range.clone()) == ":" {
            out.push(
                Hit::new(range.clone(), "a heading ends with a colon")
                    .severity(crate::finding::Severity::Warning)
                    .edit("take the colon away", range, "", true),
            );
        }
    }
}

/// Strict: the five headings of Weir's own reports, in their order.
fn order(cx: &Cx<'_>, out: &mut Vec<Hit>) {
    let doc = cx.doc;
    let names = [
        pattern!(r"(?i)^(?:1\.? )?issue summary:?$"),
        pattern!(r"(?i)^(?:2\.? )?timeline(?: \(utc\))?:?$"),
        pattern!(r"(?i)^(?:3\.? )?root cause:?$"),
        pattern!(r"(?i)^(?:4\.? )?resolution and recovery:?$"),
        pattern!(r"(?i)^(?:5\.? )?corrective and preventative measures:?$"),
    ];
    let mut last = 0;
    for (n, name) in names.iter().enumerate() {
        let found = doc.sections.iter().find(|s| {
            s.form == Form::Heading && name.is_match(doc.tree.blocks[s.head].text.trimmed())
        });
        match found {
            None => {
                if doc.sections.iter().any(|s| s.parts.any(FIVE[n])) {
                    out.push(
                        Hit::new(
                            doc.place_of(FIVE[n]),
                            format!(
                                "strict: the heading of part {} is \"{}\"",
                                n + 1,
                                NAMES_STRICT[n]
                            ),
                        )
                        .fix(format!(
                            "`## {}. {}`",
                            n + 1,
                            NAMES_STRICT[n]
                        )),
                    );
                }
            }
            Some(section) if section.head < last => out.push(
                Hit::new(
                    doc.head_range(section),
                    format!("strict: part {} stands before part {n}", n + 1),
                )
                .fix("put the five parts in their order"),
            ),
            Some(section) => last = section.head,
        }
    }
}

const NAMES_STRICT: [&str; 5] = [
    "Issue summary",
    "Timeline",
    "Root cause",
    "Resolution and recovery",
    "Corrective and preventative measures",
];

pub(super) fn short_summary(cx: &Cx<'_>) -> Vec<Hit> {
    let doc = cx.doc;
    let Some((n, section)) = doc.sections_of(Part::Summary).next() else {
        return Vec::new();
    };
    let mut words = 0;
    for i in section.body.clone() {
        let block = &doc.tree.blocks[i];
        let own = doc.inner[i].is_some_and(|s| s == n) || doc.about[i].is(Part::Summary);
        if own
            && matches!(block.kind, Kind::Para | Kind::Item { .. })
            && !block.quoted
            && !field_like(&block.text.plain)
        {
            words += block
                .text
                .plain
                .split_whitespace()
                .filter(|w| w.chars().any(char::is_alphanumeric))
                .count();
        }
    }
    let limit = if cx.strict() { 120 } else { 150 };
    if words <= limit {
        return Vec::new();
    }
    vec![
        Hit::new(doc.head_range(section), format!("the summary has {words} words; a reader in a hurry reads 120"))
            .fix("keep what happened, to whom, how long, why and what ended it; move the rest to its part"),
    ]
}

/// `Severity: SEV2` is metadata, not prose.
fn field_like(text: &str) -> bool {
    pattern!(r"^\W*[A-Z][\w /'’&()-]{1,32}:\s").is_match(text)
        && text.split_whitespace().count() <= 25
}
