//! What is drawn, at several sizes and of whatever people write.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tidewire::Mode;

use super::palette::mark_style;
use super::{LEAST, draw};
use crate::demo::screen::keys::{Action, HELP};
use crate::demo::screen::mark::Mark;
use crate::demo::screen::news::{Around, Cost, Line, News, Said};
use crate::demo::screen::sample::{message, room, rooms};
use crate::demo::screen::state::State;

fn cells(state: &State, size: (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| draw(state, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The rows as text, wide characters once.
fn rows(cells: &Buffer) -> Vec<String> {
    let area = cells.area();
    let row = |y| {
        let mut text = String::new();
        let mut x = 0;
        while x < area.width {
            let symbol = cells[(x, y)].symbol();
            text.push_str(symbol);
            x += super::wrap::width(symbol).max(1) as u16;
        }
        text
    };
    (0..area.height).map(row).collect()
}

fn shown(state: &State, size: (u16, u16)) -> String {
    rows(&cells(state, size)).join("\n")
}

/// In real-time, in the first of some rooms.
fn state() -> State {
    let mut state = State::default();
    state.apply(0, News::Rooms(rooms(4)));
    state.apply(0, News::Mode { mode: Mode::RealTime, reason: "nothing limits it".into() });
    state
}

fn with(lines: Vec<Line>) -> State {
    let mut state = state();
    state.apply(0, News::Timeline { room: room(0), lines, more: false });
    state
}

fn own(mark: Mark, text: &str) -> Line {
    let Line::Message(said) = message(0, mark, text) else { unreachable!() };
    Line::Message(Said { own: true, ..said })
}

#[test]
fn every_mark_is_drawn_with_its_glyph_and_colour() {
    let marks = [Mark::Clock, Mark::Check, Mark::DoubleCheck, Mark::FilledDoubleCheck, Mark::Alert];
    let state = with(marks.map(|mark| own(mark, &format!("it is {mark:?}"))).into());
    let cells = cells(&state, (100, 30));
    let rows = rows(&cells);
    for mark in marks {
        let y = rows.iter().position(|row| row.contains(&format!("it is {mark:?}"))).unwrap();
        let glyph = mark.glyph();
        assert!(rows[y].contains(&format!("{glyph} 00:00 you it is")), "{}", rows[y]);
        let first = glyph.chars().next().unwrap().to_string();
        let at = (30..100).find(|x| cells[(*x, y as u16)].symbol() == first).unwrap();
        assert_eq!(cells[(at, y as u16)].fg, mark_style(mark).fg.unwrap(), "{mark:?}");
    }
    let all = rows.join("\n");
    assert!(all.contains("press r to retry, x to discard"), "{all}");
    assert!(all.contains("the server refused it"), "{all}");
}

#[test]
fn the_status_tells_mode_reason_latency_tier_wakeups_and_bytes() {
    let mut state = state();
    for (mode, name) in [
        (Mode::Hybrid, "Hybrid"),
        (Mode::Polling, "Polling"),
        (Mode::Offline, "Offline"),
        (Mode::RealTime, "Real-time"),
    ] {
        let reason = format!("this is why {mode}");
        state.apply(1_000, News::Mode { mode, reason: reason.clone() });
        state.apply(1_000, News::Latency { own: true, ms: 12 });
        state.apply(1_000, News::Latency { own: false, ms: 2_345 });
        state.apply(
            1_000,
            News::Cost(Cost {
                wakeups: 17,
                bytes_sent: 1_234,
                bytes_received: 56_789,
                last_tier: Some("disk".into()),
            }),
        );
        for size in [LEAST, (100, 30), (200, 60)] {
            let shown = shown(&state, size);
            let wanted = [
                name,
                &reason,
                "12 ms (p50 12 ms)",
                "2.3 s (p50 2.3 s)",
                "wake-ups 17",
                "1.2 kB",
                "56.7 kB",
                "disk",
            ];
            for text in wanted {
                assert!(shown.contains(text), "{text} at {size:?}:\n{shown}");
            }
            assert!(shown.contains(&format!("because {reason}")), "the toast:\n{shown}");
        }
    }
}

#[test]
fn rooms_tell_members_last_words_and_what_waits() {
    let mut state = state();
    let mut list = rooms(4);
    list[1].pending = 3;
    list[1].unread = Some(42);
    state.apply(0, News::Rooms(list));
    for size in [LEAST, (120, 40)] {
        let rows = rows(&cells(&state, size));
        let row = rows.iter().find(|row| row.contains("room 1")).unwrap();
        assert!(row.contains("◷3") && row.contains("42 new") && row.contains("12"), "{row}");
        assert!(rows.iter().any(|row| row.contains("the last word")));
    }
}

#[test]
fn what_is_made_to_go_wrong_stands_in_the_status_and_leaves_the_mode_in_sight() {
    let mut state = state();
    let around = Around {
        cut: true,
        lossy: true,
        slow: true,
        background: true,
        server: false,
        ..Around::default()
    };
    state.apply(0, News::Around(around));
    let shown = shown(&state, LEAST);
    for text in ["Real-time", "server stopped", "network cut", "20 % lost", "2G", "background"] {
        assert!(shown.contains(text), "{text}:\n{shown}");
    }
}

#[test]
fn a_terminal_that_is_too_small_asks_to_be_made_larger() {
    let state = state();
    for size in [(79, 24), (80, 23), (40, 10), (20, 8)] {
        let shown = shown(&state, size).replace('\n', " ");
        let words: Vec<&str> = shown.split_whitespace().collect();
        let shown = words.join(" ");
        assert!(shown.contains("make the terminal larger"), "{size:?}: {shown}");
        assert!(shown.contains("80 × 24"), "{size:?}: {shown}");
    }
    for size in [(1, 1), (3, 2), (0, 0), (500, 1), (1, 200)] {
        cells(&state, size);
    }
    assert!(shown(&state, LEAST).contains("Rooms"));
}

#[test]
fn texts_of_others_never_break_the_screen() {
    let long = "wide 日本語の長い文 ".repeat(30);
    let texts = [
        "\u{1b}[2J\u{1b}]0;title\u{7}after",
        "👩\u{200d}👩\u{200d}👧 🇩🇪 🚢",
        "e\u{301}\u{301}\u{301}",
        "\u{202e}reversed",
        "tabs\tand\nlines\r",
        "\u{9b}31m",
        long.as_str(),
        "",
    ];
    for size in [LEAST, (81, 25), (97, 31), (250, 80)] {
        let mut lines: Vec<Line> = Vec::new();
        for text in texts {
            lines.push(own(Mark::Check, text));
            lines.push(message(1, Mark::Check, text));
            lines.push(Line::Note(text.into()));
        }
        let mut state = with(lines);
        let mut list = rooms(4);
        for (room, text) in list.iter_mut().zip(texts) {
            room.name = text.into();
            room.last = text.into();
        }
        state.apply(0, News::Rooms(list));
        state.apply(0, News::Mode { mode: Mode::Hybrid, reason: texts[0].into() });
        state.apply(0, News::Notice(texts[0].into()));
        state.act(Action::Insert(texts.concat()));
        let cells = cells(&state, size);
        for cell in cells.content() {
            let bad = |c: char| c.is_control() || "\u{200d}\u{202e}".contains(c);
            assert!(!cell.symbol().contains(bad), "{:?}", cell.symbol());
        }
        // Whatever stands in the timeline, its border stands where it should.
        let right = size.0 - 1;
        let border: Vec<&str> = (4..10).map(|y| cells[(right, y)].symbol()).collect();
        assert!(border.iter().all(|symbol| *symbol == "│"), "{border:?} at {size:?}");
    }
}

#[test]
fn the_help_shows_every_command_and_the_line_what_is_typed() {
    for size in [LEAST, (100, 30), (160, 45)] {
        let mut state = state();
        state.act(Action::Insert("half a sentence".into()));
        let typing = shown(&state, size);
        assert!(typing.contains("› half a sentence") && typing.contains("Esc"), "{typing}");
        state.act(Action::Escape);
        let commands = shown(&state, size);
        for (key, what) in HELP {
            assert!(commands.contains(&format!("{key} {what}")), "{key} at {size:?}:\n{commands}");
        }
    }
}

#[test]
fn older_rows_come_into_sight_and_gaps_are_shown_as_gaps() {
    let mut lines: Vec<Line> =
        (0..60).map(|n| message(n, Mark::Check, &format!("number {n} here"))).collect();
    lines.insert(58, Line::Gap { from: 3, to: 7 });
    let mut state = with(lines);
    // The toast has gone.
    state.apply(60_000, News::Second);
    let newest = shown(&state, LEAST);
    assert!(newest.contains("number 59 here") && !newest.contains("number 20 here"));
    assert!(newest.contains("5 messages are missing here"), "{newest}");
    for _ in 0..8 {
        state.act(Action::ScrollUp);
    }
    let older = shown(&state, LEAST);
    assert!(older.contains("number 20 here") && older.contains("40 newer"), "{older}");
}

#[test]
fn the_charts_have_a_bar_for_each_second_in_the_colour_of_its_mode() {
    let mut state = state();
    for mode in [Mode::RealTime, Mode::Hybrid, Mode::Offline] {
        state.apply(0, News::Mode { mode, reason: String::new() });
        for _ in 0..5 {
            state.apply(0, News::Around(Around { here: 98, ..Around::default() }));
            state.apply(0, News::Latency { own: true, ms: 40 });
            state.apply(0, News::Second);
        }
    }
    // The toast has gone.
    state.apply(60_000, News::Second);
    let cells = cells(&state, (100, 30));
    for mode in [Mode::RealTime, Mode::Hybrid, Mode::Offline] {
        let color = super::palette::mode_color(mode);
        let bars = cells.content().iter().filter(|cell| cell.symbol() == "█" && cell.fg == color);
        assert!(bars.count() >= 20, "{mode}");
    }
}
