//! The three acts, for the founding incident and for its cousins.

use std::io::Write;
use std::path::PathBuf;

use weir_model::Cause;

use super::act::Play;
use super::ending::{self, Ending};
use super::fault::{self, Script};
use super::shop;
use super::stage::{Stage, StageSetup};
use super::view::Narrator;
use super::{CAUSES, DemoError, DemoOptions, DemoOutcome};
use crate::clock::{civil, now};

/// A calm day: four or five servers' worth of pages.
pub(crate) const CALM_RATE: f64 = 100.0;
/// The first seconds: connections are opened, caches filled. A day doesn't begin at noon.
pub(crate) const WARM_UP_RATE: f64 = 30.0;
pub(crate) const WARM_UP_S: f64 = 2.0;
/// After all is good again.
const EVENING_RATE: f64 = 40.0;
/// Peak hours: about sixteen servers' worth, against a pool of ten.
const PEAK_RATE: f64 = 360.0;
/// Detection may take this long before the story goes on without it.
const DETECT_LIMIT_S: f64 = 20.0;
/// The load goes on for so long after the recovery.
const AFTERGLOW_S: f64 = 5.0;
const NAME_LIMIT_S: f64 = 20.0;
/// From the remedy to `resolved`; the last part of it is Weir watching that it stays good.
const RESOLVE_LIMIT_S: f64 = 90.0;
/// A person who approves the recommendation may take this long.
const APPROVE_LIMIT_S: f64 = 120.0;
/// Length of the story without being asked to hurry.
const USUAL_S: f64 = 70.0;

/// What the acts take, in seconds.
struct Tempo {
    calm: f64,
    /// The regulator is held back this long after the incident was seen: the damage has to be
    /// real for the report to have something to tell.
    pause: f64,
    fault: f64,
}

impl Tempo {
    fn of(seconds: Option<u64>) -> Self {
        let stretch = (seconds.unwrap_or(70) as f64 / USUAL_S).clamp(0.6, 5.0);
        Self {
            // Weir wants ten seconds of usual life to compare with.
            calm: (12.0 * stretch).max(12.0),
            pause: 10.0 * stretch,
            fault: stretch,
        }
    }
}

/// Replays the incident of `options.cause`, tells it on standard error, prints the clocks on
/// standard output, and writes the report. Needs a tokio runtime with more than one thread.
///
/// `Err` means that the stage couldn't be set. Whether Weir passed is in the outcome.
pub async fn run(options: DemoOptions) -> Result<DemoOutcome, DemoError> {
    if !CAUSES.contains(&options.cause) {
        return Err(DemoError::NoSuchReplay {
            cause: options.cause,
            known: CAUSES
                .iter()
                .map(|c| c.name())
                .collect::<Vec<_>>()
                .join(", "),
        });
    }
    let out = match &options.out {
        Some(dir) => dir.clone(),
        None => PathBuf::from(civil().strftime("weir-demo-%Y%m%dT%H%M%SZ").to_string()),
    };
    // Before the play: a minute's work must not be lost to a folder that can't be written.
    std::fs::create_dir_all(&out)
        .map_err(DemoError::io(format!("couldn't create {}", out.display())))?;

    let mut narrator = Narrator::new(options.plain);
    narrator.say("setting the stage: a private PostgreSQL, a shop, Weir, a dashboard, users …");
    let locks = options.cause == Cause::RowLockContention;
    let slots = options.cause == Cause::MaxConnections;
    let scan = options.cause == Cause::SlowQuery;
    let setting = Stage::set(StageSetup {
        pg_bin: options.pg_bin.clone(),
        weir_exe: &options.weir_exe,
        seed: options.seed,
        rate: WARM_UP_RATE,
        max_connections: if slots { 30 } else { 80 },
        // So that the pool needs new connections while somebody else takes them all.
        server_lifetime: slots.then_some("13s"),
        counts_views: locks,
        api: options.api,
        items: if scan {
            shop::items_that_hurt()
        } else {
            shop::ITEMS
        },
    });
    let stage = tokio::select! {
        stage = setting => stage?,
        () = interrupted() => return Ok(DemoOutcome::interrupted_early(options.cause, out)),
    };
    narrator.say(&format!(
        "PostgreSQL {} on port {}, Weir in front on {} (pool of 10, mode transaction), dashboard on http://{}",
        stage.postgres.version, stage.postgres.port, stage.weir.port, stage.dashboard.addr
    ));
    narrator.say(
        "a page is three queries in one transaction; each sleeps 13 ms in the server, standing for a disk",
    );

    narrator.say(&format!(
        "Weir's dashboard while this lasts: {}",
        stage.weir.api.url()
    ));

    let mut play = Play::begin(stage, narrator);
    let mut ending = Ending::new(options.cause, out);
    let tempo = Tempo::of(options.seconds);
    let interrupted = tokio::select! {
        played = acts(&mut play, &options, &tempo, &mut ending) => {
            played?;
            false
        }
        () = interrupted() => true,
    };
    if interrupted {
        play.say("interrupted: writing what there is");
    }
    let (play, outcome) = ending::judged(play, ending, interrupted).await;
    let text = outcome.text();
    // A reader who has gone away takes nothing from the files.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    if let Some(seconds) = options.linger.filter(|_| !interrupted) {
        play.say(&format!(
            "everything stays up for {seconds} s, or until Ctrl-C: {}",
            play.stage.weir.api.url()
        ));
        tokio::select! {
            () = play.pass(seconds as f64) => {}
            () = self::interrupted() => {}
        }
    }
    ending::tear_down(play).await;
    Ok(outcome)
}

/// Ctrl-C, or a supervisor's SIGTERM.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

async fn acts(
    play: &mut Play,
    options: &DemoOptions,
    tempo: &Tempo,
    ending: &mut Ending,
) -> Result<(), DemoError> {
    play.act("act 1 of 3: a calm day");
    play.pass(WARM_UP_S).await;
    play.stage.users.come(CALM_RATE);
    play.pass(tempo.calm).await;
    let quiet = play.seen().incidents == 0;
    if !quiet {
        ending.blame("an incident was open before anything had gone wrong");
    }
    match fault::script(options.cause) {
        None => founding(play, options.approve, tempo, ending).await,
        Some(script) => cousin(play, options.cause, &script, tempo, ending).await,
    }
}

/// Too small a pool for the peak; the remedy is the regulator's.
async fn founding(
    play: &mut Play,
    approve: bool,
    tempo: &Tempo,
    ending: &mut Ending,
) -> Result<(), DemoError> {
    // Before the peak: who approves may be quicker than the story.
    let before = play.seen().pool.map_or(10, |pool| pool.size);
    play.act("act 2 of 3: peak hours");
    play.stage.users.tally.mark();
    ending.onset = Some(now());
    for step in 1..=4 {
        let share = f64::from(step) / 4.0;
        play.stage
            .users
            .come(CALM_RATE + (PEAK_RATE - CALM_RATE) * share);
        play.pass(0.75).await;
    }
    detected_and_named(play).await;
    play.say(&format!(
        "that day, people now looked at the frontend for {} minutes; here the regulator is held back {:.0} s",
        75, tempo.pause
    ));
    play.pass(tempo.pause).await;

    if approve {
        play.act("act 3 of 3: the regulator recommends, and you approve");
        play.say(&format!(
            "approve it at {} (the pool's page, or `A` in `weir top`)",
            play.stage.weir.api.url()
        ));
        let approved = play
            .until(APPROVE_LIMIT_S, |seen| {
                seen.pool.as_ref().is_some_and(|pool| pool.size > before)
            })
            .await;
        ending.allow();
        if !approved {
            play.say("nobody approved it; the regulator is allowed to act");
            play.stage.weir.api.let_regulator_act().await?;
        }
    } else {
        play.act("act 3 of 3: the regulator may act");
        ending.allow();
        play.stage.weir.api.let_regulator_act().await?;
    }
    let grown = play
        .until(DETECT_LIMIT_S, |seen| {
            seen.pool.as_ref().is_some_and(|pool| pool.size > before)
        })
        .await;
    if grown {
        ending.enlarged = Some(now());
        let size = play.seen().pool.map_or(0, |pool| pool.size);
        play.say(&format!(
            "the pool grows: {before} → {size} server connections"
        ));
    } else {
        ending.blame("the regulator was allowed to act and the pool didn't grow");
    }
    resolved(play, ending).await;
    Ok(())
}

/// Something else goes wrong, at a calm day's load, and is put right.
async fn cousin(
    play: &mut Play,
    cause: Cause,
    script: &Script,
    tempo: &Tempo,
    ending: &mut Ending,
) -> Result<(), DemoError> {
    play.act(&format!("act 2 of 3: {}", script.title));
    play.say(script.begins);
    play.stage.users.tally.mark();
    ending.onset = Some(now());
    let injected = fault::inject(cause, &play.stage).await?;
    let begun = now();
    detected_and_named(play).await;
    let lasts = script.lasts_s as f64 * tempo.fault;
    play.pass(lasts - begun.elapsed().as_secs_f64()).await;

    play.act("act 3 of 3: put right");
    play.say(script.ends);
    injected.lift(&play.stage).await?;
    ending.allow();
    resolved(play, ending).await;
    Ok(())
}

/// Says what Weir finds, as it finds it. Whether it was right is judged at the end.
async fn detected_and_named(play: &mut Play) {
    if !play
        .until(DETECT_LIMIT_S, |seen| seen.incident.is_some())
        .await
    {
        play.say("Weir has opened no incident");
        return;
    }
    if let Some(incident) = play.seen().incident {
        play.say(&format!(
            "Weir opens {} ({}); from the first delayed page it took {}",
            incident.id,
            incident.level,
            incident
                .clock("detect_s")
                .map_or("?".to_owned(), super::view::human)
        ));
    }
    // Weir may say "unknown" first: an honest answer, but not yet the one that is waited for.
    let named = play
        .until(NAME_LIMIT_S, |seen| {
            seen.incident
                .as_ref()
                .and_then(|i| i.top_cause())
                .is_some_and(|top| top != Cause::Unknown.name())
        })
        .await;
    if !named {
        play.say("Weir has named no cause");
        return;
    }
    if let Some(incident) = play.seen().incident {
        if let Some((cause, confidence, says)) = incident.causes.first() {
            play.say(&format!(
                "Weir names the cause: {cause} ({:.0} %)\n         {says}",
                confidence * 100.0
            ));
        }
        for (cause, says) in incident.ruled_out.iter().take(6) {
            play.say(&format!("  not {cause}: {says}"));
        }
    }
}

/// Recovery at the same load; then the evening, in which Weir watches that it stays good.
async fn resolved(play: &mut Play, ending: &mut Ending) {
    let recovered = play
        .until(RESOLVE_LIMIT_S, |seen| {
            seen.incident
                .as_ref()
                .is_some_and(|i| i.is_over() || i.status == "mitigated")
        })
        .await;
    if recovered {
        play.say("waits are within their objective again, at the same load");
        play.pass(AFTERGLOW_S).await;
    }
    // The recovery is on record. What the machine does besides shouldn't spoil the watch.
    play.say("evening comes, and fewer users");
    play.stage.users.come(EVENING_RATE);
    let over = play
        .until(RESOLVE_LIMIT_S, |seen| {
            seen.incident.as_ref().is_some_and(|i| i.is_over())
        })
        .await;
    if over {
        play.say(&format!(
            "Weir has watched it stay good for {} s (a minute, in life), and declares it resolved",
            super::weir::WATCH_S
        ));
    } else {
        ending.blame("the incident wasn't resolved in time");
    }
    play.pass(1.0).await;
}
