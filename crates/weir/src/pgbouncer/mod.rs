//! `weir pgbouncer`: PgBouncer's command line, configuration, signals, log and exit codes on Weir's
//! engine.
//!
//! The way of a file: [`ini`] (lines) → [`written`] (values) → [`meaning`] (what the data plane runs);
//! [`keeper`] goes that way again at RELOAD and SET. docs/pgbouncer.md says what differs.

pub(crate) mod args;
mod connstr;
mod import;
pub(crate) mod ini;
mod keeper;
mod keys;
pub(crate) mod log;
mod meaning;
mod process;
pub(crate) mod signals;
mod written;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use weir_api::console::{ConfigRow, Keeper as _};
use weir_api::see::configuration::{Configuration, Origin, SET, SettingRow};
use weir_control::regulate::RegulatorMode;
use weir_model::ServerSettings;

use crate::Failed;
use crate::cli::RunArgs;
use crate::config::Config;
use crate::run::{self, Face, Manner};
use args::{Asked, Options};
use keeper::IniKeeper;
use log::{AsLines, Level, Log};
use meaning::{Meaning, Outside};
use process::PidFile;

pub(crate) use import::import;

/// What SHOW VERSION and `--version` answer. Begins as PgBouncer's, whose behaviour this is, because
/// scripts compare numbers.
pub(crate) const VERSION: &str = concat!("PgBouncer 1.25.0 (Weir ", env!("CARGO_PKG_VERSION"), ")");

/// If this program was called through a link named `pgbouncer`: how it ended.
pub(crate) fn by_name() -> Option<ExitCode> {
    let mut words = std::env::args();
    let program = words.next()?;
    let name = Path::new(&program).file_name()?.to_str()?;
    if name != "pgbouncer" {
        return None;
    }
    let arguments: Vec<String> = words.collect();
    Some(main(&program, &arguments))
}

/// `weir pgbouncer …`. Exit codes: 0 ended in order, 1 everything else, as in PgBouncer.
pub(crate) fn main(program: &str, arguments: &[String]) -> ExitCode {
    let options = match args::read(arguments) {
        Asked::Run(options) => options,
        Asked::Help => {
            crate::say(&args::help(program));
            return ExitCode::SUCCESS;
        }
        Asked::Version => {
            crate::say(VERSION);
            return ExitCode::SUCCESS;
        }
        Asked::Wrong(says) => {
            eprintln!("{program}: {says}");
            eprintln!("Try \"{program} --help\" for more information.");
            return ExitCode::from(1);
        }
    };
    let environment = crate::clock::environment();
    match start(&options, environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

/// `weir run pgbouncer.ini`, with the flags of `weir run`.
pub(crate) fn run_file(
    file: &Path,
    args: &RunArgs,
    environment: &BTreeMap<String, String>,
) -> Result<(), Failed> {
    let wrong = |flag: &str| {
        Failed::Usage(format!(
            "weir run: {flag} doesn't go with a pgbouncer.ini: write it there"
        ))
    };
    for (flag, given) in [
        ("--upstream", args.upstream.is_some()),
        ("--listen", !args.listen.is_empty()),
        ("--pool-size", args.pool_size.is_some()),
        ("--pool-mode", args.pool_mode.is_some()),
    ] {
        if given {
            return Err(wrong(flag));
        }
    }
    let options = Options {
        file: file.display().to_string(),
        api: args.api.clone(),
        store: args.store.clone(),
        regulator: args.regulator.map(|mode| mode.to_string()),
        io: args.io.clone(),
        ..Options::default()
    };
    start(&options, environment.clone())
        .map_err(|_| Failed::Failed(anyhow::anyhow!("{} wasn't served", file.display())))
}

/// The keys of `[pgbouncer]` as they hold at start, for the page "configuration".
fn shown(file: &str, keeper: &IniKeeper) -> Configuration {
    let written: std::collections::BTreeSet<&str> =
        keeper.written_keys().map(|(key, _)| key).collect();
    let row = |row: ConfigRow| {
        let is_written = written.contains(row.key.as_str());
        // It may hold a password to bind with.
        let secret = row.key == "auth_ldap_options";
        SettingRow {
            section: "pgbouncer".to_owned(),
            pgbouncer: Some(row.key.clone()),
            value: match row.value {
                Some(_) if secret => Some(SET.to_owned()),
                value => value,
            },
            name: row.key,
            default: row.default,
            origin: if is_written {
                Origin::File
            } else {
                Origin::Default
            },
            place: is_written.then(|| file.to_owned()),
            secret,
            says: String::new(),
        }
    };
    Configuration {
        file: Some(file.to_owned()),
        settings: keeper.kept().config.into_iter().map(row).collect(),
    }
}

/// `weir config check pgbouncer.ini`.
pub(crate) fn check(file: &Path) -> Result<(), Failed> {
    let name = file.display().to_string();
    let read = ini::read(&name, &keeper::read_file).and_then(|l| written::Written::read(&l));
    let written = read.map_err(|faults| {
        let says: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failed::Usage(says.join("\n"))
    })?;
    let (_, faults) = meaning::Beside::read(&written, &keeper::read_file);
    if !faults.is_empty() {
        return Err(Failed::Usage(faults.join("\n")));
    }
    crate::say(&format!(
        "{name}: ok: {} database(s), {} user section(s); `weir import {name}` tells what becomes of each line",
        written.databases.len() + usize::from(written.any_database.is_some()),
        written.users.len()
    ));
    Ok(())
}

/// Says a last word and ends with code 1.
fn die(log: &Log, says: &str) -> ExitCode {
    log.say(Level::Fatal, says.to_owned());
    log.flush();
    ExitCode::from(1)
}

fn start(options: &Options, environment: BTreeMap<String, String>) -> Result<(), ExitCode> {
    let in_background = environment.contains_key(process::IN_BACKGROUND);
    let quiet = options.quiet || in_background;
    let log = Log::start(quiet, None).map_err(|fault| {
        eprintln!("couldn't start the log's thread: {fault}");
        ExitCode::from(1)
    })?;
    log.set_verbose(options.verbose);
    // Fails only where a log is set already.
    let _ = tracing_subscriber::registry()
        .with(AsLines(log.clone()))
        .try_init();
    let (keeper, beside) = IniKeeper::open(&options.file, log.clone()).map_err(|faults| {
        for fault in faults {
            log.say(Level::Error, fault.to_string());
        }
        die(&log, "cannot load config file")
    })?;
    let Meaning { pooler, outside } = keeper.meaning();
    if let Some(file) = &outside.logfile {
        // Said on the terminal, for there is no log to say it in.
        if let Err(fault) = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
        {
            eprintln!("Cannot open logfile: '{}': {fault}", file.display());
            return Err(ExitCode::from(1));
        }
        log.reopen(Some(file.clone()));
    }
    log.set_verbose(options.verbose.max(outside.verbose));
    for fault in beside {
        tracing::error!("{fault}");
    }
    if let Some(name) = options.user.as_deref().or(outside.user.as_deref()) {
        process::become_user(name).map_err(|says| die(&log, &says))?;
    }
    if process::is_root() {
        tracing::warn!(
            "running as root, which PgBouncer refuses: name another user with -u or `user =`"
        );
    }
    if options.reboot {
        tracing::warn!(
            "-R: sockets aren't taken over from a running PgBouncer; if one runs, stop it first"
        );
    }
    if let Some(path) = &outside.pidfile {
        match PidFile::check(path) {
            Ok(true) => tracing::info!("stale pidfile, removing"),
            Ok(false) => {}
            Err(says) => return Err(die(&log, &says)),
        }
    }
    if in_background {
        process::settle_in_background();
    } else if options.daemon {
        if outside.pidfile.is_none() {
            return Err(die(&log, "daemon needs pidfile configured"));
        }
        log.flush();
        return process::go_background().map_err(|says| die(&log, &says));
    }
    tracing::info!(
        "{}",
        process::descriptor_limits(pooler.client_max, meaning::descriptors(&pooler))
    );
    for says in import::at_start(&keeper) {
        tracing::warn!("{says}");
    }
    let config = config_of(options, &outside, pooler).map_err(|says| die(&log, &says))?;
    let pid = Arc::new(std::sync::Mutex::new(None));
    let shown = shown(&options.file, &keeper);
    let face = Face {
        shown,
        keeper: Arc::new(keeper),
        log: Some(log.clone()),
        manner: Manner::PgBouncer,
        ready: ready(&outside, Arc::clone(&pid)),
    };
    let served = run::serve(config, face, environment);
    drop(pid);
    match served {
        Ok(()) => {
            log.flush();
            Ok(())
        }
        Err(Failed::Usage(says)) => Err(die(&log, &says)),
        Err(Failed::Failed(fault)) => Err(die(&log, &format!("{fault:#}"))),
    }
}

type Held = Arc<std::sync::Mutex<Option<PidFile>>>;

/// What is done once all addresses are bound.
fn ready(outside: &Outside, pid: Held) -> run::Ready {
    let outside = outside.clone();
    Box::new(move |bound| {
        for addr in bound {
            match addr.unix_path() {
                Some(path) => {
                    process::tune_socket(
                        &path,
                        outside.socket_mode,
                        outside.socket_group.as_deref(),
                    )?;
                    tracing::info!("listening on unix:{}", path.display());
                }
                None => tracing::info!("listening on {addr}"),
            }
        }
        if let Some(path) = &outside.pidfile {
            let file = PidFile::write(path)?;
            if let Ok(mut held) = pid.lock() {
                *held = Some(file);
            }
        }
        tracing::info!("process up: {VERSION}");
        Ok(())
    })
}

/// What Weir runs for this file: observing, in memory, without an API, unless the command line says
/// otherwise.
fn config_of(
    options: &Options,
    outside: &Outside,
    pooler: weir_model::PoolerSettings,
) -> Result<Config, String> {
    let servers = meaning::servers(&pooler);
    let mut config = Config::for_upstream(ServerSettings::at("127.0.0.1", 5432));
    config.listen.clone_from(&outside.listen);
    config.servers = servers;
    config.pooler = pooler;
    config.api = options.api.clone().filter(|addr| addr != "off");
    config.store = options
        .store
        .as_deref()
        .filter(|store| *store != "none")
        .map(Into::into);
    config.regulator = match &options.regulator {
        None => RegulatorMode::Observe,
        Some(mode) => mode.parse()?,
    };
    if let Some(io) = &options.io {
        config.io.clone_from(io);
    }
    Ok(config)
}
