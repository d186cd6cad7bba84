//! `GET /v1/events`: the pushed feed as an event stream, for networks that let HTTP through and
//! break WebSockets. It says the same frames as a socket whose `hello` asked for the feed, and hears
//! nothing: everything that a client has to say goes by other calls, and the rooms that it watches
//! are those of its query.

mod format;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tidewire_protocol::{Cursor, EventsQuery, RoomId, UserId, Welcome, WireError, limits};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::admission::Rank;
use crate::app::App;
use crate::auth::{Keys, Verified};
use crate::clock;
use crate::connection::{self, Online, Open, deadline_of};
use crate::feed::{Feed, FeedEnd};
use crate::http::Refusal;
use crate::http::extract::{Params, Token};
use crate::hub::Attached;
use crate::inbox::Inbox;
use crate::metrics::{Counted, Kind};
use crate::policy::Audience;
use crate::presence::{Sign, Watching};
use crate::stop::Stop;
use crate::store::EventJson;
use crate::sync;

/// What is said, in the words of a socket.
type Frame = tidewire_protocol::ServerFrame<EventJson>;

/// Where a client resumes from, as the HTML standard has it.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Begins the stream, or says why not with the status of the answer.
pub(crate) async fn events(
    State(app): State<Arc<App>>,
    Token(verified): Token,
    Params(query): Params<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    sync::check_watch(&query.watch)?;
    connection::admit(&app)?;
    let resumed = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default());
    // An empty one is what a client sends that has not got any yet.
    let resumed = resumed.filter(|id| !id.is_empty()).map(Cursor::new);
    let cursor = resumed.or(query.cursor);
    let sign =
        Sign { device: query.device, app_state: query.app_state, heartbeat_ms: query.heartbeat_ms };
    app.door.enter(&verified.user, query.device, Rank::Resume).await?;
    let session = Session::begin(app, verified, cursor, sign, query.watch)?;
    let chunks = stream::unfold(session, async |mut session| {
        let text = session.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), session))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // What NGINX reads: it would keep the events back otherwise.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(chunks)).into_response())
}

/// A stream that is open. hyper asks it for more once the connection has room, so that nothing
/// piles up for a slow reader but what the inbox holds.
struct Session {
    app: Arc<App>,
    user: UserId,
    verified: Verified,
    revoked: watch::Receiver<u64>,
    inbox: Arc<Inbox>,
    feed: Feed,
    watching: Watching,
    /// Made and not given to the connection yet.
    frames: VecDeque<Frame>,
    welcomed: bool,
    ended: bool,
    expires: Instant,
    /// The longest silence.
    keep_alive: Duration,
    silent_until: Instant,
    audience: watch::Receiver<Audience>,
    stop: Stop,
    _online: Online,
    /// The hub puts the user's events into the inbox while this lives.
    _attached: Attached,
    _counted: Counted,
    _open: Open,
}

/// Why a stream is over: the last event tells.
enum End {
    Error(WireError),
    Stop,
}

impl From<FeedEnd> for End {
    fn from(end: FeedEnd) -> Self {
        match end {
            FeedEnd::Cursor(error) | FeedEnd::Store(error) => End::Error(error),
        }
    }
}

impl Session {
    fn begin(
        app: Arc<App>,
        verified: Verified,
        cursor: Option<Cursor>,
        sign: Sign,
        watch: Vec<RoomId>,
    ) -> Result<Self, WireError> {
        let (user, expires) = (verified.user.clone(), verified.expires);
        let inbox = Arc::new(Inbox::default());
        let attached = app.hub.attach(&user, &inbox);
        let feed = Feed::begin(&app, &user, &inbox, cursor)?;
        let mut watching = Watching::new(app.presence.clone(), user.clone(), inbox.clone());
        watching.set(watch);
        let (least, most) = (*limits::HEARTBEAT_MS.start(), *limits::HEARTBEAT_MS.end());
        let keep_alive = Duration::from_millis(sign.heartbeat_ms.clamp(least, most));
        Ok(Self {
            feed,
            watching,
            frames: VecDeque::new(),
            welcomed: false,
            ended: false,
            expires: deadline_of(expires),
            keep_alive,
            silent_until: Instant::now() + keep_alive,
            audience: app.audience.subscribe(),
            stop: app.stop.clone(),
            _online: Online::begin(&app, &user, sign),
            _attached: attached,
            _counted: app.metrics.connection(Kind::EVENTS),
            _open: Open::count(app.clone()),
            revoked: app.tokens.revoked().changes(),
            verified,
            inbox,
            user,
            app,
        })
    }

    /// The next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        let text = match self.serve().await {
            Ok(text) => text,
            Err(end) => {
                self.ended = true;
                self.last_words(end)
            }
        };
        self.silent_until = Instant::now() + self.keep_alive;
        Some(text)
    }

    async fn serve(&mut self) -> Result<String, End> {
        if !std::mem::replace(&mut self.welcomed, true) {
            return Ok(self.welcome());
        }
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(match &frame {
                    Frame::Batch(page) => text("batch", Some(&page.to), &frame),
                    _ => text("ephemeral", None, &frame),
                });
            }
            // The connection has taken all that there was: its own back-pressure stands for credit.
            self.feed.confirm_all();
            let work = self.feed.is_behind() || !self.inbox.is_empty();
            let moments = self.watching.has_news();
            tokio::select! {
                () = self.stop.requested() => return Err(End::Stop),
                () = self.inbox.rung(), if !work => {}
                // Not cut off by anything else: a read that begins anew whenever the audience
                // changes never ends under load.
                () = std::future::ready(()), if work => {
                    let pages = self.feed.pages().await?;
                    self.frames = pages.into_iter().map(Frame::Batch).collect();
                }
                () = sleep_until(self.watching.calm_until()), if !work && moments => {
                    let news = self.watching.news(self.app.store.as_ref()).await;
                    let news = news.map_err(|error| End::Error(error.into()))?;
                    self.frames = news.into_iter().map(Frame::Ephemeral).collect();
                }
                Ok(()) = self.audience.changed() => {
                    let Audience { online, policy } = *self.audience.borrow_and_update();
                    return Ok(text("policy", None, &Frame::Policy { online, policy }));
                }
                Ok(()) = self.revoked.changed() => {
                    self.app.tokens.revoked().check(&self.verified).map_err(End::Error)?;
                }
                () = sleep_until(self.expires) => return Err(End::Error(Keys::expired())),
                () = sleep_until(self.silent_until), if !work => {
                    return Ok(format::COMMENT.to_owned());
                }
            }
        }
    }

    fn welcome(&mut self) -> String {
        let audience = self.app.audience_now();
        // What `welcome` tells need not be told again.
        self.audience.mark_unchanged();
        let welcome = Welcome {
            user: self.user.clone(),
            epoch: self.app.store.epoch().clone(),
            online: audience.online,
            policy: audience.policy,
            ephemeral_members: self.app.presence.members(),
            max_upload_bytes: self.app.files.max_bytes(),
            idempotency_window_ms: limits::IDEMPOTENCY_WINDOW_MS,
            now: clock::now_ms(),
        };
        text("welcome", None, &Frame::Welcome(welcome))
    }

    fn last_words(&self, end: End) -> String {
        match end {
            End::Error(error) => {
                self.app.metrics.refused(&error);
                text("error", None, &Frame::Error { error, room: None })
            }
            End::Stop => {
                let retry_after_ms = connection::goaway_slot_ms(&self.app);
                let reason = connection::STOPS.to_owned();
                text("goaway", None, &Frame::Goaway { retry_after_ms, reason })
            }
        }
    }
}

fn text(name: &str, id: Option<&Cursor>, frame: &Frame) -> String {
    let json = serde_json::to_string(frame).unwrap_or_else(|error| {
        tracing::error!(%error, "a frame is no JSON");
        // The client takes the stream for broken, and comes back with its cursor.
        String::new()
    });
    format::event(name, id.map(Cursor::as_str), &json)
}
