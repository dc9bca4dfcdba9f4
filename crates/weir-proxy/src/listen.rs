//! Binding: done by whoever starts the proxy, so that a port taken is an error message and not
//! a thread that died.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, TcpKeepalive, Type};

use crate::proxy::StartError;
use crate::settings::ListenAddr;
use crate::sys;

/// Connections that the kernel may hold for us; it cuts this to its own limit.
const BACKLOG: i32 = 4096;

/// How long the kernel holds a connection whose peer says nothing. PgBouncer's default.
const FIRST_BYTES_WITHIN: Duration = Duration::from_secs(45);

/// Idle time before the kernel asks whether the peer is still there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// Time between two such questions.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// A socket that clients connect to.
pub(crate) enum Listener {
    Tcp(mio::net::TcpListener),
    Unix {
        listener: mio::net::UnixListener,
        path: PathBuf,
    },
}

impl Listener {
    /// Where, as a client would write it. With the port that the kernel chose.
    pub(crate) fn local(&self) -> ListenAddr {
        match self {
            Self::Tcp(listener) => {
                let addr = listener.local_addr().ok();
                ListenAddr::Tcp {
                    host: addr.map_or_else(String::new, |a| a.ip().to_string()),
                    port: addr.map_or(0, |a| a.port()),
                }
            }
            Self::Unix { path, .. } => ListenAddr::Unix {
                dir: path.parent().unwrap_or(Path::new("/")).to_owned(),
                port: path
                    .extension()
                    .and_then(|e| e.to_str())
                    .and_then(|e| e.parse().ok())
                    .unwrap_or(0),
            },
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix { path, .. } = self {
            // A stale file is only untidy: the next start sees that nobody answers there.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What every TCP connection wants; accepted ones inherit it from their listener.
pub(crate) fn tune_tcp(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_AFTER)
            .with_interval(KEEPALIVE_EVERY),
    )
}

/// Binds all addresses, or none.
pub(crate) fn bind_all(addrs: &[ListenAddr]) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for addr in addrs {
        match addr {
            ListenAddr::Tcp { host, port } => {
                let resolved = (host.as_str(), *port)
                    .to_socket_addrs()
                    .map_err(|e| fault(addr, e))?;
                // A name may stand for addresses that this machine doesn't have: `localhost`
                // where IPv6 is off. One that works is enough; a port taken is never forgiven.
                let (mut bound, mut absent) = (false, None);
                for at in resolved {
                    match bind_tcp(at) {
                        Ok(listener) => {
                            bound = true;
                            listeners.push(Listener::Tcp(listener));
                        }
                        Err(e) if e.kind() == io::ErrorKind::AddrNotAvailable => absent = Some(e),
                        Err(e) => return Err(fault(addr, e)),
                    }
                }
                if let Some(e) = absent
                    && !bound
                {
                    return Err(fault(addr, e));
                }
            }
            ListenAddr::Unix { .. } => {
                let path = addr.unix_path().unwrap_or_default();
                let listener = bind_unix(&path).map_err(|e| fault(addr, e))?;
                listeners.push(Listener::Unix { listener, path });
            }
        }
    }
    Ok(listeners)
}

fn bind_tcp(at: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if at.is_ipv6() {
        // So that `0.0.0.0` and `::` may stand beside each other.
        socket.set_only_v6(true)?;
    }
    tune_tcp(&socket)?;
    sys::defer_accept(&socket, FIRST_BYTES_WITHIN)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

fn bind_unix(path: &Path) -> io::Result<mio::net::UnixListener> {
    if path.exists() {
        // A socket that nobody answers is what a killed process left behind.
        let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        if probe.connect(&SockAddr::unix(path)?).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // As PostgreSQL's default: who may connect is decided by authentication.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    socket.listen(BACKLOG)?;
    Ok(mio::net::UnixListener::from_std(socket.into()))
}

fn fault(addr: &ListenAddr, source: io::Error) -> StartError {
    let hint = match (source.kind(), addr) {
        (io::ErrorKind::AddrInUse, ListenAddr::Tcp { port, .. }) => format!(
            "another process listens there, perhaps another Weir or PgBouncer; `ss -ltnp 'sport = :{port}'` names it"
        ),
        (io::ErrorKind::AddrInUse, ListenAddr::Unix { .. }) => {
            "another process listens there; `ss -lxp` names it".to_owned()
        }
        (io::ErrorKind::AddrNotAvailable, _) => {
            "this machine has no such address; `ip addr` lists those it has".to_owned()
        }
        (io::ErrorKind::PermissionDenied, ListenAddr::Tcp { .. }) => {
            "ports below 1024 need a privilege".to_owned()
        }
        (io::ErrorKind::PermissionDenied, ListenAddr::Unix { .. }) => {
            "the directory isn't writable for this user".to_owned()
        }
        (io::ErrorKind::NotFound, ListenAddr::Unix { dir, .. }) => {
            format!("the directory {} doesn't exist", dir.display())
        }
        _ => "check the address".to_owned(),
    };
    StartError::Bind {
        addr: addr.clone(),
        hint,
        source,
    }
}
