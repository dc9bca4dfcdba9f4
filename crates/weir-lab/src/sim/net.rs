//! The network: byte streams that arrive in order, but late, torn, and sometimes not at all.

use std::collections::VecDeque;
use std::time::Duration;

use weir_engine::Conn;
use weir_model::Instant;

use super::roll::Roll;

/// Bytes on their way before the writer's kernel takes no more.
pub(crate) const WINDOW: usize = 96 * 1024;

/// What travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A part of the stream.
    Bytes(Vec<u8>),
    /// The stream ends.
    Fin,
    /// The stream is cut off.
    Reset,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    queue: VecDeque<(Instant, Piece)>,
    last: Instant,
    /// Sent and not yet read by the other side's program.
    pub(crate) unread: usize,
    /// Nothing arrives before this.
    pub(crate) stalled_until: Instant,
    ended: bool,
}

impl Pipe {
    /// Puts bytes on the way. Returns when something arrives.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        now: Instant,
        latency: Duration,
        torn: bool,
        roll: &mut Roll,
        wake: &mut Vec<Instant>,
    ) {
        if self.ended || bytes.is_empty() {
            return;
        }
        self.unread += bytes.len();
        let mut rest = bytes;
        while !rest.is_empty() {
            let n = if torn && roll.chance(0.3) {
                1 + roll.below(rest.len().min(2000))
            } else {
                rest.len().min(64 * 1024)
            };
            let (now_part, later) = rest.split_at(n);
            rest = later;
            let at = self.due(now, latency, roll);
            self.queue.push_back((at, Piece::Bytes(now_part.to_vec())));
            wake.push(at);
        }
    }

    /// Ends the stream, in order (`Fin`) or at once (`Reset`: what is on the way is lost).
    pub(crate) fn end(
        &mut self,
        piece: Piece,
        now: Instant,
        latency: Duration,
        roll: &mut Roll,
    ) -> Option<Instant> {
        if self.ended {
            return None;
        }
        self.ended = true;
        if piece == Piece::Reset {
            self.queue.clear();
            self.stalled_until = Instant::ZERO;
        }
        let at = self.due(now, latency, roll);
        self.queue.push_back((at, piece));
        Some(at)
    }

    fn due(&mut self, now: Instant, latency: Duration, roll: &mut Roll) -> Instant {
        let at = now
            .after(roll.around(latency))
            .max(self.last)
            .max(self.stalled_until);
        self.last = at;
        at
    }

    /// What has arrived by now.
    pub(crate) fn arrived(&mut self, now: Instant) -> Option<Piece> {
        if self.queue.front().is_some_and(|(at, _)| *at <= now) {
            return self.queue.pop_front().map(|(_, piece)| piece);
        }
        None
    }
}

/// Who sits at the other end of one of Weir's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A client, by number, and which of its connections.
    Client(usize, u32),
    /// A client that only sends a cancel request.
    Canceller,
    /// A backend of PostgreSQL, by number.
    Server(usize),
}

/// One of Weir's sockets with its peer.
#[derive(Debug)]
pub(crate) struct Sock {
    pub(crate) conn: Conn,
    pub(crate) peer: Peer,
    /// Weir has it open.
    pub(crate) open: bool,
    /// Weir flushes it and then closes it.
    pub(crate) closing: bool,
    /// Arrived, not yet read by Weir.
    pub(crate) rx: Vec<u8>,
    /// What ended the stream towards Weir.
    pub(crate) rx_end: Option<Piece>,
    /// Read by Weir and not consumed by the engine.
    pub(crate) retained: Vec<u8>,
    /// The engine doesn't want to read.
    pub(crate) paused: bool,
    /// Not read because this many of those it writes to are full.
    pub(crate) choked: bool,
    /// Queued in Weir.
    pub(crate) out: Vec<u8>,
    /// The engine was told that the kernel takes no more.
    pub(crate) stalled: bool,
    /// Whose reading stopped because of `out`.
    pub(crate) chokes: Vec<usize>,
    pub(crate) to_weir: Pipe,
    pub(crate) to_peer: Pipe,
}

impl Sock {
    pub(crate) fn new(conn: Conn, peer: Peer) -> Self {
        Self {
            conn,
            peer,
            open: true,
            closing: false,
            rx: Vec::new(),
            rx_end: None,
            retained: Vec::new(),
            paused: false,
            choked: false,
            out: Vec::new(),
            stalled: false,
            chokes: Vec::new(),
            to_weir: Pipe::default(),
            to_peer: Pipe::default(),
        }
    }
}
