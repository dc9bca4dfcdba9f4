//! The terminal, taken and given back whatever happens.
//!
//! # What always holds
//! - On every way out (quit, error, panic, SIGTERM, SIGINT, SIGHUP, suspend) the terminal is as it was.
//! - The mouse stays the terminal's own: text can be marked.

use std::io::{self, Write as _};
use std::sync::mpsc::SyncSender;

use base64::Engine as _;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use tokio::signal::unix::{SignalKind, signal};

use super::model::{Input, Model};

/// Terminals take at most about this much by OSC 52.
const COPY_MAX: usize = 64 * 1024;

pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<io::Stdout>>,
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide)
}

fn give_back() {
    // There is nobody left to tell if this fails.
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

impl Screen {
    pub(crate) fn take() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
            // Of any thread: a picture that nobody feeds, on a terminal that is given back, is worse.
            std::process::exit(101);
        }));
        let taken = take().and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match taken {
            Ok(terminal) => Ok(Self { terminal }),
            Err(fault) => {
                give_back();
                Err(fault)
            }
        }
    }

    pub(crate) fn draw(&mut self, model: &Model) -> io::Result<()> {
        let drawn = self
            .terminal
            .draw(|frame| super::draw::draw(model, frame.buffer_mut()));
        drawn.map(|_| ())
    }

    /// Stops the process as Ctrl-Z would, and takes the terminal again when it goes on.
    pub(crate) fn suspend(&mut self) -> io::Result<(u16, u16)> {
        give_back();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        take()?;
        // Somebody else has drawn meanwhile: everything is drawn anew. `Terminal::clear` would ask the
        // terminal where the cursor is, and the thread that reads keys would take the answer.
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        size()
    }

    /// Puts text into the clipboard of the terminal that shows this, also through ssh.
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        let mut end = text.len().min(COPY_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(&text[..end]);
        let mut out = io::stdout().lock();
        write!(out, "\x1b]52;c;{encoded}\x07")?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Reads keys on a thread of its own, for as long as somebody listens.
pub(crate) fn keys(out: SyncSender<Input>) -> io::Result<()> {
    let read = move || {
        loop {
            let input = match event::read() {
                Ok(Event::Key(key)) => Input::Key(key),
                Ok(Event::Resize(width, height)) => Input::Resize(width, height),
                Ok(_) => continue,
                // The terminal has gone.
                Err(_) => Input::Stop,
            };
            let last = matches!(input, Input::Stop);
            if out.send(input).is_err() || last {
                return;
            }
        }
    };
    let started = std::thread::Builder::new().name("weir-top-keys".to_owned());
    started.spawn(read).map(|_| ())
}

/// Tells of signals: whoever asks us to end or to stop.
pub(crate) async fn signals(out: SyncSender<Input>) {
    let caught = |kind| signal(kind);
    let (Ok(mut term), Ok(mut int), Ok(mut hup), Ok(mut tstp)) = (
        caught(SignalKind::terminate()),
        caught(SignalKind::interrupt()),
        caught(SignalKind::hangup()),
        caught(SignalKind::from_raw(signal_hook::consts::SIGTSTP)),
    ) else {
        return;
    };
    loop {
        let input = tokio::select! {
            _ = term.recv() => Input::Stop,
            _ = int.recv() => Input::Stop,
            _ = hup.recv() => Input::Stop,
            _ = tstp.recv() => Input::Suspend,
        };
        if out.send(input).is_err() {
            return;
        }
    }
}
