//! `weir report import`: a report that anybody wrote becomes an incident.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::{Value, json};
use weir_control::incident::entry::IncidentId;
use weir_control::incident::import::{self, Import};
use weir_control::incident::{Incident, export};
use weir_control::record::store::{Journal, Store, StoreHealth};
use weir_lint::{Doc, Facts, Source as Text};

use crate::Failed;
use crate::cli::{Output, Source};
use crate::incident::{post, pretty, who};

/// `weir report import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A report in Markdown or HTML, whoever wrote it.
    file: PathBuf,
    /// Show what would be made, and make nothing.
    #[arg(long)]
    dry_run: bool,
    /// Who brings it [default: your login name]
    #[arg(long)]
    by: Option<String>,
    #[command(flatten)]
    source: Source,
}

/// The number that a journal has on its way; the store gives it the next free one.
const ON_ITS_WAY: IncidentId = IncidentId(1);

pub(crate) fn import(args: ImportArgs) -> Result<(), Failed> {
    let name = args.file.display().to_string();
    let bytes = std::fs::read(&args.file).with_context(|| format!("couldn't read {name}"))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| anyhow!("{name} is no UTF-8 text; save the report as Markdown or HTML"))?;
    let source = Text::new(name.clone(), text).map_err(|fault| anyhow!("{name}: {fault}"))?;
    let doc = Doc::read(&source);
    let facts = Facts::of(&doc);
    let read = import::import(&doc, &facts, &name).map_err(|fault| anyhow!("{fault}"))?;
    let (_, now) = crate::clock::zero();
    let entries = read.entries(ON_ITS_WAY, &name, now);
    let incident = Incident::replay(&entries).map_err(|fault| anyhow!("{name}: {fault}"))?;
    if args.dry_run {
        match args.source.output {
            Output::Json => crate::say(&pretty(&json!({
                "schema": "weir.import/1",
                "incident": weir_control::incident::json::document(&incident),
                "questions": read.questions,
            }))),
            Output::Table => crate::say(&import::preview(&read, &incident)),
        }
        eprintln!("nothing was made; without --dry-run it is");
        return Ok(());
    }
    let journal =
        import::journal(ON_ITS_WAY, entries).context("the entries have no form as JSON")?;
    let answer = bring(&args.source, args.by, journal)?;
    tell(&args.source, &answer, &read);
    Ok(())
}

/// Into the store's file, or to a running Weir.
pub(crate) fn bring(
    source: &Source,
    by: Option<String>,
    journal: Journal,
) -> Result<Value, Failed> {
    let Some(path) = &source.store else {
        let body = json!({ "by": who(by), "journal": export::write(&journal) });
        return post(source, "/api/v1/incidents/import", &body);
    };
    let (store, report) = Store::open(path);
    if let StoreHealth::MemoryOnly { reason } = report.health {
        return Err(anyhow!(
            "can't write {}: {reason}. Of a running Weir, ask its API (without --store)",
            path.display()
        )
        .into());
    }
    let imported = store.import_now(journal).map_err(anyhow::Error::from)?;
    store.close();
    Ok(json!({
        "schema": "weir.done/1",
        "says": imported.to_string(),
        "incident": imported.id().to_string(),
    }))
}

fn tell(source: &Source, answer: &Value, read: &Import) {
    if source.output == Output::Json {
        let mut answer = answer.clone();
        answer["questions"] = json!(read.questions);
        crate::say(&pretty(&answer));
        return;
    }
    eprintln!("{}", answer["says"].as_str().unwrap_or("imported"));
    for question in &read.questions {
        eprintln!("  ? {question}");
    }
    if let Some(id) = answer["incident"].as_str() {
        eprintln!("weir report render {id}    shows its report");
        if !read.questions.is_empty() {
            eprintln!("weir report new --incident {id}    asks these questions one by one");
        }
    }
}
