//! What shape has a statement, for whom was it sent, and what does it do to the session?
//!
//! [`scan`] answers the first two in one pass without allocating, and says in [`Scan::plain`]
//! whether the third needs asking at all; [`classify`] answers the third.
//!
//! # What is deliberately absent
//! - A parser. What can't be told from tokens (a function that calls `set_config` inside, a DO
//!   block that takes an advisory lock) isn't seen; `session_state = "pin"` is for such loads.

use std::borrow::Cow;

mod lexer;
mod session;
mod shape;
mod statement;
mod tag;

pub use session::classify;
pub use statement::{CursorTarget, DeallocateTarget, Statement, UnlistenTarget, replay_set};

use lexer::{Kind, Lexer};
use session::Watch;
use shape::{Hash, Shaper, Text};

/// What one pass over a query's text found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The shape: same for texts that differ only in literals, comments, white space, case, the
    /// length of IN lists and the number of VALUES rows. Never zero.
    pub fingerprint: u64,
    /// [`hash_tag`] of the value of the comment key asked for; zero where there is none.
    pub user_tag: u64,
    /// Nothing in it touches the session or the transaction: every statement begins with SELECT,
    /// INSERT, UPDATE, DELETE or the like and calls none of the functions that outlive the
    /// transaction. [`classify`] would return nothing but [`Statement::Other`].
    pub plain: bool,
}

/// One pass: shape, tag, and whether the session may change. `user_key` empty asks for no tag.
pub fn scan(sql: &[u8], user_key: &[u8]) -> Scan {
    let mut lexer = Lexer::new(sql, user_key);
    let mut shaper = Shaper::new(Hash::new());
    let mut watch = Watch::new();
    while let Some(token) = lexer.next() {
        let text = lexer.text(token);
        match token.kind {
            Kind::Word => watch.word(text),
            Kind::Quoted => watch.quoted(text),
            Kind::Punct(byte) => watch.punct(byte),
            Kind::String | Kind::Number | Kind::Param => {}
        }
        shaper.take(token, text);
    }
    Scan {
        fingerprint: shaper.finish().finish(),
        user_tag: lexer.tag.map_or(0, |value| hash_of(tag::decoded(value))),
        plain: watch.is_plain(),
    }
}

/// The shape alone; the same as [`Scan::fingerprint`].
pub fn fingerprint(sql: &[u8]) -> u64 {
    shape::shape(sql, Hash::new()).finish()
}

/// The shape as people read it: lower case, literals as `?`, at most `max_len` bytes and then an
/// ellipsis. White space is kept where there was some, so texts of one fingerprint may differ in
/// that.
pub fn normalized(sql: &[u8], max_len: usize) -> String {
    shape::shape(sql, Text::new(max_len)).finish()
}

/// The value of a comment's tag, decoded: `42` for the key `user_id` in `/*user_id='42'*/`. Where
/// several comments carry the key, the last counts: it is the one that the outermost layer of the
/// application appended.
pub fn tag<'a>(sql: &'a [u8], key: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    let mut lexer = Lexer::new(sql, key);
    while lexer.next().is_some() {}
    lexer.tag.map(tag::decode)
}

/// What [`Scan::user_tag`] holds for a (decoded) value. Never zero.
pub fn hash_tag(value: &[u8]) -> u64 {
    hash_of(value.iter().copied())
}

fn hash_of(bytes: impl Iterator<Item = u8>) -> u64 {
    let mut hash = Hash::new();
    for byte in bytes {
        hash.bytes(0, &[byte], |x| x);
    }
    hash.finish()
}
