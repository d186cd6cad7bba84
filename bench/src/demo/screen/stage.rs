//! What happens behind the screen: a real server, a crowd, and the person's own client behind a
//! network that fails when it is told to.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidewire::{
    AppState, Client, ClientEvent, Mode, Network, NetworkKind, Problem, RoomId, UserId,
};
use tidewire_server::Server;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use super::crowd::{Crowd, Place, SPREAD};
use super::friend;
use super::latency::Sent;
use super::news::{Around, News};
use super::state::Wish;
use super::watch::{self as watcher, Look};
use crate::demo::{Error, start_server};
use crate::proxy::{Fault, Proxy};

const ROOMS: [&str; 6] =
    ["harbour", "lighthouse", "tide tables", "boat shed", "crew", "lost & found"];
/// One way on a 2G network: a round trip takes about 600 ms.
const SLOW: Duration = Duration::from_millis(300);
/// What share of the packets is lost when packets are.
const LOSS_PERCENT: u8 = 20;
/// How long a refusal may take to arrive.
const REFUSAL: Duration = Duration::from_secs(30);
/// How long the end may take: a person who quits does not want to wait.
const END: Duration = Duration::from_secs(3);

/// The network as `around` has it: the worst that was asked for.
fn fault(around: &Around) -> Fault {
    if around.cut {
        Fault::Cut
    } else if around.lossy {
        Fault::Loss { percent: LOSS_PERCENT }
    } else if around.slow {
        Fault::Delay(SLOW)
    } else {
        Fault::None
    }
}

/// What the platform would tell of it. Lost packets it does not know of.
fn network(around: &Around) -> Network {
    let kind = if around.cut {
        NetworkKind::None
    } else if around.slow {
        NetworkKind::Cellular2G
    } else {
        NetworkKind::Wifi
    };
    Network { kind, ..Network::default() }
}

/// The world of the demo.
pub(super) struct Stage {
    /// Goes away with all data at the end.
    folder: tempfile::TempDir,
    addr: SocketAddr,
    server: Option<Server>,
    proxy: Proxy,
    host: Client,
    you: Client,
    crowd: Crowd,
    open: watch::Sender<RoomId>,
    /// Whether the person looks at something else than the app.
    away: watch::Sender<bool>,
    looking: Option<(JoinHandle<()>, UnboundedSender<()>)>,
    around: Around,
    sent: Sent,
    began_at: i64,
    news: UnboundedSender<News>,
    tasks: JoinSet<()>,
}

impl Stage {
    /// Starts everything, with so many simulated users on their way.
    ///
    /// # Errors
    /// When server, proxy or the first clients can not be started.
    pub(super) async fn start(users: usize, news: UnboundedSender<News>) -> Result<Self, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let folder = tempfile::tempdir()?;
        let server = start_server(folder.path().join("server"), None).await?;
        let addr = server.addr();
        let url = format!("http://{addr}");
        let proxy = Proxy::start(addr).await?;
        let day = Duration::from_secs(24 * 3_600);
        let (host, you) = (UserId::new("harbourmaster")?, UserId::new("you")?);
        let mint = |user: &UserId| server.keys().mint(user, day);
        let host_token = mint(&host)?;
        let you_token = mint(&you)?;
        let host = Client::builder(url.as_str(), host).token(host_token).open().await?;
        let mut rooms = Vec::new();
        for name in ROOMS {
            rooms.push(host.create_group(name, vec![you.clone()]).await?.id());
        }
        let friend = UserId::new("robin")?;
        let friend_token = mint(&friend)?;
        let friend =
            Client::builder(url.as_str(), friend).token(friend_token).spread(SPREAD).open().await?;
        let person = you.clone();
        let you = Client::builder(proxy.url(), you)
            .token(you_token)
            .data_dir(folder.path().join("you"))
            .spread(SPREAD)
            .open()
            .await?;
        let (open, opened) = watch::channel(rooms[0]);
        let sent = Sent::default();
        let crowd = Crowd::start(Place {
            url,
            keys: server.keys().clone(),
            host: host.clone(),
            rooms,
            open: opened,
            sent: sent.clone(),
        });
        crowd.want(users);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Err(error) = friend::live(friend, person).await {
                tracing::debug!(%error, "the friend is gone");
            }
        });
        tasks.spawn(watcher::modes(you.clone(), news.clone()));
        tasks.spawn(watcher::rooms(you.clone(), news.clone()));
        tasks.spawn(watcher::problems(you.clone(), news.clone()));
        let mut stage = Self {
            folder,
            addr,
            server: Some(server),
            proxy,
            host,
            you,
            crowd,
            away: watch::Sender::new(false),
            looking: None,
            around: Around { wanted: users, ..Around::default() },
            sent,
            began_at: i64::try_from(now.as_millis()).unwrap_or(0),
            news,
            tasks,
            open,
        };
        let first = *stage.open.borrow();
        stage.look(first);
        Ok(stage)
    }

    /// Fulfils wishes until there are no more of them.
    pub(super) async fn run(mut self, mut wishes: UnboundedReceiver<Wish>) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut here = self.crowd.here();
        loop {
            tokio::select! {
                wish = wishes.recv() => match wish {
                    None | Some(Wish::Quit) => break,
                    Some(wish) => self.fulfil(wish).await,
                },
                Ok(()) = here.changed() => {
                    self.around.here = *here.borrow_and_update();
                    self.tell_around();
                }
                _ = seconds.tick() => {
                    if let Ok(cost) = watcher::cost(&self.you).await {
                        self.tell(News::Cost(cost));
                    }
                    self.tell(News::Second);
                }
                Some(_) = self.tasks.join_next() => {}
            }
        }
        self.end().await;
    }

    async fn fulfil(&mut self, wish: Wish) {
        match wish {
            Wish::Open(room) => self.look(room),
            Wish::Send(room, text) => self.send(room, text).await,
            Wish::Crowd(users) => {
                self.around.wanted = users;
                self.crowd.want(users);
                self.tell_around();
            }
            Wish::Cut(cut) => self.change_network(|around| around.cut = cut),
            Wish::Lossy(lossy) => self.change_network(|around| around.lossy = lossy),
            Wish::Slow(slow) => self.change_network(|around| around.slow = slow),
            Wish::Background(background) => {
                self.around.background = background;
                self.away.send_replace(background);
                self.you.set_app_state(if background {
                    AppState::Background
                } else {
                    AppState::Foreground
                });
                self.tell_around();
            }
            Wish::Server(on) => self.switch_server(on).await,
            Wish::Fail(room) => {
                let task = fail(self.you.clone(), self.host.clone(), room, self.news.clone());
                self.tasks.spawn(task);
            }
            Wish::Retry(room, message) => {
                let done = self.you.room(room).retry(message).await;
                self.tell_error("retry", done);
            }
            Wish::Discard(room, message) => {
                let done = self.you.room(room).discard(message).await;
                self.tell_error("discard", done);
            }
            Wish::Older => {
                if let Some((_, older)) = &self.looking {
                    // Nobody takes it if the client is closed, which is the end anyway.
                    let _ = older.send(());
                }
            }
            Wish::Quit => {}
        }
    }

    fn tell(&self, news: News) {
        // Nobody listens any more at the end.
        let _ = self.news.send(news);
    }

    fn tell_around(&self) {
        self.tell(News::Around(self.around.clone()));
    }

    fn tell_error<T>(&self, what: &str, done: Result<T, tidewire::Error>) -> Option<T> {
        done.map_err(|error| self.tell(News::Notice(format!("{what}: {error}")))).ok()
    }

    fn look(&mut self, room: RoomId) {
        if let Some((task, _)) = self.looking.take() {
            task.abort();
        }
        self.open.send_replace(room);
        let (ask, older) = mpsc::unbounded_channel();
        let look = Look {
            room: self.you.room(room),
            client: self.you.clone(),
            began_at: self.began_at,
            sent: self.sent.clone(),
            news: self.news.clone(),
            away: self.away.subscribe(),
            older,
        };
        self.looking = Some((tokio::spawn(watcher::timeline(look)), ask));
    }

    async fn send(&mut self, room: RoomId, text: String) {
        let begun = Instant::now();
        let sent = self.you.room(room).send(text).await;
        if let Some(id) = self.tell_error("not sent", sent) {
            self.sent.note(id, begun);
        }
    }

    fn change_network(&mut self, change: impl FnOnce(&mut Around)) {
        change(&mut self.around);
        let fault = fault(&self.around);
        if fault != self.proxy.fault() {
            self.proxy.set(fault);
        }
        self.you.set_network(network(&self.around));
        self.tell_around();
    }

    async fn switch_server(&mut self, on: bool) {
        if on && self.server.is_none() {
            match start_server(self.folder.path().join("server"), Some(self.addr)).await {
                Ok(server) => {
                    self.server = Some(server);
                    self.tell(News::Notice("the server runs again, on its old data".into()));
                }
                Err(error) => self.tell(News::Notice(format!("the server: {error}"))),
            }
        } else if !on && let Some(server) = self.server.take() {
            self.around.server = false;
            self.tell_around();
            self.tell(News::Notice("the server stops: what you send waits on disk".into()));
            server.stop().await;
        }
        self.around.server = self.server.is_some();
        self.tell_around();
    }

    async fn end(mut self) {
        if let Some((task, _)) = self.looking.take() {
            task.abort();
        }
        let end = async {
            self.you.close().await;
            drop(self.crowd);
            self.host.close().await;
            if let Some(server) = self.server.take() {
                server.stop().await;
            }
        };
        if tokio::time::timeout(END, end).await.is_err() {
            tracing::warn!("not everything was closed in time");
        }
    }
}

/// Lets the server refuse a message: it is written offline by somebody who is no member any more
/// when it arrives. Then he is let in again, so that a retry works.
async fn fail(you: Client, host: Client, room: RoomId, news: UnboundedSender<News>) {
    let tell = |text: String| {
        let _ = news.send(News::Notice(text));
    };
    tell("while you are offline you lose your place in the room".into());
    let mut events = you.events();
    you.set_mode_ceiling(Mode::Offline);
    let written = you.room(room).send("the server is going to refuse this one").await;
    let room = host.room(room);
    let removed = room.remove_member(you.user().clone()).await;
    you.set_mode_ceiling(Mode::RealTime);
    if let Err(error) = written.map(drop).and(removed.map(drop)) {
        return tell(format!("nothing fails: {error}"));
    }
    let refused = async {
        while let Ok(event) = events.recv().await {
            if matches!(event, ClientEvent::Problem(Problem::SendFailed { .. })) {
                return;
            }
        }
    };
    let refused = tokio::time::timeout(REFUSAL, refused).await.is_ok();
    match room.add_members(vec![you.user().clone()]).await {
        Ok(_) if refused => tell("you are let in again: a retry will work".into()),
        Ok(_) => tell("the server has not answered yet".into()),
        Err(error) => tell(format!("you could not be let in again: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_that_was_asked_for_is_what_the_network_does() {
        let mut around = Around { slow: true, ..Around::default() };
        assert_eq!(
            (fault(&around), network(&around).kind),
            (Fault::Delay(SLOW), NetworkKind::Cellular2G)
        );
        around.lossy = true;
        assert_eq!(fault(&around), Fault::Loss { percent: 20 });
        around.cut = true;
        assert_eq!((fault(&around), network(&around).kind), (Fault::Cut, NetworkKind::None));
        let calm = Around::default();
        assert_eq!((fault(&calm), network(&calm).kind), (Fault::None, NetworkKind::Wifi));
    }
}
