//! Promises about what is kept in memory: it answers as the database does.

use tidewire_protocol::{EventId, HistoryAnchor, Seq};

use super::{Fixture, delete, edit, message, query, reaction, reply, user};
use crate::store::{LiveRead, Ords, Store};

/// What a store that was opened just now, and so has nothing in memory, answers: the same.
async fn agree(f: &Fixture<'_>, room: tidewire_protocol::RoomId, what: &str) {
    let cold = f.reopened().await;
    let head = cold.room(room, user("ada")).await.unwrap().head_seq.get();
    let anchors = [
        HistoryAnchor::Newest,
        HistoryAnchor::Before(Seq::new(head)),
        HistoryAnchor::Before(Seq::new(head / 2)),
        HistoryAnchor::After(Seq::new(head / 2)),
        HistoryAnchor::Around(Seq::new(head.saturating_sub(2))),
    ];
    for reader in ["ada", "bob", "cyd"] {
        for anchor in anchors {
            for limit in [1, 3, 50] {
                let read = async |store: &dyn Store| {
                    let page = store.history(room, user(reader), None, anchor, limit).await;
                    page.map(|page| format!("{page:?}"))
                };
                let (warm, told) = (read(f.store.as_ref()).await, read(cold.as_ref()).await);
                assert_eq!(warm, told, "{what}: {reader}, {anchor:?}, {limit}");
            }
        }
        for after in [0, head / 2, head - 1, head, head + 1] {
            let read = async |store: &dyn Store| match store
                .live_after(room, user(reader), Seq::new(after))
                .await
                .unwrap()
            {
                LiveRead::Events { events, prev, more, joined } => {
                    format!("{events:?} {prev} {more} {joined}")
                }
                LiveRead::Limited(state) => format!("{state:?}"),
            };
            let (warm, told) = (read(f.store.as_ref()).await, read(cold.as_ref()).await);
            assert_eq!(warm, told, "{what}: {reader} after {after}");
        }
        let start = Ords::zero(cold.shards());
        let read = async |store: &dyn Store| {
            let page = store.feed_page(query(reader, &start, 50)).await.unwrap();
            format!("{page:?}")
        };
        assert_eq!(read(f.store.as_ref()).await, read(cold.as_ref()).await, "{what}: {reader}");
    }
    cold.close().await;
}

pub(super) async fn what_is_in_memory_is_answered_as_the_database_has_it(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let mut said: Vec<EventId> = Vec::new();
    for n in 0..20 {
        said.push(f.send(room, "ada", message(&format!("{n}"))).await);
    }
    // As whoever follows the log does.
    f.log().await;
    agree(f, room, "messages alone").await;
    f.send(room, "ada", edit(said[19], "else")).await;
    f.send(room, "bob", reaction(said[18], "x", false)).await;
    f.send(room, "cyd", reply(said[17], "in the thread")).await;
    // What has come since is not in memory yet.
    agree(f, room, "changes that nobody has read").await;
    f.log().await;
    agree(f, room, "changes").await;
    f.store.remove_member(room, user("ada"), user("cyd")).await.unwrap();
    agree(f, room, "a removal").await;
    f.send(room, "ada", delete(said[18])).await;
    f.send(room, "bob", reaction(said[16], "x", false)).await;
    f.log().await;
    agree(f, room, "a deletion after a leave").await;
    // More than is kept.
    for n in 0..70 {
        f.send(room, "bob", message(&format!("{n}"))).await;
    }
    f.log().await;
    agree(f, room, "more than is kept").await;
    f.store.ban(room, user("ada"), user("bob"), Default::default()).await.unwrap();
    f.log().await;
    f.send(room, "ada", delete(said[0])).await;
    agree(f, room, "a ban").await;
}
