//! What does a client say?
//!
//! Parsers take a message's body (what follows the length) and borrow from it. Encoders, the
//! `put_…` functions, append a whole message.
//!
//! For messages too large to hold, [`peek_bind`], [`peek_parse`] and [`peek_target`] read the names
//! from the leading bytes and say where the rest begins; the rest is then streamed unread.

use crate::read::{MessageError, Reader, zero_at};
use crate::write;

/// The tags of messages from a client.
pub mod tag {
    /// Simple query.
    pub const QUERY: u8 = b'Q';
    /// Prepares a statement.
    pub const PARSE: u8 = b'P';
    /// Binds a statement to parameters.
    pub const BIND: u8 = b'B';
    /// Runs a portal.
    pub const EXECUTE: u8 = b'E';
    /// Asks what a statement or portal returns.
    pub const DESCRIBE: u8 = b'D';
    /// Forgets a statement or portal.
    pub const CLOSE: u8 = b'C';
    /// Asks for the replies so far, without ending the exchange.
    pub const FLUSH: u8 = b'H';
    /// Ends an extended-query exchange.
    pub const SYNC: u8 = b'S';
    /// Says goodbye.
    pub const TERMINATE: u8 = b'X';
    /// A piece of COPY data.
    pub const COPY_DATA: u8 = b'd';
    /// The end of COPY data.
    pub const COPY_DONE: u8 = b'c';
    /// The client gives up a COPY.
    pub const COPY_FAIL: u8 = b'f';
    /// The old fast-path function call.
    pub const FUNCTION_CALL: u8 = b'F';
    /// Password, SASL and GSS answers share this one.
    pub const PASSWORD: u8 = b'p';
}

/// The longest statement or portal name that Weir reads. PostgreSQL has no bound of its own, but
/// a pooler must hold names; drivers use a few dozen bytes. Longer ones are refused.
pub const NAME_MAX: usize = 4096;

/// Any message of a client that has logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frontend<'a> {
    /// Simple query: the text, one or more statements.
    Query(&'a [u8]),
    /// Prepare.
    Parse(Parse<'a>),
    /// Bind.
    Bind(Bind<'a>),
    /// Describe a statement or portal.
    Describe(Target<'a>),
    /// Close a statement or portal.
    Close(Target<'a>),
    /// Run a portal.
    Execute(Execute<'a>),
    /// End of an extended-query exchange.
    Sync,
    /// Send what you have.
    Flush,
    /// Goodbye.
    Terminate,
    /// COPY data.
    CopyData(&'a [u8]),
    /// COPY ends.
    CopyDone,
    /// COPY fails, with the client's reason.
    CopyFail(&'a [u8]),
    /// Fast-path call, unread.
    FunctionCall(&'a [u8]),
    /// Password, SASL or GSS answer, unread: only who asked knows which. See [`password`],
    /// [`sasl_initial`].
    Password(&'a [u8]),
}

/// Parse: a statement's name (empty for the unnamed one), its text, its parameter types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parse<'a> {
    /// Empty for the unnamed statement.
    pub name: &'a [u8],
    /// The text.
    pub sql: &'a [u8],
    /// Count and type oids, as on the wire: part of what makes two statements the same.
    pub param_types: &'a [u8],
}

/// Bind: which portal of which statement; the parameters stay unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// Empty for the unnamed portal.
    pub portal: &'a [u8],
    /// Empty for the unnamed statement.
    pub statement: &'a [u8],
    /// Formats, parameters and result formats, as on the wire.
    pub rest: &'a [u8],
}

/// What Describe and Close are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// A prepared statement.
    Statement,
    /// A portal.
    Portal,
}

impl TargetKind {
    /// The byte on the wire.
    pub fn byte(self) -> u8 {
        match self {
            Self::Statement => b'S',
            Self::Portal => b'P',
        }
    }
}

/// Describe's and Close's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Statement or portal.
    pub kind: TargetKind,
    /// Its name; empty for the unnamed one.
    pub name: &'a [u8],
}

/// Execute's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execute<'a> {
    /// Empty for the unnamed portal.
    pub portal: &'a [u8],
    /// Zero for all.
    pub max_rows: i32,
}

/// The first SASL answer of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaslInitial<'a> {
    /// The mechanism it picked.
    pub mechanism: &'a str,
    /// Its first message, if it sent one at once.
    pub response: Option<&'a [u8]>,
}

/// Reads a message of a client that has logged in.
pub fn parse(tag: u8, body: &[u8]) -> Result<Frontend<'_>, MessageError> {
    Ok(match tag {
        tag::QUERY => Frontend::Query(query(body)?),
        tag::PARSE => Frontend::Parse(parse_parse(body)?),
        tag::BIND => Frontend::Bind(bind(body)?),
        tag::DESCRIBE => Frontend::Describe(target("Describe", body)?),
        tag::CLOSE => Frontend::Close(target("Close", body)?),
        tag::EXECUTE => Frontend::Execute(execute(body)?),
        tag::SYNC => Frontend::Sync,
        tag::FLUSH => Frontend::Flush,
        tag::TERMINATE => Frontend::Terminate,
        tag::COPY_DATA => Frontend::CopyData(body),
        tag::COPY_DONE => Frontend::CopyDone,
        tag::COPY_FAIL => {
            let mut r = Reader::new("CopyFail", body);
            let reason = r.cstr("reason")?;
            r.end()?;
            Frontend::CopyFail(reason)
        }
        tag::FUNCTION_CALL => Frontend::FunctionCall(body),
        tag::PASSWORD => Frontend::Password(body),
        tag => return Err(MessageError::UnknownTag { tag }),
    })
}

/// Query: the text.
pub fn query(body: &[u8]) -> Result<&[u8], MessageError> {
    // The terminator is the last byte or the message is malformed, so there is no need to look for
    // it from the front of a long text.
    match body.split_last() {
        Some((0, sql)) => Ok(sql),
        _ => Err(MessageError::Unterminated {
            message: "Query",
            field: "text",
        }),
    }
}

/// Parse, whole.
pub fn parse_parse(body: &[u8]) -> Result<Parse<'_>, MessageError> {
    let mut r = Reader::new("Parse", body);
    let name = r.cstr("statement name")?;
    let sql = r.cstr("text")?;
    let param_types = r.clone().rest();
    let count = r.i16("number of parameter types")?;
    let Ok(count) = usize::try_from(count) else {
        return Err(r.wrong("number of parameter types", count.into()));
    };
    r.bytes("parameter types", count * 4)?;
    r.end()?;
    Ok(Parse {
        name,
        sql,
        param_types,
    })
}

/// Bind, whole. The parameters are not looked at: PostgreSQL does that.
pub fn bind(body: &[u8]) -> Result<Bind<'_>, MessageError> {
    let mut r = Reader::new("Bind", body);
    let portal = r.cstr("portal name")?;
    let statement = r.cstr("statement name")?;
    Ok(Bind {
        portal,
        statement,
        rest: r.rest(),
    })
}

/// Describe or Close; `message` names it in errors.
pub fn target<'a>(message: &'static str, body: &'a [u8]) -> Result<Target<'a>, MessageError> {
    let mut r = Reader::new(message, body);
    let kind = target_kind(&mut r)?;
    let name = r.cstr("name")?;
    r.end()?;
    Ok(Target { kind, name })
}

fn target_kind(r: &mut Reader<'_>) -> Result<TargetKind, MessageError> {
    match r.u8("kind")? {
        b'S' => Ok(TargetKind::Statement),
        b'P' => Ok(TargetKind::Portal),
        other => Err(r.wrong("kind", other.into())),
    }
}

/// Execute.
pub fn execute(body: &[u8]) -> Result<Execute<'_>, MessageError> {
    let mut r = Reader::new("Execute", body);
    let portal = r.cstr("portal name")?;
    let max_rows = r.i32("row limit")?;
    r.end()?;
    Ok(Execute { portal, max_rows })
}

/// PasswordMessage: what the client typed, or `md5…`.
pub fn password(body: &[u8]) -> Result<&[u8], MessageError> {
    let mut r = Reader::new("Password", body);
    let password = r.cstr("password")?;
    r.end()?;
    Ok(password)
}

/// SASLInitialResponse.
pub fn sasl_initial(body: &[u8]) -> Result<SaslInitial<'_>, MessageError> {
    let mut r = Reader::new("SASLInitialResponse", body);
    let mechanism = r.text("mechanism")?;
    let len = r.i32("length")?;
    let response = match usize::try_from(len) {
        Ok(len) => Some(r.bytes("response", len)?),
        Err(_) if len == -1 => None,
        Err(_) => return Err(r.wrong("length", len.into())),
    };
    r.end()?;
    Ok(SaslInitial {
        mechanism,
        response,
    })
}

/// The names at the start of a Bind, and where the rest begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindHead<'a> {
    /// Empty for the unnamed portal.
    pub portal: &'a [u8],
    /// Empty for the unnamed statement.
    pub statement: &'a [u8],
    /// Offset in the body of the first byte after both names.
    pub rest_at: usize,
}

/// A name at the start of a message, and where the rest begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameHead<'a> {
    /// The name; empty for the unnamed one.
    pub name: &'a [u8],
    /// Offset in the body of the first byte after the name.
    pub rest_at: usize,
}

/// A Bind of which only the leading part is there: `None` asks for more. At most
/// `2 × (NAME_MAX + 1)` bytes are needed; beyond that it is an error.
pub fn peek_bind(part: &[u8]) -> Result<Option<BindHead<'_>>, MessageError> {
    let Some(portal) = peek_name("Bind", "portal name", part, 0)? else {
        return Ok(None);
    };
    let Some(statement) = peek_name("Bind", "statement name", part, portal.rest_at)? else {
        return Ok(None);
    };
    Ok(Some(BindHead {
        portal: portal.name,
        statement: statement.name,
        rest_at: statement.rest_at,
    }))
}

/// A Parse of which only the leading part is there: `None` asks for more.
pub fn peek_parse(part: &[u8]) -> Result<Option<NameHead<'_>>, MessageError> {
    peek_name("Parse", "statement name", part, 0)
}

/// A Describe or Close of which only the leading part is there: `None` asks for more.
pub fn peek_target<'a>(
    message: &'static str,
    part: &'a [u8],
) -> Result<Option<Target<'a>>, MessageError> {
    if part.is_empty() {
        return Ok(None);
    }
    let kind = target_kind(&mut Reader::new(message, part))?;
    let head = peek_name(message, "name", part, 1)?;
    Ok(head.map(|head| Target {
        kind,
        name: head.name,
    }))
}

fn peek_name<'a>(
    message: &'static str,
    field: &'static str,
    part: &'a [u8],
    from: usize,
) -> Result<Option<NameHead<'a>>, MessageError> {
    let tail = part.get(from..).unwrap_or_default();
    let window = &tail[..tail.len().min(NAME_MAX + 1)];
    match zero_at(window) {
        Some(end) => Ok(Some(NameHead {
            name: &tail[..end],
            rest_at: from + end + 1,
        })),
        None if window.len() > NAME_MAX => Err(MessageError::TooLong {
            message,
            field,
            limit: NAME_MAX,
        }),
        None => Ok(None),
    }
}

/// Appends a simple query.
pub fn put_query(out: &mut Vec<u8>, sql: &[u8]) {
    write::message(out, tag::QUERY, |out| write::cstr(out, sql));
}

/// Appends a Parse. `param_types` is count and oids as on the wire ([`Parse::param_types`]);
/// empty stands for none.
pub fn put_parse(out: &mut Vec<u8>, name: &[u8], sql: &[u8], param_types: &[u8]) {
    write::message(out, tag::PARSE, |out| {
        write::cstr(out, name);
        write::cstr(out, sql);
        if param_types.is_empty() {
            write::i16(out, 0);
        } else {
            out.extend_from_slice(param_types);
        }
    });
}

/// Appends a whole Bind; `rest` as in [`Bind::rest`].
pub fn put_bind(out: &mut Vec<u8>, portal: &[u8], statement: &[u8], rest: &[u8]) {
    put_bind_head(out, portal, statement, rest.len());
    out.extend_from_slice(rest);
}

/// Appends a Bind up to both names, announcing `rest_len` bytes more that the caller sends from
/// wherever they are. This is how a Bind is renamed without being moved.
pub fn put_bind_head(out: &mut Vec<u8>, portal: &[u8], statement: &[u8], rest_len: usize) {
    let start = out.len();
    out.push(tag::BIND);
    out.extend_from_slice(&[0; 4]);
    write::cstr(out, portal);
    write::cstr(out, statement);
    let len = u32::try_from(out.len() - start - 1 + rest_len).unwrap_or(u32::MAX);
    out[start + 1..start + 5].copy_from_slice(&len.to_be_bytes());
}

/// Appends a Describe.
pub fn put_describe(out: &mut Vec<u8>, kind: TargetKind, name: &[u8]) {
    put_target(out, tag::DESCRIBE, kind, name);
}

/// Appends a Close.
pub fn put_close(out: &mut Vec<u8>, kind: TargetKind, name: &[u8]) {
    put_target(out, tag::CLOSE, kind, name);
}

fn put_target(out: &mut Vec<u8>, tag: u8, kind: TargetKind, name: &[u8]) {
    write::message(out, tag, |out| {
        out.push(kind.byte());
        write::cstr(out, name);
    });
}

/// Appends an Execute; zero rows for all.
pub fn put_execute(out: &mut Vec<u8>, portal: &[u8], max_rows: i32) {
    write::message(out, tag::EXECUTE, |out| {
        write::cstr(out, portal);
        write::i32(out, max_rows);
    });
}

/// Appends a Sync.
pub fn put_sync(out: &mut Vec<u8>) {
    write::message(out, tag::SYNC, |_| {});
}

/// Appends a Flush.
pub fn put_flush(out: &mut Vec<u8>) {
    write::message(out, tag::FLUSH, |_| {});
}

/// Appends a Terminate.
pub fn put_terminate(out: &mut Vec<u8>) {
    write::message(out, tag::TERMINATE, |_| {});
}

/// Appends COPY data.
pub fn put_copy_data(out: &mut Vec<u8>, data: &[u8]) {
    write::message(out, tag::COPY_DATA, |out| out.extend_from_slice(data));
}

/// Appends the end of COPY data.
pub fn put_copy_done(out: &mut Vec<u8>) {
    write::message(out, tag::COPY_DONE, |_| {});
}

/// Appends a CopyFail.
pub fn put_copy_fail(out: &mut Vec<u8>, reason: &[u8]) {
    write::message(out, tag::COPY_FAIL, |out| write::cstr(out, reason));
}

/// Appends a password, plain or as `md5…`.
pub fn put_password(out: &mut Vec<u8>, password: &[u8]) {
    write::message(out, tag::PASSWORD, |out| write::cstr(out, password));
}

/// Appends the first SASL answer.
pub fn put_sasl_initial(out: &mut Vec<u8>, mechanism: &str, response: &[u8]) {
    write::message(out, tag::PASSWORD, |out| {
        write::cstr(out, mechanism.as_bytes());
        write::len32(out, response.len());
        out.extend_from_slice(response);
    });
}

/// Appends a later SASL answer.
pub fn put_sasl_response(out: &mut Vec<u8>, response: &[u8]) {
    write::message(out, tag::PASSWORD, |out| out.extend_from_slice(response));
}
