//! A worker: one thread, one engine, one turn of the loop after the other.
//!
//! A turn: wait for readiness → accept, read, write → those that still have more to read → what
//! is due by the clock → a sample every 100 ms. Each connection gets a bounded number of reads a
//! turn, so a large reply can't starve the others.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event as Readiness;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use weir_engine::{Conn, Effects, Engine};
use weir_model::{ConnectFailure, Instant, Order, ServerId};

use super::connection::{Connection, Phase, Slot};
use super::dial::Unnamed;
use super::names::Names;
use super::perform::fault;
use crate::channel::{Orders, Reporter};
use crate::clock::Clock;
use crate::listen::Listener;
use crate::resolve::Resolver;
use crate::sys::uring::{Lent, Ring};

/// The token of [`mio::Waker`]. Slots never reach it: that would take 2³² connections at once.
pub(crate) const WAKE: Token = Token(usize::MAX);

/// The tokens of listening sockets go downwards from here.
const LISTEN: usize = usize::MAX - 1;

/// The worker's read buffer: what one read can bring.
const READ_SIZE: usize = 128 * 1024;

/// Retained bytes up to this are copied before new ones into the worker's buffer; above it, new
/// ones are read behind them where they are, so that a long message isn't copied at every read.
const RETAINED_COPY_MAX: usize = 16 * 1024;

/// Reads of one connection in one turn.
const READS_PER_TURN: u32 = 4;

/// Orders carried out in one turn.
const ORDERS_PER_TURN: u32 = 256;

/// The interval of samples.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// What a timeout of the poll may be late by without anything being wrong.
const TIMER_GRAIN: Duration = Duration::from_millis(2);

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) poll: Poll,
    pub(crate) waker: Arc<Waker>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) reporter: Reporter,
    pub(crate) orders: Orders,
    /// Whether to receive and send by io_uring.
    pub(crate) ring: bool,
}

/// What the engine must still be told. Kept in a list, since a call's effects are performed
/// before the next call.
pub(super) enum Todo {
    Closed(Conn),
    Dialed(ServerId, Result<(), ConnectFailure>),
    Stalled(Conn, bool),
    Present(Slot),
}

/// One thread's whole world.
pub(crate) struct Worker {
    pub(super) poll: Poll,
    /// `None` under readiness.
    pub(super) ring: Option<Ring>,
    ring_wanted: bool,
    /// What the bytes that are being presented may be sent from without a copy.
    pub(super) lent: Option<Lent>,
    /// Each with whether more may wait there.
    pub(super) listeners: Vec<(Listener, bool)>,
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) reporter: Reporter,
    orders: Orders,
    pub(super) resolver: Resolver,
    pub(super) unnamed: Vec<Unnamed>,
    pub(super) conns: Slab<Connection>,
    pub(super) names: Names,
    generation: u32,
    pub(super) fx: Effects,
    pub(super) todo: VecDeque<Todo>,
    /// Those that have more to read than one turn allows.
    more: Vec<Slot>,
    pub(super) cancels: Vec<(Slot, Instant)>,
    pub(super) closing: Vec<(Slot, Instant)>,
    buffer: Vec<u8>,
    pub(super) now: Instant,
    next_sample: Instant,
    lag_max: Duration,
    pub(super) accept_again: Option<Instant>,
    pub(super) accept_reported: Option<Instant>,
    orders_left: bool,
    pub(super) exit_at: Option<Instant>,
}

impl Worker {
    /// Watches the listening sockets; nothing runs yet.
    pub(crate) fn new(parts: Parts) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for (i, mut listener) in parts.listeners.into_iter().enumerate() {
            let token = Token(LISTEN - i);
            let registry = parts.poll.registry();
            match &mut listener {
                Listener::Tcp(l) => registry.register(l, token, Interest::READABLE)?,
                Listener::Unix { listener: l, .. } => {
                    registry.register(l, token, Interest::READABLE)?;
                }
            }
            listeners.push((listener, false));
        }
        let now = parts.clock.now();
        Ok(Self {
            poll: parts.poll,
            ring: None,
            ring_wanted: parts.ring,
            lent: None,
            listeners,
            engine: parts.engine,
            clock: parts.clock,
            reporter: parts.reporter,
            orders: parts.orders,
            resolver: Resolver::new(parts.waker),
            unnamed: Vec::new(),
            conns: Slab::new(),
            names: Names::default(),
            generation: 0,
            fx: Effects::new(),
            todo: VecDeque::new(),
            more: Vec::new(),
            cancels: Vec::new(),
            closing: Vec::new(),
            buffer: vec![0; READ_SIZE],
            now,
            next_sample: now.after(SAMPLE_EVERY),
            lag_max: Duration::ZERO,
            accept_again: None,
            accept_reported: None,
            orders_left: false,
            exit_at: None,
        })
    }

    /// Serves until the engine says exit, or control says stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        self.start_ring(self.ring_wanted);
        loop {
            let timeout = self.timeout();
            let began;
            if self.ring.is_some() {
                if !self.wait_for_completions(timeout) {
                    return;
                }
                began = self.clock.now();
                self.now = began;
                self.take_completions(&mut events);
            } else {
                if let Err(e) = self.poll.poll(&mut events, Some(timeout))
                    && e.kind() != io::ErrorKind::Interrupted
                {
                    // Only a broken process gets here (EBADF, EINVAL); spinning wouldn't mend it.
                    self.reporter.event(fault(format!("epoll failed: {e}")));
                    return;
                }
                began = self.clock.now();
                self.now = began;
                for event in &events {
                    self.ready(event);
                    self.settle();
                }
            }
            self.read_more();
            self.on_time();
            if self.orders.stopped() {
                return;
            }
            if let Some(at) = self.exit_at
                && (self.closing.is_empty() || at <= self.now)
            {
                self.sample(self.clock.now());
                return;
            }
            let ended = self.clock.now();
            self.lag_max = self.lag_max.max(ended.since(began));
            self.now = ended;
        }
    }

    /// Until when nothing is due.
    fn timeout(&self) -> Duration {
        let accepts_left = self.accept_again.is_none() && self.listeners.iter().any(|l| l.1);
        if !self.more.is_empty() || self.orders_left || accepts_left {
            return Duration::ZERO;
        }
        let mut next = self.next_sample;
        for at in [self.engine.next_timer(), self.accept_again, self.exit_at] {
            next = at.map_or(next, |at| next.min(at));
        }
        next.since(self.now)
    }

    pub(super) fn ready(&mut self, event: &Readiness) {
        match event.token() {
            WAKE => {
                self.take_names();
                self.take_orders();
            }
            Token(token) if token > LISTEN - self.listeners.len() => {
                self.accept(LISTEN - token);
            }
            token => self.ready_connection(token.into(), event),
        }
    }

    fn ready_connection(&mut self, slot: Slot, event: &Readiness) {
        let Some(connection) = self.get(slot) else {
            return;
        };
        if matches!(connection.phase, Phase::Dialing(_)) {
            self.dial_ready(slot);
            return;
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            connection.readable = true;
            connection.ended |= event.is_read_closed() || event.is_error();
        }
        if event.is_writable() && connection.unsent.is_some() {
            self.writable(slot);
        }
        let Some(connection) = self.get(slot) else {
            return;
        };
        if !connection.readable {
            return;
        }
        match connection.phase {
            Phase::Open => self.read(slot),
            // A closing one isn't listened to any more, unless it is to say that it is gone.
            Phase::Closing if event.is_error() => self.drop_connection(slot),
            // PostgreSQL answers a cancel request by closing. What it says before is for nobody.
            Phase::Cancelling(_) => self.drop_connection(slot),
            Phase::Dialing(_) | Phase::Closing => {}
        }
    }

    /// Reads what there is, within this turn's share.
    pub(super) fn read(&mut self, slot: Slot) {
        if self.get(slot).is_some_and(|c| c.by_ring) {
            return self.read_kept(slot);
        }
        for _ in 0..READS_PER_TURN {
            let Some(connection) = self.get(slot) else {
                return;
            };
            if !connection.may_present() {
                // A waiting client that leaves must leave the queue too, so its end counts
                // although what it sent before isn't read.
                if connection.paused
                    && connection.ended
                    && let Some(conn @ Conn::Client(_)) = connection.conn
                {
                    self.lost(slot, conn);
                }
                return;
            }
            if connection.present {
                self.present_retained(slot);
                self.settle();
                continue;
            }
            if !connection.readable {
                return;
            }
            if !self.read_once(slot) {
                return;
            }
            self.settle();
        }
        self.queue(slot);
    }

    /// One read and what the engine makes of it. False: there is no more for now.
    fn read_once(&mut self, slot: Slot) -> bool {
        let Some(connection) = self.conns.get_mut(slot.key()) else {
            return false;
        };
        let Some(conn) = connection.conn else {
            return false;
        };
        let kept = connection.retained.len();
        let own = kept > RETAINED_COPY_MAX;
        let mut buffer = if own {
            let mut buffer = std::mem::take(&mut connection.retained);
            buffer.resize(kept + READ_SIZE / 2, 0);
            buffer
        } else {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer[..kept].copy_from_slice(&connection.retained);
            buffer
        };
        let result = (&connection.socket).read(&mut buffer[kept..]);
        let (len, more) = match result {
            Ok(n) if n > 0 => {
                let full = kept + n == buffer.len();
                if !full && !connection.ended {
                    connection.readable = false;
                }
                (kept + n, full || connection.ended)
            }
            // The end of one that has ended can be read; if not, it ended in another way.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock && !connection.ended => {
                connection.readable = false;
                if own {
                    buffer.truncate(kept);
                    connection.retained = buffer;
                } else {
                    self.buffer = buffer;
                }
                return false;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {
                if own {
                    buffer.truncate(kept);
                    connection.retained = buffer;
                } else {
                    self.buffer = buffer;
                }
                return true;
            }
            Ok(_) | Err(_) => {
                if !own {
                    self.buffer = buffer;
                }
                self.lost(slot, conn);
                return false;
            }
        };
        self.now = self.clock.now();
        let consumed = self.present(slot, conn, &buffer[..len]);
        if own {
            buffer.truncate(len);
            buffer.drain(..consumed);
            if buffer.capacity() > 4 * READ_SIZE && buffer.len() < READ_SIZE {
                buffer.shrink_to_fit();
            }
            if let Some(connection) = self.get(slot) {
                connection.retained = if buffer.is_empty() {
                    Vec::new()
                } else {
                    buffer
                };
            }
        } else {
            if let Some(connection) = self.get(slot)
                && (consumed < len || kept > 0)
            {
                connection.retained = buffer[consumed..len].to_vec();
            }
            self.buffer = buffer;
        }
        more
    }

    pub(super) fn present_retained(&mut self, slot: Slot) {
        let Some(connection) = self.get(slot) else {
            return;
        };
        connection.present = false;
        let Some(conn) = connection.conn else {
            return;
        };
        if connection.retained.is_empty() {
            return;
        }
        let mut retained = std::mem::take(&mut connection.retained);
        let consumed = self.present(slot, conn, &retained);
        if let Some(connection) = self.get(slot)
            && consumed < retained.len()
        {
            retained.drain(..consumed);
            connection.retained = retained;
        }
    }

    pub(super) fn present(&mut self, slot: Slot, conn: Conn, bytes: &[u8]) -> usize {
        let consumed = self.engine.received(conn, bytes, self.now, &mut self.fx);
        self.perform(Some(slot), bytes);
        consumed.min(bytes.len())
    }

    /// The peer is gone.
    pub(super) fn lost(&mut self, slot: Slot, conn: Conn) {
        self.drop_connection(slot);
        self.todo.push_back(Todo::Closed(conn));
        self.settle();
    }

    /// Tells the engine what has to be told, until there is nothing more to tell.
    pub(super) fn settle(&mut self) {
        while let Some(todo) = self.todo.pop_front() {
            let mut source = None;
            match todo {
                Todo::Closed(conn) => self.engine.closed(conn, self.now, &mut self.fx),
                Todo::Dialed(server, result) => {
                    source = self.find(Conn::Server(server), None);
                    self.engine.dialed(server, result, self.now, &mut self.fx);
                }
                Todo::Stalled(conn, stalled) => {
                    self.engine.stalled(conn, stalled, self.now, &mut self.fx);
                }
                Todo::Present(slot) => {
                    if let Some(connection) = self.get(slot)
                        && connection.may_present()
                    {
                        if connection.present {
                            self.present_retained(slot);
                        }
                        self.queue(slot);
                    }
                }
            }
            self.perform(source, &[]);
        }
    }

    /// Has `slot` read from later in this turn, or in the next.
    pub(super) fn queue(&mut self, slot: Slot) {
        if let Some(connection) = self.get(slot)
            && !connection.queued
            && (connection.readable || connection.present || connection.ring_waits())
        {
            connection.queued = true;
            self.more.push(slot);
        }
    }

    fn read_more(&mut self) {
        for slot in std::mem::take(&mut self.more) {
            if let Some(connection) = self.get(slot) {
                connection.queued = false;
                self.read(slot);
                self.settle();
            }
        }
    }

    fn take_orders(&mut self) {
        self.orders_left = true;
        for _ in 0..ORDERS_PER_TURN {
            let Some(order) = self.orders.take() else {
                self.orders_left = false;
                return;
            };
            if order == Order::Drain {
                self.stop_accepting();
            }
            self.engine.order(order, self.now, &mut self.fx);
            self.perform(None, &[]);
            self.settle();
        }
    }

    fn on_time(&mut self) {
        self.now = self.clock.now();
        if self.orders_left {
            self.take_orders();
        }
        if self.engine.next_timer().is_some_and(|at| at <= self.now) {
            self.engine.tick(self.now, &mut self.fx);
            self.perform(None, &[]);
            self.settle();
        }
        let rested = self.accept_again.is_some_and(|at| at <= self.now);
        if rested {
            self.accept_again = None;
        }
        for i in 0..self.listeners.len() {
            if self.listeners[i].1 && self.accept_again.is_none() {
                self.accept(i);
                self.settle();
            }
        }
        if self.next_sample <= self.now {
            self.sample(self.now);
        }
    }

    /// A sample, and what is swept at the same pace.
    fn sample(&mut self, now: Instant) {
        // A late wake-up is lag too: whoever came in between waited for it. The kernel's timer
        // rounds up to a millisecond, which isn't.
        let due = self.next_sample.after(TIMER_GRAIN);
        self.lag_max = self.lag_max.max(now.since(due));
        let mut sample = self.engine.sample(now);
        sample.worker.loop_lag_max = std::mem::take(&mut self.lag_max);
        sample.worker.buffered_bytes = self.conns.iter().map(|(_, c)| c.buffered() as u64).sum();
        self.reporter.sample(sample);
        self.next_sample = now.after(SAMPLE_EVERY);

        // A wake-up may be lost; an order may not.
        self.take_names();
        self.take_orders();
        self.sweep_cancels(now);
        let mut i = 0;
        while let Some(&(slot, until)) = self.closing.get(i) {
            if self.get(slot).is_none() || until <= now {
                self.closing.swap_remove(i);
                self.drop_connection(slot);
            } else {
                i += 1;
            }
        }
        self.settle();
    }

    pub(super) fn insert(&mut self, mut connection: Connection) -> Slot {
        self.generation = (self.generation + 1) & 0x7fff_ffff;
        connection.generation = self.generation;
        let conn = connection.conn;
        let slot = Slot::new(self.conns.insert(connection), self.generation);
        if let Some(conn) = conn {
            self.names.insert(conn, slot);
        }
        slot
    }

    pub(super) fn get(&mut self, slot: Slot) -> Option<&mut Connection> {
        self.conns
            .get_mut(slot.key())
            .filter(|c| c.generation == slot.generation())
    }

    /// Where the engine's `conn` is. `source` is who just sent bytes: usually it is itself meant,
    /// or whoever it spoke to last.
    pub(super) fn find(&mut self, conn: Conn, source: Option<Slot>) -> Option<Slot> {
        // Whoever sent the bytes may have been closed by an effect before this one.
        let Some(source) = source else {
            return self.names.get(conn);
        };
        let Some(speaker) = self.get(source) else {
            return self.names.get(conn);
        };
        if speaker.conn == Some(conn) {
            return Some(source);
        }
        let peer = speaker.peer;
        if let Some(peer) = peer
            && self.get(peer).is_some_and(|p| p.conn == Some(conn))
        {
            return Some(peer);
        }
        let found = self.names.get(conn)?;
        if let Some(speaker) = self.get(source) {
            speaker.peer = Some(found);
        }
        Some(found)
    }
}
