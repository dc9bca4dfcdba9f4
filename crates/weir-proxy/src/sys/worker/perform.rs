//! What each effect does to the sockets, and back-pressure, which is this driver's alone.
//!
//! When the unsent bytes of B exceed the high-water mark, whoever made them (A) isn't read from
//! until they are below the low one. If A is a server that the engine has since given to
//! another client, the first bytes written to A on that client's behalf set it free: a client
//! that doesn't read its reply may not keep others from theirs.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use socket2::Socket;
use weir_engine::{Conn, Effect, Effects};
use weir_model::Event;

use super::connection::{Phase, Slot, Unsent};
use super::dial::{Cancel, Purpose};
use super::turn::{Todo, Worker};

/// Above this many unsent bytes their maker isn't read from…
const UNSENT_HIGH: usize = 256 * 1024;

/// … until there are fewer than this.
pub(super) const UNSENT_LOW: usize = 64 * 1024;

/// How long a connection may take what is queued for it when it is being closed.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Pieces given to the kernel in one write.
const PIECES_MAX: usize = 16;

/// Pieces that are no more than this together are joined before they are written.
const JOIN_MAX: usize = 2048;

/// Bytes read and thrown away before a close, so that the kernel doesn't reset the connection
/// because of them and takes our last message to the peer with it.
const DISCARD_MAX: usize = 16 * 1024;

impl Worker {
    /// Carries out what the last call of the engine wants. `bytes` is what it was given, `source`
    /// who sent that. May leave things in `todo`; never calls the engine itself.
    pub(super) fn perform(&mut self, source: Option<Slot>, bytes: &[u8]) {
        if self.fx.list.is_empty() && self.fx.events.is_empty() {
            return;
        }
        let mut fx = std::mem::take(&mut self.fx);
        // Before the bytes: who reads of an error finds it in the log already.
        for event in fx.events.drain(..) {
            self.reporter.event(event);
        }
        let mut effects = fx.list.iter().peekable();
        while let Some(effect) = effects.next() {
            match effect {
                Effect::Forward { to, .. } | Effect::Send { to, .. } => {
                    let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
                    pieces[0] = IoSlice::new(piece(effect, bytes, &fx));
                    let mut count = 1;
                    while count < PIECES_MAX
                        && let Some(next) = effects.next_if(|next| goes_to(next, *to))
                    {
                        pieces[count] = IoSlice::new(piece(next, bytes, &fx));
                        count += 1;
                    }
                    self.write(*to, &pieces[..count], source);
                }
                Effect::Dial { server, host, port } => {
                    self.dial(host, *port, Purpose::Server(*server));
                }
                Effect::StartTls { conn, with } => {
                    self.start_tls(*conn, with.as_ref(), source);
                    self.sealing.began = !bytes.is_empty();
                }
                Effect::Close { conn } => self.close(*conn),
                Effect::PauseReading { conn } => {
                    if let Some(slot) = self.find(*conn, source) {
                        let connection = &mut self.conns[slot.key()];
                        connection.paused = true;
                        connection.present = false;
                    }
                }
                Effect::ResumeReading { conn } => {
                    if let Some(slot) = self.find(*conn, source) {
                        let connection = &mut self.conns[slot.key()];
                        connection.paused = false;
                        connection.present = true;
                        self.todo.push_back(Todo::Present(slot));
                    }
                }
                Effect::Cancel {
                    host,
                    port,
                    bytes,
                    tls,
                    asked_by,
                } => {
                    let asker = asked_by.and_then(|id| self.keep_open(Conn::Client(id)));
                    let tls = tls.as_ref().map(|tls| (Arc::clone(host), Arc::clone(tls)));
                    let cancel = Cancel {
                        bytes: bytes.clone(),
                        asker,
                        tls,
                    };
                    self.dial(host, *port, Purpose::Cancel(Box::new(cancel)));
                }
                Effect::Exit => self.exit_at = Some(self.now.after(FLUSH_TIMEOUT)),
            }
        }
        fx.clear();
        self.fx = fx;
    }

    /// Writes, or queues what the kernel doesn't take.
    fn write(&mut self, to: Conn, pieces: &[IoSlice<'_>], source: Option<Slot>) {
        let Some(slot) = self.find(to, source) else {
            return;
        };
        let connection = &mut self.conns[slot.key()];
        if let Some(holder) = connection.held_by
            && Some(holder) != source
        {
            connection.held_by = None;
            self.queue(slot);
        }
        let connection = &mut self.conns[slot.key()];
        if matches!(connection.phase, Phase::Dialing(_)) {
            // The engine writes only to whom it was told is there.
            return;
        }
        if connection.tls.is_some() {
            return self.write_sealed(slot, pieces, source);
        }
        self.write_raw(slot, pieces, source);
    }

    /// Writes to the socket as it is, or queues what the kernel doesn't take.
    pub(super) fn write_raw(&mut self, slot: Slot, pieces: &[IoSlice<'_>], source: Option<Slot>) {
        let connection = &mut self.conns[slot.key()];
        if connection.by_ring {
            return self.send_by_ring(slot, pieces, source);
        }
        let total: usize = pieces.iter().map(|p| p.len()).sum();
        let mut taken = 0;
        if connection.unsent.is_none() {
            match send(&connection.socket, pieces, total) {
                Ok(n) if n == total => return,
                Ok(n) => taken = n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return self.write_failed(slot),
            }
            if self.watch_writes(slot, true).is_err() {
                return self.write_failed(slot);
            }
            if let Some(conn) = self.conns[slot.key()].conn {
                self.todo.push_back(Todo::Stalled(conn, true));
            }
        }
        self.queue_unsent(slot, pieces, taken, source);
    }

    /// Queues what is left of `pieces` after the first `taken` bytes. Where too much is queued,
    /// `source` isn't read from for a while.
    pub(super) fn queue_unsent(
        &mut self,
        slot: Slot,
        pieces: &[IoSlice<'_>],
        taken: usize,
        source: Option<Slot>,
    ) {
        let connection = &mut self.conns[slot.key()];
        let unsent = connection
            .unsent
            .get_or_insert_with(|| Box::new(Unsent::default()));
        unsent.append(pieces, taken);
        if unsent.len() > UNSENT_HIGH
            && let Some(source) = source
            && !unsent.holds.contains(&source)
        {
            unsent.holds.push(source);
            if let Some(maker) = self.get(source) {
                maker.held_by = Some(slot);
            }
            self.disarm(source);
        }
    }

    /// The kernel takes bytes again.
    pub(super) fn writable(&mut self, slot: Slot) {
        let Some(connection) = self.get(slot) else {
            return;
        };
        let Some(unsent) = &mut connection.unsent else {
            return;
        };
        match unsent.flush(&connection.socket) {
            Ok(true) => {
                let holds = std::mem::take(&mut unsent.holds);
                connection.unsent = None;
                self.release(slot, holds);
                if matches!(self.conns[slot.key()].phase, Phase::Closing) {
                    self.finish(slot);
                } else if self.watch_writes(slot, false).is_err() {
                    self.write_failed(slot);
                } else if let Some(conn) = self.conns[slot.key()].conn {
                    self.todo.push_back(Todo::Stalled(conn, false));
                }
            }
            Ok(false) => {
                if unsent.len() < UNSENT_LOW {
                    let holds = std::mem::take(&mut unsent.holds);
                    self.release(slot, holds);
                }
            }
            Err(_) => self.write_failed(slot),
        }
    }

    /// Lets those be read from again that were held because of `slot`.
    pub(super) fn release(&mut self, slot: Slot, holds: Vec<Slot>) {
        for held in holds {
            if let Some(connection) = self.get(held)
                && connection.held_by == Some(slot)
            {
                connection.held_by = None;
                self.queue(held);
            }
        }
    }

    /// The peer is gone for writing. What a server said last (57P01 and why) may still be there
    /// to read; a client's last words interest nobody, since no answer can reach it.
    pub(super) fn write_failed(&mut self, slot: Slot) {
        let Some(connection) = self.get(slot) else {
            return;
        };
        match (&connection.phase, connection.conn) {
            // The ring's receive brings its last words, and its end.
            (Phase::Open, Some(Conn::Server(_))) if connection.by_ring && !connection.ended => {
                let holds = connection.unsent.take().map(|u| u.holds);
                self.release(slot, holds.unwrap_or_default());
            }
            (Phase::Open, Some(Conn::Server(_))) if connection.readable || !connection.ended => {
                connection.readable = true;
                connection.ended = true;
                let holds = connection.unsent.take().map(|u| u.holds);
                self.release(slot, holds.unwrap_or_default());
                self.queue(slot);
            }
            (Phase::Open, Some(conn)) => {
                self.drop_connection(slot);
                self.todo.push_back(Todo::Closed(conn));
            }
            _ => self.drop_connection(slot),
        }
    }

    /// The engine has let go of it: the bytes on their way to it still go, for a second.
    fn close(&mut self, conn: Conn) {
        let Some(slot) = self.find(conn, None) else {
            if let Conn::Server(server) = conn {
                self.forget_unnamed(server);
            }
            return;
        };
        if matches!(self.conns[slot.key()].phase, Phase::Open) {
            self.close_tls(slot);
            if self.get(slot).is_none() {
                return;
            }
        }
        self.names.remove(conn);
        let until = self.now.after(FLUSH_TIMEOUT);
        let connection = &mut self.conns[slot.key()];
        connection.conn = None;
        connection.retained = Vec::new();
        let queued = connection.sending || connection.unsent.is_some();
        if queued && matches!(connection.phase, Phase::Open) {
            connection.phase = Phase::Closing;
            let holds = connection.unsent.as_mut().map(|u| &mut u.holds);
            let holds = holds.map(std::mem::take).unwrap_or_default();
            self.closing.push((slot, until));
            self.release(slot, holds);
        } else {
            self.finish(slot);
        }
    }

    /// There will be no TLS, or no more of it. The engine closes the connection, behind the alert
    /// that is on its way.
    pub(super) fn todo_tls_failed(&mut self, slot: Slot, says: String) {
        let Some(connection) = self.get(slot) else {
            return;
        };
        match connection.conn {
            Some(conn) => self.todo.push_back(Todo::TlsFailed(conn, says)),
            None => self.drop_connection(slot),
        }
    }

    /// The socket once more, so that its peer sees no end before this one is dropped, too.
    fn keep_open(&mut self, conn: Conn) -> Option<Socket> {
        let slot = self.find(conn, None)?;
        let connection = &mut self.conns[slot.key()];
        let kept = connection.socket.try_clone().ok()?;
        if connection.by_ring {
            connection.kept_open = true;
            return Some(kept);
        }
        let socket = &connection.socket;
        // The kernel's interest belongs to what both share; nothing is to be read from it.
        let fd = socket.as_raw_fd();
        self.poll.registry().deregister(&mut SourceFd(&fd)).ok()?;
        Some(kept)
    }

    /// Closes without a reset, as far as that is in our hands.
    pub(super) fn finish(&mut self, slot: Slot) {
        // To a peer that has closed its side a reset does no harm any more.
        if let Some(connection) = self.get(slot)
            && (connection.readable || connection.paused)
            && !connection.ended
        {
            let mut left = DISCARD_MAX;
            let mut sink = [0; 4096];
            while left > 0
                && let Ok(n) = io::Read::read(&mut &connection.socket, &mut sink)
                && n > 0
            {
                left = left.saturating_sub(n);
            }
        }
        self.drop_connection(slot);
    }

    fn watch_writes(&mut self, slot: Slot, writes: bool) -> io::Result<()> {
        self.conns[slot.key()].watch_writes(self.poll.registry(), slot, writes)
    }

    /// Drops the socket. Tells nobody: who calls knows whether the engine should hear of it.
    pub(super) fn drop_connection(&mut self, slot: Slot) {
        if self.get(slot).is_none() {
            return;
        }
        let mut connection = self.conns.remove(slot.key());
        if let Some(conn) = connection.conn {
            self.names.remove(conn);
        }
        let unsent = connection.unsent.take();
        if connection.by_ring {
            self.bury(connection, slot);
        }
        if let Some(unsent) = unsent {
            self.release(slot, unsent.holds);
        }
    }
}

fn goes_to(effect: &Effect, whom: Conn) -> bool {
    match effect {
        Effect::Forward { to, .. } | Effect::Send { to, .. } => *to == whom,
        _ => false,
    }
}

fn piece<'a>(effect: &Effect, bytes: &'a [u8], fx: &'a Effects) -> &'a [u8] {
    let (all, range): (&'a [u8], &Range<usize>) = match effect {
        Effect::Forward { range, .. } => (bytes, range),
        Effect::Send { range, .. } => (&fx.scratch, range),
        _ => return &[],
    };
    debug_assert!(range.end <= all.len(), "{effect:?} of {}", all.len());
    all.get(range.clone()).unwrap_or_default()
}

/// One write. Small pieces are joined first: gathering costs the kernel more than copying a
/// kilobyte costs us, and nearly all writes are small.
fn send(socket: &Socket, pieces: &[IoSlice<'_>], total: usize) -> io::Result<usize> {
    let mut room = [0; JOIN_MAX];
    let joined: &[u8] = match pieces {
        [one] => one,
        many if total <= JOIN_MAX => {
            let mut end = 0;
            for piece in many {
                room[end..end + piece.len()].copy_from_slice(piece);
                end += piece.len();
            }
            &room[..end]
        }
        many => return uninterrupted(|| socket.send_vectored(many)),
    };
    uninterrupted(|| socket.send(joined))
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Weir's own trouble, as an event.
pub(super) fn fault(says: String) -> Event {
    Event::Fault { says }
}
