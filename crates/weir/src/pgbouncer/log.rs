//! The log as PgBouncer writes it: `2026-11-25 08:00:00.000 UTC [pid] LOG text`, one line at a time,
//! each flushed when it is written.
//!
//! Whoever has something to say hands it to a thread ([`Log::say`]) and goes on: a disk that hangs
//! must not stop the data plane. At most [`LINES_MAX`] lines wait; what doesn't fit is lost, and the
//! next line that gets through says how many were.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use jiff::tz::TimeZone;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer};
use weir_model::{Event, Logged, Loudness, Speaker};

/// Lines on their way to the file.
const LINES_MAX: usize = 8192;
/// PgBouncer's bound on a line.
const TEXT_MAX: usize = 2048;

/// How grave a line is, in PgBouncer's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Fatal,
    Error,
    Warning,
    Log,
    Debug,
    Noise,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Fatal => "FATAL",
            Self::Error => "ERROR",
            Self::Warning => "WARNING",
            Self::Log => "LOG",
            Self::Debug => "DEBUG",
            Self::Noise => "NOISE",
        }
    }
}

enum Note {
    Line(i64, Level, String),
    /// Write to this file from now on, opened anew; `None`: to none.
    File(Option<PathBuf>),
    /// Everything before this is written: tell so.
    Flush(SyncSender<()>),
}

/// The way to the log. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    notes: SyncSender<Note>,
    lost: Arc<AtomicU64>,
    verbose: Arc<AtomicU8>,
}

impl Log {
    /// Starts the log's thread. Without a file lines go to standard error only; `quiet`: not there.
    pub(crate) fn start(quiet: bool, file: Option<PathBuf>) -> io::Result<Self> {
        let (notes, taken) = sync_channel(LINES_MAX);
        let log = Self {
            notes,
            lost: Arc::default(),
            verbose: Arc::default(),
        };
        let file = file.map(Out::open).transpose()?;
        std::thread::Builder::new()
            .name("weir-log".to_owned())
            .spawn(move || write_all(&taken, quiet, file))?;
        Ok(log)
    }

    /// `-v` and `verbose`: 1 shows DEBUG, 2 and more NOISE too.
    pub(crate) fn set_verbose(&self, verbose: u8) {
        self.verbose.store(verbose, Ordering::Relaxed);
    }

    fn takes(&self, level: Level) -> bool {
        let verbose = self.verbose.load(Ordering::Relaxed);
        match level {
            Level::Fatal | Level::Error | Level::Warning | Level::Log => true,
            Level::Debug => verbose >= 1,
            Level::Noise => verbose >= 2,
        }
    }

    /// Hands a line over. Never waits.
    pub(crate) fn say(&self, level: Level, text: String) {
        if !self.takes(level) {
            return;
        }
        let at = crate::clock::wall().as_micros();
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let says = format!("the log couldn't keep up; {lost} lines are lost");
            if self
                .notes
                .try_send(Note::Line(at, Level::Warning, says))
                .is_err()
            {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        if self.notes.try_send(Note::Line(at, level, text)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the data plane says for the log.
    pub(crate) fn tell(&self, logged: &Logged) {
        let level = match logged.loudness {
            Loudness::Debug => Level::Debug,
            Loudness::Log => Level::Log,
            Loudness::Warning => Level::Warning,
            Loudness::Error => Level::Error,
        };
        if self.takes(level) {
            self.say(level, prefixed(logged));
        }
    }

    /// Opens the file again, under this name: log rotation, or a new `logfile`.
    pub(crate) fn reopen(&self, file: Option<PathBuf>) {
        let mut note = Note::File(file);
        // Rare and important: here one may wait a little.
        for _ in 0..100 {
            match self.notes.try_send(note) {
                Ok(()) | Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => note = back,
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Returns once everything said before is written, or after a second.
    pub(crate) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.notes.try_send(Note::Flush(done)).is_ok() {
            let _ = written.recv_timeout(Duration::from_secs(1));
        }
    }
}

/// `C-0x1f: db/user@host:port text`, as PgBouncer begins a line about a connection.
fn prefixed(logged: &Logged) -> String {
    let (letter, id) = match logged.by {
        Speaker::Client(client) => ('C', client.0),
        Speaker::Server(server) => ('S', server.0),
        Speaker::Pooler => return logged.text.clone(),
    };
    let or = |text: &str, instead: &str| match text {
        "" => instead.to_owned(),
        text => text.to_owned(),
    };
    format!(
        "{letter}-{id:#x}: {}/{}@{} {}",
        or(&logged.database, "(nodb)"),
        or(&logged.user, "(nouser)"),
        or(&logged.addr, "(bad-af):0"),
        logged.text
    )
}

/// Says an event of the data plane, if it is one for the log.
pub(crate) fn hear(log: &Log, event: &Event) {
    if let Event::Logged(logged) = event {
        log.tell(logged);
    }
}

struct Out {
    path: PathBuf,
    file: File,
}

impl Out {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        Ok(Self { path, file })
    }
}

fn write_all(notes: &Receiver<Note>, quiet: bool, mut out: Option<Out>) {
    let zone = TimeZone::system();
    let pid = std::process::id();
    let mut line = String::new();
    while let Ok(note) = notes.recv() {
        match note {
            Note::Line(at, level, text) => {
                line.clear();
                put_line(&mut line, at, &zone, pid, level, &text);
                if !quiet {
                    let _ = io::stderr().lock().write_all(line.as_bytes());
                }
                if let Some(out) = &mut out {
                    let _ = out.file.write_all(line.as_bytes());
                }
            }
            Note::File(None) => out = None,
            Note::File(Some(path)) => {
                let was = out.as_ref().map(|out| out.path.clone());
                match Out::open(path.clone()) {
                    Ok(opened) => out = Some(opened),
                    Err(fault) => {
                        // The old file stays: a log that stops is worse than one in the wrong place.
                        let says = format!(
                            "Cannot open logfile: '{}': {fault}; going on with {}",
                            path.display(),
                            was.map_or("none".to_owned(), |p| p.display().to_string())
                        );
                        line.clear();
                        let at = crate::clock::wall().as_micros();
                        put_line(&mut line, at, &zone, pid, Level::Error, &says);
                        let _ = io::stderr().lock().write_all(line.as_bytes());
                        if let Some(out) = &mut out {
                            let _ = out.file.write_all(line.as_bytes());
                        }
                    }
                }
            }
            Note::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

fn put_line(out: &mut String, at: i64, zone: &TimeZone, pid: u32, level: Level, text: &str) {
    let stamp = jiff::Timestamp::from_microsecond(at).unwrap_or_default();
    let stamp = stamp.to_zoned(zone.clone());
    let _ = write!(
        out,
        "{} [{pid}] {} ",
        stamp.strftime("%Y-%m-%d %H:%M:%S%.3f %Z"),
        level.word()
    );
    let mut room = TEXT_MAX;
    for c in text.trim_end().chars() {
        if room == 0 {
            break;
        }
        room -= 1;
        out.push(c);
        // What a client sent can't look like a line of its own.
        if c == '\n' {
            out.push('\t');
        }
    }
    out.push('\n');
}

/// The control plane's words (`tracing`) as lines of this log.
pub(crate) struct AsLines(pub(crate) Log);

impl<S: tracing::Subscriber> Layer<S> for AsLines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::INFO => Level::Log,
            tracing::Level::DEBUG => Level::Debug,
            tracing::Level::TRACE => Level::Noise,
        };
        if !event.metadata().target().starts_with("weir") || !self.0.takes(level) {
            return;
        }
        let mut words = Words::default();
        event.record(&mut words);
        self.0.say(level, words.message + &words.fields);
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = if field.name() == "message" {
            write!(self.message, "{value}")
        } else {
            write!(self.fields, " {}={value}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use weir_model::{ClientId, ServerId};

    use super::*;

    fn line(text: &str) -> String {
        let mut out = String::new();
        let at = 1_795_593_600_123_000;
        put_line(&mut out, at, &TimeZone::UTC, 7, Level::Log, text);
        out
    }

    #[test]
    fn a_line_has_time_zone_pid_and_level() {
        assert_eq!(line("hello"), "2026-11-25 08:00:00.123 UTC [7] LOG hello\n");
    }

    #[test]
    fn a_text_of_several_lines_can_not_be_taken_for_several_lines_of_the_log() {
        let text = line("a\n2026-11-25 08:00:00.123 UTC [7] FATAL b\n\n");
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().nth(1).unwrap().starts_with('\t'), "{text}");
        assert!(line(&"ä".repeat(100_000)).len() < 5000);
    }

    #[test]
    fn a_line_about_a_connection_begins_with_its_name_and_place() {
        let mut logged = Logged {
            by: Speaker::Client(ClientId(31)),
            loudness: Loudness::Log,
            database: "p0".into(),
            user: "ann".into(),
            addr: "127.0.0.1:5".into(),
            text: "login attempt: db=p0 user=ann tls=no".to_owned(),
        };
        assert_eq!(
            prefixed(&logged),
            "C-0x1f: p0/ann@127.0.0.1:5 login attempt: db=p0 user=ann tls=no"
        );
        logged.by = Speaker::Server(ServerId(2));
        logged.database = "".into();
        assert!(prefixed(&logged).starts_with("S-0x2: (nodb)/ann@"));
        logged.by = Speaker::Pooler;
        assert!(prefixed(&logged).starts_with("login attempt"));
    }

    #[test]
    fn lines_are_in_the_file_once_flushed_and_rotation_opens_it_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.log");
        let log = Log::start(true, Some(path.clone())).unwrap();
        log.say(Level::Log, "one".to_owned());
        log.say(Level::Debug, "not without -v".to_owned());
        log.flush();
        std::fs::rename(&path, dir.path().join("w.log.1")).unwrap();
        log.reopen(Some(path.clone()));
        log.set_verbose(1);
        log.say(Level::Debug, "two".to_owned());
        log.flush();
        let old = std::fs::read_to_string(dir.path().join("w.log.1")).unwrap();
        let new = std::fs::read_to_string(&path).unwrap();
        assert!(old.ends_with("] LOG one\n"), "{old}");
        assert!(new.ends_with("] DEBUG two\n"), "{new}");
        assert!(!old.contains("not without"));
    }
}
