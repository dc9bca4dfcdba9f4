//! The admin console: databases `weir` and `pgbouncer`. Queries go to control as events, answers
//! come back as orders; this file only keeps the protocol in order.

use std::sync::Arc;

use weir_model::{ClientId, Event, Instant};
use weir_wire::frame::{HEADER_LEN, parse_header};
use weir_wire::frontend::{self, tag};
use weir_wire::{TxStatus, backend};

use crate::client::Phase;
use crate::effect::{Conn, Effect, Effects};
use crate::engine::Engine;

/// No console query is longer.
const QUERY_MAX: u32 = 64 * 1024;

impl Engine {
    pub(crate) fn welcome_console(&mut self, id: ClientId, now: Instant, fx: &mut Effects) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.phase = Phase::Console(false);
        client.since = now;
        self.logging_in.remove(&id);
        let key = client.key;
        fx.send_with(Conn::Client(id), |out| {
            backend::put_auth_ok(out);
            for (name, value) in [
                (
                    "server_version",
                    concat!(env!("CARGO_PKG_VERSION"), "/weir"),
                ),
                ("client_encoding", "UTF8"),
                ("server_encoding", "UTF8"),
                ("DateStyle", "ISO"),
                ("TimeZone", "GMT"),
                ("standard_conforming_strings", "on"),
                ("is_superuser", "on"),
            ] {
                backend::put_parameter_status(out, name.as_bytes(), value.as_bytes());
            }
            backend::put_backend_key_data(out, key.0, &key.1.to_be_bytes());
            backend::put_ready_for_query(out, TxStatus::Idle);
        });
    }

    /// Bytes of a console client.
    pub(crate) fn console_bytes(
        &mut self,
        id: ClientId,
        bytes: &[u8],
        now: Instant,
        fx: &mut Effects,
    ) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let Some(client) = self.clients.get_mut(&id) else {
                return bytes.len();
            };
            if client.paused {
                break;
            }
            let header = match parse_header(&bytes[at..], QUERY_MAX) {
                Ok(None) => break,
                Ok(Some(header)) if bytes.len() - at < header.total() => break,
                Ok(Some(header)) => header,
                Err(error) => {
                    self.client_fault(id, &error.to_string(), now, fx);
                    return bytes.len();
                }
            };
            let body = &bytes[at + HEADER_LEN..at + header.total()];
            at += header.total();
            match header.tag {
                tag::QUERY => match frontend::query(body) {
                    Ok(sql) => {
                        client.phase = Phase::Console(true);
                        client.paused = true;
                        let user = Arc::clone(&client.user);
                        fx.list.push(Effect::PauseReading {
                            conn: Conn::Client(id),
                        });
                        fx.events.push(Event::Console {
                            client: id,
                            user,
                            sql: String::from_utf8_lossy(sql).into_owned(),
                        });
                    }
                    Err(error) => {
                        self.client_fault(id, &error.to_string(), now, fx);
                        return bytes.len();
                    }
                },
                tag::PARSE => {
                    let says = "extended query protocol not supported by admin console";
                    Self::send_error(id, "ERROR", "0A000", says, fx);
                }
                tag::SYNC => fx.send_with(Conn::Client(id), |out| {
                    backend::put_ready_for_query(out, TxStatus::Idle);
                }),
                tag::BIND | tag::DESCRIBE | tag::EXECUTE | tag::CLOSE | tag::FLUSH => {}
                tag::TERMINATE => {
                    self.client_leaves(id, now, fx);
                    return bytes.len();
                }
                other => {
                    let says = format!("message type {other} is not supported by admin console");
                    self.client_fault(id, &says, now, fx);
                    return bytes.len();
                }
            }
        }
        at
    }

    /// Control's answer.
    pub(crate) fn console_reply(
        &mut self,
        id: ClientId,
        bytes: &[u8],
        now: Instant,
        fx: &mut Effects,
    ) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if !matches!(client.phase, Phase::Console(true)) {
            return;
        }
        client.phase = Phase::Console(false);
        fx.send_with(Conn::Client(id), |out| out.extend_from_slice(bytes));
        self.resume(id, now, fx);
    }
}
