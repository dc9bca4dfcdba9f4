//! TLS as far as the engine has a say: whether to begin it, and what follows from it.
//!
//! The driver does the records; the engine sees plain bytes before and after. In between it asks
//! for TLS by [`Effect::StartTls`] and hears of it by [`Engine::secured`] or
//! [`Engine::tls_failed`].
//!
//! # What always holds
//! - Nothing that was sent in plain text is read as if it had come through TLS
//!   (CVE-2021-23214, CVE-2021-23222): what stands behind a request for TLS, or behind the answer
//!   to one, closes the connection.
//! - With a mode that requires TLS, no user name and no password goes in plain text: the startup
//!   packet is refused, or not sent.
//! - Unix sockets have none, as in PostgreSQL.

use std::sync::Arc;

use weir_model::{ClientId, ConnectFailure, Event, Instant, Outcome, ServerId, TlsSettings};
use weir_wire::startup;

use crate::client::Phase;
use crate::effect::{Conn, Effect, Effects};
use crate::engine::Engine;
use crate::server::State;

/// What a TLS handshake settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// Version and cipher as OpenSSL names them: `TLSv1.3/TLS_AES_256_GCM_SHA384`.
    pub info: Arc<str>,
    /// The hash of the server's end's certificate, for channel binding (RFC 5929,
    /// `tls-server-end-point`); `None` where its signature has no hash.
    pub end_point: Option<Arc<[u8]>>,
    /// The common name in the certificate that a client proved to own.
    pub certificate: Option<Arc<str>>,
    /// Both ends agreed by ALPN that they speak PostgreSQL's protocol.
    pub alpn: bool,
}

/// How a server connection comes to TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Step {
    /// No TLS is wanted, or it is there.
    #[default]
    Over,
    /// The server was asked; it owes one byte.
    Asked,
    /// The driver shakes hands.
    Shaking,
}

/// Whether there is a network between us that TLS could protect.
fn is_local(place: &str) -> bool {
    place.starts_with('/') || place.starts_with("unix")
}

impl Engine {
    /// A client asks for TLS. `more`: bytes stand behind its request. False: it is gone.
    pub(crate) fn ssl_request(
        &mut self,
        id: ClientId,
        more: bool,
        now: Instant,
        fx: &mut Effects,
    ) -> bool {
        let Some(client) = self.clients.get(&id) else {
            return false;
        };
        if client.tls.is_some() {
            let says = "SSLRequest inside a TLS connection";
            self.dismiss(id, "08P01", says, Outcome::Refused, now, fx);
            return false;
        }
        if self.settings.tls.is_off() || is_local(&client.addr) {
            fx.send_with(Conn::Client(id), |out| out.push(b'N'));
            return true;
        }
        if more {
            let says = "received unencrypted data after SSL request: this could be either a \
                        client software bug or evidence of an attempted man-in-the-middle attack";
            self.dismiss(id, "08P01", says, Outcome::Refused, now, fx);
            return false;
        }
        fx.send_with(Conn::Client(id), |out| out.push(b'S'));
        fx.list.push(Effect::StartTls {
            conn: Conn::Client(id),
            with: None,
        });
        true
    }

    /// A client begins with TLS itself, without asking (libpq: `sslnegotiation=direct`). True: it
    /// may, and none of its bytes is consumed.
    pub(crate) fn direct_tls(&mut self, id: ClientId, bytes: &[u8], fx: &mut Effects) -> bool {
        let may = startup::is_client_hello(bytes)
            && !self.settings.tls.is_off()
            && self.clients.get(&id).is_some_and(|c| {
                matches!(c.phase, Phase::Startup) && c.tls.is_none() && !is_local(&c.addr)
            });
        if may {
            if let Some(client) = self.clients.get_mut(&id) {
                client.direct_tls = true;
            }
            fx.list.push(Effect::StartTls {
                conn: Conn::Client(id),
                with: None,
            });
        }
        may
    }

    /// Why a startup packet can't be taken in plain text, if it can't.
    pub(crate) fn lacks_tls(&self, id: ClientId) -> Option<&'static str> {
        let client = self.clients.get(&id)?;
        let lacks =
            self.settings.tls.mode.is_required() && client.tls.is_none() && !is_local(&client.addr);
        lacks.then_some("SSL required: this pooler takes no unencrypted connections over TCP")
    }

    /// The hash that a client's proof may bind the channel to.
    pub(crate) fn end_point_of(&self, id: ClientId) -> Option<Arc<[u8]>> {
        self.clients.get(&id)?.tls.as_ref()?.end_point.clone()
    }

    /// `conn` and we share a secret now.
    pub fn secured(&mut self, conn: Conn, secured: Arc<Secured>, now: Instant, fx: &mut Effects) {
        match conn {
            Conn::Client(id) => {
                let Some(client) = self.clients.get_mut(&id) else {
                    return;
                };
                let alpn_missing = client.direct_tls && !secured.alpn;
                client.tls = Some(secured);
                if alpn_missing {
                    let says = "received direct SSL connection request without ALPN protocol \
                                negotiation extension";
                    self.dismiss(id, "08P01", says, Outcome::Refused, now, fx);
                }
            }
            Conn::Server(id) => {
                let Some(server) = self.servers.get_mut(&id) else {
                    return;
                };
                let Some(login) = &mut server.login else {
                    return;
                };
                if login.tls != Step::Shaking {
                    return;
                }
                login.tls = Step::Over;
                let alpn = secured.alpn;
                server.tls = Some(secured);
                let direct = self.tls_of(id).is_some_and(|tls| tls.direct);
                if direct && !alpn {
                    let says = "direct TLS was answered without the ALPN name \"postgresql\"; \
                                PostgreSQL 17 and later have it"
                        .to_owned();
                    self.server_login_failed(id, ConnectFailure::Tls(says), true, now, fx);
                } else {
                    self.send_startup(id, fx);
                }
            }
        }
    }

    /// There will be no TLS with `conn`, or no more of it.
    pub fn tls_failed(&mut self, conn: Conn, says: &str, now: Instant, fx: &mut Effects) {
        match conn {
            Conn::Client(id) => {
                let Some(client) = self.clients.get(&id) else {
                    return;
                };
                if client.is_logging_in() {
                    fx.events.push(Event::ClientRefused {
                        addr: Arc::clone(&client.addr),
                        sqlstate: "08006".to_owned(),
                        message: format!("TLS handshake failed: {says}"),
                    });
                }
                self.close(Conn::Client(id), fx);
                self.drop_client(id, Outcome::ClientLost, now, fx);
            }
            Conn::Server(id) => {
                let Some(server) = self.servers.get(&id) else {
                    return;
                };
                if server.state == State::Login {
                    let place = self.place_of(id);
                    let failure = ConnectFailure::Tls(format!("TLS with {place}: {says}"));
                    self.server_login_failed(id, failure, true, now, fx);
                } else {
                    self.close(conn, fx);
                    self.server_gone(id, now, fx);
                }
            }
        }
    }

    fn place_of(&self, id: ServerId) -> String {
        self.servers.get(&id).map_or_else(String::new, |server| {
            format!("{}:{}", server.place.host, server.place.port)
        })
    }

    /// TLS towards this server, where there is to be any.
    fn tls_of(&self, id: ServerId) -> Option<Arc<TlsSettings>> {
        let server = self.servers.get(&id)?;
        let tls = &self.pools.get(server.pool.0 as usize)?.settings.server.tls;
        (!tls.is_off() && !is_local(&server.place.host)).then(|| Arc::clone(tls))
    }

    /// A server was reached: asks for TLS, or begins it. False: there is to be none.
    pub(crate) fn ask_tls(&mut self, id: ServerId, fx: &mut Effects) -> bool {
        let Some(tls) = self.tls_of(id) else {
            return false;
        };
        if tls.direct {
            self.shake_hands(id, tls, fx);
            return true;
        }
        fx.send_with(Conn::Server(id), startup::put_ssl_request);
        self.tls_step(id, Step::Asked);
        true
    }

    fn tls_step(&mut self, id: ServerId, step: Step) {
        if let Some(login) = self.servers.get_mut(&id).and_then(|s| s.login.as_mut()) {
            login.tls = step;
        }
    }

    fn shake_hands(&mut self, id: ServerId, tls: Arc<TlsSettings>, fx: &mut Effects) {
        let Some(host) = self.servers.get(&id).map(|s| Arc::clone(&s.place.host)) else {
            return;
        };
        fx.list.push(Effect::StartTls {
            conn: Conn::Server(id),
            with: Some((host, tls)),
        });
        self.tls_step(id, Step::Shaking);
    }

    /// The answer to our request for TLS: one byte. Says how much was consumed.
    pub(crate) fn tls_answer(
        &mut self,
        id: ServerId,
        bytes: &[u8],
        fx: &mut Effects,
    ) -> Result<usize, ConnectFailure> {
        let Some(tls) = self.tls_of(id) else {
            return Ok(bytes.len());
        };
        let place = self.place_of(id);
        match bytes {
            [b'S'] => {
                self.shake_hands(id, tls, fx);
                Ok(1)
            }
            [b'S', ..] => Err(ConnectFailure::Tls(format!(
                "TLS with {place}: the server sent unencrypted data behind its answer to the SSL \
                 request; somebody may be in between"
            ))),
            [b'N', ..] if tls.mode.is_required() => Err(ConnectFailure::Tls(format!(
                "server refused SSL: {place} has no TLS, and `tls` of [server] is {}; switch it \
                 on there (`ssl = on`), or write mode = \"prefer\"",
                tls.mode
            ))),
            [b'N', ..] => {
                self.tls_step(id, Step::Over);
                self.send_startup(id, fx);
                Ok(1)
            }
            // PostgreSQL says so when it can't fork; the error follows in plain text and can't be
            // believed, but it is nothing that TLS could have hidden.
            [b'E', ..] => {
                self.tls_step(id, Step::Over);
                Ok(0)
            }
            _ => Err(ConnectFailure::Garbage(format!(
                "the answer to an SSL request is S or N, not {}",
                bytes[..bytes.len().min(8)].escape_ascii()
            ))),
        }
    }

    /// The TLS settings that a cancel request for this server needs: those of the connection that
    /// it is about.
    pub(crate) fn cancel_tls(&self, id: ServerId) -> Option<Arc<TlsSettings>> {
        let server = self.servers.get(&id)?;
        server.tls.as_ref()?;
        self.tls_of(id)
    }

    /// What a client whose certificate is its proof is told, if it isn't let in.
    pub(crate) fn refuses_certificate(&self, id: ClientId, user: &str) -> Option<String> {
        let secured = self.clients.get(&id).and_then(|c| c.tls.as_ref());
        match secured.and_then(|s| s.certificate.as_deref()) {
            Some(name) if name == user => None,
            Some(name) => Some(format!(
                "certificate authentication failed for user \"{user}\": the certificate is for \
                 \"{name}\""
            )),
            None if secured.is_none() => Some(format!(
                "certificate authentication failed for user \"{user}\": the connection has no TLS"
            )),
            None => Some(format!(
                "certificate authentication failed for user \"{user}\": no certificate was shown"
            )),
        }
    }
}

/// For SHOW.
pub(crate) fn info(tls: Option<&Arc<Secured>>, none: &Arc<str>) -> Arc<str> {
    tls.map_or_else(|| Arc::clone(none), |tls| Arc::clone(&tls.info))
}
