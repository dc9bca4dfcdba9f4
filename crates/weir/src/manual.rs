//! What packagers install beside the binary: completions for shells, manual pages. Both are made
//! from the command line's own definition, so they can't tell another story.

use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::Failed;
use crate::cli::Cli;

/// `weir completions SHELL`.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "weir", &mut script);
    crate::say(&String::from_utf8_lossy(&script));
    Ok(())
}

/// `weir man [DIR]`.
pub(crate) fn man(dir: Option<&Path>) -> Result<(), Failed> {
    let command = Cli::command();
    if let Some(dir) = dir {
        std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(command, dir))
            .with_context(|| format!("couldn't write the pages to {}", dir.display()))?;
        return Ok(());
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .context("couldn't render the page")?;
    crate::say(&String::from_utf8_lossy(&page));
    Ok(())
}
