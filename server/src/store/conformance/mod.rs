//! What every store must do, as one suite: each promise is a function named after it.

pub(crate) mod accounts;
mod blocks;
mod changes;
mod feed;
mod folding;
mod hot;
mod last_seen;
mod log;
mod order;
mod receipts;
mod reports;
mod revocations;
mod roles;
mod rooms;
mod search;
mod settings;
mod uploads;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use tidewire_protocol::{
    Content, DeleteContent, EditContent, ErrorCode, Event, EventId, EventKind, HistoryAnchor,
    MessageContent, NewRoom, Op, OpOutcome, ReactionContent, RoomId, RoomKind, Seq, UserId,
};
use uuid::Uuid;

use super::{Appended, Entry, EventJson, FeedPage, FeedQuery, Ords, Store, StoreError};

/// Opens the store of a folder; the same folder again is the same database.
type Opener<'a> = &'a dyn Fn(PathBuf) -> BoxFuture<'static, Arc<dyn Store>>;

macro_rules! promises {
    ($open:expr, $($module:ident :: $promise:ident),* $(,)?) => {
        $(
            eprintln!("promise: {}", stringify!($promise));
            let folder = tempfile::tempdir().unwrap();
            let store = $open(folder.path().to_owned()).await;
            $module::$promise(&Fixture { store: store.clone(), folder: folder.path(), open: $open })
                .await;
            store.close().await;
        )*
    };
}

/// A store under test.
struct Fixture<'a> {
    store: Arc<dyn Store>,
    folder: &'a Path,
    open: Opener<'a>,
}

/// Runs the suite on stores that `open` opens. Each must carry at most 20 members a room.
pub(crate) async fn suite(open: Opener<'_>) {
    promises!(
        open,
        revocations::what_was_revoked_is_known_to_all_and_stays_so,
        log::a_repeat_gets_the_answer_of_the_original,
        log::an_id_that_stands_for_something_else_is_taken,
        log::what_was_accepted_stays_so_after_a_removal,
        log::after_a_refusal_nothing_more_is_tried,
        log::only_members_write_and_read,
        log::concurrent_writers_leave_no_gap_and_no_repeat,
        log::whoever_follows_the_log_misses_nothing,
        log::reopened_it_has_everything,
        log::closed_it_says_so,
        log::history_speaks_of_the_range_that_was_asked,
        log::a_live_read_goes_on_after_a_seq,
        changes::only_what_is_there_is_changed_quoted_or_answered,
        changes::only_its_sender_edits_a_message_and_an_owner_may_delete_it,
        changes::what_was_deleted_is_neither_edited_nor_reacted_to,
        changes::what_changes_nothing_is_not_written,
        changes::a_thread_hangs_on_a_message_that_stands_in_none,
        changes::a_repeat_is_answered_as_first_whatever_has_happened_since,
        changes::a_message_takes_only_so_many_different_reactions,
        changes::an_edit_mentions_nobody_and_no_change_counts_as_unread,
        folding::history_is_folded_as_of_its_head,
        folding::pages_go_on_over_what_was_folded_away,
        folding::concurrent_reactions_come_to_exact_counts,
        folding::a_former_member_sees_messages_as_they_were_at_the_leave,
        folding::a_thread_has_pages_of_its_own,
        folding::a_message_is_found_by_its_id,
        folding::a_page_of_history_ends_at_its_bytes_and_goes_on,
        folding::a_state_has_the_last_message_folded,
        hot::what_is_in_memory_is_answered_as_the_database_has_it,
        feed::pages_together_are_the_log,
        feed::whoever_joins_gets_the_state_and_what_follows,
        feed::whoever_leaves_gets_the_leave_and_nothing_after,
        feed::a_room_with_too_much_news_is_limited_and_the_others_still_come,
        feed::a_page_ends_at_its_bytes_and_goes_on,
        feed::bodies_that_the_client_has_are_left_out,
        feed::a_cursor_beyond_the_head_is_refused,
        receipts::watermarks_only_grow_and_never_pass_the_head,
        receipts::what_moves_nothing_writes_nothing,
        receipts::a_move_is_news_for_all_members_once,
        receipts::a_read_settles_the_unread_base,
        receipts::former_members_move_and_see_none_and_come_back_anew,
        receipts::how_far_the_others_are_is_told_to_members_who_ask,
        receipts::pages_of_receipts_together_are_all_of_them,
        receipts::whoever_follows_the_log_sees_each_receipt_where_it_moved_last,
        rooms::creation_is_idempotent_for_its_creator_only,
        rooms::a_pair_has_one_direct_room,
        rooms::a_direct_room_is_of_two_and_never_changes,
        rooms::only_owners_change_members_and_a_group_always_has_one,
        rooms::a_room_takes_only_so_many,
        rooms::a_state_says_what_its_reader_has_not_read,
        rooms::the_counts_of_unread_and_of_mentions_stop,
        rooms::the_room_list_misses_no_room_that_becomes_active,
        rooms::members_come_in_pages,
        rooms::profiles_are_replaced_as_a_whole,
        roles::a_group_looks_as_its_owners_want_and_is_told_once,
        roles::owners_give_roles_and_the_last_one_stays,
        roles::a_moderator_keeps_order_among_members_and_an_owner_among_all,
        roles::who_is_banned_is_out_and_stays_out_until_the_ban_is_lifted,
        roles::only_who_keeps_order_sees_who_is_banned_in_pages,
        roles::a_group_without_an_owner_goes_to_a_moderator_first,
        order::who_is_muted_reads_on_and_writes_nothing_until_it_ends,
        order::only_who_keeps_order_mutes_and_only_those_below,
        order::only_who_keeps_order_sees_who_is_muted_in_pages,
        order::in_slow_mode_a_member_writes_once_in_the_interval,
        order::however_many_write_at_once_slow_mode_takes_one_of_each,
        settings::settings_are_their_users_alone_and_replaced_as_a_whole,
        settings::settings_that_change_are_news_for_their_user_once,
        settings::only_members_set_anything_and_come_back_without_it,
        settings::settings_that_follow_others_than_there_are_change_nothing,
        settings::pages_of_settings_together_are_all_of_them,
        blocks::between_two_of_whom_one_has_blocked_the_other_nothing_is_written,
        blocks::nobody_brings_those_into_a_room_who_have_blocked_him,
        blocks::in_a_group_everything_goes_on,
        blocks::a_list_that_changes_is_news_for_its_user_once,
        blocks::a_change_that_follows_another_list_changes_nothing,
        blocks::a_list_has_an_end,
        blocks::a_send_beside_a_block_is_before_it_or_refused,
        reports::a_report_keeps_what_was_said_then,
        reports::only_members_report_what_they_can_see,
        reports::only_who_keeps_order_sees_reports_and_ends_them,
        reports::pages_of_reports_together_are_all_of_them,
        search::what_is_said_is_found_the_newest_first_by_members_alone,
        search::what_is_found_is_folded_and_what_is_deleted_is_not_found,
        search::a_former_member_finds_what_was_there_at_the_leave,
        search::pages_together_are_all_that_is_found,
        search::any_text_is_a_query_and_none_is_an_operator,
        uploads::the_same_request_is_the_same_upload_and_any_other_is_none,
        uploads::a_message_lists_only_what_its_sender_has_completed,
        uploads::a_file_is_seen_by_who_may_read_a_message_that_lists_it,
        uploads::what_nothing_lists_goes_and_what_a_message_lists_stays,
        uploads::a_deletion_takes_a_file_along_once_nothing_lists_it,
        uploads::a_repeat_is_accepted_whatever_became_of_its_files,
        last_seen::a_user_was_last_seen_at_the_latest_moment_told,
        last_seen::to_be_seen_is_no_news_in_the_log,
        accounts::of_those_who_want_a_name_at_once_one_gets_it,
        accounts::nobody_gets_the_name_of_somebody_who_is_here_without_an_account,
        accounts::a_session_begins_by_the_password_that_there_is,
        accounts::another_password_ends_all_other_sessions,
        accounts::a_lost_answer_is_given_again_until_its_tokens_are_shown,
        accounts::a_refresh_token_that_comes_too_late_ends_its_session_for_good,
        accounts::a_session_that_has_ended_is_told_until_its_tokens_have,
        accounts::whose_tokens_are_taken_back_has_no_session_left,
        accounts::a_user_has_only_so_many_sessions,
        accounts::what_is_over_is_removed_and_nothing_else,
    );
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn room_id() -> RoomId {
    RoomId::from_uuid(Uuid::now_v7())
}

fn message(text: &str) -> Op {
    op(EventKind::Message, &MessageContent::of_text(text))
}

fn op<T: serde::Serialize>(kind: EventKind, content: &T) -> Op {
    let content = Content::of(content).unwrap();
    Op { id: EventId::from_uuid(Uuid::now_v7()), kind, content }
}

fn events(json: &[EventJson]) -> Vec<Event> {
    json.iter().map(|json| serde_json::from_str(json.get()).unwrap()).collect()
}

fn seqs(json: &[EventJson]) -> Vec<u64> {
    events(json).iter().map(|event| event.seq.get()).collect()
}

fn edit(target: EventId, text: &str) -> Op {
    let content = MessageContent::of_text(text);
    op(EventKind::Edit, &EditContent { target, content })
}

fn delete(target: EventId) -> Op {
    op(EventKind::Delete, &DeleteContent { target })
}

fn reaction(target: EventId, key: &str, removed: bool) -> Op {
    op(EventKind::Reaction, &ReactionContent { target, key: key.into(), removed })
}

fn reply(root: EventId, text: &str) -> Op {
    let content = MessageContent { thread: Some(root), ..MessageContent::of_text(text) };
    op(EventKind::Message, &content)
}

impl Fixture<'_> {
    /// Sends one operation that must be taken. Gives its id.
    async fn send(&self, room: RoomId, sender: &str, op: Op) -> EventId {
        let id = op.id;
        match &self.append(room, sender, vec![op]).await.results[0].outcome {
            OpOutcome::Accepted { .. } => id,
            other => panic!("{other:?}"),
        }
    }

    /// Sends one operation that must be refused, without a trace. Gives why.
    async fn refused(&self, room: RoomId, sender: &str, op: Op) -> ErrorCode {
        let heads = self.store.heads().await.unwrap();
        let appended = self.append(room, sender, vec![op]).await;
        assert_eq!((appended.fresh, self.store.heads().await.unwrap()), (0, heads));
        match &appended.results[0].outcome {
            OpOutcome::Refused { error } => error.code.clone(),
            other => panic!("{other:?}"),
        }
    }

    async fn history(&self, room: RoomId, reader: &str) -> Vec<Event> {
        let page = self.store.history(room, user(reader), None, HistoryAnchor::Newest, 200).await;
        events(&page.unwrap().messages)
    }

    async fn group(&self, creator: &str, others: &[&str]) -> RoomId {
        let id = room_id();
        let members = others.iter().map(|name| user(name)).collect();
        let room = NewRoom { id, kind: RoomKind::Group, name: None, members };
        self.store.create_room(user(creator), room).await.unwrap();
        id
    }

    async fn append(&self, room: RoomId, sender: &str, ops: Vec<Op>) -> Appended {
        self.store.append(room, user(sender), ops).await.unwrap()
    }

    /// Sends so many messages, and says where the last one stands.
    async fn say(&self, room: RoomId, sender: &str, count: usize) -> Seq {
        let mut last = Seq::ZERO;
        for n in 0..count {
            let appended = self.append(room, sender, vec![message(&format!("{n}"))]).await;
            match appended.results[0].outcome {
                OpOutcome::Accepted { seq, .. } => last = seq,
                ref other => panic!("{other:?}"),
            }
        }
        last
    }

    /// All that stands in the log, shard by shard.
    async fn log(&self) -> Vec<Entry> {
        let mut log = Vec::new();
        for shard in 0..self.store.shards() {
            log.extend(self.store.log_after(shard, 0, 100_000).await.unwrap());
        }
        log
    }

    /// In which shard each room stands.
    async fn shards(&self) -> HashMap<RoomId, usize> {
        self.log().await.iter().filter_map(|entry| Some((entry.room?, entry.shard))).collect()
    }

    /// What stands in the log of a room's shard after a place.
    async fn log_after(&self, room: RoomId, from: &Ords, limit: usize) -> Vec<Entry> {
        let shard = self.shards().await[&room];
        self.store.log_after(shard, from.get(shard), limit).await.unwrap()
    }

    /// Opens the same database again.
    async fn reopened(&self) -> Arc<dyn Store> {
        (self.open)(self.folder.to_owned()).await
    }

    async fn page(&self, name: &str, from: &Ords, limit: usize) -> FeedPage {
        self.store.feed_page(query(name, from, limit)).await.unwrap()
    }
}

fn query(name: &str, from: &Ords, limit: usize) -> FeedQuery {
    FeedQuery {
        user: user(name),
        from: from.clone(),
        limit,
        room_limit: limit,
        have: Default::default(),
    }
}

/// How many places of the log are taken.
fn places(heads: &Ords) -> u64 {
    heads.iter().sum()
}

fn error<T: std::fmt::Debug>(result: Result<T, StoreError>) -> StoreError {
    result.unwrap_err()
}
