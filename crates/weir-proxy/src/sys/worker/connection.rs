//! One socket and the little that goes with it.

use std::io::{self, IoSlice};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use socket2::Socket;
use std::os::fd::AsRawFd;
use weir_engine::Conn;

use super::dial::{Cancel, Dialing};
use crate::tls::Tls;

/// A place in the worker's table together with its generation, so that a late event, or a note
/// about a connection that is gone, can't be taken for one about its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot(u64);

impl Slot {
    pub(super) fn new(key: usize, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | key as u64 & 0xffff_ffff)
    }

    pub(super) fn key(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    pub(super) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// As the ring names it: generations have 31 bits, so the highest is clear.
    pub(super) fn tag(self) -> u64 {
        self.0
    }

    pub(super) fn from_tag(tag: u64) -> Self {
        Self(tag)
    }
}

impl From<Slot> for Token {
    fn from(slot: Slot) -> Token {
        Token(slot.0 as usize)
    }
}

impl From<Token> for Slot {
    fn from(token: Token) -> Slot {
        Slot(token.0 as u64)
    }
}

/// What a connection is good for now.
#[derive(Debug)]
pub(super) enum Phase {
    /// The kernel hasn't connected it yet.
    Dialing(Box<Dialing>),
    /// Serves.
    Open,
    /// The engine has let go of it; flushes what is queued, then closes.
    Closing,
    /// Has sent a CancelRequest and waits for PostgreSQL to close, and so does the one who asked.
    Cancelling(Box<Cancel>),
}

/// Bytes that one send of the ring takes from a queue.
const SEND_MAX: usize = 64 * 1024;

/// Bytes that the kernel didn't take yet.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    /// What the ring's last send left, before everything else.
    front: Vec<u8>,
    bytes: Vec<u8>,
    start: usize,
    /// Who isn't read from until this is short again.
    pub(super) holds: Vec<Slot>,
}

impl Unsent {
    pub(super) fn len(&self) -> usize {
        self.front.len() + self.bytes.len() - self.start
    }

    /// Appends what is left of `parts` after the first `skip` bytes.
    pub(super) fn append(&mut self, parts: &[IoSlice<'_>], mut skip: usize) {
        if self.start > 0 && self.start >= self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        for part in parts {
            let cut = skip.min(part.len());
            skip -= cut;
            self.bytes.extend_from_slice(&part[cut..]);
        }
    }

    /// Puts back in front what the ring's send didn't take.
    pub(super) fn put_back(&mut self, rest: Vec<u8>) {
        debug_assert!(self.front.is_empty(), "one send is under way at a time");
        self.front = rest;
    }

    /// The next bytes, at most [`SEND_MAX`] at a time so that what a send leaves is cheap to move.
    pub(super) fn take(&mut self) -> Vec<u8> {
        if !self.front.is_empty() {
            return std::mem::take(&mut self.front);
        }
        if self.start == 0 && self.bytes.len() <= SEND_MAX {
            return std::mem::take(&mut self.bytes);
        }
        let end = self.bytes.len().min(self.start + SEND_MAX);
        let next = self.bytes[self.start..end].to_vec();
        self.start = end;
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
        next
    }

    /// Writes until all is gone or the kernel takes no more. True: all is gone.
    pub(super) fn flush(&mut self, socket: &Socket) -> io::Result<bool> {
        while self.start < self.bytes.len() {
            match socket.send(&self.bytes[self.start..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.start += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }
}

/// One socket and the little that goes with it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Socket,
    pub(super) generation: u32,
    pub(super) phase: Phase,
    /// What the engine calls it; `None` where the engine doesn't know it (any more).
    pub(super) conn: Option<Conn>,
    /// There may be something to read: an edge came, and no read has found the socket empty since.
    pub(super) readable: bool,
    /// The peer has closed its side: a short read doesn't mean that there is no more, the end is.
    pub(super) ended: bool,
    /// The engine doesn't want to be told more yet.
    pub(super) paused: bool,
    /// The retained bytes are to be presented before anything is read.
    pub(super) present: bool,
    /// Stands in the list of those that have more to read.
    pub(super) queued: bool,
    /// Watched for writing too.
    pub(super) writes_watched: bool,
    /// Received from and sent to by the ring; the fields below are for that alone.
    pub(super) by_ring: bool,
    /// A receive is under way…
    pub(super) armed: bool,
    /// … and was told to end.
    pub(super) stopping: bool,
    /// A send is under way.
    pub(super) sending: bool,
    /// The kernel didn't take all of one, and the engine knows.
    pub(super) stalled: bool,
    /// Somebody else holds the socket too, and its peer is to see no end yet.
    pub(super) kept_open: bool,
    /// Not read from until that one's unsent bytes are few again.
    pub(super) held_by: Option<Slot>,
    /// Whom the last bytes were for: where to look first.
    pub(super) peer: Option<Slot>,
    /// Received, but not consumed by the engine.
    pub(super) retained: Vec<u8>,
    /// Its TLS, if it has any: then the bytes of the socket aren't the engine's.
    pub(super) tls: Option<Box<Tls>>,
    /// Not taken by the kernel yet.
    pub(super) unsent: Option<Box<Unsent>>,
}

impl Connection {
    pub(super) fn new(socket: Socket, phase: Phase, conn: Option<Conn>) -> Self {
        Self {
            socket,
            generation: 0,
            phase,
            conn,
            readable: false,
            ended: false,
            paused: false,
            present: false,
            queued: false,
            writes_watched: false,
            by_ring: false,
            armed: false,
            stopping: false,
            sending: false,
            stalled: false,
            kept_open: false,
            held_by: None,
            peer: None,
            retained: Vec::new(),
            tls: None,
            unsent: None,
        }
    }

    /// The engine may be told about this one's bytes now.
    pub(super) fn may_present(&self) -> bool {
        matches!(self.phase, Phase::Open) && !self.paused && self.held_by.is_none()
    }

    /// Under the ring: something of it waited until it may be presented.
    pub(super) fn ring_waits(&self) -> bool {
        self.by_ring && (self.ended || !self.armed || !self.retained.is_empty())
    }

    /// Bytes of memory beside the struct itself.
    pub(super) fn buffered(&self) -> usize {
        self.retained.len()
            + self.unsent.as_ref().map_or(0, |u| u.len())
            + self.tls.as_ref().map_or(0, |t| t.buffered())
    }

    pub(super) fn watch(
        &mut self,
        registry: &Registry,
        slot: Slot,
        writes: bool,
    ) -> io::Result<()> {
        self.writes_watched = writes;
        registry.register(
            &mut SourceFd(&self.socket.as_raw_fd()),
            slot.into(),
            interest(writes),
        )
    }

    /// Like every re-arming of an edge, this reports what is ready already.
    pub(super) fn watch_writes(
        &mut self,
        registry: &Registry,
        slot: Slot,
        writes: bool,
    ) -> io::Result<()> {
        if self.writes_watched == writes {
            return Ok(());
        }
        self.writes_watched = writes;
        registry.reregister(
            &mut SourceFd(&self.socket.as_raw_fd()),
            slot.into(),
            interest(writes),
        )
    }
}

// A Unix socket watched for writing wakes us whenever its peer reads, hence not always.
fn interest(writes: bool) -> Interest {
    if writes {
        Interest::READABLE | Interest::WRITABLE
    } else {
        Interest::READABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_keeps_its_key_and_generation_apart() {
        let slot = Slot::new(70_000, 3);
        assert_eq!((slot.key(), slot.generation()), (70_000, 3));
        assert_ne!(slot, Slot::new(70_000, 4));
        assert_eq!(Slot::from(Token::from(slot)), slot);
    }

    #[test]
    fn what_was_sent_already_is_not_queued_again() {
        let mut unsent = Unsent::default();
        unsent.append(&[IoSlice::new(b"abc"), IoSlice::new(b"defg")], 4);
        unsent.append(&[IoSlice::new(b"h")], 0);
        assert_eq!(unsent.bytes, b"efgh");
    }
}
