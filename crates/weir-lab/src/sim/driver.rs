//! What weir-proxy's worker does with sockets, done to simulated ones: reads when it may, retains
//! what the engine didn't consume, performs effects in order, holds back whoever writes to one
//! that doesn't read.

use std::time::Duration;

use weir_engine::{Conn, Effect, Effects};

use super::net::{Piece, WINDOW};
use super::oracles::{Broken, Judge};
use super::world::{Due, Todo, World};

/// Above this, whoever feeds a connection isn't read any more…
const HIGH: usize = 256 * 1024;
/// …until it has fallen below this.
const LOW: usize = 64 * 1024;
/// One read.
const READ: usize = 64 * 1024;
/// How long a closed connection may take to be flushed.
const FLUSH: Duration = Duration::from_secs(1);

impl World {
    /// Everything that has arrived for Weir on this socket is read, as far as it may be.
    pub(crate) fn arrives(&mut self, at: usize) -> Result<(), Broken> {
        let sock = &mut self.socks[at];
        while let Some(piece) = sock.to_weir.arrived(self.now) {
            match piece {
                Piece::Bytes(bytes) => sock.rx.extend_from_slice(&bytes),
                Piece::Fin => sock.rx_end = Some(Piece::Fin),
                Piece::Reset => {
                    sock.rx.clear();
                    sock.rx_end = Some(Piece::Reset);
                }
            }
        }
        self.read(at, false)?;
        self.settle_todo()
    }

    /// Reads one socket. `again`: what is retained is presented even if nothing new came.
    fn read(&mut self, at: usize, mut again: bool) -> Result<(), Broken> {
        loop {
            let sock = &mut self.socks[at];
            if !sock.open {
                return Ok(());
            }
            if sock.rx_end == Some(Piece::Reset) {
                // The kernel tells of a reset whether or not one reads.
                return self.lost(at);
            }
            if sock.paused || sock.choked {
                return Ok(());
            }
            let some = sock.rx.len().min(READ);
            if some == 0 && (!again || sock.retained.is_empty()) {
                if sock.rx_end == Some(Piece::Fin) {
                    return self.lost(at);
                }
                return Ok(());
            }
            again = false;
            let conn = sock.conn;
            sock.to_weir.unread = sock.to_weir.unread.saturating_sub(some);
            let mut bytes = std::mem::take(&mut sock.retained);
            bytes.extend(sock.rx.drain(..some));
            let taken = {
                let mut fx = std::mem::take(&mut self.fx);
                let taken = self.engine.received(conn, &bytes, self.now, &mut fx);
                self.trace_call("received", conn, &bytes, taken);
                self.fx = fx;
                taken
            };
            if taken > bytes.len() {
                let says = format!("the engine took {taken} of {} bytes", bytes.len());
                return Err(Broken::new("keeps_the_protocol", says));
            }
            self.perform(Some((at, &bytes)))?;
            let sock = &mut self.socks[at];
            if sock.open {
                bytes.drain(..taken);
                let stuck = bytes.len();
                sock.retained = bytes;
                Judge::check_memory(stuck, 0, &format!("{conn:?}"))?;
            }
        }
    }

    /// The peer is gone.
    fn lost(&mut self, at: usize) -> Result<(), Broken> {
        let conn = self.socks[at].conn;
        self.drop_sock(at);
        let mut fx = std::mem::take(&mut self.fx);
        self.engine.closed(conn, self.now, &mut fx);
        self.trace_call("closed", conn, &[], 0);
        self.fx = fx;
        let piece = if self.roll.chance(0.5) {
            Piece::Fin
        } else {
            Piece::Reset
        };
        self.end_towards_peer(at, piece);
        self.perform(None)
    }

    fn drop_sock(&mut self, at: usize) {
        let sock = &mut self.socks[at];
        sock.open = false;
        sock.retained = Vec::new();
        sock.rx = Vec::new();
        let chokes = std::mem::take(&mut sock.chokes);
        match sock.conn {
            Conn::Client(id) => self.sock_of_client.remove(&id),
            Conn::Server(id) => self.sock_of_server.remove(&id),
        };
        for other in chokes {
            self.todo.push_back(Todo::Unchoke(other));
        }
    }

    fn end_towards_peer(&mut self, at: usize, piece: Piece) {
        let latency = self.plan.latency;
        let sock = &mut self.socks[at];
        if let Some(when) = sock.to_peer.end(piece, self.now, latency, &mut self.roll) {
            self.schedule(when, Due::ToPeer(at));
        }
    }

    /// Calls the engine and performs what it wants.
    pub(crate) fn call(
        &mut self,
        call: impl FnOnce(&mut weir_engine::Engine, weir_model::Instant, &mut Effects),
    ) -> Result<(), Broken> {
        let mut fx = std::mem::take(&mut self.fx);
        call(&mut self.engine, self.now, &mut fx);
        self.fx = fx;
        self.perform(None)?;
        self.settle_todo()
    }

    fn sock_of(&self, conn: Conn) -> Option<usize> {
        match conn {
            Conn::Client(id) => self.sock_of_client.get(&id).copied(),
            Conn::Server(id) => self.sock_of_server.get(&id).copied(),
        }
    }

    /// Performs effects in order.
    fn perform(&mut self, from: Option<(usize, &[u8])>) -> Result<(), Broken> {
        let mut fx = std::mem::take(&mut self.fx);
        for event in fx.events.drain(..) {
            self.heard(event)?;
        }
        for effect in &fx.list {
            self.trace_effect(effect, from.map(|(_, b)| b), &fx.scratch);
            match effect {
                Effect::Forward { to, range } => {
                    let Some((source, bytes)) = from else {
                        let says = format!("{to:?} is forwarded what nobody sent");
                        return Err(Broken::new("no_crosstalk", says));
                    };
                    if let Some(at) = self.sock_of(*to) {
                        self.write(at, &bytes[range.clone()], Some(source))?;
                    }
                }
                Effect::Send { to, range } => {
                    if let Some(at) = self.sock_of(*to) {
                        self.write(at, &fx.scratch[range.clone()], from.map(|(s, _)| s))?;
                    }
                }
                Effect::Dial { server, .. } => self.dial(*server),
                Effect::Close { conn } => {
                    if let Some(at) = self.sock_of(*conn) {
                        self.drop_sock(at);
                        if self.socks[at].out.is_empty() {
                            self.end_towards_peer(at, Piece::Fin);
                        } else {
                            self.socks[at].closing = true;
                            let late = self.now.after(FLUSH);
                            self.schedule(late, Due::FlushOver(at));
                        }
                    }
                }
                Effect::PauseReading { conn } => {
                    if let Some(at) = self.sock_of(*conn) {
                        self.socks[at].paused = true;
                    }
                }
                Effect::ResumeReading { conn } => {
                    if let Some(at) = self.sock_of(*conn) {
                        self.socks[at].paused = false;
                        self.todo.push_back(Todo::Again(at));
                    }
                }
                // The simulator has no TLS: its settings ask for none.
                Effect::StartTls { .. } => {}
                Effect::Cancel { bytes, .. } => self.cancel_at_postgres(bytes),
                Effect::Exit => self.exited = true,
            }
        }
        fx.clear();
        self.fx = fx;
        Ok(())
    }

    /// What effects led to, until nothing is left.
    pub(crate) fn settle_todo(&mut self) -> Result<(), Broken> {
        while let Some(todo) = self.todo.pop_front() {
            match todo {
                Todo::Again(at) => self.read(at, true)?,
                Todo::Unchoke(at) => {
                    self.socks[at].choked = false;
                    self.read(at, true)?;
                }
                Todo::Stalled(at, stalled) => {
                    if self.socks[at].open {
                        let conn = self.socks[at].conn;
                        let mut fx = std::mem::take(&mut self.fx);
                        self.engine.stalled(conn, stalled, self.now, &mut fx);
                        self.fx = fx;
                        self.perform(None)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, at: usize, bytes: &[u8], source: Option<usize>) -> Result<(), Broken> {
        self.socks[at].out.extend_from_slice(bytes);
        self.flush(at);
        let queued = self.socks[at].out.len();
        if queued > HIGH
            && let Some(source) = source
            && source != at
            && self.socks[source].open
            && !self.socks[source].choked
        {
            self.socks[source].choked = true;
            self.socks[at].chokes.push(source);
        }
        Judge::check_memory(0, queued, &format!("{:?}", self.socks[at].conn))
    }

    /// Gives the kernel what it takes.
    pub(crate) fn flush(&mut self, at: usize) {
        let latency = self.plan.latency;
        let torn = self.plan.torn;
        let sock = &mut self.socks[at];
        let room = WINDOW.saturating_sub(sock.to_peer.unread);
        let some = room.min(sock.out.len());
        if some > 0 {
            let bytes: Vec<u8> = sock.out.drain(..some).collect();
            let mut wake = Vec::new();
            sock.to_peer
                .send(&bytes, self.now, latency, torn, &mut self.roll, &mut wake);
            for when in wake {
                self.schedule(when, Due::ToPeer(at));
            }
        }
        let sock = &mut self.socks[at];
        let full = !sock.out.is_empty();
        if full != sock.stalled && sock.open {
            sock.stalled = full;
            self.todo.push_back(Todo::Stalled(at, full));
        }
        if self.socks[at].out.len() < LOW {
            for other in std::mem::take(&mut self.socks[at].chokes) {
                self.todo.push_back(Todo::Unchoke(other));
            }
        }
        if self.socks[at].closing && self.socks[at].out.is_empty() {
            self.socks[at].closing = false;
            self.end_towards_peer(at, Piece::Fin);
        }
    }

    /// A closed connection took too long to be flushed.
    pub(crate) fn flush_over(&mut self, at: usize) {
        if self.socks[at].closing {
            self.socks[at].closing = false;
            self.socks[at].out = Vec::new();
            self.end_towards_peer(at, Piece::Reset);
        }
    }
}
