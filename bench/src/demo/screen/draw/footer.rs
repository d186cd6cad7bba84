//! The line that is typed, and the keys.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::boxed;
use super::palette::{faint, strong};
use super::wrap::{tail, width};
use crate::demo::screen::keys::HELP;
use crate::demo::screen::state::State;

pub(super) fn input(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let (title, color) = if state.commanding {
        (" Esc: back to typing ", Color::DarkGray)
    } else {
        (" Type a message, Enter sends ", Color::Cyan)
    };
    let block = boxed(title).border_style(Style::new().fg(color));
    let inner = block.inner(area);
    // One column is for the cursor.
    let shown = tail(&state.text, usize::from(inner.width).saturating_sub(3));
    let style = if state.commanding { faint() } else { Style::new() };
    let line = Line::from(vec![Span::styled("› ", faint()), Span::styled(shown, style)]);
    frame.render_widget(Paragraph::new(line).block(block), area);
    if !state.commanding {
        let columns = 2 + width(shown) as u16;
        frame.set_cursor_position(Position::new(inner.x + columns, inner.y));
    }
}

/// The keys while typing.
const TYPING: [Key; 4] = [
    ("Enter", "send"),
    ("↑ ↓ Tab", "room"),
    ("PgUp/Dn", "scroll"),
    ("Esc", "commands (Esc q quits)"),
];

/// The keys of now in colour. If there is room, those of the other state are there too, to tell
/// what Esc is good for.
pub(super) fn help(state: &State, frame: &mut Frame<'_>, area: Rect, both: bool) {
    let mut lines = Vec::new();
    if both || !state.commanding {
        lines.extend(key_lines(&TYPING, area.width, !state.commanding));
    }
    if both || state.commanding {
        lines.extend(key_lines(&HELP, area.width, state.commanding));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// Rows that the keys take: the same in both states, so that nothing jumps.
pub(super) fn help_rows(columns: u16, both: bool) -> u16 {
    let commands = key_lines(&HELP, columns, true).len() as u16;
    commands + u16::from(both)
}

type Key = (&'static str, &'static str);

fn key_lines(keys: &[Key], columns: u16, active: bool) -> Vec<Line<'static>> {
    let style = if active { strong().fg(Color::Cyan) } else { faint() };
    let mut lines = vec![Line::default()];
    let mut used = 0;
    for (key, what) in keys {
        let spans =
            [Span::styled(format!(" {key}"), style), Span::styled(format!(" {what} "), faint())];
        let taken: usize = spans.iter().map(Span::width).sum();
        if used + taken > usize::from(columns) {
            lines.push(Line::default());
            used = 0;
        }
        used += taken;
        if let Some(line) = lines.last_mut() {
            line.spans.extend(spans);
        }
    }
    lines
}
