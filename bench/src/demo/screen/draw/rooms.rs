//! The list of rooms: two rows each, and as many around the open one as there is room for.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::boxed;
use super::palette::{faint, strong};
use super::wrap::{cut, width};
use crate::demo::screen::news::RoomLine;
use crate::demo::screen::state::State;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let block = boxed(" Rooms ");
    let inner = block.inner(area);
    let fit = usize::from(inner.height / 2).max(1);
    let open = state.rooms.iter().position(|room| Some(room.id) == state.open).unwrap_or(0);
    let first = open.saturating_sub(fit - 1).min(state.rooms.len().saturating_sub(fit));
    let rooms = state.rooms.iter().skip(first).take(fit);
    let lines: Vec<Line<'_>> =
        rooms.flat_map(|room| two_lines(room, Some(room.id) == state.open, inner.width)).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn two_lines(room: &RoomLine, open: bool, columns: u16) -> [Line<'static>; 2] {
    let columns = usize::from(columns);
    let mut notes = Vec::new();
    if room.pending > 0 {
        let pending = format!("◷{} ", room.pending);
        notes.push(Span::styled(pending, Style::new().fg(Color::Yellow)));
    }
    // Whoever looks at the room has read it.
    if let Some(unread) = room.unread.filter(|unread| *unread > 0 && !open) {
        notes.push(Span::styled(format!("{unread} new "), Style::new().fg(Color::Cyan)));
    }
    notes.push(Span::styled(room.members.to_string(), faint()));
    let taken: usize = notes.iter().map(Span::width).sum();
    let name = cut(&room.name, columns.saturating_sub(taken + 3));
    let gap = columns.saturating_sub(2 + width(&name) + taken);
    let mut spans = vec![
        Span::styled(if open { "▌ " } else { "  " }, Style::new().fg(Color::Cyan)),
        Span::styled(name, if open { strong() } else { Style::new() }),
        Span::raw(" ".repeat(gap)),
    ];
    spans.extend(notes);
    let last = cut(&room.last, columns.saturating_sub(2));
    [Line::from(spans), Line::from(vec!["  ".into(), Span::styled(last, faint())])]
}
