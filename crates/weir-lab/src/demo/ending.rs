//! The end of a replay: the report fetched and written, Weir judged, the clocks laid beside those
//! of that day.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use weir_model::Cause;

use super::act::Play;
use super::users::Toll;
use super::view::human;
use super::weir::IncidentView;
use crate::clock::{Moment, civil, now};

/// What the story notes for the end while it is played.
pub(crate) struct Ending {
    cause: Cause,
    out: PathBuf,
    /// When the trouble was begun.
    pub(crate) onset: Option<Moment>,
    /// When the remedy was allowed or applied, on both clocks.
    allowed: Option<(Moment, Timestamp)>,
    /// When the pool was first seen larger.
    pub(crate) enlarged: Option<Moment>,
    failures: Vec<String>,
}

impl Ending {
    pub(crate) fn new(cause: Cause, out: PathBuf) -> Self {
        Self {
            cause,
            out,
            onset: None,
            allowed: None,
            enlarged: None,
            failures: Vec::new(),
        }
    }

    /// The remedy is allowed, or applied, now.
    pub(crate) fn allow(&mut self) {
        self.allowed = Some((now(), civil()));
    }

    /// Weir fell short.
    pub(crate) fn blame(&mut self, says: &str) {
        self.failures.push(says.to_owned());
    }
}

/// The clocks of this replay in seconds. The first five are Weir's own, counted from the first
/// delayed transaction; the others were measured by the users and the demo.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Clocks {
    /// To the open incident.
    pub detect_s: Option<f64>,
    /// To the named cause.
    pub name_cause_s: Option<f64>,
    /// To the remedy's effect: the wait objective is met again.
    pub mitigate_s: Option<f64>,
    /// To the end.
    pub resolve_s: Option<f64>,
    /// How long the regulator was held back, or the fault was left in place, on purpose: from the
    /// begin of the trouble to the remedy.
    pub held_back_s: Option<f64>,
    /// From the remedy, or the permission to apply it, to the wait objective met again.
    pub restore_s: Option<f64>,
    /// From the permission to act to the larger pool.
    pub enlarge_s: Option<f64>,
    /// From the begin of the trouble to the first page that failed or took longer than a second.
    pub users_notice_s: Option<f64>,
    /// From the remedy to the last page that hurt somebody.
    pub users_restored_s: Option<f64>,
}

/// How a replay ended.
#[derive(Clone, Debug, Serialize)]
pub struct DemoOutcome {
    /// What was replayed.
    pub cause: Cause,
    /// The incident's id.
    pub incident: Option<String>,
    /// What Weir ranked first.
    pub top_cause: Option<String>,
    /// Its confidence.
    pub confidence: Option<f64>,
    /// What Weir ruled out.
    pub ruled_out: Vec<String>,
    /// The clocks.
    pub clocks: Clocks,
    /// What the users went through, as their browsers saw it.
    pub toll: Toll,
    /// Users as Weir counted them by the tag in the queries: affected, of all.
    pub users_affected: Option<u64>,
    /// See `users_affected`.
    pub users: Option<u64>,
    /// Connections that PostgreSQL refused for want of slots (53300).
    pub refused_53300: usize,
    /// Where the files are.
    pub out: PathBuf,
    /// The files that were written.
    pub files: Vec<PathBuf>,
    /// Where Weir fell short. Empty: passed.
    pub failures: Vec<String>,
    /// What was right but later than promised.
    pub late: Vec<String>,
    /// Ended by Ctrl-C or SIGTERM.
    pub interrupted: bool,
}

impl DemoOutcome {
    /// True if Weir did what it is for: the process exits 0.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// The report as one HTML file, if it was written.
    pub fn html(&self) -> Option<&Path> {
        let html = |path: &&PathBuf| path.extension().is_some_and(|e| e == "html");
        self.files.iter().find(html).map(PathBuf::as_path)
    }

    pub(crate) fn interrupted_early(cause: Cause, out: PathBuf) -> Self {
        Self {
            cause,
            incident: None,
            top_cause: None,
            confidence: None,
            ruled_out: Vec::new(),
            clocks: Clocks::default(),
            toll: Toll::default(),
            users_affected: None,
            users: None,
            refused_53300: 0,
            out,
            files: Vec::new(),
            failures: vec!["interrupted".to_owned()],
            late: Vec::new(),
            interrupted: true,
        }
    }

    /// What is printed at the end.
    pub fn text(&self) -> String {
        let mut text = String::from("\n");
        text.push_str(&clocks_table(self));
        text.push('\n');
        if let Some(cause) = &self.top_cause {
            let sure = self.confidence.unwrap_or(0.0) * 100.0;
            text.push_str(&format!("cause      {cause} ({sure:.0} % sure)"));
            if !self.ruled_out.is_empty() {
                text.push_str(&format!("; ruled out: {}", self.ruled_out.join(", ")));
            }
            text.push('\n');
        }
        let t = &self.toll;
        text.push_str(&format!(
            "users      {} of {} hurt ({}): a page failed or took longer than a second\n",
            t.users_hurt,
            t.users,
            percent(t.users_hurt as f64, t.users as f64)
        ));
        text.push_str(&format!(
            "pages      {} of {} hurt ({}), {} of them failed\n",
            t.pages_hurt,
            t.pages,
            percent(t.pages_hurt as f64, t.pages as f64),
            t.pages_failed
        ));
        if let (Some(affected), Some(all)) = (self.users_affected, self.users) {
            text.push_str(&format!(
                "Weir says  {affected} of {all} users affected ({}), by the user id in the query comment\n",
                percent(affected as f64, all as f64)
            ));
        }
        if self.refused_53300 > 0 {
            text.push_str(&format!(
                "slots      PostgreSQL refused {} connections (53300)\n",
                self.refused_53300
            ));
        }
        for (label, file) in ["report  ", "        ", "        ", "        "]
            .iter()
            .zip(&self.files)
        {
            text.push_str(&format!("{label}   {}\n", file.display()));
        }
        for late in &self.late {
            text.push_str(&format!("LATE       {late}\n"));
        }
        for failure in &self.failures {
            text.push_str(&format!("FAILED     {failure}\n"));
        }
        text
    }
}

fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 {
        format!("{:.1} %", part / whole * 100.0)
    } else {
        "none came".to_owned()
    }
}

/// That day against now: the same rows as in DESIGN's table. Shown for every replay, with the
/// rows that it has.
pub fn clocks_table(outcome: &DemoOutcome) -> String {
    let clocks = &outcome.clocks;
    let plus =
        |value: Option<f64>| value.map_or("not reached".to_owned(), |s| format!("+{}", human(s)));
    let enlarged = match (clocks.enlarge_s, clocks.held_back_s) {
        (Some(s), Some(held)) => format!(
            "{} after it was allowed (held back {})",
            human(s),
            human(held)
        ),
        _ => "not reached".to_owned(),
    };
    let founding = matches!(outcome.cause, Cause::PoolUndersized | Cause::TrafficSurge);
    let remedied = match clocks.held_back_s {
        Some(held) => format!("+{} (the demo's own choice)", human(held)),
        None => "not reached".to_owned(),
    };
    let restored = match (clocks.mitigate_s, clocks.restore_s) {
        (Some(s), Some(after)) => format!("+{} ({} after the remedy)", human(s), human(after)),
        (met, _) => plus(met),
    };
    let false_leads = match outcome.ruled_out.len() {
        0 => "none ruled out".to_owned(),
        n => format!("0 min: {n} ruled out, each by a number"),
    };
    let mut rows = vec![
        ("users notice", "0".to_owned(), plus(clocks.users_notice_s)),
        (
            "monitoring alerts",
            "+15 min".to_owned(),
            plus(clocks.detect_s),
        ),
        ("false leads", "75 min".to_owned(), false_leads),
        (
            "right team engaged",
            "+105 min".to_owned(),
            plus(clocks.name_cause_s),
        ),
        (
            "cause identified",
            "+135 min".to_owned(),
            plus(clocks.name_cause_s),
        ),
    ];
    if founding {
        rows.push(("pool enlarged", "+180 min".to_owned(), enlarged));
    } else {
        rows.push(("fault put right", "+180 min".to_owned(), remedied));
    }
    rows.push(("restored", "+210 min".to_owned(), restored));
    rows.push((
        "report",
        "by hand, from memory".to_owned(),
        match outcome.files.len() {
            0 => "none".to_owned(),
            _ => match clocks.resolve_s {
                Some(s) => format!("written at +{}, from the journal", human(s)),
                None => "a draft, from the journal".to_owned(),
            },
        },
    ));
    let mut text = format!(
        "{:<20} {:<21} {}\n",
        "clock (from onset)", "that day", "now"
    );
    text.push_str(&format!(
        "{} {} {}\n",
        "─".repeat(20),
        "─".repeat(21),
        "─".repeat(37)
    ));
    for (clock, then, now) in rows {
        text.push_str(&format!("{clock:<20} {then:<21} {now}\n"));
    }
    text
}

/// Which causes count as right. What was too small a pool for one is too much traffic for another:
/// the founding replay may be named either way.
fn accepted(cause: Cause) -> &'static [Cause] {
    match cause {
        Cause::PoolUndersized | Cause::TrafficSurge => {
            &[Cause::PoolUndersized, Cause::TrafficSurge]
        }
        Cause::IdleInTransaction => &[Cause::IdleInTransaction],
        Cause::SlowQuery => &[Cause::SlowQuery],
        Cause::RowLockContention => &[Cause::RowLockContention],
        Cause::DdlLockQueue => &[Cause::DdlLockQueue],
        Cause::MaxConnections => &[Cause::MaxConnections],
        Cause::ServerDown => &[Cause::ServerDown],
        _ => &[],
    }
}

/// Fetches the report and judges. The stage stands until [`tear_down`].
pub(crate) async fn judged(
    mut play: Play,
    mut ending: Ending,
    interrupted: bool,
) -> (Play, DemoOutcome) {
    play.curtain();
    let api = play.stage.weir.api.clone();
    let first = play.seen().incident.map(|i| i.id);
    let incident: Option<IncidentView> = match &first {
        Some(id) => api.incident(id).await.ok().or(play.seen().incident),
        None => None,
    };
    let mut files = Vec::new();
    if let Some(incident) = &incident {
        for (name, path) in [
            (
                "report.md",
                format!("/api/v1/incidents/{}/report?format=md", incident.id),
            ),
            (
                "report.html",
                format!("/api/v1/incidents/{}/report?format=html", incident.id),
            ),
            (
                "incident.json",
                format!("/api/v1/incidents/{}", incident.id),
            ),
        ] {
            let file = ending.out.join(name);
            let written = match api.text(&path).await {
                Ok(text) if text.trim().is_empty() => Err("it is empty".to_owned()),
                Ok(text) => std::fs::write(&file, text).map_err(|e| e.to_string()),
                Err(fault) => Err(format!("{fault}: {}", source_of(&fault))),
            };
            match written {
                Ok(()) => files.push(file),
                Err(why) => ending.blame(&format!("{name} is missing: {why}")),
            }
        }
        // What the Markdown shows. A story without numbers has no charts, and says so in words.
        for name in ["wait.svg", "hold.svg"] {
            let path = format!("/api/v1/incidents/{}/charts/{name}", incident.id);
            let Ok(svg) = api.text(&path).await else {
                continue;
            };
            if let Err(why) = std::fs::write(ending.out.join(name), svg) {
                ending.blame(&format!("{name} is missing: {why}"));
            }
        }
        judge(incident, &mut ending);
    } else {
        ending.blame("Weir opened no incident");
    }
    if interrupted {
        ending.failures = vec!["interrupted".to_owned()];
    }
    if play.stage.weir.has_ended() {
        ending.blame(&format!(
            "weir ended by itself:\n    {}",
            super::weir::last_lines(play.stage.weir.log(), 8)
        ));
    }
    let refused = play
        .stage
        .postgres
        .with(|server| server.refusals_for_slots())
        .await
        .unwrap_or(0);
    let founding = matches!(ending.cause, Cause::PoolUndersized | Cause::TrafficSurge);
    if founding && refused > 0 {
        ending.blame(&format!("PostgreSQL refused {refused} connections (53300)"));
    }
    let clocks = clocks(&play, &ending, incident.as_ref());
    let outcome = DemoOutcome {
        late: late(&clocks),
        cause: ending.cause,
        top_cause: incident
            .as_ref()
            .and_then(|i| i.top_cause().map(str::to_owned)),
        confidence: incident
            .as_ref()
            .and_then(|i| i.causes.first().map(|c| c.1)),
        ruled_out: incident
            .as_ref()
            .map(|i| i.ruled_out.iter().map(|r| r.0.clone()).collect())
            .unwrap_or_default(),
        clocks,
        toll: play.stage.users.tally.toll(),
        users_affected: whole(incident.as_ref(), "users_affected"),
        users: whole(incident.as_ref(), "users"),
        incident: first,
        refused_53300: refused,
        files,
        failures: ending.failures,
        out: ending.out.clone(),
        interrupted,
    };
    if !outcome.passed() {
        // For whoever has to find out why.
        let _ = std::fs::copy(play.stage.weir.log(), ending.out.join("weir.log"));
    }
    (play, outcome)
}

/// Stops everything.
pub(crate) async fn tear_down(mut play: Play) {
    play.stage.weir.stop();
    // Blocks for as long as PostgreSQL takes to stop; nobody is waiting any more.
    let _ = tokio::task::spawn_blocking(move || drop(play)).await;
}

fn source_of(fault: &dyn std::error::Error) -> String {
    let mut says = Vec::new();
    let mut next = fault.source();
    while let Some(source) = next {
        says.push(source.to_string());
        next = source.source();
    }
    says.join(": ")
}

fn whole(incident: Option<&IncidentView>, key: &str) -> Option<u64> {
    incident.and_then(|i| i.impact(key)).map(|n| n as u64)
}

fn judge(incident: &IncidentView, ending: &mut Ending) {
    let right = accepted(ending.cause);
    match incident.top_cause() {
        Some(top) if right.iter().any(|c| c.name() == top) => {}
        Some(top) => ending.blame(&format!(
            "Weir ranked `{top}` first; it was `{}`",
            ending.cause
        )),
        None => ending.blame("Weir named no cause"),
    }
}

/// What DESIGN promises for the founding incident; good manners for the others.
fn late(clocks: &Clocks) -> Vec<String> {
    [
        ("the incident was opened", clocks.detect_s, 1.5),
        ("the cause was named", clocks.name_cause_s, 10.0),
        (
            "the wait objective was met again, after the remedy,",
            clocks.restore_s,
            30.0,
        ),
    ]
    .into_iter()
    .filter_map(|(what, took, limit)| {
        let took = took.filter(|&took| took > limit)?;
        Some(format!(
            "{what} in {}, promised is {}",
            human(took),
            human(limit)
        ))
    })
    .collect()
}

fn clocks(play: &Play, ending: &Ending, incident: Option<&IncidentView>) -> Clocks {
    let weir = |key| incident.and_then(|i| i.clock(key));
    let between = |from: Option<Moment>, to: Option<Moment>| {
        from.zip(to).map(|(from, to)| (to - from).as_secs_f64())
    };
    let allowed = ending.allowed.map(|a| a.0);
    let span = play.stage.users.tally.hurt_span();
    Clocks {
        detect_s: weir("detect_s"),
        name_cause_s: weir("name_cause_s"),
        mitigate_s: weir("mitigate_s"),
        resolve_s: weir("resolve_s"),
        restore_s: incident
            .and_then(|i| {
                i.raw
                    .get("clocks")?
                    .get("mitigated_at")?
                    .as_str()?
                    .parse()
                    .ok()
            })
            .zip(ending.allowed)
            .map(|(met, allowed): (Timestamp, _)| {
                met.duration_since(allowed.1).as_secs_f64().max(0.0)
            }),
        held_back_s: between(ending.onset, allowed),
        enlarge_s: between(allowed, ending.enlarged),
        users_notice_s: between(ending.onset, span.map(|s| s.0)),
        users_restored_s: between(allowed, span.map(|s| s.1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> DemoOutcome {
        DemoOutcome {
            incident: Some("INC-1".to_owned()),
            top_cause: Some("pool_undersized".to_owned()),
            confidence: Some(0.93),
            ruled_out: vec!["slow_query".to_owned(), "row_lock_contention".to_owned()],
            clocks: Clocks {
                detect_s: Some(0.74),
                name_cause_s: Some(4.21),
                mitigate_s: Some(17.0),
                resolve_s: Some(41.0),
                restore_s: Some(12.5),
                held_back_s: Some(16.0),
                enlarge_s: Some(1.0),
                users_notice_s: Some(3.1),
                users_restored_s: Some(4.9),
            },
            toll: Toll {
                users: 1900,
                users_hurt: 665,
                pages: 20_000,
                pages_hurt: 5_000,
                pages_failed: 1_000,
            },
            users_affected: Some(700),
            users: Some(1950),
            files: vec![
                PathBuf::from("out/report.md"),
                PathBuf::from("out/report.html"),
            ],
            failures: Vec::new(),
            interrupted: false,
            ..DemoOutcome::interrupted_early(Cause::PoolUndersized, PathBuf::from("out"))
        }
    }

    #[test]
    fn the_clocks_stand_beside_those_of_that_day() {
        assert_eq!(
            clocks_table(&outcome()),
            "\
clock (from onset)   that day              now
──────────────────── ───────────────────── ─────────────────────────────────────
users notice         0                     +3.1 s
monitoring alerts    +15 min               +740 ms
false leads          75 min                0 min: 2 ruled out, each by a number
right team engaged   +105 min              +4.2 s
cause identified     +135 min              +4.2 s
pool enlarged        +180 min              1.0 s after it was allowed (held back 16.0 s)
restored             +210 min              +17.0 s (12.5 s after the remedy)
report               by hand, from memory  written at +41.0 s, from the journal
"
        );
    }

    #[test]
    fn the_end_tells_how_many_were_hurt_of_how_many() {
        let text = outcome().text();
        assert!(
            text.contains("users      665 of 1900 hurt (35.0 %)"),
            "{text}"
        );
        assert!(
            text.contains("700 of 1950 users affected (35.9 %)"),
            "{text}"
        );
        assert!(text.contains("report     out/report.md"), "{text}");
        assert!(outcome().passed());
    }

    #[test]
    fn another_top_cause_is_a_failure_and_the_founding_one_has_two_names() {
        let named = |top: &str| IncidentView {
            causes: vec![(top.to_owned(), 0.9, String::new())],
            ..IncidentView::default()
        };
        let failures = |cause, top: &str| {
            let mut ending = Ending::new(cause, PathBuf::new());
            judge(&named(top), &mut ending);
            ending.failures.len()
        };
        assert_eq!(failures(Cause::PoolUndersized, "traffic_surge"), 0);
        assert_eq!(failures(Cause::SlowQuery, "slow_query"), 0);
        assert_eq!(failures(Cause::SlowQuery, "traffic_surge"), 1);
    }
}
