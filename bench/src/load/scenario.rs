//! Scenarios: who is there, in which rooms, what they say and what happens to them. Files of TOML; some are shipped.
//! Moments are shares of the time that a run takes, so that a scenario can be made shorter or longer.

use std::path::Path;

use serde::Deserialize;
use tidewire::Mode;

use super::Error;

/// A scenario.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is, in a sentence.
    pub about: String,
    /// How many users, unless told otherwise.
    pub users: usize,
    /// How long they talk, in seconds, unless told otherwise.
    pub seconds: u64,
    /// Over which share of the time they arrive, one after the other; at 0 the time begins when all are there.
    #[serde(default)]
    pub arrive: f64,
    /// When the server is killed and started again; one that runs elsewhere loses all its clients instead.
    #[serde(default)]
    pub storms: Vec<f64>,
    /// From when on SDK clients go no higher than a mode.
    #[serde(default)]
    pub ceilings: Vec<Ceiling>,
    /// What they are.
    pub clients: Clients,
    /// Where they meet.
    pub rooms: Rooms,
    /// What they say.
    pub traffic: Traffic,
    /// What happens to the telephones that SDK clients run on.
    #[serde(default)]
    pub mobile: Option<Mobile>,
}

/// Shares of the users, together 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clients {
    /// Clients of the protocol that keep nothing but their cursor.
    pub light: f64,
    /// SDK clients that keep everything in memory.
    pub memory: f64,
    /// SDK clients that keep everything on disk, as apps do.
    pub disk: f64,
}

/// Where users meet: each is in one room.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rooms {
    /// Members of each; 0 is one room of all.
    pub members: usize,
}

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Messages a second in each room, of all members together.
    pub per_room_per_second: f64,
    /// Bytes of a message's text.
    #[serde(default = "text_bytes")]
    pub text_bytes: usize,
}

/// Two sentences.
fn text_bytes() -> usize {
    120
}

/// The highest mode from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    /// When, as a share of the time.
    pub at: f64,
    /// Which.
    pub mode: Mode,
}

/// What happens to telephones.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mobile {
    /// How often the network changes or goes, or the app goes to the background and comes back, a user.
    pub changes_per_minute: f64,
}

/// Those that are shipped, by name.
pub const SHIPPED: [(&str, &str); 7] = [
    ("ramp", include_str!("../../scenarios/ramp.toml")),
    ("steady", include_str!("../../scenarios/steady.toml")),
    ("busy-room", include_str!("../../scenarios/busy-room.toml")),
    ("small-rooms", include_str!("../../scenarios/small-rooms.toml")),
    ("reconnect-storm", include_str!("../../scenarios/reconnect-storm.toml")),
    ("mode-sweep", include_str!("../../scenarios/mode-sweep.toml")),
    ("mobile", include_str!("../../scenarios/mobile.toml")),
];

impl Scenario {
    /// One that is shipped, by its name, or else the one in this file.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn load(name: &str) -> Result<Self, Error> {
        if let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
            return Self::parse(text);
        }
        let text = std::fs::read_to_string(Path::new(name)).map_err(|error| {
            let shipped = SHIPPED.map(|(name, _)| name).join(", ");
            format!("`{name}` is no file ({error}), and none of these: {shipped}")
        })?;
        Self::parse(&text).map_err(|error| format!("{name}: {error}").into())
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let scenario: Self = toml::from_str(text)?;
        match scenario.problem() {
            None => Ok(scenario),
            Some(problem) => Err(problem.into()),
        }
    }

    /// Why it makes no sense.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let Clients { light, memory, disk } = self.clients;
        let shares = [light, memory, disk];
        let share = |at: &f64| (0.0..1.0).contains(at);
        let rate = self.traffic.per_room_per_second;
        if self.users < 2 || self.seconds == 0 {
            Some("a conversation takes at least 2 users and 1 second")
        } else if shares.iter().any(|share| !(0.0..=1.0).contains(share))
            || (shares.iter().sum::<f64>() - 1.0).abs() > 1e-6
        {
            Some("the shares of `clients` are each 0 to 1, and together 1")
        } else if !share(&self.arrive) || !self.storms.iter().all(share) {
            Some("`arrive` and `storms` are shares of the time: at least 0 and less than 1")
        } else if !self.ceilings.iter().all(|ceiling| share(&ceiling.at)) {
            Some("`at` of `ceilings` is a share of the time: at least 0 and less than 1")
        } else if !(rate > 0.0 && rate <= 1_000.0) {
            Some("`per_room_per_second` is above 0 and at most 1,000")
        } else if !(1..=8_000).contains(&self.traffic.text_bytes) {
            Some("`text_bytes` is 1 to 8,000: the server takes 8 KiB")
        } else if self.rooms.members == 1 {
            Some("a room has at least 2 `members`, or 0 for all")
        } else if (!self.ceilings.is_empty() || self.mobile.is_some()) && light == 1.0 {
            Some("`ceilings` and `mobile` are for SDK clients, of which there are none")
        } else if self
            .mobile
            .is_some_and(|m| !(m.changes_per_minute > 0.0 && m.changes_per_minute <= 60.0))
        {
            Some("`changes_per_minute` is above 0 and at most 60")
        } else {
            None
        }
    }

    /// Members of each room.
    pub(crate) fn members(&self) -> usize {
        match self.rooms.members {
            0 => self.users,
            members => members.min(self.users),
        }
    }

    /// What each user is, by number: kinds are mixed, so that each room has its share of them.
    pub(crate) fn kind(&self, number: usize) -> Kind {
        // The golden ratio spreads numbers evenly over 0..1, whatever their count.
        let place = (number as f64 * 0.618_033_988_75).fract();
        let Clients { memory, disk, .. } = self.clients;
        if place < memory {
            Kind::Memory
        } else if place < memory + disk {
            Kind::Disk
        } else {
            Kind::Light
        }
    }
}

/// What a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Light,
    Memory,
    Disk,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_can_be_read_and_has_a_file_of_its_name() {
        for (name, _) in SHIPPED {
            let scenario = Scenario::load(name).unwrap();
            let file = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
            assert_eq!(Scenario::load(&file).unwrap(), scenario);
        }
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios")).unwrap();
        assert_eq!(files.count(), SHIPPED.len(), "no file that no name leads to");
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_reason() {
        let good = SHIPPED[1].1;
        for (what, instead, reason) in [
            ("light = 0.8", "light = 0.9", "together 1"),
            ("members = 10", "members = 1", "at least 2"),
            ("seconds = 60", "seconds = 60\nstorms = [1.5]", "shares of the time"),
            ("seconds = 60", "seconds = 60\nstroms = [0.5]", "stroms"),
            ("0.2\n\n[rooms]", "0.2\nheavy = 0.0\n\n[rooms]", "heavy"),
            ("per_room_per_second = 0.2", "per_room_per_second = nan", "above 0"),
        ] {
            let bad = good.replace(what, instead);
            assert_ne!(bad, good);
            let error = Scenario::parse(&bad).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn clients_are_mixed_as_their_shares_say() {
        let scenario = Scenario::load("mobile").unwrap();
        let of = |kind| (0..400).filter(|n| scenario.kind(*n) == kind).count();
        assert!(of(Kind::Light).abs_diff(100) <= 2, "{}", of(Kind::Light));
        assert!(of(Kind::Memory).abs_diff(200) <= 2);
        let first = (0..10).map(|n| scenario.kind(n));
        assert!(first.clone().any(|kind| kind == Kind::Disk));
        assert!(first.clone().any(|kind| kind == Kind::Light));
    }
}
