//! `weir top [URL]`: the same API as the dashboard's, in a terminal.
//!
//! | file | answers |
//! |---|---|
//! | [`told`], [`waits`] | what does the API say, as far as it is shown? |
//! | [`history`] | what was it in the last ten minutes? |
//! | [`model`] | what is known and what is looked at; [`acts`]: what does a key change? [`news`]: an answer? [`asks`]: what is asked when? |
//! | [`keys`] | which key does what? |
//! | [`draw`], [`grid`], [`skin`] | the picture |
//! | [`wire`], [`sse`] | the thread that talks to the API |
//! | [`terminal`] | taking the terminal, and giving it back |
//! | [`once`] | the same for a pipe: once, as text or JSON |
//!
//! # What always holds
//! - The model is a value: what happened goes in with its time, what should be done comes out.
//! - Nothing is changed without a yes to a text that says what and how to undo it.

mod acts;
mod asks;
mod draw;
mod grid;
mod history;
mod keys;
mod model;
mod news;
mod once;
mod skin;
mod sse;
mod terminal;
mod told;
mod waits;
mod wire;

#[cfg(test)]
mod goldens;
#[cfg(test)]
mod life;
#[cfg(test)]
mod scene;

use std::io::IsTerminal as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use weir_model::Instant;

use crate::Failed;
use crate::cli::{Output, TopArgs};
use model::{Command, Input, Model, News, RATES};
use skin::Skin;
use wire::{Client, NEWS_MAX, Place, Wire};

/// The picture's clock moves at least so often.
const TICK: Duration = Duration::from_millis(250);
/// News that is taken before the next picture.
const BATCH_MAX: usize = 64;
/// How long leaving waits for the outcome of an order.
const OUTCOME_WITHIN: Duration = Duration::from_secs(3);

/// `weir top`.
pub(crate) fn top(args: &TopArgs) -> Result<(), Failed> {
    let (zero, started) = crate::clock::zero();
    let now = || Instant::ZERO.after(zero.elapsed());
    let environment = crate::clock::environment();
    let place = place(args, environment.get("WEIR_API_TOKEN").cloned())?;
    let mut skin = Skin::of(&environment);
    skin.unicode &= !args.ascii;
    let url = place.url.clone();
    let client = Client::new(place).map_err(|says| anyhow!(says))?;
    let by = crate::incident::who(args.by.clone());
    let mut model = Model::new(url, by, skin, started, (80, 24));
    if let Some(every) = args.every {
        let fits = RATES.iter().position(|rate| *rate >= every.0);
        model.rate = fits.unwrap_or(RATES.len() - 1);
    }
    if args.once || args.output == Output::Json {
        let columns = environment
            .get("COLUMNS")
            .and_then(|text| text.parse().ok());
        return once::print(args.output, &client, model, columns, now);
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failed::Usage(
            "weir top: this is no terminal; `weir top --once` prints the overview, `-o json` for programs"
                .to_owned(),
        ));
    }
    model.size = ratatui::crossterm::terminal::size().unwrap_or((80, 24));
    live(model, client, now)
}

fn live(mut model: Model, client: Client, now: impl Fn() -> Instant) -> Result<(), Failed> {
    let (out, inputs) = sync_channel(NEWS_MAX);
    let wire = Wire::start(client, out.clone()).context("couldn't start the network thread")?;
    // The first questions are on their way while the terminal is taken.
    for command in model.on(Input::Tick, now()) {
        wire.send(command);
    }
    let mut screen = terminal::Screen::take().context("couldn't take the terminal")?;
    screen.draw(&model).context("couldn't draw")?;
    terminal::keys(out).context("couldn't read the keyboard")?;
    loop {
        let mut batch = Vec::new();
        match inputs.recv_timeout(TICK) {
            Ok(input) => batch.push(input),
            Err(RecvTimeoutError::Timeout) => batch.push(Input::Tick),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        batch.extend(inputs.try_iter().take(BATCH_MAX));
        for input in batch {
            for command in model.on(input, now()) {
                match command {
                    Command::Quit => {
                        drop(screen);
                        outcome(&mut model, &inputs, now);
                        return Ok(());
                    }
                    Command::Suspend => {
                        model.size = screen.suspend().context("couldn't come back")?;
                        let woken = model.on(Input::Woken, now());
                        woken.into_iter().for_each(|command| wire.send(command));
                    }
                    Command::Copy(text) => screen.copy(&text).context("couldn't copy")?,
                    command => wire.send(command),
                }
            }
        }
        screen.draw(&model).context("couldn't draw")?;
    }
}

/// Whoever says yes and leaves still wants it done, and to know.
fn outcome(model: &mut Model, inputs: &Receiver<Input>, now: impl Fn() -> Instant) {
    let until = now().after(OUTCOME_WITHIN);
    while model.pending > 0 && now() < until {
        let Ok(input) = inputs.recv_timeout(until.since(now())) else {
            break;
        };
        let told = matches!(&input, Input::News(News::Done { .. }));
        model.on(input, now());
        if let (true, Some((says, _, _))) = (told, &model.notice) {
            eprintln!("{says}");
        }
    }
    if model.pending > 0 {
        eprintln!("weir top: no answer to the last order yet; look whether it was carried out");
    }
}

/// Where the API is, from what was typed. Secrets don't stand in addresses: they end up in the
/// history of a shell.
fn place(args: &TopArgs, from_environment: Option<String>) -> Result<Place, Failed> {
    let usage = |says: String| Failed::Usage(format!("weir top: {says}"));
    let typed = args.url.trim();
    let whole = match typed.contains("://") {
        true => typed.to_owned(),
        false => format!("http://{typed}"),
    };
    let url = reqwest::Url::parse(&whole).map_err(|fault| {
        usage(format!(
            "`{typed}` is no address ({fault}); write http://host:6433"
        ))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(usage(format!(
            "`{}` is no way to the API; write http://host:6433 or https://host",
            url.scheme()
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(usage(
            "an address with a password in it ends up in the shell's history; use --token-file"
                .to_owned(),
        ));
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(usage(format!(
            "`{typed}` has a path; write only where the API is, as in http://host:6433"
        )));
    }
    let token = match &args.token_file {
        None => from_environment,
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|fault| {
                usage(format!(
                    "can't read --token-file {}: {fault}",
                    file.display()
                ))
            })?;
            let token = text.trim().to_owned();
            if token.is_empty() {
                return Err(usage(format!("--token-file {} is empty", file.display())));
            }
            Some(token)
        }
    };
    if token
        .as_ref()
        .is_some_and(|token| token.chars().any(|c| !c.is_ascii_graphic()))
    {
        return Err(usage(
            "the token has a character in it that no token has".to_owned(),
        ));
    }
    Ok(Place {
        url: whole.trim_end_matches('/').to_owned(),
        token,
        ca: args.ca.clone(),
    })
}
