//! Who keeps a `pgbouncer.ini`: what is written in it, what SET changed since, what both mean.

use std::sync::{Arc, Mutex, PoisonError};

use weir_api::console::{Change, ConfigRow, Keeper, Kept, PeerRow};

use super::VERSION;
use super::ini;
use super::keys::KEYS;
use super::log::Log;
use super::meaning::{Beside, Meaning, Outside};
use super::written::{Pairs, Written};

/// PgBouncer's port, where a peer names none.
const PEER_PORT: u16 = 6432;

/// What holds.
#[derive(Debug)]
struct State {
    written: Written,
    beside: Beside,
    meaning: Meaning,
}

impl State {
    fn of(written: Written, beside: Beside) -> Self {
        let meaning = Meaning::of(&written, &beside);
        Self {
            written,
            beside,
            meaning,
        }
    }
}

/// Keeps one file.
#[derive(Debug)]
pub(crate) struct IniKeeper {
    file: String,
    log: Log,
    state: Arc<Mutex<State>>,
}

/// Reads a file for the configuration; a leading `~/` is the user's home.
pub(crate) fn read_file(name: &str) -> Result<String, String> {
    std::fs::read_to_string(name).map_err(|fault| match fault.kind() {
        std::io::ErrorKind::NotFound => "No such file or directory".to_owned(),
        _ => fault.to_string(),
    })
}

/// Reads a file and all that it names: what it says, and what of the files beside it couldn't be
/// read.
fn read(file: &str) -> Result<(Written, Beside, Vec<String>), Vec<ini::Fault>> {
    let lines = ini::read(file, &read_file)?;
    let mut written = Written::read(&lines)?;
    written.set_file(file);
    let (beside, faults) = Beside::read(&written, &read_file);
    Ok((written, beside, faults))
}

impl IniKeeper {
    /// Reads `file` for the first time. With it: what of the files beside it couldn't be read.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub(crate) fn open(file: &str, log: Log) -> Result<(Self, Vec<String>), Vec<ini::Fault>> {
        let (written, beside, faults) = read(file)?;
        let keeper = Self {
            file: file.to_owned(),
            log,
            state: Arc::new(Mutex::new(State::of(written, beside))),
        };
        Ok((keeper, faults))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing panics while it holds this; if it did, the values would be whole all the same.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that are written, with their values.
    pub(crate) fn written_keys(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.state().written.keys().into_iter()
    }

    pub(crate) fn meaning(&self) -> Meaning {
        self.state().meaning.clone()
    }

    /// A change to `next`, which also moves the log when it counts.
    fn change(&self, next: State, reload: bool) -> Change {
        let (state, log) = (Arc::clone(&self.state), self.log.clone());
        let settings = Arc::new(next.meaning.pooler.clone());
        let commit = move || {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let before = std::mem::replace(&mut *state, next).meaning.outside;
            follow(&log, &before, &state.meaning.outside, reload);
        };
        Change {
            settings,
            commit: Box::new(commit),
        }
    }
}

/// What of the process itself changes with the settings: the log.
fn follow(log: &Log, before: &Outside, now: &Outside, reload: bool) {
    log.set_verbose(now.verbose);
    // RELOAD opens the file anew, for log rotation.
    if reload || before.logfile != now.logfile {
        log.reopen(now.logfile.clone());
    }
}

fn peer(id: u16, pairs: &Pairs) -> PeerRow {
    PeerRow {
        id,
        host: pairs.get("host").unwrap_or_default().to_owned(),
        port: pairs
            .count("port")
            .and_then(|port| u16::try_from(port).ok())
            .unwrap_or(PEER_PORT),
        pool_size: pairs.count("pool_size").unwrap_or(0),
    }
}

impl Keeper for IniKeeper {
    fn kept(&self) -> Kept {
        let state = self.state();
        let config = KEYS
            .iter()
            .map(|key| ConfigRow {
                key: key.name.to_owned(),
                value: state.written.value(key.name).map(|value| key.shown(value)),
                default: key.default.map(str::to_owned),
                changeable: !key.restart && key.name != "conffile",
            })
            .collect();
        Kept {
            version: VERSION.to_owned(),
            settings: Arc::new(state.meaning.pooler.clone()),
            config,
            peers: state
                .written
                .peers
                .iter()
                .map(|(id, pairs)| peer(*id, pairs))
                .collect(),
            mode_default: Some(state.meaning.outside.mode),
            port: state.meaning.outside.port,
        }
    }

    fn set(&self, key: &str, value: &str) -> Result<Option<Change>, String> {
        let (mut written, beside) = {
            let state = self.state();
            (state.written.clone(), state.beside.clone())
        };
        let running = written.clone();
        written.set(key, value).map_err(|says| says.join("; "))?;
        written.keep_fixed(&running);
        if written == running {
            return Ok(None);
        }
        // The files that a key names are read when the key changes.
        let names_a_file = ["auth_file", "auth_type", "auth_hba_file", "auth_ident_file"];
        let beside = if names_a_file.contains(&key) {
            let (beside, faults) = Beside::read(&written, &read_file);
            for fault in faults {
                tracing::error!("{fault}");
            }
            beside
        } else {
            beside
        };
        Ok(Some(self.change(State::of(written, beside), false)))
    }

    fn reload(&self) -> Result<Change, Vec<String>> {
        let (mut written, beside, faults) = read(&self.file)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        for fault in faults {
            tracing::error!("{fault}");
        }
        written.keep_fixed(&self.state().written);
        Ok(self.change(State::of(written, beside), true))
    }
}
