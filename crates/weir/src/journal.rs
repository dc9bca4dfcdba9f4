//! `weir incident verify`, `export`, `import`: a journal's hash chain, and taking it elsewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::{Value, json};
use weir_control::incident::entry::IncidentId;
use weir_control::incident::{Incident, export};
use weir_control::record::store::{
    Imported, Journals, Judged, Store, StoreHealth, Verdict, read_journal, verify as verify_file,
};

use crate::Failed;
use crate::cli::{Output, Source};
use crate::incident::{get_text, parse, post, pretty};

/// `weir incident verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Only this one: INC-7.
    id: Option<String>,
    /// The store's file. A running Weir may have it open.
    #[arg(long, value_name = "FILE", default_value = "weir.db")]
    store: PathBuf,
    /// table or json.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// `weir incident export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// INC-7
    id: String,
    /// jsonl: a header line, then an entry with its hash on each line.
    #[arg(long, default_value = "jsonl", value_parser = ["jsonl"])]
    format: String,
    /// Write to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Of a damaged journal, export the entries that are proven.
    #[arg(long)]
    trusted: bool,
    #[command(flatten)]
    source: Source,
}

/// `weir incident import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What `weir incident export` wrote.
    file: PathBuf,
    /// Who brings it [default: your login name]
    #[arg(long)]
    by: Option<String>,
    #[command(flatten)]
    source: Source,
}

/// Exit 0 if everything is as it was written, 1 if not.
pub(crate) fn verify(args: &VerifyArgs) -> Result<(), Failed> {
    let only = args.id.as_deref().map(parse).transpose()?;
    let verdict = verify_file(&args.store, only).map_err(anyhow::Error::from)?;
    match args.output {
        Output::Json => crate::say(&pretty(&verdict_json(&verdict))),
        Output::Table => crate::say(&verdict_text(&verdict)),
    }
    if verdict.is_intact() {
        return Ok(());
    }
    let damaged = verdict.incidents.iter().filter(|i| i.faults_total > 0);
    Err(anyhow!(
        "{}: {} incidents damaged, {} faults of the file",
        args.store.display(),
        damaged.count(),
        verdict.faults.len()
    )
    .into())
}

fn verdict_text(verdict: &Verdict) -> String {
    let mut out = format!(
        "{:<8} {:>7}  {:<12}  {}\n",
        "ID", "ENTRIES", "HEAD", "JOURNAL"
    );
    for Judged {
        id,
        state,
        faults,
        faults_total,
    } in &verdict.incidents
    {
        let head = state.head.map_or("-".to_owned(), |head| head.short());
        let says = match faults_total {
            0 => "intact".to_owned(),
            n => format!("DAMAGED ({n})"),
        };
        out.push_str(&format!(
            "{:<8} {:>7}  {head:<12}  {says}\n",
            id.to_string(),
            state.entries
        ));
        for fault in faults {
            out.push_str(&format!("         {fault}\n"));
        }
        if faults.len() < *faults_total {
            out.push_str(&format!(
                "         and {} more\n",
                faults_total - faults.len()
            ));
        }
    }
    for fault in &verdict.faults {
        out.push_str(&format!("file     {fault}\n"));
    }
    out.push_str(&format!(
        "{} entries of {} incidents: {}\n",
        verdict.entries,
        verdict.incidents.len(),
        if verdict.is_intact() {
            "intact"
        } else {
            "DAMAGED"
        }
    ));
    if verdict.removed > 0 {
        out.push_str(&format!(
            "{} older incidents were removed by Weir for want of room\n",
            verdict.removed
        ));
    }
    out
}

fn verdict_json(verdict: &Verdict) -> Value {
    let incidents: Vec<Value> = verdict
        .incidents
        .iter()
        .map(|judged| {
            let faults: Vec<Value> = judged
                .faults
                .iter()
                .map(|fault| {
                    json!({
                        "seq": fault.seq,
                        "damage": fault.what.name(),
                        "expected": fault.expected,
                        "found": fault.found,
                        "trusted_to": fault.trusted,
                        "says": fault.to_string(),
                    })
                })
                .collect();
            json!({
                "id": judged.id.to_string(),
                "journal": export::state(&judged.state),
                "faults": faults,
                "faults_total": judged.faults_total,
            })
        })
        .collect();
    json!({
        "schema": "weir.verdict/1",
        "intact": verdict.is_intact(),
        "entries": verdict.entries,
        "removed": verdict.removed,
        "faults": verdict.faults,
        "incidents": incidents,
    })
}

/// Writes an incident's journal as a document.
pub(crate) fn export(args: &ExportArgs) -> Result<(), Failed> {
    let id = parse(&args.id)?;
    let text = match &args.source.store {
        Some(path) => from_file(path, id, args.trusted)?,
        None => {
            let trusted = if args.trusted { "?trusted=true" } else { "" };
            get_text(
                &args.source,
                &format!("/api/v1/incidents/{id}/journal{trusted}"),
            )?
        }
    };
    match &args.out {
        None => crate::say(&text),
        Some(path) => {
            std::fs::write(path, &text)
                .with_context(|| format!("couldn't write {}", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(())
}

fn from_file(path: &Path, id: IncidentId, trusted: bool) -> Result<String, Failed> {
    let journal = read_journal(path, id).map_err(anyhow::Error::from)?;
    match &journal.fault {
        Some(fault) if !trusted => {
            Err(anyhow!("{fault}. `--trusted` exports the entries that are proven").into())
        }
        _ => Ok(export::write(&journal.trusted())),
    }
}

/// Takes a journal in.
pub(crate) fn import(args: ImportArgs) -> Result<(), Failed> {
    let file = args.file.display();
    let text =
        std::fs::read_to_string(&args.file).with_context(|| format!("couldn't read {file}"))?;
    // Also before asking a running Weir: a person at a terminal should see the line.
    let (journal, incident) =
        export::read(&text).with_context(|| format!("{file} isn't taken in"))?;
    let answer = match &args.source.store {
        Some(path) => into_file(path, journal)?,
        None => {
            let by = crate::incident::who(args.by);
            let body = json!({ "by": by, "journal": text });
            post(&args.source, "/api/v1/incidents/import", &body)?
        }
    };
    if args.source.output == Output::Json {
        crate::say(&pretty(&answer));
    } else {
        eprintln!("{}", answer["says"].as_str().unwrap_or("imported"));
        if incident.status.is_ongoing() {
            eprintln!("it was {} when it was exported", incident.status);
        }
    }
    Ok(())
}

fn into_file(path: &Path, journal: weir_control::record::store::Journal) -> Result<Value, Failed> {
    let (store, report) = Store::open(path);
    if let StoreHealth::MemoryOnly { reason } = report.health {
        return Err(anyhow!(
            "can't write {}: {reason}. Of a running Weir, ask its API (without --store)",
            path.display()
        )
        .into());
    }
    for says in report.says {
        eprintln!("weir: {says}");
    }
    let imported: Imported = store.import_now(journal).map_err(anyhow::Error::from)?;
    store.close();
    Ok(json!({
        "schema": "weir.done/1",
        "says": imported.to_string(),
        "incident": imported.id().to_string(),
    }))
}

/// An incident's document with how its journal is, as the API has it.
pub(crate) fn document(incident: &Incident, journals: &Journals) -> Value {
    let mut document = weir_control::incident::json::document(incident);
    if let Some(state) = journals.incidents.get(&incident.id) {
        document["journal"] = export::state(state);
    }
    document
}
