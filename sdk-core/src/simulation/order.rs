//! Who may write in rooms of the model server: mutes and slow mode.

use tidewire_protocol::{
    ErrorCode, ErrorDetail, EventKind, MemberChange, Mute, MuteChange, MutePage, MuteRequest,
    MutedUser, Op, Role, RoomId, RoomState, SlowMode, UserId, WireError, limits,
};

use super::server::{ModelRoom, ModelServer, not_a_member};
use crate::engine::is_mutation;

fn invalid(text: impl Into<String>) -> WireError {
    WireError::new(ErrorCode::InvalidContent, text)
}

impl ModelRoom {
    /// The mute of a user, if it holds.
    pub(super) fn mute_of(&self, user: &UserId, now: i64) -> Option<Mute> {
        self.mutes.get(user).map(|muted| muted.mute).filter(|mute| mute.holds_at(now))
    }

    /// Whether a member may write this now, whatever it is.
    pub(super) fn judge_mute(&self, user: &UserId, op: &Op, now: i64) -> Result<(), WireError> {
        match self.mute_of(user, now) {
            Some(Mute { until }) if op.kind != EventKind::Delete => {
                let detail = ErrorDetail { until, ..ErrorDetail::default() };
                Err(WireError::new(ErrorCode::Muted, "you were muted").detail(detail))
            }
            _ => Ok(()),
        }
    }

    /// Whether enough time has passed since the member's last message, if this is one that counts.
    pub(super) fn judge_pace(
        &mut self,
        user: &UserId,
        role: Role,
        op: &Op,
        now: i64,
    ) -> Result<(), WireError> {
        if self.slow_mode_ms == 0 || role.moderates() || is_mutation(&op.kind) {
            return Ok(());
        }
        let last = self.slow_writes.get(user).copied();
        let left = last.map_or(0, |last| last + i64::from(self.slow_mode_ms) - now);
        if left > 0 {
            let error = WireError::new(ErrorCode::SlowMode, "try again later");
            return Err(error.retry_after_ms(left.unsigned_abs()));
        }
        self.slow_writes.insert(user.clone(), now);
        Ok(())
    }
}

impl ModelServer {
    /// Whether the user may mute that one, and let him write again.
    fn may_mute(&self, by: &UserId, room: RoomId, user: &UserId) -> Result<(), WireError> {
        self.may_send_away(by, room, user)
    }

    /// Lets a member only read.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn mute(
        &mut self,
        by: &UserId,
        id: RoomId,
        user: &UserId,
        mute: MuteRequest,
    ) -> Result<RoomState, WireError> {
        self.moderated_by(by, id)?;
        if by == user {
            return Err(WireError::new(ErrorCode::Forbidden, "nobody mutes himself"));
        }
        mute.validate().map_err(|error| invalid(error.to_string()))?;
        let at = self.clock;
        if !self.rooms.get(&id).is_some_and(|room| room.has(user)) {
            return Err(invalid("the user is not a member of the room"));
        }
        self.may_mute(by, id, user)?;
        let Some(room) = self.rooms.get_mut(&id) else { return Err(not_a_member()) };
        let until = mute.for_ms.map(|time| at + i64::try_from(time).unwrap_or_default());
        let (now, reason) = (Mute { until }, mute.reason);
        let kept = room.mutes.get(user).map(|muted| (muted.mute, &muted.reason));
        if kept != Some((now, &reason)) {
            let (user, by) = (user.clone(), by.clone());
            let muted = MutedUser { user: user.clone(), by: by.clone(), at, mute: now, reason };
            room.mutes.insert(user.clone(), muted);
            self.append(id, &by, EventKind::MemberMuted, &MuteChange { user, mute: now });
        }
        self.state_for(by, id)
    }

    /// Lets a user write again.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn unmute(
        &mut self,
        by: &UserId,
        id: RoomId,
        user: &UserId,
    ) -> Result<RoomState, WireError> {
        self.may_mute(by, id, user)?;
        let clock = self.clock;
        let ended = self.rooms.get_mut(&id).and_then(|room| room.mutes.remove(user));
        if ended.is_some_and(|muted| muted.mute.holds_at(clock)) {
            let change = MemberChange { user: user.clone() };
            self.append(id, by, EventKind::MemberUnmuted, &change);
        }
        self.state_for(by, id)
    }

    /// A page of those who may only read.
    pub(super) fn mutes(
        &self,
        by: &UserId,
        id: RoomId,
        after: Option<&UserId>,
    ) -> Result<MutePage, WireError> {
        let (room, _) = self.seen_by(by, id)?;
        self.moderated_by(by, id)?;
        let hold = room.mutes.values().filter(|muted| muted.mute.holds_at(self.clock));
        let rest = hold.filter(|muted| after.is_none_or(|after| muted.user > *after));
        let mut mutes: Vec<MutedUser> = rest.take(limits::MEMBERS_PAGE + 1).cloned().collect();
        let more = mutes.len() > limits::MEMBERS_PAGE;
        mutes.truncate(limits::MEMBERS_PAGE);
        let next = mutes.last().filter(|_| more).map(|muted| muted.user.clone());
        Ok(MutePage { mutes, next })
    }

    /// Says how often a member may write.
    ///
    /// # Errors
    /// As the wire tells them.
    pub fn set_slow_mode(
        &mut self,
        by: &UserId,
        id: RoomId,
        slow_mode: SlowMode,
    ) -> Result<RoomState, WireError> {
        self.moderated_by(by, id)?;
        slow_mode.validate().map_err(|error| invalid(error.to_string()))?;
        if let Some(room) = self.rooms.get_mut(&id)
            && room.slow_mode_ms != slow_mode.interval_ms
        {
            room.slow_mode_ms = slow_mode.interval_ms;
            if slow_mode.interval_ms == 0 {
                room.slow_writes.clear();
            }
            self.append(id, by, EventKind::RoomSlowMode, &slow_mode);
        }
        self.state_for(by, id)
    }
}
