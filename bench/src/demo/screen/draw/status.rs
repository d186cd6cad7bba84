//! The status: mode and reason, what the network is made to do, how fast it is and what it costs.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::palette::{badge, bytes, clock, duration, faint, mode_name, strong};
use super::wrap::{cut, width};
use crate::demo::screen::state::{Latencies, State};

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let [mode, speed, cost] = Layout::vertical([Constraint::Length(1); 3]).areas(area);
    frame.render_widget(mode_line(state, area.width.into()), mode);
    frame.render_widget(speed_line(state), speed);
    frame.render_widget(cost_line(state), cost);
}

fn mode_line(state: &State, columns: usize) -> Line<'static> {
    let around = &state.around;
    let users = format!(
        "{} online{} · {} ",
        around.online(),
        if around.wanted == around.here {
            String::new()
        } else {
            format!(" → {}", around.expected())
        },
        clock(state.now_ms / 1_000)
    );
    let mut spans = vec![match state.mode {
        Some(mode) => Span::styled(format!(" {} ", mode_name(mode)), badge(mode)),
        None => Span::styled(" Starting ", strong().add_modifier(Modifier::REVERSED)),
    }];
    let used = spans[0].width() + width(&users) + 2;
    spans.push(" ".into());
    spans.push(cut(&state.reason, columns.saturating_sub(used + faults_width(state))).into());
    for (on, text) in faults(state) {
        if on {
            spans.push(" ".into());
            spans.push(Span::styled(text, Style::new().fg(Color::White).bg(Color::Red)));
        }
    }
    let used: usize = spans.iter().map(Span::width).sum();
    spans.push(" ".repeat(columns.saturating_sub(used + width(&users))).into());
    spans.push(Span::styled(users, strong()));
    Line::from(spans)
}

/// What is made to go wrong, or at least not well.
fn faults(state: &State) -> [(bool, &'static str); 5] {
    let around = &state.around;
    [
        (!around.server, " server stopped "),
        (around.cut, " network cut "),
        (around.lossy, " 20 % lost "),
        (around.slow, " 2G "),
        (around.background, " background "),
    ]
}

fn faults_width(state: &State) -> usize {
    faults(state).iter().filter(|(on, _)| *on).map(|(_, text)| width(text) + 1).sum()
}

fn speed_line(state: &State) -> Line<'static> {
    let mut spans = vec![Span::styled(" latency ", faint())];
    spans.extend(latency("sent → seq ", &state.own));
    spans.push("   ".into());
    spans.extend(latency("received ", &state.received));
    Line::from(spans)
}

fn latency(what: &'static str, of: &Latencies) -> [Span<'static>; 3] {
    [
        Span::styled(what, faint()),
        Span::styled(duration(of.last()), strong()),
        Span::raw(format!(" (p50 {})", duration(of.p50()))),
    ]
}

fn cost_line(state: &State) -> Line<'static> {
    let cost = &state.cost;
    let tier = cost.last_tier.clone().unwrap_or_else(|| "–".into());
    let part = |what, value: String| [Span::styled(what, faint()), Span::raw(value)];
    let mut spans = Vec::new();
    spans.extend(part(" last read from ", tier));
    spans.extend(part("   wake-ups ", cost.wakeups.to_string()));
    spans.extend(part("   sent ", bytes(cost.bytes_sent)));
    spans.extend(part("   received ", bytes(cost.bytes_received)));
    Line::from(spans)
}
