//! What does a server say?
//!
//! Parsers take a message's body and borrow from it; `put_…` functions append a whole message, for
//! what Weir says to a client in a server's place.

mod encode;
mod error_fields;

pub use encode::*;
pub use error_fields::{ErrorFields, error_fields};

use crate::read::{MessageError, Reader};

/// The tags of messages from a server.
pub mod tag {
    /// Every step of the authentication.
    pub const AUTHENTICATION: u8 = b'R';
    /// PID and cancel key.
    pub const BACKEND_KEY_DATA: u8 = b'K';
    /// Bind done.
    pub const BIND_COMPLETE: u8 = b'2';
    /// Close done.
    pub const CLOSE_COMPLETE: u8 = b'3';
    /// A statement is over.
    pub const COMMAND_COMPLETE: u8 = b'C';
    /// A piece of COPY data.
    pub const COPY_DATA: u8 = b'd';
    /// The end of COPY data.
    pub const COPY_DONE: u8 = b'c';
    /// The server wants COPY data.
    pub const COPY_IN_RESPONSE: u8 = b'G';
    /// The server will send COPY data.
    pub const COPY_OUT_RESPONSE: u8 = b'H';
    /// Both (replication).
    pub const COPY_BOTH_RESPONSE: u8 = b'W';
    /// A row.
    pub const DATA_ROW: u8 = b'D';
    /// Nothing but whitespace was sent.
    pub const EMPTY_QUERY_RESPONSE: u8 = b'I';
    /// Something failed.
    pub const ERROR_RESPONSE: u8 = b'E';
    /// The answer to a fast-path call.
    pub const FUNCTION_CALL_RESPONSE: u8 = b'V';
    /// The server speaks a lower version, or doesn't know an option.
    pub const NEGOTIATE_PROTOCOL_VERSION: u8 = b'v';
    /// The statement returns no rows.
    pub const NO_DATA: u8 = b'n';
    /// Something is worth saying.
    pub const NOTICE_RESPONSE: u8 = b'N';
    /// Somebody said NOTIFY.
    pub const NOTIFICATION_RESPONSE: u8 = b'A';
    /// Types of a statement's parameters.
    pub const PARAMETER_DESCRIPTION: u8 = b't';
    /// A setting that clients must know has this value now.
    pub const PARAMETER_STATUS: u8 = b'S';
    /// Parse done.
    pub const PARSE_COMPLETE: u8 = b'1';
    /// The row limit of an Execute was reached.
    pub const PORTAL_SUSPENDED: u8 = b's';
    /// The server is ready for the next query.
    pub const READY_FOR_QUERY: u8 = b'Z';
    /// Names and types of a result's columns.
    pub const ROW_DESCRIPTION: u8 = b'T';
}

/// Where a server stands between two queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TxStatus {
    /// Not in a transaction.
    Idle,
    /// In a transaction.
    InTransaction,
    /// In a transaction that failed and waits for its ROLLBACK.
    Failed,
}

impl TxStatus {
    /// The byte on the wire.
    pub fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::InTransaction => b'T',
            Self::Failed => b'E',
        }
    }
}

/// ReadyForQuery.
#[inline]
pub fn ready_for_query(body: &[u8]) -> Result<TxStatus, MessageError> {
    match body {
        [b'I'] => Ok(TxStatus::Idle),
        [b'T'] => Ok(TxStatus::InTransaction),
        [b'E'] => Ok(TxStatus::Failed),
        [other] => Err(MessageError::Value {
            message: "ReadyForQuery",
            field: "status",
            value: (*other).into(),
        }),
        [] => Err(MessageError::Short {
            message: "ReadyForQuery",
            field: "status",
        }),
        longer => Err(MessageError::Trailing {
            message: "ReadyForQuery",
            extra: longer.len() - 1,
        }),
    }
}

/// A step of the server's side of the authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// Logged in.
    Ok,
    /// Wants the password itself.
    Cleartext,
    /// Wants `md5(md5(password + user) + salt)`.
    Md5 {
        /// Four bytes, new each time.
        salt: [u8; 4],
    },
    /// Wants SASL by one of these.
    Sasl {
        /// In the server's order of preference. At most 16 are read.
        mechanisms: Vec<&'a str>,
    },
    /// A SASL challenge.
    SaslContinue(&'a [u8]),
    /// SASL is over, with the server's own proof.
    SaslFinal(&'a [u8]),
    /// A method that Weir doesn't speak (Kerberos, GSSAPI, SSPI, OAuth framing of the future).
    Unsupported {
        /// The protocol's number for it.
        method: i32,
    },
}

/// Mechanisms read from one AuthenticationSASL; PostgreSQL 18 offers three.
const MECHANISMS_MAX: usize = 16;

/// Authentication request.
pub fn authentication(body: &[u8]) -> Result<Authentication<'_>, MessageError> {
    let mut r = Reader::new("Authentication", body);
    match r.i32("method")? {
        0 => {
            r.end()?;
            Ok(Authentication::Ok)
        }
        3 => {
            r.end()?;
            Ok(Authentication::Cleartext)
        }
        5 => {
            let mut salt = [0; 4];
            salt.copy_from_slice(r.bytes("salt", 4)?);
            r.end()?;
            Ok(Authentication::Md5 { salt })
        }
        10 => {
            let mut mechanisms = Vec::new();
            loop {
                let name = r.text("mechanism")?;
                if name.is_empty() {
                    break;
                }
                if mechanisms.len() == MECHANISMS_MAX {
                    return Err(MessageError::TooLong {
                        message: "AuthenticationSASL",
                        field: "list of mechanisms",
                        limit: MECHANISMS_MAX,
                    });
                }
                mechanisms.push(name);
            }
            r.end()?;
            Ok(Authentication::Sasl { mechanisms })
        }
        11 => Ok(Authentication::SaslContinue(r.rest())),
        12 => Ok(Authentication::SaslFinal(r.rest())),
        method => Ok(Authentication::Unsupported { method }),
    }
}

/// ParameterStatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterStatus<'a> {
    /// The setting, as the server spells it.
    pub name: &'a [u8],
    /// Its value.
    pub value: &'a [u8],
}

/// ParameterStatus.
pub fn parameter_status(body: &[u8]) -> Result<ParameterStatus<'_>, MessageError> {
    let mut r = Reader::new("ParameterStatus", body);
    let name = r.cstr("name")?;
    let value = r.cstr("value")?;
    r.end()?;
    Ok(ParameterStatus { name, value })
}

/// BackendKeyData: what a cancel request must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendKey<'a> {
    /// Backend PID.
    pub pid: i32,
    /// Four bytes in 3.0, up to 256 in 3.2.
    pub key: &'a [u8],
}

/// BackendKeyData.
pub fn backend_key_data(body: &[u8]) -> Result<BackendKey<'_>, MessageError> {
    let mut r = Reader::new("BackendKeyData", body);
    let pid = r.i32("backend PID")?;
    let key = r.clone().rest();
    if !(4..=256).contains(&key.len()) {
        return Err(r.wrong("length of the key", key.len() as i64));
    }
    Ok(BackendKey { pid, key })
}

/// NotificationResponse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification<'a> {
    /// Who notified.
    pub pid: i32,
    /// On which channel.
    pub channel: &'a [u8],
    /// With what.
    pub payload: &'a [u8],
}

/// NotificationResponse.
pub fn notification(body: &[u8]) -> Result<Notification<'_>, MessageError> {
    let mut r = Reader::new("NotificationResponse", body);
    let pid = r.i32("backend PID")?;
    let channel = r.cstr("channel")?;
    let payload = r.cstr("payload")?;
    r.end()?;
    Ok(Notification {
        pid,
        channel,
        payload,
    })
}

/// CommandComplete: the tag, for instance `INSERT 0 3`.
pub fn command_complete(body: &[u8]) -> Result<&[u8], MessageError> {
    let mut r = Reader::new("CommandComplete", body);
    let tag = r.cstr("tag")?;
    r.end()?;
    Ok(tag)
}

/// The number of rows that a command tag tells of; `None` where it tells of none (`BEGIN`).
pub fn rows_of(tag: &[u8]) -> Option<u64> {
    let digits = tag.rsplit(|b| *b == b' ').next()?;
    if digits.is_empty() || digits.len() == tag.len() {
        return None;
    }
    digits.iter().try_fold(0u64, |sum, b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// NegotiateProtocolVersion, as a server may answer Weir: the minor version it speaks, and the
/// options it didn't know.
pub fn negotiate_protocol_version(body: &[u8]) -> Result<(i32, Vec<&str>), MessageError> {
    let mut r = Reader::new("NegotiateProtocolVersion", body);
    let newest = r.i32("version")?;
    let count = r.i32("number of options")?;
    // Each option takes a byte at least, so a count above what is left is a lie.
    if usize::try_from(count).map_or(true, |count| count > body.len()) {
        return Err(r.wrong("number of options", count.into()));
    }
    let mut options = Vec::new();
    for _ in 0..count {
        options.push(r.text("option")?);
    }
    r.end()?;
    Ok((newest, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_tag_tells_its_rows() {
        assert_eq!(rows_of(b"INSERT 0 3"), Some(3));
        assert_eq!(rows_of(b"SELECT 120"), Some(120));
        assert_eq!(rows_of(b"BEGIN"), None);
        assert_eq!(rows_of(b"DISCARD ALL"), None);
        assert_eq!(rows_of(b"42"), None);
        assert_eq!(rows_of(b"SELECT 99999999999999999999999"), None);
    }

    #[test]
    fn a_long_cancel_key_is_read_whole() {
        let mut out = Vec::new();
        put_backend_key_data(&mut out, 7, &[9; 32]);
        let key = backend_key_data(&out[5..]).unwrap();
        assert_eq!((key.pid, key.key), (7, &[9u8; 32][..]));
    }

    #[test]
    fn a_server_that_claims_endless_options_is_not_believed() {
        let body = [0, 3, 0, 0, 0x7f, 0xff, 0xff, 0xff];
        assert!(negotiate_protocol_version(&body).is_err());
    }

    #[test]
    fn an_unknown_method_is_named_not_an_error() {
        assert_eq!(
            authentication(&[0, 0, 0, 7]),
            Ok(Authentication::Unsupported { method: 7 })
        );
    }
}
