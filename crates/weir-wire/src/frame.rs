//! Where does a message begin and end?
//!
//! After the startup packet every message, in both directions, is a tag byte, a length (which
//! counts itself but not the tag) and that much less four bytes of body.
//!
//! # What always holds
//! - Whatever way TCP cut the stream, the same messages are read from it.
//! - A length below four or above the caller's limit is an error and ends the connection: there
//!   is no way to find the next message.

/// Tag and length.
pub const HEADER_LEN: usize = 5;

/// The longest message PostgreSQL itself takes or sends (`PQ_LARGE_MESSAGE_LIMIT`, 1 GiB).
pub const MESSAGE_MAX: u32 = 0x3fff_fffe;

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which message this is; the meaning depends on the direction.
    pub tag: u8,
    /// As on the wire: counts its own four bytes and the body, not the tag. Never below four.
    pub len: u32,
}

impl Header {
    /// Bytes of the whole message, tag and length included.
    pub fn total(self) -> usize {
        self.len as usize + 1
    }

    /// Bytes after the length.
    pub fn body_len(self) -> usize {
        (self.len as usize).saturating_sub(4)
    }
}

/// Why the stream can't be cut into messages any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length that doesn't even cover itself.
    #[error("message {} says it is {len} bytes long; the least is 4", show_tag(*tag))]
    TooShort {
        /// The message's tag.
        tag: u8,
        /// The length it claims.
        len: u32,
    },
    /// A length above the limit.
    #[error("message {} says it is {len} bytes long; the limit is {limit}", show_tag(*tag))]
    TooLong {
        /// The message's tag.
        tag: u8,
        /// The length it claims.
        len: u32,
        /// The bound it broke.
        limit: u32,
    },
}

/// `'Q'` where it can be printed, `0x16` where not.
fn show_tag(tag: u8) -> String {
    if tag.is_ascii_graphic() {
        format!("'{}'", tag as char)
    } else {
        format!("0x{tag:02x}")
    }
}

/// Reads the head at the start of `bytes`; `None` when fewer than five bytes are there. `limit`
/// bounds the length as the wire counts it; [`MESSAGE_MAX`] is PostgreSQL's.
#[inline]
pub fn parse_header(bytes: &[u8], limit: u32) -> Result<Option<Header>, FrameError> {
    let Some(&[tag, a, b, c, d]) = bytes.first_chunk::<HEADER_LEN>() else {
        return Ok(None);
    };
    let len = u32::from_be_bytes([a, b, c, d]);
    if len < 4 {
        return Err(FrameError::TooShort { tag, len });
    }
    if len > limit {
        return Err(FrameError::TooLong { tag, len, limit });
    }
    Ok(Some(Header { tag, len }))
}

/// One complete message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Which message this is.
    pub tag: u8,
    /// What follows the length.
    pub body: &'a [u8],
    /// The whole of it, as it would be sent on.
    pub whole: &'a [u8],
}

/// The complete messages at the start of a slice, in order. Stops at the first incomplete one;
/// [`Messages::rest`] is what has to be kept until more arrives.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
    limit: u32,
    failed: bool,
}

/// Cuts `bytes` into messages. See [`Messages`].
pub fn messages(bytes: &[u8], limit: u32) -> Messages<'_> {
    Messages {
        rest: bytes,
        limit,
        failed: false,
    }
}

impl<'a> Messages<'a> {
    /// What was not yet yielded.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let header = match parse_header(self.rest, self.limit) {
            Ok(header) => header?,
            Err(error) => {
                // Once, not for ever: a caller that collects must come to an end.
                self.failed = true;
                return Some(Err(error));
            }
        };
        let (whole, rest) = self.rest.split_at_checked(header.total())?;
        self.rest = rest;
        Some(Ok(Message {
            tag: header.tag,
            body: &whole[HEADER_LEN..],
            whole,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_are_not_a_header_yet() {
        assert_eq!(parse_header(b"Q\0\0\0", MESSAGE_MAX), Ok(None));
    }

    #[test]
    fn the_empty_message_is_five_bytes() {
        let header = parse_header(b"S\0\0\0\x04", MESSAGE_MAX).unwrap().unwrap();
        assert_eq!((header.total(), header.body_len()), (5, 0));
    }

    #[test]
    fn impossible_lengths_are_errors_that_say_what_was_seen() {
        let short = parse_header(b"Q\0\0\0\x03", MESSAGE_MAX).unwrap_err();
        assert_eq!(
            short.to_string(),
            "message 'Q' says it is 3 bytes long; the least is 4"
        );
        let long = parse_header(b"\x16\xff\xff\xff\xff", 1000).unwrap_err();
        assert_eq!(
            long.to_string(),
            "message 0x16 says it is 4294967295 bytes long; the limit is 1000"
        );
    }

    #[test]
    fn an_incomplete_message_stays_in_the_rest() {
        let bytes = b"S\0\0\0\x04Q\0\0\0\x06a";
        let mut all = messages(bytes, MESSAGE_MAX);
        assert_eq!(all.next().unwrap().unwrap().tag, b'S');
        assert!(all.next().is_none());
        assert_eq!(all.rest(), b"Q\0\0\0\x06a");
    }

    #[test]
    fn an_error_is_yielded_once() {
        assert_eq!(messages(b"Q\0\0\0\0", MESSAGE_MAX).count(), 1);
    }
}
