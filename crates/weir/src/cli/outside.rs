//! `weir silence`, `weir notify`, `weir marker`, as typed.

use clap::{Args, Subcommand};

use super::Source;

#[derive(Debug, Subcommand)]
pub(crate) enum SilenceCommand {
    /// Page nobody of these incidents; they are recorded all the same.
    Add {
        /// Why: whoever looks for the page that never came reads it.
        #[arg(value_name = "WHY", required = true)]
        why: Vec<String>,
        /// How long: 2h, 30min.
        #[arg(
            long = "for",
            value_name = "DURATION",
            conflicts_with = "until",
            required_unless_present = "until"
        )]
        lasts: Option<String>,
        /// From when, as 2026-12-01T22:00:00Z [default: now]
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Until when.
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        /// Of these pools: app, app/dashboard, app/*. May be repeated [default: all]
        #[arg(long, value_name = "POOL")]
        pool: Vec<String>,
        /// Of these severities: sev1 to sev4. May be repeated [default: all]
        #[arg(long, value_name = "SEV")]
        severity: Vec<String>,
        /// Who wants it [default: your login name]
        #[arg(long)]
        by: Option<String>,
        #[command(flatten)]
        source: Source,
    },
    /// What holds and what will.
    List {
        #[command(flatten)]
        source: Source,
    },
    /// Page again.
    End {
        /// S-3
        id: String,
        /// Who says so [default: your login name]
        #[arg(long)]
        by: Option<String>,
        #[command(flatten)]
        source: Source,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NotifyCommand {
    /// Send a test message through a channel and say what the other side answered.
    Test {
        /// Its name, as in [[notify]].
        channel: String,
        /// Who asks [default: your login name]
        #[arg(long)]
        by: Option<String>,
        #[command(flatten)]
        source: Source,
    },
}

/// `weir marker`.
#[derive(Debug, Args)]
pub(crate) struct MarkerArgs {
    /// What was changed: "deploy checkout 1.42".
    #[arg(value_name = "WHAT", required = true)]
    pub(crate) what: Vec<String>,
    /// Which version, where it stands apart.
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// When: 2026-12-01T22:00:00Z, or how long ago: 5min [default: now]
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Who or what did it [default: your login name]
    #[arg(long)]
    pub(crate) by: Option<String>,
    /// Where to read more.
    #[arg(long, value_name = "URL")]
    pub(crate) link: Option<String>,
    #[command(flatten)]
    pub(crate) source: Source,
}
