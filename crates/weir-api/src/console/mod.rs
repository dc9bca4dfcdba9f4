//! What does SHOW answer? The admin console: databases `weir` and `pgbouncer`, simple queries.
//!
//! Commands and columns are PgBouncer's where it has them, in its order, so that scripts and
//! exporters read on; PINS, INCIDENTS, DECISIONS and CAUSES are Weir's own. What isn't measured is
//! NULL, never zero.
//!
//! The data plane only carries the text here ([`weir_model::Event::Console`]) and the answer back
//! ([`weir_model::Order::ConsoleReply`]). [`answer`] does all in between; [`shown`] and the rest are
//! its pure parts.
//!
//! # What is deliberately absent
//! - Who may use it: the login decides (`admin_users`).
//! - RELOAD, KILL, SUSPEND, SET…: refused by name with 0A000, so that nobody takes silence for
//!   success.

mod parse;
mod table;
mod tables;

use weir_control::handle::{Answer, Ask, AskFault, ControlHandle, OperatorOrder, Published};
use weir_model::Snapshot;
use weir_wire::TxStatus;
use weir_wire::backend::{self, Complaint};

use parse::{Command, Show};

/// Texts longer than this are cut where they are repeated.
const REPEATED_MAX: usize = 60;

/// True if [`shown`] needs a snapshot of all clients and servers for this text.
pub fn needs_snapshot(sql: &str) -> bool {
    matches!(
        Command::read(sql),
        Command::Show(Show::Clients | Show::Servers | Show::Pins)
    )
}

/// The order that this text gives, if it is one that changes something.
pub fn order(sql: &str) -> Option<OperatorOrder> {
    match Command::read(sql) {
        Command::Pause(database) => Some(OperatorOrder::Pause { database }),
        Command::Resume(database) => Some(OperatorOrder::Resume { database }),
        Command::Empty | Command::Show(_) | Command::NotYet(_) | Command::Wrong(_) => None,
    }
}

/// Asks the control plane for whatever the text needs, and answers it. Complete backend messages
/// up to ReadyForQuery. Takes at most the five seconds that asking takes.
pub async fn answer(handle: &ControlHandle, sql: &str, user: &str) -> Vec<u8> {
    if let Some(order) = order(sql) {
        let by = user.to_owned();
        let outcome = handle.ask(Ask::Order { by, order }).await;
        return ordered(sql, outcome.map(drop));
    }
    if !needs_snapshot(sql) {
        return shown(&handle.now(), None, sql);
    }
    match handle.ask(Ask::Snapshot).await {
        Ok(Answer::Snapshot(snapshot)) => shown(&handle.now(), Some(&snapshot), sql),
        Ok(
            Answer::Done(_)
            | Answer::Declared(..)
            | Answer::Samples(_)
            | Answer::Published(_)
            | Answer::Series(_)
            | Answer::Waits(_)
            | Answer::Statements(_)
            | Answer::Texts(_)
            | Answer::Reach(_)
            | Answer::Foreseen(_)
            | Answer::Document(_)
            | Answer::Journal(_)
            | Answer::Imported(_),
        ) => refused("XX000", "the answer was another's", ""),
        Err(fault) => refused(sqlstate(&fault), &fault.to_string(), NO_SNAPSHOT),
    }
}

const NO_SNAPSHOT: &str = "SHOW POOLS needs no snapshot and may still answer";

/// The answer to a text that only asks. One that [`needs_snapshot`] without getting one is answered
/// with an error.
pub fn shown(published: &Published, snapshot: Option<&Snapshot>, sql: &str) -> Vec<u8> {
    let show = match Command::read(sql) {
        Command::Show(show) => show,
        Command::Empty => {
            let mut out = Vec::new();
            backend::put_empty_query_response(&mut out);
            return ready(out);
        }
        Command::Pause(_) | Command::Resume(_) => {
            return refused("XX000", "an order isn't answered by reading", "");
        }
        Command::NotYet(name) => {
            let message = format!("{name} isn't built yet");
            return refused("0A000", &message, "SHOW HELP lists what is");
        }
        Command::Wrong(says) => return refused("42601", &says, "SHOW HELP lists all commands"),
    };
    let table = match (show, snapshot) {
        (Show::Help, _) => {
            let mut out = Vec::new();
            backend::put_notice(
                &mut out,
                &Complaint {
                    severity: "NOTICE",
                    sqlstate: "00000",
                    message: "Console usage",
                    detail: Some(parse::HELP),
                    hint: None,
                },
            );
            backend::put_command_complete(&mut out, "SHOW");
            return ready(out);
        }
        (Show::Clients, Some(snapshot)) => tables::clients(published, snapshot),
        (Show::Servers, Some(snapshot)) => tables::servers(published, snapshot),
        (Show::Pins, Some(snapshot)) => tables::pins(published, snapshot),
        (Show::Clients | Show::Servers | Show::Pins, None) => {
            return refused("55000", "the data plane sent no snapshot", NO_SNAPSHOT);
        }
        (Show::Version, _) => tables::version(published),
        (Show::Pools, _) => tables::pools(published),
        (Show::Databases, _) => tables::databases(published),
        (Show::Stats, _) => tables::stats(published),
        (Show::Lists, _) => tables::lists(published),
        (Show::State, _) => tables::state(published),
        (Show::Config, _) => tables::config(published),
        (Show::Incidents, _) => tables::incidents(published),
        (Show::Decisions, _) => tables::decisions(published),
        (Show::Causes, _) => tables::causes(published),
    };
    ready(table.bytes("SHOW"))
}

/// The answer to a text that ordered something, once it is known what came of it.
pub fn ordered(sql: &str, outcome: Result<(), AskFault>) -> Vec<u8> {
    let tag = match Command::read(sql) {
        Command::Pause(_) => "PAUSE",
        Command::Resume(_) => "RESUME",
        Command::Empty | Command::Show(_) | Command::NotYet(_) | Command::Wrong(_) => {
            return refused("XX000", "that was no order", "");
        }
    };
    match outcome {
        Ok(()) => {
            let mut out = Vec::new();
            backend::put_command_complete(&mut out, tag);
            ready(out)
        }
        Err(fault) => {
            let hint = match &fault {
                AskFault::NoSuch { .. } => "SHOW DATABASES lists them",
                AskFault::NotNow(_) | AskFault::NotRecorded { .. } | AskFault::TooMuch(_) => {
                    "SHOW POOLS tells the present state"
                }
                AskFault::NotStored(_) => {
                    "nothing was changed; SHOW STATE tells how the store does"
                }
                AskFault::Gone => "pooling goes on; try again",
            };
            refused(sqlstate(&fault), &fault.to_string(), hint)
        }
    }
}

fn sqlstate(fault: &AskFault) -> &'static str {
    match fault {
        AskFault::NoSuch { .. } => "3D000",
        AskFault::NotNow(_) | AskFault::NotRecorded { .. } => "55000",
        AskFault::TooMuch(_) => "54000",
        AskFault::NotStored(_) => "58030",
        AskFault::Gone => "57P03",
    }
}

fn refused(sqlstate: &str, message: &str, hint: &str) -> Vec<u8> {
    let mut out = Vec::new();
    backend::put_error(
        &mut out,
        &Complaint {
            severity: "ERROR",
            sqlstate,
            message,
            detail: None,
            hint: (!hint.is_empty()).then_some(hint),
        },
    );
    ready(out)
}

fn ready(mut out: Vec<u8>) -> Vec<u8> {
    backend::put_ready_for_query(&mut out, TxStatus::Idle);
    out
}
