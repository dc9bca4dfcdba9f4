//! What comes in from outside, through the very type that runs in production: alerts become rows
//! or incidents, markers are noted, silences outlive a restart.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use weir_control::core::{Core, CoreSettings, Output};
use weir_control::handle::{Answer, Ask, AskFault, NotifyWhat};
use weir_control::incident::entry::{By, Entry, IncidentId, Kind, NoteKind, Said};
use weir_control::incident::{Incident, Status};
use weir_control::notify::outside::{FromOutside, Marker, OutsideAlert};
use weir_control::notify::policy::Matcher;
use weir_control::regulate::RegulatorMode;
use weir_model::{
    ClockMap, Instant, Level, PoolKey, PoolSettings, PoolerSettings, ServerSettings, Severity, Wall,
};

const ZERO: Wall = Wall::from_micros(1_795_410_000_000_000);

fn settings() -> CoreSettings {
    CoreSettings {
        clock: ClockMap {
            instant: Instant::ZERO,
            wall: ZERO,
        },
        pooler: PoolerSettings::trusting(PoolSettings::any(ServerSettings::at("127.0.0.1", 5432))),
        regulator: RegulatorMode::Recommend,
        budgets: BTreeMap::new(),
        resolve_after: Duration::from_secs(10),
        watch_window: Duration::from_secs(600),
        kind: Kind::Real,
        version: "test".to_owned(),
        io: "test".to_owned(),
        listen: vec![],
    }
}

fn at(seconds: u64) -> Wall {
    ZERO.after(Duration::from_secs(seconds))
}

/// A core at `NOW`, and everything that it gave to write down.
struct World {
    core: Core,
    entries: Vec<Entry>,
    kept: BTreeMap<String, Value>,
    told: Vec<(IncidentId, NotifyWhat)>,
}

const NOW: u64 = 3_600;

impl World {
    /// With INC-1 of app/dashboard, open since `onset`.
    fn with_incident(onset: u64) -> Self {
        let opened = Entry {
            incident: IncidentId(1),
            seq: 1,
            at: at(onset),
            by: By::Weir,
            said: Said::Opened {
                kind: Kind::Real,
                pools: vec![PoolKey::new("app", "dashboard")],
                level: Some(Level::Exhausted),
                severity: Severity::Sev3,
                impact_started_at: at(onset),
                detected_at: at(onset),
                detected_by: "weir".to_owned(),
                objective: "99% of waits < 10ms".to_owned(),
                evidence: vec![],
                baseline: None,
                title: None,
                service: None,
            },
        };
        let mut world = Self::empty();
        world.restored(vec![opened]);
        world
    }

    fn empty() -> Self {
        let core = Core::new(settings(), Instant::from_millis(NOW * 1_000));
        Self {
            core,
            entries: vec![],
            kept: BTreeMap::new(),
            told: vec![],
        }
    }

    fn restored(&mut self, entries: Vec<Entry>) {
        let mut out = Vec::new();
        self.entries = entries.clone();
        self.core.restore(entries, &mut out);
        self.core.restore_outside(&self.kept);
        self.perform(out);
    }

    fn restart(&mut self) {
        self.core = Core::new(settings(), Instant::from_millis(NOW * 1_000));
        let entries = self.entries.clone();
        self.restored(entries);
    }

    fn perform(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Append(entry) => self.entries.push(entry),
                Output::Keep(key, json) => drop(self.kept.insert(key.to_owned(), json)),
                Output::Notify(id, what) => self.told.push((id, what)),
                _ => {}
            }
        }
    }

    fn wish(&mut self, wish: FromOutside) -> Result<Answer, AskFault> {
        let mut out = Vec::new();
        let answer = self.core.ask(Ask::Outside(wish), &mut out);
        self.perform(out);
        answer
    }

    fn alerts(&mut self, alerts: Vec<OutsideAlert>) -> Value {
        let wish = FromOutside::Alerts {
            source: "alertmanager".to_owned(),
            alerts,
            truncated: 0,
        };
        match self.wish(wish).unwrap() {
            Answer::Document(document) => document,
            other => panic!("{other:?}"),
        }
    }

    fn incident(&self, id: u64) -> &Incident {
        self.core.incident(IncidentId(id)).unwrap()
    }

    fn rows(&self, id: u64, entry: &str) -> Vec<String> {
        let mine = self
            .entries
            .iter()
            .filter(|e| e.incident.0 == id && e.said.name() == entry);
        mine.map(|e| match &e.said {
            Said::Alert { says, .. } | Said::Note { says, .. } => says.clone(),
            _ => String::new(),
        })
        .collect()
    }
}

fn alert(name: &str, started: u64) -> OutsideAlert {
    OutsideAlert {
        fingerprint: name.to_owned(),
        name: name.to_owned(),
        says: "it is slow".to_owned(),
        firing: true,
        started_at: at(started),
        ended_at: None,
        pools: vec![],
        service: None,
        declares: None,
        link: None,
    }
}

fn ended(name: &str) -> OutsideAlert {
    OutsideAlert {
        firing: false,
        ended_at: Some(at(NOW)),
        ..alert(name, NOW - 100)
    }
}

#[test]
fn an_alert_that_fits_becomes_a_row_once_and_its_end_another() {
    let mut world = World::with_incident(NOW - 60);
    let answer = world.alerts(vec![alert("Slow", NOW - 30)]);
    assert_eq!(answer["incidents"], serde_json::json!(["INC-1"]));
    assert_eq!(world.alerts(vec![alert("Slow", NOW - 30)])["repeated"], 1);
    assert_eq!(
        world.rows(1, "alert"),
        ["Slow: it is slow (since 2026-11-23T05:59:30.000Z)"]
    );
    // Also when it comes again after a restart.
    world.restart();
    assert_eq!(world.alerts(vec![alert("Slow", NOW - 30)])["repeated"], 1);
    assert_eq!(world.alerts(vec![ended("Slow")])["rows"], 1);
    let rows = world.rows(1, "alert");
    assert_eq!(rows.len(), 2);
    assert!(
        rows[1].contains("ended 2026-11-23T06:00:00.000Z"),
        "{rows:?}"
    );
    // An incident that Weir measures is over when the objective is met, not when an alert says so.
    assert_eq!(world.incident(1).status, Status::Open);
}

#[test]
fn an_alert_of_another_pool_or_of_long_ago_does_not_fit() {
    let mut world = World::with_incident(NOW - 60);
    let named = |pool: &str| OutsideAlert {
        pools: vec![pool.to_owned()],
        ..alert(pool, NOW - 3_000)
    };
    // Named by database or by pool it fits whatever its time.
    assert_eq!(world.alerts(vec![named("app")])["rows"], 1);
    assert_eq!(world.alerts(vec![named("app/dashboard")])["rows"], 1);
    for other in ["billing", "app/web"] {
        let answer = world.alerts(vec![named(other)]);
        assert_eq!(
            (&answer["rows"], &answer["held"]),
            (&0.into(), &1.into()),
            "{other}"
        );
    }
    assert_eq!(
        world.alerts(vec![alert("Old", NOW - 60 - 16 * 60)])["held"],
        1
    );
    assert_eq!(
        world.alerts(vec![alert("Recent", NOW - 60 - 14 * 60)])["rows"],
        1
    );
}

#[test]
fn an_alert_that_fits_nothing_and_is_severe_declares_an_incident() {
    let mut world = World::empty();
    let page = |name: &str| OutsideAlert {
        declares: Some(Severity::Sev2),
        service: Some("checkout".to_owned()),
        ..alert(name, NOW - 120)
    };
    let answer = world.alerts(vec![page("Down"), page("Slow"), alert("Minor", NOW - 50)]);
    // The second and third fit the one that the first has declared.
    assert_eq!(answer["declared"], serde_json::json!(["INC-1"]));
    assert_eq!(answer["rows"], 2);
    assert_eq!(world.told, [(IncidentId(1), NotifyWhat::Opened)]);
    let incident = world.incident(1);
    assert_eq!(
        (incident.kind, incident.severity, incident.level),
        (Kind::Declared, Severity::Sev2, None)
    );
    assert_eq!(incident.detected_by, "alert");
    assert_eq!(incident.clocks().impact_started_at, at(NOW - 120));
    assert_eq!(incident.clocks().detected_at, at(NOW));
    assert_eq!(world.rows(1, "alert").len(), 3);

    // Once all its alerts have ended nobody is called any more, and people say when it is over.
    world.alerts(vec![ended("Down"), ended("Slow")]);
    assert_eq!(world.incident(1).status, Status::Open);
    world.alerts(vec![ended("Minor")]);
    assert_eq!(world.incident(1).status, Status::Mitigated);
    world.alerts(vec![page("Down")]);
    assert_eq!(world.incident(1).status, Status::Open);
    assert_eq!(world.incident(1).reopened, 1);
}

#[test]
fn an_end_without_a_beginning_is_taken_and_says_nothing() {
    let mut world = World::with_incident(NOW - 60);
    assert_eq!(world.alerts(vec![ended("Never")])["ended_unknown"], 1);
    assert!(world.rows(1, "alert").is_empty());
}

#[test]
fn what_fired_before_comes_along_with_the_incident_that_opens() {
    let mut world = World::empty();
    assert_eq!(world.alerts(vec![alert("Early", NOW - 200)])["held"], 1);
    let page = OutsideAlert {
        declares: Some(Severity::Sev2),
        ..alert("Down", NOW - 20)
    };
    world.alerts(vec![page]);
    let rows = world.rows(1, "alert");
    assert!(rows.iter().any(|row| row.starts_with("Early")), "{rows:?}");
    // It isn't held any longer, and its repetition is known.
    assert_eq!(world.alerts(vec![alert("Early", NOW - 200)])["repeated"], 1);
}

fn marker(what: &str, when: u64) -> Marker {
    Marker {
        what: what.to_owned(),
        version: "1.42".to_owned(),
        at: at(when),
        by: "ci".to_owned(),
        link: None,
    }
}

#[test]
fn a_marker_of_the_half_hour_before_the_onset_is_noted_and_blamed_for_nothing() {
    let mut world = World::with_incident(NOW - 60);
    world
        .wish(FromOutside::Mark(marker("deploy checkout", NOW - 60 - 240)))
        .unwrap();
    world
        .wish(FromOutside::Mark(marker("too old", NOW - 60 - 1_801)))
        .unwrap();
    world
        .wish(FromOutside::Mark(marker("roll back", NOW - 10)))
        .unwrap();
    let rows = world.rows(1, "note");
    let rows: Vec<&String> = rows.iter().filter(|row| row.contains("onset")).collect();
    assert_eq!(
        rows,
        [
            "deploy checkout 1.42, 4 min before the onset",
            "roll back 1.42, 50 s after the onset"
        ]
    );
    let entry = world
        .entries
        .iter()
        .find(|e| matches!(&e.said, Said::Note { says, .. } if says.starts_with("deploy")))
        .unwrap();
    assert_eq!(entry.by, By::System("ci".to_owned()));
    assert!(matches!(
        &entry.said,
        Said::Note { kind: Some(NoteKind::Marker), happened_at: Some(when), .. } if *when == at(NOW - 300)
    ));
    assert!(world.incident(1).top_cause().is_none());
    assert!(world.incident(1).trigger.is_none());
}

#[test]
fn an_incident_picks_up_the_markers_of_the_last_half_hour_also_after_a_restart() {
    let mut world = World::empty();
    world
        .wish(FromOutside::Mark(marker("deploy checkout", NOW - 300)))
        .unwrap();
    world.restart();
    let page = OutsideAlert {
        declares: Some(Severity::Sev2),
        ..alert("Down", NOW - 20)
    };
    world.alerts(vec![page]);
    assert_eq!(
        world.rows(1, "note"),
        ["deploy checkout 1.42, 4 min 40 s before the onset"]
    );
}

#[test]
fn a_marker_of_tomorrow_is_a_slip() {
    let mut world = World::empty();
    let fault = world
        .wish(FromOutside::Mark(marker("deploy", NOW + 600)))
        .unwrap_err();
    assert!(fault.to_string().contains("lies in the future"), "{fault}");
}

fn silence(until: u64) -> FromOutside {
    FromOutside::Silence {
        meant: Matcher::default(),
        from: None,
        until: at(until),
        by: "ann".to_owned(),
        why: "upgrade".to_owned(),
    }
}

#[test]
fn a_silence_outlives_a_restart_and_its_number_is_never_used_again() {
    let mut world = World::empty();
    world.wish(silence(NOW + 100)).unwrap();
    world.wish(silence(NOW + 200)).unwrap();
    world.restart();
    let ids: Vec<String> = world
        .core
        .publish()
        .silences
        .iter()
        .map(|s| s.id.clone())
        .collect();
    assert_eq!(ids, ["S-1", "S-2"]);
    let end = |id: &str| FromOutside::EndSilence {
        id: id.to_owned(),
        by: "ann".to_owned(),
    };
    world.wish(end("S-1")).unwrap();
    assert_eq!(
        world.wish(end("S-1")).unwrap_err(),
        AskFault::NoSuch {
            what: "silence",
            name: "S-1".to_owned()
        }
    );
    world.wish(silence(NOW + 300)).unwrap();
    let ids: Vec<String> = world
        .core
        .publish()
        .silences
        .iter()
        .map(|s| s.id.clone())
        .collect();
    assert_eq!(ids, ["S-2", "S-3"]);
    world.wish(end("S-2")).unwrap();
    world.wish(end("S-3")).unwrap();
    world.restart();
    world.wish(silence(NOW + 300)).unwrap();
    assert_eq!(world.core.publish().silences[0].id, "S-4");
}

#[test]
fn a_silence_that_makes_no_sense_is_refused() {
    let mut world = World::empty();
    for until in [NOW - 1, NOW, NOW + 91 * 86_400] {
        assert!(
            matches!(world.wish(silence(until)), Err(AskFault::NotNow(_))),
            "{until}"
        );
    }
    for _ in 0..200 {
        world.wish(silence(NOW + 100)).unwrap();
    }
    assert!(matches!(
        world.wish(silence(NOW + 100)),
        Err(AskFault::NotNow(_))
    ));
}

#[test]
fn markers_are_kept_up_to_their_bound() {
    let mut world = World::empty();
    for n in 0..600 {
        world
            .wish(FromOutside::Mark(marker(
                &format!("deploy {n}"),
                NOW - 600 + n,
            )))
            .unwrap();
    }
    let markers = world.core.publish().markers;
    assert_eq!(
        (markers.len(), markers[0].what.as_str()),
        (500, "deploy 100")
    );
}
