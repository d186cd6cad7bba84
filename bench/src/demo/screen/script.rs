//! A run without a person, for the picture: real server, real clients, and the same actions that
//! the keys would bring.

use std::time::Duration;

use tidewire::Mode;
use tokio::time::Instant;

use super::keys::{Action, CROWDS};
use super::mark::Mark;
use super::news::Line;
use super::record::Recording;
use super::show::Show;
use super::state::State;
use crate::demo::Error;

/// How long one part may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Passes through all modes and back, and gives the recording.
///
/// # Errors
/// When the world does not start, or a part takes too long.
pub(super) async fn play() -> Result<Recording, Error> {
    let mut show = Show::begin(CROWDS[0], Some(Recording::default()));
    all_modes(&mut show).await?;
    show.end().await?.ok_or_else(|| "nothing was recorded".into())
}

async fn all_modes(show: &mut Show) -> Result<(), Error> {
    until(show, "everybody is there", |state| {
        state.mode == Some(Mode::RealTime)
            && state.around.here == CROWDS[0]
            && state.received.last().is_some()
    })
    .await?;
    say(show, "good morning, harbour 🚢").await?;
    pass(show, 6).await?;
    enter(show, "robin").await?;
    say(show, "good morning, Robin 🚢").await?;
    marked(show, &[Mark::FilledDoubleCheck]).await?;
    pass(show, 4).await?;
    say(show, "how is the fog out there?").await?;
    marked(show, &[Mark::DoubleCheck]).await?;
    show.picture("real-time");
    enter(show, "harbour").await?;

    show.act(Action::Crowd(CROWDS[1]));
    in_mode(show, Mode::Hybrid).await?;
    pass(show, 3).await?;
    say(show, "so many people today").await?;
    show.picture("hybrid");
    pass(show, 8).await?;

    show.act(Action::Crowd(CROWDS[2]));
    in_mode(show, Mode::Polling).await?;
    pass(show, 1).await?;
    say(show, "a full house, and it still goes out at once").await?;
    until(show, "the crowd is complete", |state| state.around.here == CROWDS[2]).await?;
    pass(show, 9).await?;
    show.picture("polling");

    enter(show, "robin").await?;
    say(show, "are you still at the pilot boat?").await?;
    // In polling, delivered and read may come with the same answer.
    marked(show, &[Mark::DoubleCheck, Mark::FilledDoubleCheck]).await?;
    show.act(Action::CutNetwork);
    in_mode(show, Mode::Offline).await?;
    for text in ["is anybody there? I seem to be cut off", "it will go out by itself"] {
        show.act(Action::Insert(text.into()));
        show.act(Action::Enter);
    }
    until(show, "both wait", |state| state.room().is_some_and(|room| room.pending == 2)).await?;
    pass(show, 2).await?;
    show.picture("offline");

    show.act(Action::Crowd(CROWDS[0]));
    until(show, "the crowd has left", |state| state.around.here == CROWDS[0]).await?;
    pass(show, 4).await?;
    show.act(Action::CutNetwork);
    until(show, "nothing waits", |state| state.room().is_some_and(|room| room.pending == 0))
        .await?;
    in_mode(show, Mode::RealTime).await?;
    pass(show, 3).await?;
    show.picture("back");
    Ok(())
}

async fn until(show: &mut Show, what: &str, holds: impl Fn(&State) -> bool) -> Result<(), Error> {
    let late = Instant::now() + PATIENCE;
    while !holds(&show.state) {
        tokio::time::timeout_at(late, show.next())
            .await
            .map_err(|_| format!("this does not come true: {what}"))??;
    }
    eprintln!("{:>4} s: {what}", show.state.now_ms / 1_000);
    Ok(())
}

async fn in_mode(show: &mut Show, mode: Mode) -> Result<(), Error> {
    until(show, mode.as_str(), |state| state.mode == Some(mode)).await
}

/// Types and sends, and waits for its place in the room.
async fn say(show: &mut Show, text: &str) -> Result<(), Error> {
    show.act(Action::Insert(text.into()));
    show.act(Action::Enter);
    until(show, "a message is sent", |state| {
        state.timeline.iter().any(|line| match line {
            Line::Message(said) => said.own && said.text == text && said.mark != Mark::Clock,
            _ => false,
        })
    })
    .await
}

/// Goes to a room.
async fn enter(show: &mut Show, name: &str) -> Result<(), Error> {
    until(show, "the room is listed", |state| state.rooms.iter().any(|room| room.name == name))
        .await?;
    while show.state.room().is_none_or(|room| room.name != name) {
        show.act(Action::NextRoom);
    }
    Ok(())
}

/// Waits until the last of the person's own messages has one of these marks.
async fn marked(show: &mut Show, marks: &[Mark]) -> Result<(), Error> {
    until(show, "a mark", |state| {
        let own = state.timeline.iter().rev().find_map(|line| match line {
            Line::Message(said) if said.own => Some(said.mark),
            _ => None,
        });
        own.is_some_and(|own| marks.contains(&own))
    })
    .await
}

/// Lets life go on for so many seconds.
async fn pass(show: &mut Show, seconds: u64) -> Result<(), Error> {
    let end = show.state.now_ms + 1_000 * seconds;
    until(show, "time passes", |state| state.now_ms >= end).await
}
