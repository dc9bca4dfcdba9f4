//! `weir silence …`, `weir notify …`, `weir marker …`: who is paged, whether a channel works, what
//! was changed; all over HTTP.

use serde_json::{Value, json};
use weir_model::Wall;

use crate::Failed;
use crate::cli::{MarkerArgs, NotifyCommand, Output, SilenceCommand, Source};
use crate::incident::{get, post, pretty, request, text, who};

/// `weir silence …`.
pub(crate) fn silence(command: SilenceCommand) -> Result<(), Failed> {
    match command {
        SilenceCommand::Add {
            why,
            lasts,
            from,
            until,
            pool,
            severity,
            by,
            source,
        } => {
            let why = why.join(" ");
            if why.trim().is_empty() {
                return Err(Failed::Usage(
                    "weir silence add: say why, as in `weir silence add --for 2h \"upgrade of app\"`"
                        .to_owned(),
                ));
            }
            let body = json!({
                "by": who(by),
                "why": why,
                "for": lasts,
                "from": from,
                "until": until,
                "match": { "pool": pool, "severity": severity },
            });
            let silence = post(&source, "/api/v1/silences", &body)?;
            match source.output {
                Output::Json => crate::say(&pretty(&silence)),
                Output::Table => eprintln!(
                    "{} holds until {}; end it with `weir silence end {}`",
                    text(&silence["id"]),
                    text(&silence["until"]),
                    text(&silence["id"])
                ),
            }
            Ok(())
        }
        SilenceCommand::List { source } => list(&source),
        SilenceCommand::End { id, by, source } => {
            let body = json!({ "by": who(by) });
            let path = format!("/api/v1/silences/{}", plain(&id)?);
            let answer = request(&source, reqwest::Method::DELETE, &path, Some(&body))?;
            told(&source, &answer)
        }
    }
}

fn list(source: &Source) -> Result<(), Failed> {
    let silences = get(source, "/api/v1/silences")?;
    if source.output == Output::Json {
        crate::say(&pretty(&silences));
        return Ok(());
    }
    let silences = silences.as_array().map_or(&[][..], Vec::as_slice);
    if silences.is_empty() {
        eprintln!("no silences: every incident pages as configured");
        return Ok(());
    }
    let mut out = format!(
        "{:<6} {:<8} {:<20} {:<20} {:<12} {:<24} {}\n",
        "ID", "HOLDS", "FROM (UTC)", "UNTIL (UTC)", "BY", "WHAT", "WHY"
    );
    for silence in silences {
        let short = |value: &Value| {
            let at: String = text(value).chars().take(19).collect();
            at.replace('T', " ")
        };
        out.push_str(&format!(
            "{:<6} {:<8} {:<20} {:<20} {:<12} {:<24} {}\n",
            text(&silence["id"]),
            if silence["active"] == true {
                "now"
            } else {
                "later"
            },
            short(&silence["from"]),
            short(&silence["until"]),
            text(&silence["by"]),
            meant(&silence["match"]),
            text(&silence["why"])
        ));
    }
    crate::say(&out);
    Ok(())
}

/// `sev3 app/*`, `everything`.
fn meant(matcher: &Value) -> String {
    let words: Vec<&str> = ["severity", "pool", "kind"]
        .iter()
        .flat_map(|key| matcher[*key].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    match words.is_empty() {
        true => "everything".to_owned(),
        false => words.join(" "),
    }
}

/// `weir notify …`.
pub(crate) fn notify(command: NotifyCommand) -> Result<(), Failed> {
    let NotifyCommand::Test {
        channel,
        by,
        source,
    } = command;
    let body = json!({ "channel": channel, "by": who(by) });
    let answer = post(&source, "/api/v1/notify/test", &body)?;
    if source.output == Output::Json {
        crate::say(&pretty(&answer));
    }
    let says = text(&answer["says"]);
    if answer["ok"] == true {
        eprintln!("{channel} took it: {says}");
        Ok(())
    } else {
        Err(anyhow::anyhow!("{channel} didn't take it: {says}").into())
    }
}

/// `weir marker …`.
pub(crate) fn marker(args: MarkerArgs) -> Result<(), Failed> {
    let body = json!({
        "what": args.what.join(" "),
        "version": args.version.unwrap_or_default(),
        "at": args.at.as_deref().map(time).transpose()?,
        "by": who(args.by),
        "link": args.link,
    });
    let answer = post(&args.source, "/api/v1/markers", &body)?;
    told(&args.source, &answer.to_string())
}

/// A time as people give it: RFC 3339, or how long ago (`5min`).
fn time(given: &str) -> Result<String, Failed> {
    if given.parse::<jiff::Timestamp>().is_ok() {
        return Ok(given.to_owned());
    }
    let ago: weir_model::HumanDuration = given.parse().map_err(|_| {
        Failed::Usage(format!(
            "weir marker: --at `{given}` is no time; write 2026-12-01T22:00:00Z, or how long ago: 5min"
        ))
    })?;
    let (_, now) = crate::clock::zero();
    let at: Wall = now.before(ago.0);
    jiff::Timestamp::from_microsecond(at.as_micros())
        .map(|at| at.to_string())
        .map_err(|fault| Failed::Usage(format!("weir marker: --at `{given}`: {fault}")))
}

/// An id that goes into a path.
fn plain(id: &str) -> Result<&str, Failed> {
    match !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        true => Ok(id),
        false => Err(Failed::Usage(format!(
            "weir silence: `{id}` is no id of a silence; they look like S-3"
        ))),
    }
}

fn told(source: &Source, answer: &str) -> Result<(), Failed> {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    match source.output {
        Output::Json => crate::say(&pretty(&answer)),
        Output::Table => eprintln!("{}", answer.get("says").map_or("done", text)),
    }
    Ok(())
}
