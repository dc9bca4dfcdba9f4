//! What happened: always as a hash, to compare two runs of one seed; as text where asked.

use weir_engine::{Conn, Effect};
use weir_model::{Event, Instant};

/// The course of a life.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hash: u64,
    /// Lines, where they are kept.
    pub(crate) lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(readable: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: readable.then(Vec::new),
        }
    }

    /// Of all that happened, in its order.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    fn word(&mut self, word: u64) {
        self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01b3);
        self.hash ^= self.hash >> 29;
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// Something worth a line that isn't a call of the engine.
    pub(crate) fn line(&mut self, now: Instant, says: impl FnOnce() -> String) {
        self.word(now.as_nanos());
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{} {}", stamp(now), says()));
        }
    }

    pub(crate) fn call(
        &mut self,
        now: Instant,
        what: &str,
        conn: Conn,
        bytes: &[u8],
        taken: usize,
    ) {
        self.word(now.as_nanos());
        self.word(number(conn));
        self.bytes(what.as_bytes());
        self.bytes(bytes);
        self.word(taken as u64);
        if let Some(lines) = &mut self.lines {
            lines.push(format!(
                "{} {what} {} {} taken {taken}",
                stamp(now),
                name(conn),
                shown(bytes)
            ));
        }
    }

    pub(crate) fn effect(
        &mut self,
        now: Instant,
        effect: &Effect,
        from: Option<&[u8]>,
        scratch: &[u8],
    ) {
        let (what, conn, bytes): (&str, Option<Conn>, &[u8]) = match effect {
            Effect::Forward { to, range } => (
                "forward to",
                Some(*to),
                from.and_then(|b| b.get(range.clone())).unwrap_or_default(),
            ),
            Effect::Send { to, range } => (
                "send to",
                Some(*to),
                scratch.get(range.clone()).unwrap_or_default(),
            ),
            Effect::Dial { server, .. } => ("dial", Some(Conn::Server(*server)), &[]),
            Effect::Close { conn } => ("close", Some(*conn), &[]),
            Effect::PauseReading { conn } => ("pause", Some(*conn), &[]),
            Effect::ResumeReading { conn } => ("resume", Some(*conn), &[]),
            Effect::StartTls { conn, .. } => ("start_tls", Some(*conn), &[]),
            Effect::Cancel { bytes, .. } => ("cancel", None, bytes),
            Effect::Exit => ("exit", None, &[]),
        };
        self.word(conn.map_or(0, number));
        self.bytes(what.as_bytes());
        self.bytes(bytes);
        if let Some(lines) = &mut self.lines {
            lines.push(format!(
                "{}     → {what} {} {}",
                stamp(now),
                conn.map(name).unwrap_or_default(),
                shown(bytes)
            ));
        }
    }

    pub(crate) fn event(&mut self, now: Instant, event: &Event) {
        // The list of servers comes every second and says nothing new.
        if matches!(event, Event::Servers(_)) {
            return;
        }
        let text = format!("{event:?}");
        self.bytes(text.as_bytes());
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{}     ! {text}", stamp(now)));
        }
    }
}

fn stamp(now: Instant) -> String {
    format!("{:>12.6}", now.as_nanos() as f64 / 1e9)
}

fn number(conn: Conn) -> u64 {
    match conn {
        Conn::Client(id) => id.0 * 2,
        Conn::Server(id) => id.0 * 2 + 1,
    }
}

fn name(conn: Conn) -> String {
    match conn {
        Conn::Client(id) => id.to_string(),
        Conn::Server(id) => id.to_string(),
    }
}

fn shown(bytes: &[u8]) -> String {
    let mut text: String = bytes
        .iter()
        .take(160)
        .map(|b| match b {
            0x20..=0x7e => char::from(*b),
            _ => '.',
        })
        .collect();
    if bytes.len() > 160 {
        text.push('…');
    }
    format!("({}) {text}", bytes.len())
}
