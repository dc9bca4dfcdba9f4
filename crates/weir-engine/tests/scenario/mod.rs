//! A small world around the engine: clients that a test plays, servers that answer like
//! PostgreSQL as far as a pooler can tell, sockets that are byte queues, time that moves when
//! the test says so.
//!
//! A server answers at once, except a statement that begins with `slow`, which waits for
//! [`Scenario::finishes`].

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a scenario that is wrong should stop")]

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

use weir_engine::{Conn, Effect, Effects, Engine};
use weir_model::{
    ClientId, ConnectFailure, Event, Instant, Order, PoolId, PoolSettings, PoolSize,
    PoolerSettings, ServerId, ServerSettings,
};
use weir_wire::backend::{self, Complaint, tag as btag};
use weir_wire::frontend::{self, Frontend, TargetKind};
use weir_wire::startup::{self, FirstPacket, Startup};
use weir_wire::{TxStatus, frame};

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[derive(Default)]
pub struct Socket {
    /// On its way to the engine; stays here while the engine doesn't consume it.
    pub to_engine: Vec<u8>,
    pub from_engine: Vec<u8>,
    pub paused: bool,
    pub closed: bool,
}

pub struct FakeServer {
    pub socket: Socket,
    pub started: bool,
    tx: TxStatus,
    skipping: bool,
    /// Messages not yet answered because one before them is slow.
    queue: VecDeque<(u8, Vec<u8>)>,
    slow: bool,
    copy_in: bool,
    /// Every statement executed, every Parse, in order.
    pub log: Vec<String>,
    pub prepared: BTreeMap<Vec<u8>, String>,
    portals: BTreeMap<Vec<u8>, String>,
    pub settings: BTreeMap<String, String>,
    undo: Option<BTreeMap<String, String>>,
    pub pid: i32,
    /// What its startup packet said.
    pub startup: Vec<(String, String)>,
    /// What `lookup` answers: secrets by user.
    secrets: BTreeMap<String, Option<String>>,
    /// The last Bind's first parameter.
    param: String,
}

pub struct Scenario {
    pub engine: Engine,
    pub now: Instant,
    pub clients: BTreeMap<ClientId, Socket>,
    pub servers: BTreeMap<ServerId, FakeServer>,
    pub dials: Vec<ServerId>,
    /// Who is to begin TLS.
    pub handshakes: Vec<Conn>,
    pub answers_dials: bool,
    pub events: Vec<Event>,
    pub cancels: Vec<Vec<u8>>,
    /// Who asked for them.
    pub cancels_for: Vec<Option<ClientId>>,
    pub exited: bool,
    /// What servers answer to `lookup`: secrets by user.
    pub secrets: BTreeMap<String, Option<String>>,
    /// Where dials went.
    pub dialed: Vec<(ServerId, String, u16)>,
    fx: Effects,
}

pub fn pool(size: u32) -> PoolSettings {
    let mut pool = PoolSettings::any(ServerSettings::at("db", 5432));
    pool.size = PoolSize::Fixed(size.try_into().unwrap());
    pool
}

impl Scenario {
    pub fn with(pool: PoolSettings) -> Self {
        Self::of(PoolerSettings::trusting(pool))
    }

    pub fn of(settings: PoolerSettings) -> Self {
        Self {
            engine: Engine::new(settings, 7, Instant::ZERO).unwrap(),
            now: Instant::ZERO,
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            dials: Vec::new(),
            handshakes: Vec::new(),
            answers_dials: true,
            events: Vec::new(),
            cancels: Vec::new(),
            cancels_for: Vec::new(),
            exited: false,
            secrets: BTreeMap::new(),
            dialed: Vec::new(),
            fx: Effects::new(),
        }
    }

    /// A client that connected and said nothing yet.
    pub fn connects(&mut self) -> ClientId {
        let mut fx = std::mem::take(&mut self.fx);
        let id = self.engine.accepted("test".into(), self.now, &mut fx);
        self.clients.insert(id, Socket::default());
        self.perform(&mut fx, &[]);
        self.fx = fx;
        id
    }

    /// A client that logged in to `app` with these settings.
    pub fn logs_in_with(&mut self, user: &str, params: &[(&str, &str)]) -> ClientId {
        let id = self.connects();
        let mut out = Vec::new();
        let mut all = vec![("user", user), ("database", "app")];
        all.extend_from_slice(params);
        startup::put_startup(&mut out, all);
        self.sends(id, &out);
        id
    }

    /// A client of `user` in `database` that was let in.
    pub fn comes(&mut self, database: &str, user: &str) -> ClientId {
        let id = self.logs_in_with(user, &[("database", database)]);
        let said = self.hears(id);
        assert!(said.ends_with("ZI"), "{said}");
        id
    }

    /// What a client of `user` in `database` is told instead.
    pub fn is_refused(&mut self, database: &str, user: &str) -> String {
        let id = self.logs_in_with(user, &[("database", database)]);
        self.hears(id)
    }

    /// Lines of the log that say this.
    pub fn logged(&self, text: &str) -> usize {
        self.events
            .iter()
            .filter(|e| matches!(e, Event::Logged(l) if l.text.contains(text)))
            .count()
    }

    /// Why servers ended, in order.
    pub fn ends(&self) -> Vec<String> {
        self.events
            .iter()
            .filter_map(|e| match e {
                Event::ServerClosed { reason, .. } => Some(reason.clone()),
                _ => None,
            })
            .collect()
    }

    pub fn logs_in(&mut self) -> ClientId {
        let id = self.logs_in_with("ann", &[]);
        self.hears(id);
        id
    }

    pub fn sends(&mut self, id: ClientId, bytes: &[u8]) {
        if let Some(socket) = self.clients.get_mut(&id) {
            socket.to_engine.extend_from_slice(bytes);
        }
        self.deliver(Conn::Client(id));
        self.pump();
    }

    pub fn asks(&mut self, id: ClientId, sql: &str) {
        let mut out = Vec::new();
        frontend::put_query(&mut out, sql.as_bytes());
        self.sends(id, &out);
    }

    /// What a client got since it last listened, a word a message.
    pub fn hears(&mut self, id: ClientId) -> String {
        let socket = self.clients.get_mut(&id).expect("a client of this test");
        let bytes = std::mem::take(&mut socket.from_engine);
        let mut said = describe(&bytes);
        if socket.closed {
            said.push("closed".to_owned());
        }
        said.join(" ")
    }

    /// Asks and listens.
    pub fn says(&mut self, id: ClientId, sql: &str) -> String {
        self.asks(id, sql);
        self.hears(id)
    }

    pub fn leaves(&mut self, id: ClientId) {
        let mut fx = std::mem::take(&mut self.fx);
        self.engine.closed(Conn::Client(id), self.now, &mut fx);
        if let Some(socket) = self.clients.get_mut(&id) {
            socket.closed = true;
        }
        self.perform(&mut fx, &[]);
        self.fx = fx;
        self.pump();
    }

    /// The server's connection breaks.
    pub fn dies(&mut self, id: ServerId, last_words: Option<(&str, &str)>) {
        if let Some((sqlstate, message)) = last_words {
            let mut out = Vec::new();
            error(&mut out, "FATAL", sqlstate, message);
            self.servers
                .get_mut(&id)
                .unwrap()
                .socket
                .to_engine
                .extend(out);
            self.deliver(Conn::Server(id));
        }
        if let Some(server) = self.servers.get_mut(&id) {
            server.socket.closed = true;
        }
        let mut fx = std::mem::take(&mut self.fx);
        self.engine.closed(Conn::Server(id), self.now, &mut fx);
        self.perform(&mut fx, &[]);
        self.fx = fx;
        self.pump();
    }

    /// The slow statement of this server ends.
    pub fn finishes(&mut self, id: ServerId) {
        if let Some(server) = self.servers.get_mut(&id) {
            server.slow = false;
        }
        self.pump();
    }

    /// Whatever this server sends, as it is.
    pub fn server_sends(&mut self, id: ServerId, bytes: &[u8]) {
        if let Some(server) = self.servers.get_mut(&id) {
            server.socket.to_engine.extend_from_slice(bytes);
        }
        self.deliver(Conn::Server(id));
        self.pump();
    }

    pub fn after(&mut self, by: Duration) -> &mut Self {
        let until = self.now.after(by);
        while let Some(at) = self.engine.next_timer() {
            if at > until {
                break;
            }
            self.now = self.now.max(at);
            let mut fx = std::mem::take(&mut self.fx);
            self.engine.tick(self.now, &mut fx);
            self.perform(&mut fx, &[]);
            self.fx = fx;
            self.pump();
        }
        self.now = until;
        self
    }

    pub fn orders(&mut self, order: Order) {
        let mut fx = std::mem::take(&mut self.fx);
        self.engine.order(order, self.now, &mut fx);
        self.perform(&mut fx, &[]);
        self.fx = fx;
        self.pump();
    }

    pub fn dial_fails(&mut self, id: ServerId, failure: ConnectFailure) {
        self.dials.retain(|d| *d != id);
        let mut fx = std::mem::take(&mut self.fx);
        self.engine.dialed(id, Err(failure), self.now, &mut fx);
        self.perform(&mut fx, &[]);
        self.fx = fx;
        self.pump();
    }

    pub fn dial_works(&mut self, id: ServerId) {
        self.dial_works_as(id, false);
    }

    fn dial_works_as(&mut self, id: ServerId, silent: bool) {
        self.dials.retain(|d| *d != id);
        let mut server = FakeServer::new(id);
        server.slow = silent;
        server.secrets = self.secrets.clone();
        self.servers.insert(id, server);
        let mut fx = std::mem::take(&mut self.fx);
        self.engine.dialed(id, Ok(()), self.now, &mut fx);
        self.perform(&mut fx, &[]);
        self.fx = fx;
        self.pump();
    }

    /// The server takes the connection and says nothing.
    pub fn dial_holds(&mut self, id: ServerId) {
        self.dial_works_as(id, true);
    }

    /// What `SHOW CLIENTS` would tell, a line a client.
    pub fn shows(&self) -> String {
        let rows = self.engine.snapshot(0);
        let mut out = String::new();
        for row in rows.clients {
            let server = row.server.map_or("-".to_owned(), |s| s.to_string());
            let state = format!("{:?}", row.state).to_lowercase();
            let pins: Vec<_> = row.pins.iter().map(|p| p.name()).collect();
            out.push_str(&format!(
                "{} {state} {server} {}\n",
                row.client,
                pins.join(",")
            ));
        }
        out
    }

    pub fn server_of(&self, id: ClientId) -> Option<ServerId> {
        let rows = self.engine.snapshot(0);
        rows.clients
            .iter()
            .find(|r| r.client == id)
            .and_then(|r| r.server)
    }

    pub fn open_servers(&self) -> Vec<ServerId> {
        self.servers
            .iter()
            .filter(|(_, s)| !s.socket.closed)
            .map(|(id, _)| *id)
            .collect()
    }

    pub fn pool(&self) -> PoolId {
        PoolId(0)
    }

    pub fn faults(&self) -> Vec<String> {
        self.events
            .iter()
            .filter_map(|e| match e {
                Event::Fault { says } => Some(says.clone()),
                _ => None,
            })
            .collect()
    }

    fn deliver(&mut self, conn: Conn) {
        let socket = match conn {
            Conn::Client(id) => self.clients.get_mut(&id),
            Conn::Server(id) => self.servers.get_mut(&id).map(|s| &mut s.socket),
        };
        let Some(socket) = socket else { return };
        if socket.paused || socket.closed || socket.to_engine.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut socket.to_engine);
        let mut fx = std::mem::take(&mut self.fx);
        let used = self.engine.received(conn, &bytes, self.now, &mut fx);
        let socket = match conn {
            Conn::Client(id) => self.clients.get_mut(&id),
            Conn::Server(id) => self.servers.get_mut(&id).map(|s| &mut s.socket),
        };
        if let Some(socket) = socket {
            let mut rest = bytes[used..].to_vec();
            rest.append(&mut socket.to_engine);
            socket.to_engine = rest;
        }
        self.perform(&mut fx, &bytes);
        self.fx = fx;
    }

    fn socket(&mut self, conn: Conn) -> Option<&mut Socket> {
        match conn {
            Conn::Client(id) => self.clients.get_mut(&id),
            Conn::Server(id) => self.servers.get_mut(&id).map(|s| &mut s.socket),
        }
    }

    fn perform(&mut self, fx: &mut Effects, bytes: &[u8]) {
        let list = std::mem::take(&mut fx.list);
        let scratch = std::mem::take(&mut fx.scratch);
        self.events.append(&mut fx.events);
        let mut again = Vec::new();
        for effect in list {
            match effect {
                Effect::Forward { to, range } => {
                    if let Some(s) = self.socket(to).filter(|s| !s.closed) {
                        s.from_engine.extend_from_slice(&bytes[range]);
                    }
                }
                Effect::Send { to, range } => {
                    if let Some(s) = self.socket(to).filter(|s| !s.closed) {
                        s.from_engine.extend_from_slice(&scratch[range]);
                    }
                }
                Effect::Dial { server, host, port } => {
                    self.dials.push(server);
                    self.dialed.push((server, host.to_string(), port));
                }
                Effect::Close { conn } => {
                    self.dials.retain(|d| Conn::Server(*d) != conn);
                    if let Some(s) = self.socket(conn) {
                        s.closed = true;
                    }
                }
                Effect::PauseReading { conn } => {
                    if let Some(s) = self.socket(conn) {
                        s.paused = true;
                    }
                }
                Effect::ResumeReading { conn } => {
                    if let Some(s) = self.socket(conn) {
                        s.paused = false;
                    }
                    again.push(conn);
                }
                Effect::Cancel {
                    bytes, asked_by, ..
                } => {
                    self.cancels.push(bytes);
                    self.cancels_for.push(asked_by);
                }
                Effect::StartTls { conn, .. } => self.handshakes.push(conn),
                Effect::Exit => self.exited = true,
            }
        }
        fx.clear();
        for conn in again {
            self.deliver(conn);
        }
    }

    /// Until nobody has anything to say.
    pub fn pump(&mut self) {
        for _ in 0..10_000 {
            if self.answers_dials && !self.dials.is_empty() {
                let id = self.dials[0];
                self.dial_works(id);
            }
            let ids: Vec<_> = self.servers.keys().copied().collect();
            let mut busy = false;
            for id in ids {
                let server = self.servers.get_mut(&id).unwrap();
                if server.socket.closed {
                    continue;
                }
                server.work();
                if !server.socket.to_engine.is_empty() {
                    let before = server.socket.to_engine.len();
                    self.deliver(Conn::Server(id));
                    let after = self.servers[&id].socket.to_engine.len();
                    busy |= before != after;
                }
            }
            if !busy {
                return;
            }
        }
        panic!("the world doesn't come to rest");
    }
}

fn error(out: &mut Vec<u8>, severity: &str, sqlstate: &str, message: &str) {
    backend::put_error(
        out,
        &Complaint {
            severity,
            sqlstate,
            message,
            detail: None,
            hint: None,
        },
    );
}

impl FakeServer {
    fn new(id: ServerId) -> Self {
        Self {
            socket: Socket::default(),
            started: false,
            tx: TxStatus::Idle,
            skipping: false,
            queue: VecDeque::new(),
            slow: false,
            copy_in: false,
            log: Vec::new(),
            prepared: BTreeMap::new(),
            portals: BTreeMap::new(),
            settings: BTreeMap::new(),
            undo: None,
            pid: 1000 + id.0 as i32,
            startup: Vec::new(),
            secrets: BTreeMap::new(),
            param: String::new(),
        }
    }

    fn work(&mut self) {
        if !self.started && self.slow {
            return;
        }
        if !self.started {
            if let Ok(FirstPacket::Complete {
                startup: Startup::Start { params, .. },
                used,
            }) = startup::parse(&self.socket.from_engine)
            {
                self.startup = params;
                self.socket.from_engine.drain(..used);
                self.started = true;
                let out = &mut self.socket.to_engine;
                backend::put_auth_ok(out);
                backend::put_parameter_status(out, b"server_version", b"15.0");
                backend::put_parameter_status(out, b"TimeZone", b"UTC");
                backend::put_backend_key_data(out, self.pid, &[1, 2, 3, 4]);
                backend::put_ready_for_query(out, TxStatus::Idle);
            }
            return;
        }
        let bytes = std::mem::take(&mut self.socket.from_engine);
        let mut messages = frame::messages(&bytes, frame::MESSAGE_MAX);
        for message in messages.by_ref() {
            let message = message.expect("the engine sends well-formed messages");
            self.queue.push_back((message.tag, message.body.to_vec()));
        }
        self.socket.from_engine = messages.rest().to_vec();
        while !self.slow {
            let Some((tag, body)) = self.queue.pop_front() else {
                break;
            };
            self.message(tag, &body);
        }
    }

    fn message(&mut self, tag: u8, body: &[u8]) {
        let message = frontend::parse(tag, body).expect("the engine sends what the protocol has");
        if self.copy_in {
            match message {
                Frontend::CopyDone => {
                    self.copy_in = false;
                    backend::put_command_complete(&mut self.socket.to_engine, "COPY 1");
                    if self.portals.remove(&b"copy-by-query"[..]).is_some() {
                        self.ready();
                    }
                }
                Frontend::CopyFail(_) => {
                    self.copy_in = false;
                    let simple = self.portals.remove(&b"copy-by-query"[..]).is_some();
                    self.fail("57014", "COPY from stdin failed", !simple);
                    if simple {
                        self.ready();
                    }
                }
                _ => {}
            }
            return;
        }
        if self.skipping && !matches!(message, Frontend::Sync) {
            return;
        }
        match message {
            Frontend::Query(sql) => {
                let sql = String::from_utf8_lossy(sql).into_owned();
                self.prepared.remove(&b""[..]);
                if sql.starts_with("slow") && self.log.last() != Some(&sql) {
                    self.log.push(sql);
                    self.slow = true;
                    self.queue.push_front((tag, body.to_vec()));
                    return;
                }
                let mut ok = true;
                for statement in sql.split(';').map(str::trim).filter(|s| !s.is_empty()) {
                    if !self.run(statement, false) {
                        ok = false;
                        break;
                    }
                }
                if self.copy_in {
                    self.portals
                        .insert(b"copy-by-query".to_vec(), String::new());
                    return;
                }
                self.end_implicit(ok);
                self.ready();
            }
            Frontend::Parse(p) => {
                let sql = String::from_utf8_lossy(p.sql).into_owned();
                let name = String::from_utf8_lossy(p.name).into_owned();
                self.log.push(format!("parse {name}: {sql}"));
                if sql.contains("syntax error") {
                    self.fail("42601", "syntax error", true);
                } else if !p.name.is_empty() && self.prepared.contains_key(p.name) {
                    self.fail("42P05", "prepared statement already exists", true);
                } else {
                    self.prepared.insert(p.name.to_vec(), sql);
                    backend::put_parse_complete(&mut self.socket.to_engine);
                }
            }
            Frontend::Bind(b) => match self.prepared.get(b.statement) {
                Some(sql) => {
                    // No formats, one parameter: its length and its text.
                    let param = b.rest.get(8..b.rest.len().saturating_sub(2));
                    self.param = String::from_utf8_lossy(param.unwrap_or_default()).into_owned();
                    self.portals.insert(b.portal.to_vec(), sql.clone());
                    backend::put_bind_complete(&mut self.socket.to_engine);
                }
                None => self.fail("26000", "prepared statement does not exist", true),
            },
            Frontend::Describe(t) => {
                let known = match t.kind {
                    TargetKind::Statement => self.prepared.contains_key(t.name),
                    TargetKind::Portal => self.portals.contains_key(t.name),
                };
                if !known {
                    self.fail("26000", "prepared statement does not exist", true);
                    return;
                }
                if t.kind == TargetKind::Statement {
                    self.socket.to_engine.extend_from_slice(&[
                        btag::PARAMETER_DESCRIPTION,
                        0,
                        0,
                        0,
                        6,
                        0,
                        0,
                    ]);
                }
                backend::put_no_data(&mut self.socket.to_engine);
            }
            Frontend::Execute(e) => {
                let sql = self.portals.get(e.portal).cloned();
                match sql {
                    Some(sql) => {
                        if sql.starts_with("slow") && self.log.last() != Some(&sql) {
                            self.log.push(sql);
                            self.slow = true;
                            self.queue.push_front((tag, body.to_vec()));
                            return;
                        }
                        self.run(&sql, true);
                    }
                    None => self.fail("34000", "portal does not exist", true),
                }
            }
            Frontend::Close(t) => {
                if t.kind == TargetKind::Statement {
                    self.prepared.remove(t.name);
                }
                backend::put_close_complete(&mut self.socket.to_engine);
            }
            Frontend::Sync => {
                let failed = std::mem::take(&mut self.skipping);
                self.end_implicit(!failed);
                self.ready();
            }
            Frontend::Flush | Frontend::CopyData(_) | Frontend::CopyDone => {}
            Frontend::CopyFail(_) => {}
            Frontend::Terminate => self.socket.closed = true,
            Frontend::FunctionCall(_) | Frontend::Password(_) => panic!("not in these tests"),
        }
    }

    fn end_implicit(&mut self, ok: bool) {
        if self.tx == TxStatus::Idle
            && let Some(undo) = self.undo.take()
            && !ok
        {
            self.settings = undo;
        }
    }

    fn ready(&mut self) {
        backend::put_ready_for_query(&mut self.socket.to_engine, self.tx);
    }

    fn fail(&mut self, sqlstate: &str, message: &str, skip: bool) {
        error(&mut self.socket.to_engine, "ERROR", sqlstate, message);
        self.skipping = skip;
        if self.tx == TxStatus::InTransaction {
            self.tx = TxStatus::Failed;
        }
    }

    /// Runs one statement. True if it worked.
    fn run(&mut self, sql: &str, extended: bool) -> bool {
        if !sql.starts_with("slow") {
            self.log.push(sql.to_owned());
        }
        let lower = sql.to_lowercase();
        let mut words = lower.split_whitespace();
        let first = words.next().unwrap_or_default().to_owned();
        if self.tx == TxStatus::Failed && !matches!(&*first, "rollback" | "commit") {
            self.fail("25P02", "current transaction is aborted", extended);
            return false;
        }
        let tag = match &*first {
            "begin" => {
                self.tx = TxStatus::InTransaction;
                self.undo = Some(self.settings.clone());
                "BEGIN"
            }
            "commit" if self.tx == TxStatus::InTransaction => {
                self.tx = TxStatus::Idle;
                self.undo = None;
                "COMMIT"
            }
            "commit" | "rollback" => {
                self.tx = TxStatus::Idle;
                if let Some(undo) = self.undo.take() {
                    self.settings = undo;
                }
                "ROLLBACK"
            }
            "fail" => {
                self.fail("22012", "division by zero", extended);
                return false;
            }
            "set" => {
                let mut rest = sql[4..].splitn(2, ['=', ' ']);
                let name = rest.next().unwrap_or_default().trim().to_lowercase();
                let value = rest.next().unwrap_or_default();
                let value = value.trim().trim_start_matches("TO").trim();
                let value = value.trim_start_matches('=').trim();
                self.set(&name, value.trim_matches('\''));
                "SET"
            }
            "reset" => {
                let name = lower[6..].trim().trim_matches('"').to_owned();
                if name == "all" {
                    self.settings.clear();
                } else {
                    self.settings.remove(&name);
                }
                "RESET"
            }
            "discard" => {
                if lower == "discard all" {
                    self.settings.clear();
                    self.prepared.clear();
                }
                if lower == "discard temp" {
                    "DISCARD TEMP"
                } else {
                    "DISCARD ALL"
                }
            }
            "select" if lower.contains("set_config") => {
                let mut quoted = sql.split('\'').skip(1).step_by(2);
                let name = quoted.next().unwrap_or_default().to_owned();
                let value = quoted.next().unwrap_or_default().to_owned();
                self.set(&name, &value);
                "SELECT 1"
            }
            "lookup" => {
                if let Some(secret) = self.secrets.get(&self.param) {
                    let row = [Some(self.param.clone()), secret.clone()];
                    backend::put_data_row(&mut self.socket.to_engine, &row);
                }
                "SELECT 1"
            }
            "listen" => "LISTEN",
            "unlisten" => "UNLISTEN",
            "prepare" => "PREPARE",
            "deallocate" if lower == "deallocate all" => {
                self.prepared.clear();
                "DEALLOCATE ALL"
            }
            "deallocate" => {
                // What SQL's PREPARE made isn't kept here; ours and the wire's are.
                self.prepared.remove(&lower.as_bytes()[11..]);
                "DEALLOCATE"
            }
            "declare" => "DECLARE CURSOR",
            "close" => "CLOSE CURSOR",
            "create" => "CREATE TABLE",
            "copy" if lower.contains("stdin") => {
                self.copy_in = true;
                self.socket.to_engine.extend_from_slice(&[
                    btag::COPY_IN_RESPONSE,
                    0,
                    0,
                    0,
                    7,
                    0,
                    0,
                    0,
                ]);
                return true;
            }
            _ => {
                if !extended {
                    backend::put_row_description(&mut self.socket.to_engine, &["a"]);
                }
                let answer = match lower.strip_prefix("show ") {
                    Some(name) => self.settings.get(name).cloned().unwrap_or_default(),
                    None => sql.to_owned(),
                };
                backend::put_data_row(&mut self.socket.to_engine, &[Some(answer)]);
                "SELECT 1"
            }
        };
        if extended && tag == "SELECT 1" && first == "select" && lower.contains("set_config") {
            backend::put_data_row(&mut self.socket.to_engine, &[Some("")]);
        }
        backend::put_command_complete(&mut self.socket.to_engine, tag);
        true
    }

    fn set(&mut self, name: &str, value: &str) {
        if self.tx == TxStatus::Idle && self.undo.is_none() {
            self.undo = Some(self.settings.clone());
        }
        self.settings.insert(name.to_owned(), value.to_owned());
        if name == "timezone" {
            backend::put_parameter_status(
                &mut self.socket.to_engine,
                b"TimeZone",
                value.as_bytes(),
            );
        }
    }
}

/// A word a message: rows and tags with their text, errors with SQLSTATE and message.
fn describe(bytes: &[u8]) -> Vec<String> {
    let mut said = Vec::new();
    let mut bytes = bytes;
    if bytes.first() == Some(&b'N') && (bytes.len() == 1 || bytes.get(1) != Some(&0)) {
        said.push("no-tls".to_owned());
        bytes = &bytes[1..];
    }
    for message in frame::messages(bytes, frame::MESSAGE_MAX) {
        let m = message.expect("the engine sends well-formed messages");
        said.push(match m.tag {
            btag::READY_FOR_QUERY => format!("Z{}", m.body[0] as char),
            btag::COMMAND_COMPLETE => {
                let tag = backend::command_complete(m.body).unwrap();
                format!("[{}]", String::from_utf8_lossy(tag))
            }
            btag::DATA_ROW => {
                let text = m.body.get(6..).unwrap_or_default();
                format!("<{}>", String::from_utf8_lossy(text))
            }
            btag::ERROR_RESPONSE => {
                let f = backend::error_fields(m.body).unwrap();
                format!(
                    "{}({} {})",
                    String::from_utf8_lossy(f.severity),
                    String::from_utf8_lossy(f.sqlstate),
                    String::from_utf8_lossy(f.message)
                )
            }
            btag::PARAMETER_STATUS => {
                let s = backend::parameter_status(m.body).unwrap();
                format!(
                    "{}={}",
                    String::from_utf8_lossy(s.name),
                    String::from_utf8_lossy(s.value)
                )
            }
            btag::ROW_DESCRIPTION => continue,
            other => (other as char).to_string(),
        });
    }
    said
}

/// Messages of the extended protocol, ready to send.
#[derive(Default)]
pub struct Batch(pub Vec<u8>);

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn parse(mut self, name: &str, sql: &str) -> Self {
        frontend::put_parse(&mut self.0, name.as_bytes(), sql.as_bytes(), &[0, 0]);
        self
    }
    pub fn bind(mut self, name: &str) -> Self {
        frontend::put_bind(&mut self.0, b"", name.as_bytes(), &[0, 0, 0, 0, 0, 0]);
        self
    }
    pub fn describe(mut self, name: &str) -> Self {
        frontend::put_describe(&mut self.0, TargetKind::Statement, name.as_bytes());
        self
    }
    pub fn close(mut self, name: &str) -> Self {
        frontend::put_close(&mut self.0, TargetKind::Statement, name.as_bytes());
        self
    }
    pub fn execute(mut self) -> Self {
        frontend::put_execute(&mut self.0, b"", 0);
        self
    }
    pub fn sync(mut self) -> Self {
        frontend::put_sync(&mut self.0);
        self
    }
    pub fn flush(mut self) -> Self {
        frontend::put_flush(&mut self.0);
        self
    }
    pub fn query(mut self, sql: &str) -> Self {
        frontend::put_query(&mut self.0, sql.as_bytes());
        self
    }
}
