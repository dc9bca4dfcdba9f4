//! New clients: a bounded number a turn, and none for a moment where the process can hold no more.

use std::io;
use std::os::fd::OwnedFd;
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
    pub(super) fn accept(&mut self, index: usize) {
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
                Ok((fd, addr, speaks)) => {
                    let is_unix = matches!(listener, Listener::Unix { .. });
                    self.accepted(Socket::from(fd), addr, speaks, is_unix);
                }
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
    fn accepted(&mut self, socket: Socket, addr: Arc<str>, speaks: bool, is_unix: bool) {
        self.now = self.clock.now();
        let client = self.engine.accepted(addr, self.now, &mut self.fx);
        if is_unix {
            let peer = self.peers.of(&socket, self.names_peers);
            self.engine.peer(client, peer);
        }
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

/// Errors of `accept` that concern one connection only.
fn accept_may_go_on(fault: &io::Error) -> bool {
    matches!(
        fault.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
