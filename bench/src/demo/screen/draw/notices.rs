//! What was told lately, and in large while it is fresh: every change of mode with its reason.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear, Paragraph};

use super::boxed;
use super::palette::{badge, clock, faint, mode_color, mode_name, strong};
use super::wrap::{width, wrap};
use crate::demo::screen::state::{State, Told};

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let block = boxed(" Notices ");
    let inner = block.inner(area);
    let (columns, height) = (usize::from(inner.width), usize::from(inner.height));
    let mut lines: Vec<Line<'_>> = Vec::new();
    for told in state.notices.iter().rev() {
        if lines.len() >= height {
            break;
        }
        lines.extend(rows(told, columns));
    }
    lines.truncate(height);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// The newest is on top, so that what has no room is the oldest.
fn rows(told: &Told, columns: usize) -> Vec<Line<'static>> {
    let time = Span::styled(format!("{} ", clock(told.at_ms / 1_000)), faint());
    let mut parts = wrap(&told.text, columns.saturating_sub(6)).into_iter();
    let mut lines = Vec::new();
    match told.mode {
        Some(mode) => {
            let name = Span::styled(mode_name(mode), strong().fg(mode_color(mode)));
            lines.push(Line::from(vec![time, name]));
        }
        None => {
            let first = parts.next().unwrap_or_default();
            lines.push(Line::from(vec![time, Span::raw(first)]));
        }
    }
    lines.extend(parts.map(|part| Line::styled(format!("      {part}"), faint())));
    lines
}

/// The last change of mode, in the upper right corner of the timeline.
pub(super) fn toast(state: &State, frame: &mut Frame<'_>, over: Rect) {
    let Some((told, mode)) = state.toast().and_then(|told| Some((told, told.mode?))) else {
        return;
    };
    let most = usize::from(over.width).saturating_sub(8).min(44);
    let head = format!(" {} ", mode_name(mode));
    let because = wrap(&format!("because {}", told.text), most);
    let columns = because.iter().map(|line| width(line)).max().unwrap_or(0).max(width(&head)) + 4;
    let rows = because.len() + 3;
    let (columns, rows) = (columns.min(most + 4) as u16, (rows as u16).min(over.height));
    let area = Rect {
        x: over.right().saturating_sub(columns + 2),
        y: over.y + 1,
        width: columns,
        height: rows,
    }
    .intersection(over);
    let mut lines = vec![Line::from(Span::styled(head, badge(mode)))];
    lines.extend(because.into_iter().map(Line::raw));
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(mode_color(mode)))
        .padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
