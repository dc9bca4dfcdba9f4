//! The kernel's interfaces. One loop (`worker`) serves under both: readiness (epoll, kqueue) for
//! everything, or completion (io_uring) for the bytes of those who are being served. What differs
//! is who owns a buffer while it is filled or sent from, and that stands in two files, `uring.rs`
//! and `worker/completion.rs`; docs/decisions/0012 says what that costs.

pub(crate) mod peers;
#[cfg(target_os = "linux")]
pub(crate) mod uring;
#[cfg(not(target_os = "linux"))]
#[path = "no_uring.rs"]
pub(crate) mod uring;
pub(crate) mod worker;

use std::fmt;
use std::io;
use std::time::Duration;

use socket2::Socket;

use crate::settings::IoChoice;

/// Which of the kernel's interfaces a worker uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// Readiness: epoll on Linux, kqueue on macOS.
    Epoll,
    /// Completion: io_uring.
    Uring,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Epoll => "epoll",
            Self::Uring => "uring",
        })
    }
}

/// A driver, and why this one: for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverChoice {
    /// Which.
    pub driver: Driver,
    /// Why.
    pub because: String,
}

/// Decides which driver serves.
pub(crate) fn choose(asked: IoChoice) -> DriverChoice {
    let (driver, because) = match (asked, uring::Ring::probe()) {
        (IoChoice::Epoll, _) => (Driver::Epoll, "asked for".to_owned()),
        (IoChoice::Uring, Ok(())) => (Driver::Uring, "asked for".to_owned()),
        (IoChoice::Auto, Ok(())) => (Driver::Uring, "it works here and costs less".to_owned()),
        (IoChoice::Uring, Err(why)) => (Driver::Epoll, format!("uring was asked for, but {why}")),
        (IoChoice::Auto, Err(why)) => (Driver::Epoll, why),
    };
    DriverChoice { driver, because }
}

/// True where the kernel can hold a new connection back until its first bytes are there.
pub(crate) const ACCEPT_DEFERS: bool = cfg!(target_os = "linux");

/// Has the kernel hand out a connection only together with its first bytes, since a client of
/// PostgreSQL always speaks first. Saves each login a turn of the loop, and a peer that connects
/// and says nothing costs us nothing. PgBouncer's `tcp_defer_accept`.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "socket2 doesn't offer the option")]
pub(crate) fn defer_accept(socket: &Socket, limit: Duration) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let seconds = libc::c_int::try_from(limit.as_secs()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the descriptor is open for as long as `socket` is borrowed, and the kernel reads
    // the one integer that the pointer and the length describe before the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw const seconds).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Elsewhere a connection is handed out at once.
#[cfg(not(target_os = "linux"))]
pub(crate) fn defer_accept(_socket: &Socket, _limit: Duration) -> io::Result<()> {
    Ok(())
}
