//! A client that speaks the protocol by hand, and may speak it wrongly.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An ErrorResponse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) severity: String,
    pub(crate) sqlstate: String,
    pub(crate) message: String,
}

/// What one ReadyForQuery ended.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// First column of each row.
    pub(crate) rows: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) notices: Vec<String>,
    /// `I`, `T` or `E`.
    pub(crate) state: char,
}

pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    pub(crate) parameters: BTreeMap<String, String>,
    pub(crate) notifications: Vec<String>,
    /// Process and secret of BackendKeyData.
    pub(crate) key: Vec<u8>,
}

impl Raw {
    /// A connection without a login.
    pub(crate) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self {
            stream,
            parameters: BTreeMap::new(),
            notifications: Vec::new(),
            key: Vec::new(),
        }
    }

    pub(crate) fn login(port: u16) -> Self {
        Self::login_with(port, &[("user", "postgres"), ("database", "postgres")]).unwrap()
    }

    pub(crate) fn login_with(port: u16, params: &[(&str, &str)]) -> Result<Self, Fault> {
        let mut raw = Self::open(port);
        raw.stream.write_all(&startup(params)).unwrap();
        loop {
            let (tag, body) = raw.message().expect("an answer to the startup packet");
            match tag {
                b'E' => return Err(fault_of(&body)),
                b'Z' => return Ok(raw),
                b'R' => assert_eq!(body, [0; 4], "only trust is spoken here"),
                _ => raw.note(tag, body),
            }
        }
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("written");
    }

    pub(crate) fn send(&mut self, tag: u8, body: &[u8]) {
        self.stream.write_all(&message(tag, body)).expect("written");
    }

    pub(crate) fn ask(&mut self, sql: &str) {
        self.send(b'Q', &cstr(sql));
    }

    /// A simple query and all of its answer.
    pub(crate) fn query(&mut self, sql: &str) -> Answer {
        self.ask(sql);
        self.answer()
    }

    /// First column of the first row; the query must succeed.
    pub(crate) fn one(&mut self, sql: &str) -> String {
        let answer = self.query(sql);
        assert!(answer.faults.is_empty(), "{sql}: {:?}", answer.faults);
        answer.rows.into_iter().next().unwrap_or_default()
    }

    pub(crate) fn message(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    fn note(&mut self, tag: u8, body: Vec<u8>) {
        match tag {
            b'S' => {
                let text = String::from_utf8_lossy(&body).into_owned();
                let mut parts = text.split('\0');
                let name = parts.next().unwrap_or_default().to_owned();
                let value = parts.next().unwrap_or_default().to_owned();
                self.parameters.insert(name, value);
            }
            b'K' => self.key = body,
            b'A' => self.notifications.push(
                String::from_utf8_lossy(&body[4..])
                    .trim_end_matches('\0')
                    .replace('\0', ":"),
            ),
            _ => {}
        }
    }

    /// Reads up to ReadyForQuery.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// Likewise; a FATAL error with the end of the connection behind it is an answer too.
    pub(crate) fn try_answer(&mut self) -> std::io::Result<Answer> {
        let mut answer = Answer::default();
        loop {
            let (tag, body) = match self.message() {
                Ok(message) => message,
                Err(_) if !answer.faults.is_empty() => return Ok(answer),
                Err(fault) => return Err(fault),
            };
            match tag {
                b'D' => answer.rows.push(first_column(&body)),
                b'C' => answer.tags.push(
                    String::from_utf8_lossy(&body)
                        .trim_end_matches('\0')
                        .to_owned(),
                ),
                b'E' => answer.faults.push(fault_of(&body)),
                b'N' => answer.notices.push(fault_of(&body).message),
                b'Z' => {
                    answer.state = char::from(body[0]);
                    return Ok(answer);
                }
                _ => self.note(tag, body),
            }
        }
    }

    /// What comes until the peer closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // A reset behind the last byte is an end too.
        let _ = self.stream.read_to_end(&mut all);
        all
    }
}

pub(crate) fn cstr(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
    out
}

/// A startup packet of protocol 3.0.
pub(crate) fn startup(params: &[(&str, &str)]) -> Vec<u8> {
    let mut body = vec![0, 3, 0, 0];
    for (name, value) in params {
        body.extend_from_slice(&cstr(name));
        body.extend_from_slice(&cstr(value));
    }
    body.push(0);
    let mut out = (body.len() as u32 + 4).to_be_bytes().to_vec();
    out.extend_from_slice(&body);
    out
}

fn first_column(body: &[u8]) -> String {
    match body.get(2..6) {
        Some(len) if len != [0xff; 4] => {
            let len = u32::from_be_bytes([len[0], len[1], len[2], len[3]]) as usize;
            String::from_utf8_lossy(&body[6..6 + len]).into_owned()
        }
        _ => String::new(),
    }
}

pub(crate) fn fault_of(body: &[u8]) -> Fault {
    let mut fault = Fault {
        severity: String::new(),
        sqlstate: String::new(),
        message: String::new(),
    };
    for field in body.split(|b| *b == 0).filter(|f| !f.is_empty()) {
        let text = String::from_utf8_lossy(&field[1..]).into_owned();
        match field[0] {
            b'S' => fault.severity = text,
            b'C' => fault.sqlstate = text,
            b'M' => fault.message = text,
            _ => {}
        }
    }
    fault
}
