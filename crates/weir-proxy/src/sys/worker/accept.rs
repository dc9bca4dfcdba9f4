//! New clients: a bounded number a turn, and none for a moment where the process can hold no more.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use socket2::Socket;
use weir_engine::Conn;

use super::connection::{Connection, Phase};
use super::perform::fault;
use super::turn::{Todo, Worker};
use crate::listen::Listener;
use crate::sys::ACCEPT_DEFERS;

/// Connections accepted from one socket in one turn.
const ACCEPTS_PER_TURN: u32 = 64;

/// How long accepting rests when the process has no file descriptor left.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How often at most a report is made of that.
const ACCEPT_REPORT_EVERY: Duration = Duration::from_secs(10);

impl Worker {
    /// From now on the ring accepts.
    pub(super) fn accept_by_ring(&mut self) {
        for index in 0..self.listeners.len() {
            let registry = self.poll.registry();
            let forgotten = match &mut self.listeners[index].0 {
                Listener::Tcp(l) => registry.deregister(l),
                Listener::Unix { listener, .. } => registry.deregister(listener),
            };
            // One that readiness won't let go of stays with it.
            if forgotten.is_ok() {
                self.arm_accept(index);
            }
        }
    }

    /// Has the ring accept from this one, now or when accepting has rested.
    fn arm_accept(&mut self, index: usize) {
        let rests = self.accept_again.is_some();
        if let (Some((listener, more)), Some(ring)) =
            (self.listeners.get_mut(index), &mut self.ring)
        {
            *more = rests;
            if !rests {
                ring.accept(descriptor(listener), index);
            }
        }
    }

    /// The ring accepted a connection, or couldn't.
    pub(super) fn came(&mut self, index: usize, result: io::Result<Socket>, armed: bool) {
        // After a drain nobody is let in any more.
        if self.listeners.get(index).is_none() {
            return;
        }
        match result {
            // One whose peer is gone again has no address.
            Ok(socket) => {
                if let Ok(peer) = socket.peer_addr() {
                    let addr = peer
                        .as_socket()
                        .map_or_else(|| Arc::from("unix"), |addr| Arc::from(addr.to_string()));
                    self.accepted(socket, addr, false);
                }
            }
            Err(e) if accept_may_go_on(&e) || e.raw_os_error() == Some(libc::ECANCELED) => {}
            Err(e) => self.rest_from_accepting(&e),
        }
        if !armed {
            self.arm_accept(index);
        }
    }

    /// Nobody is let in from now on.
    pub(super) fn stop_accepting(&mut self) {
        for index in 0..self.listeners.len() {
            if let Some(ring) = &mut self.ring {
                ring.stop_accepting(index);
            }
        }
        self.listeners.clear();
    }

    pub(super) fn accept(&mut self, index: usize) {
        if self.ring.is_some() {
            return self.arm_accept(index);
        }
        if self.accept_again.is_some() {
            if let Some((_, more)) = self.listeners.get_mut(index) {
                *more = true;
            }
            return;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            let Some((listener, more)) = self.listeners.get_mut(index) else {
                return;
            };
            *more = true;
            let accepted = match listener {
                Listener::Tcp(l) => l.accept().map(|(stream, addr)| {
                    (
                        OwnedFd::from(stream),
                        Arc::from(addr.to_string()),
                        ACCEPT_DEFERS,
                    )
                }),
                Listener::Unix { listener: l, .. } => l
                    .accept()
                    .map(|(stream, _)| (OwnedFd::from(stream), Arc::from("unix"), false)),
            };
            match accepted {
                Ok((fd, addr, speaks)) => self.accepted(Socket::from(fd), addr, speaks),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    *more = false;
                    return;
                }
                Err(e) if accept_may_go_on(&e) => {}
                Err(e) => return self.rest_from_accepting(&e),
            }
        }
    }

    /// `speaks`: its first bytes are there already.
    fn accepted(&mut self, socket: Socket, addr: Arc<str>, speaks: bool) {
        self.now = self.clock.now();
        let client = self.engine.accepted(addr, self.now, &mut self.fx);
        let conn = Conn::Client(client);
        let slot = self.insert(Connection::new(socket, Phase::Open, Some(conn)));
        if self.ring.is_some() {
            self.receive_by_ring(slot);
            self.perform(Some(slot), &[]);
            return self.settle();
        }
        let registry = self.poll.registry();
        if self.conns[slot.key()].watch(registry, slot, false).is_err() {
            self.drop_connection(slot);
            self.todo.push_back(Todo::Closed(conn));
        }
        self.perform(Some(slot), &[]);
        self.settle();
        if speaks && let Some(connection) = self.get(slot) {
            connection.readable = true;
            self.read(slot);
            self.settle();
        }
    }

    /// Out of file descriptors or memory: those who are connected are served, the rest wait in
    /// the kernel's backlog.
    fn rest_from_accepting(&mut self, cause: &io::Error) {
        self.accept_again = Some(self.now.after(ACCEPT_REST));
        let told = self
            .accept_reported
            .is_some_and(|at| self.now.since(at) < ACCEPT_REPORT_EVERY);
        if !told {
            self.accept_reported = Some(self.now);
            self.reporter.event(fault(format!(
                "clients can't be accepted at the moment: {cause}; the limit on open files (ulimit -n) may be too low"
            )));
        }
    }
}

fn descriptor(listener: &Listener) -> RawFd {
    match listener {
        Listener::Tcp(listener) => listener.as_raw_fd(),
        Listener::Unix { listener, .. } => listener.as_raw_fd(),
    }
}

/// Errors of `accept` that concern one connection only.
fn accept_may_go_on(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
