//! Tags in comments, sqlcommenter's way: `/*user_id='42',route='%2Forders'*/`.

use std::borrow::Cow;

/// The value of `key` in a comment's text, still encoded, without its quotes. Bare values
/// (`user_id=42`, Marginalia's `user_id:42`) are taken up to a comma or white space.
pub(super) fn find<'a>(comment: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let first = *key.first()?;
    let mut from = 0;
    loop {
        let at = from + comment.get(from..)?.iter().position(|b| *b == first)?;
        from = at + 1;
        let begins = at == 0 || matches!(comment[at - 1], b',' | b' ' | b'\t' | b'\n' | b'*');
        if !begins || !comment[at..].starts_with(key) {
            continue;
        }
        let rest = comment[at + key.len()..].trim_ascii_start();
        let Some((b'=' | b':', rest)) = rest.split_first() else {
            continue;
        };
        let rest = rest.trim_ascii_start();
        return Some(match rest.split_first() {
            Some((b'\'', quoted)) => {
                let mut escaped = false;
                let end = quoted.iter().position(|b| {
                    let closes = *b == b'\'' && !escaped;
                    escaped = *b == b'\\' && !escaped;
                    closes
                });
                // A quote that is never closed: what a broken client sends is no identity.
                &quoted[..end?]
            }
            _ => {
                let end = rest
                    .iter()
                    .position(|b| matches!(b, b',' | b'*') || b.is_ascii_whitespace());
                &rest[..end.unwrap_or(rest.len())]
            }
        });
    }
}

/// The bytes that an encoded value stands for: `%2F` is `/`, `\'` is `'`.
pub(super) fn decoded(value: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let (byte, tail) = match rest {
            [b'%', a, b, tail @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                (hex(*a) << 4 | hex(*b), tail)
            }
            [b'\\', b, tail @ ..] => (*b, tail),
            [b, tail @ ..] => (*b, tail),
            [] => return None,
        };
        rest = tail;
        Some(byte)
    })
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20).wrapping_sub(b'a').wrapping_add(10) & 15,
    }
}

/// The decoded value, borrowed where nothing is encoded.
pub(super) fn decode(value: &[u8]) -> Cow<'_, [u8]> {
    if value.iter().any(|b| matches!(b, b'%' | b'\\')) {
        Cow::Owned(decoded(value).collect())
    } else {
        Cow::Borrowed(value)
    }
}
