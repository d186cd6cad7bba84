//! The mode: the lowest of the ceilings that the signals allow, and the one that bound it.

use std::fmt;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{AppState, Mode, Policy};

use super::health::Health;
use crate::defaults;

/// What the platform says of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Network {
    /// What kind of link there is.
    pub kind: NetworkKind,
    /// Whether the user pays by the byte.
    pub metered: bool,
    /// Whether the user asked the system to save data.
    pub constrained: bool,
}

/// A kind of link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkKind {
    /// There is none.
    None,
    /// 2G: a round trip takes about a second, and the radio is the battery.
    #[serde(rename = "cellular_2g")]
    Cellular2G,
    /// 3G or better.
    Cellular,
    /// Wi-Fi.
    Wifi,
    /// A cable, or whatever the platform does not tell.
    #[default]
    Other,
}

/// Why the mode is what it is: the signal that bound it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing bound it.
    Unbound,
    /// The number of users online is not known yet: one poll tells it.
    Starting,
    /// The users online, as the server told.
    Audience(u32),
    /// What the server can carry.
    Policy,
    /// The kind of network.
    Network(NetworkKind),
    /// The network is metered and the user asked to save data.
    DataSaver,
    /// The app's state.
    App(AppState),
    /// No socket is to be had: each of the last ones failed. One is tried now and then.
    SocketsFail,
    /// The server's answers take long: the third quartile of the last ones.
    Latency {
        /// In ms.
        ms: u32,
    },
    /// The way to the server broke so often within the last two minutes, and came back in between.
    Breaks(u32),
    /// Nothing bound it. But sockets fail on this network while HTTP works, so that the feed is pushed
    /// over an event stream: reading is as fast as over a socket, sending takes a request each.
    EventStream,
    /// The system saves power.
    LowPower,
    /// The ceiling that the app set.
    Ceiling,
    /// A socket would cost more than the app's budget has left.
    Budget,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Unbound => f.write_str("nothing limits it"),
            Reason::Starting => f.write_str("the audience is not known yet"),
            Reason::Audience(online) => write!(f, "{online} users are online"),
            Reason::Policy => f.write_str("the server asked for it"),
            Reason::Network(NetworkKind::None) => f.write_str("there is no network"),
            Reason::Network(NetworkKind::Cellular2G) => f.write_str("the network is 2G"),
            Reason::Network(kind) => write!(f, "the network is {kind:?}"),
            Reason::DataSaver => f.write_str("data saver is on"),
            Reason::App(state) => write!(f, "the app is in state {}", state.as_str()),
            Reason::SocketsFail => f.write_str("sockets fail on this network"),
            Reason::Latency { ms } => write!(f, "the server's answers take {ms} ms"),
            Reason::Breaks(times) => {
                write!(f, "the connection broke {times} times in two minutes")
            }
            Reason::EventStream => {
                f.write_str("sockets fail on this network, and an event stream does their work")
            }
            Reason::LowPower => f.write_str("the device saves power"),
            Reason::Ceiling => f.write_str("the app set this ceiling"),
            Reason::Budget => f.write_str("a socket would cost more than the budget has left"),
        }
    }
}

/// A mode and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModeReport {
    /// The mode.
    pub mode: Mode,
    /// What bound it.
    pub reason: Reason,
}

/// The signals, each as it was last told.
#[derive(Debug)]
pub(crate) struct Signals {
    pub(crate) network: Network,
    pub(crate) app_state: AppState,
    /// Whether the background has only begun: the socket may still be of use.
    pub(crate) grace: bool,
    pub(crate) low_power: bool,
    /// Whether no socket is to be had.
    pub(crate) sockets_fail: bool,
    /// What the answers themselves say of the way to the server.
    pub(crate) health: Health,
    /// Whether an event stream does the work of the sockets that fail.
    pub(crate) streams_work: bool,
    pub(crate) ceiling: Mode,
    /// What the app's budget allows.
    pub(crate) budget: Mode,
    /// As told; `audience_ceiling` follows within the spread.
    pub(crate) online: Option<u32>,
    pub(crate) policy: Option<Policy>,
    /// What the crowd's signals allow now, with the signal that said so.
    crowd: Option<(Mode, Reason)>,
    /// Where this client stands in `[0, 1)` for policies.
    point: f64,
}

/// Whether the crowd's signals ask for another ceiling than the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CrowdChange {
    /// No.
    None,
    /// Yes, and it is the first: follow at once.
    First,
    /// Yes: follow at this client's moment of the spread, or of the dwell.
    Later {
        /// Whether it is a higher one.
        rises: bool,
    },
}

/// What news can be pushed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Socket,
    Stream,
    Neither,
}

impl Signals {
    pub(crate) fn new(point: f64, app_state: AppState) -> Self {
        Self {
            network: Network::default(),
            app_state,
            grace: false,
            low_power: false,
            sockets_fail: false,
            health: Health::default(),
            streams_work: false,
            ceiling: Mode::RealTime,
            budget: Mode::RealTime,
            online: None,
            policy: None,
            crowd: None,
            point,
        }
    }

    pub(crate) fn point(&self) -> f64 {
        self.point
    }

    pub(crate) fn move_to(&mut self, point: f64) {
        self.point = point;
    }

    /// The mode and what bound it.
    pub(crate) fn report(&self) -> ModeReport {
        self.report_of(self.ceilings())
    }

    /// The same of the ceilings in force.
    pub(crate) fn report_of(&self, ceilings: impl Iterator<Item = (Mode, Reason)>) -> ModeReport {
        let report = lowest(ceilings);
        // It limits nothing, and still is what there is to tell.
        let streamed = report.reason == Reason::Unbound && self.sockets_fail;
        if streamed { ModeReport { reason: Reason::EventStream, ..report } } else { report }
    }

    /// Whether the mode is above offline: only the network, the app's state and the app itself can say otherwise.
    pub(crate) fn is_online(&self) -> bool {
        let network = self.network.kind != NetworkKind::None;
        let online =
            network && self.app_state != AppState::Suspended && self.ceiling != Mode::Offline;
        debug_assert_eq!(online, self.report().mode > Mode::Offline);
        online
    }

    /// The mode that would be if sockets were to be had.
    pub(crate) fn wish(&self) -> Mode {
        lowest(self.ceilings_if(Way::Socket)).mode
    }

    /// All ceilings in force.
    pub(crate) fn ceilings(&self) -> impl Iterator<Item = (Mode, Reason)> + Clone + use<> {
        // A stream pushes the feed and nothing else: where rooms would be live, it is of no use.
        self.ceilings_if(match self.sockets_fail {
            false => Way::Socket,
            true if self.streams_work && self.wish() == Mode::RealTime => Way::Stream,
            true => Way::Neither,
        })
    }

    /// The ceilings. On a tie the earlier signal of this list is the reason: what the user or the
    /// device decided is told before what the crowd did.
    fn ceilings_if(&self, way: Way) -> impl Iterator<Item = (Mode, Reason)> + Clone + use<> {
        let network = match self.network.kind {
            NetworkKind::None => Mode::Offline,
            NetworkKind::Cellular2G => Mode::Polling,
            _ => Mode::RealTime,
        };
        let data_saver = if self.network.metered && self.network.constrained {
            Mode::Hybrid
        } else {
            Mode::RealTime
        };
        let app_state = match self.app_state {
            AppState::Foreground => Mode::RealTime,
            AppState::Background if self.grace => Mode::RealTime,
            AppState::Background => Mode::Polling,
            AppState::Suspended => Mode::Offline,
        };
        let power = if self.low_power { Mode::Hybrid } else { Mode::RealTime };
        let sockets = match way {
            Way::Socket => (Mode::RealTime, Reason::SocketsFail),
            Way::Stream => (Mode::RealTime, Reason::EventStream),
            Way::Neither => (Mode::Polling, Reason::SocketsFail),
        };
        let (crowd, crowd_reason) = self.crowd.unwrap_or((Mode::Polling, Reason::Starting));
        [
            (network, Reason::Network(self.network.kind)),
            (app_state, Reason::App(self.app_state)),
            (self.ceiling, Reason::Ceiling),
            (data_saver, Reason::DataSaver),
            (power, Reason::LowPower),
            (self.budget, Reason::Budget),
            sockets,
            self.health.ceiling(),
            (crowd, crowd_reason),
        ]
        .into_iter()
    }

    /// What the crowd's signals ask for, against what is in force.
    pub(crate) fn crowd_change(&self) -> CrowdChange {
        match (self.crowd, self.crowd_wanted()) {
            (_, None) => CrowdChange::None,
            (None, Some(_)) => CrowdChange::First,
            (Some((now, _)), Some((wanted, _))) if now == wanted => CrowdChange::None,
            (Some((now, _)), Some((wanted, _))) => CrowdChange::Later { rises: wanted > now },
        }
    }

    /// Puts in force what the crowd's signals ask for.
    pub(crate) fn follow_crowd(&mut self) {
        if let Some(wanted) = self.crowd_wanted() {
            self.crowd = Some(wanted);
        }
    }

    /// Keeps the reason true while the mode stays.
    pub(crate) fn refresh_crowd_reason(&mut self) {
        if let (Some((mode, _)), Some(wanted)) = (self.crowd, self.crowd_wanted())
            && mode == wanted.0
        {
            self.crowd = Some(wanted);
        }
    }

    /// What the crowd's signals ask for, with the signal that says so.
    pub(crate) fn crowd_wanted(&self) -> Option<(Mode, Reason)> {
        if let Some(policy) = &self.policy {
            return Some((policy.ceiling(self.point), Reason::Policy));
        }
        let online = self.online?;
        let now = self.crowd.map_or(Mode::RealTime, |(mode, _)| mode);
        Some((audience_ceiling(online, now), Reason::Audience(online)))
    }
}

/// The lowest of ceilings, and the first that is as low.
pub(crate) fn lowest(ceilings: impl Iterator<Item = (Mode, Reason)>) -> ModeReport {
    let mut report = ModeReport { mode: Mode::RealTime, reason: Reason::Unbound };
    for (mode, reason) in ceilings {
        if mode < report.mode {
            report = ModeReport { mode, reason };
        }
    }
    report
}

/// The audience at or below which the ceiling rises from `mode`.
pub(crate) fn audience_opens(mode: Mode) -> u32 {
    let upward = |threshold: u32| f64::from(threshold) * defaults::UPWARD_SHARE;
    if mode >= Mode::Hybrid {
        (upward(defaults::REAL_TIME_BELOW).ceil() as u32).saturating_sub(1)
    } else {
        upward(defaults::HYBRID_UP_TO) as u32
    }
}

/// What an audience allows. Going down opens at the threshold, going up at 80 % of it.
fn audience_ceiling(online: u32, now: Mode) -> Mode {
    let upward = |threshold: u32| f64::from(threshold) * defaults::UPWARD_SHARE;
    let online_f = f64::from(online);
    let real_time = if now >= Mode::RealTime {
        online < defaults::REAL_TIME_BELOW
    } else {
        online_f < upward(defaults::REAL_TIME_BELOW)
    };
    let hybrid = if now >= Mode::Hybrid {
        online <= defaults::HYBRID_UP_TO
    } else {
        online_f <= upward(defaults::HYBRID_UP_TO)
    };
    match (real_time, hybrid) {
        (true, _) => Mode::RealTime,
        (false, true) => Mode::Hybrid,
        (false, false) => Mode::Polling,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_online(online: u32) -> Signals {
        let mut signals = Signals::new(0.5, AppState::Foreground);
        signals.online = Some(online);
        signals.follow_crowd();
        signals
    }

    #[test]
    fn the_audience_moves_the_ceiling_at_the_tables_thresholds() {
        for (online, mode) in [
            (1, Mode::RealTime),
            (49, Mode::RealTime),
            (50, Mode::Hybrid),
            (500, Mode::Hybrid),
            (501, Mode::Polling),
        ] {
            assert_eq!(with_online(online).report().mode, mode, "{online} online");
        }
    }

    #[test]
    fn the_way_up_opens_at_80_percent_of_the_way_down() {
        let mut signals = with_online(501);
        for (online, mode) in [
            (450, Mode::Polling),
            (400, Mode::Hybrid),
            (45, Mode::Hybrid),
            (40, Mode::Hybrid),
            (39, Mode::RealTime),
            (49, Mode::RealTime),
            (50, Mode::Hybrid),
        ] {
            signals.online = Some(online);
            signals.follow_crowd();
            assert_eq!(signals.report().mode, mode, "{online} online");
        }
    }

    #[test]
    fn the_lowest_ceiling_wins_and_is_the_reason() {
        let mut signals = with_online(100);
        assert_eq!(
            signals.report(),
            ModeReport { mode: Mode::Hybrid, reason: Reason::Audience(100) }
        );
        signals.app_state = AppState::Background;
        assert_eq!(
            signals.report(),
            ModeReport { mode: Mode::Polling, reason: Reason::App(AppState::Background) }
        );
        signals.network.kind = NetworkKind::Cellular2G;
        assert_eq!(signals.report().reason, Reason::Network(NetworkKind::Cellular2G));
        signals.network.kind = NetworkKind::None;
        assert_eq!(signals.report().mode, Mode::Offline);
        signals.network = Network { kind: NetworkKind::Cellular, metered: true, constrained: true };
        signals.app_state = AppState::Foreground;
        signals.online = Some(3);
        signals.follow_crowd();
        assert_eq!(signals.report(), ModeReport { mode: Mode::Hybrid, reason: Reason::DataSaver });
        signals.ceiling = Mode::Polling;
        assert_eq!(signals.report().reason, Reason::Ceiling);
    }

    #[test]
    fn a_policy_takes_the_place_of_the_audience_for_its_share() {
        let policy = Some(Policy { real_time: 0.2, hybrid: 0.6, ttl_ms: 60_000 });
        for (point, mode) in [(0.1, Mode::RealTime), (0.3, Mode::Hybrid), (0.7, Mode::Polling)] {
            let mut signals = Signals::new(point, AppState::Foreground);
            signals.online = Some(10_000);
            signals.policy = policy;
            signals.follow_crowd();
            assert_eq!(signals.report().mode, mode);
        }
    }

    #[test]
    fn before_the_audience_is_known_nothing_but_a_poll_is_made() {
        let signals = Signals::new(0.0, AppState::Foreground);
        assert_eq!(signals.report(), ModeReport { mode: Mode::Polling, reason: Reason::Starting });
    }
}
