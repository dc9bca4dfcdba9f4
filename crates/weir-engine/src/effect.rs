//! What the engine asks of its driver.

use std::ops::Range;
use std::sync::Arc;

use weir_model::{ClientId, Event, ServerId, TlsSettings};

/// A socket, as engine and driver name it to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conn {
    /// An application's connection.
    Client(ClientId),
    /// A connection to PostgreSQL.
    Server(ServerId),
}

/// One thing to do. Effects are performed in order; one for a connection that is gone is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write `bytes[range]` of the slice just given to `received`.
    Forward {
        /// To whom.
        to: Conn,
        /// Which bytes.
        range: Range<usize>,
    },
    /// Write `fx.scratch[range]`: bytes that the engine made.
    Send {
        /// To whom.
        to: Conn,
        /// Which bytes.
        range: Range<usize>,
    },
    /// Open a connection to PostgreSQL and report with `dialed`. The timeout is the engine's own.
    Dial {
        /// Its name from now on.
        server: ServerId,
        /// Host name, address, or directory of a Unix socket (begins with `/`).
        host: Arc<str>,
        /// Port.
        port: u16,
    },
    /// From here on, `conn`'s bytes are TLS: what was written before goes as it is, what comes from
    /// now on (and what was just given to `received` and not consumed) is the handshake's. Report
    /// with `secured` or `tls_failed`.
    StartTls {
        /// Which.
        conn: Conn,
        /// Towards a server: the name that was dialled, and how. `None`: a client's, whom we show
        /// our certificate.
        with: Option<(Arc<str>, Arc<TlsSettings>)>,
    },
    /// Flush what is queued for it (at most a second), then close. `closed` isn't reported.
    Close {
        /// Which.
        conn: Conn,
    },
    /// Don't read from it until [`Effect::ResumeReading`]: its socket is the buffer.
    PauseReading {
        /// Which.
        conn: Conn,
    },
    /// Present the retained bytes again with `received`, then read again.
    ResumeReading {
        /// Which.
        conn: Conn,
    },
    /// Open a throw-away connection, write `bytes` (a CancelRequest), wait for its end, close.
    Cancel {
        /// Host, as in [`Effect::Dial`].
        host: Arc<str>,
        /// Port.
        port: u16,
        /// The request.
        bytes: Vec<u8>,
        /// Through TLS, as the connection that it is about.
        tls: Option<Arc<TlsSettings>>,
        /// The client that asked for it. Its socket stays open until the request is delivered, as
        /// PostgreSQL's would: its driver takes the end for "done", and asks its next question.
        /// [`Effect::Close`] for it follows.
        asked_by: Option<ClientId>,
    },
    /// Draining is over: the worker may exit.
    Exit,
}

/// What one call brought about. Reused between calls: perform, then [`Effects::clear`].
#[derive(Debug, Default)]
pub struct Effects {
    /// What to do to sockets, in order.
    pub list: Vec<Effect>,
    /// Bytes that [`Effect::Send`] speaks of.
    pub scratch: Vec<u8>,
    /// What control should know.
    pub events: Vec<Event>,
}

impl Effects {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties all, and gives memory back that an unusual call needed.
    pub fn clear(&mut self) {
        self.list.clear();
        self.scratch.clear();
        self.events.clear();
        if self.scratch.capacity() > 256 * 1024 {
            self.scratch = Vec::new();
        }
    }

    /// Queues bytes that `write` makes.
    pub(crate) fn send_with(&mut self, to: Conn, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.scratch.len();
        write(&mut self.scratch);
        let end = self.scratch.len();
        if end == start {
            return;
        }
        if let Some(Effect::Send { to: last, range }) = self.list.last_mut()
            && *last == to
            && range.end == start
        {
            range.end = end;
        } else {
            self.list.push(Effect::Send {
                to,
                range: start..end,
            });
        }
    }

    /// Queues a range of what was received; joins it with the one before where they touch.
    pub(crate) fn forward(&mut self, to: Conn, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if let Some(Effect::Forward {
            to: last,
            range: before,
        }) = self.list.last_mut()
            && *last == to
            && before.end == range.start
        {
            before.end = range.end;
        } else {
            self.list.push(Effect::Forward { to, range });
        }
    }
}
