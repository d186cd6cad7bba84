//! The call `sync`, the same over HTTP and over a socket: operations and receipts first, then a page
//! of the feed, with a wait for news if the caller wants one.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use tidewire_protocol::{
    Cursor, ErrorCode, Page, ReceiptUpdate, RoomId, Seq, SyncRequest, SyncResponse, TypingUpdate,
    UserId, WireError, limits,
};

use crate::app::App;
use crate::clock;
use crate::config::SYNC_ROOMS;
use crate::cursor::Position;
use crate::ops;
use crate::presence::Sign;
use crate::store::{EventJson, FeedPage, FeedQuery};

/// A cursor older than this is written anew even if nothing happened, so that it never grows old
/// in the hands of a client who asks. In ms: a day.
const RENEW_MS: i64 = 24 * 3_600 * 1_000;

/// What is read, apart from where it begins.
struct Reading<'a> {
    app: &'a App,
    user: &'a UserId,
    limit: usize,
    have: BTreeMap<RoomId, Seq>,
}

/// Answers the call. `wait_ms` of the request counts only where it may be waited.
pub(crate) async fn sync(
    app: &App,
    user: &UserId,
    request: SyncRequest,
) -> Result<SyncResponse<EventJson>, WireError> {
    check(&request)?;
    let sign = Sign {
        device: request.device,
        app_state: request.app_state,
        heartbeat_ms: request.heartbeat_ms,
    };
    app.presence.seen(user, sign, Instant::now());
    app.presence.typing(user, &request.typing, Instant::now());
    // Before the operations: a request with a cursor that is no good is refused as a whole.
    let from = match request.cursor {
        Some(cursor) => Some((app.cursors.decode(user, &cursor)?, cursor)),
        None => None,
    };
    let with_ops = !request.ops.is_empty();
    let mut results = Vec::with_capacity(request.ops.len());
    for room_ops in request.ops {
        results.push(ops::apply(app, user, room_ops).await);
    }
    if let Err(error) = put_receipts(app, user, request.receipts).await {
        // The client tells them again until it sees them come back: the page does not suffer.
        tracing::warn!(code = %error.code, "receipts were not taken");
    }
    let page = match from {
        None => None,
        Some((position, cursor)) => {
            let limit = request.limit.clamp(1, limits::PAGE_EVENTS);
            let reading = Reading { app, user, limit, have: request.have };
            let wait_ms = if with_ops { 0 } else { request.wait_ms.min(limits::WAIT_MS) };
            Some(reading.page_after_wait(&position, cursor, wait_ms).await?)
        }
    };
    // Last, so that a wait does not make it old.
    let ephemeral = match request.watch {
        Some(watch) => match app.presence.answer(user, &watch, app.store.as_ref()).await {
            Ok(ephemeral) => ephemeral,
            Err(error) => {
                // The next poll asks again: the page does not suffer.
                tracing::warn!(%error, "presence could not be told");
                None
            }
        },
        None => None,
    };
    let audience = app.audience_now();
    Ok(SyncResponse {
        page,
        results,
        online: audience.online,
        policy: audience.policy,
        now: clock::now_ms(),
        ephemeral_members: app.presence.members(),
        max_upload_bytes: app.files.max_bytes(),
        ephemeral,
    })
}

/// Takes receipts, whichever way they came. They count against no rate: one moves only as often as
/// something was written.
pub(crate) async fn put_receipts(
    app: &App,
    user: &UserId,
    receipts: Vec<ReceiptUpdate>,
) -> Result<(), WireError> {
    check_receipts(&receipts)?;
    if !receipts.is_empty() {
        app.store.put_receipts(user.clone(), receipts).await?;
    }
    Ok(())
}

fn check_receipts(receipts: &[ReceiptUpdate]) -> Result<(), WireError> {
    if receipts.len() > limits::RECEIPTS_PER_REQUEST {
        let most = limits::RECEIPTS_PER_REQUEST;
        let text = format!("`receipts` has at most {most} entries: send the rest later");
        return Err(WireError::new(ErrorCode::InvalidContent, text));
    }
    Ok(())
}

/// Whether so many rooms may be told of typing at once.
pub(crate) fn check_typing(typing: &[TypingUpdate]) -> Result<(), WireError> {
    if typing.len() > limits::TYPING_PER_REQUEST {
        let text = format!("`typing` has at most {} entries", limits::TYPING_PER_REQUEST);
        return Err(WireError::new(ErrorCode::InvalidContent, text));
    }
    Ok(())
}

/// Whether so many rooms may be watched.
pub(crate) fn check_watch(rooms: &[RoomId]) -> Result<(), WireError> {
    if rooms.len() > limits::WATCHED_ROOMS {
        let text = format!("at most {} rooms are watched", limits::WATCHED_ROOMS);
        return Err(WireError::new(ErrorCode::InvalidContent, text));
    }
    Ok(())
}

fn check(request: &SyncRequest) -> Result<(), WireError> {
    check_receipts(&request.receipts)?;
    check_typing(&request.typing)?;
    check_watch(request.watch.as_ref().map_or(&[], |watch| &watch.rooms))?;
    if request.ops.len() > SYNC_ROOMS {
        let text = format!("`ops` has at most {SYNC_ROOMS} entries: send the rest later");
        return Err(WireError::new(ErrorCode::InvalidContent, text));
    }
    let mut rooms = HashSet::new();
    if !request.ops.iter().all(|ops| rooms.insert(ops.room)) {
        let text = "`ops` has at most one entry a room: put its operations together";
        return Err(WireError::new(ErrorCode::InvalidContent, text));
    }
    Ok(())
}

impl Reading<'_> {
    async fn page_after_wait(
        &self,
        position: &Position,
        cursor: Cursor,
        wait_ms: u64,
    ) -> Result<Page<EventJson>, WireError> {
        if wait_ms == 0 {
            return self.page(position, cursor).await;
        }
        let deadline = tokio::time::Instant::now() + Duration::from_millis(wait_ms);
        // Registered before the look, so that nothing falls between the two.
        let waiting = self.app.hub.wait(self.user);
        loop {
            let page = self.page(position, cursor.clone()).await?;
            let quiet = page.events.is_empty()
                && page.limited.is_empty()
                && page.receipts.is_empty()
                && page.settings.is_empty()
                && page.blocks.is_none();
            if page.more || !quiet {
                return Ok(page);
            }
            tokio::select! {
                () = waiting.rung() => {}
                () = tokio::time::sleep_until(deadline) => return Ok(page),
                () = self.app.stopping() => return Ok(page),
            }
        }
    }

    async fn page(&self, position: &Position, from: Cursor) -> Result<Page<EventJson>, WireError> {
        let Self { app, user, .. } = self;
        if app.hub.nothing_after(user, &position.ords) {
            let old = clock::now_ms().saturating_sub(position.issued_at) > RENEW_MS;
            let to = if old { app.cursors.encode(user, &position.ords) } else { from.clone() };
            let (events, limited, receipts, settings, blocks) = Default::default();
            let more = false;
            return Ok(Page { from, events, to, more, limited, receipts, settings, blocks });
        }
        let query = FeedQuery {
            user: (*user).clone(),
            from: position.ords.clone(),
            limit: self.limit,
            room_limit: self.limit,
            have: self.have.clone(),
        };
        let page = app.store.feed_page(query).await?;
        let to = if page.to == position.ords {
            from.clone()
        } else {
            app.cursors.encode(user, &page.to)
        };
        let FeedPage { events, limited, receipts, settings, blocks, more, .. } = page;
        Ok(Page { from, events, to, more, limited, receipts, settings, blocks })
    }
}
