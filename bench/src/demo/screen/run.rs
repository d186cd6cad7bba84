//! The loop on a terminal: keys in, news in, a picture out.

use std::fmt;
use std::io;
use std::time::Duration;

use ratatui::crossterm::event::Event;
use tokio::time::MissedTickBehavior;

use super::draw::draw;
use super::keys::{Action, action};
use super::show::Show;
use super::terminal::{self, Terminal};
use crate::demo::Error;

/// Time between two pictures: what an eye takes for at once, and 2 % of a core.
const FRAME: Duration = Duration::from_millis(40);

/// There is no terminal to draw on.
#[derive(Debug)]
pub struct Unusable;

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the demo's screen needs a terminal for input and output, and there is none: run it \
             with --headless",
        )
    }
}

impl std::error::Error for Unusable {}

/// Runs the demo on this terminal, with so many simulated users at first, until the person quits.
///
/// # Errors
/// [`Unusable`], before anything is started; whatever keeps the world from starting; what the
/// terminal says.
pub async fn run(users: usize) -> Result<(), Error> {
    if !terminal::is_there() {
        return Err(Unusable.into());
    }
    let (mut terminal, mut events) = Terminal::take()?;
    let mut show = Show::begin(users, None);
    let ended = watch(&mut terminal, &mut events, &mut show).await;
    drop(terminal);
    ended?;
    show.end().await.map(drop)
}

async fn watch(
    terminal: &mut Terminal,
    events: &mut tokio::sync::mpsc::UnboundedReceiver<io::Result<Event>>,
    show: &mut Show,
) -> Result<(), Error> {
    let mut frames = tokio::time::interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut stop = std::pin::pin!(asked_to_stop());
    let mut changed = true;
    loop {
        tokio::select! {
            event = events.recv() => {
                // The sender ends with an error, told before.
                let Some(event) = event else { return Ok(()) };
                if let Some(action) = meaning(event?, show)
                    && show.act(action)
                {
                    return Ok(());
                }
                changed = true;
            }
            told = show.next() => {
                told?;
                changed = true;
            }
            _ = frames.tick() => {
                if Terminal::panicked() {
                    return Err("a part of the demo panicked, as told above".into());
                }
                if std::mem::take(&mut changed) {
                    show.tick();
                    terminal.screen.draw(|frame| draw(&show.state, frame))?;
                }
            }
            () = &mut stop => return Ok(()),
        }
    }
}

fn meaning(event: Event, show: &Show) -> Option<Action> {
    match event {
        Event::Key(key) => action(key, !show.state.commanding),
        Event::Paste(text) => Some(Action::Insert(text)),
        // A resize is seen by the next picture.
        _ => None,
    }
}

/// Waits for the system to ask for an end. In raw mode Ctrl-C is a key and not among them.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut term), Ok(mut hangup), Ok(mut interrupt)) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
            signal(SignalKind::interrupt()),
        ) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
