//! What stands between the client and the server: asked by every explanation of something that
//! waits.

use super::fact::{Fact, SocketStage, StoreStage, TokenStage, Way};
use crate::engine::feed::link::Link;
use crate::engine::life::auth::TokenState;
use crate::engine::time::Timer;
use crate::engine::{Engine, Phase};

impl Engine {
    /// Whatever keeps the client from reading and sending at all, the nearest to the user first.
    pub(super) fn obstacles(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        if !self.rests() && !self.online() {
            facts.extend(self.binding_ceiling());
        }
        facts.extend(self.obstacles_without_ceiling());
        facts
    }

    pub(super) fn obstacles_without_ceiling(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        if self.rests() {
            facts.push(Fact::Suspended);
            return facts;
        }
        match self.phase {
            Phase::Ready => {}
            Phase::Loading | Phase::Shown => {
                facts.push(Fact::Store { stage: StoreStage::Loading, retry_in_ms: None });
            }
            Phase::Failed => {
                let retry_in_ms = self.due_in(Timer::StoreRetry);
                facts.push(Fact::Store { stage: StoreStage::Failed, retry_in_ms });
            }
        }
        let stage = match self.auth.state() {
            TokenState::Ready => None,
            TokenState::Missing => Some(TokenStage::Missing),
            TokenState::Fetching => Some(TokenStage::Asked),
            TokenState::Failed => Some(TokenStage::Failed),
        };
        if let Some(stage) = stage {
            facts.push(Fact::Token { stage, retry_in_ms: self.due_in(Timer::Token) });
        }
        if facts.is_empty() && self.cursor.is_none() {
            facts.push(Fact::NoPosition);
        }
        facts
    }

    /// The socket, if there is one or one is on its way.
    pub(super) fn socket(&self) -> Option<Fact> {
        let stage = match &self.link {
            Link::Closed => return None,
            Link::Opening(_) => SocketStage::Opening,
            Link::Greeting(_) => SocketStage::Greeting,
            Link::Ready(_) => SocketStage::Open,
        };
        Some(Fact::Socket { stage, pushes: self.link.pushes() })
    }

    /// What a socket that is wanted waits for.
    pub(super) fn socket_wait(&self) -> Option<Fact> {
        let in_ms = self.due_in(Timer::SocketRetry)?;
        let slot = self.now.mono_ms < self.link_slot_until;
        Some(if slot {
            Fact::Slot { way: Way::Sockets, in_ms }
        } else {
            Fact::Backoff { way: Way::Sockets, failures: self.link_backoff.failures(), in_ms }
        })
    }

    /// What requests of the client's own account wait for.
    pub(super) fn requests_wait(&self) -> Option<Fact> {
        let in_ms = self.due_in(Timer::HttpRetry)?;
        let slot = self.now.mono_ms < self.http_slot_until;
        Some(if slot {
            Fact::Slot { way: Way::Requests, in_ms }
        } else {
            Fact::Backoff { way: Way::Requests, failures: self.http_backoff.failures(), in_ms }
        })
    }
}
