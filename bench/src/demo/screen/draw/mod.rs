//! The state as a picture. Pure: the same state always makes the same cells.

mod charts;
mod footer;
mod notices;
pub(crate) mod palette;
mod rooms;
mod status;
mod timeline;
pub(crate) mod wrap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, BorderType, Clear, Paragraph, Wrap};

use super::state::State;

/// The least that the screen needs, in columns and rows.
pub(crate) const LEAST: (u16, u16) = (80, 24);
/// Rows of the status, at the top.
pub(crate) const STATUS: u16 = 3;
/// From so many rows on there is room for higher charts and for the keys of both states.
const ROOMY: u16 = 30;
/// Rows of the charts.
const CHARTS: (u16, u16) = (4, 6);

/// Draws everything.
pub(crate) fn draw(state: &State, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return too_small(frame, area);
    }
    let roomy = area.height >= ROOMY;
    let help = footer::help_rows(area.width, roomy);
    let rows = Layout::vertical([
        Constraint::Length(STATUS),
        Constraint::Min(5),
        Constraint::Length(if roomy { CHARTS.1 } else { CHARTS.0 }),
        Constraint::Length(3),
        Constraint::Length(help),
    ]);
    let [top, middle, chart, input, keys] = rows.areas(area);
    let columns = Layout::horizontal([Constraint::Length(30), Constraint::Min(40)]);
    let [left, right] = columns.areas(middle);
    let lists = Layout::vertical([Constraint::Fill(2), Constraint::Fill(1)]);
    let [list, told] = lists.areas(left);

    status::draw(state, frame, top);
    rooms::draw(state, frame, list);
    notices::draw(state, frame, told);
    timeline::draw(state, frame, right);
    charts::draw(state, frame, chart);
    footer::input(state, frame, input);
    footer::help(state, frame, keys, roomy);
    notices::toast(state, frame, right);
}

fn too_small(frame: &mut Frame<'_>, area: Rect) {
    let text = format!(
        "Please make the terminal larger: it has {} × {}, and the demo needs {} × {}. \
         It goes on meanwhile; Ctrl-C ends it.",
        area.width, area.height, LEAST.0, LEAST.1
    );
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
}

/// A box with a title.
fn boxed<'a>(title: impl Into<Line<'a>>) -> Block<'a> {
    Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().fg(Color::DarkGray))
        .title(title)
}

#[cfg(test)]
mod tests;
