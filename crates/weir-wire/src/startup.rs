//! What does the first packet of a client ask for?
//!
//! The first packet has no tag: a length, then a version number, of which some stand for requests
//! (TLS, GSSAPI, cancel). A client may send a TLS or GSSAPI request first and, refused, the real
//! startup packet after it.
//!
//! # What always holds
//! - Nothing is read beyond [`STARTUP_MAX`] bytes, PostgreSQL's own bound
//!   (`MAX_STARTUP_PACKET_LENGTH`); a longer packet is refused from its first four bytes.
//! - Who knocks with another protocol (HTTP, TLS, SSH) is told so by name.

use crate::read::{MessageError, Reader};
use crate::write;

mod options;

pub use options::{OptionsError, parse_options};

/// The longest first packet.
pub const STARTUP_MAX: usize = 10_000;

/// Parameters in one startup packet; PostgreSQL's length bound allows about 2,500.
pub const PARAMS_MAX: usize = 256;

const SSL_CODE: u32 = 80_877_103;
const GSS_CODE: u32 = 80_877_104;
const CANCEL_CODE: u32 = 80_877_102;

/// What the first packet asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Startup {
    /// TLS: answer one byte, `S` or `N`.
    Ssl,
    /// GSSAPI encryption: answer one byte, `G` or `N`.
    Gss,
    /// Cancel the query of another connection; answer nothing and close.
    Cancel {
        /// Backend PID as given in BackendKeyData.
        pid: i32,
        /// The key given with it, 4 to 256 bytes.
        key: Vec<u8>,
    },
    /// Log in.
    Start {
        /// Major and minor: `(3, 0)` or `(3, 2)`; higher minors are to be negotiated down.
        version: (u16, u16),
        /// In the client's order; names may repeat, the last counts. UTF-8 replaced where it is
        /// not, since names of databases and users are compared with those in the configuration.
        params: Vec<(String, String)>,
    },
}

impl Startup {
    /// The last value of a parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        match self {
            Self::Start { params, .. } => params
                .iter()
                .rev()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.as_str()),
            Self::Ssl | Self::Gss | Self::Cancel { .. } => None,
        }
    }

    /// The `_pq_.` protocol options that the client asked for; Weir knows none of them.
    pub fn protocol_options(&self) -> impl Iterator<Item = &str> {
        let params: &[(String, String)] = match self {
            Self::Start { params, .. } => params,
            Self::Ssl | Self::Gss | Self::Cancel { .. } => &[],
        };
        params
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with("_pq_."))
    }

    /// Whether the answer must begin with NegotiateProtocolVersion: the client asks for more than
    /// 3.0, or for options Weir doesn't know.
    pub fn needs_negotiation(&self) -> bool {
        match self {
            Self::Start { version, .. } => {
                version.1 > 0 || self.protocol_options().next().is_some()
            }
            Self::Ssl | Self::Gss | Self::Cancel { .. } => false,
        }
    }
}

/// The first packet, or the wish for more bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstPacket {
    /// Not all there; ask again with at least this many bytes.
    NeedMore {
        /// Bytes needed from the packet's start.
        total: usize,
    },
    /// All there.
    Complete {
        /// What it asks for.
        startup: Startup,
        /// Bytes it took. More may follow only after a [`Startup::Start`]; bytes sent right behind
        /// a TLS request were sent in plain text and must not be read as if they came through TLS
        /// (CVE-2021-23214).
        used: usize,
    },
}

/// Why a first packet was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// Somebody speaks another protocol.
    #[error("this is the PostgreSQL protocol's port; what came looks like {looks_like} ({seen})")]
    OtherProtocol {
        /// Its name.
        looks_like: &'static str,
        /// The first bytes, escaped.
        seen: String,
    },
    /// A length outside 8 to [`STARTUP_MAX`].
    #[error(
        "invalid length of startup packet: {len} bytes (8 to {STARTUP_MAX} are possible); it begins with {seen}"
    )]
    Length {
        /// What the first four bytes say.
        len: u32,
        /// The first bytes, escaped.
        seen: String,
    },
    /// A protocol version other than 3.
    #[error("unsupported frontend protocol {major}.{minor}: Weir speaks 3.0")]
    Version {
        /// Its major number.
        major: u16,
        /// Its minor number.
        minor: u16,
    },
    /// A request of fixed size with another size.
    #[error("{what} is {len} bytes long; it has to be {expected}")]
    Size {
        /// The request.
        what: &'static str,
        /// Its length.
        len: usize,
        /// What its length can be.
        expected: &'static str,
    },
    /// More parameters than Weir keeps.
    #[error("startup packet with more than {PARAMS_MAX} parameters")]
    TooManyParams,
    /// The list of parameters is malformed.
    #[error("invalid startup packet layout: {0}")]
    Layout(#[from] MessageError),
}

/// Reads the first packet at the start of `bytes`.
pub fn parse(bytes: &[u8]) -> Result<FirstPacket, StartupError> {
    let Some(head) = bytes.first_chunk::<4>() else {
        return Ok(FirstPacket::NeedMore { total: 4 });
    };
    let len = u32::from_be_bytes(*head);
    let total = len as usize;
    if !(8..=STARTUP_MAX).contains(&total) {
        let seen = bytes[..bytes.len().min(16)].escape_ascii().to_string();
        return Err(match other_protocol(head) {
            Some(looks_like) => StartupError::OtherProtocol { looks_like, seen },
            None => StartupError::Length { len, seen },
        });
    }
    let Some(packet) = bytes.get(..total) else {
        return Ok(FirstPacket::NeedMore { total });
    };
    Ok(FirstPacket::Complete {
        startup: parse_whole(&packet[4..])?,
        used: total,
    })
}

/// Whether these are the first bytes of a TLS handshake: a client that doesn't ask first
/// (libpq's `sslnegotiation=direct`). No startup packet begins so.
pub fn is_client_hello(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x16)
}

/// Names the protocol whose first bytes can't be a startup packet's length.
fn other_protocol(head: &[u8; 4]) -> Option<&'static str> {
    match head {
        [0x16, 3, 0..=4, _] => Some("a TLS ClientHello without the SSLRequest before it"),
        b"GET " | b"POST" | b"HEAD" | b"PUT " | b"DELE" | b"OPTI" | b"PATC" | b"CONN" => {
            Some("an HTTP request")
        }
        b"PRI " => Some("an HTTP/2 request"),
        b"SSH-" => Some("an SSH client"),
        b"PROX" | b"\r\n\r\n" => Some("a PROXY protocol header"),
        _ => None,
    }
}

fn parse_whole(body: &[u8]) -> Result<Startup, StartupError> {
    let mut r = Reader::new("Startup", body);
    let code = r.i32("version")?.cast_unsigned();
    match code {
        SSL_CODE | GSS_CODE => {
            let what = if code == SSL_CODE {
                "SSLRequest"
            } else {
                "GSSENCRequest"
            };
            if !r.is_empty() {
                return Err(StartupError::Size {
                    what,
                    len: body.len() + 4,
                    expected: "8",
                });
            }
            Ok(if code == SSL_CODE {
                Startup::Ssl
            } else {
                Startup::Gss
            })
        }
        CANCEL_CODE => {
            let expected = "16 to 268";
            let size = StartupError::Size {
                what: "CancelRequest",
                len: body.len() + 4,
                expected,
            };
            let Ok(pid) = r.i32("backend PID") else {
                return Err(size);
            };
            let key = r.rest();
            if !(4..=256).contains(&key.len()) {
                return Err(size);
            }
            Ok(Startup::Cancel {
                pid,
                key: key.to_vec(),
            })
        }
        _ => {
            let (major, minor) = ((code >> 16) as u16, (code & 0xffff) as u16);
            if major != 3 {
                return Err(StartupError::Version { major, minor });
            }
            let mut params = Vec::new();
            loop {
                let name = r.cstr("parameter name")?;
                if name.is_empty() {
                    break;
                }
                let value = r.cstr("parameter value")?;
                if params.len() == PARAMS_MAX {
                    return Err(StartupError::TooManyParams);
                }
                params.push((lossy(name), lossy(value)));
            }
            r.end()?;
            Ok(Startup::Start {
                version: (major, minor),
                params,
            })
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Appends a startup packet of version 3.0.
pub fn put_startup<'a>(out: &mut Vec<u8>, params: impl IntoIterator<Item = (&'a str, &'a str)>) {
    write::untagged(out, |out| {
        write::i32(out, 3 << 16);
        for (name, value) in params {
            // An empty name would end the list.
            if !name.is_empty() {
                write::cstr(out, name.as_bytes());
                write::cstr(out, value.as_bytes());
            }
        }
        out.push(0);
    });
}

/// Appends the request for TLS.
pub fn put_ssl_request(out: &mut Vec<u8>) {
    write::untagged(out, |out| write::i32(out, SSL_CODE.cast_signed()));
}

/// Appends a cancel request.
pub fn put_cancel_request(out: &mut Vec<u8>, pid: i32, key: &[u8]) {
    write::untagged(out, |out| {
        write::i32(out, CANCEL_CODE.cast_signed());
        write::i32(out, pid);
        out.extend_from_slice(key);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(bytes: &[u8]) -> Startup {
        match parse(bytes) {
            Ok(FirstPacket::Complete { startup, used }) => {
                assert_eq!(used, bytes.len());
                startup
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_startup_packet_reads_as_it_was_written() {
        let mut out = Vec::new();
        put_startup(&mut out, [("user", "ann"), ("database", "shop")]);
        let startup = complete(&out);
        assert_eq!(startup.param("database"), Some("shop"));
        assert!(!startup.needs_negotiation());
        assert_eq!(
            parse(&out[..20]),
            Ok(FirstPacket::NeedMore { total: out.len() })
        );
    }

    #[test]
    fn requests_for_tls_and_cancel_read_as_they_were_written() {
        let mut out = Vec::new();
        put_ssl_request(&mut out);
        assert_eq!(complete(&out), Startup::Ssl);
        out.clear();
        put_cancel_request(&mut out, 7, &[1; 32]);
        assert_eq!(
            complete(&out),
            Startup::Cancel {
                pid: 7,
                key: vec![1; 32]
            }
        );
    }

    #[test]
    fn a_cancel_key_of_impossible_length_is_refused() {
        let mut out = Vec::new();
        put_cancel_request(&mut out, 7, &[1; 3]);
        assert!(matches!(parse(&out), Err(StartupError::Size { .. })));
        out.clear();
        put_cancel_request(&mut out, 7, &[1; 257]);
        assert!(matches!(parse(&out), Err(StartupError::Size { .. })));
    }

    #[test]
    fn protocol_3_2_and_unknown_options_ask_for_negotiation() {
        let mut out = Vec::new();
        put_startup(&mut out, [("user", "ann"), ("_pq_.wish", "1")]);
        assert!(complete(&out).needs_negotiation());
        out[7] = 2;
        let Startup::Start { version, .. } = complete(&out) else {
            panic!()
        };
        assert_eq!(version, (3, 2));
    }

    #[test]
    fn other_protocols_are_named() {
        let http = parse(b"GET / HTTP/1.1\r\n").unwrap_err();
        assert_eq!(
            http.to_string(),
            "this is the PostgreSQL protocol's port; what came looks like an HTTP request (GET / HTTP/1.1\\r\\n)"
        );
        let tls = parse(&[0x16, 3, 1, 2, 0, 1]).unwrap_err();
        assert!(tls.to_string().contains("TLS ClientHello"), "{tls}");
    }

    #[test]
    fn version_2_is_refused_by_name() {
        let error = parse(&[0, 0, 0, 8, 0, 2, 0, 0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unsupported frontend protocol 2.0: Weir speaks 3.0"
        );
    }

    #[test]
    fn lengths_are_refused_before_the_bytes_are_awaited() {
        assert!(matches!(
            parse(&[0, 0, 0x27, 0x11]),
            Err(StartupError::Length { len: 10_001, .. })
        ));
        assert!(matches!(
            parse(&[0, 0, 0, 7]),
            Err(StartupError::Length { len: 7, .. })
        ));
    }

    #[test]
    fn parameters_without_their_end_are_refused() {
        let bytes = [0, 0, 0, 13, 0, 3, 0, 0, b'u', 0, b'a', 0, 0];
        complete(&bytes);
        assert!(matches!(
            parse(&[0, 0, 0, 12, 0, 3, 0, 0, b'u', 0, b'a', 0]),
            Err(StartupError::Layout(_))
        ));
    }
}
