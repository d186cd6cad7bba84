//! Who is here, by their devices: those with a socket, and those heard of within 2.5 of the
//! heartbeats that they declared. Devices are kept in the order in which their time runs out, so
//! that nothing is ever scanned.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Instant;

use tidewire_protocol::{AppState, PresenceState, UserId};

use super::Sign;

/// Devices of one user that count. A client that draws another number at each request must not
/// fill the memory.
const DEVICES: usize = 16;

/// Where a user is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// With this server, on the device of this number.
    Device(u32),
    /// With another server.
    Elsewhere(u32),
}

#[derive(Debug)]
pub(super) struct Device {
    id: Place,
    pub(super) sockets: u32,
    foreground: bool,
    /// Without a socket, the end of its time.
    until: Instant,
}

impl Device {
    /// It has said where its app stands.
    pub(super) fn is_in(&mut self, sign: Sign) {
        self.foreground = sign.app_state == AppState::Foreground;
    }
}

#[derive(Debug)]
struct User {
    devices: Vec<Device>,
    /// The last sign of life.
    seen: Instant,
}

impl User {
    fn state(&self) -> PresenceState {
        of_devices(self.devices.iter())
    }

    /// As far as this server knows by itself.
    fn own_state(&self) -> PresenceState {
        of_devices(self.devices.iter().filter(|device| matches!(device.id, Place::Device(_))))
    }

    /// The device with this number; none if so many others count that there is no place.
    fn device(
        &mut self,
        id: Place,
        name: &UserId,
        until: Instant,
        ends: &mut Ends,
    ) -> Option<&mut Device> {
        let known = self.devices.iter().position(|device| device.id == id);
        let at = match known {
            Some(at) => at,
            None => {
                if self.devices.len() >= DEVICES {
                    let silent = self.devices.iter().enumerate().filter(|(_, d)| d.sockets == 0);
                    let (oldest, _) = silent.min_by_key(|(_, device)| device.until)?;
                    let gone = self.devices.swap_remove(oldest);
                    ends.remove(&(gone.until, name.clone(), gone.id));
                }
                self.devices.push(Device { id, sockets: 0, foreground: false, until });
                self.devices.len() - 1
            }
        };
        self.devices.get_mut(at)
    }
}

fn of_devices<'a>(devices: impl Iterator<Item = &'a Device>) -> PresenceState {
    let any = |state, device: &Device| match device.foreground {
        true => PresenceState::Online,
        false if state == PresenceState::Online => PresenceState::Online,
        false => PresenceState::Away,
    };
    devices.fold(PresenceState::Offline, any)
}

type Ends = BTreeSet<(Instant, UserId, Place)>;

/// A user whose state is another one than before.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    pub(super) user: UserId,
    pub(super) state: PresenceState,
    /// The last sign of life.
    pub(super) seen: Instant,
}

/// Everybody who is here.
#[derive(Debug, Default)]
pub(super) struct Users {
    users: HashMap<UserId, User>,
    /// Devices without a socket, by when their time runs out.
    ends: Ends,
    /// Whose state at this server is another one since the other servers were told.
    untold: HashSet<UserId>,
}

impl Users {
    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    /// Those who are with this server.
    pub(super) fn names(&self) -> impl Iterator<Item = &UserId> {
        self.own().map(|(name, _)| name)
    }

    fn own(&self) -> impl Iterator<Item = (&UserId, &User)> {
        self.users.iter().filter(|(_, user)| user.own_state() != PresenceState::Offline)
    }

    /// Everybody who is with this server.
    pub(super) fn own_states(&self) -> impl Iterator<Item = (UserId, PresenceState)> {
        self.own().map(|(name, user)| (name.clone(), user.own_state()))
    }

    /// Those whose state at this server is another one since this was asked last.
    pub(super) fn take_untold(&mut self) -> Vec<(UserId, PresenceState)> {
        let untold = std::mem::take(&mut self.untold);
        let state =
            |name: &UserId| self.users.get(name).map_or(PresenceState::Offline, User::own_state);
        untold.into_iter().map(|name| (name.clone(), state(&name))).collect()
    }

    /// Another server says how a user stands there, until then.
    pub(super) fn elsewhere(
        &mut self,
        user: &UserId,
        server: u32,
        state: PresenceState,
        until: Instant,
        now: Instant,
    ) -> Option<Change> {
        let place = Place::Elsewhere(server);
        if state != PresenceState::Offline {
            let foreground = state == PresenceState::Online;
            return self.at(user, place, until, now, |device| device.foreground = foreground);
        }
        let known = self.users.get_mut(user)?;
        let before = known.state();
        let at = known.devices.iter().position(|device| device.id == place)?;
        let gone = known.devices.swap_remove(at);
        self.ends.remove(&(gone.until, user.clone(), place));
        let (state, seen) = (known.state(), known.seen);
        if known.devices.is_empty() {
            self.users.remove(user);
        }
        (state != before).then(|| Change { user: user.clone(), state, seen })
    }

    /// Everybody who is with this server, with the last sign of life; an open socket is one.
    pub(super) fn signs(&self, now: Instant) -> impl Iterator<Item = (&UserId, Instant)> {
        self.own().map(move |(name, user)| {
            let open = user.devices.iter().any(|device| device.sockets > 0);
            (name, if open { now } else { user.seen })
        })
    }

    pub(super) fn state(&self, user: &UserId) -> PresenceState {
        self.users.get(user).map_or(PresenceState::Offline, User::state)
    }

    /// A sign of life of a device, which counts until then at least.
    pub(super) fn update(
        &mut self,
        user: &UserId,
        device: u32,
        until: Instant,
        now: Instant,
        change: impl FnOnce(&mut Device),
    ) -> Option<Change> {
        self.at(user, Place::Device(device), until, now, change)
    }

    fn at(
        &mut self,
        user: &UserId,
        device: Place,
        until: Instant,
        now: Instant,
        change: impl FnOnce(&mut Device),
    ) -> Option<Change> {
        let Self { users, ends, untold } = self;
        let before = users.get(user).map_or(PresenceState::Offline, User::state);
        let own_before = users.get(user).map_or(PresenceState::Offline, User::own_state);
        let entry =
            users.entry(user.clone()).or_insert_with(|| User { devices: Vec::new(), seen: now });
        entry.seen = entry.seen.max(now);
        if let Some(device) = entry.device(device, user, until, ends) {
            if device.sockets == 0 {
                ends.remove(&(device.until, user.clone(), device.id));
            }
            device.until = device.until.max(until);
            change(device);
            if device.sockets == 0 {
                ends.insert((device.until, user.clone(), device.id));
            }
        }
        let (state, seen) = (entry.state(), entry.seen);
        if entry.own_state() != own_before {
            untold.insert(user.clone());
        }
        (state != before).then(|| Change { user: user.clone(), state, seen })
    }

    #[cfg(test)]
    pub(super) fn devices(&self) -> usize {
        self.users.values().map(|user| user.devices.len()).sum()
    }

    /// Lets go of the devices whose time has run out.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        while self.ends.first().is_some_and(|(until, ..)| *until <= now) {
            let Some((_, name, device)) = self.ends.pop_first() else { break };
            let Some(user) = self.users.get_mut(&name) else { continue };
            let before = user.state();
            let own_before = user.own_state();
            user.devices.retain(|other| other.id != device);
            if user.own_state() != own_before {
                self.untold.insert(name.clone());
            }
            let (state, seen) = (user.state(), user.seen);
            if user.devices.is_empty() {
                self.users.remove(&name);
            }
            if state != before {
                changes.push(Change { user: name, state, seen });
            }
        }
        changes
    }
}
