//! The document in Confluence's storage format: an XHTML fragment for the body of a page.
//!
//! # What always holds
//! - It is well-formed with the prefixes `ac:` and `ri:` bound; text from outside is escaped, also
//!   the braces in which the editor looks for macros.
//! - Nothing but paragraphs, headings, lists, tables, and the macros `info` and `expand`. A chart
//!   is an attachment of its file name (`wait.svg`), and its numbers stand in a table beside it,
//!   so that the page is whole without the attachment.
//!
//! # What is deliberately absent
//! - The page's title: Confluence keeps it beside the body.
//! - Sending it. `weir report render --format confluence` writes the body; whoever publishes it has
//!   the credentials.

use std::fmt::Write as _;

use super::doc::{Block, Document, Front, Inline, Line, Table};

pub(super) fn render(document: &Document) -> String {
    let mut out = String::new();
    out.push_str("<ac:structured-macro ac:name=\"info\"><ac:rich-text-body><p>");
    let mut first = true;
    for (key, value) in &document.front {
        if *key == "title" {
            continue;
        }
        let value = match value {
            Front::Word(text) | Front::Quoted(text) => text.clone(),
            Front::List(texts) => texts.join(", "),
            Front::Null => "–".to_owned(),
        };
        if !first {
            out.push_str(" · ");
        }
        first = false;
        let _ = write!(
            out,
            "{}: <strong>{}</strong>",
            escaped(&key.replace('_', " ")),
            escaped(&value)
        );
    }
    out.push_str("</p></ac:rich-text-body></ac:structured-macro>\n");
    for block in &document.blocks {
        render_block(block, &mut out);
    }
    out
}

fn render_block(block: &Block, out: &mut String) {
    match block {
        Block::Heading(1, _) => {}
        Block::Heading(level, text) => {
            let level = (*level).clamp(2, 6);
            let _ = writeln!(out, "<h{level}>{}</h{level}>", escaped(text));
        }
        Block::Para(text) => {
            let _ = writeln!(out, "<p>{}</p>", line(text));
        }
        Block::List(items) => {
            list(items, out);
        }
        Block::Table(table) => render_table(table, out),
        Block::Figure {
            file,
            alt,
            takeaway,
            data,
            ..
        } => {
            let _ = writeln!(
                out,
                "<p><ac:image ac:alt=\"{}\" ac:width=\"720\"><ri:attachment ri:filename=\"{}\" /></ac:image></p>\n<p><em>{}</em></p>",
                escaped(alt),
                escaped(file),
                line(takeaway)
            );
            expand("The numbers of this chart", out, |out| {
                render_table(data, out)
            });
        }
        Block::Evidence { rows, note } => {
            expand("Evidence", out, |out| {
                let _ = writeln!(out, "<p>{}</p>", line(note));
                list(rows, out);
            });
        }
    }
}

fn list(items: &[Line], out: &mut String) {
    // An empty list isn't allowed.
    if items.is_empty() {
        return;
    }
    out.push_str("<ul>");
    for item in items {
        let _ = write!(out, "<li>{}</li>", line(item));
    }
    out.push_str("</ul>\n");
}

fn expand(title: &str, out: &mut String, body: impl FnOnce(&mut String)) {
    let _ = writeln!(
        out,
        "<ac:structured-macro ac:name=\"expand\"><ac:parameter ac:name=\"title\">{}</ac:parameter><ac:rich-text-body>",
        escaped(title)
    );
    body(out);
    out.push_str("</ac:rich-text-body></ac:structured-macro>\n");
}

fn render_table(table: &Table, out: &mut String) {
    let _ = write!(
        out,
        "<p><em>{}</em></p>\n<table><tbody>",
        escaped(&table.caption)
    );
    if table.head.iter().any(|h| !h.is_empty()) {
        out.push_str("<tr>");
        for head in &table.head {
            let _ = write!(out, "<th>{}</th>", escaped(head));
        }
        out.push_str("</tr>");
    }
    for row in &table.rows {
        out.push_str("<tr>");
        for (index, cell) in row.iter().enumerate() {
            let tag = if index == 0 { "th" } else { "td" };
            let _ = write!(out, "<{tag}>{}</{tag}>", line(cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>\n");
}

fn line(line: &Line) -> String {
    let mut out = String::new();
    for inline in &line.0 {
        match inline {
            Inline::Text(text) | Inline::Told(text) => out.push_str(&escaped(text)),
            Inline::Strong(text) => {
                let _ = write!(out, "<strong>{}</strong>", escaped(text));
            }
            Inline::Emphasis(text) => {
                let _ = write!(out, "<em>{}</em>", escaped(text));
            }
            Inline::Code(text) => {
                let _ = write!(
                    out,
                    "<code>{}</code>",
                    escaped(&super::doc::printable(text))
                );
            }
            Inline::Cite(cited) => {
                let names: Vec<String> = cited.iter().map(ToString::to_string).collect();
                let _ = write!(out, " [{}]", names.join(", "));
            }
        }
    }
    out
}

/// XML's five, and the braces and brackets of wiki markup. What XML doesn't allow at all becomes
/// the replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '{' => out.push_str("&#123;"),
            '}' => out.push_str("&#125;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
