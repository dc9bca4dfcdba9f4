//! `weir incident …` and `weir report …`: the same words over HTTP, or read from the store's file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Value, json};
use weir_control::incident::entry::{Entry, IncidentId};
use weir_control::incident::{Incident, json as incident_json};
use weir_control::record::store::{Store, StoreHealth};
use weir_control::report;

use crate::Failed;
use crate::cli::{IncidentCommand, Output, ReportCommand, SayArgs, Source};

/// `weir incident …`.
pub(crate) fn incident(command: IncidentCommand) -> Result<(), Failed> {
    match command {
        IncidentCommand::List { source, status } => list(&source, status.as_deref()),
        IncidentCommand::Show { id, source } => show(&parse(&id)?, &source),
        IncidentCommand::Ack(args) => tell("ack", args),
        IncidentCommand::Note(args) => tell("notes", args),
        IncidentCommand::Resolve(args) => tell("resolve", args),
    }
}

/// `weir report …`.
pub(crate) fn report(command: ReportCommand) -> Result<(), Failed> {
    let ReportCommand::Render {
        id,
        format,
        out,
        source,
    } = command
    else {
        // The others read files and know no incident: crate::report_lint.
        return Err(Failed::Usage("not a command about an incident".to_owned()));
    };
    let id = parse(&id)?;
    let text = match from_file(&source)? {
        Some(incidents) => {
            let incident = find(&incidents, id)?;
            match format.as_str() {
                "md" => report::markdown(incident),
                "html" => report::html(incident),
                _ => pretty(&incident_json::document(incident)),
            }
        }
        None => get_text(
            &source,
            &format!("/api/v1/incidents/{id}/report?format={format}"),
        )?,
    };
    match out {
        None => crate::say(&text),
        Some(path) => {
            let file = if path.is_dir() {
                path.join(format!("report.{format}"))
            } else {
                path
            };
            std::fs::write(&file, &text)
                .with_context(|| format!("couldn't write {}", file.display()))?;
            let mut written = vec![file.clone()];
            if format == "md" {
                written.extend(write_charts(
                    &source,
                    id,
                    file.parent().unwrap_or(Path::new(".")),
                )?);
            }
            for file in written {
                eprintln!("wrote {}", file.display());
            }
        }
    }
    Ok(())
}

/// The charts that the Markdown refers to, beside it.
fn write_charts(source: &Source, id: IncidentId, dir: &Path) -> Result<Vec<PathBuf>, Failed> {
    let charts: Vec<(String, String)> = match from_file(source)? {
        Some(incidents) => report::charts(find(&incidents, id)?),
        None => ["wait.svg", "hold.svg"]
            .into_iter()
            // An incident without numbers has no charts, and its report none to show.
            .filter_map(|name| {
                let path = format!("/api/v1/incidents/{id}/charts/{name}");
                Some((name.to_owned(), get_text(source, &path).ok()?))
            })
            .collect(),
    };
    let mut written = Vec::new();
    for (name, svg) in charts {
        let file = dir.join(name);
        std::fs::write(&file, svg).with_context(|| format!("couldn't write {}", file.display()))?;
        written.push(file);
    }
    Ok(written)
}

fn list(source: &Source, status: Option<&str>) -> Result<(), Failed> {
    let documents: Vec<Value> = match from_file(source)? {
        Some(incidents) => incidents
            .values()
            .rev()
            .filter(|i| status.is_none_or(|s| i.status.name() == s))
            .map(incident_json::document)
            .collect(),
        None => {
            let query = status.map(|s| format!("?status={s}")).unwrap_or_default();
            let answer: Value = get(source, &format!("/api/v1/incidents{query}"))?;
            match answer
                .get("incidents")
                .and_then(Value::as_array)
                .or(answer.as_array())
            {
                Some(list) => list.clone(),
                None => return Err(anyhow!("the API answered something else than a list").into()),
            }
        }
    };
    if source.output == Output::Json {
        crate::say(&pretty(&Value::Array(documents)));
        return Ok(());
    }
    if documents.is_empty() {
        eprintln!("no incidents");
        return Ok(());
    }
    let mut out = format!(
        "{:<8} {:<13} {:<5} {:<20} {:<24} {}\n",
        "ID", "STATUS", "SEV", "STARTED (UTC)", "CAUSE", "TITLE"
    );
    for d in &documents {
        let cause = d["causes"].get(0).map_or("-", |c| text(&c["cause"]));
        let started: String = text(&d["clocks"]["impact_started_at"])
            .chars()
            .take(19)
            .collect();
        out.push_str(&format!(
            "{:<8} {:<13} {:<5} {:<20} {:<24} {}\n",
            text(&d["id"]),
            text(&d["status"]),
            text(&d["severity"]),
            started.replace('T', " "),
            cause,
            text(&d["title"])
        ));
    }
    crate::say(&out);
    Ok(())
}

fn show(id: &IncidentId, source: &Source) -> Result<(), Failed> {
    let document: Value = match from_file(source)? {
        Some(incidents) => incident_json::document(find(&incidents, *id)?),
        None => get(source, &format!("/api/v1/incidents/{id}"))?,
    };
    if source.output == Output::Json {
        crate::say(&pretty(&document));
    } else {
        crate::say(&told(&document));
    }
    Ok(())
}

/// An incident on a terminal.
fn told(d: &Value) -> String {
    let mut out = format!(
        "{}  {}  {}  {}\n{}\n\n",
        text(&d["id"]),
        text(&d["status"]),
        text(&d["severity"]),
        text(&d["level"]),
        text(&d["title"])
    );
    let c = &d["clocks"];
    out.push_str(&format!("started    {}\n", text(&c["impact_started_at"])));
    for (name, at, s) in [
        ("detected", "detected_at", "detect_s"),
        ("named", "cause_named_at", "name_cause_s"),
        ("acked", "acknowledged_at", "acknowledge_s"),
        ("mitigated", "mitigated_at", "mitigate_s"),
        ("resolved", "resolved_at", "resolve_s"),
    ] {
        match c[s].as_f64() {
            Some(s) => out.push_str(&format!("{name:<10} {}  (+{s:.1} s)\n", text(&c[at]))),
            None => out.push_str(&format!("{name:<10} not yet\n")),
        }
    }
    let i = &d["impact"];
    out.push_str(&format!(
        "\nimpact     {} of {} transactions delayed, {} failed\n",
        i["transactions_delayed"], i["transactions"], i["transactions_failed"]
    ));
    if i["users"].is_null() {
        out.push_str("           users: not measured\n");
    } else {
        out.push_str(&format!(
            "           {} of {} users\n",
            i["users_affected"], i["users"]
        ));
    }
    for (n, cause) in d["causes"].as_array().into_iter().flatten().enumerate() {
        out.push_str(&format!(
            "\ncause {}    {} ({:.0} %)\n           {}\n",
            n + 1,
            text(&cause["cause"]),
            cause["confidence"].as_f64().unwrap_or(0.0) * 100.0,
            text(&cause["says"])
        ));
        out.push_str(&format!(
            "           do: {}\n",
            text(&cause["remedy"]["says"])
        ));
    }
    for ruled in d["ruled_out"].as_array().into_iter().flatten() {
        out.push_str(&format!(
            "not        {}: {}\n",
            text(&ruled["cause"]),
            text(&ruled["says"])
        ));
    }
    out.push_str("\ntimeline\n");
    for row in d["timeline"].as_array().into_iter().flatten() {
        let at: String = text(&row["at"]).chars().skip(11).take(12).collect();
        out.push_str(&format!(
            "  {at}  {:<10} {}\n",
            text(&row["kind"]),
            text(&row["says"])
        ));
    }
    for question in d["questions"].as_array().into_iter().flatten() {
        out.push_str(&format!("?          {}\n", text(question)));
    }
    out
}

fn tell(what: &str, args: SayArgs) -> Result<(), Failed> {
    let id = parse(&args.id)?;
    if args.source.store.is_some() {
        return Err(Failed::Usage(
            "weir incident: --store only reads; to change an incident, ask the running Weir (--api)".to_owned(),
        ));
    }
    let environment = crate::clock::environment();
    let by = args
        .by
        .or_else(|| {
            environment
                .get("USER")
                .or(environment.get("LOGNAME"))
                .cloned()
        })
        .unwrap_or_else(|| "somebody at a terminal".to_owned());
    let body = json!({ "by": by, "text": args.text.join(" ") });
    let answer = post(
        &args.source,
        &format!("/api/v1/incidents/{id}/{what}"),
        &body,
    )?;
    if args.source.output == Output::Json {
        crate::say(&pretty(&answer));
    } else {
        let says = answer
            .get("says")
            .or(answer.get("done"))
            .map_or("done", text);
        eprintln!("{says}");
    }
    Ok(())
}

fn parse(id: &str) -> Result<IncidentId, Failed> {
    id.parse().map_err(Failed::Usage)
}

fn find(incidents: &BTreeMap<IncidentId, Incident>, id: IncidentId) -> Result<&Incident, Failed> {
    incidents
        .get(&id)
        .ok_or_else(|| anyhow!("there is no {id}; `weir incident list` shows what there is").into())
}

/// Incidents of the store's file, if one was named.
fn from_file(source: &Source) -> Result<Option<BTreeMap<IncidentId, Incident>>, Failed> {
    let Some(path) = &source.store else {
        return Ok(None);
    };
    if !path.exists() {
        return Err(anyhow!("there is no file {}", path.display()).into());
    }
    let (_, report) = Store::open(path);
    if let StoreHealth::MemoryOnly { reason } = report.health {
        return Err(anyhow!("can't read {}: {reason}", path.display()).into());
    }
    let mut journals: BTreeMap<IncidentId, Vec<Entry>> = BTreeMap::new();
    for entry in report.entries {
        journals.entry(entry.incident).or_default().push(entry);
    }
    let mut incidents = BTreeMap::new();
    for (id, mut entries) in journals {
        entries.sort_by_key(|e| e.seq);
        match Incident::replay(&entries) {
            Ok(incident) => {
                incidents.insert(id, incident);
            }
            Err(fault) => eprintln!("weir: {id} can't be read: {fault}"),
        }
    }
    Ok(Some(incidents))
}

fn get(source: &Source, path: &str) -> Result<Value, Failed> {
    let body = get_text(source, path)?;
    Ok(serde_json::from_str(&body).context("the API's answer is not JSON")?)
}

fn get_text(source: &Source, path: &str) -> Result<String, Failed> {
    request(source, reqwest::Method::GET, path, None)
}

fn post(source: &Source, path: &str, body: &Value) -> Result<Value, Failed> {
    let body = request(source, reqwest::Method::POST, path, Some(body))?;
    Ok(serde_json::from_str(&body).context("the API's answer is not JSON")?)
}

fn request(
    source: &Source,
    method: reqwest::Method,
    path: &str,
    body: Option<&Value>,
) -> Result<String, Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("couldn't start")?;
    let token = source
        .token
        .clone()
        .or_else(|| crate::clock::environment().get("WEIR_API_TOKEN").cloned());
    let url = format!("{}{path}", source.api.trim_end_matches('/'));
    let asked: anyhow::Result<String> = runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let mut request = client.request(method, &url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|fault| {
            anyhow!(
                "no Weir answers at {}: {}. Is it running? `--api URL` says where, `--store weir.db` reads its file",
                source.api,
                innermost(&fault)
            )
        })?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            let says = serde_json::from_str::<Value>(&text).ok().and_then(|v| {
                let error = v.get("error")?;
                let hint = error.get("hint").and_then(Value::as_str).unwrap_or_default();
                Some(format!("{} {hint}", error.get("message")?.as_str()?))
            });
            bail!("{}", says.map_or_else(|| format!("{status}: {text}"), |s| s.trim().to_owned()));
        }
        Ok(text)
    });
    Ok(asked?)
}

fn innermost(fault: &dyn std::error::Error) -> String {
    let mut fault = fault;
    while let Some(source) = fault.source() {
        fault = source;
    }
    fault.to_string()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}
