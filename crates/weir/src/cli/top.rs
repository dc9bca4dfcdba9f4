//! `weir top`, as typed.

use std::path::PathBuf;

use clap::Args;
use weir_model::HumanDuration;

use super::Output;

/// `weir top`.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// The API of a running Weir.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:6433")]
    pub(crate) url: String,
    /// A file with the bearer token, where the API wants one (or environment WEIR_API_TOKEN).
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// For https: trust the certificates in this PEM file, and no others.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// How often to ask: 250ms to 10s; + and - change it [default: 1s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) every: Option<HumanDuration>,
    /// Who acknowledges and approves [default: your login name]
    #[arg(long)]
    pub(crate) by: Option<String>,
    /// Draw with ASCII alone, whatever the locale says.
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Print the overview once and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// table or json; json prints once.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}
