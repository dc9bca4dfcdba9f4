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

use std::net::SocketAddr;
use std::sync::Arc;

use weir_model::{
    AuthMethod, AuthQuery, ClientId, ErrorStyle, Instant, Loudness, Outcome, Peer, PoolId, PoolMode,
};
use weir_wire::auth::md5;
use weir_wire::auth::scram;
use weir_wire::backend::Complaint;
use weir_wire::frame::{HEADER_LEN, parse_header};
use weir_wire::startup::{self, FirstPacket, Startup};
use weir_wire::{TxStatus, backend, frontend};

use crate::client::{Client, Phase};
use crate::directory::Entry;
use crate::effect::{Conn, Effect, Effects};
use crate::engine::Engine;
use crate::pool::{Asked, Pool};
use crate::session_settings::{Params, Session, Value};

/// A password message isn't longer than this; tokens used as passwords have a few kilobytes.
const PASSWORD_MAX: u32 = 64 * 1024;

/// Connections beyond `client_max` that are listened to.
const AT_THE_DOOR_MAX: usize = 256;

/// A proof under way.
pub(crate) struct Auth {
    step: Step,
    pub(crate) database: Arc<str>,
    base: Session,
    /// What a lookup told of the user; `None`: the list knows it, or nobody does.
    found: Option<Entry>,
    /// Whether this user exists and may come in by this method.
    known: bool,
}

enum Step {
    Plain,
    Md5 { secret: String, salt: [u8; 4] },
    ScramFirst(scram::Server),
    ScramFinal(scram::Server),
}

/// What a startup packet asks for: user, database, settings.
type Wish = (Arc<str>, Arc<str>, Session);

/// SQLSTATE and text.
type Refusal = (&'static str, String);

/// Who waits for a lookup, and for what it came.
pub(crate) struct Asking {
    pub(crate) database: Arc<str>,
    pub(crate) base: Session,
    /// How it is looked up.
    pub(crate) query: Arc<AuthQuery>,
    /// By a server of this pool.
    pub(crate) pool: PoolId,
}

/// Parameters that PgBouncer follows by itself.
pub(crate) const FOLLOWED: [&str; 5] = [
    "client_encoding",
    "datestyle",
    "timezone",
    "standard_conforming_strings",
    "application_name",
];

/// The admin console's databases.
pub(crate) fn is_console(database: &str) -> bool {
    matches!(database, "weir" | "pgbouncer")
}

impl Engine {
    pub(crate) fn accept(&mut self, addr: Arc<str>, now: Instant, fx: &mut Effects) -> ClientId {
        let id = ClientId(self.next_id);
        self.next_id += 1;
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

    /// Who is at the other end, as far as its socket tells.
    fn peer_of(&self, id: ClientId) -> Peer {
        let mut peer = self.peers.get(&id).cloned().unwrap_or_else(|| {
            let addr = self.addr_of(id);
            Peer {
                ip: addr.parse::<SocketAddr>().ok().map(|a| a.ip()),
                ..Peer::default()
            }
        });
        if let Some(secured) = self.clients.get(&id).and_then(|c| c.tls.as_ref()) {
            peer.tls = true;
            peer.certificate = secured.certificate.clone();
        }
        peer
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
                Phase::Lookup(_) | Phase::Welcome | Phase::Ready | Phase::Console(_) => break,
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
                self.client_leaves(id, now, fx);
            }
            Startup::Start { params, .. } => {
                if negotiate {
                    let unknown: Vec<&str> = startup.protocol_options().collect();
                    fx.send_with(Conn::Client(id), |out| {
                        backend::put_negotiate_protocol_version(out, 0, &unknown);
                    });
                }
                if self.draining.is_some() || self.shutdown.is_some() {
                    let says = match self.settings.errors {
                        ErrorStyle::Weir => "Weir is shutting down",
                        ErrorStyle::PgBouncer => "pooler is shutting down",
                    };
                    self.dismiss(id, "57P03", says, Outcome::Refused, now, fx);
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
        let (user, database, base) = match self.read_startup(id, params) {
            Ok(read) => read,
            Err((sqlstate, says)) => {
                self.dismiss(id, sqlstate, &says, Outcome::Refused, now, fx);
                return;
            }
        };
        let application: Option<Arc<str>> = match base.get("application_name") {
            Some(Value::Text(text) | Value::Statement(text)) => Some(Arc::clone(text)),
            None => None,
        };
        if let Some(client) = self.clients.get_mut(&id) {
            client.user = user;
            if let Some(application) = application {
                client.application = application;
            }
        }
        let most = self.settings.client_max;
        if !is_console(&database) && self.clients.len() > most as usize {
            let says = format!(
                "no more connections allowed (max_client_conn): {most} clients are connected"
            );
            self.dismiss(id, "53300", &says, Outcome::Refused, now, fx);
            return;
        }
        self.find_user(id, database, base, now, fx);
    }

    /// What a startup packet asks for: user, database, settings.
    fn read_startup(&self, id: ClientId, params: &[(String, String)]) -> Result<Wish, Refusal> {
        let mut user = "";
        let mut database = "";
        let mut base = Session::default();
        let ignored = |name: &str| {
            self.settings
                .ignore_startup_parameters
                .iter()
                .any(|n| **n == *name)
        };
        let taken = |name: &str| {
            !self.settings.startup_strict
                || FOLLOWED.contains(&name)
                || self
                    .settings
                    .track_extra_parameters
                    .iter()
                    .any(|n| n.eq_ignore_ascii_case(name))
        };
        let mut set = |name: &str, value: &str, place: &str| {
            let lower = name.to_ascii_lowercase();
            if ignored(&lower) || ignored(name) {
                return Ok(());
            }
            if !taken(&lower) {
                if place.is_empty() || !ignored("options") {
                    return Err((
                        "22023",
                        format!("unsupported startup parameter{place}: {name}"),
                    ));
                }
                return Ok(());
            }
            base.set(lower.into(), Value::Text(value.into()));
            Ok(())
        };
        for (name, value) in params {
            match name.as_str() {
                "user" => user = value,
                "database" => database = value,
                "replication" => {
                    if !matches!(
                        value.to_ascii_lowercase().as_str(),
                        "" | "false" | "off" | "no" | "0"
                    ) {
                        return Err((
                            "0A000",
                            "replication connections can't be pooled".to_owned(),
                        ));
                    }
                }
                "options" => match startup::parse_options(value) {
                    Ok(settings) => {
                        for (name, value) in settings {
                            set(&name, &value, " in options")?;
                        }
                    }
                    Err(_) if self.settings.errors == ErrorStyle::PgBouncer => {
                        let says = "unsupported options startup parameter: only '-c config=val' \
                                    and '--config=val' are allowed";
                        return Err(("08P01", says.to_owned()));
                    }
                    Err(error) => return Err(("08P01", error.to_string())),
                },
                name if name.starts_with("_pq_.") => {}
                name => set(name, value, "")?,
            }
        }
        if user.is_empty() {
            return Err((
                "28000",
                "no PostgreSQL user name specified in startup packet".to_owned(),
            ));
        }
        if self.settings.application_name_add_host {
            let name = match base.get("application_name") {
                Some(Value::Text(text) | Value::Statement(text)) => Arc::clone(text),
                None => "app".into(),
            };
            let addr = self.addr_of(id);
            base.set(
                "application_name".into(),
                Value::Text(format!("{name} - {addr}").into()),
            );
        }
        if !base.is_within_bounds() {
            return Err(("08P01", "too many settings in startup packet".to_owned()));
        }
        if database.is_empty() {
            database = user;
        }
        Ok((user.into(), database.into(), base))
    }

    /// Who it says it is: known by the list, looked up, or nobody.
    fn find_user(
        &mut self,
        id: ClientId,
        database: Arc<str>,
        base: Session,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let mut user = Arc::clone(&client.user);
        let console = is_console(&database);
        let new = !console && !self.databases.contains_key(&*database);
        let template = if console {
            None
        } else {
            self.database_named(&database).map(|db| db.template)
        };
        if new && template.is_some() {
            let says = format!("registered new auto-database: db={database}");
            self.log_client(id, Loudness::Log, says, fx);
        }
        let peer = self.peer_of(id);
        if console && peer.is_own_user && &*user == "pgbouncer" {
            self.log_attempt(id, &database, fx);
            self.authenticated(id, database, base, None, now, fx);
            return;
        }
        if self.settings.auth_method == AuthMethod::Any && !console {
            let forced = template.and_then(|at| self.pool_settings[at].user.clone());
            let (Some(forced), Some(client)) = (forced, self.clients.get_mut(&id)) else {
                let says = "auth_type=any requires forced user";
                self.config_error(id, says, now, fx);
                return;
            };
            user = forced;
            client.user = user;
            self.log_attempt(id, &database, fx);
            self.authenticated(id, database, base, None, now, fx);
            return;
        }
        if self.directory.get(&user).is_none() {
            let query = match template {
                Some(at) => self.pool_settings[at].auth_query.clone(),
                None if console => self.settings.console_auth_query.clone(),
                None => None,
            };
            if let Some(query) = query {
                self.look_up(id, database, base, query, now, fx);
                return;
            }
        }
        self.prove(id, database, base, None, now, fx);
    }

    /// The method by which this client proves itself, and the ident map that goes with it.
    fn method_for(
        &self,
        id: ClientId,
        database: &str,
        user: &str,
    ) -> (AuthMethod, Option<Arc<str>>) {
        if self.settings.auth_method != AuthMethod::Hba {
            return (self.settings.auth_method, None);
        }
        let peer = self.peer_of(id);
        self.settings
            .hba
            .as_ref()
            .and_then(|hba| hba.rule(&peer, database, user))
            .map_or((AuthMethod::Reject, None), |rule| {
                (rule.method, rule.map.clone())
            })
    }

    /// Asks for the proof. `found`: what a lookup told.
    pub(crate) fn prove(
        &mut self,
        id: ClientId,
        database: Arc<str>,
        base: Session,
        mut found: Option<Entry>,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.phase = Phase::Startup;
        let user = Arc::clone(&client.user);
        self.log_attempt(id, &database, fx);
        let listed = self.directory.get(&user).is_some();
        let known = listed || found.is_some();
        let admin =
            self.settings.admin_users.contains(&user) || self.settings.stats_users.contains(&user);
        if !known && self.settings.log.connections {
            self.log_client(id, Loudness::Log, format!("no such user: {user}"), fx);
        }
        let (method, map) = self.method_for(id, &database, &user);
        let md5_only = match (&found, self.directory.get(&user)) {
            (Some(entry), _) | (None, Some(entry)) => !matches!(entry, Entry::Scram(_)),
            (None, None) => true,
        };
        let step = match method {
            AuthMethod::Trust | AuthMethod::Any => {
                let anyone = self.directory.is_empty();
                if known || anyone || admin {
                    self.authenticated(id, database, base, found, now, fx);
                } else {
                    let says = "\"trust\" authentication failed";
                    self.dismiss(id, "28P01", says, Outcome::Refused, now, fx);
                }
                return;
            }
            AuthMethod::Peer | AuthMethod::Cert => {
                let is_peer = method == AuthMethod::Peer;
                let peer = self.peer_of(id);
                let name = if is_peer {
                    peer.unix_user
                } else {
                    peer.certificate
                };
                if known && name.is_some_and(|name| self.may_come_as(&name, &user, map.as_deref()))
                {
                    self.authenticated(id, database, base, found, now, fx);
                } else {
                    let why = match self.settings.errors {
                        ErrorStyle::Weir if !is_peer && map.is_none() => {
                            self.refuses_certificate(id, &user)
                        }
                        ErrorStyle::Weir | ErrorStyle::PgBouncer => None,
                    };
                    let says = why.unwrap_or_else(|| {
                        if is_peer {
                            "unix socket login rejected".to_owned()
                        } else {
                            "certificate authentication failed".to_owned()
                        }
                    });
                    self.dismiss(id, "28000", &says, Outcome::Refused, now, fx);
                }
                return;
            }
            AuthMethod::Reject | AuthMethod::Hba => {
                let says = "login rejected";
                self.dismiss(id, "28000", says, Outcome::Refused, now, fx);
                return;
            }
            AuthMethod::Plain => {
                fx.send_with(Conn::Client(id), backend::put_auth_cleartext);
                Step::Plain
            }
            AuthMethod::Md5 if md5_only => {
                let salt = self.dice.bytes();
                fx.send_with(Conn::Client(id), |out| backend::put_auth_md5(out, salt));
                let secret = match &found {
                    Some(entry) => entry.md5_secret(&user),
                    None => self.directory.get(&user).and_then(|e| e.md5_secret(&user)),
                };
                let secret = secret.unwrap_or_else(|| self.directory.decoy_md5(&user));
                Step::Md5 { secret, salt }
            }
            AuthMethod::Md5 | AuthMethod::ScramSha256 => {
                let verifier = match &mut found {
                    Some(entry) => self.directory.verifier_of(entry),
                    None => self.directory.verifier(&user),
                };
                let has_verifier = verifier.is_some();
                let verifier = verifier.unwrap_or_else(|| self.directory.decoy(&user));
                let nonce = scram::nonce(&self.dice.bytes::<{ scram::NONCE_LEN }>());
                let server = scram::Server::new(verifier, nonce).bind(self.end_point_of(id));
                fx.send_with(Conn::Client(id), |out| {
                    backend::put_auth_sasl(out, server.mechanisms());
                });
                if let Some(client) = self.clients.get_mut(&id) {
                    client.phase = Phase::Auth(Box::new(Auth {
                        step: Step::ScramFirst(server),
                        database,
                        base,
                        found,
                        known: known && has_verifier,
                    }));
                }
                return;
            }
        };
        if let Some(client) = self.clients.get_mut(&id) {
            client.phase = Phase::Auth(Box::new(Auth {
                step,
                database,
                base,
                found,
                known,
            }));
        }
    }

    /// Whether whom the system or a certificate calls `name` may come as `user`.
    fn may_come_as(&self, name: &str, user: &str, map: Option<&str>) -> bool {
        match map {
            None => name == user,
            Some(map) => self
                .settings
                .ident
                .as_ref()
                .is_some_and(|maps| maps.allows(map, name, user)),
        }
    }

    fn log_attempt(&self, id: ClientId, database: &str, fx: &mut Effects) {
        if self.settings.log.connections
            && let Some(client) = self.clients.get(&id)
        {
            let user = &client.user;
            let tls = client.tls.as_ref().map_or("no", |secured| &secured.info);
            let says = format!("login attempt: db={database} user={user} tls={tls}");
            self.log_client(id, Loudness::Log, says, fx);
        }
    }

    /// The settings don't allow what they ask for. Why is for the log, not for the client.
    pub(crate) fn config_error(
        &mut self,
        id: ClientId,
        says: &str,
        now: Instant,
        fx: &mut Effects,
    ) {
        self.log_client(id, Loudness::Error, says, fx);
        let told = "bouncer config error";
        self.dismiss(id, "F0000", told, Outcome::Refused, now, fx);
    }

    fn wrong_password(&mut self, id: ClientId, sasl: bool, now: Instant, fx: &mut Effects) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let says = match self.settings.errors {
            ErrorStyle::Weir => format!(
                "password authentication failed for user \"{}\"",
                client.user
            ),
            ErrorStyle::PgBouncer if sasl => "SASL authentication failed".to_owned(),
            ErrorStyle::PgBouncer => "password authentication failed".to_owned(),
        };
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
                self.client_leaves(id, now, fx);
                return;
            }
            let says = format!("expected a password response, got message type {tag}");
            self.client_fault(id, &says, now, fx);
            return;
        }
        match auth.step {
            Step::Plain => match frontend::password(body) {
                Ok(said) => {
                    let fits = match (&auth.found, self.directory.get(&user)) {
                        (Some(entry), _) | (None, Some(entry)) => entry.is_password(&user, said),
                        (None, None) => false,
                    };
                    if said.is_empty() {
                        let says = "empty password returned by client";
                        self.dismiss(id, "28P01", says, Outcome::Refused, now, fx);
                    } else if fits {
                        self.authenticated(id, auth.database, auth.base, auth.found, now, fx);
                    } else {
                        self.wrong_password(id, false, now, fx);
                    }
                }
                Err(error) => self.client_fault(id, &error.to_string(), now, fx),
            },
            Step::Md5 { secret, salt } => {
                let answer = match frontend::password(body) {
                    Ok(answer) => answer,
                    Err(error) => {
                        self.client_fault(id, &error.to_string(), now, fx);
                        return;
                    }
                };
                if md5::verify(&secret, salt, answer) && auth.known {
                    self.authenticated(id, auth.database, auth.base, auth.found, now, fx);
                } else {
                    self.wrong_password(id, false, now, fx);
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
                    let entry = auth.found.as_ref().or_else(|| self.directory.get(&user));
                    if matches!(entry, Some(Entry::Scram(_))) {
                        self.directory.keys.insert(user, accepted.keys);
                    }
                    self.authenticated(id, auth.database, auth.base, auth.found, now, fx);
                }
                Ok(_) | Err(scram::ScramError::WrongProof) => {
                    self.wrong_password(id, true, now, fx);
                }
                Err(error) => self.client_fault(id, &error.to_string(), now, fx),
            },
        }
    }

    fn authenticated(
        &mut self,
        id: ClientId,
        database: Arc<str>,
        base: Session,
        found: Option<Entry>,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let user = Arc::clone(&client.user);
        let own = self.peers.remove(&id).is_some_and(|p| p.is_own_user) && &*user == "pgbouncer";
        if is_console(&database) {
            let admins = &self.settings.admin_users;
            let open = admins.is_empty() && self.settings.auth_method == AuthMethod::Trust;
            if !open
                && !own
                && !admins.contains(&user)
                && !self.settings.stats_users.contains(&user)
            {
                let says = format!("user \"{user}\" may not use the admin console");
                self.dismiss(id, "28000", &says, Outcome::Refused, now, fx);
                return;
            }
            self.welcome_console(id, now, fx);
            return;
        }
        let refused = match self.databases.get(&database) {
            None => Some(("3D000", format!("no such database: {database}"))),
            Some(db) if db.disabled => {
                Some(("57P03", format!("database \"{database}\" is disabled")))
            }
            Some(_) => self
                .client_cap(&database, &user)
                .map(|says| ("53300", says)),
        };
        if let Some((sqlstate, says)) = refused {
            self.dismiss(id, sqlstate, &says, Outcome::Refused, now, fx);
            return;
        }
        let Some(pool_id) = self.pool_for(&database, &user, now, fx) else {
            let says = "no pool can be made for this user any more";
            self.dismiss(id, "53400", says, Outcome::Refused, now, fx);
            return;
        };
        self.count_client(&database, &user);
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
        if let Some(found) = found
            && pool.key.user == user
        {
            pool.found = Some(found);
        }
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
        let notice = Arc::clone(&self.settings.login_notify_message);
        fx.send_with(Conn::Client(id), |out| {
            backend::put_auth_ok(out);
            for (name, value) in &params.entries {
                backend::put_parameter_status(out, name, value);
            }
            backend::put_backend_key_data(out, key.0, &key.1.to_be_bytes());
            if !notice.is_empty() {
                put_notice(out, &notice);
            }
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

/// NOTICE with this text.
pub(crate) fn put_notice(out: &mut Vec<u8>, says: &str) {
    backend::put_notice(
        out,
        &Complaint {
            severity: "NOTICE",
            sqlstate: "00000",
            message: says,
            detail: None,
            hint: None,
        },
    );
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
