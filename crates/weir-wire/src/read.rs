//! A cursor over one message's body: every read is checked, every error says what was read.

/// Why a message body could not be understood. The stream itself is still framed correctly, but
/// whoever sent this can't be trusted with the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The body is over before the field is.
    #[error("{message} message ends before its {field}")]
    Short {
        /// The message's name in the protocol document.
        message: &'static str,
        /// The part that is missing.
        field: &'static str,
    },
    /// A string without its terminating zero byte.
    #[error("{message} message: its {field} is not terminated")]
    Unterminated {
        /// The message's name in the protocol document.
        message: &'static str,
        /// The string in question.
        field: &'static str,
    },
    /// The body goes on after the last field.
    #[error("{message} message has {extra} bytes after its end")]
    Trailing {
        /// The message's name in the protocol document.
        message: &'static str,
        /// How many bytes were left.
        extra: usize,
    },
    /// A number or kind that the protocol doesn't know at this place.
    #[error("{message} message: {field} can't be {value}")]
    Value {
        /// The message's name in the protocol document.
        message: &'static str,
        /// The part in question.
        field: &'static str,
        /// What stood there.
        value: i64,
    },
    /// A text that is not UTF-8 where Weir needs it to be.
    #[error("{message} message: its {field} is not UTF-8")]
    NotUtf8 {
        /// The message's name in the protocol document.
        message: &'static str,
        /// The part in question.
        field: &'static str,
    },
    /// A name longer than Weir keeps.
    #[error("{message} message: its {field} is longer than {limit} bytes")]
    TooLong {
        /// The message's name in the protocol document.
        message: &'static str,
        /// The part in question.
        field: &'static str,
        /// The bound.
        limit: usize,
    },
    /// A tag byte that no message has in this direction.
    #[error("no message has the tag 0x{tag:02x} here")]
    UnknownTag {
        /// The byte.
        tag: u8,
    },
}

/// The unread part of one message's body.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    message: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(message: &'static str, body: &'a [u8]) -> Self {
        Self {
            message,
            rest: body,
        }
    }

    pub(crate) fn bytes(
        &mut self,
        field: &'static str,
        n: usize,
    ) -> Result<&'a [u8], MessageError> {
        let Some((head, tail)) = self.rest.split_at_checked(n) else {
            return Err(MessageError::Short {
                message: self.message,
                field,
            });
        };
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], MessageError> {
        let Some((head, tail)) = self.rest.split_first_chunk::<N>() else {
            return Err(MessageError::Short {
                message: self.message,
                field,
            });
        };
        self.rest = tail;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, MessageError> {
        Ok(self.array::<1>(field)?[0])
    }

    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16, MessageError> {
        Ok(i16::from_be_bytes(self.array(field)?))
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, MessageError> {
        Ok(i32::from_be_bytes(self.array(field)?))
    }

    /// A zero-terminated string, without its zero.
    pub(crate) fn cstr(&mut self, field: &'static str) -> Result<&'a [u8], MessageError> {
        let Some(end) = zero_at(self.rest) else {
            return Err(MessageError::Unterminated {
                message: self.message,
                field,
            });
        };
        let text = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(text)
    }

    /// A zero-terminated string that must be UTF-8.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, MessageError> {
        let message = self.message;
        std::str::from_utf8(self.cstr(field)?).map_err(|_| MessageError::NotUtf8 { message, field })
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn wrong(&self, field: &'static str, value: i64) -> MessageError {
        MessageError::Value {
            message: self.message,
            field,
            value,
        }
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), MessageError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(MessageError::Trailing {
                message: self.message,
                extra: self.rest.len(),
            })
        }
    }
}

/// Where the first zero byte stands.
pub(crate) fn zero_at(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|b| *b == 0)
}
