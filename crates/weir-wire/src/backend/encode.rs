//! What Weir says to a client in a server's place.

use super::{TxStatus, tag};
use crate::write;

/// `AuthenticationOk`.
pub fn put_auth_ok(out: &mut Vec<u8>) {
    put_auth(out, 0, &[]);
}

/// Asks for the password itself.
pub fn put_auth_cleartext(out: &mut Vec<u8>) {
    put_auth(out, 3, &[]);
}

/// Asks for an md5 answer with this salt.
pub fn put_auth_md5(out: &mut Vec<u8>, salt: [u8; 4]) {
    put_auth(out, 5, &salt);
}

/// Offers SASL mechanisms, best first.
pub fn put_auth_sasl(out: &mut Vec<u8>, mechanisms: &[&str]) {
    write::message(out, tag::AUTHENTICATION, |out| {
        write::i32(out, 10);
        for mechanism in mechanisms {
            write::cstr(out, mechanism.as_bytes());
        }
        out.push(0);
    });
}

/// A SASL challenge.
pub fn put_auth_sasl_continue(out: &mut Vec<u8>, data: &[u8]) {
    put_auth(out, 11, data);
}

/// The end of SASL, with our own proof.
pub fn put_auth_sasl_final(out: &mut Vec<u8>, data: &[u8]) {
    put_auth(out, 12, data);
}

fn put_auth(out: &mut Vec<u8>, method: i32, data: &[u8]) {
    write::message(out, tag::AUTHENTICATION, |out| {
        write::i32(out, method);
        out.extend_from_slice(data);
    });
}

/// An error or notice to be said to a client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Complaint<'a> {
    /// `ERROR`, `FATAL`, `WARNING`, `NOTICE`…
    pub severity: &'a str,
    /// Five characters.
    pub sqlstate: &'a str,
    /// One line.
    pub message: &'a str,
    /// More of it.
    pub detail: Option<&'a str>,
    /// What to do.
    pub hint: Option<&'a str>,
}

/// Appends an ErrorResponse.
pub fn put_error(out: &mut Vec<u8>, complaint: &Complaint<'_>) {
    put_complaint(out, tag::ERROR_RESPONSE, complaint);
}

/// Appends a NoticeResponse.
pub fn put_notice(out: &mut Vec<u8>, complaint: &Complaint<'_>) {
    put_complaint(out, tag::NOTICE_RESPONSE, complaint);
}

fn put_complaint(out: &mut Vec<u8>, tag: u8, complaint: &Complaint<'_>) {
    write::message(out, tag, |out| {
        let fields = [
            (b'S', Some(complaint.severity)),
            (b'V', Some(complaint.severity)),
            (b'C', Some(complaint.sqlstate)),
            (b'M', Some(complaint.message)),
            (b'D', complaint.detail),
            (b'H', complaint.hint),
        ];
        for (code, text) in fields {
            if let Some(text) = text {
                out.push(code);
                write::cstr(out, text.as_bytes());
            }
        }
        out.push(0);
    });
}

/// Appends a ParameterStatus.
pub fn put_parameter_status(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    write::message(out, tag::PARAMETER_STATUS, |out| {
        write::cstr(out, name);
        write::cstr(out, value);
    });
}

/// Appends a BackendKeyData; the key is four bytes for a client of 3.0.
pub fn put_backend_key_data(out: &mut Vec<u8>, pid: i32, key: &[u8]) {
    write::message(out, tag::BACKEND_KEY_DATA, |out| {
        write::i32(out, pid);
        out.extend_from_slice(key);
    });
}

/// Appends a ReadyForQuery.
pub fn put_ready_for_query(out: &mut Vec<u8>, status: TxStatus) {
    write::message(out, tag::READY_FOR_QUERY, |out| out.push(status.byte()));
}

/// Appends a RowDescription of text columns.
pub fn put_row_description(out: &mut Vec<u8>, names: &[&str]) {
    write::message(out, tag::ROW_DESCRIPTION, |out| {
        write::len16(out, names.len());
        for name in names {
            put_column(out, name, ColumnType::Text);
        }
    });
}

/// The types of columns that Weir itself answers with. All values go out as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// `text`
    Text,
    /// `int4`
    Int4,
    /// `int8`
    Int8,
    /// `numeric`
    Numeric,
}

impl ColumnType {
    /// PostgreSQL's number for the type, and its length.
    fn oid_and_length(self) -> (i32, i16) {
        match self {
            Self::Text => (25, -1),
            Self::Int4 => (23, 4),
            Self::Int8 => (20, 8),
            Self::Numeric => (1700, -1),
        }
    }
}

/// Appends RowDescription for columns of these names and types, in text format.
pub fn put_typed_row_description(out: &mut Vec<u8>, columns: &[(&str, ColumnType)]) {
    write::message(out, tag::ROW_DESCRIPTION, |out| {
        write::len16(out, columns.len());
        for (name, column_type) in columns {
            put_column(out, name, *column_type);
        }
    });
}

fn put_column(out: &mut Vec<u8>, name: &str, column_type: ColumnType) {
    let (oid, length) = column_type.oid_and_length();
    write::cstr(out, name.as_bytes());
    write::i32(out, 0); // of no table
    write::i16(out, 0); // of no column
    write::i32(out, oid);
    write::i16(out, length);
    write::i32(out, -1); // without a modifier
    write::i16(out, 0); // in text format
}

/// Appends a row of text values; `None` is NULL.
pub fn put_data_row<T: AsRef<[u8]>>(out: &mut Vec<u8>, values: &[Option<T>]) {
    write::message(out, tag::DATA_ROW, |out| {
        write::len16(out, values.len());
        for value in values {
            match value {
                Some(value) => {
                    write::len32(out, value.as_ref().len());
                    out.extend_from_slice(value.as_ref());
                }
                None => write::i32(out, -1),
            }
        }
    });
}

/// Appends a CommandComplete, for instance `SELECT 3`.
pub fn put_command_complete(out: &mut Vec<u8>, command: &str) {
    write::message(out, tag::COMMAND_COMPLETE, |out| {
        write::cstr(out, command.as_bytes());
    });
}

/// Appends an EmptyQueryResponse.
pub fn put_empty_query_response(out: &mut Vec<u8>) {
    write::message(out, tag::EMPTY_QUERY_RESPONSE, |_| {});
}

/// Appends a ParseComplete.
pub fn put_parse_complete(out: &mut Vec<u8>) {
    write::message(out, tag::PARSE_COMPLETE, |_| {});
}

/// Appends a BindComplete.
pub fn put_bind_complete(out: &mut Vec<u8>) {
    write::message(out, tag::BIND_COMPLETE, |_| {});
}

/// Appends a CloseComplete.
pub fn put_close_complete(out: &mut Vec<u8>) {
    write::message(out, tag::CLOSE_COMPLETE, |_| {});
}

/// Appends a NoData.
pub fn put_no_data(out: &mut Vec<u8>) {
    write::message(out, tag::NO_DATA, |_| {});
}

/// Appends a NotificationResponse.
pub fn put_notification(out: &mut Vec<u8>, pid: i32, channel: &[u8], payload: &[u8]) {
    write::message(out, tag::NOTIFICATION_RESPONSE, |out| {
        write::i32(out, pid);
        write::cstr(out, channel);
        write::cstr(out, payload);
    });
}

/// Appends a NegotiateProtocolVersion: the newest minor version Weir speaks of major 3, and the
/// `_pq_.` options it doesn't know.
pub fn put_negotiate_protocol_version(out: &mut Vec<u8>, newest_minor: u16, unknown: &[&str]) {
    write::message(out, tag::NEGOTIATE_PROTOCOL_VERSION, |out| {
        // The whole version number, not the minor alone as the document says: that is what
        // PostgreSQL sends (`SendNegotiateProtocolVersion`) and what libpq reads.
        write::i32(out, (3 << 16) | i32::from(newest_minor));
        write::len32(out, unknown.len());
        for option in unknown {
            write::cstr(out, option.as_bytes());
        }
    });
}
