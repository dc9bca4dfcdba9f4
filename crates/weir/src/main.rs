//! The `weir` binary: command line, configuration, and the wiring of the two planes.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

mod check;
mod cli;
mod clock;
mod config;
mod demo;
mod incident;
mod journal;
mod manual;
mod outside;
mod report_import;
mod report_lint;
mod report_new;
mod report_pdf;
mod report_render;
mod run;
mod shown;
mod when;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ConfigCommand, ReportCommand};

/// Why a command ended badly.
pub(crate) enum Failed {
    /// Exit 2: the command line or the configuration is wrong.
    Usage(String),
    /// Exit 1: it was tried and didn't work.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Failed {
    fn from(fault: anyhow::Error) -> Self {
        Self::Failed(fault)
    }
}

fn main() -> ExitCode {
    // Before any HTTP client is made: each asks for it, also for http://. Fails only where it is set
    // already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Incident(command) => incident::incident(command),
        Command::Silence(command) => outside::silence(command),
        Command::Notify(command) => outside::notify(command),
        Command::Marker(args) => outside::marker(args),
        Command::Report(ReportCommand::Render(args)) => report_render::render(&args),
        Command::Report(ReportCommand::Import(args)) => report_import::import(args),
        Command::Report(ReportCommand::New(args)) => report_new::new(&args),
        Command::Report(ReportCommand::Lint(args)) => report_lint::lint(&args),
        Command::Report(ReportCommand::Explain(args)) => report_lint::explain(&args),
        Command::Report(ReportCommand::Score(args)) => report_lint::score(&args),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { dir } => manual::man(dir.as_deref()),
        Command::Config(ConfigCommand::Check { file }) => run::check(&file),
        Command::Config(ConfigCommand::Schema) => {
            say(&config::schema());
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Usage(says)) => {
            eprintln!("{says}");
            ExitCode::from(2)
        }
        Err(Failed::Failed(fault)) => {
            eprintln!("weir: {fault:#}");
            ExitCode::from(1)
        }
    }
}

/// Data goes to standard output. A reader that has left (`| head`) is no failure.
pub(crate) fn say(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}
