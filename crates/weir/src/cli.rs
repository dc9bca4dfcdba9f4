//! The command line, as people and scripts type it.

mod incident;
mod outside;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir_control::regulate::RegulatorMode;
use weir_model::{Cause, PoolMode};

pub(crate) use incident::{
    ActionArgs, ActionCommand, DeclareArgs, DetailArgs, EndArgs, IncidentCommand, OrNever, SayArgs,
    Who,
};
pub(crate) use outside::{MarkerArgs, NotifyCommand, SilenceCommand};

/// A PostgreSQL connection pooler that cannot be surprised by its own pool running dry.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    about,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Pool, watch, regulate, report.
    Run(Box<RunArgs>),
    /// Replay the founding incident on a private PostgreSQL, with real traffic; ends with the report.
    Demo(DemoArgs),
    /// Preflight: names, ports, logins, rights and the arithmetic of max_connections, before clients
    /// find out. Exit 1 where something would not work.
    Check(CheckArgs),
    /// Incidents: list, show, declare, and all that people do with one until it is closed.
    #[command(subcommand)]
    Incident(IncidentCommand),
    /// Reports of incidents.
    #[command(subcommand)]
    Report(ReportCommand),
    /// Keep incidents from paging for a while: add, list, end.
    #[command(subcommand)]
    Silence(SilenceCommand),
    /// Channels of notifications: does one work?
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Say that something was changed: a deploy, a migration, a setting.
    Marker(MarkerArgs),
    /// The configuration file: check it, or list all settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Write a completion script for a shell: `weir completions bash > …/bash-completion/completions/weir`.
    Completions {
        /// bash, elvish, fish, powershell or zsh.
        shell: clap_complete::Shell,
    },
    /// Write the manual page; with DIR, one page for each command.
    Man {
        /// Where the pages go, as weir.1, weir-run.1 and so on.
        dir: Option<PathBuf>,
    },
}

/// `weir run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// weir.toml. Without it, --upstream says where PostgreSQL is.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Where PostgreSQL is: postgres://user:password@host:port/database. User and password, if
    /// given, are used for every client and for watching.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
    /// Where clients connect: host:port, or a directory for a Unix socket. May be repeated.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Where HTTP is served ("off": nowhere) [default: 127.0.0.1:6433]
    #[arg(long, value_name = "ADDR")]
    pub(crate) api: Option<String>,
    /// SQLite file for incidents and history ("none": memory only) [default: weir.db]
    #[arg(long, value_name = "FILE")]
    pub(crate) store: Option<String>,
    /// Server connections per pool: a number, or auto.
    #[arg(long, value_name = "N|auto")]
    pub(crate) pool_size: Option<String>,
    /// session, transaction or statement [default: transaction]
    #[arg(long, value_name = "MODE")]
    pub(crate) pool_mode: Option<PoolMode>,
    /// What the regulator may do: observe, recommend or act [default: recommend]
    #[arg(long, value_name = "MODE")]
    pub(crate) regulator: Option<RegulatorMode>,
    /// Network driver: auto, uring or epoll.
    #[arg(long, value_name = "DRIVER", value_parser = ["auto", "uring", "epoll"])]
    pub(crate) io: Option<String>,
    /// Data-plane threads: a number, or auto. This version runs one.
    #[arg(long, value_name = "N|auto")]
    pub(crate) workers: Option<String>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    pub(crate) log_format: Option<String>,
}

/// `weir check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// weir.toml.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Human text or a document for programs.
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
    pub(crate) output: String,
}

/// `weir demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// What goes wrong. Without it: the founding incident, a pool too small for the peak.
    #[arg(long, value_name = "NAME", default_value = "pool_undersized")]
    pub(crate) cause: Cause,
    /// A calm life instead: bursts that drain, reconnect waves, checkpoints. Fails if any
    /// incident opens.
    #[arg(long)]
    pub(crate) calm: bool,
    /// How long it may take in all (the acts are stretched or pressed to fit).
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
    /// Where the report goes [default: ./weir-demo-<time>]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Directory with postgres, initdb and pg_ctl [default: PATH, /usr/lib/postgresql, target/pg]
    #[arg(long, value_name = "DIR")]
    pub(crate) pg_bin: Option<PathBuf>,
    /// Same seed, same users and arrivals.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// In the founding incident, wait up to two minutes for you to approve the recommendation, in the
    /// dashboard or `weir top`, instead of letting the regulator act.
    #[arg(long)]
    pub(crate) approve: bool,
    /// When all is told, stay up for so many seconds, to be looked at.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) linger: Option<u64>,
    /// Port of Weir's API and dashboard on 127.0.0.1 [default: any free one]
    #[arg(long, value_name = "PORT")]
    pub(crate) api_port: Option<u16>,
    /// One line a second instead of a live view.
    #[arg(long)]
    pub(crate) plain: bool,
    /// Don't open the report in a browser at the end.
    #[arg(long)]
    pub(crate) no_open: bool,
}

/// Where a running Weir, or its file, is found.
#[derive(Clone, Debug, Args)]
pub(crate) struct Source {
    /// The API of a running Weir.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:6433",
        global = true
    )]
    pub(crate) api: String,
    /// Read the store's file instead of asking a running Weir.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) store: Option<PathBuf>,
    /// Bearer token, where the API wants one (better: environment WEIR_API_TOKEN).
    #[arg(long, value_name = "TOKEN", global = true)]
    pub(crate) token: Option<String>,
    /// table or json.
    #[arg(short, long, value_enum, default_value_t = Output::Table, global = true)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// The report of an incident: in full, on one page, or for the public.
    Render(RenderArgs),
    /// Make an incident out of a report that anybody wrote: clocks, rows, impact, cause, actions.
    Import(crate::report_import::ImportArgs),
    /// Write a report with one question at a time, each with its reason.
    New(crate::report_new::NewArgs),
    /// Say what a report lacks: any Markdown or HTML, whoever wrote it.
    Lint(crate::report_lint::LintArgs),
    /// Why a rule matters, with a bad and a good example.
    Explain(crate::report_lint::ExplainArgs),
    /// How well the rules agree with people who labelled reports.
    Score(crate::report_lint::ScoreArgs),
}

/// `weir report render`.
#[derive(Debug, Args)]
pub(crate) struct RenderArgs {
    /// INC-7
    pub(crate) id: String,
    /// full: the five parts. executive: one page for who decides. public: without names of hosts,
    /// users, applications and people, and without statements.
    #[arg(long, default_value = "full", value_parser = ["full", "executive", "public"])]
    pub(crate) form: String,
    /// md, html, json, pdf (through a browser), confluence (storage format) or github (one issue
    /// per open action) [default: md]
    #[arg(long, value_parser = ["md", "html", "json", "pdf", "confluence", "github"])]
    pub(crate) format: Option<String>,
    /// A template of your own (Jinja); its extension decides how output is escaped.
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
    /// Write to this file, or this directory (then with charts), instead of standard output.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
    /// The browser that prints a PDF [default: chromium, google-chrome… on PATH]
    #[arg(long, value_name = "PATH")]
    pub(crate) browser: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) source: Source,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read a file and say everything that is wrong with it.
    Check {
        /// weir.toml
        file: PathBuf,
    },
    /// Every setting with its default and PgBouncer's name for it.
    Schema,
}
