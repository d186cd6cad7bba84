//! Where others stand.

/// Where another user stands, as far as this client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Presence {
    /// Not known: the user is in no watched room, nothing was heard of the server for a while, or
    /// the app is in the background. Show nothing rather than what was.
    Unknown,
    /// Some device of the user's is in the foreground.
    Online,
    /// Every device of the user's is in the background.
    Away,
    /// No device was heard of for 2.5 of the intervals that it declared.
    Offline {
        /// The last sign of life, in ms since 1970-01-01 UTC by the server's clock; none if the
        /// server knows of none.
        last_seen_ms: Option<i64>,
    },
}

/// Where one user stands.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct PeerPresence {
    /// Whose.
    pub user: String,
    /// Where.
    pub presence: Presence,
}

impl From<tidewire::Presence> for Presence {
    fn from(presence: tidewire::Presence) -> Self {
        match presence {
            tidewire::Presence::Unknown => Self::Unknown,
            tidewire::Presence::Online => Self::Online,
            tidewire::Presence::Away => Self::Away,
            tidewire::Presence::Offline { last_seen } => Self::Offline { last_seen_ms: last_seen },
        }
    }
}
