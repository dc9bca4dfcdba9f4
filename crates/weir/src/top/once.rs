//! The overview once, for a pipe: text for people, JSON for programs.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::{Map, Value, json};
use weir_model::Instant;

use super::draw;
use super::model::{Command, Fault, Input, Model, News};
use super::wire::Client;
use crate::Failed;
use crate::cli::Output;

/// Answers that aren't there by then are left out.
const WITHIN: Duration = Duration::from_secs(8);
/// Lines of text at most: enough for 200 pools.
const HEIGHT: u16 = 240;

pub(crate) fn print(
    output: Output,
    client: &Client,
    model: Model,
    columns: Option<u16>,
    now: impl Fn() -> Instant,
) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("couldn't start")?;
    let url = model.url.clone();
    let failed = |fault: &Fault| anyhow!("no Weir at {url}: {}", fault.says());
    match output {
        Output::Json => {
            let document = runtime
                .block_on(document(client))
                .map_err(|fault| failed(&fault))?;
            crate::say(&crate::incident::pretty(&document));
        }
        Output::Table => {
            let model = runtime.block_on(filled(client, model, now));
            if let Some(fault) = model.slot(super::model::Doc::Pools).fault {
                return Err(failed(&fault).into());
            }
            crate::say(&text(model, columns.unwrap_or(120)));
        }
    }
    Ok(())
}

/// What the overview shows, as the API says it.
async fn document(client: &Client) -> Result<Value, Fault> {
    let status = client.get("/api/v1/status").await?;
    let pools = client.get("/api/v1/pools").await?;
    let incidents = client
        .get("/api/v1/incidents?status=open,acknowledged,mitigated")
        .await?;
    let decisions = client.get("/api/v1/decisions?limit=10").await?;
    // An older Weir has none; everything else is told all the same.
    let overview = match client.get("/api/v1/overview").await {
        Ok(overview) => overview,
        Err(Fault::Refused { status: 404, .. }) => Value::Null,
        Err(fault) => return Err(fault),
    };
    let mut whole = Map::new();
    whole.insert("schema".to_owned(), json!("weir.top/1"));
    whole.insert("at".to_owned(), status["at"].clone());
    for (key, value) in [
        ("status", status),
        ("overview", overview),
        ("pools", pools),
        ("incidents", incidents),
        ("decisions", decisions),
    ] {
        whole.insert(key.to_owned(), value);
    }
    Ok(Value::Object(whole))
}

/// The model after all its first questions were answered.
async fn filled(client: &Client, mut model: Model, now: impl Fn() -> Instant) -> Model {
    let mut commands = model.on(Input::Tick, now());
    while !commands.is_empty() && now() < Instant::ZERO.after(WITHIN) {
        let mut next = Vec::new();
        for command in commands {
            let Command::Ask { doc, path } = command else {
                continue;
            };
            let result = client.get(&path).await;
            let answer = Input::News(News::Answer { doc, path, result });
            next.extend(model.on(answer, now()));
        }
        if !model.link.up {
            break;
        }
        commands = next;
    }
    model
}

/// The overview as lines, without what is only of use on a screen.
fn text(mut model: Model, width: u16) -> String {
    model.skin.colour = false;
    let width = width.clamp(draw::WHOLE.0, 400);
    model.size = (width, HEIGHT);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, HEIGHT));
    draw::draw(&model, &mut buffer);
    let mut lines: Vec<String> = Vec::new();
    // The tabs (second) and the keys (last) are for a screen.
    for y in (0..HEIGHT - 1).filter(|y| *y != 1) {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        let line = line.trim_end().to_owned();
        if !(line.is_empty() && lines.last().is_some_and(String::is_empty)) {
            lines.push(line);
        }
    }
    lines.join("\n").trim_end().to_owned()
}
