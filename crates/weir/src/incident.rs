//! `weir incident …`: the same words over HTTP, or read from the store's file.

mod tell;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::{Value, json};
use weir_control::incident::entry::{Entry, IncidentId};
use weir_control::incident::{Incident, clocks};
use weir_control::record::store::{Journals, Store, StoreHealth};
use weir_model::HumanDuration;

use crate::Failed;
use crate::cli::{ActionCommand, IncidentCommand, Output, Source};

/// `weir incident …`.
pub(crate) fn incident(command: IncidentCommand) -> Result<(), Failed> {
    match command {
        IncidentCommand::List { source, status } => list(&source, status.as_deref()),
        IncidentCommand::Show { id, source } => show(parse(&id)?, &source, told::incident),
        IncidentCommand::Action(ActionCommand::List { id, source }) => {
            show(parse(&id)?, &source, told::actions)
        }
        IncidentCommand::Clocks {
            since,
            drills,
            source,
        } => clocks_of(since, drills, &source),
        IncidentCommand::Verify(args) => crate::journal::verify(&args),
        IncidentCommand::Export(args) => crate::journal::export(&args),
        IncidentCommand::Import(args) => crate::journal::import(args),
        changing => wish(changing)?.send(),
    }
}

/// What a command that changes something asks for.
fn wish(command: IncidentCommand) -> Result<tell::Wish, Failed> {
    use IncidentCommand as C;
    match command {
        C::List { .. }
        | C::Show { .. }
        | C::Clocks { .. }
        | C::Verify(_)
        | C::Export(_)
        | C::Import(_) => Err(Failed::Usage("that asks for no change".to_owned())),
        C::Declare(args) => Ok(tell::declare(*args)),
        C::Ack(args) => tell::say("ack", args),
        C::Note { say, at, kind } => {
            let kind = kind.map(|kind| kind.name());
            let more = json!({ "happened_at": tell::time(at), "kind": kind });
            tell::with("notes", say, more)
        }
        C::Assign {
            id,
            role,
            to,
            text,
            who,
        } => {
            let body = json!({ "role": role.name(), "to": to });
            tell::about("assign", &id, &text, body, who)
        }
        C::Update {
            id,
            doing,
            impact,
            next,
            who,
            ..
        } => tell::update(&id, &doing, impact, next.map(|next| next.0), who),
        C::Mitigate(args) => tell::ended("mitigate", args),
        C::Resolve(args) => tell::ended("resolve", args),
        C::Review { say, anyway } => tell::with("review", say, json!({ "anyway": anyway })),
        C::Close { say, wontdo, force } => {
            let open = match (wontdo, force) {
                (true, _) => "decline",
                (false, true) => "leave",
                (false, false) => "refuse",
            };
            tell::with("close", say, json!({ "open_actions": open }))
        }
        C::Reopen(args) => tell::say("reopen", args),
        C::Merge {
            id,
            into,
            text,
            who,
        } => tell::merge(&id, &into, &text, who),
        C::Unmerge(args) => tell::say("unmerge", args),
        C::Correct {
            id,
            clock,
            to,
            text,
            who,
        } => {
            let body = json!({ "clock": clock.name(), "to": tell::correction(&to) });
            tell::about("correct", &id, &text, body, who)
        }
        C::State {
            id,
            topic,
            text,
            at,
            who,
        } => {
            let body = json!({ "topic": topic.name(), "happened_at": tell::time(at) });
            tell::about("statements", &id, &text, body, who)
        }
        C::Answer {
            id,
            question,
            text,
            who,
        } => tell::about("answers", &id, &text, json!({ "question": question }), who),
        C::Action(command) => tell::action(command),
    }
}

fn list(source: &Source, status: Option<&str>) -> Result<(), Failed> {
    let documents: Vec<Value> = match read_file(source)? {
        Some((incidents, journals)) => incidents
            .values()
            .rev()
            .filter(|i| !i.is_merged())
            .filter(|i| status.is_none_or(|s| s.split(',').any(|s| s.trim() == i.status.name())))
            .map(|incident| crate::journal::document(incident, &journals))
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

fn show(id: IncidentId, source: &Source, tell: fn(&Value) -> String) -> Result<(), Failed> {
    let document: Value = match read_file(source)? {
        Some((incidents, journals)) => crate::journal::document(find(&incidents, id)?, &journals),
        None => get(source, &format!("/api/v1/incidents/{id}"))?,
    };
    let shown = text(&document["id"]);
    if shown != id.to_string() {
        eprintln!("{id} was merged into {shown}, which is shown");
    }
    if source.output == Output::Json {
        crate::say(&pretty(&document));
    } else {
        crate::say(&tell(&document));
    }
    Ok(())
}

fn clocks_of(since: HumanDuration, drills: bool, source: &Source) -> Result<(), Failed> {
    let document = match from_file(source)? {
        Some(incidents) => {
            let (_, now) = crate::clock::zero();
            let from = now.before(since.0);
            let all: Vec<&Incident> = incidents.values().collect();
            clocks::document(&clocks::over(&all, from, drills), from, drills)
        }
        None => get(
            source,
            &format!("/api/v1/incidents/clocks?since={since}&drills={drills}"),
        )?,
    };
    if source.output == Output::Json {
        crate::say(&pretty(&document));
    } else {
        crate::say(&told::clocks(&document));
    }
    Ok(())
}

/// Who says it: as told, or the login name.
pub(crate) fn who(by: Option<String>) -> String {
    let environment = crate::clock::environment();
    let login = || {
        let name = environment.get("USER").or(environment.get("LOGNAME"));
        name.cloned()
    };
    by.or_else(login)
        .unwrap_or_else(|| "somebody at a terminal".to_owned())
}

pub(crate) fn parse(id: &str) -> Result<IncidentId, Failed> {
    id.parse().map_err(Failed::Usage)
}

/// The incident with this number, or the one that speaks for it.
pub(crate) fn find(
    incidents: &BTreeMap<IncidentId, Incident>,
    id: IncidentId,
) -> Result<&Incident, Failed> {
    let survivor = id.survivor(|id| incidents.get(&id));
    incidents.get(&survivor).ok_or_else(|| {
        let hint = id
            .nearest(incidents.keys().copied())
            .map_or_else(String::new, |near| format!("; did you mean {near}?"));
        anyhow!("there is no {id}{hint} `weir incident list` shows what there is").into()
    })
}

/// Incidents of the store's file, if one was named.
pub(crate) fn from_file(source: &Source) -> Result<Option<BTreeMap<IncidentId, Incident>>, Failed> {
    Ok(read_file(source)?.map(|(incidents, _)| incidents))
}

/// Incidents, and how their journals are.
type FromFile = (BTreeMap<IncidentId, Incident>, Arc<Journals>);

/// The same, with how their journals are.
fn read_file(source: &Source) -> Result<Option<FromFile>, Failed> {
    let Some(path) = &source.store else {
        return Ok(None);
    };
    if !path.exists() {
        return Err(anyhow!("there is no file {}", path.display()).into());
    }
    let (store, report) = Store::open(path);
    if let StoreHealth::MemoryOnly { reason } = report.health {
        return Err(anyhow!("can't read {}: {reason}", path.display()).into());
    }
    for says in &report.says {
        eprintln!("weir: {says}");
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
    Ok(Some((incidents, store.journals())))
}

pub(crate) fn get(source: &Source, path: &str) -> Result<Value, Failed> {
    let body = get_text(source, path)?;
    Ok(serde_json::from_str(&body).context("the API's answer is not JSON")?)
}

pub(crate) fn get_text(source: &Source, path: &str) -> Result<String, Failed> {
    request(source, reqwest::Method::GET, path, None)
}

pub(crate) fn post(source: &Source, path: &str, body: &Value) -> Result<Value, Failed> {
    let body = request(source, reqwest::Method::POST, path, Some(body))?;
    Ok(serde_json::from_str(&body).context("the API's answer is not JSON")?)
}

pub(crate) fn request(
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
                let message = error.get("message")?.as_str()?;
                // A refusal says itself what is possible now.
                let hint = match error.get("code").and_then(Value::as_str) {
                    Some("not_now") => "",
                    _ => error.get("hint").and_then(Value::as_str).unwrap_or_default(),
                };
                Some(format!("{message}\n    {hint}"))
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

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}
