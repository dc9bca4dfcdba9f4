//! `weir report lint`, `weir report explain`, `weir report score`: what a report lacks, why that
//! matters, and how well the rules agree with people.
//!
//! The rules are `weir-lint`'s; here files are found, read and written, and exit codes chosen: 1 on an
//! error-level finding, 2 on wrong usage or a file that can't be read.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use weir_lint::render::{self, Colour, Linted};
use weir_lint::{Options, Profile, Severity, Source};

use crate::Failed;

/// So many files are linted in one run; a directory with more is probably not one of reports.
const FILES_MAX: usize = 10_000;
/// So deep directories are walked.
const DEPTH_MAX: usize = 16;

/// `weir report lint`.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Reports in Markdown or HTML; directories are walked for *.md and *.html; - is standard input.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How findings are shown.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Which rules, and how strictly.
    #[arg(long, value_enum, default_value_t = ProfileName::Google)]
    profile: ProfileName,
    /// Apply the fixes that only change how a fact is written, then lint what is there.
    #[arg(long)]
    fix: bool,
    /// Rules that are not asked: IR15,IR20
    #[arg(long, value_name = "RULES")]
    off: Vec<String>,
    /// Colour: on a terminal, always or never.
    #[arg(long, value_enum, default_value_t = When::Auto)]
    color: When,
}

/// `weir report explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// IR22
    #[arg(
        value_name = "RULE",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    rule: Option<String>,
    /// Every rule.
    #[arg(long)]
    all: bool,
}

/// `weir report score`.
#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// Directory with reports and their labels.toml, or with folders of such.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Which rules, and how strictly; labels are given for google.
    #[arg(long, value_enum, default_value_t = ProfileName::Google)]
    profile: ProfileName,
    /// table or json.
    #[arg(short, long, value_enum, default_value_t = crate::cli::Output::Table)]
    output: crate::cli::Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the line and a mark under it.
    Text,
    /// For programs: weir.lint/1.
    Json,
    /// For code scanning: SARIF 2.1.0.
    Sarif,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProfileName {
    /// Whether the parts are there.
    Basic,
    /// Whether a reader can find and trust what a good report says.
    Google,
    /// The form of Weir's own reports, with everything that is wanted.
    Strict,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Basic => Self::Basic,
            ProfileName::Google => Self::Google,
            ProfileName::Strict => Self::Strict,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

/// `weir report lint`.
pub(crate) fn lint(args: &LintArgs) -> Result<(), Failed> {
    let mut options = Options::profile(args.profile.into());
    for ids in &args.off {
        options.switch_off(ids).map_err(Failed::Usage)?;
    }
    if args.fix && args.files.iter().any(|f| is_stdin(f)) {
        return Err(Failed::Usage(
            "--fix needs a file to write to; standard input has none".to_owned(),
        ));
    }
    // Every file that can't be read is named, not only the first.
    let (mut sources, mut faults) = (Vec::new(), Vec::new());
    for path in walk(&args.files, &mut faults) {
        match read(&path) {
            Ok(source) => sources.push(source),
            Err(fault) => faults.push(fault),
        }
    }
    if !faults.is_empty() {
        return Err(Failed::Usage(faults.join("\n")));
    }
    let mut files = Vec::new();
    for mut source in sources {
        if args.fix {
            source = fix(source, &options)?;
        }
        let outcome = weir_lint::lint(&source, &options);
        files.push(Linted { source, outcome });
    }
    show(args, &files)?;
    let errors: usize = files.iter().map(|f| f.outcome.count(Severity::Error)).sum();
    if errors > 0 {
        let many = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        return Err(Failed::Failed(anyhow!(
            "{} in {}; `weir report explain RULE` says why a rule matters",
            many(errors, "error"),
            many(
                files
                    .iter()
                    .filter(|f| f.outcome.count(Severity::Error) > 0)
                    .count(),
                "report"
            )
        )));
    }
    Ok(())
}

fn show(args: &LintArgs, files: &[Linted]) -> Result<(), Failed> {
    match args.format {
        Format::Text => {
            // NO_COLOR is a convention between programs, not a setting of Weir's.
            let bare = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
            let colour = match args.color {
                When::Always => Colour::On,
                When::Auto if std::io::stdout().is_terminal() && !bare => Colour::On,
                When::Auto | When::Never => Colour::Off,
            };
            crate::say(&render::text(files, colour));
        }
        Format::Json => pretty(&render::json(files, args.profile.into()))?,
        Format::Sarif => pretty(&render::sarif(files, env!("CARGO_PKG_VERSION")))?,
    }
    Ok(())
}

fn pretty(value: &serde_json::Value) -> Result<(), Failed> {
    crate::say(&serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?);
    Ok(())
}

/// `weir report explain`.
pub(crate) fn explain(args: &ExplainArgs) -> Result<(), Failed> {
    match &args.rule {
        Some(rule) => crate::say(&render::explain(rule).map_err(Failed::Usage)?),
        None => crate::say(&render::explain_all()),
    }
    Ok(())
}

/// `weir report score`.
pub(crate) fn score(args: &ScoreArgs) -> Result<(), Failed> {
    let options = Options::profile(args.profile.into());
    let mut labels = weir_lint::score::Labels::default();
    let mut broken = BTreeMap::new();
    for set in sets(&args.dir)? {
        let path = args.dir.join(&set).join("labels.toml");
        let text = std::fs::read_to_string(&path)
            .map_err(|fault| Failed::Usage(format!("{}: {fault}", path.display())))?;
        let own = weir_lint::score::labels(&text)
            .map_err(|fault| Failed::Usage(format!("{}: {fault}", path.display())))?;
        for (name, label) in own.report {
            let name = set.join(name).display().to_string();
            let file = args.dir.join(&name);
            if file.is_file() {
                let source = read(&file).map_err(Failed::Usage)?;
                let outcome = weir_lint::lint(&source, &options);
                broken.insert(name.clone(), outcome.broken());
            }
            labels.report.insert(name, label);
        }
    }
    let score = weir_lint::score::score(&labels, &broken);
    match args.output {
        crate::cli::Output::Table => crate::say(&weir_lint::score::table(&score)),
        crate::cli::Output::Json => pretty(&weir_lint::score::json_of(&score))?,
    }
    Ok(())
}

/// The folders with labels: `dir` itself, or those in it.
fn sets(dir: &Path) -> Result<Vec<PathBuf>, Failed> {
    if dir.join("labels.toml").is_file() {
        return Ok(vec![PathBuf::new()]);
    }
    let entries = std::fs::read_dir(dir)
        .map_err(|fault| Failed::Usage(format!("{}: {fault}", dir.display())))?;
    let mut sets: Vec<PathBuf> = entries
        .filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())))
        .filter(|name| dir.join(name).join("labels.toml").is_file())
        .collect();
    sets.sort();
    if sets.is_empty() {
        return Err(Failed::Usage(format!(
            "{}: no labels.toml here, nor in a folder in it; docs/report-linter.md shows one",
            dir.display()
        )));
    }
    Ok(sets)
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn read(path: &Path) -> Result<Source, String> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    // One byte more than is allowed, so that too large a file is told from one that just fits.
    let most = weir_lint::source::SIZE_MAX_BYTES as u64 + 1;
    let got = if is_stdin(path) {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    got.map_err(|fault| format!("{name}: {fault}"))?;
    Source::from_bytes(name, bytes).map_err(|fault| fault.to_string())
}

/// Files as they are, directories as the reports inside, in the order of their names.
fn walk(paths: &[PathBuf], faults: &mut Vec<String>) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = out.len();
            inside(path, 0, &mut out, faults);
            if out.len() == before {
                faults.push(format!("{}: no *.md or *.html in it", path.display()));
            }
        } else {
            out.push(path.clone());
        }
    }
    if out.len() > FILES_MAX {
        faults.push(format!(
            "{} files are too many for one run; at most {FILES_MAX}",
            out.len()
        ));
        out.truncate(FILES_MAX);
    }
    out
}

fn inside(dir: &Path, depth: usize, out: &mut Vec<PathBuf>, faults: &mut Vec<String>) {
    if depth > DEPTH_MAX || out.len() > FILES_MAX {
        return;
    }
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(fault) => {
            faults.push(format!("{}: {fault}", dir.display()));
            return;
        }
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    paths.sort();
    for path in paths {
        let hidden = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().starts_with('.'));
        let report = path.extension().is_some_and(|e| {
            ["md", "markdown", "html", "htm"]
                .iter()
                .any(|x| e.eq_ignore_ascii_case(x))
        });
        if path.is_dir() && !hidden && !path.is_symlink() {
            inside(&path, depth + 1, out, faults);
        } else if report && path.is_file() {
            out.push(path);
        }
    }
}

/// Applies the safe fixes and writes the file, whole or not at all.
fn fix(source: Source, options: &Options) -> Result<Source, Failed> {
    let fixed = weir_lint::fixed(&source, options);
    if fixed.applied == 0 {
        return Ok(source);
    }
    let path = PathBuf::from(&source.name);
    let beside = path.with_extension("weir-lint-fix");
    let wrote = std::fs::write(&beside, &fixed.text)
        .and_then(|()| {
            std::fs::metadata(&path)
                .and_then(|m| std::fs::set_permissions(&beside, m.permissions()))
        })
        .and_then(|()| std::fs::rename(&beside, &path));
    if let Err(fault) = wrote {
        let _ = std::fs::remove_file(&beside);
        return Err(Failed::Failed(anyhow!(
            "couldn't write {}: {fault}",
            path.display()
        )));
    }
    eprintln!("{}: {} fixed", source.name, fixed.applied);
    Source::new(source.name, fixed.text).map_err(|fault| Failed::Usage(fault.to_string()))
}
