//! One client of a simulation, to do something with.

use tidewire_protocol::{AppState, Content, EventId, EventKind, Mode, RoomId, Seq, UserId};

use super::client::SimClient;
use super::network::{Harm, Profile};
use super::simulation::Simulation;
use crate::engine::{
    Command, CommandId, Engine, Input, ListId, ModeReport, Network, RoomListQuery, RoomListRow,
    Row, SendOptions, Signal, StartRows, Stats, TimelineId, TimelineStart, Unread,
};

/// One client. What it is asked to do happens at this moment; what follows, as time passes.
#[derive(Debug)]
pub struct Handle<'a> {
    pub(super) simulation: &'a mut Simulation,
    pub(super) number: usize,
}

impl Handle<'_> {
    fn client(&self) -> &SimClient {
        &self.simulation.nodes[self.number].client
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut SimClient) -> T) -> T {
        let now = self.simulation.clock();
        let client = &mut self.simulation.nodes[self.number].client;
        client.now = now;
        let given = act(client);
        self.simulation.pump(self.number);
        given
    }

    /// Whose client this is.
    pub fn user(&self) -> UserId {
        self.client().user.clone()
    }

    /// The engine, to be looked at.
    pub fn engine(&self) -> &Engine {
        &self.client().engine
    }

    /// The client as the simulation keeps it.
    pub fn look(&self) -> &SimClient {
        self.client()
    }

    /// The mode and its reason.
    pub fn mode(&self) -> ModeReport {
        self.engine().mode()
    }

    /// How often the mode changed, over all lives of the process.
    pub fn switches(&self) -> u64 {
        self.client().switches
    }

    /// Counters since the start of the process.
    pub fn stats(&self) -> Stats {
        self.engine().stats().clone()
    }

    /// What is committed.
    pub fn stored(&mut self) -> StartRows {
        self.simulation.nodes[self.number].client.stored()
    }

    /// Gives the engine a command of the app. Its answer comes with time.
    pub fn command(&mut self, command: Command) -> CommandId {
        self.act(|client| client.command(command))
    }

    /// Whether a command was answered with success; nothing while it is not answered.
    pub fn succeeded(&self, command: CommandId) -> Option<bool> {
        self.client().replies.get(&command).map(Result::is_ok)
    }

    /// Sends a text. Gives the message's id, and the command that queues it: once that
    /// [succeeded](Self::succeeded), the message is on disk and will arrive.
    pub fn send(&mut self, room: RoomId, text: &str) -> (EventId, CommandId) {
        self.act(|client| client.send(room, text))
    }

    /// Sends anything. Gives the operation's id, and the command that queues it.
    pub fn operate(
        &mut self,
        room: RoomId,
        kind: EventKind,
        content: Content,
    ) -> (EventId, CommandId) {
        self.act(|client| client.operate(room, kind, content))
    }

    /// The same with options.
    pub fn operate_with(
        &mut self,
        room: RoomId,
        kind: EventKind,
        content: Content,
        options: SendOptions,
    ) -> (EventId, CommandId) {
        self.act(|client| client.operate_with(room, kind, content, options))
    }

    /// Sends a message with files, each of these bytes. Gives its id and the command that queues it.
    pub fn send_files(
        &mut self,
        room: RoomId,
        text: &str,
        files: Vec<Vec<u8>>,
        options: SendOptions,
    ) -> (EventId, CommandId) {
        self.act(|client| client.send_files(room, text, files, options))
    }

    /// Takes a message back.
    pub fn cancel(&mut self, room: RoomId, message: EventId) -> CommandId {
        self.act(|client| client.cancel(room, message))
    }

    /// Opens a timeline anywhere. Gives the command that does, too.
    pub fn open_at(&mut self, room: RoomId, start: TimelineStart) -> (TimelineId, CommandId) {
        self.act(|client| client.open_at(room, start))
    }

    /// Opens the thread of a message. Gives the command that does, too.
    pub fn open_thread(&mut self, room: RoomId, root: EventId) -> (TimelineId, CommandId) {
        self.act(|client| client.open_thread(room, root))
    }

    /// Closes a timeline.
    pub fn close(&mut self, timeline: TimelineId) {
        self.act(|client| client.close(timeline));
    }

    /// Opens a timeline at the newest messages of a room.
    pub fn open(&mut self, room: RoomId) -> TimelineId {
        self.act(|client| client.open(room))
    }

    /// Opens a list of rooms.
    pub fn open_list(&mut self, query: RoomListQuery) -> ListId {
        self.act(|client| client.open_list(query))
    }

    /// What a list of rooms shows.
    pub fn listed(&self, list: ListId) -> &[std::sync::Arc<RoomListRow>] {
        self.client().listed.get(&list).map_or(&[], |rows| rows)
    }

    /// What is unread of a room.
    pub fn unread(&self, room: RoomId) -> Unread {
        self.engine().unread(room)
    }

    /// Marks a room read up to this message.
    pub fn mark_read_to(&mut self, room: RoomId, seq: Seq) -> CommandId {
        self.command(Command::MarkRead(room, seq))
    }

    /// Marks a room read up to its newest message.
    pub fn mark_read(&mut self, room: RoomId) -> CommandId {
        self.command(Command::MarkRead(room, Seq::new(u64::MAX >> 1)))
    }

    /// What a timeline shows.
    pub fn rows(&self, timeline: TimelineId) -> &[Row] {
        self.client().rows.get(&timeline).map_or(&[], |rows| rows)
    }

    /// The texts that a timeline shows.
    pub fn texts(&self, timeline: TimelineId) -> Vec<String> {
        self.rows(timeline).iter().filter_map(|row| row.message()?.text()).collect()
    }

    /// The platform or the app tells something.
    pub fn signal(&mut self, signal: Signal) {
        if matches!(signal, Signal::AppState(state) if state != AppState::Suspended) {
            self.simulation.nodes[self.number].client.resting = false;
        }
        self.simulation.input(self.number, Input::Signal(signal));
    }

    /// The app's state changes.
    pub fn app_state(&mut self, state: AppState) {
        self.signal(Signal::AppState(state));
    }

    /// The platform tells of a network.
    pub fn network_is(&mut self, network: Network) {
        self.signal(Signal::Network(network));
    }

    /// The app sets the highest mode that it allows.
    pub fn ceiling(&mut self, mode: Mode) {
        self.signal(Signal::Ceiling(mode));
    }

    /// This client's network, from now on.
    pub fn set_network(&mut self, profile: Profile) {
        self.simulation.nodes[self.number].network = profile;
    }

    /// The client's socket breaks, with everything on its way.
    pub fn cut(&mut self) {
        let mut ids: Vec<u64> =
            self.simulation.nodes[self.number].sockets.values().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.simulation.break_connection(id, false);
        }
    }

    /// For so many ms nothing passes, though the platform sees a network.
    pub fn cut_off(&mut self, ms: u64) {
        let until = self.simulation.now + ms;
        self.simulation.nodes[self.number].cut_off_until = until;
        self.cut();
    }

    /// The next `count` commits fail.
    pub fn fail_commits(&mut self, count: u32) {
        self.simulation.nodes[self.number].client.failing_commits = count;
    }

    /// From now on this share of the commits fails.
    pub fn failing_disk(&mut self, share: f64) {
        self.simulation.nodes[self.number].failing = share;
    }

    /// The process dies, with everything that is not on disk, and starts again.
    pub fn restart(&mut self) {
        self.simulation.drop_everything(self.number);
        self.simulation.rise(self.number);
    }

    /// The process dies at the `step`th step from now on (see [`SimClient::steps`]), and starts again
    /// within 3 s.
    pub fn die_at(&mut self, step: u64) {
        let client = &mut self.simulation.nodes[self.number].client;
        client.dies_at = Some(client.steps + step);
    }

    /// It lives on. Gives whether it has died since it was told to.
    pub fn live_on(&mut self) -> bool {
        self.simulation.nodes[self.number].client.dies_at.take().is_none()
    }

    /// Answers and frames of the server's so far.
    pub fn answers(&self) -> u64 {
        self.simulation.nodes[self.number].harms.answers
    }

    /// What becomes of the `nth` answer or frame from now on: 1 for the next.
    pub fn harm_answer(&mut self, nth: u64, harm: Harm) {
        let harms = &mut self.simulation.nodes[self.number].harms;
        harms.planned.insert(harms.answers + nth, harm);
    }
}
