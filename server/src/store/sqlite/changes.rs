//! What changes a message: edits, deletions, reactions, replies in its thread. Whether one may be
//! written is judged in the transaction that writes it; what is kept of it makes folding a message a
//! few looks into indexes, whatever has happened to the room: see `fold`.

use rusqlite::OptionalExtension;
use tidewire_protocol::{
    DeleteContent, EditContent, ErrorCode, EventId, EventKind, MessageContent, Op, ReactionContent,
    Role, RoomKind, Seq, UserId, WireError, limits,
};

use super::int;
use super::read::{self, RoomRow};
use super::writer::Tx;
use crate::store::StoreError;

/// Until when a reaction is there that nobody has taken away: beyond every log.
pub(super) const STANDING: i64 = i64::MAX;

/// What an operation has to do with other messages, as far as it says so itself.
pub(super) enum Concern {
    Nothing,
    Message { reply_to: Option<EventId>, thread: Option<EventId> },
    Edit { target: EventId },
    Delete { target: EventId },
    Reaction { target: EventId, key: String, removed: bool },
}

impl Concern {
    /// What a valid operation concerns.
    pub(super) fn of(op: &Op) -> Self {
        let content = &op.content;
        let concern = match op.kind {
            EventKind::Message => content.parse::<MessageContent>().map(|message| Self::Message {
                reply_to: message.reply_to,
                thread: message.thread,
            }),
            EventKind::Edit => {
                content.parse::<EditContent>().map(|edit| Self::Edit { target: edit.target })
            }
            EventKind::Delete => content
                .parse::<DeleteContent>()
                .map(|delete| Self::Delete { target: delete.target }),
            EventKind::Reaction => content.parse::<ReactionContent>().map(|reaction| {
                let ReactionContent { target, key, removed } = reaction;
                Self::Reaction { target, key, removed }
            }),
            _ => return Self::Nothing,
        };
        // What does not parse is not valid, and is refused for that.
        concern.unwrap_or(Self::Nothing)
    }
}

/// What an operation that may be written changes.
pub(super) enum Effect<'a> {
    Nothing,
    /// A message in the thread of that one.
    Reply {
        root: Seq,
    },
    /// An edit or a deletion of that message.
    Revision {
        target: Seq,
    },
    Reaction {
        target: Seq,
        key: &'a str,
        /// How many users have the key now, and since when it is there; none if nobody has.
        standing: Option<(u32, Seq)>,
        removed: bool,
    },
}

impl Effect<'_> {
    /// The message in whose thread the event stands.
    pub(super) fn root(&self) -> Option<Seq> {
        match self {
            Self::Reply { root } => Some(*root),
            _ => None,
        }
    }
}

/// A message that is named by another event.
struct Named {
    seq: Seq,
    sender: UserId,
    in_thread: bool,
}

type Judged<T> = Result<Result<T, WireError>, StoreError>;

fn no<T>(code: ErrorCode, text: &str) -> Judged<T> {
    Ok(Err(WireError::new(code, text)))
}

/// Goes on with what was judged right, or returns with the refusal.
macro_rules! judged {
    ($judged:expr) => {
        match $judged? {
            Ok(right) => right,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}

fn named(tx: &Tx<'_>, row: &RoomRow, id: EventId) -> Judged<Named> {
    let found = tx
        .conn
        .prepare_cached(
            "SELECT seq, sender, root IS NOT NULL FROM events
             WHERE rk = ?1 AND id = ?2 AND kind = 'message'",
        )?
        .query_row((row.rk, id.uuid().as_bytes()), |found| {
            Ok(Named {
                seq: read::seq(found, 0)?,
                sender: read::user(found, 1)?,
                in_thread: found.get(2)?,
            })
        })
        .optional()?;
    match found {
        Some(named) => Ok(Ok(named)),
        None => no(
            ErrorCode::UnknownMessage,
            "the room has no message of this id: what is changed, quoted or answered must be there",
        ),
    }
}

fn is_deleted(tx: &Tx<'_>, row: &RoomRow, target: Seq) -> Result<bool, StoreError> {
    // After a deletion nothing more is taken, so that it is the last revision.
    let last = tx
        .conn
        .prepare_cached(
            "SELECT e.kind = 'delete' FROM revisions v JOIN events e ON e.rk = v.rk AND e.seq = v.seq
             WHERE v.rk = ?1 AND v.target = ?2 ORDER BY v.seq DESC LIMIT 1",
        )?
        .query_row((row.rk, int(target.get())), |found| found.get(0))
        .optional()?;
    Ok(last.unwrap_or(false))
}

/// Whether the operation of a member may be written, and what it then changes.
pub(super) fn judge<'a>(
    tx: &Tx<'_>,
    row: &RoomRow,
    sender: &UserId,
    role: Role,
    concern: &'a Concern,
) -> Judged<Effect<'a>> {
    match concern {
        Concern::Nothing => Ok(Ok(Effect::Nothing)),
        Concern::Message { reply_to, thread } => {
            if let Some(quoted) = reply_to {
                judged!(named(tx, row, *quoted));
            }
            let Some(thread) = thread else { return Ok(Ok(Effect::Nothing)) };
            let root = judged!(named(tx, row, *thread));
            if root.in_thread {
                return no(
                    ErrorCode::InvalidContent,
                    "a message that stands in a thread has none of its own: name the thread's first",
                );
            }
            Ok(Ok(Effect::Reply { root: root.seq }))
        }
        Concern::Edit { target } => {
            let target = judged!(named(tx, row, *target));
            if target.sender != *sender {
                return no(ErrorCode::Forbidden, "only its sender edits a message");
            }
            if is_deleted(tx, row, target.seq)? {
                return no(ErrorCode::MessageDeleted, "the message was deleted: send another one");
            }
            Ok(Ok(Effect::Revision { target: target.seq }))
        }
        Concern::Delete { target } => {
            let target = judged!(named(tx, row, *target));
            let owns = row.kind != RoomKind::Direct && role == Role::Owner;
            if target.sender != *sender && !owns {
                return no(
                    ErrorCode::Forbidden,
                    "only its sender deletes a message, and in a group an owner",
                );
            }
            if is_deleted(tx, row, target.seq)? {
                return no(ErrorCode::NoChange, "the message is deleted already");
            }
            Ok(Ok(Effect::Revision { target: target.seq }))
        }
        Concern::Reaction { target, key, removed } => {
            let target = judged!(named(tx, row, *target)).seq;
            if is_deleted(tx, row, target)? {
                return no(
                    ErrorCode::MessageDeleted,
                    "the message was deleted: nobody can react to it any more",
                );
            }
            let has: bool = tx
                .conn
                .prepare_cached(
                    "SELECT EXISTS(SELECT 1 FROM reactions WHERE rk = ?1 AND target = ?2
                     AND user = ?3 AND until = ?4 AND key = ?5)",
                )?
                .query_row(
                    (row.rk, int(target.get()), sender.as_str(), STANDING, key),
                    |found| found.get(0),
                )?;
            if has != *removed {
                let text = if has { "the reaction is there already" } else { "there is none" };
                return no(ErrorCode::NoChange, text);
            }
            let standing = standing(tx, row, target, key)?;
            if standing.is_none() && keys(tx, row, target)? >= limits::REACTION_KEYS {
                let most = limits::REACTION_KEYS;
                let text = format!("a message takes at most {most} different reactions");
                return no(ErrorCode::InvalidContent, &text);
            }
            Ok(Ok(Effect::Reaction { target, key, standing, removed: *removed }))
        }
    }
}

/// How many users have the key on a message now, and since when it is there.
fn standing(
    tx: &Tx<'_>,
    row: &RoomRow,
    target: Seq,
    key: &str,
) -> Result<Option<(u32, Seq)>, StoreError> {
    let found = tx
        .conn
        .prepare_cached(
            "SELECT users, first FROM reaction_counts
             WHERE rk = ?1 AND target = ?2 AND until = ?3 AND key = ?4",
        )?
        .query_row((row.rk, int(target.get()), STANDING, key), |found| {
            Ok((found.get(0)?, read::seq(found, 1)?))
        })
        .optional()?;
    Ok(found)
}

/// How many different keys a message has now.
fn keys(tx: &Tx<'_>, row: &RoomRow, target: Seq) -> Result<usize, StoreError> {
    let keys: i64 = tx
        .conn
        .prepare_cached(
            "SELECT count(*) FROM reaction_counts WHERE rk = ?1 AND target = ?2 AND until = ?3",
        )?
        .query_row((row.rk, int(target.get()), STANDING), |found| found.get(0))?;
    Ok(usize::try_from(keys).unwrap_or(usize::MAX))
}

/// Keeps what the event at `seq` has changed.
pub(super) fn keep(
    tx: &Tx<'_>,
    row: &RoomRow,
    sender: &UserId,
    seq: Seq,
    effect: &Effect<'_>,
) -> Result<(), StoreError> {
    let at = int(seq.get());
    match effect {
        Effect::Nothing => {}
        Effect::Reply { root } => {
            // Numbered, so that the last one up to a seq says how many there are.
            tx.conn
                .prepare_cached(
                    "INSERT INTO replies(rk, root, seq, number) VALUES(?1, ?2, ?3, 1 + coalesce(
                         (SELECT number FROM replies WHERE rk = ?1 AND root = ?2
                          ORDER BY seq DESC LIMIT 1), 0))",
                )?
                .execute((row.rk, int(root.get()), at))?;
        }
        Effect::Revision { target } => {
            tx.conn
                .prepare_cached("INSERT INTO revisions(rk, target, seq) VALUES(?1, ?2, ?3)")?
                .execute((row.rk, int(target.get()), at))?;
        }
        Effect::Reaction { target, key, standing, removed } => {
            let target = int(target.get());
            if *removed {
                tx.conn
                    .prepare_cached(
                        "UPDATE reactions SET until = ?6 WHERE rk = ?1 AND target = ?2 AND user = ?3
                         AND until = ?4 AND key = ?5",
                    )?
                    .execute((row.rk, target, sender.as_str(), STANDING, key, at))?;
            } else {
                tx.conn
                    .prepare_cached(
                        "INSERT INTO reactions(rk, target, user, until, key, since)
                         VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute((row.rk, target, sender.as_str(), STANDING, key, at))?;
            }
            let (users, first) = standing.unwrap_or((0, seq));
            if standing.is_some() {
                tx.conn
                    .prepare_cached(
                        "UPDATE reaction_counts SET until = ?5
                         WHERE rk = ?1 AND target = ?2 AND until = ?3 AND key = ?4",
                    )?
                    .execute((row.rk, target, STANDING, key, at))?;
            }
            let users = if *removed { users.saturating_sub(1) } else { users.saturating_add(1) };
            if users > 0 {
                tx.conn
                    .prepare_cached(
                        "INSERT INTO reaction_counts(rk, target, until, key, since, first, users)
                         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    )?
                    .execute((row.rk, target, STANDING, key, at, int(first.get()), users))?;
            }
        }
    }
    Ok(())
}
