//! Who keeps a `weir.toml`: RELOAD reads it again, SET is refused, for a file that says one thing
//! while another runs is how the next restart becomes an incident.

use std::sync::{Arc, Mutex, PoisonError};

use weir_api::console::{Change, ConfigRow, Keeper, Kept};
use weir_model::PoolerSettings;

use super::Config;
use crate::Failed;

/// Reads the configuration again, flags and all.
pub(crate) type ReadAgain = Box<dyn Fn() -> Result<Config, Failed> + Send + Sync>;

#[derive(Debug)]
struct State {
    settings: Arc<PoolerSettings>,
    rows: Vec<ConfigRow>,
    port: u16,
}

/// Keeps one file, or a command line without any.
pub(crate) struct TomlKeeper {
    again: ReadAgain,
    state: Arc<Mutex<State>>,
}

impl TomlKeeper {
    /// Keeps `config`.
    pub(crate) fn new(config: &Config, again: ReadAgain) -> Self {
        Self {
            again,
            state: Arc::new(Mutex::new(State::of(config))),
        }
    }
}

impl State {
    fn of(config: &Config) -> Self {
        let port = config.listen.first().and_then(|addr| addr.rsplit_once(':'));
        Self {
            settings: Arc::new(config.pooler.clone()),
            rows: rows(config),
            port: port.and_then(|(_, port)| port.parse().ok()).unwrap_or(6432),
        }
    }
}

/// What SHOW CONFIG tells. Only what names no secret.
fn rows(config: &Config) -> Vec<ConfigRow> {
    let pooler = &config.pooler;
    let seconds = |time: std::time::Duration| format!("{}s", time.as_secs_f64());
    let fixed = [
        ("listen", config.listen.join(",")),
        (
            "api",
            config.api.clone().unwrap_or_else(|| "off".to_owned()),
        ),
        ("io", config.io.clone()),
        ("workers", "1".to_owned()),
        ("regulator.mode", config.regulator.to_string()),
    ];
    let live = [
        ("auth.method", pooler.auth_method.name().to_owned()),
        ("auth.admin_users", pooler.admin_users.join(",")),
        ("client_max", pooler.client_max.to_string()),
        ("client_login_timeout", seconds(pooler.client_login_timeout)),
        ("shutdown_timeout", seconds(pooler.shutdown_timeout)),
    ];
    let row = |changeable| {
        move |(key, value): (&str, String)| ConfigRow {
            key: key.to_owned(),
            value: Some(value),
            default: None,
            changeable,
        }
    };
    let mut rows: Vec<ConfigRow> = fixed.into_iter().map(row(false)).collect();
    rows.extend(live.into_iter().map(row(true)));
    rows
}

impl Keeper for TomlKeeper {
    fn kept(&self) -> Kept {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Kept {
            version: format!("Weir {}", env!("CARGO_PKG_VERSION")),
            settings: Arc::clone(&state.settings),
            config: state.rows.clone(),
            peers: Vec::new(),
            mode_default: None,
            port: state.port,
        }
    }

    fn set(&self, key: &str, _value: &str) -> Result<Option<Change>, String> {
        Err(format!(
            "{key} stands in weir.toml: change it there, then RELOAD"
        ))
    }

    fn reload(&self) -> Result<Change, Vec<String>> {
        let config = (self.again)().map_err(|failed| match failed {
            Failed::Usage(says) => vec![says],
            Failed::Failed(fault) => vec![format!("{fault:#}")],
        })?;
        let next = State::of(&config);
        let (state, settings) = (Arc::clone(&self.state), Arc::clone(&next.settings));
        let commit = move || {
            *state.lock().unwrap_or_else(PoisonError::into_inner) = next;
        };
        Ok(Change {
            settings,
            commit: Box::new(commit),
        })
    }
}
