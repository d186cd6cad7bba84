//! Who may write now: mutes and slow mode, as far as no database is needed. The same for every store.

use tidewire_protocol::{
    ErrorCode, ErrorDetail, EventKind, Mute, MuteRequest, Role, SlowMode, UserId, WireError,
};

use super::StoreError;
use super::checked::{Checked, Concern};
use super::rules::require_moderator;

/// Until when somebody is muted whom only others let write again, as it is kept.
const FOR_GOOD: i64 = i64::MAX;

/// Until when a mute is to hold that is taken `now`, as it is kept.
pub(crate) fn until_of(mute: &MuteRequest, now: i64) -> i64 {
    mute.for_ms.map_or(FOR_GOOD, |time| {
        now.saturating_add(i64::try_from(time).unwrap_or(FOR_GOOD)).min(FOR_GOOD - 1)
    })
}

/// The mute of that row, if it still holds.
pub(crate) fn mute_of(until: Option<i64>, now: i64) -> Option<Mute> {
    let mute = Mute { until: until.filter(|until| *until != FOR_GOOD) };
    until.and(Some(mute)).filter(|mute| mute.holds_at(now))
}

/// Whether `by` may mute `user` so, as far as the two alone tell.
pub(crate) fn check_mute(by: &UserId, user: &UserId, mute: &MuteRequest) -> Result<(), StoreError> {
    if by == user {
        return Err(StoreError::Forbidden("nobody mutes himself"));
    }
    mute.validate().map_err(|error| StoreError::InvalidContent(error.to_string()))
}

/// Whether somebody may mute another one who is in the room with that role, or is not in it; and let him write
/// again.
pub(crate) fn may_mute(role: Role, other: Option<Role>) -> Result<(), StoreError> {
    require_moderator(role)?;
    if other.is_some_and(|other| !role.may_send_away(other)) {
        return Err(StoreError::Forbidden("a moderator mutes neither owners nor moderators"));
    }
    Ok(())
}

/// Whether a room may be that slow.
pub(crate) fn check_slow_mode(slow_mode: SlowMode) -> Result<(), StoreError> {
    slow_mode.validate().map_err(|error| StoreError::InvalidContent(error.to_string()))
}

/// Whether a member with that mute may have this written. A deletion he may: it takes back what he said.
pub(crate) fn judge_mute(checked: &Checked, until: Option<i64>, now: i64) -> Result<(), WireError> {
    let Some(Mute { until }) = mute_of(until, now) else { return Ok(()) };
    if checked.op.kind == EventKind::Delete {
        return Ok(());
    }
    let text = "you were muted in this room: you may read, and write again once that ends";
    let detail = ErrorDetail { until, ..ErrorDetail::default() };
    Err(WireError::new(ErrorCode::Muted, text).detail(detail))
}

/// Whether an operation counts for slow mode: what changes a message does not.
pub(crate) fn is_paced(checked: &Checked, role: Role, slow_mode_ms: u32) -> bool {
    let adds = matches!(checked.concern, Concern::Nothing | Concern::Message { .. });
    slow_mode_ms > 0 && adds && !role.moderates()
}

/// Whether enough time has passed since the member's last message, of one that counts.
pub(crate) fn judge_pace(slow_mode_ms: u32, last: Option<i64>, now: i64) -> Result<(), WireError> {
    let Some(last) = last else { return Ok(()) };
    let interval = i64::from(slow_mode_ms);
    // If the clock has gone back, nobody waits for longer than the room asks.
    let left = last.saturating_add(interval).saturating_sub(now).min(interval);
    if left <= 0 {
        return Ok(());
    }
    let text = format!(
        "this room takes a message of yours every {} s: try again later",
        f64::from(slow_mode_ms) / 1_000.0
    );
    Err(WireError::new(ErrorCode::SlowMode, text).retry_after_ms(left.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mute_holds_up_to_its_end_and_without_one_for_good() {
        let forever = until_of(&MuteRequest::default(), 5);
        assert_eq!(mute_of(Some(forever), i64::MAX - 1), Some(Mute { until: None }));
        let until = until_of(&MuteRequest { for_ms: Some(10), reason: None }, 5);
        assert_eq!(mute_of(Some(until), 14), Some(Mute { until: Some(15) }));
        assert_eq!(mute_of(Some(until), 15), None);
        assert_eq!(mute_of(None, 0), None);
    }

    #[test]
    fn nobody_waits_longer_than_the_room_asks_whatever_the_clock_does() {
        let wait = |last, now| judge_pace(1_000, Some(last), now).err()?.retry_after_ms;
        assert_eq!([wait(0, 0), wait(0, 999), wait(0, 1_000)], [Some(1_000), Some(1), None]);
        assert_eq!(wait(50_000, 0), Some(1_000), "the clock went back");
        assert!(judge_pace(1_000, None, 0).is_ok());
    }
}
