//! Which key means what. Letters are text while typing and commands after Esc, so that no terminal
//! has to know more than letters, arrows, Enter, Tab and Esc.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde::{Deserialize, Serialize};

/// What the person wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// Puts text into the line.
    Insert(String),
    Erase,
    Enter,
    /// Between typing and commands.
    Escape,
    NextRoom,
    PreviousRoom,
    ScrollUp,
    ScrollDown,
    /// So many simulated users more, or less.
    More(usize),
    Fewer(usize),
    /// So many simulated users.
    Crowd(usize),
    CutNetwork,
    LosePackets,
    Slow,
    Background,
    Server,
    /// Sends a message that the server is going to refuse.
    Fail,
    Retry,
    Discard,
    Older,
    Quit,
}

/// One keystroke's worth of simulated users.
pub(crate) const CHUNK: usize = 100;
/// Crowds that rest in real-time, hybrid and polling.
pub(crate) const CROWDS: [usize; 3] = [12, 120, 600];

/// The commands as the help line shows them.
pub(crate) const HELP: [(&str, &str); 15] = [
    ("1 2 3", "12/120/600 users"),
    ("+ -", "100 more/less"),
    ("n", "cut network"),
    ("l", "lose 20 %"),
    ("g", "2G"),
    ("b", "background"),
    ("s", "stop server"),
    ("f", "fail one"),
    ("r", "retry"),
    ("x", "discard"),
    ("o", "older"),
    ("↑ ↓", "room"),
    ("PgUp/Dn", "scroll"),
    ("Esc", "type"),
    ("q", "quit"),
];

/// What a key asks for, if anything.
pub(crate) fn action(key: KeyEvent, typing: bool) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'q') if control => Some(Action::Quit),
        KeyCode::Esc => Some(Action::Escape),
        KeyCode::Tab | KeyCode::Down => Some(Action::NextRoom),
        KeyCode::BackTab | KeyCode::Up => Some(Action::PreviousRoom),
        KeyCode::PageUp => Some(Action::ScrollUp),
        KeyCode::PageDown => Some(Action::ScrollDown),
        KeyCode::Enter => Some(Action::Enter),
        KeyCode::Backspace if typing => Some(Action::Erase),
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => None,
        KeyCode::Char(c) if typing => Some(Action::Insert(c.into())),
        KeyCode::Char(c) => command(c),
        _ => None,
    }
}

fn command(letter: char) -> Option<Action> {
    Some(match letter.to_ascii_lowercase() {
        '1' => Action::Crowd(CROWDS[0]),
        '2' => Action::Crowd(CROWDS[1]),
        '3' => Action::Crowd(CROWDS[2]),
        '+' | '=' => Action::More(CHUNK),
        '-' | '_' => Action::Fewer(CHUNK),
        'n' => Action::CutNetwork,
        'l' => Action::LosePackets,
        'g' => Action::Slow,
        'b' => Action::Background,
        's' => Action::Server,
        'f' => Action::Fail,
        'r' => Action::Retry,
        'x' => Action::Discard,
        'o' => Action::Older,
        'i' => Action::Escape,
        'q' => Action::Quit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, typing: bool) -> Option<Action> {
        action(KeyEvent::new(code, KeyModifiers::NONE), typing)
    }

    #[test]
    fn a_letter_is_text_while_typing_and_a_command_otherwise() {
        assert_eq!(press(KeyCode::Char('q'), true), Some(Action::Insert("q".into())));
        assert_eq!(press(KeyCode::Char('q'), false), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('S'), false), Some(Action::Server));
        assert_eq!(press(KeyCode::Char('z'), false), None);
        assert_eq!(press(KeyCode::Esc, true), Some(Action::Escape));
        assert_eq!(press(KeyCode::Esc, false), Some(Action::Escape));
    }

    #[test]
    fn every_letter_of_the_help_does_something() {
        for (keys, _) in HELP {
            for key in keys.split(' ').filter(|key| key.chars().count() == 1) {
                let code = match key {
                    "↑" => KeyCode::Up,
                    "↓" => KeyCode::Down,
                    key => KeyCode::Char(key.chars().next().unwrap()),
                };
                assert!(press(code, false).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn control_c_ends_it_in_any_state_and_other_control_keys_are_no_text() {
        for typing in [true, false] {
            let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
            assert_eq!(action(key('c'), typing), Some(Action::Quit));
            assert_eq!(action(key('n'), typing), None);
        }
    }

    #[test]
    fn the_release_of_a_key_is_not_a_second_press() {
        let mut key = KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE);
        key.kind = KeyEventKind::Release;
        assert_eq!(action(key, true), None);
    }
}
