//! The app on top of each simulated client: it sends, opens rooms, clears what failed away, and
//! remembers what it was promised.

use std::collections::{BTreeMap, BTreeSet};

use tidewire::engine::{Command, CommandId, Problem, TimelineId};
use tidewire::simulation::{Broken, Handle, Simulation};
use tidewire::{Content, EventId, EventKind, RoomId, Row};

/// One app.
#[derive(Debug, Default)]
pub(crate) struct App {
    /// In the order of sending.
    pub(crate) sends: Vec<(RoomId, EventId, CommandId)>,
    /// Sends that the server refused and that were discarded for it.
    discarded: Vec<EventId>,
    problems: usize,
}

impl App {
    pub(crate) fn send(&mut self, mut client: Handle<'_>, room: RoomId, text: &str) {
        let (id, command) = client.send(room, text);
        self.sends.push((room, id, command));
    }

    /// The user sends anything: a message, or what changes one.
    pub(crate) fn operate(
        &mut self,
        mut client: Handle<'_>,
        room: RoomId,
        kind: EventKind,
        content: Content,
    ) {
        let is_message = kind == EventKind::Message;
        let (id, command) = client.operate(room, kind, content);
        if is_message {
            self.sends.push((room, id, command));
        }
    }

    /// What the server refused is discarded.
    pub(crate) fn clear_away(&mut self, mut client: Handle<'_>) {
        let problems: Vec<Problem> = client.look().problems[self.problems..].to_vec();
        self.problems += problems.len();
        for problem in problems {
            if let Problem::SendFailed { id, .. } = problem {
                self.discard(&mut client, id);
            }
        }
    }

    /// The same for what is known of by the disk alone: the process died before it was told.
    pub(crate) fn clear_rest_away(&mut self, mut client: Handle<'_>) {
        for row in client.stored().outbox {
            if row.failed.is_some() {
                self.discard(&mut client, row.op.id);
            }
        }
    }

    fn discard(&mut self, client: &mut Handle<'_>, id: EventId) {
        client.command(Command::Discard(id));
        self.discarded.push(id);
    }

    /// Each accepted send is in the log exactly once, and all that are there are in order.
    pub(crate) fn check_sends(
        &self,
        simulation: &mut Simulation,
        number: usize,
    ) -> Result<(), Broken> {
        let mut expected: BTreeMap<RoomId, Vec<EventId>> = BTreeMap::new();
        for (room, id, command) in &self.sends {
            let arrived = simulation.server.event(*room, *id).is_some();
            let accepted = simulation.client(number).succeeded(*command) == Some(true);
            if arrived {
                expected.entry(*room).or_default().push(*id);
            } else if accepted && !self.discarded.contains(id) {
                return Err(Broken(format!("{id} was accepted for {room} and is not there")));
            }
        }
        let user = simulation.client(number).user();
        // The user may write on another device as well.
        let sent: BTreeSet<EventId> = self.sends.iter().map(|(_, id, _)| *id).collect();
        for (room, ids) in expected {
            let log = &simulation.server.rooms[&room].log;
            let own = |event: &&tidewire::Event| sent.contains(&event.id);
            let there: Vec<EventId> = log.iter().filter(own).map(|event| event.id).collect();
            if there != ids {
                return Err(Broken(format!("{room} has {there:?} of {user}, sent was {ids:?}")));
            }
        }
        Ok(())
    }
}

/// The user scrolls to the beginning of a room, through every gap. Gives what is shown then.
pub(crate) fn read_all(
    simulation: &mut Simulation,
    number: usize,
    room: RoomId,
) -> Result<Vec<Row>, Broken> {
    let timeline: TimelineId = simulation.client(number).open(room);
    for _ in 0..60 {
        simulation.run_for(1_000);
        let mut client = simulation.client(number);
        let rows = client.rows(timeline);
        let gap = rows.iter().rev().find_map(|row| match row {
            Row::Gap { from, to } => Some((*from, *to)),
            Row::Message(_) => None,
        });
        let first = rows.first().and_then(Row::message).and_then(|message| message.seq);
        match (gap, first) {
            (Some((from, to)), _) => drop(client.command(Command::FillGap(timeline, from, to))),
            (None, Some(first)) if first.get() == 1 => {
                // A page that has just come is shown once it is on disk.
                simulation.run_for(1_000);
                return Ok(simulation.client(number).rows(timeline).to_vec());
            }
            (None, _) => drop(client.command(Command::LoadOlder(timeline, 200))),
        }
    }
    let rows = simulation.client(number).rows(timeline).len();
    Err(Broken(format!("{room} is not read to its beginning, {rows} rows are shown")))
}
