//! Users with their tokens, in rooms of 100.

use std::path::Path;
use std::time::Duration;

use tidewire::{Client, RoomId, UserId};
use tidewire_server::auth::Keys;

use super::Error;

/// Members of a room with its maker: as many as one call may name, and one.
pub(crate) const ROOM: usize = 100;

/// Whose token holds for longer than any benchmark.
pub(crate) fn token(keys: &Keys, user: &UserId) -> Result<String, Error> {
    Ok(keys.mint(user, Duration::from_secs(24 * 3_600))?)
}

pub(crate) fn user(number: usize) -> Result<UserId, Error> {
    Ok(UserId::new(format!("user-{number:05}"))?)
}

/// The keys of the server on this folder, which runs or has run.
pub(crate) fn keys(data: &Path) -> Result<Keys, Error> {
    Ok(Keys::load_or_create(data)?)
}

/// Makes rooms of [`ROOM`] users each, one after the other; of the last whatever is left. Each room is
/// made by its first user.
pub(crate) async fn rooms(url: &str, keys: &Keys, users: usize) -> Result<Vec<RoomId>, Error> {
    let mut rooms = Vec::new();
    for first in (0..users).step_by(ROOM) {
        let maker = maker(url, keys, first).await?;
        let others = (first + 1..users.min(first + ROOM)).map(user).collect::<Result<_, _>>()?;
        rooms.push(maker.create_group(format!("room {first}"), others).await?.id());
        maker.close().await;
    }
    Ok(rooms)
}

/// One room of the first `users` users.
pub(crate) async fn one_room(url: &str, keys: &Keys, users: usize) -> Result<RoomId, Error> {
    let maker = maker(url, keys, 0).await?;
    let room = maker.create_group("the room", Vec::new()).await?;
    let others = (1..users).map(user).collect::<Result<Vec<_>, _>>()?;
    for some in others.chunks(ROOM) {
        room.add_members(some.to_vec()).await?;
    }
    let id = room.id();
    maker.close().await;
    Ok(id)
}

async fn maker(url: &str, keys: &Keys, number: usize) -> Result<Client, Error> {
    let user = user(number)?;
    let token = token(keys, &user)?;
    Ok(Client::builder(url, user).token(token).open().await?)
}
