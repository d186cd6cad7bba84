//! Operations of one room, whichever way they came: the checks that need no database, the user's
//! rate, the store.

use std::time::Instant;

use tidewire_protocol::{ErrorCode, Op, RoomId, RoomOps, Sent, UserId, WireError, limits};

use crate::app::App;
use crate::store::Appended;

/// Applies the operations. What stands in `Sent` is what the client hears.
pub(crate) async fn apply(app: &App, user: &UserId, request: RoomOps) -> Sent {
    let RoomOps { room, ops } = request;
    match try_apply(app, user, room, ops).await {
        Ok(appended) => Sent { room, results: appended.results, error: None },
        Err(error) => Sent { room, results: Vec::new(), error: Some(error) },
    }
}

async fn try_apply(
    app: &App,
    user: &UserId,
    room: RoomId,
    ops: Vec<Op>,
) -> Result<Appended, WireError> {
    if ops.is_empty() || ops.len() > limits::OPS_PER_REQUEST {
        return Err(WireError::new(
            ErrorCode::InvalidContent,
            format!("1 to {} operations of a room in one request", limits::OPS_PER_REQUEST),
        ));
    }
    if ops.iter().map(Op::wire_bytes).sum::<usize>() > limits::FRAME_BYTES {
        return Err(WireError::new(
            ErrorCode::TooLarge,
            format!("the operations of a room have at most {} bytes together", limits::FRAME_BYTES),
        ));
    }
    let cost = ops.len();
    let begun = Instant::now();
    app.limiter.take(user, cost, begun)?;
    let appended = app.store.append(room, user.clone(), ops).await;
    app.load.database_took(begun.elapsed(), Instant::now());
    // What was not written costs nothing: a resend after a lost answer must not be punished.
    let written = appended.as_ref().map_or(0, |appended| appended.fresh);
    app.metrics.appended(cost, written, begun.elapsed());
    app.limiter.give_back(user, cost - written);
    if written > 0 {
        app.presence.sent(user, room, Instant::now());
    }
    Ok(appended?)
}
