//! A client connection, as the engine sees it.
//!
//! ```text
//! Startup ─▶ (Lookup) ─▶ Auth ─▶ Welcome (its pool's first server is being opened) ─▶ Ready ─▶ gone
//!                └─▶ Console
//! ```
//!
//! A client in `Ready` is idle, waiting (`waiting` is set, it stands in its pool's queue), or
//! linked (`server` is set); never two of these.

use std::sync::Arc;

use weir_model::{Fingerprint, Instant, Pin, PoolId, ServerId};

use crate::login::{Asking, Auth};
use crate::prepared::Extended;
use crate::session::Held;
use crate::session_settings::{Params, Session};
use crate::tls::Secured;

/// How far a client has come.
pub(crate) enum Phase {
    /// Its startup packet hasn't come.
    Startup,
    /// It proves who it is.
    Auth(Box<Auth>),
    /// Somebody asks PostgreSQL who it may be.
    Lookup(Box<Asking>),
    /// Its pool opens a first server, whose ParameterStatus values are its welcome.
    Welcome,
    /// It may ask.
    Ready,
    /// It talks to the admin console. True while an answer is under way.
    Console(bool),
}

/// A cancel request met the client in the queue: its question is answered with 57014.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// None did.
    No,
    /// The answer is to be given to the next message.
    Due,
    /// It was given; what follows is ignored until Sync.
    UntilSync,
}

impl Cancelled {
    /// A cancel request was taken, and the client has not yet done with its consequences.
    pub(crate) fn is_underway(self) -> bool {
        match self {
            Self::No => false,
            Self::Due | Self::UntilSync => true,
        }
    }
}

/// A client that stands in the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// When it asked.
    pub(crate) arrived: Instant,
    /// How many stood there when it came.
    pub(crate) ahead: u32,
    /// Its place: an entry of the queue with another number is stale.
    pub(crate) ticket: u64,
    /// It was told that it waits.
    pub(crate) notified: bool,
}

/// Which pins hold a client on its server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pins(u8);

const PINS: [Pin; 7] = [
    Pin::Listen,
    Pin::AdvisoryLock,
    Pin::TemporaryObject,
    Pin::HoldCursor,
    Pin::SqlPrepare,
    Pin::SessionSetting,
    Pin::Backend,
];

impl Pins {
    fn bit(pin: Pin) -> u8 {
        match pin {
            Pin::Listen => 1,
            Pin::AdvisoryLock => 2,
            Pin::TemporaryObject => 4,
            Pin::HoldCursor => 8,
            Pin::SqlPrepare => 16,
            Pin::SessionSetting => 32,
            Pin::Backend => 64,
        }
    }

    pub(crate) fn has(self, pin: Pin) -> bool {
        self.0 & Self::bit(pin) != 0
    }

    pub(crate) fn any(self) -> bool {
        self.0 != 0
    }

    /// True if it wasn't there.
    pub(crate) fn add(&mut self, pin: Pin) -> bool {
        let had = self.has(pin);
        self.0 |= Self::bit(pin);
        !had
    }

    /// True if it was there.
    pub(crate) fn remove(&mut self, pin: Pin) -> bool {
        let had = self.has(pin);
        self.0 &= !Self::bit(pin);
        had
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Pin> {
        PINS.into_iter().filter(move |pin| self.has(*pin))
    }
}

/// One client. Small: there are thousands of idle ones.
pub(crate) struct Client {
    pub(crate) addr: Arc<str>,
    /// What TLS settled; `None`: there is none.
    pub(crate) tls: Option<Arc<Secured>>,
    /// It began TLS without asking.
    pub(crate) direct_tls: bool,
    pub(crate) phase: Phase,
    pub(crate) connected: Instant,
    /// When it became idle, began to wait, …
    pub(crate) since: Instant,
    /// Empty until its startup packet came.
    pub(crate) user: Arc<str>,
    pub(crate) application: Arc<str>,
    pub(crate) pool: Option<PoolId>,
    /// What it must show to cancel: PID and key.
    pub(crate) key: (i32, i32),
    pub(crate) server: Option<ServerId>,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) cancelled: Cancelled,
    /// Bytes of the present message that are still to come and pass uninspected.
    pub(crate) stream: usize,
    /// These bytes go nowhere: nobody asked for them (COPY data after the COPY failed).
    pub(crate) stream_drops: bool,
    /// True while its driver was told not to read.
    pub(crate) paused: bool,
    /// True while the kernel doesn't take what was sent to it.
    pub(crate) stalled: bool,
    /// The last statement it sent.
    pub(crate) fingerprint: Fingerprint,
    /// Its settings as they were at login: what RESET returns to.
    pub(crate) base: Arc<Session>,
    /// Its settings.
    pub(crate) session: Arc<Session>,
    /// What it believes the server to report.
    pub(crate) params: Arc<Params>,
    pub(crate) pins: Pins,
    /// Session advisory locks it holds, by what it called.
    pub(crate) advisory_locks: u32,
    /// Names that hold its pins.
    pub(crate) held: Option<Box<Held>>,
    /// What the extended protocol left it with.
    pub(crate) extended: Option<Box<Extended>>,
}

impl Client {
    pub(crate) fn extended(&mut self) -> &mut Extended {
        self.extended.get_or_insert_default()
    }

    pub(crate) fn held(&mut self) -> &mut Held {
        self.held.get_or_insert_default()
    }

    /// A part of a message of its went to the server, and the rest hasn't come.
    pub(crate) fn is_half_sent(&self) -> bool {
        self.stream > 0 && !self.stream_drops
    }

    pub(crate) fn is_logging_in(&self) -> bool {
        match self.phase {
            Phase::Startup | Phase::Auth(_) | Phase::Lookup(_) | Phase::Welcome => true,
            Phase::Ready | Phase::Console(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_client_takes_little_memory() {
        assert!(size_of::<Client>() <= 320, "{}", size_of::<Client>());
    }

    #[test]
    fn pins_are_told_apart() {
        let mut pins = Pins::default();
        for pin in PINS {
            assert!(pins.add(pin));
            assert!(!pins.add(pin));
        }
        assert_eq!(pins.iter().count(), PINS.len());
        for pin in PINS {
            assert!(pins.remove(pin));
        }
        assert!(!pins.any());
    }
}
