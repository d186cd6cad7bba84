//! Who is in a room, what they may do, and how a group looks: all of it with the server.

use std::sync::Arc;
use std::time::Duration;

use tidewire::UserId;

use crate::cancel::{CancelToken, or_cancelled};
use crate::client::Client;
use crate::error::TidewireError;
use crate::room::{Mute, Role};
use crate::runtime::{finish, run};

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Member {
    /// The user.
    pub user: String,
    /// What the user may do.
    pub role: Role,
    /// When the user was added: ms since 1970-01-01 UTC.
    pub joined_at_ms: i64,
    /// If the user may only read.
    pub mute: Option<Mute>,
}

/// A page of members.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct MemberPage {
    /// At most 100, by user id.
    pub members: Vec<Member>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

/// Somebody who is kept out of a group.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Ban {
    /// Who is kept out.
    pub user: String,
    /// Who did it.
    pub by: String,
    /// When: ms since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Why, if anything was said.
    pub reason: Option<String>,
}

/// A page of those who are kept out of a group.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct BanPage {
    /// At most 100, by user id.
    pub bans: Vec<Ban>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

/// Somebody who may only read in a group.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct MutedUser {
    /// Who may only read.
    pub user: String,
    /// Who did it.
    pub by: String,
    /// When: ms since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Until when.
    pub mute: Mute,
    /// Why, if anything was said.
    pub reason: Option<String>,
}

/// A page of those who may only read in a group.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct MutePage {
    /// At most 100, by user id.
    pub mutes: Vec<MutedUser>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

/// How a group looks. What is left out the room has not any more.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RoomUpdate {
    /// The name: at most 256 bytes.
    #[uniffi(default = None)]
    pub name: Option<String>,
    /// The picture: at most 1,024 bytes.
    #[uniffi(default = None)]
    pub avatar_url: Option<String>,
}

#[uniffi::export]
impl Client {
    /// A page of the members of a room, by user id; `after` is the `next` of the page before it.
    /// Waits for the network.
    ///
    /// # Errors
    /// `InvalidId`, `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`, `Cancelled`.
    pub async fn members(
        &self,
        room: String,
        after: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<MemberPage, TidewireError> {
        let room = self.room(&room)?;
        let after = after.map(UserId::new).transpose()?;
        run(async move {
            let page = async {
                let (members, next) = room.members(after).await?;
                let members = members.into_iter().map(Member::from).collect();
                Ok(MemberPage { members, next: next.map(|next| next.to_string()) })
            };
            or_cancelled(cancel.as_deref(), page).await
        })
        .await
    }

    /// Invites: adds members, at most 100 at once; none of them if one is banned. Owners and moderators of
    /// groups may. Goes on if the caller gives up. Waits for the network.
    ///
    /// # Errors
    /// As for `members`, and those of the store.
    pub async fn add_members(&self, room: String, users: Vec<String>) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        let users: Result<Vec<UserId>, _> = users.into_iter().map(UserId::new).collect();
        let users = users?;
        finish(async move { Ok(room.add_members(users).await.map(drop)?) }).await
    }

    /// Removes a member, who may be added again. Owners and moderators may, but no moderator removes an owner
    /// or a moderator. Else as `add_members`.
    ///
    /// # Errors
    /// As for `add_members`.
    pub async fn remove_member(&self, room: String, user: String) -> Result<(), TidewireError> {
        let (room, user) = (self.room(&room)?, UserId::new(user)?);
        finish(async move { Ok(room.remove_member(user).await.map(drop)?) }).await
    }

    /// Sends a user away, if he is in the room, and keeps him out until `unban`: `Refused` with the code
    /// `banned` for whoever adds him. The reason, 1 byte to 1 KiB, is for those who keep order alone. Owners
    /// and moderators may, but no moderator bans an owner or a moderator. Else as `add_members`.
    ///
    /// # Errors
    /// As for `add_members`.
    pub async fn ban(
        &self,
        room: String,
        user: String,
        reason: Option<String>,
    ) -> Result<(), TidewireError> {
        let (room, user) = (self.room(&room)?, UserId::new(user)?);
        finish(async move { Ok(room.ban(user, reason).await.map(drop)?) }).await
    }

    /// Keeps a user out no more: he may be added again. Owners and moderators may. Else as `add_members`.
    ///
    /// # Errors
    /// As for `add_members`.
    pub async fn unban(&self, room: String, user: String) -> Result<(), TidewireError> {
        let (room, user) = (self.room(&room)?, UserId::new(user)?);
        finish(async move { Ok(room.unban(user).await.map(drop)?) }).await
    }

    /// A page of those who are kept out of a room, by user id; `after` is the `next` of the page before it.
    /// Owners and moderators may. Waits for the network.
    ///
    /// # Errors
    /// As for `members`.
    pub async fn bans(
        &self,
        room: String,
        after: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<BanPage, TidewireError> {
        let room = self.room(&room)?;
        let after = after.map(UserId::new).transpose()?;
        run(async move {
            let page = async { Ok(room.bans(after).await?.into()) };
            or_cancelled(cancel.as_deref(), page).await
        })
        .await
    }

    /// Lets a member only read, for so many ms (at most 366 days) or, without them, until `unmute_member`: what he
    /// sends fails as `Muted`. Whatever was said last holds. The reason, 1 byte to 1 KiB, is for those who keep
    /// order alone. Owners and moderators may, but no moderator mutes an owner or a moderator. Else as
    /// `add_members`. To have no notifications of a room is `mute`.
    ///
    /// # Errors
    /// As for `add_members`.
    pub async fn mute_member(
        &self,
        room: String,
        user: String,
        for_ms: Option<u64>,
        reason: Option<String>,
    ) -> Result<(), TidewireError> {
        let (room, user) = (self.room(&room)?, UserId::new(user)?);
        let time = for_ms.map(Duration::from_millis);
        finish(async move { Ok(room.mute_member(user, time, reason).await.map(drop)?) }).await
    }

    /// Lets a member write again. Who may mute may. Else as `add_members`.
    ///
    /// # Errors
    /// As for `add_members`.
    pub async fn unmute_member(&self, room: String, user: String) -> Result<(), TidewireError> {
        let (room, user) = (self.room(&room)?, UserId::new(user)?);
        finish(async move { Ok(room.unmute_member(user).await.map(drop)?) }).await
    }

    /// A page of those who may only read in a room, by user id; `after` is the `next` of the page before it.
    /// Owners and moderators may. Waits for the network.
    ///
    /// # Errors
    /// As for `members`.
    pub async fn muted_members(
        &self,
        room: String,
        after: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<MutePage, TidewireError> {
        let room = self.room(&room)?;
        let after = after.map(UserId::new).transpose()?;
        run(async move {
            let page = async { Ok(room.muted_members(after).await?.into()) };
            or_cancelled(cancel.as_deref(), page).await
        })
        .await
    }

    /// Says how many ms a member waits from one message in the room to the next, 6 hours at most; none ends slow
    /// mode. What is sent earlier waits in the outbox of that room, in order, and does not fail; edits, deletions
    /// and reactions do not count. Owners and moderators may, and do not wait. Else as `add_members`.
    ///
    /// # Errors
    /// As for `add_members`.
    pub async fn set_slow_mode(
        &self,
        room: String,
        interval_ms: Option<u64>,
    ) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        let interval = interval_ms.filter(|ms| *ms > 0).map(Duration::from_millis);
        finish(async move { Ok(room.set_slow_mode(interval).await.map(drop)?) }).await
    }

    /// Leaves a room. Else as `add_members`.
    ///
    /// # Errors
    /// As for `add_members`.
    pub async fn leave(&self, room: String) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        finish(async move { Ok(room.leave().await.map(drop)?) }).await
    }

    /// Gives a member of a group another role. Only owners may, and the last owner stays one. Else
    /// as `add_members`.
    ///
    /// # Errors
    /// As for `add_members`.
    pub async fn set_role(
        &self,
        room: String,
        user: String,
        role: Role,
    ) -> Result<(), TidewireError> {
        let (room, user) = (self.room(&room)?, UserId::new(user)?);
        finish(async move { Ok(room.set_role(user, role.into()).await.map(drop)?) }).await
    }

    /// Changes how a group looks, all of it. Only owners may. Else as `add_members`.
    ///
    /// # Errors
    /// As for `add_members`.
    pub async fn update_room(&self, room: String, update: RoomUpdate) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        let RoomUpdate { name, avatar_url } = update;
        let update = tidewire::RoomUpdate { name, avatar_url };
        finish(async move { Ok(room.update(update).await.map(drop)?) }).await
    }
}

impl From<tidewire::BanPage> for BanPage {
    fn from(page: tidewire::BanPage) -> Self {
        let ban = |tidewire::Ban { user, by, at, reason }| Ban {
            user: user.to_string(),
            by: by.to_string(),
            at_ms: at,
            reason,
        };
        let next = page.next.map(|next| next.to_string());
        Self { bans: page.bans.into_iter().map(ban).collect(), next }
    }
}

impl From<tidewire::MutePage> for MutePage {
    fn from(page: tidewire::MutePage) -> Self {
        let muted = |tidewire::MutedUser { user, by, at, mute, reason }| MutedUser {
            user: user.to_string(),
            by: by.to_string(),
            at_ms: at,
            mute: mute.into(),
            reason,
        };
        let next = page.next.map(|next| next.to_string());
        Self { mutes: page.mutes.into_iter().map(muted).collect(), next }
    }
}

impl From<tidewire::Member> for Member {
    fn from(member: tidewire::Member) -> Self {
        Self {
            user: member.user.to_string(),
            role: member.role.into(),
            joined_at_ms: member.joined_at,
            mute: member.mute.map(Mute::from),
        }
    }
}
