//! What a proxy needs to know at start.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Instant as StdInstant;

use weir_model::PoolerSettings;

/// Where clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddr {
    /// Host name or address, and port. Port zero lets the kernel choose.
    Tcp {
        /// `127.0.0.1`, `::1`, `0.0.0.0`, `localhost`; without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// A directory; the socket in it is `.s.PGSQL.<port>`, as PostgreSQL's clients expect.
    Unix {
        /// The directory.
        dir: PathBuf,
        /// The number in the socket's name.
        port: u16,
    },
}

impl ListenAddr {
    /// The socket's path; `None` for TCP.
    pub fn unix_path(&self) -> Option<PathBuf> {
        match self {
            Self::Tcp { .. } => None,
            Self::Unix { dir, port } => Some(dir.join(format!(".s.PGSQL.{port}"))),
        }
    }
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { dir, port } => write!(f, "{}:{port}", dir.display()),
        }
    }
}

/// A listen address that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no address to listen on; write \"127.0.0.1:6432\", \"[::1]:6432\", \"*:6432\" or \"/run/weir:6432\""
)]
pub struct ListenAddrFault {
    /// As written.
    pub text: String,
}

impl FromStr for ListenAddr {
    type Err = ListenAddrFault;

    fn from_str(text: &str) -> Result<Self, ListenAddrFault> {
        let fault = || ListenAddrFault {
            text: text.to_owned(),
        };
        let (host, port) = text.trim().rsplit_once(':').ok_or_else(fault)?;
        let port: u16 = port.parse().map_err(|_| fault())?;
        if host.starts_with('/') {
            return Ok(Self::Unix {
                dir: host.into(),
                port,
            });
        }
        let bare = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(inner) => inner,
            None if host.contains(':') => return Err(fault()),
            None => host,
        };
        match bare {
            "" => Err(fault()),
            "*" => Ok(Self::Tcp {
                host: "0.0.0.0".to_owned(),
                port,
            }),
            host => Ok(Self::Tcp {
                host: host.to_owned(),
                port,
            }),
        }
    }
}

/// Which of the kernel's interfaces to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoChoice {
    /// The best that works here.
    #[default]
    Auto,
    /// io_uring, else epoll with the reason in [`crate::DriverChoice::because`].
    Uring,
    /// Readiness: epoll on Linux, kqueue on macOS.
    Epoll,
}

impl FromStr for IoChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "uring" => Ok(Self::Uring),
            "epoll" => Ok(Self::Epoll),
            other => Err(format!(
                "`{other}` is no io driver; known are auto, uring, epoll"
            )),
        }
    }
}

/// What a proxy needs to know at start.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Where clients connect to; at least one.
    pub listen: Vec<ListenAddr>,
    /// Pools, users, limits.
    pub pooler: PoolerSettings,
    /// The engine's dice.
    pub seed: u64,
    /// The zero of the process's time line.
    pub clock_zero: StdInstant,
    /// Which of the kernel's interfaces to use.
    pub io: IoChoice,
    /// How many workers. This version runs one whatever is asked;
    /// [`crate::ProxyHandle::workers_because`] says so.
    pub workers: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses_are_read_as_people_write_them() {
        for (text, shown) in [
            ("127.0.0.1:6432", "127.0.0.1:6432"),
            ("[::1]:6432", "[::1]:6432"),
            ("*:6432", "0.0.0.0:6432"),
            ("localhost:1", "localhost:1"),
            ("/tmp:6432", "/tmp:6432"),
        ] {
            assert_eq!(text.parse::<ListenAddr>().unwrap().to_string(), shown);
        }
        for text in ["6432", "::1:6432", ":6432", "a:b", "127.0.0.1:70000", ""] {
            assert!(text.parse::<ListenAddr>().is_err(), "{text}");
        }
        let unix: ListenAddr = "/run/weir:6432".parse().unwrap();
        assert_eq!(
            unix.unix_path(),
            Some(PathBuf::from("/run/weir/.s.PGSQL.6432"))
        );
    }
}
