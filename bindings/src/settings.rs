//! What a client is opened with.

use std::time::Duration;

use tidewire::{AppState, ClientBuilder, Recording, UserId};

use crate::budget::Budget;
use crate::error::TidewireError;

/// What a client is opened with. What is left out keeps its default; bounds are checked on opening.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Settings {
    /// The server: `https://host[:port]`.
    pub url: String,
    /// Whose client this is: the `sub` of the token.
    pub user: String,
    /// The folder for all accounts' data; each account gets a folder of its own in it. Without it
    /// everything is kept in memory and ends with the client, pending sends too.
    #[uniffi(default = None)]
    pub data_dir: Option<String>,
    /// Whether to begin although pending sends are damaged beyond reading (not): opening fails with
    /// `Damaged` then and changes nothing. With it, what can be read is kept, the damaged file is set
    /// aside, and the event `Repaired` tells of it. Ask the user first.
    #[uniffi(default = false)]
    pub accept_loss: bool,
    /// Whether the system started the app in the background, with nobody looking (it did not).
    #[uniffi(default = false)]
    pub in_background: bool,
    /// Rooms that are live at once in hybrid: 0 to 20 (5).
    #[uniffi(default = None)]
    pub max_concurrent_rooms: Option<u32>,
    /// In a burst, at most one timeline update in this time, in ms: 0 to 60,000 (1,000). A quiet
    /// room shows at once.
    #[uniffi(default = None)]
    pub message_buffer_time_ms: Option<u64>,
    /// Longest silence in the foreground, in ms: 1,000 to 600,000 (30,000).
    #[uniffi(default = None)]
    pub presence_heartbeat_interval_ms: Option<u64>,
    /// The same in the background, and how often the feed is polled there, in ms: 1,000 to 600,000
    /// (60,000).
    #[uniffi(default = None)]
    pub background_heartbeat_interval_ms: Option<u64>,
    /// How often the feed is polled in hybrid and polling, in ms: 100 to 600,000 (5,000).
    #[uniffi(default = None)]
    pub polling_interval_ms: Option<u64>,
    /// The same on a 2G network, in ms: 100 to 600,000 (10,000).
    #[uniffi(default = None)]
    pub slow_polling_interval_ms: Option<u64>,
    /// Messages of one room kept in memory: 50 to 100,000 (500).
    #[uniffi(default = None)]
    pub max_messages_per_room: Option<u32>,
    /// How long profiles and room metadata count as fresh, in ms (300,000).
    #[uniffi(default = None)]
    pub cache_ttl_ms: Option<u64>,
    /// Bytes of messages kept on disk: at least 1,000,000 (268,435,456). Above it the oldest messages
    /// of the rooms that were not opened for longest go first, but for the newest 50 of each room;
    /// pending sends never do. What went is fetched again when somebody scrolls there.
    #[uniffi(default = None)]
    pub cache_bytes: Option<u64>,
    /// Bytes of downloaded files kept on disk: at least 1,000,000 (268,435,456). Above it those that were
    /// not used for longest go first; one that the app holds never does.
    #[uniffi(default = None)]
    pub file_cache_bytes: Option<u64>,
    /// Bytes of messages kept in memory, of all open timelines together: at least 1,000,000
    /// (25,165,824). Above it timelines that were not opened or scrolled lately keep their newest page
    /// only; the rest of it comes again by `load_older`.
    #[uniffi(default = None)]
    pub memory_bytes: Option<u64>,
    /// Time over which changes that audience or policy ask for are spread, in ms: 0 to 600,000
    /// (10,000).
    #[uniffi(default = None)]
    pub spread_ms: Option<u64>,
    /// Operations that may wait in the outbox: 1 to 1,000,000 (10,000).
    #[uniffi(default = None)]
    pub outbox_capacity: Option<u32>,
    /// What the client may spend in any hour (without limits).
    #[uniffi(default = None)]
    pub budget: Option<Budget>,
    /// Certificates, as PEM, by which the server's own may be signed besides those that Mozilla trusts (none).
    #[uniffi(default = None)]
    pub root_certificates: Option<String>,
    /// A file into which the client writes what it is given and what it decides, to be gone through
    /// again elsewhere; one that is there already is replaced. Tokens are never in it.
    #[uniffi(default = None)]
    pub record_into: Option<String>,
    /// Whether the texts of all messages and the names of users are in it too.
    #[uniffi(default = false)]
    pub record_verbatim: bool,
}

impl Settings {
    pub(crate) fn builder(self) -> Result<ClientBuilder, TidewireError> {
        let user = UserId::new(self.user)?;
        let mut builder = tidewire::Client::builder(self.url, user).accept_loss(self.accept_loss);
        if self.in_background {
            builder = builder.app_state(AppState::Background);
        }
        if let Some(folder) = self.data_dir {
            builder = builder.data_dir(folder);
        }
        if let Some(budget) = self.budget {
            builder = builder.budget(budget.into());
        }
        if let Some(pem) = self.root_certificates {
            builder = builder.root_certificates(pem);
        }
        if let Some(file) = self.record_into {
            let verbatim = self.record_verbatim;
            let recording = if verbatim { Recording::Verbatim } else { Recording::Redacted };
            builder = builder.record(file, recording);
        }
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        macro_rules! set {
            ($($field:ident => $knob:ident by $convert:expr;)*) => {
                $(if let Some(value) = self.$field {
                    builder = builder.$knob($convert(value));
                })*
            };
        }
        set! {
            max_concurrent_rooms => max_concurrent_rooms by count;
            message_buffer_time_ms => message_buffer_time by Duration::from_millis;
            presence_heartbeat_interval_ms => presence_heartbeat_interval by Duration::from_millis;
            background_heartbeat_interval_ms => background_heartbeat_interval by Duration::from_millis;
            polling_interval_ms => polling_interval by Duration::from_millis;
            slow_polling_interval_ms => slow_polling_interval by Duration::from_millis;
            max_messages_per_room => max_messages_per_room by count;
            cache_ttl_ms => cache_ttl by Duration::from_millis;
            cache_bytes => cache_bytes by std::convert::identity;
            file_cache_bytes => file_cache_bytes by std::convert::identity;
            memory_bytes => memory_bytes by std::convert::identity;
            spread_ms => spread by Duration::from_millis;
            outbox_capacity => outbox_capacity by count;
        }
        Ok(builder)
    }
}
