//! Journals that people wrote: declared, corrected, merged, full of names.

use weir_control::incident::entry::{
    ActionStatus, ActionText, ActionType, By, ClockName, Entry, IncidentId, Kind, NoteKind, Role,
    Said, Topic,
};
use weir_model::{PoolKey, Severity};

use super::{Journal, at, evidence, pool_undersized};

const MIN: i64 = 60_000;

fn person(name: &str) -> By {
    By::Person(name.to_owned())
}

fn stated(topic: Topic, says: &str) -> Said {
    Said::Stated {
        topic,
        says: says.to_owned(),
        happened_at: None,
    }
}

fn row(kind: Option<NoteKind>, ms: i64, says: &str) -> Said {
    Said::Note {
        says: says.to_owned(),
        happened_at: Some(at(ms)),
        kind,
    }
}

fn action(id: &str, kind: ActionType, says: &str, for_what: &str, verify: &str) -> ActionText {
    ActionText {
        id: id.to_owned(),
        says: says.to_owned(),
        for_what: for_what.to_owned(),
        kind,
        owner: None,
        due: None,
        priority: "p2".to_owned(),
        tracker: None,
        verify: verify.to_owned(),
    }
}

/// A person declared it an hour later; nothing was measured. Two actions have owners.
pub(crate) fn declared() -> Vec<Entry> {
    let mut j = Journal::new(41);
    let written = 190 * MIN;
    let ann = || person("ann");
    j.by(
        written,
        ann(),
        Said::Opened {
            kind: Kind::Declared,
            pools: vec![],
            level: None,
            severity: Severity::Sev2,
            impact_started_at: at(0),
            detected_at: at(7 * MIN + 20_000),
            detected_by: "person".to_owned(),
            objective: String::new(),
            evidence: vec![],
            baseline: None,
            title: Some("invoices printed twice".to_owned()),
            service: Some("Billing".to_owned()),
        },
    );
    for (kind, ms, says) in [
        (
            Some(NoteKind::Marker),
            -12 * MIN,
            "release 4.2 of the invoice printer, ticket REL-88",
        ),
        (
            Some(NoteKind::Impact),
            0,
            "first invoice is printed a second time (print log)",
        ),
        (
            Some(NoteKind::Detected),
            7 * MIN + 20_000,
            "a customer calls support about two invoices, ticket SUP-1204",
        ),
        (
            Some(NoteKind::Ack),
            11 * MIN,
            "on-call engineer takes it (chat)",
        ),
        (
            Some(NoteKind::Escalated),
            26 * MIN,
            "billing team called in (chat)",
        ),
        (
            Some(NoteKind::Identified),
            48 * MIN,
            "retry after a timeout has no idempotency key: 318 of 318 doubles have one (query on print log)",
        ),
        (
            Some(NoteKind::Mitigated),
            61 * MIN,
            "retries switched off, ticket CHG-17",
        ),
        (
            Some(NoteKind::Resolved),
            92 * MIN,
            "no double in 30 min of 1,102 invoices (print log)",
        ),
    ] {
        j.by(written + 1_000, ann(), row(kind, ms, says));
    }
    for (topic, says) in [
        (
            Topic::Summary,
            "Billing printed 318 of 4,120 invoices of the day twice, because a retry after a timeout was taken for a new invoice",
        ),
        (
            Topic::Impact,
            "318 of 4,120 invoices (7.7 %) were printed twice, counted in the print log; 41 customers called",
        ),
        (
            Topic::DataLost,
            "No data was lost: every double has its original in the ledger",
        ),
        (
            Topic::StillWorked,
            "Payments and the customer portal were not affected",
        ),
        (
            Topic::Trigger,
            "Release 4.2 lowered the timeout of the printer from 30 s to 5 s",
        ),
        (
            Topic::RootCause,
            "A retry carried no idempotency key, so that the printer could not tell it from a new invoice; with the timeout at 5 s, 7.7 % of the prints were retried",
        ),
        (
            Topic::Factor,
            "The test printer answers within 1 s, so that no test ever retried",
        ),
        (Topic::Factor, "Nothing counted invoices against orders"),
        (
            Topic::HowIdentified,
            "A query on the print log showed 318 of 318 doubles with the same order within 5.0 to 5.4 s",
        ),
        (
            Topic::FalseLead,
            "The spooler was suspected for 22 min, because it had been restarted at night; its queue had never held more than 3 jobs",
        ),
        (
            Topic::WhySurprised,
            "No test prints slower than the timeout, and no monitor compares invoices with orders",
        ),
        (Topic::Mitigation, "Retries were switched off (CHG-17)"),
        (
            Topic::Fix,
            "Each invoice carries its order number as idempotency key (A1)",
        ),
        (
            Topic::Recovery,
            "Metric: doubles in the print log, threshold 0. It was 0 in 1,102 invoices, watched for 30 min",
        ),
        (
            Topic::WentWell,
            "Support passed the first call on within 4 min",
        ),
        (Topic::WentWrong, "The spooler was searched for 22 min (A2)"),
        (Topic::Lucky, "The monthly run was two days away"),
    ] {
        j.by(written + 2_000, ann(), stated(topic, says));
    }
    let mut first = action(
        "A1",
        ActionType::Prevent,
        "Send the order number as idempotency key with every print",
        "cause, F1",
        "drill: printer answers after 6 s, doubles in the print log = 0",
    );
    first.owner = Some("billing team".to_owned());
    first.due = Some("2026-12-04".to_owned());
    first.priority = "p1".to_owned();
    first.tracker = Some("https://tracker.example/BIL-310".to_owned());
    j.by(written + 3_000, ann(), Said::ActionAdded { action: first });
    let mut second = action(
        "A2",
        ActionType::Detect,
        "Alert when invoices exceed orders by more than 5 in 10 min",
        "F2",
        "drill: print 6 doubles, the alert fires within 10 min",
    );
    second.owner = Some("bob".to_owned());
    second.due = Some("2026-12-11".to_owned());
    j.by(written + 3_000, ann(), Said::ActionAdded { action: second });
    j.by(
        written + 9 * MIN,
        person("bob"),
        Said::ActionChanged {
            id: "A2".to_owned(),
            owner: None,
            due: None,
            priority: None,
            tracker: None,
            verify: None,
            status: Some(ActionStatus::Done),
            says: "rule `invoice_doubles` is live".to_owned(),
        },
    );
    j.entries()
}

/// The story of [`pool_undersized`], with what people did to it afterwards: roles, an update, a
/// corrected clock, a duplicate merged, a recurrence linked, actions taken up and verified.
pub(crate) fn corrected() -> Vec<Entry> {
    let key = PoolKey::new("app", "dashboard");
    let entries = pool_undersized();
    let mut j = Journal::new(7);
    for entry in entries {
        j.by_at(entry.at, entry.by, entry.said);
    }
    let after = 5 * MIN;
    j.by(
        after,
        person("cy"),
        Said::Assigned {
            role: Role::Lead,
            to: "ann".to_owned(),
            says: String::new(),
        },
    );
    j.by(
        after + 1_000,
        person("ann"),
        Said::Assigned {
            role: Role::Communications,
            to: "dee".to_owned(),
            says: String::new(),
        },
    );
    j.by(
        after + 2_000,
        person("dee"),
        Said::StatusUpdate {
            impact: "dashboards were slow for some users".to_owned(),
            doing: "the pool was enlarged; we watch it".to_owned(),
            next_update_at: None,
            says: "Impact: dashboards were slow for some users. Doing: the pool was enlarged; we watch it."
                .to_owned(),
        },
    );
    j.by(
        after + 60 * MIN,
        person("ann"),
        Said::ClockCorrected {
            clock: ClockName::Acknowledged,
            from: Some(at(12_400)),
            to: Some(at(8_900)),
            says: "the phone's log shows the call accepted at 13:58:50".to_owned(),
        },
    );
    j.by(
        after + 61 * MIN,
        person("ann"),
        Said::Merged {
            from: IncidentId(8),
            says: "the same minute, seen from `app/reports`".to_owned(),
        },
    );
    j.weir(
        after + 62 * MIN,
        Said::Related {
            to: IncidentId(3),
            says: format!("the same cause, pool_undersized, in {key} on 2026-10-30"),
            open_actions: vec!["A2: alert at 85 % of the size".to_owned()],
        },
    );
    let mut taken = action(
        "A1",
        ActionType::Prevent,
        "Set `app/dashboard` to `size = { min = 8, max = 60 }`, regulator mode `act`",
        "cause, F1, F2",
        "drill `pool_undersized`: 99 % of waits under 10 ms again within 30 s",
    );
    taken.owner = Some("platform team".to_owned());
    taken.due = Some("2026-11-27".to_owned());
    taken.priority = "p1".to_owned();
    j.by(
        after + 63 * MIN,
        person("ann"),
        Said::ActionAdded { action: taken },
    );
    j.weir(
        after + 64 * MIN,
        Said::ActionVerified {
            id: "A1".to_owned(),
            ok: true,
            says: "99.8 % of waits under 10 ms 11 s after the drill began".to_owned(),
            evidence: vec![evidence(
                "99.8 % of 8,120 waits below 10 ms",
                "weir_pool_wait_seconds",
                0.000_7,
                None,
                "GET /api/v1/samples?pool=app/dashboard",
                after + 63 * MIN,
                after + 64 * MIN,
            )],
        },
    );
    j.by(
        after + 65 * MIN,
        person("ann"),
        stated(
            Topic::WhySurprised,
            "The size was set by hand in February, and nobody had looked at it since",
        ),
    );
    j.by(
        after + 66 * MIN,
        person("eve"),
        Said::Answered {
            question: "Who reviews this report, without having been on call?".to_owned(),
            says: "I do".to_owned(),
        },
    );
    j.by(
        after + 67 * MIN,
        person("eve"),
        Said::Reviewed {
            says: "numbers checked against the samples".to_owned(),
        },
    );
    j.entries()
}

/// What a journal full of names holds, for those who must not find any of it outside.
pub(crate) const SECRETS: [&str; 21] = [
    "ledgerdb",
    "svc_checkout",
    "cart-frontend",
    "db-eu-7.internal.example",
    "db-eu-7",
    "10.20.30.41",
    "4711",
    "Quentin",
    "quentin",
    "Zelda",
    "zelda.fox@example.org",
    "acct_90210",
    "alice@customer.example",
    "DE44500105175407324931",
    "SELECT",
    "fp_8c1f00d2",
    "8c1f00d2",
    "#war-room-payments",
    "war-room-payments",
    "pager-payments",
    "/var/lib/ledger",
];

/// Every text of it carries something that may not leave the house.
pub(crate) fn secretive() -> Vec<Entry> {
    let mut j = Journal::new(66);
    let key = PoolKey::new("ledgerdb", "svc_checkout");
    let sql = "SELECT balance FROM acct_90210 WHERE mail = 'alice@customer.example' AND iban = 'DE44500105175407324931'";
    let base = super::idle_in_transaction();
    for entry in base {
        let said = match entry.said {
            Said::Opened {
                kind,
                level,
                severity,
                impact_started_at,
                detected_at,
                detected_by,
                objective,
                baseline,
                ..
            } => Said::Opened {
                kind,
                pools: vec![key.clone()],
                level,
                severity,
                impact_started_at,
                detected_at,
                detected_by,
                objective,
                evidence: vec![evidence(
                    "backend pid 4711 on db-eu-7.internal.example (10.20.30.41:5432) waits",
                    "m",
                    1.0,
                    None,
                    sql,
                    0,
                    900,
                )],
                baseline,
                title: Some("cart-frontend of Quentin can't reach db-eu-7".to_owned()),
                service: None,
            },
            Said::Diagnosed {
                mut causes,
                ruled_out,
                ..
            } => {
                for cause in &mut causes {
                    cause.says = format!("`cart-frontend` at 10.20.30.41 holds pid 4711: {sql}");
                    cause.remedy.says = format!("Restart cart-frontend; cancel fp_8c1f00d2: {sql}");
                    cause.object = [
                        ("application", "cart-frontend"),
                        ("fingerprint", "8c1f00d2"),
                        ("host", "db-eu-7.internal.example"),
                        ("statement", sql),
                    ]
                    .map(|(k, v)| (k.to_owned(), v.to_owned()))
                    .into();
                }
                Said::Diagnosed {
                    causes,
                    ruled_out,
                    trigger: Some(format!("Quentin deployed cart-frontend to db-eu-7: {sql}")),
                    trigger_at: Some(at(-5_000)),
                }
            }
            Said::Notified { ok, says, .. } => Said::Notified {
                channel: "pager-payments".to_owned(),
                ok,
                says: format!("{says} by db-eu-7"),
                step: None,
                to: Some("Zelda".to_owned()),
            },
            Said::Action { evidence, .. } => Said::Action {
                says: "killed pid 4711 of `cart-frontend` on db-eu-7".to_owned(),
                evidence,
            },
            other => other,
        };
        let by = match entry.by {
            By::Person(_) => person("quentin"),
            by => by,
        };
        j.by_at(entry.at, by, said);
    }
    let zelda = || person("Zelda");
    let late = 400_000;
    for topic in Topic::ALL {
        j.by(
            late,
            zelda(),
            stated(
                *topic,
                "For 41 s users waited, because `cart-frontend` on db-eu-7.internal.example kept pid 4711 busy. \
                 Quentin ran SELECT iban FROM acct_90210 by hand. Write to zelda.fox@example.org or #war-room-payments \
                 about svc_checkout and DE44500105175407324931 in /var/lib/ledger",
            ),
        );
    }
    j.by(
        late,
        zelda(),
        Said::Assigned {
            role: Role::Lead,
            to: "Quentin".to_owned(),
            says: String::new(),
        },
    );
    j.by(
        late,
        zelda(),
        Said::Escalated {
            to: "pager-payments".to_owned(),
            says: "Quentin did not answer".to_owned(),
            step: 2,
            channel: "#war-room-payments".to_owned(),
        },
    );
    j.by(
        late,
        zelda(),
        Said::StatusUpdate {
            impact: "cart-frontend is slow".to_owned(),
            doing: "Quentin restarts it".to_owned(),
            next_update_at: None,
            says: "cart-frontend is slow, Quentin restarts it".to_owned(),
        },
    );
    let mut measure = action(
        "A1",
        ActionType::Prevent,
        "Take svc_checkout off db-eu-7 and cancel fp_8c1f00d2",
        "cause",
        sql,
    );
    measure.owner = Some("Quentin".to_owned());
    j.by(late, zelda(), Said::ActionAdded { action: measure });
    j.entries()
}
