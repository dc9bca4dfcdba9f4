//! The document as one HTML file: no script, nothing fetched, light and dark, good on paper.

use std::fmt::Write as _;

use super::doc::{Block, Cited, Document, Front, Inline, Line, Table};

pub(super) fn render(document: &Document) -> String {
    let mut out =
        String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    // Whatever a statement's text managed to smuggle in could still fetch and run nothing.
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    );
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    let _ = writeln!(out, "<title>{}</title>", escaped(&document.title));
    let _ = write!(
        out,
        "<style>\n{}</style>\n</head>\n<body>\n<main>\n",
        include_str!("style.css")
    );
    let mut open_section = false;
    for (index, block) in document.blocks.iter().enumerate() {
        if let Block::Heading(2, text) = block {
            if open_section {
                out.push_str("</section>\n");
            }
            let id = slug(text);
            let _ = writeln!(out, "<section aria-labelledby=\"{id}\">");
            open_section = true;
        }
        if index == 0 {
            out.push_str("<header>\n");
        }
        render_block(block, &mut out);
        if index == 0 {
            render_front(&document.front, &mut out);
            out.push_str("</header>\n");
        }
    }
    if open_section {
        out.push_str("</section>\n");
    }
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn render_front(front: &[(&'static str, Front)], out: &mut String) {
    out.push_str("<dl class=\"front\">\n");
    for (key, value) in front {
        if *key == "title" {
            continue;
        }
        let value = match value {
            Front::Word(text) | Front::Quoted(text) => text.clone(),
            Front::List(texts) => texts.join(", "),
            Front::Null => "–".to_owned(),
        };
        let _ = writeln!(
            out,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escaped(&key.replace('_', " ")),
            escaped(&value)
        );
    }
    out.push_str("</dl>\n");
}

fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    format!("s-{}", slug.trim_end_matches('-'))
}

fn render_block(block: &Block, out: &mut String) {
    match block {
        Block::Heading(1, text) => {
            let _ = writeln!(out, "<h1>{}</h1>", escaped(text));
        }
        Block::Heading(level, text) => {
            let level = (*level).clamp(2, 6);
            let _ = writeln!(
                out,
                "<h{level} id=\"{}\">{}</h{level}>",
                slug(text),
                escaped(text)
            );
        }
        Block::Para(text) => {
            let _ = writeln!(out, "<p>{}</p>", line(text));
        }
        Block::List(items) => {
            out.push_str("<ul>\n");
            for item in items {
                let _ = writeln!(out, "<li>{}</li>", line(item));
            }
            out.push_str("</ul>\n");
        }
        Block::Table(table) => render_table(table, out),
        Block::Figure {
            file,
            svg,
            takeaway,
            data,
            ..
        } => {
            let _ = writeln!(
                out,
                "<figure id=\"{}\">\n{svg}\n<figcaption>{}</figcaption>",
                file.trim_end_matches(".svg"),
                line(takeaway)
            );
            out.push_str("<details><summary>The numbers of this chart</summary>\n");
            render_table(data, out);
            out.push_str("</details>\n</figure>\n");
        }
        Block::Evidence { rows, note } => {
            out.push_str("<details class=\"evidence\" open><summary>Evidence</summary>\n");
            let _ = writeln!(out, "<p>{}</p>", line(note));
            if !rows.is_empty() {
                out.push_str("<ul>\n");
            }
            for (index, row) in rows.iter().enumerate() {
                let _ = writeln!(out, "<li id=\"e{}\">{}</li>", index + 1, line(row));
            }
            if !rows.is_empty() {
                out.push_str("</ul>\n");
            }
            out.push_str("</details>\n");
        }
    }
}

fn render_table(table: &Table, out: &mut String) {
    let class = match table.head.first() {
        Some(head) if head.starts_with("time") => " times",
        _ if table.head.len() > 8 && table.head.first().is_some_and(|h| h == "id") => " wide",
        _ => "",
    };
    // Focusable, so that a wide table can be scrolled from the keyboard.
    let _ = write!(
        out,
        "<div class=\"table{class}\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\">\n<table>\n<caption>{0}</caption>\n",
        escaped(&table.caption)
    );
    if table.head.iter().any(|h| !h.is_empty()) {
        out.push_str("<thead><tr>");
        for head in &table.head {
            let _ = write!(out, "<th scope=\"col\">{}</th>", escaped(head));
        }
        out.push_str("</tr></thead>\n");
    }
    out.push_str("<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (index, cell) in row.iter().enumerate() {
            if index == 0 {
                let _ = write!(out, "<th scope=\"row\">{}</th>", line(cell));
            } else {
                let _ = write!(out, "<td>{}</td>", line(cell));
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
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
                let text = super::doc::printable(text);
                let _ = write!(out, "<code>{}</code>", escaped(&text));
            }
            Inline::Cite(cited) => {
                let refs: Vec<String> = cited.iter().map(reference).collect();
                let _ = write!(out, " <span class=\"cite\">[{}]</span>", refs.join(", "));
            }
        }
    }
    out
}

fn reference(cited: &Cited) -> String {
    match cited {
        Cited::Evidence(n) => format!("<a href=\"#e{n}\">{cited}</a>"),
        Cited::Journal(_) | Cited::Whole(_) => cited.to_string(),
    }
}

/// Blocks without the page around them.
pub(super) fn body(blocks: &[Block]) -> String {
    let mut out = String::new();
    for block in blocks {
        render_block(block, &mut out);
    }
    out
}

/// Text and attribute values alike.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// WCAG's contrast of two colours as `#rrggbb`.
    fn contrast(a: &str, b: &str) -> f64 {
        let light = |colour: &str| {
            let part = |at: usize| {
                let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.040_45 {
                    value / 12.92
                } else {
                    ((value + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
        };
        let (a, b) = (light(a), light(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_on_its_ground_in_both_themes() {
        let css = include_str!("style.css");
        let themes: Vec<&str> = css.split("--ink: #").skip(1).take(2).collect();
        assert_eq!(themes.len(), 2);
        for theme in themes {
            let theme = format!("--ink: #{theme}");
            let colour = |name: &str| {
                let at = theme.find(&format!("--{name}: #")).unwrap() + name.len() + 4;
                theme[at..at + 7].to_owned()
            };
            for ground in ["paper", "band"] {
                for text in ["ink", "soft", "link"] {
                    let found = contrast(&colour(text), &colour(ground));
                    assert!(found >= 4.5, "{text} on {ground}: {found:.1}");
                }
            }
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let text = Line::new()
            .says("<script>alert(1)</script> `</code><img onerror=x>`")
            .strong("\"quoted\" & 'so'");
        assert_eq!(
            line(&text),
            "&lt;script&gt;alert(1)&lt;/script&gt; \
             <code>&lt;/code&gt;&lt;img onerror=x&gt;</code>\
             <strong>&quot;quoted&quot; &amp; &#39;so&#39;</strong>"
        );
    }
}
