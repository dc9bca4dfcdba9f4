//! The fields of ErrorResponse and NoticeResponse.

use crate::read::{MessageError, Reader};

/// What an ErrorResponse or NoticeResponse says. Texts are in the server's encoding, so bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorFields<'a> {
    /// `ERROR`, `FATAL`, …: the untranslated one where the server sends it (since 9.6).
    pub severity: &'a [u8],
    /// Five characters.
    pub sqlstate: &'a [u8],
    /// What happened.
    pub message: &'a [u8],
    /// More of it; empty where absent.
    pub detail: &'a [u8],
    /// What to do; empty where absent.
    pub hint: &'a [u8],
    /// Every field in order, unread: see [`ErrorFields::iter`].
    all: &'a [u8],
}

impl<'a> ErrorFields<'a> {
    /// Every field in the server's order: its letter and its text.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut r = Reader::new("ErrorResponse", self.all);
        std::iter::from_fn(move || {
            let code = r.u8("field").ok().filter(|code| *code != 0)?;
            Some((code, r.cstr("field text").ok()?))
        })
    }

    /// The text of one field by its letter.
    pub fn get(&self, code: u8) -> Option<&'a [u8]> {
        self.iter().find(|(c, _)| *c == code).map(|(_, text)| text)
    }

    /// Whether the server ends the connection after this.
    pub fn is_fatal(&self) -> bool {
        matches!(self.severity, b"FATAL" | b"PANIC")
    }
}

/// ErrorResponse or NoticeResponse.
pub fn error_fields(body: &[u8]) -> Result<ErrorFields<'_>, MessageError> {
    let mut r = Reader::new("ErrorResponse", body);
    let mut fields = ErrorFields {
        all: body,
        ..ErrorFields::default()
    };
    let mut translated: &[u8] = b"";
    loop {
        match r.u8("field")? {
            0 => break,
            b'S' => translated = r.cstr("severity")?,
            b'V' => fields.severity = r.cstr("severity")?,
            b'C' => fields.sqlstate = r.cstr("SQLSTATE")?,
            b'M' => fields.message = r.cstr("message")?,
            b'D' => fields.detail = r.cstr("detail")?,
            b'H' => fields.hint = r.cstr("hint")?,
            _ => {
                r.cstr("field text")?;
            }
        }
    }
    r.end()?;
    if fields.severity.is_empty() {
        fields.severity = translated;
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_untranslated_severity_wins() {
        let body = b"SFEHLER\0VERROR\0C22012\0Mdivision by zero\0Rint4div\0\0";
        let fields = error_fields(body).unwrap();
        assert_eq!(fields.severity, b"ERROR");
        assert_eq!(fields.sqlstate, b"22012");
        assert_eq!(fields.get(b'R'), Some(&b"int4div"[..]));
        assert_eq!(fields.iter().count(), 5);
    }

    #[test]
    fn an_error_without_its_end_is_malformed() {
        assert!(error_fields(b"SERROR\0").is_err());
        assert!(error_fields(b"").is_err());
    }
}
