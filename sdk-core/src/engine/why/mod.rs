//! Why the mode, a message or a room is as it is: read off the engine's present state, so that no
//! history has to be kept for it.

mod fact;
mod message;
mod mode;
mod obstacles;
mod room;
mod sentence;

use super::Engine;
use super::command::Reply;
use super::effect::CommandId;
use crate::error::Error;

pub use fact::{Fact, Lift, SocketStage, StoreStage, Subject, TokenStage, Vehicle, Way, Why};
pub(crate) use mode::CeilingsSince;

impl Why {
    fn of(facts: Vec<Fact>) -> Self {
        let sentence = sentence::sentence(&facts);
        Self { facts, sentence }
    }
}

impl Engine {
    /// Answers from memory, if memory is enough. Whether it was.
    pub(crate) fn why_now(&mut self, command: CommandId, subject: &Subject) -> bool {
        let facts = match *subject {
            Subject::Mode => self.why_mode(),
            // Before the first load nothing is known of rooms.
            _ if !self.loaded_once => return false,
            Subject::Room(room) if self.rooms.contains_key(&room) => self.why_room(room),
            Subject::Room(room) => {
                self.reply(command, Err(Error::UnknownRoom(room)));
                return true;
            }
            Subject::Message(room, id) => match self.why_message_in_memory(room, id) {
                Some(facts) => facts,
                None if self.rests() => {
                    self.reply(command, Err(Error::UnknownMessage(id)));
                    return true;
                }
                None => return false,
            },
        };
        self.tell_why(command, facts);
        true
    }

    /// The same once something is known.
    pub(crate) fn why_loaded(&mut self, command: CommandId, subject: Subject) {
        if !self.why_now(command, &subject)
            && let Subject::Message(room, id) = subject
        {
            self.look_for_message(command, room, id);
        }
    }

    fn tell_why(&mut self, command: CommandId, facts: Vec<Fact>) {
        self.reply(command, Ok(Reply::Why(Box::new(Why::of(facts)))));
    }

    /// How long ago something was, on the monotonic clock.
    fn ago(&self, at_ms: u64) -> u64 {
        self.now.mono_ms.saturating_sub(at_ms)
    }

    /// When a timer fires, in ms from now.
    fn due_in(&self, timer: super::Timer) -> Option<u64> {
        Some(self.timers.get(timer)?.saturating_sub(self.now.mono_ms))
    }
}
