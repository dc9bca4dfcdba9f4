//! Front matter: `key: value` lines between two lines of `---` at the head of the file.
//!
//! Not a YAML parser: reports carry scalars and flat lists, and what is odd is left alone rather
//! than refused.

use std::ops::Range;

use super::{FrontField, Text};

/// So many fields are kept.
const FIELDS_MAX: usize = 200;

/// The front matter and where the body begins. Comments and blank lines may stand before it.
pub(super) fn read(text: &str) -> (Vec<FrontField>, usize) {
    let Some(open) = opening(text) else {
        return (Vec::new(), 0);
    };
    let mut fields: Vec<FrontField> = Vec::new();
    let mut at = open;
    for line in text[open..].split_inclusive('\n') {
        let range = at..at + line.len();
        at += line.len();
        let bare = line.trim_end();
        if matches!(bare, "---" | "...") {
            return (fields, at);
        }
        if bare.starts_with('#') && !bare.contains(':') {
            return (Vec::new(), 0);
        }
        field(bare, range, &mut fields);
        fields.truncate(FIELDS_MAX);
    }
    // Never closed: a thematic break, not front matter.
    (Vec::new(), 0)
}

/// The byte after the opening `---`.
fn opening(text: &str) -> Option<usize> {
    let mut at = text.len() - text.trim_start_matches('\u{feff}').len();
    loop {
        let rest = &text[at..];
        let lead = rest.len() - rest.trim_start().len();
        at += lead;
        let rest = &text[at..];
        if rest.starts_with("<!--") {
            at += rest.find("-->")? + 3;
        } else if rest.starts_with("---") {
            let line = rest.split_inclusive('\n').next()?;
            return (line.trim_end() == "---").then_some(at + line.len());
        } else {
            return None;
        }
    }
}

fn field(line: &str, range: Range<usize>, fields: &mut Vec<FrontField>) {
    let content = line.trim_start();
    let indent = line.len() - content.len();
    if content.is_empty() || content.starts_with('#') {
        return;
    }
    if let Some(item) = content.strip_prefix("- ") {
        if let Some(last) = fields.last_mut() {
            if !last.value.is_blank() {
                last.value.push(", ", range.start..range.start);
            }
            let from = range.start + line.len() - item.len();
            push_scalar(&mut last.value, item, from);
            last.value.settle();
        }
        return;
    }
    let Some(colon) = content.find(':') else {
        return;
    };
    let key = content[..colon].trim().trim_matches(['"', '\'']);
    let plausible = !key.is_empty()
        && key.len() <= 60
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '/'));
    if !plausible {
        return;
    }
    let value = &content[colon + 1..];
    let mut text = Text::default();
    push_scalar(&mut text, value, range.start + indent + colon + 1);
    text.settle();
    fields.push(FrontField {
        key: key.to_owned(),
        value: text,
        range,
    });
}

/// A scalar without its quotes and trailing comment; `[a, b]` without its brackets.
fn push_scalar(text: &mut Text, value: &str, from: usize) {
    let mut start = value.len() - value.trim_start().len();
    let mut end = value.trim_end().len().max(start);
    let inner = &value[start..end];
    if !inner.starts_with(['"', '\''])
        && let Some(comment) = inner.find(" #")
    {
        end = start + inner[..comment].trim_end().len();
    }
    let inner = &value[start..end];
    let wrapped = |open: char, close: char| {
        inner.len() >= 2 && inner.starts_with(open) && inner.ends_with(close)
    };
    if wrapped('"', '"') || wrapped('\'', '\'') || wrapped('[', ']') {
        start += 1;
        end -= 1;
    }
    let inner = &value[start..end];
    if !matches!(inner.trim(), "null" | "~" | "[]" | "\"\"" | "") {
        text.push(inner, from + start..from + end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_and_lists_are_read_and_null_is_nothing() {
        let text = "<!-- note -->\n---\nid: INC-7\ntitle: \"a: b\"\nauthors: [\"x\", y]\nnone: null\nlist:\n  - p\n  - q\n---\n# T\n";
        let (fields, body) = read(text);
        let all: Vec<_> = fields
            .iter()
            .map(|f| format!("{}={}", f.key, f.value.plain))
            .collect();
        assert_eq!(
            all,
            [
                "id=INC-7",
                "title=a: b",
                "authors=\"x\", y",
                "none=",
                "list=p, q"
            ]
        );
        assert_eq!(&text[body..], "# T\n");
        assert_eq!(&text[fields[1].value.whole()], "a: b");
    }

    #[test]
    fn a_thematic_break_is_no_front_matter() {
        assert_eq!(read("---\n\n# Title\n\ntext").1, 0);
        assert_eq!(read("# Title\n---\na: b\n---\n").1, 0);
    }
}
