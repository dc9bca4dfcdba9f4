//! A server's way in: Weir proves to PostgreSQL who it is.
//!
//! # What always holds
//! - Whatever comes, nothing is believed that wasn't asked for: a server that doesn't prove
//!   itself in SCRAM is refused, garbage closes the connection.
//! - Deriving keys (a millisecond in which nobody is served) is done once per user, salt and
//!   count.

use std::sync::Arc;

use weir_model::{ConnectFailure, ErrorStyle, Event, Instant, Loudness, Place, PoolId, ServerId};
use weir_wire::auth::md5;
use weir_wire::auth::scram::{self, Binding, Secret};
use weir_wire::backend::{self, Authentication, tag};
use weir_wire::frame::{HEADER_LEN, parse_header};
use weir_wire::{TxStatus, frontend, startup};

use crate::directory::Entry;
use crate::effect::{Conn, Effects};
use crate::engine::Engine;
use crate::ids::IdMap;
use crate::pool::Pool;
use crate::server::{Server, State};
use crate::session_settings::{Params, Session};
use crate::tls;

/// Stands in what the driver says of a host name that it can't resolve.
const NO_NAME: &str = "couldn't resolve";

/// No message of a login is longer than this.
const LOGIN_MAX: u32 = 64 * 1024;
/// Keys kept. One per user that logs in to servers by password; above it they are derived anew.
const DERIVED_MAX: usize = 1_000;

/// A login under way.
#[derive(Default)]
pub(crate) struct ServerLogin {
    connected: bool,
    pub(crate) tls: tls::Step,
    authenticated: bool,
    scram: Option<Scram>,
    params: Params,
}

struct Scram {
    exchange: scram::Client,
    nonce: String,
    binding: Binding,
    /// User, salt and count, under which the keys are kept once they have proved good.
    challenge: Option<(Arc<str>, Box<[u8]>)>,
}

impl Engine {
    pub(crate) fn new_server(&mut self, id: ServerId, pool: PoolId, place: Place, now: Instant) {
        let session = self.sessions.intern(Session::default());
        let params = self.params.intern(Params::default());
        self.servers.insert(
            id,
            Box::new(Server {
                pool,
                state: State::Login,
                since: now,
                connected: now,
                expires: now,
                login: Some(Box::default()),
                tls: None,
                place,
                used: false,
                checked: false,
                lookup: None,
                backend_pid: 0,
                cancel_key: Box::default(),
                params,
                session,
                prepared: IdMap::default(),
                prepared_turn: 0,
                unnamed_of: None,
                owed: std::collections::VecDeque::new(),
                owed_first: 0,
                tx: TxStatus::Idle,
                skipping: false,
                unsynced: false,
                copy_in: false,
                stream: 0,
                stream_drops: false,
                link: None,
                close_when_idle: None,
                fatal: None,
                fatal_told: false,
                own_error: None,
            }),
        );
    }

    /// Whom this pool logs in as.
    fn server_user(&self, pool: PoolId) -> Option<Arc<str>> {
        let pool = self.pools.get(pool.0 as usize)?;
        let settings = &pool.settings;
        Some(
            settings
                .user
                .clone()
                .or_else(|| settings.server.user.clone())
                .unwrap_or_else(|| Arc::clone(&pool.key.user)),
        )
    }

    fn server_password(&self, pool: PoolId, user: &str) -> Option<Arc<str>> {
        let pool = self.pools.get(pool.0 as usize)?;
        let settings = &pool.settings;
        match settings
            .password
            .as_ref()
            .or(settings.server.password.as_ref())
        {
            Some(secret) => Some(Arc::clone(&secret.0)),
            None => self.entry_of(pool, user)?.password().cloned(),
        }
    }

    /// What is known of the user that a pool logs in as.
    fn entry_of<'a>(&'a self, pool: &'a Pool, user: &str) -> Option<&'a Entry> {
        let found = pool.found.as_ref().filter(|_| *pool.key.user == *user);
        self.directory.get(user).or(found)
    }

    pub(crate) fn server_connected(&mut self, id: ServerId, fx: &mut Effects) {
        if let Some(login) = self.servers.get_mut(&id).and_then(|s| s.login.as_mut()) {
            login.connected = true;
        }
        if !self.ask_tls(id, fx) {
            self.send_startup(id, fx);
        }
    }

    /// Says who we are. In plain text, or through TLS.
    pub(crate) fn send_startup(&mut self, id: ServerId, fx: &mut Effects) {
        let Some(pool_id) = self.servers.get(&id).map(|s| s.pool) else {
            return;
        };
        let Some(user) = self.server_user(pool_id) else {
            return;
        };
        let Some(pool) = self.pools.get(pool_id.0 as usize) else {
            return;
        };
        let database = pool
            .settings
            .server_database
            .as_ref()
            .unwrap_or(&pool.key.database);
        // PgBouncer's servers have no name until a client gives them its own.
        let named = match self.settings.errors {
            ErrorStyle::Weir => Some(("application_name", "weir")),
            ErrorStyle::PgBouncer => None,
        };
        let own = [("user", &*user), ("database", &**database)]
            .into_iter()
            .chain(named);
        let asked = &pool.settings.startup;
        let own = own.filter(|(name, _)| !asked.iter().any(|(n, _)| **n == **name));
        let asked = asked.iter().map(|(name, value)| (&**name, &**value));
        fx.send_with(Conn::Server(id), |out| {
            startup::put_startup(out, own.chain(asked));
        });
    }

    /// The attempt failed. `close`: its socket is still there.
    pub(crate) fn server_login_failed(
        &mut self,
        id: ServerId,
        failure: ConnectFailure,
        close: bool,
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(server) = self.servers.get(&id) else {
            return;
        };
        if server.state != State::Login {
            return;
        }
        let pool = server.pool;
        self.log_login_failure(id, pool, &failure, now, fx);
        if close {
            self.close(Conn::Server(id), fx);
        }
        // Out of the tables before the failure is told, so that nobody counts it as open; the
        // back-off is set before anybody dials again.
        if let Some(pool) = self.pools.get_mut(pool.0 as usize) {
            pool.servers.retain(|s| *s != id);
        }
        self.servers.remove(&id);
        if let Some(pool) = self.pools.get_mut(pool.0 as usize) {
            pool.in_login = pool.in_login.saturating_sub(1);
            if pool.servers.is_empty() {
                pool.idle_since = Some(now);
            }
        }
        self.give_up_place(pool);
        self.login_failed(pool, failure, now, fx);
        if let Some(pool) = self.pools.get_mut(pool.0 as usize) {
            pool.in_login += 1; // `login_over` takes it back.
        }
        self.login_over(pool, now, fx);
        self.place_freed(pool, now, fx);
        self.dial_more(pool, now, fx);
        self.maybe_exit(fx);
    }

    /// Says why no server came of it, in PgBouncer's words.
    fn log_login_failure(
        &self,
        id: ServerId,
        pool: PoolId,
        failure: &ConnectFailure,
        now: Instant,
        fx: &mut Effects,
    ) {
        let why = match failure {
            ConnectFailure::Io(text) if text.contains(NO_NAME) => "server DNS lookup failed",
            ConnectFailure::Io(_) => "connect failed",
            ConnectFailure::Timeout => "connect timeout",
            ConnectFailure::Tls(says) => {
                let says = format!("TLS setup failed: {says}");
                self.log_server(id, pool, Loudness::Warning, says, fx);
                "TLS handshake failed"
            }
            ConnectFailure::Refused { message, .. } => {
                let says = format!("server login failed: FATAL {message}");
                self.log_server(id, pool, Loudness::Warning, says, fx);
                "login failed"
            }
            ConnectFailure::Garbage(_) => "unexpected response from login",
        };
        self.log_server_end(id, why, now, fx);
    }

    pub(crate) fn server_login_gone(&mut self, id: ServerId, now: Instant, fx: &mut Effects) {
        let failure = ConnectFailure::Io("server closed the connection during login".to_owned());
        self.server_login_failed(id, failure, false, now, fx);
    }

    /// Bytes of a server that we log in to.
    pub(crate) fn server_login_bytes(
        &mut self,
        id: ServerId,
        bytes: &[u8],
        now: Instant,
        fx: &mut Effects,
    ) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            if self
                .servers
                .get(&id)
                .is_none_or(|s| s.state != State::Login)
            {
                break;
            }
            let rest = &bytes[at..];
            match self.servers.get(&id).and_then(|s| s.login.as_ref()) {
                Some(login) if login.tls == tls::Step::Asked => {
                    match self.tls_answer(id, rest, fx) {
                        Ok(used) => at += used,
                        Err(failure) => {
                            self.server_login_failed(id, failure, true, now, fx);
                            return bytes.len();
                        }
                    }
                    continue;
                }
                Some(login) if login.tls == tls::Step::Shaking => break,
                Some(_) | None => {}
            }
            let header = match parse_header(rest, LOGIN_MAX) {
                Ok(None) => break,
                Ok(Some(header)) if rest.len() < header.total() => break,
                Ok(Some(header)) => header,
                Err(error) => {
                    let seen = String::from_utf8_lossy(&rest[..rest.len().min(24)])
                        .escape_default()
                        .to_string();
                    let failure = ConnectFailure::Garbage(format!("{error} (\"{seen}\")"));
                    self.server_login_failed(id, failure, true, now, fx);
                    return bytes.len();
                }
            };
            at += header.total();
            let body = &rest[HEADER_LEN..header.total()];
            if let Err(failure) = self.server_login_message(id, header.tag, body, now, fx) {
                self.server_login_failed(id, failure, true, now, fx);
                return bytes.len();
            }
        }
        if !self.servers.contains_key(&id) {
            return bytes.len();
        }
        at
    }

    fn server_login_message(
        &mut self,
        id: ServerId,
        tag: u8,
        body: &[u8],
        now: Instant,
        fx: &mut Effects,
    ) -> Result<(), ConnectFailure> {
        let garbage = |says: String| ConnectFailure::Garbage(says);
        let Some(server) = self.servers.get_mut(&id) else {
            return Ok(());
        };
        let pool_id = server.pool;
        let Some(login) = &mut server.login else {
            return Ok(());
        };
        match tag {
            tag::AUTHENTICATION => {
                let step = backend::authentication(body).map_err(|e| garbage(e.to_string()))?;
                self.server_auth(id, pool_id, step, fx)
            }
            tag::ERROR_RESPONSE => {
                let fields = backend::error_fields(body).map_err(|e| garbage(e.to_string()))?;
                Err(ConnectFailure::Refused {
                    sqlstate: String::from_utf8_lossy(fields.sqlstate).into_owned(),
                    message: String::from_utf8_lossy(fields.message).into_owned(),
                })
            }
            tag::NOTICE_RESPONSE | tag::NEGOTIATE_PROTOCOL_VERSION => Ok(()),
            tag::PARAMETER_STATUS => {
                let status = backend::parameter_status(body).map_err(|e| garbage(e.to_string()))?;
                login.params.set(status.name, status.value);
                Ok(())
            }
            tag::BACKEND_KEY_DATA => {
                let key = backend::backend_key_data(body).map_err(|e| garbage(e.to_string()))?;
                server.backend_pid = key.pid;
                server.cancel_key = key.key.into();
                Ok(())
            }
            tag::READY_FOR_QUERY => {
                backend::ready_for_query(body).map_err(|e| garbage(e.to_string()))?;
                if !login.authenticated {
                    return Err(garbage("ReadyForQuery before authentication".to_owned()));
                }
                self.server_ready(id, now, fx);
                Ok(())
            }
            other => Err(garbage(format!(
                "message '{}' during login",
                (other as char).escape_default()
            ))),
        }
    }

    fn server_auth(
        &mut self,
        id: ServerId,
        pool: PoolId,
        step: Authentication<'_>,
        fx: &mut Effects,
    ) -> Result<(), ConnectFailure> {
        let user = self.server_user(pool).unwrap_or_default();
        let password = self.server_password(pool, &user);
        let md5_only = self
            .pools
            .get(pool.0 as usize)
            .and_then(|pool| self.entry_of(pool, &user))
            .is_some_and(|entry| matches!(entry, Entry::Md5(_)));
        let refused = |message: String| ConnectFailure::Refused {
            sqlstate: "28P01".to_owned(),
            message,
        };
        let Some(server) = self.servers.get_mut(&id) else {
            return Ok(());
        };
        let end_point = server.tls.as_ref().and_then(|tls| tls.end_point.clone());
        let Some(login) = server.login.as_mut() else {
            return Ok(());
        };
        match step {
            Authentication::Ok => {
                if let Some(scram) = &login.scram {
                    if !scram.exchange.is_done() {
                        return Err(refused(
                            "the server ended SCRAM without proving that it knows the password"
                                .to_owned(),
                        ));
                    }
                    if let (Some(key), Some(keys)) = (&scram.challenge, scram.exchange.keys())
                        && self.derived.len() < DERIVED_MAX
                    {
                        self.derived.insert(key.clone(), keys.clone());
                    }
                }
                login.scram = None;
                login.authenticated = true;
            }
            Authentication::Cleartext => {
                let password = password.ok_or_else(|| {
                    refused(format!(
                        "no password for user \"{user}\" towards the server"
                    ))
                })?;
                fx.send_with(Conn::Server(id), |out| {
                    frontend::put_password(out, password.as_bytes());
                });
            }
            Authentication::Md5 { salt } => {
                let secret = match &password {
                    Some(password) => Some(md5::secret(password.as_bytes(), user.as_bytes())),
                    None => self
                        .pools
                        .get(pool.0 as usize)
                        .and_then(|pool| self.entry_of(pool, &user))
                        .and_then(|entry| entry.md5_secret(&user)),
                };
                let secret = secret.ok_or_else(|| {
                    refused(format!(
                        "no password for user \"{user}\" towards the server"
                    ))
                })?;
                fx.send_with(Conn::Server(id), |out| {
                    frontend::put_password(out, md5::response(&secret, salt).as_bytes());
                });
            }
            Authentication::Sasl { mechanisms } => {
                if !mechanisms.contains(&scram::MECHANISM) {
                    return Err(refused(format!(
                        "the server offers no {}, but {}",
                        scram::MECHANISM,
                        mechanisms.join(", ")
                    )));
                }
                let secret = match password {
                    Some(password) => Secret::Password(password.as_bytes().to_vec()),
                    None => match self.directory.keys.get(&user) {
                        Some(keys) => Secret::Keys(keys.clone()),
                        None if md5_only => {
                            return Err(refused(
                                "cannot do SCRAM authentication: wrong password type".to_owned(),
                            ));
                        }
                        None => {
                            return Err(refused(format!(
                                "no password for user \"{user}\" towards the server"
                            )));
                        }
                    },
                };
                let nonce = scram::nonce(&self.dice.bytes::<{ scram::NONCE_LEN }>());
                let binding = match end_point {
                    Some(hash) if mechanisms.contains(&scram::MECHANISM_PLUS) => {
                        Binding::EndPoint(hash)
                    }
                    Some(_) => Binding::NotOffered,
                    None => Binding::None,
                };
                let exchange = scram::Client::new(secret, nonce.clone()).bind(binding.clone());
                fx.send_with(Conn::Server(id), |out| {
                    frontend::put_sasl_initial(
                        out,
                        exchange.mechanism(),
                        exchange.first_message().as_bytes(),
                    );
                });
                login.scram = Some(Scram {
                    exchange,
                    nonce,
                    binding,
                    challenge: None,
                });
            }
            Authentication::SaslContinue(data) => {
                let Some(scram) = &mut login.scram else {
                    return Err(ConnectFailure::Garbage(
                        "a SASL challenge that nobody asked for".to_owned(),
                    ));
                };
                // `r=…,s=…,i=…`: behind the nonce stands what the keys depend on.
                if let Some(comma) = data.iter().position(|b| *b == b',') {
                    let mut material = data[comma..].to_vec();
                    material.push(0);
                    if let Some(password) = &password {
                        material.extend_from_slice(password.as_bytes());
                        let key = (Arc::clone(&user), material.into_boxed_slice());
                        if let Some(keys) = self.derived.get(&key) {
                            scram.exchange =
                                scram::Client::new(Secret::Keys(keys.clone()), scram.nonce.clone())
                                    .bind(scram.binding.clone());
                        } else {
                            scram.challenge = Some(key);
                        }
                    }
                }
                let answer = scram
                    .exchange
                    .on_challenge(data)
                    .map_err(|e| ConnectFailure::Garbage(e.to_string()))?;
                fx.send_with(Conn::Server(id), |out| {
                    frontend::put_sasl_response(out, answer.as_bytes());
                });
            }
            Authentication::SaslFinal(data) => {
                let Some(scram) = &mut login.scram else {
                    return Err(ConnectFailure::Garbage(
                        "an end of SASL that nobody asked for".to_owned(),
                    ));
                };
                scram
                    .exchange
                    .on_final(data)
                    .map_err(|e| refused(e.to_string()))?;
            }
            Authentication::Unsupported { method } => {
                return Err(refused(format!(
                    "the server asks for authentication method {method}, which Weir doesn't speak"
                )));
            }
        }
        Ok(())
    }

    /// Logged in.
    fn server_ready(&mut self, id: ServerId, now: Instant, fx: &mut Effects) {
        let jitter = 1.0 - 0.1 * self.dice.unit();
        let Some(server) = self.servers.get_mut(&id) else {
            return;
        };
        let pool_id = server.pool;
        let Some(pool) = self.pools.get_mut(pool_id.0 as usize) else {
            return;
        };
        let params = server.login.take().map(|l| l.params).unwrap_or_default();
        let params = self.params.intern(params);
        server.params = Arc::clone(&params);
        server.state = State::Idle;
        server.expires = now.after(pool.settings.server.lifetime.mul_f64(jitter));
        let took = now.since(server.connected);
        let backend_pid = server.backend_pid;
        pool.welcome = Some(params);
        pool.last_failure = None;
        pool.down_since = None;
        pool.places_failed = 0;
        pool.retry_at = now;
        pool.meter.server_logins += 1;
        fx.events.push(Event::ServerReady {
            pool: pool_id,
            server: id,
            backend_pid,
            took,
        });
        let first = pool.settings.connect_query.clone();
        self.login_over(pool_id, now, fx);
        // Given back first: those who come in in session mode take it.
        match first {
            Some(sql) if !sql.is_empty() => self.own_query(id, State::Reset, &sql, now, fx),
            Some(_) | None => self.give_back(id, now, fx),
        }
        self.welcome_all(pool_id, now, fx);
        self.dial_more(pool_id, now, fx);
    }
}
