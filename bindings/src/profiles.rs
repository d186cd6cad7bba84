//! What users show of themselves.

use tidewire::UserId;

use crate::client::Client;
use crate::error::TidewireError;
use crate::runtime::{finish, run};

/// What a user shows.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Profile {
    /// The user.
    pub user: String,
    /// The name to show; none if the user has set none.
    pub name: Option<String>,
    /// The picture to show.
    pub avatar_url: Option<String>,
    /// When the user last changed it: ms since 1970-01-01 UTC; 0 if never.
    pub updated_at_ms: i64,
}

/// What the user is to show: all of it, so that what is left out is not shown any more.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ProfileUpdate {
    /// The name: at most 256 bytes.
    #[uniffi(default = None)]
    pub name: Option<String>,
    /// The picture: at most 1,024 bytes.
    #[uniffi(default = None)]
    pub avatar_url: Option<String>,
}

#[uniffi::export]
impl Client {
    /// Profiles of users, in the order asked: from memory or disk as they were last seen, and of users
    /// of whom nothing is known from the server. Those that are older than `cache_ttl` are given at
    /// once too, and fetched; if they are others by now, the event `ProfilesChanged` says so. All that
    /// is asked for at once, by whatever calls, is one request for each 100 users. Without a network,
    /// and while the app is suspended, a user of whom nothing is known has an empty profile.
    ///
    /// # Errors
    /// `InvalidId`, `Closed`, those of the store.
    pub async fn profiles(&self, users: Vec<String>) -> Result<Vec<Profile>, TidewireError> {
        let client = self.inner.clone();
        let users: Result<Vec<UserId>, _> = users.into_iter().map(UserId::new).collect();
        let users = users?;
        run(async move { Ok(client.profiles(users).await?.into_iter().map(Profile::from).collect()) })
            .await
    }

    /// Replaces the user's own profile, and gives it as it is now. Goes on if the caller gives up.
    /// Waits for the network.
    ///
    /// # Errors
    /// `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`, those of the store.
    pub async fn update_profile(&self, update: ProfileUpdate) -> Result<Profile, TidewireError> {
        let client = self.inner.clone();
        let ProfileUpdate { name, avatar_url } = update;
        let update = tidewire::ProfileUpdate { name, avatar_url };
        finish(async move { Ok(client.update_profile(update).await?.into()) }).await
    }
}

impl From<tidewire::Profile> for Profile {
    fn from(profile: tidewire::Profile) -> Self {
        Self {
            user: profile.user.to_string(),
            name: profile.name,
            avatar_url: profile.avatar_url,
            updated_at_ms: profile.updated_at,
        }
    }
}
