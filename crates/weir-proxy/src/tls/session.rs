//! One connection's TLS: bytes that came in, bytes to send and plain bytes out.
//!
//! # What always holds
//! - Nothing is kept of an idle connection but the library's state: records are taken apart where
//!   the driver has them, and only the beginning of an unfinished one is kept.
//! - What is kept of a peer is at most [`INCOMING_MAX`] bytes.

use std::io::IoSlice;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, Error};
use weir_engine::Secured;
use weir_wire::certificate;

use super::contexts::Acceptor;
use super::{suites, verify};

/// Unfinished bytes kept of a peer: a record, and a handshake message of the largest size that
/// the library takes.
pub(crate) const INCOMING_MAX: usize = 96 * 1024;

/// Plain bytes in a record.
const RECORD: usize = 16 * 1024;

/// What a record may add to its bytes, and then some.
const RECORD_OVERHEAD: usize = 64;

/// Room for what may stand before the first record: a key update, an alert.
const SPARE: usize = 256;

enum End {
    /// We showed our certificate.
    Accepted(Box<UnbufferedServerConnection>),
    /// We asked for one.
    Connected(Box<UnbufferedClientConnection>),
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Shaking,
    Open,
    Over,
}

/// Why there is no more TLS.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The peer said good-bye (close_notify).
    Closed,
    /// With which and why.
    Failed(String),
}

/// What [`Tls::receive`] made of bytes.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Hands were shaken just now.
    pub(crate) shaken: bool,
    /// There is no more after what was received, and why.
    pub(crate) ended: Option<Ended>,
}

/// TLS of one connection.
pub(crate) struct Tls {
    end: End,
    stage: Stage,
    /// The beginning of a record whose end hasn't come.
    incoming: Vec<u8>,
    end_point: Option<Arc<[u8]>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("stage", &self.stage)
            .field("incoming", &self.incoming.len())
            .finish()
    }
}

/// What to do after one step of the library.
enum Next {
    Again,
    Wait,
    Closed,
}

impl Tls {
    /// A client is to be shown our certificate.
    pub(crate) fn accept(with: &Acceptor) -> Result<Self, String> {
        let connection =
            UnbufferedServerConnection::new(Arc::clone(&with.config)).map_err(|e| e.to_string())?;
        Ok(Self {
            end: End::Accepted(Box::new(connection)),
            stage: Stage::Shaking,
            incoming: Vec::new(),
            end_point: with.end_point.clone(),
        })
    }

    /// A server was dialled by the name `host`.
    pub(crate) fn connect(config: &Arc<ClientConfig>, host: &str) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("\"{host}\" is no name that a certificate could be for"))?;
        let connection =
            UnbufferedClientConnection::new(Arc::clone(config), name).map_err(|e| e.to_string())?;
        Ok(Self {
            end: End::Connected(Box::new(connection)),
            stage: Stage::Shaking,
            incoming: Vec::new(),
            end_point: None,
        })
    }

    /// Plain bytes may be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Bytes kept beside the library's state.
    pub(crate) fn buffered(&self) -> usize {
        self.incoming.capacity()
    }

    /// Bytes came. Appends plain ones to `plain` and what is to be sent to `out`; changes `chunk`.
    pub(crate) fn receive(
        &mut self,
        chunk: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Received {
        if self.stage == Stage::Over {
            return Received::default();
        }
        let result = if self.incoming.is_empty() {
            let used = self.take_apart(chunk, plain, out);
            self.keep(chunk, used)
        } else {
            let mut bytes = std::mem::take(&mut self.incoming);
            bytes.extend_from_slice(chunk);
            let used = self.take_apart(&mut bytes, plain, out);
            self.keep(&bytes, used)
        };
        let shaken = self.stage == Stage::Shaking && !self.is_shaking();
        if shaken {
            self.stage = Stage::Open;
        }
        if let Err(Ended::Failed(_)) = &result {
            self.stage = Stage::Over;
            self.last_words(out);
        }
        Received {
            shaken,
            ended: result.err(),
        }
    }

    fn keep(&mut self, bytes: &[u8], used: Result<usize, Ended>) -> Result<(), Ended> {
        let rest = &bytes[used?..];
        if rest.len() > INCOMING_MAX {
            return Err(Ended::Failed(format!(
                "an unfinished TLS message of more than {INCOMING_MAX} bytes"
            )));
        }
        self.incoming = rest.to_vec();
        Ok(())
    }

    fn is_shaking(&self) -> bool {
        match &self.end {
            End::Accepted(connection) => connection.is_handshaking(),
            End::Connected(connection) => connection.is_handshaking(),
        }
    }

    /// How many bytes are done with.
    fn take_apart(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<usize, Ended> {
        let mut at = 0;
        loop {
            let rest = &mut bytes[at..];
            let (used, next) = match &mut self.end {
                End::Accepted(c) => step(c.process_tls_records(rest), plain, out),
                End::Connected(c) => step(c.process_tls_records(rest), plain, out),
            };
            at += used;
            match next {
                Ok(Next::Again) => {}
                Ok(Next::Wait) => return Ok(at),
                Ok(Next::Closed) => return Err(Ended::Closed),
                Err(fault) => return Err(Ended::Failed(verify::says(&fault))),
            }
        }
    }

    /// After a fault: the alert that tells the peer.
    fn last_words(&mut self, out: &mut Vec<u8>) {
        // An alert, and perhaps a message that was to go before it; never more than a few. The
        // library remembers places in the bytes that it failed on, so it is asked for no more than
        // what it has to say: anything else would have it look there again.
        let mut nothing = Vec::new();
        for _ in 0..8 {
            let (_, next) = match &mut self.end {
                End::Accepted(c) if c.wants_write() => {
                    step(c.process_tls_records(&mut []), &mut nothing, out)
                }
                End::Connected(c) if c.wants_write() => {
                    step(c.process_tls_records(&mut []), &mut nothing, out)
                }
                End::Accepted(_) | End::Connected(_) => return,
            };
            if !matches!(next, Ok(Next::Again)) {
                return;
            }
        }
    }

    /// Appends the records for `pieces` to `out`. `joined` is room to put small pieces together.
    pub(crate) fn seal(
        &mut self,
        pieces: &[IoSlice<'_>],
        joined: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        if self.stage != Stage::Open {
            return Err("no TLS yet, or no more".to_owned());
        }
        if let [one] = pieces {
            return self.seal_one(one, out);
        }
        // Full records: each costs its peer a call and itself a tag.
        joined.clear();
        for piece in pieces {
            joined.extend_from_slice(piece);
        }
        let result = self.seal_one(joined, out);
        if joined.capacity() > 16 * RECORD {
            *joined = Vec::new();
        }
        result
    }

    fn seal_one(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let room = bytes.len() + bytes.len().div_ceil(RECORD) * RECORD_OVERHEAD + SPARE;
        self.write(&What::Bytes(bytes), room, out)
    }

    /// Appends the good-bye.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        if self.stage == Stage::Open {
            // One that can't be sealed isn't sent: the peer sees the end of the socket.
            let _ = self.write(&What::GoodBye, SPARE, out);
            self.stage = Stage::Over;
        }
    }

    fn write(&mut self, what: &What<'_>, room: usize, out: &mut Vec<u8>) -> Result<(), String> {
        // What the library has to say by itself (a key update's answer) goes before. It is shown
        // what is kept, for it remembers places in that.
        for _ in 0..8 {
            let kept = &mut self.incoming;
            let (used, written) = match &mut self.end {
                End::Accepted(c) => put(c.process_tls_records(kept), what, room, out),
                End::Connected(c) => put(c.process_tls_records(kept), what, room, out),
            };
            if used > 0 {
                kept.drain(..used.min(kept.len()));
            }
            if let Some(result) = written {
                return result;
            }
        }
        Err("TLS takes no bytes now".to_owned())
    }

    /// What was settled. After [`Tls::receive`] has said that hands were shaken.
    pub(crate) fn secured(&self) -> Secured {
        macro_rules! common {
            ($connection:expr) => {
                (
                    $connection.protocol_version(),
                    $connection.negotiated_cipher_suite(),
                    $connection.alpn_protocol().is_some(),
                    $connection.peer_certificates().and_then(|c| c.first()),
                )
            };
        }
        let (version, suite, alpn, peer) = match &self.end {
            End::Accepted(c) => common!(c),
            End::Connected(c) => common!(c),
        };
        let version = match version {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        };
        let suite = suite.map_or("?", |s| suites::name(s.suite()));
        let (end_point, certificate) = match &self.end {
            End::Accepted(_) => (
                self.end_point.clone(),
                peer.and_then(|der| certificate::common_name(der))
                    .map(Into::into),
            ),
            End::Connected(_) => (
                peer.and_then(|der| certificate::end_point(der))
                    .map(Into::into),
                None,
            ),
        };
        Secured {
            info: format!("{version}/{suite}").into(),
            end_point,
            certificate,
            alpn,
        }
    }
}

/// What is to be sealed.
enum What<'a> {
    Bytes(&'a [u8]),
    GoodBye,
}

/// Seals, if the library is there; `None`: ask again. And how many kept bytes are done with.
fn put<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    what: &What<'_>,
    room: usize,
    out: &mut Vec<u8>,
) -> (usize, Option<Result<(), String>>) {
    let used = status.discard;
    let written = match status.state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            let start = out.len();
            out.resize(start + room, 0);
            let written = match what {
                What::Bytes(bytes) => traffic.encrypt(bytes, &mut out[start..]),
                What::GoodBye => traffic.queue_close_notify(&mut out[start..]),
            };
            out.truncate(start + *written.as_ref().unwrap_or(&0));
            Some(written.map(|_| ()).map_err(|e| e.to_string()))
        }
        state => {
            let status = UnbufferedStatus { discard: 0, state };
            match step(status, &mut Vec::new(), out).1 {
                Ok(Next::Again | Next::Closed) => None,
                Ok(Next::Wait) => Some(Err("TLS takes no bytes now".to_owned())),
                Err(fault) => Some(Err(fault.to_string())),
            }
        }
    };
    (used, written)
}

/// One step of the library: how many bytes are done with, and what follows.
fn step<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    plain: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> (usize, Result<Next, Error>) {
    let mut used = status.discard;
    let next = match status.state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut result = Ok(Next::Again);
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        used += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    Err(fault) => {
                        result = Err(fault);
                        break;
                    }
                }
            }
            result
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let start = out.len();
            let mut room = 1024;
            loop {
                out.resize(start + room, 0);
                match data.encode(&mut out[start..]) {
                    Ok(written) => {
                        out.truncate(start + written);
                        break Ok(Next::Again);
                    }
                    Err(EncodeError::InsufficientSize(needed)) if needed.required_size > room => {
                        room = needed.required_size;
                    }
                    Err(fault) => {
                        out.truncate(start);
                        break Err(Error::General(fault.to_string()));
                    }
                }
            }
        }
        // They are in `out`, which is sent before anything else is.
        Ok(ConnectionState::TransmitTlsData(data)) => {
            data.done();
            Ok(Next::Again)
        }
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Next::Closed),
        // Early data is never offered. What the library adds one day can wait, too.
        Ok(_) => Ok(Next::Wait),
        Err(fault) => Err(fault),
    };
    (used, next)
}
