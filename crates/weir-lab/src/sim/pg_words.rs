//! Small things of the simulated PostgreSQL: errors, names, numbers in a statement's text.

use weir_wire::backend::{self, Complaint};

use super::pg::DEFAULTS;

/// Why a statement failed.
pub(super) struct Fails {
    pub(super) sqlstate: &'static str,
    pub(super) says: String,
}

pub(super) fn fails(sqlstate: &'static str, says: impl Into<String>) -> Fails {
    Fails {
        sqlstate,
        says: says.into(),
    }
}

pub(super) fn aborted() -> Fails {
    fails("25P02", "current transaction is aborted")
}

pub(super) fn known(name: &str) -> Option<&'static str> {
    DEFAULTS
        .iter()
        .map(|(n, _)| *n)
        .find(|n| n.eq_ignore_ascii_case(name))
}

pub(super) fn is_exit(sql: &[u8]) -> bool {
    sql.starts_with(b"COMMIT") || sql.starts_with(b"ROLLBACK")
}

pub(super) fn returns_rows(sql: &[u8]) -> bool {
    sql.starts_with(b"SELECT") || sql.starts_with(b"SHOW")
}

pub(super) fn number(sql: &str, key: &str) -> u32 {
    sql.find(key)
        .map(|at| {
            sql[at + key.len()..]
                .bytes()
                .take_while(u8::is_ascii_digit)
                .fold(0u32, |n, b| n.saturating_mul(10) + u32::from(b - b'0'))
        })
        .unwrap_or(0)
}

/// The first parameter of a Bind whose parameters are text.
pub(super) fn first_param(rest: &[u8]) -> Vec<u8> {
    // No formats (two zero bytes), one or no parameter.
    let count = rest
        .get(2..4)
        .map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
    if count == 0 {
        return Vec::new();
    }
    let len = rest
        .get(4..8)
        .map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize);
    rest.get(8..8 + len).unwrap_or_default().to_vec()
}

pub(super) fn put_copy_response(out: &mut Vec<u8>, tag: u8) {
    out.push(tag);
    out.extend_from_slice(&7u32.to_be_bytes());
    out.extend_from_slice(&[0, 0, 0]);
}

/// Appends an ErrorResponse.
pub(super) fn error(out: &mut Vec<u8>, severity: &str, sqlstate: &str, message: &str) {
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
