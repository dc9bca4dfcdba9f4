//! A PDF is the printed HTML: a browser that is there already prints it, without a window.
//!
//! # What is deliberately absent
//! - A PDF writer of our own. What a browser prints is what a person who prints the page gets.
//! - Network and scripts: the page fetches nothing and its content policy forbids both.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};

use crate::Failed;

/// Browsers that print without a window, by the names that systems give them.
const NAMES: [&str; 9] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "microsoft-edge-stable",
    "msedge",
    "brave-browser",
];
/// Where macOS keeps them.
const APPLICATIONS: [&str; 3] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
];
/// A browser that hasn't printed a page by then doesn't.
const PATIENCE: Duration = Duration::from_secs(90);

/// The browser that was named, or the first that is found.
pub(crate) fn browser(named: Option<&Path>) -> Result<PathBuf, Failed> {
    let path = crate::clock::environment()
        .remove("PATH")
        .unwrap_or_default();
    let on_path = |name: &Path| {
        std::env::split_paths(&path)
            .map(|dir| dir.join(name))
            .find(|file| file.is_file())
    };
    if let Some(named) = named {
        if named.is_file() {
            return Ok(named.to_owned());
        }
        return on_path(named).ok_or_else(|| {
            anyhow!(
                "there is no browser {}: not a file, and not on PATH",
                named.display()
            )
            .into()
        });
    }
    NAMES
        .iter()
        .find_map(|name| on_path(Path::new(name)))
        .or_else(|| APPLICATIONS.iter().map(PathBuf::from).find(|file| file.is_file()))
        .ok_or_else(|| {
            anyhow!(
                "a PDF needs a browser that prints it, and none of {} is on PATH. Install one, name one with \
                 --browser PATH, or take --format html and print the page yourself: it is made for paper",
                NAMES.join(", ")
            )
            .into()
        })
}

/// Prints a page into a file.
pub(crate) fn print(browser: &Path, html: &str, file: &Path) -> Result<(), Failed> {
    let work = tempfile::tempdir().context("couldn't make a directory to print from")?;
    let page = work.path().join("report.html");
    std::fs::write(&page, html).with_context(|| format!("couldn't write {}", page.display()))?;
    let printed = work.path().join("report.pdf");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("couldn't start")?;
    let first = runtime.block_on(run(browser, work.path(), &page, &printed, false));
    // A browser's sandbox does not work for root, and in some containers. The page is our own,
    // runs nothing and fetches nothing, so it is printed without one then.
    let outcome = match first {
        Err(fault) if fault.to_string().to_lowercase().contains("sandbox") => {
            runtime.block_on(run(browser, work.path(), &page, &printed, true))
        }
        other => other,
    };
    outcome.with_context(|| {
        format!(
            "{} did not print the report; --format html is the same page, to be printed by hand",
            browser.display()
        )
    })?;
    let bytes = std::fs::read(&printed)
        .with_context(|| format!("{} said nothing and printed nothing", browser.display()))?;
    if !bytes.starts_with(b"%PDF-") {
        return Err(anyhow!("{} wrote something that is no PDF", browser.display()).into());
    }
    std::fs::write(file, bytes).with_context(|| format!("couldn't write {}", file.display()))?;
    Ok(())
}

async fn run(
    browser: &Path,
    work: &Path,
    page: &Path,
    printed: &Path,
    bare: bool,
) -> anyhow::Result<()> {
    let mut command = tokio::process::Command::new(browser);
    command
        .arg("--headless")
        .arg("--disable-gpu")
        .arg("--disable-extensions")
        .arg("--no-first-run")
        .arg("--no-default-browser-check")
        .arg("--disable-dev-shm-usage")
        .arg("--no-pdf-header-footer")
        .arg(format!(
            "--user-data-dir={}",
            work.join("profile").display()
        ))
        .arg(format!("--print-to-pdf={}", printed.display()));
    if bare {
        command.arg("--no-sandbox");
    }
    command
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = command.spawn().context("it does not start")?;
    let Ok(done) = tokio::time::timeout(PATIENCE, child.wait_with_output()).await else {
        bail!("it was not done after {} s", PATIENCE.as_secs());
    };
    let done = done?;
    if done.status.success() && printed.exists() {
        return Ok(());
    }
    let says = String::from_utf8_lossy(&done.stderr);
    let last: Vec<&str> = says.lines().filter(|l| !l.trim().is_empty()).collect();
    let tail = last[last.len().saturating_sub(3)..].join("; ");
    bail!("{}: {tail}", done.status)
}
