//! Colours and words that are the same everywhere on the screen.

use ratatui::style::{Color, Modifier, Style};
use tidewire::Mode;

use crate::demo::screen::mark::Mark;

/// A mode's name for people.
pub(crate) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::RealTime => "Real-time",
        Mode::Hybrid => "Hybrid",
        Mode::Polling => "Polling",
        Mode::Offline => "Offline",
    }
}

/// A mode's colour, from easy to alarming.
pub(crate) fn mode_color(mode: Mode) -> Color {
    match mode {
        Mode::RealTime => Color::Green,
        Mode::Hybrid => Color::Cyan,
        Mode::Polling => Color::Yellow,
        Mode::Offline => Color::Red,
    }
}

pub(crate) fn mark_style(mark: Mark) -> Style {
    match mark {
        Mark::Clock => Style::new().fg(Color::Yellow),
        Mark::Check | Mark::DoubleCheck => Style::new().fg(Color::Gray),
        Mark::FilledDoubleCheck => Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD),
        Mark::Alert => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

/// What explains and does not matter at a glance.
pub(crate) fn faint() -> Style {
    Style::new().fg(Color::DarkGray)
}

/// What is worth a look.
pub(crate) fn strong() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// Text on a field of the mode's colour.
pub(crate) fn badge(mode: Mode) -> Style {
    Style::new().fg(Color::Black).bg(mode_color(mode)).add_modifier(Modifier::BOLD)
}

/// Seconds since the start, as minutes and seconds.
pub(crate) fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// A duration in the unit that fits it.
pub(crate) fn duration(ms: Option<u64>) -> String {
    match ms {
        None => "–".into(),
        Some(ms) if ms < 1_000 => format!("{ms} ms"),
        Some(ms) => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
    }
}

/// Bytes in the unit that fits them.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{}.{} kB", count / 1_000, count % 1_000 / 100),
        _ => format!("{}.{} MB", count / 1_000_000, count % 1_000_000 / 100_000),
    }
}
