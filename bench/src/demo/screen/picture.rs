//! The picture of the README: a real run through all modes, recorded, and drawn by the same code as
//! the screen. The recording lies beside it, so that the picture can be checked and made again.

use std::path::{Path, PathBuf};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw::{STATUS, draw};
use super::record::Recording;
use super::script;
use super::state::State;
use super::svg::Svg;
use crate::demo::Error;

/// The size of the screen in the picture.
const SIZE: (u16, u16) = (108, 36);
/// The picture that is shown whole; of the others only the status is.
const WHOLE: &str = "offline";
const TITLE: &str = "The demo of Tidewire passes through real-time, hybrid, polling and offline, \
                     and comes back";

/// Where the recording of a picture lies.
fn recording_of(picture: &Path) -> PathBuf {
    picture.with_extension("session.json")
}

/// Runs the demo by itself through all modes, for about two minutes, and writes a picture of it as
/// SVG and its recording beside it.
///
/// # Errors
/// When the run fails, or the files cannot be written.
pub async fn paint(picture: &Path) -> Result<(), Error> {
    // Now, and not after two minutes.
    std::fs::write(picture, "")?;
    let recording = script::play().await?.thinned();
    std::fs::write(recording_of(picture), recording.text()?)?;
    std::fs::write(picture, drawn(&recording)?)?;
    Ok(())
}

/// Makes the picture anew from its recording: after the screen has changed.
///
/// # Errors
/// When there is no recording, or the picture cannot be written.
pub fn redraw(picture: &Path) -> Result<(), Error> {
    let recording = Recording::load(&recording_of(picture))?;
    std::fs::write(picture, drawn(&recording)?)?;
    Ok(())
}

/// The recording's pictures as one SVG.
fn drawn(recording: &Recording) -> Result<String, Error> {
    let mut looks = Vec::new();
    recording.replay(|name, state| looks.push((name == WHOLE, cells(state))));
    let mut svg = Svg::new(SIZE.0);
    for (whole, cells) in looks {
        let cells = cells?;
        let rows = if whole { SIZE.1 } else { STATUS };
        svg.add(&cells, Rect::new(0, 0, SIZE.0, rows));
    }
    Ok(svg.finish(TITLE))
}

fn cells(state: &State) -> Result<Buffer, Error> {
    let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1))?;
    terminal.draw(|frame| draw(state, frame))?;
    Ok(terminal.backend().buffer().clone())
}

#[cfg(test)]
mod tests {
    use tidewire::Mode;

    use super::*;

    fn committed() -> (PathBuf, Recording) {
        let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/demo.svg");
        let recording = Recording::load(&recording_of(&picture)).expect(
            "the recording is of another form: run `cargo xtask demo --picture docs/demo.svg`",
        );
        (picture, recording)
    }

    #[test]
    fn the_picture_in_the_docs_is_what_the_screen_looks_like_today() {
        let (picture, recording) = committed();
        let there = std::fs::read_to_string(picture).unwrap();
        assert!(
            there == drawn(&recording).unwrap(),
            "docs/demo.svg is not what today's screen makes of docs/demo.session.json. Run\n\n    \
             cargo xtask demo --picture docs/demo.svg --redraw\n\nand look at it; without \
             --redraw it is recorded anew."
        );
    }

    #[test]
    fn the_recording_passes_through_all_modes_and_tells_of_each() {
        let (_, recording) = committed();
        let mut shown = Vec::new();
        let end = recording.replay(|_, state| shown.extend(state.mode));
        let back = Mode::RealTime;
        assert_eq!(shown, [back, Mode::Hybrid, Mode::Polling, Mode::Offline, back]);
        for mode in [Mode::RealTime, Mode::Hybrid, Mode::Polling, Mode::Offline] {
            let told = |told: &&super::super::state::Told| told.mode == Some(mode);
            let notice = end.notices.iter().find(told).unwrap_or_else(|| panic!("no {mode}"));
            assert!(!notice.text.is_empty(), "no reason for {mode}");
        }
    }
}
