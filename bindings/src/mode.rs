//! The mode, its reason, and the platform's facts that it follows from.

use std::sync::Arc;

use tidewire::ModeReport;
use tokio::sync::watch;

use crate::cancel::CancelToken;
use crate::error::TidewireError;
use crate::subscription::{Reader, Source};

/// How the client reads: a schedule, nothing more. No switch loses or repeats anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Mode {
    /// Nothing is read or sent; everything cached stays readable and sends are queued.
    Offline,
    /// The server is asked every few seconds.
    Polling,
    /// A few rooms are live, the rest is asked for every few seconds.
    Hybrid,
    /// Everything is pushed as it happens.
    RealTime,
}

/// Why the mode is what it is: the signal that bound it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum ModeReason {
    /// Nothing bound it.
    Unbound,
    /// The number of users online is not known yet: one poll tells it.
    Starting,
    /// The users online, as the server told.
    Audience {
        /// How many.
        online: u32,
    },
    /// What the server can carry.
    Policy,
    /// The kind of network.
    Network {
        /// Which.
        kind: NetworkKind,
    },
    /// The network is metered and the user asked to save data.
    DataSaver,
    /// The app's state.
    App {
        /// Which.
        state: AppState,
    },
    /// No socket is to be had on this network. One is tried now and then.
    SocketsFail,
    /// The server's answers take long.
    Latency {
        /// The third quartile of what the last ones took, in ms.
        ms: u32,
    },
    /// The way to the server broke again and again within the last two minutes.
    Breaks {
        /// How often.
        times: u32,
    },
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

/// The mode and its reason.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ModeBatch {
    /// 1, 2, 3 …
    pub number: u64,
    /// The mode.
    pub mode: Mode,
    /// Why.
    pub reason: ModeReason,
    /// Why, in words.
    pub reason_text: String,
}

/// Where the app stands in its lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum AppState {
    /// Somebody looks at it.
    Foreground,
    /// It still runs, nobody looks.
    Background,
    /// It is about to be frozen by the system: no timer, no socket.
    Suspended,
}

/// A kind of link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum NetworkKind {
    /// There is none.
    None,
    /// 2G: a round trip takes about a second, and the radio is the battery.
    Cellular2G,
    /// 3G or better.
    Cellular,
    /// Wi-Fi.
    Wifi,
    /// A cable, or whatever the platform does not tell.
    Other,
}

/// What the platform says of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Network {
    /// What kind of link there is.
    pub kind: NetworkKind,
    /// Whether the user pays by the byte.
    #[uniffi(default = false)]
    pub metered: bool,
    /// Whether the user asked the system to save data.
    #[uniffi(default = false)]
    pub constrained: bool,
}

/// The mode as it changes: `next` gives the newest, and leaves out what was passed meanwhile.
#[derive(uniffi::Object)]
pub struct ModeSubscription {
    reader: Arc<Reader<Modes>>,
}

struct Modes {
    receiver: watch::Receiver<ModeReport>,
    last: Option<ModeBatch>,
}

impl ModeSubscription {
    pub(crate) fn new(receiver: watch::Receiver<ModeReport>) -> Self {
        Self { reader: Reader::new(Modes { receiver, last: None }) }
    }
}

#[uniffi::export]
impl ModeSubscription {
    /// The mode, once there is one with a number above `after`: at first at once. Waits for neither
    /// network nor disk.
    ///
    /// # Errors
    /// `Closed`, `Cancelled`, `AlreadyWaiting`.
    pub async fn next(
        &self,
        after: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<ModeBatch, TidewireError> {
        self.reader.next(after, cancel).await
    }

    /// Ends the subscription: `next` says `Closed` from now on.
    pub fn cancel(&self) {
        self.reader.close();
    }
}

impl Source for Modes {
    type Batch = ModeBatch;

    async fn next(&mut self, after: u64) -> Result<ModeBatch, TidewireError> {
        if let Some(last) = self.last.as_ref().filter(|last| last.number > after) {
            return Ok(last.clone());
        }
        self.receiver.changed().await.map_err(|_| TidewireError::Closed)?;
        let report = *self.receiver.borrow_and_update();
        let number = self.last.as_ref().map_or(0, |last| last.number) + 1;
        let batch = batch(number.max(after + 1), report);
        self.last = Some(batch.clone());
        Ok(batch)
    }
}

pub(crate) fn batch(number: u64, report: ModeReport) -> ModeBatch {
    ModeBatch {
        number,
        mode: report.mode.into(),
        reason: report.reason.into(),
        reason_text: report.reason.to_string(),
    }
}

impl From<tidewire::Mode> for Mode {
    fn from(mode: tidewire::Mode) -> Self {
        match mode {
            tidewire::Mode::Offline => Self::Offline,
            tidewire::Mode::Polling => Self::Polling,
            tidewire::Mode::Hybrid => Self::Hybrid,
            tidewire::Mode::RealTime => Self::RealTime,
        }
    }
}

impl From<Mode> for tidewire::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Offline => Self::Offline,
            Mode::Polling => Self::Polling,
            Mode::Hybrid => Self::Hybrid,
            Mode::RealTime => Self::RealTime,
        }
    }
}

impl From<tidewire::Reason> for ModeReason {
    fn from(reason: tidewire::Reason) -> Self {
        match reason {
            tidewire::Reason::Unbound => Self::Unbound,
            tidewire::Reason::Starting => Self::Starting,
            tidewire::Reason::Audience(online) => Self::Audience { online },
            tidewire::Reason::Policy => Self::Policy,
            tidewire::Reason::Network(kind) => Self::Network { kind: kind.into() },
            tidewire::Reason::DataSaver => Self::DataSaver,
            tidewire::Reason::App(state) => Self::App { state: state.into() },
            tidewire::Reason::SocketsFail => Self::SocketsFail,
            tidewire::Reason::Latency { ms } => Self::Latency { ms },
            tidewire::Reason::Breaks(times) => Self::Breaks { times },
            tidewire::Reason::EventStream => Self::EventStream,
            tidewire::Reason::LowPower => Self::LowPower,
            tidewire::Reason::Ceiling => Self::Ceiling,
            tidewire::Reason::Budget => Self::Budget,
        }
    }
}

impl From<tidewire::AppState> for AppState {
    fn from(state: tidewire::AppState) -> Self {
        match state {
            tidewire::AppState::Foreground => Self::Foreground,
            tidewire::AppState::Background => Self::Background,
            tidewire::AppState::Suspended => Self::Suspended,
        }
    }
}

impl From<AppState> for tidewire::AppState {
    fn from(state: AppState) -> Self {
        match state {
            AppState::Foreground => Self::Foreground,
            AppState::Background => Self::Background,
            AppState::Suspended => Self::Suspended,
        }
    }
}

impl From<tidewire::NetworkKind> for NetworkKind {
    fn from(kind: tidewire::NetworkKind) -> Self {
        match kind {
            tidewire::NetworkKind::None => Self::None,
            tidewire::NetworkKind::Cellular2G => Self::Cellular2G,
            tidewire::NetworkKind::Cellular => Self::Cellular,
            tidewire::NetworkKind::Wifi => Self::Wifi,
            tidewire::NetworkKind::Other => Self::Other,
        }
    }
}

impl From<Network> for tidewire::Network {
    fn from(network: Network) -> Self {
        let kind = match network.kind {
            NetworkKind::None => tidewire::NetworkKind::None,
            NetworkKind::Cellular2G => tidewire::NetworkKind::Cellular2G,
            NetworkKind::Cellular => tidewire::NetworkKind::Cellular,
            NetworkKind::Wifi => tidewire::NetworkKind::Wifi,
            NetworkKind::Other => tidewire::NetworkKind::Other,
        };
        Self { kind, metered: network.metered, constrained: network.constrained }
    }
}
