//! A running demo without its terminal: the state, the world behind it, and the clock.

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::keys::Action;
use super::news::News;
use super::record::{Recording, Step};
use super::stage::Stage;
use super::state::{State, Wish};
use crate::demo::Error;

/// What goes on.
pub(super) struct Show {
    pub(super) state: State,
    begin: Instant,
    news: UnboundedReceiver<News>,
    wishes: UnboundedSender<Wish>,
    world: JoinHandle<Result<(), Error>>,
    record: Option<Recording>,
}

impl Show {
    /// Begins, and does not wait for the world: the screen is there at once.
    pub(super) fn begin(users: usize, record: Option<Recording>) -> Self {
        let (tell, news) = mpsc::unbounded_channel();
        let (wishes, asked) = mpsc::unbounded_channel();
        let world = tokio::spawn(async move {
            Stage::start(users, tell).await?.run(asked).await;
            Ok(())
        });
        Self { state: State::default(), begin: Instant::now(), news, wishes, world, record }
    }

    /// Waits for news and applies them. Safe to cancel.
    ///
    /// # Errors
    /// When the world could not be started, or ended by itself.
    pub(super) async fn next(&mut self) -> Result<(), Error> {
        let Some(news) = self.news.recv().await else {
            (&mut self.world).await??;
            return Err("the demo's server and clients have ended".into());
        };
        self.apply(news);
        // Whatever came with it is one picture.
        while let Ok(news) = self.news.try_recv() {
            self.apply(news);
        }
        Ok(())
    }

    fn apply(&mut self, news: News) {
        let now_ms = self.now_ms();
        self.note(Step::News(news.clone()));
        self.state.apply(now_ms, news);
    }

    /// Does what the person wants. Whether that is the end.
    pub(super) fn act(&mut self, action: Action) -> bool {
        self.note(Step::Action(action.clone()));
        let wish = self.state.act(action);
        let quits = wish == Some(Wish::Quit);
        if let Some(wish) = wish {
            // A world that has ended is told by `next`.
            let _ = self.wishes.send(wish);
        }
        quits
    }

    /// Lets time pass on the screen.
    pub(super) fn tick(&mut self) {
        self.state.now_ms = self.now_ms();
    }

    /// Keeps the screen as it is now as one of the recording's pictures.
    pub(super) fn picture(&mut self, name: &str) {
        self.note(Step::Picture(name.into()));
    }

    fn note(&mut self, step: Step) {
        let at_ms = self.now_ms();
        if let Some(record) = &mut self.record {
            record.add(at_ms, step);
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends the world, and gives the recording.
    ///
    /// # Errors
    /// What ended the world before.
    pub(super) async fn end(self) -> Result<Option<Recording>, Error> {
        // If it has ended already, that is told by its result.
        let _ = self.wishes.send(Wish::Quit);
        self.world.await??;
        Ok(self.record)
    }
}
