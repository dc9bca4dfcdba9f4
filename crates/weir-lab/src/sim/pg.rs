//! What a PostgreSQL session answers: statements, settings with their transactions, prepared
//! statements, COPY, errors.
//!
//! The same type is used twice: as the simulated server, and, privately, as every client's idea of
//! what a server of its own would have said. Where the two differ in what arrives, Weir broke a
//! promise; that is the whole of `no_crosstalk`, `no_lost_reply` and `state_follows`.
//!
//! # What always holds
//! - An answer depends on the session and the message, never on which backend it is or when it
//!   was asked.
//!
//! # What is deliberately absent
//! - Time. [`super::server`] decides when a message is executed, and whether it is cancelled.

use std::collections::BTreeMap;

use weir_wire::backend;
use weir_wire::frontend::{self, Frontend, TargetKind};
use weir_wire::{TxStatus, frame};

use super::pg_words::{
    Fails, aborted, error, fails, first_param, is_exit, known, number, put_copy_response,
    returns_rows,
};

/// Settings that a server reports by itself.
pub(crate) const REPORTED: [&str; 3] = ["application_name", "client_encoding", "TimeZone"];

/// Settings of the simulated world and what they are when nobody set them.
pub(crate) const DEFAULTS: [(&str, &str); 6] = [
    ("application_name", ""),
    ("client_encoding", "UTF8"),
    ("TimeZone", "UTC"),
    ("search_path", "public"),
    ("statement_timeout", "0"),
    ("work_mem", "4MB"),
];

/// One message, tag and body.
pub(crate) type Message = (u8, Vec<u8>);

/// Cuts complete messages off the front of `bytes`; the rest stays. An error is what is wrong.
pub(crate) fn cut(bytes: &mut Vec<u8>, out: &mut Vec<Message>) -> Result<(), String> {
    let mut at = 0;
    loop {
        match frame::parse_header(&bytes[at..], frame::MESSAGE_MAX) {
            Ok(Some(header)) if bytes.len() - at >= header.total() => {
                out.push((
                    header.tag,
                    bytes[at + frame::HEADER_LEN..at + header.total()].to_vec(),
                ));
                at += header.total();
            }
            Ok(_) => break,
            Err(error) => return Err(error.to_string()),
        }
    }
    bytes.drain(..at);
    Ok(())
}

#[derive(Clone, Debug)]
struct CopyIn {
    simple: bool,
    pieces: u32,
}

/// A session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    base: BTreeMap<String, String>,
    set: BTreeMap<String, String>,
    local: BTreeMap<String, String>,
    /// Settings at the begin of the open transaction, explicit or not.
    saved: Option<BTreeMap<String, String>>,
    tx: TxStatus,
    statements: BTreeMap<Vec<u8>, Vec<u8>>,
    portals: BTreeMap<Vec<u8>, (Vec<u8>, Vec<u8>)>,
    temp: BTreeMap<String, ()>,
    skipping: bool,
    copy: Option<CopyIn>,
    told: BTreeMap<&'static str, String>,
    /// The last statement executed was a SHOW.
    pub(crate) showed: bool,
}

impl Session {
    /// A session that began with these startup parameters.
    pub(crate) fn new<'a>(params: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut base = BTreeMap::new();
        for (name, value) in params {
            if let Some(name) = known(name) {
                base.insert(name.to_owned(), value.to_owned());
            }
        }
        let mut session = Self {
            base,
            set: BTreeMap::new(),
            local: BTreeMap::new(),
            saved: None,
            tx: TxStatus::Idle,
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            temp: BTreeMap::new(),
            skipping: false,
            copy: None,
            told: BTreeMap::new(),
            showed: false,
        };
        for name in REPORTED {
            session.told.insert(name, session.value(name));
        }
        session
    }

    pub(crate) fn tx(&self) -> TxStatus {
        self.tx
    }

    pub(crate) fn has_statement(&self, name: &[u8]) -> bool {
        self.statements.contains_key(name)
    }

    pub(crate) fn in_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// The reported settings as last said.
    pub(crate) fn told(&self) -> &BTreeMap<&'static str, String> {
        &self.told
    }

    fn value(&self, name: &str) -> String {
        self.local
            .get(name)
            .or(self.set.get(name))
            .or(self.base.get(name))
            .cloned()
            .or_else(|| {
                DEFAULTS
                    .iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, v)| (*v).to_owned())
            })
            .unwrap_or_default()
    }

    /// True if this message takes PostgreSQL time: it runs a statement.
    pub(crate) fn is_work(&self, tag: u8) -> bool {
        !self.skipping && self.copy.is_none() && matches!(tag, b'Q' | b'E')
    }

    /// The statement that this message runs.
    pub(crate) fn text<'a>(&'a self, message: &'a Message) -> &'a [u8] {
        match frontend::parse(message.0, &message.1) {
            Ok(Frontend::Query(sql)) => sql,
            Ok(Frontend::Execute(execute)) => self
                .portals
                .get(execute.portal)
                .map_or(&b""[..], |(sql, _)| sql),
            _ => b"",
        }
    }

    /// True if a cancel request that comes now hits something although no statement runs.
    pub(crate) fn cancels_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// Ends a COPY that waits for its data, as a cancel request does.
    pub(crate) fn cancel_copy(&mut self, out: &mut Vec<u8>) {
        if self.copy.is_some() {
            self.copy_over(
                Err(fails("57014", "canceling statement due to user request")),
                out,
            );
        }
    }

    /// Takes one message. `cancelled`: a cancel request met it.
    pub(crate) fn on(&mut self, tag: u8, body: &[u8], cancelled: bool, out: &mut Vec<u8>) {
        let Ok(message) = frontend::parse(tag, body) else {
            error(out, "FATAL", "08P01", "malformed message");
            return;
        };
        if self.copy.is_some() {
            self.on_copy(&message, out);
            return;
        }
        if self.skipping && !matches!(message, Frontend::Sync) {
            return;
        }
        let cancel = || fails("57014", "canceling statement due to user request");
        match message {
            Frontend::Query(sql) => {
                if cancelled {
                    self.fail(&cancel(), out);
                    self.end_simple(true, out);
                } else {
                    self.simple(sql, out);
                }
            }
            Frontend::Sync => {
                self.skipping = false;
                self.end_implicit(false);
                self.ready(out);
            }
            Frontend::Parse(_)
            | Frontend::Bind(_)
            | Frontend::Describe(_)
            | Frontend::Execute(_)
            | Frontend::Close(_) => {
                let done = if cancelled {
                    Err(cancel())
                } else {
                    self.extended(&message, out)
                };
                if let Err(why) = done {
                    self.fail(&why, out);
                    self.skipping = true;
                }
            }
            Frontend::Flush
            | Frontend::Terminate
            | Frontend::CopyData(_)
            | Frontend::CopyDone
            | Frontend::CopyFail(_)
            | Frontend::FunctionCall(_)
            | Frontend::Password(_) => {}
        }
    }

    fn on_copy(&mut self, message: &Frontend<'_>, out: &mut Vec<u8>) {
        match message {
            Frontend::CopyData(data) => {
                if data.starts_with(b"bad") {
                    let why = fails(
                        "22P04",
                        format!("bad row {}", String::from_utf8_lossy(data)),
                    );
                    self.copy_over(Err(why), out);
                } else if let Some(copy) = &mut self.copy {
                    copy.pieces += 1;
                }
            }
            Frontend::CopyDone => {
                let pieces = self.copy.as_ref().map_or(0, |c| c.pieces);
                self.copy_over(Ok(pieces), out);
            }
            Frontend::CopyFail(_) => {
                self.copy_over(Err(fails("57014", "COPY from stdin failed")), out);
            }
            // Flush and Sync are ignored during COPY; the rest isn't sent by our clients.
            _ => {}
        }
    }

    fn copy_over(&mut self, how: Result<u32, Fails>, out: &mut Vec<u8>) {
        let Some(copy) = self.copy.take() else { return };
        let failed = how.is_err();
        match how {
            Ok(pieces) => backend::put_command_complete(out, &format!("COPY {pieces}")),
            Err(why) => self.fail(&why, out),
        }
        if copy.simple {
            self.end_simple(failed, out);
        } else if failed {
            self.skipping = true;
        }
    }

    fn simple(&mut self, sql: &[u8], out: &mut Vec<u8>) {
        self.statements.remove(&b""[..]);
        let text = String::from_utf8_lossy(sql).into_owned();
        let mut any = false;
        for one in text.split(';').map(str::trim).filter(|s| !s.is_empty()) {
            any = true;
            if one.starts_with("COPY") && one.contains("FROM STDIN") {
                if self.tx == TxStatus::Failed {
                    self.fail(&aborted(), out);
                    break;
                }
                self.begin_implicit();
                put_copy_response(out, b'G');
                self.copy = Some(CopyIn {
                    simple: true,
                    pieces: 0,
                });
                return;
            }
            if let Err(why) = self.run(one, b"", true, out) {
                self.fail(&why, out);
                self.end_simple(true, out);
                return;
            }
        }
        if !any {
            backend::put_empty_query_response(out);
        }
        self.end_simple(false, out);
    }

    fn end_simple(&mut self, failed: bool, out: &mut Vec<u8>) {
        self.end_implicit(failed);
        self.ready(out);
    }

    fn begin_implicit(&mut self) {
        if self.saved.is_none() {
            self.saved = Some(self.set.clone());
        }
    }

    fn end_implicit(&mut self, failed: bool) {
        if self.tx == TxStatus::Idle {
            if let Some(saved) = self.saved.take()
                && failed
            {
                self.set = saved;
            }
            self.local.clear();
            self.portals.clear();
        }
    }

    fn ready(&mut self, out: &mut Vec<u8>) {
        for name in REPORTED {
            let value = self.value(name);
            if self.told.get(name) != Some(&value) {
                backend::put_parameter_status(out, name.as_bytes(), value.as_bytes());
                self.told.insert(name, value);
            }
        }
        backend::put_ready_for_query(out, self.tx);
    }

    fn fail(&mut self, why: &Fails, out: &mut Vec<u8>) {
        error(out, "ERROR", why.sqlstate, &why.says);
        if let Some(saved) = &self.saved {
            self.set = saved.clone();
        }
        self.local.clear();
        match self.tx {
            TxStatus::Idle => self.saved = None,
            TxStatus::InTransaction | TxStatus::Failed => self.tx = TxStatus::Failed,
        }
        self.portals.clear();
    }

    fn extended(&mut self, message: &Frontend<'_>, out: &mut Vec<u8>) -> Result<(), Fails> {
        match message {
            Frontend::Parse(parse) => {
                if self.tx == TxStatus::Failed && !is_exit(parse.sql) {
                    return Err(aborted());
                }
                if !parse.name.is_empty() && self.statements.contains_key(parse.name) {
                    return Err(fails("42P05", "prepared statement already exists"));
                }
                if parse.sql.starts_with(b"SYNTAX") {
                    return Err(fails("42601", "syntax error"));
                }
                self.statements
                    .insert(parse.name.to_vec(), parse.sql.to_vec());
                backend::put_parse_complete(out);
            }
            Frontend::Bind(bind) => {
                let Some(sql) = self.statements.get(bind.statement) else {
                    return Err(fails("26000", "prepared statement does not exist"));
                };
                if self.tx == TxStatus::Failed && !is_exit(sql) {
                    return Err(aborted());
                }
                let param = first_param(bind.rest);
                self.portals
                    .insert(bind.portal.to_vec(), (sql.clone(), param));
                backend::put_bind_complete(out);
            }
            Frontend::Describe(target) => {
                let sql = match target.kind {
                    TargetKind::Statement => self.statements.get(target.name).cloned(),
                    TargetKind::Portal => self.portals.get(target.name).map(|(s, _)| s.clone()),
                };
                let Some(sql) = sql else {
                    return Err(match target.kind {
                        TargetKind::Statement => {
                            fails("26000", "prepared statement does not exist")
                        }
                        TargetKind::Portal => fails("34000", "portal does not exist"),
                    });
                };
                if self.tx == TxStatus::Failed && returns_rows(&sql) {
                    return Err(aborted());
                }
                if target.kind == TargetKind::Statement {
                    let count = u16::from(sql.windows(2).any(|w| w == b"$1"));
                    out.push(b't');
                    out.extend_from_slice(&(6 + 4 * u32::from(count)).to_be_bytes());
                    out.extend_from_slice(&count.to_be_bytes());
                    if count > 0 {
                        out.extend_from_slice(&25u32.to_be_bytes());
                    }
                }
                if returns_rows(&sql) {
                    backend::put_row_description(out, &["a", "b"]);
                } else {
                    backend::put_no_data(out);
                }
            }
            Frontend::Execute(execute) => {
                let Some((sql, param)) = self.portals.get(execute.portal).cloned() else {
                    return Err(fails("34000", "portal does not exist"));
                };
                let text = String::from_utf8_lossy(&sql).into_owned();
                if text.starts_with("COPY") && text.contains("FROM STDIN") {
                    if self.tx == TxStatus::Failed {
                        return Err(aborted());
                    }
                    self.begin_implicit();
                    put_copy_response(out, b'G');
                    self.copy = Some(CopyIn {
                        simple: false,
                        pieces: 0,
                    });
                    return Ok(());
                }
                if text.trim().is_empty() {
                    backend::put_empty_query_response(out);
                    return Ok(());
                }
                self.run(text.trim(), &param, false, out)?;
            }
            Frontend::Close(target) => {
                match target.kind {
                    TargetKind::Statement => {
                        self.statements.remove(target.name);
                    }
                    TargetKind::Portal => {
                        self.portals.remove(target.name);
                    }
                }
                backend::put_close_complete(out);
            }
            _ => {}
        }
        Ok(())
    }

    /// One statement. `describes`: a simple query, which says its columns too.
    fn run(
        &mut self,
        sql: &str,
        param: &[u8],
        describes: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Fails> {
        self.showed = false;
        if self.tx == TxStatus::Failed && !is_exit(sql.as_bytes()) {
            return Err(aborted());
        }
        let mut words = sql.split_whitespace();
        let verb = words.next().unwrap_or_default();
        match verb {
            "BEGIN" => {
                self.begin_implicit();
                self.tx = TxStatus::InTransaction;
                backend::put_command_complete(out, "BEGIN");
                return Ok(());
            }
            "COMMIT" | "ROLLBACK" => {
                let undo = verb == "ROLLBACK" || self.tx == TxStatus::Failed;
                if let Some(saved) = self.saved.take()
                    && undo
                {
                    self.set = saved;
                }
                self.local.clear();
                self.portals.clear();
                self.tx = TxStatus::Idle;
                backend::put_command_complete(out, if undo { "ROLLBACK" } else { "COMMIT" });
                return Ok(());
            }
            _ => {}
        }
        self.begin_implicit();
        if let Some(at) = sql.find("fail=") {
            return Err(fails("22012", sql[at..].to_owned()));
        }
        let tag = match verb {
            "SET" => {
                let mut name = words.next().unwrap_or_default();
                let is_local = name == "LOCAL";
                if is_local {
                    name = words.next().unwrap_or_default();
                }
                if name == "TIME" {
                    // SET TIME ZONE 'x', as Weir says it again.
                    name = "TimeZone";
                }
                let Some(name) = known(name) else {
                    return Err(fails("42704", format!("unrecognized parameter in {sql}")));
                };
                let value = words
                    .nth(1)
                    .unwrap_or_default()
                    .trim_matches('\'')
                    .to_owned();
                if is_local {
                    if self.tx == TxStatus::InTransaction {
                        self.local.insert(name.to_owned(), value);
                    }
                } else {
                    self.local.remove(name);
                    self.set.insert(name.to_owned(), value);
                }
                "SET".to_owned()
            }
            "RESET" => {
                match words.next() {
                    Some("ALL") => {
                        self.set.clear();
                        self.local.clear();
                    }
                    Some(name) => {
                        let Some(name) = known(name.trim_matches('"')) else {
                            return Err(fails("42704", format!("unrecognized parameter in {sql}")));
                        };
                        self.set.remove(name);
                        self.local.remove(name);
                    }
                    None => {}
                }
                "RESET".to_owned()
            }
            "DISCARD" => {
                if self.tx == TxStatus::InTransaction {
                    return Err(fails(
                        "25001",
                        "DISCARD ALL cannot run inside a transaction block",
                    ));
                }
                self.set.clear();
                self.local.clear();
                self.saved = None;
                self.statements.clear();
                self.temp.clear();
                "DISCARD ALL".to_owned()
            }
            "DEALLOCATE" => {
                self.statements.clear();
                "DEALLOCATE ALL".to_owned()
            }
            "CREATE" => {
                let name = words.nth(2).unwrap_or_default().to_owned();
                if self.temp.contains_key(&name) {
                    return Err(fails("42P07", "relation already exists"));
                }
                self.temp.insert(name, ());
                "CREATE TABLE".to_owned()
            }
            "SHOW" => {
                self.showed = true;
                let name = known(words.next().unwrap_or_default()).unwrap_or_default();
                let value = self.value(name);
                if describes {
                    backend::put_row_description(out, &["a", "b"]);
                }
                backend::put_data_row(out, &[Some(name.as_bytes()), Some(value.as_bytes())]);
                "SHOW".to_owned()
            }
            "COPY" => {
                put_copy_response(out, b'H');
                let rows = number(sql, "rows=");
                for row in 0..rows {
                    frontend::put_copy_data(out, format!("{row} {sql}\n").as_bytes());
                }
                frontend::put_copy_done(out);
                format!("COPY {rows}")
            }
            _ => {
                if let Some((_, rest)) = sql.split_once("set_config(") {
                    let mut parts = rest.split('\'');
                    let name = parts.nth(1).and_then(known).unwrap_or_default();
                    let value = parts.nth(1).unwrap_or_default().to_owned();
                    self.local.remove(name);
                    self.set.insert(name.to_owned(), value);
                }
                if let Some(at) = sql.find("FROM tt_") {
                    let name = sql[at + 5..].split(' ').next().unwrap_or_default();
                    if !self.temp.contains_key(name) {
                        return Err(fails("42P01", "relation does not exist"));
                    }
                }
                let rows = number(sql, "rows=").max(1);
                let size = number(sql, "size=") as usize;
                if describes {
                    backend::put_row_description(out, &["a", "b"]);
                }
                let mut wide = param.to_vec();
                wide.resize(param.len() + size, b'.');
                for _ in 0..rows {
                    backend::put_data_row(out, &[Some(sql.as_bytes()), Some(&wide)]);
                }
                format!("SELECT {rows}")
            }
        };
        backend::put_command_complete(out, &tag);
        Ok(())
    }
}
