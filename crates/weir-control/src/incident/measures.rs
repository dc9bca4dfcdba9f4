//! Corrective and preventative measures, proposed from the cause and the factors, and the
//! questions that only people can answer.
//!
//! # What always holds
//! - One to ten actions, at least one of type prevent, and one of detect or mitigate.
//! - Each says something bounded with a leading verb, and how Weir would verify it.
//! - Owner and due date are never invented: they are questions.

use weir_model::Cause;

use super::entry::{ActionStatus, ActionType, Topic};
use super::factors::{Factor, FactorKind};
use super::parts::{Action, Status};
use super::state::Incident;
use super::words::objective_words;

/// At most so many actions; what a report lists beyond that, nobody does.
pub const ACTIONS_MAX: usize = 10;

struct Draft {
    says: String,
    for_what: String,
    kind: ActionType,
    priority: &'static str,
    verify: String,
}

fn draft(
    kind: ActionType,
    priority: &'static str,
    for_what: &str,
    says: impl Into<String>,
    verify: impl Into<String>,
) -> Draft {
    Draft {
        says: says.into(),
        for_what: for_what.to_owned(),
        kind,
        priority,
        verify: verify.into(),
    }
}

/// Every action of an incident: those that stand in the journal as they stand there, and the
/// proposed ones that nobody has taken up yet. An adopted one keeps its number; a proposal whose
/// number is taken by another action gets the next free one.
pub(super) fn actions(incident: &Incident, factors: &[Factor]) -> Vec<Action> {
    let adopted = &incident.adopted;
    let mut all = adopted.clone();
    let mut next = adopted.iter().map(|a| number(&a.id)).max().unwrap_or(0);
    let mut moved = Vec::new();
    for proposal in proposed(incident, factors) {
        if adopted.iter().any(|a| a.says == proposal.says) {
            continue;
        }
        next = next.max(number(&proposal.id));
        if adopted.iter().any(|a| a.id == proposal.id) {
            moved.push(proposal);
        } else {
            all.push(proposal);
        }
    }
    for mut proposal in moved {
        next += 1;
        proposal.id = format!("A{next}");
        all.push(proposal);
    }
    all.sort_by_key(|action| number(&action.id));
    all
}

/// 7 of `A7`; what isn't such an id comes last.
pub(super) fn number(id: &str) -> u32 {
    id.trim_start_matches(['A', 'a'])
        .parse()
        .unwrap_or(u32::MAX - 1_000)
}

fn proposed(incident: &Incident, factors: &[Factor]) -> Vec<Action> {
    let top = incident.top_cause().map_or(Cause::Unknown, |c| c.cause);
    let mut drafts = for_cause(incident, top);
    for factor in factors {
        if let Some(more) = for_factor(incident, factor) {
            match drafts.iter_mut().find(|d| d.says == more.says) {
                Some(same) => same.for_what = format!("{}, {}", same.for_what, factor.id),
                None => drafts.push(more),
            }
        }
    }
    drafts
        .into_iter()
        .take(ACTIONS_MAX)
        .enumerate()
        .map(|(i, d)| Action {
            id: format!("A{}", i + 1),
            says: d.says,
            for_what: d.for_what,
            kind: d.kind,
            priority: d.priority.to_owned(),
            verify: d.verify,
            owner: None,
            due: None,
            tracker: None,
            status: ActionStatus::Open,
            adopted: false,
            status_at: None,
            status_says: String::new(),
            checks: Vec::new(),
        })
        .collect()
}

/// The pool in a sentence, as a machine writes it.
fn pool_name(incident: &Incident) -> String {
    match incident.pools.first() {
        Some(key) => format!("`{}`", key.to_string().replace('`', "'")),
        None => "the pool".to_owned(),
    }
}

/// `pool.wait_s.p99` against the objective, as a query.
fn wait_query(incident: &Incident) -> String {
    format!(
        "`GET /api/v1/pools`: {} in {}",
        objective_words(&incident.objective),
        pool_name(incident)
    )
}

fn drill(cause: Cause, expect: &str) -> String {
    format!("drill `{cause}`: {expect}")
}

fn for_cause(incident: &Incident, cause: Cause) -> Vec<Draft> {
    use ActionType::{Detect, Mitigate, Prevent, Process};
    let pool = pool_name(incident);
    let objective = objective_words(&incident.objective);
    let finding = incident.causes.iter().find(|c| c.cause == cause);
    let object = |key: &str| {
        finding
            .and_then(|c| c.object.get(key))
            .map(|v| format!(" (`{}`)", v.replace('`', "'")))
            .unwrap_or_default()
    };
    let needed = incident.size_wanted().map_or_else(
        || "its measured need".to_owned(),
        |size| format!("the {size} that it needed"),
    );
    match cause {
        Cause::PoolUndersized => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                format!(
                    "Set {pool} to `size = {{ min, max = \"auto\" }}` with a maximum not below {needed}, regulator mode `act`"
                ),
                drill(cause, &format!("{objective} again within 30 s")),
            ),
            draft(
                Detect,
                "p2",
                "cause",
                format!(
                    "Alert when servers in use in {pool} stay above 85 % of its size for 5 min"
                ),
                drill(
                    Cause::TrafficSurge,
                    "the alert fires before the first delayed transaction",
                ),
            ),
        ],
        Cause::TrafficSurge => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                format!("Set the maximum of {pool} not below {needed}, regulator mode `act`"),
                drill(cause, &format!("{objective} at twice the usual arrivals")),
            ),
            draft(
                Detect,
                "p2",
                "cause",
                format!(
                    "Alert when arrivals in {pool} exceed 1.3 × the busiest minute of four weeks"
                ),
                drill(
                    cause,
                    "the alert fires before the first delayed transaction",
                ),
            ),
            draft(
                Process,
                "p3",
                "cause",
                "Post a marker to Weir before each planned event that brings traffic",
                "`GET /api/v1/incidents/{id}`: the trigger of the next such incident is named",
            ),
        ],
        Cause::SlowQuery | Cause::PlanRegression | Cause::MissingIndex => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                format!(
                    "Bring the statement{} back to its execution time before the onset: plan, index or a smaller result",
                    object("fingerprint")
                ),
                "`GET /api/v1/samples`: its mean execution time at or below the baseline in section 3",
            ),
            draft(
                Mitigate,
                "p1",
                "cause",
                format!(
                    "Set `statement_timeout` for the role of {pool} so that one statement holds no server connection longer than its page waits"
                ),
                drill(Cause::SlowQuery, "no hold longer than the timeout"),
            ),
            draft(
                Detect,
                "p2",
                "cause",
                "Alert when a statement's mean execution time doubles against its week",
                drill(Cause::SlowQuery, "the alert names the statement"),
            ),
        ],
        Cause::RowLockContention => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                format!(
                    "Shorten the transactions that write the contended rows{}: the lock last, the commit right after it",
                    object("relation")
                ),
                drill(
                    cause,
                    &format!("{objective} with the same number of writers"),
                ),
            ),
            draft(
                Mitigate,
                "p1",
                "cause",
                format!("Set `lock_timeout` for the role of {pool}"),
                drill(cause, "no lock wait longer than the timeout"),
            ),
            draft(
                Detect,
                "p2",
                "cause",
                format!(
                    "Alert when more than a quarter of the active servers of {pool} wait for a lock"
                ),
                drill(cause, "the alert fires before the queue forms"),
            ),
        ],
        Cause::DdlLockQueue => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                format!(
                    "Set `lock_timeout` to 2 s for every role that runs DDL{}, with a retry",
                    object("relation")
                ),
                drill(
                    cause,
                    "the DDL gives up, no statement waits longer than 2 s behind it",
                ),
            ),
            draft(
                Mitigate,
                "p2",
                "cause",
                "Name the waiting DDL and the transaction before it on the page, with the command that cancels it",
                drill(cause, "the page carries both backend PIDs within 10 s"),
            ),
            draft(
                Process,
                "p3",
                "cause",
                "Run migrations through a gate that refuses DDL without a `lock_timeout`",
                "`SHOW lock_timeout` in the migration's role: not 0",
            ),
        ],
        Cause::IdleInTransaction => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                format!(
                    "Move the outside call out of the transaction in the application{}",
                    object("application")
                ),
                drill(
                    cause,
                    &format!("{objective}; no transaction idle for more than 1 s"),
                ),
            ),
            draft(
                Mitigate,
                "p1",
                "cause",
                format!("Set `idle_transaction_timeout` for {pool}"),
                drill(
                    cause,
                    "no client stays idle inside a transaction beyond the timeout",
                ),
            ),
            draft(
                Detect,
                "p2",
                "cause",
                format!(
                    "Alert when the thinking share of hold time in {pool} exceeds one half for 1 min"
                ),
                drill(
                    cause,
                    "the alert fires before the first delayed transaction",
                ),
            ),
        ],
        Cause::ConnectionLeak => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                format!(
                    "Give the connection back on every path of the application, also after an error{}",
                    object("application")
                ),
                drill(cause, "servers in use fall to zero when the load ends"),
            ),
            draft(
                Mitigate,
                "p1",
                "cause",
                format!("Set `idle_transaction_timeout` for {pool}"),
                drill(cause, "held servers come back at the timeout"),
            ),
            draft(
                Detect,
                "p2",
                "cause",
                format!("Alert when the oldest open transaction of {pool} exceeds 5 min"),
                drill(cause, "the alert names application and client"),
            ),
        ],
        Cause::MaxConnections => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                "Give each consumer of this server a budget, the sum below `max_connections` less the reserved ones",
                "`SELECT application_name, count(*) FROM pg_stat_activity GROUP BY 1`: each within its budget",
            ),
            draft(
                Detect,
                "p2",
                "cause",
                "Alert when fewer than 10 % of `max_connections` are free",
                drill(cause, "the alert fires before the first SQLSTATE 53300"),
            ),
            draft(
                Mitigate,
                "p2",
                "cause",
                "Route the consumers outside of Weir through it",
                "`SELECT count(*) FROM pg_stat_activity WHERE application_name NOT LIKE 'weir:%'`: no application left",
            ),
        ],
        Cause::ServerDown | Cause::Failover => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                "Put a standby behind an address that follows the primary, and name that address in `hosts`",
                drill(cause, &format!("{objective} within 30 s of the loss")),
            ),
            draft(
                Mitigate,
                "p1",
                "cause",
                format!(
                    "Set `query_wait_timeout` of {pool} to what a page can wait, so that requests during a restart wait and don't fail"
                ),
                drill(
                    cause,
                    "a restart shorter than the timeout fails no request that had not begun",
                ),
            ),
            draft(
                Detect,
                "p2",
                "cause",
                "Alert on the postmaster's start time: a restart that nobody announced",
                "`SELECT pg_postmaster_start_time()`: older than the last announced restart",
            ),
        ],
        Cause::PinnedSessions => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                format!(
                    "Replace the statement that pins{} by one that a transaction can hold",
                    object("pin")
                ),
                "`SHOW SERVERS`: no pinned server",
            ),
            draft(
                Detect,
                "p2",
                "cause",
                format!("Alert when a quarter of the servers of {pool} are pinned"),
                drill(cause, "the alert names the pin"),
            ),
        ],
        Cause::RetryStorm
        | Cause::ConnectStorm
        | Cause::Network
        | Cause::IoSaturation
        | Cause::CpuSaturation
        | Cause::LwlockContention
        | Cause::TempSpill
        | Cause::Bloat
        | Cause::SyncReplication
        | Cause::OutsideConsumer
        | Cause::WorkloadMixing
        | Cause::SlowClient
        | Cause::PoolerLimit => {
            let remedy = finding
                .map(|c| c.remedy.says.trim().to_owned())
                .filter(|says| !says.is_empty())
                .unwrap_or_else(|| format!("Remove the cause `{cause}` from {pool}"));
            vec![
                draft(Prevent, "p1", "cause", remedy, drill(cause, &objective)),
                draft(
                    Detect,
                    "p2",
                    "cause",
                    format!("Alert on the first evidence for `{cause}` listed in section 3"),
                    drill(
                        cause,
                        "the alert fires before the first delayed transaction",
                    ),
                ),
            ]
        }
        Cause::Unknown => vec![
            draft(
                Prevent,
                "p1",
                "cause",
                "Name the cause in the review from the evidence listed below, and add a measure that removes it",
                "`GET /api/v1/incidents/{id}`: the first of `causes` is not `unknown`",
            ),
            draft(
                Detect,
                "p2",
                "cause",
                "Give Weir a watch user with `pg_monitor`, so that diagnosis sees waits, locks and limits",
                "`GET /api/v1/status`: the watch connection is `ok`",
            ),
        ],
    }
}

fn for_factor(incident: &Incident, factor: &Factor) -> Option<Draft> {
    use ActionType::{Detect, Mitigate, Process};
    let pool = pool_name(incident);
    Some(match factor.kind {
        FactorKind::NearLimit => draft(
            Detect,
            "p2",
            &factor.id,
            format!("Alert when servers in use in {pool} stay above 85 % of its size for 5 min"),
            drill(
                Cause::TrafficSurge,
                "the alert fires before the first delayed transaction",
            ),
        ),
        FactorKind::SecondCause(cause) => {
            let first = for_cause(incident, cause).into_iter().next()?;
            Draft {
                for_what: factor.id.clone(),
                priority: "p2",
                ..first
            }
        }
        FactorKind::NotAllowedToAct => draft(
            Mitigate,
            "p1",
            &factor.id,
            "Let the regulator act at once inside its rails: `[regulator] mode = \"act\"`",
            "`GET /api/v1/decisions`: the first order stands within 5 s of the named cause",
        ),
        FactorKind::NobodyAcknowledged => draft(
            Mitigate,
            "p2",
            &factor.id,
            "Call a second person after 60 s without acknowledgement: a second route in Alertmanager",
            "drill with nobody answering: the second step is called within 70 s",
        ),
        FactorKind::MessageLost => draft(
            Mitigate,
            "p1",
            &factor.id,
            "Add a second `[[notify]]` channel that does not share the first one's path",
            "drill with the first channel refusing: the second accepts within 10 s",
        ),
        FactorKind::IdleHeld => draft(
            Mitigate,
            "p1",
            &factor.id,
            format!("Set `idle_transaction_timeout` for {pool}"),
            drill(
                Cause::IdleInTransaction,
                "no client stays idle inside a transaction beyond the timeout",
            ),
        ),
        FactorKind::GaveUp => draft(
            Mitigate,
            "p3",
            &factor.id,
            format!("Set `query_wait_timeout` and `waiters_max` of {pool} to what a page can wait"),
            format!("`GET /api/v1/pools`: `abandoned_total` of {pool} does not rise in the drill"),
        ),
        FactorKind::CameBack => draft(
            Process,
            "p2",
            &factor.id,
            "Hold the mitigation until the fix (A1) is verified",
            wait_query(incident),
        ),
    })
}

/// What a person must still answer for the report. What somebody has stated or answered is asked
/// no more.
pub(super) fn questions(
    incident: &Incident,
    factors: &[Factor],
    actions: &[Action],
) -> Vec<String> {
    let mut ask = Vec::new();
    let clocks = incident.clocks();
    let stated = |topic: Topic| incident.stated_about(topic).count();
    let says = |topic: Topic| stated(topic) > 0;
    if incident.trigger.is_none() && !says(Topic::Trigger) {
        ask.push(
            "What set it off, and why at this time? Weir saw no trigger (deploy marker, event, \
             change of configuration)."
                .to_owned(),
        );
    }
    if incident.top_cause().is_none() && !says(Topic::RootCause) {
        ask.push(
            "What was the cause? Diagnosis names none; the evidence and what was ruled out stand \
             in section 3."
                .to_owned(),
        );
    }
    if factors.len() + stated(Topic::Factor) < 2 {
        ask.push("What else made it possible or worse? The journal shows fewer than two contributing factors.".to_owned());
    }
    match &incident.measured {
        None if says(Topic::Impact) => {}
        None => ask.push("Who was hurt, and how many? No impact was measured.".to_owned()),
        Some(measured) => {
            if measured.impact.users.is_none() && !says(Topic::Impact) {
                ask.push(
                    "How many users were affected? No query carried a user id; with an SQL comment \
                     such as `/*user_id='42'*/` Weir counts them."
                        .to_owned(),
                );
            }
            if let Some(cut) = measured.cut_in_transaction.filter(|&n| n > 0)
                && !says(Topic::DataLost)
            {
                ask.push(format!(
                    "Which of the {} cut in the middle had committed? Only the application or the \
                     database's log can tell.",
                    super::words::counted(cut, "transaction", "transactions")
                ));
            }
        }
    }
    if clocks.mitigated_at.is_some()
        && incident.actions_taken.is_empty()
        && !incident.decisions.iter().any(|d| d.acted)
        && !says(Topic::Mitigation)
        && !says(Topic::Fix)
    {
        ask.push("What ended it? The journal holds recovery and no action before it.".to_owned());
    }
    if incident.status == Status::Open && clocks.acknowledged_at.is_none() {
        ask.push("Who has it? Nobody has acknowledged it yet.".to_owned());
    } else if clocks.acknowledged_at.is_none() {
        ask.push("Who had it? The journal holds no acknowledgement.".to_owned());
    }
    if !says(Topic::WhySurprised) {
        ask.push(
            "Why was this not seen coming, and which other pools are in the same position?"
                .to_owned(),
        );
    }
    // Beside what people wrote themselves for an incident that nothing measured, proposals are
    // not shown, so nobody is asked for them.
    let told = incident.first_level().is_none()
        && incident.measured.is_none()
        && actions.iter().any(|a| a.adopted);
    let actions: Vec<&Action> = actions.iter().filter(|a| a.adopted || !told).collect();
    let unowned: Vec<&str> = actions
        .iter()
        .filter(|a| a.status.is_open() && (a.owner.is_none() || a.due.is_none()))
        .map(|a| a.id.as_str())
        .collect();
    match unowned.as_slice() {
        [] => {}
        [one] => ask.push(format!("Who owns the action {one}, and by which date?")),
        [first, .., last] if unowned.len() == actions.len() => ask.push(format!(
            "Who owns each of the actions {first} to {last}, and by which date?"
        )),
        several => ask.push(format!(
            "Who owns each of the actions {}, and by which date?",
            several.join(", ")
        )),
    }
    if incident.review.is_none() {
        ask.push("Who reviews this report, without having been on call?".to_owned());
    }
    ask.retain(|question| !incident.answers.iter().any(|a| a.question == *question));
    ask
}
