//! The actions as GitHub issues: one file each, with the front matter of an issue template and a
//! body that stands on its own.
//!
//! Text from outside pings nobody and links nothing: `@name` and `#12` are broken up.

use super::markdown::{escaped, quoted};
use crate::incident::words::{date, duration, time_of_day};
use crate::incident::{Action, Incident};

/// An issue to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// `INC-7-A1.md`.
    pub file: String,
    /// One line.
    pub title: String,
    /// `incident`, type, priority, severity.
    pub labels: Vec<String>,
    /// Markdown.
    pub body: String,
}

impl Issue {
    /// The file's text: front matter and body.
    pub fn text(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|l| quoted(l)).collect();
        format!(
            "---\ntitle: {}\nlabels: [{}]\n---\n\n{}",
            quoted(&self.title),
            labels.join(", "),
            self.body
        )
    }
}

/// One for each action that is still to be done. `link`: where the report is found.
pub(super) fn issues(incident: &Incident, link: Option<&str>) -> Vec<Issue> {
    super::actions(incident)
        .iter()
        .filter(|action| action.status.is_open())
        .map(|action| issue(incident, action, link))
        .collect()
}

fn issue(incident: &Incident, action: &Action, link: Option<&str>) -> Issue {
    let id = incident.id;
    let title: String = super::doc::printable(&action.says)
        .replace('`', "")
        .chars()
        .take(200)
        .collect();
    let clocks = incident.clocks();
    let onset = clocks.impact_started_at;
    let mut body = format!(
        "{}.\n\n| | |\n| --- | --- |\n",
        quiet(&markdown_of(action.says.trim_end_matches('.')))
    );
    let mut row = |name: &str, value: &str| {
        body.push_str(&format!("| {name} | {value} |\n"));
    };
    row(
        "Incident",
        &format!(
            "{id}: {}",
            quiet(&escaped(&super::doc::printable(&incident.title())))
        ),
    );
    row(
        "When",
        &match clocks.resolved_at {
            Some(end) => format!(
                "{} {} UTC, for {}",
                date(onset),
                time_of_day(onset),
                duration(end.since(onset))
            ),
            None => format!("since {} {} UTC", date(onset), time_of_day(onset)),
        },
    );
    row("Answers", &quiet(&escaped(&what_for(incident, action))));
    row("Type", action.kind.name());
    row("Priority", &quiet(&escaped(&action.priority)));
    let open = "open question".to_owned();
    let or_open = |value: &Option<String>| {
        value
            .as_ref()
            .map_or(open.clone(), |v| quiet(&escaped(&super::doc::printable(v))))
    };
    row("Owner", &or_open(&action.owner));
    row("Due", &or_open(&action.due));
    body.push_str("\n### Done when\n\n");
    if action.verify.trim().is_empty() {
        body.push_str("Open question: by which query or drill is it known to work?\n");
    } else {
        body.push_str(&format!(
            "{}.\n",
            quiet(&markdown_of(action.verify.trim_end_matches('.')))
        ));
    }
    body.push_str("\n### Where it comes from\n\n");
    match link {
        Some(base) => body.push_str(&format!(
            "[The report of {id}]({}/api/v1/incidents/{id}/report?format=html), part 5, action {}.\n",
            base.trim_end_matches('/'),
            action.id
        )),
        None => body.push_str(&format!(
            "The report of {id}, part 5, action {}: `weir report render {id}`.\n",
            action.id
        )),
    }
    Issue {
        file: format!("{id}-{}.md", file_part(&action.id)),
        title: format!("{id} {}: {title}", super::doc::printable(&action.id)),
        labels: vec![
            "incident".to_owned(),
            action.kind.name().to_owned(),
            super::doc::printable(&action.priority),
            incident.severity.to_string(),
        ],
        body,
    }
}

/// The words behind `cause` and `F2`.
fn what_for(incident: &Incident, action: &Action) -> String {
    let factors = incident.factors();
    let parts: Vec<String> = action
        .for_what
        .split(", ")
        .filter(|part| !part.trim().is_empty())
        .map(|part| match factors.iter().find(|f| f.id == part) {
            Some(factor) => format!("{part}: {}", super::doc::printable(&factor.says)),
            None if part == "cause" => match incident.top_cause() {
                Some(cause) => format!("cause: {}", crate::incident::words::phrase(cause.cause)),
                None => "the cause".to_owned(),
            },
            None => super::doc::printable(part),
        })
        .collect();
    if parts.is_empty() {
        "open question: which cause or factor does it answer?".to_owned()
    } else {
        parts.join("; ")
    }
}

/// A name that any file system takes.
fn file_part(id: &str) -> String {
    let name: String = id
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .take(20)
        .collect();
    if name.is_empty() {
        "A".to_owned()
    } else {
        name
    }
}

/// Text in which `backticks` stay code.
fn markdown_of(text: &str) -> String {
    super::markdown::line(&super::doc::Line::new().says(text))
}

/// A mention notifies and a number links; neither is meant here. GitHub reads neither across an
/// empty comment, and shows none.
fn quiet(markdown: &str) -> String {
    let mut out = String::with_capacity(markdown.len());
    let mut chars = markdown.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        let next = chars.peek().copied();
        let mention = c == '@' && next.is_some_and(|n| n.is_alphanumeric());
        let number = c == '#' && next.is_some_and(|n| n.is_ascii_digit());
        if mention || number {
            out.push_str("<!-- -->");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_pinged_and_nothing_linked() {
        assert_eq!(
            quiet("ask @ann about #12, a@b, # 1"),
            "ask @<!-- -->ann about #<!-- -->12, a@<!-- -->b, # 1"
        );
        assert_eq!(file_part("../A1/x"), "A1x");
    }
}
