//! The open room: its newest messages at the bottom, each with its mark.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::boxed;
use super::palette::{clock, faint, mark_style, strong};
use super::wrap::{width, wrap};
use crate::demo::screen::mark::Mark;
use crate::demo::screen::news::{self, Said};
use crate::demo::screen::state::State;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let block = boxed(title(state));
    let inner = block.inner(area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let below = state.scroll.min(state.timeline.len());
    let shown = &state.timeline[..state.timeline.len() - below];
    let mut lines = Vec::new();
    for (at, row) in shown.iter().enumerate().rev() {
        if lines.len() >= height {
            break;
        }
        let mut of_row = rows(row, width);
        of_row.extend(lines);
        lines = of_row;
        if at == 0 && state.more {
            lines.insert(0, Line::styled("   older messages: Esc, then o", faint()));
        }
    }
    // Bottom-aligned: what is above the box is cut off, what is missing is left empty.
    let lines = match lines.len().checked_sub(height) {
        Some(above) => lines.split_off(above),
        None => {
            let mut padded = vec![Line::default(); height - lines.len()];
            padded.extend(lines);
            padded
        }
    };
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn title(state: &State) -> Line<'static> {
    let Some(room) = state.room() else { return Line::from(" … ") };
    let mut spans = vec![Span::styled(format!(" {} ", room.name), strong())];
    spans.push(Span::styled(format!("{} members ", room.members), faint()));
    if state.scroll > 0 {
        let below = format!("↓ {} newer ", state.scroll);
        spans.push(Span::styled(below, Style::new().fg(Color::Cyan)));
    }
    Line::from(spans)
}

fn rows(row: &news::Line, columns: usize) -> Vec<Line<'static>> {
    match row {
        news::Line::Message(said) => message(said, columns),
        news::Line::Note(text) => {
            let parts = wrap(text, columns.saturating_sub(9));
            parts.into_iter().map(|part| note(part, faint())).collect()
        }
        news::Line::Gap { from, to } => {
            let text = format!("⋯ {} messages are missing here", to.saturating_sub(*from) + 1);
            vec![note(text, Style::new().fg(Color::Yellow))]
        }
    }
}

fn note(text: String, style: Style) -> Line<'static> {
    Line::styled(format!("         {text}"), style)
}

fn message(said: &Said, columns: usize) -> Vec<Line<'static>> {
    let name = if said.own { "you".to_owned() } else { said.sender.clone() };
    let name_style = if said.own {
        strong().fg(Color::White)
    } else {
        Style::new().fg(name_color(&said.sender))
    };
    // The marks of others' messages tell nothing: they are in the log.
    let glyph = if said.own { said.mark.glyph() } else { "  " };
    let indent = 9 + width(&name) + 1;
    let mut parts = wrap(&said.text, columns.saturating_sub(indent)).into_iter();
    let mut lines = vec![Line::from(vec![
        Span::styled(glyph, mark_style(said.mark)),
        Span::styled(format!(" {} ", clock(said.at_s)), faint()),
        Span::styled(name, name_style),
        Span::raw(format!(" {}", parts.next().unwrap_or_default())),
    ])];
    lines.extend(parts.map(|part| Line::raw(format!("{}{part}", " ".repeat(indent)))));
    if said.mark == Mark::Alert {
        let why = said.failed.as_deref().unwrap_or("it failed");
        let style = mark_style(Mark::Alert);
        lines.push(note("press r to retry, x to discard (after Esc)".into(), style));
        let why = wrap(why, columns.saturating_sub(9));
        lines.extend(why.into_iter().map(|part| note(part, faint())));
    }
    lines
}

/// Each person in one colour, the same in every run.
fn name_color(name: &str) -> Color {
    const COLORS: [Color; 5] =
        [Color::LightBlue, Color::LightMagenta, Color::LightGreen, Color::Cyan, Color::LightYellow];
    let sum: usize = name.bytes().map(usize::from).sum();
    COLORS[sum % COLORS.len()]
}
