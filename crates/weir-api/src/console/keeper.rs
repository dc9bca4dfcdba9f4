//! Who keeps the configuration of the running Weir: the console asks it, and hands it what is to
//! change. A `weir.toml` and a `pgbouncer.ini` are kept by different keepers; the console can't tell.

use std::fmt;
use std::sync::Arc;

use weir_model::{PoolMode, PoolerSettings};

/// A row of SHOW CONFIG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigRow {
    /// As it is written.
    pub key: String,
    /// What holds now; `None`: nothing was written and there is no default.
    pub value: Option<String>,
    /// What would hold otherwise.
    pub default: Option<String>,
    /// SET and RELOAD change it.
    pub changeable: bool,
}

/// A row of SHOW PEERS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRow {
    /// Its number.
    pub id: u16,
    /// Where it is.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Connections to it.
    pub pool_size: u32,
}

/// What holds at this moment.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What SHOW VERSION answers.
    pub version: String,
    /// As the data plane runs them.
    pub settings: Arc<PoolerSettings>,
    /// All keys, in the order of SHOW CONFIG.
    pub config: Vec<ConfigRow>,
    /// All peers.
    pub peers: Vec<PeerRow>,
    /// The mode of databases that name none; `None`: each names its own.
    pub mode_default: Option<PoolMode>,
    /// The port that clients come to.
    pub port: u16,
}

/// What SET or RELOAD comes to: it counts once the data plane runs `settings` and `commit` was
/// called.
pub struct Change {
    /// To run from now on.
    pub settings: Arc<PoolerSettings>,
    /// Makes it what [`Keeper::kept`] tells.
    pub commit: Box<dyn FnOnce() + Send>,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Change(…)")
    }
}

/// Who keeps the configuration.
pub trait Keeper: Send + Sync {
    /// What holds now.
    fn kept(&self) -> Kept;

    /// SET. `Ok(None)`: taken, and nothing changes before the next start.
    ///
    /// # Errors
    /// Why not, in words for the log and the client.
    fn set(&self, key: &str, value: &str) -> Result<Option<Change>, String>;

    /// Reads all files again.
    ///
    /// # Errors
    /// Every fault; nothing changes then.
    fn reload(&self) -> Result<Change, Vec<String>>;
}
