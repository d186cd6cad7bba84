//! What a server answers, written once and held against both: the real one over its sockets, and
//! the model that the simulation believes in. So the model is held to the truth.

mod blocks;
mod changes;
mod feed;
mod files;
mod model;
mod moderation;
mod order;
mod real;
mod reports;
mod rooms;
mod search;
mod sockets;

use std::collections::BTreeMap;

use tidewire::engine::{Request, RequestError, Response};
use tidewire::{Content, ErrorCode, EventId, EventKind, MessageContent, RoomId, RoomState, UserId};
use tidewire_protocol::{
    Bootstrap, ClientFrame, Cursor, FileKey, NewMembers, NewRoom, Op, OpOutcome, OpsRequest, Page,
    RoomKind, Sent, ServerFrame, SyncRequest, UploadId, UploadRequest, WireError,
};
use uuid::Uuid;

/// A server that takes requests and frames.
pub(crate) trait Served {
    /// A socket that is open.
    type Socket;

    async fn request(&mut self, user: &str, request: Request) -> Result<Response, RequestError>;

    /// Opens a socket, without a word.
    async fn open(&mut self, user: &str) -> Self::Socket;

    async fn say(&mut self, socket: &mut Self::Socket, frame: ClientFrame);

    /// The next frame of one of these types; others are passed over.
    async fn hears(&mut self, socket: &mut Self::Socket, wanted: &[&str]) -> ServerFrame;

    /// Something with files. What comes back is JSON, but for the bytes of a file.
    async fn file_call(&mut self, user: &str, call: FileCall) -> Result<Vec<u8>, WireError>;

    /// From now on this cursor of the user's is too old.
    async fn expire(&mut self, user: &str, cursor: &Cursor);
}

/// What is done with files.
#[derive(Debug, Clone)]
pub(crate) enum FileCall {
    Begin(UploadRequest),
    /// To the address of a part.
    Put(String, Vec<u8>),
    Complete(UploadId),
    Cancel(UploadId),
    Access(FileKey),
    /// From the address of a file.
    Get(String),
}

/// Each scenario against both servers.
macro_rules! scenarios {
    ($($module:ident :: $name:ident;)*) => {
        mod on_the_real_server {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$module::$name(&mut super::real::Real::start().await).await;
                }
            )*
        }

        mod on_the_model {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$module::$name(&mut super::model::Model::default()).await;
                }
            )*
        }
    };
}

scenarios! {
    rooms::a_room_is_created_once_and_a_repeat_gets_the_same;
    rooms::a_pair_has_one_direct_room;
    rooms::an_operation_is_taken_once_and_a_repeat_gets_the_first_answer;
    rooms::an_id_that_is_taken_is_refused_and_nothing_behind_it_is_tried;
    rooms::who_is_not_in_a_room_learns_nothing_of_it;
    rooms::only_an_owner_changes_members_and_a_group_is_never_without_one;
    rooms::a_former_member_gets_the_answer_to_what_was_accepted_and_nothing_else;
    rooms::an_heir_is_told_that_the_group_is_his;
    rooms::a_former_member_sees_the_room_as_it_was_at_the_leave;
    rooms::history_comes_from_either_end_and_around;
    changes::history_is_folded_as_of_its_head;
    changes::a_page_reaches_over_what_was_folded_away;
    changes::what_may_not_change_is_refused;
    changes::a_repeated_change_gets_the_first_answer;
    changes::a_thread_is_counted_and_has_pages_of_its_own;
    changes::a_message_comes_by_its_id;
    changes::only_messages_count_as_unread;
    changes::settings_come_by_the_feed_to_their_user_alone;
    changes::settings_that_come_too_late_take_back_no_later_ones;
    changes::a_group_looks_as_its_owners_want;
    changes::owners_give_roles_and_the_last_one_stays;
    moderation::a_moderator_keeps_order_among_members_and_an_owner_among_all;
    moderation::who_is_banned_is_out_and_stays_out_until_the_ban_is_lifted;
    moderation::a_group_without_an_owner_goes_to_a_moderator_first;
    order::who_is_muted_reads_on_and_hears_until_when;
    order::only_who_keeps_order_mutes_and_only_those_below;
    order::in_slow_mode_what_comes_too_early_is_put_off_on_every_way;
    blocks::a_block_list_comes_by_the_feed_to_its_user_alone;
    blocks::a_change_of_a_list_that_comes_too_late_takes_back_no_later_one;
    blocks::between_two_of_whom_one_has_blocked_the_other_nothing_is_written;
    reports::a_report_keeps_what_was_said_whatever_becomes_of_it;
    reports::only_members_report_and_only_who_keeps_order_sees_it;
    reports::reports_come_in_pages;
    files::a_file_travels_in_parts_and_a_repeat_tells_what_is_missing;
    files::what_breaks_a_rule_is_refused_with_what_would_do;
    files::what_is_not_what_was_declared_begins_anew;
    files::a_message_lists_only_what_its_sender_has_completed;
    files::a_file_is_for_those_who_may_read_a_message_that_lists_it;
    files::a_file_goes_with_the_last_message_that_lists_it;
    search::what_is_said_is_found_by_members_alone;
    search::a_search_comes_in_pages;
    search::a_search_that_can_find_nothing_is_refused;
    feed::reading_goes_on_from_the_cursor_and_brings_everything_in_order;
    feed::a_room_joined_since_comes_limited_with_its_unread_base;
    feed::a_room_with_more_news_than_a_page_comes_limited;
    feed::bodies_that_the_client_has_are_left_out;
    feed::pages_are_as_large_as_asked_for_and_each_makes_progress;
    feed::a_leave_is_the_last_that_is_told;
    feed::receipts_only_rise_and_come_by_the_feed;
    feed::how_far_the_others_are_is_told_to_members_who_ask;
    feed::operations_and_receipts_are_applied_before_the_feed_is_read;
    feed::a_cursor_that_is_none_is_refused_with_all_that_came_with_it;
    feed::an_expired_cursor_is_told_and_bootstrap_gives_another;
    sockets::the_feed_is_pushed_from_the_cursor_on;
    sockets::a_hello_sets_everything_anew;
    sockets::what_is_sent_is_answered_and_comes_by_the_feed_too;
    sockets::a_live_room_brings_what_follows_and_limited_where_that_is_too_much;
    sockets::a_room_of_others_is_not_live;
    sockets::a_sync_over_the_socket_is_answered_with_its_number;
    sockets::what_is_pushed_waits_for_credit;
}

fn room() -> RoomId {
    RoomId::from_uuid(Uuid::now_v7())
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn op(text: &str) -> Op {
    let content = Content::of(&MessageContent::of_text(text)).unwrap();
    Op { id: EventId::from_uuid(Uuid::now_v7()), kind: EventKind::Message, content }
}

async fn try_create(
    server: &mut impl Served,
    by: &str,
    id: RoomId,
    kind: RoomKind,
    members: &[&str],
) -> Result<RoomState, RequestError> {
    let members = members.iter().map(|name| user(name)).collect();
    let new = NewRoom { id, kind, name: None, members };
    match server.request(by, Request::CreateRoom(new)).await? {
        Response::Room(state) => Ok(state),
        other => panic!("{other:?}"),
    }
}

/// A group of the first and the others.
async fn group(server: &mut impl Served, by: &str, members: &[&str]) -> RoomId {
    try_create(server, by, room(), RoomKind::Group, members).await.unwrap().id
}

async fn try_send(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    ops: Vec<Op>,
) -> Result<Sent, RequestError> {
    match server.request(by, Request::Ops(room, OpsRequest { ops })).await? {
        Response::Ops(sent) => Ok(sent),
        other => panic!("{other:?}"),
    }
}

/// Says so many things in a room. Gives their ids.
async fn talk(server: &mut impl Served, by: &str, room: RoomId, count: usize) -> Vec<EventId> {
    let ops: Vec<Op> = (0..count).map(|n| op(&format!("{by} {n}"))).collect();
    let ids = ops.iter().map(|op| op.id).collect();
    for ops in ops.chunks(50) {
        try_send(server, by, room, ops.to_vec()).await.unwrap();
    }
    ids
}

async fn boot(server: &mut impl Served, name: &str) -> Bootstrap {
    match server.request(name, Request::Bootstrap).await.unwrap() {
        Response::Bootstrap(boot) => boot,
        other => panic!("{other:?}"),
    }
}

async fn cursor(server: &mut impl Served, name: &str) -> Cursor {
    boot(server, name).await.cursor
}

fn reading(cursor: &Cursor) -> SyncRequest {
    SyncRequest {
        cursor: Some(cursor.clone()),
        limit: 50,
        heartbeat_ms: 30_000,
        have: BTreeMap::new(),
        ..SyncRequest::default()
    }
}

async fn sync(
    server: &mut impl Served,
    name: &str,
    request: SyncRequest,
) -> Result<(Page, Vec<Sent>), RequestError> {
    match server.request(name, Request::Sync(request)).await? {
        Response::Sync(response) => Ok((response.page.expect("a page"), response.results)),
        other => panic!("{other:?}"),
    }
}

async fn read(server: &mut impl Served, name: &str, cursor: &Cursor) -> Page {
    sync(server, name, reading(cursor)).await.unwrap().0
}

async fn remove(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    name: &str,
) -> Result<RoomState, RequestError> {
    match server.request(by, Request::RemoveMember(room, user(name))).await? {
        Response::Room(state) => Ok(state),
        other => panic!("{other:?}"),
    }
}

async fn add(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    name: &str,
) -> Result<RoomState, RequestError> {
    let new = NewMembers { users: vec![user(name)] };
    match server.request(by, Request::AddMembers(room, new)).await? {
        Response::Room(state) => Ok(state),
        other => panic!("{other:?}"),
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, RequestError>) -> ErrorCode {
    match answer {
        Err(RequestError::Refused(error)) => error.code,
        other => panic!("no refusal but {other:?}"),
    }
}

fn refusal(outcome: &OpOutcome) -> Option<ErrorCode> {
    match outcome {
        OpOutcome::Refused { error } => Some(error.code.clone()),
        _ => None,
    }
}
