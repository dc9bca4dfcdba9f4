//! A template of the operator's own: Jinja's language over the incident and the rendered parts.
//!
//! # What always holds
//! - Output is escaped by the template's extension: HTML for `.html`, `.htm`, `.xml`, `.svg`; a
//!   JSON value for `.json` and `.yaml`; nothing for the rest. The rendered HTML parts go through
//!   unescaped in HTML, for they are escaped already.
//! - What isn't defined is an error that names line, column and what there is instead, never an
//!   empty place in the text.
//! - It ends: [`STEPS_MAX`] steps, a template of at most [`TEMPLATE_MAX`] bytes, an output of at
//!   most [`OUTPUT_MAX`].
//!
//! # What is deliberately absent
//! - Files and network: a template includes nothing but itself.

use minijinja::value::{Serde, Value as Shown};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

/// The longest template that is read.
pub const TEMPLATE_MAX: usize = 1 << 20;
/// Steps that a template may take; a report of 2,000 rows in three loops takes a tenth of it.
pub const STEPS_MAX: u64 = 5_000_000;
/// The longest text that may come of it.
pub const OUTPUT_MAX: usize = 64 << 20;

/// Why a template gave no text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateFault {
    /// More than anybody writes by hand.
    #[error("{name} has {size} bytes; a template may have at most {TEMPLATE_MAX}")]
    TooLong {
        /// The template.
        name: String,
        /// Its length.
        size: usize,
    },
    /// It ran out of steps or space.
    #[error(
        "{name}:{line}: gave up after {STEPS_MAX} steps or {OUTPUT_MAX} bytes of output; is a loop nested in a loop over the same list?"
    )]
    TooMuch {
        /// The template.
        name: String,
        /// Where it was.
        line: usize,
    },
    /// Anything else: what, where, and what helps.
    #[error("{name}:{line}:{column}: {says}\n  {source_line}\n  {hint}")]
    Wrong {
        /// The template.
        name: String,
        /// From one.
        line: usize,
        /// From one.
        column: usize,
        /// What is wrong.
        says: String,
        /// The line as written.
        source_line: String,
        /// What to do.
        hint: String,
    },
}

/// The text that comes of a template over a context ([`super::context`]).
pub fn render(name: &str, template: &str, context: &Value) -> Result<String, TemplateFault> {
    if template.len() > TEMPLATE_MAX {
        return Err(TemplateFault::TooLong {
            name: name.to_owned(),
            size: template.len(),
        });
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(STEPS_MAX));
    environment.set_auto_escape_callback(escape_for);
    environment
        .add_template(name, template)
        .map_err(|fault| told(name, template, context, &fault))?;
    let compiled = environment
        .get_template(name)
        .map_err(|fault| told(name, template, context, &fault))?;
    let mut out = Bounded {
        text: Vec::new(),
        full: false,
    };
    let shown = shown(name, context);
    match compiled.render_captured_to(shown, &mut out) {
        Ok(_) => String::from_utf8(out.text).map_err(|_| TemplateFault::TooMuch {
            name: name.to_owned(),
            line: 0,
        }),
        Err(fault) if out.full => Err(TemplateFault::TooMuch {
            name: name.to_owned(),
            line: fault.line().unwrap_or(0),
        }),
        Err(fault) => Err(told(name, template, context, &fault)),
    }
}

fn escape_for(name: &str) -> AutoEscape {
    let name = name.strip_suffix(".j2").unwrap_or(name);
    match name.rsplit('.').next() {
        Some("html" | "htm" | "xml" | "xhtml" | "svg") => AutoEscape::Html,
        Some("json" | "yaml" | "yml") => AutoEscape::Json,
        _ => AutoEscape::None,
    }
}

/// The context as the template sees it. Where output is escaped as HTML, the parts that are HTML
/// already must not be escaped twice.
fn shown(name: &str, context: &Value) -> Shown {
    let whole = Shown::from(Serde(context));
    if !matches!(escape_for(name), AutoEscape::Html) {
        return whole;
    }
    let Some(parts) = context.get("html").and_then(Value::as_object) else {
        return whole;
    };
    let safe: std::collections::BTreeMap<String, Shown> = parts
        .iter()
        .filter_map(|(key, value)| {
            Some((
                key.clone(),
                Shown::from_safe_string(value.as_str()?.to_owned()),
            ))
        })
        .collect();
    let others = context.as_object().into_iter().flatten();
    let mut all: std::collections::BTreeMap<String, Shown> = others
        .map(|(key, value)| (key.clone(), Shown::from(Serde(value))))
        .collect();
    all.insert("html".to_owned(), Shown::from(safe));
    Shown::from(all)
}

fn told(name: &str, template: &str, context: &Value, fault: &minijinja::Error) -> TemplateFault {
    if fault.kind() == minijinja::ErrorKind::OutOfFuel {
        return TemplateFault::TooMuch {
            name: name.to_owned(),
            line: fault.line().unwrap_or(0),
        };
    }
    let line = fault.line().unwrap_or(1);
    let source_line = template.lines().nth(line.saturating_sub(1)).unwrap_or("");
    let range = fault.range();
    let column = range.as_ref().map_or(1, |range| {
        let start = template[..range.start.min(template.len())]
            .rfind('\n')
            .map_or(0, |at| at + 1);
        template
            .get(start..range.start)
            .map_or(1, |before| before.chars().count() + 1)
    });
    let expression = range.and_then(|range| template.get(range)).unwrap_or("");
    let undefined = fault.kind() == minijinja::ErrorKind::UndefinedError;
    let says = if undefined && !expression.is_empty() {
        format!("`{}` is not defined", expression.trim())
    } else {
        match fault.detail() {
            Some(detail) => format!("{}: {detail}", fault.kind()),
            None => fault.kind().to_string(),
        }
    };
    let hint = if undefined {
        known(expression, context)
    } else {
        "docs/reports.md shows a template and lists what it may use".to_owned()
    };
    TemplateFault::Wrong {
        name: name.to_owned(),
        line,
        column,
        says,
        source_line: source_line.trim_end().chars().take(200).collect(),
        hint,
    }
}

/// What stands where the expression looked.
fn known(expression: &str, context: &Value) -> String {
    let path: Vec<&str> = expression
        .split(['.', '|', '['])
        .map(|part| {
            part.trim()
                .trim_matches(|c: char| !c.is_alphanumeric() && c != '_')
        })
        .take_while(|part| !part.is_empty())
        .collect();
    let mut at = context;
    let mut walked: Vec<&str> = Vec::new();
    for part in &path {
        match at.get(part) {
            Some(next) => {
                at = next;
                walked.push(part);
            }
            None => break,
        }
    }
    let Some(object) = at.as_object() else {
        return "docs/reports.md lists what a template may use".to_owned();
    };
    let names: Vec<&str> = object.keys().map(String::as_str).take(40).collect();
    let of = if walked.is_empty() {
        "defined are".to_owned()
    } else {
        format!("`{}` has", walked.join("."))
    };
    format!("{of} {}", names.join(", "))
}

/// Takes at most [`OUTPUT_MAX`] bytes.
struct Bounded {
    text: Vec<u8>,
    full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.text.len() + bytes.len() > OUTPUT_MAX {
            self.full = true;
            return Err(std::io::Error::other("too much output"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn context() -> Value {
        json!({
            "incident": { "id": "INC-7", "title": "a <b>", "actions": [{ "id": "A1" }, { "id": "A2" }] },
            "html": { "summary": "<p>a &lt;b&gt;</p>" },
            "markdown": { "summary": "a <b>" },
        })
    }

    #[test]
    fn output_is_escaped_by_extension_and_parts_are_not_escaped_twice() {
        let text = "{{ incident.title }} {{ html.summary }}";
        assert_eq!(
            render("page.html", text, &context()).unwrap(),
            "a &lt;b&gt; <p>a &lt;b&gt;</p>"
        );
        assert_eq!(
            render("page.md", text, &context()).unwrap(),
            "a <b> <p>a &lt;b&gt;</p>"
        );
    }

    #[test]
    fn what_is_not_defined_is_named_with_its_place_and_what_there_is() {
        let fault = render(
            "page.md",
            "# {{ incident.id }}\n\n  {{ incident.tittle }}\n",
            &context(),
        )
        .unwrap_err();
        assert_eq!(
            fault.to_string(),
            "page.md:3:6: `incident.tittle` is not defined\n    {{ incident.tittle }}\n  `incident` has actions, id, title"
        );
        let fault = render("page.md", "{% for a in incident.actions %}", &context()).unwrap_err();
        assert!(fault.to_string().starts_with("page.md:1:"), "{fault}");
    }

    #[test]
    fn a_template_that_would_run_for_ever_is_stopped() {
        let text = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        let fault = render("page.md", text, &context()).unwrap_err();
        assert!(matches!(fault, TemplateFault::TooMuch { .. }), "{fault}");
    }
}
