//! Latency and users online over time, each bar in the colour of the mode at that time.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Sparkline, SparklineBar};

use super::boxed;
use super::palette::{duration, faint, mode_color, mode_name};
use crate::demo::screen::state::{Column, State};
use tidewire::Mode;

/// What the latency chart ends at, in ms: its scale is logarithmic and begins at 1 ms.
const TOP_MS: u64 = 10_000;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(area);
    let columns: Vec<Column> = state.columns.iter().copied().collect();
    let latest = columns.iter().rev().find_map(|column| column.latency);
    let top = columns.iter().map(|column| column.online).max().unwrap_or(0);

    let title = Line::from(vec![
        " Latency ".into(),
        Span::styled(format!("{} (1 ms to 10 s, log) ", duration(latest)), faint()),
    ]);
    let bars = squeeze(&columns, left.width).into_iter();
    let bars = bars.map(|c| (c.mode, c.latency.map(height_of_latency)));
    let chart = sparkline(bars, height_of_latency(TOP_MS));
    frame.render_widget(chart.block(boxed(title).title_bottom(legend())), left);

    let title = Line::from(vec![
        " Users online ".into(),
        Span::styled(format!("{} (most {top}) ", state.around.online()), faint()),
    ]);
    let bars = squeeze(&columns, right.width).into_iter();
    // Few among many are still somebody.
    let heights = 8 * usize::from(area.height.saturating_sub(2)).max(1);
    let least = top.div_ceil(heights);
    let bars = bars.map(|c| (c.mode, Some(c.online.max(least) as u64)));
    let span = format!(" the last {} s ", columns.len());
    let bottom = Line::styled(span, faint()).right_aligned();
    let chart = sparkline(bars, top.max(1) as u64);
    frame.render_widget(chart.block(boxed(title).title_bottom(bottom)), right);
}

fn legend() -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    for mode in [Mode::RealTime, Mode::Hybrid, Mode::Polling, Mode::Offline] {
        spans.push(Span::styled("■ ", Style::new().fg(mode_color(mode))));
        spans.push(Span::styled(format!("{} ", mode_name(mode)), faint()));
    }
    Line::from(spans)
}

/// 1 ms is 1, each tenfold 100 more.
fn height_of_latency(ms: u64) -> u64 {
    let ms = ms.clamp(1, TOP_MS) as f64;
    1 + (100.0 * ms.log10()).round() as u64
}

fn sparkline(bars: impl Iterator<Item = (Mode, Option<u64>)>, top: u64) -> Sparkline<'static> {
    let bars = bars.map(|(mode, value)| {
        SparklineBar::from(value).style(Some(Style::new().fg(mode_color(mode))))
    });
    Sparkline::default().data(bars).max(top).absent_value_symbol(" ")
}

/// As many columns as fit between the borders: several seconds become one, with the last mode, the
/// mean latency and the most users of them.
fn squeeze(columns: &[Column], width: u16) -> Vec<Column> {
    let width = usize::from(width.saturating_sub(2)).max(1);
    let each = columns.len().div_ceil(width).max(1);
    columns
        .chunks(each)
        .map(|chunk| {
            let latencies: Vec<u64> = chunk.iter().filter_map(|column| column.latency).collect();
            let mean = latencies.iter().sum::<u64>().checked_div(latencies.len() as u64);
            Column {
                mode: chunk[chunk.len() - 1].mode,
                latency: mean,
                online: chunk.iter().map(|column| column.online).max().unwrap_or(0),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_time_fits_into_few_columns_and_keeps_its_peaks() {
        let column = |n: usize| Column {
            mode: Mode::Hybrid,
            latency: n.is_multiple_of(2).then_some(10),
            online: n,
        };
        let columns: Vec<Column> = (0..100).map(column).collect();
        let few = squeeze(&columns, 42);
        assert_eq!(few.len(), 34);
        assert!(few[..33].iter().all(|column| column.latency == Some(10)));
        assert_eq!(few.last().map(|column| column.online), Some(99));
    }

    #[test]
    fn the_scale_of_latency_is_logarithmic_and_bounded() {
        let heights = [0, 1, 10, 1_000, 10_000, 99_999].map(height_of_latency);
        assert_eq!(heights, [1, 1, 101, 301, 401, 401]);
    }
}
