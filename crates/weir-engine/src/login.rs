//! A client's way in: startup packet, proof of identity, welcome.
//!
//! # What always holds
//! - Whether a user exists can't be told from the shape or the timing of a refusal: an unknown
//!   one gets the same challenge, with a salt that stays the same for its name.
//! - The welcome carries the server's own ParameterStatus values. The first client of a pool
//!   waits until a server was opened; later ones don't.
//! - A cancel request is answered with nothing but the end of its connection, whatever it named.
//!
//! # What is deliberately absent
//! - TLS, which has a file of its own, and GSSAPI encryption, which is answered `N`.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use weir_model::{AuthMethod, ClientId, Instant, Outcome, PoolMode, PoolerSettings};
use weir_wire::auth::md5;
use weir_wire::auth::scram::{self, Keys, Verifier};
use weir_wire::frame::{HEADER_LEN, parse_header};
use weir_wire::startup::{self, FirstPacket, Startup};
use weir_wire::{TxStatus, backend, frontend};

use crate::client::{Client, Phase};
use crate::effect::{Conn, Effect, Effects};
use crate::engine::{Engine, SettingsFault};
use crate::ids::Dice;
use crate::pool::{Asked, Pool};
use crate::session_settings::{Params, Session, Value};

/// A password message isn't longer than this; tokens used as passwords have a few kilobytes.
const PASSWORD_MAX: u32 = 64 * 1024;

/// Connections beyond `client_max` that are listened to.
const AT_THE_DOOR_MAX: usize = 256;

/// What is known of a user.
enum Entry {
    Plain {
        password: Arc<str>,
        /// Made at start, if the method needs it.
        verifier: Option<Verifier>,
    },
    Md5(Arc<str>),
    Scram(Verifier),
}

/// Who may come in, and by which proof.
pub(crate) struct Directory {
    method: AuthMethod,
    entries: HashMap<Arc<str>, Entry>,
    /// Keys that logins of clients left behind, for servers that hold the same verifier.
    pub(crate) keys: HashMap<Arc<str>, Keys>,
    /// For the salts of users that don't exist.
    decoy: [u8; 16],
}

impl Directory {
    pub(crate) fn new(settings: &PoolerSettings, dice: &mut Dice) -> Result<Self, SettingsFault> {
        // One salt for all: a verifier never leaves the process, and the salt's work (to make
        // tables useless) is done by its being new at each start.
        let salt: [u8; 16] = dice.bytes();
        let mut entries = HashMap::new();
        for (user, secret) in &settings.users {
            let entry = if Verifier::is_verifier(&secret.0) {
                Entry::Scram(Verifier::from_str(&secret.0).map_err(|source| {
                    SettingsFault::Verifier {
                        user: Arc::clone(user),
                        source,
                    }
                })?)
            } else if md5::is_secret(&secret.0) {
                Entry::Md5(Arc::clone(&secret.0))
            } else {
                let verifier = (settings.auth_method == AuthMethod::ScramSha256).then(|| {
                    Verifier::from_password(secret.0.as_bytes(), &salt, scram::ITERATIONS_DEFAULT)
                });
                Entry::Plain {
                    password: Arc::clone(&secret.0),
                    verifier,
                }
            };
            entries.insert(Arc::clone(user), entry);
        }
        Ok(Self {
            method: settings.auth_method,
            entries,
            keys: HashMap::new(),
            decoy: dice.bytes(),
        })
    }

    /// The plain password of a user, where the list has it.
    pub(crate) fn password(&self, user: &str) -> Option<&Arc<str>> {
        match self.entries.get(user)? {
            Entry::Plain { password, .. } => Some(password),
            Entry::Md5(_) | Entry::Scram(_) => None,
        }
    }

    /// What answers an md5 challenge for this user.
    pub(crate) fn md5_secret(&self, user: &str) -> Option<String> {
        match self.entries.get(user)? {
            Entry::Plain { password, .. } => {
                Some(md5::secret(password.as_bytes(), user.as_bytes()))
            }
            Entry::Md5(secret) => Some(secret.to_string()),
            Entry::Scram(_) => None,
        }
    }

    fn decoy_salt(&self, user: &str) -> [u8; 16] {
        let text = md5::secret(&self.decoy, user.as_bytes());
        let mut salt = [0; 16];
        for (byte, pair) in salt.iter_mut().zip(text.as_bytes()[3..].chunks(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
        }
        salt
    }
}

/// A proof under way.
pub(crate) struct Auth {
    step: Step,
    database: Arc<str>,
    base: Session,
    /// Whether this user exists and may come in by this method.
    known: bool,
}

enum Step {
    Md5 { secret: String, salt: [u8; 4] },
    ScramFirst(scram::Server),
    ScramFinal(scram::Server),
}

impl Engine {
    pub(crate) fn accept(&mut self, addr: Arc<str>, now: Instant, fx: &mut Effects) -> ClientId {
        let id = ClientId(self.next_client);
        self.next_client += 1;
        // Beyond the limit some are let in as far as their first packet, to be told why or to
        // cancel; who comes in a flood beyond that is not.
        if self.clients.len() >= self.settings.client_max as usize + AT_THE_DOOR_MAX {
            self.close(Conn::Client(id), fx);
            return id;
        }
        let mut key = (self.dice.pid(), self.dice.secret());
        while self.cancel_keys.contains_key(&key) {
            key = (self.dice.pid(), self.dice.secret());
        }
        self.cancel_keys.insert(key, id);
        self.logging_in.insert(id, now);
        let session = self.sessions.intern(Session::default());
        let nobody = Arc::clone(&self.nobody);
        self.clients.insert(
            id,
            Box::new(Client {
                addr,
                tls: None,
                direct_tls: false,
                phase: Phase::Startup,
                connected: now,
                since: now,
                user: Arc::clone(&nobody),
                application: nobody,
                pool: None,
                key,
                server: None,
                waiting: None,
                cancelled: crate::client::Cancelled::No,
                stream: 0,
                stream_drops: false,
                paused: false,
                stalled: false,
                fingerprint: weir_model::Fingerprint::NONE,
                base: Arc::clone(&session),
                session,
                params: self.params.intern(Params::default()),
                pins: crate::client::Pins::default(),
                advisory_locks: 0,
                held: None,
                extended: None,
            }),
        );
        id
    }

    /// Bytes of a client that isn't logged in.
    pub(crate) fn login_bytes(
        &mut self,
        id: ClientId,
        bytes: &[u8],
        now: Instant,
        fx: &mut Effects,
    ) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if self.direct_tls(id, rest, fx) {
                break;
            }
            let Some(client) = self.clients.get(&id) else {
                return bytes.len();
            };
            match client.phase {
                Phase::Startup => match startup::parse(rest) {
                    Ok(FirstPacket::Complete {
                        startup: Startup::Ssl,
                        used,
                    }) => {
                        at += used;
                        if !self.ssl_request(id, at < bytes.len(), now, fx) {
                            return bytes.len();
                        }
                    }
                    Ok(FirstPacket::NeedMore { .. }) => break,
                    Ok(FirstPacket::Complete { startup, used }) => {
                        at += used;
                        self.first_packet(id, startup, now, fx);
                    }
                    Err(error) => {
                        self.dismiss(id, "08P01", &error.to_string(), Outcome::Refused, now, fx);
                        return bytes.len();
                    }
                },
                Phase::Auth(_) => match parse_header(rest, PASSWORD_MAX) {
                    Ok(None) => break,
                    Ok(Some(header)) if rest.len() < header.total() => break,
                    Ok(Some(header)) => {
                        at += header.total();
                        let body = &rest[HEADER_LEN..header.total()];
                        self.auth_message(id, header.tag, body, now, fx);
                    }
                    Err(error) => {
                        self.client_fault(id, &error.to_string(), now, fx);
                        return bytes.len();
                    }
                },
                Phase::Welcome | Phase::Ready | Phase::Console(_) => break,
            }
        }
        // What a hasty client sent behind its password is dealt with at once.
        if at < bytes.len()
            && let Some(client) = self.clients.get(&id)
            && !client.paused
            && matches!(client.phase, Phase::Ready | Phase::Console(_))
            && at > 0
        {
            self.clients.entry(id).and_modify(|c| c.paused = true);
            fx.list.push(Effect::PauseReading {
                conn: Conn::Client(id),
            });
            self.resume(id, now, fx);
        }
        at
    }

    fn first_packet(&mut self, id: ClientId, startup: Startup, now: Instant, fx: &mut Effects) {
        let negotiate = startup.needs_negotiation();
        match &startup {
            // `login_bytes` has seen to it.
            Startup::Ssl => {}
            Startup::Gss => {
                fx.send_with(Conn::Client(id), |out| out.push(b'N'));
            }
            Startup::Cancel { pid, key } => {
                self.cancel(id, *pid, key, now, fx);
                self.close(Conn::Client(id), fx);
                self.drop_client(id, Outcome::ClientLost, now, fx);
            }
            Startup::Start { params, .. } => {
                if negotiate {
                    let unknown: Vec<&str> = startup.protocol_options().collect();
                    fx.send_with(Conn::Client(id), |out| {
                        backend::put_negotiate_protocol_version(out, 0, &unknown);
                    });
                }
                let refuse = if self.draining.is_some() {
                    Some(("57P03", "Weir is shutting down".to_owned()))
                } else if self.clients.len() > self.settings.client_max as usize {
                    Some((
                        "53300",
                        format!(
                            "no more connections allowed (max_client_conn): {} clients are connected",
                            self.settings.client_max
                        ),
                    ))
                } else {
                    None
                };
                if let Some((sqlstate, says)) = refuse {
                    self.dismiss(id, sqlstate, &says, Outcome::Refused, now, fx);
                    return;
                }
                if let Some(says) = self.lacks_tls(id) {
                    self.dismiss(id, "08P01", says, Outcome::Refused, now, fx);
                    return;
                }
                self.begin_auth(id, params, now, fx);
            }
        }
    }

    fn begin_auth(
        &mut self,
        id: ClientId,
        params: &[(String, String)],
        now: Instant,
        fx: &mut Effects,
    ) {
        let mut user = "";
        let mut database = "";
        let mut base = Session::default();
        let mut fault = None;
        for (name, value) in params {
            match name.as_str() {
                "user" => user = value,
                "database" => database = value,
                "replication" => {
                    if !matches!(
                        value.to_ascii_lowercase().as_str(),
                        "" | "false" | "off" | "no" | "0"
                    ) {
                        fault = Some((
                            "0A000",
                            "replication connections can't be pooled".to_owned(),
                        ));
                    }
                }
                "options" => match startup::parse_options(value) {
                    Ok(settings) => {
                        for (name, value) in settings {
                            base.set(
                                name.to_ascii_lowercase().into(),
                                Value::Text(value.as_str().into()),
                            );
                        }
                    }
                    Err(error) => fault = Some(("08P01", error.to_string())),
                },
                name if name.starts_with("_pq_.") => {}
                name => base.set(
                    name.to_ascii_lowercase().into(),
                    Value::Text(value.as_str().into()),
                ),
            }
        }
        if user.is_empty() {
            fault = Some((
                "28000",
                "no PostgreSQL user name specified in startup packet".to_owned(),
            ));
        }
        if !base.is_within_bounds() {
            fault = Some(("08P01", "too many settings in startup packet".to_owned()));
        }
        if let Some((sqlstate, says)) = fault {
            self.dismiss(id, sqlstate, &says, Outcome::Refused, now, fx);
            return;
        }
        if database.is_empty() {
            database = user;
        }
        let user: Arc<str> = user.into();
        let application: Option<Arc<str>> = match base.get("application_name") {
            Some(Value::Text(text) | Value::Statement(text)) => Some(Arc::clone(text)),
            None => None,
        };
        if let Some(client) = self.clients.get_mut(&id) {
            client.user = Arc::clone(&user);
            if let Some(application) = application {
                client.application = application;
            }
        }
        let anyone = self.directory.entries.is_empty();
        let entry = self.directory.entries.get(&user);
        let step = match (self.directory.method, entry) {
            (AuthMethod::Cert, entry) => {
                match self.refuses_certificate(id, &user) {
                    None if anyone || entry.is_some() => {
                        self.authenticated(id, database.into(), base, now, fx);
                    }
                    None => self.wrong_password(id, now, fx),
                    Some(says) => self.dismiss(id, "28000", &says, Outcome::Refused, now, fx),
                }
                return;
            }
            (AuthMethod::Trust, entry) => {
                if anyone || entry.is_some() || self.settings.admin_users.contains(&user) {
                    self.authenticated(id, database.into(), base, now, fx);
                } else {
                    self.wrong_password(id, now, fx);
                }
                return;
            }
            (AuthMethod::Md5, Some(Entry::Scram(verifier)))
            | (
                AuthMethod::ScramSha256,
                Some(
                    Entry::Scram(verifier)
                    | Entry::Plain {
                        verifier: Some(verifier),
                        ..
                    },
                ),
            ) => Some(Ok(verifier.clone())),
            (AuthMethod::ScramSha256, Some(_) | None) => Some(Err(())),
            _ => None,
        };
        let known = entry.is_some() && !matches!(step, Some(Err(())));
        let step = match step {
            Some(verifier) => {
                let verifier = verifier
                    .unwrap_or_else(|()| Verifier::decoy(&self.directory.decoy_salt(&user)));
                let nonce = scram::nonce(&self.dice.bytes::<{ scram::NONCE_LEN }>());
                let server = scram::Server::new(verifier, nonce).bind(self.end_point_of(id));
                fx.send_with(Conn::Client(id), |out| {
                    backend::put_auth_sasl(out, server.mechanisms());
                });
                Step::ScramFirst(server)
            }
            None => {
                let salt = self.dice.bytes();
                fx.send_with(Conn::Client(id), |out| backend::put_auth_md5(out, salt));
                let secret = self
                    .directory
                    .md5_secret(&user)
                    .unwrap_or_else(|| md5::secret(&self.directory.decoy, user.as_bytes()));
                Step::Md5 { secret, salt }
            }
        };
        if let Some(client) = self.clients.get_mut(&id) {
            client.phase = Phase::Auth(Box::new(Auth {
                step,
                database: database.into(),
                base,
                known,
            }));
        }
    }

    fn wrong_password(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let says = format!(
            "password authentication failed for user \"{}\"",
            client.user
        );
        self.dismiss(id, "28P01", &says, Outcome::Refused, now, fx);
    }

    fn auth_message(&mut self, id: ClientId, tag: u8, body: &[u8], now: Instant, fx: &mut Effects) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let phase = std::mem::replace(&mut client.phase, Phase::Startup);
        let Phase::Auth(mut auth) = phase else {
            client.phase = phase;
            return;
        };
        let user = Arc::clone(&client.user);
        if tag != frontend::tag::PASSWORD {
            // psql without a password to hand closes here with an X; that is no offence.
            if tag == frontend::tag::TERMINATE {
                self.close(Conn::Client(id), fx);
                self.drop_client(id, Outcome::ClientLost, now, fx);
                return;
            }
            let says = format!("expected a password response, got message type {tag}");
            self.client_fault(id, &says, now, fx);
            return;
        }
        match auth.step {
            Step::Md5 { secret, salt } => {
                let answer = match frontend::password(body) {
                    Ok(answer) => answer,
                    Err(error) => {
                        self.client_fault(id, &error.to_string(), now, fx);
                        return;
                    }
                };
                if md5::verify(&secret, salt, answer) && auth.known {
                    self.authenticated(id, auth.database, auth.base, now, fx);
                } else {
                    self.wrong_password(id, now, fx);
                }
            }
            Step::ScramFirst(mut server) => {
                let first = frontend::sasl_initial(body)
                    .map_err(|e| e.to_string())
                    .and_then(|initial| {
                        server
                            .begin(initial.mechanism, initial.response.unwrap_or_default())
                            .map_err(|e| e.to_string())
                    });
                match first {
                    Ok(challenge) => {
                        fx.send_with(Conn::Client(id), |out| {
                            backend::put_auth_sasl_continue(out, challenge.as_bytes());
                        });
                        auth.step = Step::ScramFinal(server);
                        if let Some(client) = self.clients.get_mut(&id) {
                            client.phase = Phase::Auth(auth);
                        }
                    }
                    Err(says) => self.client_fault(id, &says, now, fx),
                }
            }
            Step::ScramFinal(mut server) => match server.on_final(body) {
                Ok(accepted) if auth.known => {
                    fx.send_with(Conn::Client(id), |out| {
                        backend::put_auth_sasl_final(out, accepted.final_message.as_bytes());
                    });
                    if matches!(self.directory.entries.get(&user), Some(Entry::Scram(_))) {
                        self.directory.keys.insert(user, accepted.keys);
                    }
                    self.authenticated(id, auth.database, auth.base, now, fx);
                }
                Ok(_) | Err(scram::ScramError::WrongProof) => self.wrong_password(id, now, fx),
                Err(error) => self.client_fault(id, &error.to_string(), now, fx),
            },
        }
    }

    fn authenticated(
        &mut self,
        id: ClientId,
        database: Arc<str>,
        base: Session,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let user = Arc::clone(&client.user);
        if matches!(&*database, "weir" | "pgbouncer") {
            let admins = &self.settings.admin_users;
            let open = admins.is_empty() && self.settings.auth_method == AuthMethod::Trust;
            if !open && !admins.contains(&user) {
                let says = format!("user \"{user}\" may not use the admin console");
                self.dismiss(id, "28000", &says, Outcome::Refused, now, fx);
                return;
            }
            self.welcome_console(id, now, fx);
            return;
        }
        let Some(pool_id) = self.pool_for(&database, &user, now, fx) else {
            let says = format!("no such database: {database}");
            self.dismiss(id, "3D000", &says, Outcome::Refused, now, fx);
            return;
        };
        let base = self.sessions.intern(base);
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.pool = Some(pool_id);
        client.base = Arc::clone(&base);
        client.session = base;
        client.phase = Phase::Welcome;
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        pool.welcoming.push((id, now));
        if pool.welcome.is_some() {
            self.welcome_all(pool_id, now, fx);
            return;
        }
        if !client.paused {
            client.paused = true;
            fx.list.push(Effect::PauseReading {
                conn: Conn::Client(id),
            });
        }
        self.dial_more(pool_id, now, fx);
    }

    /// The pool knows what its servers report: those who waited for it come in.
    pub(crate) fn welcome_all(
        &mut self,
        pool_id: weir_model::PoolId,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        let Some(welcome) = pool.welcome.clone() else {
            return;
        };
        let mode = pool.settings.mode;
        for (id, _) in std::mem::take(&mut pool.welcoming) {
            let Some(client) = self.clients.get_mut(&id) else {
                continue;
            };
            self.logging_in.remove(&id);
            // What it asked for and the server reports anyway need not be set. The rest it is
            // told as it asked, since that is what its servers will be made to be.
            let mut base = (*client.base).clone();
            let mut params = (*welcome).clone();
            for (name, value) in &mut params.entries {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                let Some(Value::Text(asked)) = base.get(&name) else {
                    continue;
                };
                if same_value(&name, asked.as_bytes(), value) {
                    base.reset(&name);
                } else {
                    *value = asked.as_bytes().into();
                }
            }
            let base = self.sessions.intern(base);
            client.session = Arc::clone(&base);
            client.base = base;
            client.params = self.params.intern(params);
            let to_spare = self
                .pools
                .get(pool_id.0 as usize)
                .is_some_and(Pool::has_server_to_spare);
            if mode != PoolMode::Session || !to_spare {
                self.enter(id, now, fx);
            } else if self.ask_server(id, now, fx) == Asked::Linked {
                self.resume(id, now, fx);
            }
        }
    }

    /// Lets a client in. In session mode its server stands ready, and is what it takes us for; a
    /// program that opens more sessions than there are servers is let in all the same, and waits
    /// with its first question. It may be one thread, whose other sessions hold the servers.
    pub(crate) fn enter(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let Some(pool) = client
            .pool
            .and_then(|pool| self.pools.get_mut(pool.0 as usize))
        {
            pool.clients += 1;
            pool.meter.client_logins += 1;
        }
        client.phase = Phase::Ready;
        client.since = now;
        if let Some(server) = client.server.and_then(|s| self.servers.get_mut(&s)) {
            client.params = Arc::clone(&server.params);
            if let Some(link) = &mut server.link {
                // Nothing was asked yet.
                link.tx = None;
            }
            let key = (server.backend_pid, client.key.1);
            if server.backend_pid != 0 && !self.cancel_keys.contains_key(&key) {
                self.cancel_keys.remove(&client.key);
                self.cancel_keys.insert(key, id);
                client.key = key;
            }
        }
        let (params, key) = (Arc::clone(&client.params), client.key);
        fx.send_with(Conn::Client(id), |out| {
            backend::put_auth_ok(out);
            for (name, value) in &params.entries {
                backend::put_parameter_status(out, name, value);
            }
            backend::put_backend_key_data(out, key.0, &key.1.to_be_bytes());
            backend::put_ready_for_query(out, TxStatus::Idle);
        });
        if client.paused {
            client.paused = false;
            fx.list.push(Effect::ResumeReading {
                conn: Conn::Client(id),
            });
        }
    }

    /// A cancel request came. What it named is looked up now, and acted on only as far as it
    /// still concerns that very client.
    fn cancel(&mut self, asker: ClientId, pid: i32, key: &[u8], now: Instant, fx: &mut Effects) {
        let Ok(key) = key.try_into().map(i32::from_be_bytes) else {
            return;
        };
        let Some(id) = self.cancel_keys.get(&(pid, key)).copied() else {
            return;
        };
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.waiting.is_some() {
            client.cancelled = crate::client::Cancelled::Due;
            let waited = self.leave_queue(id);
            if let Some(waiting) = waited
                && let Some(pool_id) = self.clients.get(&id).and_then(|c| c.pool)
            {
                let wait = now.since(waiting.arrived);
                if let Some(pool) = self.pools.get_mut(pool_id.0 as usize) {
                    pool.meter.wait.record(wait);
                    pool.meter.abandoned += 1;
                }
                self.report_unserved(id, pool_id, waiting.arrived, wait, Outcome::GaveUp, fx);
            }
            self.resume(id, now, fx);
            return;
        }
        if let Some(server_id) = client.server {
            self.cancel_server(server_id, Some(asker), fx);
        }
    }

    /// Cancels what the server does for its client. The request may arrive late, so the server is
    /// not given to another client afterwards.
    pub(crate) fn cancel_server(
        &mut self,
        id: weir_model::ServerId,
        asked_by: Option<ClientId>,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        if server.state != crate::server::State::Active || server.owed.is_empty() {
            return;
        }
        server.close_when_idle = Some("cancelled; a late cancel must not hit the next client");
        self.send_cancel(id, asked_by, fx);
    }
}

/// Whether two spellings of a setting mean the same. Of an encoding's name only letters and
/// digits count, as in PostgreSQL (`'utf-8'`, `UTF8`).
fn same_value(name: &str, a: &[u8], b: &[u8]) -> bool {
    if name != "client_encoding" {
        return a.eq_ignore_ascii_case(b);
    }
    let clean = |text: &[u8]| -> Vec<u8> {
        text.iter()
            .filter(|c| c.is_ascii_alphanumeric())
            .map(u8::to_ascii_lowercase)
            .collect()
    };
    clean(a) == clean(b)
}
