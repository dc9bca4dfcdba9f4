//! The opposite of a replay: a quiet day with everything that looks like trouble and is none.
//! Bursts that drain by themselves, waves of reconnecting clients, checkpoints. One incident, and
//! the run has failed: a detector that cries wolf is switched off within a week.

use std::path::PathBuf;

use serde::Serialize;

use super::DemoError;
use super::act::Play;
use super::stage::{Stage, StageSetup};
use super::story::{CALM_RATE, WARM_UP_RATE, WARM_UP_S, interrupted};
use super::users::Toll;
use super::view::Narrator;
use crate::dice::Dice;

/// What to run, and how long.
#[derive(Clone, Debug)]
pub struct CalmOptions {
    /// Length in seconds.
    pub seconds: u64,
    /// Where PostgreSQL's programs are; `None`: looked for.
    pub pg_bin: Option<PathBuf>,
    /// The `weir` binary.
    pub weir_exe: PathBuf,
    /// Draws arrivals, users and the day's small events.
    pub seed: u64,
    /// One line a second instead of a live view.
    pub plain: bool,
}

/// How the day went.
#[derive(Clone, Debug, Serialize)]
pub struct CalmOutcome {
    /// How long it was watched.
    pub seconds: f64,
    /// Incidents that Weir opened. None is right.
    pub incidents: Vec<String>,
    /// What the users went through.
    pub toll: Toll,
    /// Bursts, waves and checkpoints that were played.
    pub small_events: u32,
    /// Why it failed. Empty: passed.
    pub failures: Vec<String>,
}

impl CalmOutcome {
    /// True if nothing was reported and everybody was served.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// What is printed at the end.
    pub fn text(&self) -> String {
        let mut text = format!(
            "\n{:.0} s of calm, {} pages, {} small events: {} incidents\n",
            self.seconds,
            self.toll.pages,
            self.small_events,
            self.incidents.len()
        );
        for failure in &self.failures {
            text.push_str(&format!("FAILED     {failure}\n"));
        }
        text
    }
}

/// Seconds between two small events.
const EVERY_S: f64 = 10.0;

/// Plays a quiet day and judges what Weir made of it. Told on standard error; the caller prints
/// [`CalmOutcome::text`].
pub async fn calm(options: CalmOptions) -> Result<CalmOutcome, DemoError> {
    let mut narrator = Narrator::new(options.plain);
    narrator.say("setting the stage for a calm day …");
    let stage = Stage::set(StageSetup {
        pg_bin: options.pg_bin.clone(),
        weir_exe: &options.weir_exe,
        seed: options.seed,
        rate: WARM_UP_RATE,
        max_connections: 80,
        server_lifetime: None,
        counts_views: false,
        api: None,
        items: super::shop::ITEMS,
    })
    .await?;
    let mut play = Play::begin(stage, narrator);
    play.act("a calm day");
    play.stage.users.tally.mark();
    let mut small_events = 0;
    let mut failures = Vec::new();
    tokio::select! {
        () = day(&play, &options, &mut small_events) => {}
        () = interrupted() => failures.push("interrupted".to_owned()),
    }
    play.curtain();
    let seconds = play.begun.elapsed().as_secs_f64();
    let toll = play.stage.users.tally.toll();
    let api = play.stage.weir.api.clone();
    let incidents = match api.incidents().await {
        Ok(ids) => ids,
        Err(fault) => {
            failures.push(fault.to_string());
            Vec::new()
        }
    };
    for id in &incidents {
        let why = match api.incident(id).await {
            Ok(incident) => format!(
                "{id} was opened: {} ({})",
                incident.level,
                incident.top_cause().unwrap_or("no cause named")
            ),
            Err(fault) => format!("{id} was opened; {fault}"),
        };
        failures.push(why);
    }
    if toll.pages_failed > 0 {
        failures.push(format!("{} pages failed on a calm day", toll.pages_failed));
    }
    if play.stage.weir.has_ended() {
        failures.push("weir ended by itself".to_owned());
    }
    play.stage.weir.stop();
    let _ = tokio::task::spawn_blocking(move || drop(play)).await;
    Ok(CalmOutcome {
        seconds,
        incidents,
        toll,
        small_events,
        failures,
    })
}

/// A small event every ten seconds, in turn; their sizes are drawn.
async fn day(play: &Play, options: &CalmOptions, small_events: &mut u32) {
    let mut dice = Dice::new(options.seed, 3);
    let end = options.seconds as f64;
    play.pass(WARM_UP_S).await;
    play.stage.users.come(CALM_RATE);
    let left = |play: &Play| end - play.begun.elapsed().as_secs_f64();
    while left(play) > 0.0 {
        play.pass(left(play).min(EVERY_S)).await;
        if left(play) < 2.0 {
            // What was begun should be seen to drain.
            continue;
        }
        match *small_events % 3 {
            0 => {
                let pages = 20 + dice.below(31);
                play.say(&format!("a burst: {pages} pages at the same instant"));
                play.stage.users.burst(pages, &mut dice);
            }
            1 => {
                let closed = play.stage.dashboard.reconnect();
                let wave = 50 + dice.below(101);
                play.say(&format!(
                    "a deploy: {closed} client connections closed, {wave} opened at once"
                ));
                play.stage.dashboard.connect_wave(wave).await;
            }
            _ => {
                play.say("a checkpoint");
                if let Ok(admin) = play
                    .stage
                    .postgres
                    .connect("postgres", "checkpointer")
                    .await
                {
                    let _ = admin.batch_execute("CHECKPOINT").await;
                }
            }
        }
        *small_events += 1;
    }
}
