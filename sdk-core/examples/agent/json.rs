//! What the agent tells, as JSON.

use serde_json::{Value, json};
use tidewire::{
    BudgetReport, CacheReport, Change, DownloadError, Error, FailReason, FileError, Message,
    MessageState, OutgoingFile, Presence, Problem, Repair, RoomCoverage, RoomListChange,
    RoomListRow, RoomListUpdate, RoomState, RoomSummary, Row, SearchHit, SearchPage, Spent, Tier,
    TierReport, Unread, UserId,
};

pub(crate) fn presence_json(user: &UserId, presence: Presence) -> Value {
    let (name, last_seen) = match presence {
        Presence::Unknown => ("unknown", None),
        Presence::Online => ("online", None),
        Presence::Away => ("away", None),
        Presence::Offline { last_seen } => ("offline", last_seen),
    };
    json!({"user": user, "presence": name, "last_seen": last_seen})
}

pub(crate) fn search_json(page: &SearchPage) -> Value {
    let hit = |hit: &SearchHit| {
        let parts: Vec<Value> = hit
            .snippet
            .iter()
            .map(|part| json!({"text": part.text, "matched": part.matched}))
            .collect();
        json!({"room": hit.message.room, "message": message_json(&hit.message), "snippet": parts})
    };
    let coverage = |room: &RoomCoverage| {
        json!({
            "room": room.room,
            "complete_from": room.complete_from,
            "complete": room.complete,
            "indexing": room.indexing,
        })
    };
    json!({
        "hits": page.hits.iter().map(hit).collect::<Vec<_>>(),
        "next": page.next.as_ref().map(ToString::to_string),
        "complete": page.complete,
        "source": page.source,
        "coverage": page.coverage.iter().map(coverage).collect::<Vec<_>>(),
    })
}

pub(crate) fn mode_json(report: tidewire::ModeReport) -> Value {
    json!({"event": "mode", "mode": report.mode, "reason": report.reason.to_string()})
}

pub(crate) fn problem_json(problem: &Problem) -> Value {
    let (name, detail) = match problem {
        Problem::AuthRequired { reason } => ("auth_required", json!({"message": reason})),
        Problem::WrongUser { token_user } => ("wrong_user", json!({"token_user": token_user})),
        Problem::StoreFailed(error) => ("store_failed", error_json(&Error::Store(error.clone()))),
        Problem::StoreRecovered => ("store_recovered", json!({})),
        Problem::Repaired(repair) => ("repaired", repair_json(repair)),
        Problem::SendFailed { room, id, target, reason } => {
            let reason = reason.to_string();
            let detail = json!({"room": room, "message": id, "target": target, "reason": reason});
            ("send_failed", detail)
        }
    };
    json!({"event": "problem", "problem": name, "detail": detail})
}

pub(crate) fn change_json(change: &Change) -> Value {
    match change {
        Change::Insert { index, row } => {
            json!({"op": "insert", "index": index, "row": row_json(row)})
        }
        Change::Set { index, row } => json!({"op": "set", "index": index, "row": row_json(row)}),
        Change::Remove { index } => json!({"op": "remove", "index": index}),
    }
}

pub(crate) fn row_json(row: &Row) -> Value {
    match row {
        Row::Message(message) => message_json(message),
        Row::Gap { from, to } => json!({"gap": [from, to]}),
    }
}

pub(crate) fn message_json(message: &Message) -> Value {
    let content: Value = message.content.parse().unwrap_or_default();
    let mut json = json!({
        "id": message.id,
        "sender": message.sender,
        "seq": message.seq,
        "at": message.at,
        "kind": message.kind,
        "content": content,
    });
    match &message.state {
        MessageState::Sending => json["state"] = "sending".into(),
        MessageState::Waiting(behind) => {
            json["state"] = "waiting".into();
            json["behind"] = behind.to_string().into();
        }
        MessageState::Failed(reason) => {
            json["state"] = "failed".into();
            json["reason"] = reason.to_string().into();
            if let FailReason::Refused(error) = reason {
                json["code"] = error.code.as_str().into();
                json["until"] = error.detail.as_ref().and_then(|detail| detail.until).into();
            }
        }
        MessageState::Sent => json["state"] = "sent".into(),
        MessageState::Delivered => json["state"] = "delivered".into(),
        MessageState::Read => json["state"] = "read".into(),
    }
    if let Some(reach) = message.reach {
        json["delivered_to"] = reach.delivered_to.into();
        json["read_by"] = reach.read_by.into();
        json["of"] = reach.of.into();
    }
    let changed = |changed: tidewire::Changed| json!({"seq": changed.seq, "at": changed.at});
    if let Some(edited) = message.edited {
        json["edited"] = changed(edited);
    }
    if message.blocked {
        json["blocked"] = true.into();
    }
    if let Some(deleted) = message.deleted {
        json["deleted"] = changed(deleted);
    }
    if !message.reactions.is_empty() {
        let reaction = |one: &tidewire::Reactions| json!({"key": one.key, "count": one.count, "mine": one.mine, "by": one.by});
        json["reactions"] = message.reactions.iter().map(reaction).collect();
    }
    if let Some(quote) = &message.reply_to {
        let quoted = quote.message.as_ref().map(|quoted| {
            json!({
                "sender": quoted.sender,
                "text": quoted.text,
                "deleted": quoted.deleted,
                "blocked": quoted.blocked,
            })
        });
        json["reply_to"] = json!({"id": quote.id, "message": quoted});
    }
    if let Some(root) = message.thread {
        json["thread"] = root.to_string().into();
    }
    if let Some(replies) = message.replies {
        json["replies"] = json!({"count": replies.count, "last_at": replies.last_at});
    }
    if !message.outgoing.is_empty() {
        json["attachments"] = message.outgoing.iter().map(outgoing_json).collect();
    } else if let attachments = message.attachments()
        && !attachments.is_empty()
    {
        json["attachments"] = json!(attachments);
    }
    if message.changing {
        json["changing"] = true.into();
    }
    json
}

/// A file of a message that waits.
fn outgoing_json(file: &OutgoingFile) -> Value {
    json!({
        "id": file.id,
        "name": file.name,
        "content_type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "width": file.width,
        "height": file.height,
        "duration_ms": file.duration_ms,
        "preview": file.preview,
        "path": file.path,
        "sent": file.sent,
        "uploaded": file.uploaded,
    })
}

pub(crate) fn room_json(state: RoomState) -> Value {
    json!({"state": state})
}

pub(crate) fn summary_json(room: &RoomSummary) -> Value {
    let RoomSummary { state, unread, draft, pending } = room;
    json!({"state": state, "unread": unread_json(*unread), "draft": draft, "pending": pending})
}

pub(crate) fn unread_json(unread: Unread) -> Value {
    let Unread { messages, mentions, exact } = unread;
    json!({"messages": messages, "mentions": mentions, "exact": exact})
}

pub(crate) fn list_json(update: &RoomListUpdate) -> Value {
    let mut line = match update {
        RoomListUpdate::Reset { rows, .. } => {
            json!({"reset": rows.iter().map(|row| list_row_json(row)).collect::<Vec<_>>()})
        }
        RoomListUpdate::Diff { changes, .. } => {
            json!({"changes": changes.iter().map(list_change_json).collect::<Vec<_>>()})
        }
    };
    line["first"] = update.first().into();
    line["total"] = update.total().into();
    line
}

fn list_change_json(change: &RoomListChange) -> Value {
    match change {
        RoomListChange::Insert { index, row } => {
            json!({"op": "insert", "index": index, "row": list_row_json(row)})
        }
        RoomListChange::Set { index, row } => {
            json!({"op": "set", "index": index, "row": list_row_json(row)})
        }
        RoomListChange::Remove { index } => json!({"op": "remove", "index": index}),
    }
}

fn list_row_json(row: &RoomListRow) -> Value {
    json!({
        "room": row.room,
        "kind": row.kind,
        "name": row.name,
        "avatar_url": row.avatar_url,
        "peer": row.peer,
        "profile": row.profile,
        "members": row.members,
        "role": row.role,
        "mute": row.mute,
        "slow_mode_ms": row.slow_mode_ms,
        "settings": row.settings,
        "unread": unread_json(row.unread),
        "last_message": row.last_message.as_ref().map(|message| message_json(message)),
        "draft": row.draft,
        "pending": row.pending,
        "failed": row.failed,
        "at": row.at,
    })
}

pub(crate) fn loaded_json(loaded: tidewire::Loaded) -> Value {
    json!({"added": loaded.added, "tier": tier_name(loaded.tier), "more": loaded.more})
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Memory => "memory",
        Tier::Disk => "disk",
        Tier::Server => "server",
    }
}

pub(crate) fn stats_json(stats: &tidewire::Stats) -> Value {
    let tier = |tier: &tidewire::TierStats| json!({"reads": tier.reads, "total_ms": tier.total_ms});
    json!({
        "requests": stats.requests,
        "polls": stats.polls,
        "sockets": stats.sockets,
        "streams": stats.streams,
        "frames_sent": stats.frames_sent,
        "sends": stats.sends,
        "frames_received": stats.frames_received,
        "bytes_sent": stats.bytes_sent,
        "bytes_received": stats.bytes_received,
        "wakeups": stats.wakeups,
        "pages": stats.pages,
        "pages_dropped": stats.pages_dropped,
        "events": stats.events,
        "events_repeated": stats.events_repeated,
        "bootstraps": stats.bootstraps,
        "tiers": {
            "memory": tier(&stats.memory),
            "disk": tier(&stats.disk),
            "server": tier(&stats.server),
        },
        "last_tier": stats.last_tier.map(tier_name),
    })
}

fn repair_json(repair: &Repair) -> Value {
    json!({
        "reason": repair.reason,
        "cache": repair.cache,
        "outbox": repair.outbox,
        "complete": repair.complete,
    })
}

pub(crate) fn report_json(report: &CacheReport) -> Value {
    let tier = |tier: &TierReport| {
        json!({
            "asked": tier.asked,
            "hits": tier.hits,
            "p50_ms": tier.p50_ms,
            "p90_ms": tier.p90_ms,
            "p99_ms": tier.p99_ms,
            "max_ms": tier.max_ms,
            "expected_ms": tier.expected_ms,
            "as_expected": tier.as_expected,
            "bytes": tier.bytes,
        })
    };
    json!({
        "memory": tier(&report.memory),
        "disk": tier(&report.disk),
        "server": tier(&report.server),
        "messages_in_memory": report.messages_in_memory,
        "files": {
            "used": report.files.used,
            "database": report.files.database,
            "log": report.files.log,
            "outbox": report.files.outbox,
        },
        "downloads": {
            "from_disk": report.downloads.from_disk,
            "from_server": report.downloads.from_server,
            "files": report.downloads.files,
            "bytes": report.downloads.bytes,
            "received": report.downloads.received,
        },
        "first_byte_ms": report.first_byte_ms,
        "first_list_ms": report.first_list_ms,
        "interactive_ms": report.interactive_ms,
        "repair": report.repair.as_ref().map(repair_json),
    })
}

pub(crate) fn budget_json(report: BudgetReport) -> Value {
    let spent = |spent: Spent| json!({"spent": spent.spent, "limit": spent.limit});
    json!({
        "wakeups": spent(report.wakeups),
        "bytes": spent(report.bytes),
        "window_ms": report.window_ms,
        "next_read_ms": report.next_read_ms,
        "exceeded": report.exceeded,
    })
}

pub(crate) fn error_json(error: &Error) -> Value {
    let name = match error {
        Error::Store(store) => match store {
            tidewire::StoreError::FolderInUse { .. } => "folder_in_use",
            tidewire::StoreError::FolderUnusable { .. } => "folder_unusable",
            tidewire::StoreError::Damaged { .. } => "damaged",
            tidewire::StoreError::Newer { .. } => "newer_database",
            tidewire::StoreError::DiskFull => "disk_full",
            tidewire::StoreError::Superseded => "superseded",
            tidewire::StoreError::Io(_) => "io",
        },
        Error::InvalidOp(_) => "invalid_op",
        Error::File { error, .. } => match error {
            FileError::Missing => "file_missing",
            FileError::NoFile => "no_file",
            FileError::Unreadable(_) => "file_unreadable",
            FileError::Empty => "file_empty",
            FileError::TooLarge { .. } => "file_too_large",
            FileError::Changed => "file_changed",
            FileError::Invalid(_) => "file_invalid",
        },
        Error::InvalidSearch(_) => "invalid_search",
        Error::InvalidId(_) => "invalid_id",
        Error::InvalidConfig(_) => "invalid_config",
        Error::InvalidUrl { .. } => "invalid_url",
        Error::UnknownRoom(_) => "unknown_room",
        Error::NotAMember(_) => "not_a_member",
        Error::UnknownMessage(_) => "unknown_message",
        Error::NotYours(_) => "not_yours",
        Error::InvalidBlock(_) => "invalid_block",
        Error::MessageDeleted(_) => "message_deleted",
        Error::OutboxFull { .. } => "outbox_full",
        Error::Offline => "offline",
        Error::Network(_) => "network",
        Error::Refused(error) => error.code.as_str(),
        Error::AuthRequired(_) => "auth_required",
        Error::PendingSends { .. } => "pending_sends",
        Error::Download(DownloadError::Damaged) => "file_damaged",
        Error::Download(DownloadError::TooLarge { .. }) => "file_too_large",
        Error::Suspended => "suspended",
        Error::Closed => "closed",
    };
    json!({"error": name, "message": error.to_string(), "temporary": error.is_temporary()})
}
