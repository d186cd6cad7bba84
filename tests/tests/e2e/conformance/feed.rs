//! The feed, as `sync` reads it.

use tidewire::engine::{Request, Response};
use tidewire::{ErrorCode, EventKind, Receipt, RoomId, Seq, UnreadBase};
use tidewire_protocol::{Cursor, Page, ReceiptUpdate, RoomOps, SyncRequest};

use super::{Served, add, boot, code, cursor, group, op, read, reading, remove, sync, talk, user};

fn seqs(page: &Page) -> Vec<(RoomId, u64)> {
    page.events.iter().map(|event| (event.room, event.seq.get())).collect()
}

fn quiet(page: &Page) -> bool {
    page.events.is_empty() && page.limited.is_empty() && page.receipts.is_empty() && !page.more
}

fn receipt(room: RoomId, delivered: u64, read: u64) -> ReceiptUpdate {
    let (delivered, read) = (Some(Seq::new(delivered)), Some(Seq::new(read)));
    ReceiptUpdate { room, delivered, read }
}

pub(super) async fn reading_goes_on_from_the_cursor_and_brings_everything_in_order(
    server: &mut impl Served,
) {
    let (one, two) = (group(server, "ada", &["bob"]).await, group(server, "ada", &["bob"]).await);
    group(server, "eve", &[]).await;
    let from = cursor(server, "ada").await;
    talk(server, "bob", one, 1).await;
    talk(server, "bob", two, 1).await;
    talk(server, "ada", one, 1).await;
    let page = read(server, "ada", &from).await;
    assert_eq!((&page.from, page.more), (&from, false));
    assert_eq!(seqs(&page), [(one, 2), (two, 2), (one, 3)]);
    let next = read(server, "ada", &page.to).await;
    assert!(quiet(&next), "{next:?}");
    assert_eq!((&next.from, &next.to), (&page.to, &page.to));
    // The same question gets the same answer.
    assert_eq!(seqs(&read(server, "ada", &from).await), seqs(&page));
}

pub(super) async fn a_room_joined_since_comes_limited_with_its_unread_base(
    server: &mut impl Served,
) {
    let room = group(server, "ada", &[]).await;
    talk(server, "ada", room, 3).await;
    let from = cursor(server, "bob").await;
    add(server, "ada", room, "bob").await.unwrap();
    talk(server, "ada", room, 2).await;
    let page = read(server, "bob", &from).await;
    assert!(page.events.is_empty(), "{page:?}");
    let state = &page.limited[0];
    assert_eq!((state.id, state.head_seq, state.members), (room, Seq::new(7), 2));
    let base = UnreadBase { unread: 2, mentions: 0, as_of: Seq::new(7), read: Seq::new(5) };
    assert_eq!(state.unread_base, Some(base));
    assert_eq!(state.last_event.as_ref().map(|event| event.seq), Some(Seq::new(7)));
    let members: Vec<_> = state.receipts.iter().map(|receipt| receipt.user.clone()).collect();
    assert_eq!(members, [user("ada"), user("bob")]);
    talk(server, "ada", room, 1).await;
    assert_eq!(seqs(&read(server, "bob", &page.to).await), [(room, 8)]);
}

pub(super) async fn a_room_with_more_news_than_a_page_comes_limited(server: &mut impl Served) {
    let (busy, calm) = (group(server, "ada", &["bob"]).await, group(server, "ada", &["bob"]).await);
    let from = cursor(server, "bob").await;
    talk(server, "ada", busy, 51).await;
    talk(server, "ada", calm, 1).await;
    let page = read(server, "bob", &from).await;
    assert_eq!(page.limited.iter().map(|room| room.id).collect::<Vec<_>>(), [busy]);
    assert_eq!(page.limited[0].unread_base.map(|base| base.unread), Some(51));
    assert_eq!(seqs(&page), [(calm, 2)]);
    assert!(quiet(&read(server, "bob", &page.to).await));
}

pub(super) async fn bodies_that_the_client_has_are_left_out(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let from = cursor(server, "bob").await;
    talk(server, "ada", room, 60).await;
    // What is held does not count: the rest fits into a page.
    let with = SyncRequest { have: [(room, Seq::new(50))].into(), ..reading(&from) };
    let (page, _) = sync(server, "bob", with).await.unwrap();
    assert!(page.limited.is_empty(), "{page:?}");
    assert_eq!(seqs(&page), (51..=61).map(|seq| (room, seq)).collect::<Vec<_>>());
    let all = SyncRequest { have: [(room, Seq::new(61))].into(), ..reading(&from) };
    let (all, _) = sync(server, "bob", all).await.unwrap();
    assert!(quiet(&all), "{all:?}");
    assert!(quiet(&read(server, "bob", &all.to).await));
}

pub(super) async fn pages_are_as_large_as_asked_for_and_each_makes_progress(
    server: &mut impl Served,
) {
    let mut rooms = Vec::new();
    for _ in 0..4 {
        rooms.push(group(server, "ada", &["bob"]).await);
    }
    let mut at = cursor(server, "bob").await;
    let mut expected = Vec::new();
    for seq in 2..=3 {
        for room in &rooms {
            talk(server, "ada", *room, 1).await;
            expected.push((*room, seq));
        }
    }
    let mut seen = Vec::new();
    loop {
        let request = SyncRequest { limit: 3, ..reading(&at) };
        let (page, _) = sync(server, "bob", request).await.unwrap();
        assert!(page.events.len() <= 3 && page.limited.is_empty(), "{page:?}");
        assert_eq!(page.more, seen.len() + page.events.len() < 8, "{page:?}");
        assert_ne!(page.from, page.to);
        seen.extend(seqs(&page));
        at = page.to;
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, expected);
}

pub(super) async fn a_leave_is_the_last_that_is_told(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let from = cursor(server, "bob").await;
    talk(server, "ada", room, 1).await;
    remove(server, "ada", room, "bob").await.unwrap();
    talk(server, "ada", room, 2).await;
    let page = read(server, "bob", &from).await;
    assert_eq!(seqs(&page), [(room, 2), (room, 3)]);
    assert_eq!(page.events[1].kind, EventKind::MemberLeft);
    assert!(quiet(&read(server, "bob", &page.to).await));
    assert!(boot(server, "bob").await.rooms.is_empty());
    // Back again, from its head on.
    add(server, "ada", room, "bob").await.unwrap();
    let back = read(server, "bob", &page.to).await;
    assert_eq!(back.limited[0].head_seq, Seq::new(6));
    assert_eq!(back.limited[0].unread_base.map(|base| base.read), Some(Seq::new(6)));
}

pub(super) async fn receipts_only_rise_and_come_by_the_feed(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    talk(server, "ada", room, 4).await;
    let (adas, bobs) = (cursor(server, "ada").await, cursor(server, "bob").await);
    for update in [receipt(room, 3, 2), receipt(room, 1, 1), receipt(room, 3, 99)] {
        let request = SyncRequest { receipts: vec![update], ..reading(&bobs) };
        sync(server, "bob", request).await.unwrap();
    }
    // Only the newest, cut to the head, for others and for the user's own devices.
    let newest = Receipt::at(room, user("bob"), Seq::new(5));
    let page = read(server, "ada", &adas).await;
    assert_eq!(page.receipts, std::slice::from_ref(&newest));
    assert_eq!(read(server, "bob", &bobs).await.receipts, [newest]);
    assert!(quiet(&read(server, "ada", &page.to).await));
    let request = SyncRequest { receipts: vec![receipt(room, 5, 5)], ..reading(&page.to) };
    sync(server, "bob", request).await.ok();
    assert!(quiet(&read(server, "ada", &page.to).await), "a repeat is no news");
    let many = vec![receipt(room, 1, 1); 51];
    let request = SyncRequest { receipts: many, ..reading(&adas) };
    assert_eq!(code(sync(server, "ada", request).await), ErrorCode::InvalidContent);
}

pub(super) async fn how_far_the_others_are_is_told_to_members_who_ask(server: &mut impl Served) {
    let room = group(server, "ada", &["bob", "eve"]).await;
    talk(server, "ada", room, 4).await;
    let from = cursor(server, "bob").await;
    let request = SyncRequest { receipts: vec![receipt(room, 4, 3)], ..reading(&from) };
    sync(server, "bob", request).await.unwrap();
    let asked = |seq, after: Option<&str>| Request::Receipts(room, Seq::new(seq), after.map(user));
    let told = async |server: &mut _, request| match Served::request(server, "ada", request).await {
        Ok(Response::Receipts(page)) => page,
        other => panic!("{other:?}"),
    };
    for (seq, delivered_to, read_by) in [(3, 1, 1), (4, 1, 0), (5, 0, 0)] {
        let page = told(server, asked(seq, None)).await;
        assert_eq!((page.delivered_to, page.read_by, page.of), (delivered_to, read_by, 2), "{seq}");
        let users: Vec<&str> = page.receipts.iter().map(|receipt| receipt.user.as_str()).collect();
        assert_eq!((users, page.next), (vec!["bob", "eve"], None));
    }
    let rest = told(server, asked(3, Some("bob"))).await;
    assert_eq!((rest.read_by, rest.receipts.len()), (1, 1));
    remove(server, "ada", room, "eve").await.unwrap();
    assert_eq!(told(server, asked(3, None)).await.of, 1);
    let refused = server.request("eve", asked(3, None)).await;
    assert_eq!(code(refused), ErrorCode::NotAMember);
}

pub(super) async fn operations_and_receipts_are_applied_before_the_feed_is_read(
    server: &mut impl Served,
) {
    let room = group(server, "ada", &["bob"]).await;
    let from = cursor(server, "ada").await;
    talk(server, "bob", room, 1).await;
    let request = SyncRequest {
        ops: vec![RoomOps { room, ops: vec![op("mine")] }],
        receipts: vec![receipt(room, 2, 2)],
        ..reading(&from)
    };
    let (page, results) = sync(server, "ada", request).await.unwrap();
    assert_eq!((results[0].room, results[0].results.len()), (room, 1));
    assert_eq!(seqs(&page), [(room, 2), (room, 3)]);
    assert_eq!(page.receipts, [Receipt::at(room, user("ada"), Seq::new(2))]);
}

pub(super) async fn a_cursor_that_is_none_is_refused_with_all_that_came_with_it(
    server: &mut impl Served,
) {
    let room = group(server, "ada", &[]).await;
    let request = SyncRequest {
        ops: vec![RoomOps { room, ops: vec![op("not written")] }],
        ..reading(&Cursor::new("garbage"))
    };
    assert_eq!(code(sync(server, "ada", request).await), ErrorCode::CursorInvalid);
    assert_eq!(boot(server, "ada").await.rooms[0].head_seq, Seq::new(1));
}

pub(super) async fn an_expired_cursor_is_told_and_bootstrap_gives_another(
    server: &mut impl Served,
) {
    let room = group(server, "ada", &[]).await;
    let old = cursor(server, "ada").await;
    talk(server, "ada", room, 1).await;
    server.expire("ada", &old).await;
    assert_eq!(code(sync(server, "ada", reading(&old)).await), ErrorCode::CursorExpired);
    let boot = boot(server, "ada").await;
    assert_eq!(boot.rooms[0].head_seq, Seq::new(2));
    assert_ne!(boot.cursor, old);
}
