//! `weir demo`: the founding incident, replayed with real parts.

use anyhow::{Context as _, anyhow};
use weir_lab::demo::{self, CalmOptions, DemoOptions};

use crate::Failed;
use crate::cli::DemoArgs;

/// Runs the replay, or the calm life. Fails where Weir did.
pub(crate) fn demo(args: &DemoArgs) -> Result<(), Failed> {
    let weir_exe = std::env::current_exe().context("where is the weir binary itself?")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("couldn't start")?;
    if args.calm {
        let options = CalmOptions {
            seconds: args.seconds.unwrap_or(300),
            pg_bin: args.pg_bin.clone(),
            weir_exe,
            seed: args.seed,
            plain: args.plain,
        };
        let outcome = runtime
            .block_on(demo::calm(options))
            .map_err(|fault| anyhow!(fault))?;
        crate::say(&outcome.text());
        return match outcome.passed() {
            true => Ok(()),
            false => Err(anyhow!("a quiet day was not left quiet").into()),
        };
    }
    let options = DemoOptions {
        cause: args.cause,
        seconds: args.seconds,
        out: args.out.clone(),
        pg_bin: args.pg_bin.clone(),
        weir_exe,
        seed: args.seed,
        approve: args.approve,
        linger: args.linger,
        api: args.api_port,
        plain: args.plain,
    };
    let outcome = runtime
        .block_on(demo::run(options))
        .map_err(|fault| match fault {
            demo::DemoError::NoSuchReplay { .. } => Failed::Usage(format!("weir demo: {fault}")),
            fault => Failed::Failed(anyhow!(fault)),
        })?;
    if !args.no_open {
        open_in_browser(&outcome.out.join("report.html"));
    }
    if outcome.passed() {
        Ok(())
    } else {
        Err(anyhow!(
            "the replay didn't end as it must: {}",
            outcome.failures.join("; ")
        )
        .into())
    }
}

/// Shows the report where there is a desktop and somebody at the terminal. Its path was printed; a
/// browser that can't be opened is no failure.
fn open_in_browser(report: &std::path::Path) {
    let environment = crate::clock::environment();
    let desktop =
        environment.contains_key("DISPLAY") || environment.contains_key("WAYLAND_DISPLAY");
    if !desktop || !std::io::IsTerminal::is_terminal(&std::io::stdout()) || !report.exists() {
        return;
    }
    let _ = std::process::Command::new("xdg-open")
        .arg(report)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn();
}
