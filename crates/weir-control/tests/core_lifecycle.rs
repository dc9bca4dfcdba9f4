//! An incident from the first sample to the last word, through the very type that runs in
//! production, with made-up samples and made-up time.

mod life;

use std::time::Duration;

use life::{Life, ann};
use weir_control::handle::{Ask, OperatorOrder};
use weir_control::incident::entry::IncidentId;
use weir_control::incident::{Incident, Status};
use weir_control::regulate::RegulatorMode;

#[test]
fn a_pool_that_runs_dry_is_an_incident_until_the_objective_is_met_again() {
    let mut life = Life::new();
    life.lives(30, 6);
    assert!(life.status().is_empty(), "calm");

    life.lives(3, 16);
    assert_eq!(life.status(), [Status::Open]);
    let incident = life.core.incidents().next().unwrap();
    let clocks = incident.clocks();
    let detect = clocks.detected_at.since(clocks.impact_started_at);
    assert!(
        detect <= Duration::from_millis(1500),
        "detected after {detect:?}"
    );
    let cause = incident.top_cause().map(|c| c.cause.name());
    assert!(
        matches!(cause, Some("pool_undersized" | "traffic_surge")),
        "{cause:?}"
    );

    life.asks(Ask::Acknowledge {
        id: IncidentId(1),
        by: ann(),
        text: "looking".to_owned(),
    })
    .unwrap();
    assert_eq!(life.status(), [Status::Acknowledged]);
    assert_eq!(life.size, 10, "recommending isn't acting");

    let act = OperatorOrder::Regulator {
        mode: RegulatorMode::Act,
    };
    life.asks(Ask::Order {
        by: ann(),
        order: act,
    })
    .unwrap();
    life.lives(10, 16);
    assert!(
        (16..=40).contains(&life.size),
        "grown to {} inside the rails",
        life.size
    );
    life.lives(15, 16);
    assert_eq!(life.status(), [Status::Resolved]);
}

#[test]
fn the_journal_alone_tells_the_same_incident() {
    let mut life = Life::new();
    life.lives(20, 6);
    life.lives(5, 16);
    let told = Incident::replay(&life.entries).unwrap();
    assert_eq!(told, **life.core.incidents().next().unwrap());
}

#[test]
fn an_incident_survives_a_restart_and_goes_on() {
    let mut life = Life::new();
    life.lives(20, 6);
    life.lives(5, 16);
    let written = life.entries.clone();

    let mut after = Life::new();
    let mut out = Vec::new();
    after.core.restore(written, &mut out);
    after.perform(out);
    assert_eq!(after.status(), [Status::Open]);
    after.lives(5, 16);
    assert_eq!(
        after.status().len(),
        1,
        "the same incident, not a second one"
    );
    after.size = 30;
    after.lives(30, 16);
    assert_eq!(after.status(), [Status::Resolved]);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let mut life = Life::new();
    let note = Ask::Note {
        id: IncidentId(7),
        by: ann(),
        text: "x".to_owned(),
    };
    assert_eq!(
        life.asks(note).unwrap_err().to_string(),
        "there is no incident INC-7"
    );
    life.lives(20, 6);
    life.lives(3, 16);
    let resolve = Ask::Resolve {
        id: IncidentId(1),
        by: ann(),
        text: String::new(),
    };
    life.asks(resolve.clone()).unwrap();
    assert_eq!(
        life.asks(resolve).unwrap_err().to_string(),
        "INC-1 is resolved already; now it can be reviewed or reopened"
    );
}

#[test]
fn a_pool_that_missed_its_objective_on_calm_days_is_not_held_to_it_afterwards() {
    let mut life = Life::new();
    life.late_every = Some(20);
    life.lives(30, 6);
    assert!(
        life.status().is_empty(),
        "one late wait in twenty is no queue"
    );
    life.lives(5, 16);
    assert_eq!(life.status(), [Status::Open]);
    life.size = 20;
    life.lives(20, 16);
    assert_eq!(life.status(), [Status::Resolved]);
    let incident = life.core.incidents().next().unwrap();
    let says = &incident.resolution.as_ref().unwrap().says;
    assert!(says.contains("missed before the onset too"), "{says}");
}
