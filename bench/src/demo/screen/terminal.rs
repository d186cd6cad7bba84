//! The terminal, taken and given back: on every way out, also by a panic.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, Event};
use ratatui::crossterm::execute;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// How long the thread of keys may take to see that it should end.
const GLANCE: Duration = Duration::from_millis(50);

/// How long it is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether anything has panicked since the terminal was taken. A task's panic ends only that task:
/// the screen has to end by itself.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Whether there is somebody to look and to type.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// The terminal in raw mode, on its second screen. Given back when dropped.
pub(super) struct Terminal {
    pub(super) screen: DefaultTerminal,
    stop: Arc<AtomicBool>,
    /// Disconnected once the thread of keys has ended.
    keys: Receiver<()>,
}

impl Terminal {
    /// Takes the terminal, and reads its events on a thread of their own.
    pub(super) fn take() -> io::Result<(Self, UnboundedReceiver<io::Result<Event>>)> {
        // Its own hook gives the terminal back before the message is written.
        let screen = ratatui::try_init()?;
        let give_back = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // First, so that nothing is drawn over the message.
            PANICKED.store(true, Ordering::SeqCst);
            give_back(panic);
        }));
        // A terminal that does not know pasting types it.
        let _ = execute!(io::stdout(), EnableBracketedPaste);
        let stop = Arc::new(AtomicBool::new(false));
        let (told, events) = mpsc::unbounded_channel();
        let stopping = stop.clone();
        let (alive, keys) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            let _alive = alive;
            while !stopping.load(Ordering::SeqCst) {
                let event = match event::poll(GLANCE) {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                let failed = event.is_err();
                if told.send(event).is_err() || failed {
                    return;
                }
            }
        });
        Ok((Self { screen, stop, keys }, events))
    }

    /// Whether some part of the program panicked.
    pub(super) fn panicked() -> bool {
        PANICKED.load(Ordering::SeqCst)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // So that it takes no key that is meant for what comes after. Where the terminal is gone,
        // crossterm never returns: then it ends with the process.
        let _ = self.keys.recv_timeout(PATIENCE);
        let _ = execute!(io::stdout(), DisableBracketedPaste);
        // Twice would put the cursor onto the message of the panic.
        if !Self::panicked() {
            ratatui::restore();
        }
    }
}
