//! Which key does what. The help is made from the same table, so that it can't lie.
//!
//! People know pg_activity (F1 running, F2 waiting, F3 blocking, `C` cancel, `K` terminate, `y`
//! copy) and k9s (`j` `k` `/` Enter Esc `?`); their keys are kept.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a person wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    View(usize),
    NextView,
    Running,
    Waiting,
    Blocking,
    Down,
    Up,
    PageDown,
    PageUp,
    Top,
    Bottom,
    Filter,
    Sort,
    Reverse,
    Open,
    Back,
    Pause,
    Faster,
    Slower,
    Earlier,
    Later,
    MuchEarlier,
    MuchLater,
    Live,
    Freeze,
    Acknowledge,
    Approve,
    Cancel,
    Close,
    Copy,
    Refresh,
    Help,
    Suspend,
    Quit,
}

/// A line of the help.
pub(crate) struct Binding {
    pub(crate) keys: &'static str,
    pub(crate) does: &'static str,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "a test holds the help against the keys")
    )]
    pub(crate) acts: &'static [Act],
}

const fn binding(keys: &'static str, does: &'static str, acts: &'static [Act]) -> Binding {
    Binding { keys, does, acts }
}

/// Few enough for 24 lines with every banner above them.
pub(crate) const BINDINGS: &[Binding] = &[
    binding(
        "1-8, Tab",
        "views, from Overview to Log",
        &[Act::View(0), Act::NextView],
    ),
    binding(
        "F1 F2 F3",
        "clients that run, that wait; who blocks whom",
        &[Act::Running, Act::Waiting, Act::Blocking],
    ),
    binding(
        "j k, arrows",
        "next and previous row",
        &[Act::Down, Act::Up],
    ),
    binding(
        "PgUp PgDn, g G",
        "a page; first and last row",
        &[Act::PageDown, Act::PageUp, Act::Top, Act::Bottom],
    ),
    binding(
        "Enter, Esc",
        "look into the row; back (also takes a filter away)",
        &[Act::Open, Act::Back],
    ),
    binding("/", "only rows with this text", &[Act::Filter]),
    binding(
        "s, S",
        "sort by the next column; the other way round",
        &[Act::Sort, Act::Reverse],
    ),
    binding("Space", "hold the picture; go on", &[Act::Pause]),
    binding(
        "Left Right",
        "a second back or on, up to ten minutes",
        &[Act::Earlier, Act::Later],
    ),
    binding(
        "[ ], End",
        "half a minute back or on; now",
        &[Act::MuchEarlier, Act::MuchLater, Act::Live],
    ),
    binding(
        "f",
        "to the onset of the open (or chosen) incident",
        &[Act::Freeze],
    ),
    binding(
        "+ -, r",
        "ask more often, less often; ask now",
        &[Act::Faster, Act::Slower, Act::Refresh],
    ),
    binding(
        "a, A",
        "acknowledge the incident; approve what the regulator recommends",
        &[Act::Acknowledge, Act::Approve],
    ),
    binding(
        "C, K",
        "cancel the client's statement; close its connection",
        &[Act::Cancel, Act::Close],
    ),
    binding(
        "y",
        "copy statement, report's address or row (OSC 52)",
        &[Act::Copy],
    ),
    binding(
        "?, q, Ctrl-Z",
        "this help; quit; suspend",
        &[Act::Help, Act::Quit, Act::Suspend],
    ),
];

/// What a key means where nothing is typed.
pub(crate) fn act(key: KeyEvent) -> Option<Act> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Act::Quit),
            KeyCode::Char('z') => Some(Act::Suspend),
            KeyCode::Char('l') => Some(Act::Refresh),
            KeyCode::Char('f') => Some(Act::PageDown),
            KeyCode::Char('b') => Some(Act::PageUp),
            KeyCode::Char('d') => Some(Act::PageDown),
            KeyCode::Char('u') => Some(Act::PageUp),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char(digit @ '1'..='9') => Act::View(digit as usize - '1' as usize),
        KeyCode::Tab => Act::NextView,
        KeyCode::F(1) => Act::Running,
        KeyCode::F(2) => Act::Waiting,
        KeyCode::F(3) => Act::Blocking,
        KeyCode::Char('j') | KeyCode::Down => Act::Down,
        KeyCode::Char('k') | KeyCode::Up => Act::Up,
        KeyCode::PageDown => Act::PageDown,
        KeyCode::PageUp => Act::PageUp,
        KeyCode::Char('g') | KeyCode::Home => Act::Top,
        KeyCode::Char('G') => Act::Bottom,
        KeyCode::Char('/') => Act::Filter,
        KeyCode::Char('s') => Act::Sort,
        KeyCode::Char('S') => Act::Reverse,
        KeyCode::Enter => Act::Open,
        KeyCode::Esc | KeyCode::Backspace => Act::Back,
        KeyCode::Char(' ') => Act::Pause,
        KeyCode::Char('+' | '=') => Act::Faster,
        KeyCode::Char('-') => Act::Slower,
        KeyCode::Left => Act::Earlier,
        KeyCode::Right => Act::Later,
        KeyCode::Char('[') => Act::MuchEarlier,
        KeyCode::Char(']') => Act::MuchLater,
        KeyCode::End => Act::Live,
        KeyCode::Char('f') => Act::Freeze,
        KeyCode::Char('a') => Act::Acknowledge,
        KeyCode::Char('A') => Act::Approve,
        KeyCode::Char('C') => Act::Cancel,
        KeyCode::Char('K') => Act::Close,
        KeyCode::Char('y') => Act::Copy,
        KeyCode::Char('r') => Act::Refresh,
        KeyCode::Char('?' | 'h') => Act::Help,
        KeyCode::Char('q') => Act::Quit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key that a keyboard sends without ado.
    fn all_keys() -> Vec<KeyEvent> {
        let plain = (' '..='~')
            .map(KeyCode::Char)
            .chain((1..=12).map(KeyCode::F));
        let named = [
            KeyCode::Tab,
            KeyCode::Down,
            KeyCode::Up,
            KeyCode::Left,
            KeyCode::Right,
            KeyCode::PageDown,
            KeyCode::PageUp,
            KeyCode::Home,
            KeyCode::End,
            KeyCode::Enter,
            KeyCode::Esc,
            KeyCode::Backspace,
        ];
        let plain = plain
            .chain(named)
            .map(|code| KeyEvent::new(code, KeyModifiers::NONE));
        let ctrl = ('a'..='z').map(|c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
        plain.chain(ctrl).collect()
    }

    #[test]
    fn every_key_that_does_something_stands_in_the_help_and_the_other_way_round() {
        let told: Vec<Act> = BINDINGS.iter().flat_map(|b| b.acts).copied().collect();
        let same = |a: Act, b: Act| a == b || matches!((a, b), (Act::View(_), Act::View(_)));
        let done: Vec<Act> = all_keys().into_iter().filter_map(act).collect();
        for does in &done {
            assert!(told.iter().any(|t| same(*t, *does)), "{does:?} has no help");
        }
        for told in &told {
            assert!(done.iter().any(|d| same(*d, *told)), "{told:?} has no key");
        }
    }
}
