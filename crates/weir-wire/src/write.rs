//! Appending one message to a buffer.

/// Appends a message: the tag, a length filled in afterwards, and what `body` writes.
pub(crate) fn message(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    untagged(out, body);
}

/// The same for the packets that come before any tag: startup, cancel, the requests for TLS.
pub(crate) fn untagged(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    // What Weir encodes came out of messages that the frame limit already bounded; were it longer
    // than the protocol can say, the receiver refuses the length.
    let len = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// A string and its zero. A zero inside would end the field early and let the tail be read as
/// something else, so the text is cut there.
pub(crate) fn cstr(out: &mut Vec<u8>, text: &[u8]) {
    let end = crate::read::zero_at(text).unwrap_or(text.len());
    out.extend_from_slice(&text[..end]);
    out.push(0);
}

pub(crate) fn i16(out: &mut Vec<u8>, value: i16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// A length as the protocol writes it.
pub(crate) fn len32(out: &mut Vec<u8>, len: usize) {
    i32(out, i32::try_from(len).unwrap_or(i32::MAX));
}

/// A count of fields as the protocol writes it.
pub(crate) fn len16(out: &mut Vec<u8>, len: usize) {
    i16(out, i16::try_from(len).unwrap_or(i16::MAX));
}
