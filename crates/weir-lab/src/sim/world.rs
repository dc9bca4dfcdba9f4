//! The world of one life: the queue of what happens next, and who does it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use weir_control::core::Core;
use weir_engine::{Conn, Effect, Effects, Engine};
use weir_model::{
    ClientId, ConnectFailure, Event, Instant, Order, PoolId, PoolKey, PoolMode, Sample, ServerId,
};
use weir_wire::startup::{self, FirstPacket, Startup};

use super::client::{Client, Wish};
use super::net::{Peer, Piece, Sock};
use super::oracles::{Broken, Judge};
use super::plan::{Fault, Plan};
use super::roll::Roll;
use super::script::Habits;
use super::server::{Act, Door, Server};
use super::trace::Trace;

/// How often the engine is sampled.
const SAMPLE: Duration = Duration::from_millis(100);

/// What is to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Something arrives at Weir's socket.
    ToWeir(usize),
    /// Something arrives at the peer's.
    ToPeer(usize),
    /// A client wakes.
    Client(usize),
    /// A client reads again.
    NapOver(usize, u32),
    /// A statement's time is over.
    Work(usize, Instant),
    /// A dial's outcome.
    Dialed(ServerId, Result<(), ConnectFailure>),
    /// A cancel request reaches PostgreSQL.
    Cancel(i32, Vec<u8>),
    /// Time to sample.
    Sample,
    /// Time for control to look at PostgreSQL.
    Look,
    /// An order reaches the engine.
    Order(Box<Order>),
    /// Flushing has taken too long.
    FlushOver(usize),
    /// Something goes wrong.
    Fault(usize),
    /// Faults are over.
    Calm,
    /// The drill begins.
    Drill,
}

/// What follows from effects, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    /// Present what is retained, and read on.
    Again(usize),
    /// One that it fed takes bytes again.
    Unchoke(usize),
    /// Tell the engine.
    Stalled(usize, bool),
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Instant,
    pub(crate) roll: Roll,
    pub(crate) engine: Engine,
    pub(crate) fx: Effects,
    pub(crate) core: Core,
    pub(crate) judge: Judge,
    pub(crate) trace: Trace,
    heap: BinaryHeap<Reverse<(Instant, u64)>>,
    dues: BTreeMap<u64, Due>,
    next_due: u64,
    pub(crate) todo: VecDeque<Todo>,
    pub(crate) socks: Vec<Sock>,
    pub(crate) sock_of_client: BTreeMap<ClientId, usize>,
    pub(crate) sock_of_server: BTreeMap<ServerId, usize>,
    pub(crate) clients: Vec<Client>,
    pub(super) sock_of_app: Vec<Option<usize>>,
    napping: Vec<bool>,
    pub(crate) servers: Vec<Server>,
    pub(crate) sizes: BTreeMap<PoolId, u32>,
    pub(crate) keys: BTreeMap<PoolId, PoolKey>,
    pub(crate) exited: bool,
    pub(super) down_until: Instant,
    pub(super) starting_until: Instant,
    pub(super) hang_until: Instant,
    pub(super) slow: (u32, Instant),
    pub(super) crowd_until: Instant,
    garbage: bool,
    pub(crate) drilling: bool,
    pub(crate) calm: bool,
    pub(crate) looks: u64,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan, trace: Trace) -> Result<Self, Broken> {
        let now = Instant::from_millis(1);
        let engine = Engine::new(plan.settings.clone(), seed, now)
            .map_err(|fault| Broken::new("keeps_the_protocol", fault.to_string()))?;
        let core = Core::new(super::control::settings(&plan), now);
        let mut world = Self {
            now,
            roll: Roll::new(seed, 10),
            engine,
            fx: Effects::new(),
            core,
            judge: Judge::default(),
            trace,
            heap: BinaryHeap::new(),
            dues: BTreeMap::new(),
            next_due: 0,
            todo: VecDeque::new(),
            socks: Vec::new(),
            sock_of_client: BTreeMap::new(),
            sock_of_server: BTreeMap::new(),
            clients: Vec::new(),
            sock_of_app: Vec::new(),
            napping: Vec::new(),
            servers: Vec::new(),
            sizes: BTreeMap::new(),
            keys: BTreeMap::new(),
            exited: false,
            down_until: Instant::ZERO,
            starting_until: Instant::ZERO,
            hang_until: Instant::ZERO,
            slow: (1, Instant::ZERO),
            crowd_until: Instant::ZERO,
            garbage: plan.faults.iter().any(|f| f.fault == Fault::Garbage),
            drilling: false,
            calm: false,
            looks: 0,
            plan,
        };
        for n in 0..world.plan.clients as usize {
            let user = format!("user{}", n % world.plan.pools as usize);
            let habits = Habits {
                wild: !world.plan.tame,
                pause: world.plan.pause,
                think: world.plan.think,
                named: world.plan.settings.pools[0].mode == PoolMode::Transaction,
            };
            let roll = Roll::new(seed, 1000 + n as u64);
            world.clients.push(Client::new(n, user, roll, habits));
            world.sock_of_app.push(None);
            world.napping.push(false);
            let at = now.after(Duration::from_millis(world.roll.between(0, 300)));
            world.schedule(at, Due::Client(n));
        }
        for (n, fault) in world.plan.faults.clone().iter().enumerate() {
            world.schedule(now.after(fault.at), Due::Fault(n));
        }
        world.schedule(now.after(world.plan.calm_at), Due::Calm);
        if world.plan.drill.is_some() {
            world.schedule(now.after(world.plan.drill_at), Due::Drill);
        }
        world.schedule(now.after(SAMPLE), Due::Sample);
        world.schedule(now.after(Duration::from_millis(500)), Due::Look);
        Ok(world)
    }

    pub(crate) fn schedule(&mut self, at: Instant, due: Due) {
        self.next_due += 1;
        self.heap.push(Reverse((at, self.next_due)));
        self.dues.insert(self.next_due, due);
    }

    /// Lives until the end, or until a promise is broken.
    pub(crate) fn live(&mut self) -> Result<(), Broken> {
        let end = Instant::from_millis(1).after(self.plan.ends_at);
        loop {
            let timer = self.engine.next_timer();
            let next = self.heap.peek().map(|Reverse((at, n))| (*at, *n));
            let Some((at, number)) = next else { break };
            if let Some(timer) = timer
                && timer <= at
            {
                if timer > end {
                    break;
                }
                self.now = self.now.max(timer);
                self.trace.line(self.now, || "tick".to_owned());
                self.call(|engine, now, fx| engine.tick(now, fx))?;
                continue;
            }
            if at > end {
                break;
            }
            self.heap.pop();
            self.now = self.now.max(at);
            if let Some(due) = self.dues.remove(&number) {
                self.happens(due)?;
            }
        }
        self.now = self.now.max(end);
        self.settled()?;
        self.judge.check_fairness(self.plan.settings.pools[0].mode)
    }

    fn happens(&mut self, due: Due) -> Result<(), Broken> {
        match due {
            Due::ToWeir(at) => self.arrives(at),
            Due::ToPeer(at) => self.arrives_at_peer(at),
            Due::Client(n) => {
                let mut wishes = Vec::new();
                self.clients[n].wakes(self.now, &mut wishes);
                self.grant(n, wishes)
            }
            Due::NapOver(n, epoch) => {
                if self.clients[n].epoch == epoch {
                    self.napping[n] = false;
                    if let Some(at) = self.sock_of_app[n] {
                        return self.arrives_at_peer(at);
                    }
                }
                Ok(())
            }
            Due::Work(n, when) => {
                if self.servers[n].busy_until != Some(when) {
                    return Ok(());
                }
                let mut act = Act::default();
                self.servers[n].work_done(&mut act);
                self.acts(n, act);
                Ok(())
            }
            Due::Dialed(id, result) => self.dialed(id, result),
            Due::Cancel(pid, key) => {
                let hit = self
                    .servers
                    .iter()
                    .position(|s| s.pid == pid && s.key[..] == key[..] && !s.is_gone());
                if let Some(n) = hit {
                    let mut act = Act::default();
                    if self.servers[n].cancel(&mut act) {
                        self.servers[n].busy_until = Some(self.now);
                        self.schedule(self.now, Due::Work(n, self.now));
                    }
                    self.acts(n, act);
                }
                Ok(())
            }
            Due::Sample => self.sample(),
            Due::Look => {
                self.look();
                self.schedule(self.now.after(Duration::from_secs(1)), Due::Look);
                Ok(())
            }
            Due::Order(order) => {
                if let Order::Resize { pool, size } = &*order {
                    let had = self.sizes.insert(*pool, *size).unwrap_or(*size);
                    self.judge.resized(*pool, had);
                }
                self.trace.line(self.now, || format!("order {order:?}"));
                self.call(|engine, now, fx| engine.order(*order, now, fx))
            }
            Due::FlushOver(at) => {
                self.flush_over(at);
                Ok(())
            }
            Due::Fault(n) => self.fault(n),
            Due::Calm => {
                self.calm = true;
                self.drilling = false;
                for n in 0..self.clients.len() {
                    self.clients[n].calm = true;
                    let at = self
                        .now
                        .after(Duration::from_millis(self.roll.between(0, 200)));
                    self.schedule(at, Due::Client(n));
                }
                Ok(())
            }
            Due::Drill => {
                self.drilling = true;
                self.drill();
                Ok(())
            }
        }
    }

    // ---- clients ----

    pub(super) fn grant(&mut self, n: usize, wishes: Vec<Wish>) -> Result<(), Broken> {
        let mut wishes: VecDeque<Wish> = wishes.into();
        while let Some(wish) = wishes.pop_front() {
            match wish {
                Wish::Connect => {
                    let addr: Arc<str> = format!("10.0.0.{n}:5000").into();
                    let at = self.accept(addr, Peer::Client(n, self.clients[n].epoch))?;
                    self.sock_of_app[n] = Some(at);
                    self.napping[n] = false;
                    let mut more = Vec::new();
                    self.clients[n].connected(self.now, &mut more);
                    wishes.extend(more);
                }
                Wish::Send(bytes) => {
                    if let Some(at) = self.sock_of_app[n] {
                        self.send_to_weir(at, &bytes);
                    }
                }
                Wish::Close => self.leaves(n, Piece::Fin),
                Wish::Reset => self.leaves(n, Piece::Reset),
                Wish::Cancel(pid, key) => {
                    let at = self.accept("10.0.0.9:1".into(), Peer::Canceller)?;
                    let mut bytes = Vec::new();
                    startup::put_cancel_request(&mut bytes, pid, &key);
                    self.send_to_weir(at, &bytes);
                }
                Wish::Nap(time) => {
                    self.napping[n] = true;
                    let epoch = self.clients[n].epoch;
                    self.schedule(self.now.after(time), Due::NapOver(n, epoch));
                }
                Wish::Wake(time) => self.schedule(self.now.after(time), Due::Client(n)),
            }
        }
        Ok(())
    }

    fn accept(&mut self, addr: Arc<str>, peer: Peer) -> Result<usize, Broken> {
        let mut fx = std::mem::take(&mut self.fx);
        let id = self.engine.accepted(addr, self.now, &mut fx);
        self.fx = fx;
        let at = self.socks.len();
        self.socks.push(Sock::new(Conn::Client(id), peer));
        self.sock_of_client.insert(id, at);
        self.trace
            .line(self.now, || format!("accepted {id} for {peer:?}"));
        self.call(|_, _, _| {})?;
        Ok(at)
    }

    fn leaves(&mut self, n: usize, piece: Piece) {
        if let Some(at) = self.sock_of_app[n].take() {
            self.end_towards_weir(at, piece);
        }
    }

    pub(crate) fn send_to_weir(&mut self, at: usize, bytes: &[u8]) {
        let (latency, torn) = (self.plan.latency, self.plan.torn);
        let mut wake = Vec::new();
        self.socks[at]
            .to_weir
            .send(bytes, self.now, latency, torn, &mut self.roll, &mut wake);
        for when in wake {
            self.schedule(when, Due::ToWeir(at));
        }
    }

    pub(super) fn end_towards_weir(&mut self, at: usize, piece: Piece) {
        let latency = self.plan.latency;
        if let Some(when) = self.socks[at]
            .to_weir
            .end(piece, self.now, latency, &mut self.roll)
        {
            self.schedule(when, Due::ToWeir(at));
        }
    }

    fn arrives_at_peer(&mut self, at: usize) -> Result<(), Broken> {
        let peer = self.socks[at].peer;
        if let Peer::Client(n, _) = peer
            && self.sock_of_app[n] == Some(at)
            && self.napping[n]
        {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut end = None;
        while let Some(piece) = self.socks[at].to_peer.arrived(self.now) {
            match piece {
                Piece::Bytes(more) => bytes.extend_from_slice(&more),
                other => end = Some(other),
            }
        }
        if !bytes.is_empty() {
            let pipe = &mut self.socks[at].to_peer;
            pipe.unread = pipe.unread.saturating_sub(bytes.len());
            self.flush(at);
        }
        match peer {
            Peer::Client(n, epoch) => {
                if self.sock_of_app[n] == Some(at) && self.clients[n].epoch == epoch {
                    let mut wishes = Vec::new();
                    self.clients[n].receives(&bytes, self.now, &mut wishes)?;
                    self.grant(n, wishes)?;
                    if let Some(end) = end
                        && self.sock_of_app[n] == Some(at)
                    {
                        self.client_ended(n, end)?;
                    }
                }
            }
            Peer::Canceller => {}
            Peer::Server(n) => {
                let door = self.door();
                let mut act = Act::default();
                self.servers[n]
                    .receives(&bytes, &door, &mut act)
                    .map_err(|says| Broken::new("keeps_the_protocol", says))?;
                self.acts(n, act);
                if end.is_some() {
                    self.backend_ends(n, None);
                }
            }
        }
        self.settle_todo()
    }

    fn client_ended(&mut self, n: usize, end: Piece) -> Result<(), Broken> {
        self.sock_of_app[n] = None;
        let waited = self.now.since(self.clients[n].owed_since);
        let mut wishes = Vec::new();
        let words = self.clients[n].ended(end == Piece::Reset, &mut wishes)?;
        if let Some((sqlstate, message)) = words {
            let who = self.clients[n].name();
            self.trace
                .line(self.now, || format!("{who} ends with {sqlstate} {message}"));
            Judge::check_words(&sqlstate, &message, waited, &self.plan, &who)?;
        }
        self.grant(n, wishes)
    }

    // ---- PostgreSQL ----

    fn door(&self) -> Door {
        let open = self.servers.iter().filter(|s| s.counted).count() as u32;
        let full = self.now < self.crowd_until || open >= self.plan.max_connections;
        Door {
            full,
            starting: self.now < self.starting_until,
            password: self.plan.server_password.clone(),
        }
    }

    pub(crate) fn dial(&mut self, id: ServerId) {
        let latency = self.roll.around(self.plan.latency) + Duration::from_micros(50);
        let (at, result) = if self.now < self.hang_until {
            // Answered when the engine has long given up, or not at all.
            let at = self.hang_until.after(Duration::from_secs(5));
            (at, Err(ConnectFailure::Timeout))
        } else if self.now < self.down_until {
            let io = ConnectFailure::Io("Connection refused".to_owned());
            (self.now.after(latency), Err(io))
        } else {
            (self.now.after(latency), Ok(()))
        };
        self.dials_pending(id);
        self.schedule(at, Due::Dialed(id, result));
    }

    /// A socket that isn't connected yet.
    fn dials_pending(&mut self, id: ServerId) {
        let at = self.socks.len();
        let number = self.servers.len();
        self.socks
            .push(Sock::new(Conn::Server(id), Peer::Server(number)));
        self.sock_of_server.insert(id, at);
        let secret = self.roll.between(1, u64::from(u32::MAX)) as u32;
        self.servers.push(Server::new(at, number, secret, self.now));
    }

    fn dialed(&mut self, id: ServerId, result: Result<(), ConnectFailure>) -> Result<(), Broken> {
        let Some(at) = self.sock_of_server.get(&id).copied() else {
            // The engine has given it up meanwhile.
            return Ok(());
        };
        if result.is_err() {
            self.sock_of_server.remove(&id);
            self.socks[at].open = false;
        }
        self.trace
            .line(self.now, || format!("dialed {id} {result:?}"));
        self.call(|engine, now, fx| engine.dialed(id, result, now, fx))
    }

    fn acts(&mut self, n: usize, act: Act) {
        let at = self.servers[n].sock;
        if !act.say.is_empty() {
            self.send_to_weir(at, &act.say);
        }
        if act.work && self.servers[n].busy_until.is_none() {
            let mut time = self.roll.around(self.plan.service);
            if self.now < self.slow.1 {
                time *= self.slow.0;
            }
            if self.drilling
                && self.plan.drill == Some(weir_model::Cause::SlowQuery)
                && self.servers[n].runs(b"FROM shared_1")
            {
                // One statement, as slow as six together would have to be to fill the pool. All
                // six would be a slow database: diagnosis rightly finds none that stands out.
                time *= 90;
            }
            let until = self.now.after(time);
            self.servers[n].busy_until = Some(until);
            self.servers[n].since = self.now;
            self.schedule(until, Due::Work(n, until));
        }
        if act.bye {
            self.backend_ends(n, Some(Piece::Fin));
        }
    }

    /// A backend is gone; `say`: and says so.
    pub(super) fn backend_ends(&mut self, n: usize, say: Option<Piece>) {
        let at = self.servers[n].sock;
        self.servers[n].stage = super::server::Stage::Gone;
        self.servers[n].counted = false;
        self.servers[n].busy_until = None;
        self.end_towards_weir(at, say.unwrap_or(Piece::Fin));
    }

    pub(crate) fn cancel_at_postgres(&mut self, bytes: &[u8]) {
        if let Ok(FirstPacket::Complete {
            startup: Startup::Cancel { pid, key },
            ..
        }) = startup::parse(bytes)
        {
            // A connection of its own: it may be much later than what it was meant for.
            let late = if self.roll.chance(0.2) {
                Duration::from_millis(self.roll.between(1, 500))
            } else {
                self.roll.around(self.plan.latency)
            };
            self.schedule(self.now.after(late), Due::Cancel(pid, key));
        }
    }

    // ---- watching ----

    pub(crate) fn heard(&mut self, event: Event) -> Result<(), Broken> {
        self.trace.event(self.now, &event);
        if let Event::PoolOpened {
            pool, size, key, ..
        } = &event
        {
            self.sizes.insert(*pool, *size);
            self.keys.insert(*pool, key.clone());
        }
        self.judge.event(&event, self.garbage)?;
        self.tell_core_event(&event);
        Ok(())
    }

    fn sample(&mut self) -> Result<(), Broken> {
        let mut sample: Sample = self.engine.sample(self.now);
        sample.worker.buffered_bytes = self
            .socks
            .iter()
            .filter(|s| s.open)
            .map(|s| (s.out.len() + s.retained.len()) as u64)
            .sum();
        let snapshot = self.engine.snapshot(0);
        self.judge
            .check_bounds(&snapshot, &self.sizes, &self.plan)?;
        for pool in &sample.pools {
            let most = pool.size + self.plan.settings.pools[0].reserve_size;
            if pool.servers.open() > most {
                let known = self.sizes.get(&pool.pool).copied().unwrap_or_default();
                if known != pool.size {
                    let says = format!("{:?}: size {} and {known}", pool.pool, pool.size);
                    return Err(Broken::new("bounds", says));
                }
            }
        }
        self.tell_core_sample(&sample);
        self.schedule(self.now.after(SAMPLE), Due::Sample);
        Ok(())
    }

    /// `settles`.
    fn settled(&self) -> Result<(), Broken> {
        for client in &self.clients {
            if !client.probed {
                let says = format!("{} wasn't served: {}", client.name(), client.state());
                return Err(Broken::new("settles", says));
            }
        }
        Ok(())
    }

    pub(crate) fn trace_call(&mut self, what: &str, conn: Conn, bytes: &[u8], taken: usize) {
        self.trace.call(self.now, what, conn, bytes, taken);
    }

    pub(crate) fn trace_effect(&mut self, effect: &Effect, from: Option<&[u8]>, scratch: &[u8]) {
        self.trace.effect(self.now, effect, from, scratch);
    }
}
