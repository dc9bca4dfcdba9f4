//! Outgoing connections: to PostgreSQL for a server, and throw-away ones for cancel requests.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use socket2::{Domain, SockAddr, Socket, Type};
use weir_engine::Conn;
use weir_model::{
    ConnectFailure, Event, Instant, Logged, Loudness, ServerId, Speaker, TlsSettings,
};
use weir_wire::startup;

use super::connection::{Connection, Phase, Slot};
use super::turn::{Todo, Worker};
use crate::listen::tune_tcp;
use crate::resolve::{Answer, Lookup};

/// Cancel requests on their way at a time. PostgreSQL forks for each, so more would be an attack.
const CANCELS_MAX: usize = 64;

/// How long a cancel request may take, name resolution excepted, where the settings set no limit:
/// sockets that nobody answers must go sometime.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(120);

/// The limit that these settings mean.
pub(super) fn cancel_timeout(set: Duration) -> Duration {
    if set.is_zero() { CANCEL_TIMEOUT } else { set }
}

/// What a connection is opened for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// To be a server.
    Server(ServerId),
    /// To deliver a CancelRequest.
    Cancel(Box<Cancel>),
}

/// A CancelRequest on its way.
#[derive(Debug)]
pub(super) struct Cancel {
    /// The request.
    pub(super) bytes: Vec<u8>,
    /// Held until it is delivered: whoever asked takes the end of its connection for that.
    #[expect(dead_code, reason = "its end closes it")]
    pub(super) asker: Option<Socket>,
    /// Through TLS: to this name, in this way.
    pub(super) tls: Option<(Arc<str>, Arc<TlsSettings>)>,
}

/// One that the kernel hasn't connected yet.
#[derive(Debug)]
pub(super) struct Dialing {
    pub(super) purpose: Purpose,
    /// Other addresses of the same name, the next one last.
    rest: Vec<SocketAddr>,
    /// Where it goes, for the error.
    shown: String,
}

/// One whose host name is being resolved.
pub(super) struct Unnamed {
    host: Arc<str>,
    port: u16,
    purpose: Purpose,
}

impl Worker {
    /// Opens a connection; the outcome comes as [`Todo::Dialed`] or not at all (cancel).
    pub(super) fn dial(&mut self, host: &Arc<str>, port: u16, purpose: Purpose) {
        if matches!(purpose, Purpose::Cancel(..)) {
            let unnamed = |u: &&Unnamed| matches!(u.purpose, Purpose::Cancel(..));
            let waiting = self.unnamed.iter().filter(unnamed).count();
            if self.cancels.len() + waiting >= CANCELS_MAX {
                let says =
                    format!("a cancel request was dropped: {CANCELS_MAX} are on their way already");
                self.reporter.event(Event::Fault { says });
                return;
            }
        }
        if host.starts_with('/') {
            let path = PathBuf::from(format!("{host}/.s.PGSQL.{port}"));
            let shown = path.display().to_string();
            let result = SockAddr::unix(&path)
                .and_then(|addr| connect(Domain::UNIX, &addr))
                .map_err(|e| unix_says(&e));
            match result {
                Ok(socket) => self.dialing(socket, purpose, Vec::new(), shown),
                Err(says) => self.dial_failed(purpose, format!("{shown}: {says}")),
            }
        } else if let Ok(ip) = host.parse::<IpAddr>() {
            self.dial_next(purpose, vec![SocketAddr::new(ip, port)], String::new());
        } else {
            match self.resolver.lookup(host, self.now) {
                Lookup::Known(answer) => self.dial_named(port, purpose, answer),
                Lookup::Asked => self.unnamed.push(Unnamed {
                    host: Arc::clone(host),
                    port,
                    purpose,
                }),
            }
        }
    }

    /// Goes on with those whose host name has been resolved.
    pub(super) fn take_names(&mut self) {
        while let Some((host, answer)) = self.resolver.take(self.now) {
            let (named, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.unnamed)
                .into_iter()
                .partition(|u| u.host == host);
            self.unnamed = rest;
            for unnamed in named {
                self.dial_named(unnamed.port, unnamed.purpose, answer.clone());
            }
        }
    }

    /// The engine no longer wants this server, whose name isn't even resolved.
    pub(super) fn forget_unnamed(&mut self, server: ServerId) {
        self.unnamed
            .retain(|u| !matches!(u.purpose, Purpose::Server(id) if id == server));
    }

    fn dial_named(&mut self, port: u16, purpose: Purpose, answer: Answer) {
        match answer {
            Ok(ips) => {
                // A name with several addresses: each dial begins with another of them.
                self.dials = self.dials.wrapping_add(1);
                let mut rest: Vec<_> = ips
                    .iter()
                    .rev()
                    .map(|&ip| SocketAddr::new(ip, port))
                    .collect();
                let by = self.dials % rest.len().max(1);
                rest.rotate_right(by);
                self.dial_next(purpose, rest, String::new());
            }
            Err(says) => self.dial_failed(purpose, says),
        }
    }

    /// Tries the addresses in `rest` from its end on, until one doesn't fail at once.
    fn dial_next(&mut self, purpose: Purpose, mut rest: Vec<SocketAddr>, mut says: String) {
        while let Some(addr) = rest.pop() {
            match connect(Domain::for_address(addr), &addr.into()) {
                Ok(socket) => return self.dialing(socket, purpose, rest, addr.to_string()),
                Err(e) => says = format!("{addr}: {e}"),
            }
        }
        self.dial_failed(purpose, says);
    }

    fn dialing(&mut self, socket: Socket, purpose: Purpose, rest: Vec<SocketAddr>, shown: String) {
        let conn = match &purpose {
            Purpose::Server(server) => Some(Conn::Server(*server)),
            Purpose::Cancel(..) => None,
        };
        let cancel = conn.is_none();
        let phase = Phase::Dialing(Box::new(Dialing {
            purpose,
            rest,
            shown,
        }));
        let slot = self.insert(Connection::new(socket, phase, conn));
        if cancel {
            self.cancels
                .push((slot, self.now.after(self.cancel_timeout)));
        }
        let registry = self.poll.registry();
        let watched = self.conns[slot.key()].watch(registry, slot, true);
        if let Err(e) = watched {
            self.dial_broken(slot, &e);
        }
    }

    /// The kernel has something to say about a connection that is being opened.
    pub(super) fn dial_ready(&mut self, slot: Slot) {
        let connection = &mut self.conns[slot.key()];
        if let Some(fault) = connection.socket.take_error().unwrap_or_else(Some) {
            return self.dial_broken(slot, &fault);
        }
        match connection.socket.peer_addr() {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotConnected => return,
            Err(e) => return self.dial_broken(slot, &e),
        }
        connection.readable = true;
        let Phase::Dialing(dialing) = std::mem::replace(&mut connection.phase, Phase::Open) else {
            return;
        };
        match dialing.purpose {
            Purpose::Server(server) => {
                // Nothing was asked of PostgreSQL yet, so nothing is unsent.
                let watched = if self.ring.is_some() {
                    let fd = connection.socket.as_raw_fd();
                    self.poll.registry().deregister(&mut SourceFd(&fd))
                } else {
                    connection.watch_writes(self.poll.registry(), slot, false)
                };
                if let Err(e) = watched {
                    self.drop_connection(slot);
                    return self.dial_failed(Purpose::Server(server), e.to_string());
                }
                let local = self.conns[slot.key()].socket.local_addr().ok();
                let local = local.and_then(|addr| addr.as_socket());
                let shown = local.map_or_else(|| "unix".to_owned(), |addr| addr.to_string());
                self.engine.dialed_from(server, &shown, &mut self.fx);
                self.receive_by_ring(slot);
                self.todo.push_back(Todo::Dialed(server, Ok(())));
            }
            Purpose::Cancel(cancel) => {
                let tls = cancel.tls.clone();
                connection.phase = Phase::Cancelling(cancel);
                match tls {
                    None => self.send_cancel(slot),
                    Some((_, tls)) if tls.direct => self.secure_cancel(slot),
                    Some(_) => {
                        let mut request = Vec::new();
                        startup::put_ssl_request(&mut request);
                        self.send_small(slot, &request);
                    }
                }
            }
        }
    }

    /// A few bytes into an empty socket buffer: all or an error.
    fn send_small(&mut self, slot: Slot, bytes: &[u8]) {
        if self.conns[slot.key()].socket.send(bytes).is_err() {
            self.drop_connection(slot);
        }
    }

    /// PostgreSQL answers a cancel request by closing. What it says before is for nobody, except
    /// where TLS comes first.
    pub(super) fn cancel_ready(&mut self, slot: Slot) {
        let mut buffer = [0; 16 * 1024];
        // Until there is nothing left: an edge is told once.
        loop {
            let Some(connection) = self.get(slot) else {
                return;
            };
            let Phase::Cancelling(cancel) = &connection.phase else {
                return;
            };
            if cancel.tls.is_none() {
                return self.drop_connection(slot);
            }
            match io::Read::read(&mut &connection.socket, &mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(n) if n > 0 && connection.tls.is_some() => {
                    self.unseal(slot, &mut buffer[..n]);
                }
                // Under TLS came the connection that is to be cancelled: plain text is no way.
                Ok(1) if buffer[0] == b'S' => self.secure_cancel(slot),
                Ok(_) | Err(_) => return self.drop_connection(slot),
            }
        }
    }

    fn secure_cancel(&mut self, slot: Slot) {
        let Phase::Cancelling(cancel) = &self.conns[slot.key()].phase else {
            return;
        };
        let with = cancel.tls.clone();
        match self.begin_tls(with.as_ref()) {
            Ok(tls) => {
                self.conns[slot.key()].tls = Some(Box::new(tls));
                self.unseal(slot, &mut []);
            }
            Err(_) => self.drop_connection(slot),
        }
    }

    /// Delivers the request, in plain text or through TLS.
    pub(super) fn send_cancel(&mut self, slot: Slot) {
        let connection = &mut self.conns[slot.key()];
        let Phase::Cancelling(cancel) = &mut connection.phase else {
            return;
        };
        let bytes = std::mem::take(&mut cancel.bytes);
        if connection.tls.is_some() {
            self.write_sealed(slot, &[IoSlice::new(&bytes)], None);
        } else {
            self.send_small(slot, &bytes);
        }
    }

    fn dial_broken(&mut self, slot: Slot, fault: &io::Error) {
        let connection = &mut self.conns[slot.key()];
        let phase = std::mem::replace(&mut connection.phase, Phase::Closing);
        self.drop_connection(slot);
        if let Phase::Dialing(dialing) = phase {
            let Dialing {
                purpose,
                rest,
                shown,
            } = *dialing;
            self.dial_next(purpose, rest, format!("{shown}: {fault}"));
        }
    }

    fn dial_failed(&mut self, purpose: Purpose, says: String) {
        match purpose {
            Purpose::Server(server) => {
                let failure = ConnectFailure::Io(says);
                self.todo.push_back(Todo::Dialed(server, Err(failure)));
            }
            // The client that wanted to cancel isn't told, as with PostgreSQL itself.
            Purpose::Cancel(..) => {}
        }
    }

    /// Gives up on cancel requests that take too long.
    pub(super) fn sweep_cancels(&mut self, now: Instant) {
        let mut i = 0;
        while let Some(&(slot, until)) = self.cancels.get(i) {
            if self.get(slot).is_none() {
                self.cancels.swap_remove(i);
            } else if until <= now {
                self.cancels.swap_remove(i);
                self.drop_connection(slot);
                self.reporter.event(Event::Logged(Logged {
                    by: Speaker::Pooler,
                    loudness: Loudness::Log,
                    database: "".into(),
                    user: "".into(),
                    addr: "".into(),
                    text: format!(
                        "closing because: cancel_wait_timeout (age={}s)",
                        self.cancel_timeout.as_secs()
                    ),
                }));
            } else {
                i += 1;
            }
        }
    }
}

fn connect(domain: Domain, addr: &SockAddr) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), None)?;
    if domain != Domain::UNIX {
        tune_tcp(&socket)?;
    }
    match socket.connect(addr) {
        Ok(()) => Ok(socket),
        Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
        Err(e) => Err(e),
    }
}

fn unix_says(fault: &io::Error) -> String {
    // For a Unix socket the kernel says EAGAIN where it would say "refused" for TCP.
    if fault.kind() == io::ErrorKind::WouldBlock {
        "its backlog is full".to_owned()
    } else {
        fault.to_string()
    }
}
