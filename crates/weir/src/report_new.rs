//! `weir report new`: walks a person through the five parts, one question at a time.
//!
//! On a terminal and on a pipe alike: a line is an answer. `?` explains, `back` takes the last answer
//! back, `skip` (or nothing) leaves an open question, `quit` keeps a draft that is taken up again,
//! `!` before an answer keeps it against an objection.

mod check;
mod interview;
mod steps;

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::{Value, json};
use weir_control::incident::entry::{IncidentId, Said};

use crate::Failed;
use crate::cli::Source;
use crate::incident::{get_text, parse, post, who};
use check::Linter;
use interview::{Interview, Reply};

/// `weir report new`.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// Ask only what this incident of a running Weir leaves open, and write it into its journal.
    #[arg(long, value_name = "ID", conflicts_with = "out")]
    incident: Option<String>,
    /// The report goes here; a draft stands beside it until it is done.
    #[arg(long, value_name = "FILE", default_value = "report.md")]
    out: PathBuf,
    /// Who answers [default: your login name]
    #[arg(long)]
    by: Option<String>,
    #[command(flatten)]
    source: Source,
}

pub(crate) fn new(args: &NewArgs) -> Result<(), Failed> {
    let by = who(args.by.clone());
    let (_, now) = crate::clock::zero();
    match &args.incident {
        Some(id) => about(args, parse(id)?, &by, now),
        None => from_nothing(args, &by, now),
    }
}

fn from_nothing(args: &NewArgs, by: &str, now: weir_model::Wall) -> Result<(), Failed> {
    let draft = draft_of(&args.out);
    let mut interview = Interview::new(by, now);
    if draft.exists() {
        take_up(&mut interview, &draft)?;
        eprintln!("goes on from {}; delete it to begin anew", draft.display());
    } else if args.out.exists() {
        return Err(Failed::Usage(format!(
            "weir report new: {} is there already; name another file with --out",
            args.out.display()
        )));
    }
    let whole = converse(&mut interview, Some(&draft))?;
    if !whole {
        eprintln!(
            "kept in {}; the same command goes on from there",
            draft.display()
        );
        return Ok(());
    }
    let text = interview.report();
    std::fs::write(&args.out, &text)
        .with_context(|| format!("couldn't write {}", args.out.display()))?;
    // What isn't needed any more must not be taken up by the next one.
    if draft.exists() {
        std::fs::remove_file(&draft)
            .with_context(|| format!("couldn't remove {}", draft.display()))?;
    }
    eprintln!("wrote {}", args.out.display());
    Ok(())
}

/// Asks until all is asked (true) or the person stops (false).
fn converse(interview: &mut Interview, draft: Option<&Path>) -> Result<bool, Failed> {
    let stdin = std::io::stdin();
    let talks = stdin.is_terminal();
    let mut lines = stdin.lock().lines();
    let mut part = "";
    if talks {
        eprintln!(
            "? explains a question, back takes an answer back, skip leaves it open, quit keeps a draft"
        );
    }
    while let Some(step) = interview.asks() {
        if step.part != part {
            part = step.part;
            eprintln!("\n{part}");
        }
        let more = match (step.means.repeats(), interview.given()) {
            (true, n) if n > 0 => format!(" ({n} so far; empty: no more)"),
            _ => String::new(),
        };
        if !more.is_empty() {
            eprintln!("{}{more}", step.asks);
        } else {
            let why = weir_lint::rules::rule(step.rule).map_or("", |rule| rule.why);
            eprintln!("{}\n  {why}", step.asks);
        }
        eprint!("> ");
        let _ = std::io::stderr().flush();
        let Some(line) = lines.next() else {
            eprintln!();
            save(interview, draft)?;
            return Ok(false);
        };
        let line = line.context("couldn't read the answer; answers are UTF-8 text")?;
        match interview.answer(&line, &Linter) {
            Reply::Taken(better) => better.iter().for_each(|says| eprintln!("  better: {says}")),
            Reply::Refused(why) => {
                why.iter().for_each(|says| eprintln!("  no: {says}"));
                eprintln!("  answer again, ? for an example, or ! before the answer to keep it");
            }
            Reply::Explained(says) => eprintln!("  {}", says.replace('\n', "\n  ")),
            Reply::Back => eprintln!("  one back"),
            Reply::Skipped => {}
            Reply::Quit => {
                save(interview, draft)?;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// `report.md` has its draft in `report.md.draft`.
fn draft_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".draft");
    PathBuf::from(name)
}

fn save(interview: &Interview, draft: Option<&Path>) -> Result<(), Failed> {
    let Some(file) = draft else { return Ok(()) };
    let document = json!({
        "schema": "weir.draft/1",
        "at": interview.position(),
        "answers": interview.lines(),
    });
    std::fs::write(file, document.to_string() + "\n")
        .with_context(|| format!("couldn't write {}", file.display()))?;
    Ok(())
}

fn take_up(interview: &mut Interview, draft: &Path) -> Result<(), Failed> {
    let text = std::fs::read_to_string(draft)
        .with_context(|| format!("couldn't read {}", draft.display()))?;
    let broken = || {
        anyhow!(
            "{} is no draft of this command; delete it to begin anew",
            draft.display()
        )
    };
    let document: Value = serde_json::from_str(&text).map_err(|_| broken())?;
    if document["schema"] != "weir.draft/1" {
        return Err(broken().into());
    }
    let lines: Vec<(String, String)> =
        serde_json::from_value(document["answers"].clone()).map_err(|_| broken())?;
    let unknown = interview.resume(lines, document["at"].as_str().unwrap_or_default());
    for key in unknown {
        eprintln!("left out of the draft: `{key}`, which this version does not ask");
    }
    Ok(())
}

/// Questions about an incident that is there; its answers go into its journal.
fn about(args: &NewArgs, id: IncidentId, by: &str, now: weir_model::Wall) -> Result<(), Failed> {
    if args.source.store.is_some() {
        return Err(Failed::Usage(
            "weir report new: --incident writes into a journal, so it asks the running Weir (--api), not its file".to_owned(),
        ));
    }
    let document: Value =
        serde_json::from_str(&get_text(&args.source, &format!("/api/v1/incidents/{id}"))?)
            .context("the API's answer is not JSON")?;
    let mut interview = Interview::about(by, now, known(&document));
    let whole = converse(&mut interview, None)?;
    let mut written = 0;
    for said in interview.said() {
        let (path, body) = match said {
            Said::Stated { topic, says, .. } => (
                "statements",
                json!({ "by": by, "topic": topic.name(), "text": says }),
            ),
            Said::Note {
                says,
                happened_at,
                kind,
            } => (
                "notes",
                json!({
                    "by": by,
                    "text": says,
                    "happened_at": happened_at.map(rfc3339),
                    "kind": kind.map(weir_control::incident::entry::NoteKind::name),
                }),
            ),
            Said::ActionAdded { action } => (
                "actions",
                json!({
                    "by": by, "do": "add", "says": action.says, "type": action.kind.name(),
                    "for": action.for_what, "owner": action.owner, "due": action.due,
                    "priority": action.priority, "verify": action.verify,
                }),
            ),
            _ => continue,
        };
        post(
            &args.source,
            &format!("/api/v1/incidents/{id}/{path}"),
            &body,
        )
        .map_err(|fault| after(fault, written))?;
        written += 1;
    }
    let whole = whole && open_questions(args, id, by, &mut written)?;
    eprintln!("{written} answers written into the journal of {id}");
    if !whole {
        eprintln!("the same command asks the rest");
    }
    Ok(())
}

/// What the report still asks after all that: in its own words, one after the other. False: the
/// person stopped.
fn open_questions(
    args: &NewArgs,
    id: IncidentId,
    by: &str,
    written: &mut usize,
) -> Result<bool, Failed> {
    let document: Value =
        serde_json::from_str(&get_text(&args.source, &format!("/api/v1/incidents/{id}"))?)
            .context("the API's answer is not JSON")?;
    let questions: Vec<&str> = document["questions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if questions.is_empty() {
        return Ok(true);
    }
    eprintln!("\nWhat the report of {id} still asks");
    let mut lines = std::io::stdin().lock().lines();
    for question in questions {
        eprint!("{question}\n> ");
        let _ = std::io::stderr().flush();
        let Some(line) = lines.next() else {
            eprintln!();
            return Ok(false);
        };
        let line = line.context("couldn't read the answer; answers are UTF-8 text")?;
        match line.trim() {
            "" | "skip" => continue,
            "quit" => return Ok(false),
            text => {
                let body = json!({ "by": by, "question": question, "text": text });
                post(
                    &args.source,
                    &format!("/api/v1/incidents/{id}/answers"),
                    &body,
                )
                .map_err(|fault| after(fault, *written))?;
                *written += 1;
            }
        }
    }
    Ok(true)
}

/// A fault in the middle says what is in the journal already.
fn after(fault: Failed, written: usize) -> Failed {
    match fault {
        Failed::Failed(fault) => Failed::Failed(fault.context(format!(
            "{written} answers are in the journal, the next one was not taken"
        ))),
        other => other,
    }
}

fn rfc3339(at: weir_model::Wall) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros())
        .unwrap_or(jiff::Timestamp::MIN)
        .to_string()
}

/// What the incident's document knows already, by the keys of the questions.
fn known(document: &Value) -> BTreeSet<&'static str> {
    let mut known: BTreeSet<&'static str> =
        ["title", "severity", "start", "end", "detected", "resolved"].into();
    for (key, clock) in [
        ("ack", "acknowledged_at"),
        ("identified", "cause_named_at"),
        ("mitigated", "mitigated_at"),
    ] {
        if !document["clocks"][clock].is_null() {
            known.insert(key);
        }
    }
    let measured = !document["impact"]["transactions"].is_null();
    if measured {
        known.extend(["impact", "data_lost", "recovery", "summary"]);
    }
    if !document["trigger"].is_null() {
        known.insert("trigger");
    }
    let named = document["causes"][0]["cause"]
        .as_str()
        .is_some_and(|c| c != "unknown");
    if named {
        known.extend(["cause", "how", "false_leads"]);
    }
    if document["others"].as_array().is_some_and(|o| !o.is_empty()) {
        known.insert("still_worked");
    }
    for said in document["stated"].as_array().into_iter().flatten() {
        let key = match said["topic"].as_str().unwrap_or_default() {
            "summary" => "summary",
            "impact" => "impact",
            "data_lost" => "data_lost",
            "still_worked" => "still_worked",
            "trigger" => "trigger",
            "root_cause" => "cause",
            "factor" => "factors",
            "how_identified" => "how",
            "false_lead" => "false_leads",
            "why_surprised" => "surprise",
            "mitigation" => "mitigation",
            "fix" => "fix",
            "recovery" => "recovery",
            "went_well" => "well",
            "went_wrong" => "wrong",
            "lucky" => "lucky",
            _ => continue,
        };
        known.insert(key);
    }
    known
}
