//! One connection from `hello` to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::ws::WebSocket;
use futures::FutureExt;
use futures::future::select;
use tidewire_protocol::{
    ClientFrame, Cursor, ErrorCode, Hello, SyncRequest, Synced, UserId, Welcome, WireError, limits,
};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant as Deadline, sleep_until, timeout};

use super::live::LiveRooms;
use super::peer::{End, Inbound, Outbound, Peer};
use super::signals::{Signal, Signals};
use crate::admission::Rank;
use crate::app::App;
use crate::auth::{Keys, Verified};
use crate::connection::{Online, deadline_of, goaway_slot_ms};
use crate::feed::{Feed, FeedEnd};
use crate::hub::Attached;
use crate::inbox::Inbox;
use crate::metrics::{Counted, Kind};
use crate::policy::Audience;
use crate::presence::{Sign, Watching};
use crate::stop::Stop;
use crate::visitor::Visitor;
use crate::{clock, ops, presence, sync};

/// Frames that may have waited when a deadline comes. More of them put nothing off: a flood must
/// not keep a token alive.
const WAITING_FRAMES: usize = 64;

/// Serves a connection until it ends.
pub(super) async fn run(app: Arc<App>, visitor: Visitor, socket: WebSocket) {
    let mut peer = Peer::new(socket, app.metrics.clone());
    let end = match greet(&app, &visitor, &mut peer).await {
        Ok((verified, hello)) => {
            let mut session = Session::new(app, peer, verified, &hello);
            let end = session.run(hello).await;
            peer = session.peer;
            end
        }
        Err(end) => end,
    };
    peer.close(end).await;
}

/// Waits for the first `hello`, before which nothing else is heard, and for its turn.
async fn greet(app: &App, visitor: &Visitor, peer: &mut Peer) -> Result<(Verified, Hello), End> {
    let hello = async {
        loop {
            match peer.receive().await? {
                Inbound::Frame(ClientFrame::Hello(hello)) => return Ok(hello),
                Inbound::Frame(_) => {
                    let text = "the first frame is `hello`";
                    return Err(End::Error(WireError::new(ErrorCode::BadFrame, text)));
                }
                Inbound::Bad(error) => return Err(End::Error(error)),
                Inbound::Alive => {}
            }
        }
    };
    let hello = tokio::select! {
        hello = timeout(app.config.hello_timeout, hello) => hello,
        () = app.stopping() => return Err(goaway(app)),
    };
    let hello = hello.map_err(|_| {
        End::Error(WireError::new(ErrorCode::BadFrame, "no `hello` came in time"))
    })??;
    let verified = match hello.token.as_deref() {
        Some(token) => app.tokens.verify(token).await,
        None => {
            let text = "the first `hello` has a token";
            Err(WireError::new(ErrorCode::TokenInvalid, text))
        }
    };
    let verified = verified.map_err(|error| End::Error(visitor.failed(error)))?;
    visitor.is_known();
    let resumes = hello.cursor.is_some() || !hello.live.is_empty();
    let rank = if resumes { Rank::Resume } else { Rank::Newcomer };
    tokio::select! {
        entered = app.door.enter(&verified.user, hello.device, rank) => entered.map_err(End::Error)?,
        () = app.stopping() => return Err(goaway(app)),
    }
    Ok((verified, hello))
}

fn goaway(app: &App) -> End {
    End::Goaway { retry_after_ms: goaway_slot_ms(app) }
}

/// A connection after its first `hello`.
pub(super) struct Session {
    pub(super) app: Arc<App>,
    pub(super) peer: Peer,
    pub(super) user: UserId,
    pub(super) inbox: Arc<Inbox>,
    feed: Option<Feed>,
    pub(super) live: LiveRooms,
    pub(super) watching: Watching,
    online: Online,
    counted: Counted,
    verified: Verified,
    pub(super) revoked: watch::Receiver<u64>,
    expires: Deadline,
    silent_at: Deadline,
    pub(super) audience: watch::Receiver<Audience>,
    pub(super) stop: Stop,
    /// The hub puts the user's events into the inbox while this lives.
    _attached: Attached,
}

impl Session {
    fn new(app: Arc<App>, peer: Peer, verified: Verified, hello: &Hello) -> Self {
        let (user, expires) = (verified.user.clone(), verified.expires);
        let inbox = Arc::new(Inbox::default());
        let sign = sign_of(hello, hello.device);
        Self {
            _attached: app.hub.attach(&user, &inbox),
            live: LiveRooms::new(app.hub.clone(), inbox.clone()),
            feed: None,
            watching: Watching::new(app.presence.clone(), user.clone(), inbox.clone()),
            online: Online::begin(&app, &user, sign),
            revoked: app.tokens.revoked().changes(),
            verified,
            counted: app.metrics.connection(kind_of(hello)),
            expires: deadline_of(expires),
            silent_at: Deadline::now(),
            audience: app.audience.subscribe(),
            stop: app.stop.clone(),
            inbox,
            user,
            peer,
            app,
        }
    }

    async fn run(&mut self, hello: Hello) -> End {
        match self.serve(hello).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve(&mut self, hello: Hello) -> Result<std::convert::Infallible, End> {
        // What is rare is boxed: a connection that says nothing keeps room for the waiting alone.
        Box::pin(self.hello(hello)).await?;
        let mut signals = Signals::new(self);
        // Who is listened to first: after a push the other side, else a busy feed would never let it speak. What comes
        // second is not polled at all when the first has something, which a fan-out has a thousand times a message.
        let mut pushed = false;
        loop {
            let work = self.feed.as_ref().is_some_and(Feed::is_behind)
                || self.live.is_behind()
                || !self.inbox.is_empty();
            let moments = self.watching.has_news();
            let heard = tokio::select! {
                biased;
                signal = signals.next() => Heard::Signal(signal),
                () = sleep_until(self.watching.calm_until()), if !work && moments => Heard::Calm,
                heard = heard(&mut self.peer, &self.inbox, work, pushed) => heard?,
            };
            pushed = matches!(heard, Heard::Bell);
            // What is rare is boxed here, too.
            match heard {
                Heard::Signal(signal) => Box::pin(self.obey(signal, &mut signals)).await?,
                Heard::Inbound(inbound) => {
                    Box::pin(self.handle(inbound)).await?;
                    signals.wake_by(self.next_deadline());
                }
                Heard::Calm => Box::pin(self.push_moments()).await?,
                Heard::Bell => {
                    Box::pin(async {
                        self.push_feed().await?;
                        self.push_live().await
                    })
                    .await?;
                }
            }
        }
    }

    /// The next moment at which something is to be looked at.
    pub(super) fn next_deadline(&self) -> Deadline {
        self.expires.min(self.silent_at)
    }

    async fn obey(&mut self, signal: Signal, signals: &mut Signals) -> Result<(), End> {
        match signal {
            Signal::Stop => return Err(goaway(&self.app)),
            Signal::Changed => {
                self.revoked.mark_unchanged();
                let good = self.app.tokens.revoked().check(&self.verified);
                good.map_err(End::Error)?;
                // Unless a `welcome` told it meanwhile.
                if self.audience.has_changed().unwrap_or(false) {
                    self.tell_audience().await?;
                }
                signals.watch(self);
            }
            Signal::Time => {
                if self.expires <= Deadline::now()
                    && !self.is_put_off(|session| session.expires).await?
                {
                    return Err(End::Error(Keys::expired()));
                }
                if self.silent_at <= Deadline::now()
                    && !self.is_put_off(|session| session.silent_at).await?
                {
                    let text = "nothing was heard for 2.5 heartbeats";
                    return Err(End::Error(WireError::new(ErrorCode::BadFrame, text)));
                }
                signals.rang();
                signals.wake_by(self.next_deadline());
            }
        }
        Ok(())
    }

    /// Begins to push from `cursor`, or says why not.
    async fn start_feed(&mut self, cursor: Option<Cursor>) -> Result<(), End> {
        match Feed::begin(&self.app, &self.user, &self.inbox, cursor) {
            Ok(feed) => {
                self.feed = Some(feed);
                Ok(())
            }
            Err(error) => self.peer.tell(error, None).await,
        }
    }

    async fn credit(&mut self, cursor: &Cursor) -> Result<(), End> {
        match self.feed.as_mut().map(|feed| feed.confirm(cursor)) {
            Some(Err(error)) => self.peer.tell(error, None).await,
            Some(Ok(())) | None => Ok(()),
        }
    }

    async fn push_feed(&mut self) -> Result<(), End> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        match feed.pages().await {
            Ok(pages) => {
                for page in pages {
                    self.peer.send(&Outbound::Batch(page)).await?;
                }
                Ok(())
            }
            Err(FeedEnd::Cursor(error)) => {
                self.feed = None;
                self.inbox.set_feed(false);
                self.peer.tell(error, None).await
            }
            Err(FeedEnd::Store(error)) => Err(End::Error(error)),
        }
    }

    /// Whether a deadline that has come is put off by what has arrived already: while a slow reader
    /// was written to, nobody listened to it.
    async fn is_put_off(&mut self, deadline: fn(&Self) -> Deadline) -> Result<bool, End> {
        for _ in 0..WAITING_FRAMES {
            // Outside of the runtime's budget, which would make a frame that waits look like none.
            let Some(inbound) = unconstrained(self.peer.receive()).now_or_never() else { break };
            self.handle(inbound?).await?;
            if deadline(self) > Deadline::now() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn heard(&mut self) {
        self.silent_at = Deadline::now() + presence::silence(self.online.sign.heartbeat_ms);
    }

    async fn handle(&mut self, inbound: Inbound) -> Result<(), End> {
        let frame = match inbound {
            Inbound::Frame(frame) => frame,
            Inbound::Bad(error) => {
                self.heard();
                return self.peer.tell(error, None).await;
            }
            // Written by the library of the other side, which may outlive the client in it.
            Inbound::Alive => return Ok(()),
        };
        self.heard();
        match frame {
            ClientFrame::Hello(hello) => {
                if let Some(token) = &hello.token {
                    self.renew(token).await.map_err(End::Error)?;
                }
                self.hello(hello).await
            }
            ClientFrame::Token { token } => self.renew(&token).await.map_err(End::Error),
            ClientFrame::Credit { cursor } => self.credit(&cursor).await,
            ClientFrame::Subscribe(from) => self.subscribe(from).await,
            ClientFrame::Unsubscribe { room } => {
                self.live.remove(room);
                Ok(())
            }
            ClientFrame::Send(request) => {
                let sent = ops::apply(&self.app, &self.user, request).await;
                self.peer.send(&Outbound::Sent(sent)).await
            }
            ClientFrame::Sync { request, sync } => self.sync(request, sync).await,
            ClientFrame::Receipts { receipts } => {
                match sync::put_receipts(&self.app, &self.user, receipts).await {
                    Ok(()) => Ok(()),
                    Err(error) => self.peer.tell(error, None).await,
                }
            }
            ClientFrame::Watch { rooms } => self.watch(rooms).await,
            ClientFrame::Ephemeral { typing } => self.typing(&typing).await,
            ClientFrame::Ping => self.peer.send(&Outbound::Pong).await,
            ClientFrame::Pong | ClientFrame::Unknown(_) => Ok(()),
        }
    }

    /// Sets everything that a `hello` says. What was before it is no more.
    async fn hello(&mut self, hello: Hello) -> Result<(), End> {
        // A socket is one device's for as long as it lives.
        self.online.sign = sign_of(&hello, self.online.sign.device);
        self.app.presence.socket_said(&self.user, self.online.sign, Instant::now());
        self.heard();
        self.counted.becomes(kind_of(&hello));
        self.feed = None;
        self.inbox.set_feed(false);
        let audience = self.app.audience_now();
        // What `welcome` tells need not be told again.
        self.audience.mark_unchanged();
        let welcome = Outbound::Welcome(Welcome {
            user: self.user.clone(),
            epoch: self.app.store.epoch().clone(),
            online: audience.online,
            policy: audience.policy,
            ephemeral_members: self.app.presence.members(),
            max_upload_bytes: self.app.files.max_bytes(),
            idempotency_window_ms: limits::IDEMPOTENCY_WINDOW_MS,
            now: clock::now_ms(),
        });
        self.peer.send(&welcome).await?;
        if hello.feed {
            self.start_feed(hello.cursor).await?;
        }
        self.live.retain(&hello.live);
        for from in hello.live {
            self.subscribe(from).await?;
        }
        self.watch(hello.watch).await
    }

    /// Takes another token of the same user.
    async fn renew(&mut self, token: &str) -> Result<(), WireError> {
        let verified = self.app.tokens.verify(token).await?;
        if verified.user != self.user {
            let text = "the token is another user's: open another socket";
            return Err(WireError::new(ErrorCode::TokenInvalid, text));
        }
        self.expires = deadline_of(verified.expires);
        self.verified = verified;
        Ok(())
    }

    async fn sync(&mut self, request: u64, mut sync: SyncRequest) -> Result<(), End> {
        // A wait would hold up everything else on this socket.
        sync.wait_ms = 0;
        let synced = match sync::sync(&self.app, &self.user, sync).await {
            Ok(response) => Synced { request, response: Some(response), error: None },
            Err(error) => Synced { request, response: None, error: Some(error) },
        };
        self.peer.send(&Outbound::Synced(Box::new(synced))).await
    }

    async fn tell_audience(&mut self) -> Result<(), End> {
        let Audience { online, policy } = *self.audience.borrow_and_update();
        self.peer.send(&Outbound::Policy { online, policy }).await
    }
}

/// What a session hears.
enum Heard {
    Signal(Signal),
    Inbound(Inbound),
    /// There is something to push, or was a moment ago.
    Bell,
    /// Presence and typing may be told.
    Calm,
}

/// Waits for the other side and for the bell. May be dropped while it waits, without a loss.
async fn heard(
    peer: &mut Peer,
    inbox: &Inbox,
    work: bool,
    other_side_first: bool,
) -> Result<Heard, End> {
    let bell = pin!(async {
        if !work {
            inbox.rung().await;
        }
        Ok(Heard::Bell)
    });
    let inbound = pin!(async { peer.receive().await.map(Heard::Inbound) });
    if other_side_first {
        select(inbound, bell).await.factor_first().0
    } else {
        select(bell, inbound).await.factor_first().0
    }
}

/// In which mode a socket is used.
fn kind_of(hello: &Hello) -> Kind {
    if hello.feed { Kind::REAL_TIME } else { Kind::HYBRID }
}

/// What a `hello` says of its device.
fn sign_of(hello: &Hello, device: u32) -> Sign {
    Sign { device, app_state: hello.app_state, heartbeat_ms: hello.heartbeat_ms }
}
