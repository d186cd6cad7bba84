//! What the agent tells, as JSON.

use serde_json::{Value, json};
use tidewire::{
    BudgetReport, Change, Error, Message, MessageState, Presence, Problem, RoomState, Row, Spent,
    Tier, UserId,
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

pub(crate) fn mode_json(report: tidewire::ModeReport) -> Value {
    json!({"event": "mode", "mode": report.mode, "reason": report.reason.to_string()})
}

pub(crate) fn problem_json(problem: &Problem) -> Value {
    let (name, detail) = match problem {
        Problem::AuthRequired { reason } => ("auth_required", json!({"message": reason})),
        Problem::WrongUser { token_user } => ("wrong_user", json!({"token_user": token_user})),
        Problem::StoreFailed(error) => ("store_failed", error_json(&Error::Store(error.clone()))),
        Problem::StoreRecovered => ("store_recovered", json!({})),
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
    if let Some(deleted) = message.deleted {
        json["deleted"] = changed(deleted);
    }
    if !message.reactions.is_empty() {
        let reaction = |one: &tidewire::Reactions| json!({"key": one.key, "count": one.count, "mine": one.mine, "by": one.by});
        json["reactions"] = message.reactions.iter().map(reaction).collect();
    }
    if let Some(quote) = &message.reply_to {
        let quoted = quote.message.as_ref().map(|quoted| {
            json!({"sender": quoted.sender, "text": quoted.text, "deleted": quoted.deleted})
        });
        json["reply_to"] = json!({"id": quote.id, "message": quoted});
    }
    if let Some(root) = message.thread {
        json["thread"] = root.to_string().into();
    }
    if let Some(replies) = message.replies {
        json["replies"] = json!({"count": replies.count, "last_at": replies.last_at});
    }
    if message.changing {
        json["changing"] = true.into();
    }
    json
}

pub(crate) fn room_json(state: RoomState) -> Value {
    json!({"state": state})
}

pub(crate) fn older_json(older: tidewire::Older) -> Value {
    json!({"added": older.added, "tier": tier_name(older.tier), "more": older.more})
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
            tidewire::StoreError::NotADatabase { .. } => "not_a_database",
            tidewire::StoreError::Newer { .. } => "newer_database",
            tidewire::StoreError::DiskFull => "disk_full",
            tidewire::StoreError::Superseded => "superseded",
            tidewire::StoreError::Io(_) => "io",
        },
        Error::InvalidOp(_) => "invalid_op",
        Error::InvalidId(_) => "invalid_id",
        Error::InvalidConfig(_) => "invalid_config",
        Error::InvalidUrl { .. } => "invalid_url",
        Error::UnknownRoom(_) => "unknown_room",
        Error::NotAMember(_) => "not_a_member",
        Error::UnknownMessage(_) => "unknown_message",
        Error::NotYours(_) => "not_yours",
        Error::MessageDeleted(_) => "message_deleted",
        Error::OutboxFull { .. } => "outbox_full",
        Error::WindowFull { .. } => "window_full",
        Error::Offline => "offline",
        Error::Network(_) => "network",
        Error::Refused(error) => error.code.as_str(),
        Error::AuthRequired(_) => "auth_required",
        Error::Suspended => "suspended",
        Error::Closed => "closed",
    };
    json!({"error": name, "message": error.to_string(), "temporary": error.is_temporary()})
}
