//! Why a message is in the state that it is in.

use tidewire_protocol::{Event, EventId, RoomId, Seq, UserId, limits};

use super::fact::{Fact, Vehicle, Way};
use crate::engine::disk::loads::LoadPurpose;
use crate::engine::effect::CommandId;
use crate::engine::outbox::{Carrier, FailReason, Flight, OutboxRow};
use crate::engine::people::receipts::Others;
use crate::engine::query::Query;
use crate::engine::time::Timer;
use crate::engine::timeline::message::{MessageState, Reach};
use crate::engine::{Engine, Purpose};
use crate::error::Error;

impl Engine {
    /// What is known in memory of a message: in the outbox, on its way there, or in an open window.
    pub(super) fn why_message_in_memory(&self, room: RoomId, id: EventId) -> Option<Vec<Fact>> {
        if let Some(at) = self.outbox.of_room(room).iter().position(|row| row.op.id == id) {
            return Some(self.why_queued(room, at));
        }
        if self.commits.iter().any(|pending| pending.enqueues_id(id)) {
            let mut facts = vec![Fact::Message { state: MessageState::Sending }, Fact::Writing];
            facts.extend(self.obstacles());
            return Some(facts);
        }
        let message = self.windows.of(room).find_map(|(_, window)| window.message(id))?;
        Some(self.why_in_log(room, message.seq?, &message.sender, message.kind.is_reserved()))
    }

    /// Asks the disk for a message that memory does not hold.
    pub(super) fn look_for_message(&mut self, command: CommandId, room: RoomId, id: EventId) {
        if self.rooms.contains_key(&room) {
            self.load(Query::Event(room, id), LoadPurpose::Why(command, room, id));
        } else {
            self.reply(command, Err(Error::UnknownMessage(id)));
        }
    }

    pub(crate) fn why_event(
        &mut self,
        command: CommandId,
        room: RoomId,
        id: EventId,
        event: Option<&Event>,
    ) {
        // It may have come into memory meanwhile, or never have been here.
        let facts = self.why_message_in_memory(room, id).or_else(|| {
            let event = event?;
            Some(self.why_in_log(room, event.seq, &event.sender, event.kind.is_reserved()))
        });
        match facts {
            Some(facts) => self.tell_why(command, facts),
            None => self.reply(command, Err(Error::UnknownMessage(id))),
        }
    }

    fn why_queued(&self, room: RoomId, at: usize) -> Vec<Fact> {
        let rows = self.outbox.of_room(room);
        let row = rows[at];
        let holds = |row: &&&OutboxRow| match row.failed {
            Some(_) => row.holds(),
            None => row.holds_place(),
        };
        let holder = rows[..at].iter().find(holds).copied();
        let for_files = holder.is_some_and(|holder| holder.failed.is_none());
        let holder = holder.map(|holder| holder.op.id);
        let state = match (&row.failed, holder) {
            (Some(reason), _) => MessageState::Failed(reason.clone()),
            (None, Some(id)) => MessageState::Waiting(id),
            (None, None) => MessageState::Sending,
        };
        let mut facts = vec![Fact::Message { state }];
        facts.extend(match &row.failed {
            Some(FailReason::Refused(error)) => Some(Fact::Refused {
                code: error.code.as_str().into(),
                message: error.message.clone(),
            }),
            Some(FailReason::Unknown) => Some(Fact::TooOld),
            Some(FailReason::Expired) => Some(Fact::Expired),
            Some(FailReason::Copy(trouble)) => Some(Fact::Copy { trouble: *trouble }),
            None => None,
        });
        if row.failed.is_none() {
            facts.push(Fact::Queue {
                position: u32::try_from(at + 1).unwrap_or(u32::MAX),
                ahead: at.checked_sub(1).map(|before| rows[before].op.id),
            });
            match holder {
                Some(id) if for_files => facts.push(Fact::WaitsForUploads { id }),
                Some(id) => facts.push(Fact::WaitsFor { id }),
                None if !row.is_uploaded() => facts.extend(self.what_its_files_wait_for(row)),
                None => facts.extend(self.what_it_waits_for(room, row)),
            }
        }
        if row.failed.is_none()
            && let Some(left) = row.time_left(&self.server_clock, self.now)
        {
            facts.push(Fact::Expires { in_ms: u64::try_from(left).unwrap_or_default() });
        }
        facts.push(Fact::Queued { ms_ago: since(row.queued_at, self.now.wall_ms) });
        let server_now = self.server_clock.now(self.now);
        let first = row.attempted_at.map(|at| Fact::FirstSent { ms_ago: since(at, server_now) });
        facts.extend(first);
        facts
    }

    fn what_it_waits_for(&self, room: RoomId, row: &OutboxRow) -> Vec<Fact> {
        if let Some(flight) = self.outbox.flight(room) {
            let for_ms = self.ago(flight.since_ms);
            return vec![if flight.carries(row.op.id) {
                Fact::InFlight { vehicle: self.vehicle(flight), for_ms }
            } else {
                Fact::BehindFlight { for_ms }
            }];
        }
        let mut facts = self.obstacles();
        if !facts.is_empty() {
            return facts;
        }
        if let Some(until) = self.outbox.paced_until(room) {
            let in_ms = until.saturating_sub(self.now.mono_ms);
            facts.push(Fact::Slot { way: Way::SlowMode, in_ms });
        } else if let Some(in_ms) = self.due_in(Timer::OpsRetry) {
            facts.push(Fact::Slot { way: Way::Sends, in_ms });
        } else if self.link_is_coming() {
            facts.extend(self.socket());
        } else if !self.link.is_ready() {
            facts.extend(self.requests_wait());
            if self.sync.is_some() {
                // It goes with the next one, at once.
                facts.push(Fact::Reading);
            }
        }
        facts
    }

    /// How far its files are, and what stands in their way.
    fn what_its_files_wait_for(&self, row: &OutboxRow) -> Vec<Fact> {
        let missing = row.files.iter().filter(|file| !file.uploaded).count();
        let mut facts = vec![Fact::Uploading {
            files: u32::try_from(missing).unwrap_or(u32::MAX),
            sent: row.files.iter().map(|file| file.sent).sum(),
            size: row.files.iter().map(|file| file.size).sum(),
        }];
        let obstacles = self.obstacles();
        if !obstacles.is_empty() {
            facts.extend(obstacles);
            return facts;
        }
        let (moves, behind) = self.uploads.stands(row.op.id);
        if moves {
            return facts;
        }
        if let Some(in_ms) = self.due_in(Timer::UploadRetry) {
            facts.push(if self.uploads.has_slot(self.now.mono_ms) {
                Fact::Slot { way: Way::Uploads, in_ms }
            } else {
                Fact::Backoff { way: Way::Uploads, failures: self.uploads.failures(), in_ms }
            });
        } else if behind {
            facts.push(Fact::BehindUploads);
        } else {
            facts.extend(self.requests_wait());
        }
        facts
    }

    fn vehicle(&self, flight: &Flight) -> Vehicle {
        match flight.carrier {
            Carrier::Socket(_) => Vehicle::Socket,
            Carrier::Request(id) => match self.requests.get(&id) {
                Some(asked) if matches!(asked.purpose, Purpose::Sync) => Vehicle::Poll,
                _ => Vehicle::Request,
            },
        }
    }

    fn why_in_log(&self, id: RoomId, seq: Seq, sender: &UserId, reserved: bool) -> Vec<Fact> {
        let user = &self.config.user;
        let in_log = Fact::InLog { seq };
        if sender != user || reserved {
            let from = Fact::FromOther { sender: sender.clone() };
            return vec![Fact::Message { state: MessageState::Sent }, in_log, from];
        }
        let room = self.rooms.get(&id);
        let others = room.and_then(|room| room.others(user));
        let reach = others.as_deref().and_then(|others: &Others| others.reach(seq));
        let members = room.map_or(0, |room| room.state.members);
        let known = match reach {
            Some(Reach { delivered_to, read_by, of }) => {
                Fact::Receipts { delivered: delivered_to, read: read_by, of }
            }
            None if members > limits::RECEIPT_MEMBERS => {
                Fact::AboveReceiptMembers { members, limit: limits::RECEIPT_MEMBERS }
            }
            None if others.is_some() => Fact::Alone,
            None => Fact::ReceiptsAwaited,
        };
        vec![Fact::Message { state: MessageState::of_reach(reach) }, in_log, known]
    }
}

/// From one moment of a wall clock to another; nothing if it went back.
fn since(at_ms: i64, now_ms: i64) -> u64 {
    u64::try_from(now_ms.saturating_sub(at_ms)).unwrap_or_default()
}
