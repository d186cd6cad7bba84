//! Sending: on disk before it shows, one request in flight for each room, and never given up
//! because of the network.

use tidewire_protocol::{
    ClientFrame, ErrorCode, EventId, Op, OpOutcome, OpsRequest, RoomId, RoomOps, Sent, WireError,
};

use super::{Carrier, FailReason, Fate, OutboxRow, SendOptions};
use crate::config::millis;
use crate::defaults;
use crate::engine::command::Reply;
use crate::engine::disk::commit::After;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::effect::{CommandId, Request, RequestError, RequestId, Response};
use crate::engine::feed::link::Link;
use crate::engine::feed::merge::Source;
use crate::engine::time::Timer;
use crate::engine::timeline::fold::is_mutation;
use crate::engine::{Engine, Phase, Purpose};
use crate::error::Error;

/// Whether a room, and nothing else, takes an operation later.
fn is_slow_mode(error: &WireError) -> bool {
    error.code == ErrorCode::SlowMode && error.temporary && error.retry_after_ms.is_some()
}

impl Engine {
    /// Queues an operation. The app hears of it, and sees it, once it is on disk.
    pub(crate) fn enqueue(
        &mut self,
        command: CommandId,
        room: RoomId,
        op: Op,
        options: SendOptions,
    ) {
        if let Err(error) = self.may_enqueue(room, &op) {
            self.reply(command, Err(error));
        } else if is_mutation(&op.kind) {
            self.enqueue_mutation(command, room, op);
        } else {
            self.queue(command, room, op, options);
        }
    }

    pub(crate) fn queue(&mut self, command: CommandId, room: RoomId, op: Op, options: SendOptions) {
        if let Err(error) = self.has_room() {
            self.reply(command, Err(error));
            return;
        }
        if !is_mutation(&op.kind) {
            self.typing_sent(room);
        }
        let row = self.row_of(room, op, options);
        self.store_row(command, row);
    }

    /// Whether one more operation may wait.
    pub(super) fn has_room(&self) -> Result<(), Error> {
        let capacity = self.config.outbox_capacity;
        if self.outbox.len() + self.enqueues_in_flight() >= capacity {
            return Err(Error::OutboxFull { capacity });
        }
        Ok(())
    }

    /// Has a row written. The app hears of it, and sees it, once it is on disk.
    pub(super) fn store_row(&mut self, command: CommandId, row: OutboxRow) {
        let mut transaction =
            Transaction { durable: true, independent: true, ..Transaction::default() };
        transaction.push(Write::Enqueue(Box::new(row.clone())));
        let reply = Some((command, Reply::Done));
        self.commit(transaction, After { enqueued: Some(row), reply, ..After::default() });
    }

    /// A row of the outbox to be. Where it is likely to leave at once, the disk says already that it
    /// may have been sent; else it has to say so before it leaves. So what the disk says was not sent,
    /// was not, and a send over an open connection is one commit all the same.
    pub(crate) fn row_of(&self, room: RoomId, op: Op, options: SendOptions) -> OutboxRow {
        let server_now = self.server_clock.is_told().then(|| self.server_clock.now(self.now));
        let reached = self.link.is_ready()
            || self.http_is_open() && self.http_backoff.failures() == 0 && self.online();
        let held = self.timers.get(Timer::OpsRetry).is_some();
        let held = held || self.outbox.paced_until(room).is_some();
        let leaves = reached && self.auth.is_ready() && !held;
        OutboxRow {
            room,
            op,
            queued_at: self.now.wall_ms,
            queued_by_server: server_now,
            attempted_at: server_now.filter(|_| leaves),
            failed: None,
            options,
            files: Vec::new(),
        }
    }

    fn may_enqueue(&self, room: RoomId, op: &Op) -> Result<(), Error> {
        op.validate()?;
        self.may_write(room)
    }

    /// Whether the user can write into a room, as far as is known here.
    pub(super) fn may_write(&self, room: RoomId) -> Result<(), Error> {
        let head = self.rooms.get(&room).ok_or(Error::UnknownRoom(room))?;
        if !head.state.joined {
            return Err(Error::NotAMember(room));
        }
        Ok(())
    }

    /// Lets go what may go: over the socket, aboard the next poll, or on a request of its own.
    pub(crate) fn advance_outbox(&mut self) {
        self.advance_slow_rooms();
        // Without a cursor it is not known yet whose token this is, nor whether the rooms are
        // still of this server's life.
        let known = self.cursor.is_some() && self.ages_are_known();
        let slot = self.timers.get(Timer::OpsRetry).is_some();
        if !known || slot || !self.online() || !self.auth.is_ready() {
            return;
        }
        if self.outbox.ready().is_empty() || self.link_is_coming() {
            return;
        }
        let ready = self.marked_rooms();
        if ready.is_empty() {
            return;
        }
        let flights = self.outbox.flights();
        if let Link::Ready(link) = &self.link {
            let carrier = Carrier::Socket(link.socket);
            let more = defaults::SENDS_IN_FLIGHT.saturating_sub(flights);
            for room in ready.into_iter().take(more) {
                let ops = self.next_ops(room);
                self.depart(room, carrier, &ops);
                self.send_frame(ClientFrame::Send(RoomOps { room, ops }));
            }
            if more > 0 {
                self.expect_answer();
            }
        } else if !self.http_is_open() {
            // The timer wakes this again.
        } else if self.ops_ride_on_polls() {
            // A send opens a wake-up at once; one that is open already takes it along next.
            self.poll_due = true;
        } else {
            let more = defaults::SEND_REQUESTS_IN_FLIGHT.saturating_sub(flights);
            for room in ready.into_iter().take(more) {
                let ops = self.next_ops(room);
                let request = Request::Ops(room, OpsRequest { ops: ops.clone() });
                let id = self.request(request, Purpose::Ops(room));
                self.depart(room, Carrier::Request(id), &ops);
            }
        }
    }

    /// Rooms whose next operations may go out now, and that the disk knows to go out. Has it written
    /// of the others.
    pub(crate) fn marked_rooms(&mut self) -> Vec<RoomId> {
        let mut marking = Vec::new();
        for room in self.outbox.ready() {
            marking.extend(self.outbox.mark(room, self.is_slow(room)));
        }
        if !marking.is_empty() {
            let at = self.server_clock.now(self.now);
            if !self.server_clock.is_told() {
                self.undated.extend_from_slice(&marking);
            }
            let mut transaction =
                Transaction { durable: true, independent: true, ..Transaction::default() };
            transaction.push(Write::Attempted(marking.clone(), at));
            self.commit(transaction, After { marked_sent: marking, ..After::default() });
        }
        self.outbox.ready()
    }

    /// Whether it can be told which operations are too old to be sent again: by the server's clock,
    /// unless none of them was ever sent. A process that has just begun hears it with the first
    /// answer.
    pub(crate) fn ages_are_known(&self) -> bool {
        self.server_clock.is_told() || !self.outbox.has_attempted()
    }

    /// The answer to a request with nothing but operations.
    pub(crate) fn ops_answered(
        &mut self,
        room: RoomId,
        id: RequestId,
        answer: Result<Response, RequestError>,
    ) {
        self.outbox.lost(Carrier::Request(id));
        match answer {
            Ok(Response::Ops(sent)) => {
                self.http_backoff.reset();
                self.sent(sent, false);
            }
            Ok(_) => {}
            Err(RequestError::Refused(error)) => {
                self.sent(Sent { room, results: Vec::new(), error: Some(error) }, false);
            }
            Err(error @ RequestError::Network(_)) => self.http_failed(&error),
        }
    }

    /// What became of the operations of a room.
    pub(crate) fn sent(&mut self, sent: Sent, over_socket: bool) {
        if over_socket {
            self.outbox.arrive(sent.room);
        }
        if self.phase != Phase::Ready {
            // The outbox is about to be loaded anew; the operations go out again, with their ids.
            return;
        }
        let mut transaction = Transaction { durable: true, ..Transaction::default() };
        let mut after = After::default();
        if let Some(error) = sent.error {
            self.ops_refused(&mut transaction, &mut after, (sent.room, over_socket), error);
        }
        let mut accepted = Vec::new();
        for result in sent.results {
            // Not in the outbox any more: the feed was faster.
            let Some(row) = self.outbox.get(result.id) else { continue };
            match result.outcome {
                OpOutcome::Accepted { seq, at } => {
                    accepted.push(row.accepted(&self.config.user, seq, at));
                }
                OpOutcome::Refused { error } if is_slow_mode(&error) => {
                    self.room_put_off(sent.room, &error);
                }
                OpOutcome::Refused { error } if error.temporary => self.ops_put_off(&error),
                OpOutcome::Refused { error } if self.upload_again(&error, result.id) => {}
                OpOutcome::Refused { error } => {
                    self.fail(&mut transaction, &mut after, result.id, FailReason::Refused(error));
                }
                OpOutcome::NotTried => {}
            }
        }
        let accepted_any = !accepted.is_empty();
        for event in &accepted {
            let held =
                self.rooms.get(&event.room).is_some_and(|room| room.held.contains(event.seq));
            if held {
                self.outbox.settle(event.id, Fate::Arrived);
                transaction.push(Write::Dequeue(event.id));
                after.dequeued.push(event.id);
            }
        }
        self.merge(&mut transaction, &mut after, accepted, Source::Ahead);
        if accepted_any {
            self.sends_may_go_on();
        }
        if !transaction.writes.is_empty() {
            self.commit(transaction, after);
        }
    }

    /// A request with operations was refused as a whole.
    fn ops_refused(
        &mut self,
        transaction: &mut Transaction,
        after: &mut After,
        (room, over_socket): (RoomId, bool),
        error: WireError,
    ) {
        if error.temporary {
            self.ops_put_off(&error);
        } else if error.code.status() == 401 {
            // What came by a request was judged with it, by the token that it went out with.
            if over_socket && self.refused_token(&error, self.link.token_generation()) {
                self.close_link("the token was refused");
            }
        } else if let Some(id) = self.outbox.first(room) {
            self.fail(transaction, after, id, FailReason::Refused(error));
        }
    }

    /// Operations wait: for the server's slot, or a while.
    pub(crate) fn ops_put_off(&mut self, error: &WireError) {
        let now = self.now.mono_ms;
        let stable = millis(defaults::STABLE_AFTER);
        if self.ops_put_off_at.replace(now).is_some_and(|last| now >= last + stable) {
            self.ops_backoff.reset();
        }
        let until = now + self.ops_backoff.fail(error.retry_after_ms, &mut self.rng);
        if error.retry_after_ms.is_some() {
            self.ops_slot_until = self.ops_slot_until.max(until);
        }
        // Another room's answer shortens no slot.
        self.timers.arm(Timer::OpsRetry, until.max(self.ops_slot_until));
    }

    /// There is reason to believe that the server takes operations again. A slot of its own stands.
    pub(crate) fn sends_may_go_on(&mut self) {
        if self.now.mono_ms >= self.ops_slot_until {
            self.timers.disarm(Timer::OpsRetry);
        }
    }

    pub(crate) fn fail(
        &mut self,
        transaction: &mut Transaction,
        after: &mut After,
        id: EventId,
        reason: FailReason,
    ) {
        let Some(row) = self.outbox.get(id) else { return };
        let (room, changes) = (row.room, is_mutation(&row.op.kind));
        self.end_uploads(id);
        if changes {
            self.give_up(transaction, after, id, reason);
            return;
        }
        if self.is_wanted_gone(room, id, &reason) {
            self.withdraw(transaction, after, id);
            return;
        }
        self.outbox.settle(id, Fate::Failed);
        transaction.push(Write::Failure(id, reason.clone()));
        after.failed.push((room, id, Some(reason)));
    }

    /// Operations leave with a carrier.
    pub(crate) fn depart(&mut self, room: RoomId, carrier: Carrier, ops: &[Op]) {
        let at = self.server_clock.now(self.now);
        self.stats.sends += 1;
        self.outbox.depart(room, carrier, ops, self.now.mono_ms, at);
    }

    /// The server told its time. What this process sent before it knew is as old as that at most.
    pub(crate) fn hear_time(&mut self, at: i64) {
        self.server_clock.told(at, self.now);
        let undated = std::mem::take(&mut self.undated);
        if !undated.is_empty() {
            self.outbox.date(&undated, at);
            let mut transaction = Transaction { independent: true, ..Transaction::default() };
            transaction.push(Write::Attempted(undated, at));
            self.commit(transaction, After::default());
        }
        self.expire_outbox();
    }

    /// Operations that were sent before the server's memory of ids begins are never sent blindly
    /// again. Called with what is loaded, and whenever a server tells its time.
    pub(crate) fn expire_outbox(&mut self) {
        if !self.server_clock.is_told() {
            return;
        }
        let window = i64::try_from(self.idempotency_window_ms).unwrap_or(i64::MAX);
        let now = self.server_clock.now(self.now);
        let old = self.outbox.attempted_before(now.saturating_sub(window));
        if old.is_empty() || self.phase != Phase::Ready {
            return;
        }
        let mut transaction = Transaction { durable: true, ..Transaction::default() };
        let mut after = After::default();
        for id in old {
            self.fail(&mut transaction, &mut after, id, FailReason::Unknown);
        }
        self.commit(transaction, after);
    }
}
