//! The simulated users of the screen: real clients that come and go by the hundred, and say no more
//! together than a person can read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidewire::{Client, Room, RoomId, UserId};
use tidewire_server::auth::Keys;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::latency::Sent;
use crate::demo::Error;

/// Users who come or go together: ten for each of six rooms.
const STEP: usize = 60;
/// A moment of patience when the server does not answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often somebody may say something.
const BEAT: Duration = Duration::from_millis(250);
/// Messages a second in the open room, and in each other one, however many are in it.
const MOST_OPEN: f64 = 1.0;
const MOST_ELSEWHERE: f64 = 0.2;
/// Messages a second of one user, as long as that makes less.
const OF_ONE: f64 = 0.3;
/// A crowd that leaves is forgotten after 2.5 of these, so that the mode follows within 15 s. Not
/// less than a polling interval, so that it costs no requests of its own.
const HEARTBEAT: Duration = Duration::from_secs(6);
/// The crowd follows the audience within 2 s instead of 10: a person is waiting for it.
pub(super) const SPREAD: Duration = Duration::from_secs(2);

const NAMES: [&str; 24] = [
    "mira", "jonas", "ayla", "tomasz", "noor", "lena", "kofi", "yuki", "elif", "pedro", "sanna",
    "ravi", "ines", "marek", "zoe", "amir", "greta", "hugo", "leila", "oskar", "nina", "tariq",
    "vera", "bao",
];

const TEXTS: [&str; 20] = [
    "the tide is in, the ferry can leave",
    "who has the key to the boat shed?",
    "on my way 🚲",
    "fog over the outer harbour, slow down",
    "coffee is ready ☕",
    "see you at the pier",
    "the gauge says 2.40 m and rising",
    "I moved the meeting to ten",
    "日本語でも大丈夫です",
    "two boats at the lock, a third one waiting",
    "thanks!",
    "did anybody see the blue rope?",
    "wind from the north-west, five to six",
    "all lines clear",
    "the lighthouse keeper says hello 👋",
    "low water at half past four",
    "please bring the tide tables",
    "Ça marche, à tout à l'heure",
    "the pump runs again",
    "good catch today 🐟",
];

/// Where the crowd meets.
pub(super) struct Place {
    pub(super) url: String,
    pub(super) keys: Keys,
    /// Owns the rooms, and lets people in.
    pub(super) host: Client,
    pub(super) rooms: Vec<RoomId>,
    /// The room that the person looks at.
    pub(super) open: watch::Receiver<RoomId>,
    pub(super) sent: Sent,
}

struct Guest {
    client: Client,
    room: Room,
}

/// The crowd. Ends when it is dropped.
pub(super) struct Crowd {
    wanted: watch::Sender<usize>,
    here: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Crowd {
    pub(super) fn start(place: Place) -> Self {
        let (wanted, wishes) = watch::channel(0);
        let (counted, here) = watch::channel(0);
        let place = Arc::new(place);
        let guests = Guests::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(talk(place.clone(), guests.clone()));
        tasks.spawn(follow(place, guests, wishes, counted));
        Self { wanted, here, _tasks: tasks }
    }

    /// So many are wanted: they come and go in steps.
    pub(super) fn want(&self, users: usize) {
        self.wanted.send_replace(users);
    }

    /// How many there are.
    pub(super) fn here(&self) -> watch::Receiver<usize> {
        self.here.clone()
    }
}

/// Those who are here, by number.
#[derive(Clone, Default)]
struct Guests {
    // A std mutex, because nothing awaits while it is held.
    list: Arc<Mutex<Vec<Guest>>>,
}

impl Guests {
    fn lock(&self) -> MutexGuard<'_, Vec<Guest>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the crowd be as large as wanted.
async fn follow(
    place: Arc<Place>,
    guests: Guests,
    mut wanted: watch::Receiver<usize>,
    counted: watch::Sender<usize>,
) {
    // Who was a member once remains one, and is offline when he is not here.
    let mut members = 0;
    loop {
        let target = *wanted.borrow_and_update();
        let here = guests.lock().len();
        if here > target {
            let from = target.max(here.saturating_sub(STEP));
            let leaving: Vec<Guest> = guests.lock().split_off(from);
            let mut closing = JoinSet::new();
            for guest in leaving {
                closing.spawn(async move { guest.client.close().await });
            }
            while closing.join_next().await.is_some() {}
        } else if here < target {
            let to = target.min(here + STEP);
            if let Err(error) = enter(&place, &guests, &mut members, to).await {
                tracing::debug!(%error, "the crowd tries again");
                tokio::time::sleep(PATIENCE).await;
            }
        } else if wanted.changed().await.is_err() {
            return;
        }
        counted.send_replace(guests.lock().len());
    }
}

/// Makes the next users members, and starts their clients.
async fn enter(
    place: &Place,
    guests: &Guests,
    members: &mut usize,
    to: usize,
) -> Result<(), Error> {
    if *members < to {
        let mut adding = JoinSet::new();
        for (at, room) in place.rooms.iter().enumerate() {
            let new: Result<Vec<UserId>, Error> =
                (*members..to).filter(|n| n % place.rooms.len() == at).map(user).collect();
            let (new, room) = (new?, place.host.room(*room));
            if !new.is_empty() {
                adding.spawn(async move { room.add_members(new).await });
            }
        }
        while let Some(added) = adding.join_next().await {
            added??;
        }
        *members = to;
    }
    let here = guests.lock().len();
    let mut opening = JoinSet::new();
    for number in here..to {
        let id = user(number)?;
        let token = place.keys.mint(&id, Duration::from_secs(24 * 3_600))?;
        let builder = Client::builder(place.url.as_str(), id)
            .token(token)
            .spread(SPREAD)
            .presence_heartbeat_interval(HEARTBEAT);
        opening.spawn(async move { (number, builder.open().await) });
    }
    let mut opened = Vec::new();
    while let Some(joined) = opening.join_next().await {
        let (number, client) = joined?;
        opened.push((number, client?));
    }
    opened.sort_by_key(|(number, _)| *number);
    let guest = |(number, client): (usize, Client)| {
        let room = client.room(place.rooms[number % place.rooms.len()]);
        Guest { client, room }
    };
    guests.lock().extend(opened.into_iter().map(guest));
    Ok(())
}

/// Who the user of this number is.
fn user(number: usize) -> Result<UserId, Error> {
    let name = NAMES[number % NAMES.len()];
    let id = match number / NAMES.len() {
        0 => name.to_owned(),
        again => format!("{name}-{}", again + 1),
    };
    Ok(UserId::new(id)?)
}

/// Messages a second in a room with so many users: each says the less, the more there are.
fn rate(users: usize, open: bool) -> f64 {
    (users as f64 * OF_ONE).min(if open { MOST_OPEN } else { MOST_ELSEWHERE })
}

/// Lets somebody say something, now here, now there.
async fn talk(place: Arc<Place>, guests: Guests) {
    let mut rng = fastrand::Rng::new();
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let rooms = place.rooms.len();
    loop {
        beat.tick().await;
        let here = guests.lock().len();
        for (at, id) in place.rooms.iter().enumerate() {
            // Users take the rooms in turn, so that those of one are `rooms` apart.
            let users = (here + rooms - 1 - at) / rooms;
            let open = *place.open.borrow() == *id;
            if users == 0 || rng.f64() >= rate(users, open) * BEAT.as_secs_f64() {
                continue;
            }
            let number = at + rooms * rng.usize(..users);
            let room = guests.lock().get(number).map(|guest| guest.room.clone());
            let text = TEXTS[rng.usize(..TEXTS.len())];
            if let Some(room) = room {
                let begun = Instant::now();
                // Somebody who has just come does not know the room yet.
                if let Ok(id) = room.send(text).await {
                    place.sent.note(id, begun);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn everybody_says_less_the_more_there_are_and_a_room_stays_readable() {
        assert!(rate(2, true) < rate(3, true));
        for users in [10, 100, 1_000] {
            assert!(rate(users, true) <= MOST_OPEN && rate(users, false) <= MOST_ELSEWHERE);
        }
        assert!(rate(0, true) == 0.0);
    }

    #[test]
    fn every_user_has_a_name_of_his_own() {
        let names: HashSet<UserId> = (0..1_000).map(|n| user(n).unwrap()).collect();
        assert_eq!(names.len(), 1_000);
    }
}
