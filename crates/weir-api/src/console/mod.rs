//! The admin console: databases `weir` and `pgbouncer`, simple queries.
//!
//! Commands, columns, types and error texts are PgBouncer's where it has them, so that scripts and
//! exporters read on; INCIDENTS, CAUSES, DECISIONS, WAITS and PINS are Weir's own. What isn't
//! measured is NULL, never zero.
//!
//! The data plane only carries the text here ([`weir_model::Event::Console`], taken by [`Tap`]) and
//! the answer back ([`weir_model::Order::ConsoleReply`]). [`Console::answer`] does all in between;
//! what is shown is a pure function of [`View`].
//!
//! # What is deliberately absent
//! - Who may use it: the login decides (`admin_users`, `stats_users`, the owner on a Unix socket).
//!   Here only what they may do differs.
//! - SHOW FDS: it hands descriptors and secrets to whoever asks.

mod commands;
mod desk;
mod keeper;
mod own;
mod parse;
mod sockets;
mod stats;
mod table;
mod tables;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc;
use weir_control::handle::{ControlHandle, Published};
use weir_model::{Order, Snapshot};
use weir_wire::TxStatus;
use weir_wire::backend::{self, Complaint};

pub use desk::{Desk, Post, Query, Send, Tap, desk, tap};
pub use keeper::{Change, ConfigRow, Keeper, Kept, PeerRow};

use parse::{Command, Show};
use table::Table;

/// Texts longer than this are cut where they are repeated.
const REPEATED_MAX: usize = 200;

/// All that may be shown.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What the control plane published last.
    pub published: &'a Published,
    /// What the data plane holds.
    pub snapshot: &'a Snapshot,
    /// The configuration.
    pub kept: &'a Kept,
    /// Commands that the console has answered.
    pub commands: u64,
}

/// The console: asks whoever knows, and answers.
#[derive(Clone)]
pub struct Console {
    handle: ControlHandle,
    desk: Desk,
    keeper: Arc<dyn Keeper>,
    commands: Arc<AtomicU64>,
    ending: Arc<AtomicBool>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Console(…)")
    }
}

/// Why a command wasn't carried out: SQLSTATE and text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Five characters. PgBouncer answers nearly everything with 08P01.
    pub sqlstate: &'static str,
    /// For people.
    pub message: String,
}

impl Refused {
    fn new(message: impl Into<String>) -> Self {
        Self {
            sqlstate: "08P01",
            message: message.into(),
        }
    }
}

impl From<weir_model::OrderRefused> for Refused {
    fn from(refused: weir_model::OrderRefused) -> Self {
        Self::new(refused.to_string())
    }
}

impl Console {
    /// A console on these ends.
    pub fn new(handle: ControlHandle, desk: Desk, keeper: Arc<dyn Keeper>) -> Self {
        Self {
            handle,
            desk,
            keeper,
            commands: Arc::default(),
            ending: Arc::default(),
        }
    }

    /// Answers queries until there are none to come. Each in a task of its own: PAUSE may take long.
    pub async fn serve(self, mut queries: mpsc::Receiver<Query>) {
        while let Some(query) = queries.recv().await {
            let console = self.clone();
            tokio::spawn(async move {
                let bytes = console.answer(&query.sql, &query.user).await;
                if bytes.is_empty() {
                    return;
                }
                let reply = Order::ConsoleReply {
                    client: query.client,
                    bytes,
                };
                if let Err(refused) = console.desk.tell(reply) {
                    tracing::warn!(%refused, "A console query went unanswered.");
                }
            });
        }
    }

    /// The answer to a text: complete backend messages up to ReadyForQuery. Empty: there is none,
    /// because the process ends.
    pub async fn answer(&self, sql: &str, user: &str) -> Vec<u8> {
        self.commands.fetch_add(1, Ordering::Relaxed);
        let command = Command::read(sql);
        let show = match command {
            Command::Show(show) => show,
            command => {
                return match self.carry_out(command, user).await {
                    Ok(bytes) => bytes,
                    Err(refused) => {
                        tracing::error!("{}", refused.message);
                        error(&refused)
                    }
                };
            }
        };
        let snapshot = match self.desk.snapshot().await {
            Ok(snapshot) => snapshot,
            Err(refused) => return error(&refused.into()),
        };
        let (published, kept) = (self.handle.now(), self.keeper.kept());
        let view = View {
            published: &published,
            snapshot: &snapshot,
            kept: &kept,
            commands: self.commands.load(Ordering::Relaxed),
        };
        show_of(show, &view)
    }
}

/// The answer to a SHOW; anything else is refused.
pub fn shown(sql: &str, view: &View<'_>) -> Vec<u8> {
    match Command::read(sql) {
        Command::Show(show) => show_of(show, view),
        Command::Empty => empty(),
        Command::Wrong(says) => error(&Refused::new(says)),
        Command::Set { .. }
        | Command::SetIgnored
        | Command::Database(..)
        | Command::KillClient(_)
        | Command::Reload
        | Command::Suspend
        | Command::Shutdown(_) => error(&Refused::new("an order isn't answered by reading")),
    }
}

fn show_of(show: Show, view: &View<'_>) -> Vec<u8> {
    let table: Table = match show {
        Show::Help => {
            let mut out = Vec::new();
            put_notice(&mut out, "Console usage", Some(parse::HELP));
            backend::put_command_complete(&mut out, "SHOW");
            return ready(out);
        }
        Show::Fds => {
            return error(&Refused {
                sqlstate: "0A000",
                message: "SHOW FDS is refused: it would hand connections and secrets to whoever \
                          asks; SHOW SOCKETS lists the connections"
                    .to_owned(),
            });
        }
        Show::Version => tables::version(view),
        Show::Pools => tables::pools(view),
        Show::PeerPools => tables::peer_pools(view),
        Show::Peers => tables::peers(view),
        Show::Databases => tables::databases(view),
        Show::Users => tables::users(view),
        Show::Lists => tables::lists(view),
        Show::State => tables::state(view),
        Show::Config => tables::config(view),
        Show::Mem => tables::mem(view),
        Show::DnsHosts => tables::dns_hosts(),
        Show::DnsZones => tables::dns_zones(),
        Show::Parameter(name, value) => tables::parameter(name, value),
        Show::Clients => sockets::clients(view),
        Show::Servers => sockets::servers(view),
        Show::Sockets => sockets::sockets(view, false),
        Show::ActiveSockets => sockets::sockets(view, true),
        Show::Stats => stats::stats(view),
        Show::StatsTotals => stats::totals_by_database(view),
        Show::StatsAverages => stats::averages_by_database(view),
        Show::Totals => stats::totals(view),
        Show::Pins => own::pins(view),
        Show::Waits => own::waits(view),
        Show::Incidents => own::incidents(view),
        Show::Decisions => own::decisions(view),
        Show::Causes => own::causes(view),
    };
    ready(table.bytes("SHOW"))
}

fn empty() -> Vec<u8> {
    let mut out = Vec::new();
    backend::put_empty_query_response(&mut out);
    ready(out)
}

fn done(tag: &str) -> Vec<u8> {
    let mut out = Vec::new();
    backend::put_command_complete(&mut out, tag);
    ready(out)
}

fn put_notice(out: &mut Vec<u8>, message: &str, detail: Option<&str>) {
    backend::put_notice(
        out,
        &Complaint {
            severity: "NOTICE",
            sqlstate: "00000",
            message,
            detail,
            hint: None,
        },
    );
}

fn error(refused: &Refused) -> Vec<u8> {
    let mut out = Vec::new();
    backend::put_error(
        &mut out,
        &Complaint {
            severity: "ERROR",
            sqlstate: refused.sqlstate,
            message: &refused.message,
            detail: None,
            hint: None,
        },
    );
    ready(out)
}

fn ready(mut out: Vec<u8>) -> Vec<u8> {
    backend::put_ready_for_query(&mut out, TxStatus::Idle);
    out
}
