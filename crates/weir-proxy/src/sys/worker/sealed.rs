//! Connections under TLS. What the kernel brings is opened here and then goes the way of plain
//! bytes; what the engine writes is sealed here and then goes theirs. So pausing, back-pressure
//! and queues are the same code, and a connection without TLS pays one look at a pointer.
//!
//! # What always holds
//! - Records leave in the order in which they were sealed: sealing is the last thing before a
//!   send or a queue that are in order.
//! - `retained` holds plain bytes; `tls` holds what isn't opened yet.

use std::io::{self, IoSlice, Read};
use std::sync::Arc;

use weir_engine::{Conn, Secured};
use weir_model::TlsSettings;

use super::completion::KEPT_MAX;
use super::connection::{Phase, Slot};
use super::turn::{RETAINED_COPY_MAX, Worker};
use crate::tls::{Ended, Tls, TlsContexts};

/// Handshakes' outcomes that clients share, since nearly all of them are alike.
const SHARED_MAX: usize = 16;

/// A buffer of the worker's that grew beyond this is given back.
const SPARE_MAX: usize = 256 * 1024;

/// The worker's part in TLS.
#[derive(Default)]
pub(super) struct Sealing {
    pub(super) contexts: Arc<TlsContexts>,
    /// TLS began during the last call of the engine: what it didn't consume isn't plain.
    pub(super) began: bool,
    shared: Vec<Arc<Secured>>,
    /// Room for plain bytes, sealed ones, and small pieces that are joined.
    plain: Vec<u8>,
    sealed: Vec<u8>,
    joined: Vec<u8>,
}

impl Sealing {
    pub(super) fn new(contexts: Arc<TlsContexts>) -> Self {
        Self {
            contexts,
            ..Self::default()
        }
    }

    fn share(&mut self, secured: Secured) -> Arc<Secured> {
        if let Some(known) = self.shared.iter().find(|known| ***known == secured) {
            return Arc::clone(known);
        }
        let secured = Arc::new(secured);
        // A certificate's name is one client's; and after a reload the old ones come no more.
        if secured.certificate.is_none() {
            if self.shared.len() >= SHARED_MAX {
                self.shared.clear();
            }
            self.shared.push(Arc::clone(&secured));
        }
        secured
    }
}

fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    if buffer.capacity() > SPARE_MAX {
        buffer = Vec::new();
    }
    buffer
}

impl Worker {
    /// From now on `conn`'s bytes are TLS.
    pub(super) fn start_tls(
        &mut self,
        conn: Conn,
        with: Option<&(Arc<str>, Arc<TlsSettings>)>,
        source: Option<Slot>,
    ) {
        let Some(slot) = self.find(conn, source) else {
            return;
        };
        match self.begin_tls(with) {
            Ok(tls) => {
                let connection = &mut self.conns[slot.key()];
                connection.tls = Some(Box::new(tls));
                // A client's handshake begins with us; an accepted one has nothing to say yet.
                if with.is_some() {
                    self.unseal(slot, &mut []);
                }
            }
            Err(says) => self.todo_tls_failed(slot, says),
        }
    }

    pub(super) fn begin_tls(
        &self,
        with: Option<&(Arc<str>, Arc<TlsSettings>)>,
    ) -> Result<Tls, String> {
        let contexts = &self.sealing.contexts;
        match with {
            None => match &contexts.clients {
                Some(acceptor) => Tls::accept(acceptor),
                None => Err("there is no certificate to show".to_owned()),
            },
            Some((host, settings)) => match contexts.server(settings) {
                Some(config) => Tls::connect(config, host),
                None => Err("its settings haven't been read".to_owned()),
            },
        }
    }

    /// What the engine left of `bytes` when TLS began: the handshake's first bytes.
    pub(super) fn rest_is_sealed(&mut self, slot: Slot, rest: &[u8]) {
        self.sealing.began = false;
        if self.get(slot).is_some_and(|c| c.tls.is_some()) && !rest.is_empty() {
            let mut rest = rest.to_vec();
            self.unseal(slot, &mut rest);
        }
    }

    /// One read of a connection under TLS. False: there is no more for now.
    pub(super) fn read_sealed(&mut self, slot: Slot) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        let more = self.read_into(slot, &mut buffer);
        self.buffer = buffer;
        more
    }

    fn read_into(&mut self, slot: Slot, buffer: &mut [u8]) -> bool {
        let Some(connection) = self.conns.get_mut(slot.key()) else {
            return false;
        };
        let Some(conn) = connection.conn else {
            return false;
        };
        match (&connection.socket).read(buffer) {
            Ok(n) if n > 0 => {
                let more = n == buffer.len() || connection.ended;
                if !more {
                    connection.readable = false;
                }
                self.now = self.clock.now();
                self.unseal(slot, &mut buffer[..n]);
                more
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && !connection.ended => {
                connection.readable = false;
                false
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => true,
            Ok(_) | Err(_) => {
                self.lost_sealed(slot, conn);
                false
            }
        }
    }

    /// The socket's end: in the middle of a handshake that is worth a word.
    pub(super) fn lost_sealed(&mut self, slot: Slot, conn: Conn) {
        let open = self
            .get(slot)
            .and_then(|c| c.tls.as_ref())
            .is_none_or(|tls| tls.is_open());
        if open {
            return self.lost(slot, conn);
        }
        self.todo_tls_failed(
            slot,
            "the connection was closed in the middle of the handshake".to_owned(),
        );
        self.settle();
    }

    /// Opens what came, and presents it.
    pub(super) fn unseal(&mut self, slot: Slot, chunk: &mut [u8]) {
        let Some(connection) = self.get(slot) else {
            return;
        };
        let Some(mut tls) = connection.tls.take() else {
            return;
        };
        // As in `read_once`: what is large stays where it is, what is small is copied.
        let own = connection.retained.len() > RETAINED_COPY_MAX;
        let mut plain = if own {
            std::mem::take(&mut connection.retained)
        } else {
            let mut plain = std::mem::take(&mut self.sealing.plain);
            plain.clear();
            plain.append(&mut self.conns[slot.key()].retained);
            plain
        };
        let mut out = std::mem::take(&mut self.sealing.sealed);
        out.clear();
        let received = tls.receive(chunk, &mut plain, &mut out);
        let secured = received.shaken.then(|| tls.secured());
        self.conns[slot.key()].tls = Some(tls);
        if !out.is_empty() {
            self.write_raw(slot, &[IoSlice::new(&out)], None);
        }
        self.sealing.sealed = emptied(out);
        if let Some(secured) = secured {
            self.shaken(slot, secured);
        }
        self.present_unsealed(slot, plain, own);
        match received.ended {
            None => {}
            Some(Ended::Closed) => {
                if let Some(connection) = self.get(slot) {
                    connection.ended = true;
                    connection.readable = true;
                }
                self.at_end(slot);
            }
            Some(Ended::Failed(says)) => self.todo_tls_failed(slot, says),
        }
    }

    fn shaken(&mut self, slot: Slot, secured: Secured) {
        let secured = self.sealing.share(secured);
        let Some(connection) = self.get(slot) else {
            return;
        };
        if let Some(conn) = connection.conn {
            self.engine.secured(conn, secured, self.now, &mut self.fx);
            self.perform(Some(slot), &[]);
        } else if let Phase::Cancelling(_) = connection.phase {
            self.send_cancel(slot);
        }
    }

    /// `plain`: what was retained, and behind it what was opened. `own`: it is the connection's.
    fn present_unsealed(&mut self, slot: Slot, mut plain: Vec<u8>, own: bool) {
        let mut consumed = 0;
        if let Some(connection) = self.get(slot)
            && !plain.is_empty()
            && connection.may_present()
            && let Some(conn) = connection.conn
        {
            consumed = self.present(slot, conn, &plain);
        }
        if let Some(connection) = self.get(slot)
            && connection.conn.is_some()
            && consumed < plain.len()
        {
            if own {
                plain.drain(..consumed);
                connection.retained = plain;
                plain = Vec::new();
            } else {
                connection.retained = plain[consumed..].to_vec();
            }
            if connection.retained.len() >= KEPT_MAX && !connection.may_present() {
                self.disarm(slot);
            }
        }
        if !own {
            self.sealing.plain = emptied(plain);
        }
    }

    /// Seals and sends.
    pub(super) fn write_sealed(
        &mut self,
        slot: Slot,
        pieces: &[IoSlice<'_>],
        source: Option<Slot>,
    ) {
        let mut out = std::mem::take(&mut self.sealing.sealed);
        let mut joined = std::mem::take(&mut self.sealing.joined);
        out.clear();
        let sealed = match self.get(slot).and_then(|c| c.tls.as_mut()) {
            // A connection on which hands aren't shaken yet hears nothing, whatever we would say;
            // and whoever has said good-bye neither.
            Some(tls) if tls.is_open() => tls.seal(pieces, &mut joined, &mut out),
            Some(_) | None => Ok(()),
        };
        if !out.is_empty() {
            self.write_raw(slot, &[IoSlice::new(&out)], source);
        }
        if let Err(says) = sealed {
            self.todo_tls_failed(slot, says);
        }
        self.sealing.sealed = emptied(out);
        self.sealing.joined = emptied(joined);
    }

    /// Says good-bye, if there is anybody to say it to.
    pub(super) fn close_tls(&mut self, slot: Slot) {
        let Some(tls) = self.get(slot).and_then(|c| c.tls.as_mut()) else {
            return;
        };
        let mut out = Vec::new();
        tls.close(&mut out);
        if !out.is_empty() {
            self.write_raw(slot, &[IoSlice::new(&out)], None);
        }
    }
}
