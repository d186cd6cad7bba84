//! The list of a user's rooms, the most recently active first.

use tidewire_protocol::{RoomPage, UserId, limits};

use super::connect::{Session, int, number, shard, small};
use super::read;
use crate::store::{EventJson, Ords, StoreError};

/// Where a page goes on. First all rooms from the most recently active down, as of the moment of the
/// first page; then those that have become active since, by their places in the log.
enum From {
    Down { as_of: Ords, below: (i64, i64) },
    Up { as_of: Ords, above: (usize, u64) },
}

impl From {
    fn parse(token: &str, shards: usize) -> Option<Self> {
        let mut parts = token.split('.');
        let way = parts.next()?;
        let ords: Option<Vec<u64>> = parts.next()?.split('-').map(|ord| ord.parse().ok()).collect();
        let as_of = Ords::from_iter(ords?);
        let (one, two) = (parts.next()?, parts.next()?);
        if as_of.len() != shards || parts.next().is_some() {
            return None;
        }
        match way {
            "d" => Some(Self::Down { as_of, below: (one.parse().ok()?, two.parse().ok()?) }),
            "u" => Some(Self::Up { as_of, above: (one.parse().ok()?, two.parse().ok()?) }),
            _ => None,
        }
    }

    fn token(&self) -> String {
        let of = |as_of: &Ords| {
            let ords: Vec<String> = as_of.iter().map(|ord| ord.to_string()).collect();
            ords.join("-")
        };
        match self {
            Self::Down { as_of, below: (at, rk) } => format!("d.{}.{at}.{rk}", of(as_of)),
            Self::Up { as_of, above: (shard, ord) } => format!("u.{}.{shard}.{ord}", of(as_of)),
        }
    }
}

const DOWN: &str = "SELECT r.rk, r.active_at FROM members m JOIN rooms r ON r.rk = m.rk
     WHERE m.user_id = $1 AND m.left_ord IS NULL AND (r.active_at, r.rk) < ($2, $3)
     ORDER BY r.active_at DESC, r.rk DESC LIMIT $4";
const UP: &str = "SELECT r.rk, r.shard, r.head_ord FROM members m JOIN rooms r ON r.rk = m.rk
     WHERE m.user_id = $1 AND m.left_ord IS NULL AND r.head_ord > ($2::bigint[])[r.shard + 1]
       AND (r.shard, r.head_ord) > ($3, $4)
     ORDER BY r.shard, r.head_ord LIMIT $5";

pub(super) async fn page(
    s: &Session,
    user: &UserId,
    after: Option<&str>,
) -> Result<RoomPage<EventJson>, StoreError> {
    let heads = read::heads(s).await?;
    let from = match after {
        None => From::Down { as_of: heads.clone(), below: (i64::MAX, i64::MAX) },
        Some(token) => From::parse(token, heads.len()).ok_or(StoreError::BadPageToken)?,
    };
    let (name, most) = (user.as_str(), int(limits::ROOMS_PAGE as u64 + 1));
    let last = limits::ROOMS_PAGE - 1;
    let (rows, next) = match from {
        From::Down { as_of, below } => {
            let rows = s.query(DOWN, &[&name, &below.0, &below.1, &most]).await?;
            let next = match rows.get(last).filter(|_| rows.len() > limits::ROOMS_PAGE) {
                Some(row) => Some(From::Down { as_of, below: (row.try_get(1)?, row.try_get(0)?) }),
                None => (heads != as_of).then_some(From::Up { as_of, above: (0, 0) }),
            };
            (rows, next)
        }
        From::Up { as_of, above } => {
            let since: Vec<i64> = as_of.iter().map(int).collect();
            let (place, ord) = (small(above.0), int(above.1));
            let rows = s.query(UP, &[&name, &since, &place, &ord, &most]).await?;
            let next = match rows.get(last).filter(|_| rows.len() > limits::ROOMS_PAGE) {
                Some(row) => Some(From::Up { as_of, above: (shard(row, 1)?, number(row, 2)?) }),
                None => None,
            };
            (rows, next)
        }
    };
    let rks: Result<Vec<i64>, _> =
        rows.iter().take(limits::ROOMS_PAGE).map(|row| row.try_get(0)).collect();
    let rooms = read::rooms_of_keys(s, user, &rks?).await?;
    Ok(RoomPage {
        rooms: read::states(s, user, &rooms).await?,
        next: next.map(|from| from.token()),
    })
}
