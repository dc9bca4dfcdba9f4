//! The hot path under io_uring: clients are accepted, and clients and servers that serve are received
//! from and sent to, by the ring; all else (dialling, cancel requests, waking up) stays with `mio`,
//! whose epoll instance the ring watches.
//!
//! A receive stays armed while its connection lives, also while a client waits for a server: what
//! comes then is kept with it, and from [`KEPT_MAX`] on the receive is ended until the engine wants
//! more. It is ended at once where whoever takes these bytes is slow.
//!
//! One send of a connection is under way at a time; what is written meanwhile is queued as it is
//! under readiness, and so are back-pressure and its marks.

use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::Events;
use weir_engine::Conn;

use super::connection::{Connection, Phase, Slot};
use super::perform::{UNSENT_LOW, fault};
use super::turn::{Todo, Worker};
use crate::sys::uring::{Done, Lease, Lent, Ring};

/// Bytes kept of a connection that isn't to be read from; then its receive is ended.
const KEPT_MAX: usize = 64 * 1024;

/// Pieces below this are copied: a copy that small costs less than keeping a receive buffer from
/// the kernel until they are sent.
const LEND_MIN: usize = 512;

impl Worker {
    /// Takes a ring if one was asked for. In the worker's thread: a ring is one thread's.
    pub(super) fn start_ring(&mut self, wanted: bool) {
        if !wanted {
            return;
        }
        match Ring::new() {
            Ok(mut ring) => {
                ring.watch(self.poll.as_raw_fd());
                self.ring = Some(ring);
                self.accept_by_ring();
            }
            Err(e) => self.reporter.event(fault(format!(
                "io_uring worked at start and doesn't now ({e}); epoll serves instead"
            ))),
        }
    }

    /// Waits for completions, and for readiness through them. False: the ring is broken.
    pub(super) fn wait_for_completions(&mut self, timeout: Duration) -> bool {
        let Some(ring) = &mut self.ring else {
            return false;
        };
        if let Err(e) = ring.wait(timeout) {
            self.reporter.event(fault(format!("io_uring failed: {e}")));
            return false;
        }
        true
    }

    /// Carries on with everything that the ring has to say.
    pub(super) fn take_completions(&mut self, events: &mut Events) {
        while let Some(done) = self.ring.as_mut().and_then(Ring::next) {
            match done {
                Done::Readiness => self.take_readiness(events),
                Done::Accepted {
                    listener,
                    result,
                    armed,
                } => self.came(listener, result, armed),
                Done::Received { tag, result, armed } => {
                    self.received(Slot::from_tag(tag), result, armed);
                }
                Done::Sent { tag, result, rest } => self.sent(Slot::from_tag(tag), result, rest),
            }
            self.settle();
        }
    }

    fn take_readiness(&mut self, events: &mut Events) {
        if self.poll.poll(events, Some(Duration::ZERO)).is_ok() {
            for event in &*events {
                self.ready(event);
                self.settle();
            }
        }
        if let Some(ring) = &mut self.ring {
            ring.watch(self.poll.as_raw_fd());
        }
    }

    /// From now on the ring receives for it. Without a ring, nothing.
    pub(super) fn receive_by_ring(&mut self, slot: Slot) {
        if self.ring.is_none() {
            return;
        }
        if let Some(connection) = self.get(slot) {
            connection.by_ring = true;
            connection.writes_watched = false;
        }
        self.arm(slot);
    }

    /// Arms the receive where it should be and isn't.
    pub(super) fn arm(&mut self, slot: Slot) {
        let Some(connection) = self.conns.get_mut(slot.key()) else {
            return;
        };
        if connection.generation != slot.generation()
            || !connection.by_ring
            || connection.armed
            || connection.ended
            || !matches!(connection.phase, Phase::Open)
            || connection.held_by.is_some()
            // One that waits for a server is still listened to, for its end.
            || (connection.paused && connection.retained.len() >= KEPT_MAX)
        {
            return;
        }
        if let Some(ring) = &mut self.ring {
            connection.armed = true;
            connection.stopping = false;
            ring.receive(connection.socket.as_raw_fd(), slot.tag());
        }
    }

    /// Ends the receive. A few pieces may still come: the kernel takes up to 32 in one go.
    pub(super) fn disarm(&mut self, slot: Slot) {
        if let Some(connection) = self.conns.get_mut(slot.key())
            && connection.generation == slot.generation()
            && connection.armed
            && !connection.stopping
            && let Some(ring) = &mut self.ring
        {
            connection.stopping = true;
            ring.stop_receiving(slot.tag());
        }
    }

    fn received(&mut self, slot: Slot, result: io::Result<Option<Lease>>, armed: bool) {
        if self.get(slot).is_none() {
            if let (Ok(Some(lease)), Some(ring)) = (result, &mut self.ring) {
                ring.give_back(lease);
            }
            return;
        }
        match result {
            Ok(Some(lease)) => {
                self.now = self.clock.now();
                self.took(slot, lease);
            }
            Ok(None) => {
                if let Some(connection) = self.get(slot) {
                    connection.ended = true;
                }
                self.at_end(slot);
            }
            // All buffers were out, or it was told to end: what is in the socket stays there.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOBUFS | libc::ECANCELED)) => {}
            Err(_) => {
                if let Some(connection) = self.get(slot) {
                    connection.ended = true;
                    if matches!(connection.phase, Phase::Closing) {
                        return self.drop_connection(slot);
                    }
                }
                self.at_end(slot);
            }
        }
        if !armed {
            if let Some(connection) = self.get(slot) {
                connection.armed = false;
            }
            self.arm(slot);
        }
    }

    /// Bytes came.
    fn took(&mut self, slot: Slot, lease: Lease) {
        let Some(connection) = self.get(slot) else {
            return;
        };
        if let (Phase::Open, Some(conn)) = (&connection.phase, connection.conn) {
            if connection.may_present() && connection.retained.is_empty() {
                self.lent = Some(Lent::of(&lease));
                let consumed = self.present(slot, conn, lease.bytes());
                self.lent = None;
                if let Some(connection) = self.get(slot) {
                    let left = &lease.bytes()[consumed..];
                    if !left.is_empty() {
                        connection.retained = left.to_vec();
                    }
                }
            } else {
                connection.retained.extend_from_slice(lease.bytes());
                if connection.may_present() {
                    self.present_retained(slot);
                } else if connection.retained.len() >= KEPT_MAX {
                    self.disarm(slot);
                }
            }
        }
        if let Some(ring) = &mut self.ring {
            ring.give_back(lease);
        }
    }

    /// Its end has come, and is told once what came before it has been.
    pub(super) fn at_end(&mut self, slot: Slot) {
        let Some(connection) = self.get(slot) else {
            return;
        };
        // A closing one isn't listened to any more: its peer may still read our last words.
        if let (Phase::Open, Some(conn)) = (&connection.phase, connection.conn) {
            // A waiting client that leaves must leave the queue too, so its end counts although
            // what it sent before isn't read.
            let leaves = connection.paused && matches!(conn, Conn::Client(_));
            if connection.may_present() || leaves {
                self.lost(slot, conn);
            }
        }
    }

    /// Has its bytes presented that came while the engine didn't want any.
    pub(super) fn read_kept(&mut self, slot: Slot) {
        let Some(connection) = self.get(slot) else {
            return;
        };
        if !connection.may_present() {
            return;
        }
        if !connection.retained.is_empty() {
            self.present_retained(slot);
            self.settle();
        }
        let Some(connection) = self.get(slot) else {
            return;
        };
        if connection.ended {
            self.at_end(slot);
        } else {
            self.arm(slot);
        }
    }

    /// Sends, or queues behind what is under way. `source` made it necessary.
    pub(super) fn send_by_ring(
        &mut self,
        slot: Slot,
        pieces: &[IoSlice<'_>],
        source: Option<Slot>,
    ) {
        let connection = &mut self.conns[slot.key()];
        let Some(ring) = &mut self.ring else {
            return;
        };
        if connection.sending || connection.unsent.is_some() {
            self.queue_unsent(slot, pieces, 0, source);
            return;
        }
        connection.sending = true;
        let fd = connection.socket.as_raw_fd();
        match (pieces, self.lent) {
            ([piece], Some(lent)) if piece.len() >= LEND_MIN && lent.start_of(piece).is_some() => {
                ring.send_from(fd, slot.tag(), &lent, piece);
            }
            _ => ring.send_copied(fd, slot.tag(), pieces),
        }
    }

    fn sent(&mut self, slot: Slot, result: io::Result<()>, rest: Vec<u8>) {
        let Some(connection) = self.conns.get_mut(slot.key()) else {
            return;
        };
        if connection.generation != slot.generation() {
            return;
        }
        connection.sending = false;
        if result.is_err() {
            return self.write_failed(slot);
        }
        if !rest.is_empty() {
            connection.unsent.get_or_insert_default().put_back(rest);
            if !connection.stalled {
                connection.stalled = true;
                if let Some(conn) = connection.conn {
                    self.todo.push_back(Todo::Stalled(conn, true));
                }
            }
        }
        self.send_unsent(slot);
    }

    /// The next piece of what is queued, or the end of the queue.
    fn send_unsent(&mut self, slot: Slot) {
        let connection = &mut self.conns[slot.key()];
        if let Some(unsent) = &mut connection.unsent
            && unsent.len() > 0
        {
            let short = unsent.len() < UNSENT_LOW;
            let bytes = unsent.take();
            let holds = if short {
                std::mem::take(&mut unsent.holds)
            } else {
                Vec::new()
            };
            connection.sending = true;
            let fd = connection.socket.as_raw_fd();
            if let Some(ring) = &mut self.ring {
                ring.send_owned(fd, slot.tag(), bytes, connection.stalled);
            }
            self.release(slot, holds);
            return;
        }
        let holds = connection.unsent.take().map(|u| u.holds);
        let was_stalled = std::mem::take(&mut connection.stalled);
        let conn = connection.conn;
        let closing = matches!(connection.phase, Phase::Closing);
        self.release(slot, holds.unwrap_or_default());
        if closing {
            self.finish(slot);
        } else if let (true, Some(conn)) = (was_stalled, conn) {
            self.todo.push_back(Todo::Stalled(conn, false));
        }
    }

    /// The ring lets go of a connection's socket.
    pub(super) fn bury(&mut self, connection: Connection, slot: Slot) {
        let Some(ring) = &mut self.ring else {
            return;
        };
        // What is under way holds the socket, so dropping it alone would close nothing.
        if connection.kept_open {
            ring.stop_receiving(slot.tag());
        } else if connection.armed || connection.sending {
            let _ = connection.socket.shutdown(std::net::Shutdown::Both);
        }
        ring.close(connection.socket);
    }
}
