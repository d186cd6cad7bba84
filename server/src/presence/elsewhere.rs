//! Presence, typing and rates over several servers: what is new here is told to the others, what they tell is taken
//! as if it happened here. Each word about a user holds for a while and is said again in time; where nothing is
//! heard any more, because the bus or the other server is gone, it ends by itself, and each server knows its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidewire_protocol::{PresenceState, RoomId, UserId};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::{Presence, State, silence};
use crate::app::App;
use crate::bus::{Bus, Gossip};

/// How often there is something to tell: what the others are late at most, beside the way.
const TICK: Duration = Duration::from_millis(100);
/// How often everybody who is here is told again, in ticks: three times within what a word holds.
const RENEW_TICKS: u32 = 250;
/// How long a word holds: 2.5 of the heartbeats of the foreground, as a client's own does.
fn holds() -> Duration {
    silence(30_000)
}
/// The longest that another server's word may hold.
const HOLDS_MOST: Duration = Duration::from_secs(300);
/// Typing that may wait to be told; what is beyond it nobody misses.
const TYPED: usize = 1_000;
/// Of so many it is remembered that they type: about 1 MB.
const TYPES: usize = 10_000;

impl State {
    pub(super) fn tell_typing(&mut self, user: &UserId, room: RoomId, typing: bool) {
        let Some(typed) = self.typed.as_mut().filter(|typed| typed.len() < TYPED) else { return };
        let key = (room, user.clone());
        if typing {
            if self.types.len() >= TYPES {
                // Those who stop by sending are believed to type for as long as anybody is.
                self.types.clear();
            }
            self.types.insert(key);
        } else if !self.types.remove(&key) {
            // Every message ends some typing, and most did not begin any.
            return;
        }
        typed.push((room, user.clone(), typing));
    }
}

impl Presence {
    /// There may be other servers.
    pub(crate) fn begin_sharing(&self) {
        self.lock().typed = Some(Vec::new());
    }

    /// What the others are to hear: what is new, or `all` who are here.
    fn news(&self, all: bool) -> Gossip {
        let mut state = self.lock();
        let untold = state.users.take_untold();
        let mut presence: Vec<_> = match all {
            true => state.users.own_states().collect(),
            false => Vec::new(),
        };
        // Of those who left not even `all` says anything.
        let left = |(_, state): &(UserId, PresenceState)| !all || *state == PresenceState::Offline;
        presence.extend(untold.into_iter().filter(left));
        let holds_ms = u64::try_from(holds().as_millis()).unwrap_or(u64::MAX);
        let presence = presence.into_iter().map(|(user, state)| (user, state, holds_ms)).collect();
        let typing = state.typed.as_mut().map(std::mem::take).unwrap_or_default();
        Gossip { presence, typing, ..Gossip::default() }
    }

    /// Takes what another server tells.
    fn heard(&self, gossip: &Gossip, now: Instant) {
        let mut state = self.lock();
        state.servers.insert(gossip.from, now);
        for (user, standing, holds_ms) in &gossip.presence {
            let until = now + Duration::from_millis(*holds_ms).min(HOLDS_MOST);
            let change = state.users.elsewhere(user, gossip.from, *standing, until, now);
            if let Some(change) = change {
                state.late.remove(user);
                // When somebody was last seen is written by the server that saw him.
                let seen_at = super::time_of(change.seen, now);
                state.tell_watchers(change.user, change.state, seen_at);
            }
        }
        for (room, user, typing) in &gossip.typing {
            state.watched.typing(user, *room, *typing, now);
        }
    }

    /// How many servers there are, this one among them, by who was heard of lately.
    pub(crate) fn servers(&self, now: Instant) -> u32 {
        let mut state = self.lock();
        state.servers.retain(|_, heard| now.saturating_duration_since(*heard) < holds());
        u32::try_from(state.servers.len()).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// Tells the other servers what they have to know, and hears them, until the server stops.
pub(crate) async fn share(app: Arc<App>, bus: Arc<dyn Bus>) {
    if !bus.is_shared() {
        return;
    }
    // 0 is nobody: it is what the bus itself says.
    let own = fastrand::u32(1..);
    let mut heard = bus.hear();
    bus.tell(Gossip { from: own, again: true, ..Gossip::default() });
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut until_all = 0;
    loop {
        tokio::select! {
            () = app.stopping() => break,
            gossip = heard.recv() => match gossip {
                Ok(gossip) => {
                    if gossip.again {
                        until_all = 0;
                    }
                    if gossip.revoked {
                        app.tokens.revoked().look();
                    }
                    if gossip.from != own && gossip.from != 0 {
                        take(&app, &gossip);
                    }
                }
                // What was missed is said again.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            _ = tick.tick() => {
                tell(&app, bus.as_ref(), own, until_all == 0);
                until_all = if until_all == 0 { RENEW_TICKS } else { until_all - 1 };
            }
        }
    }
}

fn take(app: &App, gossip: &Gossip) {
    let now = Instant::now();
    app.presence.heard(gossip, now);
    for (user, cost) in &gossip.spent {
        app.limiter.spent_elsewhere(user, *cost, now);
    }
    if let Some(accounts) = &app.accounts {
        accounts.attempts.heard(&gossip.attempts, now);
    }
}

fn tell(app: &App, bus: &dyn Bus, own: u32, all: bool) {
    let spent = app.limiter.take_spent();
    let attempts = app.accounts.as_ref().map_or_else(Vec::new, |accounts| accounts.attempts.news());
    let gossip = Gossip { from: own, spent, attempts, ..app.presence.news(all) };
    // A server with nobody says that it is there.
    if all || !gossip.is_silent() {
        gossip.in_pieces().into_iter().for_each(|piece| bus.tell(piece));
    }
}

#[cfg(test)]
mod tests {
    use tidewire_protocol::{AppState, TypingUpdate};
    use uuid::Uuid;

    use super::*;
    use crate::presence::Sign;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn presence() -> Presence {
        let presence = Presence::expecting(None, 100, Instant::now());
        presence.begin_sharing();
        presence
    }

    fn sign(app_state: AppState) -> Sign {
        Sign { device: 1, app_state, heartbeat_ms: 30_000 }
    }

    /// What one says, the other hears.
    fn pass(from: &Presence, number: u32, to: &Presence, all: bool, now: Instant) {
        for piece in (Gossip { from: number, ..from.news(all) }).in_pieces() {
            let json = serde_json::to_string(&piece).unwrap();
            to.heard(&serde_json::from_str(&json).unwrap(), now);
        }
    }

    fn state(presence: &Presence, name: &str) -> PresenceState {
        presence.lock().users.state(&user(name))
    }

    #[test]
    fn who_is_here_is_online_at_every_server_and_counts_once() {
        let (one, two, now) = (presence(), presence(), Instant::now());
        one.socket_opened(&user("ada"), sign(AppState::Foreground), now);
        two.socket_opened(&user("ada"), sign(AppState::Background), now);
        two.socket_opened(&user("bob"), sign(AppState::Background), now);
        pass(&one, 1, &two, false, now);
        pass(&two, 2, &one, false, now);
        for presence in [&one, &two] {
            assert_eq!(presence.online(now), 2);
            assert_eq!(presence.servers(now), 2);
            assert_eq!(
                state(presence, "ada"),
                PresenceState::Online,
                "where she is in front of it"
            );
            assert_eq!(state(presence, "bob"), PresenceState::Away);
        }
        assert!(one.news(false).presence.is_empty(), "told once, and hearing is not telling");
        one.socket_said(&user("ada"), sign(AppState::Background), now);
        pass(&one, 1, &two, false, now);
        assert_eq!(state(&two, "ada"), PresenceState::Away);
    }

    #[test]
    fn who_leaves_is_gone_everywhere_and_so_are_those_of_a_server_that_is_silent() {
        let (one, two, start) = (presence(), presence(), Instant::now());
        one.seen(&user("ada"), sign(AppState::Foreground), start);
        one.socket_opened(&user("bob"), sign(AppState::Foreground), start);
        pass(&one, 1, &two, false, start);
        assert_eq!(two.online(start), 2);
        let later = start + Duration::from_secs(76);
        // Said again in time, Bob stays, who has a socket there; Ada's time is over.
        one.expire(later);
        pass(&one, 1, &two, true, later);
        assert_eq!((two.online(later), state(&two, "ada")), (1, PresenceState::Offline));
        let silent = later + Duration::from_secs(76);
        assert_eq!((two.online(silent), two.servers(silent)), (0, 1));
        assert_eq!(one.online(silent), 1, "nothing of it is the silent one's own affair");
        // Only its own server writes when somebody was last seen.
        two.socket_opened(&user("cyd"), sign(AppState::Foreground), silent);
        pass(&one, 1, &two, true, silent);
        assert_eq!(two.lock().users.names().collect::<Vec<_>>(), [&user("cyd")]);
    }

    #[test]
    fn typing_is_told_to_the_others_and_a_flood_of_it_is_cut_off() {
        let (one, two, now) = (presence(), presence(), Instant::now());
        let room = RoomId::from_uuid(Uuid::nil());
        let types = [TypingUpdate { room, typing: true }];
        for n in 0..5_000 {
            one.typing(&user(&format!("u{n}")), &types, now);
        }
        assert_eq!(one.news(false).typing.len(), TYPED);
        assert!(one.news(false).typing.is_empty());
        one.typing(&user("ada"), &types, now);
        one.sent(&user("ada"), room, now);
        one.sent(&user("ada"), room, now);
        one.sent(&user("bob"), room, now);
        let told = one.news(false).typing;
        assert_eq!(told, [(room, user("ada"), true), (room, user("ada"), false)]);
        two.heard(
            &Gossip {
                presence: vec![(user("x"), PresenceState::Online, u64::MAX)],
                ..Gossip::default()
            },
            now,
        );
        assert_eq!(two.online(now + HOLDS_MOST), 0, "no word holds for ever");
    }
}
