//! The document as Markdown (CommonMark with GitHub's tables) and YAML front matter.

use super::doc::{Block, Cited, Document, Front, Inline, Line, Table};

pub(super) fn render(document: &Document) -> String {
    let mut out = String::from("---\n");
    for (key, value) in &document.front {
        out.push_str(key);
        out.push_str(": ");
        match value {
            Front::Word(word) => out.push_str(word),
            Front::Quoted(text) => out.push_str(&quoted(text)),
            Front::List(texts) => {
                let texts: Vec<String> = texts.iter().map(|t| quoted(t)).collect();
                out.push_str(&format!("[{}]", texts.join(", ")));
            }
            Front::Null => out.push_str("null"),
        }
        out.push('\n');
    }
    out.push_str("---\n\n");
    out.push_str(&body(&document.blocks));
    out
}

/// Blocks without front matter.
pub(super) fn body(blocks: &[Block]) -> String {
    let mut out = String::new();
    for (index, block) in blocks.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        render_block(block, &mut out);
    }
    out
}

/// A YAML double-quoted scalar; JSON's strings are a subset of them.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::String(super::doc::printable(text)).to_string()
}

fn render_block(block: &Block, out: &mut String) {
    match block {
        Block::Heading(level, text) => {
            out.push_str(&"#".repeat(usize::from(*level)));
            out.push(' ');
            out.push_str(&escaped(&super::doc::printable(text)));
            out.push('\n');
        }
        Block::Para(text) => {
            out.push_str(&guarded(&line(text)));
            out.push('\n');
        }
        Block::List(items) => {
            for item in items {
                out.push_str("- ");
                out.push_str(&guarded(&line(item)));
                out.push('\n');
            }
        }
        Block::Table(table) => render_table(table, out),
        Block::Figure {
            file,
            alt,
            takeaway,
            ..
        } => {
            out.push_str(&format!(
                "![{}]({file})\n\n*{}*\n",
                escaped(alt),
                line(takeaway)
            ));
        }
        Block::Evidence { rows, note } => {
            out.push_str("<details><summary>Evidence</summary>\n\n");
            out.push_str(&guarded(&line(note)));
            out.push('\n');
            if !rows.is_empty() {
                out.push('\n');
            }
            for row in rows {
                out.push_str("- ");
                out.push_str(&line(row));
                out.push('\n');
            }
            out.push_str("\n</details>\n");
        }
    }
}

fn render_table(table: &Table, out: &mut String) {
    let head: Vec<String> = table.head.iter().map(|h| escaped(h)).collect();
    push_row(&head, out);
    push_row(&vec!["---".to_owned(); head.len()], out);
    for row in &table.rows {
        let cells: Vec<String> = row.iter().map(line).collect();
        push_row(&cells, out);
    }
}

fn push_row(cells: &[String], out: &mut String) {
    out.push('|');
    for cell in cells {
        if cell.is_empty() {
            out.push_str(" |");
        } else {
            out.push_str(&format!(" {cell} |"));
        }
    }
    out.push('\n');
}

pub(super) fn line(line: &Line) -> String {
    let mut out = String::new();
    for inline in &line.0 {
        match inline {
            Inline::Text(text) | Inline::Told(text) => out.push_str(&escaped(text)),
            Inline::Strong(text) => out.push_str(&format!("**{}**", escaped(text.trim()))),
            Inline::Emphasis(text) => out.push_str(&format!("*{}*", escaped(text.trim()))),
            Inline::Code(text) => out.push_str(&code(text)),
            Inline::Cite(cited) => {
                // Each in brackets of its own, so that readers and programs find each.
                let names: Vec<String> = cited
                    .iter()
                    .map(|c| match c {
                        Cited::Whole(n) if *n > 1 => format!("[J1] to [J{n}]"),
                        _ => format!("[{c}]"),
                    })
                    .collect();
                if !(out.is_empty() || out.ends_with(' ')) {
                    out.push(' ');
                }
                out.push_str(&names.join(" "));
            }
        }
    }
    out
}

/// Text that Markdown leaves as it is. Only what could mean something is escaped, so that the
/// source stays readable: an underscore between letters (`idle_in_transaction`) means nothing.
pub(super) fn escaped(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    for (i, &c) in chars.iter().enumerate() {
        let before = i.checked_sub(1).map(|i| chars[i]);
        let after = chars.get(i + 1).copied();
        let special = match c {
            '\\' | '`' | '*' | '[' | ']' | '|' | '~' => true,
            '_' => {
                !(before.is_some_and(char::is_alphanumeric)
                    && after.is_some_and(char::is_alphanumeric))
            }
            // A tag or an autolink begins with a letter, a slash, `!` or `?`.
            '<' => after.is_some_and(|a| a.is_ascii_alphabetic() || matches!(a, '/' | '!' | '?')),
            '&' => after.is_some_and(|a| a.is_ascii_alphabetic() || a == '#'),
            _ => false,
        };
        match c {
            '<' if special => out.push_str("&lt;"),
            '&' if special => out.push_str("&amp;"),
            _ => {
                if special {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
    out
}

/// A code span, with a fence longer than any run of backticks inside. A bar would end a table's
/// cell even in there, so it is escaped, which GitHub's tables undo.
fn code(text: &str) -> String {
    let text = super::doc::printable(text).replace('|', "\\|");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest > 0 {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

/// A line of text that begins like a heading, list, quote or number is none.
fn guarded(text: &str) -> String {
    let first = text.chars().next();
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let numbered = digits > 0 && text[digits..].starts_with(['.', ')']);
    if matches!(first, Some('#' | '>' | '+' | '-' | '=')) {
        format!("\\{text}")
    } else if numbered {
        format!("{}\\{}", &text[..digits], &text[digits..])
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(
            escaped("<script>alert(1)</script> | *a* [x](y) idle_in_transaction a < b"),
            "&lt;script>alert(1)&lt;/script> \\| \\*a\\* \\[x\\](y) idle_in_transaction a < b"
        );
        assert_eq!(code("a`` | b"), "``` a`` \\| b ```");
        assert_eq!(guarded("# no heading"), "\\# no heading");
        assert_eq!(guarded("1. no list"), "1\\. no list");
    }
}
